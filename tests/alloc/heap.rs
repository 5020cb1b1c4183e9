//! An allocator that counts, for each thread on its own, so that tests which run side by side don't see each other.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Calls that give memory, and the bytes that are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    pub calls: u64,
    pub live: i64,
}

thread_local! {
    static HEAP: Cell<Heap> = const { Cell::new(Heap { calls: 0, live: 0 }) };
    static FORBIDDEN: Cell<bool> = const { Cell::new(false) };
}

/// What this thread has done so far.
pub fn now() -> Heap {
    HEAP.get()
}

/// From now on this thread is to take nothing: if it does, the place is printed, once.
pub fn forbid(forbidden: bool) {
    FORBIDDEN.set(forbidden);
}

fn count(calls: u64, bytes: i64) {
    // A thread that ends frees memory after its counter is gone: nobody asks any more.
    let _ = HEAP.try_with(|heap| {
        let Heap { calls: before, live } = heap.get();
        heap.set(Heap { calls: before + calls, live: live + bytes });
    });
    if calls > 0 && FORBIDDEN.try_with(|forbidden| forbidden.replace(false)).is_ok_and(|forbidden| forbidden) {
        eprintln!("{bytes} bytes more are taken at\n{}", std::backtrace::Backtrace::force_capture());
    }
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
