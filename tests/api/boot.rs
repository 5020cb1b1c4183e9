//! The past of a node, as a host reports the past: the impossible is refused, and traces of a crash
//! are repaired.

use crate::lone::{drain, follower, take};
use kit::{Cluster, Disk, append, config, entry, events, message, snapshot, step};
use raftcore::storage::{BootError, MemoryStorage, StorageNode};
use raftcore::wire::ConfStateRef;
use raftcore::{
    ChangeKind, Config, EntryId, EntryKind, EntryRef, Error, EventKind, Flags, HardState, MessageKind, Node, Result,
    Role, StorageMode, Stored, StoredConf, TermRun, proto, wire,
};

const RUNS: [TermRun; 2] = [TermRun { first: 6, term: 2 }, TermRun { first: 9, term: 4 }];

fn entries(from: u64, to: u64) -> impl Iterator<Item = EntryRef<'static>> + Clone {
    (from..=to).map(|index| EntryRef {
        term: if index < 9 { 2 } else { 4 },
        index,
        kind: EntryKind::Normal,
        data: b"x",
        ..EntryRef::default()
    })
}

/// A log of 6 to 10 behind (5, term 1).
fn boot(state: HardState, runs: bool, from: u64, to: u64, applied: u64) -> (Node, Result<()>) {
    let mut node = Node::new(&config(1)).unwrap();
    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    node.boot_state(state).unwrap();
    node.boot_conf(&conf, 0, EntryId { term: 1, index: 5 }).unwrap();
    let told = if runs { node.boot_terms(&RUNS, to) } else { Ok(()) };
    let told = told.and_then(|()| node.boot_entries(entries(from, to))).and_then(|()| node.boot_done(applied));
    (node, told)
}

const STATE: HardState = HardState { term: 4, vote: 2, commit: 8 };

#[test]
fn runs_stand_for_entries_that_are_not_given() {
    let (node, told) = boot(STATE, true, 9, 10, 8);
    told.unwrap();
    let s = node.status();
    assert_eq!((s.first_index, s.recent_first, s.last_index, s.last_term), (6, 9, 10, 4));
    assert_eq!((s.term, s.vote, s.commit, s.applied, s.durable), (4, 2, 8, 8, 10));
    assert_eq!(node.term_runs(), RUNS);
    let (node, told) = boot(STATE, false, 6, 10, 8);
    told.unwrap();
    assert_eq!(node.term_runs(), RUNS);
    let (node, told) = boot(STATE, true, 11, 10, 10);
    told.unwrap();
    assert_eq!(node.status().last_index, 10, "all is applied: no entry is needed");
}

#[test]
fn what_a_crash_leaves_behind_is_repaired_and_told() {
    let (mut node, told) = boot(HardState { term: 3, vote: 2, commit: 6 }, true, 6, 10, 8);
    told.unwrap();
    let s = node.status();
    assert_eq!((s.term, s.vote, s.commit), (4, 0, 8), "the term of the log, no vote in it, commit at applied");
    assert_eq!(events(&mut node).iter().filter(|e| e.kind == EventKind::Repaired).count(), 2);
    let state = node.ready().unwrap().unwrap().hard_state();
    assert_eq!(state, Some(HardState { term: 4, vote: 0, commit: 8 }), "the first ready stores it");
}

/// Node 1 leads 1, 2 and 3, and removes node 3, which never hears of the change, then node 2. Node
/// 2 crashes: its log has both changes, but state, membership and hard state are from before, as
/// after a crash between entries and hard state.
fn torn_between_changes(flags: Flags) -> Cluster {
    let mut cluster = Cluster::new(&[1, 2, 3], move |id| Config { flags, ..config(id) });
    cluster.elect(1);
    cluster.isolate(3);
    let before = cluster.hosts[&2].disk.clone();
    for id in [3, 2] {
        cluster.change(1, &[(ChangeKind::RemoveNode, id)]).unwrap();
    }
    let mut disk = cluster.hosts.remove(&2).unwrap().disk;
    assert_eq!(disk.log.len(), 3);
    disk.state.commit = before.state.commit;
    (disk.conf, disk.applied, disk.data) = (before.conf, before.applied, before.data);
    cluster.add(2, disk);
    cluster.heal();
    cluster.isolate(1);
    cluster.node(1).propose(b"by 1 alone", 0).unwrap();
    cluster
}

#[test]
fn of_two_changes_in_the_log_the_first_is_committed_whatever_the_state_says() {
    let mut cluster = torn_between_changes(config(1).flags);
    assert_eq!(cluster.node(2).status().commit, 3, "3 is removed, since a further change was proposed");
    cluster.tick(100);
    assert_eq!(cluster.node(1).status().commit, 5);
    let roles = [2, 3].map(|id| cluster.node(id).status().role);
    assert!(!roles.contains(&Role::Leader), "2 needs the vote of 1: {roles:?}");
}

#[test]
fn where_changes_are_not_checked_they_prove_nothing() {
    let mut cluster = torn_between_changes(config(1).flags.with(Flags::NO_CONF_VALIDATION, true));
    assert_eq!(cluster.node(2).status().commit, 2);
    cluster.tick(100);
    // Node 3 elected node 2: two entries are committed at an index. Hosts without validation must
    // make sure that a boot loses no commit index.
    assert_eq!([1, 2].map(|id| cluster.node(id).status().commit), [5, 5]);
    assert_ne!(cluster.hosts[&1].disk.log[&5], cluster.hosts[&2].disk.log[&5]);
}

#[test]
fn what_cannot_be_is_corrupt() {
    let corrupt = |state, runs, from, to, applied| {
        let (mut node, told) = boot(state, runs, from, to, applied);
        assert_eq!(told, Err(Error::Corrupt), "{}", node.error_detail());
        assert_eq!(node.tick(1), Err(Error::State));
    };
    corrupt(HardState { commit: 11, ..STATE }, true, 6, 10, 8); // commit beyond the log
    corrupt(STATE, true, 6, 10, 11); // applied beyond the log
    corrupt(STATE, true, 6, 10, 4); // applied before the log
    corrupt(STATE, true, 10, 10, 8); // entry 9 is missing
    corrupt(STATE, false, 7, 10, 8); // a gap at the front
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_conf(&wire::ConfStateRef::default(), 0, EntryId::default()).unwrap();
    let falling = [TermRun { first: 1, term: 3 }, TermRun { first: 4, term: 2 }];
    assert_eq!(node.boot_terms(&falling, 5), Err(Error::Corrupt));
}

#[test]
fn entries_of_another_term_than_their_run_are_corrupt() {
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_conf(&wire::ConfStateRef::default(), 0, EntryId::default()).unwrap();
    node.boot_terms(&[TermRun { first: 1, term: 1 }], 10).unwrap();
    assert_eq!(node.boot_entries(entries(9, 10)), Err(Error::Corrupt));
}

#[test]
fn a_stored_configuration_that_cannot_be_is_refused() {
    let mut node = Node::new(&config(1)).unwrap();
    let twice = wire::ConfStateRef { voters: &[1, 2], learners: &[2], ..Default::default() };
    assert_eq!(node.boot_conf(&twice, 0, EntryId { term: 1, index: 1 }), Err(Error::Conf));
    let mut node = Node::new(&config(1)).unwrap();
    assert_eq!(node.boot_conf_bytes(&[0xff], EntryId { term: 1, index: 1 }), Err(Error::Decode));
}

#[test]
fn a_node_with_an_empty_disk_waits_to_be_added() {
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_done(0).unwrap();
    node.tick(100).unwrap();
    assert_eq!(node.status().term, 0);
    assert!(!node.status().promotable);
}

#[test]
fn each_limit_names_itself() {
    let wrong = |change: fn(&mut Config), name: &str| {
        let mut c = config(1);
        change(&mut c);
        assert!(c.check().unwrap_err().contains(name));
        assert_eq!(Node::new(&c).map(|_| ()), Err(Error::Arg));
    };
    wrong(|c| c.id = 0, "id");
    wrong(|c| c.id = u64::MAX, "id");
    wrong(|c| c.heartbeat_ticks = 10, "election_ticks");
    wrong(|c| c.max_messages = 1, "max_messages");
    wrong(|c| c.recent_bytes = 100, "recent_bytes");
    wrong(|c| c.flags = raftcore::Flags(1 << 60), "flags");
    wrong(|c| c.flags = raftcore::Flags::LEASE_READS, "CHECK_QUORUM");
}

/// A limit: its setter, and the lowest and highest allowed value.
struct Limit(&'static str, fn(&mut Config, u64), u64, u64);

#[test]
fn each_limit_may_be_its_least_and_its_most() {
    let most = |bits: u32| 1u64 << bits;
    let limits = [
        Limit("id", |c, to| c.id = to, 1, u64::MAX - 16),
        Limit("heartbeat_ticks", |c, to| (c.heartbeat_ticks, c.election_ticks) = (to as u32, 1 << 24), 1, most(20)),
        Limit("election_ticks", |c, to| c.election_ticks = to as u32, 2, most(24)),
        Limit("read_timeout_ticks", |c, to| c.read_timeout_ticks = to as u32, 1, u64::MAX),
        Limit("max_peers", |c, to| c.max_peers = to as u32, 1, 256),
        Limit("max_inflight_msgs", |c, to| c.max_inflight_msgs = to as u32, 1, 65536),
        Limit("max_outstanding", |c, to| c.max_outstanding = to as u32, 1, 1024),
        Limit("max_entries_per_ready", |c, to| c.max_entries_per_ready = to as u32, 1, most(22)),
        Limit("max_messages", |c, to| c.max_messages = to as u32, 16, most(20)),
        Limit("max_reads", |c, to| c.max_reads = to as u32, 1, most(22)),
        Limit("max_tokens", |c, to| c.max_tokens = to as u32, 1, most(24)),
        Limit("block_bytes", |c, to| (c.block_bytes, c.recent_bytes) = (to, 1 << 30), 4 << 10, 16 << 20),
        Limit("recent_bytes", |c, to| (c.recent_bytes, c.block_bytes) = (to, 8 << 10), 32 << 10, most(40)),
        Limit("catchup_bytes", |c, to| c.catchup_bytes = to, 0, most(40)),
        Limit("max_entry_bytes", |c, to| c.max_entry_bytes = to, 0, most(30)),
        Limit("max_snapshot_bytes", |c, to| c.max_snapshot_bytes = to, 0, most(31)),
    ];
    for Limit(name, set, least, most) in limits {
        let check = |to: u64| {
            let mut config = config(1);
            set(&mut config, to);
            config.check()
        };
        assert_eq!((check(least), check(most)), (Ok(()), Ok(())), "{name}");
        if least > 0 {
            assert!(check(least - 1).is_err_and(|why| why.starts_with(name)), "{name}");
        }
        if most < u64::MAX {
            assert!(check(most + 1).is_err_and(|why| why.starts_with(name)), "{name}");
        }
    }
}

#[test]
fn a_hello_says_what_its_node_is_able_to_do() {
    for flags in [raftcore::Flags::TRANSFER_FENCE, raftcore::Flags::COMMIT_IN_VOTES] {
        let c = Config { flags: config(1).flags.with(flags, true), ..config(1) };
        assert_eq!(Disk::founder(&[1]).boot(&c).hello().features, flags.0);
    }
    assert_eq!(Disk::founder(&[1]).boot(&config(1)).hello().features, 0);
}

#[test]
fn a_node_is_cloned_before_its_boot_or_after_and_not_within() {
    let mut node = Node::new(&config(1)).unwrap();
    assert!(node.try_clone().is_ok());
    node.boot_state(raftcore::HardState::default()).unwrap();
    assert_eq!(node.try_clone().map(|_| ()), Err(Error::State));
    node.boot_done(0).unwrap();
    assert!(node.try_clone().is_ok());
}

#[test]
fn a_storage_is_booted_from_and_asked() {
    let mut storage = MemoryStorage::founder(&[1]);
    for e in (2..40).map(|index| EntryRef { term: 1 + index / 10, index, data: b"y", ..EntryRef::default() }) {
        storage.append(&e);
    }
    let host = StorageNode::new(&config(1), storage.clone(), 20).unwrap();
    let mut host = host;
    let s = host.node().status();
    assert_eq!((s.last_index, s.last_term, s.applied, s.recent_first), (39, 4, 20, 21));
    let firsts: Vec<u64> = host.node().term_runs().iter().map(|run| run.first).collect();
    assert_eq!(firsts, [2, 10, 20, 30], "found by halving");
    let refused = StorageNode::new(&config(1), storage, 40).map(|_| ());
    assert!(matches!(refused, Err(BootError::Node(Error::Corrupt, _))), "{refused:?}");
}

#[test]
fn unapplied_entries_beyond_memory_are_read_by_the_host_itself() {
    let mut c = kit::with_spans(config(1));
    (c.recent_bytes, c.storage) = (16 << 10, StorageMode::Async);
    let mut disk = Disk::founder(&[1]);
    for index in 2..200 {
        let record = kit::Stored { term: 1, kind: EntryKind::Normal, data: vec![7; 300], context: Vec::new() };
        disk.log.insert(index, record);
    }
    disk.state = HardState { term: 1, vote: 0, commit: 199 };
    let mut node = disk.boot(&c);
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.committed().len(), 0);
    let (first, last) = ready.committed_span().unwrap();
    assert_eq!(first, 2);
    assert!(last < 199, "a span is wholly one or the other");
    let number = ready.number();
    assert_eq!(node.advance(number), Err(Error::State), "an overlooked span is not applied");
    assert!(node.error_detail().contains("came without bytes"), "{}", node.error_detail());
    node.applied(last).unwrap();
    node.advance(number).unwrap();
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.committed_span().map(|span| span.0), Some(last + 1));
    assert!(ready.committed().len() > 0);

    c.storage = StorageMode::Messages;
    let mut node = Node::new(&c).unwrap();
    node.boot_state(disk.state).unwrap();
    node.boot_conf_bytes(&disk.conf, disk.before).unwrap();
    node.boot_entries(disk.entries(2, 199).into_iter()).unwrap();
    assert_eq!(node.boot_done(1), Err(Error::Full), "MsgStorageApply carries what is to be applied");
}

const LAST: u64 = raftcore::MAX_POSITION;

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

#[test]
fn a_boot_with_an_applied_index_near_the_end_is_corrupt() {
    for applied in [u64::MAX, u64::MAX - 1, u64::MAX - 2] {
        let mut node = Node::new(&config(1)).unwrap();
        node.boot_state(HardState { term: 1, vote: 0, commit: 1 }).unwrap();
        let conf = ConfStateRef { voters: &[1], ..Default::default() };
        node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 }).unwrap();
        node.boot_terms(&[TermRun { first: 2, term: 1 }], 9).unwrap();
        assert_eq!(node.boot_done(applied), Err(Error::Corrupt), "{applied}");
    }
}

#[test]
fn a_boot_with_entries_and_a_huge_applied_is_corrupt() {
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_state(HardState { term: 1, vote: 0, commit: 1 }).unwrap();
    let conf = ConfStateRef { voters: &[1], ..Default::default() };
    node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 }).unwrap();
    let e = EntryRef { term: 1, index: 2, kind: EntryKind::Normal, data: b"x", ..EntryRef::default() };
    node.boot_entries([e].into_iter()).unwrap();
    assert_eq!(node.boot_done(u64::MAX), Err(Error::Corrupt));
}

#[test]
fn a_boot_entry_at_the_highest_index_is_corrupt() {
    let mut node = Node::new(&config(1)).unwrap();
    node.boot_state(HardState { term: 1, vote: 0, commit: 1 }).unwrap();
    let conf = ConfStateRef { voters: &[1], ..Default::default() };
    node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 }).unwrap();
    node.boot_terms(&[TermRun { first: 2, term: 1 }], 9).unwrap();
    let e = EntryRef { term: 1, index: u64::MAX, kind: EntryKind::Normal, data: b"x", ..EntryRef::default() };
    assert_eq!(node.boot_entries([e].into_iter()), Err(Error::Corrupt));
}

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

/// A log that ends at 11, applied up to 5; the membership is as of 5.
fn change(index: u64) -> EntryRef<'static> {
    EntryRef { kind: EntryKind::ConfChange, data: &[0x08, 1, 0x10, 1, 0x18, 4], ..normal(index) }
}

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
fn a_log_needs_a_membership_even_if_no_voter_was_ever_stored() {
    let log = [normal(1), normal(2)];
    let joined = Stored { state: HardState { term: 2, vote: 0, commit: 0 }, last: 2, ..Stored::default() };
    for entries in [&log[..], &[]] {
        let text = refused(&joined, entries, Error::State);
        assert!(text.contains("without voters, if none was ever stored"), "{text}");
    }

    let mut node = Node::new(&config(4)).unwrap();
    let nobody = Some(StoredConf::Ids(ConfStateRef::default(), 0));
    node.boot(&Stored { conf: nobody, ..joined }, log.iter().copied()).unwrap();
    for _ in 0..100 {
        node.tick(1).unwrap();
    }

    let s = node.status();
    assert_eq!((s.role, s.term, s.last_index, s.n_peers), (Role::Follower, 2, 2, 0), "no campaign without voters");
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
    let mut bytes = vec![0; wire::stored_conf_len(raftcore::Dialect::Raftpb, &ids, 3)];
    assert_eq!(wire::write_stored_conf(raftcore::Dialect::Raftpb, &mut bytes, &ids, 3), bytes.len());
    assert_eq!(bytes, applied.bytes, "the same without a node");
    let theirs = <proto::ConfState as prost::Message>::decode(applied.bytes).unwrap();
    assert_eq!((theirs.voters, theirs.learners), (vec![1, 2, 3], vec![4]), "whoever knows fields 1 to 5 reads it");

    let mut disk = host.disk.clone();
    disk.conf = {
        let old = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
        let mut bytes = vec![0; wire::stored_conf_len(raftcore::Dialect::Raftpb, &old, 1)];
        wire::write_stored_conf(raftcore::Dialect::Raftpb, &mut bytes, &old, 1);
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
    let text = refused(&stored(), &log[2..], Error::Corrupt);
    assert_eq!(text, "the entries from 6 to 7 are missing: applied is 5");
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

#[test]
fn a_lost_hard_state_is_behind_the_last_entry_also_of_a_founder() {
    let mut disk = Disk::founder(&[1, 2, 3]);
    assert_eq!(disk.boot(&config(1)).status().term, 0);
    disk.log.insert(2, kit::Stored { term: 1, kind: EntryKind::Normal, data: Vec::new(), context: Vec::new() });
    assert_eq!(disk.boot(&config(1)).status().term, 1);
}
