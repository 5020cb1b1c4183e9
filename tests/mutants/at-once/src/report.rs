//! A table by file, what lives, and the same as JSON.

use crate::living::Known;
use crate::mutant::{Fate, Mutant};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;

/// What becomes of mutants, as the table and the JSON name it.
const FATES: [&str; 4] = ["killed", "lives", "not compiled", "not planted"];

/// Which of these it is.
fn fate(mutant: &Mutant) -> usize {
    match mutant.fate {
        Fate::Killed(_) => 0,
        // None waits once all are judged; one that did would not be known to be killed.
        Fate::Lives | Fate::Waits => 1,
        Fate::Unviable => 2,
        Fate::Unplanted => 3,
    }
}

/// Prints everything; whether all that live are known to, and nothing else is. `whole`: nothing was left out.
pub fn report(mutants: &[Mutant], known: &[Known], whole: bool) -> Result<bool, String> {
    let mut counts: BTreeMap<&str, [usize; FATES.len()]> = BTreeMap::new();
    let mut killers: BTreeMap<&str, usize> = BTreeMap::new();
    for mutant in mutants {
        for row in [mutant.file.as_str(), "all"] {
            counts.entry(row).or_default()[fate(mutant)] += 1;
        }
        if let Fate::Killed(suite) = &mutant.fate {
            *killers.entry(suite).or_default() += 1;
        }
    }
    table(&counts)?;
    let by: Vec<String> = killers.iter().map(|(suite, count)| format!("{suite} {count}")).collect();
    println!("\nkilled by: {}", by.join(", "));
    write_json(mutants, known)?;

    let living: Vec<(&Mutant, String)> =
        mutants.iter().filter(|mutant| mutant.fate == Fate::Lives).map(|mutant| (mutant, mutant.name())).collect();
    let stale: Vec<&Known> =
        known.iter().filter(|known| whole && !living.iter().any(|(_, name)| known.fits(name))).collect();
    for known in &stale {
        println!("living.txt names what does not live: {}", known.pattern);
    }
    let unknown: Vec<&Mutant> = living
        .iter()
        .filter(|(_, name)| !known.iter().any(|known| known.fits(name)))
        .map(|(mutant, _)| *mutant)
        .collect();
    for mutant in &unknown {
        println!("lives, for no known reason: {}:{} {}", mutant.file, mutant.start.0, mutant.what);
    }
    Ok(unknown.is_empty() && stale.is_empty())
}

fn table(counts: &BTreeMap<&str, [usize; FATES.len()]>) -> Result<(), String> {
    let mut lines =
        vec![format!("| file | mutants | {} |", FATES.join(" | ")), format!("|---|{}", "---|".repeat(1 + FATES.len()))];
    let (sum, files): (Vec<_>, Vec<_>) = counts.iter().partition(|(row, _)| **row == "all");
    for (row, count) in files.into_iter().chain(sum) {
        let name = row.strip_prefix("src/").map_or((*row).to_owned(), |file| format!("`{file}`"));
        let cells: Vec<String> = count.iter().map(usize::to_string).collect();
        lines.push(format!("| {name} | {} | {} |", count.iter().sum::<usize>(), cells.join(" | ")));
    }
    let text = lines.join("\n") + "\n";
    print!("{text}");
    save("target/report/cargo-mutants.md", &text)
}

fn write_json(mutants: &[Mutant], known: &[Known]) -> Result<(), String> {
    let list = mutants.iter().map(|mutant| {
        let name = mutant.name();
        let by = if let Fate::Killed(suite) = &mutant.fate { Some(suite) } else { None };
        let lives = mutant.fate == Fate::Lives;
        let reason = known.iter().find(|known| lives && known.fits(&name)).map(|known| &known.reason);
        json!({
            "number": mutant.id, "mutant": name, "line": mutant.start.0, "fate": FATES[fate(mutant)], "killed_by": by,
            "reason": reason,
        })
    });
    let list: Vec<_> = list.collect();
    let text = serde_json::to_string_pretty(&list).map_err(|error| error.to_string())?;
    save("target/report/cargo-mutants.json", &(text + "\n"))
}

fn save(path: &str, text: &str) -> Result<(), String> {
    let written = fs::create_dir_all("target/report").and_then(|()| fs::write(path, text));
    written.map_err(|error| format!("{path}: {error}"))
}
