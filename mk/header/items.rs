//! cbindgen's output as a list of items.

use std::str::Lines;

/// A constant, a type or a function, with its comment.
#[derive(Debug)]
pub struct Item {
    /// As C spells it.
    pub name: String,
    /// The lines of the comment.
    pub doc: Vec<String>,
    pub code: Code,
}

/// The declaration of an item.
#[derive(Debug)]
pub enum Code {
    /// `#define`, and the value as cbindgen writes it.
    Constant(String),
    /// A `typedef` of one line.
    Alias(String),
    Struct(Vec<Field>),
    /// The text before the name of a function, and its arguments.
    Call(String, Vec<String>),
}

/// A field of a struct, with its comment.
#[derive(Debug)]
pub struct Field {
    /// The lines of the comment.
    pub doc: Vec<String>,
    /// Type and name, with a semicolon.
    pub code: String,
}

impl Item {
    /// The types in the item's code. The item must stand behind all of these.
    pub fn needs(&self) -> Vec<&str> {
        let code: Vec<&str> = match &self.code {
            Code::Constant(_) | Code::Alias(_) => Vec::new(),
            Code::Struct(fields) => fields.iter().map(|field| field.code.as_str()).collect(),
            Code::Call(returns, arguments) => {
                std::iter::once(returns.as_str()).chain(arguments.iter().map(String::as_str)).collect()
            }
        };
        let words = code.into_iter().flat_map(|code| code.split(|c: char| !(c.is_alphanumeric() || c == '_')));
        words.filter(|word| word.starts_with("raftcore_") && *word != self.name).collect()
    }
}

/// Reads cbindgen's output, in its order.
pub fn items(text: &str) -> Result<Vec<Item>, String> {
    let mut lines = text.lines();
    let mut items = Vec::new();
    let mut doc = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        if line == "/**" {
            doc = comment(&mut lines);
            continue;
        }
        let unknown = || format!("mk/header/items.rs does not know what cbindgen means by `{line}`");
        let (name, code) = item(line, &mut lines).ok_or_else(unknown)?;
        items.push(Item { name, doc: std::mem::take(&mut doc), code });
    }
    Ok(items)
}

/// Name and declaration of the item that begins with a line.
fn item(line: &str, lines: &mut Lines) -> Option<(String, Code)> {
    if let Some(rest) = line.strip_prefix("#define ") {
        let (name, value) = rest.split_once(' ')?;
        return Some((name.to_string(), Code::Constant(value.to_string())));
    }
    if line.starts_with("RAFTCORE_API ") {
        let (head, arguments) = line.strip_suffix(");")?.split_once('(')?;
        let (returns, name) = head.split_at(head.rfind([' ', '*'])? + 1);
        let arguments = arguments.split(", ").map(plain).collect();
        return Some((name.to_string(), Code::Call(plain(returns), arguments)));
    }
    let rest = line.strip_prefix("typedef ")?;
    if let Some(name) = rest.strip_suffix(" {") {
        return Some((plain(name), Code::Struct(fields(lines))));
    }
    let name = rest.strip_suffix(';')?.rsplit(' ').next()?;
    Some((name.to_string(), Code::Alias(line.to_string())))
}

/// The fields up to the end of a struct.
fn fields(lines: &mut Lines) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut doc = Vec::new();
    while let Some(line) = lines.next().map(str::trim).filter(|line| !line.starts_with('}')) {
        if line == "/**" {
            doc = comment(lines);
        } else {
            fields.push(Field { doc: std::mem::take(&mut doc), code: plain(line) });
        }
    }
    fields
}

/// The lines up to the end of a comment.
fn comment(lines: &mut Lines) -> Vec<String> {
    let inner =
        lines.map(str::trim).take_while(|line| *line != "*/").map(|line| line.strip_prefix('*').unwrap_or(line));
    inner.map(|line| line.strip_prefix(' ').unwrap_or(line).to_string()).collect()
}

/// Code without the word `struct`, since every struct has a typedef.
fn plain(code: &str) -> String {
    code.replace("struct ", "").trim_end().to_string()
}
