//! The constants of the C page.
//!
//! They are plain numbers, since cbindgen copies them as they are written; layout.rs holds them to the core's own. The doc comments are for
//! C readers. The last paragraph of a comment is the note of its constant; a paragraph before it is a heading above the constant. A list
//! is the constants of one prefix; `mk/header/raftcore.h.in` says where on the page each list stands.

#![allow(missing_docs)] // those whose names say it all

/// goes into raftcore_config; grows only when something that exists changes
pub const RAFTCORE_ABI_VERSION: u32 = 1;
/// of this page; raftcore_version_string tells of the library that runs
pub const RAFTCORE_VERSION_MAJOR: u32 = 0;
pub const RAFTCORE_VERSION_MINOR: u32 = 1;
pub const RAFTCORE_VERSION_PATCH: u32 = 0;
/// Bits of raftcore_features.
///
/// built with internal checks, for tests
pub const RAFTCORE_FEATURE_CHECKED: u64 = 1;

/// done
pub const RAFTCORE_OK: i32 = 0;
/// nothing there: no ready, fetch or event
pub const RAFTCORE_NONE: i32 = 1;
/// a supply that is no longer wanted; nothing done
pub const RAFTCORE_IGNORED: i32 = 2;
/// a required pointer is NULL
pub const RAFTCORE_E_NULL: i32 = -1;
/// not a live node: freed, or never made
pub const RAFTCORE_E_HANDLE: i32 = -2;
/// another thread is in the node
pub const RAFTCORE_E_BUSY: i32 = -3;
/// a bug was caught; the node is poisoned now
pub const RAFTCORE_E_PANIC: i32 = -4;
/// poisoned earlier; looking inside and free still work
pub const RAFTCORE_E_POISONED: i32 = -5;
/// abi_version or struct_size is not one this library knows
pub const RAFTCORE_E_ABI: i32 = -6;
/// out of range, or a number or index never handed out
pub const RAFTCORE_E_ARG: i32 = -7;
/// a call out of order: see appendix A, "Which call when"
pub const RAFTCORE_E_STATE: i32 = -8;
/// acknowledged before; harmless
pub const RAFTCORE_E_STALE: i32 = -9;
/// an allocation failed
pub const RAFTCORE_E_NOMEM: i32 = -10;
/// a configured capacity is reached: retry after advance
pub const RAFTCORE_E_FULL: i32 = -11;
/// the caller's buffer; the needed size was stored
pub const RAFTCORE_E_TOO_SMALL: i32 = -12;
/// malformed bytes
pub const RAFTCORE_E_DECODE: i32 = -13;
/// no leader is known, or a transfer is under way
pub const RAFTCORE_E_NO_LEADER: i32 = -14;
/// a response from somebody unknown; or no such peer
pub const RAFTCORE_E_NO_PEER: i32 = -15;
/// a configuration change is in flight
pub const RAFTCORE_E_CONF_BUSY: i32 = -16;
/// a change that is invalid here; the detail says why
pub const RAFTCORE_E_CONF: i32 = -17;
/// boot data contradict each other
pub const RAFTCORE_E_CORRUPT: i32 = -18;
/// not in this library, or not in this storage mode
pub const RAFTCORE_E_UNSUPPORTED: i32 = -19;
/// message to another id or group, from self, or of a local kind
pub const RAFTCORE_E_NOT_FOR_ME: i32 = -20;
/// message contradicts what is committed here; an event tells
pub const RAFTCORE_E_IMPLAUSIBLE: i32 = -21;

/// Roles.
///
/// follows a leader, or waits for one
pub const RAFTCORE_ROLE_FOLLOWER: u32 = 0;
pub const RAFTCORE_ROLE_CANDIDATE: u32 = 1;
pub const RAFTCORE_ROLE_LEADER: u32 = 2;
/// asks first whether it could win (PreVote)
pub const RAFTCORE_ROLE_PRE_CANDIDATE: u32 = 3;

/// Kinds of entries. The numbers are raftpb's, as in all that goes over the wire.
///
/// data of the application; empty: a leader's first entry
pub const RAFTCORE_ENTRY_NORMAL: u32 = 0;
/// a configuration change, first encoding
pub const RAFTCORE_ENTRY_CONF_CHANGE: u32 = 1;
/// configuration changes, second encoding
pub const RAFTCORE_ENTRY_CONF_CHANGE_V2: u32 = 2;

/// Kinds of messages. Most hosts never look: a frame goes to raftcore_msg.to, and that is all.
///
/// never leaves a node
pub const RAFTCORE_MSG_HUP: u32 = 0;
pub const RAFTCORE_MSG_BEAT: u32 = 1;
/// proposals on their way to the leader
pub const RAFTCORE_MSG_PROP: u32 = 2;
/// append entries
pub const RAFTCORE_MSG_APP: u32 = 3;
pub const RAFTCORE_MSG_APP_RESP: u32 = 4;
pub const RAFTCORE_MSG_VOTE: u32 = 5;
pub const RAFTCORE_MSG_VOTE_RESP: u32 = 6;
/// a snapshot: see raftcore_snapshot_split
pub const RAFTCORE_MSG_SNAP: u32 = 7;
pub const RAFTCORE_MSG_HEARTBEAT: u32 = 8;
pub const RAFTCORE_MSG_HEARTBEAT_RESP: u32 = 9;
pub const RAFTCORE_MSG_UNREACHABLE: u32 = 10;
pub const RAFTCORE_MSG_SNAP_STATUS: u32 = 11;
pub const RAFTCORE_MSG_CHECK_QUORUM: u32 = 12;
pub const RAFTCORE_MSG_TRANSFER_LEADER: u32 = 13;
pub const RAFTCORE_MSG_TIMEOUT_NOW: u32 = 14;
pub const RAFTCORE_MSG_READ_INDEX: u32 = 15;
pub const RAFTCORE_MSG_READ_INDEX_RESP: u32 = 16;
pub const RAFTCORE_MSG_PRE_VOTE: u32 = 17;
pub const RAFTCORE_MSG_PRE_VOTE_RESP: u32 = 18;
/// to RAFTCORE_ID_LOCAL_APPEND; RAFTCORE_STORAGE_MESSAGES only
pub const RAFTCORE_MSG_STORAGE_APPEND: u32 = 19;
pub const RAFTCORE_MSG_STORAGE_APPEND_RESP: u32 = 20;
/// to RAFTCORE_ID_LOCAL_APPLY; RAFTCORE_STORAGE_MESSAGES only
pub const RAFTCORE_MSG_STORAGE_APPLY: u32 = 21;
pub const RAFTCORE_MSG_STORAGE_APPLY_RESP: u32 = 22;
pub const RAFTCORE_MSG_FORGET_LEADER: u32 = 23;
/// Targets that are no peers, with RAFTCORE_STORAGE_MESSAGES. Ids of nodes are 1 to 2^64-17.
///
/// this node's storage
pub const RAFTCORE_ID_LOCAL_APPEND: u64 = 18446744073709551615;
pub const RAFTCORE_ID_LOCAL_APPLY: u64 = 18446744073709551614;

/// Steps of a configuration change.
///
/// becomes a voter
pub const RAFTCORE_CHANGE_ADD_NODE: u32 = 0;
pub const RAFTCORE_CHANGE_REMOVE_NODE: u32 = 1;
/// changes nothing; carries a context
pub const RAFTCORE_CHANGE_UPDATE_NODE: u32 = 2;
pub const RAFTCORE_CHANGE_ADD_LEARNER: u32 = 3;
/// How a change takes effect.
///
/// in a single step if it can be, else joint and left by itself
pub const RAFTCORE_TRANSITION_AUTO: u32 = 0;
/// joint, left by itself
pub const RAFTCORE_TRANSITION_JOINT_IMPLICIT: u32 = 1;
/// joint, left by a later empty change
pub const RAFTCORE_TRANSITION_JOINT_EXPLICIT: u32 = 2;
/// exactly one change, in the first encoding
pub const RAFTCORE_TRANSITION_V1: u32 = 3;

/// raftcore_config.storage
///
/// one ready at a time, ended by raftcore_advance
pub const RAFTCORE_STORAGE_SYNC: u32 = 0;
/// several at once: raftcore_persisted, _applied, _release
pub const RAFTCORE_STORAGE_ASYNC: u32 = 1;
/// as etcd's AsyncStorageWrites: raftcore_step_local
pub const RAFTCORE_STORAGE_MESSAGES: u32 = 2;
/// raftcore_config.dialect
///
/// the schema of etcd's raft
pub const RAFTCORE_DIALECT_RAFTPB: u32 = 0;
/// raftcore_config_preset
///
/// etcd's choice wherever the defaults differ
pub const RAFTCORE_PRESET_ETCD: u32 = 1;

/// raftcore_config.flags
///
/// default on: asks before it raises its term
pub const RAFTCORE_FLAG_PRE_VOTE: u64 = 1;
/// default on: a leader that hears no quorum steps down
pub const RAFTCORE_FLAG_CHECK_QUORUM: u64 = 2;
/// reads by lease: bounded clock drift, and CHECK_QUORUM
pub const RAFTCORE_FLAG_LEASE_READS: u64 = 4;
/// views turn to 0xDD when they end; for tests of a host
pub const RAFTCORE_FLAG_DEBUG_POISON_VIEWS: u64 = 8;
/// etcd: MsgVote may leave before its hard state is durable
pub const RAFTCORE_FLAG_VOTE_REQUEST_EARLY: u64 = 16;
/// etcd: a removed or demoted leader goes on leading
pub const RAFTCORE_FLAG_STAY_WHEN_REMOVED: u64 = 32;
/// etcd: a refused change is appended as an empty entry
pub const RAFTCORE_FLAG_REFUSED_CONF_AS_EMPTY: u64 = 64;
/// etcd: lease reads go on during a transfer
pub const RAFTCORE_FLAG_LEASE_IN_TRANSFER: u64 = 128;
/// index and term in MsgTimeoutNow; all nodes must be able
pub const RAFTCORE_FLAG_TRANSFER_FENCE: u64 = 256;
/// commit index in votes; all nodes must be able
pub const RAFTCORE_FLAG_COMMIT_IN_VOTES: u64 = 512;
/// etcd: a read is answered before its index is applied
pub const RAFTCORE_FLAG_READ_AT_ONCE: u64 = 1024;
/// entries join an unsent append to the same peer
pub const RAFTCORE_FLAG_BATCH_APPEND: u64 = 2048;
/// a moved commit waits for the next append or heartbeat
pub const RAFTCORE_FLAG_NO_COMMIT_BROADCAST: u64 = 4096;
/// a leader that its change removes hands over first
pub const RAFTCORE_FLAG_NOMINATE_SUCCESSOR: u64 = 8192;
/// etcd: changes are neither validated when proposed nor kept apart: for all nodes or none
pub const RAFTCORE_FLAG_NO_CONF_VALIDATION: u64 = 16384;
/// a follower refuses proposals, passes none on
pub const RAFTCORE_FLAG_NO_FORWARDING: u64 = 32768;
/// raftcore_msg.entries is filled
pub const RAFTCORE_FLAG_DECODED_MSGS: u64 = 65536;
/// a removed or demoted leader leads on until a quorum of the others has learned of it; default on, etcd: off
pub const RAFTCORE_FLAG_RETIRE_GRACEFULLY: u64 = 131072;
/// an append that only tells the commit index asks a peer that streams for no answer; default on, etcd: off
pub const RAFTCORE_FLAG_QUIET_COMMIT: u64 = 262144;

/// raftcore_ready.flags
///
/// term, vote or commit changed: store them
pub const RAFTCORE_RF_HARD_STATE: u64 = 1;
/// what is written must be durable before the host goes on
pub const RAFTCORE_RF_MUST_SYNC: u64 = 2;
/// role or leader changed
pub const RAFTCORE_RF_SOFT_STATE: u64 = 4;
/// a snapshot to install
pub const RAFTCORE_RF_SNAPSHOT: u64 = 8;
/// raftcore_msg.flags
///
/// may leave only when all readies up to its own are durable
pub const RAFTCORE_MF_AFTER: u64 = 1;
/// a response that refuses; an append without entries that needs no answer
pub const RAFTCORE_MF_REJECT: u64 = 2;
/// raftcore_has_ready: what the next ready would hold
///
/// term, vote or commit changed
pub const RAFTCORE_HAS_HARD_STATE: i32 = 1;
pub const RAFTCORE_HAS_SOFT_STATE: i32 = 2;
pub const RAFTCORE_HAS_SNAPSHOT: i32 = 4;
pub const RAFTCORE_HAS_ENTRIES: i32 = 8;
/// own votes and acknowledgements count, too
pub const RAFTCORE_HAS_MESSAGES: i32 = 16;
pub const RAFTCORE_HAS_COMMITTED: i32 = 32;
pub const RAFTCORE_HAS_READS: i32 = 64;
pub const RAFTCORE_HAS_DROPPED: i32 = 128;
/// raftcore_next_fetch has something
pub const RAFTCORE_HAS_FETCH: i32 = 256;
/// raftcore_next_event has something
pub const RAFTCORE_HAS_EVENTS: i32 = 512;
/// raftcore_drop.what
///
/// surely not committed: at its index another entry is, or below it one of a later term
pub const RAFTCORE_DROP_NOT_COMMITTED: u32 = 1;
/// may be committed or not: passed on, or under a snapshot
pub const RAFTCORE_DROP_UNKNOWN: u32 = 2;
/// a read that will not be answered: start it again
pub const RAFTCORE_DROP_READ: u32 = 3;
/// raftcore_fetch.kind
///
/// answer with raftcore_supply_entries or _none
pub const RAFTCORE_FETCH_ENTRIES: u32 = 1;
/// answer with raftcore_supply_snapshot or _none
pub const RAFTCORE_FETCH_SNAPSHOT: u32 = 2;
/// raftcore_supply_none
///
/// compacted away: a snapshot is asked for instead
pub const RAFTCORE_SUPPLY_GONE: u32 = 1;
/// not now: asked again later
pub const RAFTCORE_SUPPLY_LATER: u32 = 2;
/// raftcore_peer.flow
///
/// one append at a time, to find where the logs meet
pub const RAFTCORE_FLOW_PROBE: u32 = 0;
/// appends in flight up to the window
pub const RAFTCORE_FLOW_REPLICATE: u32 = 1;
/// a snapshot is under way
pub const RAFTCORE_FLOW_SNAPSHOT: u32 = 2;
/// raftcore_peer.flags
///
/// a voter; in a joint configuration of the incoming half
pub const RAFTCORE_PF_VOTER: u32 = 1;
/// a voter of the outgoing half
pub const RAFTCORE_PF_OUTGOING: u32 = 2;
pub const RAFTCORE_PF_LEARNER: u32 = 4;
/// heard from since the last quorum check
pub const RAFTCORE_PF_ACTIVE: u32 = 8;
/// nothing is sent before it answers
pub const RAFTCORE_PF_PAUSED: u32 = 16;
pub const RAFTCORE_PF_WINDOW_FULL: u32 = 32;
/// near enough to be promoted
pub const RAFTCORE_PF_CAUGHT_UP: u32 = 64;
/// waits for a supply
pub const RAFTCORE_PF_FETCHING: u32 = 128;

/// raftcore_event.kind; raftcore_event_text has the words
///
/// peer is the leader; 0: none
pub const RAFTCORE_EVENT_BECAME_FOLLOWER: u32 = 1;
pub const RAFTCORE_EVENT_BECAME_PRE_CANDIDATE: u32 = 2;
pub const RAFTCORE_EVENT_BECAME_CANDIDATE: u32 = 3;
/// leads in term; its first entry is at index
pub const RAFTCORE_EVENT_BECAME_LEADER: u32 = 4;
/// that entry is applied: serves reads and changes now
pub const RAFTCORE_EVENT_LEADER_READY: u32 = 5;
/// a message was ignored: a is its kind
pub const RAFTCORE_EVENT_IGNORED: u32 = 6;
/// a message contradicts what is held here: a is its kind, b what it says
pub const RAFTCORE_EVENT_ALARM: u32 = 7;
/// peer asked in term
pub const RAFTCORE_EVENT_VOTE_REFUSED: u32 = 8;
pub const RAFTCORE_EVENT_CAMPAIGN_REFUSED: u32 = 9;
/// the entry at index is in force; a voters, b learners
pub const RAFTCORE_EVENT_CONF_APPLIED: u32 = 10;
pub const RAFTCORE_EVENT_CONF_SKIPPED: u32 = 11;
pub const RAFTCORE_EVENT_SNAPSHOT_RESTORED: u32 = 12;
pub const RAFTCORE_EVENT_SNAPSHOT_SENT: u32 = 13;
/// a is 1 if it arrived
pub const RAFTCORE_EVENT_SNAPSHOT_ENDED: u32 = 14;
pub const RAFTCORE_EVENT_TRANSFER_STARTED: u32 = 15;
/// without success
pub const RAFTCORE_EVENT_TRANSFER_ENDED: u32 = 16;
/// for a ticks
pub const RAFTCORE_EVENT_NO_LEADER_LONG: u32 = 17;
/// by a entries
pub const RAFTCORE_EVENT_PEER_LAGS: u32 = 18;
/// a ticks came in one burst
pub const RAFTCORE_EVENT_PAUSED: u32 = 19;
/// a is its kind
pub const RAFTCORE_EVENT_MESSAGE_LOST: u32 = 20;
/// peer passed it on
pub const RAFTCORE_EVENT_PROPOSAL_REFUSED: u32 = 21;
/// at boot: a was stored, b is used
pub const RAFTCORE_EVENT_REPAIRED: u32 = 22;
/// from index up to a
pub const RAFTCORE_EVENT_TRUNCATED: u32 = 23;
pub const RAFTCORE_EVENT_POISONED: u32 = 24;

/// raftcore_event.reason, raftcore_drop.reason; raftcore_reason_text has the words
///
/// none in particular
pub const RAFTCORE_REASON_NONE: u32 = 0;
/// a message of an older term
pub const RAFTCORE_REASON_LOWER_TERM: u32 = 1;
/// only a leader takes it
pub const RAFTCORE_REASON_NOT_LEADER: u32 = 2;
/// only a follower takes it
pub const RAFTCORE_REASON_NOT_FOLLOWER: u32 = 3;
/// a leader is alive: no vote
pub const RAFTCORE_REASON_LEADER_ALIVE: u32 = 4;
/// started too recently to vote
pub const RAFTCORE_REASON_VOTE_FENCE: u32 = 5;
/// an answer to an election that is over
pub const RAFTCORE_REASON_LATE_VOTE: u32 = 7;
/// a transfer that names another term or a longer log
pub const RAFTCORE_REASON_TRANSFER_FENCE: u32 = 8;
/// may not campaign
pub const RAFTCORE_REASON_NOT_PROMOTABLE: u32 = 9;
/// a committed configuration change is not applied yet
pub const RAFTCORE_REASON_CHANGE_UNAPPLIED: u32 = 10;
/// a second leader in this term
pub const RAFTCORE_REASON_SECOND_LEADER: u32 = 11;
/// an append contradicts a committed entry
pub const RAFTCORE_REASON_CONFLICT_BELOW_COMMIT: u32 = 12;
/// the leader says more is committed than this log has: acknowledged entries are gone
pub const RAFTCORE_REASON_COMMIT_BEYOND_LOG: u32 = 13;
/// an acknowledgement beyond this log
pub const RAFTCORE_REASON_ACK_BEYOND_LOG: u32 = 14;
/// an old rejection
pub const RAFTCORE_REASON_STALE_REJECT: u32 = 16;
/// a snapshot that is covered already
pub const RAFTCORE_REASON_OLD_SNAPSHOT: u32 = 17;
/// a snapshot whose configuration lacks this node
pub const RAFTCORE_REASON_SNAPSHOT_WITHOUT_SELF: u32 = 18;
/// a snapshot whose configuration is invalid
pub const RAFTCORE_REASON_SNAPSHOT_CONF: u32 = 19;
/// the peer is silent
pub const RAFTCORE_REASON_PEER_SILENT: u32 = 20;
/// no report about a snapshot
pub const RAFTCORE_REASON_SNAPSHOT_TIMEOUT: u32 = 21;
/// too many messages in one ready: this one is lost
pub const RAFTCORE_REASON_OUTBOX_FULL: u32 = 22;
/// the transfer's target can't lead
pub const RAFTCORE_REASON_TRANSFER_TARGET: u32 = 23;
/// the transfer took too long
pub const RAFTCORE_REASON_TRANSFER_DEADLINE: u32 = 24;
/// the transfer's target was removed or demoted
pub const RAFTCORE_REASON_TRANSFEREE_GONE: u32 = 25;
/// the transfer was called off
pub const RAFTCORE_REASON_TRANSFER_ABORTED: u32 = 26;
/// leadership was lost
pub const RAFTCORE_REASON_LEADERSHIP_LOST: u32 = 27;
/// the leader changed
pub const RAFTCORE_REASON_LEADER_CHANGED: u32 = 28;
/// no answer to a forwarded read in time
pub const RAFTCORE_REASON_READ_TIMEOUT: u32 = 29;
/// an answer to a read that nobody waits for
pub const RAFTCORE_REASON_LATE_READ_ANSWER: u32 = 30;
/// a read context that was never issued
pub const RAFTCORE_REASON_READ_CONTEXT: u32 = 31;
/// passed on to the leader
pub const RAFTCORE_REASON_FORWARDED: u32 = 32;
/// another entry was committed at its index, or one of a later term below it
pub const RAFTCORE_REASON_OVERWRITTEN: u32 = 33;
/// a snapshot covers its index
pub const RAFTCORE_REASON_COVERED_BY_SNAPSHOT: u32 = 34;
/// a forwarded proposal was refused: a limit is reached
pub const RAFTCORE_REASON_FORWARDED_FULL: u32 = 35;
/// a forwarded configuration change was refused
pub const RAFTCORE_REASON_FORWARDED_CONF: u32 = 36;
/// no leader is known
pub const RAFTCORE_REASON_NO_LEADER: u32 = 37;
/// no quorum was heard within an election timeout
pub const RAFTCORE_REASON_NO_QUORUM: u32 = 39;
/// this node was removed or demoted
pub const RAFTCORE_REASON_REMOVED: u32 = 40;
/// a message of a higher term
pub const RAFTCORE_REASON_HIGHER_TERM: u32 = 41;
/// an election was lost
pub const RAFTCORE_REASON_ELECTION_LOST: u32 = 42;
/// a node of higher priority objects
pub const RAFTCORE_REASON_PRIORITY: u32 = 43;
/// the vote went to another, or a leader is known
pub const RAFTCORE_REASON_VOTED_OTHER: u32 = 44;
/// the candidate's log is older
pub const RAFTCORE_REASON_OLDER_LOG: u32 = 45;
/// not a peer
pub const RAFTCORE_REASON_UNKNOWN_PEER: u32 = 46;
/// lease reads forbid forgetting the leader
pub const RAFTCORE_REASON_LEASE: u32 = 48;
/// the recent log is full of entries that are not durable
pub const RAFTCORE_REASON_LOG_FULL: u32 = 50;
/// the term is too high
pub const RAFTCORE_REASON_TERM_EXHAUSTED: u32 = 51;
/// leaving the joint configuration was refused for now
pub const RAFTCORE_REASON_LEAVE_REFUSED: u32 = 52;
