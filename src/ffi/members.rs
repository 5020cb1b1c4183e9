//! Group 3 of the page: reads, membership and leadership.

use libc::size_t;

use super::constants::*;
use super::guard::{Answer, Needs, Refusal, guard, guard_free};
use super::life::{done, simply};
use super::types::*;
use super::{
    ConfIn, NULL, StructOut, array, array_out, bytes, conf_dialect, conf_in, entry_in, optional, slice_out, truth,
};
use crate::wire;
use crate::{AppliedConf, Change, ChangeEncoding, ChangeKind, Dialect, EntryKind, Error, Flags, Transition};

/// The largest number of changes in a proposal.
const CHANGES_MAX: usize = 64;

/// Starts a linearizable read, which sees every write that completed before the call.
///
/// A read costs no log entry.
///
/// token    Your number for the read, not necessarily unique. Comes back exactly once: in
///          raftcore_ready.reads when you may read the state, or in raftcore_ready.dropped.
/// Memory   Does not allocate.
/// Returns  RAFTCORE_OK           started
///          RAFTCORE_E_NO_LEADER  retry when raftcore_ready.leader changes
///          RAFTCORE_E_FULL       max_reads reads are waiting: retry after advance
/// Rust     Node::read_index
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_read_index(node: *mut raftcore_node, token: u64) -> raftcore_code {
    simply(node, |n| n.read_index(token))
}

/// Proposes a membership change. The next change may follow when this change is applied.
///
/// c           1 to 64 changes. Copied. May be NULL if count is 0: leave the joint membership.
/// transition  RAFTCORE_TRANSITION_*
/// context     Your data, which raftcore_apply_conf returns on every node: for example the address
///             of the new node. Copied. May be empty.
/// token       As in raftcore_propose.
/// Returns     RAFTCORE_OK            taken, not yet committed
///             RAFTCORE_E_CONF_BUSY   another change is in flight: retry when it is applied
///             RAFTCORE_E_CONF        invalid here, or more than max_peers members:
///                                    raftcore_error_detail says why
///             RAFTCORE_E_NOT_LEADER, RAFTCORE_E_NO_LEADER, RAFTCORE_E_FULL,
///             RAFTCORE_E_TOO_LARGE   as in raftcore_propose
///             RAFTCORE_E_ARG         unknown kind or transition, reserved id, or over 64 changes
///             RAFTCORE_E_UNSUPPORTED  RAFTCORE_CHANGE_UPDATE_NODE in RAFTCORE_DIALECT_ERAFTPB
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
        let mut changes = NO_CHANGES;
        let (changes, encoding) = changes_in(&mut changes, given, transition)?;
        done(call.node.propose_conf(changes, encoding, context, token))
    })
}

/// Proposes a membership change, if the membership is the one that its author has seen.
///
/// index    raftcore_conf.index of that membership. The other arguments as in raftcore_propose_conf.
/// Returns  As raftcore_propose_conf;
///          RAFTCORE_E_STALE  another membership is in force, or its index is not known: look again
/// Rust     Node::propose_conf_at
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_propose_conf_at(
    node: *mut raftcore_node,
    index: u64,
    c: *const raftcore_change,
    count: size_t,
    transition: u32,
    context: raftcore_slice,
    token: u64,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for `count` readable changes, and a context that can be read.
        let (given, context) = unsafe { (array(c, count)?, bytes(context)?) };
        let mut changes = NO_CHANGES;
        let (changes, encoding) = changes_in(&mut changes, given, transition)?;
        done(call.node.propose_conf_at(index, changes, encoding, context, token))
    })
}

const NO_CHANGES: [Change; CHANGES_MAX] = [Change { kind: ChangeKind::UpdateNode, id: 0 }; CHANGES_MAX];

/// Converts changes from C, in the caller's room, and the way they pass.
fn changes_in<'a>(
    room: &'a mut [Change; CHANGES_MAX],
    given: &[raftcore_change],
    transition: u32,
) -> Result<(&'a [Change], ChangeEncoding), Refusal> {
    let encoding = match Transition::from_wire(u64::from(transition)) {
        _ if transition == RAFTCORE_TRANSITION_V1 => ChangeEncoding::V1,
        Some(transition) => ChangeEncoding::V2(transition),
        None => return Err(Refusal::Own(Error::Arg, "transition is none of RAFTCORE_TRANSITION_*")),
    };
    let Some(changes) = room.get_mut(..given.len()) else {
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
    Ok((changes, encoding))
}

fn conf_out(out: StructOut<raftcore_conf>, dialect: Dialect, applied: &AppliedConf<'_>) -> Answer {
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
        dialect: dialect as u32,
        reserved0: 0,
    });
    Ok(RAFTCORE_OK)
}

/// Applies a committed membership change. The new membership is in force on this node at once.
///
/// Store the result in the same write as the applied index.
///
/// e        The entry from raftcore_ready.committed, or from your log; lower indexes first. The
///          call borrows the data.
/// out      With struct_size set. Receives the new membership, and the context of the change.
/// Lives    *out stays valid until the next call that returns a membership of this node, or
///          raftcore_free.
/// Returns  RAFTCORE_OK       applied
///          RAFTCORE_E_ARG    not a membership change, not yet returned, or an earlier change is
///                            still open
///          RAFTCORE_E_STALE  applied or skipped before: harmless
///          RAFTCORE_E_CONF, RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED
///                            not applicable: stop the node, since a member must not go on without
///                            a change; or skip the change on every member
///          RAFTCORE_E_NOMEM  retry
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
        // SAFETY: the page asks for a readable entry, and a struct of the stated size.
        let (entry, out) = unsafe { (entry_in(array(e, 1)?.first().ok_or(NULL)?)?, StructOut::new(out)?) };
        conf_out(out, call.node.config().dialect, &call.node.apply_conf(entry)?)
    })
}

/// Skips a committed membership change. Correct only if every member skips the change.
///
/// index    Index of the entry.
/// out      Receives the unchanged membership, as of index. Store it with the applied index. May be
///          NULL.
/// Lives    As in raftcore_apply_conf.
/// Returns  RAFTCORE_OK       skipped
///          RAFTCORE_E_ARG    not a membership change, not yet returned, or an earlier change is
///                            still open
///          RAFTCORE_E_STALE  applied or skipped before: harmless
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
        // SAFETY: the page asks for a struct of the stated size.
        let out = unsafe { StructOut::new(out) }?;
        conf_out(out, call.node.config().dialect, &call.node.skip_conf(index)?)
    })
}

/// Applies a membership change without an entry, at any time, like etcd's ApplyConfChange.
///
/// Requires RAFTCORE_FLAG_CONF_APART.
///
/// kind     RAFTCORE_ENTRY_CONF_CHANGE or RAFTCORE_ENTRY_CONF_CHANGE_V2
/// data     The encoded change. Borrowed for the call.
/// out      As in raftcore_apply_conf; index is 0.
/// Lives    As in raftcore_apply_conf.
/// Returns  RAFTCORE_OK       applied
///          RAFTCORE_E_STATE  the flag is not set
///          RAFTCORE_E_ARG    another kind
///          RAFTCORE_E_CONF, RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED, RAFTCORE_E_NOMEM
///                            as in raftcore_apply_conf
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
        // SAFETY: the page asks for readable data, and a struct of the stated size.
        let (data, out) = unsafe { (bytes(data)?, StructOut::new(out)?) };
        conf_out(out, call.node.config().dialect, &call.node.apply_change(kind, data)?)
    })
}

/// Encodes a membership, for example for the first disk of a founder.
///
/// conf      The ids and index, without bytes. Index 0: not known.
/// buf       Your buffer. May be NULL if cap is 0.
/// need_out  Receives the size of the encoding, with RAFTCORE_E_TOO_SMALL as well. May be NULL.
/// Returns   RAFTCORE_OK           written
///           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
///           RAFTCORE_E_ARG        conf->bytes is not empty
///           RAFTCORE_E_UNSUPPORTED  conf->dialect is unknown
/// Rust      wire::write_stored_conf
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_conf_encode(
    conf: *const raftcore_conf,
    buf: *mut u8,
    cap: size_t,
    need_out: *mut size_t,
) -> raftcore_code {
    let conf_at = conf;
    guard_free(|| {
        // SAFETY: the page asks for a readable membership, and a place for the answer.
        let (conf, need_out) = unsafe { (conf_in(conf).map_err(code_of)?, optional(need_out).map_err(code_of)?) };
        let ConfIn::Ids(ids, index) = conf else { return Err(Error::Arg) };
        // SAFETY: as above; `conf_in` has read the struct.
        let dialect = unsafe { conf_dialect(conf_at) }.ok_or(Error::Unsupported)?;
        let need = wire::stored_conf_len(dialect, &ids, index);
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
        wire::write_stored_conf(dialect, room, &ids, index);
        Ok(RAFTCORE_OK)
    })
}

fn code_of(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Node(error) | Refusal::Said(error) | Refusal::Own(error, _) => error,
    }
}

/// Returns the membership in force.
///
/// out      With struct_size set. Receives an empty context.
/// Lives    As in raftcore_apply_conf.
/// Returns  RAFTCORE_OK       *out is set
///          RAFTCORE_E_NOMEM  retry
///          RAFTCORE_E_ABI    unknown out->struct_size
/// Rust     Node::conf
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_get_conf(node: *mut raftcore_node, out: *mut raftcore_conf) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        // SAFETY: the page asks for a struct of the stated size.
        let out = unsafe { StructOut::new(out) }?;
        conf_out(out, call.node.config().dialect, &call.node.conf()?)
    })
}

/// Starts an election now.
///
/// A node that may not campaign (a learner, a pending snapshot or change) reports the reason in an
/// event.
///
/// Returns  RAFTCORE_OK  started, or see the event
/// Rust     Node::campaign
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_campaign(node: *mut raftcore_node) -> raftcore_code {
    simply(node, |n| n.campaign())
}

/// Transfers leadership. Meanwhile the leader refuses proposals, for at most election_ticks.
///
/// to       A voter. 0: an active voter with the longest log, chosen by the leader.
/// Returns  RAFTCORE_OK           started: watch raftcore_ready.leader
///          RAFTCORE_E_NO_PEER    not a voter, or no voter can lead; 0 at a follower: name a voter
///          RAFTCORE_E_NO_LEADER  a follower that knows no leader: retry later
/// Rust     Node::transfer
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_transfer(node: *mut raftcore_node, to: u64) -> raftcore_code {
    simply(node, |n| n.transfer(to))
}

/// Aborts a transfer of leadership. If the target has started an election, the election goes on.
///
/// Returns  RAFTCORE_OK       aborted
///          RAFTCORE_E_STATE  no transfer is under way
/// Rust     Node::abort_transfer
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_abort_transfer(node: *mut raftcore_node) -> raftcore_code {
    simply(node, |n| n.abort_transfer())
}

/// Lets a follower forget the leader, and so vote at once.
///
/// Returns  RAFTCORE_OK  done; without effect on other roles, and with lease reads
/// Rust     Node::forget_leader
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_forget_leader(node: *mut raftcore_node) -> raftcore_code {
    simply(node, |n| n.forget_leader())
}

/// Sets whether the node starts elections: 0 for maintenance.
///
/// A node with 0 still votes and follows. A leader goes on leading.
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

/// Sets raftcore_config.priority: among equal logs the higher priority wins.
///
/// Returns  RAFTCORE_OK  done
/// Rust     Node::set_priority
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_set_priority(node: *mut raftcore_node, priority: i32) -> raftcore_code {
    simply(node, |n| n.set_priority(priority))
}

/// Sets the window of a peer, until the peer leaves the membership.
///
/// max_inflight_msgs   Appends in flight, 0 to 65536. 0 pauses the peer: no entries and no snapshots,
///                     only heartbeats, until the window opens again.
/// max_inflight_bytes  Payload in flight; 0: no limit.
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

/// Puts a peer into a commit group, such as a data centre. While a peer has a group, a leader
/// commits what a quorum has stored and members of two groups have stored.
///
/// If all voters are in one group, the quorum decides alone. If some have no group, and no two
/// groups are there, all voters must have the entry (raft-rs's group commit). The setting is this
/// node's own: make it on every member that may lead, and after a change of membership again.
///
/// group    Any number; 0: none
/// Returns  RAFTCORE_OK         done
///          RAFTCORE_E_NO_PEER  not a member
/// Rust     Node::set_commit_group
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_set_commit_group(node: *mut raftcore_node, peer: u64, group: u64) -> raftcore_code {
    simply(node, |n| n.set_commit_group(peer, group))
}

/// Lets the leader propose a learner as a voter by itself, once the learner has caught up
/// (RAFTCORE_PF_CAUGHT_UP).
///
/// The wish is this node's own, and ends with the learner's membership: tell every member that may
/// lead.
///
/// on       1 or 0
/// Returns  RAFTCORE_OK         done
///          RAFTCORE_E_NO_PEER  not a member
///          RAFTCORE_E_ARG      neither 0 nor 1
/// Rust     Node::promote_when_caught_up
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_promote_when_caught_up(
    node: *mut raftcore_node,
    peer: u64,
    on: u32,
) -> raftcore_code {
    guard(node, Needs::Sound, |call| {
        let on = truth(on)?;
        done(call.node.promote_when_caught_up(peer, on))
    })
}

/// Asks the leader for a snapshot, for a follower that cannot trust its own state.
///
/// The snapshot covers the node's whole log, arrives in a ready as any snapshot, and replaces state
/// and log. Until then the node takes no entries. The request is repeated with every heartbeat. It
/// ends with the snapshot, with a campaign of this node, or without an answer after
/// snapshot_timeout_ticks, with RAFTCORE_EVENT_SNAPSHOT_ENDED. A leader of etcd's raft knows no such
/// requests.
///
/// Returns  RAFTCORE_OK           asked
///          RAFTCORE_E_NO_LEADER  this node leads, or no leader is known
///          RAFTCORE_E_STATE      asked already, a snapshot waits to be stored, or the log has no
///                                entry of the leader's term yet: retry later
/// Rust     Node::request_snapshot
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_request_snapshot(node: *mut raftcore_node) -> raftcore_code {
    simply(node, |n| n.request_snapshot())
}

/// Sends a heartbeat to every peer now, at the leader: to wake sleeping peers, or to ask who is
/// there.
///
/// Returns  RAFTCORE_OK  done; without effect on other roles
/// Rust     Node::ping
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_ping(node: *mut raftcore_node) -> raftcore_code {
    simply(node, |n| n.ping())
}

/// Changes flags of a running node: the flags in mask become as in values.
///
/// These flags can change: PRE_VOTE, CHECK_QUORUM, FORWARDING, BATCH_APPEND, NOMINATE_SUCCESSOR,
/// RETIRE_GRACEFULLY, QUIET_COMMIT, TRANSFER_FENCE, COMMIT_IN_VOTES, REPORT_COMMIT,
/// SPARE_HEARTBEATS, YIELD_TO_PRIORITY. If all members must understand a flag, update all members
/// first.
///
/// mask     RAFTCORE_FLAG_*
/// values   RAFTCORE_FLAG_*
/// Returns  RAFTCORE_OK     done
///          RAFTCORE_E_ARG  a fixed flag in mask, or LEASE_READS without CHECK_QUORUM
/// Rust     Node::set_flags
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_set_flags(node: *mut raftcore_node, mask: u64, values: u64) -> raftcore_code {
    simply(node, |n| n.set_flags(Flags(mask), Flags(values)))
}

/// Gives back memory that the node does not need now, for a group that has become quiet.
///
/// Later calls may allocate again. The arrays of readies stay.
///
/// Returns  RAFTCORE_OK  done
/// Rust     Node::trim
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn raftcore_trim(node: *mut raftcore_node) -> raftcore_code {
    simply(node, |n| n.trim())
}

/// Sets when a leader sends a new commit index: at once, or with the next append or heartbeat.
///
/// on       1: at once (default; see RAFTCORE_FLAG_NO_COMMIT_BROADCAST); 0: later
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

/// Sets the randomized election timeout, until the node draws the next, for tests and explorers.
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
