//! Who a node is: the only writer of role, term, vote and leader; and time, which is ticks.
//!
//! Here: the transitions, the election timeout, what a tick does in each role.
//! Invariants: a vote is forgotten only with its term [E-06]; the term never falls.
//! Sources: paper figure 2, rules for servers; diss. §3.4, §6.2 (check quorum), §9.6 (pre-vote).

use super::Raft;
use super::election::Campaign;
use crate::config::Flags;
use crate::event::{EventKind, Reason};
use crate::types::{Index, NONE, NodeId, Role, Term};
use crate::wire::steady::address;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timers {
    /// Ticks since a leader was heard, a vote granted, or (leading) the quorum checked.
    pub election_elapsed: u32,
    pub heartbeat_elapsed: u32,
    /// Drawn anew at each change of role: `election_ticks` to twice that, less one.
    pub election_timeout: u32,
    /// Ticks without a known leader.
    pub leaderless: u32,
    /// Ticks in which no vote is granted yet [D-05].
    pub fence: u32,
    /// Ticks until no lease can rest on this node's answers any more.
    pub lease: u32,
    /// Ticks in which this leader's own writes have made nothing durable, though there is something to write.
    pub own_write: u32,
    /// What was durable at the last tick.
    pub own_durable: Index,
}

impl Raft {
    pub fn reset_election_timeout(&mut self) {
        let base = self.config.election_ticks;
        self.timers.election_timeout = base + self.rng.below(base);
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
        self.who_changed = true;
        self.leader = leader;
        self.fail_forwarded_reads(Reason::LeaderChanged);
    }

    /// Everything that a change of role or term forgets.
    fn reset(&mut self, term: Term) {
        self.who_changed = true;
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
        self.vote = self.id;
        self.role = Role::Candidate;
        self.event(EventKind::BecameCandidate, Reason::None, 0, 0, 0, 0);
    }

    /// Term and vote stay: nothing is promised yet [E-04]. The leader is forgotten, so that two nodes can still elect [E-02].
    pub fn become_pre_candidate(&mut self) {
        for peer in self.peers.iter_mut() {
            peer.vote = None;
        }
        self.set_leader(0);
        self.who_changed = true;
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
        // Any change in the log may be in force soon, whoever proposed it: none is added before all of them are applied [M-06, M-07].
        self.reconfig.pending_index = self.log.last();
        self.event(EventKind::BecameLeader, Reason::None, 0, self.log.last() + 1, 0, 0);
        self.append_first_of_term();
    }

    /// A leader is heard: it is known, and alive.
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
        self.who_changed = true;
        self.vote = to;
    }

    /// Restores term and vote at boot.
    pub fn load(&mut self, term: Term, vote: NodeId) {
        self.who_changed = true;
        (self.term, self.vote) = (term, vote);
        self.address = address(self.id, term);
    }

    /// A vote is refused while a leader is alive, so that a removed or returning node can't depose it (diss. §6.2).
    pub fn leader_is_alive(&self) -> bool {
        self.is_bound_by_lease()
            || self.flag(Flags::CHECK_QUORUM)
                && self.leader != 0
                && self.timers.election_elapsed < self.config.election_ticks
    }

    /// With lease reads a node that answered a leader votes for nobody else for an election timeout, whatever it has forgotten since:
    /// who leads (it campaigned, or was told to), or everything (it has just started) [D-05, E-18].
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
        if self.role == Role::Leader { self.tick_leader() } else { self.tick_follower() }
    }

    fn tick_follower(&mut self) {
        self.timers.election_elapsed = self.timers.election_elapsed.saturating_add(1);
        if self.leader == 0 {
            self.timers.leaderless = self.timers.leaderless.saturating_add(1);
            if self.timers.leaderless.is_multiple_of(10 * self.config.election_ticks) {
                let ticks = u64::from(self.timers.leaderless);
                self.event(EventKind::NoLeaderLong, Reason::NoLeader, 0, 0, ticks, 0);
            }
        }
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
        if !self.flag(Flags::REFUSED_CONF_AS_EMPTY) && self.transfer.target == 0 {
            // One that was refused, during a transfer for instance, is due again. etcd waits for the next entry to be applied.
            self.leave_joint_if_due();
        }
        if self.timers.heartbeat_elapsed >= self.config.heartbeat_ticks {
            self.timers.heartbeat_elapsed = 0;
            self.broadcast_heartbeat();
        }
    }

    /// A leader whose disk stands still would be heard, and its group would commit without it, or not at all: another shall lead.
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

    /// Ticks until `tick` will do something by itself; `u32::MAX`: never, as things are.
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
