//! The window of a peer: appends sent and not yet acknowledged, bounded by messages and by bytes.

use crate::error::{Error, Result};

/// A ring of (index of the message's last entry, payload in bytes), ascending by index.
#[derive(Debug, Default)]
pub(crate) struct Inflights {
    ring: Vec<(u64, u64)>,
    start: usize,
    count: usize,
    bytes: u64,
    max_msgs: usize,
    /// 0: no limit.
    max_bytes: u64,
}

impl Inflights {
    pub fn new(max_msgs: u32, max_bytes: u64) -> Self {
        Self { max_msgs: max_msgs as usize, max_bytes, ..Self::default() }
    }

    pub fn set_limits(&mut self, max_msgs: u32, max_bytes: u64) {
        (self.max_msgs, self.max_bytes) = (max_msgs as usize, max_bytes);
    }

    pub fn limits(&self) -> (u64, u64) {
        (self.max_msgs as u64, self.max_bytes)
    }

    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A limit lowered at run time counts from the next acknowledgement on.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.count >= self.max_msgs || (self.max_bytes != 0 && self.bytes >= self.max_bytes)
    }

    /// True if the host has closed the window: no entries for the peer.
    #[inline]
    pub fn is_shut(&self) -> bool {
        self.max_msgs == 0
    }

    fn at(&self, i: usize) -> usize {
        let at = self.start + i;
        if at >= self.ring.len() { at - self.ring.len() } else { at }
    }

    /// Reserves room for another append. An error leaves the window unchanged; send nothing then.
    #[inline]
    pub fn reserve(&mut self) -> Result<()> {
        if self.count < self.ring.len() { Ok(()) } else { self.grow() }
    }

    #[cold]
    fn grow(&mut self) -> Result<()> {
        let size = (self.ring.len() * 2).clamp(8, self.max_msgs.max(8));
        if size <= self.count {
            return Err(Error::Full);
        }
        let mut ring = Vec::new();
        ring.try_reserve_exact(size).map_err(|_| Error::NoMem)?;
        ring.extend(self.iter());
        ring.resize(size, (0, 0));
        (self.ring, self.start) = (ring, 0);
        Ok(())
    }

    /// Adds a message. Room must have been reserved.
    #[inline]
    pub fn add(&mut self, index: u64, bytes: u64) {
        let at = self.at(self.count);
        if let Some(place) = self.ring.get_mut(at) {
            *place = (index, bytes);
            self.count += 1;
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// Frees all messages whose entries are acknowledged up to `index`.
    #[inline]
    pub fn free_to(&mut self, index: u64) {
        while self.count > 0 {
            match self.ring.get(self.start) {
                Some(&(last, bytes)) if last <= index => {
                    self.bytes = self.bytes.saturating_sub(bytes);
                    self.count -= 1;
                    self.start = self.at(1);
                }
                _ => break,
            }
        }
    }

    pub fn clear(&mut self) {
        (self.start, self.count, self.bytes) = (0, 0, 0);
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        (0..self.count).filter_map(|i| self.ring.get(self.at(i)).copied())
    }

    /// Gives back the memory beyond what is in use.
    pub fn trim(&mut self) {
        if self.count == 0 {
            (self.ring, self.start) = (Vec::new(), 0);
        }
    }

    pub fn memory(&self) -> u64 {
        (self.ring.capacity() * 16) as u64
    }

    pub fn try_clone(&self) -> Result<Self> {
        let mut ring = Vec::new();
        ring.try_reserve_exact(self.ring.len()).map_err(|_| Error::NoMem)?;
        ring.extend_from_slice(&self.ring);
        Ok(Self { ring, ..*self })
    }
}
