//! Robustness. Random inputs to nodes in every role and mode: `tests/hostile`.

use crate::{MODES, boot, drain, in_mode, take};
use kit::{Cluster, append, config, entry, message, step};
use raftcore::{Config, EntryId, EntryKind, EntryRef, Error, HardState, MessageKind, Node, StorageMode, TermRun, wire};

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[test]
fn x01_pairs_of_crafted_messages_upset_no_role() {
    // Every kind after every other, with numbers around those of the node: the pairs that upset raft-rs are among them.
    let kinds = MessageKind::ALL;
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    let follower = cluster.node(1).try_clone().unwrap();
    cluster.elect(1);
    let leader = cluster.node(1).try_clone().unwrap();
    for node in [follower, leader] {
        for (first, second) in kinds.iter().flat_map(|&a| kinds.iter().map(move |&b| (a, b))) {
            let mut random = Random(first as u64 * 100 + second as u64);
            for _ in 0..20 {
                let mut node = node.try_clone().unwrap();
                for kind in [first, second] {
                    let mut m = message(kind, 2 + random.below(2), 1, random.below(4));
                    (m.index, m.log_term, m.commit) = (random.below(5), random.below(3), random.below(5));
                    (m.reject, m.reject_hint) = (random.below(2) == 0, random.below(5));
                    m.entries = (0..random.below(3)).map(|i| entry(random.below(3), m.index + 1 + i, b"")).collect();
                    if random.below(3) == 0 {
                        m.snapshot = Some(kit::snapshot(random.below(5), random.below(3), &[1, 2, 3], b""));
                    }
                    let before = node.digest(true);
                    if step(&mut node, &m).is_err() {
                        assert_eq!(node.digest(true), before, "{first:?}, {second:?}");
                    }
                    drain(&mut node);
                    assert!(!node.is_poisoned(), "{first:?}, {second:?}: {}", node.error_detail());
                }
            }
        }
    }
}

type Boot<'a> = dyn Fn(&mut Node) -> Result<(), Error> + 'a;

#[test]
fn x02_boot_data_that_disagree_are_refused_and_the_node_stays_unbooted() {
    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    let e = |index, term| EntryRef { term, index, kind: EntryKind::Normal, data: b"x", ..EntryRef::default() };
    let boots: [&Boot<'_>; 9] = [
        // Commit, applied, the entries' indexes and terms, the runs.
        &|node| {
            node.boot_state(HardState { term: 1, vote: 0, commit: 9 })?;
            node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 })?;
            node.boot_done(1)
        },
        &|node| {
            node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 })?;
            node.boot_done(5)
        },
        &|node| {
            node.boot_conf(&conf, 0, EntryId { term: 1, index: 5 })?;
            node.boot_done(3)
        },
        &|node| {
            node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 })?;
            node.boot_entries([e(2, 1), e(4, 1)].into_iter())
        },
        &|node| {
            node.boot_conf(&conf, 0, EntryId { term: 2, index: 1 })?;
            node.boot_entries([e(2, 1)].into_iter())
        },
        &|node| {
            node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 })?;
            node.boot_terms(&[TermRun { first: 2, term: 3 }, TermRun { first: 5, term: 2 }], 9)
        },
        &|node| {
            node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 })?;
            node.boot_terms(&[TermRun { first: 4, term: 3 }], 9)
        },
        &|node| {
            node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 })?;
            node.boot_terms(&[TermRun { first: 2, term: 3 }], 9)?;
            node.boot_entries([e(5, 4)].into_iter())
        },
        &|node| node.boot_conf(&conf, 0, EntryId { term: 0, index: 1 }),
    ];
    for (number, boot) in boots.iter().enumerate() {
        let mut node = Node::new(&config(1)).unwrap();
        assert_eq!(boot(&mut node), Err(Error::Corrupt), "{number}");
        assert!(!node.error_detail().is_empty());
        assert_eq!(node.boot_done(1), Err(Error::State), "{number}");
        assert_eq!(node.tick(1), Err(Error::State), "{number}");
    }
}

#[test]
fn x03_calls_out_of_protocol_are_errors() {
    let mut node = boot(&in_mode(1, StorageMode::Async), &[1, 2, 3]);
    assert_eq!(node.persisted(1), Err(Error::Arg), "never handed out");
    step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 2)).unwrap();
    let (first, _) = take(&mut node).unwrap();
    // A message between a ready and its acknowledgement is fine.
    step(&mut node, &append(2, 1, 1, (2, 1), vec![entry(1, 3, b"y")], 3)).unwrap();
    for number in [0, first + 1, u64::MAX] {
        assert_eq!(node.persisted(number), Err(Error::Arg), "{number}");
        assert_eq!(node.release(number), Err(Error::Arg), "{number}");
    }
    assert_eq!(node.applied(2), Err(Error::Arg), "not handed out");
    node.persisted(first).unwrap();
    assert_eq!(node.persisted(first), Err(Error::Stale), "twice");
    let (second, _) = take(&mut node).unwrap();
    assert_eq!(node.applied(3), Err(Error::Arg), "3 is not durable");
    node.applied(2).unwrap();
    assert_eq!(node.applied(2), Err(Error::Stale));
    node.release(second).unwrap();
    assert_eq!(node.release(first), Err(Error::Stale));
    assert!(node.view(second).is_none());
}

/// Runs a seeded schedule on a group; gives every byte that came out.
fn schedule(seed: u64, mode: StorageMode) -> Vec<u8> {
    let mut cluster = Cluster::new(&[1, 2, 3], move |id| Config { seed: 100 + (seed ^ id), ..in_mode(id, mode) });
    let mut random = Random(seed);
    let mut out = Vec::new();
    for _ in 0..300 {
        let id = 1 + random.below(3);
        match random.below(6) {
            0 => _ = cluster.node(id).propose(&seed.to_le_bytes(), 0),
            1 => _ = cluster.node(id).read_index(5),
            2 => cluster.node(id).campaign().unwrap(),
            _ => cluster.node(id).tick(1).unwrap(),
        }
        for m in cluster.hosts.get_mut(&id).unwrap().work() {
            out.extend_from_slice(&m.bytes);
            if random.below(5) > 0 {
                cluster.deliver(&m);
            }
        }
    }
    out
}

#[test]
fn x04_the_same_calls_and_seed_give_the_same_bytes() {
    for mode in MODES {
        let runs: Vec<_> = (0..10).map(|seed| schedule(seed, mode)).collect();
        assert!(runs.iter().all(|run| run.len() > 1000));
        assert_ne!(runs[0], runs[1], "the seed means nothing");
        for (seed, run) in (0..).zip(&runs) {
            assert!(schedule(seed, mode) == *run, "{mode:?}, seed {seed}");
        }
    }
}

#[test]
fn x05_local_types_and_ids_on_the_wire_are_refused() {
    for mode in MODES {
        let mut node = boot(&in_mode(1, mode), &[1, 2, 3]);
        let before = node.digest(true);
        for kind in MessageKind::ALL.into_iter().filter(|kind| kind.is_local()) {
            for term in [0, 1] {
                assert_eq!(step(&mut node, &message(kind, 2, 1, term)), Err(Error::NotForMe), "{kind:?}");
            }
        }
        for from in [0, 1, raftcore::LOCAL_APPEND, raftcore::LOCAL_APPLY, u64::MAX - 15] {
            let m = message(MessageKind::Heartbeat, from, 1, 1);
            assert_eq!(step(&mut node, &m), Err(Error::NotForMe), "{from}");
        }
        for to in [raftcore::LOCAL_APPEND, raftcore::LOCAL_APPLY] {
            assert_eq!(step(&mut node, &message(MessageKind::Heartbeat, 2, to, 1)), Err(Error::NotForMe));
        }
        // Another member's name.
        use prost::Message as _;
        let bytes = message(MessageKind::Heartbeat, 2, 1, 1).encode_to_vec();
        assert_eq!(node.step(3, &bytes), Err(Error::NotForMe));
        assert_eq!(node.digest(true), before);
    }
}
