//! Mistakes that a host can't make: a boot with a forgotten part is refused, an error belongs to
//! its call, and the node believes nothing that contradicts its own knowledge.

use crate::kit::{Cluster, Disk, append, config, entry, events, forwarding, message, snapshot, step};
use crate::lone::{acknowledge, campaign, drain, follower, leader, take};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, EntryId, EntryKind, EntryRef, Error, EventKind, Flags, HardState,
    Input, MessageKind, Missing, Node, Reason, Role, SnapshotReport, StepFrames, StorageMode, Stored, StoredConf,
    TermRun, Transition, Turn, proto, wire,
};

// ---- boot

const VOTERS: wire::ConfStateRef<'static> = wire::ConfStateRef {
    voters: &[1, 2, 3],
    learners: &[],
    voters_outgoing: &[],
    learners_next: &[],
    auto_leave: false,
};

fn normal(index: u64) -> EntryRef<'static> {
    EntryRef { term: 1, index, data: b"x", ..EntryRef::default() }
}

fn change(index: u64) -> EntryRef<'static> {
    EntryRef { kind: EntryKind::ConfChange, data: &[0x08, 1, 0x10, 1, 0x18, 4], ..normal(index) }
}

/// A log that ends at 11, applied up to 5; the membership is as of 5.
fn stored() -> Stored<'static> {
    Stored {
        state: HardState { term: 1, vote: 2, commit: 11 },
        applied: 5,
        before_first: EntryId { term: 1, index: 1 },
        last: 11,
        conf: Some(StoredConf::Ids(VOTERS, 5)),
        runs: &[TermRun { first: 2, term: 1 }],
    }
}

/// The text of a refused boot.
fn refused(stored: &Stored<'_>, entries: &[EntryRef<'_>], error: Error) -> String {
    let mut node = Node::new(&config(1)).unwrap();
    assert_eq!(node.boot(stored, entries.iter().copied()), Err(error));
    let text = node.error_detail().to_owned();
    assert!(!text.is_empty() && !text.contains('{'), "no words, or those of a debugger: {text}");
    assert_eq!(node.tick(1), Err(Error::State), "what was refused does not run");
    text
}

#[test]
fn one_call_boots_what_is_stored_and_an_empty_disk_and_a_founder() {
    let mut node = Node::new(&config(1)).unwrap();
    node.boot(&stored(), (6..=11).map(normal)).unwrap();
    let s = node.status();
    assert_eq!((s.last_index, s.applied, s.commit, s.vote, s.first_index), (11, 5, 11, 2, 2));

    let mut empty = Node::new(&config(4)).unwrap();
    empty.boot(&Stored::default(), std::iter::empty()).unwrap();
    assert_eq!((empty.status().last_index, empty.status().n_peers), (0, 0));

    let mut founder = Node::new(&config(1)).unwrap();
    founder.boot(&Stored::founder(&[1, 2, 3]), std::iter::empty()).unwrap();
    assert!(founder == Disk::founder(&[1, 2, 3]).boot(&config(1)));
}

#[test]
fn entries_that_were_forgotten_at_the_end_of_the_log_are_missed() {
    let text = refused(&stored(), &[], Error::Corrupt);
    assert!(text.contains("from 6 to 11 are missing") && text.contains("applied is 5"), "{text}");
    let text = refused(&stored(), &[normal(6), normal(7)], Error::Corrupt);
    assert!(text.contains("the log ends at 11, entries were given up to 7"), "{text}");
    let more = Stored { last: 6, ..stored() };
    let text = refused(
        &Stored { state: HardState { commit: 6, ..more.state }, ..more },
        &[normal(6), normal(7)],
        Error::Corrupt,
    );
    assert!(text.contains("the log ends at 6, entries were given up to 7"), "{text}");
}

#[test]
fn a_configuration_that_is_older_or_newer_than_the_state_is_refused() {
    let applied = |conf: Option<StoredConf<'static>>| Stored { applied: 11, conf, runs: &[], ..stored() };
    let log: Vec<_> = (2..=11).map(|index| if index == 7 { change(index) } else { normal(index) }).collect();
    let text = refused(&applied(Some(StoredConf::Ids(VOTERS, 5))), &log, Error::Corrupt);
    assert!(text.contains("as of index 5, older than the change at index 7; applied is 11"), "{text}");
    let text = refused(&applied(Some(StoredConf::Ids(VOTERS, 12))), &log, Error::Corrupt);
    assert!(text.contains("as of index 12, applied is 11"), "{text}");
    for index in [0, 7, 11] {
        let mut node = Node::new(&config(1)).unwrap();
        node.boot(&applied(Some(StoredConf::Ids(VOTERS, index))), log.iter().copied()).unwrap();
    }
}

#[test]
fn the_bytes_of_a_configuration_say_what_it_is_as_of() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    let host = cluster.hosts.get_mut(&1).unwrap();
    let applied = host.node.conf().unwrap();
    assert_eq!(applied.index, 3);
    assert_eq!(wire::parse_conf_state(applied.bytes).unwrap().index(), 3);
    assert_eq!(host.disk.conf, applied.bytes);
    let ids = applied.conf;
    let mut bytes = vec![0; wire::stored_conf_len(&ids, 3)];
    assert_eq!(wire::write_stored_conf(&mut bytes, &ids, 3), bytes.len());
    assert_eq!(bytes, applied.bytes, "the same without a node");
    let theirs = <proto::ConfState as prost::Message>::decode(applied.bytes).unwrap();
    assert_eq!((theirs.voters, theirs.learners), (vec![1, 2, 3], vec![4]), "whoever knows fields 1 to 5 reads it");

    let mut disk = host.disk.clone();
    disk.conf = {
        let old = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
        let mut bytes = vec![0; wire::stored_conf_len(&old, 1)];
        wire::write_stored_conf(&mut bytes, &old, 1);
        bytes
    };
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_state(disk.state).unwrap();
    node.boot_conf_bytes(&disk.conf, disk.before).unwrap();
    node.boot_entries(disk.entries(2, u64::MAX).into_iter()).unwrap();
    assert_eq!(node.boot_done(disk.applied), Err(Error::Corrupt), "{}", node.error_detail());
}

#[test]
fn a_snapshot_and_a_skipped_change_give_a_configuration_to_be_stored_too() {
    let mut node = follower(&config(1));
    let theirs =
        proto::Message { snapshot: Some(snapshot(9, 1, &[1, 2], b"s")), ..message(MessageKind::Snap, 2, 1, 1) };
    step(&mut node, &theirs).unwrap();
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(wire::parse_conf_state(ready.snapshot().unwrap().conf).unwrap().index(), 9);

    let mut node = follower(&config(1));
    let changes = vec![proto::Entry { r#type: 1, ..entry(1, 3, change(3).data) }];
    step(&mut node, &append(2, 1, 1, (2, 1), changes, 3)).unwrap();
    take(&mut node);
    let skipped = node.skip_conf(3).unwrap();
    assert_eq!((skipped.index, skipped.conf.voters), (3, &[1, 2, 3][..]));
}

#[test]
fn a_forgotten_configuration_a_seed_of_zero_and_doubled_ids_are_named() {
    let text = refused(&Stored { conf: None, ..stored() }, &[], Error::State);
    assert!(text.contains("boot_conf"), "{text}");
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_state(HardState { term: 1, vote: 0, commit: 3 }).unwrap();
    assert_eq!(node.boot_done(3), Err(Error::State));
    assert!(node.error_detail().contains("boot_conf"), "{}", node.error_detail());

    let zero = Config { seed: 0, ..config(1) };
    assert!(zero.check().unwrap_err().contains("seed must not be 0"));
    assert_eq!(Node::new(&zero).map(|_| ()), Err(Error::Arg));

    let twice = wire::ConfStateRef { voters: &[1, 1, 2], ..Default::default() };
    let text = refused(&Stored { conf: Some(StoredConf::Ids(twice, 5)), ..stored() }, &[], Error::Conf);
    assert!(text.contains("1 is named twice"), "{text}");
}

#[test]
fn what_contradicts_itself_is_refused_in_words() {
    let beyond = Stored { state: HardState { term: 1, vote: 0, commit: 12 }, ..stored() };
    let log: Vec<_> = (6..=11).map(normal).collect();
    let text = refused(&beyond, &log, Error::Corrupt);
    assert_eq!(text, "commit 12 is beyond the last entry 11");
    let text = refused(&Stored { applied: 12, ..stored() }, &log, Error::Corrupt);
    assert_eq!(text, "applied 12 is beyond the last entry 11");
    let text = refused(&stored(), &[normal(6), normal(8)], Error::Corrupt);
    assert_eq!(text, "an entry at index 8, where 7 is expected");
    let text = refused(&stored(), &[EntryRef { term: 3, ..normal(6) }], Error::Corrupt);
    assert_eq!(text, "the entry at index 6 is of term 3, its term run says 1");
    let text = refused(&Stored { applied: 0, ..stored() }, &log, Error::Corrupt);
    assert_eq!(text, "applied 0 lies before the log, which begins behind index 1");
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_conf(&VOTERS, 0, EntryId { term: 1, index: 1 }).unwrap();
    assert_eq!(node.boot_state(HardState::default()), Err(Error::State));
    assert_eq!(node.error_detail(), "boot calls come once each, in order: boot_state can't follow boot_conf");
}

// ---- an error belongs to its call

#[test]
fn no_call_shows_the_text_of_an_earlier_one() {
    let planted = "entry of 5242880 bytes";
    type Call = (&'static str, fn(&mut Node) -> Result<(), Error>);
    let calls: [Call; 22] = [
        ("report_unreachable", |n| n.report_unreachable(9)),
        ("report_snapshot", |n| n.report_snapshot(9, SnapshotReport::Failed)),
        ("set_window", |n| n.set_window(9, 1, 0)),
        ("set_window's range", |n| n.set_window(2, 0, 0)),
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
fn a_stream_tells_why_its_first_refused_frame_was_refused() {
    let mut node = follower(&config(1));
    let frame = |group: u64, message: &[u8]| {
        let mut bytes = [0; 12];
        wire::write_frame_header(&mut bytes, message.len() as u32, group);
        [&bytes[..], message].concat()
    };
    let good = prost::Message::encode_to_vec(&message(MessageKind::Heartbeat, 2, 1, 1));
    let stream = [frame(0, &good), frame(7, &good), frame(0, b"\xff"), frame(0, &good)].concat();
    let done = node.step_frames(2, &stream).unwrap();
    assert_eq!(done, StepFrames { consumed: stream.len(), rejected: 2, first: Some(Error::NotForMe) });
    assert_eq!(node.error_detail(), "a frame of group 7, this node is of group 0");
    assert_eq!(
        wire::next_frame(&stream, 100),
        Ok(wire::NextFrame::Whole { group: 0, message: &good, bytes: 12 + good.len() as u64 })
    );
    assert_eq!(wire::next_frame(&stream[..11], 100), Ok(wire::NextFrame::Needs(0)));
    assert_eq!(wire::next_frame(&stream[..13], 100), Ok(wire::NextFrame::Needs(12 + good.len() as u64)));
    assert_eq!(wire::next_frame(&stream, 13), Err(Error::Decode));
}

// ---- the leader

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
fn another_leader_of_a_term_that_this_node_led_is_refused_loudly() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.node(1).propose(b"mine", 0).unwrap();
    cluster.settle();
    let term = cluster.node(1).status().term;
    cluster.isolate(1);
    cluster.tick(60);
    let s = cluster.node(1).status();
    assert!(s.role != Role::Leader && s.term == term && s.last_index == 3);
    events(cluster.node(1));
    let theirs = [
        message(MessageKind::Heartbeat, 2, 1, term),
        append(2, 1, term, (2, term), vec![entry(term, 3, b"another's")], 3),
        proto::Message { snapshot: Some(snapshot(9, term, &[1, 2, 3], b"")), ..message(MessageKind::Snap, 2, 1, term) },
    ];
    for m in &theirs {
        assert_eq!(step(cluster.node(1), m), Err(Error::Implausible));
    }
    let told = events(cluster.node(1));
    let loud = told.iter().filter(|e| (e.kind, e.reason) == (EventKind::Alarm, Reason::SecondLeader)).count();
    assert_eq!(loud, 3, "{told:?}");
    assert_eq!(cluster.node(1).status().leader, 0);
}

#[test]
fn a_snapshot_that_contradicts_a_committed_entry_is_refused_loudly() {
    let mut node = follower(&config(1));
    let before = node.status();
    for (index, term, refused) in [(2, 2, true), (2, 1, false), (1, 3, true)] {
        let theirs = snapshot(index, term, &[1, 2, 3], b"s");
        let m = proto::Message { snapshot: Some(theirs), ..message(MessageKind::Snap, 2, 1, 3) };
        let mut twin = node.try_clone().unwrap();
        let outcome = step(&mut twin, &m);
        assert_eq!(outcome, if refused { Err(Error::Implausible) } else { Ok(()) }, "{index} {term}");
        if refused {
            assert_eq!(twin.status().term, before.term, "nor is its term believed");
            assert!(events(&mut twin).iter().any(|e| e.reason == Reason::SnapshotConflict));
        }
    }
    drain(&mut node);
}

#[test]
fn a_leader_whose_disk_stands_still_steps_down_and_says_so() {
    for (limit, gone) in [(20, true), (0, false)] {
        let c = Config { storage: StorageMode::Async, own_write_timeout_ticks: limit, ..config(1) };
        let mut node = Disk::founder(&[1, 2, 3]).boot(&Config { storage: StorageMode::Async, ..c });
        let work = |node: &mut Node| {
            while let Some(ready) = node.ready().unwrap() {
                let (number, span) = (ready.number(), ready.committed_span());
                node.persisted(number).unwrap();
                if let Some((_, last)) = span {
                    node.applied(last).unwrap();
                }
                node.release(number).unwrap();
            }
        };
        node.campaign().unwrap();
        work(&mut node);
        for kind in [MessageKind::PreVoteResp, MessageKind::VoteResp] {
            step(&mut node, &message(kind, 2, 1, 1)).unwrap();
            work(&mut node);
        }
        acknowledge(&mut node, 2, 2);
        work(&mut node);
        assert_eq!(node.status().role, Role::Leader);
        node.propose(b"x", 0).unwrap();
        let mut ticks = 0;
        while node.status().role == Role::Leader && ticks < 200 {
            node.tick(1).unwrap();
            ticks += 1;
            // The others answer: only the node's own disk stands still.
            step(&mut node, &message(MessageKind::HeartbeatResp, 2, 1, 1)).unwrap_or(());
            while let Ok(Some(ready)) = node.ready() {
                let number = ready.number();
                node.release(number).unwrap();
            }
        }
        assert_eq!(node.status().role != Role::Leader, gone, "after {ticks} ticks");
        if gone {
            assert!((20..=21).contains(&ticks), "{ticks}");
            let told = events(&mut node);
            assert!(
                told.iter().any(|e| (e.kind, e.reason) == (EventKind::BecameFollower, Reason::OwnWrite)),
                "{told:?}"
            );
        }
    }
}

#[test]
fn a_leader_that_was_cut_off_hears_from_which_index_its_own_entries_went() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    for _ in 0..3 {
        cluster.node(1).propose(b"lost", 0).unwrap();
    }
    cluster.settle();
    cluster.elect_beside(1, 2);
    cluster.node(2).propose(b"kept", 0).unwrap();
    cluster.settle();
    events(cluster.node(1));
    cluster.heal();
    cluster.tick(5);
    let told = events(cluster.node(1));
    let truncated = told.iter().find(|event| event.kind == EventKind::Truncated).unwrap();
    assert_eq!((truncated.index, truncated.a, truncated.b), (3, 5, 3));
}

// ---- turns

/// Runs a cluster of three, by turns or by single calls. Returns the applied entries and the number
/// of calls.
fn by(turns: bool) -> (Vec<u64>, usize) {
    let mut nodes: Vec<Node> = (1..=3).map(|id| Disk::founder(&[1, 2, 3]).boot(&config(id))).collect();
    let mut inbox: Vec<(usize, u64, Vec<u8>)> = Vec::new();
    let mut owed = [0u64; 3];
    let mut calls = 0;
    let frames = |ready: &raftcore::Ready<'_>, from: u64| -> Vec<(usize, u64, Vec<u8>)> {
        ready.messages().map(|m| (m.to() as usize - 1, from, m.parts().flatten().copied().collect())).collect()
    };
    for round in 0..60u64 {
        if round == 5 {
            nodes[0].campaign().unwrap();
        }
        if round > 20 && round < 40 {
            nodes[0].propose(&round.to_le_bytes(), round).unwrap();
        }
        let mut work: Vec<(usize, u64, Vec<u8>)> = std::mem::take(&mut inbox);
        work.extend((0..3).map(|at| (at, 0, Vec::new())));
        for (at, peer, bytes) in work {
            let node = &mut nodes[at];
            let id = at as u64 + 1;
            if turns {
                let mut input = Input { done: owed[at], peer, frames: &bytes, ..Input::default() };
                owed[at] = 0;
                loop {
                    calls += 1;
                    let mut stepped = StepFrames::default();
                    let (number, last) = match node.turn(&input, &mut stepped).unwrap() {
                        Turn::Nothing => break,
                        Turn::FetchFirst => unreachable!("nobody lags"),
                        Turn::Ready(ready) => {
                            inbox.extend(frames(&ready, id));
                            (ready.number(), false)
                        }
                        Turn::Last(ready) => {
                            inbox.extend(frames(&ready, id));
                            (ready.number(), true)
                        }
                    };
                    assert_eq!(stepped.rejected, 0);
                    if last {
                        let mut twin = node.try_clone().unwrap();
                        twin.advance(number).unwrap();
                        assert!(twin.ready().unwrap().is_none(), "something follows the last one");
                        owed[at] = number;
                        break;
                    }
                    input = Input { done: number, ..Input::default() };
                }
            } else {
                calls += 1;
                node.step_frames(peer, &bytes).unwrap();
                while let Some(ready) = node.ready().unwrap() {
                    calls += 2;
                    inbox.extend(frames(&ready, id));
                    let number = ready.number();
                    node.advance(number).unwrap();
                }
                calls += 2;
            }
        }
    }
    for (node, owed) in nodes.iter_mut().zip(owed) {
        if owed != 0 {
            node.advance(owed).unwrap();
        }
    }
    (nodes.iter().map(|node| node.digest(true)).collect(), calls)
}

#[test]
fn turns_do_what_the_single_calls_do_in_fewer() {
    let ((by_turns, few), (by_calls, many)) = (by(true), by(false));
    assert_eq!(by_turns, by_calls);
    assert!(few * 3 < many * 2, "{few} turns, {many} calls");
}

#[test]
fn a_turn_says_that_a_fetch_comes_first_and_refuses_frames_without_failing() {
    let c = Config { recent_bytes: 16 << 10, ..config(1) };
    let mut disk = Disk::founder(&[1]);
    for index in 2..=100 {
        disk.log.insert(index, crate::kit::Stored { term: 1, kind: EntryKind::Normal, data: vec![7; 400] });
    }
    disk.state = HardState { term: 1, vote: 0, commit: 100 };
    let mut node = disk.boot(&c);
    let mut stepped = StepFrames::default();
    assert!(matches!(node.turn(&Input::default(), &mut stepped), Ok(Turn::FetchFirst)));
    let fetch = node.next_fetch().unwrap().unwrap();
    node.supply_entries(fetch.id, disk.entries(fetch.first, fetch.last).into_iter()).unwrap();
    let garbage = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff];
    let turn = node.turn(&Input { ticks: 1, frames: &garbage, ..Input::default() }, &mut stepped);
    let Ok(Turn::Ready(ready)) = turn else { panic!("{turn:?}") };
    assert!(ready.committed().len() > 0);
    let number = ready.number();
    assert_eq!(stepped, StepFrames { consumed: 15, rejected: 1, first: Some(Error::Decode) });
    assert!(node.error_detail().contains("no message"), "{}", node.error_detail());
    let wrong = node.turn(&Input { done: number + 5, ticks: 1, ..Input::default() }, &mut stepped).map(|_| ());
    assert_eq!(wrong, Err(Error::Arg));
    let endless = [0xff; 12];
    node.turn(&Input { done: number, frames: &endless, ..Input::default() }, &mut stepped).unwrap();
    assert_eq!((stepped.consumed, stepped.first), (0, Some(Error::Decode)), "drop the connection");
    assert!(node.turn(&Input { done: number, ..Input::default() }, &mut stepped).is_ok(), "twice is harmless");
}

#[test]
fn in_async_a_turn_acknowledges_each_part_apart() {
    let mut node = Disk::founder(&[1]).boot(&Config { storage: StorageMode::Async, ..config(1) });
    node.campaign().unwrap();
    let mut stepped = StepFrames::default();
    let (mut input, mut applied) = (Input::default(), 1);
    for _ in 0..10 {
        let (number, span) = match node.turn(&input, &mut stepped).unwrap() {
            Turn::Ready(ready) => (ready.number(), ready.committed_span()),
            Turn::Nothing => break,
            other => panic!("{other:?}"),
        };
        applied = span.map_or(applied, |(_, last)| last);
        input = Input { persisted: number, applied, released: number, ..Input::default() };
    }
    assert_eq!((node.status().role, node.status().applied, node.status().n_outstanding), (Role::Leader, 2, 0));
}

// ---- drop-ins for etcd's raft

#[test]
fn with_changes_apart_applied_passes_a_change_and_any_change_can_be_applied() {
    let mut node = leader(&config(1));
    assert_eq!(node.apply_change(EntryKind::ConfChange, change(3).data).map(|_| ()), Err(Error::State));
    let flags = config(1).flags.with(Flags::CONF_APART, true);
    let mut node = leader(&Config { flags, ..config(1) });
    let add = [Change { kind: ChangeKind::AddLearner, id: 4 }];
    node.propose_conf(&add, ChangeEncoding::V1, b"", 5).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 3);
    drain(&mut node);
    assert_eq!((node.status().applied, node.status().n_peers), (3, 3), "passed, and not in force");
    let applied = node.apply_change(EntryKind::ConfChange, &[0x08, 9, 0x10, 3, 0x18, 5]).unwrap();
    assert_eq!((applied.index, applied.conf.learners), (0, &[5][..]), "another one than was committed");
    assert_eq!(node.status().n_peers, 4);
    assert_eq!(node.apply_change(EntryKind::ConfChange, b"\xff").map(|_| ()), Err(Error::Decode));
    node.propose_conf(&add, ChangeEncoding::V1, b"", 6).unwrap();
}

/// Found by lock-step: by messages, the snapshot was stored with the configuration in force.
#[test]
fn a_change_apart_leaves_a_snapshot_that_is_not_stored_yet_as_it_came() {
    for storage in [StorageMode::Sync, StorageMode::Async, StorageMode::Messages] {
        let mut c = config(1);
        c.preset_etcd();
        let mut node = Disk::founder(&[1, 2, 3]).boot(&Config { storage, ..c });
        let snapshot = Some(snapshot(9, 1, &[1, 2, 3], b"state"));
        step(&mut node, &proto::Message { snapshot, ..message(MessageKind::Snap, 2, 1, 1) }).unwrap();
        node.apply_change(EntryKind::ConfChange, &[0x18, 4]).unwrap();
        assert_eq!(node.status().n_peers, 4, "in force");

        let ready = node.ready().unwrap().unwrap();
        let voters = |conf: &[u8]| wire::parse_conf_state(conf).unwrap().voters().collect::<Vec<_>>();
        assert_eq!(voters(ready.snapshot().unwrap().conf), [1, 2, 3], "{storage:?}");
        for m in ready.messages().filter(|m| m.kind() == MessageKind::StorageAppend) {
            let mut bytes = Vec::new();
            m.write_to(&mut bytes);
            let to_store = wire::parse_message(&bytes).unwrap().snapshot.unwrap();
            assert_eq!((voters(to_store.conf.bytes()), to_store.data), (vec![1, 2, 3], &b"state"[..]));
        }
    }
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

#[test]
fn a_snapshot_for_a_peer_that_its_configuration_lacks_is_taken_where_that_is_allowed() {
    for (allowed, outcome) in [(false, Err(Error::Arg)), (true, Ok(raftcore::Supplied::Taken))] {
        let c = crate::lone::forgetful();
        let mut node = leader(&Config { flags: c.flags.with(Flags::SNAPSHOT_ANY_CONF, allowed), ..c });
        crate::lone::leave_behind(&mut node);
        node.compacted(50).unwrap();
        crate::lone::beats(&mut node, 3);
        let fetch = node.next_fetch().unwrap().unwrap();
        let without = wire::ConfStateRef { voters: &[1, 2], ..Default::default() };
        assert_eq!(node.supply_snapshot(fetch.id, 55, &without, b"s"), outcome);
        if !allowed {
            continue;
        }
        let ready = node.ready().unwrap().unwrap();
        let m = ready.messages().find(|m| m.kind() == MessageKind::Snap).unwrap();
        assert_eq!((m.index(), m.log_term()), (55, 1), "what it covers");
        let shown = m.snapshot().unwrap();
        assert_eq!((shown.index, shown.data), (55, &b"s"[..]));
        assert_eq!(wire::parse_conf_state(shown.conf).unwrap().voters().collect::<Vec<_>>(), [1, 2]);
        let mut bytes = Vec::new();
        m.write_to(&mut bytes);
        let on_the_wire = wire::parse_message(&bytes).unwrap();
        assert_eq!((on_the_wire.head.index, on_the_wire.head.log_term), (0, 0), "as in etcd's raft");
        let number = ready.number();
        node.advance(number).unwrap();
        // The host has put a newer state in the message's place.
        acknowledge(&mut node, 3, 58);
        assert_eq!(crate::lone::peer(&node, 3).flow, raftcore::Flow::Replicate);
    }
}

#[test]
fn a_snapshot_that_is_under_way_is_not_asked_for_a_second_time() {
    for reported in [true, false] {
        let mut node = leader(&Config { snapshot_timeout_ticks: 30, ..crate::lone::forgetful() });
        crate::lone::leave_behind(&mut node);
        node.compacted(50).unwrap();
        crate::lone::beats(&mut node, 3);
        let fetch = node.next_fetch().unwrap().unwrap();
        node.supply_snapshot(fetch.id, 55, &VOTERS, b"").unwrap();
        drain(&mut node);
        let mut asked = 0;
        for _ in 0..200 {
            node.tick(1).unwrap();
            for peer in [2, 3] {
                crate::lone::beats(&mut node, peer);
            }
            if reported {
                node.report_snapshot(3, SnapshotReport::UnderWay).unwrap();
            }
            drain(&mut node);
            if let Some(fetch) = node.next_fetch().unwrap() {
                asked += 1;
                node.supply_snapshot(fetch.id, 55, &VOTERS, b"").unwrap();
                drain(&mut node);
            }
        }
        assert_eq!(asked == 0, reported, "{asked}");
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
}
