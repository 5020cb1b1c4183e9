//! Group 1 of the page: the library itself, and a node from its configuration to its end.

use core::ffi::c_char;
use core::mem::size_of;

use super::constants::*;
use super::guard::{Call, Needs, Refusal, admit, dismiss, guard, guard_free, guard_value};
use super::output::Slots;
use super::texts;
use super::types::*;
use super::{ConfIn, STRUCT_SIZE_MAX, Sized32, array, conf_in, entries_in, place, struct_in, text_out};
use crate::{Config, EntryId, Error, Flags, HardState, Node, StorageMode, Stored, StoredConf, TermRun};

/// ==== 1  Make and free
///
/// The ABI of the library that runs. It suits this page if it equals RAFTCORE_ABI_VERSION.
///
/// Thread   Any thread, at any time.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_abi_version() -> u32 {
    RAFTCORE_ABI_VERSION
}

/// The version of the library that runs, as "0.1.0". Never NULL; lives for ever.
///
/// Thread   Any thread, at any time.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// What the library that runs is able to do: RAFTCORE_FEATURE_*.
///
/// Thread   Any thread, at any time.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_features() -> u64 {
    if cfg!(debug_assertions) { RAFTCORE_FEATURE_CHECKED } else { 0 }
}

/// A code in a few words. raftcore_error_detail says more about one that a node has just answered.
///
/// code     Any number; an unknown one has a text, too.
/// Lives    For ever. Never NULL.
/// Thread   Any thread, at any time.
/// Rust     Error::text
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_strerror(code: raftcore_code) -> *const c_char {
    guard_value(c"".as_ptr(), || texts::code(code))
}

/// Fills in the defaults. Call it first: it is what makes a program that is compiled against a newer page safe.
///
/// c            Caller's struct; need not be initialized. Set id and seed afterwards, and what shall differ.
/// struct_size  sizeof(raftcore_config)
/// Returns      RAFTCORE_OK     done; abi_version is set to this library's, too
///              RAFTCORE_E_ABI  struct_size is not one this library knows
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
        // SAFETY: the page asks for `struct_size` writable bytes; both parts lie in them.
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

/// Changes the fields in which a known library differs from the defaults, and no other.
///
/// c        A configuration after raftcore_config_init.
/// preset   RAFTCORE_PRESET_ETCD
/// Returns  RAFTCORE_OK     done
///          RAFTCORE_E_ARG  no such preset, or a field is out of its range
///          RAFTCORE_E_ABI  struct_size or abi_version is not one this library knows
/// Rust     Config::preset_etcd
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_config_preset(c: *mut raftcore_config, preset: u32) -> raftcore_code {
    plain(|| {
        // SAFETY: the page asks for a struct as large as it says.
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

/// Which field of a configuration is at fault, and what is allowed.
///
/// c        May be NULL: that is a fault, too.
/// buf      Gets a text with a NUL at its end, cut to cap bytes; may be NULL if cap is 0.
/// Returns  The length of the whole text, without the NUL; 0 if raftcore_new would take the configuration.
/// Rust     Config::check
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_config_error(c: *const raftcore_config, buf: *mut c_char, cap: usize) -> usize {
    guard_value(1, || {
        // SAFETY: the page asks for a struct as large as it says.
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

/// The largest frame that a peer of the same configuration sends, header included: so much a receive buffer must be able to hold.
///
/// c          Only read.
/// bytes_out  Bytes.
/// Returns    RAFTCORE_OK     *bytes_out is set
///            RAFTCORE_E_ARG  a field is out of its range: see raftcore_config_error
///            RAFTCORE_E_ABI  struct_size or abi_version is not one this library knows
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

/// How much memory raftcore_new will take.
///
/// c          Only read.
/// bytes_out  An upper bound. More is taken later only for entries larger than block_bytes, terms beyond the first
///            thousands, and batches that are much larger than usual.
/// Returns    RAFTCORE_OK     *bytes_out is set
///            RAFTCORE_E_ARG  a field is out of its range: see raftcore_config_error
///            RAFTCORE_E_ABI  struct_size or abi_version is not one this library knows
/// Rust       Node::footprint
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_footprint(c: *const raftcore_config, bytes_out: *mut usize) -> raftcore_code {
    plain(|| {
        // SAFETY: the page asks for a struct as large as it says, and a place for the answer.
        let (given, out) = unsafe { (struct_in(c)?, place(bytes_out)?) };
        let config = config_in(&given)?;
        out.write(Node::footprint(&config)?.saturating_add(Slots::footprint(&config)));
        Ok(RAFTCORE_OK)
    })
}

/// Makes a node. Then tell it what is stored of it: raftcore_boot.
///
/// c        Copied.
/// out      The new handle. Written only if the result is RAFTCORE_OK.
/// Lives    Until raftcore_free.
/// Memory   Takes what the node needs while it runs; see raftcore_footprint.
/// Returns  RAFTCORE_OK             a node
///          RAFTCORE_E_ARG          a field is out of its range: see raftcore_config_error
///          RAFTCORE_E_ABI          struct_size or abi_version is not one this library knows
///          RAFTCORE_E_UNSUPPORTED  a dialect this library does not speak
///          RAFTCORE_E_NOMEM        nothing is left behind
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

/// Boots a node from what its host has stored; then it runs. The data are checked against each other: what was forgotten is refused.
///
/// An empty disk, as of a node that joins a group: all zero, conf NULL. A founder of a group first stores, then boots from:
/// commit 1, applied 1, before_first 1, before_first_term 1, last 1, and conf with the founders as voters; found a group once,
/// with the same founders on each. After a call that fails the node can only be freed.
///
/// stored   Caller's struct, with struct_size set. Copied. If the entries above applied don't fit into memory at once, call
///          raftcore_boot_state, _conf, _terms, _entries and _done instead: the same in pieces.
/// Returns  RAFTCORE_OK         the node runs. The first ready tells what had to be repaired, if anything.
///          RAFTCORE_E_CORRUPT  stored data contradict each other, or some are missing: the detail says which
///          RAFTCORE_E_CONF     no valid configuration, or more than max_peers members
///          RAFTCORE_E_DECODE   stored->conf->bytes are no configuration
///          RAFTCORE_E_STATE    booted before; or conf is NULL though there is a log
///          RAFTCORE_E_FULL     RAFTCORE_STORAGE_MESSAGES: unapplied entries are larger than recent_bytes
///          RAFTCORE_E_NOMEM    an allocation failed
///          and the codes any call may return (see "Errors" above).
/// Rust     Node::boot
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot(node: *mut raftcore_node, stored: *const raftcore_stored) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a struct as large as it says, and for arrays that can be read for as long as the call lasts.
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

/// Restores the hard state: what the last stored ready with RAFTCORE_RF_HARD_STATE said. The first of the calls that boot in pieces.
///
/// They come in the order of this page, each at most once (raftcore_boot_entries as often as it takes), and only those for which
/// there is something.
///
/// term     As stored; so vote and commit.
/// Returns  RAFTCORE_OK         done
///          RAFTCORE_E_STATE    out of order
///          RAFTCORE_E_CORRUPT  a vote for nobody that can be, or numbers that no term or index has
///          and the codes any call may return (see "Errors" above), as in all that follow.
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

/// Restores the configuration as of the applied index: what the last raftcore_apply_conf or snapshot gave.
///
/// conf               Its bytes as stored, or the ids. Copied.
/// before_first       Where the log begins: the index before its first entry, which the last snapshot or compaction covers; 1 for
///                    founders.
/// before_first_term  The term there.
/// Returns            RAFTCORE_OK         done
///                    RAFTCORE_E_DECODE   conf->bytes are no ConfState
///                    RAFTCORE_E_CONF     no valid configuration, or more than max_peers members; the detail says which
///                    RAFTCORE_E_CORRUPT  before_first and its term can't be
///                    RAFTCORE_E_NOMEM, RAFTCORE_E_STATE as above
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
        // SAFETY: the page asks for a configuration that can be read for as long as the call lasts.
        match unsafe { conf_in(conf) }? {
            ConfIn::Bytes(bytes) => done(call.node.boot_conf_bytes(bytes, before)),
            ConfIn::Ids(ids, index) => done(call.node.boot_conf(&ids, index, before)),
        }
    })
}

/// Restores which term each part of the log has, and where the log ends: entries that are forgotten show then.
///
/// runs     In order, the first from before_first + 1; the last reaches to last. May be NULL if count is 0, which is right where
///          raftcore_boot_entries starts at the first entry. Copied.
/// last     Index of the log's last entry; before_first if there is none.
/// Returns  RAFTCORE_OK         done
///          RAFTCORE_E_CORRUPT  indexes or terms don't rise, or contradict what came before
///          RAFTCORE_E_STATE    out of order, or raftcore_boot_conf was forgotten
///          RAFTCORE_E_NOMEM, RAFTCORE_E_STATE as above
/// Rust     Node::boot_terms
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot_terms(
    node: *mut raftcore_node,
    runs: *const raftcore_run,
    count: usize,
    last: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` readable runs; raftcore_run and TermRun have one layout, as layout.rs proves.
        let runs = unsafe { array(runs.cast::<TermRun>(), count) }?;
        done(call.node.boot_terms(runs, last))
    })
}

/// Restores entries of the log, in order, in as many calls as it takes: at least all that are not yet applied.
///
/// e        May be NULL if count is 0. Copied; tokens are ignored.
/// Returns  RAFTCORE_OK         done
///          RAFTCORE_E_CORRUPT  a gap, or a term that contradicts what came before
///          RAFTCORE_E_ARG      an unknown kind of entry; node unchanged
///          RAFTCORE_E_NOMEM, RAFTCORE_E_STATE as above
/// Rust     Node::boot_entries
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot_entries(
    node: *mut raftcore_node,
    e: *const raftcore_entry,
    count: usize,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` entries that can be read for as long as the call lasts.
        let entries = unsafe { entries_in(e, count) }?;
        done(call.node.boot_entries(entries))
    })
}

/// Ends the boot: the node runs. The first ready tells what had to be repaired, if anything.
///
/// applied  What the state machine has applied, as stored with it.
/// Returns  RAFTCORE_OK         the node runs
///          RAFTCORE_E_CORRUPT  commit or applied lie beyond the log, or entries are missing; the detail says which
///          RAFTCORE_E_FULL     RAFTCORE_STORAGE_MESSAGES: unapplied entries are larger than recent_bytes
///          RAFTCORE_E_STATE    done before
/// Rust     Node::boot_done
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_boot_done(node: *mut raftcore_node, applied: u64) -> raftcore_code {
    guard(node, Needs::Sound, |call| done(call.node.boot_done(applied)))
}

/// Makes a second node of the same state, for tests and explorers: the same calls on both give the same answers.
///
/// node     The original; unchanged. Its views are not the clone's.
/// out      The clone. Written only if the result is RAFTCORE_OK.
/// Lives    Until raftcore_free.
/// Returns  RAFTCORE_OK       a node
///          RAFTCORE_E_STATE  in the middle of its boot
///          RAFTCORE_E_NOMEM  nothing is left behind
/// Rust     Node::try_clone
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_try_clone(node: *const raftcore_node, out: *mut *mut raftcore_node) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a place for the answer.
        let out = unsafe { place(out) }?;
        // The node is only looked at: what it has said is of earlier calls.
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

/// Ends a node. Nothing is written or sent; what is on disk boots the next one.
///
/// node     May be NULL: nothing happens. A second free answers RAFTCORE_E_HANDLE.
/// Lives    All that the node ever handed out ends here.
/// Thread   Any thread, if no other is in the node.
/// Returns  RAFTCORE_OK        it is gone
///          RAFTCORE_E_BUSY    another thread is in it: it is still there
///          RAFTCORE_E_HANDLE  freed before, or never made
///          The answer may be ignored.
/// Rust     drop
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_free(node: *mut raftcore_node) -> raftcore_code {
    if node.is_null() { RAFTCORE_OK } else { dismiss(node) }
}

/// A call without a node that converts as those with one do.
fn plain(body: impl FnOnce() -> Result<raftcore_code, Refusal>) -> raftcore_code {
    guard_free(|| {
        body().map_err(|refusal| match refusal {
            Refusal::Node(error) | Refusal::Said(error) | Refusal::Own(error, _) => error,
        })
    })
}

/// The answer of a call that says nothing else.
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
    if c.dialect != RAFTCORE_DIALECT_RAFTPB {
        return Err(Refusal::Own(Error::Unsupported, "dialect is not one this library speaks"));
    }
    if c.reserved0 != 0 {
        return Err(super::RESERVED);
    }
    let Some(storage) = StorageMode::from_number(c.storage) else {
        return Err(Refusal::Own(Error::Arg, "storage is none of RAFTCORE_STORAGE_*"));
    };
    Ok(Config {
        id: c.id,
        group: c.group,
        seed: c.seed,
        flags: Flags(c.flags),
        storage,
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
        dialect: RAFTCORE_DIALECT_RAFTPB,
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
        reserved0: 0,
    }
}
