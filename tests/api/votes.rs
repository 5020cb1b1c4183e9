//! The contents of a vote, and their effect.

use crate::lone::drain;
use kit::{Disk, append, config, entry, events, message, step};
use raftcore::{Config, Flags, MessageKind, Node, Reason, Role, proto};

const NEITHER: Flags = Flags(0);

fn booted(flags: Flags) -> Node {
    Disk::founder(&[1, 2, 3]).boot(&Config { flags, ..config(1) })
}

/// A follower in term 1 with `entries` after the founders', uncommitted.
fn with_entries(flags: Flags, entries: Vec<proto::Entry>) -> Node {
    let mut node = booted(flags);
    step(&mut node, &append(2, 1, 1, (1, 1), entries, 1)).unwrap();
    drain(&mut node);
    node
}

fn change(index: u64) -> proto::Entry {
    use prost::Message as _;
    let adds = proto::ConfChange { r#type: 0, node_id: 4, ..Default::default() };
    proto::Entry { r#type: 1, ..entry(1, index, &adds.encode_to_vec()) }
}

#[test]
fn the_commit_index_travels_with_votes_and_refusals_only_where_all_know_of_it() {
    for (flags, carried) in [(NEITHER, (0, 0)), (Flags::COMMIT_IN_VOTES, (1, 1))] {
        let mut node = booted(flags);
        node.campaign().unwrap();
        for vote in drain(&mut node) {
            assert_eq!((vote.r#type, vote.commit, vote.reject_hint), (MessageKind::Vote as i32, carried.0, carried.1));
        }
        step(&mut node, &message(MessageKind::Vote, 2, 1, 1)).unwrap();
        let refusal = drain(&mut node).pop().unwrap();
        assert_eq!((refusal.reject, refusal.commit, refusal.reject_hint), (true, carried.0, carried.1));
    }
}

#[test]
fn a_commit_index_in_a_vote_is_believed_with_the_flag_and_where_the_logs_agree() {
    let cases = [
        (NEITHER, 3, 1, 1),
        (Flags::COMMIT_IN_VOTES, 3, 1, 3),
        (Flags::COMMIT_IN_VOTES, 3, 2, 1), // another entry at 3
        (Flags::COMMIT_IN_VOTES, 9, 1, 1), // beyond this log
        (Flags::COMMIT_IN_VOTES, 3, 0, 1), // says nothing
    ];
    for (flags, commit, reject_hint, believed) in cases {
        let mut node = with_entries(flags, vec![entry(1, 2, b"x"), entry(1, 3, b"y")]);
        let asks = proto::Message { index: 9, log_term: 2, commit, reject_hint, ..message(MessageKind::Vote, 3, 1, 2) };
        step(&mut node, &asks).unwrap();
        assert_eq!(node.status().commit, believed, "{flags:?} {commit} {reject_hint}");
    }
}

#[test]
fn a_candidate_that_learns_of_a_committed_change_starts_over_and_of_another_entry_does_not() {
    for (second, role) in [(change(2), Role::Follower), (entry(1, 2, b"x"), Role::Candidate)] {
        let mut node = with_entries(Flags::COMMIT_IN_VOTES, vec![second, entry(1, 3, b"y")]);
        node.campaign().unwrap();
        drain(&mut node);
        events(&mut node);
        let refused = proto::Message {
            reject: true,
            commit: 2,
            reject_hint: 1,
            ..message(MessageKind::VoteResp, 3, 1, node.status().term)
        };
        step(&mut node, &refused).unwrap();
        assert_eq!((node.status().commit, node.status().role), (2, role));
        let why = events(&mut node).into_iter().any(|event| event.reason == Reason::ChangeUnapplied);
        assert_eq!(why, role == Role::Follower);
    }
}

#[test]
fn a_follower_that_learns_of_a_committed_change_follows_on() {
    let mut node = with_entries(Flags::COMMIT_IN_VOTES, vec![change(2), entry(1, 3, b"y")]);
    events(&mut node);
    // A refused vote of the same term: the leader is known.
    let asks = proto::Message { commit: 2, reject_hint: 1, ..message(MessageKind::Vote, 3, 1, 1) };
    step(&mut node, &asks).unwrap();
    assert_eq!((node.status().commit, node.status().leader), (2, 2));
    assert!(events(&mut node).into_iter().all(|event| event.reason != Reason::ChangeUnapplied));
}

#[test]
fn a_pre_vote_for_the_term_in_which_another_has_the_vote_is_refused() {
    for (term, granted) in [(5, false), (6, true)] {
        let mut node = booted(Flags::PRE_VOTE);
        step(&mut node, &message(MessageKind::Heartbeat, 2, 1, 4)).unwrap();
        let last = |kind, from, term| proto::Message { index: 9, log_term: 4, ..message(kind, from, 1, term) };
        step(&mut node, &last(MessageKind::Vote, 2, 5)).unwrap();
        assert_eq!((node.status().vote, node.status().term), (2, 5));
        drain(&mut node);
        step(&mut node, &last(MessageKind::PreVote, 3, term)).unwrap();
        let answer = drain(&mut node).pop().unwrap();
        assert_eq!((answer.to, answer.reject), (3, !granted), "term {term}");
    }
}

#[test]
fn a_favourite_objects_for_four_election_timeouts_and_no_longer() {
    for (ticks, granted) in [(39, false), (40, true)] {
        let favourite = Config { flags: NEITHER, priority: 5, election_ticks: 10, ..config(1) };
        let mut node = Disk::founder(&[1, 2, 3]).boot(&favourite);
        node.set_election_timeout(1000).unwrap();
        for _ in 0..ticks {
            node.tick(1).unwrap();
        }
        step(&mut node, &proto::Message { index: 1, log_term: 1, ..message(MessageKind::Vote, 2, 1, 1) }).unwrap();
        assert_eq!(drain(&mut node).pop().unwrap().reject, !granted, "after {ticks} ticks");
    }
}
