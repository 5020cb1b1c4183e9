//! Where the memory comes from, when this library is one for C: the system's `malloc`, or what the host has set before anything else.
//!
//! Built into a Rust program, nothing of this is there: that program has its allocator.

use super::guard::Refusal;
use super::types::raftcore_allocator;

#[cfg(not(raftcore_c_library))]
pub(super) fn set(_: &raftcore_allocator) -> Result<(), Refusal> {
    Err(Refusal::Own(crate::Error::Unsupported, "this library is part of a Rust program, which has its own allocator"))
}

#[cfg(raftcore_c_library)]
pub(super) use hooks::set;

#[cfg(raftcore_c_library)]
mod hooks {
    use core::ffi::c_void;
    use core::ptr;
    use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
    use std::alloc::{GlobalAlloc, Layout, System};

    use super::{Refusal, raftcore_allocator};
    use crate::Error;

    type Alloc = unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void;
    type Release = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, usize);

    /// Nothing was asked for yet.
    const FRESH: u8 = 0;
    /// The system's.
    const SYSTEM: u8 = 1;
    /// The host's is being set: for one call only.
    const SETTING: u8 = 2;
    /// The host's.
    const HOST: u8 = 3;

    static STATE: AtomicU8 = AtomicU8::new(FRESH);
    static ALLOC: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
    static RELEASE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
    static USER: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

    pub(in crate::ffi) fn set(table: &raftcore_allocator) -> Result<(), Refusal> {
        let (Some(alloc), Some(release)) = (table.alloc, table.release) else { return Err(Error::Null.into()) };
        if STATE.compare_exchange(FRESH, SETTING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Err(Refusal::Own(Error::State, "memory has been taken already"));
        }
        ALLOC.store(alloc as *mut (), Ordering::Relaxed);
        RELEASE.store(release as *mut (), Ordering::Relaxed);
        USER.store(table.user, Ordering::Relaxed);
        STATE.store(HOST, Ordering::Release);
        Ok(())
    }

    /// Whether the host's functions serve; decides it for ever at the first ask.
    #[inline]
    fn host() -> bool {
        match STATE.load(Ordering::Acquire) {
            SYSTEM => false,
            HOST => true,
            _ => decide(),
        }
    }

    #[cold]
    fn decide() -> bool {
        // While another thread is setting (which the page forbids), wait for its few stores.
        loop {
            match STATE.compare_exchange(FRESH, SYSTEM, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) | Err(SYSTEM) => return false,
                Err(HOST) => return true,
                Err(_) => core::hint::spin_loop(),
            }
        }
    }

    struct Chosen;

    // SAFETY: each method passes its arguments to the system's allocator or to the host's functions, whose contract is the same;
    // which of the two never changes after the first use.
    unsafe impl GlobalAlloc for Chosen {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if host() {
                // SAFETY: HOST is set after a valid function was stored.
                let alloc = unsafe { core::mem::transmute::<*mut (), Alloc>(ALLOC.load(Ordering::Relaxed)) };
                // SAFETY: the page tells the host what is asked of it.
                unsafe { alloc(USER.load(Ordering::Relaxed), layout.size(), layout.align()) }.cast()
            } else {
                // SAFETY: the caller's promise.
                unsafe { System.alloc(layout) }
            }
        }

        unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
            if host() {
                // SAFETY: HOST is set after a valid function was stored.
                let release = unsafe { core::mem::transmute::<*mut (), Release>(RELEASE.load(Ordering::Relaxed)) };
                // SAFETY: it came from the host's alloc, with this layout.
                unsafe { release(USER.load(Ordering::Relaxed), ptr.cast(), layout.size(), layout.align()) };
            } else {
                // SAFETY: the caller's promise.
                unsafe { System.dealloc(ptr, layout) }
            }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            if host() {
                // SAFETY: the caller's promise.
                let ptr = unsafe { self.alloc(layout) };
                if !ptr.is_null() {
                    // SAFETY: as many bytes were just given.
                    unsafe { ptr.write_bytes(0, layout.size()) };
                }
                ptr
            } else {
                // SAFETY: the caller's promise.
                unsafe { System.alloc_zeroed(layout) }
            }
        }

        unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
            if !host() {
                // SAFETY: the caller's promise.
                return unsafe { System.realloc(ptr, layout, new_size) };
            }
            // SAFETY: the caller promises that the new size is none that overflows.
            let new = unsafe { self.alloc(Layout::from_size_align_unchecked(new_size, layout.align())) };
            if !new.is_null() {
                // SAFETY: both have room for the lesser size, and the old one came from the host's alloc.
                unsafe {
                    ptr::copy_nonoverlapping(ptr, new, layout.size().min(new_size));
                    self.dealloc(ptr, layout);
                }
            }
            new
        }
    }

    #[global_allocator]
    static CHOSEN: Chosen = Chosen;
}
