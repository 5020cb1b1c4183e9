//! Group 6 of the page: calls that change nothing.

use libc::{c_char, size_t};

use super::constants::*;
use super::guard::{Needs, guard, guard_value};
use super::types::*;
use super::{NULL, StructOut, optional, place, text_out, texts};

/// Returns the state of a node.
///
/// out      With struct_size set.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK     *out is set. All calls of this group also work on a poisoned node, and
///                          before the end of the boot.
///          RAFTCORE_E_ABI  unknown out->struct_size
/// Rust     Node::status
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_get_status(node: *const raftcore_node, out: *mut raftcore_status) -> raftcore_code {
    guard(node, Needs::Live, |call| {
        // SAFETY: the page asks for a struct of the stated size.
        let out = unsafe { StructOut::new(out) }?;
        let s = call.node.status();
        out.put(&raftcore_status {
            struct_size: 0,
            role: s.role as u32,
            id: s.id,
            group: s.group,
            term: s.term,
            vote: s.vote,
            commit: s.commit,
            applied: s.applied,
            durable: s.durable,
            leader: s.leader,
            transferee: s.transferee,
            first_index: s.first_index,
            last_index: s.last_index,
            last_term: s.last_term,
            recent_first: s.recent_first,
            safe_to_compact: s.safe_to_compact,
            memory_bytes: s.memory_bytes + call.slots.memory(),
            messages_dropped: s.messages_dropped,
            messages_refused: s.messages_refused,
            messages_ignored: s.messages_ignored,
            proposals_refused: s.proposals_refused,
            reads_failed: s.reads_failed,
            events_lost: s.events_lost,
            implausible: s.implausible,
            n_peers: s.n_peers,
            n_outstanding: s.n_outstanding,
            promotable: u32::from(s.promotable),
            electable: u32::from(s.electable),
            election_elapsed: s.election_elapsed,
            election_timeout: s.election_timeout,
            n_reads: s.n_reads,
            n_tokens: s.n_tokens,
            last_ready: s.last_ready,
            late_ticks: s.late_ticks,
            apply_waits: s.apply_waits,
        });
        Ok(RAFTCORE_OK)
    })
}

/// Returns the members as the leader sees them, this node included, sorted by id.
///
/// On nodes other than the leader, only id and membership have a meaning.
///
/// out        Room for cap records. May be NULL if cap is 0.
/// count_out  Receives the number of members, possibly more than cap.
/// Memory     Does not allocate.
/// Returns    RAFTCORE_OK  *count_out is set
/// Rust       Node::peers
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_get_peers(
    node: *const raftcore_node,
    out: *mut raftcore_peer,
    cap: size_t,
    count_out: *mut size_t,
) -> raftcore_code {
    guard(node, Needs::Live, |call| {
        // SAFETY: the page asks for places for the answers.
        let (first, count) = unsafe { (optional(out)?, place(count_out)?) };
        if first.is_none() && cap > 0 {
            return Err(NULL);
        }
        let peers = call.node.peers();
        count.write(peers.len());
        for (i, peer) in peers.take(cap).enumerate() {
            let record = raftcore_peer {
                id: peer.id,
                match_index: peer.match_index,
                next_index: peer.next_index,
                pending_snapshot: peer.pending_snapshot,
                inflight_bytes: peer.inflight_bytes,
                inflight_msgs: peer.inflight_msgs,
                flow: peer.flow as u32,
                flags: peer.flags,
                silent_ticks: peer.silent_ticks,
                commit: peer.commit,
                group: peer.group,
            };
            // SAFETY: the page asks for room for `cap` records, and i is below it.
            unsafe { out.add(i).write(record) };
        }
        Ok(RAFTCORE_OK)
    })
}

/// Returns the oldest event. If you fetch no events, newer events are lost.
///
/// raftcore_status.events_lost counts the lost events.
///
/// out      Receives the event.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK    an event
///          RAFTCORE_NONE  no event
/// Rust     Node::next_event
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_next_event(node: *mut raftcore_node, out: *mut raftcore_event) -> raftcore_code {
    guard(node, Needs::Live, |call| {
        // SAFETY: the page asks for a place for the answer.
        let out = unsafe { place(out) }?;
        let Some(event) = call.node.next_event() else { return Ok(RAFTCORE_NONE) };
        out.write(raftcore_event {
            kind: event.kind as u32,
            reason: event.reason as u32,
            peer: event.peer,
            term: event.term,
            index: event.index,
            a: event.a,
            b: event.b,
        });
        Ok(RAFTCORE_OK)
    })
}

/// Returns the text of raftcore_event.kind.
///
/// Lives    For ever. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_event_text(kind: u32) -> *const c_char {
    guard_value(c"".as_ptr(), || texts::event(kind))
}

/// Returns the text of raftcore_event.reason or raftcore_drop.reason; empty for 0.
///
/// Lives    For ever. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_reason_text(reason: u32) -> *const c_char {
    guard_value(c"".as_ptr(), || texts::reason(reason))
}

/// Returns a number that is equal for nodes in equal states, for tests and explorers.
///
/// Do not store the number: a new version may compute another.
///
/// with_random  1: include random values; 0: leave them out.
/// Returns      The number; 0 if the node does not exist, or another thread is in the node.
/// Rust         Node::digest
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_digest(node: *const raftcore_node, with_random: u32) -> u64 {
    let mut digest = 0;
    let code = guard(node, Needs::Live, |call| {
        digest = call.node.digest(with_random != 0);
        Ok(RAFTCORE_OK)
    });
    if code == RAFTCORE_OK { digest } else { 0 }
}

/// Returns an explanation of the last failed call on a node: numbers, limits, what to do.
///
/// Empty if there is nothing to add. On a poisoned node, the cause. Settings and calls have their
/// names of this page, without prefix.
///
/// buf      Receives the text with a NUL at the end, cut to cap bytes. May be NULL if cap is 0.
/// Returns  Length of the whole text without the NUL, at most 255; 0 if the node does not exist, or
///          another thread is in the node.
/// Rust     Node::error_detail
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_error_detail(node: *const raftcore_node, buf: *mut c_char, cap: size_t) -> size_t {
    // SAFETY: the page asks for `cap` writable bytes.
    unsafe { text_out(b"", buf, cap) };
    let mut whole = 0;
    let code = guard(node, Needs::Live, |call| {
        // SAFETY: as above.
        whole = unsafe { text_out(call.detail(), buf, cap) };
        Ok(RAFTCORE_OK)
    });
    if code == RAFTCORE_OK { whole } else { 0 }
}
