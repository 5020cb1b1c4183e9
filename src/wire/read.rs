//! The reader below all cursors: keys, varints, lengths, and skipping of unknown fields.

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
    /// Returns a reader of a whole message.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: DEPTH }
    }

    /// Returns the unread bytes.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the number of unread bytes.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Skips `n` bytes. An error if there are fewer.
    #[inline]
    pub(super) fn advance(&mut self, n: usize) -> Result<()> {
        self.rest = self.rest.get(n..).ok_or(Error::Decode)?;
        Ok(())
    }

    /// Reads a varint of at most ten bytes and 64 bits. Overlong varints are valid.
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

    /// Reads a field's key: the field number times 8, plus the wire type. Field number 0 is
    /// malformed.
    #[inline]
    pub(super) fn key(&mut self) -> Result<u32> {
        let key = u32::try_from(self.varint()?).map_err(|_| Error::Decode)?;
        if key < 8 { Err(Error::Decode) } else { Ok(key) }
    }

    /// Reads a length and as many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.varint()?).map_err(|_| Error::Decode)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Error::Decode)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads a length and as many bytes, as a message inside this message.
    #[inline]
    pub(super) fn message(&mut self) -> Result<Self> {
        Ok(Self { rest: self.bytes()?, depth: self.depth.saturating_sub(1) })
    }

    /// Skips the field with this key in a schema that knows the fields up to `known`. A known field
    /// is malformed here, since its wire type differs from the schema's.
    pub(super) fn skip_unknown(&mut self, key: u32, known: u32) -> Result<()> {
        if key >> 3 <= known { Err(Error::Decode) } else { self.skip(key, self.depth) }
    }

    /// Skips the field with this key, of any wire type.
    pub(super) fn skip(&mut self, key: u32, depth: u8) -> Result<()> {
        // Only a group goes deeper. The recursion ends here at the latest.
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
