//! A node's past: state, configuration, term runs, entries, in this order, once.

use super::Node;
use crate::config::{Flags, StorageMode};
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::log::boot::Stage;
use crate::membership::{self, Configuration};
use crate::types::{EntryId, EntryRef, HardState, Index, NONE, TermRun};
use crate::wire::{self, ConfStateRef, ConfStateView};

impl Node {
    /// Gives the stored hard state.
    ///
    /// # Errors
    /// [`Error::State`]: out of order. [`Error::Corrupt`]: a vote for a reserved id.
    pub fn boot_state(&mut self, state: HardState) -> Result<()> {
        self.booting(Stage::State)?;
        let fits = state.vote <= crate::types::MAX_ID && state.term.max(state.commit) <= crate::types::MAX_POSITION;
        self.boot.state = state;
        self.boot_failed(if fits { Ok(()) } else { Err(Error::Corrupt) })
    }

    /// Gives the stored configuration, as of `applied`, and the entry before the first one of the log.
    ///
    /// # Errors
    /// [`Error::State`]; [`Error::Conf`]: no configuration that can be in force; [`Error::NoMem`].
    pub fn boot_conf(&mut self, conf: &ConfStateRef<'_>, before_first: EntryId) -> Result<()> {
        self.booting(Stage::Conf)?;
        let restored = restore(conf);
        let outcome = self.install_conf(restored, before_first);
        self.boot_failed(outcome)
    }

    /// The same from an encoded ConfState.
    ///
    /// # Errors
    /// As `boot_conf`, and [`Error::Decode`].
    pub fn boot_conf_bytes(&mut self, conf: &[u8], before_first: EntryId) -> Result<()> {
        self.booting(Stage::Conf)?;
        let restored = wire::parse_conf_state(conf).and_then(|view| restore_view(&view));
        let outcome = self.install_conf(restored, before_first);
        self.boot_failed(outcome)
    }

    fn install_conf(&mut self, conf: Result<Configuration>, before: EntryId) -> Result<()> {
        let conf = conf.inspect_err(|error| self.raft.detail.set(format_args!("the stored configuration: {error}")))?;
        if (before.index == 0) != (before.term == 0) || before.index.max(before.term) > crate::types::MAX_POSITION {
            return Err(Error::Corrupt);
        }
        if conf.members().count() > self.raft.config.max_peers as usize {
            self.raft
                .detail
                .set(format_args!("the stored configuration passes max_peers ({})", self.raft.config.max_peers));
            return Err(Error::Conf);
        }
        self.raft.conf = conf;
        let log = &mut self.raft.log;
        log.compact_all(before);
        Ok(())
    }

    /// Gives the term runs of the log; left out where the entries start at the first.
    ///
    /// # Errors
    /// [`Error::State`]; [`Error::Corrupt`]: runs that fall or do not start behind `before_first`; [`Error::NoMem`].
    pub fn boot_terms(&mut self, runs: &[TermRun]) -> Result<()> {
        self.booting(Stage::Terms)?;
        let outcome = self.boot.terms(&self.raft.log, runs);
        self.boot_failed(outcome)
    }

    /// Gives entries, in pieces: at least those above `applied`.
    ///
    /// # Errors
    /// [`Error::State`]; [`Error::Corrupt`]: a gap, a falling term, or another term than the runs say; [`Error::NoMem`];
    /// [`Error::Full`]: more unapplied entries than fit into `recent_bytes` in MESSAGES.
    pub fn boot_entries<'a>(&mut self, entries: impl Iterator<Item = EntryRef<'a>> + Clone) -> Result<()> {
        self.booting(Stage::Entries)?;
        let outcome = self.boot.entries(&mut self.raft.log, entries);
        self.boot_failed(outcome)
    }

    /// Ends the boot: entries up to `applied` are in the state machine. An empty disk boots by this alone, with 0.
    ///
    /// # Errors
    /// [`Error::State`]; [`Error::Corrupt`]: commit or applied beyond the log, entries missing; [`Error::NoMem`].
    pub fn boot_done(&mut self, applied: Index) -> Result<()> {
        self.booting(Stage::Done)?;
        let outcome = self.finish_boot(applied);
        self.raft.runs = outcome.is_ok() && self.raft.fault.is_none();
        self.boot_failed(outcome)
    }

    fn finish_boot(&mut self, applied: Index) -> Result<()> {
        let stored = self.boot.state;
        let one_by_one = !self.raft.flag(Flags::NO_CONF_VALIDATION);
        let state = self.boot.finish(&mut self.raft.log, applied, one_by_one)?;
        if self.raft.config.storage == StorageMode::Messages {
            // What is applied may leave the recent log, what is not travels in MsgStorageApply.
            self.raft.log.keep_unapplied = true;
            if self.raft.log.recent_first() > applied + 1 {
                let max = self.raft.config.recent_bytes;
                self.raft
                    .detail
                    .set(format_args!("recent_bytes ({max}) does not hold the entries above applied ({applied})"));
                return Err(Error::Full);
            }
        }
        let raft = &mut self.raft;
        let conf = raft.conf.try_clone()?;
        raft.set_members(&conf)?;
        raft.reconfig.done = applied;
        raft.load(state.term, if fault!(VoteForgottenAtRestart) { 0 } else { state.vote });
        if state.term != stored.term {
            raft.event(EventKind::Repaired, Reason::None, 0, 0, stored.term, state.term);
        }
        if state.commit != stored.commit {
            raft.event(EventKind::Repaired, Reason::None, 0, state.commit, stored.commit, state.commit);
        }
        raft.timers.fence = if fault!(LeaseOutlivesRestart) { 0 } else { raft.config.vote_fence() };
        raft.become_follower(state.term, NONE, Reason::None);
        self.readies.shown.state = stored;
        self.checked(Ok(()))
    }
}

pub(super) fn restore(conf: &ConfStateRef<'_>) -> Result<Configuration> {
    let restored = membership::restore(
        conf.voters.iter().copied(),
        conf.learners.iter().copied(),
        conf.voters_outgoing.iter().copied(),
        conf.learners_next.iter().copied(),
        conf.auto_leave,
    );
    restored.map_err(Error::from)
}

pub(super) fn restore_view(conf: &ConfStateView<'_>) -> Result<Configuration> {
    let sets = (conf.voters(), conf.learners(), conf.voters_outgoing(), conf.learners_next());
    membership::restore(sets.0, sets.1, sets.2, sets.3, conf.auto_leave()).map_err(Error::from)
}
