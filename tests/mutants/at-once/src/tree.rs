//! A copy of the repository with all mutants planted, built once.
//!
//! What does not compile is left out: the compiler's errors name lines, and on these stand the mutants.

use crate::mutant::{Fate, Mutant, hash, texts};
use crate::rewrite::{QUESTION, rewrite};
use planter::tree::{copy, write_new};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The suites of this package that judge.
pub const SUITES: [&str; 8] = ["paper", "scenarios", "api", "wire", "memory", "alloc", "simulation", "lib"];

/// What was built: a suite's program by its name.
pub struct Tree {
    pub root: PathBuf,
    pub programs: BTreeMap<String, PathBuf>,
}

pub fn build(work: &Path, mutants: &mut [Mutant]) -> Result<Tree, String> {
    let root = work.join("tree");
    fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    let root = root.canonicalize().map_err(|error| error.to_string())?;
    copy(Path::new("."), &root, &[])?;
    let files = texts(mutants)?;
    // Each round leaves out what the last one could not compile; a first error may hide others.
    for _ in 0..20 {
        plant(&root, &files, mutants)?;
        let unviable = unviable(&root, work)?;
        if unviable.is_empty() {
            return programs(root, work);
        }
        let leave = mutants.iter_mut().filter(|mutant| unviable.contains(&mutant.id));
        leave.for_each(|mutant| mutant.fate = Fate::Unviable);
    }
    Err("it does not compile, whatever is left out".into())
}

fn plant(root: &Path, files: &[(String, String)], mutants: &mut [Mutant]) -> Result<(), String> {
    let mut lib = fs::read_to_string("src/lib.rs").map_err(|error| format!("src/lib.rs: {error}"))?;
    for (file, text) in files {
        let here: Vec<&Mutant> = mutants.iter().filter(|m| m.file == *file && m.fate != Fate::Unviable).collect();
        let rewritten = rewrite(text, &here).map_err(|error| format!("{file}: {error}"))?;
        for mutant in mutants.iter_mut().filter(|m| m.file == *file && m.fate != Fate::Unviable) {
            mutant.fate = if rewritten.planted.contains(&mutant.id) { Fate::Waits } else { Fate::Unplanted };
        }
        if file == "src/lib.rs" {
            lib = rewritten.text;
        } else {
            write_new(&root.join(file), rewritten.text.as_bytes())?;
        }
    }
    write_new(&root.join("src/lib.rs"), (lib + QUESTION).as_bytes())
}

fn cargo(root: &Path, work: &Path, command: &str) -> Result<Command, String> {
    let target = work.canonicalize().map_err(|error| error.to_string())?.join("cargo");
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo.args([command, "--quiet"]).current_dir(root).env("CARGO_TARGET_DIR", target);
    // What was rewritten is written for no reader, and what a mutant leaves over is no fault.
    cargo
        .env("RUSTFLAGS", "--cap-lints allow")
        .env("CARGO_PROFILE_TEST_OPT_LEVEL", "2")
        .env("CARGO_PROFILE_TEST_DEBUG", "0");
    cargo.stderr(Stdio::null());
    Ok(cargo)
}

/// The mutants that stand where the compiler finds an error.
fn unviable(root: &Path, work: &Path) -> Result<BTreeSet<u32>, String> {
    let output = cargo(root, work, "check")?.args(["--features", "capi", "--lib", "--message-format=json"]).output();
    let output = output.map_err(|error| format!("cargo check: {error}"))?;
    let mut found = BTreeSet::new();
    for message in messages(&output.stdout) {
        let message = &message["message"];
        if message["level"] != "error" {
            continue;
        }
        // An arm that may be deleted can be one that the match must have: the advice, not the error, names its line.
        let advice = list(&message["children"]).iter().filter(|_| message["code"]["code"] == "E0004");
        let spans =
            advice.flat_map(|child| list(&child["spans"])).filter(|span| span["suggested_replacement"].is_string());
        let arms: BTreeSet<u32> = spans.flat_map(|span| mutants_at(root, span)).collect();
        if arms.is_empty() {
            let spans = list(&message["spans"]).iter().filter(|span| span["is_primary"] == true);
            found.extend(spans.flat_map(|span| mutants_at(root, span)));
        }
        found.extend(arms);
    }
    if found.is_empty() && !output.status.success() {
        let rendered = messages(&output.stdout)
            .iter()
            .filter_map(|m| m["message"]["rendered"].as_str().map(str::to_owned))
            .collect::<String>();
        return Err(format!("it does not compile, and no mutant is near:\n{rendered}"));
    }
    Ok(found)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn messages(output: &[u8]) -> Vec<Value> {
    let lines = output.split(|&byte| byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The static library that a message of cargo names.
fn archive_of(message: &Value) -> Option<PathBuf> {
    let mut files = message["filenames"].as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from);
    files.find(|path| path.ends_with("libraftcore.a"))
}

/// The mutants on the lines of a span; none there: those on the nearest line above that has any.
fn mutants_at(root: &Path, span: &Value) -> BTreeSet<u32> {
    let line = |key: &str| span[key].as_u64().unwrap_or(1).max(1) as usize - 1;
    let text = span["file_name"].as_str().and_then(|file| fs::read_to_string(root.join(file)).ok()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let (first, last) = (line("line_start"), line("line_end"));
    let inside: BTreeSet<u32> = lines.iter().take(last + 1).skip(first).flat_map(|line| ids(line)).collect();
    if !inside.is_empty() {
        return inside;
    }
    let above = lines.iter().take(first).rev().take(12).map(|line| ids(line)).find(|ids| !ids.is_empty());
    above.unwrap_or_default().into_iter().collect()
}

/// The numbers in `crate::mutant(7u32)`.
fn ids(line: &str) -> Vec<u32> {
    let calls = line.split("crate::mutant(").skip(1);
    calls.filter_map(|rest| rest.split_once("u32)").and_then(|(id, _)| id.parse().ok())).collect()
}

fn programs(root: PathBuf, work: &Path) -> Result<Tree, String> {
    let mut cargo_test = cargo(&root, work, "test")?;
    cargo_test.args(["--features", "capi", "--no-run", "--message-format=json"]);
    for suite in SUITES {
        match suite {
            "lib" => cargo_test.arg("--lib"),
            suite => cargo_test.args(["--test", suite]),
        };
    }
    let output = cargo_test.output().map_err(|error| format!("cargo test: {error}"))?;
    if !output.status.success() {
        return Err("the suites do not compile".into());
    }
    let mut programs: BTreeMap<String, PathBuf> = executables(&output.stdout).collect();
    let mut workloads = cargo(&root, work, "build")?;
    workloads.args(["--manifest-path", "benches/w1/Cargo.toml", "--release", "--bins", "--message-format=json"]);
    // All mutants at once make a large program, which nobody times.
    workloads.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    let output = workloads.output().map_err(|error| format!("cargo build: {error}"))?;
    if !output.status.success() {
        return Err("the workloads do not compile".into());
    }
    programs.extend(executables(&output.stdout));
    if let Some(conformance) = conformance(&root, work)? {
        programs.insert("conformance".into(), conformance);
    }
    Ok(Tree { root, programs })
}

/// The programs that messages of cargo name.
fn executables(output: &[u8]) -> impl Iterator<Item = (String, PathBuf)> {
    messages(output).into_iter().filter_map(|message| {
        let (program, name) = (message["executable"].as_str()?, message["target"]["name"].as_str()?);
        let name = if name == "raftcore" { "lib" } else { name };
        Some((name.to_owned(), PathBuf::from(program)))
    })
}

/// etcd's suites over the C library, if Go is there.
fn conformance(root: &Path, work: &Path) -> Result<Option<PathBuf>, String> {
    let go = std::env::var("GO").unwrap_or_else(|_| "go".into());
    if Command::new(&go).arg("version").output().is_err() {
        println!("without go: etcd's suites do not judge");
        return Ok(None);
    }
    let output = cargo(root, work, "rustc")?
        .args(["--features", "capi", "--lib", "--crate-type", "staticlib", "--message-format=json"])
        .output()
        .map_err(|error| format!("cargo rustc: {error}"))?;
    let built = messages(&output.stdout).iter().find_map(archive_of);
    let place = root.join("target/c");
    fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    let archive = built.and_then(|path| fs::read(path).ok()).unwrap_or_default();
    let written = fs::write(place.join("libraftcore.a"), &archive);
    if !output.status.success() || archive.is_empty() || written.is_err() {
        return Err("the C library does not build".into());
    }
    let program = root.join("target/conformance.test");
    let mut test = Command::new(&go);
    test.args(["test", "-c", "-o"]).arg(&program).arg(".").current_dir(root.join("tests/conformance"));
    // Go does not look into the archive: else it would take the program that it linked with an earlier one.
    test.env("CGO_CFLAGS", format!("-DRAFTCORE_ARCHIVE={:#x}", hash(&archive)));
    match test.status() {
        Ok(status) if status.success() => Ok(Some(program)),
        _ => Err("etcd's suites do not build".into()),
    }
}
