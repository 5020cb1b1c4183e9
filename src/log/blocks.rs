//! The bytes of the recent log: append-only blocks in a queue, reused once no view needs them.
//!
//! A record never spans blocks. A written byte never changes while its block lives, so a view into
//! a block stays valid whatever happens to the log. Blocks have rising sequence numbers, so the
//! check for "still needed" is a single comparison: every block from the oldest needed block on
//! stays.
//!
//! Not here: the entry of a record (`log`), and the blocks that a ready pins (`ready`).

use crate::error::{Error, Result};
use std::collections::VecDeque;

/// Bytes of a block to initialise at a time, at least. A block is touched only as far as it is
/// used.
const STEP: usize = 1 << 10;

/// Blocks for large records have a multiple of this capacity.
const LARGE_STEP: usize = 1 << 12;

/// A range of bytes in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The block's number. Numbers wrap, so compare them by distance.
    pub block: u32,
    /// Offset of the first byte.
    pub offset: u32,
    /// Bytes.
    pub len: u32,
}

/// A block, initialised ahead of its use, so that a record's head is written in place.
///
/// The capacity of a block never changes, so its bytes never move.
#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    used: usize,
}

impl Block {
    #[inline]
    fn room(&self) -> usize {
        self.bytes.capacity() - self.used
    }

    /// Initialises the block for `len` more bytes, which must fit.
    #[cold]
    fn initialise(&mut self, len: usize) {
        let wanted = (self.used + len).next_multiple_of(STEP).min(self.bytes.capacity());
        if wanted > self.bytes.len() {
            self.bytes.resize(wanted, 0);
        }
    }

    fn try_clone(&self) -> Result<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.bytes.capacity()).map_err(|_| Error::NoMem)?;
        bytes.extend_from_slice(self.bytes.get(..self.used).unwrap_or(&[]));
        Ok(Self { bytes, used: self.used })
    }
}

#[derive(Debug)]
pub(crate) struct Blocks {
    /// The block to write to. Most views point into this block, so it is kept apart for a fast
    /// lookup. The capacity is 0 if there is no block.
    newest: Block,
    /// The live blocks before the newest.
    older: VecDeque<Block>,
    /// Number of the oldest live block.
    first: u32,
    /// Number of the block that will follow the newest.
    end: u32,
    /// Empty blocks of the usual size, for reuse.
    spare: Vec<Block>,
    /// Empty blocks of single large records, for reuse. Smallest first.
    spare_large: Vec<Block>,
    /// Bytes of `spare_large`.
    spare_large_bytes: u64,
    /// Limit of the bytes in large blocks, live and spare. Beyond the limit, spare blocks are freed.
    ///
    /// The usual blocks have no part in it: between short entries, a long entry would find no spare
    /// block. They need no limit, since only live blocks make new blocks necessary.
    max_large_bytes: u64,
    block_bytes: usize,
    /// Capacity of all live blocks, in bytes.
    live_bytes: u64,
    /// Capacity of the large live blocks, in bytes.
    live_large_bytes: u64,
    poison: bool,
}

impl Blocks {
    pub fn new(block_bytes: usize, max_large_bytes: u64, poison: bool) -> Self {
        Self {
            newest: Block::default(),
            older: VecDeque::new(),
            first: 0,
            end: 0,
            spare: Vec::new(),
            spare_large: Vec::new(),
            spare_large_bytes: 0,
            max_large_bytes,
            block_bytes,
            live_bytes: 0,
            live_large_bytes: 0,
            poison,
        }
    }

    /// Returns the bytes of live blocks, used or not.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Returns the bytes of live and spare blocks.
    pub fn held_bytes(&self) -> u64 {
        self.live_bytes + (self.spare.len() * self.block_bytes) as u64 + self.spare_large_bytes
    }

    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Returns the number of the oldest live block.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// Returns the number of the block that will follow the newest.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// True if there is a block before the newest.
    #[inline]
    pub fn has_older(&self) -> bool {
        !self.older.is_empty()
    }

    /// Returns the capacity of a block in bytes.
    pub fn capacity(&self, block: u32) -> u64 {
        self.find(block).map_or(0, |block| block.bytes.capacity() as u64)
    }

    #[inline(always)]
    fn find(&self, block: u32) -> Option<&Block> {
        if block.wrapping_add(1) == self.end {
            return Some(&self.newest);
        }
        self.older.get(block.wrapping_sub(self.first) as usize)
    }

    /// Returns the room left in the newest block.
    #[inline]
    pub fn room(&self) -> usize {
        self.newest.room()
    }

    /// Returns the bytes that a record of `len` bytes would add to `live_bytes`.
    pub fn cost(&self, len: usize) -> u64 {
        match self.large_spare(len).and_then(|at| self.spare_large.get(at)) {
            _ if len <= self.room() => 0,
            Some(block) => block.bytes.capacity() as u64,
            None => self.capacity_for(len) as u64,
        }
    }

    /// Returns the bytes of a new block for a record of `len` bytes. Large blocks come in steps, so
    /// that a spare block fits a record of nearly the same length.
    pub fn capacity_for(&self, len: usize) -> usize {
        if len <= self.block_bytes {
            self.block_bytes
        } else {
            len.saturating_add(LARGE_STEP - 1) / LARGE_STEP * LARGE_STEP
        }
    }

    /// Returns the position of the smallest spare block for a record that is longer than usual
    /// blocks.
    fn large_spare(&self, len: usize) -> Option<usize> {
        if len <= self.block_bytes {
            return None;
        }
        let at = self.spare_large.partition_point(|block| block.bytes.capacity() < len);
        if at < self.spare_large.len() { Some(at) } else { None }
    }

    /// Makes sure that the newest block has room for `len` more bytes.
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<()> {
        if len <= self.room() && self.first != self.end { Ok(()) } else { self.grow(len) }
    }

    #[cold]
    fn grow(&mut self, len: usize) -> Result<()> {
        self.older.try_reserve(1).map_err(|_| Error::NoMem)?;
        let spare = match self.large_spare(len) {
            Some(at) => {
                let block = self.spare_large.remove(at);
                self.spare_large_bytes -= block.bytes.capacity() as u64;
                Some(block)
            }
            None if len <= self.block_bytes => self.spare.pop(),
            None => None,
        };
        let block = match spare {
            Some(block) => block,
            None => {
                let mut bytes = Vec::new();
                bytes.try_reserve_exact(self.capacity_for(len)).map_err(|_| Error::NoMem)?;
                Block { bytes, used: 0 }
            }
        };
        self.live_bytes += block.bytes.capacity() as u64;
        self.live_large_bytes += self.large_bytes(&block);
        self.trim_large();
        let before = std::mem::replace(&mut self.newest, block);
        if self.first != self.end {
            self.older.push_back(before);
        }
        self.end = self.end.wrapping_add(1);
        Ok(())
    }

    /// Returns the number of the newest block, and the offset of its next record.
    #[inline]
    pub fn next(&self) -> Option<(u32, usize)> {
        (self.first != self.end).then_some((self.end.wrapping_sub(1), self.newest.used))
    }

    /// Returns the number of the newest block, the offset of its next record, and the bytes from
    /// there on.
    ///
    /// There are at least `len` bytes; `len` must be at most `room`. Written bytes count after a
    /// call of `taken`.
    #[inline]
    pub fn tail(&mut self, len: usize) -> Option<(u32, usize, &mut [u8])> {
        let number = self.end.wrapping_sub(1);
        let block = &mut self.newest;
        if block.bytes.len() < block.used + len {
            block.initialise(len);
        }
        let used = block.used;
        block.bytes.get_mut(used..).map(|bytes| (number, used, bytes))
    }

    /// Counts `len` more bytes of the newest block as written.
    #[inline]
    pub fn taken(&mut self, len: usize) {
        self.newest.used += len;
    }

    /// Appends bytes, at most `room`, to the newest block. Returns the number of the block, and the
    /// offset of the bytes.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) -> Option<(u32, usize)> {
        let (block, at, tail) = self.tail(bytes.len())?;
        tail.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.taken(bytes.len());
        Some((block, at))
    }

    /// Returns all initialised bytes of a block; empty if the block is gone.
    #[inline]
    pub fn block(&self, block: u32) -> &[u8] {
        self.find(block).map_or(&[], |block| &block.bytes)
    }

    /// Returns the bytes at a place; empty if the block is gone.
    #[inline]
    pub fn get(&self, place: Place) -> &[u8] {
        let at = place.offset as usize;
        self.block(place.block).get(at..at + place.len as usize).unwrap_or(&[])
    }

    /// Releases every block before `needed`.
    pub fn release_before(&mut self, needed: u32) {
        while self.first != needed {
            let Some(mut block) = self.older.pop_front() else { break };
            self.first = self.first.wrapping_add(1);
            self.live_bytes -= block.bytes.capacity() as u64;
            self.live_large_bytes -= self.large_bytes(&block);
            if self.poison {
                block.bytes.fill(0xDD);
            }
            block.used = 0;
            if block.bytes.capacity() > self.block_bytes {
                self.keep_large(block);
            } else if self.spare.try_reserve(1).is_ok() {
                self.spare.push(block);
            }
        }
    }

    /// Keeps a large block for the next large record. The allocator would return its pages to the
    /// system, and page faults cost more than filling the block.
    fn keep_large(&mut self, block: Block) {
        let capacity = block.bytes.capacity();
        if self.spare_large.try_reserve(1).is_ok() {
            let at = self.spare_large.partition_point(|spare| spare.bytes.capacity() < capacity);
            self.spare_large.insert(at, block);
            self.spare_large_bytes += capacity as u64;
            self.trim_large();
        }
    }

    /// Frees large spare blocks beyond the limit, the smallest first, since fewer records fit in a
    /// small block.
    fn trim_large(&mut self) {
        while self.live_large_bytes + self.spare_large_bytes > self.max_large_bytes && !self.spare_large.is_empty() {
            self.spare_large_bytes -= self.spare_large.remove(0).bytes.capacity() as u64;
        }
    }

    /// Returns the capacity of a large block; 0 for a block of the usual size.
    fn large_bytes(&self, block: &Block) -> u64 {
        if block.bytes.capacity() > self.block_bytes { block.bytes.capacity() as u64 } else { 0 }
    }

    /// Frees the spare blocks.
    pub fn trim(&mut self) {
        (self.spare, self.spare_large, self.spare_large_bytes) = (Vec::new(), Vec::new(), 0);
    }

    /// Returns a copy with blocks of its own.
    pub fn try_clone(&self) -> Result<Self> {
        let mut copy = Self::new(self.block_bytes, self.max_large_bytes, self.poison);
        (copy.first, copy.end) = (self.first, self.end);
        copy.newest = self.newest.try_clone()?;
        copy.older.try_reserve(self.older.len()).map_err(|_| Error::NoMem)?;
        for block in &self.older {
            copy.older.push_back(block.try_clone()?);
        }
        let held = |block: &Block| block.bytes.capacity() as u64;
        copy.live_bytes = held(&copy.newest) + copy.older.iter().map(held).sum::<u64>();
        let large = |block: &Block| copy.large_bytes(block);
        copy.live_large_bytes = large(&copy.newest) + copy.older.iter().map(large).sum::<u64>();
        Ok(copy)
    }
}
