//! The thinnest path through everything.

use kit::{Cluster, config};
use raftcore::{ChangeKind, StorageMode};

fn each_mode(test: impl Fn(&mut Cluster)) {
    for mode in [StorageMode::Sync, StorageMode::Async, StorageMode::Messages] {
        let mut cluster = Cluster::new(&[1, 2, 3], move |id| {
            let mut config = config(id);
            config.storage = mode;
            config
        });
        test(&mut cluster);
    }
}

#[test]
fn three_nodes_elect_and_commit() {
    each_mode(|cluster| {
        cluster.elect(1);
        cluster.node(1).propose(b"hello", 7).unwrap();
        cluster.settle();
        assert_eq!(cluster.heard(1).committed, [(7, 3)]);
        for id in 1..=3 {
            assert_eq!(cluster.hosts[&id].disk.data, [b"hello"]);
        }
    });
}

#[test]
fn time_alone_elects_a_leader() {
    each_mode(|cluster| {
        cluster.tick(60);
        assert!(cluster.leader().is_some());
    });
}

#[test]
fn reads_are_answered_at_leader_and_follower() {
    each_mode(|cluster| {
        cluster.elect(1);
        cluster.node(1).propose(b"x", 0).unwrap();
        cluster.settle();
        cluster.node(1).read_index(11).unwrap();
        cluster.node(2).read_index(22).unwrap();
        cluster.settle();
        assert_eq!(cluster.heard(1).reads, [(11, 3)]);
        cluster.tick(2);
        assert_eq!(cluster.heard(2).reads, [(22, 3)]);
    });
}

#[test]
fn a_node_with_an_empty_disk_joins_by_snapshot() {
    each_mode(|cluster| {
        cluster.elect(1);
        for i in 0..20u8 {
            cluster.node(1).propose(&[b'a' + i], 0).unwrap();
            cluster.settle();
        }
        cluster.compact(1, 15);
        cluster.add(4, kit::Disk::default());
        cluster.change(1, &[(ChangeKind::AddNode, 4)]).unwrap();
        cluster.tick(5);
        assert_eq!(cluster.hosts[&4].disk.data, cluster.hosts[&1].disk.data);
        assert_eq!(cluster.node(4).status().commit, cluster.node(1).status().commit);
    });
}

#[test]
fn a_restarted_follower_catches_up_by_fetch() {
    each_mode(|cluster| {
        cluster.elect(1);
        cluster.isolate(3);
        for i in 0..600u32 {
            cluster.node(1).propose(&[i as u8; 4000], 0).unwrap();
            cluster.settle();
        }
        cluster.heal();
        cluster.restart(3);
        cluster.tick(30);
        assert!(!cluster.hosts[&1].fetched.is_empty());
        assert_eq!(cluster.hosts[&3].disk.data, cluster.hosts[&1].disk.data);
    });
}
