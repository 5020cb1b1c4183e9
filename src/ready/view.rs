//! The content of a ready: views into buffers that the node owns, made on demand.

use crate::log::{Slot, split_context};
use crate::outbox::{OutMessage, Piece};
use crate::raft::Raft;
use crate::raft::reads::Read;
use crate::raft::tokens::{Done, Dropped};
use crate::ready::{Batch, piece_bytes};
use crate::types::{EntryId, EntryRef, HardState, Index, MessageKind, NodeId, Role};
use crate::wire;
use std::iter::FusedIterator;

/// A ready: store, send, apply, answer, then acknowledge the number.
#[derive(Clone, Copy, Debug)]
pub struct Ready<'a> {
    raft: &'a Raft,
    batch: &'a Batch,
}

/// A snapshot to install. The snapshot replaces state, configuration and the whole log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRef<'a> {
    /// Index of the last entry that the snapshot covers.
    pub index: Index,
    /// Term of the last entry that the snapshot covers.
    pub term: u64,
    /// The configuration as of `index`: an encoded raftpb ConfState. In a ready, these are the
    /// bytes to store, and carry the index.
    pub conf: &'a [u8],
    /// The application's data; empty if the host sends the data over its own channel.
    pub data: &'a [u8],
}

impl<'a> Ready<'a> {
    pub(crate) fn new(raft: &'a Raft, batch: &'a Batch) -> Self {
        Self { raft, batch }
    }

    /// Returns the number of the ready: 1, 2, 3, … from each boot.
    pub fn number(&self) -> u64 {
        self.batch.number
    }

    /// True if the writes must be durable before you acknowledge the ready or send a message with
    /// [`after`](MessageRef::after). Set if term or vote changed, and with entries or a snapshot.
    pub fn must_sync(&self) -> bool {
        self.batch.must_sync
    }

    /// Returns the hard state to store, if it changed.
    pub fn hard_state(&self) -> Option<HardState> {
        self.batch.has_hard_state.then_some(self.batch.state)
    }

    /// Returns the hard state as of this ready, changed or not.
    pub fn state(&self) -> HardState {
        self.batch.state
    }

    /// Returns role and leader, if the role or the leader changed.
    pub fn soft_state(&self) -> Option<(Role, NodeId)> {
        self.batch.has_soft_state.then_some((self.batch.role, self.batch.leader))
    }

    /// Returns the role when the ready was taken.
    pub fn role(&self) -> Role {
        self.batch.role
    }

    /// Returns the leader when the ready was taken; 0: none known.
    pub fn leader(&self) -> NodeId {
        self.batch.leader
    }

    /// Returns the snapshot to install before anything else.
    pub fn snapshot(&self) -> Option<SnapshotRef<'a>> {
        self.batch.rare.snapshot.map(|snapshot| {
            let bytes = self.raft.blobs.get(snapshot.blob);
            let (conf, data) = bytes.split_at_checked(snapshot.conf_len as usize).unwrap_or((&[], &[]));
            SnapshotRef { index: snapshot.id.index, term: snapshot.id.term, conf, data }
        })
    }

    /// Returns the entries to store. These replace the log from the first entry's index on.
    pub fn entries(&self) -> Entries<'a> {
        Entries::new(self.raft, &self.batch.entries, self.batch.entries_first, &[])
    }

    /// Returns the first and last index of the committed entries to apply.
    pub fn committed_span(&self) -> Option<(Index, Index)> {
        (self.batch.span.last > 0).then_some((self.batch.span.first, self.batch.span.last))
    }

    /// Returns the committed entries to apply, in order.
    ///
    /// With [`Flags::COMMITTED_SPANS`](crate::Flags::COMMITTED_SPANS) there may be a span without
    /// entries. Then read the entries from your own log.
    pub fn committed(&self) -> Entries<'a> {
        let mut entries = Entries::new(self.raft, &self.batch.committed, self.batch.span.first, &self.batch.done);
        if let Some(blob) = self.batch.span.blob {
            // Supplied entries lie in a single blob, which serves as the block.
            entries.bytes = self.raft.blobs.get(blob);
        }
        entries
    }

    /// True if the host supplied the committed entries. Such entries lie elsewhere than the entries
    /// shown to store.
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) fn has_supplied(&self) -> bool {
        self.batch.span.blob.is_some()
    }

    /// True if the ready may hold more than state, entries and messages.
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        !self.batch.rare.is_empty() || !self.done().is_empty()
    }

    /// Returns the reads to answer.
    pub fn reads(&self) -> &'a [Read] {
        &self.batch.rare.reads
    }

    /// Returns the tokens that come back without an entry or an answer.
    pub fn dropped(&self) -> &'a [Dropped] {
        &self.batch.rare.dropped
    }

    /// Returns the tokens of a span that came without entries.
    pub fn done(&self) -> &'a [Done] {
        if self.batch.span.resident { &[] } else { &self.batch.done }
    }

    /// Returns the messages to send, in order.
    pub fn messages(&self) -> Messages<'a> {
        Messages { raft: self.raft, batch: self.batch, at: 0, end: self.batch.messages.len() }
    }

    /// Returns the message at a position, counted from 0.
    pub fn message(&self, at: usize) -> Option<MessageRef<'a>> {
        let message = self.batch.messages.get(at)?;
        Some(MessageRef { raft: self.raft, batch: self.batch, message })
    }
}

/// Iterates over entries.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    raft: &'a Raft,
    slots: std::slice::Iter<'a, Slot>,
    index: Index,
    /// Tokens, by index, of the entries that have a token.
    done: &'a [Done],
    /// The block of the last entry and its bytes, kept to save a lookup per entry.
    block: u32,
    bytes: &'a [u8],
}

impl<'a> Entries<'a> {
    #[inline]
    fn new(raft: &'a Raft, slots: &'a [Slot], index: Index, done: &'a [Done]) -> Self {
        let block = slots.first().map_or(0, |slot| slot.place.block);
        let bytes = if slots.is_empty() { &[] } else { raft.log.blocks.block(block) };
        Self { raft, slots: slots.iter(), index, done, block, bytes }
    }
}

impl<'a> Entries<'a> {
    /// Calls `put` for each entry, with its data as an address and without tokens.
    ///
    /// Faster than `next`, since the loop looks up each block only once.
    #[cfg(feature = "capi")]
    #[inline(always)]
    pub(crate) fn each_raw(&self, mut put: impl FnMut(RawEntry<'a>)) {
        let (mut slots, mut index) = (self.slots.as_slice(), self.index);
        if self.raft.log.contexts {
            return self.each_with_context(put);
        }
        if let [slot] = slots {
            let place = slot.place;
            let (from, to) =
                (place.offset as usize + usize::from(slot.head), place.offset as usize + place.len as usize);
            let data = self.bytes.get(from..to).unwrap_or(&[]);
            let (at, len) = (if data.is_empty() { std::ptr::null() } else { data.as_ptr() }, data.len());
            return put(RawEntry { term: slot.term, index, kind: slot.kind, data: at, len, context: &[] });
        }
        while let (Some(head), Some(tail)) = (slots.first(), slots.last()) {
            let block = head.place.block;
            let same = match tail.place.block == block {
                true => slots.len(),
                false => slots.partition_point(|slot| slot.place.block == block),
            };
            let (run, rest) = slots.split_at_checked(same).unwrap_or_default();
            let bytes = if block == self.block { self.bytes } else { self.raft.log.blocks.block(block) };
            // Records lie without gaps, so a check of the last record covers the run.
            let end = run.last().map_or(0, |slot| slot.place.offset as usize + slot.place.len as usize);
            if end > bytes.len() {
                debug_assert!(false, "a slot leads beyond its block");
                return;
            }
            for slot in run {
                let (at, len) = (slot.place.offset as usize + usize::from(slot.head), slot.data_len() as usize);
                let data = if len > 0 { bytes.as_ptr().wrapping_add(at) } else { std::ptr::null() };
                put(RawEntry { term: slot.term, index, kind: slot.kind, data, len, context: &[] });
                index += 1;
            }
            slots = rest;
        }
    }

    #[cfg(feature = "capi")]
    #[inline(never)]
    fn each_with_context(&self, mut put: impl FnMut(RawEntry<'a>)) {
        for EntryRef { term, index, kind, data, context, .. } in self.clone() {
            let at = if data.is_empty() { std::ptr::null() } else { data.as_ptr() };
            put(RawEntry { term, index, kind, data: at, len: data.len(), context });
        }
    }

    /// Returns the tokens, by index, of the entries that have a token.
    #[cfg(feature = "capi")]
    pub(crate) fn tokens(&self) -> &'a [Done] {
        self.done
    }

    #[cfg(feature = "capi")]
    pub(crate) fn first_index(&self) -> Index {
        self.index
    }
}

/// An entry with its data as an address; null if there are no data.
#[cfg(feature = "capi")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawEntry<'a> {
    pub term: u64,
    pub index: Index,
    pub kind: crate::types::EntryKind,
    pub data: *const u8,
    pub len: usize,
    pub context: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = EntryRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EntryRef<'a>> {
        let slot = self.slots.next()?;
        let index = self.index;
        self.index += 1;
        let place = slot.place;
        if self.block != place.block {
            (self.block, self.bytes) = (place.block, self.raft.log.blocks.block(place.block));
        }
        let (from, to) = (place.offset as usize + usize::from(slot.head), place.offset as usize + place.len as usize);
        let mut token = 0;
        if let Some((first, rest)) = self.done.split_first()
            && first.index == index
        {
            token = first.token;
            self.done = rest;
        }
        let mut data = self.bytes.get(from..to).unwrap_or(&[]);
        let mut context = [].as_slice();
        if self.raft.log.contexts {
            (data, context) = split_context(self.bytes.get(place.offset as usize..to).unwrap_or(&[]));
        }
        Some(EntryRef { term: slot.term, index, kind: slot.kind, data, context, token })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.slots.size_hint()
    }
}

impl ExactSizeIterator for Entries<'_> {}
impl FusedIterator for Entries<'_> {}

/// Iterates over messages.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    raft: &'a Raft,
    batch: &'a Batch,
    at: usize,
    end: usize,
}

impl<'a> Iterator for Messages<'a> {
    type Item = MessageRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<MessageRef<'a>> {
        let message = self.batch.messages.get(self.at)?;
        self.at += 1;
        Some(MessageRef { raft: self.raft, batch: self.batch, message })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.at, Some(self.end - self.at))
    }
}

impl ExactSizeIterator for Messages<'_> {}
impl FusedIterator for Messages<'_> {}

/// A message to send.
#[derive(Clone, Copy, Debug)]
pub struct MessageRef<'a> {
    raft: &'a Raft,
    batch: &'a Batch,
    message: &'a OutMessage,
}

macro_rules! scalars {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty;)*) => {
        $($(#[doc = $doc])* #[inline] pub fn $name(&self) -> $type { self.message.head().$name })*
    };
}

impl<'a> MessageRef<'a> {
    scalars! {
        /// Returns the kind.
        kind: MessageKind;
        /// Returns the receiver.
        to: NodeId;
        /// Returns the sender.
        from: NodeId;
        /// Returns the sender's term.
        term: u64;
        /// Returns the commit index.
        commit: u64;
        /// True if a response refuses.
        reject: bool;
        /// Returns the index where the logs may agree.
        reject_hint: u64;
        /// Returns the vote to store (local work only).
        vote: u64;
    }

    /// Returns the term of the entry before the message's entries, or of the log's last entry; for
    /// a snapshot, of the snapshot's last entry.
    #[inline]
    pub fn log_term(&self) -> u64 {
        if self.message.kind == MessageKind::Snap { self.snapshot_id().term } else { self.message.log_term }
    }

    /// Returns the index of the entry before the message's entries, of the log's last entry, or of
    /// the acknowledged entry; for a snapshot, of the snapshot's last entry.
    #[inline]
    pub fn index(&self) -> u64 {
        if self.message.kind == MessageKind::Snap { self.snapshot_id().index } else { self.message.index }
    }

    #[cold]
    fn snapshot_id(&self) -> EntryId {
        self.snapshot().map_or(EntryId::default(), |snapshot| EntryId { term: snapshot.term, index: snapshot.index })
    }

    /// Returns the snapshot of a MsgSnap. The data are empty if the host sends the data over its
    /// own channel.
    pub fn snapshot(&self) -> Option<SnapshotRef<'a>> {
        if self.message.kind != MessageKind::Snap {
            return None;
        }
        let field = self.body_piece(0);
        let snapshot = wire::parse_message(field).ok()?.snapshot?;
        let conf = snapshot.conf.bytes();
        Some(SnapshotRef { index: snapshot.index, term: snapshot.term, conf, data: snapshot.data })
    }

    /// Returns the context of a heartbeat, of the answer to a heartbeat, or of a vote request in a
    /// transfer. Empty for most messages.
    pub fn context(&self) -> &'a [u8] {
        match self.message.context() {
            // A long context is the body, after its tag and length.
            [] if self.message.kind == MessageKind::HeartbeatResp => self.body_piece(1),
            context => context,
        }
    }

    fn body_piece(&self, at: u32) -> &'a [u8] {
        let (first, end) = self.message.pieces;
        let place = first.saturating_add(at);
        let piece = if place < end { self.batch.pieces.get(place as usize) } else { None };
        piece.map_or(&[], |piece| piece_bytes(self.raft, self.batch, piece))
    }

    /// Returns the scalars, as the wire has them.
    #[cfg(feature = "capi")]
    #[inline(always)]
    pub(crate) fn head(&self) -> wire::Head {
        self.message.head()
    }

    /// True if the message has a short head, as most have: without a context or a snapshot.
    #[cfg(feature = "capi")]
    #[inline(always)]
    pub(crate) fn has_short_head(&self) -> bool {
        self.message.short_head().is_some()
    }

    /// True if you must hold the message back until every ready up to this ready is durable.
    pub fn after(&self) -> bool {
        self.message.after
    }

    /// Returns the number of entries in the message.
    pub fn entry_count(&self) -> usize {
        self.message.n_entries as usize
    }

    /// Returns the bytes of the frame, including the 12 bytes of the frame header.
    pub fn frame_len(&self) -> usize {
        self.message.encoded_len as usize + self.message.body_bytes as usize
    }

    /// Returns the frame header and the encoded scalars.
    #[inline(always)]
    fn head_bytes(&self) -> &'a [u8] {
        if let Some(head) = self.message.short_head() {
            return head;
        }
        let (at, len) = (self.message.encoded_at as usize, self.message.encoded_len as usize);
        self.batch.heads.get(at..at + len).unwrap_or(&[])
    }

    /// Returns the frame as pieces, to write in order. The first piece begins with the frame
    /// header.
    pub fn parts(&self) -> Parts<'a> {
        let head = self.head_bytes();
        let (first, end) = (self.message.pieces.0 as usize, self.message.pieces.1 as usize);
        let pieces = self.batch.pieces.get(first..end).unwrap_or(&[]);
        Parts { raft: self.raft, batch: self.batch, head: Some(head), pieces: pieces.iter() }
    }

    /// Returns the number of pieces.
    #[inline]
    pub fn part_count(&self) -> usize {
        1 + (self.message.pieces.1 - self.message.pieces.0) as usize
    }

    /// Appends the message to `out`, without the frame header.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.frame_len());
        for (at, part) in self.parts().enumerate() {
            out.extend_from_slice(if at == 0 { part.get(12..).unwrap_or(&[]) } else { part });
        }
    }

    /// Calls `take` for each piece, in the order of `parts`. Faster than the iterator.
    #[cfg(feature = "capi")]
    #[inline(always)]
    pub(crate) fn each_part(&self, mut take: impl FnMut(&'a [u8])) {
        take(self.head_bytes());
        let (first, end) = (self.message.pieces.0 as usize, self.message.pieces.1 as usize);
        if first < end {
            for piece in self.batch.pieces.get(first..end).unwrap_or(&[]) {
                take(piece_bytes(self.raft, self.batch, piece));
            }
        }
    }

    /// Returns the entries of the message, read from its body.
    pub fn entries(&self) -> MessageEntries<'a> {
        let mut parts = self.parts();
        parts.head = None;
        MessageEntries { parts, rest: &[], left: self.message.n_entries }
    }
}

/// Iterates over the pieces of a frame.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    raft: &'a Raft,
    batch: &'a Batch,
    head: Option<&'a [u8]>,
    pieces: std::slice::Iter<'a, Piece>,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        match self.head.take() {
            Some(head) => Some(head),
            None => self.pieces.next().map(|piece| piece_bytes(self.raft, self.batch, piece)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.pieces.len() + usize::from(self.head.is_some());
        (left, Some(left))
    }
}

impl ExactSizeIterator for Parts<'_> {}
impl FusedIterator for Parts<'_> {}

/// Iterates over the entries of a message, decoded.
#[derive(Clone, Debug)]
pub struct MessageEntries<'a> {
    parts: Parts<'a>,
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iterator for MessageEntries<'a> {
    type Item = EntryRef<'a>;

    fn next(&mut self) -> Option<EntryRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        while self.rest.is_empty() {
            self.rest = self.parts.next()?;
        }
        // A read's context is split in two pieces, record head and data. No caller reads such a
        // context as an entry.
        let (entry, used) = wire::read_record(self.rest).ok()?;
        self.rest = self.rest.get(used..).unwrap_or(&[]);
        let wire::EntryView { term, index, kind, data, context, .. } = entry;
        Some(EntryRef { term, index, kind, data, context, token: 0 })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize))
    }
}

impl FusedIterator for MessageEntries<'_> {}
