//! Many schedules in a row: seeds from the environment, a failure told with its seed, and counters.

use crate::tally::Tally;
use crate::world::{End, World};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Panics of raft-rs 0.7.0 that correct members of either library bring about, by file and line.
pub const KNOWN_PANICS: [(&str, &str); 4] = [
    ("raft.rs:943", "a leader applies its own removal, and commits on"),
    ("raft.rs:1055", "the same, when a write becomes durable"),
    ("raft.rs:1225", "a candidate applies its own removal, and then gets the votes"),
    ("raft.rs:1543", "a node campaigns between the installation of a snapshot and its confirmation"),
];

/// Returns the seeds to run: `SEED=n` a single one, `SEEDS=n` the first n, else `usual`.
pub fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(usual),
    }
}

/// Runs each seed, and merges the counters.
///
/// # Panics
/// If a seed fails: with the seeds that failed, and the command that repeats the first. If raft-rs
/// panics in a way that is not known. If more than one schedule of a hundred ends early.
pub fn run_all(test: &str, seeds: std::ops::Range<u64>, run: impl Fn(u64) -> (End, World)) -> Tally {
    let mut total = Tally::default();
    let (mut failed, mut early) = (Vec::new(), Vec::new());
    let count = seeds.end - seeds.start;
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok((end, world)) => {
                total.merge(&world.tally);
                match end {
                    End::Settled => {}
                    End::Panicked(text) if !KNOWN_PANICS.iter().any(|(place, _)| text.starts_with(place)) => {
                        eprintln!("seed {seed}: raft-rs panicked: {text}");
                        failed.push(seed);
                    }
                    End::Panicked(_) | End::Stranded | End::Unanswered => early.push((seed, end)),
                }
            }
            Err(_) => failed.push(seed),
        }
        if failed.len() >= 10 {
            break;
        }
    }
    if let Some(seed) = failed.first() {
        panic!("seeds that failed: {failed:?}; repeat the first: SEED={seed} make raft-rs-seed TEST={test}");
    }
    assert!(early.len() as u64 <= 1 + count / 50, "too many schedules ended early: {early:?}");
    println!("{test}: {count} schedules, {} of them ended early: {early:?}\n{}", early.len(), total.table());
    total
}
