//! Chapter 6 of the dissertation: clients. Who leads, what becomes of a request, reads without the log.

use crate::{Server, acks, asks, decoded, of_kind, only, sends};
use kit::{Cluster, config, message};
use raftcore::{Config, DropKind, Error, Flags, MessageKind, Reason, Role, proto};

fn cluster() -> Cluster {
    let mut cluster = Cluster::new(&[1, 2, 3], config);
    cluster.elect(1);
    cluster
}

fn with_lease() -> Cluster {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let config = config(id);
        Config { flags: config.flags.with(Flags::LEASE_READS, true), vote_fence_ticks: 0, ..config }
    });
    cluster.elect(1);
    cluster.tick(2);
    cluster
}

/// What 1 answers and sends after `call`, nothing of it delivered.
fn alone(cluster: &mut Cluster, token: u64) -> (Vec<(u64, u64)>, Vec<proto::Message>) {
    cluster.node(1).read_index(token).unwrap();
    let before = cluster.heard(1).reads.len();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    (cluster.heard(1).reads[before..].to_vec(), decoded(&sent))
}

// ---- 6.2: routing requests to the leader

#[test]
fn d6_2_a_whoever_does_not_lead_passes_on_or_names_the_leader() {
    let flags = config(2).flags.with(Flags::FORWARDING, true);
    let mut forwards = Cluster::new(&[1, 2, 3], move |id| Config { flags, ..config(id) });
    forwards.elect(1);
    forwards.node(2).propose(b"passed on", 7).unwrap();
    forwards.settle();
    forwards.tick(1);
    assert_eq!(forwards.hosts[&2].disk.data, [b"passed on"]);

    let mut cluster = cluster();
    assert_eq!(cluster.node(2).propose(b"x", 7), Err(Error::NotLeader));
    assert_eq!(cluster.node(2).status().leader, 1);
    assert!(cluster.node(2).error_detail().contains("node 1 leads"), "{}", cluster.node(2).error_detail());
}

#[test]
fn d6_2_b_a_leader_without_a_majority_steps_down_after_an_election_timeout() {
    let mut cluster = cluster();
    cluster.isolate(2);
    cluster.tick(50);
    assert_eq!(cluster.node(1).status().role, Role::Leader, "3 answers");
    cluster.isolate(1);
    // Whom it heard since the last check still counts at the next one.
    cluster.tick(20);
    assert_eq!((cluster.node(1).status().role, cluster.node(1).status().leader), (Role::Follower, 0));
    assert_eq!(cluster.node(1).propose(b"x", 1), Err(Error::NoLeader), "clients look elsewhere");
}

#[test]
fn d6_2_c_the_leader_is_forgotten_with_its_term() {
    let mut server = Server::new(1, 0, &[1]);
    server.hears(sends(1, (1, 1), &[], 1));
    assert_eq!(server.status().leader, 2);
    server.hears(asks(MessageKind::Vote, 3, 2, (0, 0)));
    assert_eq!(server.status().leader, 0, "of a higher term");

    let mut server = Server::new(1, 0, &[1]);
    server.hears(sends(1, (1, 1), &[], 1));
    server.0.node.campaign().unwrap();
    assert_eq!(server.status().leader, 0, "of its own election");
}

// ---- 6.3: linearizable requests

#[test]
fn d6_3_a_each_outcome_is_told_once() {
    let flags = config(2).flags.with(Flags::FORWARDING, true);
    let mut cluster = Cluster::new(&[1, 2, 3], move |id| Config { flags, ..config(id) });
    cluster.elect(1);
    cluster.node(1).propose(b"committed", 1).unwrap();
    cluster.settle();
    cluster.node(2).propose(b"passed on", 2).unwrap();
    cluster.settle();
    cluster.isolate(1);
    cluster.node(1).propose(b"overwritten", 3).unwrap();
    cluster.settle();
    cluster.elect_beside(1, 2);
    cluster.node(2).propose(b"over it", 4).unwrap();
    cluster.settle();
    cluster.heal();
    cluster.tick(5);

    let told = |id: u64| -> Vec<u64> {
        let heard = cluster.heard(id);
        let committed = heard.committed.iter().map(|(token, _)| *token);
        committed.chain(heard.dropped.iter().map(|(token, ..)| *token)).collect()
    };
    assert_eq!((told(1), told(2), told(3)), (vec![1, 3], vec![4, 2], vec![]));
    let dropped = |id: u64| cluster.heard(id).dropped.clone();
    assert_eq!(dropped(1), [(3, DropKind::NotCommitted, Reason::Overwritten)]);
    assert_eq!(dropped(2), [(2, DropKind::Unknown, Reason::Forwarded)], "what became of it shows when it is applied");
}

#[test]
fn d6_3_b_a_request_sent_again_is_filtered_by_the_clients_number() {
    // The leader commits the client's request and crashes before it answers; the client asks the next one.
    let mut cluster = cluster();
    cluster.node(1).propose(b"client 1, request 1", 1).unwrap();
    cluster.settle();
    cluster.isolate(1);
    cluster.elect_beside(1, 2);
    cluster.node(2).propose(b"client 1, request 1", 1).unwrap();
    cluster.settle();

    let applied = &cluster.hosts[&2].disk.data;
    assert_eq!(applied.len(), 2, "to the log these are two entries");
    let state: std::collections::BTreeSet<&Vec<u8>> = applied.iter().collect();
    assert_eq!(state.len(), 1, "a state machine that knows the client's number applies it once");
}

// ---- 6.4: reads

/// A leader of term 2 that 2 has elected, with nothing committed in its term.
fn fresh_leader() -> Server {
    let mut server = Server::with(&config(1), 1, 0, &[1, 1]);
    server.0.node.campaign().unwrap();
    server.works();
    server.hears(message(MessageKind::PreVoteResp, 2, 1, 2));
    server.hears(message(MessageKind::VoteResp, 2, 1, 2));
    assert_eq!((server.status().role, server.status().commit), (Role::Leader, 1));
    server
}

fn answers(server: &mut Server, sent: &[proto::Message]) -> Vec<proto::Message> {
    let to_2 = of_kind(sent, MessageKind::Heartbeat).into_iter().filter(|m| m.to == 2);
    to_2.flat_map(|beat| {
        let m = proto::Message { context: beat.context, ..message(MessageKind::HeartbeatResp, 2, 1, 2) };
        server.hears(m)
    })
    .collect()
}

#[test]
fn d6_4_a_a_read_waits_for_the_first_commit_of_the_term() {
    let mut server = fresh_leader();
    server.0.node.read_index(7).unwrap();
    let sent = server.works();
    answers(&mut server, &sent);
    assert!(server.0.heard.reads.is_empty(), "the leader does not know yet what its predecessor committed");

    let sent = server.hears(acks(2, 2, 3));
    answers(&mut server, &sent);
    assert_eq!(server.0.heard.reads, [(7, 3)]);
}

#[test]
fn d6_4_b_a_reads_index_is_what_was_committed_when_it_came() {
    let mut cluster = cluster();
    let commit = cluster.node(1).status().commit;
    cluster.node(1).read_index(7).unwrap();
    cluster.node(1).propose(b"later", 0).unwrap();
    cluster.settle();
    assert!(cluster.node(1).status().commit > commit);
    assert_eq!(cluster.heard(1).reads, [(7, commit)]);
}

#[test]
fn d6_4_c_a_read_waits_for_a_majority_that_confirms_the_leader() {
    let mut cluster = cluster();
    let (reads, sent) = alone(&mut cluster, 7);
    assert!(reads.is_empty(), "answered before anybody has confirmed it");
    let beats = of_kind(&sent, MessageKind::Heartbeat);
    assert_eq!(beats.iter().map(|m| m.to).collect::<Vec<_>>(), [2, 3]);

    // Deposed and not aware of it: never answered, but said to have failed.
    cluster.isolate(1);
    cluster.elect_beside(1, 2);
    cluster.node(2).propose(b"newer", 0).unwrap();
    cluster.settle();
    cluster.heal();
    cluster.tick(5);
    assert!(cluster.heard(1).reads.is_empty());
    assert_eq!(cluster.heard(1).dropped, [(7, DropKind::Read, Reason::LeadershipLost)]);

    // One answer of three nodes is a majority with the leader's own.
    let mut cluster = self::cluster();
    cluster.isolate(3);
    cluster.node(1).read_index(8).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(1).reads.len(), 1);
}

#[test]
fn d6_4_d_a_read_waits_until_its_index_is_applied() {
    use raftcore::StorageMode;
    let mut cluster = Cluster::new(&[1, 2, 3], |id| Config { storage: StorageMode::Async, ..config(id) });
    cluster.elect(1);
    cluster.node(1).propose(b"x", 0).unwrap();
    // From here on 1's host stores, and does not apply.
    let turns = |cluster: &mut Cluster| -> Vec<(u64, u64)> {
        (0..6)
            .flat_map(|_| {
                let reads = stores_only(cluster);
                turn(cluster, &[2, 3]);
                reads
            })
            .collect()
    };
    turns(&mut cluster);
    let commit = cluster.node(1).status().commit;
    assert!(cluster.node(1).status().applied < commit, "committed, not applied");
    cluster.node(1).read_index(7).unwrap();
    assert!(turns(&mut cluster).is_empty(), "answered from a state that lacks what is committed");

    cluster.node(1).applied(commit).unwrap();
    assert_eq!(turns(&mut cluster), [(7, commit)]);
}

/// 1 takes a batch, stores it and sends its messages; gives the reads it may answer.
fn stores_only(cluster: &mut Cluster) -> Vec<(u64, u64)> {
    let node = cluster.node(1);
    let Some(ready) = node.ready().unwrap() else { return Vec::new() };
    let (number, reads) = (ready.number(), ready.reads().iter().map(|read| (read.token, read.index)).collect());
    let sent = ready.messages().map(|m| {
        let mut bytes = Vec::new();
        m.write_to(&mut bytes);
        kit::Sent { from: 1, to: m.to(), bytes }
    });
    let sent: Vec<_> = sent.collect();
    node.persisted(number).unwrap();
    node.release(number).unwrap();
    sent.iter().for_each(|m| cluster.deliver(m));
    reads
}

fn turn(cluster: &mut Cluster, ids: &[u64]) {
    for id in ids {
        let sent = cluster.hosts.get_mut(id).unwrap().work();
        sent.iter().for_each(|m| cluster.deliver(m));
    }
}

#[test]
fn d6_4_e_one_round_serves_all_that_wait_and_none_costs_an_entry() {
    let mut cluster = cluster();
    let last = cluster.node(1).status().last_index;
    (1..20).for_each(|token| cluster.node(1).read_index(token).unwrap());
    let (_, sent) = alone(&mut cluster, 20);
    assert_eq!(of_kind(&sent, MessageKind::Heartbeat).len(), 2, "one to each");
    sent.iter().map(encoded).for_each(|m| cluster.deliver(&m));
    cluster.settle();
    let tokens: Vec<u64> = cluster.heard(1).reads.iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, (1..=20).collect::<Vec<u64>>());
    assert_eq!(cluster.node(1).status().last_index, last);
}

fn encoded(m: &proto::Message) -> kit::Sent {
    use prost::Message as _;
    kit::Sent { from: m.from, to: m.to, bytes: m.encode_to_vec() }
}

#[test]
fn d6_4_f_a_follower_asks_the_leader_and_reads_by_itself() {
    let mut cluster = cluster();
    cluster.cut = vec![(1, 3)];
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    let commit = cluster.node(1).status().commit;
    assert!(cluster.node(3).status().applied < commit);
    cluster.heal();
    cluster.node(3).read_index(7).unwrap();
    let sent = decoded(&cluster.hosts.get_mut(&3).unwrap().work());
    assert_eq!(only(&sent, MessageKind::ReadIndex).to, 1);
    sent.iter().map(encoded).for_each(|m| cluster.deliver(&m));
    cluster.settle();
    cluster.tick(2);

    assert_eq!(cluster.heard(3).reads, [(7, commit)]);
    assert!(cluster.node(3).status().applied >= commit, "its own state has what the leader had committed");
}

// ---- 6.4.1: leases

#[test]
fn d6_4_1_a_a_lease_answers_without_a_round() {
    let mut cluster = with_lease();
    let commit = cluster.node(1).status().commit;
    let (reads, sent) = alone(&mut cluster, 7);
    assert_eq!(reads, [(7, commit)]);
    assert!(of_kind(&sent, MessageKind::Heartbeat).is_empty());
}

#[test]
fn d6_4_1_b_it_ends_when_the_followers_fall_silent_before_they_elect() {
    let mut cluster = with_lease();
    cluster.isolate(1);
    let mut last_read = 0;
    let mut elected = None;
    for ticks in 1..=60u32 {
        for id in 1..=3 {
            cluster.node(id).tick(1).unwrap();
        }
        let led = cluster.node(1).status().role == Role::Leader;
        if led && elected.is_none() && !alone(&mut cluster, 100 + u64::from(ticks)).0.is_empty() {
            last_read = ticks;
        } else if led && elected.is_some() {
            assert!(alone(&mut cluster, 100 + u64::from(ticks)).0.is_empty(), "two leaders answer at once");
        }
        cluster.settle();
        if elected.is_none() && [2, 3].iter().any(|id| cluster.hosts[id].node.status().role == Role::Leader) {
            elected = Some(ticks);
        }
    }
    let elected = elected.unwrap();
    assert!((1..10).contains(&last_read), "the last read without a round came after {last_read} ticks");
    assert!(last_read < elected, "read at {last_read}, elected at {elected}");
}

#[test]
fn d6_4_1_c_it_ends_when_leadership_is_handed_over() {
    let mut cluster = with_lease();
    assert_eq!(alone(&mut cluster, 1).0.len(), 1);
    cluster.node(1).transfer(2).unwrap();
    assert!(alone(&mut cluster, 2).0.is_empty(), "2 may be elected at any time");
}
