//! One schedule of calls, replayed from every language: see README.md. Here it is made, and replayed from Rust.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chance;
mod draw;
mod hosts;
mod replay;

use raftcore::Flags;
use replay::Replay;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What each line does beside its call, from every face.
const IMPLIED: &[&str] = &["digest", "error_detail", "flatten"];

/// What a process does once, before all else, and only from C: tests/c/set_heap.c.
const BEFORE: &[&str] = &["set_heap"];

#[test]
fn a_schedule_covers_the_abi_and_gives_the_same_from_rust_again() {
    let seed = chance::seed();
    println!("FACES_SEED={seed} make faces");
    let (lines, made) = hosts::schedule(seed);

    let mut again = Replay::default();
    lines.iter().for_each(|line| again.run(line));

    assert_eq!(made.out.len(), again.out.len());
    for ((line, one), other) in lines.iter().zip(&made.out).zip(&again.out) {
        assert_eq!(one, other, "{line}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faces");
    fs::create_dir_all(&folder).unwrap();
    let text = format!("raftcore schedule 1 seed {seed}\n{}\n", lines.join("\n"));
    fs::write(folder.join("schedule.txt"), text).unwrap();
    fs::write(folder.join("rust.txt"), made.out.join("\n") + "\n").unwrap();
    let missing: Vec<String> = functions().into_iter().filter(|name| !made.succeeded.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "in no schedule, or refused wherever they are: {missing:?}");
    let missing = draw::missing(started(&lines, &made).into_iter());
    assert!(missing.is_empty(), "flags that no node starts with, or every node: {missing:?}");
    println!("{} calls of {} functions; with each line {IMPLIED:?}", lines.len(), made.succeeded.len());
}

/// The flags of each start of a node.
fn started(lines: &[String], made: &Replay) -> Vec<Flags> {
    let starts = lines.iter().zip(&made.out).filter(|(_, out)| out.starts_with("new 0 "));
    // Behind the call and its place: id, group, seed, flags.
    starts.map(|(line, _)| Flags(line.split(' ').nth(5).unwrap().parse().unwrap())).collect()
}

/// The functions of the header, without their prefix, but for those that every line implies.
fn functions() -> BTreeSet<String> {
    let header = include_str!("../../include/raftcore.h");
    let declared = header.lines().filter_map(|line| line.strip_prefix("raftcore_"));
    let names = declared.filter_map(|line| line.split_once('(')).map(|(name, _)| name.to_string());
    let names: BTreeSet<String> =
        names.filter(|name| !IMPLIED.iter().chain(BEFORE).any(|other| other == name)).collect();
    assert!(names.len() > 50 && names.contains("tick"), "{names:?}");
    names
}
