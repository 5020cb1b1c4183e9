//! The disk of a member: a snapshot, and behind the snapshot a log, in one file.
//!
//! The file is a row of records with length and checksum. The first record is the snapshot, every
//! later record holds the contents of a ready. A new snapshot makes a new file under another name,
//! and the rename puts the new file in place as a whole.

use raftcore::{EntryId, EntryKind, EntryRef, HardState, Ready};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The state machine as of an entry, with the membership as of this entry.
#[derive(Default)]
pub struct Snapshot {
    pub last: EntryId,
    pub conf: Vec<u8>,
    pub data: Vec<u8>,
}

pub struct Entry {
    pub id: EntryId,
    pub kind: EntryKind,
    pub data: Vec<u8>,
}

pub struct Disk {
    path: PathBuf,
    file: File,
    pub snapshot: Snapshot,
    pub state: HardState,
    pub log: Vec<Entry>,
}

impl Entry {
    pub fn of(entry: EntryRef<'_>) -> Self {
        Self { id: EntryId { index: entry.index, term: entry.term }, kind: entry.kind, data: entry.data.to_vec() }
    }

    pub fn view(&self) -> EntryRef<'_> {
        let EntryId { index, term } = self.id;
        EntryRef { term, index, kind: self.kind, data: &self.data, ..EntryRef::default() }
    }
}

impl Disk {
    /// Opens the file of a member. A missing file means a member that waits to be added.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (snapshot, state, log) = (Snapshot::default(), HardState::default(), Vec::new());
        let mut disk = Self { path: path.to_owned(), file, snapshot, state, log };
        let bytes = fs::read(path)?;
        if bytes.is_empty() {
            disk.rewrite()?;
            return Ok(disk);
        }
        let (mut at, mut records) = (0, 0);
        while let Some((record, end)) = record(&bytes, at)? {
            let loaded = if at == 0 { disk.load_snapshot(record) } else { disk.load_ready(record) };
            loaded.ok_or_else(|| damaged("a record has a wrong form"))?;
            (at, records) = (end, records + 1);
        }
        if records < 2 {
            return Err(damaged("the records that came with the file are not whole"));
        }
        disk.file.set_len(at as u64)?; // cuts a torn record off: nobody has relied on these bytes
        Ok(disk)
    }

    /// The index of the last entry.
    pub fn last(&self) -> u64 {
        self.snapshot.last.index + self.log.len() as u64
    }

    /// Stores snapshot, entries and hard state of a ready, as one.
    pub fn store(&mut self, ready: &Ready<'_>) -> io::Result<()> {
        let entries: Vec<Entry> = ready.entries().map(Entry::of).collect();
        self.state = ready.state();
        if let Some(new) = ready.snapshot() {
            let last = EntryId { index: new.index, term: new.term };
            self.snapshot = Snapshot { last, conf: new.conf.to_vec(), data: new.data.to_vec() };
            self.log = entries;
            return self.rewrite();
        }
        if !entries.is_empty() || ready.hard_state().is_some() {
            self.file.write_all(&framed(&ready_record(self.state, &entries)))?;
        }
        if ready.must_sync() {
            self.file.sync_data()?;
        }
        self.keep(entries);
        Ok(())
    }

    /// Puts a snapshot in the place of the entries that the snapshot covers.
    pub fn compact(&mut self, snapshot: Snapshot) -> io::Result<()> {
        self.log.retain(|entry| entry.id.index > snapshot.last.index);
        self.snapshot = snapshot;
        self.rewrite()
    }

    /// Appends entries, and replaces all entries from the first new index on.
    fn keep(&mut self, entries: Vec<Entry>) {
        if let Some(first) = entries.first() {
            self.log.truncate((first.id.index - self.snapshot.last.index - 1) as usize);
            self.log.extend(entries);
        }
    }

    /// Writes a new file, makes the file durable, and renames the file into place.
    fn rewrite(&mut self) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        let snapshot = &self.snapshot;
        let mut record = Vec::new();
        for number in [snapshot.last.index, snapshot.last.term, snapshot.conf.len() as u64] {
            record.extend(number.to_le_bytes());
        }
        record.extend(&snapshot.conf);
        record.extend(&snapshot.data);
        file.write_all(&framed(&record))?;
        file.write_all(&framed(&ready_record(self.state, &self.log)))?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        Ok(())
    }

    fn load_snapshot(&mut self, mut record: &[u8]) -> Option<()> {
        let last = EntryId { index: number(&mut record)?, term: number(&mut record)? };
        let conf = usize::try_from(number(&mut record)?).ok()?;
        let (conf, data) = record.split_at_checked(conf)?;
        self.snapshot = Snapshot { last, conf: conf.to_vec(), data: data.to_vec() };
        Some(())
    }

    fn load_ready(&mut self, mut record: &[u8]) -> Option<()> {
        self.state.term = number(&mut record)?;
        self.state.vote = number(&mut record)?;
        self.state.commit = number(&mut record)?;
        let mut entries = Vec::new();
        while !record.is_empty() {
            let id = EntryId { index: number(&mut record)?, term: number(&mut record)? };
            let kind = EntryKind::from_wire(number(&mut record)?)?;
            let length = usize::try_from(number(&mut record)?).ok()?;
            let (data, rest) = record.split_at_checked(length)?;
            entries.push(Entry { id, kind, data: data.to_vec() });
            record = rest;
        }
        self.keep(entries);
        Some(())
    }
}

fn ready_record(state: HardState, entries: &[Entry]) -> Vec<u8> {
    let mut record = Vec::new();
    for number in [state.term, state.vote, state.commit] {
        record.extend(number.to_le_bytes());
    }
    for entry in entries {
        for number in [entry.id.index, entry.id.term, entry.kind as u64, entry.data.len() as u64] {
            record.extend(number.to_le_bytes());
        }
        record.extend(&entry.data);
    }
    record
}

fn framed(record: &[u8]) -> Vec<u8> {
    let mut bytes = (record.len() as u64).to_le_bytes().to_vec();
    bytes.extend(checksum(record).to_le_bytes());
    bytes.extend(record);
    bytes
}

/// Returns the record at `at` and the position behind the record; `None` at the end of the log.
///
/// A record that a crash has cut off ends the log. A wrong checksum with records behind is damage:
/// entries in the middle may be acknowledged, and must not be forgotten.
fn record(bytes: &[u8], at: usize) -> io::Result<Option<(&[u8], usize)>> {
    let mut rest = &bytes[at..];
    let (Some(length), Some(sum)) = (number(&mut rest), number(&mut rest)) else { return Ok(None) };
    let Some((record, behind)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) else {
        return Ok(None);
    };
    match checksum(record) == sum {
        true => Ok(Some((record, bytes.len() - behind.len()))),
        false if behind.is_empty() => Ok(None),
        false => Err(damaged("a record in the middle has a wrong checksum")),
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{why}: remove this member, and add one with a new id"))
}

/// Takes a number from the front.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*head))
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
