//! Committed entries that have left the recent log: the node fetches the entries from its own host,
//! and returns them like any entry.

use crate::lone::{alone, drain, take};
use kit::{Disk, Stored, append, config, entry, events, message, snapshot, step, with_spans};
use prost::Message as _;
use raftcore::{
    ChangeKind, Config, EntryKind, EntryRef, Error, EventKind, Fetch, FetchKind, HardState, Missing, Node, StorageMode,
    Supplied, has, proto,
};

/// Bytes of an entry here: some forty entries fill the recent log.
const LEN: usize = 400;
const LAST: u64 = 100;
/// The entry in the middle that adds node 2 as a learner.
const CHANGE: u64 = 50;

fn small(mode: StorageMode) -> Config {
    Config { recent_bytes: 16 << 10, storage: mode, ..config(1) }
}

/// A sole voter with more committed, unapplied log than its recent log holds, and a change in the
/// middle.
fn disk() -> Disk {
    let mut disk = Disk::founder(&[1]);
    for index in 2..=LAST {
        let (kind, data) = match index {
            CHANGE => (
                EntryKind::ConfChange,
                proto::ConfChange { r#type: ChangeKind::AddLearner as i32, node_id: 2, ..Default::default() }
                    .encode_to_vec(),
            ),
            _ => (EntryKind::Normal, vec![index as u8; LEN]),
        };
        disk.log.insert(index, Stored { term: 1, kind, data, context: Vec::new() });
    }
    disk.state = HardState { term: 1, vote: 0, commit: LAST };
    disk
}

fn booted(config: &Config) -> (Disk, Node) {
    let disk = disk();
    let node = disk.boot(config);
    assert!(node.status().recent_first > CHANGE, "the recent log holds too much");
    (disk, node)
}

fn supply(node: &mut Node, disk: &Disk, fetch: &Fetch) -> Result<Supplied, Error> {
    node.supply_entries(fetch.id, disk.entries(fetch.first, fetch.last).into_iter())
}

/// Does all work of a node; returns the applied entries.
fn run(node: &mut Node, disk: &Disk) -> Vec<(u64, Vec<u8>)> {
    let mut applied = Vec::new();
    for _ in 0..1000 {
        while let Some(fetch) = node.next_fetch().unwrap() {
            assert_eq!((fetch.kind, fetch.peer), (FetchKind::Apply, 1));
            assert_eq!(supply(node, disk, &fetch), Ok(Supplied::Taken));
        }
        let Some(ready) = node.ready().unwrap() else { break };
        let (number, span) = (ready.number(), ready.committed_span());
        let committed: Vec<_> = ready.committed().map(|e| (e.index, e.kind, e.term, e.data.to_vec())).collect();
        assert_eq!(span.map_or(0, |(first, last)| last - first + 1), committed.len() as u64, "a span comes whole");
        for (index, kind, term, data) in committed {
            if kind.is_change() {
                node.apply_conf(EntryRef { term, index, kind, data: &data, ..EntryRef::default() }).unwrap();
            }
            applied.push((index, data));
        }
        if node.config().storage == StorageMode::Async {
            node.persisted(number).unwrap();
            if let Some((_, last)) = span {
                node.applied(last).unwrap();
            }
            node.release(number).unwrap();
        } else {
            node.advance(number).unwrap();
        }
    }
    applied
}

#[test]
fn a_boot_with_twice_the_recent_log_of_unapplied_entries_applies_them_all() {
    for mode in [StorageMode::Sync, StorageMode::Async] {
        let (disk, mut node) = booted(&small(mode));
        let applied = run(&mut node, &disk);
        assert_eq!(applied.iter().map(|(index, _)| *index).collect::<Vec<_>>(), (2..=LAST).collect::<Vec<_>>());
        assert!(applied.iter().all(|(index, data)| *index == CHANGE || *data == vec![*index as u8; LEN]));
        assert_eq!((node.status().applied, node.status().apply_waits), (LAST, 0));
        assert_eq!(node.conf().unwrap().conf.learners, [2]);
    }
}

/// The entries were written with a larger recent_bytes: the node fetches the entries to apply, and
/// boots with any recent log.
#[test]
fn entries_larger_than_the_recent_log_are_booted_and_applied() {
    let full = small(StorageMode::Sync).recent_bytes as usize;
    for (mode, large, len) in [StorageMode::Sync, StorageMode::Async]
        .into_iter()
        .flat_map(|mode| [vec![LAST], vec![2], vec![60, 61, LAST - 1]].map(|large| (mode, large)))
        .flat_map(|(mode, large)| [full / 2, full - 100, full, 3 * full].map(|len| (mode, large.clone(), len)))
    {
        let mut disk = disk();
        for index in &large {
            disk.log.get_mut(index).unwrap().data = vec![*index as u8; len];
        }
        let mut node = disk.boot(&small(mode));
        let applied = run(&mut node, &disk);
        assert_eq!(applied.iter().map(|(index, _)| *index).collect::<Vec<_>>(), (2..=LAST).collect::<Vec<_>>());
        let whole = |index: u64, data: &[u8]| data.len() == if large.contains(&index) { len } else { LEN };
        assert!(applied.iter().all(|(index, data)| *index == CHANGE || whole(*index, data)));
        assert_eq!((node.status().applied, node.status().apply_waits), (LAST, 0));
    }
}

#[test]
fn a_fetch_to_apply_is_shown_until_it_is_taken_and_then_no_longer() {
    let (disk, mut node) = booted(&small(StorageMode::Sync));
    let waits = |node: &Node| node.has_ready().unwrap() & has::FETCH != 0;
    assert!(waits(&node) && node.status().apply_waits == 2);
    let fetch = node.next_fetch().unwrap().unwrap();
    assert_eq!((fetch.first, fetch.last), (2, node.status().recent_first - 1));
    assert!(!waits(&node) && node.status().apply_waits == 2);
    assert_eq!(node.next_fetch(), Ok(None));
    assert_eq!(node.has_ready().unwrap() & has::COMMITTED, 0, "nothing can be applied yet");
    supply(&mut node, &disk, &fetch).unwrap();
    assert!(node.has_ready().unwrap() & has::COMMITTED != 0 && node.status().apply_waits == 0);
}

#[test]
fn a_host_that_does_not_answer_stalls_aloud_and_loses_nothing() {
    let (disk, mut node) = booted(&small(StorageMode::Sync));
    drain(&mut node);
    events(&mut node);
    let fetch = node.next_fetch().unwrap().unwrap();
    let told = |node: &mut Node| events(node).into_iter().filter(|event| event.kind == EventKind::ApplyWaits).count();
    let patience = node.config().election_ticks;
    node.tick(patience - 1).unwrap();
    assert_eq!(told(&mut node), 0);
    node.tick(1).unwrap();
    assert_eq!(told(&mut node), 1);
    for _ in 0..9 {
        node.tick(patience).unwrap();
        drain(&mut node);
    }
    assert_eq!((told(&mut node), node.status().applied, node.status().apply_waits), (1, 1, 2), "and once in ten");
    supply(&mut node, &disk, &fetch).unwrap();
    assert_eq!(run(&mut node, &disk).len() as u64, LAST - 1);
}

#[test]
fn later_asks_again_with_the_next_tick_and_gone_is_refused() {
    let (disk, mut node) = booted(&small(StorageMode::Sync));
    let fetch = node.next_fetch().unwrap().unwrap();
    assert_eq!(node.supply_none(fetch.id, Missing::Gone), Err(Error::Corrupt));
    assert!(node.error_detail().contains("can't be gone"), "{}", node.error_detail());
    assert_eq!(node.supply_none(fetch.id, Missing::Later), Ok(Supplied::Taken));
    assert_eq!((node.next_fetch(), node.ticks_until_due()), (Ok(None), Ok(1)));
    node.tick(1).unwrap();
    let again = node.next_fetch().unwrap().unwrap();
    assert_eq!((again.first, again.last), (fetch.first, fetch.last));
    assert_eq!(supply(&mut node, &disk, &fetch), Ok(Supplied::Ignored), "the first one is over");
    assert_eq!(supply(&mut node, &disk, &again), Ok(Supplied::Taken));
}

#[test]
fn a_supply_that_contradicts_the_log_is_refused_and_the_fetch_stays_open() {
    let (disk, mut node) = booted(&small(StorageMode::Sync));
    let fetch = node.next_fetch().unwrap().unwrap();
    let one = |index, term| [EntryRef { term, index, data: b"x", ..EntryRef::default() }].into_iter();
    let before = node.digest(true);
    for (index, term) in [(3, 1), (2, 2), (1, 1)] {
        assert_eq!(node.supply_entries(fetch.id, one(index, term)), Err(Error::Arg), "{index} {term}");
    }
    assert_eq!(node.supply_entries(fetch.id, std::iter::empty()), Err(Error::Arg));
    let conf = raftcore::wire::ConfStateRef { voters: &[1], ..Default::default() };
    assert_eq!(node.supply_snapshot(fetch.id, 1, &conf, b""), Err(Error::Arg));
    assert_eq!(node.digest(true), before);
    assert_eq!(supply(&mut node, &disk, &fetch), Ok(Supplied::Taken));
}

#[test]
fn one_entry_is_taken_however_small_the_limit_and_no_more_than_it() {
    // Tag and length of the entry, term, index, tag and length of the data.
    let record = (3 + 2 + 2 + 3 + LEN) as u64;
    for (max, count) in [(1, 1), (3 * record - 1, 2), (3 * record, 3), (3 * record + 20, 3)] {
        let (disk, mut node) = booted(&Config { max_committed_size_per_ready: max, ..small(StorageMode::Sync) });
        let fetch = node.next_fetch().unwrap().unwrap();
        supply(&mut node, &disk, &fetch).unwrap();
        let ready = node.ready().unwrap().unwrap();
        assert_eq!(ready.committed().len(), count, "{max}");
        assert_eq!(run(&mut node, &disk).len() as u64, LAST - 1);
    }
    let (disk, mut node) = booted(&Config { max_entries_per_ready: 7, ..small(StorageMode::Sync) });
    let fetch = node.next_fetch().unwrap().unwrap();
    assert_eq!((fetch.first, fetch.last), (2, 8));
    supply(&mut node, &disk, &fetch).unwrap();
    assert_eq!(run(&mut node, &disk).len() as u64, LAST - 1);
}

#[test]
fn tokens_come_back_in_entries_that_were_fetched() {
    // ASYNC: what is proposed while the disk of the state machine stands still leaves the recent log.
    let config = small(StorageMode::Async);
    let config =
        Config { max_uncommitted_size: 1 << 20, max_committed_size_per_ready: 1, max_outstanding: 1000, ..config };
    let mut disk = Disk::founder(&[1]);
    let mut node = disk.boot(&config);
    node.campaign().unwrap();
    let mut tokens = Vec::new();
    let mut applied = 1;
    for turn in 0..400u64 {
        if turn < 100 {
            let outcome = node.propose(&[9; LEN], turn + 1);
            assert!(outcome.is_ok() || turn < 3, "{outcome:?}: {}", node.error_detail());
        }
        while let Some(fetch) = node.next_fetch().unwrap() {
            supply(&mut node, &disk, &fetch).unwrap();
        }
        if turn >= 110 {
            _ = node.applied(applied);
        }
        let Some(ready) = node.ready().unwrap() else { continue };
        let number = ready.number();
        for e in ready.entries() {
            disk.log.insert(e.index, Stored { term: e.term, kind: e.kind, data: e.data.to_vec(), context: Vec::new() });
        }
        for e in ready.committed() {
            assert_eq!(e.index, applied + 1);
            applied = e.index;
            tokens.extend(Some(e.token).filter(|&token| token != 0));
        }
        node.persisted(number).unwrap();
        node.release(number).unwrap();
    }
    assert!(tokens.len() > 90 && tokens.windows(2).all(|pair| pair[0] < pair[1]), "{tokens:?}");
    assert_eq!(node.status().n_tokens, 0);
}

#[test]
fn a_snapshot_overtakes_what_was_asked_and_what_was_supplied() {
    for supplied in [false, true] {
        let (disk, mut node) = booted(&small(StorageMode::Sync));
        let fetch = node.next_fetch().unwrap().unwrap();
        if supplied {
            supply(&mut node, &disk, &fetch).unwrap();
        }
        let snapshot = Some(snapshot(200, 2, &[1, 2], b"state"));
        step(&mut node, &proto::Message { snapshot, ..message(raftcore::MessageKind::Snap, 2, 1, 2) }).unwrap();
        assert_eq!(supply(&mut node, &disk, &fetch), Ok(Supplied::Ignored));
        drain(&mut node);
        assert_eq!((node.status().applied, node.next_fetch()), (200, Ok(None)));
    }
}

/// The host may be slow: by its answer the node wants other entries.
#[test]
fn an_answer_to_the_fetch_before_a_snapshot_is_none_to_the_fetch_behind_it() {
    let (disk, mut node) = booted(&small(StorageMode::Sync));
    let old = node.next_fetch().unwrap().unwrap();
    let snapshot = Some(snapshot(200, 2, &[1, 2], b"state"));
    step(&mut node, &proto::Message { snapshot, ..message(raftcore::MessageKind::Snap, 2, 1, 2) }).unwrap();
    drain(&mut node);
    for last in (200..300).step_by(10) {
        let entries = (last + 1..=last + 10).map(|index| entry(2, index, &[9; LEN])).collect();
        step(&mut node, &append(2, 1, 2, (last, 2), entries, 200)).unwrap();
        drain(&mut node);
    }
    step(&mut node, &append(2, 1, 2, (300, 2), vec![], 300)).unwrap();
    assert_ne!(node.has_ready().unwrap() & has::FETCH, 0, "all is still in memory");
    assert_eq!(supply(&mut node, &disk, &old), Ok(Supplied::Ignored));
    let fetch = node.next_fetch().unwrap().unwrap();
    assert_eq!((fetch.kind, fetch.first), (FetchKind::Apply, 201));
}

#[test]
fn a_clone_hands_out_what_was_supplied_to_the_original() {
    let (disk, mut node) = booted(&small(StorageMode::Sync));
    let fetch = node.next_fetch().unwrap().unwrap();
    supply(&mut node, &disk, &fetch).unwrap();
    let mut twin = node.try_clone().unwrap();
    assert!(twin == node);
    let shown = |node: &mut Node| -> Vec<Vec<u8>> {
        node.ready().unwrap().unwrap().committed().map(|entry| entry.data.to_vec()).collect()
    };
    assert_eq!(shown(&mut node), shown(&mut twin));
    assert_eq!(node.digest(true), twin.digest(true));
    drop(node);
    assert_eq!(run(&mut twin, &disk).len() as u64, LAST - 1);
}

#[test]
fn with_spans_a_ready_is_advanced_only_once_its_span_is_confirmed() {
    for mode in [StorageMode::Sync, StorageMode::Async] {
        let (_, mut node) = booted(&with_spans(small(mode)));
        assert_eq!(node.next_fetch(), Ok(None));
        let number = take(&mut node);
        let (first, last) = node.view(number).unwrap().committed_span().unwrap();
        assert_eq!((first, node.view(number).unwrap().committed().len()), (2, 0));
        assert_eq!(node.advance(number), Err(Error::State));
        assert!(node.error_detail().contains(&format!("from {first} to {last}")), "{}", node.error_detail());
        if last >= CHANGE {
            assert_eq!(node.applied(last), Err(Error::State), "the change comes first");
            node.skip_conf(CHANGE).unwrap();
        }
        assert_eq!(node.applied(last + 1), Err(if mode == StorageMode::Sync { Error::State } else { Error::Arg }));
        node.applied(first).unwrap();
        assert_eq!(node.advance(number), Err(Error::State), "not all of it");
        node.applied(last).unwrap();
        node.advance(number).unwrap();
    }
}

#[test]
fn in_sync_applied_is_for_such_spans_alone() {
    let mut node = alone(&with_spans(config(1)));
    node.propose(b"x", 0).unwrap();
    take(&mut node);
    assert_eq!(node.applied(3), Err(Error::State));
}
