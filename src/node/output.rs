//! Readies and their acknowledgement; fetches and supplies.

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
use crate::types::{Dialect, EntryKind, EntryRef, FEATURE_ERAFTPB, Index, MAX_ID, NONE, NodeId, TermRun};
use crate::wire::{self, ConfStateRef, Hello};

/// The input since the last [`turn`](Node::turn).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Input<'a> {
    /// Number of a finished ready, as in [`advance`](Node::advance): earlier readies are finished
    /// too. 0: none.
    pub done: u64,
    /// ASYNC: as in [`persisted`](Node::persisted). 0: none.
    pub persisted: u64,
    /// ASYNC: as in [`applied`](Node::applied). 0: none.
    pub applied: Index,
    /// ASYNC: as in [`release`](Node::release). 0: none.
    pub released: u64,
    /// Ticks that passed.
    pub ticks: u32,
    /// The peer that sent `frames`; 0: unchecked.
    pub peer: NodeId,
    /// Bytes received from the peer, as in [`step_frames`](Node::step_frames).
    pub frames: &'a [u8],
}

/// The result of a [`turn`](Node::turn).
#[derive(Clone, Copy, Debug)]
pub enum Turn<'a> {
    /// There is no work.
    Nothing,
    /// A fetch waits. Take it with [`next_fetch`](Node::next_fetch), answer it, then take the next
    /// turn.
    FetchFirst,
    /// The next ready. Another ready may follow.
    Ready(Ready<'a>),
    /// The next ready. Without new input no ready follows, so acknowledge this ready with the next
    /// turn.
    Last(Ready<'a>),
}

impl Node {
    /// Returns the kinds of work in the next ready, apart from outstanding readies: bits of
    /// [`has`](crate::has).
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

    /// True if `next_fetch` would certainly return nothing.
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) fn lacks_nothing(&self) -> bool {
        self.runs() && self.raft.fetches.untold == 0 && !self.raft.is_own_fetch_due()
    }

    /// Takes a turn of the host's loop in a single call. SYNC and ASYNC.
    ///
    /// In order: acknowledges, ticks, steps, looks for a fetch, and takes the next ready. `stepped`
    /// receives the outcome of the frames. A refused frame is not an error of the turn, nor is a
    /// repeated acknowledgement.
    ///
    /// # Errors
    /// Of an acknowledgement: the turn stopped there. Of the ready ([`Error::Full`],
    /// [`Error::NoMem`]): the steps before are done.
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

    /// Takes in the input of a turn.
    #[inline]
    pub(crate) fn turn_in(&mut self, input: &Input<'_>, stepped: &mut StepFrames) -> Result<()> {
        *stepped = StepFrames::default();
        self.still_running()?;
        // Before the acknowledgement: the host could not have taken the work that an
        // acknowledgement brings.
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

    /// Calls `advance`, which the compiler inlines into every caller.
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

    /// True if no ready can follow the newest ready, once finished, without new input. The host may
    /// then acknowledge the ready with the next turn.
    ///
    /// Only in SYNC, since in the other modes several readies may be outstanding.
    #[inline]
    pub(crate) fn is_last_ready(&self) -> bool {
        let raft = &self.raft;
        let Some(batch) = self.readies.newest() else { return false };
        raft.config.storage == StorageMode::Sync
            && batch.own.is_empty()
            && batch.rare.snapshot.is_none()
            && !raft.apply.paused
            && !raft.conf.auto_leave
            // Applying a change may make messages.
            && raft.log.changes().first().is_none_or(|&change| change > raft.log.applying)
            && raft.fetches.untold == 0
            && !raft.lacks_committed()
            && !self.readies.has_any(raft)
    }

    /// Takes the next ready, or returns `None` if there is no work. In SYNC, repeated calls return
    /// the outstanding ready until you advance it.
    ///
    /// # Errors
    /// [`Error::Full`]: `max_outstanding` readies are outstanding. [`Error::NoMem`]: nothing was
    /// taken.
    pub fn ready(&mut self) -> Result<Option<Ready<'_>>> {
        self.still_running()?;
        if self.readies.len() > 0 {
            return self.ready_beside_others();
        }
        let Self { raft, readies, .. } = self;
        Ok(readies.take(raft)?.map(|batch| Ready::new(raft, batch)))
    }

    /// Returns a further ready; in SYNC the ready that must be advanced first.
    #[inline(never)]
    fn ready_beside_others(&mut self) -> Result<Option<Ready<'_>>> {
        let Self { raft, readies, .. } = self;
        if raft.config.storage == StorageMode::Sync {
            return Ok(readies.newest().map(|batch| Ready::new(raft, batch)));
        }
        Ok(readies.take_further(raft)?.map(|batch| Ready::new(raft, batch)))
    }

    /// Returns the number of the newest ready whose views have ended.
    #[cfg(feature = "capi")]
    #[inline]
    pub(crate) fn released(&self) -> u64 {
        self.readies.released
    }

    /// Shows an outstanding ready again, until its release.
    pub fn view(&self, number: u64) -> Option<Ready<'_>> {
        self.readies.find(number).filter(|batch| !batch.released).map(|batch| Ready::new(&self.raft, batch))
    }

    /// Acknowledges every ready up to `number` as stored, applied and no longer read: `persisted`,
    /// `applied` and `release` in a single call.
    ///
    /// # Errors
    /// [`Error::Stale`]: advanced before. [`Error::Arg`]: never taken. [`Error::State`]: MESSAGES,
    /// or a configuration entry neither applied nor skipped, or a committed span that came without
    /// entries.
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

    /// General path: any number of outstanding readies.
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

    /// Refuses to advance over a span that came without entries, since the host may have overlooked
    /// the span.
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

    /// ASYNC: acknowledges every ready up to `number` as durable.
    ///
    /// # Errors
    /// [`Error::Stale`]: acknowledged before. [`Error::Arg`]: never taken. [`Error::State`]:
    /// another mode.
    pub fn persisted(&mut self, number: u64) -> Result<()> {
        self.asynchronous("persisted")?;
        self.readies.check_persisted(number, &mut self.raft.detail)?;
        let Self { raft, readies, .. } = self;
        readies.persist(raft, number);
        readies.sweep();
        self.checked(Ok(()))
    }

    /// ASYNC: acknowledges every entry up to `index` as applied.
    ///
    /// In SYNC only for a span that came without entries
    /// ([`Flags::COMMITTED_SPANS`](crate::Flags::COMMITTED_SPANS)).
    ///
    /// # Errors
    /// [`Error::Stale`]: acknowledged before. [`Error::Arg`]: never in a ready. [`Error::State`]:
    /// another mode, or a configuration entry in between neither applied nor skipped.
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

    /// ASYNC and MESSAGES: ends the views of every ready up to `number`.
    ///
    /// # Errors
    /// [`Error::Stale`]: released before. [`Error::Arg`]: never taken. [`Error::State`]: SYNC.
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

    /// Applies the change of a committed entry, oldest index first. Returns the configuration to
    /// store with the state.
    ///
    /// # Errors
    /// [`Error::Arg`]: not the next configuration entry in a ready. [`Error::Stale`]: applied
    /// before. [`Error::Decode`], [`Error::Unsupported`], [`Error::Conf`]: unreadable or invalid
    /// here. The member must stop, unless every member skips the entry. [`Error::NoMem`].
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

    /// Skips the configuration entry at `index`. Returns the configuration to store with the state.
    ///
    /// Every member must skip the same entry.
    ///
    /// # Errors
    /// [`Error::Arg`], [`Error::Stale`], [`Error::NoMem`].
    pub fn skip_conf(&mut self, index: Index) -> Result<AppliedConf<'_>> {
        self.running()?;
        let outcome = self.raft.skip_change(index);
        self.checked(outcome)?;
        Ok(self.shown_conf())
    }

    /// Applies a change that belongs to no entry, at any time, as etcd's ApplyConfChange does. Only
    /// with [`Flags::CONF_APART`](crate::Flags::CONF_APART).
    ///
    /// # Errors
    /// [`Error::State`]: without the flag. [`Error::Decode`], [`Error::Unsupported`],
    /// [`Error::Conf`]: unreadable or invalid here. [`Error::NoMem`].
    pub fn apply_change(&mut self, kind: EntryKind, data: &[u8]) -> Result<AppliedConf<'_>> {
        self.running()?;
        let outcome = self.raft.apply_change_apart(kind, data);
        self.checked(outcome)?;
        Ok(self.shown_conf())
    }

    /// Returns the configuration in force.
    ///
    /// # Errors
    /// [`Error::NoMem`].
    pub fn conf(&mut self) -> Result<AppliedConf<'_>> {
        self.raft.detail.clear();
        self.raft.reconfig.context.clear();
        self.raft.show_conf()?;
        Ok(self.shown_conf())
    }

    /// Returns the term runs of the log after the snapshot.
    pub fn term_runs(&self) -> &[TermRun] {
        self.raft.term_runs()
    }

    /// Takes the next fetch. The node gives each fetch once.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn next_fetch(&mut self) -> Result<Option<Fetch>> {
        self.still_running()?;
        Ok(self.raft.next_fetch())
    }

    /// Answers a fetch of entries, for a peer or for this node's own log: at least the entry at
    /// `first`, then the following entries. The node takes as many entries as fit.
    ///
    /// # Errors
    /// [`Error::Arg`]: entries that contradict the log; the fetch stays open. [`Error::NoMem`].
    pub fn supply_entries<'a>(
        &mut self,
        id: u64,
        entries: impl Iterator<Item = EntryRef<'a>> + Clone,
    ) -> Result<Supplied> {
        self.running()?;
        let outcome = self.raft.supply_entries(id, entries);
        self.checked(outcome)
    }

    /// Answers a fetch of a snapshot with the configuration as of `index` and the data.
    ///
    /// Without data, send the data to the peer over your own channel. The peer's host must have the
    /// data before it steps the message.
    ///
    /// # Errors
    /// [`Error::TooLarge`]: more data than `max_snapshot_bytes`. This is common: send the data over
    /// your own channel, and supply no data. [`Error::Arg`]: an unusable index, or a configuration
    /// without the peer. [`Error::Conf`]: no configuration. [`Error::NoMem`]. The fetch stays open.
    pub fn supply_snapshot(&mut self, id: u64, index: Index, conf: &ConfStateRef<'_>, data: &[u8]) -> Result<Supplied> {
        self.running()?;
        let conf = self.raft.restored(restore(conf), "the snapshot's configuration")?;
        let outcome = self.raft.supply_snapshot(id, index, &conf, data);
        self.checked(outcome)
    }

    /// Does the same as `supply_snapshot` with an encoded ConfState.
    ///
    /// # Errors
    /// The errors of `supply_snapshot`, and [`Error::Decode`].
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
    /// [`Error::Arg`]: an unknown fetch. [`Error::Corrupt`]: GONE for
    /// [`FetchKind::Apply`](crate::FetchKind::Apply), since unapplied committed entries can't be
    /// gone. The fetch stays open.
    pub fn supply_none(&mut self, id: u64, why: Missing) -> Result<Supplied> {
        self.running()?;
        let outcome = self.raft.supply_none(id, why);
        self.checked(outcome)
    }

    /// Returns the ticks until the node will act automatically, at least 1; `u32::MAX`: never in
    /// the present state. Any call may change the number.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn ticks_until_due(&self) -> Result<u32> {
        self.has_ready().map(|_| self.raft.ticks_until_due())
    }

    /// Returns the node's first message on a connection.
    pub fn hello(&self) -> Hello {
        let config = &self.raft.config;
        Hello { version: wire::PROTOCOL_VERSION, features: config.wire_features(), group: config.group, id: config.id }
    }

    /// Judges a peer's hello: its version, group, dialect and id.
    ///
    /// # Errors
    /// [`Error::NotForMe`]: close the connection; the detail says what differs.
    pub fn check_hello(&mut self, hello: &Hello) -> Result<()> {
        let own = self.hello();
        let dialect = |features: u64| match features & FEATURE_ERAFTPB {
            0 => Dialect::Raftpb.name(),
            _ => Dialect::Eraftpb.name(),
        };
        let (ours, theirs) = (dialect(own.features), dialect(hello.features));
        let detail = &mut self.raft.detail;
        if hello.version > own.version {
            detail.set(format_args!("the peer speaks version {}, this node {}", hello.version, own.version));
        } else if hello.group != own.group {
            detail.set(format_args!("the peer is of group {}, this node of group {}", hello.group, own.group));
        } else if ours != theirs {
            detail.set(format_args!("the peer's group speaks {theirs}, this node {ours}"));
        } else if hello.id == own.id || hello.id == NONE || hello.id > MAX_ID {
            detail.set(format_args!("the peer says to be node {}, this is node {}", hello.id, own.id));
        } else {
            return Ok(());
        }
        Err(Error::NotForMe)
    }
}

/// Accepts a repeated acknowledgement as success.
fn fresh(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(Error::Stale) => Ok(()),
        outcome => outcome,
    }
}
