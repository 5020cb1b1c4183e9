//! The flat form of a ready: a run of bytes with the records in front, and the bytes that the
//! records refer to behind.

use core::mem::size_of;
use core::ptr;

use super::output::{drop_out, msg_flags, ready_flags};
use super::types::*;
use crate::{EntryRef, Ready};

/// Rounds up to a multiple of the alignment of every place.
fn round_up(len: usize) -> usize {
    len.saturating_add(7) & !7
}

fn list_len<T>(count: usize) -> usize {
    count.saturating_mul(size_of::<T>())
}

fn data_len<'a>(entries: impl Iterator<Item = EntryRef<'a>>) -> usize {
    entries.fold(0, |sum: usize, entry| {
        sum.saturating_add(round_up(entry.data.len())).saturating_add(round_up(entry.context.len()))
    })
}

fn records_len(ready: &Ready<'_>) -> usize {
    size_of::<raftcore_flat>()
        + list_len::<raftcore_flat_entry>(ready.entries().len())
        + list_len::<raftcore_flat_entry>(ready.committed().len())
        + list_len::<raftcore_flat_msg>(ready.messages().len())
        + list_len::<raftcore_read>(ready.reads().len())
        + list_len::<raftcore_drop>(ready.dropped().len())
        + list_len::<raftcore_done>(ready.done().len())
}

/// Returns the membership in a MsgSnap.
fn snapshot_conf<'a>(message: &crate::MessageRef<'a>) -> &'a [u8] {
    message.snapshot().map_or(&[], |snapshot| snapshot.conf)
}

pub(super) fn flat_len(ready: &Ready<'_>) -> usize {
    let frames = ready.messages().fold(0, |sum: usize, message| {
        let beside = round_up(message.context().len()) + round_up(snapshot_conf(&message).len());
        sum.saturating_add(round_up(message.frame_len()).saturating_add(beside))
    });
    let snapshot = ready.snapshot().map_or(0, |s| round_up(s.conf.len()).saturating_add(round_up(s.data.len())));
    records_len(ready)
        .saturating_add(data_len(ready.entries()))
        .saturating_add(data_len(ready.committed()))
        .saturating_add(frames)
        .saturating_add(snapshot)
}

/// A buffer of fixed size, filled from two places: records in front, bytes behind.
struct Flat {
    buf: *mut u8,
    len: usize,
    record: usize,
    bytes: usize,
}

impl Flat {
    /// # Safety
    /// The buffer has `len` writable bytes; what does not fit is left out.
    unsafe fn copy(&self, at: usize, from: &[u8]) {
        if at.checked_add(from.len()).is_some_and(|end| end <= self.len) {
            // SAFETY: `from` fits.
            unsafe { ptr::copy_nonoverlapping(from.as_ptr(), self.buf.add(at), from.len()) };
        }
    }

    /// # Safety
    /// As `copy`.
    unsafe fn put<T: Copy>(&mut self, record: &T) {
        // SAFETY: the records are plain integers without padding, so all bytes are initialized.
        let bytes = unsafe { core::slice::from_raw_parts(ptr::from_ref(record).cast::<u8>(), size_of::<T>()) };
        // SAFETY: as here.
        unsafe { self.copy(self.record, bytes) };
        self.record += size_of::<T>();
    }

    /// Appends bytes in several pieces, then zeros up to the next place. Returns the place; 0 if there are none.
    ///
    /// # Safety
    /// As `copy`.
    unsafe fn append<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> u64 {
        let place = self.bytes;
        for part in parts {
            // SAFETY: as here.
            unsafe { self.copy(self.bytes, part) };
            self.bytes += part.len();
        }
        let end = round_up(self.bytes);
        if end > self.bytes {
            // SAFETY: as here.
            unsafe { self.copy(self.bytes, [0u8; 7].get(..end - self.bytes).unwrap_or_default()) };
            self.bytes = end;
        }
        if end == place { 0 } else { (place as u64).to_le() }
    }

    /// # Safety
    /// As `copy`.
    unsafe fn entries<'a>(&mut self, entries: impl Iterator<Item = EntryRef<'a>>) {
        for entry in entries {
            // SAFETY: as here.
            unsafe {
                let data_at = self.append([entry.data].into_iter());
                let context_at = self.append([entry.context].into_iter());
                self.put(&raftcore_flat_entry {
                    term: entry.term.to_le(),
                    index: entry.index.to_le(),
                    token: entry.token.to_le(),
                    data_at,
                    data_bytes: (entry.data.len() as u64).to_le(),
                    kind: (entry.kind as u32).to_le(),
                    reserved0: 0,
                    context_at,
                    context_bytes: (entry.context.len() as u64).to_le(),
                });
            }
        }
    }
}

/// # Safety
/// `buf` points to `len` writable bytes, as many as `flat_len` said.
pub(super) unsafe fn write_flat(ready: &Ready<'_>, buf: *mut u8, len: usize) {
    let mut flat = Flat { buf, len, record: size_of::<raftcore_flat>(), bytes: records_len(ready) };
    let state = ready.state();
    let (committed_first, committed_last) = ready.committed_span().unwrap_or_default();
    let mut next = flat.record;
    let mut list = |count: usize, size: usize| {
        let at = if count == 0 { 0 } else { next as u64 };
        next += count * size;
        (at.to_le(), (count as u32).to_le())
    };
    let (entries_at, n_entries) = list(ready.entries().len(), size_of::<raftcore_flat_entry>());
    let (committed_at, n_committed) = list(ready.committed().len(), size_of::<raftcore_flat_entry>());
    let (msgs_at, n_msgs) = list(ready.messages().len(), size_of::<raftcore_flat_msg>());
    let (reads_at, n_reads) = list(ready.reads().len(), size_of::<raftcore_read>());
    let (dropped_at, n_dropped) = list(ready.dropped().len(), size_of::<raftcore_drop>());
    let (done_at, n_done) = list(ready.done().len(), size_of::<raftcore_done>());
    // SAFETY: the caller's promise; `Flat` writes nothing beyond `len`.
    unsafe {
        let snapshot = ready.snapshot();
        let (index, term, conf, data) = match &snapshot {
            Some(s) => (s.index, s.term, s.conf, s.data),
            None => (0, 0, &[][..], &[][..]),
        };
        let snapshot_conf_at = flat.append([conf].into_iter());
        let snapshot_data_at = flat.append([data].into_iter());
        flat.entries(ready.entries());
        flat.entries(ready.committed());
        for message in ready.messages() {
            let frame_at = flat.append(message.parts());
            let context_at = flat.append([message.context()].into_iter());
            let conf = snapshot_conf(&message);
            let snapshot_conf_at = flat.append([conf].into_iter());
            flat.put(&raftcore_flat_msg {
                to: message.to().to_le(),
                from: message.from().to_le(),
                term: message.term().to_le(),
                log_term: message.log_term().to_le(),
                index: message.index().to_le(),
                commit: message.commit().to_le(),
                reject_hint: message.reject_hint().to_le(),
                vote: message.vote().to_le(),
                flags: msg_flags(&message).to_le(),
                frame_at,
                frame_bytes: (message.frame_len() as u64).to_le(),
                kind: (message.kind() as u32).to_le(),
                reserved0: 0,
                context_at,
                context_bytes: (message.context().len() as u64).to_le(),
                snapshot_conf_at,
                snapshot_conf_bytes: (conf.len() as u64).to_le(),
            });
        }
        for read in ready.reads() {
            flat.put(&raftcore_read { token: read.token.to_le(), index: read.index.to_le() });
        }
        for dropped in ready.dropped() {
            let out = drop_out(dropped);
            flat.put(&raftcore_drop { token: out.token.to_le(), what: out.what.to_le(), reason: out.reason.to_le() });
        }
        for done in ready.done() {
            flat.put(&raftcore_done { token: done.token.to_le(), index: done.index.to_le() });
        }
        flat.record = 0;
        flat.put(&raftcore_flat {
            layout: 1u32.to_le(),
            role: (ready.role() as u32).to_le(),
            total_bytes: (len as u64).to_le(),
            flags: ready_flags(ready).to_le(),
            number: ready.number().to_le(),
            term: state.term.to_le(),
            vote: state.vote.to_le(),
            commit: state.commit.to_le(),
            leader: ready.leader().to_le(),
            snapshot_index: index.to_le(),
            snapshot_term: term.to_le(),
            committed_first: committed_first.to_le(),
            committed_last: committed_last.to_le(),
            snapshot_conf_at,
            snapshot_conf_bytes: (conf.len() as u64).to_le(),
            snapshot_data_at,
            snapshot_data_bytes: (data.len() as u64).to_le(),
            entries_at,
            committed_at,
            msgs_at,
            reads_at,
            dropped_at,
            done_at,
            n_entries,
            n_committed,
            n_msgs,
            n_reads,
            n_dropped,
            n_done,
            entry_stride: (size_of::<raftcore_flat_entry>() as u32).to_le(),
            msg_stride: (size_of::<raftcore_flat_msg>() as u32).to_le(),
            read_stride: (size_of::<raftcore_read>() as u32).to_le(),
            drop_stride: (size_of::<raftcore_drop>() as u32).to_le(),
            done_stride: (size_of::<raftcore_done>() as u32).to_le(),
            reserved0: 0,
        });
    }
}
