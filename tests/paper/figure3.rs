//! Figure 3 of the paper: the five properties, held after every step of clusters that are driven at random: elections, proposals,
//! messages lost, late and twice, crashes. `PAPER_SEED=…` repeats a run.

use crate::{plain, terms};
use kit::{Cluster, Sent};
use raftcore::Role;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};

const STEPS: usize = 4000;

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

/// Drives a group of five without PreVote and without the check of the quorum, so that terms and leaders come and go.
fn drive(mut check: impl FnMut(&Cluster)) {
    let drawn = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let seed = std::env::var("PAPER_SEED").map_or(drawn, |text| text.parse().unwrap()) | 1;
    println!("PAPER_SEED={seed} cargo test --test paper f3_");
    let mut chance = Chance(seed);
    let mut cluster = Cluster::new(&[1, 2, 3, 4, 5], plain);
    for step in 0..STEPS {
        let id = 1 + chance.below(5) as u64;
        match chance.below(40) {
            0 => cluster.node(id).campaign().unwrap(),
            1 => cluster.restart(id),
            2..=4 => cluster.node(id).tick(1).unwrap(),
            5..=9 => _ = cluster.node(id).propose(format!("{step}").as_bytes(), 0),
            10 => _ = lose(&mut cluster, &mut chance),
            11..=12 => {
                if let Some(message) = cluster.network.front().cloned() {
                    cluster.network.push_back(message);
                }
            }
            _ => {
                if let Some(message) = pick(&mut cluster, &mut chance) {
                    cluster.deliver(&message);
                }
            }
        }
        let ids: Vec<u64> = cluster.hosts.keys().copied().collect();
        for id in ids {
            let sent = cluster.hosts.get_mut(&id).unwrap().work();
            cluster.network.extend(sent);
        }
        check(&cluster);
    }
}

fn lose(cluster: &mut Cluster, chance: &mut Chance) -> Option<Sent> {
    let len = cluster.network.len().max(1);
    cluster.network.remove(chance.below(len))
}

/// Mostly the oldest message, at times any.
fn pick(cluster: &mut Cluster, chance: &mut Chance) -> Option<Sent> {
    if chance.below(5) > 0 { cluster.network.pop_front() } else { lose(cluster, chance) }
}

/// Who leads: (term, id, its log's terms).
fn leaders(cluster: &Cluster) -> Vec<(u64, u64, Vec<u64>)> {
    let leading = cluster.hosts.values().filter(|host| host.node.status().role == Role::Leader);
    leading.map(|host| (host.node.status().term, host.id, terms(&host.disk))).collect()
}

#[test]
fn f3_1_election_safety() {
    let mut led = BTreeMap::new();
    drive(|cluster| {
        for (term, id, _) in leaders(cluster) {
            assert_eq!(*led.entry(term).or_insert(id), id, "two leaders in term {term}");
        }
    });
    assert!(led.len() > 10, "only {} terms had a leader", led.len());
}

#[test]
fn f3_2_leader_append_only() {
    let mut logs: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut grown = 0;
    drive(|cluster| {
        for (term, _, log) in leaders(cluster) {
            let before = logs.entry(term).or_default();
            assert!(log.starts_with(before), "the leader of term {term} had {before:?}, has {log:?}");
            grown += usize::from(log.len() > before.len() && !before.is_empty());
            *before = log;
        }
    });
    assert!(grown > 20, "leaders appended {grown} times only");
}

#[test]
fn f3_3_log_matching() {
    let mut compared = 0;
    drive(|cluster| {
        let hosts: Vec<_> = cluster.hosts.values().collect();
        for (at, one) in hosts.iter().enumerate() {
            for other in &hosts[at + 1..] {
                let equal =
                    |index: &u64| one.disk.log.get(index).map(|e| e.term) == other.disk.log.get(index).map(|e| e.term);
                let Some(meet) = one.disk.log.keys().rev().find(|index| equal(index)) else { continue };
                compared += 1;
                let (one, other) = (one.disk.log.range(..=meet), other.disk.log.range(..=meet));
                assert!(one.eq(other), "equal at {meet}, and not before it");
            }
        }
    });
    assert!(compared > STEPS, "{compared} pairs had something in common");
}

#[test]
fn f3_4_leader_completeness() {
    // Committed: (index, term of the entry), with the lowest term in which some server knew it.
    let mut committed: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut looked = 0;
    drive(|cluster| {
        for host in cluster.hosts.values() {
            let status = host.node.status();
            for (&index, e) in host.disk.log.range(..=status.commit) {
                let known = committed.entry(index).or_insert((e.term, status.term));
                assert_eq!(known.0, e.term, "two entries committed at {index}");
                known.1 = known.1.min(status.term);
            }
        }
        for (term, id, log) in leaders(cluster) {
            for (&index, &(entry_term, since)) in committed.iter().filter(|(_, (_, since))| *since < term) {
                looked += 1;
                let own = log.get(usize::try_from(index).unwrap() - 1);
                assert_eq!(own, Some(&entry_term), "leader {id} of term {term} lacks {index}, committed in {since}");
            }
        }
    });
    assert!(looked > 100 && committed.len() > 20, "{} committed, looked {looked} times", committed.len());
}

#[test]
fn f3_5_state_machine_safety() {
    let mut applied: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    drive(|cluster| {
        for host in cluster.hosts.values() {
            for (index, data) in &host.heard.applied {
                assert_eq!(applied.entry(*index).or_insert_with(|| data.clone()), data, "at {index}, by {}", host.id);
            }
        }
    });
    assert!(applied.len() > 20, "{} entries applied", applied.len());
}
