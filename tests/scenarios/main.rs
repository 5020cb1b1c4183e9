//! Known failures of Raft libraries, each as a test that would fail if the fault were here. `tests/README.md` lists them by id.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod d;
mod e;
mod l;
mod m;
mod r;
mod s;
mod x;

use kit::{Cluster, Disk, config, events};
use raftcore::{Config, EventKind, Flags, MessageKind, Node, Reason, StorageMode, proto};

const MODES: [StorageMode; 3] = [StorageMode::Sync, StorageMode::Async, StorageMode::Messages];

fn boot(config: &Config, voters: &[u64]) -> Node {
    Disk::founder(voters).boot(config)
}

fn in_mode(id: u64, storage: StorageMode) -> Config {
    Config { storage, ..config(id) }
}

fn with_flag(id: u64, flag: Flags, on: bool) -> Config {
    let config = config(id);
    Config { flags: config.flags.with(flag, on), ..config }
}

fn group(ids: &[u64], change: impl Fn(&mut Config) + 'static) -> Cluster {
    Cluster::new(ids, move |id| {
        let mut config = config(id);
        change(&mut config);
        config
    })
}

/// A message that a ready shows, and whether it waits for the disk.
struct Shown {
    after: bool,
    m: proto::Message,
}

/// The next ready, not acknowledged: its number and messages.
fn take(node: &mut Node) -> Option<(u64, Vec<Shown>)> {
    use prost::Message as _;
    let ready = node.ready().unwrap()?;
    let messages = ready.messages().map(|message| {
        let mut bytes = Vec::new();
        message.write_to(&mut bytes);
        Shown { after: message.after(), m: proto::Message::decode(&bytes[..]).unwrap() }
    });
    Some((ready.number(), messages.collect()))
}

/// Does and acknowledges all work of a SYNC node without a disk; gives the messages.
fn drain(node: &mut Node) -> Vec<proto::Message> {
    let (mut sent, mut turns) = (Vec::new(), 0);
    while let Some((number, messages)) = take(node) {
        turns += 1;
        assert!(turns < kit::MOST_TURNS, "a node that comes to no end");
        sent.extend(messages.into_iter().map(|shown| shown.m));
        let changes: Vec<_> = node.view(number).unwrap().committed().filter(|e| e.kind.is_change()).collect();
        let changes: Vec<_> = changes.iter().map(|e| (e.index, e.term, e.kind, e.data.to_vec())).collect();
        for (index, term, kind, data) in changes {
            let entry = raftcore::EntryRef { term, index, kind, data: &data, ..raftcore::EntryRef::default() };
            node.apply_conf(entry).unwrap();
        }
        node.advance(number).unwrap();
    }
    sent
}

fn of_kind(messages: &[proto::Message], kind: MessageKind) -> Vec<&proto::Message> {
    messages.iter().filter(|m| m.r#type == kind as i32).collect()
}

/// Whether an event of this kind and reason is among those not drained yet.
fn said(node: &mut Node, kind: EventKind, reason: Reason) -> bool {
    events(node).iter().any(|event| (event.kind, event.reason) == (kind, reason))
}

fn vote(kind: MessageKind, from: u64, to: u64, term: u64, last: (u64, u64)) -> proto::Message {
    proto::Message { index: last.0, log_term: last.1, ..kit::message(kind, from, to, term) }
}

/// The leader `old` is cut off, `id` is elected by the others.
fn depose(cluster: &mut Cluster, old: u64, id: u64) {
    cluster.isolate(old);
    cluster.elect_beside(old, id);
}
