//! An input to both sides of a pair, and the comparison of the sides.

use super::{Lockstep, Pair, Stop};
use crate::disk::Record;
use crate::member::{Applied, LEADER, Look, Member, Out, Tongue};

type Peers = Vec<(u64, u64, u64, u8)>;

impl Lockstep {
    pub(super) fn input<T: PartialEq + std::fmt::Debug>(
        &mut self,
        id: u64,
        what: &str,
        call: impl Fn(&mut dyn Member) -> T,
    ) {
        self.input_each(id, what, |member, _| call(member));
    }

    /// Makes all writes of a pair durable.
    pub(super) fn flush(&mut self, id: u64) {
        self.input_and(id, "nothing, before a restart,", true, |_, _| ());
    }

    /// Calls both sides, `true` for raftcore, and compares the results, the states and the work.
    pub(super) fn input_each<T: PartialEq + std::fmt::Debug>(
        &mut self,
        id: u64,
        what: &str,
        call: impl Fn(&mut dyn Member, bool) -> T,
    ) {
        let drawn = !self.extras.async_writes || self.draw.chance(50);
        // An objection explains a difference of this input alone, not of a later flush.
        let flush = drawn || self.objection;
        self.input_and(id, what, flush, call);
    }

    fn input_and<T: PartialEq + std::fmt::Debug>(
        &mut self,
        id: u64,
        what: &str,
        flush: bool,
        call: impl Fn(&mut dyn Member, bool) -> T,
    ) {
        if self.stop.is_some() {
            return;
        }
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        pair.requests |= pair.theirs.requests();
        let result = (call(&mut pair.ours, true), call(&mut pair.theirs, false));
        pair.work(flush);
        // In raftcore a node's own vote counts once durable, and unflushed readies have a limit.
        let waits = !flush && pair.looks_differ();
        if waits {
            pair.work(true);
        }
        let flush = flush || waits;
        if let Some(text) = pair.theirs.panic() {
            self.stop = Some(Stop::Panicked(text.to_owned()));
            return;
        }
        let aligned = pair.align();
        if let Some(text) = pair.departure(what, self.tongue, self.objection) {
            self.stop = Some(Stop::Departed(text));
            return;
        }
        let at = format!("round {}, member {id}, {what}", self.round);
        assert_eq!(result.0, result.1, "{at}: raftcore and raft-rs return different results");
        let unequal = pair.compare(&at, flush);
        let look = pair.ours.look();
        aligned.into_iter().for_each(|text| self.count(text));
        unequal.into_iter().for_each(|text| self.count(text));
        if waits {
            self.count("a flush, since one side waits for its disk");
        }
        self.count(format!("{what} at a {}", role(&look)));
        self.send(id, what, &at, flush);
        if flush && self.note(id, &look) && self.groups > 0 {
            self.set_groups(id);
        }
    }

    /// Counts the compared work of a pair. Returns whether the membership has changed.
    fn note(&mut self, id: u64, look: &Look) -> bool {
        let Some(pair) = self.pairs.get_mut(&id) else { return false };
        let out = std::mem::take(&mut pair.waiting.0);
        pair.waiting.1 = Out { reads: std::mem::take(&mut pair.waiting.1.reads), ..Out::default() };
        for applied in &out.applied {
            self.note_applied(applied);
        }
        for _ in &out.installed {
            self.count("a snapshot installed");
        }
        for _ in &out.reads {
            self.count(if look.role == LEADER { "a read answered" } else { "a forwarded read answered" });
        }
        !out.installed.is_empty() || out.applied.iter().any(|applied| applied.conf.is_some())
    }

    fn note_applied(&mut self, applied: &Applied) {
        match &applied.conf {
            Some(conf) if conf.is_joint() => self.count("a joint membership entered"),
            Some(_) => self.count("a membership applied"),
            None if !applied.entry.context.is_empty() => self.count("an entry with a context applied"),
            None if self.groups > 0 => self.count("an entry applied while there are commit groups"),
            None => self.count("an entry applied"),
        }
        let Some(conf) = &applied.conf else { return };
        match (conf.is_joint(), conf.learners.is_empty(), conf.learners_next.is_empty()) {
            (true, _, false) => self.count("a joint membership in which a voter becomes a learner"),
            (true, false, _) => self.count("a joint membership with learners"),
            (false, false, _) => self.count("a membership with learners"),
            _ => {}
        }
    }
}

impl Pair {
    /// Lets both sides work, with equal election timeouts.
    fn work(&mut self, flush: bool) {
        self.ours.work(flush, &mut self.waiting.0);
        let timeout = self.ours.node().status().election_timeout;
        self.theirs.work(flush, &mut self.waiting.1);
        if self.theirs.panic().is_none() {
            self.theirs.set_timeout(u64::from(timeout));
        }
    }

    fn looks_differ(&mut self) -> bool {
        let (mine, other) = self.looks();
        mine != other
    }

    /// Brings raft-rs's view of a peer up to raftcore's, where raftcore alone goes on. Returns the
    /// reasons.
    fn align(&mut self) -> Vec<&'static str> {
        let looks = (self.ours.look(), self.theirs.look());
        let mut reasons = Vec::new();
        if looks.0.role != LEADER || looks.0 != looks.1 {
            return reasons;
        }
        for (mine, other) in self.ours.peers().into_iter().zip(self.theirs.peers()) {
            let same = (mine.0, mine.1) == (other.0, other.1);
            // raft-rs appends its automatic leave and tells nobody before the next heartbeat.
            let leaves = self.ours.disk().conf.auto_leave && mine.2 > other.2;
            if same && leaves && (mine.3, other.3) == (1, 1) {
                reasons.push("aligned: an automatic leave that is sent at once, here only");
            } else if same && (mine.3, other.3) == (1, 0) {
                // An acknowledgement without progress ends a probe in raftcore, and not in raft-rs.
                reasons.push(match leaves {
                    true => "aligned: an automatic leave that is sent at once, here only",
                    false => "aligned: a probe that ends at an acknowledgement without progress, here only",
                });
            } else {
                continue;
            }
            self.theirs.replicate(mine.0, mine.2);
            self.only_here.push(mine.0);
        }
        reasons
    }

    fn looks(&mut self) -> (Look, Look) {
        (self.ours.look(), self.theirs.look())
    }

    fn peers(&mut self) -> (Peers, Peers) {
        let (ours, theirs) = (self.ours.peers(), self.theirs.peers());
        // In snapshot state, raft-rs sets `next` at the end of that state, raftcore at the begin. For a
        // requested snapshot, too, raftcore sets `next` first.
        let hides = |peer: &(u64, u64, u64, u8)| peer.3 == 2 || self.theirs.is_requested_by(peer.0);
        let shown = |mut peers: Peers| {
            peers.iter_mut().filter(|peer| hides(peer)).for_each(|peer| peer.2 = 0);
            peers
        };
        (shown(ours), shown(theirs))
    }

    /// Returns the known difference, if the pair differs by one: docs/departures.md.
    fn departure(&mut self, what: &str, tongue: Tongue, objection: bool) -> Option<&'static str> {
        let (mine, other) = self.looks();
        let from_leader = ["MsgAppend", "MsgHeartbeat"].contains(&what);
        if from_leader && self.theirs.requests() && other.last_term != other.term {
            return Some("a requested snapshot and a new leader: raftcore takes appends again, raft-rs none");
        }
        if objection && mine.vote != other.vote {
            return Some(super::net::OBJECTION);
        }
        if what.starts_with("commit groups") && mine.commit > other.commit {
            return Some("raftcore takes commit groups peer by peer, and counts in between");
        }
        if what == "MsgReadIndexResp" && tongue == Tongue::Raftpb && mine.commit < other.commit {
            return Some("raft-rs learns a commit index from a read's answer; raftcore in eraftpb alone");
        }
        if what.contains("Vote") && mine.commit != other.commit {
            return Some(match mine.commit < other.commit {
                true => "raft-rs learns a commit index from a vote; the dialect raftpb has no field",
                false => "raftcore learns a commit index from a vote request that is granted",
            });
        }
        if mine.role != LEADER || other.role != LEADER || mine.term != other.term {
            return None;
        }
        if mine.last != other.last {
            return Some("a change that is refused, or left automatically, at another time");
        }
        let peers = self.peers();
        for (mine, other) in peers.0.iter().zip(&peers.1).filter(|(mine, other)| mine.0 == other.0) {
            if mine.3 != other.3 && other.3 == 2 && self.theirs.is_requested_by(mine.0) {
                return Some("raft-rs takes a repeated request for a snapshot once more");
            }
            if what == "MsgAppendResponse" && mine.1 > other.1 && self.theirs.is_requested_by(mine.0) {
                return Some("a request for a snapshot acknowledges its sender's log, here only");
            }
            if mine.3 != other.3 && (mine.3 == 2 || other.3 == 2) {
                return Some("snapshot state begins or ends at another message");
            }
            if other.2 <= other.1 && other.3 == 0 && mine.2 != other.2 {
                return Some("raft-rs's next falls to match (raft-rs#557)");
            }
        }
        None
    }

    /// Compares the sides; with `flush`, the work, too. Returns the known reasons for answers of a
    /// single side.
    fn compare(&mut self, at: &str, flush: bool) -> Vec<&'static str> {
        let (mine, other) = self.looks();
        assert_eq!(mine, other, "{at}: states differ, raftcore left");
        let transfers = (self.ours.transferee(), self.theirs.transferee());
        let confs = (self.ours.disk().conf.clone(), self.theirs.disk().conf.clone());
        assert_eq!(transfers.0, transfers.1, "{at}: targets of a transfer differ, raftcore left; {:?}", confs.0);
        assert_eq!(confs.0, confs.1, "{at}: memberships differ, raftcore left");
        if mine.role == LEADER {
            let peers = self.peers();
            assert_eq!(peers.0, peers.1, "{at}: peers differ, raftcore left");
        }
        if !flush {
            return Vec::new();
        }
        let (ours, theirs) = (&self.waiting.0, &self.waiting.1);
        assert_eq!(entries(&ours.applied), entries(&theirs.applied), "{at}: applied entries differ, raftcore left");
        assert_eq!(ours.installed, theirs.installed, "{at}: installed snapshots differ, raftcore left");
        self.compare_reads(at, mine.applied)
    }

    fn compare_reads(&mut self, at: &str, applied: u64) -> Vec<&'static str> {
        let mut unequal = Vec::new();
        let (ours, theirs) = (&mut self.waiting.0, &mut self.waiting.1);
        self.reads.failed.append(&mut ours.failed.drain(..).collect());
        self.reads.early.extend(ours.reads.iter().copied());
        // raftcore answers a read once the index is applied.
        let (now, later): (Vec<_>, Vec<_>) = theirs.reads.drain(..).partition(|read| read.1 <= applied);
        theirs.reads = later;
        for (token, index) in now {
            match self.reads.early.remove(&token) {
                Some(mine) => assert_eq!(mine, index, "{at}: read {token} has different indexes, raftcore left"),
                None if token <= self.reads.earlier => {
                    unequal.push("dropped: an answer to a read before a restart, which raft-rs gives");
                }
                None if self.reads.failed.contains(&token) => {
                    unequal.push("dropped: an answer to a read that failed in raftcore when leadership was lost");
                }
                None => panic!("{at}: only raft-rs answers read {token}, at {index}"),
            }
        }
        unequal
    }
}

fn role(look: &Look) -> &'static str {
    ["follower", "candidate", "leader", "pre-candidate"][usize::from(look.role)]
}

fn entries(applied: &[Applied]) -> Vec<Record> {
    applied.iter().map(|applied| applied.entry.clone()).collect()
}
