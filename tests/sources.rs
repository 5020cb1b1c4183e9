//! Tests of the source tree: layers, unsafe code, file sizes, source tags, and words that do not
//! belong here. Prose, commit messages, tables of documents and the writers of fields are in
//! `tests/sources/`.
//!
//! The tests read files and know nothing of Raft. A failing test names file and line. Where a
//! generated list is out of date, `REWRITE=1 make sources` rewrites the list.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The code that arranges the page for C, for its tests. build.rs uses the code.
#[allow(dead_code)]
#[path = "../mk/header/mod.rs"]
mod header;

#[path = "sources/commands.rs"]
mod commands;

#[path = "sources/messages.rs"]
mod messages;

#[path = "sources/prose.rs"]
mod prose;

#[path = "sources/tables.rs"]
mod tables;

#[path = "sources/writers.rs"]
mod writers;

/// The units of `src/`, lowest first. A unit uses units of its own line or of lines above, never in
/// a circle.
const LAYERS: &[&[&str]] = &[
    &["types", "error", "config", "event", "rng"],
    &["wire", "quorum", "proto"],
    &["log", "membership", "peers"],
    &["outbox"],
    &["raft"],
    &["ready", "status"],
    &["digest"],
    &["node"],
    &["storage", "ffi"],
];

/// The outer faces see the crate as a user does, so only these may name an item by the crate's
/// root, …
const OUTER: &[&str] = &["storage", "ffi"];

/// … and never an item of these.
const INNER: &[&str] = &["log", "peers", "outbox", "raft"];

/// Split a longer file in two (generated files excepted).
const MAX_LINES: usize = 800;

/// The number of scenarios in each family.
const SCENARIOS: &[(char, u32)] = &[('R', 10), ('E', 19), ('L', 21), ('D', 11), ('M', 15), ('S', 9), ('X', 5)];

// ---- layers ----------------------------------------------------------------------------------------------------------

#[test]
fn modules_use_only_what_lies_below_them() {
    let level = |unit: &str| LAYERS.iter().position(|units| units.contains(&unit));
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut faults = Vec::new();

    for file in core_files() {
        let Some(own) = unit_of(&file) else { continue };
        let Some(own_level) = level(&own) else {
            faults.push(format!("{}: `{own}` has no place in LAYERS of tests/sources.rs", file.name));
            continue;
        };
        let outer = OUTER.contains(&own.as_str());
        for (line, used) in used_units(&file) {
            let fault = match level(&used) {
                None if outer => continue,
                None => format!("`crate::{used}` is no unit of LAYERS, and only {OUTER:?} use the crate's root"),
                Some(used_level) if used_level > own_level => format!("`{own}` uses `{used}`, which lies above it"),
                Some(_) if own == "quorum" => format!("`quorum` imports nothing, not even `{used}`"),
                Some(_) if outer && INNER.contains(&used.as_str()) => {
                    format!("`{own}` knows only the public face, not `{used}`")
                }
                Some(_) => {
                    if used != own {
                        uses.entry(own.clone()).or_default().insert(used);
                    }
                    continue;
                }
            };
            faults.push(format!("{}:{line}: {fault}", file.name));
        }
    }
    for (unit, used) in &uses {
        if reaches(&uses, unit, unit, &mut BTreeSet::new()) {
            faults.push(format!("`{unit}` uses itself through others: {used:?}"));
        }
    }

    none(faults);
}

/// Returns whether `goal` can be reached from `from` by at least one use.
fn reaches(uses: &BTreeMap<String, BTreeSet<String>>, from: &str, goal: &str, seen: &mut BTreeSet<String>) -> bool {
    let next = uses.get(from).into_iter().flatten();
    next.into_iter().any(|next| next == goal || (seen.insert(next.clone()) && reaches(uses, next, goal, seen)))
}

/// Returns the units that a file names by `crate::` or by a `super::` that reaches the root, with
/// lines.
fn used_units(file: &File) -> Vec<(usize, String)> {
    let module = file.name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = module.split('/').count();
    let code = file.code();
    let mut found = Vec::new();
    for root in ["crate::".to_string(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            found.extend(first_names(&code[at + root.len()..]).into_iter().map(|unit| (line, unit)));
        }
    }
    found
}

/// `a::b` gives a; `{a::{b, c}, d}` gives a and d.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
        if c == '}' && depth == 0 && start == at + 1 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn names_of_a_use_are_found() {
    assert_eq!(first_names("wire::cursor::Head;"), ["wire"]);
    assert_eq!(first_names("{error::Result, types::{Index, Term}, wire};\nuse x::{y};"), ["error", "types", "wire"]);
    assert_eq!(first_names("{\n    log::{self},\n    raft::Raft,\n}; fn a() {}"), ["log", "raft"]);
}

#[test]
fn every_file_is_named_by_a_mod_line() {
    let mut faults = Vec::new();
    for file in rust_files("src").into_iter().chain(rust_files("tests")) {
        let path = Path::new(&file.name);
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap();
        // A program completes the loops of documents, and compiles them with rustc:
        // tests/loops/run.
        let is_loop = folder == Path::new("tests/loops/rust");
        let is_root = matches!(stem, "lib" | "main") || folder == Path::new("tests");
        // These are modules of a copy of the core: tests/faults/planter.
        let is_planted = ["tests/faults/planted.rs", "tests/conformance/hooks.rs"].contains(&file.name.as_str());
        if is_root || is_loop || is_planted {
            continue;
        }
        let (module, folder) = match stem {
            "mod" => (folder.file_name().unwrap().to_str().unwrap(), folder.parent().unwrap()),
            _ => (stem, folder),
        };
        // The last: x/tests.rs beside x.rs.
        let parents = ["lib.rs", "main.rs", "mod.rs"].map(|name| folder.join(name));
        let parents = parents.into_iter().chain([folder.with_extension("rs")]).filter(|parent| parent != path);
        let line = format!("mod {module};");
        let names_it = |text: String| {
            text.lines().map(str::trim).any(|l| l == line || (l.starts_with("pub") && l.ends_with(&format!(" {line}"))))
        };
        if !parents.into_iter().any(|parent| fs::read_to_string(top().join(parent)).is_ok_and(names_it)) {
            faults.push(format!("{}: no `{line}` names it", file.name));
        }
    }
    none(faults);
}

// ---- unsafe code -----------------------------------------------------------------------------------------------------

#[test]
fn unsafe_code_stands_in_ffi_only_and_says_why_it_is_sound() {
    let mut faults = Vec::new();
    for file in rust_files("src") {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in file.code().lines().enumerate() {
            let is_attribute = line.contains("unsafe(");
            if is_attribute || !words(line).any(|word| word == "unsafe") {
                continue;
            }
            let at = format!("{}:{}", file.name, number + 1);
            if !file.name.starts_with("src/ffi/") {
                faults.push(format!("{at}: unsafe code outside src/ffi"));
            }
            // A function's contract is in the header, or in its doc comment; the body still has to
            // give reasons.
            let is_declaration =
                line.contains("extern \"") || line.contains("unsafe fn") || line.contains("unsafe trait");
            let near = &lines[number.saturating_sub(8)..=number];
            if !is_declaration && !near.iter().any(|l| l.contains("SAFETY")) {
                faults.push(format!("{at}: no `// SAFETY:` in the eight lines above"));
            }
        }
    }
    none(faults);
}

#[test]
fn every_exported_function_goes_through_a_guard() {
    // These functions take no node, and return constants.
    let free = ["abi_version", "version_string", "features", "strerror", "reason_text", "event_text"];
    let files = rust_files("src/ffi");
    let name_of = |part: &str| part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let body_of = |part: &str| part.split("\n}").next().unwrap_or("").to_string();
    // A helper that calls a gate counts as a gate, three levels deep.
    let mut gates = vec!["guard(".to_string(), "guard_free(".into(), "guard_value(".into(), "catch_unwind(".into()];
    for _ in 0..3 {
        let helpers = files
            .iter()
            .flat_map(|file| file.text.split("\nfn ").skip(1).chain(file.text.split("\npub(super) fn ").skip(1)));
        let found: Vec<String> = helpers
            .filter(|part| gates.iter().any(|gate| body_of(part).contains(gate.as_str())))
            .map(name_of)
            .collect();
        gates.extend(found.into_iter().map(|name| format!("{name}(")));
    }
    let mut faults = Vec::new();
    for file in &files {
        for part in file.text.split("extern \"C\" fn raftcore_").skip(1) {
            let (name, body) = (name_of(part), body_of(part));
            if !free.contains(&name.as_str()) && !gates.iter().any(|gate| body.contains(gate.as_str())) {
                faults.push(format!("{}: raftcore_{name} does not go through a guard", file.name));
            }
        }
    }
    none(faults);
}

#[test]
fn the_c_abi_has_sizes_of_type_size_t() {
    let mut faults = Vec::new();
    for file in rust_files("src/ffi") {
        for part in file.text.split("extern \"C\" fn ").skip(1) {
            let signature = part.split('{').next().unwrap_or("");
            if words(signature).any(|word| word == "usize") {
                let name = words(signature).next().unwrap_or("");
                faults.push(format!("{}: {name} takes or returns a `usize`: write `libc::size_t`", file.name));
            }
        }
    }
    none(faults);
}

// ---- the shape of the tree -------------------------------------------------------------------------------------------

#[test]
fn no_file_is_too_long() {
    let kinds = ["rs", "c", "h", "hpp", "go", "py", "sh", "mk"];
    let mut faults = Vec::new();
    let generated = |name: &str| name.ends_with("/raftcore.h") || name.ends_with(".pb.go");
    for file in tree().into_iter().filter(|file| kinds.contains(&file.kind()) && !generated(&file.name)) {
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{}: {lines} lines, {MAX_LINES} at most", file.name));
        }
    }
    none(faults);
}

#[test]
fn no_word_that_does_not_belong_here() {
    // With a gap each, so that the test does not find its own list.
    let machine = [
        "/wo rk/",
        "/ro ot/",
        "/ho me/",
        "/tmp/tar get",
        "crates. io",
        "pypi. org",
        "proxy.go lang",
        "sum.go lang",
        "deb. debian",
        "npmjs. org",
        "sub agent",
    ];
    let unfinished = ["TO DO", "X XX", "to do!(", "unimpl emented!(", "db g!("];
    let machine = machine.map(|word| word.replace(' ', ""));
    let unfinished = unfinished.map(|word| word.replace(' ', ""));
    let mut faults = Vec::new();
    for file in tree().into_iter().filter(|file| !file.name.ends_with("Cargo.lock") && file.name != "LICENSE") {
        let is_code = ["rs", "c", "h", "go", "py", "sh"].contains(&file.kind());
        for (number, line) in file.text.lines().enumerate() {
            let mut bad = machine.iter().chain(unfinished.iter().filter(|_| is_code));
            // The end of a template for mkstemp is no mark of unfinished work.
            let line = line.replace(&"X".repeat(6), "");
            if let Some(word) = bad.find(|word| line.contains(word.as_str())) {
                faults.push(format!("{}:{}: `{word}`", file.name, number + 1));
            }
        }
    }
    none(faults);
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut faults = Vec::new();
    for file in tree().into_iter().filter(|file| file.kind() == "md") {
        let folder = Path::new(&file.name).parent().unwrap();
        // A block of code has brackets of its own.
        let words: String = file.text.split("```").step_by(2).collect();
        for part in words.split("](").skip(1) {
            let target = part.split(')').next().unwrap();
            let path = target.split('#').next().unwrap();
            let is_ours = !path.is_empty() && !path.contains("://");
            if is_ours && !top().join(folder).join(path).exists() {
                faults.push(format!("{}: no file behind ({target})", file.name));
            }
        }
    }
    none(faults);
}

#[test]
fn the_map_names_every_file_of_the_core() {
    let map = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let named: BTreeSet<&str> = map.split('`').collect();
    let files = core_files().into_iter().map(|file| file.name.trim_start_matches("src/").to_string());
    none(
        files
            .filter(|name| !named.contains(name.as_str()))
            .map(|name| format!("ARCHITECTURE.md: no `{name}`"))
            .collect(),
    );
}

#[test]
fn the_page_shows_the_minimal_program_as_it_is() {
    let Ok(program) = fs::read_to_string(top().join("examples-c/minimal.c")) else { return };
    held_to("docs/minimal.md", "minimal.c", &format!("```c\n{program}```\n"));
}

// ---- where a rule comes from -----------------------------------------------------------------------------------------

/// A scenario: family and number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Scenario(char, u32);

impl Scenario {
    fn all() -> impl Iterator<Item = Self> {
        SCENARIOS.iter().flat_map(|&(family, count)| (1..=count).map(move |number| Self(family, number)))
    }

    /// The id in a comment. Only the R family has no leading zero.
    fn tag(self) -> String {
        if self.0 == 'R' { format!("R-{}", self.1) } else { format!("{}-{:02}", self.0, self.1) }
    }

    /// The beginning of the names of its tests.
    fn prefix(self) -> String {
        format!("{}{:02}_", self.0.to_ascii_lowercase(), self.1)
    }
}

#[test]
fn scenario_ids_have_their_form() {
    let known: BTreeSet<String> = Scenario::all().map(Scenario::tag).collect();
    let mut faults = Vec::new();
    for file in tagged_files() {
        for (line, id) in scenario_tags(&file) {
            if !known.contains(&id) {
                faults.push(format!("{}:{line}: `{id}` is no scenario (form: L-05, R-1)", file.name));
            }
        }
    }
    none(faults);
}

/// `make sources` shows the output.
#[test]
fn tags() {
    let mut places: BTreeMap<String, [BTreeSet<String>; 2]> = BTreeMap::new();
    for file in tagged_files() {
        let side = usize::from(file.is_test());
        for (line, tag) in scenario_tags(&file).into_iter().chain(source_tags(&file)) {
            places.entry(tag).or_default()[side].insert(format!("{}:{line}", file.name));
        }
    }
    let tests = scenario_tests();
    for (scenario, names) in &tests {
        places.entry(scenario.tag()).or_default()[1].extend(names.iter().cloned());
    }

    for (tag, [code, tests]) in &places {
        println!("{tag}");
        code.iter().for_each(|place| println!("    code  {place}"));
        tests.iter().for_each(|place| println!("    test  {place}"));
    }
    let untested: Vec<String> = Scenario::all().filter(|one| !tests.contains_key(one)).map(Scenario::tag).collect();
    let all = Scenario::all().count();
    println!("\n{} tags; {} of {all} scenarios have a test named after them; the others:", places.len(), tests.len());
    untested.chunks(18).for_each(|row| println!("    {}", row.join(" ")));

    let row =
        |(scenario, names): (&Scenario, &Vec<String>)| format!("| {} | `{}` |\n", scenario.tag(), names.join("` `"));
    let rows: String = tests.iter().map(row).collect();
    held_to("tests/README.md", "scenarios", &format!("| Scenario | Tests |\n|---|---|\n{rows}"));
}

/// Every rule of `tests/paper/rules.txt` has a test whose name begins with the rule's id, every
/// test has a rule, and the README lists both.
#[test]
fn rules_of_the_paper_have_tests() {
    let text = fs::read_to_string(top().join("tests/paper/rules.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rules: Vec<Vec<&str>> = lines.map(|line| line.splitn(3, " | ").collect()).collect();
    let mut tests: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut faults = Vec::new();
    for file in rust_files("tests/paper") {
        for part in file.text.split("#[test]\nfn ").skip(1) {
            let name = words(part).next().unwrap();
            match rules.iter().find(|rule| name.starts_with(&format!("{}_", rule[0]))) {
                Some(rule) => tests.entry(rule[0]).or_default().push(name.to_string()),
                None => faults.push(format!("{}: `{name}` begins with no rule's id", file.name)),
            }
        }
    }
    let mut rows = String::new();
    let mut ids = BTreeSet::new();
    for rule in &rules {
        let [id, source, says] = rule[..] else {
            faults.push(format!("rules.txt: `{}` is not: id | source | rule", rule.join(" | ")));
            continue;
        };
        match tests.get(id).filter(|_| ids.insert(id)) {
            Some(names) => rows += &format!("| {source} | {says} | `{}` |\n", names.join("` `")),
            None => faults.push(format!("rules.txt: `{id}` has no test, or stands there twice")),
        }
    }
    none(faults);
    held_to("tests/README.md", "paper", &format!("| Source | Rule | Tests |\n|---|---|---|\n{rows}"));
}

/// The tests named after a scenario, as `file::name`: Rust `l05_…`, C `test_l05_…`, Go `Test_l05_…`.
fn scenario_tests() -> BTreeMap<Scenario, Vec<String>> {
    let mut found: BTreeMap<Scenario, Vec<String>> = BTreeMap::new();
    for file in tree().into_iter().filter(File::is_test) {
        for line in file.text.lines().map(str::trim_start) {
            let starts = ["fn ", "static void test_", "func Test_"];
            let Some(name) = starts.iter().find_map(|start| line.strip_prefix(start)) else { continue };
            let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let Some(scenario) = Scenario::all().find(|one| name.starts_with(&one.prefix())) {
                found.entry(scenario).or_default().push(format!("{}::{name}", file.name.trim_start_matches("tests/")));
            }
        }
    }
    found
}

/// Returns every word in the form of a scenario's id, with its line.
fn scenario_tags(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let parts = line.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')));
        for part in parts {
            let Some((family, digits)) = part.split_once('-') else { continue };
            let is_family = SCENARIOS.iter().any(|(one, _)| family == one.to_string());
            if is_family && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) {
                found.push((number + 1, part.to_string()));
            }
        }
    }
    found
}

/// Returns `paper §5.4.2`, `diss. §6.4`, `etcd#12136`, `etcd-raft#397`, `raft-rs#234` and the like,
/// with their lines.
fn source_tags(file: &File) -> Vec<(usize, String)> {
    let works = ["paper §", "paper figure ", "diss. §"];
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for work in works {
            for (at, _) in line.match_indices(work) {
                let rest = &line[at + work.len()..];
                let section: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
                found.push((number + 1, format!("{work}{}", section.trim_end_matches('.'))));
            }
        }
        for (at, _) in line.match_indices('#') {
            let digits: String = line[at + 1..].chars().take_while(char::is_ascii_digit).collect();
            let is_name = |c: char| c.is_ascii_alphabetic() || c == '-';
            let project = line[..at].rsplit(|c| !is_name(c)).next().unwrap();
            if !digits.is_empty() && project.len() > 1 {
                found.push((number + 1, format!("{project}#{digits}")));
            }
        }
    }
    found
}

// ---- files -----------------------------------------------------------------------------------------------------------

struct File {
    /// Path from the top, with slashes.
    name: String,
    text: String,
}

impl File {
    fn kind(&self) -> &str {
        self.name.rsplit_once('.').map_or("", |(_, kind)| kind)
    }

    fn is_test(&self) -> bool {
        self.name.starts_with("tests/") || self.name.ends_with("/tests.rs") || self.name.contains("/tests/")
    }

    /// Returns the text without comments, and without the rest after a `#[cfg(test)]` with a body.
    /// Lines keep their numbers.
    fn code(&self) -> String {
        let mut code = String::new();
        let mut lines = self.text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.trim() == "#[cfg(test)]"
                && lines.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'))
            {
                break;
            }
            let is_comment = line.trim_start().starts_with("//");
            code.push_str(if is_comment { "" } else { line.split(" // ").next().unwrap() });
            code.push('\n');
        }
        code
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of the project.
fn tree() -> Vec<File> {
    files_below("")
}

fn rust_files(folder: &str) -> Vec<File> {
    files_below(folder).into_iter().filter(|file| file.kind() == "rs").collect()
}

/// Returns the files of `src/` without tests.
fn core_files() -> Vec<File> {
    rust_files("src").into_iter().filter(|file| !file.is_test()).collect()
}

/// Returns the files whose tags count. This file only mentions tags.
fn tagged_files() -> Vec<File> {
    let kinds = ["rs", "c", "h", "go", "txt"];
    let files = ["src", "tests", "examples-c"].into_iter().flat_map(files_below);
    files.filter(|file| kinds.contains(&file.kind()) && file.name != "tests/sources.rs").collect()
}

/// Returns the unit of `src/` that a file belongs to; `None` for the crate's root.
fn unit_of(file: &File) -> Option<String> {
    let unit = file.name.trim_start_matches("src/").split('/').next()?.trim_end_matches(".rs");
    (unit != "lib").then(|| unit.to_string())
}

fn files_below(folder: &str) -> Vec<File> {
    let not_ours = [".git", "target", "build", "__pycache__", "corpus"];
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![top().join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                if !not_ours.iter().any(|name| entry.file_name() == *name) {
                    open.push(path);
                }
            } else if let Ok(text) = fs::read_to_string(&path) {
                let name = path.strip_prefix(top()).unwrap().to_str().unwrap().replace('\\', "/");
                if name != ".git" {
                    found.push(File { name, text });
                }
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Compares the block between `<!-- mark -->` and `<!-- end -->` of a document with `expected`;
/// `REWRITE=1` writes `expected`.
fn held_to(document: &str, mark: &str, expected: &str) {
    let path = top().join(document);
    let text = fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- {mark} -->\n");
    let (head, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{document} has no line {begin}"));
    let (block, tail) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{document}: no end of {begin}"));
    if block == expected {
        return;
    }
    assert!(
        std::env::var("REWRITE").is_ok_and(|value| value == "1"),
        "{document}: the block `{mark}` is not what the tree says: REWRITE=1 cargo test --test sources writes it anew"
    );
    fs::write(&path, format!("{head}{begin}{expected}<!-- end -->{tail}")).unwrap();
}
