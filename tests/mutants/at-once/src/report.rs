//! A table by file, what lives, and the same as JSON.

use crate::living::Known;
use crate::mutant::{Fate, Mutant};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;

#[derive(Default)]
struct Count {
    all: usize,
    unviable: usize,
    unplanted: usize,
    beside: usize,
    killed: usize,
    lives: usize,
}

/// Prints everything; whether all that live are known to. `whole`: nothing was left out.
pub fn report(mutants: &[Mutant], known: &[Known], whole: bool) -> Result<bool, String> {
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let mut killers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unknown = Vec::new();
    let mut used = vec![false; known.len()];
    for mutant in mutants {
        let count = counts.entry(mutant.file.as_str()).or_default();
        count.all += 1;
        match &mutant.fate {
            Fate::Unviable => count.unviable += 1,
            Fate::Unplanted => count.unplanted += 1,
            Fate::Waits => count.beside += 1,
            Fate::Killed(suite) => {
                count.killed += 1;
                *killers.entry(suite).or_default() += 1;
            }
            Fate::Lives => {
                count.lives += 1;
                let name = mutant.name();
                let mut fitting = known.iter().zip(&mut used).filter(|(known, _)| known.fits(&name)).peekable();
                if fitting.peek().is_none() {
                    unknown.push(mutant);
                }
                fitting.for_each(|(_, used)| *used = true);
            }
        }
    }
    table(&counts)?;
    let by: Vec<String> = killers.iter().map(|(suite, count)| format!("{suite} {count}")).collect();
    println!("\nkilled by: {}", by.join(", "));
    write_json(mutants, known)?;
    for (known, _) in known.iter().zip(&used).filter(|(_, used)| whole && !**used) {
        println!("living.txt names what does not live: {}", known.pattern);
    }
    for mutant in &unknown {
        println!("lives, for no known reason: {}:{} {}", mutant.file, mutant.line, mutant.what);
    }
    Ok(unknown.is_empty())
}

fn table(counts: &BTreeMap<&str, Count>) -> Result<(), String> {
    let mut lines = vec![
        "| file | mutants | killed | live, for a reason | not compiled | not planted | beside a planted fault |"
            .to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    let mut sum = Count::default();
    let row = |name: &str, c: &Count| {
        format!("| {name} | {} | {} | {} | {} | {} | {} |", c.all, c.killed, c.lives, c.unviable, c.unplanted, c.beside)
    };
    for (file, count) in counts {
        lines.push(row(&format!("`{}`", file.trim_start_matches("src/")), count));
        sum.all += count.all;
        sum.killed += count.killed;
        sum.lives += count.lives;
        sum.unviable += count.unviable;
        sum.unplanted += count.unplanted;
        sum.beside += count.beside;
    }
    lines.push(row("all", &sum));
    let text = lines.join("\n") + "\n";
    print!("{text}");
    save("target/report/cargo-mutants.md", &text)
}

fn write_json(mutants: &[Mutant], known: &[Known]) -> Result<(), String> {
    let list = mutants.iter().map(|mutant| {
        let (fate, by) = match &mutant.fate {
            Fate::Unviable => ("not compiled", None),
            Fate::Unplanted => ("not planted", None),
            Fate::Waits => ("beside a planted fault", None),
            Fate::Killed(suite) => ("killed", Some(suite)),
            Fate::Lives => ("lives", None),
        };
        let name = mutant.name();
        let reason = known.iter().find(|known| fate == "lives" && known.fits(&name)).map(|known| &known.reason);
        json!({"number": mutant.id, "mutant": name, "line": mutant.line, "fate": fate, "killed_by": by, "reason": reason})
    });
    let list: Vec<_> = list.collect();
    let text = serde_json::to_string_pretty(&list).map_err(|error| error.to_string())?;
    save("target/report/cargo-mutants.json", &(text + "\n"))
}

fn save(path: &str, text: &str) -> Result<(), String> {
    let written = fs::create_dir_all("target/report").and_then(|()| fs::write(path, text));
    written.map_err(|error| format!("{path}: {error}"))
}
