//! Entries on the wire: one record of `Message.entries` (field 7), and all those of a message.
//!
//! The log keeps entries in this form, so a record's *canonical* form matters: tag `0x3a`, length, then the fields ascending, each at
//! most once, shortest varints, zero scalars and empty data left out, nothing unknown. Equal entries have equal canonical records.

use super::encode::varint_len;
use super::read::Reader;
use crate::error::{Error, Result};
use crate::types::EntryKind;

/// The key of `Message.entries`.
pub(super) const KEY: u32 = 0x3a;
const TAG: u8 = 0x3a;

/// The fast path looks at this much: four tags and four varints of at most seven bytes. Wider numbers go the general way.
const WINDOW: usize = 32;

/// One entry, borrowed from its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryView<'a> {
    /// Term of the leader that made the entry; 0 in a proposal.
    pub term: u64,
    /// Position in the log; 0 in a proposal.
    pub index: u64,
    /// What it is for.
    pub kind: EntryKind,
    /// The payload.
    pub data: &'a [u8],
    /// The whole record: tag, length, body.
    pub record: &'a [u8],
    /// Whether `record` is canonical: just what [`write_record_head`](super::write_record_head) and the data would make.
    pub canonical: bool,
}

/// Reads the record of field 7 at the start of `bytes`: the entry, and how many bytes its record takes.
#[inline]
pub fn read_record(bytes: &[u8]) -> Result<(EntryView<'_>, usize)> {
    match read_common(bytes) {
        Some(entry) => Ok((entry, entry.record.len())),
        None => read_any(bytes),
    }
}

/// A number in the low bytes of a word, if it is not 0, written the shortest way and of at most seven bytes; and how many bytes it took.
#[inline(always)]
fn short(w: u64) -> Option<(u64, usize)> {
    // Lengths repeat from entry to entry, so these branches are foreseen; the last byte of a shortest varint is not 0.
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
    // Five to seven: find the first byte without the top bit. All eight having it leaves no zero to find.
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

/// What the common form of a record shows before its data are touched.
#[derive(Clone, Copy)]
struct Common {
    term: u64,
    index: u64,
    /// Where the body begins, from the start of the record.
    body: usize,
    /// Where the tag of the index is.
    index_tag: usize,
    /// Where the tag of data is.
    data_tag: usize,
    /// Where data begin.
    data: usize,
    /// Where the record ends; within the bytes that it was read from.
    end: usize,
}

/// The common form: a canonical record of a normal entry that has a term, an index and data. `None`: look the general way.
#[inline(always)]
pub(super) fn read_common(bytes: &[u8]) -> Option<EntryView<'_>> {
    let common = match bytes.first_chunk::<WINDOW>() {
        Some(window) => read_window(window, bytes.len())?,
        None => read_last(bytes)?,
    };
    let record = bytes.get(..common.end)?;
    let data = record.get(common.data..)?;
    Some(EntryView { term: common.term, index: common.index, kind: EntryKind::Normal, data, record, canonical: true })
}

/// The common form nearer to the end than a window: zeros are put behind it. What would reach into them is refused, since it ends beyond
/// `bytes`.
#[inline(never)]
fn read_last(bytes: &[u8]) -> Option<Common> {
    let mut window = [0; WINDOW];
    window.get_mut(..bytes.len())?.copy_from_slice(bytes);
    read_window(&window, bytes.len())
}

/// The common form at the start of `left` bytes, of which `window` shows the first.
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
    // Data close the body. Both lengths have at most 49 bits, so neither sum can overflow.
    let end = body as u64 + len;
    if data as u64 + data_len != end || end > left as u64 {
        return None;
    }
    Some(Common { term, index, body, index_tag, data_tag, data, end: end as usize })
}

/// A guess at the next record from the one before: it has the same term and the next index, so what stands between the body's start and
/// the length of data differs in one byte. Nearly always right, and far cheaper to confirm than to read.
#[derive(Clone, Copy)]
struct Guess {
    /// The bytes from the tag of the term to the tag of data, both included, of the record before.
    middle: u128,
    /// Which bytes of 16 these are.
    mask: u128,
    /// 1 at the index's first byte.
    step: u128,
    /// How many bytes these are: at most 16.
    len: usize,
}

impl Guess {
    #[inline(always)]
    fn from(window: &[u8; WINDOW], e: &Common) -> Option<Self> {
        let len = e.data_tag + 1 - e.body;
        if len > 16 {
            return None;
        }
        let mask = u128::MAX >> (128 - 8 * len);
        let step = 1 << (8 * (e.index_tag + 1 - e.body));
        Some(Self { middle: middle(window, e.body)? & mask, mask, step, len })
    }

    /// Reads records from the start of `bytes` for as long as they are as guessed, the first of them having the index `next`. Gives how
    /// many bytes they are, how many of these are data, and how many records. A function of its own, so that its loop has all registers.
    #[inline(never)]
    fn confirm(&self, bytes: &[u8], next: u64) -> (usize, usize, u64) {
        let (mut rest, mut payload, mut index, mut middle_before) = (bytes, 0, next, self.middle);
        // Every 128th index changes more than the first byte; the step would then run over into the second.
        while let Some(window) = rest.first_chunk::<WINDOW>()
            && index & 0x7f != 0
        {
            let Some((data, data_len, expected)) = self.confirm_one(window, middle_before) else { break };
            let Some(behind) = rest.get(data..).and_then(|rest| rest.get(data_len..)) else { break };
            rest = behind;
            payload += data_len;
            index += 1;
            middle_before = expected;
        }
        (bytes.len() - rest.len(), payload, index - next)
    }

    /// If this record is as guessed: where its data begin, how long they are, and its middle.
    #[inline(always)]
    fn confirm_one(&self, window: &[u8; WINDOW], middle_before: u128) -> Option<(usize, usize, u128)> {
        let w = word(window, 0)?;
        if w as u8 != TAG {
            return None;
        }
        let (len, n) = short(w >> 8)?;
        let body = 1 + n;
        let expected = middle_before + self.step;
        if middle(window, body)? & self.mask != expected {
            return None;
        }
        let at = body + self.len;
        let (data_len, n) = short(word(window, at)?)?;
        let data = at + n;
        if (self.len + n) as u64 + data_len != len {
            return None;
        }
        Some((data, usize::try_from(data_len).ok()?, expected))
    }
}

#[inline(always)]
fn middle(window: &[u8; WINDOW], at: usize) -> Option<u128> {
    Some(u128::from_le_bytes(*window.get(at..)?.first_chunk::<16>()?))
}

/// Any record: any order, unknown fields, explicit zeros.
#[inline(never)]
pub(super) fn read_any(bytes: &[u8]) -> Result<(EntryView<'_>, usize)> {
    let mut outer = Reader::new(bytes);
    if outer.key()? != KEY {
        return Err(Error::Decode);
    }
    let mut r = outer.message()?;
    let used = bytes.len() - outer.left();
    let record = bytes.get(..used).ok_or(Error::Decode)?;
    let (mut term, mut index, mut kind, mut data) = (0, 0, EntryKind::Normal, [].as_slice());
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
            0x22 => {
                data = r.bytes()?;
                if data.is_empty() { 0 } else { 1 + varint_len(data.len() as u64) + data.len() }
            }
            _ => {
                r.skip_unknown(key, 4)?;
                0
            }
        };
        canonical &= key > last && before - r.left() == shortest;
        last = key;
    }
    Ok((EntryView { term, index, kind, data, record, canonical }, used))
}

/// The entries of a message: where they are, and what one pass over them has shown.
#[derive(Clone, Copy, Debug)]
pub struct EntriesView<'a> {
    /// From the first record to the end of the last; other fields stand between them if not `contiguous`.
    bytes: &'a [u8],
    count: usize,
    first: (u64, u64),
    last: (u64, u64),
    payload: u64,
    contiguous: bool,
    canonical: bool,
    sequence: bool,
    changes: bool,
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
        }
    }
}

impl<'a> EntriesView<'a> {
    /// How many entries there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records, if nothing stands between them.
    #[inline]
    pub fn record_bytes(&self) -> Option<&'a [u8]> {
        if self.contiguous { Some(self.bytes) } else { None }
    }

    /// Whether every record is canonical and nothing stands between them: the bytes may go into a log as they are.
    #[inline]
    pub fn is_canonical(&self) -> bool {
        self.canonical && self.contiguous
    }

    /// Term and index of the first entry; zeros if there is none.
    #[inline]
    pub fn first(&self) -> (u64, u64) {
        self.first
    }

    /// Term and index of the last entry; zeros if there is none.
    #[inline]
    pub fn last(&self) -> (u64, u64) {
        self.last
    }

    /// Whether indexes rise by exactly 1 and terms never fall.
    #[inline]
    pub fn is_sequence(&self) -> bool {
        self.sequence
    }

    /// The sum of the lengths of data.
    #[inline]
    pub fn payload_bytes(&self) -> u64 {
        self.payload
    }

    /// Whether any entry is not a normal one.
    #[inline]
    pub fn has_changes(&self) -> bool {
        self.changes
    }

    /// The entries, in the order of the bytes.
    #[inline]
    pub fn iter(&self) -> EntryIter<'a> {
        EntryIter { rest: self.bytes, left: self.count }
    }

    /// Takes one more entry into account.
    pub(super) fn note(&mut self, e: &EntryView<'_>) {
        if self.count == 0 {
            self.first = (e.term, e.index);
        } else {
            // Nothing follows the highest index.
            self.sequence &= self.last.1.checked_add(1) == Some(e.index) && e.term >= self.last.0;
        }
        self.last = (e.term, e.index);
        self.count += 1;
        self.payload += e.data.len() as u64;
        self.canonical &= e.canonical;
        self.changes |= e.kind.is_change();
    }

    /// Says where the noted records are: `bytes` from the first to the end of the last.
    #[inline]
    pub(super) fn place(&mut self, bytes: &'a [u8], contiguous: bool) {
        self.bytes = bytes;
        self.contiguous = contiguous;
    }

    /// Reads the run of records that `bytes` starts with, and what is left behind it. A function of its own, so that its loop has all
    /// registers.
    #[inline(never)]
    pub(super) fn read_run(bytes: &'a [u8]) -> Result<(Self, &'a [u8])> {
        let mut run = Self::default();
        let mut rest = bytes;
        loop {
            rest = run.note_common(rest);
            if rest.first() != Some(&TAG) {
                break;
            }
            let (entry, n) = read_record(rest)?;
            run.note(&entry);
            rest = rest.get(n..).unwrap_or_default();
        }
        run.place(bytes.get(..bytes.len() - rest.len()).unwrap_or_default(), true);
        Ok((run, rest))
    }

    /// Takes the common records at the start of `bytes` into account, almost all that there ever are, and gives what is left.
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
            let (mut used, mut payload, mut more) = (0, 0, 0);
            if let Some(guess) = Guess::from(window, &e) {
                // An index of the common form has at most 49 bits.
                (used, payload, more) = guess.confirm(rest, e.index + 1);
            }
            self.last = (e.term, e.index + more);
            self.count += 1 + more as usize;
            self.payload += (e.end - e.data + payload) as u64;
            rest = rest.get(used..).unwrap_or_default();
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

/// Iterates over the entries of a message. Their shape was checked when the message was parsed.
#[derive(Clone, Debug, Default)]
pub struct EntryIter<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for EntryIter<'a> {
    type Item = EntryView<'a>;

    #[inline]
    fn next(&mut self) -> Option<EntryView<'a>> {
        self.left = self.left.checked_sub(1)?;
        let entry = match read_common(self.rest) {
            Some(entry) => entry,
            None => self.search()?,
        };
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
    /// Goes to the next record, past other fields, and reads it.
    #[inline(never)]
    fn search(&mut self) -> Option<EntryView<'a>> {
        loop {
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
