//! Group 5 of the page: calls that make thousands of nodes cheap.

use libc::size_t;

use super::array;
use super::constants::*;
use super::guard::{Needs, guard, guard_value};
use super::types::*;

/// Advances the clocks of many nodes.
///
/// nodes      Handles. May be NULL if count is 0. A handle that is NULL, freed or in use counts as
///            a node with an error.
/// ticks      As in raftcore_tick.
/// ready_out  Receives the positions of the nodes with a ready, a fetch or an error, in ascending
///            order, at most cap. For the code of an error, call raftcore_tick or
///            raftcore_get_ready. May be NULL if cap is 0.
/// Thread     As if you called raftcore_tick for each node in turn.
/// Memory     Does not allocate.
/// Returns    The number of such nodes, possibly more than cap.
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
