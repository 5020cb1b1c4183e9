//! What a node keeps and what it refuses to keep.

use crate::kit::{Disk, append, config, entry, step};
use raftcore::Config;

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
