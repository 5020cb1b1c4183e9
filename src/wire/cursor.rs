//! Reads a message in place: its scalars, and views of its entries, snapshot and nested messages.

use super::entries::{self, EntriesView, read_record};
use super::read::Reader;
use super::snapshot::{self, SnapshotView};
use super::steady::FIRST_FOUR;
use super::word::{Words, number, wide};
use crate::error::{Error, Result};
use crate::types::MessageKind;

/// The scalars of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Kind of the message (field 1).
    pub kind: MessageKind,
    /// The receiver (field 2).
    pub to: u64,
    /// The sender (field 3).
    pub from: u64,
    /// The sender's term; 0 in a local message and in a proposal (field 4).
    pub term: u64,
    /// Term of the entry at `index`, in most messages (field 5).
    pub log_term: u64,
    /// Index of an entry; its meaning depends on the kind (field 6).
    pub index: u64,
    /// The sender's commit index (field 8).
    pub commit: u64,
    /// Whether a response refuses. On an append without entries: the sender needs no answer (field
    /// 10).
    pub reject: bool,
    /// Index to try next after a refused append (field 11).
    pub reject_hint: u64,
    /// The vote, in local storage messages (field 13).
    pub vote: u64,
    /// The candidate's priority, in vote requests (field 16). The field number is raft-rs's; etcd's
    /// raft skips the field.
    pub priority: i64,
}

/// A message, borrowed from its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageView<'a> {
    /// The scalars.
    pub head: Head,
    /// The context of a read or an election; empty if there is none.
    pub context: &'a [u8],
    /// The entries.
    pub entries: EntriesView<'a>,
    /// The snapshot. An empty snapshot is `Some`.
    pub snapshot: Option<SnapshotView<'a>>,
    /// What only messages of eraftpb carry.
    pub eraftpb: EraftpbFields,
    /// Whether there are nested messages. Only local storage messages have them.
    pub has_responses: bool,
    /// The nested messages, unchecked.
    pub responses: ResponsesView<'a>,
}

/// Fields of eraftpb that raftpb lacks, or has with another type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EraftpbFields {
    /// The candidate's priority as raft-rs wrote it first (field 14); `None`: no such field.
    pub old_priority: Option<u64>,
    /// The term of the entry at the commit index (field 15).
    pub commit_term: u64,
}

/// Reads a message. Checks the shape of every entry, of the snapshot and of its configuration, and
/// nothing else.
///
/// The fast path takes scalars, a context and one run of entries, the form that our own encoder
/// writes.
#[inline]
pub fn parse_message(bytes: &[u8]) -> Result<MessageView<'_>> {
    let mut message = MessageView::default();
    if fill(&mut message, bytes) { Ok(message) } else { parse_any(bytes) }
}

/// Reads a message into an empty view, as [`parse_message`] does, and saves moving the large view.
/// After an error the content of the view is undefined.
#[inline]
pub(crate) fn parse_message_into<'a>(empty: &mut MessageView<'a>, bytes: &'a [u8]) -> Result<()> {
    if !fill(empty, bytes) {
        *empty = parse_any(bytes)?;
    }
    Ok(())
}

/// Fast path: reads into an empty view. Returns `false` if the caller must use [`parse_any`].
///
/// Reads the fields with which nearly every message starts, and leaves the remaining fields to
/// [`fill_rest`]. The loop calls no function, so that the compiler saves no registers.
#[inline(never)]
pub(super) fn fill<'a>(m: &mut MessageView<'a>, bytes: &'a [u8]) -> bool {
    let mut at = 0;
    if let Some(words) = Words::of_eight(bytes)
        && let Some(mut w) = words.at(0)
        && w & FIRST_FOUR.0 == FIRST_FOUR.1
    {
        let [_, kind, _, to, _, from, _, term] = w.to_le_bytes();
        let Some(kind) = MessageKind::from_wire(kind.into()) else { return false };
        (m.head.kind, m.head.to, m.head.from, m.head.term) = (kind, to.into(), from.into(), term.into());
        at = 8;
        'fields: {
            macro_rules! next {
                () => {
                    match words.at(at) {
                        Some(word) => w = word,
                        None => return at == bytes.len(),
                    }
                };
            }
            macro_rules! scalar {
                ($tag:literal, $place:expr) => {
                    if w as u8 == $tag {
                        let Some((v, n)) = number(w) else { break 'fields };
                        $place = v;
                        at += n;
                        next!();
                    }
                };
            }
            next!();
            scalar!(0x28, m.head.log_term);
            scalar!(0x30, m.head.index);
            if w as u8 == entries::TAG {
                return fill_entries(m, bytes, at);
            }
            scalar!(0x40, m.head.commit);
            if w as u8 == entries::TAG {
                return fill_entries(m, bytes, at);
            }
        }
    }
    fill_rest(m, bytes, at).is_some()
}

/// Reads on from `at`, where the first record begins.
#[inline(never)]
fn fill_entries<'a>(m: &mut MessageView<'a>, bytes: &'a [u8], at: usize) -> bool {
    let Some(Ok(used)) = bytes.get(at..).map(|rest| m.entries.read_run(rest)) else { return false };
    at + used == bytes.len() || fill_rest(m, bytes, at + used).is_some()
}

/// Reads on from `at`, fields in any order. If a scalar is repeated, the last value counts.
#[inline(never)]
fn fill_rest<'a>(m: &mut MessageView<'a>, bytes: &'a [u8], mut at: usize) -> Option<()> {
    let words = Words::new(bytes)?;
    while let Some(w) = words.at(at) {
        let tag = w as u8;
        if tag == entries::TAG {
            if !m.entries.is_empty() {
                return None;
            }
            at += m.entries.read_run(bytes.get(at..)?).ok()?;
            continue;
        }
        let (v, n) = number(w).or_else(|| wide(bytes, at))?;
        at += n;
        match tag {
            0x08 => m.head.kind = MessageKind::from_wire(v)?,
            0x10 => m.head.to = v,
            0x18 => m.head.from = v,
            0x20 => m.head.term = v,
            0x28 => m.head.log_term = v,
            0x30 => m.head.index = v,
            0x40 => m.head.commit = v,
            0x50 => m.head.reject = v != 0,
            0x58 => m.head.reject_hint = v,
            0x62 => {
                m.context = bytes.get(at..)?.get(..usize::try_from(v).ok()?)?;
                at += m.context.len();
            }
            0x68 => m.head.vote = v,
            _ => return None,
        }
    }
    if at == bytes.len() { Some(()) } else { None }
}

/// General path: reads a message with fields in any order, repeated scalars and unknown fields.
#[inline(never)]
pub(super) fn parse_any(bytes: &[u8]) -> Result<MessageView<'_>> {
    let mut head = Head::default();
    let mut context: &[u8] = &[];
    let mut entries = EntriesView::default();
    let mut snapshot = None;
    let mut eraftpb = EraftpbFields::default();
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
            OLD_PRIORITY => eraftpb.old_priority = Some(r.varint()?),
            COMMIT_TERM => eraftpb.commit_term = r.varint()?,
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
    let has_responses = !responses.bytes.is_empty();
    Ok(MessageView { head, context, entries, snapshot, eraftpb, has_responses, responses })
}

/// The range from the first of several records to the end of the last, and the bytes of records in
/// that range.
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

/// The keys of `Message.deprecated_priority` and `Message.commit_term` in eraftpb.
const OLD_PRIORITY: u32 = 0x70;
const COMMIT_TERM: u32 = 0x78;

/// The key of `Message.priority`.
const PRIORITY: u32 = 0x80;

/// Messages inside a message (field 14). Only local storage messages have such a field.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponsesView<'a> {
    /// From the first nested message to the end of the last. Other fields may stand in between.
    bytes: &'a [u8],
}

impl<'a> ResponsesView<'a> {
    /// Iterates over the bytes of each message, for [`parse_message`].
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
