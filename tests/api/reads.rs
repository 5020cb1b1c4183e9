//! Linearizable reads.

use crate::lone::{acknowledge, campaign, drain, follower, leader};
use kit::{Cluster, Disk, Sent, append, config, entry, events, message, step};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, DropKind, Error, EventKind, Flags, MessageKind, Node, Reason, Role,
    StorageMode, Transition, proto, wire,
};

fn lease(id: u64) -> raftcore::Config {
    let mut c = config(id);
    c.flags = c.flags.with(Flags::LEASE_READS, true);
    c.vote_fence_ticks = 0;
    c
}

#[test]
fn a_leader_cut_off_answers_no_read_and_says_so_when_it_steps_down() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.node(1).read_index(5).unwrap();
    cluster.settle();
    assert!(cluster.heard(1).reads.is_empty());
    cluster.heal();
    cluster.elect_beside(1, 2);
    assert_eq!(cluster.heard(1).dropped, [(5, DropKind::Read, Reason::LeadershipLost)]);
}

#[test]
fn reads_wait_until_the_leader_has_committed_in_its_term() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(3);
    for id in [1, 2] {
        cluster.node(id).forget_leader().unwrap();
    }
    cluster.node(1).campaign().unwrap();
    while cluster.node(1).status().role != Role::Leader {
        for id in 1..=3 {
            let sent = cluster.hosts.get_mut(&id).unwrap().work();
            sent.iter().for_each(|m| cluster.deliver(m));
        }
    }
    cluster.node(1).read_index(5).unwrap();
    assert_eq!(cluster.node(1).status().n_reads, 1);
    cluster.settle();
    assert_eq!(cluster.heard(1).reads, [(5, 3)]);
}

/// etcd sends a round for each read that waited for the term's first commit; without room, the
/// reads share a round.
#[test]
fn reads_at_once_that_find_the_outbox_full_wait_for_the_next_ready() {
    let flags = config(1).flags.with(Flags::READ_AT_ONCE, true);
    let mut node = Disk::founder(&[1, 2, 3]).boot(&Config { flags, max_messages: 16, ..config(1) });
    campaign(&mut node, &[2]);
    for token in 1..=200 {
        node.read_index(token).unwrap();
    }
    // All reads wait; the acknowledgement commits the awaited entry.
    acknowledge(&mut node, 2, 2);
    let lost = std::iter::from_fn(|| node.next_event()).filter(|event| event.kind == EventKind::MessageLost).count();
    assert_eq!((lost, node.status().events_lost, node.status().messages_dropped), (0, 0, 0));
    let mut answered = 0;
    while let Some(ready) = node.ready().unwrap() {
        answered += ready.reads().len();
        let beats = ready.messages().filter(|m| m.kind() == MessageKind::Heartbeat && m.to() == 2);
        let contexts: Vec<Vec<u8>> = beats
            .map(|m| {
                let mut bytes = Vec::new();
                m.write_to(&mut bytes);
                wire::parse_message(&bytes).unwrap().context.to_vec()
            })
            .collect();
        let (number, term) = (ready.number(), node.status().term);
        node.advance(number).unwrap();
        for context in contexts {
            let mut answer = message(MessageKind::HeartbeatResp, 2, 1, term);
            answer.context = context.into();
            step(&mut node, &answer).unwrap();
        }
    }
    assert_eq!(answered, 200);
}

#[test]
fn all_reads_between_two_readies_share_a_round() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    for token in 1..=100 {
        cluster.node(1).read_index(token).unwrap();
    }
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    assert_eq!(sent.len(), 2, "one heartbeat a peer");
    sent.iter().for_each(|m| cluster.deliver(m));
    cluster.settle();
    assert_eq!(cluster.heard(1).reads.len(), 100);
}

#[test]
fn a_lease_serves_without_a_round_until_the_followers_fall_silent() {
    let mut cluster = Cluster::new(&[1, 2, 3], lease);
    cluster.elect(1);
    cluster.tick(3);
    cluster.node(1).read_index(5).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    assert!(sent.is_empty());
    assert_eq!(cluster.heard(1).reads, [(5, 2)]);

    cluster.isolate(1);
    cluster.tick(9);
    if cluster.node(1).status().role == Role::Leader {
        cluster.node(1).read_index(6).unwrap();
        cluster.settle();
    }
    assert_eq!(cluster.heard(1).reads, [(5, 2)], "nine ticks without an answer are too many for a lease of ten");
}

#[test]
fn there_is_no_lease_while_leadership_is_being_transferred() {
    let mut cluster = Cluster::new(&[1, 2, 3], lease);
    cluster.elect(1);
    cluster.tick(3);
    cluster.isolate(2);
    cluster.node(1).transfer(2).unwrap();
    cluster.node(1).read_index(5).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    assert!(!sent.is_empty(), "a round of heartbeats");
    assert!(cluster.heard(1).reads.is_empty());
}

#[test]
fn a_node_bound_by_a_lease_neither_votes_nor_campaigns() {
    let mut cluster = Cluster::new(&[1, 2, 3], lease);
    cluster.elect(1);
    cluster.tick(1);
    cluster.node(2).campaign().unwrap();
    assert_eq!(cluster.node(2).status().role, Role::Follower);
    cluster.node(2).forget_leader().unwrap();
    assert_eq!(cluster.node(2).status().leader, 1);
}

#[test]
fn a_follower_without_a_leader_refuses_and_a_lost_answer_fails() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    assert_eq!(cluster.node(2).read_index(1), Err(Error::NoLeader));
    cluster.elect(1);
    cluster.tick(1);
    cluster.node(2).read_index(2).unwrap();
    cluster.hosts.get_mut(&2).unwrap().work(); // the request is lost
    cluster.tick(20);
    assert_eq!(cluster.heard(2).dropped, [(2, DropKind::Read, Reason::ReadTimeout)]);
}

#[test]
fn a_read_is_answered_once_its_index_is_applied() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let mut c = config(id);
        c.storage = raftcore::StorageMode::Async;
        c
    });
    cluster.elect(1);
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    cluster.node(1).read_index(5).unwrap();
    cluster.settle();
    let index = cluster.heard(1).reads[0].1;
    assert!(cluster.node(1).status().applied >= index);
}

#[test]
fn too_many_reads_are_refused() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let mut c = config(id);
        c.max_reads = 3;
        c
    });
    cluster.elect(1);
    for token in 1..=3 {
        cluster.node(1).read_index(token).unwrap();
    }
    assert_eq!(cluster.node(1).read_index(4), Err(Error::Full));
    assert!(cluster.node(1).error_detail().contains("max_reads (3)"));
    cluster.settle();
    cluster.node(1).read_index(4).unwrap();
}

/// The voter waited for an answer to a heartbeat that nobody gets (found by the simulation).
#[test]
fn a_sole_voter_in_both_halves_of_a_joint_configuration_answers_reads() {
    let mut cluster = Cluster::plain(&[1]);
    cluster.elect(1);
    let nothing_new = [Change { kind: ChangeKind::UpdateNode, id: 1 }];
    let joint = ChangeEncoding::V2(Transition::JointExplicit);
    cluster.node(1).propose_conf(&nothing_new, joint, b"", 0).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(1).conf().unwrap().conf.voters_outgoing, [1]);

    cluster.node(1).read_index(5).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(1).reads.iter().map(|read| read.0).collect::<Vec<_>>(), [5]);
}

/// A read forwarded to its origin looked like a message of the node to itself, which is never lost:
/// the read left without room, and without its context (found by the simulation).
#[test]
fn a_read_that_is_passed_on_is_lost_whole_when_the_outbox_is_full() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let mut c = config(id);
        c.max_messages = 16;
        c
    });
    cluster.elect(1);
    cluster.tick(1);
    for number in 0..40u64 {
        let mut request = message(MessageKind::ReadIndex, 1, 2, 0);
        request.entries.push(entry(0, 0, &number.to_le_bytes()));
        step(cluster.node(2), &request).unwrap();
    }

    let ready = cluster.node(2).ready().unwrap().unwrap();
    assert_eq!(ready.messages().len(), 16);
    for m in ready.messages() {
        let mut bytes = Vec::new();
        m.write_to(&mut bytes);
        assert_eq!(wire::parse_message(&bytes).unwrap().entries.len(), 1);
    }
}

/// Another voter was left alone. The removed leader, which leads on until the voter knows, answered
/// as if it were the sole voter, though the voter led and committed already (found by the
/// simulation).
#[test]
fn a_removed_leader_answers_no_read_in_the_name_of_the_sole_voter_that_is_left() {
    let mut cluster = Cluster::plain(&[1, 2]);
    cluster.elect(1);
    let remove = [Change { kind: ChangeKind::RemoveNode, id: 1 }];
    cluster.node(1).propose_conf(&remove, ChangeEncoding::V1, b"", 0).unwrap();
    let is_sole = |cluster: &mut Cluster, id| cluster.node(id).conf().unwrap().conf.voters == [2];
    while !is_sole(&mut cluster, 2) {
        for id in [1, 2] {
            let sent = cluster.hosts.get_mut(&id).unwrap().work();
            // Node 1 must not hear that node 2 knows.
            let lost = is_sole(&mut cluster, 2);
            sent.iter().filter(|_| !lost).for_each(|m| cluster.deliver(m));
        }
    }
    cluster.isolate(1);
    assert!(
        is_sole(&mut cluster, 1) && cluster.node(1).status().role == Role::Leader,
        "it has not heard that node 2 knows"
    );
    cluster.node(2).tick(30).unwrap();
    cluster.settle();
    cluster.node(2).propose(b"new", 0).unwrap();
    cluster.settle();

    cluster.node(1).read_index(5).unwrap();
    cluster.settle();
    assert!(cluster.heard(1).reads.is_empty(), "node 2 has committed more since");
}

/// Clocks may differ by a tenth of an election timeout: by so much the lease ends before another could be elected.
#[test]
fn a_lease_ends_a_tenth_before_another_could_be_elected() {
    for (election_ticks, served) in [(30, 26), (10, 8), (5, 3)] {
        let c = raftcore::Config { election_ticks, vote_fence_ticks: 0, ..lease(1) };
        let mut node = leader(&c);
        let serves = |node: &Node| {
            let mut node = node.try_clone().unwrap();
            node.read_index(1).unwrap();
            node.ready().unwrap().is_some_and(|ready| !ready.reads().is_empty())
        };
        node.tick(1).unwrap();
        drain(&mut node);
        assert!(!serves(&node), "no heartbeat was answered");
        let context = [0u64.to_le_bytes(), 1u64.to_le_bytes()].concat().into();
        step(&mut node, &raftcore::proto::Message { context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) }).unwrap();
        for ticks in 0..election_ticks - 1 {
            assert_eq!(serves(&node), ticks <= served, "{ticks} of {election_ticks} ticks");
            node.tick(1).unwrap();
            drain(&mut node);
        }
    }
}

#[test]
fn answers_that_come_in_another_order_wait_each_for_its_index() {
    let mut node = follower(&config(1));
    let mut contexts = Vec::new();
    for token in 1..=4 {
        node.read_index(token).unwrap();
        let ready = node.ready().unwrap().unwrap();
        let asks = ready.messages().find(|m| m.kind() == MessageKind::ReadIndex).unwrap();
        let mut bytes = Vec::new();
        asks.write_to(&mut bytes);
        contexts.push(wire::parse_message(&bytes).unwrap().entries.iter().next().unwrap().data.to_vec());
        let number = ready.number();
        node.advance(number).unwrap();
    }
    for (context, index) in contexts.iter().zip([5, 3, 4, 3]) {
        let answer = raftcore::proto::Message {
            index,
            entries: vec![entry(0, 0, context)],
            ..message(MessageKind::ReadIndexResp, 2, 1, 1)
        };
        step(&mut node, &answer).unwrap();
    }
    let mut served = Vec::new();
    for index in 3..=5 {
        step(&mut node, &append(2, 1, 1, (index - 1, 1), vec![entry(1, index, b"x")], index)).unwrap();
        let ready = node.ready().unwrap().unwrap();
        served.push(ready.reads().iter().map(|read| (read.token, read.index)).collect::<Vec<_>>());
        let number = ready.number();
        node.advance(number).unwrap();
    }
    assert_eq!(served, [vec![(2, 3), (4, 3)], vec![(3, 4)], vec![(1, 5)]]);
}

/// etcd's lease holds from a check of the quorum to the next, without an answer to any heartbeat;
/// the other kind of lease rests on answers.
#[test]
fn etcds_lease_asks_nobody() {
    for etcds in [true, false] {
        let mut c = lease(1);
        c.flags = c.flags.with(Flags::LEASE_IN_TRANSFER, etcds).with(Flags::READ_AT_ONCE, true);
        let mut node = leader(&c);
        node.read_index(5).unwrap();
        let ready = node.ready().unwrap().unwrap();
        let (answered, asked) = (ready.reads().len(), ready.messages().len());
        assert_eq!((answered, asked), if etcds { (1, 0) } else { (0, 2) });
    }
}

#[test]
fn a_peers_read_is_passed_on_in_its_name() {
    let mut node = follower(&config(1));
    let entries = vec![entry(0, 0, b"context")];
    step(&mut node, &proto::Message { entries, ..message(MessageKind::ReadIndex, 3, 1, 0) }).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let asked: Vec<_> = ready.messages().map(|m| (m.to(), m.from(), m.kind())).collect();
    assert_eq!(asked, [(2, 3, MessageKind::ReadIndex)]);
    let number = ready.number();
    node.advance(number).unwrap();
    node.read_index(1).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let asked: Vec<_> = ready.messages().map(|m| (m.to(), m.from(), m.kind())).collect();
    assert_eq!(asked, [(2, 1, MessageKind::ReadIndex)]);
}

#[test]
fn an_answer_that_is_waited_for_is_not_called_late() {
    let mut node = follower(&config(1));
    node.read_index(1).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let mut bytes = Vec::new();
    ready.messages().next().unwrap().write_to(&mut bytes);
    let number = ready.number();
    node.advance(number).unwrap();
    let context = wire::parse_message(&bytes).unwrap().entries.iter().next().unwrap().data;
    let entries = vec![entry(0, 0, context)];
    let answer = proto::Message { index: 2, entries, ..message(MessageKind::ReadIndexResp, 2, 1, 1) };
    events(&mut node);
    step(&mut node, &answer).unwrap();
    assert_eq!(events(&mut node), []);
    step(&mut node, &answer).unwrap();
    let late = events(&mut node);
    assert_eq!(
        late.iter().map(|e| (e.kind, e.reason)).collect::<Vec<_>>(),
        [(EventKind::Ignored, Reason::LateReadAnswer)]
    );
}

#[test]
fn reads_that_fail_are_counted() {
    // Passed on, and unanswered.
    let mut node = follower(&Config { read_timeout_ticks: 3, ..config(1) });
    for token in 1..=3 {
        node.read_index(token).unwrap();
    }
    node.tick(3).unwrap();
    assert_eq!(node.status().reads_failed, 3);
    // Forwarded, and then another node leads.
    for token in 1..=2 {
        node.read_index(token).unwrap();
    }
    step(&mut node, &message(MessageKind::Heartbeat, 3, 1, 2)).unwrap();
    assert_eq!(node.status().reads_failed, 5);
    // Begun by a former leader.
    let mut node = leader(&config(1));
    for token in 1..=3 {
        node.read_index(token).unwrap();
    }
    step(&mut node, &message(MessageKind::Heartbeat, 3, 1, 2)).unwrap();
    assert_eq!(node.status().reads_failed, 3);
    // Without room to be passed on.
    let mut node = follower(&Config { max_messages: 16, ..config(1) });
    for token in 1..=19 {
        node.read_index(token).unwrap();
    }
    assert_eq!(node.status().messages_dropped, 3);
}

#[test]
fn a_host_may_sleep_until_a_read_fails() {
    let mut node = follower(&Config { read_timeout_ticks: 7, election_ticks: 100, ..config(1) });
    assert!(node.ticks_until_due().unwrap() >= 100);
    node.tick(1).unwrap();
    node.read_index(1).unwrap();
    assert_eq!(node.ticks_until_due(), Ok(7));
    node.tick(3).unwrap();
    assert_eq!(node.ticks_until_due(), Ok(4));
}

#[test]
fn without_a_lease_no_answer_names_a_tick() {
    let mut node = leader(&config(1));
    node.read_index(1).unwrap();
    drain(&mut node);
    events(&mut node);
    let context = [1u64.to_le_bytes(), 0u64.to_le_bytes()].concat().into();
    step(&mut node, &proto::Message { context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) }).unwrap();
    let ignored = events(&mut node);
    assert_eq!(ignored.iter().map(|e| e.reason).collect::<Vec<_>>(), [Reason::ReadContext]);
    assert!(node.ready().unwrap().is_none_or(|ready| ready.reads().is_empty()));
}

#[test]
fn a_read_waits_until_its_index_is_applied() {
    let mut cluster = Cluster::new(&[1], |id| Config { storage: StorageMode::Async, ..config(id) });
    cluster.elect(1);
    let node = cluster.node(1);
    node.propose(b"x", 0).unwrap();
    let number = node.ready().unwrap().unwrap().number();
    node.persisted(number).unwrap();
    node.release(number).unwrap();
    node.read_index(7).unwrap();

    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.committed_span(), Some((3, 3)));
    assert_eq!(ready.reads(), []);
    let number = ready.number();
    node.persisted(number).unwrap();
    node.release(number).unwrap();
    assert!(node.ready().unwrap().is_none());
    node.applied(3).unwrap();

    let reads: Vec<_> = node.ready().unwrap().unwrap().reads().iter().map(|read| (read.token, read.index)).collect();
    assert_eq!(reads, [(7, 3)]);
}

#[test]
fn a_lease_counts_from_the_moment_a_heartbeat_left() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let base = config(id);
        Config { flags: base.flags.with(Flags::LEASE_READS, true), vote_fence_ticks: 0, ..base }
    });
    cluster.elect(1);
    cluster.tick(2);
    let beats = |cluster: &mut Cluster| -> Vec<Sent> {
        cluster.node(1).tick(1).unwrap();
        cluster.hosts.get_mut(&1).unwrap().work()
    };

    // The answers to one round of heartbeats take almost an election timeout.
    let sent = beats(&mut cluster);
    let ticks = cluster.node(1).config().election_ticks - 2;
    for _ in 0..ticks {
        beats(&mut cluster);
    }
    sent.iter().for_each(|m| cluster.deliver(m));
    for id in 2..=3 {
        let answers = cluster.hosts.get_mut(&id).unwrap().work();
        answers.iter().for_each(|m| cluster.deliver(m));
    }
    cluster.node(1).tick(1).unwrap();
    cluster.node(1).read_index(7).unwrap();
    cluster.hosts.get_mut(&1).unwrap().work();

    assert!(cluster.heard(1).reads.is_empty(), "answered by a lease of heartbeats that are too old");
}

/// Answers the newest heartbeat to node 2.
fn confirm(node: &mut Node) {
    let beat = drain(node).into_iter().rfind(|m| m.to == 2 && m.r#type == MessageKind::Heartbeat as i32).unwrap();
    let answer = proto::Message { context: beat.context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) };
    step(node, &answer).unwrap();
    drain(node);
}

#[test]
fn the_lists_of_many_reads_are_given_back_and_the_count_goes_on() {
    let mut node = leader(&Config { max_reads: 5000, ..config(1) });
    node.trim().unwrap();
    let before = node.status().memory_bytes;
    (1..=5000).for_each(|token| node.read_index(token).unwrap());
    confirm(&mut node);
    node.tick(3).unwrap();
    drain(&mut node);
    let (large, digest) = (node.status().memory_bytes, node.digest(true));
    node.trim().unwrap();
    assert_eq!(node.digest(true), digest);
    let after = node.status().memory_bytes;
    assert!(large > before + 100_000 && after < before + 1000, "{before} bytes, then {large}, {after} after trim");
    node.read_index(1).unwrap();
    assert_eq!(node.status().n_reads, 1);
    confirm(&mut node);
    assert_eq!(node.status().n_reads, 0);

    // A due round without a read; the count of a follower's questions; the age of a lease.
    let mut ends = leader(&config(1));
    ends.read_index(1).unwrap();
    step(&mut ends, &append(2, 1, 2, (2, 1), vec![], 2)).unwrap();
    let mut asks = follower(&config(1));
    asks.read_index(1).unwrap();
    drain(&mut asks);
    asks.tick(100).unwrap();
    let mut leased = leader(&lease(1));
    leased.tick(1).unwrap();
    drain(&mut leased);
    let context = [0u64.to_le_bytes(), 1u64.to_le_bytes()].concat().into();
    step(&mut leased, &proto::Message { context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) }).unwrap();
    for mut node in [ends, asks, leased] {
        let digest = node.digest(true);
        node.trim().unwrap();
        assert_eq!(node.digest(true), digest);
    }
}

#[test]
fn long_contexts_of_peers_fill_catchup_bytes_to_the_last_byte() {
    let mut node = leader(&Config { catchup_bytes: 1000, ..config(1) });
    let mut asks = |len: usize| {
        let entries = vec![entry(0, 0, &vec![7; len])];
        step(&mut node, &proto::Message { entries, ..message(MessageKind::ReadIndex, 2, 1, 0) })
    };
    assert_eq!(asks(1001), Err(Error::Full));
    assert_eq!((asks(600), asks(401), asks(400), asks(100)), (Ok(()), Err(Error::Full), Ok(()), Err(Error::Full)));
}
