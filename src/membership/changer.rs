//! Takes a configuration one step further, or says why not.
//!
//! Two majorities in successive configurations must share a node, or two leaders could be elected in
//! one term. A simple step keeps that by moving one voter at most; any other step goes through a
//! joint configuration, in which the majorities before and after decide together.
//!
//! Here: simple, enter, leave; which of them a decoded change asks for; a configuration from the sets
//! of a snapshot. Not here: one change at a time, and only after an entry of the leader's own term
//! (`raft::reconfig`). Peers' progress is not kept here either: who has some follows from the sets.
//! Invariants: the given configuration is not touched; what is returned passes
//! [`Configuration::check`] and, but for `restore` of nothing, has a voter.
//! Sources: paper §6; diss. §4.1, §4.3; etcd's `confchange`.

use core::fmt;

use super::config::{Configuration, IdSet};
use crate::error::Error;
use crate::quorum::MAX_VOTERS;
use crate::types::{Change, ChangeKind, MAX_ID, NONE, NodeId, Transition};

/// Why a configuration cannot be. The texts are etcd's, where it has the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// Nobody would be left to decide.
    NoVoters,
    /// Entering a joint configuration from one.
    AlreadyJoint,
    /// Entering a joint configuration from one that has no voters.
    JointWithoutVoters,
    /// Leaving a configuration that is not joint.
    NotJoint,
    /// A simple change while the configuration is joint.
    SimpleInJoint,
    /// A simple change that moves more than one voter.
    MoreThanOneVoter,
    /// This one waits to become a learner, but is no voter of the outgoing half.
    StagedNotOutgoing(NodeId),
    /// This one waits to become a learner, and is one.
    StagedIsLearner(NodeId),
    /// This one waits to become a learner, but remains a voter.
    StagedIsVoter(NodeId),
    /// A learner votes in the outgoing half.
    LearnerInOutgoing(NodeId),
    /// A learner votes.
    LearnerInVoters(NodeId),
    /// Somebody waits to become a learner, without a joint configuration to leave.
    StagedWhenNotJoint,
    /// `auto_leave` without a joint configuration to leave.
    AutoLeaveWhenNotJoint,
    /// More voters than [`MAX_VOTERS`] in one half.
    TooManyVoters,
    /// An id that no node may have.
    BadId(NodeId),
    /// An id that a set names twice.
    Duplicate(NodeId),
    /// An allocation failed.
    NoMemory,
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoVoters => f.write_str("removed all voters"),
            Self::AlreadyJoint => f.write_str("config is already joint"),
            Self::JointWithoutVoters => f.write_str("can't make a zero-voter config joint"),
            Self::NotJoint => f.write_str("can't leave a non-joint config"),
            Self::SimpleInJoint => f.write_str("can't apply simple config change in joint config"),
            Self::MoreThanOneVoter => f.write_str("more than one voter changed without entering joint config"),
            Self::StagedNotOutgoing(id) => {
                write!(f, "{id} is in LearnersNext, but not Voters[1]")
            }
            Self::StagedIsLearner(id) => {
                write!(f, "{id} is in LearnersNext, but is already marked as learner")
            }
            Self::StagedIsVoter(id) => write!(f, "{id} is in LearnersNext and Voters[0]"),
            Self::LearnerInOutgoing(id) => write!(f, "{id} is in Learners and Voters[1]"),
            Self::LearnerInVoters(id) => write!(f, "{id} is in Learners and Voters[0]"),
            Self::StagedWhenNotJoint => f.write_str("cfg.LearnersNext must be nil when not joint"),
            Self::AutoLeaveWhenNotJoint => f.write_str("AutoLeave must be false when not joint"),
            Self::TooManyVoters => write!(f, "more than {MAX_VOTERS} voters"),
            Self::BadId(id) => write!(f, "{id} is no node's id: must be 1 to {MAX_ID}"),
            Self::Duplicate(id) => write!(f, "id {id} is named twice in one set"),
            Self::NoMemory => f.write_str("out of memory"),
        }
    }
}

impl core::error::Error for ChangeError {}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NoMemory => Self::NoMem,
            _ => Self::Conf,
        }
    }
}

/// What `restore` and the steps answer.
type Result<T> = core::result::Result<T, ChangeError>;

/// Applies changes that move at most one voter in all; any number of learners may move.
///
/// From a configuration without voters it may make the first. Changes that find their aim reached
/// change nothing, and those of node 0 are skipped: that is how a host cancels one.
///
/// # Errors
/// The configuration is joint, more than one voter would move, no voter would be left, or an id or
/// the number of voters is out of range. Source: diss. §4.1.
pub fn simple(now: &Configuration, changes: &mut dyn Iterator<Item = Change>) -> Result<Configuration> {
    now.check()?;
    if now.is_joint() {
        return Err(ChangeError::SimpleInJoint);
    }
    let mut next = copy(now)?;
    apply(&mut next, changes)?;
    if moved(&now.voters, &next.voters) > 1 {
        return Err(ChangeError::MoreThanOneVoter);
    }
    next.check()?;
    Ok(next)
}

/// Makes the voters the outgoing half of a joint configuration and applies the changes to the
/// incoming one, a copy of them.
///
/// `auto_leave` is only recorded. Changes may be absent, and are read as by [`simple`].
///
/// # Errors
/// The configuration is joint already or has no voters, no incoming voter would be left, or an id or
/// the number of voters is out of range. Source: diss. §4.3.
pub fn enter_joint(
    now: &Configuration,
    auto_leave: bool,
    changes: &mut dyn Iterator<Item = Change>,
) -> Result<Configuration> {
    now.check()?;
    if now.is_joint() {
        return Err(ChangeError::AlreadyJoint);
    }
    if now.voters.is_empty() {
        // Nothing would have to agree to what comes out of it.
        return Err(ChangeError::JointWithoutVoters);
    }
    let mut next = copy(now)?;
    next.outgoing = now.voters.try_clone().map_err(no_memory)?;
    apply(&mut next, changes)?;
    next.auto_leave = auto_leave;
    next.check()?;
    Ok(next)
}

/// Drops the outgoing half of a joint configuration; those in `learners_next` become learners.
///
/// # Errors
/// The configuration is not joint. Source: diss. §4.3.
pub fn leave_joint(now: &Configuration) -> Result<Configuration> {
    now.check()?;
    if !now.is_joint() {
        return Err(ChangeError::NotJoint);
    }
    let next = Configuration {
        voters: now.voters.try_clone().map_err(no_memory)?,
        outgoing: IdSet::new(),
        learners: IdSet::try_from_iter(now.learners.iter().chain(now.learners_next.iter())).map_err(no_memory)?,
        learners_next: IdSet::new(),
        auto_leave: false,
    };
    next.check()?;
    Ok(next)
}

/// Applies a committed change: leaves the joint configuration, enters one, or takes a simple step.
///
/// `leaves_joint`: the change is empty with [`Transition::Auto`], apart from its context. Otherwise
/// it goes through a joint configuration if `transition` says so or if `n_changes` is above 1, even
/// where a simple step would do: which it would be depends on the configuration it meets, and the
/// proposer should know beforehand. `n_changes` counts those of node 0 too.
///
/// # Errors
/// Those of [`leave_joint`], [`enter_joint`] and [`simple`].
pub fn apply_change(
    now: &Configuration,
    transition: Transition,
    n_changes: usize,
    mut changes: impl Iterator<Item = Change>,
    leaves_joint: bool,
) -> Result<Configuration> {
    if leaves_joint {
        leave_joint(now)
    } else if transition != Transition::Auto || n_changes > 1 {
        let auto_leave = transition != Transition::JointExplicit;
        enter_joint(now, auto_leave, &mut changes)
    } else {
        simple(now, &mut changes)
    }
}

/// The configuration of these sets, in any order.
///
/// Accepts exactly what a sequence of changes can lead to; etcd finds that out by replaying some and
/// comparing the outcome, this by checking the sets. All of them empty: a group not founded yet.
///
/// # Errors
/// An id is out of range or twice in a set, the sets contradict each other, or there are members but
/// no voters.
pub fn restore(
    voters: impl Iterator<Item = NodeId>,
    learners: impl Iterator<Item = NodeId>,
    outgoing: impl Iterator<Item = NodeId>,
    learners_next: impl Iterator<Item = NodeId>,
    auto_leave: bool,
) -> Result<Configuration> {
    let configuration = Configuration {
        voters: IdSet::from_distinct(voters)?,
        outgoing: IdSet::from_distinct(outgoing)?,
        learners: IdSet::from_distinct(learners)?,
        learners_next: IdSet::from_distinct(learners_next)?,
        auto_leave,
    };
    configuration.check()?;
    if configuration.voters.is_empty() && configuration.members().next().is_some() {
        return Err(ChangeError::NoVoters);
    }
    Ok(configuration)
}

/// Applies changes to the incoming half, in order: a later one may undo an earlier one.
fn apply(next: &mut Configuration, changes: &mut dyn Iterator<Item = Change>) -> Result<()> {
    for Change { kind, id } in changes {
        if id == NONE {
            continue;
        }
        match kind {
            ChangeKind::AddNode => make_voter(next, id)?,
            ChangeKind::AddLearner => make_learner(next, id)?,
            ChangeKind::RemoveNode => remove(next, id),
            ChangeKind::UpdateNode => {}
        }
    }
    if next.voters.is_empty() {
        return Err(ChangeError::NoVoters);
    }
    Ok(())
}

fn make_voter(next: &mut Configuration, id: NodeId) -> Result<()> {
    check_id(id)?;
    remove(next, id);
    next.voters.insert(id).map_err(no_memory)?;
    Ok(())
}

fn make_learner(next: &mut Configuration, id: NodeId) -> Result<()> {
    check_id(id)?;
    remove(next, id);
    // The outgoing half counts its vote until it is dropped, and nobody may be voter and learner.
    let set = match next.outgoing.contains(id) {
        true => &mut next.learners_next,
        false => &mut next.learners,
    };
    set.insert(id).map_err(no_memory)?;
    Ok(())
}

/// The outgoing half keeps it: that half must decide as it did.
fn remove(next: &mut Configuration, id: NodeId) {
    next.voters.remove(id);
    next.learners.remove(id);
    next.learners_next.remove(id);
}

/// Ids at the top name local storage: a member with one would be answered as if it were that, and
/// `restore` would refuse the snapshot that has it.
fn check_id(id: NodeId) -> Result<()> {
    if id > MAX_ID { Err(ChangeError::BadId(id)) } else { Ok(()) }
}

/// How many ids only one of the sets has.
fn moved(before: &IdSet, after: &IdSet) -> usize {
    let gone = before.iter().filter(|&id| !after.contains(id)).count();
    let come = after.iter().filter(|&id| !before.contains(id)).count();
    gone + come
}

fn copy(now: &Configuration) -> Result<Configuration> {
    now.try_clone().map_err(no_memory)
}

/// The sets fail for no other reason.
fn no_memory(_: Error) -> ChangeError {
    ChangeError::NoMemory
}
