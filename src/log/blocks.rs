//! The bytes of the recent log: append-only blocks in a queue, reused once nobody looks at them.
//!
//! A record never spans blocks, and a byte once written is never changed while its block lives: that is what makes a view into a
//! block valid whatever happens to the log above it. Blocks are named by a sequence number that only grows, so "still needed" is
//! one comparison: everything from the lowest needed block on stays.
//!
//! Not here: which record is which entry (`log`), and who pins what (`ready`).

use crate::error::{Error, Result};
use std::collections::VecDeque;

/// How many bytes of a block are initialised at a time, at least: a block is touched only as far as it is used.
const STEP: usize = 1 << 10;

/// Capacities of blocks for large records are multiples of it.
const LARGE_STEP: usize = 1 << 12;

/// Where bytes lie: a block's number and a range in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The block's number; wraps, compared by distance.
    pub block: u32,
    /// Offset of the first byte.
    pub offset: u32,
    /// Bytes.
    pub len: u32,
}

/// A block is initialised ahead of its use, so that a record's head is written in place: some 60 instructions less an entry than
/// appending head and data apart. Its capacity never changes, so nothing in it ever moves.
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

    /// Initialises what is needed for `len` more bytes, which must fit.
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
    /// The block that is written to, of which most views are: apart from the others it is found in 3 instructions instead of 12. Without
    /// capacity: there is none.
    newest: Block,
    /// All live ones before it.
    older: VecDeque<Block>,
    /// Number of the oldest live one.
    first: u32,
    /// The number that the block after the newest will have.
    end: u32,
    /// Empty blocks of the usual size, to be used again.
    spare: Vec<Block>,
    /// Empty blocks of single large records, to be used again. Smallest first.
    spare_large: Vec<Block>,
    /// Bytes of these.
    spare_large_bytes: u64,
    /// Bytes that live blocks and `spare_large` may have together: more of the latter are given back to the allocator.
    max_bytes: u64,
    block_bytes: usize,
    /// Bytes of all live blocks' capacities.
    live_bytes: u64,
    poison: bool,
}

impl Blocks {
    pub fn new(block_bytes: usize, max_bytes: u64, poison: bool) -> Self {
        Self {
            newest: Block::default(),
            older: VecDeque::new(),
            first: 0,
            end: 0,
            spare: Vec::new(),
            spare_large: Vec::new(),
            spare_large_bytes: 0,
            max_bytes,
            block_bytes,
            live_bytes: 0,
            poison,
        }
    }

    /// Bytes held by live blocks, full or not.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Bytes held in all, spare blocks included.
    pub fn held_bytes(&self) -> u64 {
        self.live_bytes + (self.spare.len() * self.block_bytes) as u64 + self.spare_large_bytes
    }

    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// The number of the oldest live block.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The number that the block after the newest will have.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Whether there is any but the newest.
    #[inline]
    pub fn has_older(&self) -> bool {
        !self.older.is_empty()
    }

    /// Bytes of a block.
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

    /// Room left in the newest block.
    #[inline]
    pub fn room(&self) -> usize {
        self.newest.room()
    }

    /// What a record of `len` bytes would add to `live_bytes`.
    pub fn cost(&self, len: usize) -> u64 {
        match self.large_spare(len).and_then(|at| self.spare_large.get(at)) {
            _ if len <= self.room() => 0,
            Some(block) => block.bytes.capacity() as u64,
            None => self.capacity_for(len) as u64,
        }
    }

    /// Bytes of a new block for a record of `len` bytes. Large blocks come in steps, so that one fits a record of nearly the same length.
    pub fn capacity_for(&self, len: usize) -> usize {
        if len <= self.block_bytes {
            self.block_bytes
        } else {
            len.saturating_add(LARGE_STEP - 1) / LARGE_STEP * LARGE_STEP
        }
    }

    /// The smallest spare block for a record longer than usual blocks.
    fn large_spare(&self, len: usize) -> Option<usize> {
        if len <= self.block_bytes {
            return None;
        }
        let at = self.spare_large.partition_point(|block| block.bytes.capacity() < len);
        if at < self.spare_large.len() { Some(at) } else { None }
    }

    /// Makes sure that the newest block takes `len` more bytes.
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
        self.trim_large();
        let before = std::mem::replace(&mut self.newest, block);
        if self.first != self.end {
            self.older.push_back(before);
        }
        self.end = self.end.wrapping_add(1);
        Ok(())
    }

    /// The number of the newest block, and where the next record in it will begin.
    #[inline]
    pub fn next(&self) -> Option<(u32, usize)> {
        (self.first != self.end).then_some((self.end.wrapping_sub(1), self.newest.used))
    }

    /// The number of the newest block, where the next record in it will begin, and the bytes from there on: at least `len`, which must
    /// be no more than `room`. What is written there counts once it is `taken`.
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

    /// `len` bytes more of the newest block are written.
    #[inline]
    pub fn taken(&mut self, len: usize) {
        self.newest.used += len;
    }

    /// Copies bytes, no more than `room`, behind what is there; gives the number of the block and where they begin.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) -> Option<(u32, usize)> {
        let (block, at, tail) = self.tail(bytes.len())?;
        tail.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.taken(bytes.len());
        Some((block, at))
    }

    /// All bytes of a block; none if it is gone.
    #[inline]
    pub fn block(&self, block: u32) -> &[u8] {
        self.find(block).map_or(&[], |block| &block.bytes)
    }

    /// The bytes at a place; empty if its block is gone.
    #[inline]
    pub fn get(&self, place: Place) -> &[u8] {
        let at = place.offset as usize;
        self.block(place.block).get(at..at + place.len as usize).unwrap_or(&[])
    }

    /// Gives up every block before `needed`.
    pub fn release_before(&mut self, needed: u32) {
        while self.first != needed {
            let Some(mut block) = self.older.pop_front() else { break };
            self.first = self.first.wrapping_add(1);
            self.live_bytes -= block.bytes.capacity() as u64;
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

    /// A large block is kept for the next large record: the allocator would take its pages back, and to fault them in again costs more
    /// than to fill them.
    fn keep_large(&mut self, block: Block) {
        let capacity = block.bytes.capacity();
        if self.spare_large.try_reserve(1).is_ok() {
            let at = self.spare_large.partition_point(|spare| spare.bytes.capacity() < capacity);
            self.spare_large.insert(at, block);
            self.spare_large_bytes += capacity as u64;
            self.trim_large();
        }
    }

    /// Gives back large blocks above the limit, the smallest first: fewer records fit in these.
    fn trim_large(&mut self) {
        while self.live_bytes + self.spare_large_bytes > self.max_bytes && !self.spare_large.is_empty() {
            self.spare_large_bytes -= self.spare_large.remove(0).bytes.capacity() as u64;
        }
    }

    /// A copy with blocks of its own.
    pub fn try_clone(&self) -> Result<Self> {
        let mut copy = Self::new(self.block_bytes, self.max_bytes, self.poison);
        (copy.first, copy.end) = (self.first, self.end);
        copy.newest = self.newest.try_clone()?;
        copy.older.try_reserve(self.older.len()).map_err(|_| Error::NoMem)?;
        for block in &self.older {
            copy.older.push_back(block.try_clone()?);
        }
        let held = |block: &Block| block.bytes.capacity() as u64;
        copy.live_bytes = held(&copy.newest) + copy.older.iter().map(held).sum::<u64>();
        Ok(copy)
    }
}
