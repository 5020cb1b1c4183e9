//! A host's writes: the disk queue, the remains after a crash, and the apply queue.

use crate::disk::{Disk, Machine, Record};
use crate::driver::{Batch, Packet};
use crate::host::{Bench, Host, Turn};
use crate::law::{Halt, Lawful, hold};
use crate::plan::Fault;
use crate::tally::Witness;
use raftcore::*;
use std::rc::Rc;

/// The writes of a ready, in the order in which a torn write may stop.
#[derive(Clone, Debug, Default)]
pub struct Job {
    pub number: u64,
    must_sync: bool,
    term: u64,
    pub snapshot: Option<(EntryId, Machine)>,
    pub first: u64,
    pub entries: Vec<Record>,
    pub state: Option<HardState>,
    /// Messages to be sent after this job and the jobs before.
    pub after: Vec<Packet>,
    /// MESSAGES: responses to be stepped here.
    pub local: Vec<Vec<u8>>,
    /// SYNC: reads, answered once the entries of the ready are applied.
    pub reads: Vec<Read>,
    /// Last entry of a span that came without entries; 0: none.
    pub bare: u64,
    due: u64,
}

impl Job {
    pub fn of(batch: &mut Batch, due: u64) -> Self {
        let machine = |(id, conf, data): &(EntryId, Rc<[u8]>, Vec<u8>)| {
            Machine::from_bytes(data, conf.clone()).map(|machine| (*id, machine))
        };
        Self {
            number: batch.number,
            must_sync: batch.must_sync,
            term: batch.state.term,
            snapshot: batch.snapshot.as_ref().and_then(machine),
            first: batch.first,
            entries: std::mem::take(&mut batch.entries),
            state: batch.has_state.then_some(batch.state),
            bare: if batch.committed.is_empty() { batch.span.map_or(0, |(_, last)| last) } else { 0 },
            due,
            ..Self::default()
        }
    }

    /// Returns the end of the log after the job; none: the job writes no log.
    pub fn end(&self) -> Option<EntryId> {
        let newest = self.entries.last();
        let entry = newest.map(|r| EntryId { term: r.term, index: self.first + self.entries.len() as u64 - 1 });
        entry.or(self.snapshot.as_ref().map(|(id, _)| *id))
    }

    pub fn holds(&self, id: EntryId) -> bool {
        id.index.checked_sub(self.first).and_then(|at| self.entries.get(at as usize)).is_some_and(|r| r.term == id.term)
    }

    fn writes(&self) -> usize {
        usize::from(self.snapshot.is_some()) + self.entries.len() + usize::from(self.state.is_some())
    }
}

/// A committed entry to be applied.
#[derive(Clone, Debug)]
pub struct Task {
    pub index: u64,
    pub record: Record,
    pub token: u64,
    /// The configuration after the entry.
    pub conf: Option<Rc<[u8]>>,
}

impl Host {
    /// Returns the ticks until a job queued now is done.
    pub fn disk_time(&self, b: &mut Bench) -> u64 {
        let slow = b.rng.chance(b.plan.slow_disk);
        if b.has(Fault::SlowDisk) && slow {
            b.tally.fault(Fault::SlowDisk);
            b.rng.between(1, 6)
        } else {
            0
        }
    }

    pub fn finish_jobs(&mut self, b: &mut Bench) -> Turn {
        let mut last = None;
        while self.stalled_until <= b.now && self.jobs.front().is_some_and(|job| job.due <= b.now) {
            let Some(job) = self.jobs.pop_front() else { break };
            if b.has(Fault::IoError) && job.writes() > 0 && b.rng.rarely(2) {
                b.tally.fault(Fault::IoError);
                let writes = b.rng.below(job.writes() as u64) as usize;
                self.write(&job, writes, b)?;
                // Jobs queued after the failed job never reached the disk.
                self.jobs.clear();
                return Err(Halt::Crash);
            }
            self.write(&job, usize::MAX, b)?;
            // A job of an older term: its entries may have been overwritten already.
            if job.term < self.status.term && !job.entries.is_empty() {
                b.tally.saw(Witness::StaleMark);
            }
            let after = job.after;
            for packet in after {
                self.send(packet, b)?;
            }
            match self.config.storage {
                StorageMode::Sync => {
                    while self.apply_one(b)? {}
                    self.checkpoint(b);
                    self.answer_reads(job.reads, b)?;
                    self.answer_waiting_reads(b)?;
                    if job.bare > 0 {
                        let done = self.driver.applied(job.bare)?;
                        self.may_fail("applied", done, &[])?;
                    }
                    let done = self.driver.advance(job.number)?;
                    self.may_fail("advance", done, &[])?;
                    self.look(b)?;
                }
                // A disk may finish several jobs at once.
                StorageMode::Async => last = Some(job.number),
                StorageMode::Messages => {
                    for response in job.local {
                        let done = self.driver.step_local(&response)?;
                        self.may_fail("step_local", done, &[Error::Stale])?;
                        self.look(b)?;
                    }
                    if !b.plan.seed.is_multiple_of(2) {
                        let done = self.driver.release(job.number)?;
                        self.may_fail("release", done, &[])?;
                    }
                }
            }
        }
        if let Some(number) = last {
            let done = self.driver.persisted(number)?;
            self.may_fail("persisted", done, &[])?;
            self.look(b)?;
            let since = self.unreleased.map_or(b.now, |(_, since)| since);
            self.unreleased = Some((number, since));
        }
        self.release_views(b)
    }

    /// Releases the views of a ready. A host may hold views while there is room for further
    /// readies; a lazy host holds them as long as possible.
    fn release_views(&mut self, b: &mut Bench) -> Turn {
        let Some((number, since)) = self.unreleased else { return Ok(()) };
        let crowded = self.status.n_outstanding + 1 >= self.config.max_outstanding;
        let soon = b.rng.chance(40) && !b.plan.lazy;
        if crowded || soon || b.now >= since + 3 * b.plan.election_ticks() {
            self.unreleased = None;
            let done = self.driver.release(number)?;
            self.may_fail("release", done, &[])?;
        }
        Ok(())
    }

    /// Does up to `limit` of a job's writes, in order.
    fn write(&mut self, job: &Job, limit: usize, b: &mut Bench) -> Lawful {
        if b.plan.lying && job.writes() > 0 {
            self.truth.push_back(self.disk.clone());
            if self.truth.len() > 4 {
                self.truth.pop_front();
            }
        }
        let mut left = limit;
        let mut step = || {
            let go = left > 0;
            left = left.saturating_sub(1);
            go
        };
        if let Some((id, machine)) = &job.snapshot {
            if !step() {
                return Ok(());
            }
            b.checker.installs(self.id, id.index, machine.hash, &machine.conf)?;
            self.disk.install(*id, machine.clone());
            self.machine = machine.clone();
        }
        if !job.entries.is_empty() && limit > usize::from(job.snapshot.is_some()) {
            for index in job.first..=self.disk.last_index() {
                let id = EntryId { term: self.disk.term_at(index).unwrap_or(0), index };
                self.overwritten.push_back(id);
                if self.overwritten.len() > 32 {
                    self.overwritten.pop_front();
                }
            }
            self.disk.truncate_from(job.first);
        }
        for (record, index) in job.entries.iter().zip(job.first..) {
            if !step() {
                return Ok(());
            }
            if !self.overwritten.is_empty() && self.overwritten.contains(&EntryId { term: record.term, index }) {
                b.tally.saw(Witness::EntryReturned);
            }
            self.disk.put(index, record.clone());
        }
        if let Some(state) = job.state.filter(|_| step()) {
            b.checker.overwrites(self.id, self.disk.state, state)?;
            self.disk.state = state;
        }
        if job.must_sync && limit == usize::MAX {
            self.disk.synced_commit = self.disk.state.commit;
        }
        Ok(())
    }

    // ---- the state machine

    /// Applies the tasks that are due, and reports them to the node.
    pub fn apply_some(&mut self, b: &mut Bench) -> Turn {
        if self.to_apply.is_empty() {
            return Ok(());
        }
        let slow = b.rng.chance(b.plan.slow_apply);
        if b.has(Fault::SlowApply) && slow {
            b.tally.fault(Fault::SlowApply);
            return Ok(());
        }
        let count = b.rng.between(1, 16);
        let mut done = 0;
        while done < count && self.apply_one(b)? {
            done += 1;
        }
        if done > 0 {
            self.checkpoint(b);
            self.say_applied(b)?;
            self.answer_waiting_reads(b)?;
        }
        Ok(())
    }

    fn say_applied(&mut self, b: &mut Bench) -> Turn {
        let applied = self.machine.applied;
        match self.config.storage {
            StorageMode::Async => {
                let done = self.driver.applied(applied)?;
                self.may_fail("applied", done, &[Error::Stale])?;
                self.look(b)?;
            }
            StorageMode::Messages => {
                while self.apply_responses.front().is_some_and(|(last, _)| *last <= applied) {
                    let Some((_, response)) = self.apply_responses.pop_front() else { break };
                    let done = self.driver.step_local(&response)?;
                    self.may_fail("step_local", done, &[Error::Stale])?;
                    self.look(b)?;
                }
            }
            StorageMode::Sync => {}
        }
        Ok(())
    }

    fn apply_one(&mut self, b: &mut Bench) -> Lawful<bool> {
        // A snapshot that is not written yet comes first.
        let blocked = self.config.storage != StorageMode::Sync && self.jobs.iter().any(|job| job.snapshot.is_some());
        let Some(task) = self.to_apply.front().filter(|_| !blocked).cloned() else { return Ok(false) };
        self.to_apply.pop_front();
        let before = self.machine.applied;
        hold!(AppliedInOrder, task.index == before + 1, "node {} applies {} after {before}", self.id, task.index);
        self.machine.apply(task.index, &task.record);
        if let Some(conf) = task.conf {
            self.machine.conf = conf;
        }
        let hash = self.machine.hash;
        b.tally.trace(hash);
        if b.checker.applies(self.id, task.index, before, &task.record, hash)? {
            b.book.applied(task.index, &task.record, &mut b.tally)?;
        }
        if task.token != 0 {
            b.book.committed(self.name(), task.token, task.index, &mut b.checker)?;
        }
        Ok(true)
    }

    /// Drops the tasks that a snapshot replaces. Their entries are committed nevertheless.
    pub fn drop_tasks(&mut self, b: &mut Bench) -> Lawful {
        self.apply_responses.clear();
        for task in std::mem::take(&mut self.to_apply).into_iter().filter(|task| task.token != 0) {
            b.book.committed(self.name(), task.token, task.index, &mut b.checker)?;
        }
        Ok(())
    }

    /// Sometimes writes state, applied index and configuration to the disk, in a single write,
    /// never ahead of the log on disk.
    fn checkpoint(&mut self, b: &Bench) {
        let due = self.machine.applied >= self.disk.machine.applied + b.plan.checkpoint;
        let id = EntryId { term: self.machine.term, index: self.machine.applied };
        if due && self.disk.holds(id) {
            self.disk.machine.clone_from(&self.machine);
        }
    }

    // ---- the end of a process

    /// Ends the process. Some writes of the current jobs may have reached the disk; later jobs are
    /// lost.
    pub fn crash(mut self, b: &mut Bench) -> Lawful<Disk> {
        if self.machine.applied > self.disk.machine.applied {
            b.tally.saw(Witness::AppliedAgain);
        }
        let jobs = std::mem::take(&mut self.jobs);
        let writes: usize = jobs.iter().map(Job::writes).sum();
        let mut survive = b.rng.below(writes as u64 + 1) as usize;
        if writes > 0 {
            b.tally.saw(Witness::LostTail);
        }
        if b.has(Fault::TornRecord) && survive > 0 {
            b.tally.fault(Fault::TornRecord);
            // The torn record fails its checksum at boot, as if the record had not been written.
            for job in &jobs {
                let part = survive.min(job.writes());
                self.write(job, part, b)?;
                survive -= part;
                if part < job.writes() {
                    b.tally.saw(Witness::TornTail);
                    if part == job.writes() - 1 && job.state.is_some() && !job.entries.is_empty() {
                        b.tally.saw(Witness::TornBeforeState);
                    }
                    break;
                }
            }
        }
        let mut disk = self.disk;
        if b.has(Fault::LostCommit) && disk.synced_commit < disk.state.commit && b.rng.chance(50) {
            b.tally.fault(Fault::LostCommit);
            b.tally.saw(Witness::LostCommit);
            disk.state.commit = disk.synced_commit;
        }
        disk.synced_commit = disk.state.commit;
        // However a write is torn, no hard state outlives the entries that it commits.
        hold!(
            OrderOfPositions,
            disk.state.commit <= disk.last_index(),
            "the disk of {} says {:?}, its log ends at {}",
            self.id,
            disk.state,
            disk.last_index()
        );
        if b.plan.lying && !self.truth.is_empty() {
            let kept = b.rng.below(self.truth.len() as u64) as usize;
            disk = self.truth.swap_remove_back(kept).unwrap_or(disk);
        }
        Ok(disk)
    }

    pub fn compact(&mut self, keep: u64, b: &mut Bench) -> Turn {
        let index = self.disk.machine.applied.saturating_sub(keep);
        if index <= self.disk.before.index || self.jobs.iter().any(|job| job.snapshot.is_some()) {
            return Ok(());
        }
        let done = self.driver.compacted(index)?;
        // The disk is ahead of the node's applied index: not yet.
        self.may_fail("compacted", done, &[Error::Arg, Error::Stale])?;
        if done.is_ok() {
            b.tally.fault(Fault::Compaction);
            self.disk.compact(index);
        }
        self.look(b)?;
        Ok(())
    }
}
