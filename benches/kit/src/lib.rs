//! Shared parts of the W1 programs: a counting allocator, arguments, proposals, repetitions, and
//! the line of output.

mod proposals;

pub use proposals::Proposals;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

#[cfg(feature = "mimalloc")]
use mimalloc::MiMalloc as Beneath;
#[cfg(not(feature = "mimalloc"))]
use std::alloc::System as Beneath;

/// Counts every call that allocates memory, or more memory, and the bytes of those calls.
struct Counting;

static ALLOCS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

// Load and store instead of a locked add: the programs have one thread, and counting must be cheap.
fn count(bytes: usize) {
    ALLOCS.store(ALLOCS.load(Relaxed) + 1, Relaxed);
    BYTES.store(BYTES.load(Relaxed) + bytes as u64, Relaxed);
}

// SAFETY: every call goes to the allocator beneath unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promised.
        unsafe { Beneath.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promised.
        unsafe { Beneath.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { Beneath.dealloc(at, layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as the caller promised.
        unsafe { Beneath.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the calls of the allocator so far.
pub fn allocs() -> u64 {
    ALLOCS.load(Relaxed)
}

/// Prints the calls of the allocator so far, and the bytes of those calls, where `RAFTCORE_QUESTIONS`
/// is set: `tests/mutants` compares two builds of the core.
pub fn tell_heap() {
    if std::env::var_os("RAFTCORE_QUESTIONS").is_some() {
        let (calls, bytes) = (ALLOCS.load(Relaxed), BYTES.load(Relaxed));
        eprintln!("{calls} calls\n{bytes} bytes");
    }
}

/// The arguments: `ROUNDS BATCH SIZE [REPS]`. Without repetitions the program makes one untimed
/// run, for callgrind.
#[derive(Clone, Copy)]
pub struct Args {
    pub rounds: u64,
    pub batch: usize,
    pub size: usize,
    pub reps: usize,
}

impl Args {
    pub fn from_command_line() -> Self {
        let given: Vec<u64> = std::env::args().skip(1).map_while(|arg| arg.parse().ok()).collect();
        let at = |i: usize, default: u64| given.get(i).copied().unwrap_or(default);
        Self { rounds: at(0, 1024), batch: at(1, 1) as usize, size: at(2, 256) as usize, reps: at(3, 7) as usize }
    }

    /// Returns the variable BLOCK_BYTES: raftcore's `block_bytes`, if not the default.
    pub fn block_bytes() -> Option<u64> {
        std::env::var("BLOCK_BYTES").ok()?.parse().ok()
    }

    /// Returns the rounds between two compactions: 64, or fewer if 64 rounds exceed 64 MiB of
    /// payload in a log.
    pub fn keep(&self) -> u64 {
        64.min((64 << 20) / (self.batch * self.size).max(1) as u64).max(1)
    }

    /// Returns the rounds until the memory is in a steady state: eight compactions, entries of
    /// every length, and as many rounds as fill three blocks of a log. A log alternates between two
    /// blocks if two hold more than the log keeps.
    fn warm_up(&self) -> u64 {
        // raftcore's default, unknown to this crate.
        let three_blocks = 3 * Self::block_bytes().unwrap_or(256 << 10);
        let every_length = proposals::CYCLE.div_ceil(self.batch.max(1)) as u64;
        (self.keep() * 8).max(every_length).max(three_blocks / (self.batch * self.size).max(1) as u64)
    }
}

/// A group of three nodes that does rounds of W1.
pub trait Workload {
    /// Whether the program itself copies messages between two buffers, in place of a kernel.
    const NETWORK: bool;
    /// Does `rounds` rounds, until all three nodes have applied every entry. `twice` carries each
    /// message twice, to measure the cost.
    fn run(&mut self, rounds: u64, twice: bool);
    /// Entries applied by each node.
    fn applied(&self) -> [u64; 3];
}

/// Warms up, repeats, and prints one line: ns per entry, minimum and median; the network's share;
/// allocations per entry.
pub fn measure<W: Workload>(who: &str, args: Args, group: &mut W) {
    group.run(args.warm_up(), false);
    let entries = args.rounds * args.batch as u64;
    let mut once = |twice: bool| {
        let before = group.applied();
        let start = Instant::now();
        group.run(args.rounds, twice);
        let ns = start.elapsed().as_nanos() as f64 / entries as f64;
        assert!(group.applied().iter().zip(before).all(|(now, before)| now - before == entries), "not all applied all");
        ns
    };
    if args.reps == 0 {
        once(false);
        tell_heap();
        return;
    }

    let (mut plain, mut doubled) = (Vec::with_capacity(args.reps), Vec::with_capacity(args.reps));
    let before = allocs();
    for _ in 0..args.reps {
        plain.push(once(false));
        doubled.push(if W::NETWORK { once(true) } else { 0.0 });
    }
    let allocs = allocs() - before;

    plain.sort_by(f64::total_cmp);
    doubled.sort_by(f64::total_cmp);
    let network = if W::NETWORK { (doubled[0] - plain[0]).max(0.0) } else { 0.0 };
    let runs = args.reps as u64 * (1 + u64::from(W::NETWORK));
    println!(
        "who={who} batch={} size={} ns_min={:.2} ns_median={:.2} ns_network={network:.2} allocs={:.4}",
        args.batch,
        args.size,
        plain[0],
        plain[args.reps / 2],
        allocs as f64 / (runs * entries) as f64,
    );
}
