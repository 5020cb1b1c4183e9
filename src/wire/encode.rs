//! Writing: varints, canonical entry records, message heads. All into the caller's buffer.

use super::cursor::Head;
use crate::types::EntryKind;

/// Upper bound of what [`write_record_head`] writes: tag and length, then the tags and the longest values of kind, term, index, and the
/// tag and length of data.
pub const MAX_RECORD_HEAD: usize = 11 + 2 + 11 + 11 + 11;

/// Upper bound of what [`write_head`] writes without a context: type and reject in two bytes each, eight numbers in eleven,
/// priority in twelve.
pub const MAX_HEAD: usize = 2 * 2 + 8 * 11 + 12;

/// How many bytes a number takes as a varint: 1 to 10.
#[inline(always)]
pub fn varint_len(v: u64) -> usize {
    // 9/64 stands for 1/7, exact over all 64 widths.
    ((64 - (v | 1).leading_zeros()) as usize * 9 + 64) / 64
}

/// How many bytes a scalar field with a one-byte tag takes; a zero one is left out.
#[inline(always)]
pub(super) fn scalar_len(v: u64) -> usize {
    if v == 0 { 0 } else { 1 + varint_len(v) }
}

/// How many bytes a field with a one-byte tag and `len` bytes of content takes.
#[inline(always)]
pub(super) fn bytes_len(len: usize) -> usize {
    (1 + varint_len(len as u64)).saturating_add(len)
}

/// As [`bytes_len`], but an empty field is left out.
#[inline(always)]
pub(super) fn data_len(len: usize) -> usize {
    if len == 0 { 0 } else { bytes_len(len) }
}

/// Writes from the front of a buffer and remembers whether it was too short.
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
    full: bool,
}

impl<'a> Writer<'a> {
    #[inline(always)]
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0, full: false }
    }

    /// How much was written; 0 if it did not fit.
    #[inline(always)]
    pub(super) fn finish(self) -> usize {
        if self.full { 0 } else { self.at }
    }

    #[inline(always)]
    pub(super) fn byte(&mut self, byte: u8) {
        match self.out.get_mut(self.at) {
            Some(place) => {
                *place = byte;
                self.at += 1;
            }
            None => self.full = true,
        }
    }

    #[inline(always)]
    pub(super) fn varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.byte(v as u8 | 0x80);
            v >>= 7;
        }
        self.byte(v as u8);
    }

    /// Raw bytes, no tag.
    #[inline]
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        match self.out.get_mut(self.at..).and_then(|out| out.get_mut(..bytes.len())) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.at += bytes.len();
            }
            None => self.full = true,
        }
    }

    /// Tag and value.
    #[inline(always)]
    pub(super) fn field(&mut self, tag: u8, v: u64) {
        self.byte(tag);
        self.varint(v);
    }

    /// Tag and value, unless the value is 0.
    #[inline(always)]
    pub(super) fn scalar(&mut self, tag: u8, v: u64) {
        if v != 0 {
            self.field(tag, v);
        }
    }

    /// Tag, length and content, unless the content is empty.
    #[inline]
    pub(super) fn data(&mut self, tag: u8, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.field(tag, bytes.len() as u64);
            self.raw(bytes);
        }
    }
}

/// The length of an entry's body: what the record's own length says.
#[inline(always)]
fn body_len(term: u64, index: u64, kind: EntryKind, len: usize) -> usize {
    (scalar_len(kind as u64) + scalar_len(term) + scalar_len(index)).saturating_add(data_len(len))
}

/// The length of an entry's canonical record, tag and length included.
#[inline]
pub fn record_len(term: u64, index: u64, kind: EntryKind, data_len: usize) -> usize {
    bytes_len(body_len(term, index, kind, data_len))
}

/// Writes an entry's canonical record up to its data, which the caller puts behind. Returns the length; 0, and nothing of use written,
/// if `out` has less than [`MAX_RECORD_HEAD`] bytes.
#[inline]
pub fn write_record_head(out: &mut [u8], term: u64, index: u64, kind: EntryKind, data_len: usize) -> usize {
    let Some(out) = out.first_chunk_mut::<MAX_RECORD_HEAD>() else { return 0 };
    let mut w = Writer::new(out);
    w.field(0x3a, body_len(term, index, kind, data_len) as u64);
    w.scalar(0x08, kind as u64);
    w.scalar(0x10, term);
    w.scalar(0x18, index);
    w.scalar(0x22, data_len as u64);
    w.finish()
}

/// Writes every scalar of a message, and its context if there is one; zero scalars are left out, but never the type. Returns the length;
/// 0 if it does not fit ([`MAX_HEAD`] plus the context and 11 bytes always do).
#[inline]
pub fn write_head(out: &mut [u8], head: &Head, context: &[u8]) -> usize {
    let mut w = Writer::new(out);
    // Small ids and terms are the rule: the first four fields are eight bytes then, one store instead of eight (some 60 instructions).
    let small = |v: u64| (1..0x80).contains(&v);
    if small(head.to) && small(head.from) && small(head.term) && w.out.len() >= 8 {
        let first = [0x08, head.kind as u8, 0x10, head.to as u8, 0x18, head.from as u8, 0x20, head.term as u8];
        w.raw(&first);
    } else {
        w.field(0x08, head.kind as u64);
        w.scalar(0x10, head.to);
        w.scalar(0x18, head.from);
        w.scalar(0x20, head.term);
    }
    w.scalar(0x28, head.log_term);
    w.scalar(0x30, head.index);
    w.scalar(0x40, head.commit);
    w.scalar(0x50, u64::from(head.reject));
    w.scalar(0x58, head.reject_hint);
    w.data(0x62, context);
    w.scalar(0x68, head.vote);
    if head.priority != 0 {
        // Field 16 is the first whose tag takes two bytes.
        w.raw(&[0x80, 0x01]);
        w.varint(head.priority as u64);
    }
    w.finish()
}
