//! Tests of the simulator itself. Each law gets a bad state made by hand and must object. A run
//! known to be unsafe must be caught. A plain search confirms the checker of histories.

use crate::book::Book;
use crate::check::{Checker, Conf, Head};
use crate::disk::{Disk, Record, write_bytes};
use crate::history::{self, Kind, NEVER, Op, Outcome};
use crate::host::Host;
use crate::law::{Halt, Law, Lawful};
use crate::plan::{Options, Plan};
use crate::rng::Rng;
use crate::store::Job;
use crate::tally::Tally;
use crate::trouble::check_refusal;
use crate::world::{World, run};
use raftcore::*;
use std::collections::BTreeSet;

fn record(term: u64, op: u64) -> Record {
    Record { term, kind: EntryKind::Normal, data: write_bytes(op, 0, 9).into() }
}

fn change(term: u64) -> Record {
    Record { term, kind: EntryKind::ConfChangeV2, data: Vec::new().into() }
}

fn voters(ids: &[u64]) -> Conf {
    Conf { voters: ids.to_vec(), ..Conf::default() }
}

/// A node in term 3 with a log of 10 entries of term 2, committed and applied up to 5.
fn status() -> Status {
    Status {
        id: 1,
        term: 3,
        commit: 5,
        applied: 5,
        first_index: 2,
        last_index: 10,
        last_term: 2,
        promotable: true,
        ..Status::default()
    }
}

fn runs() -> Vec<TermRun> {
    vec![TermRun { first: 2, term: 2 }]
}

fn look(checker: &mut Checker, s: Status) -> Lawful {
    checker.look(&s, 1, &voters(&[1, 2, 3]), runs).map(|_| ())
}

fn leader(id: u64, term: u64) -> Status {
    Status { id, term, role: Role::Leader, ..status() }
}

/// Looks at two states; the second is bad.
fn then(first: Status, second: Status) -> Lawful {
    let mut checker = Checker::default();
    look(&mut checker, first).expect("the first state is good");
    look(&mut checker, second)
}

fn leaves(kind: MessageKind, change: impl FnOnce(&mut Head, &mut Disk)) -> Lawful {
    let mut disk = Disk::founder(&[1, 2, 3]);
    disk.state = HardState { term: 3, vote: 1, commit: 1 };
    disk.put(2, record(2, 1));
    let mut head = Head { kind, from: 1, to: 2, term: 3, log_term: 2, index: 2, reject: false };
    if kind == MessageKind::VoteResp {
        disk.state.vote = 2;
    }
    Checker::default().leaves(&head, &disk).expect("the message may leave");
    change(&mut head, &mut disk);
    Checker::default().leaves(&head, &disk)
}

fn conf_bytes(ids: &[u64]) -> std::rc::Rc<[u8]> {
    Disk::founder(ids).machine.conf
}

fn book(kind: Kind, forwarded: bool) -> Book {
    let mut book = Book::default();
    assert_eq!(book.begin(kind, 0, (1, 1), forwarded, 7), 1);
    book
}

/// Returns a world of three nodes after some ticks.
fn world() -> World {
    let options = Options { ticks: Some(60), nodes: Some(3), without: u64::MAX, ..Options::default() };
    let mut world = World::new(Plan::draw(5, &options));
    world.begin().expect("three founders come up");
    for _ in 0..60 {
        world.tick().expect("nothing happens to them");
    }
    world
}

/// Runs `act` on a host of such a world.
fn host(act: impl FnOnce(&mut Host, &mut crate::host::Bench) -> std::result::Result<(), Halt>) -> Lawful {
    let mut world = world();
    let id = world.leader().expect("they have elected");
    world.with(id, act)
}

fn teeth() -> Vec<(Law, Lawful)> {
    let good = |checker: &mut Checker| look(checker, status()).expect("a good state");
    let committed = || {
        let mut checker = Checker::default();
        good(&mut checker);
        checker
    };
    let applied = || {
        let mut checker = Checker::default();
        assert!(checker.applies(1, 2, 1, &record(2, 1), 77).expect("the first to apply it"));
        checker
    };
    let stored = || {
        let mut checker = Checker::default();
        checker.stores(1, 1, 2, &[record(2, 1), record(2, 2)]).expect("the first to store them");
        checker
    };
    let founded = || {
        let mut checker = Checker::default();
        checker.begin(&conf_bytes(&[1, 2, 3]));
        checker
    };
    let limits = Config { max_tokens: 4, max_reads: 4, max_inflight_msgs: 2, ..Config::new(1) };
    let mut list = vec![
        (Law::ElectionSafety, then(leader(1, 3), leader(2, 3))),
        (Law::LeaderIsVoter, then(status(), leader(4, 3))),
        (Law::LogMatching, stored().stores(2, 1, 2, &[record(2, 9)])),
        (
            Law::LogMatching,
            stored().stores(2, 2, 3, &[record(2, 2)]).and_then(|()| stored().stores(2, 1, 3, &[record(2, 2)])),
        ),
        (Law::LeaderAppendOnly, Checker::default().leads_on(&leader(1, 3), 10, 10, &[record(3, 1)], &[])),
        (Law::LeaderCompleteness, {
            let mut checker = committed();
            let s = Status { commit: 1, applied: 1, last_index: 4, ..leader(2, 4) };
            look(&mut checker, s)
        }),
        (Law::StateMachineSafety, applied().applies(2, 2, 1, &record(2, 9), 77).map(|_| ())),
        (Law::StateMachineSafety, applied().applies(2, 2, 1, &record(2, 1), 78).map(|_| ())),
        (Law::StateMachineSafety, applied().installs(2, 2, 78, &conf_bytes(&[1, 2, 3]))),
        (Law::CommittedOnce, {
            let mut checker = committed();
            let other = || vec![TermRun { first: 2, term: 3 }];
            checker.look(&Status { id: 2, ..status() }, 1, &voters(&[1, 2, 3]), other).map(|_| ())
        }),
        (Law::CommittedOnQuorum, {
            let joint = Conf { outgoing: vec![3, 4, 5], ..voters(&[1, 2, 3]) };
            Checker::default().on_quorum(1, &joint, EntryId { term: 2, index: 5 }, |id| id < 4)
        }),
        (Law::CommittedOnQuorum, {
            let learner = Conf { learners: vec![4], ..voters(&[1, 2, 3]) };
            Checker::default().on_quorum(1, &learner, EntryId { term: 2, index: 5 }, |id| id == 1 || id == 4)
        }),
        (Law::NeverBack, then(status(), Status { term: 2, ..status() })),
        (Law::NeverBack, then(status(), Status { commit: 4, applied: 4, ..status() })),
        (Law::NeverBack, then(Status { vote: 2, ..status() }, Status { vote: 3, ..status() })),
        (Law::NeverBack, {
            let old = HardState { term: 3, vote: 2, commit: 1 };
            Checker::default().overwrites(1, old, HardState { vote: 3, ..old })
        }),
        (Law::OrderOfPositions, look(&mut Checker::default(), Status { applied: 6, ..status() })),
        (Law::OrderOfPositions, look(&mut Checker::default(), Status { commit: 11, ..status() })),
        (Law::OrderOfPositions, look(&mut Checker::default(), Status { first_index: 7, ..status() })),
        (Law::AppliedInOrder, applied().applies(1, 4, 2, &record(2, 3), 1).map(|_| ())),
        (
            Law::DurableApply,
            host(|host, b| {
                let last = host.disk.last_index();
                let beyond = vec![(record(1, 1), 0)];
                host.tasks(Some((last + 1, last + 1)), beyond, &[], &Job::default(), b).map(|_| ())
            }),
        ),
        (Law::DurableAck, leaves(MessageKind::AppResp, |head, _| head.index = 3)),
        (Law::DurableAck, leaves(MessageKind::AppResp, |_, disk| disk.state.term = 2)),
        (Law::DurableVote, leaves(MessageKind::VoteResp, |_, disk| disk.state.vote = 3)),
        (Law::DurableVote, leaves(MessageKind::VoteResp, |_, disk| disk.state.term = 2)),
        (Law::DurableRequest, leaves(MessageKind::Vote, |_, disk| disk.state.vote = 2)),
        (Law::DurableRequest, leaves(MessageKind::Vote, |_, disk| disk.truncate_from(2))),
        (Law::DurableRequest, leaves(MessageKind::Heartbeat, |_, disk| disk.state.term = 2)),
        (Law::OneChange, Checker::default().leads_on(&leader(1, 3), 10, 11, &[change(3)], &[9])),
        (Law::OneChange, Checker::default().leads_on(&leader(1, 3), 10, 11, &[change(3), change(3)], &[4])),
        (Law::Neighbours, founded().configures(1, 5, &conf_bytes(&[3, 4, 5])).map(|_| ())),
        (Law::SameConfiguration, {
            let mut checker = founded();
            assert!(checker.configures(1, 5, &conf_bytes(&[1, 2])).expect("one voter less"));
            checker.configures(2, 5, &conf_bytes(&[2, 3])).map(|_| ())
        }),
        (Law::SameConfiguration, founded().installs(2, 9, 0, &conf_bytes(&[1, 2]))),
        (Law::FreshRead, book(Kind::Read, false).answered((1, 1), 1, 6, &[0; 4])),
        (Law::TokenOnce, {
            let mut book = book(Kind::Read, false);
            book.answered((1, 1), 1, 7, &[0; 4]).expect("answered once");
            book.answered((1, 1), 1, 7, &[0; 4])
        }),
        (Law::TokenOnce, book(Kind::Write, false).committed((1, 2), 1, 9, &mut Checker::default())),
        (Law::TokenOnce, {
            let mut book = book(Kind::Write, false);
            book.applied(3, &record(1, 1), &mut Tally::default()).expect("applied once");
            book.applied(4, &record(1, 1), &mut Tally::default())
        }),
        (Law::TokenTruth, {
            let drop = |book: &mut Book, what, why| book.dropped((1, 1), 1, what, why, &mut Tally::default());
            let mut book = book(Kind::Write, false);
            book.applied(3, &record(1, 1), &mut Tally::default()).expect("applied once");
            drop(&mut book, DropKind::NotCommitted, Reason::Overwritten)
        }),
        (Law::TokenTruth, {
            let mut book = book(Kind::Write, false);
            book.dropped((1, 1), 1, DropKind::NotCommitted, Reason::Overwritten, &mut Tally::default())
                .expect("so far");
            book.applied(3, &record(1, 1), &mut Tally::default())
        }),
        (
            Law::TokenTruth,
            book(Kind::Write, false).committed((1, 1), 1, 2, &mut {
                let mut checker = Checker::default();
                checker.applies(1, 2, 1, &record(2, 9), 77).expect("another's entry");
                checker
            }),
        ),
        (Law::TokenTruth, {
            let (what, why) = (DropKind::Unknown, Reason::Forwarded);
            book(Kind::Write, false).dropped((1, 1), 1, what, why, &mut Tally::default())
        }),
        (
            Law::Linearizable,
            history::check(&[op(Kind::Write, 1, 2, 1), op(Kind::Write, 3, 4, 2), op(Kind::Read, 5, 6, 1)]),
        ),
        (Law::Bounds, Checker::default().within(&Status { n_tokens: 5, ..status() }, &limits, 100)),
        (Law::Bounds, Checker::default().within(&Status { n_reads: 5, ..status() }, &limits, 100)),
        (Law::Bounds, Checker::default().within(&Status { n_outstanding: 2, ..status() }, &limits, 100)),
        (Law::Bounds, Checker::default().within(&Status { memory_bytes: 101, ..status() }, &limits, 100)),
        (Law::Bounds, Checker::default().within(&Status { events_lost: 1, ..status() }, &limits, 100)),
        (Law::Bounds, {
            let peer = PeerStatus { inflight_msgs: 3, next_index: 1, ..PeerStatus::default() };
            Checker::default().peer_within(1, &peer, &limits)
        }),
        (Law::RefusedUnchanged, check_refusal(1, Ok(()), Some(Error::Implausible), true)),
        (Law::RefusedUnchanged, check_refusal(1, Err(Error::Implausible), Some(Error::Implausible), false)),
        (Law::Recovery, {
            let mut world = world();
            for id in [1, 2] {
                world.crash(id, u64::MAX).expect("it dies");
                world.graves.remove(&id);
            }
            world.recover()
        }),
        (Law::Sound, host(|host, _| host.may_fail("tick", Err(Error::State), &[Error::Full]).map_err(Into::into))),
    ];
    #[cfg(feature = "capi")]
    {
        let node = Node::new(&Config { seed: 1, ..Config::new(1) }).expect("a node");
        let other =
            crate::twin::Twin::new(&Config { seed: 1, ..Config::new(1) }).agree("step", 0, Error::Decode.code(), &node);
        list.push((Law::SameThroughC, other));
        let mut twin = crate::twin::Twin::new(&Config { seed: 9, ..Config::new(1) });
        let later = (0..32).try_for_each(|_| twin.agree("tick", 0, 0, &node));
        list.push((Law::SameThroughC, later));
    }
    list.sort_by_key(|(law, _)| *law as u8);
    list
}

#[test]
fn every_law_objects_to_a_bad_state() {
    let mut bitten = BTreeSet::new();
    for (at, (law, outcome)) in teeth().into_iter().enumerate() {
        let broken = outcome.expect_err(&format!("tooth {at}: {law:?} does not object"));
        assert_eq!(broken.law, law, "tooth {at}: {}", broken.text);
        bitten.insert(law as u8);
    }
    let toothless: Vec<_> = Law::ALL.iter().filter(|&&law| !bitten.contains(&(law as u8))).collect();
    if cfg!(feature = "capi") {
        assert!(toothless.is_empty(), "{toothless:?}");
    } else {
        assert_eq!(toothless, [&Law::SameThroughC]);
    }
}

// ---- runs that are known to be unsafe -----------------------------------------------------------

/// Runs seeds until a law is broken. Prints the law and the number of seeds.
fn caught(options: &Options, seeds: u64, what: &str) {
    for seed in 0..seeds {
        if let Err(broken) = run(seed, options).outcome {
            println!("{what}: caught by seed {seed}: {}", crate::sweep::telling(&broken));
            return;
        }
    }
    panic!("{what}: {seeds} seeds saw nothing");
}

#[test]
fn a_disk_that_lies_about_fsync_is_caught() {
    let lying = Options { lying: true, twin: Some(false), ..Options::default() };
    caught(&lying, 100, "a disk that lies");
    caught(&Options { blind: true, ..lying }, 200, "a disk that lies, seen by its consequences only");
}

/// With etcd's choices in ASYNC, MsgVote leaves before it is durable. The breach shows when
/// the message enters the network. Without that check, two entries of equal index and term show it.
#[test]
fn a_vote_request_before_its_hard_state_is_caught() {
    let etcd = Options { etcd: true, twin: Some(false), ..Options::default() };
    caught(&etcd, 50, "etcd's choices");
    let blind = Options { blind: true, ticks: Some(250), nodes: Some(3), ..etcd };
    caught(&blind, 6000, "etcd's choices, seen by their consequences only");
}

// ---- equal seeds, equal runs --------------------------------------------------------------------

#[test]
fn a_seed_is_one_run_with_the_c_abi_beside_or_without_and_with_a_script() {
    for seed in 40..48 {
        let options = Options { ticks: Some(300), twin: Some(false), ..Options::default() };
        let beside = Options { twin: Some(true), ..options.clone() };
        let told = Options { script: true, ..options.clone() };
        let trails = [&options, &options, &beside, &told].map(|options| run(seed, options).tally.trail);
        assert!(trails.iter().all(|trail| *trail == trails[0]), "seed {seed}: {trails:?}");
    }
}

// ---- the checker of histories against a plain search --------------------------------------------

/// Returns an operation on key 0. For a read, `value` is the result.
fn op(kind: Kind, begin: u64, end: u64, value: u64) -> Op {
    let outcome = if end == NEVER { Outcome::Unknown } else { Outcome::Done(1) };
    Op { kind, key: 0, node: 1, life: 1, forwarded: false, begin, end, floor: 0, outcome, value }
}

/// Wing and Gong's search for an order that fits the times.
fn linearizable(ops: &[Op], done: u32, register: u64) -> bool {
    let open = |at: usize| done >> at & 1 == 0;
    let must = (0..ops.len()).filter(|&at| open(at) && ops[at].end != NEVER);
    let Some(first_end) = must.map(|at| ops[at].end).min() else { return true };
    (0..ops.len()).filter(|&at| open(at) && ops[at].begin < first_end).any(|at| match ops[at].kind {
        Kind::Write => linearizable(ops, done | 1 << at, at as u64 + 1),
        _ => ops[at].value == register && linearizable(ops, done | 1 << at, register),
    })
}

#[test]
fn the_judge_of_histories_agrees_with_a_plain_search() {
    let mut rng = Rng::stream(11, 0);
    let mut verdicts = [0; 2];
    for _ in 0..60_000 {
        let count = rng.between(2, 7) as usize;
        // All begins and ends differ, as in a run.
        let mut times: Vec<u64> = (1..=2 * count as u64).collect();
        rng.shuffle(&mut times);
        let mut ops: Vec<Op> = Vec::new();
        for at in 0..count {
            let (a, b) = (times[2 * at], times[2 * at + 1]);
            let write = rng.chance(50);
            let never = write && rng.chance(20);
            ops.push(op(
                if write { Kind::Write } else { Kind::Read },
                a.min(b),
                if never { NEVER } else { a.max(b) },
                0,
            ));
        }
        let writes: Vec<u64> =
            (1..).zip(&ops).filter(|(_, op)| op.kind == Kind::Write).map(|(value, _)| value).collect();
        for op in ops.iter_mut().filter(|op| op.kind == Kind::Read) {
            op.value = if rng.chance(20) { 0 } else { rng.pick(&writes).unwrap_or(0) };
        }
        let (plain, fast) = (linearizable(&ops, 0, 0), history::check(&ops));
        assert_eq!(plain, fast.is_ok(), "{ops:#?}: {fast:?}");
        verdicts[usize::from(plain)] += 1;
    }
    assert!(verdicts.iter().all(|&count| count > 5000), "{verdicts:?}");
}
