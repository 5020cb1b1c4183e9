//! raftcore and raft-rs in lock-step, by outcome. README.md's tables list the inputs and the outcomes:
//! every run sees each row, and everything seen has a row.

use raft_rs_mixed::lockstep::{Exercised, Lockstep, Stop};
use raft_rs_mixed::member::Tongue;
use raft_rs_mixed::runs::{KNOWN_PANICS, seeds};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Schedules of a run; README.md's counts are theirs.
const USUAL: u64 = 250;
const ROLES: [&str; 4] = ["follower", "candidate", "pre-candidate", "leader"];
const BEGIN: &str = "<!-- exercised -->\n";
const END: &str = "<!-- end -->\n";

/// Runs the schedules, and returns the counts of inputs and outcomes, and of the ends.
fn run(tongue: Tongue, usual: u64) -> (Exercised, Exercised) {
    let (mut total, mut stops) = (Exercised::new(), Exercised::new());
    let mut failed = Vec::new();
    for seed in seeds(usual) {
        match catch_unwind(AssertUnwindSafe(|| Lockstep::new(seed, tongue).run(300))) {
            Ok((stop, exercised)) => {
                exercised.into_iter().for_each(|(what, count)| *total.entry(what).or_default() += count);
                if let Stop::Panicked(text) = &stop {
                    assert!(KNOWN_PANICS.iter().any(|(place, _)| text.starts_with(place)), "seed {seed}: {text}");
                }
                let ended = match stop {
                    Stop::Done => "at its end".to_owned(),
                    Stop::Panicked(text) => format!("panic of raft-rs: {text}"),
                    Stop::Departed(text) => text.to_owned(),
                };
                *stops.entry(ended).or_default() += 1;
            }
            Err(_) => failed.push(seed),
        }
    }
    println!("{tongue:?}:\n{}", tables(&total, &stops));
    assert!(
        failed.is_empty(),
        "seeds that differ: {failed:?}; repeat: SEED={} make raft-rs-seed TEST=lockstep",
        failed[0]
    );
    (total, stops)
}

/// Splits the name of an input at a role.
fn at_role(what: &str) -> Option<(&str, usize)> {
    ROLES.iter().enumerate().find_map(|(role, name)| {
        what.strip_suffix(name).and_then(|what| what.strip_suffix(" at a ")).map(|what| (what, role))
    })
}

/// Prints the counts as README.md has them.
fn tables(total: &Exercised, stops: &Exercised) -> String {
    let mut text = "| input | at a follower | candidate | pre-candidate | leader |\n|---|---|---|---|---|\n".to_owned();
    let inputs: BTreeSet<&str> = total.keys().filter_map(|what| at_role(what)).map(|(what, _)| what).collect();
    for what in inputs {
        let count = |role: &&str| total.get(&format!("{what} at a {role}")).map_or(String::new(), u64::to_string);
        text += &format!("| {what} | {} |\n", ROLES.iter().map(count).collect::<Vec<_>>().join(" | "));
    }
    text += "\n| outcome | |\n|---|---|\n";
    for (what, count) in total.iter().filter(|(what, _)| at_role(what).is_none()) {
        text += &format!("| {what} | {count} |\n");
    }
    text += "\n| a schedule ended | |\n|---|---|\n";
    stops.iter().for_each(|(what, count)| text += &format!("| {what} | {count} |\n"));
    text
}

/// Returns the names in tables, without the counts.
fn names(tables: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for row in tables.lines().filter(|row| row.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        for (column, cell) in cells.iter().enumerate().skip(1) {
            if cell.parse::<u64>().is_ok_and(|count| count > 0) {
                let column = if cells.len() > 2 { ROLES[column - 1] } else { "" };
                names.insert(format!("{} {column}", cells[0]));
            }
        }
    }
    names
}

/// Holds README.md's tables against a run. With REWRITE=1 the tables are written anew.
fn check_readme(tables: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let page = std::fs::read_to_string(path).expect("README.md");
    let (head, rest) = page.split_once(BEGIN).expect("a mark before the tables");
    let (old, tail) = rest.split_once(END).expect("a mark behind the tables");
    if std::env::var("REWRITE").is_ok() {
        return std::fs::write(path, format!("{head}{BEGIN}{tables}{END}{tail}")).expect("README.md");
    }
    let (here, there) = (names(tables), names(old));
    let never: Vec<_> = there.difference(&here).collect();
    assert!(never.is_empty(), "rows of README.md that were never exercised: {never:?}");
    let new: Vec<_> = here.difference(&there).collect();
    assert!(new.is_empty(), "README.md has no rows for {new:?}: REWRITE=1 make raft-rs-seed TEST=lockstep");
}

#[test]
fn pairs_of_both_libraries_show_equal_states_and_say_the_same() {
    let (total, stops) = run(Tongue::Eraftpb, USUAL);
    if seeds(USUAL) == (0..USUAL) {
        check_readme(&tables(&total, &stops));
    }
    let runs: u64 = stops.values().sum();
    let done = stops.get("at its end").copied().unwrap_or(0);
    // A fifth ends where raftcore learns a commit index from a vote.
    assert!(runs < 40 || done * 10 >= runs * 6, "of {runs} schedules only {done} came to their end: {stops:?}");
}

#[test]
fn in_raftpb_votes_tell_no_commit_index_and_the_rest_is_equal() {
    run(Tongue::Raftpb, 50);
}
