//! The types of the C page. No struct has padding, on 32 and on 64 bits, as layout.rs proves.
//!
//! The doc comments are for C readers: they become `include/raftcore.h`.

#![allow(missing_docs)] // where the name says enough, or another struct

use libc::{c_void, size_t};

/// The result of a call: 0 is success, above 0 is information, below 0 is an error.
///
/// A newer library may return codes that this page lacks. Treat an unknown negative code as the
/// failure of this call alone.
pub type raftcore_code = i32;

pub use super::guard::raftcore_node;

/// Bytes. ptr may be NULL if len is 0. On POSIX systems, an array of slices is an array of struct
/// iovec.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_slice {
    /// First byte
    pub ptr: *const u8,
    /// Number of bytes
    pub len: size_t,
}

/// An entry of the log.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_entry {
    /// Term of the leader that made the entry
    pub term: u64,
    /// Position in the log, from 1
    pub index: u64,
    /// RAFTCORE_ENTRY_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
    /// Data of the proposal
    pub data: raftcore_slice,
    /// In committed, on the node of the proposal: its token; else 0
    pub token: u64,
    /// Bytes beside the data, with RAFTCORE_DIALECT_ERAFTPB; else empty
    pub context: raftcore_slice,
}

/// A message to send.
///
/// A host with a stream per peer writes frame to the peer `to`, and otherwise reads flags only.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_msg {
    /// Receiver
    pub to: u64,
    /// This node
    pub from: u64,
    /// Term of the sender; 0 in a forwarded proposal
    pub term: u64,
    /// Term of the entry at index, in most kinds
    pub log_term: u64,
    /// Depends on kind: see raftpb. In RAFTCORE_MSG_SNAP index and log_term are those of the snapshot.
    pub index: u64,
    /// Commit index of the sender
    pub commit: u64,
    /// In a refused append: where to try next
    pub reject_hint: u64,
    /// In a local storage message: vote of the hard state
    pub vote: u64,
    /// RAFTCORE_MF_*
    pub flags: u64,
    /// RAFTCORE_MSG_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
    /// Gather list of the frame: length of the message (u32) and group (u64), both little-endian,
    /// then the raftpb message.
    pub frame: *const raftcore_slice,
    /// Entries of an append or a proposal, for inspection: frame has the whole message, and of
    /// RAFTCORE_MSG_READ_INDEX alone the context. NULL without RAFTCORE_FLAG_DECODED_MSGS.
    pub entries: *const raftcore_entry,
    /// Slices in frame, 1 or more
    pub n_frame: u32,
    /// Bytes of the frame
    pub frame_bytes: u32,
    /// Number of entries
    pub n_entries: u32,
    /// Bytes from one entry to the next
    pub entry_stride: u32,
    /// Context of a heartbeat, its answer, or a vote; empty in most messages
    pub context: raftcore_slice,
    /// In RAFTCORE_MSG_SNAP: the membership as of index, as raftpb ConfState
    pub snapshot_conf: raftcore_slice,
}

/// A read that may be served now.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_read {
    /// Token of raftcore_read_index
    pub token: u64,
    /// Serve from a state with this index applied
    pub index: u64,
}

/// A committed proposal whose entry is not in committed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_done {
    /// Token of the proposal
    pub token: u64,
    /// Index of its entry
    pub index: u64,
}

/// A proposal or read that has failed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_drop {
    /// Token of the proposal or read
    pub token: u64,
    /// RAFTCORE_DROP_*
    pub what: u32,
    /// RAFTCORE_REASON_*
    pub reason: u32,
}

/// A part of the log with one term, up to the first index of the next run.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_run {
    /// First index
    pub first: u64,
    /// Term of all entries
    pub term: u64,
}

/// One step of a membership change.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_change {
    /// Node that the step is about
    pub id: u64,
    /// RAFTCORE_CHANGE_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
}

/// The membership of a group.
///
/// As an argument: the library reads bytes if bytes.ptr is not NULL, else the ids. As a result:
/// both are set.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_conf {
    /// sizeof(raftcore_conf)
    pub struct_size: u32,
    /// 1: a joint membership is left automatically
    pub auto_leave: u32,
    /// Voters; in a joint membership the incoming half
    pub voters: *const u64,
    /// Voters of the outgoing half; empty unless joint
    pub outgoing: *const u64,
    /// Learners
    pub learners: *const u64,
    /// Learners after the joint membership
    pub learners_next: *const u64,
    /// Number of voters
    pub n_voters: u32,
    /// Number of outgoing
    pub n_outgoing: u32,
    /// Number of learners
    pub n_learners: u32,
    /// Number of learners_next
    pub n_learners_next: u32,
    /// The membership as raftpb ConfState with index as field 15, for your disk
    pub bytes: raftcore_slice,
    /// Result of raftcore_apply_conf: the change's context
    pub context: raftcore_slice,
    /// The index that the membership is as of; 0: not known. The bytes carry the index, too.
    pub index: u64,
    /// Result, and for raftcore_conf_encode: RAFTCORE_DIALECT_* of the log. The bytes carry it, too.
    pub dialect: u32,
    /// 0
    pub reserved0: u32,
}

/// A request for entries of your log, or for a snapshot: for a peer far behind, or for this node
/// to apply.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_fetch {
    /// sizeof(raftcore_fetch)
    pub struct_size: u32,
    /// RAFTCORE_FETCH_*
    pub kind: u32,
    /// Number of this fetch, for the answer
    pub id: u64,
    /// Peer that lacks the entries; APPLY: this node
    pub peer: u64,
    /// ENTRIES, APPLY: first index; SNAPSHOT: cover first - 1 at least
    pub first: u64,
    /// ENTRIES, APPLY: last index
    pub last: u64,
    /// ENTRIES, APPLY: more bytes are not taken, except one entry
    pub max_bytes: u64,
}

/// A portion of work. See raftcore_get_ready.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_ready {
    /// sizeof(raftcore_ready), set by you
    pub struct_size: u32,
    /// RAFTCORE_ROLE_*
    pub role: u32,
    /// RAFTCORE_RF_*
    pub flags: u64,
    /// 1, 2, 3, ... since boot
    pub number: u64,
    /// Hard state as of this ready, changed or not
    pub term: u64,
    /// Candidate with the vote in term; 0: none
    pub vote: u64,
    /// Highest index known to be committed
    pub commit: u64,
    /// 0: none known
    pub leader: u64,
    /// Last index of the snapshot (RAFTCORE_RF_SNAPSHOT)
    pub snapshot_index: u64,
    /// Term of the entry at snapshot_index
    pub snapshot_term: u64,
    /// First index to apply; 0: nothing to apply
    pub committed_first: u64,
    /// Last index to apply
    pub committed_last: u64,
    /// Membership of the snapshot, as raftpb ConfState
    pub snapshot_conf: raftcore_slice,
    /// Empty if the data travel over your own channel
    pub snapshot_data: raftcore_slice,
    /// To store: replace the log from entries[0].index on
    pub entries: *const raftcore_entry,
    /// To apply: all of committed_first..committed_last. With RAFTCORE_FLAG_COMMITTED_SPANS it may be
    /// empty: then read these entries from your own log.
    pub committed: *const raftcore_entry,
    /// To send, in order
    pub msgs: *const raftcore_msg,
    /// Reads to serve
    pub reads: *const raftcore_read,
    /// Proposals and reads that failed
    pub dropped: *const raftcore_drop,
    /// Committed tokens, if committed is empty
    pub done: *const raftcore_done,
    /// Number of entries
    pub n_entries: u32,
    /// Number of committed
    pub n_committed: u32,
    /// Number of msgs
    pub n_msgs: u32,
    /// Number of reads
    pub n_reads: u32,
    /// Number of dropped
    pub n_dropped: u32,
    /// Number of done
    pub n_done: u32,
    /// Bytes from one entry to the next; not always sizeof
    pub entry_stride: u32,
    /// Stride of msgs
    pub msg_stride: u32,
    /// Stride of reads
    pub read_stride: u32,
    /// Stride of dropped
    pub drop_stride: u32,
    /// Stride of done
    pub done_stride: u32,
    /// 0
    pub reserved0: u32,
}

/// The head of a flat ready: see raftcore_ready_flat.
///
/// Numbers are little-endian. A place (`_at`) is an offset in bytes from buf[0], and a multiple of
/// 8. An empty list has count 0 and place 0. Records of a list lie stride bytes apart.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_flat {
    /// 1: the layout described here
    pub layout: u32,
    /// RAFTCORE_ROLE_*
    pub role: u32,
    /// Bytes of the whole ready, a multiple of 8
    pub total_bytes: u64,
    /// RAFTCORE_RF_*
    pub flags: u64,
    /// As in raftcore_ready, up to committed_last
    pub number: u64,
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
    pub leader: u64,
    pub snapshot_index: u64,
    pub snapshot_term: u64,
    pub committed_first: u64,
    pub committed_last: u64,
    /// Place of the snapshot's membership
    pub snapshot_conf_at: u64,
    pub snapshot_conf_bytes: u64,
    /// Place of the snapshot's data
    pub snapshot_data_at: u64,
    pub snapshot_data_bytes: u64,
    /// raftcore_flat_entry[n_entries]
    pub entries_at: u64,
    /// raftcore_flat_entry[n_committed]
    pub committed_at: u64,
    /// raftcore_flat_msg[n_msgs]
    pub msgs_at: u64,
    /// raftcore_read[n_reads]
    pub reads_at: u64,
    /// raftcore_drop[n_dropped]
    pub dropped_at: u64,
    /// raftcore_done[n_done]
    pub done_at: u64,
    pub n_entries: u32,
    pub n_committed: u32,
    pub n_msgs: u32,
    pub n_reads: u32,
    pub n_dropped: u32,
    pub n_done: u32,
    pub entry_stride: u32,
    pub msg_stride: u32,
    pub read_stride: u32,
    pub drop_stride: u32,
    pub done_stride: u32,
    /// 0
    pub reserved0: u32,
}

/// An entry of a flat ready.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_flat_entry {
    /// As in raftcore_entry
    pub term: u64,
    pub index: u64,
    pub token: u64,
    /// Place of the data
    pub data_at: u64,
    pub data_bytes: u64,
    /// RAFTCORE_ENTRY_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
    /// Place of the context
    pub context_at: u64,
    pub context_bytes: u64,
}

/// A message of a flat ready.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_flat_msg {
    /// As in raftcore_msg
    pub to: u64,
    pub from: u64,
    pub term: u64,
    pub log_term: u64,
    pub index: u64,
    pub commit: u64,
    pub reject_hint: u64,
    pub vote: u64,
    /// RAFTCORE_MF_*
    pub flags: u64,
    /// Place of the frame: header and message in one piece
    pub frame_at: u64,
    pub frame_bytes: u64,
    /// RAFTCORE_MSG_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
    /// Place of the context
    pub context_at: u64,
    pub context_bytes: u64,
    /// Place of the ConfState of RAFTCORE_MSG_SNAP
    pub snapshot_conf_at: u64,
    pub snapshot_conf_bytes: u64,
}

/// The configuration of a node.
///
/// raftcore_config_init fills in the defaults. Then set id and seed, and change other fields if you
/// like. A note ends with the default in brackets, or with [range; default].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_config {
    /// sizeof(raftcore_config)
    pub struct_size: u32,
    /// RAFTCORE_ABI_VERSION
    pub abi_version: u32,
    /// This node [1 to 2^64-17]
    pub id: u64,
    /// Group of the node; frames of other groups are refused
    pub group: u64,
    /// Not 0. Choose another seed at each start, or a read could be served by an answer from before the
    /// restart. With equal seeds and equal calls, two runs are equal.
    pub seed: u64,
    /// RAFTCORE_FLAG_* [PRE_VOTE, CHECK_QUORUM, RETIRE_GRACEFULLY, QUIET_COMMIT]
    pub flags: u64,
    /// RAFTCORE_STORAGE_* [SYNC]
    pub storage: u32,
    /// RAFTCORE_DIALECT_*: equal on all members, for the life of the group [RAFTPB]
    pub dialect: u32,
    /// Ticks without a leader before an election, by chance up to twice as many [above
    /// heartbeat_ticks; 10]
    pub election_ticks: u32,
    /// Ticks between a leader's heartbeats [1]
    pub heartbeat_ticks: u32,
    /// Ticks until a forwarded read fails [20]
    pub read_timeout_ticks: u32,
    /// Ticks to wait for a snapshot report; 0: for ever [600]
    pub snapshot_timeout_ticks: u32,
    /// Ticks after boot during which the node grants no vote [UINT32_MAX: election_ticks with
    /// RAFTCORE_FLAG_LEASE_READS, else 0]
    pub vote_fence_ticks: u32,
    /// Members of the group [1 to 256; 16]
    pub max_peers: u32,
    /// Appends in flight to a peer [1 to 65536; 256]
    pub max_inflight_msgs: u32,
    /// Outstanding readies; one in SYNC [1 to 1024; 8]
    pub max_outstanding: u32,
    /// Entries to store, and to apply, in a ready [1024]
    pub max_entries_per_ready: u32,
    /// Messages in a ready [16 or more; 1024]
    pub max_messages: u32,
    /// Waiting reads [1024]
    pub max_reads: u32,
    /// Waiting proposals with a token [8192]
    pub max_tokens: u32,
    /// Among equal logs the higher priority wins [0]
    pub priority: i32,
    /// ASYNC: entries to apply that are not yet durable [0]
    pub max_apply_unpersisted: u32,
    /// Entries in memory. An entry takes half of it at most: equal limits on every member
    /// [4 * block_bytes or more; 16 MiB]
    pub recent_bytes: u64,
    /// Entries supplied for peers, all together [8 MiB]
    pub catchup_bytes: u64,
    /// Payload of an append with several entries [1 MiB]
    pub max_size_per_msg: u64,
    /// Committed entries returned, not yet applied; 0 counts as 1 [4 MiB]
    pub max_committed_size_per_ready: u64,
    /// Payload of a leader's uncommitted entries [8 MiB]
    pub max_uncommitted_size: u64,
    /// Payload in flight to a peer; 0: no limit [0]
    pub max_inflight_bytes: u64,
    /// Payload of an entry [up to 2^30; 4 MiB]
    pub max_entry_bytes: u64,
    /// Snapshot data inside messages [up to 2^31; 1 MiB]
    pub max_snapshot_bytes: u64,
    /// Unit of memory for entries [4 KiB to 16 MiB; 256 KiB]
    pub block_bytes: u64,
    /// A leader steps down if nothing more of its own log becomes durable for so long; 0: never [100]
    pub own_write_timeout_ticks: u32,
    /// An election timeout is election_ticks and by chance up to so many more, this number excluded;
    /// 0: election_ticks [up to 2^24; 0]
    pub election_jitter_ticks: u32,
    /// Ticks of silence until RAFTCORE_EVENT_PEER_LAGS; 0: ten election timeouts [0]
    pub peer_lags_ticks: u32,
    /// Ticks without a leader until RAFTCORE_EVENT_NO_LEADER_LONG, again and again; 0: ten election
    /// timeouts [0]
    pub no_leader_ticks: u32,
    /// Entries in an append; 0: no limit but max_size_per_msg [0]
    pub max_entries_per_msg: u32,
    /// Entries that a peer may lack with RAFTCORE_PF_CAUGHT_UP; 0: 16, or its messages in flight [0]
    pub caught_up_entries: u32,
}

/// Everything that you have stored of a node. See raftcore_boot.
///
/// All zero with conf NULL is an empty disk.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_stored {
    /// sizeof(raftcore_stored)
    pub struct_size: u32,
    /// 0
    pub reserved0: u32,
    /// Hard state, as last stored
    pub term: u64,
    /// Candidate with the vote in term; 0: none
    pub vote: u64,
    /// Commit index of the hard state
    pub commit: u64,
    /// Index up to which your state machine has applied the log
    pub applied: u64,
    /// Index before the first entry of the log: the end of the last snapshot or compaction; founders: 1
    pub before_first: u64,
    /// Term at before_first; founders: 1
    pub before_first_term: u64,
    /// Index of the last entry; before_first if the log is empty
    pub last: u64,
    /// Membership as of applied; no voters: none was ever stored; NULL: the disk is empty
    pub conf: *const raftcore_conf,
    /// Terms of the log; NULL if entries begin at before_first + 1
    pub runs: *const raftcore_run,
    /// Entries up to last: those above applied at least
    pub entries: *const raftcore_entry,
    /// Number of runs
    pub n_runs: size_t,
    /// Number of entries
    pub n_entries: size_t,
    /// 0
    pub reserved1: size_t,
}

/// What happened since the last turn, and what became of the frames. See raftcore_turn.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_input {
    /// sizeof(raftcore_input)
    pub struct_size: u32,
    /// Ticks that passed
    pub ticks: u32,
    /// As raftcore_advance(done); 0: none
    pub done: u64,
    /// ASYNC: as raftcore_persisted(persisted); 0: none
    pub persisted: u64,
    /// ASYNC: as raftcore_applied(applied); 0: none
    pub applied: u64,
    /// ASYNC: as raftcore_release(released); 0: none
    pub released: u64,
    /// Authenticated sender of the frames; 0: unchecked
    pub peer: u64,
    /// As raftcore_step_frames; may be empty
    pub frames: raftcore_slice,
    /// Result: bytes of whole frames that the node took
    pub consumed: u64,
    /// Result: refused frames among them
    pub rejected: u32,
    /// Result: code of the first refused frame; RAFTCORE_OK: none
    pub first: raftcore_code,
}

/// A frame of a stream. See raftcore_frame_next.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_frame {
    /// sizeof(raftcore_frame)
    pub struct_size: u32,
    /// 0
    pub reserved0: u32,
    /// Group of the frame
    pub group: u64,
    /// The message, inside your buffer
    pub msg: raftcore_slice,
    /// Bytes of the whole frame, header included. With RAFTCORE_NONE: bytes needed; 0: unknown
    pub bytes: u64,
}

/// The state of a node.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_status {
    /// sizeof(raftcore_status)
    pub struct_size: u32,
    /// RAFTCORE_ROLE_*
    pub role: u32,
    /// This node
    pub id: u64,
    /// Group of the node
    pub group: u64,
    /// Current term
    pub term: u64,
    /// Candidate with the vote in term; 0: none
    pub vote: u64,
    /// Highest index known to be committed
    pub commit: u64,
    /// Highest index that you have applied
    pub applied: u64,
    /// Highest index of this log on the node's disk
    pub durable: u64,
    /// 0: none known
    pub leader: u64,
    /// Next leader, during a transfer; 0: none
    pub transferee: u64,
    /// First index after the snapshot
    pub first_index: u64,
    /// Last index of the log
    pub last_index: u64,
    /// Term of the last entry
    pub last_term: u64,
    /// First index with its entry in memory
    pub recent_first: u64,
    /// Leader: compact up to here, no known member needs the entries. Others: what is applied
    pub safe_to_compact: u64,
    /// Memory of the node
    pub memory_bytes: u64,
    /// Outgoing messages lost at a limit
    pub messages_dropped: u64,
    /// Incoming messages refused with an error
    pub messages_refused: u64,
    /// Incoming messages without effect
    pub messages_ignored: u64,
    /// Proposals refused with an error
    pub proposals_refused: u64,
    /// Reads in raftcore_ready.dropped
    pub reads_failed: u64,
    /// Events lost because nobody fetched older events
    pub events_lost: u64,
    /// Messages that contradict committed entries: investigate
    pub implausible: u64,
    /// Members, this node included
    pub n_peers: u32,
    /// Outstanding readies
    pub n_outstanding: u32,
    /// 1: the node could lead
    pub promotable: u32,
    /// Value of raftcore_set_electable
    pub electable: u32,
    /// Ticks since the last reset of the election timer
    pub election_elapsed: u32,
    /// Ticks at which the election timer fires
    pub election_timeout: u32,
    /// Waiting reads
    pub n_reads: u32,
    /// Waiting proposals with a token
    pub n_tokens: u32,
    /// Number of the newest ready; 0: none yet
    pub last_ready: u64,
    /// Ticks that came while a ready was waiting. Drain the readies before each tick: then 0
    pub late_ticks: u64,
    /// First entry that the node needs from your log to apply (RAFTCORE_FETCH_APPLY); 0: none
    pub apply_waits: u64,
}

/// A member, in the view of the leader.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_peer {
    /// The member
    pub id: u64,
    /// Highest index known to be in the member's log
    pub match_index: u64,
    /// Next index to send
    pub next_index: u64,
    /// Last index of the snapshot under way; 0: none
    pub pending_snapshot: u64,
    /// Payload in flight
    pub inflight_bytes: u64,
    /// Appends in flight
    pub inflight_msgs: u32,
    /// RAFTCORE_FLOW_*
    pub flow: u32,
    /// RAFTCORE_PF_*
    pub flags: u32,
    /// Ticks since the last message from the member
    pub silent_ticks: u32,
    /// Highest commit index that the member told of (RAFTCORE_FLAG_REPORT_COMMIT); 0: none
    pub commit: u64,
    /// Group of raftcore_set_commit_group; 0: none
    pub group: u64,
}

/// An event of a node, for logs, traces and tests.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_event {
    /// RAFTCORE_EVENT_*
    pub kind: u32,
    /// RAFTCORE_REASON_*
    pub reason: u32,
    /// Peer of the event; 0: none
    pub peer: u64,
    /// Term of the node at the event
    pub term: u64,
    /// 0: none
    pub index: u64,
    /// Depends on kind
    pub a: u64,
    pub b: u64,
}

/// The memory functions of a host. See raftcore_set_heap.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_heap {
    /// sizeof(raftcore_heap)
    pub struct_size: u32,
    /// 0
    pub reserved0: u32,
    /// First argument of each function. May be NULL
    pub context: *mut c_void,
    /// Returns size bytes at a multiple of align, a power of two; NULL: none left
    pub alloc: Option<unsafe extern "C" fn(context: *mut c_void, size: size_t, align: size_t) -> *mut c_void>,
    /// Returns memory of new_size bytes with the old contents, and frees the old memory; NULL: none
    /// left, and the old memory stays
    pub resize: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            old: *mut c_void,
            old_size: size_t,
            new_size: size_t,
            align: size_t,
        ) -> *mut c_void,
    >,
    /// Frees memory of alloc or resize
    pub free: Option<unsafe extern "C" fn(context: *mut c_void, old: *mut c_void, size: size_t, align: size_t)>,
}

/// The contents of the frame that opens a connection.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_hello_info {
    /// sizeof(raftcore_hello_info)
    pub struct_size: u32,
    /// Version of the wire format
    pub version: u32,
    /// Abilities of the sender
    pub features: u64,
    /// Group of the sender
    pub group: u64,
    /// Id of the sender
    pub id: u64,
}
