//! The reader under all cursors: keys, varints, lengths, and skipping what is unknown.

use crate::error::{Error, Result};

/// How deep messages and groups may nest: `prost`'s limit, so that both refuse the same bytes.
pub(super) const DEPTH: u8 = 100;

/// Reads protocol buffers from the front of borrowed bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    depth: u8,
}

impl<'a> Reader<'a> {
    /// A reader of a whole message.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: DEPTH }
    }

    /// What was not read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How much was not read yet.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Goes `n` bytes further; an error if there are fewer.
    #[inline]
    pub(super) fn advance(&mut self, n: usize) -> Result<()> {
        self.rest = self.rest.get(n..).ok_or(Error::Decode)?;
        Ok(())
    }

    /// A varint: at most ten bytes, at most 64 bits, overlong ones included.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.varint_long(),
        }
    }

    fn varint_long(&mut self) -> Result<u64> {
        let mut value = 0;
        for (i, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                if i == 9 && byte > 1 {
                    return Err(Error::Decode);
                }
                self.advance(i + 1)?;
                return Ok(value);
            }
        }
        Err(Error::Decode)
    }

    /// A field's key: its number times 8, plus its wire type. Numbers are never 0.
    #[inline]
    pub(super) fn key(&mut self) -> Result<u32> {
        let key = u32::try_from(self.varint()?).map_err(|_| Error::Decode)?;
        if key < 8 { Err(Error::Decode) } else { Ok(key) }
    }

    /// A length and that many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.varint()?).map_err(|_| Error::Decode)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Error::Decode)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A length and that many bytes, to be read as a message inside this one.
    #[inline]
    pub(super) fn message(&mut self) -> Result<Self> {
        Ok(Self { rest: self.bytes()?, depth: self.depth.saturating_sub(1) })
    }

    /// Skips the field with this key in a schema that knows the fields up to `known`: one of these, having another wire type than the
    /// schema says, is malformed.
    pub(super) fn skip_unknown(&mut self, key: u32, known: u32) -> Result<()> {
        if key >> 3 <= known { Err(Error::Decode) } else { self.skip(key, self.depth) }
    }

    /// Skips the field with this key, whatever it is.
    pub(super) fn skip(&mut self, key: u32, depth: u8) -> Result<()> {
        // Only a group goes deeper, so the recursion ends here at the latest.
        let deeper = depth.checked_sub(1).ok_or(Error::Decode)?;
        match key & 7 {
            0 => self.varint().map(|_| ()),
            1 => self.advance(8),
            2 => self.bytes().map(|_| ()),
            3 => loop {
                let inner = self.key()?;
                if inner & 7 != 4 {
                    self.skip(inner, deeper)?;
                } else if inner >> 3 == key >> 3 {
                    return Ok(());
                } else {
                    return Err(Error::Decode);
                }
            },
            5 => self.advance(4),
            _ => Err(Error::Decode),
        }
    }
}
