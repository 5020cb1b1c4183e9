//! Five nodes in memory, each on a thread. The first founds the group and adds the others, then a
//! client puts 100 pairs. raft-rs has an example of this name.

use raftcore::storage::{MemoryStorage, StorageNode};
use raftcore::{Change, ChangeEncoding, ChangeKind, Config, EntryKind, EntryRef, Error, Result, Role, proto};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const NODES: u64 = 5;
const PUTS: usize = 100;
const TICK: Duration = Duration::from_millis(10);

type Pairs = BTreeMap<u16, String>;
/// The sender, and the bytes of a message.
type Packet = (u64, Vec<u8>);

enum Work {
    Add(u64),
    Put(u16, String),
}

struct Proposal {
    work: Work,
    /// Hears the index at which the work was applied.
    done: Sender<u64>,
}

/// What all threads share.
#[derive(Default)]
struct Shared {
    proposals: Mutex<VecDeque<Proposal>>,
    /// Members that have all pairs.
    complete: AtomicU64,
}

struct Member {
    id: u64,
    node: StorageNode<MemoryStorage>,
    mailbox: Receiver<Packet>,
    peers: Vec<Sender<Packet>>,
    shared: Arc<Shared>,
    /// The state machine.
    pairs: Pairs,
    waiting: HashMap<u64, Proposal>,
    token: u64,
}

pub fn main() {
    let shared = Arc::new(Shared::default());
    let (peers, mailboxes): (Vec<_>, Vec<_>) = (0..NODES).map(|_| mpsc::channel()).unzip();
    let mut threads = Vec::new();
    for (id, mailbox) in (1..).zip(mailboxes) {
        // The first node founds the group. The others begin with an empty disk, and wait.
        let (storage, applied) = match id {
            1 => (MemoryStorage::founder(&[1]), 1),
            _ => (MemoryStorage::new(), 0),
        };
        let config = Config { seed: id, election_ticks: 10, heartbeat_ticks: 3, ..Config::new(id) };
        let node = StorageNode::new(&config, storage, applied).expect("a new disk boots");
        let (peers, shared) = (peers.clone(), Arc::clone(&shared));
        let (pairs, waiting, token) = (Pairs::new(), HashMap::new(), 0);
        let member = Member { id, node, mailbox, peers, shared, pairs, waiting, token };
        threads.push(thread::spawn(move || member.run().expect("no call fails")));
    }
    for id in 2..=NODES {
        let index = propose(&shared, Work::Add(id));
        println!("node {id} was added at index {index}");
    }
    (0..PUTS as u16).for_each(|key| _ = propose(&shared, Work::Put(key, format!("value {key}"))));
    let all: Vec<Pairs> = threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect();
    assert!(all.iter().all(|pairs| pairs.len() == PUTS && *pairs == all[0]));
    println!("{PUTS} pairs on each of {NODES} nodes");
}

/// Queues work for the leader. Returns the index at which the work was applied.
fn propose(shared: &Shared, work: Work) -> u64 {
    let (done, applied) = mpsc::channel();
    shared.proposals.lock().expect("no panic inside").push_back(Proposal { work, done });
    applied.recv().expect("the work is applied")
}

impl Member {
    fn run(mut self) -> Result<Pairs> {
        if self.id == 1 {
            self.node.node().campaign()?; // alone in its group, the node wins at once
        }
        let (mut next_tick, mut told) = (Instant::now() + TICK, false);
        while self.shared.complete.load(Ordering::SeqCst) < NODES {
            match self.mailbox.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
                // A refused message did nothing, and its sender tries again.
                Ok((from, message)) => _ = self.node.node().step(from, &message),
                Err(RecvTimeoutError::Timeout) => {
                    next_tick += TICK;
                    self.node.node().tick(1)?;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.node.node().status().role == Role::Leader {
                self.take_proposals()?;
            }
            self.on_ready()?;
            if self.pairs.len() == PUTS && !told {
                told = true;
                self.shared.complete.fetch_add(1, Ordering::SeqCst);
            }
        }
        Ok(self.pairs)
    }

    fn take_proposals(&mut self) -> Result<()> {
        let mut proposals = self.shared.proposals.lock().expect("no panic inside");
        while let Some(proposal) = proposals.pop_front() {
            let core = self.node.node();
            self.token += 1;
            let outcome = match &proposal.work {
                Work::Put(key, value) => core.propose(format!("{key} {value}").as_bytes(), self.token),
                Work::Add(id) => {
                    let change = Change { kind: ChangeKind::AddNode, id: *id };
                    core.propose_conf(&[change], ChangeEncoding::V1, b"", self.token)
                }
            };
            match outcome {
                Ok(()) => _ = self.waiting.insert(self.token, proposal),
                // Not now: a change is in flight, or a limit is reached.
                Err(Error::ConfBusy | Error::Full | Error::NoLeader) => {
                    proposals.push_front(proposal);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Does the work of a node. The order is the contract.
    fn on_ready(&mut self) -> Result<()> {
        self.node.serve()?; // answers what the node asks of its storage
        loop {
            let (core, storage) = self.node.parts();
            let Some(ready) = core.ready()? else { return Ok(()) };
            storage.store(&ready); // 1: on a real disk, durable if `ready.must_sync()`
            if let Some(snapshot) = ready.snapshot() {
                self.pairs = from_bytes(snapshot.data);
            }
            for message in ready.messages() {
                // 2: in memory everything is durable, so that `message.after()` needs no wait
                let mut bytes = Vec::new();
                message.write_to(&mut bytes);
                let _ = self.peers[message.to() as usize - 1].send((self.id, bytes));
            }
            let committed: Vec<(proto::Entry, u64)> =
                ready.committed().map(|entry| (owned(&entry), entry.token)).collect();
            let lost: Vec<u64> = ready.dropped().iter().map(|dropped| dropped.token).collect();
            let number = ready.number();
            for (entry, token) in committed {
                self.apply(&entry, token)?; // 3
            }
            for token in lost {
                // 4: this example proposes again, which may put a pair twice
                if let Some(proposal) = self.waiting.remove(&token) {
                    self.shared.proposals.lock().expect("no panic inside").push_front(proposal);
                }
            }
            self.node.node().advance(number)?; // 5
        }
    }

    fn apply(&mut self, entry: &proto::Entry, token: u64) -> Result<()> {
        let kind = EntryKind::from_wire(entry.r#type as u64).unwrap_or_default();
        if kind.is_change() {
            let (core, storage) = self.node.parts();
            let (term, index, data) = (entry.term, entry.index, &entry.data);
            let applied = core.apply_conf(EntryRef { term, index, kind, data, ..EntryRef::default() })?;
            let conf = proto::ConfState {
                voters: applied.conf.voters.to_vec(),
                learners: applied.conf.learners.to_vec(),
                voters_outgoing: applied.conf.voters_outgoing.to_vec(),
                learners_next: applied.conf.learners_next.to_vec(),
                auto_leave: applied.conf.auto_leave,
            };
            storage.set_conf(conf.clone());
            storage.set_snapshot(index, term, conf, to_bytes(&self.pairs)); // for the node that joins
        } else if let Some((key, value)) = std::str::from_utf8(&entry.data).ok().and_then(|text| text.split_once(' ')) {
            self.pairs.insert(key.parse().expect("a key"), value.to_owned());
        }
        if let Some(proposal) = self.waiting.remove(&token) {
            let _ = proposal.done.send(entry.index);
        }
        Ok(())
    }
}

fn owned(entry: &EntryRef<'_>) -> proto::Entry {
    let data = entry.data.to_vec().into();
    proto::Entry { r#type: entry.kind as i32, term: entry.term, index: entry.index, data, ..Default::default() }
}

fn to_bytes(pairs: &Pairs) -> Vec<u8> {
    pairs.iter().map(|(key, value)| format!("{key} {value}\n")).collect::<String>().into_bytes()
}

fn from_bytes(bytes: &[u8]) -> Pairs {
    let lines = std::str::from_utf8(bytes).unwrap_or_default().lines();
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key.parse().expect("a key"), value.to_owned()))
        .collect()
}
