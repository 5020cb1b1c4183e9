//! What a host may ask of a running node beside its configuration, each off by default: windows that
//! pause, commit groups, promotion, flags at run time, proposals bound to a term or a configuration.

use crate::lone::{acknowledge, alone, drain, follower, leader};
use kit::{Cluster, Disk, append, config, entry, events, message, step};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, Dialect, Error, EventKind, Flags, Flow, MessageKind, Role, peer_flags,
    wire,
};

fn group() -> Cluster {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster
}

fn with(flag: Flags) -> impl Fn(u64) -> Config {
    move |id| Config { flags: config(id).flags.with(flag, true), ..config(id) }
}

fn peer(cluster: &mut Cluster, id: u64) -> raftcore::PeerStatus {
    cluster.node(1).peers().find(|peer| peer.id == id).unwrap()
}

#[test]
fn a_window_of_no_messages_pauses_a_peer_until_it_opens() {
    let mut cluster = group();
    cluster.node(1).set_window(3, 0, 0).unwrap();
    for _ in 0..3 {
        cluster.node(1).propose(b"x", 0).unwrap();
        cluster.settle();
    }
    cluster.tick(30);
    assert_eq!(cluster.hosts[&3].disk.data.len(), 0, "the paused peer got entries");
    assert_eq!(cluster.hosts[&2].disk.data.len(), 3);
    assert_eq!(cluster.node(3).status().role, Role::Follower, "heartbeats go on");
    // Nor a snapshot, once the entries are gone.
    let applied = cluster.hosts[&1].disk.applied;
    cluster.compact(1, applied);
    cluster.tick(5);
    assert!(cluster.hosts[&1].fetched.is_empty());
    cluster.node(1).set_window(3, 8, 0).unwrap();
    cluster.settle();
    cluster.tick(2);
    assert_eq!(cluster.hosts[&3].disk.data.len(), 3);
}

#[test]
fn a_paused_peer_is_not_probed_with_entries_either() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.isolate(3);
    cluster.elect(1);
    assert_eq!(peer(&mut cluster, 3).flow, Flow::Probe);
    cluster.node(1).set_window(3, 0, 0).unwrap();
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    cluster.heal();
    cluster.tick(5);
    assert_eq!(cluster.hosts[&3].disk.log.len(), 0);
    assert_eq!(cluster.node(3).status().leader, 1);
}

#[test]
fn a_window_that_opens_sends_at_once() {
    let mut cluster = group();
    cluster.node(1).set_window(3, 0, 0).unwrap();
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    cluster.node(1).set_window(3, 8, 0).unwrap();
    cluster.settle();
    assert_eq!(cluster.hosts[&3].disk.log.len(), 2, "no heartbeat was needed");
}

#[test]
fn a_window_that_stays_as_it_was_sends_nothing() {
    let mut node = leader(&config(1));
    for messages in [8, 0, 0] {
        node.set_window(2, messages, 0).unwrap();
        assert_eq!(drain(&mut node), [], "{messages}");
    }
    // A probed peer gets no second probe.
    node.report_unreachable(3).unwrap();
    node.propose(b"x", 0).unwrap();
    assert!(drain(&mut node).iter().any(|m| m.to == 3));
    node.set_window(3, 0, 0).unwrap();
    node.set_window(3, 8, 0).unwrap();
    assert_eq!(drain(&mut node), []);
}

#[test]
fn an_append_carries_no_more_entries_than_allowed() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| Config { max_entries_per_msg: 2, ..config(id) });
    cluster.elect(1);
    cluster.isolate(3);
    for _ in 0..7 {
        cluster.node(1).propose(b"x", 0).unwrap();
    }
    cluster.settle();
    cluster.heal();
    let mut longest = 0;
    for _ in 0..40 {
        cluster.node(1).tick(1).unwrap();
        for id in 1..=3 {
            for m in cluster.hosts.get_mut(&id).unwrap().work() {
                longest = longest.max(wire::parse_message(&m.bytes).unwrap().entries.len());
                cluster.deliver(&m);
            }
        }
    }
    assert_eq!(longest, 2);
    assert_eq!(cluster.hosts[&3].disk.data.len(), 7);
}

#[test]
fn the_election_timeout_lies_in_its_range() {
    for (jitter, high) in [(0, 20), (1, 11), (5, 15), (100, 110)] {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 1..400 {
            let node = Disk::founder(&[1, 2]).boot(&Config { seed, election_jitter_ticks: jitter, ..config(1) });
            seen.insert(node.status().election_timeout);
        }
        assert!(seen.iter().all(|ticks| (10..high).contains(ticks)), "{jitter}: {seen:?}");
        assert!(seen.len() > (high as usize - 10) / 2, "{jitter}: {seen:?}");
    }
    let wrong = Config { election_jitter_ticks: (1 << 24) + 1, ..config(1) };
    assert!(wrong.check().unwrap_err().contains("election_jitter_ticks"));
}

#[test]
fn silence_is_told_after_as_many_ticks_as_are_set() {
    let quick = |id| Config { peer_lags_ticks: 7, no_leader_ticks: 30, ..config(id) };
    let mut cluster = Cluster::new(&[1, 2, 3], quick);
    cluster.elect(1);
    cluster.tick(1);
    cluster.isolate(3);
    events(cluster.node(1));
    cluster.tick(6);
    assert!(!events(cluster.node(1)).iter().any(|event| event.kind == EventKind::PeerLags));
    cluster.tick(2);
    assert!(events(cluster.node(1)).iter().any(|event| (event.kind, event.peer) == (EventKind::PeerLags, 3)));
    events(cluster.node(3));
    let mut told = Vec::new();
    for tick in 0..120 {
        cluster.tick(1);
        let found = events(cluster.node(3));
        told.extend(found.iter().filter(|event| event.kind == EventKind::NoLeaderLong).map(|event| (tick, event.a)));
    }
    assert!(told.len() >= 3 && told.iter().all(|(_, ticks)| ticks % 30 == 0), "{told:?}");
}

#[test]
fn a_proposal_bound_to_a_term_is_for_that_leader_alone() {
    let forwards = with(Flags::FORWARDING);
    let mut cluster = Cluster::new(&[1, 2, 3], forwards);
    cluster.elect(1);
    let term = cluster.node(1).status().term;
    let propose = |node: &mut raftcore::Node, term| node.propose_in_term(term, std::iter::once(&b"x"[..]), 1);
    propose(cluster.node(1), term).unwrap();
    assert_eq!(propose(cluster.node(1), term - 1), Err(Error::NoLeader));
    assert_eq!(propose(cluster.node(1), term + 1), Err(Error::NoLeader));
    assert_eq!(propose(cluster.node(2), term), Err(Error::NotLeader), "never forwarded");
    assert!(cluster.node(2).error_detail().contains("its leader 1"), "{}", cluster.node(2).error_detail());
}

#[test]
fn a_change_bound_to_a_configuration_is_refused_when_another_is_in_force() {
    let mut cluster = group();
    let seen = cluster.node(1).conf().unwrap().index;
    let add = |id| [Change { kind: ChangeKind::AddLearner, id }];
    cluster.node(1).propose_conf_at(seen, &add(4), ChangeEncoding::V1, b"", 0).unwrap();
    cluster.settle();
    let stale = cluster.node(1).propose_conf_at(seen, &add(5), ChangeEncoding::V1, b"", 0);
    assert_eq!(stale, Err(Error::Stale));
    assert!(cluster.node(1).error_detail().contains("as of index"), "{}", cluster.node(1).error_detail());
    let now = cluster.node(1).conf().unwrap().index;
    cluster.node(1).propose_conf_at(now, &add(5), ChangeEncoding::V1, b"", 0).unwrap();
}

#[test]
fn flags_change_at_run_time_and_the_fixed_ones_do_not() {
    let mut cluster = group();
    cluster.isolate(1);
    cluster.node(1).set_flags(Flags::CHECK_QUORUM, Flags(0)).unwrap();
    cluster.tick(40);
    assert_eq!(cluster.node(1).status().role, Role::Leader, "nobody checks the quorum any more");
    cluster.node(1).set_flags(Flags::CHECK_QUORUM, Flags::CHECK_QUORUM).unwrap();
    cluster.tick(21);
    assert_ne!(cluster.node(1).status().role, Role::Leader);
    assert!(cluster.node(1).config().flags.has(Flags::CHECK_QUORUM));

    let node = cluster.node(1);
    assert_eq!(node.set_flags(Flags::NO_CONF_VALIDATION, Flags(0)), Err(Error::Arg));
    assert!(node.error_detail().contains("0x4000"), "{}", node.error_detail());
    let mut reads = Disk::founder(&[1]).boot(&with(Flags::LEASE_READS)(1));
    assert_eq!(reads.set_flags(Flags::CHECK_QUORUM, Flags(0)), Err(Error::Arg));
}

/// [E-01] A group in which some members ask for a pre-vote and some do not still elects, and a node
/// that returns with a higher term deposes nobody for good.
#[test]
fn members_with_and_without_pre_vote_elect_together() {
    for without in 1..=3 {
        let mixed = move |id| Config { flags: config(id).flags.with(Flags::PRE_VOTE, id != without), ..config(id) };
        let mut cluster = Cluster::new(&[1, 2, 3], mixed);
        cluster.tick(60);
        let first = cluster.leader().expect("a leader");
        cluster.isolate(first);
        cluster.tick(60);
        let others: Vec<u64> = (1..=3).filter(|&id| id != first).collect();
        assert!(others.iter().any(|&id| cluster.node(id).status().role == Role::Leader), "{without}");
        cluster.heal();
        cluster.tick(60);
        let leader = cluster.leader().unwrap();
        cluster.node(leader).propose(b"x", 0).unwrap();
        cluster.settle();
        cluster.tick(2);
        assert!((1..=3).all(|id| cluster.hosts[&id].disk.data == [b"x".to_vec()]), "{without}");
    }
}

/// A restarted leader may campaign at once, so that a restart of the whole group costs no election
/// timeout: with pre-vote the campaign disturbs nobody.
#[test]
fn a_campaign_right_after_the_boot_is_harmless() {
    let mut cluster = group();
    cluster.restart(2);
    cluster.node(2).campaign().unwrap();
    cluster.settle();
    cluster.tick(1);
    assert_eq!(cluster.leader(), Some(1), "the living leader stays");
    let term = cluster.node(1).status().term;
    for id in 1..=3 {
        cluster.restart(id);
    }
    cluster.node(1).campaign().unwrap();
    cluster.settle();
    assert_eq!(cluster.leader(), Some(1));
    assert_eq!(cluster.node(1).status().term, term + 1);
}

#[test]
fn a_ping_is_a_heartbeat_now() {
    let mut cluster = group();
    cluster.node(1).ping().unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    let kinds: Vec<_> = sent.iter().map(|m| wire::parse_message(&m.bytes).unwrap().head.kind).collect();
    assert_eq!(kinds, [MessageKind::Heartbeat; 2]);
    cluster.node(2).ping().unwrap();
    assert!(cluster.hosts.get_mut(&2).unwrap().work().is_empty());
}

#[test]
fn heartbeats_are_spared_beside_appends_only() {
    let mut cluster = Cluster::new(&[1, 2, 3], with(Flags::SPARE_HEARTBEATS));
    cluster.elect(1);
    cluster.tick(2);
    let heartbeats = |cluster: &mut Cluster| {
        cluster.node(1).tick(1).unwrap();
        let sent = cluster.hosts.get_mut(&1).unwrap().work();
        let count =
            sent.iter().filter(|m| wire::parse_message(&m.bytes).unwrap().head.kind == MessageKind::Heartbeat).count();
        sent.iter().for_each(|m| cluster.deliver(m));
        cluster.settle();
        count
    };
    assert_eq!(heartbeats(&mut cluster), 2);
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    assert_eq!(heartbeats(&mut cluster), 0, "the append was enough");
    assert_eq!(heartbeats(&mut cluster), 2);
    // A waiting read needs a round.
    cluster.node(1).propose(b"y", 0).unwrap();
    cluster.settle();
    cluster.node(1).read_index(9).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(1).reads.len(), 1);
}

#[test]
fn a_follower_asks_no_leader_of_its_own_priority_for_the_leadership() {
    let equal = |id| Config { priority: 5, ..with(Flags::YIELD_TO_PRIORITY)(id) };
    let mut cluster = Cluster::new(&[1, 2, 3], equal);
    cluster.elect(1);
    let term = cluster.node(1).status().term;
    cluster.tick(100);
    assert_eq!((cluster.leader(), cluster.node(1).status().term), (Some(1), term));
}

#[test]
fn leadership_goes_to_the_highest_priority_with_the_whole_log() {
    let ranked = |id| Config { priority: id as i32, ..with(Flags::YIELD_TO_PRIORITY)(id) };
    let mut cluster = Cluster::new(&[1, 2, 3], ranked);
    cluster.tick(200);
    assert_eq!(cluster.leader(), Some(3));
    // Dead favourites lead nobody; a returned favourite takes over once its log is whole.
    cluster.isolate(3);
    cluster.tick(200);
    let second = cluster.leader().unwrap();
    assert_ne!(second, 3);
    cluster.node(second).propose(b"x", 0).unwrap();
    cluster.settle();
    cluster.heal();
    cluster.tick(60);
    assert_eq!(cluster.leader(), Some(3));
    assert_eq!(cluster.hosts[&3].disk.data, [b"x".to_vec()]);
    let term = cluster.node(3).status().term;
    cluster.tick(100);
    assert_eq!(cluster.node(3).status().term, term, "and then it is quiet");

    // Off by default. The priorities come later, or 1 would not be elected.
    let mut cluster = group();
    for id in 2..=3 {
        cluster.node(id).set_priority(id as i32).unwrap();
    }
    cluster.tick(100);
    assert_eq!(cluster.leader(), Some(1));
}

#[test]
fn a_learner_is_promoted_when_it_has_caught_up() {
    let mut cluster = group();
    for _ in 0..40 {
        cluster.node(1).propose(b"x", 0).unwrap();
    }
    cluster.settle();
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    cluster.node(1).promote_when_caught_up(4, true).unwrap();
    assert_eq!(cluster.node(1).promote_when_caught_up(9, true), Err(Error::NoPeer));
    cluster.tick(5);
    assert_eq!(cluster.node(1).conf().unwrap().conf.learners, [4], "a learner that is not there stays one");
    cluster.add(4, Disk::default());
    cluster.tick(10);
    assert_eq!(cluster.node(1).conf().unwrap().conf.voters, [1, 2, 3, 4]);
    assert_ne!(peer(&mut cluster, 4).flags & peer_flags::VOTER, 0);
    // The wish is fulfilled: a demotion by the host holds.
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    cluster.tick(10);
    assert_eq!(cluster.node(1).conf().unwrap().conf.learners, [4]);
}

#[test]
fn a_promotion_waits_for_the_change_before_it() {
    let mut cluster = group();
    cluster.add(4, Disk::default());
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    cluster.tick(10);
    cluster.isolate(2);
    cluster.isolate(3);
    let other = [Change { kind: ChangeKind::AddLearner, id: 5 }];
    cluster.node(1).propose_conf(&other, ChangeEncoding::V1, b"", 0).unwrap();
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.node(1).promote_when_caught_up(4, true).unwrap();
    cluster.settle();
    let before = cluster.node(1).status();
    cluster.tick(2);
    let status = cluster.node(1).status();
    assert_eq!(status.last_index, before.last_index);
    assert_eq!(status.proposals_refused, before.proposals_refused, "the leader asks itself in vain");
    cluster.heal();
    cluster.tick(10);
    let conf = cluster.node(1).conf().unwrap().conf;
    assert_eq!((conf.voters, conf.learners), (&[1, 2, 3, 4][..], &[5][..]));
}

#[test]
fn a_leader_without_a_lease_refuses_proposals_if_asked_to() {
    let flags = config(1).flags.with(Flags::LEASE_READS, true).with(Flags::LEASED_PROPOSALS, true);
    let mut cluster = Cluster::new(&[1, 2, 3], move |id| Config { flags, ..config(id) });
    cluster.tick(60);
    let leader = cluster.leader().unwrap();
    cluster.node(leader).propose(b"x", 0).unwrap();
    cluster.isolate(leader);
    let mut refused = 0;
    for _ in 0..20 {
        cluster.tick(1);
        let leads = cluster.node(leader).status().role == Role::Leader;
        let outcome = cluster.node(leader).propose(b"y", 0);
        refused += u32::from(leads && outcome == Err(Error::NoLeader));
    }
    assert!(refused > 0, "a leader without a lease refused nothing before the quorum check deposed it");
    let wrong = Config { flags: config(1).flags.with(Flags::LEASED_PROPOSALS, true), ..config(1) };
    assert!(wrong.check().unwrap_err().contains("LEASED_PROPOSALS"));
}

#[test]
fn a_commit_needs_two_groups_where_peers_have_groups() {
    let mut cluster = Cluster::plain(&[1, 2, 3, 4, 5]);
    cluster.elect(1);
    let groups = [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)];
    for (id, group) in groups {
        cluster.node(1).set_commit_group(id, group).unwrap();
    }
    assert_eq!(cluster.node(1).set_commit_group(9, 1), Err(Error::NoPeer));
    assert_eq!(peer(&mut cluster, 4).group, 2);
    cluster.change(1, &[(ChangeKind::AddLearner, 6)]).unwrap();
    cluster.tick(2);
    let before = cluster.node(1).status().commit;
    cluster.isolate(4);
    cluster.isolate(5);
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(1).status().commit, before, "a quorum of one group is not enough");
    cluster.heal();
    cluster.tick(3);
    assert_eq!(cluster.node(1).status().commit, before + 1);
    // Without groups the quorum decides again, at once.
    cluster.isolate(4);
    cluster.isolate(5);
    cluster.node(1).propose(b"y", 0).unwrap();
    cluster.settle();
    for (id, _) in groups {
        cluster.node(1).set_commit_group(id, 0).unwrap();
    }
    assert_eq!(cluster.node(1).status().commit, before + 2);
}

/// The table of raft-rs 0.7's rule: (index, group) of each voter, and what is committed.
#[test]
fn groups_never_commit_what_no_quorum_has() {
    let cases: [(&[(u64, u64)], u64); 9] = [
        (&[(10, 1), (10, 1), (10, 1)], 10),
        (&[(10, 1), (9, 2), (1, 2)], 9),
        (&[(10, 1), (2, 2), (1, 2)], 2),
        (&[(10, 1), (9, 1), (3, 2)], 3),
        (&[(10, 1), (9, 1), (3, 0)], 3),
        (&[(10, 0), (9, 0), (3, 0)], 3),
        (&[(10, 1), (9, 2), (8, 2), (2, 2), (1, 2)], 8),
        (&[(10, 1), (9, 1), (2, 2), (2, 2), (1, 2)], 2),
        (&[(7, 3)], 7),
    ];
    for (voters, committed) in cases {
        let ids: Vec<u64> = (0..voters.len() as u64).collect();
        let found = raftcore::quorum::grouped_committed(&ids, |id| voters.get(id as usize).copied());
        assert_eq!(found, committed, "{voters:?}");
        let majority =
            raftcore::quorum::majority_committed(&ids, |id| voters.get(id as usize).map(|&(index, _)| index));
        assert!(found <= majority, "{voters:?}");
    }
    assert_eq!(raftcore::quorum::grouped_committed(&[], |_| None), u64::MAX);
    let many: Vec<u64> = (0..300).collect();
    assert_eq!(raftcore::quorum::grouped_committed(&many, |_| Some((9, 1))), 0);
}

#[test]
fn memory_is_given_back_and_work_goes_on() {
    let mut cluster = group();
    for _ in 0..3 {
        for _ in 0..50 {
            cluster.node(1).propose(&[7; 3000], 1).unwrap();
        }
        cluster.settle();
        cluster.tick(1);
    }
    let applied = cluster.hosts[&1].disk.applied;
    cluster.compact(1, applied);
    let before = cluster.node(1).status().memory_bytes;
    cluster.node(1).trim().unwrap();
    let after = cluster.node(1).status().memory_bytes;
    assert!(after < before / 4, "{before} bytes, {after} after trim");
    for token in 1..=20 {
        cluster.node(1).propose(&[8; 3000], token).unwrap();
        cluster.node(1).read_index(100 + token).unwrap();
        cluster.node(1).trim().unwrap();
    }
    cluster.settle();
    cluster.tick(1);
    assert_eq!(cluster.heard(1).reads.len(), 20);
    assert_eq!(cluster.hosts[&3].disk.data.len(), 170);
}

#[test]
fn the_lists_of_a_large_batch_are_given_back() {
    let mut node = alone(&config(1));
    node.trim().unwrap();
    let before = node.status().memory_bytes;
    node.propose_many((0..2000).map(|token| (&b""[..], token + 1))).unwrap();
    drain(&mut node);
    node.compacted(node.status().applied).unwrap();
    let large = node.status().memory_bytes;
    node.trim().unwrap();
    let after = node.status().memory_bytes;
    assert!(large > before + 100_000 && after < before + 1000, "{before} bytes, then {large}, {after} after trim");
}

#[test]
fn the_lists_of_many_messages_are_given_back() {
    let mut node = leader(&Config { heartbeat_ticks: 1, election_ticks: 10_000, ..config(1) });
    node.trim().unwrap();
    let before = node.status().memory_bytes;
    for _ in 0..100 {
        node.tick(1).unwrap();
    }
    let large = node.status().memory_bytes;
    drain(&mut node);
    node.trim().unwrap();
    let after = node.status().memory_bytes;
    assert!(large > before + 10_000 && after < before + 1000, "{before} bytes, then {large}, {after} after trim");
}

#[test]
fn the_windows_of_many_messages_are_given_back() {
    let mut node = leader(&Config { max_inflight_msgs: 4096, ..config(1) });
    node.trim().unwrap();
    let before = node.status().memory_bytes;
    for _ in 0..1000 {
        node.propose(b"", 0).unwrap();
        drain(&mut node);
    }
    let last = node.status().last_index;
    acknowledge(&mut node, 2, last);
    acknowledge(&mut node, 3, last);
    drain(&mut node);
    node.compacted(last).unwrap();
    node.trim().unwrap();
    let after = node.status().memory_bytes;
    assert!(after < before + 1000, "{before} bytes, {after} after trim");
}

#[test]
fn a_node_says_how_far_its_log_was_compacted_before() {
    let mut node = alone(&config(1));
    for _ in 0..4 {
        node.propose(b"x", 0).unwrap();
        drain(&mut node);
    }
    node.compacted(4).unwrap();
    assert_eq!(node.compacted(3), Err(Error::Stale));
    assert_eq!(node.error_detail(), "compacted(3): compacted up to 4 before");
}

#[test]
fn changed_flags_leave_reports_of_commits_to_the_dialect() {
    for (dialect, commit) in [(Dialect::Raftpb, 0), (Dialect::Eraftpb, 2)] {
        let mut node = follower(&Config { dialect, ..config(1) });
        node.set_flags(Flags::QUIET_COMMIT, Flags::QUIET_COMMIT).unwrap();
        step(&mut node, &append(2, 1, 1, (2, 1), vec![entry(1, 3, b"x")], 2)).unwrap();
        assert_eq!(drain(&mut node).last().unwrap().commit, commit, "{dialect:?}");
    }
}

#[test]
fn a_committed_index_in_a_read_answer_is_taken() {
    // Without commit broadcasts a follower would learn of the commit with the next heartbeat.
    let lazy = with(Flags::NO_COMMIT_BROADCAST);
    let mut cluster = Cluster::new(&[1, 2, 3], lazy);
    cluster.elect(1);
    cluster.tick(2);
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    let (known, commit) = (cluster.node(2).status().commit, cluster.node(1).status().commit);
    assert!(known < commit);
    let mut answer = message(MessageKind::ReadIndexResp, 1, 2, cluster.node(1).status().term);
    answer.index = commit;
    answer.entries = vec![kit::entry(0, 0, &[0; 16])];
    step(cluster.node(2), &answer).unwrap();
    assert_eq!(cluster.node(2).status().commit, commit);
    // An index of an entry that may be another leader's says nothing.
    answer.index = commit + 5;
    step(cluster.node(2), &answer).unwrap();
    assert_eq!(cluster.node(2).status().commit, commit);
    assert_eq!(peer(&mut cluster, 2).flow, Flow::Replicate);
}

/// [L-01] An entry of an older term at the index may be another entry than the leader's.
#[test]
fn a_read_answer_commits_only_entries_of_the_leaders_own_term() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&with(Flags::NO_COMMIT_BROADCAST)(2));
    let entries = (2..6).map(|index| kit::entry(1, index, b"x")).collect();
    step(&mut node, &kit::append(1, 2, 1, (1, 1), entries, 1)).unwrap();
    let answer = |term, index| {
        let mut answer = message(MessageKind::ReadIndexResp, 3, 2, term);
        (answer.index, answer.entries) = (index, vec![kit::entry(0, 0, &[0; 16])]);
        answer
    };
    step(&mut node, &message(MessageKind::Heartbeat, 3, 2, 2)).unwrap();
    step(&mut node, &answer(2, 5)).unwrap();
    assert_eq!(node.status().commit, 1, "an entry of term 1 was committed on the word of term 2's leader");
}

#[test]
fn how_near_a_peer_must_be_to_count_as_caught_up_is_set() {
    for (caught_up_entries, near, far) in [(0, 16, 17), (3, 3, 4), (40, 40, 41)] {
        let mut cluster =
            Cluster::new(&[1, 2, 3], move |id| Config { caught_up_entries, max_inflight_msgs: 4, ..config(id) });
        cluster.elect(1);
        cluster.tick(2);
        cluster.isolate(3);
        let had = peer(&mut cluster, 3).match_index;
        let caught_up = |behind: u64, cluster: &mut Cluster| {
            while cluster.node(1).status().last_index < had + behind {
                cluster.node(1).propose(b"x", 0).unwrap();
                cluster.settle();
            }
            peer(cluster, 3).flags & peer_flags::CAUGHT_UP != 0
        };
        assert!(caught_up(near, &mut cluster), "{caught_up_entries}");
        assert!(!caught_up(far, &mut cluster), "{caught_up_entries}");
    }
}
