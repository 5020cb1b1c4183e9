//! Proof at compile time that the page tells the truth: no padding, known sizes, numbers equal to
//! the core's.

use core::mem::{offset_of, size_of};

use super::constants::*;
use super::types::*;

/// Returns the size of a field, found by the field's type.
const fn size_of_field<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Checks that each field directly follows the previous field, without gaps and without a forgotten
/// field: sizes on 64 and 32 bits.
macro_rules! laid_out {
    ($($name:ident, $wide:literal, $narrow:literal: $($field:ident)*;)*) => { $(
        const _: () = {
            let mut at = 0;
            $(
                assert!(offset_of!($name, $field) == at);
                at += size_of_field(|whole: &$name| &whole.$field);
            )*
            assert!(at == size_of::<$name>());
            assert!(at == if size_of::<usize>() == 8 { $wide } else { $narrow });
        };
    )* };
}

laid_out! {
    raftcore_slice, 16, 8: ptr len;
    raftcore_entry, 64, 48: term index kind reserved0 data token context;
    raftcore_msg, 144, 120: to from term log_term index commit reject_hint vote flags kind reserved0 frame entries
        n_frame frame_bytes n_entries entry_stride context snapshot_conf;
    raftcore_read, 16, 16: token index;
    raftcore_done, 16, 16: token index;
    raftcore_drop, 16, 16: token what reason;
    raftcore_run, 16, 16: first term;
    raftcore_change, 16, 16: id kind reserved0;
    raftcore_conf, 104, 72: struct_size auto_leave voters outgoing learners learners_next n_voters n_outgoing
        n_learners n_learners_next bytes context index dialect reserved0;
    raftcore_fetch, 48, 48: struct_size kind id peer first last max_bytes;
    raftcore_ready, 216, 176: struct_size role flags number term vote commit leader snapshot_index snapshot_term
        committed_first committed_last snapshot_conf snapshot_data entries committed msgs reads dropped done
        n_entries n_committed n_msgs n_reads n_dropped n_done entry_stride msg_stride read_stride drop_stride
        done_stride reserved0;
    raftcore_flat, 224, 224: layout role total_bytes flags number term vote commit leader snapshot_index
        snapshot_term committed_first committed_last snapshot_conf_at snapshot_conf_bytes snapshot_data_at
        snapshot_data_bytes entries_at committed_at msgs_at reads_at dropped_at done_at n_entries n_committed n_msgs
        n_reads n_dropped n_done entry_stride msg_stride read_stride drop_stride done_stride reserved0;
    raftcore_flat_entry, 64, 64: term index token data_at data_bytes kind reserved0 context_at context_bytes;
    raftcore_flat_msg, 128, 128: to from term log_term index commit reject_hint vote flags frame_at frame_bytes kind
        reserved0 context_at context_bytes snapshot_conf_at snapshot_conf_bytes;
    raftcore_config, 200, 200: struct_size abi_version id group seed flags storage dialect election_ticks
        heartbeat_ticks read_timeout_ticks snapshot_timeout_ticks vote_fence_ticks max_peers max_inflight_msgs
        max_outstanding max_entries_per_ready max_messages max_reads max_tokens priority max_apply_unpersisted
        recent_bytes catchup_bytes max_size_per_msg max_committed_size_per_ready max_uncommitted_size
        max_inflight_bytes max_entry_bytes max_snapshot_bytes block_bytes own_write_timeout_ticks election_jitter_ticks
        peer_lags_ticks no_leader_ticks max_entries_per_msg caught_up_entries;
    raftcore_stored, 112, 88: struct_size reserved0 term vote commit applied before_first before_first_term last conf
        runs entries n_runs n_entries reserved1;
    raftcore_input, 80, 72: struct_size ticks done persisted applied released peer frames consumed rejected first;
    raftcore_frame, 40, 32: struct_size reserved0 group msg bytes;
    raftcore_status, 240, 240: struct_size role id group term vote commit applied durable leader transferee
        first_index last_index last_term recent_first safe_to_compact memory_bytes messages_dropped messages_refused
        messages_ignored proposals_refused reads_failed events_lost implausible n_peers n_outstanding promotable
        electable election_elapsed election_timeout n_reads n_tokens last_ready late_ticks apply_waits;
    raftcore_peer, 72, 72: id match_index next_index pending_snapshot inflight_bytes inflight_msgs flow flags
        silent_ticks commit group;
    raftcore_event, 48, 48: kind reason peer term index a b;
    raftcore_hello_info, 32, 32: struct_size version features group id;
    raftcore_heap, 40, 24: struct_size reserved0 context alloc resize free;
}

/// An array of slices is an array of `struct iovec`: a host passes the frame of a message to `writev`.
#[cfg(unix)]
const _: () = {
    use libc::iovec;

    assert!(size_of::<raftcore_slice>() == size_of::<iovec>());
    assert!(align_of::<raftcore_slice>() == align_of::<iovec>());
    assert!(offset_of!(raftcore_slice, ptr) == offset_of!(iovec, iov_base));
    assert!(offset_of!(raftcore_slice, len) == offset_of!(iovec, iov_len));
    assert!(size_of_field(|slice: &raftcore_slice| &slice.ptr) == size_of_field(|part: &iovec| &part.iov_base));
    assert!(size_of_field(|slice: &raftcore_slice| &slice.len) == size_of_field(|part: &iovec| &part.iov_len));
};

macro_rules! same {
    ($($ours:ident = $core:expr;)*) => { $( const _: () = assert!($ours as i128 == $core as i128); )* };
}

same! {
    RAFTCORE_ROLE_FOLLOWER = crate::Role::Follower;
    RAFTCORE_ROLE_CANDIDATE = crate::Role::Candidate;
    RAFTCORE_ROLE_LEADER = crate::Role::Leader;
    RAFTCORE_ROLE_PRE_CANDIDATE = crate::Role::PreCandidate;
    RAFTCORE_ENTRY_NORMAL = crate::EntryKind::Normal;
    RAFTCORE_ENTRY_CONF_CHANGE = crate::EntryKind::ConfChange;
    RAFTCORE_ENTRY_CONF_CHANGE_V2 = crate::EntryKind::ConfChangeV2;
    RAFTCORE_MSG_HUP = crate::MessageKind::Hup;
    RAFTCORE_MSG_BEAT = crate::MessageKind::Beat;
    RAFTCORE_MSG_PROP = crate::MessageKind::Prop;
    RAFTCORE_MSG_APP = crate::MessageKind::App;
    RAFTCORE_MSG_APP_RESP = crate::MessageKind::AppResp;
    RAFTCORE_MSG_VOTE = crate::MessageKind::Vote;
    RAFTCORE_MSG_VOTE_RESP = crate::MessageKind::VoteResp;
    RAFTCORE_MSG_SNAP = crate::MessageKind::Snap;
    RAFTCORE_MSG_HEARTBEAT = crate::MessageKind::Heartbeat;
    RAFTCORE_MSG_HEARTBEAT_RESP = crate::MessageKind::HeartbeatResp;
    RAFTCORE_MSG_UNREACHABLE = crate::MessageKind::Unreachable;
    RAFTCORE_MSG_SNAP_STATUS = crate::MessageKind::SnapStatus;
    RAFTCORE_MSG_CHECK_QUORUM = crate::MessageKind::CheckQuorum;
    RAFTCORE_MSG_TRANSFER_LEADER = crate::MessageKind::TransferLeader;
    RAFTCORE_MSG_TIMEOUT_NOW = crate::MessageKind::TimeoutNow;
    RAFTCORE_MSG_READ_INDEX = crate::MessageKind::ReadIndex;
    RAFTCORE_MSG_READ_INDEX_RESP = crate::MessageKind::ReadIndexResp;
    RAFTCORE_MSG_PRE_VOTE = crate::MessageKind::PreVote;
    RAFTCORE_MSG_PRE_VOTE_RESP = crate::MessageKind::PreVoteResp;
    RAFTCORE_MSG_STORAGE_APPEND = crate::MessageKind::StorageAppend;
    RAFTCORE_MSG_STORAGE_APPEND_RESP = crate::MessageKind::StorageAppendResp;
    RAFTCORE_MSG_STORAGE_APPLY = crate::MessageKind::StorageApply;
    RAFTCORE_MSG_STORAGE_APPLY_RESP = crate::MessageKind::StorageApplyResp;
    RAFTCORE_MSG_FORGET_LEADER = crate::MessageKind::ForgetLeader;
    RAFTCORE_CHANGE_ADD_NODE = crate::ChangeKind::AddNode;
    RAFTCORE_CHANGE_REMOVE_NODE = crate::ChangeKind::RemoveNode;
    RAFTCORE_CHANGE_UPDATE_NODE = crate::ChangeKind::UpdateNode;
    RAFTCORE_CHANGE_ADD_LEARNER = crate::ChangeKind::AddLearner;
    RAFTCORE_TRANSITION_AUTO = crate::Transition::Auto;
    RAFTCORE_TRANSITION_JOINT_IMPLICIT = crate::Transition::JointImplicit;
    RAFTCORE_TRANSITION_JOINT_EXPLICIT = crate::Transition::JointExplicit;
    RAFTCORE_STORAGE_SYNC = crate::StorageMode::Sync;
    RAFTCORE_STORAGE_ASYNC = crate::StorageMode::Async;
    RAFTCORE_STORAGE_MESSAGES = crate::StorageMode::Messages;
    RAFTCORE_DROP_NOT_COMMITTED = crate::DropKind::NotCommitted;
    RAFTCORE_DROP_UNKNOWN = crate::DropKind::Unknown;
    RAFTCORE_DROP_READ = crate::DropKind::Read;
    RAFTCORE_FETCH_ENTRIES = crate::FetchKind::Entries;
    RAFTCORE_FETCH_SNAPSHOT = crate::FetchKind::Snapshot;
    RAFTCORE_SUPPLY_GONE = crate::Missing::Gone;
    RAFTCORE_SUPPLY_LATER = crate::Missing::Later;
    RAFTCORE_FLOW_PROBE = crate::Flow::Probe;
    RAFTCORE_FLOW_REPLICATE = crate::Flow::Replicate;
    RAFTCORE_FLOW_SNAPSHOT = crate::Flow::Snapshot;
    RAFTCORE_EVENT_BECAME_FOLLOWER = crate::EventKind::BecameFollower;
    RAFTCORE_EVENT_BECAME_PRE_CANDIDATE = crate::EventKind::BecamePreCandidate;
    RAFTCORE_EVENT_BECAME_CANDIDATE = crate::EventKind::BecameCandidate;
    RAFTCORE_EVENT_BECAME_LEADER = crate::EventKind::BecameLeader;
    RAFTCORE_EVENT_LEADER_READY = crate::EventKind::LeaderReady;
    RAFTCORE_EVENT_IGNORED = crate::EventKind::Ignored;
    RAFTCORE_EVENT_ALARM = crate::EventKind::Alarm;
    RAFTCORE_EVENT_VOTE_REFUSED = crate::EventKind::VoteRefused;
    RAFTCORE_EVENT_CAMPAIGN_REFUSED = crate::EventKind::CampaignRefused;
    RAFTCORE_EVENT_CONF_APPLIED = crate::EventKind::ConfApplied;
    RAFTCORE_EVENT_CONF_SKIPPED = crate::EventKind::ConfSkipped;
    RAFTCORE_EVENT_SNAPSHOT_RESTORED = crate::EventKind::SnapshotRestored;
    RAFTCORE_EVENT_SNAPSHOT_SENT = crate::EventKind::SnapshotSent;
    RAFTCORE_EVENT_SNAPSHOT_ENDED = crate::EventKind::SnapshotEnded;
    RAFTCORE_EVENT_TRANSFER_STARTED = crate::EventKind::TransferStarted;
    RAFTCORE_EVENT_TRANSFER_ENDED = crate::EventKind::TransferEnded;
    RAFTCORE_EVENT_NO_LEADER_LONG = crate::EventKind::NoLeaderLong;
    RAFTCORE_EVENT_PEER_LAGS = crate::EventKind::PeerLags;
    RAFTCORE_EVENT_PAUSED = crate::EventKind::Paused;
    RAFTCORE_EVENT_MESSAGE_LOST = crate::EventKind::MessageLost;
    RAFTCORE_EVENT_PROPOSAL_REFUSED = crate::EventKind::ProposalRefused;
    RAFTCORE_EVENT_REPAIRED = crate::EventKind::Repaired;
    RAFTCORE_EVENT_TRUNCATED = crate::EventKind::Truncated;
    RAFTCORE_EVENT_POISONED = crate::EventKind::Poisoned;
    RAFTCORE_EVENT_APPLY_WAITS = crate::EventKind::ApplyWaits;
    RAFTCORE_FLAG_PRE_VOTE = crate::Flags::PRE_VOTE.0;
    RAFTCORE_FLAG_CHECK_QUORUM = crate::Flags::CHECK_QUORUM.0;
    RAFTCORE_FLAG_LEASE_READS = crate::Flags::LEASE_READS.0;
    RAFTCORE_FLAG_DEBUG_POISON_VIEWS = crate::Flags::DEBUG_POISON_VIEWS.0;
    RAFTCORE_FLAG_VOTE_REQUEST_EARLY = crate::Flags::VOTE_REQUEST_EARLY.0;
    RAFTCORE_FLAG_STAY_WHEN_REMOVED = crate::Flags::STAY_WHEN_REMOVED.0;
    RAFTCORE_FLAG_REFUSED_CONF_AS_EMPTY = crate::Flags::REFUSED_CONF_AS_EMPTY.0;
    RAFTCORE_FLAG_LEASE_IN_TRANSFER = crate::Flags::LEASE_IN_TRANSFER.0;
    RAFTCORE_FLAG_TRANSFER_FENCE = crate::Flags::TRANSFER_FENCE.0;
    RAFTCORE_FLAG_COMMIT_IN_VOTES = crate::Flags::COMMIT_IN_VOTES.0;
    RAFTCORE_FLAG_READ_AT_ONCE = crate::Flags::READ_AT_ONCE.0;
    RAFTCORE_FLAG_BATCH_APPEND = crate::Flags::BATCH_APPEND.0;
    RAFTCORE_FLAG_NO_COMMIT_BROADCAST = crate::Flags::NO_COMMIT_BROADCAST.0;
    RAFTCORE_FLAG_NOMINATE_SUCCESSOR = crate::Flags::NOMINATE_SUCCESSOR.0;
    RAFTCORE_FLAG_NO_CONF_VALIDATION = crate::Flags::NO_CONF_VALIDATION.0;
    RAFTCORE_FLAG_FORWARDING = crate::Flags::FORWARDING.0;
    RAFTCORE_FLAG_DECODED_MSGS = crate::Flags::DECODED_MSGS.0;
    RAFTCORE_FLAG_RETIRE_GRACEFULLY = crate::Flags::RETIRE_GRACEFULLY.0;
    RAFTCORE_FLAG_QUIET_COMMIT = crate::Flags::QUIET_COMMIT.0;
    RAFTCORE_FLAG_COMMITTED_SPANS = crate::Flags::COMMITTED_SPANS.0;
    RAFTCORE_FLAG_CONF_APART = crate::Flags::CONF_APART.0;
    RAFTCORE_FLAG_SNAPSHOT_ANY_CONF = crate::Flags::SNAPSHOT_ANY_CONF.0;
    RAFTCORE_FLAG_REPORT_COMMIT = crate::Flags::REPORT_COMMIT.0;
    RAFTCORE_FLAG_SPARE_HEARTBEATS = crate::Flags::SPARE_HEARTBEATS.0;
    RAFTCORE_FLAG_YIELD_TO_PRIORITY = crate::Flags::YIELD_TO_PRIORITY.0;
    RAFTCORE_FLAG_LEASED_PROPOSALS = crate::Flags::LEASED_PROPOSALS.0;
    RAFTCORE_DIALECT_RAFTPB = crate::Dialect::Raftpb;
    RAFTCORE_DIALECT_ERAFTPB = crate::Dialect::Eraftpb;
    RAFTCORE_HELLO_ERAFTPB = crate::types::FEATURE_ERAFTPB;
    RAFTCORE_E_NULL = crate::Error::Null;
    RAFTCORE_E_HANDLE = crate::Error::Handle;
    RAFTCORE_E_BUSY = crate::Error::Busy;
    RAFTCORE_E_PANIC = crate::Error::Panic;
    RAFTCORE_E_POISONED = crate::Error::Poisoned;
    RAFTCORE_E_ABI = crate::Error::Abi;
    RAFTCORE_E_ARG = crate::Error::Arg;
    RAFTCORE_E_STATE = crate::Error::State;
    RAFTCORE_E_STALE = crate::Error::Stale;
    RAFTCORE_E_NOMEM = crate::Error::NoMem;
    RAFTCORE_E_FULL = crate::Error::Full;
    RAFTCORE_E_TOO_SMALL = crate::Error::TooSmall;
    RAFTCORE_E_DECODE = crate::Error::Decode;
    RAFTCORE_E_NO_LEADER = crate::Error::NoLeader;
    RAFTCORE_E_NO_PEER = crate::Error::NoPeer;
    RAFTCORE_E_CONF_BUSY = crate::Error::ConfBusy;
    RAFTCORE_E_CONF = crate::Error::Conf;
    RAFTCORE_E_CORRUPT = crate::Error::Corrupt;
    RAFTCORE_E_UNSUPPORTED = crate::Error::Unsupported;
    RAFTCORE_E_NOT_FOR_ME = crate::Error::NotForMe;
    RAFTCORE_E_IMPLAUSIBLE = crate::Error::Implausible;
    RAFTCORE_E_TOO_LARGE = crate::Error::TooLarge;
    RAFTCORE_E_NOT_LEADER = crate::Error::NotLeader;
    RAFTCORE_SNAPSHOT_FAILED = crate::SnapshotReport::Failed;
    RAFTCORE_SNAPSHOT_ARRIVED = crate::SnapshotReport::Arrived;
    RAFTCORE_SNAPSHOT_UNDER_WAY = crate::SnapshotReport::UnderWay;
    RAFTCORE_FRAME_HEADER = crate::wire::FRAME_HEADER;
    RAFTCORE_FETCH_APPLY = crate::FetchKind::Apply;
    RAFTCORE_ID_LOCAL_APPEND = crate::LOCAL_APPEND;
    RAFTCORE_ID_LOCAL_APPLY = crate::LOCAL_APPLY;
}

const _: () = {
    const fn number(text: &str) -> u32 {
        let (bytes, mut i, mut n) = (text.as_bytes(), 0, 0);
        while i < bytes.len() {
            n = n * 10 + (bytes[i] - b'0') as u32;
            i += 1;
        }
        n
    }
    assert!(RAFTCORE_VERSION_MAJOR == number(env!("CARGO_PKG_VERSION_MAJOR")));
    assert!(RAFTCORE_VERSION_MINOR == number(env!("CARGO_PKG_VERSION_MINOR")));
    assert!(RAFTCORE_VERSION_PATCH == number(env!("CARGO_PKG_VERSION_PATCH")));
    assert!(size_of::<raftcore_run>() == size_of::<crate::TermRun>());
    assert!(offset_of!(raftcore_run, first) == offset_of!(crate::TermRun, first));
    assert!(offset_of!(raftcore_run, term) == offset_of!(crate::TermRun, term));
};
