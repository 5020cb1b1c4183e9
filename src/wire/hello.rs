//! Frames for streams, and the hello that opens a connection.
//!
//! A frame is a length (u32) and a group id (u64), both little-endian, then the body of that
//! length: a message or a hello. As protocol buffers, the first byte of a hello is field 10 with a
//! wire type that no message has, so a reader cannot confuse the two.

use crate::error::{Error, Result};

pub use crate::types::FRAME_HEADER;
/// The first bytes of a hello's body.
pub const HELLO_MAGIC: [u8; 8] = *b"RAFTCORE";
/// The version of frames and messages that this library speaks.
pub const PROTOCOL_VERSION: u32 = 1;
/// The length of a hello's frame, header included.
pub const HELLO_LEN: usize = FRAME_HEADER + HELLO_BODY;

/// Magic, version, features, group, id.
const HELLO_BODY: usize = 8 + 4 + 8 + 8 + 8;

/// A node's first message on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The version that the node speaks: [`PROTOCOL_VERSION`] for this library.
    pub version: u32,
    /// The features of the node, bit by bit.
    pub features: u64,
    /// The node's group.
    pub group: u64,
    /// The node's id in the group.
    pub id: u64,
}

/// Writes the header of a frame: the body's length, and the group.
#[inline]
pub fn write_frame_header(out: &mut [u8; 12], len: u32, group: u64) {
    let [l0, l1, l2, l3] = len.to_le_bytes();
    let [g0, g1, g2, g3, g4, g5, g6, g7] = group.to_le_bytes();
    *out = [l0, l1, l2, l3, g0, g1, g2, g3, g4, g5, g6, g7];
}

/// Reads the header of a frame: the body's length, and the group. Returns `None` if `bytes` is too
/// short.
#[inline]
pub fn read_frame_header(bytes: &[u8]) -> Option<(u32, u64)> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*len), u64::from_le_bytes(*rest.first_chunk::<8>()?)))
}

/// The result of [`next_frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextFrame<'a> {
    /// A whole frame.
    Whole {
        /// The frame's group.
        group: u64,
        /// The message.
        message: &'a [u8],
        /// Bytes of the frame, header included.
        bytes: u64,
    },
    /// The frame is incomplete. Holds the length of the whole frame, header included, or 0 if the
    /// header is incomplete too.
    Needs(u64),
}

/// Returns the frame at the start of `bytes`, without stepping the message.
///
/// For a host that looks at each message first, or routes messages to many nodes.
///
/// # Errors
/// [`Error::Decode`]: the frame, header included, is longer than `limit` bytes. Nothing more can be
/// read from this stream.
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

/// Writes a hello's frame. Returns [`HELLO_LEN`], or 0 if `out` is too short.
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

/// Reads a hello from the bytes of a whole frame.
///
/// Skips bytes that later versions append. The caller judges whether version, group and id suit.
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
