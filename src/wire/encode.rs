//! Writing: varints, canonical entry records, message heads. All into the caller's buffer.

use super::cursor::Head;
use super::hello::{FRAME_HEADER, write_frame_header};
use super::word::{field, put_wide, short_field, store};
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
    match record_head_by_words(out, term, index, kind, data_len as u64) {
        Some(len) => len,
        None => record_head_plain(out, term, index, kind, data_len),
    }
}

/// A normal entry with a term, an index and data. Three or four stores; the plain way takes about 60 instructions more. `None`: go that
/// way.
#[inline(always)]
fn record_head_by_words(
    out: &mut [u8; MAX_RECORD_HEAD],
    term: u64,
    index: u64,
    kind: EntryKind,
    data_len: u64,
) -> Option<usize> {
    if kind.is_change() || term == 0 || index == 0 || data_len == 0 {
        return None;
    }
    let (term, term_len) = field(0x10, term)?;
    let (index, index_len) = field(0x18, index)?;
    let (data, head_len) = field(0x22, data_len)?;
    let (start, at) = field(0x3a, (term_len + index_len + head_len) as u64 + data_len)?;
    // Each store may write beyond its field; the next one, or the data, writes over that. The last ends at 24 + 8, within 46.
    store(out, 0, start)?;
    store(out, at, term)?;
    let at = at + term_len;
    store(out, at, index)?;
    let at = at + index_len;
    store(out, at, data)?;
    Some(at + head_len)
}

/// Any entry.
#[cold]
#[inline(never)]
pub(super) fn record_head_plain(
    out: &mut [u8; MAX_RECORD_HEAD],
    term: u64,
    index: u64,
    kind: EntryKind,
    data_len: usize,
) -> usize {
    let mut w = Writer::new(out);
    w.field(0x3a, body_len(term, index, kind, data_len) as u64);
    w.scalar(0x08, kind as u64);
    w.scalar(0x10, term);
    w.scalar(0x18, index);
    w.scalar(0x22, data_len as u64);
    w.finish()
}

/// What [`head_by_words`] wants to have room for: a word at every place where one can begin.
const HEAD_ROOM: usize = MAX_HEAD + 8;

/// Writes every scalar of a message, and its context if there is one; zero scalars are left out, but never the type. Returns the length;
/// 0 if it does not fit ([`MAX_HEAD`] plus the context and 11 bytes always do).
#[inline]
pub fn write_head(out: &mut [u8], head: &Head, context: &[u8]) -> usize {
    if let Some(room) = out.first_chunk_mut::<HEAD_ROOM>()
        && let Some(at) = head_short(room, head, context, 0)
    {
        return at;
    }
    write_any_head(out, head, context)
}

/// The head of a message as a group at work sends it: ids that fit in a byte each, what follows in four, and no more than log_term, index,
/// commit and reject. It calls nothing and so saves no registers, which is some 30 instructions less. `address`: of the sender in its term
/// ([`steady::address`](super::steady::address)); 0 if it is not known.
#[inline(always)]
fn head_short(out: &mut [u8], head: &Head, context: &[u8], address: u64) -> Option<usize> {
    let more = head.vote | head.priority as u64 | head.reject_hint | context.len() as u64;
    if more != 0 || (head.log_term | head.index | head.commit) >> 28 != 0 || head.to.wrapping_sub(1) >= 0x7f {
        return None;
    }
    let mut at = 8;
    let start = 0x0018_0010_0008 | (head.kind as u64) << 8 | head.to << 24 | head.from << 40;
    if address != 0 {
        // The term's tag and number stand in its highest bytes.
        store(out, 0, start | address & 0xffff_0000_0000_0000)?;
    } else {
        if head.from.wrapping_sub(1) >= 0x7f || head.term.wrapping_sub(1) >= (1 << 28) - 1 {
            return None;
        }
        store(out, 0, start)?;
        let (word, n) = short_field(0x20, head.term);
        store(out, 6, word)?;
        at = 6 + n;
    }
    for (tag, v) in [(0x28, head.log_term), (0x30, head.index), (0x40, head.commit)] {
        if v != 0 {
            let (word, n) = short_field(tag, v);
            store(out, at, word)?;
            at += n;
        }
    }
    if head.reject {
        store(out, at, 0x0150)?;
        at += 2;
    }
    Some(at)
}

/// Room for a frame whose head is a short one: its header, 28 bytes of scalars, and what is written beyond these.
pub(crate) const SHORT_FRAME: usize = 47;

/// Writes the frame's header and the scalars of a message without a context, if these are short ([`write_head`] writes the same): of its
/// body there follow `body` bytes. Gives the length. `address`: of the sender, whose term the message's is.
#[inline(always)]
pub(crate) fn write_short_frame(
    out: &mut [u8; SHORT_FRAME],
    head: &Head,
    body: u32,
    group: u64,
    address: u64,
) -> Option<usize> {
    let (frame, scalars) = out.split_first_chunk_mut::<FRAME_HEADER>()?;
    let len = head_short(scalars, head, &[], address)?;
    write_frame_header(frame, len as u32 + body, group);
    Some(FRAME_HEADER + len)
}

/// Makes a frame that [`write_short_frame`] wrote one for `to`. `false`: it can't be, since that is no id of one byte.
#[inline(always)]
pub(crate) fn readdress_short_frame(frame: &mut [u8; SHORT_FRAME], to: u64) -> bool {
    let short = to < 0x80;
    if short {
        frame[FRAME_HEADER + 3] = to as u8;
    }
    short
}

#[inline(never)]
fn write_any_head(out: &mut [u8], head: &Head, context: &[u8]) -> usize {
    if let Some(room) = out.first_chunk_mut::<HEAD_ROOM>()
        && let Some(at) = head_by_words(room, head)
    {
        if context.is_empty() && head.vote == 0 && head.priority == 0 {
            return at;
        }
        return write_tail(Writer { out, at, full: false }, head, context);
    }
    head_plain(out, head, context)
}

/// The scalars up to `reject_hint`, of any width. `None`: it does not fit.
#[inline(always)]
fn head_by_words(out: &mut [u8; HEAD_ROOM], head: &Head) -> Option<usize> {
    store(out, 0, (head.kind as u64) << 8 | 0x08)?;
    let mut at = 2;
    for (tag, v) in [(0x10, head.to), (0x18, head.from), (0x20, head.term)] {
        at = put(out, at, tag, v)?;
    }
    at = put(out, at, 0x28, head.log_term)?;
    at = put(out, at, 0x30, head.index)?;
    at = put(out, at, 0x40, head.commit)?;
    if head.reject || head.reject_hint != 0 {
        at = put(out, at, 0x50, head.reject.into())?;
        at = put(out, at, 0x58, head.reject_hint)?;
    }
    Some(at)
}

/// A scalar field at `at`, unless it is 0; where the next one goes.
#[inline(always)]
fn put(out: &mut [u8; HEAD_ROOM], at: usize, tag: u8, v: u64) -> Option<usize> {
    if v == 0 {
        return Some(at);
    }
    let Some((word, n)) = field(tag, v) else { return put_wide(out, at, tag, v) };
    store(out, at, word)?;
    Some(at + n)
}

/// Any head.
#[inline(never)]
pub(super) fn head_plain(out: &mut [u8], head: &Head, context: &[u8]) -> usize {
    let mut w = Writer::new(out);
    w.field(0x08, head.kind as u64);
    w.scalar(0x10, head.to);
    w.scalar(0x18, head.from);
    w.scalar(0x20, head.term);
    w.scalar(0x28, head.log_term);
    w.scalar(0x30, head.index);
    w.scalar(0x40, head.commit);
    w.scalar(0x50, u64::from(head.reject));
    w.scalar(0x58, head.reject_hint);
    write_tail(w, head, context)
}

#[inline(never)]
fn write_tail(mut w: Writer<'_>, head: &Head, context: &[u8]) -> usize {
    w.data(0x62, context);
    w.scalar(0x68, head.vote);
    if head.priority != 0 {
        // Field 16 is the first whose tag takes two bytes.
        w.raw(&[0x80, 0x01]);
        w.varint(head.priority as u64);
    }
    w.finish()
}
