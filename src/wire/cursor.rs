//! Reading a message in place: its scalars, and views of what it carries.

use super::entries::{self, EntriesView, read_record};
use super::read::Reader;
use super::snapshot::{self, SnapshotView};
use crate::error::{Error, Result};
use crate::types::MessageKind;

/// The scalars of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// What the message is (field 1).
    pub kind: MessageKind,
    /// To whom (field 2).
    pub to: u64,
    /// From whom (field 3).
    pub from: u64,
    /// The sender's term; 0 in a local message and in a proposal (field 4).
    pub term: u64,
    /// Term of the entry at `index`, in most messages (field 5).
    pub log_term: u64,
    /// Index that the message is about (field 6).
    pub index: u64,
    /// The sender's commit index (field 8).
    pub commit: u64,
    /// Whether a response refuses (field 10).
    pub reject: bool,
    /// Where a refused append should be tried next (field 11).
    pub reject_hint: u64,
    /// The vote, in local storage messages (field 13).
    pub vote: u64,
    /// The candidate's priority, in vote requests (field 16: raft-rs's number; unknown to etcd's raft, which skips it).
    pub priority: i64,
}

/// A message, borrowed from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct MessageView<'a> {
    /// Its scalars.
    pub head: Head,
    /// Its context: a read's or an election's; empty if there is none.
    pub context: &'a [u8],
    /// Its entries.
    pub entries: EntriesView<'a>,
    /// Its snapshot. Also an empty one is told from none.
    pub snapshot: Option<SnapshotView<'a>>,
    /// Whether it carries messages, as only local storage messages do.
    pub has_responses: bool,
    /// The messages it carries; they were not looked into.
    pub responses: ResponsesView<'a>,
}

/// Reads a message. Every entry's shape is checked, and a snapshot's with its configuration; nothing else is judged.
///
/// The fast path takes fields in ascending order, with the entries at their place or behind everything, as our own messages have them.
#[inline]
pub fn parse_message(bytes: &[u8]) -> Result<MessageView<'_>> {
    match parse_ascending(bytes) {
        Some(message) => Ok(message),
        None => parse_any(bytes),
    }
}

/// A message with the fields ascending and, but for entries, only scalars and context. `None`: look the general way, which also finds
/// out what is wrong, if something is.
#[inline(always)]
pub(super) fn parse_ascending(bytes: &[u8]) -> Option<MessageView<'_>> {
    let mut r = Reader::new(bytes);
    let mut head = Head::default();
    let mut entries = EntriesView::default();
    let mut context: &[u8] = &[];
    macro_rules! scalar {
        ($tag:literal, $value:ident => $set:expr) => {
            if r.rest().first() == Some(&$tag) {
                r.advance(1).ok()?;
                let $value = r.varint().ok()?;
                $set;
            }
        };
    }
    // Where the first four fields are there and small, they are eight bytes: one compare instead of eight.
    let first = bytes.first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    if first & 0x80ff_80ff_80ff_80ff == 0x0020_0018_0010_0008 {
        let byte = |at: u32| first >> (8 * at) & 0xff;
        head.kind = MessageKind::from_wire(byte(1))?;
        (head.to, head.from, head.term) = (byte(3), byte(5), byte(7));
        r.advance(8).ok()?;
    } else {
        scalar!(0x08, v => head.kind = MessageKind::from_wire(v)?);
        scalar!(0x10, v => head.to = v);
        scalar!(0x18, v => head.from = v);
        scalar!(0x20, v => head.term = v);
    }
    scalar!(0x28, v => head.log_term = v);
    scalar!(0x30, v => head.index = v);
    if r.rest().first() == Some(&0x3a) {
        let (run, rest) = EntriesView::read_run(r.rest()).ok()?;
        entries = run;
        r.advance(r.left() - rest.len()).ok()?;
    }
    scalar!(0x40, v => head.commit = v);
    scalar!(0x50, v => head.reject = v != 0);
    scalar!(0x58, v => head.reject_hint = v);
    if r.rest().first() == Some(&0x62) {
        r.advance(1).ok()?;
        context = r.bytes().ok()?;
    }
    scalar!(0x68, v => head.vote = v);
    if r.left() > 0 {
        if !entries.is_empty() {
            return None;
        }
        let (run, rest) = EntriesView::read_run(r.rest()).ok()?;
        if !rest.is_empty() {
            return None;
        }
        entries = run;
    }
    Some(MessageView {
        head,
        context,
        entries,
        snapshot: None,
        has_responses: false,
        responses: ResponsesView { bytes: &[] },
    })
}

/// Any message: any order, repeated scalars, unknown fields.
#[inline(never)]
pub(super) fn parse_any(bytes: &[u8]) -> Result<MessageView<'_>> {
    let mut head = Head::default();
    let mut context: &[u8] = &[];
    let mut entries = EntriesView::default();
    let mut snapshot = None;
    let mut runs = Span::default();
    let mut responses = Span::default();
    let mut r = Reader::new(bytes);
    while r.left() > 0 {
        let start = r;
        let key = r.key()?;
        match key {
            0x08 => head.kind = MessageKind::from_wire(r.varint()?).ok_or(Error::Unsupported)?,
            0x10 => head.to = r.varint()?,
            0x18 => head.from = r.varint()?,
            0x20 => head.term = r.varint()?,
            0x28 => head.log_term = r.varint()?,
            0x30 => head.index = r.varint()?,
            entries::KEY => {
                let (entry, n) = read_record(start.rest())?;
                entries.note(&entry);
                r = start;
                r.advance(n)?;
                runs.note(bytes.len() - start.left(), bytes.len() - r.left());
            }
            0x40 => head.commit = r.varint()?,
            0x4a => {
                if snapshot.replace(snapshot::parse(r.message()?)?).is_some() {
                    return Err(Error::Decode);
                }
            }
            0x50 => head.reject = r.varint()? != 0,
            0x58 => head.reject_hint = r.varint()?,
            0x62 => context = r.bytes()?,
            0x68 => head.vote = r.varint()?,
            PRIORITY => head.priority = r.varint()? as i64,
            RESPONSES => {
                r.bytes()?;
                responses.note(bytes.len() - start.left(), bytes.len() - r.left());
            }
            _ if key >> 3 == PRIORITY >> 3 => return Err(Error::Decode),
            _ => r.skip_unknown(key, 14)?,
        }
    }
    if let Some(range) = runs.range {
        entries.place(bytes.get(range.0..range.1).unwrap_or_default(), runs.contiguous());
    }
    let (from, to) = responses.range.unwrap_or_default();
    let responses = ResponsesView { bytes: bytes.get(from..to).unwrap_or_default() };
    Ok(MessageView { head, context, entries, snapshot, has_responses: !responses.bytes.is_empty(), responses })
}

/// From the first of some records to the end of the last, and how much of that they are.
#[derive(Clone, Copy, Default)]
struct Span {
    range: Option<(usize, usize)>,
    filled: usize,
}

impl Span {
    fn note(&mut self, from: usize, to: usize) {
        self.range = Some((self.range.map_or(from, |(first, _)| first), to));
        self.filled += to - from;
    }

    fn contiguous(&self) -> bool {
        self.range.is_none_or(|(from, to)| to - from == self.filled)
    }
}

/// The key of `Message.responses`.
const RESPONSES: u32 = 0x72;

/// The key of `Message.priority`.
const PRIORITY: u32 = 0x80;

/// Messages inside a message (field 14). Only local storage messages have them, so this is cold.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponsesView<'a> {
    /// From the first to the end of the last; other fields may stand between them.
    bytes: &'a [u8],
}

impl<'a> ResponsesView<'a> {
    /// The bytes of each message, to be given to [`parse_message`].
    pub fn iter(&self) -> ResponseIter<'a> {
        ResponseIter { r: Reader::new(self.bytes) }
    }
}

impl<'a> IntoIterator for ResponsesView<'a> {
    type Item = &'a [u8];
    type IntoIter = ResponseIter<'a>;

    fn into_iter(self) -> ResponseIter<'a> {
        self.iter()
    }
}

/// Iterates over the bytes of the messages inside a message.
#[derive(Clone, Debug)]
pub struct ResponseIter<'a> {
    r: Reader<'a>,
}

impl<'a> Iterator for ResponseIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let key = self.r.key().ok()?;
            if key == RESPONSES {
                return self.r.bytes().ok();
            }
            self.r.skip_unknown(key, 0).ok()?;
        }
    }
}
