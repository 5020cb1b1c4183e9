//! What can be tested without C: that the sources keep their own rules, that texts are there, that a panic stays inside.

use core::ffi::{CStr, c_char};
use core::ptr;

use super::*;
use crate::{EventKind, Reason};

/// The files that export functions.
const SOURCES: &[&str] = &[
    include_str!("life.rs"),
    include_str!("rounds.rs"),
    include_str!("members.rs"),
    include_str!("storage.rs"),
    include_str!("many.rs"),
    include_str!("look.rs"),
];

/// These only name a constant, or do nothing on NULL before they enter the guard.
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
    let enters = ["guard(", "guard_after(", "guard_free(", "guard_value(", "simply(", "plain(", "without_node("];
    for (name, body) in functions() {
        let guarded = enters.iter().any(|call| body.contains(call));
        assert!(guarded || BARE.contains(&name), "{name} does not go through the guard");
    }
    assert!(functions().count() > 50);
}

#[test]
fn every_code_that_may_be_ignored_is_meant_to_be() {
    for source in SOURCES {
        for text in source.split("#[unsafe(no_mangle)]").skip(1) {
            let head = text.split('{').next().unwrap_or_default();
            if head.contains("-> raftcore_code") && !head.contains("raftcore_free") {
                assert!(head.contains("#[must_use]"), "{head}");
            }
        }
    }
}

fn text(at: *const c_char) -> &'static str {
    assert!(!at.is_null());
    // SAFETY: the functions below answer with C strings that live for ever.
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
    for unknown in [i32::MIN, -1000, -256, 3, i32::MAX] {
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
    // SAFETY: all bytes zero are a value of it.
    let mut config: raftcore_config = unsafe { core::mem::zeroed() };
    // SAFETY: a whole struct is there.
    assert_eq!(unsafe { raftcore_config_init(&mut config, size_of::<raftcore_config>() as u32) }, RAFTCORE_OK);
    config.id = 1;
    config.seed = 1;
    config
}

fn made() -> *mut raftcore_node {
    let mut node = ptr::null_mut();
    // SAFETY: a whole struct and a place are there.
    assert_eq!(unsafe { raftcore_new(&config(), &mut node) }, RAFTCORE_OK);
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
    // SAFETY: a live node, then a dead one.
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
    // SAFETY: a live node, and a struct as large as it says.
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
    // SAFETY: a struct as large as it says, and a place.
    unsafe {
        assert_eq!(raftcore_footprint((&raw const longer).cast(), &mut bytes), RAFTCORE_OK);
        longer.tail[1] = 1 << 40;
        assert_eq!(raftcore_footprint((&raw const longer).cast(), &mut bytes), Error::Abi.code());
    }
}
