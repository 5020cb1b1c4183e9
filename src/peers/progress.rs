//! A leader's view of a peer: the matched log, the next entry to send, and how eagerly to send.
//!
//! Probe: one append at a time, to find where the logs agree. Replicate: optimistic, within the
//! window. Snapshot: waits until the peer has the snapshot. The transitions are here;
//! `raft/replication` and `raft/snapshots` decide when.
//!
//! Invariant: `matched < next`, in whatever order acknowledgements and rejections come [L-04].
//!
//! Sources: etcd-raft's tracker, for the observable behaviour.

use super::inflights::Inflights;
use crate::error::Result;
use crate::types::{Index, NodeId};

/// How eagerly a peer gets entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Flow {
    /// One append at a time, until the peer reports where the logs agree.
    #[default]
    Probe = 0,
    /// As fast as the window allows.
    Replicate = 1,
    /// No entries until the peer has the snapshot.
    Snapshot = 2,
}

/// A fetch from the host for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub id: u64,
    /// Entries from here (ENTRIES), or a snapshot that covers the index before `first` (SNAPSHOT).
    pub first: Index,
    /// Last entry wanted from the host (ENTRIES).
    pub last: Index,
    pub snapshot: bool,
    /// Whether `next_fetch` has returned the fetch.
    pub told: bool,
    /// Whether the append continues a series that lasts while there are entries to send.
    pub drain: bool,
    /// The number of the outbox with the message's place, so that the message keeps its place in
    /// the order.
    pub outbox_number: u64,
    pub place: usize,
}

#[derive(Debug)]
pub(crate) struct Progress {
    pub id: NodeId,
    /// Highest index known to be in the peer's log, durable there.
    pub matched: Index,
    /// Next index to send.
    pub next: Index,
    /// Highest commit index sent.
    pub sent_commit: Index,
    pub flow: Flow,
    /// Index of the snapshot in flight; 0: no snapshot.
    pub pending_snapshot: Index,
    /// Heard from since the last check of the quorum.
    pub recent_active: bool,
    /// No append until the peer answers: a probe is out, or the window is full.
    pub paused: bool,
    pub window: Inflights,
    pub is_learner: bool,
    /// The peer's vote in the current election.
    pub vote: Option<bool>,
    /// Highest read position that the peer confirmed in this leadership.
    pub read_ack: u64,
    /// The tick at which the leader sent the newest heartbeat that the peer answered; 0: none in
    /// this leadership.
    pub lease_tick: u64,
    /// The fetch for the peer; a peer with a fetch counts as paused.
    pub ask: Option<Ask>,
    /// The host said LATER: no ask before the next heartbeat answer.
    pub ask_later: bool,
    /// The outbox was full: an append is due with the next ready.
    pub deferred: bool,
    /// Ticks since the last message from the peer.
    pub silent_ticks: u32,
    /// Ticks in snapshot state, or since the peer last asked for a snapshot.
    pub snapshot_ticks: u32,
    /// The index that a snapshot must cover on the peer's request; 0: no request.
    pub wants_snapshot: Index,
    /// Highest commit index reported by the peer in this leadership.
    pub commit: Index,
    /// The commit group of the peer; 0: none.
    pub group: u64,
    /// `next` when the last heartbeat was due.
    pub next_at_heartbeat: Index,
    /// Whether the leader proposes the peer as a voter, once the peer has caught up.
    pub promote: bool,
}

impl Progress {
    pub fn new(id: NodeId, next: Index, is_learner: bool, max_msgs: u32, max_bytes: u64) -> Self {
        Self {
            id,
            matched: 0,
            next: next.max(1),
            sent_commit: 0,
            flow: Flow::Probe,
            pending_snapshot: 0,
            // A new peer counts as alive. Otherwise an added member could cost a leader its quorum
            // at the next check.
            recent_active: true,
            paused: false,
            window: Inflights::new(max_msgs, max_bytes),
            is_learner,
            vote: None,
            read_ack: 0,
            lease_tick: 0,
            ask: None,
            ask_later: false,
            deferred: false,
            silent_ticks: 0,
            snapshot_ticks: 0,
            wants_snapshot: 0,
            commit: 0,
            group: 0,
            next_at_heartbeat: 0,
            promote: false,
        }
    }

    /// Forgets everything: a new term, or a new role.
    pub fn reset(&mut self, next: Index) {
        self.matched = 0;
        self.next = next;
        self.sent_commit = 0;
        self.recent_active = false;
        self.vote = None;
        self.read_ack = 0;
        self.lease_tick = 0;
        self.ask = None;
        self.ask_later = false;
        self.deferred = false;
        self.silent_ticks = 0;
        self.wants_snapshot = 0;
        self.commit = 0;
        self.enter(Flow::Probe);
    }

    fn enter(&mut self, flow: Flow) {
        self.paused = false;
        self.pending_snapshot = 0;
        self.snapshot_ticks = 0;
        self.flow = flow;
        self.window.clear();
    }

    pub fn become_probe(&mut self) {
        let behind_snapshot = if self.flow == Flow::Snapshot { self.pending_snapshot } else { 0 };
        self.enter(Flow::Probe);
        self.next = (self.matched + 1).max(behind_snapshot + 1);
        self.sent_commit = self.sent_commit.min(self.next - 1);
    }

    pub fn become_replicate(&mut self) {
        self.enter(Flow::Replicate);
        self.next = self.matched + 1;
    }

    pub fn become_snapshot(&mut self, index: Index) {
        self.enter(Flow::Snapshot);
        self.wants_snapshot = 0;
        self.pending_snapshot = index;
        self.next = index + 1;
        self.sent_commit = index;
    }

    /// The peer is alive.
    #[inline]
    pub fn on_heard(&mut self) {
        self.recent_active = true;
        self.silent_ticks = 0;
    }

    /// Returns whether nothing may be sent to the peer now.
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.paused || self.flow == Flow::Snapshot
    }

    /// Returns whether entries can be sent to the peer now, without a fetch.
    #[inline]
    pub fn streams_freely(&self) -> bool {
        self.flow == Flow::Replicate && !self.paused && self.ask.is_none() && !self.ask_later && self.may_carry()
    }

    /// Whether an append may carry entries.
    #[inline]
    pub fn may_carry(&self) -> bool {
        !self.window.is_full() || self.flow != Flow::Replicate && !self.window.is_shut()
    }

    /// Returns whether the peer has nearly the whole log of its leader, which ends at `last`: at
    /// most `lack` entries less; 0: 16, or the number of messages in flight.
    pub fn is_caught_up(&self, last: Index, lack: u32) -> bool {
        let lack = if lack == 0 { (self.window.count() as u64).max(16) } else { lack.into() };
        let near = last.saturating_sub(self.matched) <= lack;
        near && self.recent_active && self.flow == Flow::Replicate
    }

    /// Records an append in flight, with `count` entries of `bytes` payload. Reserve room in the
    /// window first.
    #[inline]
    pub fn on_sent(&mut self, count: u64, bytes: u64, commit: Index) {
        match self.flow {
            Flow::Replicate => {
                if count > 0 {
                    self.next += count;
                    self.window.add(self.next - 1, bytes);
                }
                self.paused = self.window.is_full();
            }
            _ => self.paused |= count > 0,
        }
        self.sent_commit = commit;
    }

    /// Whether the peer would learn of a higher commit by an append.
    #[inline]
    pub fn can_bump_commit(&self, commit: Index) -> bool {
        commit > self.sent_commit && self.sent_commit < self.next - 1
    }

    /// Records that the peer has everything up to `index`. Returns whether the index is new.
    #[inline]
    pub fn on_accepted(&mut self, index: Index) -> bool {
        if index <= self.matched {
            return false;
        }
        self.matched = index;
        self.next = self.next.max(index + 1);
        self.paused = false;
        true
    }

    /// Records that the peer refused an append after `rejected`; the logs may agree at `hint`.
    /// Returns whether the leader should act on the answer.
    pub fn on_rejected(&mut self, rejected: Index, hint: Index) -> bool {
        if self.flow == Flow::Replicate {
            if rejected <= self.matched {
                return false;
            }
            self.next = self.matched + 1;
        } else {
            if self.next - 1 != rejected {
                return false;
            }
            self.next = rejected.min(hint.saturating_add(1)).max(self.matched + 1);
            self.paused = false;
        }
        self.sent_commit = self.sent_commit.min(self.next - 1);
        true
    }

    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { window: self.window.try_clone()?, ..*self })
    }
}
