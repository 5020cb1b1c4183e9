//! Groups of both libraries under faults: the promises of `book` hold, and a calm group goes on.

use raft_rs_mixed::member::Tongue;
use raft_rs_mixed::plan::Plan;
use raft_rs_mixed::runs::{run_all, seeds};
use raft_rs_mixed::world::World;

/// Counters that are above zero for both libraries, or the schedules say nothing.
const NEEDED: &[&str] = &[
    "terms led by",
    "entries committed in terms of",
    "memberships changed under",
    "joint memberships entered under",
    "changes proposed at",
    "snapshots installed from the other kind by",
    "reads by quorum answered at",
    "reads by lease answered at",
    "transfers asked at",
    "crashed",
    "commit groups set at",
    "entries committed by two groups under",
];

/// Counters of what only the dialect eraftpb has.
const NEEDED_OF_ERAFTPB: &[&str] = &[
    "memberships with learners under",
    "contexts committed in terms of",
    "snapshots requested by",
    "requested snapshots installed from the other kind by",
    "priorities set at",
    "priorities set in a group with learners at",
];

/// Runs the usual number of seeds, or those of the environment, and holds the counters.
fn run(test: &str, usual: u64, needed: &[&'static str], run: impl Fn(u64) -> (raft_rs_mixed::world::End, World)) {
    let seeds = seeds(usual);
    let alone = seeds.end - seeds.start < 40;
    let missing = run_all(test, seeds, run).missing(needed);
    assert!(alone || missing.is_empty(), "never seen: {missing:?}");
}

#[test]
fn groups_of_both_libraries_agree_under_faults() {
    let needed = [NEEDED, NEEDED_OF_ERAFTPB].concat();
    run("mixed", 500, &needed, |seed| World::new(Plan::mixed(seed, Tongue::Eraftpb)).run());
}

/// Without learners, priorities, contexts and requested snapshots, no dialect is needed.
#[test]
fn groups_of_both_libraries_agree_in_raftpb_too_without_what_eraftpb_adds() {
    run("mixed", 150, NEEDED, |seed| World::new(Plan::mixed(seed, Tongue::Raftpb)).run());
}

#[test]
fn members_that_change_their_library_at_restarts_agree_under_faults() {
    let needed = [NEEDED, &["replaced on the same disk by"]].concat();
    run("mixed", 300, &needed, |seed| {
        World::new(Plan { swaps: 50, crashes: true, ..Plan::mixed(seed, Tongue::Eraftpb) }).run()
    });
}

#[test]
fn a_group_is_replaced_member_by_member_and_back() {
    run("mixed", 100, &["replaced on the same disk by", "terms led by"], |seed| {
        World::new(Plan::replaced(seed, Tongue::Eraftpb)).run_replacement()
    });
}

#[test]
fn equal_seeds_give_equal_runs() {
    for seed in 0..4 {
        let digests = [0, 1].map(|_| World::new(Plan::mixed(seed, Tongue::Eraftpb)).run().1.digest);
        assert_eq!(digests[0], digests[1], "seed {seed}");
    }
}
