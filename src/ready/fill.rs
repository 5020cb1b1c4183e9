//! How a batch is filled: first all the memory that it takes, so that nothing fails half-way, then what the node holds.

use crate::config::StorageMode;
use crate::error::{Error, Result};
use crate::outbox::{Fate, OWN_ROOM, OutMessage, Outbox};
use crate::raft::Raft;
use crate::raft::replication::lower_pin;
use crate::ready::{Batch, Mark, Shown, local, reads_bound, shown_state};
use crate::types::{EntryId, HardState, Index};
use crate::wire;

/// All the memory that filling needs, so that it can't fail half-way.
#[inline]
pub(crate) fn reserve(batch: &mut Batch, raft: &mut Raft, handed: Index) -> Result<()> {
    let (log, outbox) = (&raft.log, &raft.outbox);
    // What most batches hold has room, and they hold nothing else: a third of the instructions of looking at each list.
    let usual = (handed - log.handed) as usize <= batch.entries.capacity()
        && (log.commit - log.applying) as usize <= batch.committed.capacity()
        && (outbox.now.len() + outbox.after.len()) * MAX_FRAME_HEAD <= batch.heads.len()
        && outbox.now.len() + outbox.after.len() <= message_list(batch, outbox).capacity()
        && batch.own.capacity() >= OWN_ROOM
        && raft.tokens.waiting.is_empty()
        && raft.tokens.dropped.is_empty()
        && raft.reads.answers.is_empty()
        && !raft.reads.round_due
        && outbox.blobs.is_empty()
        && raft.config.storage != StorageMode::Messages;
    if usual { Ok(()) } else { reserve_any(batch, raft, handed) }
}

#[inline(never)]
fn reserve_any(batch: &mut Batch, raft: &mut Raft, handed: Index) -> Result<()> {
    let (outbox, tokens) = (&raft.outbox, raft.tokens.waiting.len());
    let messages_mode = raft.config.storage == StorageMode::Messages;
    let committed = (raft.log.commit - raft.log.applying).min(u64::from(raft.config.max_entries_per_ready)) as usize;
    let (heartbeats, reads) =
        if raft.reads.round_due { (raft.peers.len(), raft.reads.len()) } else { (0, raft.reads.answers.len()) };
    let need = Need {
        entries: (handed - raft.log.handed) as usize,
        committed,
        own: OWN_ROOM,
        reads,
        done: tokens.min(committed * 2),
        tokens,
        // They change places: what waits may be dropped before the next batch.
        dropped: tokens + raft.reads.len(),
        messages: outbox.now.len() + outbox.after.len() + heartbeats + 2,
        blobs: outbox.blobs.len() + usize::from(messages_mode),
    };
    let enough = batch.entries.capacity() >= need.entries
        && batch.committed.capacity() >= need.committed
        && batch.heads.len() >= need.messages * MAX_FRAME_HEAD
        && message_list(batch, outbox).capacity() >= need.messages
        && (heartbeats == 0 || outbox.now.capacity() >= need.messages)
        && batch.own.capacity() >= need.own
        && batch.reads.capacity() >= need.reads
        && batch.blobs.capacity() >= need.blobs
        && batch.done.capacity() >= need.done
        && batch.dropped.capacity() >= need.dropped
        && raft.tokens.dropped.capacity() - raft.tokens.dropped.len() >= tokens;
    if !enough {
        grow(batch, raft, &need)?;
    }
    if messages_mode { local::reserve(batch, raft) } else { Ok(()) }
}

/// The list that a batch's messages will be in.
#[inline]
fn message_list<'a>(batch: &'a Batch, outbox: &'a Outbox) -> &'a Vec<OutMessage> {
    if outbox.now.is_empty() { &batch.messages } else { &outbox.now }
}

/// How long the lists of a batch may become.
struct Need {
    entries: usize,
    committed: usize,
    own: usize,
    reads: usize,
    done: usize,
    tokens: usize,
    dropped: usize,
    messages: usize,
    blobs: usize,
}

#[cold]
fn grow(batch: &mut Batch, raft: &mut Raft, need: &Need) -> Result<()> {
    let room = [
        batch.entries.try_reserve(need.entries),
        batch.committed.try_reserve(need.committed),
        batch.own.try_reserve(need.own),
        batch.reads.try_reserve(need.reads),
        batch.done.try_reserve(need.done),
        batch.dropped.try_reserve(need.dropped),
        raft.tokens.dropped.try_reserve(need.tokens),
        batch.messages.try_reserve(need.messages),
        raft.outbox.now.try_reserve(need.messages - raft.outbox.now.len()),
        batch.reserve_heads(need.messages),
        batch.blobs.try_reserve(need.blobs),
    ];
    if room.iter().all(core::result::Result::is_ok) { Ok(()) } else { Err(Error::NoMem) }
}

/// Fills a batch, whose memory is reserved.
#[inline]
pub(crate) fn fill(batch: &mut Batch, raft: &mut Raft, shown: &mut Shown, handed: Index) {
    let cut = handed < raft.log.last();
    fill_state(batch, raft, shown, handed);
    if raft.log.commit > raft.log.applying {
        batch.span = raft.take_committed(handed);
    }
    if batch.span.last > 0 {
        if batch.span.resident {
            raft.log.copy_slots(batch.span.first, batch.span.last, &mut batch.committed);
        }
        if !raft.tokens.waiting.is_empty() {
            let log = &raft.log;
            raft.tokens.settle(batch.span.last, |index| log.term_at(index), &mut batch.done);
        }
    }
    if !raft.reads.answers.is_empty() {
        let bound = reads_bound(raft);
        while let Some(read) = raft.reads.pop_answer(bound) {
            batch.reads.push(read);
        }
    }
    if !raft.tokens.dropped.is_empty() {
        std::mem::swap(&mut batch.dropped, &mut raft.tokens.dropped);
    }
    batch.persisted = raft.config.storage == StorageMode::Messages;
    batch.applied = batch.span.last == 0 || batch.persisted;
    take_messages(batch, raft, cut);
}

/// What is to be stored, and what that proves.
#[inline]
fn fill_state(batch: &mut Batch, raft: &mut Raft, shown: &mut Shown, handed: Index) {
    let old = shown.state;
    batch.state = shown_state(raft, handed);
    let new_vote = batch.state.term != old.term || batch.state.vote != old.vote;
    batch.has_hard_state = (new_vote || batch.state.commit != old.commit) && batch.state != HardState::default();
    if batch.has_hard_state {
        shown.state = batch.state;
    }
    (batch.role, batch.leader) = (raft.role, raft.leader);
    batch.has_soft_state = (batch.role, batch.leader) != (shown.role, shown.leader);
    (shown.role, shown.leader) = (batch.role, batch.leader);

    batch.entries_first = raft.log.handed + 1;
    if handed > raft.log.handed {
        raft.log.copy_slots(batch.entries_first, handed, &mut batch.entries);
        raft.log.handed = handed;
    }
    if let Some(snapshot) = raft.log.snapshot.as_mut().filter(|snapshot| !snapshot.handed) {
        batch.snapshot = Some(*snapshot);
        snapshot.handed = true;
    }
    batch.must_sync = !batch.entries.is_empty() || batch.snapshot.is_some() || (batch.has_hard_state && new_vote);
    batch.mark = Mark { term: raft.term, last: None, snapshot: batch.snapshot.map_or(0, |snapshot| snapshot.id.index) };
    if raft.log.has_undurable() && handed > raft.log.durable {
        batch.mark.last = Some(EntryId { index: handed, term: raft.log.term_at(handed).unwrap_or(0) });
    }
}

#[inline]
fn take_messages(batch: &mut Batch, raft: &mut Raft, cut: bool) {
    let outbox = &mut raft.outbox;
    if outbox.idle > 0 {
        outbox.now.retain(|message| message.fate == Fate::Goes);
        outbox.idle = 0;
    }
    if !outbox.now.is_empty() {
        std::mem::swap(&mut batch.messages, &mut outbox.now);
    }
    // Where local work is put behind them, it is the box's lists that have room for it.
    let local_work = raft.config.storage == StorageMode::Messages;
    if !outbox.pieces.is_empty() || local_work {
        std::mem::swap(&mut batch.pieces, &mut outbox.pieces);
    }
    if !outbox.bytes.is_empty() || local_work {
        std::mem::swap(&mut batch.bytes, &mut outbox.bytes);
    }
    if !outbox.blobs.is_empty() {
        batch.blobs.append(&mut outbox.blobs);
    }
    raft.fetches.outbox_number += 1;
    if local_work {
        local::put_work(batch, raft, cut);
    } else if !cut {
        // Answers wait while entries that they may speak of are not in a batch yet.
        let outbox = &mut raft.outbox;
        if !outbox.own.is_empty() {
            std::mem::swap(&mut batch.own, &mut outbox.own);
        }
        // Not swapped: three lists in turn would each have to grow before none does any more.
        if !outbox.after.is_empty() {
            batch.messages.append(&mut outbox.after);
        }
    }
    let group = raft.config.group;
    for message in &mut batch.messages {
        encode_head(message, group, &mut batch.heads, &mut batch.heads_len);
    }
    let first = raft.log.blocks.first();
    batch.pin = raft.log.outbox_pin.take();
    for slots in [&batch.entries, &batch.committed] {
        if let Some(lowest) = slots.first() {
            batch.pin = lower_pin(batch.pin, lowest.place.block, first);
        }
    }
}

/// Longest encoded head: frame header, scalars, inline context.
pub(crate) const MAX_FRAME_HEAD: usize = 12 + wire::MAX_HEAD + 11 + 11 + crate::outbox::INLINE_CONTEXT;

/// Encodes a message's frame header and scalars at `len` of `heads`, where there is room for one.
#[inline]
fn encode_head(message: &mut OutMessage, group: u64, heads: &mut [u8], len: &mut usize) {
    let at = *len;
    let Some(place) = heads.get_mut(at..at + MAX_FRAME_HEAD) else { return };
    let Some((frame, scalars)) = place.split_first_chunk_mut::<12>() else { return };
    let scalars_len = wire::write_head(scalars, &message.head, message.context());
    wire::write_frame_header(frame, scalars_len as u32 + message.body_bytes, group);
    message.encoded = (at as u32, 12 + scalars_len as u32);
    *len = at + 12 + scalars_len;
}
