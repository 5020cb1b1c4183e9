//! The negative control: without the dialect eraftpb, the same schedules fail.

use raft_rs_mixed::member::Tongue;
use raft_rs_mixed::plan::Plan;
use raft_rs_mixed::theirs::quietly;
use raft_rs_mixed::world::{End, World};

/// Returns the first failure of 60 schedules: a broken promise, or a panic of raft-rs.
fn first_failure(change: impl Fn(&mut Plan)) -> Option<String> {
    let failure = |seed| {
        let mut plan = Plan::mixed(seed, Tongue::Raftpb);
        change(&mut plan);
        match quietly(|| World::new(plan).run().0) {
            Err(text) | Ok(End::Panicked(text)) => Some(text),
            Ok(_) => None,
        }
    };
    (0..60).find_map(failure)
}

#[test]
fn learners_of_the_other_dialect_part_the_memberships_or_panic_raft_rs() {
    let text = first_failure(|plan| (plan.changes, plan.from_zero, plan.learners) = (true, false, true));
    let text = text.expect("the numbers of changes differ");
    println!("{text}");
    // The last two are prost's words and protobuf's.
    let words = ["another membership", "Unknown enum variant", "InvalidEnumValue"];
    assert!(words.iter().any(|word| text.contains(word)), "{text}");
}

#[test]
fn priorities_of_the_other_dialect_are_refused() {
    let text = first_failure(|plan| (plan.priorities, plan.crashes) = (true, true)).expect("field 14 differs");
    println!("{text}");
    assert!(text.contains("malformed bytes"), "{text}");
}

#[test]
fn contexts_are_lost_in_the_other_dialect() {
    let text = first_failure(|plan| plan.contexts = true).expect("raftpb has no contexts");
    println!("{text}");
    assert!(text.contains("another entry") || text.contains("malformed bytes"), "{text}");
}

#[test]
fn the_same_schedules_pass_in_eraftpb() {
    for seed in 0..60 {
        let plan = Plan {
            changes: true,
            from_zero: false,
            learners: true,
            priorities: true,
            contexts: true,
            crashes: true,
            ..Plan::mixed(seed, Tongue::Eraftpb)
        };
        let (end, _) = World::new(plan).run();
        assert!(end != End::Stranded, "seed {seed}");
    }
}
