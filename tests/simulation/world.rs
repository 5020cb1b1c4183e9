//! The world around the nodes: network, crashes, clients, operators; drawn from the seed, each fault present or not ("swarm").

use crate::check::{Checker, Outcome};
use crate::host::{Disk, Host, Packet};
use crate::rng::Rng;
use raftcore::*;
use std::collections::BTreeMap;

struct Plan {
    loss: u64,
    duplicates: u64,
    delay: u64,
    partitions: u64,
    crashes: u64,
    changes: u64,
    transfers: u64,
    compactions: u64,
    slow_disk: u64,
    slow_apply: u64,
    /// How likely a fetch that was put off is answered in a turn.
    answers: u64,
    tiny: bool,
    lease: bool,
    pre_vote: bool,
    mode: StorageMode,
    mixed_modes: bool,
    ticks: u64,
}

impl Plan {
    fn draw(rng: &mut Rng) -> Self {
        let mut maybe = |percent: u64, max: u64| if rng.chance(percent) { rng.below(max) + 1 } else { 0 };
        let mut plan = Self {
            loss: maybe(60, 20),
            duplicates: maybe(50, 20),
            delay: maybe(70, 30),
            partitions: maybe(60, 4),
            crashes: maybe(70, 3),
            changes: maybe(60, 6),
            transfers: maybe(50, 4),
            compactions: maybe(60, 10),
            slow_disk: maybe(60, 80),
            slow_apply: maybe(50, 80),
            answers: maybe(60, 20),
            tiny: maybe(40, 1) == 1,
            lease: maybe(20, 1) == 1,
            pre_vote: maybe(70, 1) == 1,
            mode: match maybe(66, 2) {
                0 => StorageMode::Sync,
                1 => StorageMode::Async,
                _ => StorageMode::Messages,
            },
            mixed_modes: maybe(20, 1) == 1,
            ticks: 400,
        };
        // Without pre-vote a node that missed its removal raises terms for ever, and nobody tells a candidate behind (etcd's rule).
        plan.pre_vote |= plan.changes > 0;
        plan
    }

    fn config(&self, id: u64, seed: u64) -> Config {
        let mut c = Config::new(id);
        c.seed = seed;
        c.group = 9;
        c.storage = match (self.mixed_modes, id % 3) {
            (false, _) => self.mode,
            (true, 0) => StorageMode::Sync,
            (true, 1) => StorageMode::Async,
            (true, _) => StorageMode::Messages,
        };
        c.recent_bytes = 1 << 20;
        c.block_bytes = 4 << 10;
        c.flags = c.flags.with(Flags::PRE_VOTE, self.pre_vote);
        c.snapshot_timeout_ticks = 60;
        if self.lease {
            c.flags = c.flags.with(Flags::LEASE_READS, true);
        }
        if self.tiny {
            c.recent_bytes = 16 << 10;
            c.max_size_per_msg = 100;
            c.max_committed_size_per_ready = 150;
            c.max_inflight_msgs = 2;
            c.max_entries_per_ready = 3;
            c.max_outstanding = 2;
            c.max_uncommitted_size = 2000;
        }
        c
    }
}

struct World {
    seed: u64,
    rng: Rng,
    plan: Plan,
    hosts: BTreeMap<u64, Host>,
    /// Disks of dead nodes, with the tick of their return.
    dead: BTreeMap<u64, (Disk, u64)>,
    lives: BTreeMap<u64, u64>,
    /// Messages on their way, by the tick of arrival; they survive their sender.
    network: BTreeMap<(u64, u64), Packet>,
    sequence: u64,
    cut: Vec<(u64, u64)>,
    now: u64,
    token: u64,
    checker: Checker,
}

/// Runs one seed; gives what was seen.
pub fn run(seed: u64) -> Vec<&'static str> {
    let mut rng = Rng::new(seed);
    let plan = Plan::draw(&mut rng);
    let mut world = World {
        seed,
        rng,
        plan,
        hosts: BTreeMap::new(),
        dead: BTreeMap::new(),
        lives: BTreeMap::new(),
        network: BTreeMap::new(),
        sequence: 0,
        cut: Vec::new(),
        now: 0,
        token: 0,
        checker: Checker::default(),
    };
    let founders: Vec<u64> = if world.rng.chance(70) { vec![1, 2, 3] } else { vec![1, 2, 3, 4, 5] };
    for &id in &founders {
        world.boot(id, founder(&founders));
    }
    while world.now < world.plan.ticks {
        world.trouble();
        world.work();
        world.tick();
    }
    world.recover();
    world.checker.seen.iter().copied().collect()
}

fn founder(voters: &[u64]) -> Disk {
    let conf = wire::ConfStateRef { voters, ..Default::default() };
    let mut bytes = vec![0; wire::conf_state_len(&conf)];
    wire::write_conf_state(&mut bytes, &conf);
    Disk {
        state: HardState { term: 0, vote: 0, commit: 1 },
        before: EntryId { term: 1, index: 1 },
        conf: bytes,
        applied: 1,
        ..Disk::default()
    }
}

impl World {
    fn boot(&mut self, id: u64, disk: Disk) {
        let life = self.lives.entry(id).or_insert(0);
        *life += 1;
        let config = self.plan.config(id, self.seed ^ (id << 20) ^ (*life << 40));
        self.hosts.insert(id, Host::boot(id, *life, disk, &config));
    }

    fn tick(&mut self) {
        self.now += 1;
        let ids: Vec<u64> = self.hosts.keys().copied().collect();
        for id in ids {
            if let Some(host) = self.hosts.get_mut(&id) {
                host.node.tick(1).unwrap();
            }
            self.after(id);
        }
        let back: Vec<u64> = self.dead.iter().filter(|(_, (_, at))| *at <= self.now).map(|(&id, _)| id).collect();
        for id in back {
            if let Some((disk, _)) = self.dead.remove(&id) {
                self.boot(id, disk);
            }
        }
    }

    /// Looks at a node after something happened to it, and takes what it says.
    fn after(&mut self, id: u64) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        while host.node.next_event().is_some() {}
        self.checker.node(&host.node, host.life, &host.disk);
        let (heard, sent) = (std::mem::take(&mut host.heard), std::mem::take(&mut host.sent));
        for packet in sent {
            self.checker.leaves(&packet, &host.disk);
            if self.rng.chance(self.plan.loss) {
                continue;
            }
            for _ in 0..1 + u64::from(self.rng.chance(self.plan.duplicates)) {
                let delay =
                    if self.plan.delay > 0 && self.rng.chance(20) { self.rng.below(self.plan.delay) } else { 0 };
                self.sequence += 1;
                self.network.insert((self.now + delay, self.sequence), packet.clone());
            }
        }
        self.checker.heard(id, heard);
    }

    fn work(&mut self) {
        for _ in 0..12 {
            let ids: Vec<u64> = self.hosts.keys().copied().collect();
            for id in ids {
                self.turn(id);
            }
            let due: Vec<(u64, u64)> = self.network.range(..=(self.now, u64::MAX)).map(|(&key, _)| key).collect();
            if due.is_empty() {
                break;
            }
            for key in due {
                if let Some(packet) = self.network.remove(&key) {
                    self.deliver(&packet);
                }
            }
        }
    }

    fn turn(&mut self, id: u64) {
        for _ in 0..3 {
            let Some(host) = self.hosts.get_mut(&id) else { return };
            host.turn(&mut self.rng);
            if self.rng.chance(self.plan.answers) {
                host.answer_late();
            }
            self.after(id);
            let Some(host) = self.hosts.get_mut(&id) else { return };
            if !host.jobs.is_empty() && !self.rng.chance(self.plan.slow_disk) {
                host.finish_job();
            }
            if host.mode != StorageMode::Sync && !self.rng.chance(self.plan.slow_apply) {
                let count = 1 + self.rng.below(8) as usize;
                host.apply(count);
            }
            self.after(id);
        }
    }

    fn deliver(&mut self, packet: &Packet) {
        if self.cut.contains(&(packet.from, packet.to)) {
            return;
        }
        let Some(host) = self.hosts.get_mut(&packet.to) else { return };
        match host.node.step(packet.from, &packet.bytes) {
            Ok(()) | Err(Error::Full | Error::NoPeer | Error::NoLeader | Error::ConfBusy | Error::Conf) => {}
            // Passed on by somebody who is no member here.
            Err(Error::NotForMe) if wire::parse_message(&packet.bytes).is_ok_and(|m| m.head.from != packet.from) => {}
            Err(error) => panic!("{packet:?}: {error}: {}", host.node.error_detail()),
        }
        self.after(packet.to);
    }

    fn leader(&self) -> Option<u64> {
        let leads = self.hosts.values().filter(|host| host.node.status().role == Role::Leader);
        leads.max_by_key(|host| host.node.status().term).map(|host| host.id)
    }

    /// Clients, operators and faults of one tick.
    fn trouble(&mut self) {
        for _ in 0..self.rng.below(3) {
            self.propose();
        }
        if self.rng.chance(30) {
            self.read();
        }
        if self.rng.chance(self.plan.changes) {
            self.change();
        }
        let ids: Vec<u64> = self.hosts.keys().copied().collect();
        let Some(&id) = self.rng.pick(&ids) else { return };
        if self.rng.chance(self.plan.transfers) {
            let to = self.rng.pick(&ids).copied().unwrap_or(0);
            self.with(id, |node| _ = node.transfer(to));
        }
        if self.rng.chance(2) {
            self.with(id, |node| _ = node.campaign());
        }
        if self.rng.chance(1) {
            self.with(id, |node| _ = node.forget_leader());
        }
        if self.rng.chance(2) {
            let peer = self.rng.pick(&ids).copied().unwrap_or(0);
            self.with(id, |node| _ = node.report_unreachable(peer));
        }
        if self.rng.chance(2) {
            let (peer, arrived) = (self.rng.pick(&ids).copied().unwrap_or(0), self.rng.chance(50));
            self.with(id, |node| _ = node.report_snapshot(peer, arrived));
        }
        if self.rng.chance(self.plan.compactions) {
            let keep = self.rng.below(8);
            if let Some(host) = self.hosts.get_mut(&id) {
                host.compact(keep);
            }
            self.after(id);
        }
        if self.rng.chance(self.plan.crashes) {
            self.crash(id);
        }
        if self.rng.chance(self.plan.partitions) {
            self.cut.clear();
            if self.rng.chance(70) {
                let one_way = self.rng.chance(30);
                for &other in ids.iter().filter(|&&other| other != id) {
                    if self.rng.chance(60) {
                        self.cut.push((id, other));
                        if !one_way {
                            self.cut.push((other, id));
                        }
                    }
                }
            }
        }
    }

    fn with(&mut self, id: u64, call: impl FnOnce(&mut Node)) {
        if let Some(host) = self.hosts.get_mut(&id) {
            call(&mut host.node);
        }
        self.after(id);
    }

    fn crash(&mut self, id: u64) {
        let Some(host) = self.hosts.remove(&id) else { return };
        if !host.jobs.is_empty() {
            self.checker.seen.insert("torn or lost write");
        }
        let disk = host.crash(&mut self.rng);
        let back = self.now + self.rng.below(40);
        self.dead.insert(id, (disk, back));
        // What was open at this node is never answered.
        for (_, outcome) in self.checker.proposals.values_mut().filter(|(data, _)| data.first() == Some(&(id as u8))) {
            if *outcome == Outcome::Open {
                *outcome = Outcome::Lost;
            }
        }
        self.checker.reads.retain(|token, _| token >> 56 != id);
    }

    fn propose(&mut self) {
        let ids: Vec<u64> = self.hosts.keys().copied().collect();
        let near = if self.rng.chance(60) { self.leader() } else { None };
        let Some(id) = near.or_else(|| self.rng.pick(&ids).copied()) else { return };
        self.token += 1;
        let token = (id << 56) | self.token;
        let mut data = vec![id as u8];
        data.extend_from_slice(&token.to_le_bytes());
        data.resize(9 + self.rng.below(40) as usize, 7);
        let Some(host) = self.hosts.get_mut(&id) else { return };
        if host.node.propose(&data, token).is_ok() {
            self.checker.proposals.insert(token, (data, Outcome::Open));
        }
        self.after(id);
    }

    fn read(&mut self) {
        let ids: Vec<u64> = self.hosts.keys().copied().collect();
        let Some(&id) = self.rng.pick(&ids) else { return };
        self.token += 1;
        let token = (id << 56) | self.token;
        let Some(host) = self.hosts.get_mut(&id) else { return };
        if host.node.read_index(token).is_ok() {
            let began = self.checker.acknowledged;
            self.checker.reads.insert(token, began);
        }
        self.after(id);
    }

    fn change(&mut self) {
        let Some(id) = self.leader() else { return };
        let mut changes = Vec::new();
        for _ in 0..1 + self.rng.below(3) {
            let kind = match self.rng.below(4) {
                0 => ChangeKind::RemoveNode,
                1 => ChangeKind::AddLearner,
                _ => ChangeKind::AddNode,
            };
            let target = 1 + self.rng.below(6);
            if changes.iter().all(|c: &Change| c.id != target) {
                changes.push(Change { kind, id: target });
            }
        }
        let encoding = match self.rng.below(5) {
            0 => ChangeEncoding::V1,
            1 => ChangeEncoding::V2(Transition::JointImplicit),
            2 => ChangeEncoding::V2(Transition::JointExplicit),
            _ => ChangeEncoding::V2(Transition::Auto),
        };
        if encoding == ChangeEncoding::V1 {
            changes.truncate(1);
        }
        let Some(host) = self.hosts.get_mut(&id) else { return };
        if host.node.conf().is_ok_and(|conf| !conf.conf.voters_outgoing.is_empty()) {
            self.checker.seen.insert("joint");
            changes.clear();
        }
        let encoding = if changes.is_empty() { ChangeEncoding::V2(Transition::Auto) } else { encoding };
        let _ = host.node.propose_conf(&changes, encoding, b"", 0);
        self.after(id);
        // A node that is new has an empty disk.
        for change in changes.iter().filter(|change| change.kind != ChangeKind::RemoveNode) {
            if !self.hosts.contains_key(&change.id) && !self.dead.contains_key(&change.id) {
                self.boot(change.id, Disk::default());
            }
        }
    }

    /// Faults end: within a bound the group elects, commits, and everybody in it catches up.
    fn recover(&mut self) {
        self.cut.clear();
        (self.plan.loss, self.plan.duplicates, self.plan.delay) = (0, 0, 0);
        (self.plan.slow_disk, self.plan.slow_apply, self.plan.answers) = (0, 0, 100);
        for id in self.dead.keys().copied().collect::<Vec<_>>() {
            if let Some((disk, _)) = self.dead.remove(&id) {
                self.boot(id, disk);
            }
        }
        let mut mark = None;
        for round in 0..600 {
            self.work();
            self.tick();
            let Some(id) = self.leader() else { continue };
            if round > 100 && mark.is_none() {
                let before = self.token;
                self.propose();
                let token = (id << 56) | (before + 1);
                mark = self.checker.proposals.contains_key(&token).then_some(token);
            }
            if mark.is_some_and(|token| self.is_done(id, token)) {
                return;
            }
        }
        if self.waits_for_removed_nodes() {
            self.checker.seen.insert("known stall: removed nodes have the longer logs");
            return;
        }
        let states: Vec<String> = self.hosts.values().map(|host| format!("{:?}", host.node.status())).collect();
        panic!("seed {}: no recovery within 600 ticks:\n{}", self.seed, states.join("\n"));
    }

    /// The one way known to stall for good, as in etcd's raft (docs/departures.md): the leader of a change that removes it died before
    /// anybody who stays had heard that the change is committed. Those who stay count by the old configuration, in which they need
    /// votes of nodes that have applied the change, may not lead any more, and refuse, since their logs are longer.
    fn waits_for_removed_nodes(&self) -> bool {
        let position = |host: &Host| (host.node.status().last_term, host.node.status().last_index);
        let may_lead = |host: &&Host| host.node.status().promotable;
        let best = self.hosts.values().filter(may_lead).map(position).max().unwrap_or_default();
        self.leader().is_none() && self.hosts.values().any(|host| !may_lead(&host) && position(host) > best)
    }

    /// The proposal is committed, and all members of the leader's configuration have it.
    fn is_done(&mut self, leader: u64, token: u64) -> bool {
        let outcome = self.checker.proposals.get(&token).map(|(_, outcome)| outcome.clone());
        let index = match outcome {
            Some(Outcome::Committed(index)) => index,
            Some(Outcome::Open) => return false,
            // Led to another leader: any later entry will do.
            _ => self.checker.committed.last_key_value().map_or(0, |(&index, _)| index),
        };
        let Some(host) = self.hosts.get(&leader) else { return false };
        let members: Vec<u64> = host.node.peers().map(|peer| peer.id).collect();
        let level = |id: &u64| self.hosts.get(id).is_some_and(|host| host.disk.applied >= index);
        members.iter().all(level) && index > 0
    }
}
