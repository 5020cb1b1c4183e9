//! Log replication: appends and heartbeats, at the leader and at a follower, and the commit rule.
//!
//! Invariants: a leader commits by counting only in its own term (diss. §3.6.2) [L-01]. Commit
//! never falls [L-14] and never passes the log. An acknowledgement never leaves before the disk
//! write, since the ready holds it back [L-08]. A full window is probed by empty appends, so lost
//! messages cannot stop replication [L-12].
//!
//! Sources: paper §5.3; diss. §3.5, §10.2.1; etcd-raft's flow control, for the observable
//! behaviour.

use super::Raft;
use crate::config::Flags;
use crate::error::Result;
use crate::event::{EventKind, Reason};
use crate::log::blocks::Place;
use crate::outbox::{Body, OutMessage, Outbox, Piece, Source};
use crate::peers::progress::Flow;
use crate::quorum::joint_committed;
use crate::types::{EntryId, Index, MessageKind, NodeId, Role};
use crate::wire::{Head, MessageView};

/// The contents of an append.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carried {
    pub count: u64,
    pub payload: u64,
    pub bytes: u64,
}

/// What to do with an append that has no entries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    /// Do not send. The caller goes on until nothing is left to send.
    Stays,
    /// Do not send. The caller sends one append only.
    StaysAlone,
    /// Send, to ask for the state of the peer's log.
    Asks,
    /// Send, to tell the peer the commit index.
    ///
    /// With the flag QUIET_COMMIT a replicating peer need not answer. The peer acknowledges when it
    /// stores entries, and the next heartbeat recovers a lost acknowledgement. This saves a message
    /// per write and follower.
    Tells,
}

impl Empty {
    fn stays(self) -> bool {
        matches!(self, Self::Stays | Self::StaysAlone)
    }
}

impl Carried {
    /// Returns the body of these entries, with the pieces from `first` to `end`.
    #[inline(always)]
    fn body(&self, first: u32, end: u32) -> Body {
        let end = if self.count > 0 { end } else { first };
        Body { entries: self.count as u32, pieces: (first, end), bytes: self.bytes as u32 }
    }
}

impl Raft {
    // ---- the leader sends

    pub fn broadcast_append(&mut self) {
        self.broadcast(Empty::Asks);
    }

    fn broadcast(&mut self, empty: Empty) {
        // Replicating peers with equal `next` get equal messages, except for the receiver. `first`
        // and `carried` describe the current model in the outbox.
        let (mut first, mut carried) = (0, Carried::default());
        let joins = self.flag(Flags::BATCH_APPEND);
        for at in 0..self.peers.len() {
            let Some(peer) = self.peers.at(at).filter(|peer| peer.id != self.id) else { continue };
            let next = peer.next;
            if joins || !peer.streams_freely() || self.outbox.is_crowded() {
                self.send_append(at, empty);
                continue;
            }
            if first != next {
                match self.model_append(next, empty) {
                    Some(made) => (first, carried) = (next, made),
                    None => {
                        self.send_append(at, empty);
                        continue;
                    }
                }
            }
            self.send_model(at, carried);
        }
    }

    /// Makes the append from `next` on for replicating peers, as the outbox's model. Returns the
    /// contents, or `None` if the message depends on the peer.
    #[inline(always)]
    fn model_append(&mut self, next: Index, empty: Empty) -> Option<Carried> {
        let log_term = self.log.term_at(next - 1)?;
        let first_piece = self.outbox.begin_body();
        let mut carried = Carried::default();
        if next <= self.log.last() {
            if next < self.log.recent_first() {
                return None;
            }
            carried = self.put_entries(next, self.config.max_size_per_msg, 0);
            if carried.count == 0 {
                return None;
            }
        }
        let tells = empty == Empty::Tells;
        let reject = carried.count == 0 && tells && self.flag(Flags::QUIET_COMMIT);
        let head =
            Head { log_term, index: next - 1, commit: self.log.commit, reject, ..self.head(MessageKind::App, 0) };
        self.outbox.set_model(&head, carried.body(first_piece, self.outbox.begin_body()), self.sender());
        Some(carried)
    }

    #[inline(always)]
    fn send_model(&mut self, at: usize, carried: Carried) {
        let Some(peer) = self.peers.at_mut(at) else { return };
        if carried.count > 0 && peer.window.reserve().is_err() {
            return;
        }
        let to = peer.id;
        match self.outbox.push_model(to) {
            Err(_) => self.on_lost(MessageKind::App, to),
            Ok(()) if carried.count > 0 => peer.on_sent(carried.count, carried.payload, self.log.commit),
            Ok(()) => peer.sent_commit = self.log.commit,
        }
    }

    /// Notifies the peers of a new commit index. With the flag NO_COMMIT_BROADCAST the next append
    /// or heartbeat carries the index (as in raft-rs), except while a change of membership is
    /// pending.
    pub fn broadcast_commit(&mut self) {
        if self.commit_broadcast || self.reconfig.pending_index > self.log.applied {
            self.broadcast(Empty::Tells);
        }
    }

    /// Sends a message with entries for the peer. If the peer lacks nothing, `empty` decides.
    /// Returns whether an append was made; `false` after opening a fetch.
    pub fn send_append(&mut self, at: usize, empty: Empty) -> bool {
        let Some(peer) = self.peers.at_mut(at) else { return false };
        if peer.is_paused() || peer.ask_later {
            return false;
        }
        if let Some(ask) = &mut peer.ask {
            ask.drain |= empty == Empty::Stays;
            if ask.first == peer.next {
                return false;
            }
            self.cancel_ask(at);
        }
        if self.outbox.is_crowded() {
            if let Some(peer) = self.peers.at_mut(at) {
                peer.deferred = true;
                self.has_deferred = true;
            }
            return false;
        }
        self.send_append_now(at, empty)
    }

    fn send_append_now(&mut self, at: usize, empty: Empty) -> bool {
        let Some(peer) = self.peers.at(at) else { return false };
        let (to, next, streams, carries) = (peer.id, peer.next, peer.flow == Flow::Replicate, peer.may_carry());
        let tells = empty == Empty::Tells;
        if peer.wants_snapshot > 0 && !peer.window.is_shut() {
            return self.send_wanted_snapshot(at);
        }
        let shut = peer.window.is_shut();
        let Some(log_term) = self.log.term_at(next - 1) else {
            return !shut && self.ask_for_snapshot(at, empty == Empty::Stays);
        };
        if carries && next <= self.log.last() {
            if next < self.log.recent_first() {
                return self.ask_for_entries(at, empty == Empty::Stays);
            }
            if self.flag(Flags::BATCH_APPEND) && self.join_last_append(at, to, next) {
                return true;
            }
        } else if empty.stays() {
            return false;
        }
        let first_piece = self.outbox.begin_body();
        let carried = match carries && next <= self.log.last() {
            true => self.put_entries(next, self.config.max_size_per_msg, 0),
            false => Carried::default(),
        };
        if carried.count > 0 && self.reserve_window(at).is_err() {
            return false;
        }
        if carried.count == 0 && empty.stays() {
            return false;
        }
        let commit = self.log.commit;
        let reject = carried.count == 0 && tells && streams && self.flag(Flags::QUIET_COMMIT);
        let head = Head { log_term, index: next - 1, commit, reject, ..self.head(MessageKind::App, to) };
        let body = carried.body(first_piece, self.outbox.begin_body());
        if self.outbox.push_steady(&head, body, self.sender()).is_err() {
            self.on_lost(MessageKind::App, to);
            return true;
        }
        if let Some(peer) = self.peers.at_mut(at) {
            peer.on_sent(carried.count, carried.payload, commit);
        }
        true
    }

    fn reserve_window(&mut self, at: usize) -> Result<()> {
        match self.peers.at_mut(at) {
            Some(peer) if peer.flow == Flow::Replicate => peer.window.reserve(),
            _ => Ok(()),
        }
    }

    /// Adds the recent entries from `next` on to the current body. `used` is the size of the body
    /// so far. The total stays within `max` bytes, except that an empty body gets at least one
    /// entry. Adjacent records are one piece.
    #[inline]
    pub fn put_entries(&mut self, next: Index, max: u64, used: u64) -> Carried {
        let most = u64::from(u32::MAX / 2);
        let limit = max.min(most);
        let last = self.last_to_send(next);
        let Ok((carried, lowest)) = self.put_pieces((next, last), limit, used) else { return Carried::default() };
        if carried.count > 0 {
            self.log.outbox_pin = lower_pin(self.log.outbox_pin, lowest, self.log.blocks.first());
        }
        carried
    }

    /// Returns the last entry that an append from `next` on may carry.
    fn last_to_send(&self, next: Index) -> Index {
        let (last, most) = (self.log.last(), u64::from(self.config.max_entries_per_msg));
        if most == 0 { last } else { last.min(next.saturating_add(most - 1)) }
    }

    /// Adds entries of any layout. Adjacent records become one piece. Also returns the block of the
    /// first entry.
    fn put_pieces(&mut self, (next, last): (Index, Index), limit: u64, used: u64) -> Result<(Carried, u32)> {
        let most = u64::from(u32::MAX / 2);
        let mut body = Stretches::default();
        let mut lowest = None;
        'entries: for slots in self.log.slots(next, last) {
            for slot in slots {
                let before = used + body.carried.bytes;
                let total = before + u64::from(slot.place.len);
                if total > limit && (before > 0 || total > most) {
                    break 'entries;
                }
                lowest = lowest.or(Some(slot.place.block));
                body.add(&mut self.outbox, slot.place, slot.data_len())?;
            }
        }
        body.end(&mut self.outbox)?;
        Ok((body.carried, lowest.unwrap_or_default()))
    }

    /// Adds the entries to an unsent append to the same peer (raft-rs's batch append).
    fn join_last_append(&mut self, at: usize, to: NodeId, next: Index) -> bool {
        let Some(place) = self.outbox.last_append_to(to) else { return false };
        let Some(old) = self.outbox.now.get(place).copied() else { return false };
        if old.index + u64::from(old.n_entries) + 1 != next || old.term != self.term {
            return false;
        }
        let first_piece = self.outbox.begin_body();
        for i in old.pieces.0..old.pieces.1 {
            let Some(&piece) = self.outbox.pieces.get(i as usize) else { return false };
            if self.outbox.push_piece(piece).is_err() {
                return false;
            }
        }
        let carried = self.put_entries(next, self.config.max_size_per_msg, u64::from(old.body_bytes).max(1));
        if carried.count == 0 || self.reserve_window(at).is_err() {
            return false;
        }
        let commit = self.log.commit;
        let end = self.outbox.begin_body();
        if let Some(message) = self.outbox.now.get_mut(place) {
            message.pieces = (first_piece, end);
            message.body_bytes += carried.bytes as u32;
            message.n_entries += carried.count as u32;
            (message.commit, message.reject) = (commit, false);
            message.forget_encoded();
        }
        self.outbox.unencoded += 1;
        if let Some(peer) = self.peers.at_mut(at) {
            peer.on_sent(carried.count, carried.payload, commit);
        }
        true
    }

    /// Sends the heartbeats that are due by time.
    pub fn tick_heartbeat(&mut self) {
        let spares = self.flag(Flags::SPARE_HEARTBEATS) && !self.flag(Flags::LEASE_READS);
        self.send_heartbeats(spares && self.round_context().1 == 0);
    }

    pub fn broadcast_heartbeat(&mut self) {
        self.send_heartbeats(false);
    }

    /// `spare`: leave out the peers that got entries since the last heartbeat.
    fn send_heartbeats(&mut self, spare: bool) {
        let (context, len) = self.round_context();
        let yields = self.flag(Flags::YIELD_TO_PRIORITY);
        for at in 0..self.peers.len() {
            let commit = self.log.commit;
            let Some(peer) = self.peers.at_mut(at).filter(|peer| peer.id != self.id) else { continue };
            let sent = std::mem::replace(&mut peer.next_at_heartbeat, peer.next);
            if spare && peer.flow == Flow::Replicate && peer.next > sent {
                continue;
            }
            // A heartbeat never carries a commit index above the peer's known log.
            let commit = commit.min(peer.matched);
            peer.sent_commit = commit;
            let to = peer.id;
            let priority = if yields { i64::from(self.election.priority) } else { 0 };
            let head = Head { commit, priority, ..self.head(MessageKind::Heartbeat, to) };
            self.send(OutMessage::new(head).with_context(context.get(..len).unwrap_or(&[])));
        }
    }

    /// Sends the appends that a full outbox held back.
    pub fn send_deferred(&mut self) {
        if self.role != Role::Leader {
            return;
        }
        self.has_deferred = false;
        for at in 0..self.peers.len() {
            if let Some(peer) = self.peers.at_mut(at).filter(|peer| peer.deferred) {
                peer.deferred = false;
                if self.send_append(at, Empty::Asks) {
                    while self.send_append(at, Empty::Stays) {}
                }
            }
        }
    }

    // ---- the leader hears

    pub fn on_append_resp(&mut self, head: &Head) {
        let Some(at) = self.peers.position(head.from) else { return self.ignore(head, Reason::UnknownPeer) };
        if !head.reject {
            self.note_commit(at, head);
            return self.on_acknowledged(at, head.index);
        }
        if let Some(peer) = self.peers.at_mut(at) {
            peer.on_heard();
        }
        self.note_commit(at, head);
        if head.vote > 0 {
            return self.on_snapshot_request(at, head);
        }
        self.on_rejected(at, head);
    }

    /// Notes the commit index that a peer tells of.
    fn note_commit(&mut self, at: usize, head: &Head) {
        let last = self.log.last();
        if let Some(peer) = self.peers.at_mut(at) {
            peer.commit = peer.commit.max(head.commit.min(last));
        }
    }

    /// Handles a peer's acknowledgement of everything up to `index`.
    #[inline]
    pub fn on_acknowledged(&mut self, at: usize, index: Index) {
        let Some(peer) = self.peers.at_mut(at) else { return };
        peer.on_heard();
        self.on_accepted(at, index);
    }

    /// Handles a rejection: the peer's log lacks the entry before an append. The leader goes back
    /// to where the logs may agree, by whole terms.
    fn on_rejected(&mut self, at: usize, head: &Head) {
        let hint = if head.log_term > 0 {
            self.log.terms.last_at_or_below(head.reject_hint, head.log_term).index
        } else {
            head.reject_hint
        };
        let Some(peer) = self.peers.at_mut(at) else { return };
        if !peer.on_rejected(head.index, hint) {
            return self.ignore(head, Reason::StaleReject);
        }
        if peer.flow == Flow::Replicate {
            peer.become_probe();
        }
        self.send_append(at, Empty::Asks);
    }

    /// Records that the peer's log holds everything up to `index`, durably.
    pub fn on_accepted(&mut self, at: usize, index: Index) {
        let (first, own) = (self.log.first(), self.id);
        let Some(peer) = self.peers.at_mut(at) else { return };
        let from = peer.id;
        // A snapshot that the peer asked for may end at an entry that the peer had.
        let ends = peer.flow == Flow::Snapshot && index >= peer.pending_snapshot;
        if !(peer.on_accepted(index) || (peer.matched == index && (peer.flow == Flow::Probe || ends))) {
            return;
        }
        match peer.flow {
            Flow::Replicate => peer.window.free_to(index),
            Flow::Probe => peer.become_replicate(),
            // The peer has entries or a snapshot, from any sender, from which this log can continue
            // [S-02].
            Flow::Snapshot if peer.matched + 1 >= first => {
                peer.become_probe();
                peer.become_replicate();
                self.event(EventKind::SnapshotEnded, Reason::None, from, index, 1, 0);
            }
            Flow::Snapshot => {}
        }
        // Fast path: an acknowledgement up to the commit index commits nothing, unless a new
        // configuration is uncounted.
        if (index > self.log.commit || self.reconfig.uncounted) && self.maybe_commit() {
            self.release_pending_reads();
            self.broadcast_commit();
        } else if from != own && self.peers.at(at).is_some_and(|peer| peer.can_bump_commit(self.log.commit)) {
            self.send_append(at, Empty::Tells);
        }
        // Only a peer that lacks entries, or has an open fetch, can get more now.
        let last = self.log.last();
        if from != own && self.peers.at(at).is_some_and(|peer| peer.next <= last || peer.ask.is_some()) {
            while self.send_append(at, Empty::Stays) {}
        }
        if self.transfer.target | self.reconfig.retire_at != 0 {
            self.maybe_finish_transfer(at);
            self.maybe_retire();
        }
    }

    pub fn on_heartbeat_resp(&mut self, m: &MessageView<'_>) {
        let Some(at) = self.peers.position(m.head.from) else { return self.ignore(&m.head, Reason::UnknownPeer) };
        self.note_commit(at, &m.head);
        let last = self.log.last();
        let Some(peer) = self.peers.at_mut(at) else { return };
        peer.on_heard();
        peer.paused = false;
        peer.ask_later = false;
        if peer.matched < last || peer.flow == Flow::Probe || peer.wants_snapshot > 0 {
            self.send_append(at, Empty::Asks);
        }
        if !m.context.is_empty() {
            self.on_read_ack(at, &m.head, m.context);
        }
    }

    /// Commits the entries of this term on a quorum, and the entries before (paper §5.4.2).
    pub fn maybe_commit(&mut self) -> bool {
        self.reconfig.uncounted = false;
        if self.group_commit {
            return self.maybe_commit_by_groups();
        }
        let (voters, outgoing) = (self.conf.voters.as_slice(), self.conf.outgoing.as_slice());
        // Most acknowledgements arrive before a majority is ahead of the commit index. Counting is far
        // cheaper than looking up and sorting.
        let commit = self.log.commit;
        let ahead = self.peers.iter().filter(|peer| peer.matched > commit).count();
        if ahead <= voters.len() / 2 {
            return false;
        }
        let index = joint_committed(voters, outgoing, |id| self.peers.get(id).map(|peer| peer.matched));
        if index <= self.log.commit || self.log.term_at(index) != Some(self.term) {
            return false;
        }
        self.commit_to(index);
        true
    }

    pub fn on_unreachable(&mut self, id: NodeId) {
        if let Some(peer) = self.peers.get_mut(id)
            && peer.flow == Flow::Replicate
        {
            peer.become_probe();
        }
    }

    /// Watches the peers, once a tick: silence, and snapshots that take too long [S-01].
    pub fn tick_peers(&mut self) {
        let limit = self.config.snapshot_timeout_ticks;
        let silence = self.config.or_ten_elections(self.config.peer_lags_ticks);
        for at in 0..self.peers.len() {
            let (id, last) = (self.id, self.log.last());
            let Some(peer) = self.peers.at_mut(at).filter(|peer| peer.id != id) else { continue };
            peer.silent_ticks = peer.silent_ticks.saturating_add(1);
            let (to, behind) = (peer.id, last.saturating_sub(peer.matched));
            let lags = peer.silent_ticks == silence;
            let mut expired = false;
            if peer.flow == Flow::Snapshot || peer.wants_snapshot > 0 {
                peer.snapshot_ticks = peer.snapshot_ticks.saturating_add(1);
                expired = limit > 0 && peer.snapshot_ticks >= limit;
            }
            if lags {
                self.event(EventKind::PeerLags, Reason::PeerSilent, to, 0, behind, 0);
            }
            if expired {
                self.forget_snapshot_request(at);
                self.on_snapshot_status(to, false, Reason::SnapshotTimeout);
            }
        }
    }

    // ---- the follower

    pub fn on_append(&mut self, m: &MessageView<'_>) -> Result<()> {
        let head = &m.head;
        self.hear_leader(head.from);
        if self.holds_appends() {
            self.repeat_snapshot_request();
            return Ok(());
        }
        let prev = EntryId { term: head.log_term, index: head.index };
        if prev.index < self.log.commit {
            self.send_append_resp(head.from, self.log.commit);
            return Ok(());
        }
        if !self.log.matches(prev) {
            // The highest entry here that may agree, by term. With this hint the leader skips whole
            // terms, judged by both logs.
            let hint = self.log.terms.last_at_or_below(prev.index.min(self.log.last()), prev.term);
            let resp = Head {
                index: prev.index,
                reject: true,
                reject_hint: hint.index,
                log_term: hint.term,
                commit: if self.reports_commit { self.log.commit } else { 0 },
                ..self.head(MessageKind::AppResp, head.from)
            };
            self.send(OutMessage::new(resp));
            return Ok(());
        }
        let last = self.append_new(m, prev.index)?;
        self.commit_from_append(head.commit, last);
        if head.reject && m.entries.is_empty() {
            return Ok(());
        }
        self.acknowledge_append(head.from, last);
        Ok(())
    }

    /// Commits up to `commit`, as far as the leader's log and this log agree (`last`).
    #[inline]
    pub fn commit_from_append(&mut self, commit: Index, last: Index) {
        self.commit_to(commit.min(last));
    }

    /// Acknowledges that this log and the leader's agree up to `last`.
    #[inline]
    pub fn acknowledge_append(&mut self, leader: NodeId, last: Index) {
        self.send_append_resp(leader, last);
    }

    /// Appends the entries that are not in the log yet, and replaces a tail that contradicts them.
    /// Returns the last index that agrees with the leader.
    fn append_new(&mut self, m: &MessageView<'_>, prev: Index) -> Result<Index> {
        let count = m.entries.len() as u64;
        let mut skip = 0;
        if prev < self.log.last() {
            skip = m.entries.iter().take_while(|entry| self.log.term_at(entry.index) == Some(entry.term)).count();
            let from = prev + skip as u64 + 1;
            if (skip as u64) < count && from <= self.log.last() {
                if from <= self.log.commit {
                    return Err(self.alarm(&m.head, Reason::ConflictBelowCommit, from));
                }
                let last = self.log.last();
                let own = self.log.terms.first_of(self.election.led_term, from).unwrap_or(0);
                self.log.truncate_from(from);
                self.event(EventKind::Truncated, Reason::None, m.head.from, from, last, own);
            }
        }
        if skip as u64 == count {
            return Ok(prev + count);
        }
        match self.log.append_view(&m.entries, skip) {
            Ok(taken) => Ok(prev + (skip + taken) as u64),
            // The entries that were there before are confirmed at least.
            Err(_) if skip > 0 => Ok(prev + skip as u64),
            Err(error) => Err(error),
        }
    }

    /// Raises the commit index. Only a snapshot and the boot raise the index without this function.
    #[inline]
    pub fn commit_to(&mut self, index: Index) {
        let highest = index.min(self.log.last());
        self.log.commit = self.log.commit.max(highest);
    }

    pub fn on_heartbeat(&mut self, m: &MessageView<'_>) {
        self.hear_leader(m.head.from);
        self.election.leader_priority = m.head.priority;
        self.commit_to(m.head.commit);
        self.repeat_snapshot_request();
        let commit = if self.reports_commit { self.log.commit } else { 0 };
        let head = Head { commit, ..self.head(MessageKind::HeartbeatResp, m.head.from) };
        if m.context.len() <= crate::outbox::INLINE_CONTEXT {
            return self.send(OutMessage::new(head).with_context(m.context));
        }
        self.send_with_field(head, 0x62, m.context);
    }

    /// Sends a message with a single bytes field as its body. Copies the bytes.
    pub fn send_with_field(&mut self, head: Head, tag: u8, bytes: &[u8]) {
        if self.outbox.is_full() {
            return self.send(OutMessage::new(head));
        }
        let first_piece = self.outbox.begin_body();
        let mut field = [0u8; 11];
        let field_len = put_field_head(&mut field, tag, bytes.len() as u64);
        let put =
            self.outbox.push_own(field.get(..field_len).unwrap_or(&[])).and_then(|()| self.outbox.push_own(bytes));
        if put.is_err() {
            self.counters.messages_dropped += 1;
            return;
        }
        let mut message = OutMessage::new(head);
        message.pieces = (first_piece, self.outbox.begin_body());
        message.body_bytes = (field_len + bytes.len()) as u32;
        self.send(message);
    }
}

/// Collects a body: adjacent records become one piece.
#[derive(Default)]
struct Stretches {
    carried: Carried,
    piece: Place,
}

impl Stretches {
    fn add(&mut self, outbox: &mut Outbox, place: Place, payload: u64) -> Result<()> {
        let piece = self.piece;
        if place.block == piece.block && place.offset == piece.offset + piece.len && piece.len > 0 {
            self.piece.len += place.len;
        } else {
            self.end(outbox)?;
            self.piece = place;
        }
        self.carried.count += 1;
        self.carried.bytes += u64::from(place.len);
        self.carried.payload += payload;
        Ok(())
    }

    fn end(&mut self, outbox: &mut Outbox) -> Result<()> {
        let place = std::mem::take(&mut self.piece);
        if place.len == 0 { Ok(()) } else { outbox.push_piece(Piece { source: Source::Log, place }) }
    }
}

/// Writes a tag and a length. Returns the number of bytes written.
pub(crate) fn put_field_head(out: &mut [u8; 11], tag: u8, mut len: u64) -> usize {
    let mut at = 1;
    out[0] = tag;
    for byte in out.iter_mut().skip(1) {
        at += 1;
        *byte = (len & 0x7f) as u8;
        len >>= 7;
        if len == 0 {
            break;
        }
        *byte |= 0x80;
    }
    at
}

/// Returns the lower of two block numbers, by distance from the oldest live block.
pub(crate) fn lower_pin(pin: Option<u32>, block: u32, first: u32) -> Option<u32> {
    match pin {
        Some(pin) if pin.wrapping_sub(first) <= block.wrapping_sub(first) => Some(pin),
        _ => Some(block),
    }
}
