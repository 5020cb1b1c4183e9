//! Turns: a pass of a host's loop in one call.

use crate::lone::{alone, beats, follower, forgetful, leader, leave_behind};
use kit::{Disk, append, config, entry, step};
use raftcore::{
    Config, EntryKind, EntryRef, Error, HardState, Input, Node, Role, StepFrames, StorageMode, Turn, proto,
};
use std::collections::VecDeque;

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
    assert!(few * 3 < many, "{few} turns, {many} calls");
}

#[test]
fn a_turn_says_that_a_fetch_comes_first_and_refuses_frames_without_failing() {
    let c = Config { recent_bytes: 16 << 10, ..config(1) };
    let mut disk = Disk::founder(&[1]);
    for index in 2..=100 {
        disk.log
            .insert(index, kit::Stored { term: 1, kind: EntryKind::Normal, data: vec![7; 400], context: Vec::new() });
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

/// The number of a ready and the index of an entry count apart, even if both are equal.
#[test]
fn in_async_a_turn_takes_two_parts_of_one_number() {
    let mut node = alone(&Config { storage: StorageMode::Async, ..config(1) });
    // The entries leave with the ready after `last_ready`, and are committed with the next.
    let number = node.status().last_ready + 2;
    for _ in node.status().last_index..number {
        node.propose(b"x", 0).unwrap();
    }
    let mut stepped = StepFrames::default();
    let Turn::Ready(ready) = node.turn(&Input::default(), &mut stepped).unwrap() else { panic!("nothing to store") };
    let input = Input { persisted: ready.number(), ..Input::default() };
    let Turn::Ready(ready) = node.turn(&input, &mut stepped).unwrap() else { panic!("nothing to apply") };
    assert_eq!((ready.number(), ready.committed_span().unwrap().1), (number, number));
    let input = Input { persisted: number, applied: number, ..Input::default() };
    assert!(matches!(node.turn(&input, &mut stepped), Ok(Turn::Nothing)));
    assert_eq!(node.status().applied, number);
}

/// One part a turn: the threads of a host end at different times.
#[test]
fn in_async_each_part_may_come_in_a_turn_of_its_own() {
    let mut node = Disk::founder(&[1]).boot(&Config { storage: StorageMode::Async, ..config(1) });
    node.campaign().unwrap();
    let mut stepped = StepFrames::default();
    let mut parts = VecDeque::from([Input::default()]);
    while let Some(part) = parts.pop_front() {
        let (number, span) = match node.turn(&part, &mut stepped).unwrap() {
            Turn::Ready(ready) => (ready.number(), ready.committed_span()),
            Turn::Nothing => continue,
            other => panic!("{other:?}"),
        };
        parts.push_back(Input { persisted: number, ..Input::default() });
        parts.extend(span.map(|(_, applied)| Input { applied, ..Input::default() }));
        parts.push_back(Input { released: number, ..Input::default() });
    }
    assert_eq!((node.status().role, node.status().applied, node.status().n_outstanding), (Role::Leader, 2, 0));
}

#[test]
fn a_turn_tells_of_the_fetch_for_a_peer_and_counts_late_ticks() {
    let mut stepped = StepFrames::default();
    let mut node = leader(&forgetful());
    leave_behind(&mut node);
    beats(&mut node, 3);
    assert!(matches!(node.turn(&Input::default(), &mut stepped), Ok(Turn::FetchFirst)));

    let mut node = leader(&config(1));
    node.propose(b"x", 0).unwrap();
    node.turn(&Input { ticks: 1, ..Input::default() }, &mut stepped).unwrap();
    assert_eq!(node.status().late_ticks, 1);
}

/// A change that adds learner 4.
const ADDS: [u8; 4] = [0x10, 3, 0x18, 4];

/// An applied change may bring work; a stored change brings none.
#[test]
fn a_ready_with_a_change_to_apply_is_not_the_last() {
    let mut node = follower(&config(1));
    let change = proto::Entry { r#type: EntryKind::ConfChange as i32, ..entry(1, 4, &ADDS) };
    let entries = vec![entry(1, 3, b"x"), change, entry(1, 5, b"y")];
    let applied = EntryRef { term: 1, index: 4, kind: EntryKind::ConfChange, data: &ADDS, ..EntryRef::default() };
    let mut turn = |commit, entries, done| {
        let prev = if done == 0 { 2 } else { 5 };
        step(&mut node, &append(2, 1, 1, (prev, 1), entries, commit)).unwrap();
        let mut stepped = StepFrames::default();
        let (number, last) = match node.turn(&Input { done, ..Input::default() }, &mut stepped).unwrap() {
            Turn::Last(ready) => (ready.number(), true),
            Turn::Ready(ready) => (ready.number(), false),
            other => panic!("{other:?}"),
        };
        if commit == 4 {
            node.apply_conf(applied).unwrap();
        }
        (number, last)
    };
    let (stored, last) = turn(2, entries, 0);
    assert!(last, "a change to store");
    let (before, last) = turn(3, vec![], stored);
    assert!(last, "up to the change");
    let (applied, last) = turn(4, vec![], before);
    assert!(!last, "the change");
    let (_, last) = turn(5, vec![], applied);
    assert!(last, "behind the change");
}
