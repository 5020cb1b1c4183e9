//! The schema as Rust types: messages, entries, snapshots and memberships with the field numbers of
//! etcd's `raftpb`.
//!
//! `proto/raftcore.proto` is the same schema as protocol buffers. The types are for Rust hosts that
//! want owned values, and tests compare [`crate::wire`] with the types. The core uses neither the
//! types nor `prost`, which allocates. Enums are plain numbers here: [`crate::types`] gives the
//! meaning, and refuses unknown numbers.

use bytes::Bytes;

/// A message between peers. For Rust hosts, and for tests of
/// [`parse_message`](crate::wire::parse_message).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Message {
    /// A [`MessageKind`](crate::types::MessageKind).
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    /// The receiver.
    #[prost(uint64, tag = "2")]
    pub to: u64,
    /// The sender.
    #[prost(uint64, tag = "3")]
    pub from: u64,
    /// The sender's term; 0 in a local message and in a proposal.
    #[prost(uint64, tag = "4")]
    pub term: u64,
    /// Term of the entry at `index`, in most messages.
    #[prost(uint64, tag = "5")]
    pub log_term: u64,
    /// Index of the message.
    #[prost(uint64, tag = "6")]
    pub index: u64,
    /// Entries to append, or proposed.
    #[prost(message, repeated, tag = "7")]
    pub entries: Vec<Entry>,
    /// The sender's commit index.
    #[prost(uint64, tag = "8")]
    pub commit: u64,
    /// A snapshot to install.
    #[prost(message, optional, tag = "9")]
    pub snapshot: Option<Snapshot>,
    /// In a response: the sender refuses. In an append without entries: no answer is needed.
    #[prost(bool, tag = "10")]
    pub reject: bool,
    /// Where a refused append should be tried next.
    #[prost(uint64, tag = "11")]
    pub reject_hint: u64,
    /// Of a read or an election.
    #[prost(bytes = "bytes", tag = "12")]
    pub context: Bytes,
    /// The vote, in local storage messages.
    #[prost(uint64, tag = "13")]
    pub vote: u64,
    /// Messages to deliver once a local storage message is done.
    #[prost(message, repeated, tag = "14")]
    pub responses: Vec<Message>,
    /// The candidate's priority, in vote requests.
    #[prost(int64, tag = "16")]
    pub priority: i64,
}

/// An entry of the log. The Rust face, and the oracle of [`read_record`](crate::wire::read_record).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Entry {
    /// An [`EntryKind`](crate::types::EntryKind).
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    /// Term of the leader that made the entry.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// Position in the log.
    #[prost(uint64, tag = "3")]
    pub index: u64,
    /// The payload.
    #[prost(bytes = "bytes", tag = "4")]
    pub data: Bytes,
    /// Bytes beside the payload, in eraftpb only.
    #[prost(bytes = "bytes", tag = "6")]
    pub context: Bytes,
}

/// A snapshot. The Rust face, and the oracle of [`SnapshotView`](crate::wire::SnapshotView).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Snapshot {
    /// The state.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: Bytes,
    /// Index, term and membership of the state.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<SnapshotMetadata>,
}

/// The part of the log that a snapshot covers. For Rust hosts, and for tests of
/// [`SnapshotView`](crate::wire::SnapshotView).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SnapshotMetadata {
    /// The membership as of `index`.
    #[prost(message, optional, tag = "1")]
    pub conf_state: Option<ConfState>,
    /// The last covered entry.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// The term of the last covered entry.
    #[prost(uint64, tag = "3")]
    pub term: u64,
}

/// A membership. For Rust hosts, and for tests of
/// [`parse_conf_state`](crate::wire::parse_conf_state).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ConfState {
    /// Voters; in a joint membership, the incoming voters.
    #[prost(uint64, repeated, packed = "false", tag = "1")]
    pub voters: Vec<u64>,
    /// Learners.
    #[prost(uint64, repeated, packed = "false", tag = "2")]
    pub learners: Vec<u64>,
    /// Voters of the outgoing half; empty unless joint.
    #[prost(uint64, repeated, packed = "false", tag = "3")]
    pub voters_outgoing: Vec<u64>,
    /// Voters that become learners when the joint membership is left.
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    pub learners_next: Vec<u64>,
    /// Whether the leader leaves the joint membership automatically.
    #[prost(bool, tag = "5")]
    pub auto_leave: bool,
}

/// A change of the first encoding. For Rust hosts, and for tests of
/// [`parse_change`](crate::wire::parse_change).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ConfChange {
    /// The host's own number.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// A [`ChangeKind`](crate::types::ChangeKind).
    #[prost(int32, tag = "2")]
    pub r#type: i32,
    /// The node to add or remove.
    #[prost(uint64, tag = "3")]
    pub node_id: u64,
    /// The host's own bytes.
    #[prost(bytes = "bytes", tag = "4")]
    pub context: Bytes,
}

/// A step of a change. For Rust hosts, and for tests of
/// [`parse_change`](crate::wire::parse_change).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ConfChangeSingle {
    /// A [`ChangeKind`](crate::types::ChangeKind).
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    /// The node to add or remove.
    #[prost(uint64, tag = "2")]
    pub node_id: u64,
}

/// A change of the second encoding. For Rust hosts, and for tests of
/// [`parse_change`](crate::wire::parse_change).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ConfChangeV2 {
    /// A [`Transition`](crate::types::Transition).
    #[prost(int32, tag = "1")]
    pub transition: i32,
    /// The steps.
    #[prost(message, repeated, tag = "2")]
    pub changes: Vec<ConfChangeSingle>,
    /// The host's own bytes.
    #[prost(bytes = "bytes", tag = "3")]
    pub context: Bytes,
}

/// The state that must survive a restart besides the log. For Rust hosts; the core takes and
/// returns the state as three numbers.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HardState {
    /// Latest term seen.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// The candidate with this node's vote in `term`; 0: nobody.
    #[prost(uint64, tag = "2")]
    pub vote: u64,
    /// Highest index known to be committed.
    #[prost(uint64, tag = "3")]
    pub commit: u64,
}
