//! Snapshots on the wire: field 9 of a message, its metadata and configuration.

use super::conf::{self, ConfStateRef, ConfStateView, conf_state_len};
use super::encode::{Writer, bytes_len, data_len, scalar_len};
use super::read::Reader;
use crate::error::{Error, Result};

/// A snapshot, borrowed from a message's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SnapshotView<'a> {
    /// The last entry that it covers.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// The configuration as of `index`.
    pub conf: ConfStateView<'a>,
    /// The state itself; empty if it travels the host's way.
    pub data: &'a [u8],
}

/// Reads a `Snapshot`. Metadata or a configuration that are missing are empty ones; a second of either is malformed.
pub(super) fn parse(mut r: Reader<'_>) -> Result<SnapshotView<'_>> {
    let mut snapshot = SnapshotView::default();
    let mut has_metadata = false;
    while r.left() > 0 {
        let key = r.key()?;
        match key {
            0x0a => snapshot.data = r.bytes()?,
            0x12 => {
                if has_metadata {
                    return Err(Error::Decode);
                }
                has_metadata = true;
                parse_metadata(r.message()?, &mut snapshot)?;
            }
            _ => r.skip_unknown(key, 2)?,
        }
    }
    Ok(snapshot)
}

fn parse_metadata<'a>(mut r: Reader<'a>, snapshot: &mut SnapshotView<'a>) -> Result<()> {
    let mut has_conf = false;
    while r.left() > 0 {
        let key = r.key()?;
        match key {
            0x0a => {
                if has_conf {
                    return Err(Error::Decode);
                }
                has_conf = true;
                snapshot.conf = conf::parse(r.message()?)?;
            }
            0x10 => snapshot.index = r.varint()?,
            0x18 => snapshot.term = r.varint()?,
            _ => r.skip_unknown(key, 3)?,
        }
    }
    Ok(())
}

/// Metadata always name a configuration, be it empty: so a reader that tells none from an empty one sees one.
fn metadata_len(index: u64, term: u64, conf: &ConfStateRef<'_>) -> usize {
    bytes_len(conf_state_len(conf)).saturating_add(scalar_len(index) + scalar_len(term))
}

fn body_len(index: u64, term: u64, conf: &ConfStateRef<'_>, len: usize) -> usize {
    bytes_len(metadata_len(index, term, conf)).saturating_add(data_len(len))
}

/// The length of field 9 of a message, tag, length and data included.
pub fn snapshot_field_len(index: u64, term: u64, conf: &ConfStateRef<'_>, data_len: usize) -> usize {
    bytes_len(body_len(index, term, conf, data_len))
}

/// Writes field 9 of a message up to the bytes of data, which close it. Returns the length, that is [`snapshot_field_len`] less
/// `data_len`; 0 if it does not fit.
pub fn write_snapshot_field_head(
    out: &mut [u8],
    index: u64,
    term: u64,
    conf: &ConfStateRef<'_>,
    data_len: usize,
) -> usize {
    let mut w = Writer::new(out);
    w.field(0x4a, body_len(index, term, conf, data_len) as u64);
    w.field(0x12, metadata_len(index, term, conf) as u64);
    w.field(0x0a, conf_state_len(conf) as u64);
    conf::put(&mut w, conf);
    w.scalar(0x10, index);
    w.scalar(0x18, term);
    w.scalar(0x0a, data_len as u64);
    w.finish()
}
