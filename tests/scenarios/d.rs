//! Reads, leases, transfer.

use crate::{MODES, boot, drain, group, of_kind, said, take, with_flag};
use kit::{Cluster, Disk, Sent, config, events, message, step};
use raftcore::{ChangeKind, Config, DropKind, Error, EventKind, Flags, MessageKind, Node, Reason, Role, proto};

fn lease(c: &mut Config) {
    (c.flags, c.vote_fence_ticks) = (c.flags.with(Flags::LEASE_READS, true), 0);
}

/// What a host has to send now.
fn sent(cluster: &mut Cluster, id: u64) -> Vec<Sent> {
    cluster.hosts.get_mut(&id).unwrap().work()
}

/// A leader of term 2 that has committed nothing in it, with 2 and 3 as followers.
fn fresh_leader(config: &Config) -> Node {
    let state = raftcore::HardState { term: 1, vote: 0, commit: 1 };
    let mut node = Disk { state, ..Disk::founder(&[1, 2, 3]) }.boot(config);
    node.campaign().unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::PreVoteResp, 2, 1, 2)).unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::VoteResp, 2, 1, 2)).unwrap();
    drain(&mut node);
    assert_eq!((node.status().role, node.status().commit), (Role::Leader, 1));
    node
}

/// Answers every heartbeat for `from`.
fn answer(node: &mut Node, heartbeats: &[proto::Message], from: u64) {
    for beat in of_kind(heartbeats, MessageKind::Heartbeat).into_iter().filter(|m| m.to == from) {
        let term = node.status().term;
        let m = proto::Message { context: beat.context.clone(), ..message(MessageKind::HeartbeatResp, from, 1, term) };
        step(node, &m).unwrap();
    }
}

#[test]
fn d01_a_read_before_the_terms_first_commit_waits_for_it() {
    for flags in [0, Flags::LEASE_READS.0] {
        let base = config(1);
        let mut node = fresh_leader(&Config { flags: Flags(base.flags.0 | flags), vote_fence_ticks: 0, ..base });
        node.read_index(7).unwrap();
        let mut m = message(MessageKind::ReadIndex, 2, 1, 0);
        m.entries = vec![proto::Entry { data: vec![1; 16].into(), ..Default::default() }];
        step(&mut node, &m).unwrap();
        let beats = drain(&mut node);
        answer(&mut node, &beats, 2);
        let early = drain(&mut node);
        assert!(of_kind(&early, MessageKind::ReadIndexResp).is_empty(), "answered from the old commit");
        assert_eq!(node.status().n_reads, 2);

        let ack = proto::Message { index: 2, ..message(MessageKind::AppResp, 2, 1, 2) };
        step(&mut node, &ack).unwrap();
        let (mut answered, mut late) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            while let Some((number, messages)) = take(&mut node) {
                answered.extend(node.view(number).unwrap().reads().iter().map(|read| (read.token, read.index)));
                late.extend(messages.into_iter().map(|shown| shown.m));
                node.advance(number).unwrap();
            }
            let beats = late.clone();
            answer(&mut node, &beats, 2);
        }
        assert_eq!(answered, [(7, 2)]);
        assert_eq!(of_kind(&late, MessageKind::ReadIndexResp)[0].index, 2);
    }
}

#[test]
fn d02_readers_with_the_same_token_are_answered_each() {
    for mode in MODES {
        let mut cluster = group(&[1, 2, 3], move |c| c.storage = mode);
        cluster.elect(1);
        for id in [1, 1, 2, 2, 3] {
            cluster.node(id).read_index(7).unwrap();
        }
        cluster.settle();
        cluster.tick(2);
        for (id, count) in [(1, 2), (2, 2), (3, 1)] {
            assert_eq!(cluster.heard(id).reads.len(), count, "{mode:?} at {id}");
            assert!(cluster.heard(id).dropped.is_empty());
        }
    }
}

#[test]
fn d03_a_round_needs_a_majority_of_voters_in_each_half() {
    // Four voters: two answers and the leader's own, no learner's.
    let mut cluster = Cluster::plain(&[1, 2, 3, 4]);
    cluster.elect(1);
    cluster.add(5, Disk::default());
    cluster.change(1, &[(ChangeKind::AddLearner, 5)]).unwrap();
    cluster.tick(3);
    for (cut, answered) in [(vec![3, 4], 0), (vec![4], 1)] {
        cluster.heal();
        cluster.tick(1);
        let before = cluster.heard(1).reads.len();
        cut.into_iter().for_each(|id| cluster.isolate(id));
        cluster.node(1).read_index(7).unwrap();
        cluster.settle();
        assert_eq!(cluster.heard(1).reads.len() - before, answered);
    }
    cluster.heal();
    cluster.settle();

    // Joint: {1, 2, 3, 4} and {1, 2, 5}.
    let step = |kind, id| raftcore::Change { kind, id };
    let changes = [step(ChangeKind::RemoveNode, 3), step(ChangeKind::RemoveNode, 4), step(ChangeKind::AddNode, 5)];
    let encoding = raftcore::ChangeEncoding::V2(raftcore::Transition::JointExplicit);
    cluster.node(1).propose_conf(&changes, encoding, b"", 0).unwrap();
    cluster.settle();
    cluster.tick(1);
    assert_eq!(cluster.node(1).conf().unwrap().conf.voters_outgoing, [1, 2, 3, 4]);
    let before = cluster.heard(1).reads.len();
    cluster.isolate(2);
    cluster.isolate(3);
    cluster.node(1).read_index(8).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(1).reads.len(), before, "1, 4 and 5 are a majority of one half only");
}

#[test]
fn d04_no_lease_while_leadership_is_handed_over() {
    let mut cluster = group(&[1, 2, 3], lease);
    cluster.elect(1);
    cluster.tick(2);
    cluster.node(1).read_index(1).unwrap();
    sent(&mut cluster, 1);
    assert_eq!(cluster.heard(1).reads.len(), 1, "the lease does not hold");

    // TimeoutNow is on its way; the target may win at any time.
    cluster.node(1).transfer(2).unwrap();
    cluster.node(1).read_index(2).unwrap();
    sent(&mut cluster, 1);
    assert_eq!(cluster.heard(1).reads.len(), 1);
    _ = cluster.node(1).abort_transfer();
    cluster.node(1).read_index(3).unwrap();
    sent(&mut cluster, 1);
    assert_eq!(cluster.heard(1).reads.len(), 1, "it may still arrive");
}

#[test]
fn d05_a_lease_forbids_to_forget_and_outlives_no_restart() {
    let mut cluster = group(&[1, 2, 3], |c| c.flags = c.flags.with(Flags::LEASE_READS, true));
    cluster.tick(60);
    let old = cluster.leader().unwrap();
    let (a, b) = if old == 1 { (2, 3) } else { (1, if old == 2 { 3 } else { 2 }) };
    cluster.node(a).forget_leader().unwrap();
    assert_eq!(cluster.node(a).status().leader, old);
    assert!(said(cluster.node(a), EventKind::Ignored, Reason::Lease));

    // Both followers restart at once, which is a quorum that knows nothing of the lease: it elects nobody before the lease ends.
    cluster.isolate(old);
    cluster.restart(a);
    cluster.restart(b);
    for _ in 0..9 {
        cluster.node(a).campaign().unwrap();
        cluster.node(b).campaign().unwrap();
        cluster.tick(1);
        assert!(
            cluster.hosts[&a].node.status().role != Role::Leader
                && cluster.hosts[&b].node.status().role != Role::Leader
        );
    }

    let mut node = boot(&config(1), &[1, 2, 3]);
    node.tick(500).unwrap();
    assert!(events(&mut node).iter().any(|event| event.kind == EventKind::Paused && event.a == 500));
}

#[test]
fn d06_answers_to_forwarded_reads_may_be_lost_late_or_come_twice() {
    let mut cluster = group(&[1, 2, 3], |c| c.read_timeout_ticks = 5);
    cluster.elect(1);
    cluster.node(2).read_index(7).unwrap();
    let asked = sent(&mut cluster, 2);
    asked.iter().for_each(|m| cluster.deliver(m));
    let beats = sent(&mut cluster, 1);
    beats.iter().for_each(|m| cluster.deliver(m));
    let acks = sent(&mut cluster, 3);
    acks.iter().for_each(|m| cluster.deliver(m));
    let answer = sent(&mut cluster, 1);
    assert!(answer.iter().any(|m| m.to == 2));

    // Twice, then in its next life.
    for _ in 0..2 {
        answer.iter().for_each(|m| cluster.deliver(m));
        cluster.settle();
        assert_eq!(cluster.heard(2).reads.len(), 1);
    }
    let mut disk = cluster.hosts[&2].disk.clone();
    disk.applied = disk.applied.min(disk.state.commit);
    let mut next = disk.boot(&Config { seed: 99, ..config(2) });
    step(&mut next, &message(MessageKind::Heartbeat, 1, 2, 1)).unwrap();
    next.read_index(8).unwrap();
    drain(&mut next);
    for m in answer.iter().filter(|m| m.to == 2) {
        next.step(1, &m.bytes).unwrap();
    }
    assert!(next.ready().unwrap().is_none_or(|ready| ready.reads().is_empty()), "an answer to an earlier life");

    // Lost; and the leader changes meanwhile.
    cluster.cut.push((1, 2));
    cluster.node(2).read_index(9).unwrap();
    cluster.settle();
    cluster.node(2).tick(5).unwrap();
    cluster.settle();
    assert!(cluster.heard(2).dropped.contains(&(9, DropKind::Read, Reason::ReadTimeout)), "{:?}", cluster.heard(2));
    cluster.heal();
    cluster.tick(2);
    cluster.isolate(1);
    cluster.node(2).read_index(10).unwrap();
    cluster.elect_beside(1, 3);
    assert!(cluster.heard(2).dropped.contains(&(10, DropKind::Read, Reason::LeaderChanged)), "{:?}", cluster.heard(2));
}

#[test]
fn d07_reads_of_a_leader_that_steps_down_fail_and_say_so() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.node(1).read_index(7).unwrap();
    cluster.tick(21);
    assert_eq!(cluster.heard(1).dropped, [(7, DropKind::Read, Reason::LeadershipLost)]);

    let mut node = fresh_leader(&config(1));
    node.read_index(8).unwrap();
    step(&mut node, &message(MessageKind::Heartbeat, 2, 1, 3)).unwrap();
    let dropped: Vec<_> = node.ready().unwrap().unwrap().dropped().iter().map(|d| (d.token, d.what)).collect();
    assert_eq!(dropped, [(8, DropKind::Read)], "one that waited for the first commit");
}

#[test]
fn d08_a_context_that_is_no_position_or_was_never_issued_confirms_nothing() {
    let mut node = fresh_leader(&config(1));
    step(&mut node, &proto::Message { index: 2, ..message(MessageKind::AppResp, 2, 1, 2) }).unwrap();
    drain(&mut node);
    node.read_index(7).unwrap();
    drain(&mut node);
    for context in [&b"x"[..], &[0xff; 8], &[2, 0, 0, 0, 0, 0, 0, 0], &[1; 7], &[1; 9], &[0; 1024], &[0; 8]] {
        let context = context.to_vec().into();
        step(&mut node, &proto::Message { context, ..message(MessageKind::HeartbeatResp, 2, 1, 2) }).unwrap();
        assert_eq!(node.status().n_reads, 1);
    }
    assert!(said(&mut node, EventKind::Ignored, Reason::ReadContext));
    let context = 1u64.to_le_bytes().to_vec().into();
    step(&mut node, &proto::Message { context, ..message(MessageKind::HeartbeatResp, 2, 1, 2) }).unwrap();
    assert_eq!(node.ready().unwrap().unwrap().reads()[0].token, 7);
}

#[test]
fn d09_a_transfer_amid_writes_loses_none_and_ends() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    let mut taken = Vec::new();
    for token in 1..=30 {
        let leader = cluster.leader().unwrap();
        if token % 5 == 0 {
            cluster.node(leader).transfer(leader % 3 + 1).unwrap();
        }
        match cluster.node(leader).propose(&[token as u8], token) {
            Ok(()) => taken.push((leader, token)),
            Err(error) => assert_eq!(error, Error::NoLeader),
        }
        cluster.settle();
    }
    cluster.tick(30);
    assert!(taken.len() > 20);
    for (id, token) in taken {
        let heard = cluster.heard(id);
        let committed = heard.committed.iter().filter(|(t, _)| *t == token).count();
        let dropped = heard.dropped.iter().filter(|d| d.0 == token).count();
        assert_eq!(committed + dropped, 1, "token {token}");
    }

    // A second target; one that is gone; one that never answers.
    let leader = cluster.leader().unwrap();
    let (a, b) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    cluster.isolate(a);
    cluster.isolate(b);
    cluster.node(leader).propose(b"not there", 0).unwrap();
    cluster.node(leader).transfer(a).unwrap();
    cluster.node(leader).transfer(b).unwrap();
    assert_eq!(cluster.node(leader).status().transferee, b);
    assert!(said(cluster.node(leader), EventKind::TransferEnded, Reason::TransferAborted));
    cluster.node(leader).tick(10).unwrap();
    assert_eq!(cluster.node(leader).status().transferee, 0);
}

#[test]
fn d09_a_transfer_to_one_that_is_removed_or_demoted_ends() {
    for kind in [ChangeKind::RemoveNode, ChangeKind::AddLearner] {
        let mut cluster = Cluster::plain(&[1, 2, 3, 4]);
        cluster.elect(1);
        cluster.isolate(3);
        let change = raftcore::Change { kind, id: 3 };
        cluster.node(1).propose_conf(&[change], raftcore::ChangeEncoding::V1, b"", 0).unwrap();
        cluster.node(1).transfer(3).unwrap();
        assert_eq!(cluster.node(1).status().transferee, 3);
        cluster.settle();
        assert_eq!(cluster.node(1).status().transferee, 0, "{kind:?}");
        assert!(said(cluster.node(1), EventKind::TransferEnded, Reason::TransfereeGone), "{kind:?}");
        cluster.node(1).propose(b"on", 0).unwrap();
    }
}

#[test]
fn d10_a_transfer_that_fails_costs_no_availability() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.node(1).transfer(3).unwrap();
    assert_eq!(cluster.node(1).propose(b"x", 0), Err(Error::NoLeader));
    cluster.tick(10);

    assert_eq!((cluster.leader(), cluster.node(1).status().term), (Some(1), 1));
    cluster.node(1).propose(b"x", 5).unwrap();
    cluster.settle();
    assert!(cluster.heard(1).committed.iter().any(|(token, _)| *token == 5));
}

#[test]
fn d11_a_target_whose_log_is_on_its_way_by_snapshot_is_not_told_to_campaign() {
    let mut cluster = group(&[1, 2, 3], |c| c.recent_bytes = 16 << 10);
    cluster.elect(1);
    cluster.isolate(3);
    for i in 0..20u8 {
        cluster.node(1).propose(&[i; 2000], 0).unwrap();
        cluster.settle();
    }
    let applied = cluster.node(1).status().applied;
    cluster.compact(1, applied);
    cluster.heal();
    let mut snapshot = None;
    for _ in 0..20 {
        for host in cluster.hosts.values_mut() {
            host.node.tick(1).unwrap();
        }
        for id in 1..=3 {
            for m in sent(&mut cluster, id) {
                let is_snapshot =
                    raftcore::wire::parse_message(&m.bytes).is_ok_and(|view| view.head.kind == MessageKind::Snap);
                if is_snapshot {
                    snapshot = Some(m);
                } else {
                    cluster.deliver(&m);
                }
            }
        }
        if snapshot.is_some() {
            break;
        }
    }
    let snapshot = snapshot.expect("no snapshot was sent");

    cluster.node(1).transfer(3).unwrap();
    let told = sent(&mut cluster, 1);
    let orders = told.iter().filter(|m| {
        raftcore::wire::parse_message(&m.bytes).is_ok_and(|view| view.head.kind == MessageKind::TimeoutNow)
    });
    assert_eq!(orders.count(), 0);
    cluster.deliver(&snapshot);
    cluster.settle();
    cluster.tick(2);

    assert_eq!(cluster.leader(), Some(3), "once it has everything it is told");
}

#[test]
fn d05_flags_that_contradict_each_other_are_refused() {
    let config = with_flag(1, Flags::LEASE_READS, true);
    let config = Config { flags: config.flags.with(Flags::CHECK_QUORUM, false), ..config };
    assert!(Node::new(&config).is_err());
    assert!(config.check().unwrap_err().contains("CHECK_QUORUM"));
}
