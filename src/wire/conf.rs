//! Configurations on the wire: `ConfState`, read as a checked view, written from slices of ids.

use super::encode::{Writer, scalar_len, varint_len};
use super::read::Reader;
use crate::error::Result;
use crate::types::Dialect;

/// A configuration to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfStateRef<'a> {
    /// Voters; in a joint configuration the incoming voters.
    pub voters: &'a [u64],
    /// Learners.
    pub learners: &'a [u64],
    /// Voters of the outgoing half; empty unless joint.
    pub voters_outgoing: &'a [u64],
    /// Voters of the outgoing half who become learners when the group leaves the joint
    /// configuration.
    pub learners_next: &'a [u64],
    /// Whether the group leaves the joint configuration automatically.
    pub auto_leave: bool,
}

/// A configuration in checked bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfStateView<'a> {
    bytes: &'a [u8],
    auto_leave: bool,
    index: u64,
    dialect: u64,
}

impl<'a> ConfStateView<'a> {
    /// Returns the bytes of the configuration.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// True if the group leaves the joint configuration automatically.
    pub fn auto_leave(&self) -> bool {
        self.auto_leave
    }

    /// Returns the index that the configuration is as of, or 0 if unknown. Only
    /// [`write_stored_conf`] writes the index.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Returns the number of the dialect, if a node of this library stored the configuration. Bytes
    /// of other origin may belong to any dialect.
    pub fn dialect(&self) -> Option<u64> {
        (self.index > 0).then_some(self.dialect)
    }

    /// Returns the voters; in a joint configuration the incoming voters. All four lists keep the
    /// order of the bytes.
    pub fn voters(&self) -> ConfIds<'a> {
        self.ids(1)
    }

    /// Returns the learners.
    pub fn learners(&self) -> ConfIds<'a> {
        self.ids(2)
    }

    /// Returns the voters of the outgoing half; empty unless joint.
    pub fn voters_outgoing(&self) -> ConfIds<'a> {
        self.ids(3)
    }

    /// Returns the voters of the outgoing half who become learners when the group leaves the joint
    /// configuration.
    pub fn learners_next(&self) -> ConfIds<'a> {
        self.ids(4)
    }

    fn ids(&self, field: u32) -> ConfIds<'a> {
        ConfIds { field, r: Reader::new(self.bytes), packed: Reader::new(&[]) }
    }
}

/// Iterates over a list of ids of a configuration, without storing the list.
#[derive(Clone, Debug)]
pub struct ConfIds<'a> {
    field: u32,
    r: Reader<'a>,
    /// The unread rest of a packed field.
    packed: Reader<'a>,
}

impl Iterator for ConfIds<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            if self.packed.left() > 0 {
                return self.packed.varint().ok();
            }
            let key = self.r.key().ok()?;
            if key == self.field << 3 {
                return self.r.varint().ok();
            }
            if key == self.field << 3 | 2 {
                self.packed = self.r.message().ok()?;
            } else {
                self.r.skip_unknown(key, 0).ok()?;
            }
        }
    }
}

/// Checks the bytes of a configuration.
pub fn parse_conf_state(bytes: &[u8]) -> Result<ConfStateView<'_>> {
    parse(Reader::new(bytes))
}

pub(super) fn parse(mut r: Reader<'_>) -> Result<ConfStateView<'_>> {
    let bytes = r.rest();
    let (mut auto_leave, mut index, mut dialect) = (false, 0, 0);
    while r.left() > 0 {
        let key = r.key()?;
        match key {
            0x08 | 0x10 | 0x18 | 0x20 => {
                r.varint()?;
            }
            0x0a | 0x12 | 0x1a | 0x22 => {
                let mut packed = r.message()?;
                while packed.left() > 0 {
                    packed.varint()?;
                }
            }
            0x28 => auto_leave = r.varint()? != 0,
            INDEX_TAG => index = r.varint()?,
            DIALECT_TAG => dialect = r.varint()?,
            _ => r.skip_unknown(key, 5)?,
        }
    }
    Ok(ConfStateView { bytes, auto_leave, index, dialect })
}

/// Returns the number of bytes that [`write_conf_state`] writes.
pub fn conf_state_len(conf: &ConfStateRef<'_>) -> usize {
    [conf.voters, conf.learners, conf.voters_outgoing, conf.learners_next]
        .iter()
        .flat_map(|ids| ids.iter())
        .fold(if conf.auto_leave { 2 } else { 0 }, |sum: usize, &id| sum.saturating_add(1 + varint_len(id)))
}

/// Writes a configuration, with unpacked lists as in etcd's proto2. Returns the length.
///
/// Returns 0 if `out` is too short, or if [`conf_state_len`] is 0 and there is nothing to write.
pub fn write_conf_state(out: &mut [u8], conf: &ConfStateRef<'_>) -> usize {
    let mut w = Writer::new(out);
    put(&mut w, conf);
    w.finish()
}

/// Field 15, a varint: the index that a stored configuration is as of. etcd's ConfState ends at
/// field 5, and etcd's readers skip unknown fields.
const INDEX_TAG: u32 = 0x78;

/// Field 14, a varint: the number of the dialect in which the log is written; raftpb is left out.
const DIALECT_TAG: u32 = 0x70;

/// Returns the number of bytes that [`write_stored_conf`] writes.
pub fn stored_conf_len(dialect: Dialect, conf: &ConfStateRef<'_>, index: u64) -> usize {
    conf_state_len(conf).saturating_add(conf_index_len(dialect, index))
}

/// Returns the number of bytes that [`write_conf_index`] writes.
pub(crate) fn conf_index_len(dialect: Dialect, index: u64) -> usize {
    scalar_len(dialect as u64) + scalar_len(index)
}

/// Writes the fields that make an encoded ConfState a stored configuration.
pub(crate) fn write_conf_index(out: &mut [u8], dialect: Dialect, index: u64) -> usize {
    let mut w = Writer::new(out);
    put_index(&mut w, dialect, index);
    w.finish()
}

fn put_index(w: &mut Writer<'_>, dialect: Dialect, index: u64) {
    w.scalar(DIALECT_TAG as u8, dialect as u64);
    w.scalar(INDEX_TAG as u8, index);
}

/// Writes a configuration as a host stores it: a ConfState, then the dialect of the log (field 14)
/// and the index that the configuration is as of (field 15).
///
/// Zeros are left out. By the index, a boot can detect a configuration older than the state; by the
/// dialect, a log of the wrong dialect.
/// Returns the length, or 0 if `out` is too short.
pub fn write_stored_conf(dialect: Dialect, out: &mut [u8], conf: &ConfStateRef<'_>, index: u64) -> usize {
    let mut w = Writer::new(out);
    put(&mut w, conf);
    put_index(&mut w, dialect, index);
    w.finish()
}

pub(super) fn put(w: &mut Writer<'_>, conf: &ConfStateRef<'_>) {
    for (tag, ids) in
        [(0x08, conf.voters), (0x10, conf.learners), (0x18, conf.voters_outgoing), (0x20, conf.learners_next)]
    {
        for &id in ids {
            w.field(tag, id);
        }
    }
    w.scalar(0x28, u64::from(conf.auto_leave));
}
