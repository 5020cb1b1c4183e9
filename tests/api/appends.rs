//! The contents of an append, the time of an append, and the answer to a heartbeat's context.

use crate::lone::{acknowledge, campaign, drain, leader};
use kit::{Disk, append, config, entry, message, step};
use raftcore::{ChangeEncoding, ChangeKind, Config, Flags, MessageKind, Node, proto};

/// A leader whose peers each take an append at a time, with entries of the given lengths waiting
/// behind an entry of a byte.
fn with_waiting(config: &Config, lengths: &[usize]) -> Node {
    let mut node = leader(&Config { max_inflight_msgs: 1, ..*config });
    node.propose(b"x", 0).unwrap();
    for (&len, byte) in lengths.iter().zip(1..) {
        node.propose(&vec![byte; len], 0).unwrap();
    }
    drain(&mut node);
    node
}

/// The entries of the appends to node 2, which acknowledges each append: index and data.
fn streamed(node: &mut Node) -> Vec<Vec<(u64, Vec<u8>)>> {
    let mut appends = Vec::new();
    let mut index = 3;
    loop {
        acknowledge(node, 2, index);
        let sent = drain(node).into_iter().rfind(|m| m.to == 2 && !m.entries.is_empty());
        let Some(sent) = sent else { return appends };
        index = sent.entries.last().unwrap().index;
        appends.push(sent.entries.iter().map(|e| (e.index, e.data.to_vec())).collect());
    }
}

fn counts(node: &mut Node) -> Vec<usize> {
    streamed(node).iter().map(Vec::len).collect()
}

#[test]
fn entries_fill_a_message_to_the_byte_and_one_goes_however_large() {
    // A record of 42 bytes of data takes 50.
    let limit = |max_size_per_msg| Config { max_size_per_msg, ..config(1) };
    assert_eq!(counts(&mut with_waiting(&limit(100), &[42; 4])), [2, 2]);
    assert_eq!(counts(&mut with_waiting(&limit(99), &[42; 4])), [1, 1, 1, 1]);
    assert_eq!(counts(&mut with_waiting(&limit(100), &[300, 42, 42])), [1, 2]);
    assert_eq!(counts(&mut with_waiting(&limit(100), &[42, 300, 42])), [1, 1, 1]);
}

#[test]
fn entries_of_several_blocks_arrive_as_they_were() {
    let lengths = [1500, 1500, 1500, 1, 4000, 1500];
    let appends = streamed(&mut with_waiting(&config(1), &lengths));
    let expected: Vec<_> = (4..).zip((1..).zip(lengths).map(|(byte, len)| vec![byte; len])).collect();
    assert_eq!(appends, [expected]);
}

#[test]
fn what_a_crowded_batch_held_back_goes_with_the_next() {
    let mut node = leader(&Config { max_messages: 16, ..config(1) });
    for byte in 1..=20 {
        node.propose(&[byte], 0).unwrap();
    }
    let sent = drain(&mut node);
    for to in [2, 3] {
        let mine = sent.iter().filter(|m| m.to == to).flat_map(|m| &m.entries);
        assert!(mine.map(|e| e.index).eq(3..=22), "to {to}");
    }
}

#[test]
fn a_peer_that_has_all_is_sent_nothing_for_a_heartbeats_answer() {
    let mut node = leader(&config(1));
    step(&mut node, &message(MessageKind::HeartbeatResp, 2, 1, 1)).unwrap();
    assert!(drain(&mut node).is_empty());
    node.propose(b"x", 0).unwrap();
    drain(&mut node);
    step(&mut node, &message(MessageKind::HeartbeatResp, 2, 1, 1)).unwrap();
    assert_eq!(drain(&mut node).len(), 1, "it may have lost what was sent");
}

#[test]
fn a_refusal_without_a_term_is_believed_as_it_is() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    let entries = (2..=9).map(|index| entry(1, index, b"x")).collect();
    step(&mut node, &append(2, 1, 1, (1, 1), entries, 1)).unwrap();
    drain(&mut node);
    campaign(&mut node, &[2]);
    let refusal = proto::Message { index: 9, reject: true, reject_hint: 5, ..message(MessageKind::AppResp, 3, 1, 2) };
    step(&mut node, &refusal).unwrap();
    let sent = drain(&mut node);
    assert_eq!(sent.iter().map(|m| (m.to, m.index)).collect::<Vec<_>>(), [(3, 5)]);
}

#[test]
fn without_the_broadcast_only_the_commit_of_a_change_is_told_at_once() {
    let config = config(1);
    let mut node = leader(&Config { flags: config.flags.with(Flags::NO_COMMIT_BROADCAST, true), ..config });
    node.propose(b"x", 0).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 3);
    assert!(drain(&mut node).is_empty(), "a normal entry");

    let change = [raftcore::Change { kind: ChangeKind::AddLearner, id: 4 }];
    node.propose_conf(&change, ChangeEncoding::V1, b"", 0).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 4);
    let told = |node: &mut Node| {
        let ready = node.ready().unwrap().unwrap();
        let told = ready.messages().filter(|m| m.commit() == 4).count();
        let entry = ready.committed().next().map(|e| (e.index, e.term, e.kind, e.data.to_vec()));
        let (number, (index, term, kind, data)) = (ready.number(), entry.unwrap());
        node.apply_conf(raftcore::EntryRef { term, index, kind, data: &data, ..raftcore::EntryRef::default() })
            .unwrap();
        node.advance(number).unwrap();
        told
    };
    assert_eq!(told(&mut node), 2, "a change");
    drain(&mut node);

    node.propose(b"y", 0).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 5);
    assert_eq!((node.status().commit, drain(&mut node).len()), (5, 0), "a normal entry behind it");
}

#[test]
fn a_heartbeats_context_comes_back_whatever_its_length() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 1)).unwrap();
    drain(&mut node);
    for len in [0, 1, 15, 16, 17, 40, 127, 128, 1024] {
        let context: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let beat = proto::Message { context: context.clone().into(), ..message(MessageKind::Heartbeat, 2, 1, 1) };
        step(&mut node, &beat).unwrap();
        step(&mut node, &beat).unwrap();
        let answers = drain(&mut node);
        assert_eq!(answers.len(), 2);
        assert!(answers.iter().all(|m| m.context == context), "{len} bytes");
    }
}

#[test]
fn without_the_broadcast_a_commit_is_told_to_whom_an_acknowledgement_shows_not_to_know_it() {
    let config = config(1);
    let mut node = leader(&Config { flags: config.flags.with(Flags::NO_COMMIT_BROADCAST, true), ..config });
    node.propose(b"x", 0).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 3);
    drain(&mut node);
    acknowledge(&mut node, 3, 3);
    let sent = drain(&mut node);
    assert_eq!(sent.iter().map(|m| (m.to, m.index, m.commit)).collect::<Vec<_>>(), [(3, 3, 3)]);
    acknowledge(&mut node, 3, 3);
    assert!(drain(&mut node).is_empty(), "it was told");
}

/// The window of each peer, compared with a list of appends in flight: full and freed in part, over
/// and over.
#[test]
fn a_window_counts_what_is_in_flight_whatever_was_in_it_before() {
    let mut node = leader(&Config { max_inflight_msgs: 11, ..config(1) });
    let mut flying = std::collections::VecDeque::new();
    let mut index = 2;
    for round in 0..200 {
        for _ in 0..1 + round % 5 {
            if flying.len() == 11 {
                break;
            }
            index += 1;
            let len = 1 + (index as usize * 7) % 50;
            node.propose(&vec![1; len], 0).unwrap();
            flying.push_back((index, len as u64));
        }
        drain(&mut node);
        let peer = node.peers().find(|peer| peer.id == 2).unwrap();
        let bytes: u64 = flying.iter().map(|&(_, len)| len).sum();
        assert_eq!((peer.inflight_msgs as usize, peer.inflight_bytes), (flying.len(), bytes), "round {round}");
        let taken = (round * 3) % (flying.len() + 1);
        if let Some((last, _)) = flying.drain(..taken).next_back() {
            acknowledge(&mut node, 2, last);
            acknowledge(&mut node, 3, last);
        }
        drain(&mut node);
    }
    assert!(index > 300, "{index}");
}
