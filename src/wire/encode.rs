//! Writes varints, canonical entry records and message heads into the caller's buffer.

use super::cursor::Head;
use super::hello::{FRAME_HEADER, write_frame_header};
use super::word::{field, put_wide, short_field, store};
use crate::types::{EntryKind, EntryRef};

/// Upper bound of the bytes that [`write_record_head`] writes.
///
/// The sum: tag and length; tags and longest values of kind, term and index; tag and length of the
/// data.
pub const MAX_RECORD_HEAD: usize = 11 + 2 + 11 + 11 + 11;

/// Upper bound of the bytes that [`write_head`] writes without a context: type and reject in two
/// bytes each, eight numbers in eleven, priority in twelve, and priority and term of eraftpb.
pub const MAX_HEAD: usize = 2 * 2 + 8 * 11 + 12 + 2 * 11;

/// Returns the bytes of a number as a varint: 1 to 10.
#[inline(always)]
pub fn varint_len(v: u64) -> usize {
    // 9/64 stands for 1/7, exact over all 64 widths.
    ((64 - (v | 1).leading_zeros()) as usize * 9 + 64) / 64
}

/// Returns the bytes of a scalar field with a one-byte tag. A zero field is left out and takes
/// none.
#[inline(always)]
pub(super) fn scalar_len(v: u64) -> usize {
    if v == 0 { 0 } else { 1 + varint_len(v) }
}

/// Returns the bytes of a field with a one-byte tag and `len` bytes of content.
#[inline(always)]
pub(super) fn bytes_len(len: usize) -> usize {
    (1 + varint_len(len as u64)).saturating_add(len)
}

/// Returns the same as [`bytes_len`], or 0 for an empty field, which is left out.
#[inline(always)]
pub(super) fn data_len(len: usize) -> usize {
    if len == 0 { 0 } else { bytes_len(len) }
}

/// Writes from the front of a buffer and remembers whether the buffer was too short.
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

    /// Returns the bytes written, or 0 if the buffer was too short.
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

    /// Writes raw bytes, without a tag.
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

    /// Writes a tag and a value.
    #[inline(always)]
    pub(super) fn field(&mut self, tag: u8, v: u64) {
        self.byte(tag);
        self.varint(v);
    }

    /// Writes a tag and a value, unless the value is 0.
    #[inline(always)]
    pub(super) fn scalar(&mut self, tag: u8, v: u64) {
        if v != 0 {
            self.field(tag, v);
        }
    }

    /// Writes tag, length and content, unless the content is empty.
    #[inline]
    pub(super) fn data(&mut self, tag: u8, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.field(tag, bytes.len() as u64);
            self.raw(bytes);
        }
    }
}

/// Returns the length of an entry's body, as the record's length field states.
#[inline(always)]
fn body_len(term: u64, index: u64, kind: EntryKind, len: usize) -> usize {
    (scalar_len(kind as u64) + scalar_len(term) + scalar_len(index)).saturating_add(data_len(len))
}

/// Returns the length of an entry's canonical record, tag and length included.
#[inline]
pub fn record_len(term: u64, index: u64, kind: EntryKind, data_len: usize) -> usize {
    bytes_len(body_len(term, index, kind, data_len))
}

/// Writes an entry's canonical record up to its data. The caller appends the data. Returns the
/// length.
///
/// Returns 0 if `out` has less than [`MAX_RECORD_HEAD`] bytes; the content of `out` is then
/// undefined.
#[inline]
pub fn write_record_head(out: &mut [u8], term: u64, index: u64, kind: EntryKind, data_len: usize) -> usize {
    let Some(out) = out.first_chunk_mut::<MAX_RECORD_HEAD>() else { return 0 };
    match record_head_by_words(out, term, index, kind, data_len as u64) {
        Some(len) => len,
        None => record_head_plain(out, term, index, kind, data_len, 0),
    }
}

/// Returns the length of an entry's canonical record with its context.
pub(crate) fn full_record_len(entry: &EntryRef<'_>) -> usize {
    let body = body_len(entry.term, entry.index, entry.kind, entry.data.len());
    bytes_len(body.saturating_add(data_len(entry.context.len())))
}

/// Returns the bytes of an entry's record behind the head: the data, and the context's field.
pub(crate) fn payload_len(entry: &EntryRef<'_>) -> usize {
    entry.data.len() + data_len(entry.context.len())
}

/// Writes the head of a canonical record that ends with a context, and the tag and length of that
/// context. Returns the lengths of both. The data belong between them, the context at the end.
pub(crate) fn write_context_heads(
    head: &mut [u8; MAX_RECORD_HEAD],
    field: &mut [u8; 11],
    entry: &EntryRef<'_>,
) -> (usize, usize) {
    let context = entry.context.len();
    let (EntryRef { term, index, kind, data, .. }, tail) = (*entry, self::data_len(context));
    let mut w = Writer::new(field);
    if context > 0 {
        w.field(0x32, context as u64);
    }
    (record_head_plain(head, term, index, kind, data.len(), tail), w.finish())
}

/// Appends an entry's canonical record, with its context, to a list with room. Returns the length
/// of the head.
pub(crate) fn put_record(out: &mut Vec<u8>, entry: &EntryRef<'_>) -> usize {
    let (mut head, mut field) = ([0; MAX_RECORD_HEAD], [0; 11]);
    let (head_len, field_len) = write_context_heads(&mut head, &mut field, entry);
    out.extend_from_slice(head.get(..head_len).unwrap_or(&[]));
    out.extend_from_slice(entry.data);
    out.extend_from_slice(field.get(..field_len).unwrap_or(&[]));
    out.extend_from_slice(entry.context);
    head_len
}

/// Fast path for a normal entry with term, index and data: a few stores of whole words. Returns
/// `None` for other entries; the caller then uses [`record_head_plain`].
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
    // A store may write beyond the field. The next store, or the data, overwrites the rest. The
    // last store ends at 24 + 8, within 46.
    store(out, 0, start)?;
    store(out, at, term)?;
    let at = at + term_len;
    store(out, at, index)?;
    let at = at + index_len;
    store(out, at, data)?;
    Some(at + head_len)
}

/// General path: any entry. `tail`: bytes of the record behind the data.
#[cold]
#[inline(never)]
pub(super) fn record_head_plain(
    out: &mut [u8; MAX_RECORD_HEAD],
    term: u64,
    index: u64,
    kind: EntryKind,
    data_len: usize,
    tail: usize,
) -> usize {
    let mut w = Writer::new(out);
    w.field(0x3a, body_len(term, index, kind, data_len).saturating_add(tail) as u64);
    w.scalar(0x08, kind as u64);
    w.scalar(0x10, term);
    w.scalar(0x18, index);
    w.scalar(0x22, data_len as u64);
    w.finish()
}

/// Room that [`head_by_words`] needs: a whole word at each place where a field can begin.
const HEAD_ROOM: usize = MAX_HEAD + 8;

/// Writes every scalar of a message, and the context if it is not empty. Returns the length.
///
/// Leaves out zero scalars, but never the type. Returns 0 if `out` is too short. A buffer of
/// [`MAX_HEAD`] plus the context and 11 bytes is always long enough.
#[inline]
pub fn write_head(out: &mut [u8], head: &Head, context: &[u8]) -> usize {
    if let Some(room) = out.first_chunk_mut::<HEAD_ROOM>()
        && let Some(at) = head_short(room, head, context, 0)
    {
        return at;
    }
    write_any_head(out, head, context)
}

/// Fast path for the head of a message in steady replication. Returns `None` for any other head.
///
/// As varints, the ids take a byte each and the other numbers at most four. The only further
/// scalars are log_term, index, commit and reject. The function calls nothing, so that the compiler
/// saves no registers. `address` is [`steady::address`](super::steady::address) of the sender in
/// its term, or 0 if unknown.
#[inline(always)]
fn head_short(out: &mut [u8], head: &Head, context: &[u8], address: u64) -> Option<usize> {
    let more = head.vote | head.priority as u64 | head.reject_hint | context.len() as u64;
    if more != 0 || (head.log_term | head.index | head.commit) >> 28 != 0 || head.to.wrapping_sub(1) >= 0x7f {
        return None;
    }
    let mut at = 8;
    let start = 0x0018_0010_0008 | (head.kind as u64) << 8 | head.to << 24 | head.from << 40;
    if address != 0 {
        // The two highest bytes of the address hold the term's tag and number.
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

/// Room for a frame with a short head: the frame header, 28 bytes of scalars, and the overrun of
/// the last store.
pub(crate) const SHORT_FRAME: usize = 47;

/// Writes the frame header and the scalars of a message without a context. Returns the length.
///
/// Returns `None` if the head is not short. [`write_head`] writes the same bytes. The frame header
/// also counts `body` bytes, which follow. `address` belongs to the sender in the message's term.
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

/// Changes the receiver of a frame that [`write_short_frame`] wrote. Returns `false`, and changes
/// nothing, if `to` takes more than a byte as a varint.
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

/// Writes the scalars up to `reject_hint`, of any width. Returns `None` if `out` is too short.
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

/// Writes a scalar field at `at`, unless the value is 0. Returns the place of the next field.
#[inline(always)]
fn put(out: &mut [u8; HEAD_ROOM], at: usize, tag: u8, v: u64) -> Option<usize> {
    if v == 0 {
        return Some(at);
    }
    let Some((word, n)) = field(tag, v) else { return put_wide(out, at, tag, v) };
    store(out, at, word)?;
    Some(at + n)
}

/// General path: any head.
#[inline(never)]
pub(super) fn head_plain(out: &mut [u8], head: &Head, context: &[u8]) -> usize {
    write_tail(head_before_context(out, head), head, context)
}

/// Writes the fields up to `reject_hint`.
pub(super) fn head_before_context<'a>(out: &'a mut [u8], head: &Head) -> Writer<'a> {
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
    w
}

#[inline(never)]
pub(super) fn write_tail(mut w: Writer<'_>, head: &Head, context: &[u8]) -> usize {
    w.data(0x62, context);
    w.scalar(0x68, head.vote);
    if head.priority != 0 {
        // Field 16 is the first whose tag takes two bytes.
        w.raw(&[0x80, 0x01]);
        w.varint(head.priority as u64);
    }
    w.finish()
}
