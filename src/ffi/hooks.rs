//! `tests/conformance/raftcore_test_hooks.h`: quorum arithmetic and membership steps, for etcd's
//! suites.

use libc::size_t;

use super::types::{raftcore_change, raftcore_code};
use super::{NULL, RAFTCORE_OK, RAFTCORE_PF_LEARNER, array, place, truth};
use crate::membership::{self, ChangeError, Configuration, IdSet};
use crate::node::hooks::{HookPeer, rebuild};
use crate::quorum::{VoteResult, joint_committed, joint_vote, majority_committed, majority_vote};
use crate::{Change, ChangeKind, Error, Flow};

use super::guard::{Refusal, guard_value};

const IDS_MAX: usize = 32;

/// As in the header.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct raftcore_test_acked {
    id: u64,
    index: u64,
}

/// As in the header.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct raftcore_test_vote {
    id: u64,
    granted: u32,
    reserved0: u32,
}

/// As in the header.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct raftcore_test_peer {
    id: u64,
    match_index: u64,
    next_index: u64,
    flow: u32,
    flags: u32,
}

/// As in the header.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct raftcore_test_membership {
    n_voters: u32,
    n_outgoing: u32,
    n_learners: u32,
    n_learners_next: u32,
    n_peers: u32,
    auto_leave: u32,
    voters: [u64; IDS_MAX],
    outgoing: [u64; IDS_MAX],
    learners: [u64; IDS_MAX],
    learners_next: [u64; IDS_MAX],
    peers: [raftcore_test_peer; IDS_MAX],
}

fn answer(body: impl FnOnce() -> Result<(), Refusal>) -> raftcore_code {
    guard_value(Error::Panic.code(), || match body() {
        Ok(()) => RAFTCORE_OK,
        Err(Refusal::Node(error) | Refusal::Said(error) | Refusal::Own(error, _)) => error.code(),
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_test_quorum_committed(
    voters: *const u64,
    n_voters: size_t,
    outgoing: *const u64,
    n_outgoing: size_t,
    acked: *const raftcore_test_acked,
    n_acked: size_t,
    index_out: *mut u64,
) -> raftcore_code {
    answer(|| {
        // SAFETY: the header asks for arrays of these lengths, and a place for the answer.
        let (incoming, acked, out) = unsafe { (array(voters, n_voters)?, array(acked, n_acked)?, place(index_out)?) };
        let find = |id| acked.iter().find(|a| a.id == id).map(|a| a.index);
        out.write(if outgoing.is_null() {
            majority_committed(incoming, find)
        } else {
            // SAFETY: as above.
            joint_committed(incoming, unsafe { array(outgoing, n_outgoing) }?, find)
        });
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_test_quorum_vote(
    voters: *const u64,
    n_voters: size_t,
    outgoing: *const u64,
    n_outgoing: size_t,
    votes: *const raftcore_test_vote,
    n_votes: size_t,
    result_out: *mut u32,
) -> raftcore_code {
    answer(|| {
        // SAFETY: the header asks for arrays of these lengths, and a place for the answer.
        let (incoming, votes, out) = unsafe { (array(voters, n_voters)?, array(votes, n_votes)?, place(result_out)?) };
        let find = |id| votes.iter().find(|v| v.id == id).map(|v| v.granted != 0);
        let result = if outgoing.is_null() {
            majority_vote(incoming, find)
        } else {
            // SAFETY: as above.
            joint_vote(incoming, unsafe { array(outgoing, n_outgoing) }?, find)
        };
        out.write(match result {
            VoteResult::Pending => 1,
            VoteResult::Lost => 2,
            VoteResult::Won => 3,
        });
        Ok(())
    })
}

fn ids(list: &[u64; IDS_MAX], count: u32) -> Result<IdSet, Refusal> {
    let list = list.get(..count as usize).ok_or(Refusal::Node(Error::Arg))?;
    Ok(IdSet::try_from_iter(list.iter().copied())?)
}

fn put(set: &IdSet, list: &mut [u64; IDS_MAX], count: &mut u32) -> Result<(), Refusal> {
    *list = [0; IDS_MAX];
    let room = list.get_mut(..set.len()).ok_or(Refusal::Node(Error::Full))?;
    room.copy_from_slice(set.as_slice());
    *count = set.len() as u32;
    Ok(())
}

fn why(error: &ChangeError) -> u32 {
    match error {
        ChangeError::AlreadyJoint => 1,
        ChangeError::JointWithoutVoters => 2,
        ChangeError::NotJoint => 3,
        ChangeError::SimpleInJoint => 4,
        ChangeError::MoreThanOneVoter => 5,
        ChangeError::NoVoters => 6,
        _ => 7,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_test_confchange(
    membership: *mut raftcore_test_membership,
    operation: u32,
    auto_leave: u32,
    changes: *const raftcore_change,
    n_changes: size_t,
    last_index: u64,
    why_out: *mut u32,
) -> raftcore_code {
    answer(|| {
        if membership.is_null() {
            return Err(NULL);
        }
        // SAFETY: the header asks for a membership, an array of this length, and a place for the
        // answer.
        let (m, given, out) = unsafe { (&mut *membership, array(changes, n_changes)?, place(why_out)?) };
        let now = Configuration {
            voters: ids(&m.voters, m.n_voters)?,
            outgoing: ids(&m.outgoing, m.n_outgoing)?,
            learners: ids(&m.learners, m.n_learners)?,
            learners_next: ids(&m.learners_next, m.n_learners_next)?,
            auto_leave: truth(m.auto_leave)?,
        };
        let mut list = Vec::new();
        for change in given {
            let kind = ChangeKind::from_wire(u64::from(change.kind)).ok_or(Refusal::Node(Error::Arg))?;
            list.push(Change { kind, id: change.id });
        }
        let mut list = list.into_iter();
        let next = match operation {
            0 => membership::simple(&now, &mut list),
            1 => membership::enter_joint(&now, truth(auto_leave)?, &mut list),
            2 => membership::leave_joint(&now),
            _ => return Err(Refusal::Node(Error::Arg)),
        };
        let next = match next {
            Ok(next) => next,
            Err(error) => {
                out.write(why(&error));
                return Ok(());
            }
        };
        let mut result = *m;
        put(&next.voters, &mut result.voters, &mut result.n_voters)?;
        put(&next.outgoing, &mut result.outgoing, &mut result.n_outgoing)?;
        put(&next.learners, &mut result.learners, &mut result.n_learners)?;
        put(&next.learners_next, &mut result.learners_next, &mut result.n_learners_next)?;
        result.auto_leave = u32::from(next.auto_leave);
        let before = m.peers.get(..m.n_peers as usize).ok_or(Refusal::Node(Error::Arg))?;
        let before = before.iter().map(|peer| HookPeer {
            id: peer.id,
            matched: peer.match_index,
            next: peer.next_index,
            flow: [Flow::Probe, Flow::Replicate, Flow::Snapshot].get(peer.flow as usize).copied().unwrap_or_default(),
            is_learner: peer.flags & RAFTCORE_PF_LEARNER != 0,
        });
        result.n_peers = 0;
        for peer in rebuild(before, &next, last_index)? {
            let place = result.peers.get_mut(result.n_peers as usize).ok_or(Refusal::Node(Error::Full))?;
            *place = raftcore_test_peer {
                id: peer.id,
                match_index: peer.matched,
                next_index: peer.next,
                flow: peer.flow as u32,
                flags: if peer.is_learner { RAFTCORE_PF_LEARNER } else { 0 },
            };
            result.n_peers += 1;
        }
        *m = result;
        out.write(0);
        Ok(())
    })
}
