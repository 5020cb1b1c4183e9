"""The numbers of include/raftcore.h, which says what each means. Calls take and return plain ints, too."""

from enum import IntEnum, IntFlag

ID_LOCAL_APPEND = 2**64 - 1
ID_LOCAL_APPLY = 2**64 - 2


class Role(IntEnum):
    """What a node is in its group."""

    FOLLOWER = 0
    CANDIDATE = 1
    LEADER = 2
    PRE_CANDIDATE = 3


class EntryKind(IntEnum):
    """Kinds of entries."""

    NORMAL = 0
    CONF_CHANGE = 1
    CONF_CHANGE_V2 = 2


class MsgKind(IntEnum):
    """Kinds of messages; most hosts never look."""

    HUP = 0
    BEAT = 1
    PROP = 2
    APP = 3
    APP_RESP = 4
    VOTE = 5
    VOTE_RESP = 6
    SNAP = 7
    HEARTBEAT = 8
    HEARTBEAT_RESP = 9
    UNREACHABLE = 10
    SNAP_STATUS = 11
    CHECK_QUORUM = 12
    TRANSFER_LEADER = 13
    TIMEOUT_NOW = 14
    READ_INDEX = 15
    READ_INDEX_RESP = 16
    PRE_VOTE = 17
    PRE_VOTE_RESP = 18
    STORAGE_APPEND = 19
    STORAGE_APPEND_RESP = 20
    STORAGE_APPLY = 21
    STORAGE_APPLY_RESP = 22
    FORGET_LEADER = 23


class ChangeKind(IntEnum):
    """Steps of a configuration change."""

    ADD_NODE = 0
    REMOVE_NODE = 1
    UPDATE_NODE = 2
    ADD_LEARNER = 3


class Transition(IntEnum):
    """How a change takes effect."""

    AUTO = 0
    JOINT_IMPLICIT = 1
    JOINT_EXPLICIT = 2
    V1 = 3


class Storage(IntEnum):
    """How a host stores: Config.storage."""

    SYNC = 0
    ASYNC = 1
    MESSAGES = 2


class Dialect(IntEnum):
    """The wire format: Config.dialect."""

    RAFTPB = 0


class Preset(IntEnum):
    """Whose choices a configuration starts from."""

    ETCD = 1


class Flag(IntFlag):
    """Bits of Config.flags."""

    PRE_VOTE = 1
    CHECK_QUORUM = 2
    LEASE_READS = 4
    DEBUG_POISON_VIEWS = 8
    VOTE_REQUEST_EARLY = 16
    STAY_WHEN_REMOVED = 32
    REFUSED_CONF_AS_EMPTY = 64
    LEASE_IN_TRANSFER = 128
    TRANSFER_FENCE = 256
    COMMIT_IN_VOTES = 512
    READ_AT_ONCE = 1024
    BATCH_APPEND = 2048
    NO_COMMIT_BROADCAST = 4096
    NOMINATE_SUCCESSOR = 8192
    NO_CONF_VALIDATION = 16384
    NO_FORWARDING = 32768
    DECODED_MSGS = 65536
    RETIRE_GRACEFULLY = 131072
    QUIET_COMMIT = 262144


class ReadyFlag(IntFlag):
    """Bits of a ready's flags."""

    HARD_STATE = 1
    MUST_SYNC = 2
    SOFT_STATE = 4
    SNAPSHOT = 8


class MsgFlag(IntFlag):
    """Bits of a message's flags."""

    AFTER = 1
    REJECT = 2


class Has(IntFlag):
    """Bits of Node.has_ready."""

    HARD_STATE = 1
    SOFT_STATE = 2
    SNAPSHOT = 4
    ENTRIES = 8
    MESSAGES = 16
    COMMITTED = 32
    READS = 64
    DROPPED = 128
    FETCH = 256
    EVENTS = 512


class DropWhat(IntEnum):
    """What became of a proposal or read that failed."""

    NOT_COMMITTED = 1
    UNKNOWN = 2
    READ = 3


class FetchKind(IntEnum):
    """What a fetch asks for."""

    ENTRIES = 1
    SNAPSHOT = 2


class Supply(IntEnum):
    """Why a fetch is answered with nothing."""

    GONE = 1
    LATER = 2


class Flow(IntEnum):
    """How a leader sends to a peer."""

    PROBE = 0
    REPLICATE = 1
    SNAPSHOT = 2


class PeerFlag(IntFlag):
    """Bits of Peer.flags."""

    VOTER = 1
    OUTGOING = 2
    LEARNER = 4
    ACTIVE = 8
    PAUSED = 16
    WINDOW_FULL = 32
    CAUGHT_UP = 64
    FETCHING = 128


class EventKind(IntEnum):
    """Kinds of events; event_text has the words."""

    BECAME_FOLLOWER = 1
    BECAME_PRE_CANDIDATE = 2
    BECAME_CANDIDATE = 3
    BECAME_LEADER = 4
    LEADER_READY = 5
    IGNORED = 6
    ALARM = 7
    VOTE_REFUSED = 8
    CAMPAIGN_REFUSED = 9
    CONF_APPLIED = 10
    CONF_SKIPPED = 11
    SNAPSHOT_RESTORED = 12
    SNAPSHOT_SENT = 13
    SNAPSHOT_ENDED = 14
    TRANSFER_STARTED = 15
    TRANSFER_ENDED = 16
    NO_LEADER_LONG = 17
    PEER_LAGS = 18
    PAUSED = 19
    MESSAGE_LOST = 20
    PROPOSAL_REFUSED = 21
    REPAIRED = 22
    TRUNCATED = 23
    POISONED = 24


class Reason(IntEnum):
    """Reasons of events and drops; reason_text has the words."""

    NONE = 0
    LOWER_TERM = 1
    NOT_LEADER = 2
    NOT_FOLLOWER = 3
    LEADER_ALIVE = 4
    VOTE_FENCE = 5
    LATE_VOTE = 7
    TRANSFER_FENCE = 8
    NOT_PROMOTABLE = 9
    CHANGE_UNAPPLIED = 10
    SECOND_LEADER = 11
    CONFLICT_BELOW_COMMIT = 12
    COMMIT_BEYOND_LOG = 13
    ACK_BEYOND_LOG = 14
    STALE_REJECT = 16
    OLD_SNAPSHOT = 17
    SNAPSHOT_WITHOUT_SELF = 18
    SNAPSHOT_CONF = 19
    PEER_SILENT = 20
    SNAPSHOT_TIMEOUT = 21
    OUTBOX_FULL = 22
    TRANSFER_TARGET = 23
    TRANSFER_DEADLINE = 24
    TRANSFEREE_GONE = 25
    TRANSFER_ABORTED = 26
    LEADERSHIP_LOST = 27
    LEADER_CHANGED = 28
    READ_TIMEOUT = 29
    LATE_READ_ANSWER = 30
    READ_CONTEXT = 31
    FORWARDED = 32
    OVERWRITTEN = 33
    COVERED_BY_SNAPSHOT = 34
    FORWARDED_FULL = 35
    FORWARDED_CONF = 36
    NO_LEADER = 37
    NO_QUORUM = 39
    REMOVED = 40
    HIGHER_TERM = 41
    ELECTION_LOST = 42
    PRIORITY = 43
    VOTED_OTHER = 44
    OLDER_LOG = 45
    UNKNOWN_PEER = 46
    LEASE = 48
    LOG_FULL = 50
    TERM_EXHAUSTED = 51
    LEAVE_REFUSED = 52


class Feature(IntFlag):
    """Bits of features."""

    CHECKED = 1
