//! A group, its network and its schedule.
//!
//! First come rounds with faults: loss, delay, doubles, partitions, crashes, changes. Then the
//! network heals, and the group must make progress.

mod groups;

use crate::book::Book;
use crate::change::draw_change;
use crate::disk::Disk;
use crate::draw::{Draw, mix};
use crate::member::{Change, Kind, LEADER, Member, Out, Shape, Stepped};
use crate::ours::Ours;
use crate::plan::Plan;
use crate::tally::Tally;
use crate::theirs::Theirs;
use std::collections::{BTreeMap, BTreeSet};

const MSG_SNAPSHOT: u8 = 7;
/// Rounds within which a calm group must have applied a new entry everywhere.
const CALM: u64 = 1500;

struct Packet {
    due: u64,
    from: u64,
    to: u64,
    bytes: Vec<u8>,
}

enum Slot {
    Up(Box<dyn Member>),
    Down(Disk, u64),
}

/// How a schedule ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Settled,
    /// raft-rs panicked: the text.
    Panicked(String),
    /// Members that have not heard of the newest membership wait for the votes of members that are
    /// gone, as in every library in which a membership is in force once it is applied
    /// (docs/departures.md).
    Stranded,
    /// A leader of raft-rs cannot commit without a member of raft-rs whose request for a snapshot the
    /// leader takes only after that commit.
    Unanswered,
}

/// A group that runs a schedule.
pub struct World {
    plan: Plan,
    draw: Draw,
    slots: BTreeMap<u64, Slot>,
    kinds: BTreeMap<u64, Kind>,
    starts: u64,
    net: Vec<Packet>,
    /// Outcomes of snapshots that the senders have not heard of: round, sender, receiver, outcome.
    reports: Vec<(u64, u64, u64, bool)>,
    /// The side of each member, while the network is parted.
    sides: Option<BTreeMap<u64, bool>>,
    calm: bool,
    /// The calm group makes no progress without the members that were removed.
    all_needed: bool,
    round: u64,
    token: u64,
    /// The last sender of a snapshot to each member.
    snapshots: BTreeMap<u64, Kind>,
    /// Members that have requested a snapshot, and have installed none since.
    requested: BTreeSet<u64>,
    panicked: Option<String>,
    /// Divisor of the commit groups; 0: there are no groups.
    groups: u64,
    /// True while a member learns its groups.
    sets_groups: bool,
    pub book: Book,
    pub tally: Tally,
    /// Equal for equal runs.
    pub digest: u64,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let founders: Vec<u64> = (1..=plan.founders).collect();
        let mut world = Self {
            draw: Draw::new(plan.seed ^ 0xC0FFEE),
            slots: BTreeMap::new(),
            kinds: (1..).zip(plan.kinds.iter().copied()).collect(),
            starts: 0,
            net: Vec::new(),
            reports: Vec::new(),
            sides: None,
            calm: false,
            all_needed: false,
            round: 0,
            token: 0,
            snapshots: BTreeMap::new(),
            requested: BTreeSet::new(),
            panicked: None,
            groups: 0,
            sets_groups: false,
            book: Book::new(&Disk::founder(&founders, plan.from_zero)),
            tally: Tally::default(),
            digest: plan.seed,
            plan,
        };
        for id in 1..=world.plan.founders + world.plan.spares {
            let disk = if id <= world.plan.founders {
                Disk::founder(&founders, world.plan.from_zero)
            } else {
                Disk::default()
            };
            world.start(id, disk);
        }
        world
    }

    /// Runs the whole schedule.
    pub fn run(mut self) -> (End, Self) {
        while self.round < self.plan.rounds && self.panicked.is_none() {
            self.faulty_round();
        }
        let end = self.settle();
        (end, self)
    }

    /// Runs a schedule in which each member's library is replaced, one member after another, on the
    /// same disk; then all are replaced back.
    pub fn run_replacement(mut self) -> (End, Self) {
        let ids: Vec<u64> = self.kinds.keys().copied().collect();
        for to in [Kind::Raftcore, Kind::RaftRs] {
            for &id in &ids {
                for _ in 0..40 {
                    self.faulty_round();
                }
                if let Some(text) = self.panicked.clone() {
                    return (End::Panicked(text), self);
                }
                self.crash(id);
                self.kinds.insert(id, to);
                self.tally.add("replaced on the same disk by", to);
                self.restart(id);
            }
            match self.settle() {
                End::Settled => {}
                end => return (end, self),
            }
        }
        (End::Settled, self)
    }

    // ---- members

    fn start(&mut self, id: u64, disk: Disk) {
        self.starts += 1;
        let setup = self.plan.setup(id, self.starts);
        let kind = self.kinds[&id];
        let started: Result<Box<dyn Member>, String> = match kind {
            Kind::Raftcore => Ours::start(&setup, disk).map(|member| Box::new(member) as Box<dyn Member>),
            Kind::RaftRs => Theirs::start(&setup, disk).map(|member| Box::new(member) as Box<dyn Member>),
        };
        match started {
            Ok(member) => {
                self.slots.insert(id, Slot::Up(member));
                self.set_groups(id);
            }
            Err(text) if kind == Kind::RaftRs => self.note_panic(text),
            Err(text) => panic!("member {id} does not start: {text}"),
        }
    }

    fn note_panic(&mut self, text: String) {
        if self.panicked.is_some() {
            return;
        }
        *self.tally.panics.entry(text.clone()).or_default() += 1;
        self.panicked = Some(text);
    }

    fn crash(&mut self, id: u64) {
        let Some(Slot::Up(_)) = self.slots.get(&id) else { return };
        let Some(Slot::Up(member)) = self.slots.remove(&id) else { return };
        self.tally.add("crashed", member.kind());
        self.requested.remove(&id);
        let disk = member.crash(&mut self.draw);
        let back = self.round + 1 + self.draw.below(30);
        self.slots.insert(id, Slot::Down(disk, back));
    }

    fn restart(&mut self, id: u64) {
        if let Some(Slot::Down(disk, _)) = self.slots.get(&id) {
            let disk = disk.clone();
            if self.draw.chance(self.plan.swaps) {
                let other = self.kinds[&id].other();
                self.kinds.insert(id, other);
                self.tally.add("replaced on the same disk by", other);
            }
            self.start(id, disk);
        }
    }

    /// Restarts the members that are due. A raft-rs member that was removed stays down unless the
    /// group needs all.
    fn restart_all(&mut self) {
        let ids: Vec<u64> = self.slots.keys().copied().collect();
        for id in ids {
            match self.slots.get(&id) {
                Some(Slot::Down(disk, back)) if self.calm || *back <= self.round => {
                    let was_member = self.kinds[&id] == Kind::RaftRs && disk.machine.applied > 0;
                    if self.all_needed || !was_member || self.book.newest_conf().has(id) {
                        self.restart(id);
                    }
                }
                _ => {}
            }
        }
    }

    fn up(&self) -> Vec<u64> {
        self.slots.iter().filter(|(_, slot)| matches!(slot, Slot::Up(_))).map(|(id, _)| *id).collect()
    }

    fn member(&mut self, id: u64) -> Option<&mut Box<dyn Member>> {
        match self.slots.get_mut(&id) {
            Some(Slot::Up(member)) => Some(member),
            _ => None,
        }
    }

    /// Gives a member an input, then lets the member work.
    fn with<T>(&mut self, id: u64, call: impl FnOnce(&mut dyn Member) -> T) -> Option<T> {
        let flush = self.calm || self.draw.chance(50);
        let member = self.member(id)?;
        let before = member.look().commit;
        let value = call(member.as_mut());
        let mut out = Out::default();
        member.work(flush, &mut out);
        if let Some(text) = member.panic() {
            let text = text.to_owned();
            self.note_panic(text);
            return None;
        }
        let (look, kind) = (member.look(), member.kind());
        self.digest = mix(self.digest ^ mix(id) ^ mix(look.term) ^ mix(look.commit) ^ u64::from(look.role));
        if self.book.look(id, &look) {
            self.tally.add("terms led by", kind);
        }
        let removed = kind == Kind::RaftRs
            && out.applied.iter().any(|applied| applied.conf.as_ref().is_some_and(|conf| !conf.has(id)));
        let has_other_conf = !out.installed.is_empty() || out.applied.iter().any(|applied| applied.conf.is_some());
        self.take(id, kind, out);
        if has_other_conf {
            self.set_groups(id);
        } else if look.role == LEADER && look.commit > before && !self.sets_groups {
            self.check_groups(id, look.commit);
        }
        if removed && !self.all_needed && !self.book.newest_conf().has(id) {
            // raft-rs panics if a node that is no member leads, so a host ends the node.
            self.crash(id);
            self.tally.add("removed, and ended by the host", kind);
        }
        Some(value)
    }

    fn take(&mut self, id: u64, kind: Kind, out: Out) {
        for (machine, conf) in &out.installed {
            self.book.installed(id, machine, conf);
            let requested = self.requested.remove(&id);
            if requested && self.snapshots.get(&id) == Some(&kind.other()) {
                self.tally.add("requested snapshots installed from the other kind by", kind);
            }
            if let Some(from) = self.snapshots.get(&id) {
                self.tally.add(
                    if *from == kind {
                        "snapshots installed from its own kind by"
                    } else {
                        "snapshots installed from the other kind by"
                    },
                    kind,
                );
            }
        }
        for applied in &out.applied {
            let first = self.book.applied(id, applied);
            let leader = self.book.leader(applied.entry.term).and_then(|leader| self.kinds.get(&leader)).copied();
            if let (true, Some(leader)) = (first, leader) {
                self.tally.add("entries committed in terms of", leader);
                match &applied.conf {
                    Some(conf) if conf.is_joint() => self.tally.add("joint memberships entered under", leader),
                    Some(_) => self.tally.add("memberships changed under", leader),
                    None => {}
                }
                if applied.conf.as_ref().is_some_and(|conf| !conf.learners.is_empty()) {
                    self.tally.add("memberships with learners under", leader);
                }
                if !applied.entry.context.is_empty() {
                    self.tally.add("contexts committed in terms of", leader);
                }
            }
        }
        for (token, index) in out.reads {
            self.tally.add(
                if self.plan.lease_reads { "reads by lease answered at" } else { "reads by quorum answered at" },
                kind,
            );
            self.book.read_ends(id, token, index, !self.plan.lease_reads || self.calm);
        }
        for (to, bytes) in out.messages {
            self.send(id, to, bytes);
        }
    }

    // ---- network

    fn send(&mut self, from: u64, to: u64, bytes: Vec<u8>) {
        bytes.chunks(8).for_each(|chunk| {
            let word = chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
            self.digest = mix(self.digest ^ word);
        });
        let parted = self.sides.as_ref().is_some_and(|sides| sides.get(&from) != sides.get(&to));
        let lost = !self.calm && (parted || self.draw.chance(self.plan.loss));
        if bytes.get(1) == Some(&MSG_SNAPSHOT) {
            let due = self.round + 1 + self.draw.below(6);
            self.reports.push((due, from, to, !lost));
        }
        if lost {
            return;
        }
        let copies = if !self.calm && self.draw.chance(self.plan.doubles) { 2 } else { 1 };
        for _ in 0..copies {
            let late = if self.calm { 1 } else { 1 + self.draw.below(self.plan.delay) };
            self.net.push(Packet { due: self.round + late, from, to, bytes: bytes.clone() });
        }
    }

    fn deliver(&mut self) {
        let round = self.round;
        let (mut due, rest): (Vec<Packet>, Vec<Packet>) =
            std::mem::take(&mut self.net).into_iter().partition(|packet| packet.due <= round);
        self.net = rest;
        if !self.calm && self.plan.delay > 1 {
            for at in (1..due.len()).rev() {
                let other = self.draw.below(at as u64 + 1) as usize;
                due.swap(at, other);
            }
        }
        for Packet { from, to, bytes, .. } in due {
            let kind = bytes.get(1).copied().unwrap_or(0);
            let Some(stepped) = self.with(to, |member| member.step(from, &bytes)) else { continue };
            let (sender, receiver) = (self.kinds[&from], self.kinds[&to]);
            if kind == MSG_SNAPSHOT {
                self.snapshots.insert(to, sender);
            }
            match stepped {
                Stepped::Taken => self.tally.messages[sender as usize][receiver as usize][usize::from(kind)] += 1,
                Stepped::Dropped => self.tally.add("messages dropped for a reason by", receiver),
                Stepped::Refused(text) => {
                    panic!("member {to} ({receiver:?}) refuses kind {kind} of {from} ({sender:?}): {text}")
                }
            }
        }
        let (due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.reports).into_iter().partition(|report| report.0 <= round);
        self.reports = rest;
        for (_, from, to, arrived) in due {
            self.with(from, |member| member.report_snapshot(to, arrived));
        }
    }

    // ---- schedule

    fn faulty_round(&mut self) {
        self.round += 1;
        self.restart_all();
        for id in self.up() {
            let ticks = if self.plan.uneven_ticks { self.draw.below(3) } else { 1 };
            for _ in 0..ticks {
                self.with(id, |member| member.tick());
            }
        }
        self.deliver();
        let up = self.up();
        if up.is_empty() || self.panicked.is_some() {
            return;
        }
        let id = *self.draw.pick(&up);
        if self.draw.chance(60) {
            self.propose(id);
        }
        if self.draw.chance(15) {
            let id = *self.draw.pick(&up);
            self.read(id);
        }
        self.rare(id);
        if self.plan.changes && self.draw.chance(6) {
            self.change();
        }
        if self.plan.compaction && self.draw.chance(8) {
            let id = *self.draw.pick(&up);
            let keep = self.draw.below(6);
            self.with(id, |member| {
                let applied = member.disk().machine.applied;
                member.compact(applied.saturating_sub(keep));
            });
        }
    }

    /// Inputs that come now and then.
    fn rare(&mut self, id: u64) {
        let all = self.plan.founders + self.plan.spares;
        let other = 1 + self.draw.below(all);
        match self.draw.below(100) {
            0..2 => {
                let all: Vec<u64> = self.kinds.keys().copied().collect();
                self.sides = Some(all.into_iter().map(|id| (id, self.draw.chance(50))).collect());
            }
            2..8 => self.sides = None,
            8..11 => {
                let kind = self.kinds[&id];
                self.tally.add("transfers asked at", kind);
                self.with(id, |member| member.transfer(other));
            }
            // raft-rs panics if a node campaigns that is no voter.
            11..12 => {
                self.with(id, |member| {
                    if member.disk().conf.voters.contains(&id) {
                        member.campaign();
                    }
                });
            }
            12..14 if self.plan.crashes => self.crash(id),
            14..15 => _ = self.with(id, |member| member.report_unreachable(other)),
            15..18 if self.plan.requests => {
                // A leader of raft-rs makes no snapshot of entries that are not committed. If they need
                // this member to commit, its group stands still for good.
                let request = |member: &mut dyn Member| {
                    let look = member.look();
                    let may = member.kind() == Kind::Raftcore || look.commit == look.last;
                    may && member.request_snapshot()
                };
                if self.with(id, request) == Some(true) {
                    let kind = self.kinds[&id];
                    self.tally.add("snapshots requested by", kind);
                    self.requested.insert(id);
                }
            }
            // Only once there was a leader: raft-rs panics if a founder of term 0 with a higher
            // priority refuses a pre-vote.
            18..20 if self.plan.priorities && self.book.highest() > 0 => {
                let priority = self.draw.below(4) as i64;
                self.with(id, |member| member.set_priority(priority));
                let kind = self.kinds[&id];
                self.tally.add("priorities set at", kind);
                if !self.book.newest_conf().learners.is_empty() {
                    self.tally.add("priorities set in a group with learners at", kind);
                }
            }
            20..22 if self.plan.groups => self.change_groups(),
            _ => {}
        }
    }

    fn propose(&mut self, id: u64) {
        self.token += 1;
        let token = self.token;
        let len = 8 + self.draw.below(60) as usize;
        let mut data = token.to_le_bytes().to_vec();
        data.resize(len, 0x41);
        let mut context = Vec::new();
        if self.plan.contexts && self.draw.chance(50) {
            context = format!("context of {token}").into_bytes();
        }
        self.with(id, |member| member.propose(&context, &data));
    }

    fn read(&mut self, id: u64) {
        self.token += 1;
        let token = self.token;
        let longest = if self.plan.contexts { 1500 } else { 40 };
        let len = 8 + self.draw.below(longest - 7) as usize;
        self.book.read_begins(token);
        self.with(id, |member| member.read(token, len));
    }

    fn leaders(&mut self) -> Vec<u64> {
        let up = self.up();
        up.into_iter().filter(|id| self.member(*id).is_some_and(|member| member.look().role == LEADER)).collect()
    }

    fn newest_leader(&mut self) -> Option<u64> {
        let leaders = self.leaders();
        leaders.into_iter().max_by_key(|id| self.member(*id).map_or(0, |member| member.look().term))
    }

    fn change(&mut self) {
        let leaders = self.leaders();
        if leaders.is_empty() {
            return;
        }
        let id = *self.draw.pick(&leaders);
        let Some(member) = self.member(id) else { return };
        let conf = member.disk().conf.clone();
        let ids = self.kinds.keys().copied().collect();
        let Some(change) = draw_change(&mut self.draw, ids, &conf, self.plan.learners) else { return };
        let kind = self.kinds[&id];
        if kind == Kind::RaftRs && change.demotes(id) {
            return; // raft-rs panics if a leader removes itself and goes on
        }
        if self.with(id, |member| member.change(&change)) == Some(true) {
            self.tally.add("changes proposed at", kind);
        }
    }

    // ---- calm

    /// Heals everything, and waits until a new entry is applied by all members.
    fn settle(&mut self) -> End {
        (self.calm, self.sides) = (true, None);
        let mut target = None;
        for calm in 0..CALM {
            if let Some(text) = self.panicked.clone() {
                return End::Panicked(text);
            }
            self.calm_round(calm);
            if target.is_none_or(|(since, _)| calm > since + 60) {
                target = self.propose_calmly(calm).or(target);
            }
            if target.is_some_and(|(_, highest)| self.is_settled(highest)) {
                self.calm = false;
                return End::Settled;
            }
        }
        if self.is_stranded() {
            self.tally.add("schedules stranded by a membership, with a first member of", self.kinds[&1]);
            return End::Stranded;
        }
        if self.is_unanswered() {
            self.tally.add("schedules that a request for a snapshot stopped, with a leader of", Kind::RaftRs);
            return End::Unanswered;
        }
        panic!("no progress in {CALM} calm rounds: {}", self.describe());
    }

    fn calm_round(&mut self, calm: u64) {
        self.round += 1;
        self.all_needed = calm > CALM / 3;
        self.restart_all();
        // A host ends a member that was removed. If the group needs the member, the host notices.
        let conf = self.book.newest_conf().clone();
        for id in self.up() {
            if conf.has(id) || self.all_needed {
                self.with(id, |member| member.tick());
            }
        }
        self.deliver();
    }

    /// Proposes an entry, or to leave a joint membership. Returns the round, and the highest index
    /// applied before.
    fn propose_calmly(&mut self, calm: u64) -> Option<(u64, u64)> {
        let id = self.newest_leader()?;
        let conf = self.member(id)?.disk().conf.clone();
        if conf.is_joint() && !conf.auto_leave {
            let change = Change { shape: Shape::Auto, steps: Vec::new(), context: Vec::new() };
            self.with(id, |member| member.change(&change));
        }
        let highest = self.book.highest();
        self.propose(id);
        self.read(id);
        Some((calm, highest))
    }

    fn is_settled(&mut self, highest: u64) -> bool {
        let now = self.book.highest();
        let conf = self.book.newest_conf().clone();
        if now <= highest || conf.is_joint() {
            return false;
        }
        let ids: Vec<u64> = self.kinds.keys().copied().filter(|id| conf.has(*id)).collect();
        ids.into_iter().all(|id| self.member(id).is_some_and(|member| member.disk().machine.applied >= now))
    }

    fn is_stranded(&mut self) -> bool {
        let conf = self.book.newest_conf().clone();
        let ids: Vec<u64> = self.up().into_iter().filter(|id| conf.has(*id)).collect();
        let leaders = self.leaders();
        let uninformed = |id: u64| self.member(id).is_some_and(|member| member.disk().conf != conf);
        !leaders.iter().any(|id| ids.contains(id)) && ids.into_iter().any(uninformed)
    }

    /// Whether a leader of raft-rs waits for a member of raft-rs that has requested a snapshot. The
    /// leader takes the request once it has committed the member's log, and may need the member for that.
    fn is_unanswered(&mut self) -> bool {
        let Some(leader) = self.newest_leader().filter(|id| self.kinds[id] == Kind::RaftRs) else { return false };
        let commit = self.member(leader).map_or(0, |member| member.look().commit);
        let requested: Vec<u64> = self.requested.iter().copied().filter(|id| self.kinds[id] == Kind::RaftRs).collect();
        requested.into_iter().any(|id| self.member(id).is_some_and(|member| member.look().last > commit))
    }

    /// Describes every member.
    pub fn describe(&mut self) -> String {
        let mut text = format!("newest membership {:?}\n", self.book.newest_conf());
        let ids: Vec<u64> = self.kinds.keys().copied().collect();
        for id in ids {
            if let Some(member) = self.member(id) {
                let (kind, look) = (member.kind(), member.look());
                text += &format!("{id} {kind:?} {look:?} {:?}\n", member.disk().conf);
            }
        }
        text
    }
}
