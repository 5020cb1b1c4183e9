//! What a group holds does not grow with what it has done.

use crate::group::Group;
use crate::heap;
use crate::hot_path::number;
use raftcore::{Config, StorageMode};

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
