//! A simulated host: a node, and queues for the disk and for applying, which take time. Here is the
//! host's turn; `store` has the writes, `supply` the answers to fetches.

use crate::book::Book;
use crate::check::{Checker, Conf};
use crate::disk::{Disk, Machine, Record};
use crate::driver::{Batch, Driver, Packet};
use crate::law::{Halt, Lawful, hold};
use crate::plan::{Fault, Plan};
use crate::rng::Rng;
use crate::script::Script;
use crate::store::{Job, Task};
use crate::supply::Late;
use crate::tally::{Tally, Witness};
use raftcore::*;
use std::collections::VecDeque;
use std::rc::Rc;

/// Shared by all hosts of a run.
pub struct Bench {
    pub plan: Plan,
    pub rng: Rng,
    pub now: u64,
    pub checker: Checker,
    pub book: Book,
    pub tally: Tally,
    pub script: Script,
    /// Leaders whose commit index rose, with the configuration at that time.
    pub moved: Vec<(u64, Rc<Conf>, EntryId)>,
    /// Nodes that became leader.
    pub elected: Vec<u64>,
    /// The index of the entry into a joint configuration, and the leader at that time.
    pub joint: Option<u64>,
}

impl Bench {
    pub fn has(&self, fault: Fault) -> bool {
        self.plan.has(fault)
    }
}

/// `Ok`, or a halt.
pub type Turn<T = ()> = std::result::Result<T, Halt>;

pub struct Host {
    pub id: u64,
    pub life: u64,
    pub config: Config,
    footprint: u64,
    pub driver: Driver,
    pub disk: Disk,
    /// The state as of the applied index. The disk has the last checkpoint.
    pub machine: Machine,
    /// The configuration in force on the node.
    pub conf: Rc<Conf>,
    pub jobs: VecDeque<Job>,
    pub to_apply: VecDeque<Task>,
    /// MESSAGES: responses of MsgStorageApply, with their indexes.
    pub apply_responses: VecDeque<(u64, Vec<u8>)>,
    /// READ_AT_ONCE: reads whose index is not applied yet.
    pub reads: Vec<Read>,
    pub late: Vec<Late>,
    /// Changes in the log, up to the last entry returned.
    pub changes: Vec<u64>,
    /// Entries recently overwritten on this disk.
    pub overwritten: VecDeque<EntryId>,
    pub sent: Vec<Packet>,
    /// ASYNC: the newest durable ready that is not released yet, and the tick since when.
    pub unreleased: Option<(u64, u64)>,
    pub stalled_until: u64,
    pub paused_until: u64,
    /// Speed of the clock in percent, and the remainder of a tick.
    pub speed: (u64, u64),
    pub wakes: bool,
    /// The real contents of a lying disk: older states, oldest first.
    pub truth: VecDeque<Disk>,
    /// The status at the last look.
    pub status: Status,
}

impl Host {
    pub fn boot(id: u64, life: u64, disk: Disk, b: &mut Bench) -> Turn<Self> {
        let config = b.plan.config(id, life);
        // Buffers grow by doubling. Term runs, snapshots and large entries need more.
        let footprint = Node::footprint(&config).map_or(u64::MAX, |bytes| 2 * bytes as u64 + (1 << 20));
        let mut driver = Driver::new(&config, life, b.plan.twin, b.script.clone());
        b.script.note(&format!(
            "node {id} boots, life {life}: {:?}, log {:?} to {:?}, applied {}",
            disk.state,
            disk.before,
            disk.last(),
            disk.machine.applied
        ));
        let fine = |outcome: Result<()>, driver: &Driver, call: &str| -> Lawful {
            let text = || format!("{call} of {id}: {outcome:?}: {}", driver.detail());
            if outcome.is_ok() { Ok(()) } else { crate::law::broken(crate::law::Law::Sound, text()) }
        };
        let machine = disk.machine.clone();
        if !machine.conf.is_empty() || disk.state != HardState::default() {
            let done = driver.boot_state(disk.state)?;
            fine(done, &driver, "boot_state")?;
        }
        if !machine.conf.is_empty() {
            let done = driver.boot_conf(&machine.conf, disk.before)?;
            fine(done, &driver, "boot_conf")?;
            let mut first = disk.before.index + 1;
            if b.plan.boot_by_terms {
                let done = driver.boot_terms(&disk.runs(), disk.last_index())?;
                fine(done, &driver, "boot_terms")?;
                first = first.max(machine.applied + 1);
            }
            if disk.last_index() >= first {
                let done = driver.boot_entries(disk.entries(first, u64::MAX))?;
                fine(done, &driver, "boot_entries")?;
            }
        }
        let done = driver.boot_done(machine.applied)?;
        fine(done, &driver, "boot_done")?;
        let entries = disk.entries(machine.applied + 1, u64::MAX);
        let changes = entries.filter(|entry| entry.kind.is_change()).map(|entry| entry.index).collect();
        let conf = Rc::new(Conf::read(&machine.conf));
        let mut host = Self {
            id,
            life,
            config,
            footprint,
            driver,
            disk,
            machine,
            conf,
            jobs: VecDeque::new(),
            to_apply: VecDeque::new(),
            apply_responses: VecDeque::new(),
            reads: Vec::new(),
            late: Vec::new(),
            changes,
            overwritten: VecDeque::new(),
            sent: Vec::new(),
            unreleased: None,
            stalled_until: 0,
            paused_until: 0,
            speed: (100, 0),
            wakes: true,
            truth: VecDeque::new(),
            status: Status::default(),
        };
        if b.has(Fault::TinyLimits) {
            b.tally.fault(Fault::TinyLimits);
        }
        host.look(b)?;
        Ok(host)
    }

    pub fn name(&self) -> (u64, u64) {
        (self.id, self.life)
    }

    pub fn leads(&self) -> bool {
        self.status.role == Role::Leader
    }

    /// Checks all laws after a call.
    pub fn look(&mut self, b: &mut Bench) -> Lawful {
        hold!(Sound, self.driver.is_sound(), "node {} is poisoned: {}", self.id, self.driver.detail());
        let s = self.driver.status();
        b.tally.trace(s.term ^ s.commit << 20 ^ s.last_index << 40 ^ (s.role as u64) << 60);
        let driver = &self.driver;
        let seen = b.checker.look(&s, self.life, &self.conf, || driver.runs())?;
        self.status = s;
        if seen.commit_moved && s.role == Role::Leader {
            let runs = self.driver.runs();
            let at = runs.partition_point(|run| run.first <= s.commit);
            if let Some(run) = at.checked_sub(1).map(|at| runs[at]).filter(|_| s.commit >= s.first_index) {
                b.moved.push((self.id, self.conf.clone(), EntryId { term: run.term, index: s.commit }));
            }
        }
        if seen.leads_now {
            b.elected.push(self.id);
        }
        while let Some(event) = self.driver.next_event() {
            b.tally.event(&event);
            self.happened(&event, b);
        }
        self.wakes = true;
        b.checker.within(&s, &self.config, self.footprint)
    }

    fn happened(&self, event: &Event, b: &mut Bench) {
        match (event.kind, event.reason) {
            (EventKind::BecameFollower, Reason::Removed) => b.tally.saw(Witness::LeaderRemoved),
            (EventKind::BecameFollower, Reason::NoQuorum) => b.tally.saw(Witness::StaleLeaderCut),
            (EventKind::Ignored, Reason::OldSnapshot) => b.tally.saw(Witness::SnapshotDiscarded),
            (EventKind::ConfSkipped, _) => b.tally.saw(Witness::SkippedChange),
            _ => {}
        }
    }

    /// Allows a call to fail only with an error of normal operation.
    pub fn may_fail(&self, call: &str, outcome: Result<()>, allowed: &[Error]) -> Lawful {
        let fine = outcome.is_ok() || outcome.is_err_and(|error| allowed.contains(&error));
        hold!(Sound, fine, "{call} of {}: {outcome:?}: {}", self.id, self.driver.detail());
        Ok(())
    }

    pub fn tick(&mut self, ticks: u32, b: &mut Bench) -> Turn {
        let done = self.driver.tick(ticks)?;
        self.may_fail("tick", done, &[])?;
        self.look(b)?;
        Ok(())
    }

    /// Steps a message. The message determines the allowed errors.
    pub fn step(&mut self, packet: &Packet, b: &mut Bench) -> Turn {
        let before = (self.status.term, self.status.role);
        let done = self.driver.step(packet.head.from, &packet.bytes)?;
        let busy = [Error::Full, Error::NoPeer, Error::NoLeader, Error::NotLeader, Error::ConfBusy, Error::Conf];
        // A sender that is no member here forwarded the message.
        let stranger = done == Err(Error::NotForMe)
            && wire::parse_message(&packet.bytes).is_ok_and(|m| m.head.from != packet.head.from);
        if !stranger {
            self.may_fail("step", done, &busy)?;
        }
        self.look(b)?;
        if packet.head.kind == MessageKind::TimeoutNow {
            let obeyed = self.status.role != before.1 && self.status.role != Role::Follower;
            let late = packet.head.term < before.0;
            let witness = if late { Some(Witness::OrderTooLate) } else { obeyed.then_some(Witness::CampaignByOrder) };
            witness.into_iter().for_each(|witness| b.tally.saw(witness));
        }
        Ok(())
    }

    /// Does the work that is due.
    pub fn turn(&mut self, b: &mut Bench) -> Turn {
        self.wakes = false;
        for _ in 0..6 {
            let calls = self.driver.calls;
            let idle = self.jobs.is_empty() && self.to_apply.is_empty() && self.late.is_empty();
            if idle && self.unreleased.is_none() && !self.driver.has_work() {
                break;
            }
            self.serve(b)?;
            self.finish_jobs(b)?;
            if self.config.storage != StorageMode::Sync {
                self.apply_some(b)?;
            }
            self.take(b)?;
            if self.driver.calls == calls {
                break;
            }
        }
        // Findings of this turn's looks do not require another turn.
        self.wakes =
            !self.jobs.is_empty() || self.unreleased.is_some() || !self.to_apply.is_empty() || !self.late.is_empty();
        Ok(())
    }

    /// Takes a ready, if there is any.
    fn take(&mut self, b: &mut Bench) -> Turn {
        if self.config.storage == StorageMode::Sync && !self.jobs.is_empty() {
            return Ok(());
        }
        let mut batch = match self.driver.ready()? {
            Ok(Some(batch)) => batch,
            Ok(None) | Err(Error::Full) => return Ok(()),
            Err(error) => return Err(self.may_fail("ready", Err(error), &[]).unwrap_err().into()),
        };
        self.check_stores(&batch, b)?;
        let mut job = Job::of(&mut batch, b.now + self.disk_time(b));
        self.post(batch.messages, &mut job, b)?;
        for drop in &batch.dropped {
            b.tally.reason(drop.reason);
            b.book.dropped(self.name(), drop.token, drop.what, drop.reason, &mut b.tally)?;
        }
        if let Some((_, conf, _)) = &batch.snapshot {
            self.drop_tasks(b)?;
            self.conf = Rc::new(Conf::read(conf));
            self.changes.clear();
            if self.conf.is_joint() {
                b.tally.saw(Witness::SnapshotInJoint);
            }
        }
        let tasks = self.tasks(batch.span, batch.committed, &batch.done, &job, b)?;
        self.to_apply.extend(tasks);
        job.reads = batch.reads;
        if self.config.storage != StorageMode::Sync {
            let reads = std::mem::take(&mut job.reads);
            self.answer_reads(reads, b)?;
        }
        self.jobs.push_back(job);
        if self.jobs.len() >= 3 {
            b.tally.saw(Witness::ManyOutstanding);
        }
        if self.config.storage == StorageMode::Messages && b.plan.seed.is_multiple_of(2) {
            let done = self.driver.release(batch.number)?;
            self.may_fail("release", done, &[])?;
        }
        self.look(b)?;
        Ok(())
    }

    /// Returns the end of the log, counting entries that wait for the disk.
    fn handed(&self) -> EntryId {
        self.jobs.iter().rev().find_map(Job::end).unwrap_or_else(|| self.disk.last())
    }

    /// Returns the term at an index, counting entries that wait for the disk.
    fn handed_term(&self, index: u64) -> Option<u64> {
        for job in self.jobs.iter().rev() {
            if let Some(at) = index.checked_sub(job.first).filter(|_| !job.entries.is_empty()) {
                return job.entries.get(at as usize).map(|record| record.term);
            }
            if let Some((id, _)) = &job.snapshot {
                return (id.index == index).then_some(id.term);
            }
        }
        self.disk.term_at(index)
    }

    fn check_stores(&mut self, batch: &Batch, b: &mut Bench) -> Lawful {
        if batch.entries.is_empty() {
            return Ok(());
        }
        let first = batch.first;
        let before = match &batch.snapshot {
            Some((id, _, _)) => (id.index + 1 == first).then_some(id.term),
            None => self.handed_term(first - 1),
        };
        hold!(LogMatching, before.is_some(), "node {} stores entries from {first}, its log ends before", self.id);
        b.checker.stores(self.id, before.unwrap_or(0), first, &batch.entries)?;
        if batch.role == Role::Leader && batch.entries.first().is_some_and(|r| r.term == batch.state.term) {
            // `applied` may be read now, since nothing was acknowledged after the ready was taken.
            let s = Status { applied: self.driver.status().applied, ..self.status };
            b.checker.leads_on(&s, self.handed().index, first, &batch.entries, &self.changes)?;
        }
        self.changes.retain(|&index| index < first);
        let changes = batch.entries.iter().zip(first..).filter(|(record, _)| record.kind.is_change());
        self.changes.extend(changes.map(|(_, index)| index));
        Ok(())
    }

    /// Sorts the messages of a ready: sent at once, after the disk, or local work.
    fn post(&mut self, messages: Vec<(bool, Packet)>, job: &mut Job, b: &mut Bench) -> Turn {
        for (after, packet) in messages {
            let to = packet.head.to;
            if to == LOCAL_APPEND || to == LOCAL_APPLY {
                let Ok(view) = wire::parse_message(&packet.bytes) else { continue };
                let last = view.entries.last().1;
                for response in view.responses.iter() {
                    let Ok(m) = wire::parse_message(response) else { continue };
                    if to == LOCAL_APPLY {
                        self.apply_responses.push_back((last, response.to_vec()));
                    } else if m.head.to == self.id {
                        job.local.push(response.to_vec());
                    } else {
                        let head = crate::check::Head {
                            kind: m.head.kind,
                            from: self.id,
                            to: m.head.to,
                            term: m.head.term,
                            log_term: m.head.log_term,
                            index: m.head.index,
                            reject: m.head.reject,
                        };
                        job.after.push(Packet { head, life: self.life, to_life: 0, bytes: Rc::new(response.to_vec()) });
                    }
                }
            } else if after {
                job.after.push(packet);
            } else {
                self.send(packet, b)?;
            }
        }
        Ok(())
    }

    /// Sends a message to the network.
    pub fn send(&mut self, packet: Packet, b: &mut Bench) -> Lawful {
        if !b.plan.blind {
            b.checker.leaves(&packet.head, &self.disk)?;
        }
        b.tally.messages += 1;
        self.sent.push(packet);
        Ok(())
    }

    /// Queues committed entries as tasks. Changes are put in force, or skipped where all hosts
    /// skip.
    pub fn tasks(
        &mut self,
        span: Option<(u64, u64)>,
        committed: Vec<(Record, u64)>,
        done: &[Done],
        job: &Job,
        b: &mut Bench,
    ) -> Turn<Vec<Task>> {
        let Some((first, last)) = span else { return Ok(Vec::new()) };
        let resident = !committed.is_empty();
        hold!(
            DurableApply,
            resident || self.config.flags.has(Flags::COMMITTED_SPANS),
            "node {}: span {first} to {last} comes without entries",
            self.id
        );
        let list: Vec<(Record, u64)> = if resident {
            committed
        } else {
            b.tally.saw(Witness::SpanRead);
            let token = |index: u64| done.iter().find(|done| done.index == index).map_or(0, |done| done.token);
            self.disk.entries(first, last).map(|entry| (Record::of(&entry), token(entry.index))).collect()
        };
        hold!(
            DurableApply,
            list.len() as u64 == last - first + 1,
            "node {}: span {first} to {last}, not on disk",
            self.id
        );
        let mut tasks = Vec::with_capacity(list.len());
        for ((record, token), index) in list.into_iter().zip(first..) {
            let id = EntryId { term: record.term, index };
            let near = self.disk.holds(id)
                || (self.config.storage == StorageMode::Sync && job.holds(id))
                || index <= self.disk.last_index() + u64::from(self.config.max_apply_unpersisted)
                    && self.config.max_apply_unpersisted > 0;
            hold!(DurableApply, near, "node {} is to apply {id:?}, its disk ends at {:?}", self.id, self.disk.last());
            let conf = if record.kind.is_change() { self.change(index, &record, b)? } else { None };
            tasks.push(Task { index, record, token, conf });
        }
        Ok(tasks)
    }

    fn change(&mut self, index: u64, record: &Record, b: &mut Bench) -> Turn<Option<Rc<[u8]>>> {
        let context = wire::parse_change(raftcore::Dialect::Raftpb, record.kind, &record.data)
            .map_or(&[][..], |view| view.context);
        if b.plan.skips && context.last() == Some(&SKIP) {
            let done = self.driver.skip_conf(index)?;
            let Ok(bytes) = done else {
                return Err(self.may_fail("skip_conf", done.map(|_| ()), &[]).unwrap_err().into());
            };
            return Ok(Some(bytes));
        }
        let done = self.driver.apply_conf(record.entry(index))?;
        let Ok(bytes) = done else {
            return Err(self.may_fail("apply_conf", done.map(|_| ()), &[]).unwrap_err().into());
        };
        let before = self.conf.clone();
        self.conf = Rc::new(Conf::read(&bytes));
        if b.checker.configures(self.id, index, &bytes)? {
            self.configured(&before, record.term, b);
        }
        self.look(b)?;
        Ok(Some(bytes))
    }

    /// Reports the effect of a configuration when the first host puts it in force.
    fn configured(&self, before: &Conf, term: u64, b: &mut Bench) {
        match (before.is_joint(), self.conf.is_joint()) {
            (false, true) => {
                b.tally.saw(Witness::Joint);
                b.joint = Some(term);
            }
            (true, false) if b.joint.take().is_some_and(|entered| entered != term) => {
                b.tally.saw(Witness::AutoLeaveByAnother);
            }
            _ => {}
        }
        if self.conf.voters.iter().any(|id| before.learners.contains(id)) {
            b.tally.saw(Witness::LearnerPromoted);
        }
    }

    /// Serves reads; with READ_AT_ONCE, only once their index is applied.
    pub fn answer_reads(&mut self, reads: Vec<Read>, b: &mut Bench) -> Lawful {
        for read in reads {
            if read.index > self.machine.applied && b.plan.reads_at_once() {
                self.reads.push(read);
                continue;
            }
            let applied = self.machine.applied;
            hold!(
                TokenTruth,
                read.index <= applied,
                "read {} is shown at {}, applied {applied}",
                read.token,
                read.index
            );
            self.answer_read(read, b)?;
        }
        Ok(())
    }

    pub fn answer_waiting_reads(&mut self, b: &mut Bench) -> Lawful {
        while let Some(at) = self.reads.iter().position(|read| read.index <= self.machine.applied) {
            let read = self.reads.swap_remove(at);
            self.answer_read(read, b)?;
        }
        Ok(())
    }

    fn answer_read(&mut self, read: Read, b: &mut Bench) -> Lawful {
        if self.leads() && b.checker.highest_term_led() > self.status.term {
            b.tally.saw(Witness::ReadSuperseded);
        }
        if b.plan.uses_lease() && self.leads() {
            b.tally.saw(Witness::LeaseRead);
        }
        b.tally.trace(read.token ^ read.index << 32);
        b.book.answered(self.name(), read.token, read.index, &self.machine.registers)
    }

    /// Checks a leader's windows, once a tick.
    pub fn check_peers(&self, b: &Bench) -> Lawful {
        self.driver.peers().try_for_each(|peer| b.checker.peer_within(self.id, &peer, &self.config))
    }
}

/// Mark at the end of a change's context. In some runs every host skips such changes.
pub const SKIP: u8 = 0x5c;
