//! A group of a single node in memory: a client proposes, and its callback runs when the entry is
//! applied. raft-rs has an example of this name.

use raftcore::storage::{MemoryStorage, StorageNode};
use raftcore::{Config, EntryKind, Result};
use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(10);

type Callback = Box<dyn FnOnce(u64) + Send>;
type Proposal = (Vec<u8>, Callback);

pub fn main() -> Result<()> {
    let (sender, receiver) = mpsc::channel();
    let client = thread::spawn(move || propose_and_wait(&sender));
    let seed = 42; // in a real host: a new random seed at each start
    let config = Config { seed, election_ticks: 10, heartbeat_ticks: 3, ..Config::new(1) };
    // A founder's disk begins with index 1, which is applied.
    let mut node = StorageNode::new(&config, MemoryStorage::founder(&[1]), 1).expect("a founder boots");
    node.node().campaign()?;
    drive(&mut node, &receiver)?;
    let applied_at = client.join().expect("the client waits for its callback");
    println!("the proposal was applied at index {applied_at}");
    Ok(())
}

/// Takes proposals and ticks, and does the node's work, until the client hangs up.
fn drive(node: &mut StorageNode<MemoryStorage>, receiver: &Receiver<Proposal>) -> Result<()> {
    let (mut callbacks, mut token) = (HashMap::new(), 0);
    let mut next_tick = Instant::now() + TICK;
    loop {
        on_ready(node, &mut callbacks)?;
        match receiver.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
            Ok((data, callback)) => {
                token += 1;
                node.node().propose(&data, token)?;
                callbacks.insert(token, callback);
            }
            Err(RecvTimeoutError::Timeout) => {
                next_tick += TICK;
                node.node().tick(1)?;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Does the work of a node. The order is the contract.
fn on_ready(node: &mut StorageNode<MemoryStorage>, callbacks: &mut HashMap<u64, Callback>) -> Result<()> {
    node.serve()?; // answers what the node asks of its storage
    let (core, storage) = node.parts();
    while let Some(ready) = core.ready()? {
        storage.store(&ready); // 1: on a real disk, durable if `ready.must_sync()`
        for _message in ready.messages() {} // 2: a group of one sends none
        for entry in ready.committed() {
            // 3: a leader's first entry has no data
            if entry.kind == EntryKind::Normal
                && let Some(callback) = callbacks.remove(&entry.token)
            {
                callback(entry.index);
            }
        }
        for dropped in ready.dropped() {
            callbacks.remove(&dropped.token); // 4: failed, or nobody knows: `dropped.kind`
        }
        let number = ready.number();
        core.advance(number)?; // 5
    }
    Ok(())
}

/// A client. Returns the index at which its proposal was applied.
fn propose_and_wait(sender: &Sender<Proposal>) -> u64 {
    let (done, applied) = mpsc::channel();
    let callback: Callback = Box::new(move |index| done.send(index).expect("the client waits"));
    sender.send((b"hello".to_vec(), callback)).expect("the node runs");
    applied.recv().expect("the proposal is applied")
}
