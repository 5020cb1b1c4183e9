//! What must hold after every step, over all history and all lives of all nodes.

use crate::host::{Disk, Heard, Packet};
use raftcore::*;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Open,
    Committed(u64),
    NotCommitted,
    Unknown,
    /// Its node died first.
    Lost,
}

#[derive(Debug, Default)]
pub struct Checker {
    /// Every entry that was applied anywhere.
    pub committed: BTreeMap<u64, (u64, Vec<u8>, u64)>,
    leaders: BTreeMap<u64, u64>,
    pub proposals: BTreeMap<u64, (Vec<u8>, Outcome)>,
    committed_data: BTreeMap<Vec<u8>, u64>,
    /// Reads: what was acknowledged to clients when each began; gone once answered.
    pub reads: BTreeMap<u64, u64>,
    pub acknowledged: u64,
    /// (term, commit) of each node's life.
    marks: BTreeMap<(u64, u64), (u64, u64)>,
    pub seen: BTreeSet<&'static str>,
}

impl Checker {
    /// What one node did.
    pub fn heard(&mut self, node: u64, heard: Vec<Heard>) {
        for what in heard {
            match what {
                Heard::Applied { index, term, data, hash } => self.applied(node, index, term, data, hash),
                Heard::Installed { index, hash } => {
                    self.seen.insert("snapshot installed");
                    if let Some((_, _, known)) = self.committed.get(&index) {
                        assert_eq!(*known, hash, "state machine safety: node {node} installs another state at {index}");
                    }
                }
                Heard::Committed { token, index } => self.committed(node, token, index),
                Heard::Dropped { token, what } => self.dropped(node, token, what),
                Heard::Read { token, index, applied } => {
                    let began = self.reads.remove(&token).expect("a read is answered once");
                    assert!(
                        index >= began,
                        "stale read: node {node} answers at {index}, {began} was acknowledged before"
                    );
                    let _ = applied;
                    self.seen.insert("read answered");
                }
            }
        }
    }

    fn applied(&mut self, node: u64, index: u64, term: u64, data: Vec<u8>, hash: u64) {
        match self.committed.get(&index) {
            Some(known) => {
                let mine = (term, &data, hash);
                assert_eq!((known.0, &known.1, known.2), mine, "state machine safety: node {node} at {index}");
            }
            None => {
                if let Some(token) = data.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes) {
                    let twice = self.committed_data.insert(data.clone(), index);
                    // One that was passed on may arrive twice: what happens to it is said to be unknown.
                    let own = self.proposals.get(&token).is_some_and(|(d, o)| *d == data && *o != Outcome::Unknown);
                    assert!(twice.is_none() || !own, "{data:?} is committed at {twice:?} and {index}");
                    let refuted = self.proposals.values().any(|(d, o)| *d == data && *o == Outcome::NotCommitted);
                    assert!(!refuted, "{data:?} was said not to be committed, and is, at {index}");
                }
                self.committed.insert(index, (term, data, hash));
            }
        }
    }

    fn committed(&mut self, node: u64, token: u64, index: u64) {
        let (data, outcome) = self.proposals.get_mut(&token).expect("a token that was given");
        assert_eq!(*outcome, Outcome::Open, "token {token} of node {node} comes back twice");
        *outcome = Outcome::Committed(index);
        if let Some((_, known, _)) = self.committed.get(&index) {
            assert_eq!(known, data, "token {token} comes back with another's entry");
        }
        self.acknowledged = self.acknowledged.max(index);
        self.seen.insert("proposal acknowledged");
    }

    fn dropped(&mut self, node: u64, token: u64, what: DropKind) {
        if what == DropKind::Read {
            self.reads.remove(&token).expect("a read fails once");
            self.seen.insert("read failed");
            return;
        }
        let (data, outcome) = self.proposals.get_mut(&token).expect("a token that was given");
        assert_eq!(*outcome, Outcome::Open, "token {token} of node {node} comes back twice");
        if what == DropKind::NotCommitted {
            assert!(!self.committed_data.contains_key(data), "{data:?} is committed");
            *outcome = Outcome::NotCommitted;
            self.seen.insert("proposal overwritten");
        } else {
            *outcome = Outcome::Unknown;
        }
    }

    /// A message enters the network: what it says must be on its sender's disk.
    pub fn leaves(&mut self, packet: &Packet, disk: &Disk) {
        let m = wire::parse_message(&packet.bytes).expect("what a node sends can be read");
        let head = m.head;
        let held = disk.state;
        match head.kind {
            MessageKind::AppResp if !head.reject => {
                // Of an older term it counts for nothing: what it speaks of may have been overwritten before it was ever stored.
                let stale = head.term < held.term;
                assert!(
                    stale || head.index <= disk.last().index,
                    "{} acknowledges {} with a log to {}",
                    packet.from,
                    head.index,
                    disk.last().index
                );
                assert!(
                    head.term <= held.term,
                    "{} speaks in term {}, its disk says {}",
                    packet.from,
                    head.term,
                    held.term
                );
            }
            MessageKind::VoteResp if !head.reject => {
                let voted = held.term > head.term || (held.term == head.term && held.vote == head.to);
                assert!(voted, "{} votes for {} in term {}, its disk says {held:?}", packet.from, head.to, head.term);
            }
            MessageKind::Vote => {
                let own = held.term > head.term || (held.term == head.term && held.vote == packet.from);
                assert!(own, "{} asks for votes in term {}, its disk says {held:?}", packet.from, head.term);
                self.seen.insert("vote asked");
            }
            MessageKind::Snap => _ = self.seen.insert("snapshot sent"),
            MessageKind::ReadIndex => _ = self.seen.insert("read forwarded"),
            MessageKind::TimeoutNow => _ = self.seen.insert("transfer"),
            _ => {}
        }
    }

    /// After every call.
    pub fn node(&mut self, node: &Node, life: u64, disk: &Disk) {
        assert!(!node.is_poisoned(), "node {} is poisoned: {}", node.status().id, node.error_detail());
        let s = node.status();
        let marks = self.marks.entry((s.id, life)).or_default();
        assert!(s.term >= marks.0 && s.commit >= marks.1, "node {} fell back: {marks:?} to {s:?}", s.id);
        *marks = (s.term, s.commit);
        assert!(s.applied <= s.commit && s.commit <= s.last_index, "{s:?}");
        if s.role != Role::Leader {
            return;
        }
        let known = *self.leaders.entry(s.term).or_insert(s.id);
        assert_eq!(known, s.id, "election safety: two leaders in term {}", s.term);
        let _ = disk;
        // Leader completeness: whatever is committed anywhere is in its log, of the same term.
        let runs = node.term_runs();
        let newest = self.committed.range(..=s.last_index).next_back();
        if let Some((&last, _)) = self.committed.last_key_value() {
            let term = self.committed[&last].0;
            assert!(
                last <= s.last_index || term > s.term,
                "leader completeness: {} leads term {} to {}, {last} of term {term} is committed",
                s.id,
                s.term,
                s.last_index
            );
        }
        if let Some((&index, &(term, _, _))) = newest.filter(|(index, _)| **index >= s.first_index) {
            let run = runs.iter().rev().find(|run| run.first <= index).expect("a run covers it");
            assert!(
                run.term == term || term > s.term,
                "leader completeness: {} has term {} at {index}, {term} is committed",
                s.id,
                run.term
            );
        }
    }
}
