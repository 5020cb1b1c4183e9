//! States beyond the reach of calls. The check of the log finds a contradiction, and the node stops; the parts of a node keep their
//! promises at limits that a running node seldom meets.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::Supplied;
use crate::log::blocks::Blocks;
use crate::peers::progress::Progress;
use crate::ready::Rare;
use crate::types::EntryId;

/// How a test breaks an empty log, and the words of the check. `cheap`: release builds check as much after a call.
struct Broken {
    breaks: fn(&mut Log),
    says: &'static str,
    cheap: bool,
}

const MARK: &str = "a storage mark is beyond the log";
const BROKEN: [Broken; 7] = [
    Broken { breaks: |log| log.commit = 1, says: "commit is beyond the last entry", cheap: true },
    Broken { breaks: |log| log.applied = 1, says: "applied is beyond applying", cheap: true },
    Broken { breaks: |log| (log.applied, log.applying) = (1, 1), says: "applying is beyond commit", cheap: true },
    Broken { breaks: |log| log.durable = 1, says: MARK, cheap: true },
    Broken { breaks: |log| log.handed = 1, says: MARK, cheap: false },
    Broken { breaks: |log| (log.durable, log.handed) = (1, 1), says: MARK, cheap: false },
    Broken { breaks: |log| log.recent_first = 2, says: "the recent log does not end at the last entry", cheap: false },
];

#[test]
fn a_node_whose_log_contradicts_itself_stops_and_says_why() {
    for Broken { breaks, says, cheap } in BROKEN {
        let mut raft = Raft::new(&Config { seed: 1, ..Config::new(1) }).unwrap();
        assert!(raft.log.is_sound() && raft.checked(Ok(())).is_ok(), "{says}: sound before");
        breaks(&mut raft.log);

        assert_eq!((raft.log.is_sound(), raft.log.check()), (!cheap, Err(says)));
        assert_eq!(raft.checked(Ok(())), Err(Error::Poisoned), "{says}");
        assert_eq!(raft.fault, Some(says));
    }
}

#[test]
fn a_peer_knows_no_commit_index_beyond_the_entries_sent() {
    let mut peer = Progress::new(2, 1, false, 8, 0);
    peer.on_accepted(5);
    peer.become_replicate();
    (peer.next, peer.sent_commit) = (6, 5);
    assert!(!peer.can_bump_commit(9), "the peer has no entry 6");
    (peer.next, peer.sent_commit) = (10, 9);
    peer.become_probe();
    assert_eq!((peer.next, peer.sent_commit), (6, 5));
    (peer.next, peer.sent_commit) = (10, 9);
    assert!(peer.on_rejected(9, 7));
    assert_eq!((peer.next, peer.sent_commit), (8, 7));
}

#[test]
fn a_full_list_of_own_answers_keeps_the_newest_of_each_kind() {
    use MessageKind::{AppResp, Heartbeat, HeartbeatResp, PreVoteResp, VoteResp};
    let own = |kind, index| Own { kind, term: 1, index };
    let mut outbox = Outbox::new(1, false, false);
    assert_eq!((outbox.take_own(own(AppResp, 1)), outbox.take_own(own(AppResp, 2))), (Ok(true), Ok(true)));
    assert_eq!(outbox.own.iter().map(|own| own.index).collect::<Vec<_>>(), [2]);
    // Another kind takes free room, and grows nothing.
    let room = outbox.own.capacity();
    for kind in [VoteResp, PreVoteResp, Heartbeat, HeartbeatResp] {
        let outcome = if outbox.own.len() < room { Ok(true) } else { Err(Error::NoMem) };
        assert_eq!(outbox.take_own(own(kind, 1)), outcome);
    }
    assert_eq!((outbox.own.len(), outbox.own.capacity()), (room, room));

    let mut outbox = Outbox::new(1, true, false);
    let answer = |to| OutMessage::new(Head { kind: AppResp, to, from: 1, ..Head::default() });
    let outcomes = [2, 1, 1, 2].map(|to| outbox.push(answer(to)));
    assert_eq!(outcomes, [Ok(()), Ok(()), Ok(()), Err(Error::Full)]);
    assert_eq!(outbox.after.len(), 2);
}

#[test]
fn blocks_are_as_large_as_they_must_be_and_are_used_again() {
    let mut blocks = Blocks::new(1000, 8192, false);
    assert_eq!((blocks.cost(10), blocks.capacity_for(8192)), (1000, 8192));
    blocks.reserve(8192).unwrap();
    blocks.taken(8192);
    for _ in 0..2 {
        blocks.reserve(10).unwrap();
        assert_eq!((blocks.end(), blocks.cost(10)), (2, 0));
    }
    blocks.release_before(1);
    assert_eq!(blocks.held_bytes(), 1000 + 8192, "as much as may stay beside usual blocks");
    blocks.reserve(8192).unwrap();
    assert_eq!((blocks.live_bytes(), blocks.held_bytes()), (1000 + 8192, 1000 + 8192));
}

#[test]
fn a_new_node_has_nothing_rare_to_show_and_waits_for_no_entry() {
    assert!(Rare::default().is_empty());
    let mut raft = Raft::new(&Config { seed: 1, ..Config::new(1) }).unwrap();
    raft.log.compact_all(EntryId { term: 1, index: 7 });
    assert_eq!(raft.log.recent_first(), 8);
    (raft.own_log.ask, raft.own_log.first) = (1, 8);
    assert_eq!(raft.supply_own(std::iter::empty()), Ok(Supplied::Ignored));
}
