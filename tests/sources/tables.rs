//! Tests of the tables in documents: a file, a test, a suite or a target that a table names exists.

use std::collections::BTreeSet;
use std::fs;

use super::{Scenario, none, rust_files, top, tree, words};

/// Rows of `docs/found.md` end with tests, by name or by file. Each section of `docs/departures.md`
/// has a line for every test.
#[test]
fn tables_name_their_tests() {
    let functions =
        |text: &str| text.split("fn ").skip(1).filter_map(|part| words(part).next().map(str::to_string)).collect();
    let tests: BTreeSet<String> =
        rust_files("").iter().flat_map(|file| -> Vec<String> { functions(&file.text) }).collect();
    let read = |name: &str| fs::read_to_string(top().join(name)).unwrap();
    let (found, departures) = (read("docs/found.md"), read("docs/departures.md"));
    let last_column = |row| str::trim_end_matches(row, '|').rsplit('|').next().unwrap();
    let rows: Vec<_> = rows_of(&found).map(|row| ("docs/found.md", row, last_column(row).to_string())).collect();
    let sections: Vec<_> = sections_of(&departures)
        .map(|(title, text)| {
            let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("- Test: ")).collect();
            ("docs/departures.md", title, lines.join(" "))
        })
        .collect();
    assert!(rows.len() > 40 && sections.len() > 50, "{} rows, {} sections", rows.len(), sections.len());
    let mut faults = Vec::new();
    for (page, place, shown) in rows.into_iter().chain(sections) {
        let shown = quoted(&shown);
        if shown.is_empty() {
            faults.push(format!("{page}: no test for {place}"));
        }
        let missing = shown.into_iter().filter(|test| !tests.contains(*test) && !top().join(test).is_file());
        faults.extend(missing.map(|test| format!("{page}: no test `{test}`")));
    }
    none(faults);
}

/// A name in the tables of tests of the replicated databases is a test in Python, or a file beside the tests.
#[test]
fn databases_name_their_tests() {
    let mut faults = Vec::new();
    for (database, heading) in
        [("redis", "Traps and tests"), ("sqlite", "Traps and tests"), ("sqlite", "The states of a commit")]
    {
        let page = fs::read_to_string(top().join(format!("examples-c/{database}/README.md"))).unwrap();
        let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
        let files: Vec<_> =
            tree().into_iter().filter(|file| file.name.starts_with(&format!("tests/{database}/"))).collect();
        let rows: Vec<&str> = rows_of(section).collect();
        assert!(rows.len() > 10, "{database}, {heading}: {} rows", rows.len());
        for row in rows {
            for name in quoted(row.trim_end_matches('|').rsplit('|').next().unwrap()) {
                let stem = name.trim_end_matches('…');
                let known = files
                    .iter()
                    .any(|file| file.name.ends_with(&format!("/{name}")) || file.text.contains(&format!("def {stem}")))
                    || top().join(format!("examples-c/{database}/{name}")).is_file();
                if !known {
                    faults.push(format!("examples-c/{database}/README.md: no test `{name}`"));
                }
            }
        }
    }
    none(faults);
}

/// In the section "I changed X" of `tests/README.md`, a name with a slash is a file, and a command
/// names targets of make or suites of cargo.
#[test]
fn tests_are_where_the_guide_says() {
    let page = fs::read_to_string(top().join("tests/README.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("I changed X")).unwrap();
    let rows: Vec<&str> = rows_of(section).collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    let makefiles: Vec<_> = tree().into_iter().filter(|file| file.kind() == "mk" || file.name == "Makefile").collect();
    let is_target = |name: &str| {
        let rule = format!("{name}:");
        makefiles.iter().any(|file| file.text.lines().any(|line| line.starts_with(&rule)))
    };
    let is_suite = |name: &str| {
        ["tests/NAME.rs", "tests/NAME/main.rs"].iter().any(|path| top().join(path.replace("NAME", name)).is_file())
    };

    let mut faults = Vec::new();
    let mut expect = |holds: bool, fault: String| {
        if !holds {
            faults.push(format!("tests/README.md: {fault}"))
        }
    };
    for row in rows {
        let (files, commands): (Vec<&str>, Vec<&str>) = quoted(row).into_iter().partition(|part| part.contains('/'));
        expect(!files.is_empty(), format!("no file in {row}"));
        for file in files {
            expect(top().join(file).is_file(), format!("no file {file}"));
        }
        for command in commands {
            let after = |start: &str| command.split_once(start).map_or("", |(_, rest)| rest).split_whitespace();
            for target in after("make ") {
                expect(is_target(target), format!("no target {target}"));
            }
            for suite in after("cargo test --test ").take(1) {
                expect(is_suite(suite), format!("no suite {suite}"));
            }
        }
    }
    none(faults);
}

/// The README counts the planted faults and the scenarios, and shows the instructions that `make
/// bench-check` holds.
#[test]
fn the_readme_counts_what_is_there() {
    let page = fs::read_to_string(top().join("README.md")).unwrap();
    let claimed = |what: &str| -> usize {
        let before = page.split_once(what).unwrap_or_else(|| panic!("README.md says nothing of {what}")).0;
        before.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap()
    };
    let edits = fs::read_dir(top().join("tests/faults")).unwrap().map(|entry| entry.unwrap().path());
    let edits = edits.filter(|path| path.extension().is_some_and(|extension| extension == "edit"));
    let planted = edits.map(|path| fs::read_to_string(path).unwrap().matches("\nfault ").count()).sum();
    assert_eq!((claimed(" planted faults"), claimed(" known failures")), (planted, Scenario::all().count()));

    let held = fs::read_to_string(top().join("benches/held.txt")).unwrap();
    let held = |program: &str| {
        let lines = held.lines().filter_map(|line| line.strip_prefix(program)?.strip_prefix(" host "));
        lines.map(|line| line.rsplit(' ').next().unwrap().to_string()).collect::<Vec<_>>()
    };
    for (row, program) in [("raftcore from Rust", "w1-rust"), ("from C", "w1-c")] {
        let line = rows_of(&page).find(|line| line.contains(row)).unwrap().replace(',', "");
        let shown: Vec<&str> = line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).skip(1).collect();
        assert_eq!(shown, held(program), "{row}");
    }
}

/// Returns the rows of all tables of a document, without the heads.
fn rows_of(page: &str) -> impl Iterator<Item = &str> {
    let lines = page.lines().zip(page.lines().skip(1).chain([""]));
    let is_rule = |line: &str| line.starts_with("|-");
    lines.filter(move |(line, next)| line.starts_with('|') && !is_rule(line) && !is_rule(next)).map(|(line, _)| line)
}

/// Returns title and text of the sections below `###`.
fn sections_of(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("\n### ").skip(1).map(|section| {
        let (title, text) = section.split_once('\n').unwrap_or((section, ""));
        (title, text.split("\n## ").next().unwrap_or(text))
    })
}

/// The parts of a line between backquotes.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// A line of `living.txt` that names a function which is gone would hide the next mutant of the same name.
#[test]
fn living_mutants_are_in_functions_that_exist() {
    let list = fs::read_to_string(top().join("tests/mutants/living.txt")).unwrap();
    let lines: Vec<&str> = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() > 50, "{} lines", lines.len());
    let gone = |line: &&str| {
        let (file, what) = line.split_once(": ")?;
        let text = fs::read_to_string(top().join(file)).unwrap_or_default();
        let place = what.split(" -> ").next()?.split(" with ").next()?;
        let place = what.rsplit_once(" in ").map_or(place, |(_, place)| place);
        let function = place.rsplit([' ', ':']).next()?;
        let exists = function.contains('*') || text.contains(&format!("fn {function}("));
        (!exists && !text.contains(&format!("fn {function}<"))).then(|| (*line).to_string())
    };
    none(lines.iter().filter_map(gone).collect());
}
