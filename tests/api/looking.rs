//! Views of a node, and admission to the group.

use crate::kit::{Cluster, Disk, config, events, message, step};
use raftcore::{Config, Error, EventKind, MessageKind, Reason, Role, StorageMode, has, wire};

#[test]
fn a_message_speaks_for_the_peer_that_sent_it_and_for_nobody_else() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    let bytes = prost::Message::encode_to_vec(&message(MessageKind::Heartbeat, 2, 1, 1));
    assert_eq!(node.step(3, &bytes), Err(Error::NotForMe));
    assert!(node.error_detail().contains("not the authenticated peer"));
    node.step(2, &bytes).unwrap();
    let cases = [
        (message(MessageKind::Heartbeat, 2, 9, 1), Error::NotForMe),
        (message(MessageKind::Heartbeat, 1, 1, 1), Error::NotForMe),
        (message(MessageKind::StorageAppendResp, 2, 1, 1), Error::NotForMe),
        (message(MessageKind::AppResp, 7, 1, 1), Error::NoPeer),
    ];
    for (m, error) in cases {
        assert_eq!(step(&mut node, &m), Err(error));
    }
    assert_eq!(node.status().messages_refused, 5);
}

#[test]
fn frames_of_another_group_are_refused_and_an_incomplete_one_waits() {
    let mut c = config(1);
    c.group = 7;
    let mut node = Disk::founder(&[1, 2, 3]).boot(&c);
    let body = prost::Message::encode_to_vec(&message(MessageKind::Heartbeat, 2, 1, 1));
    let frame = |group: u64| {
        let mut header = [0; 12];
        wire::write_frame_header(&mut header, body.len() as u32, group);
        [&header[..], &body].concat()
    };
    let stream = [frame(7), frame(8), frame(7)].concat();
    let done = node.step_frames(2, &stream[..stream.len() - 1]).unwrap();
    assert_eq!((done.consumed, done.rejected), (frame(7).len() * 2, 1));
    let mut long = frame(7);
    long[3] = 0xff;
    assert_eq!(node.step_frames(2, &long), Err(Error::Decode));
    let hello = node.hello();
    assert_eq!((hello.group, hello.id, hello.version), (7, 1, wire::PROTOCOL_VERSION));
}

#[test]
fn status_and_peers_tell_what_there_is() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    for token in 1..=5 {
        cluster.node(1).propose(b"x", token).unwrap();
        cluster.settle();
    }
    let s = cluster.node(1).status();
    assert_eq!((s.role, s.leader, s.term, s.vote), (Role::Leader, 1, 1, 1));
    assert_eq!((s.commit, s.applied, s.durable, s.last_index), (7, 7, 7, 7));
    assert_eq!(s.safe_to_compact, 2, "node 3 has no more");
    assert_eq!((s.n_peers, s.n_outstanding, s.n_tokens), (3, 0, 0));
    assert!(s.memory_bytes > 4096 && s.memory_bytes < 1 << 20);
    let matches: Vec<u64> = cluster.node(1).peers().map(|peer| peer.match_index).collect();
    assert_eq!(matches, [7, 7, 2]);
}

#[test]
fn a_nodes_memory_stays_within_its_footprint() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    for _ in 0..2000 {
        cluster.node(1).propose(&[7; 1000], 1).unwrap();
        cluster.settle();
    }
    for id in 1..=3 {
        let bound = raftcore::Node::footprint(&config(id)).unwrap() as u64;
        assert!(cluster.node(id).status().memory_bytes <= bound);
    }
}

#[test]
fn the_kinds_of_work_are_told_apart() {
    let mut node = Disk::founder(&[1]).boot(&config(1));
    while node.next_event().is_some() {}
    assert_eq!(node.has_ready().unwrap(), 0);
    node.campaign().unwrap();
    let kinds = node.has_ready().unwrap();
    assert_eq!(kinds & has::READY, has::SOFT_STATE | has::MESSAGES, "its own vote counts as a message");
    assert_ne!(kinds & has::EVENTS, 0);
}

#[test]
fn events_are_records_and_those_nobody_drains_are_counted() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    let kinds: Vec<EventKind> = events(cluster.node(1)).into_iter().map(|e| e.kind).collect();
    let path =
        [EventKind::BecamePreCandidate, EventKind::BecameCandidate, EventKind::BecameLeader, EventKind::LeaderReady];
    assert_eq!(kinds.iter().filter(|kind| path.contains(kind)).count(), 4, "{kinds:?}");
    for _ in 0..400 {
        let _ = step(cluster.node(1), &message(MessageKind::TimeoutNow, 2, 1, 1));
    }
    assert_eq!(events(cluster.node(1)).len(), 256);
    assert_eq!(cluster.node(1).status().events_lost, 144);
}

#[test]
fn a_host_that_was_paused_and_a_group_without_a_leader_are_told() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    node.tick(300).unwrap();
    assert!(events(&mut node).iter().any(|e| e.kind == EventKind::Paused && e.a == 300));
    for _ in 0..200 {
        node.tick(1).unwrap();
    }
    assert!(events(&mut node).iter().any(|e| e.kind == EventKind::NoLeaderLong && e.reason == Reason::NoLeader));
}

#[test]
fn committed_entries_go_a_bounded_way_ahead_of_the_disk() {
    // Node 2 stores nothing: entries committed elsewhere may be applied three entries ahead of its
    // disk, if configured.
    for ahead in [0, 3] {
        let c = Config { storage: StorageMode::Async, max_apply_unpersisted: ahead, ..config(2) };
        let mut node = Disk::founder(&[1, 2, 3]).boot(&c);
        let entries = (2..12).map(|index| crate::kit::entry(1, index, b"x")).collect();
        step(&mut node, &crate::kit::append(1, 2, 1, (1, 1), entries, 11)).unwrap();
        let mut last = 1;
        while let Some(ready) = node.ready().unwrap() {
            last = ready.committed_span().map_or(last, |span| span.1);
        }
        assert_eq!(last, 1 + u64::from(ahead));
    }
}
