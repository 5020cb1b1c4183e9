//! Which call may come when: the table of `docs/durability.md`, cell by cell.

use kit::{Disk, config};
use raftcore::{Error, HardState, Missing, Node, Result, SnapshotReport, StorageMode};

type Call = (&'static str, fn(&mut Node) -> Result<()>);

/// Every call with an effect, except the calls of a boot and the answers to a ready.
const CALLS: [Call; 18] = [
    ("tick", |n| n.tick(1)),
    ("step", |n| n.step(0, b"\x08\x08\x10\x01\x18\x02\x20\x01")),
    ("propose", |n| n.propose(b"x", 0)),
    ("read_index", |n| n.read_index(1)),
    ("campaign", Node::campaign),
    ("transfer", |n| n.transfer(2)),
    ("abort_transfer", Node::abort_transfer),
    ("set_electable", |n| n.set_electable(true)),
    ("set_priority", |n| n.set_priority(0)),
    ("set_window", |n| n.set_window(2, 1, 0)),
    ("forget_leader", Node::forget_leader),
    ("report_unreachable", |n| n.report_unreachable(2)),
    ("report_snapshot", |n| n.report_snapshot(2, SnapshotReport::Arrived)),
    ("next_fetch", |n| n.next_fetch().map(|_| ())),
    ("supply_none", |n| n.supply_none(1, Missing::Gone).map(|_| ())),
    ("compacted", |n| n.compacted(1)),
    ("ready", |n| n.ready().map(|_| ())),
    ("step_frames", |n| n.step_frames(0, b"").map(|_| ())),
];

const ANSWERS: [Call; 6] = [
    ("advance", |n| n.advance(1)),
    ("persisted", |n| n.persisted(1)),
    ("applied", |n| n.applied(1)),
    ("release", |n| n.release(1)),
    ("skip_conf", |n| n.skip_conf(2).map(|_| ())),
    ("step_local", |n| n.step_local(b"")),
];

fn boot(mode: StorageMode) -> Node {
    let mut c = config(1);
    c.storage = mode;
    Disk::founder(&[1, 2, 3]).boot(&c)
}

const MODES: [StorageMode; 3] = [StorageMode::Sync, StorageMode::Async, StorageMode::Messages];

#[test]
fn before_the_boot_is_done_nothing_else_is_allowed() {
    for (name, call) in CALLS.into_iter().chain(ANSWERS) {
        let mut node = Node::new(&config(1)).unwrap();
        assert_eq!(call(&mut node), Err(Error::State), "{name}");
    }
}

#[test]
fn boot_calls_come_once_each_and_in_order() {
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_conf(&raftcore::wire::ConfStateRef::default(), 0, raftcore::EntryId::default()).unwrap();
    node.boot_terms(&[], 0).unwrap();
    assert_eq!(node.boot_state(HardState::default()), Err(Error::State));
    assert_eq!(node.error_detail(), "boot calls come once each, in order: boot_state can't follow boot_terms");
    node.boot_done(0).unwrap();
    assert_eq!(node.boot_done(0), Err(Error::State));
    assert_eq!(node.boot_terms(&[], 1), Err(Error::State));
    assert_eq!(node.error_detail(), "the node is booted already");
}

#[test]
fn a_poisoned_node_only_lets_itself_be_looked_at() {
    for mode in MODES {
        let mut node = boot(mode);
        node.poison("a test");
        for (name, call) in CALLS.into_iter().chain(ANSWERS) {
            assert_eq!(call(&mut node), Err(Error::Poisoned), "{name}");
        }
        assert_eq!(node.boot_done(0), Err(Error::Poisoned));
        assert!(node.is_poisoned() && node.error_detail().contains("a test"));
        node.poison("another");
        assert!(node.error_detail().contains("a test"), "the first cause stays");
        let _ = (node.status(), node.digest(true), node.next_event(), node.peers().len());
    }
}

#[test]
fn each_mode_has_its_own_answers() {
    use StorageMode::{Async, Messages, Sync};
    for mode in MODES {
        let mut node = boot(mode);
        node.campaign().unwrap();
        let number = node.ready().unwrap().unwrap().number();
        assert_eq!(number, 1);
        let outcome = |allowed: bool| if allowed { Ok(()) } else { Err(Error::State) };
        assert_eq!(node.try_clone().unwrap().advance(1), outcome(mode != Messages), "{mode:?}");
        assert_eq!(node.try_clone().unwrap().persisted(1), outcome(mode == Async), "{mode:?}");
        assert_eq!(node.try_clone().unwrap().release(1), outcome(mode != Sync), "{mode:?}");
        let applied = if mode == Async { Err(Error::Stale) } else { Err(Error::State) };
        assert_eq!(node.try_clone().unwrap().applied(1), applied, "{mode:?}");
        let local = if mode == Messages { Error::NotForMe } else { Error::State };
        assert_eq!(node.step_local(b"\x08\x03\x10\x01\x18\x02"), Err(local), "{mode:?}");
        if mode == Messages {
            assert_eq!(node.advance(1), Err(Error::State));
        }
        let words = match mode {
            Sync => "step_local is not for storage = SYNC",
            Async => "step_local is not for storage = ASYNC",
            Messages => "advance is not for storage = MESSAGES",
        };
        assert_eq!(node.error_detail(), words);
    }
}

#[test]
fn numbers_never_handed_out_and_those_acknowledged_before_are_told_apart() {
    let mut node = boot(StorageMode::Async);
    node.campaign().unwrap();
    let number = node.ready().unwrap().unwrap().number();
    assert_eq!(node.persisted(number + 1), Err(Error::Arg));
    assert_eq!(node.persisted(0), Err(Error::Arg));
    assert_eq!(node.release(number + 1), Err(Error::Arg));
    assert_eq!(node.applied(99), Err(Error::Arg));
    node.persisted(number).unwrap();
    assert_eq!(node.persisted(number), Err(Error::Stale));
    node.release(number).unwrap();
    assert_eq!(node.release(number), Err(Error::Stale));
    assert!(node.view(number).is_none());
}

#[test]
fn a_synchronous_node_shows_the_same_ready_until_it_is_advanced() {
    let mut node = boot(StorageMode::Sync);
    node.campaign().unwrap();
    let first = node.ready().unwrap().unwrap().number();
    node.tick(1).unwrap();
    node.campaign().unwrap();
    assert_eq!(node.ready().unwrap().unwrap().number(), first);
    assert!(node.view(first).is_some());
    node.advance(first).unwrap();
    assert_eq!(node.ready().unwrap().unwrap().number(), first + 1);
}

#[test]
fn readies_are_outstanding_up_to_their_limit() {
    let mut c = config(1);
    (c.storage, c.max_outstanding) = (StorageMode::Async, 2);
    let mut node = Disk::founder(&[1]).boot(&c);
    node.campaign().unwrap();
    let mut numbers = Vec::new();
    for _ in 0..6 {
        if let Ok(Some(number)) = node.ready().map(|ready| ready.map(|ready| ready.number())) {
            node.persisted(number).unwrap();
            numbers.push(number);
        }
    }
    assert_eq!(numbers.len(), 2, "none was released");
    node.propose(b"x", 0).ok();
    assert_eq!(node.ready().map(|_| ()), Err(Error::Full));
    assert!(node.error_detail().contains("max_outstanding (2)"));
    node.release(numbers[0]).unwrap();
    assert!(node.ready().unwrap().is_some());
}

#[test]
fn any_other_call_may_come_while_readies_are_outstanding() {
    for mode in MODES {
        for (name, call) in CALLS {
            let mut node = boot(mode);
            node.campaign().unwrap();
            node.ready().unwrap().unwrap();
            let outcome = call(&mut node);
            let allowed =
                !matches!(outcome, Err(Error::Poisoned)) && (outcome != Err(Error::State) || name == "abort_transfer");
            assert!(allowed, "{name} in {mode:?}: {outcome:?}");
        }
    }
}
