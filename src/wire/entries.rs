//! Entries on the wire: one record of `Message.entries` (field 7), and all those of a message.
//!
//! The log keeps entries in this form, so a record's *canonical* form matters: tag `0x3a`, length, then the fields ascending, each at
//! most once, shortest varints, zero scalars and empty data left out, nothing unknown. Equal entries have equal canonical records.

use super::encode::{scalar_len, varint_len};
use super::read::Reader;
use super::word::{Words, judged_number, number};
use crate::error::{Error, Result};
use crate::types::EntryKind;

/// The key of `Message.entries`.
pub(super) const KEY: u32 = 0x3a;
pub(super) const TAG: u8 = 0x3a;

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
    if let Some(entry) = read_common(bytes).or_else(|| read_ordered(bytes)) {
        return Ok((entry, entry.record.len()));
    }
    read_any(bytes)
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
pub(crate) struct Common {
    pub term: u64,
    pub index: u64,
    /// Where the body begins, from the start of the record.
    body: usize,
    /// Where the tag of the index is.
    index_tag: usize,
    /// Where the tag of data is.
    data_tag: usize,
    /// Where data begin.
    pub data: usize,
    /// Where the record ends; within the bytes that it was read from.
    pub end: usize,
}

/// The common form: a canonical record of a normal entry that has a term, an index and data. `None`: look the general way.
#[inline(always)]
pub(super) fn read_common(bytes: &[u8]) -> Option<EntryView<'_>> {
    let common = match bytes.first_chunk::<WINDOW>() {
        Some(window) => read_window::<false>(window, bytes.len())?,
        None => read_last(bytes)?,
    };
    let record = bytes.get(..common.end)?;
    let data = record.get(common.data..)?;
    Some(EntryView { term: common.term, index: common.index, kind: EntryKind::Normal, data, record, canonical: true })
}

#[inline(never)]
fn read_last(bytes: &[u8]) -> Option<Common> {
    read_window::<false>(&padded(Words::new(bytes)?), bytes.len())
}

/// The window where there are fewer bytes: zeros are behind them. What would reach into these is refused, since it ends beyond the bytes.
#[inline(always)]
fn padded(words: Words<'_>) -> [u8; WINDOW] {
    let mut window = [0; WINDOW];
    for (place, at) in window.as_chunks_mut::<8>().0.iter_mut().zip([0, 8, 16, 24]) {
        *place = words.at(at).unwrap_or(0).to_le_bytes();
    }
    window
}

/// The only record, if that is all that `bytes` are and it has the common form.
#[inline(always)]
pub(super) fn read_only(bytes: &[u8]) -> Option<Common> {
    match bytes.first_chunk::<WINDOW>() {
        Some(window) => read_window::<true>(window, bytes.len()),
        None => read_window::<true>(&padded(Words::new(bytes)?), bytes.len()),
    }
}

/// The common form at the start of `left` bytes, of which `window` shows the first; `ONLY`: and nothing behind it.
#[inline(always)]
fn read_window<const ONLY: bool>(window: &[u8; WINDOW], left: usize) -> Option<Common> {
    let w = word(window, 0)?;
    if w as u8 != TAG {
        return None;
    }
    let (len, n) = short(w >> 8)?;
    let body = 1 + n;
    if ONLY && body as u64 + len != left as u64 {
        return None;
    }
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

/// A guess at the next record from the one before: the same lengths, the same term and the next index, so what stands before its data
/// differs in one byte. Right for most, and confirmed in about 20 instructions, where reading a record takes about 60.
#[derive(Clone, Copy)]
struct Guess {
    /// What stands before the data of the record before: at most 16 bytes.
    head: u128,
    /// Which bytes of 16 these are.
    mask: u128,
    /// 1 at the index's first byte.
    step: u128,
    /// Which of the bytes neither length is in: from the tag of the term to the tag of data, both included.
    middle: u128,
    /// Where the tag of the term, that of data, and data are; and where the record ends.
    body: usize,
    data_tag: usize,
    data: usize,
    end: usize,
    /// Whether a record had another size than the one before.
    resized: bool,
}

/// The first `n` of 16 bytes: 1 to 16.
#[inline(always)]
pub(super) fn first_bytes(n: usize) -> u128 {
    u128::MAX >> ((128 - 8 * n as u32) & 127)
}

impl Guess {
    #[inline(always)]
    fn from(window: &[u8; WINDOW], e: &Common) -> Option<Self> {
        if e.data > 16 {
            return None;
        }
        let mask = first_bytes(e.data);
        Some(Self {
            head: first_chunk(window)? & mask,
            mask,
            step: 1 << (8 * (e.index_tag + 1)),
            middle: first_bytes(e.data_tag + 1) & !first_bytes(e.body),
            body: e.body,
            data_tag: e.data_tag,
            data: e.data,
            end: e.end,
            resized: false,
        })
    }

    /// Reads records from the start of `bytes` for as long as they are as guessed, the first of them having the index `next`. Gives how
    /// many bytes they are, how many of these are data, and how many records. A function of its own, so that its loop has all registers.
    #[inline(never)]
    fn confirm(&mut self, bytes: &[u8], next: u64) -> (usize, usize, u64) {
        // Every 128th index changes more than the first byte; the step would then run over into the second.
        let most = (128 - (next & 0x7f)) & 0x7f;
        let (mut rest, mut payload, mut left) = (bytes, 0, most);
        loop {
            let before = left;
            let (mut head, mask, step, end) = (self.head, self.mask, self.step, self.end);
            while left > 0
                && let Some(chunk) = rest.first_chunk::<16>()
                && u128::from_le_bytes(*chunk) & mask == head + step
                && let Some(behind) = rest.get(end..)
            {
                rest = behind;
                head += step;
                left -= 1;
            }
            self.head = head;
            payload += (before - left) as usize * (end - self.data);
            if left == 0 || self.resize(rest).is_none() {
                break;
            }
            rest = rest.get(self.end..).unwrap_or_default();
            payload += self.end - self.data;
            left -= 1;
        }
        (bytes.len() - rest.len(), payload, most - left)
    }

    /// Guesses anew if the record at the start of `bytes` has the term and index that were guessed, but other data.
    #[inline(always)]
    fn resize(&mut self, bytes: &[u8]) -> Option<()> {
        let window = bytes.first_chunk::<WINDOW>()?;
        let w = word(window, 0)?;
        if w as u8 != TAG {
            return None;
        }
        let (len, n) = short(w >> 8)?;
        let chunk = first_chunk(window)?;
        if 1 + n != self.body || (chunk ^ (self.head + self.step)) & self.middle != 0 {
            return None;
        }
        let (data_len, n) = short(word(window, self.data_tag + 1)?)?;
        let data = self.data_tag + 1 + n;
        // Both lengths have at most 49 bits, so neither sum can overflow.
        let end = self.body as u64 + len;
        if data as u64 + data_len != end || end > bytes.len() as u64 || data > 16 {
            return None;
        }
        self.mask = first_bytes(data);
        self.head = chunk & self.mask;
        (self.data, self.end, self.resized) = (data, end as usize, true);
        Some(())
    }
}

#[inline(always)]
fn first_chunk(window: &[u8; WINDOW]) -> Option<u128> {
    Some(u128::from_le_bytes(*window.first_chunk::<16>()?))
}

/// A record with its fields ascending, each at most once, and no number of more than seven bytes: what is not of the common form hardly
/// ever has another. That is entries of configurations, proposals on their way to the leader, and what etcd's raft writes with its
/// explicit zeros. About 120 instructions; the general way takes about 450.
#[inline(never)]
pub(super) fn read_ordered(bytes: &[u8]) -> Option<EntryView<'_>> {
    let words = Words::new(bytes)?;
    let w = words.at(0)?;
    if w as u8 != TAG {
        return None;
    }
    let (len, mut at, mut canonical) = judged_number(w)?;
    // Of an empty body the length is 0.
    canonical |= at == 2;
    let record = bytes.get(..at.checked_add(usize::try_from(len).ok()?)?)?;
    let (mut term, mut index, mut kind, mut data) = (0, 0, EntryKind::Normal, [].as_slice());
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
        if w as u8 == 0x22 {
            let (len, n, shortest) = judged_number(w)?;
            canonical &= shortest;
            data = record.get(at + n..)?.get(..usize::try_from(len).ok()?)?;
            at += n + data.len();
        }
    }
    if at == record.len() { Some(EntryView { term, index, kind, data, record, canonical }) } else { None }
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
    /// Bytes of a record, and of what stands before its data, if all are known to be alike in these; else 0.
    pub(super) alike: (u32, u8),
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
            alike: (0, 0),
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

    /// The term of all entries, if they are normal ones with rising indexes and of one term, canonical and in a row.
    #[inline]
    pub fn only_term(&self) -> Option<u64> {
        let one_run = self.canonical && self.contiguous && self.sequence && !self.changes;
        if one_run && self.first.0 == self.last.0 && self.first.1 > 0 { Some(self.first.0) } else { None }
    }

    /// Bytes of each record, and of what stands before its data, if they are known to be the same in all.
    #[inline]
    pub(crate) fn uniform(&self) -> Option<(u32, u8)> {
        if self.alike.0 > 0 && self.only_term().is_some() { Some(self.alike) } else { None }
    }

    /// The entries, in the order of the bytes.
    #[inline]
    pub fn iter(&self) -> EntryIter<'a> {
        let mut iter = EntryIter { rest: self.bytes, left: self.count, ..EntryIter::default() };
        if self.only_term().is_some() {
            iter.known = true;
            (iter.term, iter.index) = self.first;
        }
        iter
    }

    /// Takes one more entry into account.
    pub(super) fn note(&mut self, e: &EntryView<'_>) {
        self.alike = (0, 0);
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

    /// Reads the only record, if that is all that `bytes` are and it has the common form, into an empty view: most appends have one entry.
    /// It calls nothing and so saves no registers, which with what a run must keep in mind is about 60 instructions.
    #[inline(always)]
    pub(super) fn read_only(&mut self, bytes: &'a [u8]) -> bool {
        let Some(e) = read_only(bytes) else { return false };
        self.bytes = bytes;
        self.count = 1;
        self.first = (e.term, e.index);
        self.last = self.first;
        self.payload = (e.end - e.data) as u64;
        true
    }

    /// Reads the run of records that `bytes` starts with into an empty view, and gives how many bytes they are. A function of its own,
    /// so that its loop has all registers.
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
                // One with explicit zeros is seldom alone.
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

    /// Takes the common records at the start of `bytes` into account, almost all that there ever are, and gives what is left.
    #[inline(always)]
    fn note_common<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let mut rest = bytes;
        while let Some(window) = rest.first_chunk::<WINDOW>()
            && let Some(e) = read_window::<false>(window, rest.len())
        {
            if self.count == 0 {
                self.first = (e.term, e.index);
                self.alike = (u32::try_from(e.end).unwrap_or(0), e.data as u8);
            } else {
                self.sequence &= self.last.1.checked_add(1) == Some(e.index) && e.term >= self.last.0;
                if self.alike != (e.end as u32, e.data as u8) {
                    self.alike = (0, 0);
                }
            }
            rest = rest.get(e.end..).unwrap_or_default();
            self.last = (e.term, e.index);
            self.count += 1;
            self.payload += (e.end - e.data) as u64;
            // For fewer than about three records to come a guess doesn't pay.
            if rest.len() >= WINDOW.max(3 * e.end)
                && let Some(mut guess) = Guess::from(window, &e)
            {
                // An index of the common form has at most 49 bits.
                let (used, payload, more) = guess.confirm(rest, e.index + 1);
                if guess.resized {
                    self.alike = (0, 0);
                }
                self.last.1 += more;
                self.count += more as usize;
                self.payload += payload as u64;
                rest = rest.get(used..).unwrap_or_default();
            }
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
    /// Whether all records are canonical and in a row, with one term and rising indexes: then their lengths alone tell everything.
    known: bool,
    /// Whether the last entry was not canonical, so that the next one is not likely to be of the common form.
    ordered: bool,
    /// Term and index of the next entry, if `known`.
    term: u64,
    index: u64,
    /// The indexes below have their varint as long as that of the last entry; 0: nothing is guessed.
    width_end: u64,
    /// What the record of the last entry starts with: tag and length, and nothing that the term does not settle.
    start: [u8; 4],
    /// Where that record's data begin, and where it ends.
    data: usize,
    end: usize,
}

impl<'a> Iterator for EntryIter<'a> {
    type Item = EntryView<'a>;

    /// An entry of a known run that is as long as the one before takes about 26 instructions, where reading it takes 95: only its length
    /// is looked at.
    #[inline]
    fn next(&mut self) -> Option<EntryView<'a>> {
        self.left = self.left.checked_sub(1)?;
        if self.index < self.width_end
            && self.rest.first_chunk::<4>() == Some(&self.start)
            && let Some((record, rest)) = self.rest.split_at_checked(self.end)
            && let Some(data) = record.get(self.data..)
        {
            let entry = EntryView {
                term: self.term,
                index: self.index,
                kind: EntryKind::Normal,
                data,
                record,
                canonical: true,
            };
            self.rest = rest;
            self.index += 1;
            return Some(entry);
        }
        self.read()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for EntryIter<'_> {}

impl<'a> EntryIter<'a> {
    /// Reads the next record.
    #[inline(never)]
    fn read(&mut self) -> Option<EntryView<'a>> {
        if self.known
            && let Some(entry) = self.measure()
        {
            return Some(entry);
        }
        self.width_end = 0;
        let common = if self.ordered { None } else { read_common(self.rest) };
        let entry = match common {
            Some(entry) => entry,
            None => self.search()?,
        };
        self.ordered = !entry.canonical;
        self.rest = self.rest.get(entry.record.len()..)?;
        self.index = self.index.wrapping_add(1);
        Some(entry)
    }

    /// The next record of a known run by its length alone, and the guess for those behind it.
    #[inline(always)]
    fn measure(&mut self) -> Option<EntryView<'a>> {
        let start = self.rest.first_chunk::<4>()?;
        let (len, body) = number(u32::from_le_bytes(*start).into())?;
        // A length of three bytes at most shows in the start.
        if body > 4 {
            return None;
        }
        let width = varint_len(self.index);
        let data_tag = body + scalar_len(self.term) + 1 + width;
        let end = body + len as usize;
        // What is left is data with tag and length, or nothing. The length of n bytes means at least 128 of data for n = 2, and so on.
        let data = match end.checked_sub(data_tag)? {
            0 => data_tag,
            1..=129 => data_tag + 2,
            130..=16_386 => data_tag + 3,
            _ => data_tag + 4,
        };
        let (record, rest) = self.rest.split_at_checked(end)?;
        let entry = EntryView {
            term: self.term,
            index: self.index,
            kind: EntryKind::Normal,
            data: record.get(data..)?,
            record,
            canonical: true,
        };
        self.width_end = 1u64.checked_shl(7 * width as u32).unwrap_or(u64::MAX);
        (self.start, self.data, self.end) = (*start, data, end);
        self.rest = rest;
        self.index = self.index.wrapping_add(1);
        Some(entry)
    }

    /// Goes to the next record, past other fields, and reads it.
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
