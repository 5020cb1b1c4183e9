//! The dialect of raft-rs: contexts, priorities, changes, requested snapshots, commit groups.

use crate::lone::{acknowledge, alone, beats, drain, lead};
use kit::{Cluster, Disk, Heard, config, entry, events, message, step};
use prost::Message as _;
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, Dialect, EntryId, EntryKind, EntryRef, Error, EventKind, FetchKind,
    Flags, MessageKind, Missing, Node, Reason, Role, Transition, proto, wire,
};

fn eraftpb(id: u64) -> Config {
    Config { dialect: Dialect::Eraftpb, ..config(id) }
}

fn group() -> Cluster {
    let mut cluster = Cluster::new(&[1, 2, 3], eraftpb);
    cluster.elect(1);
    cluster
}

/// Returns the contexts of the log on a disk.
fn contexts(disk: &Disk) -> Vec<Vec<u8>> {
    disk.log.values().map(|stored| stored.context.clone()).filter(|context| !context.is_empty()).collect()
}

#[test]
fn a_context_stays_with_its_entry_on_every_disk_and_over_a_restart() {
    let mut cluster = group();
    cluster.node(1).propose_with_context(EntryKind::Normal, b"who", b"data", 7).unwrap();
    cluster.node(1).propose_with_context(EntryKind::Normal, b"alone", b"", 8).unwrap();
    cluster.node(1).propose_with_context(EntryKind::Normal, b"", b"plain", 9).unwrap();
    cluster.node(1).propose(b"between", 10).unwrap();
    cluster.settle();
    cluster.tick(1);
    for id in 1..=3 {
        assert_eq!(contexts(&cluster.hosts[&id].disk), [b"who".to_vec(), b"alone".to_vec()], "{id}");
        assert_eq!(cluster.hosts[&id].disk.data, [b"data".to_vec(), b"plain".to_vec(), b"between".to_vec()]);
    }
    assert_eq!(cluster.heard(1).committed.iter().map(|&(token, _)| token).collect::<Vec<_>>(), [7, 8, 9, 10]);

    // A member that lags gets the entries from the recent log; one whose log is gone, from a supply.
    cluster.isolate(3);
    cluster.node(1).propose_with_context(EntryKind::Normal, b"late", b"more", 0).unwrap();
    cluster.settle();
    cluster.restart(1);
    cluster.heal();
    cluster.tick(30);
    assert!(cluster.leader().is_some());
    for id in 1..=3 {
        assert_eq!(contexts(&cluster.hosts[&id].disk), [b"who".to_vec(), b"alone".to_vec(), b"late".to_vec()]);
    }
}

#[test]
fn a_context_is_refused_in_raftpb_wherever_it_comes_from() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    let node = cluster.node(1);
    assert_eq!(node.propose_with_context(EntryKind::Normal, b"c", b"d", 0), Err(Error::Unsupported));
    assert!(node.error_detail().contains("eraftpb"), "{}", node.error_detail());

    let mut node = Node::new(&config(1)).unwrap();
    node.boot_conf(&wire::ConfStateRef { voters: &[1], ..Default::default() }, 1, EntryId { term: 1, index: 1 })
        .unwrap();
    let one = EntryRef { term: 1, index: 2, data: b"d", context: b"c", ..EntryRef::default() };
    assert_eq!(node.boot_entries(std::iter::once(one)), Err(Error::Corrupt));

    // A peer's append is taken without the context, as etcd's raft would store it.
    let mut m = message(MessageKind::App, 1, 2, 1);
    (m.index, m.log_term) = (1, 1);
    m.entries = vec![proto::Entry { context: b"c".to_vec().into(), ..entry(1, 2, b"d") }];
    let mut follower = Disk::founder(&[1, 2, 3]).boot(&config(2));
    step(&mut follower, &m).unwrap();
    let ready = follower.ready().unwrap().unwrap();
    assert_eq!(ready.entries().map(|e| (e.data, e.context)).collect::<Vec<_>>(), [(&b"d"[..], &b""[..])]);
}

#[test]
fn a_forwarded_proposal_keeps_its_context_and_comes_back_unknown() {
    let forwards = |id| Config { flags: config(id).flags.with(Flags::FORWARDING, true), ..eraftpb(id) };
    let mut cluster = Cluster::new(&[1, 2, 3], forwards);
    cluster.elect(1);
    cluster.node(2).propose_with_context(EntryKind::Normal, b"from 2", b"data", 5).unwrap();
    cluster.settle();
    cluster.tick(1);
    assert_eq!(contexts(&cluster.hosts[&3].disk), [b"from 2".to_vec()]);
    assert_eq!(cluster.heard(2).dropped, [(5, raftcore::DropKind::Unknown, Reason::Forwarded)]);
}

#[test]
fn limits_count_the_context_and_nothing_is_lost_by_a_refusal() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| Config { max_entry_bytes: 100, ..eraftpb(id) });
    cluster.elect(1);
    let node = cluster.node(1);
    assert_eq!(node.propose_with_context(EntryKind::Normal, &[1; 60], &[2; 60], 1), Err(Error::TooLarge));
    node.propose_with_context(EntryKind::Normal, &[1; 30], &[2; 30], 2).unwrap();
    assert_eq!(node.propose_with_context(EntryKind::ConfChange, b"c", b"\xff", 3), Err(Error::Decode));
    let change = [0x10, 0, 0x18, 4];
    node.propose_with_context(EntryKind::ConfChange, b"c", &change, 4).unwrap();
    assert_eq!(node.propose_with_context(EntryKind::ConfChange, b"c", &change, 5), Err(Error::ConfBusy));
    cluster.add(4, Disk::default());
    cluster.settle();
    assert_eq!(cluster.node(1).conf().unwrap().conf.voters, [1, 2, 3, 4]);
    let Heard { committed, dropped, .. } = cluster.heard(1).clone();
    assert_eq!(committed.iter().map(|&(token, _)| token).collect::<Vec<_>>(), [2, 4]);
    assert!(dropped.is_empty());
}

#[test]
fn each_limit_of_proposals_holds_for_those_with_a_context() {
    let mut node = alone(&Config { max_entry_bytes: 100, max_tokens: 2, max_uncommitted_size: 250, ..eraftpb(1) });
    let bytes = |len: usize, token| (vec![1; len / 2], vec![2; len / 2], token);
    let propose = |node: &mut Node, (context, data, token): (Vec<u8>, Vec<u8>, u64)| {
        node.propose_with_context(EntryKind::Normal, &context, &data, token)
    };
    assert_eq!(propose(&mut node, bytes(102, 0)), Err(Error::TooLarge));
    propose(&mut node, bytes(100, 1)).unwrap();
    propose(&mut node, bytes(10, 2)).unwrap();
    assert_eq!(propose(&mut node, bytes(10, 3)), Err(Error::Full), "tokens");
    propose(&mut node, bytes(100, 0)).unwrap();
    assert_eq!(propose(&mut node, bytes(100, 0)), Err(Error::Full), "uncommitted bytes");
    assert_eq!(node.status().proposals_refused, 3);
    drain(&mut node);
    let change = [0x10, 2, 0x18, 4];
    node.propose_with_context(EntryKind::ConfChange, b"c", &change, 0).unwrap();
    assert_eq!(node.propose_with_context(EntryKind::ConfChange, b"c", &change, 0), Err(Error::ConfBusy));
}

#[test]
fn changes_have_the_numbers_of_their_dialect() {
    let mut cluster = group();
    cluster.add(4, Disk::default());
    let learner = [Change { kind: ChangeKind::AddLearner, id: 4 }];
    for encoding in [ChangeEncoding::V1, ChangeEncoding::V2(Transition::Auto)] {
        cluster.node(1).propose_conf(&learner, encoding, b"", 0).unwrap();
        cluster.settle();
        assert_eq!(cluster.node(3).conf().unwrap().conf.learners, [4]);
    }
    let changes: Vec<_> = cluster.hosts[&1].disk.log.values().filter(|stored| stored.kind.is_change()).collect();
    assert_eq!(proto::ConfChange::decode(&changes[0].data[..]).unwrap().r#type, 2);
    assert_eq!(proto::ConfChangeV2::decode(&changes[1].data[..]).unwrap().changes[0].r#type, 2);

    let update = [Change { kind: ChangeKind::UpdateNode, id: 4 }];
    let node = cluster.node(1);
    assert_eq!(node.propose_conf(&update, ChangeEncoding::V1, b"", 0), Err(Error::Unsupported));
    assert!(node.error_detail().contains("no UpdateNode"), "{}", node.error_detail());
    // The number that means a learner in raftpb means nothing here, and would end raft-rs.
    let foreign = [0x10, 3, 0x18, 4];
    assert_eq!(node.propose_entry(EntryKind::ConfChange, &foreign, 0), Err(Error::Unsupported));
    for (dialect, kind, number) in [
        (Dialect::Raftpb, ChangeKind::AddLearner, Some(3)),
        (Dialect::Raftpb, ChangeKind::UpdateNode, Some(2)),
        (Dialect::Eraftpb, ChangeKind::AddLearner, Some(2)),
        (Dialect::Eraftpb, ChangeKind::UpdateNode, None),
    ] {
        assert_eq!(kind.number(dialect), number);
        if let Some(number) = number {
            assert_eq!(ChangeKind::from_number(dialect, number), Some(kind));
        }
    }
    assert_eq!(ChangeKind::from_number(Dialect::Eraftpb, 3), None);
}

/// Returns the vote requests of a campaign, as bytes.
fn vote_requests(config: &Config) -> Vec<Vec<u8>> {
    let mut node = Disk::founder(&[1, 2]).boot(config);
    node.campaign().unwrap();
    let ready = node.ready().unwrap().unwrap();
    let to_peers = ready.messages().filter(|m| m.to() == 2);
    to_peers
        .map(|m| {
            let mut bytes = Vec::new();
            m.write_to(&mut bytes);
            bytes
        })
        .collect()
}

#[test]
fn votes_carry_priority_and_commit_term_in_the_fields_of_raft_rs() {
    let flags = config(1).flags.with(Flags::PRE_VOTE, false).with(Flags::COMMIT_IN_VOTES, true);
    let mine = Config { priority: 5, flags, ..eraftpb(1) };
    let [request] = &vote_requests(&mine)[..] else { panic!("one peer, one request") };
    let view = wire::parse_message(request).unwrap();
    assert_eq!(view.eraftpb.old_priority, Some(5), "field 14, which raft-rs reads first");
    assert_eq!((view.head.priority, view.head.commit), (5, 1));
    assert_eq!((view.eraftpb.commit_term, view.head.reject_hint), (1, 0), "field 15, not the hint");

    // Without a priority the old field is left out; a negative one has no form there.
    for priority in [0, -3] {
        let [request] = &vote_requests(&Config { priority, ..mine })[..] else { panic!("one request") };
        let view = wire::parse_message(request).unwrap();
        assert_eq!((view.eraftpb.old_priority, view.head.priority), (None, i64::from(priority)));
    }

    // raftpb has nested messages in field 14: such a request is malformed there.
    let mut other = Disk::founder(&[1, 2]).boot(&config(2));
    assert_eq!(other.step(1, request), Err(Error::Decode));
    let mut voter = Disk::founder(&[1, 2]).boot(&eraftpb(2));
    voter.step(1, request).unwrap();
    assert_eq!(voter.status().vote, 1);
}

#[test]
fn a_candidate_whose_priority_comes_in_the_old_field_alone_gets_its_vote() {
    let favourite = Config { priority: 3, ..eraftpb(2) };
    for (priority, votes) in [(2u8, false), (3, true), (9, true)] {
        let mut voter = Disk::founder(&[1, 2]).boot(&favourite);
        let request = message(MessageKind::Vote, 1, 2, 1);
        let request = proto::Message { index: 1, log_term: 1, ..request };
        let bytes = [request.encode_to_vec(), vec![0x70, priority]].concat();
        voter.step(1, &bytes).unwrap();
        assert_eq!(voter.status().vote == 1, votes, "{priority}");
    }
}

#[test]
fn a_log_of_the_other_dialect_is_refused_at_boot_and_its_peer_at_hello() {
    let cluster = group();
    let disk = cluster.hosts[&1].disk.clone();
    let mut conf = vec![0; 64];
    let stored = cluster.hosts[&1].node.config().dialect;
    assert_eq!(stored, Dialect::Eraftpb);
    let len =
        wire::write_stored_conf(stored, &mut conf, &wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() }, 2);
    conf.truncate(len);

    let mut node = Node::new(&config(1)).unwrap();
    assert_eq!(node.boot_conf_bytes(&conf, EntryId { term: 1, index: 1 }), Err(Error::Corrupt));
    assert!(node.error_detail().contains("written in eraftpb"), "{}", node.error_detail());
    let mut node = Node::new(&eraftpb(1)).unwrap();
    node.boot_conf_bytes(&conf, EntryId { term: 1, index: 1 }).unwrap();
    // A ConfState that no raftcore node has stored fits both: raft-rs's own, for instance.
    disk.boot(&config(1));

    let (mut ours, theirs) = (disk.boot(&eraftpb(1)), disk.boot(&config(2)));
    assert_eq!(ours.check_hello(&theirs.hello()), Err(Error::NotForMe));
    assert!(ours.error_detail().contains("raftpb"), "{}", ours.error_detail());
    let same = disk.boot(&eraftpb(2));
    ours.check_hello(&same.hello()).unwrap();
    let itself = ours.hello();
    assert_eq!(ours.check_hello(&itself), Err(Error::NotForMe));
    let stranger = disk.boot(&Config { group: 8, ..eraftpb(2) });
    assert_eq!(ours.check_hello(&stranger.hello()), Err(Error::NotForMe));
}

/// Both dialects know the request, though only raft-rs's leaders know it beside raftcore's.
#[test]
fn a_follower_gets_the_snapshot_that_it_asks_for() {
    for dialect in [Dialect::Eraftpb, Dialect::Raftpb] {
        let mut cluster = Cluster::new(&[1, 2, 3], move |id| Config { dialect, ..config(id) });
        cluster.elect(1);
        for _ in 0..5 {
            cluster.node(1).propose(b"x", 0).unwrap();
        }
        cluster.settle();
        cluster.tick(1);
        // The state of 3 is rotten, though its log is well.
        cluster.hosts.get_mut(&3).unwrap().disk.data = vec![b"rot".to_vec()];
        cluster.node(3).request_snapshot().unwrap();
        assert_eq!(cluster.node(3).request_snapshot(), Err(Error::State));
        cluster.node(1).propose(b"more", 0).unwrap();
        cluster.settle();
        cluster.tick(2);
        assert_eq!(cluster.hosts[&3].disk.data, cluster.hosts[&1].disk.data, "{dialect:?}");
        let found = events(cluster.node(3));
        assert!(found.iter().any(|event| event.kind == EventKind::SnapshotRestored), "{dialect:?}");
        // And on as before.
        cluster.node(1).propose(b"after", 0).unwrap();
        cluster.settle();
        cluster.tick(1);
        assert_eq!(cluster.hosts[&3].disk.data, cluster.hosts[&1].disk.data);
        assert_eq!(cluster.node(1).peers().find(|peer| peer.id == 3).unwrap().flow, raftcore::Flow::Replicate);
    }
}

/// [L-04] A snapshot that lacks acknowledged entries would take these from the group.
#[test]
fn a_snapshot_older_than_the_log_is_not_taken_though_asked_for() {
    let mut cluster = group();
    for _ in 0..3 {
        cluster.node(1).propose(b"x", 0).unwrap();
    }
    cluster.settle();
    cluster.node(1).propose(b"in flight", 0).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    sent.iter().filter(|m| m.to == 3).for_each(|m| cluster.deliver(m));
    cluster.hosts.get_mut(&3).unwrap().work();
    let (commit, last) = (cluster.node(3).status().commit, cluster.node(3).status().last_index);
    assert!(commit < last);
    cluster.node(3).request_snapshot().unwrap();
    for index in [commit, last - 1] {
        let mut m = message(MessageKind::Snap, 1, 3, 1);
        m.snapshot = Some(kit::snapshot(index, 1, &[1, 2, 3], b"state"));
        step(cluster.node(3), &m).unwrap();
        assert_eq!(cluster.node(3).status().last_index, last, "{index}");
        let taken = cluster.node(3).ready().unwrap().is_some_and(|ready| ready.snapshot().is_some());
        assert!(!taken, "the snapshot at {index} was taken");
    }
}

/// A request is made to one leader. The next may need this follower's acknowledgement.
#[test]
fn a_request_never_holds_up_a_new_leader() {
    let mut cluster = group();
    cluster.node(1).propose(b"x", 0).unwrap();
    // The entry reaches both followers. The acknowledgements do not reach the leader, which dies.
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    sent.iter().for_each(|m| cluster.deliver(m));
    cluster.isolate(1);
    cluster.node(3).request_snapshot().unwrap();
    cluster.settle();
    cluster.node(3).set_electable(false).unwrap();
    cluster.tick(60);
    assert_eq!(cluster.node(2).status().role, Role::Leader);
    cluster.node(2).propose(b"y", 0).unwrap();
    cluster.settle();
    cluster.tick(5);
    assert_eq!(cluster.hosts[&2].disk.data, [b"x".to_vec(), b"y".to_vec()], "the group of two commits nothing");
    assert_eq!(cluster.hosts[&3].disk.data, cluster.hosts[&2].disk.data);
}

/// The leader sends no more entries to a peer that asks for a snapshot, and the snapshot covers the
/// peer's whole log. A lost acknowledgement of that log would stop a group of two for good.
#[test]
fn a_request_goes_on_though_an_acknowledgement_was_lost() {
    for answers_a_heartbeat in [false, true] {
        let mut cluster = Cluster::new(&[1, 2], eraftpb);
        cluster.elect(1);
        cluster.node(1).propose(b"x", 0).unwrap();
        let sent = cluster.hosts.get_mut(&1).unwrap().work();
        sent.iter().for_each(|m| cluster.deliver(m));
        assert!(!cluster.hosts.get_mut(&2).unwrap().work().is_empty(), "no acknowledgement is lost");
        let last = cluster.node(2).status().last_index;
        assert!(cluster.node(1).status().commit < last);
        cluster.node(2).request_snapshot().unwrap();
        let mut said = cluster.hosts.get_mut(&2).unwrap().work();
        if answers_a_heartbeat {
            step(cluster.node(2), &message(MessageKind::Heartbeat, 1, 2, 1)).unwrap();
            said = cluster.hosts.get_mut(&2).unwrap().work();
        }
        // A leader of raftcore commits by the request alone; one of raft-rs needs the answer.
        let reads = |bytes: &[u8]| wire::parse_message(bytes).unwrap().head;
        let answers = |head: &wire::Head| head.kind == MessageKind::AppResp && !head.reject && head.index == last;
        assert_eq!(said.iter().any(|m| answers(&reads(&m.bytes))), answers_a_heartbeat);
        said.iter().filter(|m| reads(&m.bytes).reject).for_each(|m| cluster.deliver(m));
        assert_eq!(cluster.node(1).status().commit, last);
        cluster.settle();
        cluster.tick(3);
        assert_eq!(cluster.hosts[&2].disk.data, [b"x".to_vec()]);
        let found = events(cluster.node(2));
        assert!(
            found.iter().any(|event| event.kind == EventKind::SnapshotRestored),
            "{answers_a_heartbeat} {found:?} {:?}",
            cluster.node(1).peers().collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_request_that_nobody_answers_ends_and_the_follower_goes_on() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| Config { snapshot_timeout_ticks: 20, ..eraftpb(id) });
    cluster.elect(1);
    assert_eq!(cluster.node(1).request_snapshot(), Err(Error::NoLeader));
    cluster.node(3).request_snapshot().unwrap();
    // What a leader of etcd's raft would do: nothing.
    let mut ended = false;
    for _ in 0..21 {
        let node = cluster.node(3);
        step(node, &message(MessageKind::Heartbeat, 1, 3, 1)).unwrap();
        cluster.hosts.get_mut(&3).unwrap().work();
        cluster.node(3).tick(1).unwrap();
        ended |= events(cluster.node(3))
            .iter()
            .any(|e| (e.kind, e.reason) == (EventKind::SnapshotEnded, Reason::SnapshotTimeout));
    }
    assert!(ended, "no event tells that the request ended");
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.tick(2);
    assert_eq!(cluster.hosts[&3].disk.data, [b"x".to_vec()]);
    assert_eq!(cluster.node(3).status().role, Role::Follower);
}

/// A removed leader goes once the others have its log. A request may be what says so.
#[test]
fn a_request_that_lets_a_removed_leader_go_is_not_served() {
    let mut cluster = Cluster::new(&[1, 2], eraftpb);
    cluster.elect(1);
    cluster.tick(1);
    let exchange = |cluster: &mut Cluster, id: u64| {
        let sent = cluster.hosts.get_mut(&id).unwrap().work();
        sent.iter().for_each(|m| cluster.deliver(m));
    };
    let remove = [Change { kind: ChangeKind::RemoveNode, id: 1 }];
    cluster.node(1).propose_conf(&remove, ChangeEncoding::V1, b"", 0).unwrap();
    exchange(&mut cluster, 1);
    let acknowledged = cluster.hosts.get_mut(&2).unwrap().work();
    cluster.node(1).propose(b"x", 0).unwrap();
    exchange(&mut cluster, 1);
    cluster.hosts.get_mut(&2).unwrap().work(); // The acknowledgement of x; lost.
    acknowledged.iter().for_each(|m| cluster.deliver(m));
    exchange(&mut cluster, 1);
    assert_eq!(cluster.node(1).status().role, Role::Leader, "the removed leader goes too early");
    // The follower asks before it applies the change, and its acknowledgements are lost.
    cluster.node(2).request_snapshot().unwrap();
    let sent = cluster.hosts.get_mut(&2).unwrap().work();
    events(cluster.node(1));
    let asks = |m: &&kit::Sent| wire::parse_message(&m.bytes).unwrap().head.reject;
    sent.iter().filter(asks).for_each(|m| cluster.deliver(m));
    assert_eq!(cluster.node(1).status().role, Role::Follower);
    let lost = events(cluster.node(1)).into_iter().find(|event| event.kind == EventKind::MessageLost);
    assert_eq!(lost, None, "a former leader sends a snapshot");
}

/// The leader forgets a request that is repeated no more: the follower needs entries then.
#[test]
fn a_request_that_no_host_can_serve_ends_on_both_sides() {
    let mut cluster = Cluster::new(&[1, 2], |id| Config { snapshot_timeout_ticks: 20, ..eraftpb(id) });
    cluster.elect(1);
    cluster.tick(1);
    // A snapshot without its receiver is refused, and the host answers LATER.
    cluster.hosts.get_mut(&1).unwrap().disk.conf = Disk::founder(&[1]).conf;
    cluster.node(2).request_snapshot().unwrap();
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.tick(10);
    assert!(cluster.hosts[&1].fetched.contains(&FetchKind::Snapshot));
    assert!(cluster.hosts[&1].disk.data.is_empty(), "the follower takes entries while it asks");
    cluster.tick(40);
    assert_eq!(cluster.hosts[&1].disk.data, [b"x".to_vec()]);
    assert_eq!(cluster.hosts[&2].disk.data, [b"x".to_vec()]);
}

/// A request is a refused append with the commit index, the last entry, and the index to cover.
fn request(term: u64, last: EntryId, covers: u64) -> proto::Message {
    let (reject_hint, log_term, vote) = (last.index, last.term, covers);
    proto::Message { reject: true, reject_hint, log_term, vote, ..message(MessageKind::AppResp, 2, 1, term) }
}

#[test]
fn a_request_has_the_commit_index_and_the_last_entry() {
    let mut cluster = group();
    cluster.node(3).request_snapshot().unwrap();
    let status = cluster.node(3).status();
    let said = cluster.hosts.get_mut(&3).unwrap().work();
    let head = wire::parse_message(&said[0].bytes).unwrap().head;
    assert!(head.reject && status.commit > 0);
    assert_eq!((head.index, head.reject_hint, head.vote), (status.commit, status.last_index, status.last_index));
    assert_eq!(head.log_term, status.term);
}

/// A newer state serves a request, too.
#[test]
fn a_request_is_served_though_more_is_committed() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&eraftpb(1));
    lead(&mut node);
    for _ in 0..3 {
        node.propose(b"x", 0).unwrap();
    }
    drain(&mut node);
    acknowledge(&mut node, 3, 5);
    drain(&mut node);
    step(&mut node, &request(1, EntryId { term: 1, index: 4 }, 4)).unwrap();
    let fetch = node.next_fetch().unwrap().unwrap();
    assert_eq!((fetch.kind, fetch.peer, fetch.first), (FetchKind::Snapshot, 2, 5));
}

#[test]
fn a_request_that_the_host_can_not_serve_yet_is_asked_again_with_the_next_heartbeat() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&eraftpb(1));
    lead(&mut node);
    step(&mut node, &request(1, EntryId { term: 1, index: 2 }, 2)).unwrap();
    for _ in 0..3 {
        let fetch = node.next_fetch().unwrap().unwrap();
        assert_eq!((fetch.kind, fetch.peer), (FetchKind::Snapshot, 2));
        node.supply_none(fetch.id, Missing::Later).unwrap();
        drain(&mut node);
        assert_eq!(node.next_fetch(), Ok(None));
        beats(&mut node, 2);
    }
}

/// A request acknowledges its sender's log if the leader has the same last entry, of the leader's term.
#[test]
fn a_request_acknowledges_no_log_that_the_leader_does_not_have() {
    let mut cluster = Cluster::new(&[1, 2], eraftpb);
    cluster.elect(1);
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.hosts.get_mut(&1).unwrap().work(); // Lost.
    let status = cluster.node(1).status();
    let (term, last) = (status.term, status.last_index);
    let matched = |cluster: &mut Cluster| cluster.node(1).peers().find(|peer| peer.id == 2).unwrap().match_index;
    let before = matched(&mut cluster);
    assert!(before < last);
    let far = u64::MAX >> 1;
    for (log_term, end, covers) in
        [(term - 1, last, last), (term, last - 1, last), (term, last + 1, last + 1), (term, far, far)]
    {
        let _ = step(cluster.node(1), &request(term, EntryId { term: log_term, index: end }, covers));
        assert_eq!(matched(&mut cluster), before, "{log_term} {end} {covers}");
        assert_eq!(cluster.node(1).status().commit, status.commit);
    }
    step(cluster.node(1), &request(term, EntryId { term, index: last }, last)).unwrap();
    assert_eq!(matched(&mut cluster), last);
    assert_eq!(cluster.node(1).status().commit, last);
}

/// A number that no log reaches is refused, and does not keep the leader from a request that follows.
#[test]
fn a_request_beyond_every_log_is_ignored() {
    let mut cluster = Cluster::new(&[1, 2], eraftpb);
    cluster.elect(1);
    cluster.tick(1);
    let status = cluster.node(1).status();
    let (term, id) = (status.term, EntryId { term: status.term, index: status.last_index });
    events(cluster.node(1));
    let _ = step(cluster.node(1), &request(term, id, u64::MAX));
    step(cluster.node(1), &request(term, id, id.index)).unwrap();
    cluster.settle();
    let found = events(cluster.node(1));
    assert!(found.iter().any(|event| event.kind == EventKind::SnapshotSent), "{found:?}");
}

#[test]
fn without_a_timeout_requests_and_snapshots_wait_for_ever() {
    let mut cluster = Cluster::new(&[1, 2], |id| Config { snapshot_timeout_ticks: 0, ..eraftpb(id) });
    cluster.elect(1);
    cluster.tick(1);
    cluster.node(2).request_snapshot().unwrap();
    let said = cluster.hosts.get_mut(&2).unwrap().work();
    said.iter().for_each(|m| cluster.deliver(m));
    let (mut ended, mut sent) = (false, false);
    for _ in 0..1000 {
        // The snapshot does not arrive.
        cluster.hosts.get_mut(&1).unwrap().work();
        cluster.node(1).tick(1).unwrap();
        step(cluster.node(1), &message(MessageKind::HeartbeatResp, 2, 1, 1)).unwrap();
        cluster.node(2).tick(1).unwrap();
        step(cluster.node(2), &message(MessageKind::Heartbeat, 1, 2, 1)).unwrap();
        cluster.hosts.get_mut(&2).unwrap().work();
        for event in [events(cluster.node(1)), events(cluster.node(2))].concat() {
            ended |= event.kind == EventKind::SnapshotEnded;
            sent |= event.kind == EventKind::SnapshotSent;
        }
    }
    assert!(sent && !ended);
    assert_eq!(cluster.node(2).request_snapshot(), Err(Error::State), "the request ended");
}

/// A follower of raft-rs with a request answers heartbeats with the request alone. After LATER, the
/// leader asks its host again at each of them.
#[test]
fn a_request_alone_makes_the_leader_ask_again_after_later() {
    let mut cluster = Cluster::new(&[1, 2], eraftpb);
    cluster.elect(1);
    cluster.tick(1);
    let conf = cluster.hosts[&1].disk.conf.clone();
    // A snapshot without its receiver is refused, and the host answers LATER.
    cluster.hosts.get_mut(&1).unwrap().disk.conf = Disk::founder(&[1]).conf;
    cluster.node(2).request_snapshot().unwrap();
    cluster.settle();
    assert!(cluster.hosts[&1].fetched.contains(&FetchKind::Snapshot), "the host was not asked");
    cluster.hosts.get_mut(&1).unwrap().disk.conf = conf;
    for _ in 0..20 {
        cluster.node(1).tick(1).unwrap();
        let sent = cluster.hosts.get_mut(&1).unwrap().work();
        sent.iter().for_each(|m| cluster.deliver(m));
        let said = cluster.hosts.get_mut(&2).unwrap().work();
        let asks = |m: &&kit::Sent| wire::parse_message(&m.bytes).unwrap().head.reject;
        said.iter().filter(asks).for_each(|m| cluster.deliver(m));
    }
    let found = events(cluster.node(2));
    assert!(found.iter().any(|event| event.kind == EventKind::SnapshotRestored), "no snapshot comes: {found:?}");
}

#[test]
fn answers_carry_the_commit_index() {
    let mut cluster = group();
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    cluster.tick(2);
    let commit = cluster.node(1).status().commit;
    assert!(cluster.node(1).peers().filter(|peer| peer.id != 1).all(|peer| peer.commit == commit));
    let append = proto::Message { index: 77, log_term: 1, ..message(MessageKind::App, 1, 2, 1) };
    step(cluster.node(2), &append).unwrap();
    let said = cluster.hosts.get_mut(&2).unwrap().work();
    let head = wire::parse_message(&said[0].bytes).unwrap().head;
    assert!(head.reject);
    assert_eq!(head.commit, commit, "a refusal has the commit index, too");
}

#[test]
fn a_read_context_of_any_length_comes_back_unchanged() {
    for len in [0, 1, 8, 16, 40, 41, 1025, 60_000] {
        let mut cluster = group();
        let mut ask = message(MessageKind::ReadIndex, 2, 1, 0);
        ask.entries = vec![entry(0, 0, &vec![7; len])];
        step(cluster.node(1), &ask).unwrap();
        let mut answers = Vec::new();
        for _ in 0..4 {
            let sent = cluster.hosts.get_mut(&1).unwrap().work();
            for m in &sent {
                let view = wire::parse_message(&m.bytes).unwrap();
                if view.head.kind == MessageKind::ReadIndexResp {
                    answers.push(view.entries.iter().next().unwrap().data.to_vec());
                } else {
                    cluster.deliver(m);
                }
            }
            for id in [2, 3] {
                let sent = cluster.hosts.get_mut(&id).unwrap().work();
                sent.iter().for_each(|m| cluster.deliver(m));
            }
        }
        assert_eq!(answers, [vec![7; len]], "{len}");
    }
}
