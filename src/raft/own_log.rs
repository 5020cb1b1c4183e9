//! Committed entries that have left the recent log. The node fetches them from the host's log, and
//! returns them like all committed entries.
//!
//! There is at most one such fetch at a time. Until the host answers, nothing is applied;
//! everything else goes on.
//!
//! Invariants: a supply is checked against the term runs [L-16]. If a snapshot overtakes a supply,
//! the memory is freed. The size of a supply is bounded by `max_committed_size_per_ready`, or by
//! one entry.
//!
//! Source: fetching from the host's log is specific to this core. etcd's raft reads its Storage.

use super::Raft;
use super::fetches::{Fetch, FetchKind, Missing, Supplied};
use crate::config::Flags;
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::log::Slot;
use crate::log::blocks::Place;
use crate::outbox::clone_vec;
use crate::types::{EntryRef, Index};
use crate::wire;

/// Entries that the host supplied, for the next ready.
#[derive(Debug, Default)]
pub(crate) struct Supply {
    /// The blob with the records, back to back.
    pub blob: u32,
    /// Index of the first entry.
    pub first: Index,
    /// Position of each record in the blob.
    pub slots: Vec<Slot>,
    /// Bytes of all records.
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct OwnLog {
    /// The fetch that the host has taken and not answered; 0: no fetch.
    pub ask: u64,
    /// The first entry of the fetch.
    pub first: Index,
    pub supply: Option<Supply>,
    /// The host answered LATER. The fetch is repeated after the next tick.
    pub later: bool,
    /// Ticks during which entries to apply were missing.
    pub ticks: u32,
}

impl OwnLog {
    pub fn try_clone(&self) -> Result<Self> {
        let supply = match &self.supply {
            Some(supply) => Some(Supply { slots: clone_vec(&supply.slots)?, ..*supply }),
            None => None,
        };
        Ok(Self { supply, ..*self })
    }
}

impl Raft {
    /// Whether the next entry to apply is committed and has left the recent log.
    #[inline]
    pub fn lacks_committed(&self) -> bool {
        let log = &self.log;
        log.applying + 1 < log.recent_first() && log.applying < log.commit && self.lacks_committed_now()
    }

    #[cold]
    fn lacks_committed_now(&self) -> bool {
        self.log.snapshot.is_none() && !self.apply.paused && !self.flag(Flags::COMMITTED_SPANS)
    }

    /// Whether `next_fetch` fetches entries of this node's own log.
    #[inline]
    pub fn is_own_fetch_due(&self) -> bool {
        let own = &self.own_log;
        self.lacks_committed() && own.ask == 0 && !own.later && own.supply.is_none()
    }

    /// Returns the first entry that the host must supply, now or soon; 0: none.
    pub fn awaited_entry(&self) -> Index {
        if self.lacks_committed() && self.own_log.supply.is_none() { self.log.applying + 1 } else { 0 }
    }

    /// Returns the range to fetch: committed entries that left the recent log, at most a ready's
    /// worth.
    fn own_stretch(&self) -> (Index, Index, u64) {
        let log = &self.log;
        let first = log.applying + 1;
        let most = first.saturating_add(self.config.max_entries_per_ready.into()) - 1;
        let bytes = self.config.max_committed_size_per_ready.saturating_sub(self.apply.bytes).max(1);
        (first, log.commit.min(log.recent_first() - 1).min(most), bytes)
    }

    pub fn next_own_fetch(&mut self) -> Fetch {
        let (first, last, max_bytes) = self.own_stretch();
        self.fetches.last_id += 1;
        let id = self.fetches.last_id;
        (self.own_log.ask, self.own_log.first) = (id, first);
        Fetch { id, kind: FetchKind::Apply, peer: self.id, first, last, max_bytes }
    }

    /// Ends the open fetch. Returns whether the entries are still needed.
    fn end_own_fetch(&mut self) -> bool {
        self.own_log.ask = 0;
        self.lacks_committed() && self.own_log.first == self.log.applying + 1
    }

    pub fn supply_own<'a>(&mut self, entries: impl Iterator<Item = EntryRef<'a>> + Clone) -> Result<Supplied> {
        let id = self.own_log.ask;
        if !self.end_own_fetch() {
            return Ok(Supplied::Ignored);
        }
        let outcome = self.keep_own(entries);
        match outcome {
            Ok(supply) => {
                self.own_log.supply = Some(supply);
                // A quiet ready cannot carry a supply; the count sends the next ready down the
                // general path.
                self.outbox.unencoded += 1;
            }
            // The fetch stays open.
            Err(error) => {
                self.own_log.ask = id;
                return Err(error);
            }
        }
        self.own_log.ticks = 0;
        Ok(Supplied::Taken)
    }

    /// Checks the entries, and copies as many as fit.
    fn keep_own<'a>(&mut self, entries: impl Iterator<Item = EntryRef<'a>> + Clone) -> Result<Supply> {
        let (first, last, max) = self.own_stretch();
        let (mut count, mut bytes) = (0usize, 0u64);
        for (entry, index) in entries.clone().zip(first..=last) {
            self.check_supplied(&entry, index)?;
            let len = wire::full_record_len(&entry) as u64;
            if (bytes + len > max && count > 0) || bytes + len > u64::from(u32::MAX / 2) {
                break;
            }
            (count, bytes) = (count + 1, bytes + len);
        }
        if count == 0 {
            self.detail.set(format_args!("a supply without an entry: use supply_none"));
            return Err(Error::Arg);
        }
        let mut supply = Supply { first, bytes, ..Supply::default() };
        supply.slots.try_reserve_exact(count).map_err(|_| Error::NoMem)?;
        let mut records = Vec::new();
        records.try_reserve_exact(bytes as usize).map_err(|_| Error::NoMem)?;
        for entry in entries.take(count) {
            let start = records.len();
            let head = wire::put_record(&mut records, &entry) as u8;
            let place = Place { block: 0, offset: start as u32, len: (records.len() - start) as u32 };
            supply.slots.push(Slot { term: entry.term, place, head, kind: entry.kind });
        }
        supply.blob = self.blobs.put(records)?;
        for slot in &mut supply.slots {
            slot.place.block = supply.blob;
        }
        Ok(supply)
    }

    pub fn supply_no_own(&mut self, why: Missing) -> Result<Supplied> {
        let id = self.own_log.ask;
        if !self.end_own_fetch() {
            return Ok(Supplied::Ignored);
        }
        if why == Missing::Later {
            self.own_log.later = true;
            return Ok(Supplied::Taken);
        }
        self.own_log.ask = id;
        let (first, last, _) = self.own_stretch();
        self.detail.set(format_args!(
            "the entries from {first} to {last} are committed and not applied: they can't be gone from this node's log"
        ));
        Err(Error::Corrupt)
    }

    /// Forgets the fetch and the supply, since a snapshot has overtaken them.
    pub fn forget_own_fetch(&mut self) {
        if let Some(supply) = self.own_log.supply.take() {
            self.blobs.free(supply.blob);
        }
        self.own_log = OwnLog::default();
    }

    /// Counts the ticks without a supply. A host that does not answer is reminded by an event.
    pub fn tick_own_log(&mut self) {
        if self.awaited_entry() == 0 {
            self.own_log.ticks = 0;
            return;
        }
        self.own_log.later = false;
        self.own_log.ticks = self.own_log.ticks.saturating_add(1);
        let (ticks, patience) = (self.own_log.ticks, self.config.election_ticks);
        if ticks == patience || ticks.is_multiple_of(10 * patience) {
            let first = self.awaited_entry();
            self.event(EventKind::ApplyWaits, Reason::None, self.id, first, ticks.into(), 0);
        }
    }
}
