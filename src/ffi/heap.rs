//! The memory functions of the host: with the feature `heap`, as the C libraries are built, all
//! memory of the library comes from here.

use super::guard::{Refusal, guard_free};
use super::types::{raftcore_code, raftcore_heap};
use crate::Error;

/// Sets the memory functions, before any other call of the library.
///
/// The library calls the functions inside calls of the host, from the host's thread, and nowhere
/// else. The functions must not call the library, and must not fail by a jump or an exception. No
/// other function of a host is ever called.
///
/// heap     Copied. The functions stay in use for the life of the process.
/// Thread   One thread, before other threads use the library.
/// Returns  RAFTCORE_OK             set
///          RAFTCORE_E_STATE        the library has taken memory already, or the call came before
///          RAFTCORE_E_NULL         a function is NULL
///          RAFTCORE_E_ARG          a reserved field is not 0
///          RAFTCORE_E_UNSUPPORTED  built without the feature, as the Rust crate is by default
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_set_heap(heap: *const raftcore_heap) -> raftcore_code {
    guard_free(|| {
        // SAFETY: the page asks for a struct of the stated size.
        let heap = unsafe { super::struct_in(heap) }.map_err(|refusal| match refusal {
            Refusal::Node(error) | Refusal::Said(error) | Refusal::Own(error, _) => error,
        })?;
        if heap.reserved0 != 0 {
            return Err(Error::Arg);
        }
        if heap.alloc.is_none() || heap.resize.is_none() || heap.free.is_none() {
            return Err(Error::Null);
        }
        set(heap)
    })
}

#[cfg(not(feature = "heap"))]
fn set(_: raftcore_heap) -> Result<raftcore_code, Error> {
    Err(Error::Unsupported)
}

#[cfg(feature = "heap")]
pub use host::Heap;
#[cfg(feature = "heap")]
use host::set;

#[cfg(feature = "heap")]
mod host {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::constants::RAFTCORE_OK;
    use super::super::types::{raftcore_code, raftcore_heap};
    use crate::Error;

    /// The allocator of a library that was built for C.
    #[derive(Debug)]
    pub struct Heap;

    static HOST: OnceLock<Functions> = OnceLock::new();
    /// Whether memory of the system is in use: such memory must be freed by the system.
    static USED: AtomicBool = AtomicBool::new(false);

    struct Functions(raftcore_heap);

    // SAFETY: the page asks for functions that every thread may call with the context.
    unsafe impl Send for Functions {}
    // SAFETY: as above.
    unsafe impl Sync for Functions {}

    pub(super) fn set(heap: raftcore_heap) -> Result<raftcore_code, Error> {
        if USED.load(Ordering::Acquire) || HOST.set(Functions(heap)).is_err() {
            return Err(Error::State);
        }
        Ok(RAFTCORE_OK)
    }

    // SAFETY: memory of the host's functions goes back to them, memory of the system to the system:
    // the functions are only set before any memory was taken.
    unsafe impl GlobalAlloc for Heap {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            match HOST.get() {
                Some(Functions(raftcore_heap { context, alloc: Some(alloc), .. })) => {
                    // SAFETY: the page's promise.
                    unsafe { alloc(*context, layout.size(), layout.align()) }.cast()
                }
                _ => {
                    USED.store(true, Ordering::Release);
                    // SAFETY: the caller's promise.
                    unsafe { System.alloc(layout) }
                }
            }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            match HOST.get() {
                Some(Functions(raftcore_heap { context, free: Some(free), .. })) => {
                    // SAFETY: `alloc` or `resize` returned the memory, with this layout.
                    unsafe { free(*context, at.cast(), layout.size(), layout.align()) };
                }
                // SAFETY: the caller's promise.
                _ => unsafe { System.dealloc(at, layout) },
            }
        }

        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            match HOST.get() {
                Some(Functions(raftcore_heap { context, resize: Some(resize), .. })) => {
                    // SAFETY: as in `dealloc`.
                    unsafe { resize(*context, at.cast(), layout.size(), size, layout.align()) }.cast()
                }
                // SAFETY: the caller's promise.
                _ => unsafe { System.realloc(at, layout, size) },
            }
        }
    }
}
