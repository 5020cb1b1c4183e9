//! What a host may ask of a leader, peer by peer: the window, the commit group, the promotion of a
//! learner; and the snapshot that a peer has asked for itself.
//!
//! Invariant: all of this is off at first, and then changes nothing.
//!
//! Sources: raft-rs 0.7 (group commit, requested snapshots); openraft (learners promoted when caught
//! up).

use super::Raft;
use super::replication::Empty;
use crate::peers::progress::Flow;
use crate::quorum::grouped_committed;
use crate::types::{Change, ChangeKind, EntryKind, NodeId, Role};
use crate::wire;

impl Raft {
    /// Sets the window of a peer. A window that opens lets the peer have entries at once.
    pub fn set_window(&mut self, id: NodeId, max_msgs: u32, max_bytes: u64) {
        let Some(at) = self.peers.position(id) else { return };
        let Some(peer) = self.peers.at_mut(at) else { return };
        let was_shut = peer.window.is_shut();
        peer.window.set_limits(max_msgs, max_bytes);
        if was_shut && max_msgs > 0 && self.role == Role::Leader && id != self.id {
            peer.paused = peer.window.is_full() || peer.flow == Flow::Probe && peer.paused;
            self.send_append(at, Empty::Asks);
        }
    }

    /// Proposes a learner as a voter, if the host has asked for the promotion and the learner has
    /// caught up. One promotion at a time.
    pub fn promote_caught_up(&mut self) {
        if self.reconfig.pending_index > self.log.applied || self.conf.is_joint() {
            return;
        }
        let (last, lack) = (self.log.last(), self.config.caught_up_entries);
        let ready = self.peers.iter().find(|peer| peer.promote && peer.is_learner && peer.is_caught_up(last, lack));
        let Some(id) = ready.map(|peer| peer.id) else { return };
        let mut data = [0; 32];
        let change = Change { kind: ChangeKind::AddNode, id };
        let len = wire::write_change_v1(self.config.dialect, &mut data, change, &[]);
        // A refusal, for instance during a transfer, is tried again at the next tick.
        _ = self.propose_change(EntryKind::ConfChange, data.get(..len).unwrap_or(&[]), 0);
    }

    /// Counts anew after a change of the commit groups.
    pub fn on_commit_groups(&mut self) {
        self.group_commit = self.peers.iter().any(|peer| peer.group > 0);
        if self.role == Role::Leader && self.maybe_commit() {
            self.release_pending_reads();
            self.broadcast_commit();
        }
    }

    /// Commits what a quorum has stored in at least two groups (raft-rs's group commit).
    #[cold]
    pub fn maybe_commit_by_groups(&mut self) -> bool {
        let (voters, outgoing) = (self.conf.voters.as_slice(), self.conf.outgoing.as_slice());
        let stored = |id| self.peers.get(id).map(|peer| (peer.matched, peer.group));
        let index = grouped_committed(voters, stored).min(grouped_committed(outgoing, stored));
        if index <= self.log.commit || self.log.term_at(index) != Some(self.term) {
            return false;
        }
        self.commit_to(index);
        true
    }

    /// Opens the fetch of a snapshot that the peer asked for, once the log is committed up to the
    /// index that the snapshot must cover.
    #[cold]
    pub fn send_wanted_snapshot(&mut self, at: usize) -> bool {
        let commit = self.log.commit;
        let Some(peer) = self.peers.at_mut(at) else { return false };
        // A snapshot below the peer's matched index would set the peer back [L-04].
        peer.wants_snapshot = peer.wants_snapshot.max(peer.matched);
        if peer.wants_snapshot > commit {
            return false;
        }
        peer.next = peer.wants_snapshot + 1;
        self.ask_for_snapshot(at, false)
    }
}
