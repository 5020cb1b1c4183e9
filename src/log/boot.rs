//! What a node is told of its past: state, configuration, term runs, entries, in this order.
//!
//! The data are checked against each other, since a disk may lie: what can't be is refused as CORRUPT, what a crash can leave behind
//! is repaired. Cost: terms and unapplied entries, not the length of the log.
//! Invariant: after an error nothing but freeing the node makes sense; it stays unbooted.

use super::Log;
use crate::error::{Error, Result};
use crate::types::{EntryId, EntryRef, HardState, Index, MAX_POSITION, TermRun};

/// How far a boot has come. Each step may come once, entries in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    #[default]
    New,
    State,
    Conf,
    Terms,
    Entries,
    Done,
    Failed,
}

#[derive(Debug, Default)]
pub(crate) struct Boot {
    pub stage: Stage,
    pub state: HardState,
    runs: Vec<TermRun>,
    /// Index of the first entry given; 0: none yet.
    first_entry: Index,
}

impl Boot {
    /// Takes the next step, if its time has come.
    pub fn enter(&mut self, stage: Stage) -> Result<()> {
        let again = stage == Stage::Entries && self.stage == Stage::Entries;
        if self.stage >= stage && !again {
            return Err(Error::State);
        }
        self.stage = stage;
        Ok(())
    }

    pub fn terms(&mut self, log: &Log, runs: &[TermRun]) -> Result<()> {
        let before = log.terms.before();
        let starts =
            runs.first().is_none_or(|run| run.first == before.index + 1 && run.term >= before.term && run.term > 0);
        let rises = runs.windows(2).all(|pair| match pair {
            [a, b] => a.first < b.first && a.term < b.term,
            _ => true,
        });
        let fits = runs.last().is_none_or(|run| run.first.max(run.term) <= MAX_POSITION);
        if !starts || !rises || !fits {
            return Err(Error::Corrupt);
        }
        self.runs.try_reserve_exact(runs.len()).map_err(|_| Error::NoMem)?;
        self.runs.extend_from_slice(runs);
        Ok(())
    }

    /// The term that the runs give to an index; none without runs.
    fn run_term(&self, index: Index) -> Option<u64> {
        let after = self.runs.partition_point(|run| run.first <= index);
        after.checked_sub(1).and_then(|at| self.runs.get(at)).map(|run| run.term)
    }

    pub fn entries<'a>(&mut self, log: &mut Log, entries: impl Iterator<Item = EntryRef<'a>> + Clone) -> Result<()> {
        let Some(first) = entries.clone().next() else { return Ok(()) };
        self.check_entries(log, first.index, entries.clone())?;
        if self.first_entry == 0 {
            self.first_entry = first.index;
            self.push_runs(log, first.index - 1)?;
        }
        for entry in entries {
            log.append(entry.term, entry.kind, std::iter::once(entry.data), entry.data.len())?;
            (log.handed, log.durable) = (entry.index, entry.index);
        }
        Ok(())
    }

    fn check_entries<'a>(&self, log: &Log, first: Index, entries: impl Iterator<Item = EntryRef<'a>>) -> Result<()> {
        let next = log.last() + 1;
        let starts = if self.first_entry == 0 && !self.runs.is_empty() { first >= next } else { first == next };
        if !starts || first > MAX_POSITION {
            return Err(Error::Corrupt);
        }
        let mut term = log.last_id().term;
        for (entry, index) in entries.zip(first..) {
            let run = self.run_term(index);
            if entry.index != index
                || index.max(entry.term) > MAX_POSITION
                || entry.term < term
                || entry.term == 0
                || run.is_some_and(|run| run != entry.term)
            {
                return Err(Error::Corrupt);
            }
            term = entry.term;
        }
        Ok(())
    }

    /// The terms of entries that are not given, up to `last`.
    fn push_runs(&self, log: &mut Log, last: Index) -> Result<()> {
        log.terms.reserve(self.runs.len())?;
        for (at, run) in self.runs.iter().enumerate() {
            let end = self.runs.get(at + 1).map_or(last, |next| (next.first - 1).min(last));
            log.terms.push_many(run.term, (end + 1).saturating_sub(run.first));
        }
        log.recent_first = log.last() + 1;
        (log.handed, log.durable) = (log.last(), log.last());
        if log.last() == last { Ok(()) } else { Err(Error::Corrupt) }
    }

    /// Brings the marks in place. Gives the hard state as repaired. `one_by_one`: no leader of this group proposes a change before it has
    /// applied the last one.
    pub fn finish(&mut self, log: &mut Log, applied: Index, one_by_one: bool) -> Result<HardState> {
        if applied > MAX_POSITION {
            return Err(Error::Corrupt);
        }
        if self.first_entry == 0 {
            if applied < log.last() {
                return Err(Error::Corrupt);
            }
            self.push_runs(log, applied)?;
        }
        let (before, last) = (log.terms.before(), log.last_id());
        let covers = self.first_entry == 0 || self.first_entry <= applied + 1;
        let runs_end = self.runs.last().is_none_or(|run| run.first <= last.index);
        if applied < before.index || applied > last.index || self.state.commit > last.index || !covers || !runs_end {
            return Err(Error::Corrupt);
        }
        let mut state = self.state;
        state.commit = state.commit.max(applied);
        if state.term < last.term && !is_founder(state, before, last) && !fault!(TermNotRaisedAtRestart) {
            // The vote of an older term says nothing about this one.
            (state.term, state.vote) = (last.term, 0);
        }
        (log.handed, log.durable) = (last.index, last.index);
        log.applied_to(applied);
        // So the last change but one is committed, though a crash between entries and hard state may have lost that. A node that counted
        // by the configuration before it could be elected, or commit, beside a quorum of a later one (found by the simulation).
        if let [.., decided, _] = *log.changes()
            && one_by_one
            && !fault!(ChangesProveNothing)
        {
            state.commit = state.commit.max(decided);
        }
        log.commit = state.commit;
        self.runs = Vec::new();
        Ok(state)
    }
}

/// Founders begin at term 0 behind a snapshot of term 1 that nobody made.
fn is_founder(state: HardState, before: EntryId, last: EntryId) -> bool {
    state.term == 0 && last == before && before.term == 1
}
