//! A simulated host: a node, a disk that keeps what was synced, a disk queue and an apply queue that take their time.

use crate::rng::Rng;
use raftcore::*;
use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub term: u64,
    pub kind: EntryKind,
    pub data: Vec<u8>,
}

/// What survives a crash.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub state: HardState,
    pub before: EntryId,
    pub log: BTreeMap<u64, Record>,
    /// State machine: applied index, configuration as of it, hash over everything applied.
    pub applied: u64,
    pub conf: Vec<u8>,
    pub hash: u64,
}

impl Disk {
    pub fn last(&self) -> EntryId {
        self.log.last_key_value().map_or(self.before, |(&index, record)| EntryId { index, term: record.term })
    }

    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.before.index { Some(self.before.term) } else { self.log.get(&index).map(|record| record.term) }
    }

    fn refs(&self, first: u64, last: u64) -> Vec<EntryRef<'_>> {
        let range = self.log.range(first..=last.max(first));
        range.map(|(&index, r)| EntryRef { term: r.term, index, kind: r.kind, data: &r.data, token: 0 }).collect()
    }
}

/// The writes of one ready, in the order in which a torn one may stop.
#[derive(Clone, Debug, Default)]
pub struct Job {
    pub number: u64,
    pub snapshot: Option<(EntryId, Vec<u8>, u64)>,
    pub entries: Vec<(u64, Record)>,
    pub state: Option<HardState>,
    /// Messages that wait for this job and all before it.
    pub after: Vec<Packet>,
    /// MESSAGES: responses to be stepped here.
    pub local: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub struct Packet {
    pub from: u64,
    pub to: u64,
    pub bytes: Vec<u8>,
}

/// Something that a client, or the checker, has to hear of.
#[derive(Clone, Debug)]
pub enum Heard {
    Applied { index: u64, term: u64, data: Vec<u8>, hash: u64 },
    Installed { index: u64, hash: u64 },
    Committed { token: u64, index: u64 },
    Dropped { token: u64, what: DropKind },
    Read { token: u64, index: u64, applied: u64 },
}

pub struct Host {
    pub id: u64,
    pub life: u64,
    pub node: Node,
    pub mode: StorageMode,
    pub disk: Disk,
    pub jobs: VecDeque<Job>,
    /// Committed entries handed out and not yet applied, with their token; the configurations that came out of them.
    pub to_apply: VecDeque<(u64, Record, u64)>,
    pub confs: BTreeMap<u64, Vec<u8>>,
    /// MESSAGES: responses of MsgStorageApply, each with the index it stands for.
    pub apply_responses: VecDeque<(u64, Vec<u8>)>,
    /// Fetches put off.
    late: Vec<Fetch>,
    pub heard: Vec<Heard>,
    pub sent: Vec<Packet>,
}

pub fn mix(hash: u64, index: u64, data: &[u8]) -> u64 {
    let mut h = hash ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for &byte in data {
        h = (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    h.rotate_left(17)
}

impl Host {
    pub fn boot(id: u64, life: u64, disk: Disk, config: &Config) -> Self {
        let mut node = Node::new(config).unwrap();
        if !disk.conf.is_empty() || disk.state != HardState::default() {
            let trouble = |node: &Node| format!("boot of {id}: {} {disk:?}", node.error_detail());
            node.boot_state(disk.state).unwrap_or_else(|e| panic!("{e} {}", trouble(&node)));
            if !disk.conf.is_empty() {
                node.boot_conf_bytes(&disk.conf, disk.before).unwrap_or_else(|e| panic!("{e} {}", trouble(&node)));
                node.boot_entries(disk.refs(disk.before.index + 1, u64::MAX).into_iter())
                    .unwrap_or_else(|e| panic!("{e} {}", trouble(&node)));
            }
        }
        node.boot_done(disk.applied)
            .unwrap_or_else(|e| panic!("{e} boot_done of {id}: {} {disk:?}", node.error_detail()));
        Self {
            id,
            life,
            node,
            mode: config.storage,
            disk,
            jobs: VecDeque::new(),
            to_apply: VecDeque::new(),
            confs: BTreeMap::new(),
            apply_responses: VecDeque::new(),
            late: Vec::new(),
            heard: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Takes what work there is; SYNC does it at once, the others queue it.
    pub fn turn(&mut self, rng: &mut Rng) {
        self.serve(rng);
        if self.mode == StorageMode::Sync && !self.jobs.is_empty() {
            return;
        }
        let (id, mode) = (self.id, self.mode);
        let ready = match self.node.ready() {
            Ok(Some(ready)) => ready,
            Ok(None) | Err(Error::Full) => return,
            Err(error) => panic!("ready of {id}: {error}"),
        };
        let mut job = Job { number: ready.number(), state: ready.hard_state(), ..Job::default() };
        if let Some(s) = ready.snapshot() {
            let hash = s.data.try_into().map_or(0, u64::from_le_bytes);
            job.snapshot = Some((EntryId { term: s.term, index: s.index }, s.conf.to_vec(), hash));
        }
        let record = |e: &EntryRef<'_>| Record { term: e.term, kind: e.kind, data: e.data.to_vec() };
        job.entries = ready.entries().map(|e| (e.index, record(&e))).collect();
        for m in ready.messages() {
            let mut bytes = Vec::new();
            m.write_to(&mut bytes);
            if m.to() == LOCAL_APPEND || m.to() == LOCAL_APPLY {
                let view = wire::parse_message(&bytes).unwrap();
                let last = view.entries.last().1;
                for response in view.responses.iter() {
                    let to = wire::parse_message(response).unwrap().head.to;
                    if m.to() == LOCAL_APPLY {
                        self.apply_responses.push_back((last, response.to_vec()));
                    } else if to == id {
                        job.local.push(response.to_vec());
                    } else {
                        job.after.push(Packet { from: id, to, bytes: response.to_vec() });
                    }
                }
                continue;
            }
            let packet = Packet { from: id, to: m.to(), bytes };
            if m.after() { job.after.push(packet) } else { self.sent.push(packet) }
        }
        let applied = self.disk.applied;
        self.heard.extend(ready.reads().iter().map(|r| Heard::Read { token: r.token, index: r.index, applied }));
        self.heard.extend(ready.dropped().iter().map(|d| Heard::Dropped { token: d.token, what: d.what }));
        self.heard.extend(ready.done().iter().map(|d| Heard::Committed { token: d.token, index: d.index }));
        let mut committed: Vec<(u64, Record, u64)> =
            ready.committed().map(|e| (e.index, record(&e), e.token)).collect();
        if let (Some((first, last)), true) = (ready.committed_span(), committed.is_empty()) {
            committed = self.disk.refs(first, last).iter().map(|e| (e.index, record(e), 0)).collect();
            assert_eq!(committed.len() as u64, last - first + 1, "a span beyond what is durable");
        }
        for (index, record, _) in &committed {
            if record.kind.is_change() {
                let entry =
                    EntryRef { term: record.term, index: *index, kind: record.kind, data: &record.data, token: 0 };
                match self.node.apply_conf(entry) {
                    Ok(conf) => _ = self.confs.insert(*index, conf.bytes.to_vec()),
                    Err(error) => panic!("apply_conf({index}) of {id}: {error}: {}", self.node.error_detail()),
                }
            }
        }
        if job.snapshot.is_some() {
            self.to_apply.clear();
            self.confs.clear();
            self.apply_responses.clear();
        }
        self.to_apply.extend(committed);
        self.jobs.push_back(job);
        if mode == StorageMode::Messages {
            let number = self.jobs.back().map_or(0, |job| job.number);
            self.node.release(number).unwrap();
        }
    }

    fn serve(&mut self, rng: &mut Rng) {
        while let Some(fetch) = self.node.next_fetch().unwrap() {
            if rng.chance(20) {
                // Until it is answered that peer waits, nothing else does.
                self.late.push(fetch);
                continue;
            }
            self.answer(&fetch, rng.chance(10));
        }
    }

    /// Answers what was put off, for however long.
    pub fn answer_late(&mut self) {
        for fetch in std::mem::take(&mut self.late) {
            self.answer(&fetch, false);
        }
    }

    fn answer(&mut self, fetch: &Fetch, later: bool) {
        let disk = &self.disk;
        let outcome = match fetch.kind {
            FetchKind::Entries if later => self.node.supply_none(fetch.id, Missing::Later),
            FetchKind::Entries if disk.log.contains_key(&fetch.first) => {
                match self.node.supply_entries(fetch.id, disk.refs(fetch.first, fetch.last).into_iter()) {
                    // Asked long ago, and the log has changed since.
                    Err(Error::Arg) => self.node.supply_none(fetch.id, Missing::Later),
                    outcome => outcome,
                }
            }
            FetchKind::Entries => self.node.supply_none(fetch.id, Missing::Gone),
            FetchKind::Snapshot => {
                let data = disk.hash.to_le_bytes();
                let supplied = self.node.supply_snapshot_bytes(fetch.id, disk.applied, &disk.conf, &data);
                supplied.or_else(|_| self.node.supply_none(fetch.id, Missing::Later))
            }
        };
        outcome.unwrap_or_else(|e| panic!("supply of {}: {e}: {}", self.id, self.node.error_detail()));
    }

    /// The disk finishes its oldest job: now what waited for it may leave.
    pub fn finish_job(&mut self) {
        let Some(job) = self.jobs.pop_front() else { return };
        self.write(&job, usize::MAX);
        self.sent.extend(job.after);
        match self.mode {
            StorageMode::Sync => {
                self.apply(usize::MAX);
                self.node.advance(job.number).unwrap_or_else(|e| panic!("advance: {e}: {}", self.node.error_detail()));
            }
            StorageMode::Async => {
                self.node.persisted(job.number).unwrap();
                self.node.release(job.number).unwrap();
            }
            StorageMode::Messages => {
                for response in job.local {
                    match self.node.step_local(&response) {
                        Ok(()) | Err(Error::Stale) => {}
                        Err(e) => panic!("step_local of {}: {e}: {}", self.id, self.node.error_detail()),
                    }
                }
            }
        }
    }

    /// Does up to `steps` of a job's writes, in their order.
    fn write(&mut self, job: &Job, steps: usize) {
        let mut left = steps;
        let mut step = || {
            left = left.saturating_sub(1);
            left > 0 || steps == usize::MAX
        };
        if let Some((id, conf, hash)) = &job.snapshot {
            self.disk.log.clear();
            self.disk.before = *id;
            (self.disk.applied, self.disk.conf, self.disk.hash) = (id.index, conf.clone(), *hash);
            self.heard.push(Heard::Installed { index: id.index, hash: *hash });
            if !step() {
                return;
            }
        }
        if let Some((first, _)) = job.entries.first() {
            self.disk.log.split_off(first);
        }
        for (index, record) in &job.entries {
            if !step() {
                return;
            }
            self.disk.log.insert(*index, record.clone());
        }
        if let Some(state) = job.state {
            self.disk.state = state;
        }
    }

    /// Applies up to `count` entries whose time has come, and says so.
    pub fn apply(&mut self, count: usize) {
        let mut done = 0;
        while done < count {
            let Some((index, record, token)) = self.to_apply.front().cloned() else { break };
            if index > self.disk.last().index && self.mode != StorageMode::Sync {
                break;
            }
            self.to_apply.pop_front();
            done += 1;
            assert_eq!(index, self.disk.applied + 1, "node {} applies in order, each entry once", self.id);
            if let Some(conf) = self.confs.remove(&index) {
                self.disk.conf = conf;
            }
            self.disk.hash = mix(self.disk.hash, index, &record.data);
            self.disk.applied = index;
            let hash = self.disk.hash;
            self.heard.push(Heard::Applied { index, term: record.term, data: record.data, hash });
            if token != 0 {
                self.heard.push(Heard::Committed { token, index });
            }
        }
        if done == 0 {
            return;
        }
        let applied = self.disk.applied;
        match self.mode {
            StorageMode::Async => match self.node.applied(applied) {
                Ok(()) | Err(Error::Stale) => {}
                Err(e) => panic!("applied({applied}) of {}: {e}: {}", self.id, self.node.error_detail()),
            },
            StorageMode::Messages => {
                while self.apply_responses.front().is_some_and(|(last, _)| *last <= applied) {
                    if let Some((_, response)) = self.apply_responses.pop_front() {
                        match self.node.step_local(&response) {
                            Ok(()) | Err(Error::Stale) => {}
                            Err(e) => panic!("step_local of {}: {e}: {}", self.id, self.node.error_detail()),
                        }
                    }
                }
            }
            StorageMode::Sync => {}
        }
    }

    /// The process dies: of the job under way some writes may have reached the disk, those behind it are gone.
    pub fn crash(mut self, rng: &mut Rng) -> Disk {
        if let Some(job) = self.jobs.pop_front() {
            let steps = job.entries.len() + 2;
            let steps = rng.below(steps as u64 + 1) as usize;
            if steps > 0 {
                self.write(&job, steps);
                // However a write is torn, no hard state outlives the entries it commits.
                assert!(self.disk.state.commit <= self.disk.last().index, "node {}: {:?}", self.id, self.disk.state);
            }
        }
        self.disk
    }

    pub fn compact(&mut self, keep: u64) {
        let index = self.disk.applied.saturating_sub(keep);
        let Some(term) = self.disk.term_at(index).filter(|_| index > self.disk.before.index) else { return };
        if self.node.compacted(index).is_ok() {
            self.disk.log = self.disk.log.split_off(&(index + 1));
            self.disk.before = EntryId { term, index };
        }
    }
}
