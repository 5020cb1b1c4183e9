//! The content of the log, and the progress of each mark.
//!
//! For the whole log after the snapshot, the core keeps the terms (`terms`) and the indexes of
//! unapplied configuration entries. For the recent log, the core also keeps the entries in wire
//! form (`blocks`), with a `Slot` for each entry. Older entries are fetched from the host
//! (`raft/fetches`).
//!
//! Not here: how entries are appended (`append`), when a mark may move (`raft`), I/O (nowhere).
//!
//! Invariants: `before <= applied <= applying <= commit <= last`; `durable <= handed <= last`;
//! `recent_first` is above every evicted entry. Only a snapshot moves `applied` and `durable`
//! together.

mod append;
pub(crate) mod blocks;
pub(crate) mod boot;
pub(crate) mod terms;

use crate::error::{Error, Result};
use crate::types::{EntryId, EntryKind, EntryRef, Index, Term};
use crate::wire;
use blocks::{Blocks, Place};
use std::collections::VecDeque;
use terms::Terms;

/// Place of a recent entry, and the facts that the core needs without reading the record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slot {
    pub term: Term,
    pub place: Place,
    /// Bytes of the record before the data.
    pub head: u8,
    pub kind: EntryKind,
}

impl Slot {
    /// Returns the bytes behind the head: the data, and in eraftpb the context's field.
    #[inline]
    pub fn data_len(&self) -> u64 {
        u64::from(self.place.len - u32::from(self.head))
    }
}

/// Returns data and context of a record of eraftpb.
#[cold]
#[inline(never)]
pub(crate) fn split_context(record: &[u8]) -> (&[u8], &[u8]) {
    wire::read_record(record).map_or((&[], &[]), |(entry, _)| (entry.data, entry.context))
}

/// A received snapshot that the host has not stored yet. Until then the node neither applies
/// entries nor campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PendingSnapshot {
    pub id: EntryId,
    /// The blob with the encoded configuration, then the data.
    pub blob: u32,
    pub conf_len: u32,
    /// Whether a ready has shown the snapshot.
    pub handed: bool,
}

/// Bytes of a record of the shortest entry: tags and lengths, term, index.
const MIN_RECORD: u64 = 6;

/// Returns the most bytes that the slots of a recent log can take.
///
/// In the worst case every entry is as short as possible and the newest block is full of them. The
/// slots of the newest block count only with the next block.
pub(crate) fn max_index_bytes(recent_bytes: u64, block_bytes: u64) -> u64 {
    let slot = size_of::<Slot>() as u64;
    slot * (recent_bytes / (slot + MIN_RECORD) + block_bytes / MIN_RECORD)
}

#[derive(Debug)]
pub(crate) struct Log {
    pub terms: Terms,
    pub blocks: Blocks,
    /// A slot for each entry from `recent_first` to the last.
    slots: VecDeque<Slot>,
    pub(super) recent_first: Index,
    /// Indexes of configuration entries above `applied`, ascending.
    changes: Vec<Index>,
    /// Highest committed index. Never falls, never passes the last entry. Only `raft` moves it.
    pub commit: Index,
    /// Highest index acknowledged as applied. Never falls, never passes `commit`.
    pub applied: Index,
    /// Highest index that a ready gave to apply (etcd: applying).
    pub applying: Index,
    /// Highest index that a ready gave to store. Falls when the tail is overwritten.
    pub handed: Index,
    /// Highest index known to be durable here. Falls when the tail is overwritten.
    pub durable: Index,
    pub snapshot: Option<PendingSnapshot>,
    /// Oldest block that an outstanding ready shows.
    pub ready_pin: Option<u32>,
    /// Oldest block that a message in the outbox shows.
    pub outbox_pin: Option<u32>,
    recent_bytes: u64,
    /// MESSAGES: entries stay until they are applied, since MsgStorageApply carries the entries.
    pub keep_unapplied: bool,
    /// Whether entries keep their contexts, as in eraftpb. Raftpb has no contexts.
    pub contexts: bool,
    /// The head of the next record.
    pub heads: wire::RecordHeads,
    /// Payload of entries above `applying` that have left the recent log. Taken by `raft` for its
    /// account.
    pub evicted_payload: u64,
}

impl Log {
    pub fn new(recent_bytes: u64, block_bytes: u64, poison: bool, contexts: bool) -> Self {
        Self {
            terms: Terms::new(),
            blocks: Blocks::new(block_bytes as usize, recent_bytes, poison),
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
            contexts,
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

    /// Returns the first index after the snapshot, even if there is no such entry yet.
    #[inline]
    pub fn first(&self) -> Index {
        self.terms.before().index + 1
    }

    /// Returns the oldest index whose bytes are in memory; `last + 1` if there is none.
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

    /// True if a log that ends with `other` is at least as up to date as this log (paper §5.4.1)
    /// [E-19].
    pub fn is_up_to_date(&self, other: EntryId) -> bool {
        other >= self.last_id()
    }

    /// Returns the slots of `first..=last`, which must be recent, as the two halves of a ring. Two
    /// loops over slices are faster than a loop over the ring.
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

    /// Returns the slot of an entry, if the entry is recent.
    #[inline]
    pub fn slot(&self, index: Index) -> Option<&Slot> {
        self.slots.get(index.checked_sub(self.recent_first)? as usize)
    }

    /// Appends the slots of `first..=last`, which must be recent, to a list with reserved room.
    #[inline(always)]
    pub fn copy_slots(&self, first: Index, last: Index, out: &mut Vec<Slot>) {
        let [head, tail] = self.slots(first, last);
        out.extend_from_slice(head);
        if !tail.is_empty() {
            out.extend_from_slice(tail);
        }
    }

    /// Returns the entry of a slot.
    #[inline]
    pub fn read(&self, slot: &Slot, index: Index) -> EntryRef<'_> {
        let record = self.blocks.get(slot.place);
        let (data, context) = self.split(record, slot);
        EntryRef { term: slot.term, index, kind: slot.kind, data, context, token: 0 }
    }

    /// Returns data and context of the record of a slot.
    #[inline(always)]
    pub fn split<'a>(&self, record: &'a [u8], slot: &Slot) -> (&'a [u8], &'a [u8]) {
        if self.contexts {
            return split_context(record);
        }
        (record.get(usize::from(slot.head)..).unwrap_or(&[]), &[])
    }

    pub fn changes(&self) -> &[Index] {
        &self.changes
    }

    /// True if a committed configuration change is not applied yet [E-12].
    pub fn has_unapplied_change(&self) -> bool {
        self.changes.first().is_some_and(|&index| index <= self.commit)
    }

    /// Returns the bytes of memory in use: blocks, slots, term runs and changes.
    pub fn memory(&self) -> u64 {
        self.blocks.held_bytes()
            + (self.slots.capacity() * size_of::<Slot>()) as u64
            + (self.terms.runs().len() * 16 + self.changes.capacity() * 8) as u64
    }

    // ---- room

    /// True if a record of `len` bytes fits after an eviction of every older entry.
    #[inline]
    pub fn can_ever_hold(&self, len: usize) -> bool {
        (self.blocks.capacity_for(len) + size_of::<Slot>()) as u64 <= self.recent_bytes
    }

    /// Makes sure that a record of `len` bytes fits in the newest block. Evicts old entries if
    /// necessary.
    #[inline]
    pub fn make_room(&mut self, len: usize) -> Result<()> {
        if len <= self.blocks.room() { Ok(()) } else { self.make_room_by_eviction(len, 0) }
    }

    /// Does the same. The records of the last `unplaced` slots have no place yet, and these slots
    /// do not count.
    #[cold]
    fn make_room_by_eviction(&mut self, len: usize, unplaced: usize) -> Result<()> {
        let index = self.index_bytes() - (unplaced * size_of::<Slot>()) as u64;
        if self.evict_for(self.blocks.cost(len), index).is_err() {
            // The spare block may be so much longer than the record that only a new block fits.
            self.evict_for(self.blocks.capacity_for(len) as u64, index)?;
            self.blocks.trim();
        }
        self.blocks.reserve(len)
    }

    /// Evicts the oldest entries until `cost` more bytes fit beside `index` bytes of slots. On an
    /// error nothing is evicted.
    ///
    /// Evicts whole blocks with their slots. The newest block stays, but its oldest slots may go:
    /// slots of short entries take more bytes than the records.
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

    /// Evicts old entries until records of these lengths fit. On an error nothing is evicted, so
    /// that a caller can append many records or none.
    pub fn check_room(&mut self, lens: impl Iterator<Item = usize>) -> Result<()> {
        let (mut room, mut cost, mut index) = (self.blocks.room(), 0u64, self.index_bytes());
        // Slots after the last new block need no eviction, as if the records came singly.
        let mut index_at_block = index;
        for len in lens {
            if len > room {
                room = self.blocks.capacity_for(len);
                cost += room as u64;
                index_at_block = index;
            }
            room -= len;
            index += size_of::<Slot>() as u64;
        }
        if cost > 0 { self.evict_for(cost, index_at_block) } else { Ok(()) }
    }

    // ---- shrinking

    /// Releases the blocks that neither an entry nor a view needs.
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

    /// Drops every entry from `from` on. The caller keeps `from` above `commit`.
    pub fn truncate_from(&mut self, from: Index) {
        let last = from - 1;
        self.terms.truncate(last);
        self.slots.truncate((last + 1).saturating_sub(self.recent_first) as usize);
        self.recent_first = self.recent_first.min(last + 1);
        while self.changes.last().is_some_and(|&index| index > last) {
            self.changes.pop();
        }
        self.handed = self.handed.min(last);
        self.durable = self.durable.min(last);
    }

    /// Drops the entries up to `index`. The host has dropped them too, and they are applied.
    pub fn compact(&mut self, index: Index) {
        self.terms.compact(index);
        let gone = (index + 1).saturating_sub(self.recent_first).min(self.slots.len() as u64);
        self.slots.drain(..gone as usize);
        self.recent_first = self.recent_first.max(index + 1);
        self.release_blocks();
    }

    /// Starts over after an entry of which only the id is known (boot).
    pub fn compact_all(&mut self, before: EntryId) {
        self.terms.reset(before);
        self.recent_first = before.index + 1;
        (self.commit, self.applied, self.applying) = (before.index, before.index, before.index);
        (self.handed, self.durable) = (before.index, before.index);
    }

    /// Starts over after a snapshot.
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

    /// Notes that entries up to `id` are on disk. Returns `false`, and changes nothing, if the log
    /// does not have `id` or the entry was known to be durable.
    #[inline]
    pub fn durable_to(&mut self, id: EntryId) -> bool {
        if id.index <= self.durable || !self.matches(id) {
            return false;
        }
        self.durable = id.index;
        self.handed = self.handed.max(id.index);
        true
    }

    /// Checks the conditions of safety that are cheap enough for every call in release builds.
    #[inline]
    pub fn is_sound(&self) -> bool {
        self.applied <= self.applying
            && self.applying <= self.commit
            && self.commit <= self.last()
            && self.durable <= self.handed
    }

    /// Checks the conditions that must hold between two calls.
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

    /// Gives back the spare blocks, and the room of slots beyond the entries.
    pub fn trim(&mut self) {
        self.blocks.trim();
        self.slots.shrink_to_fit();
        self.changes.shrink_to_fit();
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
