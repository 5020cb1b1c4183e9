//! One batch of work out: numbering, what it shows, and what its acknowledgement means.
//!
//! A batch closes over all that the node holds when it is taken, so one number covers term, vote, entries, truncation and snapshot.
//! It is outstanding until persisted, applied and released; its views live until released.
//! Invariants: own votes and acknowledgements are stepped only when their batch is durable [E-08]; entries become durable only
//! while the term is the mark's (etcd's rule, safe against A, B, then A again) [L-05].

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

/// What a durable batch proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub term: Term,
    /// The last entry then, if any entry was not known to be durable.
    pub last: Option<EntryId>,
    /// The snapshot in it; 0: none.
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
    pub snapshot: Option<PendingSnapshot>,
    pub entries_first: Index,
    pub entries: Vec<Slot>,
    pub span: Span,
    pub committed: Vec<Slot>,
    pub messages: Vec<OutMessage>,
    pub pieces: Vec<Piece>,
    pub bytes: Vec<u8>,
    /// Encoded heads, each with its frame header, in the first `heads_len` bytes. What is behind them is kept initialised: writing
    /// in place saves clearing and copying each head (about 60 instructions a message).
    pub heads: Vec<u8>,
    pub heads_len: usize,
    pub own: Vec<Own>,
    pub reads: Vec<Read>,
    pub dropped: Vec<Dropped>,
    pub done: Vec<Done>,
    pub mark: Mark,
    pub pin: Option<u32>,
    pub blobs: Vec<u32>,
    /// Whether it may hold more than state, entries and messages of entries: half of its lists are neither filled nor cleared otherwise.
    pub has_more: bool,
    pub persisted: bool,
    pub applied: bool,
    pub released: bool,
}

impl Batch {
    /// Makes it empty; what filling always sets stays.
    #[inline]
    fn clear(&mut self) {
        self.entries.clear();
        self.committed.clear();
        self.messages.clear();
        self.pieces.clear();
        self.heads_len = 0;
        self.own.clear();
        self.done.clear();
        if self.has_more {
            self.clear_more();
        }
    }

    #[cold]
    fn clear_more(&mut self) {
        self.bytes.clear();
        self.reads.clear();
        self.dropped.clear();
        self.blobs.clear();
        self.snapshot = None;
        self.has_more = false;
    }

    #[inline(never)]
    fn free_blobs(&mut self, raft: &mut Raft) {
        self.blobs.drain(..).for_each(|blob| raft.blobs.free(blob));
        if let Some(snapshot) = self.snapshot {
            raft.blobs.free(snapshot.blob);
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
            + self.bytes.capacity()
            + self.heads.capacity()
            + self.reads.capacity() * size_of::<Read>()
            + self.dropped.capacity() * size_of::<Dropped>()
            + self.done.capacity() * size_of::<Done>()) as u64
    }

    fn try_clone(&self) -> Result<Self> {
        use crate::outbox::clone_vec;
        Ok(Self {
            entries: clone_vec(&self.entries)?,
            committed: clone_vec(&self.committed)?,
            messages: clone_vec(&self.messages)?,
            pieces: clone_vec(&self.pieces)?,
            bytes: clone_vec(&self.bytes)?,
            heads: clone_vec(&self.heads)?,
            own: clone_vec(&self.own)?,
            reads: clone_vec(&self.reads)?,
            dropped: clone_vec(&self.dropped)?,
            done: clone_vec(&self.done)?,
            blobs: clone_vec(&self.blobs)?,
            ..*self
        })
    }
}

#[derive(Debug)]
pub(crate) struct Readies {
    /// The batch that is taken where none is outstanding: in SYNC there is no other.
    single: Batch,
    /// All others, with their buffers: a batch is large, so it never moves; these change instead:
    store: Vec<Batch>,
    /// places of the outstanding ones, a ring of a power of two: number n is at n modulo its length;
    order: Vec<u32>,
    /// and of those that are over, the last one first: so few batches have to grow.
    free: Vec<u32>,
    /// The lowest block that each of those shows, by number, as far as no later one shows a lower: the first is the lowest of all, and no
    /// batch is looked at more than twice.
    pins: VecDeque<(u64, u32)>,
    /// The number of the oldest outstanding batch; the next to be taken if there is none.
    oldest: u64,
    /// The number of `single`, if that is the only batch outstanding, nothing of it was acknowledged, and `advance` may do so; else 0.
    only: u64,
    /// The number of the last batch taken.
    pub last_number: u64,
    /// Highest numbers acknowledged.
    pub persisted: u64,
    pub released: u64,
    pub shown: Shown,
    max: usize,
}

/// What the last batch showed, or what was stored before the boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub state: HardState,
    pub role: Role,
    pub leader: NodeId,
}

/// Kinds of work that the next batch would hold.
pub mod has {
    #![allow(missing_docs)] // the names say it
    pub const HARD_STATE: u32 = 1;
    pub const SOFT_STATE: u32 = 2;
    pub const SNAPSHOT: u32 = 4;
    pub const ENTRIES: u32 = 8;
    /// Own votes and acknowledgements count, too.
    pub const MESSAGES: u32 = 16;
    pub const COMMITTED: u32 = 32;
    pub const READS: u32 = 64;
    pub const DROPPED: u32 = 128;
    pub const FETCH: u32 = 256;
    pub const EVENTS: u32 = 512;
    /// What makes a batch.
    pub const READY: u32 = 255;
}

impl Readies {
    pub fn new(max: u32, storage: StorageMode) -> Self {
        Self {
            single: Batch::default(),
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

    #[inline]
    fn place(&self, number: u64) -> Option<u32> {
        self.order.get(number as usize & self.order.len().wrapping_sub(1)).copied()
    }

    #[inline]
    fn at(&self, number: u64) -> Option<&Batch> {
        if self.single.number == number {
            return Some(&self.single);
        }
        self.store.get(self.place(number)? as usize)
    }

    #[inline]
    fn at_mut(&mut self, number: u64) -> Option<&mut Batch> {
        if self.single.number == number {
            return Some(&mut self.single);
        }
        let place = self.place(number)?;
        self.store.get_mut(place as usize)
    }

    fn numbers(&self) -> std::ops::RangeInclusive<u64> {
        self.oldest..=self.last_number
    }

    /// The outstanding batches, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Batch> + Clone {
        self.numbers().filter_map(|number| self.at(number))
    }

    /// The newest outstanding batch.
    #[inline]
    pub fn newest(&self) -> Option<&Batch> {
        self.find(self.last_number)
    }

    #[inline]
    pub fn find(&self, number: u64) -> Option<&Batch> {
        if self.numbers().contains(&number) { self.at(number) } else { None }
    }

    /// What the next batch would hold.
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
        let state = shown_state(raft, handed);
        state != self.shown.state && state != HardState::default()
    }

    #[inline]
    fn has_soft_state(&self, raft: &Raft) -> bool {
        raft.role != self.shown.role || raft.leader != self.shown.leader
    }

    /// Whether there is a batch to take that shows entries up to `handed`: `kinds` without telling which, likeliest first. A host asks
    /// this after every call.
    #[inline]
    fn has_work(&self, raft: &Raft, handed: Index) -> bool {
        let log = &raft.log;
        raft.outbox.has_messages()
            || handed > log.handed
            || (log.commit > log.applying && raft.has_committed(handed))
            || shown_commit(raft, handed) != self.shown.state.commit
            || (raft.who_changed && (self.has_hard_state(raft, handed) || self.has_soft_state(raft)))
            || raft.reads.round_due
            || (!raft.reads.answers.is_empty() && raft.reads.has_answer(reads_bound(raft)))
            || !raft.tokens.dropped.is_empty()
            || log.snapshot.is_some_and(|snapshot| !snapshot.handed)
    }

    /// Whether there is a batch to take.
    #[inline]
    pub fn has_any(&self, raft: &Raft) -> bool {
        self.has_work(raft, handed_after(raft))
    }

    /// Takes the next batch, if there is anything to do, where none is outstanding.
    #[inline]
    pub fn take(&mut self, raft: &mut Raft) -> Result<Option<&Batch>> {
        let handed = handed_after(raft);
        if self.has_work(raft, handed) { self.take_up_to(raft, handed).map(Some) } else { Ok(None) }
    }

    /// Takes the next batch, if there is anything to do, where others are outstanding.
    pub fn take_further(&mut self, raft: &mut Raft) -> Result<Option<&Batch>> {
        let handed = handed_after(raft);
        if self.has_work(raft, handed) { self.take_beside_others(raft, handed).map(Some) } else { Ok(None) }
    }

    /// Takes the next batch, where there is something to do and none is outstanding.
    #[cfg(feature = "capi")]
    #[inline]
    pub fn take_new(&mut self, raft: &mut Raft) -> Result<&Batch> {
        let handed = handed_after(raft);
        debug_assert!(self.has_work(raft, handed));
        self.take_up_to(raft, handed)
    }

    #[inline]
    fn take_up_to(&mut self, raft: &mut Raft, handed: Index) -> Result<&Batch> {
        self.single.clear();
        if !(fill::is_quiet(raft) && fill::has_room(&self.single, raft, handed)) {
            return self.take_any(raft, handed);
        }
        let batch = &mut self.single;
        self.last_number += 1;
        batch.number = self.last_number;
        self.only = batch.number;
        fill::fill::<true>(batch, raft, &mut self.shown, handed);
        raft.log.ready_pin = batch.pin;
        // In SYNC everything goes with one batch, but for what its limits keep back.
        raft.drained = raft.config.storage == StorageMode::Sync && handed == raft.log.last() && !raft.apply.paused;
        if raft.has_deferred {
            raft.drained = false;
            raft.send_deferred();
        }
        Ok(batch)
    }

    /// Where none is outstanding, of any kind.
    #[inline(never)]
    fn take_any(&mut self, raft: &mut Raft, handed: Index) -> Result<&Batch> {
        let batch = &mut self.single;
        fill_any(batch, self.last_number + 1, raft, &mut self.shown, handed)?;
        self.last_number = batch.number;
        self.only = if raft.config.storage == StorageMode::Messages { 0 } else { batch.number };
        Ok(batch)
    }

    #[inline(never)]
    fn take_beside_others(&mut self, raft: &mut Raft, handed: Index) -> Result<&Batch> {
        if self.is_full() {
            raft.detail.set(format_args!("max_outstanding ({}) readies are outstanding: release one first", self.max));
            return Err(Error::Full);
        }
        if self.free.is_empty() || self.len() >= self.order.len() {
            self.grow().inspect_err(|_| raft.detail.set(format_args!("no memory for one more ready")))?;
        }
        let number = self.last_number + 1;
        let Some(&place) = self.free.last() else { return Err(Error::NoMem) };
        let Some(batch) = self.store.get_mut(place as usize) else { return Err(Error::NoMem) };
        if self.pins.try_reserve(1).is_err() {
            raft.detail.set(format_args!("no memory for one more ready"));
            return Err(Error::NoMem);
        }
        batch.clear();
        fill_any(batch, number, raft, &mut self.shown, handed)?;
        if let Some(pin) = batch.pin {
            let first = raft.log.blocks.first();
            while self.pins.pop_back_if(|(_, later)| later.wrapping_sub(first) >= pin.wrapping_sub(first)).is_some() {}
            self.pins.push_back((number, pin));
        }
        self.only = 0;
        self.free.pop();
        let slot = number as usize & self.order.len().wrapping_sub(1);
        if let Some(slot) = self.order.get_mut(slot) {
            *slot = place;
        }
        self.last_number = number;
        Ok(batch)
    }

    /// Room for one more outstanding batch.
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

    /// After a release.
    fn update_pin(&self, raft: &mut Raft) {
        let single = self.find(self.single.number).filter(|single| !single.released).and_then(|single| single.pin);
        raft.log.ready_pin = match self.pins.front() {
            Some(&(_, lowest)) => lower_pin(single, lowest, raft.log.blocks.first()),
            None => single,
        };
    }

    // ---- acknowledged

    /// Whether `number` was taken and is above `seen`.
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

    /// STALE only if nothing is left for `advance` to say.
    pub fn check_advanced(&self, number: u64, detail: &mut Detail) -> Result<()> {
        self.check_number(number, self.released.min(self.persisted), detail)
    }

    pub fn check_released(&self, number: u64, detail: &mut Detail) -> Result<()> {
        self.check_number(number, self.released, detail)
    }

    /// All batches up to `number` are durable.
    pub fn persist(&mut self, raft: &mut Raft, number: u64) {
        self.only = 0;
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
        // A snapshot may have overtaken what was handed out before it.
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

    /// Everything up to `index` is applied.
    pub fn apply(&mut self, raft: &mut Raft, index: Index) {
        self.only = 0;
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

    /// The views of all batches up to `number` end.
    pub fn release(&mut self, raft: &mut Raft, number: u64) {
        self.only = 0;
        let first = self.oldest.max(self.released + 1);
        self.released = self.released.max(number);
        for number in first..=number.min(self.last_number) {
            let Some(batch) = self.at_mut(number).filter(|batch| !batch.released) else { continue };
            batch.released = true;
            batch.free_blobs(raft);
        }
        while self.pins.pop_front_if(|(of, _)| *of <= number).is_some() {}
        self.sweep();
        self.update_pin(raft);
        raft.log.release_blocks();
    }

    /// Sets batches that are over aside, for their buffers.
    pub fn sweep(&mut self) {
        while self.oldest <= self.last_number && self.at(self.oldest).is_some_and(Batch::is_over) {
            if self.oldest != self.single.number {
                self.free.extend(self.place(self.oldest));
            }
            self.oldest += 1;
        }
    }

    /// `persist`, `apply` and `release` of the batch `number`, if that is the only one outstanding and not acknowledged in part, which is
    /// what a host with SYNC has: a third of their instructions. `None`: it is not; nothing was done.
    #[inline(always)]
    pub fn finish_only(&mut self, raft: &mut Raft, number: u64) -> Option<Result<()>> {
        let batch = &mut self.single;
        let bare = batch.span.last > 0 && !batch.span.resident;
        if number != self.only || number == 0 || bare {
            return None;
        }
        debug_assert!(number == self.oldest && number == self.last_number && number == batch.number);
        debug_assert!(!batch.persisted && !batch.released);
        if let Err(error) = raft.check_changes_done(batch.span.last) {
            return Some(Err(error));
        }
        self.only = 0;
        self.oldest += 1;
        (self.persisted, self.released) = (number, number);
        (batch.persisted, batch.applied, batch.released) = (true, true, true);
        if !batch.own.is_empty() {
            step_all_own(raft, &batch.own);
        }
        on_durable(raft, batch.mark);
        // A snapshot may have overtaken what was handed out before it.
        if batch.span.last > raft.log.applied {
            raft.on_applied(batch.span.last, batch.span.bytes, batch.span.payload);
        }
        if batch.has_more {
            batch.free_blobs(raft);
        }
        raft.log.ready_pin = None;
        raft.log.release_blocks();
        Some(Ok(()))
    }

    /// The first span in batches up to `number` that came without entries and is not applied yet.
    pub fn bare_span(&self, number: u64, applied: Index) -> Option<(Index, Index)> {
        let mut batches = self.iter().take_while(|batch| batch.number <= number);
        let bare = batches.find(|batch| batch.span.last > applied && !batch.span.resident)?;
        Some((bare.span.first, bare.span.last))
    }

    /// The highest committed entry in batches up to `number`; 0: none.
    pub fn last_committed(&self, number: u64) -> Index {
        self.iter().take_while(|batch| batch.number <= number).map(|batch| batch.span.last).max().unwrap_or(0)
    }

    pub fn memory(&self) -> u64 {
        self.single.memory() + self.store.iter().map(Batch::memory).sum::<u64>()
    }

    pub fn try_clone(&self) -> Result<Self> {
        use crate::outbox::clone_vec;
        let mut store = Vec::new();
        store.try_reserve_exact(self.store.len()).map_err(|_| Error::NoMem)?;
        store.resize_with(self.store.len(), Batch::default);
        let mut single = Batch::default();
        for number in self.numbers() {
            let Some(batch) = self.at(number) else { continue };
            if number == self.single.number {
                single = batch.try_clone()?;
            } else if let Some(twin) = self.place(number).and_then(|place| store.get_mut(place as usize)) {
                *twin = batch.try_clone()?;
            }
        }
        let mut free = Vec::new();
        free.try_reserve_exact(store.len()).map_err(|_| Error::NoMem)?;
        free.extend_from_slice(&self.free);
        let mut pins = VecDeque::new();
        pins.try_reserve(self.pins.len()).map_err(|_| Error::NoMem)?;
        pins.extend(&self.pins);
        Ok(Self { pins, single, store, order: clone_vec(&self.order)?, free, ..*self })
    }
}

/// Fills an empty batch with whatever there is. On an error nothing was taken.
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
    // What an overfull outbox held back goes with the next batch.
    raft.send_deferred();
    Ok(())
}

/// The last entry to be handed out when a batch is taken now.
#[inline]
fn handed_after(raft: &Raft) -> Index {
    let log = &raft.log;
    log.handed + (log.last() - log.handed).min(raft.config.max_entries_per_ready.into())
}

/// The hard state as a batch shows it.
#[inline]
fn shown_state(raft: &Raft, handed: Index) -> HardState {
    HardState { term: raft.term, vote: raft.vote, commit: shown_commit(raft, handed) }
}

/// No commit index may outlive the entries it commits [L-15].
#[inline]
fn shown_commit(raft: &Raft, handed: Index) -> Index {
    raft.log.commit.min(handed)
}

/// Reads up to which index may be answered with a batch taken now.
fn reads_bound(raft: &Raft) -> Index {
    if raft.config.flags.has(Flags::READ_AT_ONCE) {
        Index::MAX
    } else if raft.config.storage == StorageMode::Sync {
        // SYNC applies before it answers, within one batch.
        raft.log.applying
    } else {
        raft.log.applied
    }
}

/// What is durable with a batch, given that no later term has begun (see the mark).
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

#[inline(never)]
fn step_all_own(raft: &mut Raft, own: &[Own]) {
    raft.drained = false;
    own.iter().for_each(|&own| step_own(raft, own));
}

/// An answer of this node to itself goes through the term gate like any other, and counts only for a member, like any other.
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

/// The bytes of a piece.
pub(crate) fn piece_bytes<'a>(raft: &'a Raft, batch: &'a Batch, piece: &Piece) -> &'a [u8] {
    let place = piece.place;
    match piece.source {
        Source::Log => raft.log.blocks.get(place),
        Source::Blob => raft.blobs.piece(place),
        Source::Own => {
            let at = place.offset as usize;
            batch.bytes.get(at..at + place.len as usize).unwrap_or(&[])
        }
    }
}
