//! Tests of the commands in documents: a target of make exists, and the filter of a `cargo test --test SUITE FILTER` chooses at least one
//! test. Without this test, a command with a wrong filter would pass, and show nothing.

use std::collections::BTreeMap;

use super::{none, rust_files, tree, words};

#[test]
fn commands_in_documents_find_something() {
    let (targets, tests) = (targets(), tests());
    let (mut faults, mut seen) = (Vec::new(), 0);
    for page in tree().into_iter().filter(|file| file.kind() == "md") {
        for (command, number) in commands(&page.text) {
            let (called, filter) = (command.strip_prefix("make "), command.strip_prefix("cargo test --test "));
            seen += usize::from(called.is_some() || filter.is_some());
            let missing = called.and_then(|rest| no_target(rest, &targets)).or_else(|| no_test(filter?, &tests));
            faults.extend(missing.map(|why| format!("{}:{number}: {why}: {command}", page.name)));
        }
    }
    assert!(seen > 200, "{seen} commands");
    none(faults);
}

/// Returns the text between backquotes, and the lines of blocks without remarks, each with a line number.
fn commands(page: &str) -> Vec<(&str, usize)> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for (line, number) in page.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            found.push((line.trim_start().split("  ").next().unwrap_or_default(), number));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(|part| (part, number)));
        }
    }
    found
}

/// Names the first target that does not exist. Words with `=` are variables.
fn no_target(rest: &str, targets: &str) -> Option<String> {
    let is_name =
        |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let names = rest.split_whitespace().take_while(is_name);
    names.filter(|name| !targets.contains(&format!("\n{name}:"))).map(|name| format!("no target {name}")).next()
}

/// Says whether the suite is missing, or a test for the filter.
fn no_test(rest: &str, tests: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let mut words = rest.split_whitespace();
    let suite = words.next()?;
    let Some(tests) = tests.get(suite) else { return Some(format!("no suite {suite}")) };
    let filter = words.next().filter(|word| !word.starts_with('-'))?;
    (!tests.iter().any(|test| test.contains(filter))).then(|| format!("no test of {suite} fits {filter}"))
}

/// Returns all makefiles as a single text, with an empty line before each file.
fn targets() -> String {
    let makefiles = tree().into_iter().filter(|file| file.kind() == "mk" || file.name == "Makefile");
    makefiles.map(|file| format!("\n{}", file.text)).collect()
}

/// Returns the functions of each suite, as `file::function`.
fn tests() -> BTreeMap<String, Vec<String>> {
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust_files("tests") {
        let path: Vec<&str> = file.name.trim_end_matches(".rs").split('/').collect();
        let (Some(suite), Some(module)) = (path.get(1), path.last()) else { continue };
        let functions = file.text.split("fn ").skip(1).filter_map(|part| words(part).next());
        tests.entry((*suite).to_string()).or_default().extend(functions.map(|name| format!("{module}::{name}")));
    }
    tests
}
