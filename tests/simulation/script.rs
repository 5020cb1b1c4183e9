//! A run as a readable script, in the form of etcd's interaction files: a command, `----`, the
//! result.

use crate::driver::Batch;
use raftcore::*;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

/// A text shared by all nodes of a run; none: no script is written.
#[derive(Clone, Default)]
pub struct Script(Option<Rc<RefCell<Pages>>>);

#[derive(Default)]
struct Pages {
    text: String,
    /// Start of the last command, if the command was a tick without a result. The next tick joins
    /// it.
    quiet_tick: Option<usize>,
}

fn kind_text(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Normal => "EntryNormal",
        EntryKind::ConfChange => "EntryConfChange",
        EntryKind::ConfChangeV2 => "EntryConfChangeV2",
    }
}

/// Describes an entry's data: a write by number, other data by length.
fn data_text(data: &[u8]) -> String {
    match data.split_first_chunk::<8>() {
        Some((op, rest)) if !rest.is_empty() => format!("write {} key {}", u64::from_le_bytes(*op), rest[0]),
        _ if data.is_empty() => "\"\"".to_string(),
        _ => format!("{} bytes", data.len()),
    }
}

fn entry_text(entry: &EntryRef<'_>) -> String {
    let data = if entry.kind.is_change() { change_text(entry) } else { data_text(entry.data) };
    format!("{}/{} {} {data}", entry.term, entry.index, kind_text(entry.kind))
}

fn change_text(entry: &EntryRef<'_>) -> String {
    let Ok(view) = wire::parse_change(raftcore::Dialect::Raftpb, entry.kind, entry.data) else {
        return "no change".to_string();
    };
    let steps: Vec<String> = view.changes().map(|change| format!("{:?} {}", change.kind, change.id)).collect();
    if steps.is_empty() { "leave joint".to_string() } else { format!("{} ({:?})", steps.join(", "), view.transition) }
}

pub fn message_text(bytes: &[u8]) -> String {
    let Ok(m) = wire::parse_message(bytes) else { return format!("{} bytes that are no message", bytes.len()) };
    let name = |id: u64| match id {
        LOCAL_APPEND => "AppendThread".to_string(),
        LOCAL_APPLY => "ApplyThread".to_string(),
        id => id.to_string(),
    };
    let head = &m.head;
    let mut text = format!("{}->{} Msg{:?} Term:{}", name(head.from), name(head.to), head.kind, head.term);
    let _ = write!(text, " Log:{}/{}", head.log_term, head.index);
    if head.commit != 0 {
        let _ = write!(text, " Commit:{}", head.commit);
    }
    if head.vote != 0 {
        let _ = write!(text, " Vote:{}", head.vote);
    }
    if head.reject {
        let _ = write!(text, " Rejected (Hint: {})", head.reject_hint);
    }
    if !m.entries.is_empty() {
        let entries: Vec<String> = m
            .entries
            .iter()
            .map(|e| EntryRef { term: e.term, index: e.index, kind: e.kind, data: e.data, ..EntryRef::default() })
            .map(|entry| entry_text(&entry))
            .collect();
        let _ = write!(text, " Entries:[{}]", entries.join("; "));
    }
    if let Some(snapshot) = m.snapshot {
        let _ = write!(text, "\n  Snapshot: Index:{} Term:{} ", snapshot.index, snapshot.term);
        text += &conf_text(snapshot.conf.bytes());
    }
    text
}

fn conf_text(bytes: &[u8]) -> String {
    let conf = crate::check::Conf::read(bytes);
    format!(
        "ConfState:Voters:{:?} VotersOutgoing:{:?} Learners:{:?} LearnersNext:{:?}",
        conf.voters, conf.outgoing, conf.learners, conf.learners_next
    )
}

impl Script {
    pub fn new(on: bool) -> Self {
        Self(on.then(|| Rc::new(RefCell::new(Pages::default()))))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the text written so far.
    pub fn text(&self) -> String {
        self.0.as_ref().map_or(String::new(), |pages| pages.borrow().text.clone())
    }

    /// Writes a line between the commands.
    pub fn note(&self, text: &str) {
        if let Some(pages) = &self.0 {
            let mut pages = pages.borrow_mut();
            pages.quiet_tick = None;
            let _ = write!(pages.text, "# {text}\n\n");
        }
    }

    pub fn say(&self, command: &str, output: &str) {
        if let Some(pages) = &self.0 {
            let mut pages = pages.borrow_mut();
            pages.quiet_tick = None;
            let _ = write!(pages.text, "{command}\n----\n{}", if output.is_empty() { "ok" } else { output });
            let end = if pages.text.ends_with('\n') { "\n" } else { "\n\n" };
            pages.text += end;
        }
    }

    /// Writes a tick of a node. Ticks of several nodes share a line.
    pub fn tick(&self, id: u64) {
        let Some(pages) = &self.0 else { return };
        let mut pages = pages.borrow_mut();
        let begin = pages.quiet_tick.unwrap_or(pages.text.len());
        let line = pages.text[begin..].lines().next().unwrap_or("tick").to_string();
        pages.text.truncate(begin);
        let _ = write!(pages.text, "{line} {id}\n----\nok\n\n");
        pages.quiet_tick = Some(begin);
    }

    pub fn call<T>(&self, name: &str, id: u64, args: &[String], outcome: &Result<T>) {
        let command = format!("{} {id} {}", name.replace('_', "-"), args.join(" "));
        self.say(command.trim_end(), &outcome.as_ref().err().map_or(String::new(), |error| format!("error: {error}")));
    }

    pub fn message<T>(&self, command: &str, id: u64, bytes: &[u8], outcome: &Result<T>) {
        let error = outcome.as_ref().err().map_or(String::new(), |error| format!("\nerror: {error}"));
        self.say(&format!("{command} {id}"), &format!("{}{error}", message_text(bytes)));
    }

    pub fn conf(&self, id: u64, index: u64, outcome: &Result<Rc<[u8]>>) {
        let output = outcome.as_ref().map_or_else(|error| format!("error: {error}"), |conf| conf_text(conf));
        self.say(&format!("apply-conf {id} index={index}"), &output);
    }

    /// Writes an event beneath the causing command.
    pub fn event(&self, id: u64, event: &Event) {
        let Some(pages) = &self.0 else { return };
        let mut pages = pages.borrow_mut();
        pages.quiet_tick = None;
        if pages.text.ends_with("\n\n") {
            pages.text.pop();
        }
        let why = if event.reason == Reason::None { String::new() } else { format!(": {}", event.reason.text()) };
        let _ = writeln!(
            pages.text,
            "INFO {id} {}{why} [term {}, peer {}, index {}, {}, {}]\n",
            event.kind.text(),
            event.term,
            event.peer,
            event.index,
            event.a,
            event.b
        );
    }

    pub fn batch(&self, id: u64, batch: &Batch) {
        let mut text = format!("Ready {} MustSync={}:\n", batch.number, batch.must_sync);
        if batch.has_state {
            let HardState { term, vote, commit } = batch.state;
            let _ = writeln!(text, "HardState Term:{term} Vote:{vote} Commit:{commit}");
        }
        if let Some((at, conf, _)) = &batch.snapshot {
            let _ = writeln!(text, "Snapshot Index:{} Term:{} {}", at.index, at.term, conf_text(conf));
        }
        let mut list = |name: &str, records: &mut dyn Iterator<Item = String>| {
            let lines: Vec<String> = records.collect();
            if !lines.is_empty() {
                let _ = writeln!(text, "{name}:\n{}", lines.join("\n"));
            }
        };
        let entries = batch.entries.iter().zip(batch.first..);
        list("Entries", &mut entries.map(|(record, index)| entry_text(&record.entry(index))));
        let first = batch.span.map_or(0, |span| span.0);
        let committed = batch.committed.iter().zip(first..);
        list("CommittedEntries", &mut committed.map(|((record, _), index)| entry_text(&record.entry(index))));
        list(
            "Messages",
            &mut batch.messages.iter().map(|(after, packet)| {
                format!("{}{}", message_text(&packet.bytes), if *after { " (after the sync)" } else { "" })
            }),
        );
        list("Reads", &mut batch.reads.iter().map(|read| format!("token {} index {}", read.token, read.index)));
        list("Dropped", &mut batch.dropped.iter().map(|d| format!("token {} {:?} {:?}", d.token, d.what, d.reason)));
        self.say(&format!("process-ready {id}"), &text);
    }
}
