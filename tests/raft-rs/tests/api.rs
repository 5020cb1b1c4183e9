//! docs/from-raft-rs.md against the crate `raft`: the page names everything public of raft-rs's node,
//! readies, status, configuration, storage and errors, and no name that the crate lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compared files. The files of raft-rs's log, tracker and quorum are inner parts.
const FILES: [&str; 8] = [
    "raw_node.rs",
    "raft.rs",
    "config.rs",
    "status.rs",
    "storage.rs",
    "read_only.rs",
    "tracker/progress.rs",
    "errors.rs",
];
/// Parts of those files without a way in from a `RawNode`: the bookkeeping of reads.
const INNER: [&str; 8] = [
    "option",
    "pending_read_index",
    "read_index_queue",
    "add_request",
    "recv_ack",
    "last_pending_request_ctx",
    "req",
    "acks",
];
/// The last heading before the printed programs.
const END: &str = "## The examples of raft-rs";

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the program runs");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

/// Returns the folder of the crate's sources.
fn sources() -> PathBuf {
    let version = output("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let arguments = ["metadata", "--locked", "--offline", "--format-version", "1"];
    let further = ["--filter-platform", host, "--manifest-path", manifest];
    let cargo = std::env::var("CARGO").expect("cargo runs the tests");
    let metadata = output(&cargo, &[&arguments[..], &further].concat());
    let end = "/raft-0.7.0/Cargo.toml\"";
    let (before, _) = metadata.split_once(end).expect("the crate raft 0.7.0");
    let folder = &before[before.rfind('"').map_or(0, |at| at + 1)..];
    Path::new(folder).join("raft-0.7.0/src")
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// Collects the public names of a file: fields and methods, the methods of `trait Storage`, and the
/// variants of errors. rustfmt has indented all of these by four.
fn public(text: &str, names: &mut BTreeSet<String>) {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut item = "";
    for line in code.lines() {
        if !line.starts_with([' ', '}', '#', '/']) {
            item = line;
        }
        let Some(inside) = line.strip_prefix("    ").filter(|inside| !inside.starts_with(' ')) else { continue };
        let declared = match inside.strip_prefix("pub ") {
            Some(rest) => rest,
            None if item.starts_with("pub trait") && inside.starts_with("fn ") => inside,
            None if item.starts_with("pub enum") && item.contains("Error") && !inside.starts_with(['#', '/']) => inside,
            None => continue,
        };
        let name = word(declared.strip_prefix("fn ").unwrap_or(declared));
        if !name.is_empty() {
            names.insert(name.to_owned());
        }
    }
}

/// Returns the names in the code spans of a text.
fn spans(text: &str) -> BTreeSet<String> {
    let code = text.split('`').skip(1).step_by(2);
    code.flat_map(|span| span.split(|c: char| !c.is_alphanumeric() && c != '_')).map(str::to_owned).collect()
}

#[test]
fn the_page_names_everything_public_of_raft_rs() {
    let folder = sources();
    let mut names = BTreeSet::new();
    for file in FILES {
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        public(&text, &mut names);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/from-raft-rs.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let (page, _) = page.split_once(END).expect("the page prints the examples last");
    assert!(names.len() > 200, "only {} public names in {}", names.len(), folder.display());

    let named = spans(page);
    let missing: Vec<&str> = names.iter().map(String::as_str).filter(|name| !named.contains(*name)).collect();

    let inner: BTreeSet<&str> = INNER.into_iter().collect();
    let missing: BTreeSet<&str> = missing.into_iter().collect();
    assert_eq!(missing, inner, "public in raft-rs and not in docs/from-raft-rs.md left, the known ones right");
}

#[test]
fn the_page_names_nothing_that_raft_rs_lacks() {
    let folder = sources();
    let mut code = String::new();
    let mut folders = vec![folder];
    while let Some(next) = folders.pop() {
        for path in std::fs::read_dir(next).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                code += &std::fs::read_to_string(path).expect("a text");
            }
        }
    }
    let words: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/from-raft-rs.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let (page, _) = page.split_once(END).expect("the page prints the examples last");
    let left = |row: &str| row.split('|').nth(1).map(str::to_owned);

    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let unknown: BTreeSet<String> =
        rows.filter_map(left).flat_map(|cell| spans(&cell)).filter(|name| !words.contains(name.as_str())).collect();

    assert!(unknown.is_empty(), "the left columns of docs/from-raft-rs.md name {unknown:?}, and raft-rs does not");
}
