//! Leadership handed over.

use crate::lone::{acknowledge, beats, campaign, drain};
use kit::{Cluster, Disk, config, events};
use raftcore::{ChangeKind, Error, EventKind, Flags, Reason, Role};

fn cluster() -> Cluster {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster
}

fn ended(cluster: &mut Cluster, id: u64) -> Vec<Reason> {
    events(cluster.node(id)).into_iter().filter(|e| e.kind == EventKind::TransferEnded).map(|e| e.reason).collect()
}

#[test]
fn leadership_goes_where_it_is_sent() {
    let mut cluster = cluster();
    cluster.node(1).transfer(3).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(3).status().role, Role::Leader);
    assert_eq!(cluster.node(1).status().leader, 3);
}

#[test]
fn a_follower_passes_the_wish_on() {
    for to in [2, 3] {
        let mut cluster = cluster();
        cluster.node(2).transfer(to).unwrap();
        cluster.settle();
        assert_eq!(cluster.node(to).status().role, Role::Leader);
    }
}

#[test]
fn a_follower_can_not_choose_and_without_a_leader_there_is_nobody_to_ask() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    assert_eq!(cluster.node(2).transfer(3), Err(Error::NoLeader));
    assert_eq!(cluster.node(2).transfer(0), Err(Error::NoLeader));
    cluster.elect(1);
    assert_eq!(cluster.node(2).transfer(0), Err(Error::NoPeer));
    assert!(cluster.node(2).error_detail().contains("name the target"));
    cluster.settle();
    assert_eq!(cluster.node(1).status().role, Role::Leader);
}

#[test]
fn without_a_name_the_furthest_voter_that_is_alive_gets_it() {
    let mut cluster = cluster();
    cluster.isolate(2);
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    cluster.node(1).transfer(0).unwrap();
    assert_eq!(cluster.node(1).status().transferee, 3);
}

#[test]
fn a_voter_that_was_not_heard_for_an_election_timeout_gets_nothing() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    campaign(&mut node, &[3]);
    beats(&mut node, 3);
    let mut twin = node.try_clone().unwrap();
    twin.transfer(0).unwrap();
    assert_eq!(twin.status().transferee, 3, "node 2 was never heard");
    // Now node 2 has the longer log, and is silent until the quorum is checked.
    acknowledge(&mut node, 2, 2);
    for _ in 0..node.config().election_ticks {
        beats(&mut node, 3);
        node.tick(1).unwrap();
        drain(&mut node);
    }
    beats(&mut node, 3);
    node.transfer(0).unwrap();
    assert_eq!(node.status().transferee, 3);
}

/// The check of the quorum forgets who was active; the peers that were heard a moment ago are alive.
#[test]
fn a_successor_is_found_in_every_tick() {
    let mut cluster = cluster();
    for tick in 0..40 {
        cluster.tick(1);
        let mut twin = cluster.node(1).try_clone().unwrap();
        assert_eq!(twin.transfer(0), Ok(()), "tick {tick}: {}", twin.error_detail());
    }
    // Right after the check, before any answer: the tick without a delivery.
    for _ in 0..12 {
        cluster.node(1).tick(1).unwrap();
        let mut twin = cluster.node(1).try_clone().unwrap();
        assert_eq!(twin.transfer(0), Ok(()), "{}", twin.error_detail());
        cluster.settle();
    }
}

#[test]
fn proposals_are_refused_meanwhile_and_the_deadline_ends_it() {
    let mut cluster = cluster();
    cluster.isolate(2);
    cluster.node(1).transfer(2).unwrap();
    assert_eq!(cluster.node(1).propose(b"x", 5), Err(Error::NoLeader));
    cluster.tick(10);
    assert_eq!(cluster.node(1).status().transferee, 0);
    assert_eq!(ended(&mut cluster, 1), [Reason::TransferDeadline]);
    cluster.node(1).propose(b"x", 5).unwrap();
}

#[test]
fn it_can_be_called_off_and_another_target_takes_its_place() {
    let mut cluster = cluster();
    cluster.isolate(2);
    cluster.node(1).transfer(2).unwrap();
    cluster.node(1).abort_transfer().unwrap();
    assert_eq!(cluster.node(1).abort_transfer(), Err(Error::State));
    cluster.node(1).transfer(2).unwrap();
    cluster.node(1).transfer(3).unwrap();
    assert_eq!(ended(&mut cluster, 1), [Reason::TransferAborted, Reason::TransferAborted]);
    cluster.settle();
    assert_eq!(cluster.node(3).status().role, Role::Leader);
}

#[test]
fn who_cannot_lead_is_no_target() {
    let mut cluster = cluster();
    cluster.add(4, Disk::default());
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    for to in [1, 4, 9] {
        assert_eq!(cluster.node(1).transfer(to), Err(Error::NoPeer), "to {to}");
    }
}

#[test]
fn it_ends_when_its_target_is_removed() {
    let mut cluster = cluster();
    cluster.isolate(3);
    let change = [raftcore::Change { kind: ChangeKind::RemoveNode, id: 3 }];
    cluster.node(1).propose_conf(&change, raftcore::ChangeEncoding::V1, b"", 0).unwrap();
    cluster.node(1).transfer(3).unwrap();
    cluster.settle();
    assert_eq!(ended(&mut cluster, 1), [Reason::TransfereeGone]);
    assert_eq!(cluster.node(1).status().role, Role::Leader);
}

fn order_of_a_longer_log() -> raftcore::proto::Message {
    let order = kit::message(raftcore::MessageKind::TimeoutNow, 1, 2, 1);
    raftcore::proto::Message { index: 100, log_term: 1, ..order }
}

#[test]
fn without_the_fence_an_order_is_an_order() {
    let mut cluster = cluster();
    kit::step(cluster.node(2), &order_of_a_longer_log()).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(2).status().role, Role::Leader);
}

#[test]
fn a_fenced_target_does_not_believe_an_old_order() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let mut c = config(id);
        c.flags = c.flags.with(Flags::TRANSFER_FENCE, true);
        c
    });
    cluster.elect(1);
    kit::step(cluster.node(2), &order_of_a_longer_log()).unwrap();
    assert_eq!(cluster.node(2).status().role, Role::Follower);
    assert!(events(cluster.node(2)).iter().any(|e| e.reason == Reason::TransferFence));
    cluster.node(1).transfer(2).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(2).status().role, Role::Leader);
}
