//! The cost of an entry, or of a read, as a quantity grows. Usage: `scale WHAT`.
//!
//! Each value is set up, warmed up, and measured once, which leaves a dump of callgrind.
//! `scale_leader_share` is the leader's part of the dump. `scale-report` in `benches/kit` runs this
//! program, and reads the meaning of each dump from standard output: `value=… units=… nodes=…`.

use raftcore::{
    Config, EntryId, EntryKind, EntryRef, HardState, MessageKind, MessageRef, Node, Role, StorageMode, Stored,
    StoredConf, TermRun, wire,
};
use std::collections::VecDeque;
use std::hint::black_box;

const SIZE: usize = 256;
const RECENT_BYTES: u64 = 1 << 20;
const FIRST_TERM: u64 = 1 << 20;

/// The quantities, with their values.
const ALL: [(&str, &[u64]); 8] = [
    ("voters", &[3, 5, 7, 15, 31, 101]),
    ("joint", &[3, 5, 7, 15, 31, 101]),
    ("log", &[10_000, 100_000, 1_000_000, 10_000_000]),
    ("terms", &[1, 10, 100, 1_000, 10_000, 100_000]),
    ("inflight", &[1, 4, 16, 64, 256, 1_024]),
    ("outstanding", &[1, 4, 16, 64, 256, 512]),
    ("waiting", &[0, 1, 10, 100, 1_000]),
    ("reads", &[1, 10, 100, 1_000]),
];

#[derive(Default)]
struct Letters {
    bytes: Vec<u8>,
    each: Vec<(u64, usize)>,
}

impl Letters {
    fn take(&mut self, message: MessageRef<'_>) {
        let mut parts = message.parts();
        self.bytes.extend_from_slice(&parts.next().expect("a head")[wire::FRAME_HEADER..]);
        parts.for_each(|part| self.bytes.extend_from_slice(part));
        self.each.push((message.from(), self.bytes.len()));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.each.clear();
    }
}

struct Host {
    node: Node,
    /// Readies not acknowledged yet, each with the last entry to apply.
    queue: VecDeque<(u64, u64)>,
}

struct Group {
    hosts: Vec<Host>,
    inboxes: Vec<Letters>,
    reading: Letters,
    /// Readies that a host leaves unacknowledged for a while.
    outstanding: usize,
    /// Answers to heartbeats never reach the leader, so the reads wait.
    reads_wait: bool,
    payload: [u8; SIZE],
    token: u64,
}

/// How a group is made.
struct Plan {
    voters: Vec<u64>,
    outgoing: Vec<u64>,
    /// Terms in the log before the first election, each with `entries / terms` entries of the
    /// shortest kind.
    terms: u64,
    entries: u64,
    storage: StorageMode,
    in_flight: u32,
}

impl Plan {
    fn of(voters: u64) -> Self {
        let voters = (1..=voters).collect();
        Self { voters, outgoing: Vec::new(), terms: 0, entries: 0, storage: StorageMode::Sync, in_flight: 256 }
    }

    fn config(&self, id: u64) -> Config {
        let mut config = Config::new(id);
        config.seed = id;
        config.storage = self.storage;
        config.max_peers = 256;
        config.max_inflight_msgs = self.in_flight;
        config.max_outstanding = 1024;
        config.max_messages = 16 << 10;
        config.max_entries_per_ready = 4096;
        config.recent_bytes = RECENT_BYTES;
        config.block_bytes = 64 << 10;
        config.catchup_bytes = 0;
        config
    }

    fn boot(&self, id: u64) -> Host {
        let mut node = Node::new(&self.config(id)).expect("a configuration that is allowed");
        // Numbers of equal length on the wire, whatever the count.
        let term = FIRST_TERM + self.terms.max(1);
        let applied = self.entries.max(1);
        let conf = wire::ConfStateRef { voters: &self.voters, voters_outgoing: &self.outgoing, ..Default::default() };
        let each = self.entries.checked_div(self.terms);
        let runs: Vec<_> = each
            .map(|each| (0..self.terms).map(|i| TermRun { first: 2 + i * each, term: FIRST_TERM + 1 + i }).collect())
            .unwrap_or_default();
        let last =
            each.map(|_| EntryRef { term, index: applied, kind: EntryKind::Normal, data: &[], ..EntryRef::default() });
        let stored = Stored {
            state: HardState { term: if self.terms == 0 { 0 } else { term }, vote: 0, commit: applied },
            applied,
            before_first: EntryId { term: 1, index: 1 },
            last: applied,
            conf: Some(StoredConf::Ids(conf, 0)),
            runs: &runs,
        };
        node.boot(&stored, last.into_iter()).unwrap_or_else(|error| panic!("boot: {error}: {}", node.error_detail()));
        Host { node, queue: VecDeque::new() }
    }
}

impl Group {
    fn new(plan: &Plan) -> Self {
        let members = plan.voters.iter().chain(&plan.outgoing).copied().max().unwrap_or(0);
        let mut group = Self {
            hosts: (1..=members).map(|id| plan.boot(id)).collect(),
            inboxes: (0..members).map(|_| Letters::default()).collect(),
            reading: Letters::default(),
            outstanding: 1,
            reads_wait: false,
            payload: [7; SIZE],
            token: 0,
        };
        group.hosts[0].node.campaign().expect("campaign");
        group.settle();
        assert_eq!(group.hosts[0].node.status().role, Role::Leader);
        group
    }

    /// Handles the readies of a host: stores, sends, applies.
    fn work(&mut self, at: usize) -> bool {
        let host = &mut self.hosts[at];
        let mut any = false;
        loop {
            assert!(host.node.next_fetch().expect("next_fetch").is_none(), "a peer is behind");
            let Some(ready) = host.node.ready().expect("ready") else { return any };
            any = true;
            ready.entries().for_each(|entry| _ = black_box(entry));
            for message in ready.messages() {
                if self.reads_wait && message.kind() == MessageKind::HeartbeatResp {
                    continue;
                }
                if self.outstanding == 1 || !message.after() {
                    self.inboxes[message.to() as usize - 1].take(message);
                }
            }
            ready.committed().for_each(|entry| _ = black_box(entry));
            black_box((ready.reads().len(), ready.done().len()));
            assert!(ready.dropped().is_empty());
            host.queue.push_back((ready.number(), ready.committed_span().map_or(0, |(_, last)| last)));
            if host.queue.len() >= self.outstanding {
                host.acknowledge(&mut self.inboxes);
            }
        }
    }

    /// Steps all waiting messages of a node.
    fn hear(&mut self, at: usize) -> bool {
        std::mem::swap(&mut self.inboxes[at], &mut self.reading);
        let node = &mut self.hosts[at].node;
        let mut start = 0;
        for &(from, end) in &self.reading.each {
            node.step(from, &self.reading.bytes[start..end])
                .unwrap_or_else(|error| panic!("{error}: {}", node.error_detail()));
            start = end;
        }
        self.reading.clear();
        start > 0
    }

    /// Takes a turn of a host. Returns whether there was work.
    fn turn(&mut self, at: usize) -> bool {
        self.hear(at) | self.work(at)
    }

    fn settle(&mut self) {
        loop {
            let mut any = scale_leader(self, |group| group.turn(0));
            for at in 1..self.hosts.len() {
                any |= self.turn(at);
            }
            if !any {
                return;
            }
        }
    }

    /// Proposes a batch in one call; each entry has a token.
    fn write(&mut self, batch: u64, size: usize) {
        let first = self.token + 1;
        self.token += batch;
        scale_leader(self, |group| {
            let payload = &group.payload[..size];
            group.hosts[0]
                .node
                .propose_many((first..first + batch).map(|token| (payload, token)))
                .expect("propose_many");
        });
    }

    fn rounds(&mut self, rounds: u64) {
        for _ in 0..rounds {
            self.write(1, SIZE);
            self.settle();
        }
    }

    /// Puts `count` entries in flight before any node hears of them.
    fn in_flight(&mut self, count: u64) {
        for _ in 0..count {
            self.write(1, SIZE);
            scale_leader(self, |group| group.work(0));
        }
        self.settle();
    }

    fn reads(&mut self, count: u64) {
        scale_leader(self, |group| {
            (0..count).for_each(|token| group.hosts[0].node.read_index(token + 1).expect("read_index"))
        });
    }
}

impl Host {
    /// Stores and applies the oldest ready. Messages that waited for the disk leave.
    fn acknowledge(&mut self, inboxes: &mut [Letters]) {
        let Some((number, last)) = self.queue.pop_front() else { return };
        if self.node.config().storage == StorageMode::Sync {
            return self.node.advance(number).expect("advance");
        }
        if let Some(ready) = self.node.view(number) {
            ready
                .messages()
                .filter(|message| message.after())
                .for_each(|message| inboxes[message.to() as usize - 1].take(message));
        }
        self.node.persisted(number).expect("persisted");
        if last > 0 {
            self.node.applied(last).expect("applied");
        }
        self.node.release(number).expect("release");
    }
}

/// The leader's work, in a separate function so that callgrind can count it apart.
#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn scale_leader_share(group: &mut Group, work: &mut dyn FnMut(&mut Group)) {
    work(group);
}

fn scale_leader<T>(group: &mut Group, work: impl FnOnce(&mut Group) -> T) -> T {
    let (mut work, mut outcome) = (Some(work), None);
    scale_leader_share(group, &mut |group| outcome = work.take().map(|work| work(group)));
    outcome.expect("it was called")
}

/// Numbers of callgrind's client requests (callgrind.h).
#[derive(Clone, Copy)]
enum Callgrind {
    Dump = 0x4354_0000,
    Start = 0x4354_0004,
    Stop = 0x4354_0005,
}

/// Makes a client request: four rotations without effect, and an exchange of a register with
/// itself. Only valgrind gives the sequence a meaning.
#[cfg(target_arch = "x86_64")]
fn ask(request: Callgrind) {
    let question = [request as u64, 0, 0, 0, 0, 0];
    // SAFETY: on a processor it changes no register but flags and `rdx`; valgrind reads the six words.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") question.as_ptr(), inout("rdx") 0_u64 => _, options(nostack)
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn ask(_: Callgrind) {}

/// Measures `work`, which does `units` units.
fn measure(value: u64, units: u64, group: &mut Group, mut work: impl FnMut(&mut Group)) {
    // The recent log is full of entries like the counted ones, and drops the oldest as entries
    // come. Entries of outstanding readies stay in the log, so the entries come in small pieces.
    let batch = if group.outstanding == 1 { 16 } else { 1 };
    for _ in 0..RECENT_BYTES / (batch * SIZE as u64) {
        group.write(batch, SIZE);
        group.settle();
    }
    work(group);
    ask(Callgrind::Start);
    work(group);
    ask(Callgrind::Dump);
    ask(Callgrind::Stop);
    println!("value={value} units={units} nodes={}", group.hosts.len());
}

fn run(what: &str, values: &[u64]) {
    // A single log that grows from value to value.
    let mut grown = (what == "log").then(|| Group::new(&Plan::of(3)));
    for &value in values {
        let small = (4096 / value.max(1)).clamp(32, 256);
        match what {
            "voters" => measure(value, small, &mut Group::new(&Plan::of(value)), |group| group.rounds(small)),
            "joint" => {
                let mut plan = Plan::of(value);
                plan.outgoing = (1..value).chain([value + 1]).collect();
                measure(value, small, &mut Group::new(&plan), |group| group.rounds(small));
            }
            "log" => {
                let Some(group) = &mut grown else { return };
                while group.hosts[0].node.status().last_index + 1024 < value {
                    group.write(1024, 0);
                    group.settle();
                }
                measure(value, 256, group, |group| group.rounds(256));
            }
            "terms" => {
                let plan = Plan { terms: value, entries: 10_000_000, ..Plan::of(3) };
                measure(value, 256, &mut Group::new(&plan), |group| group.rounds(256));
            }
            "inflight" => {
                let plan = Plan { in_flight: 1024, ..Plan::of(3) };
                measure(value, 1024, &mut Group::new(&plan), |group| {
                    (0..1024 / value).for_each(|_| group.in_flight(value))
                });
            }
            "outstanding" => {
                let mut group = Group::new(&Plan { storage: StorageMode::Async, in_flight: 4096, ..Plan::of(3) });
                group.outstanding = value as usize + 1;
                measure(value, 2048, &mut group, |group| group.rounds(2048));
            }
            "waiting" => {
                let mut group = Group::new(&Plan::of(3));
                group.reads_wait = true;
                group.reads(value);
                group.settle();
                measure(value, 256, &mut group, |group| group.rounds(256));
                assert_eq!(u64::from(group.hosts[0].node.status().n_reads), value);
            }
            "reads" => measure(value, 1000, &mut Group::new(&Plan::of(3)), |group| {
                for _ in 0..1000 / value {
                    group.reads(value);
                    group.settle();
                }
            }),
            _ => unreachable!("a name of the list"),
        }
    }
}

fn main() {
    let given = std::env::args().nth(1).unwrap_or_default();
    let Some((what, values)) = ALL.into_iter().find(|(what, _)| *what == given) else {
        println!("{}", ALL.map(|(what, _)| what).join(" "));
        return;
    };
    run(what, values);
    bench_kit::tell_heap();
}
