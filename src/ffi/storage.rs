//! Group 4 of the page: the acknowledgements of a host that stores and applies elsewhere.

use libc::size_t;

use super::array;
use super::constants::*;
use super::guard::{Needs, guard};
use super::life::done;
use super::types::*;

/// Reports that snapshot, entries and hard state of the readies up to number are durable.
///
/// Then send the messages with RAFTCORE_MF_AFTER of these readies. Only with
/// RAFTCORE_STORAGE_ASYNC. A report covers earlier readies, and is independent of raftcore_applied
/// and raftcore_release. You cannot report a failed write: free the node, and boot again from what
/// is on disk.
///
/// number   raftcore_ready.number
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       noted
///          RAFTCORE_E_STALE  reported before: harmless
///          RAFTCORE_E_ARG    the node has not returned such a ready
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

/// Reports that your state machine has applied all entries up to index, and stored the index.
///
/// With RAFTCORE_STORAGE_ASYNC. With RAFTCORE_STORAGE_SYNC only for a span without entries
/// (RAFTCORE_FLAG_COMMITTED_SPANS), before raftcore_advance.
///
/// index    Index of a returned committed entry, anywhere in a ready.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       noted
///          RAFTCORE_E_STALE  reported before: harmless
///          RAFTCORE_E_ARG    the node has not returned such an entry
///          RAFTCORE_E_STATE  a membership change up to index is neither applied nor skipped: call
///                            raftcore_apply_conf; or another storage mode
/// Rust     Node::applied
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_applied(node: *mut raftcore_node, index: u64) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        call.slots.check_seen_entry(call.node, index)?;
        done(call.node.applied(index))
    })
}

/// Reports that you no longer read the memory of the readies up to number.
///
/// With RAFTCORE_STORAGE_ASYNC and RAFTCORE_STORAGE_MESSAGES.
///
/// number   raftcore_ready.number
/// Lives    Ends the memory of the readies up to number.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       released
///          RAFTCORE_E_STALE  released before: harmless
///          RAFTCORE_E_ARG    the node has not returned such a ready
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

/// Takes a response of local work, with RAFTCORE_STORAGE_MESSAGES.
///
/// Messages to RAFTCORE_ID_LOCAL_APPEND and RAFTCORE_ID_LOCAL_APPLY carry responses. When the work
/// is done, pass the responses that are addressed to this node.
///
/// msg      A raftpb message, without the frame header. Borrowed for the call.
/// Returns  RAFTCORE_OK            taken
///          RAFTCORE_E_DECODE      not a message
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
