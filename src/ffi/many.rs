//! Group 5 of the page: what makes thousands of nodes cheap.

use libc::size_t;

use super::array;
use super::constants::*;
use super::guard::{Needs, guard, guard_value};
use super::types::*;

/// Time passes for many nodes in one call.
///
/// nodes      Handles; NULL only if count is 0. One that is NULL, freed or in use counts as one with an error.
/// ticks      As in raftcore_tick.
/// ready_out  Positions in nodes of those that have a ready or fetch, or answered with an error (raftcore_tick or
///            raftcore_get_ready will say which). Ascending; at most cap are written. May be NULL if cap is 0.
/// Thread     As if each node were called in turn.
/// Memory     Does not allocate.
/// Returns    How many such nodes there are; may be more than cap.
/// Rust       Node::tick, Node::has_ready
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_tick_many(
    nodes: *const *mut raftcore_node,
    count: size_t,
    ticks: u32,
    ready_out: *mut u32,
    cap: size_t,
) -> size_t {
    // SAFETY: the page asks for `count` handles.
    let nodes = guard_value(&[][..], || unsafe { array(nodes, count) }.unwrap_or_default());
    let mut found = 0;
    for (i, &node) in nodes.iter().enumerate() {
        let work = guard(node, Needs::Sound, |call| {
            call.node.tick(ticks)?;
            let bits = call.node.has_ready()? as i32 & !RAFTCORE_HAS_EVENTS;
            Ok(bits | i32::from(call.slots.pending(call.node).is_some()))
        });
        if work != 0 {
            if found < cap && !ready_out.is_null() {
                // SAFETY: the page asks for `cap` writable positions.
                unsafe { ready_out.add(found).write(i as u32) };
            }
            found += 1;
        }
    }
    found
}
