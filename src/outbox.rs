//! The outbox: messages to send, the condition that releases a message, and borrowed bytes.
//!
//! A message is a head and a body. The head's scalars are encoded at once if they are few and
//! short, otherwise when a ready is taken. The body consists of pieces of the recent log, of blobs,
//! or of the outbox's own bytes. Sending copies no body.

use crate::error::{Error, Result};
use crate::log::blocks::Place;
use crate::types::{Index, MessageKind, NodeId, Term};
use crate::wire::{Head, SHORT_FRAME, readdress_short_frame, write_short_frame};

/// Where the bytes of a piece lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The recent log's blocks.
    Log,
    /// A blob. `Place::block` is the number of the blob.
    Blob,
    /// The outbox's own bytes.
    Own,
}

/// A piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub source: Source,
    pub place: Place,
}

/// What happens to a message when a ready is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The message is sent.
    Goes,
    /// A place kept for a message whose fetch the host has not answered yet.
    Waits,
    /// An empty place.
    Gone,
}

/// Longest context that lies beside the head. A longer context is part of the body.
pub(crate) const INLINE_CONTEXT: usize = 16;

/// A message. Its 128 bytes are asserted below: the compiler copies a larger struct by a call.
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
    /// Whether the host holds the message back until every ready up to the message's own is
    /// durable.
    pub after: bool,
    pub fate: Fate,
    /// Number of entries in the body.
    pub n_entries: u32,
    /// The body's pieces: `first..end` in the outbox's list.
    pub pieces: (u32, u32),
    pub body_bytes: u32,
    /// Bytes of the encoded head, the frame header included; 0: not encoded yet. A head that is not
    /// short lies in the ready's head bytes from `encoded_at` on.
    pub encoded_len: u32,
    pub encoded_at: u32,
}

/// The body of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Body {
    pub entries: u32,
    pub pieces: (u32, u32),
    pub bytes: u32,
}

/// The sender, for heads that are encoded at once: the group, and the sender's `address` in the
/// message's term.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub group: u64,
    pub address: u64,
}

/// Holds either the encoded head or the rarely used fields, so that a message stays at 128 bytes.
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

    /// Returns the encoded head, if the head is short.
    #[inline(always)]
    pub fn short_head(&self) -> Option<&[u8]> {
        match &self.rest {
            Rest::Short(frame) => frame.get(..self.encoded_len as usize),
            Rest::More { .. } => None,
        }
    }

    /// Drops the encoded head before a change of the message.
    pub fn forget_encoded(&mut self) {
        if let Rest::Short(_) = self.rest {
            (self.rest, self.encoded_len) = (Rest::NOTHING, 0);
        }
    }
}

/// Reserved room for the node's own answers, of which there are three kinds.
pub(crate) const OWN_ROOM: usize = 4;

/// The node's own answer to a request, to be stepped when durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub kind: MessageKind,
    pub term: Term,
    pub index: Index,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    /// Messages in etcd raft's order of sending.
    pub now: Vec<OutMessage>,
    /// Answers and acknowledgements that wait for the disk.
    pub after: Vec<OutMessage>,
    /// Answers to the node itself, stepped and never sent. In MESSAGES the host carries such
    /// answers, so `after` holds them.
    pub own: Vec<Own>,
    own_in_after: bool,
    /// The flag VOTE_REQUEST_EARLY.
    early_votes: bool,
    pub pieces: Vec<Piece>,
    pub bytes: Vec<u8>,
    /// Blobs to free with the ready that takes the messages.
    pub blobs: Vec<u32>,
    /// Number of messages in `now` whose fate is not `Goes`.
    pub idle: usize,
    /// Upper bound of the messages that are not encoded yet. While the bound is 0, there are no
    /// blobs, every message has the fate `Goes`, and no supply of this node's own log waits.
    pub unencoded: usize,
    /// The message that `push_model` copies. A field, since the compiler would split a local
    /// variable into its parts.
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

    /// True if a further message would be lost.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.now.len() >= self.max
    }

    /// True if a further append should wait for the next ready. The last places are reserved for
    /// messages that cannot wait.
    #[inline]
    pub fn is_crowded(&self) -> bool {
        self.is_crowded_by(1)
    }

    /// True if `count` more messages would leave fewer than the eight places reserved for messages
    /// that cannot wait.
    #[inline]
    pub fn is_crowded_by(&self, count: usize) -> bool {
        self.now.len() + count + 8 > self.max
    }

    #[inline]
    pub fn has_messages(&self) -> bool {
        self.now.len() > self.idle || !self.after.is_empty() || !self.own.is_empty()
    }

    /// Takes the node's own answer. Returns `false` if the caller must push the answer as a
    /// message.
    ///
    /// The node answers only once, so an answer must not be lost. If the outbox is full, the answer
    /// supersedes the newest answer of the same kind.
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

    /// Returns whether a message waits until every ready up to its own is durable: the library's
    /// central rule.
    ///
    /// A message waits if it tells a peer about stored data: entries, a vote, or the term in which
    /// the node campaigns.
    #[inline(always)]
    fn waits_for_disk(&self, kind: MessageKind) -> bool {
        match kind {
            // Acknowledges durable entries, or carries a term that outdates the sender's [L-08].
            MessageKind::AppResp => true,
            // Carries a durable vote [E-07]. A pre-vote stores nothing, but the answer may carry a
            // new term.
            MessageKind::VoteResp | MessageKind::PreVoteResp => true,
            // If a request left before its term is on disk, the answer could arrive after a crash
            // that forgot the term.
            MessageKind::Vote => !self.early_votes,
            _ => false,
        }
    }

    /// Adds a message. On an error the message is lost. A lost message is always safe.
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

    /// Fast path: adds a message without rarely used fields, and encodes the head if it is short.
    ///
    /// The head is written directly in the list, since moving a finished message costs more.
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

    /// Sets the model of messages to many peers, whose heads differ only in the receiver. Encodes
    /// the head if it is short.
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

    /// Adds a copy of the model for the receiver `to`. A copy is much cheaper than a new message.
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

    /// Adds a message to an outbox without a free place or without reserved memory.
    #[cold]
    fn push_tight(&mut self, message: OutMessage) -> Result<()> {
        self.unencoded += 1;
        let list = if message.after { &mut self.after } else { &mut self.now };
        if list.len() >= self.max {
            // A node gives its own answer only once, so the answer is never lost: a later answer
            // replaces the earlier answer of the same kind. A forwarded message may be lost. The
            // sender in its head is the origin, and may equal the receiver.
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

    /// Opens a body. Returns the number of its first piece.
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

    /// Copies bytes into the outbox as a piece.
    pub fn push_own(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.try_reserve(bytes.len()).map_err(|_| Error::NoMem)?;
        let place = Place { block: 0, offset: self.bytes.len() as u32, len: bytes.len() as u32 };
        self.push_piece(Piece { source: Source::Own, place })?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Returns the position of the last unsent append to `peer`, if no later message to `peer`
    /// follows.
    pub fn last_append_to(&mut self, peer: NodeId) -> Option<usize> {
        let at = self.now.iter().rposition(|m| m.to == peer && m.fate != Fate::Gone)?;
        self.now.get(at).filter(|m| m.kind == MessageKind::App && m.fate == Fate::Goes).map(|_| at)
    }

    /// Gives back the room beyond the messages that wait.
    pub fn trim(&mut self) {
        self.now.shrink_to_fit();
        self.after.shrink_to_fit();
        self.pieces.shrink_to_fit();
        self.bytes.shrink_to_fit();
        self.blobs.shrink_to_fit();
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

/// Returns a copy of a list, or an error if there is no memory.
pub(crate) fn clone_vec<T: Copy>(list: &[T]) -> Result<Vec<T>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(list.len()).map_err(|_| Error::NoMem)?;
    copy.extend_from_slice(list);
    Ok(copy)
}

/// Bytes of the cold paths: supplied entries, snapshots in and out. Each blob has a number and
/// lives until freed.
#[derive(Debug, Default)]
pub(crate) struct Blobs {
    items: Vec<Option<Vec<u8>>>,
    bytes: u64,
}

impl Blobs {
    /// Returns the bytes in all blobs.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes ownership of bytes. Returns the number of the blob.
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

    /// Gives back the places of blobs that are gone.
    pub fn trim(&mut self) {
        while self.items.pop_if(|item| item.is_none()).is_some() {}
        self.items.shrink_to_fit();
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
