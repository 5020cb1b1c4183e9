//! The gate that every call from C passes.
//!
//! In order: NULL, alignment, the state, poison, then the body inside `catch_unwind`. The check of
//! the state is an atomic exchange from idle to busy, which catches a second thread, a freed
//! handle, and a pointer that never was a handle. The exchange is most of the cost of the gate.
//!
//! A handle is a small header that never returns to the allocator: `raftcore_free` takes the
//! contents out, marks the header dead and parks the header (`parked`). Reading the state of a
//! freed handle is so a read of live memory, and a second free or a late call gets a code instead
//! of a crash.
//!
//! Neither the gate nor `parked` holds a lock: a child forked while threads make and free nodes can
//! make and free nodes of its own.
//!
//! The panic hook writes the text of a panic into the header, and nothing to stderr. Panics of the
//! host's own Rust code still reach the previous hook.

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::OnceLock;

use super::constants::{RAFTCORE_NONE, RAFTCORE_OK};
use super::output::Slots;
use super::parked;
use super::types::raftcore_code;
use crate::error::Detail;
use crate::{Error, Node};

/// States of a handle. Any other number: not a handle.
const IDLE: u32 = 0x7261_6674;
/// A call is inside, and owns the contents of the header.
const BUSY: u32 = 0x7261_6675;
const DEAD: u32 = 0xdead_7261;

/// A node. The struct is opaque and never moves.
///
/// A call on a freed node returns RAFTCORE_E_HANDLE. The check is best effort: after 256 more frees,
/// another node may have the address.
#[allow(non_camel_case_types)]
pub struct raftcore_node {
    state: AtomicU32,
    poisoned: Cell<bool>,
    /// The last error was found here, not by the node: its text is in `text`.
    own_text: Cell<bool>,
    /// The panic hook has written the text of a panic that is on the way to this header.
    told: Cell<bool>,
    text: UnsafeCell<Detail>,
    held: Cell<*mut Held>,
    /// The number of this header, and of the header below it among the free headers: see `parked`.
    pub(super) number: AtomicU32,
    pub(super) below: AtomicU32,
}

// SAFETY: the state and the numbers are atomic; only the call that made the header busy reaches the
// rest.
unsafe impl Sync for raftcore_node {}

/// The contents of a live handle.
pub(super) struct Held {
    pub(super) node: Node,
    pub(super) slots: Slots,
}

/// The arguments of a body.
pub(super) struct Call<'a> {
    pub(super) node: &'a mut Node,
    pub(super) slots: &'a mut Slots,
    header: &'a raftcore_node,
}

impl Call<'_> {
    /// Refuses with a text that has numbers.
    #[cold]
    pub(super) fn refuse(&self, error: Error, why: fmt::Arguments<'_>) -> Refusal {
        self.header.say(why);
        Refusal::Said(error)
    }

    /// The call succeeds, with a text about a refusal on the way.
    #[cold]
    pub(super) fn said_by_node(&self) {
        self.header.own_text.set(false);
    }

    /// Returns the text of the last failed call.
    pub(super) fn detail(&self) -> &[u8] {
        if self.header.own_text.get() {
            // SAFETY: this call made the header busy, and nothing writes the text while the call
            // borrows the answer.
            unsafe { &*self.header.text.get() }.as_str().as_bytes()
        } else {
            self.node.error_detail().as_bytes()
        }
    }
}

/// The calls that a poisoned node still accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// A node that works.
    Sound,
    /// Any node: the call only looks.
    Live,
}

/// The result of a guarded body.
pub(super) type Answer = Result<raftcore_code, Refusal>;

/// An error, and the owner of its text.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// The node refused, and has the detail.
    Node(Error),
    /// Found here; a text was given.
    Said(Error),
    /// The gate refused, with this text.
    Own(Error, &'static str),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Node(error)
    }
}

impl raftcore_node {
    pub(super) const fn dead() -> Self {
        Self::new(DEAD)
    }

    const fn new(state: u32) -> Self {
        Self {
            state: AtomicU32::new(state),
            poisoned: Cell::new(false),
            own_text: Cell::new(false),
            told: Cell::new(false),
            text: UnsafeCell::new(Detail::new()),
            held: Cell::new(ptr::null_mut()),
            number: AtomicU32::new(0),
            below: AtomicU32::new(0),
        }
    }

    /// Stores a text; the first cause of poison stays.
    #[cold]
    fn say(&self, why: fmt::Arguments<'_>) {
        if self.poisoned.get() {
            return;
        }
        // SAFETY: the caller made the header busy (or is the panic hook of the same thread), and
        // nothing borrows a text meanwhile.
        unsafe { &mut *self.text.get() }.set(why);
        self.own_text.set(true);
    }

    #[cold]
    fn refused(&self, refusal: Refusal) -> raftcore_code {
        let error = match refusal {
            Refusal::Node(error) => {
                if !self.poisoned.get() {
                    self.own_text.set(false);
                }
                error
            }
            Refusal::Said(error) => error,
            Refusal::Own(error, text) => {
                self.say(format_args!("{text}"));
                error
            }
        };
        error.code()
    }
}

thread_local! {
    /// The header whose call this thread is in: the place for the text of a panic. Null: outside.
    static INSIDE: Cell<*const raftcore_node> = const { Cell::new(ptr::null()) };
}

/// The header of calls without a node.
static NOBODY: raftcore_node = raftcore_node::new(DEAD);

/// Takes the handle, or says why not.
#[inline(always)]
fn lock<'a>(node: *const raftcore_node) -> Result<&'a raftcore_node, Error> {
    if node.is_null() {
        return Err(Error::Null);
    }
    if !node.is_aligned() {
        return Err(Error::Handle);
    }
    // SAFETY: a pointer from raftcore_new points to a header that lives for ever. The contract of
    // the page rules out any other pointer.
    let header = unsafe { &*node };
    match header.state.compare_exchange(IDLE, BUSY, Ordering::Acquire, Ordering::Relaxed) {
        Ok(_) => Ok(header),
        Err(BUSY) => Err(Error::Busy),
        Err(_) => Err(Error::Handle),
    }
}

#[inline(always)]
fn unlock(header: &raftcore_node) {
    header.state.store(IDLE, Ordering::Release);
}

/// Runs the body of a call on a node.
#[inline(always)]
pub(super) fn guard(
    node: *const raftcore_node,
    needs: Needs,
    body: impl FnOnce(&mut Call<'_>) -> Answer,
) -> raftcore_code {
    match lock(node) {
        Ok(header) => {
            let code = inside(header, needs, body);
            unlock(header);
            code
        }
        Err(error) => error.code(),
    }
}

/// Runs the body on a locked handle.
#[inline(always)]
fn inside(header: &raftcore_node, needs: Needs, body: impl FnOnce(&mut Call<'_>) -> Answer) -> raftcore_code {
    if needs == Needs::Sound && header.poisoned.get() {
        return Error::Poisoned.code();
    }
    let outside = INSIDE.replace(header);
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: a handle that is not dead holds a box that only the busy call reaches.
        let Held { node, slots } = unsafe { &mut *header.held.get() };
        body(&mut Call { node, slots, header })
    }));
    let code = match result {
        Ok(Ok(code)) => code,
        Ok(Err(refusal)) => header.refused(refusal),
        Err(payload) => poison(header, payload),
    };
    INSIDE.set(outside);
    code
}

/// Like `guard`, for a call that often finds nothing to do. `idle` runs first, and the body only if
/// `idle` returns false. `idle` runs outside `catch_unwind`, a third of the cost of such a call, and
/// so must not be able to panic.
#[inline(always)]
pub(super) fn guard_unless(
    node: *const raftcore_node,
    idle: impl FnOnce(&Held) -> bool,
    body: impl FnOnce(&mut Call<'_>) -> Answer,
) -> raftcore_code {
    match lock(node) {
        Ok(header) => {
            // SAFETY: a handle that is not dead holds a box that only the busy call reaches.
            let code = match idle(unsafe { &*header.held.get() }) {
                true if !header.poisoned.get() => RAFTCORE_NONE,
                true => Error::Poisoned.code(),
                false => apart(header, body),
            };
            unlock(header);
            code
        }
        Err(error) => error.code(),
    }
}

/// A function apart, so that a call without work saves no registers for the body.
#[inline(never)]
fn apart(header: &raftcore_node, body: impl FnOnce(&mut Call<'_>) -> Answer) -> raftcore_code {
    inside(header, Needs::Sound, body)
}

/// Runs the body of a call without a node. A panic in the body harms nothing.
#[inline]
pub(super) fn guard_free(body: impl FnOnce() -> Result<raftcore_code, Error>) -> raftcore_code {
    guard_value(Error::Panic.code(), || body().unwrap_or_else(Error::code))
}

/// Like `guard_free`, for a call that returns something else than a code.
#[inline]
pub(super) fn guard_value<T: Copy>(on_panic: T, body: impl FnOnce() -> T) -> T {
    hook();
    let outside = INSIDE.replace(&raw const NOBODY);
    let result = catch_unwind(AssertUnwindSafe(body));
    let value = match result {
        Ok(value) => value,
        Err(payload) => {
            forget(payload);
            on_panic
        }
    };
    INSIDE.set(outside);
    value
}

#[cold]
fn poison(header: &raftcore_node, payload: Box<dyn core::any::Any + Send>) -> raftcore_code {
    forget(payload);
    if !header.poisoned.get() {
        if !header.told.replace(false) {
            header.say(format_args!("a panic inside"));
        }
        header.poisoned.set(true);
    }
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as in guard.
        let held = unsafe { &mut *header.held.get() };
        // SAFETY: the handle is busy, and the text is not written any more: the header is poisoned.
        let text = unsafe { &*header.text.get() };
        held.node.poison(text.as_str());
    }));
    Error::Panic.code()
}

/// Drops the payload of a panic, which may panic again.
#[cold]
fn forget(payload: Box<dyn core::any::Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        core::mem::forget(again);
    }
}

/// Puts our hook before the present hook, once.
pub(super) fn hook() {
    static PLACED: AtomicBool = AtomicBool::new(false);
    type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;
    static BEFORE: OnceLock<Hook> = OnceLock::new();

    fn on_panic(info: &PanicHookInfo<'_>) {
        let inside = INSIDE.get();
        if inside.is_null() {
            if let Some(before) = BEFORE.get() {
                before(info);
            }
        } else if !ptr::eq(inside, &raw const NOBODY) {
            // SAFETY: this thread is inside a call on that node, and so made the header busy.
            let header = unsafe { &*inside };
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let what = text
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("a panic without a text");
            match info.location() {
                Some(at) => header.say(format_args!("{}:{}: {what}", at.file(), at.line())),
                None => header.say(format_args!("{what}")),
            }
            header.told.set(true);
        }
    }

    // The hook can't be changed while this thread panics; the next call will. A second thread does
    // not wait for the first: a forked child could wait for ever.
    if !PLACED.load(Ordering::Relaxed) && !std::thread::panicking() && !PLACED.swap(true, Ordering::AcqRel) {
        let _ = BEFORE.set(take_hook());
        set_hook(Box::new(on_panic)); // a function has no size: nothing is allocated
    }
}

/// Returns a box, or an error if the allocation fails.
pub(super) fn try_box<T>(value: T) -> Result<Box<T>, Error> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(|_| Error::NoMem)?;
    one.push(value);
    let slice: Box<[T]> = one.into_boxed_slice(); // the capacity is 1 already: no allocation
    // SAFETY: a slice of a single element has the layout of the element, and the box gives its
    // element up.
    Ok(unsafe { Box::from_raw(Box::into_raw(slice).cast::<T>()) })
}

/// Makes a live handle around a node.
pub(super) fn admit(node: Node, slots: Slots) -> Result<*mut raftcore_node, Error> {
    let held = try_box(Held { node, slots })?;
    let header = parked::take()?;
    header.poisoned.set(false);
    header.own_text.set(false);
    header.told.set(false);
    header.held.set(Box::into_raw(held));
    unlock(header);
    Ok(ptr::from_ref(header).cast_mut())
}

/// Ends a handle.
pub(super) fn dismiss(node: *mut raftcore_node) -> raftcore_code {
    let header = match lock(node) {
        Ok(header) => header,
        Err(error) => return error.code(),
    };
    let held = header.held.replace(ptr::null_mut());
    header.state.store(DEAD, Ordering::Release);
    let code = guard_free(|| {
        // SAFETY: the pointer came from a box in `admit`, and the busy call has just taken the
        // pointer out.
        drop(unsafe { Box::from_raw(held) });
        Ok(RAFTCORE_OK)
    });
    parked::put(header);
    code
}
