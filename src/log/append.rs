//! Appends entries to the log: a leader's own entries, and the entries of a leader's messages.
//!
//! Records of a message are copied unchanged if they are canonical. Fast paths append records of a
//! series, or a single record. The general paths do the same entry by entry, and are the oracles of
//! the tests (`api/batches`, `api/steady`).
//!
//! Not here: whether entries may be appended at all (`raft`), room in the blocks (`mod`, `blocks`).

use super::blocks::Place;
use super::{Log, Slot, max_index_bytes};
use crate::error::{Error, Result};
use crate::types::{EntryId, EntryKind, EntryRef, Index, Term};
use crate::wire::{self, EntriesView, EntryView, RecordLen};

impl Log {
    /// Appends an entry of this node. On an error nothing has changed.
    #[inline(always)]
    pub fn append<'a>(
        &mut self,
        term: Term,
        kind: EntryKind,
        parts: impl Iterator<Item = &'a [u8]>,
        data_len: usize,
    ) -> Result<()> {
        let index = self.last() + 1;
        // Assume the longest head first. If that does not fit, compute the exact length.
        if wire::MAX_RECORD_HEAD + data_len > self.blocks.room() {
            self.make_room(wire::record_len(term, index, kind, data_len))?;
        }
        self.reserve_index(term, kind)?;
        let space = (wire::MAX_RECORD_HEAD + data_len).min(self.blocks.room());
        let entry = EntryRef { term, index, kind, ..EntryRef::default() };
        let slot = self.write(entry, parts, data_len, space)?;
        self.push(slot);
        Ok(())
    }

    /// Appends an entry with the next index and its context. On an error nothing has changed.
    pub fn append_entry(&mut self, entry: &EntryRef<'_>) -> Result<()> {
        let EntryRef { term, kind, data, context, .. } = *entry;
        if context.is_empty() || !self.contexts {
            return self.append(term, kind, std::iter::once(data), data.len());
        }
        let entry = EntryRef { index: self.last() + 1, ..*entry };
        let (mut head, mut field) = ([0; wire::MAX_RECORD_HEAD], [0; 11]);
        let (head_len, field_len) = wire::write_context_heads(&mut head, &mut field, &entry);
        let len = head_len + data.len() + field_len + context.len();
        self.make_room(len)?;
        self.reserve_index(term, kind)?;
        let (block, at, bytes) = self.blocks.tail(len).ok_or(Error::NoMem)?;
        let mut end = 0;
        for part in [head.get(..head_len).unwrap_or(&[]), data, field.get(..field_len).unwrap_or(&[]), context] {
            bytes.get_mut(end..end + part.len()).ok_or(Error::NoMem)?.copy_from_slice(part);
            end += part.len();
        }
        self.blocks.taken(end);
        let place = Place { block, offset: at as u32, len: end as u32 };
        self.push(Slot { term, place, head: head_len as u8, kind });
        Ok(())
    }

    /// Appends an entry that the host has stored and that does not fit in the recent log. The
    /// recent log then begins anew after the entry.
    pub fn append_without_data(&mut self, term: Term, kind: EntryKind) -> Result<()> {
        self.reserve_index(term, kind)?;
        self.slots.clear();
        self.push(Slot { term, ..Slot::default() });
        self.slots.clear();
        self.recent_first = self.last() + 1;
        self.release_blocks();
        Ok(())
    }

    /// Appends `count` entries of this node with `payload` bytes of data in all. The iterator
    /// yields the parts and the length of each.
    ///
    /// The entries are normal, or there is a single entry of any kind. On an error no entry is
    /// appended.
    pub fn append_all<'a, P: Iterator<Item = &'a [u8]>>(
        &mut self,
        term: Term,
        kind: EntryKind,
        entries: impl Iterator<Item = (P, usize)> + Clone,
        count: usize,
        payload: u64,
    ) -> Result<()> {
        debug_assert!(!kind.is_change() || count <= 1, "a change is proposed by itself");
        let last = self.last();
        let most = payload.saturating_add((count as u64).saturating_mul(wire::MAX_RECORD_HEAD as u64));
        if most > self.blocks.room() as u64 {
            let highest = last + count as u64;
            self.check_room(entries.clone().map(|(_, len)| wire::record_len(term, highest, kind, len)))?;
        }
        for (parts, len) in entries {
            self.append(term, kind, parts, len).inspect_err(|_| self.truncate_from(last + 1))?;
        }
        Ok(())
    }

    /// Writes the record of an entry whose data are `parts`. The caller has made room for `space`
    /// bytes, or fewer if the head turns out shorter.
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
        let head = if kind.is_change() || !self.heads.aim(term, index) {
            wire::write_record_head(bytes, term, index, kind, data_len)
        } else {
            self.heads.write(bytes, data_len)
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

    /// Appends the entries of a checked message from the `skip`th on. The first must follow the
    /// last entry of this log. Returns the number of appended entries.
    ///
    /// The number is lower than the entries given if the recent log is full, but at least 1. On an
    /// error nothing has changed.
    pub fn append_view(&mut self, entries: &EntriesView<'_>, skip: usize) -> Result<usize> {
        match entries.record_bytes() {
            Some(bytes) if entries.is_canonical() && (self.contexts || !entries.has_contexts()) => {
                self.append_canonical(entries, skip, bytes)
            }
            _ => self.append_foreign(entries, skip),
        }
    }

    /// Reserves room for the entries of a message in everything except the blocks.
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

    /// Appends canonical records without gaps. Records that fit in the same block are copied
    /// together.
    fn append_canonical(&mut self, entries: &EntriesView<'_>, skip: usize, bytes: &[u8]) -> Result<usize> {
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
            let head = (len - entry.payload_len()) as u8;
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

    /// Fast path: appends the records of a leader's message, as many as there is room for. Returns
    /// `false` if nothing was appended; the caller then takes the general path.
    ///
    /// The records must be canonical records of normal entries with data, in the term of the last
    /// entry, from the next index on. Otherwise, or without room for a single record, nothing has
    /// changed.
    #[inline]
    pub fn append_records(&mut self, records: &[u8]) -> bool {
        let EntryId { term, index } = self.last_id();
        if u32::try_from(records.len()).is_err() || !self.heads.aim(term, index + 1) {
            return false;
        }
        let Some(first) = self.heads.read(records) else { return false };
        if first.record as usize == records.len() && records.len() <= self.blocks.room() {
            return self.append_record(term, records, first.head as u8).is_some();
        }
        self.append_run(term, index, records)
    }

    /// Appends a single record that fits in the newest block.
    #[inline(always)]
    fn append_record(&mut self, term: Term, record: &[u8], head: u8) -> Option<()> {
        self.reserve_slots(1).ok()?;
        let (block, at) = self.blocks.append(record)?;
        let place = Place { block, offset: at as u32, len: record.len() as u32 };
        self.push(Slot { term, place, head, kind: EntryKind::Normal });
        Some(())
    }

    #[inline(never)]
    fn append_run(&mut self, term: Term, last: Index, records: &[u8]) -> bool {
        self.heads.aim(term, last + 1);
        let before = self.slots.len();
        let fits = records.len() <= self.blocks.room();
        // Until records that do not fit have a place, their slots count as entries of the newest
        // block that are not durable.
        let (block, start) = self.blocks.next().unwrap_or_default();
        let offset = if fits { start as u32 } else { 0 };
        if self.read_records(term, records, Place { block, offset, len: 0 }).is_none() {
            self.slots.truncate(before);
            return false;
        }
        let count = self.slots.len() - before;
        if !fits || self.blocks.append(records).is_none() {
            return self.place_records(term, records, count);
        }
        self.terms.push_many(term, count as u64);
        true
    }

    /// Adds a slot for each record, with places from `place` on. Returns `None` if a record has
    /// another form.
    #[inline(always)]
    fn read_records(&mut self, term: Term, records: &[u8], mut place: Place) -> Option<()> {
        let mut rest = records;
        loop {
            let mut lens = [RecordLen::default(); 16];
            let (count, behind) = self.heads.read_run(rest, &mut lens);
            let lens = lens.get(..count).filter(|lens| !lens.is_empty())?;
            self.reserve_slots(count).ok()?;
            self.slots.extend(lens.iter().map(|len| {
                let slot = Slot {
                    term,
                    place: Place { len: len.record, ..place },
                    head: len.head as u8,
                    kind: EntryKind::Normal,
                };
                place.offset += len.record;
                slot
            }));
            rest = behind;
            if rest.is_empty() {
                return Some(());
            }
        }
    }

    /// Copies the records of the last `left` slots into blocks, and drops the slots of records
    /// without room. Returns `false` if every slot was dropped.
    #[cold]
    #[inline(never)]
    fn place_records(&mut self, term: Term, records: &[u8], mut left: usize) -> bool {
        let (all, mut rest) = (left, records);
        while left > 0 {
            let taken = if rest.len() <= self.blocks.room() { left } else { self.count_fitting(left) };
            if taken == 0 {
                let next = self.slots.get(self.slots.len() - left).map_or(0, |slot| slot.place.len);
                match self.make_room_by_eviction(next as usize, left) {
                    Ok(()) => continue,
                    Err(_) => break,
                }
            }
            let at = self.slots.len() - left;
            let done = (records.len() - rest.len()) as u32;
            let end = self.slots.get(at + taken).map_or(records.len() as u32, |slot| slot.place.offset);
            let Some((now, later)) = rest.split_at_checked((end - done) as usize) else { break };
            let Some((block, start)) = self.blocks.append(now) else { break };
            let shift = (start as u32).wrapping_sub(done);
            for slot in self.slots.range_mut(at..at + taken) {
                slot.place = Place { block, offset: slot.place.offset.wrapping_add(shift), ..slot.place };
            }
            self.terms.push_many(term, taken as u64);
            (rest, left) = (later, left - taken);
        }
        self.slots.truncate(self.slots.len() - left);
        left < all
    }

    /// Returns how many of the last `left` slots have records that fit in the newest block, without
    /// a gap.
    #[cold]
    fn count_fitting(&self, left: usize) -> usize {
        let slots = self.slots.range(self.slots.len() - left..);
        let start = slots.clone().next().map_or(0, |slot| slot.place.offset);
        let room = self.blocks.room();
        slots.take_while(|slot| (slot.place.offset + slot.place.len - start) as usize <= room).count()
    }

    fn copy_run(&mut self, bytes: &[u8], from: usize, to: usize) {
        if from < to
            && let Some(run) = bytes.get(from..to)
        {
            self.blocks.append(run);
        }
    }

    /// Appends entries in the encoding of another implementation. Encodes them anew, so that equal
    /// entries have equal bytes in the log. A log without contexts leaves these out.
    fn append_foreign(&mut self, entries: &EntriesView<'_>, skip: usize) -> Result<usize> {
        let mut taken = 0;
        for entry in entries.iter().skip(skip) {
            let EntryView { term, kind, data, context, .. } = entry;
            match self.append_entry(&EntryRef { term, kind, data, context, ..EntryRef::default() }) {
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

    /// Reserves room for an entry in everything except the blocks.
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

    /// Reserves room for `count` more slots. Doubles the room, but never beyond the slots of a
    /// recent log full of the shortest entries.
    #[cold]
    fn grow_slots(&mut self, count: usize) -> Result<()> {
        let needed = self.slots.len() + count;
        let most = max_index_bytes(self.recent_bytes, self.blocks.block_bytes() as u64) as usize / size_of::<Slot>();
        let wanted = (2 * self.slots.capacity()).max(64).min(most).max(needed);
        self.slots.try_reserve_exact(wanted - self.slots.len()).map_err(|_| Error::NoMem)
    }
}

/// Writes a record's head where the room may be shorter than the longest head.
#[cold]
fn write_head_apart(bytes: &mut [u8], entry: EntryRef<'_>, data_len: usize) -> usize {
    let mut head = [0; wire::MAX_RECORD_HEAD];
    let len = wire::write_record_head(&mut head, entry.term, entry.index, entry.kind, data_len);
    if let (Some(place), Some(head)) = (bytes.get_mut(..len), head.get(..len)) {
        place.copy_from_slice(head);
    }
    len
}
