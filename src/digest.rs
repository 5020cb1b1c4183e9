//! The state of a node as a stream of numbers: nodes with equal streams behave equally from here
//! on.
//!
//! Left out: capacities, free lists, garbage, counters, the layout of blocks. Ids that only grow
//! (readies, fetches, read contexts) count relative to the oldest outstanding id.

use crate::config::Flags;
use crate::log::Slot;
use crate::outbox::OutMessage;
use crate::raft::Raft;
use crate::ready::{Batch, Readies, piece_bytes};
use crate::types::Role;

struct Stream<'a> {
    put: &'a mut dyn FnMut(u64),
}

impl Stream<'_> {
    fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|n| (self.put)(n));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        (self.put)(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            (self.put)(u64::from_le_bytes(word));
        }
    }

    /// Like `bytes`, for bytes in several parts. The ends of the parts depend on blocks, and make
    /// no difference.
    fn parts<'a>(&mut self, mut parts: impl Iterator<Item = &'a [u8]> + Clone) {
        let all = parts.clone();
        if let (Some(whole), None) = (parts.next(), parts.next()) {
            return self.bytes(whole);
        }
        let parts = all;
        (self.put)(parts.clone().map(<[u8]>::len).sum::<usize>() as u64);
        let (mut word, mut filled) = ([0; 8], 0);
        for &byte in parts.flatten() {
            word.iter_mut().skip(filled).take(1).for_each(|place| *place = byte);
            filled += 1;
            if filled == 8 {
                (self.put)(u64::from_le_bytes(word));
                (word, filled) = ([0; 8], 0);
            }
        }
        if filled > 0 {
            (self.put)(u64::from_le_bytes(word));
        }
    }
}

/// A number for the whole.
pub(crate) fn of(raft: &Raft, readies: &Readies, with_random: bool) -> u64 {
    let mut state = 0x243f_6a88_85a3_08d3u64;
    walk(raft, readies, with_random, &mut |n| {
        state = (state ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state ^= state >> 29;
    });
    state
}

/// Returns whether two nodes are in equal states.
pub(crate) fn same(a: &Raft, a_readies: &Readies, b: &Raft, b_readies: &Readies) -> bool {
    let mut stream = Vec::new();
    walk(a, a_readies, false, &mut |n| stream.push(n));
    let (mut at, mut equal) = (0, true);
    walk(b, b_readies, false, &mut |n| {
        equal &= stream.get(at) == Some(&n);
        at += 1;
    });
    equal && at == stream.len()
}

fn walk(raft: &Raft, readies: &Readies, with_random: bool, put: &mut dyn FnMut(u64)) {
    let mut out = Stream { put };
    out.numbers([raft.id, raft.role as u64, raft.term, raft.vote, raft.leader]);
    let timers = &raft.timers;
    out.numbers([timers.election_elapsed, timers.heartbeat_elapsed, timers.leaderless, timers.fence].map(u64::from));
    out.numbers([u64::from(raft.election.led_term == raft.term)]);
    if raft.config.own_write_timeout_ticks > 0 && raft.role == Role::Leader {
        out.numbers([timers.own_write.into(), timers.own_durable]);
    }
    if raft.flag(Flags::LEASE_READS) {
        out.numbers([u64::from(timers.lease)]);
    }
    if with_random {
        let reads = &raft.reads;
        out.numbers([u64::from(timers.election_timeout), raft.rng.state(), reads.nonce, reads.counter]);
    }
    log(raft, &mut out);
    own_log(raft, &mut out);
    members(raft, &mut out);
    waiting(raft, &mut out);
    out.numbers([raft.outbox.now.len() as u64, raft.outbox.after.len() as u64]);
    out.numbers(raft.outbox.own.iter().flat_map(|own| [own.kind as u64, own.term, own.index]));
    // A message not returned yet counts with the bytes that the message will have in its ready.
    let unsent = Batch::default();
    for message in raft.outbox.now.iter().chain(&raft.outbox.after) {
        scalars(message, &mut out);
        let pieces = raft.outbox.pieces.get(message.pieces.0 as usize..message.pieces.1 as usize).unwrap_or(&[]);
        out.parts(pieces.iter().map(|piece| match piece.source {
            crate::outbox::Source::Own => {
                let at = piece.place.offset as usize;
                raft.outbox.bytes.get(at..at + piece.place.len as usize).unwrap_or(&[])
            }
            _ => piece_bytes(raft, &unsent, piece),
        }));
    }
    outstanding(raft, readies, &mut out);
}

fn log(raft: &Raft, out: &mut Stream<'_>) {
    let log = &raft.log;
    let before = log.terms.before();
    out.numbers([
        before.term,
        before.index,
        log.last(),
        log.commit,
        log.applied,
        log.applying,
        log.handed,
        log.durable,
    ]);
    out.numbers(log.terms.runs().iter().flat_map(|run| [run.first, run.term]));
    out.numbers(log.changes().iter().flat_map(|&index| [index, u64::from(index <= raft.reconfig.done)]));
    out.numbers([log.recent_first()]);
    slots(raft, log.slots(log.recent_first(), log.last()).into_iter().flatten(), out);
    if let Some(snapshot) = log.snapshot {
        out.numbers([snapshot.id.term, snapshot.id.index, u64::from(snapshot.handed)]);
        if !snapshot.handed {
            out.bytes(raft.blobs.get(snapshot.blob));
        }
    }
}

fn slots<'a>(raft: &Raft, slots: impl Iterator<Item = &'a Slot>, out: &mut Stream<'_>) {
    for slot in slots {
        let entry = raft.log.read(slot, 0);
        out.numbers([entry.term, entry.kind as u64]);
        out.bytes(entry.data);
        if !entry.context.is_empty() {
            out.bytes(entry.context);
        }
    }
}

/// Fetches of the node's own log, and their supplies.
fn own_log(raft: &Raft, out: &mut Stream<'_>) {
    let own = &raft.own_log;
    let age = if own.ask == 0 { u64::MAX } else { raft.fetches.last_id - own.ask };
    out.numbers([raft.awaited_entry(), age, own.later.into(), own.ticks.into()]);
    if let Some(supply) = &own.supply {
        out.numbers([supply.first, supply.slots.len() as u64]);
        out.bytes(raft.blobs.get(supply.blob));
    }
}

fn members(raft: &Raft, out: &mut Stream<'_>) {
    let conf = &raft.conf;
    for set in [&conf.voters, &conf.outgoing, &conf.learners, &conf.learners_next] {
        out.numbers([set.len() as u64]);
        out.numbers(set.as_slice().iter().copied());
    }
    out.numbers([u64::from(conf.auto_leave)]);
    for peer in raft.peers.iter() {
        let vote = peer.vote.map_or(2, u64::from);
        let (max_msgs, max_bytes) = peer.window.limits();
        out.numbers([peer.id, peer.is_learner.into(), vote, max_msgs, max_bytes, peer.group]);
        if raft.role != Role::Leader {
            // A former leader forgets its view of the peers before the view matters again.
            continue;
        }
        out.numbers([
            peer.id,
            peer.matched,
            peer.next,
            peer.sent_commit,
            peer.flow as u64,
            peer.pending_snapshot,
            vote,
        ]);
        out.numbers([peer.recent_active, peer.paused, peer.is_learner, peer.ask_later, peer.deferred].map(u64::from));
        out.numbers([
            peer.read_ack.saturating_sub(raft.reads.confirmed),
            reads_age(raft, peer.lease_tick),
            u64::from(peer.silent_ticks),
            u64::from(peer.snapshot_ticks),
            peer.wants_snapshot,
            peer.commit,
        ]);
        out.numbers(peer.window.iter().flat_map(|(index, bytes)| [index, bytes]));
        if let Some(ask) = peer.ask {
            let age = raft.fetches.last_id - ask.id;
            out.numbers([age, ask.first, ask.last, ask.snapshot.into(), ask.told.into(), ask.drain.into()]);
        }
    }
}

/// How long ago a tick was; ticks count from the boot.
fn reads_age(raft: &Raft, tick: u64) -> u64 {
    if tick == 0 { u64::MAX } else { raft.reads.now - tick }
}

fn waiting(raft: &Raft, out: &mut Stream<'_>) {
    out.numbers([raft.proposals.uncommitted, raft.apply.bytes, raft.apply.paused.into()]);
    out.numbers([raft.transfer.target, raft.commit_broadcast.into()]);
    out.numbers([raft.wanted.open.into(), raft.wanted.ticks.into()]);
    let reconfig = &raft.reconfig;
    out.numbers([
        reconfig.pending_index,
        reconfig.retire_at,
        reconfig.uncounted.into(),
        raft.election.electable.into(),
    ]);
    if raft.role == Role::Leader {
        out.numbers([raft.transfer.lease_given_up, raft.apply.told_ready].map(u64::from));
    }
    out.numbers([i64::from(raft.election.priority) as u64]);
    out.numbers(raft.tokens.waiting.iter().flat_map(|w| [w.index, w.term, w.token]));
    out.numbers(raft.tokens.dropped.iter().flat_map(|d| [d.token, d.what as u64, d.reason as u64]));
    let reads = &raft.reads;
    out.numbers([u64::from(reads.round_due)]);
    for request in reads.pending.iter().chain(&reads.unconfirmed) {
        out.numbers([request.from, request.token, request.index]);
        out.bytes(request.context(&raft.blobs));
    }
    out.numbers(reads.forwarded.iter().flat_map(|f| [f.token, f.deadline - reads.now.min(f.deadline)]));
    out.numbers(reads.answers.iter().flat_map(|r| [r.token, r.index]));
}

fn scalars(message: &OutMessage, out: &mut Stream<'_>) {
    let head = &message.head();
    out.numbers([head.kind as u64, head.to, head.from, head.term, head.log_term, head.index, head.commit]);
    out.numbers([
        head.priority as u64,
        head.reject.into(),
        head.reject_hint,
        head.vote,
        message.after.into(),
        message.fate as u64,
    ]);
    out.bytes(message.context());
}

fn outstanding(raft: &Raft, readies: &Readies, out: &mut Stream<'_>) {
    let shown = readies.shown;
    out.numbers([shown.state.term, shown.state.vote, shown.state.commit, shown.role as u64, shown.leader]);
    out.numbers([readies.len() as u64]);
    for batch in readies.iter() {
        let mark = batch.mark.last.unwrap_or_default();
        out.numbers([readies.last_number - batch.number, batch.mark.term, mark.term, mark.index, batch.mark.snapshot]);
        out.numbers([batch.persisted, batch.applied, batch.released].map(u64::from));
        out.numbers([batch.span.first, batch.span.last, batch.span.bytes, batch.span.payload]);
        out.numbers(batch.own.iter().flat_map(|own| [own.kind as u64, own.term, own.index]));
        if batch.released {
            continue;
        }
        out.numbers([batch.entries_first, batch.state.term, batch.state.vote, batch.state.commit]);
        out.numbers([batch.has_hard_state, batch.must_sync, batch.has_soft_state].map(u64::from));
        slots(raft, batch.entries.iter(), out);
        match batch.span.blob {
            Some(blob) => out.bytes(raft.blobs.get(blob)),
            None => slots(raft, batch.committed.iter(), out),
        }
        for message in &batch.messages {
            scalars(message, out);
            let pieces = batch.pieces.get(message.pieces.0 as usize..message.pieces.1 as usize).unwrap_or(&[]);
            out.parts(pieces.iter().map(|piece| piece_bytes(raft, batch, piece)));
        }
        out.numbers(batch.rare.reads.iter().flat_map(|read| [read.token, read.index]));
        out.numbers(batch.rare.dropped.iter().flat_map(|d| [d.token, d.what as u64]));
        out.numbers(batch.done.iter().flat_map(|d| [d.token, d.index]));
    }
}
