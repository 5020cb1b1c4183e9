//! The limits of a message: each at its last number, and a number beyond.

use crate::lone::{acknowledge, drain, leader};
use kit::{Cluster, Disk, append, config, entry, founded, message, snapshot, step};
use raftcore::{Config, Error, EventKind, Flags, MAX_ID, MAX_POSITION, MessageKind, Node, Reason, StorageMode, proto};

fn booted(config: &Config) -> Node {
    Disk::founder(&[1, 2, 3]).boot(config)
}

/// Whether the node refuses it so, and nothing about the node has changed.
fn refuses(node: &mut Node, m: &proto::Message) -> Option<Error> {
    let before = node.digest(true);
    let error = step(node, m).err();
    assert!(error.is_none() || node.digest(true) == before, "{m:?} changed the node");
    error
}

#[test]
fn no_number_of_any_kind_passes_the_last_position() {
    let kinds = [MessageKind::App, MessageKind::AppResp, MessageKind::Heartbeat, MessageKind::HeartbeatResp];
    let others = [MessageKind::Vote, MessageKind::VoteResp, MessageKind::TimeoutNow];
    let beyond = MAX_POSITION + 1;
    for kind in kinds.into_iter().chain(others) {
        let plain = message(kind, 2, 1, 1);
        let too_high = [
            proto::Message { index: beyond, ..plain.clone() },
            proto::Message { log_term: beyond, ..plain.clone() },
            proto::Message { commit: beyond, ..plain.clone() },
            proto::Message { reject_hint: beyond, ..plain.clone() },
            // Two numbers that cancel each other if bits are counted and not compared.
            proto::Message { index: beyond, log_term: beyond, ..plain.clone() },
            proto::Message { log_term: beyond, commit: beyond, ..plain.clone() },
            proto::Message { commit: beyond, reject_hint: beyond, ..plain.clone() },
        ];
        for m in too_high {
            assert_eq!(refuses(&mut booted(&config(1)), &m), Some(Error::Implausible), "{m:?}");
        }
    }
    let m = append(2, 1, MAX_POSITION - 1, (MAX_POSITION, 1), vec![entry(1, beyond, b"")], 0);
    assert_eq!(refuses(&mut booted(&config(1)), &m), Some(Error::Implausible));
}

#[test]
fn the_last_position_itself_is_one() {
    let mut node = booted(&config(1));
    let m = proto::Message { index: MAX_POSITION, ..message(MessageKind::Heartbeat, 2, 1, 1) };
    assert_eq!(refuses(&mut node, &m), None);
    let answer = proto::Message { index: MAX_POSITION, reject: true, ..message(MessageKind::AppResp, 2, 1, 1) };
    assert_eq!(refuses(&mut node, &answer), None);
}

#[test]
fn a_term_may_be_two_to_the_32_ahead_and_no_more() {
    for kind in [MessageKind::Heartbeat, MessageKind::App, MessageKind::Vote] {
        let mut node = booted(&config(1));
        let m = message(kind, 2, 1, (1 << 32) + 1);
        assert_eq!(refuses(&mut node, &m), Some(Error::Implausible), "{kind:?}");
        assert_eq!(refuses(&mut node, &message(kind, 2, 1, 1 << 32)), None, "{kind:?}");
        assert_eq!(node.status().term, 1 << 32);
    }
}

#[test]
fn ids_end_sixteen_below_the_end() {
    let mut node = booted(&config(1));
    assert_eq!(refuses(&mut node, &message(MessageKind::Heartbeat, MAX_ID + 1, 1, 1)), Some(Error::NotForMe));
    assert_eq!(refuses(&mut node, &message(MessageKind::Vote, MAX_ID + 1, 1, 1)), Some(Error::NotForMe));
    assert_eq!(refuses(&mut node, &message(MessageKind::Heartbeat, MAX_ID, 1, 1)), None);
}

#[test]
fn nothing_is_of_term_0_and_no_snapshot_covers_nothing() {
    let mut node = booted(&config(1));
    assert_eq!(refuses(&mut node, &append(2, 1, 1, (0, 0), vec![entry(0, 1, b"x")], 0)), Some(Error::Decode));
    let m = message(MessageKind::Snap, 2, 1, 1);
    for (index, term) in [(0, 1), (5, 0)] {
        let of_nothing = Some(snapshot(index, term, &[1, 2, 3], b""));
        assert_eq!(refuses(&mut node, &proto::Message { snapshot: of_nothing, ..m.clone() }), Some(Error::Decode));
    }
}

#[test]
fn a_full_log_answers_an_append_that_begins_below_commit() {
    let mut node = booted(&Config { recent_bytes: 16 << 10, storage: StorageMode::Async, ..config(1) });
    let entries = |first| (first..first + 20).map(|index| entry(1, index, &[7; 1500])).collect();
    step(&mut node, &append(2, 1, 1, (1, 1), entries(2), 3)).unwrap();
    let last = node.status().last_index;
    assert_eq!(refuses(&mut node, &append(2, 1, 1, (last, 1), entries(last + 1), 3)), Some(Error::Full));
    for first in [1, 2] {
        assert_eq!(refuses(&mut node, &append(2, 1, 1, (first, 1), entries(first + 1), 3)), None, "after {first}");
    }
}

/// Different limits: the leader's recent log holds an entry that this node's log never can. A retry
/// never helps, so the code says so, and the text and the event name the cause.
#[test]
fn an_entry_that_the_recent_log_can_never_hold_is_refused_with_its_reason() {
    let mut node = booted(&Config { recent_bytes: 16 << 10, ..config(1) });
    let append = append(2, 1, 1, (1, 1), vec![entry(1, 2, &[7; 20 << 10])], 1);
    assert_eq!(refuses(&mut node, &append), Some(Error::TooLarge));
    assert!(node.error_detail().contains("the entry at index 2 takes 20"), "{}", node.error_detail());
    assert!(node.error_detail().contains("recent_bytes (16384)"), "{}", node.error_detail());
    let ignored = std::iter::from_fn(|| node.next_event()).find(|event| event.reason == Reason::LogFull).unwrap();
    assert_eq!((ignored.kind, ignored.peer), (EventKind::Ignored, 2));
}

#[test]
fn a_context_has_at_most_64_kib() {
    let with = |kind, len: usize| proto::Message { context: vec![7; len].into(), ..message(kind, 2, 1, 1) };
    for kind in [MessageKind::Heartbeat, MessageKind::HeartbeatResp, MessageKind::Vote, MessageKind::App] {
        assert_eq!(refuses(&mut booted(&config(1)), &with(kind, 65537)), Some(Error::Decode), "{kind:?}");
        assert_eq!(refuses(&mut booted(&config(1)), &with(kind, 65536)), None, "{kind:?}");
    }
}

#[test]
fn a_proposal_that_is_passed_on_has_an_entry() {
    let mut node = booted(&kit::forwarding(1));
    step(&mut node, &message(MessageKind::Heartbeat, 2, 1, 1)).unwrap();
    assert_eq!(refuses(&mut node, &message(MessageKind::Prop, 2, 1, 0)), Some(Error::Decode));
    let one = proto::Message { entries: vec![entry(0, 0, b"x")], ..message(MessageKind::Prop, 2, 1, 0) };
    assert_eq!(refuses(&mut node, &one), None);
}

#[test]
fn each_of_these_flags_alone_has_a_deposed_leader_told() {
    let cases = [
        (Flags::CHECK_QUORUM, true, 1),
        (Flags::PRE_VOTE, true, 1),
        (Flags::default(), true, 0),
        (Flags::default(), false, 1),
    ];
    for (flags, electable, answers) in cases {
        for kind in [MessageKind::App, MessageKind::Heartbeat] {
            let mut node = booted(&Config { flags, ..config(1) });
            node.set_electable(electable).unwrap();
            step(&mut node, &message(MessageKind::Heartbeat, 3, 1, 5)).unwrap();
            crate::lone::drain(&mut node);
            assert_eq!(refuses(&mut node, &message(kind, 2, 1, 4)), None);
            let sent = crate::lone::drain(&mut node);
            let told: Vec<_> = sent.iter().map(|m| (m.to, m.term, m.r#type)).collect();
            assert_eq!(told, vec![(2, 5, MessageKind::AppResp as i32); answers], "{flags:?} {electable} {kind:?}");
        }
    }
}

#[test]
fn what_an_older_term_says_is_answered_whatever_it_says() {
    // The append contradicts a committed entry, and names a second leader: with the current term,
    // the node would refuse the append.
    let mut node = booted(&config(1));
    step(&mut node, &append(3, 1, 5, (1, 1), vec![entry(5, 2, b"x")], 2)).unwrap();
    crate::lone::drain(&mut node);
    let old = |term| append(2, 1, term, (1, 1), vec![entry(4, 2, b"other")], 9);
    assert_eq!(refuses(&mut node, &old(5)), Some(Error::Implausible));
    assert_eq!(refuses(&mut node, &old(4)), None);
    assert_eq!(crate::lone::drain(&mut node).iter().map(|m| (m.to, m.term)).collect::<Vec<_>>(), [(2, 5)]);
}

#[test]
fn the_footprint_of_a_configuration_without_limits_is_an_error() {
    let config = Config { catchup_bytes: raftcore::config::NO_LIMIT, ..config(1) };
    assert!(Node::footprint(&config).is_err());
}

#[test]
fn what_waits_in_a_full_outbox_is_bounded() {
    let mut node = founded(&Config { max_messages: 16, ..config(1) }, &[1, 2, 3]);
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
    let mut node = founded(&config, &[1, 2, 3]);
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
fn uncommitted_bytes_that_were_applied_make_room() {
    let mut node = leader(&Config { max_uncommitted_size: 100, ..config(1) });
    for round in 0..5 {
        for _ in 0..2 {
            node.propose(&[1; 50], 0).unwrap();
        }
        assert_eq!(node.propose(&[1; 50], 0), Err(Error::Full), "round {round}");
        drain(&mut node);
        let last = node.status().last_index;
        acknowledge(&mut node, 2, last);
        drain(&mut node);
    }
}
