//! Snapshots on the wire: field 9 of a message, with metadata and configuration.

use super::conf::{self, ConfStateRef, ConfStateView, conf_state_len};
use super::encode::{Writer, bytes_len, data_len, scalar_len};
use super::read::Reader;
use crate::error::{Error, Result};

/// A snapshot, borrowed from a message's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SnapshotView<'a> {
    /// Index of the last entry that the snapshot covers.
    pub index: u64,
    /// Term of the last entry that the snapshot covers.
    pub term: u64,
    /// The configuration as of `index`.
    pub conf: ConfStateView<'a>,
    /// The state machine's data; empty if the host sends the data over its own channel.
    pub data: &'a [u8],
}

/// Reads a `Snapshot`. Missing metadata or a missing configuration read as empty; a second of
/// either is malformed.
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

/// Returns the length of the metadata. The metadata always include a configuration, even an empty
/// one, for readers that distinguish a missing from an empty configuration.
fn metadata_len(index: u64, term: u64, conf: &ConfStateRef<'_>) -> usize {
    bytes_len(conf_state_len(conf)).saturating_add(scalar_len(index) + scalar_len(term))
}

fn body_len(index: u64, term: u64, conf: &ConfStateRef<'_>, len: usize) -> usize {
    bytes_len(metadata_len(index, term, conf)).saturating_add(data_len(len))
}

/// Returns the length of field 9 of a message, tag, length and data included.
pub fn snapshot_field_len(index: u64, term: u64, conf: &ConfStateRef<'_>, data_len: usize) -> usize {
    bytes_len(body_len(index, term, conf, data_len))
}

/// Writes field 9 of a message up to the data, which the caller appends. Returns the length:
/// [`snapshot_field_len`] less `data_len`, or 0 if `out` is too short.
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
