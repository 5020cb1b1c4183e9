//! Changes of membership: proposing, applying, leaving the joint configuration automatically,
//! stepping down when removed.
//!
//! Invariants: at most one change is in the log and not applied [M-06]. A change is in force once
//! it is applied, as in etcd's raft. A joint configuration with automatic leave is left by whoever
//! leads when the change is applied [M-01]. Only a change entry touches the configuration [M-15].
//!
//! Sources: diss. §4.1 to §4.4 (with changes in force when applied, not when appended); departures:
//! `docs/departures.md`.

use super::Raft;
use super::replication::Empty;
use crate::config::Flags;
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::membership::{self, Configuration};
use crate::outbox::clone_vec;
use crate::peers::progress::Progress;
use crate::types::{Change, ChangeKind, EntryKind, EntryRef, Index, NONE, NodeId, Role, TermRun};
use crate::wire::{self, ConfStateRef};

#[derive(Debug, Default)]
pub(crate) struct Reconfig {
    /// The last change that may be in the log and not applied. No further change is accepted
    /// before.
    pub pending_index: Index,
    /// Changes up to here were applied or skipped.
    pub done: Index,
    /// A leader removed by its own change steps down once this entry is committed; 0: none.
    pub retire_at: Index,
    /// At a leader that is no voter: the commits of a new configuration are still uncounted. The
    /// next acknowledgement counts them, as in etcd.
    pub uncounted: bool,
    /// The encoded configuration and the last change's context, for `apply_conf` and `conf`.
    pub shown: Vec<u8>,
    pub context: Vec<u8>,
}

impl Reconfig {
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { shown: clone_vec(&self.shown)?, context: clone_vec(&self.context)?, ..*self })
    }
}

/// Borrows the sets of a configuration.
pub(crate) fn as_state(conf: &Configuration) -> ConfStateRef<'_> {
    ConfStateRef {
        voters: conf.voters.as_slice(),
        learners: conf.learners.as_slice(),
        voters_outgoing: conf.outgoing.as_slice(),
        learners_next: conf.learners_next.as_slice(),
        auto_leave: conf.auto_leave,
    }
}

impl Raft {
    // ---- proposing

    /// Checks that a change may be appended now. On an error the detail says why, with the numbers.
    pub fn check_change(&mut self, kind: EntryKind, data: &[u8]) -> Result<()> {
        let change = wire::parse_change(self.config.dialect, kind, data).inspect_err(|error| {
            self.detail.set(format_args!("a configuration change that can't be understood: {error}"));
        })?;
        if self.flag(Flags::NO_CONF_VALIDATION) {
            return Ok(());
        }
        let (pending, applied) = (self.reconfig.pending_index, self.log.applied);
        if pending > applied {
            self.detail.set(format_args!(
                "a configuration change at index {pending} is not applied yet (applied {applied}): retry after it"
            ));
            return Err(Error::ConfBusy);
        }
        // etcd reads a change without steps as a wish to leave the joint configuration.
        let leaves = change.is_empty();
        let why = if self.conf.is_joint() && !leaves {
            "the configuration is joint: leave it first"
        } else if !self.conf.is_joint() && leaves {
            "the configuration is not joint: nothing to leave"
        } else {
            return self.check_outcome(&change);
        };
        self.detail.set(format_args!("{why}"));
        Err(Error::Conf)
    }

    /// Checks that the change leads to a valid configuration. etcd checks only on apply.
    fn check_outcome(&mut self, change: &wire::ConfChangeView<'_>) -> Result<()> {
        if self.flag(Flags::REFUSED_CONF_AS_EMPTY) {
            return Ok(());
        }
        let next = membership::apply_change(
            &self.conf,
            change.transition,
            change.len(),
            change.changes(),
            change.leaves_joint(),
        );
        match next {
            Err(membership::ChangeError::NoMemory) => Err(Error::NoMem),
            Err(error) => {
                self.detail.set(format_args!("the configuration change is invalid here ({}): {error}", self.conf));
                Err(Error::Conf)
            }
            Ok(next) => self.check_size(&next),
        }
    }

    fn check_size(&mut self, conf: &Configuration) -> Result<()> {
        let (count, max) = (conf.members().count(), self.config.max_peers);
        if count > max as usize {
            self.detail.set(format_args!("a configuration of {count} members, max_peers is {max}"));
            return Err(Error::Conf);
        }
        Ok(())
    }

    /// Proposes to leave the joint configuration once the change that requested the leave is
    /// applied. A new leader proposes once it has applied the log that it started with [M-01].
    pub fn leave_joint_if_due(&mut self) {
        if !self.conf.auto_leave || self.role != Role::Leader || self.log.applied < self.reconfig.pending_index {
            return;
        }
        if self.propose_change(EntryKind::ConfChangeV2, &[], 0).is_err() {
            self.event(EventKind::ProposalRefused, Reason::LeaveRefused, self.id, 0, 0, 0);
        }
    }

    // ---- applying

    /// Returns the index of the next change to apply or skip, if the change was returned to the
    /// host.
    fn next_change(&self) -> Option<Index> {
        let next = self.log.changes().iter().copied().find(|&index| index > self.reconfig.done);
        next.filter(|&index| index <= self.log.applying)
    }

    /// Checks that every change up to `index` was applied or skipped.
    #[inline]
    pub fn check_changes_done(&mut self, index: Index) -> Result<()> {
        if self.log.changes().is_empty() { Ok(()) } else { self.check_known_changes_done(index) }
    }

    #[cold]
    fn check_known_changes_done(&mut self, index: Index) -> Result<()> {
        if self.flag(Flags::CONF_APART) {
            return Ok(());
        }
        match self.next_change().filter(|&change| change <= index) {
            Some(change) => {
                self.detail.set(format_args!(
                    "applied({index}) passes the configuration entry at index {change}: call apply_conf or skip_conf for it first"
                ));
                Err(Error::State)
            }
            None => Ok(()),
        }
    }

    fn check_change_order(&mut self, index: Index) -> Result<()> {
        if index <= self.reconfig.done {
            let done = self.reconfig.done;
            self.detail.set(format_args!("the changes up to index {done} were applied or skipped before, {index} too"));
            return Err(Error::Stale);
        }
        match self.next_change() {
            Some(next) if next == index => Ok(()),
            Some(next) => {
                self.detail.set(format_args!("the configuration entry at index {next} comes first, not {index}"));
                Err(Error::Arg)
            }
            None => {
                self.detail.set(format_args!("no configuration entry at index {index} was handed out and not applied"));
                Err(Error::Arg)
            }
        }
    }

    pub fn apply_change(&mut self, entry: &EntryRef<'_>) -> Result<()> {
        self.check_change_order(entry.index)?;
        if self.log.term_at(entry.index).is_some_and(|term| term != entry.term) {
            self.detail.set(format_args!("the entry at index {} is not of term {}", entry.index, entry.term));
            return Err(Error::Arg);
        }
        self.put_in_force(entry.kind, entry.data, entry.index)
    }

    /// Applies a change that belongs to no entry (etcd's ApplyConfChange).
    pub fn apply_change_apart(&mut self, kind: EntryKind, data: &[u8]) -> Result<()> {
        if !self.flag(Flags::CONF_APART) {
            self.detail.set(format_args!("apply_change needs the flag CONF_APART"));
            return Err(Error::State);
        }
        self.put_in_force(kind, data, 0)
    }

    /// Puts a change in force. `index` is the change's entry; 0: no entry.
    fn put_in_force(&mut self, kind: EntryKind, data: &[u8], index: Index) -> Result<()> {
        let change = wire::parse_change(self.config.dialect, kind, data).inspect_err(|_| {
            self.detail.set(format_args!("a configuration change that can't be understood, at index {index}"));
        })?;
        let next = membership::apply_change(
            &self.conf,
            change.transition,
            change.len(),
            change.changes(),
            change.leaves_joint(),
        );
        let next = next.map_err(|error| {
            self.detail.set(format_args!("the change at index {index} is invalid for {}: {error}", self.conf));
            Error::from(error)
        })?;
        self.check_size(&next)?;
        self.reconfig.context.clear();
        self.reconfig.context.try_reserve(change.context.len()).map_err(|_| Error::NoMem)?;
        self.reserve_shown(&next)?;
        self.set_members(&next)?;
        self.forget_removed(change.changes(), &next);
        self.reconfig.context.extend_from_slice(change.context);
        let (voters, learners) = (next.voters.len() as u64, next.learners.len() as u64);
        self.conf = next;
        self.reconfig.done = self.reconfig.done.max(index);
        self.event(EventKind::ConfApplied, Reason::None, 0, index, voters, learners);
        self.on_configuration();
        self.show_conf()
    }

    pub fn skip_change(&mut self, index: Index) -> Result<()> {
        self.check_change_order(index)?;
        let conf = self.conf.try_clone()?;
        self.reserve_shown(&conf)?;
        self.reconfig.context.clear();
        self.reconfig.done = index;
        self.event(EventKind::ConfSkipped, Reason::None, 0, index, 0, 0);
        self.show_conf()
    }

    fn reserve_shown(&mut self, conf: &Configuration) -> Result<()> {
        self.reconfig.shown.clear();
        // The longest index takes eleven bytes.
        self.reconfig.shown.try_reserve(wire::conf_state_len(&as_state(conf)) + 11).map_err(|_| Error::NoMem)
    }

    /// Returns the index of the configuration in force: the last change applied or skipped, or
    /// `applied` of the boot. 0: unknown, since changes are applied apart from their entries.
    pub fn conf_index(&self) -> Index {
        if self.flag(Flags::CONF_APART) { 0 } else { self.reconfig.done }
    }

    /// Encodes the configuration in force for the host.
    pub fn show_conf(&mut self) -> Result<()> {
        let (state, index) = (as_state(&self.conf), self.conf_index());
        let dialect = self.config.dialect;
        let len = wire::stored_conf_len(dialect, &state, index);
        let shown = &mut self.reconfig.shown;
        shown.clear();
        shown.try_reserve(len).map_err(|_| Error::NoMem)?;
        shown.resize(len, 0);
        wire::write_stored_conf(dialect, shown, &state, index);
        Ok(())
    }

    /// Updates the peers to a configuration. Known peers keep their progress.
    pub fn set_members(&mut self, conf: &Configuration) -> Result<()> {
        let (last, config) = (self.log.last(), self.config);
        self.peers.set_members(conf, last, config.max_inflight_msgs, config.max_inflight_bytes)?;
        self.group_commit = self.peers.iter().any(|peer| peer.group > 0);
        self.recount_asks();
        Ok(())
    }

    /// Resets the progress of every removed node, even if the change adds the node again, since the
    /// disk may be a different one. A node of the outgoing half keeps its progress, since it still
    /// counts.
    fn forget_removed(&mut self, changes: impl Iterator<Item = Change>, next: &Configuration) {
        let (last, config) = (self.log.last(), self.config);
        let removed =
            changes.filter(|change| change.kind == ChangeKind::RemoveNode && !next.outgoing.contains(change.id));
        for id in removed.map(|change| change.id) {
            let Some(at) = self.peers.position(id) else { continue };
            self.cancel_ask(at);
            if let Some(peer) = self.peers.at_mut(at) {
                let learner = next.is_learner(id);
                *peer = Progress::new(id, last, learner, config.max_inflight_msgs, config.max_inflight_bytes);
            }
        }
    }

    /// Acts on a new configuration: the leader may retire, more entries may be committed, and new
    /// peers get entries.
    fn on_configuration(&mut self) {
        let leads = self.peers.get(self.id).is_some_and(|own| !own.is_learner);
        if leads {
            self.reconfig.retire_at = 0;
        }
        if !leads && self.role == Role::Leader {
            if !self.flag(Flags::STAY_WHEN_REMOVED) {
                self.retire();
            }
            self.reconfig.uncounted = true;
            return;
        }
        if self.role != Role::Leader || self.conf.voters.is_empty() {
            return;
        }
        if self.maybe_commit() {
            self.broadcast_commit();
        } else {
            for at in 0..self.peers.len() {
                if self.peers.at(at).is_some_and(|peer| peer.id != self.id) {
                    self.send_append(at, Empty::StaysAlone);
                }
            }
        }
        // A leader that was removed, led on and was added again has a new progress.
        self.acknowledge_own_reads();
        self.confirm_reads();
        let target: NodeId = self.transfer.target;
        if target != NONE && !self.conf.is_voter(target) {
            self.end_transfer(Reason::TransfereeGone);
        }
    }

    /// Retires a leader that is no longer a voter.
    ///
    /// The remaining voters may still need the leader: until a voter applies the change, the voter
    /// requests this node's vote. If the leader's log is longer, the node would refuse for ever.
    /// With the flag RETIRE_GRACEFULLY the leader therefore appends an entry and leads on without a
    /// vote, until a quorum holds the entry. A node with the entry has heard of the commit of the
    /// change.
    fn retire(&mut self) {
        let graceful = self.flag(Flags::RETIRE_GRACEFULLY) && !self.conf.voters.is_empty();
        if graceful && self.log.append(self.term, EntryKind::Normal, std::iter::empty(), 0).is_ok() {
            self.reconfig.retire_at = self.log.last();
            return self.broadcast_append();
        }
        self.nominate_successor();
        self.become_follower(self.term, NONE, Reason::Removed);
    }

    /// Retires if the entry that a retiring leader waits for is committed.
    pub fn maybe_retire(&mut self) {
        if self.reconfig.retire_at > 0 && self.role == Role::Leader && self.log.commit >= self.reconfig.retire_at {
            self.nominate_successor();
            self.become_follower(self.term, NONE, Reason::Removed);
        }
    }

    /// Returns the term runs for the host's storage.
    pub fn term_runs(&self) -> &[TermRun] {
        self.log.terms.runs()
    }
}
