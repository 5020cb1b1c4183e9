//! Group 2 of the page, its end: an outstanding ready once more, and a whole turn of the loop in one call.

use super::constants::*;
use super::guard::{Answer, Call, Needs, Refusal, guard};
use super::output::Outlook;
use super::types::*;
use super::{NULL, StructOut, bytes, optional, struct_in};
use crate::{Error, Input, StepFrames};
use core::mem::MaybeUninit;

/// An outstanding ready once more: one whose number is not at hand, or that an exception kept from its host.
///
/// number   Of a ready that was not advanced or released; raftcore_status.last_ready is the newest.
/// out      As in raftcore_get_ready.
/// Lives    As in raftcore_get_ready.
/// Memory   Does not allocate, if raftcore_get_ready has given that ready.
/// Returns  RAFTCORE_OK       the ready
///          RAFTCORE_NONE     none of this number is outstanding
///          RAFTCORE_E_NOMEM  retry
///          RAFTCORE_E_ABI    out->struct_size is not one this library knows
/// Rust     Node::view
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_view(
    node: *mut raftcore_node,
    number: u64,
    out: *mut raftcore_ready,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a struct as large as it says.
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

/// The same in the form of raftcore_ready_flat.
///
/// number    As in raftcore_view.
/// buf       As in raftcore_ready_flat; so need_out.
/// Memory    Does not allocate.
/// Returns   RAFTCORE_OK           the ready
///           RAFTCORE_NONE         none of this number is outstanding
///           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
/// Rust      Node::view
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_view_flat(
    node: *mut raftcore_node,
    number: u64,
    buf: *mut u8,
    cap: usize,
    need_out: *mut usize,
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

/// One turn of the loop in one call: acknowledges, ticks, steps, looks for a fetch, takes the next ready. For languages in which a
/// crossing is slow, and for hosts that count: a round of three nodes takes nine crossings instead of thirty-one.
///
/// in       Caller's struct, with struct_size set. What it tells is done in this order: done, persisted, applied, released, ticks,
///          frames. Its out fields are always set. A frame that is refused is no error of the turn, nor is an acknowledgement that
///          was given before.
/// out      As in raftcore_get_ready. Written if the result is RAFTCORE_OK or RAFTCORE_LAST.
/// Lives    As in raftcore_get_ready.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK           a ready; another may follow
///          RAFTCORE_LAST         a ready, and nothing can follow it before something happens: its number goes into the next turn's done
///          RAFTCORE_NONE         nothing to do
///          RAFTCORE_FETCH_FIRST  a fetch waits, and no ready was taken: raftcore_next_fetch, supply, and the next turn
///          A negative code of an acknowledgement: nothing after it was done. Of the ready (as raftcore_get_ready): all else was.
/// Rust     Node::turn
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_turn(
    node: *mut raftcore_node,
    r#in: *mut raftcore_input,
    out: *mut raftcore_ready,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for structs as large as they say.
        let (turn, out) = unsafe { (TurnIn::new(r#in)?, StructOut::new(out)?) };
        turn.take(call)?;
        if !call.node.lacks_nothing() {
            return Ok(RAFTCORE_FETCH_FIRST);
        }
        let outlook = match call.slots.outlook(call.node) {
            Outlook::Idle => return Ok(RAFTCORE_NONE),
            outlook => outlook,
        };
        match call.slots.next_of_turn(call.node, outlook)? {
            None => Ok(RAFTCORE_NONE),
            Some(ready) => {
                out.put(ready);
                Ok(if call.node.is_last_ready() { RAFTCORE_LAST } else { RAFTCORE_OK })
            }
        }
    })
}

/// The same in the form of raftcore_ready_flat.
///
/// in        As in raftcore_turn. After RAFTCORE_E_TOO_SMALL come with an empty one: all was taken in.
/// buf       As in raftcore_ready_flat; so need_out.
/// Memory    Does not allocate.
/// Returns   As raftcore_turn, and RAFTCORE_E_TOO_SMALL
/// Rust      Node::turn
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_turn_flat(
    node: *mut raftcore_node,
    r#in: *mut raftcore_input,
    buf: *mut u8,
    cap: usize,
    need_out: *mut usize,
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

/// What a turn takes in, and the place for what became of the frames.
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
        // SAFETY: `new` found a struct that has these fields, and the caller keeps it writable.
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
        // What was released has no views any more, whatever else failed.
        let ended = given.done.max(given.released).min(call.node.released());
        if ended != 0 {
            call.slots.end(ended);
        }
        Ok(outcome?)
    }
}

/// What a flat ready was, and how long.
pub(super) fn flat_out(
    call: &Call<'_>,
    flat: Option<core::result::Result<usize, usize>>,
    need: Option<&mut MaybeUninit<usize>>,
    cap: usize,
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
