//! Frames for streams, and the hello that opens a connection.
//!
//! A frame is a length (u32), a group id (u64), both little-endian, then that many bytes: a message or a hello. A hello's first byte, read
//! as protocol buffers, is field 10 with a wire type that no message gives it: neither can be taken for the other.

use crate::error::{Error, Result};

pub use crate::types::FRAME_HEADER;
/// How a hello's body starts.
pub const HELLO_MAGIC: [u8; 8] = *b"RAFTCORE";
/// The version of frames and messages that is spoken here.
pub const PROTOCOL_VERSION: u32 = 1;
/// The length of a hello's frame, header included.
pub const HELLO_LEN: usize = FRAME_HEADER + HELLO_BODY;

/// Magic, version, features, group, id.
const HELLO_BODY: usize = 8 + 4 + 8 + 8 + 8;

/// What a node says of itself when a connection opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The version it speaks: [`PROTOCOL_VERSION`] for this library.
    pub version: u32,
    /// What it is able to do, bit by bit.
    pub features: u64,
    /// Its group.
    pub group: u64,
    /// Its id in the group.
    pub id: u64,
}

/// Writes what stands before a frame's body: the body's length, and the group.
#[inline]
pub fn write_frame_header(out: &mut [u8; 12], len: u32, group: u64) {
    let [l0, l1, l2, l3] = len.to_le_bytes();
    let [g0, g1, g2, g3, g4, g5, g6, g7] = group.to_le_bytes();
    *out = [l0, l1, l2, l3, g0, g1, g2, g3, g4, g5, g6, g7];
}

/// Reads what stands before a frame's body: the body's length, and the group. `None`: the bytes don't reach.
#[inline]
pub fn read_frame_header(bytes: &[u8]) -> Option<(u32, u64)> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*len), u64::from_le_bytes(*rest.first_chunk::<8>()?)))
}

/// What [`next_frame`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextFrame<'a> {
    /// A whole frame.
    Whole {
        /// The group that it is of.
        group: u64,
        /// The message.
        message: &'a [u8],
        /// Bytes of the frame, header included.
        bytes: u64,
    },
    /// It is not there whole: so many bytes it will have, header included; 0 if the header is not there either.
    Needs(u64),
}

/// The frame that `bytes` begin with. Nothing is stepped: a host looks at each message first, or routes it to one of many nodes.
///
/// # Errors
/// [`Error::Decode`]: longer than `limit` bytes, header included: nothing more can be read from this stream.
pub fn next_frame(bytes: &[u8], limit: u64) -> Result<NextFrame<'_>> {
    let Some((len, group)) = read_frame_header(bytes) else { return Ok(NextFrame::Needs(0)) };
    let whole = FRAME_HEADER as u64 + u64::from(len);
    if whole > limit {
        return Err(Error::Decode);
    }
    let end = usize::try_from(whole).map_err(|_| Error::Decode)?;
    Ok(match bytes.get(FRAME_HEADER..end) {
        Some(message) => NextFrame::Whole { group, message, bytes: whole },
        None => NextFrame::Needs(whole),
    })
}

/// Writes a hello's frame. Returns [`HELLO_LEN`]; 0 if it does not fit.
pub fn write_hello(out: &mut [u8], hello: &Hello) -> usize {
    let Some(out) = out.first_chunk_mut::<HELLO_LEN>() else { return 0 };
    let Some((header, body)) = out.split_first_chunk_mut::<FRAME_HEADER>() else { return 0 };
    write_frame_header(header, HELLO_BODY as u32, hello.group);
    let fields = HELLO_MAGIC
        .into_iter()
        .chain(hello.version.to_le_bytes())
        .chain(hello.features.to_le_bytes())
        .chain(hello.group.to_le_bytes())
        .chain(hello.id.to_le_bytes());
    for (place, byte) in body.iter_mut().zip(fields) {
        *place = byte;
    }
    HELLO_LEN
}

/// Reads a hello from the bytes of one whole frame. Later versions may append to it; what is appended is not looked at. Whether version,
/// group and id suit is the caller's to judge.
pub fn read_hello(frame: &[u8]) -> Result<Hello> {
    read(frame).ok_or(Error::Decode)
}

fn read(frame: &[u8]) -> Option<Hello> {
    let (len, framed) = read_frame_header(frame)?;
    let body = frame.get(FRAME_HEADER..)?;
    let (magic, rest) = body.split_first_chunk::<8>()?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (features, rest) = rest.split_first_chunk::<8>()?;
    let (group, rest) = rest.split_first_chunk::<8>()?;
    let id = rest.first_chunk::<8>()?;
    let hello = Hello {
        version: u32::from_le_bytes(*version),
        features: u64::from_le_bytes(*features),
        group: u64::from_le_bytes(*group),
        id: u64::from_le_bytes(*id),
    };
    let whole = usize::try_from(len).is_ok_and(|len| len == body.len());
    if *magic == HELLO_MAGIC && whole && hello.version > 0 && hello.group == framed { Some(hello) } else { None }
}
