//! The looks of an item.

use super::items::{Code, Field, Item};
use super::sources::Sources;

/// Columns of the page.
const WIDTH: usize = 100;
/// The column of a struct's notes, at most.
const NOTE_AT: usize = 36;
/// Bits of a field of type `uint32_t`: unsigned, as the field is.
const UNSIGNED: &str = "RAFTCORE_PF_";

/// The title of a section.
pub fn banner(title: &str) -> String {
    let bar = "=".repeat(WIDTH - 6);
    format!("/* {bar}\n * {title}\n * {bar} */\n")
}

/// A list of constants.
///
/// The last paragraph of a comment is the note of the constant. Earlier paragraphs are headings.
pub fn constants(list: &[&Item], sources: &Sources) -> Result<String, String> {
    let mut rows = Vec::new();
    for item in list {
        let Code::Constant(value) = &item.code else { continue };
        rows.push((item.name.as_str(), number(&item.name, value, sources)?, paragraphs(&item.doc)));
    }
    let name_width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    let value_width = rows.iter().map(|(_, value, _)| value.len()).max().unwrap_or(0);

    // Notes stand behind the constants if all fit into two lines there, and half of the notes into one. Else all notes stand above.
    let note_at = "#define ".len() + name_width + 1 + value_width;
    let lines = || rows.iter().filter_map(|(.., texts)| texts.last()).map(|note| beside(note_at, note).len());
    let above = lines().any(|count| count > 2) || lines().filter(|count| *count == 1).count() * 2 < lines().count();

    let mut out = String::new();
    for (name, value, mut texts) in rows {
        let note = texts.pop().unwrap_or_default();
        for heading in texts {
            blank(&mut out);
            out += &remark("", &heading);
        }
        let code = format!("#define {name:name_width$} {value}");
        if above && !note.is_empty() {
            blank(&mut out);
            out += &format!("{}{code}\n", remark("", &note));
        } else {
            out += &noted(&code, note_at, &note);
        }
    }
    Ok(out)
}

/// The value of a constant, in C. A 64-bit constant has the type of its field, so that `~` keeps the upper half.
fn number(name: &str, value: &str, sources: &Sources) -> Result<String, String> {
    let digits = value.trim_end_matches("ull");
    if digits.trim_start_matches('-').parse::<u64>().is_err() {
        return Err(format!(
            "{name}: its value is no plain number but `{value}`; write it out in src/ffi/constants.rs"
        ));
    }
    Ok(match sources.type_of(name) {
        Some("u64") => format!("UINT64_C({digits})"),
        _ if digits.starts_with('-') => format!("({digits})"),
        _ if name.starts_with(UNSIGNED) => format!("{digits}u"),
        _ => digits.to_string(),
    })
}

/// A struct, a typedef or a function, with its comment.
pub fn declaration(item: &Item) -> String {
    let code = match &item.code {
        Code::Constant(_) => String::new(),
        Code::Alias(line) => format!("{line}\n"),
        Code::Struct(fields) => structure(&item.name, fields),
        Code::Call(returns, arguments) => call(&item.name, returns, arguments),
    };
    let doc = item.doc.iter().map(|line| format!(" * {line}").trim_end().to_string() + "\n");
    if item.doc.is_empty() { code } else { format!("/**\n{} */\n{code}", doc.collect::<String>()) }
}

/// A struct. A long note stands above the field, not behind.
fn structure(name: &str, fields: &[Field]) -> String {
    let indent = "    ";
    let widest = fields.iter().map(|field| indent.len() + field.code.len()).max().unwrap_or(0);
    let note_at = widest.min(NOTE_AT);
    let mut out = format!("typedef struct {name} {{\n");
    for Field { doc, code } in fields {
        let code = format!("{indent}{code}");
        let note = paragraphs(doc).join(" ");
        if beside(note_at.max(code.len()), &note).len() > 1 {
            if !out.ends_with("{\n") {
                out.push('\n');
            }
            out += &format!("{}{code}\n", remark(indent, &note));
        } else {
            out += &noted(&code, note_at, &note);
        }
    }
    out + &format!("}} {name};\n")
}

/// A function. Tests find the name at the start of a line.
fn call(name: &str, returns: &str, arguments: &[String]) -> String {
    let mut line = format!("{name}(");
    let mut out = format!("{returns}\n");
    for (place, argument) in arguments.iter().enumerate() {
        let end = if place + 1 == arguments.len() { ");" } else { ", " };
        if line.len() + argument.len() + end.trim_end().len() > WIDTH {
            out += line.trim_end();
            out += "\n";
            line = " ".repeat(4);
        }
        line = line + argument + end;
    }
    out + &line + "\n"
}

/// Code, then a note.
fn noted(code: &str, note_at: usize, note: &str) -> String {
    let note_at = note_at.max(code.len());
    let lines = beside(note_at, note);
    if lines.is_empty() {
        return format!("{}\n", code.trim_end());
    }
    let between = format!("\n{:note_at$}    ", "");
    format!("{code:note_at$} /* {} */\n", lines.join(&between))
}

/// The lines of a note that begins behind a column.
fn beside(note_at: usize, note: &str) -> Vec<String> {
    wrap(note, WIDTH.saturating_sub(note_at + " /*  */".len()))
}

/// A comment of its own.
fn remark(indent: &str, text: &str) -> String {
    let lines = wrap(text, WIDTH - indent.len() - "/*  */".len());
    format!("{indent}/* {} */\n", lines.join(&format!("\n{indent} * ")))
}

/// Breaks a text into lines of at most `width` columns. A longer word has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// The paragraphs of a comment, without line breaks.
fn paragraphs(doc: &[String]) -> Vec<String> {
    let parts = doc.split(|line| line.is_empty());
    parts.map(|lines| lines.join(" ")).filter(|text| !text.is_empty()).collect()
}

/// Ends the text with an empty line, unless it has one.
pub fn blank(out: &mut String) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
}
