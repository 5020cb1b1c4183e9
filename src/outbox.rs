//! Messages to go, each with the condition that releases it, and the bytes they borrow.
//!
//! A message is a head (scalars, encoded at once if they are few and short, else when a ready is taken) and a body: pieces of the recent
//! log, of blobs, or of this box's own bytes. Nothing is copied on the way out.

use crate::error::{Error, Result};
use crate::log::blocks::Place;
use crate::types::{Index, MessageKind, NodeId, Term};
use crate::wire::{Head, SHORT_FRAME, readdress_short_frame, write_short_frame};

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

/// A message. It has 128 bytes: what is larger is copied by a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutMessage {
    pub to: NodeId,
    pub from: NodeId,
    pub term: Term,
    pub log_term: Term,
    pub index: Index,
    pub commit: Index,
    rest: Rest,
    pub kind: MessageKind,
    pub reject: bool,
    /// Leaves only once all readies up to its own are durable.
    pub after: bool,
    pub fate: Fate,
    /// Entries in the body.
    pub n_entries: u32,
    /// The body's pieces, `first..end` in the box's list.
    pub pieces: (u32, u32),
    pub body_bytes: u32,
    /// Bytes of the encoded head, the frame's header included; 0: it is not encoded yet. If it is not a short one it is in the ready's
    /// head bytes from `encoded_at` on.
    pub encoded_len: u32,
    pub encoded_at: u32,
}

/// What follows a message's head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Body {
    pub entries: u32,
    pub pieces: (u32, u32),
    pub bytes: u32,
}

/// Who sends, for heads that are encoded at once: its group, and its `address` in the term that the message has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub group: u64,
    pub address: u64,
}

/// What only few messages have takes the place in which the others have their encoded head.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Short([u8; SHORT_FRAME]),
    More { reject_hint: Index, vote: NodeId, priority: i64, context: [u8; INLINE_CONTEXT], context_len: u8 },
}

impl Rest {
    const NOTHING: Self =
        Self::More { reject_hint: 0, vote: 0, priority: 0, context: [0; INLINE_CONTEXT], context_len: 0 };
}

const _: () = assert!(size_of::<OutMessage>() == 128);

impl OutMessage {
    #[inline(always)]
    pub fn new(head: Head) -> Self {
        let Head { kind, to, from, term, log_term, index, commit, reject, reject_hint, vote, priority } = head;
        Self {
            to,
            from,
            term,
            log_term,
            index,
            commit,
            rest: Rest::More { reject_hint, vote, priority, context: [0; INLINE_CONTEXT], context_len: 0 },
            kind,
            reject,
            after: false,
            fate: Fate::Goes,
            n_entries: 0,
            pieces: (0, 0),
            body_bytes: 0,
            encoded_len: 0,
            encoded_at: 0,
        }
    }

    #[inline(always)]
    pub fn with_body(head: Head, body: Body) -> Self {
        Self { n_entries: body.entries, pieces: body.pieces, body_bytes: body.bytes, ..Self::new(head) }
    }

    pub fn with_context(mut self, bytes: &[u8]) -> Self {
        if let Rest::More { context, context_len, .. } = &mut self.rest
            && let Some(own) = context.get_mut(..bytes.len())
        {
            own.copy_from_slice(bytes);
            *context_len = bytes.len() as u8;
        }
        self
    }

    #[inline]
    pub fn context(&self) -> &[u8] {
        match &self.rest {
            Rest::More { context, context_len, .. } => context.get(..usize::from(*context_len)).unwrap_or(&[]),
            Rest::Short(_) => &[],
        }
    }

    #[inline(always)]
    pub fn head(&self) -> Head {
        let Self { kind, to, from, term, log_term, index, commit, reject, .. } = *self;
        let (reject_hint, vote, priority) = match self.rest {
            Rest::More { reject_hint, vote, priority, .. } => (reject_hint, vote, priority),
            Rest::Short(_) => (0, 0, 0),
        };
        Head { kind, to, from, term, log_term, index, commit, reject, reject_hint, vote, priority }
    }

    /// The encoded head, if it is a short one.
    #[inline(always)]
    pub fn short_head(&self) -> Option<&[u8]> {
        match &self.rest {
            Rest::Short(frame) => frame.get(..self.encoded_len as usize),
            Rest::More { .. } => None,
        }
    }

    /// Before a change: what was encoded holds no more.
    pub fn forget_encoded(&mut self) {
        if let Rest::Short(_) = self.rest {
            (self.rest, self.encoded_len) = (Rest::NOTHING, 0);
        }
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
    /// The flag VOTE_REQUEST_EARLY.
    early_votes: bool,
    pub pieces: Vec<Piece>,
    pub bytes: Vec<u8>,
    /// Blobs that end with the ready that takes this box.
    pub blobs: Vec<u32>,
    /// Messages in `now` whose fate is not `Goes`.
    pub idle: usize,
    /// At least as many as are not encoded yet. While it is 0 the box has no blobs, no message whose fate is not to go, and no supply of
    /// this node's own log waits.
    pub unencoded: usize,
    /// What `push_model` adds. It stays in its place, since a compiler takes a local one apart.
    model: OutMessage,
    max: usize,
}

impl Outbox {
    pub fn new(max: u32, own_in_after: bool, early_votes: bool) -> Self {
        Self {
            now: Vec::new(),
            after: Vec::new(),
            own: Vec::new(),
            own_in_after,
            early_votes,
            pieces: Vec::new(),
            bytes: Vec::new(),
            blobs: Vec::new(),
            idle: 0,
            unencoded: 0,
            model: OutMessage::new(Head::default()),
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
        self.is_crowded_by(1)
    }

    /// Whether so many messages would leave fewer than eight places, which are for what can't wait.
    #[inline]
    pub fn is_crowded_by(&self, count: usize) -> bool {
        self.now.len() + count + 8 > self.max
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

    /// Whether a message leaves only once all readies up to its own are durable: the library's central rule. A message waits if it tells
    /// a peer what this node has stored: entries, a vote, or the term in which it campaigns.
    #[inline(always)]
    fn waits_for_disk(&self, kind: MessageKind) -> bool {
        match kind {
            // Durable entries, or a term that forbids the sender's [L-08].
            MessageKind::AppResp => true,
            // A durable vote [E-07]. A pre-vote stores nothing, but its answer may carry a new term.
            MessageKind::VoteResp | MessageKind::PreVoteResp => true,
            // A request that left before its term is on disk could be answered after a crash that forgot the term.
            MessageKind::Vote => !self.early_votes,
            _ => false,
        }
    }

    /// Adds a message; an error means that it is lost, which is always safe.
    #[inline]
    pub fn push(&mut self, mut message: OutMessage) -> Result<()> {
        message.after = self.waits_for_disk(message.kind);
        let list = if message.after { &mut self.after } else { &mut self.now };
        if list.len() >= self.max || list.len() == list.capacity() {
            return self.push_tight(message);
        }
        list.push(message);
        self.unencoded += 1;
        Ok(())
    }

    /// Adds a message of a head without anything that only few have, and encodes it if it is a short one. It is written where it stays:
    /// made before, it would be moved there, which is some 40 instructions.
    #[inline(always)]
    pub fn push_steady(&mut self, head: &Head, body: Body, sender: Sender) -> Result<()> {
        debug_assert_eq!((head.vote, head.priority, head.reject_hint), (0, 0, 0));
        let after = self.waits_for_disk(head.kind);
        let make = |rest| OutMessage { rest, after, ..OutMessage::with_body(*head, body) };
        let list = if after { &mut self.after } else { &mut self.now };
        if list.len() >= self.max || list.len() == list.capacity() {
            return self.push_tight(make(Rest::NOTHING));
        }
        list.push(make(Rest::Short([0; SHORT_FRAME])));
        if let Some(OutMessage { rest, encoded_len, .. }) = list.last_mut()
            && let Rest::Short(frame) = rest
        {
            match write_short_frame(frame, head, body.bytes, sender.group, sender.address) {
                Some(len) => *encoded_len = len as u32,
                None => {
                    *rest = Rest::NOTHING;
                    self.unencoded += 1;
                }
            }
        }
        Ok(())
    }

    /// Makes the model of messages to many, whose heads differ in the receiver alone, and encodes it if it is a short one.
    #[inline(always)]
    pub fn set_model(&mut self, head: &Head, body: Body, sender: Sender) {
        debug_assert_eq!((head.vote, head.priority, head.reject_hint), (0, 0, 0));
        let model = &mut self.model;
        (model.from, model.term, model.log_term) = (head.from, head.term, head.log_term);
        (model.index, model.commit, model.kind, model.reject) = (head.index, head.commit, head.kind, head.reject);
        (model.n_entries, model.pieces, model.body_bytes) = (body.entries, body.pieces, body.bytes);
        if let Rest::More { .. } = model.rest {
            model.rest = Rest::Short([0; SHORT_FRAME]);
        }
        model.encoded_len = match &mut model.rest {
            Rest::Short(frame) => {
                let head = Head { to: 1, ..*head };
                write_short_frame(frame, &head, body.bytes, sender.group, sender.address).unwrap_or(0) as u32
            }
            Rest::More { .. } => 0,
        };
    }

    /// Adds the message to `to` that the model shows: a copy takes a fifth of the instructions of making one.
    #[inline(always)]
    pub fn push_model(&mut self, to: NodeId) -> Result<()> {
        if self.now.len() >= self.max || self.now.len() == self.now.capacity() {
            let mut message = OutMessage { to, ..self.model };
            message.forget_encoded();
            return self.push_tight(message);
        }
        self.now.extend_from_slice(std::slice::from_ref(&self.model));
        if let Some(message) = self.now.last_mut() {
            message.to = to;
            if let Rest::Short(frame) = &mut message.rest
                && (message.encoded_len == 0 || !readdress_short_frame(frame, to))
            {
                message.forget_encoded();
                self.unencoded += 1;
            }
        }
        Ok(())
    }

    /// The box is full, or its memory is.
    #[cold]
    fn push_tight(&mut self, message: OutMessage) -> Result<()> {
        self.unencoded += 1;
        let list = if message.after { &mut self.after } else { &mut self.now };
        if list.len() >= self.max {
            // What a node says to itself is never lost: it would not be said again. A later answer of a kind stands for the earlier.
            // What it passes on names its origin, which may be the receiver, and may be lost.
            let to_self = message.after && message.to == message.from;
            let same = |m: &&mut OutMessage| (m.to, m.kind) == (message.to, message.kind);
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
        let at = self.now.iter().rposition(|m| m.to == peer && m.fate != Fate::Gone)?;
        self.now.get(at).filter(|m| m.kind == MessageKind::App && m.fate == Fate::Goes).map(|_| at)
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
            early_votes: self.early_votes,
            pieces: clone_vec(&self.pieces)?,
            bytes: clone_vec(&self.bytes)?,
            blobs: clone_vec(&self.blobs)?,
            idle: self.idle,
            unencoded: self.unencoded,
            model: self.model,
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
