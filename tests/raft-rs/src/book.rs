//! The promises of a group, held over everything that its members do.
//!
//! A broken promise is a panic with a text; the caller adds the seed.

use crate::disk::{Conf, Disk, Machine};
use crate::member::{Applied, LEADER, Look};
use std::collections::BTreeMap;

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// The leader of each term.
    leaders: BTreeMap<u64, u64>,
    /// By index from 1: mark and term of the entry, and the state after the entry.
    applied: Vec<(u64, u64, u64)>,
    /// The membership from each index on.
    confs: BTreeMap<u64, Conf>,
    /// Floor of each read that waits: the highest index applied anywhere when the read began.
    reads: BTreeMap<u64, u64>,
}

impl Book {
    pub fn new(founder: &Disk) -> Self {
        let applied = match founder.machine.applied {
            0 => Vec::new(),
            _ => vec![(0, founder.machine.term, founder.machine.digest)],
        };
        Self { confs: BTreeMap::from([(0, founder.conf.clone())]), applied, ..Self::default() }
    }

    /// Notes a member's state: a term has one leader.
    pub fn look(&mut self, id: u64, look: &Look) -> bool {
        assert!(look.applied <= look.commit && look.commit <= look.last, "member {id}: {look:?}");
        if look.role != LEADER {
            return false;
        }
        let before = self.leaders.insert(look.term, id);
        assert!(before.is_none_or(|before| before == id), "term {} has the leaders {before:?} and {id}", look.term);
        before.is_none()
    }

    /// Returns the leader of a term.
    pub fn leader(&self, term: u64) -> Option<u64> {
        self.leaders.get(&term).copied()
    }

    /// Notes an applied entry: at an index, all members apply the same entry and then have the same
    /// membership. Returns whether this is the first member to apply the entry.
    pub fn applied(&mut self, id: u64, applied: &Applied) -> bool {
        let entry = &applied.entry;
        let (mark, index) = (entry.mark(), entry.index);
        let row = (mark, entry.term, applied.machine.digest);
        let first = match self.applied.get(index as usize - 1) {
            Some(known) => {
                assert_eq!(*known, row, "member {id} applies another entry at {index} than a member before: {entry:?}");
                false
            }
            None => {
                assert_eq!(index as usize, self.applied.len() + 1, "member {id} passes an index nobody applied");
                self.applied.push(row);
                true
            }
        };
        if let Some(conf) = &applied.conf {
            let known = self.confs.entry(index).or_insert_with(|| conf.clone());
            assert_eq!(known, conf, "member {id} has another membership than a member before, at {index}: {entry:?}");
        }
        first
    }

    /// Notes an installed snapshot: its state and membership are those at its index.
    pub fn installed(&self, id: u64, machine: &Machine, conf: &Conf) {
        let index = machine.applied;
        let known = self.applied.get(index as usize - 1).map(|row| (row.1, row.2));
        assert_eq!(known, Some((machine.term, machine.digest)), "member {id} installs another state at {index}");
        assert_eq!(self.conf_at(index), conf, "member {id} installs another membership at {index}");
    }

    /// Returns the membership at an index.
    pub fn conf_at(&self, index: u64) -> &Conf {
        self.confs.range(..=index).next_back().expect("founders").1
    }

    /// Returns the newest membership that a member has applied.
    pub fn newest_conf(&self) -> &Conf {
        self.confs.last_key_value().expect("founders").1
    }

    /// Returns the highest index applied anywhere.
    pub fn highest(&self) -> u64 {
        self.applied.len() as u64
    }

    pub fn read_begins(&mut self, token: u64) {
        self.reads.insert(token, self.highest());
    }

    /// Notes the answer of a read: everything applied before the read began is visible.
    pub fn read_ends(&mut self, id: u64, token: u64, index: u64, held: bool) {
        let floor = self.reads.remove(&token);
        if let (true, Some(floor)) = (held, floor) {
            assert!(index >= floor, "member {id} answers a read at {index}, and {floor} was applied before the read");
        }
    }
}
