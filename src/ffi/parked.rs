//! The headers of handles: where new headers come from, and where freed headers wait. Without a
//! lock, so that no child process inherits a locked lock.
//!
//! Headers lie in chunks that double in size and are never freed, so each header has a stable
//! number. A freed header first waits in a ring of [`QUARANTINE`] places, where a late call still
//! finds a dead handle. A header pushed out of the ring goes on a stack of free headers, from which
//! `raftcore_new` takes. The top of the stack is a number with a count of changes beside the
//! number, so that a compare-and-swap can't mistake a header that left and came back for a header
//! that stayed.
//!
//! A thread that ends in the middle (a fork keeps only the forking thread) loses at most the header
//! in motion.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::guard::raftcore_node;
use crate::Error;

/// The number of freed handles that wait before a place is used again, at least.
pub(super) const QUARANTINE: usize = 256;

/// Headers in the first chunk. Each further chunk has twice as many as the chunk before.
const FIRST: u32 = 8;
/// With so many chunks, there are numbers for all handles that fit into memory.
const CHUNKS: usize = 28;

/// Number 0 is nobody's.
const NOBODY: u32 = 0;

static CHUNK: [AtomicPtr<raftcore_node>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];
/// The next number that no header has had.
static NEXT: AtomicU32 = AtomicU32::new(1);
static RING: [AtomicU32; QUARANTINE] = [const { AtomicU32::new(NOBODY) }; QUARANTINE];
/// Headers put into the ring so far.
static PUT: AtomicUsize = AtomicUsize::new(0);
/// The top of the stack: changes in the upper half, the number in the lower.
static TOP: AtomicU64 = AtomicU64::new(0);

/// Returns the chunk of a number, and the place in the chunk.
fn place(number: u32) -> (usize, u32) {
    let at = u64::from(number) - 1 + u64::from(FIRST);
    let chunk = at.ilog2() - FIRST.ilog2();
    (chunk as usize, (at - (u64::from(FIRST) << chunk)) as u32)
}

/// Returns the header with the given number.
fn header(number: u32) -> Option<&'static raftcore_node> {
    let (chunk, at) = place(number);
    let first = CHUNK.get(chunk)?.load(Ordering::Acquire);
    if first.is_null() {
        return None;
    }
    // SAFETY: a published chunk has as many headers as its place says, lives for ever, and holds
    // the number.
    Some(unsafe { &*first.add(at as usize) })
}

/// Returns an unused header: a waiting header, or a new header.
pub(super) fn take() -> Result<&'static raftcore_node, Error> {
    match pop() {
        Some(header) => Ok(header),
        None => fresh(),
    }
}

/// Takes back the header of a dead handle.
pub(super) fn put(header: &'static raftcore_node) {
    let at = PUT.fetch_add(1, Ordering::Relaxed) % QUARANTINE;
    let Some(slot) = RING.get(at) else { return };
    let before = slot.swap(header.number.load(Ordering::Relaxed), Ordering::AcqRel);
    if before != NOBODY {
        push(before);
    }
}

fn push(number: u32) {
    let Some(header) = header(number) else { return };
    let mut top = TOP.load(Ordering::Relaxed);
    loop {
        header.below.store(top as u32, Ordering::Relaxed);
        let new = changed(top, number);
        match TOP.compare_exchange_weak(top, new, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => top = now,
        }
    }
}

fn pop() -> Option<&'static raftcore_node> {
    let mut top = TOP.load(Ordering::Acquire);
    loop {
        let header = if top as u32 == NOBODY { None } else { header(top as u32) }?;
        let new = changed(top, header.below.load(Ordering::Relaxed));
        match TOP.compare_exchange_weak(top, new, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => return Some(header),
            Err(now) => top = now,
        }
    }
}

/// Returns the top of the stack with another number, and one change more.
fn changed(top: u64, number: u32) -> u64 {
    (top >> 32).wrapping_add(1) << 32 | u64::from(number)
}

/// Makes a new header.
#[cold]
fn fresh() -> Result<&'static raftcore_node, Error> {
    let number = NEXT.load(Ordering::Relaxed);
    // Memory first: a number without a header would be lost.
    let (chunk, _) = place(number);
    publish(chunk)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let (chunk, _) = place(number);
    publish(chunk)?;
    let header = header(number).ok_or(Error::NoMem)?;
    header.number.store(number, Ordering::Relaxed);
    Ok(header)
}

/// Makes sure that a chunk exists.
fn publish(chunk: usize) -> Result<(), Error> {
    let slot = CHUNK.get(chunk).ok_or(Error::NoMem)?;
    if !slot.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let count = (FIRST as usize) << chunk;
    let mut headers = Vec::new();
    headers.try_reserve_exact(count).map_err(|_| Error::NoMem)?;
    headers.resize_with(count, raftcore_node::dead);
    let mine = Box::into_raw(headers.into_boxed_slice()).cast::<raftcore_node>();
    if slot.compare_exchange(ptr::null_mut(), mine, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // SAFETY: the pointer came from a box of `count` headers just now, and no thread has seen
        // the pointer: another thread published first.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(mine, count)) });
    }
    Ok(())
}
