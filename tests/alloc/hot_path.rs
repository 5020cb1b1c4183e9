//! Nothing is taken from the heap on the hot path: `tick`, `step` of a steady group's messages, `propose`, `read_index`, `ready`, its
//! views, `advance` and its three parts; leader and followers, in each storage mode.

use crate::group::Group;
use crate::heap;
use raftcore::{Config, StorageMode};

const BLOCK: usize = 64 << 10;
/// A record is the payload and some twenty bytes of term, index and lengths: the longest payload that surely fits into a block.
const LARGEST: usize = BLOCK - 32;
/// The longest payload of all: it has a block of its own, and several of them fill the recent log.
const LONGEST: usize = 9 * BLOCK;
/// Rounds of the warm-up, besides the largest ones.
const WARM_UP: u64 = 1_000;

fn config(id: u64, storage: StorageMode) -> Config {
    let mut config = Config::new(id);
    config.seed = id;
    config.storage = storage;
    config.block_bytes = BLOCK as u64;
    config.recent_bytes = 4 << 20;
    config.max_outstanding = 8;
    config.flags = config.flags.with(raftcore::Flags::FORWARDING, true);
    config
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// What a run is made of, and how much of each there was.
#[derive(Debug, Default)]
struct Done {
    rounds: u64,
    entries: u64,
    forwarded: u64,
    reads: u64,
    ticks: u64,
    tokens: u64,
}

struct Run {
    group: Group,
    payload: Vec<u8>,
    random: u64,
    done: Done,
}

impl Run {
    fn new(storage: StorageMode) -> Self {
        let seed = number("ALLOC_SEED").unwrap_or(1);
        let group = Group::new(|id| config(id, storage));
        Self { group, payload: vec![7; LONGEST], random: seed, done: Done::default() }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 29)) % bound
    }

    /// A batch in one call, each entry with a token.
    fn write(&mut self, batch: u64, size: usize) {
        self.payload[0] = self.payload[0].wrapping_add(1);
        let (payload, first) = (&self.payload[..size], self.done.tokens + 1);
        self.group.leader().propose_many((first..first + batch).map(|token| (payload, token))).unwrap();
        self.done.entries += batch;
        self.done.tokens += batch;
    }

    /// One entry without a token, in two parts.
    fn write_parts(&mut self, size: usize) {
        let (head, tail) = self.payload[..size].split_at(size / 2);
        self.group.leader().propose_parts([head, tail].into_iter(), 0).unwrap();
        self.done.entries += 1;
    }

    fn forward(&mut self, at: u64, size: usize) {
        self.group.hosts[at as usize - 1].node.propose(&self.payload[..size], 1).unwrap();
        self.done.entries += 1;
        self.done.forwarded += 1;
    }

    fn read(&mut self, at: u64, count: u64) {
        for token in 1..=count {
            self.group.node(at).read_index(token).unwrap();
        }
        self.done.reads += count;
    }

    fn tick(&mut self) {
        self.group.hosts.iter_mut().for_each(|host| host.node.tick(1).unwrap());
        self.done.ticks += 1;
    }

    /// Everything at once, and more of it than any other round has.
    fn largest_round(&mut self) {
        self.write(64, 256);
        self.write(8, LARGEST);
        self.write(256, 16);
        self.forward(2, 300);
        self.forward(3, 300);
        for at in [1, 2, 3] {
            self.read(at, 32);
        }
        self.tick();
    }

    /// Until everything has been as large as it will be: a recent log full of the shortest entries, one full of the longest, several
    /// of the largest rounds outstanding in every host and on their way to a follower that hears nothing.
    fn warm_up(&mut self) {
        for _ in 0..1_000 {
            self.write(256, 0);
            self.group.settle();
        }
        for _ in 0..20 {
            self.write(8, LARGEST);
            self.group.settle();
        }
        for _ in 0..20 {
            self.write(1, LONGEST);
            self.group.settle();
        }
        for round in 0..64 {
            self.group.depth = 1 + round % 6;
            self.group.deaf = Some(2 + round as u64 % 2);
            self.largest_round();
            self.group.settle();
            for batch in [256, 256, 256, 256, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] {
                self.write(batch, 16);
                self.forward(2, 16);
                self.read(1, 2);
                self.group.settle();
            }
            self.group.deaf = None;
            self.group.settle();
            self.group.compact();
        }
        for _ in 0..WARM_UP {
            self.round();
        }
    }

    /// Some of it, by chance.
    fn round(&mut self) {
        self.done.rounds += 1;
        match self.below(64) {
            0..32 => {
                let size = self.below(600) as usize;
                self.write(1, size);
            }
            32..40 => {
                let size = self.below(600) as usize;
                self.write_parts(size);
            }
            40 => self.write(64, 256),
            41 => self.write(256, 16),
            42..46 => self.write(16, 64),
            46 => {
                let size = LARGEST - self.below(2000) as usize;
                self.write(1, size);
            }
            47 => {
                let size = BLOCK + self.below((LONGEST - BLOCK) as u64 + 1) as usize;
                self.write(1, size);
            }
            48..52 => {
                let at = 2 + self.below(2);
                self.forward(at, 300);
            }
            52..56 => self.read(1, 3),
            56..60 => {
                let at = 2 + self.below(2);
                self.read(at, 3);
            }
            60 => {
                self.write(4, 100);
                self.read(1, 1);
                self.read(3, 1);
                self.forward(2, 50);
                self.tick();
            }
            61 => self.group.looked_at(),
            62 => self.group.depth = 1 + self.below(6) as usize,
            _ => self.tick(),
        }
        self.group.settle();
        // A follower that hears nothing for six rounds: what is sent to it piles up, and its window with it.
        match self.done.rounds % 256 {
            100 => self.group.deaf = Some(2 + self.done.rounds / 256 % 2),
            106 => self.group.deaf = None,
            _ => {}
        }
        // Half of the time nothing is compacted, and the recent log gives up what is oldest by itself.
        if self.done.rounds.is_multiple_of(64) && self.done.rounds & 4096 == 0 {
            self.group.compact();
        }
    }
}

fn nothing_is_taken(storage: StorageMode) {
    let mut run = Run::new(storage);
    run.warm_up();

    // Over the three modes.
    let rounds = number("ALLOC_ROUNDS").unwrap_or(100_000) / 3 + 1;
    let before = heap::now().calls;
    heap::forbid(true);
    for round in 0..rounds {
        run.round();
        let calls = heap::now().calls - before;
        assert_eq!(
            calls, 0,
            "{storage:?}: round {round} after the warm-up takes memory; see above where: {:?}",
            run.done
        );
    }
    heap::forbid(false);

    run.group.deaf = None;
    run.group.settle();
    let heard = run.group.same_everywhere();
    let all = |part: fn(&crate::group::Heard) -> u64| run.group.hosts.iter().map(|host| part(&host.heard)).sum::<u64>();
    // The group's and the term's first entry are nobody's proposals.
    assert_eq!(heard.applied, 2 + run.done.entries);
    assert_eq!((heard.tokens, all(|heard| heard.reads)), (run.done.tokens, run.done.reads));
    println!("{storage:?}: 0 calls of the allocator in {:?}", run.done);
}

#[test]
fn nothing_is_taken_in_sync_mode() {
    nothing_is_taken(StorageMode::Sync);
}

#[test]
fn nothing_is_taken_in_async_mode() {
    nothing_is_taken(StorageMode::Async);
}

#[test]
fn nothing_is_taken_in_messages_mode() {
    nothing_is_taken(StorageMode::Messages);
}

/// The other tests can fail: the first entry of its length takes a block of its own, and the test sees that. The block is kept for
/// the next such entry.
#[test]
fn what_is_taken_is_seen() {
    let mut run = Run::new(StorageMode::Sync);
    run.warm_up();
    run.payload.resize(2 * LONGEST, 7);
    for (calls, what) in [(3, "a block at each node"), (0, "the block of the entry before")] {
        let before = heap::now();
        run.write(1, LONGEST + BLOCK);
        run.group.settle();
        assert_eq!(heap::now().calls - before.calls, calls, "{what}");
        run.write(1, LARGEST);
        run.group.settle();
        run.group.compact();
    }
}
