//! W1 over raftcore's Rust interface, as a host with storage = SYNC. Usage: `w1 ROUNDS BATCH SIZE
//! [REPS]`.

use bench_kit::{Args, Proposals, Workload};
use raftcore::{Config, HardState, MessageRef, Node, Role, Stored, wire};
use std::hint::black_box;

/// Messages that arrived at a node, back to back in one buffer.
struct Inbox {
    bytes: Vec<u8>,
    /// Sender and end of each message.
    arrived: Vec<(u64, usize)>,
    /// Target of the second copy, if the cost of copies is measured.
    shadow: Vec<u8>,
}

/// The network: a host's gather list, as for `writev`, arrives in one piece. On a real host the
/// kernel does this work on both ends. A separate function keeps the cost apart (`callgrind
/// --toggle-collect=w1_network`).
#[unsafe(no_mangle)]
#[inline(never)]
fn w1_network(inbox: &mut Inbox, from: u64, parts: &[&[u8]], twice: bool) {
    if twice {
        inbox.shadow.clear();
        for part in parts {
            inbox.shadow.extend_from_slice(part);
        }
        black_box(&inbox.shadow);
    }
    for part in parts {
        inbox.bytes.extend_from_slice(part);
    }
    inbox.arrived.push((from, inbox.bytes.len()));
}

#[inline(never)]
fn send_long(inbox: &mut Inbox, message: &MessageRef<'_>, twice: bool) {
    let mut parts: [&[u8]; 64] = [&[]; 64];
    let mut count = 0;
    for part in message.parts() {
        parts[count] = part;
        count += 1;
    }
    w1_network(inbox, message.from(), &parts[..count], twice);
}

/// A node with its host's state.
struct Host {
    node: Node,
    state: HardState,
    applied: u64,
    /// Stands for the disk and the state machine, which read this much of each entry.
    stored: u64,
    done: u64,
    /// Clients answered: committed entries with a token.
    answered: u64,
}

impl Host {
    fn new(id: u64, config: &Config) -> Self {
        let mut node = Node::new(config).expect("a configuration that is allowed");
        let founder = Stored::founder(&[1, 2, 3]);
        node.boot(&founder, std::iter::empty()).unwrap_or_else(|error| panic!("node {id} does not boot: {error}"));
        Self { node, state: founder.state, applied: 1, stored: 0, done: 0, answered: 0 }
    }

    /// Handles every ready: store, send, apply, answer, advance.
    fn work(&mut self, inboxes: &mut [Inbox; 3], twice: bool) {
        assert!(self.node.next_fetch().expect("next_fetch").is_none(), "a peer is behind");
        while let Some(ready) = self.node.ready().expect("ready") {
            assert!(ready.snapshot().is_none());
            for entry in ready.entries() {
                self.stored = self.stored.wrapping_add(entry.index ^ entry.data.len() as u64);
            }
            if let Some(state) = ready.hard_state() {
                self.state = state;
            }
            black_box(ready.must_sync());

            for message in ready.messages() {
                let inbox = &mut inboxes[message.to() as usize - 1];
                let mut parts = message.parts();
                // Most messages are gather lists of one or two parts. A longer list goes through a
                // buffer.
                match (parts.len(), parts.next(), parts.next()) {
                    (1, Some(head), _) => w1_network(inbox, message.from(), &[head], twice),
                    (2, Some(head), Some(body)) => w1_network(inbox, message.from(), &[head, body], twice),
                    _ => send_long(inbox, &message, twice),
                }
            }

            for entry in ready.committed() {
                assert!(!entry.kind.is_change());
                self.applied = entry.index;
                self.done = self.done.wrapping_add(entry.index ^ entry.data.len() as u64);
                self.answered += u64::from(entry.token != 0);
            }
            assert!(ready.reads().is_empty() && ready.dropped().is_empty());

            let number = ready.number();
            self.node.advance(number).expect("advance");
        }
    }
}

struct Group {
    hosts: [Host; 3],
    inboxes: [Inbox; 3],
    proposals: Proposals,
    keep: u64,
}

impl Group {
    fn new(args: Args) -> Self {
        let round = args.batch * (args.size + 48);
        let config = |id: u64| {
            let mut config = Config::new(id);
            config.seed = id;
            if let Some(block_bytes) = Args::block_bytes() {
                config.block_bytes = block_bytes;
            }
            // The whole log between two compactions stays in memory, as in the compared programs.
            config.recent_bytes = (args.keep() + 4) * round as u64 + 8 * config.block_bytes;
            config.max_size_per_msg = 16 << 20;
            config
        };
        let room = 4 * round + 4096;
        let inbox = || Inbox {
            bytes: Vec::with_capacity(room),
            arrived: Vec::with_capacity(64),
            shadow: Vec::with_capacity(room),
        };
        let mut group = Self {
            hosts: [1, 2, 3].map(|id| Host::new(id, &config(id))),
            inboxes: [inbox(), inbox(), inbox()],
            proposals: Proposals::new(args),
            keep: args.keep(),
        };
        group.hosts[0].node.campaign().expect("campaign");
        group.settle(0, false);
        assert_eq!(group.hosts[0].node.status().role, Role::Leader);
        group
    }

    /// Lets the host of `first` work, then every host with messages, until no messages are left.
    fn settle(&mut self, first: usize, twice: bool) {
        self.hosts[first].work(&mut self.inboxes, twice);
        let mut busy = true;
        while busy {
            busy = false;
            for (host, at) in self.hosts.iter_mut().zip(0..) {
                if self.inboxes[at].arrived.is_empty() {
                    continue;
                }
                let inbox = &mut self.inboxes[at];
                let mut start = 0;
                for &(from, end) in &inbox.arrived {
                    // The frame's header names the group, for a host of many groups.
                    let message = &inbox.bytes[start + wire::FRAME_HEADER..end];
                    host.node.step(from, message).expect("step");
                    start = end;
                }
                inbox.bytes.clear();
                inbox.arrived.clear();
                host.work(&mut self.inboxes, twice);
                busy = true;
            }
        }
    }
}

impl Workload for Group {
    const NETWORK: bool = true;

    fn run(&mut self, rounds: u64, twice: bool) {
        for round in 1..=rounds {
            self.hosts[0].node.propose_many(black_box(self.proposals.round())).expect("propose_many");
            self.settle(0, twice);
            if round % self.keep == 0 {
                for host in &mut self.hosts {
                    host.node.compacted(host.applied).expect("compacted");
                }
            }
        }
    }

    fn applied(&self) -> [u64; 3] {
        black_box(self.hosts.each_ref().map(|host| (host.stored, host.done, host.state)));
        let leader = &self.hosts[0];
        // Everything applied, except the first entry of the term and the founding.
        let proposed = if self.proposals.are_alike() { 0 } else { leader.applied.saturating_sub(2) };
        assert_eq!(leader.answered, proposed, "each client is answered");
        self.hosts.each_ref().map(|host| host.applied)
    }
}

fn main() {
    let args = Args::from_command_line();
    bench_kit::measure("raftcore-rust", args, &mut Group::new(args));
}
