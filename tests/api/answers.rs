//! Answers that were wrong once: a number or a fetch never returned, a refusal that changed the
//! node, a digest that counted reads.

use crate::kit::{Cluster, append, config, entry, message, step};
use raftcore::{Config, Error, MessageKind, Node, StorageMode};

fn boot(config: &Config, voters: &[u64]) -> Node {
    crate::kit::Disk::founder(voters).boot(config)
}

#[test]
fn a_number_that_was_never_handed_out_is_refused_though_entries_wait_to_be_applied() {
    for storage in [StorageMode::Sync, StorageMode::Async] {
        let mut node = boot(&Config { storage, ..config(1) }, &[1, 2, 3]);
        step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 2)).unwrap();
        if storage == StorageMode::Async {
            let first = node.ready().unwrap().unwrap().number();
            node.persisted(first).unwrap();
            node.release(first).unwrap();
        }
        let number = node.ready().unwrap().unwrap().number();
        assert!(node.view(number).unwrap().committed_span().is_some());

        assert_eq!(node.advance(number + 100), Err(Error::Arg), "{storage:?}");

        node.advance(number).unwrap();
    }
}

#[test]
fn a_forwarded_change_that_is_refused_gives_no_entry_up() {
    let small = |id| Config { recent_bytes: 16 << 10, block_bytes: 4 << 10, ..config(id) };
    let mut cluster = Cluster::new(&[1, 2, 3], small);
    cluster.elect(1);
    for _ in 0..5 {
        cluster.node(1).propose(&[1; 3000], 0).unwrap();
        cluster.settle();
    }
    let node = cluster.node(1);
    let mut bad = entry(0, 0, b"\xff");
    bad.r#type = 1;
    let mut m = message(MessageKind::Prop, 2, 1, 0);
    m.entries = vec![entry(0, 0, &[1; 3000]), bad];
    let before = node.digest(true);

    assert!(step(node, &m).is_err());

    assert_eq!(node.digest(true), before, "recent_first is {} now", node.status().recent_first);
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

#[test]
fn a_fetch_that_was_not_handed_out_can_not_be_answered() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| Config { recent_bytes: 16 << 10, ..config(id) });
    cluster.elect(1);
    cluster.isolate(3);
    for _ in 0..20 {
        cluster.node(1).propose(&[1; 3000], 0).unwrap();
        cluster.settle();
    }
    cluster.node(1).report_unreachable(3).unwrap();
    step(cluster.node(1), &message(MessageKind::HeartbeatResp, 3, 1, 1)).unwrap();
    let stored: Vec<_> = cluster.hosts[&1].disk.log.iter().map(|(&i, e)| (i, e.clone())).collect();
    let node = cluster.node(1);
    let flags = node.peers().find(|peer| peer.id == 3).unwrap().flags;
    assert!(flags & raftcore::peer_flags::FETCHING != 0, "no ask is open: {:?}", node.peers().collect::<Vec<_>>());
    let next = node.peers().find(|peer| peer.id == 3).unwrap().next_index;
    let refs = stored.iter().filter(|(i, _)| *i >= next).map(|(index, e)| raftcore::EntryRef {
        term: e.term,
        index: *index,
        kind: e.kind,
        data: &e.data,
        token: 0,
    });
    for id in 1..4 {
        assert_eq!(node.supply_entries(id, refs.clone()), Err(Error::Arg), "{id}");
    }
}
