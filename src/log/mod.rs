//! What is in the log and how far each mark has come.
//!
//! For the whole log after the snapshot: the terms (`terms`) and the indexes of configuration entries not applied yet. For its
//! recent part: the entries in wire form (`blocks`), 24 bytes of index beside each. What is older, the host is asked for (`raft/fetches`).
//!
//! Not here: who may move a mark (`raft`), I/O (nowhere).
//! Invariants: `before <= applied <= applying <= commit <= last`; `durable <= handed <= last`; `recent_first` is above every
//! evicted entry. Only a snapshot moves `applied` and `durable` together.

pub(crate) mod blocks;
pub(crate) mod boot;
pub(crate) mod terms;

use crate::error::{Error, Result};
use crate::types::{EntryId, EntryKind, EntryRef, Index, Term};
use crate::wire::{self, EntriesView};
use blocks::{Blocks, Place};
use std::collections::VecDeque;
use terms::Terms;

/// Where a recent entry lies, and what is needed without reading it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slot {
    pub term: Term,
    pub place: Place,
    /// Bytes before the data in the record.
    pub head: u8,
    pub kind: EntryKind,
}

impl Slot {
    #[inline]
    pub fn data_len(&self) -> u64 {
        u64::from(self.place.len - u32::from(self.head))
    }
}

/// A received snapshot on its way to the host's disk. Until that is done nothing is applied and nobody campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingSnapshot {
    pub id: EntryId,
    /// Its bytes: the encoded configuration, then the data.
    pub blob: u32,
    pub conf_len: u32,
    /// Whether a ready has shown it.
    pub handed: bool,
}

/// Bytes of a record of the shortest entry: tags and lengths, term, index.
const MIN_RECORD: u64 = 6;

/// The most that the slots of a recent log can take, bytes: every entry is the shortest one, and the newest block, whose slots are
/// counted only with the next one, is full of them.
pub(crate) fn max_index_bytes(recent_bytes: u64, block_bytes: u64) -> u64 {
    let slot = size_of::<Slot>() as u64;
    slot * (recent_bytes / (slot + MIN_RECORD) + block_bytes / MIN_RECORD)
}

#[derive(Debug)]
pub(crate) struct Log {
    pub terms: Terms,
    pub blocks: Blocks,
    /// One for each entry from `recent_first` to the last.
    slots: VecDeque<Slot>,
    pub(super) recent_first: Index,
    /// Indexes of configuration entries above `applied`, ascending.
    changes: Vec<Index>,
    /// Highest committed. Never falls; never passes the last entry. Moved by `raft` alone.
    pub commit: Index,
    /// Highest acknowledged as applied. Never falls, never passes `commit`.
    pub applied: Index,
    /// Highest handed out to be applied (etcd: applying).
    pub applying: Index,
    /// Highest handed out to be stored. Falls when the tail is overwritten.
    pub handed: Index,
    /// Highest known to be durable here. Falls when the tail is overwritten.
    pub durable: Index,
    pub snapshot: Option<PendingSnapshot>,
    /// Lowest block that an outstanding ready shows.
    pub ready_pin: Option<u32>,
    /// Lowest block that a message in the outbox shows.
    pub outbox_pin: Option<u32>,
    recent_bytes: u64,
    /// MESSAGES: entries stay until they are applied, since MsgStorageApply carries them.
    pub keep_unapplied: bool,
    /// What the head of the next record will be.
    pub heads: wire::RecordHeads,
    /// Payload of entries above `applying` that have left the recent log; taken by `raft` to keep its account.
    pub evicted_payload: u64,
}

impl Log {
    pub fn new(recent_bytes: u64, block_bytes: u64, poison: bool) -> Self {
        Self {
            terms: Terms::new(),
            blocks: Blocks::new(block_bytes as usize, poison),
            slots: VecDeque::new(),
            recent_first: 1,
            changes: Vec::new(),
            commit: 0,
            applied: 0,
            applying: 0,
            handed: 0,
            durable: 0,
            snapshot: None,
            ready_pin: None,
            outbox_pin: None,
            recent_bytes,
            keep_unapplied: false,
            heads: wire::RecordHeads::default(),
            evicted_payload: 0,
        }
    }

    #[inline]
    pub fn last(&self) -> Index {
        self.terms.last()
    }

    #[inline]
    pub fn last_id(&self) -> EntryId {
        self.terms.last_id()
    }

    /// The first index after the snapshot, there or not.
    #[inline]
    pub fn first(&self) -> Index {
        self.terms.before().index + 1
    }

    /// The lowest index whose bytes are here; `last + 1` if none are.
    #[inline]
    pub fn recent_first(&self) -> Index {
        self.recent_first
    }

    #[inline]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.terms.at(index)
    }

    #[inline]
    pub fn matches(&self, id: EntryId) -> bool {
        self.terms.at(id.index) == Some(id.term)
    }

    /// Whether a log that ends with `other` is at least as up to date as this one (paper §5.4.1) [E-19].
    pub fn is_up_to_date(&self, other: EntryId) -> bool {
        other >= self.last_id()
    }

    /// The slots of `first..=last`, which must be recent, as the two halves of a ring: two plain loops take half the instructions of
    /// one over a ring.
    #[inline]
    pub fn slots(&self, first: Index, last: Index) -> [&[Slot]; 2] {
        let from = first.saturating_sub(self.recent_first) as usize;
        let to = (last + 1).saturating_sub(self.recent_first) as usize;
        let (head, tail) = self.slots.as_slices();
        let split = head.len();
        [
            head.get(from.min(split)..to.min(split)).unwrap_or(&[]),
            tail.get(from.saturating_sub(split)..to.saturating_sub(split)).unwrap_or(&[]),
        ]
    }

    /// The slot of one entry, if that is recent.
    #[inline]
    pub fn slot(&self, index: Index) -> Option<&Slot> {
        self.slots.get(index.checked_sub(self.recent_first)? as usize)
    }

    /// Appends the slots of `first..=last`, which must be recent, to a list whose room is reserved.
    #[inline(always)]
    pub fn copy_slots(&self, first: Index, last: Index, out: &mut Vec<Slot>) {
        // One entry is what a ready of a quiet group has: a store instead of two calls of memcpy, some 150 instructions.
        match self.slot(first) {
            Some(slot) if first == last => out.extend_from_slice(std::slice::from_ref(slot)),
            _ => self.copy_stretch(first, last, out),
        }
    }

    #[inline(never)]
    fn copy_stretch(&self, first: Index, last: Index, out: &mut Vec<Slot>) {
        let [head, tail] = self.slots(first, last);
        out.extend_from_slice(head);
        out.extend_from_slice(tail);
    }

    /// The entry in a slot.
    #[inline]
    pub fn read(&self, slot: &Slot, index: Index) -> EntryRef<'_> {
        let record = self.blocks.get(slot.place);
        let data = record.get(usize::from(slot.head)..).unwrap_or(&[]);
        EntryRef { term: slot.term, index, kind: slot.kind, data, token: 0 }
    }

    pub fn changes(&self) -> &[Index] {
        &self.changes
    }

    /// Whether a committed configuration change is not applied yet [E-12].
    pub fn has_unapplied_change(&self) -> bool {
        self.changes.first().is_some_and(|&index| index <= self.commit)
    }

    /// Bytes held: blocks and what stands beside them.
    pub fn memory(&self) -> u64 {
        self.blocks.held_bytes()
            + (self.slots.capacity() * size_of::<Slot>()) as u64
            + (self.terms.runs().len() * 16 + self.changes.capacity() * 8) as u64
    }

    // ---- growing

    /// Adds one entry of this node's own at the end. On an error nothing has changed.
    #[inline(always)]
    pub fn append<'a>(
        &mut self,
        term: Term,
        kind: EntryKind,
        parts: impl Iterator<Item = &'a [u8]>,
        data_len: usize,
    ) -> Result<()> {
        let index = self.last() + 1;
        // Its longest head is quick to tell; the exact one is looked at only where that does not fit.
        if wire::MAX_RECORD_HEAD + data_len > self.blocks.room() {
            self.make_room(wire::record_len(term, index, kind, data_len))?;
        }
        self.reserve_index(term, kind)?;
        let space = (wire::MAX_RECORD_HEAD + data_len).min(self.blocks.room());
        let slot = self.write(EntryRef { term, index, kind, data: &[], token: 0 }, parts, data_len, space)?;
        self.push(slot);
        Ok(())
    }

    /// Adds entries of one kind and of this node's own at the end, each given by its parts and length: all of them, or none and an error.
    /// There are `count`, with `payload` bytes in all.
    pub fn append_all<'a, P: Iterator<Item = &'a [u8]>>(
        &mut self,
        term: Term,
        kind: EntryKind,
        entries: impl Iterator<Item = (P, usize)> + Clone,
        count: usize,
        payload: u64,
    ) -> Result<()> {
        if count == 1
            && let Some((parts, len)) = entries.clone().next()
        {
            return self.append(term, kind, parts, len);
        }
        let last = self.last();
        let most = payload.saturating_add((count as u64).saturating_mul(wire::MAX_RECORD_HEAD as u64));
        if most <= self.blocks.room() as u64 && !kind.is_change() {
            return self.append_in_block(term, entries, count, most as usize);
        }
        if count > 1 {
            let highest = last + count as u64;
            self.check_room(entries.clone().map(|(_, len)| wire::record_len(term, highest, kind, len)))?;
        }
        for (parts, len) in entries {
            if let Err(error) = self.append(term, kind, parts, len) {
                self.truncate_from(last + 1);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The usual case of `append_all`: normal entries that fit in the newest block whatever their heads, which makes `most` bytes. Some 150
    /// instructions an entry less than one by one.
    fn append_in_block<'a, P: Iterator<Item = &'a [u8]>>(
        &mut self,
        term: Term,
        entries: impl Iterator<Item = (P, usize)>,
        count: usize,
        most: usize,
    ) -> Result<()> {
        let first = self.last() + 1;
        self.reserve_index(term, EntryKind::Normal)?;
        self.reserve_slots(count)?;
        let (block, at, bytes) = self.blocks.tail(self.blocks.room().min(most)).ok_or(Error::NoMem)?;
        let (mut entries, mut heads, mut offset, mut fits) = (entries, self.heads, 0, true);
        heads.aim(term, first);
        // A range has a length that can be trusted, so this writes slot after slot without asking for room at each.
        self.slots.extend((first..first + count as u64).map(|index| {
            let slot = entries.next().and_then(|(parts, len)| {
                let record = bytes.get_mut(offset..)?;
                let head = heads.write_series(record, term, index, len);
                let mut end = head;
                for part in parts {
                    record.get_mut(end..end + part.len())?.copy_from_slice(part);
                    end += part.len();
                }
                let place = Place { block, offset: (at + offset) as u32, len: end as u32 };
                offset += end;
                (end == head + len).then_some(Slot { term, place, head: head as u8, kind: EntryKind::Normal })
            });
            fits &= slot.is_some();
            slot.unwrap_or_default()
        }));
        self.heads = heads;
        // An iterator that gives something else each time is the only way not to.
        if !fits {
            self.slots.truncate(self.slots.len() - count);
            return Err(Error::Arg);
        }
        self.blocks.taken(offset);
        self.terms.push_many(term, count as u64);
        Ok(())
    }

    /// Writes the record of an entry whose data are `parts`, for which there is room: `space`, more if its head may need less.
    #[inline(always)]
    fn write<'a>(
        &mut self,
        entry: EntryRef<'_>,
        parts: impl Iterator<Item = &'a [u8]>,
        data_len: usize,
        space: usize,
    ) -> Result<Slot> {
        let EntryRef { term, index, kind, .. } = entry;
        let (block, at, bytes) = self.blocks.tail(space).ok_or(Error::NoMem)?;
        let head = if kind.is_change() {
            wire::write_record_head(bytes, term, index, kind, data_len)
        } else {
            self.heads.write(bytes, term, index, data_len)
        };
        let head = match head {
            0 => write_head_apart(bytes, entry, data_len),
            head => head,
        };
        let mut end = head;
        for part in parts {
            bytes.get_mut(end..end + part.len()).ok_or(Error::NoMem)?.copy_from_slice(part);
            end += part.len();
        }
        debug_assert_eq!(end, head + data_len);
        self.blocks.taken(end);
        let place = Place { block, offset: at as u32, len: end as u32 };
        Ok(Slot { term, place, head: head as u8, kind })
    }

    /// Adds the entries of a checked append from the `skip`th on, which follow the last one here. Gives how many were taken:
    /// fewer than there are if the recent log is full, at least one, else an error and nothing has changed.
    pub fn append_view(&mut self, entries: &EntriesView<'_>, skip: usize) -> Result<usize> {
        match entries.record_bytes() {
            Some(bytes) if entries.is_canonical() => self.append_canonical(entries, skip, bytes),
            _ => self.append_foreign(entries, skip),
        }
    }

    /// Room for the entries of an append in everything but the blocks.
    #[inline]
    pub fn reserve_view(&mut self, entries: &EntriesView<'_>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.reserve_slots(entries.len())?;
        let (first, last, term) = (entries.first().0, entries.last().0, self.last_id().term);
        if first == term && last == term && !entries.has_changes() {
            return Ok(());
        }
        let terms = entries.iter().zip(entries.iter().skip(1)).filter(|(a, b)| a.term != b.term).count() + 1;
        self.terms.reserve(terms)?;
        let changes = entries.iter().filter(|entry| entry.kind.is_change()).count();
        self.changes.try_reserve(changes).map_err(|_| Error::NoMem)
    }

    /// The usual case: the records are canonical and lie in a row, so those that fit in a block are copied in one go. Against
    /// one copy an entry this saves about 25 instructions an entry.
    fn append_canonical(&mut self, entries: &EntriesView<'_>, skip: usize, bytes: &[u8]) -> Result<usize> {
        if skip == 0
            && bytes.len() <= self.blocks.room()
            && let Some(term) = entries.only_term()
        {
            return self.append_run(entries, term, bytes);
        }
        let mut from: usize = entries.iter().take(skip).map(|entry| entry.record.len()).sum();
        self.reserve_slots(entries.len().saturating_sub(skip))?;
        let (mut at, mut taken) = (from, 0);
        let mut failed = None;
        let mut room = 0;
        for entry in entries.iter().skip(skip) {
            let len = entry.record.len();
            if at - from + len > room {
                self.copy_run(bytes, from, at);
                from = at;
                if let Err(error) = self.make_room(len) {
                    failed = Some(error);
                    break;
                }
                room = self.blocks.room();
            }
            if (self.terms.is_new(entry.term) || entry.kind.is_change())
                && let Err(error) = self.reserve_index(entry.term, entry.kind)
            {
                failed = Some(error);
                break;
            }
            let Some((block, next)) = self.blocks.next() else { break };
            let place = Place { block, offset: (next + at - from) as u32, len: len as u32 };
            let head = (len - entry.data.len()) as u8;
            self.push(Slot { term: entry.term, place, head, kind: entry.kind });
            at += len;
            taken += 1;
        }
        self.copy_run(bytes, from, at);
        match failed {
            Some(error) if taken == 0 => Err(error),
            _ => Ok(taken),
        }
    }

    /// Normal entries of one term that all fit in the newest block: one copy, and of each only its lengths are looked at. Against the
    /// general loop some 60 instructions less an entry.
    fn append_run(&mut self, entries: &EntriesView<'_>, term: Term, bytes: &[u8]) -> Result<usize> {
        self.reserve_index(term, EntryKind::Normal)?;
        self.reserve_slots(entries.len())?;
        if entries.len() == 1 {
            self.push_record(term, bytes, bytes.len() - entries.payload_bytes() as usize).ok_or(Error::NoMem)?;
            return Ok(1);
        }
        let (block, at) = self.blocks.append(bytes).ok_or(Error::NoMem)?;
        let mut offset = at as u32;
        if let Some((len, head)) = entries.uniform() {
            // Some 40 instructions an entry less than to look at each.
            self.slots.extend((0..entries.len() as u32).map(|i| Slot {
                term,
                place: Place { block, offset: offset + i * len, len },
                head,
                kind: EntryKind::Normal,
            }));
            self.terms.push_many(term, entries.len() as u64);
            return Ok(entries.len());
        }
        let mut records = entries.iter();
        self.slots.extend((0..entries.len()).map(|_| {
            let entry = records.next();
            debug_assert!(entry.is_some(), "there were as many when the message was parsed");
            let (record, data) = entry.map_or((0, 0), |entry| (entry.record.len(), entry.data.len()));
            let slot = Slot {
                term,
                place: Place { block, offset, len: record as u32 },
                head: (record - data) as u8,
                kind: EntryKind::Normal,
            };
            offset += record as u32;
            slot
        }));
        self.terms.push_many(term, entries.len() as u64);
        Ok(entries.len())
    }

    /// Copies the record of a normal entry of `term`, whose data begin at `head`, to the end. There is room for it.
    #[inline(always)]
    fn push_record(&mut self, term: Term, record: &[u8], head: usize) -> Option<()> {
        let (block, at) = self.blocks.append(record)?;
        let place = Place { block, offset: at as u32, len: record.len() as u32 };
        self.push(Slot { term, place, head: head as u8, kind: EntryKind::Normal });
        Some(())
    }

    /// Appends the canonical record of a normal entry of the last one's term and the next index, whose data begin at `head`. `false`:
    /// there is no room, and nothing has changed.
    #[inline]
    pub fn append_record(&mut self, record: &[u8], head: usize) -> bool {
        record.len() <= self.blocks.room()
            && self.slots.len() < self.slots.capacity()
            && self.push_record(self.last_id().term, record, head).is_some()
    }

    /// The same for the records of a run of such entries.
    #[inline]
    pub fn append_known_run(&mut self, entries: &EntriesView<'_>, records: &[u8]) -> bool {
        let room = records.len() <= self.blocks.room() && entries.len() <= self.slots.capacity() - self.slots.len();
        room && self.append_run(entries, self.last_id().term, records).is_ok()
    }

    fn copy_run(&mut self, bytes: &[u8], from: usize, to: usize) {
        if from < to
            && let Some(run) = bytes.get(from..to)
        {
            self.blocks.append(run);
        }
    }

    /// Entries that another implementation encoded its own way: encoded anew, so that the log is a function of what it says.
    fn append_foreign(&mut self, entries: &EntriesView<'_>, skip: usize) -> Result<usize> {
        let mut taken = 0;
        for entry in entries.iter().skip(skip) {
            match self.append(entry.term, entry.kind, std::iter::once(entry.data), entry.data.len()) {
                Ok(()) => taken += 1,
                Err(error) if taken == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(taken)
    }

    #[inline]
    fn push(&mut self, slot: Slot) {
        self.terms.push(slot.term);
        if slot.kind.is_change() {
            self.changes.push(self.terms.last());
        }
        self.slots.push_back(slot);
    }

    /// Room for one entry in everything but the blocks.
    #[inline]
    fn reserve_index(&mut self, term: Term, kind: EntryKind) -> Result<()> {
        self.reserve_slots(1)?;
        if self.terms.is_new(term) {
            self.terms.reserve(1)?;
        }
        if kind.is_change() {
            self.changes.try_reserve(1).map_err(|_| Error::NoMem)?;
        }
        Ok(())
    }

    #[inline]
    fn reserve_slots(&mut self, count: usize) -> Result<()> {
        if count <= self.slots.capacity() - self.slots.len() { Ok(()) } else { self.grow_slots(count) }
    }

    /// Room for `count` more slots. They grow by doubling, but not past what the recent log can hold of the shortest entries.
    #[cold]
    fn grow_slots(&mut self, count: usize) -> Result<()> {
        let needed = self.slots.len() + count;
        let most = max_index_bytes(self.recent_bytes, self.blocks.block_bytes() as u64) as usize / size_of::<Slot>();
        let wanted = (2 * self.slots.capacity()).max(64).min(most).max(needed);
        self.slots.try_reserve_exact(wanted - self.slots.len()).map_err(|_| Error::NoMem)
    }

    /// Makes sure that a record of `len` bytes fits in the newest block, giving up old entries for it if need be.
    #[inline]
    pub fn make_room(&mut self, len: usize) -> Result<()> {
        if len <= self.blocks.room() { Ok(()) } else { self.make_room_by_eviction(len) }
    }

    #[cold]
    fn make_room_by_eviction(&mut self, len: usize) -> Result<()> {
        self.evict_for(self.blocks.cost(len), self.index_bytes())?;
        self.blocks.reserve(len)
    }

    /// Gives up as many of the oldest blocks as it takes for `cost` more bytes beside `index` bytes of slots, and of the newest block, which
    /// stays, as many slots: short entries have more bytes of slots than of records. If that can't be, none.
    fn evict_for(&mut self, cost: u64, index: u64) -> Result<()> {
        let over = (self.blocks.live_bytes() + index + cost).saturating_sub(self.recent_bytes);
        if over == 0 {
            return Ok(());
        }
        let limit = if self.keep_unapplied { self.durable.min(self.applied) } else { self.durable };
        let (mut freed, mut blocks, mut at) = (0, 0, self.recent_first);
        let mut slots = self.slots.iter().peekable();
        while freed < over {
            let oldest = self.blocks.first().wrapping_add(blocks);
            let newest = self.blocks.end().wrapping_sub(oldest) <= 1;
            let pinned = |pin: Option<u32>| pin == Some(oldest);
            if pinned(self.ready_pin) || pinned(self.outbox_pin) {
                return Err(Error::Full);
            }
            freed += if newest { 0 } else { self.blocks.capacity(oldest) };
            while (!newest || freed < over) && slots.next_if(|slot| slot.place.block == oldest).is_some() {
                if at > limit {
                    return Err(Error::Full);
                }
                at += 1;
                freed += size_of::<Slot>() as u64;
            }
            if newest && freed < over {
                return Err(Error::Full);
            }
            blocks += 1;
        }
        while self.recent_first < at {
            let Some(slot) = self.slots.pop_front() else { break };
            if self.recent_first > self.applying {
                self.evicted_payload += slot.data_len();
            }
            self.recent_first += 1;
        }
        self.release_blocks();
        Ok(())
    }

    fn index_bytes(&self) -> u64 {
        (self.slots.len() * size_of::<Slot>()) as u64
    }

    /// Whether records of these lengths fit as things are, so that many can be appended or none.
    pub fn check_room(&mut self, lens: impl Iterator<Item = usize>) -> Result<()> {
        let (mut room, mut cost, mut index) = (self.blocks.room(), 0u64, self.index_bytes());
        let block = self.blocks.block_bytes();
        for len in lens {
            if len > room {
                room = block.max(len);
                cost += room as u64;
            }
            room -= len;
            index += size_of::<Slot>() as u64;
        }
        if cost > 0 { self.evict_for(cost, index) } else { Ok(()) }
    }

    // ---- shrinking

    /// Gives back the blocks that neither an entry nor a view needs.
    #[inline]
    pub fn release_blocks(&mut self) {
        if self.blocks.has_older() && self.slots.front().is_none_or(|oldest| oldest.place.block != self.blocks.first())
        {
            self.release_unneeded_blocks();
        }
    }

    fn release_unneeded_blocks(&mut self) {
        let first = self.blocks.first();
        let newest = self.blocks.end().wrapping_sub(1);
        let lowest = self.slots.front().map_or(newest, |slot| slot.place.block);
        let distance = |block: u32| block.wrapping_sub(first);
        let mut needed = distance(lowest).min(distance(newest));
        for pin in [self.ready_pin, self.outbox_pin].into_iter().flatten() {
            needed = needed.min(distance(pin));
        }
        self.blocks.release_before(first.wrapping_add(needed));
    }

    /// Drops every entry from `from` on, all above `commit`.
    pub fn truncate_from(&mut self, from: Index) {
        let last = from - 1;
        self.terms.truncate(last);
        self.slots.truncate((last + 1).saturating_sub(self.recent_first) as usize);
        self.recent_first = self.recent_first.min(last + 1);
        while self.changes.last().is_some_and(|&index| index > last) {
            self.changes.pop();
        }
        if fault!(TruncationKeepsMarks) {
            return;
        }
        self.handed = self.handed.min(last);
        self.durable = self.durable.min(last);
    }

    /// The host dropped every entry up to `index`, which is applied.
    pub fn compact(&mut self, index: Index) {
        self.terms.compact(index);
        let gone = (index + 1).saturating_sub(self.recent_first).min(self.slots.len() as u64);
        self.slots.drain(..gone as usize);
        self.recent_first = self.recent_first.max(index + 1);
        self.release_blocks();
    }

    /// Starts over behind an entry of which nothing else is known (boot).
    pub fn compact_all(&mut self, before: EntryId) {
        self.terms.reset(before);
        self.recent_first = before.index + 1;
        (self.commit, self.applied, self.applying) = (before.index, before.index, before.index);
        (self.handed, self.durable) = (before.index, before.index);
    }

    /// Starts over behind a snapshot.
    pub fn reset(&mut self, snapshot: PendingSnapshot) {
        self.terms.reset(snapshot.id);
        self.slots.clear();
        self.recent_first = snapshot.id.index + 1;
        self.changes.clear();
        self.commit = snapshot.id.index;
        self.handed = snapshot.id.index;
        self.durable = snapshot.id.index;
        self.snapshot = Some(snapshot);
    }

    /// Moves `applied`, and forgets the changes up to there.
    #[inline]
    pub fn applied_to(&mut self, index: Index) {
        self.applied = self.applied.max(index);
        self.applying = self.applying.max(self.applied);
        if self.changes.is_empty() {
            return;
        }
        let done = self.changes.partition_point(|&change| change <= self.applied);
        self.changes.drain(..done);
    }

    /// Entries up to `id` are on disk, if the log still has it and it was not known before.
    #[inline]
    pub fn durable_to(&mut self, id: EntryId) -> bool {
        if id.index <= self.durable || !self.matches(id) {
            return false;
        }
        self.durable = id.index;
        self.handed = self.handed.max(id.index);
        true
    }

    /// What safety hangs on, cheap enough for every call in release, too.
    #[inline]
    pub fn is_sound(&self) -> bool {
        self.applied <= self.applying
            && self.applying <= self.commit
            && self.commit <= self.last()
            && self.durable <= self.handed
    }

    /// What must hold between two calls.
    pub fn check(&self) -> core::result::Result<(), &'static str> {
        let last = self.last();
        let rules = [
            (self.commit <= last, "commit is beyond the last entry"),
            (self.applied <= self.applying, "applied is beyond applying"),
            (self.applying <= self.commit, "applying is beyond commit"),
            (
                self.durable <= last && self.handed <= last && self.durable <= self.handed,
                "a storage mark is beyond the log",
            ),
            (self.recent_first + self.slots.len() as u64 == last + 1, "the recent log does not end at the last entry"),
            (self.terms.before().index <= last, "the log ends before it begins"),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, text)| Err(text))
    }

    pub fn try_clone(&self) -> Result<Self> {
        let mut slots = VecDeque::new();
        slots.try_reserve(self.slots.len()).map_err(|_| Error::NoMem)?;
        slots.extend(self.slots.iter().copied());
        let mut changes = Vec::new();
        changes.try_reserve(self.changes.len()).map_err(|_| Error::NoMem)?;
        changes.extend_from_slice(&self.changes);
        Ok(Self { terms: self.terms.try_clone()?, blocks: self.blocks.try_clone()?, slots, changes, ..*self })
    }
}

/// Writes a record's head where there may be less room than its longest would take.
#[cold]
fn write_head_apart(bytes: &mut [u8], entry: EntryRef<'_>, data_len: usize) -> usize {
    let mut head = [0; wire::MAX_RECORD_HEAD];
    let len = wire::write_record_head(&mut head, entry.term, entry.index, entry.kind, data_len);
    if let (Some(place), Some(head)) = (bytes.get_mut(..len), head.get(..len)) {
        place.copy_from_slice(head);
    }
    len
}
