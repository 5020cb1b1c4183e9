//! Bytes from anywhere: over a million inputs to nodes in every role and mode. An error leaves the node as it was, nothing panics, and
//! after all of it the node still elects and commits with honest peers.
//!
//!     HOSTILE_SEED=7 cargo test --test hostile      repeats a run; without it the seed is fresh and printed
//!     make hostile TIMES=80                         80 times as many inputs, about 10^8
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kit::{Cluster, Disk, config};
use prost::Message as _;
use raftcore::{ChangeKind, Config, Error, Node, Role, StorageMode, proto};

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Small, near what is there, or absurd.
    fn number(&mut self, near: u64) -> u64 {
        match self.below(10) {
            0 => u64::MAX,
            1 => u64::MAX - self.below(3),
            2 => self.next(),
            3 => 1 << self.below(64),
            4 => 0,
            5..=7 => near.saturating_add(self.below(5)).saturating_sub(2),
            _ => self.below(8),
        }
    }
}

fn seed(salt: u64) -> u64 {
    let fresh = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let seed = std::env::var("HOSTILE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(fresh);
    println!("HOSTILE_TIMES={} HOSTILE_SEED={seed} cargo test --test hostile", times());
    seed ^ salt.rotate_left(40)
}

/// How many times the usual number of inputs.
fn times() -> u64 {
    std::env::var("HOSTILE_TIMES").map_or(1, |text| text.parse().unwrap())
}

/// A structured message near the node's state, right or wrong in every field.
fn message(rng: &mut Rng, node: &Node) -> proto::Message {
    let s = node.status();
    let entry = |rng: &mut Rng, index: u64| proto::Entry {
        r#type: rng.below(4) as i32,
        term: rng.number(s.term),
        index,
        data: vec![7; rng.below(40) as usize].into(),
        context: if rng.below(8) == 0 { vec![9; rng.below(20) as usize].into() } else { Default::default() },
    };
    let first = rng.number(s.last_index);
    let entries = (0..rng.below(4)).map(|i| {
        let index = if rng.below(8) == 0 { rng.number(s.last_index) } else { first.wrapping_add(i + 1) };
        entry(rng, index)
    });
    let entries: Vec<_> = entries.collect();
    let ids = |rng: &mut Rng| (0..rng.below(4)).map(|_| rng.number(2)).collect::<Vec<u64>>();
    let snapshot = (rng.below(4) == 0).then(|| proto::Snapshot {
        data: vec![1; rng.below(20) as usize].into(),
        metadata: Some(proto::SnapshotMetadata {
            conf_state: Some(proto::ConfState {
                voters: ids(rng),
                learners: ids(rng),
                voters_outgoing: if rng.below(3) == 0 { ids(rng) } else { vec![] },
                learners_next: if rng.below(5) == 0 { ids(rng) } else { vec![] },
                auto_leave: rng.below(4) == 0,
            }),
            index: rng.number(s.commit),
            term: rng.number(s.term),
        }),
    });
    proto::Message {
        r#type: rng.below(26) as i32,
        to: if rng.below(20) == 0 { rng.number(1) } else { s.id },
        from: if rng.below(10) == 0 { rng.number(2) } else { 1 + rng.below(4) },
        term: if rng.below(3) == 0 { rng.number(s.term) } else { s.term },
        log_term: rng.number(s.last_term),
        index: first,
        entries,
        commit: rng.number(s.commit),
        snapshot,
        reject: rng.below(3) == 0,
        reject_hint: rng.number(s.last_index),
        context: vec![9; if rng.below(50) == 0 { 5000 } else { rng.below(20) as usize }].into(),
        vote: rng.number(2),
        responses: vec![],
        priority: rng.next() as i64,
    }
}

/// One that most checks let pass: the sequences that upset other libraries are made of such.
fn tame(rng: &mut Rng, node: &Node) -> proto::Message {
    const KINDS: [i32; 14] = [2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18];
    let s = node.status();
    let mut m = message(rng, node);
    m.r#type = KINDS[rng.below(KINDS.len() as u64) as usize];
    (m.to, m.from) = (s.id, 1 + (s.id + rng.below(3)) % 4);
    m.term = if matches!(m.r#type, 2 | 15) { 0 } else { (s.term + rng.below(3)).saturating_sub(rng.below(2)).max(1) };
    m.index = (s.last_index + rng.below(3)).saturating_sub(rng.below(6));
    m.log_term = s.last_term.saturating_sub(rng.below(2));
    (m.commit, m.reject_hint) = (rng.below(s.last_index + 2), rng.below(s.last_index + 2));
    m.context.truncate(if rng.below(2) == 0 { 8 } else { 16 });
    if matches!(m.r#type, 15 | 16) {
        m.entries.resize(1, proto::Entry::default());
    }
    for (i, entry) in m.entries.iter_mut().enumerate() {
        (entry.index, entry.term) = (m.index + 1 + i as u64, m.term.max(1));
        entry.r#type = if rng.below(6) == 0 { 1 + rng.below(2) as i32 } else { 0 };
    }
    if m.r#type == 7 {
        let conf = proto::ConfState { voters: vec![1, 2, 3], learners: vec![4], ..Default::default() };
        let metadata =
            proto::SnapshotMetadata { conf_state: Some(conf), index: m.index.max(1), term: m.log_term.max(1) };
        m.snapshot = Some(proto::Snapshot { data: vec![1; 9].into(), metadata: Some(metadata) });
    }
    m
}

fn bytes(rng: &mut Rng, node: &Node) -> Vec<u8> {
    if rng.below(2) == 0 {
        return tame(rng, node).encode_to_vec();
    }
    let mut bytes = message(rng, node).encode_to_vec();
    match rng.below(6) {
        0 => bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize),
        1 if !bytes.is_empty() => {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << rng.below(8);
        }
        2 => bytes = (0..rng.below(60)).map(|_| rng.next() as u8).collect(),
        _ => {}
    }
    bytes
}

/// Nodes of one mode in every role: follower, leader, pre-candidate, candidate, learner, in a joint configuration, with a snapshot on
/// its way, with an empty disk.
fn zoo(mode: StorageMode) -> Vec<(Node, Config)> {
    let configure = move |id: u64| {
        let mut c = config(id);
        c.storage = mode;
        c.recent_bytes = 64 << 10;
        c.max_messages = 64;
        c
    };
    let mut cluster = Cluster::new(&[1, 2, 3], configure);
    cluster.elect(1);
    for i in 0..30u8 {
        cluster.node(1).propose(&[i; 100], u64::from(i)).unwrap();
        cluster.settle();
    }
    cluster.add(4, Disk::default());
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    cluster.tick(5);
    let mut nodes: Vec<Node> = (1..=4).map(|id| cluster.node(id).try_clone().unwrap()).collect();
    let mut pre = nodes[1].try_clone().unwrap();
    pre.campaign().unwrap();
    nodes.push(pre);
    let mut plain = configure(2);
    plain.flags = plain.flags.with(raftcore::Flags::PRE_VOTE, false);
    let mut candidate = cluster.hosts[&2].disk.boot(&plain);
    candidate.campaign().unwrap();
    assert_eq!(candidate.status().role, Role::Candidate);
    nodes.push(candidate);
    nodes.push(Disk::default().boot(&configure(2)));
    cluster.change(1, &[(ChangeKind::AddNode, 4), (ChangeKind::RemoveNode, 3)]).unwrap();
    nodes.push(cluster.node(1).try_clone().unwrap());
    nodes.into_iter().map(|node| (node.try_clone().unwrap(), *node.config())).collect()
}

fn barrage(mode: StorageMode, count: u64) {
    let count = count * times();
    let mut rng = Rng(seed(mode as u64 + 1));
    let zoo = zoo(mode);
    let (mut refused, mut taken) = (0u64, 0u64);
    for round in 0..count / (zoo.len() as u64 * 20) {
        for (node, _) in &zoo {
            let mut node = node.try_clone().unwrap();
            for _ in 0..20 {
                let input = bytes(&mut rng, &node);
                let before = node.digest(true);
                match node.step(0, &input) {
                    Ok(()) => taken += 1,
                    Err(error) => {
                        refused += 1;
                        assert_ne!(error, Error::Poisoned, "round {round}: {}", node.error_detail());
                        assert_eq!(node.digest(true), before, "round {round}: {error} changed the node: {input:?}");
                    }
                }
                assert!(!node.is_poisoned(), "round {round}: {}: {input:?}", node.error_detail());
                if rng.below(8) == 0 {
                    turn(&mut node, &mut rng);
                }
            }
        }
    }
    println!("{mode:?}: {refused} refused, {taken} taken");
    assert!(refused > count / 4 && taken > count / 5, "the inputs are all of one kind");
}

/// A host's turn on whatever the input led to; configuration entries that can't be applied are skipped.
fn turn(node: &mut Node, rng: &mut Rng) {
    while let Some(fetch) = node.next_fetch().unwrap() {
        node.supply_none(fetch.id, raftcore::Missing::Later).unwrap();
    }
    let Ok(Some(ready)) = node.ready() else { return };
    let number = ready.number();
    let span = ready.committed_span();
    let changes: Vec<_> =
        ready.committed().filter(|e| e.kind.is_change()).map(|e| (e.index, e.term, e.kind, e.data.to_vec())).collect();
    let frames: usize = ready.messages().map(|m| m.parts().map(<[u8]>::len).sum::<usize>()).sum();
    assert!(frames < 1 << 26);
    for (index, term, kind, data) in changes {
        let entry = raftcore::EntryRef { term, index, kind, data: &data, ..raftcore::EntryRef::default() };
        if node.apply_conf(entry).is_err() {
            node.skip_conf(index).unwrap();
        }
    }
    match node.config().storage {
        StorageMode::Sync => node.advance(number).unwrap(),
        StorageMode::Async => {
            node.persisted(number).unwrap();
            if let Some((_, last)) = span {
                let _ = node.applied(last);
            }
            node.release(number).unwrap();
        }
        StorageMode::Messages => node.release(number).unwrap(),
    }
    if rng.below(4) == 0 {
        node.tick(1).unwrap();
    }
}

#[test]
fn nothing_that_comes_in_harms_a_synchronous_node() {
    barrage(StorageMode::Sync, 400_000);
}

#[test]
fn nothing_that_comes_in_harms_an_asynchronous_node() {
    barrage(StorageMode::Async, 400_000);
}

#[test]
fn nothing_that_comes_in_harms_a_node_that_stores_by_messages() {
    barrage(StorageMode::Messages, 400_000);
}

#[test]
fn honest_nodes_elect_and_commit_after_a_barrage() {
    let mut rng = Rng(seed(99));
    for _ in 0..60 * times() {
        let mut cluster = Cluster::new(&[1, 2, 3], config);
        cluster.elect(1);
        cluster.node(1).propose(b"before", 1).unwrap();
        cluster.settle();
        // A stranger that passes for a leader may put a change that nobody understands into a log, and the log may win the
        // next election.
        cluster.hosts.values_mut().for_each(|host| host.bad_change = kit::BadChange::Skips);
        for _ in 0..100 {
            // What a stranger can say: an honest member never lies, so `from` is none of them.
            let id = 1 + rng.below(3);
            let mut m = message(&mut rng, cluster.node(id));
            m.from = 7;
            let _ = cluster.node(id).step(7, &m.encode_to_vec());
            while cluster.node(id).next_event().is_some() {}
        }
        cluster.network.clear();
        for _ in 0..400 {
            for host in cluster.hosts.values_mut() {
                host.node.tick(1).unwrap();
            }
            let ids: Vec<u64> = cluster.hosts.keys().copied().collect();
            for id in ids {
                let sent = cluster.hosts.get_mut(&id).unwrap().work();
                for message in sent {
                    if let Some(host) = cluster.hosts.get_mut(&message.to) {
                        let _ = host.node.step(message.from, &message.bytes);
                    }
                }
            }
            // One that took a stranger's snapshot may lead a group of its own.
            for host in cluster.hosts.values_mut().filter(|host| host.node.status().role == Role::Leader) {
                let _ = host.node.propose(b"after", 0);
            }
        }
        let applied = cluster.hosts.values().filter(|host| host.disk.data.contains(&b"after".to_vec())).count();
        assert!(applied >= 2, "the group does not commit any more");
    }
}

#[test]
fn streams_of_anything_end_in_an_error_or_wait_for_more() {
    let mut rng = Rng(seed(5));
    let mut cluster = Cluster::new(&[1, 2, 3], config);
    cluster.elect(1);
    for _ in 0..20_000 * times() {
        let node = cluster.node(1 + rng.below(3));
        let body = bytes(&mut rng, node);
        let mut stream = Vec::new();
        for _ in 0..1 + rng.below(3) {
            let len = if rng.below(6) == 0 { rng.next() as u32 } else { body.len() as u32 };
            let mut header = [0; 12];
            raftcore::wire::write_frame_header(&mut header, len, rng.below(2));
            stream.extend_from_slice(&header);
            stream.extend_from_slice(&body);
        }
        stream.truncate(rng.below(stream.len() as u64 + 1) as usize);
        match node.step_frames(0, &stream) {
            Ok(done) => assert!(done.consumed <= stream.len()),
            Err(error) => assert_eq!(error, Error::Decode),
        }
        while node.next_event().is_some() {}
        turn(node, &mut rng);
    }
}
