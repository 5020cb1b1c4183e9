//! Entries on the wire: a record of `Message.entries` (field 7), and all records of a message.
//!
//! The log keeps entries in this form, so a record's *canonical* form matters. A canonical record
//! has tag `0x3a`, the length, then the fields ascending, each field at most once, with shortest
//! varints. Zero scalars, empty data and unknown fields are left out. Equal entries have equal
//! canonical records.

use super::encode::{data_len, full_record_len, varint_len};
use super::read::Reader;
use super::word::{Words, judged_number};
use crate::error::{Error, Result};
use crate::types::{EntryKind, EntryRef};

/// The key of `Message.entries`.
pub(super) const KEY: u32 = 0x3a;
pub(super) const TAG: u8 = 0x3a;

/// The bytes that the fast path looks at: four tags and four varints of at most seven bytes. Wider
/// numbers take the general path.
pub(super) const WINDOW: usize = 32;

/// An entry, borrowed from its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryView<'a> {
    /// Term of the leader that made the entry; 0 in a proposal.
    pub term: u64,
    /// Position in the log; 0 in a proposal.
    pub index: u64,
    /// Kind of the entry.
    pub kind: EntryKind,
    /// The payload.
    pub data: &'a [u8],
    /// The context (field 6 of eraftpb); empty in records of raftpb.
    pub context: &'a [u8],
    /// The whole record: tag, length, body.
    pub record: &'a [u8],
    /// Whether `record` is canonical: [`write_record_head`](super::write_record_head) and the data
    /// give the same bytes.
    pub canonical: bool,
}

impl EntryView<'_> {
    /// Returns the bytes of the canonical record behind its head: the data, and the context's
    /// field.
    #[inline]
    pub(crate) fn payload_len(&self) -> usize {
        self.data.len() + data_len(self.context.len())
    }

    /// Returns the length of the canonical record.
    pub(crate) fn canonical_len(&self) -> usize {
        let Self { term, index, kind, data, context, .. } = *self;
        full_record_len(&EntryRef { term, index, kind, data, context, token: 0 })
    }
}

/// Reads the record of field 7 at the start of `bytes`. Returns the entry and the length of the
/// record.
#[inline]
pub fn read_record(bytes: &[u8]) -> Result<(EntryView<'_>, usize)> {
    if let Some(entry) = read_common(bytes).or_else(|| read_ordered(bytes)) {
        return Ok((entry, entry.record.len()));
    }
    read_any(bytes)
}

/// Reads a varint from the low bytes of a word. Returns the number and its length in bytes.
///
/// Returns `None` for 0, for an overlong varint, and for a varint of more than seven bytes.
#[inline(always)]
pub(super) fn short(w: u64) -> Option<(u64, usize)> {
    // Lengths repeat from entry to entry, so that the CPU predicts these branches. The last byte of
    // a shortest varint is not 0.
    if w & 0x80 == 0 {
        let v = w & 0x7f;
        return if v == 0 { None } else { Some((v, 1)) };
    }
    if w & 0x8000 == 0 {
        return if w & 0x7f00 == 0 { None } else { Some((w & 0x7f | w >> 1 & 0x3f80, 2)) };
    }
    let low = w & 0x7f | w >> 1 & 0x3f80;
    if w & 0x80_0000 == 0 {
        return if w & 0x7f_0000 == 0 { None } else { Some((low | w >> 2 & 0x1f_c000, 3)) };
    }
    let low = low | w >> 2 & 0x1f_c000;
    if w & 0x8000_0000 == 0 {
        return if w & 0x7f00_0000 == 0 { None } else { Some((low | w >> 3 & 0xfe0_0000, 4)) };
    }
    // Five to seven bytes: find the first byte without the top bit. If all eight have the bit,
    // there is none to find.
    let len = ((!w & 0x8080_8080_8080_8080).trailing_zeros() / 8 + 1) as usize;
    if len > 7 || w >> (8 * (len - 1)) & 0x7f == 0 {
        return None;
    }
    let w = w & (u64::MAX >> (64 - 8 * len));
    let v = low | w >> 3 & 0xfe0_0000 | w >> 4 & (0x7f << 28) | w >> 5 & (0x7f << 35) | w >> 6 & (0x7f << 42);
    Some((v, len))
}

#[inline(always)]
fn word(window: &[u8; WINDOW], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*window.get(at..)?.first_chunk::<8>()?))
}

/// The header of a record in the common form, read without touching the data.
#[derive(Clone, Copy)]
pub(crate) struct Common {
    pub term: u64,
    pub index: u64,
    /// Offset of the data.
    pub data: usize,
    /// End of the record, within the bytes that it was read from.
    pub end: usize,
}

/// Fast path for the common form: a canonical record of a normal entry with term, index and data.
/// Returns `None` for any other form; the caller then takes the general path.
#[inline(always)]
pub(super) fn read_common(bytes: &[u8]) -> Option<EntryView<'_>> {
    let common = match bytes.first_chunk::<WINDOW>() {
        Some(window) => read_window(window, bytes.len())?,
        None => read_last(bytes)?,
    };
    let record = bytes.get(..common.end)?;
    let data = record.get(common.data..)?;
    let (term, index, kind) = (common.term, common.index, EntryKind::Normal);
    Some(EntryView { term, index, kind, data, context: &[], record, canonical: true })
}

#[inline(never)]
fn read_last(bytes: &[u8]) -> Option<Common> {
    read_window(&padded(Words::new(bytes)?), bytes.len())
}

/// Returns the window of fewer than `WINDOW` bytes, with zeros at the end. The reader refuses a
/// record that reaches into the zeros, since the record ends beyond the bytes.
#[inline(always)]
pub(super) fn padded(words: Words<'_>) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    for (place, at) in window.as_chunks_mut::<8>().0.iter_mut().zip([0, 8, 16, 24]) {
        *place = words.at(at).unwrap_or(0).to_le_bytes();
    }
    window
}

/// Reads the common form at the start of `left` bytes; `window` holds the first of these bytes.
#[inline(always)]
fn read_window(window: &[u8; WINDOW], left: usize) -> Option<Common> {
    let w = word(window, 0)?;
    if w as u8 != TAG {
        return None;
    }
    let (len, n) = short(w >> 8)?;
    let body = 1 + n;
    let w = word(window, body)?;
    if w as u8 != 0x10 {
        return None;
    }
    let (term, n) = short(w >> 8)?;
    let index_tag = body + 1 + n;
    let w = word(window, index_tag)?;
    if w as u8 != 0x18 {
        return None;
    }
    let (index, n) = short(w >> 8)?;
    let data_tag = index_tag + 1 + n;
    let w = word(window, data_tag)?;
    if w as u8 != 0x22 {
        return None;
    }
    let (data_len, n) = short(w >> 8)?;
    let data = data_tag + 1 + n;
    // The data end the body. Both lengths have at most 49 bits, so neither sum can overflow.
    let end = body as u64 + len;
    if data as u64 + data_len != end || end > left as u64 {
        return None;
    }
    Some(Common { term, index, data, end: end as usize })
}

/// Reads a record with ascending fields, each at most once, and numbers of at most seven bytes.
///
/// Nearly every record outside the common form is of this form: configuration entries, proposals in
/// flight to the leader, and the records that etcd's raft writes with explicit zeros. Returns
/// `None` for any other form.
#[inline(never)]
pub(super) fn read_ordered(bytes: &[u8]) -> Option<EntryView<'_>> {
    let words = Words::new(bytes)?;
    let w = words.at(0)?;
    if w as u8 != TAG {
        return None;
    }
    let (len, mut at, mut canonical) = judged_number(w)?;
    // An empty body has the length 0.
    canonical |= at == 2;
    let record = bytes.get(..at.checked_add(usize::try_from(len).ok()?)?)?;
    let (mut term, mut index, mut kind) = (0, 0, EntryKind::Normal);
    let (mut data, mut context) = ([].as_slice(), [].as_slice());
    let words = Words::new(record)?;
    'fields: {
        let Some(mut w) = words.at(at) else { break 'fields };
        macro_rules! scalar {
            ($tag:literal, $value:ident => $set:expr) => {
                if w as u8 == $tag {
                    let ($value, n, shortest) = judged_number(w)?;
                    canonical &= shortest;
                    at += n;
                    $set;
                    match words.at(at) {
                        Some(word) => w = word,
                        None => break 'fields,
                    }
                }
            };
        }
        scalar!(0x08, v => kind = EntryKind::from_wire(v)?);
        scalar!(0x10, v => term = v);
        scalar!(0x18, v => index = v);
        for (tag, place) in [(0x22, &mut data), (0x32, &mut context)] {
            if w as u8 == tag {
                let (len, n, shortest) = judged_number(w)?;
                canonical &= shortest;
                *place = record.get(at + n..)?.get(..usize::try_from(len).ok()?)?;
                at += n + place.len();
                let Some(word) = words.at(at) else { break 'fields };
                w = word;
            }
        }
    }
    if at == record.len() { Some(EntryView { term, index, kind, data, context, record, canonical }) } else { None }
}

/// General path: reads a record with fields in any order, unknown fields and explicit zeros.
#[inline(never)]
pub(super) fn read_any(bytes: &[u8]) -> Result<(EntryView<'_>, usize)> {
    let mut outer = Reader::new(bytes);
    if outer.key()? != KEY {
        return Err(Error::Decode);
    }
    let mut r = outer.message()?;
    let used = bytes.len() - outer.left();
    let record = bytes.get(..used).ok_or(Error::Decode)?;
    let (mut term, mut index, mut kind) = (0, 0, EntryKind::Normal);
    let (mut data, mut context) = ([].as_slice(), [].as_slice());
    let mut canonical = used == 1 + varint_len(r.left() as u64) + r.left();
    let mut last = 0;
    while r.left() > 0 {
        let before = r.left();
        let key = r.key()?;
        let shortest = match key {
            0x08 | 0x10 | 0x18 => {
                let v = r.varint()?;
                match key {
                    0x08 => kind = EntryKind::from_wire(v).ok_or(Error::Unsupported)?,
                    0x10 => term = v,
                    _ => index = v,
                }
                if v == 0 { 0 } else { 1 + varint_len(v) }
            }
            0x22 | 0x32 => {
                let bytes = r.bytes()?;
                if key == 0x22 {
                    data = bytes
                } else {
                    context = bytes
                }
                data_len(bytes.len())
            }
            _ if key >> 3 == 6 => return Err(Error::Decode),
            _ => {
                r.skip_unknown(key, 4)?;
                0
            }
        };
        canonical &= key > last && before - r.left() == shortest;
        last = key;
    }
    Ok((EntryView { term, index, kind, data, context, record, canonical }, used))
}

/// The entries of a message: their place, and the facts that a single pass over the records found.
#[derive(Clone, Copy, Debug)]
pub struct EntriesView<'a> {
    /// From the first record to the end of the last. If not `contiguous`, other fields stand in
    /// between.
    bytes: &'a [u8],
    count: usize,
    first: (u64, u64),
    last: (u64, u64),
    payload: u64,
    contiguous: bool,
    canonical: bool,
    sequence: bool,
    changes: bool,
    contexts: bool,
}

impl Default for EntriesView<'_> {
    #[inline]
    fn default() -> Self {
        Self {
            bytes: &[],
            count: 0,
            first: (0, 0),
            last: (0, 0),
            payload: 0,
            contiguous: true,
            canonical: true,
            sequence: true,
            changes: false,
            contexts: false,
        }
    }
}

impl<'a> EntriesView<'a> {
    /// Returns the number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if there are no entries.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the records, or `None` if other fields stand between them.
    #[inline]
    pub fn record_bytes(&self) -> Option<&'a [u8]> {
        if self.contiguous { Some(self.bytes) } else { None }
    }

    /// True if every record is canonical and nothing stands between the records: a log that keeps
    /// what [`has_contexts`](Self::has_contexts) tells may copy the bytes unchanged.
    #[inline]
    pub fn is_canonical(&self) -> bool {
        self.canonical && self.contiguous
    }

    /// Returns term and index of the first entry; zeros if there is no entry.
    #[inline]
    pub fn first(&self) -> (u64, u64) {
        self.first
    }

    /// Returns term and index of the last entry; zeros if there is no entry.
    #[inline]
    pub fn last(&self) -> (u64, u64) {
        self.last
    }

    /// True if indexes rise by exactly 1 and terms never fall.
    #[inline]
    pub fn is_sequence(&self) -> bool {
        self.sequence
    }

    /// Returns the sum of the lengths of data, and of the fields with contexts.
    #[inline]
    pub fn payload_bytes(&self) -> u64 {
        self.payload
    }

    /// True if an entry is not a normal entry.
    #[inline]
    pub fn has_changes(&self) -> bool {
        self.changes
    }

    /// True if an entry has a context.
    #[inline]
    pub fn has_contexts(&self) -> bool {
        self.contexts
    }

    /// Iterates over the entries, in the order of the bytes.
    #[inline]
    pub fn iter(&self) -> EntryIter<'a> {
        EntryIter { rest: self.bytes, left: self.count, ordered: false }
    }

    /// Adds an entry to the facts.
    pub(super) fn note(&mut self, e: &EntryView<'_>) {
        if self.count == 0 {
            self.first = (e.term, e.index);
        } else {
            // No index follows the highest index.
            self.sequence &= self.last.1.checked_add(1) == Some(e.index) && e.term >= self.last.0;
        }
        self.last = (e.term, e.index);
        self.count += 1;
        self.payload += e.payload_len() as u64;
        self.contexts |= !e.context.is_empty();
        self.canonical &= e.canonical;
        self.changes |= e.kind.is_change();
    }

    /// Sets the place of the noted records: `bytes` from the first to the end of the last.
    #[inline]
    pub(super) fn place(&mut self, bytes: &'a [u8], contiguous: bool) {
        self.bytes = bytes;
        self.contiguous = contiguous;
    }

    /// Reads the run of records at the start of `bytes` into an empty view. Returns the length of
    /// the run.
    ///
    /// Never inlined, so that the loop has all registers.
    #[inline(never)]
    pub(super) fn read_run(&mut self, bytes: &'a [u8]) -> Result<usize> {
        let mut rest = bytes;
        loop {
            rest = self.note_common(rest);
            if rest.first() != Some(&TAG) {
                break;
            }
            let mut ordered = false;
            while let Some(entry) = read_ordered(rest) {
                ordered = true;
                self.note(&entry);
                rest = rest.get(entry.record.len()..).unwrap_or_default();
                // A record with explicit zeros is seldom alone.
                if entry.canonical {
                    break;
                }
            }
            if !ordered {
                let (entry, n) = read_any(rest)?;
                self.note(&entry);
                rest = rest.get(n..).unwrap_or_default();
            }
        }
        let used = bytes.len() - rest.len();
        self.place(bytes.get(..used).unwrap_or_default(), true);
        Ok(used)
    }

    /// Notes the records of the common form at the start of `bytes`. Returns the bytes after these
    /// records.
    #[inline(always)]
    fn note_common<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let mut rest = bytes;
        while let Some(window) = rest.first_chunk::<WINDOW>()
            && let Some(e) = read_window(window, rest.len())
        {
            if self.count == 0 {
                self.first = (e.term, e.index);
            } else {
                self.sequence &= self.last.1.checked_add(1) == Some(e.index) && e.term >= self.last.0;
            }
            rest = rest.get(e.end..).unwrap_or_default();
            self.last = (e.term, e.index);
            self.count += 1;
            self.payload += (e.end - e.data) as u64;
        }
        rest
    }
}

impl<'a> IntoIterator for EntriesView<'a> {
    type Item = EntryView<'a>;
    type IntoIter = EntryIter<'a>;

    fn into_iter(self) -> EntryIter<'a> {
        self.iter()
    }
}

/// Iterates over the entries of a message. The parser of the message checked their shape.
#[derive(Clone, Debug, Default)]
pub struct EntryIter<'a> {
    rest: &'a [u8],
    left: usize,
    /// Whether the last entry was not canonical. Then the next entry is probably not of the common
    /// form either.
    ordered: bool,
}

impl<'a> Iterator for EntryIter<'a> {
    type Item = EntryView<'a>;

    #[inline]
    fn next(&mut self) -> Option<EntryView<'a>> {
        self.left = self.left.checked_sub(1)?;
        let common = if self.ordered { None } else { read_common(self.rest) };
        let entry = match common {
            Some(entry) => entry,
            None => self.search()?,
        };
        self.ordered = !entry.canonical;
        self.rest = self.rest.get(entry.record.len()..)?;
        Some(entry)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for EntryIter<'_> {}

impl<'a> EntryIter<'a> {
    /// Skips other fields up to the next record, and reads the record.
    #[inline(never)]
    fn search(&mut self) -> Option<EntryView<'a>> {
        loop {
            if let Some(entry) = read_ordered(self.rest) {
                return Some(entry);
            }
            let mut r = Reader::new(self.rest);
            let key = r.key().ok()?;
            if key == KEY {
                return read_any(self.rest).ok().map(|(entry, _)| entry);
            }
            r.skip_unknown(key, 0).ok()?;
            self.rest = r.rest();
        }
    }
}
