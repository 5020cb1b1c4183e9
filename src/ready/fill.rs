//! Fills a ready. First reserves the memory, so that nothing fails half-way, then takes the content
//! from the node.

use crate::config::StorageMode;
use crate::error::{Error, Result};
use crate::outbox::{Fate, OWN_ROOM, OutMessage, Outbox};
use crate::raft::Raft;
use crate::raft::apply::Span;
use crate::raft::replication::lower_pin;
use crate::ready::{Batch, Mark, Shown, local, reads_bound, shown_commit, shown_state};
use crate::types::{Dialect, EntryId, HardState, Index};
use crate::wire;

/// True if the next ready can hold only state, entries and short messages, as most readies do. The
/// fast path then skips the other lists.
#[inline(always)]
pub(crate) fn is_quiet(raft: &Raft) -> bool {
    let (outbox, tokens) = (&raft.outbox, &raft.tokens);
    debug_assert!(outbox.unencoded > 0 || outbox.blobs.is_empty() && outbox.idle == 0 && raft.own_log.supply.is_none());
    let more = outbox.unencoded | tokens.dropped.len() | raft.reads.answers.len();
    more == 0 && !raft.reads.round_due && raft.log.snapshot.is_none() && raft.config.storage != StorageMode::Messages
}

/// True if a quiet batch has enough memory for the next ready.
#[inline(always)]
pub(crate) fn has_room(batch: &Batch, raft: &Raft, handed: Index) -> bool {
    let (log, outbox) = (&raft.log, &raft.outbox);
    let messages = outbox.now.len() + outbox.after.len();
    let committed = (log.commit - log.applying) as usize;
    (handed - log.handed) as usize <= batch.entries.capacity()
        && committed <= batch.committed.capacity()
        && raft.tokens.waiting.len().min(2 * committed) <= batch.done.capacity()
        && (raft.tokens.waiting.is_empty()
            || raft.tokens.waiting.len() + raft.reads.len() <= batch.rare.dropped.capacity())
        && messages <= message_list(batch, outbox).capacity()
        && batch.own.capacity() >= OWN_ROOM
}

/// Reserves the memory for the next ready, so that filling cannot fail half-way.
#[inline(never)]
pub(crate) fn reserve(batch: &mut Batch, raft: &mut Raft, handed: Index) -> Result<()> {
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
        // The two lists are swapped: waiting tokens may be dropped before the next ready.
        dropped: tokens + raft.reads.len(),
        messages: outbox.now.len() + outbox.after.len() + heartbeats + 2,
        blobs: outbox.blobs.len() + usize::from(messages_mode) + usize::from(raft.own_log.supply.is_some()),
    };
    let enough = batch.entries.capacity() >= need.entries
        && batch.committed.capacity() >= need.committed
        && batch.heads.len() >= need.messages * MAX_FRAME_HEAD
        && message_list(batch, outbox).capacity() >= need.messages
        && (heartbeats == 0 || outbox.now.capacity() >= need.messages)
        && batch.own.capacity() >= need.own
        && batch.rare.reads.capacity() >= need.reads
        && batch.rare.blobs.capacity() >= need.blobs
        && batch.done.capacity() >= need.done
        && batch.rare.dropped.capacity() >= need.dropped
        && raft.tokens.dropped.capacity() - raft.tokens.dropped.len() >= tokens;
    if !enough {
        grow(batch, raft, &need)?;
    }
    if messages_mode { local::reserve(batch, raft) } else { Ok(()) }
}

/// Returns the list that will become the batch's messages.
#[inline]
fn message_list<'a>(batch: &'a Batch, outbox: &'a Outbox) -> &'a Vec<OutMessage> {
    if outbox.now.is_empty() { &batch.messages } else { &outbox.now }
}

/// The lengths that the lists of a batch may reach.
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
        batch.rare.reads.try_reserve(need.reads),
        batch.done.try_reserve(need.done),
        batch.rare.dropped.try_reserve(need.dropped),
        raft.tokens.dropped.try_reserve(need.tokens),
        batch.messages.try_reserve(need.messages),
        raft.outbox.now.try_reserve(need.messages - raft.outbox.now.len()),
        batch.reserve_heads(need.messages),
        batch.rare.blobs.try_reserve(need.blobs),
    ];
    if room.iter().all(core::result::Result::is_ok) {
        return Ok(());
    }
    raft.detail.set(format_args!("no memory for the next ready: it comes with a later call"));
    Err(Error::NoMem)
}

/// Fills an empty batch with reserved memory. `QUIET`: see [`is_quiet`].
#[inline(always)]
pub(crate) fn fill<const QUIET: bool>(batch: &mut Batch, raft: &mut Raft, shown: &mut Shown, handed: Index) {
    let cut = handed < raft.log.last();
    fill_state(batch, raft, shown, handed);
    batch.span = Span::default();
    if raft.log.commit > raft.log.applying {
        raft.take_committed(handed, &mut batch.span, &mut batch.committed);
        if batch.span.last > 0 && !raft.tokens.waiting.is_empty() {
            let terms = &raft.log.terms;
            raft.tokens.settle(batch.span.last, |index| terms.at(index), &mut batch.done);
        }
    }
    batch.persisted = !QUIET && raft.config.storage == StorageMode::Messages;
    batch.applied = batch.span.last == 0 || batch.persisted;
    batch.released = false;
    if !QUIET {
        fill_more(batch, raft);
    } else if !raft.tokens.dropped.is_empty() {
        // Tokens of entries that were overwritten.
        std::mem::swap(&mut batch.rare.dropped, &mut raft.tokens.dropped);
    }
    take_messages::<QUIET>(batch, raft, cut);
    batch.pin = lowest_block::<QUIET>(batch, raft);
}

/// Fills the state and entries to store, except for a snapshot, and the mark.
#[inline(always)]
fn fill_state(batch: &mut Batch, raft: &mut Raft, shown: &mut Shown, handed: Index) {
    let commit = shown_commit(raft, handed);
    batch.state.commit = commit;
    let new_vote = fill_who(batch, raft, shown);
    batch.has_hard_state = new_vote || commit != shown.state.commit;
    shown.state = batch.state;

    batch.entries_first = raft.log.handed + 1;
    if handed > raft.log.handed {
        raft.log.copy_slots(batch.entries_first, handed, &mut batch.entries);
        raft.log.handed = handed;
    }
    batch.must_sync = !batch.entries.is_empty() || (batch.has_hard_state && new_vote);
    batch.mark = Mark { term: raft.term, last: None, snapshot: 0 };
    if let Some(newest) = batch.entries.last() {
        batch.mark.last = Some(EntryId { index: handed, term: newest.term });
    } else if handed > raft.log.durable {
        batch.mark.last = Some(EntryId { index: handed, term: raft.log.term_at(handed).unwrap_or(0) });
    }
}

/// Fills term, vote, role and leader. Returns whether term or vote changed since the last ready.
#[inline(always)]
fn fill_who(batch: &mut Batch, raft: &Raft, shown: &mut Shown) -> bool {
    let HardState { term, vote, .. } = shown_state(raft, 0);
    (batch.state.term, batch.state.vote) = (term, vote);
    (batch.role, batch.leader) = (raft.role, raft.leader);
    batch.has_soft_state = batch.role != shown.role || batch.leader != shown.leader;
    (shown.role, shown.leader) = (batch.role, batch.leader);
    term != shown.state.term || vote != shown.state.vote
}

/// Fills the lists that few readies need.
#[inline(never)]
fn fill_more(batch: &mut Batch, raft: &mut Raft) {
    batch.rare.blobs.extend(batch.span.blob);
    if let Some(snapshot) = raft.log.snapshot.as_mut().filter(|snapshot| !snapshot.handed) {
        batch.rare.snapshot = Some(*snapshot);
        batch.mark.snapshot = snapshot.id.index;
        batch.must_sync = true;
        snapshot.handed = true;
    }
    if !raft.reads.answers.is_empty() {
        let bound = reads_bound(raft);
        while let Some(read) = raft.reads.pop_answer(bound) {
            batch.rare.reads.push(read);
        }
    }
    if !raft.tokens.dropped.is_empty() {
        std::mem::swap(&mut batch.rare.dropped, &mut raft.tokens.dropped);
    }
}

#[inline(always)]
fn take_messages<const QUIET: bool>(batch: &mut Batch, raft: &mut Raft, cut: bool) {
    let outbox = &mut raft.outbox;
    if !QUIET && outbox.idle > 0 {
        outbox.now.retain(|message| message.fate == Fate::Goes);
        outbox.idle = 0;
    }
    if !outbox.now.is_empty() {
        std::mem::swap(&mut batch.messages, &mut outbox.now);
    }
    // If local work follows the messages, the outbox's lists have the room reserved for the work.
    let local_work = !QUIET && raft.config.storage == StorageMode::Messages;
    if !outbox.pieces.is_empty() || local_work {
        std::mem::swap(&mut batch.pieces, &mut outbox.pieces);
    }
    if !QUIET {
        if !outbox.bytes.is_empty() || local_work {
            std::mem::swap(&mut batch.rare.bytes, &mut outbox.bytes);
        }
        batch.rare.blobs.append(&mut outbox.blobs);
    }
    raft.fetches.outbox_number += 1;
    if local_work {
        local::put_work(batch, raft, cut);
    } else if !cut {
        // Answers wait while the entries that they may acknowledge are not in a ready yet.
        let outbox = &mut raft.outbox;
        if !outbox.own.is_empty() {
            std::mem::swap(&mut batch.own, &mut outbox.own);
        }
        // Swap only if the outbox's list does not shrink: with three lists in turn, each would have
        // to grow.
        match outbox.after.len() {
            0 => {}
            _ if batch.messages.is_empty() && batch.messages.capacity() >= outbox.after.capacity() => {
                std::mem::swap(&mut batch.messages, &mut outbox.after);
            }
            _ => batch.messages.append(&mut outbox.after),
        }
    }
    if !QUIET {
        let group = raft.config.group;
        for message in batch.messages.iter_mut().filter(|message| message.encoded_len == 0) {
            encode_head(message, raft.config.dialect, group, &mut batch.heads, &mut batch.heads_len);
        }
        raft.outbox.unencoded = raft.outbox.after.iter().filter(|answer| answer.encoded_len == 0).count();
    }
    debug_assert!(batch.messages.iter().all(|message| message.encoded_len > 0));
}

/// Returns the oldest block of the recent log that a batch shows. Committed entries come before
/// entries to store.
#[inline(always)]
fn lowest_block<const QUIET: bool>(batch: &Batch, raft: &mut Raft) -> Option<u32> {
    let pin = raft.log.outbox_pin.take();
    // Supplied entries lie in a blob.
    let committed = if !QUIET && batch.span.blob.is_some() { None } else { batch.committed.first() };
    match committed.or(batch.entries.first()) {
        Some(lowest) => lower_pin(pin, lowest.place.block, raft.log.blocks.first()),
        None => pin,
    }
}

/// Length of the longest encoded head: frame header, scalars, inline context.
pub(crate) const MAX_FRAME_HEAD: usize = 12 + wire::MAX_HEAD + 11 + 11 + crate::outbox::INLINE_CONTEXT;

/// Encodes a message's frame header and scalars at `len` of `heads`, if there is room.
#[inline(never)]
fn encode_head(message: &mut OutMessage, dialect: Dialect, group: u64, heads: &mut [u8], len: &mut usize) {
    let at = *len;
    let Some(place) = heads.get_mut(at..at + MAX_FRAME_HEAD) else { return };
    let Some((frame, scalars)) = place.split_first_chunk_mut::<12>() else { return };
    let scalars_len = wire::dialect::write_head_of(dialect, scalars, &message.head(), message.context());
    wire::write_frame_header(frame, scalars_len as u32 + message.body_bytes, group);
    (message.encoded_at, message.encoded_len) = (at as u32, 12 + scalars_len as u32);
    *len = at + 12 + scalars_len;
}
