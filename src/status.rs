//! Views without allocation: the state of the node, its peers and its counters.

use crate::peers::progress::{Flow, Progress};
use crate::types::{Index, NodeId, Role, Term};

/// A node's state at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The id of the node.
    pub id: NodeId,
    /// The group of the node.
    pub group: u64,
    /// The role of the node.
    pub role: Role,
    /// The term of the node.
    pub term: Term,
    /// The candidate with the node's vote in the term; 0: nobody.
    pub vote: NodeId,
    /// Highest committed index.
    pub commit: Index,
    /// Highest index acknowledged as applied.
    pub applied: Index,
    /// Highest index known to be durable here.
    pub durable: Index,
    /// The leader; 0: unknown.
    pub leader: NodeId,
    /// The target of a leadership transfer; 0: no transfer.
    pub transferee: NodeId,
    /// First index after the snapshot or the compacted part.
    pub first_index: Index,
    /// Last index.
    pub last_index: Index,
    /// Term of the last entry.
    pub last_term: Term,
    /// First index whose bytes are in memory; `last_index + 1`: no such index.
    pub recent_first: Index,
    /// Entries up to here may be compacted without a snapshot for any known peer: the lowest match
    /// of all peers, at most `applied`.
    pub safe_to_compact: Index,
    /// Bytes held.
    pub memory_bytes: u64,
    /// Messages lost in a full outbox.
    pub messages_dropped: u64,
    /// Messages refused with an error.
    pub messages_refused: u64,
    /// Messages ignored with a reason.
    pub messages_ignored: u64,
    /// Proposals refused.
    pub proposals_refused: u64,
    /// Failed reads.
    pub reads_failed: u64,
    /// Events lost because the host drained too late.
    pub events_lost: u64,
    /// Messages that contradicted this node's state.
    pub implausible: u64,
    /// Members with progress.
    pub n_peers: u32,
    /// Batches outstanding.
    pub n_outstanding: u32,
    /// Whether the node may campaign.
    pub promotable: bool,
    /// Whether the host lets the node lead.
    pub electable: bool,
    /// Ticks since the leader was heard (leading: since the quorum was checked).
    pub election_elapsed: u32,
    /// Ticks after which the node campaigns.
    pub election_timeout: u32,
    /// Reads waiting.
    pub n_reads: u32,
    /// Proposals with a token waiting.
    pub n_tokens: u32,
    /// Number of the newest ready returned; 0: none yet.
    pub last_ready: u64,
    /// Ticks that came while a ready waited for the host; 0 if the host is never late.
    pub late_ticks: u64,
    /// First entry of the node's own log that the node fetches to apply
    /// ([`FetchKind::Apply`](crate::FetchKind::Apply)); 0: no such fetch. Nothing is applied before
    /// the host supplies the entry.
    pub apply_waits: Index,
}

/// Bits of [`PeerStatus::flags`].
pub mod peer_flags {
    /// In the incoming half of the membership.
    pub const VOTER: u32 = 1;
    /// In the outgoing half.
    pub const OUTGOING: u32 = 2;
    /// Gets entries, has no vote.
    pub const LEARNER: u32 = 4;
    /// Heard since the last check of the quorum.
    pub const ACTIVE: u32 = 8;
    /// Gets nothing before an answer arrives.
    pub const PAUSED: u32 = 16;
    /// The window of the peer is full.
    pub const WINDOW_FULL: u32 = 32;
    /// Near enough to the leader's log to be promoted.
    pub const CAUGHT_UP: u32 = 64;
    /// The leader fetches data for the peer from the host.
    pub const FETCHING: u32 = 128;
}

/// Progress of a peer, as the leader sees it. On other nodes, only id and flags have a meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// The id of the peer.
    pub id: NodeId,
    /// Highest index known to be durable there.
    pub match_index: Index,
    /// Next index to send.
    pub next_index: Index,
    /// Index of the snapshot in flight; 0: no snapshot.
    pub pending_snapshot: Index,
    /// Payload in flight, bytes.
    pub inflight_bytes: u64,
    /// Appends in flight.
    pub inflight_msgs: u32,
    /// How eagerly the leader sends entries.
    pub flow: Flow,
    /// See [`peer_flags`].
    pub flags: u32,
    /// Ticks since the last message from the peer.
    pub silent_ticks: u32,
    /// Highest commit index reported by the peer in this leadership; 0: none. See
    /// [`Flags::REPORT_COMMIT`](crate::Flags::REPORT_COMMIT).
    pub commit: Index,
    /// The commit group of the peer; 0: none.
    pub group: u64,
}

impl PeerStatus {
    pub(crate) fn of(peer: &Progress, conf: &crate::membership::Configuration, last: Index, lack: u32) -> Self {
        let bit = |holds: bool, bit: u32| if holds { bit } else { 0 };
        Self {
            id: peer.id,
            match_index: peer.matched,
            next_index: peer.next,
            pending_snapshot: peer.pending_snapshot,
            inflight_bytes: peer.window.bytes(),
            inflight_msgs: peer.window.count() as u32,
            flow: peer.flow,
            flags: bit(conf.voters.contains(peer.id), peer_flags::VOTER)
                | bit(conf.outgoing.contains(peer.id), peer_flags::OUTGOING)
                | bit(peer.is_learner, peer_flags::LEARNER)
                | bit(peer.recent_active, peer_flags::ACTIVE)
                | bit(peer.is_paused() || peer.ask.is_some() || peer.ask_later, peer_flags::PAUSED)
                | bit(peer.window.is_full(), peer_flags::WINDOW_FULL)
                | bit(peer.is_caught_up(last, lack), peer_flags::CAUGHT_UP)
                | bit(peer.ask.is_some(), peer_flags::FETCHING),
            silent_ticks: peer.silent_ticks,
            commit: peer.commit,
            group: peer.group,
        }
    }
}
