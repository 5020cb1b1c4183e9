//! Group 4 of the page: the acknowledgements of a host that stores and applies elsewhere.

use libc::size_t;

use super::array;
use super::constants::*;
use super::guard::{Needs, guard};
use super::life::done;
use super::types::*;

/// The writes of readies up to number are durable: snapshot, entries and hard state. RAFTCORE_STORAGE_ASYNC only. Their messages
/// with RAFTCORE_MF_AFTER may go now.
///
/// Cumulative, and independent of raftcore_applied and raftcore_release. A write that fails has no call: free the node and boot
/// again from what is on disk.
///
/// number   raftcore_ready.number
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       noted
///          RAFTCORE_E_STALE  told before; harmless
///          RAFTCORE_E_ARG    never handed out
///          RAFTCORE_E_STATE  another storage mode
/// Rust     Node::persisted
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_persisted(node: *mut raftcore_node, number: u64) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        call.slots.check_seen(number)?;
        done(call.node.persisted(number))
    })
}

/// The state machine has applied all entries up to index, and what it stores says so. RAFTCORE_STORAGE_ASYNC; and with
/// RAFTCORE_STORAGE_SYNC for a span that came without entries (RAFTCORE_FLAG_COMMITTED_SPANS), before raftcore_advance.
///
/// index    Of a committed entry that was handed out; it may lie inside a ready's span.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       noted
///          RAFTCORE_E_STALE  told before; harmless
///          RAFTCORE_E_ARG    never handed out
///          RAFTCORE_E_STATE  a configuration entry up to index was neither applied nor skipped; or another storage mode
/// Rust     Node::applied
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_applied(node: *mut raftcore_node, index: u64) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        call.slots.check_seen_entry(call.node, index)?;
        done(call.node.applied(index))
    })
}

/// Nobody reads the views of readies up to number any more. Not with RAFTCORE_STORAGE_SYNC.
///
/// number   raftcore_ready.number
/// Lives    The views of readies up to number end here.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       released
///          RAFTCORE_E_STALE  released before; harmless
///          RAFTCORE_E_ARG    never handed out
///          RAFTCORE_E_STATE  another storage mode
/// Rust     Node::release
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_release(node: *mut raftcore_node, number: u64) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        call.slots.check_seen(number)?;
        call.node.release(number)?;
        call.slots.end(number);
        Ok(RAFTCORE_OK)
    })
}

/// A response of local work has come: one of those that a message to RAFTCORE_ID_LOCAL_APPEND or RAFTCORE_ID_LOCAL_APPLY carries
/// and that is addressed to this node. RAFTCORE_STORAGE_MESSAGES only.
///
/// msg      A raftpb message, without the header of a frame. Borrowed for the call.
/// Returns  RAFTCORE_OK            taken
///          RAFTCORE_E_DECODE      no message
///          RAFTCORE_E_NOT_FOR_ME  not such a response
///          RAFTCORE_E_STATE       another storage mode
/// Rust     Node::step_local
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_step_local(node: *mut raftcore_node, msg: *const u8, len: size_t) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `len` readable bytes.
        let message = unsafe { array(msg, len) }?;
        done(call.node.step_local(message))
    })
}
