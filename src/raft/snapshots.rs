//! Snapshots: received and restored, reported, given up. `fetches` makes snapshots for peers.
//!
//! Invariants: a snapshot of committed entries is only acknowledged [S-04]. A snapshot that agrees
//! with this log only moves commit. Any other snapshot replaces the whole log, including a
//! conflicting tail [S-03]. Nothing is applied and the node does not campaign until the snapshot is
//! durable [E-12].
//!
//! Sources: diss. §5; etcd-raft's restore, for the observable behaviour; departures:
//! `docs/departures.md`.

use super::Raft;
use super::fetches::encode_snapshot;
use super::replication::Empty;
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::log::PendingSnapshot;
use crate::membership::{self, ChangeError, Configuration};
use crate::outbox::OutMessage;
use crate::peers::progress::Flow;
use crate::types::{EntryId, Index, MAX_POSITION, MessageKind, NONE, NodeId, Role};
use crate::wire::{self, ConfStateView, Head, MessageView, SnapshotView};

/// A host's report on a snapshot for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum SnapshotReport {
    /// The snapshot did not arrive. The core fetches a new snapshot after the peer's next answer.
    Failed = 0,
    /// The snapshot arrived completely.
    Arrived = 1,
    /// The snapshot is in flight. `snapshot_timeout_ticks` start again.
    UnderWay = 2,
}

/// A follower's request for a snapshot.
///
/// Until the snapshot comes, the follower takes no appends, since a snapshot for a moving log would
/// always arrive too late. The follower first takes an entry of the leader's term, and acknowledges
/// its log. Otherwise a leader without another quorum would wait for ever (found by the
/// simulation).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub open: bool,
    /// Ticks since the request.
    pub ticks: u32,
}

/// A received snapshot, prepared for restoring.
#[derive(Debug)]
pub(crate) struct Incoming {
    conf: Configuration,
    blob: u32,
}

impl Raft {
    // ---- the follower asks

    pub fn request_snapshot(&mut self) -> Result<()> {
        let last = self.log.last_id();
        let why = if self.role != Role::Follower || self.leader == NONE {
            self.detail.set(format_args!("no leader is known in term {} that could send a snapshot", self.term));
            return Err(Error::NoLeader);
        } else if self.wanted.open {
            "a snapshot was asked for already"
        } else if self.log.snapshot.is_some() {
            "a snapshot waits to be stored"
        } else if last.term != self.term {
            "the log has no entry of the leader's term yet: retry after the next append"
        } else {
            self.wanted = Wanted { open: true, ticks: 0 };
            self.send_snapshot_request();
            return Ok(());
        };
        self.detail.set(format_args!("{why}"));
        Err(Error::State)
    }

    /// Sends the request, in the form of a refused append. Field 13 holds the index that the snapshot
    /// must cover, as in eraftpb; etcd's raft skips the field in this kind of message.
    pub fn send_snapshot_request(&mut self) {
        let last = self.log.last_id();
        if !self.holds_appends() {
            return;
        }
        let head = Head {
            index: self.log.commit,
            reject: true,
            reject_hint: last.index,
            log_term: last.term,
            vote: last.index,
            ..self.head(MessageKind::AppResp, self.leader)
        };
        self.send(OutMessage::new(head));
    }

    /// Answers a message of the leader while a request is open. A leader of raft-rs takes no request
    /// as an acknowledgement.
    pub fn repeat_snapshot_request(&mut self) {
        if self.holds_appends() {
            self.acknowledge_append(self.leader, self.log.last());
            self.send_snapshot_request();
        }
    }

    /// Whether appends are refused for a snapshot to come.
    pub fn holds_appends(&self) -> bool {
        self.wanted.open && self.log.last_id().term == self.term
    }

    /// Gives up a request that no leader answers, so that the follower takes appends again.
    pub fn tick_wanted(&mut self) {
        let limit = self.config.snapshot_timeout_ticks;
        if !self.wanted.open {
            return;
        }
        self.wanted.ticks = self.wanted.ticks.saturating_add(1);
        if limit > 0 && self.wanted.ticks >= limit {
            self.wanted = Wanted::default();
            self.event(EventKind::SnapshotEnded, Reason::SnapshotTimeout, self.id, self.log.last(), 0, 0);
        }
    }

    // ---- the follower

    /// Takes all memory for restoring the snapshot. This is the last step of `validate`, so a
    /// message refused for lack of memory changes nothing. `on_snapshot` follows and uses the
    /// memory.
    pub fn prepare_snapshot(&mut self, m: &MessageView<'_>, conf: Configuration) -> Result<()> {
        let Some(snapshot) = m.snapshot.filter(|snapshot| self.is_wanted(snapshot, &conf)) else { return Ok(()) };
        let blob = self.keep_snapshot(&snapshot)?;
        if let Err(error) = self.tokens.reserve_drops(self.tokens.waiting.len()).and_then(|()| self.set_members(&conf))
        {
            self.blobs.free(blob);
            return Err(error);
        }
        self.incoming = Some(Incoming { conf, blob });
        Ok(())
    }

    /// Whether the snapshot must replace the log.
    fn is_wanted(&self, snapshot: &SnapshotView<'_>, conf: &Configuration) -> bool {
        let id = EntryId { term: snapshot.term, index: snapshot.index };
        let covered = id.index <= self.log.commit;
        let asked = self.holds_appends() && id.index >= self.log.last();
        conf.contains(self.id) && (asked || !covered && !self.agrees_with(id))
    }

    fn agrees_with(&self, id: EntryId) -> bool {
        self.log.matches(id)
    }

    pub fn on_snapshot(&mut self, m: &MessageView<'_>) -> Result<()> {
        let Some(snapshot) = m.snapshot else { return Ok(()) };
        self.hear_leader(m.head.from);
        let index = if self.restore(m, &snapshot) { self.log.last() } else { self.log.commit };
        self.send_append_resp(m.head.from, index);
        Ok(())
    }

    /// Replaces the log by the snapshot, if necessary. Returns whether the log was replaced.
    fn restore(&mut self, m: &MessageView<'_>, snapshot: &SnapshotView<'_>) -> bool {
        let id = EntryId { term: snapshot.term, index: snapshot.index };
        let Some(Incoming { conf, blob }) = self.incoming.take() else {
            let conf = &snapshot.conf;
            let named = conf.voters().chain(conf.voters_outgoing()).chain(conf.learners()).any(|id| id == self.id);
            if id.index <= self.log.commit {
                self.ignore(&m.head, Reason::OldSnapshot);
            } else if named {
                self.commit_to(id.index);
            } else {
                self.ignore(&m.head, Reason::SnapshotWithoutSelf);
            }
            return false;
        };
        // The length as stored by `keep_snapshot`: the configuration, followed by its index.
        let conf_len = snapshot.conf.bytes().len() + wire::conf_index_len(self.config.dialect, id.index);
        self.install(PendingSnapshot { id, blob, conf_len: conf_len as u32, handed: false }, conf);
        self.event(EventKind::SnapshotRestored, Reason::None, m.head.from, id.index, 0, 0);
        true
    }

    fn keep_snapshot(&mut self, snapshot: &SnapshotView<'_>) -> Result<u32> {
        let (conf, data) = (snapshot.conf.bytes(), snapshot.data);
        let dialect = self.config.dialect;
        let len = conf.len() + wire::conf_index_len(dialect, snapshot.index);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len + data.len()).map_err(|_| Error::NoMem)?;
        bytes.extend_from_slice(conf);
        bytes.resize(len, 0);
        if let Some(index) = bytes.get_mut(conf.len()..) {
            wire::write_conf_index(index, dialect, snapshot.index);
        }
        bytes.extend_from_slice(data);
        self.blobs.put(bytes)
    }

    fn install(&mut self, snapshot: PendingSnapshot, conf: Configuration) {
        // A snapshot that no ready has shown is replaced unseen [S-09].
        if let Some(old) = self.log.snapshot.take().filter(|old| !old.handed) {
            self.blobs.free(old.blob);
        }
        self.log.reset(snapshot);
        self.wanted = Wanted::default();
        self.forget_own_fetch();
        self.conf = conf;
        self.reconfig.done = snapshot.id.index;
        self.tokens.cover(snapshot.id.index);
        // Progress of the old configuration says nothing about the new log.
        let last = self.log.last();
        for peer in self.peers.iter_mut() {
            peer.reset(last.max(1));
            peer.recent_active = true;
        }
    }

    /// Encodes the field of a MsgStorageAppend that carries the received snapshot. The
    /// configuration is from the snapshot. A later one may be in force already, since changes can
    /// be applied apart from their entries.
    pub fn encode_pending(&self, snapshot: PendingSnapshot) -> Result<Vec<u8>> {
        let bytes = self.blobs.get(snapshot.blob);
        let (conf, data) = bytes.split_at_checked(snapshot.conf_len as usize).unwrap_or((&[], &[]));
        let conf = restored_view(&wire::parse_conf_state(conf)?)?;
        encode_snapshot(snapshot.id.index, snapshot.id.term, &conf, data)
    }

    /// Records that the snapshot is durable: the state machine is at `index` now.
    pub fn on_snapshot_durable(&mut self, index: Index) {
        if self.log.snapshot.is_some_and(|snapshot| snapshot.id.index == index) {
            self.log.snapshot = None;
        }
        if index > self.log.applied {
            // The snapshot overtook entries that were returned earlier. The host will never confirm
            // them.
            self.on_applied(index, self.apply.bytes, 0);
        }
    }

    // ---- the leader

    /// Takes a peer's request for a snapshot that covers `index`. The request is repeated with every
    /// heartbeat until the peer has its snapshot.
    pub fn on_snapshot_request(&mut self, at: usize, head: &Head) {
        let index = head.vote;
        // The peer's log ends there, in this term. The acknowledgement may be lost for good: the peer
        // gets no more entries, and without the peer the commit index may never reach the request.
        let acknowledges = (head.reject_hint, head.log_term) == (index, self.term) && index <= self.log.last();
        if acknowledges && self.peers.at(at).is_some_and(|peer| peer.matched < index) {
            self.on_accepted(at, index);
        }
        if self.role != Role::Leader {
            return; // Removed, and the request committed what the leader stayed for.
        }
        let Some(peer) = self.peers.at_mut(at) else { return };
        if peer.flow == Flow::Snapshot {
            return;
        }
        peer.snapshot_ticks = 0;
        if peer.wants_snapshot >= index {
            // A follower of raft-rs answers heartbeats with its request alone.
            peer.paused = false;
            peer.ask_later = false;
            self.send_append(at, Empty::Asks);
            return;
        }
        if index > MAX_POSITION {
            return self.ignore(head, Reason::StaleReject);
        }
        peer.become_probe();
        peer.wants_snapshot = index;
        self.cancel_ask(at);
        self.send_append(at, Empty::Asks);
    }

    /// Forgets a request that the peer repeats no more, so that the peer gets entries again.
    pub fn forget_snapshot_request(&mut self, at: usize) {
        let Some(peer) = self.peers.at_mut(at).filter(|peer| peer.wants_snapshot > 0) else { return };
        peer.wants_snapshot = 0;
        peer.become_probe();
        self.cancel_ask(at);
    }

    /// Ends the snapshot to a peer, arrived or failed. The peer is probed after its next answer.
    pub fn on_snapshot_status(&mut self, id: NodeId, arrived: bool, reason: Reason) {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.flow == Flow::Snapshot) else { return };
        if !arrived {
            peer.pending_snapshot = 0;
        }
        let index = peer.pending_snapshot;
        peer.become_probe();
        // After an arrival the peer's acknowledgement follows. After a failure the peer has time
        // until the next heartbeat.
        peer.paused = true;
        self.event(EventKind::SnapshotEnded, reason, id, index, u64::from(arrived), 0);
    }

    pub fn report_snapshot(&mut self, id: NodeId, report: SnapshotReport) -> Result<()> {
        self.check_member(id)?;
        if self.role != Role::Leader {
            return Ok(());
        }
        match report {
            SnapshotReport::Failed => self.on_snapshot_status(id, false, Reason::None),
            SnapshotReport::Arrived => self.on_snapshot_status(id, true, Reason::None),
            SnapshotReport::UnderWay => {
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.snapshot_ticks = 0;
                }
            }
        }
        Ok(())
    }
}

/// Returns the configuration from a message or a stored snapshot.
pub(crate) fn restored_view(conf: &ConfStateView<'_>) -> core::result::Result<Configuration, ChangeError> {
    let sets = (conf.voters(), conf.learners(), conf.voters_outgoing(), conf.learners_next());
    membership::restore(sets.0, sets.1, sets.2, sets.3, conf.auto_leave())
}
