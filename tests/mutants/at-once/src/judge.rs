//! Runs the suites over each mutant, cheapest first, until one fails. Before them run the tests that killed the last mutants of the same
//! file, which find most of the others.

use crate::cost::{Cost, UNITS, picked, told, within};
use crate::living::Known;
use crate::mutant::{Fate, Mutant, texts};
use crate::tree::Tree;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How a suite is run.
struct Recipe {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    /// Beginnings of the files that it is for; none: it is for all.
    only: &'static [&'static str],
    /// Whether a mutant is killed by more questions than the core as it is asks (`cost`): for suites of written tests, where another
    /// choice by chance is not one of work.
    weighs: bool,
}

const fn rust(name: &'static str, only: &'static [&'static str]) -> Recipe {
    Recipe { name, program: name, arguments: &["--test-threads", "1"], environment: &[], only, weighs: true }
}

const fn go(
    name: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
) -> Recipe {
    Recipe { name, program: "conformance", arguments, environment, only: &[], weighs: false }
}

const CODECS: &[&str] = &["src/wire/"];
const SETS: &[&str] = &["src/membership/", "src/quorum.rs", "src/error.rs"];
/// What unit tests judge: states beyond the reach of calls, and what the C face alone asks for.
const STATE: &[&str] = &[
    "src/log/blocks.rs",
    "src/log/mod.rs",
    "src/node/output.rs",
    "src/outbox.rs",
    "src/peers/progress.rs",
    "src/raft/mod.rs",
    "src/raft/own_log.rs",
    "src/ready/mod.rs",
    "src/ready/view.rs",
];

/// The suites, those that find much in little time first.
const ORDER: [Recipe; 9] = [
    Recipe { arguments: &["wire::", "--skip", LONG_IN_LIB, "--test-threads", "1"], ..rust("lib", CODECS) },
    rust("wire", CODECS),
    Recipe { arguments: &["membership::", "quorum::", "error::", "--test-threads", "1"], ..rust("lib", SETS) },
    Recipe { arguments: &["raft::", "ffi::", "--test-threads", "1"], ..rust("lib", STATE) },
    go("conformance", &["-test.run", "^(TestInteraction|TestOnly|TestLogger)"], &[]),
    go("lock-step", &["-test.run", "^TestLockstep"], &[("LOCKSTEP_STEPS", "5000")]),
    rust("paper", &[]),
    rust("scenarios", &[]),
    Recipe {
        arguments: &[
            "--skip",
            LONG_IN_API[0],
            "--skip",
            LONG_IN_API[1],
            "--skip",
            LONG_IN_API[2],
            "--test-threads",
            "1",
        ],
        ..rust("api", &[])
    },
];
/// A few tests take longer than the rest of their suite.
const LONG_IN_API: [&str; 3] =
    ["steady::a_", "byte_for_byte_as_the_original", "a_restarted_follower_catches_up_by_fetch"];
const LONG_IN_LIB: &str = "records_in_a_row_agree";
/// For a mutant that passes the others and the workloads of `cost`. A mutant known to `living.txt` is not run, unless LONG is set.
const LONG: [Recipe; 5] = [
    Recipe { weighs: false, ..rust("memory", &[]) },
    Recipe { arguments: &[LONG_IN_LIB, "--test-threads", "1"], ..rust("lib", CODECS) },
    Recipe { arguments: &[LONG_IN_API[0], LONG_IN_API[1], LONG_IN_API[2], "--test-threads", "1"], ..rust("api", &[]) },
    Recipe {
        arguments: &["sweep", "--test-threads", "1"],
        environment: &[("SIM_SEED", "5000"), ("SIM_SEEDS", "100"), ("SIM_STOP", "1"), ("SIM_TWIN", "0")],
        weighs: false,
        ..rust("simulation", &[])
    },
    Recipe {
        environment: &[("ALLOC_ROUNDS", "3000"), ("ALLOC_ENTRIES", "100000")],
        weighs: false,
        ..rust("alloc", &[])
    },
];

/// A suite that was built.
struct Suite {
    recipe: &'static Recipe,
    program: PathBuf,
    directory: PathBuf,
    /// A run that computes for longer hangs: ten times what the core as it is takes. Time that a busy machine gives to others does
    /// not count.
    limit: Duration,
    /// The questions of the core as it is, where these count.
    questions: u64,
}

/// The longest that the first run of a suite, without a mutant, may compute.
const PATIENCE: Duration = Duration::from_secs(300);
/// The longest that a run may take, in limits of processor time. Beyond that the run only waits.
const WAITS: u32 = 10;

pub fn judge(work: &Path, tree: &Tree, known: &[Known], mutants: &mut [Mutant]) -> Result<(), String> {
    let (short, cost, long) = (suites(tree, &ORDER)?, Cost::of(tree)?, suites(tree, &LONG)?);
    let path = work.join("killed.txt");
    let keys = keys(mutants)?;
    let before = killed_before(&path);
    for (mutant, key) in mutants.iter_mut().zip(&keys).filter(|(mutant, _)| mutant.fate == Fate::Waits) {
        if let Some(suite) = before.get(key) {
            mutant.fate = Fate::Killed(suite.clone());
        }
    }
    let (recent, all) = (Recent::default(), std::env::var_os("LONG").is_some());
    let waits = |mutant: &Mutant| mutant.fate == Fate::Waits;
    let mut waiting: Vec<usize> = (0..mutants.len()).filter(|&at| mutants.get(at).is_some_and(waits)).collect();
    // Those of the codecs and of memberships take longest.
    waiting.sort_by_key(|&at| mutants.get(at).is_some_and(|mutant| is_for(CODECS, mutant) || is_for(SETS, mutant)));
    println!("{} mutants, {} of them to be run", mutants.len(), waiting.len());
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = Mutex::new(log.map_err(|error| format!("{}: {error}", path.display()))?);
    let killer = |mutant: &Mutant| {
        let first = recent.killer(&short, mutant).or_else(|| killer(&short, Some(&recent), mutant));
        let first = first.or_else(|| cost.killer(mutant.id));
        let is_known = known.iter().any(|known| known.fits(&mutant.name()));
        if is_known && !all { first } else { first.or_else(|| killer(&long, None, mutant)) }
    };
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
fn suites(tree: &Tree, recipes: &'static [Recipe]) -> Result<Vec<Suite>, String> {
    let mut suites = Vec::new();
    for recipe in recipes {
        let Some(program) = tree.programs.get(recipe.program) else { continue };
        let go = recipe.program == "conformance";
        let directory = if go { tree.root.join("tests/conformance") } else { tree.root.clone() };
        let mut suite = Suite { recipe, program: program.clone(), directory, limit: PATIENCE, questions: 0 };
        let begin = Instant::now();
        let fails =
            |test: Option<String>| format!("{} fails without a mutant: {}", recipe.name, test.unwrap_or_default());
        suite.questions = run(&suite, &[], 0).map_err(fails)?;
        suite.limit = 10 * begin.elapsed() + Duration::from_secs(5);
        // A number that is no mutant's: the questions must not change by themselves.
        if recipe.weighs && run(&suite, &[], u32::MAX - 1).map_err(fails)? != suite.questions {
            return Err(format!("{} does not ask the same twice", recipe.name));
        }
        println!("{}: {:.1?}, {} questions", recipe.name, begin.elapsed(), suite.questions);
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

/// By file: the tests that killed the last mutants, newest first, each with the number of a suite.
#[derive(Default)]
struct Recent(Mutex<BTreeMap<String, Vec<(usize, String)>>>);

impl Recent {
    const KEPT: usize = 10;

    /// The first suite of which such a test fails.
    fn killer(&self, suites: &[Suite], mutant: &Mutant) -> Option<&'static str> {
        let tests = self.0.lock().ok().and_then(|all| all.get(&mutant.file).cloned()).unwrap_or_default();
        suites.iter().enumerate().find_map(|(at, suite)| {
            let tests: Vec<&str> = tests.iter().filter(|(of, _)| *of == at).map(|(_, test)| test.as_str()).collect();
            let fails = !tests.is_empty() && run(suite, &tests, mutant.id).is_err();
            fails.then_some(suite.recipe.name)
        })
    }

    fn note(&self, mutant: &Mutant, suite: usize, test: String) {
        let Ok(mut all) = self.0.lock() else { return };
        let tests = all.entry(mutant.file.clone()).or_default();
        tests.retain(|known| *known != (suite, test.clone()));
        tests.insert(0, (suite, test));
        tests.truncate(Self::KEPT);
    }
}

/// The first suite that fails, or asks too much, of those that are for the file.
fn killer(suites: &[Suite], recent: Option<&Recent>, mutant: &Mutant) -> Option<&'static str> {
    let mut all = suites.iter().enumerate();
    all.find_map(|(at, suite)| {
        if !suite.recipe.only.is_empty() && !is_for(suite.recipe.only, mutant) {
            return None;
        }
        match run(suite, &[], mutant.id) {
            // Other random numbers are not more work.
            Ok(questions) => {
                let more = suite.recipe.weighs && mutant.file != "src/rng.rs" && questions > suite.questions;
                more.then_some(UNITS[0])
            }
            Err(test) => {
                // Go names a test otherwise.
                if let (Some(recent), Some(test)) = (recent, test) {
                    recent.note(mutant, at, test);
                }
                Some(suite.recipe.name)
            }
        }
    })
}

/// Runs a suite, or only these tests of it, and counts its questions; it is stopped at its first failure, or when it takes too long. An
/// error has the name of the test that fails, if that was told.
fn run(suite: &Suite, tests: &[&str], id: u32) -> Result<u64, Option<String>> {
    let mut command = within(suite.limit, &suite.program);
    let Recipe { arguments, environment, .. } = *suite.recipe;
    if tests.is_empty() {
        command.args(arguments);
    } else {
        command.args(["--test-threads", "1", "--exact"]).args(tests);
    }
    command.envs(environment.iter().copied()).env("RAFTCORE_MUTANT", picked(id));
    // Random tests draw the same cases for each mutant, and no case that failed under another mutant.
    command.envs([("PROPTEST_RNG_SEED", "1"), ("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1"), ("PAPER_SEED", "1")]);
    command.current_dir(&suite.directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if suite.recipe.weighs {
        command.env("RAFTCORE_QUESTIONS", "1").stderr(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|_| None)?;
    let output = child.stdout.take().ok_or(None)?;
    let counter = child.stderr.take().map(|errors| std::thread::spawn(move || told(errors, UNITS[0])));
    let (tell, heard) = channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if line.ends_with("FAILED") || line.starts_with("--- FAIL") {
                let test = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"));
                _ = tell.send(test.map(str::to_owned));
                return;
            }
        }
    });
    let end = heard.recv_timeout(WAITS * suite.limit);
    let ended = end == Err(RecvTimeoutError::Disconnected);
    if !ended {
        _ = child.kill();
    }
    let passed = child.wait().is_ok_and(|status| status.success()) && ended;
    _ = reader.join();
    let questions = counter.and_then(|counter| counter.join().ok().flatten()).unwrap_or_default();
    if passed { Ok(questions) } else { Err(end.unwrap_or_default()) }
}
