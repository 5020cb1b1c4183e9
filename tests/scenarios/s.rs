//! Snapshots.

use crate::{MODES, boot, drain, group, in_mode, of_kind, said, take, with_flag};
use kit::{Disk, append, config, entry, message, snapshot, step};
use raftcore::{
    Config, Error, EventKind, FetchKind, Flags, Flow, MessageKind, Missing, Node, Reason, Role, StorageMode, Supplied,
    proto,
};

fn snap(index: u64, log_term: u64, term: u64) -> proto::Message {
    let mut m = message(MessageKind::Snap, 2, 1, term);
    m.snapshot = Some(snapshot(index, log_term, &[1, 2, 3], b"data"));
    m
}

fn ack(from: u64, term: u64, index: u64) -> proto::Message {
    proto::Message { index, ..message(MessageKind::AppResp, from, 1, term) }
}

fn peer(node: &Node, id: u64) -> raftcore::PeerStatus {
    node.peers().find(|peer| peer.id == id).unwrap()
}

/// A leader whose log before its last entry is compacted, and that has just asked for a snapshot for 3.
fn asking(change: impl Fn(&mut Config)) -> (Node, raftcore::Fetch) {
    let mut config = config(1);
    change(&mut config);
    let mut node = boot(&config, &[1, 2, 3]);
    node.campaign().unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::PreVoteResp, 2, 1, 1)).unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::VoteResp, 2, 1, 1)).unwrap();
    for _ in 0..10 {
        node.propose(b"x", 0).unwrap();
    }
    drain(&mut node);
    step(&mut node, &ack(2, 1, 12)).unwrap();
    drain(&mut node);
    node.compacted(11).unwrap();
    let mut reject = ack(3, 1, 1);
    (reject.reject, reject.reject_hint) = (true, 0);
    step(&mut node, &reject).unwrap();
    let fetch = node.next_fetch().unwrap().unwrap();
    assert_eq!((fetch.kind, fetch.peer), (FetchKind::Snapshot, 3));
    (node, fetch)
}

fn supply(node: &mut Node, fetch: &raftcore::Fetch, index: u64) -> Result<Supplied, Error> {
    let conf = raftcore::wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    node.supply_snapshot(fetch.id, index, &conf, b"data")
}

#[test]
fn s01_without_a_report_a_peer_leaves_the_snapshot_state_by_its_answer_or_by_a_deadline() {
    let sending = || {
        let (mut node, fetch) = asking(|c| c.snapshot_timeout_ticks = 5);
        supply(&mut node, &fetch, 12).unwrap();
        let sent = drain(&mut node);
        assert_eq!(of_kind(&sent, MessageKind::Snap).len(), 1);
        assert_eq!(peer(&node, 3).flow, Flow::Snapshot);
        node
    };
    let mut node = sending();
    step(&mut node, &ack(3, 1, 12)).unwrap();
    assert_eq!((peer(&node, 3).flow, peer(&node, 3).match_index), (Flow::Replicate, 12));

    let mut node = sending();
    node.tick(5).unwrap();
    assert_eq!(peer(&node, 3).flow, Flow::Probe);
    assert!(said(&mut node, EventKind::SnapshotEnded, Reason::SnapshotTimeout));
    step(&mut node, &message(MessageKind::HeartbeatResp, 3, 1, 1)).unwrap();
    assert!(node.next_fetch().unwrap().is_some(), "it is tried again");
}

#[test]
fn s02_a_peer_reconnects_with_another_snapshot_than_the_pending_one() {
    for index in [11, 12, 13] {
        let (mut node, fetch) = asking(|_| ());
        supply(&mut node, &fetch, 12).unwrap();
        node.propose(b"y", 0).unwrap();
        drain(&mut node);
        step(&mut node, &ack(3, 1, index)).unwrap();
        assert_eq!(peer(&node, 3).flow, Flow::Replicate, "{index}");
        let sent = drain(&mut node);
        let appends = of_kind(&sent, MessageKind::App).into_iter().filter(|m| m.to == 3);
        assert!(index == 13 || appends.last().is_some_and(|m| m.index == index), "{index}");
    }
}

#[test]
fn s03_a_conflicting_tail_gives_way_to_a_snapshot() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let tail = (2..=20).map(|index| entry(1, index, b"old")).collect();
    step(&mut node, &append(3, 1, 1, (1, 1), tail, 1)).unwrap();
    drain(&mut node);

    step(&mut node, &snap(10, 2, 2)).unwrap();

    assert_eq!((node.status().last_index, node.status().last_term, node.status().first_index), (10, 2, 11));
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.snapshot().map(|s| (s.index, s.term, s.data)), Some((10, 2, &b"data"[..])));
    drain(&mut node);
    step(&mut node, &append(2, 1, 2, (10, 2), vec![entry(2, 11, b"new")], 11)).unwrap();
    assert_eq!(node.status().commit, 11);
}

#[test]
fn s04_a_snapshot_that_is_covered_is_only_acknowledged() {
    for (index, term, last) in [(3, 1, 6), (5, 1, 6), (6, 1, 6)] {
        let mut node = boot(&config(1), &[1, 2, 3]);
        let entries = (2..=6).map(|index| entry(1, index, b"x")).collect();
        step(&mut node, &append(2, 1, 1, (1, 1), entries, 5)).unwrap();
        drain(&mut node);
        step(&mut node, &snap(index, term, 1)).unwrap();
        let restored = node.ready().unwrap().unwrap().snapshot().is_some();
        assert!(!restored, "{index}");
        let sent = drain(&mut node);
        assert_eq!(of_kind(&sent, MessageKind::AppResp)[0].index, index.max(5), "{index}");
        assert_eq!((node.status().last_index, node.status().commit), (last, index.max(5)));
    }
}

#[test]
fn s05_a_snapshot_of_the_future_is_no_supply() {
    // Followers ask for none; a host can't promise an index that nobody may reach.
    let (mut node, fetch) = asking(|_| ());
    for index in [0, 5, 10, 13, 1000, u64::MAX] {
        assert_eq!(supply(&mut node, &fetch, index), Err(Error::Arg), "{index}");
    }
    let lacks = raftcore::wire::ConfStateRef { voters: &[1, 2], ..Default::default() };
    assert_eq!(node.supply_snapshot(fetch.id, 12, &lacks, b""), Err(Error::Arg));
    assert_eq!(supply(&mut node, &fetch, 11), Ok(Supplied::Taken), "the ask stayed open");
}

#[test]
fn s06_a_candidate_takes_a_snapshot_and_an_older_terms_is_answered_only() {
    for pre_vote in [true, false] {
        let mut node = boot(&with_flag(1, Flags::PRE_VOTE, pre_vote), &[1, 2, 3]);
        node.campaign().unwrap();
        assert_ne!(node.status().role, Role::Follower);
        step(&mut node, &snap(10, 1, 1)).unwrap();
        assert_eq!((node.status().role, node.status().leader, node.status().last_index), (Role::Follower, 2, 10));
        step(&mut node, &snap(20, 2, 7)).unwrap();
        assert_eq!((node.status().term, node.status().last_index), (7, 20));

        let before = node.digest(true);
        step(&mut node, &snap(30, 1, 6)).unwrap();
        assert_eq!(node.digest(true), before);
    }
}

#[test]
fn s07_a_snapshot_whose_configuration_cannot_be_is_refused_loudly() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let before = node.digest(true);
    let with = |change: &dyn Fn(&mut proto::ConfState)| {
        let mut m = snap(10, 1, 1);
        change(m.snapshot.as_mut().unwrap().metadata.as_mut().unwrap().conf_state.as_mut().unwrap());
        m
    };
    for m in [
        with(&|c| c.voters.clear()),
        with(&|c| c.learners = vec![2]),
        with(&|c| c.learners_next = vec![2]),
        with(&|c| c.auto_leave = true),
        with(&|c| c.voters.push(0)),
        with(&|c| c.voters.push(u64::MAX)),
        with(&|c| c.voters = (1..=300).collect()),
    ] {
        assert_eq!(step(&mut node, &m), Err(Error::Implausible), "{m:?}");
        assert!(said(&mut node, EventKind::Alarm, Reason::SnapshotConf));
        assert_eq!(node.digest(true), before);
    }
    step(&mut node, &with(&|c| c.voters = vec![2, 3])).unwrap();
    assert!(said(&mut node, EventKind::Ignored, Reason::SnapshotWithoutSelf));
    assert_eq!(node.status().last_index, 1);
}

#[test]
fn s08_a_snapshot_that_takes_long_or_fails_stops_nobody_and_is_not_asked_for_in_a_loop() {
    let (mut node, fetch) = asking(|_| ());
    for round in 0..5 {
        node.propose(b"y", 0).unwrap();
        drain(&mut node);
        let last = node.status().last_index;
        step(&mut node, &ack(2, 1, last)).unwrap();
        assert_eq!(node.status().commit, last, "round {round}");
        step(&mut node, &message(MessageKind::HeartbeatResp, 3, 1, 1)).unwrap();
        assert!(node.next_fetch().unwrap().is_none(), "asked twice");
    }
    node.supply_none(fetch.id, Missing::Later).unwrap();
    for _ in 0..5 {
        node.propose(b"z", 0).unwrap();
        drain(&mut node);
        assert!(node.next_fetch().unwrap().is_none(), "a hot loop");
    }
    step(&mut node, &message(MessageKind::HeartbeatResp, 3, 1, 1)).unwrap();
    let again = node.next_fetch().unwrap().unwrap();
    assert_ne!(again.id, fetch.id);
    assert_eq!(supply(&mut node, &fetch, 12), Ok(Supplied::Ignored));
}

#[test]
fn s09_two_snapshots_in_a_row_and_a_crash_in_between() {
    let mut node = boot(&in_mode(1, StorageMode::Async), &[1, 2, 3]);
    step(&mut node, &snap(10, 1, 1)).unwrap();
    step(&mut node, &snap(20, 1, 1)).unwrap();
    let (number, _) = take(&mut node).unwrap();
    assert_eq!(node.view(number).unwrap().snapshot().unwrap().index, 20, "the first was never shown");
    step(&mut node, &snap(30, 1, 1)).unwrap();
    let (next, _) = take(&mut node).unwrap();
    node.persisted(number).unwrap();
    assert_eq!(node.status().applied, 20);
    node.persisted(next).unwrap();
    assert_eq!(node.status().applied, 30);
    node.release(next).unwrap();
    assert_eq!(node.status().n_outstanding, 0);

    // Stored the snapshot, not the hard state.
    let mut disk = Disk::founder(&[1, 2, 3]);
    (disk.before, disk.applied) = (raftcore::EntryId { term: 4, index: 10 }, 10);
    let mut node = disk.boot(&config(1));
    assert_eq!((node.status().term, node.status().commit, node.status().applied), (4, 10, 10));
    assert!(said(&mut node, EventKind::Repaired, Reason::None));
}

#[test]
fn s09_snapshots_in_a_row_in_every_mode_bring_an_empty_node_up() {
    for mode in MODES {
        let mut cluster = group(&[1, 2, 3], move |c| c.storage = mode);
        cluster.elect(1);
        cluster.isolate(3);
        for round in 0..3u8 {
            for i in 0..10 {
                cluster.node(1).propose(&[round, i], 0).unwrap();
                cluster.settle();
            }
            let applied = cluster.node(1).status().applied;
            cluster.compact(1, applied);
            cluster.heal();
            cluster.tick(3);
            assert_eq!(cluster.hosts[&3].disk.data, cluster.hosts[&1].disk.data, "{mode:?} {round}");
            cluster.isolate(3);
        }
    }
}
