//! The heap of this test: it counts what a thread holds, and lets one call of it fail.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

#[derive(Clone, Copy)]
struct State {
    /// Allocations that this thread holds.
    live: i64,
    /// Calls until one fails; 0: none does.
    left: u64,
    /// Whether it did.
    failed: bool,
}

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State { live: 0, left: 0, failed: false }) };
}

fn with<T>(change: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|cell| {
        let mut state = cell.get();
        let out = change(&mut state);
        cell.set(state);
        out
    })
}

fn fails() -> bool {
    with(|state| {
        if state.left == 0 {
            return false;
        }
        state.left -= 1;
        state.failed |= state.left == 0;
        state.left == 0
    })
}

// SAFETY: every call goes to the system's allocator, or answers null, which is an allocator's right; the cell neither allocates nor drops.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return std::ptr::null_mut();
        }
        with(|state| state.live += 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        with(|state| state.live -= 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if fails() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Allocations that this thread holds.
pub fn live() -> i64 {
    with(|state| state.live)
}

/// Does something in which the `n`th call to the heap fails. Also tells whether it came to that.
pub fn failing<T>(n: u64, what: impl FnOnce() -> T) -> (T, bool) {
    with(|state| (state.left, state.failed) = (n, false));
    let out = what();
    (
        out,
        with(|state| {
            state.left = 0;
            state.failed
        }),
    )
}
