//! No memory: in a running group each allocation of each call is made to fail, on a clone. The call says so with the node unchanged, and
//! works when it is repeated; or it does what it would have done but for a message, which may always be lost. Nothing aborts or leaks.
//!
//!     MEMORY_SEED=7 cargo test --test memory -- --nocapture      repeats a run; without it the seed is fresh and printed
//!     MEMORY_TURNS=40000 cargo test --test memory                a longer one: turns in each storage mode
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod heap;

use heap::{failing, live};
use kit::{Disk, Stored, config};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, EntryId, EntryKind, EntryRef, Error, FetchKind, Flags, HardState,
    Missing, Node, PeerStatus, Role, Status, StorageMode, Transition,
};
use std::cell::Cell;
use std::collections::BTreeMap;

type Outcome = Result<(), Error>;

/// Allocations that failed in a call; after how many the call went on all the same, and after how many old entries had left the memory.
type Tally = BTreeMap<&'static str, (u64, u64, u64)>;

/// What a node is, but for the part of its log that it keeps in memory, and its counters.
fn state(node: &Node) -> (Status, Vec<PeerStatus>) {
    let status = node.status();
    // What has left the recent log the host is asked for.
    let status = Status { memory_bytes: 0, recent_first: 0, apply_waits: 0, ..status };
    let counters = Status { proposals_refused: 0, messages_refused: 0, ..status };
    (counters, node.peers().collect())
}

/// Makes each allocation of a call fail in turn. Leaves the node as it is.
fn probe(tally: &mut Tally, node: &Node, name: &'static str, call: impl Fn(&mut Node) -> Outcome) {
    // A refusal is told by an event: with room for it none is lost that the calm call keeps.
    let mut node = node.try_clone().unwrap();
    while node.next_event().is_some() {}
    let before = node.digest(true);
    let mut calm = node.try_clone().unwrap();
    let expected = call(&mut calm);
    let count = tally.entry(name).or_default();
    for n in 1.. {
        let held = live();
        let mut twin = node.try_clone().unwrap();
        let (outcome, failed) = failing(n, || call(&mut twin));
        if !failed {
            return;
        }
        count.0 += 1;
        let what = || format!("{name}, when its allocation {n} failed");
        assert!(!twin.is_poisoned(), "{}: {}", what(), twin.error_detail());
        if outcome != Err(Error::NoMem) {
            count.1 += 1;
            assert_eq!(outcome, expected, "{}", what());
            twin.tick(1).unwrap();
        } else if twin.status().recent_first == node.status().recent_first {
            assert_eq!(twin.digest(true), before, "{}", what());
            let again = call(&mut twin);
            // A block that was made for it may take the place that it needs now, until the next release.
            if again != Err(Error::Full) || expected == again {
                assert_eq!(again, expected, "{}: repeated", what());
                assert_eq!(state(&twin), state(&calm), "{}: repeated", what());
                if twin.status().recent_first == calm.status().recent_first {
                    assert_eq!(twin.digest(true), calm.digest(true), "{}: repeated", what());
                }
            }
        } else {
            // Old entries have made room already: the host will be asked for them.
            count.2 += 1;
            assert_eq!(state(&twin), state(&node), "{}", what());
        }
        drop(twin);
        assert_eq!(live(), held, "{name} leaks after its allocation {n} failed");
    }
}

struct Host {
    node: Node,
    disk: Disk,
}

struct Group {
    random: u64,
    storage: StorageMode,
    hosts: BTreeMap<u64, Host>,
    network: Vec<(u64, u64, Vec<u8>)>,
    cut: u64,
    tally: Tally,
}

fn group_config(id: u64, storage: StorageMode) -> Config {
    let base = config(id);
    Config {
        storage,
        recent_bytes: 16 << 10,
        max_inflight_msgs: 20,
        flags: base.flags.with(Flags::BATCH_APPEND, id == 2),
        ..base
    }
}

impl Group {
    fn new(storage: StorageMode, seed: u64) -> Self {
        let (hosts, network) = (BTreeMap::new(), Vec::new());
        let mut group = Self { random: seed, storage, hosts, network, cut: 0, tally: Tally::new() };
        for id in 1..=3 {
            group.start(id, Disk::founder(&[1, 2, 3]));
        }
        group.start(4, Disk::default());
        group
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn start(&mut self, id: u64, disk: Disk) {
        let node = disk.boot(&group_config(id, self.storage));
        self.hosts.insert(id, Host { node, disk });
    }

    /// Makes the call, after each of its allocations was made to fail.
    fn call(&mut self, id: u64, name: &'static str, call: impl Fn(&mut Node) -> Outcome) -> Outcome {
        let host = self.hosts.get_mut(&id).unwrap();
        probe(&mut self.tally, &host.node, name, &call);
        call(&mut host.node)
    }

    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let at = self.below(self.network.len().min(4) as u64) as usize;
        let (from, to, bytes) = self.network.remove(at);
        if [from, to].contains(&self.cut) {
            return;
        }
        let name = match raftcore::wire::parse_message(&bytes).unwrap().head.kind as u8 {
            2 => "step: proposal",
            3 => "step: append",
            4 => "step: acknowledgement",
            7 => "step: snapshot",
            8 => "step: heartbeat",
            15 => "step: read",
            _ => "step: other",
        };
        _ = self.call(to, name, |node| node.step(from, &bytes));
    }

    /// Fetches, then all batches.
    fn work(&mut self, id: u64) {
        while let Some(fetch) = self.hosts.get_mut(&id).unwrap().node.next_fetch().unwrap() {
            let disk = self.hosts[&id].disk.clone();
            let outcome = match fetch.kind {
                FetchKind::Entries | FetchKind::Apply if disk.log.contains_key(&fetch.first) => {
                    self.call(id, "supply_entries", |node| {
                        let entries = disk.log.range(fetch.first..=fetch.last).map(|(&index, e)| EntryRef {
                            term: e.term,
                            index,
                            kind: e.kind,
                            data: &e.data,
                            ..EntryRef::default()
                        });
                        node.supply_entries(fetch.id, entries).map(|_| ())
                    })
                }
                FetchKind::Entries | FetchKind::Apply => {
                    self.call(id, "supply_none", |n| n.supply_none(fetch.id, Missing::Gone).map(|_| ()))
                }
                FetchKind::Snapshot => self.call(id, "supply_snapshot", |node| {
                    node.supply_snapshot_bytes(fetch.id, disk.applied, &disk.conf, &[5; 300]).map(|_| ())
                }),
            };
            if outcome.is_err() {
                self.hosts.get_mut(&id).unwrap().node.supply_none(fetch.id, Missing::Later).unwrap();
            }
        }
        loop {
            let number = Cell::new(0);
            let outcome = self.call(id, "ready", |node| {
                number.set(node.ready()?.map_or(0, |ready| ready.number()));
                Ok(())
            });
            outcome.unwrap();
            let number = number.get();
            if number == 0 {
                break;
            }
            let local = self.take(id, number);
            let applied = self.hosts[&id].disk.applied;
            match self.storage {
                StorageMode::Sync => self.call(id, "advance", |node| node.advance(number)).unwrap(),
                StorageMode::Async => {
                    self.call(id, "persisted", |node| node.persisted(number)).unwrap();
                    _ = self.call(id, "applied", |node| node.applied(applied));
                    self.call(id, "release", |node| node.release(number)).unwrap();
                }
                StorageMode::Messages => {
                    for bytes in local {
                        _ = self.call(id, "step_local", |node| node.step_local(&bytes));
                    }
                    self.call(id, "release", |node| node.release(number)).unwrap();
                }
            }
        }
    }

    /// Stores and applies a batch; gives the answers of local work.
    fn take(&mut self, id: u64, number: u64) -> Vec<Vec<u8>> {
        let (mut changes, mut local) = (Vec::new(), Vec::new());
        let host = self.hosts.get_mut(&id).unwrap();
        let disk = &mut host.disk;
        let ready = host.node.view(number).unwrap();
        if let Some(snapshot) = ready.snapshot() {
            disk.log.clear();
            disk.before = EntryId { term: snapshot.term, index: snapshot.index };
            (disk.conf, disk.applied) = (snapshot.conf.to_vec(), snapshot.index);
        }
        if let Some(first) = ready.entries().next() {
            disk.log.split_off(&first.index);
        }
        for e in ready.entries() {
            disk.log.insert(e.index, Stored { term: e.term, kind: e.kind, data: e.data.to_vec(), context: Vec::new() });
        }
        disk.state = ready.hard_state().unwrap_or(disk.state);
        for message in ready.messages() {
            let mut bytes = Vec::new();
            message.write_to(&mut bytes);
            if message.to() < u64::MAX - 16 {
                self.network.push((id, message.to(), bytes));
                continue;
            }
            let view = raftcore::wire::parse_message(&bytes).unwrap();
            for response in view.responses.iter() {
                match raftcore::wire::parse_message(response).unwrap().head.to {
                    to if to == id => local.push(response.to_vec()),
                    to => self.network.push((id, to, response.to_vec())),
                }
            }
        }
        if let Some((first, last)) = ready.committed_span() {
            for e in disk.entries(first, last).iter().filter(|e| e.kind.is_change()) {
                changes.push((e.index, e.term, e.kind, e.data.to_vec()));
            }
            disk.applied = last;
        }
        for (index, term, kind, data) in changes {
            let entry = EntryRef { term, index, kind, data: &data, ..EntryRef::default() };
            self.call(id, "apply_conf", |node| node.apply_conf(entry).map(|_| ())).unwrap();
            let host = self.hosts.get_mut(&id).unwrap();
            host.disk.conf = host.node.conf().unwrap().bytes.to_vec();
        }
        local
    }

    fn leader(&self) -> u64 {
        let leads = self.hosts.iter().filter(|(_, host)| host.node.status().role == Role::Leader);
        leads.max_by_key(|(_, host)| host.node.status().term).map_or(1, |(&id, _)| id)
    }

    /// Something that a host asks for.
    fn ask(&mut self) {
        let (leader, any) = (self.leader(), 1 + self.below(4));
        let data = vec![3; self.below(400) as usize];
        match self.below(12) {
            0..=3 => _ = self.call(leader, "propose", |node| node.propose(&data, 9)),
            4 => _ = self.call(leader, "propose: larger than a block", |node| node.propose(&[1; 5000], 9)),
            5 => _ = self.call(any, "propose: anywhere", |node| node.propose(&data, 9)),
            6 => {
                let entries = [(&data[..], 1), (&data[..], 2), (&data[..], 0)];
                _ = self.call(leader, "propose_many", |node| node.propose_many(entries.into_iter()));
            }
            7 => _ = self.call(any, "read_index", |node| node.read_index(8)),
            8 => {
                let kind =
                    [ChangeKind::AddNode, ChangeKind::AddLearner, ChangeKind::RemoveNode][self.below(3) as usize];
                let changes = [Change { kind, id: 4 }, Change { kind: ChangeKind::AddNode, id: 1 }];
                let encoding = ChangeEncoding::V2(Transition::Auto);
                let changes = &changes[..1 + self.below(2) as usize];
                _ = self.call(leader, "propose_conf", |node| node.propose_conf(changes, encoding, b"why", 7));
            }
            9 => _ = self.call(leader, "transfer", |node| node.transfer(0)),
            10 => _ = self.call(any, "conf", |node| node.conf().map(|_| ())),
            _ => {
                let index = self.hosts[&any].disk.applied;
                if self.call(any, "compacted", |node| node.compacted(index)).is_ok() {
                    let disk = &mut self.hosts.get_mut(&any).unwrap().disk;
                    let term = disk.log[&index].term;
                    disk.log = disk.log.split_off(&(index + 1));
                    disk.before = EntryId { term, index };
                }
            }
        }
    }

    fn turn(&mut self, turn: u64) {
        if turn.is_multiple_of(150) {
            // Who was away comes back to a log that is compacted, or to another leader.
            self.cut = self.below(5);
        }
        if turn % 400 == 399 {
            let id = 1 + self.below(4);
            let disk = self.hosts.remove(&id).unwrap().disk;
            self.start(id, disk);
        }
        match self.below(4) {
            0 => self.ask(),
            1 => {
                let id = 1 + self.below(4);
                _ = self.call(id, "tick", |node| node.tick(2));
            }
            _ => {}
        }
        for _ in 0..3 {
            self.deliver();
        }
        let id = 1 + self.below(4);
        self.work(id);
    }
}

/// Calls of which at least one must have failed, else the run has shown nothing about them.
const CALLS: [&str; 8] = [
    "propose",
    "step: append",
    "step: snapshot",
    "ready",
    "apply_conf",
    "supply_entries",
    "supply_snapshot",
    "read_index",
];

#[test]
fn a_call_without_memory_says_so_and_leaves_the_node_as_it_was() {
    let fresh = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, turns) = (number("MEMORY_SEED").unwrap_or(fresh), number("MEMORY_TURNS").unwrap_or(1500));
    println!("MEMORY_SEED={first} cargo test --test memory");
    let mut tally = Tally::new();
    // One seed in twenty lets no follower fall so far behind that its leader asks for entries: then the next one, too.
    for seed in (0..10).map(|more| first.wrapping_add(more)) {
        for storage in [StorageMode::Sync, StorageMode::Async, StorageMode::Messages] {
            let mut group = Group::new(storage, seed);
            for turn in 0..turns {
                group.turn(turn);
            }
            for (name, (failed, went_on, evicted)) in group.tally {
                let count = tally.entry(name).or_default();
                *count = (count.0 + failed, count.1 + went_on, count.2 + evicted);
            }
        }
        if CALLS.iter().all(|&name| tally.get(name).is_some_and(|count| count.0 > 0)) {
            break;
        }
    }
    println!("{:28} {:>8} {:>8} {:>8}", "call", "failed", "went on", "evicted");
    for (name, (failed, went_on, evicted)) in &tally {
        println!("{name:28} {failed:>8} {went_on:>8} {evicted:>8}");
    }
    for name in CALLS {
        assert!(tally.get(name).is_some_and(|count| count.0 > 0), "no allocation of {name} failed: {tally:?}");
    }
}

#[test]
fn making_booting_and_cloning_without_memory_say_so() {
    let disk = {
        let mut disk = Disk { state: HardState { term: 3, vote: 1, commit: 4 }, ..Disk::founder(&[1, 2, 3]) };
        for index in 2..400 {
            disk.log.insert(
                index,
                Stored { term: 1 + index / 200, kind: EntryKind::Normal, data: vec![1; 200], context: Vec::new() },
            );
        }
        disk
    };
    let runs: Vec<_> = disk.boot(&config(1)).term_runs().to_vec();
    let make = || -> Result<Node, Error> {
        let mut node = Node::new(&config(1))?;
        node.boot_state(disk.state)?;
        node.boot_conf_bytes(&disk.conf, disk.before)?;
        node.boot_terms(&runs, 399)?;
        node.boot_entries(disk.log.iter().map(|(&index, e)| EntryRef {
            term: e.term,
            index,
            kind: e.kind,
            data: &e.data,
            ..EntryRef::default()
        }))?;
        node.boot_done(disk.applied)?;
        node.try_clone()
    };
    let whole = make().unwrap().digest(true);
    let mut failures = 0;
    for n in 1.. {
        let held = live();
        let (outcome, failed) = failing(n, make);
        if !failed {
            assert_eq!(outcome.unwrap().digest(true), whole);
            break;
        }
        assert_eq!(outcome.err(), Some(Error::NoMem), "allocation {n}");
        assert_eq!(live(), held, "leaks after allocation {n} failed");
        failures += 1;
    }
    assert!(failures > 20, "{failures} allocations only");
}

/// Takes and ends readies until there is nothing to do.
fn drain(node: &mut Node) {
    while let Some(ready) = node.ready().unwrap() {
        let number = ready.number();
        node.advance(number).unwrap();
    }
}

/// Steps an append of `count` entries behind `last`, which commits all before them.
fn take_in(node: &mut Node, last: u64, count: u64) {
    let entries = (last + 1..=last + count).map(|index| kit::entry(1, index, b"x")).collect();
    kit::step(node, &kit::append(2, 1, 1, (last, 1), entries, last)).unwrap();
}

/// The last entry before the log of a node that runs for long.
const OLD: u64 = 10_000;

/// A running node's lists are as long as its work was so far. A longer list of each kind must fail before the work begins.
#[test]
fn the_first_large_ready_of_a_running_node_says_so() {
    let grown = || {
        let disk = Disk { before: EntryId { term: 1, index: OLD }, applied: OLD, ..Disk::founder(&[1, 2, 3]) };
        let mut node = Disk { state: HardState { commit: OLD, ..disk.state }, ..disk }.boot(&config(1));
        for index in 0..6 {
            take_in(&mut node, OLD + index, 1);
            drain(&mut node);
        }
        node
    };
    let large: [fn(&mut Node); 3] = [
        |node| take_in(node, OLD + 6, 3000),
        |node| {
            take_in(node, OLD + 6, 3000);
            drain(node);
            take_in(node, OLD + 3006, 0);
        },
        |node| (0..500).for_each(|_| take_in(node, OLD + 6, 0)),
    ];
    for (kind, work) in large.into_iter().enumerate() {
        let mut failures = 0;
        for n in 1.. {
            let mut node = grown();
            work(&mut node);
            let (outcome, failed) = failing(n, || node.ready().map(|ready| ready.is_some()));
            if !failed {
                assert_eq!(outcome, Ok(true));
                break;
            }
            assert_eq!(outcome, Err(Error::NoMem), "kind {kind}, allocation {n}");
            drain(&mut node);
            failures += 1;
        }
        assert!(failures > 0, "kind {kind}: nothing had to grow");
    }
}
