//! The past of a node, as its host gives it: state, configuration, term runs, entries, in this
//! order.
//!
//! The boot checks the data against each other, since a disk may lie. Data that no crash can leave
//! behind are refused as CORRUPT; data that a crash can leave behind are repaired. The cost grows
//! with the terms and the unapplied entries, not with the length of the log.
//!
//! Invariant: after an error the node stays unbooted, and the host can only free the node.

use super::Log;
use crate::error::{Detail, Error, Result};
use crate::types::{EntryId, EntryRef, HardState, Index, MAX_POSITION, TermRun};
use core::fmt;

/// The progress of a boot. Each step comes at most once, entries in pieces.
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

impl Stage {
    /// Returns the name of the call for this step.
    pub fn call(self) -> &'static str {
        match self {
            Self::New => "nothing",
            Self::State => "boot_state",
            Self::Conf => "boot_conf",
            Self::Terms => "boot_terms",
            Self::Entries => "boot_entries",
            Self::Done => "boot_done",
            Self::Failed => "a boot call that failed",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Boot {
    pub stage: Stage,
    pub state: HardState,
    /// Whether the host gave a configuration.
    pub has_conf: bool,
    /// The index that the configuration is as of, if the host knows it; else 0.
    pub conf_index: Index,
    runs: Vec<TermRun>,
    /// The index of the log's last entry, if the host said so.
    last: Option<Index>,
    /// Index of the first given entry; 0: none yet.
    first_entry: Index,
}

/// Refuses contradicting data with the reason.
fn corrupt<T>(detail: &mut Detail, why: fmt::Arguments<'_>) -> Result<T> {
    detail.set(why);
    Err(Error::Corrupt)
}

impl Boot {
    /// Takes the next step. An error if the step is out of order.
    pub fn enter(&mut self, stage: Stage) -> Result<()> {
        let again = stage == Stage::Entries && self.stage == Stage::Entries;
        if self.stage >= stage && !again {
            return Err(Error::State);
        }
        self.stage = stage;
        Ok(())
    }

    pub fn terms(&mut self, log: &Log, runs: &[TermRun], last: Index, detail: &mut Detail) -> Result<()> {
        let before = log.terms.before();
        if let Some(run) = runs.first()
            && (run.first != before.index + 1 || run.term < before.term || run.term == 0)
        {
            return corrupt(
                detail,
                format_args!(
                    "the first term run begins at index {} in term {}; the log begins behind index {}, term {}",
                    run.first, run.term, before.index, before.term
                ),
            );
        }
        for pair in runs.windows(2) {
            if let [a, b] = pair
                && (a.first >= b.first || a.term >= b.term)
            {
                return corrupt(
                    detail,
                    format_args!(
                        "term runs must rise: index {}, term {} follows index {}, term {}",
                        b.first, b.term, a.first, a.term
                    ),
                );
            }
        }
        let ends = runs.last().map_or(before.index, |run| run.first);
        if last < ends || last > MAX_POSITION || runs.last().is_some_and(|run| run.term > MAX_POSITION) {
            let what = if runs.is_empty() { "it begins behind index" } else { "its last term run begins at" };
            return corrupt(detail, format_args!("the log can't end at {last}: {what} {ends}"));
        }
        self.runs.try_reserve_exact(runs.len()).map_err(|_| Error::NoMem)?;
        self.runs.extend_from_slice(runs);
        self.last = Some(last);
        Ok(())
    }

    /// Returns the term that the runs give to an index; `None` without runs.
    fn run_term(&self, index: Index) -> Option<u64> {
        let after = self.runs.partition_point(|run| run.first <= index);
        after.checked_sub(1).and_then(|at| self.runs.get(at)).map(|run| run.term)
    }

    pub fn entries<'a>(
        &mut self,
        log: &mut Log,
        entries: impl Iterator<Item = EntryRef<'a>> + Clone,
        detail: &mut Detail,
    ) -> Result<()> {
        let Some(first) = entries.clone().next() else { return Ok(()) };
        self.check_entries(log, first.index, entries.clone(), detail)?;
        if self.first_entry == 0 {
            self.first_entry = first.index;
            self.push_runs(log, first.index - 1, detail)?;
        }
        for entry in entries {
            match log.append_entry(&entry) {
                // The host has stored the entry, so a fetch can get it, as every entry that has
                // left the recent log.
                Err(Error::Full) => log.append_without_data(entry.term, entry.kind)?,
                outcome => outcome?,
            }
            (log.handed, log.durable) = (entry.index, entry.index);
        }
        Ok(())
    }

    fn check_entries<'a>(
        &self,
        log: &Log,
        first: Index,
        entries: impl Iterator<Item = EntryRef<'a>>,
        detail: &mut Detail,
    ) -> Result<()> {
        let next = log.last() + 1;
        let starts = if self.first_entry == 0 && !self.runs.is_empty() { first >= next } else { first == next };
        if !starts || first > MAX_POSITION {
            return corrupt(detail, format_args!("entries begin at index {first}, where {next} is expected"));
        }
        let mut term = log.last_id().term;
        for (entry, index) in entries.zip(first..) {
            let run = self.run_term(index);
            if entry.index != index {
                return corrupt(detail, format_args!("an entry at index {}, where {index} is expected", entry.index));
            }
            if index.max(entry.term) > MAX_POSITION || entry.term < term || entry.term == 0 {
                let found = entry.term;
                return corrupt(
                    detail,
                    format_args!("the entry at index {index} is of term {found}, behind term {term}"),
                );
            }
            if let Some(run) = run.filter(|&run| run != entry.term) {
                let found = entry.term;
                return corrupt(
                    detail,
                    format_args!("the entry at index {index} is of term {found}, its term run says {run}"),
                );
            }
            if !entry.context.is_empty() && !log.contexts {
                return corrupt(detail, format_args!("the entry at index {index} has a context: raftpb has none"));
            }
            term = entry.term;
        }
        Ok(())
    }

    /// Adds the terms of entries that the host does not give, up to `last`.
    fn push_runs(&self, log: &mut Log, last: Index, detail: &mut Detail) -> Result<()> {
        log.terms.reserve(self.runs.len())?;
        for (at, run) in self.runs.iter().enumerate() {
            let end = self.runs.get(at + 1).map_or(last, |next| (next.first - 1).min(last));
            log.terms.push_many(run.term, (end + 1).saturating_sub(run.first));
        }
        log.recent_first = log.last() + 1;
        (log.handed, log.durable) = (log.last(), log.last());
        if log.last() == last {
            return Ok(());
        }
        corrupt(detail, format_args!("the terms of the entries from {} to {last} are missing", log.last() + 1))
    }

    /// Checks that nothing was forgotten, and that the marks fit the log.
    fn check_marks(&self, log: &Log, applied: Index, detail: &mut Detail) -> Result<()> {
        let (last, commit) = (log.last(), self.state.commit);
        if let Some(told) = self.last.filter(|&told| told != last) {
            return corrupt(detail, format_args!("the log ends at {told}, entries were given up to {last}"));
        }
        if applied > last {
            return corrupt(detail, format_args!("applied {applied} is beyond the last entry {last}"));
        }
        if commit > last {
            return corrupt(detail, format_args!("commit {commit} is beyond the last entry {last}"));
        }
        if self.first_entry > applied + 1 {
            let missing = self.first_entry - 1;
            return corrupt(
                detail,
                format_args!("the entries from {} to {missing} are missing: applied is {applied}", applied + 1),
            );
        }
        match self.runs.last().filter(|run| run.first > last) {
            Some(run) => corrupt(
                detail,
                format_args!("the last term run begins at {}, entries were given up to {last}", run.first),
            ),
            None => Ok(()),
        }
    }

    /// Checks that the configuration belongs to the state, if the host says which index the
    /// configuration is as of.
    fn check_conf(&self, log: &Log, applied: Index, detail: &mut Detail) -> Result<()> {
        let of = self.conf_index;
        if of > applied {
            return corrupt(
                detail,
                format_args!("the configuration is as of index {of}, applied is {applied}: store both in one write"),
            );
        }
        match log.changes().iter().rev().find(|&&change| change <= applied && change > of) {
            Some(change) if of > 0 => corrupt(
                detail,
                format_args!(
                    "the configuration is as of index {of}, older than the change at index {change}; applied is {applied}"
                ),
            ),
            _ => Ok(()),
        }
    }

    /// Sets the marks of the log. Returns the repaired hard state.
    ///
    /// `one_by_one`: no leader of this group proposes a change before it has applied the last
    /// change. `apart`: the host applies changes apart from their entries.
    pub fn finish(
        &mut self,
        log: &mut Log,
        applied: Index,
        (one_by_one, apart): (bool, bool),
        detail: &mut Detail,
    ) -> Result<HardState> {
        let before = log.terms.before();
        if applied > MAX_POSITION || applied < before.index {
            return corrupt(
                detail,
                format_args!("applied {applied} lies before the log, which begins behind index {}", before.index),
            );
        }
        if self.first_entry == 0 {
            let last = self.last.unwrap_or(applied).max(log.last());
            if applied < last {
                return corrupt(
                    detail,
                    format_args!("the entries from {} to {last} are missing: applied is {applied}", applied + 1),
                );
            }
            self.push_runs(log, applied, detail)?;
        }
        self.check_marks(log, applied, detail)?;
        if !apart {
            self.check_conf(log, applied, detail)?;
        }
        let last = log.last_id();
        let mut state = self.state;
        state.commit = state.commit.max(applied);
        if state.term < last.term && !is_founder(state, before, last) {
            // The vote of an older term does not count in the new term.
            (state.term, state.vote) = (last.term, 0);
        }
        (log.handed, log.durable) = (last.index, last.index);
        log.applied_to(applied);
        // With `one_by_one`, every change before the last is committed, though a crash between
        // entries and hard state may have lost the commit index. Without the repair, a node that
        // counts by the older configuration could be elected, or commit, against a quorum of a
        // later configuration (found by the simulation).
        if let [.., decided, _] = *log.changes()
            && one_by_one
        {
            state.commit = state.commit.max(decided);
        }
        log.commit = state.commit;
        self.runs = Vec::new();
        Ok(state)
    }
}

/// True for a founder, who begins at term 0 after a snapshot of term 1 that no leader made.
fn is_founder(state: HardState, before: EntryId, last: EntryId) -> bool {
    state.term == 0 && last == before && before.term == 1
}
