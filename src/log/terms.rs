//! The term of every index after the snapshot, as runs: 16 bytes a term, however long the log.
//!
//! With the runs, the core decides about terms, matching, votes, hints and pending changes without
//! I/O.

use crate::error::{Error, Result};
use crate::types::{EntryId, Index, Term, TermRun};

#[derive(Debug)]
pub(crate) struct Terms {
    /// The entry before the first: the snapshot's last entry, or the last compacted entry.
    before: EntryId,
    /// Invariant: `first` and `term` rise strictly; `runs[0].first == before.index + 1`.
    runs: Vec<TermRun>,
    /// Invariant: `before.index <= last`, and `before.index == last` if and only if `runs` is empty.
    last: Index,
    /// A copy of the last run, in which most lookups end. Begins above all indexes if there is no
    /// run.
    newest: TermRun,
}

/// Stands for no run.
const NO_RUN: TermRun = TermRun { first: Index::MAX, term: Term::MAX };

impl Terms {
    pub fn new() -> Self {
        Self { before: EntryId::default(), runs: Vec::new(), last: 0, newest: NO_RUN }
    }

    pub fn before(&self) -> EntryId {
        self.before
    }

    pub fn last(&self) -> Index {
        self.last
    }

    pub fn runs(&self) -> &[TermRun] {
        &self.runs
    }

    #[inline]
    pub fn last_id(&self) -> EntryId {
        if self.newest.first <= self.last {
            return EntryId { term: self.newest.term, index: self.last };
        }
        self.before
    }

    /// Returns the term at `index`. `None` before `before`, and above the last entry.
    #[inline]
    pub fn at(&self, index: Index) -> Option<Term> {
        if index > self.last {
            return None;
        }
        if self.newest.first <= index { Some(self.newest.term) } else { self.at_older(index) }
    }

    #[inline(never)]
    fn at_older(&self, index: Index) -> Option<Term> {
        if index <= self.before.index {
            return (index == self.before.index).then_some(self.before.term);
        }
        let after = self.runs.partition_point(|run| run.first <= index);
        after.checked_sub(1).and_then(|i| self.runs.get(i)).map(|run| run.term)
    }

    /// Returns the index of the first entry of a term from `from` on, if there is an entry.
    pub fn first_of(&self, term: Term, from: Index) -> Option<Index> {
        let run = self.runs.iter().rev().find(|run| run.term == term)?;
        let first = run.first.max(from);
        if self.at(first) == Some(term) { Some(first) } else { None }
    }

    /// Makes sure that `push` can take `count` more terms.
    pub fn reserve(&mut self, count: usize) -> Result<()> {
        self.runs.try_reserve(count).map_err(|_| Error::NoMem)
    }

    /// True if an entry of `term` at the end starts a new run.
    #[inline]
    pub fn is_new(&self, term: Term) -> bool {
        self.newest.term != term
    }

    /// Appends an entry. The caller must have reserved room for a new run.
    #[inline]
    pub fn push(&mut self, term: Term) {
        self.last += 1;
        if self.is_new(term) {
            self.newest = TermRun { first: self.last, term };
            self.runs.push(self.newest);
        }
    }

    /// Appends `count` entries of the same term.
    pub fn push_many(&mut self, term: Term, count: u64) {
        if count > 0 {
            self.push(term);
            self.last += count - 1;
        }
    }

    /// Drops every entry above `last`.
    pub fn truncate(&mut self, last: Index) {
        self.last = self.last.min(last.max(self.before.index));
        while self.runs.last().is_some_and(|run| run.first > self.last) {
            self.runs.pop();
        }
        self.find_newest();
    }

    fn find_newest(&mut self) {
        self.newest = self.runs.last().copied().unwrap_or(NO_RUN);
    }

    /// Forgets every entry up to `index`. The term of `index` stays known.
    pub fn compact(&mut self, index: Index) {
        let Some(term) = self.at(index) else { return };
        self.before = EntryId { term, index };
        // The run of the next entry is the first to stay.
        let upto_next = self.runs.partition_point(|run| run.first <= index + 1);
        self.runs.drain(..upto_next.saturating_sub(1));
        if index == self.last {
            self.runs.clear();
        } else if let Some(run) = self.runs.first_mut() {
            run.first = run.first.max(index + 1);
        }
        self.find_newest();
    }

    /// Starts over after the entry `before`.
    pub fn reset(&mut self, before: EntryId) {
        self.before = before;
        self.last = before.index;
        self.runs.clear();
        self.newest = NO_RUN;
    }

    /// Returns the highest index up to `index` whose term is at most `term`, with its term: the
    /// last entry that may agree with a log that has `term` at `index`.
    ///
    /// The returned term is 0 if unknown (diss. §3.5, the end; etcd-raft's reject hints).
    pub fn last_at_or_below(&self, index: Index, term: Term) -> EntryId {
        if index > self.last || index < self.before.index {
            return EntryId { term: 0, index };
        }
        let mut upper = index;
        for run in self.runs.iter().rev() {
            if run.first > upper {
                continue;
            }
            if run.term <= term {
                return EntryId { term: run.term, index: upper };
            }
            upper = run.first - 1;
        }
        // Here `upper` is the entry before the first.
        if upper == 0 || self.before.term <= term {
            EntryId { term: self.before.term, index: upper }
        } else {
            EntryId { term: 0, index: upper - 1 }
        }
    }

    pub fn try_clone(&self) -> Result<Self> {
        let mut runs = Vec::new();
        runs.try_reserve(self.runs.len() + 1).map_err(|_| Error::NoMem)?;
        runs.extend_from_slice(&self.runs);
        Ok(Self { runs, ..*self })
    }
}
