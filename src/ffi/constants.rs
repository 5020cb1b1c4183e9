//! The constants of the C page.
//!
//! The values are plain numbers, since cbindgen copies the text; layout.rs compares the numbers
//! with the core. The doc comments are for C readers. The last paragraph of a comment is the note
//! of its constant; a paragraph before the note is a heading above the constant. A list consists of
//! the constants with a common prefix; `mk/header/raftcore.h.in` places the lists on the page.

#![allow(missing_docs)] // where the name says enough

/// Version of the ABI; grows when an existing item changes
pub const RAFTCORE_ABI_VERSION: u32 = 1;
/// Version of this page
pub const RAFTCORE_VERSION_MAJOR: u32 = 0;
pub const RAFTCORE_VERSION_MINOR: u32 = 1;
pub const RAFTCORE_VERSION_PATCH: u32 = 0;
/// Bits of raftcore_features.
///
/// Built with internal checks, for tests
pub const RAFTCORE_FEATURE_CHECKED: u64 = 1;

/// Bits of raftcore_hello_info.features.
///
/// The sender's group speaks RAFTCORE_DIALECT_ERAFTPB
pub const RAFTCORE_HELLO_ERAFTPB: u64 = 4294967296;

/// Success
pub const RAFTCORE_OK: i32 = 0;
/// Nothing to return: no ready, fetch or event
pub const RAFTCORE_NONE: i32 = 1;
/// Nothing done: the supply is no longer needed
pub const RAFTCORE_IGNORED: i32 = 2;
/// From raftcore_turn: a ready, and nothing can follow it before something happens
pub const RAFTCORE_LAST: i32 = 3;
/// From raftcore_turn: a fetch waits; answer it, then take the next turn
pub const RAFTCORE_FETCH_FIRST: i32 = 4;
/// Error codes.
///
/// A required pointer is NULL
pub const RAFTCORE_E_NULL: i32 = -1;
/// Not a live node: freed, or never made
pub const RAFTCORE_E_HANDLE: i32 = -2;
/// Another thread is in the node
pub const RAFTCORE_E_BUSY: i32 = -3;
/// A bug in the core was caught; the node is poisoned now
pub const RAFTCORE_E_PANIC: i32 = -4;
/// Poisoned earlier; has_ready, free and group 6 still work
pub const RAFTCORE_E_POISONED: i32 = -5;
/// The library does not know this abi_version or struct_size
pub const RAFTCORE_E_ABI: i32 = -6;
/// Out of range: a value, kind, flag, number or index; or a reserved field is not 0, or a pointer
/// is not aligned
pub const RAFTCORE_E_ARG: i32 = -7;
/// Out of order: see appendix A, "Which call when"
pub const RAFTCORE_E_STATE: i32 = -8;
/// Acknowledged before; harmless
pub const RAFTCORE_E_STALE: i32 = -9;
/// An allocation failed
pub const RAFTCORE_E_NOMEM: i32 = -10;
/// A configured capacity is reached: retry after advance
pub const RAFTCORE_E_FULL: i32 = -11;
/// The buffer is too small; the needed size was stored
pub const RAFTCORE_E_TOO_SMALL: i32 = -12;
/// Malformed bytes
pub const RAFTCORE_E_DECODE: i32 = -13;
/// No leader is known, or a transfer is under way
pub const RAFTCORE_E_NO_LEADER: i32 = -14;
/// No such peer, or a response from an unknown node
pub const RAFTCORE_E_NO_PEER: i32 = -15;
/// A membership change is in flight
pub const RAFTCORE_E_CONF_BUSY: i32 = -16;
/// A membership change that is invalid here
pub const RAFTCORE_E_CONF: i32 = -17;
/// The stored state contradicts itself
pub const RAFTCORE_E_CORRUPT: i32 = -18;
/// Not in this library, or not in this storage mode
pub const RAFTCORE_E_UNSUPPORTED: i32 = -19;
/// A message to another node or group, from this node, or of a local kind
pub const RAFTCORE_E_NOT_FOR_ME: i32 = -20;
/// A message contradicts committed entries: see the event
pub const RAFTCORE_E_IMPLAUSIBLE: i32 = -21;
/// Above a configured limit; send snapshot data of this size beside the core
pub const RAFTCORE_E_TOO_LARGE: i32 = -22;
/// Another node leads: see raftcore_status.leader
pub const RAFTCORE_E_NOT_LEADER: i32 = -23;

/// Roles of a node.
///
/// Follows a leader, or waits for a leader
pub const RAFTCORE_ROLE_FOLLOWER: u32 = 0;
/// Asks for votes
pub const RAFTCORE_ROLE_CANDIDATE: u32 = 1;
pub const RAFTCORE_ROLE_LEADER: u32 = 2;
/// Asks for votes without raising the term (PreVote)
pub const RAFTCORE_ROLE_PRE_CANDIDATE: u32 = 3;

/// Kinds of entries, with raftpb's numbers.
///
/// Data of the application; empty: a leader's first entry
pub const RAFTCORE_ENTRY_NORMAL: u32 = 0;
/// A membership change, first encoding
pub const RAFTCORE_ENTRY_CONF_CHANGE: u32 = 1;
/// Membership changes, second encoding
pub const RAFTCORE_ENTRY_CONF_CHANGE_V2: u32 = 2;

/// Kinds of messages, with raftpb's numbers. A host that sends each frame to raftcore_msg.to needs
/// no kinds.
///
/// Local: never leaves a node
pub const RAFTCORE_MSG_HUP: u32 = 0;
/// Local
pub const RAFTCORE_MSG_BEAT: u32 = 1;
/// Proposals, forwarded to the leader
pub const RAFTCORE_MSG_PROP: u32 = 2;
/// Entries to append
pub const RAFTCORE_MSG_APP: u32 = 3;
pub const RAFTCORE_MSG_APP_RESP: u32 = 4;
pub const RAFTCORE_MSG_VOTE: u32 = 5;
pub const RAFTCORE_MSG_VOTE_RESP: u32 = 6;
/// A snapshot: see raftcore_snapshot_split
pub const RAFTCORE_MSG_SNAP: u32 = 7;
pub const RAFTCORE_MSG_HEARTBEAT: u32 = 8;
pub const RAFTCORE_MSG_HEARTBEAT_RESP: u32 = 9;
/// Local
pub const RAFTCORE_MSG_UNREACHABLE: u32 = 10;
/// Local
pub const RAFTCORE_MSG_SNAP_STATUS: u32 = 11;
/// Local
pub const RAFTCORE_MSG_CHECK_QUORUM: u32 = 12;
pub const RAFTCORE_MSG_TRANSFER_LEADER: u32 = 13;
pub const RAFTCORE_MSG_TIMEOUT_NOW: u32 = 14;
pub const RAFTCORE_MSG_READ_INDEX: u32 = 15;
pub const RAFTCORE_MSG_READ_INDEX_RESP: u32 = 16;
pub const RAFTCORE_MSG_PRE_VOTE: u32 = 17;
pub const RAFTCORE_MSG_PRE_VOTE_RESP: u32 = 18;
/// Local: to RAFTCORE_ID_LOCAL_APPEND
pub const RAFTCORE_MSG_STORAGE_APPEND: u32 = 19;
/// Local
pub const RAFTCORE_MSG_STORAGE_APPEND_RESP: u32 = 20;
/// Local: to RAFTCORE_ID_LOCAL_APPLY
pub const RAFTCORE_MSG_STORAGE_APPLY: u32 = 21;
/// Local
pub const RAFTCORE_MSG_STORAGE_APPLY_RESP: u32 = 22;
/// Local
pub const RAFTCORE_MSG_FORGET_LEADER: u32 = 23;
/// Receivers that are no peers, with RAFTCORE_STORAGE_MESSAGES. Ids of nodes are 1 to 2^64-17.
///
/// The node's storage
pub const RAFTCORE_ID_LOCAL_APPEND: u64 = 18446744073709551615;
/// The node's state machine
pub const RAFTCORE_ID_LOCAL_APPLY: u64 = 18446744073709551614;

/// raftcore_change.kind
///
/// Adds or promotes a voter
pub const RAFTCORE_CHANGE_ADD_NODE: u32 = 0;
/// Removes a voter or learner
pub const RAFTCORE_CHANGE_REMOVE_NODE: u32 = 1;
/// Changes nothing; carries a context
pub const RAFTCORE_CHANGE_UPDATE_NODE: u32 = 2;
/// Adds a learner, or demotes a voter
pub const RAFTCORE_CHANGE_ADD_LEARNER: u32 = 3;
/// Transitions of a membership change: see raftcore_propose_conf.
///
/// In one step if possible, else as JOINT_IMPLICIT
pub const RAFTCORE_TRANSITION_AUTO: u32 = 0;
/// Joint, then left automatically
pub const RAFTCORE_TRANSITION_JOINT_IMPLICIT: u32 = 1;
/// Joint, until you propose an empty change
pub const RAFTCORE_TRANSITION_JOINT_EXPLICIT: u32 = 2;
/// Exactly one change, in the first encoding
pub const RAFTCORE_TRANSITION_V1: u32 = 3;

/// raftcore_config.storage
///
/// One ready at a time, ended by raftcore_advance
pub const RAFTCORE_STORAGE_SYNC: u32 = 0;
/// Several readies: raftcore_persisted, _applied, _release
pub const RAFTCORE_STORAGE_ASYNC: u32 = 1;
/// Like etcd's AsyncStorageWrites: raftcore_step_local
pub const RAFTCORE_STORAGE_MESSAGES: u32 = 2;
/// raftcore_config.dialect
///
/// The schema of etcd's raft
pub const RAFTCORE_DIALECT_RAFTPB: u32 = 0;
/// The schema of raft-rs 0.7 (eraftpb): entries with contexts, requested snapshots, priorities in its
/// fields, learners under its number. A log of one dialect is never read in the other.
pub const RAFTCORE_DIALECT_ERAFTPB: u32 = 1;
/// Presets of raftcore_config_preset.
///
/// The choices of etcd's raft, wherever the defaults differ
pub const RAFTCORE_PRESET_ETCD: u32 = 1;

/// raftcore_config.flags. Flags with [on] are set by raftcore_config_init and cleared by
/// RAFTCORE_PRESET_ETCD; flags with [etcd] are set by RAFTCORE_PRESET_ETCD.
///
/// [on] Before an election, a node asks for votes without raising the term.
pub const RAFTCORE_FLAG_PRE_VOTE: u64 = 1;
/// [on] A leader that hears no quorum steps down. Nodes that hear a leader grant no votes.
pub const RAFTCORE_FLAG_CHECK_QUORUM: u64 = 2;
/// A leader serves reads on a lease, without a round of heartbeats. Requires CHECK_QUORUM, and
/// clocks with bounded drift.
pub const RAFTCORE_FLAG_LEASE_READS: u64 = 4;
/// The memory of a ready turns to 0xDD when the ready ends, so that tests of a host find stale
/// reads.
pub const RAFTCORE_FLAG_DEBUG_POISON_VIEWS: u64 = 8;
/// [etcd] A MsgVote may leave before its hard state is durable.
pub const RAFTCORE_FLAG_VOTE_REQUEST_EARLY: u64 = 16;
/// [etcd] A removed or demoted leader goes on leading.
pub const RAFTCORE_FLAG_STAY_WHEN_REMOVED: u64 = 32;
/// [etcd] A leader appends a refused membership change as an empty entry.
pub const RAFTCORE_FLAG_REFUSED_CONF_AS_EMPTY: u64 = 64;
/// [etcd] Lease reads go on while leadership is transferred.
pub const RAFTCORE_FLAG_LEASE_IN_TRANSFER: u64 = 128;
/// MsgTimeoutNow carries index and term, for a check by the receiver. All nodes must support the
/// flag.
pub const RAFTCORE_FLAG_TRANSFER_FENCE: u64 = 256;
/// Votes carry the commit index. All nodes must support the flag.
pub const RAFTCORE_FLAG_COMMIT_IN_VOTES: u64 = 512;
/// [etcd] A read is answered before its index is applied.
pub const RAFTCORE_FLAG_READ_AT_ONCE: u64 = 1024;
/// New entries join an unsent append to the peer.
pub const RAFTCORE_FLAG_BATCH_APPEND: u64 = 2048;
/// A new commit index waits for the next append or heartbeat.
pub const RAFTCORE_FLAG_NO_COMMIT_BROADCAST: u64 = 4096;
/// A leader that a change removes transfers leadership first.
pub const RAFTCORE_FLAG_NOMINATE_SUCCESSOR: u64 = 8192;
/// As in etcd's raft, a leader neither validates membership changes nor keeps them apart. Set this
/// flag on all nodes or on none, and write the commit index together with the entries.
pub const RAFTCORE_FLAG_NO_CONF_VALIDATION: u64 = 16384;
/// [etcd] A follower forwards proposals to the leader. Their outcome stays unknown there: tokens come
/// back as RAFTCORE_DROP_UNKNOWN. Without the flag a follower refuses proposals.
pub const RAFTCORE_FLAG_FORWARDING: u64 = 32768;
/// The node fills in raftcore_msg.entries.
pub const RAFTCORE_FLAG_DECODED_MSGS: u64 = 65536;
/// [on] A removed or demoted leader leads on until a quorum of the new membership knows the change.
pub const RAFTCORE_FLAG_RETIRE_GRACEFULLY: u64 = 131072;
/// [on] An append that carries only a commit index requests no answer from a replicating peer.
pub const RAFTCORE_FLAG_QUIET_COMMIT: u64 = 262144;
/// Committed entries that left the recent log come as a span without entries. Read them from your
/// log, and confirm them with raftcore_applied before raftcore_advance.
pub const RAFTCORE_FLAG_COMMITTED_SPANS: u64 = 524288;
/// [etcd] Membership changes are applied apart from their entries, with raftcore_apply_change, late
/// or never.
pub const RAFTCORE_FLAG_CONF_APART: u64 = 1048576;
/// [etcd] The membership of a supplied snapshot may lack the receiver.
pub const RAFTCORE_FLAG_SNAPSHOT_ANY_CONF: u64 = 2097152;
/// Answers to the leader carry the commit index, for raftcore_peer.commit. In
/// RAFTCORE_DIALECT_ERAFTPB they always do.
pub const RAFTCORE_FLAG_REPORT_COMMIT: u64 = 4194304;
/// A leader sends no heartbeat to a peer with new entries since the last heartbeat. No effect with
/// LEASE_READS.
pub const RAFTCORE_FLAG_SPARE_HEARTBEATS: u64 = 8388608;
/// Leadership goes to the highest priority: a follower of higher priority with the whole log asks
/// the leader for leadership.
pub const RAFTCORE_FLAG_YIELD_TO_PRIORITY: u64 = 16777216;
/// A leader without a lease refuses proposals with RAFTCORE_E_NO_LEADER. Requires LEASE_READS.
pub const RAFTCORE_FLAG_LEASED_PROPOSALS: u64 = 33554432;

/// raftcore_ready.flags
///
/// Term, vote or commit has changed: store all three
pub const RAFTCORE_RF_HARD_STATE: u64 = 1;
/// The write must be durable before you go on
pub const RAFTCORE_RF_MUST_SYNC: u64 = 2;
/// Role or leader has changed
pub const RAFTCORE_RF_SOFT_STATE: u64 = 4;
/// A snapshot to install
pub const RAFTCORE_RF_SNAPSHOT: u64 = 8;
/// raftcore_msg.flags
///
/// Send only when all readies up to this one are durable
pub const RAFTCORE_MF_AFTER: u64 = 1;
/// In a response: a refusal. In an append: needs no answer
pub const RAFTCORE_MF_REJECT: u64 = 2;
/// Bits of raftcore_has_ready: contents of the next ready, waiting fetches and events.
///
/// Term, vote or commit has changed
pub const RAFTCORE_HAS_HARD_STATE: i32 = 1;
pub const RAFTCORE_HAS_SOFT_STATE: i32 = 2;
pub const RAFTCORE_HAS_SNAPSHOT: i32 = 4;
pub const RAFTCORE_HAS_ENTRIES: i32 = 8;
/// Own votes and acknowledgements count as messages
pub const RAFTCORE_HAS_MESSAGES: i32 = 16;
pub const RAFTCORE_HAS_COMMITTED: i32 = 32;
pub const RAFTCORE_HAS_READS: i32 = 64;
pub const RAFTCORE_HAS_DROPPED: i32 = 128;
/// raftcore_next_fetch has a fetch
pub const RAFTCORE_HAS_FETCH: i32 = 256;
/// raftcore_next_event has an event
pub const RAFTCORE_HAS_EVENTS: i32 = 512;
/// raftcore_drop.what
///
/// Never committed: another entry has the proposal's place
pub const RAFTCORE_DROP_NOT_COMMITTED: u32 = 1;
/// Possibly committed: forwarded, or under a snapshot
pub const RAFTCORE_DROP_UNKNOWN: u32 = 2;
/// A read that failed: start the read again
pub const RAFTCORE_DROP_READ: u32 = 3;
/// raftcore_fetch.kind
///
/// Answer with raftcore_supply_entries or _none
pub const RAFTCORE_FETCH_ENTRIES: u32 = 1;
/// Answer with raftcore_supply_snapshot or _none
pub const RAFTCORE_FETCH_SNAPSHOT: u32 = 2;
/// Entries of your own log, to apply. Answer with raftcore_supply_entries, or _none with LATER
pub const RAFTCORE_FETCH_APPLY: u32 = 3;
/// Causes for raftcore_supply_none.
///
/// Compacted: the node will fetch a snapshot instead
pub const RAFTCORE_SUPPLY_GONE: u32 = 1;
/// Not available now: the node will fetch again
pub const RAFTCORE_SUPPLY_LATER: u32 = 2;
/// Reports for raftcore_report_snapshot.
///
/// The snapshot did not arrive: the node will fetch another snapshot
pub const RAFTCORE_SNAPSHOT_FAILED: u32 = 0;
/// The snapshot arrived with all data
pub const RAFTCORE_SNAPSHOT_ARRIVED: u32 = 1;
/// The snapshot is being sent: snapshot_timeout_ticks start anew
pub const RAFTCORE_SNAPSHOT_UNDER_WAY: u32 = 2;
/// Bytes before the message of a frame: length of the message (u32) and group (u64), both
/// little-endian.
pub const RAFTCORE_FRAME_HEADER: u32 = 12;
/// raftcore_peer.flow
///
/// One append at a time, to find where the logs meet
pub const RAFTCORE_FLOW_PROBE: u32 = 0;
/// Appends in flight up to the window
pub const RAFTCORE_FLOW_REPLICATE: u32 = 1;
/// A snapshot is under way
pub const RAFTCORE_FLOW_SNAPSHOT: u32 = 2;
/// raftcore_peer.flags
///
/// Voter; of the incoming half in a joint membership
pub const RAFTCORE_PF_VOTER: u32 = 1;
/// Voter of the outgoing half
pub const RAFTCORE_PF_OUTGOING: u32 = 2;
/// Learner
pub const RAFTCORE_PF_LEARNER: u32 = 4;
/// Heard since the last quorum check
pub const RAFTCORE_PF_ACTIVE: u32 = 8;
/// Nothing is sent before an answer
pub const RAFTCORE_PF_PAUSED: u32 = 16;
/// The window of appends in flight is full
pub const RAFTCORE_PF_WINDOW_FULL: u32 = 32;
/// Near enough to the leader's log to be promoted
pub const RAFTCORE_PF_CAUGHT_UP: u32 = 64;
/// A fetch waits for your supply
pub const RAFTCORE_PF_FETCHING: u32 = 128;

/// raftcore_event.kind; raftcore_event_text has the words. The notes explain fields.
///
/// peer: the leader, or 0
pub const RAFTCORE_EVENT_BECAME_FOLLOWER: u32 = 1;
pub const RAFTCORE_EVENT_BECAME_PRE_CANDIDATE: u32 = 2;
pub const RAFTCORE_EVENT_BECAME_CANDIDATE: u32 = 3;
/// index: first entry of the term
pub const RAFTCORE_EVENT_BECAME_LEADER: u32 = 4;
/// index: now applied, so reads and changes work
pub const RAFTCORE_EVENT_LEADER_READY: u32 = 5;
/// a: kind of the message
pub const RAFTCORE_EVENT_IGNORED: u32 = 6;
/// An implausible message. a: kind, b: its claim
pub const RAFTCORE_EVENT_ALARM: u32 = 7;
/// peer: the candidate, index: end of its log
pub const RAFTCORE_EVENT_VOTE_REFUSED: u32 = 8;
pub const RAFTCORE_EVENT_CAMPAIGN_REFUSED: u32 = 9;
/// index: the entry, a: voters, b: learners
pub const RAFTCORE_EVENT_CONF_APPLIED: u32 = 10;
/// index: the entry
pub const RAFTCORE_EVENT_CONF_SKIPPED: u32 = 11;
/// index: end of the snapshot
pub const RAFTCORE_EVENT_SNAPSHOT_RESTORED: u32 = 12;
/// peer: the receiver, index: end of the snapshot
pub const RAFTCORE_EVENT_SNAPSHOT_SENT: u32 = 13;
/// peer: the receiver, a: 1 if the data arrived
pub const RAFTCORE_EVENT_SNAPSHOT_ENDED: u32 = 14;
/// peer: the next leader
pub const RAFTCORE_EVENT_TRANSFER_STARTED: u32 = 15;
/// The transfer to peer failed
pub const RAFTCORE_EVENT_TRANSFER_ENDED: u32 = 16;
/// a: ticks without a leader
pub const RAFTCORE_EVENT_NO_LEADER_LONG: u32 = 17;
/// a: entries that peer lacks
pub const RAFTCORE_EVENT_PEER_LAGS: u32 = 18;
/// a: ticks in one burst
pub const RAFTCORE_EVENT_PAUSED: u32 = 19;
/// a: kind of the message
pub const RAFTCORE_EVENT_MESSAGE_LOST: u32 = 20;
/// peer: the follower that forwarded the proposal
pub const RAFTCORE_EVENT_PROPOSAL_REFUSED: u32 = 21;
/// At boot. a: the stored value, b: the value used
pub const RAFTCORE_EVENT_REPAIRED: u32 = 22;
/// Entries from index to a were overwritten. b: the first such entry of this node's own leadership;
/// 0: none
pub const RAFTCORE_EVENT_TRUNCATED: u32 = 23;
/// See raftcore_error_detail
pub const RAFTCORE_EVENT_POISONED: u32 = 24;
/// a: ticks since RAFTCORE_FETCH_APPLY of entries from index on. Nothing is applied before the supply
pub const RAFTCORE_EVENT_APPLY_WAITS: u32 = 25;

/// raftcore_event.reason and raftcore_drop.reason; raftcore_reason_text has the words.
///
/// No particular reason
pub const RAFTCORE_REASON_NONE: u32 = 0;
/// A message of an older term
pub const RAFTCORE_REASON_LOWER_TERM: u32 = 1;
/// For leaders only
pub const RAFTCORE_REASON_NOT_LEADER: u32 = 2;
/// For followers only
pub const RAFTCORE_REASON_NOT_FOLLOWER: u32 = 3;
/// A leader is alive: no vote
pub const RAFTCORE_REASON_LEADER_ALIVE: u32 = 4;
/// The node started too recently to vote
pub const RAFTCORE_REASON_VOTE_FENCE: u32 = 5;
/// A response to a finished election
pub const RAFTCORE_REASON_LATE_VOTE: u32 = 7;
/// A transfer with another term or a longer log
pub const RAFTCORE_REASON_TRANSFER_FENCE: u32 = 8;
/// The node may not campaign
pub const RAFTCORE_REASON_NOT_PROMOTABLE: u32 = 9;
/// A committed membership change is unapplied
pub const RAFTCORE_REASON_CHANGE_UNAPPLIED: u32 = 10;
/// A second leader in the term
pub const RAFTCORE_REASON_SECOND_LEADER: u32 = 11;
/// An append contradicts a committed entry
pub const RAFTCORE_REASON_CONFLICT_BELOW_COMMIT: u32 = 12;
/// The leader's commit index lies beyond this log: acknowledged entries are gone
pub const RAFTCORE_REASON_COMMIT_BEYOND_LOG: u32 = 13;
/// An acknowledgement beyond this log
pub const RAFTCORE_REASON_ACK_BEYOND_LOG: u32 = 14;
/// An old rejection
pub const RAFTCORE_REASON_STALE_REJECT: u32 = 16;
/// A snapshot that the log covers already
pub const RAFTCORE_REASON_OLD_SNAPSHOT: u32 = 17;
/// The snapshot's membership lacks this node
pub const RAFTCORE_REASON_SNAPSHOT_WITHOUT_SELF: u32 = 18;
/// The snapshot's membership is invalid
pub const RAFTCORE_REASON_SNAPSHOT_CONF: u32 = 19;
/// The peer is silent
pub const RAFTCORE_REASON_PEER_SILENT: u32 = 20;
/// No report about a snapshot in time
pub const RAFTCORE_REASON_SNAPSHOT_TIMEOUT: u32 = 21;
/// max_messages is reached: the message is lost
pub const RAFTCORE_REASON_OUTBOX_FULL: u32 = 22;
/// The transfer's target cannot lead
pub const RAFTCORE_REASON_TRANSFER_TARGET: u32 = 23;
/// The transfer took too long
pub const RAFTCORE_REASON_TRANSFER_DEADLINE: u32 = 24;
/// The transfer's target was removed or demoted
pub const RAFTCORE_REASON_TRANSFEREE_GONE: u32 = 25;
/// The transfer was aborted
pub const RAFTCORE_REASON_TRANSFER_ABORTED: u32 = 26;
/// Leadership was lost
pub const RAFTCORE_REASON_LEADERSHIP_LOST: u32 = 27;
/// The leader changed
pub const RAFTCORE_REASON_LEADER_CHANGED: u32 = 28;
/// No response to a forwarded read in time
pub const RAFTCORE_REASON_READ_TIMEOUT: u32 = 29;
/// A response to a finished read
pub const RAFTCORE_REASON_LATE_READ_ANSWER: u32 = 30;
/// A read context that was never issued
pub const RAFTCORE_REASON_READ_CONTEXT: u32 = 31;
/// Forwarded to the leader
pub const RAFTCORE_REASON_FORWARDED: u32 = 32;
/// Another entry was committed at the entry's index, or an entry of a later term below
pub const RAFTCORE_REASON_OVERWRITTEN: u32 = 33;
/// A snapshot covers the entry's index
pub const RAFTCORE_REASON_COVERED_BY_SNAPSHOT: u32 = 34;
/// A forwarded proposal was refused, at a limit or for lack of memory
pub const RAFTCORE_REASON_FORWARDED_FULL: u32 = 35;
/// A forwarded membership change was refused
pub const RAFTCORE_REASON_FORWARDED_CONF: u32 = 36;
/// No leader is known
pub const RAFTCORE_REASON_NO_LEADER: u32 = 37;
/// No quorum heard within an election timeout
pub const RAFTCORE_REASON_NO_QUORUM: u32 = 39;
/// This node was removed or demoted
pub const RAFTCORE_REASON_REMOVED: u32 = 40;
/// A message of a higher term
pub const RAFTCORE_REASON_HIGHER_TERM: u32 = 41;
/// An election was lost
pub const RAFTCORE_REASON_ELECTION_LOST: u32 = 42;
/// A node of higher priority objects
pub const RAFTCORE_REASON_PRIORITY: u32 = 43;
/// Voted for another node, or a leader is known
pub const RAFTCORE_REASON_VOTED_OTHER: u32 = 44;
/// The candidate's log is older
pub const RAFTCORE_REASON_OLDER_LOG: u32 = 45;
/// Not a peer
pub const RAFTCORE_REASON_UNKNOWN_PEER: u32 = 46;
/// Lease reads forbid forgetting the leader
pub const RAFTCORE_REASON_LEASE: u32 = 48;
/// Entries that are not durable fill the log
pub const RAFTCORE_REASON_LOG_FULL: u32 = 50;
/// The term is too high
pub const RAFTCORE_REASON_TERM_EXHAUSTED: u32 = 51;
/// Leaving the joint membership failed for now
pub const RAFTCORE_REASON_LEAVE_REFUSED: u32 = 52;
/// A snapshot contradicts a committed entry
pub const RAFTCORE_REASON_SNAPSHOT_CONFLICT: u32 = 53;
/// The leader's own writes take too long
pub const RAFTCORE_REASON_OWN_WRITE: u32 = 54;
