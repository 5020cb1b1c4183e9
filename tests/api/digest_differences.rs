//! The contents of a digest: two nodes that differ in one thing have different digests, and are not
//! equal.

use crate::lone::{LEN, acknowledge, beats, campaign, drain, follower, forgetful, lead, leader, leave_behind, take};
use kit::{Disk, Stored, append, config, entry, message, snapshot, step};
use raftcore::{
    ChangeEncoding, ChangeKind, Config, EntryKind, EntryRef, Flags, HardState, MessageKind, Missing, Node, StorageMode,
    Transition, proto,
};

fn founder(config: &Config) -> Node {
    let mut node = Disk::founder(&[1, 2, 3]).boot(config);
    drain(&mut node);
    node
}

fn plain_leader() -> Node {
    leader(&config(1))
}

fn plain_follower() -> Node {
    follower(&config(1))
}

fn follower_that_forwards() -> Node {
    follower(&kit::forwarding(1))
}

/// Two continuations of a state lead to two states.
fn differ(what: &str, from: &Node, one: impl FnOnce(&mut Node), other: impl FnOnce(&mut Node)) {
    let (mut a, mut b) = (from.try_clone().unwrap(), from.try_clone().unwrap());
    assert!(a == b && a.digest(true) == b.digest(true), "{what}: the same to begin with");
    one(&mut a);
    other(&mut b);
    assert_ne!(a.digest(false), b.digest(false), "{what}");
    // A stream may be the beginning of the other stream.
    assert!(a != b, "{what}");
    assert!(b != a, "{what}");
}

fn nothing(_: &mut Node) {}

#[test]
fn in_time_and_office() {
    let (leader, follower) = (plain_leader(), plain_follower());
    differ("a tick of a follower", &follower, |n| n.tick(1).unwrap(), nothing);
    differ("a leader known or not", &follower, |n| n.forget_leader().unwrap(), nothing);
    differ("a campaign", &follower, |n| n.campaign().unwrap(), nothing);
    differ("whether it may lead", &follower, |n| n.set_electable(false).unwrap(), nothing);
    differ("its rank", &follower, |n| n.set_priority(3).unwrap(), |n| n.set_priority(-3).unwrap());
    let given_up = |n: &mut Node| {
        n.transfer(2).unwrap();
        drain(n);
        n.abort_transfer().unwrap();
    };
    differ("a lease that was given up", &leader, given_up, nothing);
    differ("how it tells of commits", &leader, |n| n.set_commit_broadcast(false).unwrap(), nothing);
    differ("a transfer", &leader, |n| n.transfer(2).unwrap(), |n| n.transfer(3).unwrap());
    let vote = |from| raftcore::proto::Message { index: 9, log_term: 1, ..message(MessageKind::Vote, from, 1, 2) };
    let mut free = follower.try_clone().unwrap();
    free.tick(config(1).election_ticks).unwrap();
    free.forget_leader().unwrap();
    drain(&mut free);
    differ("whom it votes for", &free, |n| step(n, &vote(2)).unwrap(), |n| step(n, &vote(3)).unwrap());

    let flags = config(1).flags.with(Flags::LEASE_READS, true);
    let lease = Config { flags, vote_fence_ticks: 0, ..config(1) };
    let mut lease = crate::lone::leader(&lease);
    lease.tick(2).unwrap();
    drain(&mut lease);
    differ("when a lease began", &lease, |n| step(n, &dated(1)).unwrap(), |n| step(n, &dated(2)).unwrap());
    differ("whether a lease began", &lease, |n| step(n, &dated(0)).unwrap(), |n| step(n, &dated(2)).unwrap());

    // Nothing else is due within three ticks.
    let slow = Config { own_write_timeout_ticks: 9, heartbeat_ticks: 10, election_ticks: 100, ..config(1) };
    let written_after = |ticks: u32| {
        move |n: &mut Node| {
            n.tick(ticks).unwrap();
            n.propose(b"x", 0).unwrap();
            n.tick(2 - ticks).unwrap();
        }
    };
    let mut slow = crate::lone::leader(&slow);
    slow.tick(1).unwrap();
    differ("how long its own disk takes", &slow, written_after(0), written_after(1));
}

/// An answer to a heartbeat that left at the tick.
fn dated(tick: u64) -> raftcore::proto::Message {
    let context = [[0; 8], tick.to_le_bytes()].concat().into();
    raftcore::proto::Message { context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) }
}

#[test]
fn in_the_log() {
    let follower = plain_follower();
    let appended = |data: &'static [u8]| {
        move |n: &mut Node| step(n, &append(2, 1, 1, (2, 1), vec![entry(1, 3, data)], 2)).unwrap()
    };
    let stored = |data: &'static [u8]| {
        move |n: &mut Node| {
            appended(data)(n);
            drain(n);
        }
    };
    differ("an entry's bytes", &follower, stored(b"12345678a"), stored(b"12345678b"));
    differ("an entry's length", &follower, stored(b"a"), stored(b"a\0"));
    differ("an entry more", &follower, stored(b"a"), nothing);
    differ("an entry that is stored", &follower, appended(b"a"), stored(b"a"));
    let of_term = |term: u64| {
        move |n: &mut Node| {
            step(n, &append(2, 1, 2, (2, 1), vec![entry(term, 3, b"a")], 2)).unwrap();
            drain(n);
        }
    };
    differ("an entry's term", &follower, of_term(1), of_term(2));
    let committed = |n: &mut Node| step(n, &append(2, 1, 1, (3, 1), Vec::new(), 3)).unwrap();
    let mut longer = follower.try_clone().unwrap();
    stored(b"a")(&mut longer);
    differ("how far is committed", &longer, committed, |n| step(n, &append(2, 1, 1, (3, 1), Vec::new(), 2)).unwrap());
    let handed = |n: &mut Node| {
        committed(n);
        take(n);
    };
    differ("how far is handed out", &longer, committed, handed);
    differ("how far is applied", &longer, handed, |n| {
        committed(n);
        drain(n);
    });
    differ("where the log begins", &longer, |n| n.compacted(2).unwrap(), nothing);
}

#[test]
fn in_snapshots_and_changes() {
    let follower = plain_follower();
    let arrives = |data: &'static [u8]| {
        move |n: &mut Node| {
            let snapshot = Some(snapshot(9, 1, &[1, 2, 3], data));
            step(n, &raftcore::proto::Message { snapshot, ..message(MessageKind::Snap, 2, 1, 1) }).unwrap();
        }
    };
    differ("a snapshot's bytes", &follower, arrives(b"1"), arrives(b"2"));
    differ("a snapshot handed out", &follower, arrives(b"1"), |n| {
        arrives(b"1")(n);
        take(n);
    });

    let change = |kind: ChangeKind, id: u64| {
        move |n: &mut Node| {
            let changes = [raftcore::Change { kind, id }];
            n.propose_conf(&changes, ChangeEncoding::V2(Transition::Auto), b"", 0).unwrap();
            drain(n);
        }
    };
    let leader = plain_leader();
    differ("who is added", &leader, change(ChangeKind::AddNode, 4), change(ChangeKind::AddNode, 5));
    let mut handed = leader.try_clone().unwrap();
    change(ChangeKind::AddLearner, 4)(&mut handed);
    acknowledge(&mut handed, 2, 3);
    let entry = handed.ready().unwrap().unwrap().committed().next().map(|e| (e.term, e.kind, e.data.to_vec())).unwrap();
    let (term, kind, data) = entry;
    let apply =
        |n: &mut Node| _ = n.apply_conf(EntryRef { term, index: 3, kind, data: &data, ..EntryRef::default() }).unwrap();
    differ("a change that is applied", &handed, apply, |n| _ = n.skip_conf(3).unwrap());
    differ("a change that is skipped", &handed, |n| _ = n.skip_conf(3).unwrap(), nothing);
}

#[test]
fn in_what_a_leader_knows_of_its_peers() {
    let mut leader = plain_leader();
    leader.propose(b"three", 0).unwrap();
    leader.propose(b"four", 0).unwrap();
    drain(&mut leader);
    let acknowledges = |from, index| move |n: &mut Node| acknowledge(n, from, index);
    differ("what a peer has", &leader, acknowledges(2, 3), nothing);
    differ("which peer has it", &leader, acknowledges(2, 3), acknowledges(3, 3));
    let rejects = |n: &mut Node| {
        let refused = raftcore::proto::Message {
            index: 3,
            reject: true,
            reject_hint: 2,
            log_term: 1,
            ..message(MessageKind::AppResp, 2, 1, 1)
        };
        step(n, &refused).unwrap();
    };
    differ("a rejection", &leader, rejects, nothing);
    differ(
        "messages that were lost",
        &leader,
        |n| n.report_unreachable(2).unwrap(),
        |n| n.report_unreachable(3).unwrap(),
    );
    differ("a window", &leader, |n| n.set_window(2, 5, 0).unwrap(), |n| n.set_window(2, 5, 1).unwrap());
    differ(
        "how long it was silent",
        &leader,
        |n| beats(n, 2),
        |n| {
            n.tick(1).unwrap();
            drain(n);
        },
    );
    let mut uneven = leader.try_clone().unwrap();
    uneven.propose(&[5; 100], 0).unwrap();
    drain(&mut uneven);
    let mut even = leader.try_clone().unwrap();
    even.propose(&[5; 101], 0).unwrap();
    drain(&mut even);
    assert_ne!(even.digest(false), uneven.digest(false), "what is in flight");
}

#[test]
fn in_fetches() {
    let mut leader = leader(&forgetful());
    leave_behind(&mut leader);
    drain(&mut leader);
    let asks = |n: &mut Node| beats(n, 3);
    differ("an ask", &leader, asks, nothing);
    let mut asked = leader.try_clone().unwrap();
    asks(&mut asked);
    assert_eq!(asked.has_ready().unwrap() & raftcore::has::FETCH, raftcore::has::FETCH);
    differ("an ask that is handed out", &asked, |n| _ = n.next_fetch().unwrap().unwrap(), nothing);
    _ = asked.next_fetch().unwrap().unwrap();
    let supplies = |data: &'static [u8]| {
        move |n: &mut Node| {
            let id = 1;
            let entries = [EntryRef { term: 1, index: 3, data, ..EntryRef::default() }];
            n.supply_entries(id, entries.into_iter()).unwrap();
        }
    };
    differ("what was supplied", &asked, supplies(&[9; 500]), supplies(&[8; 500]));

    let mut behind = behind_its_disk(&[1, 2, 3]);
    let gives = |data: &'static [u8]| {
        move |n: &mut Node| {
            let id = n.next_fetch().unwrap().unwrap().id;
            let entries = [EntryRef { term: 1, index: 2, data, ..EntryRef::default() }];
            n.supply_entries(id, entries.into_iter()).unwrap();
        }
    };
    differ("what its own log gave", &behind, gives(&[9; LEN]), gives(&[8; LEN]));
    let id = behind.next_fetch().unwrap().unwrap().id;
    differ("whether its own log answers later", &behind, |n| _ = n.supply_none(id, Missing::Later).unwrap(), nothing);
}

/// A node that has applied nothing of the 59 entries on its disk, most of which are not in memory.
fn behind_its_disk(voters: &[u64]) -> Node {
    let mut disk = Disk::founder(voters);
    for index in 2..=60 {
        disk.log.insert(index, Stored { term: 1, kind: EntryKind::Normal, data: vec![7; LEN], context: Vec::new() });
    }
    disk.state = HardState { term: 1, vote: 0, commit: 60 };
    let mut node = disk.boot(&forgetful());
    drain(&mut node);
    node
}

#[test]
fn in_what_waits() {
    let (leader, follower) = (plain_leader(), follower_that_forwards());
    let propose = |token| move |n: &mut Node| n.propose(b"x", token).unwrap();
    differ("a token", &leader, propose(1), propose(2));
    differ("a token or none", &leader, propose(1), propose(0));
    let forward = |data: &'static [u8]| move |n: &mut Node| n.propose(data, 0).unwrap();
    differ("what is passed on", &follower, forward(b"12345678a"), forward(b"12345678b"));
    differ("how much is passed on", &follower, forward(b"a"), forward(b"a\0"));
    differ("a token that is dropped", &follower, propose(1), propose(2));
    let read = |token| move |n: &mut Node| n.read_index(token).unwrap();
    differ("a read", &leader, read(1), read(2));
    differ("a read or none", &leader, read(1), nothing);
    differ("a read that is passed on", &follower, read(1), read(2));
    let late = |n: &mut Node| {
        n.tick(1).unwrap();
        n.read_index(1).unwrap();
        drain(n);
    };
    differ("when a read was passed on", &follower, late, |n| {
        n.read_index(1).unwrap();
        n.tick(1).unwrap();
        drain(n);
    });
    let mut reading = leader.try_clone().unwrap();
    reading.read_index(7).unwrap();
    drain(&mut reading);
    let context = 1u64.to_le_bytes().to_vec();
    let answers = raftcore::proto::Message { context: context.into(), ..message(MessageKind::HeartbeatResp, 2, 1, 1) };
    differ(
        "a read that is answered",
        &reading,
        |n| step(n, &answers).unwrap(),
        |n| {
            beats(n, 2);
        },
    );
    let asked = |from, context: &'static [u8]| {
        move |n: &mut Node| {
            let entries = vec![entry(0, 0, context)];
            let read = raftcore::proto::Message { entries, ..message(MessageKind::ReadIndex, from, 1, 0) };
            step(n, &read).unwrap();
        }
    };
    differ("a peer's read that is passed on", &follower, asked(3, b"12345678a"), asked(3, b"12345678b"));
    let refuses = |index| move |n: &mut Node| step(n, &append(2, 1, 1, (index, 1), Vec::new(), 2)).unwrap();
    differ("what an answer says", &follower, refuses(8), refuses(9));
    differ("a peer's read", &leader, asked(2, b"12345678a"), asked(2, b"12345678b"));
    differ("whose read it is", &leader, asked(2, b"1"), asked(3, b"1"));
}

#[test]
fn in_batches_that_are_outstanding() {
    let leader = leader(&Config { storage: StorageMode::Async, ..config(1) });
    let taken = |data: &'static [u8], token: u64| {
        move |n: &mut Node| {
            n.propose(data, token).unwrap();
            take(n);
        }
    };
    differ("what is in it", &leader, taken(b"12345678a", 0), taken(b"12345678b", 0));
    let mut outstanding = leader.try_clone().unwrap();
    outstanding.propose(b"x", 0).unwrap();
    let number = take(&mut outstanding);
    differ("whether it is durable", &outstanding, |n| n.persisted(number).unwrap(), nothing);
    differ("whether it is released", &outstanding, |n| n.release(number).unwrap(), nothing);
    let done = |token| {
        move |n: &mut Node| {
            taken(b"x", token)(n);
            acknowledge(n, 2, 3);
            acknowledge(n, 3, 3);
            take(n);
        }
    };
    // The last thing in the stream: a stream of numbers is the beginning of the other stream.
    differ("a token that comes back", &leader, done(1), done(0));
}

#[test]
fn but_not_where_blocks_end() {
    let with_blocks = |block_bytes| {
        let mut node = leader(&Config { block_bytes, recent_bytes: 1 << 20, ..config(1) });
        for at in 0..5 {
            node.propose(&[at; 1500], 0).unwrap();
        }
        node
    };
    let (mut small, mut large) = (with_blocks(4 << 10), with_blocks(64 << 10));
    assert!(small == large, "messages that wait");
    assert_eq!(small.digest(true), large.digest(true));
    take(&mut small);
    take(&mut large);
    assert!(small == large, "messages that are outstanding");
    assert_eq!(small.digest(true), large.digest(true));
}

#[test]
fn and_not_how_long_ago_it_began() {
    let after = |ticks: u32| {
        let flags = config(1).flags.with(Flags::LEASE_READS, true);
        let config = Config { flags, vote_fence_ticks: 0, election_ticks: 50, ..config(1) };
        let mut node = founder(&config);
        node.tick(ticks).unwrap();
        lead(&mut node);
        for _ in 0..6 {
            node.tick(1).unwrap();
            drain(&mut node);
        }
        for from in [2, 3] {
            let answer = raftcore::proto::Message { from, ..dated(u64::from(ticks) + 1) };
            step(&mut node, &answer).unwrap();
        }
        node
    };
    let (young, old) = (after(1), after(30));
    assert!(young == old);
    assert_eq!(young.digest(false), old.digest(false));
}

#[test]
fn and_not_how_many_numbers_were_used_up() {
    // Ticks before a read was passed on.
    let reads = |ticks: u32| {
        let mut node = founder(&config(1));
        node.tick(ticks).unwrap();
        step(&mut node, &message(MessageKind::Heartbeat, 2, 1, 1)).unwrap();
        drain(&mut node);
        node.read_index(5).unwrap();
        drain(&mut node);
        node
    };
    assert_eq!(reads(1).digest(false), reads(3).digest(false));

    // Batches.
    let batches = |more: bool| {
        let mut node = plain_leader();
        if more {
            node.read_index(5).unwrap();
            drain(&mut node);
            let context = 1u64.to_le_bytes().to_vec().into();
            step(&mut node, &raftcore::proto::Message { context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) })
                .unwrap();
            drain(&mut node);
        } else {
            beats(&mut node, 2);
        }
        node.propose(b"x", 0).unwrap();
        take(&mut node);
        node
    };
    assert!(batches(true) == batches(false));
    // The age of an outstanding batch counts, not the number of earlier batches.
    let outstanding = |more: bool| {
        let mut node = founder(&Config { storage: StorageMode::Async, max_outstanding: 32, ..config(1) });
        for _ in 0..1 + u8::from(more) {
            step(&mut node, &message(MessageKind::Heartbeat, 2, 1, 1)).unwrap();
            drain(&mut node);
        }
        for index in 2..18 {
            step(&mut node, &append(2, 1, 1, (index - 1, 1), vec![entry(1, index, b"x")], 1)).unwrap();
            take(&mut node);
        }
        node
    };
    assert!(outstanding(true) == outstanding(false));

    // Fetches.
    let fetches = |more: bool| {
        let mut node = leader(&forgetful());
        leave_behind(&mut node);
        if more {
            beats(&mut node, 3);
            let id = node.next_fetch().unwrap().unwrap().id;
            node.supply_none(id, Missing::Later).unwrap();
        }
        beats(&mut node, 3);
        node.propose(b"x", 0).unwrap();
        drain(&mut node);
        node
    };
    assert!(fetches(true) == fetches(false));
    // Several fetches at a time: of the log of node 1 itself, and of missing entries of nodes 4 and 5.
    let many = |more: bool| {
        let mut node = behind_its_disk(&[1, 2, 3, 4, 5]);
        if more {
            let id = node.next_fetch().unwrap().unwrap().id;
            node.supply_none(id, Missing::Later).unwrap();
        }
        node.tick(1).unwrap();
        campaign(&mut node, &[2, 3]);
        for from in [4, 5] {
            let lacks = proto::Message {
                index: 60,
                reject: true,
                reject_hint: 2,
                log_term: 1,
                ..message(MessageKind::AppResp, from, 1, 2)
            };
            step(&mut node, &lacks).unwrap();
        }
        drain(&mut node);
        let asked: Vec<u64> = std::iter::from_fn(|| node.next_fetch().unwrap()).map(|fetch| fetch.peer).collect();
        assert_eq!(asked, [1, 4, 5]);
        node
    };
    assert!(many(true) == many(false));
}
