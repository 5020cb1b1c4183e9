//! Messages to go, each with the condition that releases it, and the bytes they borrow.
//!
//! A message is a head (scalars, encoded when a ready is taken) and a body: pieces of the recent log, of blobs, or of this box's
//! own bytes. Nothing is copied on the way out.

use crate::error::{Error, Result};
use crate::log::blocks::Place;
use crate::types::{Index, MessageKind, NodeId, Term};
use crate::wire::Head;

/// Whose bytes a piece of a body are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The recent log's blocks.
    Log,
    /// A blob; `Place::block` is its number.
    Blob,
    /// The box's own bytes.
    Own,
}

/// A piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub source: Source,
    pub place: Place,
}

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes.
    Goes,
    /// Its place is kept for what the host is asked for.
    Waits,
    /// Its place stays empty.
    Gone,
}

/// Longest context kept beside the head; a longer one is part of the body.
pub(crate) const INLINE_CONTEXT: usize = 16;

#[derive(Clone, Copy, Debug)]
pub(crate) struct OutMessage {
    pub head: Head,
    pub context: [u8; INLINE_CONTEXT],
    pub context_len: u8,
    /// Leaves only once all readies up to its own are durable.
    pub after: bool,
    pub fate: Fate,
    /// Entries in the body.
    pub n_entries: u32,
    /// The body's pieces, `first..end` in the box's list.
    pub pieces: (u32, u32),
    pub body_bytes: u32,
    /// The encoded head, frame header included, in the ready's head bytes.
    pub encoded: (u32, u32),
}

impl OutMessage {
    #[inline]
    pub fn new(head: Head) -> Self {
        Self {
            head,
            context: [0; INLINE_CONTEXT],
            context_len: 0,
            after: false,
            fate: Fate::Goes,
            n_entries: 0,
            pieces: (0, 0),
            body_bytes: 0,
            encoded: (0, 0),
        }
    }

    pub fn with_context(mut self, context: &[u8]) -> Self {
        if let Some(own) = self.context.get_mut(..context.len()) {
            own.copy_from_slice(context);
            self.context_len = context.len() as u8;
        }
        self
    }

    #[inline]
    pub fn context(&self) -> &[u8] {
        self.context.get(..usize::from(self.context_len)).unwrap_or(&[])
    }
}

/// Room that there is always for answers of a node to itself: there are three kinds.
pub(crate) const OWN_ROOM: usize = 4;

/// An answer of this node to itself, to be stepped when durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub kind: MessageKind,
    pub term: Term,
    pub index: Index,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    /// Messages in the order in which etcd's raft would send them.
    pub now: Vec<OutMessage>,
    /// Answers and acknowledgements that wait for the disk.
    pub after: Vec<OutMessage>,
    /// Those to this node itself, which are stepped, never sent. In MESSAGES the host carries them, so they are in `after`.
    pub own: Vec<Own>,
    own_in_after: bool,
    pub pieces: Vec<Piece>,
    pub bytes: Vec<u8>,
    /// Blobs that end with the ready that takes this box.
    pub blobs: Vec<u32>,
    /// Messages in `now` whose fate is not `Goes`.
    pub idle: usize,
    max: usize,
}

impl Outbox {
    pub fn new(max: u32, own_in_after: bool) -> Self {
        Self {
            now: Vec::new(),
            after: Vec::new(),
            own: Vec::new(),
            own_in_after,
            pieces: Vec::new(),
            bytes: Vec::new(),
            blobs: Vec::new(),
            idle: 0,
            max: max as usize,
        }
    }

    /// Whether a further message would be lost.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.now.len() >= self.max
    }

    /// Whether a further append should wait for the next ready. Some places are left for what can't wait.
    #[inline]
    pub fn is_crowded(&self) -> bool {
        self.now.len() + 8 >= self.max
    }

    #[inline]
    pub fn has_messages(&self) -> bool {
        self.now.len() > self.idle || !self.after.is_empty() || !self.own.is_empty()
    }

    /// Takes an answer of this node to itself; `false`: it is to go as a message. It is never lost: it would not be said again. In a full
    /// box it takes the place of the last one of its kind, which says less.
    #[inline]
    pub fn take_own(&mut self, own: Own) -> Result<bool> {
        if self.own_in_after {
            return Ok(false);
        }
        if self.own.len() < self.max && self.own.try_reserve(1).is_ok() {
            self.own.push(own);
            return Ok(true);
        }
        let has_place = self.own.len() < self.own.capacity();
        match self.own.iter_mut().rev().find(|earlier| earlier.kind == own.kind) {
            Some(earlier) => *earlier = own,
            None if has_place => self.own.push(own),
            None => return Err(Error::NoMem),
        }
        Ok(true)
    }

    /// Adds a message; an error means that it is lost, which is always safe.
    #[inline]
    pub fn push(&mut self, message: OutMessage) -> Result<()> {
        let list = if message.after { &mut self.after } else { &mut self.now };
        if list.len() >= self.max || list.len() == list.capacity() {
            return self.push_tight(message);
        }
        list.push(message);
        Ok(())
    }

    /// The box is full, or its memory is.
    #[cold]
    fn push_tight(&mut self, message: OutMessage) -> Result<()> {
        let list = if message.after { &mut self.after } else { &mut self.now };
        if list.len() >= self.max {
            // What a node says to itself is never lost: it would not be said again. A later answer of a kind stands for the earlier.
            // What it passes on names its origin, which may be the receiver, and may be lost.
            let to_self = message.after && message.head.to == message.head.from;
            let same = |m: &&mut OutMessage| (m.head.to, m.head.kind) == (message.head.to, message.head.kind);
            match list.iter_mut().rev().find(same).filter(|_| to_self) {
                Some(earlier) => {
                    *earlier = message;
                    return Ok(());
                }
                None if to_self => {}
                None => return Err(Error::Full),
            }
        }
        list.try_reserve(1).map_err(|_| Error::NoMem)?;
        list.push(message);
        Ok(())
    }

    /// Opens a body: the number of its first piece.
    #[inline]
    pub fn begin_body(&self) -> u32 {
        self.pieces.len() as u32
    }

    #[inline]
    pub fn push_piece(&mut self, piece: Piece) -> Result<()> {
        if self.pieces.len() == self.pieces.capacity() {
            self.pieces.try_reserve(1).map_err(|_| Error::NoMem)?;
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Copies bytes into the box as a piece.
    pub fn push_own(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.try_reserve(bytes.len()).map_err(|_| Error::NoMem)?;
        let place = Place { block: 0, offset: self.bytes.len() as u32, len: bytes.len() as u32 };
        self.push_piece(Piece { source: Source::Own, place })?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The last unsent append with entries to `peer`, if nothing else to it came after.
    pub fn last_append_to(&mut self, peer: NodeId) -> Option<usize> {
        let at = self.now.iter().rposition(|m| m.head.to == peer && m.fate != Fate::Gone)?;
        self.now.get(at).filter(|m| m.head.kind == MessageKind::App && m.fate == Fate::Goes).map(|_| at)
    }

    pub fn memory(&self) -> u64 {
        ((self.now.capacity() + self.after.capacity()) * size_of::<OutMessage>()
            + self.pieces.capacity() * size_of::<Piece>()
            + self.bytes.capacity()) as u64
    }

    pub fn try_clone(&self) -> Result<Self> {
        let mut own = clone_vec(&self.own)?;
        own.try_reserve(OWN_ROOM).map_err(|_| Error::NoMem)?;
        Ok(Self {
            now: clone_vec(&self.now)?,
            after: clone_vec(&self.after)?,
            own,
            own_in_after: self.own_in_after,
            pieces: clone_vec(&self.pieces)?,
            bytes: clone_vec(&self.bytes)?,
            blobs: clone_vec(&self.blobs)?,
            idle: self.idle,
            max: self.max,
        })
    }
}

/// A copy of a list, or an error where there is no memory for it.
pub(crate) fn clone_vec<T: Copy>(list: &[T]) -> Result<Vec<T>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(list.len()).map_err(|_| Error::NoMem)?;
    copy.extend_from_slice(list);
    Ok(copy)
}

/// Bytes of the cold paths: supplied entries, snapshots in and out. Each has a number and lives until it is freed.
#[derive(Debug, Default)]
pub(crate) struct Blobs {
    items: Vec<Option<Vec<u8>>>,
    bytes: u64,
}

impl Blobs {
    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes bytes over.
    pub fn put(&mut self, bytes: Vec<u8>) -> Result<u32> {
        let at = match self.items.iter().position(Option::is_none) {
            Some(at) => at,
            None => {
                self.items.try_reserve(1).map_err(|_| Error::NoMem)?;
                self.items.push(None);
                self.items.len() - 1
            }
        };
        self.bytes += bytes.capacity() as u64;
        if let Some(item) = self.items.get_mut(at) {
            *item = Some(bytes);
        }
        Ok(at as u32)
    }

    #[inline]
    pub fn get(&self, number: u32) -> &[u8] {
        self.items.get(number as usize).and_then(Option::as_deref).unwrap_or(&[])
    }

    pub fn piece(&self, place: Place) -> &[u8] {
        let at = place.offset as usize;
        self.get(place.block).get(at..at + place.len as usize).unwrap_or(&[])
    }

    pub fn free(&mut self, number: u32) {
        if let Some(bytes) = self.items.get_mut(number as usize).and_then(Option::take) {
            self.bytes -= bytes.capacity() as u64;
        }
    }

    pub fn try_clone(&self) -> Result<Self> {
        let mut items = Vec::new();
        items.try_reserve_exact(self.items.len()).map_err(|_| Error::NoMem)?;
        let mut bytes = 0;
        for item in &self.items {
            let twin = item.as_ref().map(|bytes| clone_vec(bytes)).transpose()?;
            bytes += twin.as_ref().map_or(0, |twin| twin.capacity() as u64);
            items.push(twin);
        }
        Ok(Self { items, bytes })
    }
}
