//! Readies as C sees them: arrays owned by the handle, a set for each ready that may be
//! outstanding. The flat form is in `flat`.
//!
//! The node makes the arrays at the start, in the sizes of its configuration, so that returning a
//! ready allocates nothing. Some arrays can grow beyond (refused tokens, tokens without entries,
//! unusually many slices), by reservations that may fail. The ready is not lost then: the next call
//! returns the ready.
//!
//! Records of entries stay in place until other entries are to be stored, so the records of
//! committed entries usually exist already.
//!
//! A ready is `pending` if the library has taken the ready from the node and could not return the
//! ready to the host (no memory, or a small buffer). The node counts a pending ready as
//! outstanding, but the host has not seen the ready. So the next call returns the pending ready
//! first, and an acknowledgement before is refused.

use core::mem::size_of;
use core::ops::Range;
use core::ptr;

use super::constants::*;
use super::flat::{flat_len, write_flat};
use super::guard::Refusal;
use super::types::*;
use super::{array_out, slice_out};
use crate::ready::view::RawEntry;
use crate::{Config, Entries, EntryRef, Error, Flags, Node, Ready, StorageMode};

/// Elements of an array made in advance, at most; more grow when they come.
const PREPARED_MAX: usize = 4096;
/// Refusals and tokens without entries are rare.
const PREPARED_RARE: usize = 64;
/// Slices of a message: the head, and the entries in one or two blocks.
const SLICES_PER_MESSAGE: usize = 3;

/// The arrays of an outstanding ready.
struct Slot {
    /// Filled in while the ready is outstanding; number 0: free.
    ready: raftcore_ready,
    /// Entries to store, of this ready or of the last ready with entries.
    entries: Vec<raftcore_entry>,
    /// Entries to apply that are not among the entries to store.
    committed: Vec<raftcore_entry>,
    msgs: Vec<raftcore_msg>,
    frames: Vec<raftcore_slice>,
    decoded: Vec<raftcore_entry>,
    reads: Vec<raftcore_read>,
    dropped: Vec<raftcore_drop>,
    done: Vec<raftcore_done>,
    /// Whether `ready` may show more than state, entries and messages.
    shows_more: bool,
}

/// The number of elements of each array in a slot.
struct Sizes {
    slots: usize,
    entries: usize,
    msgs: usize,
    decoded: usize,
    reads: usize,
}

impl Sizes {
    fn of(config: &Config) -> Self {
        let at_most = |count: u32| usize::try_from(count).unwrap_or(usize::MAX).min(PREPARED_MAX);
        Self {
            slots: if config.storage == StorageMode::Sync { 1 } else { at_most(config.max_outstanding).max(1) },
            entries: at_most(config.max_entries_per_ready),
            msgs: at_most(config.max_messages),
            decoded: if config.flags.has(Flags::DECODED_MSGS) { at_most(config.max_entries_per_ready) } else { 0 },
            reads: at_most(config.max_reads),
        }
    }
}

/// The arrays of all readies that may be outstanding.
pub(super) struct Slots {
    /// The ready of number n is at n modulo the length.
    ring: Vec<Slot>,
    /// No slot below this number is in use.
    low: u64,
    /// No slot above this number is in use.
    high: u64,
    /// The number of the pending ready; 0: none.
    pending: u64,
    poison: bool,
    decode: bool,
}

impl Slots {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let sizes = Sizes::of(config);
        let mut ring = reserved(sizes.slots)?;
        for _ in 0..sizes.slots {
            ring.push(Slot {
                ready: NO_READY,
                entries: reserved(sizes.entries)?,
                committed: reserved(sizes.entries)?,
                msgs: reserved(sizes.msgs)?,
                frames: reserved(sizes.msgs * SLICES_PER_MESSAGE)?,
                decoded: reserved(sizes.decoded)?,
                reads: reserved(sizes.reads)?,
                dropped: reserved(PREPARED_RARE)?,
                done: reserved(PREPARED_RARE)?,
                shows_more: false,
            });
        }
        let poison = config.flags.has(Flags::DEBUG_POISON_VIEWS);
        Ok(Self { ring, low: 1, high: 0, pending: 0, poison, decode: config.flags.has(Flags::DECODED_MSGS) })
    }

    /// Returns the bytes that `new` takes.
    pub(super) fn footprint(config: &Config) -> usize {
        let sizes = Sizes::of(config);
        let slot = size_of::<Slot>()
            + sizes.entries * 2 * size_of::<raftcore_entry>()
            + sizes.msgs * (size_of::<raftcore_msg>() + SLICES_PER_MESSAGE * size_of::<raftcore_slice>())
            + sizes.decoded * size_of::<raftcore_entry>()
            + sizes.reads * size_of::<raftcore_read>()
            + PREPARED_RARE * (size_of::<raftcore_drop>() + size_of::<raftcore_done>());
        sizes.slots.saturating_mul(slot)
    }

    /// Returns the bytes of the arrays now.
    pub(super) fn memory(&self) -> u64 {
        fn of<T>(array: &Vec<T>) -> usize {
            array.capacity() * size_of::<T>()
        }
        let arrays = |slot: &Slot| {
            let entries = of(&slot.entries) + of(&slot.committed) + of(&slot.decoded);
            let rest = of(&slot.reads) + of(&slot.dropped) + of(&slot.done);
            entries + of(&slot.msgs) + of(&slot.frames) + rest
        };
        (of(&self.ring) + self.ring.iter().map(arrays).sum::<usize>()) as u64
    }

    /// Returns the arrays of a clone: no ready is returned yet, but the outstanding readies of the
    /// original are outstanding in the clone, too.
    pub(super) fn for_clone(&self, config: &Config) -> Result<Self, Error> {
        Ok(Self { pending: self.pending, ..Self::new(config)? })
    }

    /// Takes the pending ready, or the next ready from the node. `None`: no ready.
    fn take<'n>(&mut self, node: &'n mut Node) -> Result<Option<Ready<'n>>, Refusal> {
        if self.pending == 0 { Ok(node.ready()?) } else { node.view(self.pending).ok_or(LOST).map(Some) }
    }

    /// Returns the next ready as arrays; `None`: no ready.
    #[inline]
    pub(super) fn next(&mut self, node: &mut Node) -> Result<Option<&raftcore_ready>, Refusal> {
        let ready = self.take(node)?;
        let Some(ready) = ready else { return Ok(None) };
        let number = ready.number();
        let place = self.place(number);
        let only = self.ring.len() == 1;
        let Some(slot) = self.ring.get_mut(place) else { return Err(LOST) };
        if slot.ready.number != number {
            self.pending = number;
            slot.fill(&ready, only, self.decode)?;
            if self.low > self.high {
                self.low = number;
            }
            self.high = number;
        }
        self.pending = 0;
        Ok(Some(&slot.ready))
    }

    /// SYNC has a single slot.
    #[inline]
    fn place(&self, number: u64) -> usize {
        if self.ring.len() == 1 { 0 } else { (number % self.ring.len().max(1) as u64) as usize }
    }

    /// Writes the next ready in its flat form. `Ok(None)`: no ready. `Err` with a size: the ready
    /// does not fit, and was not taken.
    ///
    /// # Safety
    /// `buf` points to `cap` writable bytes.
    pub(super) unsafe fn next_flat(
        &mut self,
        node: &mut Node,
        buf: *mut u8,
        cap: usize,
    ) -> Result<Option<Result<usize, usize>>, Refusal> {
        // The arrays no longer hold the entries shown last.
        self.ring.iter_mut().for_each(|slot| slot.entries.clear());
        let Some(ready) = self.take(node)? else { return Ok(None) };
        let need = flat_len(&ready);
        if need > cap {
            self.pending = ready.number();
            return Ok(Some(Err(need)));
        }
        // SAFETY: the caller's promise, and `need` bytes fit.
        unsafe { write_flat(&ready, buf, need) };
        self.pending = 0;
        Ok(Some(Ok(need)))
    }

    /// An outstanding ready once more, as arrays.
    pub(super) fn again(&mut self, node: &Node, number: u64) -> Result<Option<&raftcore_ready>, Refusal> {
        let Some(ready) = node.view(number) else { return Ok(None) };
        let place = self.place(number);
        let only = self.ring.len() == 1;
        let Some(slot) = self.ring.get_mut(place) else { return Err(LOST) };
        if slot.ready.number != number {
            slot.fill_again(&ready, only, self.decode)?;
            self.low = if self.low > self.high { number } else { self.low.min(number) };
            self.high = self.high.max(number);
        }
        if self.pending == number {
            self.pending = 0;
        }
        Ok(Some(&slot.ready))
    }

    /// Writes an outstanding ready again, in the flat form. `Err` with a size: the ready does not
    /// fit.
    ///
    /// # Safety
    /// `buf` points to `cap` writable bytes.
    pub(super) unsafe fn again_flat(
        &mut self,
        node: &Node,
        number: u64,
        buf: *mut u8,
        cap: usize,
    ) -> Option<Result<usize, usize>> {
        let ready = node.view(number)?;
        let need = flat_len(&ready);
        if need > cap {
            return Some(Err(need));
        }
        // SAFETY: the caller's promise, and `need` bytes fit.
        unsafe { write_flat(&ready, buf, need) };
        if self.pending == number {
            self.pending = 0;
        }
        Some(Ok(need))
    }

    /// Refuses the acknowledgement of an entry in a ready that was never handed over.
    pub(super) fn check_seen_entry(&self, node: &Node, index: u64) -> Result<(), Refusal> {
        let unseen = self.pending(node).and_then(|ready| ready.committed_span());
        if unseen.is_some_and(|(first, _)| index >= first) {
            return Err(Refusal::Own(Error::Arg, "an entry of that index was never handed out"));
        }
        Ok(())
    }

    /// Returns the pending ready, which the host has not seen.
    pub(super) fn pending<'n>(&self, node: &'n Node) -> Option<Ready<'n>> {
        if self.pending == 0 { None } else { node.view(self.pending) }
    }

    /// Refuses the acknowledgement of a ready that the host has not seen.
    pub(super) fn check_seen(&self, number: u64) -> Result<(), Refusal> {
        if self.pending != 0 && number >= self.pending {
            return Err(Refusal::Own(Error::Arg, "a ready of that number was never handed out"));
        }
        Ok(())
    }

    /// The views of readies up to `number` end.
    #[inline]
    pub(super) fn end(&mut self, number: u64) {
        match self.ring.as_mut_slice() {
            [slot] if slot.ready.number <= number => slot.end(self.poison),
            [_] => {}
            _ => self.end_many(number),
        }
    }

    fn end_many(&mut self, number: u64) {
        let last = number.min(self.high);
        while self.low <= last {
            let place = self.place(self.low);
            if let Some(slot) = self.ring.get_mut(place)
                && slot.ready.number == self.low
            {
                slot.end(self.poison);
            }
            self.low += 1;
        }
    }
}

const LOST: Refusal = Refusal::Own(Error::Panic, "a ready that the node handed out is not there");

const NO_SLICE: raftcore_slice = raftcore_slice { ptr: ptr::null(), len: 0 };

const NO_READY: raftcore_ready = raftcore_ready {
    struct_size: size_of::<raftcore_ready>() as u32,
    role: 0,
    flags: 0,
    number: 0,
    term: 0,
    vote: 0,
    commit: 0,
    leader: 0,
    snapshot_index: 0,
    snapshot_term: 0,
    committed_first: 0,
    committed_last: 0,
    snapshot_conf: NO_SLICE,
    snapshot_data: NO_SLICE,
    entries: ptr::null(),
    committed: ptr::null(),
    msgs: ptr::null(),
    reads: ptr::null(),
    dropped: ptr::null(),
    done: ptr::null(),
    n_entries: 0,
    n_committed: 0,
    n_msgs: 0,
    n_reads: 0,
    n_dropped: 0,
    n_done: 0,
    entry_stride: size_of::<raftcore_entry>() as u32,
    msg_stride: size_of::<raftcore_msg>() as u32,
    read_stride: size_of::<raftcore_read>() as u32,
    drop_stride: size_of::<raftcore_drop>() as u32,
    done_stride: size_of::<raftcore_done>() as u32,
    reserved0: 0,
};

fn reserved<T>(count: usize) -> Result<Vec<T>, Error> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_| Error::NoMem)?;
    Ok(list)
}

fn make_room<T>(list: &mut Vec<T>, count: usize) -> Result<(), Refusal> {
    list.clear();
    if count > list.capacity() { grow(list, count) } else { Ok(()) }
}

#[cold]
fn grow<T>(list: &mut Vec<T>, count: usize) -> Result<(), Refusal> {
    list.try_reserve(count).map_err(|_| Refusal::Own(Error::NoMem, "no memory to show the ready; it is still there"))
}

/// Adds as many records as there is room for; `make_room` has reserved for all. Asking for room at
/// each record is half as slow again.
#[inline]
fn put<T>(list: &mut Vec<T>, items: impl Iterator<Item = T>) {
    let (len, room) = (list.len(), list.capacity());
    let mut end = len;
    for item in items.take(room - len) {
        // SAFETY: below the capacity.
        unsafe { list.as_mut_ptr().add(end).write(item) };
        end += 1;
    }
    // SAFETY: all records up to `end` are written.
    unsafe { list.set_len(end) };
}

/// Entries anew, without tokens.
#[inline(always)]
fn put_entries(list: &mut Vec<raftcore_entry>, entries: &Entries<'_>) -> Result<(), Refusal> {
    make_room(list, entries.len())?;
    let start = list.as_mut_ptr();
    let mut at = start;
    entries.each_raw(|RawEntry { term, index, kind, data, len, context }| {
        let (data, context) = (raftcore_slice { ptr: data, len }, slice_out(context));
        // SAFETY: at most `len` records, for which there is room.
        unsafe {
            at.write(raftcore_entry { term, index, kind: kind as u32, reserved0: 0, data, token: 0, context });
            at = at.add(1);
        }
    });
    // SAFETY: all records up to there are written; both places are in the same list.
    unsafe { list.set_len(at.offset_from_unsigned(start)) };
    Ok(())
}

/// Writes the tokens of the entries into the records.
#[inline(always)]
fn put_tokens(list: &mut [raftcore_entry], entries: &Entries<'_>) {
    let first = entries.first_index();
    for done in entries.tokens() {
        if let Some(entry) = list.get_mut(done.index.wrapping_sub(first) as usize) {
            entry.token = done.token;
        }
    }
}

/// A list anew. Most lists of most readies are empty.
#[inline]
fn refill<S, T>(list: &mut Vec<T>, items: &[S], out: impl Fn(&S) -> T) -> Result<(), Refusal> {
    list.clear();
    if items.is_empty() {
        return Ok(());
    }
    make_room(list, items.len())?;
    put(list, items.iter().map(out));
    Ok(())
}

fn entry_out(entry: EntryRef<'_>) -> raftcore_entry {
    raftcore_entry {
        term: entry.term,
        index: entry.index,
        kind: entry.kind as u32,
        reserved0: 0,
        data: slice_out(entry.data),
        token: entry.token,
        context: slice_out(entry.context),
    }
}

/// RAFTCORE_RF_*
pub(super) fn ready_flags(ready: &Ready<'_>) -> u64 {
    let bit = |on: bool, bit: u64| if on { bit } else { 0 };
    bit(ready.hard_state().is_some(), RAFTCORE_RF_HARD_STATE)
        | bit(ready.must_sync(), RAFTCORE_RF_MUST_SYNC)
        | bit(ready.soft_state().is_some(), RAFTCORE_RF_SOFT_STATE)
        | bit(ready.snapshot().is_some(), RAFTCORE_RF_SNAPSHOT)
}

/// Returns RAFTCORE_HAS_* of a pending ready.
pub(super) fn has_bits(ready: &Ready<'_>) -> i32 {
    let bit = |on: bool, bit: i32| if on { bit } else { 0 };
    bit(ready.hard_state().is_some(), RAFTCORE_HAS_HARD_STATE)
        | bit(ready.soft_state().is_some(), RAFTCORE_HAS_SOFT_STATE)
        | bit(ready.snapshot().is_some(), RAFTCORE_HAS_SNAPSHOT)
        | bit(ready.entries().len() > 0, RAFTCORE_HAS_ENTRIES)
        | bit(ready.messages().len() > 0, RAFTCORE_HAS_MESSAGES)
        | bit(ready.committed_span().is_some(), RAFTCORE_HAS_COMMITTED)
        | bit(!ready.reads().is_empty(), RAFTCORE_HAS_READS)
        | bit(!ready.dropped().is_empty(), RAFTCORE_HAS_DROPPED)
}

pub(super) fn msg_flags(message: &crate::MessageRef<'_>) -> u64 {
    let after = if message.after() { RAFTCORE_MF_AFTER } else { 0 };
    after | if message.reject() { RAFTCORE_MF_REJECT } else { 0 }
}

impl Slot {
    /// `only`: the slot is the single slot, so the ready before has ended.
    #[inline(always)]
    fn fill(&mut self, ready: &Ready<'_>, only: bool, decode: bool) -> Result<(), Refusal> {
        self.fill_entries(ready, only)?;
        if self.shows_more || ready.has_more() {
            self.fill_more(ready)?;
        }
        self.fill_messages(ready, decode)?;

        // In place: fields with equal values in every ready stay as initialized.
        let (state, out) = (ready.state(), &mut self.ready);
        (out.role, out.flags, out.leader) = (ready.role() as u32, ready_flags(ready), ready.leader());
        (out.term, out.vote, out.commit) = (state.term, state.vote, state.commit);
        (out.committed_first, out.committed_last) = ready.committed_span().unwrap_or_default();
        (out.msgs, out.n_msgs) = array_out(&self.msgs);
        // Last: a ready with a number is filled in.
        out.number = ready.number();
        Ok(())
    }

    /// Writes a ready that was shown in another form before.
    #[cold]
    #[inline(never)]
    fn fill_again(&mut self, ready: &Ready<'_>, only: bool, decode: bool) -> Result<(), Refusal> {
        self.fill(ready, only, decode)
    }

    #[inline(always)]
    fn fill_entries(&mut self, ready: &Ready<'_>, only: bool) -> Result<(), Refusal> {
        let (entries, committed) = (ready.entries(), ready.committed());
        let out = &mut self.ready;
        (out.entries, out.n_entries) = (ptr::null(), 0);
        if entries.len() > 0 {
            put_entries(&mut self.entries, &entries)?;
            (out.entries, out.n_entries) = array_out(&self.entries);
        }
        (out.committed, out.n_committed) = (ptr::null(), 0);
        if committed.len() == 0 {
            return Ok(());
        }
        // Entries to be stored show no tokens.
        let may_share = only && !ready.has_supplied() && (entries.len() == 0 || committed.tokens().is_empty());
        let kept = if may_share { self.kept(&committed) } else { None };
        let list = if kept.is_some() { &mut self.entries } else { &mut self.committed };
        if kept.is_none() {
            put_entries(list, &committed)?;
        }
        let range = kept.unwrap_or(0..committed.len());
        if !committed.tokens().is_empty() {
            put_tokens(list.get_mut(range.clone()).unwrap_or_default(), &committed);
        }
        (self.ready.committed, self.ready.n_committed) = array_out(list.get(range).unwrap_or_default());
        Ok(())
    }

    /// Returns the place of the entries among the entries shown last to be stored. Usually the
    /// ready before stored the entries that are now committed, and writing the records again is
    /// slower. The records are still valid: a replaced entry would have appeared in `entries`
    /// before its commit.
    #[inline]
    fn kept(&self, committed: &Entries<'_>) -> Option<Range<usize>> {
        let first = usize::try_from(committed.first_index().checked_sub(self.entries.first()?.index)?).ok()?;
        let range = first..first.checked_add(committed.len())?;
        let shown = self.entries.get(range.clone())?;
        debug_assert!(committed.clone().zip(shown).all(|(entry, shown)| {
            let data = slice_out(entry.data);
            (entry.term, entry.index, data.ptr, data.len) == (shown.term, shown.index, shown.data.ptr, shown.data.len)
        }));
        Some(range)
    }

    /// Fills the fields that few readies have.
    #[inline(never)]
    fn fill_more(&mut self, ready: &Ready<'_>) -> Result<(), Refusal> {
        self.shows_more = true;
        refill(&mut self.reads, ready.reads(), |read| raftcore_read { token: read.token, index: read.index })?;
        refill(&mut self.dropped, ready.dropped(), drop_out)?;
        refill(&mut self.done, ready.done(), |done| raftcore_done { token: done.token, index: done.index })?;
        self.shows_more = ready.has_more();
        let out = &mut self.ready;
        (out.reads, out.n_reads) = array_out(&self.reads);
        (out.dropped, out.n_dropped) = array_out(&self.dropped);
        (out.done, out.n_done) = array_out(&self.done);
        let snapshot = ready.snapshot();
        (out.snapshot_index, out.snapshot_term) = snapshot.as_ref().map_or((0, 0), |shown| (shown.index, shown.term));
        (out.snapshot_conf, out.snapshot_data) =
            snapshot.map_or((NO_SLICE, NO_SLICE), |shown| (slice_out(shown.conf), slice_out(shown.data)));
        Ok(())
    }

    #[inline(always)]
    fn fill_messages(&mut self, ready: &Ready<'_>, decode: bool) -> Result<(), Refusal> {
        self.msgs.clear();
        if ready.messages().len() == 0 {
            return Ok(());
        }
        let put = |slot: &mut Self| {
            if decode { slot.put_messages::<true>(ready) } else { slot.put_messages::<false>(ready) }
        };
        if put(self) {
            return Ok(());
        }
        self.make_message_room(ready, decode)?;
        if put(self) { Ok(()) } else { Err(LOST) }
    }

    /// Adds as many as there is room for; returns whether all had room.
    #[inline(never)]
    fn put_messages<const DECODE: bool>(&mut self, ready: &Ready<'_>) -> bool {
        self.frames.clear();
        if DECODE {
            self.decoded.clear();
        }
        let (room, frames_room) = (self.msgs.capacity(), self.frames.capacity());
        let (mut at, mut frames) = (0, 0);
        for message in ready.messages() {
            let parts = message.part_count();
            let too_many = DECODE && message.entry_count() > self.decoded.capacity() - self.decoded.len();
            if at == room || parts > frames_room - frames || too_many {
                return false;
            }
            // SAFETY: there is room for `parts` more from there on.
            let frame = unsafe { self.frames.as_mut_ptr().add(frames) };
            let (mut end, mut n_frame) = (frame, 0);
            message.each_part(|part| {
                // SAFETY: there are no more than `parts`.
                unsafe {
                    end.write(slice_out(part));
                    end = end.add(1);
                }
                n_frame += 1;
            });
            frames += n_frame;
            // SAFETY: below the capacity. Written in place: a record of this size is otherwise
            // copied by a call.
            let out = unsafe {
                let place = self.msgs.as_mut_ptr().add(at);
                place.write(message_out(&message, frame, n_frame));
                &mut *place
            };
            if !message.has_short_head() {
                add_rare(out, &message);
            }
            if DECODE {
                let from = self.decoded.len();
                put(&mut self.decoded, message.entries().map(entry_out));
                (out.entries, out.n_entries) = array_out(self.decoded.get(from..).unwrap_or_default());
            }
            at += 1;
        }
        // SAFETY: all records up to there are written.
        unsafe {
            self.frames.set_len(frames);
            self.msgs.set_len(at);
        }
        true
    }

    #[cold]
    fn make_message_room(&mut self, ready: &Ready<'_>, decode: bool) -> Result<(), Refusal> {
        let (mut parts, mut entries) = (0, 0);
        for message in ready.messages() {
            parts += message.part_count();
            entries += if decode { message.entry_count() } else { 0 };
        }
        make_room(&mut self.msgs, ready.messages().len())?;
        make_room(&mut self.frames, parts)?;
        make_room(&mut self.decoded, entries)
    }

    #[inline]
    fn end(&mut self, poison: bool) {
        self.ready.number = 0;
        if poison {
            self.overwrite();
        }
    }

    #[cold]
    fn overwrite(&mut self) {
        overwrite(&mut self.entries);
        overwrite(&mut self.committed);
        overwrite(&mut self.msgs);
        overwrite(&mut self.frames);
        overwrite(&mut self.decoded);
        overwrite(&mut self.reads);
        overwrite(&mut self.dropped);
        overwrite(&mut self.done);
    }
}

pub(super) fn drop_out(dropped: &crate::Dropped) -> raftcore_drop {
    raftcore_drop { token: dropped.token, what: dropped.what as u32, reason: dropped.reason as u32 }
}

/// Fills the fields that few messages have: a context, or a snapshot.
#[inline(never)]
fn add_rare(out: &mut raftcore_msg, message: &crate::MessageRef<'_>) {
    out.context = slice_out(message.context());
    if let Some(snapshot) = message.snapshot() {
        (out.index, out.log_term) = (snapshot.index, snapshot.term);
        out.snapshot_conf = slice_out(snapshot.conf);
    }
}

/// Returns a message whose frame is in the slices.
#[inline(always)]
fn message_out(message: &crate::MessageRef<'_>, frame: *const raftcore_slice, n_frame: usize) -> raftcore_msg {
    let head = message.head();
    raftcore_msg {
        to: head.to,
        from: head.from,
        term: head.term,
        log_term: head.log_term,
        index: head.index,
        commit: head.commit,
        reject_hint: head.reject_hint,
        vote: head.vote,
        flags: msg_flags(message),
        kind: head.kind as u32,
        reserved0: 0,
        frame,
        entries: ptr::null(),
        n_frame: n_frame as u32,
        frame_bytes: message.frame_len() as u32,
        n_entries: 0,
        entry_stride: size_of::<raftcore_entry>() as u32,
        context: NO_SLICE,
        snapshot_conf: NO_SLICE,
    }
}

/// Empties a list and overwrites its memory with 0xDD.
fn overwrite<T: Copy>(list: &mut Vec<T>) {
    let len = list.len();
    list.clear();
    // SAFETY: the memory of `len` elements belongs to the list, which is empty now.
    unsafe { list.as_mut_ptr().write_bytes(0xDD, len) };
}
