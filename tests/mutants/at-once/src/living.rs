//! Mutants that are known to live, and why: `tests/mutants/living.txt`.
//!
//! A line that begins with `#` is the reason of the lines below it; each of these names mutants, `FILE: WHAT`, where `*` stands for anything.

use std::fs;

/// Some mutants that live, and for what reason.
pub struct Known {
    pub pattern: String,
    pub reason: String,
}

pub fn read(path: &str) -> Result<Vec<Known>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let (mut known, mut reason, mut in_reason) = (Vec::new(), String::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix('#') {
            if !in_reason {
                reason.clear();
            }
            in_reason = true;
            reason = format!("{reason} {}", words.trim()).trim().to_owned();
        } else if !line.is_empty() {
            in_reason = false;
            known.push(Known { pattern: line.to_owned(), reason: reason.clone() });
        }
    }
    Ok(known)
}

impl Known {
    pub fn fits(&self, name: &str) -> bool {
        fits(&self.pattern, name)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| fits(tail, rest.split_at(at).1))
}

#[test]
fn a_star_stands_for_anything() {
    assert!(fits("a: replace * in b", "a: replace < with <= in b") && fits("*", "") && fits("a*c*e", "abcde"));
    assert!(!fits("a: replace * in b", "a: replace < with <= in c") && !fits("a", "ab") && !fits("a*c", "abd"));
}
