//! Chapter 3 of the dissertation, what it says beyond figure 2: elections, replication, safety, crashes, restarts, timing, transfer.

use crate::{Cluster, Server, acks, asks, group, logs, of_kind, only, plain, sends, terms};
use kit::{Disk, config, events, message};
use raftcore::{Config, Error, EventKind, HardState, MessageKind, Role, StorageMode, proto};

// ---- 3.3, 3.4: terms and elections

#[test]
fn d3_3_a_whoever_is_behind_learns_the_term_from_any_message() {
    let mut cluster = group(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.elect_beside(1, 2);
    cluster.elect_beside(1, 3);
    assert!(cluster.node(1).status().term < cluster.node(3).status().term);
    cluster.heal();

    cluster.tick(1);

    let status = cluster.node(1).status();
    assert_eq!((status.role, status.leader, status.term), (Role::Follower, 3, cluster.node(3).status().term));
}

#[test]
fn d3_4_a_servers_begin_as_followers_and_stay_so_while_a_leader_is_heard() {
    let mut server = Server::new(1, 0, &[1]);
    assert_eq!((server.status().role, server.status().leader), (Role::Follower, 0));
    for _ in 0..50 {
        server.ticks(5);
        server.hears(message(MessageKind::Heartbeat, 2, 1, 1));
        assert_eq!((server.status().role, server.term()), (Role::Follower, 1));
    }
}

#[test]
fn d3_4_b_the_first_who_asks_gets_the_vote_of_a_term() {
    let mut server = Server::new(1, 0, &[1]);
    assert!(!only(&server.hears(asks(MessageKind::Vote, 3, 2, (1, 1))), MessageKind::VoteResp).reject);
    assert!(only(&server.hears(asks(MessageKind::Vote, 2, 2, (9, 2))), MessageKind::VoteResp).reject, "a better log");
    assert!(!only(&server.hears(asks(MessageKind::Vote, 2, 3, (9, 2))), MessageKind::VoteResp).reject, "a new term");
}

#[test]
fn d3_4_c_an_older_leader_does_not_stop_a_candidate() {
    let mut server = Server::new(4, 0, &[1, 4]);
    server.0.node.campaign().unwrap();
    server.works();
    server.hears(sends(4, (2, 4), &[4], 2));
    assert_eq!((server.status().role, server.term(), server.log()), (Role::Candidate, 5, vec![1, 4]));
}

#[test]
fn d3_4_d_a_split_vote_ends_with_an_election_in_a_higher_term() {
    let mut cluster = group(&[1, 2, 3, 4]);
    cluster.node(1).campaign().unwrap();
    cluster.node(2).campaign().unwrap();
    cluster.cut = vec![(1, 4), (2, 3)];
    cluster.settle();
    assert_eq!(cluster.leader(), None, "two votes each");
    cluster.heal();

    cluster.tick(60);

    let leader = cluster.leader().unwrap();
    assert!(cluster.node(leader).status().term > 1);
}

#[test]
fn d3_4_e_timeouts_are_spread_over_one_to_two_of_the_configured() {
    let timeouts: Vec<u32> =
        (1..201).map(|seed| Server::with(&Config { seed, ..plain(1) }, 1, 0, &[1]).status().election_timeout).collect();
    assert!(timeouts.iter().all(|timeout| (10..20).contains(timeout)));
    assert_eq!((10..20).filter(|ticks| timeouts.contains(ticks)).count(), 10, "some are never drawn");

    // And anew for each election.
    let mut server = Server::new(1, 0, &[1]);
    let drawn: Vec<u32> =
        (0..20).map(|_| (server.0.node.campaign().unwrap(), server.status().election_timeout).1).collect();
    assert!(drawn.iter().any(|timeout| *timeout != drawn[0]));
}

// ---- 3.5: replication

#[test]
fn d3_5_a_entries_go_to_all_and_again_until_each_has_them() {
    let mut cluster = group(&[1, 2, 3]);
    cluster.elect(1);
    cluster.node(1).propose(b"x", 7).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    assert_eq!(sent.iter().map(|m| m.to).collect::<Vec<_>>(), [2, 3], "beside each other");
    cluster.deliver(&sent[0]);
    cluster.cut = vec![(1, 3)];
    cluster.settle();
    assert_eq!(cluster.heard(1).committed.last().unwrap().0, 7, "answered without 3");
    let last = cluster.node(1).status().last_index;
    assert!(cluster.node(3).status().last_index < last);
    cluster.heal();

    cluster.tick(3);

    assert_eq!(cluster.node(3).status().last_index, last);
}

#[test]
fn d3_5_b_a_commit_commits_what_is_before_it() {
    let mut server = Server::leader(&[1, 1, 2, 3]);
    assert_eq!(server.status().commit, 1);
    server.hears(acks(2, 4, 5));
    assert_eq!(server.status().commit, 5);
    let applied: Vec<u64> = server.0.heard.applied.iter().map(|(index, _)| *index).collect();
    assert_eq!(applied, [2, 3, 4, 5]);
}

#[test]
fn d3_5_c_followers_learn_what_is_committed_from_later_messages() {
    let mut server = Server::new(1, 0, &[1]);
    server.hears(sends(1, (1, 1), &[1, 1], 1));
    assert_eq!(server.status().commit, 1);
    let beat = proto::Message { commit: 2, ..message(MessageKind::Heartbeat, 2, 1, 1) };
    server.hears(beat);
    assert_eq!(server.status().commit, 2);
    server.hears(sends(1, (3, 1), &[], 3));
    assert_eq!(server.status().commit, 3);
}

#[test]
fn d3_5_d_every_log_of_figure_3_6_becomes_the_leaders() {
    let leader: &[u64] = &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let followers: [&[u64]; 6] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    let all: Vec<&[u64]> = std::iter::once(leader).chain(followers).collect();
    let mut cluster = logs(&all);
    // The figure's leader is of term 8.
    for id in 1..=7 {
        let mut disk = cluster.hosts[&id].disk.clone();
        disk.state.term = 7;
        cluster.add(id, disk);
    }
    cluster.elect(1);
    cluster.tick(3);

    let mut expected = leader.to_vec();
    expected.push(8);
    for id in 1..=7 {
        let disk = &cluster.hosts[&id].disk;
        assert_eq!(terms(disk), expected, "of {id}");
        assert_eq!(disk.log, cluster.hosts[&1].disk.log, "of {id}");
    }
}

#[test]
fn d3_5_e_one_append_at_a_time_until_the_logs_meet() {
    let mut server = Server::leader(&[1, 1, 1]);
    for _ in 0..5 {
        server.0.node.propose(b"x", 0).unwrap();
    }
    assert!(of_kind(&server.works(), MessageKind::App).is_empty(), "the first one is not answered yet");
    let sent = server.hears(acks(2, 2, 4));
    assert!(!of_kind(&sent, MessageKind::App).is_empty());
    server.0.node.propose(b"x", 0).unwrap();
    server.0.node.propose(b"y", 0).unwrap();
    let to: Vec<u64> = of_kind(&server.works(), MessageKind::App).iter().map(|m| m.to).collect();
    assert!(!to.is_empty() && to.iter().all(|&to| to == 2), "now they stream to 2, and 3 still has not answered");
}

#[test]
fn d3_5_e_a_rejection_skips_terms() {
    // A hundred entries of a term that the leader never had: one rejection passes them all.
    let long: Vec<u64> = [1].into_iter().chain([2; 100]).collect();
    let mine: Vec<u64> = [1].into_iter().chain([3; 100]).collect();
    let mut cluster = logs(&[&mine, &long, &mine]);
    cluster.node(1).campaign().unwrap();
    let mut rejections = 0;
    for _ in 0..100 {
        for id in 1..=3 {
            let sent = cluster.hosts.get_mut(&id).unwrap().work();
            rejections +=
                crate::decoded(&sent).iter().filter(|m| m.r#type == MessageKind::AppResp as i32 && m.reject).count();
            sent.iter().for_each(|m| cluster.deliver(m));
        }
    }
    assert_eq!(terms(&cluster.hosts[&2].disk), terms(&cluster.hosts[&1].disk));
    assert!((1..=2).contains(&rejections), "{rejections} rejections");
}

// ---- 3.6: safety

#[test]
fn d3_6_1_a_candidate_that_lacks_a_committed_entry_is_not_elected() {
    let mut cluster = group(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.node(1).propose(b"committed", 0).unwrap();
    cluster.settle();
    cluster.heal();
    cluster.isolate(1);

    cluster.node(2).forget_leader().unwrap();
    cluster.node(3).campaign().unwrap();
    cluster.settle();
    assert_ne!(cluster.node(3).status().role, Role::Leader);
    cluster.elect(2);
    assert!(cluster.hosts[&2].disk.data.contains(&b"committed".to_vec()));
}

/// Figure 3.7 up to (c): S1 led in term 2, S5 in term 3, S1 leads again in term 4 and has brought its entry of term 2 to S2 and S3.
fn figure_3_7() -> Cluster {
    let mut cluster = logs(&[&[1, 2], &[1, 2], &[1], &[1], &[1, 3]]);
    for id in 1..=5 {
        let mut disk = cluster.hosts[&id].disk.clone();
        disk.state = HardState { term: 3, vote: 0, commit: 1 };
        cluster.add(id, disk);
    }
    cluster.cut = vec![(1, 5), (5, 1)];
    cluster.node(1).campaign().unwrap();
    // S1's own entry of term 4 gets no further than S1: of what it sends only the entry of term 2 arrives.
    for _ in 0..20 {
        for id in 1..=5 {
            let sent = cluster.hosts.get_mut(&id).unwrap().work();
            for (m, decoded) in sent.iter().zip(crate::decoded(&sent)) {
                let m = if decoded.r#type == MessageKind::App as i32 { without_term_4(&decoded) } else { m.clone() };
                cluster.deliver(&m);
            }
        }
    }
    assert_eq!(cluster.node(1).status().role, Role::Leader);
    assert_eq!(terms(&cluster.hosts[&1].disk), [1, 2, 4]);
    assert_eq!((terms(&cluster.hosts[&2].disk), terms(&cluster.hosts[&3].disk)), (vec![1, 2], vec![1, 2]));
    cluster
}

/// The same append, cut before its entries of term 4: it carries what a smaller one would.
fn without_term_4(m: &proto::Message) -> kit::Sent {
    use prost::Message as _;
    let mut m = m.clone();
    m.entries.retain(|e| e.term != 4);
    kit::Sent { from: m.from, to: m.to, bytes: m.encode_to_vec() }
}

#[test]
fn d3_6_2_figure_3_7_d_an_older_terms_entry_on_a_majority_may_be_overwritten() {
    let mut cluster = figure_3_7();
    assert_eq!(cluster.node(1).status().commit, 1, "the entry of term 2 is on three of five, and not committed");

    // S5 heard nothing of term 4, in which the others have voted: it is elected in term 5.
    cluster.isolate(1);
    cluster.node(5).campaign().unwrap();
    cluster.settle();
    cluster.elect_beside(1, 5);
    cluster.heal();
    cluster.tick(3);

    for id in 1..=5 {
        assert_eq!(terms(&cluster.hosts[&id].disk), [1, 3, 5], "of {id}");
        assert_eq!(cluster.hosts[&id].disk.data, [b"3.2"]);
    }
}

#[test]
fn d3_6_2_figure_3_7_e_with_an_entry_of_the_leaders_own_term_it_stays() {
    let mut cluster = figure_3_7();
    cluster.tick(3);
    assert!(cluster.node(1).status().commit >= 3, "its own entry reached a majority");

    cluster.isolate(1);
    for id in 2..=5 {
        cluster.node(id).forget_leader().unwrap();
    }
    cluster.node(5).campaign().unwrap();
    cluster.settle();
    assert_ne!(cluster.node(5).status().role, Role::Leader);
    cluster.elect(2);
    assert_eq!(terms(&cluster.hosts[&2].disk)[..3], [1, 2, 4]);
}

#[test]
fn d3_6_3_whoever_wins_has_every_committed_entry() {
    // Each pair of five may have missed the entry; each of the others, and none of the pair, can win.
    for (a, b) in [(2, 3), (2, 4), (2, 5), (3, 4), (3, 5), (4, 5)] {
        let mut cluster = group(&[1, 2, 3, 4, 5]);
        cluster.elect(1);
        cluster.cut = vec![(1, a), (1, b)];
        cluster.node(1).propose(b"committed", 0).unwrap();
        cluster.settle();
        cluster.heal();
        cluster.isolate(1);
        for id in 2..=5 {
            (2..=5).for_each(|other| cluster.node(other).forget_leader().unwrap());
            cluster.node(id).campaign().unwrap();
            cluster.settle();
            let won = cluster.node(id).status().role == Role::Leader;
            let had = ![a, b].contains(&id) || cluster.hosts[&id].disk.log.values().any(|e| e.data == b"committed");
            assert_eq!(won, had, "{id}, without {a} and {b}");
        }
    }
}

// ---- 3.7, 3.8: crashes and restarts

#[test]
fn d3_7_a_a_follower_that_crashed_gets_what_it_missed() {
    let mut cluster = group(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    for _ in 0..20 {
        cluster.node(1).propose(b"x", 0).unwrap();
        cluster.settle();
    }
    cluster.restart(3);
    cluster.heal();
    cluster.tick(3);
    assert_eq!(cluster.hosts[&3].disk.data, cluster.hosts[&1].disk.data);
    assert_eq!(cluster.hosts[&3].disk.data.len(), 20);
}

#[test]
fn d3_7_b_a_request_that_comes_twice_does_no_harm() {
    let mut server = Server::new(1, 0, &[1, 1]);
    for m in [sends(2, (2, 1), &[2, 2], 2), asks(MessageKind::Vote, 3, 3, (4, 2)), sends(4, (4, 2), &[4], 4)] {
        let first = server.hears(m.clone());
        let (state, log, digest) = (server.status(), server.log(), server.0.node.digest(false));
        let second = server.hears(m);
        assert_eq!(first, second, "another answer");
        assert_eq!((server.status().commit, server.log()), (state.commit, log));
        assert_eq!(server.0.node.digest(false), digest);
    }
}

#[test]
fn d3_8_a_term_and_vote_survive_a_restart() {
    let mut server = Server::new(1, 0, &[1]);
    server.hears(asks(MessageKind::Vote, 2, 5, (1, 1)));

    let mut server = Server::boot(&plain(1), server.0.disk);

    assert_eq!((server.term(), server.status().vote), (5, 2));
    assert!(only(&server.hears(asks(MessageKind::Vote, 3, 5, (9, 5))), MessageKind::VoteResp).reject);
}

#[test]
fn d3_8_a_a_restart_before_the_write_forgets_the_answer_with_the_vote() {
    let server = Server::new(1, 0, &[1]);
    let mut node = server.0.node;
    kit::step(&mut node, &asks(MessageKind::Vote, 2, 5, (1, 1))).unwrap();
    assert!(node.ready().unwrap().unwrap().messages().all(|m| m.after()));
    drop(node);
    // Nothing was stored, so nothing left: another may get the vote.
    let mut server = Server::boot(&plain(1), server.0.disk);
    assert!(!only(&server.hears(asks(MessageKind::Vote, 3, 5, (1, 1))), MessageKind::VoteResp).reject);
}

#[test]
fn d3_8_b_an_entry_counts_only_once_it_is_stored() {
    // The followers have stored it, the leader's own disk is slow: two of three, but not a majority with itself.
    let server = Server::with(&Config { storage: StorageMode::Async, ..plain(1) }, 1, 0, &[1]);
    let mut node = server.0.node;
    node.campaign().unwrap();
    let number = node.ready().unwrap().unwrap().number();
    node.persisted(number).unwrap();
    kit::step(&mut node, &message(MessageKind::VoteResp, 2, 1, 2)).unwrap();
    let number = node.ready().unwrap().unwrap().number();
    let own = node.peers().find(|peer| peer.id == 1).unwrap().match_index;
    assert_eq!(own, 1, "the leader's entry counts before it is stored");
    kit::step(&mut node, &acks(3, 2, 2)).unwrap();
    assert_eq!(node.status().commit, 1, "one of three has it");

    node.persisted(number).unwrap();
    assert_eq!(node.status().commit, 2);
}

#[test]
fn d3_8_b_a_follower_acknowledges_only_what_is_stored() {
    let server = Server::with(&Config { storage: StorageMode::Async, ..plain(1) }, 1, 0, &[1]);
    let mut node = server.0.node;
    kit::step(&mut node, &sends(1, (1, 1), &[1, 1], 1)).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let acknowledgements = ready.messages().filter(|m| m.kind() == MessageKind::AppResp);
    assert!(acknowledgements.map(|m| m.after()).eq([true]));
    assert_eq!(node.status().durable, 1);
}

#[test]
fn d3_8_c_a_lost_commit_index_is_learned_again_and_nothing_is_applied_twice() {
    let mut server = Server::new(1, 0, &[1, 1, 1, 1]);
    server.hears(sends(1, (4, 1), &[], 3));
    let mut disk = server.0.disk;
    assert_eq!(disk.applied, 3);
    disk.state.commit = 0;

    let mut server = Server::boot(&plain(1), disk);
    assert_eq!(server.status().commit, 3, "what is applied was committed");
    server.hears(sends(1, (4, 1), &[], 4));
    let applied: Vec<u64> = server.0.heard.applied.iter().map(|(index, _)| *index).collect();
    assert_eq!(applied, [4]);
}

#[test]
fn d3_8_d_a_server_that_lost_its_disk_is_noticed() {
    let mut cluster = group(&[1, 2, 3]);
    cluster.elect(1);
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    let commit = cluster.node(1).status().commit;
    let mut wiped = Server::boot(&plain(3), Disk::founder(&[1, 2, 3]));
    let beat = proto::Message { commit, ..message(MessageKind::Heartbeat, 1, 3, 1) };
    assert_eq!(kit::step(&mut wiped.0.node, &beat), Err(Error::Implausible));
    assert!(events(&mut wiped.0.node).iter().any(|event| event.kind == EventKind::Alarm));
}

// ---- 3.9: timing

#[test]
fn d3_9_a_leadership_stays_while_messages_are_quick_and_a_dead_leader_is_replaced() {
    let mut cluster = group(&[1, 2, 3, 4, 5]);
    cluster.elect(1);
    let term = cluster.node(1).status().term;
    cluster.tick(1000);
    assert_eq!((cluster.leader(), cluster.node(1).status().term), (Some(1), term));

    cluster.hosts.remove(&1);
    // An election timeout is 10 to 20 ticks; a split vote costs another.
    let ticks = (1..=100).find(|_| {
        cluster.tick(1);
        cluster.leader().is_some()
    });
    assert!(ticks.is_some_and(|ticks| ticks >= 10), "after {ticks:?} ticks");
}

// ---- 3.10: leadership transfer

fn transfer_group() -> Cluster {
    let mut cluster = Cluster::new(&[1, 2, 3], config);
    cluster.elect(1);
    cluster
}

#[test]
fn d3_10_a_the_prior_leader_takes_no_requests_meanwhile() {
    let mut cluster = transfer_group();
    cluster.node(1).transfer(2).unwrap();
    assert_eq!(cluster.node(1).propose(b"x", 1), Err(Error::NoLeader));
    cluster.settle();
    assert_eq!(cluster.leader(), Some(2));
    cluster.node(2).propose(b"x", 1).unwrap();
}

#[test]
fn d3_10_b_the_targets_log_is_brought_up_first() {
    let mut cluster = transfer_group();
    cluster.isolate(2);
    for _ in 0..5 {
        cluster.node(1).propose(b"x", 0).unwrap();
        cluster.settle();
    }
    cluster.heal();
    cluster.node(1).transfer(2).unwrap();
    let sent = crate::decoded(&cluster.hosts.get_mut(&1).unwrap().work());
    assert!(of_kind(&sent, MessageKind::TimeoutNow).is_empty(), "2 lacks five entries");
    cluster.tick(3);
    assert_eq!(cluster.leader(), Some(2));
    assert_eq!(cluster.hosts[&2].disk.data.len(), 5);
}

#[test]
fn d3_10_c_the_target_campaigns_at_once_and_the_prior_leader_steps_down() {
    let mut cluster = transfer_group();
    let term = cluster.node(1).status().term;
    cluster.node(1).transfer(2).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    only(&crate::decoded(&sent), MessageKind::TimeoutNow);
    sent.iter().for_each(|m| cluster.deliver(m));
    assert_eq!((cluster.node(2).status().role, cluster.node(2).status().term), (Role::Candidate, term + 1));
    assert_eq!(cluster.node(1).status().role, Role::Leader);

    let sent = cluster.hosts.get_mut(&2).unwrap().work();
    sent.iter().for_each(|m| cluster.deliver(m));
    assert_eq!((cluster.node(1).status().role, cluster.node(1).status().term), (Role::Follower, term + 1));
    cluster.settle();
    assert_eq!(cluster.leader(), Some(2));
}

#[test]
fn d3_10_d_without_success_it_takes_requests_again() {
    let mut cluster = transfer_group();
    cluster.isolate(2);
    cluster.node(1).transfer(2).unwrap();
    cluster.tick(9);
    assert_eq!(cluster.node(1).propose(b"x", 1), Err(Error::NoLeader));
    cluster.tick(1);
    cluster.node(1).propose(b"x", 1).unwrap();
    cluster.settle();
    assert_eq!(cluster.hosts[&1].disk.data, [b"x"]);

    // The order that comes late costs an election, and nothing else.
    cluster.heal();
    cluster.tick(3);
    let term = cluster.node(1).status().term;
    cluster.deliver(&encoded(&message(MessageKind::TimeoutNow, 1, 2, term)));
    cluster.settle();
    assert_eq!(cluster.leader(), Some(2));
    assert_eq!(cluster.hosts[&2].disk.data, [b"x"]);
}

fn encoded(m: &proto::Message) -> kit::Sent {
    use prost::Message as _;
    kit::Sent { from: m.from, to: m.to, bytes: m.encode_to_vec() }
}
