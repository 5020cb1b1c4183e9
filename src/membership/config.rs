//! The sets of a configuration and what must hold between them.
//!
//! A member is a voter in at least one half, or a learner, never both. A voter that is to become a
//! learner cannot while the outgoing half still counts it; it waits in `learners_next` and is a
//! voter only, until the joint configuration is left.
//! Invariants ([`Configuration::check`]): `learners` shares nothing with `voters` and `outgoing`;
//! `learners_next` is part of `outgoing` and shares nothing with `voters`; what belongs to a joint
//! configuration (`learners_next`, `auto_leave`) is absent from others; no half has more than
//! [`MAX_VOTERS`].
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

    /// The set of these ids; an id may come more than once.
    ///
    /// # Errors
    /// * [`Error::NoMem`]: no memory for them.
    pub fn try_from_iter(ids: impl IntoIterator<Item = NodeId>) -> Result<Self> {
        let mut sorted = Self::collect(ids)?;
        sorted.dedup();
        Ok(Self(sorted))
    }

    /// The set of these ids, each of which must be a node's and come once.
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

    /// Sorted once at the end: inserting one by one takes quadratic time, and the ids may be a
    /// peer's to choose.
    fn collect(ids: impl IntoIterator<Item = NodeId>) -> Result<Vec<NodeId>> {
        let mut all = Vec::new();
        for id in ids {
            all.try_reserve(1).map_err(|_| Error::NoMem)?;
            all.push(id);
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Whether `id` is in it.
    #[inline]
    pub fn contains(&self, id: NodeId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    /// Adds `id`; tells whether it was not there before.
    ///
    /// # Errors
    /// * [`Error::NoMem`]: no memory for it; the set is unchanged.
    pub fn insert(&mut self, id: NodeId) -> Result<bool> {
        let Err(at) = self.0.binary_search(&id) else {
            return Ok(false);
        };
        self.0.try_reserve(1).map_err(|_| Error::NoMem)?;
        self.0.insert(at, id);
        Ok(true)
    }

    /// Takes `id` out; tells whether it was there.
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

    /// Whether it has no ids.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids, ascending.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + Clone {
        self.0.iter().copied()
    }

    /// A copy.
    ///
    /// # Errors
    /// * [`Error::NoMem`]: no memory for it.
    pub fn try_clone(&self) -> Result<Self> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(self.0.len()).map_err(|_| Error::NoMem)?;
        copy.extend_from_slice(&self.0);
        Ok(Self(copy))
    }
}

/// Ids in brackets, in hexadecimal as etcd prints them.
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

/// Who votes and who learns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Configuration {
    /// The voters; in a joint configuration those of its incoming half.
    pub voters: IdSet,
    /// The voters of the outgoing half; empty unless joint.
    pub outgoing: IdSet,
    /// Get the log, have no vote.
    pub learners: IdSet,
    /// Voters of the outgoing half that become learners when the joint configuration is left.
    pub learners_next: IdSet,
    /// Whether the leader leaves the joint configuration by itself once it is applied.
    pub auto_leave: bool,
}

impl Configuration {
    /// Whether two majorities decide.
    #[inline]
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether `id` votes in either half.
    #[inline]
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.voters.contains(id) || self.outgoing.contains(id)
    }

    /// Whether `id` is a learner now. A voter in `learners_next` is not one yet.
    #[inline]
    pub fn is_learner(&self, id: NodeId) -> bool {
        self.learners.contains(id)
    }

    /// Whether `id` is a member. (`learners_next` adds none: it is part of `outgoing`.)
    #[inline]
    pub fn contains(&self, id: NodeId) -> bool {
        self.is_voter(id) || self.is_learner(id)
    }

    /// All members, ascending, each once: those that a leader replicates to. Does not allocate.
    #[inline]
    pub fn members(&self) -> Members<'_> {
        Members([self.voters.as_slice(), self.outgoing.as_slice(), self.learners.as_slice()])
    }

    /// The voters of both halves, ascending, each once. Does not allocate.
    #[inline]
    pub fn voter_ids(&self) -> Members<'_> {
        Members([self.voters.as_slice(), self.outgoing.as_slice(), &[]])
    }

    /// Whether one voter decides alone.
    #[inline]
    pub fn is_singleton(&self) -> bool {
        self.voters.len() == 1 && !self.is_joint()
    }

    /// A copy.
    ///
    /// # Errors
    /// * [`Error::NoMem`]: no memory for it.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            voters: self.voters.try_clone()?,
            outgoing: self.outgoing.try_clone()?,
            learners: self.learners.try_clone()?,
            learners_next: self.learners_next.try_clone()?,
            auto_leave: self.auto_leave,
        })
    }

    /// Tells which invariant does not hold. Does not allocate.
    ///
    /// A configuration without voters passes: it is where every group begins. etcd's
    /// `checkInvariants`, without what it compares with its progress map, and with two rules more: a
    /// voter of the incoming half cannot be about to become a learner, and a half has at most
    /// [`MAX_VOTERS`] voters.
    ///
    /// # Errors
    /// The first rule that is broken, with the id that breaks it.
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

/// In etcd's form, ids in decimal as in all other texts: `voters=(1 2)&&(1) learners=(3) learners_next=(1) autoleave`.
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
