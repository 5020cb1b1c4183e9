//! A member that runs raft-rs: a `RawNode` over raft-rs's own `MemStorage`.
//!
//! raft-rs's timeouts come from the random numbers of a thread. So that equal seeds give equal runs,
//! the timeout is set anew after each call, from the seed, the term and the role.

use crate::disk::{Conf, Disk, Hard, Machine, Record, Store, Write};
use crate::draw::{Draw, mix};
use crate::member::{Applied, Change, Kind, LEADER, Look, Member, Out, Setup, Shape, Step, Stepped};
use protobuf::Message as _;
use raft::prelude::*;
use raft::storage::{GetEntriesContext, MemStorage, MemStorageCore};
use raft::{Error, RawNode, ReadOnlyOption, StateRole, StorageError};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

/// raft-rs's storage in memory, and what that storage lacks: snapshot data, and the term before the
/// first entry once the log was compacted.
#[derive(Clone, Default)]
pub struct RsStorage {
    log: MemStorage,
    state: Arc<Mutex<Beside>>,
    busy: Arc<Mutex<Busy>>,
}

/// Entries for peers that come later, if `on`, and who asked.
#[derive(Default)]
struct Busy {
    on: bool,
    asked: Vec<GetEntriesContext>,
}

#[derive(Clone, Default)]
struct Beside {
    machine: Machine,
    conf: Conf,
    /// Term and index of the entry before the first.
    before: (u64, u64),
}

impl RsStorage {
    fn new(disk: &Disk) -> Self {
        let storage = Self::default();
        storage.write(&Write::Snapshot(disk.machine, disk.conf.clone()), disk.before);
        {
            let mut log = storage.log.wl();
            log.append(&disk.log.iter().map(entry_of).collect::<Vec<_>>()).expect("a log without gaps");
            log.set_hardstate(hard_state(disk.hard));
        }
        storage
    }

    /// Writes to raft-rs's storage. `before`: term and index before the first entry, after a
    /// snapshot or a compaction.
    fn write(&self, write: &Write, before: (u64, u64)) {
        let mut log = self.log.wl();
        match write {
            Write::Snapshot(machine, conf) => {
                if before.1 > 0 {
                    // MemStorage refuses a second snapshot at an index, which a request may bring.
                    let hard = log.hard_state().clone();
                    *log = MemStorageCore::default();
                    log.set_hardstate(hard);
                    let mut snapshot = Snapshot::default();
                    snapshot.mut_metadata().term = before.0;
                    snapshot.mut_metadata().index = before.1;
                    log.apply_snapshot(snapshot).expect("a snapshot beyond the log's begin");
                }
                log.set_conf_state(conf_state(conf));
                *self.beside() = Beside { machine: *machine, conf: conf.clone(), before };
            }
            Write::Entry(entry) => log.append(&[entry_of(entry)]).expect("a log without gaps"),
            Write::Hard(hard) => log.set_hardstate(hard_state(*hard)),
            Write::Applied(machine, conf) => {
                let mut beside = self.beside();
                beside.machine = *machine;
                if let Some(conf) = conf {
                    log.set_conf_state(conf_state(conf));
                    beside.conf = conf.clone();
                }
            }
            Write::Compact(index) => {
                self.beside().before = before;
                log.compact(index + 1).expect("an index of the log");
            }
        }
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for RsStorage {
    fn initial_state(&self) -> raft::Result<RaftState> {
        self.log.initial_state()
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let mut busy = self.busy();
        if busy.on && context.can_async() {
            busy.asked.push(context);
            return Err(Error::Store(StorageError::LogTemporarilyUnavailable));
        }
        self.log.entries(low, high, max_size, context)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let (term, before) = self.beside().before;
        if index == before { Ok(term) } else { self.log.term(index) }
    }

    fn first_index(&self) -> raft::Result<u64> {
        self.log.first_index()
    }

    fn last_index(&self) -> raft::Result<u64> {
        self.log.last_index()
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        let Beside { machine, conf, .. } = self.beside().clone();
        if machine.applied < request_index || machine.applied == 0 {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        let mut snapshot = Snapshot::default();
        snapshot.data = machine.to_bytes().into();
        snapshot.mut_metadata().index = machine.applied;
        snapshot.mut_metadata().term = machine.term;
        snapshot.mut_metadata().set_conf_state(conf_state(&conf));
        Ok(snapshot)
    }
}

fn conf_state(conf: &Conf) -> ConfState {
    let mut state = ConfState::default();
    state.set_voters(conf.voters.clone());
    state.set_learners(conf.learners.clone());
    state.set_voters_outgoing(conf.outgoing.clone());
    state.set_learners_next(conf.learners_next.clone());
    state.set_auto_leave(conf.auto_leave);
    state
}

fn conf_of(state: &ConfState) -> Conf {
    Conf {
        voters: state.get_voters().to_vec(),
        learners: state.get_learners().to_vec(),
        outgoing: state.get_voters_outgoing().to_vec(),
        learners_next: state.get_learners_next().to_vec(),
        auto_leave: state.get_auto_leave(),
    }
    .sorted()
}

fn hard_state(hard: Hard) -> HardState {
    let mut state = HardState::default();
    (state.term, state.vote, state.commit) = (hard.term, hard.vote, hard.commit);
    state
}

fn entry_of(record: &Record) -> Entry {
    let mut entry = Entry::default();
    entry.set_entry_type(match record.kind {
        0 => EntryType::EntryNormal,
        1 => EntryType::EntryConfChange,
        _ => EntryType::EntryConfChangeV2,
    });
    (entry.term, entry.index) = (record.term, record.index);
    entry.data = record.data.clone().into();
    entry.context = record.context.clone().into();
    entry
}

fn record_of(entry: &Entry) -> Record {
    let kind = match entry.get_entry_type() {
        EntryType::EntryNormal => 0,
        EntryType::EntryConfChange => 1,
        EntryType::EntryConfChangeV2 => 2,
    };
    let (data, context) = (entry.data.to_vec(), entry.context.to_vec());
    Record { term: entry.term, index: entry.index, kind, data, context }
}

thread_local! {
    /// True while raft-rs runs: a panic prints nothing.
    static QUIET: RefCell<bool> = const { RefCell::new(false) };
    /// File and line of the last panic.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.with(|quiet| *quiet.borrow()) {
                return usual(info);
            }
            let place = info.location().map_or_else(String::new, |place| {
                let file = place.file().rsplit('/').next().unwrap_or_default();
                format!("{file}:{}", place.line())
            });
            PLACE.with(|last| *last.borrow_mut() = place);
        }));
    });
}

/// A raft-rs member.
pub struct Theirs {
    node: RawNode<RsStorage>,
    store: Store,
    setup: Setup,
    panic: Option<String>,
    newest: u64,
    durable: u64,
    held: Vec<(u64, u64, Vec<u8>)>,
    pinned: Option<(u64, StateRole, u64)>,
    /// raft-rs's own timeout after the last call.
    drawn: u64,
    /// Index of a snapshot that is installed, and not durable.
    installed: Option<u64>,
}

impl Theirs {
    /// Starts a node from a disk.
    ///
    /// # Errors
    /// The text of a refusal, or of a panic.
    pub fn start(setup: &Setup, disk: Disk) -> Result<Self, String> {
        let storage = RsStorage::new(&disk);
        let config = config(setup, disk.machine.applied);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = quietly(|| RawNode::new(&config, storage, &logger))?.map_err(|error| error.to_string())?;
        let setup = setup.clone();
        let store = Store::new(disk);
        let mut this = Self {
            node,
            store,
            setup,
            panic: None,
            newest: 0,
            durable: 0,
            held: Vec::new(),
            pinned: None,
            drawn: 0,
            installed: None,
        };
        this.draw_timeout();
        Ok(this)
    }

    /// Returns the node, for calls that the world does not know.
    pub fn node(&mut self) -> &mut RawNode<RsStorage> {
        &mut self.node
    }

    /// True if a leader has committed an entry of its term.
    pub fn has_committed_in_term(&self) -> bool {
        self.node.raft.commit_to_current_term()
    }

    /// True while this follower waits for a snapshot that it has requested.
    pub fn requests(&self) -> bool {
        self.node.raft.pending_request_snapshot > 0
    }

    /// True if a leader knows of a peer's request for a snapshot.
    pub fn is_requested_by(&self, peer: u64) -> bool {
        self.node.raft.prs().get(peer).is_some_and(|progress| progress.pending_request_snapshot > 0)
    }

    /// Puts a peer into replicate state, with appends in flight up to `next`.
    pub fn replicate(&mut self, peer: u64, next: u64) {
        if let Some(progress) = self.node.raft.mut_prs().get_mut(peer) {
            progress.become_replicate();
            if next > progress.next_idx {
                progress.ins.add(next - 1);
                progress.next_idx = next;
            }
        }
    }

    /// Calls raft-rs. `None`: a panic, now or before.
    fn call<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.panic.is_some() {
            return None;
        }
        match quietly(|| call(self)) {
            Ok(value) => {
                self.drawn = self.node.raft.randomized_election_timeout() as u64;
                self.draw_timeout();
                Some(value)
            }
            Err(text) => {
                self.panic = Some(text);
                None
            }
        }
    }

    fn draw_timeout(&mut self) {
        let raft = &mut self.node.raft;
        let ticks = match self.pinned {
            Some((term, role, ticks)) if term == raft.term && role == raft.state => ticks,
            _ => {
                self.pinned = None;
                let word = mix(self.setup.seed ^ mix(raft.term ^ mix(raft.state as u64)));
                self.setup.election_ticks + word % self.setup.election_ticks
            }
        };
        raft.set_randomized_election_timeout(ticks as usize);
    }

    fn write(&mut self, number: u64, write: Write) {
        self.store.write(number, write.clone());
        self.node.mut_store().write(&write, self.store.cache.before);
    }

    fn send(messages: Vec<Message>) -> Vec<(u64, Vec<u8>)> {
        messages.into_iter().map(|message| (message.to, message.write_to_bytes().expect("a whole message"))).collect()
    }

    fn apply(&mut self, number: u64, entries: Vec<Entry>, out: &mut Out) {
        let Some(last) = entries.last().map(|entry| entry.index) else { return };
        for entry in entries {
            let conf = match entry.get_entry_type() {
                EntryType::EntryNormal => None,
                EntryType::EntryConfChange => {
                    let mut change = ConfChange::default();
                    change.merge_from_bytes(&entry.data).expect("a change");
                    Some(self.node.apply_conf_change(&change))
                }
                EntryType::EntryConfChangeV2 => {
                    let mut change = ConfChangeV2::default();
                    change.merge_from_bytes(&entry.data).expect("a change");
                    Some(self.node.apply_conf_change(&change))
                }
            };
            let conf = conf.map(|conf| conf_of(&conf.unwrap_or_else(|error| panic!("apply_conf_change: {error}"))));
            let entry = record_of(&entry);
            let mut machine = self.store.cache.machine;
            machine.apply(&entry);
            self.write(number, Write::Applied(machine, conf.clone()));
            out.applied.push(Applied { entry, machine, conf });
        }
        self.node.advance_apply_to(last);
    }

    fn snapshot_is_durable(&mut self) {
        if let Some(index) = self.installed.take() {
            self.node.advance_apply_to(index);
        }
    }

    fn ready(&mut self, out: &mut Out) {
        let mut ready = self.node.ready();
        let number = ready.number();
        self.newest = number;
        out.messages.extend(Self::send(ready.take_messages()));
        out.reads.extend(ready.take_read_states().iter().map(|read| (token_of(&read.request_ctx), read.index)));
        if !ready.snapshot().is_empty() {
            let snapshot = ready.snapshot().clone();
            let machine = Machine::from_bytes(&snapshot.data).expect("snapshot data of a member");
            let meta = snapshot.get_metadata();
            assert_eq!((machine.term, machine.applied), (meta.term, meta.index), "a snapshot's data and metadata");
            let conf = conf_of(meta.get_conf_state());
            self.write(number, Write::Snapshot(machine, conf.clone()));
            self.installed = Some(machine.applied);
            out.installed.push((machine, conf));
        }
        for entry in ready.take_entries() {
            self.write(number, Write::Entry(record_of(&entry)));
        }
        if let Some(hard) = ready.hs() {
            let hard = Hard { term: hard.term, vote: hard.vote, commit: hard.commit };
            self.write(number, Write::Hard(hard));
        }
        let committed = ready.take_committed_entries();
        let held = Self::send(ready.take_persisted_messages());
        if self.setup.async_writes {
            self.held.extend(held.into_iter().map(|(to, bytes)| (number, to, bytes)));
            self.node.advance_append_async(ready);
            self.apply(number, committed, out);
            return;
        }
        self.store.flush(number);
        out.messages.extend(held);
        self.apply(number, committed, out);
        let mut light = self.node.advance_append(ready);
        if let Some(commit) = light.commit_index() {
            let hard = Hard { commit, ..self.store.cache.hard };
            self.write(number, Write::Hard(hard));
        }
        out.messages.extend(Self::send(light.take_messages()));
        self.snapshot_is_durable();
        self.apply(number, light.take_committed_entries(), out);
        self.store.flush(number);
        self.durable = number;
    }
}

/// Calls, and returns the place and the text of a panic, which prints nothing.
///
/// # Errors
/// The panic.
pub fn quietly<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    hush();
    let before = QUIET.with(|quiet| quiet.replace(true));
    let outcome = catch_unwind(AssertUnwindSafe(call));
    QUIET.with(|quiet| quiet.replace(before));
    outcome.map_err(|panic| {
        let text = match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast::<&str>().map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned()),
        };
        PLACE.with(|place| format!("{}: {text}", place.borrow()))
    })
}

fn token_of(context: &[u8]) -> u64 {
    context.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl Member for Theirs {
    fn kind(&self) -> Kind {
        Kind::RaftRs
    }

    fn tick(&mut self) {
        self.call(|this| this.node.tick());
    }

    fn step(&mut self, _from: u64, bytes: &[u8]) -> Stepped {
        let mut message = Message::default();
        if let Err(error) = message.merge_from_bytes(bytes) {
            return Stepped::Refused(error.to_string());
        }
        match self.call(|this| this.node.step(message)) {
            None | Some(Ok(())) => Stepped::Taken,
            Some(Err(Error::StepPeerNotFound | Error::ProposalDropped)) => Stepped::Dropped,
            Some(Err(error)) => Stepped::Refused(error.to_string()),
        }
    }

    fn propose(&mut self, context: &[u8], data: &[u8]) -> bool {
        self.call(|this| this.node.propose(context.to_vec(), data.to_vec()).is_ok()).unwrap_or(false)
    }

    fn change(&mut self, change: &Change) -> bool {
        let outcome = match (change.shape, change.steps.as_slice()) {
            (Shape::V1, [step]) => {
                let mut single = ConfChange::default();
                let (kind, id) = kind_of(*step);
                single.set_change_type(kind);
                single.node_id = id;
                single.context = change.context.clone().into();
                self.call(|this| this.node.propose_conf_change(Vec::new(), single).is_ok())
            }
            _ => {
                let mut many = ConfChangeV2::default();
                many.set_transition(match change.shape {
                    Shape::Implicit => ConfChangeTransition::Implicit,
                    Shape::Explicit => ConfChangeTransition::Explicit,
                    _ => ConfChangeTransition::Auto,
                });
                let steps: Vec<ConfChangeSingle> = change.steps.iter().map(|step| single(*step)).collect();
                many.set_changes(steps.into());
                many.context = change.context.clone().into();
                self.call(|this| this.node.propose_conf_change(Vec::new(), many).is_ok())
            }
        };
        outcome.unwrap_or(false)
    }

    fn read(&mut self, token: u64, context_len: usize) -> bool {
        let mut context = token.to_le_bytes().to_vec();
        context.resize(context_len.max(8), 0x5A);
        self.call(|this| this.node.read_index(context)).is_some()
    }

    fn transfer(&mut self, to: u64) {
        self.call(|this| this.node.transfer_leader(to));
    }

    fn campaign(&mut self) {
        self.call(|this| _ = this.node.campaign());
    }

    fn request_snapshot(&mut self) -> bool {
        self.call(|this| this.node.request_snapshot().is_ok()).unwrap_or(false)
    }

    fn set_priority(&mut self, priority: i64) {
        self.call(|this| this.node.set_priority(priority));
    }

    fn set_groups(&mut self, groups: &[(u64, u64)]) {
        self.call(|this| {
            let raft = &mut this.node.raft;
            raft.enable_group_commit(!groups.is_empty());
            match groups {
                [] => raft.clear_commit_group(),
                groups => raft.assign_commit_groups(groups),
            }
        });
    }

    fn set_window(&mut self, peer: u64, messages: u64) {
        self.call(|this| this.node.raft.adjust_max_inflight_msgs(peer, messages as usize));
    }

    fn set_check_quorum(&mut self, on: bool) {
        self.call(|this| this.node.raft.set_check_quorum(on));
    }

    fn trim(&mut self) -> bool {
        let trimmed = self.call(|this| {
            let before = this.node.raft.inflight_buffers_size();
            this.node.raft.maybe_free_inflight_buffers();
            this.node.raft.inflight_buffers_size() < before
        });
        trimmed.unwrap_or(false)
    }

    fn set_busy(&mut self, on: bool) {
        let asked = {
            let mut busy = self.node.store().busy();
            busy.on = on;
            std::mem::take(&mut busy.asked)
        };
        for context in asked {
            self.call(|this| this.node.on_entries_fetched(context));
        }
    }

    fn report_unreachable(&mut self, peer: u64) {
        self.call(|this| this.node.report_unreachable(peer));
    }

    fn report_snapshot(&mut self, peer: u64, arrived: bool) {
        let status = if arrived { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
        self.call(|this| this.node.report_snapshot(peer, status));
    }

    fn compact(&mut self, index: u64) {
        // MemStorage needs an entry in its log to know where the log begins.
        let index = index.min(self.store.cache.machine.applied).min(self.store.cache.last().saturating_sub(1));
        if index >= self.store.cache.first() {
            let newest = self.newest;
            self.call(|this| this.write(newest, Write::Compact(index)));
        }
    }

    fn work(&mut self, flush: bool, out: &mut Out) {
        self.call(|this| {
            loop {
                while this.node.has_ready() {
                    this.ready(out);
                }
                if !flush || this.durable == this.newest {
                    break;
                }
                this.store.flush(this.newest);
                out.messages.extend(this.held.drain(..).map(|(_, to, bytes)| (to, bytes)));
                this.node.on_persist_ready(this.newest);
                this.snapshot_is_durable();
                this.durable = this.newest;
            }
        });
    }

    fn look(&mut self) -> Look {
        let raft = &self.node.raft;
        let role = match raft.state {
            StateRole::Follower => 0,
            StateRole::Candidate => 1,
            StateRole::Leader => LEADER,
            StateRole::PreCandidate => 3,
        };
        Look {
            role,
            term: raft.term,
            vote: raft.vote,
            commit: raft.raft_log.committed,
            applied: raft.raft_log.applied,
            last: raft.raft_log.last_index(),
            last_term: raft.raft_log.last_term(),
            leader: raft.leader_id,
        }
    }

    fn peers(&mut self) -> Vec<(u64, u64, u64, u8)> {
        let raft = &self.node.raft;
        let mut peers: Vec<_> = raft.prs().iter().filter(|(id, _)| **id != raft.id).collect();
        peers.sort_by_key(|(id, _)| **id);
        peers.into_iter().map(|(id, peer)| (*id, peer.matched, peer.next_idx, peer.state as u8)).collect()
    }

    fn peer_commit(&mut self, peer: u64) -> u64 {
        self.node.raft.prs().get(peer).map_or(0, |progress| progress.committed_index)
    }

    fn waiting_reads(&mut self) -> u64 {
        self.node.raft.pending_read_count() as u64
    }

    fn drawn_timeout(&mut self) -> u64 {
        self.drawn
    }

    fn transferee(&mut self) -> u64 {
        self.node.raft.lead_transferee.unwrap_or(0)
    }

    fn disk(&mut self) -> &Disk {
        &self.store.cache
    }

    fn durable(&mut self) -> &Disk {
        self.store.durable()
    }

    fn panic(&self) -> Option<&str> {
        self.panic.as_deref()
    }

    fn set_timeout(&mut self, ticks: u64) {
        self.pinned = Some((self.node.raft.term, self.node.raft.state, ticks));
        self.draw_timeout();
    }

    fn crash(self: Box<Self>, draw: &mut Draw) -> Disk {
        self.store.crash(draw)
    }
}

fn kind_of(step: Step) -> (ConfChangeType, u64) {
    match step {
        Step::Voter(id) => (ConfChangeType::AddNode, id),
        Step::Remove(id) => (ConfChangeType::RemoveNode, id),
        Step::Learner(id) => (ConfChangeType::AddLearnerNode, id),
    }
}

fn single(step: Step) -> ConfChangeSingle {
    let (kind, id) = kind_of(step);
    let mut single = ConfChangeSingle::default();
    single.set_change_type(kind);
    single.node_id = id;
    single
}

fn config(setup: &Setup, applied: u64) -> Config {
    Config {
        id: setup.id,
        election_tick: setup.election_ticks as usize,
        heartbeat_tick: setup.heartbeat_ticks as usize,
        applied,
        max_size_per_msg: setup.max_size_per_msg,
        max_inflight_msgs: setup.max_inflight_msgs as usize,
        check_quorum: setup.check_quorum,
        pre_vote: setup.pre_vote,
        read_only_option: if setup.lease_reads { ReadOnlyOption::LeaseBased } else { ReadOnlyOption::Safe },
        skip_bcast_commit: setup.skip_bcast_commit,
        batch_append: setup.batch_append,
        priority: setup.priority,
        max_uncommitted_size: if setup.max_uncommitted > 0 { setup.max_uncommitted } else { raft::NO_LIMIT },
        ..Config::default()
    }
}
