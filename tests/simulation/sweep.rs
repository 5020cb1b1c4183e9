//! Sweeps of many seeds, with a report; and the shrinking of a failed seed to a small run that can
//! be repeated.

use crate::history::NEVER;
use crate::law::Broken;
use crate::plan::{Fault, Options};
use crate::tally::{Tally, Witness, unreachable_reason};
use crate::world::{Run, run};
use raftcore::Reason;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// A sweep of fewer seeds need not have seen every case.
const ENOUGH: u64 = 1500;
/// What a sweep of fresh seeds begins with: `LogFull` comes with one seed in some five hundred, and a
/// short sweep could miss it.
const KNOWN: [u64; 3] = [1_000_102, 1_000_170, 1_001_596];
/// A sweep ends after this many failures.
const MOST_FAILURES: usize = 5;

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str) -> Option<u64> {
    text(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Reads the options from the environment; see `README.md` in the folder.
pub fn options() -> Options {
    let mut options = Options {
        ticks: number("SIM_TICKS"),
        nodes: number("SIM_NODES"),
        etcd: text("SIM_PRESET").as_deref() == Some("etcd"),
        lying: text("SIM_LYING").is_some(),
        blind: text("SIM_BLIND").is_some(),
        script: text("SIM_SCRIPT").is_some(),
        twin: number("SIM_TWIN").map(|on| on != 0),
        ..Options::default()
    };
    for name in text("SIM_WITHOUT").unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
        let fault = Fault::ALL.iter().find(|fault| fault.name() == name);
        options.leave_out(*fault.unwrap_or_else(|| panic!("SIM_WITHOUT: no fault is called {name}")));
    }
    options
}

pub struct Sweep {
    first: u64,
    done: u64,
    tally: Tally,
    failed: Vec<(u64, Broken)>,
    begun: Instant,
    busy: Duration,
}

/// Returns the processor time of this thread, so that load by other programs does not count.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).map_or(Duration::ZERO, Duration::from_nanos)
}

/// Runs the seeds that the environment requests, by default fresh seeds for half a minute.
pub fn sweep() {
    let fresh = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let first = number("SIM_SEED").unwrap_or((fresh >> 10) % 1_000_000_000 * 1000);
    let one = number("SIM_SEED").map(|_| 1);
    let seeds = number("SIM_SEEDS").or(one).unwrap_or(NEVER);
    let seconds = number("SIM_SECONDS").unwrap_or(if seeds == NEVER { 30 } else { NEVER / 2 });
    let stop = text("SIM_STOP").is_some();
    let options = options();
    let mut sweep =
        Sweep { first, done: 0, tally: Tally::default(), failed: Vec::new(), begun: Instant::now(), busy: busy() };
    let mut told = Instant::now();
    // A default sweep may take twice as long, until it has seen enough.
    let most = if seeds == NEVER && number("SIM_SECONDS").is_none() { 2 * seconds } else { seconds };
    let goes_on = |sweep: &Sweep| {
        let spent = sweep.begun.elapsed().as_secs();
        sweep.done < seeds && spent < most && (spent < seconds || sweep.done < ENOUGH)
    };
    while goes_on(&sweep) && sweep.failed.len() < MOST_FAILURES {
        let known = KNOWN.get(sweep.done as usize).filter(|_| one.is_none());
        let seed = known.copied().unwrap_or(first + sweep.done);
        let run = run(seed, &options);
        sweep.done += 1;
        sweep.tally.add(&run.tally);
        if options.script {
            keep_script(seed, &run);
        }
        if let Err(broken) = &run.outcome {
            println!("seed {seed} fails after {} seeds, in tick {}: {}", sweep.done, run.tick, telling(broken));
            sweep.failed.push((seed, broken.clone()));
            if stop {
                println!("REPRODUCE: {}", reproduce(seed, &options));
                break;
            }
            if sweep.failed.len() == 1 {
                tell_small(seed, &options, &run);
            } else {
                println!("REPRODUCE: {}", reproduce(seed, &options));
            }
        }
        if told.elapsed().as_secs() >= 60 {
            told = Instant::now();
            println!("{}", sweep.line());
        }
    }
    sweep.finish(seeds == 1 || stop);
}

pub fn telling(broken: &Broken) -> String {
    format!("broken: {}\n    {}", broken.law.text(), broken.text)
}

fn reproduce(seed: u64, options: &Options) -> String {
    let mut line = format!("SIM_SEED={seed}");
    let without: Vec<&str> =
        Fault::ALL.iter().filter(|&&fault| options.leaves_out(fault)).map(|fault| fault.name()).collect();
    if !without.is_empty() {
        let _ = write!(line, " SIM_WITHOUT={}", without.join(","));
    }
    for (name, value) in [("SIM_TICKS", options.ticks), ("SIM_NODES", options.nodes)] {
        value.into_iter().for_each(|value| _ = write!(line, " {name}={value}"));
    }
    let switches = [("SIM_PRESET=etcd", options.etcd), ("SIM_LYING=1", options.lying), ("SIM_BLIND=1", options.blind)];
    switches.iter().filter(|(_, on)| *on).for_each(|(name, _)| _ = write!(line, " {name}"));
    if options.twin.is_some() {
        let _ = write!(line, " SIM_TWIN={}", u64::from(options.twin == Some(true)));
    }
    format!("{line} cargo test --release --features capi --test simulation sweep -- --nocapture")
}

// ---- shrinking a failure ----------------------------------------------------------------------

/// Finds a smaller run with the same failure: fewer kinds of faults, fewer nodes, fewer ticks.
pub fn shrink(seed: u64, options: &Options, failed: &Run) -> (Options, Run) {
    let law = failed.outcome.as_ref().err().map(|broken| broken.law);
    let begun = Instant::now();
    let attempt = |options: &Options| -> Option<Run> {
        if begun.elapsed().as_secs() > 60 {
            return None;
        }
        let run = run(seed, options);
        (run.outcome.as_ref().err().map(|broken| broken.law) == law).then_some(run)
    };
    let (mut best, mut small) = (options.clone(), None);
    // The ticks after the failure do not matter.
    let mut keep = |best: &mut Options, tried: Options| {
        if let Some(run) = attempt(&tried) {
            *best = tried;
            let ticks = best.ticks.unwrap_or(run.plan.ticks).min(run.tick + 1);
            best.ticks = Some(ticks);
            small = Some(run);
            true
        } else {
            false
        }
    };
    keep(&mut best, Options { ticks: Some((failed.tick + 1).min(failed.plan.ticks)), ..options.clone() });
    for fault in failed.plan.faults() {
        let mut tried = best.clone();
        tried.leave_out(fault);
        keep(&mut best, tried);
    }
    for nodes in 1..failed.plan.founders {
        let tried = Options { nodes: Some(nodes), ..best.clone() };
        if keep(&mut best, tried) {
            break;
        }
    }
    let mut part = best.ticks.unwrap_or(failed.plan.ticks) / 2;
    while part > 0 {
        let fewer = best.ticks.unwrap_or(failed.plan.ticks).saturating_sub(part);
        let tried = Options { ticks: Some(fewer), ..best.clone() };
        if fewer == 0 || !keep(&mut best, tried) {
            part /= 2;
        }
    }
    let last = run(seed, &Options { script: true, ..best.clone() });
    (best, last)
}

fn tell_small(seed: u64, options: &Options, failed: &Run) {
    let (small, last) = shrink(seed, options, failed);
    println!("shrunk to {}", last.plan.summary());
    last.outcome.iter().for_each(|()| println!("    but the shrunk run does not fail"));
    last.outcome.as_ref().err().into_iter().for_each(|broken| println!("    {}", telling(broken)));
    println!("REPRODUCE: {}", reproduce(seed, &small));
    keep_script(seed, &last);
}

fn report_folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report")
}

fn keep_script(seed: u64, run: &Run) {
    let path = report_folder().join(format!("simulate-{seed}.txt"));
    let written = std::fs::create_dir_all(report_folder()).and_then(|()| std::fs::write(&path, run.script.text()));
    match written {
        Ok(()) => println!("its run as a script: target/report/simulate-{seed}.txt"),
        Err(error) => println!("its run as a script can't be written to {}: {error}", path.display()),
    }
}

// ---- the report --------------------------------------------------------------------------------

impl Sweep {
    fn rate(&self) -> f64 {
        self.done as f64 / self.begun.elapsed().as_secs_f64().max(1e-9)
    }

    /// Simulated hours, at 100 ms a tick.
    fn hours(&self) -> f64 {
        self.tally.ticks as f64 / 36_000.0
    }

    fn line(&self) -> String {
        let cpu = (busy() - self.busy).as_secs_f64().max(1e-9);
        format!(
            "seeds {} to {}: {} failed; {:.1} seeds/s ({:.1} per second of processor time, {:.0} ticks in it), {:.1} simulated hours, {} faults",
            self.first,
            self.first + self.done.max(1) - 1,
            self.failed.len(),
            self.rate(),
            self.done as f64 / cpu,
            self.tally.ticks as f64 / cpu,
            self.hours(),
            self.tally.faults.iter().sum::<u64>()
        )
    }

    fn finish(&self, short: bool) {
        // Bypasses the capture of passing tests, so that a log of `make test` shows the seeds.
        let _ = writeln!(std::io::stdout(), "\nsimulation, {}", self.line());
        println!(
            "{} messages, {} calls; {} seeds through the C ABI as well{}; {} in the known stall",
            self.tally.messages,
            self.tally.calls,
            self.tally.twins,
            if cfg!(feature = "capi") { "" } else { " (needs --features capi)" },
            self.tally.stalls
        );
        if !short {
            let counts = |count: &dyn Fn(usize) -> u64, names: Vec<&str>| {
                let list: Vec<String> =
                    names.iter().enumerate().map(|(at, name)| format!("{name} {}", count(at))).collect();
                list.join(", ")
            };
            let faults = Fault::ALL.iter().map(|fault| fault.name()).collect();
            println!("faults: {}", counts(&|at| self.tally.faults[at], faults));
            println!("dangerous cases:");
            for &witness in Witness::ALL {
                println!("{:9}  {}", self.tally.witnesses[witness as usize], witness.text());
            }
            println!("reasons and events of the core never hit: {:?}", self.tally.never_hit());
            println!("the rarest: {}", self.tally.rarest());
            for (reason, why) in Reason::ALL.iter().filter_map(|&r| unreachable_reason(r).map(|why| (r, why))) {
                println!("    not to be hit: {reason:?}, {why}");
            }
        }
        self.write();
        let seeds: Vec<u64> = self.failed.iter().map(|(seed, _)| *seed).collect();
        assert!(seeds.is_empty(), "seeds that failed: {seeds:?}");
        let stalls = self.tally.stalls;
        assert!(
            stalls <= 2 + self.done / 1000,
            "{stalls} of {} seeds ended in the known stall: far too many",
            self.done
        );
        let came = |&reason: &Reason| self.tally.reasons[reason as usize] > 0 && unreachable_reason(reason).is_some();
        let after_all: Vec<_> = Reason::ALL.iter().copied().filter(came).collect();
        assert!(after_all.is_empty(), "said not to be hit here, and they were: {after_all:?}");
        if self.done >= ENOUGH && !options().etcd && options().without == 0 {
            let missing = self.tally.missing();
            assert!(missing.is_empty(), "no seed showed: {missing:?}");
            let idle: Vec<&str> =
                Fault::ALL.iter().filter(|&&f| self.tally.faults[f as usize] == 0).map(|f| f.name()).collect();
            assert!(idle.is_empty(), "faults that never came: {idle:?}");
            let never = self.tally.never_hit();
            assert!(never.is_empty(), "reasons and events that never came: {never:?}");
        }
    }

    fn write(&self) {
        let mut faults = String::new();
        for &fault in Fault::ALL {
            let comma = if faults.is_empty() { "" } else { ", " };
            let _ = write!(faults, "{comma}\"{}\": {}", fault.name(), self.tally.faults[fault as usize]);
        }
        let mut witnesses = String::new();
        for &witness in Witness::ALL {
            let comma = if witnesses.is_empty() { "" } else { ", " };
            let _ = write!(witnesses, "{comma}\"{}\": {}", witness.text(), self.tally.witnesses[witness as usize]);
        }
        let json = format!(
            "{{\"seeds\": {}, \"failed\": {}, \"seeds_per_second\": {:.1}, \"simulated_hours\": {:.1}, \"first_seed\": {}, \
             \"through_c\": {}, \"known_stalls\": {}, \"faults\": {{{faults}}}, \"dangerous_cases\": {{{witnesses}}}}}\n",
            self.done,
            self.failed.len(),
            self.rate(),
            self.hours(),
            self.first,
            self.tally.twins,
            self.tally.stalls
        );
        let path = report_folder().join("simulate.json");
        let written = std::fs::create_dir_all(report_folder()).and_then(|()| std::fs::write(path, json));
        written.unwrap_or_else(|error| println!("target/report/simulate.json can't be written: {error}"));
    }
}
