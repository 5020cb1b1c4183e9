//! Group 2 of the page: calls of every round of the loop.

use libc::size_t;

use super::constants::*;
use super::guard::{Held, Needs, Refusal, guard, guard_free, guard_unless};
use super::life::{done, simply};
use super::output::has_bits;
use super::turn::flat_out;
use super::types::*;
use super::{
    ConfIn, NULL, StructOut, array, bytes, check_slices, checked, conf_in, entries_in, optional, place, slice_out,
};
use crate::wire;
use crate::{EntryKind, Error, Missing, SnapshotReport, Supplied};

/// Advances the clock of a node.
///
/// ticks    Ticks that have passed; several at once if you are late. More than two election
///          timeouts count as two: the node has heard nothing in between. 0 does nothing.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       done
///          RAFTCORE_E_STATE  before the end of the boot; so in every call from here on
/// Rust     Node::tick
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_tick(node: *mut raftcore_node, ticks: u32) -> raftcore_code {
    simply(node, |n| n.tick(ticks))
}

/// Takes a message from a peer.
///
/// peer     The sender that your transport has authenticated. A message from another id is refused.
///          0: unchecked.
/// msg      A raftpb message, without the frame header. Borrowed for the call.
/// Memory   Does not allocate for the usual kinds of messages with entries up to block_bytes.
/// Returns  RAFTCORE_OK             taken, or ignored as Raft requires
///          RAFTCORE_E_DECODE       not a message: close the connection
///          RAFTCORE_E_NOT_FOR_ME   for another node, from a sender other than peer, or of a local
///                                  kind: check your routing
///          RAFTCORE_E_NO_PEER      a response from a node that is not a member: drop the message
///          RAFTCORE_E_IMPLAUSIBLE  contradicts committed entries: investigate; see the event
///          RAFTCORE_E_NOT_LEADER, RAFTCORE_E_NO_LEADER, RAFTCORE_E_CONF, RAFTCORE_E_CONF_BUSY
///                                  a forwarded proposal that is refused: drop the message
///          RAFTCORE_E_FULL, RAFTCORE_E_NOMEM
///                                  nothing done: drop the message, the sender sends again;
///                                  everyday if you step much between two readies
///          RAFTCORE_E_TOO_LARGE    an entry that recent_bytes has no room for: give all members
///                                  equal limits, and boot the node again; see the event
///          RAFTCORE_E_UNSUPPORTED  a value from a newer version: drop the message
/// Rust     Node::step
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_step(
    node: *mut raftcore_node,
    peer: u64,
    msg: *const u8,
    len: size_t,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `len` readable bytes.
        let message = unsafe { array(msg, len) }?;
        done(call.node.step(peer, message))
    })
}

/// Takes all whole frames of a receive buffer.
///
/// Do not call this function on a connection that may bring a snapshot without data, since the
/// message is stepped at once. Walk the frames with raftcore_frame_next: docs/snapshots.md.
///
/// peer          As in raftcore_step.
/// buf           Frames; the last frame may be incomplete. Borrowed for the call.
/// consumed_out  Receives the bytes of the whole frames. Keep the rest, and append to the rest.
/// rejected_out  Receives the number of frames that raftcore_step would have refused. The call
///               skips them. May be NULL.
/// first_out     Receives the code of the first refused frame; RAFTCORE_OK: none.
///               raftcore_error_detail has the text. May be NULL.
/// Memory        As raftcore_step.
/// Returns       RAFTCORE_OK        done
///               RAFTCORE_E_DECODE  buf begins with an impossible length: close the connection
/// Rust          Node::step_frames
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_step_frames(
    node: *mut raftcore_node,
    peer: u64,
    buf: *const u8,
    len: size_t,
    consumed_out: *mut size_t,
    rejected_out: *mut u32,
    first_out: *mut raftcore_code,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `len` readable bytes and places for the answers.
        let (bytes, consumed) = unsafe { (array(buf, len)?, place(consumed_out)?) };
        // SAFETY: as above.
        let (rejected, first) = unsafe { (optional(rejected_out)?, optional(first_out)?) };
        let frames = call.node.step_frames(peer, bytes)?;
        consumed.write(frames.consumed);
        if let Some(rejected) = rejected {
            rejected.write(frames.rejected);
        }
        if let Some(first) = first {
            first.write(frames.first.map_or(RAFTCORE_OK, Error::code));
        }
        if frames.first.is_some() {
            call.said_by_node();
        }
        Ok(RAFTCORE_OK)
    })
}

/// Finds the next frame of a receive buffer.
///
/// buf      Frames; the last frame may be incomplete.
/// limit    The largest frame that you accept: raftcore_frame_limit.
/// out      With struct_size set. out->msg points into buf.
/// Returns  RAFTCORE_OK        a frame of out->bytes: pass out->msg to raftcore_step if out->group
///                             is the group of your node
///          RAFTCORE_NONE      incomplete: read until out->bytes are there; 0: no whole header yet
///          RAFTCORE_E_DECODE  larger than limit: close the connection
/// Rust     wire::next_frame
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_frame_next(
    buf: *const u8,
    len: size_t,
    limit: u64,
    out: *mut raftcore_frame,
) -> raftcore_code {
    without_node(|| {
        // SAFETY: the page asks for `len` readable bytes, and a struct as large as it says.
        let (bytes, out) = unsafe { (array(buf, len)?, StructOut::new(out)?) };
        let (group, msg, bytes, code) = match wire::next_frame(bytes, limit)? {
            wire::NextFrame::Whole { group, message, bytes } => (group, slice_out(message), bytes, RAFTCORE_OK),
            wire::NextFrame::Needs(bytes) => (0, slice_out(&[]), bytes, RAFTCORE_NONE),
        };
        out.put(&raftcore_frame { struct_size: 0, reserved0: 0, group, msg, bytes });
        Ok(code)
    })
}

/// Proposes an entry at the leader.
///
/// With RAFTCORE_FLAG_FORWARDING, a follower forwards the entry to the leader. The follower does
/// not learn the outcome: the token comes back as RAFTCORE_DROP_UNKNOWN, although the entry may
/// commit. Put an id of your own into the data to recognise the entry.
///
/// parts    The data in pieces, in order. Copied. May be NULL if count is 0.
/// token    Comes back exactly once: with the committed entry, or in raftcore_ready.dropped with
///          the known outcome. 0: no token.
/// Memory   Does not allocate for entries up to block_bytes.
/// Returns  RAFTCORE_OK            taken, not yet committed
///          RAFTCORE_E_NOT_LEADER  propose at raftcore_status.leader
///          RAFTCORE_E_NO_LEADER   retry when raftcore_ready.leader changes
///          RAFTCORE_E_FULL        max_uncommitted_size, max_tokens or recent_bytes is reached:
///                                 retry after advance
///          RAFTCORE_E_TOO_LARGE   above max_entry_bytes or half of recent_bytes: split the data
///          After an error, the token does not come back.
/// Rust     Node::propose_parts
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_propose(
    node: *mut raftcore_node,
    parts: *const raftcore_slice,
    count: size_t,
    token: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` slices that can be read for as long as the call lasts.
        let parts = unsafe { array(parts, count) }?;
        check_slices(parts)?;
        // SAFETY: checked just now.
        done(call.node.propose_parts(parts.iter().map(|part| unsafe { checked(part) }), token))
    })
}

/// Proposes an entry if this node leads in a term, and never forwards the entry. For data that were
/// computed from the state as of that term.
///
/// term     raftcore_status.term, when the data were computed.
/// parts    As in raftcore_propose, and so count and token.
/// Memory   As raftcore_propose.
/// Returns  As raftcore_propose;
///          RAFTCORE_E_NO_LEADER, RAFTCORE_E_NOT_LEADER  the term is over: compute the data anew
/// Rust     Node::propose_in_term
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_propose_in_term(
    node: *mut raftcore_node,
    term: u64,
    parts: *const raftcore_slice,
    count: size_t,
    token: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` slices that can be read for as long as the call lasts.
        let parts = unsafe { array(parts, count) }?;
        check_slices(parts)?;
        // SAFETY: checked just now.
        done(call.node.propose_in_term(term, parts.iter().map(|part| unsafe { checked(part) }), token))
    })
}

/// Proposes several entries: all or nothing.
///
/// entries  A slice per entry. Copied. May be NULL if count is 0.
/// tokens   A token per entry. May be NULL: no tokens.
/// Memory   As raftcore_propose.
/// Returns  As raftcore_propose.
/// Rust     Node::propose_many
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_propose_many(
    node: *mut raftcore_node,
    entries: *const raftcore_slice,
    tokens: *const u64,
    count: size_t,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` slices and, if not NULL, tokens, readable during the
        // call.
        let entries = unsafe { array(entries, count) }?;
        check_slices(entries)?;
        // SAFETY: checked just now.
        let slices = entries.iter().map(|entry| unsafe { checked(entry) });
        if tokens.is_null() {
            return done(call.node.propose_many(slices.map(|entry| (entry, 0))));
        }
        // SAFETY: the page's promise.
        let tokens = unsafe { array(tokens, count) }?;
        done(call.node.propose_many(slices.zip(tokens.iter().copied())))
    })
}

/// Proposes an entry of any kind, for example a change that was encoded elsewhere.
///
/// kind     RAFTCORE_ENTRY_*
/// data     Copied. A membership change is checked as in raftcore_propose_conf.
/// token    As in raftcore_propose.
/// Returns  As raftcore_propose and raftcore_propose_conf, and
///          RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED  not a membership change
/// Rust     Node::propose_entry
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_propose_entry(
    node: *mut raftcore_node,
    kind: u32,
    data: raftcore_slice,
    token: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        let Some(kind) = EntryKind::from_wire(u64::from(kind)) else {
            return Err(Refusal::Own(Error::Arg, "kind is none of RAFTCORE_ENTRY_*"));
        };
        // SAFETY: the page asks for what can be read for as long as the call lasts.
        let data = unsafe { bytes(data) }?;
        done(call.node.propose_entry(kind, data, token))
    })
}

/// Proposes an entry of any kind with a context: bytes beside the data, as raft-rs has them.
///
/// kind     RAFTCORE_ENTRY_*
/// context  Copied. Comes back in raftcore_entry.context, on every node.
/// data     Copied. A membership change is checked as in raftcore_propose_conf.
/// token    As in raftcore_propose.
/// Returns  As raftcore_propose_entry; max_entry_bytes counts data and context;
///          RAFTCORE_E_UNSUPPORTED  dialect is not RAFTCORE_DIALECT_ERAFTPB
/// Rust     Node::propose_with_context
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_propose_with_context(
    node: *mut raftcore_node,
    kind: u32,
    context: raftcore_slice,
    data: raftcore_slice,
    token: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        let Some(kind) = EntryKind::from_wire(u64::from(kind)) else {
            return Err(Refusal::Own(Error::Arg, "kind is none of RAFTCORE_ENTRY_*"));
        };
        // SAFETY: the page asks for what can be read for as long as the call lasts.
        let (context, data) = unsafe { (bytes(context)?, bytes(data)?) };
        done(call.node.propose_with_context(kind, context, data, token))
    })
}

/// Returns the waiting work as RAFTCORE_HAS_*: the contents of the next ready, fetches, events.
///
/// An outstanding ready does not count. Before you sleep, drain the events and do all work until
/// the result is 0. raftcore_status.late_ticks counts the ticks that found a ready waiting.
///
/// Memory   Does not allocate.
/// Returns  RAFTCORE_HAS_*, 0: nothing; or a negative code. Works on a poisoned node and before the
///          end of the boot, too.
/// Rust     Node::has_ready
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_has_ready(node: *const raftcore_node) -> i32 {
    guard(node, Needs::Live, |call| {
        // Before the boot, and after a fault, there is no next ready: that is an answer, too.
        let bits = match call.node.has_ready() {
            Err(Error::State | Error::Poisoned) => 0,
            bits => bits? as i32,
        };
        Ok(bits | call.slots.pending(call.node).map_or(0, |ready| has_bits(&ready)))
    })
}

/// Returns the next ready.
///
/// out      With struct_size set.
/// Lives    The memory behind *out stays valid and unchanged until raftcore_advance or
///          raftcore_release of out->number, or raftcore_free, whichever other calls you make.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       a ready; with RAFTCORE_STORAGE_SYNC the same ready until you advance
///          RAFTCORE_NONE     nothing to do
///          RAFTCORE_E_FULL   max_outstanding readies are outstanding: acknowledge a ready first
///          RAFTCORE_E_NOMEM  an unusually large ready: call again
///          RAFTCORE_E_ABI    unknown out->struct_size
/// Rust     Node::ready
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_get_ready(node: *mut raftcore_node, out: *mut raftcore_ready) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a struct of the stated size.
        let out = unsafe { StructOut::new(out)? };
        match call.slots.next(call.node)? {
            None => Ok(RAFTCORE_NONE),
            Some(ready) => {
                out.put(ready);
                Ok(RAFTCORE_OK)
            }
        }
    })
}

/// Returns the next ready as a run of bytes, for languages without pointers.
///
/// The bytes begin with a raftcore_flat. The records of all lists follow, then the bytes of the
/// records. Numbers are little-endian. A place is an offset from buf[0], a multiple of 8. A frame
/// is contiguous, ready to be sent. Messages have no decoded entries.
///
/// buf       Your buffer, with any alignment. May be NULL if cap is 0.
/// need_out  Receives the number of bytes that were written, or are needed. May be NULL.
/// Lives     The bytes are yours. The ready is outstanding: acknowledge the ready.
/// Memory    Does not allocate.
/// Returns   RAFTCORE_OK           a ready
///           RAFTCORE_NONE         nothing to do
///           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed: the next call returns this ready
///           RAFTCORE_E_FULL       as raftcore_get_ready
/// Rust      Node::ready
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_ready_flat(
    node: *mut raftcore_node,
    buf: *mut u8,
    cap: size_t,
    need_out: *mut size_t,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        if buf.is_null() && cap > 0 {
            return Err(NULL);
        }
        // SAFETY: the page asks for a place for the answer, and `cap` writable bytes.
        let (need, flat) = unsafe { (optional(need_out)?, call.slots.next_flat(call.node, buf, cap)?) };
        flat_out(call, flat, need, cap, RAFTCORE_OK)
    })
}

/// Acknowledges a ready and all earlier readies: persisted, applied and released at once.
///
/// number   raftcore_ready.number
/// Lives    Ends the memory of the readies up to number.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       acknowledged
///          RAFTCORE_E_STALE  acknowledged before: harmless
///          RAFTCORE_E_ARG    the node has not returned such a ready
///          RAFTCORE_E_STATE  a membership change is neither applied nor skipped: call
///                            raftcore_apply_conf; or a span without entries is not confirmed: call
///                            raftcore_applied; or RAFTCORE_STORAGE_MESSAGES
/// Rust     Node::advance
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_advance(node: *mut raftcore_node, number: u64) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        call.slots.check_seen(number)?;
        call.node.advance(number)?;
        call.slots.end(number);
        Ok(RAFTCORE_OK)
    })
}

/// Returns the next fetch: entries or a snapshot that the node needs from you.
///
/// A peer far behind needs old entries or a snapshot. This node needs entries of its own log
/// if they left memory before they were applied: RAFTCORE_FETCH_APPLY, after any boot with more
/// than recent_bytes of unapplied log.
///
/// A node has at most one fetch per peer, and one of its own, and returns a fetch once. Until you
/// answer, the peer waits, or nothing is applied (RAFTCORE_FETCH_APPLY); everything else goes on.
/// You may call at any time, with a ready outstanding, too.
///
/// out      With struct_size set.
/// Returns  RAFTCORE_OK    answer with raftcore_supply_entries, _snapshot or _none
///          RAFTCORE_NONE  no fetch
/// Rust     Node::next_fetch
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_next_fetch(node: *mut raftcore_node, out: *mut raftcore_fetch) -> raftcore_code {
    // SAFETY: the page asks for a struct of the stated size.
    let place = || unsafe { StructOut::new(out) };
    let idle = |held: &Held| held.node.lacks_nothing() && place().is_ok();
    guard_unless(node, idle, |call| {
        let out = place()?;
        let Some(fetch) = call.node.next_fetch()? else { return Ok(RAFTCORE_NONE) };
        out.put(&raftcore_fetch {
            struct_size: 0,
            kind: fetch.kind as u32,
            id: fetch.id,
            peer: fetch.peer,
            first: fetch.first,
            last: fetch.last,
            max_bytes: fetch.max_bytes,
        });
        Ok(RAFTCORE_OK)
    })
}

fn supplied(result: crate::Result<Supplied>) -> super::guard::Answer {
    Ok(match result? {
        Supplied::Taken => RAFTCORE_OK,
        Supplied::Ignored => RAFTCORE_IGNORED,
    })
}

/// Answers a fetch with entries, for a peer or to apply.
///
/// id       raftcore_fetch.id
/// e        At least an entry, from raftcore_fetch.first on, without a gap. Copied. The node leaves
///          out the entries that do not fit.
/// Returns  RAFTCORE_OK       the next ready has the append, or the committed entries
///          RAFTCORE_IGNORED  no longer needed; nothing done
///          RAFTCORE_E_ARG    contradicts the fetch or the log; the fetch stays open
///          RAFTCORE_E_NOMEM  the fetch stays open: retry
/// Rust     Node::supply_entries
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_supply_entries(
    node: *mut raftcore_node,
    id: u64,
    e: *const raftcore_entry,
    count: size_t,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` entries that can be read for as long as the call lasts.
        let entries = unsafe { entries_in(e, count) }?;
        supplied(call.node.supply_entries(id, entries))
    })
}

/// Answers a fetch with a snapshot. docs/snapshots.md shows the whole path.
///
/// id       raftcore_fetch.id
/// index    End of the snapshot: at least raftcore_fetch.first - 1, at most the commit index.
/// conf     Membership as of index, with the peer.
/// data     The state, up to max_snapshot_bytes. Copied. Empty: you send the data to the peer over
///          your own channel, and the peer's host must have the data before raftcore_step.
/// Returns  As raftcore_supply_entries, and
///          RAFTCORE_E_TOO_LARGE  above max_snapshot_bytes, an everyday case: supply no data, and
///                                send the data over your own channel
///          RAFTCORE_E_ARG        index out of range, or conf lacks the peer: make a new snapshot
///          RAFTCORE_E_CONF       the membership is invalid
///          RAFTCORE_E_DECODE     conf->bytes are not a membership
///          After an error, the fetch stays open.
/// Rust     Node::supply_snapshot, Node::supply_snapshot_bytes
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_supply_snapshot(
    node: *mut raftcore_node,
    id: u64,
    index: u64,
    conf: *const raftcore_conf,
    data: raftcore_slice,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for what can be read for as long as the call lasts.
        let (conf, data) = unsafe { (conf_in(conf)?, bytes(data)?) };
        supplied(match conf {
            ConfIn::Bytes(bytes) => call.node.supply_snapshot_bytes(id, index, bytes, data),
            ConfIn::Ids(ids, _) => call.node.supply_snapshot(id, index, &ids, data),
        })
    })
}

/// Answers a fetch with nothing.
///
/// id       raftcore_fetch.id
/// why      RAFTCORE_SUPPLY_GONE: the entries are compacted; the node fetches a snapshot.
///          RAFTCORE_SUPPLY_LATER: the node fetches again, after the peer's next answer to a
///          heartbeat; with RAFTCORE_FETCH_APPLY, after the next tick.
/// Returns  RAFTCORE_OK         noted
///          RAFTCORE_IGNORED    no longer needed; nothing done
///          RAFTCORE_E_ARG      unknown why, or the node has not returned such a fetch
///          RAFTCORE_E_CORRUPT  GONE with RAFTCORE_FETCH_APPLY: the log has lost entries that are
///                              not applied; the fetch stays open: end the process, repair the disk
/// Rust     Node::supply_none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_supply_none(node: *mut raftcore_node, id: u64, why: u32) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        let why = match why {
            RAFTCORE_SUPPLY_GONE => Missing::Gone,
            RAFTCORE_SUPPLY_LATER => Missing::Later,
            _ => return Err(Refusal::Own(Error::Arg, "why is neither RAFTCORE_SUPPLY_GONE nor RAFTCORE_SUPPLY_LATER")),
        };
        supplied(call.node.supply_none(id, why))
    })
}

/// Reports that your log begins after index, and that you have a snapshot at index or later.
///
/// index    At most the applied index.
/// Returns  RAFTCORE_OK       noted
///          RAFTCORE_E_STALE  reported before: harmless
///          RAFTCORE_E_ARG    beyond the applied index
/// Rust     Node::compacted
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_compacted(node: *mut raftcore_node, index: u64) -> raftcore_code {
    simply(node, |n| n.compacted(index))
}

/// Reports that messages to a peer were lost, or may have been, since the connection broke.
///
/// Returns  RAFTCORE_OK         noted
///          RAFTCORE_E_NO_PEER  not a member: harmless
/// Rust     Node::report_unreachable
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_report_unreachable(node: *mut raftcore_node, peer: u64) -> raftcore_code {
    simply(node, |n| n.report_unreachable(peer))
}

/// Reports the state of a snapshot in flight to a peer.
///
/// Without a report, the node waits for the peer's acknowledgement, at most snapshot_timeout_ticks.
/// So report RAFTCORE_SNAPSHOT_UNDER_WAY every few ticks while the data are in flight.
///
/// how      RAFTCORE_SNAPSHOT_*
/// Returns  RAFTCORE_OK         noted
///          RAFTCORE_E_NO_PEER  not a member: stop sending
///          RAFTCORE_E_ARG      unknown how
/// Rust     Node::report_snapshot
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_report_snapshot(node: *mut raftcore_node, peer: u64, how: u32) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        let report = match how {
            RAFTCORE_SNAPSHOT_FAILED => SnapshotReport::Failed,
            RAFTCORE_SNAPSHOT_ARRIVED => SnapshotReport::Arrived,
            RAFTCORE_SNAPSHOT_UNDER_WAY => SnapshotReport::UnderWay,
            _ => return Err(Refusal::Own(Error::Arg, "how is none of RAFTCORE_SNAPSHOT_*")),
        };
        done(call.node.report_snapshot(peer, report))
    })
}

/// Returns the ticks that you may sleep if nothing arrives. Then call raftcore_tick once.
///
/// ticks_out  Receives 1 or more; UINT32_MAX: no tick has an effect.
/// Memory     Does not allocate.
/// Returns    RAFTCORE_OK  *ticks_out is set
/// Rust       Node::ticks_until_due
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_ticks_until_due(node: *const raftcore_node, ticks_out: *mut u32) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a place for the answer.
        let out = unsafe { place(ticks_out) }?;
        let ticks = call.node.ticks_until_due();
        out.write(ticks.map_err(|error| Refusal::Own(error, "the node is not booted: boot it first"))?);
        Ok(RAFTCORE_OK)
    })
}

/// Joins the slices of a message's frame, for transports without gather lists.
///
/// m         From an outstanding ready.
/// buf       Your buffer. May be NULL if cap is 0.
/// need_out  Receives m->frame_bytes, with RAFTCORE_E_TOO_SMALL as well. May be NULL.
/// Returns   RAFTCORE_OK           written
///           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_flatten(
    m: *const raftcore_msg,
    buf: *mut u8,
    cap: size_t,
    need_out: *mut size_t,
) -> raftcore_code {
    without_node(|| {
        // SAFETY: the page asks for a message of an outstanding ready with readable slices, and a
        // place for the answer.
        let (m, need_out) = unsafe { (array(m, 1)?.first().ok_or(NULL)?, optional(need_out)?) };
        // SAFETY: as above.
        let parts = unsafe { array(m.frame, m.n_frame as usize) }?;
        check_slices(parts)?;
        let need: usize = parts.iter().map(|part| part.len).sum();
        if need > 0 && cap >= need && buf.is_null() {
            return Err(NULL);
        }
        if let Some(out) = need_out {
            out.write(need);
        }
        if need > cap {
            return Err(Refusal::Own(Error::TooSmall, ""));
        }
        let mut at = 0;
        for part in parts.iter().filter(|part| part.len > 0) {
            // SAFETY: all parts together fit into `cap` bytes, which belong to the caller.
            unsafe { core::ptr::copy_nonoverlapping(part.ptr, buf.add(at), part.len) };
            at += part.len;
        }
        Ok(RAFTCORE_OK)
    })
}

/// Finds a snapshot in an incoming message, before raftcore_step.
///
/// msg        A raftpb message, without the frame header.
/// data_out   Receives the data, inside msg. Empty: the data arrive over your own channel; wait for
///            the data before you step the message.
/// index_out  Receives the end of the snapshot. May be NULL.
/// term_out   Receives the term at the end. May be NULL.
/// Returns    RAFTCORE_OK        a snapshot
///            RAFTCORE_NONE      another message; nothing is set
///            RAFTCORE_E_DECODE  not a message: close the connection
/// Rust       wire::parse_message
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_snapshot_split(
    msg: *const u8,
    len: size_t,
    data_out: *mut raftcore_slice,
    index_out: *mut u64,
    term_out: *mut u64,
) -> raftcore_code {
    without_node(|| {
        // SAFETY: the page asks for `len` readable bytes and places for the answers.
        let (message, data, index, term) =
            unsafe { (array(msg, len)?, place(data_out)?, optional(index_out)?, optional(term_out)?) };
        let view = wire::parse_message(message)?;
        let Some(snapshot) = view.snapshot.filter(|_| view.head.kind as u32 == RAFTCORE_MSG_SNAP) else {
            return Ok(RAFTCORE_NONE);
        };
        data.write(slice_out(snapshot.data));
        if let Some(out) = index {
            out.write(snapshot.index);
        }
        if let Some(out) = term {
            out.write(snapshot.term);
        }
        Ok(RAFTCORE_OK)
    })
}

/// Judges the frame that opens a peer's connection: version, group, dialect and id.
///
/// frame    The whole frame, as raftcore_hello_read takes it.
/// Returns  RAFTCORE_OK            goes with this node
///          RAFTCORE_E_NOT_FOR_ME  close the connection: raftcore_error_detail says what differs
///          RAFTCORE_E_DECODE      not a hello frame: close the connection
/// Rust     Node::check_hello
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_hello_check(
    node: *mut raftcore_node,
    frame: *const u8,
    len: size_t,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `len` readable bytes.
        let hello = wire::read_hello(unsafe { array(frame, len) }?)
            .map_err(|error| Refusal::Own(error, "not a hello frame, or not a whole one"))?;
        done(call.node.check_hello(&hello))
    })
}

/// Writes the frame that opens a connection: version, features, group and id of the node.
///
/// buf       Your buffer. May be NULL if cap is 0.
/// need_out  Receives the size of the frame, with RAFTCORE_E_TOO_SMALL as well. May be NULL.
/// Returns   RAFTCORE_OK           written
///           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
/// Rust      Node::hello
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_hello(
    node: *const raftcore_node,
    buf: *mut u8,
    cap: size_t,
    need_out: *mut size_t,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        if buf.is_null() && cap > 0 {
            return Err(NULL);
        }
        // SAFETY: the page asks for a place for the answer.
        let need_out = unsafe { optional(need_out) }?;
        if let Some(out) = need_out {
            out.write(wire::HELLO_LEN);
        }
        if cap < wire::HELLO_LEN {
            return Err(
                call.refuse(Error::TooSmall, format_args!("cap is {cap}: {} bytes are needed", wire::HELLO_LEN))
            );
        }
        let mut frame = [0; wire::HELLO_LEN];
        let len = wire::write_hello(&mut frame, &call.node.hello());
        // SAFETY: `cap` bytes are the caller's own, and the frame is not longer.
        unsafe { core::ptr::copy_nonoverlapping(frame.as_ptr(), buf, len) };
        Ok(RAFTCORE_OK)
    })
}

/// Reads the frame that opens a connection. You judge version, group and id.
///
/// frame    A whole frame, with its header.
/// out      With struct_size set.
/// Returns  RAFTCORE_OK        out->id is the sender
///          RAFTCORE_E_DECODE  not a hello frame: close the connection
///          RAFTCORE_E_ABI     unknown out->struct_size
/// Rust     wire::read_hello
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_hello_read(
    frame: *const u8,
    len: size_t,
    out: *mut raftcore_hello_info,
) -> raftcore_code {
    without_node(|| {
        // SAFETY: the page asks for `len` readable bytes, and a struct as large as it says.
        let (frame, out) = unsafe { (array(frame, len)?, StructOut::new(out)?) };
        let hello = wire::read_hello(frame)?;
        out.put(&raftcore_hello_info {
            struct_size: 0,
            version: hello.version,
            features: hello.features,
            group: hello.group,
            id: hello.id,
        });
        Ok(RAFTCORE_OK)
    })
}

fn without_node(body: impl FnOnce() -> super::guard::Answer) -> raftcore_code {
    guard_free(|| {
        body().map_err(|refusal| match refusal {
            Refusal::Node(error) | Refusal::Said(error) | Refusal::Own(error, _) => error,
        })
    })
}
