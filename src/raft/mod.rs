//! The protocol, a file per concern. Messages are functions; `step` has the table of roles.
//!
//! `Raft` is the sum of its parts. The state and the rules of a part are in the part's file.
//! Nothing here reads a clock, allocates on the hot path, or knows the form of a ready. Messages to
//! send go to the `outbox`.

pub(crate) mod apply;
pub(crate) mod controls;
pub(crate) mod election;
pub(crate) mod fetches;
pub(crate) mod own_log;
pub(crate) mod proposals;
pub(crate) mod reads;
pub(crate) mod reconfig;
pub(crate) mod replication;
pub(crate) mod role;
pub(crate) mod snapshots;
pub(crate) mod steady;
pub(crate) mod step;
pub(crate) mod tokens;
pub(crate) mod transfer;

#[cfg(test)]
mod tests;

use crate::config::{Config, Flags, StorageMode};
use crate::error::{Detail, Error, Result};
use crate::event::{Event, EventKind, Reason};
use crate::log::Log;
use crate::membership::{self, Configuration};
use crate::outbox::{Blobs, Body, OWN_ROOM, OutMessage, Outbox, Own, Sender};
use crate::peers::Peers;
use crate::rng::Rng;
use crate::types::{Dialect, Index, MessageKind, NodeId, Role, Term};
use crate::wire::{self, Head};
use std::collections::VecDeque;

/// Events kept until the host drains them. Later events are lost, and counted.
const MAX_EVENTS: usize = 256;

/// How often the node lost or refused something, since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub messages_dropped: u64,
    pub messages_refused: u64,
    pub messages_ignored: u64,
    pub proposals_refused: u64,
    pub reads_failed: u64,
    pub events_lost: u64,
    pub implausible: u64,
    pub late_ticks: u64,
}

#[derive(Debug)]
pub(crate) struct Raft {
    pub config: Config,
    pub id: NodeId,
    /// Written by `role` alone, as are `term`, `vote` and `leader`.
    pub role: Role,
    pub term: Term,
    pub vote: NodeId,
    pub leader: NodeId,
    /// Derived from `id` and `term`.
    pub address: u64,
    pub timers: role::Timers,
    pub rng: Rng,
    pub log: Log,
    pub conf: Configuration,
    pub peers: Peers,
    pub outbox: Outbox,
    pub blobs: Blobs,
    pub election: election::Election,
    pub proposals: proposals::Proposals,
    pub tokens: tokens::Tokens,
    pub apply: apply::Apply,
    pub reads: reads::Reads,
    pub reconfig: reconfig::Reconfig,
    pub fetches: fetches::Fetches,
    pub own_log: own_log::OwnLog,
    pub transfer: transfer::Transfer,
    pub incoming: Option<snapshots::Incoming>,
    pub wanted: snapshots::Wanted,
    /// Whether answers carry this node's commit index (eraftpb, and the flag REPORT_COMMIT).
    pub reports_commit: bool,
    pub commit_broadcast: bool,
    /// Whether a peer has a commit group.
    pub group_commit: bool,
    /// Whether a peer may be `deferred`.
    pub has_deferred: bool,
    pub events: VecDeque<Event>,
    pub counters: Counters,
    pub detail: Detail,
    /// Why the node is poisoned; `None` for a healthy node.
    pub fault: Option<&'static str>,
    /// Booted and without a fault. Every call checks `runs` first.
    pub runs: bool,
}

impl Raft {
    pub fn new(config: &Config) -> Result<Self> {
        config.checked()?;
        let mut rng = Rng::new(config.seed ^ config.id.rotate_left(32));
        let poison = config.flags.has(Flags::DEBUG_POISON_VIEWS);
        // Without a byte of room nothing would ever be applied.
        let max_committed_size_per_ready = config.max_committed_size_per_ready.max(1);
        let mut raft = Self {
            config: Config { max_committed_size_per_ready, ..*config },
            id: config.id,
            role: Role::Follower,
            term: 0,
            vote: 0,
            leader: 0,
            address: wire::steady::address(config.id, 0),
            timers: role::Timers::default(),
            log: Log::new(config.recent_bytes, config.block_bytes, poison, config.dialect == Dialect::Eraftpb),
            conf: Configuration::default(),
            peers: Peers::default(),
            outbox: Outbox::new(
                config.max_messages,
                config.storage == StorageMode::Messages,
                config.flags.has(Flags::VOTE_REQUEST_EARLY),
            ),
            blobs: Blobs::default(),
            election: election::Election::new(config),
            proposals: proposals::Proposals::default(),
            tokens: tokens::Tokens::default(),
            apply: apply::Apply::default(),
            reads: reads::Reads::new(rng.next()),
            reconfig: reconfig::Reconfig::default(),
            fetches: fetches::Fetches::default(),
            own_log: own_log::OwnLog::default(),
            transfer: transfer::Transfer::default(),
            incoming: None,
            wanted: snapshots::Wanted::default(),
            reports_commit: config.dialect == Dialect::Eraftpb || config.flags.has(Flags::REPORT_COMMIT),
            group_commit: false,
            commit_broadcast: !config.flags.has(Flags::NO_COMMIT_BROADCAST),
            has_deferred: false,
            events: VecDeque::new(),
            counters: Counters::default(),
            detail: Detail::new(),
            fault: None,
            runs: false,
            rng,
        };
        raft.events.try_reserve_exact(MAX_EVENTS).map_err(|_| Error::NoMem)?;
        raft.outbox.own.try_reserve_exact(OWN_ROOM).map_err(|_| Error::NoMem)?;
        raft.reset_election_timeout();
        Ok(raft)
    }

    pub fn flag(&self, flag: Flags) -> bool {
        self.config.flags.has(flag)
    }

    /// Changes flags at run time. The fields derived from flags follow.
    pub fn set_flags(&mut self, flags: Flags) {
        self.config.flags = flags;
        self.reports_commit = self.config.dialect == Dialect::Eraftpb || flags.has(Flags::REPORT_COMMIT);
    }

    /// Gives back memory that is not in use.
    pub fn trim(&mut self) {
        self.log.trim();
        self.outbox.trim();
        self.tokens.trim(self.reads.len());
        self.reads.trim();
        self.blobs.trim();
        self.peers.iter_mut().for_each(|peer| peer.window.trim());
    }

    // ---- reporting

    pub fn event(&mut self, kind: EventKind, reason: Reason, peer: NodeId, index: Index, a: u64, b: u64) {
        if self.events.len() >= MAX_EVENTS {
            self.counters.events_lost += 1;
            return;
        }
        self.events.push_back(Event { kind, reason, peer, term: self.term, index, a, b });
    }

    /// Ignores a peer's message for a reason of normal operation. Nothing changes.
    pub fn ignore(&mut self, head: &Head, reason: Reason) {
        self.counters.messages_ignored += 1;
        self.event(EventKind::Ignored, reason, head.from, head.index, head.kind as u64, head.term);
    }

    /// Refuses a peer's message that contradicts this node's state, and raises an alarm. Nothing
    /// changes.
    pub fn alarm(&mut self, head: &Head, reason: Reason, says: u64) -> Error {
        self.counters.implausible += 1;
        self.event(EventKind::Alarm, reason, head.from, head.index, head.kind as u64, says);
        let (commit, last, term) = (self.log.commit, self.log.last(), self.term);
        self.detail.set(format_args!(
            "node {} (term {term}, commit {commit}, last {last}) refused a message of node {} (term {}, index {}): {} ({says})",
            self.id,
            head.from,
            head.term,
            head.index,
            reason.text()
        ));
        Error::Implausible
    }

    /// Poisons the node, since its own state is proven wrong. The node reports the fault and does
    /// nothing more. The first cause stays.
    pub fn fault(&mut self, why: &'static str) {
        if self.fault.is_none() {
            self.fault = Some(why);
            self.runs = false;
            self.event(EventKind::Poisoned, Reason::None, 0, 0, 0, 0);
            self.detail.set(format_args!("poisoned: {why}"));
        }
    }

    /// Checks that the host names a member.
    pub fn check_member(&mut self, id: NodeId) -> Result<()> {
        if self.peers.get(id).is_some() {
            return Ok(());
        }
        self.detail.set(format_args!("node {id} is no member of the configuration ({})", self.conf));
        Err(Error::NoPeer)
    }

    /// Returns the configuration that the host gave, or sets the detail if the sets are invalid.
    pub fn restored(
        &mut self,
        conf: core::result::Result<Configuration, membership::ChangeError>,
        what: &str,
    ) -> Result<Configuration> {
        conf.map_err(|error| {
            self.detail.set(format_args!("{what} can't be in force: {error}"));
            Error::from(error)
        })
    }

    /// Reports bytes of the host that are not a configuration.
    #[cold]
    pub fn no_conf_state<T>(&mut self, error: Error, len: usize) -> Result<T> {
        self.detail.set(format_args!("{len} bytes that are no configuration (ConfState): {error}"));
        Err(error)
    }

    // ---- sending

    /// Puts a message into the outbox. A message without room is lost and counted; losing a message
    /// is always safe.
    #[inline]
    pub fn send(&mut self, mut message: OutMessage) {
        let kind = message.kind;
        message.from = if message.from == 0 { self.id } else { message.from };
        let to = message.to;
        let outcome = if to == self.id { self.send_to_self(message) } else { self.outbox.push(message) };
        if outcome.is_err() {
            self.on_lost(kind, to);
        }
    }

    #[cold]
    pub fn on_lost(&mut self, kind: MessageKind, to: NodeId) {
        self.counters.messages_dropped += 1;
        self.event(EventKind::MessageLost, Reason::OutboxFull, to, 0, kind as u64, 0);
    }

    #[cold]
    fn send_to_self(&mut self, message: OutMessage) -> Result<()> {
        let OutMessage { kind, term, index, .. } = message;
        if self.outbox.take_own(Own { kind, term, index })? { Ok(()) } else { self.outbox.push(message) }
    }

    /// Returns a head with this node's term.
    #[inline]
    pub fn head(&self, kind: MessageKind, to: NodeId) -> Head {
        Head { kind, to, from: self.id, term: self.term, ..Head::default() }
    }

    #[inline(always)]
    pub fn sender(&self) -> Sender {
        Sender { group: self.config.group, address: self.address }
    }

    /// Acknowledges this node's own log up to the last entry. The acknowledgement counts once the
    /// entries are durable [E-08].
    #[inline]
    pub fn acknowledge_own(&mut self) {
        let own = Own { kind: MessageKind::AppResp, term: self.term, index: self.log.last() };
        if self.outbox.take_own(own) != Ok(true) {
            self.send_append_resp(self.id, own.index);
        }
    }

    /// Acknowledges the log up to `index`.
    #[inline]
    pub fn send_append_resp(&mut self, to: NodeId, index: Index) {
        let commit = if self.reports_commit { self.log.commit } else { 0 };
        let head = Head { index, commit, ..self.head(MessageKind::AppResp, to) };
        if to == self.id {
            return self.send(OutMessage::new(head));
        }
        if self.outbox.push_steady(&head, Body::default(), self.sender()).is_err() {
            self.on_lost(MessageKind::AppResp, to);
        }
    }

    /// Checks the invariants after a call that may have changed something.
    #[inline]
    pub fn checked<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if self.log.is_sound() && !cfg!(debug_assertions) {
            return outcome;
        }
        match self.invariants() {
            Ok(()) => outcome,
            Err(why) => {
                self.fault(why);
                Err(Error::Poisoned)
            }
        }
    }

    /// Checks the invariants that hold between two calls. A release build checks only the
    /// invariants of the log, on which safety rests.
    #[cold]
    pub fn invariants(&self) -> core::result::Result<(), &'static str> {
        if !self.log.is_sound() {
            self.log.check()?;
        }
        if cfg!(debug_assertions) {
            self.log.check()?;
            for peer in self.peers.iter() {
                if peer.matched >= peer.next {
                    return Err("a peer's match has reached its next index");
                }
            }
            if self.role == Role::Leader && self.leader != self.id {
                return Err("a leader that does not know itself");
            }
            if self.transfer.target != 0 && self.role != Role::Leader {
                return Err("a transfer without leadership");
            }
        }
        Ok(())
    }

    pub fn try_clone(&self) -> Result<Self> {
        let mut events = VecDeque::new();
        events.try_reserve_exact(MAX_EVENTS).map_err(|_| Error::NoMem)?;
        events.extend(self.events.iter().copied());
        Ok(Self {
            log: self.log.try_clone()?,
            conf: self.conf.try_clone()?,
            peers: self.peers.try_clone()?,
            outbox: self.outbox.try_clone()?,
            blobs: self.blobs.try_clone()?,
            tokens: self.tokens.try_clone(self.reads.len())?,
            reads: self.reads.try_clone()?,
            reconfig: self.reconfig.try_clone()?,
            own_log: self.own_log.try_clone()?,
            events,
            incoming: None,
            // The clone lacks finished readies, so its next ready must show role, term, vote and
            // leader.
            ..*self
        })
    }
}
