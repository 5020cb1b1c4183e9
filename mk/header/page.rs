//! The template, filled: the place of each item.

use std::collections::BTreeSet;

use super::draw;
use super::items::{Code, Item, items};
use super::sources::Sources;

const TEMPLATE: &str = "mk/header/raftcore.h.in";

/// Returns the page, or all faults.
///
/// `template` is the text of `mk/header/raftcore.h.in`, `declared` is cbindgen's output for `sources`.
pub fn page(template: &str, declared: &str, sources: &Sources) -> Result<String, Vec<String>> {
    let items = items(declared).map_err(|fault| vec![fault])?;
    let mut page = Page::read(template, sources);
    page.assign(&items);
    page.print(&items);
    page.check(&items);
    if page.faults.is_empty() { Ok(page.out) } else { Err(page.faults) }
}

/// A page while it is made.
struct Page<'a> {
    lines: Vec<Line<'a>>,
    sources: &'a Sources,
    /// Names of the items on the page so far.
    printed: BTreeSet<&'a str>,
    out: String,
    faults: Vec<String>,
}

/// A line of the template.
struct Line<'a> {
    what: What<'a>,
    /// The items that stand here.
    items: Vec<&'a Item>,
}

enum What<'a> {
    /// Text of the page.
    Text(&'a str),
    Section(&'a str),
    /// Constants by name; behind a type or a function, if given, else here.
    Constants(Vec<&'a str>, Option<&'a str>),
    /// Functions by name or by module.
    Calls(Vec<&'a str>),
    /// Types by name.
    Types(Vec<&'a str>),
}

impl<'a> Page<'a> {
    fn read(template: &'a str, sources: &'a Sources) -> Self {
        let mut page =
            Self { lines: Vec::new(), sources, printed: BTreeSet::new(), out: String::new(), faults: Vec::new() };
        for line in template.lines().filter(|line| !line.starts_with("@#")) {
            match What::read(line) {
                Some(what) => page.lines.push(Line { what, items: Vec::new() }),
                None => page.fault(format!("`{line}` is none of @section, @constants, @calls, @types and @#")),
            }
        }
        page
    }

    /// Gives each item to the best matching line.
    fn assign(&mut self, items: &'a [Item]) {
        for item in items {
            let module = self.sources.module_of(&item.name);
            // Of equally good lines the first.
            if let Some(line) = self.lines.iter_mut().rev().max_by_key(|line| line.what.rank(item, module))
                && line.what.rank(item, module) > 0
            {
                line.items.push(item);
            }
        }
    }

    fn print(&mut self, items: &'a [Item]) {
        for place in 0..self.lines.len() {
            let Line { what, items: here } = &self.lines[place];
            match what {
                What::Text("") => draw::blank(&mut self.out),
                What::Text(text) => {
                    self.out += text;
                    self.out.push('\n');
                }
                What::Section(title) => {
                    self.out.truncate(self.out.trim_end().len());
                    self.out += "\n\n\n";
                    self.out += &draw::banner(title);
                }
                What::Constants(_, Some(_)) => {}
                What::Constants(_, None) => self.print_constants(place),
                What::Calls(_) | What::Types(_) => {
                    here.clone().into_iter().for_each(|item| self.print_item(item, items))
                }
            }
        }
    }

    /// Prints the types that an item needs, the item, and the constants behind the item.
    fn print_item(&mut self, item: &'a Item, items: &'a [Item]) {
        if !self.printed.insert(&item.name) {
            return;
        }
        let needs = item.needs();
        for needed in needs.iter().filter_map(|name| items.iter().find(|other| other.name == *name)) {
            self.print_item(needed, items);
        }
        draw::blank(&mut self.out);
        self.out += &draw::declaration(item);
        draw::blank(&mut self.out);
        for place in 0..self.lines.len() {
            if matches!(self.lines[place].what, What::Constants(_, Some(name)) if name == item.name) {
                self.print_constants(place);
            }
        }
    }

    fn print_constants(&mut self, place: usize) {
        let list = &self.lines[place].items;
        self.printed.extend(list.iter().map(|item| item.name.as_str()));
        draw::blank(&mut self.out);
        match draw::constants(list, self.sources) {
            Ok(text) => self.out += &text,
            Err(fault) => self.fault(fault),
        }
        draw::blank(&mut self.out);
    }

    /// Checks that no item is without a place, and no line without an item.
    fn check(&mut self, items: &[Item]) {
        let without_place = items.iter().filter(|item| !self.printed.contains(item.name.as_str()));
        let mut faults: Vec<String> = without_place.map(|item| advice(item, self.sources)).collect();
        for line in &self.lines {
            match &line.what {
                What::Constants(names, _) | What::Calls(names) | What::Types(names) if line.items.is_empty() => {
                    faults.push(format!("{TEMPLATE}: nothing is named `{}`; remove the line", names.join(" ")));
                }
                What::Constants(_, Some(item)) if !self.printed.contains(item) => {
                    faults.push(format!("{TEMPLATE}: constants stand behind {item}, which the sources do not declare"));
                }
                What::Constants(names, _) => faults.extend(strangers(&line.items, &names.join(" "), items)),
                _ => {}
            }
        }
        if let Some(line) = self.out.lines().find(|line| !line.is_ascii()) {
            faults.push(format!("the page is ASCII, except: {line}"));
        }
        faults.into_iter().for_each(|fault| self.fault(fault));
    }

    fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }
}

impl<'a> What<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let Some(directive) = line.strip_prefix('@') else { return Some(Self::Text(line)) };
        let (what, rest) = directive.split_once(' ')?;
        let (names, behind) = rest.split_once(" behind ").map_or((rest, None), |(names, item)| (names, Some(item)));
        let names = names.split_whitespace().collect();
        Some(match what {
            "section" => Self::Section(rest),
            "constants" => Self::Constants(names, behind),
            "calls" => Self::Calls(names),
            "types" => Self::Types(names),
            _ => return None,
        })
    }

    /// How well the line matches an item: 0 not at all, 1 by module, more by a pattern with `*`, most by the full name.
    fn rank(&self, item: &Item, module: Option<&str>) -> usize {
        let (names, module) = match (self, &item.code) {
            (Self::Constants(names, _), Code::Constant(_)) => (names, None),
            (Self::Types(names), Code::Struct(_) | Code::Alias(_)) => (names, None),
            (Self::Calls(names), Code::Call(..)) => (names, module),
            _ => return 0,
        };
        let rank = |name: &&str| match name.split_once('*') {
            None if *name == item.name => usize::MAX,
            None => usize::from(module == Some(*name)),
            Some((head, tail)) if item.name.len() < head.len() + tail.len() => 0,
            Some((head, tail)) if item.name.starts_with(head) && item.name.ends_with(tail) => 1 + name.len(),
            Some(_) => 0,
        };
        names.iter().map(rank).max().unwrap_or(0)
    }
}

/// Says how an item gets a place.
fn advice(item: &Item, sources: &Sources) -> String {
    let name = &item.name;
    match &item.code {
        Code::Constant(_) => {
            let prefix = name.match_indices('_').nth(1).map_or(name.as_str(), |(end, _)| &name[..=end]);
            format!(
                "{name} has no place: add a line `@constants {prefix}*` to {TEMPLATE}, or its name to another such line"
            )
        }
        Code::Call(..) => {
            let module = sources.module_of(name).unwrap_or("MODULE");
            format!("{name} has no place: add a line `@calls {module}` to {TEMPLATE}, or its name to another such line")
        }
        Code::Struct(_) | Code::Alias(_) => {
            format!("{name} has no place, since no function needs it: name it in a line `@types` of {TEMPLATE}")
        }
    }
}

/// Faults for neighbours in a list that are no neighbours in the sources. The prefix alone has brought one of them into the list.
fn strangers(list: &[&Item], names: &str, items: &[Item]) -> Vec<String> {
    let place_of = |item: &Item| items.iter().position(|other| other.name == item.name);
    let gaps = list.windows(2).filter(|pair| place_of(pair[0]).map(|place| place + 1) != place_of(pair[1]));
    let fault = |pair: &[&Item]| {
        format!(
            "{} and {} are both in the list `{names}` of {TEMPLATE}, but stand apart in src/ffi/constants.rs: move one to the \
             other, or add the full name of the stranger to the line of its own list",
            pair[0].name, pair[1].name,
        )
    };
    gaps.map(fault).collect()
}
