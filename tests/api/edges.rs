//! The edges: full limits, work overtaken by a snapshot, impossible boots and messages. Each case
//! was a fault once.

use crate::kit::{Cluster, Disk, append, config, entry, events, message, snapshot, step};
use raftcore::wire::ConfStateRef;
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, EntryId, EntryKind, EntryRef, Error, HardState, MessageKind, Node,
    Role, StorageMode, TermRun, Transition,
};

fn boot(config: &Config, voters: &[u64]) -> Node {
    Disk::founder(voters).boot(config)
}

fn in_mode(id: u64, storage: StorageMode) -> Config {
    Config { storage, ..config(id) }
}

#[test]
fn a_snapshot_with_a_bad_configuration_is_refused_with_the_node_unchanged() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let before = node.digest(true);
    let mut m = message(MessageKind::Snap, 2, 1, 5);
    m.snapshot = Some(snapshot(10, 4, &[], b""));

    assert_eq!(step(&mut node, &m), Err(Error::Implausible));

    assert_eq!(node.status().term, 0, "the term moved though the message was refused");
    assert_eq!(node.digest(true), before);
}

#[test]
fn a_snapshot_of_a_term_above_its_message_is_refused() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let mut m = message(MessageKind::Snap, 2, 1, 5);
    m.snapshot = Some(snapshot(10, 100, &[1, 2, 3], b""));

    let outcome = step(&mut node, &m);

    assert!(outcome.is_err(), "last term {} in term {}", node.status().last_term, node.status().term);
}

#[test]
fn a_snapshot_of_term_0_is_refused_since_nothing_boots_from_it() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let mut m = message(MessageKind::Snap, 2, 1, 5);
    m.snapshot = Some(snapshot(10, 0, &[1, 2, 3], b""));

    assert!(step(&mut node, &m).is_err());
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

/// A follower in ASYNC or MESSAGES that has returned entries to apply, when a snapshot replaces
/// them.
fn overtaken_by_a_snapshot(storage: StorageMode) -> Node {
    let config = Config { max_committed_size_per_ready: 10, ..in_mode(1, storage) };
    let mut node = boot(&config, &[1, 2, 3]);
    step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"0123456789abcdef"), entry(1, 3, b"x")], 3)).unwrap();
    node
}

#[test]
fn entries_that_a_snapshot_overtakes_take_no_share_of_the_limits_for_ever() {
    let mut node = overtaken_by_a_snapshot(StorageMode::Async);
    let first = node.ready().unwrap().unwrap().number();
    node.persisted(first).unwrap();
    let span = node.ready().unwrap().unwrap();
    assert_eq!(span.committed_span(), Some((2, 2)));
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
    step(&mut node, &m).unwrap();
    let third = node.ready().unwrap().unwrap().number();
    node.advance(third).unwrap();
    assert_eq!(node.status().applied, 10);

    step(&mut node, &append(2, 1, 1, (10, 1), vec![entry(1, 11, b"y")], 11)).unwrap();
    let mut spans = Vec::new();
    while let Some(ready) = node.ready().unwrap() {
        spans.extend(ready.committed_span());
        let number = ready.number();
        node.persisted(number).unwrap();
        node.release(number).unwrap();
    }

    assert_eq!(spans, [(11, 11)], "nothing is handed out to be applied any more");
}

#[test]
fn readies_that_a_snapshot_overtakes_do_not_stay_outstanding() {
    let mut node = overtaken_by_a_snapshot(StorageMode::Async);
    let first = node.ready().unwrap().unwrap().number();
    node.persisted(first).unwrap();
    assert!(node.ready().unwrap().unwrap().committed_span().is_some());
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
    step(&mut node, &m).unwrap();
    let third = node.ready().unwrap().unwrap().number();

    node.advance(third).unwrap();

    assert_eq!(node.status().n_outstanding, 0);
}

#[test]
fn in_messages_entries_that_a_snapshot_overtakes_give_their_share_back() {
    let mut node = overtaken_by_a_snapshot(StorageMode::Messages);
    let locals = |node: &mut Node| {
        let mut found = Vec::new();
        while let Some(ready) = node.ready().unwrap() {
            for m in ready.messages().filter(|m| m.to() > u64::MAX - 16) {
                let mut bytes = Vec::new();
                m.write_to(&mut bytes);
                let view = raftcore::wire::parse_message(&bytes).unwrap();
                let responses: Vec<Vec<u8>> = view.responses.iter().map(<[u8]>::to_vec).collect();
                found.push((m.kind(), m.entry_count(), responses));
            }
            let number = ready.number();
            node.release(number).unwrap();
        }
        found
    };
    let answer = |node: &mut Node, work: &[(MessageKind, usize, Vec<Vec<u8>>)], kind| {
        for response in work.iter().filter(|w| w.0 == kind).flat_map(|w| &w.2) {
            let to = raftcore::wire::parse_message(response).unwrap().head.to;
            if to == 1 {
                assert!(matches!(node.step_local(response), Ok(()) | Err(Error::Stale)));
            }
        }
    };
    let work = locals(&mut node);
    answer(&mut node, &work, MessageKind::StorageAppend);
    let late = locals(&mut node);
    assert!(late.iter().any(|w| w.0 == MessageKind::StorageApply));
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
    step(&mut node, &m).unwrap();
    let work = locals(&mut node);
    answer(&mut node, &work, MessageKind::StorageAppend);
    answer(&mut node, &late, MessageKind::StorageApply);
    assert_eq!(node.status().applied, 10);

    step(&mut node, &append(2, 1, 1, (10, 1), vec![entry(1, 11, b"y")], 11)).unwrap();
    let work = locals(&mut node);
    answer(&mut node, &work, MessageKind::StorageAppend);
    let work = locals(&mut node);

    assert!(work.iter().any(|w| w.0 == MessageKind::StorageApply), "nothing is handed out to be applied any more");
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

#[test]
fn a_boot_with_an_applied_index_near_the_end_is_corrupt() {
    for applied in [u64::MAX, u64::MAX - 1, u64::MAX - 2] {
        let mut node = Node::new(&config(1)).unwrap();
        node.boot_state(HardState { term: 1, vote: 0, commit: 1 }).unwrap();
        let conf = ConfStateRef { voters: &[1], ..Default::default() };
        node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 }).unwrap();
        node.boot_terms(&[TermRun { first: 2, term: 1 }], 9).unwrap();
        assert_eq!(node.boot_done(applied), Err(Error::Corrupt), "{applied}");
    }
}

#[test]
fn a_boot_with_entries_and_a_huge_applied_is_corrupt() {
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_state(HardState { term: 1, vote: 0, commit: 1 }).unwrap();
    let conf = ConfStateRef { voters: &[1], ..Default::default() };
    node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 }).unwrap();
    let e = EntryRef { term: 1, index: 2, kind: EntryKind::Normal, data: b"x", token: 0 };
    node.boot_entries([e].into_iter()).unwrap();
    assert_eq!(node.boot_done(u64::MAX), Err(Error::Corrupt));
}

#[test]
fn a_boot_entry_at_the_highest_index_is_corrupt() {
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_state(HardState { term: 1, vote: 0, commit: 1 }).unwrap();
    let conf = ConfStateRef { voters: &[1], ..Default::default() };
    node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 }).unwrap();
    node.boot_terms(&[TermRun { first: 2, term: 1 }], 9).unwrap();
    let e = EntryRef { term: 1, index: u64::MAX, kind: EntryKind::Normal, data: b"x", token: 0 };
    assert_eq!(node.boot_entries([e].into_iter()), Err(Error::Corrupt));
}

#[test]
fn the_footprint_of_a_configuration_without_limits_is_an_error() {
    let config = Config { catchup_bytes: raftcore::config::NO_LIMIT, ..config(1) };
    assert!(Node::footprint(&config).is_err());
}

#[test]
fn the_digest_tells_windows_apart() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    let twin = node.try_clone().unwrap();
    node.set_window(2, 1, 0).unwrap();
    assert_ne!(node.digest(false), twin.digest(false), "they will send differently");
}

#[test]
fn a_follower_and_what_boots_from_its_disk_have_equal_digests() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    for i in 0..5u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
        cluster.settle();
    }
    let mut booted = cluster.hosts[&2].disk.boot(&config(2));
    let beat = {
        let commit = cluster.node(1).status().commit;
        let mut m = message(MessageKind::Heartbeat, 1, 2, 1);
        m.commit = commit;
        m
    };
    let drain = |node: &mut Node| {
        while let Some(ready) = node.ready().unwrap() {
            let number = ready.number();
            node.advance(number).unwrap();
        }
    };
    step(&mut booted, &beat).unwrap();
    drain(&mut booted);
    let live = cluster.node(2);
    step(live, &beat).unwrap();
    drain(live);

    assert_eq!(live.status().last_index, booted.status().last_index);
    assert_eq!(live.digest(false), booted.digest(false), "progress of peers means nothing at a follower");
}

#[test]
fn what_waits_in_a_full_outbox_is_bounded() {
    let mut node = boot(&Config { max_messages: 16, ..config(1) }, &[1, 2, 3]);
    let mut m = message(MessageKind::Heartbeat, 2, 1, 1);
    m.context = vec![7; 10_000].into();
    let mut sizes = Vec::new();
    for _ in 0..4 {
        for _ in 0..1000 {
            _ = step(&mut node, &m);
        }
        sizes.push(node.status().memory_bytes);
    }
    assert!(sizes[3] < sizes[0] + 1_000_000, "grows with every message: {sizes:?}");
}

#[test]
fn a_snapshot_is_not_durable_before_its_ready_is_persisted() {
    let mut node = boot(&in_mode(1, StorageMode::Async), &[1, 2, 3]);
    let mut m = message(MessageKind::Snap, 2, 1, 1);
    m.snapshot = Some(snapshot(10, 1, &[1, 2, 3], b""));
    step(&mut node, &m).unwrap();
    assert_eq!(node.status().durable, 1);
}

#[test]
fn a_proposal_refused_for_want_of_room_leaves_the_node_unchanged() {
    let small = |id| Config { recent_bytes: 16 << 10, block_bytes: 4 << 10, ..config(id) };
    let mut cluster = Cluster::new(&[1], small);
    cluster.elect(1);
    for _ in 0..3 {
        cluster.node(1).propose(&[1; 3000], 0).unwrap();
        cluster.settle();
    }
    let node = cluster.node(1);
    let mut refused = 0;
    for len in [3000, 3000, 15_000, 30_000, 100_000] {
        let before = node.digest(true);
        if node.propose(&vec![1; len], 0).is_err() {
            refused += 1;
            assert_eq!(node.digest(true), before, "{len} bytes: {}", node.error_detail());
        }
    }
    assert!(refused > 0);
}

#[test]
fn an_append_with_entries_that_lie_apart_is_refused_whole_for_want_of_room() {
    use prost::Message as _;
    let config = Config { recent_bytes: 16 << 10, block_bytes: 4 << 10, ..config(1) };
    let mut node = boot(&config, &[1, 2, 3]);
    let mut refused = 0;
    for _ in 0..8 {
        let before = node.digest(true);
        let status = node.status();
        let (last, last_term) = (status.last_index, status.last_term);
        let term = last_term + 1;
        let one = append(2, 1, term, (last, last_term), vec![entry(term, last + 1, &[1; 3900])], 1).encode_to_vec();
        let two = proto_entries(vec![entry(term, last + 2, &[1; 10])]);
        // An unknown field between the records.
        let bytes = [one, vec![0x98, 0x06, 0x01], two].concat();
        if node.step(2, &bytes).is_err() {
            refused += 1;
            assert_eq!(node.digest(true), before, "term {term}: {}", node.error_detail());
        }
    }
    assert!(refused > 0);
}

fn proto_entries(entries: Vec<raftcore::proto::Entry>) -> Vec<u8> {
    use prost::Message as _;
    raftcore::proto::Message { entries, ..Default::default() }.encode_to_vec()
}

#[test]
fn advance_after_release_still_counts_as_persisted() {
    let mut node = boot(&in_mode(1, StorageMode::Async), &[1]);
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
fn one_message_of_a_high_term_does_not_end_all_elections() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    let m = message(MessageKind::AppResp, 2, 1, raftcore::MAX_POSITION - 1);

    _ = step(cluster.node(1), &m);
    cluster.settle();
    cluster.tick(200);
    assert!(cluster.leader().is_some());
}

#[test]
fn a_proposal_passed_on_twice_reaches_the_leader() {
    let mut cluster = Cluster::new(&[1, 2, 3], crate::kit::forwarding);
    cluster.elect(1);
    // Node 3 believes that node 2 leads, or the message was late: node 2 forwards the message.
    let mut m = message(MessageKind::Prop, 3, 2, 0);
    m.entries = vec![entry(0, 0, b"hello")];
    step(cluster.node(2), &m).unwrap();
    cluster.settle();
    assert_eq!(cluster.hosts[&1].disk.data, [b"hello"]);
}

#[test]
fn ticks_as_told_by_ticks_until_due_are_no_pause() {
    let mut node = boot(&config(1), &[1, 2, 3]);
    events(&mut node);
    let due = node.ticks_until_due().unwrap();
    node.tick(due).unwrap();
    let paused = events(&mut node).into_iter().any(|event| event.kind == raftcore::EventKind::Paused);
    assert!(!paused, "{due} ticks");
}
