//! The planted faults of `tests/faults/*.edit` fit the core's sources as they are, and an edit that does not fit is named. Whether the
//! suites find each fault, `make mutants-quick` shows. So do the edits of `benches/ways.edit`, which switch special ways off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "planter/src/edits.rs"]
mod edits;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn faults() -> Vec<edits::Fault> {
    edits::read(&top().join("tests/faults")).unwrap()
}

#[test]
fn each_edit_fits_the_sources_just_once() {
    if let Err(misfits) = edits::plant_all(top(), &faults()) {
        panic!("\n{misfits}\nWhoever changes a rule changes its fault, too: tests/faults/README.md\n");
    }
}

#[test]
fn each_edit_of_a_special_way_fits_the_sources_just_once() {
    let ways = edits::read_file(&top().join("benches/ways.edit")).unwrap();
    assert!(!ways.is_empty());
    let misfits: Vec<String> = ways.iter().filter_map(|way| edits::make_only(top(), way).err()).collect();
    assert!(misfits.is_empty(), "\n{}\nWhoever changes a special way changes its edit, too.\n", misfits.join("\n"));
}

#[test]
fn each_fault_has_a_test_that_finds_it() {
    let faults = faults();
    let planted: BTreeSet<&str> = faults.iter().map(|fault| fault.name.as_str()).collect();
    let killers = fs::read_to_string(top().join("tests/mutants/killers.txt")).unwrap();
    let killed: BTreeSet<&str> = killers.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(faults.len() >= 95, "{} faults: none is given up without a word here", faults.len());
    assert_eq!(planted.len(), faults.len(), "two faults have one name");
    assert_eq!(planted, killed, "REWRITE=1 make mutants writes tests/mutants/killers.txt anew");
}

/// What becomes of this function with a fault of these lines.
fn planted(edit: &str) -> Result<String, String> {
    let text = "impl Votes {\n    pub fn count(&self) -> u64 {\n        let sum = self.sum();\n        sum + 1\n    }\n\n    \
                fn sum(&self) -> u64 {\n        let one = 1;\n        let two = 1;\n        let two = 1;\n        one + two\n    }\n}\n";
    let faults = edits::parse("a.edit", &format!("fault 1 Miscounts\nA vote is lost.\n{edit}"))?;
    edits::plant("src/a.rs", text, &faults)
}

#[test]
fn a_function_becomes_a_choice_of_bodies() {
    let text = planted("@ src/a.rs count\n- sum + 1\n+ sum\n").unwrap();
    let count = "impl Votes {\n    pub fn count(&self) -> u64 {\nmatch crate::planted::fault() {\n// Miscounts: A vote is lost.\n1 => {\n        \
                 let sum = self.sum();\nsum\n}\n_ => {\n        let sum = self.sum();\n        sum + 1\n}\n}\n    }\n\n    fn sum(";
    assert!(text.starts_with(count), "{text}");
    assert!(text.ends_with("        one + two\n    }\n}\n"), "{text}");
    // Of another file, nothing.
    assert!(!planted("@ src/b.rs count\n- sum + 1\n+ sum\n").unwrap().contains("planted"));
}

#[test]
fn an_edit_that_does_not_fit_just_once_is_named_with_its_place() {
    let absent = planted("@ src/a.rs count\n- sum + 2\n+ sum\n").unwrap_err();
    assert!(absent.starts_with("a.edit:3: Miscounts does not fit: "), "{absent}");
    assert!(absent.contains("stand in `count` of src/a.rs 0 times, not once:\n    sum + 2"), "{absent}");
    // A part of a line is none, and lines of another function don't count.
    assert!(planted("@ src/a.rs count\n- sum\n+ 0\n").unwrap_err().contains(" 0 times"));
    assert!(planted("@ src/a.rs count\n- let one = 1;\n+ let one = 2;\n").unwrap_err().contains(" 0 times"));
    assert!(planted("@ src/a.rs sum\n- let two = 1;\n+ let two = 2;\n").unwrap_err().contains(" 2 times"));
    assert!(planted("@ src/a.rs total\n- sum\n+ 0\n").unwrap_err().contains("src/a.rs has 0 functions `total`"));
}

#[test]
fn a_file_of_edits_that_is_not_understood_is_refused() {
    for (text, why) in [
        ("fault One\n", "a.edit:1: not `fault NUMBER NAME`"),
        ("fault 1 One\nWords.\n@ src/a.rs\n", "a.edit:3: not `@ FILE FUNCTION`"),
        ("fault 1 One\nWords.\n- a\n", "a.edit:3: a line before any `@`"),
        ("- a\n", "a.edit:1: this line means nothing here"),
        ("fault 1 One\nWords.\n@ src/a.rs b\n- a\nmore words\n", "a.edit:5: this line means nothing here"),
        ("fault 1 One\nWords.\n@ src/a.rs b\n+ a\n", "a.edit: One needs a sentence, and edits with old lines"),
        ("fault 1 One\n@ src/a.rs b\n- a\n", "a.edit: One needs a sentence, and edits with old lines"),
    ] {
        let said = edits::parse("a.edit", text).unwrap_err();
        assert!(said.starts_with(why), "{said}");
    }
}
