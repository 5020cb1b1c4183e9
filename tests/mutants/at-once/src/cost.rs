//! What a mutant costs: how often workloads of `benches/w1` ask which mutant acts, and what they ask of the heap. All operators ask, so
//! the number of questions stands for the work. The numbers are the same in each run, so one more is too much. Without this judge,
//! nobody would notice a fast way that is never taken, or room that is never asked for beforehand.

use crate::tree::Tree;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Programs and arguments, cheapest first: entries one by one and many at a time, then quantities that W1 does not have.
const WORKLOADS: [(&str, &[&str]); 10] = [
    ("w1", &["1", "1", "256", "0"]),
    ("w1", &["1", "64", "256", "0"]),
    ("w1", &["1", "1", "1000000", "0"]),
    ("scale", &["reads"]),
    ("scale", &["waiting"]),
    ("scale", &["inflight"]),
    ("scale", &["terms"]),
    ("scale", &["outstanding"]),
    ("scale", &["joint"]),
    ("scale", &["voters"]),
];
/// What is counted, as the programs say it.
pub const UNITS: [&str; 3] = ["questions", "calls", "bytes"];
/// A workload that computes for longer hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// A workload, with its counts as things are.
struct Run {
    program: PathBuf,
    arguments: &'static [&'static str],
    without: Counts,
}

type Counts = [u64; UNITS.len()];

pub struct Cost {
    runs: Vec<Run>,
}

impl Cost {
    pub fn of(tree: &Tree) -> Result<Self, String> {
        let run = |&(name, arguments): &(&str, &'static [&'static str])| {
            let program = tree.programs.get(name).ok_or_else(|| format!("no workload {name}"))?.clone();
            let without = counts(&program, arguments, 0);
            let without = without.ok_or_else(|| format!("{name} {} fails without a mutant", arguments.join(" ")))?;
            // A number that is no mutant's: the counts must not change by themselves.
            if counts(&program, arguments, u32::MAX - 1).and_then(|with| more(without, with)).is_some() {
                return Err(format!("{name} {} does not count the same twice", arguments.join(" ")));
            }
            Ok(Run { program, arguments, without })
        };
        Ok(Self { runs: WORKLOADS.iter().map(run).collect::<Result<_, String>>()? })
    }

    /// What a workload takes too much of; a workload that fails or hangs takes too many questions.
    pub fn killer(&self, id: u32) -> Option<&'static str> {
        self.runs.iter().find_map(|run| match counts(&run.program, run.arguments, id) {
            Some(with) => more(run.without, with),
            None => Some(UNITS[0]),
        })
    }
}

/// The first unit of which there is more than there may be.
fn more(without: Counts, with: Counts) -> Option<&'static str> {
    let all = UNITS.iter().zip(without.iter().zip(with));
    all.filter(|(_, (without, with))| with > *without).map(|(unit, _)| *unit).next()
}

fn counts(program: &Path, arguments: &[&str], id: u32) -> Option<Counts> {
    let mut workload = within(LIMIT, program);
    workload.args(arguments).env("RAFTCORE_MUTANT", picked(id)).env("RAFTCORE_QUESTIONS", "1");
    let output = workload.output().ok().filter(|output| output.status.success())?;
    let count = |unit: &str| told(output.stderr.as_slice(), unit);
    let [questions, calls, bytes] = UNITS.map(count);
    Some([questions?, calls?, bytes?])
}

/// A command that ends a program once it has computed for so long.
pub fn within(limit: Duration, program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -t "$1" && shift && exec "$@""#, "sh"]);
    command.arg(limit.as_secs().to_string()).arg(program);
    command
}

/// A mutant's number in the environment, always as long: the environment is on the heap, too.
pub fn picked(id: u32) -> String {
    format!("{id:010}")
}

/// The number before a unit, in what a program says; all of it is read.
pub fn told(says: impl Read, unit: &str) -> Option<u64> {
    let lines = BufReader::new(says).split(b'\n').map_while(Result::ok);
    let number = |line: Vec<u8>| String::from_utf8_lossy(&line).strip_suffix(unit)?.trim_end().parse().ok();
    lines.filter_map(number).last()
}

#[test]
fn more_of_one_unit_is_too_much() {
    assert_eq!(more([1000, 10, 1000], [1000, 10, 1]), None);
    assert_eq!(more([1000, 10, 1000], [1001, 11, 1000]), Some("questions"));
    assert_eq!(more([1000, 10, 1000], [1000, 11, 1000]), Some("calls"));
    assert_eq!(more([1000, 10, 1000], [1000, 10, 1001]), Some("bytes"));
}
