//! The public API of a node: checks of arguments, order of calls and poison, then a call into
//! `raft` or `ready`.

pub(crate) mod boot;
mod look;
mod output;
pub use boot::{Stored, StoredConf};
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
use crate::types::{Change, EntryKind, Index, NONE, NodeId, Role, Term, Transition};
use crate::wire::{self, ConfStateRef};

/// The encoding of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeEncoding {
    /// A single change, first encoding.
    V1,
    /// Any number of changes, second encoding.
    V2(Transition),
}

/// The result of `step_frames`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepFrames {
    /// Bytes taken. An incomplete last frame stays.
    pub consumed: usize,
    /// Frames refused: of a wrong group, malformed, or refused by `step`.
    pub rejected: u32,
    /// The reason for the first refusal. `error_detail` has the text.
    pub first: Option<Error>,
}

/// A configuration as `apply_conf` and `conf` show it. Valid until the next call of either.
#[derive(Clone, Copy, Debug)]
pub struct AppliedConf<'a> {
    /// The sets.
    pub conf: ConfStateRef<'a>,
    /// The encoded configuration, a ConfState that carries `index`. The bytes to store with the
    /// state machine.
    pub bytes: &'a [u8],
    /// The index that the configuration is as of; 0: not known ([`Flags::CONF_APART`]).
    pub index: Index,
    /// The change's own context.
    pub context: &'a [u8],
}

/// A member of a Raft group: a state machine that a host drives.
///
/// The methods are of four kinds:
/// - *Boot*: `boot_*`, in order, once.
/// - *In*: `tick`, `step`, `propose*`, `read_index`, `campaign`, `transfer` and the like. No method
///   does I/O.
/// - *Out*: `ready` returns the work of a turn, and `advance` (or `persisted`, `applied` and
///   `release`) acknowledges the finished work. `next_fetch` and `supply_*` serve peers that lag.
/// - *Look*: `status`, `peers`, `conf`, `next_event`, `digest`, `error_detail`.
///
/// After a call of the kind *In*, and after an acknowledgement, there may be a ready to take.
#[derive(Debug)]
pub struct Node {
    raft: Raft,
    readies: Readies,
    boot: Boot,
}

impl Node {
    /// Makes a node, which must be booted before use.
    ///
    /// # Errors
    /// [`Error::Arg`]: see [`Config::check`] for the field at fault. [`Error::NoMem`].
    pub fn new(config: &Config) -> Result<Self> {
        let readies = Readies::new(config.max_outstanding, config.storage);
        Ok(Self { raft: Raft::new(config)?, readies, boot: Boot::default() })
    }

    /// Returns a node in the same state, with memory of its own. From then on, equal calls give
    /// equal bytes.
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

    /// Returns an upper bound of the memory of a node with these settings, in bytes.
    ///
    /// Not included: term runs, snapshots in flight, the last catch-up messages beyond
    /// `catchup_bytes`, and entries of the node's own log that were supplied to be applied, up to
    /// `max_committed_size_per_ready`.
    ///
    /// # Errors
    /// [`Error::Arg`].
    pub fn footprint(config: &Config) -> Result<usize> {
        config.checked()?;
        let batches = if config.storage == StorageMode::Sync { 3 } else { u64::from(config.max_outstanding) + 2 };
        let per_batch = 2 * 24 * u64::from(config.max_entries_per_ready) + 420 * u64::from(config.max_messages);
        let peers = u64::from(config.max_peers) * (16 * u64::from(config.max_inflight_msgs) + 512);
        let waiting = 56 * u64::from(config.max_tokens) + 160 * u64::from(config.max_reads);
        // Worst case: blocks of the usual size and an index, grown by short entries, and blocks
        // grown by long entries.
        let recent =
            2 * config.recent_bytes + max_index_bytes(config.recent_bytes, config.block_bytes) + config.block_bytes;
        let bytes = recent + config.catchup_bytes + batches * per_batch + peers + waiting;
        usize::try_from(bytes + (32 << 10)).map_err(|_| Error::Arg)
    }

    // ---- order and poison

    /// True if the node is booted and not poisoned.
    #[inline]
    fn runs(&self) -> bool {
        debug_assert_eq!(self.raft.runs, self.raft.fault.is_none() && self.boot.stage == Stage::Done);
        self.raft.runs
    }

    /// Begins every call that may change the node.
    #[inline]
    fn running(&mut self) -> Result<()> {
        self.still_running()?;
        self.raft.detail.clear();
        Ok(())
    }

    /// Does the same for a call that gives the next ready no work.
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

    /// Ends every call that may change the node, with a check for faults.
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

    /// Lets time pass. Counts at most two election timeouts, since no message could arrive in
    /// between.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn tick(&mut self, ticks: u32) -> Result<()> {
        self.running()?;
        let late = self.is_late();
        self.ticks_pass(ticks, late)
    }

    /// `late`: a ready waited for the host.
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

    /// True if the host could take a ready. If ticks find a ready, the host is late: it sleeps, or
    /// waits for something else, while there is work.
    pub(super) fn is_late(&self) -> bool {
        let busy = self.readies.is_full() && self.readies.len() > 0;
        !busy && self.readies.has_any(&self.raft)
    }

    /// Steps a message of `peer`. The host's transport must have authenticated the peer (0:
    /// unchecked).
    ///
    /// # Errors
    /// [`Error::Decode`], [`Error::Unsupported`]: no message. [`Error::NotForMe`],
    /// [`Error::NoPeer`], [`Error::Implausible`]: refused. [`Error::Full`], [`Error::NoMem`],
    /// [`Error::NoLeader`]: drop the message, its sender tries again. [`Error::TooLarge`]: an entry
    /// without room in `recent_bytes`: give all members equal limits. On an error the node is
    /// unchanged.
    pub fn step(&mut self, peer: NodeId, message: &[u8]) -> Result<()> {
        self.running()?;
        if self.raft.step_steady(peer, message) {
            debug_assert_eq!(self.raft.invariants(), Ok(()));
            return Ok(());
        }
        self.step_any(peer, message)
    }

    /// General path: a message of any kind and form.
    #[inline(never)]
    fn step_any(&mut self, peer: NodeId, message: &[u8]) -> Result<()> {
        let mut m = wire::MessageView::default();
        let parsed = wire::parse_message_into(&mut m, message)
            .and_then(|()| wire::dialect::read_dialect(self.raft.config.dialect, &mut m));
        let outcome = match parsed {
            Ok(()) => self.raft.step(peer, &m),
            Err(error) => {
                self.raft.counters.messages_refused += 1;
                self.raft.detail.set(format_args!("{} bytes that are no message: {error}", message.len()));
                Err(error)
            }
        };
        self.checked(outcome)
    }

    /// Steps every whole frame of a stream.
    ///
    /// # Errors
    /// [`Error::Decode`]: an impossible length. Nothing more can be read from this stream: drop the
    /// connection.
    pub fn step_frames(&mut self, peer: NodeId, bytes: &[u8]) -> Result<StepFrames> {
        self.running()?;
        let mut done = StepFrames::default();
        let mut first = None; // large, so set only if a frame is refused
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

    /// MESSAGES: steps a response of local work that is addressed to this node.
    ///
    /// # Errors
    /// [`Error::State`]: another mode, or a configuration entry neither applied nor skipped.
    /// [`Error::Decode`], [`Error::NotForMe`], [`Error::Arg`], [`Error::Stale`].
    pub fn step_local(&mut self, message: &[u8]) -> Result<()> {
        self.running()?;
        if self.raft.config.storage != StorageMode::Messages {
            return self.wrong_mode("step_local");
        }
        let mut m = wire::MessageView::default();
        let outcome = match wire::parse_message_into(&mut m, message) {
            Ok(()) => local::step(&mut self.raft, &m),
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

    /// Proposes an entry, at the leader.
    ///
    /// The token comes back exactly once: with the committed entry, or in
    /// [`dropped`](crate::Ready::dropped) with the known outcome. Token 0: none.
    ///
    /// With [`Flags::FORWARDING`] a follower passes the entry on to the leader, and cannot know the
    /// outcome. The token comes back with the next ready as unknown, though the entry may commit.
    /// Put an id of your own into the data to recognise the entry when you apply it.
    ///
    /// # Errors
    /// [`Error::NotLeader`]: propose at [`Status::leader`](crate::Status::leader).
    /// [`Error::NoLeader`]: retry later. [`Error::Full`]: a limit is reached, the detail says
    /// which: retry after the next advance. [`Error::TooLarge`]: larger than `max_entry_bytes`. On
    /// an error the node does not take the token.
    pub fn propose(&mut self, data: &[u8], token: u64) -> Result<()> {
        self.propose_parts(std::iter::once(data), token)
    }

    /// Does the same as `propose`, with data in several parts.
    ///
    /// # Errors
    /// The errors of `propose`.
    pub fn propose_parts<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]> + Clone, token: u64) -> Result<()> {
        self.running()?;
        let len = parts.clone().map(<[u8]>::len).fold(0usize, usize::saturating_add);
        let outcome = self.raft.propose(EntryKind::Normal, std::iter::once((parts, len, token)));
        self.checked(outcome)
    }

    /// Proposes an entry if this node leads in `term`, and never forwards the entry. For data
    /// computed from the state as of a term.
    ///
    /// # Errors
    /// The errors of `propose`. [`Error::NotLeader`]: another node leads. [`Error::NoLeader`]: this
    /// node leads in another term, or no leader is known: compute anew.
    pub fn propose_in_term<'a>(
        &mut self,
        term: Term,
        parts: impl Iterator<Item = &'a [u8]> + Clone,
        token: u64,
    ) -> Result<()> {
        self.running()?;
        self.raft.check_term(term)?;
        self.propose_parts(parts, token)
    }

    /// Proposes several entries, each with a token (0: no token). The node takes every entry, or on
    /// an error no entry.
    ///
    /// # Errors
    /// The errors of `propose`.
    pub fn propose_many<'a>(&mut self, entries: impl Iterator<Item = (&'a [u8], u64)> + Clone) -> Result<()> {
        self.running()?;
        let entries = entries.map(|(data, token)| (std::iter::once(data), data.len(), token));
        let outcome = self.raft.propose(EntryKind::Normal, entries);
        self.checked(outcome)
    }

    /// Proposes an entry of any kind unchanged, such as a change that was encoded elsewhere. Checks
    /// a change as `propose_conf` does.
    ///
    /// # Errors
    /// The errors of `propose` and `propose_conf`; [`Error::Decode`], [`Error::Unsupported`]: data
    /// that are no change.
    pub fn propose_entry(&mut self, kind: EntryKind, data: &[u8], token: u64) -> Result<()> {
        if !kind.is_change() {
            return self.propose(data, token);
        }
        self.running()?;
        let outcome = self.raft.propose_change(kind, data, token);
        self.checked(outcome)
    }

    /// Proposes an entry of any kind with a context, bytes that stay beside the data (eraftpb: field
    /// 6 of an entry). An empty context is as none.
    ///
    /// # Errors
    /// The errors of `propose_entry`; [`Error::Unsupported`]: the dialect is not
    /// [`Dialect::Eraftpb`](crate::Dialect::Eraftpb). `max_entry_bytes` counts data and context.
    pub fn propose_with_context(&mut self, kind: EntryKind, context: &[u8], data: &[u8], token: u64) -> Result<()> {
        self.running()?;
        let outcome = self.raft.propose_with_context(kind, (context, data), token);
        self.checked(outcome)
    }

    /// Proposes a change of the configuration. An empty V2 leaves the joint configuration.
    ///
    /// # Errors
    /// [`Error::Conf`]: invalid here, the detail says why. [`Error::ConfBusy`]: a change is in
    /// flight already. [`Error::Arg`]: a reserved id, or V1 without exactly one change.
    /// [`Error::Unsupported`]: eraftpb has no `UpdateNode`. And the errors of `propose`.
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
        let dialect = self.raft.config.dialect;
        if changes.iter().any(|change| change.kind.number(dialect).is_none()) {
            self.raft.detail.set(format_args!("the dialect {} has no UpdateNode", dialect.name()));
            return Err(Error::Unsupported);
        }
        let (kind, data) = self.encode_change(changes, encoding, context)?;
        let outcome = self.raft.propose_change(kind, &data, token);
        self.checked(outcome)
    }

    /// Proposes a change like `propose_conf`, if the configuration as of `index`
    /// ([`AppliedConf::index`]) is still in force.
    ///
    /// # Errors
    /// The errors of `propose_conf`. [`Error::Stale`]: another configuration is in force, or its
    /// index is not known ([`Flags::CONF_APART`]): look again.
    pub fn propose_conf_at(
        &mut self,
        index: Index,
        changes: &[Change],
        encoding: ChangeEncoding,
        context: &[u8],
        token: u64,
    ) -> Result<()> {
        self.running()?;
        let own = self.raft.conf_index();
        if own != index || index == 0 {
            self.raft.detail.set(format_args!("the configuration is as of index {own}, not {index}"));
            return Err(Error::Stale);
        }
        self.propose_conf(changes, encoding, context, token)
    }

    fn encode_change(
        &mut self,
        changes: &[Change],
        encoding: ChangeEncoding,
        context: &[u8],
    ) -> Result<(EntryKind, Vec<u8>)> {
        let dialect = self.raft.config.dialect;
        let mut data = Vec::new();
        let len = match (encoding, changes) {
            (ChangeEncoding::V1, [change]) => wire::change_v1_len(dialect, *change, context),
            (ChangeEncoding::V1, _) => {
                self.raft
                    .detail
                    .set(format_args!("the first encoding takes exactly one change, not {}", changes.len()));
                return Err(Error::Arg);
            }
            (ChangeEncoding::V2(transition), _) => wire::change_v2_len(dialect, transition, changes, context),
        };
        data.try_reserve_exact(len).map_err(|_| Error::NoMem)?;
        data.resize(len, 0);
        let kind = match (encoding, changes) {
            (ChangeEncoding::V2(transition), _) => {
                wire::write_change_v2(dialect, &mut data, transition, changes, context);
                EntryKind::ConfChangeV2
            }
            (ChangeEncoding::V1, changes) => {
                let put = |&change| _ = wire::write_change_v1(dialect, &mut data, change, context);
                changes.iter().for_each(put);
                EntryKind::ConfChange
            }
        };
        Ok((kind, data))
    }

    /// Starts a linearizable read, which costs no log entry (diss. §6.4).
    ///
    /// The answer comes in a later [`reads`](crate::Ready::reads) with the same `token`, once its
    /// index is applied. Serve the read then. A read ends exactly once: with the answer, or with
    /// its token in [`dropped`](crate::Ready::dropped).
    ///
    /// # Errors
    /// [`Error::Full`]: `max_reads` are waiting: retry after the next advance. [`Error::NoLeader`]:
    /// retry after a change of leader.
    pub fn read_index(&mut self, token: u64) -> Result<()> {
        self.running()?;
        let outcome = self.raft.read_index(token);
        self.checked(outcome)
    }

    /// Campaigns now, if this node may. Otherwise (a learner, a pending snapshot, an unapplied
    /// change) an event gives the reason.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn campaign(&mut self) -> Result<()> {
        self.running()?;
        let pre_vote = self.raft.flag(Flags::PRE_VOTE);
        self.raft.start_campaign(Campaign::usual(pre_vote));
        self.checked(Ok(()))
    }

    /// Transfers leadership to `to`, or with 0 to the most advanced live voter. The transfer
    /// succeeds or fails within an election timeout.
    ///
    /// # Errors
    /// [`Error::NoPeer`]: not a voter, or this node; also 0 at a follower, which forwards the
    /// request but can't choose. [`Error::NoLeader`]: no leader is known.
    pub fn transfer(&mut self, to: NodeId) -> Result<()> {
        self.running()?;
        let outcome = self.raft.transfer(to);
        self.checked(outcome)
    }

    /// Cancels a transfer. The target may campaign nevertheless, if the leader has notified it
    /// already.
    ///
    /// # Errors
    /// [`Error::State`]: no transfer is in progress.
    pub fn abort_transfer(&mut self) -> Result<()> {
        self.running()?;
        if self.raft.transfer.target == NONE {
            self.raft.detail.set(format_args!("no transfer is under way here"));
            return Err(Error::State);
        }
        self.raft.end_transfer(Reason::TransferAborted);
        Ok(())
    }

    /// Sets whether this node may campaign. A leader stays leader: call `transfer` as well.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn set_electable(&mut self, electable: bool) -> Result<()> {
        self.running()?;
        self.raft.election.electable = electable;
        Ok(())
    }

    /// Sets the rank in elections. Among candidates with equal logs, the higher rank wins.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn set_priority(&mut self, priority: i32) -> Result<()> {
        self.running()?;
        self.raft.election.priority = priority;
        Ok(())
    }

    /// Sets the window of a peer, in messages (0 to 65536) and payload bytes (0: no limit). The
    /// window is kept until the peer leaves the configuration.
    ///
    /// 0 messages pause the peer: the peer gets neither entries nor snapshots, until its window
    /// opens again. Heartbeats go on.
    ///
    /// # Errors
    /// [`Error::NoPeer`]; [`Error::Arg`].
    pub fn set_window(&mut self, peer: NodeId, max_msgs: u32, max_bytes: u64) -> Result<()> {
        self.running()?;
        if max_msgs > 65536 {
            self.raft.detail.set(format_args!("max_inflight_msgs is {max_msgs}: must be 0 to 65536"));
            return Err(Error::Arg);
        }
        self.raft.check_member(peer)?;
        self.raft.set_window(peer, max_msgs, max_bytes);
        self.checked(Ok(()))
    }

    /// Lets the leader propose a learner as a voter by itself, once the learner has caught up
    /// ([`peer_flags::CAUGHT_UP`](crate::peer_flags::CAUGHT_UP)).
    ///
    /// The setting is local and ends with the learner's membership: set every possible leader. Off
    /// by default.
    ///
    /// # Errors
    /// [`Error::NoPeer`].
    pub fn promote_when_caught_up(&mut self, peer: NodeId, on: bool) -> Result<()> {
        self.running()?;
        self.raft.check_member(peer)?;
        if let Some(peer) = self.raft.peers.get_mut(peer) {
            peer.promote = on;
        }
        Ok(())
    }

    /// Sends a heartbeat to every peer now, at the leader, to wake sleeping peers. Without effect on
    /// other roles.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn ping(&mut self) -> Result<()> {
        self.running()?;
        if self.raft.role == Role::Leader {
            self.raft.broadcast_heartbeat();
        }
        self.checked(Ok(()))
    }

    /// Changes flags of a running node: the flags in `mask` become as in `values`.
    ///
    /// `PRE_VOTE`, `CHECK_QUORUM`, `FORWARDING`, `BATCH_APPEND`, `NOMINATE_SUCCESSOR`,
    /// `RETIRE_GRACEFULLY`, `QUIET_COMMIT`, `TRANSFER_FENCE`, `COMMIT_IN_VOTES`, `REPORT_COMMIT`,
    /// `SPARE_HEARTBEATS` and `YIELD_TO_PRIORITY` can change. Turn a flag on after an update of every
    /// member, if all nodes must support the flag.
    ///
    /// # Errors
    /// [`Error::Arg`]: another flag in `mask`, or lease reads without `CHECK_QUORUM`.
    pub fn set_flags(&mut self, mask: Flags, values: Flags) -> Result<()> {
        self.running()?;
        let fixed = mask.0 & !Config::CHANGEABLE.0;
        if fixed != 0 {
            self.raft.detail.set(format_args!("flags {fixed:#x} are fixed when a node is made"));
            return Err(Error::Arg);
        }
        let flags = Flags(self.raft.config.flags.0 & !mask.0 | values.0 & mask.0);
        if let Err(why) = (Config { flags, ..self.raft.config }).check() {
            self.raft.detail.set(format_args!("{why}"));
            return Err(Error::Arg);
        }
        self.raft.set_flags(flags);
        self.checked(Ok(()))
    }

    /// Frees spare blocks of the recent log and the unused room of lists, for a host of many groups
    /// when a group has become quiet. Later calls may allocate again.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn trim(&mut self) -> Result<()> {
        self.running()?;
        self.raft.trim();
        self.readies.trim();
        Ok(())
    }

    /// Puts a peer into a commit group, such as a data centre; 0: none. While a peer has a group, a
    /// leader commits an entry once a quorum and members of two groups have stored the entry. If
    /// all voters are in a single group, the quorum decides alone. If there are no two groups and
    /// some voters have no group, all voters must have the entry (raft-rs's group commit).
    ///
    /// The setting is local, and ends with the peer's membership: set every possible
    /// leader, and again after a change of membership.
    ///
    /// # Errors
    /// [`Error::NoPeer`].
    pub fn set_commit_group(&mut self, peer: NodeId, group: u64) -> Result<()> {
        self.running()?;
        self.raft.check_member(peer)?;
        if let Some(peer) = self.raft.peers.get_mut(peer) {
            peer.group = group;
        }
        self.raft.on_commit_groups();
        self.checked(Ok(()))
    }

    /// Asks the leader for a snapshot, for a follower with doubtful state.
    ///
    /// The snapshot covers this node's whole log, arrives in a ready like any snapshot, and replaces
    /// state and log. Until then the node takes no entries, and repeats the request with every
    /// heartbeat. The request ends with the snapshot, with a campaign of this node, or after
    /// `snapshot_timeout_ticks` with the event `SnapshotEnded`. A leader of etcd's raft does not know
    /// such requests.
    ///
    /// # Errors
    /// [`Error::NoLeader`]: leading, or no leader is known. [`Error::State`]: asked already, a
    /// snapshot waits to be stored, or no entry of the leader's term is here yet: retry later.
    pub fn request_snapshot(&mut self) -> Result<()> {
        self.running()?;
        let outcome = self.raft.request_snapshot();
        self.checked(outcome)
    }

    /// Sets whether the leader sends a new commit index at once, or with the next append or
    /// heartbeat.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::Poisoned`].
    pub fn set_commit_broadcast(&mut self, on: bool) -> Result<()> {
        self.running()?;
        self.raft.commit_broadcast = on;
        Ok(())
    }

    /// Makes a follower forget the leader. The follower may then vote at once.
    ///
    /// Has no effect on other roles, nor with lease reads (an event reports the latter).
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

    /// Reports that messages to `peer` are being lost. The leader then probes the peer instead of
    /// streaming.
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

    /// Reports the outcome of the snapshot to `peer`. Without a report, the wait ends with the
    /// peer's acknowledgement or after `snapshot_timeout_ticks`.
    ///
    /// # Errors
    /// [`Error::NoPeer`]: no such member.
    pub fn report_snapshot(&mut self, peer: NodeId, report: SnapshotReport) -> Result<()> {
        self.running()?;
        let outcome = self.raft.report_snapshot(peer, report);
        self.checked(outcome)
    }

    /// Sets the current election timeout, in ticks (at least 1), until the node draws the next. For
    /// tests and simulators.
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

    /// Reports that the host dropped the entries up to `index`. These must be applied.
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
