//! README.md's table of raft-rs's tests: a row for both libraries names a scenario with the row's
//! tests, and any other row names a test of this tree.

use crate::scenarios;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Adds the names of the functions below a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            functions(&entry, names);
        } else if entry.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&entry).expect("a text");
            let words = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            names.extend(words.map(str::to_owned));
        }
    }
}

#[test]
fn the_table_names_scenarios_and_tests_that_are_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for folder in ["api", "paper", "scenarios"] {
        functions(&here.join("..").join(folder), &mut names);
    }
    functions(&here.join("../../src"), &mut names);
    let page = std::fs::read_to_string(here.join("README.md")).expect("README.md");
    let (mut both, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for row in page.lines().filter(|line| line.starts_with("| `test_")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [tests, name, on] = cells[..] else { panic!("three columns: {row}") };
        let (name, tests) = (name.trim_matches('`'), tests.replace(['`', ','], ""));
        for test in tests.split_whitespace() {
            assert!(seen.insert(test.to_owned()), "{test} has two rows");
        }
        match on {
            "both" => _ = both.insert(name.to_owned(), tests),
            _ => assert!(on.starts_with("raftcore: ") && names.contains(name), "no such test: {row}"),
        }
    }
    let scenarios: BTreeMap<String, String> =
        scenarios::all().iter().map(|scenario| (scenario.name.to_owned(), scenario.raft_rs.join(" "))).collect();
    assert_eq!(both, scenarios, "README.md's rows left, the scenarios right");
    let count: usize = both.values().map(|tests| tests.split_whitespace().count()).sum();
    let total = seen.len();
    assert!(page.contains(&format!("The {total} tests of raft-rs's harness")), "{total} tests have rows");
    assert!(page.contains(&format!("Of these, {count} run")), "{count} tests run on both");
}
