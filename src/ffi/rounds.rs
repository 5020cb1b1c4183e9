//! Group 2 of the page: what a host calls round after round.

use super::constants::*;
use super::guard::{Held, Needs, Refusal, guard, guard_after, guard_free};
use super::life::{done, simply};
use super::output::{Outlook, has_bits};
use super::turn::flat_out;
use super::types::*;
use super::{
    ConfIn, NULL, StructOut, array, bytes, check_slices, checked, conf_in, entries_in, optional, place, slice_out,
};
use crate::wire;
use crate::{EntryKind, Error, Missing, SnapshotReport, Supplied};

/// ==== 2  The loop
///
/// Time passes.
///
/// node     Live handle, as in every call.
/// ticks    How many; more than 1 to catch up in one call. More than two election timeouts count as two: nothing can have been
///          heard in between. 0 does nothing.
/// Thread   Any thread, one call at a time on a node. Different nodes are independent. So in every call.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       done
///          RAFTCORE_E_STATE  before raftcore_boot_done; so in every call from here on
///          and the codes any call may return (see "Errors" above).
/// Rust     Node::tick
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_tick(node: *mut raftcore_node, ticks: u32) -> raftcore_code {
    simply(node, |n| n.tick(ticks))
}

/// A message has come.
///
/// peer     Whom the transport authenticated: a message from another id is refused. 0: unchecked.
/// msg      A raftpb message, without the header of a frame. Borrowed for the call.
/// Memory   Does not allocate, for messages of the usual kinds with entries up to block_bytes.
/// Returns  RAFTCORE_OK             taken, or ignored as Raft asks
///          RAFTCORE_E_DECODE       no message; the connection is suspect
///          RAFTCORE_E_NOT_FOR_ME   to another node, from somebody else than peer, or of a kind that peers never send
///          RAFTCORE_E_NO_PEER      a response from somebody who is no member
///          RAFTCORE_E_IMPLAUSIBLE  contradicts what is committed here; an event tells
///          RAFTCORE_E_NO_LEADER    a proposal that was passed on, and nobody to take it; it may also answer RAFTCORE_E_NOT_LEADER,
///                                  RAFTCORE_E_CONF and RAFTCORE_E_CONF_BUSY, as raftcore_propose_conf
///          RAFTCORE_E_FULL         nothing happened; the message may be dropped, it will come again. So with RAFTCORE_E_NOMEM.
///          RAFTCORE_E_UNSUPPORTED  a value that this version does not know
/// Rust     Node::step
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_step(
    node: *mut raftcore_node,
    peer: u64,
    msg: *const u8,
    len: usize,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `len` readable bytes.
        let message = unsafe { array(msg, len) }?;
        done(call.node.step(peer, message))
    })
}

/// Frames have come: point it at the receive buffer.
///
/// peer          As in raftcore_step.
/// buf           Frames, the last of which may be incomplete. Borrowed for the call.
/// consumed_out  Bytes of whole frames that were taken; keep the rest and append to it.
/// rejected_out  Frames among these that raftcore_step would have refused, each counted and skipped. May be NULL.
/// first_out     The code of the first of these, RAFTCORE_OK if there is none; raftcore_error_detail has its text. May be NULL.
/// Memory        As raftcore_step.
/// Returns       RAFTCORE_OK        both are set
///               RAFTCORE_E_DECODE  buf begins with a length that no frame has: drop the connection
/// A snapshot whose data travel beside the core must not be stepped before they are there: on a connection that may bring one, walk
/// with raftcore_frame_next, look with raftcore_snapshot_split, and step each message by raftcore_step.
/// Rust          Node::step_frames
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_step_frames(
    node: *mut raftcore_node,
    peer: u64,
    buf: *const u8,
    len: usize,
    consumed_out: *mut usize,
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

/// Walks a receive buffer: the next frame, which is not stepped.
///
/// buf      Frames, the last of which may be incomplete.
/// limit    The largest frame that is expected, header included: raftcore_frame_limit.
/// out      Caller's struct, with struct_size set. out->msg points into buf.
/// Thread   Any; needs no node.
/// Returns  RAFTCORE_OK        a whole frame: out->msg goes to raftcore_step if out->group is this node's; out->bytes to the next one
///          RAFTCORE_NONE      incomplete: out->bytes are needed, 0 if not even the header is there
///          RAFTCORE_E_DECODE  longer than limit: drop the connection
/// Rust     wire::next_frame
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_frame_next(
    buf: *const u8,
    len: usize,
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

/// Proposes one entry, at the leader.
///
/// parts    The entry's data in pieces, joined in order. May be NULL if count is 0. Copied.
/// token    Comes back exactly once: with the committed entry, or in raftcore_ready.dropped with what is known. 0: none.
///          With RAFTCORE_FLAG_FORWARDING a follower passes the entry on; then nobody here can know its outcome, and the token comes
///          back as RAFTCORE_DROP_UNKNOWN, though the entry may commit: put an id of your own into the data to recognise it.
/// Memory   Does not allocate, for entries up to block_bytes.
/// Returns  RAFTCORE_OK            taken; that is not yet committed
///          RAFTCORE_E_NOT_LEADER  propose at raftcore_status.leader
///          RAFTCORE_E_NO_LEADER   retry when raftcore_ready.leader changes
///          RAFTCORE_E_FULL        max_uncommitted_size, max_tokens or recent_bytes is reached: retry after advance
///          RAFTCORE_E_TOO_LARGE   larger than max_entry_bytes, or than half of recent_bytes
///          A negative code: no token was taken.
/// Rust     Node::propose_parts
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_propose(
    node: *mut raftcore_node,
    parts: *const raftcore_slice,
    count: usize,
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

/// Proposes several entries, all or none.
///
/// entries  One slice for each entry. May be NULL if count is 0. Copied.
/// tokens   One for each entry. NULL: none has one.
/// Memory   As raftcore_propose.
/// Returns  As raftcore_propose.
/// Rust     Node::propose_many
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_propose_many(
    node: *mut raftcore_node,
    entries: *const raftcore_slice,
    tokens: *const u64,
    count: usize,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` slices and, if not NULL, tokens, readable for as long as the call lasts.
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

/// Proposes an entry of any kind as it is: a change that was encoded elsewhere, say.
///
/// kind     RAFTCORE_ENTRY_*
/// data     Copied. A change is checked as by raftcore_propose_conf.
/// token    As in raftcore_propose.
/// Returns  As raftcore_propose and raftcore_propose_conf, and
///          RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED  data that are no change
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

/// What the next ready would hold beside one that is outstanding, and whether fetches and events wait. Before you sleep, all but
/// RAFTCORE_HAS_EVENTS must be 0, and that after you have logged the events; raftcore_status.late_ticks tells of hosts that forget.
///
/// Memory   Does not allocate.
/// Returns  RAFTCORE_HAS_* (0: nothing), or a negative code. Works on a poisoned node, and before raftcore_boot_done.
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

/// Takes the next batch of work.
///
/// out      Caller's struct, with struct_size set. Written only if the result is RAFTCORE_OK.
/// Lives    Everything that *out points to belongs to the node and is valid, unmoved and unchanged, until
///          raftcore_advance or raftcore_release of out->number, or raftcore_free. Any other call in between is allowed.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       one batch; with RAFTCORE_STORAGE_SYNC the same one until it is advanced
///          RAFTCORE_NONE     nothing to do
///          RAFTCORE_E_FULL   max_outstanding batches are outstanding: acknowledge one first
///          RAFTCORE_E_NOMEM  an unusually large batch: it comes with the next call
///          RAFTCORE_E_ABI    out->struct_size is not one this library knows
/// Rust     Node::ready
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_get_ready(node: *mut raftcore_node, out: *mut raftcore_ready) -> raftcore_code {
    // SAFETY: the page asks for a struct as large as it says.
    let place = || unsafe { StructOut::new(out) };
    let look = |held: &Held| match held.slots.outlook(&held.node) {
        Outlook::Idle if place().is_ok() => None,
        outlook => Some(outlook),
    };
    guard_after(node, look, |call, outlook| {
        let out = place()?;
        match call.slots.next(call.node, outlook)? {
            None => Ok(RAFTCORE_NONE),
            Some(ready) => {
                out.put(ready);
                Ok(RAFTCORE_OK)
            }
        }
    })
}

/// Takes the next batch of work as one run of bytes, for languages to which pointers are a burden.
///
/// It begins with a raftcore_flat; behind it lie the records of all lists, and behind these the bytes they name. All is
/// little-endian; each place is an offset from buf[0], a multiple of 8. A frame is in one piece and can be sent as it is. Decoded
/// entries of messages are not in it.
///
/// buf       Caller's buffer, of any alignment; may be NULL if cap is 0. Written only if the result is RAFTCORE_OK.
/// need_out  RAFTCORE_OK: bytes written. RAFTCORE_E_TOO_SMALL: bytes needed; any amount may be asked again. May be NULL.
/// Lives     The bytes are the caller's. The batch is outstanding as any other: acknowledge it.
/// Memory    Does not allocate.
/// Returns   RAFTCORE_OK           one batch
///           RAFTCORE_NONE         nothing to do
///           RAFTCORE_E_TOO_SMALL  the batch is not taken; it comes with the next call, unchanged
///           RAFTCORE_E_FULL       as raftcore_get_ready
/// Rust      Node::ready
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_ready_flat(
    node: *mut raftcore_node,
    buf: *mut u8,
    cap: usize,
    need_out: *mut usize,
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

/// All work of a batch is done: it and those before it are persisted, applied and released in one.
///
/// number   raftcore_ready.number
/// Lives    The views of readies up to number end here.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK       done
///          RAFTCORE_E_STALE  acknowledged before; harmless
///          RAFTCORE_E_ARG    never handed out
///          RAFTCORE_E_STATE  a configuration entry in it was neither applied nor skipped; or RAFTCORE_STORAGE_MESSAGES
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

/// Asks what the node lacks: old entries, or a snapshot, for a peer that is far behind; or entries of this node's own log, which
/// left the recent log before they were applied (RAFTCORE_FETCH_APPLY: any boot with more than recent_bytes of unapplied log).
///
/// At most one for each peer and one for this node. Each is handed out once and waits for its answer; nothing else waits, but that
/// nothing is applied before RAFTCORE_FETCH_APPLY is answered. Legal at any time, also with a ready outstanding.
///
/// out      Caller's struct, with struct_size set. Written only if the result is RAFTCORE_OK.
/// Returns  RAFTCORE_OK    answer it with raftcore_supply_entries, _snapshot or _none
///          RAFTCORE_NONE  nothing is lacking
/// Rust     Node::next_fetch
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_next_fetch(node: *mut raftcore_node, out: *mut raftcore_fetch) -> raftcore_code {
    // SAFETY: the page asks for a struct as large as it says.
    let place = || unsafe { StructOut::new(out) };
    let look = |held: &Held| if held.node.lacks_nothing() && place().is_ok() { None } else { Some(()) };
    guard_after(node, look, |call, ()| {
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

/// Answers a fetch of entries, for a peer or to apply.
///
/// id       raftcore_fetch.id
/// e        One entry or more, from raftcore_fetch.first on, without a gap. What does not fit is not taken. Copied.
/// Returns  RAFTCORE_OK       the append, or the committed entries, come with the next ready
///          RAFTCORE_IGNORED  no longer wanted; nothing done
///          RAFTCORE_E_ARG    contradicts the log, or not what was asked; the ask is still open
///          RAFTCORE_E_NOMEM  the ask is still open
/// Rust     Node::supply_entries
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_supply_entries(
    node: *mut raftcore_node,
    id: u64,
    e: *const raftcore_entry,
    count: usize,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` entries that can be read for as long as the call lasts.
        let entries = unsafe { entries_in(e, count) }?;
        supplied(call.node.supply_entries(id, entries))
    })
}

/// Answers an ask for a snapshot.
///
/// id       raftcore_fetch.id
/// index    What the snapshot covers: at least raftcore_fetch.first - 1, at most what is committed.
/// conf     The configuration as of index, the peer in it.
/// data     The state, up to max_snapshot_bytes. Copied. Empty: you send it to the peer beside the core, over a connection of your
///          own, and the peer's host must have it before it steps the message (docs/snapshots.md).
/// Returns  As raftcore_supply_entries, and
///          RAFTCORE_E_TOO_LARGE  more data than max_snapshot_bytes: an everyday case. Supply none, and send them beside the core.
///          RAFTCORE_E_CONF       no valid configuration. One without the peer is RAFTCORE_E_ARG.
///          RAFTCORE_E_DECODE     conf->bytes are no configuration
///          The fetch stays open.
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

/// Answers an ask with nothing.
///
/// id       raftcore_fetch.id
/// why      RAFTCORE_SUPPLY_GONE: the entries are compacted away, so a snapshot is asked for.
///          RAFTCORE_SUPPLY_LATER: asked again, not before that peer's next answer to a heartbeat.
/// Returns  RAFTCORE_OK       noted
///          RAFTCORE_IGNORED  no longer wanted; nothing done
///          RAFTCORE_E_ARG    neither of the two, or an id that was never handed out
///          RAFTCORE_E_CORRUPT  GONE for RAFTCORE_FETCH_APPLY: committed entries that are not applied can't be gone
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

/// The host has dropped the entries up to index from its log; it has the state as of there, or later.
///
/// index    At most what is applied.
/// Returns  RAFTCORE_OK       noted
///          RAFTCORE_E_STALE  dropped before
///          RAFTCORE_E_ARG    beyond what is applied
/// Rust     Node::compacted
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_compacted(node: *mut raftcore_node, index: u64) -> raftcore_code {
    simply(node, |n| n.compacted(index))
}

/// Messages to peer were lost, or may have been: the connection broke.
///
/// Returns  RAFTCORE_OK         noted
///          RAFTCORE_E_NO_PEER  not a member
/// Rust     Node::report_unreachable
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_report_unreachable(node: *mut raftcore_node, peer: u64) -> raftcore_code {
    simply(node, |n| n.report_unreachable(peer))
}

/// What became of the snapshot to peer. Without a report the wait ends with the peer's acknowledgement, or after
/// snapshot_timeout_ticks: so report RAFTCORE_SNAPSHOT_UNDER_WAY while a long one is being sent.
///
/// how      RAFTCORE_SNAPSHOT_*
/// Returns  RAFTCORE_OK         noted
///          RAFTCORE_E_NO_PEER  not a member
///          RAFTCORE_E_ARG      how is none of these
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

/// How many ticks may pass before the node does something by itself: so long a host may sleep, if nothing else comes. The
/// ticks that have passed are then told in one raftcore_tick.
///
/// ticks_out  At least 1; UINT32_MAX: nothing will happen.
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
        out.write(ticks.map_err(|error| Refusal::Own(error, "the node is not booted: call boot_done first"))?);
        Ok(RAFTCORE_OK)
    })
}

/// Joins the pieces of a message's frame, for transports that can't gather.
///
/// m         From a ready that is outstanding.
/// buf       Caller's buffer; may be NULL if cap is 0. Written only if the result is RAFTCORE_OK.
/// need_out  m->frame_bytes, also if that is more than cap. May be NULL.
/// Thread    Any; needs no node.
/// Returns   RAFTCORE_OK           written
///           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_flatten(
    m: *const raftcore_msg,
    buf: *mut u8,
    cap: usize,
    need_out: *mut usize,
) -> raftcore_code {
    without_node(|| {
        // SAFETY: the page asks for a message of an outstanding ready, whose slices can be read, and a place for the answer.
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
            // SAFETY: all parts together fit into `cap` bytes, which are the caller's own.
            unsafe { core::ptr::copy_nonoverlapping(part.ptr, buf.add(at), part.len) };
            at += part.len;
        }
        Ok(RAFTCORE_OK)
    })
}

/// Looks into an incoming message before raftcore_step: is it a snapshot, and where are its data?
///
/// msg        A raftpb message, without the header of a frame.
/// data_out   The data, inside msg; empty if they travel beside the core: then wait for them before you step the message.
/// index_out  What the snapshot covers. May be NULL.
/// term_out   The term there. May be NULL.
/// Thread     Any; needs no node.
/// Returns    RAFTCORE_OK        a snapshot
///            RAFTCORE_NONE      another message; nothing is set
///            RAFTCORE_E_DECODE  no message
/// Rust       wire::parse_message
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_snapshot_split(
    msg: *const u8,
    len: usize,
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

/// Writes the frame that opens a connection: version, features, group and id of this node.
///
/// buf       Caller's buffer; may be NULL if cap is 0. Written only if the result is RAFTCORE_OK.
/// need_out  Bytes of the frame, also if that is more than cap. May be NULL.
/// Returns   RAFTCORE_OK           written
///           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
/// Rust      Node::hello
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_hello(
    node: *const raftcore_node,
    buf: *mut u8,
    cap: usize,
    need_out: *mut usize,
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

/// Reads the frame that opened a connection. Whether version, group and id suit is the host's to judge.
///
/// frame    One whole frame, header included.
/// out      Caller's struct, with struct_size set. Written only if the result is RAFTCORE_OK.
/// Thread   Any; needs no node.
/// Returns  RAFTCORE_OK        out->id is there
///          RAFTCORE_E_DECODE  no such frame
///          RAFTCORE_E_ABI     out->struct_size is not one this library knows
/// Rust     wire::read_hello
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_hello_read(
    frame: *const u8,
    len: usize,
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
