//! Steps from a membership to the next, or the reason why a step is refused.
//!
//! Two majorities of successive memberships must share a node, or two leaders could be elected in a
//! term. A simple step moves at most a single voter, so the majorities share a node. Any larger
//! step goes through a joint membership, in which the majorities before and after decide together.
//!
//! Here: simple, enter, leave; the step that a decoded change asks for; a membership from the sets
//! of a snapshot. Not here: a single change at a time, and only after an entry of the leader's own
//! term (`raft::reconfig`); the progress of peers, which follows from the sets.
//!
//! Invariants: the given membership is not touched. A returned membership passes
//! [`Configuration::check`] and has a voter, except for a `restore` of empty sets.
//!
//! Sources: paper §6; diss. §4.1, §4.3; etcd's `confchange`.

use core::fmt;

use super::config::{Configuration, IdSet};
use crate::error::Error;
use crate::quorum::MAX_VOTERS;
use crate::types::{Change, ChangeKind, MAX_ID, NONE, NodeId, Transition};

/// The reason why a membership cannot be. Where etcd has the case, the text is etcd's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// Nobody would be left to decide.
    NoVoters,
    /// Entering a joint membership from a joint membership.
    AlreadyJoint,
    /// Entering a joint membership from a membership without voters.
    JointWithoutVoters,
    /// Leaving a membership that is not joint.
    NotJoint,
    /// A simple change while the membership is joint.
    SimpleInJoint,
    /// A simple change that moves several voters.
    MoreThanOneVoter,
    /// The node waits to become a learner, but is no voter of the outgoing half.
    StagedNotOutgoing(NodeId),
    /// The node waits to become a learner, but is a learner.
    StagedIsLearner(NodeId),
    /// The node waits to become a learner, but remains a voter.
    StagedIsVoter(NodeId),
    /// A learner votes in the outgoing half.
    LearnerInOutgoing(NodeId),
    /// A learner votes.
    LearnerInVoters(NodeId),
    /// A node waits to become a learner, without a joint membership to leave.
    StagedWhenNotJoint,
    /// `auto_leave` without a joint membership to leave.
    AutoLeaveWhenNotJoint,
    /// A half has more voters than [`MAX_VOTERS`].
    TooManyVoters,
    /// An id that no node may have.
    BadId(NodeId),
    /// A set names the id twice.
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

/// The result of `restore` and of the steps.
type Result<T> = core::result::Result<T, ChangeError>;

/// Applies changes that move at most a single voter in total; any number of learners may move.
///
/// From a membership without voters, the step may make the first voter. A change whose aim is
/// reached changes nothing. Changes of node 0 are skipped; a host cancels a change by setting the
/// node to 0.
///
/// # Errors
/// The membership is joint, several voters would move, no voter would be left, or an id or the
/// number of voters is out of range. Source: diss. §4.1.
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

/// Makes the voters the outgoing half of a joint membership, and applies the changes to a copy of
/// the voters, the incoming half.
///
/// `auto_leave` is only recorded. Changes may be absent; the rules of [`simple`] for node 0 hold.
///
/// # Errors
/// The membership is joint already or has no voters, no incoming voter would be left, or an id or
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
        // No majority would have to agree to the step.
        return Err(ChangeError::JointWithoutVoters);
    }
    let mut next = copy(now)?;
    next.outgoing = now.voters.try_clone().map_err(no_memory)?;
    apply(&mut next, changes)?;
    next.auto_leave = auto_leave;
    next.check()?;
    Ok(next)
}

/// Drops the outgoing half of a joint membership; the nodes in `learners_next` become learners.
///
/// # Errors
/// The membership is not joint. Source: diss. §4.3.
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

/// Applies a committed change: leaves the joint membership, enters a joint membership, or takes a
/// simple step.
///
/// `leaves_joint`: the change is empty with [`Transition::Auto`], apart from its context. Otherwise
/// the change goes through a joint membership if `transition` says so or if `n_changes` is above 1,
/// even where a simple step would be possible. A proposer can so predict the way, which would
/// otherwise depend on the membership in force. `n_changes` counts changes of node 0, too.
///
/// # Errors
/// The errors of [`leave_joint`], [`enter_joint`] and [`simple`].
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

/// Returns the membership with the given sets, in any order.
///
/// Accepts exactly the memberships that a sequence of changes can reach. etcd replays changes and
/// compares the outcome; this function checks the sets. Four empty sets mean a group not founded
/// yet.
///
/// # Errors
/// An id is out of range or twice in a set, the sets contradict each other, or there are members
/// but no voters.
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

/// Applies changes to the incoming half, in order: a later change may undo an earlier change.
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
    // The outgoing half counts the node's vote until the half is dropped, and no node may be voter
    // and learner at once.
    let set = match next.outgoing.contains(id) {
        true => &mut next.learners_next,
        false => &mut next.learners,
    };
    set.insert(id).map_err(no_memory)?;
    Ok(())
}

/// The outgoing half keeps the node: the outgoing majority must not change.
fn remove(next: &mut Configuration, id: NodeId) {
    next.voters.remove(id);
    next.learners.remove(id);
    next.learners_next.remove(id);
}

/// The top ids name local storage. A member with such an id would get answers meant for storage,
/// and `restore` would refuse every snapshot with the member.
fn check_id(id: NodeId) -> Result<()> {
    if id > MAX_ID { Err(ChangeError::BadId(id)) } else { Ok(()) }
}

/// Returns the number of ids that are in a single one of the two sets.
fn moved(before: &IdSet, after: &IdSet) -> usize {
    let gone = before.iter().filter(|&id| !after.contains(id)).count();
    let come = after.iter().filter(|&id| !before.contains(id)).count();
    gone + come
}

fn copy(now: &Configuration) -> Result<Configuration> {
    now.try_clone().map_err(no_memory)
}

/// No memory is the only error of the sets.
fn no_memory(_: Error) -> ChangeError {
    ChangeError::NoMemory
}
