//! The one gate through which every call from C goes.
//!
//! In order: NULL, alignment, the state (one atomic exchange from idle to busy, which catches a second thread, a freed handle, and what
//! never was one), poison, then the body inside `catch_unwind`. The exchange is most of its cost.
//!
//! A handle is a small header that is never given back to the allocator: `raftcore_free` takes out what the header holds, marks it dead and
//! parks it (`parked`). So reading the state of a freed handle is reading live memory, and a second free or a late call is an answer
//! instead of a crash.
//!
//! No lock is held, here or in `parked`: a child that was forked while other threads make and free nodes makes and frees its own.
//!
//! The text of a panic goes into the header by way of the panic hook, and nothing goes to stderr; panics of the host's own Rust code still
//! reach the hook that was there before.

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

/// States of a handle. Any other number: there is no handle.
const IDLE: u32 = 0x7261_6674;
/// A call is inside. What the header holds belongs to it.
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
    /// The panic hook has written the text of a panic that is on its way here.
    told: Cell<bool>,
    text: UnsafeCell<Detail>,
    held: Cell<*mut Held>,
    /// Its own number, and that of the one below it among the free ones: see `parked`.
    pub(super) number: AtomicU32,
    pub(super) below: AtomicU32,
}

// SAFETY: the state and the numbers are atomic; all else is reached by the one who made it busy.
unsafe impl Sync for raftcore_node {}

/// What a live handle holds.
pub(super) struct Held {
    pub(super) node: Node,
    pub(super) slots: Slots,
}

/// What a body gets.
pub(super) struct Call<'a> {
    pub(super) node: &'a mut Node,
    pub(super) slots: &'a mut Slots,
    header: &'a raftcore_node,
}

impl Call<'_> {
    /// Refuses with a text that has numbers in it.
    #[cold]
    pub(super) fn refuse(&self, error: Error, why: fmt::Arguments<'_>) -> Refusal {
        self.header.say(why);
        Refusal::Said(error)
    }

    /// The call succeeds, and the node has a text about what it refused in passing.
    #[cold]
    pub(super) fn said_by_node(&self) {
        self.header.own_text.set(false);
    }

    /// What the last failed call says of itself.
    pub(super) fn detail(&self) -> &[u8] {
        if self.header.own_text.get() {
            // SAFETY: this call made it busy, and nothing writes the text while the answer is borrowed from the call.
            unsafe { &*self.header.text.get() }.as_str().as_bytes()
        } else {
            self.node.error_detail().as_bytes()
        }
    }
}

/// Which calls a poisoned node still takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// One that works.
    Sound,
    /// Any: the call only looks.
    Live,
}

/// What a guarded body answers.
pub(super) type Answer = Result<raftcore_code, Refusal>;

/// An error, and who has the text to it.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// The node said it, and has the detail.
    Node(Error),
    /// Found here; a text was given.
    Said(Error),
    /// Found here: this is the text.
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
        // SAFETY: whoever calls this made it busy (or is the panic hook of that same thread), and no text is borrowed meanwhile.
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
    /// Whose call this thread is in: where the text of a panic goes. Null: outside.
    static INSIDE: Cell<*const raftcore_node> = const { Cell::new(ptr::null()) };
}

/// Stands for no node, in calls that have none.
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
    // SAFETY: a pointer that raftcore_new gave out points to a header that lives for ever. Of others nothing can be known; the
    // contract of the page rules them out.
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

/// Runs the body on a handle that is locked.
#[inline(always)]
fn inside(header: &raftcore_node, needs: Needs, body: impl FnOnce(&mut Call<'_>) -> Answer) -> raftcore_code {
    if needs == Needs::Sound && header.poisoned.get() {
        return Error::Poisoned.code();
    }
    let outside = INSIDE.replace(header);
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: a handle that is not dead holds a box that only whoever made it busy reaches.
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

/// As `guard`, for a call that often finds nothing to do: `look` is asked first, and the body gets what it saw. It runs outside of what
/// catches panics, which is a third of such a call, and so must be plain enough to have none. `None`: there is nothing to do.
#[inline(always)]
pub(super) fn guard_after<L>(
    node: *const raftcore_node,
    look: impl FnOnce(&Held) -> Option<L>,
    body: impl FnOnce(&mut Call<'_>, L) -> Answer,
) -> raftcore_code {
    match lock(node) {
        Ok(header) => {
            // SAFETY: a handle that is not dead holds a box that only whoever made it busy reaches.
            let code = match look(unsafe { &*header.held.get() }) {
                None if !header.poisoned.get() => RAFTCORE_NONE,
                None => Error::Poisoned.code(),
                Some(seen) => apart(header, seen, body),
            };
            unlock(header);
            code
        }
        Err(error) => error.code(),
    }
}

/// A function of its own, so that a call that finds nothing to do saves no registers for it: 15 instructions.
#[inline(never)]
fn apart<L>(header: &raftcore_node, seen: L, body: impl FnOnce(&mut Call<'_>, L) -> Answer) -> raftcore_code {
    inside(header, Needs::Sound, |call| body(call, seen))
}

/// Runs the body of a call that has no node. A panic in it harms nothing.
#[inline]
pub(super) fn guard_free(body: impl FnOnce() -> Result<raftcore_code, Error>) -> raftcore_code {
    guard_value(Error::Panic.code(), || body().unwrap_or_else(Error::code))
}

/// The same for a call that answers something else than a code.
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

/// Drops what a panic carried, which may panic itself.
#[cold]
fn forget(payload: Box<dyn core::any::Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        core::mem::forget(again);
    }
}

/// Puts our hook before the one that is there, once.
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
            // SAFETY: this thread is inside a call on that node, so it made it busy.
            let header = unsafe { &*inside };
            let what = info.payload_as_str().unwrap_or("a panic without a text");
            match info.location() {
                Some(at) => header.say(format_args!("{}:{}: {what}", at.file(), at.line())),
                None => header.say(format_args!("{what}")),
            }
            header.told.set(true);
        }
    }

    // The hook can't be changed while this thread panics: the next call will. Whoever comes second does not wait for the first: a forked
    // child could wait for ever.
    if !PLACED.load(Ordering::Relaxed) && !std::thread::panicking() && !PLACED.swap(true, Ordering::AcqRel) {
        let _ = BEFORE.set(take_hook());
        set_hook(Box::new(on_panic)); // a function has no size: nothing is allocated
    }
}

/// A box whose allocation may fail.
pub(super) fn try_box<T>(value: T) -> Result<Box<T>, Error> {
    let mut one = Vec::new();
    one.try_reserve_exact(1).map_err(|_| Error::NoMem)?;
    one.push(value);
    let slice: Box<[T]> = one.into_boxed_slice(); // the capacity is 1 already: no allocation
    // SAFETY: a slice of one element has the layout of the element, and the box gives up what it owned.
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
        // SAFETY: it came from a box in `admit`, and was taken out just now, by the one who made it busy.
        drop(unsafe { Box::from_raw(held) });
        Ok(RAFTCORE_OK)
    });
    parked::put(header);
    code
}
