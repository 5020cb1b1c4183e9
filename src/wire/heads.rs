//! The heads of records that follow each other: what stands before their data.
//!
//! Entries of one term and length have heads that differ in the index, and nearly always in its lowest byte alone. So the head of the
//! next one is known from that of the last one, to write it or to find it written: some 15 instructions instead of some 90.
//! [`write_record_head`] and the readers of `entries` are the plain ways, and the oracles of the tests.

use super::encode::{scalar_len, varint_len, write_record_head};
use super::entries::{first_bytes, read_only};
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
        if self.knows(term, index, record.len().wrapping_sub(self.len))
            && let Some(start) = record.first_chunk::<16>()
            && (u128::from_le_bytes(*start) ^ (self.head + self.step)) & self.mask == 0
        {
            self.go_on();
            return Some(self.len);
        }
        self.read_anew(record, term, index)
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
