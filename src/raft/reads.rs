//! Linearizable reads: a read sees every write completed before the read began.
//!
//! A leader proves its leadership by a round of heartbeats (quorum) or by a clock bound (lease).
//! Then it returns the index that the state machine must have applied. Requests in one round share
//! the proof.
//!
//! Here are the queue, both proofs, forwarding from followers, and waiting for `applied`. The
//! heartbeat itself is in `replication`.
//!
//! Invariants: contexts are a nonce and a counter of this node, never the caller's bytes [D-02].
//! Nothing is answered before the leader has committed in its term [D-01]. If leadership is lost,
//! the reads of a round fail with their tokens and never just vanish [D-07].
//!
//! Sources: diss. §6.4, §6.4.1; etcd-raft#397; departures: `docs/departures.md`.

use super::Raft;
use super::tokens::DropKind;
use crate::config::Flags;
use crate::error::{Error, Result};
use crate::event::Reason;
use crate::outbox::{Blobs, OutMessage};
use crate::quorum::joint_committed;
use crate::types::{Dialect, EntryKind, Index, MessageKind, NONE, NodeId, Role};
use crate::wire::{self, Head, MessageView};
use std::collections::VecDeque;

/// Longest context of a peer's read that lies in the request, bytes. A context of this core has 16
/// bytes, of etcd's server 8; a user of raft-rs may choose any length.
const INLINE_CONTEXT: usize = 40;

/// A read that is answered once `applied` has reached the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Read {
    /// The caller's token.
    pub token: u64,
    /// The state machine must have applied everything up to here.
    pub index: Index,
}

/// A request at the leader: this node's own, with a token, or a peer's, with a context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// The peer; 0: this node.
    pub from: NodeId,
    pub token: u64,
    context: [u8; INLINE_CONTEXT],
    context_len: u32,
    /// The blob with a context that is longer than the room above.
    blob: u32,
    /// The commit index when the request came.
    pub index: Index,
}

impl Request {
    fn own(token: u64) -> Self {
        Self { from: NONE, token, context: [0; INLINE_CONTEXT], context_len: 0, blob: 0, index: 0 }
    }

    fn is_long(&self) -> bool {
        self.context_len as usize > INLINE_CONTEXT
    }

    /// Returns the context.
    pub fn context<'a>(&'a self, blobs: &'a Blobs) -> &'a [u8] {
        if self.is_long() {
            return blobs.get(self.blob);
        }
        self.context.get(..self.context_len as usize).unwrap_or(&[])
    }
}

/// A read forwarded to the leader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarded {
    pub counter: u64,
    pub token: u64,
    /// The read fails when `Reads::now` reaches the deadline.
    pub deadline: u64,
}

#[derive(Debug)]
pub(crate) struct Reads {
    /// Drawn at the start. Answers from before a restart carry a different nonce.
    pub nonce: u64,
    pub counter: u64,
    /// Ticks since the start.
    pub now: u64,
    /// Requests at a leader that has not committed in its term.
    pub pending: VecDeque<Request>,
    /// Requests at a leader that wait for a round. The first has the position `confirmed + 1`.
    pub unconfirmed: VecDeque<Request>,
    pub confirmed: u64,
    /// A round of heartbeats is due with the next ready.
    pub round_due: bool,
    pub forwarded: VecDeque<Forwarded>,
    /// Answers, sorted by index. An answer leaves with the next ready after `applied` reached its
    /// index.
    pub answers: VecDeque<Read>,
}

impl Reads {
    pub fn new(nonce: u64) -> Self {
        Self {
            nonce,
            counter: 0,
            now: 0,
            pending: VecDeque::new(),
            unconfirmed: VecDeque::new(),
            confirmed: 0,
            round_due: false,
            forwarded: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.pending.len() + self.unconfirmed.len() + self.forwarded.len() + self.answers.len()
    }

    /// Returns the position of the newest request of this leadership.
    fn issued(&self) -> u64 {
        self.confirmed + self.unconfirmed.len() as u64
    }

    fn add_answer(&mut self, read: Read) {
        let at = if self.answers.back().is_none_or(|last| last.index <= read.index) {
            self.answers.len()
        } else {
            self.answers.partition_point(|other| other.index <= read.index)
        };
        self.answers.insert(at, read);
    }

    /// Takes a read whose index is applied.
    pub fn pop_answer(&mut self, applied: Index) -> Option<Read> {
        self.answers.front().is_some_and(|read| read.index <= applied).then(|| self.answers.pop_front()).flatten()
    }

    pub fn has_answer(&self, applied: Index) -> bool {
        self.answers.front().is_some_and(|read| read.index <= applied)
    }

    fn reserve(&mut self, max: u32) -> Result<()> {
        if self.len() >= max as usize {
            return Err(Error::Full);
        }
        let room = [
            self.pending.try_reserve(1),
            self.unconfirmed.try_reserve(self.pending.len() + 1),
            self.forwarded.try_reserve(1),
            self.answers.try_reserve(self.len() + 1),
        ];
        if room.iter().all(core::result::Result::is_ok) { Ok(()) } else { Err(Error::NoMem) }
    }

    /// Gives back memory, if no read waits: a waiting read has its room reserved.
    pub fn trim(&mut self) {
        if self.len() == 0 {
            let Self { nonce, counter, now, confirmed, round_due, .. } = *self;
            *self = Self { counter, now, confirmed, round_due, ..Self::new(nonce) };
        }
    }

    pub fn memory(&self) -> u64 {
        ((self.pending.capacity() + self.unconfirmed.capacity()) * size_of::<Request>()
            + self.forwarded.capacity() * size_of::<Forwarded>()
            + self.answers.capacity() * size_of::<Read>()) as u64
    }

    pub fn try_clone(&self) -> Result<Self> {
        // Reserves as `reserve` does, so that the answer to a waiting read needs no allocation.
        fn copy<T: Copy>(list: &VecDeque<T>, room: usize) -> Result<VecDeque<T>> {
            let mut twin = VecDeque::new();
            twin.try_reserve(list.len() + room).map_err(|_| Error::NoMem)?;
            twin.extend(list.iter().copied());
            Ok(twin)
        }
        Ok(Self {
            pending: copy(&self.pending, 0)?,
            unconfirmed: copy(&self.unconfirmed, self.pending.len())?,
            forwarded: copy(&self.forwarded, 0)?,
            answers: copy(&self.answers, self.len())?,
            ..*self
        })
    }
}

impl Raft {
    /// Returns the context of a heartbeat: the newest position if a read waits. With lease reads,
    /// the position is always there, followed by the tick.
    pub fn round_context(&self) -> ([u8; 16], usize) {
        let mut context = [0; 16];
        let (position, tick) = context.split_at_mut(8);
        position.copy_from_slice(&self.reads.issued().to_le_bytes());
        tick.copy_from_slice(&self.reads.now.to_le_bytes());
        let len = match (self.dates_heartbeats(), self.reads.unconfirmed.is_empty()) {
            (true, _) => 16,
            (false, false) => 8,
            (false, true) => 0,
        };
        (context, len)
    }

    // ---- by the host

    pub fn read_index(&mut self, token: u64) -> Result<()> {
        let max = self.config.max_reads;
        let drops = self.tokens.waiting.len() + self.reads.len() + 1;
        self.reads.reserve(max).and_then(|()| self.tokens.reserve_drops(drops)).inspect_err(|_| {
            self.detail.set(format_args!("max_reads ({max}) reads are waiting: retry after the next advance"));
        })?;
        let own = Request::own(token);
        match self.role {
            Role::Leader => self.lead_read(own),
            Role::Follower if self.leader != NONE => self.ask_leader(token),
            _ => {
                self.detail.set(format_args!("no leader is known in term {}: retry later", self.term));
                return Err(Error::NoLeader);
            }
        }
        Ok(())
    }

    fn ask_leader(&mut self, token: u64) {
        self.reads.counter += 1;
        let counter = self.reads.counter;
        let deadline = self.reads.now + u64::from(self.config.read_timeout_ticks);
        self.reads.forwarded.push_back(Forwarded { counter, token, deadline });
        let mut context = [0; 16];
        let (nonce, own) = context.split_at_mut(8);
        nonce.copy_from_slice(&self.reads.nonce.to_le_bytes());
        own.copy_from_slice(&counter.to_le_bytes());
        let head = Head { kind: MessageKind::ReadIndex, to: self.leader, from: self.id, ..Head::default() };
        self.send_read(head, &context);
    }

    /// Sends a read. The context travels as the data of an entry, as in etcd's raft.
    fn send_read(&mut self, head: Head, context: &[u8]) {
        if self.outbox.is_full() {
            return self.send(OutMessage::new(head));
        }
        let mut record = [0; wire::MAX_RECORD_HEAD];
        let len = wire::write_record_head(&mut record, 0, 0, EntryKind::Normal, context.len());
        let first_piece = self.outbox.begin_body();
        let put = self.outbox.push_own(record.get(..len).unwrap_or(&[])).and_then(|()| self.outbox.push_own(context));
        if put.is_err() {
            self.counters.messages_dropped += 1;
            return;
        }
        let mut message = OutMessage::new(head);
        message.pieces = (first_piece, self.outbox.begin_body());
        message.body_bytes = (len + context.len()) as u32;
        message.n_entries = 1;
        self.send(message);
    }

    // ---- at the leader

    pub fn on_read_index(&mut self, m: &MessageView<'_>) -> Result<()> {
        let context = m.entries.iter().next().map_or(&[][..], |entry| entry.data);
        self.reads.reserve(self.config.max_reads).inspect_err(|_| {
            self.detail.set(format_args!("max_reads ({}) reads are waiting", self.config.max_reads));
        })?;
        let mut request = Request { from: m.head.from, context_len: context.len() as u32, ..Request::own(0) };
        match request.context.get_mut(..context.len()) {
            Some(own) => own.copy_from_slice(context),
            None => request.blob = self.keep_context(context)?,
        }
        self.lead_read(request);
        Ok(())
    }

    /// Keeps a long context of a peer's read until the answer.
    fn keep_context(&mut self, context: &[u8]) -> Result<u32> {
        let limit = self.config.catchup_bytes;
        if self.blobs.bytes().saturating_add(context.len() as u64) > limit {
            self.detail.set(format_args!("long contexts of reads and catch-up messages fill catchup_bytes ({limit})"));
            return Err(Error::Full);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(context.len()).map_err(|_| Error::NoMem)?;
        bytes.extend_from_slice(context);
        self.blobs.put(bytes)
    }

    fn lead_read(&mut self, request: Request) {
        // etcd answers a sole voter at once, even before the term's first entry is committed. The
        // answer may miss writes that the node acknowledged before a restart that lost the commit
        // index.
        let alone = self.conf.is_singleton() && self.flag(Flags::READ_AT_ONCE);
        if alone {
            self.answer(Request { index: self.log.commit, ..request });
        } else if self.log.term_at(self.log.commit) != Some(self.term) {
            self.reads.pending.push_back(request);
        } else {
            self.prove(request);
        }
    }

    /// Serves the waiting reads after the leader's first commit of its term.
    pub fn release_pending_reads(&mut self) {
        while let Some(request) = self.reads.pending.pop_front() {
            self.prove(request);
        }
    }

    /// Whether the clock proves that the node still leads. A quorum must have answered heartbeats
    /// sent less than an election timeout ago. Until that timeout has passed, no node of the quorum
    /// votes for another node (diss. §6.4.1). An answer names the tick of its heartbeat, so delayed
    /// messages prove nothing.
    pub fn has_lease(&self) -> bool {
        if !self.flag(Flags::LEASE_READS) {
            return false;
        }
        if self.trusts_check_quorum() {
            return true;
        }
        let handed_over = self.transfer.target != NONE || self.transfer.lease_given_up;
        if handed_over || self.conf.voters.is_empty() {
            return false;
        }
        let (voters, outgoing) = (self.conf.voters.as_slice(), self.conf.outgoing.as_slice());
        let now = self.reads.now;
        let proven = joint_committed(voters, outgoing, |id| {
            if id == self.id { Some(now) } else { self.peers.get(id).map(|peer| peer.lease_tick) }
        });
        proven > 0 && now.saturating_sub(proven) + self.lease_margin() < u64::from(self.config.election_ticks)
    }

    /// Returns the ticks by which clocks may differ in an election timeout: a tenth, at least one.
    fn lease_margin(&self) -> u64 {
        u64::from(self.config.election_ticks / 10).max(1)
    }

    /// Whether the lease follows etcd: a leader that passed the last quorum check has a lease.
    /// Between two checks the lease can be wrong for almost an election timeout.
    fn trusts_check_quorum(&self) -> bool {
        self.flag(Flags::LEASE_IN_TRANSFER)
    }

    /// Whether heartbeats carry the tick at which they are sent.
    fn dates_heartbeats(&self) -> bool {
        self.flag(Flags::LEASE_READS) && !self.trusts_check_quorum()
    }

    fn prove(&mut self, request: Request) {
        let request = Request { index: self.log.commit, ..request };
        // A sole voter needs no proof, but must be this node: a leader removed by its own change
        // leads on for a while without a vote.
        let is_sole_voter = self.conf.is_singleton() && self.conf.voters.contains(self.id);
        if self.has_lease() || is_sole_voter {
            return self.answer(request);
        }
        self.reads.unconfirmed.push_back(request);
        self.acknowledge_own_reads();
        // etcd sends a round for each read. One round for all reads between two readies proves as
        // much. It is not lost, either, if many reads have waited for the term's first commit.
        if self.flag(Flags::READ_AT_ONCE) && !self.outbox.is_crowded_by(self.peers.len()) {
            self.broadcast_heartbeat();
        } else {
            self.reads.round_due = true;
        }
    }

    /// Confirms all reads for the leader itself, since no peer sends the leader a heartbeat.
    pub fn acknowledge_own_reads(&mut self) {
        let (id, issued) = (self.id, self.reads.issued());
        if let Some(own) = self.peers.get_mut(id) {
            own.read_ack = issued;
        }
    }

    /// Starts the round that all reads since the last round share. Called with the next ready.
    pub fn start_read_round(&mut self) {
        if std::mem::take(&mut self.reads.round_due) && self.role == Role::Leader && !self.reads.unconfirmed.is_empty()
        {
            self.broadcast_heartbeat();
            // A leader that is the only voter of both halves of a joint configuration waits for
            // nobody.
            self.confirm_reads();
        }
    }

    pub fn on_read_ack(&mut self, at: usize, head: &Head, context: &[u8]) {
        let issued = self.reads.issued();
        let (position, tick) = match context.split_first_chunk::<8>() {
            Some((position, [])) => (u64::from_le_bytes(*position), 0),
            Some((position, tick)) if self.dates_heartbeats() => {
                (u64::from_le_bytes(*position), tick.try_into().map_or(u64::MAX, u64::from_le_bytes))
            }
            _ => (u64::MAX, 0),
        };
        if position > issued || tick > self.reads.now {
            return self.ignore(head, Reason::ReadContext);
        }
        let Some(peer) = self.peers.at_mut(at) else { return };
        peer.read_ack = peer.read_ack.max(position);
        peer.lease_tick = peer.lease_tick.max(tick);
        self.confirm_reads();
    }

    /// Answers the reads whose position a quorum has confirmed.
    pub fn confirm_reads(&mut self) {
        if self.reads.unconfirmed.is_empty() || self.conf.voters.is_empty() {
            return;
        }
        // As in `maybe_commit`, counting is cheaper than looking up and sorting.
        let confirmed = self.reads.confirmed;
        if self.peers.iter().filter(|peer| peer.read_ack > confirmed).count() <= self.conf.voters.len() / 2 {
            return;
        }
        let (voters, outgoing) = (self.conf.voters.as_slice(), self.conf.outgoing.as_slice());
        let acked = joint_committed(voters, outgoing, |id| self.peers.get(id).map(|peer| peer.read_ack));
        while self.reads.confirmed < acked {
            let Some(request) = self.reads.unconfirmed.pop_front() else { break };
            self.reads.confirmed += 1;
            self.answer(request);
        }
    }

    fn answer(&mut self, request: Request) {
        if request.from == NONE || request.from == self.id {
            if request.from == NONE {
                self.reads.add_answer(Read { token: request.token, index: request.index });
            } else {
                // The node forwarded its own request as a follower, and received the request as
                // leader. Such a context is short.
                self.take_answer(request.context.get(..request.context_len as usize).unwrap_or(&[]), request.index);
            }
        } else {
            let head = Head { index: request.index, ..self.head(MessageKind::ReadIndexResp, request.from) };
            if request.is_long() {
                let blobs = std::mem::take(&mut self.blobs);
                self.send_read(head, blobs.get(request.blob));
                self.blobs = blobs;
            } else {
                self.send_read(head, request.context.get(..request.context_len as usize).unwrap_or(&[]));
            }
        }
        self.forget_context(&request);
    }

    fn forget_context(&mut self, request: &Request) {
        if request.is_long() {
            self.blobs.free(request.blob);
        }
    }

    /// Fails this node's own reads after leadership is lost. Reads of peers time out at the peers.
    pub fn fail_led_reads(&mut self) {
        self.reads.confirmed = 0;
        self.reads.round_due = false;
        while let Some(request) = self.reads.pending.pop_front().or_else(|| self.reads.unconfirmed.pop_front()) {
            self.forget_context(&request);
            if request.from == NONE {
                self.tokens.drop_now(request.token, DropKind::Read, Reason::LeadershipLost);
                self.counters.reads_failed += 1;
            }
        }
    }

    // ---- elsewhere

    pub fn forward_read(&mut self, m: &MessageView<'_>) {
        let Some(entry) = m.entries.iter().next().filter(|_| self.leader != NONE) else {
            return self.ignore(&m.head, Reason::NoLeader);
        };
        let head = Head { kind: MessageKind::ReadIndex, to: self.leader, from: m.head.from, ..Head::default() };
        self.send_read(head, entry.data);
    }

    pub fn on_read_index_resp(&mut self, m: &MessageView<'_>) {
        let context = m.entries.iter().next().map_or(&[][..], |entry| entry.data);
        // An entry of the leader's term at the leader's commit index is the leader's own entry, and
        // committed. raft-rs takes the index, etcd's raft does not. Without commit broadcasts the
        // index saves a wait for the next heartbeat.
        let takes = self.config.dialect == Dialect::Eraftpb || !self.commit_broadcast;
        if takes && self.role == Role::Follower && self.log.term_at(m.head.index) == Some(m.head.term) {
            self.commit_to(m.head.index);
        }
        if !self.take_answer(context, m.head.index) {
            self.ignore(&m.head, Reason::LateReadAnswer);
        }
    }

    /// Takes an answer to a forwarded read. Returns `false` for an answer that is repeated or from
    /// before a restart [D-06].
    fn take_answer(&mut self, context: &[u8], index: Index) -> bool {
        let Some((nonce, counter)) = context.split_first_chunk::<8>() else { return false };
        let Ok(counter) = counter.try_into().map(u64::from_le_bytes) else { return false };
        if u64::from_le_bytes(*nonce) != self.reads.nonce {
            return false;
        }
        let Ok(at) = self.reads.forwarded.binary_search_by_key(&counter, |read| read.counter) else { return false };
        if let Some(read) = self.reads.forwarded.remove(at) {
            self.reads.add_answer(Read { token: read.token, index });
        }
        true
    }

    pub fn fail_forwarded_reads(&mut self, reason: Reason) {
        for read in self.reads.forwarded.drain(..) {
            self.tokens.drop_now(read.token, DropKind::Read, reason);
            self.counters.reads_failed += 1;
        }
    }

    // ---- time

    pub fn tick_reads(&mut self) {
        self.reads.now += 1;
        while self.reads.forwarded.front().is_some_and(|read| read.deadline <= self.reads.now) {
            if let Some(read) = self.reads.forwarded.pop_front() {
                self.tokens.drop_now(read.token, DropKind::Read, Reason::ReadTimeout);
                self.counters.reads_failed += 1;
            }
        }
    }

    pub fn reads_due(&self) -> u32 {
        let due =
            self.reads.forwarded.front().map_or(u64::MAX, |read| read.deadline - self.reads.now.min(read.deadline));
        u32::try_from(due).unwrap_or(u32::MAX)
    }
}
