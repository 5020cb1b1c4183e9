//! The heads of consecutive records: the bytes before an entry's data.
//!
//! In a series, entries of a single term with rising indexes, the heads differ only in two lengths
//! and in the index. [`RecordHeads`] keeps term and index of the next entry in wire form, and
//! writes or compares a head in a few words. [`write_record_head`] and the readers of `entries` do
//! the same field by field; the tests compare the results.

use super::encode::write_record_head;
use super::entries::{TAG, WINDOW, padded, short};
use super::word::{Words, field, short_field, store};
use crate::types::EntryKind;

/// Term and index of the next entry of a series, in wire form.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordHeads {
    term: u64,
    index: u64,
    /// The fields between the two lengths: term, index, and the tag of the data. The first byte is
    /// the lowest.
    middle: u128,
    /// Bytes of `middle`; 0: the next entry is in no series.
    len: usize,
    /// The bytes of a 16-byte word that `middle` fills.
    mask: u128,
    /// A 1 at the index's first byte.
    step: u128,
}

/// Lengths of a record in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordLen {
    pub record: u32,
    /// The bytes before the data.
    pub head: u32,
}

impl RecordHeads {
    /// Begins or continues the series whose next entry has this term and index. Returns `false` if
    /// the numbers are 0 or too wide for a series.
    #[inline(always)]
    pub(crate) fn aim(&mut self, term: u64, index: u64) -> bool {
        if self.index != index || self.term != term {
            *self = Self::at(term, index);
        }
        self.len > 0
    }

    // By value: a loop over entries then keeps the series in registers.
    #[inline(never)]
    fn at(term: u64, index: u64) -> Self {
        let none = Self { term, index, ..Self::default() };
        if term == 0 || index == 0 {
            return none;
        }
        let (Some((term_word, term_len)), Some((index_word, index_len))) = (field(0x10, term), field(0x18, index))
        else {
            return none;
        };
        let len = term_len + index_len + 1;
        if len > 16 {
            return none;
        }
        let at = 8 * term_len as u32;
        let middle = u128::from(term_word) | u128::from(index_word) << at | 0x22 << (8 * (len as u32 - 1));
        Self { middle, len, mask: u128::MAX >> (128 - 8 * len as u32), step: 1 << (at + 8), ..none }
    }

    /// Moves to the next index.
    #[inline(always)]
    fn go_on(&mut self) {
        let next = self.index.wrapping_add(1);
        // Every 128th index differs in more than its first byte.
        if next & 0x7f == 0 {
            *self = Self::at(self.term, next);
        } else {
            self.index = next;
            self.middle += self.step;
        }
    }

    /// Writes the head of the series' next entry, a normal entry, as [`write_record_head`] does.
    /// Returns the length.
    ///
    /// Returns 0 only if `out` is shorter than [`MAX_RECORD_HEAD`](super::MAX_RECORD_HEAD); the
    /// content of `out` is then undefined. The function may overwrite bytes after the head.
    #[inline(always)]
    pub(crate) fn write(&mut self, out: &mut [u8], data_len: usize) -> usize {
        let head = self.write_words(out, data_len);
        let head = match head {
            Some(head) => head,
            None => write_record_head(out, self.term, self.index, EntryKind::Normal, data_len),
        };
        if head > 0 {
            self.go_on();
        }
        head
    }

    #[inline(always)]
    fn write_words(&self, out: &mut [u8], data_len: usize) -> Option<usize> {
        if data_len.wrapping_sub(1) >= (1 << 28) - 256 || self.len == 0 {
            return None;
        }
        let out = out.first_chunk_mut::<WINDOW>()?;
        let (data_word, data_bytes) = short_field(0x22, data_len as u64);
        let (start_word, start) = short_field(TAG, (self.len + data_bytes - 1 + data_len) as u64);
        // A store may write beyond the field. The next store, or the data, overwrites the rest.
        store(out, 0, start_word)?;
        *out.get_mut(start..)?.first_chunk_mut::<16>()? = self.middle.to_le_bytes();
        let tag = start + self.len - 1;
        store(out, tag, data_word)?;
        Some(tag + data_bytes)
    }

    /// Reads the lengths of the series' next records into `lens`. Returns the number of records,
    /// and the bytes after the last.
    ///
    /// Each record must be the canonical record of the next entry: a normal entry with data.
    /// Reading ends at the first record of another form, or when `lens` is full.
    #[inline(never)]
    pub(crate) fn read_run<'a>(&mut self, records: &'a [u8], lens: &mut [RecordLen]) -> (usize, &'a [u8]) {
        let (mut heads, mut rest, mut count) = (*self, records, 0);
        for place in lens {
            let Some(len) = heads.read(rest) else { break };
            let Some(behind) = rest.get(len.record as usize..) else { break };
            (*place, rest, count) = (len, behind, count + 1);
        }
        *self = heads;
        (count, rest)
    }

    /// Reads the first record of `records`, as [`read_run`](Self::read_run) does.
    #[inline(always)]
    pub(crate) fn read(&mut self, records: &[u8]) -> Option<RecordLen> {
        let len = match records.first_chunk::<WINDOW>() {
            Some(window) => self.read_window(window, records.len())?,
            None => self.read_last(records)?,
        };
        self.go_on();
        Some(len)
    }

    #[inline(never)]
    fn read_last(&self, records: &[u8]) -> Option<RecordLen> {
        self.read_window(&padded(Words::new(records)?), records.len())
    }

    #[inline(always)]
    fn read_window(&self, window: &[u8; WINDOW], left: usize) -> Option<RecordLen> {
        let word = |at: usize| Some(u64::from_le_bytes(*window.get(at..)?.first_chunk::<8>()?));
        let w = word(0)?;
        if w as u8 != TAG || self.len == 0 {
            return None;
        }
        let (body, n) = short(w >> 8)?;
        let start = 1 + n;
        let middle = u128::from_le_bytes(*window.get(start..)?.first_chunk::<16>()?);
        if (middle ^ self.middle) & self.mask != 0 {
            return None;
        }
        let at = start + self.len;
        let (data_len, n) = short(word(at)?)?;
        let head = at + n;
        // Both lengths have at most 49 bits, so neither sum can overflow.
        let record = start as u64 + body;
        if head as u64 + data_len != record || record > left as u64 {
            return None;
        }
        Some(RecordLen { record: record as u32, head: head as u32 })
    }
}
