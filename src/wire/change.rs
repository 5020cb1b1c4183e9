//! Configuration changes on the wire: the data of entries of kind `ConfChange` (V1) and
//! `ConfChangeV2`.

use super::encode::{Writer, bytes_len, data_len, scalar_len};
use super::read::Reader;
use crate::error::{Error, Result};
use crate::types::{Change, ChangeKind, Dialect, EntryKind, Transition};

/// A configuration change, read from its bytes.
///
/// A change of the first encoding shows its meaning in the second, as etcd's `AsV2` does.
#[derive(Clone, Copy, Debug)]
pub struct ConfChangeView<'a> {
    /// Whether the change came in the first encoding.
    pub v1: bool,
    /// How the group passes through the joint configuration; `Auto` in the first encoding.
    pub transition: Transition,
    /// The host's own bytes, which travel with the change.
    pub context: &'a [u8],
    id: u64,
    single: Option<Change>,
    bytes: &'a [u8],
    count: usize,
    dialect: Dialect,
}

impl<'a> ConfChangeView<'a> {
    /// Returns the steps, in their order.
    pub fn changes(&self) -> Changes<'a> {
        Changes { single: self.single, r: Reader::new(self.bytes), left: self.count, dialect: self.dialect }
    }

    /// Returns the number of steps.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if there are no steps.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// True if the change leaves the joint configuration: second encoding, no steps, transition
    /// `Auto`. A context is allowed.
    pub fn leaves_joint(&self) -> bool {
        !self.v1 && self.count == 0 && self.transition == Transition::Auto
    }

    /// Returns the id of a change of the first encoding, else 0. The id means nothing to Raft.
    pub fn id(&self) -> u64 {
        self.id
    }
}

/// Iterates over the steps of a configuration change.
#[derive(Clone, Debug)]
pub struct Changes<'a> {
    single: Option<Change>,
    r: Reader<'a>,
    left: usize,
    dialect: Dialect,
}

impl Iterator for Changes<'_> {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        self.left = self.left.checked_sub(1)?;
        if let Some(change) = self.single.take() {
            return Some(change);
        }
        loop {
            let key = self.r.key().ok()?;
            if key == CHANGES {
                return parse_single(self.dialect, self.r.message().ok()?).ok();
            }
            self.r.skip_unknown(key, 0).ok()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Changes<'_> {}

/// The key of `ConfChangeV2.changes`.
const CHANGES: u32 = 0x12;

/// Reads the data of an entry of this kind. A normal entry has no change: [`Error::Arg`].
pub fn parse_change(dialect: Dialect, kind: EntryKind, data: &[u8]) -> Result<ConfChangeView<'_>> {
    match kind {
        EntryKind::Normal => Err(Error::Arg),
        EntryKind::ConfChange => parse_v1(dialect, data),
        EntryKind::ConfChangeV2 => parse_v2(dialect, data),
    }
}

fn change_kind(dialect: Dialect, r: &mut Reader<'_>) -> Result<ChangeKind> {
    ChangeKind::from_number(dialect, r.varint()?).ok_or(Error::Unsupported)
}

fn parse_v1(dialect: Dialect, data: &[u8]) -> Result<ConfChangeView<'_>> {
    let (mut id, mut context) = (0, [].as_slice());
    let mut change = Change { kind: ChangeKind::AddNode, id: 0 };
    let mut r = Reader::new(data);
    while r.left() > 0 {
        let key = r.key()?;
        match key {
            0x08 => id = r.varint()?,
            0x10 => change.kind = change_kind(dialect, &mut r)?,
            0x18 => change.id = r.varint()?,
            0x22 => context = r.bytes()?,
            _ => r.skip_unknown(key, 4)?,
        }
    }
    let transition = Transition::Auto;
    Ok(ConfChangeView { v1: true, transition, context, id, single: Some(change), bytes: &[], count: 1, dialect })
}

fn parse_v2(dialect: Dialect, data: &[u8]) -> Result<ConfChangeView<'_>> {
    let (mut transition, mut context, mut count) = (Transition::Auto, [].as_slice(), 0);
    let mut r = Reader::new(data);
    while r.left() > 0 {
        let key = r.key()?;
        match key {
            0x08 => transition = Transition::from_wire(r.varint()?).ok_or(Error::Unsupported)?,
            CHANGES => {
                parse_single(dialect, r.message()?)?;
                count += 1;
            }
            0x1a => context = r.bytes()?,
            _ => r.skip_unknown(key, 3)?,
        }
    }
    Ok(ConfChangeView { v1: false, transition, context, id: 0, single: None, bytes: data, count, dialect })
}

fn parse_single(dialect: Dialect, mut r: Reader<'_>) -> Result<Change> {
    let mut change = Change { kind: ChangeKind::AddNode, id: 0 };
    while r.left() > 0 {
        let key = r.key()?;
        match key {
            0x08 => change.kind = change_kind(dialect, &mut r)?,
            0x10 => change.id = r.varint()?,
            _ => r.skip_unknown(key, 2)?,
        }
    }
    Ok(change)
}

/// Returns the number of a step's kind. A kind without a number in the dialect is never encoded:
/// the proposal of such a step is refused first.
fn number(dialect: Dialect, change: &Change) -> u64 {
    change.kind.number(dialect).unwrap_or(u64::MAX)
}

/// Returns the number of bytes that [`write_change_v1`] writes.
pub fn change_v1_len(dialect: Dialect, change: Change, context: &[u8]) -> usize {
    single_len(dialect, &change).saturating_add(data_len(context.len()))
}

/// Writes a change of the first encoding, with `id` 0. Returns the length, or 0 if `out` is too
/// short.
pub fn write_change_v1(dialect: Dialect, out: &mut [u8], change: Change, context: &[u8]) -> usize {
    let mut w = Writer::new(out);
    w.scalar(0x10, number(dialect, &change));
    w.scalar(0x18, change.id);
    w.data(0x22, context);
    w.finish()
}

fn single_len(dialect: Dialect, change: &Change) -> usize {
    scalar_len(number(dialect, change)) + scalar_len(change.id)
}

/// Returns the number of bytes that [`write_change_v2`] writes: 0 for leaving the joint
/// configuration without a context.
pub fn change_v2_len(dialect: Dialect, transition: Transition, changes: &[Change], context: &[u8]) -> usize {
    changes
        .iter()
        .fold(scalar_len(transition as u64), |sum, change| sum.saturating_add(bytes_len(single_len(dialect, change))))
        .saturating_add(data_len(context.len()))
}

/// Writes a change of the second encoding. Returns the length.
///
/// Returns 0 if `out` is too short, or if [`change_v2_len`] is 0 and there is nothing to write.
pub fn write_change_v2(
    dialect: Dialect,
    out: &mut [u8],
    transition: Transition,
    changes: &[Change],
    context: &[u8],
) -> usize {
    let mut w = Writer::new(out);
    w.scalar(0x08, transition as u64);
    for change in changes {
        w.field(0x12, single_len(dialect, change) as u64);
        w.scalar(0x08, number(dialect, change));
        w.scalar(0x10, change.id);
    }
    w.data(0x1a, context);
    w.finish()
}
