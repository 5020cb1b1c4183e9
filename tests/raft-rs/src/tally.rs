//! What the schedules did: counters that must not be zero, so that a green run says something.

use crate::member::Kind;
use std::collections::BTreeMap;

/// Names of the kinds of messages, by number.
pub const MESSAGES: [&str; 19] = [
    "MsgHup",
    "MsgBeat",
    "MsgPropose",
    "MsgAppend",
    "MsgAppendResponse",
    "MsgRequestVote",
    "MsgRequestVoteResponse",
    "MsgSnapshot",
    "MsgHeartbeat",
    "MsgHeartbeatResponse",
    "MsgUnreachable",
    "MsgSnapStatus",
    "MsgCheckQuorum",
    "MsgTransferLeader",
    "MsgTimeoutNow",
    "MsgReadIndex",
    "MsgReadIndexResp",
    "MsgRequestPreVote",
    "MsgRequestPreVoteResponse",
];

/// The kinds that members send each other.
pub const SENT: [usize; 14] = [2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18];

/// Counters by name and member kind.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Delivered messages: sender, receiver, kind.
    pub messages: [[[u64; 19]; 2]; 2],
    pub counts: BTreeMap<(&'static str, &'static str), u64>,
    /// Panics of raft-rs, by text.
    pub panics: BTreeMap<String, u64>,
}

impl Tally {
    pub fn add(&mut self, what: &'static str, kind: Kind) {
        *self.counts.entry((what, kind.name())).or_default() += 1;
    }

    pub fn get(&self, what: &'static str, kind: Kind) -> u64 {
        self.counts.get(&(what, kind.name())).copied().unwrap_or(0)
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in
            self.messages.iter_mut().flatten().flatten().zip(other.messages.iter().flatten().flatten())
        {
            *mine += theirs;
        }
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
        for (text, count) in &other.panics {
            *self.panics.entry(text.clone()).or_default() += count;
        }
    }

    /// Returns the counters that are zero, of kinds of messages between the two libraries and of
    /// `needed`.
    pub fn missing(&self, needed: &[&'static str]) -> Vec<String> {
        let mut missing = Vec::new();
        for from in [Kind::Raftcore, Kind::RaftRs] {
            let to = from.other();
            for kind in SENT {
                if self.messages[from as usize][to as usize][kind] == 0 {
                    missing.push(format!("{} from {} to {}", MESSAGES[kind], from.name(), to.name()));
                }
            }
            for what in needed {
                if self.get(what, from) == 0 {
                    missing.push(format!("{what}, {}", from.name()));
                }
            }
        }
        missing
    }

    /// Prints the counters as a table.
    pub fn table(&self) -> String {
        let mut text = format!("{:40} {:>12} {:>12}\n", "", "raftcore", "raft-rs");
        let names: std::collections::BTreeSet<&str> = self.counts.keys().map(|(what, _)| *what).collect();
        for what in names {
            let count = |kind: Kind| self.counts.get(&(what, kind.name())).copied().unwrap_or(0);
            text += &format!("{what:40} {:>12} {:>12}\n", count(Kind::Raftcore), count(Kind::RaftRs));
        }
        text += &format!("{:40} {:>12} {:>12}\n", "delivered to the other library by", "raftcore", "raft-rs");
        for kind in SENT {
            let (ours, theirs) = (self.messages[0][1][kind], self.messages[1][0][kind]);
            text += &format!("{:40} {ours:>12} {theirs:>12}\n", MESSAGES[kind]);
        }
        for (panic, count) in &self.panics {
            text += &format!("panic of raft-rs, {count} times: {panic}\n");
        }
        text
    }
}
