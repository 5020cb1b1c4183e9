//! Draws flags and limits: for each group, and for each start of a node.
//!
//! A flag that the library learns is drawn from then on: the bits come from [`Flags::KNOWN`], their names from the header. Combinations
//! that [`Config::check`] refuses are drawn again.

use crate::chance::Chance;
use raftcore::{Config, Flags, StorageMode};

/// Flags that all nodes of a group must have, or none. All others may differ from node to node, and from start to start.
const ALL_OR_NONE: &[Flags] =
    &[Flags::TRANSFER_FENCE, Flags::COMMIT_IN_VOTES, Flags::NO_CONF_VALIDATION, Flags::CONF_APART];

/// The flags of some groups. Each known flag is on in one group, and off in another. At least two groups know the index of
/// their configuration, which `propose_conf_at` needs.
pub fn groups(chance: &mut Chance, count: usize) -> Vec<Flags> {
    let mut lacking = Vec::new();
    for _ in 0..10_000 {
        let drawn: Vec<Flags> = (0..count).map(|_| valid(|| Flags(chance.next() & Flags::KNOWN.0))).collect();
        lacking = missing(drawn.iter().copied());
        let known = drawn.iter().filter(|flags| flags.0 & Flags::CONF_APART.0 == 0).count();
        if lacking.is_empty() && known >= 2 {
            return drawn;
        }
    }
    panic!("flags that no combination has on, or off: {lacking:?}");
}

/// The flags of one start of a node: those of its group, a quarter of them turned.
pub fn turned(chance: &mut Chance, group: Flags) -> Flags {
    let common = ALL_OR_NONE.iter().fold(0, |bits, flag| bits | flag.0);
    valid(|| Flags(group.0 ^ (chance.next() & chance.next() & Flags::KNOWN.0 & !common)))
}

/// Flags that change at run time, here on some nodes and not on others: see `Node::set_flags`.
const CHANGING: &[Flags] = &[
    Flags::PRE_VOTE,
    Flags::CHECK_QUORUM,
    Flags::FORWARDING,
    Flags::BATCH_APPEND,
    Flags::NOMINATE_SUCCESSOR,
    Flags::RETIRE_GRACEFULLY,
    Flags::QUIET_COMMIT,
    Flags::REPORT_COMMIT,
    Flags::SPARE_HEARTBEATS,
    Flags::YIELD_TO_PRIORITY,
];

/// Some of the flags that change at run time.
pub fn changing(chance: &mut Chance) -> Flags {
    Flags(chance.next() & CHANGING.iter().fold(0, |bits, flag| bits | flag.0))
}

fn valid(mut draw: impl FnMut() -> Flags) -> Flags {
    loop {
        let flags = draw();
        if (Config { flags, seed: 1, ..Config::new(1) }).check().is_ok() {
            return flags;
        }
    }
}

/// The timing of a group. A node that is quicker than others and does not ask before it campaigns can keep all from winning.
pub fn timing(chance: &mut Chance) -> (u32, u32) {
    (chance.of(&[10, 10, 5, 20]), chance.of(&[1, 1, 2]))
}

/// The limits of one start: often roomy, sometimes as narrow as a group can work with.
pub fn limits(chance: &mut Chance, config: &mut Config) {
    config.own_write_timeout_ticks = chance.of(&[100, 0, 30]);
    config.election_jitter_ticks = chance.of(&[0, 0, 3]);
    config.peer_lags_ticks = chance.of(&[0, 15]);
    config.no_leader_ticks = chance.of(&[0, 25]);
    config.max_entries_per_msg = chance.of(&[0, 0, 2]);
    config.caught_up_entries = chance.of(&[0, 1, 40]);
    config.read_timeout_ticks = chance.of(&[20, 5]);
    config.snapshot_timeout_ticks = chance.of(&[600, 20, 0]);
    config.vote_fence_ticks = chance.of(&[config.vote_fence_ticks, 0, 5]);
    config.priority = chance.of(&[0, 0, 1, -1]);
    config.max_inflight_msgs = chance.of(&[8, 256, 1]);
    config.max_outstanding = chance.of(&[8, 3, 2]);
    config.max_entries_per_ready = chance.of(&[1024, 1024, 4, 1]);
    config.max_messages = chance.of(&[1024, 64, 16]);
    config.max_reads = chance.of(&[16, 2]);
    config.max_tokens = chance.of(&[64, 4]);
    config.catchup_bytes = chance.of(&[16 << 10, 4 << 10]);
    config.max_size_per_msg = chance.of(&[2 << 10, 2 << 10, 1 << 20, 1]);
    config.max_committed_size_per_ready = chance.of(&[4 << 20, 1 << 10]);
    config.max_uncommitted_size = chance.of(&[8 << 20, 16 << 10]);
    config.max_inflight_bytes = chance.of(&[0, 4 << 10]);
    config.max_apply_unpersisted = if config.storage == StorageMode::Async { chance.of(&[2, 0]) } else { 0 };
    // The recent log stays small, so that a node that was away needs fetches and snapshots.
    config.recent_bytes = 32 << 10;
    config.block_bytes = 4 << 10;
    config.max_snapshot_bytes = 1 << 10;
}

/// Names of the flags that are on nowhere, or off nowhere.
pub fn missing(drawn: impl Iterator<Item = Flags> + Clone) -> Vec<String> {
    let on = drawn.clone().fold(0, |bits, flags| bits | flags.0);
    let off = drawn.fold(0, |bits, flags| bits | !flags.0);
    names(Flags(Flags::KNOWN.0 & !(on & off)))
}

/// The names of some flags, as in the header.
pub fn names(flags: Flags) -> Vec<String> {
    let header = include_str!("../../include/raftcore.h");
    let mut rest = flags.0;
    let mut names = Vec::new();
    for line in header.lines().filter_map(|line| line.strip_prefix("#define RAFTCORE_FLAG_")) {
        let mut words = line.split_whitespace();
        let (name, value) = (words.next().unwrap(), words.next().unwrap());
        let bit: u64 = value.trim_start_matches("UINT64_C(").trim_end_matches(')').parse().unwrap();
        if rest & bit != 0 {
            rest &= !bit;
            names.push(name.to_string());
        }
    }
    assert_eq!(rest, 0, "flags of the library that the header lacks: `make header`");
    names
}
