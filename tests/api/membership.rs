//! Changes of the configuration.

use crate::kit::{Cluster, Disk, config, events};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Error, EventKind, Flags, Node, Reason, Role, Transition, peer_flags,
};

const ADD: ChangeKind = ChangeKind::AddNode;
const LEARN: ChangeKind = ChangeKind::AddLearner;
const REMOVE: ChangeKind = ChangeKind::RemoveNode;

fn cluster() -> Cluster {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster
}

fn propose(node: &mut Node, changes: &[(ChangeKind, u64)], encoding: ChangeEncoding) -> Result<(), Error> {
    let changes: Vec<Change> = changes.iter().map(|&(kind, id)| Change { kind, id }).collect();
    node.propose_conf(&changes, encoding, b"where", 0)
}

fn voters(cluster: &mut Cluster, id: u64) -> Vec<u64> {
    cluster.node(id).conf().unwrap().conf.voters.to_vec()
}

#[test]
fn a_single_step_in_either_encoding_is_in_force_everywhere() {
    let mut cluster = cluster();
    cluster.add(4, Disk::default());
    cluster.add(5, Disk::default());
    propose(cluster.node(1), &[(ADD, 4)], ChangeEncoding::V1).unwrap();
    cluster.settle();
    propose(cluster.node(1), &[(LEARN, 5)], ChangeEncoding::V2(Transition::Auto)).unwrap();
    cluster.tick(4);
    for id in 1..=5 {
        assert_eq!(voters(&mut cluster, id), [1, 2, 3, 4]);
        assert_eq!(cluster.node(id).conf().unwrap().conf.learners, [5]);
    }
}

#[test]
fn a_joint_change_is_left_by_itself_or_when_asked() {
    for (transition, by_itself) in
        [(Transition::Auto, true), (Transition::JointImplicit, true), (Transition::JointExplicit, false)]
    {
        let mut cluster = cluster();
        cluster.add(4, Disk::default());
        propose(cluster.node(1), &[(ADD, 4), (REMOVE, 3)], ChangeEncoding::V2(transition)).unwrap();
        cluster.tick(4);
        let joint = !cluster.node(1).conf().unwrap().conf.voters_outgoing.is_empty();
        assert_eq!(joint, !by_itself, "{transition:?}");
        if joint {
            assert_eq!(propose(cluster.node(1), &[(ADD, 5)], ChangeEncoding::V1), Err(Error::Conf));
            propose(cluster.node(1), &[], ChangeEncoding::V2(Transition::Auto)).unwrap();
            cluster.tick(2);
        }
        assert_eq!(voters(&mut cluster, 1), [1, 2, 4]);
        assert!(cluster.node(1).conf().unwrap().conf.voters_outgoing.is_empty());
    }
}

#[test]
fn a_demoted_voter_becomes_a_learner_when_the_joint_configuration_is_left() {
    let mut cluster = cluster();
    propose(cluster.node(1), &[(LEARN, 3)], ChangeEncoding::V2(Transition::JointExplicit)).unwrap();
    cluster.settle();
    let conf = cluster.node(1).conf().unwrap();
    assert_eq!((conf.conf.learners, conf.conf.learners_next), (&[][..], &[3][..]));
    propose(cluster.node(1), &[], ChangeEncoding::V2(Transition::Auto)).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(1).conf().unwrap().conf.learners, [3]);
    let flags = cluster.node(1).peers().find(|peer| peer.id == 3).map(|peer| peer.flags);
    assert_eq!(flags.unwrap() & (peer_flags::LEARNER | peer_flags::VOTER), peer_flags::LEARNER);
}

#[test]
fn whoever_leads_leaves_the_joint_configuration_after_a_change_of_leader() {
    let mut cluster = cluster();
    cluster.add(4, Disk::default());
    propose(cluster.node(1), &[(ADD, 4), (REMOVE, 3)], ChangeEncoding::V2(Transition::JointImplicit)).unwrap();
    // The entry reaches the others; its proposer is cut off before the commit and the leave.
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    sent.iter().for_each(|m| cluster.deliver(m));
    cluster.isolate(1);
    cluster.settle();
    for id in [2, 3] {
        cluster.node(id).forget_leader().unwrap();
    }
    cluster.restart(2);
    cluster.elect(2);
    cluster.tick(4);
    assert_eq!(voters(&mut cluster, 2), [1, 2, 4]);
    assert!(cluster.node(2).conf().unwrap().conf.voters_outgoing.is_empty());
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_and_leaves_nothing_behind() {
    let mut cluster = cluster();
    let all = [(REMOVE, 1), (REMOVE, 2), (REMOVE, 3)];
    type Case<'a> = (&'a [(ChangeKind, u64)], ChangeEncoding, Error, &'a str);
    let cases: [Case<'_>; 4] = [
        (&all, ChangeEncoding::V2(Transition::Auto), Error::Conf, "removed all voters"),
        (&[], ChangeEncoding::V2(Transition::Auto), Error::Conf, "not joint"),
        (&[(ADD, 0)], ChangeEncoding::V1, Error::Arg, "reserved"),
        (&[(ADD, 4), (ADD, 5)], ChangeEncoding::V1, Error::Arg, "exactly one"),
    ];
    for (changes, encoding, error, why) in cases {
        let before = cluster.node(1).digest(true);
        assert_eq!(propose(cluster.node(1), changes, encoding), Err(error));
        assert!(cluster.node(1).error_detail().contains(why), "{}", cluster.node(1).error_detail());
        assert_eq!(cluster.node(1).digest(true), before);
    }
    propose(cluster.node(1), &[(LEARN, 4)], ChangeEncoding::V1).unwrap();
    assert_eq!(propose(cluster.node(1), &[(LEARN, 5)], ChangeEncoding::V1), Err(Error::ConfBusy));
    assert!(cluster.node(1).error_detail().contains("not applied yet"));
    cluster.settle();
    propose(cluster.node(1), &[(LEARN, 5)], ChangeEncoding::V1).unwrap();
}

#[test]
fn with_etcds_choice_a_refused_change_is_an_empty_entry() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let mut c = config(id);
        c.flags = c.flags.with(Flags::REFUSED_CONF_AS_EMPTY, true);
        c
    });
    cluster.elect(1);
    let before = cluster.node(1).status().last_index;
    propose(cluster.node(1), &[], ChangeEncoding::V2(Transition::Auto)).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(1).status().commit, before + 1);
    assert_eq!(voters(&mut cluster, 1), [1, 2, 3]);
}

#[test]
fn a_removed_leader_goes_once_the_others_know() {
    let mut cluster = Cluster::plain(&[1, 2]);
    cluster.elect(1);
    propose(cluster.node(1), &[(REMOVE, 1)], ChangeEncoding::V1).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(1).status().role, Role::Follower);
    assert!(events(cluster.node(1)).iter().any(|e| e.reason == Reason::Removed));
    cluster.isolate(1);
    cluster.tick(30);
    assert_eq!(cluster.node(2).status().role, Role::Leader, "the one that is left needs nobody's vote");
}

#[test]
fn a_removed_leader_that_may_not_stay_nominates_a_successor() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let mut c = config(id);
        c.flags = c.flags.with(Flags::NOMINATE_SUCCESSOR, true);
        c
    });
    cluster.elect(1);
    propose(cluster.node(1), &[(REMOVE, 1)], ChangeEncoding::V1).unwrap();
    cluster.settle();
    assert!(matches!(cluster.leader(), Some(2 | 3)), "without any tick");
}

#[test]
fn with_etcds_choice_a_removed_leader_leads_on() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let mut c = config(id);
        c.flags = c.flags.with(Flags::STAY_WHEN_REMOVED, true);
        c
    });
    cluster.elect(1);
    propose(cluster.node(1), &[(REMOVE, 1)], ChangeEncoding::V1).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(1).status().role, Role::Leader);
}

#[test]
fn the_context_of_a_change_comes_out_where_it_is_applied() {
    let mut node = Disk::founder(&[1]).boot(&config(1));
    node.campaign().unwrap();
    let mut context = Vec::new();
    for round in 0..8 {
        if round == 4 {
            propose(&mut node, &[(LEARN, 7)], ChangeEncoding::V1).unwrap();
        }
        let Some(ready) = node.ready().unwrap() else { continue };
        let number = ready.number();
        let changes: Vec<_> = ready
            .committed()
            .filter(|e| e.kind.is_change())
            .map(|e| (e.index, e.term, e.kind, e.data.to_vec()))
            .collect();
        for (index, term, kind, data) in changes {
            assert_eq!(node.advance(number), Err(Error::State), "not before the change is applied");
            let entry = raftcore::EntryRef { term, index, kind, data: &data, token: 0 };
            context = node.apply_conf(entry).unwrap().context.to_vec();
            assert_eq!(node.apply_conf(entry).map(|_| ()), Err(Error::Stale));
        }
        node.advance(number).unwrap();
    }
    assert_eq!(context, b"where");
}

#[test]
fn a_skipped_change_changes_nothing() {
    let mut node = Disk::founder(&[1]).boot(&config(1));
    node.campaign().unwrap();
    for round in 0..8 {
        if round == 4 {
            propose(&mut node, &[(LEARN, 7)], ChangeEncoding::V1).unwrap();
        }
        let Some(ready) = node.ready().unwrap() else { continue };
        let number = ready.number();
        let changes: Vec<u64> = ready.committed().filter(|e| e.kind.is_change()).map(|e| e.index).collect();
        changes.iter().for_each(|&index| _ = node.skip_conf(index).unwrap());
        node.advance(number).unwrap();
    }
    assert!(node.conf().unwrap().conf.learners.is_empty());
    assert!(events(&mut node).iter().any(|e| e.kind == EventKind::ConfSkipped));
    propose(&mut node, &[(LEARN, 8)], ChangeEncoding::V1).unwrap();
}

#[test]
fn a_lost_quorum_is_left_by_an_edited_configuration() {
    let mut cluster = cluster();
    cluster.node(1).propose(b"kept", 0).unwrap();
    cluster.settle();
    let mut disk = cluster.hosts.remove(&2).unwrap().disk;
    disk.conf = Disk::founder(&[2]).conf;
    let mut alone = Cluster::plain(&[]);
    alone.add(2, disk);
    alone.tick(30);
    assert_eq!(alone.node(2).status().role, Role::Leader);
    assert_eq!(alone.hosts[&2].disk.data, [b"kept"]);
}
