//! `storage = MESSAGES`: the work of a ready as MsgStorageAppend and MsgStorageApply with their
//! responses, as in etcd's raft.
//!
//! The mechanism is shared with the modes SYNC and ASYNC. Messages of the node to itself take the
//! place of `persisted` and `applied`. The observable behaviour follows etcd-raft's
//! AsyncStorageWrites.

use crate::error::{Error, Result};
use crate::log::Slot;
use crate::log::blocks::Place;
use crate::outbox::{OutMessage, Own, Piece, Source};
use crate::raft::Raft;
use crate::raft::replication::put_field_head;
use crate::ready::{Batch, Mark, on_durable, step_own};
use crate::types::{Dialect, LOCAL_APPEND, LOCAL_APPLY, MessageKind};
use crate::wire::{self, Head, MessageView};

const RESPONSES_TAG: u8 = 0x72;
const MAX_RESPONSE: usize = wire::MAX_HEAD + 11 + 32 + 11;

/// Reserves memory for [`put_work`], and encodes a pending snapshot, which becomes the batch's
/// first blob.
pub(crate) fn reserve(batch: &mut Batch, raft: &mut Raft) -> Result<()> {
    let (entries, after) = (batch.entries.capacity() + 2 * batch.committed.capacity(), raft.outbox.after.len() + 2);
    raft.outbox.pieces.try_reserve(entries + after + 8).map_err(|_| Error::NoMem)?;
    raft.outbox.bytes.try_reserve(after * MAX_RESPONSE + 64).map_err(|_| Error::NoMem)?;
    if let Some(snapshot) = raft.log.snapshot.filter(|snapshot| !snapshot.handed) {
        let field = raft.encode_pending(snapshot)?;
        let blob = raft.blobs.put(field)?;
        batch.rare.blobs.push(blob);
    }
    Ok(())
}

struct Body<'a> {
    pieces: &'a mut Vec<Piece>,
    bytes: &'a mut Vec<u8>,
    len: u32,
    dialect: Dialect,
}

impl Body<'_> {
    fn push(&mut self, piece: Piece) {
        self.len += piece.place.len;
        match self.pieces.last_mut() {
            Some(last)
                if last.source == piece.source
                    && last.place.block == piece.place.block
                    && last.place.offset + last.place.len == piece.place.offset
                    && self.len > piece.place.len =>
            {
                last.place.len += piece.place.len;
            }
            _ => self.pieces.push(piece),
        }
    }

    fn own(&mut self, bytes: &[u8]) {
        let place = Place { block: 0, offset: self.bytes.len() as u32, len: bytes.len() as u32 };
        self.bytes.extend_from_slice(bytes);
        self.push(Piece { source: Source::Own, place });
    }

    fn slots(&mut self, slots: &[Slot]) {
        for slot in slots {
            self.push(Piece { source: Source::Log, place: slot.place });
        }
    }

    /// Writes a response: tag, length, head. The caller appends `rest` more bytes of the response.
    fn response(&mut self, head: &Head, context: &[u8], rest: usize) {
        let mut scalars = [0; MAX_RESPONSE];
        let len = wire::dialect::write_head_of(self.dialect, &mut scalars, head, context);
        let mut field = [0; 11];
        let field_len = put_field_head(&mut field, RESPONSES_TAG, (len + rest) as u64);
        self.own(field.get(..field_len).unwrap_or(&[]));
        self.own(scalars.get(..len).unwrap_or(&[]));
    }
}

/// Appends the local messages to the messages to peers.
pub(crate) fn put_work(batch: &mut Batch, raft: &mut Raft, cut: bool) {
    let (id, dialect) = (raft.id, raft.config.dialect);
    let snapshot = batch.rare.snapshot.and_then(|_| batch.rare.blobs.first().copied()).map(|blob| Piece {
        source: Source::Blob,
        place: Place { block: blob, offset: 0, len: raft.blobs.get(blob).len() as u32 },
    });
    let answers = if cut { &[][..] } else { &raft.outbox.after[..] };
    if !batch.entries.is_empty() || batch.has_hard_state || snapshot.is_some() || !answers.is_empty() {
        let first = batch.pieces.len() as u32;
        let mut body = Body { pieces: &mut batch.pieces, bytes: &mut batch.rare.bytes, len: 0, dialect };
        body.slots(&batch.entries);
        snapshot.into_iter().for_each(|piece| body.push(piece));
        for answer in answers {
            body.response(&answer.head(), answer.context(), 0);
        }
        if batch.mark.last.is_some() || snapshot.is_some() {
            let last = batch.mark.last.unwrap_or_default();
            let head = Head {
                kind: MessageKind::StorageAppendResp,
                to: id,
                from: LOCAL_APPEND,
                term: batch.mark.term,
                index: last.index,
                log_term: last.term,
                ..Head::default()
            };
            body.response(&head, &[], snapshot.map_or(0, |piece| piece.place.len as usize));
            snapshot.into_iter().for_each(|piece| body.push(piece));
        }
        let mut head = Head { kind: MessageKind::StorageAppend, to: LOCAL_APPEND, from: id, ..Head::default() };
        if batch.has_hard_state {
            (head.term, head.vote, head.commit) = (batch.state.term, batch.state.vote, batch.state.commit);
        }
        let len = body.len;
        push_local(batch, head, first, len, batch.entries.len());
    }
    if !cut {
        raft.outbox.after.clear();
    }
    if !batch.committed.is_empty() {
        let first = batch.pieces.len() as u32;
        let mut body = Body { pieces: &mut batch.pieces, bytes: &mut batch.rare.bytes, len: 0, dialect };
        body.slots(&batch.committed);
        let entries_len = body.len as usize;
        let head = Head { kind: MessageKind::StorageApplyResp, to: id, from: LOCAL_APPLY, ..Head::default() };
        body.response(&head, &[], entries_len);
        body.slots(&batch.committed);
        let len = body.len;
        let head = Head { kind: MessageKind::StorageApply, to: LOCAL_APPLY, from: id, ..Head::default() };
        push_local(batch, head, first, len, batch.committed.len());
    }
}

fn push_local(batch: &mut Batch, head: Head, first: u32, len: u32, entries: usize) {
    let mut message = OutMessage::new(head);
    message.pieces = (first, batch.pieces.len() as u32);
    message.body_bytes = len;
    message.n_entries = entries as u32;
    batch.messages.push(message);
}

/// Takes a response of local work.
pub(crate) fn step(raft: &mut Raft, m: &MessageView<'_>) -> Result<()> {
    let head = &m.head;
    let from = match head.kind {
        MessageKind::StorageAppendResp => LOCAL_APPEND,
        MessageKind::StorageApplyResp => LOCAL_APPLY,
        MessageKind::AppResp | MessageKind::VoteResp | MessageKind::PreVoteResp => raft.id,
        _ => 0,
    };
    if head.to != raft.id || head.from != from || from == 0 {
        raft.detail.set(format_args!(
            "a message of kind {} from {} to {} is no response of this node's local work",
            head.kind as u8, head.from, head.to
        ));
        return Err(Error::NotForMe);
    }
    match head.kind {
        MessageKind::StorageAppendResp => on_append_done(raft, m),
        MessageKind::StorageApplyResp => on_apply_done(raft, m),
        kind => {
            step_own(raft, Own { kind, term: head.term, index: head.index });
            Ok(())
        }
    }
}

fn on_append_done(raft: &mut Raft, m: &MessageView<'_>) -> Result<()> {
    let head = &m.head;
    let last = crate::types::EntryId { term: head.log_term, index: head.index };
    if last.index > raft.log.handed && raft.log.matches(last) {
        raft.detail.set(format_args!("entries up to {} were never handed out to be stored", last.index));
        return Err(Error::Arg);
    }
    let snapshot = m.snapshot.map_or(0, |snapshot| snapshot.index);
    let pending = raft.log.snapshot.map(|pending| pending.id.index);
    // A snapshot that a later snapshot has replaced is in the state machine nevertheless, as in
    // etcd's raft. A snapshot beyond the pending snapshot was never in a ready.
    if snapshot > raft.log.applied && pending.is_none_or(|pending| snapshot > pending) {
        return Ok(());
    }
    on_durable(raft, Mark { term: head.term, last: (last.index > 0).then_some(last), snapshot });
    Ok(())
}

fn on_apply_done(raft: &mut Raft, m: &MessageView<'_>) -> Result<()> {
    let (first, last) = (m.entries.first().1, m.entries.last().1);
    if m.entries.is_empty() || last > raft.log.applying || first > last {
        raft.detail.set(format_args!("entries up to {last} were never handed out to be applied"));
        return Err(Error::Arg);
    }
    if last <= raft.log.applied {
        raft.detail.set(format_args!("entries up to {last} were said to be applied before"));
        return Err(Error::Stale);
    }
    raft.check_changes_done(last)?;
    let bytes = m.entries.iter().map(|entry| entry.canonical_len() as u64).sum();
    raft.on_applied(last, bytes, m.entries.payload_bytes());
    Ok(())
}
