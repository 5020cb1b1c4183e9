//! What a group holds does not grow with what it has done, and status tells it.

use crate::group::Group;
use crate::heap;
use crate::hot_path::number;
use kit::{Disk, append, message, step};
use raftcore::proto::{Entry, Message};
use raftcore::{Config, EntryKind, MessageKind, Node, StorageMode};

const BATCH: u64 = 256;

fn entries() -> u64 {
    number("ALLOC_ENTRIES").unwrap_or(1_000_000)
}

fn config(id: u64, storage: StorageMode) -> Config {
    Config { seed: id, storage, recent_bytes: 1 << 20, block_bytes: 64 << 10, ..Config::new(id) }
}

/// A log that nobody compacts, so that all of it would still have to be known.
fn nothing_grows(storage: StorageMode, entries: u64) {
    let mut group = Group::new(|id| config(id, storage));
    let write = |group: &mut Group, entries: u64| {
        for round in 0..entries / BATCH {
            let payload = round.to_le_bytes();
            group.leader().propose_many((0..BATCH).map(|token| (payload.as_slice(), token + 1))).unwrap();
            group.settle();
            if round.is_multiple_of(64) {
                group.hosts.iter_mut().for_each(|host| host.node.tick(1).unwrap());
                group.settle();
            }
        }
    };
    write(&mut group, 100_000);

    let before = (heap::now(), group.hosts[0].node.status().memory_bytes, group.hosts[1].node.status().memory_bytes);
    write(&mut group, entries);
    let after = (heap::now(), group.hosts[0].node.status().memory_bytes, group.hosts[1].node.status().memory_bytes);
    assert_eq!(before, after, "{storage:?}: {entries} entries leave something behind");
    let status = group.leader().status();
    assert!(status.first_index == 2 && status.last_index > entries, "the whole log is there");
    println!(
        "{storage:?}: {entries} entries more leave {} bytes in three nodes and their hosts as they were",
        before.0.live
    );
}

#[test]
fn nothing_grows_in_sync_mode() {
    nothing_grows(StorageMode::Sync, entries());
}

#[test]
fn nothing_grows_in_async_mode() {
    nothing_grows(StorageMode::Async, entries() / 10);
}

#[test]
fn nothing_grows_in_messages_mode() {
    nothing_grows(StorageMode::Messages, entries() / 10);
}

/// Much of everything that a node holds: entries of all sizes with tokens, reads at each node, spare blocks, and in the end reads
/// that are given up.
fn filled(storage: StorageMode) -> Group {
    let mut group = Group::new(|id| config(id, storage));
    group.depth = 8;
    for (batch, size) in [(256, 3), (700, 300), (1, 100_000), (900, 0)] {
        let payload = vec![7; size];
        group.leader().propose_many((1..=batch).map(|token| (payload.as_slice(), token))).unwrap();
        for at in [1, 2, 3] {
            (1..=300).for_each(|token| group.node(at).read_index(token).unwrap());
        }
        group.settle();
    }
    // Blocks of both kinds are spare then.
    group.compact();
    // It hears nobody, and steps down.
    group.deaf = Some(1);
    (1..=300).for_each(|token| group.leader().read_index(token).unwrap());
    for _ in 0..40 {
        group.leader().tick(1).unwrap();
        group.settle();
    }
    assert_eq!(group.hosts[0].heard.dropped, 300, "{storage:?}");
    group
}

/// What status may leave out: the configuration and the like.
const UNTOLD: i64 = 3 << 10;

/// What status tells is what the heap gets back when the node goes.
fn is_told(node: Node, what: &str) {
    let told = node.status().memory_bytes as i64 - size_of::<Node>() as i64;
    let before = heap::now().live;
    drop(node);
    let held = before - heap::now().live;
    assert!((told..told + UNTOLD).contains(&held), "{what}: {told} bytes told, {held} held");
}

#[test]
fn status_tells_what_the_heap_holds() {
    for storage in [StorageMode::Sync, StorageMode::Async, StorageMode::Messages] {
        filled(storage).hosts.drain(..).for_each(|host| is_told(host.node, &format!("{storage:?}")));
    }
}

/// One long list at a time: terms, changes, windows of a leader, blocks of long entries, contexts of reads.
#[test]
fn status_tells_of_each_long_list() {
    const LONG: u64 = 3000;
    for (kind, what) in [(EntryKind::Normal, "terms"), (EntryKind::ConfChange, "changes")] {
        let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1, StorageMode::Sync));
        let term = |index: u64| if kind == EntryKind::Normal { index } else { 1 };
        let entry = |index: u64| Entry { term: term(index), index, r#type: kind as i32, ..Entry::default() };
        step(&mut node, &append(2, 1, LONG, (1, 1), (2..LONG).map(entry).collect(), 1)).unwrap();
        is_told(node, what);
    }
    let mut group = Group::new(|id| Config { max_inflight_msgs: 4096, ..config(id, StorageMode::Sync) });
    group.deaf = Some(2);
    for _ in 0..LONG {
        group.leader().propose(b"", 0).unwrap();
        group.settle();
    }
    is_told(group.hosts.remove(0).node, "windows");

    // Blocks of long entries, of which one is used again.
    let mut group = Group::new(|id| config(id, StorageMode::Sync));
    for entries in [3, 1] {
        for _ in 0..entries {
            group.leader().propose(&[7; 100_000], 0).unwrap();
            group.settle();
        }
        group.compact();
    }
    // Then longer and longer ones, for which the blocks of the others are given back.
    for len in (100_000..260_000).step_by(20_000) {
        group.leader().propose(&vec![7; len], 0).unwrap();
        group.settle();
        group.compact();
    }
    is_told(group.hosts.remove(0).node, "blocks of long entries");

    // Long contexts of reads, which lie outside of the list of reads until they are confirmed.
    let mut group = Group::new(|id| config(id, StorageMode::Sync));
    group.settle();
    for read in 0..1000u64 {
        let context = Entry { data: vec![read as u8; 100].into(), ..Entry::default() };
        let asks = Message { entries: vec![context], ..message(MessageKind::ReadIndex, 2, 1, 0) };
        step(group.leader(), &asks).unwrap();
    }
    group.settle();
    group.leader().trim().unwrap();
    is_told(group.hosts.remove(0).node, "contexts");
}
