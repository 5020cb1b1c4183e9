//! A host's answers to fetches: at once, late, wrong, or never.

use crate::host::{Bench, Host, Turn};
use crate::law::hold;
use crate::plan::Fault;
use crate::tally::Witness;
use raftcore::*;
use std::rc::Rc;

/// A postponed fetch.
pub struct Late {
    /// The tick of the answer; `u64::MAX`: no answer before the faults end.
    pub due: u64,
    fetch: Fetch,
    /// A snapshot taken at once: index, configuration, data.
    taken: Option<(u64, Rc<[u8]>, Vec<u8>)>,
}

impl Host {
    /// Takes new fetches, and answers the fetches that are due.
    pub fn serve(&mut self, b: &mut Bench) -> Turn {
        while let Some(fetch) = self.driver.next_fetch()?.unwrap_or(None) {
            let (never, late, wrong, race) = (b.rng.chance(15), b.rng.chance(40), b.rng.chance(30), b.rng.chance(50));
            if b.has(Fault::WrongFetch) && wrong {
                b.tally.fault(Fault::WrongFetch);
                self.supply_wrongly(&fetch, b)?;
            }
            if b.has(Fault::UnansweredFetch) && never {
                b.tally.fault(Fault::UnansweredFetch);
                self.late.push(Late { due: u64::MAX, fetch, taken: None });
                continue;
            }
            let due = b.now + b.rng.between(1, 2 * b.plan.election_ticks());
            if b.has(Fault::SnapshotRace) && race && fetch.kind == FetchKind::Snapshot {
                b.tally.fault(Fault::SnapshotRace);
                let taken = (self.machine.applied, self.machine.conf.clone(), self.machine.to_bytes());
                self.late.push(Late { due, fetch, taken: Some(taken) });
            } else if b.has(Fault::LateFetch) && late {
                b.tally.fault(Fault::LateFetch);
                self.late.push(Late { due, fetch, taken: None });
            } else {
                self.answer(&fetch, None, false, b)?;
            }
        }
        while let Some(at) = self.late.iter().position(|late| late.due <= b.now) {
            let late = self.late.swap_remove(at);
            self.answer(&late.fetch, late.taken, true, b)?;
        }
        Ok(())
    }

    fn answer(&mut self, fetch: &Fetch, taken: Option<(u64, Rc<[u8]>, Vec<u8>)>, late: bool, b: &mut Bench) -> Turn {
        let later = b.rng.chance(8);
        let mut outcome = match fetch.kind {
            FetchKind::Apply if later => self.driver.supply_none(fetch.id, Missing::Later)?,
            FetchKind::Apply => {
                let last = if b.rng.chance(30) { fetch.first + b.rng.below(3) } else { fetch.last };
                let supplied = self.driver.supply_entries(fetch.id, self.disk.entries(fetch.first, last))?;
                if supplied == Ok(Supplied::Taken) {
                    b.tally.saw(Witness::AppliedBySupply);
                }
                supplied
            }
            FetchKind::Entries if later => self.driver.supply_none(fetch.id, Missing::Later)?,
            FetchKind::Entries if self.disk.get(fetch.first).is_some() => {
                let last = if b.rng.chance(30) { fetch.first + b.rng.below(3) } else { fetch.last };
                let supplied = self.driver.supply_entries(fetch.id, self.disk.entries(fetch.first, last))?;
                if supplied == Ok(Supplied::Taken) {
                    b.tally.saw(Witness::CaughtUpBySupply);
                }
                supplied
            }
            FetchKind::Entries => self.driver.supply_none(fetch.id, Missing::Gone)?,
            FetchKind::Snapshot => {
                let (index, conf, data) =
                    taken.unwrap_or_else(|| (self.machine.applied, self.machine.conf.clone(), self.machine.to_bytes()));
                self.driver.supply_snapshot(fetch.id, index, &conf, &data)?
            }
        };
        // The fetch is old and the log has changed, or the state machine is not far enough yet.
        if outcome.is_err() {
            outcome = self.driver.supply_none(fetch.id, Missing::Later)?;
        }
        if late && outcome == Ok(Supplied::Ignored) {
            b.tally.saw(Witness::FetchTooLate);
        }
        self.may_fail("supply", outcome.map(|_| ()), &[])?;
        self.look(b)?;
        Ok(())
    }

    /// Supplies entries that contradict the log or are useless. The node must refuse them and keep
    /// the fetch open.
    fn supply_wrongly(&mut self, fetch: &Fetch, b: &mut Bench) -> Turn {
        let before = self.driver.digest();
        let outcome = match fetch.kind {
            FetchKind::Entries | FetchKind::Apply => {
                let shift = b.rng.below(2);
                let wrong = self.disk.entries(fetch.first, fetch.first + 1);
                let wrong: Vec<EntryRef<'_>> =
                    wrong.map(|e| EntryRef { term: e.term + 1 - shift, index: e.index + shift, ..e }).collect();
                self.driver.supply_entries(fetch.id, wrong.into_iter())?
            }
            FetchKind::Snapshot => {
                let (index, conf) = match b.rng.below(3) {
                    0 => (self.status.commit + 1, self.machine.conf.to_vec()),
                    1 => (self.machine.applied, Vec::new()),
                    _ => (0, self.machine.conf.to_vec()),
                };
                self.driver.supply_snapshot(fetch.id, index, &conf, b"")?
            }
        };
        let refused = outcome.is_err() || outcome == Ok(Supplied::Ignored);
        hold!(Sound, refused, "node {} takes a wrong supply for {fetch:?}", self.id);
        if outcome.is_err() {
            b.tally.saw(Witness::FetchWrong);
            hold!(RefusedUnchanged, self.driver.digest() == before, "node {}: a wrong supply changed it", self.id);
        }
        self.look(b)?;
        Ok(())
    }
}
