//! The entries that a node keeps and refuses to keep.

use kit::{Disk, append, config, entry, events, message, step};
use raftcore::{Config, EventKind, Flags, MessageKind, Role, StorageMode};

#[test]
fn an_append_refused_for_want_of_room_leaves_the_node_unchanged() {
    let config = Config { recent_bytes: 16 << 10, block_bytes: 4 << 10, ..config(1) };
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config);
    let mut refused = 0;
    for term in 1..10 {
        let before = node.digest(true);
        let (last, last_term) = (node.status().last_index, node.status().last_term);
        let m = append(2, 1, term, (last, last_term), vec![entry(term, last + 1, &[1; 3900])], 1);
        if step(&mut node, &m).is_err() {
            refused += 1;
            assert_eq!(node.digest(true), before, "term {term}: {}", node.error_detail());
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_candidate_without_room_for_its_first_entry_sends_no_append() {
    let small = Config {
        recent_bytes: 16 << 10,
        block_bytes: 4 << 10,
        storage: StorageMode::Async,
        max_outstanding: 1000,
        ..config(1)
    };
    let small = Config { flags: Flags(0), ..small };
    let mut node = Disk::founder(&[1, 2, 3]).boot(&small);
    let mut index = 1;
    // The host stores every ready and releases none: their contents stay.
    loop {
        let m = append(2, 1, 1, (index, 1), vec![entry(1, index + 1, &[1; 3000])], 1);
        if step(&mut node, &m).is_err() {
            break;
        }
        index += 1;
        let number = node.ready().unwrap().unwrap().number();
        node.persisted(number).unwrap();
    }
    while step(&mut node, &append(2, 1, 1, (index, 1), vec![entry(1, index + 1, b"")], 1)).is_ok() {
        index += 1;
        let number = node.ready().unwrap().unwrap().number();
        node.persisted(number).unwrap();
    }
    node.campaign().unwrap();
    let number = node.ready().unwrap().unwrap().number();
    node.persisted(number).unwrap();
    step(&mut node, &message(MessageKind::VoteResp, 2, 1, 2)).unwrap();
    let won = events(&mut node).iter().any(|event| event.kind == EventKind::BecameLeader);

    assert!(won, "the election was not won");
    assert_eq!(node.status().role, Role::Follower);
    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.messages().filter(|m| m.kind() == MessageKind::App).count(), 0, "a follower sends appends");
}

/// By messages a node's own acknowledgements go out as well; where the box is full a later one stands for the earlier.
#[test]
fn what_a_node_says_to_itself_by_messages_is_never_lost() {
    let mut cluster = kit::Cluster::new(&[1], |id| {
        let mut c = config(id);
        (c.storage, c.max_messages) = (raftcore::StorageMode::Messages, 16);
        c
    });
    cluster.elect(1);
    for at in 0..40 {
        cluster.node(1).propose(&[at], 0).unwrap();
    }
    cluster.settle();
    let status = cluster.node(1).status();
    assert_eq!((status.last_index, status.applied), (42, 42));
}
