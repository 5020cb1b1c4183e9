//! How the cost of an entry grows. Runs `benches/w1/src/bin/scale.rs` under callgrind, once for
//! each subject, and writes a table and a plot. `mk/bench.mk` calls it:
//!
//! `scale-report REPORT-DIR PROGRAM`
//!
//! The report fails if a cost grows by more than its limit over the whole range.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio, exit};

/// A quantity that grows.
struct Subject {
    /// Name in the program.
    name: &'static str,
    title: &'static str,
    /// Unit of the cost.
    unit: &'static str,
    /// Whether the leader's cost is per follower.
    per_follower: bool,
    /// Highest allowed ratio of the largest cost to the cost at the first value.
    limit: f64,
}

const SUBJECTS: [Subject; 8] = [
    Subject { name: "voters", title: "voters", unit: "entry", per_follower: true, limit: 1.25 },
    Subject {
        name: "joint",
        title: "voters in each half of a joint configuration",
        unit: "entry",
        per_follower: true,
        limit: 1.25,
    },
    Subject { name: "log", title: "entries in the log", unit: "entry", per_follower: false, limit: 1.06 },
    Subject {
        name: "terms",
        title: "terms in a log of 10,000,000 entries",
        unit: "entry",
        per_follower: false,
        limit: 1.03,
    },
    Subject {
        name: "inflight",
        title: "appends in flight to each follower",
        unit: "entry",
        per_follower: false,
        limit: 1.03,
    },
    Subject {
        name: "outstanding",
        title: "batches outstanding (ASYNC)",
        unit: "entry",
        per_follower: false,
        limit: 1.25,
    },
    Subject { name: "waiting", title: "reads that wait meanwhile", unit: "entry", per_follower: false, limit: 1.03 },
    Subject { name: "reads", title: "reads that share a round", unit: "read", per_follower: false, limit: 1.03 },
];

/// Instructions for an entry or read: the leader's (per follower, if the subject says so), and a
/// follower's.
#[derive(Clone, Copy)]
struct Point {
    value: u64,
    leader: f64,
    follower: f64,
}

/// One of the two costs of a point.
type Cost = fn(&Point) -> f64;

/// Returns the instructions of a dump, and the leader's share.
fn read_dump(path: &Path) -> (u64, u64) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut total, mut leader) = (0, 0);
    // A function's name stands at the first use of its number.
    let mut numbers = BTreeSet::new();
    let mut called = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("totals: ") {
            total = rest.trim().parse().expect("a number");
        } else if let Some((kind, name)) = line.split_once("fn=").filter(|(kind, _)| matches!(*kind, "" | "c")) {
            let number = name.split(' ').next().unwrap_or("");
            if name.contains("scale_leader_share") {
                numbers.insert(number.to_string());
            }
            called = kind == "c" && numbers.contains(number);
        } else if line.starts_with("calls=")
            && let Some(cost) = lines.next().filter(|_| called)
        {
            leader += cost.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok()).expect("a cost");
        }
    }
    (total, leader)
}

fn measure(program: &str, subject: &Subject, folder: &Path) -> Vec<Point> {
    let out = folder.join(subject.name);
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--instr-atstart=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .args([program, subject.name])
        // Large copies count as vector copies, not as `rep movsb`, which callgrind counts as an
        // instruction per byte.
        .env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000")
        .stderr(Stdio::null())
        .output()
        .expect("valgrind runs");
    assert!(run.status.success(), "{program} {} fails", subject.name);

    let text = String::from_utf8(run.stdout).expect("text");
    let said = text.lines().map(|line| {
        let mut numbers =
            line.split(' ').map(|part| part.split_once('=').and_then(|(_, number)| number.parse::<u64>().ok()));
        [(); 3].map(|()| numbers.next().flatten().expect("three numbers"))
    });
    said.zip(1..)
        .map(|([value, units, nodes], dump)| {
            let (total, leader) = read_dump(&folder.join(format!("{}.{dump}", subject.name)));
            let (units, followers) = (units as f64, (nodes - 1) as f64);
            let share = if subject.per_follower { followers } else { 1.0 };
            Point {
                value,
                leader: leader as f64 / units / share,
                follower: (total - leader) as f64 / units / followers,
            }
        })
        .collect()
}

/// Returns the ratio of the largest cost to the cost at the first value.
fn growth(points: &[Point], cost: Cost) -> f64 {
    let dearest = points.iter().map(cost).fold(0.0, f64::max);
    points.first().map_or(1.0, |first| dearest / cost(first))
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// 10,000,000 as 10M.
fn short(number: u64) -> String {
    match number {
        1_000_000.. => format!("{}M", number / 1_000_000),
        1_000.. if number.is_multiple_of(1000) => format!("{}k", number / 1000),
        _ => number.to_string(),
    }
}

fn table(all: &[(&Subject, Vec<Point>)]) -> String {
    let mut text = String::from("| what grows | value | leader | a follower |\n|---|---|---|---|\n");
    for (subject, points) in all {
        for point in points {
            let per = if subject.per_follower { " for each follower" } else { "" };
            _ = writeln!(
                text,
                "| {} | {} | {} an {}{per} | {} |",
                subject.title,
                thousands(point.value),
                thousands(point.leader.round() as u64),
                subject.unit,
                thousands(point.follower.round() as u64),
            );
        }
    }
    text.replace(" an read", " a read")
}

// ---- the plot: a panel for each subject

const WIDE: f64 = 330.0;
const HIGH: f64 = 210.0;
const COLUMNS: usize = 4;
/// Left, right, top, bottom of the area in a panel.
const MARGINS: [f64; 4] = [52.0, 14.0, 44.0, 34.0];
const LEADER: &str = "#0b6e99";
const FOLLOWER: &str = "#c4652d";

fn plot(all: &[(&Subject, Vec<Point>)]) -> String {
    let rows = all.len().div_ceil(COLUMNS);
    let (wide, high) = (WIDE * COLUMNS as f64, HIGH * rows as f64 + 40.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" fill=\"#333\">\n\
         <rect width=\"{wide}\" height=\"{high}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"14\" font-weight=\"bold\">Instructions for an entry of 256 bytes, or a read</text>\n"
    );
    for (at, (name, colour)) in [("leader", LEADER), ("a follower", FOLLOWER)].into_iter().enumerate() {
        let x = 470.0 + 110.0 * at as f64;
        _ = writeln!(
            svg,
            "<path d=\"M{x} 20h24\" stroke=\"{colour}\" stroke-width=\"2\"/><circle cx=\"{}\" cy=\"20\" r=\"3\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"24\">{name}</text>",
            x + 12.0,
            x + 30.0
        );
    }
    for (at, (subject, points)) in all.iter().enumerate() {
        let (x, y) = (WIDE * (at % COLUMNS) as f64, HIGH * (at / COLUMNS) as f64 + 36.0);
        _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        panel(&mut svg, subject, points);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, subject: &Subject, points: &[Point]) {
    let [left, right, top, bottom] = MARGINS;
    let (wide, high) = (WIDE - left - right, HIGH - top - bottom);
    let most = points.iter().flat_map(|point| [point.leader, point.follower]).fold(0.0, f64::max);
    let step = nice_step(most);
    let ceiling = (most * 1.05 / step).ceil() * step;
    let to_y = |cost: f64| top + high * (1.0 - cost / ceiling);
    let to_x = |at: usize| left + wide * (at as f64 + 0.5) / points.len() as f64;

    let per = if subject.per_follower { ", the leader's for each follower" } else { "" };
    _ = writeln!(svg, "<text x=\"{left}\" y=\"20\" font-weight=\"bold\">{}</text>", subject.title);
    _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"35\" fill=\"#777\">a{} {}{per}</text>",
        if subject.unit == "entry" { "n" } else { "" },
        subject.unit
    );
    let mut level = 0.0;
    while level <= ceiling + 0.5 {
        let y = to_y(level);
        _ = writeln!(
            svg,
            "<path d=\"M{left} {y:.1}h{wide}\" stroke=\"#e3e3e3\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            y + 4.0,
            thousands(level as u64)
        );
        level += step;
    }
    for (at, point) in points.iter().enumerate() {
        let (x, y) = (to_x(at), top + high + 18.0);
        _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", short(point.value));
    }
    let series: [(Cost, &str); 2] = [(|point| point.leader, LEADER), (|point| point.follower, FOLLOWER)];
    for (cost, colour) in series {
        let places: Vec<(f64, f64)> =
            points.iter().enumerate().map(|(at, point)| (to_x(at), to_y(cost(point)))).collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (x, y) in places {
            _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
}

/// Returns the step for three to six levels: 1, 2 or 5 times a power of ten.
fn nice_step(most: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if most / (step * factor) <= 5.0 {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [report, program] = &args[..] else { panic!("usage: scale-report REPORT-DIR PROGRAM") };
    let folder = Path::new(program).with_extension("callgrind");
    fs::create_dir_all(&folder).expect("a folder for callgrind");
    let mut all = Vec::new();
    let mut failed = false;
    for subject in &SUBJECTS {
        let points = measure(program, subject, &folder);
        for (who, cost) in [("leader", (|point| point.leader) as Cost), ("follower", |point| point.follower)] {
            let times = growth(&points, cost);
            let verdict = if times > subject.limit { "GROWS" } else { "ok" };
            println!("{:<46} {who:<9} {times:>6.2} times, at most {:.2}  {verdict}", subject.title, subject.limit);
            failed |= times > subject.limit;
        }
        all.push((subject, points));
    }

    let report = Path::new(report);
    fs::create_dir_all(report).expect("the report's folder");
    let text = table(&all);
    println!("\n{text}");
    fs::write(report.join("scale.md"), text).expect("scale.md");
    fs::write(report.join("scale.svg"), plot(&all)).expect("scale.svg");
    exit(i32::from(failed));
}
