//! Tests of commit messages.

use std::io::Write as _;
use std::process::Command;

use super::{none, top};

/// Messages before this commit were held to no form.
const FIRST_HELD: &str = "d59af3deae0b513f28a19df74f5e4c790cb879c3";

/// A subject fits a line of a log, and a body says why. Merges are git's.
#[test]
fn commits_have_a_short_subject_and_a_body() {
    let base = FIRST_HELD;
    if !top().join(".git").exists() {
        return skipped("commit messages: no .git here");
    }
    if git(&["cat-file", "-e", &format!("{base}^{{commit}}")]).is_none() {
        return skipped(&format!("commit messages: {base} is not in this clone"));
    }
    let log = git(&["log", "--no-merges", "--format=%h%x00%s%x00%b%x01", &format!("{base}..HEAD")]).expect("git log");
    none(log.split('\u{1}').filter(|entry| !entry.trim().is_empty()).filter_map(fault_of_a_message).collect());
}

/// A message as `hash NUL subject NUL body`.
fn fault_of_a_message(entry: &str) -> Option<String> {
    const WIDTH: usize = 70;
    let [hash, subject, body] = entry.trim_start().splitn(3, '\0').collect::<Vec<_>>()[..] else {
        return Some(format!("not a message: {entry:?}"));
    };
    let width = subject.chars().count();
    let is_trailer =
        |line: &str| line.split_once(": ").is_some_and(|(key, _)| key.ends_with("-by") && !key.contains(' '));
    if width > WIDTH {
        Some(format!("{hash}: a subject of {width} columns, {WIDTH} at most: {subject}"))
    } else if !body.lines().any(|line| !line.trim().is_empty() && !is_trailer(line)) {
        Some(format!("{hash}: no body that says why: {subject}"))
    } else {
        None
    }
}

#[test]
fn messages_without_form_are_found() {
    let long = "x".repeat(71);
    assert_eq!(fault_of_a_message("\n1a2b\0raft: one gate\0The gate decides.\n"), None);
    assert!(fault_of_a_message(&format!("1a2b\0{long}\0Why.\n")).unwrap().contains("71 columns"));
    assert!(fault_of_a_message("1a2b\0raft: one gate\0\nSigned-off-by: A <a@b>\n").unwrap().contains("no body"));
}

/// Returns the output of git; `None` if git fails.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(top()).args(args).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            assert!(
                std::env::var("CI").map_or(true, |value| value != "true"),
                "git: {error}, and with CI=true nothing is skipped"
            );
            return None;
        }
    };
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Prints a line past the test harness, which hides the output of a passing test. `mk/stages`
/// repeats lines of the form.
fn skipped(why: &str) {
    std::io::stdout().write_all(format!("\nskipped: {why}\n").as_bytes()).unwrap();
}
