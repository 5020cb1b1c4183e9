//! Figure 2 of the paper: what a server keeps, and how it answers the two requests. The rules for servers: `servers.rs`.

use crate::{Server, acks, asks, of_kind, only, plain, sends};
use kit::{Disk, append, config, entry, message};
use raftcore::{HardState, MessageKind, Role};

// ---- state

#[test]
fn f2_state_1_nothing_is_answered_before_it_is_stored() {
    let mut server = Server::new(1, 0, &[1]);
    let node = &mut server.0.node;

    kit::step(node, &asks(MessageKind::Vote, 2, 5, (9, 5))).unwrap();
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.hard_state(), Some(HardState { term: 5, vote: 2, commit: 1 }));
    assert!(ready.must_sync(), "the host is not told to sync");
    assert!(ready.messages().all(|m| m.after()), "the vote may leave before it is stored");
    assert_eq!(ready.messages().len(), 1);
    let number = ready.number();
    node.advance(number).unwrap();

    kit::step(node, &sends(5, (1, 1), &[5, 5], 1)).unwrap();
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.entries().count(), 2);
    assert!(ready.must_sync() && ready.messages().all(|m| m.after()) && ready.messages().len() == 1);
}

#[test]
fn f2_state_2_a_first_boot_knows_nothing() {
    let server = Server::boot(&plain(1), Disk::default());
    let status = server.status();
    assert_eq!((status.term, status.vote, status.commit, status.applied, status.last_index), (0, 0, 0, 0, 0));
}

#[test]
fn f2_state_3_the_term_never_falls() {
    let mut server = Server::new(1, 0, &[1]);
    let mut before = server.term();
    for term in [3, 2, 9, 1, 8, 10, 4] {
        server.hears(message(MessageKind::Heartbeat, 2, 1, term));
        server.hears(asks(MessageKind::Vote, 3, term, (9, term)));
        server.hears(sends(term, (1, 1), &[term], 1));
        assert_eq!(server.term(), before.max(term));
        before = server.term();
    }
}

#[test]
fn f2_state_4_the_first_index_is_1() {
    let mut server = Server::boot(&plain(1), Disk::default());
    assert_eq!(server.status().first_index, 1);
    let answers = server.hears(append(2, 1, 1, (0, 0), vec![entry(1, 1, b"first")], 0));
    assert!(!only(&answers, MessageKind::AppResp).reject);
    assert_eq!(server.0.disk.log.keys().collect::<Vec<_>>(), [&1]);
}

#[test]
fn f2_state_5_the_commit_index_never_falls() {
    let mut server = Server::new(1, 0, &[1, 1, 1, 1]);
    server.hears(sends(1, (4, 1), &[], 3));
    assert_eq!(server.status().commit, 3);
    server.hears(sends(1, (4, 1), &[], 2));
    server.hears(message(MessageKind::Heartbeat, 2, 1, 1));
    server.hears(sends(2, (1, 1), &[1], 1));
    assert_eq!(server.status().commit, 3);
}

#[test]
fn f2_state_6_an_entry_is_applied_once() {
    let mut server = Server::new(1, 0, &[1, 1, 1, 1]);
    for commit in [3, 2, 3, 4, 4] {
        let before = server.status().applied;
        server.hears(sends(1, (4, 1), &[], commit));
        assert_eq!(server.status().applied, before.max(commit));
    }
    let applied: Vec<u64> = server.0.heard.applied.iter().map(|(index, _)| *index).collect();
    assert_eq!(applied, [2, 3, 4]);
}

#[test]
fn f2_state_7_a_new_leader_knows_nothing_of_the_others_logs() {
    let mut server = Server::leader(&[1, 1, 1]);
    for id in [2, 3] {
        assert_eq!(server.progress(id), (0, 4), "of {id}");
    }
    server.hears(acks(2, 2, 4));
    assert_eq!(server.progress(2), (4, 5));

    server.hears(message(MessageKind::Heartbeat, 3, 1, 3));
    server.is_elected();
    assert_eq!(server.progress(2), (0, 5), "what was known in another term is known no more");
}

#[test]
fn f2_state_8_the_match_index_never_falls() {
    let mut server = Server::leader(&[1, 1, 1]);
    server.hears(acks(2, 2, 4));
    server.hears(acks(2, 2, 2));
    server.hears(crate::rejects(2, 2, 3, (2, 1)));
    assert_eq!(server.progress(2).0, 4);
}

// ---- AppendEntries

#[test]
fn f2_append_0_it_names_the_leader_and_the_answer_carries_the_term() {
    let mut server = Server::new(1, 0, &[1]);
    let answer = only(&server.hears(sends(4, (1, 1), &[4], 1)), MessageKind::AppResp);
    assert_eq!((answer.term, answer.to, answer.index, answer.reject), (4, 2, 2, false));
    assert_eq!(server.status().leader, 2);
}

#[test]
fn f2_append_1_an_older_term_is_refused() {
    // Without PreVote and the check of the quorum etcd's raft, and so this library, is silent; with them it answers.
    for (config, answers) in [(plain(1), 0), (config(1), 1)] {
        let mut server = Server::with(&config, 5, 0, &[1, 1]);
        let sent = server.hears(sends(4, (2, 1), &[4], 2));
        assert_eq!((server.log(), server.status().commit, server.status().leader), (vec![1, 1], 1, 0));
        assert_eq!(sent.len(), answers);
        assert!(sent.iter().all(|m| m.term == 5 && m.index == 0), "nothing is acknowledged, and the term is told");
    }
}

#[test]
fn f2_append_2_without_the_entry_before_them_entries_are_refused() {
    let mut server = Server::new(2, 0, &[1, 1, 2]);
    for after in [(4, 2), (9, 2), (3, 1)] {
        let term = 3;
        let answer = only(&server.hears(sends(term, after, &[3], 1)), MessageKind::AppResp);
        assert!(answer.reject, "after {after:?}");
        assert_eq!(server.log(), [1, 1, 2]);
    }
    let answer = only(&server.hears(sends(3, (3, 2), &[3], 1)), MessageKind::AppResp);
    assert!(!answer.reject);
    assert_eq!(server.log(), [1, 1, 2, 3]);
}

#[test]
fn f2_append_3_a_conflict_removes_the_entry_and_all_that_follow() {
    let mut server = Server::new(2, 0, &[1, 1, 2, 2, 2]);
    server.hears(sends(3, (2, 1), &[3], 1));
    assert_eq!(server.log(), [1, 1, 3]);
}

#[test]
fn f2_append_4_only_what_is_missing_is_appended() {
    let mut server = Server::new(2, 0, &[1, 1, 2, 2]);
    server.hears(sends(2, (2, 1), &[2, 2, 2], 1));
    assert_eq!(server.log(), [1, 1, 2, 2, 2]);

    // A request that was overtaken has less: nothing goes.
    let answer = only(&server.hears(sends(2, (1, 1), &[1], 1)), MessageKind::AppResp);
    assert_eq!(server.log(), [1, 1, 2, 2, 2]);
    assert_eq!(answer.index, 2, "what it did not speak of is not acknowledged");
}

#[test]
fn f2_append_5_what_is_committed_ends_with_the_last_new_entry() {
    let mut server = Server::new(2, 0, &[1, 1, 2, 2]);
    server.hears(sends(3, (2, 1), &[], 9));
    assert_eq!(server.status().commit, 2, "entries that may be another leader's count as committed");
    server.hears(sends(3, (2, 1), &[3, 3], 3));
    assert_eq!(server.status().commit, 3);
    server.hears(sends(3, (4, 3), &[3], 9));
    assert_eq!(server.status().commit, 5);
}

// ---- RequestVote

#[test]
fn f2_vote_1_an_older_term_gets_no_vote() {
    let mut server = Server::new(5, 0, &[1]);
    let sent = server.hears(asks(MessageKind::Vote, 2, 4, (9, 4)));
    assert!(sent.iter().all(|m| m.reject), "{sent:?}");
    assert_eq!((server.term(), server.status().vote), (5, 0));

    let sent = server.hears(asks(MessageKind::PreVote, 2, 4, (9, 4)));
    let answer = only(&sent, MessageKind::PreVoteResp);
    assert!(answer.reject && answer.term == 5);
}

#[test]
fn f2_vote_2_granted_if_there_was_none_yet() {
    let mut server = Server::new(4, 0, &[1, 1]);
    let answer = only(&server.hears(asks(MessageKind::Vote, 2, 4, (2, 1))), MessageKind::VoteResp);
    assert!(!answer.reject && answer.term == 4 && answer.to == 2);
    assert_eq!((server.status().vote, server.0.disk.state.vote), (2, 2));
}

#[test]
fn f2_vote_2_granted_again_to_the_same_candidate_and_to_no_other() {
    let mut server = Server::new(4, 2, &[1, 1]);
    assert!(!only(&server.hears(asks(MessageKind::Vote, 2, 4, (2, 1))), MessageKind::VoteResp).reject);
    assert!(only(&server.hears(asks(MessageKind::Vote, 3, 4, (2, 1))), MessageKind::VoteResp).reject);
    assert_eq!(server.status().vote, 2);
}

#[test]
fn f2_vote_2_granted_only_to_a_log_as_up_to_date() {
    // (index, term) of the candidate's last entry, beside (3, 2) here.
    for (last, granted) in
        [((9, 1), false), ((2, 2), false), ((3, 2), true), ((4, 2), true), ((2, 3), true), ((1, 1), false)]
    {
        let mut server = Server::new(2, 0, &[1, 1, 2]);
        let answer = only(&server.hears(asks(MessageKind::Vote, 2, 7, last)), MessageKind::VoteResp);
        assert_eq!(!answer.reject, granted, "a log that ends at {last:?}");
        assert_eq!((server.term(), server.status().vote), (7, if granted { 2 } else { 0 }));
    }
}

#[test]
fn f2_vote_2_no_vote_of_a_candidate_or_leader_in_its_own_term() {
    let mut server = Server::new(1, 0, &[1]);
    server.0.node.campaign().unwrap();
    server.works();
    assert!(only(&server.hears(asks(MessageKind::Vote, 3, 2, (9, 2))), MessageKind::VoteResp).reject);

    server.hears(message(MessageKind::VoteResp, 2, 1, 2));
    assert_eq!(server.status().role, Role::Leader);
    let sent = server.hears(asks(MessageKind::Vote, 3, 2, (9, 2)));
    assert!(of_kind(&sent, MessageKind::VoteResp)[0].reject);
}
