//! The heads of records that follow each other: what stands before their data.
//!
//! Entries of one term and length have heads that differ in the index, and nearly always in its lowest byte alone. So the head of the
//! next one is known from that of the last one, to write it or to find it written: some 15 instructions instead of some 90.
//! [`write_record_head`] and the readers of `entries` are the plain ways, and the oracles of the tests.

use super::encode::{scalar_len, varint_len, write_record_head};
use super::entries::{EntriesView, first_bytes, read_only};
use crate::types::EntryKind;

/// What is known of the next head. It follows from term, index and length alone, so it can be out of date but not wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordHeads {
    term: u64,
    /// The index of the next one.
    next: u64,
    data_len: usize,
    /// The last one, of at most 16 bytes, and how many these are.
    head: u128,
    len: usize,
    /// Which bytes of 16 that is.
    mask: u128,
    /// 1 at the index's first byte.
    step: u128,
    /// How many more indexes differ from the last one in that byte alone.
    left: u64,
}

impl RecordHeads {
    /// Writes a normal entry's head, as [`write_record_head`] does.
    #[inline(always)]
    pub(crate) fn write(&mut self, out: &mut [u8], term: u64, index: u64, data_len: usize) -> usize {
        if self.knows(term, index, data_len)
            && let Some(place) = out.first_chunk_mut::<16>()
        {
            self.go_on();
            // What is behind the head is written over by the data.
            *place = self.head.to_le_bytes();
            return self.len;
        }
        self.write_anew(out, term, index, data_len)
    }

    /// Before a series that begins with this term and index.
    pub(crate) fn aim(&mut self, term: u64, index: u64) {
        if self.term != term || self.next != index {
            self.left = 0;
        }
    }

    /// The same as `write` for each entry of a series, in turn.
    #[inline(always)]
    pub(crate) fn write_series(&mut self, out: &mut [u8], term: u64, index: u64, data_len: usize) -> usize {
        if self.left > 0
            && data_len == self.data_len
            && let Some(place) = out.first_chunk_mut::<16>()
        {
            debug_assert!(self.knows(term, index, data_len));
            self.go_on();
            *place = self.head.to_le_bytes();
            return self.len;
        }
        self.write_anew(out, term, index, data_len)
    }

    /// The length of the head of `record`, if that is the canonical record of the normal entry with this term and index, which has data.
    #[inline(always)]
    pub(crate) fn read(&mut self, record: &[u8], term: u64, index: u64) -> Option<usize> {
        if self.left > 0
            && index == self.next
            && term == self.term
            && let Some(start) = record.first_chunk::<16>()
            && (u128::from_le_bytes(*start) ^ (self.head + self.step)) & self.mask == 0
        {
            if record.len() != self.len + self.data_len {
                return None;
            }
            self.go_on();
            return Some(self.len);
        }
        self.read_anew(record, term, index)
    }

    /// How long each record and its head are, if `records` are nothing but canonical records of normal entries of this term, from this index
    /// on, and each is as long as the last one. About 12 instructions a record, where to read them as they come takes about 28.
    pub(crate) fn read_series(&mut self, records: &[u8], term: u64, index: u64) -> Option<(u32, u8)> {
        if index != self.next || term != self.term {
            return None;
        }
        let (len, end) = (self.len, self.len + self.data_len);
        let mut rest = records;
        loop {
            let before = self.left;
            let (mut head, mask, step, mut left) = (self.head, self.mask, self.step, self.left);
            while left > 0
                && let Some(start) = rest.first_chunk::<16>()
                && (u128::from_le_bytes(*start) ^ (head + step)) & mask == 0
                && let Some(behind) = rest.get(end..)
            {
                head += step;
                left -= 1;
                rest = behind;
            }
            self.head = head;
            self.next += before - left;
            self.left = left;
            if rest.is_empty() {
                return Some((u32::try_from(end).ok()?, len as u8));
            }
            // Every 128th index differs from the last one in more than a byte; and the last record may be less than 16.
            let (record, behind) = rest.split_at_checked(end)?;
            if self.read_anew(record, term, self.next) != Some(len) {
                return None;
            }
            rest = behind;
        }
    }

    /// Makes the last of a run of records, in a row, the last one.
    pub(crate) fn learn_run(&mut self, entries: &EntriesView<'_>, records: &[u8]) {
        self.left = 0;
        if let (Some((len, head)), (term, index)) = (entries.uniform(), entries.last())
            && let Some((_, record)) = records.split_at_checked(records.len().wrapping_sub(len as usize))
        {
            self.learn(record, term, index, head.into(), (len - u32::from(head)) as usize);
        }
    }

    #[inline(always)]
    fn knows(&self, term: u64, index: u64, data_len: usize) -> bool {
        self.left > 0 && index == self.next && term == self.term && data_len == self.data_len
    }

    #[inline(always)]
    fn go_on(&mut self) {
        self.head += self.step;
        self.next += 1;
        self.left -= 1;
    }

    #[inline(never)]
    fn write_anew(&mut self, out: &mut [u8], term: u64, index: u64, data_len: usize) -> usize {
        let len = write_record_head(out, term, index, EntryKind::Normal, data_len);
        self.learn(out, term, index, len, data_len);
        len
    }

    #[inline(never)]
    fn read_anew(&mut self, record: &[u8], term: u64, index: u64) -> Option<usize> {
        let entry = read_only(record).filter(|entry| entry.term == term && entry.index == index)?;
        self.learn(record, term, index, entry.data, entry.end - entry.data);
        Some(entry.data)
    }

    fn learn(&mut self, record: &[u8], term: u64, index: u64, len: usize, data_len: usize) {
        self.left = 0;
        // Behind the index there are the tag and the length of data.
        let behind = varint_len(index) + scalar_len(data_len as u64);
        if index > 0
            && data_len > 0
            && (behind..=16).contains(&len)
            && let Some(start) = record.first_chunk::<16>()
        {
            let mask = first_bytes(len);
            *self = Self {
                term,
                next: index.saturating_add(1),
                data_len,
                head: u128::from_le_bytes(*start) & mask,
                len,
                mask,
                step: 1 << (8 * (len - behind)),
                left: 0x7f - (index & 0x7f),
            };
        }
    }
}
