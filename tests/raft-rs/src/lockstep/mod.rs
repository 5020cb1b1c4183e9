//! A group of pairs. A pair is a member twice, as raftcore's and as raft-rs's: both get equal
//! inputs, and must show equal states and say the same.
//!
//! Equal by outcome, not by bytes: `said` leaves out contexts of reads, priorities and the commit
//! index of answers. `compare` compares the two sides of a pair, and has the other differences of the
//! libraries. `net` carries the messages.

mod compare;
mod net;
mod said;

use said::Contexts;
pub use said::{SHORTEST_READ_CONTEXT, Said, said};

use crate::change::draw_change;
use crate::disk::{Conf, Disk};
use crate::draw::Draw;
use crate::member::{Change, LEADER, Look, Member, Out, Setup, Tongue};
use crate::ours::Ours;
use crate::theirs::Theirs;
use raftcore::Flags;
use std::collections::{BTreeMap, BTreeSet};

/// A message of both sides.
struct Packet {
    due: u64,
    from: u64,
    said: Said,
    ours: Vec<u8>,
    theirs: Vec<u8>,
}

/// A member twice.
struct Pair {
    ours: Ours,
    theirs: Theirs,
    /// Work before the comparison: with asynchronous writes, each library holds back different
    /// messages until the writes are durable.
    waiting: (Out, Out),
    /// Peers that `compare` has aligned: raftcore alone sends an append to these peers.
    only_here: Vec<u64>,
    /// A request for a snapshot was open since the last comparison of work.
    requests: bool,
    reads: Reads,
}

impl Pair {
    fn new(ours: Ours, theirs: Theirs, reads: Reads) -> Self {
        let waiting = (Out::default(), Out::default());
        Self { ours, theirs, waiting, only_here: Vec::new(), requests: false, reads }
    }
}

/// Reads with an answer on a single side, so far or for good.
#[derive(Default)]
struct Reads {
    /// The last token before this start. Reads up to here belong to an earlier life.
    earlier: u64,
    /// Token and index of answers by raftcore alone, so far.
    early: BTreeMap<u64, u64>,
    /// Answers to a peer by raftcore alone, so far.
    early_answers: Vec<Said>,
    /// Tokens of failed reads in raftcore.
    failed: BTreeSet<u64>,
}

/// Why a schedule ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All steps are done.
    Done,
    /// raft-rs panicked.
    Panicked(String),
    /// A known difference has left the pair in different states.
    Departed(&'static str),
}

/// Counts of inputs and outcomes, by name.
pub type Exercised = BTreeMap<String, u64>;

/// The further contents of a schedule, besides proposals, elections, reads and restarts.
struct Extras {
    changes: bool,
    learners: bool,
    priorities: bool,
    contexts: bool,
    requests: bool,
    lease_reads: bool,
    groups: bool,
    async_writes: bool,
}

/// A group of pairs.
pub struct Lockstep {
    draw: Draw,
    pairs: BTreeMap<u64, Pair>,
    setups: BTreeMap<u64, Setup>,
    net: Vec<Packet>,
    round: u64,
    token: u64,
    tongue: Tongue,
    loss: u64,
    extras: Extras,
    /// Divisor of the commit groups; 0: there are no groups.
    groups: u64,
    /// raft-rs objects to the candidate of the present input, and raftcore perhaps not.
    objection: bool,
    contexts: Contexts,
    pub exercised: Exercised,
    stop: Option<Stop>,
}

impl Lockstep {
    pub fn new(seed: u64, tongue: Tongue) -> Self {
        let mut draw = Draw::new(seed ^ 0x10C5_7E9);
        let founders: Vec<u64> = (1..=*draw.pick(&[1, 3, 3, 5])).collect();
        let (pre_vote, check_quorum) = (draw.chance(50), draw.chance(50));
        let (skip_bcast_commit, max_size_per_msg) = (draw.chance(25), *draw.pick(&[0, 1 << 20]));
        let full = tongue == Tongue::Eraftpb;
        let extras = Extras {
            changes: draw.chance(60),
            learners: full && draw.chance(60),
            priorities: full && draw.chance(20),
            contexts: full && draw.chance(60),
            requests: full && draw.chance(14),
            lease_reads: check_quorum && draw.chance(50),
            groups: draw.chance(25),
            // A sole voter of raft-rs leads before the vote is durable.
            async_writes: founders.len() > 1 && draw.chance(30),
        };
        let mut this = Self {
            pairs: BTreeMap::new(),
            setups: BTreeMap::new(),
            net: Vec::new(),
            round: 0,
            token: 0,
            loss: *draw.pick(&[0, 0, 10]),
            tongue,
            extras,
            groups: 0,
            objection: false,
            contexts: Contexts::default(),
            exercised: Exercised::new(),
            stop: None,
            draw,
        };
        for id in 1..=founders.len() as u64 + 2 {
            let setup = Setup {
                pre_vote,
                check_quorum,
                lease_reads: this.extras.lease_reads,
                skip_bcast_commit,
                max_size_per_msg,
                etcd_choices: true,
                flags_on: if full { Flags::COMMIT_IN_VOTES.0 } else { 0 },
                seed: seed * 16 + id + 1,
                async_writes: this.extras.async_writes,
                ..Setup::new(id, tongue)
            };
            let disk = if founders.contains(&id) { Disk::founder(&founders, false) } else { Disk::default() };
            this.setups.insert(id, setup);
            this.boot(id, disk);
        }
        this
    }

    fn boot(&mut self, id: u64, disk: Disk) {
        let setup = &self.setups[&id];
        let ours = Ours::start(setup, disk.clone()).unwrap_or_else(|error| panic!("member {id}: {error}"));
        let reads = Reads { earlier: self.token, ..Reads::default() };
        match Theirs::start(setup, disk) {
            Ok(theirs) => _ = self.pairs.insert(id, Pair::new(ours, theirs, reads)),
            Err(text) => self.stop = Some(Stop::Panicked(text)),
        }
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.exercised.entry(what.into()).or_default() += 1;
    }

    /// Runs the schedule.
    ///
    /// # Panics
    /// If the sides of a pair differ.
    pub fn run(mut self, rounds: u64) -> (Stop, Exercised) {
        while self.round < rounds && self.stop.is_none() {
            self.round += 1;
            let ids: Vec<u64> = self.pairs.keys().copied().collect();
            for &id in &ids {
                self.input(id, "tick", |member| member.tick());
            }
            self.deliver();
            let id = *self.draw.pick(&ids);
            self.act(id);
        }
        (self.stop.unwrap_or(Stop::Done), self.exercised)
    }

    // ---- schedule

    fn act(&mut self, id: u64) {
        let Some(pair) = self.pairs.get_mut(&id) else { return };
        let look = pair.ours.look();
        let conf = pair.ours.disk().conf.clone();
        let all = self.pairs.len() as u64;
        let other = 1 + self.draw.below(all);
        match self.draw.below(100) {
            0..42 => self.propose(id),
            42..48 => self.read(id, &look),
            // raft-rs calls a transfer off when the leader itself is the target; raftcore refuses the call.
            48..52 if other != id => self.input(id, "transfer", |member| member.transfer(other)),
            52..55 if conf.voters.contains(&id) => self.input(id, "campaign", |member| member.campaign()),
            55..58 if look.role == LEADER => {
                self.input(id, "report of an unreachable member", |member| member.report_unreachable(other));
            }
            58..66 if self.extras.changes => self.change(id, &look, &conf),
            66..69 => {
                let applied = look.applied;
                self.input(id, "compaction", |member| member.compact(applied.saturating_sub(2)));
            }
            69..72 => self.restart(id),
            // A node of raft-rs panics when refusing a pre-vote in term 0.
            72..75 if self.extras.priorities && look.term > 0 => {
                let priority = self.draw.below(3) as i64;
                self.input(id, "a priority set", |member| member.set_priority(priority));
            }
            75..78 if self.extras.groups => {
                self.groups = self.draw.below(4);
                let ids: Vec<u64> = self.pairs.keys().copied().collect();
                ids.into_iter().for_each(|id| self.set_groups(id));
            }
            // raft-rs takes other requests later.
            78..82 if self.extras.requests && (self.is_settled(id, &look) || self.draw.chance(2)) => {
                self.input(id, "request of a snapshot", |member| member.request_snapshot());
            }
            _ => {}
        }
    }

    /// True if the leader knows that this follower's log is whole and committed.
    fn is_settled(&mut self, id: u64, look: &Look) -> bool {
        let peers = self.pairs.get_mut(&look.leader).map(|leader| leader.ours.peers()).unwrap_or_default();
        look.commit == look.last && peers.iter().any(|peer| (peer.0, peer.1) == (id, look.last))
    }

    fn propose(&mut self, id: u64) {
        self.token += 1;
        let mut data = self.token.to_le_bytes().to_vec();
        data.resize(8 + self.draw.below(60) as usize, 0x42);
        let mut context = Vec::new();
        if self.extras.contexts && self.draw.chance(50) {
            context = format!("context {}", self.token).into_bytes();
        }
        let what = if context.is_empty() { "proposal" } else { "proposal with a context" };
        self.input(id, what, |member| member.propose(&context, &data));
    }

    /// A read at a leader after the first commit of the term, or at a follower with a known leader.
    fn read(&mut self, id: u64, look: &Look) {
        let leads = look.role == LEADER;
        let committed = self.pairs.get(&id).is_some_and(|pair| pair.theirs.has_committed_in_term());
        if look.leader == 0 || leads && !committed {
            return;
        }
        self.token += 1;
        let token = self.token;
        let longest = if self.tongue == Tongue::Eraftpb { 1400 } else { 40 };
        let len = SHORTEST_READ_CONTEXT + self.draw.below(longest - SHORTEST_READ_CONTEXT as u64) as usize;
        let what = if self.extras.lease_reads { "read by lease" } else { "read" };
        self.input(id, what, |member| member.read(token, len));
    }

    /// Tells a pair the commit groups. A host does so after each start, snapshot and change.
    fn set_groups(&mut self, id: u64) {
        let groups = match self.groups {
            0 => Vec::new(),
            divisor => (1..=self.pairs.len() as u64).map(|id| (id, 1 + id / divisor % 2)).collect(),
        };
        let what = if groups.is_empty() { "commit groups cleared" } else { "commit groups set" };
        self.input(id, what, |member| member.set_groups(&groups));
    }

    /// A restart. With asynchronous writes, half of the restarts are power cuts: every write
    /// since the last flush is gone.
    fn restart(&mut self, id: u64) {
        let cut = self.extras.async_writes && self.draw.chance(50);
        if !cut {
            self.flush(id);
        }
        if self.stop.is_some() {
            return;
        }
        let Some(mut pair) = self.pairs.remove(&id) else { return };
        let disks = match cut {
            true => (pair.ours.durable().clone(), pair.theirs.durable().clone()),
            false => (pair.ours.disk().clone(), pair.theirs.disk().clone()),
        };
        let shown = |disk: &Disk| (disk.hard, disk.last(), disk.machine, disk.conf.clone());
        let round = self.round;
        assert_eq!(
            shown(&disks.0),
            shown(&disks.1),
            "round {round}, member {id}, cut {cut}: disks differ, raftcore left"
        );
        if let Some(setup) = self.setups.get_mut(&id) {
            setup.seed += 1000;
        }
        self.boot(id, disks.1);
        self.count(if cut { "a power cut" } else { "a restart" });
        self.input(id, "nothing, after a restart,", |_| ());
        if self.groups > 0 {
            self.set_groups(id);
        }
    }

    fn change(&mut self, id: u64, look: &Look, conf: &Conf) {
        if look.role != LEADER && (look.leader == 0 || self.draw.chance(80)) {
            return;
        }
        let ids = self.pairs.keys().copied().collect();
        let Some(change) = draw_change(&mut self.draw, ids, conf, self.extras.learners) else { return };
        // A leader of raft-rs panics when applying the loss of its own vote.
        if change.demotes(look.leader) || change.demotes(id) {
            return;
        }
        let change = Change { context: if self.extras.contexts { change.context } else { Vec::new() }, ..change };
        let what = if change.steps.is_empty() { "leave of a joint membership" } else { "change" };
        self.input(id, what, |member| member.change(&change));
    }
}
