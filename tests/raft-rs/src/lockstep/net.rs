//! The messages of both sides: paired by outcome, delayed, lost, and given to the other library.

use super::said::{Maker, Said, maker, parse};
use super::{Lockstep, Packet, Stop};
use crate::member::{LEADER, Member, Stepped};
use raft::prelude::MessageType;

pub(super) const OBJECTION: &str = "a higher priority objects: raft-rs for ever, raftcore to equal logs for a while";

impl Lockstep {
    /// Sends the messages of both sides of a pair. With `flush`, neither side may have more.
    pub(super) fn send(&mut self, from: u64, what: &str, at: &str, flush: bool) {
        let Some(pair) = self.pairs.get_mut(&from) else { return };
        let take = |out: &mut crate::member::Out| std::mem::take(&mut out.messages);
        let (ours, theirs) = (take(&mut pair.waiting.0), take(&mut pair.waiting.1));
        self.contexts.learn(&ours, &theirs);
        let mut ours: Vec<(Said, Vec<u8>)> =
            ours.into_iter().map(|(to, bytes)| (self.contexts.said(to, &bytes), bytes)).collect();
        let mut only_theirs = Vec::new();
        for (to, bytes) in theirs {
            let message = self.contexts.said(to, &bytes);
            // A heartbeat of a read differs from the usual heartbeat by the context alone.
            let has_context = |bytes: &[u8]| maker(bytes) != Maker::Nobody;
            let fits = |mine: &(Said, Vec<u8>)| mine.0 == message && has_context(&mine.1) == has_context(&bytes);
            let place = ours.iter().position(fits).or_else(|| ours.iter().position(|mine| mine.0 == message));
            let Some(place) = place else {
                only_theirs.push((to, bytes));
                continue;
            };
            let (said, mine) = ours.remove(place);
            if !self.draw.chance(self.loss) {
                let due = self.round + 1 + self.draw.below(2);
                self.net.push(Packet { due, from, said, ours: mine, theirs: bytes });
            }
        }
        let Some(pair) = self.pairs.get_mut(&from) else { return };
        if !flush {
            pair.waiting.0.messages = ours.into_iter().map(|(said, bytes)| (said.to, bytes)).collect();
            pair.waiting.1.messages = only_theirs;
            return;
        }
        let only_here = std::mem::take(&mut pair.only_here);
        let requests = std::mem::take(&mut pair.requests);
        let append = MessageType::MsgAppend as i32;
        let only_ours: Vec<Said> = ours
            .into_iter()
            .map(|(said, _)| said)
            .filter(|said| !(said.kind == append && only_here.contains(&said.to)))
            .collect();
        let only_theirs = only_theirs.iter().map(|(to, bytes)| self.contexts.said(*to, bytes)).collect();
        let only_ours = if requests { self.explain_request(only_ours) } else { only_ours };
        self.explain(from, what, at, only_ours, only_theirs);
    }

    /// Drops the answers beside a request for a snapshot: a follower of raft-rs repeats the request alone.
    fn explain_request(&mut self, mut ours: Vec<Said>) -> Vec<Said> {
        let answers = [MessageType::MsgAppendResponse as i32, MessageType::MsgHeartbeatResponse as i32];
        let count = ours.len();
        ours.retain(|said| said.reject || !answers.contains(&said.kind));
        (ours.len()..count).for_each(|_| self.count("dropped: an answer beside a request for a snapshot, here only"));
        ours
    }

    /// Drops the messages of a single side with a known reason.
    fn explain(&mut self, from: u64, what: &str, at: &str, mut ours: Vec<Said>, mut theirs: Vec<Said>) {
        let mut known = Vec::new();
        let waits = self.extras.async_writes;
        let is_told = |said: &Said| said.kind == MessageType::MsgAppend as i32 && said.entries.is_empty();
        for (side, list) in [("raftcore", &mut ours), ("raft-rs", &mut theirs)] {
            list.retain(|said| {
                let told = is_told(said);
                if told {
                    known.push(format!("dropped: an append without entries that only {side} sends at a {what}"));
                }
                !told
            });
        }
        ours.retain(|said| {
            // With asynchronous writes, the acknowledgement may be an input before the flush.
            let order = said.kind == MessageType::MsgTimeoutNow as i32 && (what == "MsgAppendResponse" || waits);
            if order {
                known.push("dropped: an order to campaign after an acknowledgement without progress, here only".into());
            }
            !order
        });
        self.explain_answers(from, &mut ours, &mut theirs);
        // raft-rs sends an automatic leave later, a sole voter with a newer commit index.
        let append = MessageType::MsgAppend as i32;
        let leave = |said: &Said| {
            said.kind == append && said.entries.last().is_some_and(|entry| entry.2 == 2 && entry.3.is_empty())
        };
        let same = |a: &Said, b: &Said| Said { commit: 0, ..a.clone() } == Said { commit: 0, ..b.clone() };
        ours.retain(|mine| {
            if leave(mine) {
                known.push("dropped: an automatic leave that raft-rs sends later".into());
                if let Some(place) = theirs.iter().position(|other| mine.commit < other.commit && same(mine, other)) {
                    theirs.remove(place);
                }
            }
            !leave(mine)
        });
        theirs.retain(|other| {
            if leave(other) {
                known.push("dropped: an automatic leave that raft-rs sends later".into());
            }
            !leave(other)
        });
        known.into_iter().for_each(|text| self.count(text));
        if let ([mine], [other], true) = (ours.as_slice(), theirs.as_slice(), self.objection)
            && !mine.reject
            && other.reject
        {
            self.stop = Some(Stop::Departed(OBJECTION));
            return;
        }
        let quiet = self.setups.get(&from).is_some_and(|setup| setup.skip_bcast_commit);
        let tells = ours.is_empty() && !theirs.is_empty() && theirs.iter().all(|said| said.kind == append);
        if quiet && tells && what.starts_with("commit groups") {
            self.stop = Some(Stop::Departed("a commit after a change of commit groups is broadcast by raft-rs alone"));
            return;
        }
        assert!(
            ours.is_empty() && theirs.is_empty(),
            "{at}: only raftcore says {ours:?}\nonly raft-rs says {theirs:?}"
        );
    }

    /// Drops early answers of raftcore to reads of peers: to raftcore, the acknowledgement of a later
    /// read confirms all earlier reads.
    fn explain_answers(&mut self, from: u64, ours: &mut Vec<Said>, theirs: &mut Vec<Said>) {
        let Some(pair) = self.pairs.get_mut(&from) else { return };
        let answer = MessageType::MsgReadIndexResp as i32;
        let early = &mut pair.reads.early_answers;
        let before = early.len();
        early.extend(ours.iter().filter(|said| said.kind == answer).cloned());
        let count = early.len() - before;
        ours.retain(|said| said.kind != answer);
        theirs.retain(|said| match early.iter().position(|mine| mine == said) {
            Some(place) => {
                early.remove(place);
                false
            }
            None => true,
        });
        (0..count).for_each(|_| self.count("dropped: an answer to a peer's read, which raftcore gives earlier"));
    }

    pub(super) fn deliver(&mut self) {
        let round = self.round;
        let (due, rest): (Vec<Packet>, Vec<Packet>) =
            std::mem::take(&mut self.net).into_iter().partition(|packet| packet.due <= round);
        self.net = rest;
        for packet in due {
            if self.stop.is_none() {
                self.deliver_packet(packet);
            }
        }
    }

    fn deliver_packet(&mut self, packet: Packet) {
        let kind = crate::tally::MESSAGES[packet.said.kind as usize];
        let (from, to) = (packet.from, packet.said.to);
        if let Some(reason) = self.drops(kind, from, to) {
            self.count(reason);
            return;
        }
        self.objection = kind.starts_with("MsgRequest") && !kind.ends_with("Response") && self.objects(to, &packet);
        let (to_ours, to_theirs) = self.crossed(packet);
        self.input_each(to, kind, |member, is_ours| {
            let bytes = if is_ours { &to_ours } else { &to_theirs };
            !matches!(member.step(from, bytes), Stepped::Refused(_))
        });
        if std::mem::take(&mut self.objection) && self.stop.is_none() {
            self.count("a candidate refused by both for a higher priority");
        }
        if kind == "MsgSnapshot" {
            self.input(from, "report of a snapshot", |member| member.report_snapshot(to, true));
        }
    }

    /// Returns the reason for dropping a message on both sides.
    fn drops(&mut self, kind: &str, from: u64, to: u64) -> Option<&'static str> {
        let passed_on = ["MsgPropose", "MsgTransferLeader", "MsgReadIndex"].contains(&kind);
        let pair = self.pairs.get_mut(&to)?;
        if passed_on && !pair.ours.disk().conf.has(from) {
            return Some("dropped: passed on by a node that the receiver does not know; raft-rs takes it");
        }
        if kind == "MsgReadIndexResp" && !pair.ours.disk().conf.has(from) {
            return Some("dropped: a read's answer from a leader that the receiver does not know; raft-rs takes it");
        }
        let early = kind == "MsgReadIndex" && pair.ours.look().role == LEADER && !pair.theirs.has_committed_in_term();
        early.then_some("dropped: a forwarded read before the term's first commit; raft-rs drops it")
    }

    /// True if raft-rs would refuse the candidate for a higher priority of its own.
    fn objects(&mut self, to: u64, packet: &Packet) -> bool {
        let m = parse(&packet.theirs);
        let Some(pair) = self.pairs.get_mut(&to) else { return false };
        let own = pair.theirs.node().raft.priority;
        own > m.priority && m.index <= pair.ours.look().last
    }

    /// Decides the receiving side of each side's message. The answer to a read goes to the maker of the
    /// context. Any other message may change the side.
    fn crossed(&mut self, packet: Packet) -> (Vec<u8>, Vec<u8>) {
        let makers = (maker(&packet.ours), maker(&packet.theirs));
        // A new leader gets back the reads from its time as a follower, and answers to itself.
        let is_own =
            packet.said.kind == MessageType::MsgReadIndex as i32 && parse(&packet.theirs).from == packet.said.to;
        let is_answer = is_own
            || packet.said.kind == MessageType::MsgHeartbeatResponse as i32
            || packet.said.kind == MessageType::MsgReadIndexResp as i32;
        let crosses = match makers {
            (Maker::Nobody, Maker::Nobody) => self.draw.chance(50),
            (mine, other) if is_answer => mine == Maker::RaftRs || other == Maker::Raftcore,
            (Maker::Nobody, _) | (_, Maker::Nobody) => false,
            _ => self.draw.chance(50),
        };
        if crosses && makers != (Maker::Nobody, Maker::Nobody) {
            self.count(match is_answer {
                true => "a read's context comes back from the other library",
                false => "a read's context goes to the other library",
            });
        }
        if crosses { (packet.theirs, packet.ours) } else { (packet.ours, packet.theirs) }
    }
}
