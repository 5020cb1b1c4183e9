//! The words of Raft as types: ids, terms, indexes, roles, kinds of messages and entries.
//!
//! Integers from a peer or from C become types here and nowhere else. An unknown number is an
//! error, never a default.

/// Identifies a node of a group. 0 means no node; the top 16 values are reserved.
pub type NodeId = u64;
/// A term: 0 before the first election.
pub type Term = u64;
/// A position in the log: 0 before the first entry.
pub type Index = u64;

/// No node.
pub const NONE: NodeId = 0;
/// The highest id of a node. Higher ids are reserved for local targets.
pub const MAX_ID: NodeId = u64::MAX - 16;
/// Target of local storage work (`storage = MESSAGES`), as in etcd's raft.
pub const LOCAL_APPEND: NodeId = u64::MAX;
/// Target of local apply work (`storage = MESSAGES`), as in etcd's raft.
pub const LOCAL_APPLY: NodeId = u64::MAX - 1;
/// The highest term and index accepted from a peer. Sums with a lower number can't overflow [E-16].
pub const MAX_POSITION: u64 = u64::MAX - (1 << 32);

/// Term and index of an entry: equal in two logs only for equal entries (paper §5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Term of the leader that made the entry. First, since logs are compared by term, then by
    /// index.
    pub term: Term,
    /// Position in the log.
    pub index: Index,
}

/// The state that must survive a restart besides the log (paper figure 2, plus the commit index).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HardState {
    /// Latest term seen.
    pub term: Term,
    /// The candidate with this node's vote in `term`; 0: nobody.
    pub vote: NodeId,
    /// Highest index known to be committed.
    pub commit: Index,
}

/// The role of a node in its term (paper §5.1; pre-candidate: dissertation §9.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// Follows a leader, or waits for a leader.
    #[default]
    Follower = 0,
    /// Asks for votes.
    Candidate = 1,
    /// Leads the group.
    Leader = 2,
    /// Asks whether votes would be granted, and keeps its term.
    PreCandidate = 3,
}

/// Kinds of entries. The numbers are those of raftpb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// Data of the application; empty: a leader's first entry.
    #[default]
    Normal = 0,
    /// A membership change with a single step, first encoding.
    ConfChange = 1,
    /// A membership change, second encoding; empty: leave the joint membership.
    ConfChangeV2 = 2,
}

impl EntryKind {
    /// Returns the kind with the given raftpb number.
    #[inline]
    pub fn from_wire(value: u64) -> Option<Self> {
        match value {
            0 => Some(Self::Normal),
            1 => Some(Self::ConfChange),
            2 => Some(Self::ConfChangeV2),
            _ => None,
        }
    }

    /// Returns whether the entry changes the membership.
    #[inline]
    pub fn is_change(self) -> bool {
        self != Self::Normal
    }
}

/// Kinds of messages. The numbers are those of raftpb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the names are raftpb's own
pub enum MessageKind {
    #[default]
    Hup = 0,
    Beat = 1,
    Prop = 2,
    App = 3,
    AppResp = 4,
    Vote = 5,
    VoteResp = 6,
    Snap = 7,
    Heartbeat = 8,
    HeartbeatResp = 9,
    Unreachable = 10,
    SnapStatus = 11,
    CheckQuorum = 12,
    TransferLeader = 13,
    TimeoutNow = 14,
    ReadIndex = 15,
    ReadIndexResp = 16,
    PreVote = 17,
    PreVoteResp = 18,
    StorageAppend = 19,
    StorageAppendResp = 20,
    StorageApply = 21,
    StorageApplyResp = 22,
    ForgetLeader = 23,
}

impl MessageKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 24] = [
        Self::Hup,
        Self::Beat,
        Self::Prop,
        Self::App,
        Self::AppResp,
        Self::Vote,
        Self::VoteResp,
        Self::Snap,
        Self::Heartbeat,
        Self::HeartbeatResp,
        Self::Unreachable,
        Self::SnapStatus,
        Self::CheckQuorum,
        Self::TransferLeader,
        Self::TimeoutNow,
        Self::ReadIndex,
        Self::ReadIndexResp,
        Self::PreVote,
        Self::PreVoteResp,
        Self::StorageAppend,
        Self::StorageAppendResp,
        Self::StorageApply,
        Self::StorageApplyResp,
        Self::ForgetLeader,
    ];

    /// Returns the kind with the given raftpb number.
    #[inline]
    pub fn from_wire(value: u64) -> Option<Self> {
        usize::try_from(value).ok().and_then(|i| Self::ALL.get(i)).copied()
    }

    /// Returns whether the kind is local: no peer may send a local message.
    #[inline]
    pub const fn is_local(self) -> bool {
        const LOCAL: u32 = set(&[
            MessageKind::Hup,
            MessageKind::Beat,
            MessageKind::Unreachable,
            MessageKind::SnapStatus,
            MessageKind::CheckQuorum,
            MessageKind::StorageAppend,
            MessageKind::StorageAppendResp,
            MessageKind::StorageApply,
            MessageKind::StorageApplyResp,
            MessageKind::ForgetLeader,
        ]);
        LOCAL >> self as u32 & 1 != 0
    }

    /// Returns whether the kind answers a request. Only answers from known peers count.
    #[inline]
    pub const fn is_response(self) -> bool {
        const RESPONSES: u32 = set(&[
            MessageKind::AppResp,
            MessageKind::VoteResp,
            MessageKind::PreVoteResp,
            MessageKind::HeartbeatResp,
            MessageKind::ReadIndexResp,
        ]);
        RESPONSES >> self as u32 & 1 != 0
    }
}

/// Kinds as bits.
const fn set(kinds: &[MessageKind]) -> u32 {
    let (mut bits, mut rest) = (0, kinds);
    while let [kind, others @ ..] = rest {
        bits |= 1 << *kind as u32;
        rest = others;
    }
    bits
}

/// The schema that a group speaks and stores: the same for all members, from the first entry on.
///
/// The dialects agree in the field numbers of messages, entries, snapshots and memberships, but not
/// in the numbers of [`ChangeKind`]. An entry written in one dialect must never be read in the
/// other, so a log belongs to one dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Dialect {
    /// `raftpb`, the schema of etcd's raft.
    #[default]
    Raftpb = 0,
    /// `eraftpb`, the schema of raft-rs 0.7: entries carry contexts, vote requests the priority in
    /// field 14 and the commit index's term in field 15, and `AddLearner` is number 2.
    Eraftpb = 1,
}

/// The bit of [`Hello::features`](crate::wire::Hello::features) that tells of eraftpb.
pub const FEATURE_ERAFTPB: u64 = 1 << 32;

impl Dialect {
    /// Returns the dialect with the given number.
    pub fn from_number(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Raftpb),
            1 => Some(Self::Eraftpb),
            _ => None,
        }
    }

    /// Returns the name of the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raftpb => "raftpb",
            Self::Eraftpb => "eraftpb",
        }
    }
}

/// Kinds of steps in a membership change. The numbers are those of raftpb, and of the C interface;
/// [`ChangeKind::number`] gives the number in another dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChangeKind {
    /// Make the node a voter.
    AddNode = 0,
    /// Remove the node.
    RemoveNode = 1,
    /// Nothing changes; carries a context.
    UpdateNode = 2,
    /// Make the node a learner.
    AddLearner = 3,
}

impl ChangeKind {
    /// Returns the kind with the given raftpb number.
    pub fn from_wire(value: u64) -> Option<Self> {
        Self::from_number(Dialect::Raftpb, value)
    }

    /// Returns the kind with the given number in a dialect (eraftpb.proto: `ConfChangeType`).
    pub fn from_number(dialect: Dialect, value: u64) -> Option<Self> {
        match (value, dialect) {
            (0, _) => Some(Self::AddNode),
            (1, _) => Some(Self::RemoveNode),
            (2, Dialect::Raftpb) => Some(Self::UpdateNode),
            (2, Dialect::Eraftpb) | (3, Dialect::Raftpb) => Some(Self::AddLearner),
            _ => None,
        }
    }

    /// Returns the number of the kind in a dialect. `None`: eraftpb has no `UpdateNode`.
    pub fn number(self, dialect: Dialect) -> Option<u64> {
        match (self, dialect) {
            (Self::UpdateNode, Dialect::Eraftpb) => None,
            (Self::AddLearner, Dialect::Eraftpb) => Some(2),
            (kind, _) => Some(kind as u64),
        }
    }
}

/// A step of a membership change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// The kind of step.
    pub kind: ChangeKind,
    /// The node to add or remove.
    pub id: NodeId,
}

/// How a change of the second encoding passes through the joint membership. The numbers are those
/// of raftpb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Transition {
    /// Single-step if possible, else joint with an automatic leave.
    #[default]
    Auto = 0,
    /// Joint, with an automatic leave.
    JointImplicit = 1,
    /// Joint, until the host proposes an empty change.
    JointExplicit = 2,
}

impl Transition {
    /// Returns the transition with the given raftpb number.
    pub fn from_wire(value: u64) -> Option<Self> {
        match value {
            0 => Some(Self::Auto),
            1 => Some(Self::JointImplicit),
            2 => Some(Self::JointExplicit),
            _ => None,
        }
    }
}

/// A stretch of the log with a single term: from `first` up to the next run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct TermRun {
    /// First index of the stretch.
    pub first: Index,
    /// The term.
    pub term: Term,
}

/// An entry with borrowed bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// The term of the entry.
    pub term: Term,
    /// The index of the entry.
    pub index: Index,
    /// The kind of the entry.
    pub kind: EntryKind,
    /// The application's bytes, or an encoded change.
    pub data: &'a [u8],
    /// Bytes beside the data, in the dialect eraftpb; else empty.
    pub context: &'a [u8],
    /// The proposer's token on the proposing node; 0 elsewhere.
    pub token: u64,
}

/// The length of the header before the message in a frame, bytes: the length of the message and the
/// group.
pub const FRAME_HEADER: usize = 12;
