//! Elections and leadership.

use crate::{MODES, boot, depose, drain, group, in_mode, of_kind, said, take, vote, with_flag};
use kit::{Cluster, Disk, append, config, entry, events, message, snapshot, step};
use raftcore::{ChangeKind, Config, Error, EventKind, Flags, MessageKind, Reason, Role, StorageMode};

/// A follower whose election timeout has passed without a word of the leader, so that it may vote.
fn lonely(config: &Config) -> raftcore::Node {
    let mut node = boot(config, &[1, 2, 3]);
    node.set_election_timeout(1000).unwrap();
    node
}

#[test]
fn e01_a_short_log_at_a_high_term_and_long_logs_at_a_low_one_elect() {
    // 1 raised its term alone before pre-vote was switched on; the others' logs are longer.
    let only_pre_vote = |c: &mut Config| c.flags = c.flags.with(Flags::CHECK_QUORUM, false);
    let mut cluster = group(&[1, 2, 3], only_pre_vote);
    cluster.elect(2);
    cluster.isolate(1);
    cluster.node(2).propose(b"x", 0).unwrap();
    cluster.settle();
    let mut disk = cluster.hosts[&1].disk.clone();
    disk.state.term = 9;
    cluster.add(1, disk);
    cluster.heal();
    cluster.isolate(2);

    cluster.tick(100);

    assert_eq!(cluster.leader(), Some(3));
    let mut node = cluster.hosts.remove(&3).unwrap().node;
    let term = node.status().term;
    step(&mut node, &vote(MessageKind::PreVote, 1, 3, term - 1, (9, 9))).unwrap();
    let sent = drain(&mut node);
    let answers = of_kind(&sent, MessageKind::PreVoteResp);
    assert!(answers.iter().any(|m| m.reject && m.term == term), "an older term's pre-vote is not answered");
}

#[test]
fn e02_two_nodes_elect_though_both_knew_the_leader_that_died() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);

    cluster.node(2).campaign().unwrap();
    assert_eq!(cluster.node(2).status().leader, 0, "a pre-candidate still follows");
    for _ in 0..100 {
        cluster.tick(1);
    }

    assert!(matches!(cluster.leader(), Some(2 | 3)));
}

#[test]
fn e03_a_refused_pre_vote_at_a_higher_term_is_adopted() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    node.campaign().unwrap();
    drain(&mut node);
    let mut m = message(MessageKind::PreVoteResp, 2, 1, 7);
    m.reject = true;

    step(&mut node, &m).unwrap();

    assert_eq!((node.status().term, node.status().role), (7, Role::Follower));
}

#[test]
fn e04_a_late_pre_vote_is_no_vote_and_asking_loses_none() {
    let mut node = lonely(&config(1));
    step(&mut node, &vote(MessageKind::Vote, 2, 1, 4, (1, 1))).unwrap();
    drain(&mut node);
    assert_eq!((node.status().term, node.status().vote), (4, 2));

    node.campaign().unwrap();
    assert_eq!((node.status().role, node.status().term, node.status().vote), (Role::PreCandidate, 4, 2));
    drain(&mut node);
    step(&mut node, &message(MessageKind::PreVoteResp, 3, 1, 5)).unwrap();
    assert_eq!((node.status().role, node.status().term), (Role::Candidate, 5));
    step(&mut node, &message(MessageKind::PreVoteResp, 2, 1, 5)).unwrap();
    step(&mut node, &message(MessageKind::PreVoteResp, 3, 1, 5)).unwrap();

    assert_eq!(node.status().role, Role::Candidate, "elected by pre-votes");
    assert!(said(&mut node, EventKind::Ignored, Reason::LateVote));
}

#[test]
fn e05_a_transfer_is_not_refused_by_the_rules_of_pre_vote() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.node(1).transfer(2).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(2).status().role, Role::Leader);

    // A granted pre-vote is no contact with a leader.
    let mut node = lonely(&config(1));
    node.tick(15).unwrap();
    step(&mut node, &vote(MessageKind::PreVote, 2, 1, 5, (1, 1))).unwrap();
    let sent = drain(&mut node);
    assert!(!of_kind(&sent, MessageKind::PreVoteResp)[0].reject);
    assert_eq!(node.status().election_elapsed, 15);
}

#[test]
fn e06_a_vote_outlives_the_step_down_at_its_term() {
    let mut node = boot(&with_flag(1, Flags::PRE_VOTE, false), &[1, 2, 3]);
    node.campaign().unwrap();
    drain(&mut node);
    step(&mut node, &append(2, 1, 1, (1, 1), vec![], 1)).unwrap();
    assert_eq!((node.status().role, node.status().vote), (Role::Follower, 1));

    node.forget_leader().unwrap();
    step(&mut node, &vote(MessageKind::Vote, 3, 1, 1, (9, 1))).unwrap();

    let sent = drain(&mut node);
    assert!(of_kind(&sent, MessageKind::VoteResp)[0].reject);
}

#[test]
fn e07_term_and_vote_are_one_unit_and_durable_before_the_answer() {
    for mode in MODES {
        let mut node = lonely(&in_mode(1, mode));
        step(&mut node, &vote(MessageKind::Vote, 2, 1, 4, (1, 1))).unwrap();

        let ready = node.ready().unwrap().unwrap();
        let state = ready.hard_state().unwrap();
        assert_eq!((state.term, state.vote), (4, 2), "{mode:?}");
        assert!(ready.must_sync(), "{mode:?}");
        let mut grants = ready.messages().filter(|m| m.kind() == MessageKind::VoteResp);
        assert!(grants.all(|m| m.after()), "{mode:?}");
    }
    // The next life knows.
    let disk = Disk { state: raftcore::HardState { term: 4, vote: 2, commit: 1 }, ..Disk::founder(&[1, 2, 3]) };
    let mut node = disk.boot(&config(1));
    step(&mut node, &vote(MessageKind::Vote, 3, 1, 4, (9, 4))).unwrap();
    assert!(drain(&mut node)[0].reject);
}

#[test]
fn e08_nobody_leads_before_its_own_vote_is_durable() {
    let config = Config { storage: StorageMode::Async, ..with_flag(1, Flags::PRE_VOTE, false) };
    for voters in [&[1][..], &[1, 2]] {
        let mut node = boot(&config, voters);
        node.campaign().unwrap();
        let (number, messages) = take(&mut node).unwrap();
        assert!(messages.iter().all(|shown| shown.after));
        if voters.len() == 2 {
            step(&mut node, &message(MessageKind::VoteResp, 2, 1, 1)).unwrap();
        }
        assert_eq!(node.status().role, Role::Candidate, "{voters:?}");

        node.persisted(number).unwrap();

        assert_eq!(node.status().role, Role::Leader, "{voters:?}");
    }
}

#[test]
fn e09_a_removed_node_that_campaigns_raises_nobodys_term() {
    for pre_vote in [true, false] {
        let mut cluster = group(&[1, 2, 3], move |c| c.flags = c.flags.with(Flags::PRE_VOTE, pre_vote));
        cluster.elect(1);
        cluster.isolate(3);
        cluster.change(1, &[(ChangeKind::RemoveNode, 3)]).unwrap();
        cluster.heal();

        cluster.tick(100);

        assert_eq!(cluster.leader(), Some(1));
        for id in [1, 2] {
            assert_eq!((cluster.node(id).status().term, cluster.node(id).status().leader), (1, 1), "{pre_vote}");
        }
    }
}

#[test]
fn e10_a_learner_never_leads_but_answers_when_asked() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.add(4, Disk::default());
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    cluster.tick(5);
    let learner = cluster.node(4);
    assert_eq!(learner.conf().unwrap().conf.learners, [4]);

    step(learner, &message(MessageKind::TimeoutNow, 1, 4, 1)).unwrap();
    learner.campaign().unwrap();
    learner.tick(100).unwrap();
    assert_eq!((learner.status().role, learner.status().term), (Role::Follower, 1));

    learner.forget_leader().unwrap();
    step(learner, &vote(MessageKind::Vote, 2, 4, 9, (99, 1))).unwrap();
    let sent = drain(learner);
    assert!(of_kind(&sent, MessageKind::VoteResp).iter().any(|m| !m.reject && m.term == 9));
}

#[test]
fn e11_the_newest_commit_travels_with_votes() {
    let config = with_flag(1, Flags::COMMIT_IN_VOTES, true);
    let mut node = lonely(&config);
    step(&mut node, &append(3, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 1)).unwrap();
    drain(&mut node);
    node.forget_leader().unwrap();
    let mut m = vote(MessageKind::PreVote, 2, 1, 2, (1, 1));
    (m.commit, m.reject_hint) = (2, 1);

    step(&mut node, &m).unwrap();

    assert_eq!(node.status().commit, 2, "the candidate lacks the entry, but knows that it is committed");
    let sent = drain(&mut node);
    let answer = of_kind(&sent, MessageKind::PreVoteResp)[0];
    assert!(answer.reject);
    assert_eq!((answer.commit, answer.reject_hint), (2, 1));
}

#[test]
fn e12_nobody_campaigns_over_an_unapplied_change_or_a_snapshot_on_its_way() {
    let change = {
        use prost::Message as _;
        raftcore::proto::ConfChange { r#type: 3, node_id: 4, ..Default::default() }.encode_to_vec()
    };
    for commit in [1, 2] {
        let mut node = boot(&config(1), &[1, 2, 3]);
        let e = raftcore::proto::Entry { r#type: 1, ..entry(1, 2, &change) };
        step(&mut node, &append(2, 1, 1, (1, 1), vec![e], commit)).unwrap();
        node.campaign().unwrap();
        let refused = said(&mut node, EventKind::CampaignRefused, Reason::ChangeUnapplied);
        assert_eq!((refused, node.status().role == Role::PreCandidate), (commit == 2, commit == 1));
        if commit == 2 {
            drain(&mut node);
            node.campaign().unwrap();
            assert_eq!(node.status().role, Role::PreCandidate, "it is applied");
        }
    }

    let mut node = boot(&config(1), &[1, 2, 3]);
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
    step(&mut node, &m).unwrap();
    node.campaign().unwrap();
    assert!(said(&mut node, EventKind::CampaignRefused, Reason::NotPromotable));
    drain(&mut node);
    node.campaign().unwrap();
    assert_eq!(node.status().role, Role::PreCandidate, "it is durable");
}

#[test]
fn e13_a_favourite_that_is_dead_or_lags_stops_nobody() {
    for lags in [false, true] {
        let mut cluster = group(&[1, 2, 3], |c| c.priority = i32::from(c.id == 3) * 10);
        cluster.elect(1);
        if lags {
            cluster.isolate(3);
            cluster.node(1).propose(b"x", 0).unwrap();
            cluster.settle();
        }
        cluster.hosts.remove(&1);
        cluster.heal();
        cluster.node(3).forget_leader().unwrap();

        for _ in 0..200 {
            // A favourite with an equal log that objects, but does not come forward itself.
            if !lags {
                cluster.node(3).set_election_timeout(10_000).unwrap();
            }
            cluster.tick(1);
        }

        assert_eq!(cluster.leader(), Some(2), "{lags}");
    }
}

#[test]
fn e14_a_second_leader_in_a_term_is_refused_loudly() {
    let mut follower = boot(&config(1), &[1, 2, 3]);
    step(&mut follower, &append(2, 1, 5, (1, 1), vec![], 1)).unwrap();
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    let leader = cluster.hosts.remove(&1).unwrap().node;

    for mut node in [follower, leader] {
        let term = node.status().term;
        events(&mut node);
        let before = node.digest(true);
        let mut snap = message(MessageKind::Snap, 3, 1, term);
        snap.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
        for m in [append(3, 1, term, (1, 1), vec![], 1), message(MessageKind::Heartbeat, 3, 1, term), snap] {
            assert_eq!(step(&mut node, &m), Err(Error::Implausible));
            assert!(said(&mut node, EventKind::Alarm, Reason::SecondLeader));
        }
        assert_eq!(node.digest(true), before);
    }
}

#[test]
fn e15_a_sole_voter_that_waits_for_its_disk_campaigns_again() {
    for mode in [StorageMode::Async, StorageMode::Messages] {
        let mut node = boot(&in_mode(1, mode), &[1]);
        for _ in 0..3 {
            node.campaign().unwrap();
            take(&mut node);
            node.tick(20).unwrap();
        }
        assert_ne!(node.status().role, Role::Leader, "{mode:?}: nothing is durable");
        assert!(!node.is_poisoned());
    }
}

#[test]
fn e16_a_term_near_the_end_is_refused() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let before = node.digest(true);
    for term in [u64::MAX, u64::MAX - 1, raftcore::MAX_POSITION, 1 << 33] {
        for kind in [MessageKind::Heartbeat, MessageKind::Vote, MessageKind::PreVote, MessageKind::TimeoutNow] {
            assert_eq!(step(&mut node, &message(kind, 2, 1, term)), Err(Error::Implausible), "{kind:?} {term}");
        }
    }
    assert_eq!(node.digest(true), before);

    let state = raftcore::HardState { term: raftcore::MAX_POSITION - 1, vote: 0, commit: 1 };
    let mut node = Disk { state, ..Disk::founder(&[1]) }.boot(&config(1));
    node.campaign().unwrap();
    node.tick(100).unwrap();
    assert_eq!((node.status().role, node.status().term), (Role::Follower, state.term));
}

#[test]
fn e17_an_order_to_campaign_that_is_late_or_of_a_longer_log_is_ignored() {
    let config = with_flag(1, Flags::TRANSFER_FENCE, true);
    let follower = || {
        let mut node = boot(&config, &[1, 2, 3]);
        step(&mut node, &append(2, 1, 3, (1, 1), vec![entry(3, 2, b"x")], 1)).unwrap();
        drain(&mut node);
        node
    };
    let order = |from, term, last: (u64, u64)| vote(MessageKind::TimeoutNow, from, 1, term, last);

    for (m, campaigns) in [
        (order(2, 3, (2, 3)), true),
        (order(2, 3, (3, 3)), false),
        (order(3, 3, (2, 3)), false),
        (order(2, 2, (2, 2)), false),
    ] {
        let mut node = follower();
        step(&mut node, &m).unwrap();
        assert_eq!(node.status().role == Role::Candidate, campaigns, "{m:?}");
    }
}

#[test]
fn e18_a_lease_outlives_no_restart_of_those_who_granted_it() {
    let lease = |id| with_flag(id, Flags::LEASE_READS, true);
    let mut node = boot(&lease(1), &[1, 2, 3]);
    node.set_election_timeout(1000).unwrap();
    for tick in 0..10 {
        step(&mut node, &vote(MessageKind::Vote, 2, 1, 5, (1, 1))).unwrap();
        assert_eq!(node.status().vote, 0, "tick {tick}");
        node.tick(1).unwrap();
    }
    step(&mut node, &vote(MessageKind::Vote, 2, 1, 5, (1, 1))).unwrap();
    assert_eq!(node.status().vote, 2);

    // A change that makes a quorum of those who granted nothing: no answer before they did.
    let mut cluster = group(&[1, 2], |c| {
        (c.flags, c.vote_fence_ticks) = (c.flags.with(Flags::LEASE_READS, true), 0);
    });
    cluster.elect(1);
    cluster.tick(2);
    cluster.change(1, &[(ChangeKind::AddNode, 3), (ChangeKind::AddNode, 4), (ChangeKind::AddNode, 5)]).unwrap();
    cluster.add(3, Disk::default());
    cluster.tick(3);
    assert!(cluster.node(1).conf().unwrap().conf.voters.len() == 5, "2 and 3 carry it");
    cluster.isolate(1);
    cluster.tick(9);
    cluster.node(1).read_index(7).unwrap();
    cluster.settle();
    assert!(cluster.heard(1).reads.is_empty());
}

#[test]
fn e19_logs_are_compared_by_term_first_and_only_voters_count() {
    let grants = |last: (u64, u64)| {
        let mut node = lonely(&config(1));
        let entries = vec![entry(2, 2, b""), entry(2, 3, b""), entry(3, 4, b"")];
        step(&mut node, &append(3, 1, 3, (1, 1), entries, 1)).unwrap();
        node.forget_leader().unwrap();
        drain(&mut node);
        step(&mut node, &vote(MessageKind::Vote, 2, 1, 9, last)).unwrap();
        let sent = drain(&mut node);
        !of_kind(&sent, MessageKind::VoteResp)[0].reject
    };
    assert!(!grants((99, 2)), "a longer log of an older term");
    assert!(!grants((3, 3)));
    assert!(grants((4, 3)));
    assert!(grants((2, 4)), "a shorter log of a newer term");

    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    cluster.change(1, &[(ChangeKind::AddLearner, 5)]).unwrap();
    depose(&mut cluster, 1, 2);
    cluster.heal();
    cluster.tick(2);
    let node = cluster.node(3);
    node.forget_leader().unwrap();
    node.campaign().unwrap();
    let term = node.status().term;
    drain(node);
    for id in [4, 5] {
        step(node, &message(MessageKind::PreVoteResp, id, 3, term + 1)).unwrap();
    }
    assert_eq!(node.status().role, Role::PreCandidate, "elected by learners");
    assert_eq!(step(node, &message(MessageKind::PreVoteResp, 9, 3, term + 1)), Err(Error::NoPeer));
}
