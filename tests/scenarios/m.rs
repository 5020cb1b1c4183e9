//! Membership.

use crate::{boot, depose, drain, group, said, with_flag};
use kit::{Cluster, Disk, append, config, entry, message, snapshot, step};
use prost::Message as _;
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, EntryKind, EntryRef, Error, EventKind, Flags, MessageKind, Reason,
    Role, Transition, proto,
};

const ADD: ChangeKind = ChangeKind::AddNode;
const REMOVE: ChangeKind = ChangeKind::RemoveNode;
const LEARN: ChangeKind = ChangeKind::AddLearner;

fn changes(list: &[(ChangeKind, u64)]) -> Vec<Change> {
    list.iter().map(|&(kind, id)| Change { kind, id }).collect()
}

/// Proposes and lets the group settle.
fn change(cluster: &mut Cluster, id: u64, list: &[(ChangeKind, u64)], transition: Transition) -> Result<(), Error> {
    cluster.node(id).propose_conf(&changes(list), ChangeEncoding::V2(transition), b"", 0)?;
    cluster.settle();
    Ok(())
}

/// Voters, outgoing voters, learners.
fn sets(cluster: &mut Cluster, id: u64) -> (Vec<u64>, Vec<u64>, Vec<u64>) {
    let conf = cluster.node(id).conf().unwrap().conf;
    (conf.voters.to_vec(), conf.voters_outgoing.to_vec(), conf.learners.to_vec())
}

fn v1(kind: i32, id: u64) -> Vec<u8> {
    proto::ConfChange { r#type: kind, node_id: id, ..Default::default() }.encode_to_vec()
}

#[test]
fn m01_whoever_leads_leaves_the_joint_configuration_also_after_a_restart() {
    for restart in [false, true] {
        let mut cluster = Cluster::plain(&[1, 2, 3]);
        cluster.elect(1);
        // The change is committed and applied at 1, which dies before its wish to leave is heard.
        let list = changes(&[(LEARN, 4), (LEARN, 5)]);
        let encoding = ChangeEncoding::V2(Transition::JointImplicit);
        cluster.node(1).propose_conf(&list, encoding, b"", 0).unwrap();
        for _ in 0..2 {
            for id in 1..=3 {
                let sent = cluster.hosts.get_mut(&id).unwrap().work();
                sent.iter().for_each(|m| cluster.deliver(m));
            }
        }
        cluster.isolate(1);
        if restart {
            (2..=3).for_each(|id| cluster.restart(id));
        }

        cluster.tick(100);

        for id in 2..=3 {
            assert_eq!(sets(&mut cluster, id), (vec![1, 2, 3], vec![], vec![4, 5]), "restart: {restart}");
        }
    }
}

#[test]
fn m02_leaving_twice_or_without_being_joint_is_refused() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    assert_eq!(change(&mut cluster, 1, &[], Transition::Auto), Err(Error::Conf));
    change(&mut cluster, 1, &[(LEARN, 4)], Transition::JointExplicit).unwrap();
    assert_eq!(sets(&mut cluster, 1).1, [1, 2, 3]);
    assert_eq!(change(&mut cluster, 1, &[(LEARN, 5)], Transition::Auto), Err(Error::Conf));

    change(&mut cluster, 1, &[], Transition::Auto).unwrap();

    assert_eq!(change(&mut cluster, 1, &[], Transition::Auto), Err(Error::Conf));
    assert_eq!(sets(&mut cluster, 1), (vec![1, 2, 3], vec![], vec![4]));
}

#[test]
fn m03_a_change_that_leaves_no_voter_is_refused() {
    let mut cluster = Cluster::plain(&[1, 2]);
    cluster.elect(1);
    let last = cluster.node(1).status().last_index;
    for list in [&[(REMOVE, 1), (REMOVE, 2)][..], &[(LEARN, 1), (LEARN, 2)]] {
        assert_eq!(change(&mut cluster, 1, list, Transition::Auto), Err(Error::Conf));
    }
    assert_eq!(cluster.node(1).status().last_index, last);
    change(&mut cluster, 1, &[(REMOVE, 2)], Transition::Auto).unwrap();
    assert_eq!(change(&mut cluster, 1, &[(REMOVE, 1)], Transition::Auto), Err(Error::Conf));
}

#[test]
fn m04_a_removed_or_demoted_leader_steps_down_and_falls_silent() {
    for kind in [REMOVE, LEARN] {
        let mut cluster = Cluster::plain(&[1, 2, 3]);
        cluster.elect(1);
        change(&mut cluster, 1, &[(kind, 1)], Transition::Auto).unwrap();
        cluster.tick(3);
        assert_ne!(cluster.node(1).status().role, Role::Leader, "{kind:?}");
        let host = cluster.hosts.get_mut(&1).unwrap();
        host.node.tick(40).unwrap();
        assert!(host.work().is_empty(), "{kind:?}");
        cluster.tick(60);
        assert!(matches!(cluster.leader(), Some(2 | 3)), "{kind:?}");
    }
}

#[test]
fn m05_the_leader_of_two_can_be_removed() {
    let mut cluster = Cluster::plain(&[1, 2]);
    cluster.elect(1);
    change(&mut cluster, 1, &[(REMOVE, 1)], Transition::Auto).unwrap();
    cluster.tick(60);
    assert_eq!(cluster.leader(), Some(2));
    cluster.node(2).propose(b"alone", 0).unwrap();
    cluster.settle();
    assert_eq!(cluster.hosts[&2].disk.data, [b"alone"]);
}

#[test]
fn m06_no_change_before_an_entry_of_the_leaders_own_term_is_applied() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.node(1).propose_conf(&changes(&[(LEARN, 4)]), ChangeEncoding::V1, b"", 0).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    sent.iter().for_each(|m| cluster.deliver(m));
    depose(&mut cluster, 1, 2);
    cluster.heal();

    // A change of 1 may be in the log: another of 2's own waits for all of it.
    let mut node = boot(&config(1), &[1, 2, 3]);
    let e = proto::Entry { r#type: 1, ..entry(1, 2, &v1(3, 4)) };
    step(&mut node, &append(2, 1, 1, (1, 1), vec![e], 1)).unwrap();
    node.forget_leader().unwrap();
    node.campaign().unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::PreVoteResp, 2, 1, 2)).unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::VoteResp, 2, 1, 2)).unwrap();
    drain(&mut node);
    assert_eq!(node.status().role, Role::Leader);
    let other = changes(&[(LEARN, 5)]);
    assert_eq!(node.propose_conf(&other, ChangeEncoding::V1, b"", 0), Err(Error::ConfBusy));

    let ack = proto::Message { index: 3, ..message(MessageKind::AppResp, 2, 1, 2) };
    step(&mut node, &ack).unwrap();
    drain(&mut node);
    node.propose_conf(&other, ChangeEncoding::V1, b"", 0).unwrap();
}

#[test]
fn m07_a_new_leader_counts_the_change_in_its_log_as_pending() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.node(1).propose_conf(&changes(&[(ADD, 4)]), ChangeEncoding::V1, b"", 0).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    sent.iter().for_each(|m| cluster.deliver(m));
    cluster.hosts.get_mut(&2).unwrap().work();
    cluster.heal();
    cluster.isolate(1);
    cluster.node(3).forget_leader().unwrap();
    cluster.node(2).forget_leader().unwrap();
    cluster.node(2).campaign().unwrap();
    for _ in 0..10 {
        if cluster.node(2).status().role == Role::Leader {
            break;
        }
        for id in 2..=3 {
            let sent = cluster.hosts.get_mut(&id).unwrap().work();
            sent.iter().for_each(|m| cluster.deliver(m));
        }
    }
    assert_eq!(cluster.node(2).status().role, Role::Leader);

    let other = changes(&[(REMOVE, 3)]);
    assert_eq!(cluster.node(2).propose_conf(&other, ChangeEncoding::V1, b"", 0), Err(Error::ConfBusy));
    cluster.settle();
    assert_eq!(sets(&mut cluster, 2).0, [1, 2, 3, 4], "the change of the old leader is in force");
}

#[test]
fn m08_a_change_that_is_overwritten_was_never_in_force() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    change(&mut cluster, 1, &[(LEARN, 2), (ADD, 4)], Transition::Auto).unwrap();
    assert_eq!(sets(&mut cluster, 1), (vec![1, 2, 3], vec![], vec![]));
    depose(&mut cluster, 1, 2);
    cluster.node(2).propose(b"over it", 0).unwrap();
    cluster.settle();
    cluster.heal();
    cluster.tick(5);

    assert_eq!(sets(&mut cluster, 1), (vec![1, 2, 3], vec![], vec![]));
    assert!(!cluster.node(1).peers().any(|peer| peer.id == 4));
    change(&mut cluster, 2, &[(LEARN, 5)], Transition::Auto).unwrap();
    assert_eq!(sets(&mut cluster, 1).2, [5]);
}

#[test]
fn m09_a_snapshot_makes_a_voter_a_learner_and_starts_a_new_one() {
    let conf = |voters: &[u64], learners: &[u64]| {
        let mut m = message(MessageKind::Snap, 2, 1, 1);
        let mut snapshot = snapshot(10, 1, voters, b"");
        snapshot.metadata.as_mut().unwrap().conf_state.as_mut().unwrap().learners = learners.to_vec();
        m.snapshot = Some(snapshot);
        m
    };
    let mut voter = boot(&config(1), &[1, 2, 3]);
    step(&mut voter, &conf(&[2, 3], &[1])).unwrap();
    drain(&mut voter);
    assert!(!voter.status().promotable);
    voter.tick(100).unwrap();
    assert_eq!(voter.status().role, Role::Follower);
    assert_eq!(voter.conf().unwrap().conf.learners, [1]);

    let mut empty = Disk::default().boot(&config(1));
    step(&mut empty, &conf(&[2, 3], &[1])).unwrap();
    drain(&mut empty);
    assert_eq!((empty.status().applied, empty.conf().unwrap().conf.learners), (10, &[1][..]));
}

#[test]
fn m10_a_refused_change_is_an_error_and_leaves_nothing_pending() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    let last = cluster.node(1).status().last_index;
    assert_eq!(change(&mut cluster, 1, &[], Transition::Auto), Err(Error::Conf));
    assert!(cluster.node(1).error_detail().contains("joint"));
    for data in [&b"\xff\xff"[..], &v1(9, 4)] {
        let mut m = message(MessageKind::Prop, 2, 1, 0);
        m.entries = vec![proto::Entry { r#type: 1, data: data.to_vec().into(), ..Default::default() }];
        assert!(step(cluster.node(1), &m).is_err());
        assert!(said(cluster.node(1), EventKind::ProposalRefused, Reason::ForwardedConf));
    }
    assert_eq!(cluster.node(1).status().last_index, last);

    change(&mut cluster, 1, &[(LEARN, 4)], Transition::Auto).unwrap();
    assert_eq!(sets(&mut cluster, 3).2, [4]);
}

#[test]
fn m11_without_validation_an_invalid_change_fails_where_it_is_applied() {
    let mut config = with_flag(1, Flags::NO_CONF_VALIDATION, true);
    config.flags = config.flags.with(Flags::PRE_VOTE, false);
    let mut node = boot(&config, &[1]);
    node.campaign().unwrap();
    drain(&mut node);
    node.propose_conf(&changes(&[(REMOVE, 1)]), ChangeEncoding::V1, b"", 0).unwrap();
    let (entry, number) = loop {
        let ready = node.ready().unwrap().unwrap();
        let number = ready.number();
        if let Some(e) = ready.committed().find(|e| e.kind.is_change()) {
            break ((e.index, e.term, e.kind, e.data.to_vec()), number);
        }
        node.advance(number).unwrap();
    };
    let (index, term, kind, data) = entry;

    let e = EntryRef { term, index, kind, data: &data, ..EntryRef::default() };
    assert_eq!(node.apply_conf(e).err(), Some(Error::Conf));
    assert_eq!(node.advance(number), Err(Error::State), "it goes on as if nothing had happened");
    assert!(!node.is_poisoned());
    assert_eq!(node.conf().unwrap().conf.voters, [1]);
    node.skip_conf(index).unwrap();
    node.advance(number).unwrap();
}

#[test]
fn m12_a_demotion_passes_through_the_joint_configuration_as_a_voter() {
    // The one that is demoted leads, or alone has the newest log besides the leader.
    for demoted in [1, 2] {
        let mut cluster = Cluster::plain(&[1, 2, 3]);
        cluster.elect(1);
        cluster.isolate(3);
        cluster.node(1).propose(b"x", 0).unwrap();
        cluster.settle();
        change(&mut cluster, 1, &[(LEARN, demoted), (ADD, 4)], Transition::JointExplicit).unwrap();
        let conf = cluster.node(1).conf().unwrap().conf;
        assert_eq!(conf.learners_next, [demoted]);
        assert!(conf.voters_outgoing.contains(&demoted));
        assert_eq!(cluster.node(1).status().role, Role::Leader, "it still votes");
        cluster.heal();
        cluster.add(4, Disk::default());
        cluster.tick(5);

        change(&mut cluster, 1, &[], Transition::Auto).unwrap();
        cluster.tick(60);

        let leader = cluster.leader().unwrap();
        assert_ne!(leader, demoted);
        assert_eq!(sets(&mut cluster, leader).2, [demoted]);
        assert_eq!(cluster.hosts[&demoted].disk.data, [b"x"]);
    }
}

#[test]
fn m13_a_removed_id_comes_back_with_an_empty_log() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    for i in 0..5u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
        cluster.settle();
    }
    change(&mut cluster, 1, &[(REMOVE, 3)], Transition::Auto).unwrap();
    cluster.hosts.remove(&3);
    cluster.node(1).propose(b"without", 0).unwrap();
    cluster.settle();
    cluster.add(3, Disk::default());

    change(&mut cluster, 1, &[(ADD, 3)], Transition::Auto).unwrap();
    cluster.tick(10);

    assert_eq!(cluster.hosts[&3].disk.data, cluster.hosts[&1].disk.data);
    assert_eq!(sets(&mut cluster, 3).0, [1, 2, 3]);
    let peer = cluster.node(1).peers().find(|peer| peer.id == 3).unwrap();
    assert_eq!(peer.match_index, cluster.node(1).status().last_index);
}

#[test]
fn m14_unknown_kinds_reserved_ids_and_doubles_are_errors() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    let auto = ChangeEncoding::V2(Transition::Auto);
    for id in [0, u64::MAX, u64::MAX - 15] {
        assert_eq!(cluster.node(1).propose_conf(&changes(&[(ADD, id)]), auto, b"", 0), Err(Error::Arg), "{id}");
    }
    assert_eq!(
        cluster.node(1).propose_conf(&changes(&[(ADD, 4), (ADD, 5)]), ChangeEncoding::V1, b"", 0),
        Err(Error::Arg)
    );
    for kind in [4, 99, -1] {
        let mut m = message(MessageKind::Prop, 2, 1, 0);
        m.entries = vec![proto::Entry { r#type: 1, data: v1(kind, 4).into(), ..Default::default() }];
        assert!(step(cluster.node(1), &m).is_err(), "{kind}");
    }
    let before = cluster.node(1).conf().unwrap().bytes.to_vec();
    // An id in both sets of a snapshot.
    let mut node = boot(&config(1), &[1, 2, 3]);
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 2], b""));
    assert_eq!(step(&mut node, &m), Err(Error::Implausible));
    assert_eq!(cluster.node(1).conf().unwrap().bytes, before);
}

#[test]
fn m15_only_a_change_touches_the_configuration() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.add(4, Disk::default());
    change(&mut cluster, 1, &[(LEARN, 4)], Transition::Auto).unwrap();
    cluster.tick(3);
    let expected = (vec![1, 2, 3], vec![], vec![4]);

    for (old, new) in [(1, 2), (2, 3), (3, 1)] {
        depose(&mut cluster, old, new);
        cluster.heal();
        // A payload that looks like a change.
        cluster.node(new).propose(&v1(1, 4), 0).unwrap();
        cluster.tick(3);
        for id in 1..=4 {
            assert_eq!(sets(&mut cluster, id), expected, "at {id} after the election of {new}");
        }
    }

    // Nor can a host apply what is none.
    let mut node = boot(&config(1), &[1, 2, 3]);
    step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, &v1(1, 3))], 2)).unwrap();
    let number = node.ready().unwrap().unwrap().number();
    let data = v1(1, 3);
    let e = EntryRef { term: 1, index: 2, kind: EntryKind::ConfChange, data: &data, ..EntryRef::default() };
    assert_eq!(node.apply_conf(e).err(), Some(Error::Arg));
    node.advance(number).unwrap();
    assert_eq!(node.conf().unwrap().conf.voters, [1, 2, 3]);
}

#[test]
fn m04_with_etcds_choice_a_removed_leader_goes_on() {
    let mut cluster = group(&[1, 2, 3], |c: &mut Config| c.flags = c.flags.with(Flags::STAY_WHEN_REMOVED, true));
    cluster.elect(1);
    change(&mut cluster, 1, &[(REMOVE, 1)], Transition::Auto).unwrap();
    assert_eq!(cluster.node(1).status().role, Role::Leader);
    assert_eq!(cluster.node(1).propose(b"x", 0), Err(Error::NoLeader));
}
