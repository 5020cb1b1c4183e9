//! Edits that each make one fault of the core, and how they are planted all at once.
//!
//! The files are `tests/faults/*.edit`; `tests/faults/README.md` says what their lines mean. A function that has faults becomes a choice of
//! whole bodies: the body of each of its faults, and otherwise the body as it is. So no two faults meet, and a fault may be any text.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The file of the module that all others are in.
const CRATE_ROOT: &str = "src/lib.rs";

/// A fault, and the places that make it.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// `RAFTCORE_FAULT` chooses the fault by this number, from 1.
    pub number: u32,
    pub name: String,
    /// What goes wrong, in a sentence.
    pub breaks: String,
    pub edits: Vec<Edit>,
}

/// Lines of one function that give way to others.
#[derive(Debug, PartialEq, Eq)]
pub struct Edit {
    /// Below the root of the repository.
    pub file: String,
    pub function: String,
    /// Whole lines, without the blanks around them.
    pub old: Vec<String>,
    pub new: Vec<String>,
    /// Where the edit stands: file and line.
    pub place: String,
}

/// The faults of all `*.edit` files of a folder, in the order of their numbers, which are 1, 2, 3, and so on.
pub fn read(folder: &Path) -> Result<Vec<Fault>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut faults = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "edit") {
            faults.extend(parse(&path.display().to_string(), &fs::read_to_string(&path).map_err(failed)?)?);
        }
    }
    faults.sort_by_key(|fault| fault.number);
    in_order(folder, faults)
}

/// The faults of one file, which stand in the order of their numbers, as in `read`.
pub fn read_file(path: &Path) -> Result<Vec<Fault>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    in_order(path, parse(&path.display().to_string(), &text)?)
}

fn in_order(place: &Path, faults: Vec<Fault>) -> Result<Vec<Fault>, String> {
    for (fault, number) in faults.iter().zip(1..) {
        if fault.number != number {
            let missing = number.min(fault.number);
            return Err(format!("{}: fault {missing} is missing, or stands there twice", place.display()));
        }
    }
    Ok(faults)
}

/// The faults of one file, whose name is for messages.
pub fn parse(name: &str, text: &str) -> Result<Vec<Fault>, String> {
    let mut faults: Vec<Fault> = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let place = format!("{name}:{at}");
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let fault = faults.last_mut();
        match (mark, fault) {
            ("" | "#", _) => {}
            ("fault", _) => {
                let head =
                    rest.split_once(' ').and_then(|(number, name)| Some((number.parse().ok()?, name.to_owned())));
                let Some((number, name)) = head else { return Err(format!("{place}: not `fault NUMBER NAME`")) };
                faults.push(Fault { number, name, breaks: String::new(), edits: Vec::new() });
            }
            ("@", Some(fault)) => {
                let Some((file, function)) = rest.split_once(' ') else {
                    return Err(format!("{place}: not `@ FILE FUNCTION`"));
                };
                let (file, function) = (file.to_owned(), function.to_owned());
                fault.edits.push(Edit { file, function, old: Vec::new(), new: Vec::new(), place });
            }
            ("-" | "+", Some(Fault { edits, .. })) => {
                let Some(edit) = edits.last_mut() else { return Err(format!("{place}: a line before any `@`")) };
                let lines = if mark == "-" { &mut edit.old } else { &mut edit.new };
                // What is new keeps its indentation below the first line.
                lines.push(if mark == "-" { rest.trim() } else { rest }.to_owned());
            }
            (_, Some(fault)) if fault.breaks.is_empty() && fault.edits.is_empty() => fault.breaks = line.to_owned(),
            _ => return Err(format!("{place}: this line means nothing here: {line}")),
        }
    }
    for fault in &faults {
        if fault.breaks.is_empty() || fault.edits.is_empty() || fault.edits.iter().any(|edit| edit.old.is_empty()) {
            return Err(format!("{name}: {} needs a sentence, and edits with old lines", fault.name));
        }
    }
    Ok(faults)
}

/// Plants all faults: each file that changes, with its text. If an edit does not fit the sources below `root`, the error names each one.
pub fn plant_all(root: &Path, faults: &[Fault]) -> Result<Vec<(String, String)>, String> {
    let edited = faults.iter().flat_map(|fault| &fault.edits).map(|edit| edit.file.as_str());
    let files: BTreeSet<&str> = edited.chain([CRATE_ROOT]).collect();
    let (mut planted, mut misfits) = (Vec::new(), Vec::new());
    for file in files {
        let text = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        for fault in faults {
            misfits.extend(plant(file, &text, std::slice::from_ref(fault)).err());
        }
        if misfits.is_empty() {
            let end = if file == CRATE_ROOT { root_end(faults) } else { String::new() };
            planted.push((file.to_owned(), plant(file, &text, faults)? + &end));
        }
    }
    if misfits.is_empty() { Ok(planted) } else { Err(misfits.join("\n")) }
}

/// Makes one fault for good, without a choice at run time: each file that changes, with its text.
pub fn make_only(root: &Path, fault: &Fault) -> Result<Vec<(String, String)>, String> {
    let files: BTreeSet<&str> = fault.edits.iter().map(|edit| edit.file.as_str()).collect();
    let mut made = Vec::new();
    for file in files {
        let text = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for edit in fault.edits.iter().filter(|edit| edit.file == file) {
            let (begin, end) = bounds_of(fault, edit, &lines)?;
            let body: Vec<String> = lines.iter().take(end).skip(begin).cloned().collect();
            lines.splice(begin..end, edited_body(fault, edit, &body)?);
        }
        made.push((file.to_owned(), lines.join("\n") + "\n"));
    }
    Ok(made)
}

/// The text of a file with all faults planted that edit the file.
pub fn plant(file: &str, text: &str, faults: &[Fault]) -> Result<String, String> {
    let mut text = text.to_owned();
    let mut done: Vec<&str> = Vec::new();
    let here = |edit: &&Edit| edit.file == file;
    for edit in faults.iter().flat_map(|fault| &fault.edits).filter(here) {
        if !done.contains(&edit.function.as_str()) {
            text = plant_function(file, &edit.function, &text, faults)?;
            done.push(&edit.function);
        }
    }
    Ok(text)
}

/// One function becomes a choice of bodies.
fn plant_function(file: &str, function: &str, text: &str, faults: &[Fault]) -> Result<String, String> {
    let lines: Vec<&str> = text.lines().collect();
    let here = |edit: &&Edit| edit.file == file && edit.function == function;
    let mut choice = String::from("match crate::planted::fault() {\n");
    let mut bounds = None;
    for fault in faults {
        let mut body: Option<Vec<String>> = None;
        for edit in fault.edits.iter().filter(here) {
            let (begin, end) = bounds_of(fault, edit, &lines)?;
            bounds = Some((begin, end));
            let before = body
                .take()
                .unwrap_or_else(|| lines.iter().take(end).skip(begin).map(|&line| line.to_owned()).collect());
            body = Some(edited_body(fault, edit, &before)?);
        }
        if let Some(body) = body {
            _ = writeln!(
                choice,
                "// {}: {}\n{} => {{\n{}\n}}",
                fault.name,
                fault.breaks,
                fault.number,
                body.join("\n")
            );
        }
    }
    let Some((begin, end)) = bounds else { return Ok(text.to_owned()) };
    let part =
        |from: usize, to: usize| lines.iter().take(to).skip(from).fold(String::new(), |all, line| all + line + "\n");
    Ok(format!("{}{choice}_ => {{\n{}}}\n}}\n{}", part(0, begin), part(begin, end), part(end, lines.len())))
}

/// The lines of the body that an edit changes.
fn bounds_of(fault: &Fault, edit: &Edit, lines: &[impl AsRef<str>]) -> Result<(usize, usize), String> {
    let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
    body_of(&edit.function, &lines)
        .map_err(|count| misfit(fault, edit, &format!("{} has {count} functions `{}`", edit.file, edit.function)))
}

fn edited_body(fault: &Fault, edit: &Edit, body: &[String]) -> Result<Vec<String>, String> {
    edited(body, edit).map_err(|count| {
        let Edit { file, function, old, .. } = edit;
        let old = old.join("\n    ");
        misfit(
            fault,
            edit,
            &format!("its old lines stand in `{function}` of {file} {count} times, not once:\n    {old}"),
        )
    })
}

fn misfit(fault: &Fault, edit: &Edit, why: &str) -> String {
    format!("{}: {} does not fit: {why}", edit.place, fault.name)
}

/// The lines of a function's body: the first one, and the one of its last brace. If it is not there just once: how often it is.
fn body_of(function: &str, lines: &[&str]) -> Result<(usize, usize), usize> {
    let is_head = |line: &&str| {
        let mut words = line.trim_start().split(' ').skip_while(|&word| {
            word.starts_with("pub") || matches!(word, "const" | "unsafe" | "extern" | "\"C\"" | "async")
        });
        let name = words.next().filter(|&word| word == "fn").and_then(|_| words.next());
        name.and_then(|name| name.strip_prefix(function)).is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    let count = lines.iter().filter(|line| is_head(line)).count();
    let Some(head) = lines.iter().position(is_head).filter(|_| count == 1) else { return Err(count) };
    // As rustfmt writes it: the braces of a body stand as deep as its head, and nothing between stands so.
    let indent = lines.get(head).map_or(0, |line| line.len() - line.trim_start().len());
    let as_deep = |line: &str| line.len() - line.trim_start().len() == indent && !line.trim().is_empty();
    let after = |from: usize, is: &dyn Fn(&str) -> bool| {
        lines.iter().enumerate().skip(from).find(|(_, line)| as_deep(line) && is(line.trim())).map(|(at, _)| at)
    };
    let begin = after(head, &|line| line.ends_with('{')).ok_or(0usize)? + 1;
    let end = after(begin, &|line| line == "}").ok_or(0usize)?;
    Ok((begin, end))
}

/// The body with the new lines in place of the old ones. If these are not there just once: how often they are.
fn edited(body: &[String], edit: &Edit) -> Result<Vec<String>, usize> {
    let fits = |window: &[String]| window.iter().zip(&edit.old).all(|(line, old)| line.trim() == old);
    let places: Vec<usize> =
        body.windows(edit.old.len()).enumerate().filter(|(_, lines)| fits(lines)).map(|(at, _)| at).collect();
    let &[at] = places.as_slice() else { return Err(places.len()) };
    let mut result = body.to_vec();
    result.splice(at..at + edit.old.len(), edit.new.iter().cloned());
    Ok(result)
}

/// What stands at the end of the crate's root: the module that the planted bodies ask, and what it has to know.
fn root_end(faults: &[Fault]) -> String {
    let count = faults.len();
    format!("\nconst PLANTED_FAULTS: u32 = {count};\n#[path = \"../tests/faults/planted.rs\"]\nmod planted;\n")
}
