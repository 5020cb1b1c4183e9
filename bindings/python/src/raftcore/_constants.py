"""The numbers of include/raftcore.h. Calls take and return plain ints, too.

A member is declared as `NAME = number, "meaning"`. The meaning is the member's __doc__, so that
help() shows it.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

ID_LOCAL_APPEND = 2**64 - 1
"""With Storage.MESSAGES: the receiver of messages for this node's own storage."""
ID_LOCAL_APPLY = 2**64 - 2
"""With Storage.MESSAGES: the receiver of messages for this node's own state machine."""


class _Number(IntEnum):
    _value_: int

    def __new__(cls, value: int, doc: str = "") -> _Number:
        member = int.__new__(cls, value)
        member._value_ = value
        member.__doc__ = doc
        return member


class _Bits(IntFlag):
    _value_: int

    def __new__(cls, value: int, doc: str = "") -> _Bits:
        member = int.__new__(cls, value)
        member._value_ = value
        member.__doc__ = doc
        return member


class Role(_Number):
    """The role of a node in its group."""

    FOLLOWER = 0, "Follows a leader, or waits for a leader."
    CANDIDATE = 1, "Asks for votes."
    LEADER = 2, "Takes proposals and replicates the log."
    PRE_CANDIDATE = 3, "Asks whether it could win an election, before it raises its term."


class EntryKind(_Number):
    """The kind of an entry."""

    NORMAL = 0, "Data of the application. Empty data: a leader's first entry; nothing to apply."
    CONF_CHANGE = 1, "A membership change, first encoding. Give the entry to apply_conf."
    CONF_CHANGE_V2 = 2, "Membership changes, second encoding. Give the entry to apply_conf."


class MsgKind(_Number):
    """The kind of a message. Most hosts send each frame to its peer and never read the kind."""

    HUP = 0, "Never leaves a node."
    BEAT = 1, "Never leaves a node."
    PROP = 2, "Proposals that a follower forwards to the leader."
    APP = 3, "Appends entries."
    APP_RESP = 4, "Response to APP."
    VOTE = 5, "Asks for a vote."
    VOTE_RESP = 6, "Response to VOTE."
    SNAP = 7, "A snapshot: see snapshot_split."
    HEARTBEAT = 8, "A leader's heartbeat."
    HEARTBEAT_RESP = 9, "Response to HEARTBEAT."
    UNREACHABLE = 10, "Never leaves a node."
    SNAP_STATUS = 11, "Never leaves a node."
    CHECK_QUORUM = 12, "On. A leader that hears no quorum steps down."
    TRANSFER_LEADER = 13, "A follower forwards the wish for a transfer to the leader."
    TIMEOUT_NOW = 14, "The leader asks the target of a transfer to start its election."
    READ_INDEX = 15, "A follower forwards a read to the leader."
    READ_INDEX_RESP = 16, "Response to READ_INDEX."
    PRE_VOTE = 17, "On. A node asks whether it could win before it raises its term."
    PRE_VOTE_RESP = 18, "Response to PRE_VOTE."
    STORAGE_APPEND = 19, "To ID_LOCAL_APPEND; Storage.MESSAGES only."
    STORAGE_APPEND_RESP = 20, "Response to STORAGE_APPEND."
    STORAGE_APPLY = 21, "To ID_LOCAL_APPLY; Storage.MESSAGES only."
    STORAGE_APPLY_RESP = 22, "Response to STORAGE_APPLY."
    FORGET_LEADER = 23, "Never leaves a node."


class ChangeKind(_Number):
    """A step of a membership change."""

    ADD_NODE = 0, "Becomes a voter. Add a learner first, and promote it when CAUGHT_UP is set."
    REMOVE_NODE = 1, "The member leaves the group."
    UPDATE_NODE = 2, "Changes nothing, and carries a context."
    ADD_LEARNER = 3, "The member becomes a learner: it receives the log and has no vote."


class Transition(_Number):
    """How a membership change takes effect."""

    AUTO = 0, "In a single step if possible, else joint and left automatically."
    JOINT_IMPLICIT = 1, "Joint, and left automatically."
    JOINT_EXPLICIT = 2, "Joint, and left by a later change without steps."
    V1 = 3, "Exactly one step, in the first encoding."


class Storage(_Number):
    """How a host stores: Config.storage."""

    SYNC = 0, "One ready at a time, finished by advance."
    ASYNC = 1, "Several readies at a time, for a disk thread: persisted, applied, release."
    MESSAGES = 2, "Work comes as messages, as with etcd's AsyncStorageWrites: step_local."


class Dialect(_Number):
    """The wire format: Config.dialect."""

    RAFTPB = 0, "The schema of etcd's raft."
    ERAFTPB = 1, "The schema of raft-rs 0.7. A log of one dialect is never read in the other."


class Preset(_Number):
    """The choices that a Config starts from."""

    ETCD = 1, "The choice of etcd's raft wherever the defaults differ."


class Flag(_Bits):
    """Bits of Config.flags."""

    PRE_VOTE = 1, "Default on. A node asks whether it could win before it raises its term."
    CHECK_QUORUM = 2, "Default on. A leader that hears no quorum steps down."
    LEASE_READS = 4, "Reads by lease. Needs CHECK_QUORUM and a bounded clock drift."
    DEBUG_POISON_VIEWS = 8, "For hosts in C. No view of this package is in the node's memory."
    VOTE_REQUEST_EARLY = 16, "etcd. A vote request may leave before its hard state is durable."
    STAY_WHEN_REMOVED = 32, "etcd. A removed or demoted leader continues to lead."
    REFUSED_CONF_AS_EMPTY = 64, "etcd. A refused change is appended as an empty entry."
    LEASE_IN_TRANSFER = 128, "etcd. Lease reads continue during a transfer."
    TRANSFER_FENCE = 256, "Index and term in TIMEOUT_NOW. All nodes must understand this."
    COMMIT_IN_VOTES = 512, "The commit index in votes. All nodes must understand this."
    READ_AT_ONCE = 1024, "etcd. A read is answered before its index is applied."
    BATCH_APPEND = 2048, "Entries join an unsent append to their peer."
    NO_COMMIT_BROADCAST = 4096, "A moved commit index waits for the next append or heartbeat."
    NOMINATE_SUCCESSOR = 8192, "A leader that a change removes transfers leadership first."
    NO_CONF_VALIDATION = 16384, "etcd. Changes are not validated when proposed. All nodes or none."
    FORWARDING = 32768, "etcd. A follower forwards proposals, and tokens come back UNKNOWN."
    DECODED_MSGS = 65536, "Node.message_entries works."
    RETIRE_GRACEFULLY = 131072, "On, etcd off. A removed leader leads until a quorum knows of it."
    QUIET_COMMIT = 262144, "On, etcd off. An append with only a commit index needs no response."
    COMMITTED_SPANS = 524288, "Committed entries that left the memory come as a span: see done()."
    CONF_APART = 1048576, "etcd. apply_change applies changes apart from their entries."
    SNAPSHOT_ANY_CONF = 2097152, "etcd. The membership of a snapshot may lack the receiver."
    REPORT_COMMIT = 4194304, "Answers carry the commit index: Peer.commit. Always with ERAFTPB."
    SPARE_HEARTBEATS = 8388608, "No heartbeat to a peer with new entries. Not with LEASE_READS."
    YIELD_TO_PRIORITY = 16777216, "Leadership goes to the highest priority with the whole log."
    LEASED_PROPOSALS = 33554432, "Proposals only at a leader with a lease. Needs LEASE_READS."


class ReadyFlag(_Bits):
    """Bits of a ready's flags."""

    HARD_STATE = 1, "Term, vote or commit changed: store them."
    MUST_SYNC = 2, "Make the writes durable before you go on."
    SOFT_STATE = 4, "Role or leader changed."
    SNAPSHOT = 8, "A snapshot to install."


class MsgFlag(_Bits):
    """Bits of a message's flags."""

    AFTER = 1, "The message may leave only when all readies up to its own are durable."
    REJECT = 2, "A refusing response; or an append without entries that needs no response."


class Has(_Bits):
    """Bits of Node.has_ready: the content of the next ready, and what else waits."""

    HARD_STATE = 1, "Term, vote or commit changed."
    SOFT_STATE = 2, "Role or leader changed."
    SNAPSHOT = 4, "A snapshot to install."
    ENTRIES = 8, "Entries to store."
    MESSAGES = 16, "Messages to send. The node's own votes and acknowledgements count, too."
    COMMITTED = 32, "Entries to apply."
    READS = 64, "Reads to serve."
    DROPPED = 128, "Failed proposals or reads."
    FETCH = 256, "next_fetch returns a fetch."
    EVENTS = 512, "next_event returns an event."


class DropWhat(_Number):
    """The outcome of a proposal or read that failed."""

    NOT_COMMITTED = 1, "Never committed: you may propose the data again."
    UNKNOWN = 2, "Possibly committed. Put an id into the data, and look for it in the state."
    READ = 3, "The read has no answer: start the read again."


class FetchKind(_Number):
    """What a fetch asks for, and how to answer. Nothing is applied before APPLY is answered."""

    ENTRIES = 1, "Entries for a peer: supply_entries; supply_none with GONE if compacted."
    SNAPSHOT = 2, "A snapshot for a peer: supply_snapshot, or supply_none with LATER."
    APPLY = 3, "Entries to apply, of your own log: supply_entries, or supply_none with LATER."


class Supply(_Number):
    """Why a fetch is answered with nothing."""

    GONE = 1, "The entries are compacted away: the node asks for a snapshot instead."
    LATER = 2, "Not now: the node asks again later."


class SnapshotReport(_Number):
    """What became of a snapshot: Node.report_snapshot."""

    FAILED = 0, "The snapshot did not arrive: the node will fetch another snapshot."
    ARRIVED = 1, "The snapshot arrived with all its data."
    UNDER_WAY = 2, "The snapshot is still being sent: snapshot_timeout_ticks start anew."


class Flow(_Number):
    """How a leader sends to a peer."""

    PROBE = 0, "One append at a time, to find where the logs meet."
    REPLICATE = 1, "Appends in flight up to the window."
    SNAPSHOT = 2, "A snapshot is in flight."


class PeerFlag(_Bits):
    """Bits of Peer.flags."""

    VOTER = 1, "A voter; in a joint membership a voter of the incoming half."
    OUTGOING = 2, "A voter of the outgoing half."
    LEARNER = 4, "A learner."
    ACTIVE = 8, "The peer was heard since the last quorum check."
    PAUSED = 16, "Nothing is sent before the peer answers."
    WINDOW_FULL = 32, "The appends in flight fill the window."
    CAUGHT_UP = 64, "Near enough to be promoted to voter."
    FETCHING = 128, "Waits for the answer to a fetch."


class EventKind(_Number):
    """The kind of an event. Log all events; ALARM and POISONED should wake somebody."""

    BECAME_FOLLOWER = 1, "`peer` is the leader; 0: none is known."
    BECAME_PRE_CANDIDATE = 2, "The node asks whether it could win an election."
    BECAME_CANDIDATE = 3, "The node asks for votes."
    BECAME_LEADER = 4, "The node leads in `term`; its first entry is at `index`."
    LEADER_READY = 5, "The leader's first entry is applied: reads and changes are served now."
    IGNORED = 6, "A message was ignored: `a` is its `MsgKind`."
    ALARM = 7, "A message contradicts this log; `a`: its `MsgKind`, `b`: its claim. Investigate."
    VOTE_REFUSED = 8, "`peer` asked for a vote in `term`."
    CAMPAIGN_REFUSED = 9, "The node may not start an election; `reason` says why."
    CONF_APPLIED = 10, "The change at `index` is in force: `a` voters, `b` learners."
    CONF_SKIPPED = 11, "The change at `index` was skipped."
    SNAPSHOT_RESTORED = 12, "The snapshot at `index` replaced the log."
    SNAPSHOT_SENT = 13, "The snapshot at `index` leaves for `peer`."
    SNAPSHOT_ENDED = 14, "The snapshot to `peer` ended: `a` is 1 if it arrived."
    TRANSFER_STARTED = 15, "Leadership is being transferred to `peer`."
    TRANSFER_ENDED = 16, "The transfer ended without success."
    NO_LEADER_LONG = 17, "No leader for `a` ticks. Check the network and the other nodes."
    PEER_LAGS = 18, "`peer` is behind by `a` entries."
    PAUSED = 19, "`a` ticks came in a single call: the host was stopped or overloaded."
    MESSAGE_LOST = 20, "A message was lost because a limit was reached: `a` is its `MsgKind`."
    PROPOSAL_REFUSED = 21, "A proposal that `peer` forwarded was refused."
    REPAIRED = 22, "The boot repaired a stored value: `a` was stored, `b` is used."
    TRUNCATED = 23, "Entries `index` to `a` were overwritten, own ones of a leader from `b` on."
    POISONED = 24, "The library caught a bug of its own: close the node, and boot from disk."
    APPLY_WAITS = 25, "A fetch of kind APPLY from `index` on has waited for `a` ticks."


class Reason(_Number):
    """The reason of an event or a drop. `reason_text` returns the library's words."""

    NONE = 0, "No particular reason."
    LOWER_TERM = 1, "A message of an older term."
    NOT_LEADER = 2, "Only a leader takes such a message."
    NOT_FOLLOWER = 3, "Only a follower takes such a message."
    LEADER_ALIVE = 4, "A leader is alive: no vote."
    VOTE_FENCE = 5, "The node booted too recently to vote."
    LATE_VOTE = 7, "A response to an election that is finished."
    TRANSFER_FENCE = 8, "A transfer that names another term or a longer log."
    NOT_PROMOTABLE = 9, "The node may not start an election."
    CHANGE_UNAPPLIED = 10, "A committed membership change is not yet applied."
    SECOND_LEADER = 11, "A second leader in this term."
    CONFLICT_BELOW_COMMIT = 12, "An append contradicts a committed entry."
    COMMIT_BEYOND_LOG = 13, "The leader committed more than this log has: entries are gone."
    ACK_BEYOND_LOG = 14, "An acknowledgement beyond this log."
    STALE_REJECT = 16, "An old rejection."
    OLD_SNAPSHOT = 17, "The log covers the snapshot already."
    SNAPSHOT_WITHOUT_SELF = 18, "The membership of the snapshot lacks this node."
    SNAPSHOT_CONF = 19, "The membership of the snapshot is invalid."
    PEER_SILENT = 20, "The peer is silent."
    SNAPSHOT_TIMEOUT = 21, "No report about a snapshot came in time."
    OUTBOX_FULL = 22, "Too many messages in a ready: this message is lost."
    TRANSFER_TARGET = 23, "The target of the transfer cannot lead."
    TRANSFER_DEADLINE = 24, "The transfer took too long."
    TRANSFEREE_GONE = 25, "The target of the transfer was removed or demoted."
    TRANSFER_ABORTED = 26, "The transfer was aborted."
    LEADERSHIP_LOST = 27, "The node lost leadership."
    LEADER_CHANGED = 28, "The leader changed."
    READ_TIMEOUT = 29, "No answer to a forwarded read came in time."
    LATE_READ_ANSWER = 30, "An answer to a read that nobody waits for."
    READ_CONTEXT = 31, "A read context that was never issued."
    FORWARDED = 32, "The proposal was forwarded to the leader."
    OVERWRITTEN = 33, "Another entry is committed at its index, or a later term below."
    COVERED_BY_SNAPSHOT = 34, "A snapshot covers its index."
    FORWARDED_FULL = 35, "A forwarded proposal was refused: a limit is reached."
    FORWARDED_CONF = 36, "A forwarded membership change was refused."
    NO_LEADER = 37, "No leader is known."
    NO_QUORUM = 39, "No quorum was heard within an election timeout."
    REMOVED = 40, "This node was removed or demoted."
    HIGHER_TERM = 41, "A message of a higher term."
    ELECTION_LOST = 42, "The election was lost."
    PRIORITY = 43, "A node of higher priority objects."
    VOTED_OTHER = 44, "The vote went to another node, or a leader is known."
    OLDER_LOG = 45, "The candidate's log is older."
    UNKNOWN_PEER = 46, "The sender is no member."
    LEASE = 48, "Lease reads forbid to forget the leader."
    LOG_FULL = 50, "The memory for the log is full of entries that are not durable."
    TERM_EXHAUSTED = 51, "The term is too high."
    LEAVE_REFUSED = 52, "Leaving the joint membership was refused for now."
    SNAPSHOT_CONFLICT = 53, "A snapshot contradicts a committed entry."
    OWN_WRITE = 54, "The leader's own writes take too long."


class HelloFeature(_Bits):
    """Bits of HelloInfo.features."""

    ERAFTPB = 4294967296, "The sender's group speaks Dialect.ERAFTPB."


class Feature(_Bits):
    """Bits of features()."""

    CHECKED = 1, "The library was built with internal checks, for tests."
