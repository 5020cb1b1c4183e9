//! The disk of a member, in words of neither library, so that a member can change its library
//! between two starts.
//!
//! A host writes to a `Store`: the page cache holds all writes, and the disk holds the writes that
//! were flushed. A crash keeps the disk and some of the oldest unflushed writes, perhaps entries
//! without the hard state that belongs to them.

use crate::draw::{Draw, mix};
use std::collections::VecDeque;

/// Term, vote and commit index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hard {
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
}

/// An entry of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub term: u64,
    pub index: u64,
    /// 0: normal, 1 and 2: a change in the first or second encoding.
    pub kind: u8,
    pub data: Vec<u8>,
    pub context: Vec<u8>,
}

impl Record {
    /// Returns a number that differs for entries that differ.
    pub fn mark(&self) -> u64 {
        let mut mark = mix(self.term ^ mix(self.index ^ mix(u64::from(self.kind))));
        for bytes in [&self.data, &self.context] {
            mark = mix(mark ^ bytes.len() as u64);
            bytes.iter().for_each(|&byte| mark = mix(mark ^ u64::from(byte)));
        }
        mark
    }
}

/// A membership, each list ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf {
    pub voters: Vec<u64>,
    pub learners: Vec<u64>,
    pub outgoing: Vec<u64>,
    pub learners_next: Vec<u64>,
    pub auto_leave: bool,
}

impl Conf {
    /// Returns a membership of voters alone.
    pub fn of(voters: &[u64]) -> Self {
        Self { voters: voters.to_vec(), ..Self::default() }
    }

    /// Returns the membership with ascending lists.
    pub fn sorted(mut self) -> Self {
        for list in [&mut self.voters, &mut self.learners, &mut self.outgoing, &mut self.learners_next] {
            list.sort_unstable();
        }
        self
    }

    /// True if two halves count.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// True if the node has a place in the membership.
    pub fn has(&self, id: u64) -> bool {
        self.voters.contains(&id) || self.outgoing.contains(&id) || self.learners.contains(&id)
    }
}

/// The state machine: a digest of everything applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    pub applied: u64,
    pub term: u64,
    pub digest: u64,
}

impl Machine {
    /// Applies an entry.
    pub fn apply(&mut self, entry: &Record) {
        self.applied = entry.index;
        self.term = entry.term;
        self.digest = mix(self.digest ^ entry.mark());
    }

    /// Returns the state as snapshot data.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.applied, self.term, self.digest].iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Reads snapshot data.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut numbers = bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        let machine = Self { applied: numbers.next()?, term: numbers.next()?, digest: numbers.next()? };
        (bytes.len() == 24).then_some(machine)
    }
}

/// A write, in the order in which writes reach the disk.
#[derive(Clone, Debug)]
pub enum Write {
    /// Replaces everything, and raises term and commit index: a single transaction, since raft-rs
    /// panics at a commit index below the log.
    Snapshot(Machine, Conf),
    /// Replaces the log from the entry's index on.
    Entry(Record),
    Hard(Hard),
    /// The state machine, and with a change the membership: a single transaction.
    Applied(Machine, Option<Conf>),
    /// Drops the entries up to the index.
    Compact(u64),
}

/// Everything that survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    pub hard: Hard,
    /// Term and index of the entry before the log's first entry.
    pub before: (u64, u64),
    pub log: VecDeque<Record>,
    pub machine: Machine,
    pub conf: Conf,
}

impl Disk {
    /// Returns the disk of a founder. If nobody joins later, a group may begin with an empty log and
    /// a membership. Otherwise the log begins after index 1 of term 1, so that new members get the
    /// first membership by a snapshot.
    pub fn founder(voters: &[u64], from_zero: bool) -> Self {
        let conf = Conf::of(voters);
        if from_zero {
            return Self { conf, ..Self::default() };
        }
        Self {
            hard: Hard { term: 1, vote: 0, commit: 1 },
            before: (1, 1),
            machine: Machine { applied: 1, term: 1, digest: 0 },
            conf,
            ..Self::default()
        }
    }

    pub fn first(&self) -> u64 {
        self.before.1 + 1
    }

    pub fn last(&self) -> u64 {
        self.before.1 + self.log.len() as u64
    }

    /// Returns the entry at an index.
    pub fn entry(&self, index: u64) -> Option<&Record> {
        self.log.get(usize::try_from(index.checked_sub(self.first())?).ok()?)
    }

    /// Returns the term of an entry, or of the entry before the log's first.
    pub fn term(&self, index: u64) -> Option<u64> {
        if index == self.before.1 { Some(self.before.0) } else { self.entry(index).map(|entry| entry.term) }
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::Snapshot(machine, conf) => {
                self.log.clear();
                self.before = (machine.term, machine.applied);
                self.machine = *machine;
                self.conf = conf.clone();
                self.hard.commit = self.hard.commit.max(machine.applied);
                if self.hard.term < machine.term {
                    self.hard = Hard { term: machine.term, vote: 0, ..self.hard };
                }
            }
            Write::Entry(entry) => {
                let keep = entry.index.checked_sub(self.first()).expect("no write below the log's first entry");
                assert!(keep <= self.log.len() as u64, "a gap in the log before {}", entry.index);
                self.log.truncate(keep as usize);
                self.log.push_back(entry.clone());
            }
            Write::Hard(hard) => self.hard = *hard,
            Write::Applied(machine, conf) => {
                self.machine = *machine;
                if let Some(conf) = conf {
                    self.conf = conf.clone();
                }
            }
            Write::Compact(index) => {
                while self.log.front().is_some_and(|entry| entry.index <= *index) {
                    let entry = self.log.pop_front().expect("looked at before");
                    self.before = (entry.term, entry.index);
                }
            }
        }
    }
}

/// A disk behind a page cache.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Everything written.
    pub cache: Disk,
    /// True while entries for peers come later.
    pub busy: bool,
    disk: Disk,
    unflushed: VecDeque<(u64, Write)>,
}

impl Store {
    pub fn new(disk: Disk) -> Self {
        Self { cache: disk.clone(), busy: false, disk, unflushed: VecDeque::new() }
    }

    /// Writes, as a part of the ready with the number.
    pub fn write(&mut self, number: u64, write: Write) {
        self.cache.write(&write);
        self.unflushed.push_back((number, write));
    }

    /// Makes all writes of the readies up to `number` durable.
    pub fn flush(&mut self, number: u64) {
        while self.unflushed.front().is_some_and(|(of, _)| *of <= number) {
            let (_, write) = self.unflushed.pop_front().expect("looked at before");
            self.disk.write(&write);
        }
    }

    /// Returns everything flushed: the disk after a power cut that loses all other writes.
    pub fn durable(&self) -> &Disk {
        &self.disk
    }

    /// Returns the disk after a power cut: some of the oldest unflushed writes are there.
    pub fn crash(mut self, draw: &mut Draw) -> Disk {
        let kept = draw.below(self.unflushed.len() as u64 + 1);
        for (_, write) in self.unflushed.drain(..kept as usize) {
            self.disk.write(&write);
        }
        self.disk
    }
}
