//! Tests of the ABI without C: the sources keep their own rules, texts exist, a panic stays inside,
//! and readies show the node's contents.

use core::ffi::{CStr, c_char};
use core::ptr;

use super::*;
use crate::{EventKind, Node, Reason, wire};

/// The files that export functions.
const SOURCES: &[&str] = &[
    include_str!("life.rs"),
    include_str!("rounds.rs"),
    include_str!("turn.rs"),
    include_str!("members.rs"),
    include_str!("storage.rs"),
    include_str!("many.rs"),
    include_str!("look.rs"),
];

/// These functions only name a constant, or do nothing on NULL before entering the guard.
const BARE: &[&str] = &["raftcore_abi_version", "raftcore_version_string", "raftcore_features", "raftcore_free"];

fn functions() -> impl Iterator<Item = (&'static str, &'static str)> {
    SOURCES.iter().flat_map(|source| source.split("#[unsafe(no_mangle)]").skip(1)).map(|text| {
        let start = text.find("fn raftcore_").map_or(0, |at| at + 3);
        let name = text[start..].split('(').next().unwrap_or_default();
        let body = text[start..].split("\n}\n").next().unwrap_or_default();
        (name, body)
    })
}

#[test]
fn every_exported_function_goes_through_the_guard() {
    let enters = ["guard(", "guard_unless(", "guard_free(", "guard_value(", "simply(", "plain(", "without_node("];
    for (name, body) in functions() {
        let guarded = enters.iter().any(|call| body.contains(call));
        assert!(guarded || BARE.contains(&name), "{name} does not go through the guard");
    }
    assert!(functions().count() > 50);
}

/// Where an error is normal life, and a caller may look away.
const IGNORED: [&str; 5] = [
    "raftcore_free(",
    "raftcore_supply_none(",
    "raftcore_compacted(",
    "raftcore_report_unreachable(",
    "raftcore_report_snapshot(",
];

#[test]
fn every_code_that_may_be_ignored_is_meant_to_be() {
    for source in SOURCES {
        for text in source.split("#[unsafe(no_mangle)]").skip(1) {
            let head = text.split('{').next().unwrap_or_default();
            if head.contains("-> raftcore_code") {
                let ignored = IGNORED.iter().any(|name| head.contains(name));
                assert!(head.contains("#[must_use]") != ignored, "{head}");
            }
        }
    }
}

fn text(at: *const c_char) -> &'static str {
    assert!(!at.is_null());
    // SAFETY: the functions below return C strings that live for ever.
    unsafe { CStr::from_ptr(at) }.to_str().unwrap()
}

#[test]
fn every_code_event_and_reason_has_its_text_in_c() {
    for &error in Error::ALL {
        assert_eq!(text(raftcore_strerror(error.code())), error.text());
    }
    for &kind in EventKind::ALL {
        assert_eq!(text(raftcore_event_text(kind as u32)), kind.text());
    }
    for &reason in Reason::ALL {
        assert_eq!(text(raftcore_reason_text(reason as u32)), reason.text());
    }
    for unknown in [i32::MIN, -1000, -256, 99, i32::MAX] {
        assert!(text(raftcore_strerror(unknown)).contains("another version"));
    }
    assert_eq!(text(raftcore_event_text(u32::MAX)), "");
    assert_eq!(text(raftcore_reason_text(70_000)), "");
}

#[test]
fn every_event_and_reason_of_the_core_has_a_constant() {
    let page = include_str!("constants.rs");
    for &kind in EventKind::ALL {
        assert!(
            page.contains(&format!("_EVENT_{}: u32 = {};", shouted(&format!("{kind:?}")), kind as u32)),
            "{kind:?}"
        );
    }
}

/// `BecameLeader` as `BECAME_LEADER`.
fn shouted(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(c.to_uppercase());
    }
    out
}

fn config() -> raftcore_config {
    // SAFETY: a configuration of zero bytes is valid.
    let mut config: raftcore_config = unsafe { core::mem::zeroed() };
    // SAFETY: a whole struct is there.
    assert_eq!(unsafe { raftcore_config_init(&mut config, size_of::<raftcore_config>() as u32) }, RAFTCORE_OK);
    config.id = 1;
    config.seed = 1;
    config
}

fn made() -> *mut raftcore_node {
    made_as(&config())
}

fn made_as(config: &raftcore_config) -> *mut raftcore_node {
    let mut node = ptr::null_mut();
    // SAFETY: a whole struct and a place are there.
    assert_eq!(unsafe { raftcore_new(config, &mut node) }, RAFTCORE_OK);
    node
}

#[test]
fn a_panic_stays_inside_poisons_and_tells_its_place() {
    let node = made();
    let code = guard::guard(node, guard::Needs::Sound, |_| panic!("a test at {}", 42));
    assert_eq!(code, Error::Panic.code());

    // SAFETY: a live node.
    unsafe {
        assert_eq!(raftcore_tick(node, 1), Error::Poisoned.code());
        let mut text = [0 as c_char; 256];
        let len = raftcore_error_detail(node, text.as_mut_ptr(), text.len());
        let text = CStr::from_ptr(text.as_ptr()).to_str().unwrap();
        assert_eq!(text.len(), len);
        assert!(text.contains("src/ffi/tests.rs:") && text.contains("a test at 42"), "{text}");

        // Looking still works; a later error does not hide the cause.
        let mut status: raftcore_status = core::mem::zeroed();
        assert_eq!(raftcore_get_status(node, &mut status), Error::Abi.code());
        status.struct_size = size_of::<raftcore_status>() as u32;
        assert_eq!(raftcore_get_status(node, &mut status), RAFTCORE_OK);
        let mut again = [0 as c_char; 256];
        raftcore_error_detail(node, again.as_mut_ptr(), again.len());
        assert_eq!(text, CStr::from_ptr(again.as_ptr()).to_str().unwrap());
        assert_eq!(raftcore_free(node), RAFTCORE_OK);
    }
}

#[test]
fn a_panic_without_a_node_is_a_code() {
    assert_eq!(guard::guard_free(|| panic!("nobody's")), Error::Panic.code());
    assert_eq!(guard::guard_value(7, || panic!("nobody's")), 7);
}

#[test]
fn a_call_inside_a_call_is_refused() {
    let node = made();
    let code = guard::guard(node, guard::Needs::Sound, |_| {
        // SAFETY: a live node.
        unsafe {
            assert_eq!(raftcore_tick(node, 1), Error::Busy.code());
            assert_eq!(raftcore_free(node), Error::Busy.code());
        }
        Ok(RAFTCORE_OK)
    });
    assert_eq!(code, RAFTCORE_OK);
    // SAFETY: a live node, then a dead node.
    unsafe {
        assert_eq!(raftcore_free(node), RAFTCORE_OK);
        assert_eq!(raftcore_free(node), Error::Handle.code());
        assert_eq!(raftcore_tick(node, 1), Error::Handle.code());
    }
}

#[test]
fn an_output_longer_than_ours_ends_in_zeros() {
    #[repr(C)]
    struct Longer {
        status: raftcore_status,
        tail: [u64; 3],
    }
    let node = made();
    // SAFETY: a live node, and a struct of the stated size.
    unsafe {
        let mut longer = Longer { status: core::mem::zeroed(), tail: [u64::MAX; 3] };
        longer.status.struct_size = size_of::<Longer>() as u32;
        assert_eq!(raftcore_get_status(node, (&raw mut longer).cast()), RAFTCORE_OK);
        assert_eq!((longer.tail, longer.status.struct_size as usize), ([0; 3], size_of::<Longer>()));
        assert_eq!(raftcore_free(node), RAFTCORE_OK);
    }
}

#[test]
fn an_input_longer_than_ours_must_end_in_zeros() {
    #[repr(C)]
    struct Longer {
        config: raftcore_config,
        tail: [u64; 2],
    }
    let mut longer = Longer { config: config(), tail: [0, 0] };
    longer.config.struct_size = size_of::<Longer>() as u32;
    let mut bytes = 0;
    // SAFETY: a struct of the stated size, and a place.
    unsafe {
        assert_eq!(raftcore_footprint((&raw const longer).cast(), &mut bytes), RAFTCORE_OK);
        longer.tail[1] = 1 << 40;
        assert_eq!(raftcore_footprint((&raw const longer).cast(), &mut bytes), Error::Abi.code());
    }
}

/// An entry as shown: term, index, data, token.
type Shown = (u64, u64, Vec<u8>, u64);

fn shown_by_c(at: *const raftcore_entry, count: u32, stride: u32) -> Vec<Shown> {
    assert_eq!(stride as usize, size_of::<raftcore_entry>());
    assert_eq!(at.is_null(), count == 0);
    // SAFETY: a list of a ready that is not advanced yet.
    let list = if at.is_null() { &[][..] } else { unsafe { core::slice::from_raw_parts(at, count as usize) } };
    list.iter()
        .map(|e| {
            // SAFETY: a slice in a list of such a ready.
            let data = if e.data.ptr.is_null() { &[][..] } else { unsafe { checked(&e.data) } };
            (e.term, e.index, data.to_vec(), e.token)
        })
        .collect()
}

fn shown_by_rust(entries: crate::Entries<'_>) -> Vec<Shown> {
    entries.map(|e| (e.term, e.index, e.data.to_vec(), e.token)).collect()
}

/// An append of a leader, to node 1.
fn append(from: u64, term: u64, prev: (u64, u64), count: u64, commit: u64) -> Vec<u8> {
    let mut bytes = vec![0; 100];
    let head = wire::Head {
        kind: crate::MessageKind::App,
        to: 1,
        from,
        term,
        index: prev.0,
        log_term: prev.1,
        commit,
        ..wire::Head::default()
    };
    let len = wire::write_head(&mut bytes, &head, &[]);
    bytes.truncate(len);
    for index in prev.0 + 1..=prev.0 + count {
        let (mut head, data) = ([0; wire::MAX_RECORD_HEAD], vec![term as u8; (index * term % 50) as usize]);
        let len = wire::write_record_head(&mut head, term, index, crate::EntryKind::Normal, data.len());
        bytes.extend([&head[..len], &data].concat());
    }
    bytes
}

/// Returns a founder of a group of `voters`, in C.
fn booted(config: &raftcore_config, voters: &[u64]) -> *mut raftcore_node {
    let node = made_as(config);
    // SAFETY: a live node; a whole struct of zero bytes is valid.
    unsafe {
        let mut conf: raftcore_conf = core::mem::zeroed();
        conf.struct_size = size_of::<raftcore_conf>() as u32;
        (conf.voters, conf.n_voters) = (voters.as_ptr(), voters.len() as u32);
        assert_eq!(raftcore_boot_state(node, 0, 0, 1), RAFTCORE_OK);
        assert_eq!(raftcore_boot_conf(node, &conf, 1, 1), RAFTCORE_OK);
        assert_eq!(raftcore_boot_done(node, 1), RAFTCORE_OK);
    }
    node
}

/// Returns a node of a group of `voters` as C sees the node, and an equal node in Rust.
fn both(voters: &[u64]) -> (*mut raftcore_node, Node) {
    let mut rust = Node::new(&crate::Config { seed: 1, ..crate::Config::new(1) }).unwrap();
    rust.boot_state(crate::HardState { term: 0, vote: 0, commit: 1 }).unwrap();
    let conf = wire::ConfStateRef { voters, ..Default::default() };
    rust.boot_conf(&conf, 0, crate::EntryId { term: 1, index: 1 }).unwrap();
    rust.boot_done(1).unwrap();
    (booted(&config(), voters), rust)
}

/// Does all work of both nodes, and compares the readies; some readies are taken flat. Returns the
/// number of committed entries.
fn work(node: *mut raftcore_node, rust: &mut Node, mut flat: impl FnMut() -> bool) -> usize {
    let mut committed = 0;
    while let Some(ready) = rust.ready().unwrap() {
        let number = ready.number();
        let wanted = [shown_by_rust(ready.entries()), shown_by_rust(ready.committed())];
        committed += wanted[1].len();
        // SAFETY: a live node, and a struct and a buffer as large as they are said to be.
        unsafe {
            if flat() {
                let mut buffer = vec![0; 1 << 16];
                let code = raftcore_ready_flat(node, buffer.as_mut_ptr(), buffer.len(), ptr::null_mut());
                assert_eq!(code, RAFTCORE_OK);
            } else {
                let mut out: raftcore_ready = core::mem::zeroed();
                out.struct_size = size_of::<raftcore_ready>() as u32;
                assert_eq!(raftcore_get_ready(node, &mut out), RAFTCORE_OK);
                let shown = [(out.entries, out.n_entries), (out.committed, out.n_committed)];
                assert_eq!(shown.map(|(at, count)| shown_by_c(at, count, out.entry_stride)), wanted);
            }
            assert_eq!(raftcore_advance(node, number), RAFTCORE_OK);
        }
        rust.advance(number).unwrap();
    }
    committed
}

/// Committed entries are shown in the records in which the entries were shown to be stored, if the
/// records still exist and are still valid.
#[test]
fn committed_entries_are_those_of_the_log_whatever_was_shown_before() {
    let mut state = 1u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % bound
    };
    for flat in [0, 3] {
        let (node, mut rust) = both(&[1, 2, 3]);
        let mut committed = 0;
        for _ in 0..3000 {
            let status = rust.status();
            // A leader of the same term goes on, commits, or both; a leader of a later term
            // overwrites entries that are not committed.
            let later = below(6) == 0;
            let term = status.term.max(1) + u64::from(later);
            let back = if later { below(status.last_index - status.commit + 1) } else { 0 };
            let prev = status.last_index - back;
            let log_term = rust.term_runs().iter().rev().find(|run| run.first <= prev).map_or(1, |run| run.term);
            let count = below(12);
            let commit = (status.commit + below(14)).min(prev + count);
            let bytes = append(2 + term % 2, term, (prev, log_term), count, commit);
            rust.step(0, &bytes).unwrap();
            // SAFETY: a live node, and bytes.
            assert_eq!(unsafe { raftcore_step(node, 0, bytes.as_ptr(), bytes.len()) }, RAFTCORE_OK);
            if below(3) > 0 {
                committed += work(node, &mut rust, || flat > 0 && below(flat) == 0);
            }
        }
        assert!(committed > 1000, "{committed}");
        // SAFETY: a live node.
        assert_eq!(unsafe { raftcore_free(node) }, RAFTCORE_OK);
    }
}

#[test]
fn tokens_are_shown_with_committed_entries_and_not_with_those_to_be_stored() {
    let (node, mut rust) = both(&[1]);
    // SAFETY: a live node.
    assert_eq!(unsafe { raftcore_campaign(node) }, RAFTCORE_OK);
    rust.campaign().unwrap();
    for round in 0..50 {
        for i in 0..round % 7 {
            let (data, token) = (vec![7; i as usize], (round % 3) * 100 + i);
            let part = raftcore_slice { ptr: data.as_ptr(), len: data.len() };
            // SAFETY: a live node, and a slice.
            assert_eq!(unsafe { raftcore_propose(node, &part, 1, token) }, RAFTCORE_OK);
            rust.propose(&data, token).unwrap();
        }
        work(node, &mut rust, || false);
    }
    // SAFETY: a live node.
    assert_eq!(unsafe { raftcore_free(node) }, RAFTCORE_OK);
}

/// Takes a turn of the loop.
fn turn(node: *mut raftcore_node, done: u64, frames: &[u8]) -> (raftcore_code, raftcore_ready) {
    // SAFETY: structs of zero bytes are valid; a live node, and structs of the stated sizes.
    unsafe {
        let (mut input, mut out): (raftcore_input, raftcore_ready) = core::mem::zeroed();
        input.struct_size = size_of::<raftcore_input>() as u32;
        out.struct_size = size_of::<raftcore_ready>() as u32;
        (input.done, input.frames) = (done, raftcore_slice { ptr: frames.as_ptr(), len: frames.len() });
        let code = raftcore_turn(node, &mut input, &mut out);
        assert_eq!(input.first, RAFTCORE_OK);
        (code, out)
    }
}

/// Takes turns until there is nothing to do.
fn settle(node: *mut raftcore_node) {
    let mut done = 0;
    loop {
        let (code, ready) = turn(node, done, &[]);
        if code == RAFTCORE_NONE {
            return;
        }
        assert!(code == RAFTCORE_OK || code == RAFTCORE_LAST, "{code}");
        done = ready.number;
    }
}

#[test]
fn the_views_of_a_ready_end_with_the_turn_that_acknowledges_it() {
    let node = booted(&raftcore_config { flags: RAFTCORE_FLAG_DEBUG_POISON_VIEWS, ..config() }, &[1]);
    // SAFETY: a live node.
    assert_eq!(unsafe { raftcore_campaign(node) }, RAFTCORE_OK);
    settle(node);
    for round in 0..3 {
        let part = raftcore_slice { ptr: b"view".as_ptr(), len: 4 };
        // SAFETY: a live node, and a slice.
        assert_eq!(unsafe { raftcore_propose(node, &part, 1, 0) }, RAFTCORE_OK);
        let (code, stored) = turn(node, 0, &[]);
        assert_eq!((code, stored.n_entries), (RAFTCORE_OK, 1));
        // SAFETY: the node owns the array until its end, whatever is in it.
        let term = || unsafe { (*stored.entries).term };
        assert_eq!(term(), 1);
        let (code, applied) = turn(node, stored.number, &[]);
        assert_eq!((code, applied.n_committed), (RAFTCORE_LAST, 1));
        assert_ne!(term(), 1, "round {round}");
        assert_eq!(turn(node, applied.number, &[]).0, RAFTCORE_NONE);
    }
    // SAFETY: a live node.
    assert_eq!(unsafe { raftcore_free(node) }, RAFTCORE_OK);
}

/// An append as a frame.
fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_le_bytes()[..], &0u64.to_le_bytes(), message].concat()
}

#[test]
fn committed_entries_are_shown_in_the_place_where_they_were_shown_to_be_stored() {
    let node = booted(&config(), &[1, 2, 3]);
    let (code, stored) = turn(node, 0, &framed(&append(2, 1, (1, 1), 100, 1)));
    assert_eq!((code, stored.n_entries, stored.n_committed), (RAFTCORE_LAST, 100, 0));
    let (code, committed) = turn(node, stored.number, &framed(&append(2, 1, (101, 1), 0, 91)));
    assert_eq!((code, committed.n_committed), (RAFTCORE_LAST, 90));
    assert_eq!(committed.committed, stored.entries);
    // SAFETY: a live node.
    assert_eq!(unsafe { raftcore_free(node) }, RAFTCORE_OK);
}

#[test]
fn a_ready_of_entries_shows_nothing_rare() {
    let (node, mut rust) = both(&[1]);
    rust.campaign().unwrap();
    assert!(!rust.ready().unwrap().unwrap().has_more());
    // SAFETY: a live node.
    assert_eq!(unsafe { raftcore_free(node) }, RAFTCORE_OK);
}

#[test]
fn contexts_of_the_other_dialect_are_shown_with_their_entries() {
    let node = booted(&raftcore_config { dialect: RAFTCORE_DIALECT_ERAFTPB, ..config() }, &[1]);
    let slice = |bytes: &'static [u8]| raftcore_slice { ptr: bytes.as_ptr(), len: bytes.len() };
    // SAFETY: a live node, and slices.
    unsafe {
        assert_eq!(raftcore_campaign(node), RAFTCORE_OK);
        settle(node);
        for context in [&b"one"[..], b"two"] {
            assert_eq!(raftcore_propose_with_context(node, 0, slice(context), slice(b"x"), 0), RAFTCORE_OK);
        }
        let (code, ready) = turn(node, 0, &[]);
        assert_eq!((code, ready.n_entries), (RAFTCORE_OK, 2));
        let shown = core::slice::from_raw_parts(ready.entries, 2);
        assert_eq!((checked(&shown[0].context), checked(&shown[0].data)), (&b"one"[..], &b"x"[..]));
        assert_eq!((checked(&shown[1].context), checked(&shown[1].data)), (&b"two"[..], &b"x"[..]));
        assert_eq!(raftcore_free(node), RAFTCORE_OK);
    }
}
