//! Snapshots out and in.

use crate::lone::{acknowledge, asks_for_a_snapshot, beats, drain, follower, forgetful, leader, leave_behind, peer};
use kit::{Cluster, Disk, append, config, entry, events, founded, in_mode, message, snapshot, step};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, EntryRef, Error, EventKind, FetchKind, Flags, Flow, MessageKind,
    Missing, Node, Reason, SnapshotReport, StorageMode, Supplied, Transition, peer_flags, proto, wire,
};

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
                sent.push(kit::Sent { from: 1, to: m.to(), bytes });
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

#[test]
fn behind_a_snapshot_that_arrived_entries_follow_and_behind_one_that_did_not_nothing_is_taken_for_granted() {
    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    for (arrived, next) in [(true, 51), (false, 3)] {
        let (mut node, id) = asks_for_a_snapshot();
        node.supply_snapshot(id, 50, &conf, b"").unwrap();
        drain(&mut node);
        assert_eq!((peer(&node, 3).flow, peer(&node, 3).pending_snapshot), (Flow::Snapshot, 50));
        let report = if arrived { SnapshotReport::Arrived } else { SnapshotReport::Failed };
        node.report_snapshot(3, report).unwrap();
        let progress = peer(&node, 3);
        assert_eq!((progress.flow, progress.next_index, progress.pending_snapshot), (Flow::Probe, next, 0));
        assert_ne!(progress.flags & peer_flags::PAUSED, 0, "until it is heard");
    }
}

#[test]
fn one_ask_goes_with_its_peer_and_the_other_stays() {
    let mut node = leader(&forgetful());
    let changes = [Change { kind: ChangeKind::AddLearner, id: 4 }];
    let apply = |node: &mut Node, changes: &[Change], index: u64| {
        node.propose_conf(changes, ChangeEncoding::V2(Transition::Auto), b"", 0).unwrap();
        drain(node);
        acknowledge(node, 2, index);
        let ready = node.ready().unwrap().unwrap();
        let (number, last) = (ready.number(), ready.committed().last().unwrap());
        let (term, index, kind, data) = (last.term, last.index, last.kind, last.data.to_vec());
        node.apply_conf(EntryRef { term, index, kind, data: &data, ..EntryRef::default() }).unwrap();
        node.advance(number).unwrap();
        drain(node);
    };
    apply(&mut node, &changes, 3);
    leave_behind(&mut node);
    for id in [3, 4] {
        node.report_unreachable(id).unwrap();
        beats(&mut node, id);
    }
    apply(&mut node, &[Change { kind: ChangeKind::RemoveNode, id: 4 }], 61);
    let left = node.next_fetch().unwrap().unwrap();
    assert_eq!(left.peer, 3);
    assert_eq!(node.next_fetch(), Ok(None));
}

#[test]
fn what_all_members_have_may_be_compacted_and_what_a_follower_has_applied() {
    let mut node = leader(&config(1));
    node.propose(b"x", 0).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 3);
    drain(&mut node);
    assert_eq!((node.status().applied, node.status().safe_to_compact), (3, 2), "node 3 may need it");
    acknowledge(&mut node, 3, 3);
    assert_eq!(node.status().safe_to_compact, 3);
    let follower = follower(&config(1));
    assert_eq!((follower.status().applied, follower.status().safe_to_compact), (2, 2));
}

#[test]
fn a_snapshot_that_is_looked_at_stays_when_a_newer_one_arrives() {
    let arrives = |node: &mut Node, index: u64, data: &[u8]| {
        let snapshot = Some(kit::snapshot(index, 1, &[1, 2, 3], data));
        step(node, &proto::Message { snapshot, ..message(MessageKind::Snap, 2, 1, 1) }).unwrap();
    };
    let c = Config { storage: raftcore::StorageMode::Async, ..config(1) };
    let mut node = Disk::founder(&[1, 2, 3]).boot(&c);
    arrives(&mut node, 9, b"nine");
    let first = node.ready().unwrap().unwrap().number();
    arrives(&mut node, 20, b"twenty");
    arrives(&mut node, 30, b"thirty, shown by nobody before");
    let data = |node: &Node, number: u64| node.view(number).unwrap().snapshot().unwrap().data.to_vec();
    assert_eq!(data(&node, first), b"nine");
    let second = node.ready().unwrap().unwrap().number();
    assert_eq!(
        (data(&node, first), data(&node, second)),
        (b"nine".to_vec(), b"thirty, shown by nobody before".to_vec())
    );
}

#[test]
fn a_snapshot_with_a_bad_configuration_is_refused_with_the_node_unchanged() {
    let mut node = founded(&config(1), &[1, 2, 3]);
    let before = node.digest(true);
    let mut m = message(MessageKind::Snap, 2, 1, 5);
    m.snapshot = Some(snapshot(10, 4, &[], b""));

    assert_eq!(step(&mut node, &m), Err(Error::Implausible));

    assert_eq!(node.status().term, 0, "the term moved though the message was refused");
    assert_eq!(node.digest(true), before);
}

#[test]
fn a_snapshot_of_a_term_above_its_message_is_refused() {
    let mut node = founded(&config(1), &[1, 2, 3]);
    let mut m = message(MessageKind::Snap, 2, 1, 5);
    m.snapshot = Some(snapshot(10, 100, &[1, 2, 3], b""));

    let outcome = step(&mut node, &m);

    assert!(outcome.is_err(), "last term {} in term {}", node.status().last_term, node.status().term);
}

#[test]
fn a_snapshot_of_term_0_is_refused_since_nothing_boots_from_it() {
    let mut node = founded(&config(1), &[1, 2, 3]);
    let mut m = message(MessageKind::Snap, 2, 1, 5);
    m.snapshot = Some(snapshot(10, 0, &[1, 2, 3], b""));

    assert!(step(&mut node, &m).is_err());
}

/// A follower in ASYNC or MESSAGES that has returned entries to apply, when a snapshot replaces
/// them.
fn overtaken_by_a_snapshot(storage: StorageMode) -> Node {
    let config = Config { max_committed_size_per_ready: 10, ..in_mode(1, storage) };
    let mut node = founded(&config, &[1, 2, 3]);
    step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"0123456789abcdef"), entry(1, 3, b"x")], 3)).unwrap();
    node
}

#[test]
fn entries_that_a_snapshot_overtakes_take_no_share_of_the_limits_for_ever() {
    let mut node = overtaken_by_a_snapshot(StorageMode::Async);
    let first = node.ready().unwrap().unwrap().number();
    node.persisted(first).unwrap();
    let span = node.ready().unwrap().unwrap();
    assert_eq!(span.committed_span(), Some((2, 2)));
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
    step(&mut node, &m).unwrap();
    let third = node.ready().unwrap().unwrap().number();
    node.advance(third).unwrap();
    assert_eq!(node.status().applied, 10);

    step(&mut node, &append(2, 1, 1, (10, 1), vec![entry(1, 11, b"y")], 11)).unwrap();
    let mut spans = Vec::new();
    while let Some(ready) = node.ready().unwrap() {
        spans.extend(ready.committed_span());
        let number = ready.number();
        node.persisted(number).unwrap();
        node.release(number).unwrap();
    }

    assert_eq!(spans, [(11, 11)], "nothing is handed out to be applied any more");
}

#[test]
fn readies_that_a_snapshot_overtakes_do_not_stay_outstanding() {
    let mut node = overtaken_by_a_snapshot(StorageMode::Async);
    let first = node.ready().unwrap().unwrap().number();
    node.persisted(first).unwrap();
    assert!(node.ready().unwrap().unwrap().committed_span().is_some());
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
    step(&mut node, &m).unwrap();
    let third = node.ready().unwrap().unwrap().number();

    node.advance(third).unwrap();

    assert_eq!(node.status().n_outstanding, 0);
}

#[test]
fn in_messages_entries_that_a_snapshot_overtakes_give_their_share_back() {
    let mut node = overtaken_by_a_snapshot(StorageMode::Messages);
    let locals = |node: &mut Node| {
        let mut found = Vec::new();
        while let Some(ready) = node.ready().unwrap() {
            for m in ready.messages().filter(|m| m.to() > u64::MAX - 16) {
                let mut bytes = Vec::new();
                m.write_to(&mut bytes);
                let view = raftcore::wire::parse_message(&bytes).unwrap();
                let responses: Vec<Vec<u8>> = view.responses.iter().map(<[u8]>::to_vec).collect();
                found.push((m.kind(), m.entry_count(), responses));
            }
            let number = ready.number();
            node.release(number).unwrap();
        }
        found
    };
    let answer = |node: &mut Node, work: &[(MessageKind, usize, Vec<Vec<u8>>)], kind| {
        for response in work.iter().filter(|w| w.0 == kind).flat_map(|w| &w.2) {
            let to = raftcore::wire::parse_message(response).unwrap().head.to;
            if to == 1 {
                assert!(matches!(node.step_local(response), Ok(()) | Err(Error::Stale)));
            }
        }
    };
    let work = locals(&mut node);
    answer(&mut node, &work, MessageKind::StorageAppend);
    let late = locals(&mut node);
    assert!(late.iter().any(|w| w.0 == MessageKind::StorageApply));
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
    step(&mut node, &m).unwrap();
    let work = locals(&mut node);
    answer(&mut node, &work, MessageKind::StorageAppend);
    answer(&mut node, &late, MessageKind::StorageApply);
    assert_eq!(node.status().applied, 10);

    step(&mut node, &append(2, 1, 1, (10, 1), vec![entry(1, 11, b"y")], 11)).unwrap();
    let work = locals(&mut node);
    answer(&mut node, &work, MessageKind::StorageAppend);
    let work = locals(&mut node);

    assert!(work.iter().any(|w| w.0 == MessageKind::StorageApply), "nothing is handed out to be applied any more");
}

#[test]
fn a_snapshot_is_not_durable_before_its_ready_is_persisted() {
    let mut node = founded(&in_mode(1, StorageMode::Async), &[1, 2, 3]);
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
    step(&mut node, &m).unwrap();
    assert_eq!(node.status().durable, 1);
}

#[test]
fn a_snapshot_that_contradicts_a_committed_entry_is_refused_loudly() {
    let mut node = follower(&config(1));
    let before = node.status();
    for (index, term, refused) in [(2, 2, true), (2, 1, false), (1, 3, true)] {
        let theirs = snapshot(index, term, &[1, 2, 3], b"s");
        let m = proto::Message { snapshot: Some(theirs), ..message(MessageKind::Snap, 2, 1, 3) };
        let mut twin = node.try_clone().unwrap();
        let outcome = step(&mut twin, &m);
        assert_eq!(outcome, if refused { Err(Error::Implausible) } else { Ok(()) }, "{index} {term}");
        if refused {
            assert_eq!(twin.status().term, before.term, "nor is its term believed");
            assert!(events(&mut twin).iter().any(|e| e.reason == Reason::SnapshotConflict));
        }
    }
    drain(&mut node);
}

#[test]
fn a_snapshot_for_a_peer_that_its_configuration_lacks_is_taken_where_that_is_allowed() {
    for (allowed, outcome) in [(false, Err(Error::Arg)), (true, Ok(raftcore::Supplied::Taken))] {
        let c = crate::lone::forgetful();
        let mut node = leader(&Config { flags: c.flags.with(Flags::SNAPSHOT_ANY_CONF, allowed), ..c });
        crate::lone::leave_behind(&mut node);
        node.compacted(50).unwrap();
        crate::lone::beats(&mut node, 3);
        let fetch = node.next_fetch().unwrap().unwrap();
        let without = wire::ConfStateRef { voters: &[1, 2], ..Default::default() };
        assert_eq!(node.supply_snapshot(fetch.id, 55, &without, b"s"), outcome);
        if !allowed {
            continue;
        }
        let ready = node.ready().unwrap().unwrap();
        let m = ready.messages().find(|m| m.kind() == MessageKind::Snap).unwrap();
        assert_eq!((m.index(), m.log_term()), (55, 1), "what it covers");
        let shown = m.snapshot().unwrap();
        assert_eq!((shown.index, shown.data), (55, &b"s"[..]));
        assert_eq!(wire::parse_conf_state(shown.conf).unwrap().voters().collect::<Vec<_>>(), [1, 2]);
        let mut bytes = Vec::new();
        m.write_to(&mut bytes);
        let on_the_wire = wire::parse_message(&bytes).unwrap();
        assert_eq!((on_the_wire.head.index, on_the_wire.head.log_term), (0, 0), "as in etcd's raft");
        let number = ready.number();
        node.advance(number).unwrap();
        // The host has put a newer state in the message's place.
        acknowledge(&mut node, 3, 58);
        assert_eq!(crate::lone::peer(&node, 3).flow, raftcore::Flow::Replicate);
    }
}

#[test]
fn a_snapshot_that_is_under_way_is_not_asked_for_a_second_time() {
    for reported in [true, false] {
        let mut node = leader(&Config { snapshot_timeout_ticks: 30, ..crate::lone::forgetful() });
        crate::lone::leave_behind(&mut node);
        node.compacted(50).unwrap();
        crate::lone::beats(&mut node, 3);
        let fetch = node.next_fetch().unwrap().unwrap();
        node.supply_snapshot(fetch.id, 55, &ALL, b"").unwrap();
        drain(&mut node);
        let mut asked = 0;
        for _ in 0..200 {
            node.tick(1).unwrap();
            for peer in [2, 3] {
                crate::lone::beats(&mut node, peer);
            }
            if reported {
                node.report_snapshot(3, SnapshotReport::UnderWay).unwrap();
            }
            drain(&mut node);
            if let Some(fetch) = node.next_fetch().unwrap() {
                asked += 1;
                node.supply_snapshot(fetch.id, 55, &ALL, b"").unwrap();
                drain(&mut node);
            }
        }
        assert_eq!(asked == 0, reported, "{asked}");
    }
}

#[test]
fn a_snapshot_is_asked_for_up_to_the_last_index_that_there_can_be() {
    const LAST: u64 = u64::MAX - (1 << 32);
    for (index, ignored) in [(LAST, 0), (LAST + 1, 1)] {
        let mut node = leader(&config(1));
        let request = raftcore::proto::Message { reject: true, vote: index, ..message(MessageKind::AppResp, 3, 1, 1) };
        step(&mut node, &request).unwrap();
        assert_eq!(node.status().messages_ignored, ignored);
    }
}
