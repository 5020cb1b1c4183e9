//! The types of the C page. No struct has padding, on 32 and on 64 bits, as layout.rs proves.
//!
//! The doc comments are for C readers: they become `include/raftcore.h`.

#![allow(missing_docs)] // fields whose names say it all, or that are described elsewhere

/// What a call answers: 0 done, above 0 an information, below 0 an error. Unknown numbers may come from a newer library:
/// take a negative one as fatal to the call only.
pub type raftcore_code = i32;

pub use super::guard::raftcore_node;

/// Bytes. ptr may be NULL if len is 0. On POSIX systems an array of these is an array of struct iovec.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_slice {
    /// first byte
    pub ptr: *const u8,
    /// bytes
    pub len: usize,
}

/// An entry of the log.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_entry {
    /// of the leader that made it
    pub term: u64,
    /// position in the log, from 1
    pub index: u64,
    /// RAFTCORE_ENTRY_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
    /// the proposal; empty: a leader's first entry
    pub data: raftcore_slice,
    /// in committed, on the node that took the proposal: the proposer's. 0 elsewhere
    pub token: u64,
}

/// A message to send. Hosts with a stream per peer write frame to the peer named to, and look at nothing else but flags.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_msg {
    /// peer
    pub to: u64,
    /// this node
    pub from: u64,
    /// 0 in a proposal that is passed on
    pub term: u64,
    /// term of the entry at index, in most kinds
    pub log_term: u64,
    /// what it is about, as in raftpb; of RAFTCORE_MSG_SNAP: what the snapshot covers, log_term the term there
    pub index: u64,
    /// sender's commit index
    pub commit: u64,
    /// of a refused append: where to try next
    pub reject_hint: u64,
    /// of a local storage message
    pub vote: u64,
    /// RAFTCORE_MF_*
    pub flags: u64,
    /// RAFTCORE_MSG_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
    /// gather list; its bytes: u32 length of the message, u64 group (little-endian), the raftpb message
    pub frame: *const raftcore_slice,
    /// what an append or a proposal carries, to look at: the whole message is frame. NULL without RAFTCORE_FLAG_DECODED_MSGS
    pub entries: *const raftcore_entry,
    /// slices in frame, 1 or more
    pub n_frame: u32,
    /// their bytes together
    pub frame_bytes: u32,
    /// entries in entries
    pub n_entries: u32,
    /// bytes from one of them to the next
    pub entry_stride: u32,
    /// of a heartbeat, its answer, a vote; empty for most
    pub context: raftcore_slice,
    /// of RAFTCORE_MSG_SNAP: the configuration as of index, as raftpb ConfState
    pub snapshot_conf: raftcore_slice,
}

/// A read that may be served now.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_read {
    /// the caller's
    pub token: u64,
    /// the state to read must have applied this index
    pub index: u64,
}

/// A proposal committed in a span that comes without entries.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_done {
    /// the caller's
    pub token: u64,
    /// of its entry
    pub index: u64,
}

/// A proposal or read that has failed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_drop {
    /// the caller's
    pub token: u64,
    /// RAFTCORE_DROP_*
    pub what: u32,
    /// see raftcore_reason_text
    pub reason: u32,
}

/// A stretch of the log that has one term, up to the next run.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_run {
    /// first index
    pub first: u64,
    /// term
    pub term: u64,
}

/// One step of a configuration change.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_change {
    /// whom it concerns
    pub id: u64,
    /// RAFTCORE_CHANGE_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
}

/// A configuration: who votes, who learns.
///
/// Into a call: bytes if bytes.ptr is not NULL, else the ids. Out of one: both.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_conf {
    /// sizeof(raftcore_conf)
    pub struct_size: u32,
    /// 1: a joint configuration is left by itself
    pub auto_leave: u32,
    /// in a joint configuration: the incoming half
    pub voters: *const u64,
    /// the outgoing half; empty unless joint
    pub outgoing: *const u64,
    /// learners
    pub learners: *const u64,
    /// learners once the joint configuration is left
    pub learners_next: *const u64,
    /// count of voters
    pub n_voters: u32,
    /// count of outgoing
    pub n_outgoing: u32,
    /// count of learners
    pub n_learners: u32,
    /// count of learners_next
    pub n_learners_next: u32,
    /// what a host stores: a raftpb ConfState that carries index (field 15)
    pub bytes: raftcore_slice,
    /// out of raftcore_apply_conf: the change's own context, an address for example
    pub context: raftcore_slice,
    /// what it is as of; 0: not known. The bytes carry it, too
    pub index: u64,
}

/// A request to read the host's log or to make a snapshot: for a peer that is far behind, or for this node to apply.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_fetch {
    /// sizeof(raftcore_fetch)
    pub struct_size: u32,
    /// RAFTCORE_FETCH_*
    pub kind: u32,
    /// goes into the answer
    pub id: u64,
    /// for whom; APPLY: this node itself
    pub peer: u64,
    /// ENTRIES, APPLY: from this index; SNAPSHOT: at least up to first - 1
    pub first: u64,
    /// ENTRIES, APPLY: to this index, both included
    pub last: u64,
    /// ENTRIES, APPLY: more than this is not taken now, but for one entry
    pub max_bytes: u64,
}

/// One batch of work. See raftcore_get_ready.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_ready {
    /// caller: sizeof(raftcore_ready)
    pub struct_size: u32,
    /// RAFTCORE_ROLE_*
    pub role: u32,
    /// RAFTCORE_RF_*
    pub flags: u64,
    /// 1, 2, 3, ... since boot
    pub number: u64,
    /// hard state as of this batch, changed or not
    pub term: u64,
    /// 0: none
    pub vote: u64,
    /// highest index known to be committed
    pub commit: u64,
    /// 0: none known
    pub leader: u64,
    /// RAFTCORE_RF_SNAPSHOT: covers the log up to here
    pub snapshot_index: u64,
    /// term of the entry at snapshot_index
    pub snapshot_term: u64,
    /// to apply: from here
    pub committed_first: u64,
    /// to here, both included; 0, 0: nothing
    pub committed_last: u64,
    /// configuration of the snapshot, as raftpb ConfState
    pub snapshot_conf: raftcore_slice,
    /// empty if the data travel the host's way
    pub snapshot_data: raftcore_slice,
    /// to store: replace everything from entries[0].index on
    pub entries: *const raftcore_entry,
    /// to apply, all of the span. Only with RAFTCORE_FLAG_COMMITTED_SPANS may it be empty: read the host's log then
    pub committed: *const raftcore_entry,
    /// to send, in order
    pub msgs: *const raftcore_msg,
    /// reads to serve
    pub reads: *const raftcore_read,
    /// proposals and reads that failed
    pub dropped: *const raftcore_drop,
    /// tokens of a span that comes without entries
    pub done: *const raftcore_done,
    /// count of entries
    pub n_entries: u32,
    /// count of committed
    pub n_committed: u32,
    /// count of msgs
    pub n_msgs: u32,
    /// count of reads
    pub n_reads: u32,
    /// count of dropped
    pub n_dropped: u32,
    /// count of done
    pub n_done: u32,
    /// bytes from one entry to the next: step by this, not by sizeof
    pub entry_stride: u32,
    /// of msgs
    pub msg_stride: u32,
    /// of reads
    pub read_stride: u32,
    /// of dropped
    pub drop_stride: u32,
    /// of done
    pub done_stride: u32,
    /// 0
    pub reserved0: u32,
}

/// The head of a flat batch: see raftcore_ready_flat.
///
/// Every number is little-endian, every place (`_at`) an offset in bytes from buf[0] and a multiple of 8. A list without
/// elements has count 0 and place 0. Records lie stride bytes apart.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_flat {
    /// 1; another layout gets another number
    pub layout: u32,
    /// RAFTCORE_ROLE_*
    pub role: u32,
    /// of the whole, a multiple of 8
    pub total_bytes: u64,
    /// RAFTCORE_RF_*
    pub flags: u64,
    /// as in raftcore_ready, up to committed_last
    pub number: u64,
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
    pub leader: u64,
    pub snapshot_index: u64,
    pub snapshot_term: u64,
    pub committed_first: u64,
    pub committed_last: u64,
    /// place of the snapshot's configuration
    pub snapshot_conf_at: u64,
    pub snapshot_conf_bytes: u64,
    /// place of the snapshot's data
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

/// An entry of a flat batch.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_flat_entry {
    /// as in raftcore_entry
    pub term: u64,
    pub index: u64,
    pub token: u64,
    /// place of the data
    pub data_at: u64,
    pub data_bytes: u64,
    /// RAFTCORE_ENTRY_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
}

/// A message of a flat batch.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_flat_msg {
    /// as in raftcore_msg
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
    /// place of the frame: header and message in one piece
    pub frame_at: u64,
    pub frame_bytes: u64,
    /// RAFTCORE_MSG_*
    pub kind: u32,
    /// 0
    pub reserved0: u32,
    /// place of the context
    pub context_at: u64,
    pub context_bytes: u64,
    /// place of the ConfState of RAFTCORE_MSG_SNAP
    pub snapshot_conf_at: u64,
    pub snapshot_conf_bytes: u64,
}

/// A node's configuration. raftcore_config_init fills in the defaults; set id, seed and what differs.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_config {
    /// sizeof(raftcore_config)
    pub struct_size: u32,
    /// RAFTCORE_ABI_VERSION
    pub abi_version: u32,
    /// this node, 1 to 2^64-17
    pub id: u64,
    /// any number; frames of another group are refused
    pub group: u64,
    /// not 0; draw another one at each start, or an old answer could serve a stale read
    pub seed: u64,
    /// RAFTCORE_FLAG_*; default PRE_VOTE | CHECK_QUORUM | RETIRE_GRACEFULLY | QUIET_COMMIT
    pub flags: u64,
    /// RAFTCORE_STORAGE_*
    pub storage: u32,
    /// RAFTCORE_DIALECT_RAFTPB
    pub dialect: u32,
    /// without a leader until an election, up to twice as many by chance; above heartbeat_ticks; default 10
    pub election_ticks: u32,
    /// between a leader's heartbeats; default 1
    pub heartbeat_ticks: u32,
    /// until a read that was passed on fails; default 20
    pub read_timeout_ticks: u32,
    /// a peer may stay in snapshot state without a report; 0: for ever; default 600
    pub snapshot_timeout_ticks: u32,
    /// after a boot in which no vote is granted; default UINT32_MAX: election_ticks with LEASE_READS, else 0
    pub vote_fence_ticks: u32,
    /// members of a configuration, 1 to 256; default 16
    pub max_peers: u32,
    /// appends in flight to one peer, 1 to 65536; default 256
    pub max_inflight_msgs: u32,
    /// readies outstanding, 1 to 1024; one in SYNC; default 8
    pub max_outstanding: u32,
    /// to store, and to apply, in one ready; default 1024
    pub max_entries_per_ready: u32,
    /// in one ready, 16 or more; default 1024
    pub max_messages: u32,
    /// reads waiting; default 1024
    pub max_reads: u32,
    /// proposals with a token waiting; default 8192
    pub max_tokens: u32,
    /// among equal logs the higher wins; default 0
    pub priority: i32,
    /// ASYNC: entries handed out for apply this far beyond what is durable; default 0
    pub max_apply_unpersisted: u32,
    /// entries kept in memory; at least 4 * block_bytes; default 16 MiB
    pub recent_bytes: u64,
    /// entries supplied for peers far behind, all together; default 8 MiB
    pub catchup_bytes: u64,
    /// payload of one append; one entry goes at least; default 1 MiB
    pub max_size_per_msg: u64,
    /// handed out and not yet applied; default 4 MiB
    pub max_committed_size_per_ready: u64,
    /// payload of a leader's uncommitted entries; default 8 MiB
    pub max_uncommitted_size: u64,
    /// in flight to one peer; 0: no limit (default)
    pub max_inflight_bytes: u64,
    /// payload of one entry, to 2^30; default 4 MiB
    pub max_entry_bytes: u64,
    /// snapshot data that may pass through the core, to 2^31; default 1 MiB
    pub max_snapshot_bytes: u64,
    /// unit of the memory for entries, 4 KiB to 16 MiB; default 256 KiB
    pub block_bytes: u64,
    /// a leader whose own writes make nothing durable for so long steps down; 0: never; default 100
    pub own_write_timeout_ticks: u32,
    /// 0
    pub reserved0: u32,
}

/// What a host has stored of a node: see raftcore_boot. All zero, with conf NULL: an empty disk.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_stored {
    /// sizeof(raftcore_stored)
    pub struct_size: u32,
    /// 0
    pub reserved0: u32,
    /// hard state, as last stored
    pub term: u64,
    /// 0: none
    pub vote: u64,
    /// highest index known to be committed
    pub commit: u64,
    /// what the state machine has applied
    pub applied: u64,
    /// where the log begins: the index before its first entry, which a snapshot or a compaction covers; founders: 1
    pub before_first: u64,
    /// the term there; founders: 1
    pub before_first_term: u64,
    /// index of the log's last entry; before_first if there is none
    pub last: u64,
    /// as of applied; NULL: none was ever stored
    pub conf: *const raftcore_conf,
    /// the term of each part of the log; NULL where entries begin at its first
    pub runs: *const raftcore_run,
    /// those above applied, at least, up to last; NULL if there are none
    pub entries: *const raftcore_entry,
    /// count of runs
    pub n_runs: usize,
    /// count of entries
    pub n_entries: usize,
    /// 0
    pub reserved1: usize,
}

/// What has happened since the last raftcore_turn, and what became of the frames.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_input {
    /// sizeof(raftcore_input)
    pub struct_size: u32,
    /// that passed; 0: none
    pub ticks: u32,
    /// as raftcore_advance of this ready; 0: none
    pub done: u64,
    /// ASYNC: as raftcore_persisted; 0: none
    pub persisted: u64,
    /// ASYNC: as raftcore_applied; 0: none
    pub applied: u64,
    /// ASYNC: as raftcore_release; 0: none
    pub released: u64,
    /// whose frames these are; 0: unchecked
    pub peer: u64,
    /// as raftcore_step_frames; may be empty
    pub frames: raftcore_slice,
    /// out: bytes of whole frames that were taken
    pub consumed: u64,
    /// out: frames refused among these
    pub rejected: u32,
    /// out: why the first of them was: a code; 0: none was
    pub first: raftcore_code,
}

/// One frame of a stream: see raftcore_frame_next.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_frame {
    /// sizeof(raftcore_frame)
    pub struct_size: u32,
    /// 0
    pub reserved0: u32,
    /// its group
    pub group: u64,
    /// the message, inside the buffer
    pub msg: raftcore_slice,
    /// of the whole frame, header included; RAFTCORE_NONE: how many there must be, 0 if that can't be told yet
    pub bytes: u64,
}

/// A node as it is now.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_status {
    /// sizeof(raftcore_status)
    pub struct_size: u32,
    /// RAFTCORE_ROLE_*
    pub role: u32,
    /// this node
    pub id: u64,
    /// its group
    pub group: u64,
    /// current term
    pub term: u64,
    /// whom it voted for in term; 0: nobody
    pub vote: u64,
    /// highest index known to be committed
    pub commit: u64,
    /// highest index the host has applied
    pub applied: u64,
    /// highest index on this node's disk, of this log
    pub durable: u64,
    /// 0: none known
    pub leader: u64,
    /// who is to lead next; 0: nobody
    pub transferee: u64,
    /// of the log after the snapshot
    pub first_index: u64,
    /// end of the log
    pub last_index: u64,
    /// its term
    pub last_term: u64,
    /// first entry still in memory
    pub recent_first: u64,
    /// entries up to here are applied, and on every member that a leader knows: nobody will need them as entries
    pub safe_to_compact: u64,
    /// held by the node
    pub memory_bytes: u64,
    /// outgoing ones lost because a limit was reached
    pub messages_dropped: u64,
    /// incoming ones answered with an error
    pub messages_refused: u64,
    /// incoming ones that had no effect
    pub messages_ignored: u64,
    /// proposals answered with an error
    pub proposals_refused: u64,
    /// reads in dropped
    pub reads_failed: u64,
    /// events that came while too many were waiting
    pub events_lost: u64,
    /// messages that contradict what is committed here: look into these
    pub implausible: u64,
    /// members, this node included
    pub n_peers: u32,
    /// readies handed out and not ended
    pub n_outstanding: u32,
    /// 1: could lead
    pub promotable: u32,
    /// as raftcore_set_electable left it
    pub electable: u32,
    /// ticks since the election timer was reset
    pub election_elapsed: u32,
    /// ticks at which it fires
    pub election_timeout: u32,
    /// reads waiting
    pub n_reads: u32,
    /// tokens waiting
    pub n_tokens: u32,
    /// number of the newest ready handed out; 0: none yet
    pub last_ready: u64,
    /// ticks that came while a ready waited to be taken: 0 for a host that is never late
    pub late_ticks: u64,
    /// first entry that the host is asked for to apply it (RAFTCORE_FETCH_APPLY); 0: none
    pub apply_waits: u64,
}

/// A leader's view of one member.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_peer {
    /// whom
    pub id: u64,
    /// highest index known to be in its log
    pub match_index: u64,
    /// next index to send
    pub next_index: u64,
    /// index of the snapshot under way; 0: none
    pub pending_snapshot: u64,
    /// payload in flight
    pub inflight_bytes: u64,
    /// appends in flight
    pub inflight_msgs: u32,
    /// RAFTCORE_FLOW_*
    pub flow: u32,
    /// RAFTCORE_PF_*
    pub flags: u32,
    /// since it was last heard
    pub silent_ticks: u32,
}

/// Something that happened, for logs, traces and tests.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_event {
    /// RAFTCORE_EVENT_*
    pub kind: u32,
    /// see raftcore_reason_text
    pub reason: u32,
    /// whom it concerns; 0: nobody
    pub peer: u64,
    /// the node's term then
    pub term: u64,
    /// 0: none
    pub index: u64,
    /// see RAFTCORE_EVENT_*
    pub a: u64,
    pub b: u64,
}

/// What a peer says when a connection opens.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct raftcore_hello_info {
    /// sizeof(raftcore_hello_info)
    pub struct_size: u32,
    /// of the wire format
    pub version: u32,
    /// what it is able to do
    pub features: u64,
    /// its group
    pub group: u64,
    /// its id
    pub id: u64,
}
