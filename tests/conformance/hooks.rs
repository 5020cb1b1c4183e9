//! `raftcore_test_hooks.h` in Rust: quorum arithmetic, the changer of configurations, and what a change does to a leader's peers, for
//! etcd's suites. A module of the copy of the core in which faults are planted (`tests/faults`), since `peers` is no public part.

#![allow(unsafe_code, non_camel_case_types)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use libc::size_t;

use crate::ffi::{RAFTCORE_OK, RAFTCORE_PF_LEARNER, raftcore_change, raftcore_code};
use crate::membership::{self, ChangeError, Configuration, IdSet};
use crate::peers::Peers;
use crate::peers::progress::{Flow, Progress};
use crate::quorum::{VoteResult, joint_committed, joint_vote, majority_committed, majority_vote};
use crate::{Change, ChangeKind, Error};

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

fn answer(body: impl FnOnce() -> Result<(), Error>) -> raftcore_code {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => RAFTCORE_OK,
        Ok(Err(error)) => error.code(),
        Err(_) => Error::Panic.code(),
    }
}

/// # Safety
/// `list` points to `count` items that nobody writes, or `count` is 0.
unsafe fn array<'a, T>(list: *const T, count: size_t) -> Result<&'a [T], Error> {
    match (count, list.is_null()) {
        (0, _) => Ok(&[]),
        (_, true) => Err(Error::Null),
        // SAFETY: the caller's promise.
        _ => Ok(unsafe { std::slice::from_raw_parts(list, count) }),
    }
}

/// # Safety
/// `place` is NULL or points to a value that nobody else uses.
unsafe fn place<'a, T>(place: *mut T) -> Result<&'a mut T, Error> {
    // SAFETY: the caller's promise.
    unsafe { place.as_mut() }.ok_or(Error::Null)
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
        *out = if outgoing.is_null() {
            majority_committed(incoming, find)
        } else {
            // SAFETY: as above.
            joint_committed(incoming, unsafe { array(outgoing, n_outgoing) }?, find)
        };
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
        *out = match result {
            VoteResult::Pending => 1,
            VoteResult::Lost => 2,
            VoteResult::Won => 3,
        };
        Ok(())
    })
}

fn ids(list: &[u64; IDS_MAX], count: u32) -> Result<IdSet, Error> {
    let list = list.get(..count as usize).ok_or(Error::Arg)?;
    IdSet::try_from_iter(list.iter().copied())
}

fn put(set: &IdSet, list: &mut [u64; IDS_MAX], count: &mut u32) -> Result<(), Error> {
    *list = [0; IDS_MAX];
    let room = list.get_mut(..set.len()).ok_or(Error::Full)?;
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
        // SAFETY: the header asks for a membership, an array of this length, and a place for the answer.
        let (m, given, out) = unsafe { (place(membership)?, array(changes, n_changes)?, place(why_out)?) };
        let now = Configuration {
            voters: ids(&m.voters, m.n_voters)?,
            outgoing: ids(&m.outgoing, m.n_outgoing)?,
            learners: ids(&m.learners, m.n_learners)?,
            learners_next: ids(&m.learners_next, m.n_learners_next)?,
            auto_leave: m.auto_leave != 0,
        };
        let mut list = Vec::new();
        for change in given {
            let kind = ChangeKind::from_wire(u64::from(change.kind)).ok_or(Error::Arg)?;
            list.push(Change { kind, id: change.id });
        }
        let mut list = list.into_iter();
        let next = match operation {
            0 => membership::simple(&now, &mut list),
            1 => membership::enter_joint(&now, auto_leave != 0, &mut list),
            2 => membership::leave_joint(&now),
            _ => return Err(Error::Arg),
        };
        let next = match next {
            Ok(next) => next,
            Err(error) => {
                *out = why(&error);
                return Ok(());
            }
        };
        let mut result = *m;
        put(&next.voters, &mut result.voters, &mut result.n_voters)?;
        put(&next.outgoing, &mut result.outgoing, &mut result.n_outgoing)?;
        put(&next.learners, &mut result.learners, &mut result.n_learners)?;
        put(&next.learners_next, &mut result.learners_next, &mut result.n_learners_next)?;
        result.auto_leave = u32::from(next.auto_leave);
        let before = m.peers.get(..m.n_peers as usize).ok_or(Error::Arg)?;
        result.n_peers = 0;
        for peer in rebuild(before, &next, last_index)?.iter() {
            let place = result.peers.get_mut(result.n_peers as usize).ok_or(Error::Full)?;
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
        *out = 0;
        Ok(())
    })
}

/// Brings peers in line with a configuration, as a leader does whose log ends at `last`.
fn rebuild(before: &[raftcore_test_peer], conf: &Configuration, last: u64) -> Result<Peers, Error> {
    let mut before = before.to_vec();
    before.sort_unstable_by_key(|peer| peer.id);
    let mut peers = Peers::default();
    peers.rebuild(before.iter().map(|peer| peer.id), |id| {
        let mut progress = Progress::new(id, last, false, 1, 0);
        if let Some(peer) = before.iter().find(|peer| peer.id == id) {
            (progress.matched, progress.next) = (peer.match_index, peer.next_index);
            progress.flow =
                [Flow::Probe, Flow::Replicate, Flow::Snapshot].get(peer.flow as usize).copied().unwrap_or_default();
            progress.is_learner = peer.flags & RAFTCORE_PF_LEARNER != 0;
        }
        progress
    })?;
    peers.set_members(conf, last, 1, 0)?;
    Ok(peers)
}
