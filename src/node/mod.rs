//! The public face: argument checks, order of calls, poison, then one call into `raft` or `ready`.

pub(crate) mod boot;
mod look;
mod output;
pub use boot::{Stored, StoredConf};
#[cfg(feature = "capi")]
pub(crate) use output::Outlook;
pub use output::{Input, Turn};

use crate::config::{Config, Flags, StorageMode};
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::log::boot::{Boot, Stage};
use crate::log::max_index_bytes;
use crate::raft::Raft;
use crate::raft::election::Campaign;
use crate::raft::snapshots::SnapshotReport;
use crate::ready::Readies;
use crate::ready::local;
use crate::types::{Change, EntryKind, Index, NONE, NodeId, Role, Transition};
use crate::wire::{self, ConfStateRef};

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
    /// Why the first of these was refused. `error_detail` has its text.
    pub first: Option<Error>,
}

/// A configuration as `apply_conf` and `conf` show it, valid until the next call of either.
#[derive(Clone, Copy, Debug)]
pub struct AppliedConf<'a> {
    /// The sets.
    pub conf: ConfStateRef<'a>,
    /// The same, encoded: what the host stores with its state. A ConfState that carries the index below.
    pub bytes: &'a [u8],
    /// The index that it is as of; 0: not known ([`Flags::CONF_APART`]).
    pub index: Index,
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

    /// An upper bound of the memory a node of this configuration takes, bytes. On top come term runs, snapshots in flight, entries larger
    /// than a block, and entries of the node's own log that were supplied to be applied, up to `max_committed_size_per_ready`.
    ///
    /// # Errors
    /// [`Error::Arg`].
    pub fn footprint(config: &Config) -> Result<usize> {
        config.checked()?;
        let batches = if config.storage == StorageMode::Sync { 3 } else { u64::from(config.max_outstanding) + 2 };
        let per_batch = 2 * 24 * u64::from(config.max_entries_per_ready) + 420 * u64::from(config.max_messages);
        let peers = u64::from(config.max_peers) * (16 * u64::from(config.max_inflight_msgs) + 512);
        let waiting = 56 * u64::from(config.max_tokens) + 160 * u64::from(config.max_reads);
        // Blocks keep what they were when entries were long, the index what it was when they were short.
        let recent =
            config.recent_bytes + max_index_bytes(config.recent_bytes, config.block_bytes) + config.block_bytes;
        let bytes = recent + config.catchup_bytes + batches * per_batch + peers + waiting;
        usize::try_from(bytes + (32 << 10)).map_err(|_| Error::Arg)
    }

    // ---- order and poison

    /// Whether it is booted and not poisoned.
    #[inline]
    fn runs(&self) -> bool {
        debug_assert_eq!(self.raft.runs, self.raft.fault.is_none() && self.boot.stage == Stage::Done);
        self.raft.runs
    }

    /// The first step of every call that may change something.
    #[inline]
    fn running(&mut self) -> Result<()> {
        self.raft.drained = false;
        self.still_running()?;
        self.raft.detail.clear();
        Ok(())
    }

    /// The same for a call that gives the next batch nothing.
    #[inline]
    fn still_running(&mut self) -> Result<()> {
        if self.runs() { Ok(()) } else { self.not_running() }
    }

    #[cold]
    fn not_running(&mut self) -> Result<()> {
        if self.raft.fault.is_some() {
            return Err(Error::Poisoned);
        }
        self.raft.detail.set(format_args!("the node is not booted: boot it first"));
        Err(Error::State)
    }

    /// The last step of every call that may change something: is all still well?
    #[inline]
    fn checked<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.raft.checked(outcome)
    }

    fn booting(&mut self, stage: Stage) -> Result<()> {
        if self.raft.fault.is_some() {
            return Err(Error::Poisoned);
        }
        let now = self.boot.stage;
        self.raft.detail.clear();
        self.boot.enter(stage).inspect_err(|_| {
            if now == Stage::Done {
                return self.raft.detail.set(format_args!("the node is booted already"));
            }
            let (call, before) = (stage.call(), now.call());
            self.raft.detail.set(format_args!("boot calls come once each, in order: {call} can't follow {before}"));
        })
    }

    fn boot_failed<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.inspect_err(|_| self.boot.stage = Stage::Failed)
    }

    // ---- in

    /// Time passes. More than two election timeouts at once count as that: nothing could have been heard in between.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn tick(&mut self, ticks: u32) -> Result<()> {
        self.running()?;
        let late = self.is_late();
        self.ticks_pass(ticks, late)
    }

    /// `late`: a ready was waiting for the host.
    pub(super) fn ticks_pass(&mut self, ticks: u32, late: bool) -> Result<()> {
        self.running()?;
        if late {
            self.raft.counters.late_ticks += u64::from(ticks);
        }
        let enough = 2 * self.raft.config.election_ticks;
        if ticks > self.raft.config.election_ticks.max(self.raft.ticks_until_due()) {
            self.raft.event(EventKind::Paused, Reason::None, 0, 0, u64::from(ticks), 0);
        }
        for _ in 0..ticks.min(enough) {
            self.raft.tick();
        }
        self.checked(Ok(()))
    }

    /// Whether there is a ready which the host could take: if ticks find one, it sleeps, or waits for something else, though there is work.
    pub(super) fn is_late(&self) -> bool {
        let busy = self.readies.is_full() && self.readies.len() > 0;
        !busy && self.readies.has_any(&self.raft)
    }

    /// Takes a message of `peer`, whom the host's transport has authenticated (0: unchecked).
    ///
    /// # Errors
    /// [`Error::Decode`], [`Error::Unsupported`]: no message. [`Error::NotForMe`], [`Error::NoPeer`], [`Error::Implausible`]: refused.
    /// [`Error::Full`], [`Error::NoMem`], [`Error::NoLeader`]: may be dropped, its sender tries again. [`Error::TooLarge`]: an entry that
    /// `recent_bytes` has no room for: give all members equal limits. The node is unchanged.
    pub fn step(&mut self, peer: NodeId, message: &[u8]) -> Result<()> {
        self.running()?;
        if self.raft.step_steady(peer, message) {
            debug_assert_eq!(self.raft.invariants(), Ok(()));
            return Ok(());
        }
        self.step_any(peer, message)
    }

    /// A message of any kind and form.
    #[inline(never)]
    fn step_any(&mut self, peer: NodeId, message: &[u8]) -> Result<()> {
        let mut m = wire::MessageView::default();
        let outcome = match wire::parse_message_into(&mut m, message) {
            Ok(()) => self.raft.step(peer, &m),
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
        let mut first = None; // its text is large: there is one only if a frame is refused
        let limit = self.raft.config.message_limit();
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
            let outcome = match group == self.raft.config.group {
                true => self.step(peer, message),
                false => self.refuse_group(group),
            };
            match outcome {
                Ok(()) => {}
                Err(Error::Poisoned) => return Err(Error::Poisoned),
                Err(error) => {
                    done.rejected += 1;
                    if done.first.is_none() {
                        (done.first, first) = (Some(error), Some(self.raft.detail));
                    }
                }
            }
        }
        if let Some(first) = first {
            self.raft.detail = first;
        }
        Ok(done)
    }

    #[cold]
    fn refuse_group(&mut self, group: u64) -> Result<()> {
        self.raft.counters.messages_refused += 1;
        self.raft
            .detail
            .set(format_args!("a frame of group {group}, this node is of group {}", self.raft.config.group));
        Err(Error::NotForMe)
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
        let outcome = match wire::parse_message(message) {
            Ok(m) => local::step(&mut self.raft, &m),
            Err(error) => {
                self.raft.detail.set(format_args!("{} bytes that are no message: {error}", message.len()));
                Err(error)
            }
        };
        self.checked(outcome)
    }

    fn wrong_mode<T>(&mut self, call: &str) -> Result<T> {
        self.raft.detail.set(format_args!("{call} is not for storage = {}", self.raft.config.storage.name()));
        Err(Error::State)
    }

    /// Proposes an entry, at the leader. `token` comes back exactly once: with the committed entry, or in
    /// [`dropped`](crate::Ready::dropped) with what is known of it; 0: none.
    ///
    /// With [`Flags::FORWARDING`] a follower passes the entry on to the leader. Its outcome can't be known here, so the token comes back with
    /// the next ready as unknown, though the entry may commit: put an id of your own into the data to recognise it when it is applied.
    ///
    /// # Errors
    /// [`Error::NotLeader`]: propose at [`Status::leader`](crate::Status::leader). [`Error::NoLeader`]: retry later. [`Error::Full`]: a limit
    /// is reached, the detail says which: retry after the next advance. [`Error::TooLarge`]: larger than `max_entry_bytes`. On an error the
    /// token was not taken.
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

    /// Proposes an entry of any kind as it is: a change that was encoded elsewhere, say. A change is checked as by `propose_conf`.
    ///
    /// # Errors
    /// As `propose` and `propose_conf`; [`Error::Decode`], [`Error::Unsupported`]: data that are no change.
    pub fn propose_entry(&mut self, kind: EntryKind, data: &[u8], token: u64) -> Result<()> {
        if !kind.is_change() {
            return self.propose(data, token);
        }
        self.running()?;
        let outcome = self.raft.propose_change(kind, data, token);
        self.checked(outcome)
    }

    /// Proposes a change of the configuration. An empty V2 leaves the joint configuration.
    ///
    /// # Errors
    /// [`Error::Conf`]: invalid here, the detail says why. [`Error::ConfBusy`]: another is in flight. [`Error::Arg`]: a reserved id, or
    /// V1 without exactly one change. And as `propose`.
    pub fn propose_conf(
        &mut self,
        changes: &[Change],
        encoding: ChangeEncoding,
        context: &[u8],
        token: u64,
    ) -> Result<()> {
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

    fn encode_change(
        &mut self,
        changes: &[Change],
        encoding: ChangeEncoding,
        context: &[u8],
    ) -> Result<(EntryKind, Vec<u8>)> {
        let mut data = Vec::new();
        let len = match (encoding, changes) {
            (ChangeEncoding::V1, [change]) => wire::change_v1_len(*change, context),
            (ChangeEncoding::V1, _) => {
                self.raft
                    .detail
                    .set(format_args!("the first encoding takes exactly one change, not {}", changes.len()));
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
    /// The answer comes in a later [`reads`](crate::Ready::reads) with the same `token`, once its index is applied: the read may be served then.
    /// A read ends in exactly one answer: this, or its token in [`dropped`](crate::Ready::dropped). It costs no log entry.
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
    /// [`Error::NoPeer`]: no such voter, or this node; 0 at a follower, which passes on a wish but can't choose.
    /// [`Error::NoLeader`]: no leader is known.
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
        self.raft.check_member(peer)?;
        if let Some(peer) = self.raft.peers.get_mut(peer) {
            peer.window.set_limits(max_msgs, max_bytes);
        }
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
        self.raft.check_member(peer)?;
        if self.raft.role == Role::Leader {
            self.raft.on_unreachable(peer);
        }
        self.checked(Ok(()))
    }

    /// What became of the snapshot to `peer`. Without a report its acknowledgement ends the wait, or `snapshot_timeout_ticks`.
    ///
    /// # Errors
    /// [`Error::NoPeer`]: no such member.
    pub fn report_snapshot(&mut self, peer: NodeId, report: SnapshotReport) -> Result<()> {
        self.running()?;
        let outcome = self.raft.report_snapshot(peer, report);
        self.checked(outcome)
    }

    /// Sets the election timeout that was drawn, in ticks (at least 1), until the next one is drawn. For tests and simulators.
    ///
    /// # Errors
    /// [`Error::Arg`].
    pub fn set_election_timeout(&mut self, ticks: u32) -> Result<()> {
        self.running()?;
        if ticks == 0 {
            self.raft.detail.set(format_args!("an election timeout is at least 1 tick"));
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
            let before = log.first() - 1;
            self.raft.detail.set(format_args!("compacted({index}): compacted up to {before} before"));
            return Err(Error::Stale);
        }
        log.compact(index);
        self.checked(Ok(()))
    }
}
