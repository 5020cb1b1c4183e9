//! Runs the suites over each mutant that cargo-mutants would make of the core: minutes instead of hours, since all of them are in one
//! build, and `RAFTCORE_MUTANT` picks one at run time. `make cargo-mutants` calls it:
//!
//! `at-once CARGO-MUTANTS [FILE…]`, in the root of the repository
//!
//! What a mutant is, cargo-mutants says (`--list`); here it is planted (`rewrite`), built (`tree`) and judged (`judge`). It can be stopped,
//! and goes on: a mutant that was killed is not run again while its file stays as it is. Those that live must be known to
//! `tests/mutants/living.txt`, with a reason; any other fails it.

mod cost;
mod judge;
mod living;
mod mutant;
mod report;
mod rewrite;
mod tree;

use std::path::PathBuf;
use std::process::exit;

/// Where everything is built and kept.
const WORK: &str = "target/at-once";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(cargo_mutants) = arguments.next() else {
        eprintln!("usage: at-once CARGO-MUTANTS [FILE...]   (make cargo-mutants)");
        exit(2);
    };
    let files: Vec<String> = arguments.collect();
    match run(&cargo_mutants, &files) {
        Ok(true) => {}
        Ok(false) => exit(1),
        Err(why) => {
            eprintln!("at-once: {why}");
            exit(2);
        }
    }
}

fn run(cargo_mutants: &str, files: &[String]) -> Result<bool, String> {
    let work = PathBuf::from(WORK);
    let known = living::read("tests/mutants/living.txt")?;
    let mut mutants = mutant::list(cargo_mutants, files)?;
    let tree = tree::build(&work, &mut mutants)?;
    judge::judge(&work, &tree, &known, &mut mutants)?;
    report::report(&mutants, &known, files.is_empty())
}
