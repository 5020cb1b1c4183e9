//! Proposals. A leader appends them; a follower forwards them to the leader.
//!
//! A proposal is refused with a reason, never dropped silently.
//!
//! Invariants: `uncommitted` counts the payload of a leader's entries that were not returned to be
//! applied, and is 0 after a change of term [L-11]. A refused proposal leaves no token and no
//! pending change [M-10].
//!
//! Sources: paper §5.3; diss. §6.2 (forwarding); etcd-raft's limit of uncommitted entries.

use super::Raft;
use crate::config::Flags;
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::log::blocks::{Blocks, Place};
use crate::outbox::{OutMessage, Piece, Source};
use crate::raft::replication::lower_pin;
use crate::raft::tokens::DropKind;
use crate::types::{EntryKind, EntryRef, MessageKind, NONE, NodeId, Role, Term};
use crate::wire::{self, Head, MessageView};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Proposals {
    /// Payload of a leader's entries above `applying`, bytes.
    pub uncommitted: u64,
}

impl Raft {
    // ---- by the host

    /// Proposes entries of a single kind: the whole list or nothing. `entries` yields the parts,
    /// length and token of each entry.
    pub fn propose<'a, P>(
        &mut self,
        kind: EntryKind,
        entries: impl Iterator<Item = (P, usize, u64)> + Clone,
    ) -> Result<()>
    where
        P: Iterator<Item = &'a [u8]>,
    {
        let outcome = self.try_propose(kind, entries);
        if outcome.is_err() {
            self.counters.proposals_refused += 1;
        }
        outcome
    }

    /// Proposes an entry with a context, which only eraftpb has.
    pub fn propose_with_context(&mut self, kind: EntryKind, (context, data): (&[u8], &[u8]), token: u64) -> Result<()> {
        let entry = EntryRef { kind, data, context, ..EntryRef::default() };
        let outcome = self.try_propose_entry(&entry, token);
        if outcome.is_err() {
            self.counters.proposals_refused += 1;
        }
        outcome
    }

    fn try_propose_entry(&mut self, entry: &EntryRef<'_>, token: u64) -> Result<()> {
        if !self.log.contexts {
            self.detail.set(format_args!("an entry has a context only in the dialect eraftpb"));
            return Err(Error::Unsupported);
        }
        let (record, limit) = (wire::full_record_len(entry), self.config.entry_limit());
        let len = entry.data.len().saturating_add(entry.context.len());
        if len as u64 > limit {
            self.detail.set(format_args!(
                "entry of {len} bytes, at most {limit} are taken (max_entry_bytes, half of recent_bytes)"
            ));
            return Err(Error::TooLarge);
        }
        self.tokens.reserve(usize::from(token != 0), self.reads.len(), self.config.max_tokens).inspect_err(|_| {
            self.detail.set(format_args!("max_tokens ({}) proposals are waiting", self.config.max_tokens));
        })?;
        if self.role != Role::Leader {
            self.check_forwards()?;
            self.send_forwarded(self.id, record, 1, |out| {
                let (mut head, mut field) = ([0; wire::MAX_RECORD_HEAD], [0; 11]);
                let (head_len, field_len) = wire::write_context_heads(&mut head, &mut field, entry);
                let heads = (head.get(..head_len).unwrap_or(&[]), field.get(..field_len).unwrap_or(&[]));
                [heads.0, entry.data, heads.1, entry.context].iter().for_each(|part| _ = out.append(part));
            })?;
            if token != 0 {
                self.tokens.drop_now(token, DropKind::Unknown, Reason::Forwarded);
            }
            return Ok(());
        }
        self.check_leads()?;
        let pending = self.reconfig.pending_index;
        if entry.kind.is_change() {
            self.check_change(entry.kind, entry.data)?;
        }
        let payload = wire::payload_len(entry) as u64;
        self.check_uncommitted(payload)?;
        if entry.kind.is_change() {
            self.reconfig.pending_index = self.log.last() + 1;
        }
        let appended = self.log.append_entry(&EntryRef { term: self.term, ..*entry });
        appended.inspect_err(|_| self.reconfig.pending_index = pending)?;
        if token != 0 {
            self.tokens.add(self.log.last(), self.term, token);
        }
        self.proposals.uncommitted += payload;
        self.acknowledge_own();
        self.broadcast_append();
        Ok(())
    }

    fn is_change(&self, kind: EntryKind, data: &[u8]) -> bool {
        wire::parse_change(self.config.dialect, kind, data).is_ok()
    }

    fn try_propose<'a, P>(
        &mut self,
        kind: EntryKind,
        entries: impl Iterator<Item = (P, usize, u64)> + Clone,
    ) -> Result<()>
    where
        P: Iterator<Item = &'a [u8]>,
    {
        let (mut count, mut payload, mut with_token, mut longest) = (0usize, 0u64, 0usize, 0usize);
        for (_, len, token) in entries.clone() {
            count += 1;
            payload += len as u64;
            with_token += usize::from(token != 0);
            longest = longest.max(len);
        }
        if count == 0 {
            return Ok(());
        }
        let limit = self.config.entry_limit();
        if longest as u64 > limit {
            self.detail.set(format_args!(
                "entry of {longest} bytes, at most {limit} are taken (max_entry_bytes, half of recent_bytes)"
            ));
            return Err(Error::TooLarge);
        }
        self.tokens.reserve(with_token, self.reads.len(), self.config.max_tokens).inspect_err(|_| {
            self.detail.set(format_args!("max_tokens ({}) proposals are waiting", self.config.max_tokens));
        })?;
        if self.role == Role::Leader {
            self.check_leads()?;
            self.check_uncommitted(payload)?;
            let first = self.log.last() + 1;
            self.append_proposed(kind, entries.clone().map(|(parts, len, _)| (parts, len)), count, payload)?;
            if with_token > 0 {
                entries.zip(first..).for_each(|((_, _, token), index)| self.tokens.add(index, self.term, token));
            }
            self.proposals.uncommitted += payload;
            self.acknowledge_own();
            self.broadcast_append();
            return Ok(());
        }
        self.check_forwards()?;
        self.forward_proposed(kind, entries)
    }

    /// Checks that the leader takes proposals now.
    #[inline]
    fn check_leads(&mut self) -> Result<()> {
        let leads_on = self.transfer.target == NONE
            && self.reconfig.retire_at == 0
            && self.peers.get(self.id).is_some()
            && !self.flag(Flags::LEASED_PROPOSALS);
        if leads_on { Ok(()) } else { self.check_leads_still() }
    }

    #[cold]
    fn check_leads_still(&mut self) -> Result<()> {
        if self.transfer.target != NONE {
            let (to, term) = (self.transfer.target, self.term);
            self.detail.set(format_args!("leadership of term {term} is being transferred to {to}: retry later"));
            return Err(Error::NoLeader);
        }
        if self.peers.get(self.id).is_none() || self.reconfig.retire_at > 0 {
            self.detail
                .set(format_args!("node {} leads but was removed from the configuration: retry at another", self.id));
            return Err(Error::NoLeader);
        }
        if self.flag(Flags::LEASED_PROPOSALS) && !self.has_lease() && !self.conf.is_singleton() {
            self.detail.set(format_args!(
                "node {} leads in term {} without a lease: no quorum has answered lately, retry later",
                self.id, self.term
            ));
            return Err(Error::NoLeader);
        }
        Ok(())
    }

    /// Checks the leadership of `term`.
    pub fn check_term(&mut self, term: Term) -> Result<()> {
        if self.role == Role::Leader && self.term == term {
            return Ok(());
        }
        let (own, leader) = (self.term, self.leader);
        self.detail.set(format_args!(
            "this node does not lead in term {term}: its term is {own}, its leader {leader} (0: none known)"
        ));
        Err(if leader == NONE || leader == self.id { Error::NoLeader } else { Error::NotLeader })
    }

    fn check_uncommitted(&mut self, payload: u64) -> Result<()> {
        let (have, max) = (self.proposals.uncommitted, self.config.max_uncommitted_size);
        if have > 0 && payload > 0 && have.saturating_add(payload) > max {
            self.detail
                .set(format_args!("{have} bytes are uncommitted, {payload} more pass max_uncommitted_size ({max})"));
            return Err(Error::Full);
        }
        Ok(())
    }

    fn check_forwards(&mut self) -> Result<()> {
        let (leader, term) = (self.leader, self.term);
        if self.role != Role::Follower || leader == NONE {
            self.detail.set(format_args!("no leader is known in term {term}: retry later"));
            return Err(Error::NoLeader);
        }
        if !self.flag(Flags::FORWARDING) {
            self.detail.set(format_args!("node {leader} leads in term {term}, not this one: propose there"));
            return Err(Error::NotLeader);
        }
        Ok(())
    }

    fn append_proposed<'a, P: Iterator<Item = &'a [u8]>>(
        &mut self,
        kind: EntryKind,
        entries: impl Iterator<Item = (P, usize)> + Clone,
        count: usize,
        payload: u64,
    ) -> Result<()> {
        self.log.append_all(self.term, kind, entries, count, payload).inspect_err(|&error| {
            let limit = self.config.recent_bytes;
            if error == Error::Full {
                self.detail.set(format_args!("recent_bytes ({limit}) is full of entries not durable yet"));
            }
        })
    }

    /// Appends the empty entry with which a leader commits the entries of earlier terms (paper
    /// §5.4.2, §8).
    pub fn append_first_of_term(&mut self) {
        if self.log.append(self.term, EntryKind::Normal, std::iter::empty(), 0).is_err() {
            // A leader without its first entry could commit nothing, so the node steps down.
            self.event(EventKind::MessageLost, Reason::LogFull, 0, 0, 0, 0);
            return self.become_follower(self.term, NONE, Reason::LogFull);
        }
        self.acknowledge_own();
    }

    // ---- at the leader

    pub fn on_forwarded_proposal(&mut self, m: &MessageView<'_>) -> Result<()> {
        let outcome = self.take_forwarded(m);
        if let Err(error) = outcome {
            let full = matches!(error, Error::Full | Error::NoMem);
            let reason = if full { Reason::ForwardedFull } else { Reason::ForwardedConf };
            self.counters.proposals_refused += 1;
            self.event(
                EventKind::ProposalRefused,
                reason,
                m.head.from,
                0,
                m.entries.len() as u64,
                error.code().unsigned_abs().into(),
            );
        }
        outcome
    }

    fn take_forwarded(&mut self, m: &MessageView<'_>) -> Result<()> {
        self.check_leads()?;
        if m.entries.iter().any(|entry| entry.payload_len() as u64 > self.config.entry_limit()) {
            self.detail.set(format_args!("a forwarded entry passes max_entry_bytes ({})", self.config.max_entry_bytes));
            return Err(Error::Full);
        }
        let contexts = self.log.contexts && m.entries.has_contexts();
        if !m.entries.has_changes() && !contexts {
            self.check_uncommitted(m.entries.payload_bytes())?;
            let entries = m.entries.iter().map(|entry| (std::iter::once(entry.data), entry.data.len()));
            self.append_proposed(EntryKind::Normal, entries, m.entries.len(), m.entries.payload_bytes())?;
            self.proposals.uncommitted += m.entries.payload_bytes();
        } else {
            self.append_one_by_one(m)?;
        }
        self.acknowledge_own();
        self.broadcast_append();
        Ok(())
    }

    /// Appends a message with changes or contexts among the entries: the whole message or nothing.
    /// With the flag REFUSED_CONF_AS_EMPTY, a refused change becomes an empty entry, as in etcd.
    fn append_one_by_one(&mut self, m: &MessageView<'_>) -> Result<()> {
        let (term, last, pending) = (self.term, self.log.last(), self.reconfig.pending_index);
        let payload = self.check_all_changes(m)?;
        self.check_uncommitted(payload)?;
        for entry in m.entries.iter() {
            let (mut kind, mut data, mut context) = (entry.kind, entry.data, entry.context);
            let mut outcome = Ok(());
            if kind.is_change() {
                outcome = self.check_change(kind, data);
                if outcome.is_err() && self.flag(Flags::REFUSED_CONF_AS_EMPTY) && self.is_change(kind, data) {
                    (kind, data, context, outcome) = (EntryKind::Normal, &[], &[], Ok(()));
                } else {
                    self.reconfig.pending_index = self.log.last() + 1;
                }
            }
            let entry = EntryRef { term, kind, data, context, ..EntryRef::default() };
            outcome = outcome.and_then(|()| self.log.append_entry(&entry));
            if let Err(error) = outcome {
                self.log.truncate_from(last + 1);
                self.reconfig.pending_index = pending;
                return Err(error);
            }
        }
        self.proposals.uncommitted += payload;
        Ok(())
    }

    /// Checks all changes of a message before anything is appended. Only the first change can pass;
    /// a pending change blocks the rest. Returns the payload that counts. An empty entry in place
    /// of a refused change has no payload.
    fn check_all_changes(&mut self, m: &MessageView<'_>) -> Result<u64> {
        let (as_empty, pending) = (self.flag(Flags::REFUSED_CONF_AS_EMPTY), self.reconfig.pending_index);
        let mut outcome = Ok(0);
        for entry in m.entries.iter() {
            let (kind, data) = (entry.kind, entry.data);
            let checked = if kind.is_change() && outcome.is_ok() { self.check_change(kind, data) } else { Ok(()) };
            if checked.is_err() && as_empty && self.is_change(kind, data) {
                continue;
            }
            let len = if self.log.contexts { entry.payload_len() } else { data.len() };
            outcome = outcome.and_then(|payload| checked.map(|()| payload + len as u64));
            if kind.is_change() {
                self.reconfig.pending_index = self.log.last() + 1;
            }
        }
        self.reconfig.pending_index = pending;
        outcome
    }

    /// Proposes a change of membership. A leader checks the change and appends it like an entry.
    pub fn propose_change(&mut self, kind: EntryKind, data: &[u8], token: u64) -> Result<()> {
        let entry = |data| std::iter::once((std::iter::once(data), <[u8]>::len(data), token));
        if self.role != Role::Leader {
            return self.propose(kind, entry(data));
        }
        if let Err(error) = self.check_leads().and_then(|()| self.check_change(kind, data)) {
            if self.flag(Flags::REFUSED_CONF_AS_EMPTY) && matches!(error, Error::Conf | Error::ConfBusy) {
                return self.propose(EntryKind::Normal, entry(&[]));
            }
            self.counters.proposals_refused += 1;
            return Err(error);
        }
        let index = self.log.last() + 1;
        let before = std::mem::replace(&mut self.reconfig.pending_index, index);
        self.propose(kind, entry(data)).inspect_err(|_| self.reconfig.pending_index = before)
    }

    // ---- elsewhere

    /// Forwards the host's proposals. Their outcome shows only when entries are applied, so the
    /// tokens come back at once as unknown.
    fn forward_proposed<'a, P>(
        &mut self,
        kind: EntryKind,
        entries: impl Iterator<Item = (P, usize, u64)> + Clone,
    ) -> Result<()>
    where
        P: Iterator<Item = &'a [u8]>,
    {
        let max = self.config.max_size_per_msg;
        let mut lens = entries.clone().map(|(_, len, _)| wire::record_len(0, 0, kind, len)).peekable();
        let (mut sent, mut start) = (0, 0);
        // A single message could exceed the leader's frame limit.
        while lens.peek().is_some() {
            let (mut total, mut count) = (0, 0);
            while let Some(&len) = lens.peek() {
                if count > 0 && (total + len) as u64 > max {
                    break;
                }
                lens.next();
                total += len;
                count += 1;
            }
            let (id, group) = (self.id, entries.clone().skip(start).take(count));
            let outcome = self.send_forwarded(id, total, count, |out| {
                for (parts, len, _) in group {
                    let mut head = [0; wire::MAX_RECORD_HEAD];
                    let head_len = wire::write_record_head(&mut head, 0, 0, kind, len);
                    out.append(head.get(..head_len).unwrap_or(&[]));
                    parts.for_each(|part| _ = out.append(part));
                }
            });
            match outcome {
                Err(error) if sent == 0 => return Err(error),
                // The rest is lost, as any message may be. All outcomes are unknown.
                Err(_) => break,
                Ok(()) => (sent, start) = (sent + 1, start + count),
            }
        }
        let tokens = entries.map(|(_, _, token)| token);
        for token in tokens.filter(|&token| token != 0) {
            self.tokens.drop_now(token, DropKind::Unknown, Reason::Forwarded);
        }
        Ok(())
    }

    pub fn forward_proposal(&mut self, m: &MessageView<'_>) -> Result<()> {
        self.check_forwards()?;
        let total = m.entries.iter().map(|entry| entry.record.len()).sum();
        self.send_forwarded(m.head.from, total, m.entries.len(), |out| {
            m.entries.iter().for_each(|entry| _ = out.append(entry.record));
        })
    }

    /// Sends forwarded entries. The bytes lie in the blocks of the recent log until their ready is
    /// finished, so forwarding needs no buffer.
    fn send_forwarded(
        &mut self,
        from: NodeId,
        total: usize,
        count: usize,
        fill: impl FnOnce(&mut Blocks),
    ) -> Result<()> {
        if self.outbox.is_crowded() {
            self.detail.set(format_args!("max_messages ({}) are waiting in one ready", self.config.max_messages));
            return Err(Error::Full);
        }
        self.log.make_room(total)?;
        let (block, at) = self.log.blocks.next().ok_or(Error::NoMem)?;
        let place = Place { block, offset: at as u32, len: total as u32 };
        fill(&mut self.log.blocks);
        self.log.outbox_pin = lower_pin(self.log.outbox_pin, block, self.log.blocks.first());
        let first_piece = self.outbox.begin_body();
        self.outbox.push_piece(Piece { source: Source::Log, place })?;
        let head = Head { kind: MessageKind::Prop, to: self.leader, from, ..Head::default() };
        let mut message = OutMessage::new(head);
        message.pieces = (first_piece, first_piece + 1);
        message.body_bytes = total as u32;
        message.n_entries = count as u32;
        self.send(message);
        Ok(())
    }
}
