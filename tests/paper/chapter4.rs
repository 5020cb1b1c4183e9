//! Chapter 4 of the dissertation: changes of membership. A configuration is in force here once it is applied, as in etcd's raft, not
//! once it is in the log; what chapter 4 says of the latter is asserted of the former.

use crate::{Server, acks, asks, only, plain, sends, turn};
use kit::{Cluster, Disk, config};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, Error, Flags, MessageKind, Role, Transition, peer_flags, proto,
};

const ADD: ChangeKind = ChangeKind::AddNode;
const REMOVE: ChangeKind = ChangeKind::RemoveNode;
const LEARN: ChangeKind = ChangeKind::AddLearner;

fn cluster(ids: &[u64]) -> Cluster {
    let mut cluster = Cluster::new(ids, config);
    cluster.elect(ids[0]);
    cluster
}

fn propose(cluster: &mut Cluster, id: u64, list: &[(ChangeKind, u64)], transition: Transition) -> Result<(), Error> {
    let changes: Vec<Change> = list.iter().map(|&(kind, id)| Change { kind, id }).collect();
    cluster.node(id).propose_conf(&changes, ChangeEncoding::V2(transition), b"", 0)
}

/// Incoming voters, outgoing voters, learners.
fn sets(cluster: &mut Cluster, id: u64) -> (Vec<u64>, Vec<u64>, Vec<u64>) {
    let conf = cluster.node(id).conf().unwrap().conf;
    (conf.voters.to_vec(), conf.voters_outgoing.to_vec(), conf.learners.to_vec())
}

fn commits(cluster: &mut Cluster, id: u64, data: &[u8]) -> bool {
    cluster.node(id).propose(data, 0).unwrap();
    cluster.settle();
    cluster.hosts[&id].disk.data.last().is_some_and(|last| last == data)
}

// ---- 4.1: safety

#[test]
fn d4_1_a_one_change_at_a_time() {
    let mut cluster = cluster(&[1, 2, 3]);
    propose(&mut cluster, 1, &[(LEARN, 4)], Transition::Auto).unwrap();
    assert_eq!(propose(&mut cluster, 1, &[(LEARN, 5)], Transition::Auto), Err(Error::ConfBusy));
    cluster.settle();
    propose(&mut cluster, 1, &[(LEARN, 5)], Transition::Auto).unwrap();
    cluster.settle();
    assert_eq!(sets(&mut cluster, 1).2, [4, 5]);
}

#[test]
fn d4_1_b_one_voter_changes_in_a_step_more_only_through_the_joint_configuration() {
    for (list, joint) in [(&[(ADD, 4)][..], false), (&[(REMOVE, 3)], false), (&[(ADD, 4), (REMOVE, 3)], true)] {
        let mut cluster = cluster(&[1, 2, 3]);
        propose(&mut cluster, 1, list, Transition::Auto).unwrap();
        let mut seen = false;
        for _ in 0..10 {
            turn(&mut cluster);
            seen |= !sets(&mut cluster, 1).1.is_empty();
        }
        assert_eq!(seen, joint, "{list:?}");
    }
}

#[test]
fn d4_1_c_a_configuration_is_in_force_where_it_is_applied() {
    let mut cluster = cluster(&[1, 2, 3]);
    propose(&mut cluster, 1, &[(ADD, 4)], Transition::Auto).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    assert!(cluster.hosts[&1].disk.log.values().any(|e| e.kind.is_change()), "it is in the log");
    assert_eq!(sets(&mut cluster, 1).0, [1, 2, 3], "and not in force yet");
    // The old configuration commits it: 2 alone is enough beside the leader.
    sent.iter().filter(|m| m.to == 2).for_each(|m| cluster.deliver(m));
    cluster.cut = vec![(1, 3)];
    cluster.settle();
    assert_eq!(sets(&mut cluster, 1).0, [1, 2, 3, 4]);
    assert_eq!(sets(&mut cluster, 3).0, [1, 2, 3], "3 has not applied it");

    // From then on three of four are needed.
    assert!(!commits(&mut cluster, 1, b"two of four"));
    cluster.heal();
    cluster.tick(2);
    assert_eq!(cluster.hosts[&1].disk.data, [b"two of four"]);
}

#[test]
fn d4_1_d_a_change_that_is_overwritten_leaves_the_configuration_before_it() {
    let mut cluster = cluster(&[1, 2, 3]);
    cluster.isolate(1);
    propose(&mut cluster, 1, &[(REMOVE, 2)], Transition::Auto).unwrap();
    cluster.settle();
    cluster.elect_beside(1, 2);
    assert!(commits(&mut cluster, 2, b"over it"));
    cluster.heal();
    cluster.tick(5);
    for id in 1..=3 {
        assert_eq!(sets(&mut cluster, id).0, [1, 2, 3], "at {id}");
    }
    assert!(cluster.hosts[&1].disk.log.values().all(|e| !e.kind.is_change()));
}

#[test]
fn d4_1_e_a_leader_and_a_candidate_outside_the_own_configuration_are_answered() {
    let mut server = Server::new(1, 0, &[1]);
    let m = proto::Message { from: 9, ..sends(2, (1, 1), &[2], 1) };
    let answer = only(&server.hears(m), MessageKind::AppResp);
    assert!(!answer.reject && answer.to == 9);
    assert_eq!(server.log(), [1, 2]);

    let answer = only(&server.hears(asks(MessageKind::Vote, 8, 3, (2, 2))), MessageKind::VoteResp);
    assert!(!answer.reject && answer.to == 8);
}

#[test]
fn d4_1_f_no_change_before_the_leader_has_committed_in_its_term() {
    // A change of the leader before may be in the log: its successor waits until all that it found is applied.
    let mut server = Server::leader(&[1, 1]);
    let node = &mut server.0.node;
    let change = [Change { kind: LEARN, id: 4 }];
    assert_eq!(node.propose_conf(&change, ChangeEncoding::V1, b"", 0), Err(Error::ConfBusy));
    server.hears(acks(2, 2, 2));
    assert_eq!(server.status().commit, 1);
    let node = &mut server.0.node;
    assert_eq!(node.propose_conf(&change, ChangeEncoding::V1, b"", 0), Err(Error::ConfBusy));
    server.hears(acks(2, 2, 3));
    server.0.node.propose_conf(&change, ChangeEncoding::V1, b"", 0).unwrap();
}

#[test]
fn d4_f1_a_a_server_that_does_not_lead_refuses_a_change_or_passes_it_on() {
    for (forwards, expected) in [(false, Err(Error::NotLeader)), (true, Ok(()))] {
        let mut cluster = Cluster::new(&[1, 2, 3], move |id| {
            let config = config(id);
            Config { flags: config.flags.with(Flags::FORWARDING, forwards), ..config }
        });
        assert_eq!(propose(&mut cluster, 2, &[(LEARN, 4)], Transition::Auto), Err(Error::NoLeader), "nobody leads");
        cluster.elect(1);
        assert_eq!(propose(&mut cluster, 2, &[(LEARN, 4)], Transition::Auto), expected);
        cluster.settle();
        assert_eq!(sets(&mut cluster, 1).2.len(), usize::from(forwards));
    }
}

// ---- 4.2: availability

#[test]
fn d4_2_1_a_a_new_server_gets_the_log_without_a_vote() {
    let mut cluster = cluster(&[1, 2]);
    assert!(commits(&mut cluster, 1, b"before it"));
    cluster.add(3, Disk::default());
    propose(&mut cluster, 1, &[(LEARN, 3)], Transition::Auto).unwrap();
    cluster.settle();
    cluster.tick(3);
    assert_eq!(cluster.hosts[&3].disk.data, [b"before it"]);

    // It counts neither for commitment nor in elections.
    cluster.isolate(2);
    assert!(!commits(&mut cluster, 1, b"one of two"));
    assert!(cluster.hosts[&3].disk.log.values().any(|e| e.data == b"one of two"), "though it has the entry");
    cluster.isolate(1);
    cluster.heal();
    cluster.isolate(1);
    cluster.node(3).campaign().unwrap();
    cluster.node(2).forget_leader().unwrap();
    cluster.tick(100);
    assert_eq!(cluster.node(3).status().role, Role::Follower);
    assert_ne!(cluster.node(2).status().role, Role::Leader, "elected by a learner's vote");
}

#[test]
fn d4_2_1_b_it_becomes_a_voter_once_it_has_caught_up() {
    let mut cluster = cluster(&[1, 2, 3]);
    for _ in 0..200 {
        assert!(commits(&mut cluster, 1, b"x"));
    }
    let caught_up = |cluster: &mut Cluster| {
        let peer = cluster.node(1).peers().find(|peer| peer.id == 4).unwrap();
        peer.flags & peer_flags::CAUGHT_UP != 0
    };
    propose(&mut cluster, 1, &[(LEARN, 4)], Transition::Auto).unwrap();
    cluster.settle();
    assert!(!caught_up(&mut cluster), "it is not even there");
    cluster.add(4, Disk::default());
    cluster.tick(5);
    assert!(caught_up(&mut cluster));

    propose(&mut cluster, 1, &[(ADD, 4)], Transition::Auto).unwrap();
    cluster.settle();
    assert_eq!(sets(&mut cluster, 1), (vec![1, 2, 3, 4], vec![], vec![]));
    cluster.isolate(3);
    assert!(commits(&mut cluster, 1, b"three of four"));
}

#[test]
fn d4_2_2_a_a_removed_leader_steps_down_once_the_change_is_known() {
    let mut cluster = cluster(&[1, 2, 3]);
    propose(&mut cluster, 1, &[(REMOVE, 1)], Transition::Auto).unwrap();
    assert_eq!(cluster.node(1).status().role, Role::Leader, "the change is not committed yet");
    cluster.tick(3);
    assert_eq!(cluster.node(1).status().role, Role::Follower);
    for id in [2, 3] {
        assert_eq!(sets(&mut cluster, id).0, [2, 3]);
    }
    cluster.tick(60);
    let leader = cluster.leader().unwrap();
    assert!(leader != 1 && commits(&mut cluster, leader, b"without it"));
}

#[test]
fn d4_2_2_b_a_leader_that_is_being_removed_does_not_count_itself() {
    // Its removal is applied at 1; to end its leadership, two of 2, 3 and 4 must know, and its own copy is not one of them.
    let mut cluster = cluster(&[1, 2, 3, 4]);
    cluster.cut = vec![(1, 4)];
    propose(&mut cluster, 1, &[(REMOVE, 1)], Transition::Auto).unwrap();
    cluster.hosts.get_mut(&1).unwrap().work().iter().for_each(|m| cluster.deliver(m));
    for id in [2, 3] {
        cluster.hosts.get_mut(&id).unwrap().work().iter().for_each(|m| cluster.deliver(m));
    }
    cluster.hosts.get_mut(&1).unwrap().work();
    assert_eq!(sets(&mut cluster, 1).0, [2, 3, 4]);
    assert_eq!(cluster.node(1).propose(b"x", 0), Err(Error::NoLeader), "it takes nothing that only others commit");
    assert_eq!(cluster.node(1).status().role, Role::Leader, "none of the others has heard that it is committed");

    // One of three is told, and answers: with the leader itself that would be two.
    cluster.cut = vec![(1, 3), (1, 4)];
    let beats = |cluster: &mut Cluster| {
        cluster.node(1).tick(1).unwrap();
        turn(cluster);
        turn(cluster);
    };
    beats(&mut cluster);
    beats(&mut cluster);
    assert_eq!(sets(&mut cluster, 2).0, [2, 3, 4]);
    assert_eq!(cluster.node(1).status().role, Role::Leader);
    cluster.cut = vec![(1, 4)];
    cluster.settle();
    cluster.tick(2);
    assert_eq!(cluster.node(1).status().role, Role::Follower);
}

#[test]
fn d4_2_2_a_or_it_hands_leadership_over_first() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let config = config(id);
        Config { flags: config.flags.with(Flags::NOMINATE_SUCCESSOR, true), ..config }
    });
    cluster.elect(1);
    propose(&mut cluster, 1, &[(REMOVE, 1)], Transition::Auto).unwrap();
    cluster.tick(3);
    assert!(matches!(cluster.leader(), Some(2 | 3)), "without an election timeout");
}

#[test]
fn d4_2_3_a_no_term_is_raised_for_an_election_that_cannot_be_won() {
    let mut cluster = cluster(&[1, 2, 3]);
    let term = cluster.node(1).status().term;
    cluster.isolate(3);
    cluster.tick(200);
    assert_eq!((cluster.node(3).status().role, cluster.node(3).status().term), (Role::PreCandidate, term));
    cluster.heal();
    cluster.tick(3);
    assert_eq!((cluster.leader(), cluster.node(3).status().term), (Some(1), term), "its return disturbs nobody");

    // A log that is behind gets no pre-vote, and nothing changes at who refuses.
    let mut server = Server::with(&config(1), 5, 0, &[1, 5]);
    let answer = only(&server.hears(asks(MessageKind::PreVote, 2, 6, (1, 1))), MessageKind::PreVoteResp);
    assert!(answer.reject);
    let answer = only(&server.hears(asks(MessageKind::PreVote, 2, 6, (2, 5))), MessageKind::PreVoteResp);
    assert!(!answer.reject);
    assert_eq!((server.term(), server.status().vote), (5, 0));
}

#[test]
fn d4_2_3_b_whoever_hears_a_leader_neither_votes_nor_takes_the_term() {
    for kind in [MessageKind::Vote, MessageKind::PreVote] {
        let mut server = Server::with(&config(1), 1, 0, &[1]);
        server.hears(sends(1, (1, 1), &[1], 1));
        server.ticks(9);
        assert!(server.hears(asks(kind, 3, 9, (9, 8))).is_empty(), "{kind:?}");
        assert_eq!((server.term(), server.status().vote, server.status().leader), (1, 0, 2));
    }

    // One election timeout without a word, and it votes.
    let mut server = Server::with(&config(1), 1, 0, &[1]);
    server.0.node.set_election_timeout(1000).unwrap();
    server.hears(sends(1, (1, 1), &[1], 1));
    server.0.node.set_election_timeout(1000).unwrap();
    server.ticks(10);
    let answer = only(&server.hears(asks(MessageKind::Vote, 3, 9, (9, 8))), MessageKind::VoteResp);
    assert!(!answer.reject);
}

#[test]
fn d4_2_3_b_a_removed_server_deposes_nobody() {
    let mut cluster = cluster(&[1, 2, 3, 4]);
    cluster.cut = vec![(1, 4), (2, 4), (3, 4)];
    propose(&mut cluster, 1, &[(REMOVE, 4)], Transition::Auto).unwrap();
    cluster.settle();
    assert_eq!(sets(&mut cluster, 1).0, [1, 2, 3]);
    let term = cluster.node(1).status().term;
    // 4 hears nothing, does not know, and campaigns without PreVote, as often as it can.
    let mut disk = cluster.hosts[&4].disk.clone();
    disk.state.term += 10;
    let node = disk.boot(&plain(4));
    cluster.hosts.get_mut(&4).unwrap().node = node;

    cluster.tick(200);

    assert!(cluster.node(4).status().term > term + 10);
    assert_eq!((leader_of(&cluster, &[1, 2, 3]), cluster.node(1).status().term), (Some(1), term));
}

fn leader_of(cluster: &Cluster, ids: &[u64]) -> Option<u64> {
    ids.iter().copied().find(|id| cluster.hosts[id].node.status().role == Role::Leader)
}

#[test]
fn d4_2_3_c_a_transfer_is_not_refused_for_the_living_leader() {
    let mut cluster = cluster(&[1, 2, 3]);
    let term = cluster.node(1).status().term;
    cluster.node(1).transfer(2).unwrap();
    cluster.settle();
    assert_eq!((cluster.leader(), cluster.node(2).status().term), (Some(2), term + 1));
}

#[test]
fn d4_2_4_a_a_leader_can_be_elected_at_each_point_of_a_change() {
    for list in [&[(ADD, 4)][..], &[(REMOVE, 3)], &[(ADD, 4), (REMOVE, 2)]] {
        for point in 0..8 {
            let mut cluster = cluster(&[1, 2, 3]);
            cluster.add(4, Disk::default());
            propose(&mut cluster, 1, list, Transition::Auto).unwrap();
            (0..point).for_each(|_| turn(&mut cluster));
            cluster.network.clear();
            // The leader is lost for as long as an election takes.
            cluster.isolate(1);
            cluster.tick(100);
            cluster.heal();
            cluster.tick(100);

            let leader = cluster.leader().unwrap_or_else(|| panic!("{list:?}: no leader after point {point}"));
            assert!(commits(&mut cluster, leader, b"goes on"), "{list:?} {point}");
        }
    }
}

#[test]
fn d4_2_4_b_requests_are_committed_all_the_while() {
    let mut cluster = cluster(&[1, 2, 3]);
    cluster.add(4, Disk::default());
    let before = cluster.node(1).status().commit;
    propose(&mut cluster, 1, &[(ADD, 4), (REMOVE, 3)], Transition::Auto).unwrap();
    for round in 0..10u64 {
        cluster.node(1).propose(b"x", round + 1).unwrap();
        turn(&mut cluster);
    }
    cluster.settle();
    cluster.tick(2);
    let tokens: Vec<u64> = cluster.heard(1).committed.iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, (1..=10).collect::<Vec<u64>>());
    assert!(cluster.node(1).status().commit >= before + 12, "ten, the change, and leaving it");
    assert_eq!(sets(&mut cluster, 1), (vec![1, 2, 4], vec![], vec![]));
}

// ---- 4.3: joint consensus

/// 1, 2, 3 become 1, 4, 5; the group is in between, led by 1.
fn joint() -> Cluster {
    let mut cluster = cluster(&[1, 2, 3]);
    cluster.add(4, Disk::default());
    cluster.add(5, Disk::default());
    propose(&mut cluster, 1, &[(LEARN, 4), (LEARN, 5)], Transition::JointExplicit).unwrap();
    cluster.settle();
    propose(&mut cluster, 1, &[], Transition::Auto).unwrap();
    cluster.settle();
    cluster.tick(3);
    let list = [(ADD, 4), (ADD, 5), (REMOVE, 2), (REMOVE, 3)];
    propose(&mut cluster, 1, &list, Transition::JointExplicit).unwrap();
    cluster.settle();
    cluster.tick(3);
    assert_eq!(sets(&mut cluster, 1), (vec![1, 4, 5], vec![1, 2, 3], vec![]));
    cluster
}

#[test]
fn d4_3_a_entries_go_to_all_and_commit_with_a_majority_of_each_half() {
    let mut cluster = joint();
    assert!(commits(&mut cluster, 1, b"all"));
    cluster.tick(1);
    for id in 1..=5 {
        assert_eq!(cluster.hosts[&id].disk.data.last().unwrap(), b"all", "at {id}");
    }
    for (cut, committed) in [([2, 3], false), ([4, 5], false), ([2, 4], true)] {
        let mut cluster = joint();
        cut.iter().for_each(|&id| cluster.isolate(id));
        assert_eq!(commits(&mut cluster, 1, b"x"), committed, "without {cut:?}");
    }
}

#[test]
fn d4_3_b_elections_take_a_majority_of_each_half() {
    for (voters, elected) in [(&[2, 3, 4][..], false), (&[4, 5, 2], false), (&[2, 3, 4, 5], true)] {
        let mut cluster = joint();
        (1..=5).filter(|id| !voters.contains(id)).for_each(|id| cluster.isolate(id));
        voters.iter().for_each(|&id| cluster.node(id).forget_leader().unwrap());
        cluster.node(voters[0]).campaign().unwrap();
        cluster.settle();
        assert_eq!(cluster.node(voters[0]).status().role == Role::Leader, elected, "{voters:?}");
    }
}

#[test]
fn d4_3_c_a_server_of_either_half_may_lead() {
    for id in [2, 4] {
        let mut cluster = joint();
        cluster.isolate(1);
        cluster.elect_beside(1, id);
        assert!(commits(&mut cluster, id, b"x"), "{id}");
    }
}

#[test]
fn d4_3_d_the_new_configuration_follows_and_the_old_half_is_not_needed_any_more() {
    let mut cluster = joint();
    propose(&mut cluster, 1, &[], Transition::Auto).unwrap();
    cluster.settle();
    assert_eq!(sets(&mut cluster, 1), (vec![1, 4, 5], vec![], vec![]));
    cluster.isolate(2);
    cluster.isolate(3);
    assert!(commits(&mut cluster, 1, b"x"));
}
