/*
 * raftcore/numbers.hpp: the numbers of raftcore.h as scoped enumerations, with the names of the C
 * header in small letters (`automatic` for AUTO, a word of C++). Included by raftcore.hpp.
 *
 * A newer library may return numbers without a name here: a switch needs a default. Bits come in a
 * `bits`, which keeps unknown ones.
 */
#ifndef RAFTCORE_NUMBERS_HPP
#define RAFTCORE_NUMBERS_HPP

#include <cstdint>

#include "raftcore.h"

namespace raftcore {

/** Bits of a field. Test them one by one, by the names of Flag. */
template <class Flag> class bits {
public:
    constexpr explicit bits(std::uint64_t raw) noexcept : raw_(raw) {}
    constexpr bool test(Flag one) const noexcept {
        return (raw_ & static_cast<std::uint64_t>(one)) != 0;
    }
    constexpr bool any() const noexcept { return raw_ != 0; }
    constexpr std::uint64_t raw() const noexcept { return raw_; }

private:
    std::uint64_t raw_;
};

/** The result of a call. Below 0: an error. `ok` is success, the rest up to `null` is information. */
enum class code : raftcore_code {
    ok = RAFTCORE_OK,
    none = RAFTCORE_NONE,
    ignored = RAFTCORE_IGNORED,
    last = RAFTCORE_LAST,
    fetch_first = RAFTCORE_FETCH_FIRST,
    null = RAFTCORE_E_NULL,
    handle = RAFTCORE_E_HANDLE,
    busy = RAFTCORE_E_BUSY,
    panic = RAFTCORE_E_PANIC,
    poisoned = RAFTCORE_E_POISONED,
    abi = RAFTCORE_E_ABI,
    arg = RAFTCORE_E_ARG,
    state = RAFTCORE_E_STATE,
    stale = RAFTCORE_E_STALE,
    nomem = RAFTCORE_E_NOMEM,
    full = RAFTCORE_E_FULL,
    too_small = RAFTCORE_E_TOO_SMALL,
    decode = RAFTCORE_E_DECODE,
    no_leader = RAFTCORE_E_NO_LEADER,
    no_peer = RAFTCORE_E_NO_PEER,
    conf_busy = RAFTCORE_E_CONF_BUSY,
    conf = RAFTCORE_E_CONF,
    corrupt = RAFTCORE_E_CORRUPT,
    unsupported = RAFTCORE_E_UNSUPPORTED,
    not_for_me = RAFTCORE_E_NOT_FOR_ME,
    implausible = RAFTCORE_E_IMPLAUSIBLE,
    too_large = RAFTCORE_E_TOO_LARGE,
    not_leader = RAFTCORE_E_NOT_LEADER,
};

/** Kinds of entries. */
enum class entry_kind : std::uint32_t {
    normal = RAFTCORE_ENTRY_NORMAL,
    conf_change = RAFTCORE_ENTRY_CONF_CHANGE,
    conf_change_v2 = RAFTCORE_ENTRY_CONF_CHANGE_V2,
};

/** Roles of a node. */
enum class role : std::uint32_t {
    follower = RAFTCORE_ROLE_FOLLOWER,
    candidate = RAFTCORE_ROLE_CANDIDATE,
    leader = RAFTCORE_ROLE_LEADER,
    pre_candidate = RAFTCORE_ROLE_PRE_CANDIDATE,
};

/** How a host acknowledges: config::storage. */
enum class storage : std::uint32_t {
    sync = RAFTCORE_STORAGE_SYNC,
    async = RAFTCORE_STORAGE_ASYNC,
    messages = RAFTCORE_STORAGE_MESSAGES,
};

/** Schema of messages and log: config::set_dialect. Equal on all members, for the life of the group. */
enum class dialect : std::uint32_t {
    raftpb = RAFTCORE_DIALECT_RAFTPB,
    eraftpb = RAFTCORE_DIALECT_ERAFTPB,
};

/** Presets of config::set_preset. */
enum class preset : std::uint32_t {
    etcd = RAFTCORE_PRESET_ETCD,
};

/** Bits of config::flags. */
enum class flag : std::uint64_t {
    pre_vote = RAFTCORE_FLAG_PRE_VOTE,
    check_quorum = RAFTCORE_FLAG_CHECK_QUORUM,
    lease_reads = RAFTCORE_FLAG_LEASE_READS,
    debug_poison_views = RAFTCORE_FLAG_DEBUG_POISON_VIEWS,
    vote_request_early = RAFTCORE_FLAG_VOTE_REQUEST_EARLY,
    stay_when_removed = RAFTCORE_FLAG_STAY_WHEN_REMOVED,
    refused_conf_as_empty = RAFTCORE_FLAG_REFUSED_CONF_AS_EMPTY,
    lease_in_transfer = RAFTCORE_FLAG_LEASE_IN_TRANSFER,
    transfer_fence = RAFTCORE_FLAG_TRANSFER_FENCE,
    commit_in_votes = RAFTCORE_FLAG_COMMIT_IN_VOTES,
    read_at_once = RAFTCORE_FLAG_READ_AT_ONCE,
    batch_append = RAFTCORE_FLAG_BATCH_APPEND,
    no_commit_broadcast = RAFTCORE_FLAG_NO_COMMIT_BROADCAST,
    nominate_successor = RAFTCORE_FLAG_NOMINATE_SUCCESSOR,
    no_conf_validation = RAFTCORE_FLAG_NO_CONF_VALIDATION,
    forwarding = RAFTCORE_FLAG_FORWARDING,
    decoded_msgs = RAFTCORE_FLAG_DECODED_MSGS,
    retire_gracefully = RAFTCORE_FLAG_RETIRE_GRACEFULLY,
    quiet_commit = RAFTCORE_FLAG_QUIET_COMMIT,
    committed_spans = RAFTCORE_FLAG_COMMITTED_SPANS,
    conf_apart = RAFTCORE_FLAG_CONF_APART,
    snapshot_any_conf = RAFTCORE_FLAG_SNAPSHOT_ANY_CONF,
    report_commit = RAFTCORE_FLAG_REPORT_COMMIT,
    spare_heartbeats = RAFTCORE_FLAG_SPARE_HEARTBEATS,
    yield_to_priority = RAFTCORE_FLAG_YIELD_TO_PRIORITY,
    leased_proposals = RAFTCORE_FLAG_LEASED_PROPOSALS,
};

/** Bits of features(). */
enum class feature : std::uint64_t {
    checked = RAFTCORE_FEATURE_CHECKED,
};

/** Bits of raftcore_hello_info::features: hello_read. */
enum class hello_feature : std::uint64_t {
    eraftpb = RAFTCORE_HELLO_ERAFTPB,
};

/** Bits of ready::flags. */
enum class ready_flag : std::uint64_t {
    hard_state = RAFTCORE_RF_HARD_STATE,
    must_sync = RAFTCORE_RF_MUST_SYNC,
    soft_state = RAFTCORE_RF_SOFT_STATE,
    snapshot = RAFTCORE_RF_SNAPSHOT,
};

/** Bits of message::flags. */
enum class message_flag : std::uint64_t {
    after = RAFTCORE_MF_AFTER,
    reject = RAFTCORE_MF_REJECT,
};

/** Bits of node::has_ready. */
enum class has : std::uint64_t {
    hard_state = RAFTCORE_HAS_HARD_STATE,
    soft_state = RAFTCORE_HAS_SOFT_STATE,
    snapshot = RAFTCORE_HAS_SNAPSHOT,
    entries = RAFTCORE_HAS_ENTRIES,
    messages = RAFTCORE_HAS_MESSAGES,
    committed = RAFTCORE_HAS_COMMITTED,
    reads = RAFTCORE_HAS_READS,
    dropped = RAFTCORE_HAS_DROPPED,
    fetch = RAFTCORE_HAS_FETCH,
    events = RAFTCORE_HAS_EVENTS,
};

/** Kinds of messages. */
enum class message_kind : std::uint32_t {
    hup = RAFTCORE_MSG_HUP,
    beat = RAFTCORE_MSG_BEAT,
    prop = RAFTCORE_MSG_PROP,
    app = RAFTCORE_MSG_APP,
    app_resp = RAFTCORE_MSG_APP_RESP,
    vote = RAFTCORE_MSG_VOTE,
    vote_resp = RAFTCORE_MSG_VOTE_RESP,
    snap = RAFTCORE_MSG_SNAP,
    heartbeat = RAFTCORE_MSG_HEARTBEAT,
    heartbeat_resp = RAFTCORE_MSG_HEARTBEAT_RESP,
    unreachable = RAFTCORE_MSG_UNREACHABLE,
    snap_status = RAFTCORE_MSG_SNAP_STATUS,
    check_quorum = RAFTCORE_MSG_CHECK_QUORUM,
    transfer_leader = RAFTCORE_MSG_TRANSFER_LEADER,
    timeout_now = RAFTCORE_MSG_TIMEOUT_NOW,
    read_index = RAFTCORE_MSG_READ_INDEX,
    read_index_resp = RAFTCORE_MSG_READ_INDEX_RESP,
    pre_vote = RAFTCORE_MSG_PRE_VOTE,
    pre_vote_resp = RAFTCORE_MSG_PRE_VOTE_RESP,
    storage_append = RAFTCORE_MSG_STORAGE_APPEND,
    storage_append_resp = RAFTCORE_MSG_STORAGE_APPEND_RESP,
    storage_apply = RAFTCORE_MSG_STORAGE_APPLY,
    storage_apply_resp = RAFTCORE_MSG_STORAGE_APPLY_RESP,
    forget_leader = RAFTCORE_MSG_FORGET_LEADER,
};

/** What failed, and how: drop::what. */
enum class drop_what : std::uint32_t {
    not_committed = RAFTCORE_DROP_NOT_COMMITTED,
    unknown = RAFTCORE_DROP_UNKNOWN,
    read = RAFTCORE_DROP_READ,
};

/** What a fetch asks for. */
enum class fetch_kind : std::uint32_t {
    first = RAFTCORE_FETCH_FIRST,
    entries = RAFTCORE_FETCH_ENTRIES,
    snapshot = RAFTCORE_FETCH_SNAPSHOT,
    apply = RAFTCORE_FETCH_APPLY,
};

/** Causes for node::supply_none. */
enum class supply : std::uint32_t {
    gone = RAFTCORE_SUPPLY_GONE,
    later = RAFTCORE_SUPPLY_LATER,
};

/** Reports for node::report_snapshot. */
enum class snapshot_report : std::uint32_t {
    failed = RAFTCORE_SNAPSHOT_FAILED,
    arrived = RAFTCORE_SNAPSHOT_ARRIVED,
    under_way = RAFTCORE_SNAPSHOT_UNDER_WAY,
};

/** Steps of a membership change. */
enum class change_kind : std::uint32_t {
    add_node = RAFTCORE_CHANGE_ADD_NODE,
    remove_node = RAFTCORE_CHANGE_REMOVE_NODE,
    update_node = RAFTCORE_CHANGE_UPDATE_NODE,
    add_learner = RAFTCORE_CHANGE_ADD_LEARNER,
};

/** Ways into a new membership: node::propose_conf. */
enum class transition : std::uint32_t {
    automatic = RAFTCORE_TRANSITION_AUTO,
    joint_implicit = RAFTCORE_TRANSITION_JOINT_IMPLICIT,
    joint_explicit = RAFTCORE_TRANSITION_JOINT_EXPLICIT,
    v1 = RAFTCORE_TRANSITION_V1,
};

/** How a leader sends to a peer. */
enum class flow : std::uint32_t {
    probe = RAFTCORE_FLOW_PROBE,
    replicate = RAFTCORE_FLOW_REPLICATE,
    snapshot = RAFTCORE_FLOW_SNAPSHOT,
};

/** Bits of peer::flags. */
enum class peer_flag : std::uint64_t {
    voter = RAFTCORE_PF_VOTER,
    outgoing = RAFTCORE_PF_OUTGOING,
    learner = RAFTCORE_PF_LEARNER,
    active = RAFTCORE_PF_ACTIVE,
    paused = RAFTCORE_PF_PAUSED,
    window_full = RAFTCORE_PF_WINDOW_FULL,
    caught_up = RAFTCORE_PF_CAUGHT_UP,
    fetching = RAFTCORE_PF_FETCHING,
};

/** Kinds of events. The header has the meaning of each field. */
enum class event_kind : std::uint32_t {
    became_follower = RAFTCORE_EVENT_BECAME_FOLLOWER,
    became_pre_candidate = RAFTCORE_EVENT_BECAME_PRE_CANDIDATE,
    became_candidate = RAFTCORE_EVENT_BECAME_CANDIDATE,
    became_leader = RAFTCORE_EVENT_BECAME_LEADER,
    leader_ready = RAFTCORE_EVENT_LEADER_READY,
    ignored = RAFTCORE_EVENT_IGNORED,
    alarm = RAFTCORE_EVENT_ALARM,
    vote_refused = RAFTCORE_EVENT_VOTE_REFUSED,
    campaign_refused = RAFTCORE_EVENT_CAMPAIGN_REFUSED,
    conf_applied = RAFTCORE_EVENT_CONF_APPLIED,
    conf_skipped = RAFTCORE_EVENT_CONF_SKIPPED,
    snapshot_restored = RAFTCORE_EVENT_SNAPSHOT_RESTORED,
    snapshot_sent = RAFTCORE_EVENT_SNAPSHOT_SENT,
    snapshot_ended = RAFTCORE_EVENT_SNAPSHOT_ENDED,
    transfer_started = RAFTCORE_EVENT_TRANSFER_STARTED,
    transfer_ended = RAFTCORE_EVENT_TRANSFER_ENDED,
    no_leader_long = RAFTCORE_EVENT_NO_LEADER_LONG,
    peer_lags = RAFTCORE_EVENT_PEER_LAGS,
    paused = RAFTCORE_EVENT_PAUSED,
    message_lost = RAFTCORE_EVENT_MESSAGE_LOST,
    proposal_refused = RAFTCORE_EVENT_PROPOSAL_REFUSED,
    repaired = RAFTCORE_EVENT_REPAIRED,
    truncated = RAFTCORE_EVENT_TRUNCATED,
    poisoned = RAFTCORE_EVENT_POISONED,
    apply_waits = RAFTCORE_EVENT_APPLY_WAITS,
};

/** Reasons of events and drops: reason_text. */
enum class reason : std::uint32_t {
    none = RAFTCORE_REASON_NONE,
    lower_term = RAFTCORE_REASON_LOWER_TERM,
    not_leader = RAFTCORE_REASON_NOT_LEADER,
    not_follower = RAFTCORE_REASON_NOT_FOLLOWER,
    leader_alive = RAFTCORE_REASON_LEADER_ALIVE,
    vote_fence = RAFTCORE_REASON_VOTE_FENCE,
    late_vote = RAFTCORE_REASON_LATE_VOTE,
    transfer_fence = RAFTCORE_REASON_TRANSFER_FENCE,
    not_promotable = RAFTCORE_REASON_NOT_PROMOTABLE,
    change_unapplied = RAFTCORE_REASON_CHANGE_UNAPPLIED,
    second_leader = RAFTCORE_REASON_SECOND_LEADER,
    conflict_below_commit = RAFTCORE_REASON_CONFLICT_BELOW_COMMIT,
    commit_beyond_log = RAFTCORE_REASON_COMMIT_BEYOND_LOG,
    ack_beyond_log = RAFTCORE_REASON_ACK_BEYOND_LOG,
    stale_reject = RAFTCORE_REASON_STALE_REJECT,
    old_snapshot = RAFTCORE_REASON_OLD_SNAPSHOT,
    snapshot_without_self = RAFTCORE_REASON_SNAPSHOT_WITHOUT_SELF,
    snapshot_conf = RAFTCORE_REASON_SNAPSHOT_CONF,
    peer_silent = RAFTCORE_REASON_PEER_SILENT,
    snapshot_timeout = RAFTCORE_REASON_SNAPSHOT_TIMEOUT,
    outbox_full = RAFTCORE_REASON_OUTBOX_FULL,
    transfer_target = RAFTCORE_REASON_TRANSFER_TARGET,
    transfer_deadline = RAFTCORE_REASON_TRANSFER_DEADLINE,
    transferee_gone = RAFTCORE_REASON_TRANSFEREE_GONE,
    transfer_aborted = RAFTCORE_REASON_TRANSFER_ABORTED,
    leadership_lost = RAFTCORE_REASON_LEADERSHIP_LOST,
    leader_changed = RAFTCORE_REASON_LEADER_CHANGED,
    read_timeout = RAFTCORE_REASON_READ_TIMEOUT,
    late_read_answer = RAFTCORE_REASON_LATE_READ_ANSWER,
    read_context = RAFTCORE_REASON_READ_CONTEXT,
    forwarded = RAFTCORE_REASON_FORWARDED,
    overwritten = RAFTCORE_REASON_OVERWRITTEN,
    covered_by_snapshot = RAFTCORE_REASON_COVERED_BY_SNAPSHOT,
    forwarded_full = RAFTCORE_REASON_FORWARDED_FULL,
    forwarded_conf = RAFTCORE_REASON_FORWARDED_CONF,
    no_leader = RAFTCORE_REASON_NO_LEADER,
    no_quorum = RAFTCORE_REASON_NO_QUORUM,
    removed = RAFTCORE_REASON_REMOVED,
    higher_term = RAFTCORE_REASON_HIGHER_TERM,
    election_lost = RAFTCORE_REASON_ELECTION_LOST,
    priority = RAFTCORE_REASON_PRIORITY,
    voted_other = RAFTCORE_REASON_VOTED_OTHER,
    older_log = RAFTCORE_REASON_OLDER_LOG,
    unknown_peer = RAFTCORE_REASON_UNKNOWN_PEER,
    lease = RAFTCORE_REASON_LEASE,
    log_full = RAFTCORE_REASON_LOG_FULL,
    term_exhausted = RAFTCORE_REASON_TERM_EXHAUSTED,
    leave_refused = RAFTCORE_REASON_LEAVE_REFUSED,
    snapshot_conflict = RAFTCORE_REASON_SNAPSHOT_CONFLICT,
    own_write = RAFTCORE_REASON_OWN_WRITE,
};

/* Receivers that are no peers, with storage::messages. */
inline constexpr std::uint64_t id_local_append = RAFTCORE_ID_LOCAL_APPEND; /* the node's storage */
inline constexpr std::uint64_t id_local_apply = RAFTCORE_ID_LOCAL_APPLY; /* its state machine */

/* Bytes before the message of a frame. */
inline constexpr std::uint32_t frame_header = RAFTCORE_FRAME_HEADER;

} // namespace raftcore

#endif
