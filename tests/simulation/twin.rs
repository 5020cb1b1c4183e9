//! The same node behind the C ABI. Each call of the Rust interface is made there as well, and
//! codes, bytes and digests are compared.
//!
//! The functions are the library's, called as from C: structs with sizes, pointers, strides.
#![allow(unsafe_code)] // it is a caller of a C interface

use crate::law::{Lawful, hold};
use raftcore::ffi::*;
use raftcore::*;
use std::mem::zeroed;
use std::ptr::{null, null_mut};

pub struct Twin {
    node: *mut raftcore_node,
    calls: u64,
    readies: u64,
}

/// A hash of bytes and numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Fold(u64);

impl Fold {
    fn number(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(27);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.flat(bytes);
    }

    /// Hashes bytes that may come in arbitrary pieces.
    fn flat(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    }
}

fn slice(bytes: &[u8]) -> raftcore_slice {
    raftcore_slice { ptr: bytes.as_ptr(), len: bytes.len() }
}

/// # Safety
/// As the page says of a slice.
unsafe fn bytes_of<'a>(of: raftcore_slice) -> &'a [u8] {
    // SAFETY: the library's promise.
    if of.len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(of.ptr, of.len) } }
}

/// Returns a record of an array, found by the stride.
///
/// # Safety As the page says of arrays.
unsafe fn at<'a, T>(first: *const T, stride: u32, at: u32) -> &'a T {
    // SAFETY: the library's promise.
    unsafe { &*first.cast::<u8>().add(stride as usize * at as usize).cast::<T>() }
}

fn entries_in<'a>(entries: impl Iterator<Item = EntryRef<'a>>) -> Vec<raftcore_entry> {
    let entry = |e: EntryRef<'a>| raftcore_entry {
        term: e.term,
        index: e.index,
        kind: e.kind as u32,
        reserved0: 0,
        data: slice(e.data),
        token: 0,
        context: slice(e.context),
    };
    entries.map(entry).collect()
}

fn config_in(c: &Config) -> raftcore_config {
    // SAFETY: integers only.
    let mut out: raftcore_config = unsafe { zeroed() };
    // SAFETY: a struct as large as is said.
    let code = unsafe { raftcore_config_init(&raw mut out, size_of::<raftcore_config>() as u32) };
    assert_eq!(code, RAFTCORE_OK);
    macro_rules! same { ($($field:ident)*) => { $(out.$field = c.$field;)* } }
    same! {
        id group seed election_ticks heartbeat_ticks read_timeout_ticks snapshot_timeout_ticks vote_fence_ticks max_peers
        max_inflight_msgs max_outstanding max_entries_per_ready max_messages max_reads max_tokens priority
        max_apply_unpersisted recent_bytes catchup_bytes max_size_per_msg max_committed_size_per_ready
        max_uncommitted_size max_inflight_bytes max_entry_bytes max_snapshot_bytes block_bytes own_write_timeout_ticks
        election_jitter_ticks peer_lags_ticks no_leader_ticks max_entries_per_msg caught_up_entries
    }
    (out.flags, out.storage, out.dialect) = (c.flags.0, c.storage as u32, c.dialect as u32);
    out
}

macro_rules! simple {
    ($($name:ident($($arg:ident: $type:ty => $as:expr),*) = $call:ident;)*) => { $(
        pub fn $name(&mut self, $($arg: $type),*) -> i32 {
            // SAFETY: a live node; numbers.
            unsafe { $call(self.node, $($as),*) }
        } )* };
}

impl Twin {
    pub fn new(config: &Config) -> Self {
        let given = config_in(config);
        let mut node = null_mut();
        // SAFETY: a struct as large as it says, and a place.
        let code = unsafe { raftcore_new(&raw const given, &raw mut node) };
        assert_eq!(code, RAFTCORE_OK);
        Self { node, calls: 0, readies: 0 }
    }

    simple! {
        boot_done(applied: u64 => applied) = raftcore_boot_done;
        tick(ticks: u32 => ticks) = raftcore_tick;
        read_index(token: u64 => token) = raftcore_read_index;
        campaign() = raftcore_campaign;
        transfer(to: u64 => to) = raftcore_transfer;
        abort_transfer() = raftcore_abort_transfer;
        forget_leader() = raftcore_forget_leader;
        set_electable(electable: bool => u32::from(electable)) = raftcore_set_electable;
        set_priority(priority: i32 => priority) = raftcore_set_priority;
        set_window(peer: u64 => peer, max_msgs: u32 => max_msgs, max_bytes: u64 => max_bytes) = raftcore_set_window;
        set_commit_broadcast(on: bool => u32::from(on)) = raftcore_set_commit_broadcast;
        report_unreachable(peer: u64 => peer) = raftcore_report_unreachable;
        request_snapshot() = raftcore_request_snapshot;
        ping() = raftcore_ping;
        trim() = raftcore_trim;
        report_snapshot(peer: u64 => peer, report: SnapshotReport => report as u32) = raftcore_report_snapshot;
        compacted(index: u64 => index) = raftcore_compacted;
        advance(number: u64 => number) = raftcore_advance;
        persisted(number: u64 => number) = raftcore_persisted;
        applied(index: u64 => index) = raftcore_applied;
        release(number: u64 => number) = raftcore_release;
        supply_none(id: u64 => id, why: Missing => why as u32) = raftcore_supply_none;
    }

    pub fn boot_state(&mut self, s: HardState) -> i32 {
        // SAFETY: a live node; numbers.
        unsafe { raftcore_boot_state(self.node, s.term, s.vote, s.commit) }
    }

    fn conf(bytes: &[u8]) -> raftcore_conf {
        // SAFETY: integers and pointers that may be NULL.
        let empty: raftcore_conf = unsafe { zeroed() };
        raftcore_conf { struct_size: size_of::<raftcore_conf>() as u32, bytes: slice(bytes), ..empty }
    }

    pub fn boot_conf(&mut self, conf: &[u8], before: EntryId) -> i32 {
        let conf = Self::conf(conf);
        // SAFETY: a live node, a configuration that can be read.
        unsafe { raftcore_boot_conf(self.node, &raw const conf, before.index, before.term) }
    }

    pub fn boot_terms(&mut self, runs: &[TermRun], last: u64) -> i32 {
        let runs: Vec<_> = runs.iter().map(|run| raftcore_run { first: run.first, term: run.term }).collect();
        // SAFETY: a live node, an array.
        unsafe { raftcore_boot_terms(self.node, runs.as_ptr(), runs.len(), last) }
    }

    pub fn boot_entries<'a>(&mut self, entries: impl Iterator<Item = EntryRef<'a>>) -> i32 {
        let entries = entries_in(entries);
        // SAFETY: a live node, an array.
        unsafe { raftcore_boot_entries(self.node, entries.as_ptr(), entries.len()) }
    }

    pub fn step(&mut self, peer: u64, bytes: &[u8]) -> i32 {
        // SAFETY: a live node, bytes.
        unsafe { raftcore_step(self.node, peer, bytes.as_ptr(), bytes.len()) }
    }

    pub fn step_local(&mut self, bytes: &[u8]) -> i32 {
        // SAFETY: a live node, bytes.
        unsafe { raftcore_step_local(self.node, bytes.as_ptr(), bytes.len()) }
    }

    pub fn propose(&mut self, data: &[u8], token: u64) -> i32 {
        let (head, tail) = data.split_at(data.len() / 2);
        let parts = [slice(head), slice(tail)];
        // SAFETY: a live node, two slices.
        unsafe { raftcore_propose(self.node, parts.as_ptr(), parts.len(), token) }
    }

    pub fn propose_conf(&mut self, changes: &[Change], how: ChangeEncoding, context: &[u8], token: u64) -> i32 {
        let change = |c: &Change| raftcore_change { id: c.id, kind: c.kind as u32, reserved0: 0 };
        let list: Vec<_> = changes.iter().map(change).collect();
        let transition = match how {
            ChangeEncoding::V1 => RAFTCORE_TRANSITION_V1,
            ChangeEncoding::V2(transition) => transition as u32,
        };
        let first = if list.is_empty() { null() } else { list.as_ptr() };
        // SAFETY: a live node, an array, bytes.
        unsafe { raftcore_propose_conf(self.node, first, list.len(), transition, slice(context), token) }
    }

    pub fn apply_conf(&mut self, entry: EntryRef<'_>) -> std::result::Result<Vec<u8>, i32> {
        let given = entries_in(std::iter::once(entry));
        let mut out = Self::conf(&[]);
        // SAFETY: a live node, an entry, a struct as large as it says.
        match unsafe { raftcore_apply_conf(self.node, given.as_ptr(), &raw mut out) } {
            // SAFETY: valid until the next call of this kind.
            RAFTCORE_OK => Ok(unsafe { bytes_of(out.bytes) }.to_vec()),
            code => Err(code),
        }
    }

    pub fn skip_conf(&mut self, index: u64) -> std::result::Result<Vec<u8>, i32> {
        // SAFETY: integers and pointers that may be NULL.
        let mut out: raftcore_conf = unsafe { zeroed() };
        out.struct_size = size_of::<raftcore_conf>() as u32;
        // SAFETY: a live node, a struct as large as it says.
        match unsafe { raftcore_skip_conf(self.node, index, &raw mut out) } {
            // SAFETY: of this very answer.
            RAFTCORE_OK => Ok(unsafe { bytes_of(out.bytes) }.to_vec()),
            code => Err(code),
        }
    }

    pub fn next_fetch(&mut self) -> std::result::Result<Option<Fetch>, i32> {
        // SAFETY: integers only.
        let mut out: raftcore_fetch = unsafe { zeroed() };
        out.struct_size = size_of::<raftcore_fetch>() as u32;
        // SAFETY: a live node, a struct as large as it says.
        match unsafe { raftcore_next_fetch(self.node, &raw mut out) } {
            RAFTCORE_OK => Ok(Some(Fetch {
                id: out.id,
                kind: match out.kind {
                    RAFTCORE_FETCH_ENTRIES => FetchKind::Entries,
                    RAFTCORE_FETCH_SNAPSHOT => FetchKind::Snapshot,
                    _ => FetchKind::Apply,
                },
                peer: out.peer,
                first: out.first,
                last: out.last,
                max_bytes: out.max_bytes,
            })),
            RAFTCORE_NONE => Ok(None),
            code => Err(code),
        }
    }

    pub fn supply_entries<'a>(&mut self, id: u64, entries: impl Iterator<Item = EntryRef<'a>>) -> i32 {
        let entries = entries_in(entries);
        // SAFETY: a live node, an array.
        unsafe { raftcore_supply_entries(self.node, id, entries.as_ptr(), entries.len()) }
    }

    pub fn supply_snapshot(&mut self, id: u64, index: u64, conf: &[u8], data: &[u8]) -> i32 {
        let conf = Self::conf(conf);
        // SAFETY: a live node, a configuration, bytes.
        unsafe { raftcore_supply_snapshot(self.node, id, index, &raw const conf, slice(data)) }
    }

    pub fn next_event(&mut self, expected: Option<&Event>) {
        // SAFETY: integers only.
        let mut out: raftcore_event = unsafe { zeroed() };
        // SAFETY: a live node, a place.
        let code = unsafe { raftcore_next_event(self.node, &raw mut out) };
        let theirs =
            (code == RAFTCORE_OK).then_some((out.kind, out.reason, out.peer, out.term, out.index, out.a, out.b));
        let ours = expected.map(|e| (e.kind as u32, e.reason as u32, e.peer, e.term, e.index, e.a, e.b));
        assert_eq!(ours, theirs, "events differ");
    }

    /// Takes the ready that the Rust node returned as `number`, and compares the contents.
    pub fn ready(&mut self, node: &Node, number: std::result::Result<Option<u64>, i32>) -> Lawful {
        // SAFETY: integers and pointers that may be NULL.
        let mut out: raftcore_ready = unsafe { zeroed() };
        out.struct_size = size_of::<raftcore_ready>() as u32;
        // SAFETY: a live node, a struct as large as it says.
        let code = unsafe { raftcore_get_ready(self.node, &raw mut out) };
        let ours = match number {
            Ok(Some(number)) => {
                let Some(ready) = node.view(number) else { return Ok(()) };
                hold!(SameThroughC, code == RAFTCORE_OK, "ready {number}: C says {code}");
                // SAFETY: the views are live until the batch is released.
                let (ours, theirs) = (fold_ready(&ready), unsafe { fold_c(&out) });
                hold!(SameThroughC, ours == theirs, "ready {number} differs: {ours:?} in Rust, {theirs:?} in C");
                self.readies += 1;
                // A digest reads the whole log.
                return if self.readies.is_multiple_of(8) { self.digests("get_ready", node) } else { Ok(()) };
            }
            Ok(None) => RAFTCORE_NONE,
            Err(code) => code,
        };
        hold!(SameThroughC, ours == code, "get_ready: {ours} in Rust, {code} in C");
        Ok(())
    }

    fn digests(&mut self, call: &str, node: &Node) -> Lawful {
        // SAFETY: a live node.
        let (ours, theirs) = (node.digest(true), unsafe { raftcore_digest(self.node, 1) });
        hold!(SameThroughC, ours == theirs, "after {call} the digests differ");
        Ok(())
    }

    /// Compares the results of a call: `ours` in Rust, `theirs` in C.
    pub fn agree(&mut self, call: &str, ours: i32, theirs: i32, node: &Node) -> Lawful {
        hold!(SameThroughC, ours == theirs, "{call}: {ours} in Rust, {theirs} in C");
        self.calls += 1;
        if self.calls.is_multiple_of(32) { self.digests(call, node) } else { Ok(()) }
    }

    pub fn hold(&self, call: &str, same: bool) -> Lawful {
        hold!(SameThroughC, same, "{call} differs");
        Ok(())
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        // SAFETY: live until now, and not used again.
        let _ = unsafe { raftcore_free(self.node) };
    }
}

/// Hashes of a ready: head, entries, committed, messages, the rest.
type Folds = [Fold; 5];

fn fold_ready(r: &Ready<'_>) -> Folds {
    let mut folds = Folds::default();
    let flags = u64::from(r.hard_state().is_some()) * RAFTCORE_RF_HARD_STATE
        + u64::from(r.must_sync()) * RAFTCORE_RF_MUST_SYNC
        + u64::from(r.soft_state().is_some()) * RAFTCORE_RF_SOFT_STATE
        + u64::from(r.snapshot().is_some()) * RAFTCORE_RF_SNAPSHOT;
    let (state, span, snapshot) = (r.state(), r.committed_span().unwrap_or_default(), r.snapshot());
    let (conf, data) = snapshot.map_or((&[][..], &[][..]), |s| (s.conf, s.data));
    let at = snapshot.map_or((0, 0), |s| (s.index, s.term));
    let head = [r.role() as u64, flags, r.number(), state.term, state.vote, state.commit, r.leader(), at.0, at.1];
    head.into_iter().chain([span.0, span.1]).for_each(|number| folds[0].number(number));
    folds[0].bytes(conf);
    folds[0].bytes(data);
    for (fold, entries) in [(1, r.entries()), (2, r.committed())] {
        for e in entries {
            [e.term, e.index, e.kind as u64, e.token].into_iter().for_each(|number| folds[fold].number(number));
            folds[fold].bytes(e.data);
        }
    }
    for m in r.messages() {
        let flags = u64::from(m.after()) * RAFTCORE_MF_AFTER + u64::from(m.reject()) * RAFTCORE_MF_REJECT;
        let head = [m.to(), m.from(), m.term(), m.log_term(), m.index(), m.commit(), m.reject_hint(), m.vote(), flags];
        head.into_iter().chain([m.kind() as u64, m.frame_len() as u64]).for_each(|number| folds[3].number(number));
        m.parts().for_each(|part| folds[3].flat(part));
    }
    r.reads().iter().for_each(|read| [read.token, read.index].into_iter().for_each(|number| folds[4].number(number)));
    for drop in r.dropped() {
        [drop.token, drop.what as u64, drop.reason as u64].into_iter().for_each(|number| folds[4].number(number));
    }
    r.done().iter().for_each(|done| [done.token, done.index].into_iter().for_each(|number| folds[4].number(number)));
    folds
}

/// # Safety The ready is outstanding.
unsafe fn fold_c(r: &raftcore_ready) -> Folds {
    let mut folds = Folds::default();
    let head = [u64::from(r.role), r.flags, r.number, r.term, r.vote, r.commit, r.leader, r.snapshot_index];
    let tail = [r.snapshot_term, r.committed_first, r.committed_last];
    head.into_iter().chain(tail).for_each(|number| folds[0].number(number));
    // SAFETY: the caller's promise, here and below.
    unsafe {
        folds[0].bytes(bytes_of(r.snapshot_conf));
        folds[0].bytes(bytes_of(r.snapshot_data));
        for (fold, first, count) in [(1, r.entries, r.n_entries), (2, r.committed, r.n_committed)] {
            for e in (0..count).map(|n| at(first, r.entry_stride, n)) {
                [e.term, e.index, u64::from(e.kind), e.token].into_iter().for_each(|number| folds[fold].number(number));
                folds[fold].bytes(bytes_of(e.data));
            }
        }
        for m in (0..r.n_msgs).map(|n| at(r.msgs, r.msg_stride, n)) {
            let head = [m.to, m.from, m.term, m.log_term, m.index, m.commit, m.reject_hint, m.vote, m.flags];
            let tail = [u64::from(m.kind), u64::from(m.frame_bytes)];
            head.into_iter().chain(tail).for_each(|number| folds[3].number(number));
            (0..m.n_frame).for_each(|n| folds[3].flat(bytes_of(*at(m.frame, size_of::<raftcore_slice>() as u32, n))));
        }
        for read in (0..r.n_reads).map(|n| at(r.reads, r.read_stride, n)) {
            [read.token, read.index].into_iter().for_each(|number| folds[4].number(number));
        }
        for drop in (0..r.n_dropped).map(|n| at(r.dropped, r.drop_stride, n)) {
            [drop.token, u64::from(drop.what), u64::from(drop.reason)].into_iter().for_each(|n| folds[4].number(n));
        }
        for done in (0..r.n_done).map(|n| at(r.done, r.done_stride, n)) {
            [done.token, done.index].into_iter().for_each(|number| folds[4].number(number));
        }
    }
    folds
}
