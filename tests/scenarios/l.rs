//! Log, commit, persistence.

use crate::{MODES, boot, depose, drain, group, in_mode, of_kind, said, take};
use kit::{Cluster, Disk, Stored, append, config, entry, events, message, snapshot, step};
use raftcore::{
    ChangeKind, Config, EntryKind, EntryRef, Error, EventKind, Flow, HardState, MessageKind, Reason, Role, StorageMode,
};

fn snap(index: u64, term: u64) -> raftcore::proto::Message {
    let mut m = message(MessageKind::Snap, 2, 1, term);
    m.snapshot = Some(snapshot(index, 1, &[1, 2, 3], b""));
    m
}

/// A leader of term 1 whose followers 2 and 3 hold everything up to its first entry, at index 2.
fn leader(config: &Config) -> raftcore::Node {
    let mut node = boot(config, &[1, 2, 3]);
    node.campaign().unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::PreVoteResp, 2, 1, 1)).unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::VoteResp, 2, 1, 1)).unwrap();
    drain(&mut node);
    for from in [2, 3] {
        let mut m = message(MessageKind::AppResp, from, 1, 1);
        m.index = 2;
        step(&mut node, &m).unwrap();
    }
    drain(&mut node);
    assert_eq!((node.status().role, node.status().commit), (Role::Leader, 2));
    node
}

fn ack(from: u64, term: u64, index: u64) -> raftcore::proto::Message {
    raftcore::proto::Message { index, ..message(MessageKind::AppResp, from, 1, term) }
}

#[test]
fn l01_entries_of_older_terms_commit_only_with_one_of_the_leaders_own() {
    // (2,t1) came from an earlier leader; 1 leads term 2 and its own first entry is at 3.
    let mut node = boot(&config(1), &[1, 2, 3]);
    step(&mut node, &append(3, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 1)).unwrap();
    node.forget_leader().unwrap();
    node.campaign().unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::PreVoteResp, 2, 1, 2)).unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::VoteResp, 2, 1, 2)).unwrap();
    drain(&mut node);
    assert_eq!(node.status().role, Role::Leader);

    for from in [2, 3] {
        step(&mut node, &ack(from, 2, 2)).unwrap();
    }
    assert_eq!(node.status().commit, 1, "(2,t1) is everywhere, and may still be overwritten");
    step(&mut node, &ack(2, 2, 3)).unwrap();
    assert_eq!(node.status().commit, 3);
}

#[test]
fn l02_a_wiped_disk_is_noticed_and_loses_nothing_in_silence() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    for i in 0..5u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
        cluster.settle();
    }
    let (commit, term) = (cluster.node(1).status().commit, cluster.node(1).status().term);
    let mut wiped = Disk::founder(&[1, 2, 3]).boot(&config(2));
    let before = wiped.digest(true);
    let mut beat = message(MessageKind::Heartbeat, 1, 2, term);
    beat.commit = commit;

    assert_eq!(step(&mut wiped, &beat), Err(Error::Implausible));

    assert_eq!(wiped.digest(true), before);
    assert!(said(&mut wiped, EventKind::Alarm, Reason::CommitBeyondLog));
    assert_eq!(wiped.status().implausible, 1);
}

#[test]
fn l03_a_message_to_another_node_or_group_is_refused() {
    use prost::Message as _;
    let mut node = boot(&Config { group: 5, ..config(1) }, &[1, 2, 3]);
    assert_eq!(step(&mut node, &message(MessageKind::Heartbeat, 2, 3, 1)), Err(Error::NotForMe));
    let bytes = message(MessageKind::Heartbeat, 2, 1, 1).encode_to_vec();
    for (group, rejected) in [(4, 1), (5, 0)] {
        let mut frame = vec![0; 12];
        raftcore::wire::write_frame_header(frame.first_chunk_mut().unwrap(), bytes.len() as u32, group);
        frame.extend_from_slice(&bytes);
        let done = node.step_frames(2, &frame).unwrap();
        assert_eq!((done.consumed, done.rejected), (frame.len(), rejected), "group {group}");
    }
    assert_eq!(node.status().leader, 2);
}

#[test]
fn l04_next_stays_above_match_whatever_order_answers_come_in() {
    let mut random = 12345u64;
    let mut below = move |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let mut node = leader(&config(1));
    for _ in 0..20_000 {
        let last = node.status().last_index;
        let mut m = ack(2 + below(2), 1, below(last + 1));
        m.reject = below(2) == 0;
        (m.reject_hint, m.log_term) = (below(last + 3), below(3));
        match below(8) {
            0 => _ = node.propose(b"x", 0),
            1 => _ = node.report_unreachable(m.from),
            2 => _ = step(&mut node, &message(MessageKind::HeartbeatResp, m.from, 1, 1)),
            _ => _ = step(&mut node, &m),
        }
        for peer in node.peers() {
            assert!(peer.match_index < peer.next_index && peer.next_index <= node.status().last_index + 1, "{peer:?}");
        }
        drain(&mut node);
        events(&mut node);
    }
}

#[test]
fn l05_ack_of_an_overwritten_write_makes_nothing_durable() {
    use prost::Message as _;
    // In MESSAGES: the responses of three writes over one index, in order.
    let mut node = boot(&in_mode(1, StorageMode::Messages), &[1, 2, 3]);
    let mut writes = Vec::new();
    for m in [
        append(2, 1, 1, (1, 1), vec![entry(1, 2, b"a")], 1),
        append(3, 1, 2, (1, 1), vec![entry(2, 2, b"b")], 1),
        append(2, 1, 3, (1, 1), vec![entry(1, 2, b"a"), entry(3, 3, b"c")], 1),
    ] {
        step(&mut node, &m).unwrap();
        let (number, messages) = take(&mut node).unwrap();
        let work = messages.into_iter().find(|shown| shown.m.r#type == MessageKind::StorageAppend as i32).unwrap();
        writes.push(work.m.responses.into_iter().filter(|m| m.to == 1).collect::<Vec<_>>());
        node.release(number).unwrap();
    }
    for (number, responses) in writes.iter().enumerate() {
        for response in responses {
            node.step_local(&response.encode_to_vec()).unwrap();
        }
        assert_eq!(node.status().durable, if number == 2 { 3 } else { 1 }, "write {number}");
    }
}

#[test]
fn l06_a_late_word_of_a_write_before_a_truncation_counts_for_nothing() {
    let mut node = boot(&in_mode(1, StorageMode::Async), &[1, 2, 3]);
    let old = (2..=5).map(|index| entry(1, index, b"old")).collect();
    step(&mut node, &append(2, 1, 1, (1, 1), old, 1)).unwrap();
    let (first, _) = take(&mut node).unwrap();
    step(&mut node, &append(3, 1, 2, (2, 1), vec![entry(2, 3, b"new")], 1)).unwrap();
    let (second, _) = take(&mut node).unwrap();

    node.persisted(first).unwrap();
    assert!(node.status().durable <= 2, "written up to 5, but of another log: {}", node.status().durable);
    node.persisted(second).unwrap();
    assert_eq!(node.status().durable, 3);
}

#[test]
fn l07_snapshots_and_appends_interleave_on_the_way_to_the_disk() {
    let mut node = boot(&in_mode(1, StorageMode::Async), &[1, 2, 3]);
    let mut numbers = Vec::new();
    for m in [
        snap(10, 1),
        append(2, 1, 1, (10, 1), vec![entry(1, 11, b"x")], 11),
        snap(20, 1),
        append(2, 1, 1, (20, 1), vec![entry(1, 21, b"y")], 21),
    ] {
        step(&mut node, &m).unwrap();
        let (number, _) = take(&mut node).unwrap();
        assert_eq!(node.view(number).unwrap().committed_span(), None, "nothing is applied over a snapshot on its way");
        numbers.push(number);
    }
    for (number, applied) in numbers.into_iter().zip([10, 10, 20, 20]) {
        node.persisted(number).unwrap();
        assert_eq!(node.status().applied, applied, "after ready {number}");
    }
    assert_eq!(node.status().durable, 21);
    assert_eq!(node.ready().unwrap().unwrap().committed_span(), Some((21, 21)));
}

#[test]
fn l08_an_answer_waits_for_the_disk_also_that_to_an_empty_append() {
    for mode in [StorageMode::Sync, StorageMode::Async] {
        let mut node = boot(&in_mode(1, mode), &[1, 2, 3]);
        step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 1)).unwrap();
        if mode == StorageMode::Async {
            take(&mut node).unwrap();
        }
        // It re-confirms what is in flight.
        step(&mut node, &append(2, 1, 1, (2, 1), vec![], 1)).unwrap();
        let (_, messages) = take(&mut node).unwrap();
        let answers: Vec<_> = messages.iter().filter(|shown| shown.m.index == 2).collect();
        assert!(!answers.is_empty());
        assert!(answers.iter().all(|shown| shown.after), "{mode:?}");
    }
}

#[test]
fn l09_a_failed_write_is_forgotten_with_its_node() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.node(1).propose(b"one", 0).unwrap();
    cluster.settle();
    // 2's disk fails in the middle of the next write: the entry is there, the hard state is not.
    let before = cluster.hosts[&2].disk.clone();
    cluster.node(1).propose(b"two", 0).unwrap();
    cluster.settle();
    let mut half = before.clone();
    half.log = cluster.hosts[&2].disk.log.clone();
    cluster.hosts.remove(&2);

    cluster.add(2, half);
    cluster.node(1).propose(b"three", 0).unwrap();
    cluster.tick(10);

    assert_eq!(cluster.hosts[&2].disk.data, [&b"one"[..], b"two", b"three"]);
    assert_eq!(cluster.hosts[&2].disk.log, cluster.hosts[&1].disk.log);
}

#[test]
fn l10_no_committed_entry_is_lost_when_a_limit_cuts() {
    for mode in MODES {
        for limit in [1, 30, 100] {
            let mut cluster = group(&[1, 2, 3], move |c| {
                (c.storage, c.max_committed_size_per_ready, c.max_entries_per_ready) = (mode, limit, 3);
            });
            cluster.elect(1);
            for i in 0..20u8 {
                cluster.node(1).propose(&[i; 20], u64::from(i) + 1).unwrap();
            }
            cluster.settle();
            cluster.tick(3);
            for id in 1..=3 {
                // The kit checks that each comes once and in order.
                assert_eq!(cluster.hosts[&id].disk.data.len(), 20, "{mode:?} {limit} at {id}");
            }
        }
    }
}

#[test]
fn l11_the_account_of_uncommitted_bytes_returns_to_nothing() {
    let mut cluster = group(&[1, 2, 3], |c| c.max_uncommitted_size = 100);
    cluster.elect(1);
    let fill = |cluster: &mut Cluster, id: u64| {
        let mut taken = 0;
        while cluster.node(id).propose(&[1; 50], 0).is_ok() {
            taken += 1;
            assert!(taken < 10, "no limit");
        }
        assert!(cluster.node(id).error_detail().contains("max_uncommitted_size"));
        taken
    };
    cluster.isolate(1);
    assert_eq!(fill(&mut cluster, 1), 2);
    depose(&mut cluster, 1, 2);
    cluster.heal();
    cluster.tick(5);
    // A change of term, overwritten entries, configuration entries, refused ones.
    assert!(cluster.change(2, &[(ChangeKind::AddLearner, 9)]).is_ok());
    assert!(cluster.node(2).propose_conf(&[], raftcore::ChangeEncoding::V1, b"", 0).is_err());
    cluster.tick(2);
    depose(&mut cluster, 2, 1);
    cluster.heal();
    cluster.tick(5);

    cluster.isolate(1);
    assert_eq!(fill(&mut cluster, 1), 2);
}

#[test]
fn l12_a_full_window_of_lost_messages_is_probed() {
    let mut cluster = group(&[1, 2, 3], |c| c.max_inflight_msgs = 3);
    cluster.elect(1);
    cluster.isolate(3);
    for i in 0..20u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
        cluster.settle();
    }
    assert!(cluster.node(1).peers().any(|p| p.id == 3 && p.flags & raftcore::peer_flags::WINDOW_FULL != 0));
    cluster.heal();

    cluster.tick(5);

    assert_eq!(cluster.hosts[&3].disk.data.len(), 20);
}

#[test]
fn l13_a_slow_peer_catches_up_while_writes_go_on_and_stops_nobody() {
    let mut cluster = group(&[1, 2, 3], |c| (c.recent_bytes, c.max_size_per_msg) = (64 << 10, 8 << 10));
    cluster.elect(1);
    cluster.isolate(3);
    for i in 0..200u8 {
        cluster.node(1).propose(&[i; 1000], 0).unwrap();
        cluster.settle();
    }
    cluster.heal();
    for i in 0..50u8 {
        cluster.node(1).propose(&[i; 1000], 0).unwrap();
        cluster.settle();
        assert_eq!(cluster.hosts[&2].disk.data.len(), 201 + usize::from(i), "the other peer waits");
        cluster.tick(1);
    }
    assert_eq!(cluster.hosts[&3].disk.data.len(), 250);
}

#[test]
fn l14_commit_never_goes_back() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let entries: Vec<_> = (2..=6).map(|index| entry(1, index, b"x")).collect();
    step(&mut node, &append(2, 1, 1, (1, 1), entries.clone(), 5)).unwrap();
    for m in [
        append(2, 1, 1, (1, 1), entries[..1].to_vec(), 2),
        append(2, 1, 1, (6, 1), vec![], 3),
        message(MessageKind::Heartbeat, 2, 1, 1),
        snap(4, 1),
        append(2, 1, 1, (1, 1), entries, 1),
    ] {
        step(&mut node, &m).unwrap();
        assert_eq!(node.status().commit, 5);
        for m in drain(&mut node) {
            assert_ne!((m.r#type, m.index), (MessageKind::Snap as i32, 4));
        }
    }
}

#[test]
fn l15_no_stored_commit_index_passes_the_entries_stored_with_it() {
    for mode in MODES {
        let mut node = boot(&Config { max_entries_per_ready: 2, ..in_mode(1, mode) }, &[1, 2, 3]);
        let entries = (2..=9).map(|index| entry(1, index, b"x")).collect();
        step(&mut node, &append(2, 1, 1, (1, 1), entries, 9)).unwrap();
        let mut stored = 1;
        for _ in 0..4 {
            let ready = node.ready().unwrap().unwrap();
            stored = ready.entries().last().map_or(stored, |e| e.index);
            assert!(ready.state().commit <= stored, "{mode:?}: commit {} of {stored}", ready.state().commit);
            let number = ready.number();
            if mode == StorageMode::Sync {
                node.advance(number).unwrap();
            }
        }
        assert_eq!(stored, 9);
    }
}

#[test]
fn l16_gaps_and_falling_terms_are_refused_whole_on_both_ends() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let before = node.digest(true);
    for entries in [
        vec![entry(1, 3, b"")],
        vec![entry(1, 2, b""), entry(1, 4, b"")],
        vec![entry(3, 2, b""), entry(2, 3, b"")],
        vec![entry(0, 2, b"")],
        vec![entry(9, 2, b"")],
        vec![entry(1, 2, b""), entry(1, 2, b"")],
    ] {
        assert_eq!(step(&mut node, &append(2, 1, 5, (1, 1), entries, 1)), Err(Error::Decode));
    }
    assert_eq!(node.digest(true), before);

    // A host that reads its log wrong sends nothing wrong.
    let mut node = leader(&Config { recent_bytes: 16 << 10, ..config(1) });
    for _ in 0..20 {
        node.propose(&[1; 3000], 0).unwrap();
        drain(&mut node);
        let last = node.status().last_index;
        step(&mut node, &ack(2, 1, last)).unwrap();
        drain(&mut node);
    }
    node.report_unreachable(3).unwrap();
    step(&mut node, &message(MessageKind::HeartbeatResp, 3, 1, 1)).unwrap();
    let fetch = node.next_fetch().unwrap().unwrap();
    let e = |index, term| EntryRef { term, index, kind: EntryKind::Normal, data: &[1; 3000], ..EntryRef::default() };
    let first = fetch.first;
    for entries in
        [vec![e(first + 1, 1)], vec![e(first, 1), e(first + 2, 1)], vec![e(first, 2)], vec![e(first, 0)], vec![]]
    {
        assert_eq!(node.supply_entries(fetch.id, entries.into_iter()), Err(Error::Arg));
    }
    assert_eq!(node.supply_entries(fetch.id, [e(first, 1)].into_iter()), Ok(raftcore::Supplied::Taken));
    let sent = drain(&mut node);
    let to_3: Vec<_> = of_kind(&sent, MessageKind::App).into_iter().filter(|m| m.to == 3).collect();
    assert_eq!((to_3.len(), to_3[0].index, to_3[0].entries.len()), (1, first - 1, 1));
}

#[test]
fn l17_a_conflict_below_commit_is_refused_loudly() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let entries = vec![entry(1, 2, b"x"), entry(1, 3, b"y")];
    step(&mut node, &append(2, 1, 1, (1, 1), entries, 3)).unwrap();
    drain(&mut node);
    events(&mut node);
    let before = node.digest(true);
    for m in [
        append(3, 1, 2, (1, 1), vec![entry(2, 2, b"z")], 1),
        append(3, 1, 2, (2, 1), vec![entry(2, 3, b"z")], 1),
        append(3, 1, 2, (3, 2), vec![], 1),
    ] {
        assert_eq!(step(&mut node, &m), Err(Error::Implausible));
        assert!(said(&mut node, EventKind::Alarm, Reason::ConflictBelowCommit));
    }
    assert_eq!(node.digest(true), before);
}

#[test]
fn l18_a_commit_index_below_applied_is_repaired_at_boot() {
    let mut disk = Disk::founder(&[1, 2, 3]);
    for index in 2..=5 {
        disk.log.insert(index, Stored { term: 1, kind: EntryKind::Normal, data: vec![1], context: Vec::new() });
    }
    (disk.state, disk.applied) = (HardState { term: 1, vote: 0, commit: 2 }, 4);
    let mut node = disk.boot(&config(1));

    assert_eq!((node.status().commit, node.status().applied), (4, 4));
    assert!(said(&mut node, EventKind::Repaired, Reason::None));
    assert_eq!(node.ready().unwrap().unwrap().hard_state().unwrap().commit, 4);
}

#[test]
fn l19_apply_before_persist_stays_within_its_bound_also_after_leadership() {
    let mut node = boot(&Config { max_apply_unpersisted: 2, ..in_mode(1, StorageMode::Async) }, &[1, 2, 3]);
    let entries = (2..=9).map(|index| entry(1, index, b"x")).collect();
    step(&mut node, &append(2, 1, 1, (1, 1), entries, 9)).unwrap();
    let mut handed = 1;
    while let Some(ready) = node.ready().unwrap() {
        handed = ready.committed_span().map_or(handed, |(_, last)| last);
        assert!(handed <= 3, "entry {handed} is handed out, durable is 1");
    }
    assert_eq!(handed, 3);
    node.applied(3).unwrap();
    node.persisted(1).unwrap();
    node.release(1).unwrap();
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.committed_span(), Some((4, 9)));
}

#[test]
fn l20_what_is_compacted_while_a_slow_peer_needs_it_comes_by_snapshot() {
    let mut cluster = group(&[1, 2, 3], |c| c.recent_bytes = 16 << 10);
    cluster.elect(1);
    cluster.isolate(3);
    for i in 0..30u8 {
        cluster.node(1).propose(&[i; 2000], 0).unwrap();
        cluster.settle();
    }
    cluster.heal();
    cluster.node(1).report_unreachable(3).unwrap();
    let term = cluster.node(1).status().term;
    step(cluster.node(1), &message(MessageKind::HeartbeatResp, 3, 1, term)).unwrap();
    let fetch = cluster.node(1).next_fetch().unwrap().unwrap();
    let applied = cluster.node(1).status().applied;
    let read: Vec<Stored> =
        cluster.hosts[&1].disk.log.range(fetch.first..=fetch.last).map(|(_, e)| e.clone()).collect();

    cluster.compact(1, applied);
    let entries = read.iter().zip(fetch.first..).map(|(e, index)| EntryRef {
        term: e.term,
        index,
        kind: e.kind,
        data: &e.data,
        ..EntryRef::default()
    });
    assert_eq!(cluster.node(1).supply_entries(fetch.id, entries), Ok(raftcore::Supplied::Ignored));
    cluster.tick(10);

    assert_eq!(cluster.hosts[&3].disk.data, cluster.hosts[&1].disk.data);
    assert!(cluster.hosts[&1].fetched.contains(&raftcore::FetchKind::Snapshot));
}

#[test]
fn l21_an_acknowledgement_from_before_a_truncation_is_not_counted_after_it() {
    // 2 acknowledged index 5 of term 1; then its log was cut to 3 by the leader of term 2, which is 1 now.
    let mut node = boot(&config(1), &[1, 2, 3]);
    step(&mut node, &append(3, 1, 1, (1, 1), (2..=3).map(|index| entry(1, index, b"x")).collect(), 1)).unwrap();
    node.forget_leader().unwrap();
    node.campaign().unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::PreVoteResp, 2, 1, 2)).unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::VoteResp, 2, 1, 2)).unwrap();
    for _ in 0..4 {
        node.propose(b"y", 0).unwrap();
    }
    drain(&mut node);

    step(&mut node, &ack(2, 1, 5)).unwrap();

    assert_eq!(node.status().commit, 1);
    let peer = node.peers().find(|peer| peer.id == 2).unwrap();
    assert_eq!((peer.match_index, peer.flow), (0, Flow::Probe));
    assert_eq!(step(&mut node, &ack(2, 2, 99)), Err(Error::Implausible));
    assert!(said(&mut node, EventKind::Alarm, Reason::AckBeyondLog));
}
