//! Runs the suites over each mutant, cheapest first, until one fails.

use crate::cost::Cost;
use crate::mutant::{Fate, Mutant, texts};
use crate::tree::Tree;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How a suite is run.
struct Recipe {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    /// Beginnings of the files that it is for; none: it is for all.
    only: &'static [&'static str],
}

const fn rust(name: &'static str, only: &'static [&'static str]) -> Recipe {
    Recipe { name, program: name, arguments: &["--test-threads", "1"], environment: &[], only }
}

const CODECS: &[&str] = &["src/wire/", "src/membership/", "src/quorum.rs", "src/error.rs"];

/// By what they find for what they cost.
const ORDER: [Recipe; 10] = [
    rust("wire", CODECS),
    rust("lib", CODECS),
    Recipe {
        name: "conformance",
        program: "conformance",
        arguments: &["-test.run", "^(TestInteraction|TestOnly|TestLogger)"],
        environment: &[],
        only: &[],
    },
    rust("paper", &[]),
    rust("scenarios", &[]),
    rust("api", &[]),
    rust("memory", &[]),
    Recipe {
        name: "alloc",
        program: "alloc",
        arguments: &["--test-threads", "1"],
        environment: &[("ALLOC_ROUNDS", "3000"), ("ALLOC_ENTRIES", "100000")],
        only: &[],
    },
    Recipe {
        name: "lock-step",
        program: "conformance",
        arguments: &["-test.run", "^TestLockstep"],
        environment: &[("LOCKSTEP_STEPS", "5000")],
        only: &[],
    },
    Recipe {
        name: "simulation",
        program: "simulation",
        arguments: &["sweep", "--test-threads", "1"],
        environment: &[("SIM_SEED", "5000"), ("SIM_SEEDS", "100"), ("SIM_STOP", "1"), ("SIM_TWIN", "0")],
        only: &[],
    },
];

/// A suite that was built.
struct Suite {
    recipe: &'static Recipe,
    program: PathBuf,
    directory: PathBuf,
    /// A run that takes longer hangs: ten times what the core as it is takes.
    limit: Duration,
}

/// The longest that the first run of a suite, without a mutant, may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub fn judge(work: &Path, tree: &Tree, mutants: &mut [Mutant]) -> Result<(), String> {
    let (suites, cost) = (suites(tree)?, Cost::of(tree)?);
    let path = work.join("killed.txt");
    let keys = keys(mutants)?;
    let before = killed_before(&path);
    for (mutant, key) in mutants.iter_mut().zip(&keys).filter(|(mutant, _)| mutant.fate == Fate::Waits) {
        if let Some(suite) = before.get(key) {
            mutant.fate = Fate::Killed(suite.clone());
        }
    }
    let waits = |mutant: &Mutant| mutant.fate == Fate::Waits;
    let mut waiting: Vec<usize> = (0..mutants.len()).filter(|&at| mutants.get(at).is_some_and(waits)).collect();
    // Those of the codecs take longest.
    waiting.sort_by_key(|&at| mutants.get(at).is_some_and(|mutant| is_for(CODECS, mutant)));
    println!("{} mutants, {} of them to be run", mutants.len(), waiting.len());
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = Mutex::new(log.map_err(|error| format!("{}: {error}", path.display()))?);
    let killer = |mutant: &Mutant| killer(&suites, mutant).or_else(|| cost.killer(mutant.id));
    let fates = run_all(killer, mutants, &keys, &waiting, &log);
    for (at, fate) in fates {
        if let Some(mutant) = mutants.get_mut(at) {
            mutant.fate = fate;
        }
    }
    Ok(())
}

fn keys(mutants: &[Mutant]) -> Result<Vec<String>, String> {
    let texts: BTreeMap<String, String> = texts(mutants)?.into_iter().collect();
    Ok(mutants.iter().map(|mutant| mutant.key(texts.get(&mutant.file).map_or("", String::as_str))).collect())
}

fn killed_before(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(key, suite)| (key.to_owned(), suite.to_owned()))
        .collect()
}

/// The suites there are, each of which must pass as things are.
fn suites(tree: &Tree) -> Result<Vec<Suite>, String> {
    let mut suites = Vec::new();
    for recipe in &ORDER {
        let Some(program) = tree.programs.get(recipe.program) else { continue };
        let go = recipe.program == "conformance";
        let directory = if go { tree.root.join("tests/conformance") } else { tree.root.clone() };
        let mut suite = Suite { recipe, program: program.clone(), directory, limit: PATIENCE };
        let begin = Instant::now();
        if !passes(&suite, 0) {
            return Err(format!("{} fails without a mutant", recipe.name));
        }
        suite.limit = 10 * begin.elapsed() + Duration::from_secs(5);
        suites.push(suite);
    }
    Ok(suites)
}

fn run_all(
    killer: impl Fn(&Mutant) -> Option<&'static str> + Sync,
    mutants: &[Mutant],
    keys: &[String],
    waiting: &[usize],
    log: &Mutex<File>,
) -> Vec<(usize, Fate)> {
    let (next, living) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let fates = Mutex::new(Vec::new());
    let work = || {
        loop {
            let count = next.fetch_add(1, Ordering::Relaxed);
            let Some(&at) = waiting.get(count) else { return };
            let (Some(mutant), Some(key)) = (mutants.get(at), keys.get(at)) else { return };
            let fate = match killer(mutant) {
                Some(suite) => {
                    if let Ok(mut log) = log.lock() {
                        _ = writeln!(log, "{key}\t{suite}");
                    }
                    Fate::Killed(suite.to_owned())
                }
                None => {
                    living.fetch_add(1, Ordering::Relaxed);
                    Fate::Lives
                }
            };
            if let Ok(mut fates) = fates.lock() {
                fates.push((at, fate));
            }
            if (count + 1) % 250 == 0 {
                println!("{} run, {} live", count + 1, living.load(Ordering::Relaxed));
            }
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        (0..workers).for_each(|_| _ = scope.spawn(work));
    });
    fates.into_inner().unwrap_or_default()
}

fn is_for(files: &[&str], mutant: &Mutant) -> bool {
    files.iter().any(|start| mutant.file.starts_with(start))
}

/// The first suite that fails, of those that are for the file.
fn killer(suites: &[Suite], mutant: &Mutant) -> Option<&'static str> {
    let mut suites = suites.iter().filter(|suite| suite.recipe.only.is_empty() || is_for(suite.recipe.only, mutant));
    suites.find(|suite| !passes(suite, mutant.id)).map(|suite| suite.recipe.name)
}

/// Whether a suite passes; it is stopped at its first failure, or when it takes too long.
fn passes(suite: &Suite, id: u32) -> bool {
    let mut command = Command::new(&suite.program);
    let Recipe { arguments, environment, .. } = *suite.recipe;
    command.args(arguments).envs(environment.iter().copied()).env("RAFTCORE_MUTANT", id.to_string());
    command.current_dir(&suite.directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let Some(output) = child.stdout.take() else { return false };
    let (tell, told) = channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if line.ends_with(b"FAILED") || line.starts_with(b"--- FAIL") {
                _ = tell.send(());
                return;
            }
        }
    });
    let ended = waits_for_end(&told, suite.limit);
    if !ended {
        _ = child.kill();
    }
    let passed = child.wait().is_ok_and(|status| status.success()) && ended;
    _ = reader.join();
    passed
}

/// Whether the output ended without a failure in time.
fn waits_for_end(told: &Receiver<()>, limit: Duration) -> bool {
    told.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected)
}
