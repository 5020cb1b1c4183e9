//! How many committed entries are handed out together, and when no more are.

use crate::lone::{acknowledge, drain, leader};
use kit::{Cluster, Disk, append, config, entry, events, message, step};
use raftcore::{Config, EventKind, MessageKind, Node, Role, StorageMode, proto};

/// A follower of node 2 in term 1. After the founders' entry, its log has `count` entries of `len`
/// bytes, stored and uncommitted.
fn follower(config: &Config, count: u64, len: usize) -> Node {
    let mut node = Disk::founder(&[1, 2, 3]).boot(config);
    for index in 2..2 + count {
        let after = (index - 1, 1);
        step(&mut node, &append(2, 1, 1, after, vec![entry(1, index, &vec![7; len])], 1)).unwrap();
        let number = node.ready().unwrap().unwrap().number();
        match config.storage {
            StorageMode::Sync => node.advance(number).unwrap(),
            _ => {
                node.persisted(number).unwrap();
                node.release(number).unwrap();
            }
        }
    }
    node
}

fn commit(node: &mut Node, index: u64) {
    step(node, &proto::Message { commit: index, ..message(MessageKind::Heartbeat, 2, 1, 1) }).unwrap();
}

/// The committed entries of the next ready, from first to last, and whether the ready shows the
/// entries; (0, 0): none.
fn next_span(node: &mut Node) -> (u64, u64, bool) {
    let Some(ready) = node.ready().unwrap() else { return (0, 0, false) };
    let (number, shown) = (ready.number(), ready.committed().len() > 0);
    let (first, last) = ready.committed_span().unwrap_or_default();
    match node.config().storage {
        StorageMode::Sync => {
            if last > 0 && !shown {
                node.applied(last).unwrap();
            }
            node.advance(number).unwrap();
        }
        _ => {
            node.persisted(number).unwrap();
            node.release(number).unwrap();
        }
    }
    (first, last, shown)
}

#[test]
fn a_batch_has_max_entries_per_ready_to_apply_and_no_more() {
    let mut node = follower(&Config { max_entries_per_ready: 4, ..config(1) }, 10, 1);
    commit(&mut node, 11);
    let spans = [(); 4].map(|()| next_span(&mut node));
    assert_eq!(spans, [(2, 5, true), (6, 9, true), (10, 11, true), (0, 0, false)]);
}

#[test]
fn so_has_one_of_entries_that_have_left_the_memory() {
    let small = Config { max_entries_per_ready: 4, recent_bytes: 16 << 10, block_bytes: 4 << 10, ..config(1) };
    let small = kit::with_spans(small);
    let mut node = follower(&small, 20, 1500);
    commit(&mut node, 21);
    let recent_first = node.status().recent_first;
    assert!(recent_first > 11, "{recent_first}");
    let spans: Vec<_> = std::iter::from_fn(|| Some(next_span(&mut node)).filter(|span| span.0 > 0)).collect();
    assert_eq!(spans[..2], [(2, 5, false), (6, 9, false)]);
    for (first, last, shown) in spans {
        assert!(last - first < 4 && shown == (first >= recent_first), "{first} to {last}, {shown}");
    }
}

/// ASYNC, entries of 50 bytes, of which `max` may be returned and not applied.
fn with_limit(max: u64) -> Node {
    follower(&Config { storage: StorageMode::Async, max_committed_size_per_ready: max, ..config(1) }, 4, 42)
}

#[test]
fn what_is_handed_out_and_not_applied_is_bounded() {
    // Two fill the limit to the byte.
    let mut node = with_limit(100);
    commit(&mut node, 5);
    assert_eq!(next_span(&mut node), (2, 3, true));
    assert_eq!(next_span(&mut node), (0, 0, false), "nothing was applied yet");
    node.applied(2).unwrap();
    assert_eq!(next_span(&mut node), (0, 0, false), "what was handed out together counts until all of it is applied");
    node.applied(3).unwrap();
    assert_eq!(next_span(&mut node), (4, 5, true));

    // With a byte less, a single entry comes; and no second ready, though half of the limit is
    // left.
    let mut node = with_limit(99);
    commit(&mut node, 5);
    assert_eq!(next_span(&mut node), (2, 2, true));
    assert_eq!(next_span(&mut node), (0, 0, false));
    node.applied(2).unwrap();
    assert_eq!(next_span(&mut node), (3, 3, true));
}

#[test]
fn one_entry_goes_however_large_and_then_none_until_it_is_applied() {
    let mut node = with_limit(10);
    commit(&mut node, 2);
    assert_eq!(next_span(&mut node), (2, 2, true));
    commit(&mut node, 3);
    assert_eq!(next_span(&mut node).0, 0, "the limit is passed");
    node.applied(2).unwrap();
    assert_eq!(next_span(&mut node), (3, 3, true));
}

#[test]
fn below_the_limit_the_next_ones_go_though_nothing_is_applied() {
    let mut node = with_limit(1000);
    for index in 2..=5 {
        commit(&mut node, index);
        assert_eq!(next_span(&mut node), (index, index, true));
    }
}

#[test]
fn a_leader_is_ready_once_when_its_first_entry_is_applied() {
    let ready = |node: &mut Node| events(node).iter().filter(|e| e.kind == EventKind::LeaderReady).count();
    let mut node = leader(&config(1));
    assert_eq!(ready(&mut node), 1);
    node.propose(b"x", 0).unwrap();
    acknowledge(&mut node, 2, 3);
    drain(&mut node);
    assert_eq!((node.status().applied, ready(&mut node)), (3, 0));

    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(2);
    cluster.node(2).propose(b"x", 0).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(1).status().applied, 3);
    assert_eq!([1, 2, 3].map(|id| ready(cluster.node(id))), [0, 1, 0]);
    // Entries that the old leader committed are no sign: they come before the election and are
    // applied after.
    let mut node = cluster.hosts.remove(&1).unwrap().node;
    step(&mut node, &append(2, 1, 1, (3, 1), vec![entry(1, 4, b"y")], 4)).unwrap();
    let number = node.ready().unwrap().unwrap().number();
    node.forget_leader().unwrap();
    node.campaign().unwrap();
    for kind in [MessageKind::PreVoteResp, MessageKind::VoteResp] {
        for from in [2, 3] {
            step(&mut node, &message(kind, from, 1, 2)).unwrap();
        }
    }
    node.advance(number).unwrap();
    assert_eq!((node.status().role, node.status().applied, ready(&mut node)), (Role::Leader, 4, 0));
    drain(&mut node);
    acknowledge(&mut node, 3, 5);
    drain(&mut node);
    assert_eq!((node.status().applied, ready(&mut node)), (5, 1));
}
