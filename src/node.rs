//! The public face: argument checks, order of calls, poison, then one call into `raft` or `ready`.

use crate::config::{Config, Flags, StorageMode};
use crate::error::{Error, Result};
use crate::event::{Event, EventKind, Reason};
use crate::log::boot::{Boot, Stage};
use crate::membership::{self, Configuration};
use crate::raft::Raft;
use crate::raft::election::Campaign;
use crate::raft::fetches::{Fetch, Missing, Supplied};
use crate::raft::reconfig::as_state;
use crate::ready::Readies;
use crate::status::{PeerStatus, Status};
use crate::types::{Change, EntryId, EntryKind, EntryRef, HardState, Index, NONE, NodeId, Role, TermRun, Transition};
use crate::view::Ready;
use crate::wire::{self, ConfStateRef, ConfStateView, Hello};
use crate::{digest, local};

/// How a change is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeEncoding {
    /// One change, first encoding.
    V1,
    /// Any number of changes.
    V2(Transition),
}

/// What `step_frames` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepFrames {
    /// Bytes taken; an incomplete last frame stays.
    pub consumed: usize,
    /// Frames refused: of another group, malformed, or not taken by `step`.
    pub rejected: u32,
}

/// A configuration as `apply_conf` and `conf` show it, valid until the next call of either.
#[derive(Clone, Copy, Debug)]
pub struct AppliedConf<'a> {
    /// The sets.
    pub conf: ConfStateRef<'a>,
    /// The same, encoded: what the host stores.
    pub bytes: &'a [u8],
    /// The change's own context.
    pub context: &'a [u8],
}

/// A member of a Raft group: a state machine that a host drives.
///
/// Its methods are of four kinds. *Boot* (`boot_*`, in order, once). *In*: `tick`, `step`, `propose*`, `read_index`, `campaign`,
/// `transfer` and their like; none of them does I/O. *Out*: `ready` gives one batch of work, `advance` (or `persisted`, `applied` and
/// `release`) says that it is done, `next_fetch` and `supply_*` are for peers that lag. *Look*: `status`, `peers`, `conf`,
/// `next_event`, `digest`, `error_detail`.
///
/// After any call of the second kind, and after an acknowledgement, there may be a batch to take.
#[derive(Debug)]
pub struct Node {
    raft: Raft,
    readies: Readies,
    boot: Boot,
}

impl Node {
    /// Makes a node that waits to be booted.
    ///
    /// # Errors
    /// [`Error::Arg`]: see [`Config::check`] for the field at fault. [`Error::NoMem`].
    pub fn new(config: &Config) -> Result<Self> {
        let readies = Readies::new(config.max_outstanding, config.storage);
        Ok(Self { raft: Raft::new(config)?, readies, boot: Boot::default() })
    }

    /// A node in the same state, with memory of its own: the same calls give the same bytes from both.
    ///
    /// # Errors
    /// [`Error::NoMem`].
    pub fn try_clone(&self) -> Result<Self> {
        if self.boot.stage != Stage::Done && self.boot.stage != Stage::New {
            return Err(Error::State);
        }
        let mut boot = Boot::default();
        (boot.stage, boot.state) = (self.boot.stage, self.boot.state);
        Ok(Self { raft: self.raft.try_clone()?, readies: self.readies.try_clone()?, boot })
    }

    /// An upper bound of the memory a node of this configuration takes, bytes. Term runs, snapshots on their way and entries larger
    /// than a block come on top.
    ///
    /// # Errors
    /// [`Error::Arg`].
    pub fn footprint(config: &Config) -> Result<usize> {
        config.checked()?;
        let batches = if config.storage == StorageMode::Sync { 3 } else { u64::from(config.max_outstanding) + 2 };
        let per_batch = 2 * 24 * u64::from(config.max_entries_per_ready) + 420 * u64::from(config.max_messages);
        let peers = u64::from(config.max_peers) * (16 * u64::from(config.max_inflight_msgs) + 512);
        let waiting = 56 * u64::from(config.max_tokens) + 160 * u64::from(config.max_reads);
        let bytes = config.recent_bytes + config.catchup_bytes + config.block_bytes + batches * per_batch + peers + waiting;
        usize::try_from(bytes + (64 << 10)).map_err(|_| Error::Arg)
    }

    // ---- order and poison

    #[inline]
    fn running(&mut self) -> Result<()> {
        if self.raft.fault.is_none() && self.boot.stage == Stage::Done { Ok(()) } else { self.not_running() }
    }

    #[cold]
    fn not_running(&mut self) -> Result<()> {
        if self.raft.fault.is_some() {
            return Err(Error::Poisoned);
        }
        self.raft.detail.set(format_args!("the node is not booted: call boot_done first"));
        Err(Error::State)
    }

    /// The last step of every call that may change something: is all still well?
    #[inline]
    fn checked<T>(&mut self, outcome: Result<T>) -> Result<T> {
        match self.raft.invariants() {
            Ok(()) => outcome,
            Err(why) => {
                self.raft.fault(why);
                Err(Error::Poisoned)
            }
        }
    }

    fn booting(&mut self, stage: Stage) -> Result<()> {
        if self.raft.fault.is_some() {
            return Err(Error::Poisoned);
        }
        let now = self.boot.stage;
        self.boot.enter(stage).inspect_err(|_| {
            self.raft.detail.set(format_args!("boot calls come once each, in order: {stage:?} can't follow {now:?}"));
        })
    }

    fn boot_failed<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.inspect_err(|error| {
            self.boot.stage = Stage::Failed;
            if *error == Error::Corrupt {
                let last = self.raft.log.last_id();
                self.raft.detail.set(format_args!(
                    "boot data contradict each other: log known up to (index {}, term {}), state {:?}",
                    last.index, last.term, self.boot.state
                ));
            }
        })
    }

    // ---- boot

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
            self.raft.detail.set(format_args!("the stored configuration passes max_peers ({})", self.raft.config.max_peers));
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
        self.boot_failed(outcome)
    }

    fn finish_boot(&mut self, applied: Index) -> Result<()> {
        let stored = self.boot.state;
        let state = self.boot.finish(&mut self.raft.log, applied)?;
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
        self.readies.shown_state = stored;
        self.checked(Ok(()))
    }

    // ---- in

    /// Time passes. More than two election timeouts at once count as that: nothing could have been heard in between.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn tick(&mut self, ticks: u32) -> Result<()> {
        self.running()?;
        let enough = 2 * self.raft.config.election_ticks;
        if ticks >= self.raft.config.election_ticks {
            self.raft.event(EventKind::Paused, Reason::None, 0, 0, u64::from(ticks), 0);
        }
        for _ in 0..ticks.min(enough) {
            self.raft.tick();
        }
        self.checked(Ok(()))
    }

    /// Takes a message of `peer`, whom the host's transport has authenticated (0: unchecked).
    ///
    /// # Errors
    /// [`Error::Decode`], [`Error::Unsupported`]: no message. [`Error::NotForMe`], [`Error::NoPeer`], [`Error::Implausible`]: refused.
    /// [`Error::Full`], [`Error::NoMem`], [`Error::NoLeader`]: may be dropped, its sender tries again. The node is unchanged.
    pub fn step(&mut self, peer: NodeId, message: &[u8]) -> Result<()> {
        self.running()?;
        let outcome = match wire::parse_message(message) {
            Ok(m) => self.raft.step(peer, &m),
            Err(error) => {
                self.raft.counters.messages_refused += 1;
                self.raft.detail.set(format_args!("{} bytes that are no message: {error}", message.len()));
                Err(error)
            }
        };
        self.checked(outcome)
    }

    /// Takes every whole frame of a stream.
    ///
    /// # Errors
    /// [`Error::Decode`]: a length that no frame can have; nothing more can be read from this stream: drop the connection.
    pub fn step_frames(&mut self, peer: NodeId, bytes: &[u8]) -> Result<StepFrames> {
        self.running()?;
        let mut done = StepFrames::default();
        let limit = self.raft.config.frame_limit();
        while let Some(rest) = bytes.get(done.consumed..) {
            let Some((len, group)) = wire::read_frame_header(rest) else { break };
            if u64::from(len) > limit {
                if done.consumed > 0 {
                    break;
                }
                self.raft.detail.set(format_args!("a frame of {len} bytes, at most {limit} are possible"));
                return Err(Error::Decode);
            }
            let end = wire::FRAME_HEADER + len as usize;
            let Some(message) = rest.get(wire::FRAME_HEADER..end) else { break };
            done.consumed += end;
            if group != self.raft.config.group {
                self.raft.counters.messages_refused += 1;
                done.rejected += 1;
            } else {
                match self.step(peer, message) {
                    Err(Error::Poisoned) => return Err(Error::Poisoned),
                    outcome => done.rejected += u32::from(outcome.is_err()),
                }
            }
        }
        Ok(done)
    }

    /// MESSAGES: takes a response of local work that is addressed to this node.
    ///
    /// # Errors
    /// [`Error::State`]: another mode, or a configuration entry that is neither applied nor skipped. [`Error::Decode`],
    /// [`Error::NotForMe`], [`Error::Arg`], [`Error::Stale`].
    pub fn step_local(&mut self, message: &[u8]) -> Result<()> {
        self.running()?;
        if self.raft.config.storage != StorageMode::Messages {
            return self.wrong_mode("step_local");
        }
        let outcome = wire::parse_message(message).and_then(|m| local::step(&mut self.raft, &m));
        self.checked(outcome)
    }

    fn wrong_mode<T>(&mut self, call: &str) -> Result<T> {
        self.raft.detail.set(format_args!("{call} is not for storage = {:?}", self.raft.config.storage));
        Err(Error::State)
    }

    /// Proposes an entry. Where this node is a follower it goes to the leader, and its token comes back at once as unknown.
    ///
    /// # Errors
    /// [`Error::NoLeader`]: retry later. [`Error::Full`]: a limit is reached, the detail says which: retry after the next advance.
    /// [`Error::Arg`]: larger than `max_entry_bytes`. On an error the token was not taken.
    pub fn propose(&mut self, data: &[u8], token: u64) -> Result<()> {
        self.propose_parts(std::iter::once(data), token)
    }

    /// The same from parts that lie apart.
    ///
    /// # Errors
    /// As `propose`.
    pub fn propose_parts<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]> + Clone, token: u64) -> Result<()> {
        self.running()?;
        let len = parts.clone().map(<[u8]>::len).fold(0usize, usize::saturating_add);
        let outcome = self.raft.propose(EntryKind::Normal, std::iter::once((parts, len, token)));
        self.checked(outcome)
    }

    /// Proposes entries, each with its token (0: none): all or none.
    ///
    /// # Errors
    /// As `propose`.
    pub fn propose_many<'a>(&mut self, entries: impl Iterator<Item = (&'a [u8], u64)> + Clone) -> Result<()> {
        self.running()?;
        let entries = entries.map(|(data, token)| (std::iter::once(data), data.len(), token));
        let outcome = self.raft.propose(EntryKind::Normal, entries);
        self.checked(outcome)
    }

    /// Proposes a change of the configuration. An empty V2 leaves the joint configuration.
    ///
    /// # Errors
    /// [`Error::Conf`]: invalid here, the detail says why. [`Error::ConfBusy`]: another is in flight. [`Error::Arg`]: a reserved id, or
    /// V1 without exactly one change. And as `propose`.
    pub fn propose_conf(&mut self, changes: &[Change], encoding: ChangeEncoding, context: &[u8], token: u64) -> Result<()> {
        self.running()?;
        let reserved = changes.iter().find(|change| change.id == NONE || change.id > crate::types::MAX_ID);
        if let Some(change) = reserved {
            self.raft.detail.set(format_args!("id {} is reserved: ids are 1 to 2^64-17", change.id));
            return Err(Error::Arg);
        }
        let (kind, data) = self.encode_change(changes, encoding, context)?;
        let outcome = self.raft.propose_change(kind, &data, token);
        self.checked(outcome)
    }

    fn encode_change(&mut self, changes: &[Change], encoding: ChangeEncoding, context: &[u8]) -> Result<(EntryKind, Vec<u8>)> {
        let mut data = Vec::new();
        let len = match (encoding, changes) {
            (ChangeEncoding::V1, [change]) => wire::change_v1_len(*change, context),
            (ChangeEncoding::V1, _) => {
                self.raft.detail.set(format_args!("the first encoding takes exactly one change, not {}", changes.len()));
                return Err(Error::Arg);
            }
            (ChangeEncoding::V2(transition), _) => wire::change_v2_len(transition, changes, context),
        };
        data.try_reserve_exact(len).map_err(|_| Error::NoMem)?;
        data.resize(len, 0);
        let kind = match (encoding, changes) {
            (ChangeEncoding::V2(transition), _) => {
                wire::write_change_v2(&mut data, transition, changes, context);
                EntryKind::ConfChangeV2
            }
            (ChangeEncoding::V1, changes) => {
                changes.iter().for_each(|&change| _ = wire::write_change_v1(&mut data, change, context));
                EntryKind::ConfChange
            }
        };
        Ok((kind, data))
    }

    /// Starts a linearizable read.
    ///
    /// The answer comes in a later [`Ready::reads`] with the same `token`, once its index is applied: the read may be served then.
    /// A read ends in exactly one answer: this, or its token in [`Ready::dropped`]. It costs no log entry.
    ///
    /// # Errors
    /// [`Error::Full`]: `max_reads` are waiting: retry after the next advance. [`Error::NoLeader`]: retry after a change of leader.
    ///
    /// Source: diss. §6.4.
    pub fn read_index(&mut self, token: u64) -> Result<()> {
        self.running()?;
        let outcome = self.raft.read_index(token);
        self.checked(outcome)
    }

    /// Campaigns now, if this node may. One that may not (a learner, a pending snapshot, an unapplied change) says so by an event.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn campaign(&mut self) -> Result<()> {
        self.running()?;
        let pre_vote = self.raft.flag(Flags::PRE_VOTE);
        self.raft.start_campaign(Campaign::usual(pre_vote));
        self.checked(Ok(()))
    }

    /// Hands leadership to `to`; 0: the voter that is furthest and alive. It ends within an election timeout, one way or the other.
    ///
    /// # Errors
    /// [`Error::NoPeer`]: no such voter, or this node. [`Error::NoLeader`]: no leader is known.
    pub fn transfer(&mut self, to: NodeId) -> Result<()> {
        self.running()?;
        let outcome = self.raft.transfer(to);
        self.checked(outcome)
    }

    /// Calls a transfer off. Its target may campaign all the same if it was told already.
    ///
    /// # Errors
    /// [`Error::State`]: none is under way.
    pub fn abort_transfer(&mut self) -> Result<()> {
        self.running()?;
        if self.raft.transfer.target == NONE {
            self.raft.detail.set(format_args!("no transfer is under way here"));
            return Err(Error::State);
        }
        self.raft.end_transfer(Reason::TransferAborted);
        Ok(())
    }

    /// Whether this node may campaign. Switching it off does not end a leadership: transfer it.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn set_electable(&mut self, electable: bool) -> Result<()> {
        self.running()?;
        self.raft.election.electable = electable;
        Ok(())
    }

    /// The rank in elections: among equal logs the higher wins.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn set_priority(&mut self, priority: i32) -> Result<()> {
        self.running()?;
        self.raft.election.priority = priority;
        Ok(())
    }

    /// Sets the window of one peer, in messages (1 to 65536) and payload bytes (0: no limit). Kept until it leaves the configuration.
    ///
    /// # Errors
    /// [`Error::NoPeer`]; [`Error::Arg`].
    pub fn set_window(&mut self, peer: NodeId, max_msgs: u32, max_bytes: u64) -> Result<()> {
        self.running()?;
        if max_msgs == 0 || max_msgs > 65536 {
            self.raft.detail.set(format_args!("max_inflight_msgs is {max_msgs}: must be 1 to 65536"));
            return Err(Error::Arg);
        }
        let peer = self.raft.peers.get_mut(peer).ok_or(Error::NoPeer)?;
        peer.window.set_limits(max_msgs, max_bytes);
        Ok(())
    }

    /// Whether a moved commit index is told at once, or with the next append or heartbeat.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn set_commit_broadcast(&mut self, on: bool) -> Result<()> {
        self.running()?;
        self.raft.commit_broadcast = on;
        Ok(())
    }

    /// A follower forgets its leader, so that it may vote at once. Nothing happens elsewhere, and not with lease reads (an event says so).
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn forget_leader(&mut self) -> Result<()> {
        self.running()?;
        if self.raft.role == Role::Follower && self.raft.leader != NONE {
            if self.raft.flag(Flags::LEASE_READS) {
                self.raft.event(EventKind::Ignored, Reason::Lease, 0, 0, 0, 0);
            } else {
                self.raft.forget_leader_now();
            }
        }
        self.checked(Ok(()))
    }

    /// Messages to `peer` are being lost: probe it instead of streaming.
    ///
    /// # Errors
    /// [`Error::NoPeer`].
    pub fn report_unreachable(&mut self, peer: NodeId) -> Result<()> {
        self.running()?;
        if self.raft.peers.get(peer).is_none() {
            return Err(Error::NoPeer);
        }
        if self.raft.role == Role::Leader {
            self.raft.on_unreachable(peer);
        }
        self.checked(Ok(()))
    }

    /// The snapshot to `peer` arrived, or did not.
    ///
    /// # Errors
    /// [`Error::NoPeer`].
    pub fn report_snapshot(&mut self, peer: NodeId, arrived: bool) -> Result<()> {
        self.running()?;
        let outcome = self.raft.report_snapshot(peer, arrived);
        self.checked(outcome)
    }

    /// Sets the election timeout that was drawn, in ticks (at least 1), until the next one is drawn. For tests and simulators.
    ///
    /// # Errors
    /// [`Error::Arg`].
    pub fn set_election_timeout(&mut self, ticks: u32) -> Result<()> {
        self.running()?;
        if ticks == 0 {
            return Err(Error::Arg);
        }
        self.raft.timers.election_timeout = ticks;
        Ok(())
    }

    /// The host dropped its entries up to `index`, which are applied.
    ///
    /// # Errors
    /// [`Error::Arg`]: beyond `applied`. [`Error::Stale`]: compacted before.
    pub fn compacted(&mut self, index: Index) -> Result<()> {
        self.running()?;
        let log = &mut self.raft.log;
        if index > log.applied {
            let applied = log.applied;
            self.raft.detail.set(format_args!("compacted({index}) passes applied ({applied})"));
            return Err(Error::Arg);
        }
        if index < log.first() {
            return Err(Error::Stale);
        }
        log.compact(index);
        self.checked(Ok(()))
    }

    // ---- out

    /// The kinds of work that the next batch would hold, beside an outstanding one: bits of [`has`].
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

    /// Takes the next batch of work; none: nothing to do. In SYNC the same one until it is advanced.
    ///
    /// # Errors
    /// [`Error::Full`]: `max_outstanding` are outstanding. [`Error::NoMem`]: nothing was taken.
    pub fn ready(&mut self) -> Result<Option<Ready<'_>>> {
        self.running()?;
        let sync = self.raft.config.storage == StorageMode::Sync;
        if !(sync && !self.readies.outstanding.is_empty()) {
            let Self { raft, readies, .. } = self;
            if readies.take(raft)?.is_none() {
                return Ok(None);
            }
            self.checked(Ok(()))?;
        }
        Ok(self.readies.outstanding.back().map(|batch| Ready::new(&self.raft, batch)))
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
        self.running()?;
        if self.raft.config.storage == StorageMode::Messages {
            return self.wrong_mode("advance");
        }
        self.readies.check_released(number)?;
        let last = self.readies.last_committed(number);
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
        self.running()?;
        Ok(self.raft.next_fetch())
    }

    /// Answers a fetch of entries: one or more from `first` on.
    ///
    /// # Errors
    /// [`Error::Arg`]: they contradict the log; the ask stays open. [`Error::NoMem`].
    pub fn supply_entries<'a>(&mut self, id: u64, entries: impl Iterator<Item = EntryRef<'a>> + Clone) -> Result<Supplied> {
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

    // ---- look

    /// The node's state.
    pub fn status(&self) -> Status {
        let (raft, log) = (&self.raft, &self.raft.log);
        let lowest = raft.peers.iter().filter(|p| raft.role == Role::Leader && p.id != raft.id).map(|p| p.matched).min();
        Status {
            id: raft.id,
            group: raft.config.group,
            role: raft.role,
            term: raft.term,
            vote: raft.vote,
            commit: log.commit,
            applied: log.applied,
            durable: log.durable,
            leader: raft.leader,
            transferee: raft.transfer.target,
            first_index: log.first(),
            last_index: log.last(),
            last_term: log.last_id().term,
            recent_first: log.recent_first(),
            safe_to_compact: lowest.unwrap_or(log.applied).min(log.applied),
            memory_bytes: self.memory(),
            messages_dropped: raft.counters.messages_dropped,
            messages_refused: raft.counters.messages_refused,
            messages_ignored: raft.counters.messages_ignored,
            proposals_refused: raft.counters.proposals_refused,
            reads_failed: raft.counters.reads_failed,
            events_lost: raft.counters.events_lost,
            implausible: raft.counters.implausible,
            n_peers: raft.peers.len() as u32,
            n_outstanding: self.readies.outstanding.len() as u32,
            promotable: raft.is_promotable(),
            electable: raft.election.electable,
            election_elapsed: raft.timers.election_elapsed,
            election_timeout: raft.timers.election_timeout,
            n_reads: raft.reads.len() as u32,
            n_tokens: raft.tokens.waiting.len() as u32,
        }
    }

    fn memory(&self) -> u64 {
        let raft = &self.raft;
        raft.log.memory()
            + raft.peers.memory()
            + raft.outbox.memory()
            + raft.blobs.bytes()
            + raft.tokens.memory()
            + raft.reads.memory()
            + self.readies.memory()
            + (raft.events.capacity() * size_of::<Event>()) as u64
            + size_of::<Self>() as u64
    }

    /// Every member's progress, by id.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = PeerStatus> + '_ {
        let last = self.raft.log.last();
        self.raft.peers.iter().map(move |peer| PeerStatus::of(peer, &self.raft.conf, last))
    }

    /// The oldest event that was not drained.
    pub fn next_event(&mut self) -> Option<Event> {
        self.raft.events.pop_front()
    }

    /// A number that is equal for nodes in the same state, however they came there. Chance (timeouts drawn, read nonces) counts only
    /// where asked for.
    pub fn digest(&self, with_random: bool) -> u64 {
        digest::of(&self.raft, &self.readies, with_random)
    }

    /// The numbers behind the last refusal. It says nothing of a call that succeeded since.
    pub fn error_detail(&self) -> &str {
        self.raft.detail.as_str()
    }

    /// Whether a fault was found: nothing but looking and freeing makes sense.
    pub fn is_poisoned(&self) -> bool {
        self.raft.fault.is_some()
    }

    /// Poisons the node: its caller found it broken.
    pub fn poison(&mut self, why: &str) {
        let first = self.raft.fault.is_none();
        self.raft.fault("its caller caught a panic");
        if first {
            self.raft.detail.set(format_args!("poisoned: {why}"));
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.raft.config
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        digest::same(&self.raft, &self.readies, &other.raft, &other.readies)
    }
}

impl Eq for Node {}

fn restore(conf: &ConfStateRef<'_>) -> Result<Configuration> {

    let restored = membership::restore(
        conf.voters.iter().copied(),
        conf.learners.iter().copied(),
        conf.voters_outgoing.iter().copied(),
        conf.learners_next.iter().copied(),
        conf.auto_leave,
    );
    restored.map_err(Error::from)
}

fn restore_view(conf: &ConfStateView<'_>) -> Result<Configuration> {
    let sets = (conf.voters(), conf.learners(), conf.voters_outgoing(), conf.learners_next());
    membership::restore(sets.0, sets.1, sets.2, sets.3, conf.auto_leave()).map_err(Error::from)
}
