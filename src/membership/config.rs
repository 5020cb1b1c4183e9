//! The sets of a membership, and the rules between the sets.
//!
//! A member is a voter in at least one half, or a learner, never both. A voter can't become a
//! learner while the outgoing half still counts the vote. The voter then waits in `learners_next`,
//! and stays a voter until the joint membership is left.
//!
//! Invariants ([`Configuration::check`]): `learners` shares nothing with `voters` and `outgoing`.
//! `learners_next` is part of `outgoing` and shares nothing with `voters`. `learners_next` and
//! `auto_leave` are set in joint memberships only. No half has more than [`MAX_VOTERS`].
//!
//! Sources: paper §6; diss. §4.2.1, §4.3; etcd's `tracker.Config`.

use core::fmt;

use super::changer::ChangeError;
use crate::error::{Error, Result};
use crate::quorum::MAX_VOTERS;
use crate::types::{MAX_ID, NONE, NodeId};

/// A set of ids in ascending order. No method aborts for want of memory, but [`Clone`] may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct IdSet(Vec<NodeId>);

impl IdSet {
    /// The empty set. Does not allocate.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Returns the set of the given ids; an id may come several times.
    ///
    /// # Errors
    /// * [`Error::NoMem`]: no memory for the set.
    pub fn try_from_iter(ids: impl IntoIterator<Item = NodeId>) -> Result<Self> {
        let mut sorted = Self::collect(ids)?;
        sorted.dedup();
        Ok(Self(sorted))
    }

    /// Returns the set of the given ids. Each must be the id of a node, and come once.
    pub(super) fn from_distinct(ids: impl Iterator<Item = NodeId>) -> core::result::Result<Self, ChangeError> {
        let sorted = Self::collect(ids).map_err(|_| ChangeError::NoMemory)?;
        // In order, so the extremes are at the ends.
        if let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) {
            if first == NONE {
                return Err(ChangeError::BadId(first));
            }
            if last > MAX_ID {
                return Err(ChangeError::BadId(last));
            }
        }
        let mut before = NONE;
        for &id in &sorted {
            if id == before {
                return Err(ChangeError::Duplicate(id));
            }
            before = id;
        }
        Ok(Self(sorted))
    }

    /// Sorts once at the end: inserting id by id takes quadratic time, and a peer may have chosen
    /// the ids.
    fn collect(ids: impl IntoIterator<Item = NodeId>) -> Result<Vec<NodeId>> {
        let mut all = Vec::new();
        for id in ids {
            all.try_reserve(1).map_err(|_| Error::NoMem)?;
            all.push(id);
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Returns whether the set has `id`.
    #[inline]
    pub fn contains(&self, id: NodeId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    /// Adds `id`. Returns whether the id is new.
    ///
    /// # Errors
    /// * [`Error::NoMem`]: no memory for the id; the set is unchanged.
    pub fn insert(&mut self, id: NodeId) -> Result<bool> {
        let Err(at) = self.0.binary_search(&id) else {
            return Ok(false);
        };
        self.0.try_reserve(1).map_err(|_| Error::NoMem)?;
        self.0.insert(at, id);
        Ok(true)
    }

    /// Removes `id`. Returns whether the set had the id.
    pub fn remove(&mut self, id: NodeId) -> bool {
        let Ok(at) = self.0.binary_search(&id) else {
            return false;
        };
        self.0.remove(at);
        true
    }

    /// The ids, ascending.
    #[inline]
    pub fn as_slice(&self) -> &[NodeId] {
        &self.0
    }

    /// The number of ids.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the set is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids, ascending.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + Clone {
        self.0.iter().copied()
    }

    /// Returns a copy.
    ///
    /// # Errors
    /// * [`Error::NoMem`]: no memory for the copy.
    pub fn try_clone(&self) -> Result<Self> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(self.0.len()).map_err(|_| Error::NoMem)?;
        copy.extend_from_slice(&self.0);
        Ok(Self(copy))
    }
}

/// Ids in brackets, in hexadecimal as in etcd.
impl fmt::Display for IdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        let mut space = "";
        for id in &self.0 {
            write!(f, "{space}{id}")?;
            space = " ";
        }
        f.write_str(")")
    }
}

/// The voters and learners of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Configuration {
    /// The voters; in a joint membership, the voters of the incoming half.
    pub voters: IdSet,
    /// The voters of the outgoing half; empty unless joint.
    pub outgoing: IdSet,
    /// Get the log, have no vote.
    pub learners: IdSet,
    /// Voters of the outgoing half that become learners when the joint membership is left.
    pub learners_next: IdSet,
    /// Whether the leader leaves the joint membership automatically after applying the change.
    pub auto_leave: bool,
}

impl Configuration {
    /// Whether two majorities decide.
    #[inline]
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Returns whether `id` is a voter in either half.
    #[inline]
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.voters.contains(id) || self.outgoing.contains(id)
    }

    /// Returns whether `id` is a learner now. A voter in `learners_next` is no learner yet.
    #[inline]
    pub fn is_learner(&self, id: NodeId) -> bool {
        self.learners.contains(id)
    }

    /// Returns whether `id` is a member. `learners_next` is part of `outgoing`, and adds no member.
    #[inline]
    pub fn contains(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.is_learner(id)
    }

    /// Returns all members, ascending, each once: a leader replicates to them. Does not allocate.
    #[inline]
    pub fn members(&self) -> Members<'_> {
        Members([self.voters.as_slice(), self.outgoing.as_slice(), self.learners.as_slice()])
    }

    /// Returns the voters of both halves, ascending, each once. Does not allocate.
    #[inline]
    pub fn voter_ids(&self) -> Members<'_> {
        Members([self.voters.as_slice(), self.outgoing.as_slice(), &[]])
    }

    /// Returns whether a single voter decides alone.
    #[inline]
    pub fn is_singleton(&self) -> bool {
        self.voters.len() == 1 && !self.is_joint()
    }

    /// Returns a copy.
    ///
    /// # Errors
    /// * [`Error::NoMem`]: no memory for the copy.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            voters: self.voters.try_clone()?,
            outgoing: self.outgoing.try_clone()?,
            learners: self.learners.try_clone()?,
            learners_next: self.learners_next.try_clone()?,
            auto_leave: self.auto_leave,
        })
    }

    /// Returns the first broken invariant. Does not allocate.
    ///
    /// A membership without voters passes: every group begins there. The rules are those of etcd's
    /// `checkInvariants` without the comparison with a progress map, and two more: a voter of the
    /// incoming half can't be in `learners_next`, and a half has at most [`MAX_VOTERS`] voters.
    ///
    /// # Errors
    /// The first broken rule, with the id that breaks the rule.
    pub fn check(&self) -> core::result::Result<(), ChangeError> {
        if self.voters.len() > MAX_VOTERS || self.outgoing.len() > MAX_VOTERS {
            return Err(ChangeError::TooManyVoters);
        }
        if !self.is_joint() {
            if !self.learners_next.is_empty() {
                return Err(ChangeError::StagedWhenNotJoint);
            }
            if self.auto_leave {
                return Err(ChangeError::AutoLeaveWhenNotJoint);
            }
        }
        for id in self.learners_next.iter() {
            if !self.outgoing.contains(id) {
                return Err(ChangeError::StagedNotOutgoing(id));
            }
            if self.learners.contains(id) {
                return Err(ChangeError::StagedIsLearner(id));
            }
            if self.voters.contains(id) {
                return Err(ChangeError::StagedIsVoter(id));
            }
        }
        for id in self.learners.iter() {
            if self.outgoing.contains(id) {
                return Err(ChangeError::LearnerInOutgoing(id));
            }
            if self.voters.contains(id) {
                return Err(ChangeError::LearnerInVoters(id));
            }
        }
        Ok(())
    }
}

/// In etcd's form, ids in decimal as in all texts: `voters=(1 2)&&(1) learners=(3)
/// learners_next=(1) autoleave`.
impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "voters={}", self.voters)?;
        if self.is_joint() {
            write!(f, "&&{}", self.outgoing)?;
        }
        if !self.learners.is_empty() {
            write!(f, " learners={}", self.learners)?;
        }
        if !self.learners_next.is_empty() {
            write!(f, " learners_next={}", self.learners_next)?;
        }
        if self.auto_leave {
            f.write_str(" autoleave")?;
        }
        Ok(())
    }
}

/// The union of sets, ascending, each id once.
#[derive(Clone, Debug)]
pub struct Members<'a>([&'a [NodeId]; 3]);

impl Iterator for Members<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let lowest = self.0.iter().filter_map(|set| set.first()).min().copied()?;
        for set in &mut self.0 {
            if let [first, rest @ ..] = *set
                && *first == lowest
            {
                *set = rest;
            }
        }
        Some(lowest)
    }
}
