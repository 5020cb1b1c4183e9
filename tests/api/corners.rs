//! Rules that show only in a corner: no test noticed until a changed operator survived
//! (cargo-mutants).

use crate::kit::{Disk, append, config, entry, events, message, step};
use crate::lone::{acknowledge, beats, campaign, drain, follower, forgetful, leader, leave_behind, peer, sent_by};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, EntryId, EntryKind, EntryRef, Error, EventKind, FetchKind, Flow,
    HardState, MessageKind, Missing, Node, Reason, Role, SnapshotReport, TermRun, Transition, peer_flags, proto, wire,
};

const LAST: u64 = raftcore::MAX_POSITION;

// ---- boot

fn booting(before: EntryId) -> Node {
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_state(HardState::default()).unwrap();
    let conf = wire::ConfStateRef { voters: &[1], ..Default::default() };
    node.boot_conf(&conf, 0, before).unwrap();
    node
}

fn nothing() -> EntryId {
    EntryId { term: 0, index: 0 }
}

#[test]
fn runs_rise_in_both_index_and_term_and_begin_behind_the_first() {
    let told = |runs: &[(u64, u64)], before: EntryId| {
        let runs: Vec<TermRun> = runs.iter().map(|&(first, term)| TermRun { first, term }).collect();
        booting(before).boot_terms(&runs, LAST)
    };
    assert_eq!(told(&[(1, 1), (3, 2)], nothing()), Ok(()));
    let wrong: [&[(u64, u64)]; 6] =
        [&[(1, 0)], &[(1, 1), (1, 2)], &[(1, 1), (3, 1)], &[(2, 1)], &[(1, 2), (3, 1)], &[(1, 1), (LAST + 1, 2)]];
    for runs in wrong {
        assert_eq!(told(runs, nothing()), Err(Error::Corrupt), "{runs:?}");
    }
    assert_eq!(told(&[(1, 1), (LAST, 2)], nothing()), Ok(()));
    assert_eq!(told(&[(1, 1), (3, LAST)], nothing()), Ok(()));
    assert_eq!(told(&[(1, 1), (3, LAST + 1)], nothing()), Err(Error::Corrupt));
    assert_eq!(told(&[(8, 2)], EntryId { term: 3, index: 7 }), Err(Error::Corrupt));
}

#[test]
fn the_last_position_may_be_stored_and_none_behind_it() {
    let one = |index: u64, term: u64| [EntryRef { term, index, data: b"x", ..EntryRef::default() }];
    let before = EntryId { term: 1, index: LAST - 1 };
    assert_eq!(booting(before).boot_entries(one(LAST, 1).into_iter()), Ok(()));
    assert_eq!(booting(before).boot_entries(one(LAST, LAST).into_iter()), Ok(()));
    assert_eq!(booting(before).boot_entries(one(LAST, LAST + 1).into_iter()), Err(Error::Corrupt));
    let last = EntryId { term: 1, index: LAST };
    assert_eq!(booting(last).boot_entries(one(LAST + 1, 1).into_iter()), Err(Error::Corrupt));
    assert_eq!(booting(last).boot_done(LAST), Ok(()));
    assert_eq!(booting(last).boot_done(LAST + 1), Err(Error::Corrupt));

    let conf = wire::ConfStateRef { voters: &[1], ..Default::default() };
    let behind = |term, index| {
        let mut node = Node::new(&config(1)).unwrap();
        node.boot_conf(&conf, 0, EntryId { term, index })
    };
    assert_eq!(behind(LAST, LAST), Ok(()));
    for (term, index) in [(LAST + 1, LAST), (LAST, LAST + 1), (0, 1), (1, 0)] {
        assert_eq!(behind(term, index), Err(Error::Corrupt), "{term} {index}");
    }
    let state = |term, vote, commit| Node::new(&config(1)).unwrap().boot_state(HardState { term, vote, commit });
    assert_eq!(state(LAST, u64::MAX - 16, LAST), Ok(()));
    for (term, vote, commit) in [(LAST + 1, 1, 1), (1, u64::MAX - 15, 1), (1, 1, LAST + 1)] {
        assert_eq!(state(term, vote, commit), Err(Error::Corrupt), "{term} {vote} {commit}");
    }
}

#[test]
fn as_many_members_as_are_allowed_are_booted_with() {
    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    let with = |max_peers| {
        let mut node = Node::new(&Config { max_peers, ..config(1) }).unwrap();
        node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 })
    };
    assert_eq!((with(3), with(2)), (Ok(()), Err(Error::Conf)));
}

#[test]
fn after_entries_only_entries_are_given_more_of() {
    let one = [EntryRef { term: 1, index: 1, data: b"x", ..EntryRef::default() }];
    let two = [EntryRef { term: 1, index: 2, data: b"x", ..EntryRef::default() }];
    let mut node = booting(nothing());
    node.boot_entries(one.into_iter()).unwrap();
    assert_eq!(node.boot_terms(&[], 1), Err(Error::State));
    assert_eq!(node.boot_state(HardState::default()), Err(Error::State));
    node.boot_entries(two.into_iter()).unwrap();
    node.boot_done(0).unwrap();
    assert_eq!(node.status().last_index, 2);
    assert_eq!(node.boot_entries(std::iter::empty()), Err(Error::State));
}

#[test]
fn entries_are_given_without_a_gap() {
    let one = |index| [EntryRef { term: 1, index, data: b"x", ..EntryRef::default() }];
    let mut node = booting(nothing());
    node.boot_terms(&[TermRun { first: 1, term: 1 }], 5).unwrap();
    node.boot_entries(one(5).into_iter()).unwrap();
    assert_eq!(node.boot_entries(one(7).into_iter()), Err(Error::Corrupt));
    let mut node = booting(nothing());
    assert_eq!(node.boot_entries(one(2).into_iter()), Err(Error::Corrupt));
}

#[test]
fn runs_begin_behind_what_was_compacted() {
    let entries = vec![entry(1, 3, b"x"), entry(1, 4, b"x"), entry(2, 5, b"x"), entry(2, 6, b"x")];
    let mut node = follower(&config(1));
    step(&mut node, &append(2, 1, 2, (2, 1), entries, 6)).unwrap();
    drain(&mut node);
    let runs = |node: &Node| node.term_runs().iter().map(|run| (run.first, run.term)).collect::<Vec<_>>();
    assert_eq!(runs(&node), [(2, 1), (5, 2)]);
    for (index, expected) in [(3, vec![(4, 1), (5, 2)]), (4, vec![(5, 2)]), (5, vec![(6, 2)]), (6, vec![])] {
        node.compacted(index).unwrap();
        assert_eq!(runs(&node), expected, "compacted up to {index}");
        assert_eq!(node.status().first_index, index + 1);
        let before = EntryId { term: if index < 5 { 1 } else { 2 }, index };
        assert_eq!(booting(before).boot_terms(node.term_runs(), 6), Ok(()), "what a host stores it can boot from");
    }
}

// ---- how logs are brought to agree

/// A leader in term 6 whose log begins behind (50, term 5) and ends at 60.
fn begins_late() -> Node {
    let mut disk = Disk::founder(&[1, 2, 3]);
    disk.before = EntryId { term: 5, index: 50 };
    disk.applied = 50;
    disk.state = HardState { term: 5, vote: 0, commit: 50 };
    for index in 51..60 {
        disk.log.insert(index, crate::kit::Stored { term: 5, kind: EntryKind::Normal, data: b"x".to_vec() });
    }
    let mut node = disk.boot(&config(1));
    campaign(&mut node, &[2]);
    assert_eq!((node.status().role, node.status().last_index), (Role::Leader, 60));
    node
}

fn rejects(node: &mut Node, hint: u64, log_term: u64) -> u64 {
    let refused = proto::Message {
        index: 59,
        reject: true,
        reject_hint: hint,
        log_term,
        ..message(MessageKind::AppResp, 3, 1, 6)
    };
    step(node, &refused).unwrap();
    peer(node, 3).next_index
}

#[test]
fn a_hint_of_an_older_term_goes_back_behind_the_beginning_of_the_log() {
    // (index, term) at the peer, and the leader's next index: where the terms may agree, or before
    // the whole log.
    for (hint, term, next) in
        [(55, 5, 56), (55, 3, 50), (50, 5, 51), (50, 3, 50), (49, 3, 50), (20, 3, 21), (58, 9, 59)]
    {
        let mut node = begins_late();
        assert_eq!(rejects(&mut node, hint, term), next, "({hint}, {term})");
    }
    // A hint beyond the log is no hint.
    let mut node = begins_late();
    assert_eq!(rejects(&mut node, 70, 5), 59);
}

#[test]
fn a_rejection_takes_nothing_back_that_a_peer_is_known_to_have() {
    let mut node = leader(&config(1));
    for index in 3..=9 {
        node.propose(b"x", 0).unwrap();
        drain(&mut node);
        acknowledge(&mut node, 3, index);
    }
    node.report_unreachable(3).unwrap();
    assert_eq!(peer(&node, 3).next_index, 10);
    let refused = proto::Message {
        index: 9,
        reject: true,
        reject_hint: 3,
        log_term: 1,
        ..message(MessageKind::AppResp, 3, 1, 1)
    };
    step(&mut node, &refused).unwrap();
    assert_eq!((peer(&node, 3).match_index, peer(&node, 3).next_index), (9, 10));
}

#[test]
fn a_probe_that_has_nothing_to_send_waits_for_nothing() {
    let mut node = leader(&config(1));
    node.report_unreachable(3).unwrap();
    beats(&mut node, 3);
    assert_eq!(sent_by(&mut node), [(3, MessageKind::App, vec![])], "what do you have?");
    assert_eq!(peer(&node, 3).flow, Flow::Probe);
    node.propose(b"x", 0).unwrap();
    assert!(sent_by(&mut node).contains(&(3, MessageKind::App, vec![3])), "an entry need not wait for the answer");
    node.propose(b"y", 0).unwrap();
    assert!(!drain(&mut node).iter().any(|m| m.to == 3), "one at a time");
}

// ---- snapshots

/// Node 1 leads; peer 3 has entry 2 and was asked a snapshot for; gives the fetch's id.
fn asks_for_a_snapshot() -> (Node, u64) {
    let mut node = leader(&forgetful());
    leave_behind(&mut node);
    beats(&mut node, 3);
    let entries = node.next_fetch().unwrap().unwrap();
    node.supply_none(entries.id, Missing::Gone).unwrap();
    let snapshot = node.next_fetch().unwrap().unwrap();
    assert_eq!(snapshot.kind, FetchKind::Snapshot);
    (node, snapshot.id)
}

#[test]
fn behind_a_snapshot_that_arrived_entries_follow_and_behind_one_that_did_not_nothing_is_taken_for_granted() {
    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    for (arrived, next) in [(true, 51), (false, 3)] {
        let (mut node, id) = asks_for_a_snapshot();
        node.supply_snapshot(id, 50, &conf, b"").unwrap();
        drain(&mut node);
        assert_eq!((peer(&node, 3).flow, peer(&node, 3).pending_snapshot), (Flow::Snapshot, 50));
        let report = if arrived { SnapshotReport::Arrived } else { SnapshotReport::Failed };
        node.report_snapshot(3, report).unwrap();
        let progress = peer(&node, 3);
        assert_eq!((progress.flow, progress.next_index, progress.pending_snapshot), (Flow::Probe, next, 0));
        assert_ne!(progress.flags & peer_flags::PAUSED, 0, "until it is heard");
    }
}

#[test]
fn one_ask_goes_with_its_peer_and_the_other_stays() {
    let mut node = leader(&forgetful());
    let changes = [Change { kind: ChangeKind::AddLearner, id: 4 }];
    let apply = |node: &mut Node, changes: &[Change], index: u64| {
        node.propose_conf(changes, ChangeEncoding::V2(Transition::Auto), b"", 0).unwrap();
        drain(node);
        acknowledge(node, 2, index);
        let ready = node.ready().unwrap().unwrap();
        let (number, last) = (ready.number(), ready.committed().last().unwrap());
        let (term, index, kind, data) = (last.term, last.index, last.kind, last.data.to_vec());
        node.apply_conf(EntryRef { term, index, kind, data: &data, token: 0 }).unwrap();
        node.advance(number).unwrap();
        drain(node);
    };
    apply(&mut node, &changes, 3);
    leave_behind(&mut node);
    for id in [3, 4] {
        node.report_unreachable(id).unwrap();
        beats(&mut node, id);
    }
    apply(&mut node, &[Change { kind: ChangeKind::RemoveNode, id: 4 }], 61);
    let left = node.next_fetch().unwrap().unwrap();
    assert_eq!(left.peer, 3);
    assert_eq!(node.next_fetch(), Ok(None));
}

// ---- membership

#[test]
fn no_change_makes_a_configuration_larger_than_is_allowed() {
    let mut node = leader(&Config { max_peers: 4, ..config(1) });
    let add = |node: &mut Node, ids: &[u64]| {
        let changes: Vec<Change> = ids.iter().map(|&id| Change { kind: ChangeKind::AddLearner, id }).collect();
        node.propose_conf(&changes, ChangeEncoding::V2(Transition::Auto), b"", 0)
    };
    assert_eq!(add(&mut node, &[4, 5]), Err(Error::Conf));
    assert!(node.error_detail().contains("max_peers is 4"), "{}", node.error_detail());
    add(&mut node, &[4]).unwrap();
}

#[test]
fn changes_are_applied_in_their_order() {
    let mut disk = Disk::founder(&[1]);
    for (index, id) in [(2, 4u64), (3, 5)] {
        let changes = [Change { kind: ChangeKind::AddLearner, id }];
        let mut data = vec![0; wire::change_v2_len(Transition::Auto, &changes, b"")];
        wire::write_change_v2(&mut data, Transition::Auto, &changes, b"");
        disk.log.insert(index, crate::kit::Stored { term: 1, kind: EntryKind::ConfChangeV2, data });
    }
    disk.state = HardState { term: 1, vote: 0, commit: 3 };
    let mut node = disk.boot(&config(1));
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.committed_span(), Some((2, 3)));
    let entries = disk.entries(2, 3);
    assert_eq!(node.apply_conf(entries[1]).map(|_| ()), Err(Error::Arg));
    assert!(node.error_detail().contains("index 2 comes first"), "{}", node.error_detail());
    assert_eq!(node.skip_conf(3).map(|_| ()), Err(Error::Arg));
    node.apply_conf(entries[0]).unwrap();
    node.apply_conf(entries[1]).unwrap();
    assert_eq!(node.apply_conf(entries[0]).map(|_| ()), Err(Error::Stale));
}

// ---- reads

#[test]
fn a_peers_read_is_passed_on_in_its_name() {
    let mut node = follower(&config(1));
    let entries = vec![entry(0, 0, b"context")];
    step(&mut node, &proto::Message { entries, ..message(MessageKind::ReadIndex, 3, 1, 0) }).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let asked: Vec<_> = ready.messages().map(|m| (m.to(), m.from(), m.kind())).collect();
    assert_eq!(asked, [(2, 3, MessageKind::ReadIndex)]);
    let number = ready.number();
    node.advance(number).unwrap();
    node.read_index(1).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let asked: Vec<_> = ready.messages().map(|m| (m.to(), m.from(), m.kind())).collect();
    assert_eq!(asked, [(2, 1, MessageKind::ReadIndex)]);
}

#[test]
fn an_answer_that_is_waited_for_is_not_called_late() {
    let mut node = follower(&config(1));
    node.read_index(1).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let mut bytes = Vec::new();
    ready.messages().next().unwrap().write_to(&mut bytes);
    let number = ready.number();
    node.advance(number).unwrap();
    let context = wire::parse_message(&bytes).unwrap().entries.iter().next().unwrap().data;
    let entries = vec![entry(0, 0, context)];
    let answer = proto::Message { index: 2, entries, ..message(MessageKind::ReadIndexResp, 2, 1, 1) };
    events(&mut node);
    step(&mut node, &answer).unwrap();
    assert_eq!(events(&mut node), []);
    step(&mut node, &answer).unwrap();
    let late = events(&mut node);
    assert_eq!(
        late.iter().map(|e| (e.kind, e.reason)).collect::<Vec<_>>(),
        [(EventKind::Ignored, Reason::LateReadAnswer)]
    );
}

#[test]
fn reads_that_fail_are_counted() {
    // Passed on, and unanswered.
    let mut node = follower(&Config { read_timeout_ticks: 3, ..config(1) });
    for token in 1..=3 {
        node.read_index(token).unwrap();
    }
    node.tick(3).unwrap();
    assert_eq!(node.status().reads_failed, 3);
    // Forwarded, and then another node leads.
    for token in 1..=2 {
        node.read_index(token).unwrap();
    }
    step(&mut node, &message(MessageKind::Heartbeat, 3, 1, 2)).unwrap();
    assert_eq!(node.status().reads_failed, 5);
    // Begun by a former leader.
    let mut node = leader(&config(1));
    for token in 1..=3 {
        node.read_index(token).unwrap();
    }
    step(&mut node, &message(MessageKind::Heartbeat, 3, 1, 2)).unwrap();
    assert_eq!(node.status().reads_failed, 3);
    // Without room to be passed on.
    let mut node = follower(&Config { max_messages: 16, ..config(1) });
    for token in 1..=19 {
        node.read_index(token).unwrap();
    }
    assert_eq!(node.status().messages_dropped, 3);
}

#[test]
fn a_host_may_sleep_until_a_read_fails() {
    let mut node = follower(&Config { read_timeout_ticks: 7, election_ticks: 100, ..config(1) });
    assert!(node.ticks_until_due().unwrap() >= 100);
    node.tick(1).unwrap();
    node.read_index(1).unwrap();
    assert_eq!(node.ticks_until_due(), Ok(7));
    node.tick(3).unwrap();
    assert_eq!(node.ticks_until_due(), Ok(4));
}

#[test]
fn without_a_lease_no_answer_names_a_tick() {
    let mut node = leader(&config(1));
    node.read_index(1).unwrap();
    drain(&mut node);
    events(&mut node);
    let context = [1u64.to_le_bytes(), 0u64.to_le_bytes()].concat().into();
    step(&mut node, &proto::Message { context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) }).unwrap();
    let ignored = events(&mut node);
    assert_eq!(ignored.iter().map(|e| e.reason).collect::<Vec<_>>(), [Reason::ReadContext]);
    assert!(node.ready().unwrap().is_none_or(|ready| ready.reads().is_empty()));
}

// ---- looking inside

#[test]
fn who_is_silent_is_not_near_enough_to_be_promoted() {
    let mut node = leader(&config(1));
    let near = |node: &Node| peer(node, 3).flags & (peer_flags::ACTIVE | peer_flags::CAUGHT_UP);
    assert_eq!(near(&node), peer_flags::ACTIVE | peer_flags::CAUGHT_UP);
    for _ in 0..config(1).election_ticks {
        node.tick(1).unwrap();
        drain(&mut node);
        beats(&mut node, 2);
    }
    assert_eq!((node.status().role, peer(&node, 3).flow), (Role::Leader, Flow::Replicate));
    assert_eq!(near(&node), 0);
}

#[test]
fn what_all_members_have_may_be_compacted_and_what_a_follower_has_applied() {
    let mut node = leader(&config(1));
    node.propose(b"x", 0).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 3);
    drain(&mut node);
    assert_eq!((node.status().applied, node.status().safe_to_compact), (3, 2), "node 3 may need it");
    acknowledge(&mut node, 3, 3);
    assert_eq!(node.status().safe_to_compact, 3);
    let follower = follower(&config(1));
    assert_eq!((follower.status().applied, follower.status().safe_to_compact), (2, 2));
}

#[test]
fn a_long_context_of_a_heartbeat_comes_back_whole() {
    for len in [1, 8, 24, 25, 127, 128, 1000] {
        let mut node = follower(&config(1));
        let context: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let heartbeat = proto::Message { context: context.clone().into(), ..message(MessageKind::Heartbeat, 2, 1, 1) };
        step(&mut node, &heartbeat).unwrap();
        let ready = node.ready().unwrap().unwrap();
        let answer = ready.messages().next().unwrap();
        let mut bytes = Vec::new();
        answer.write_to(&mut bytes);
        assert_eq!(wire::parse_message(&bytes).unwrap().context, context, "{len} bytes");
        let frame = answer.parts().collect::<Vec<_>>().concat();
        assert_eq!(wire::read_frame_header(&frame).map(|(len, _)| len as usize), Some(bytes.len()), "{len} bytes");
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
fn a_snapshot_that_is_looked_at_stays_when_a_newer_one_arrives() {
    let arrives = |node: &mut Node, index: u64, data: &[u8]| {
        let snapshot = Some(crate::kit::snapshot(index, 1, &[1, 2, 3], data));
        step(node, &proto::Message { snapshot, ..message(MessageKind::Snap, 2, 1, 1) }).unwrap();
    };
    let c = Config { storage: raftcore::StorageMode::Async, ..config(1) };
    let mut node = Disk::founder(&[1, 2, 3]).boot(&c);
    arrives(&mut node, 9, b"nine");
    let first = node.ready().unwrap().unwrap().number();
    arrives(&mut node, 20, b"twenty");
    arrives(&mut node, 30, b"thirty, shown by nobody before");
    let data = |node: &Node, number: u64| node.view(number).unwrap().snapshot().unwrap().data.to_vec();
    assert_eq!(data(&node, first), b"nine");
    let second = node.ready().unwrap().unwrap().number();
    assert_eq!(
        (data(&node, first), data(&node, second)),
        (b"nine".to_vec(), b"thirty, shown by nobody before".to_vec())
    );
}

// ---- time

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
fn a_leader_names_the_entry_that_its_term_begins_with() {
    let mut node = leader(&config(1));
    let began = events(&mut node).into_iter().find(|event| event.kind == EventKind::BecameLeader).unwrap();
    assert_eq!((began.index, began.term), (2, 1));
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
fn who_may_have_granted_a_lease_before_it_started_does_not_campaign() {
    let flags = config(1).flags.with(raftcore::Flags::LEASE_READS, true);
    let mut node = Disk::founder(&[1, 2, 3]).boot(&Config { flags, election_ticks: 10, ..config(1) });
    for _ in 0..10 {
        events(&mut node);
        node.campaign().unwrap();
        let refused = events(&mut node);
        assert_eq!(
            refused.iter().map(|e| (e.kind, e.reason)).collect::<Vec<_>>(),
            [(EventKind::CampaignRefused, Reason::Lease)]
        );
        node.tick(1).unwrap();
    }
    node.campaign().unwrap();
    assert_eq!(node.status().role, Role::PreCandidate);
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

// ---- local work by messages

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
    let mut cluster = crate::kit::Cluster::new(&[1], move |id| Config { id, ..c });
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
    let snapshot = Some(crate::kit::snapshot(2, 1, &[1], b""));
    assert_eq!(local(&mut node, &proto::Message { index: 4, snapshot, ..early }), Ok(()));
    assert_eq!(node.status().durable, 4);
    let late = proto::Message { entries: entries(&[2]), ..applied };
    assert_eq!(local(&mut node, &late), Err(Error::Stale), "applied before");
}
