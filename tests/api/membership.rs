//! Changes of the configuration.

use crate::lone::{acknowledge, beats, campaign, drain, leader, peer};
use kit::{Cluster, Disk, config, entry, events, message, snapshot, step};
use raftcore::wire::ConfStateRef;
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, EntryKind, Error, EventKind, Flags, Flow, HardState, MessageKind, Node,
    Reason, Role, StorageMode, Transition, peer_flags, proto, wire,
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
            let entry = raftcore::EntryRef { term, index, kind, data: &data, ..raftcore::EntryRef::default() };
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

#[test]
fn no_change_makes_a_configuration_larger_than_is_allowed() {
    let mut node = leader(&Config { max_peers: 4, ..config(1) });
    let add = |node: &mut Node, ids: &[u64]| {
        let changes: Vec<Change> = ids.iter().map(|&id| Change { kind: ChangeKind::AddLearner, id }).collect();
        node.propose_conf(&changes, ChangeEncoding::V2(Transition::Auto), b"", 0)
    };
    assert_eq!(add(&mut node, &[4, 5]), Err(Error::Conf));
    assert!(node.error_detail().contains("max_peers is 4"), "{}", node.error_detail());
    add(&mut node, &[4]).unwrap();
}

#[test]
fn changes_are_applied_in_their_order() {
    let mut disk = Disk::founder(&[1]);
    for (index, id) in [(2, 4u64), (3, 5)] {
        let changes = [Change { kind: ChangeKind::AddLearner, id }];
        let mut data = vec![0; wire::change_v2_len(raftcore::Dialect::Raftpb, Transition::Auto, &changes, b"")];
        wire::write_change_v2(raftcore::Dialect::Raftpb, &mut data, Transition::Auto, &changes, b"");
        disk.log.insert(index, kit::Stored { term: 1, kind: EntryKind::ConfChangeV2, data, context: Vec::new() });
    }
    disk.state = HardState { term: 1, vote: 0, commit: 3 };
    let mut node = disk.boot(&config(1));
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.committed_span(), Some((2, 3)));
    let entries = disk.entries(2, 3);
    assert_eq!(node.apply_conf(entries[1]).map(|_| ()), Err(Error::Arg));
    assert!(node.error_detail().contains("index 2 comes first"), "{}", node.error_detail());
    assert_eq!(node.skip_conf(3).map(|_| ()), Err(Error::Arg));
    node.apply_conf(entries[0]).unwrap();
    node.apply_conf(entries[1]).unwrap();
    assert_eq!(node.apply_conf(entries[0]).map(|_| ()), Err(Error::Stale));
}

#[test]
fn who_is_silent_is_not_near_enough_to_be_promoted() {
    let mut node = leader(&config(1));
    let near = |node: &Node| peer(node, 3).flags & (peer_flags::ACTIVE | peer_flags::CAUGHT_UP);
    assert_eq!(near(&node), peer_flags::ACTIVE | peer_flags::CAUGHT_UP);
    for _ in 0..config(1).election_ticks {
        node.tick(1).unwrap();
        drain(&mut node);
        beats(&mut node, 2);
    }
    assert_eq!((node.status().role, peer(&node, 3).flow), (Role::Leader, Flow::Replicate));
    assert_eq!(near(&node), 0);
}

#[test]
fn an_automatic_leave_that_a_transfer_kept_back_is_tried_again() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    let changes = [Change { kind: ChangeKind::AddLearner, id: 4 }, Change { kind: ChangeKind::AddLearner, id: 5 }];
    // The change is in every log; the transfer's target is gone before its campaign.
    cluster.node(1).propose_conf(&changes, ChangeEncoding::V2(Transition::JointImplicit), b"", 0).unwrap();
    cluster.isolate(3);
    cluster.node(1).transfer(3).unwrap();
    cluster.settle();
    assert!(!cluster.node(1).conf().unwrap().conf.voters_outgoing.is_empty());

    cluster.tick(100);

    let leader = cluster.leader().unwrap();
    assert!(cluster.node(leader).conf().unwrap().conf.voters_outgoing.is_empty(), "still joint");
}

fn disk(conf: &ConfStateRef<'_>) -> Disk {
    let mut bytes = vec![0; wire::conf_state_len(conf)];
    wire::write_conf_state(&mut bytes, conf);
    Disk { conf: bytes, ..Disk::founder(&[1]) }
}

#[test]
fn a_joint_configuration_elects_and_commits_with_both_halves_until_the_entry_that_leaves_it_is_applied() {
    let conf = ConfStateRef { voters: &[1, 4, 5], voters_outgoing: &[1, 2, 3], auto_leave: true, ..Default::default() };
    let mut node = disk(&conf).boot(&config(1));

    campaign(&mut node, &[4, 5]);
    assert_ne!(node.status().role, Role::Leader, "the incoming half alone elected it");
    campaign(&mut node, &[4, 5, 2]);
    assert_eq!(node.status().role, Role::Leader);

    let first = node.status().last_index;
    acknowledge(&mut node, 4, first);
    acknowledge(&mut node, 5, first);
    assert_eq!(node.status().commit, 1, "the incoming half alone committed");
    acknowledge(&mut node, 2, first);
    assert_eq!(node.status().commit, first);

    drain(&mut node);
    let leave = node.status().last_index;
    assert_eq!(leave, first + 1, "the wish to leave is proposed");
    acknowledge(&mut node, 4, leave);
    acknowledge(&mut node, 5, leave);
    assert_eq!(node.status().commit, first, "it decides as if it had left already");
    acknowledge(&mut node, 2, leave);
    assert_eq!(node.status().commit, leave);
}

#[test]
fn what_a_learner_has_is_not_committed_by_it() {
    let conf = ConfStateRef { voters: &[1, 2, 3], learners: &[4], ..Default::default() };
    let mut node = disk(&conf).boot(&config(1));
    campaign(&mut node, &[2]);

    acknowledge(&mut node, 4, 2);
    assert_eq!(node.status().commit, 1);
    acknowledge(&mut node, 2, 2);
    assert_eq!(node.status().commit, 2);
}

#[test]
fn a_change_that_a_limit_refused_leaves_no_mark() {
    let mut node = leader(&Config { max_tokens: 1, ..config(1) });
    node.propose(b"x", 7).unwrap();
    let change = [Change { kind: ChangeKind::AddLearner, id: 4 }];
    let encoding = ChangeEncoding::V2(Transition::Auto);
    assert_eq!(node.propose_conf(&change, encoding, b"", 8), Err(Error::Full));

    assert_eq!(node.propose_conf(&change, encoding, b"", 0), Ok(()));
}

#[test]
fn a_member_that_one_change_removes_and_adds_again_is_a_stranger() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.add(4, Disk::default());
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    cluster.tick(2);
    assert!(peer(cluster.node(1), 4).match_index > 0);

    // Answers of node 4 get lost, so the leader knows only the rest after the change.
    cluster.isolate(4);
    cluster.change(1, &[(ChangeKind::RemoveNode, 4), (ChangeKind::AddLearner, 4)]).unwrap();

    let stranger = peer(cluster.node(1), 4);
    assert_eq!((stranger.match_index, stranger.flow), (0, Flow::Probe));
}

#[test]
fn a_forwarded_change_that_is_refused_gives_no_entry_up() {
    let small = |id| Config { recent_bytes: 16 << 10, block_bytes: 4 << 10, ..config(id) };
    let mut cluster = Cluster::new(&[1, 2, 3], small);
    cluster.elect(1);
    for _ in 0..5 {
        cluster.node(1).propose(&[1; 3000], 0).unwrap();
        cluster.settle();
    }
    let node = cluster.node(1);
    let mut bad = entry(0, 0, b"\xff");
    bad.r#type = 1;
    let mut m = message(MessageKind::Prop, 2, 1, 0);
    m.entries = vec![entry(0, 0, &[1; 3000]), bad];
    let before = node.digest(true);

    assert!(step(node, &m).is_err());

    assert_eq!(node.digest(true), before, "recent_first is {} now", node.status().recent_first);
}

/// The flag is for readable changes.
#[test]
fn a_change_that_no_one_can_read_never_becomes_an_empty_entry() {
    let flags = config(1).flags.with(Flags::REFUSED_CONF_AS_EMPTY, true);
    let mut node = leader(&Config { flags, ..config(1) });
    let last = node.status().last_index;
    let bad = proto::Entry { r#type: 1, ..entry(0, 0, b"\xff") };
    let m = proto::Message { entries: vec![bad], ..message(MessageKind::Prop, 2, 1, 0) };
    assert_eq!(step(&mut node, &m), Err(Error::Decode));
    assert_eq!(node.status().last_index, last);
}

#[test]
fn with_changes_apart_applied_passes_a_change_and_any_change_can_be_applied() {
    let mut node = leader(&config(1));
    assert_eq!(node.apply_change(EntryKind::ConfChange, &[0x08, 1, 0x10, 1, 0x18, 4]).map(|_| ()), Err(Error::State));
    let flags = config(1).flags.with(Flags::CONF_APART, true);
    let mut node = leader(&Config { flags, ..config(1) });
    let add = [Change { kind: ChangeKind::AddLearner, id: 4 }];
    node.propose_conf(&add, ChangeEncoding::V1, b"", 5).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 3);
    drain(&mut node);
    assert_eq!((node.status().applied, node.status().n_peers), (3, 3), "passed, and not in force");
    let applied = node.apply_change(EntryKind::ConfChange, &[0x08, 9, 0x10, 3, 0x18, 5]).unwrap();
    assert_eq!((applied.index, applied.conf.learners), (0, &[5][..]), "another one than was committed");
    assert_eq!(node.status().n_peers, 4);
    assert_eq!(node.apply_change(EntryKind::ConfChange, b"\xff").map(|_| ()), Err(Error::Decode));
    node.propose_conf(&add, ChangeEncoding::V1, b"", 6).unwrap();
}

/// Found by lock-step: by messages, the snapshot was stored with the configuration in force.
#[test]
fn a_change_apart_leaves_a_snapshot_that_is_not_stored_yet_as_it_came() {
    for storage in [StorageMode::Sync, StorageMode::Async, StorageMode::Messages] {
        let mut c = config(1);
        c.preset_etcd();
        let mut node = Disk::founder(&[1, 2, 3]).boot(&Config { storage, ..c });
        let snapshot = Some(snapshot(9, 1, &[1, 2, 3], b"state"));
        step(&mut node, &proto::Message { snapshot, ..message(MessageKind::Snap, 2, 1, 1) }).unwrap();
        node.apply_change(EntryKind::ConfChange, &[0x18, 4]).unwrap();
        assert_eq!(node.status().n_peers, 4, "in force");

        let ready = node.ready().unwrap().unwrap();
        let voters = |conf: &[u8]| wire::parse_conf_state(conf).unwrap().voters().collect::<Vec<_>>();
        assert_eq!(voters(ready.snapshot().unwrap().conf), [1, 2, 3], "{storage:?}");
        for m in ready.messages().filter(|m| m.kind() == MessageKind::StorageAppend) {
            let mut bytes = Vec::new();
            m.write_to(&mut bytes);
            let to_store = wire::parse_message(&bytes).unwrap().snapshot.unwrap();
            assert_eq!((voters(to_store.conf.bytes()), to_store.data), (vec![1, 2, 3], &b"state"[..]));
        }
    }
}
