//! Group 1 of the page: the library, and a node from its configuration to its end.

use core::mem::size_of;

use libc::{c_char, size_t};

use super::constants::*;
use super::guard::{Call, Needs, Refusal, admit, dismiss, guard, guard_free, guard_value};
use super::output::Slots;
use super::texts;
use super::types::*;
use super::{ConfIn, STRUCT_SIZE_MAX, Sized32, array, conf_in, entries_in, place, struct_in, text_out};
use crate::{Config, Dialect, EntryId, Error, Flags, HardState, Node, StorageMode, Stored, StoredConf, TermRun};

/// Returns the ABI version of the library that runs. The version must equal RAFTCORE_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_abi_version() -> u32 {
    RAFTCORE_ABI_VERSION
}

/// Returns the version of the library that runs, such as "0.1.0".
///
/// Lives    For ever. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Returns the abilities of the library that runs: RAFTCORE_FEATURE_*.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_features() -> u64 {
    if cfg!(debug_assertions) { RAFTCORE_FEATURE_CHECKED } else { 0 }
}

/// Returns the text of a code. raftcore_error_detail explains the last error of a node.
///
/// code     Any number. An unknown code has a text, too.
/// Lives    For ever. Never NULL.
/// Rust     Error::text
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_strerror(code: raftcore_code) -> *const c_char {
    guard_value(c"".as_ptr(), || texts::code(code))
}

/// Fills in the defaults.
///
/// Call this function first. Then a program stays correct when compiled against a newer page, since
/// new fields get their defaults.
///
/// c            Your struct, with any contents. Set id and seed afterwards.
/// struct_size  sizeof(raftcore_config)
/// Returns      RAFTCORE_OK     filled in, abi_version as well
///              RAFTCORE_E_ABI  unknown struct_size: header and library don't fit
/// Rust         Config::new
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_config_init(c: *mut raftcore_config, struct_size: u32) -> raftcore_code {
    plain(|| {
        if c.is_null() {
            return Err(super::NULL);
        }
        let size = struct_size as usize;
        if !(raftcore_config::FIRST..=STRUCT_SIZE_MAX).contains(&size) {
            return Err(super::ABI);
        }
        let defaults = config_out(&Config::new(0), struct_size);
        // SAFETY: the page asks for `struct_size` writable bytes; both parts are inside.
        unsafe {
            c.cast::<u8>().write_bytes(0, size);
            core::ptr::copy_nonoverlapping(
                core::ptr::from_ref(&defaults).cast::<u8>(),
                c.cast::<u8>(),
                size.min(size_of::<raftcore_config>()),
            );
        }
        Ok(RAFTCORE_OK)
    })
}

/// Sets the fields in which another library differs from the defaults.
///
/// c        A configuration after raftcore_config_init.
/// preset   RAFTCORE_PRESET_ETCD
/// Returns  RAFTCORE_OK     set
///          RAFTCORE_E_ARG  unknown preset, or a field out of range: see raftcore_config_error
///          RAFTCORE_E_ABI  unknown struct_size or abi_version: call raftcore_config_init first
/// Rust     Config::preset_etcd
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_config_preset(c: *mut raftcore_config, preset: u32) -> raftcore_code {
    plain(|| {
        // SAFETY: the page asks for a struct of the stated size.
        let given = unsafe { struct_in(c) }?;
        let mut config = config_in(&given)?;
        if preset != RAFTCORE_PRESET_ETCD {
            return Err(Refusal::Own(Error::Arg, "no such preset"));
        }
        config.preset_etcd();
        let changed = config_out(&config, given.struct_size);
        let size = (given.struct_size as usize).min(size_of::<raftcore_config>());
        // SAFETY: as many bytes as the caller's struct has.
        unsafe {
            core::ptr::copy_nonoverlapping(core::ptr::from_ref(&changed).cast::<u8>(), c.cast::<u8>(), size);
        }
        Ok(RAFTCORE_OK)
    })
}

/// Names the faulty field of a configuration, and the allowed values.
///
/// c        May be NULL, which is a fault.
/// buf      Receives the text with a NUL at the end, cut to cap bytes. May be NULL if cap is 0.
/// Returns  Length of the whole text without the NUL; 0 if raftcore_new accepts the configuration.
/// Rust     Config::check
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_config_error(c: *const raftcore_config, buf: *mut c_char, cap: size_t) -> size_t {
    guard_value(1, || {
        // SAFETY: the page asks for a struct of the stated size.
        let config = unsafe { struct_in(c) }.and_then(|given| config_in(&given));
        let text = match config {
            Err(Refusal::Own(_, text)) => text,
            Err(Refusal::Node(error) | Refusal::Said(error)) => error.text(),
            Ok(config) => config.check().err().unwrap_or_default(),
        };
        // SAFETY: the page asks for `cap` writable bytes.
        unsafe { text_out(text.as_bytes(), buf, cap) }
    })
}

/// Returns the size of the largest frame that a peer with an equal configuration sends.
///
/// Your receive buffer must hold a frame of this size.
///
/// c          Only read.
/// bytes_out  Receives the number of bytes, header included.
/// Returns    RAFTCORE_OK     *bytes_out is set
///            RAFTCORE_E_ARG  a field is out of range: see raftcore_config_error
///            RAFTCORE_E_ABI  unknown struct_size or abi_version: call raftcore_config_init first
/// Rust       Config::frame_limit
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_frame_limit(c: *const raftcore_config, bytes_out: *mut u64) -> raftcore_code {
    plain(|| {
        // SAFETY: the page asks for a struct as large as it says, and a place for the answer.
        let (given, out) = unsafe { (struct_in(c)?, place(bytes_out)?) };
        let config = config_in(&given)?;
        config.checked()?;
        out.write(config.frame_limit());
        Ok(RAFTCORE_OK)
    })
}

/// Returns an upper bound for the memory of a node.
///
/// Above the bound, a node takes memory only for supplied entries beyond catchup_bytes, snapshots in
/// flight, terms beyond the first thousands, and unusually large readies.
///
/// c          Only read.
/// bytes_out  Receives the bound in bytes.
/// Returns    RAFTCORE_OK     *bytes_out is set
///            RAFTCORE_E_ARG  a field is out of range: see raftcore_config_error
///            RAFTCORE_E_ABI  unknown struct_size or abi_version: call raftcore_config_init first
/// Rust       Node::footprint
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_footprint(c: *const raftcore_config, bytes_out: *mut size_t) -> raftcore_code {
    plain(|| {
        // SAFETY: the page asks for a struct as large as it says, and a place for the answer.
        let (given, out) = unsafe { (struct_in(c)?, place(bytes_out)?) };
        let config = config_in(&given)?;
        out.write(Node::footprint(&config)?.saturating_add(Slots::footprint(&config)));
        Ok(RAFTCORE_OK)
    })
}

/// Makes a node. Boot the node next: raftcore_boot.
///
/// c        Copied.
/// out      Receives the handle.
/// Lives    Until raftcore_free.
/// Memory   Allocates; a running node grows up to raftcore_footprint.
/// Returns  RAFTCORE_OK             a node
///          RAFTCORE_E_ARG          a field is out of range: see raftcore_config_error
///          RAFTCORE_E_ABI          unknown struct_size or abi_version: call raftcore_config_init
///          RAFTCORE_E_UNSUPPORTED  unknown dialect
///          RAFTCORE_E_NOMEM        nothing is left behind: retry
/// Rust     Node::new
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_new(c: *const raftcore_config, out: *mut *mut raftcore_node) -> raftcore_code {
    plain(|| {
        // SAFETY: the page asks for a struct as large as it says, and a place for the answer.
        let (given, out) = unsafe { (struct_in(c)?, place(out)?) };
        let config = config_in(&given)?;
        let node = Node::new(&config)?;
        out.write(admit(node, Slots::new(&config)?)?);
        Ok(RAFTCORE_OK)
    })
}

/// Boots a node from everything that you have stored of the node. Then the node runs.
///
/// To join a group, boot from an empty disk: all zero, conf NULL.
///
/// To found a group, each founder first stores, then boots from: commit 1, applied 1,
/// before_first 1, before_first_term 1, last 1, conf with all founders as voters, the rest zero.
/// Found a group once.
///
/// A log without a membership is refused: the node cannot guess the voters. A member that stored
/// entries before its first membership boots with a conf of zero voters, and learns the voters from
/// the log. The node does not look for voters: a voter that nobody started counts for the majority.
///
/// The call compares the data, and refuses a disk with missing parts. After an error, free the
/// node. If memory does not hold the entries above applied at once, boot in pieces:
/// raftcore_boot_state, _conf, _terms, _entries and _done.
///
/// stored   Your struct, with struct_size set. Copied.
/// Returns  RAFTCORE_OK         the node runs; the first ready contains repairs, if any
///          RAFTCORE_E_CORRUPT  data contradict each other or are missing: raftcore_error_detail
///                              says which; complete the data, or put a new node in its place
///          RAFTCORE_E_CONF     the membership is invalid, or has more than max_peers members
///          RAFTCORE_E_DECODE   stored->conf->bytes are not a membership
///          RAFTCORE_E_FULL     RAFTCORE_STORAGE_MESSAGES: recent_bytes must exceed the unapplied
///                              entries
///          RAFTCORE_E_STATE    booted before; or conf is NULL although there is a log
///          RAFTCORE_E_NOMEM    an allocation failed: retry with a new node
/// Rust     Node::boot
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot(node: *mut raftcore_node, stored: *const raftcore_stored) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a struct of the stated size, and for arrays that stay readable
        // during the call.
        let given = unsafe { struct_in(stored) }?;
        if given.reserved0 != 0 || given.reserved1 != 0 {
            return Err(super::RESERVED);
        }
        // SAFETY: as above; raftcore_run and TermRun have one layout, as layout.rs proves.
        let (runs, entries) = unsafe {
            (array(given.runs.cast::<TermRun>(), given.n_runs)?, entries_in(given.entries, given.n_entries)?)
        };
        let conf = match given.conf.is_null() {
            true => None,
            // SAFETY: as above.
            false => Some(match unsafe { conf_in(given.conf) }? {
                ConfIn::Bytes(bytes) => StoredConf::Bytes(bytes),
                ConfIn::Ids(ids, index) => StoredConf::Ids(ids, index),
            }),
        };
        let stored = Stored {
            state: HardState { term: given.term, vote: given.vote, commit: given.commit },
            applied: given.applied,
            before_first: EntryId { term: given.before_first_term, index: given.before_first },
            last: given.last,
            conf,
            runs,
        };
        done(call.node.boot(&stored, entries))
    })
}

/// Restores the hard state. First call of a boot in pieces.
///
/// A boot in pieces makes the calls in the order of this page, each once, and raftcore_boot_entries
/// as often as needed. Leave out a call if there is nothing to restore, except raftcore_boot_done.
/// After an error, free the node.
///
/// term     As in the last stored ready with RAFTCORE_RF_HARD_STATE. So vote and commit.
/// Returns  RAFTCORE_OK         restored
///          RAFTCORE_E_STATE    out of order
///          RAFTCORE_E_CORRUPT  vote is a reserved id, or a number is out of range
/// Rust     Node::boot_state
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot_state(
    node: *mut raftcore_node,
    term: u64,
    vote: u64,
    commit: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| done(call.node.boot_state(HardState { term, vote, commit })))
}

/// Restores the membership as of the applied index, and where the log begins.
///
/// conf               The bytes from raftcore_apply_conf or a snapshot, or the ids. Copied.
/// before_first       Index before the first entry of the log, the end of the last snapshot or
///                    compaction. Founders: 1.
/// before_first_term  Term at before_first. Founders: 1.
/// Returns            RAFTCORE_OK         restored
///                    RAFTCORE_E_DECODE   conf->bytes are not a membership
///                    RAFTCORE_E_CONF     invalid, or more than max_peers members:
///                                        raftcore_error_detail says which
///                    RAFTCORE_E_CORRUPT  no log begins at before_first with this term
///                    RAFTCORE_E_STATE    out of order
///                    RAFTCORE_E_NOMEM    an allocation failed
/// Rust               Node::boot_conf, Node::boot_conf_bytes
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot_conf(
    node: *mut raftcore_node,
    conf: *const raftcore_conf,
    before_first: u64,
    before_first_term: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        let before = EntryId { term: before_first_term, index: before_first };
        // SAFETY: the page asks for a membership that stays readable during the call.
        match unsafe { conf_in(conf) }? {
            ConfIn::Bytes(bytes) => done(call.node.boot_conf_bytes(bytes, before)),
            ConfIn::Ids(ids, index) => done(call.node.boot_conf(&ids, index, before)),
        }
    })
}

/// Restores the terms of the log and the end of the log, so that missing entries are noticed.
///
/// runs     Sorted. The first run begins at before_first + 1, the last run ends at last. Copied.
///          May be NULL if count is 0: then raftcore_boot_entries begins at before_first + 1.
/// last     Index of the last entry; before_first if the log is empty.
/// Returns  RAFTCORE_OK         restored
///          RAFTCORE_E_CORRUPT  an index or a term does not rise, or contradicts an earlier call
///          RAFTCORE_E_STATE    out of order, or raftcore_boot_conf is missing
///          RAFTCORE_E_NOMEM    an allocation failed
/// Rust     Node::boot_terms
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot_terms(
    node: *mut raftcore_node,
    runs: *const raftcore_run,
    count: size_t,
    last: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` readable runs; raftcore_run and TermRun have equal
        // layouts, as layout.rs proves.
        let runs = unsafe { array(runs.cast::<TermRun>(), count) }?;
        done(call.node.boot_terms(runs, last))
    })
}

/// Restores entries in order, at least the entries above the applied index. Repeat as needed.
///
/// e        Copied, without tokens. May be NULL if count is 0.
/// Returns  RAFTCORE_OK         restored
///          RAFTCORE_E_CORRUPT  a gap, or a term that contradicts an earlier call
///          RAFTCORE_E_ARG      unknown kind of entry; the node is unchanged
///          RAFTCORE_E_STATE    out of order, or raftcore_boot_conf is missing
///          RAFTCORE_E_NOMEM    an allocation failed
/// Rust     Node::boot_entries
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot_entries(
    node: *mut raftcore_node,
    e: *const raftcore_entry,
    count: size_t,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` entries that can be read for as long as the call lasts.
        let entries = unsafe { entries_in(e, count) }?;
        done(call.node.boot_entries(entries))
    })
}

/// Ends a boot in pieces. Then the node runs.
///
/// applied  Applied index, as stored with your state.
/// Returns  RAFTCORE_OK         the node runs; the first ready contains repairs, if any
///          RAFTCORE_E_CORRUPT  commit or applied lies beyond the log, or entries are missing:
///                              raftcore_error_detail says which
///          RAFTCORE_E_FULL     RAFTCORE_STORAGE_MESSAGES: recent_bytes must exceed the unapplied
///                              entries
///          RAFTCORE_E_STATE    done before, or raftcore_boot_conf is missing
/// Rust     Node::boot_done
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot_done(node: *mut raftcore_node, applied: u64) -> raftcore_code {
    guard(node, Needs::Sound, |call| done(call.node.boot_done(applied)))
}

/// Copies a node, for tests and explorers: equal calls on both nodes have equal results.
///
/// node     The original. Unchanged. The memory of outstanding readies belongs to the original.
/// out      Receives the copy.
/// Lives    Until raftcore_free.
/// Returns  RAFTCORE_OK       a node
///          RAFTCORE_E_STATE  the original is within its boot
///          RAFTCORE_E_NOMEM  nothing is left behind: retry
/// Rust     Node::try_clone
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_try_clone(node: *const raftcore_node, out: *mut *mut raftcore_node) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a place for the answer.
        let out = unsafe { place(out) }?;
        // The call only looks at the node, whose text belongs to an earlier call.
        let own = |error| match error {
            Error::State => Refusal::Own(error, "the node is in the middle of its boot"),
            error => Refusal::Own(error, ""),
        };
        let clone = call.node.try_clone().map_err(own)?;
        let slots = call.slots.for_clone(call.node.config()).map_err(own)?;
        out.write(admit(clone, slots).map_err(own)?);
        Ok(RAFTCORE_OK)
    })
}

/// Frees a node. The call writes and sends nothing; you boot the next node from the disk.
///
/// node     May be NULL: nothing happens.
/// Lives    Ends all memory that the node has returned.
/// Thread   Any thread, while no other thread is in the node.
/// Returns  RAFTCORE_OK        freed
///          RAFTCORE_E_BUSY    another thread is in the node: retry, the node still exists
///          RAFTCORE_E_HANDLE  freed before, or never made
///          You may ignore the result.
/// Rust     drop
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_free(node: *mut raftcore_node) -> raftcore_code {
    if node.is_null() { RAFTCORE_OK } else { dismiss(node) }
}

/// A call without a node, with the conversions of calls with a node.
fn plain(body: impl FnOnce() -> Result<raftcore_code, Refusal>) -> raftcore_code {
    guard_free(|| {
        body().map_err(|refusal| match refusal {
            Refusal::Node(error) | Refusal::Said(error) | Refusal::Own(error, _) => error,
        })
    })
}

/// The result of a call that returns only a code.
pub(super) fn done(result: crate::Result<()>) -> super::guard::Answer {
    result?;
    Ok(RAFTCORE_OK)
}

/// The node, where a call needs nothing else.
pub(super) fn simply(node: *mut raftcore_node, work: impl FnOnce(&mut Node) -> crate::Result<()>) -> raftcore_code {
    guard(node, Needs::Sound, |call: &mut Call<'_>| done(work(call.node)))
}

fn config_in(c: &raftcore_config) -> Result<Config, Refusal> {
    if c.abi_version != RAFTCORE_ABI_VERSION {
        return Err(Refusal::Own(Error::Abi, "abi_version is not one this library knows"));
    }
    let Some(dialect) = Dialect::from_number(c.dialect) else {
        return Err(Refusal::Own(Error::Unsupported, "dialect is not one this library speaks"));
    };
    let Some(storage) = StorageMode::from_number(c.storage) else {
        return Err(Refusal::Own(Error::Arg, "storage is none of RAFTCORE_STORAGE_*"));
    };
    Ok(Config {
        id: c.id,
        group: c.group,
        seed: c.seed,
        flags: Flags(c.flags),
        storage,
        dialect,
        election_ticks: c.election_ticks,
        heartbeat_ticks: c.heartbeat_ticks,
        read_timeout_ticks: c.read_timeout_ticks,
        snapshot_timeout_ticks: c.snapshot_timeout_ticks,
        vote_fence_ticks: c.vote_fence_ticks,
        max_peers: c.max_peers,
        max_inflight_msgs: c.max_inflight_msgs,
        max_outstanding: c.max_outstanding,
        max_entries_per_ready: c.max_entries_per_ready,
        max_messages: c.max_messages,
        max_reads: c.max_reads,
        max_tokens: c.max_tokens,
        priority: c.priority,
        max_apply_unpersisted: c.max_apply_unpersisted,
        recent_bytes: c.recent_bytes,
        catchup_bytes: c.catchup_bytes,
        max_size_per_msg: c.max_size_per_msg,
        max_committed_size_per_ready: c.max_committed_size_per_ready,
        max_uncommitted_size: c.max_uncommitted_size,
        max_inflight_bytes: c.max_inflight_bytes,
        max_entry_bytes: c.max_entry_bytes,
        max_snapshot_bytes: c.max_snapshot_bytes,
        block_bytes: c.block_bytes,
        own_write_timeout_ticks: c.own_write_timeout_ticks,
        election_jitter_ticks: c.election_jitter_ticks,
        peer_lags_ticks: c.peer_lags_ticks,
        no_leader_ticks: c.no_leader_ticks,
        max_entries_per_msg: c.max_entries_per_msg,
        caught_up_entries: c.caught_up_entries,
    })
}

fn config_out(c: &Config, struct_size: u32) -> raftcore_config {
    raftcore_config {
        struct_size,
        abi_version: RAFTCORE_ABI_VERSION,
        id: c.id,
        group: c.group,
        seed: c.seed,
        flags: c.flags.0,
        storage: c.storage as u32,
        dialect: c.dialect as u32,
        election_ticks: c.election_ticks,
        heartbeat_ticks: c.heartbeat_ticks,
        read_timeout_ticks: c.read_timeout_ticks,
        snapshot_timeout_ticks: c.snapshot_timeout_ticks,
        vote_fence_ticks: c.vote_fence_ticks,
        max_peers: c.max_peers,
        max_inflight_msgs: c.max_inflight_msgs,
        max_outstanding: c.max_outstanding,
        max_entries_per_ready: c.max_entries_per_ready,
        max_messages: c.max_messages,
        max_reads: c.max_reads,
        max_tokens: c.max_tokens,
        priority: c.priority,
        max_apply_unpersisted: c.max_apply_unpersisted,
        recent_bytes: c.recent_bytes,
        catchup_bytes: c.catchup_bytes,
        max_size_per_msg: c.max_size_per_msg,
        max_committed_size_per_ready: c.max_committed_size_per_ready,
        max_uncommitted_size: c.max_uncommitted_size,
        max_inflight_bytes: c.max_inflight_bytes,
        max_entry_bytes: c.max_entry_bytes,
        max_snapshot_bytes: c.max_snapshot_bytes,
        block_bytes: c.block_bytes,
        own_write_timeout_ticks: c.own_write_timeout_ticks,
        election_jitter_ticks: c.election_jitter_ticks,
        peer_lags_ticks: c.peer_lags_ticks,
        no_leader_ticks: c.no_leader_ticks,
        max_entries_per_msg: c.max_entries_per_msg,
        caught_up_entries: c.caught_up_entries,
    }
}
