//! The laws that hold after every call, over the whole history and all lives of all nodes.
//!
//! The functions take plain values, so that `teeth` can feed each law a bad state made by hand.

use crate::disk::{Disk, Record};
use crate::law::{Lawful, hold};
use raftcore::*;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A configuration, with sorted lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf {
    pub voters: Vec<u64>,
    pub outgoing: Vec<u64>,
    pub learners: Vec<u64>,
    pub learners_next: Vec<u64>,
}

impl Conf {
    pub fn read(bytes: &[u8]) -> Self {
        let Ok(view) = wire::parse_conf_state(bytes) else { return Self::default() };
        Self {
            voters: view.voters().collect(),
            outgoing: view.voters_outgoing().collect(),
            learners: view.learners().collect(),
            learners_next: view.learners_next().collect(),
        }
    }

    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    pub fn is_voter(&self, id: u64) -> bool {
        self.voters.contains(&id) || self.outgoing.contains(&id)
    }

    pub fn is_member(&self, id: u64) -> bool {
        self.is_voter(id) || self.learners.contains(&id) || self.learners_next.contains(&id)
    }

    pub fn members(&self) -> Vec<u64> {
        let mut all = [&self.voters[..], &self.outgoing, &self.learners, &self.learners_next].concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether the members for which `has` holds are a quorum of each half.
    pub fn is_quorum(&self, has: impl Fn(u64) -> bool) -> bool {
        let majority = |half: &[u64]| half.is_empty() || half.iter().filter(|&&id| has(id)).count() > half.len() / 2;
        !self.voters.is_empty() && majority(&self.voters) && majority(&self.outgoing)
    }

    fn halves(&self) -> impl Iterator<Item = &Vec<u64>> {
        [&self.voters, &self.outgoing].into_iter().filter(|half| !half.is_empty())
    }

    /// Whether every quorum of `self` shares a member with every quorum of `other`.
    pub fn meets(&self, other: &Self) -> bool {
        let meet = |a: &Vec<u64>, b: &Vec<u64>| {
            let union = a.len() + b.iter().filter(|id| !a.contains(id)).count();
            a.len() / 2 + 1 + b.len() / 2 + 1 > union
        };
        self.halves().any(|a| other.halves().any(|b| meet(a, b)))
    }
}

/// The parts of a sent message that the laws use.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub kind: MessageKind,
    pub from: u64,
    pub to: u64,
    pub term: u64,
    pub log_term: u64,
    pub index: u64,
    pub reject: bool,
}

#[derive(Clone, Copy, Debug)]
struct Committed {
    term: u64,
    /// Term of the node that first reported the commit.
    seen_in: u64,
}

/// The state of a node at the last look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    life: u64,
    pub term: u64,
    vote: u64,
    pub commit: u64,
    applied: u64,
    pub role: Role,
    /// At a leader: the log was compared with the committed entries up to here.
    complete: u64,
}

/// Findings of a look without a breach.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub leads_now: bool,
    pub commit_moved: bool,
}

#[derive(Debug, Default)]
pub struct Checker {
    leaders: BTreeMap<u64, u64>,
    /// By index: the committed entry, and the term of the first report.
    committed: Vec<Option<Committed>>,
    pub last_committed: u64,
    /// By index: all entries ever stored there, as (term, term before, hash).
    entries: Vec<Vec<(u64, u64, u64)>>,
    /// By index: the applied record, and the state machine's hash at that point.
    applied: Vec<Option<(Record, u64)>>,
    pub confs: BTreeMap<u64, (Rc<[u8]>, Conf)>,
    marks: BTreeMap<u64, Mark>,
    /// Highest index of a write that was acknowledged to a client.
    pub acknowledged: u64,
}

fn grow<T: Clone + Default>(list: &mut Vec<T>, index: u64) -> &mut T {
    let index = index as usize;
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    &mut list[index]
}

fn hash_of(record: &Record) -> u64 {
    let mut hash = record.kind as u64 ^ (record.data.len() as u64) << 8;
    for chunk in record.data.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    }
    hash
}

fn term_in(runs: &[TermRun], index: u64) -> u64 {
    runs.partition_point(|run| run.first <= index).checked_sub(1).map_or(0, |at| runs[at].term)
}

impl Checker {
    /// Starts with the founders' configuration.
    pub fn begin(&mut self, conf: &Rc<[u8]>) {
        self.confs.insert(1, (conf.clone(), Conf::read(conf)));
    }

    pub fn highest_term_led(&self) -> u64 {
        self.leaders.last_key_value().map_or(0, |(&term, _)| term)
    }

    /// Looks at a node after a call.
    pub fn look(&mut self, s: &Status, life: u64, conf: &Conf, runs: impl FnOnce() -> Vec<TermRun>) -> Lawful<Seen> {
        let mark = self.marks.entry(s.id).or_default();
        if mark.life != life {
            *mark = Mark { life, ..Mark::default() };
        }
        let back = s.term < mark.term || s.commit < mark.commit || s.applied < mark.applied;
        hold!(NeverBack, !back, "node {} fell back from {mark:?} to {s:?}", s.id);
        let vote_kept = s.term > mark.term || mark.vote == 0 || s.vote == mark.vote;
        hold!(NeverBack, vote_kept, "node {} voted for {}, now for {} in term {}", s.id, mark.vote, s.vote, s.term);
        // A snapshot that waits for the disk is above `applied`; the node is then not promotable.
        let floor = if s.promotable { s.applied } else { s.commit };
        hold!(
            OrderOfPositions,
            s.first_index <= floor + 1 && s.applied <= s.commit && s.commit <= s.last_index,
            "node {}: first {}, applied {}, commit {}, last {}",
            s.id,
            s.first_index,
            s.applied,
            s.commit,
            s.last_index
        );
        let leads = s.role == Role::Leader;
        let leads_now = leads && (mark.role != Role::Leader || mark.term != s.term);
        let seen = Seen { leads_now, commit_moved: s.commit > mark.commit };
        let from = mark.commit;
        let complete = if leads_now { 0 } else { mark.complete };
        *mark = Mark {
            life,
            term: s.term,
            vote: s.vote,
            commit: s.commit,
            applied: s.applied,
            role: s.role,
            complete: self.last_committed.max(s.commit),
        };
        if leads_now {
            let known = *self.leaders.entry(s.term).or_insert(s.id);
            hold!(ElectionSafety, known == s.id, "{known} and {} lead in term {}", s.id, s.term);
            hold!(LeaderIsVoter, conf.is_voter(s.id), "{} leads in term {}, voters are {conf:?}", s.id, s.term);
        }
        let unchecked = leads && (leads_now || self.last_committed > complete);
        if seen.commit_moved || unchecked {
            let runs = runs();
            if unchecked {
                self.leads_over(s, complete, &runs)?;
            }
            if seen.commit_moved {
                self.commits(s, from, &runs)?;
            }
        }
        Ok(seen)
    }

    /// Checks that a leader's log holds the committed entries.
    fn leads_over(&self, s: &Status, from: u64, runs: &[TermRun]) -> Lawful {
        for index in from + 1..=self.last_committed {
            let Some(Some(known)) = self.committed.get(index as usize) else { continue };
            if known.seen_in > s.term || index < s.first_index {
                continue;
            }
            let term = if index > s.last_index { 0 } else { term_in(runs, index) };
            hold!(
                LeaderCompleteness,
                term == known.term,
                "{} leads term {} with term {term} at {index}; {} was committed there in term {}",
                s.id,
                s.term,
                known.term,
                known.seen_in
            );
        }
        Ok(())
    }

    /// Records that a node reports a higher commit index.
    fn commits(&mut self, s: &Status, from: u64, runs: &[TermRun]) -> Lawful {
        for index in s.first_index.max(from + 1)..=s.commit {
            let term = term_in(runs, index);
            match grow(&mut self.committed, index) {
                Some(known) => hold!(
                    CommittedOnce,
                    known.term == term,
                    "node {} commits term {term} at {index}, term {} was committed there",
                    s.id,
                    known.term
                ),
                unknown => *unknown = Some(Committed { term, seen_in: s.term }),
            }
        }
        self.last_committed = self.last_committed.max(s.commit);
        Ok(())
    }

    /// Checks that a quorum has the entry on disk, after a leader's commit index reached `id`.
    /// `on_disk` tests a node's disk.
    pub fn on_quorum(&self, leader: u64, conf: &Conf, id: EntryId, on_disk: impl Fn(u64) -> bool) -> Lawful {
        let holders: Vec<u64> = conf.members().into_iter().filter(|&member| on_disk(member)).collect();
        hold!(
            CommittedOnQuorum,
            conf.is_quorum(&on_disk),
            "{leader} commits {id:?}, which is on the disks of {holders:?} only; the configuration is {conf:?}"
        );
        Ok(())
    }

    /// Records entries to be stored, from `first` on. `before` is the term of the entry before.
    pub fn stores(&mut self, node: u64, before: u64, first: u64, records: &[Record]) -> Lawful {
        let mut before = before;
        for (record, index) in records.iter().zip(first..) {
            let hash = hash_of(record);
            let known = grow(&mut self.entries, index);
            match known.iter().find(|known| known.0 == record.term) {
                Some(&(_, prev, other)) => hold!(
                    LogMatching,
                    prev == before && other == hash,
                    "node {node} has another entry ({index}, term {}), or behind term {before} instead of {prev}",
                    record.term
                ),
                None => known.push((record.term, before, hash)),
            }
            before = record.term;
        }
        Ok(())
    }

    /// Checks new entries of a leader in its own term: the entries extend the log, and a change
    /// requires that the change before is applied.
    pub fn leads_on(&self, s: &Status, last: u64, first: u64, records: &[Record], changes: &[u64]) -> Lawful {
        hold!(LeaderAppendOnly, first == last + 1, "{} leads, and replaces entries from {first} to {last}", s.id);
        let mut newest = changes.last().copied().unwrap_or(0);
        for (record, index) in records.iter().zip(first..).filter(|(record, _)| record.kind.is_change()) {
            hold!(
                OneChange,
                newest <= s.applied,
                "{} adds a change at {index} in term {}, that at {newest} is not applied ({})",
                s.id,
                record.term,
                s.applied
            );
            newest = index;
        }
        Ok(())
    }

    /// Records that a state machine applied an entry. Returns true the first time, and keeps the
    /// record.
    pub fn applies(&mut self, node: u64, index: u64, before: u64, record: &Record, hash: u64) -> Lawful<bool> {
        hold!(AppliedInOrder, index == before + 1, "node {node} applies {index} after {before}");
        match grow(&mut self.applied, index) {
            Some((known, known_hash)) => {
                let same = known == record && *known_hash == hash;
                hold!(StateMachineSafety, same, "node {node} applies {record:?} at {index}, another {known:?}");
                Ok(false)
            }
            unknown => {
                *unknown = Some((record.clone(), hash));
                Ok(true)
            }
        }
    }

    pub fn applied_at(&self, index: u64) -> Option<&Record> {
        self.applied.get(index as usize).and_then(|known| known.as_ref()).map(|(record, _)| record)
    }

    /// Checks a snapshot that replaces a state machine.
    pub fn installs(&self, node: u64, index: u64, hash: u64, conf: &Rc<[u8]>) -> Lawful {
        if let Some(Some((_, known))) = self.applied.get(index as usize) {
            hold!(StateMachineSafety, *known == hash, "node {node} installs another state at {index}");
        }
        if let Some((at, (known, shown))) = self.confs.range(..=index).next_back() {
            let same = known == conf || *shown == Conf::read(conf);
            hold!(SameConfiguration, same, "node {node} installs another configuration at {index} than that of {at}");
        }
        Ok(())
    }

    /// Records a configuration in force on a node. Returns true if no node had the configuration
    /// before.
    pub fn configures(&mut self, node: u64, index: u64, bytes: &Rc<[u8]>) -> Lawful<bool> {
        if let Some((known, _)) = self.confs.get(&index) {
            hold!(SameConfiguration, known == bytes, "node {node} has another configuration as of {index}");
            return Ok(false);
        }
        let conf = Conf::read(bytes);
        if let Some((at, (_, before))) = self.confs.range(..index).next_back() {
            hold!(Neighbours, conf.meets(before), "{before:?} at {at}, then {conf:?} at {index}: two quorums may miss");
        }
        self.confs.insert(index, (bytes.clone(), conf));
        Ok(true)
    }

    /// Checks a new hard state on a disk.
    pub fn overwrites(&self, node: u64, old: HardState, new: HardState) -> Lawful {
        let kept = new.term > old.term || (new.term == old.term && (old.vote == 0 || new.vote == old.vote));
        hold!(NeverBack, kept, "node {node} stores {new:?} over {old:?}");
        Ok(())
    }

    /// Checks that the promises of a message are on the sender's disk when the message enters the
    /// network.
    pub fn leaves(&self, head: &Head, disk: &Disk) -> Lawful {
        use MessageKind as Kind;
        let (from, held, last) = (head.from, disk.state, disk.last());
        // Only the term is checked. A granted pre-vote is exempt, since no node is in its term yet.
        let says_term = matches!(
            head.kind,
            Kind::AppResp | Kind::VoteResp | Kind::App | Kind::Heartbeat | Kind::Snap | Kind::TimeoutNow | Kind::Vote
        );
        if says_term && head.term > held.term {
            let text = format!("{from} sends {head:?}, its disk says {held:?}");
            return crate::law::broken(
                match head.kind {
                    Kind::AppResp => crate::law::Law::DurableAck,
                    Kind::VoteResp => crate::law::Law::DurableVote,
                    _ => crate::law::Law::DurableRequest,
                },
                text,
            );
        }
        match head.kind {
            // An acknowledgement of an older term does not count: the entries may have been
            // overwritten before they were stored.
            Kind::AppResp if !head.reject && head.term == held.term => {
                hold!(
                    DurableAck,
                    head.index <= last.index,
                    "{from} acknowledges {}, its disk ends at {last:?}",
                    head.index
                );
            }
            Kind::VoteResp if !head.reject => {
                let voted = held.term > head.term || held.vote == head.to;
                hold!(DurableVote, voted, "{from} votes for {} in term {}, its disk says {held:?}", head.to, head.term);
            }
            Kind::Vote => {
                let own = held.term > head.term || held.vote == from;
                let tail = EntryId { term: head.log_term, index: head.index };
                hold!(DurableRequest, own, "{from} asks for votes in term {}, its disk says {held:?}", head.term);
                let durable = held.term > head.term || tail <= last;
                hold!(DurableRequest, durable, "{from} boasts of {tail:?}, its disk ends at {last:?}");
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks the limits, as far as the status shows them.
    pub fn within(&self, s: &Status, limits: &Config, footprint: u64) -> Lawful {
        let (id, outstanding) = (s.id, if limits.storage == StorageMode::Sync { 1 } else { limits.max_outstanding });
        hold!(Bounds, s.n_outstanding <= outstanding, "node {id}: {} readies outstanding", s.n_outstanding);
        hold!(
            Bounds,
            s.n_reads <= limits.max_reads,
            "node {id}: {} reads wait, max_reads {}",
            s.n_reads,
            limits.max_reads
        );
        hold!(
            Bounds,
            s.n_tokens <= limits.max_tokens,
            "node {id}: {} tokens, max_tokens {}",
            s.n_tokens,
            limits.max_tokens
        );
        hold!(Bounds, s.events_lost == 0, "node {id}: {} events lost", s.events_lost);
        hold!(Bounds, s.memory_bytes <= footprint, "node {id}: {} bytes held, {footprint} expected", s.memory_bytes);
        Ok(())
    }

    pub fn peer_within(&self, id: u64, peer: &PeerStatus, limits: &Config) -> Lawful {
        hold!(
            Bounds,
            peer.inflight_msgs <= limits.max_inflight_msgs && peer.match_index < peer.next_index,
            "node {id}: {} appends in flight, max_inflight_msgs {}; match {}, next {}",
            peer.inflight_msgs,
            limits.max_inflight_msgs,
            peer.match_index,
            peer.next_index
        );
        Ok(())
    }
}
