//! The boot of a node from its past: state, configuration, term runs, entries, in this order, once.

use super::Node;
use crate::config::{Flags, StorageMode};
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::log::boot::Stage;
use crate::membership::{self, Configuration};
use crate::raft::snapshots::restored_view;
use crate::types::{Dialect, EntryId, EntryRef, HardState, Index, NONE, TermRun};
use crate::wire::{self, ConfStateRef};

/// A configuration as a host stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredConf<'a> {
    /// Bytes from [`Node::apply_conf`], [`Node::conf`] or a snapshot.
    Bytes(&'a [u8]),
    /// The ids, and the index that the ids are as of; 0: not known.
    Ids(ConfStateRef<'a>, Index),
}

/// The stored data of a node, for [`Node::boot`]. The default is an empty disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored<'a> {
    /// The hard state.
    pub state: HardState,
    /// The index up to which the state machine has applied the log.
    pub applied: Index,
    /// The entry before the log's first entry. A snapshot or a compaction covers it. Founders:
    /// index 1 of term 1.
    pub before_first: EntryId,
    /// Index of the last entry of the log; `before_first.index` if the log is empty.
    pub last: Index,
    /// The configuration as of `applied`. `None` only for an empty disk, on which no configuration
    /// was ever stored.
    pub conf: Option<StoredConf<'a>>,
    /// The term runs of the log. May be empty if `entries` begin with the log's first entry.
    pub runs: &'a [TermRun],
}

impl<'a> Stored<'a> {
    /// Returns the data that a founder of a group stores before its first boot: the voters, as of
    /// index 1 of term 1.
    pub fn founder(voters: &'a [u64]) -> Self {
        let conf = ConfStateRef { voters, ..ConfStateRef::default() };
        Self {
            state: HardState { term: 0, vote: NONE, commit: 1 },
            applied: 1,
            before_first: EntryId { term: 1, index: 1 },
            last: 1,
            conf: Some(StoredConf::Ids(conf, 1)),
            runs: &[],
        }
    }

    /// True if a field describes a log.
    fn tells_of_a_log(&self) -> bool {
        self.last > 0 || self.before_first != EntryId::default() || !self.runs.is_empty()
    }
}

impl Node {
    /// Boots the node from its stored data, in place of the other `boot_*` calls.
    ///
    /// Give at least the entries above `applied`. If these do not fit into memory at once, use the
    /// other calls. After an error you can only drop the node.
    ///
    /// # Errors
    /// The errors of the other `boot_*` calls.
    pub fn boot<'a>(&mut self, stored: &Stored<'_>, entries: impl Iterator<Item = EntryRef<'a>> + Clone) -> Result<()> {
        if stored.state != HardState::default() {
            self.boot_state(stored.state)?;
        }
        match stored.conf {
            Some(StoredConf::Bytes(bytes)) => self.boot_conf_bytes(bytes, stored.before_first)?,
            Some(StoredConf::Ids(conf, index)) => self.boot_conf(&conf, index, stored.before_first)?,
            None => {}
        }
        if stored.conf.is_some() || stored.tells_of_a_log() {
            self.boot_terms(stored.runs, stored.last)?;
        }
        if entries.clone().next().is_some() {
            self.boot_entries(entries)?;
        }
        self.boot_done(stored.applied)
    }

    /// Boots the stored hard state.
    ///
    /// # Errors
    /// [`Error::State`]: out of order. [`Error::Corrupt`]: a vote for a reserved id.
    pub fn boot_state(&mut self, state: HardState) -> Result<()> {
        self.booting(Stage::State)?;
        let fits = state.vote <= crate::types::MAX_ID && state.term.max(state.commit) <= crate::types::MAX_POSITION;
        self.boot.state = state;
        if fits {
            return Ok(());
        }
        let HardState { term, vote, commit } = state;
        self.raft.detail.set(format_args!("no hard state: term {term}, vote {vote}, commit {commit}"));
        self.boot_failed(Err(Error::Corrupt))
    }

    /// Boots the stored configuration, as of `applied`, and the entry before the log's first entry.
    ///
    /// `index` is the index that the configuration is as of; 0: not known.
    ///
    /// # Errors
    /// [`Error::State`]; [`Error::Conf`]: a configuration that can't be in force; [`Error::NoMem`].
    pub fn boot_conf(&mut self, conf: &ConfStateRef<'_>, index: Index, before_first: EntryId) -> Result<()> {
        self.booting(Stage::Conf)?;
        let restored = restore(conf);
        let outcome = self.install_conf(restored, index, before_first);
        self.boot_failed(outcome)
    }

    /// Does the same as `boot_conf` with an encoded ConfState. If a node made the bytes, they
    /// contain the index.
    ///
    /// # Errors
    /// As `boot_conf`, and [`Error::Decode`]. [`Error::Corrupt`]: stored by a node of another
    /// dialect.
    pub fn boot_conf_bytes(&mut self, conf: &[u8], before_first: EntryId) -> Result<()> {
        self.booting(Stage::Conf)?;
        let outcome = match wire::parse_conf_state(conf) {
            Ok(view) => self
                .check_dialect(view.dialect())
                .and_then(|()| self.install_conf(restored_view(&view), view.index(), before_first)),
            Err(error) => self.raft.no_conf_state(error, conf.len()),
        };
        self.boot_failed(outcome)
    }

    /// Refuses a log that a node of another dialect has written: the numbers of changes differ.
    fn check_dialect(&mut self, stored: Option<u64>) -> Result<()> {
        let own = self.raft.config.dialect;
        let Some(stored) = stored.filter(|&stored| stored != own as u64) else { return Ok(()) };
        let name = u32::try_from(stored).ok().and_then(Dialect::from_number).map_or("a later dialect", Dialect::name);
        self.raft.detail.set(format_args!(
            "the log was written in {name}, this node speaks {}: its changes would be misread",
            own.name()
        ));
        Err(Error::Corrupt)
    }

    fn install_conf(&mut self, conf: Restored, index: Index, before: EntryId) -> Result<()> {
        let conf = self.raft.restored(conf, "the stored configuration")?;
        if (before.index == 0) != (before.term == 0) || before.index.max(before.term) > crate::types::MAX_POSITION {
            let EntryId { index, term } = before;
            self.raft.detail.set(format_args!("no log begins behind index {index}, term {term}"));
            return Err(Error::Corrupt);
        }
        if conf.members().count() > self.raft.config.max_peers as usize {
            self.raft
                .detail
                .set(format_args!("the stored configuration passes max_peers ({})", self.raft.config.max_peers));
            return Err(Error::Conf);
        }
        self.raft.conf = conf;
        (self.boot.has_conf, self.boot.conf_index) = (true, index);
        let log = &mut self.raft.log;
        log.compact_all(before);
        Ok(())
    }

    /// Boots the term runs of the log, and `last`, the index of the log's last entry.
    ///
    /// Give no runs if the entries start with the log's first entry. A boot without the entries up
    /// to `last` is refused.
    ///
    /// # Errors
    /// [`Error::State`]; [`Error::Corrupt`]: runs that fall or do not start after `before_first`;
    /// [`Error::NoMem`].
    pub fn boot_terms(&mut self, runs: &[TermRun], last: Index) -> Result<()> {
        self.booting(Stage::Terms)?;
        let known = self.conf_is_known();
        let outcome = known.and_then(|()| self.boot.terms(&self.raft.log, runs, last, &mut self.raft.detail));
        self.boot_failed(outcome)
    }

    /// Boots entries, in pieces: at least the entries above `applied`.
    ///
    /// # Errors
    /// [`Error::State`]; [`Error::Corrupt`]: a gap, a falling term, or a term that differs from the
    /// runs; [`Error::NoMem`]; [`Error::Full`]: more unapplied entries than fit into `recent_bytes`
    /// in MESSAGES.
    pub fn boot_entries<'a>(&mut self, entries: impl Iterator<Item = EntryRef<'a>> + Clone) -> Result<()> {
        self.booting(Stage::Entries)?;
        let known = self.conf_is_known();
        let outcome = known.and_then(|()| self.boot.entries(&mut self.raft.log, entries, &mut self.raft.detail));
        self.boot_failed(outcome)
    }

    /// Ends the boot: entries up to `applied` are in the state machine. For an empty disk, call
    /// only this, with 0.
    ///
    /// # Errors
    /// [`Error::State`]; [`Error::Corrupt`]: commit or applied beyond the log, entries missing; [`Error::NoMem`].
    pub fn boot_done(&mut self, applied: Index) -> Result<()> {
        self.booting(Stage::Done)?;
        let empty = applied == 0 && self.boot.state.commit == 0;
        let known = if empty { Ok(()) } else { self.conf_is_known() };
        let outcome = known.and_then(|()| self.finish_boot(applied));
        self.raft.runs = outcome.is_ok() && self.raft.fault.is_none();
        self.boot_failed(outcome)
    }

    /// Refuses a log or applied entries without a configuration: the host forgot a call.
    fn conf_is_known(&mut self) -> Result<()> {
        if self.boot.has_conf {
            return Ok(());
        }
        self.raft.detail.set(format_args!(
            "the configuration as of applied is missing (boot's conf, boot_conf); one without voters, if none was ever stored"
        ));
        Err(Error::State)
    }

    fn finish_boot(&mut self, applied: Index) -> Result<()> {
        let stored = self.boot.state;
        let rules = (!self.raft.flag(Flags::NO_CONF_VALIDATION), self.raft.flag(Flags::CONF_APART));
        let state = self.boot.finish(&mut self.raft.log, applied, rules, &mut self.raft.detail)?;
        if self.raft.config.storage == StorageMode::Messages {
            // Applied entries may leave the recent log. MsgStorageApply carries the unapplied
            // entries.
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
        raft.load(state.term, state.vote);
        if state.term != stored.term {
            raft.event(EventKind::Repaired, Reason::None, 0, 0, stored.term, state.term);
        }
        if state.commit != stored.commit {
            raft.event(EventKind::Repaired, Reason::None, 0, state.commit, stored.commit, state.commit);
        }
        raft.timers.fence = raft.config.vote_fence();
        raft.become_follower(state.term, NONE, Reason::None);
        self.readies.shown.state = stored;
        self.checked(Ok(()))
    }
}

/// The result of restoring stored or supplied sets of ids.
pub(super) type Restored = core::result::Result<Configuration, membership::ChangeError>;

pub(super) fn restore(conf: &ConfStateRef<'_>) -> Restored {
    membership::restore(
        conf.voters.iter().copied(),
        conf.learners.iter().copied(),
        conf.voters_outgoing.iter().copied(),
        conf.learners_next.iter().copied(),
        conf.auto_leave,
    )
}
