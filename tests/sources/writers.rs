//! Tests of invariants of `ARCHITECTURE.md` that name a single place in `src/`: the only writers of
//! a field, and the only doors of `ffi` into the crate.

use super::{File, core_files, none};

/// A field, the ends of an assignment to the field, and the files that may assign, with how often.
struct Field {
    name: &'static str,
    written: &'static [&'static str],
    writers: &'static [(&'static str, usize)],
}

const FIELDS: &[Field] = &[
    Field { name: "role", written: &["self.role =", "raft.role ="], writers: &[("src/raft/role.rs", 4)] },
    Field { name: "term", written: &["self.term =", "raft.term ="], writers: &[("src/raft/role.rs", 1)] },
    Field { name: "vote", written: &["self.vote =", "raft.vote ="], writers: &[("src/raft/role.rs", 3)] },
    Field { name: "leader", written: &["self.leader =", "raft.leader ="], writers: &[("src/raft/role.rs", 1)] },
    Field {
        name: "the commit index of the log",
        written: &["log.commit ="],
        writers: &[("src/raft/replication.rs", 1), ("src/log/boot.rs", 1)],
    },
    Field {
        name: "a message's mark that the disk comes first",
        written: &["message.after ="],
        writers: &[("src/outbox.rs", 1)],
    },
];

/// What `ffi` uses beside the public face: unit and item.
const DOORS: &[&str] = &["crate::ready::view::RawEntry"];

#[test]
fn fields_with_an_invariant_are_written_where_the_map_says() {
    let files = core_files();
    let mut faults = Vec::new();
    for field in FIELDS {
        for file in &files {
            let count = assignments(file, field.written);
            let allowed = field.writers.iter().find(|(name, _)| *name == file.name).map_or(0, |(_, count)| *count);
            // The vote of a peer's progress is another field of the same name.
            if count != allowed && !(field.name == "vote" && file.name == "src/peers/progress.rs") {
                faults.push(format!("{}: writes {} {count} times, not {allowed}", file.name, field.name));
            }
        }
    }
    none(faults);
}

fn assignments(file: &File, written: &[&str]) -> usize {
    let code = file.code();
    let starts =
        |line: &str, end: &str| line.match_indices(end).any(|(at, _)| !line[at + end.len()..].starts_with('='));
    code.lines().filter(|line| written.iter().any(|end| starts(line, end))).count()
}

#[test]
fn ffi_has_no_other_doors_than_the_map_says() {
    let faults = core_files().into_iter().filter(|file| file.name.starts_with("src/ffi/")).flat_map(|file| {
        let code = file.code();
        let inner = |line: &&str| line.contains("crate::node::") || line.contains("crate::ready::");
        let stranger = |line: &&str| !DOORS.iter().any(|door| line.contains(door));
        let lines: Vec<String> = code.lines().filter(inner).filter(stranger).map(String::from).collect();
        lines
            .into_iter()
            .map(move |line| format!("{}: `{}` is no door of tests/sources/writers.rs", file.name, line.trim()))
    });
    none(faults.collect());
}
