//! Scenarios of raft-rs's own tests, in our words: each runs on groups of either library and of
//! both, and all groups end in equal states. README.md's table names every scenario.

mod elections;
mod membership;
mod reads;
mod replication;
pub mod script;
mod snapshots;
mod transfers;

use raft_rs_mixed::member::Kind;
use script::Group;
use std::panic::catch_unwind;

/// A scenario: raft-rs's tests with the same outcome, and scripts, parted by a bar.
pub struct Scenario {
    pub raft_rs: &'static [&'static str],
    pub name: &'static str,
    pub script: &'static str,
}

/// Returns all scenarios.
pub fn all() -> Vec<&'static Scenario> {
    let lists = [
        elections::SCENARIOS,
        replication::SCENARIOS,
        snapshots::SCENARIOS,
        membership::SCENARIOS,
        reads::SCENARIOS,
        transfers::SCENARIOS,
    ];
    lists.into_iter().flatten().collect()
}

fn ours(_: u64) -> Kind {
    Kind::Raftcore
}

fn theirs(_: u64) -> Kind {
    Kind::RaftRs
}

fn odd(id: u64) -> Kind {
    if id % 2 == 1 { Kind::Raftcore } else { Kind::RaftRs }
}

fn even(id: u64) -> Kind {
    if id % 2 == 0 { Kind::Raftcore } else { Kind::RaftRs }
}

#[test]
fn scenarios_of_raft_rs_end_alike_in_groups_of_either_library_and_of_both() {
    let kinds = [("raftcore", ours as fn(u64) -> Kind), ("raft-rs", theirs), ("odd", odd), ("even", even)];
    let mut failed = Vec::new();
    for scenario in all() {
        for script in scenario.script.split('|') {
            let mut ends = Vec::new();
            for (name, kind) in kinds {
                match catch_unwind(|| Group::run(kind, script)) {
                    Ok(end) => ends.push(end),
                    Err(_) => failed.push(format!("{} with {name}: {}", scenario.name, script.trim())),
                }
            }
            if ends.windows(2).any(|pair| pair[0] != pair[1]) {
                eprintln!("{ends:#?}");
                failed.push(format!("{}: the groups end differently: {}", scenario.name, script.trim()));
            }
        }
    }
    assert!(failed.is_empty(), "{} scripts failed:\n{}", failed.len(), failed.join("\n"));
}
