//! The role of a node, and time, which is ticks. Only this file writes role, term, vote and leader.
//!
//! Here are the transitions, the election timeout, and the work of a tick in each role.
//!
//! Invariants: a vote is forgotten only with its term [E-06]. The term never falls.
//!
//! Sources: paper figure 2, rules for servers; diss. §3.4, §6.2 (check quorum), §9.6 (pre-vote).

use super::Raft;
use super::election::Campaign;
use super::snapshots::Wanted;
use crate::config::Flags;
use crate::event::{EventKind, Reason};
use crate::types::{Index, NONE, NodeId, Role, Term};
use crate::wire::steady::address;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timers {
    /// Ticks since the node heard a leader or granted a vote; at a leader, since the quorum check.
    pub election_elapsed: u32,
    pub heartbeat_elapsed: u32,
    /// Drawn anew at each change of role: at least `election_ticks`, less than twice as much.
    pub election_timeout: u32,
    /// Ticks without a known leader.
    pub leaderless: u32,
    /// Ticks left during which this node grants no vote, after a boot [D-05].
    pub fence: u32,
    /// Ticks left during which a leader's lease may rest on this node's answers.
    pub lease: u32,
    /// Ticks since this leader's disk last progressed, while entries wait to be written.
    pub own_write: u32,
    /// The durable index at the last tick.
    pub own_durable: Index,
    /// Ticks for which a leader of a lower priority led this follower.
    pub outranked: u32,
}

impl Raft {
    pub fn reset_election_timeout(&mut self) {
        self.timers.election_timeout = self.config.election_ticks + self.rng.below(self.config.jitter());
    }

    #[inline]
    fn set_leader(&mut self, leader: NodeId) {
        if self.leader != leader {
            self.change_leader(leader);
        }
        if leader != 0 {
            self.timers.leaderless = 0;
        }
    }

    #[cold]
    fn change_leader(&mut self, leader: NodeId) {
        self.leader = leader;
        self.fail_forwarded_reads(Reason::LeaderChanged);
    }

    /// Forgets everything that a change of role or term invalidates.
    fn reset(&mut self, term: Term) {
        if self.term != term {
            self.term = term;
            self.address = address(self.id, term);
            self.vote = 0;
        }
        self.set_leader(0);
        self.timers.election_elapsed = 0;
        self.timers.heartbeat_elapsed = 0;
        self.timers.own_write = 0;
        self.reset_election_timeout();
        self.end_transfer(Reason::LeadershipLost);
        let (id, last) = (self.id, self.log.last());
        for peer in self.peers.iter_mut() {
            peer.reset(last + 1);
            if peer.id == id {
                peer.matched = last;
            }
        }
        self.forget_asks();
        self.reconfig.pending_index = 0;
        self.reconfig.retire_at = 0;
        self.reconfig.uncounted = false;
        self.proposals.uncommitted = 0;
        self.log.evicted_payload = 0;
        self.fail_led_reads();
    }

    pub fn become_follower(&mut self, term: Term, leader: NodeId, reason: Reason) {
        self.reset(term);
        self.set_leader(leader);
        self.role = Role::Follower;
        self.event(EventKind::BecameFollower, reason, leader, 0, 0, 0);
    }

    pub fn become_candidate(&mut self) {
        self.reset(self.term + 1);
        self.wanted = Wanted::default();
        self.vote = self.id;
        self.role = Role::Candidate;
        self.event(EventKind::BecameCandidate, Reason::None, 0, 0, 0, 0);
    }

    /// Becomes a pre-candidate. Term and vote stay, since nothing is promised yet [E-04]. The
    /// leader is forgotten, so that two nodes can still elect [E-02].
    pub fn become_pre_candidate(&mut self) {
        for peer in self.peers.iter_mut() {
            peer.vote = None;
        }
        self.set_leader(0);
        self.role = Role::PreCandidate;
        self.event(EventKind::BecamePreCandidate, Reason::None, 0, 0, 0, 0);
    }

    pub fn become_leader(&mut self) {
        self.reset(self.term);
        self.set_leader(self.id);
        self.role = Role::Leader;
        self.election.led_term = self.term;
        let id = self.id;
        if let Some(own) = self.peers.get_mut(id) {
            own.become_replicate();
            own.recent_active = true;
        }
        self.transfer.lease_given_up = false;
        self.apply.told_ready = false;
        // A change in the log may be in force soon, whoever proposed it. No change is added before
        // all entries of the log are applied [M-06, M-07].
        self.reconfig.pending_index = self.log.last();
        self.event(EventKind::BecameLeader, Reason::None, 0, self.log.last() + 1, 0, 0);
        self.append_first_of_term();
    }

    /// Records that the node heard the leader.
    #[inline]
    pub fn hear_leader(&mut self, leader: NodeId) {
        self.timers.election_elapsed = 0;
        self.timers.lease = self.config.election_ticks;
        self.set_leader(leader);
    }

    pub fn forget_leader_now(&mut self) {
        self.set_leader(0);
    }

    pub fn grant_vote(&mut self, to: NodeId) {
        self.timers.election_elapsed = 0;
        self.vote = to;
        self.timers.outranked = 0;
    }

    /// Restores term and vote at boot.
    pub fn load(&mut self, term: Term, vote: NodeId) {
        (self.term, self.vote) = (term, vote);
        self.address = address(self.id, term);
    }

    /// Whether votes are refused because the leader is alive. A removed or returning node thus
    /// cannot depose the leader (diss. §6.2).
    pub fn leader_is_alive(&self) -> bool {
        self.is_bound_by_lease()
            || self.flag(Flags::CHECK_QUORUM)
                && self.leader != 0
                && self.timers.election_elapsed < self.config.election_ticks
    }

    /// Whether a lease forbids a vote. With lease reads, a node that answered a leader votes for no
    /// other node for an election timeout. The rule holds even if the node forgot the leader, by a
    /// campaign or a request to campaign, or forgot everything, by a restart [D-05, E-18].
    pub fn is_bound_by_lease(&self) -> bool {
        let strict = self.flag(Flags::LEASE_READS) && !self.flag(Flags::LEASE_IN_TRANSFER);
        strict && (self.timers.lease > 0 || self.timers.fence > 0)
    }

    // ---- time

    pub fn tick(&mut self) {
        self.timers.fence = self.timers.fence.saturating_sub(1);
        self.timers.lease = self.timers.lease.saturating_sub(1);
        self.tick_reads();
        self.tick_own_log();
        self.tick_wanted();
        if self.role == Role::Leader { self.tick_leader() } else { self.tick_follower() }
    }

    fn tick_follower(&mut self) {
        self.timers.election_elapsed = self.timers.election_elapsed.saturating_add(1);
        if self.leader == 0 {
            self.timers.leaderless = self.timers.leaderless.saturating_add(1);
            if self.timers.leaderless.is_multiple_of(self.config.or_ten_elections(self.config.no_leader_ticks)) {
                let ticks = u64::from(self.timers.leaderless);
                self.event(EventKind::NoLeaderLong, Reason::NoLeader, 0, 0, ticks, 0);
            }
        }
        self.tick_outranked();
        if self.is_promotable() && self.timers.election_elapsed >= self.timers.election_timeout {
            self.timers.election_elapsed = 0;
            self.start_campaign(Campaign::usual(self.flag(Flags::PRE_VOTE)));
        }
    }

    fn tick_leader(&mut self) {
        self.timers.heartbeat_elapsed += 1;
        self.timers.election_elapsed += 1;
        if self.timers.election_elapsed >= self.config.election_ticks {
            self.timers.election_elapsed = 0;
            if self.flag(Flags::CHECK_QUORUM) {
                self.check_quorum();
            }
            if self.role == Role::Leader {
                self.end_transfer(Reason::TransferDeadline);
            }
        }
        self.tick_own_write();
        if self.role != Role::Leader {
            return;
        }
        self.tick_peers();
        self.promote_caught_up();
        if !self.flag(Flags::REFUSED_CONF_AS_EMPTY) && self.transfer.target == 0 {
            // Leaving the joint configuration is due again if it was refused, for instance during a
            // transfer. etcd waits until the next entry is applied.
            self.leave_joint_if_due();
        }
        if self.timers.heartbeat_elapsed >= self.config.heartbeat_ticks {
            self.timers.heartbeat_elapsed = 0;
            self.tick_heartbeat();
        }
    }

    /// Asks for leadership, if this follower outranks its leader for an election timeout, with the
    /// whole log.
    fn tick_outranked(&mut self) {
        let outranks = self.flag(Flags::YIELD_TO_PRIORITY)
            && self.role == Role::Follower
            && self.leader != NONE
            && i64::from(self.election.priority) > self.election.leader_priority
            && self.log.commit == self.log.last()
            && self.is_promotable();
        self.timers.outranked = if outranks { self.timers.outranked + 1 } else { 0 };
        if self.timers.outranked >= self.config.election_ticks {
            self.timers.outranked = 0;
            self.forward_transfer(self.id);
        }
    }

    /// Steps down if this leader's disk makes no progress. Otherwise the followers would still hear
    /// the leader, and the group would commit without its disk, or not at all.
    ///
    /// Sources: hashicorp/raft#683, etcd#15247.
    fn tick_own_write(&mut self) {
        let (limit, durable) = (self.config.own_write_timeout_ticks, self.log.durable);
        if limit == 0 || durable >= self.log.last() || durable != self.timers.own_durable {
            (self.timers.own_write, self.timers.own_durable) = (0, durable);
            return;
        }
        self.timers.own_write += 1;
        if self.role == Role::Leader && self.timers.own_write >= limit {
            self.become_follower(self.term, NONE, Reason::OwnWrite);
        }
    }

    /// Returns the ticks until `tick` has work; `u32::MAX` if nothing is due at present.
    pub fn ticks_until_due(&self) -> u32 {
        let timers = &self.timers;
        let mut due = self.reads_due();
        if self.role == Role::Leader {
            due = due.min(self.config.heartbeat_ticks - timers.heartbeat_elapsed.min(self.config.heartbeat_ticks));
            due = due.min(self.config.election_ticks - timers.election_elapsed.min(self.config.election_ticks));
        } else if self.is_promotable() {
            due = due.min(timers.election_timeout - timers.election_elapsed.min(timers.election_timeout));
        }
        if timers.fence > 0 {
            due = due.min(timers.fence);
        }
        if self.own_log.later {
            due = 1;
        }
        due.max(1)
    }
}
