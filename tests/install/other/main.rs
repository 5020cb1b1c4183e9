//! Another Rust static library, to stand in one program with ours: built on its own, with a standard library of its own, and unwinding.

use std::panic::{catch_unwind, set_hook};

/// Panics, catches it, and answers what was thrown.
#[unsafe(no_mangle)]
pub extern "C" fn other_caught(value: i32) -> i32 {
    set_hook(Box::new(|_| {}));
    let thrown = catch_unwind(|| -> i32 { std::panic::panic_any(value) });
    thrown.err().and_then(|value| value.downcast_ref::<i32>().copied()).unwrap_or(-1)
}
