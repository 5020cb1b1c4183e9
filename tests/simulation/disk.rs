//! A disk with a log, a hard state and a checkpoint of the state machine. The state machine has
//! registers that clients read and write.

use raftcore::*;
use std::collections::VecDeque;
use std::rc::Rc;

/// Registers of the state machine.
pub const KEYS: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub term: u64,
    pub kind: EntryKind,
    pub data: Rc<[u8]>,
}

impl Record {
    pub fn of(entry: &EntryRef<'_>) -> Self {
        Self { term: entry.term, kind: entry.kind, data: entry.data.into() }
    }

    pub fn entry(&self, index: u64) -> EntryRef<'_> {
        EntryRef { term: self.term, index, kind: self.kind, data: &self.data, ..EntryRef::default() }
    }

    /// Returns the number and the key of a write. None: a leader's first entry, or a change.
    pub fn write(&self) -> Option<(u64, usize)> {
        if self.kind.is_change() { None } else { read_write(&self.data) }
    }
}

/// Encodes a write: its number, its key, and padding up to the length.
pub fn write_bytes(op: u64, key: usize, len: u64) -> Vec<u8> {
    let mut data = op.to_le_bytes().to_vec();
    data.push(key as u8);
    data.resize((len as usize).max(9), 7);
    data
}

fn read_write(data: &[u8]) -> Option<(u64, usize)> {
    let (op, rest) = data.split_first_chunk::<8>()?;
    rest.first().map(|&key| (u64::from_le_bytes(*op), usize::from(key) % KEYS))
}

/// The application: the state that a host keeps besides the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    pub applied: u64,
    /// The term of the entry at `applied`.
    pub term: u64,
    /// The configuration as of `applied`.
    pub conf: Rc<[u8]>,
    /// Hash of everything applied.
    pub hash: u64,
    pub registers: [u64; KEYS],
    /// Numbers of the applied writes. A forwarded write may come twice, and counts once.
    seen: Vec<u64>,
}

impl Machine {
    pub fn apply(&mut self, index: u64, record: &Record) {
        let mut h = self.hash ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ record.term << 32;
        for chunk in record.data.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            h = (h ^ u64::from_le_bytes(word)).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
        self.hash = h.rotate_left(17);
        (self.applied, self.term) = (index, record.term);
        let Some((op, key)) = record.write() else { return };
        let (word, bit) = ((op / 64) as usize, op % 64);
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] >> bit & 1 == 0 {
            self.seen[word] |= 1 << bit;
            self.registers[key] = op;
        }
    }

    /// Encodes the machine without the configuration, which travels separately.
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers =
            [self.applied, self.term, self.hash].into_iter().chain(self.registers).chain(self.seen.iter().copied());
        numbers.flat_map(u64::to_le_bytes).collect()
    }

    pub fn from_bytes(data: &[u8], conf: Rc<[u8]>) -> Option<Self> {
        let mut numbers = data.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        let (applied, term, hash) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let mut registers = [0; KEYS];
        for register in &mut registers {
            *register = numbers.next()?;
        }
        Some(Self { applied, term, conf, hash, registers, seen: numbers.collect() })
    }
}

/// The state that survives a crash.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub state: HardState,
    /// The commit index as of the last sync. A later commit index may be lost.
    pub synced_commit: u64,
    pub before: EntryId,
    pub log: VecDeque<Record>,
    /// The last checkpoint of the state machine.
    pub machine: Machine,
}

impl Disk {
    /// Returns the disk of a founder of a group with these voters.
    pub fn founder(voters: &[u64]) -> Self {
        let conf = wire::ConfStateRef { voters, ..Default::default() };
        let mut bytes = vec![0; wire::conf_state_len(&conf)];
        wire::write_conf_state(&mut bytes, &conf);
        Self {
            state: HardState { term: 0, vote: 0, commit: 1 },
            synced_commit: 1,
            before: EntryId { term: 1, index: 1 },
            machine: Machine { applied: 1, term: 1, conf: bytes.into(), ..Machine::default() },
            ..Self::default()
        }
    }

    pub fn last_index(&self) -> u64 {
        self.before.index + self.log.len() as u64
    }

    pub fn last(&self) -> EntryId {
        self.log.back().map_or(self.before, |record| EntryId { index: self.last_index(), term: record.term })
    }

    pub fn get(&self, index: u64) -> Option<&Record> {
        let at = index.checked_sub(self.before.index + 1)?;
        self.log.get(at as usize)
    }

    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.before.index { Some(self.before.term) } else { self.get(index).map(|record| record.term) }
    }

    /// Whether the disk has the entry, or a snapshot that covers the entry.
    pub fn holds(&self, id: EntryId) -> bool {
        id.index <= self.before.index || self.term_at(id.index) == Some(id.term)
    }

    pub fn entries(&self, first: u64, last: u64) -> impl Iterator<Item = EntryRef<'_>> + Clone {
        let skip = first.saturating_sub(self.before.index + 1) as usize;
        let (begin, end) = (first.max(self.before.index + 1), last.min(self.last_index()));
        let take = (end + 1).saturating_sub(begin) as usize;
        self.log.iter().skip(skip).take(take).zip(begin..).map(|(record, index)| record.entry(index))
    }

    pub fn truncate_from(&mut self, index: u64) {
        self.log.truncate(index.saturating_sub(self.before.index + 1) as usize);
    }

    /// Stores a record at `index`. Deletes all records from `index` on first.
    pub fn put(&mut self, index: u64, record: Record) {
        self.truncate_from(index);
        self.log.push_back(record);
    }

    pub fn install(&mut self, id: EntryId, machine: Machine) {
        self.log.clear();
        self.before = id;
        self.machine = machine;
    }

    pub fn compact(&mut self, index: u64) {
        if let Some(term) = self.term_at(index) {
            self.log.drain(..(index - self.before.index) as usize);
            self.before = EntryId { term, index };
        }
    }

    pub fn runs(&self) -> Vec<TermRun> {
        let mut runs: Vec<TermRun> = Vec::new();
        for (record, first) in self.log.iter().zip(self.before.index + 1..) {
            if runs.last().is_none_or(|run| run.term != record.term) {
                runs.push(TermRun { first, term: record.term });
            }
        }
        runs
    }
}
