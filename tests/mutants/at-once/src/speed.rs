//! What a mutant costs: how often workload W1 (`benches/w1`) asks which mutant acts. All operators ask, so the number of questions stands
//! for the work, and is the same in each run. Without this judge, nobody would notice that a fast way is never taken.

use crate::tree::Tree;
use std::path::PathBuf;
use std::process::Command;

/// Entries of a batch: one by one, and many at a time.
const BATCHES: [&str; 2] = ["1", "64"];
/// A mutant is killed if W1 asks so many thousandths more often.
const MORE: u64 = 2;

pub struct Speed {
    program: PathBuf,
    /// The questions of each run as things are.
    without: Vec<u64>,
}

impl Speed {
    pub fn of(tree: &Tree) -> Result<Self, String> {
        let program = tree.programs.get("w1").ok_or("no workload W1")?.clone();
        let questions = BATCHES.iter().map(|batch| questions(&program, batch, 0)).collect::<Option<_>>();
        Ok(Self { without: questions.ok_or("workload W1 fails without a mutant")?, program })
    }

    /// Whether one of the runs takes more than it may, or fails.
    pub fn kills(&self, id: u32) -> bool {
        let held = |(batch, &without): (&&str, &u64)| {
            questions(&self.program, batch, id).is_some_and(|asked| asked <= without + without / 1000 * MORE)
        };
        !BATCHES.iter().zip(&self.without).all(held)
    }
}

fn questions(program: &PathBuf, batch: &str, id: u32) -> Option<u64> {
    // Some hang.
    let mut w1 = Command::new("timeout");
    w1.arg("20").arg(program).args(["1", batch, "256", "0"]);
    w1.env("RAFTCORE_MUTANT", id.to_string()).env("RAFTCORE_QUESTIONS", "1");
    let output = w1.output().ok().filter(|output| output.status.success())?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    told.lines().find_map(|line| line.strip_suffix(" questions")?.parse().ok())
}
