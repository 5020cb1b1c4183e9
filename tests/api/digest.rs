//! A node is a plain value: equal states have equal digests, a clone goes on as the original.

use crate::lone::{drain, follower};
use kit::{Cluster, Disk, config, founded, message, step};
use raftcore::{ChangeKind, Config, MessageKind, Node, StorageMode};

#[test]
fn a_follower_equals_what_boots_from_its_disk() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    for i in 0..10u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
        cluster.settle();
    }
    // A heartbeat, so that both know the leader, and heard the leader at the same time.
    let lived = cluster.node(2).try_clone().unwrap();
    cluster.restart(2);
    let mut booted = cluster.node(2).try_clone().unwrap();
    let mut lived = lived;
    let heartbeat = raftcore::wire::Head {
        kind: raftcore::MessageKind::Heartbeat,
        to: 2,
        from: 1,
        term: lived.status().term,
        commit: lived.status().commit,
        ..Default::default()
    };
    let mut bytes = [0; 128];
    let len = raftcore::wire::write_head(&mut bytes, &heartbeat, b"");
    for node in [&mut lived, &mut booted] {
        node.step(1, &bytes[..len]).unwrap();
        while let Some(number) = node.ready().unwrap().map(|ready| ready.number()) {
            node.advance(number).unwrap();
        }
    }

    assert_eq!(lived.digest(false), booted.digest(false));
    assert!(lived == booted);
}

#[test]
fn one_append_or_many_lead_to_the_same_state() {
    let make = || {
        let mut node = Disk::founder(&[1, 2, 3]).boot(&config(2));
        drain(&mut node);
        node
    };
    let append = |first: u64, count: u64| {
        let entries = (first..first + count).map(|index| raftcore::proto::Entry {
            index,
            term: 1,
            data: vec![index as u8; 20].into(),
            ..Default::default()
        });
        prost::Message::encode_to_vec(&raftcore::proto::Message {
            r#type: 3,
            to: 2,
            from: 1,
            term: 1,
            log_term: 1,
            index: first - 1,
            commit: first + count - 1,
            entries: entries.collect(),
            ..Default::default()
        })
    };
    let (mut one, mut many) = (make(), make());

    one.step(1, &append(2, 6)).unwrap();
    drain(&mut one);
    for index in 2..8 {
        many.step(1, &append(index, 1)).unwrap();
        drain(&mut many);
    }

    assert_eq!(one.digest(false), many.digest(false));
    assert!(one == many);
    many.step(1, &append(8, 1)).unwrap();
    assert!(one != many, "another entry is another state");
    assert_ne!(one.digest(false), many.digest(false));
}

/// Everything that a ready shows, as bytes.
fn shown(node: &mut Node) -> Option<(u64, Vec<u8>)> {
    let ready = node.ready().ok()??;
    let mut out = format!(
        "{} {:?} {:?} {:?} {:?} {:?} {:?}",
        ready.number(),
        ready.hard_state(),
        ready.soft_state(),
        ready.committed_span(),
        ready.reads(),
        ready.dropped(),
        ready.must_sync()
    )
    .into_bytes();
    for entry in ready.entries().chain(ready.committed()) {
        out.extend_from_slice(format!("{entry:?}").as_bytes());
    }
    for message in ready.messages() {
        message.parts().for_each(|part| out.extend_from_slice(part));
    }
    Some((ready.number(), out))
}

#[test]
fn a_clone_goes_on_byte_for_byte_as_the_original() {
    for mode in [StorageMode::Sync, StorageMode::Async] {
        let mut cluster = Cluster::new(&[1, 2, 3], move |id| {
            let mut c = config(id);
            c.storage = mode;
            c
        });
        cluster.elect(1);
        let mut random = 12345u64;
        let mut below = move |bound: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) % bound
        };
        let mut mail: Vec<Vec<u8>> = Vec::new();
        for round in 0..300u32 {
            // Work is outstanding in the leader when the test clones the leader.
            let mut twin = cluster.node(1).try_clone().unwrap();
            let original = cluster.node(1);
            for _ in 0..12 {
                let choice = below(14);
                let data = vec![round as u8; below(60) as usize];
                let letter = mail.get(below(mail.len() as u64 + 1) as usize).cloned();
                let mut outcomes = Vec::new();
                for node in [&mut *original, &mut twin] {
                    let outcome = match choice {
                        0..=4 => node.propose(&data, u64::from(round) + 1),
                        5 if round % 3 == 0 => node.tick(1),
                        6 => node.read_index(7),
                        7 => letter.as_ref().map_or(Ok(()), |bytes| node.step(0, bytes)),
                        _ => Ok(()),
                    };
                    let ready = if choice > 7 { shown(node) } else { None };
                    if let Some((number, _)) = ready.as_ref().filter(|(number, _)| choice > 9 || number % 3 == 0) {
                        node.advance(*number).unwrap();
                    }
                    outcomes.push((outcome, ready, node.digest(true)));
                }
                let theirs = outcomes.pop().unwrap();
                assert_eq!(outcomes.pop().unwrap(), theirs, "round {round}, {mode:?}, choice {choice}");
            }
            assert!(*original == twin);
            mail = (0..4).flat_map(|_| answers(&mut cluster)).collect();
        }
        assert!(cluster.node(1).status().commit > 300, "the leader made progress");
    }
}

/// The followers' answers to the leader's next appends.
fn answers(cluster: &mut Cluster) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    cluster.node(1).tick(1).unwrap();
    let mut frames = Vec::new();
    while let Some(ready) = cluster.node(1).ready().unwrap() {
        let number = ready.number();
        for m in ready.messages() {
            let mut bytes = Vec::new();
            m.write_to(&mut bytes);
            frames.push((m.to(), bytes));
        }
        cluster.node(1).advance(number).unwrap();
    }
    for (to, bytes) in frames {
        let host = cluster.hosts.get_mut(&to).unwrap();
        host.node.step(1, &bytes).unwrap();
        out.extend(host.work().into_iter().filter(|sent| sent.to == 1).map(|sent| sent.bytes));
    }
    for bytes in &out {
        cluster.node(1).step(0, bytes).unwrap();
    }
    out
}

#[test]
fn chance_counts_in_a_digest_only_where_asked_for() {
    let boot = |seed: u64| {
        let mut c = config(1);
        c.seed = seed;
        Disk::founder(&[1, 2, 3]).boot(&c)
    };
    let (a, b) = (boot(1), boot(2));

    assert_eq!(a.digest(false), b.digest(false));
    assert_ne!(a.digest(true), b.digest(true));
}

/// Two nodes in equal states, but for the numbers to be drawn.
#[test]
fn random_numbers_to_come_count_where_chance_is_asked_for() {
    // The only number below 1 is 0, so the timeout stays.
    let calm = follower(&Config { election_jitter_ticks: 1, ..config(1) });
    let mut stirred = calm.try_clone().unwrap();
    stirred.forget_leader().unwrap();
    stirred.campaign().unwrap();
    drain(&mut stirred);
    let mut nodes = [calm, stirred];
    for node in &mut nodes {
        step(node, &message(MessageKind::Heartbeat, 2, 1, 1)).unwrap();
        drain(node);
    }
    let [calm, stirred] = nodes;

    assert!(calm == stirred && calm.digest(false) == stirred.digest(false));
    assert_ne!(calm.digest(true), stirred.digest(true));
}

#[test]
fn each_bit_of_the_state_turns_half_of_a_digest() {
    let of_term = |term: u64| {
        let mut disk = Disk::founder(&[1, 2, 3]);
        disk.state.term = term;
        disk.boot(&config(1)).digest(false)
    };
    let term = 1 << 50;
    let digest = of_term(term);
    let others: Vec<u64> = (0..50).map(|bit| of_term(term | 1 << bit)).collect();
    let set: u32 = others.iter().map(|other| other.count_ones()).sum();
    let turned: u32 = others.iter().map(|other| (digest ^ other).count_ones()).sum();

    // Of 3200 bits; chance stays within 1600 ± 100 but for one time in two thousand.
    assert!(set.abs_diff(1600) < 100, "{set} bits are set");
    assert!(turned.abs_diff(1600) < 100, "{turned} bits differ");
}

#[test]
fn the_same_calls_and_seed_give_the_same_bytes() {
    let run = || {
        let mut cluster = Cluster::plain(&[1, 2, 3]);
        cluster.tick(60);
        let leader = cluster.leader().unwrap();
        cluster.change(leader, &[(ChangeKind::AddLearner, 4)]).unwrap();
        cluster.node(leader).propose(b"x", 3).unwrap();
        cluster.settle();
        cluster.hosts.values().map(|host| host.node.digest(true)).collect::<Vec<_>>()
    };

    assert_eq!(run(), run());
}

#[test]
fn the_digest_tells_windows_apart() {
    let mut node = founded(&config(1), &[1, 2, 3]);
    let twin = node.try_clone().unwrap();
    node.set_window(2, 1, 0).unwrap();
    assert_ne!(node.digest(false), twin.digest(false), "they will send differently");
}

#[test]
fn a_follower_and_what_boots_from_its_disk_have_equal_digests() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    for i in 0..5u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
        cluster.settle();
    }
    let mut booted = cluster.hosts[&2].disk.boot(&config(2));
    let beat = {
        let commit = cluster.node(1).status().commit;
        let mut m = message(MessageKind::Heartbeat, 1, 2, 1);
        m.commit = commit;
        m
    };
    let drain = |node: &mut Node| {
        while let Some(ready) = node.ready().unwrap() {
            let number = ready.number();
            node.advance(number).unwrap();
        }
    };
    step(&mut booted, &beat).unwrap();
    drain(&mut booted);
    let live = cluster.node(2);
    step(live, &beat).unwrap();
    drain(live);

    assert_eq!(live.status().last_index, booted.status().last_index);
    assert_eq!(live.digest(false), booted.digest(false), "progress of peers means nothing at a follower");
}

#[test]
fn a_leader_that_served_a_read_equals_one_that_did_not() {
    let run = |read: bool| {
        let mut cluster = Cluster::plain(&[1, 2, 3]);
        cluster.elect(1);
        if read {
            cluster.node(1).read_index(7).unwrap();
            cluster.settle();
            assert_eq!(cluster.heard(1).reads.len(), 1);
        }
        cluster.tick(3);
        cluster.node(1).try_clone().unwrap()
    };
    let (with, without) = (run(true), run(false));

    assert!(with == without);
    assert_eq!(with.digest(false), without.digest(false));
}
