//! Makes a copy of the repository whose core has all faults of `tests/faults`; `RAFTCORE_FAULT` chooses one at run time. Or one that has
//! a single edit of a file, for good: the edit of that number, or none of them with 0.
//!
//! `planter FOLDER` or `planter FOLDER FILE NUMBER`, in the root of the repository

use planter::{edits, tree};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [folder] => plant_all(Path::new(folder)),
        [folder, file, number] => make_only(Path::new(folder), Path::new(file), number),
        _ => Err("usage: planter FOLDER [FILE NUMBER]   (make mutants, make bench-ways)".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("planter: {why}");
            ExitCode::from(2)
        }
    }
}

fn plant_all(folder: &Path) -> Result<(), String> {
    let faults = edits::read(Path::new("tests/faults"))?;
    let planted = edits::plant_all(Path::new("."), &faults)?;
    tree::copy(Path::new("."), folder, &planted)
}

fn make_only(folder: &Path, file: &Path, number: &str) -> Result<(), String> {
    let faults = edits::read_file(file)?;
    let made = match faults.iter().find(|fault| fault.number.to_string() == number) {
        Some(fault) => edits::make_only(Path::new("."), fault)?,
        None if number == "0" => Vec::new(),
        None => return Err(format!("{} has no edit {number}", file.display())),
    };
    tree::copy(Path::new("."), folder, &made)
}
