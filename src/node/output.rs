//! Work out, and its acknowledgement; fetches and supplies.

use super::boot::restore;
use super::{AppliedConf, Node};
use crate::config::StorageMode;
use crate::error::{Error, Result};
use crate::log::boot::Stage;
use crate::node::StepFrames;
use crate::raft::fetches::{Fetch, Missing, Supplied};
use crate::raft::reconfig::as_state;
use crate::raft::snapshots::restored_view;
use crate::ready::view::Ready;
use crate::types::{EntryKind, EntryRef, Index, NodeId, TermRun};
use crate::wire::{self, ConfStateRef, Hello};

/// What has happened since the last [`turn`](Node::turn).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Input<'a> {
    /// This ready, and those before it, are done: as [`advance`](Node::advance). 0: none.
    pub done: u64,
    /// ASYNC: as [`persisted`](Node::persisted). 0: none.
    pub persisted: u64,
    /// ASYNC: as [`applied`](Node::applied). 0: none.
    pub applied: Index,
    /// ASYNC: as [`release`](Node::release). 0: none.
    pub released: u64,
    /// Ticks that passed.
    pub ticks: u32,
    /// Whose frames these are; 0: unchecked.
    pub peer: NodeId,
    /// What came from that peer: as [`step_frames`](Node::step_frames).
    pub frames: &'a [u8],
}

/// What a [`turn`](Node::turn) gives.
#[derive(Clone, Copy, Debug)]
pub enum Turn<'a> {
    /// There is nothing to do.
    Nothing,
    /// A fetch waits: take it with [`next_fetch`](Node::next_fetch), answer it, then take the next turn.
    FetchFirst,
    /// The next ready; another may follow.
    Ready(Ready<'a>),
    /// The next ready, and nothing can follow it before something happens: let the next turn acknowledge it.
    Last(Ready<'a>),
}

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
        self.runs() && self.raft.fetches.untold == 0 && !self.raft.is_own_fetch_due()
    }

    /// One turn of a host's loop in one call: acknowledges, ticks, steps, looks for a fetch, and takes the next ready. SYNC and ASYNC.
    ///
    /// `stepped` says what became of the frames. A frame that is refused is no error of the turn; nor is an acknowledgement that was
    /// given before.
    ///
    /// # Errors
    /// Of an acknowledgement: nothing after it was done. Of the ready ([`Error::Full`], [`Error::NoMem`]): all else was done.
    pub fn turn(&mut self, input: &Input<'_>, stepped: &mut StepFrames) -> Result<Turn<'_>> {
        self.turn_in(input, stepped)?;
        if self.raft.fetches.untold > 0 || self.raft.is_own_fetch_due() {
            return Ok(Turn::FetchFirst);
        }
        if self.ready()?.is_none() {
            return Ok(Turn::Nothing);
        }
        let last = self.is_last_ready();
        let ready = self.readies.newest().map(|batch| Ready::new(&self.raft, batch));
        Ok(match ready {
            None => Turn::Nothing,
            Some(ready) if last => Turn::Last(ready),
            Some(ready) => Turn::Ready(ready),
        })
    }

    /// What a turn takes in.
    #[inline]
    pub(crate) fn turn_in(&mut self, input: &Input<'_>, stepped: &mut StepFrames) -> Result<()> {
        *stepped = StepFrames::default();
        self.still_running()?;
        // Before the acknowledgement: the host could not have taken what that brings.
        let late = input.ticks > 0 && self.is_late();
        if input.done != 0 {
            fresh(self.advance_in_turn(input.done))?;
        }
        if input.persisted | input.applied | input.released != 0 {
            self.acknowledge_apart(input)?;
        }
        if input.ticks > 0 {
            self.ticks_pass(input.ticks, late)?;
        }
        if input.frames.is_empty() {
            return Ok(());
        }
        match self.step_frames(input.peer, input.frames) {
            Ok(frames) => *stepped = frames,
            Err(Error::Poisoned) => return Err(Error::Poisoned),
            Err(error) => *stepped = StepFrames { consumed: 0, rejected: 1, first: Some(error) },
        }
        Ok(())
    }

    /// Apart from `advance`, which is compiled into its callers.
    #[inline(never)]
    fn advance_in_turn(&mut self, number: u64) -> Result<()> {
        self.advance(number)
    }

    #[inline(never)]
    fn acknowledge_apart(&mut self, input: &Input<'_>) -> Result<()> {
        if input.persisted != 0 {
            fresh(self.persisted(input.persisted))?;
        }
        if input.applied != 0 {
            fresh(self.applied(input.applied))?;
        }
        if input.released != 0 {
            fresh(self.release(input.released))?;
        }
        Ok(())
    }

    /// Whether nothing can follow the newest ready, once it is done, before something happens: its acknowledgement may ride with the next
    /// turn. In SYNC only, since else others are outstanding.
    #[inline]
    pub(crate) fn is_last_ready(&self) -> bool {
        let raft = &self.raft;
        let Some(batch) = self.readies.newest() else { return false };
        raft.config.storage == StorageMode::Sync
            && batch.own.is_empty()
            && batch.snapshot.is_none()
            && !raft.apply.paused
            && !raft.conf.auto_leave
            // Applying a change may make messages.
            && raft.log.changes().first().is_none_or(|&change| change > raft.log.applying)
            && raft.fetches.untold == 0
            && !raft.lacks_committed()
            && (raft.drained || !self.readies.has_any(raft))
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

    /// The highest number whose views have ended.
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) fn released(&self) -> u64 {
        self.readies.released
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
    #[inline(always)]
    pub fn advance(&mut self, number: u64) -> Result<()> {
        self.still_running()?;
        let Self { raft, readies, .. } = self;
        raft.detail.clear();
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
        self.readies.check_handed_out(number, &mut self.raft.detail)?;
        let last = self.readies.last_committed(number);
        if self.raft.log.applied >= last {
            self.readies.check_advanced(number, &mut self.raft.detail)?;
        }
        self.check_no_bare_span(number)?;
        self.raft.check_changes_done(last)?;
        let Self { raft, readies, .. } = self;
        readies.persist(raft, number);
        if last > raft.log.applied {
            readies.apply(raft, last);
        }
        readies.release(raft, number);
        self.checked(Ok(()))
    }

    /// A span that came without entries is not applied because its ready is done: the host may have overlooked it.
    fn check_no_bare_span(&mut self, number: u64) -> Result<()> {
        match self.readies.bare_span(number, self.raft.log.applied) {
            None => Ok(()),
            Some((first, last)) => {
                self.raft.detail.set(format_args!(
                    "the committed entries from {first} to {last} came without bytes: read them from your log, and call applied({last})"
                ));
                Err(Error::State)
            }
        }
    }

    /// ASYNC: all batches up to `number` are durable.
    ///
    /// # Errors
    /// [`Error::Stale`], [`Error::Arg`]; [`Error::State`]: another mode.
    pub fn persisted(&mut self, number: u64) -> Result<()> {
        self.asynchronous("persisted")?;
        self.readies.check_persisted(number, &mut self.raft.detail)?;
        let Self { raft, readies, .. } = self;
        readies.persist(raft, number);
        readies.sweep();
        self.checked(Ok(()))
    }

    /// ASYNC: everything up to `index` is applied. In SYNC only for a span that came without entries
    /// ([`Flags::COMMITTED_SPANS`](crate::Flags::COMMITTED_SPANS)).
    ///
    /// # Errors
    /// [`Error::Stale`]; [`Error::Arg`]: never handed out; [`Error::State`]: another mode, or a configuration entry in between that is
    /// neither applied nor skipped.
    pub fn applied(&mut self, index: Index) -> Result<()> {
        self.running()?;
        let applied = self.raft.log.applied;
        let bare = self.readies.bare_span(self.readies.last_number, applied);
        let confirms = self.raft.config.storage == StorageMode::Sync && bare.is_some_and(|(_, last)| index <= last);
        if self.raft.config.storage != StorageMode::Async && !confirms {
            return self.wrong_mode("applied");
        }
        if index <= applied {
            self.raft.detail.set(format_args!("applied({index}): applied up to {applied} before"));
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
        self.readies.check_released(number, &mut self.raft.detail)?;
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
        AppliedConf {
            conf: as_state(&self.raft.conf),
            bytes: &reconfig.shown,
            index: self.raft.conf_index(),
            context: &reconfig.context,
        }
    }

    /// Passes over the configuration entry at `index`. All members must do the same. Gives the configuration to be stored with the state.
    ///
    /// # Errors
    /// [`Error::Arg`], [`Error::Stale`], [`Error::NoMem`].
    pub fn skip_conf(&mut self, index: Index) -> Result<AppliedConf<'_>> {
        self.running()?;
        let outcome = self.raft.skip_change(index);
        self.checked(outcome)?;
        Ok(self.shown_conf())
    }

    /// Puts a change in force that belongs to no entry, at any time: what etcd calls ApplyConfChange. Only with
    /// [`Flags::CONF_APART`](crate::Flags::CONF_APART).
    ///
    /// # Errors
    /// [`Error::State`]: without the flag. [`Error::Decode`], [`Error::Unsupported`], [`Error::Conf`]: it can't be understood or is invalid
    /// here. [`Error::NoMem`].
    pub fn apply_change(&mut self, kind: EntryKind, data: &[u8]) -> Result<AppliedConf<'_>> {
        self.running()?;
        let outcome = self.raft.apply_change_apart(kind, data);
        self.checked(outcome)?;
        Ok(self.shown_conf())
    }

    /// The configuration in force.
    ///
    /// # Errors
    /// [`Error::NoMem`].
    pub fn conf(&mut self) -> Result<AppliedConf<'_>> {
        self.raft.detail.clear();
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

    /// Answers a fetch of entries, for a peer or of this node's own log: one or more from `first` on. What does not fit is not taken.
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

    /// Answers a fetch of a snapshot: the configuration as of `index`, and the data. Without data they travel beside the core: the host
    /// sends them to the peer over a connection of its own, and the peer's host must have them before it steps the message.
    ///
    /// # Errors
    /// [`Error::TooLarge`]: more data than `max_snapshot_bytes`: an everyday case, send them beside the core and supply none.
    /// [`Error::Arg`]: an index that is no use, or a configuration without the peer. [`Error::Conf`]: no configuration. [`Error::NoMem`].
    /// The fetch stays open.
    pub fn supply_snapshot(&mut self, id: u64, index: Index, conf: &ConfStateRef<'_>, data: &[u8]) -> Result<Supplied> {
        self.running()?;
        let conf = self.raft.restored(restore(conf), "the snapshot's configuration")?;
        let outcome = self.raft.supply_snapshot(id, index, &conf, data);
        self.checked(outcome)
    }

    /// The same with an encoded ConfState.
    ///
    /// # Errors
    /// As `supply_snapshot`, and [`Error::Decode`].
    pub fn supply_snapshot_bytes(&mut self, id: u64, index: Index, conf: &[u8], data: &[u8]) -> Result<Supplied> {
        self.running()?;
        let conf = match wire::parse_conf_state(conf) {
            Ok(view) => self.raft.restored(restored_view(&view), "the snapshot's configuration")?,
            Err(error) => return self.raft.no_conf_state(error, conf.len()),
        };
        let outcome = self.raft.supply_snapshot(id, index, &conf, data);
        self.checked(outcome)
    }

    /// Answers a fetch with nothing.
    ///
    /// # Errors
    /// [`Error::Arg`]: never handed out. [`Error::Corrupt`]: GONE for [`FetchKind::Apply`](crate::FetchKind::Apply): committed entries that
    /// are not applied can't be gone. The fetch stays open.
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

/// An acknowledgement that was given before is none to worry about.
fn fresh(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(Error::Stale) => Ok(()),
        outcome => outcome,
    }
}
