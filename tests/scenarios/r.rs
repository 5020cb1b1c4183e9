//! Found by running raft-rs and etcd's raft.

use crate::{MODES, boot, depose, drain, in_mode, of_kind, take, vote, with_flag};
use kit::{Cluster, Disk, append, config, entry, message, snapshot, step};
use prost::Message as _;
use raftcore::{ChangeKind, Config, Error, Flags, MessageKind, Role, StorageMode, proto, wire};

/// A group of one voter and one learner.
fn voter_and_learner() -> Disk {
    let conf = wire::ConfStateRef { voters: &[1], learners: &[2], ..Default::default() };
    let mut bytes = vec![0; wire::conf_state_len(&conf)];
    wire::write_conf_state(&mut bytes, &conf);
    Disk { conf: bytes, ..Disk::founder(&[1]) }
}

#[test]
fn r01_a_sole_voter_sends_nothing_of_a_term_that_is_not_on_its_disk() {
    for mode in MODES {
        let mut node = voter_and_learner().boot(&in_mode(1, mode));
        node.campaign().unwrap();
        for _ in 0..3 {
            let Some((_, messages)) = take(&mut node) else { break };
            let early: Vec<_> = messages.iter().filter(|shown| shown.m.to == 2).map(|shown| &shown.m).collect();
            assert!(early.is_empty(), "{mode:?}: {early:?} leave before the term is stored");
            assert_ne!(node.status().role, Role::Leader, "{mode:?}");
            if mode == StorageMode::Sync {
                break;
            }
        }
    }
}

#[test]
fn r02_a_write_that_a_later_one_overwrites_makes_nothing_durable_or_applied() {
    let mut node = boot(&in_mode(1, StorageMode::Async), &[1, 2, 3]);
    step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"a")], 1)).unwrap();
    let (first, _) = take(&mut node).unwrap();
    step(&mut node, &append(3, 1, 2, (1, 1), vec![entry(2, 2, b"b")], 1)).unwrap();
    let (second, _) = take(&mut node).unwrap();
    step(&mut node, &append(2, 1, 3, (1, 1), vec![entry(1, 2, b"a"), entry(3, 3, b"c")], 3)).unwrap();
    let (third, _) = take(&mut node).unwrap();

    for number in [first, second] {
        node.persisted(number).unwrap();
        assert_eq!(node.status().durable, 1, "ready {number}");
        assert!(node.ready().unwrap().is_none(), "ready {number} hands entries out");
    }
    node.persisted(third).unwrap();

    assert_eq!(node.status().durable, 3);
    assert_eq!(node.ready().unwrap().unwrap().committed_span(), Some((2, 3)));
}

#[test]
fn r03_a_sole_voter_with_a_write_in_flight_campaigns_and_waits() {
    let mut node = boot(&in_mode(1, StorageMode::Async), &[1]);
    step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 1)).unwrap();
    let (write, _) = take(&mut node).unwrap();

    node.campaign().unwrap();

    let (election, _) = take(&mut node).unwrap();
    assert_ne!(node.status().role, Role::Leader);
    node.persisted(write).unwrap();
    assert_ne!(node.status().role, Role::Leader);
    node.persisted(election).unwrap();
    while node.status().role != Role::Leader {
        let (number, _) = take(&mut node).unwrap();
        node.persisted(number).unwrap();
    }
    assert_eq!(node.status().durable, 2);
}

#[test]
fn r04_a_late_answer_to_an_earlier_read_completes_no_later_one_with_the_same_token() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.node(1).read_index(7).unwrap();
    let beats = cluster.hosts.get_mut(&1).unwrap().work();
    beats.iter().for_each(|m| cluster.deliver(m));
    let late = cluster.hosts.get_mut(&3).unwrap().work();
    assert!(!late.is_empty());
    cluster.settle();
    assert_eq!(cluster.heard(1).reads.len(), 1);

    depose(&mut cluster, 1, 2);
    cluster.node(2).propose(b"new", 0).unwrap();
    cluster.settle();
    let leads = cluster.node(1).read_index(7).is_ok();
    for m in &late {
        cluster.node(1).step(m.from, &m.bytes).unwrap();
    }
    cluster.settle();

    assert!(leads, "the old leader noticed too early for this test");
    assert_eq!(cluster.heard(1).reads.len(), 1, "a stale read");
}

#[test]
fn r05_a_leader_that_is_removed_stops() {
    for mode in MODES {
        let mut cluster = Cluster::new(&[1, 2, 3], move |id| in_mode(id, mode));
        cluster.elect(1);
        cluster.change(1, &[(ChangeKind::RemoveNode, 1)]).unwrap();
        cluster.tick(3);

        let host = cluster.hosts.get_mut(&1).unwrap();
        assert_ne!(host.node.status().role, Role::Leader, "{mode:?}");
        host.node.tick(20).unwrap();
        assert!(host.work().is_empty(), "{mode:?}: it still sends");
        cluster.tick(60);
        assert!(matches!(cluster.leader(), Some(2 | 3)), "{mode:?}");
    }
}

#[test]
fn r06_the_second_of_two_changes_in_a_row_is_refused_and_says_so() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    let add = |id| [raftcore::Change { kind: ChangeKind::AddLearner, id }];

    cluster.node(1).propose_conf(&add(4), raftcore::ChangeEncoding::V1, b"", 0).unwrap();
    let last = cluster.node(1).status().last_index;
    assert_eq!(cluster.node(1).propose_conf(&add(5), raftcore::ChangeEncoding::V1, b"", 9), Err(Error::ConfBusy));
    assert_eq!(cluster.node(1).status().last_index, last);

    cluster.settle();
    assert_eq!(cluster.node(1).conf().unwrap().conf.learners, [4]);
    cluster.node(1).propose_conf(&add(5), raftcore::ChangeEncoding::V1, b"", 0).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(1).conf().unwrap().conf.learners, [4, 5]);
}

#[test]
fn r07_crafted_messages_that_upset_others_are_refused_with_the_node_unchanged() {
    let with = |kind, term, change: &dyn Fn(&mut proto::Message)| {
        let mut m = message(kind, 2, 1, term);
        change(&mut m);
        m
    };
    let mut bad_conf = snapshot(10, 1, &[1, 2, 3], b"");
    bad_conf.metadata.as_mut().unwrap().conf_state.as_mut().unwrap().learners = vec![3];
    let crafted = [
        with(MessageKind::Heartbeat, 1, &|m| m.commit = 1000),
        with(MessageKind::Prop, 0, &|_| ()),
        with(MessageKind::ReadIndex, 0, &|_| ()),
        with(MessageKind::ReadIndex, 1, &|m| m.entries = vec![entry(0, 0, b"context")]),
        with(MessageKind::Vote, 0, &|_| ()),
        with(MessageKind::App, 1, &|m| {
            (m.index, m.log_term, m.entries) = (1, 1, vec![entry(1, 2, b""), entry(1, 4, b"")]);
        }),
        with(MessageKind::App, 5, &|m| {
            (m.index, m.log_term, m.entries) = (1, 1, vec![entry(5, 2, b""), entry(4, 3, b"")]);
        }),
        with(MessageKind::Snap, 1, &|m| m.snapshot = Some(snapshot(u64::MAX, 1, &[1, 2, 3], b""))),
        with(MessageKind::Snap, 1, &|m| m.snapshot = Some(bad_conf.clone())),
        with(MessageKind::Snap, 1, &|_| ()),
        with(MessageKind::TimeoutNow, u64::MAX, &|_| ()),
        with(MessageKind::AppResp, 1, &|m| m.index = u64::MAX),
        with(MessageKind::App, 1, &|m| (m.index, m.log_term) = (u64::MAX, 1)),
    ];
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    let follower = cluster.node(1).try_clone().unwrap();
    cluster.elect(1);
    let leader = cluster.node(1).try_clone().unwrap();
    let mut candidate = boot(&with_flag(1, Flags::PRE_VOTE, false), &[1, 2, 3]);
    candidate.campaign().unwrap();

    for node in [follower, leader, candidate] {
        let role = node.status().role;
        for (number, m) in crafted.iter().enumerate() {
            let mut node = node.try_clone().unwrap();
            let before = node.digest(true);
            if let Err(error) = step(&mut node, m) {
                assert_ne!(error, Error::Poisoned);
                assert_eq!(node.digest(true), before, "{role:?}, message {number}");
            } else {
                assert!(role != Role::Follower && number == 11 || role == Role::Leader, "{role:?} took {number}");
            }
            drain(&mut node);
            assert!(!node.is_poisoned());
        }
    }
}

#[test]
fn r08_numbers_have_one_meaning_and_unknown_ones_none() {
    // Field 14 as bytes is what it is in raftpb: a response, which no peer sends.
    let mut node = boot(&config(1), &[1, 2, 3]);
    let mut m = message(MessageKind::Heartbeat, 2, 1, 1);
    m.responses = vec![message(MessageKind::HeartbeatResp, 2, 1, 1)];
    assert_eq!(step(&mut node, &m), Err(Error::Decode));
    for kind in [24, 25, 99, -1] {
        let m = proto::Message { r#type: kind, ..message(MessageKind::Hup, 2, 1, 1) };
        let outcome = step(&mut node, &m);
        assert!(matches!(outcome, Err(Error::Decode | Error::Unsupported)), "{kind}: {outcome:?}");
    }
    // Local types, 19 among them.
    for kind in MessageKind::ALL.into_iter().filter(|kind| kind.is_local()) {
        assert_eq!(step(&mut node, &message(kind, 2, 1, 1)), Err(Error::NotForMe), "{kind:?}");
    }

    let change = |kind: i32| proto::ConfChange { r#type: kind, node_id: 4, ..Default::default() }.encode_to_vec();
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    for (kind, learners) in [(2, &[][..]), (3, &[4][..])] {
        let mut m = message(MessageKind::Prop, 2, 1, 0);
        m.entries = vec![proto::Entry { r#type: 1, data: change(kind).into(), ..Default::default() }];
        step(cluster.node(1), &m).unwrap();
        cluster.settle();
        assert_eq!(cluster.node(1).conf().unwrap().conf.learners, learners, "ConfChangeType {kind}");
        assert_eq!(cluster.node(1).conf().unwrap().conf.voters, [1, 2, 3], "ConfChangeType {kind}");
    }
    let mut m = message(MessageKind::Prop, 2, 1, 0);
    m.entries = vec![proto::Entry { r#type: 1, data: change(4).into(), ..Default::default() }];
    assert!(step(cluster.node(1), &m).is_err());
}

#[test]
fn r09_a_message_to_another_id_is_refused() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let before = node.digest(true);

    for to in [0, 2, 99, u64::MAX] {
        assert_eq!(step(&mut node, &message(MessageKind::Heartbeat, 2, to, 1)), Err(Error::NotForMe), "{to}");
    }

    assert_eq!(node.digest(true), before);
}

/// Stores what a ready shows, as a host does.
fn store(disk: &mut Disk, node: &raftcore::Node, number: u64) {
    let ready = node.view(number).unwrap();
    for e in ready.entries() {
        disk.log.split_off(&e.index);
        disk.log
            .insert(e.index, kit::Stored { term: e.term, kind: e.kind, data: e.data.to_vec(), context: Vec::new() });
    }
    disk.state = ready.hard_state().unwrap_or(disk.state);
}

#[test]
fn r10_a_grant_from_before_a_crash_elects_nobody_over_a_committed_entry() {
    let disk = Disk::founder(&[1, 2, 3]);
    let config_a = Config { storage: StorageMode::Async, ..with_flag(1, Flags::PRE_VOTE, false) };
    let (mut a, mut b) = (disk.boot(&config_a), disk.boot(&config(2)));
    let mut a_disk = disk;
    // 3 leads term 1; its entry 2 is durable at 2 and 3, and committed. At 1 it is in memory only.
    let m = |to, commit| append(3, to, 1, (1, 1), vec![entry(1, 2, b"X")], commit);
    step(&mut b, &m(2, 2)).unwrap();
    drain(&mut b);
    step(&mut a, &m(1, 1)).unwrap();
    let (_write, _) = take(&mut a).unwrap();
    // 1 campaigns with the entry that is not on its disk.
    a.campaign().unwrap();
    let (_, messages) = take(&mut a).unwrap();
    let leave: Vec<_> = messages.iter().filter(|shown| !shown.after).map(|shown| &shown.m).collect();
    assert!(leave.is_empty(), "{leave:?} leave before what they say is durable");

    // It crashes; nothing was stored, so nothing was sent. It campaigns anew, in the same term.
    a = a_disk.boot(&config_a);
    a.campaign().unwrap();
    let (number, messages) = take(&mut a).unwrap();
    store(&mut a_disk, &a, number);
    a.persisted(number).unwrap();
    let requests: Vec<_> = messages.into_iter().filter(|shown| shown.m.to == 2).collect();
    assert_eq!(requests.len(), 1);
    b.forget_leader().unwrap();
    for request in requests {
        step(&mut b, &request.m).unwrap();
    }
    let answers = drain(&mut b);
    for answer in of_kind(&answers, MessageKind::VoteResp) {
        assert!(answer.reject, "2 has a newer log");
        step(&mut a, answer).unwrap();
    }
    assert_ne!(a.status().role, Role::Leader);
}

#[test]
fn r10_etcds_early_vote_request_is_there_for_those_who_want_it() {
    for (early, after) in [(false, true), (true, false)] {
        let mut config = with_flag(1, Flags::PRE_VOTE, false);
        config.flags = config.flags.with(Flags::VOTE_REQUEST_EARLY, early);
        let mut node = boot(&config, &[1, 2, 3]);
        node.campaign().unwrap();
        let (_, messages) = take(&mut node).unwrap();
        assert!(!messages.is_empty());
        assert!(messages.iter().all(|shown| shown.after == after));
    }
    let mut node = boot(&config(1), &[1, 2, 3]);
    step(&mut node, &vote(MessageKind::Vote, 2, 1, 1, (1, 1))).unwrap();
    let (_, messages) = take(&mut node).unwrap();
    assert!(messages.iter().all(|shown| shown.after), "a grant leaves before it is durable");
}
