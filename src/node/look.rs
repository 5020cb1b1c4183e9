//! Inspection of a node: status, peers, events, digest, detail. Nothing here changes the node's
//! behaviour.

use super::Node;
use crate::config::Config;
use crate::digest;
use crate::event::Event;
use crate::status::{PeerStatus, Status};
use crate::types::Role;

impl Node {
    /// Returns the node's state.
    pub fn status(&self) -> Status {
        let (raft, log) = (&self.raft, &self.raft.log);
        let lowest =
            raft.peers.iter().filter(|p| raft.role == Role::Leader && p.id != raft.id).map(|p| p.matched).min();
        Status {
            id: raft.id,
            group: raft.config.group,
            role: raft.role,
            term: raft.term,
            vote: raft.vote,
            commit: log.commit,
            applied: log.applied,
            durable: if log.snapshot.is_some() { log.applied } else { log.durable },
            leader: raft.leader,
            transferee: raft.transfer.target,
            first_index: log.first(),
            last_index: log.last(),
            last_term: log.last_id().term,
            recent_first: log.recent_first(),
            safe_to_compact: lowest.unwrap_or(log.applied).min(log.applied),
            memory_bytes: self.memory(),
            messages_dropped: raft.counters.messages_dropped,
            messages_refused: raft.counters.messages_refused,
            messages_ignored: raft.counters.messages_ignored,
            proposals_refused: raft.counters.proposals_refused,
            reads_failed: raft.counters.reads_failed,
            events_lost: raft.counters.events_lost,
            implausible: raft.counters.implausible,
            n_peers: raft.peers.len() as u32,
            n_outstanding: self.readies.len() as u32,
            promotable: raft.is_promotable(),
            electable: raft.election.electable,
            election_elapsed: raft.timers.election_elapsed,
            election_timeout: raft.timers.election_timeout,
            n_reads: raft.reads.len() as u32,
            n_tokens: raft.tokens.waiting.len() as u32,
            last_ready: self.readies.last_number,
            late_ticks: raft.counters.late_ticks,
            apply_waits: raft.awaited_entry(),
        }
    }

    fn memory(&self) -> u64 {
        let raft = &self.raft;
        raft.log.memory()
            + raft.peers.memory()
            + raft.outbox.memory()
            + raft.blobs.bytes()
            + raft.tokens.memory()
            + raft.reads.memory()
            + self.readies.memory()
            + (raft.events.capacity() * size_of::<Event>()) as u64
            + size_of::<Self>() as u64
    }

    /// Returns every member's progress, by id.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = PeerStatus> + '_ {
        let (last, lack) = (self.raft.log.last(), self.raft.config.caught_up_entries);
        self.raft.peers.iter().map(move |peer| PeerStatus::of(peer, &self.raft.conf, last, lack))
    }

    /// Takes the oldest event that was not taken yet.
    pub fn next_event(&mut self) -> Option<Event> {
        self.raft.events.pop_front()
    }

    /// Returns a number that is equal for nodes with equal state. The history of a node does not
    /// count.
    ///
    /// Random values (election timeouts, nonces of reads) count only with `with_random`.
    pub fn digest(&self, with_random: bool) -> u64 {
        digest::of(&self.raft, &self.readies, with_random)
    }

    /// Returns a text with the numbers behind the last refused call.
    ///
    /// Empty if the error has no text, or if a later call succeeded. On a poisoned node: the cause
    /// of the poisoning.
    pub fn error_detail(&self) -> &str {
        self.raft.detail.as_str()
    }

    /// True if the node found a fault. Then only inspecting and freeing the node are useful.
    pub fn is_poisoned(&self) -> bool {
        self.raft.fault.is_some()
    }

    /// Poisons the node, because its caller found a fault.
    pub fn poison(&mut self, why: &str) {
        let first = self.raft.fault.is_none();
        self.raft.fault("its caller caught a panic");
        if first {
            self.raft.detail.set(format_args!("poisoned: {why}"));
        }
    }

    /// Returns the node's configuration settings.
    pub fn config(&self) -> &Config {
        &self.raft.config
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        digest::same(&self.raft, &self.readies, &other.raft, &other.readies)
    }
}

impl Eq for Node {}
