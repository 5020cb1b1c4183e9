//! Proposals: accepted by a leader, forwarded by a follower, counted by size.

use crate::lone::{acknowledge, drain, follower, leader};
use kit::{Cluster, config, entry, forwarding, message, step};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, DropKind, EntryKind, EntryRef, Error, Flags, MessageKind, Node,
    StorageMode, Transition, proto, wire,
};

/// Proposals forwarded by node 2.
fn passed_on(entries: Vec<proto::Entry>) -> proto::Message {
    proto::Message { entries, ..message(MessageKind::Prop, 2, 1, 0) }
}

fn normal(data: &[u8]) -> proto::Entry {
    entry(0, 0, data)
}

fn change(id: u64) -> proto::Entry {
    let changes = [Change { kind: ChangeKind::AddLearner, id }];
    let mut data = vec![0; wire::change_v2_len(raftcore::Dialect::Raftpb, Transition::Auto, &changes, b"")];
    wire::write_change_v2(raftcore::Dialect::Raftpb, &mut data, Transition::Auto, &changes, b"");
    proto::Entry { r#type: EntryKind::ConfChangeV2 as i32, ..normal(&data) }
}

fn propose_change(node: &mut Node, id: u64) -> Result<(), Error> {
    let changes = [Change { kind: ChangeKind::AddLearner, id }];
    node.propose_conf(&changes, ChangeEncoding::V2(Transition::Auto), b"", 0)
}

#[test]
fn an_entry_may_be_as_long_as_the_limit_says() {
    let mut node = leader(&Config { max_entry_bytes: 100, ..config(1) });
    node.propose(&[0; 100], 0).unwrap();
    assert_eq!(node.propose(&[0; 101], 0), Err(Error::TooLarge));
    assert_eq!(node.propose_many([(&[0; 1][..], 0), (&[0; 101], 0)].into_iter()), Err(Error::TooLarge));
    step(&mut node, &passed_on(vec![normal(&[0; 100])])).unwrap();
    assert_eq!(step(&mut node, &passed_on(vec![normal(&[0; 101])])), Err(Error::Full));
    assert_eq!(step(&mut node, &passed_on(vec![normal(&[0; 1]), normal(&[0; 101])])), Err(Error::Full));
    assert_eq!(node.status().last_index, 4);
    assert_eq!(node.status().proposals_refused, 4);
}

#[test]
fn each_refusal_is_counted() {
    let mut node = leader(&config(1));
    propose_change(&mut node, 4).unwrap();
    for count in 1..4 {
        assert_eq!(propose_change(&mut node, 5), Err(Error::ConfBusy));
        assert_eq!(node.status().proposals_refused, count);
    }
    for count in 4..6 {
        step(&mut node, &passed_on(vec![change(5)])).unwrap_err();
        assert_eq!(node.status().proposals_refused, count);
    }
}

#[test]
fn the_payload_that_is_not_committed_is_limited() {
    let limit = Config { max_uncommitted_size: 1000, ..config(1) };
    // The first proposal is accepted, whatever its size; and proposals without payload, always.
    let mut node = leader(&limit);
    node.propose(&[0; 5000], 0).unwrap();
    assert_eq!(node.propose(&[0; 1], 0), Err(Error::Full));
    node.propose(&[], 0).unwrap();

    type Way = fn(&mut Node, usize) -> Result<(), Error>;
    let ways: [Way; 3] = [
        |node, len| node.propose(&vec![0; len], 0),
        |node, len| step(node, &passed_on(vec![normal(&vec![0; len / 2]), normal(&vec![0; len - len / 2])])),
        |node, len| node.propose_many([(&vec![0; len][..], 0), (&[], 0)].into_iter()),
    ];
    for way in ways {
        let mut node = leader(&limit);
        way(&mut node, 400).unwrap();
        way(&mut node, 600).unwrap();
        assert_eq!(way(&mut node, 2), Err(Error::Full));
        drain(&mut node);
        let last = node.status().last_index;
        acknowledge(&mut node, 2, last);
        drain(&mut node);
        way(&mut node, 1000).unwrap();
        assert_eq!(way(&mut node, 2), Err(Error::Full));
    }
    // A change counts together with its neighbours.
    let mut node = leader(&limit);
    let len = 990 - change(4).data.len();
    step(&mut node, &passed_on(vec![normal(&vec![0; len]), change(4)])).unwrap();
    assert_eq!(node.propose(&[0; 11], 0), Err(Error::Full));
    node.propose(&[0; 10], 0).unwrap();
}

#[test]
fn a_change_that_is_passed_on_may_have_company() {
    let mut node = leader(&config(1));
    step(&mut node, &passed_on(vec![normal(b"a"), change(4), normal(b"b")])).unwrap();
    assert_eq!(node.status().last_index, 5);
    // The change is pending at its own index until the index is applied.
    drain(&mut node);
    acknowledge(&mut node, 2, 3);
    drain(&mut node);
    assert_eq!(node.status().applied, 3);
    assert_eq!(propose_change(&mut node, 5), Err(Error::ConfBusy));
    assert_eq!(step(&mut node, &passed_on(vec![change(5)])), Err(Error::ConfBusy));
    acknowledge(&mut node, 2, 4);
    let ready = node.ready().unwrap().unwrap();
    let (number, last) = (ready.number(), ready.committed().last().unwrap());
    let (term, index, kind, data) = (last.term, last.index, last.kind, last.data.to_vec());
    assert_eq!((index, kind), (4, EntryKind::ConfChangeV2));
    node.apply_conf(EntryRef { term, index, kind, data: &data, ..EntryRef::default() }).unwrap();
    node.advance(number).unwrap();
    propose_change(&mut node, 5).unwrap();
}

#[test]
fn of_two_changes_that_are_passed_on_together_none_is_taken() {
    let mut node = leader(&config(1));
    assert_eq!(step(&mut node, &passed_on(vec![change(4), change(5)])), Err(Error::ConfBusy));
    assert_eq!(step(&mut node, &passed_on(vec![change(4), normal(b"x"), change(5)])), Err(Error::ConfBusy));
    assert_eq!(node.status().last_index, 2);
    propose_change(&mut node, 4).expect("none is in flight");

    // As in etcd's raft: the second becomes an empty entry.
    let flags = config(1).flags.with(Flags::REFUSED_CONF_AS_EMPTY, true);
    let mut node = leader(&Config { flags, ..config(1) });
    step(&mut node, &passed_on(vec![change(4), change(5)])).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let kinds: Vec<_> = ready.entries().map(|e| (e.index, e.kind, e.data.is_empty())).collect();
    assert_eq!(kinds, [(3, EntryKind::ConfChangeV2, false), (4, EntryKind::Normal, true)]);
}

#[test]
fn a_change_whose_company_does_not_fit_is_not_taken_either() {
    let mut node = leader(&Config { recent_bytes: 16 << 10, storage: StorageMode::Async, ..config(1) });
    for _ in 0..12 {
        node.propose(&[1; 1000], 0).unwrap();
    }
    let last = node.status().last_index;
    assert_eq!(step(&mut node, &passed_on(vec![change(4), normal(&[1; 4000]), normal(&[1; 4000])])), Err(Error::Full));
    assert_eq!(node.status().last_index, last);
    propose_change(&mut node, 4).expect("none is in flight");
}

#[test]
fn a_leader_that_is_no_voter_any_more_takes_nothing() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    // The others do not hear that the change is committed, so the leader leads on for a while.
    let changes = [Change { kind: ChangeKind::AddLearner, id: 1 }];
    cluster.node(1).propose_conf(&changes, ChangeEncoding::V2(Transition::Auto), b"", 0).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    sent.iter().for_each(|m| cluster.deliver(m));
    for id in [2, 3] {
        let answers = cluster.hosts.get_mut(&id).unwrap().work();
        answers.iter().for_each(|m| cluster.deliver(m));
    }
    cluster.hosts.get_mut(&1).unwrap().work();
    let node = cluster.node(1);
    assert_eq!((node.status().role, node.status().promotable), (raftcore::Role::Leader, false));
    assert_eq!(node.propose(b"x", 0), Err(Error::NoLeader));
    assert!(node.error_detail().contains("removed"), "{}", node.error_detail());
}

/// The proposals that a follower forwards: the origin of each message, and the data of its entries.
fn sent(node: &mut Node) -> Vec<(u64, Vec<Vec<u8>>)> {
    let ready = node.ready().unwrap().unwrap();
    let sent = ready.messages().filter(|m| m.kind() == MessageKind::Prop);
    let sent = sent.map(|m| (m.from(), m.entries().map(|e| e.data.to_vec()).collect())).collect();
    let number = ready.number();
    node.advance(number).unwrap();
    sent
}

#[test]
fn what_is_passed_on_fits_into_messages_and_stays_in_order() {
    // Of a record of 100 bytes: tag and length of the entry, tag and length of the data; term and index come with the leader.
    let record = 2 + 2 + 100;
    let all: Vec<Vec<u8>> = (0..5).map(|at| vec![at; 100]).collect();
    for (max, counts) in [(2 * record, vec![2, 2, 1]), (2 * record - 1, vec![1; 5]), (3 * record - 1, vec![2, 2, 1])] {
        let mut node = follower(&Config { max_size_per_msg: max, ..kit::forwarding(1) });
        node.propose_many(all.iter().map(|data| (&data[..], 0))).unwrap();
        let sent = sent(&mut node);
        assert_eq!(sent.iter().map(|(_, data)| data.len()).collect::<Vec<_>>(), counts, "{max}");
        assert_eq!(sent.into_iter().flat_map(|(_, data)| data).collect::<Vec<_>>(), all);
    }
}

#[test]
fn what_does_not_fit_any_more_is_lost_and_what_fits_not_at_all_refused() {
    let mut node = follower(&Config { max_messages: 16, max_size_per_msg: 1, ..kit::forwarding(1) });
    let all: Vec<[u8; 1]> = (0..40).map(|at| [at]).collect();
    node.propose_many(all.iter().zip(1..).map(|(data, token)| (&data[..], token))).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let gone: Vec<_> = ready.dropped().iter().map(|d| (d.token, d.what)).collect();
    assert_eq!(gone, (1..=40).map(|token| (token, DropKind::Unknown)).collect::<Vec<_>>());
    let passed: Vec<u8> = ready.messages().flat_map(|m| m.entries().map(|e| e.data[0]).collect::<Vec<_>>()).collect();
    assert_eq!(passed, (0..8).collect::<Vec<_>>(), "half of the places are for what can't wait");
    let number = ready.number();
    node.advance(number).unwrap();

    for token in 1..=8 {
        node.propose(b"x", token).unwrap();
    }
    assert_eq!(node.propose(b"x", 9), Err(Error::Full));
    assert_eq!(node.propose_many([(&b"x"[..], 10), (b"y", 11)].into_iter()), Err(Error::Full));
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.dropped().iter().map(|d| d.token).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}

#[test]
fn who_proposed_stays_with_what_is_passed_on_again() {
    let mut node = follower(&kit::forwarding(1));
    let from_3 = proto::Message { entries: vec![normal(b"x")], ..message(MessageKind::Prop, 3, 1, 0) };
    step(&mut node, &from_3).unwrap();
    assert_eq!(sent(&mut node), [(3, vec![b"x".to_vec()])]);
    node.propose(b"y", 0).unwrap();
    assert_eq!(sent(&mut node), [(1, vec![b"y".to_vec()])]);
}

#[test]
fn a_sole_voter_commits_all_that_was_proposed_between_two_readies() {
    let mut cluster = Cluster::new(&[1], |id| Config { max_messages: 16, ..config(id) });
    cluster.elect(1);
    for i in 0..40u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
    }

    cluster.settle();
    cluster.tick(50);

    let status = cluster.node(1).status();
    assert_eq!(status.commit, status.last_index, "own acknowledgements were lost: {} dropped", status.messages_dropped);
}

#[test]
fn with_default_limits_a_leader_counts_itself_after_many_small_proposals() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    for _ in 0..1100 {
        cluster.node(1).propose(b"x", 0).unwrap();
    }

    cluster.settle();
    cluster.tick(5);

    let status = cluster.node(1).status();
    assert_eq!(status.commit, status.last_index, "{} messages dropped", status.messages_dropped);
}

#[test]
fn a_proposal_passed_on_twice_reaches_the_leader() {
    let mut cluster = Cluster::new(&[1, 2, 3], kit::forwarding);
    cluster.elect(1);
    // Node 3 believes that node 2 leads, or the message was late: node 2 forwards the message.
    let mut m = message(MessageKind::Prop, 3, 2, 0);
    m.entries = vec![entry(0, 0, b"hello")];
    step(cluster.node(2), &m).unwrap();
    cluster.settle();
    assert_eq!(cluster.hosts[&1].disk.data, [b"hello"]);
}

#[test]
fn a_follower_names_the_leader_and_passes_nothing_on_unless_it_is_told_to() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    assert_eq!(cluster.node(2).propose(b"x", 7), Err(Error::NoLeader));
    cluster.elect(1);
    assert_eq!(cluster.node(2).propose(b"x", 7), Err(Error::NotLeader));
    assert_eq!(cluster.node(2).status().leader, 1);
    assert_eq!(cluster.node(2).error_detail(), "node 1 leads in term 1, not this one: propose there");
    let change = [Change { kind: ChangeKind::AddLearner, id: 4 }];
    assert_eq!(cluster.node(2).propose_conf(&change, ChangeEncoding::V1, b"", 8), Err(Error::NotLeader));
    let proposal = proto::Message { entries: vec![entry(0, 0, b"x")], ..message(MessageKind::Prop, 3, 2, 0) };
    assert_eq!(step(cluster.node(2), &proposal), Err(Error::NotLeader), "nor for another");
    cluster.settle();
    assert!(cluster.heard(2).dropped.is_empty(), "no token was taken");

    let mut cluster = Cluster::new(&[1, 2, 3], forwarding);
    cluster.elect(1);
    cluster.node(2).propose(b"x", 7).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(2).dropped.len(), 1);
}

#[test]
fn a_raw_entry_is_proposed_as_it_is_with_a_token() {
    let mut node = leader(&config(1));
    node.propose_entry(EntryKind::Normal, b"x", 1).unwrap();
    // With an id and a context of the host's own.
    let raw = [0x08, 77, 0x10, 3, 0x18, 4, 0x22, 2, b'h', b'i'];
    node.propose_entry(EntryKind::ConfChange, &raw, 2).unwrap();
    assert_eq!(node.propose_entry(EntryKind::ConfChange, &raw, 3), Err(Error::ConfBusy));
    assert_eq!(node.propose_entry(EntryKind::ConfChangeV2, b"\xff", 3), Err(Error::Decode));
    drain(&mut node);
    acknowledge(&mut node, 2, 4);
    let ready = node.ready().unwrap().unwrap();
    let shown: Vec<_> = ready.committed().map(|e| (e.kind, e.data.to_vec(), e.token)).collect();
    assert_eq!(shown, [(EntryKind::Normal, b"x".to_vec(), 1), (EntryKind::ConfChange, raw.to_vec(), 2)]);
}
