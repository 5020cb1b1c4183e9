//! The world around the hosts: network, time, life and death. At the end of a run the faults stop
//! and the group must recover.

use crate::book::Book;
use crate::check::{Checker, Conf};
use crate::disk::{Disk, KEYS};
use crate::driver::Packet;
use crate::history;
use crate::host::{Bench, Host, Turn};
use crate::hosts::{Hosts, MAX_NODES};
use crate::law::{Halt, Law, Lawful, broken};
use crate::plan::{Fault, Options, Plan};
use crate::rng::Rng;
use crate::script::Script;
use crate::tally::{Tally, Witness};
use raftcore::*;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[derive(Default)]
pub struct Network {
    /// Due in the next round.
    pub now: Vec<Packet>,
    /// In flight, by the tick of arrival. Messages survive their sender.
    pub later: BTreeMap<(u64, u64), Packet>,
    sequence: u64,
    /// By sender: bits of the nodes that are cut off.
    pub cut: [u32; MAX_NODES],
    pub heals_at: u64,
    /// A flapping link: both ends, the tick of the end, and how long each state lasts.
    pub flapping: Option<(u64, u64, u64, u64)>,
}

impl Network {
    fn is_cut(&self, from: u64, to: u64, now: u64) -> bool {
        if self.cut[from as usize] >> to & 1 == 1 {
            return true;
        }
        self.flapping.is_some_and(|(a, b, until, period)| {
            (from, to) == (a, b) && now < until && (now / period).is_multiple_of(2)
                || (from, to) == (b, a) && now < until && (now / period).is_multiple_of(2)
        })
    }

    pub fn put(&mut self, due: u64, packet: Packet) {
        self.sequence += 1;
        self.later.insert((due, self.sequence), packet);
    }
}

/// A process that is down for a time, or for good.
pub struct Grave {
    pub disk: Disk,
    /// The tick of the return.
    pub back: u64,
}

pub struct World {
    pub bench: Bench,
    pub hosts: Hosts,
    pub graves: BTreeMap<u64, Grave>,
    /// Disks lost for good. A lost disk did hold the entries acknowledged from the disk.
    pub wiped: BTreeMap<u64, Disk>,
    pub lives: BTreeMap<u64, u64>,
    pub network: Network,
    /// Random streams: the network, faults, clients, operators.
    pub net: Rng,
    pub chaos: Rng,
    pub clients: Rng,
    pub operators: Rng,
    /// Nodes removed at any time.
    pub removed: BTreeSet<u64>,
    /// The tick of the last proposed change.
    pub changed_at: u64,
}

/// The result of a run.
pub struct Run {
    pub tally: Tally,
    pub script: Script,
    /// The tick of the end.
    pub tick: u64,
    pub plan: Plan,
    pub outcome: Lawful,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let (seed, script) = (plan.seed, Script::new(plan.script));
        let bench = Bench {
            plan,
            rng: Rng::stream(seed, 2),
            now: 0,
            checker: Checker::default(),
            book: Book::default(),
            tally: Tally::default(),
            script,
            moved: Vec::new(),
            elected: Vec::new(),
            joint: None,
        };
        Self {
            bench,
            hosts: Hosts::default(),
            graves: BTreeMap::new(),
            wiped: BTreeMap::new(),
            lives: BTreeMap::new(),
            network: Network::default(),
            net: Rng::stream(seed, 3),
            chaos: Rng::stream(seed, 4),
            clients: Rng::stream(seed, 5),
            operators: Rng::stream(seed, 6),
            removed: BTreeSet::new(),
            changed_at: 0,
        }
    }
}

/// Runs a seed.
pub fn run(seed: u64, options: &Options) -> Run {
    let plan = Plan::draw(seed, options);
    let mut world = World::new(plan.clone());
    let script = world.bench.script.clone();
    script.note(&format!("seed {seed}: {}", plan.summary()));
    // A panic anywhere is a finding too.
    let outcome = catch_unwind(AssertUnwindSafe(|| world.live())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
        broken(Law::Sound, format!("panic: {text}"))
    });
    if let Err(broken) = &outcome {
        script.note(&format!("tick {}: {}: {}", world.bench.now, broken.law.text(), broken.text));
    }
    world.bench.tally.ticks = world.bench.now;
    world.bench.tally.calls += world.hosts.values().map(|host| host.driver.calls).sum::<u64>();
    world.bench.tally.twins = u64::from(plan.twin && cfg!(feature = "capi"));
    Run { tally: world.bench.tally, script, tick: world.bench.now, plan, outcome }
}

impl World {
    /// Starts the founders.
    pub fn begin(&mut self) -> Lawful {
        let founders: Vec<u64> = (1..=self.bench.plan.founders).collect();
        self.bench.checker.begin(&Disk::founder(&founders).machine.conf);
        founders.iter().try_for_each(|&id| self.boot(id, Disk::founder(&founders)))
    }

    fn live(&mut self) -> Lawful {
        self.begin()?;
        while self.bench.now < self.bench.plan.ticks {
            self.trouble()?;
            self.clients()?;
            self.operate()?;
            self.tick()?;
        }
        self.recover()
    }

    pub fn boot(&mut self, id: u64, disk: Disk) -> Lawful {
        let life = self.lives.entry(id).or_insert(0);
        *life += 1;
        match Host::boot(id, *life, disk.clone(), &mut self.bench) {
            Ok(mut host) => {
                if self.bench.has(Fault::TickDrift) {
                    host.speed.0 = self.chaos.between(50, 300);
                    self.bench.tally.fault(Fault::TickDrift);
                }
                self.hosts.insert(id, host);
                self.settle()
            }
            Err(Halt::Broken(broken)) => Err(broken),
            Err(Halt::Crash) => Ok(()),
        }
    }

    /// Runs `act` on a host, and cleans up if the process dies.
    pub fn with(&mut self, id: u64, act: impl FnOnce(&mut Host, &mut Bench) -> Turn) -> Lawful {
        let Some(host) = self.hosts.get_mut(&id) else { return Ok(()) };
        let outcome = act(host, &mut self.bench);
        self.mail(id);
        match outcome {
            Ok(()) => self.settle(),
            Err(Halt::Crash) => {
                let wait = self.chaos.below(2 * self.bench.plan.election_ticks());
                self.crash(id, self.bench.now + wait)
            }
            Err(Halt::Broken(broken)) => Err(broken),
        }
    }

    /// Checks the commits claimed by leaders since the last call against all disks.
    fn settle(&mut self) -> Lawful {
        for (leader, conf, id) in std::mem::take(&mut self.bench.moved) {
            self.bench.checker.on_quorum(leader, &conf, id, |member| self.on_disk(member, id))?;
        }
        for leader in std::mem::take(&mut self.bench.elected) {
            self.saw_election(leader);
        }
        Ok(())
    }

    fn on_disk(&self, member: u64, id: EntryId) -> bool {
        let alive = self.hosts.get(&member).map(|host| &host.disk);
        let dead = self.graves.get(&member).map(|grave| &grave.disk);
        alive.or(dead).or(self.wiped.get(&member)).is_some_and(|disk| disk.holds(id))
    }

    fn saw_election(&mut self, leader: u64) {
        let Some(host) = self.hosts.get(&leader) else { return };
        let s = host.status;
        if self.hosts.values().any(|other| other.leads() && other.id != leader && other.status.term < s.term) {
            self.bench.tally.saw(Witness::TwoLeaders);
        }
        let runs = host.driver.runs();
        let tail = s.last_index.saturating_sub(1);
        if tail > s.commit && tail >= s.first_index {
            self.bench.tally.saw(Witness::OldTermTail);
            let at = runs.partition_point(|run| run.first <= tail);
            let id = EntryId { term: at.checked_sub(1).map_or(0, |at| runs[at].term), index: tail };
            if host.conf.is_quorum(|member| self.on_disk(member, id)) {
                self.bench.tally.saw(Witness::OldTermOnQuorum);
            }
        }
    }

    // ---- the network

    /// Puts a host's sent messages into the network.
    fn mail(&mut self, id: u64) {
        let Some(host) = self.hosts.get_mut(&id) else { return };
        let b = &mut self.bench;
        for mut packet in host.sent.drain(..) {
            packet.to_life = self.lives.get(&packet.head.to).copied().unwrap_or(0);
            let (lost, twice, slow, slower) = (
                self.net.chance(b.plan.loss),
                self.net.chance(b.plan.duplicates),
                self.net.chance(20),
                self.net.rarely(15),
            );
            if packet.head.to as usize >= MAX_NODES {
                continue;
            }
            if b.plan.has(Fault::Loss) && lost {
                b.tally.fault(Fault::Loss);
                continue;
            }
            let copies = if b.plan.has(Fault::Duplicate) && twice { 2 } else { 1 };
            if copies == 2 {
                b.tally.fault(Fault::Duplicate);
            }
            for _ in 0..copies {
                let mut delay = 0;
                if b.plan.has(Fault::LongDelay) && slower {
                    b.tally.fault(Fault::LongDelay);
                    delay = self.net.between(b.plan.election_ticks(), 8 * b.plan.election_ticks());
                } else if b.plan.has(Fault::Delay) && slow {
                    b.tally.fault(Fault::Delay);
                    delay = self.net.between(1, b.plan.max_delay);
                }
                if delay == 0 {
                    self.network.now.push(packet.clone());
                } else {
                    self.network.put(b.now + delay, packet.clone());
                }
            }
        }
    }

    fn deliver(&mut self, packet: Packet) -> Lawful {
        let (from, to) = (packet.head.from, packet.head.to);
        if self.network.is_cut(from, to, self.bench.now) {
            return Ok(());
        }
        let Some(host) = self.hosts.get(&to) else { return Ok(()) };
        if host.paused_until > 0 {
            self.network.put(host.paused_until.max(self.bench.now + 1), packet);
            return Ok(());
        }
        self.saw_arrival(&packet);
        self.with(to, |host, b| host.step(&packet, b))
    }

    fn saw_arrival(&mut self, packet: &Packet) {
        let crashed = self.lives.get(&packet.head.from).is_some_and(|&life| life != packet.life)
            || !self.hosts.contains_key(&packet.head.from);
        let (kind, granted) = (packet.head.kind, !packet.head.reject);
        let b = &mut self.bench;
        if crashed && kind == MessageKind::VoteResp && granted {
            b.tally.saw(Witness::VoteAcrossVoterCrash);
        }
        let other = self.lives.get(&packet.head.to).is_some_and(|&life| life != packet.to_life);
        if other && kind == MessageKind::VoteResp && granted {
            b.tally.saw(Witness::VoteAcrossCandidateCrash);
        }
        if crashed && kind == MessageKind::AppResp && granted {
            b.tally.saw(Witness::AckAcrossCrash);
        }
    }

    // ---- time

    pub fn tick(&mut self) -> Lawful {
        self.bench.now += 1;
        let now = self.bench.now;
        let drifts = self.bench.has(Fault::TickDrift);
        for id in self.hosts.range() {
            let Some(host) = self.hosts.get_mut(&id) else { continue };
            if host.paused_until > now {
                continue;
            }
            // The ticks of a pause come before anything else, since a lease rests on them.
            let slept = if host.paused_until > 0 { host.paused_until.saturating_sub(host.speed.1) } else { 0 };
            let mut ticks = 1;
            if host.paused_until > 0 {
                (ticks, host.paused_until, host.speed.1) = (slept.max(1), 0, 0);
            } else if drifts {
                let sum = host.speed.0 + host.speed.1;
                (ticks, host.speed.1) = (sum / 100, sum % 100);
            }
            if ticks > 0 {
                self.with(id, |host, b| host.tick(ticks as u32, b))?;
            }
            if let Some(host) = self.hosts.get(&id).filter(|host| host.leads()) {
                host.check_peers(&self.bench)?;
            }
        }
        self.work()?;
        self.resurrect()
    }

    fn resurrect(&mut self) -> Lawful {
        let now = self.bench.now;
        let back: Vec<u64> = self.graves.iter().filter(|(_, grave)| grave.back <= now).map(|(&id, _)| id).collect();
        for id in back {
            if let Some(grave) = self.graves.remove(&id) {
                self.boot(id, grave.disk)?;
            }
        }
        Ok(())
    }

    /// Delivers messages and runs turns, until no work is left in this tick.
    fn work(&mut self) -> Lawful {
        for _ in 0..8 {
            let mut due = std::mem::take(&mut self.network.now);
            while let Some(entry) = self.network.later.first_entry().filter(|entry| entry.key().0 <= self.bench.now) {
                due.push(entry.remove());
            }
            if self.bench.has(Fault::Reorder) && due.len() > 1 {
                self.bench.tally.fault(Fault::Reorder);
                self.net.shuffle(&mut due);
            }
            for packet in due {
                self.deliver(packet)?;
            }
            let mut idle = true;
            for id in self.hosts.range() {
                let awake = |host: &&mut Host| host.wakes && host.paused_until == 0;
                if self.hosts.get_mut(&id).filter(awake).is_some() {
                    idle = false;
                    self.with(id, Host::turn)?;
                }
            }
            if self.network.now.is_empty() && idle {
                break;
            }
        }
        Ok(())
    }

    // ---- life and death

    pub fn crash(&mut self, id: u64, back: u64) -> Lawful {
        let Some(host) = self.hosts.remove(&id) else { return Ok(()) };
        self.bench.script.note(&format!("tick {}: node {id} dies", self.bench.now));
        self.bench.tally.calls += host.driver.calls;
        let disk = host.crash(&mut self.bench)?;
        self.bench.book.died(id);
        self.graves.insert(id, Grave { disk, back });
        Ok(())
    }

    pub fn leader(&self) -> Option<u64> {
        let leads = self.hosts.values().filter(|host| host.leads());
        leads.max_by_key(|host| host.status.term).map(|host| host.id)
    }

    // ---- the end

    /// Ends the faults, at least for a quorum. Within a bound the group must elect, commit, serve,
    /// and catch up, and every token must come back.
    pub fn recover(&mut self) -> Lawful {
        let plan = &mut self.bench.plan;
        plan.calm();
        (self.network.cut, self.network.flapping) = ([0; MAX_NODES], None);
        let away = self.choose_absentee();
        for id in self.graves.keys().copied().collect::<Vec<_>>() {
            if Some(id) != away
                && let Some(grave) = self.graves.remove(&id)
            {
                self.boot(id, grave.disk)?;
            }
        }
        if let Some(id) = away {
            self.crash(id, u64::MAX)?;
            self.bench.tally.saw(Witness::QuorumCore);
        }
        let now = self.bench.now;
        for host in self.hosts.values_mut() {
            // A paused host wakes with the next tick, and learns how long the pause was.
            let fell_asleep = if host.paused_until > 0 { host.speed.1 } else { 0 };
            host.paused_until = host.paused_until.min(now + 1);
            (host.stalled_until, host.speed, host.driver.fuse) = (0, (100, fell_asleep), None);
            host.late.iter_mut().for_each(|late| late.due = late.due.min(now));
            host.wakes = true;
        }
        // Maintenance ends as well: if the node with the longest log may not lead, no node can.
        for id in self.hosts.ids() {
            self.with(id, |host, b| {
                let done = host.driver.set_electable(true)?;
                host.may_fail("set_electable", done, &[])?;
                host.look(b)?;
                Ok(())
            })?;
        }
        self.bench.script.note(&format!("tick {now}: the faults end; {away:?} stays away"));
        let bound = self.recovery_bound();
        // Each key is read once, to find any lost acknowledged write.
        let (mut mark, mut keys) = (None, 0);
        for round in 0..bound {
            self.tick()?;
            let Some(leader) = self.leader() else { continue };
            // Tokens of an earlier, longer log come back once this log has grown past them.
            if round % 4 == 0 && mark.is_none_or(|mark| round < mark + bound / 2) {
                self.propose_at(leader, 60)?;
            }
            if round > 20 && mark.is_none() && self.read_at(leader, keys)? {
                keys += 1;
                mark = (keys == KEYS).then_some(round);
            }
            if mark.is_some() && self.is_whole(leader) {
                return history::check(&self.bench.book.ops);
            }
        }
        history::check(&self.bench.book.ops)?;
        if self.waits_for_removed_nodes() {
            self.bench.tally.stalls += 1;
            return Ok(());
        }
        self.not_recovered(bound)
    }

    /// Returns the ticks within which the group must have recovered. Elections and snapshots take
    /// their time, and with tiny limits a message carries one entry, so that a log of some thousand
    /// uncommitted entries takes a tick or less for each of them.
    fn recovery_bound(&self) -> u64 {
        let plan = &self.bench.plan;
        let last = self.hosts.values().map(|host| host.status.last_index).max();
        let commit = self.hosts.values().map(|host| host.status.commit).min();
        let behind = last.unwrap_or(0).saturating_sub(commit.unwrap_or(0));
        let one_by_one = if plan.had(Fault::TinyLimits) { behind } else { 0 };
        80 * plan.election_ticks() + 3 * plan.snapshot_timeout() + one_by_one
    }

    fn not_recovered(&self, bound: u64) -> Lawful {
        let state = |host: &Host| {
            let s = &host.status;
            format!(
                "{} {:?} term {} vote {} leader {} commit {} applied {} last {}/{} promotable {} tokens {} {:?} open {:?} changes {:?} jobs {} tasks {}",
                s.id,
                s.role,
                s.term,
                s.vote,
                s.leader,
                s.commit,
                s.applied,
                s.last_term,
                s.last_index,
                s.promotable,
                s.n_tokens,
                host.conf,
                self.bench.book.open_at(host.id),
                host.changes,
                host.jobs.len(),
                host.to_apply.len()
            )
        };
        let states: Vec<String> = self.hosts.values().map(state).collect();
        broken(Law::Recovery, format!("not within {bound} ticks:\n{}", states.join("\n")))
    }

    /// Chooses a node that may stay away: the remaining nodes are a quorum, and no change is in
    /// flight.
    fn choose_absentee(&mut self) -> Option<u64> {
        let ids = self.hosts.ids();
        let wish = self.chaos.chance(50).then(|| self.chaos.pick(&ids)).flatten()?;
        let here = |id: u64| id != wish && (self.hosts.contains_key(&id) || self.graves.contains_key(&id));
        let pending = self.bench.plan.members_change() || !self.graves.is_empty();
        let all = self.hosts.values().all(|host| host.conf.voters.is_empty() || host.conf.is_quorum(here));
        (all && !pending).then_some(wish)
    }

    /// Whether all live members of the leader's configuration are level, and no operation is open.
    fn is_whole(&self, leader: u64) -> bool {
        let Some(host) = self.hosts.get(&leader) else { return false };
        let conf: &Conf = &host.conf;
        let (applied, last) = (host.machine.applied, host.status.last_index);
        let level = |id: &u64| {
            self.hosts.get(id).is_none_or(|other| {
                other.machine.applied == applied && other.status.last_index == last && other.status.n_tokens == 0
            })
        };
        let served = |id: &u64| self.bench.book.is_even(*id);
        let members = conf.members();
        applied == last && members.iter().all(level) && members.iter().all(served)
    }

    /// Whether the group stalls in the known way, as in etcd's raft (docs/departures.md). The
    /// leader of a change that removes it died before any remaining node heard of the commit. The
    /// remaining nodes count by the old configuration. A candidate needs votes of nodes that have
    /// applied the change. Such nodes may no longer lead, and refuse since their logs are longer.
    fn waits_for_removed_nodes(&self) -> bool {
        let position = |host: &Host| (host.status.last_term, host.status.last_index);
        let may_lead = |host: &&Host| host.status.promotable;
        let best = self.hosts.values().filter(may_lead).map(position).max().unwrap_or_default();
        let removed = |host: &&Host| host.status.electable && !may_lead(host);
        self.leader().is_none() && self.hosts.values().filter(removed).any(|host| position(host) > best)
    }
}
