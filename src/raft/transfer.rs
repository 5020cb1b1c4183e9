//! Leadership transfer: bring the target up to date, then tell it to campaign at once.
//!
//! Invariants: proposals are refused meanwhile; it ends by the election timeout [D-09]; the lease is given up before TimeoutNow leaves
//! and stays given up for the rest of the term, since that message may arrive at any time [D-04]; a target that is caught up only by a
//! snapshot on its way is not told [D-11].
//! Sources: diss. §3.10; departures: `docs/departures.md`.

use super::Raft;
use super::election::Campaign;
use super::replication::Empty;
use crate::config::Flags;
use crate::error::{Error, Result};
use crate::event::{EventKind, Reason};
use crate::outbox::OutMessage;
use crate::types::{EntryId, MessageKind, NONE, NodeId, Role};
use crate::wire::Head;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transfer {
    /// Who is to lead; 0: nobody, no transfer is under way. Only a leader's is not 0.
    pub target: NodeId,
    /// TimeoutNow was sent in this term: no lease any more.
    pub lease_given_up: bool,
}

impl Raft {
    /// Asked by the host. On a follower it is passed on to the leader.
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

    /// The voter, alive, whose log is furthest; the lowest id among equals. 0: there is none.
    fn best_successor(&self) -> NodeId {
        let fits = self.peers.iter().filter(|peer| {
            peer.id != self.id && !peer.is_learner && peer.recent_active && self.conf.voters.contains(peer.id)
        });
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

    /// The target may have everything now.
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

    /// A leader whose own change removed it may hand over before it steps down.
    pub fn nominate_successor(&mut self) {
        if self.flag(Flags::NOMINATE_SUCCESSOR) {
            match self.best_successor() {
                NONE => {}
                to => self.send_timeout_now(to),
            }
        }
    }

    // ---- elsewhere

    /// As in etcd's raft, `from` names the target.
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
