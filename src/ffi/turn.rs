//! Group 2 of the page, its end: an outstanding ready once more, and a whole turn of the loop in a
//! call.

use libc::size_t;

use super::constants::*;
use super::guard::{Answer, Call, Needs, Refusal, guard};
use super::types::*;
use super::{NULL, StructOut, bytes, optional, struct_in};
use crate::{Error, Input, StepFrames};
use core::mem::MaybeUninit;

/// Returns an outstanding ready again, for example a ready that an exception kept from you.
///
/// number   Number of a ready that is neither advanced nor released. raftcore_status.last_ready is
///          the newest.
/// out      As in raftcore_get_ready.
/// Lives    As in raftcore_get_ready.
/// Memory   Does not allocate, if raftcore_get_ready has returned the ready.
/// Returns  RAFTCORE_OK       the ready
///          RAFTCORE_NONE     no such ready is outstanding
///          RAFTCORE_E_NOMEM  retry
///          RAFTCORE_E_ABI    unknown out->struct_size
/// Rust     Node::view
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_view(
    node: *mut raftcore_node,
    number: u64,
    out: *mut raftcore_ready,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a struct of the stated size.
        let out = unsafe { StructOut::new(out) }?;
        match call.slots.again(call.node, number)? {
            None => Ok(RAFTCORE_NONE),
            Some(ready) => {
                out.put(ready);
                Ok(RAFTCORE_OK)
            }
        }
    })
}

/// Returns an outstanding ready again, in the form of raftcore_ready_flat.
///
/// number    As in raftcore_view.
/// buf       As in raftcore_ready_flat. So need_out.
/// Memory    Does not allocate.
/// Returns   RAFTCORE_OK           the ready
///           RAFTCORE_NONE         no such ready is outstanding
///           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
/// Rust      Node::view
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_view_flat(
    node: *mut raftcore_node,
    number: u64,
    buf: *mut u8,
    cap: size_t,
    need_out: *mut size_t,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        if buf.is_null() && cap > 0 {
            return Err(NULL);
        }
        // SAFETY: the page asks for a place for the answer, and `cap` writable bytes.
        let (need, flat) = unsafe { (optional(need_out)?, call.slots.again_flat(call.node, number, buf, cap)) };
        flat_out(call, flat, need, cap, RAFTCORE_OK)
    })
}

/// Does a turn of the loop: acknowledges, ticks, steps, looks for a fetch, takes the next ready.
///
/// A host saves calls, which counts in languages with slow foreign calls.
///
/// in       Your struct, with struct_size set. The node takes done, persisted, applied, released,
///          ticks and frames, in this order, and always sets the results. A refused frame is not an
///          error of the turn, and neither is a repeated acknowledgement.
/// out      As in raftcore_get_ready. Written with RAFTCORE_OK and RAFTCORE_LAST.
/// Lives    As in raftcore_get_ready.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK           a ready; another ready may follow
///          RAFTCORE_LAST         a ready, and no other before something happens: do the work, then
///                                pass its number as done with the next turn
///          RAFTCORE_NONE         nothing to do
///          RAFTCORE_FETCH_FIRST  no ready was taken: answer raftcore_next_fetch, then turn again
///                                with an empty input
///          A negative code       of an acknowledgement: the turn ended there. Of the ready: the
///                                rest of the turn is done; the codes are as in raftcore_get_ready
/// Rust     Node::turn
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_turn(
    node: *mut raftcore_node,
    r#in: *mut raftcore_input,
    out: *mut raftcore_ready,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for structs of the stated sizes.
        let (turn, out) = unsafe { (TurnIn::new(r#in)?, StructOut::new(out)?) };
        turn.take(call)?;
        if !call.node.lacks_nothing() {
            return Ok(RAFTCORE_FETCH_FIRST);
        }
        match call.slots.next(call.node)? {
            None => Ok(RAFTCORE_NONE),
            Some(ready) => {
                out.put(ready);
                Ok(if call.node.is_last_ready() { RAFTCORE_LAST } else { RAFTCORE_OK })
            }
        }
    })
}

/// Does a turn of the loop, in the form of raftcore_ready_flat.
///
/// in        As in raftcore_turn. After RAFTCORE_E_TOO_SMALL, pass an empty input, since the old
///           input is done.
/// buf       As in raftcore_ready_flat. So need_out.
/// Memory    Does not allocate.
/// Returns   As raftcore_turn, and RAFTCORE_E_TOO_SMALL: *need_out bytes are needed
/// Rust      Node::turn
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_turn_flat(
    node: *mut raftcore_node,
    r#in: *mut raftcore_input,
    buf: *mut u8,
    cap: size_t,
    need_out: *mut size_t,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        if buf.is_null() && cap > 0 {
            return Err(NULL);
        }
        // SAFETY: the page asks for a struct as large as it says, and a place for the answer.
        let (turn, need) = unsafe { (TurnIn::new(r#in)?, optional(need_out)?) };
        turn.take(call)?;
        if !call.node.lacks_nothing() {
            return Ok(RAFTCORE_FETCH_FIRST);
        }
        // SAFETY: the page asks for `cap` writable bytes.
        let flat = unsafe { call.slots.next_flat(call.node, buf, cap)? };
        let taken = if call.node.is_last_ready() { RAFTCORE_LAST } else { RAFTCORE_OK };
        flat_out(call, flat, need, cap, taken)
    })
}

/// The inputs of a turn, and the place for the results of the frames.
struct TurnIn {
    given: raftcore_input,
    place: *mut raftcore_input,
}

impl TurnIn {
    /// # Safety
    /// `place` is NULL or points to as many bytes as its `struct_size` says, readable and writable until `take`.
    #[inline(always)]
    unsafe fn new(place: *mut raftcore_input) -> Result<Self, Refusal> {
        // SAFETY: the caller's promise.
        let given = unsafe { struct_in(place.cast_const()) }?;
        Ok(Self { given, place })
    }

    #[inline(always)]
    fn take(&self, call: &mut Call<'_>) -> Result<(), Refusal> {
        let mut stepped = StepFrames::default();
        let outcome = self.take_into(call, &mut stepped);
        // SAFETY: `new` found a struct with these fields, and the caller keeps the struct writable.
        unsafe {
            (*self.place).consumed = stepped.consumed as u64;
            (*self.place).rejected = stepped.rejected;
            (*self.place).first = stepped.first.map_or(RAFTCORE_OK, Error::code);
        }
        if stepped.first.is_some() {
            call.said_by_node();
        }
        outcome
    }

    #[inline(always)]
    fn take_into(&self, call: &mut Call<'_>, stepped: &mut StepFrames) -> Result<(), Refusal> {
        let given = &self.given;
        let newest = given.done.max(given.persisted).max(given.released);
        if newest != 0 {
            call.slots.check_seen(newest)?;
        }
        if given.applied != 0 {
            call.slots.check_seen_entry(call.node, given.applied)?;
        }
        let input = Input {
            done: given.done,
            persisted: given.persisted,
            applied: given.applied,
            released: given.released,
            ticks: given.ticks,
            peer: given.peer,
            // SAFETY: the page asks for frames that can be read for as long as the call lasts.
            frames: unsafe { bytes(given.frames) }?,
        };
        let outcome = call.node.turn_in(&input, stepped);
        // Released readies have no views any more, even if a later step failed.
        let ended = given.done.max(given.released).min(call.node.released());
        if ended != 0 {
            call.slots.end(ended);
        }
        Ok(outcome?)
    }
}

/// Returns the kind and the length of a flat ready.
pub(super) fn flat_out(
    call: &Call<'_>,
    flat: Option<core::result::Result<usize, usize>>,
    need: Option<&mut MaybeUninit<usize>>,
    cap: size_t,
    taken: raftcore_code,
) -> Answer {
    let Some(flat) = flat else { return Ok(RAFTCORE_NONE) };
    if let Some(need) = need {
        need.write(flat.unwrap_or_else(|size| size));
    }
    match flat {
        Ok(_) => Ok(taken),
        Err(size) => Err(call.refuse(Error::TooSmall, format_args!("cap is {cap}: {size} bytes are needed"))),
    }
}
