package raftcore

// #include "glue.h"
// #cgo noescape raftcore_event_text
// #cgo nocallback raftcore_event_text
// #cgo noescape raftcore_reason_text
// #cgo nocallback raftcore_reason_text
import "C"

import "strconv"

// With [StorageMessages], some messages go to ids that are not peers. Ids of nodes are 1 to
// 2^64-17.
const (
	IDLocalAppend uint64 = C.RAFTCORE_ID_LOCAL_APPEND // storage of the node
	IDLocalApply  uint64 = C.RAFTCORE_ID_LOCAL_APPLY  // state machine of the node
)

// None is no id.
const None uint64 = 0

// Role is the role of a node.
type Role uint32

const (
	RoleFollower     Role = C.RAFTCORE_ROLE_FOLLOWER // follows a leader, or waits for a leader
	RoleCandidate    Role = C.RAFTCORE_ROLE_CANDIDATE
	RoleLeader       Role = C.RAFTCORE_ROLE_LEADER
	RolePreCandidate Role = C.RAFTCORE_ROLE_PRE_CANDIDATE // asks first whether an election could be won (PreVote)
)

// EntryKind is a kind of entry. The numbers are those of raftpb.
type EntryKind uint32

const (
	EntryNormal       EntryKind = C.RAFTCORE_ENTRY_NORMAL         // data of the application; empty: a leader's first entry
	EntryConfChange   EntryKind = C.RAFTCORE_ENTRY_CONF_CHANGE    // a configuration change, first encoding
	EntryConfChangeV2 EntryKind = C.RAFTCORE_ENTRY_CONF_CHANGE_V2 // configuration changes, second encoding
)

// MessageKind is a kind of message. Most hosts need only [MsgSnap].
type MessageKind uint32

const (
	MsgHup               MessageKind = C.RAFTCORE_MSG_HUP // never leaves a node
	MsgBeat              MessageKind = C.RAFTCORE_MSG_BEAT
	MsgProp              MessageKind = C.RAFTCORE_MSG_PROP // proposals forwarded to the leader
	MsgApp               MessageKind = C.RAFTCORE_MSG_APP  // append entries
	MsgAppResp           MessageKind = C.RAFTCORE_MSG_APP_RESP
	MsgVote              MessageKind = C.RAFTCORE_MSG_VOTE
	MsgVoteResp          MessageKind = C.RAFTCORE_MSG_VOTE_RESP
	MsgSnap              MessageKind = C.RAFTCORE_MSG_SNAP // a snapshot: see [SplitSnapshot]
	MsgHeartbeat         MessageKind = C.RAFTCORE_MSG_HEARTBEAT
	MsgHeartbeatResp     MessageKind = C.RAFTCORE_MSG_HEARTBEAT_RESP
	MsgUnreachable       MessageKind = C.RAFTCORE_MSG_UNREACHABLE
	MsgSnapStatus        MessageKind = C.RAFTCORE_MSG_SNAP_STATUS
	MsgCheckQuorum       MessageKind = C.RAFTCORE_MSG_CHECK_QUORUM
	MsgTransferLeader    MessageKind = C.RAFTCORE_MSG_TRANSFER_LEADER
	MsgTimeoutNow        MessageKind = C.RAFTCORE_MSG_TIMEOUT_NOW
	MsgReadIndex         MessageKind = C.RAFTCORE_MSG_READ_INDEX
	MsgReadIndexResp     MessageKind = C.RAFTCORE_MSG_READ_INDEX_RESP
	MsgPreVote           MessageKind = C.RAFTCORE_MSG_PRE_VOTE
	MsgPreVoteResp       MessageKind = C.RAFTCORE_MSG_PRE_VOTE_RESP
	MsgStorageAppend     MessageKind = C.RAFTCORE_MSG_STORAGE_APPEND // to IDLocalAppend; StorageMessages only
	MsgStorageAppendResp MessageKind = C.RAFTCORE_MSG_STORAGE_APPEND_RESP
	MsgStorageApply      MessageKind = C.RAFTCORE_MSG_STORAGE_APPLY // to IDLocalApply; StorageMessages only
	MsgStorageApplyResp  MessageKind = C.RAFTCORE_MSG_STORAGE_APPLY_RESP
	MsgForgetLeader      MessageKind = C.RAFTCORE_MSG_FORGET_LEADER
)

// ChangeKind is a kind of step of a configuration change.
type ChangeKind uint32

const (
	ChangeAddNode    ChangeKind = C.RAFTCORE_CHANGE_ADD_NODE // becomes a voter
	ChangeRemoveNode ChangeKind = C.RAFTCORE_CHANGE_REMOVE_NODE
	ChangeUpdateNode ChangeKind = C.RAFTCORE_CHANGE_UPDATE_NODE // changes nothing; carries a context
	ChangeAddLearner ChangeKind = C.RAFTCORE_CHANGE_ADD_LEARNER
)

// Transition is how a configuration change takes effect.
type Transition uint32

const (
	TransitionAuto          Transition = C.RAFTCORE_TRANSITION_AUTO           // in a single step if possible, else joint and left automatically
	TransitionJointImplicit Transition = C.RAFTCORE_TRANSITION_JOINT_IMPLICIT // joint, left automatically
	TransitionJointExplicit Transition = C.RAFTCORE_TRANSITION_JOINT_EXPLICIT // joint, left by a later empty change
	TransitionV1            Transition = C.RAFTCORE_TRANSITION_V1             // a single change, in the first encoding
)

// StorageMode is how you acknowledge readies.
type StorageMode uint32

const (
	StorageSync     StorageMode = C.RAFTCORE_STORAGE_SYNC     // a ready at a time, until [Node.Advance]
	StorageAsync    StorageMode = C.RAFTCORE_STORAGE_ASYNC    // several readies at a time: [Node.Persisted], [Node.Applied], [Node.Release]
	StorageMessages StorageMode = C.RAFTCORE_STORAGE_MESSAGES // like AsyncStorageWrites of etcd's raft: [Node.StepLocal]
)

// Dialect is a schema of messages.
type Dialect uint32

const (
	DialectRaftpb Dialect = C.RAFTCORE_DIALECT_RAFTPB // the schema of etcd's raft
	// The schema of raft-rs 0.7: entries with contexts, requested snapshots, priorities in its
	// fields, learners under its number. A log of one dialect is never read in the other.
	DialectEraftpb Dialect = C.RAFTCORE_DIALECT_ERAFTPB
)

// Flags are choices of a [Config].
type Flags uint64

const (
	// Default on: a node asks whether an election could succeed, before the term rises.
	FlagPreVote Flags = C.RAFTCORE_FLAG_PRE_VOTE
	// Default on: a leader that hears no quorum steps down.
	FlagCheckQuorum Flags = C.RAFTCORE_FLAG_CHECK_QUORUM
	// Reads by lease. Needs clocks of bounded drift, and FlagCheckQuorum.
	FlagLeaseReads Flags = C.RAFTCORE_FLAG_LEASE_READS
	// Bytes of a view turn to 0xDD when the view ends: for tests of a host.
	FlagDebugPoisonViews Flags = C.RAFTCORE_FLAG_DEBUG_POISON_VIEWS
	// etcd: MsgVote may leave before its hard state is durable.
	FlagVoteRequestEarly Flags = C.RAFTCORE_FLAG_VOTE_REQUEST_EARLY
	// etcd: a removed or demoted leader goes on leading.
	FlagStayWhenRemoved Flags = C.RAFTCORE_FLAG_STAY_WHEN_REMOVED
	// etcd: a refused change is appended as an empty entry.
	FlagRefusedConfAsEmpty Flags = C.RAFTCORE_FLAG_REFUSED_CONF_AS_EMPTY
	// etcd: lease reads go on during a transfer of leadership.
	FlagLeaseInTransfer Flags = C.RAFTCORE_FLAG_LEASE_IN_TRANSFER
	// Index and term in MsgTimeoutNow. Every node must know the flag.
	FlagTransferFence Flags = C.RAFTCORE_FLAG_TRANSFER_FENCE
	// Commit index in votes. Every node must know the flag.
	FlagCommitInVotes Flags = C.RAFTCORE_FLAG_COMMIT_IN_VOTES
	// etcd: a read returns before its index is applied.
	FlagReadAtOnce Flags = C.RAFTCORE_FLAG_READ_AT_ONCE
	// Entries join an unsent append to the same peer.
	FlagBatchAppend Flags = C.RAFTCORE_FLAG_BATCH_APPEND
	// A higher commit index waits for the next append or heartbeat.
	FlagNoCommitBroadcast Flags = C.RAFTCORE_FLAG_NO_COMMIT_BROADCAST
	// A leader removed by a change hands leadership over first.
	FlagNominateSuccessor Flags = C.RAFTCORE_FLAG_NOMINATE_SUCCESSOR
	// etcd: changes are not validated when proposed, and may overlap. Set this flag on every node
	// or on no node.
	FlagNoConfValidation Flags = C.RAFTCORE_FLAG_NO_CONF_VALIDATION
	// A follower passes proposals on to the leader, see [Node.Propose]; default off, etcd: on.
	FlagForwarding Flags = C.RAFTCORE_FLAG_FORWARDING
	// Messages of a view include their entries.
	FlagDecodedMsgs Flags = C.RAFTCORE_FLAG_DECODED_MSGS
	// Default on, etcd: off. A removed or demoted leader leads on until a quorum of the others has
	// learned of the change. Without the flag the leader steps down at once.
	FlagRetireGracefully Flags = C.RAFTCORE_FLAG_RETIRE_GRACEFULLY
	// Default on, etcd: off. An append with nothing but a commit index asks a peer that streams for
	// no answer.
	FlagQuietCommit Flags = C.RAFTCORE_FLAG_QUIET_COMMIT
	// Committed entries that left memory come as a span without entries: read CommittedFirst to
	// CommittedLast from your log, and call [Node.Applied] before [Node.Advance]. Default off: the
	// node asks for the entries by [FetchApply].
	FlagCommittedSpans Flags = C.RAFTCORE_FLAG_COMMITTED_SPANS
	// Changes are applied apart from their entries by [Node.ApplyChange], late or never; default
	// off, etcd: on.
	FlagConfApart Flags = C.RAFTCORE_FLAG_CONF_APART
	// A supplied snapshot may have a membership without its receiver; default off, etcd: on.
	FlagSnapshotAnyConf Flags = C.RAFTCORE_FLAG_SNAPSHOT_ANY_CONF
	// Answers to the leader carry the commit index, for [Peer].Commit; with DialectEraftpb always.
	FlagReportCommit Flags = C.RAFTCORE_FLAG_REPORT_COMMIT
	// A leader sends no heartbeat to a peer with new entries since the last heartbeat. No effect
	// with FlagLeaseReads.
	FlagSpareHeartbeats Flags = C.RAFTCORE_FLAG_SPARE_HEARTBEATS
	// Leadership goes to the highest priority: a follower of higher priority with the whole log
	// asks the leader for leadership.
	FlagYieldToPriority Flags = C.RAFTCORE_FLAG_YIELD_TO_PRIORITY
	// A leader without a lease refuses proposals with [ErrNoLeader]. Needs FlagLeaseReads.
	FlagLeasedProposals Flags = C.RAFTCORE_FLAG_LEASED_PROPOSALS
)

// ReadyFlags are bits of a ready.
type ReadyFlags uint64

const (
	ReadyHardState ReadyFlags = C.RAFTCORE_RF_HARD_STATE // term, vote or commit changed: store all three
	ReadyMustSync  ReadyFlags = C.RAFTCORE_RF_MUST_SYNC  // the writes must be durable before you go on
	ReadySoftState ReadyFlags = C.RAFTCORE_RF_SOFT_STATE // role or leader changed
	ReadySnapshot  ReadyFlags = C.RAFTCORE_RF_SNAPSHOT   // a snapshot to install
)

// MessageFlags are bits of a message.
type MessageFlags uint64

const (
	MessageAfter  MessageFlags = C.RAFTCORE_MF_AFTER  // may leave only when all readies up to its own are durable
	MessageReject MessageFlags = C.RAFTCORE_MF_REJECT // a response that refuses; an append without entries that needs no answer
)

// Pending is the kinds of work in the next ready: see [Node.Pending].
type Pending uint32

const (
	HasHardState Pending = C.RAFTCORE_HAS_HARD_STATE // term, vote or commit changed
	HasSoftState Pending = C.RAFTCORE_HAS_SOFT_STATE
	HasSnapshot  Pending = C.RAFTCORE_HAS_SNAPSHOT
	HasEntries   Pending = C.RAFTCORE_HAS_ENTRIES
	HasMessages  Pending = C.RAFTCORE_HAS_MESSAGES // own votes and acknowledgements count too
	HasCommitted Pending = C.RAFTCORE_HAS_COMMITTED
	HasReads     Pending = C.RAFTCORE_HAS_READS
	HasDropped   Pending = C.RAFTCORE_HAS_DROPPED
	HasFetch     Pending = C.RAFTCORE_HAS_FETCH  // [Node.NextFetch] has something
	HasEvents    Pending = C.RAFTCORE_HAS_EVENTS // [Node.NextEvent] has something
)

// DropKind is the outcome of a proposal or read that has failed.
type DropKind uint32

const (
	// Surely not committed: a different entry is committed at the index, or an entry of a later
	// term below.
	DropNotCommitted DropKind = C.RAFTCORE_DROP_NOT_COMMITTED
	// Committed or not. This node can't know: the proposal was passed on, or a snapshot covers the
	// index.
	DropUnknown DropKind = C.RAFTCORE_DROP_UNKNOWN
	// A failed read. Start the read again.
	DropRead DropKind = C.RAFTCORE_DROP_READ
)

// String returns the outcome in a few words.
func (k DropKind) String() string {
	switch k {
	case DropNotCommitted:
		return "not committed"
	case DropUnknown:
		return "committed or not"
	case DropRead:
		return "read not served"
	}
	return orNumber("outcome ", "", uint32(k))
}

// FetchKind is a kind of fetch.
type FetchKind uint32

const (
	FetchEntries  FetchKind = C.RAFTCORE_FETCH_ENTRIES  // for a peer: [Node.SupplyEntries] or [Node.SupplyNone]
	FetchSnapshot FetchKind = C.RAFTCORE_FETCH_SNAPSHOT // for a peer: [Node.SupplySnapshot] or [Node.SupplyNone]
	FetchApply    FetchKind = C.RAFTCORE_FETCH_APPLY    // this node's own log, to apply: [Node.SupplyEntries], or SupplyLater
)

// SupplyNone is the reason why a fetch is answered with nothing.
type SupplyNone uint32

const (
	SupplyGone  SupplyNone = C.RAFTCORE_SUPPLY_GONE  // compacted away: the node asks for a snapshot instead
	SupplyLater SupplyNone = C.RAFTCORE_SUPPLY_LATER // not now: the node asks again later
)

// SnapshotReport is the argument of [Node.ReportSnapshot].
type SnapshotReport uint32

const (
	SnapshotFailed   SnapshotReport = C.RAFTCORE_SNAPSHOT_FAILED    // the snapshot did not arrive: the node fetches again
	SnapshotArrived  SnapshotReport = C.RAFTCORE_SNAPSHOT_ARRIVED   // the snapshot arrived with all data
	SnapshotUnderWay SnapshotReport = C.RAFTCORE_SNAPSHOT_UNDER_WAY // still being sent: SnapshotTimeoutTicks begin anew
)

// Flow is how a leader sends to a peer.
type Flow uint32

const (
	FlowProbe     Flow = C.RAFTCORE_FLOW_PROBE     // one append at a time, to find where the logs meet
	FlowReplicate Flow = C.RAFTCORE_FLOW_REPLICATE // appends in flight up to the window
	FlowSnapshot  Flow = C.RAFTCORE_FLOW_SNAPSHOT  // a snapshot is in flight
)

// PeerFlags are bits of a [Peer].
type PeerFlags uint32

const (
	PeerVoter      PeerFlags = C.RAFTCORE_PF_VOTER    // a voter; in a joint configuration of the incoming half
	PeerOutgoing   PeerFlags = C.RAFTCORE_PF_OUTGOING // a voter of the outgoing half
	PeerLearner    PeerFlags = C.RAFTCORE_PF_LEARNER
	PeerActive     PeerFlags = C.RAFTCORE_PF_ACTIVE // heard from since the last quorum check
	PeerPaused     PeerFlags = C.RAFTCORE_PF_PAUSED // gets nothing before an answer
	PeerWindowFull PeerFlags = C.RAFTCORE_PF_WINDOW_FULL
	PeerCaughtUp   PeerFlags = C.RAFTCORE_PF_CAUGHT_UP // near enough to be promoted
	PeerFetching   PeerFlags = C.RAFTCORE_PF_FETCHING  // waits for a supply
)

// EventKind is a kind of event.
type EventKind uint32

const (
	EventBecameFollower     EventKind = C.RAFTCORE_EVENT_BECAME_FOLLOWER // Peer is the leader; 0: none
	EventBecamePreCandidate EventKind = C.RAFTCORE_EVENT_BECAME_PRE_CANDIDATE
	EventBecameCandidate    EventKind = C.RAFTCORE_EVENT_BECAME_CANDIDATE
	EventBecameLeader       EventKind = C.RAFTCORE_EVENT_BECAME_LEADER // leads in Term; the first entry of the term is at Index
	EventLeaderReady        EventKind = C.RAFTCORE_EVENT_LEADER_READY  // the first entry is applied: the leader serves reads and changes
	EventIgnored            EventKind = C.RAFTCORE_EVENT_IGNORED       // a message was ignored; A is the kind
	EventAlarm              EventKind = C.RAFTCORE_EVENT_ALARM         // a message contradicts this node's log; A is the kind, B the value in the message
	EventVoteRefused        EventKind = C.RAFTCORE_EVENT_VOTE_REFUSED  // Peer asked in Term
	EventCampaignRefused    EventKind = C.RAFTCORE_EVENT_CAMPAIGN_REFUSED
	EventConfApplied        EventKind = C.RAFTCORE_EVENT_CONF_APPLIED // the entry at Index is in force: A voters, B learners
	EventConfSkipped        EventKind = C.RAFTCORE_EVENT_CONF_SKIPPED
	EventSnapshotRestored   EventKind = C.RAFTCORE_EVENT_SNAPSHOT_RESTORED
	EventSnapshotSent       EventKind = C.RAFTCORE_EVENT_SNAPSHOT_SENT
	EventSnapshotEnded      EventKind = C.RAFTCORE_EVENT_SNAPSHOT_ENDED // A is 1 if the snapshot arrived
	EventTransferStarted    EventKind = C.RAFTCORE_EVENT_TRANSFER_STARTED
	EventTransferEnded      EventKind = C.RAFTCORE_EVENT_TRANSFER_ENDED   // without success
	EventNoLeaderLong       EventKind = C.RAFTCORE_EVENT_NO_LEADER_LONG   // for A ticks
	EventPeerLags           EventKind = C.RAFTCORE_EVENT_PEER_LAGS        // by A entries
	EventPaused             EventKind = C.RAFTCORE_EVENT_PAUSED           // A ticks came in a burst
	EventMessageLost        EventKind = C.RAFTCORE_EVENT_MESSAGE_LOST     // A is the kind
	EventProposalRefused    EventKind = C.RAFTCORE_EVENT_PROPOSAL_REFUSED // Peer forwarded the proposal
	EventRepaired           EventKind = C.RAFTCORE_EVENT_REPAIRED         // at boot: A was stored, B is used
	EventTruncated          EventKind = C.RAFTCORE_EVENT_TRUNCATED        // from Index up to A; from B on, this node had appended the entries as leader (0: no such entry)
	EventPoisoned           EventKind = C.RAFTCORE_EVENT_POISONED
	EventApplyWaits         EventKind = C.RAFTCORE_EVENT_APPLY_WAITS // FetchApply for entries from Index on is unanswered for A ticks; nothing is applied before
)

// Reason is why something happened.
type Reason uint32

const (
	ReasonNone                Reason = C.RAFTCORE_REASON_NONE                  // no particular reason
	ReasonLowerTerm           Reason = C.RAFTCORE_REASON_LOWER_TERM            // a message of an older term
	ReasonNotLeader           Reason = C.RAFTCORE_REASON_NOT_LEADER            // only for leaders
	ReasonNotFollower         Reason = C.RAFTCORE_REASON_NOT_FOLLOWER          // only for followers
	ReasonLeaderAlive         Reason = C.RAFTCORE_REASON_LEADER_ALIVE          // a leader is alive: no vote
	ReasonVoteFence           Reason = C.RAFTCORE_REASON_VOTE_FENCE            // started too recently to vote
	ReasonLateVote            Reason = C.RAFTCORE_REASON_LATE_VOTE             // an answer to a finished election
	ReasonTransferFence       Reason = C.RAFTCORE_REASON_TRANSFER_FENCE        // a transfer with a different term or a longer log
	ReasonNotPromotable       Reason = C.RAFTCORE_REASON_NOT_PROMOTABLE        // may not campaign
	ReasonChangeUnapplied     Reason = C.RAFTCORE_REASON_CHANGE_UNAPPLIED      // a committed membership change is not applied yet
	ReasonSecondLeader        Reason = C.RAFTCORE_REASON_SECOND_LEADER         // a second leader in the term
	ReasonConflictBelowCommit Reason = C.RAFTCORE_REASON_CONFLICT_BELOW_COMMIT // an append contradicts a committed entry
	ReasonCommitBeyondLog     Reason = C.RAFTCORE_REASON_COMMIT_BEYOND_LOG     // the leader says more is committed than this log has: acknowledged entries are gone
	ReasonAckBeyondLog        Reason = C.RAFTCORE_REASON_ACK_BEYOND_LOG        // an acknowledgement beyond the log
	ReasonStaleReject         Reason = C.RAFTCORE_REASON_STALE_REJECT          // an old rejection
	ReasonOldSnapshot         Reason = C.RAFTCORE_REASON_OLD_SNAPSHOT          // the log covers the snapshot already
	ReasonSnapshotWithoutSelf Reason = C.RAFTCORE_REASON_SNAPSHOT_WITHOUT_SELF // the snapshot's membership lacks this node
	ReasonSnapshotConf        Reason = C.RAFTCORE_REASON_SNAPSHOT_CONF         // the snapshot's membership is invalid
	ReasonPeerSilent          Reason = C.RAFTCORE_REASON_PEER_SILENT           // the peer is silent
	ReasonSnapshotTimeout     Reason = C.RAFTCORE_REASON_SNAPSHOT_TIMEOUT      // no report about a snapshot
	ReasonOutboxFull          Reason = C.RAFTCORE_REASON_OUTBOX_FULL           // too many messages in a ready: the message is lost
	ReasonTransferTarget      Reason = C.RAFTCORE_REASON_TRANSFER_TARGET       // the transfer's target can't lead
	ReasonTransferDeadline    Reason = C.RAFTCORE_REASON_TRANSFER_DEADLINE     // the transfer took too long
	ReasonTransfereeGone      Reason = C.RAFTCORE_REASON_TRANSFEREE_GONE       // the transfer's target was removed or demoted
	ReasonTransferAborted     Reason = C.RAFTCORE_REASON_TRANSFER_ABORTED      // the transfer was called off
	ReasonLeadershipLost      Reason = C.RAFTCORE_REASON_LEADERSHIP_LOST       // leadership was lost
	ReasonLeaderChanged       Reason = C.RAFTCORE_REASON_LEADER_CHANGED        // the leader changed
	ReasonReadTimeout         Reason = C.RAFTCORE_REASON_READ_TIMEOUT          // no answer to a forwarded read in time
	ReasonLateReadAnswer      Reason = C.RAFTCORE_REASON_LATE_READ_ANSWER      // an answer that no read waits for
	ReasonReadContext         Reason = C.RAFTCORE_REASON_READ_CONTEXT          // a read context that no node issued
	ReasonForwarded           Reason = C.RAFTCORE_REASON_FORWARDED             // forwarded to the leader
	ReasonOverwritten         Reason = C.RAFTCORE_REASON_OVERWRITTEN           // another entry was committed at the index, or an entry of a later term below
	ReasonCoveredBySnapshot   Reason = C.RAFTCORE_REASON_COVERED_BY_SNAPSHOT   // a snapshot covers the index
	ReasonForwardedFull       Reason = C.RAFTCORE_REASON_FORWARDED_FULL        // a forwarded proposal was refused: a limit is reached
	ReasonForwardedConf       Reason = C.RAFTCORE_REASON_FORWARDED_CONF        // a forwarded membership change was refused
	ReasonNoLeader            Reason = C.RAFTCORE_REASON_NO_LEADER             // no leader is known
	ReasonNoQuorum            Reason = C.RAFTCORE_REASON_NO_QUORUM             // no quorum was heard within an election timeout
	ReasonRemoved             Reason = C.RAFTCORE_REASON_REMOVED               // a change removed or demoted this node
	ReasonHigherTerm          Reason = C.RAFTCORE_REASON_HIGHER_TERM           // a message of a higher term
	ReasonElectionLost        Reason = C.RAFTCORE_REASON_ELECTION_LOST         // an election was lost
	ReasonPriority            Reason = C.RAFTCORE_REASON_PRIORITY              // a node of higher priority objects
	ReasonVotedOther          Reason = C.RAFTCORE_REASON_VOTED_OTHER           // another candidate has the vote, or a leader is known
	ReasonOlderLog            Reason = C.RAFTCORE_REASON_OLDER_LOG             // the candidate's log is older
	ReasonUnknownPeer         Reason = C.RAFTCORE_REASON_UNKNOWN_PEER          // not a peer
	ReasonLease               Reason = C.RAFTCORE_REASON_LEASE                 // lease reads forbid forgetting the leader
	ReasonLogFull             Reason = C.RAFTCORE_REASON_LOG_FULL              // entries that are not durable fill the recent log
	ReasonTermExhausted       Reason = C.RAFTCORE_REASON_TERM_EXHAUSTED        // the term is too high
	ReasonLeaveRefused        Reason = C.RAFTCORE_REASON_LEAVE_REFUSED         // leaving the joint membership was refused for now
	ReasonSnapshotConflict    Reason = C.RAFTCORE_REASON_SNAPSHOT_CONFLICT     // a snapshot contradicts a committed entry
	ReasonOwnWrite            Reason = C.RAFTCORE_REASON_OWN_WRITE             // this leader's own writes take too long
)

// String returns the kind in a few words. The words for an unknown kind hold its number.
func (k EventKind) String() string {
	return orNumber("event ", C.GoString(C.raftcore_event_text(C.uint32_t(k))), uint32(k))
}

// String returns the reason in a few words; empty for [ReasonNone].
func (r Reason) String() string {
	if r == ReasonNone {
		return ""
	}
	return orNumber("reason ", C.GoString(C.raftcore_reason_text(C.uint32_t(r))), uint32(r))
}

func orNumber(what, text string, number uint32) string {
	if text == "" {
		return what + strconv.FormatUint(uint64(number), 10)
	}
	return text
}

// String returns the name of the role.
func (r Role) String() string {
	switch r {
	case RoleFollower:
		return "follower"
	case RoleCandidate:
		return "candidate"
	case RoleLeader:
		return "leader"
	case RolePreCandidate:
		return "pre-candidate"
	}
	return orNumber("role ", "", uint32(r))
}
