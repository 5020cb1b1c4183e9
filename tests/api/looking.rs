//! Views of a node, and admission to the group.

use crate::lone::{acknowledge, asks_for_a_snapshot, beats, campaign, drain, leader, take};
use kit::{Cluster, Disk, Stored, config, events, message, step};
use raftcore::{
    ChangeEncoding, Config, EntryKind, Error, EventKind, MessageKind, Missing, Node, Reason, Role, SnapshotReport,
    StorageMode, Transition, has, wire,
};

#[test]
fn a_request_for_votes_shows_the_last_entry() {
    let mut disk = Disk::founder(&[1, 2, 3]);
    disk.log.insert(2, Stored { term: 7, kind: EntryKind::Normal, data: Vec::new(), context: Vec::new() });
    disk.state.term = 7;
    let mut node = disk.boot(&config(1));
    node.campaign().unwrap();
    let ready = node.ready().unwrap().unwrap();
    let shown: Vec<_> = ready.messages().map(|m| (m.to(), m.log_term(), m.index())).collect();
    assert_eq!(shown, [(2, 7, 2), (3, 7, 2)]);
}

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
        let entries = (2..12).map(|index| kit::entry(1, index, b"x")).collect();
        step(&mut node, &kit::append(1, 2, 1, (1, 1), entries, 11)).unwrap();
        let mut last = 1;
        while let Some(ready) = node.ready().unwrap() {
            last = ready.committed_span().map_or(last, |span| span.1);
        }
        assert_eq!(last, 1 + u64::from(ahead));
    }
}

#[test]
fn what_is_held_shows_in_the_memory() {
    let mut node = leader(&config(1));
    drain(&mut node);
    let grows = |node: &mut Node, least: u64, most: u64, what: &str, hold: &dyn Fn(&mut Node)| {
        let before = node.status().memory_bytes;
        hold(node);
        let grown = node.status().memory_bytes - before;
        assert!((least..=most).contains(&grown), "{what}: {grown} bytes, not {least} to {most}");
    };
    // Lists grow by doubling, so up to twice the memory is held; a message has some hundred bytes,
    // a read some sixty.
    grows(&mut node, 400 * 60, 1000 * 300, "reads", &|n| (1..=400).for_each(|token| n.read_index(token).unwrap()));
    let mut node = leader(&Config { election_ticks: 1000, ..config(1) });
    grows(&mut node, 400 * 80, 2000 * 250, "messages", &|n| (0..200).for_each(|_| n.tick(1).unwrap()));
    grows(&mut node, 0, 4000 * 250, "a batch", &|n| _ = n.ready().unwrap().unwrap());
    let mut node = leader(&config(1));
    let token = |n: &mut Node| (1..=500).for_each(|token| n.propose(b"", token).unwrap());
    grows(&mut node, 500 * (24 + 24 + 16), 500 * 2000, "tokens, entries, messages", &token);
    grows(&mut node, 500 * 24, 500 * 1000, "their batch", &|n| _ = n.ready().unwrap().unwrap());
    let (mut node, id) = asks_for_a_snapshot();
    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    let snapshot = |n: &mut Node| _ = n.supply_snapshot(id, 50, &conf, &[1; 100_000]).unwrap();
    grows(&mut node, 100_000, 102_000, "a snapshot", &snapshot);
}

#[test]
fn a_peer_that_is_silent_for_ten_election_timeouts_is_told_of() {
    let mut node = leader(&Config { election_ticks: 7, ..config(1) });
    events(&mut node);
    let mut told = Vec::new();
    for tick in 1..=160 {
        node.tick(1).unwrap();
        drain(&mut node);
        beats(&mut node, 2);
        let lags = events(&mut node).into_iter().filter(|event| event.kind == EventKind::PeerLags);
        told.extend(lags.map(|event| (tick, event.peer)));
    }
    assert_eq!(told, [(70, 3)], "once");
}

#[test]
fn that_there_is_no_leader_is_told_each_ten_election_timeouts() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&Config { election_ticks: 7, ..config(1) });
    let mut told = Vec::new();
    for tick in 1..=160 {
        node.tick(1).unwrap();
        let long = events(&mut node).into_iter().filter(|event| event.kind == EventKind::NoLeaderLong);
        told.extend(long.map(|event| (tick, event.a)));
    }
    assert_eq!(told, [(70, 70), (140, 140)]);
}

#[test]
fn a_host_may_sleep_until_the_next_thing_is_due() {
    let due = |node: &Node| node.ticks_until_due().unwrap();
    let mut node = leader(&Config { heartbeat_ticks: 5, election_ticks: 7, ..config(1) });
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(due(&node));
        node.tick(1).unwrap();
        drain(&mut node);
        beats(&mut node, 2);
    }
    assert_eq!(seen, [5, 4, 3, 2, 1, 2, 1, 3, 2, 1], "heartbeats each five ticks, the quorum each seven");

    let mut fenced = Disk::founder(&[1, 2, 3]).boot(&Config { vote_fence_ticks: 3, election_ticks: 100, ..config(1) });
    assert_eq!(due(&fenced), 3);
    fenced.tick(2).unwrap();
    assert_eq!(due(&fenced), 1);
    fenced.tick(1).unwrap();
    assert!(due(&fenced) >= 97);
}

#[test]
fn a_text_that_is_too_long_is_cut_and_not_lost() {
    let (mut node, id) = asks_for_a_snapshot();
    let voters: Vec<u64> = (0..40).map(|at| 1_000_000_000_000_000_000 + at).collect();
    let conf = wire::ConfStateRef { voters: &voters, ..Default::default() };
    assert_eq!(node.supply_snapshot(id, 50, &conf, b""), Err(Error::Arg));
    let detail = node.error_detail().to_owned();
    assert_eq!(detail.len(), 255, "{detail}");
    assert!(detail.starts_with("the snapshot's configuration") && detail.contains("1000000000000000003"), "{detail}");
    assert_eq!(node.supply_snapshot(id, 50, &conf, b""), Err(Error::Arg));
    assert_eq!(node.error_detail(), detail);
}

#[test]
fn no_call_shows_the_text_of_an_earlier_one() {
    let planted = "entry of 5242880 bytes";
    type Call = (&'static str, fn(&mut Node) -> Result<(), Error>);
    let calls: [Call; 22] = [
        ("report_unreachable", |n| n.report_unreachable(9)),
        ("report_snapshot", |n| n.report_snapshot(9, SnapshotReport::Failed)),
        ("set_window", |n| n.set_window(9, 1, 0)),
        ("set_window's range", |n| n.set_window(2, 65537, 0)),
        ("advance, never handed out", |n| n.advance(99)),
        ("advance, in the wrong mode or before", |n| n.advance(1)),
        ("persisted", |n| n.persisted(1)),
        ("applied", |n| n.applied(1)),
        ("release", |n| n.release(1)),
        ("step_local", |n| n.step_local(b"x")),
        ("step", |n| n.step(2, b"\xff")),
        ("step_frames", |n| n.step_frames(2, &[0xff; 20]).map(|_| ())),
        ("propose_conf", |n| n.propose_conf(&[], ChangeEncoding::V2(Transition::Auto), b"", 0)),
        ("propose_entry", |n| n.propose_entry(EntryKind::ConfChange, b"\xff", 0)),
        ("transfer", |n| n.transfer(9)),
        ("abort_transfer", Node::abort_transfer),
        ("skip_conf", |n| n.skip_conf(9).map(|_| ())),
        ("apply_change", |n| n.apply_change(EntryKind::ConfChange, b"").map(|_| ())),
        ("compacted", |n| n.compacted(99)),
        ("supply_none", |n| n.supply_none(9, Missing::Later).map(|_| ())),
        ("set_election_timeout", |n| n.set_election_timeout(0)),
        ("boot_done", |n| n.boot_done(1)),
    ];
    for (name, call) in calls {
        let mut node = leader(&config(1));
        assert_eq!(node.propose(&[0; 5 << 20], 0), Err(Error::TooLarge));
        assert!(node.error_detail().contains(planted), "{}", node.error_detail());
        assert!(call(&mut node).is_err(), "{name}");
        let text = node.error_detail();
        assert!(!text.contains(planted), "{name} shows what another call said: {text}");
        assert!(!text.is_empty() && !text.contains('{') && !text.contains("Sync"), "{name}: {text:?}");
        node.tick(1).unwrap();
        assert_eq!(node.error_detail(), "", "{name}: a call that succeeds has nothing to say");
    }
}

#[test]
fn a_late_host_sees_that_it_is_late() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    campaign(&mut node, &[2]);
    drain(&mut node);
    assert_eq!(node.status().late_ticks, 0);
    for index in 3..10 {
        node.propose(b"x", 0).unwrap();
        node.tick(1).unwrap();
        drain(&mut node);
        acknowledge(&mut node, 2, index);
        drain(&mut node);
    }
    assert_eq!(node.status().late_ticks, 7);
    node.propose(b"x", 0).unwrap();
    let number = take(&mut node);
    node.tick(1).unwrap();
    node.advance(number).unwrap();
    assert_eq!(node.status().late_ticks, 7, "a host that is busy with a ready is not late");
    assert!(node.status().last_ready >= number);
    drain(&mut node);
    node.tick(1).unwrap();
    assert_eq!(node.status().late_ticks, 7, "a host that has nothing to take is not late");
}
