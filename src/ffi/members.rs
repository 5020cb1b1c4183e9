//! Group 3 of the page: reads, and who is in the group and who leads it.

use libc::size_t;

use super::constants::*;
use super::guard::{Answer, Needs, Refusal, guard, guard_free};
use super::life::{done, simply};
use super::types::*;
use super::{ConfIn, NULL, StructOut, array, array_out, bytes, conf_in, entry_in, optional, slice_out, truth};
use crate::wire;
use crate::{AppliedConf, Change, ChangeEncoding, ChangeKind, EntryKind, Error, Transition};

/// Changes of one proposal, at most.
const CHANGES_MAX: usize = 64;

/// Starts a linearizable read: one that sees every write completed before it began. It costs no log entry.
///
/// token    Comes back exactly once: in raftcore_ready.reads, when the state may be read, or in raftcore_ready.dropped. It is
///          the caller's own number and need not be unique.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK           it is under way
///          RAFTCORE_E_NO_LEADER  retry when raftcore_ready.leader changes
///          RAFTCORE_E_FULL       max_reads are waiting: retry after advance
/// Rust     Node::read_index
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_read_index(node: *mut raftcore_node, token: u64) -> raftcore_code {
    simply(node, |n| n.read_index(token))
}

/// Proposes a change of the configuration. One at a time: the next may come when this one is applied.
///
/// c           1 to 64 changes. Copied. None at all (c may be NULL then) leaves a joint configuration.
/// transition  RAFTCORE_TRANSITION_*
/// context     Travels with the change and comes out of raftcore_apply_conf on every node: the new node's address, say. May be
///             empty. Copied.
/// token       As in raftcore_propose.
/// Returns     RAFTCORE_OK            taken; that is not yet committed
///             RAFTCORE_E_CONF_BUSY   another change is in flight: retry after it is applied
///             RAFTCORE_E_CONF        invalid here, or more than max_peers members; the detail says why
///             RAFTCORE_E_NOT_LEADER, RAFTCORE_E_NO_LEADER, RAFTCORE_E_FULL  as raftcore_propose
///             RAFTCORE_E_ARG         an unknown kind or transition, a reserved id, or more than 64 changes
/// Rust        Node::propose_conf
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_propose_conf(
    node: *mut raftcore_node,
    c: *const raftcore_change,
    count: size_t,
    transition: u32,
    context: raftcore_slice,
    token: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` readable changes, and a context that can be read.
        let (given, context) = unsafe { (array(c, count)?, bytes(context)?) };
        let encoding = match Transition::from_wire(u64::from(transition)) {
            _ if transition == RAFTCORE_TRANSITION_V1 => ChangeEncoding::V1,
            Some(transition) => ChangeEncoding::V2(transition),
            None => return Err(Refusal::Own(Error::Arg, "transition is none of RAFTCORE_TRANSITION_*")),
        };
        let mut changes = [Change { kind: ChangeKind::UpdateNode, id: 0 }; CHANGES_MAX];
        let Some(changes) = changes.get_mut(..given.len()) else {
            return Err(Refusal::Own(Error::Arg, "more than 64 changes in one proposal"));
        };
        for (to, from) in changes.iter_mut().zip(given) {
            let Some(kind) = ChangeKind::from_wire(u64::from(from.kind)) else {
                return Err(Refusal::Own(Error::Arg, "a change's kind is none of RAFTCORE_CHANGE_*"));
            };
            if from.reserved0 != 0 {
                return Err(super::RESERVED);
            }
            *to = Change { kind, id: from.id };
        }
        done(call.node.propose_conf(changes, encoding, context, token))
    })
}

fn conf_out(out: StructOut<raftcore_conf>, applied: &AppliedConf<'_>) -> Answer {
    let (voters, n_voters) = array_out(applied.conf.voters);
    let (outgoing, n_outgoing) = array_out(applied.conf.voters_outgoing);
    let (learners, n_learners) = array_out(applied.conf.learners);
    let (learners_next, n_learners_next) = array_out(applied.conf.learners_next);
    out.put(&raftcore_conf {
        struct_size: 0,
        auto_leave: u32::from(applied.conf.auto_leave),
        voters,
        outgoing,
        learners,
        learners_next,
        n_voters,
        n_outgoing,
        n_learners,
        n_learners_next,
        bytes: slice_out(applied.bytes),
        context: slice_out(applied.context),
        index: applied.index,
    });
    Ok(RAFTCORE_OK)
}

/// Applies a committed configuration entry: from here on the new configuration is in force on this node. Store it together
/// with the applied index.
///
/// e        The entry as handed out in raftcore_ready.committed, or as read from the host's log; lowest index first. Its data
///          are borrowed for the call.
/// out      Caller's struct, with struct_size set: the new configuration, and the change's context. Written only if the
///          result is RAFTCORE_OK.
/// Lives    What *out points to is valid until the next raftcore_apply_conf or raftcore_get_conf, or raftcore_free.
/// Returns  RAFTCORE_OK        applied
///          RAFTCORE_E_ARG     not a configuration entry, never handed out, or an earlier one comes first
///          RAFTCORE_E_STALE   applied or skipped before
///          RAFTCORE_E_CONF    can't be applied: a member that does not understand a change must stop rather than differ. So
///                             with RAFTCORE_E_DECODE and RAFTCORE_E_UNSUPPORTED.
///          RAFTCORE_E_NOMEM   retry
/// Rust     Node::apply_conf
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_apply_conf(
    node: *mut raftcore_node,
    e: *const raftcore_entry,
    out: *mut raftcore_conf,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        if e.is_null() {
            return Err(NULL);
        }
        // SAFETY: the page asks for an entry that can be read, and a struct as large as it says.
        let (entry, out) = unsafe { (entry_in(array(e, 1)?.first().ok_or(NULL)?)?, StructOut::new(out)?) };
        conf_out(out, &call.node.apply_conf(entry)?)
    })
}

/// Passes over a committed configuration entry, as if it were empty. Right only if every member does the same.
///
/// index    The entry's.
/// out      As in raftcore_apply_conf: the configuration, unchanged, as of index. Store it together with the applied index.
///          May be NULL.
/// Lives    As in raftcore_apply_conf.
/// Returns  RAFTCORE_OK       skipped
///          RAFTCORE_E_ARG    not a configuration entry that was handed out, or an earlier one comes first
///          RAFTCORE_E_STALE  applied or skipped before
///          RAFTCORE_E_NOMEM  retry
/// Rust     Node::skip_conf
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_skip_conf(
    node: *mut raftcore_node,
    index: u64,
    out: *mut raftcore_conf,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        if out.is_null() {
            call.node.skip_conf(index)?;
            return Ok(RAFTCORE_OK);
        }
        // SAFETY: the page asks for a struct as large as it says.
        let out = unsafe { StructOut::new(out) }?;
        conf_out(out, &call.node.skip_conf(index)?)
    })
}

/// Applies a change that belongs to no entry, at any time: etcd's ApplyConfChange. Only with RAFTCORE_FLAG_CONF_APART.
///
/// kind     RAFTCORE_ENTRY_CONF_CHANGE or RAFTCORE_ENTRY_CONF_CHANGE_V2
/// data     The change, encoded. Borrowed for the call.
/// out      As in raftcore_apply_conf; its index is 0.
/// Lives    As in raftcore_apply_conf.
/// Returns  RAFTCORE_OK       in force
///          RAFTCORE_E_STATE  without the flag
///          RAFTCORE_E_ARG    kind is none of the two
///          RAFTCORE_E_CONF, RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED, RAFTCORE_E_NOMEM as raftcore_apply_conf
/// Rust     Node::apply_change
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_apply_change(
    node: *mut raftcore_node,
    kind: u32,
    data: raftcore_slice,
    out: *mut raftcore_conf,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        let Some(kind) = EntryKind::from_wire(u64::from(kind)).filter(|kind| kind.is_change()) else {
            return Err(Refusal::Own(Error::Arg, "kind is no kind of change: RAFTCORE_ENTRY_CONF_CHANGE or _V2"));
        };
        // SAFETY: the page asks for what can be read, and a struct as large as it says.
        let (data, out) = unsafe { (bytes(data)?, StructOut::new(out)?) };
        conf_out(out, &call.node.apply_change(kind, data)?)
    })
}

/// Encodes a configuration from its ids: what a founder stores, for one.
///
/// conf      Its ids, and index (what it is as of; 0: not known).
/// buf       Caller's buffer; may be NULL if cap is 0. Written only if the result is RAFTCORE_OK.
/// need_out  Bytes of the encoding, also if that is more than cap. May be NULL.
/// Thread    Any; needs no node.
/// Returns   RAFTCORE_OK           written
///           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
///           RAFTCORE_E_ARG        conf->bytes are set
/// Rust      wire::write_stored_conf
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_conf_encode(
    conf: *const raftcore_conf,
    buf: *mut u8,
    cap: size_t,
    need_out: *mut size_t,
) -> raftcore_code {
    guard_free(|| {
        // SAFETY: the page asks for a configuration that can be read, and a place for the answer.
        let (conf, need_out) = unsafe { (conf_in(conf).map_err(code_of)?, optional(need_out).map_err(code_of)?) };
        let ConfIn::Ids(ids, index) = conf else { return Err(Error::Arg) };
        let need = wire::stored_conf_len(&ids, index);
        if let Some(out) = need_out {
            out.write(need);
        }
        if need > cap {
            return Err(Error::TooSmall);
        }
        if buf.is_null() {
            return if need == 0 { Ok(RAFTCORE_OK) } else { Err(Error::Null) };
        }
        // SAFETY: the page asks for `cap` writable bytes, and no more than these are written.
        let room = unsafe { core::slice::from_raw_parts_mut(buf, need) };
        wire::write_stored_conf(room, &ids, index);
        Ok(RAFTCORE_OK)
    })
}

fn code_of(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Node(error) | Refusal::Said(error) | Refusal::Own(error, _) => error,
    }
}

/// The configuration in force.
///
/// out      Caller's struct, with struct_size set; context comes out empty. Written only if the result is RAFTCORE_OK.
/// Lives    What *out points to is valid until the next raftcore_apply_conf or raftcore_get_conf, or raftcore_free.
/// Returns  RAFTCORE_OK     *out is set
///          RAFTCORE_E_ABI  out->struct_size is not one this library knows
/// Rust     Node::conf
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_get_conf(node: *mut raftcore_node, out: *mut raftcore_conf) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a struct as large as it says.
        let out = unsafe { StructOut::new(out) }?;
        conf_out(out, &call.node.conf()?)
    })
}

/// Starts an election now. It is no error if the node may not (a learner, a pending snapshot or change): an event tells why.
///
/// Returns  RAFTCORE_OK  asked
/// Rust     Node::campaign
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_campaign(node: *mut raftcore_node) -> raftcore_code {
    simply(node, |n| n.campaign())
}

/// Hands leadership over. Proposals are refused meanwhile; after election_ticks without success the leader goes on.
///
/// to       A voter. 0: the one that is furthest and alive.
/// Returns  RAFTCORE_OK           under way; raftcore_ready.leader will tell
///          RAFTCORE_E_NO_PEER    not a voter, or nobody can; 0 at a follower, which passes on a wish but can't choose
///          RAFTCORE_E_NO_LEADER  not the leader, and none is known to ask
/// Rust     Node::transfer
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_transfer(node: *mut raftcore_node, to: u64) -> raftcore_code {
    simply(node, |n| n.transfer(to))
}

/// Ends a transfer that is under way. If its target has started its election already, that goes on.
///
/// Returns  RAFTCORE_OK       ended
///          RAFTCORE_E_STATE  none is under way
/// Rust     Node::abort_transfer
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_abort_transfer(node: *mut raftcore_node) -> raftcore_code {
    simply(node, |n| n.abort_transfer())
}

/// A follower forgets who leads, so that it may vote at once.
///
/// Returns  RAFTCORE_OK  done; nothing on others, and with lease reads
/// Rust     Node::forget_leader
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_forget_leader(node: *mut raftcore_node) -> raftcore_code {
    simply(node, |n| n.forget_leader())
}

/// Whether the node starts elections: off for maintenance. It votes and follows all the same; a leader goes on leading.
///
/// electable  1 or 0
/// Returns    RAFTCORE_OK     done
///            RAFTCORE_E_ARG  neither 0 nor 1
/// Rust       Node::set_electable
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_set_electable(node: *mut raftcore_node, electable: u32) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        let electable = truth(electable)?;
        done(call.node.set_electable(electable))
    })
}

/// Changes raftcore_config.priority: among equal logs the higher wins.
///
/// Returns  RAFTCORE_OK  done
/// Rust     Node::set_priority
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_set_priority(node: *mut raftcore_node, priority: i32) -> raftcore_code {
    simply(node, |n| n.set_priority(priority))
}

/// Changes the window of one peer, until it leaves the configuration.
///
/// max_inflight_msgs   Appends, 1 to 65536.
/// max_inflight_bytes  Payload; 0: no limit.
/// Returns             RAFTCORE_OK         done
///                     RAFTCORE_E_NO_PEER  not a member
///                     RAFTCORE_E_ARG      out of range
/// Rust                Node::set_window
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_set_window(
    node: *mut raftcore_node,
    peer: u64,
    max_inflight_msgs: u32,
    max_inflight_bytes: u64,
) -> raftcore_code {
    simply(node, |n| n.set_window(peer, max_inflight_msgs, max_inflight_bytes))
}

/// Whether a leader tells of a moved commit index at once, or with the next append or heartbeat.
///
/// on       1 (default; see RAFTCORE_FLAG_NO_COMMIT_BROADCAST) or 0
/// Returns  RAFTCORE_OK     done
///          RAFTCORE_E_ARG  neither 0 nor 1
/// Rust     Node::set_commit_broadcast
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_set_commit_broadcast(node: *mut raftcore_node, on: u32) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        let on = truth(on)?;
        done(call.node.set_commit_broadcast(on))
    })
}

/// Sets the randomized election timeout, until the node draws the next: for tests and explorers.
///
/// ticks    1 or more
/// Returns  RAFTCORE_OK     done
///          RAFTCORE_E_ARG  0
/// Rust     Node::set_election_timeout
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_set_election_timeout(node: *mut raftcore_node, ticks: u32) -> raftcore_code {
    simply(node, |n| n.set_election_timeout(ticks))
}
