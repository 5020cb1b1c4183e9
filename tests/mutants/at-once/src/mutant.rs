//! A mutant, as cargo-mutants lists it.

use serde_json::Value;
use std::fs;
use std::process::Command;

/// A place in a file: line and column, from 1.
pub type Place = (usize, usize);

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not run yet.
    Waits,
    /// It does not compile, so nobody can make this mistake.
    Unviable,
    /// It can't be planted beside the others: an operator in a `let` chain or in a constant. The words say which.
    Unplanted,
    /// A suite fails.
    Killed(String),
    /// No suite does.
    Lives,
}

#[derive(Clone, Debug)]
pub struct Mutant {
    /// What `RAFTCORE_MUTANT` picks it by, from 1.
    pub id: u32,
    pub file: String,
    /// cargo-mutants' words, without file, line and column.
    pub what: String,
    /// cargo-mutants' own word for its kind.
    pub genre: String,
    pub start: Place,
    pub end: Place,
    pub replacement: String,
    pub fate: Fate,
}

impl Mutant {
    /// As `living.txt` names it.
    pub fn name(&self) -> String {
        format!("{}: {}", self.file, self.what)
    }

    /// What must stay the same for a verdict to hold.
    pub fn key(&self, text: &str) -> String {
        format!("{:016x} {}:{}:{} {}", hash(text.as_bytes()), self.file, self.start.0, self.start.1, self.what)
    }
}

/// FNV-1a.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// All mutants of these files; no files: of the core and the wire format.
pub fn list(cargo_mutants: &str, files: &[String]) -> Result<Vec<Mutant>, String> {
    let mut command = Command::new(cargo_mutants);
    command.args(["mutants", "--list", "--json", "--features", "capi"]);
    let left_out = ["src/ffi/*.rs", "src/proto.rs", "src/*/tests.rs"];
    if files.is_empty() {
        left_out.iter().for_each(|file| _ = command.args(["--exclude", file]));
        command.args(["--file", "src/**/*.rs"]);
    }
    files.iter().for_each(|file| _ = command.args(["--file", file]));
    let output = command.output().map_err(|error| format!("{cargo_mutants}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{cargo_mutants} --list: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let list: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo-mutants' list: {error}"))?;
    let list = list.as_array().ok_or("cargo-mutants' list is none")?;
    let mut mutants: Vec<Mutant> = list.iter().filter_map(parse).collect();
    if mutants.len() != list.len() || mutants.is_empty() {
        return Err(format!("of {} mutants {} were understood", list.len(), mutants.len()));
    }
    mutants.iter_mut().zip(1..).for_each(|(mutant, id)| mutant.id = id);
    Ok(mutants)
}

fn parse(listed: &Value) -> Option<Mutant> {
    let text = |key: &str| listed.get(key).and_then(Value::as_str).map(str::to_owned);
    let place = |end: &str| {
        let place = listed.get("span")?.get(end)?;
        let number = |key: &str| place.get(key).and_then(Value::as_u64).map(|number| number as usize);
        Some((number("line")?, number("column")?))
    };
    // The name is "FILE:LINE:COLUMN: what".
    let (file, start) = (text("file")?, place("start")?);
    let what = text("name")?.split_once(": ")?.1.to_owned();
    Some(Mutant {
        id: 0,
        file,
        what,
        genre: text("genre")?,
        start,
        end: place("end")?,
        replacement: text("replacement").unwrap_or_default(),
        fate: Fate::Waits,
    })
}

/// The text of each file, once.
pub fn texts(mutants: &[Mutant]) -> Result<Vec<(String, String)>, String> {
    let mut files: Vec<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
    files.dedup();
    let read = |file: &str| fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
    files.into_iter().map(|file| Ok((file.to_owned(), read(file)?))).collect()
}
