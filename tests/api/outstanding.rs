//! Outstanding readies: their contents stay, in whatever order the host acknowledges, and in a
//! clone as well.

use crate::lone::{acknowledge, beats, drain, forgetful, leader, leave_behind, take};
use kit::{Disk, append, config, entry, founded, in_mode, message, step};
use raftcore::{
    Config, DropKind, Error, Flags, MessageKind, Missing, Node, Reason, Role, StorageMode, has, peer_flags, proto, wire,
};

/// Everything that a ready shows, in words.
fn shown(node: &Node, number: u64) -> String {
    let ready = node.view(number).unwrap();
    let mut out = format!(
        "{} {:?} {:?} {:?} {:?} {:?} {:?} {} ",
        ready.number(),
        ready.state(),
        ready.hard_state(),
        ready.soft_state(),
        ready.committed_span(),
        ready.reads(),
        ready.dropped(),
        ready.must_sync(),
    );
    out += &format!(
        "{:?} {:?} ",
        ready.done(),
        ready.snapshot().map(|s| (s.index, s.term, s.conf.to_vec(), s.data.to_vec()))
    );
    for e in ready.entries().chain(ready.committed()) {
        out += &format!("{e:?} ");
    }
    for m in ready.messages() {
        let mut bytes = Vec::new();
        m.write_to(&mut bytes);
        out += &format!("{} {bytes:?} ", m.to());
    }
    out
}

fn asynchronous() -> Config {
    Config { storage: StorageMode::Async, ..forgetful() }
}

/// A leader with batches of every kind outstanding.
fn busy() -> (Node, Vec<u64>) {
    let mut node = leader(&Config { max_apply_unpersisted: 100, ..asynchronous() });
    let mut numbers = Vec::new();
    for token in 1..4 {
        node.propose(&[token as u8; 100], token).unwrap();
        if token > 1 {
            numbers.push(take(&mut node));
        }
    }
    node.read_index(7).unwrap();
    numbers.push(take(&mut node));
    let context = 1u64.to_le_bytes().to_vec().into();
    step(&mut node, &proto::Message { context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) }).unwrap();
    let entries = vec![entry(0, 0, b"a peer's read")];
    step(&mut node, &proto::Message { entries, ..message(MessageKind::ReadIndex, 2, 1, 0) }).unwrap();
    for from in [2, 3] {
        acknowledge(&mut node, from, 4);
    }
    numbers.push(take(&mut node));
    (node, numbers)
}

#[test]
fn a_clone_shows_what_is_outstanding() {
    let (mut node, numbers) = busy();
    node.propose(b"not handed out yet", 9).unwrap();
    let mut twin = node.try_clone().unwrap();
    assert!(node == twin);
    for &number in &numbers {
        assert_eq!(shown(&node, number), shown(&twin, number));
    }
    let (mine, its) = (take(&mut node), take(&mut twin));
    assert_eq!(shown(&node, mine), shown(&twin, its));

    // What was supplied lies elsewhere, and travels with the clone as well.
    let mut node = leader(&forgetful());
    leave_behind(&mut node);
    beats(&mut node, 3);
    let fetch = node.next_fetch().unwrap().unwrap();
    node.supply_none(fetch.id, Missing::Gone).unwrap();
    let fetch = node.next_fetch().unwrap().unwrap();
    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    node.supply_snapshot(fetch.id, 50, &conf, b"fifty").unwrap();
    let mut twin = node.try_clone().unwrap();
    let (mine, its) = (take(&mut node), take(&mut twin));
    assert_eq!(shown(&node, mine), shown(&twin, its));
    let twin = node.try_clone().unwrap();
    assert_eq!(shown(&node, mine), shown(&twin, its));

    // And an incoming snapshot.
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    let snapshot = Some(kit::snapshot(9, 1, &[1, 2, 3], b"nine"));
    step(&mut node, &proto::Message { snapshot, ..message(MessageKind::Snap, 2, 1, 1) }).unwrap();
    let mut twin = node.try_clone().unwrap();
    let (mine, its) = (take(&mut node), take(&mut twin));
    assert_eq!(shown(&node, mine), shown(&twin, its));
    assert!(shown(&twin, its).contains(&format!("{:?}", b"nine")));
}

#[test]
fn what_a_batch_holds_can_be_counted_before_it_is_looked_at() {
    let (node, numbers) = busy();
    let mut seen = (0, 0, 0);
    for number in numbers {
        let ready = node.view(number).unwrap();
        assert_eq!(ready.entries().len(), ready.entries().count());
        assert_eq!(ready.committed().len(), ready.committed().count());
        assert_eq!(ready.messages().len(), ready.messages().count());
        let mut messages = ready.messages();
        while messages.next().is_some() {
            assert_eq!(messages.len(), messages.clone().count());
        }
        for (at, m) in ready.messages().enumerate() {
            let same = ready.message(at).unwrap();
            assert_eq!((same.to(), same.kind(), same.index()), (m.to(), m.kind(), m.index()));
            assert_eq!((m.parts().len(), m.part_count()), (m.parts().count(), m.parts().count()));
            assert_eq!(m.parts().map(<[u8]>::len).sum::<usize>(), m.frame_len());
            let mut bytes = Vec::new();
            m.write_to(&mut bytes);
            assert_eq!(m.parts().collect::<Vec<_>>().concat()[wire::FRAME_HEADER..], bytes);
            if m.kind() == MessageKind::App {
                let count = m.entries().count();
                assert_eq!((m.entry_count(), m.entries().size_hint()), (count, (0, Some(count))));
                let parsed = wire::parse_message(&bytes).unwrap();
                let there: Vec<_> = parsed.entries.into_iter().map(|e| (e.index, e.data.to_vec())).collect();
                assert_eq!(m.entries().map(|e| (e.index, e.data.to_vec())).collect::<Vec<_>>(), there);
            }
            seen.0 += m.part_count();
            seen.1 += m.entry_count();
        }
        assert!(ready.message(ready.messages().len()).is_none());
        seen.2 += ready.committed().filter(|entry| entry.token != 0).count();
        let tokens: Vec<u64> = ready.committed().map(|entry| entry.token).collect();
        assert!(tokens.is_empty() || tokens == [1, 2], "{tokens:?}");
    }
    assert!(seen.0 > 10 && seen.1 >= 6 && seen.2 == 2, "{seen:?}");
}

#[test]
fn the_order_of_acknowledgements_makes_no_difference() {
    let (node, numbers) = busy();
    let last = *numbers.last().unwrap();
    let applied = node.view(last).unwrap().committed_span().unwrap().1;
    let persist = |node: &mut Node| node.persisted(last).unwrap();
    let apply = |node: &mut Node| node.applied(applied).unwrap();
    let release = |node: &mut Node| node.release(last).unwrap();
    let mut at_once = node.try_clone().unwrap();
    at_once.advance(last).unwrap();
    assert_eq!(at_once.status().n_outstanding, 0);
    type Call<'a> = &'a dyn Fn(&mut Node);
    let orders: [[Call<'_>; 3]; 6] = [
        [&persist, &apply, &release],
        [&persist, &release, &apply],
        [&apply, &persist, &release],
        [&apply, &release, &persist],
        [&release, &persist, &apply],
        [&release, &apply, &persist],
    ];
    for order in orders {
        let mut node = node.try_clone().unwrap();
        order.iter().for_each(|call| call(&mut node));
        assert_eq!(node.status().n_outstanding, 0);
        assert!(node == at_once);
        assert_eq!(node.digest(true), at_once.digest(true));
    }
    // After partial acknowledgements, `advance` of each number gives the rest.
    for call in [&persist as Call<'_>, &apply, &release] {
        let mut node = node.try_clone().unwrap();
        call(&mut node);
        node.advance(last).unwrap();
        assert!(node == at_once);
    }
    let mut one_by_one = node.try_clone().unwrap();
    numbers.iter().for_each(|&number| one_by_one.advance(number).unwrap());
    assert!(one_by_one == at_once);
    let mut only = leader(&asynchronous());
    only.propose(b"x", 0).unwrap();
    let number = take(&mut only);
    let mut said = only.try_clone().unwrap();
    said.persisted(number).unwrap();
    said.release(number).unwrap();
    only.advance(number).unwrap();
    assert!(said == only);
}

#[test]
fn a_batch_is_acknowledged_once() {
    for storage in [StorageMode::Sync, StorageMode::Async] {
        let mut node = leader(&Config { storage, ..config(1) });
        node.propose(b"x", 0).unwrap();
        let number = take(&mut node);
        node.advance(number).unwrap();
        assert_eq!(node.advance(number), Err(Error::Stale));
        assert_eq!(node.advance(number + 1), Err(Error::Arg));
        acknowledge(&mut node, 2, 3);
        let number = take(&mut node);
        node.advance(number).unwrap();
        assert_eq!(node.advance(number), Err(Error::Stale), "with entries to apply in it");
    }
}

#[test]
fn what_a_batch_shows_stays_while_older_ones_end() {
    let flags = config(1).flags.with(Flags::DEBUG_POISON_VIEWS, true);
    let mut node = leader(&Config { max_outstanding: 64, flags, ..asynchronous() });
    let mut outstanding = std::collections::VecDeque::new();
    for round in 0..200u64 {
        // The leader's log goes on, and drops its oldest blocks, while the host reads the last
        // three readies.
        if node.propose(&[round as u8; 700], 0).is_ok() {
            let number = take(&mut node);
            node.persisted(number).unwrap();
            outstanding.push_back((number, shown(&node, number)));
        }
        for (number, before) in &outstanding {
            assert_eq!(shown(&node, *number), *before, "round {round}");
        }
        if outstanding.len() > 3
            && let Some((number, _)) = outstanding.pop_front()
        {
            node.release(number).unwrap();
            assert!(node.view(number).is_none());
        }
    }
    assert!(node.status().recent_first > 100, "blocks were given up meanwhile");
    // Though durable, entries that the host reads keep the log full.
    while node.propose(&[0xff; 700], 0).is_ok() {
        let number = take(&mut node);
        node.persisted(number).unwrap();
        outstanding.push_back((number, shown(&node, number)));
    }
    assert!(node.error_detail().contains("recent_bytes"), "{}", node.error_detail());
    for (number, before) in &outstanding {
        assert_eq!(shown(&node, *number), *before);
    }
}

#[test]
fn what_is_applied_gives_its_share_of_the_limit_back() {
    let limit = 2000;
    let c = Config { max_committed_size_per_ready: limit, ..asynchronous() };
    let mut node = leader(&c);
    for _ in 0..12 {
        node.propose(&[1; 480], 0).unwrap();
    }
    let number = take(&mut node);
    node.persisted(number).unwrap();
    node.release(number).unwrap();
    // Three readies with an entry each, applied together.
    for index in 3..=5 {
        acknowledge(&mut node, 2, index);
        let number = take(&mut node);
        assert_eq!(node.view(number).unwrap().committed_span(), Some((index, index)));
        node.persisted(number).unwrap();
        node.release(number).unwrap();
    }
    acknowledge(&mut node, 2, 14);
    let number = take(&mut node);
    assert_eq!(node.view(number).unwrap().committed_span(), Some((6, 6)), "of four there is room for one more");
    node.persisted(number).unwrap();
    node.release(number).unwrap();
    assert_eq!(node.ready().map(|ready| ready.is_none()), Ok(true));
    node.applied(5).unwrap();
    let number = take(&mut node);
    assert_eq!(node.view(number).unwrap().committed_span(), Some((7, 9)), "three more");
    node.persisted(number).unwrap();
    node.release(number).unwrap();
    node.applied(9).unwrap();
    let number = take(&mut node);
    assert_eq!(node.view(number).unwrap().committed_span(), Some((10, 13)), "four");
}

#[test]
fn what_the_next_batch_would_hold_is_told() {
    let kinds = |node: &Node| node.has_ready().unwrap() & has::READY;
    let node = leader(&config(1));
    let after = |way: &dyn Fn(&mut Node)| {
        let mut node = node.try_clone().unwrap();
        way(&mut node);
        kinds(&node)
    };
    assert_eq!(kinds(&node), 0);
    assert_eq!(after(&|n| n.propose(b"x", 0).unwrap()), has::ENTRIES | has::MESSAGES);
    assert_eq!(after(&|n| n.read_index(1).unwrap()), has::MESSAGES, "a round is due");
    assert_eq!(
        after(&|n| step(n, &message(MessageKind::Heartbeat, 2, 1, 2)).unwrap()),
        has::HARD_STATE | has::SOFT_STATE | has::MESSAGES
    );
    let committed = after(&|n| {
        n.propose(b"x", 0).unwrap();
        let number = take(n);
        n.advance(number).unwrap();
        acknowledge(n, 2, 3);
    });
    assert_eq!(committed, has::HARD_STATE | has::COMMITTED | has::MESSAGES);
    let mut follower = Disk::founder(&[1, 2, 3]).boot(&kit::forwarding(1));
    step(&mut follower, &message(MessageKind::Heartbeat, 2, 1, 1)).unwrap();
    drain(&mut follower);
    follower.propose(b"x", 5).unwrap();
    assert_eq!(kinds(&follower), has::MESSAGES | has::DROPPED);
    let number = take(&mut follower);
    let dropped = follower.view(number).unwrap().dropped().to_vec();
    assert_eq!(
        dropped.iter().map(|d| (d.token, d.what, d.reason)).collect::<Vec<_>>(),
        [(5, DropKind::Unknown, Reason::Forwarded)]
    );
    follower.advance(number).unwrap();
    step(&mut follower, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 1)).unwrap();
    assert_eq!(kinds(&follower), has::ENTRIES | has::MESSAGES);
    drain(&mut follower);
    let snapshot = Some(kit::snapshot(9, 1, &[1, 2, 3], b""));
    step(&mut follower, &proto::Message { snapshot, ..message(MessageKind::Snap, 2, 1, 1) }).unwrap();
    assert_eq!(kinds(&follower), has::HARD_STATE | has::SNAPSHOT | has::MESSAGES);

    let mut alone = Disk::founder(&[1]).boot(&config(1));
    alone.campaign().unwrap();
    drain(&mut alone);
    alone.read_index(3).unwrap();
    assert_eq!(kinds(&alone), has::READS);
}

#[test]
fn a_peer_is_described_by_its_flags() {
    use peer_flags::{ACTIVE, CAUGHT_UP, FETCHING, LEARNER, OUTGOING, PAUSED, VOTER, WINDOW_FULL};
    let mut node = leader(&forgetful());
    let flags = |node: &Node, id: u64| node.peers().find(|peer| peer.id == id).unwrap().flags;
    assert_eq!(flags(&node, 2), VOTER | ACTIVE | CAUGHT_UP);
    node.set_window(2, 1, 0).unwrap();
    node.propose(b"x", 0).unwrap();
    drain(&mut node);
    assert_eq!(flags(&node, 2), VOTER | ACTIVE | CAUGHT_UP | PAUSED | WINDOW_FULL);
    node.report_unreachable(2).unwrap();
    assert_eq!(flags(&node, 2), VOTER | ACTIVE, "a probe: what it has is not known");
    for from in [2, 3] {
        acknowledge(&mut node, from, 3);
    }
    drain(&mut node);
    for index in 4..60 {
        node.propose(&[9; 500], 0).unwrap();
        drain(&mut node);
        acknowledge(&mut node, 2, index);
        drain(&mut node);
    }
    assert_eq!(flags(&node, 3), VOTER | ACTIVE | CAUGHT_UP, "all that it lacks is on its way");
    node.report_unreachable(3).unwrap();
    assert_eq!(flags(&node, 3), VOTER | ACTIVE, "it lags");
    beats(&mut node, 3);
    assert_eq!(flags(&node, 3), VOTER | ACTIVE | PAUSED | FETCHING);
    let fetch = node.next_fetch().unwrap().unwrap();
    node.supply_none(fetch.id, Missing::Later).unwrap();
    assert_eq!(flags(&node, 3), VOTER | ACTIVE | PAUSED);

    let conf = wire::ConfStateRef { voters: &[1, 2], voters_outgoing: &[1, 3], learners: &[4], ..Default::default() };
    let mut joint = Node::new(&config(1)).unwrap();
    joint.boot_state(raftcore::HardState { term: 1, vote: 0, commit: 1 }).unwrap();
    joint.boot_conf(&conf, 0, raftcore::EntryId { term: 1, index: 1 }).unwrap();
    joint.boot_done(1).unwrap();
    let sets = |id| flags(&joint, id) & (VOTER | OUTGOING | LEARNER);
    assert_eq!([1, 2, 3, 4].map(sets), [VOTER | OUTGOING, VOTER, OUTGOING, LEARNER]);
}

#[test]
fn what_is_lost_refused_or_of_no_effect_is_counted() {
    let mut node = leader(&Config { max_messages: 16, group: 7, ..config(1) });
    let before = node.status();
    for _ in 0..3 {
        step(&mut node, &message(MessageKind::TimeoutNow, 2, 1, 1)).unwrap();
        node.step(2, b"\xff").unwrap_err();
    }
    let frame = |group: u64, body: &[u8]| {
        let mut header = [0; 12];
        wire::write_frame_header(&mut header, body.len() as u32, group);
        [&header[..], body].concat()
    };
    use prost::Message as _;
    let heard = message(MessageKind::HeartbeatResp, 2, 1, 1).encode_to_vec();
    let stream = [frame(8, &heard), frame(7, &heard), frame(8, &heard), frame(7, b"\xff")].concat();
    let done = node.step_frames(2, &stream).unwrap();
    assert_eq!((done.consumed, done.rejected), (stream.len(), 3));
    // Nine ticks of two heartbeats each, in an outbox of sixteen.
    for _ in 0..9 {
        node.tick(1).unwrap();
    }
    let after = node.status();
    assert_eq!(after.messages_ignored - before.messages_ignored, 3);
    assert_eq!(after.messages_refused - before.messages_refused, 3 + 3);
    assert_eq!(after.messages_dropped - before.messages_dropped, 2);
    let lost = kit::events(&mut node);
    assert_eq!(lost.iter().filter(|event| event.kind == raftcore::EventKind::MessageLost).count(), 2);
}

#[test]
fn a_frame_may_be_as_long_as_a_message_can_be() {
    let c = Config { max_size_per_msg: 1000, max_entry_bytes: 2000, max_snapshot_bytes: 3000, ..config(1) };
    let mut node = Disk::founder(&[1, 2, 3]).boot(&c);
    // The longest payload, and 64 KiB for the rest of the message.
    let limit = 3000 + (64 << 10);
    let header = |len: u32| {
        let mut header = [0; 12];
        wire::write_frame_header(&mut header, len, 0);
        header
    };
    assert_eq!(node.step_frames(2, &header(limit)).map(|done| done.consumed), Ok(0), "it may come yet");
    assert_eq!(node.step_frames(2, &header(limit + 1)), Err(Error::Decode));
    let widest = Config { max_size_per_msg: u64::MAX, ..config(1) };
    let mut wide = Disk::founder(&[1, 2, 3]).boot(&widest);
    let most = (u32::MAX / 2) + (64 << 10);
    assert_eq!(wide.step_frames(2, &header(most)).map(|done| done.consumed), Ok(0));
    assert_eq!(wide.step_frames(2, &header(most + 1)), Err(Error::Decode));
    // Frames before a malformed frame are taken.
    let heard = prost::Message::encode_to_vec(&message(MessageKind::Heartbeat, 2, 1, 1));
    let stream = [&header(heard.len() as u32)[..], &heard, &header(limit + 1)].concat();
    assert_eq!(node.step_frames(2, &stream).map(|done| done.consumed), Ok(12 + heard.len()));
}

#[test]
fn the_highest_ids_and_windows_are_allowed() {
    use raftcore::{Change, ChangeEncoding, ChangeKind, Transition};
    let add = |node: &mut Node, id: u64| {
        let changes = [Change { kind: ChangeKind::AddLearner, id }];
        node.propose_conf(&changes, ChangeEncoding::V2(Transition::Auto), b"", 0)
    };
    let mut node = leader(&config(1));
    assert_eq!(add(&mut node, u64::MAX - 15), Err(Error::Arg));
    assert_eq!(add(&mut node, 0), Err(Error::Arg));
    add(&mut node, u64::MAX - 16).unwrap();
    node.set_window(2, 65536, 0).unwrap();
    assert_eq!(node.set_window(2, 65537, 0), Err(Error::Arg));
    node.set_window(2, 0, 0).unwrap();
}

#[test]
fn only_a_response_of_this_nodes_own_work_is_one() {
    let c = Config { storage: raftcore::StorageMode::Messages, ..config(1) };
    let mut node = Disk::founder(&[1]).boot(&c);
    node.campaign().unwrap();
    let number = node.ready().unwrap().unwrap().number();
    let twin = node.try_clone().unwrap();
    let (append, apply) = (u64::MAX, u64::MAX - 1);
    let local = |node: &mut Node, m: &proto::Message| node.step_local(&prost::Message::encode_to_vec(m));
    let appended = message(MessageKind::StorageAppendResp, append, 1, 1);
    let applied = message(MessageKind::StorageApplyResp, apply, 1, 1);
    let strangers = [
        proto::Message { to: 2, ..appended.clone() },
        proto::Message { from: apply, ..appended.clone() },
        proto::Message { from: 1, ..appended.clone() },
        proto::Message { to: 2, ..applied.clone() },
        proto::Message { from: append, ..applied.clone() },
        message(MessageKind::VoteResp, 2, 1, 1),
        message(MessageKind::VoteResp, 1, 2, 1),
        message(MessageKind::Heartbeat, 1, 1, 1),
        message(MessageKind::Heartbeat, 0, 1, 1),
    ];
    for m in strangers {
        assert_eq!(local(&mut node, &m), Err(Error::NotForMe), "{m:?}");
        assert!(node == twin, "{m:?}");
    }
    // Entries never returned can't be done.
    let entries = |indexes: &[u64]| indexes.iter().map(|&index| entry(1, index, b"x")).collect::<Vec<_>>();
    for indexes in [&[][..], &[2], &[2, 1], &[9]] {
        let m = proto::Message { entries: entries(indexes), ..applied.clone() };
        assert_eq!(local(&mut node, &m), Err(Error::Arg), "{indexes:?}");
    }
    node.release(number).unwrap();
    let mut cluster = kit::Cluster::new(&[1], move |id| Config { id, ..c });
    cluster.elect(1);
    let mut node = cluster.node(1).try_clone().unwrap();
    node.propose(b"x", 0).unwrap();
    let early = proto::Message { index: 3, log_term: 1, ..appended };
    assert_eq!(local(&mut node, &early), Err(Error::Arg), "it is in no batch yet");
    node.ready().unwrap().unwrap();
    assert_eq!(local(&mut node, &early), Ok(()));
    assert_eq!(node.status().durable, 3);
    // A ready that names an applied snapshot proves its entries applied, too.
    node.propose(b"y", 0).unwrap();
    node.ready().unwrap().unwrap();
    let snapshot = Some(kit::snapshot(2, 1, &[1], b""));
    assert_eq!(local(&mut node, &proto::Message { index: 4, snapshot, ..early }), Ok(()));
    assert_eq!(node.status().durable, 4);
    let late = proto::Message { entries: entries(&[2]), ..applied };
    assert_eq!(local(&mut node, &late), Err(Error::Stale), "applied before");
}

#[test]
fn advance_after_release_still_counts_as_persisted() {
    let mut node = founded(&in_mode(1, StorageMode::Async), &[1]);
    node.campaign().unwrap();
    for _ in 0..10 {
        let Some(ready) = node.ready().unwrap() else { break };
        let number = ready.number();
        node.release(number).unwrap();
        node.advance(number).unwrap();
    }
    assert_eq!(node.status().role, Role::Leader);
}

#[test]
fn a_number_that_was_never_handed_out_is_refused_though_entries_wait_to_be_applied() {
    for storage in [StorageMode::Sync, StorageMode::Async] {
        let mut node = founded(&Config { storage, ..config(1) }, &[1, 2, 3]);
        step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 2)).unwrap();
        if storage == StorageMode::Async {
            let first = node.ready().unwrap().unwrap().number();
            node.persisted(first).unwrap();
            node.release(first).unwrap();
        }
        let number = node.ready().unwrap().unwrap().number();
        assert!(node.view(number).unwrap().committed_span().is_some());

        assert_eq!(node.advance(number + 100), Err(Error::Arg), "{storage:?}");

        node.advance(number).unwrap();
    }
}

/// Each ready pins the log's blocks that it shows, whichever others are released before it.
#[test]
fn a_ready_keeps_its_entries_when_an_older_one_is_released() {
    let mut c = Config { recent_bytes: 64 << 10, ..asynchronous() };
    c.flags = c.flags.with(Flags::DEBUG_POISON_VIEWS, true);
    let mut node = leader(&c);
    // An entry in each block.
    let mut propose = |token: u8| {
        node.propose(&[token; 3000], token.into()).unwrap();
        take(&mut node)
    };
    let numbers: Vec<u64> = (1..=4).map(&mut propose).collect();
    node.persisted(numbers[3]).unwrap();
    acknowledge(&mut node, 2, 6);
    acknowledge(&mut node, 3, 6);
    take(&mut node);
    node.applied(6).unwrap();
    let before = shown(&node, numbers[1]);
    node.compacted(6).unwrap();
    node.release(numbers[0]).unwrap();
    // What is free is used again.
    for token in 5..=8 {
        node.propose(&[token; 3000], token.into()).unwrap();
    }
    assert_eq!(shown(&node, numbers[1]), before);
}
