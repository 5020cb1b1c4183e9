//! Figure 2 of the paper: the rules for servers.

use crate::{Server, acks, asks, group, of_kind, only, rejects, sends};
use kit::message;
use raftcore::{MessageKind, Role};

/// As candidate in the term after its log's last.
fn candidate(log: &[u64]) -> Server {
    let mut server = Server::new(*log.last().unwrap(), 0, log);
    server.0.node.campaign().unwrap();
    server.works();
    assert_eq!(server.status().role, Role::Candidate);
    server
}

// ---- all

#[test]
fn f2_all_1_what_is_committed_is_applied_in_order() {
    let mut server = Server::new(1, 0, &[1, 1, 1, 1]);
    server.hears(sends(1, (1, 1), &[1, 1, 1], 4));
    assert_eq!((server.status().commit, server.status().applied), (4, 4));
    assert_eq!(server.0.disk.data, [b"1.2".to_vec(), b"1.3".to_vec(), b"1.4".to_vec()]);
}

#[test]
fn f2_all_2_a_request_of_a_higher_term_makes_a_follower_of_anyone() {
    for server in [Server::new(1, 0, &[1]), candidate(&[1]), Server::leader(&[1])] {
        for m in [asks(MessageKind::Vote, 3, 9, (1, 1)), sends(9, (1, 1), &[], 1)] {
            let mut server = Server::boot_like(&server);
            server.hears(m);
            assert_eq!((server.term(), server.status().role), (9, Role::Follower));
            assert_eq!(server.0.disk.state.term, 9);
        }
    }
}

#[test]
fn f2_all_2_an_answer_of_a_higher_term_makes_a_follower_of_anyone() {
    for server in [candidate(&[1]), Server::leader(&[1])] {
        for kind in [MessageKind::VoteResp, MessageKind::AppResp, MessageKind::HeartbeatResp] {
            let mut server = Server::boot_like(&server);
            let mut m = message(kind, 2, 1, 9);
            m.reject = kind == MessageKind::VoteResp;
            server.hears(m);
            assert_eq!((server.term(), server.status().role), (9, Role::Follower), "{kind:?}");
        }
    }
}

impl Server {
    /// A twin in the same state.
    fn boot_like(other: &Self) -> Self {
        let host = &other.0;
        let (node, disk) = (host.node.try_clone().unwrap(), host.disk.clone());
        Self(kit::Host {
            id: host.id,
            node,
            disk,
            heard: host.heard.clone(),
            fetched: Vec::new(),
            bad_change: Default::default(),
        })
    }
}

// ---- followers

#[test]
fn f2_follower_1_candidates_and_leaders_are_answered() {
    let mut server = Server::new(1, 0, &[1]);
    only(&server.hears(asks(MessageKind::Vote, 3, 2, (1, 1))), MessageKind::VoteResp);
    only(&server.hears(sends(2, (1, 1), &[2], 1)), MessageKind::AppResp);
    only(&server.hears(message(MessageKind::Heartbeat, 2, 1, 2)), MessageKind::HeartbeatResp);
}

#[test]
fn f2_follower_2_silence_for_an_election_timeout_makes_a_candidate() {
    let mut server = Server::new(1, 0, &[1]);
    let timeout = server.status().election_timeout;
    server.ticks(timeout - 1);
    assert_eq!(server.status().role, Role::Follower);
    server.ticks(1);
    assert_eq!(server.status().role, Role::Candidate);
}

#[test]
fn f2_follower_2_the_leaders_word_and_a_vote_granted_begin_the_time_anew() {
    let leaders = [sends(1, (1, 1), &[], 1), message(MessageKind::Heartbeat, 2, 1, 1)];
    for m in leaders.into_iter().chain([asks(MessageKind::Vote, 2, 1, (1, 1))]) {
        let mut server = Server::new(1, 0, &[1]);
        server.ticks(8);
        server.hears(m);
        assert_eq!(server.status().election_elapsed, 0);
        server.ticks(9);
        assert_eq!(server.status().role, Role::Follower);
    }
}

#[test]
fn f2_follower_2_an_older_leader_and_a_vote_refused_do_not() {
    for m in [sends(1, (1, 1), &[], 1), asks(MessageKind::Vote, 2, 2, (1, 1))] {
        let mut server = Server::new(2, 0, &[1, 2]);
        server.ticks(8);
        server.hears(m);
        assert_eq!(server.status().election_elapsed, 8);
    }
}

// ---- candidates

#[test]
fn f2_candidate_1_it_raises_its_term_votes_for_itself_and_asks_all_others() {
    let mut server = Server::new(3, 2, &[1, 1, 3]);
    let timeout = server.status().election_timeout;
    let sent = server.ticks(timeout);

    assert_eq!((server.term(), server.status().vote), (4, 1));
    assert_eq!((server.0.disk.state.term, server.0.disk.state.vote), (4, 1));
    assert_eq!(server.status().election_elapsed, 0, "the timer is not reset");
    let asked: Vec<_> = of_kind(&sent, MessageKind::Vote).iter().map(|m| (m.to, m.term, m.index, m.log_term)).collect();
    assert_eq!(asked, [(2, 4, 3, 3), (3, 4, 3, 3)]);
}

#[test]
fn f2_candidate_2_a_majority_elects_and_less_does_not() {
    let mut cluster = crate::logs(&[&[1], &[1], &[1], &[1], &[1]]);
    let mut one = Server(cluster.hosts.remove(&1).unwrap());
    one.0.node.campaign().unwrap();
    one.works();
    one.hears(message(MessageKind::VoteResp, 2, 1, 2));
    one.hears(message(MessageKind::VoteResp, 2, 1, 2));
    assert_eq!(one.status().role, Role::Candidate, "two of five, one of them twice");
    let refusal = raftcore::proto::Message { reject: true, ..message(MessageKind::VoteResp, 4, 1, 2) };
    one.hears(refusal);
    assert_eq!(one.status().role, Role::Candidate);
    one.hears(message(MessageKind::VoteResp, 5, 1, 2));
    assert_eq!((one.status().role, one.status().leader), (Role::Leader, 1));
}

#[test]
fn f2_candidate_3_an_append_of_a_leader_of_its_term_makes_a_follower() {
    let mut server = candidate(&[1]);
    let term = server.term();
    server.hears(sends(term, (1, 1), &[term], 1));
    assert_eq!((server.status().role, server.status().leader, server.term()), (Role::Follower, 2, term));
    assert_eq!(server.log(), [1, term]);
    assert_eq!(server.status().vote, 1, "the vote of this term stays");
}

#[test]
fn f2_candidate_4_an_election_timeout_begins_another_election() {
    let mut server = candidate(&[1]);
    let timeout = server.status().election_timeout;
    server.ticks(timeout - 1);
    assert_eq!(server.term(), 2);
    let sent = server.ticks(1);
    assert_eq!((server.term(), server.status().role), (3, Role::Candidate));
    assert_eq!(of_kind(&sent, MessageKind::Vote).len(), 2);
}

// ---- leaders

#[test]
fn f2_leader_1_a_new_leader_tells_all_at_once() {
    // Not an empty heartbeat but its first entry, which it needs to commit what is older (paper §8).
    let mut server = Server::new(1, 0, &[1]);
    let sent = server.is_elected();
    let told: Vec<_> = of_kind(&sent, MessageKind::App).iter().map(|m| (m.to, m.term, m.index, m.log_term)).collect();
    assert_eq!(told, [(2, 2, 1, 1), (3, 2, 1, 1)]);
}

#[test]
fn f2_leader_1_heartbeats_go_while_it_is_idle() {
    let mut server = Server::leader(&[1]);
    for _ in 0..30 {
        let sent = server.ticks(1);
        let to: Vec<u64> = of_kind(&sent, MessageKind::Heartbeat).iter().map(|m| m.to).collect();
        assert_eq!(to, [2, 3]);
    }
    let mut cluster = group(&[1, 2, 3]);
    cluster.elect(1);
    let term = cluster.node(1).status().term;
    cluster.tick(100);
    assert_eq!((cluster.leader(), cluster.node(1).status().term), (Some(1), term), "an election in spite of them");
}

#[test]
fn f2_leader_2_a_command_is_answered_once_its_entry_is_applied() {
    let mut server = Server::leader(&[1]);
    server.0.node.propose(b"command", 7).unwrap();
    let sent = server.works();
    assert_eq!(server.0.disk.log[&3].data, b"command");
    assert_eq!(
        of_kind(&sent, MessageKind::App).len(),
        0,
        "2 and 3 were not heard yet: one append is under way to each"
    );
    assert!(server.0.heard.committed.is_empty(), "answered before it is committed");

    server.hears(acks(2, 2, 2));
    assert!(server.0.heard.committed.is_empty(), "the entry before it is committed, not this one");
    server.hears(acks(2, 2, 3));
    assert_eq!(server.0.heard.committed, [(7, 3)]);
    assert_eq!(server.status().applied, 3);
}

#[test]
fn f2_leader_3_a_follower_gets_the_entries_from_next_index_on() {
    let mut server = Server::leader(&[1, 1, 1]);
    server.hears(acks(2, 2, 4));
    server.0.node.propose(b"a", 0).unwrap();
    server.0.node.propose(b"b", 0).unwrap();
    let appends = of_kind(&server.works(), MessageKind::App);
    assert!(appends.iter().all(|m| m.to == 2), "3 has not answered yet");
    let entries: Vec<(u64, u64)> = appends.iter().flat_map(|m| &m.entries).map(|e| (e.index, e.term)).collect();
    assert_eq!(entries, [(5, 2), (6, 2)]);
    assert_eq!((appends[0].index, appends[0].log_term), (4, 2));
}

#[test]
fn f2_leader_4_success_moves_next_and_match() {
    let mut server = Server::leader(&[1, 1, 1]);
    assert_eq!(server.progress(2), (0, 4));
    server.hears(acks(2, 2, 4));
    assert_eq!(server.progress(2), (4, 5));
    assert_eq!(server.progress(3), (0, 4), "another's answer");
}

#[test]
fn f2_leader_4_an_inconsistency_lowers_next_and_it_tries_again() {
    let mut server = Server::leader(&[1, 1, 1]);
    let sent = server.hears(rejects(2, 2, 3, (2, 1)));
    let again = only(&sent, MessageKind::App);
    assert_eq!((again.to, again.index, again.log_term), (2, 2, 1));
    assert_eq!(again.entries.iter().map(|e| e.index).collect::<Vec<_>>(), [3, 4]);

    let sent = server.hears(rejects(2, 2, 2, (1, 1)));
    assert_eq!(only(&sent, MessageKind::App).index, 1);
    let sent = server.hears(acks(2, 2, 4));
    assert!(sent.iter().all(|m| m.entries.is_empty()));
    assert_eq!(server.progress(2), (4, 5));
}

#[test]
fn f2_leader_5_a_majority_commits_an_entry_of_the_own_term() {
    let mut cluster = crate::logs(&[&[1], &[1], &[1], &[1], &[1]]);
    let mut server = Server(cluster.hosts.remove(&1).unwrap());
    server.0.node.campaign().unwrap();
    server.works();
    for id in [2, 3] {
        server.hears(message(MessageKind::VoteResp, id, 1, 2));
    }
    server.hears(acks(2, 2, 2));
    server.hears(acks(2, 2, 2));
    assert_eq!(server.status().commit, 1, "two of five");
    server.hears(acks(4, 2, 2));
    assert_eq!(server.status().commit, 2);
}

#[test]
fn f2_leader_5_a_majority_of_an_older_terms_entry_commits_nothing() {
    let mut server = Server::leader(&[1, 1, 1]);
    server.hears(acks(2, 2, 3));
    assert_eq!(server.progress(2).0, 3);
    assert_eq!(server.status().commit, 1, "3 is of term 1, though a majority has it");
    server.hears(acks(2, 2, 4));
    assert_eq!(server.status().commit, 4);
}
