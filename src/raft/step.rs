//! The entry of messages: checks, terms, and the choice of a handler.
//!
//! There are three steps, in this order. `validate` checks the whole message, and refuses a bad
//! message with the node unchanged. The term gate decides whether the message is old, current or of
//! a newer term. The table names the handler for each kind and role.
//!
//! Sources: paper figure 2; diss. §4.2.3, §6.4; etcd-raft's Step, for the observable behaviour.

use super::Raft;
use super::election::TRANSFER_CONTEXT;
use super::snapshots::restored_view;
use crate::error::{Error, Result};
use crate::event::Reason;
use crate::membership;
use crate::types::{EntryId, MAX_ID, MAX_POSITION, MessageKind as Kind, NONE, Role};
use crate::wire::{Head, MessageView, SnapshotView};

impl Raft {
    /// Takes a message of a peer. `peer` is the sender that the host's transport has authenticated;
    /// 0: unchecked.
    pub fn step(&mut self, peer: u64, m: &MessageView<'_>) -> Result<()> {
        if let Err(error) = self.validate(peer, m) {
            self.counters.messages_refused += 1;
            return Err(error);
        }
        if self.pass_term_gate(m) { self.dispatch(m) } else { Ok(()) }
    }

    // ---- 1 validate

    fn validate(&mut self, peer: u64, m: &MessageView<'_>) -> Result<()> {
        let head = &m.head;
        self.check_address(peer, head)?;
        self.check_shape(m)?;
        if head.kind.is_response() && self.peers.get(head.from).is_none() {
            return Err(self.refuse(head, Error::NoPeer, "an answer from somebody who is no member"));
        }
        // The gate answers or ignores a request of an older term; the contents do not matter.
        if head.term != 0 && head.term < self.term {
            return Ok(());
        }
        match head.kind {
            Kind::App => self.check_append(m),
            Kind::Heartbeat => self.check_heartbeat(head),
            Kind::Snap => {
                self.check_second_leader(head)?;
                let conf = self.check_snapshot(m)?;
                self.check_snapshot_place(m)?;
                self.prepare_snapshot(m, conf)
            }
            Kind::AppResp if self.role == Role::Leader && head.term == self.term && head.index > self.log.last() => {
                Err(self.alarm(head, Reason::AckBeyondLog, head.index))
            }
            _ => Ok(()),
        }
    }

    #[cold]
    fn refuse(&mut self, head: &Head, error: Error, why: &str) -> Error {
        self.detail.set(format_args!(
            "message of kind {} from {} to {} (term {}) refused: {why}",
            head.kind as u8, head.from, head.to, head.term
        ));
        error
    }

    fn check_address(&mut self, peer: u64, head: &Head) -> Result<()> {
        // A forwarded message names the origin, and a transfer the target, as in etcd's raft. The
        // name makes no claim about the sender, but the sender must be a member.
        let passed_on = matches!(head.kind, Kind::Prop | Kind::ReadIndex | Kind::TransferLeader);
        let names_sender = !passed_on || self.peers.get(peer).is_none();
        let why = if head.to != self.id {
            "it is for another node"
        } else if head.from == NONE || head.from > MAX_ID {
            "its sender's id is reserved"
        } else if head.from == self.id && !passed_on {
            "it claims to come from this node"
        } else if head.kind.is_local() {
            "its kind never comes from a peer"
        } else if peer != NONE && head.from != peer && names_sender {
            "its sender is not the authenticated peer"
        } else {
            return Ok(());
        };
        Err(self.refuse(head, Error::NotForMe, why))
    }

    fn check_shape(&mut self, m: &MessageView<'_>) -> Result<()> {
        let head = &m.head;
        let highest =
            [head.term, head.index, head.log_term, head.commit, head.reject_hint].into_iter().max().unwrap_or(0);
        let positions = highest.max(m.entries.last().1).max(m.snapshot.map_or(0, |s| s.index.max(s.term)));
        let jumps = head.term.saturating_sub(self.term) > MAX_TERM_JUMP;
        if positions > MAX_POSITION || jumps {
            return Err(self.alarm(head, Reason::TermExhausted, positions));
        }
        let termless = matches!(head.kind, Kind::Prop | Kind::ReadIndex);
        // A founder that has seen no election yet refuses a pre-vote in term 0.
        let unborn = head.kind == Kind::PreVoteResp && head.reject;
        let why = if (head.term == 0) != termless && !unborn {
            if termless { "a proposal or read has no term" } else { "its term is missing" }
        } else if m.has_responses {
            "only local work has responses"
        } else {
            match head.kind {
                Kind::Prop if m.entries.is_empty() => "a proposal without an entry",
                Kind::ReadIndex | Kind::ReadIndexResp if m.entries.len() != 1 => "a read has exactly one context",
                Kind::App if !is_append(m) => "its entries are no stretch of a log",
                Kind::Snap if !is_snapshot(m) => "no snapshot that a leader of its term can send",
                _ if m.context.len() > MAX_CONTEXT => "its context is longer than 64 KiB",
                _ => return Ok(()),
            }
        };
        Err(self.refuse(head, Error::Decode, why))
    }

    /// Raises an alarm for a second leader in a term: the sender lies, or a node forgot its vote
    /// [E-14].
    fn check_second_leader(&mut self, head: &Head) -> Result<()> {
        let known = self.leader != NONE && self.leader != head.from;
        let led = self.election.led_term == head.term;
        if head.term == self.term && (led || known) {
            let leader = if led { self.id } else { self.leader };
            return Err(self.alarm(head, Reason::SecondLeader, leader));
        }
        Ok(())
    }

    fn check_append(&mut self, m: &MessageView<'_>) -> Result<()> {
        let head = &m.head;
        self.check_second_leader(head)?;
        let prev = EntryId { term: head.log_term, index: head.index };
        let commit = self.log.commit;
        if prev.index <= commit {
            let known = self.log.term_at(prev.index);
            let mut at = (known.is_some_and(|term| term != prev.term)).then_some(prev.index);
            // Indexes are in sequence, so this looks at the entries up to `commit` only; mostly
            // there are no such entries.
            for entry in m.entries.iter().take((commit - prev.index) as usize) {
                if self.log.term_at(entry.index).is_some_and(|term| term != entry.term) {
                    at = at.or(Some(entry.index));
                }
            }
            if let Some(index) = at {
                return Err(self.alarm(head, Reason::ConflictBelowCommit, index));
            }
        }
        self.check_append_room(m)
    }

    /// Checks that there is room for the entries before anything changes. A message refused here
    /// may be dropped or sent again.
    fn check_append_room(&mut self, m: &MessageView<'_>) -> Result<()> {
        self.log.reserve_view(&m.entries)?;
        let apart = || m.entries.iter().map(|entry| entry.record.len() + 16).sum();
        let bytes = m.entries.record_bytes().map_or_else(apart, <[u8]>::len);
        if bytes <= self.log.blocks.room() || m.head.index < self.log.commit {
            return Ok(());
        }
        let fresh = m.entries.iter().find(|entry| self.log.term_at(entry.index) != Some(entry.term));
        let Some(entry) = fresh else { return Ok(()) };
        // A record in a non-canonical encoding may grow by a few bytes when re-encoded.
        let grown = if m.entries.is_canonical() { 0 } else { 16 };
        let len = entry.record.len() + grown;
        if !self.log.can_ever_hold(len) {
            return Err(self.refuse_too_large(&m.head, entry.index, len));
        }
        self.log.make_room(len).map_err(|error| {
            self.refuse(&m.head, error, "recent_bytes is full of entries that are not durable or still viewed")
        })
    }

    /// Refuses an entry that the leader's wider limits allow. Without a larger recent log this node
    /// can never follow.
    #[cold]
    fn refuse_too_large(&mut self, head: &Head, index: u64, len: usize) -> Error {
        let limit = self.config.recent_bytes;
        self.ignore(head, Reason::LogFull);
        self.detail.set(format_args!(
            "the entry at index {index} takes {len} bytes, and recent_bytes ({limit}) has no room for it: give all members equal limits"
        ));
        Error::TooLarge
    }

    fn check_heartbeat(&mut self, head: &Head) -> Result<()> {
        self.check_second_leader(head)?;
        if head.commit > self.log.last() {
            return Err(self.alarm(head, Reason::CommitBeyondLog, head.commit));
        }
        Ok(())
    }

    /// Returns the configuration of a snapshot, if it is valid.
    pub fn check_snapshot(&mut self, m: &MessageView<'_>) -> Result<membership::Configuration> {
        let SnapshotView { index, conf, .. } = m.snapshot.unwrap_or_default();
        let restored = restored_view(&conf);
        match restored {
            Ok(conf) if !conf.voters.is_empty() && conf.members().count() <= self.config.max_peers as usize => Ok(conf),
            Err(membership::ChangeError::NoMemory) => Err(Error::NoMem),
            _ => Err(self.alarm(&m.head, Reason::SnapshotConf, index)),
        }
    }

    /// Checks that a snapshot up to a committed entry has the term of that entry.
    fn check_snapshot_place(&mut self, m: &MessageView<'_>) -> Result<()> {
        let SnapshotView { index, term, .. } = m.snapshot.unwrap_or_default();
        let other = index <= self.log.commit && self.log.term_at(index).is_some_and(|known| known != term);
        if other {
            return Err(self.alarm(&m.head, Reason::SnapshotConflict, index));
        }
        Ok(())
    }

    // ---- 2 the term gate

    /// Moves the node to a newer term if necessary. Returns whether the message is to be handled.
    fn pass_term_gate(&mut self, m: &MessageView<'_>) -> bool {
        let head = &m.head;
        if head.term == 0 || head.term == self.term {
            return !self.is_fenced(head);
        }
        if head.term < self.term {
            self.answer_older_term(head);
            return false;
        }
        let asks = matches!(head.kind, Kind::Vote | Kind::PreVote);
        if asks && m.context != TRANSFER_CONTEXT && self.leader_is_alive() {
            self.event(crate::event::EventKind::VoteRefused, Reason::LeaderAlive, head.from, head.index, head.term, 0);
            return false;
        }
        if self.is_fenced(head) {
            return false;
        }
        let keeps_term = head.kind == Kind::PreVote || (head.kind == Kind::PreVoteResp && !head.reject);
        if !keeps_term {
            let leads = matches!(head.kind, Kind::App | Kind::Heartbeat | Kind::Snap);
            self.become_follower(head.term, if leads { head.from } else { NONE }, Reason::HigherTerm);
        }
        true
    }

    /// Whether the fence refuses a vote. A node that just started has forgotten the leases that it
    /// granted, and votes for no node yet [D-05].
    fn is_fenced(&mut self, head: &Head) -> bool {
        let fenced = self.timers.fence > 0 && matches!(head.kind, Kind::Vote | Kind::PreVote);
        if fenced {
            self.event(crate::event::EventKind::VoteRefused, Reason::VoteFence, head.from, head.index, head.term, 0);
        }
        fenced
    }

    fn answer_older_term(&mut self, head: &Head) {
        use crate::config::Flags;
        // Without these flags, as in etcd's raft, a node of a higher term informs the leader by
        // campaigning. A node that the host does not let campaign cannot.
        let guarded = self.flag(Flags::CHECK_QUORUM) || self.flag(Flags::PRE_VOTE) || !self.election.electable;
        match head.kind {
            // Votes are refused while the old leader is alive, so the leader would never learn of
            // the newer term (etcd-raft's Step).
            Kind::Heartbeat | Kind::App if guarded => self.send_append_resp(head.from, 0),
            // Without an answer, a group that turns on pre-vote node by node could deadlock [E-01].
            Kind::PreVote => self.refuse_vote(head, Kind::PreVoteResp, Reason::LowerTerm),
            _ => self.ignore(head, Reason::LowerTerm),
        }
    }

    // ---- 3 the table

    fn dispatch(&mut self, m: &MessageView<'_>) -> Result<()> {
        use Role::{Candidate, Follower, Leader, PreCandidate};
        let head = &m.head;
        match (head.kind, self.role) {
            (Kind::Vote | Kind::PreVote, _) => self.on_vote_request(m),
            (Kind::VoteResp | Kind::PreVoteResp, _) => self.on_vote_resp(m),

            (Kind::App, Follower) => return self.on_append(m),
            (Kind::Heartbeat, Follower) => self.on_heartbeat(m),
            (Kind::Snap, Follower) => return self.on_snapshot(m),
            (Kind::App | Kind::Heartbeat | Kind::Snap, Candidate | PreCandidate) => {
                self.become_follower(head.term, head.from, Reason::None);
                return self.dispatch(m);
            }
            // Refused by `validate` already.
            (Kind::App | Kind::Heartbeat | Kind::Snap, Leader) => self.ignore(head, Reason::SecondLeader),

            (Kind::AppResp, Leader) => self.on_append_resp(head),
            (Kind::HeartbeatResp, Leader) => self.on_heartbeat_resp(m),
            (Kind::AppResp | Kind::HeartbeatResp, _) => self.ignore(head, Reason::NotLeader),

            (Kind::Prop, Leader) => return self.on_forwarded_proposal(m),
            (Kind::Prop, Follower) => return self.forward_proposal(m),
            (Kind::Prop, _) => return Err(self.refuse(head, Error::NoLeader, "no leader is known")),

            (Kind::ReadIndex, Leader) => return self.on_read_index(m),
            (Kind::ReadIndex, Follower) => self.forward_read(m),
            (Kind::ReadIndex, _) => self.ignore(head, Reason::NoLeader),
            (Kind::ReadIndexResp, Follower) => self.on_read_index_resp(m),
            (Kind::ReadIndexResp, _) => self.ignore(head, Reason::LateReadAnswer),

            (Kind::TransferLeader, Leader) => self.on_transfer_request(head.from),
            (Kind::TransferLeader, Follower) => self.forward_transfer(head.from),
            (Kind::TransferLeader, _) => self.ignore(head, Reason::NoLeader),
            (Kind::TimeoutNow, Follower) => self.on_timeout_now(head),
            (Kind::TimeoutNow, _) => self.ignore(head, Reason::NotFollower),

            (
                Kind::Hup
                | Kind::Beat
                | Kind::Unreachable
                | Kind::SnapStatus
                | Kind::CheckQuorum
                | Kind::StorageAppend
                | Kind::StorageAppendResp
                | Kind::StorageApply
                | Kind::StorageApplyResp
                | Kind::ForgetLeader,
                _,
            ) => return Err(self.refuse(head, Error::NotForMe, "its kind never comes from a peer")),
        }
        Ok(())
    }
}

/// A message from further ahead is not from this group. A single forged message must not exhaust
/// the terms [E-16].
const MAX_TERM_JUMP: u64 = 1 << 32;

/// Longest context of a message, bytes. Real contexts are far shorter.
const MAX_CONTEXT: usize = 64 << 10;

/// Whether the snapshot is valid: it covers an entry, of a term that the sender has seen.
fn is_snapshot(m: &MessageView<'_>) -> bool {
    m.snapshot.is_some_and(|snapshot| snapshot.index > 0 && (1..=m.head.term).contains(&snapshot.term))
}

/// Whether the entries follow the entry before them. Indexes are in sequence, and terms neither
/// fall nor exceed the message's term.
#[inline]
fn is_append(m: &MessageView<'_>) -> bool {
    let head = &m.head;
    if m.entries.is_empty() {
        return head.log_term <= head.term;
    }
    let (first, last) = (m.entries.first(), m.entries.last());
    first.1 == head.index + 1
        && first.0 >= head.log_term
        && first.0 > 0
        && last.0 <= head.term
        && m.entries.is_sequence()
}
