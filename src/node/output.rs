//! Work out, and its acknowledgement; fetches and supplies.

use super::boot::{restore, restore_view};
use super::{AppliedConf, Node};
use crate::config::StorageMode;
use crate::error::{Error, Result};
use crate::log::boot::Stage;
use crate::raft::fetches::{Fetch, Missing, Supplied};
use crate::raft::reconfig::as_state;
use crate::ready::view::Ready;
use crate::types::{EntryRef, Index, TermRun};
use crate::wire::{self, ConfStateRef, Hello};

/// What the next ready will be.
#[cfg(feature = "capi")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// There is none.
    Idle,
    /// A new one, and none is outstanding.
    New,
    /// What can't be told beforehand: one that is outstanding, or an error.
    Other,
}

impl Node {
    /// The kinds of work that the next batch would hold, beside an outstanding one: bits of [`has`](crate::has).
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn has_ready(&self) -> Result<u32> {
        if self.raft.fault.is_some() {
            return Err(Error::Poisoned);
        }
        if self.boot.stage != Stage::Done {
            return Err(Error::State);
        }
        Ok(self.readies.kinds(&self.raft))
    }

    /// What `ready` would give.
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) fn outlook(&self) -> Outlook {
        match self.runs() && self.readies.len() == 0 {
            true if !self.raft.drained && self.readies.has_any(&self.raft) => Outlook::New,
            true => Outlook::Idle,
            false => Outlook::Other,
        }
    }

    /// `ready` where the outlook is `New`: what that has found out is not asked again, a tenth of a call from C.
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) fn new_ready(&mut self) -> Result<Ready<'_>> {
        let Self { raft, readies, .. } = self;
        readies.take_new(raft).map(|batch| Ready::new(raft, batch))
    }

    /// Whether `next_fetch` would give nothing. What is not sure counts as no.
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) fn lacks_nothing(&self) -> bool {
        self.runs() && self.raft.fetches.untold == 0
    }

    /// Takes the next batch of work; none: nothing to do. In SYNC the same one until it is advanced.
    ///
    /// # Errors
    /// [`Error::Full`]: `max_outstanding` are outstanding. [`Error::NoMem`]: nothing was taken.
    pub fn ready(&mut self) -> Result<Option<Ready<'_>>> {
        self.still_running()?;
        if self.readies.len() > 0 {
            return self.ready_beside_others();
        }
        let Self { raft, readies, .. } = self;
        if raft.drained {
            debug_assert!(!readies.has_any(raft));
            return Ok(None);
        }
        Ok(readies.take(raft)?.map(|batch| Ready::new(raft, batch)))
    }

    /// A further batch, or the one that must be advanced first.
    #[inline(never)]
    fn ready_beside_others(&mut self) -> Result<Option<Ready<'_>>> {
        let Self { raft, readies, .. } = self;
        if raft.config.storage == StorageMode::Sync {
            return Ok(readies.newest().map(|batch| Ready::new(raft, batch)));
        }
        Ok(readies.take_further(raft)?.map(|batch| Ready::new(raft, batch)))
    }

    /// Looks at an outstanding batch again, until it is released.
    pub fn view(&self, number: u64) -> Option<Ready<'_>> {
        self.readies.find(number).filter(|batch| !batch.released).map(|batch| Ready::new(&self.raft, batch))
    }

    /// All batches up to `number` are stored, applied and read no more: `persisted`, `applied` and `release` in one.
    ///
    /// # Errors
    /// [`Error::Stale`]: advanced before. [`Error::Arg`]: never handed out. [`Error::State`]: MESSAGES, or a configuration entry that is
    /// neither applied nor skipped.
    pub fn advance(&mut self, number: u64) -> Result<()> {
        self.still_running()?;
        let Self { raft, readies, .. } = self;
        match readies.finish_only(raft, number) {
            Some(outcome) => raft.checked(outcome),
            None => self.advance_any(number),
        }
    }

    /// Whatever is outstanding.
    #[inline(never)]
    fn advance_any(&mut self, number: u64) -> Result<()> {
        self.running()?;
        if self.raft.config.storage == StorageMode::Messages {
            return self.wrong_mode("advance");
        }
        self.readies.check_handed_out(number)?;
        let last = self.readies.last_committed(number);
        if self.raft.log.applied >= last {
            self.readies.check_advanced(number)?;
        }
        self.raft.check_changes_done(last)?;
        let Self { raft, readies, .. } = self;
        readies.persist(raft, number);
        if last > raft.log.applied {
            readies.apply(raft, last);
        }
        readies.release(raft, number);
        self.checked(Ok(()))
    }

    /// ASYNC: all batches up to `number` are durable.
    ///
    /// # Errors
    /// [`Error::Stale`], [`Error::Arg`]; [`Error::State`]: another mode.
    pub fn persisted(&mut self, number: u64) -> Result<()> {
        self.asynchronous("persisted")?;
        self.readies.check_persisted(number)?;
        let Self { raft, readies, .. } = self;
        readies.persist(raft, number);
        readies.sweep();
        self.checked(Ok(()))
    }

    /// ASYNC: everything up to `index` is applied.
    ///
    /// # Errors
    /// [`Error::Stale`]; [`Error::Arg`]: never handed out; [`Error::State`]: another mode, or a configuration entry in between that is
    /// neither applied nor skipped.
    pub fn applied(&mut self, index: Index) -> Result<()> {
        self.asynchronous("applied")?;
        if index <= self.raft.log.applied {
            return Err(Error::Stale);
        }
        if index > self.raft.log.applying {
            let applying = self.raft.log.applying;
            self.raft.detail.set(format_args!("applied({index}): entries were handed out up to {applying}"));
            return Err(Error::Arg);
        }
        self.raft.check_changes_done(index)?;
        let Self { raft, readies, .. } = self;
        readies.apply(raft, index);
        readies.sweep();
        self.checked(Ok(()))
    }

    fn asynchronous(&mut self, call: &str) -> Result<()> {
        self.running()?;
        if self.raft.config.storage == StorageMode::Async { Ok(()) } else { self.wrong_mode(call) }
    }

    /// ASYNC and MESSAGES: the views of all batches up to `number` end.
    ///
    /// # Errors
    /// [`Error::Stale`], [`Error::Arg`]; [`Error::State`]: SYNC.
    pub fn release(&mut self, number: u64) -> Result<()> {
        self.running()?;
        if self.raft.config.storage == StorageMode::Sync {
            return self.wrong_mode("release");
        }
        self.readies.check_released(number)?;
        let Self { raft, readies, .. } = self;
        readies.release(raft, number);
        self.checked(Ok(()))
    }

    /// Puts the change of a committed entry in force, lowest index first. Gives the configuration to be stored with the state.
    ///
    /// # Errors
    /// [`Error::Arg`]: not the next one that was handed out. [`Error::Stale`]: done before. [`Error::Decode`], [`Error::Unsupported`],
    /// [`Error::Conf`]: it can't be understood or is invalid here: this member must stop, unless all members skip it. [`Error::NoMem`].
    pub fn apply_conf(&mut self, entry: EntryRef<'_>) -> Result<AppliedConf<'_>> {
        self.running()?;
        let outcome = self.raft.apply_change(&entry);
        self.checked(outcome)?;
        Ok(self.shown_conf())
    }

    fn shown_conf(&self) -> AppliedConf<'_> {
        let reconfig = &self.raft.reconfig;
        AppliedConf { conf: as_state(&self.raft.conf), bytes: &reconfig.shown, context: &reconfig.context }
    }

    /// Passes over the configuration entry at `index`. All members must do the same.
    ///
    /// # Errors
    /// [`Error::Arg`], [`Error::Stale`].
    pub fn skip_conf(&mut self, index: Index) -> Result<()> {
        self.running()?;
        let outcome = self.raft.skip_change(index);
        self.checked(outcome)
    }

    /// The configuration in force.
    ///
    /// # Errors
    /// [`Error::NoMem`].
    pub fn conf(&mut self) -> Result<AppliedConf<'_>> {
        self.raft.reconfig.context.clear();
        self.raft.show_conf()?;
        Ok(self.shown_conf())
    }

    /// The term runs of the log after the snapshot.
    pub fn term_runs(&self) -> &[TermRun] {
        self.raft.term_runs()
    }

    /// What the host is asked for, once each.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn next_fetch(&mut self) -> Result<Option<Fetch>> {
        self.still_running()?;
        Ok(self.raft.next_fetch())
    }

    /// Answers a fetch of entries: one or more from `first` on.
    ///
    /// # Errors
    /// [`Error::Arg`]: they contradict the log; the ask stays open. [`Error::NoMem`].
    pub fn supply_entries<'a>(
        &mut self,
        id: u64,
        entries: impl Iterator<Item = EntryRef<'a>> + Clone,
    ) -> Result<Supplied> {
        self.running()?;
        let outcome = self.raft.supply_entries(id, entries);
        self.checked(outcome)
    }

    /// Answers a fetch of a snapshot: the configuration as of `index`, and the data, or nothing if they go beside the core.
    ///
    /// # Errors
    /// [`Error::Arg`]: an index that is no use, or a configuration without the peer; the ask stays open. [`Error::Conf`], [`Error::NoMem`].
    pub fn supply_snapshot(&mut self, id: u64, index: Index, conf: &ConfStateRef<'_>, data: &[u8]) -> Result<Supplied> {
        self.running()?;
        let outcome = restore(conf).and_then(|conf| self.raft.supply_snapshot(id, index, &conf, data));
        self.checked(outcome)
    }

    /// The same with an encoded ConfState.
    ///
    /// # Errors
    /// As `supply_snapshot`, and [`Error::Decode`].
    pub fn supply_snapshot_bytes(&mut self, id: u64, index: Index, conf: &[u8], data: &[u8]) -> Result<Supplied> {
        self.running()?;
        let conf = wire::parse_conf_state(conf).and_then(|view| restore_view(&view));
        let outcome = conf.and_then(|conf| self.raft.supply_snapshot(id, index, &conf, data));
        self.checked(outcome)
    }

    /// Answers a fetch with nothing.
    ///
    /// # Errors
    /// [`Error::Arg`]: never handed out.
    pub fn supply_none(&mut self, id: u64, why: Missing) -> Result<Supplied> {
        self.running()?;
        let outcome = self.raft.supply_none(id, why);
        self.checked(outcome)
    }

    /// Ticks until the node will do something by itself, at least 1; `u32::MAX`: never, as things are. Any call may change the answer.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn ticks_until_due(&self) -> Result<u32> {
        self.has_ready().map(|_| self.raft.ticks_until_due())
    }

    /// What this node says first on a connection.
    pub fn hello(&self) -> Hello {
        let config = &self.raft.config;
        Hello { version: wire::PROTOCOL_VERSION, features: config.wire_features(), group: config.group, id: config.id }
    }
}
