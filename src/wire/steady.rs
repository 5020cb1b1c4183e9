//! Fast path for the messages of steady replication: an append or an acknowledgement, as our own
//! encoder writes it.
//!
//! These readers return a few scalars in registers, where `parse_message` fills a view of all
//! fields. If a message has a different form, the result is `None` and the caller uses
//! `parse_message`. Tests compare the two.

use super::entries;
use super::word::{Words, number, wide};
use crate::types::MessageKind;

/// Mask and value of type, receiver, sender and term, if each takes a byte as a varint, as nearly
/// always.
///
/// The mask covers the tags, at every other byte, and the highest bit of each number. A single
/// comparison checks all four fields.
pub(super) const FIRST_FOUR: (u64, u64) = (0x80ff_80ff_80ff_80ff, 0x0020_0018_0010_0008);

/// An append: the sender, the scalars after the first four, and the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Append<'a> {
    pub from: u64,
    pub log_term: u64,
    pub index: u64,
    pub commit: u64,
    /// Field 10.
    pub reject: bool,
    /// The bytes from the tag of the first record on; empty if there is no record.
    pub records: &'a [u8],
}

/// Returns the first eight bytes that all messages to a node in a term share, with kind and sender
/// left 0.
///
/// Returns 0, which no message matches, if receiver or term are 0 or take more than a byte as
/// varints.
pub(crate) fn address(to: u64, term: u64) -> u64 {
    let fit = (to.wrapping_sub(1) | term.wrapping_sub(1)) < 0x80 && (to | term) < 0x80;
    if fit { FIRST_FOUR.1 | to << 24 | term << 56 } else { 0 }
}

/// The receiver and the term that a message must have.
#[derive(Clone, Copy)]
pub(crate) struct Receiver {
    /// [`address`] of `id` and `term`.
    pub address: u64,
    pub id: u64,
    pub term: u64,
}

/// Returns the words of a message of this kind to `to`, the sender, and the place of the fifth
/// field.
#[inline(always)]
fn start<'a>(bytes: &'a [u8], kind: MessageKind, to: Receiver) -> Option<(Words<'a>, u64, usize)> {
    let words = Words::of_eight(bytes)?;
    let w = words.at(0)?;
    if (w ^ (to.address | (kind as u64) << 8)) & 0xffff_80ff_ffff_ffff == 0 && to.address != 0 {
        return Some((words, w >> 40 & 0x7f, 8));
    }
    if w as u16 != (kind as u16) << 8 | 0x08 {
        return None;
    }
    let (from, at) = wide_four(bytes, to.id, to.term)?;
    Some((words, from, at))
}

/// Reads an acknowledgement: its first four fields, then the index, which is not 0. Returns sender
/// and index.
#[inline(always)]
pub(crate) fn read_ack(bytes: &[u8], to: Receiver) -> Option<(u64, u64)> {
    let (words, from, at) = start(bytes, MessageKind::AppResp, to)?;
    let w = words.at(at)?;
    if w as u8 != 0x30 {
        return None;
    }
    let (index, n) = number(w)?;
    if at + n == bytes.len() && index > 0 { Some((from, index)) } else { None }
}

/// Reads an append: its first four fields, then log_term, index, commit and a true reject, then
/// records.
///
/// Zero fields are left out. Except for the ids and the term, numbers have at most seven bytes.
#[inline(always)]
pub(crate) fn read_append(bytes: &[u8], to: Receiver) -> Option<Append<'_>> {
    let (words, from, mut at) = start(bytes, MessageKind::App, to)?;
    let mut m = Append { from, log_term: 0, index: 0, commit: 0, reject: false, records: &[] };
    'fields: {
        let Some(mut w) = words.at(at) else { break 'fields };
        macro_rules! scalar {
            ($tag:literal, $place:expr) => {
                if w as u8 == $tag {
                    let (v, n) = number(w)?;
                    $place = v;
                    at += n;
                    match words.at(at) {
                        Some(word) => w = word,
                        None => break 'fields,
                    }
                }
            };
        }
        scalar!(0x28, m.log_term);
        scalar!(0x30, m.index);
        scalar!(0x40, m.commit);
        if w as u8 == entries::TAG {
            m.records = bytes.get(at..)?;
            return Some(m);
        }
        if w as u16 == 0x0150 {
            m.reject = true;
            at += 2;
        }
    }
    if at == bytes.len() { Some(m) } else { None }
}

/// Returns the sender and the place of the next field, for ids and a term of any width. The type
/// has a single byte. Returns `None` if receiver or term differ.
#[inline(never)]
fn wide_four(bytes: &[u8], to: u64, term: u64) -> Option<(u64, usize)> {
    let words = Words::new(bytes)?;
    let (mut at, mut numbers) = (2, [0; 3]);
    if words.at(0)? as u8 != 0x08 {
        return None;
    }
    for (v, tag) in numbers.iter_mut().zip([0x10, 0x18, 0x20]) {
        let w = words.at(at)?;
        if w as u8 != tag {
            return None;
        }
        let (value, n) = number(w).or_else(|| wide(bytes, at))?;
        *v = value;
        at += n;
    }
    let [has_to, from, has_term] = numbers;
    if has_to == to && has_term == term { Some((from, at)) } else { None }
}
