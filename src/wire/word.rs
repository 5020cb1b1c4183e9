//! Fields by the word: a tag of one byte and a number of up to seven bytes, read and written as a
//! word of eight bytes.
//!
//! Wider numbers take the general path. The tests compare the results of both.

use super::read::Reader;

/// Bytes to read by the word.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    bytes: &'a [u8],
    /// The last eight bytes. If there are fewer, the word begins with zeros.
    last: u64,
}

impl<'a> Words<'a> {
    /// Returns `None` if `bytes` is empty.
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.last_chunk::<8>() {
            Some(word) => Some(Self { bytes, last: u64::from_le_bytes(*word) }),
            None if bytes.is_empty() => None,
            None => Some(Self { bytes, last: gather(bytes) }),
        }
    }

    /// Does the same as [`new`](Self::new), but returns `None` for fewer than eight bytes.
    #[inline(always)]
    pub(super) fn of_eight(bytes: &'a [u8]) -> Option<Self> {
        Some(Self { bytes, last: u64::from_le_bytes(*bytes.last_chunk::<8>()?) })
    }

    /// Returns the word at `at`, with zeros beyond the end of the bytes. Returns `None` at the end
    /// or beyond.
    ///
    /// The zeros do no harm: no tag is 0, and a truncated number ends beyond the bytes, where the
    /// caller refuses it.
    #[inline(always)]
    pub(super) fn at(&self, at: usize) -> Option<u64> {
        let left = self.bytes.len().checked_sub(at)?;
        if left >= 8 {
            return Some(u64::from_le_bytes(*self.bytes.get(at..)?.first_chunk::<8>()?));
        }
        if left == 0 { None } else { Some(self.last >> (64 - 8 * left)) }
    }
}

/// Gathers fewer than eight bytes at the end of a word.
#[cold]
#[inline(never)]
fn gather(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |word, &byte| word >> 8 | u64::from(byte) << 56)
}

/// Returns the number after the tag in the low byte, and the length of the field. Returns `None` if
/// the number has more than seven bytes.
#[inline(always)]
pub(super) fn number(w: u64) -> Option<(u64, usize)> {
    judged_number(w).map(|(v, n, _)| (v, n))
}

/// Does the same as [`number`]. Also returns whether a canonical record may have the number: not 0,
/// and a shortest varint.
#[inline(always)]
pub(super) fn judged_number(w: u64) -> Option<(u64, usize, bool)> {
    // Nearly all numbers have one or two bytes. The widths repeat from message to message, so that
    // the CPU predicts these branches.
    if w & 0x8000 == 0 {
        return Some((w >> 8 & 0x7f, 2, w & 0x7f00 != 0));
    }
    if w & 0x80_0000 == 0 {
        return Some((w >> 8 & 0x7f | w >> 9 & 0x3f80, 3, w & 0x7f_0000 != 0));
    }
    // Indexes mostly have three or four bytes.
    if w & 0x8000_0000 == 0 {
        return Some((w >> 8 & 0x7f | w >> 9 & 0x3f80 | w >> 10 & 0x1f_c000, 4, w & 0x7f00_0000 != 0));
    }
    if w & 0x80_0000_0000 == 0 {
        let low = w >> 8 & 0x7f | w >> 9 & 0x3f80 | w >> 10 & 0x1f_c000;
        return Some((low | w >> 11 & 0xfe0_0000, 5, w & 0x7f_0000_0000 != 0));
    }
    let stop = !w & 0x8080_8000_0000_0000;
    if stop == 0 {
        return None;
    }
    // All bits up to the highest of the last byte.
    let x = (w & (stop ^ (stop - 1))) >> 8;
    let bits = stop.trailing_zeros();
    // The last byte of a shortest number is not 0.
    Some((squeeze(x), (bits / 8 + 1) as usize, w >> (bits & !7) & 0x7f != 0))
}

/// Returns the number after a tag at `at`, and the length of the field. For numbers of more than
/// seven bytes, such as random ids.
#[inline(never)]
pub(super) fn wide(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let rest = bytes.get(at + 1..)?;
    if let Some(chunk) = rest.first_chunk::<10>()
        && let Some(word) = chunk.first_chunk::<8>()
        && let [.., eighth, ninth, tenth] = *chunk
    {
        let low = squeeze(u64::from_le_bytes(*word));
        let high = low | u64::from(ninth & 0x7f) << 56;
        if eighth & ninth & 0x80 != 0 {
            // The tenth byte has room for one bit.
            return if tenth > 1 { None } else { Some((high | u64::from(tenth) << 63, 11)) };
        }
        return Some(if eighth < 0x80 { (low, 9) } else { (high, 10) });
    }
    let mut r = Reader::new(rest);
    let v = r.varint().ok()?;
    Some((v, 1 + rest.len() - r.left()))
}

/// Joins the low seven bits of each byte, without gaps and without a loop.
#[inline(always)]
pub(super) fn squeeze(x: u64) -> u64 {
    let x = x & 0x007f_007f_007f_007f | (x & 0x7f00_7f00_7f00_7f00) >> 1;
    let x = x & 0x0000_3fff_0000_3fff | (x & 0x3fff_0000_3fff_0000) >> 2;
    x & 0x0fff_ffff | (x & 0x0fff_ffff_0000_0000) >> 4
}

/// Returns the word of a field and its length. Returns `None` if the number takes more than seven
/// bytes.
#[inline(always)]
pub(super) fn field(tag: u8, v: u64) -> Option<(u64, usize)> {
    if v < 1 << 28 {
        return Some(short_field(tag, v));
    }
    if v >= 1 << 49 {
        return None;
    }
    let n = super::varint_len(v);
    // Two to six bytes, all except the last, continue the number.
    let more = 0x8080_8080_8080_8080 >> (72 - 8 * n);
    Some(((spread(v) | more) << 8 | u64::from(tag), 1 + n))
}

/// Does the same as [`field`] for a number of at most four bytes.
#[inline(always)]
pub(super) fn short_field(tag: u8, v: u64) -> (u64, usize) {
    debug_assert!(v < 1 << 28);
    let tag = u64::from(tag);
    if v < 0x80 {
        return (v << 8 | tag, 2);
    }
    // Doubles the bits above the low seven, which moves these bits up by one.
    let two = v + (v & !0x7f);
    if v < 0x4000 {
        return (two << 8 | 0x8000 | tag, 3);
    }
    // Doubles the bits above the low two bytes of the result.
    let three = two + (two & !0x7fff);
    if v < 1 << 21 {
        return (three << 8 | 0x80_8000 | tag, 4);
    }
    ((three + (three & !0x7f_ffff)) << 8 | 0x8080_8000 | tag, 5)
}

/// Spreads at most 49 bits, seven to a byte.
#[inline(always)]
fn spread(v: u64) -> u64 {
    let x = v & 0x0fff_ffff | (v & 0x00ff_ffff_f000_0000) << 4;
    let x = x & 0x0000_3fff_0000_3fff | (x & 0x0fff_c000_0fff_c000) << 2;
    x & 0x007f_007f_007f_007f | (x & 0x3f80_3f80_3f80_3f80) << 1
}

/// Writes a field whose number has more than seven bytes at `at`. Returns the place of the next
/// field, or `None` if `out` is too short.
#[inline(never)]
pub(super) fn put_wide(out: &mut [u8], at: usize, tag: u8, v: u64) -> Option<usize> {
    let low = spread(v & ((1 << 49) - 1)) | 0x0080_8080_8080_8080;
    store(out, at, low << 8 | u64::from(tag))?;
    let (high, n) = field(0, v >> 49)?;
    store(out, at + 8, high >> 8)?;
    Some(at + 8 + n - 1)
}

/// Writes a word at `at`. Returns `None` if `out` is too short.
#[inline(always)]
pub(super) fn store(out: &mut [u8], at: usize, word: u64) -> Option<()> {
    *out.get_mut(at..)?.first_chunk_mut::<8>()? = word.to_le_bytes();
    Some(())
}
