//! Returns committed entries to the host, within bounds, and hears that the host applied them.
//!
//! Invariants: no entry is returned twice, and no entry is left out when a limit cuts [L-10].
//! Nothing is returned while a snapshot waits for the disk. Entries that are not durable here are
//! returned only where the storage mode allows [L-19].
//!
//! Sources: etcd-raft's limits of applying, for the observable behaviour.

use super::Raft;
use crate::config::{Flags, StorageMode};
use crate::event::{EventKind, Reason};
use crate::log::Slot;
use crate::types::{Index, Role};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Apply {
    /// Encoded bytes returned and not yet applied.
    pub bytes: u64,
    /// Nothing more is returned before the host applies something.
    pub paused: bool,
    /// Whether the event LeaderReady was raised in this leadership.
    pub told_ready: bool,
}

/// Successive committed entries, returned together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub first: Index,
    /// Last index; 0: an empty span.
    pub last: Index,
    /// Whether the ready holds the entries; if not, the host reads its own log.
    pub resident: bool,
    /// The blob that holds the entries, if the host supplied them.
    pub blob: Option<u32>,
    pub bytes: u64,
    pub payload: u64,
}

impl Raft {
    /// Returns the highest index that may be applied, if entries up to `handed` are stored before
    /// or with this ready.
    #[inline]
    fn appliable(&self, handed: Index) -> Index {
        let log = &self.log;
        let limit = match self.config.storage {
            StorageMode::Sync => handed,
            StorageMode::Async => handed.min(log.durable.saturating_add(u64::from(self.config.max_apply_unpersisted))),
            StorageMode::Messages => log.durable,
        };
        log.commit.min(limit)
    }

    pub fn has_committed(&self, handed: Index) -> bool {
        !self.apply.paused
            && self.log.snapshot.is_none()
            && self.log.applying < self.appliable(handed)
            && (self.log.applying + 1 >= self.log.recent_first() || self.can_show_older())
    }

    /// Whether entries that left the recent log can be returned.
    #[cold]
    fn can_show_older(&self) -> bool {
        self.own_log.supply.is_some() || self.flag(Flags::COMMITTED_SPANS)
    }

    /// Takes the next span to apply, and puts the entries into a list with reserved room. Records
    /// that the span is returned.
    #[inline(always)]
    pub fn take_committed(&mut self, handed: Index, span: &mut Span, entries: &mut Vec<Slot>) {
        let highest = self.appliable(handed);
        if self.apply.paused || self.log.snapshot.is_some() || self.log.applying >= highest {
            return;
        }
        span.first = self.log.applying + 1;
        // Fast path: most spans are a single entry.
        let lone = if span.first == highest { self.log.slot(span.first) } else { None };
        if let Some(slot) = lone {
            entries.extend_from_slice(std::slice::from_ref(slot));
            (span.last, span.resident) = (highest, true);
            (span.bytes, span.payload) = (slot.place.len.into(), slot.data_len());
        } else if !self.take_stretch(highest, span, entries) {
            return;
        }
        self.log.applying = span.last;
        self.apply.bytes = self.apply.bytes.saturating_add(span.bytes);
        self.apply.paused = self.apply.bytes >= self.config.max_committed_size_per_ready || span.last < highest;
    }

    /// Takes the span from `span.first` to `highest`, as far as the limits allow but at least one
    /// entry. Returns whether there is a span.
    #[inline(never)]
    fn take_stretch(&mut self, highest: Index, span: &mut Span, entries: &mut Vec<Slot>) -> bool {
        let max = self.config.max_committed_size_per_ready.saturating_sub(self.apply.bytes);
        let end = highest.min(span.first.saturating_add(self.config.max_entries_per_ready.into()) - 1);
        span.resident = span.first >= self.log.recent_first();
        if span.resident {
            self.measure(span, end, max);
            self.log.copy_slots(span.first, span.last, entries);
        } else if self.flag(Flags::COMMITTED_SPANS) {
            span.last = end.min(self.log.recent_first() - 1);
        } else if let Some(supply) = self.own_log.supply.take_if(|supply| supply.first == span.first) {
            // `evicted_payload` has counted the payload since the entries left the recent log.
            (span.last, span.bytes) = (span.first + supply.slots.len() as u64 - 1, supply.bytes);
            (span.resident, span.blob) = (true, Some(supply.blob));
            entries.extend_from_slice(&supply.slots);
        } else {
            // The host must supply the entries first.
            *span = Span::default();
        }
        span.last > 0
    }

    /// Ends a span of recent entries at `end`, or after `max` bytes, but not before its first
    /// entry.
    fn measure(&self, span: &mut Span, end: Index, max: u64) {
        let halves = self.log.slots(span.first, end);
        let (mut bytes, mut heads) = (0, 0);
        for slot in halves.iter().copied().flatten() {
            bytes += u64::from(slot.place.len);
            heads += u64::from(slot.head);
        }
        // Fast path: the sum mostly stays within the limit, and adding up is cheaper than comparing
        // after each entry.
        if bytes <= max {
            (span.last, span.bytes, span.payload) = (end, bytes, bytes - heads);
            return;
        }
        span.last = span.first - 1;
        for half in halves {
            for slot in half {
                let bytes = span.bytes + u64::from(slot.place.len);
                if bytes > max && span.bytes > 0 {
                    return;
                }
                span.last += 1;
                span.bytes = bytes;
                span.payload += slot.data_len();
            }
        }
    }

    /// Records that the host applied the entries up to `index`, and so finished spans of `bytes`
    /// and `payload`.
    #[inline(always)]
    pub fn on_applied(&mut self, index: Index, bytes: u64, payload: u64) {
        self.log.applied_to(index);
        self.apply.bytes = self.apply.bytes.saturating_sub(bytes);
        self.apply.paused = self.apply.bytes >= self.config.max_committed_size_per_ready;
        if self.conf.auto_leave {
            self.leave_joint_if_due();
        }
        if self.role != Role::Leader {
            return;
        }
        let evicted = std::mem::take(&mut self.log.evicted_payload);
        let over = payload + evicted;
        self.proposals.uncommitted = self.proposals.uncommitted.saturating_sub(over);
        if !self.apply.told_ready && self.log.term_at(index) == Some(self.term) {
            self.apply.told_ready = true;
            self.event(EventKind::LeaderReady, Reason::None, 0, index, 0, 0);
        }
    }
}
