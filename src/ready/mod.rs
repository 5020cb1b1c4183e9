//! The readies of a node: number, content, and the effect of an acknowledgement.
//!
//! A ready contains all work of the node at the time, so a single number covers term, vote,
//! entries, truncation and snapshot. A ready is outstanding until persisted, applied and released;
//! the views of a ready live until the release. `Batch` is the data of a ready.
//!
//! Invariants: own votes and acknowledgements are stepped only when their ready is durable [E-08];
//! entries become durable only while the term is the mark's (etcd's rule, safe against A, B, then A
//! again) [L-05].

pub(crate) mod fill;
pub(crate) mod local;
pub(crate) mod view;

use crate::config::{Flags, StorageMode};
use crate::error::{Detail, Error, Result};
use crate::log::{PendingSnapshot, Slot};
use crate::outbox::{OutMessage, Own, Piece, Source};
use crate::raft::Raft;
use crate::raft::apply::Span;
use crate::raft::reads::Read;
use crate::raft::replication::lower_pin;
use crate::raft::tokens::{Done, Dropped};
use crate::types::{EntryId, HardState, Index, MessageKind, NodeId, Role, Term};
use std::collections::{TryReserveError, VecDeque};

/// Facts proved by a durable ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub term: Term,
    /// The last entry when the ready was taken, if an entry was not known to be durable.
    pub last: Option<EntryId>,
    /// Index of the ready's snapshot; 0: none.
    pub snapshot: Index,
}

#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub number: u64,
    pub state: HardState,
    pub has_hard_state: bool,
    pub must_sync: bool,
    pub has_soft_state: bool,
    pub role: Role,
    pub leader: NodeId,
    pub entries_first: Index,
    pub entries: Vec<Slot>,
    pub span: Span,
    pub committed: Vec<Slot>,
    pub messages: Vec<OutMessage>,
    pub pieces: Vec<Piece>,
    /// Encoded heads, each with its frame header, in the first `heads_len` bytes. The rest stays
    /// initialised, so that heads are written in place without clearing.
    pub heads: Vec<u8>,
    pub heads_len: usize,
    pub own: Vec<Own>,
    pub done: Vec<Done>,
    pub mark: Mark,
    pub pin: Option<u32>,
    pub rare: Rare,
    pub persisted: bool,
    pub applied: bool,
    pub released: bool,
}

/// Contents of few readies.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub snapshot: Option<PendingSnapshot>,
    pub reads: Vec<Read>,
    pub dropped: Vec<Dropped>,
    /// Bytes of messages that are neither in the log nor in a blob.
    pub bytes: Vec<u8>,
    /// Blobs under views of the ready, to free at the release.
    pub blobs: Vec<u32>,
}

impl Rare {
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        let len = self.reads.len() | self.dropped.len() | self.bytes.len() | self.blobs.len();
        len == 0 && self.snapshot.is_none()
    }

    #[cold]
    fn clear(&mut self) {
        self.snapshot = None;
        self.reads.clear();
        self.dropped.clear();
        self.bytes.clear();
        self.blobs.clear();
    }

    #[inline(never)]
    fn free_blobs(&mut self, raft: &mut Raft) {
        self.blobs.drain(..).for_each(|blob| raft.blobs.free(blob));
        if let Some(snapshot) = self.snapshot {
            raft.blobs.free(snapshot.blob);
        }
    }

    fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.reads.capacity() * size_of::<Read>()
            + self.dropped.capacity() * size_of::<Dropped>()
    }

    fn try_clone(&self) -> Result<Self> {
        use crate::outbox::clone_vec;
        Ok(Self {
            snapshot: self.snapshot,
            reads: clone_vec(&self.reads)?,
            dropped: clone_vec(&self.dropped)?,
            bytes: clone_vec(&self.bytes)?,
            blobs: clone_vec(&self.blobs)?,
        })
    }
}

impl Batch {
    /// Empties the batch. Filling sets the other fields anew.
    #[inline]
    fn clear(&mut self) {
        self.entries.clear();
        self.committed.clear();
        self.messages.clear();
        self.pieces.clear();
        self.heads_len = 0;
        self.own.clear();
        self.done.clear();
        if !self.rare.is_empty() {
            self.rare.clear();
        }
    }

    fn reserve_heads(&mut self, messages: usize) -> core::result::Result<(), TryReserveError> {
        let len = messages * fill::MAX_FRAME_HEAD;
        if self.heads.len() < len {
            self.heads.try_reserve(len - self.heads.len())?;
            self.heads.resize(self.heads.capacity(), 0);
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.persisted && self.applied && self.released
    }

    pub fn memory(&self) -> u64 {
        ((self.entries.capacity() + self.committed.capacity()) * size_of::<Slot>()
            + self.messages.capacity() * size_of::<OutMessage>()
            + self.pieces.capacity() * size_of::<Piece>()
            + self.heads.capacity()
            + self.rare.memory()
            + self.done.capacity() * size_of::<Done>()) as u64
    }

    fn try_clone(&self) -> Result<Self> {
        use crate::outbox::clone_vec;
        Ok(Self {
            entries: clone_vec(&self.entries)?,
            committed: clone_vec(&self.committed)?,
            messages: clone_vec(&self.messages)?,
            pieces: clone_vec(&self.pieces)?,
            heads: clone_vec(&self.heads)?,
            own: clone_vec(&self.own)?,
            done: clone_vec(&self.done)?,
            rare: self.rare.try_clone()?,
            ..*self
        })
    }
}

#[derive(Debug)]
pub(crate) struct Readies {
    /// All batches, with their buffers. A ready without others takes the batch of the ready before.
    store: Vec<Batch>,
    /// Positions in `store` of outstanding batches: a ring with a power of two as length. Number n
    /// is at n modulo the length.
    order: Vec<u32>,
    /// Positions in `store` of finished batches, last in first out, so that few batches have to
    /// grow.
    free: Vec<u32>,
    /// The oldest block that each batch except `only` shows, by number, unless a later batch shows
    /// an older or equal block.
    ///
    /// The front is the oldest block of all. Each batch enters and leaves the list at most once.
    pins: VecDeque<(u64, u32)>,
    /// Number of the oldest outstanding ready; if there is none, of the next.
    oldest: u64,
    /// Number of the outstanding ready, if there is no other, no part was acknowledged, and
    /// `advance` may finish the ready; else 0.
    only: u64,
    /// Number of the newest ready.
    pub last_number: u64,
    /// Highest acknowledged numbers.
    pub persisted: u64,
    pub released: u64,
    pub shown: Shown,
    max: usize,
}

/// The values of the last ready; before the first ready, the values that the host had stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub state: HardState,
    pub role: Role,
    pub leader: NodeId,
}

/// Kinds of work in the next ready.
pub mod has {
    #![allow(missing_docs)] // the names say it
    pub const HARD_STATE: u32 = 1;
    pub const SOFT_STATE: u32 = 2;
    pub const SNAPSHOT: u32 = 4;
    pub const ENTRIES: u32 = 8;
    /// Includes the node's own votes and acknowledgements.
    pub const MESSAGES: u32 = 16;
    pub const COMMITTED: u32 = 32;
    pub const READS: u32 = 64;
    pub const DROPPED: u32 = 128;
    pub const FETCH: u32 = 256;
    pub const EVENTS: u32 = 512;
    /// The kinds of work that make a ready.
    pub const READY: u32 = 255;
}

impl Readies {
    pub fn new(max: u32, storage: StorageMode) -> Self {
        Self {
            store: Vec::new(),
            order: Vec::new(),
            free: Vec::new(),
            pins: VecDeque::new(),
            oldest: 1,
            only: 0,
            last_number: 0,
            persisted: 0,
            released: 0,
            shown: Shown::default(),
            max: if storage == StorageMode::Sync { 1 } else { max as usize },
        }
    }

    pub fn is_full(&self) -> bool {
        self.len() >= self.max
    }

    #[inline]
    pub fn len(&self) -> usize {
        (self.last_number + 1 - self.oldest) as usize
    }

    #[inline(always)]
    fn place(&self, number: u64) -> Option<u32> {
        self.order.get(number as usize & self.order.len().wrapping_sub(1)).copied()
    }

    #[inline(always)]
    fn at(&self, number: u64) -> Option<&Batch> {
        self.store.get(self.place(number)? as usize)
    }

    #[inline(always)]
    fn at_mut(&mut self, number: u64) -> Option<&mut Batch> {
        let place = self.place(number)?;
        self.store.get_mut(place as usize)
    }

    fn numbers(&self) -> std::ops::RangeInclusive<u64> {
        self.oldest..=self.last_number
    }

    /// Iterates over the outstanding readies, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Batch> + Clone {
        self.numbers().filter_map(|number| self.at(number))
    }

    /// Returns the newest outstanding ready.
    #[inline]
    pub fn newest(&self) -> Option<&Batch> {
        self.find(self.last_number)
    }

    #[inline]
    pub fn find(&self, number: u64) -> Option<&Batch> {
        if self.numbers().contains(&number) { self.at(number) } else { None }
    }

    /// Returns the kinds of work that the next ready would hold.
    pub fn kinds(&self, raft: &Raft) -> u32 {
        let bit = |holds: bool, bit: u32| if holds { bit } else { 0 };
        let log = &raft.log;
        let handed = handed_after(raft);
        bit(self.has_hard_state(raft, handed), has::HARD_STATE)
            | bit(self.has_soft_state(raft), has::SOFT_STATE)
            | bit(log.snapshot.is_some_and(|snapshot| !snapshot.handed), has::SNAPSHOT)
            | bit(handed > log.handed, has::ENTRIES)
            | bit(raft.outbox.has_messages() || raft.reads.round_due, has::MESSAGES)
            | bit(raft.has_committed(handed), has::COMMITTED)
            | bit(raft.reads.has_answer(reads_bound(raft)), has::READS)
            | bit(!raft.tokens.dropped.is_empty(), has::DROPPED)
            | bit(raft.fetches.untold > 0 || raft.is_own_fetch_due(), has::FETCH)
            | bit(!raft.events.is_empty(), has::EVENTS)
    }

    #[inline]
    fn has_hard_state(&self, raft: &Raft, handed: Index) -> bool {
        shown_state(raft, handed) != self.shown.state
    }

    #[inline]
    fn has_soft_state(&self, raft: &Raft) -> bool {
        raft.role != self.shown.role || raft.leader != self.shown.leader
    }

    /// True if there is a ready to take that shows entries up to `handed`.
    ///
    /// Tests the same conditions as `kinds`, the most probable first, since a host calls this after
    /// every call. Debug builds hold the two against each other at every call.
    #[inline]
    fn has_work(&self, raft: &Raft, handed: Index) -> bool {
        let log = &raft.log;
        let work = raft.outbox.has_messages()
            || handed > log.handed
            || (log.commit > log.applying && raft.has_committed(handed))
            || self.has_hard_state(raft, handed)
            || self.has_soft_state(raft)
            || raft.reads.round_due
            || (!raft.reads.answers.is_empty() && raft.reads.has_answer(reads_bound(raft)))
            || !raft.tokens.dropped.is_empty()
            || log.snapshot.is_some_and(|snapshot| !snapshot.handed);
        debug_assert_eq!(work, self.kinds(raft) & has::READY != 0);
        work
    }

    /// True if there is a ready to take.
    #[inline]
    pub fn has_any(&self, raft: &Raft) -> bool {
        self.has_work(raft, handed_after(raft))
    }

    /// Takes the next ready, if there is work. No ready may be outstanding.
    #[inline]
    pub fn take(&mut self, raft: &mut Raft) -> Result<Option<&Batch>> {
        let handed = handed_after(raft);
        if !self.has_work(raft, handed) {
            return Ok(None);
        }
        match self.quiet_place(raft, handed) {
            Some(place) => Ok(self.take_quiet(raft, handed, place)),
            None => self.take_any(raft, handed).map(Some),
        }
    }

    /// Takes the next ready, if there is work, while other readies are outstanding.
    pub fn take_further(&mut self, raft: &mut Raft) -> Result<Option<&Batch>> {
        let handed = handed_after(raft);
        if self.has_work(raft, handed) { self.take_any(raft, handed).map(Some) } else { Ok(None) }
    }

    /// Returns the place of a batch for the fast path, if the next ready is quiet, and the batch
    /// has the memory for the ready.
    #[inline(always)]
    fn quiet_place(&self, raft: &Raft, handed: Index) -> Option<u32> {
        let place = *self.free.last()?;
        let batch = self.store.get(place as usize)?;
        if fill::is_quiet(raft) && fill::has_room(batch, raft, handed) { Some(place) } else { None }
    }

    /// Fast path: takes a ready with usual content.
    #[inline(always)]
    fn take_quiet(&mut self, raft: &mut Raft, handed: Index, place: u32) -> Option<&Batch> {
        let number = self.last_number + 1;
        let ring = self.order.len().wrapping_sub(1);
        let slot = self.order.get_mut(number as usize & ring)?;
        let batch = self.store.get_mut(place as usize)?;
        *slot = place;
        self.free.pop();
        (self.last_number, self.only) = (number, number);
        batch.clear();
        batch.number = number;
        fill::fill::<true>(batch, raft, &mut self.shown, handed);
        raft.log.ready_pin = batch.pin;
        if raft.has_deferred {
            raft.send_deferred();
        }
        Some(batch)
    }

    /// General path: takes a ready with any content, also beside other outstanding readies.
    #[inline(never)]
    fn take_any(&mut self, raft: &mut Raft, handed: Index) -> Result<&Batch> {
        if self.is_full() {
            raft.detail.set(format_args!("max_outstanding ({}) readies are outstanding: release one first", self.max));
            return Err(Error::Full);
        }
        if self.free.is_empty() || self.len() >= self.order.len() {
            self.grow().inspect_err(|_| raft.detail.set(format_args!("no memory for one more ready")))?;
        }
        let alone = self.len() == 0 && raft.config.storage != StorageMode::Messages;
        self.end_only();
        let number = self.last_number + 1;
        let Some(&place) = self.free.last() else { return Err(Error::NoMem) };
        let Some(batch) = self.store.get_mut(place as usize) else { return Err(Error::NoMem) };
        if self.pins.try_reserve(2).is_err() {
            raft.detail.set(format_args!("no memory for one more ready"));
            return Err(Error::NoMem);
        }
        batch.clear();
        fill_any(batch, number, raft, &mut self.shown, handed)?;
        if alone {
            self.only = number;
        } else if let Some(pin) = batch.pin {
            let first = raft.log.blocks.first();
            while self.pins.back().is_some_and(|(_, later)| later.wrapping_sub(first) >= pin.wrapping_sub(first)) {
                self.pins.pop_back();
            }
            self.pins.push_back((number, pin));
        }
        self.free.pop();
        let ring = self.order.len().wrapping_sub(1);
        if let Some(slot) = self.order.get_mut(number as usize & ring) {
            *slot = place;
        }
        self.last_number = number;
        Ok(batch)
    }

    /// Ends the state in which `advance` may finish the only ready. The ready's block joins the
    /// others.
    fn end_only(&mut self) {
        let only = std::mem::take(&mut self.only);
        if only > 0
            && let Some(pin) = self.at(only).and_then(|batch| batch.pin)
        {
            self.pins.push_back((only, pin));
        }
    }

    /// Reserves room for another outstanding ready.
    #[cold]
    fn grow(&mut self) -> Result<()> {
        if self.free.is_empty() {
            let place = self.store.len();
            self.store.try_reserve(1).map_err(|_| Error::NoMem)?;
            self.free.try_reserve(place + 1).map_err(|_| Error::NoMem)?;
            self.store.push(Batch::default());
            self.free.push(place as u32);
        }
        if self.len() >= self.order.len() {
            let len = (self.len() + 1).next_power_of_two();
            let mut order = Vec::new();
            order.try_reserve_exact(len).map_err(|_| Error::NoMem)?;
            order.resize(len, 0);
            for number in self.numbers() {
                if let (Some(place), Some(slot)) = (self.place(number), order.get_mut(number as usize & (len - 1))) {
                    *slot = place;
                }
            }
            self.order = order;
        }
        Ok(())
    }

    // ---- acknowledged

    /// Checks that ready `number` was taken, and is above `seen`.
    fn check_number(&self, number: u64, seen: u64, detail: &mut Detail) -> Result<()> {
        let newest = self.last_number;
        if number == 0 || number > newest {
            detail.set(format_args!("ready {number} was never handed out: the newest one is {newest}"));
            return Err(Error::Arg);
        }
        if number <= seen {
            detail.set(format_args!("ready {number} was acknowledged before, as were all up to {seen}"));
            return Err(Error::Stale);
        }
        Ok(())
    }

    pub fn check_persisted(&self, number: u64, detail: &mut Detail) -> Result<()> {
        self.check_number(number, self.persisted, detail)
    }

    pub fn check_handed_out(&self, number: u64, detail: &mut Detail) -> Result<()> {
        self.check_number(number, 0, detail)
    }

    /// Returns STALE only if `advance` has nothing left to acknowledge.
    pub fn check_advanced(&self, number: u64, detail: &mut Detail) -> Result<()> {
        self.check_number(number, self.released.min(self.persisted), detail)
    }

    pub fn check_released(&self, number: u64, detail: &mut Detail) -> Result<()> {
        self.check_number(number, self.released, detail)
    }

    /// Acknowledges every ready up to `number` as durable.
    pub fn persist(&mut self, raft: &mut Raft, number: u64) {
        self.end_only();
        let applied = raft.log.applied;
        let first = self.oldest.max(self.persisted + 1);
        self.persisted = self.persisted.max(number);
        for number in first..=number.min(self.last_number) {
            let Some(batch) = self.at_mut(number).filter(|batch| !batch.persisted) else { continue };
            batch.persisted = true;
            for i in 0..batch.own.len() {
                if let Some(&own) = batch.own.get(i) {
                    step_own(raft, own);
                }
            }
            on_durable(raft, batch.mark);
        }
        // A snapshot may have overtaken entries of earlier readies.
        if applied == raft.log.applied {
            return;
        }
        let applied = raft.log.applied;
        for number in self.numbers() {
            if let Some(batch) = self.at_mut(number).filter(|batch| batch.span.last <= applied) {
                batch.applied = true;
            }
        }
    }

    /// Acknowledges every entry up to `index` as applied.
    pub fn apply(&mut self, raft: &mut Raft, index: Index) {
        self.end_only();
        let (mut bytes, mut payload) = (0, 0);
        for number in self.numbers() {
            let Some(batch) = self.at_mut(number).filter(|batch| !batch.applied) else { continue };
            if batch.span.last > index {
                break;
            }
            batch.applied = true;
            bytes += batch.span.bytes;
            payload += batch.span.payload;
        }
        raft.on_applied(index, bytes, payload);
    }

    /// Ends the views of all readies up to `number`.
    pub fn release(&mut self, raft: &mut Raft, number: u64) {
        self.end_only();
        let first = self.oldest.max(self.released + 1);
        self.released = self.released.max(number);
        for number in first..=number.min(self.last_number) {
            let Some(batch) = self.at_mut(number).filter(|batch| !batch.released) else { continue };
            batch.released = true;
            batch.rare.free_blobs(raft);
        }
        while self.pins.front().is_some_and(|(of, _)| *of <= number) {
            self.pins.pop_front();
        }
        self.sweep();
        raft.log.ready_pin = self.pins.front().map(|&(_, lowest)| lowest);
        raft.log.release_blocks();
    }

    /// Sets finished batches aside, to reuse their buffers.
    pub fn sweep(&mut self) {
        while self.oldest <= self.last_number && self.at(self.oldest).is_some_and(Batch::is_over) {
            self.free.extend(self.place(self.oldest));
            self.oldest += 1;
        }
    }

    /// Fast path of a SYNC host: `persist`, `apply` and `release` of ready `number` in a single
    /// step.
    ///
    /// Returns `None`, and does nothing, if other readies are outstanding or a part of the ready
    /// was acknowledged.
    #[inline(always)]
    pub fn finish_only(&mut self, raft: &mut Raft, number: u64) -> Option<Result<()>> {
        if number != self.only || number == 0 {
            return None;
        }
        debug_assert!(number == self.oldest && number == self.last_number);
        let place = self.place(number)?;
        let batch = self.store.get_mut(place as usize)?;
        debug_assert!(number == batch.number && !batch.persisted && !batch.released);
        if batch.span.last > 0 && !batch.span.resident {
            return None;
        }
        if let Err(error) = raft.check_changes_done(batch.span.last) {
            return Some(Err(error));
        }
        self.only = 0;
        self.oldest += 1;
        (self.persisted, self.released) = (number, number);
        (batch.persisted, batch.applied, batch.released) = (true, true, true);
        batch.own.iter().for_each(|&own| step_own(raft, own));
        on_durable(raft, batch.mark);
        // A snapshot may have overtaken entries of this ready.
        if batch.span.last > raft.log.applied {
            raft.on_applied(batch.span.last, batch.span.bytes, batch.span.payload);
        }
        if !batch.rare.is_empty() {
            batch.rare.free_blobs(raft);
        }
        self.free.push(place);
        raft.log.ready_pin = None;
        raft.log.release_blocks();
        Some(Ok(()))
    }

    /// Returns the first span in readies up to `number` that came without entries and is not
    /// applied yet.
    pub fn bare_span(&self, number: u64, applied: Index) -> Option<(Index, Index)> {
        let mut batches = self.iter().take_while(|batch| batch.number <= number);
        let bare = batches.find(|batch| batch.span.last > applied && !batch.span.resident)?;
        Some((bare.span.first, bare.span.last))
    }

    /// Returns the highest committed entry in readies up to `number`; 0: none.
    pub fn last_committed(&self, number: u64) -> Index {
        self.iter().take_while(|batch| batch.number <= number).map(|batch| batch.span.last).max().unwrap_or(0)
    }

    /// Gives back the memory of finished batches.
    pub fn trim(&mut self) {
        for &place in &self.free {
            if let Some(batch) = self.store.get_mut(place as usize) {
                *batch = Batch::default();
            }
        }
    }

    pub fn memory(&self) -> u64 {
        self.store.iter().map(Batch::memory).sum::<u64>()
    }

    pub fn try_clone(&self) -> Result<Self> {
        use crate::outbox::clone_vec;
        let mut store = Vec::new();
        store.try_reserve_exact(self.store.len()).map_err(|_| Error::NoMem)?;
        store.resize_with(self.store.len(), Batch::default);
        for number in self.numbers() {
            if let (Some(batch), Some(place)) = (self.at(number), self.place(number))
                && let Some(twin) = store.get_mut(place as usize)
            {
                *twin = batch.try_clone()?;
            }
        }
        let mut free = Vec::new();
        free.try_reserve_exact(store.len()).map_err(|_| Error::NoMem)?;
        free.extend_from_slice(&self.free);
        let mut pins = VecDeque::new();
        pins.try_reserve(self.pins.len() + 2).map_err(|_| Error::NoMem)?;
        pins.extend(&self.pins);
        Ok(Self { pins, store, order: clone_vec(&self.order)?, free, ..*self })
    }
}

/// Fills an empty batch with all work there is. On an error nothing was taken.
#[inline(never)]
fn fill_any(batch: &mut Batch, number: u64, raft: &mut Raft, shown: &mut Shown, handed: Index) -> Result<()> {
    fill::reserve(batch, raft, handed)?;
    if raft.reads.round_due {
        raft.start_read_round();
    }
    batch.number = number;
    fill::fill::<false>(batch, raft, shown, handed);
    if let Some(pin) = batch.pin {
        raft.log.ready_pin = lower_pin(raft.log.ready_pin, pin, raft.log.blocks.first());
    }
    // Messages that a full outbox held back go with the next ready.
    raft.send_deferred();
    Ok(())
}

/// Returns the last entry that a ready would show to store if it were taken now.
#[inline]
fn handed_after(raft: &Raft) -> Index {
    let log = &raft.log;
    log.handed + (log.last() - log.handed).min(raft.config.max_entries_per_ready.into())
}

/// Returns the hard state as a ready shows it.
#[inline]
fn shown_state(raft: &Raft, handed: Index) -> HardState {
    HardState { term: raft.term, vote: raft.vote, commit: shown_commit(raft, handed) }
}

/// Returns the commit index as a ready shows it. Never let a commit index reach the disk before the
/// entries it covers [L-15].
#[inline]
fn shown_commit(raft: &Raft, handed: Index) -> Index {
    raft.log.commit.min(handed)
}

/// Returns the index up to which a ready taken now may answer reads.
fn reads_bound(raft: &Raft) -> Index {
    if raft.config.flags.has(Flags::READ_AT_ONCE) {
        Index::MAX
    } else if raft.config.storage == StorageMode::Sync {
        // A host in SYNC applies before it answers, within a ready.
        raft.log.applying
    } else {
        raft.log.applied
    }
}

/// Takes in the facts of a durable ready. Entries count only if the term is still the mark's.
#[inline(always)]
pub(crate) fn on_durable(raft: &mut Raft, mark: Mark) {
    if let Some(last) = mark.last
        && mark.term == raft.term
    {
        raft.log.durable_to(last);
    }
    if mark.snapshot > 0 {
        raft.on_snapshot_durable(mark.snapshot);
    }
}

/// Steps a node's own answer. As every answer, it must match the term and come from a member.
#[inline]
pub(crate) fn step_own(raft: &mut Raft, own: Own) {
    let Some(at) = raft.peers.position(raft.id) else { return };
    match own.kind {
        MessageKind::AppResp if own.term == raft.term && raft.role == Role::Leader && own.index <= raft.log.last() => {
            if let Some(peer) = raft.peers.at_mut(at) {
                peer.recent_active = true;
            }
            raft.on_accepted(at, own.index);
        }
        MessageKind::VoteResp if own.term == raft.term && raft.role == Role::Candidate => raft.poll(raft.id, true),
        MessageKind::PreVoteResp if own.term >= raft.term && raft.role == Role::PreCandidate => {
            raft.poll(raft.id, true)
        }
        _ => {}
    }
}

/// Returns the bytes of a piece.
pub(crate) fn piece_bytes<'a>(raft: &'a Raft, batch: &'a Batch, piece: &Piece) -> &'a [u8] {
    let place = piece.place;
    match piece.source {
        Source::Log => raft.log.blocks.get(place),
        Source::Blob => raft.blobs.piece(place),
        Source::Own => {
            let at = place.offset as usize;
            batch.rare.bytes.get(at..at + place.len as usize).unwrap_or(&[])
        }
    }
}
