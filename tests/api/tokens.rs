//! Every token comes back exactly once, with the truth.

use crate::lone::{acknowledge, campaign, drain, forgetful, leader};
use kit::{Cluster, append, config, entry, step, with_spans};
use raftcore::{Config, DropKind, Error, Node, Reason, Role};

/// Three nodes; node 1 leads term 1 alone and has a proposal that nobody else has.
fn cut_off() -> Cluster {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.node(1).propose(b"mine", 7).unwrap();
    cluster.settle();
    cluster
}

#[test]
fn an_overwritten_proposal_is_surely_lost_only_when_another_is_committed_in_its_place() {
    let mut cluster = cut_off();
    cluster.node(1).tick(20).unwrap();
    assert_eq!(cluster.node(1).status().role, Role::Follower);
    assert!(cluster.heard(1).dropped.is_empty(), "nothing is known yet");

    // Term 2 puts another entry there, not committed: the first may still return.
    let m = append(2, 1, 2, (2, 1), vec![entry(2, 3, b"other")], 2);
    step(cluster.node(1), &m).unwrap();
    cluster.settle();
    assert!(cluster.heard(1).dropped.is_empty());

    let m = append(2, 1, 2, (3, 2), vec![], 3);
    step(cluster.node(1), &m).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(1).dropped, [(7, DropKind::NotCommitted, Reason::Overwritten)]);
    assert!(cluster.heard(1).committed.is_empty());
}

/// No future leader has an older entry above a committed entry of a later term. Before, the tokens
/// waited for a log as long as the lost log, and a node with `max_tokens` such tokens refused the
/// very proposals that would have made the log longer (found by the simulation).
#[test]
fn the_whole_lost_tail_is_surely_lost_once_an_entry_of_a_later_term_is_committed_below_it() {
    let mut cluster = cut_off();
    for token in [8, 9] {
        cluster.node(1).propose(b"mine, too", token).unwrap();
    }
    cluster.settle();
    cluster.node(1).tick(20).unwrap();
    step(cluster.node(1), &append(2, 1, 2, (2, 1), vec![entry(2, 3, b"other")], 2)).unwrap();
    cluster.settle();
    assert!(cluster.heard(1).dropped.is_empty(), "any of them may still return");

    step(cluster.node(1), &append(2, 1, 2, (3, 2), vec![], 3)).unwrap();
    cluster.settle();
    let lost = [7, 8, 9].map(|token| (token, DropKind::NotCommitted, Reason::Overwritten));
    assert_eq!(cluster.heard(1).dropped, lost);
    assert_eq!(cluster.node(1).status().n_tokens, 0);
}

/// The host reads such entries from its own log, and each token comes with an index.
#[test]
fn tokens_of_entries_that_are_not_shown_come_with_their_indexes() {
    let mut node = leader(&with_spans(forgetful()));
    for token in 3..=60 {
        node.propose(&[0; 500], token % 2 * token).unwrap();
        drain(&mut node);
    }
    acknowledge(&mut node, 2, 60);
    let ready = node.ready().unwrap().unwrap();
    let (first, last) = ready.committed_span().unwrap();
    assert_eq!((first, ready.committed().len()), (3, 0));
    let done: Vec<_> = ready.done().iter().map(|done| (done.index, done.token)).collect();
    assert_eq!(done, (3..=last).filter(|index| index % 2 == 1).map(|index| (index, index)).collect::<Vec<_>>());
    assert!(last > 20);
}

#[test]
fn an_overwritten_proposal_that_returns_is_committed() {
    let mut cluster = cut_off();
    cluster.node(1).tick(20).unwrap();
    step(cluster.node(1), &append(2, 1, 2, (2, 1), vec![entry(2, 3, b"other")], 2)).unwrap();
    cluster.settle();

    // The leader of term 3 has the first entry, of term 1, and commits the entry.
    step(cluster.node(1), &append(3, 1, 3, (2, 1), vec![entry(1, 3, b"mine"), entry(3, 4, b"")], 4)).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(1).committed, [(7, 3)]);
    assert!(cluster.heard(1).dropped.is_empty());
}

#[test]
fn what_a_snapshot_covers_is_unknown() {
    let mut cluster = cut_off();
    cluster.node(1).tick(20).unwrap();
    let m = raftcore::proto::Message {
        snapshot: Some(kit::snapshot(9, 2, &[1, 2, 3], b"state")),
        ..kit::message(raftcore::MessageKind::Snap, 2, 1, 2)
    };
    step(cluster.node(1), &m).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(1).dropped, [(7, DropKind::Unknown, Reason::CoveredBySnapshot)]);
}

#[test]
fn what_is_passed_on_is_unknown_at_once() {
    let mut cluster = Cluster::new(&[1, 2, 3], kit::forwarding);
    cluster.elect(1);
    cluster.node(2).propose(b"x", 7).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(2).dropped, [(7, DropKind::Unknown, Reason::Forwarded)]);
    assert_eq!(cluster.hosts[&3].disk.data, [b"x"]);
}

#[test]
fn a_refused_proposal_took_no_token() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let mut c = config(id);
        (c.max_tokens, c.max_uncommitted_size, c.max_entry_bytes) = (2, 100, 200);
        c
    });
    assert_eq!(cluster.node(1).propose(b"x", 1), Err(Error::NoLeader));
    cluster.elect(1);
    cluster.isolate(1);
    assert_eq!(cluster.node(1).propose(&[0; 201], 1), Err(Error::TooLarge));
    cluster.node(1).propose(&[0; 90], 1).unwrap();
    assert_eq!(cluster.node(1).propose(&[0; 90], 2), Err(Error::Full));
    assert!(cluster.node(1).error_detail().contains("max_uncommitted_size"));
    cluster.node(1).propose(&[0; 5], 3).unwrap();
    assert_eq!(cluster.node(1).propose(&[0; 1], 4), Err(Error::Full));
    assert!(cluster.node(1).error_detail().contains("max_tokens"));
    cluster.node(1).propose(&[0; 1], 0).unwrap();
    cluster.heal();
    cluster.tick(3);
    let tokens: Vec<u64> = cluster.heard(1).committed.iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, [1, 3]);
}

#[test]
fn a_batch_is_proposed_whole_or_not_at_all() {
    let mut cluster = Cluster::new(&[1], |id| {
        let mut c = config(id);
        c.max_entry_bytes = 10;
        c
    });
    cluster.elect(1);
    let last = cluster.node(1).status().last_index;
    let batch: [(&[u8], u64); 3] = [(b"a", 1), (b"far too long for it", 2), (b"c", 3)];
    assert_eq!(cluster.node(1).propose_many(batch.iter().copied()), Err(Error::TooLarge));
    assert_eq!(cluster.node(1).status().last_index, last);
    cluster.node(1).propose_many([(&b"a"[..], 1), (b"b", 0), (b"c", 3)].into_iter()).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(1).committed, [(1, last + 1), (3, last + 3)]);
    cluster.node(1).propose_parts([&b"of "[..], b"parts"].into_iter(), 4).unwrap();
    cluster.settle();
    assert_eq!(cluster.hosts[&1].disk.data.last().map(Vec::as_slice), Some(&b"of parts"[..]));
}

/// Applies everything: the tokens with entries, and the tokens without.
fn answers(node: &mut Node) -> (Vec<(u64, u64)>, Vec<u64>) {
    let (mut done, mut dropped) = (Vec::new(), Vec::new());
    while let Some(ready) = node.ready().unwrap() {
        done.extend(ready.committed().filter(|e| e.token != 0).map(|e| (e.token, e.index)));
        dropped.extend(ready.dropped().iter().map(|d| d.token));
        let number = ready.number();
        node.advance(number).unwrap();
    }
    (done, dropped)
}

#[test]
fn a_token_waits_for_its_own_entry() {
    let mut node = leader(&config(1));
    for token in [7, 8] {
        node.propose(b"x", token).unwrap();
    }
    drain(&mut node);
    acknowledge(&mut node, 2, 3);
    assert_eq!(answers(&mut node), (vec![(7, 3)], vec![]));
    acknowledge(&mut node, 2, 4);
    assert_eq!(answers(&mut node), (vec![(8, 4)], vec![]));
}

#[test]
fn a_token_below_those_of_a_log_that_was_longer_comes_before_them() {
    for first_alone in [false, true] {
        let mut node = leader(&config(1));
        for token in [6, 7, 8, 9] {
            node.propose(b"lost", token).unwrap();
        }
        drain(&mut node);
        // Term 2 replaces the first entry. Then this node leads again, with its own first entry
        // behind.
        step(&mut node, &append(2, 1, 2, (2, 1), vec![entry(2, 3, b"other")], 2)).unwrap();
        drain(&mut node);
        campaign(&mut node, &[2]);
        assert_eq!((node.status().role, node.status().last_index), (Role::Leader, 4));
        node.propose(b"new", 10).unwrap();
        drain(&mut node);
        let mut lost = vec![6, 7, 8, 9];
        if first_alone {
            acknowledge(&mut node, 2, 4);
            assert_eq!(answers(&mut node), (vec![], std::mem::take(&mut lost)));
        }
        acknowledge(&mut node, 2, 5);
        assert_eq!(answers(&mut node), (vec![(10, 5)], lost));
        assert_eq!(node.status().n_tokens, 0);
    }
}

#[test]
fn a_token_that_is_told_with_the_next_batch_takes_a_place_until_then() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| Config { max_tokens: 2, ..kit::forwarding(id) });
    cluster.elect(1);
    let follower = cluster.node(2);
    for token in [7, 8] {
        follower.propose(b"x", token).unwrap();
    }
    assert_eq!(follower.propose(b"x", 9), Err(Error::Full));
    follower.propose(b"x", 0).unwrap();
    cluster.settle();
    cluster.node(2).propose(b"x", 9).unwrap();
    cluster.settle();
    assert_eq!(cluster.heard(2).dropped.iter().map(|d| d.0).collect::<Vec<_>>(), [7, 8, 9]);
}
