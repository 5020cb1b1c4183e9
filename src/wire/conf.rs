//! Configurations on the wire: `ConfState`, read as a checked view, written from slices of ids.

use super::encode::{Writer, scalar_len, varint_len};
use super::read::Reader;
use crate::error::Result;

/// A configuration to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfStateRef<'a> {
    /// Voters; in a joint configuration the incoming ones.
    pub voters: &'a [u64],
    /// Learners.
    pub learners: &'a [u64],
    /// Voters of the outgoing half; empty unless joint.
    pub voters_outgoing: &'a [u64],
    /// Those who become learners when the joint configuration is left.
    pub learners_next: &'a [u64],
    /// Whether the joint configuration is left by itself.
    pub auto_leave: bool,
}

/// A configuration that was read: its bytes, checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfStateView<'a> {
    bytes: &'a [u8],
    auto_leave: bool,
    index: u64,
}

impl<'a> ConfStateView<'a> {
    /// The bytes it was read from.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the joint configuration is left by itself.
    pub fn auto_leave(&self) -> bool {
        self.auto_leave
    }

    /// The index that the configuration is as of, where the bytes are those of [`write_stored_conf`]; 0: not known.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Voters; in a joint configuration the incoming ones. In the order of the bytes, as in all four lists.
    pub fn voters(&self) -> ConfIds<'a> {
        self.ids(1)
    }

    /// Learners.
    pub fn learners(&self) -> ConfIds<'a> {
        self.ids(2)
    }

    /// Voters of the outgoing half; empty unless joint.
    pub fn voters_outgoing(&self) -> ConfIds<'a> {
        self.ids(3)
    }

    /// Those who become learners when the joint configuration is left.
    pub fn learners_next(&self) -> ConfIds<'a> {
        self.ids(4)
    }

    fn ids(&self, field: u32) -> ConfIds<'a> {
        ConfIds { field, r: Reader::new(self.bytes), packed: Reader::new(&[]) }
    }
}

/// Iterates over one list of ids of a configuration, without storing it.
#[derive(Clone, Debug)]
pub struct ConfIds<'a> {
    field: u32,
    r: Reader<'a>,
    /// What is left of a packed stretch.
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
    let (mut auto_leave, mut index) = (false, 0);
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
            _ => r.skip_unknown(key, 5)?,
        }
    }
    Ok(ConfStateView { bytes, auto_leave, index })
}

/// The length of what [`write_conf_state`] writes.
pub fn conf_state_len(conf: &ConfStateRef<'_>) -> usize {
    [conf.voters, conf.learners, conf.voters_outgoing, conf.learners_next]
        .iter()
        .flat_map(|ids| ids.iter())
        .fold(if conf.auto_leave { 2 } else { 0 }, |sum: usize, &id| sum.saturating_add(1 + varint_len(id)))
}

/// Writes a configuration, its lists unpacked as in etcd's proto2. Returns the length; 0 if it does not fit, or if there is nothing to
/// write, as [`conf_state_len`] tells.
pub fn write_conf_state(out: &mut [u8], conf: &ConfStateRef<'_>) -> usize {
    let mut w = Writer::new(out);
    put(&mut w, conf);
    w.finish()
}

/// Field 15, a varint: the index that a stored configuration is as of. etcd's ConfState ends at field 5, and its readers skip others.
const INDEX_TAG: u32 = 0x78;

/// The length of what [`write_stored_conf`] writes.
pub fn stored_conf_len(conf: &ConfStateRef<'_>, index: u64) -> usize {
    conf_state_len(conf).saturating_add(conf_index_len(index))
}

/// The length of what [`write_conf_index`] writes.
pub(crate) fn conf_index_len(index: u64) -> usize {
    scalar_len(index)
}

/// Writes what makes a ConfState one that is stored.
pub(crate) fn write_conf_index(out: &mut [u8], index: u64) -> usize {
    let mut w = Writer::new(out);
    w.scalar(INDEX_TAG as u8, index);
    w.finish()
}

/// Writes a configuration as a host stores it: a ConfState, and behind it the index that it is as of (field 15; 0: left out), so that a boot
/// can tell one that is older than the state beside it. Returns the length; 0 if it does not fit.
pub fn write_stored_conf(out: &mut [u8], conf: &ConfStateRef<'_>, index: u64) -> usize {
    let mut w = Writer::new(out);
    put(&mut w, conf);
    w.scalar(INDEX_TAG as u8, index);
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
