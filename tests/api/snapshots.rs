//! Snapshots out and in.

use crate::kit::{Cluster, Disk, config, events, message, snapshot, step};
use raftcore::{
    ChangeKind, Config, Error, EventKind, FetchKind, Flow, MessageKind, Missing, Node, PeerStatus, Reason,
    SnapshotReport, Supplied, wire,
};

fn peer(node: &mut Node, id: u64) -> PeerStatus {
    node.peers().find(|peer| peer.id == id).unwrap()
}

/// Node 1 leads; node 3 was cut off while the others wrote and compacted, and is heard again.
fn behind() -> Cluster {
    behind_with(config(1).snapshot_timeout_ticks)
}

fn behind_with(snapshot_timeout_ticks: u32) -> Cluster {
    let mut cluster = Cluster::new(&[1, 2, 3], move |id| Config { snapshot_timeout_ticks, ..config(id) });
    cluster.elect(1);
    cluster.isolate(3);
    for i in 0..10u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
        cluster.settle();
    }
    cluster.compact(1, 8);
    cluster.heal();
    cluster
}

/// Ticks node 1 and lets the others answer, until node 1 asks for a snapshot; gives the fetch's id.
fn asked(cluster: &mut Cluster) -> u64 {
    for _ in 0..10 {
        cluster.node(1).tick(1).unwrap();
        while let Some(ready) = cluster.node(1).ready().unwrap() {
            let number = ready.number();
            let mut sent = Vec::new();
            for m in ready.messages() {
                let mut bytes = Vec::new();
                m.write_to(&mut bytes);
                sent.push(crate::kit::Sent { from: 1, to: m.to(), bytes });
            }
            cluster.node(1).advance(number).unwrap();
            sent.iter().for_each(|m| cluster.deliver(m));
        }
        for id in [2, 3] {
            let answers = cluster.hosts.get_mut(&id).unwrap().work();
            answers.iter().for_each(|m| cluster.deliver(m));
        }
        if let Some(fetch) = cluster.node(1).next_fetch().unwrap() {
            assert_eq!((fetch.kind, fetch.peer), (FetchKind::Snapshot, 3));
            return fetch.id;
        }
    }
    panic!("no snapshot was asked for");
}

const ALL: wire::ConfStateRef<'static> = wire::ConfStateRef {
    voters: &[1, 2, 3],
    learners: &[],
    voters_outgoing: &[],
    learners_next: &[],
    auto_leave: false,
};

#[test]
fn a_peer_behind_the_log_gets_one_and_goes_on_from_there() {
    let mut cluster = behind();
    cluster.tick(5);
    assert!(cluster.hosts[&1].fetched.contains(&FetchKind::Snapshot));
    assert_eq!(cluster.hosts[&3].disk.data, cluster.hosts[&1].disk.data);
    assert_eq!(peer(cluster.node(1), 3).flow, Flow::Replicate, "its own answer ended the snapshot");
}

#[test]
fn an_ask_is_handed_out_once_and_its_answers_are_checked() {
    let mut cluster = behind();
    let id = asked(&mut cluster);
    let node = cluster.node(1);
    assert_eq!(node.next_fetch().unwrap(), None);
    let without = wire::ConfStateRef { voters: &[1, 2], ..ALL };
    assert_eq!(node.supply_snapshot(id, 12, &without, b""), Err(Error::Arg));
    assert_eq!(node.supply_snapshot(id, 99, &ALL, b""), Err(Error::Arg));
    assert_eq!(node.supply_snapshot(id, 3, &ALL, b""), Err(Error::Arg));
    assert_eq!(node.supply_entries(id, [].into_iter()), Err(Error::Arg));
    assert_eq!(node.supply_none(id + 1, Missing::Later), Err(Error::Arg));
    assert_ne!(peer(node, 3).flags & raftcore::peer_flags::FETCHING, 0, "the ask is still open");

    assert_eq!(node.supply_snapshot(id, 12, &ALL, b"state"), Ok(Supplied::Taken));
    assert_eq!(peer(node, 3).pending_snapshot, 12);
    assert_eq!(node.supply_snapshot(id, 12, &ALL, b"state"), Ok(Supplied::Ignored));
}

#[test]
fn a_supply_that_comes_in_another_term_is_ignored() {
    let mut cluster = behind();
    let id = asked(&mut cluster);
    step(cluster.node(1), &message(MessageKind::Heartbeat, 2, 1, 7)).unwrap();
    assert_eq!(cluster.node(1).supply_snapshot(id, 12, &ALL, b""), Ok(Supplied::Ignored));
}

#[test]
fn later_asks_again_with_the_next_heartbeat_answer() {
    let mut cluster = behind();
    let id = asked(&mut cluster);
    cluster.node(1).supply_none(id, Missing::Later).unwrap();
    assert_eq!(cluster.node(1).next_fetch().unwrap(), None);
    assert!(asked(&mut cluster) > id);
}

#[test]
fn data_may_travel_beside_the_core() {
    let mut cluster = behind();
    let id = asked(&mut cluster);
    cluster.node(1).supply_snapshot(id, 12, &ALL, b"").unwrap();
    let ready = cluster.node(1).ready().unwrap().unwrap();
    let snap = ready.messages().find(|m| m.kind() == MessageKind::Snap).unwrap();
    let mut bytes = Vec::new();
    snap.write_to(&mut bytes);
    let view = wire::parse_message(&bytes).unwrap();
    assert_eq!((view.snapshot.unwrap().index, view.snapshot.unwrap().data), (12, &b""[..]));
}

#[test]
fn a_reported_failure_probes_after_the_next_answer_and_a_deadline_ends_the_wait() {
    for reported in [true, false] {
        let mut cluster = behind();
        let id = asked(&mut cluster);
        cluster.node(1).supply_snapshot(id, 12, &ALL, b"").unwrap();
        assert_eq!(peer(cluster.node(1), 3).flow, Flow::Snapshot);
        events(cluster.node(1));
        if reported {
            cluster.node(1).report_snapshot(3, SnapshotReport::Failed).unwrap();
        } else {
            cluster.isolate(3);
            cluster.tick(601);
        }
        assert_eq!(peer(cluster.node(1), 3).flow, Flow::Probe);
        let ended: Vec<Reason> = events(cluster.node(1))
            .into_iter()
            .filter(|e| e.kind == EventKind::SnapshotEnded)
            .map(|e| e.reason)
            .collect();
        assert_eq!(ended, [if reported { Reason::None } else { Reason::SnapshotTimeout }]);
    }
}

#[test]
fn the_deadline_is_when_it_is_said_to_be_and_none_is_none() {
    for (limit, expected) in [(5, Some(5)), (0, None)] {
        let mut cluster = behind_with(limit);
        let id = asked(&mut cluster);
        let snapshot = cluster.hosts[&2].disk.clone();
        let data = snapshot.data.join(&b'|');
        let leader = cluster.node(1);
        leader.supply_snapshot_bytes(id, snapshot.applied, &snapshot.conf, &data).unwrap();
        let over = (1..=9).find(|_| {
            leader.tick(1).unwrap();
            // The others answer: the node stays the leader.
            let term = leader.status().term;
            step(leader, &message(MessageKind::HeartbeatResp, 2, 1, term)).unwrap();
            peer(leader, 3).flow != Flow::Snapshot
        });
        assert_eq!(over, expected, "snapshot_timeout_ticks = {limit}");
    }
}

#[test]
fn what_a_peer_acknowledges_below_the_log_does_not_end_its_snapshot() {
    let mut cluster = behind();
    let id = asked(&mut cluster);
    let disk = cluster.hosts[&2].disk.clone();
    let leader = cluster.node(1);
    leader.supply_snapshot_bytes(id, disk.applied, &disk.conf, &disk.data.join(&b'|')).unwrap();
    let before = leader.status().first_index - 1;
    let term = leader.status().term;
    for (index, flow) in [(before - 1, Flow::Snapshot), (before, Flow::Replicate)] {
        let ack = raftcore::proto::Message { index, ..message(MessageKind::AppResp, 3, 1, term) };
        step(leader, &ack).unwrap();
        assert_eq!(peer(leader, 3).flow, flow, "{index} of {before}");
    }
}

#[test]
fn a_received_one_replaces_log_and_configuration_and_stops_applying_until_it_is_stored() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    let m = raftcore::proto::Message {
        snapshot: Some(snapshot(40, 3, &[1, 2, 5], b"state")),
        ..message(MessageKind::Snap, 2, 1, 3)
    };
    step(&mut node, &m).unwrap();
    assert!(!node.status().promotable, "nobody campaigns meanwhile");
    let ready = node.ready().unwrap().unwrap();
    assert!(ready.must_sync());
    let shown = ready.snapshot().unwrap();
    assert_eq!((shown.index, shown.term, shown.data), (40, 3, &b"state"[..]));
    let conf = wire::parse_conf_state(shown.conf).unwrap();
    assert_eq!(conf.voters().collect::<Vec<_>>(), [1, 2, 5]);
    let number = ready.number();
    node.advance(number).unwrap();
    let s = node.status();
    assert_eq!((s.applied, s.commit, s.first_index, s.last_term), (40, 40, 41, 3));
    assert!(s.promotable);

    // A covered snapshot is only acknowledged.
    step(&mut node, &m).unwrap();
    assert!(events(&mut node).iter().any(|e| e.reason == Reason::OldSnapshot));
}

#[test]
fn one_whose_configuration_lacks_the_receiver_is_not_installed() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    let m = raftcore::proto::Message {
        snapshot: Some(snapshot(40, 3, &[2, 3], b"")),
        ..message(MessageKind::Snap, 2, 1, 3)
    };
    step(&mut node, &m).unwrap();
    assert_eq!(node.status().commit, 1);
    assert!(events(&mut node).iter().any(|e| e.reason == Reason::SnapshotWithoutSelf));
}

#[test]
fn entries_before_memory_are_fetched_and_gone_ones_become_a_snapshot() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let mut c = config(id);
        c.recent_bytes = 16 << 10;
        c
    });
    cluster.elect(1);
    cluster.isolate(3);
    for _ in 0..20 {
        cluster.node(1).propose(&[1; 3000], 0).unwrap();
        cluster.settle();
    }
    let s = cluster.node(1).status();
    assert!(s.recent_first > s.first_index, "memory holds the end of the log only");
    cluster.heal();
    cluster.tick(10);
    assert!(cluster.hosts[&1].fetched.contains(&FetchKind::Entries));
    assert_eq!(cluster.hosts[&3].disk.data.len(), 20);
}

#[test]
fn a_learner_that_starts_through_a_snapshot_is_seen_to_catch_up() {
    let mut cluster = behind();
    cluster.add(4, Disk::default());
    cluster.isolate(4);
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    for i in 0..20u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
        cluster.settle();
    }
    assert_eq!(peer(cluster.node(1), 4).flags & raftcore::peer_flags::CAUGHT_UP, 0);
    cluster.heal();
    cluster.tick(5);
    assert_ne!(peer(cluster.node(1), 4).flags & raftcore::peer_flags::CAUGHT_UP, 0);
}

#[test]
fn one_that_ends_before_what_the_peer_has_is_refused() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| raftcore::Config { recent_bytes: 16 << 10, ..config(id) });
    cluster.elect(1);
    cluster.isolate(3);
    for _ in 0..20 {
        cluster.node(1).propose(&[1; 3000], 0).unwrap();
        cluster.settle();
    }
    let node = cluster.node(1);
    assert_eq!(peer(node, 3).match_index, 2);
    node.report_unreachable(3).unwrap();
    step(node, &message(MessageKind::HeartbeatResp, 3, 1, 1)).unwrap();
    let entries = node.next_fetch().unwrap().unwrap();
    node.supply_none(entries.id, Missing::Gone).unwrap();
    let fetch = node.next_fetch().unwrap().unwrap();
    assert_eq!(fetch.kind, FetchKind::Snapshot);
    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    let before = node.digest(true);

    assert_eq!(node.supply_snapshot(fetch.id, 1, &conf, b"old"), Err(Error::Arg));

    assert_eq!(node.digest(true), before);
    assert_eq!(node.supply_snapshot(fetch.id, 2, &conf, b"as old as the peer"), Ok(Supplied::Taken));
}
