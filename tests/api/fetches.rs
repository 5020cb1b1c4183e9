//! Old entries and snapshots for slow peers: the fetches, and the effects of the answers.

use crate::lone::{self, LEN, acknowledge, beats, drain, forgetful, leave_behind, peer, sent_by};
use kit::{Cluster, config, message, step};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, Dialect, EntryRef, Error, Fetch, FetchKind, Flow, MessageKind, Missing,
    Node, Supplied, Transition, has, peer_flags, proto, wire,
};

/// Node 1 leads and has written up to 60. Node 3 has entry 2, and messages to node 3 get lost; node
/// 2 has everything.
fn leader(config: &Config) -> Node {
    let mut node = lone::leader(config);
    leave_behind(&mut node);
    node
}

fn entries(first: u64, last: u64) -> Vec<proto::Entry> {
    (first..=last).map(|index| kit::entry(1, index, &[index as u8; LEN])).collect()
}

fn supply(node: &mut Node, id: u64, first: u64, last: u64) -> Result<Supplied, Error> {
    let entries = entries(first, last);
    let refs = entries.iter().map(|e| EntryRef { term: e.term, index: e.index, data: &e.data, ..EntryRef::default() });
    node.supply_entries(id, refs)
}

fn asked(node: &mut Node) -> Fetch {
    beats(node, 3);
    node.next_fetch().unwrap().unwrap()
}

fn waits(node: &Node) -> bool {
    node.has_ready().unwrap() & has::FETCH != 0
}

#[test]
fn an_ask_names_what_is_not_in_memory() {
    let mut node = leader(&forgetful());
    let fetch = asked(&mut node);
    let recent_first = node.status().recent_first;
    assert_eq!((fetch.kind, fetch.peer, fetch.first, fetch.last), (FetchKind::Entries, 3, 3, recent_first - 1));
    assert_eq!(fetch.max_bytes, forgetful().max_size_per_msg);
}

#[test]
fn an_append_of_fetched_entries_tells_the_commit_index_as_of_the_supply() {
    let mut node = leader(&forgetful());
    let fetch = asked(&mut node);
    drain(&mut node);
    node.propose(b"x", 0).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 61);
    supply(&mut node, fetch.id, fetch.first, fetch.first).unwrap();
    let append = drain(&mut node).into_iter().find(|m| m.to == 3 && m.r#type == MessageKind::App as i32).unwrap();
    assert_eq!((append.index, append.commit), (2, 61), "not 60, as when it was asked");
}

/// As in etcd's raft, which sends an append to each member then (found by lock-step).
#[test]
fn a_change_sends_a_peer_one_append_though_its_entries_are_asked_for() {
    let c = forgetful();
    let flags = c.flags.with(raftcore::Flags::CONF_APART, true);
    let mut node = lone::leader(&Config { flags, max_size_per_msg: 1, ..c });
    let give = |node: &mut Node| {
        while let Some(fetch) = node.next_fetch().unwrap() {
            supply(node, fetch.id, fetch.first, fetch.first).unwrap();
        }
    };
    // Each ready sends an entry of the supply.
    for at in 0..12u8 {
        let list: Vec<_> = (1..=5).map(|i| [node.status().last_index as u8 + i; LEN]).collect();
        node.propose_many(list.iter().map(|data| (&data[..], 0))).unwrap();
        give(&mut node);
        let appends = drain(&mut node).into_iter().filter(|m| m.to == 3).count();
        assert_eq!(appends, 1, "batch {at}");
    }
    assert!(peer(&node, 3).next_index < node.status().recent_first);

    node.apply_change(raftcore::EntryKind::ConfChange, &[0x10, 2, 0x18, 1]).unwrap();
    give(&mut node);

    assert_eq!(drain(&mut node).into_iter().filter(|m| m.to == 3).count(), 1);
}

#[test]
fn that_an_ask_waits_is_said_until_it_is_taken_or_not_wanted() {
    let mut node = leader(&forgetful());
    assert!(!waits(&node));
    beats(&mut node, 3);
    assert!(waits(&node));
    type Way = fn(&mut Node);
    let ways: [(&str, Way); 4] = [
        ("it was taken", |node| _ = node.next_fetch().unwrap().unwrap()),
        ("the peer has more than was thought", |node| acknowledge(node, 3, 59)),
        ("another leads", |node| step(node, &message(MessageKind::Heartbeat, 2, 1, 2)).unwrap()),
        ("the peer is removed", |node| {
            let changes = [Change { kind: ChangeKind::RemoveNode, id: 3 }];
            node.propose_conf(&changes, ChangeEncoding::V2(Transition::Auto), b"", 0).unwrap();
            let take = |node: &mut Node| {
                let ready = node.ready().unwrap().unwrap();
                let change = ready.committed().last().map(|e| (e.term, e.index, e.kind, e.data.to_vec()));
                (ready.number(), change)
            };
            let (number, _) = take(node);
            node.advance(number).unwrap();
            acknowledge(node, 2, 61);
            let (number, change) = take(node);
            let (term, index, kind, data) = change.unwrap();
            node.apply_conf(EntryRef { term, index, kind, data: &data, ..EntryRef::default() }).unwrap();
            node.advance(number).unwrap();
        }),
    ];
    for (why, way) in ways {
        let mut node = node.try_clone().unwrap();
        way(&mut node);
        assert!(!waits(&node), "{why}");
        assert_eq!(node.next_fetch(), Ok(None), "{why}");
        let mut later = node.try_clone().unwrap();
        assert!(sent_by(&mut later).iter().all(|(to, ..)| *to != 3 || why.starts_with("the peer has")), "{why}");
    }
}

#[test]
fn an_answer_in_time_goes_where_the_message_would_have_stood() {
    let mut node = leader(&forgetful());
    let fetch = asked(&mut node);
    node.propose(b"behind it", 0).unwrap();
    assert_eq!(supply(&mut node, fetch.id, 3, fetch.last), Ok(Supplied::Taken));
    let sent = sent_by(&mut node);
    assert_eq!(sent.iter().map(|(to, ..)| *to).collect::<Vec<_>>(), [3, 2]);

    // If the host took a ready before, the entries come with the next ready.
    let mut node = leader(&forgetful());
    let fetch = asked(&mut node);
    node.propose(b"before it", 0).unwrap();
    assert_eq!(sent_by(&mut node).iter().map(|(to, ..)| *to).collect::<Vec<_>>(), [2]);
    assert_eq!(supply(&mut node, fetch.id, 3, fetch.last), Ok(Supplied::Taken));
    assert_ne!(peer(&node, 3).flags & peer_flags::PAUSED, 0, "a probe is on its way");
    assert_eq!(sent_by(&mut node).iter().map(|(to, ..)| *to).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_supply_goes_on_with_what_is_in_memory() {
    let mut node = leader(&forgetful());
    let fetch = asked(&mut node);
    assert_eq!(supply(&mut node, fetch.id, 3, fetch.last), Ok(Supplied::Taken));
    let ready = node.ready().unwrap().unwrap();
    let m = ready.messages().next().unwrap();
    assert_eq!((m.index(), m.log_term(), m.commit(), m.entry_count()), (2, 1, 60, 58));
    let carried: Vec<_> = m.entries().map(|e| (e.index, e.data.to_vec())).collect();
    assert_eq!(carried, entries(3, 60).iter().map(|e| (e.index, e.data.to_vec())).collect::<Vec<_>>());
    let number = ready.number();
    node.advance(number).unwrap();
    assert_eq!(peer(&node, 3).flow, Flow::Probe);
    acknowledge(&mut node, 3, 60);
    assert_eq!((peer(&node, 3).next_index, peer(&node, 3).flow), (61, Flow::Replicate));
}

#[test]
fn more_than_is_asked_or_fits_is_left() {
    // Entries in memory are not taken from the host.
    let mut node = leader(&forgetful());
    let fetch = asked(&mut node);
    assert_eq!(supply(&mut node, fetch.id, 3, 60), Ok(Supplied::Taken));
    let sent = sent_by(&mut node);
    assert_eq!(sent, [(3, MessageKind::App, (3..=60).collect())]);

    // Of a record of 500 bytes: tag and length of the entry, term, index, tag and length of the data.
    let record = (LEN + 3 + 2 + 2 + 3) as u64;
    for (max, count) in [(3 * record, 3), (3 * record - 1, 2), (3 * record + 1, 3), (1, 1)] {
        let mut node = leader(&Config { max_size_per_msg: max, ..forgetful() });
        let fetch = asked(&mut node);
        assert_eq!(supply(&mut node, fetch.id, 3, fetch.last), Ok(Supplied::Taken));
        assert_eq!(sent_by(&mut node), [(3, MessageKind::App, (3..3 + count).collect())], "{max} bytes");
    }
}

#[test]
fn a_supply_goes_on_to_no_more_entries_than_a_message_may_carry() {
    let mut node = leader(&Config { max_entries_per_msg: 50, ..forgetful() });
    let fetch = asked(&mut node);
    assert!(fetch.last < 50 && fetch.last + 1 < 60);
    assert_eq!(supply(&mut node, fetch.id, 3, fetch.last), Ok(Supplied::Taken));
    assert_eq!(sent_by(&mut node), [(3, MessageKind::App, (3..=fetch.last).collect())]);
}

#[test]
fn supplied_entries_have_contexts_in_eraftpb_alone() {
    for (dialect, outcome) in [(Dialect::Raftpb, Err(Error::Arg)), (Dialect::Eraftpb, Ok(Supplied::Taken))] {
        let mut node = leader(&Config { dialect, ..forgetful() });
        let fetch = asked(&mut node);
        let one = EntryRef { term: 1, index: 3, data: b"data", context: b"context", ..EntryRef::default() };
        assert_eq!(node.supply_entries(fetch.id, std::iter::once(one)), outcome);
        assert_eq!(sent_by(&mut node).len(), usize::from(outcome.is_ok()));
    }
}

#[test]
fn part_of_what_is_asked_is_taken_and_the_rest_asked_again() {
    let mut node = leader(&forgetful());
    let fetch = asked(&mut node);
    assert_eq!(supply(&mut node, fetch.id, 3, 10), Ok(Supplied::Taken));
    assert_eq!(sent_by(&mut node), [(3, MessageKind::App, (3..=10).collect())]);
    acknowledge(&mut node, 3, 10);
    let again = node.next_fetch().unwrap().unwrap();
    assert!(again.id > fetch.id);
    assert_eq!((again.first, again.last), (11, fetch.last));
    // The peer replicates now: supplied entries count as in flight.
    assert_eq!(supply(&mut node, again.id, 11, 20), Ok(Supplied::Taken));
    let progress = peer(&node, 3);
    assert_eq!((progress.flow, progress.inflight_msgs, progress.next_index), (Flow::Replicate, 1, 21));
    assert_eq!(progress.inflight_bytes, 10 * LEN as u64);
    // For a replicating peer, the node fetches the next entries at once.
    let third = node.next_fetch().unwrap().unwrap();
    assert_eq!((third.first, third.last), (21, fetch.last));
    assert_eq!(supply(&mut node, third.id, 21, third.last), Ok(Supplied::Taken));
    let progress = peer(&node, 3);
    assert_eq!((progress.inflight_msgs, progress.next_index), (2, 61), "with what is in memory");
    assert_eq!(progress.inflight_bytes, 50 * LEN as u64);
}

#[test]
fn after_a_supply_all_that_is_in_memory_follows() {
    let max = (4 * (LEN + 10)) as u64;
    let mut node = leader(&Config { max_size_per_msg: max, ..forgetful() });
    let has = node.status().recent_first - 2;
    acknowledge(&mut node, 3, has);
    drain(&mut node);
    let Some(fetch) = node.next_fetch().unwrap() else { panic!("one entry is not in memory") };
    assert_eq!(fetch.first, fetch.last);
    assert_eq!(supply(&mut node, fetch.id, fetch.first, fetch.last), Ok(Supplied::Taken));
    let sent = sent_by(&mut node);
    let indexes: Vec<u64> = sent.iter().flat_map(|(_, _, indexes)| indexes.clone()).collect();
    assert_eq!(indexes, (fetch.first..=60).collect::<Vec<_>>(), "{sent:?}");
    assert!(sent.len() > 3 && sent.iter().all(|(_, _, indexes)| indexes.len() <= 4), "{sent:?}");
}

#[test]
fn an_answer_that_has_no_room_is_as_if_it_were_lost() {
    let mut node = leader(&Config { max_messages: 16, ..forgetful() });
    let fetch = asked(&mut node);
    node.propose(b"in between", 0).unwrap();
    drain(&mut node);
    // The reserved place has gone with the last ready, and the new outbox is full.
    for _ in 0..8 {
        node.tick(1).unwrap();
        beats(&mut node, 2);
    }
    let before = node.status().messages_dropped;
    assert_eq!(supply(&mut node, fetch.id, 3, fetch.last), Ok(Supplied::Taken));
    assert_eq!(node.status().messages_dropped, before + 1);
    assert_eq!(peer(&node, 3).next_index, 3);
    assert_eq!(peer(&node, 3).flags & peer_flags::PAUSED, 0, "nothing is on its way");
    drain(&mut node);
    assert_eq!(asked(&mut node).first, 3);
}

#[test]
fn a_snapshot_is_asked_for_where_entries_are_gone() {
    let mut node = leader(&Config { max_snapshot_bytes: 100, ..forgetful() });
    let entries = asked(&mut node);
    assert_eq!(node.supply_none(entries.id, Missing::Gone), Ok(Supplied::Taken));
    let snapshot = node.next_fetch().unwrap().unwrap();
    assert!(snapshot.id > entries.id);
    assert_eq!((snapshot.kind, snapshot.peer, snapshot.first, snapshot.last), (FetchKind::Snapshot, 3, 3, 60));
    assert_eq!(snapshot.max_bytes, 100);
    assert_eq!(node.supply_none(entries.id, Missing::Later), Ok(Supplied::Ignored), "the first ask is answered");

    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    assert_eq!(node.supply_snapshot(snapshot.id, 50, &conf, &[0; 101]), Err(Error::TooLarge));
    assert!(node.error_detail().contains("101"), "{}", node.error_detail());
    assert_eq!(node.supply_snapshot(snapshot.id, 61, &conf, &[0; 100]), Err(Error::Arg), "more than is committed");
    assert_eq!(node.supply_snapshot(snapshot.id, 1, &conf, &[0; 100]), Err(Error::Arg), "less than the peer has");
    assert_eq!(node.supply_snapshot(snapshot.id, 50, &conf, &[0; 100]), Ok(Supplied::Taken));
    assert_eq!(sent_by(&mut node), [(3, MessageKind::Snap, vec![])]);
    assert_eq!(peer(&node, 3).pending_snapshot, 50);
}

#[test]
fn no_snapshot_now_is_asked_again_after_the_next_heartbeat() {
    for why in [Missing::Gone, Missing::Later] {
        let mut node = leader(&forgetful());
        let entries = asked(&mut node);
        node.supply_none(entries.id, Missing::Gone).unwrap();
        let snapshot = node.next_fetch().unwrap().unwrap();
        assert_eq!(node.supply_none(snapshot.id, why), Ok(Supplied::Taken));
        assert_eq!(node.next_fetch(), Ok(None), "{why:?}");
        assert_eq!(asked(&mut node).kind, FetchKind::Entries);
    }
}

#[test]
fn supplies_that_are_outstanding_are_limited() {
    let mut node = leader(&Config { catchup_bytes: 1, ..forgetful() });
    // No follower has the newest entries, and both lack older entries.
    for _ in 0..60 {
        node.propose(&[1; LEN], 0).unwrap();
        drain(&mut node);
    }
    for round in 0..3 {
        let fetch = asked(&mut node);
        assert_eq!(supply(&mut node, fetch.id, fetch.first, fetch.first), Ok(Supplied::Taken), "round {round}");
        let number = node.ready().unwrap().unwrap().number();
        node.report_unreachable(2).unwrap();
        beats(&mut node, 2);
        assert_eq!(node.next_fetch(), Ok(None), "one supply is on its way");
        node.advance(number).unwrap();
        beats(&mut node, 2);
        let other = node.next_fetch().unwrap().unwrap();
        assert_eq!((other.peer, other.first), (2, 61));
        node.supply_none(other.id, Missing::Later).unwrap();
        acknowledge(&mut node, 3, fetch.first);
        drain(&mut node);
        node.report_unreachable(3).unwrap();
        while let Some(fetch) = node.next_fetch().unwrap() {
            node.supply_none(fetch.id, Missing::Later).unwrap();
        }
    }
}

#[test]
fn entries_join_an_append_that_has_not_left() {
    let flags = config(1).flags.with(raftcore::Flags::BATCH_APPEND, true);
    let c = Config { flags, max_size_per_msg: 2000, ..forgetful() };
    let mut node = leader(&c);
    acknowledge(&mut node, 3, 60);
    drain(&mut node);
    for _ in 0..4 {
        node.propose(&[1; LEN], 0).unwrap();
    }
    let sent = sent_by(&mut node);
    let both = |sent: &[(u64, MessageKind, Vec<u64>)], to: u64| {
        sent.iter().filter(|(peer, ..)| *peer == to).map(|(_, _, indexes)| indexes.clone()).collect::<Vec<_>>()
    };
    for to in [2, 3] {
        assert_eq!(both(&sent, to), [vec![61, 62, 63], vec![64]], "as many as a message may hold");
        assert_eq!(peer(&node, to).inflight_bytes, 4 * LEN as u64);
    }
    // The entries join the peer's own append.
    let mut node = leader(&c);
    for _ in 0..3 {
        node.propose(&[1; LEN], 0).unwrap();
    }
    assert_eq!(both(&sent_by(&mut node), 2), [vec![61, 62, 63]], "the other one is not sent to");
}

#[test]
fn a_fetch_that_was_not_handed_out_can_not_be_answered() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| Config { recent_bytes: 16 << 10, ..config(id) });
    cluster.elect(1);
    cluster.isolate(3);
    for _ in 0..20 {
        cluster.node(1).propose(&[1; 3000], 0).unwrap();
        cluster.settle();
    }
    cluster.node(1).report_unreachable(3).unwrap();
    step(cluster.node(1), &message(MessageKind::HeartbeatResp, 3, 1, 1)).unwrap();
    let stored: Vec<_> = cluster.hosts[&1].disk.log.iter().map(|(&i, e)| (i, e.clone())).collect();
    let node = cluster.node(1);
    let flags = node.peers().find(|peer| peer.id == 3).unwrap().flags;
    assert!(flags & raftcore::peer_flags::FETCHING != 0, "no ask is open: {:?}", node.peers().collect::<Vec<_>>());
    let next = node.peers().find(|peer| peer.id == 3).unwrap().next_index;
    let refs = stored.iter().filter(|(i, _)| *i >= next).map(|(index, e)| raftcore::EntryRef {
        term: e.term,
        index: *index,
        kind: e.kind,
        data: &e.data,
        ..raftcore::EntryRef::default()
    });
    for id in 1..4 {
        assert_eq!(node.supply_entries(id, refs.clone()), Err(Error::Arg), "{id}");
    }
}
