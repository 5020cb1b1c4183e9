//! The C ABI, a thin layer. Each function passes the guard, converts its arguments, calls a single
//! method of [`Node`](crate::Node), and converts the result.
//!
//! The doc comments of exported functions and types are for C readers: `make header` turns the
//! comments into `include/raftcore.h`, in the order of the source and of the template
//! `mk/header/raftcore.h.in`.
//!
//! Here: arguments that come as pointers, and how structs grow. Sizes follow the rules of Linux's
//! openat2: the caller states the size of a struct; fields beyond a shorter struct count as zero,
//! and bytes of a longer struct beyond ours must be zero.

#![allow(unsafe_code)] // the only module that has any
#![allow(non_camel_case_types)] // names as C spells them
#![allow(clippy::missing_safety_doc)] // the page says it in C's words
#![allow(rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)] // and in its brackets
#![warn(clippy::undocumented_unsafe_blocks)]

// The page, in its order: the blank lines keep rustfmt from sorting.
mod constants;

mod types;

mod life;

mod rounds;

mod turn;

mod members;

mod storage;

mod many;

mod look;

pub(crate) mod heap;

// The parts behind the page.
mod flat;
mod guard;
mod layout;
mod output;
mod parked;
mod texts;

#[cfg(test)]
mod tests;

pub use constants::*;
pub use life::*;
pub use look::*;
pub use many::*;
pub use members::*;
pub use rounds::*;
pub use storage::*;
pub use turn::*;
pub use types::*;

use core::mem::{MaybeUninit, size_of};
use core::slice;

use libc::c_char;

use guard::Refusal;

use crate::wire::ConfStateRef;
use crate::{EntryKind, EntryRef, Error};

/// No struct is larger, now or later: a larger size is a lie or garbage.
const STRUCT_SIZE_MAX: usize = 4096;

const NULL: Refusal = Refusal::Own(Error::Null, "a required pointer is NULL");
const ABI: Refusal = Refusal::Own(Error::Abi, "struct_size is not one this library knows");

/// A struct of the page that states its size: a `u32` at its start.
///
/// # Safety
/// The first field is `struct_size: u32`, a struct of zero bytes is valid, and there is no padding.
// SAFETY: an implementation is the promise above.
unsafe trait Sized32: Copy {
    /// The size of the struct in ABI version 1.
    const FIRST: usize;
}

macro_rules! sized32 {
    ($($name:ident)*) => { $(
        // SAFETY: integers, pointers and optional functions only; layout.rs proves the places of
        // the fields.
        unsafe impl Sized32 for types::$name { const FIRST: usize = size_of::<Self>(); }
    )* };
}
sized32!(raftcore_conf raftcore_fetch raftcore_ready raftcore_config raftcore_status raftcore_hello_info raftcore_stored raftcore_input raftcore_frame raftcore_heap);

fn struct_size(ptr: *const u32, first: usize) -> Result<usize, Refusal> {
    if ptr.is_null() {
        return Err(NULL);
    }
    if !ptr.is_aligned() {
        return Err(Refusal::Own(Error::Arg, "a struct is not aligned"));
    }
    // SAFETY: not NULL, aligned, and the caller's struct begins with its size.
    let size = unsafe { ptr.read() } as usize;
    if size < first || size > STRUCT_SIZE_MAX { Err(ABI) } else { Ok(size) }
}

/// Copies a caller's struct.
///
/// # Safety
/// `ptr` is NULL or points to as many readable bytes as its `struct_size` says.
unsafe fn struct_in<T: Sized32>(ptr: *const T) -> Result<T, Refusal> {
    let size = struct_size(ptr.cast(), T::FIRST)?;
    if size == size_of::<T>() {
        // SAFETY: not NULL, aligned, and as large as T, whose every bytes are a value.
        return Ok(unsafe { ptr.read() });
    }
    // SAFETY: the caller's promise.
    unsafe { struct_in_other(ptr, size) }
}

/// The caller's struct is of another version.
///
/// # Safety
/// `ptr` points to `size` readable bytes.
#[cold]
unsafe fn struct_in_other<T: Sized32>(ptr: *const T, size: usize) -> Result<T, Refusal> {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the caller's struct has `size` bytes, and ours has room for the smaller size; the
    // rest stays zero, which is valid.
    unsafe {
        core::ptr::copy_nonoverlapping(ptr.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), size.min(size_of::<T>()));
        if size > size_of::<T>() {
            let tail = slice::from_raw_parts(ptr.cast::<u8>().add(size_of::<T>()), size - size_of::<T>());
            if tail.iter().any(|&byte| byte != 0) {
                return Err(Refusal::Own(Error::Abi, "a struct has a field that this library does not know"));
            }
        }
        Ok(value.assume_init())
    }
}

/// A caller's struct to fill in: checked first, written last.
struct StructOut<T> {
    ptr: *mut T,
    size: usize,
}

impl<T: Sized32> StructOut<T> {
    /// # Safety
    /// `ptr` is NULL or points to as many writable bytes as its `struct_size` says, until `put`.
    unsafe fn new(ptr: *mut T) -> Result<Self, Refusal> {
        Ok(Self { ptr, size: struct_size(ptr.cast_const().cast(), T::FIRST)? })
    }

    /// Writes all but the size, which stays the caller's, and zeros beyond our struct.
    #[inline]
    fn put(self, value: &T) {
        let from = core::ptr::from_ref(value).cast::<u8>();
        if self.size == size_of::<T>() {
            // A length known at compile time saves two calls. SAFETY: promised at `new`; a value of
            // T has no padding, so all its bytes are initialized.
            unsafe { core::ptr::copy_nonoverlapping(from.add(4), self.ptr.cast::<u8>().add(4), size_of::<T>() - 4) };
        } else {
            self.put_other(from);
        }
    }

    /// The caller's struct is of a different version.
    #[cold]
    fn put_other(self, from: *const u8) {
        let ours = self.size.min(size_of::<T>());
        // SAFETY: promised at `new`; a value of T has no padding, so all its bytes are initialized.
        unsafe {
            let to = self.ptr.cast::<u8>();
            core::ptr::copy_nonoverlapping(from.add(4), to.add(4), ours - 4);
            core::ptr::write_bytes(to.add(ours), 0, self.size - ours);
        }
    }
}

/// A place for one value, checked before the work.
///
/// # Safety
/// `ptr` is NULL or points to a writable T for as long as the call lasts.
unsafe fn place<'a, T>(ptr: *mut T) -> Result<&'a mut MaybeUninit<T>, Refusal> {
    if ptr.is_null() {
        return Err(NULL);
    }
    if !ptr.is_aligned() {
        return Err(Refusal::Own(Error::Arg, "an out parameter is not aligned"));
    }
    // SAFETY: not NULL, aligned, writable; MaybeUninit asks for nothing more.
    Ok(unsafe { &mut *ptr.cast::<MaybeUninit<T>>() })
}

/// Like `place`, where NULL means that the caller does not want the value.
///
/// # Safety
/// As `place`.
unsafe fn optional<'a, T>(ptr: *mut T) -> Result<Option<&'a mut MaybeUninit<T>>, Refusal> {
    // SAFETY: the caller's promise.
    if ptr.is_null() { Ok(None) } else { unsafe { place(ptr) }.map(Some) }
}

/// A caller's array. NULL is an empty array.
///
/// # Safety
/// `ptr` is NULL or points to `count` readable elements, which don't change during the call.
unsafe fn array<'a, T>(ptr: *const T, count: usize) -> Result<&'a [T], Refusal> {
    if count == 0 {
        return Ok(&[]);
    }
    if ptr.is_null() {
        return Err(Refusal::Own(Error::Null, "an array is NULL though its count is not 0"));
    }
    if !ptr.is_aligned() {
        return Err(Refusal::Own(Error::Arg, "an array is not aligned"));
    }
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(Refusal::Own(Error::Arg, "a count is larger than memory can be"));
    }
    // SAFETY: not NULL, aligned, not too large; the rest is the caller's promise.
    Ok(unsafe { slice::from_raw_parts(ptr, count) })
}

/// Copies a text and a NUL, cut to what fits. Returns the length of the whole text.
///
/// # Safety
/// `buf` is NULL or has `cap` writable bytes.
unsafe fn text_out(text: &[u8], buf: *mut c_char, cap: usize) -> usize {
    if let Some(room) = cap.checked_sub(1).filter(|_| !buf.is_null()) {
        let len = text.len().min(room);
        // SAFETY: `len` and the NUL fit into `cap` bytes.
        unsafe {
            core::ptr::copy_nonoverlapping(text.as_ptr().cast::<c_char>(), buf, len);
            buf.add(len).write(0);
        }
    }
    text.len()
}

/// The bytes of a slice.
///
/// # Safety
/// As `array`.
unsafe fn bytes<'a>(of: raftcore_slice) -> Result<&'a [u8], Refusal> {
    // SAFETY: the caller's promise.
    unsafe { array(of.ptr, of.len) }
}

/// Checks that each slice of a list is readable.
fn check_slices(list: &[raftcore_slice]) -> Result<(), Refusal> {
    let mut sum = 0usize;
    for part in list {
        if part.len > 0 && part.ptr.is_null() {
            return Err(Refusal::Own(Error::Null, "a slice is NULL though its length is not 0"));
        }
        sum = sum.saturating_add(part.len);
    }
    if sum > isize::MAX as usize {
        return Err(Refusal::Own(Error::Arg, "the slices are larger than memory can be"));
    }
    Ok(())
}

/// Returns the bytes of a checked slice.
///
/// # Safety
/// `check_slices` accepted the slice, which points to `len` readable bytes.
unsafe fn checked<'a>(of: &raftcore_slice) -> &'a [u8] {
    // SAFETY: not NULL if not empty, not too large.
    if of.len == 0 { &[] } else { unsafe { slice::from_raw_parts(of.ptr, of.len) } }
}

/// Converts an entry from C.
///
/// # Safety
/// The entry's data stay readable as long as the result is used.
unsafe fn entry_in<'a>(entry: &raftcore_entry) -> Result<EntryRef<'a>, Refusal> {
    let Some(kind) = EntryKind::from_wire(u64::from(entry.kind)) else {
        return Err(Refusal::Own(Error::Arg, "an entry's kind is none of RAFTCORE_ENTRY_*"));
    };
    if entry.reserved0 != 0 {
        return Err(RESERVED);
    }
    // SAFETY: the caller's promise.
    let (data, context) = unsafe { (bytes(entry.data)?, bytes(entry.context)?) };
    Ok(EntryRef { term: entry.term, index: entry.index, kind, data, context, token: entry.token })
}

/// Converts an array of entries from C: checked as a whole, then read one by one.
///
/// # Safety
/// As `array`, and the data of each entry stay readable as long as the result is used.
unsafe fn entries_in<'a>(
    ptr: *const raftcore_entry,
    count: usize,
) -> Result<impl Iterator<Item = EntryRef<'a>> + Clone, Refusal> {
    // SAFETY: the caller's promise.
    let list = unsafe { array(ptr, count) }?;
    for entry in list {
        // SAFETY: the caller's promise.
        unsafe { entry_in(entry) }?;
    }
    // SAFETY: the caller's promise. All entries passed the check, so none is left out.
    Ok(list.iter().filter_map(|entry| unsafe { entry_in(entry) }.ok()))
}

/// A membership from C.
enum ConfIn<'a> {
    Bytes(&'a [u8]),
    /// Sets of ids, and the index of the membership; 0: unknown.
    Ids(ConfStateRef<'a>, u64),
}

/// # Safety
/// What `conf` points to can be read as long as the answer is used.
unsafe fn conf_in<'a>(conf: *const raftcore_conf) -> Result<ConfIn<'a>, Refusal> {
    // SAFETY: the caller's promise, here and below.
    let conf = unsafe { struct_in(conf) }?;
    if !conf.bytes.ptr.is_null() {
        // SAFETY: as above.
        return Ok(ConfIn::Bytes(unsafe { bytes(conf.bytes) }?));
    }
    let ids = |ptr: *const u64, count: u32| {
        // SAFETY: as above.
        unsafe { array(ptr, count as usize) }
    };
    Ok(ConfIn::Ids(
        ConfStateRef {
            voters: ids(conf.voters, conf.n_voters)?,
            learners: ids(conf.learners, conf.n_learners)?,
            voters_outgoing: ids(conf.outgoing, conf.n_outgoing)?,
            learners_next: ids(conf.learners_next, conf.n_learners_next)?,
            auto_leave: truth(conf.auto_leave)?,
        },
        conf.index,
    ))
}

/// Returns the dialect that a membership names; `None`: an unknown number.
///
/// # Safety
/// As `conf_in`.
unsafe fn conf_dialect(conf: *const raftcore_conf) -> Option<crate::Dialect> {
    // SAFETY: the caller's promise.
    let conf = unsafe { struct_in(conf) }.ok()?;
    crate::Dialect::from_number(conf.dialect)
}

const RESERVED: Refusal = Refusal::Own(Error::Arg, "a reserved field is not 0");

/// 0 or 1.
fn truth(value: u32) -> Result<bool, Refusal> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Refusal::Own(Error::Arg, "neither 0 nor 1")),
    }
}

/// A slice for C: NULL if empty.
fn slice_out(bytes: &[u8]) -> raftcore_slice {
    let ptr = if bytes.is_empty() { core::ptr::null() } else { bytes.as_ptr() };
    raftcore_slice { ptr, len: bytes.len() }
}

/// An array for C, NULL if empty, and the number of elements.
fn array_out<T>(list: &[T]) -> (*const T, u32) {
    let ptr = if list.is_empty() { core::ptr::null() } else { list.as_ptr() };
    (ptr, list.len() as u32)
}
