//! Runs the programs of W1 cell by cell, all in turn. Writes a table, and its figures as JSON.
//! `mk/bench.mk` calls it:
//!
//! `bench REPORT-DIR INSTRUCTIONS-SCRIPT PROGRAM…` with BATCHES, SIZES (lists with commas), PASSES
//! and REPS from the environment. With ALIKE=1, the programs propose entries of equal lengths
//! without tokens.
//!
//! A program prints its name. Programs that differ only in the codec after a hyphen
//! (`raft-rs-prost`) count as one program, with the better of each figure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const WHO: [&str; 6] = ["raftcore-rust", "raftcore-c", "go-host", "python-host", "raft-rs", "floor"];

/// Figures of a program at one batch and size, per entry.
#[derive(Clone, Copy)]
struct Figures {
    ns_min: f64,
    ns_median: f64,
    /// The network's share, in addition: two more copies, done by the kernel on a real host.
    ns_network: f64,
    instructions: f64,
    instructions_network: f64,
    /// Not finite: not counted.
    allocs: f64,
}

impl Figures {
    /// Returns the better of two, figure by figure.
    fn better(self, other: Self) -> Self {
        Self {
            ns_min: self.ns_min.min(other.ns_min),
            ns_median: self.ns_median.min(other.ns_median),
            ns_network: self.ns_network.min(other.ns_network),
            instructions: self.instructions.min(other.instructions),
            instructions_network: self.instructions_network.min(other.instructions_network),
            allocs: self.allocs.min(other.allocs),
        }
    }
}

fn list(name: &str, default: &str) -> Vec<usize> {
    let given = std::env::var(name).unwrap_or_else(|_| default.to_string());
    given.split(',').map(|number| number.trim().parse().unwrap_or_else(|_| panic!("{name}: `{number}`"))).collect()
}

/// Runs a command and returns the output, which has the figures.
fn output(command: &mut Command) -> String {
    let done = command.stderr(Stdio::inherit()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?} failed");
    String::from_utf8(done.stdout).expect("text")
}

/// Returns rounds for some 40 ms a repetition, in whole spans between compactions.
fn rounds(batch: usize, size: usize) -> usize {
    let guess = 3000.0 + batch as f64 * (200.0 + size as f64 * 0.25);
    let keep = (64_usize << 20).checked_div(batch * size).unwrap_or(1).clamp(1, 64);
    ((40e6 / guess) as usize / keep).max(2) * keep
}

/// Returns a program pinned to the last processor, if pinning is possible.
fn pinned(program: &str) -> Command {
    let last = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) - 1;
    let has_taskset = Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok();
    let mut command = if has_taskset { Command::new("taskset") } else { Command::new(program) };
    if has_taskset {
        command.args(["-c", &last.to_string(), program]);
    }
    // raft-rs's allocator keeps its memory. Returning and refaulting memory would dominate the
    // cost.
    command.env("MIMALLOC_PURGE_DELAY", "-1");
    command
}

/// Times a program once. Returns its name, and the figures by name.
fn timed(program: &str, batch: usize, size: usize, reps: usize) -> (String, BTreeMap<String, f64>) {
    let args = [rounds(batch, size), batch, size, reps].map(|number| number.to_string());
    let text = output(pinned(program).args(args));
    let mut who = String::new();
    let mut numbers = BTreeMap::new();
    for (name, value) in text.split_whitespace().filter_map(|word| word.split_once('=')) {
        match value.parse() {
            Ok(number) => _ = numbers.insert(name.to_string(), number),
            Err(_) => who = value.to_string(),
        }
    }
    (who, numbers)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs all programs at one batch and size, in turn, several times.
fn cell(programs: &[String], script: &str, batch: usize, size: usize) -> BTreeMap<String, Figures> {
    let (passes, reps) = (list("PASSES", "3")[0], list("REPS", "5")[0]);
    let mut samples: Vec<(String, Vec<BTreeMap<String, f64>>)> = vec![(String::new(), vec![]); programs.len()];
    for _ in 0..passes {
        for (program, (name, found)) in programs.iter().zip(&mut samples) {
            let (who, numbers) = timed(program, batch, size, reps);
            *name = who;
            found.push(numbers);
        }
    }

    let mut cell: BTreeMap<String, Figures> = BTreeMap::new();
    for (program, (who, found)) in programs.iter().zip(samples) {
        let all = |name: &str| found.iter().map(|numbers| numbers[name]).collect::<Vec<_>>();
        let least = |name: &str| all(name).into_iter().fold(f64::INFINITY, f64::min);
        let network = median(all("ns_network"));
        let counted = output(Command::new(script).args([program, &batch.to_string(), &size.to_string()]));
        let counted: Vec<f64> = counted.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [nodes, whole] = counted[..] else { panic!("{script} {program}: {counted:?}") };
        let figures = Figures {
            ns_min: (least("ns_min") - network).max(0.0),
            ns_median: (median(all("ns_median")) - network).max(0.0),
            ns_network: network,
            instructions: nodes,
            instructions_network: whole - nodes,
            allocs: least("allocs"),
        };
        let peer = WHO.into_iter().find(|name| who.starts_with(name)).unwrap_or_else(|| panic!("who is `{who}`?"));
        cell.entry(peer.to_string()).and_modify(|best| *best = best.better(figures)).or_insert(figures);
    }
    cell
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [report, script, programs @ ..] = &args[..] else { panic!("usage: bench REPORT-DIR SCRIPT PROGRAM…") };
    let mixed = !std::env::var("ALIKE").is_ok_and(|given| given == "1");
    let mut json = Vec::new();
    let mut rows = Vec::new();
    let mut ratios = Vec::new();
    for size in list("SIZES", "16,256,4096") {
        for batch in list("BATCHES", "1,16,64,256") {
            eprintln!("batch {batch}, {size} bytes");
            let cell = cell(programs, script, batch, size);
            for who in WHO {
                let Some(f) = cell.get(who) else { continue };
                let counted = |text: String, none: &str| if f.allocs.is_finite() { text } else { none.to_string() };
                json.push(format!(
                    "{{\"who\": \"{who}\", \"batch\": {batch}, \"size\": {size}, \"mixed\": {mixed}, \"tokens\": {}, \
                     \"ns_min\": {:.2}, \"ns_median\": {:.2}, \
                     \"instructions\": {:.0}, \"allocs\": {}}}",
                    // raft-rs and the floor have no network.
                    mixed && who != "raft-rs" && who != "floor",
                    f.ns_min,
                    f.ns_median,
                    f.instructions,
                    counted(format!("{:.4}", f.allocs), "null")
                ));
                rows.push(format!(
                    "| {size} | {batch} | {who} | {:.0} | {:.0} | {:.0} | {} | {:.0} | {:.0} |",
                    f.ns_min,
                    f.ns_median,
                    f.instructions,
                    counted(format!("{:.2}", f.allocs), "-"),
                    f.ns_network,
                    f.instructions_network
                ));
            }
            ratios.extend(ratio_row(&cell, batch, size));
        }
    }

    let mut text = String::from(
        "| size | batch | who | ns, min | ns, median | instructions | allocations | network, ns | network, instructions |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    rows.iter().for_each(|row| _ = writeln!(text, "{row}"));
    text.push_str(
        "\n| size | batch | raft-rs / raftcore, ns | instructions | raftcore / floor, ns | instructions | C / Rust, ns | \
         instructions | Go / C, ns | instructions | Python, entries a second |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    ratios.iter().for_each(|row| _ = writeln!(text, "{row}"));
    println!("{text}");

    let report = Path::new(report);
    fs::create_dir_all(report).expect("the report's folder");
    fs::write(report.join("bench.json"), format!("[\n{}\n]\n", json.join(",\n"))).expect("bench.json");
    fs::write(report.join("bench.md"), text).expect("bench.md");
}

fn ratio_row(cell: &BTreeMap<String, Figures>, batch: usize, size: usize) -> Option<String> {
    let of = |a: &str, b: &str, figure: fn(&Figures) -> f64| -> String {
        match (cell.get(a), cell.get(b)) {
            (Some(a), Some(b)) => format!("{:.2}", figure(a) / figure(b)),
            _ => "-".to_string(),
        }
    };
    let (ns, instructions): (fn(&Figures) -> f64, fn(&Figures) -> f64) = (|f| f.ns_min, |f| f.instructions);
    cell.get("raftcore-rust")?;
    Some(format!(
        "| {size} | {batch} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        of("raft-rs", "raftcore-rust", ns),
        of("raft-rs", "raftcore-rust", instructions),
        of("raftcore-rust", "floor", ns),
        of("raftcore-rust", "floor", instructions),
        of("raftcore-c", "raftcore-rust", ns),
        of("raftcore-c", "raftcore-rust", instructions),
        of("go-host", "raftcore-c", ns),
        of("go-host", "raftcore-c", instructions),
        cell.get("python-host").map_or("-".to_string(), |python| format!("{:.0}", 1e9 / python.ns_min)),
    ))
}
