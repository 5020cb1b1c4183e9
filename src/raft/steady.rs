//! What a group at work is stepped with, in one go: appends that go on where the log ends, and their acknowledgements.
//!
//! The usual way looks at a whole message, then at its term, then for its handler (`step`). Where everything about a message is as it
//! nearly always is, a few comparisons with what the node knows say the same: some 400 instructions less a message. They change nothing
//! before all of them hold; a message for which one does not goes the usual way, which is the oracle of the tests (`api/steady`): a
//! message that is written another way and says the same must leave the same node.
//! Here is no rule of its own: what then happens, the handlers of `replication` do.

use super::Raft;
use crate::types::{NONE, NodeId, Role};
use crate::wire::steady::{self, Append, Receiver};

impl Raft {
    /// Takes a message of a peer, as `step` does. `false`: nothing was done, `step` is to look at it.
    #[inline]
    pub fn step_steady(&mut self, peer: NodeId, bytes: &[u8]) -> bool {
        debug_assert_eq!(self.address, steady::address(self.id, self.term));
        let to = Receiver { address: self.address, id: self.id, term: self.term };
        match self.role {
            Role::Leader => self.hear_ack(peer, bytes, to),
            Role::Follower => self.hear_append(peer, bytes, to),
            Role::Candidate | Role::PreCandidate => false,
        }
    }

    /// An acknowledgement of what this node has sent.
    #[inline(always)]
    fn hear_ack(&mut self, peer: NodeId, bytes: &[u8], to: Receiver) -> bool {
        let Some((from, index)) = steady::read_ack(bytes, to) else { return false };
        if index > self.log.last() || from == self.id || (peer != NONE && peer != from) {
            return false;
        }
        let Some(at) = self.peers.position(from) else { return false };
        self.on_acknowledged(at, index);
        true
    }

    /// An append of the leader of this term, whose message was looked at in whole when it became that.
    #[inline(always)]
    fn hear_append(&mut self, peer: NodeId, bytes: &[u8], to: Receiver) -> bool {
        let Some(m) = steady::read_append(bytes, to) else { return false };
        if m.from != self.leader || m.from == NONE || (peer != NONE && peer != m.from) {
            return false;
        }
        if m.records.is_empty() { self.hear_commit(&m) } else { self.follow_on(&m) }
    }

    /// An append without entries, which says how far is committed.
    #[inline]
    fn hear_commit(&mut self, m: &Append<'_>) -> bool {
        if m.index < self.log.commit || self.log.term_at(m.index) != Some(m.log_term) {
            return false;
        }
        self.hear_leader(m.from);
        self.commit_from_append(m.commit, m.index);
        if !m.reject {
            self.acknowledge_append(m.from, m.index);
        }
        true
    }

    /// An append whose entries are of the last one's term and follow it: those that there is room for are taken.
    #[inline]
    fn follow_on(&mut self, m: &Append<'_>) -> bool {
        let last = self.log.last_id();
        if m.index != last.index || m.log_term != last.term || self.log.terms.is_new(last.term) {
            return false;
        }
        if !self.log.append_records(m.records) {
            return false;
        }
        self.hear_leader(m.from);
        let last = self.log.last();
        self.commit_from_append(m.commit, last);
        self.acknowledge_append(m.from, last);
        true
    }
}
