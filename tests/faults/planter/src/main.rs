//! Makes a copy of the repository whose core has all faults of `tests/faults`; `RAFTCORE_FAULT` chooses one at run time.
//!
//! `planter FOLDER`, in the root of the repository

use planter::{edits, tree};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        eprintln!("usage: planter FOLDER   (make mutants)");
        return ExitCode::from(2);
    };
    match run(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("planter: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(folder: &Path) -> Result<(), String> {
    let faults = edits::read(Path::new("tests/faults"))?;
    let planted = edits::plant_all(Path::new("."), &faults)?;
    tree::copy(Path::new("."), folder, &planted)
}
