//! Three nodes and their hosts in one process, in any storage mode. Once its buffers are large enough the hosts' side takes nothing
//! from the heap either, so that whatever is counted is the library's.

use raftcore::{Config, EntryId, Error, Node, Role, StorageMode, wire};
use std::hint::black_box;

pub const NODES: u64 = 3;
/// ids from here up name a node's own disk and state machine.
const LOCAL: u64 = u64::MAX - 16;

/// What has come back from a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub applied: u64,
    /// Stands for a state machine: a mix of all that was applied.
    pub state: u64,
    pub tokens: u64,
    pub reads: u64,
    pub dropped: u64,
}

/// Messages that lie in one buffer, each with an id and the number of the ready that it belongs to.
#[derive(Default)]
struct Letters {
    bytes: Vec<u8>,
    each: Vec<(u64, u64, usize)>,
}

impl Letters {
    fn with_room() -> Self {
        Self { bytes: Vec::with_capacity(16 << 20), each: Vec::with_capacity(16 << 10) }
    }

    fn add(&mut self, id: u64, number: u64, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.each.push((id, number, self.bytes.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (u64, u64, &[u8])> {
        let mut start = 0;
        self.each.iter().map(move |&(id, number, end)| {
            let bytes = &self.bytes[start..end];
            start = end;
            (id, number, bytes)
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.each.clear();
    }
}

pub struct Host {
    pub node: Node,
    pub heard: Heard,
    inbox: Letters,
    /// What leaves, or comes back to the node, only once its ready is on the disk.
    held: Letters,
    /// Readies that the disk has still to write: number, and the last entry to apply.
    queue: Vec<(u64, u64)>,
}

pub struct Group {
    pub hosts: Vec<Host>,
    reading: Letters,
    scratch: Vec<u8>,
    /// A node that gets no messages for now: they wait for it.
    pub deaf: Option<u64>,
    /// Readies that a host takes before its disk writes (ASYNC, MESSAGES).
    pub depth: usize,
}

impl Group {
    pub fn new(config: impl Fn(u64) -> Config) -> Self {
        let hosts = (1..=NODES).map(|id| Host {
            node: boot(&config(id)),
            heard: Heard { applied: 1, ..Heard::default() },
            inbox: Letters::with_room(),
            held: Letters::with_room(),
            queue: Vec::with_capacity(64),
        });
        let mut group = Self {
            hosts: hosts.collect(),
            reading: Letters::with_room(),
            scratch: Vec::with_capacity(16 << 20),
            deaf: None,
            depth: 1,
        };
        group.hosts[0].node.campaign().unwrap();
        group.settle();
        assert_eq!(group.leader().status().role, Role::Leader);
        group
    }

    /// Node 1 leads from the start to the end.
    pub fn leader(&mut self) -> &mut Node {
        &mut self.hosts[0].node
    }

    pub fn node(&mut self, id: u64) -> &mut Node {
        &mut self.hosts[id as usize - 1].node
    }

    /// Until nobody has anything left to do.
    pub fn settle(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            for at in 0..self.hosts.len() {
                busy |= self.work(at);
                if self.deaf != Some(at as u64 + 1) && !self.hosts[at].inbox.each.is_empty() {
                    std::mem::swap(&mut self.hosts[at].inbox, &mut self.reading);
                    let node = &mut self.hosts[at].node;
                    for (from, _, bytes) in self.reading.iter() {
                        node.step(from, bytes).unwrap_or_else(|error| panic!("{error}: {}", node.error_detail()));
                    }
                    self.reading.clear();
                    busy = true;
                }
            }
        }
    }

    /// Takes what a node has to do, and does what is due of it.
    fn work(&mut self, at: usize) -> bool {
        let mut any = false;
        loop {
            let storage = self.hosts[at].node.config().storage;
            assert!(self.hosts[at].node.next_fetch().unwrap().is_none(), "a peer is behind");
            let taken = self.hosts[at].queue.len() < self.depth && self.take(at, storage);
            if !taken && self.hosts[at].queue.is_empty() {
                return any;
            }
            if !taken || storage == StorageMode::Sync {
                self.write(at, storage);
            }
            any = true;
        }
    }

    /// The next ready, if there is one: every view is read.
    fn take(&mut self, at: usize, storage: StorageMode) -> bool {
        let (before, others) = self.hosts.split_at_mut(at);
        let Some((host, after)) = others.split_first_mut() else { return false };
        let Some(ready) = host.node.ready().unwrap() else { return false };
        let number = ready.number();
        let mut stored = 0;
        for entry in ready.entries() {
            stored ^= entry.index ^ entry.term ^ entry.data.len() as u64;
        }
        black_box((stored, ready.hard_state(), ready.soft_state(), ready.must_sync(), ready.committed_span()));
        assert!(ready.snapshot().is_none());

        for message in ready.messages() {
            let to = message.to();
            black_box((message.entry_count(), message.frame_len()));
            if to >= LOCAL {
                self.scratch.clear();
                message.write_to(&mut self.scratch);
                for response in wire::parse_message(&self.scratch).unwrap().responses.iter() {
                    let to = wire::parse_message(response).unwrap().head.to;
                    host.held.add(to, number, |bytes| bytes.extend_from_slice(response));
                }
            } else if message.after() && storage == StorageMode::Async {
                host.held.add(to, number, |bytes| message.write_to(bytes));
            } else {
                let peer = to as usize - 1;
                let inbox = if peer < at { &mut before[peer].inbox } else { &mut after[peer - at - 1].inbox };
                let mut parts = message.parts();
                let head = parts.next().unwrap();
                inbox.add(message.from(), 0, |bytes| {
                    bytes.extend_from_slice(&head[wire::FRAME_HEADER..]);
                    parts.for_each(|part| bytes.extend_from_slice(part));
                });
            }
        }

        let heard = &mut host.heard;
        for entry in ready.committed() {
            assert!(entry.index == heard.applied + 1 && !entry.kind.is_change());
            heard.applied = entry.index;
            heard.state = mix(heard.state, entry.data);
            heard.tokens += u64::from(entry.token != 0);
        }
        heard.reads += ready.reads().len() as u64;
        heard.dropped += ready.dropped().len() as u64;
        black_box(ready.done().len());
        host.queue.push((number, ready.committed_span().map_or(0, |(_, last)| last)));
        true
    }

    /// The disk has written the oldest ready that waits for it.
    fn write(&mut self, at: usize, storage: StorageMode) {
        let (number, last) = self.hosts[at].queue.remove(0);
        if storage == StorageMode::Sync {
            return self.hosts[at].node.advance(number).unwrap();
        }
        let held = std::mem::take(&mut self.hosts[at].held);
        let id = at as u64 + 1;
        for (to, _, bytes) in held.iter().filter(|letter| letter.1 == number) {
            if to == id {
                match self.hosts[at].node.step_local(bytes) {
                    Ok(()) | Err(Error::Stale) => {}
                    Err(error) => panic!("step_local: {error}: {}", self.hosts[at].node.error_detail()),
                }
            } else {
                self.hosts[to as usize - 1].inbox.add(id, 0, |out| out.extend_from_slice(bytes));
            }
        }
        let host = &mut self.hosts[at];
        host.held = held;
        if host.queue.is_empty() {
            host.held.clear();
        }
        if storage == StorageMode::Async {
            host.node.persisted(number).unwrap();
            if last > 0 {
                host.node.applied(last).unwrap();
            }
        }
        host.node.release(number).unwrap();
    }

    /// Every host forgets what nobody can need any more.
    pub fn compact(&mut self) {
        let safe = self.leader().status().safe_to_compact;
        for host in &mut self.hosts {
            let index = safe.min(host.node.status().applied);
            if index >= host.node.status().first_index {
                host.node.compacted(index).unwrap();
            }
        }
    }

    pub fn looked_at(&mut self) {
        for host in &mut self.hosts {
            let status = host.node.status();
            black_box((status, host.node.has_ready().unwrap()));
            black_box((
                host.node.peers().map(|peer| peer.match_index).sum::<u64>(),
                host.node.ticks_until_due().unwrap(),
            ));
            while host.node.next_event().is_some() {}
        }
    }

    /// All have applied the same; gives what the leader's host has heard.
    pub fn same_everywhere(&self) -> Heard {
        let first = self.hosts[0].heard;
        for host in &self.hosts {
            assert_eq!((host.heard.applied, host.heard.state), (first.applied, first.state));
            assert!(!host.node.is_poisoned());
        }
        first
    }
}

fn boot(config: &Config) -> Node {
    let mut node = Node::new(config).unwrap();
    node.boot_state(raftcore::HardState { term: 0, vote: 0, commit: 1 }).unwrap();
    let conf = wire::ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
    node.boot_conf(&conf, 0, EntryId { term: 1, index: 1 }).unwrap();
    node.boot_done(1).unwrap();
    node
}

fn mix(state: u64, data: &[u8]) -> u64 {
    let ends = u64::from(data.first().copied().unwrap_or(0)) << 8 | u64::from(data.last().copied().unwrap_or(0));
    (state ^ ends ^ (data.len() as u64) << 16).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}
