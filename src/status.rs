//! Looking inside without allocation: the node's state, its peers, its counters.

use crate::peers::progress::{Flow, Progress};
use crate::types::{Index, NodeId, Role, Term};

/// A node's state at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its id.
    pub id: NodeId,
    /// Its group.
    pub group: u64,
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Who has its vote in the term; 0: nobody.
    pub vote: NodeId,
    /// Highest committed index.
    pub commit: Index,
    /// Highest index acknowledged as applied.
    pub applied: Index,
    /// Highest index known to be durable here.
    pub durable: Index,
    /// The leader; 0: none known.
    pub leader: NodeId,
    /// Whom leadership goes to; 0: no transfer.
    pub transferee: NodeId,
    /// First index after the snapshot or the compacted part.
    pub first_index: Index,
    /// Last index.
    pub last_index: Index,
    /// Term of the last entry.
    pub last_term: Term,
    /// First index whose bytes are in memory; `last_index + 1`: none.
    pub recent_first: Index,
    /// Entries up to here may go without any known peer needing a snapshot: the lowest match of all, at most `applied`.
    pub safe_to_compact: Index,
    /// Bytes held.
    pub memory_bytes: u64,
    /// Messages that did not fit into the outbox.
    pub messages_dropped: u64,
    /// Messages refused with an error.
    pub messages_refused: u64,
    /// Messages ignored with a reason.
    pub messages_ignored: u64,
    /// Proposals refused.
    pub proposals_refused: u64,
    /// Reads that failed.
    pub reads_failed: u64,
    /// Events that nobody drained in time.
    pub events_lost: u64,
    /// Messages that contradicted what is held here.
    pub implausible: u64,
    /// Members with progress.
    pub n_peers: u32,
    /// Batches outstanding.
    pub n_outstanding: u32,
    /// Whether it may campaign.
    pub promotable: bool,
    /// Whether the host lets it lead.
    pub electable: bool,
    /// Ticks since the leader was heard (leading: since the quorum was checked).
    pub election_elapsed: u32,
    /// Ticks after which it campaigns.
    pub election_timeout: u32,
    /// Reads waiting.
    pub n_reads: u32,
    /// Proposals with a token waiting.
    pub n_tokens: u32,
    /// Number of the newest ready handed out; 0: none yet.
    pub last_ready: u64,
    /// Ticks that came while a ready waited to be taken: a host that is not late has 0.
    pub late_ticks: u64,
    /// First entry that the host is asked for to apply it ([`FetchKind::Apply`](crate::FetchKind::Apply)); 0: none. Nothing is applied
    /// before it is supplied.
    pub apply_waits: Index,
}

/// Bits of [`PeerStatus::flags`].
pub mod peer_flags {
    /// In the incoming half of the configuration.
    pub const VOTER: u32 = 1;
    /// In the outgoing half.
    pub const OUTGOING: u32 = 2;
    /// Gets entries, has no vote.
    pub const LEARNER: u32 = 4;
    /// Heard since the last check of the quorum.
    pub const ACTIVE: u32 = 8;
    /// Gets nothing before it answers.
    pub const PAUSED: u32 = 16;
    /// Its window is full.
    pub const WINDOW_FULL: u32 = 32;
    /// Near enough to the leader's log to be promoted.
    pub const CAUGHT_UP: u32 = 64;
    /// The host is asked for what it needs.
    pub const FETCHING: u32 = 128;
}

/// One peer's progress, as its leader sees it. On others only id and flags mean something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who.
    pub id: NodeId,
    /// Highest index known to be durable there.
    pub match_index: Index,
    /// Next index to send.
    pub next_index: Index,
    /// Index of the snapshot under way; 0: none.
    pub pending_snapshot: Index,
    /// Payload in flight, bytes.
    pub inflight_bytes: u64,
    /// Appends in flight.
    pub inflight_msgs: u32,
    /// How eagerly it gets entries.
    pub flow: Flow,
    /// See [`peer_flags`].
    pub flags: u32,
    /// Ticks since it was heard.
    pub silent_ticks: u32,
}

impl PeerStatus {
    pub(crate) fn of(peer: &Progress, conf: &crate::membership::Configuration, last: Index) -> Self {
        let bit = |holds: bool, bit: u32| if holds { bit } else { 0 };
        let near = last.saturating_sub(peer.matched) <= (peer.window.count() as u64).max(16);
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
                | bit(near && peer.recent_active && peer.flow == Flow::Replicate, peer_flags::CAUGHT_UP)
                | bit(peer.ask.is_some(), peer_flags::FETCHING),
            silent_ticks: peer.silent_ticks,
        }
    }
}
