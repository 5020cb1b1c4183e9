//! Leadership transfer: bring the target's log up to date, then request that it campaigns at once.
//!
//! Invariants: proposals are refused during a transfer. A transfer ends within the election timeout
//! [D-09]. The leader gives up the lease before TimeoutNow leaves, for the rest of the term, since
//! the message may arrive at any time [D-04]. A target whose log is not known to be complete gets
//! no TimeoutNow, even with a snapshot in flight [D-11].
//!
//! Sources: diss. §3.10; departures: `docs/departures.md`.

use super::Raft;
use super::election::Campaign;
use super::replication::Empty;
use crate::config::Flags;
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::outbox::OutMessage;
use crate::peers::progress::Progress;
use crate::types::{EntryId, MessageKind, NONE, NodeId, Role};
use crate::wire::Head;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transfer {
    /// The next leader; 0: no transfer is in progress. Only a leader has a target.
    pub target: NodeId,
    /// TimeoutNow was sent in this term, so the lease is given up.
    pub lease_given_up: bool,
}

impl Raft {
    /// Starts a transfer for the host. A follower forwards the request to the leader.
    pub fn transfer(&mut self, to: NodeId) -> Result<()> {
        let to = if to == NONE && self.role == Role::Leader { self.best_successor() } else { to };
        match self.role {
            Role::Leader => {
                let voter = self.peers.get(to).is_some_and(|peer| !peer.is_learner);
                if to == self.id || !voter {
                    self.detail.set(format_args!("node {to} can't be the target of a transfer: another voter can"));
                    return Err(Error::NoPeer);
                }
                self.on_transfer_request(to);
                Ok(())
            }
            Role::Follower if self.leader != NONE => {
                if to == NONE {
                    self.detail.set(format_args!("only the leader, {}, can choose: name the target", self.leader));
                    return Err(Error::NoPeer);
                }
                self.forward_transfer(to);
                Ok(())
            }
            _ => {
                self.detail.set(format_args!("no leader is known in term {}: retry later", self.term));
                Err(Error::NoLeader)
            }
        }
    }

    /// Returns the live voter with the furthest log, of equals the lowest id; 0: no such voter.
    fn best_successor(&self) -> NodeId {
        // The quorum check forgets who was active, so a peer also counts that was heard since.
        let patience = self.config.election_ticks;
        let lives = |peer: &Progress| peer.recent_active || (peer.matched > 0 && peer.silent_ticks < patience);
        let fits = self
            .peers
            .iter()
            .filter(|peer| peer.id != self.id && !peer.is_learner && lives(peer) && self.conf.voters.contains(peer.id));
        fits.max_by_key(|peer| (peer.matched, std::cmp::Reverse(peer.id))).map_or(NONE, |peer| peer.id)
    }

    // ---- at the leader

    pub fn on_transfer_request(&mut self, to: NodeId) {
        let Some(peer) = self.peers.get(to).filter(|peer| !peer.is_learner) else {
            return self.event(EventKind::TransferEnded, Reason::TransferTarget, to, 0, 0, 0);
        };
        let up_to_date = peer.matched == self.log.last();
        if self.transfer.target == to {
            return;
        }
        self.end_transfer(Reason::TransferAborted);
        if to == self.id {
            return self.event(EventKind::TransferEnded, Reason::TransferTarget, to, 0, 0, 0);
        }
        self.timers.election_elapsed = 0;
        self.transfer.target = to;
        self.event(EventKind::TransferStarted, Reason::None, to, 0, 0, 0);
        if up_to_date {
            self.send_timeout_now(to);
        } else if let Some(at) = self.peers.position(to) {
            self.send_append(at, Empty::Asks);
        }
    }

    /// Finishes the transfer if the target has the whole log.
    pub fn maybe_finish_transfer(&mut self, at: usize) {
        let Some(peer) = self.peers.at(at) else { return };
        if peer.id == self.transfer.target && peer.matched == self.log.last() {
            let to = peer.id;
            self.send_timeout_now(to);
        }
    }

    fn send_timeout_now(&mut self, to: NodeId) {
        self.transfer.lease_given_up = true;
        let mut head = self.head(MessageKind::TimeoutNow, to);
        if self.flag(Flags::TRANSFER_FENCE) {
            let last = self.log.last_id();
            (head.index, head.log_term) = (last.index, last.term);
        }
        self.send(OutMessage::new(head));
    }

    pub fn end_transfer(&mut self, reason: Reason) {
        let target = std::mem::replace(&mut self.transfer.target, NONE);
        if target != NONE {
            self.event(EventKind::TransferEnded, reason, target, 0, 0, 0);
        }
    }

    /// Hands over, if the flag NOMINATE_SUCCESSOR is set, before a removed leader steps down.
    pub fn nominate_successor(&mut self) {
        if self.flag(Flags::NOMINATE_SUCCESSOR) {
            match self.best_successor() {
                NONE => {}
                to => self.send_timeout_now(to),
            }
        }
    }

    // ---- elsewhere

    /// Forwards a transfer request to the leader. `from` names the target, as in etcd's raft.
    pub fn forward_transfer(&mut self, target: NodeId) {
        if self.leader != NONE {
            let head = Head { from: target, ..self.head(MessageKind::TransferLeader, self.leader) };
            self.send(OutMessage::new(head));
        }
    }

    pub fn on_timeout_now(&mut self, head: &Head) {
        let announced = EntryId { term: head.log_term, index: head.index };
        let last = self.log.last_id();
        let fences = self.flag(Flags::TRANSFER_FENCE);
        if fences && head.index != 0 && (announced > last || self.leader != head.from) {
            return self.ignore(head, Reason::TransferFence);
        }
        self.start_campaign(Campaign::Transfer);
    }
}
