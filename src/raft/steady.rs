//! The fast path for a group at work: appends at the end of the log, and acknowledgements.
//!
//! The general path (`step`) validates the whole message, then compares terms, then finds the
//! handler. For a message of the usual form a few comparisons with the node's state prove as much.
//! The fast path compares everything before it changes anything. If a comparison fails, the message
//! takes the general path.
//!
//! The fast path adds no rule of the protocol: the handlers in `replication` do the work. The tests
//! in `api/steady` compare the two paths: a message with another encoding and equal meaning must
//! leave an equal node.

use super::Raft;
use crate::types::{NONE, NodeId, Role};
use crate::wire::steady::{self, Append, Receiver};

impl Raft {
    /// Takes a message of a peer, as `step` does. Returns `false` if nothing was done; the caller
    /// then uses `step`.
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

    /// Handles the acknowledgement of entries from this node.
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

    /// Handles an append from the known leader. The leader's first message of this term was fully
    /// validated.
    #[inline(always)]
    fn hear_append(&mut self, peer: NodeId, bytes: &[u8], to: Receiver) -> bool {
        let Some(m) = steady::read_append(bytes, to) else { return false };
        if m.from != self.leader || m.from == NONE || (peer != NONE && peer != m.from) || self.wanted.open {
            return false;
        }
        if m.records.is_empty() { self.hear_commit(&m) } else { self.follow_on(&m) }
    }

    /// Handles an append without entries, which carries the commit index.
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

    /// Handles an append of entries that follow this log's last entry and have the last entry's
    /// term. Takes as many entries as there is room for.
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
