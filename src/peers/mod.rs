//! A leader's view of all members, itself included: an array sorted by id.
//!
//! The members follow from the membership alone; `raft/reconfig` decides when.

pub(crate) mod inflights;
pub(crate) mod progress;

use crate::error::{Error, Result};
use crate::membership::Configuration;
use crate::types::{Index, NodeId};
use progress::Progress;

/// Sorted by id, each id once.
#[derive(Debug, Default)]
pub(crate) struct Peers(Vec<Progress>);

impl Peers {
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub fn position(&self, id: NodeId) -> Option<usize> {
        // Groups are small: up to sixteen members, a linear search takes fewer instructions than a
        // binary search.
        if self.0.len() <= 16 {
            self.0.iter().position(|peer| peer.id == id)
        } else {
            self.0.binary_search_by_key(&id, |peer| peer.id).ok()
        }
    }

    #[inline]
    pub fn get(&self, id: NodeId) -> Option<&Progress> {
        self.position(id).and_then(|at| self.0.get(at))
    }

    #[inline]
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut Progress> {
        self.position(id).and_then(|at| self.0.get_mut(at))
    }

    #[inline]
    pub fn at(&self, at: usize) -> Option<&Progress> {
        self.0.get(at)
    }

    #[inline]
    pub fn at_mut(&mut self, at: usize) -> Option<&mut Progress> {
        self.0.get_mut(at)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Progress> + Clone {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Progress> {
        self.0.iter_mut()
    }

    /// Returns the peers of `members` (ascending). Known peers stay as they are; `make` makes new
    /// peers.
    pub fn rebuild(
        &mut self,
        members: impl Iterator<Item = NodeId> + Clone,
        make: impl Fn(NodeId) -> Progress,
    ) -> Result<()> {
        let mut next = Vec::new();
        next.try_reserve_exact(members.clone().count()).map_err(|_| Error::NoMem)?;
        let mut old = std::mem::take(&mut self.0).into_iter().peekable();
        for id in members {
            while old.next_if(|peer| peer.id < id).is_some() {}
            next.push(old.next_if(|peer| peer.id == id).unwrap_or_else(|| make(id)));
        }
        self.0 = next;
        Ok(())
    }

    /// Brings the peers in line with a membership: known peers keep their progress, new peers begin
    /// at `last`.
    pub fn set_members(&mut self, conf: &Configuration, last: Index, max_msgs: u32, max_bytes: u64) -> Result<()> {
        self.rebuild(conf.members(), |id| Progress::new(id, last, conf.is_learner(id), max_msgs, max_bytes))?;
        for peer in self.iter_mut() {
            peer.is_learner = conf.is_learner(peer.id);
            // A voter that becomes a learner again has no wish of before.
            peer.promote &= peer.is_learner;
        }
        Ok(())
    }

    pub fn memory(&self) -> u64 {
        self.0.iter().map(|peer| peer.window.memory() + size_of::<Progress>() as u64).sum()
    }

    pub fn try_clone(&self) -> Result<Self> {
        let mut peers = Vec::new();
        peers.try_reserve_exact(self.0.len()).map_err(|_| Error::NoMem)?;
        for peer in &self.0 {
            peers.push(peer.try_clone()?);
        }
        Ok(Self(peers))
    }
}
