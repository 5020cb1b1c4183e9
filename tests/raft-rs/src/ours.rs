//! A member that runs raftcore, through its Rust face: `StorageNode` over a `Storage`.

use crate::disk::{Conf, Disk, Hard, Machine, Record, Store, Write};
use crate::draw::Draw;
use crate::member::{Applied, Change, Kind, Look, Member, Out, Setup, Shape, Step, Stepped, Tongue};
use raftcore::storage::{Storage, StorageError, StorageNode, StorageResult};
use raftcore::{
    ChangeEncoding, ChangeKind, Config, Dialect, DropKind, EntryKind, EntryRef, Error, Flags, HardState,
    SnapshotReport, StorageMode, Transition, proto,
};

/// MsgPropose, MsgTransferLeader, MsgReadIndex.
const PASSED_ON: [u8; 3] = [2, 13, 15];

impl Storage for Store {
    fn initial_state(&self) -> StorageResult<(HardState, proto::ConfState)> {
        let Hard { term, vote, commit } = self.cache.hard;
        Ok((HardState { term, vote, commit }, to_proto(&self.cache.conf)))
    }

    fn entries(&self, low: u64, high: u64, max_bytes: u64) -> StorageResult<Vec<proto::Entry>> {
        if self.busy {
            return Err(StorageError::Later);
        }
        if low < self.cache.first() {
            return Err(StorageError::Compacted);
        }
        let mut bytes = 0;
        let mut entries = Vec::new();
        for index in low..high {
            let entry = self.cache.entry(index).ok_or(StorageError::Unavailable)?;
            bytes += entry.data.len() as u64;
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(proto::Entry {
                r#type: i32::from(entry.kind),
                term: entry.term,
                index,
                data: entry.data.clone().into(),
                context: entry.context.clone().into(),
            });
        }
        Ok(entries)
    }

    fn term(&self, index: u64) -> StorageResult<u64> {
        self.cache.term(index).ok_or(StorageError::Unavailable)
    }

    fn first_index(&self) -> StorageResult<u64> {
        Ok(self.cache.first())
    }

    fn last_index(&self) -> StorageResult<u64> {
        Ok(self.cache.last())
    }

    fn snapshot(&self, index: u64, _to: u64) -> StorageResult<proto::Snapshot> {
        let Machine { applied, term, .. } = self.cache.machine;
        if applied < index || applied == 0 {
            return Err(StorageError::Later);
        }
        let metadata = proto::SnapshotMetadata { conf_state: Some(to_proto(&self.cache.conf)), index: applied, term };
        Ok(proto::Snapshot { data: self.cache.machine.to_bytes().into(), metadata: Some(metadata) })
    }

    fn send_data(&self, _: &proto::Snapshot, _: u64) -> StorageResult<()> {
        Err(StorageError::Failed("snapshots are small here".into()))
    }
}

fn to_proto(conf: &Conf) -> proto::ConfState {
    proto::ConfState {
        voters: conf.voters.clone(),
        learners: conf.learners.clone(),
        voters_outgoing: conf.outgoing.clone(),
        learners_next: conf.learners_next.clone(),
        auto_leave: conf.auto_leave,
    }
}

fn from_ref(conf: &raftcore::wire::ConfStateRef<'_>) -> Conf {
    Conf {
        voters: conf.voters.to_vec(),
        learners: conf.learners.to_vec(),
        outgoing: conf.voters_outgoing.to_vec(),
        learners_next: conf.learners_next.to_vec(),
        auto_leave: conf.auto_leave,
    }
    .sorted()
}

fn from_bytes(bytes: &[u8]) -> Conf {
    let view = raftcore::wire::parse_conf_state(bytes).expect("a membership of the node's own");
    let list = |ids: &mut dyn Iterator<Item = u64>| ids.collect::<Vec<u64>>();
    Conf {
        voters: list(&mut view.voters()),
        learners: list(&mut view.learners()),
        outgoing: list(&mut view.voters_outgoing()),
        learners_next: list(&mut view.learners_next()),
        auto_leave: view.auto_leave(),
    }
    .sorted()
}

/// A raftcore member.
pub struct Ours {
    node: StorageNode<Store>,
    async_writes: bool,
    /// The newest ready, and the newest that is acknowledged as durable.
    newest: u64,
    durable: u64,
    /// Messages that wait for a ready to be durable.
    held: Vec<(u64, u64, Vec<u8>)>,
}

impl Ours {
    /// Boots a node from a disk.
    ///
    /// # Errors
    /// The text of a refused boot.
    pub fn start(setup: &Setup, disk: Disk) -> Result<Self, String> {
        let applied = disk.machine.applied;
        let node = StorageNode::new(&config(setup), Store::new(disk), applied).map_err(|error| error.to_string())?;
        Ok(Self { node, async_writes: setup.async_writes, newest: 0, durable: 0, held: Vec::new() })
    }

    /// Returns the node, for calls that the world does not know.
    pub fn node(&mut self) -> &mut raftcore::Node {
        self.node.node()
    }

    fn apply(&mut self, number: u64, entry: Record, out: &mut Out) {
        let (node, store) = self.node.parts();
        let mut conf = None;
        if entry.kind != 0 {
            let applied = node.apply_conf(view(&entry));
            conf = Some(match applied {
                Ok(applied) => from_ref(&applied.conf),
                Err(error) => panic!("apply_conf at {}: {error}: {}", entry.index, node.error_detail()),
            });
        }
        let mut machine = store.cache.machine;
        machine.apply(&entry);
        store.write(number, Write::Applied(machine, conf.clone()));
        out.applied.push(Applied { entry, machine, conf });
    }

    /// Takes a ready: writes, and collects messages and committed entries.
    fn take(&mut self, out: &mut Out) -> Option<(u64, Vec<Record>)> {
        self.node.serve().unwrap_or_else(|error| panic!("serve: {error}"));
        let (node, store) = self.node.parts();
        let taken = node.ready();
        let ready = match taken {
            Ok(ready) => ready?,
            Err(Error::Full) => return None,
            Err(error) => panic!("ready: {error}"),
        };
        let number = ready.number();
        if let Some(snapshot) = ready.snapshot() {
            let machine = Machine::from_bytes(snapshot.data).expect("snapshot data of a member");
            assert_eq!(
                (machine.term, machine.applied),
                (snapshot.term, snapshot.index),
                "a snapshot's data and metadata"
            );
            let conf = from_bytes(snapshot.conf);
            store.write(number, Write::Snapshot(machine, conf.clone()));
            out.installed.push((machine, conf));
        }
        for entry in ready.entries() {
            store.write(number, Write::Entry(record(&entry)));
        }
        if let Some(HardState { term, vote, commit }) = ready.hard_state() {
            store.write(number, Write::Hard(Hard { term, vote, commit }));
        }
        for message in ready.messages() {
            let mut bytes = Vec::new();
            message.write_to(&mut bytes);
            match message.after() {
                true => self.held.push((number, message.to(), bytes)),
                false => out.messages.push((message.to(), bytes)),
            }
        }
        out.reads.extend(ready.reads().iter().map(|read| (read.token, read.index)));
        let failed = ready.dropped().iter().filter(|dropped| dropped.what == DropKind::Read);
        out.failed.extend(failed.map(|dropped| dropped.token));
        let committed = ready.committed().map(|entry| record(&entry)).collect();
        self.newest = number;
        Some((number, committed))
    }

    /// Makes all writes durable, and lets the messages go that wait for them.
    fn flush(&mut self, out: &mut Out) {
        let newest = self.newest;
        self.node.storage().flush(newest);
        out.messages.extend(self.held.drain(..).map(|(_, to, bytes)| (to, bytes)));
        if self.async_writes && newest > self.durable {
            self.node.node().persisted(newest).unwrap_or_else(|error| panic!("persisted: {error}"));
        }
        self.durable = newest;
    }

    fn done(&mut self, outcome: raftcore::Result<()>, call: &str) -> bool {
        match outcome {
            Ok(()) => true,
            Err(Error::Poisoned | Error::State | Error::Decode) => {
                panic!("{call}: {}", self.node.node().error_detail())
            }
            Err(_) => false,
        }
    }
}

impl Member for Ours {
    fn kind(&self) -> Kind {
        Kind::Raftcore
    }

    fn tick(&mut self) {
        let outcome = self.node.node().tick(1);
        self.done(outcome, "tick");
    }

    fn step(&mut self, from: u64, bytes: &[u8]) -> Stepped {
        // What a member passes on, of a sender that this member does not know yet, or no longer.
        let passed_on = bytes.get(1).is_some_and(|kind| PASSED_ON.contains(kind));
        let stranger = passed_on && !self.node.storage().cache.conf.has(from);
        let node = self.node.node();
        match node.step(from, bytes) {
            Err(Error::NotForMe) if stranger => Stepped::Dropped,
            Ok(()) => Stepped::Taken,
            Err(Error::NoPeer | Error::NoLeader | Error::NotLeader | Error::Full | Error::ConfBusy | Error::Conf) => {
                Stepped::Dropped
            }
            Err(error) => Stepped::Refused(format!("{error}: {}", node.error_detail())),
        }
    }

    fn propose(&mut self, context: &[u8], data: &[u8]) -> bool {
        let outcome = match context {
            [] => self.node.node().propose(data, 0),
            context => self.node.node().propose_with_context(EntryKind::Normal, context, data, 0),
        };
        self.done(outcome, "propose")
    }

    fn change(&mut self, change: &Change) -> bool {
        let steps: Vec<raftcore::Change> = change.steps.iter().map(|step| to_change(*step)).collect();
        let encoding = match change.shape {
            Shape::V1 => ChangeEncoding::V1,
            Shape::Auto => ChangeEncoding::V2(Transition::Auto),
            Shape::Implicit => ChangeEncoding::V2(Transition::JointImplicit),
            Shape::Explicit => ChangeEncoding::V2(Transition::JointExplicit),
        };
        let outcome = self.node.node().propose_conf(&steps, encoding, &change.context, 0);
        self.done(outcome, "propose_conf")
    }

    fn read(&mut self, token: u64, _context_len: usize) -> bool {
        let outcome = self.node.node().read_index(token);
        self.done(outcome, "read_index")
    }

    fn transfer(&mut self, to: u64) {
        let outcome = self.node.node().transfer(to);
        self.done(outcome, "transfer");
    }

    fn campaign(&mut self) {
        let outcome = self.node.node().campaign();
        self.done(outcome, "campaign");
    }

    fn request_snapshot(&mut self) -> bool {
        self.node.node().request_snapshot().is_ok()
    }

    fn set_priority(&mut self, priority: i64) {
        let outcome = self.node.node().set_priority(priority as i32);
        self.done(outcome, "set_priority");
    }

    fn set_groups(&mut self, groups: &[(u64, u64)]) {
        let peers: Vec<u64> = self.node().peers().map(|peer| peer.id).collect();
        for id in peers {
            let group = groups.iter().find(|(of, _)| *of == id).map_or(0, |(_, group)| *group);
            let outcome = self.node().set_commit_group(id, group);
            self.done(outcome, "set_commit_group");
        }
    }

    fn set_window(&mut self, peer: u64, messages: u64) {
        let outcome = self.node().set_window(peer, messages as u32, u64::MAX);
        self.done(outcome, "set_window");
    }

    fn set_check_quorum(&mut self, on: bool) {
        let flag = Flags::CHECK_QUORUM;
        let outcome = self.node().set_flags(flag, if on { flag } else { Flags(0) });
        self.done(outcome, "set_flags");
    }

    fn trim(&mut self) -> bool {
        let before = self.node().status().memory_bytes;
        let outcome = self.node().trim();
        self.done(outcome, "trim");
        self.node().status().memory_bytes < before
    }

    fn set_busy(&mut self, busy: bool) {
        self.node.storage().busy = busy;
    }

    fn report_unreachable(&mut self, peer: u64) {
        let outcome = self.node.node().report_unreachable(peer);
        self.done(outcome, "report_unreachable");
    }

    fn report_snapshot(&mut self, peer: u64, arrived: bool) {
        let report = if arrived { SnapshotReport::Arrived } else { SnapshotReport::Failed };
        let outcome = self.node.node().report_snapshot(peer, report);
        self.done(outcome, "report_snapshot");
    }

    fn compact(&mut self, index: u64) {
        let newest = self.newest;
        let (node, store) = self.node.parts();
        if index < store.cache.first() || index > store.cache.machine.applied {
            return;
        }
        store.write(newest, Write::Compact(index));
        match node.compacted(index) {
            Ok(()) | Err(Error::Stale) => {}
            Err(error) => panic!("compacted: {error}: {}", node.error_detail()),
        }
    }

    fn work(&mut self, flush: bool, out: &mut Out) {
        loop {
            while let Some((number, committed)) = self.take(out) {
                let last = committed.last().map(|entry| entry.index);
                if !self.async_writes {
                    self.flush(out);
                }
                for entry in committed {
                    self.apply(number, entry, out);
                }
                let node = self.node.node();
                if !self.async_writes {
                    node.advance(number).unwrap_or_else(|error| panic!("advance: {error}: {}", node.error_detail()));
                    self.node.storage().flush(number);
                    continue;
                }
                if let Some(last) = last {
                    node.applied(last).unwrap_or_else(|error| panic!("applied: {error}: {}", node.error_detail()));
                }
                node.release(number).unwrap_or_else(|error| panic!("release: {error}: {}", node.error_detail()));
            }
            if !flush || self.durable == self.newest {
                break;
            }
            self.flush(out);
        }
        while self.node.node().next_event().is_some() {}
    }

    fn look(&mut self) -> Look {
        let status = self.node.node().status();
        Look {
            role: status.role as u8,
            term: status.term,
            vote: status.vote,
            commit: status.commit,
            applied: status.applied,
            last: status.last_index,
            last_term: status.last_term,
            leader: status.leader,
        }
    }

    fn peers(&mut self) -> Vec<(u64, u64, u64, u8)> {
        let id = self.node().status().id;
        let others = self.node.node().peers().filter(|peer| peer.id != id);
        others.map(|peer| (peer.id, peer.match_index, peer.next_index, peer.flow as u8)).collect()
    }

    fn peer_commit(&mut self, peer: u64) -> u64 {
        self.node().peers().find(|found| found.id == peer).map_or(0, |found| found.commit)
    }

    fn waiting_reads(&mut self) -> u64 {
        u64::from(self.node().status().n_reads)
    }

    fn drawn_timeout(&mut self) -> u64 {
        u64::from(self.node().status().election_timeout)
    }

    fn transferee(&mut self) -> u64 {
        self.node().status().transferee
    }

    fn disk(&mut self) -> &Disk {
        &self.node.storage().cache
    }

    fn durable(&mut self) -> &Disk {
        self.node.storage().durable()
    }

    fn panic(&self) -> Option<&str> {
        None
    }

    fn set_timeout(&mut self, ticks: u64) {
        let outcome = self.node.node().set_election_timeout(ticks as u32);
        self.done(outcome, "set_election_timeout");
    }

    fn crash(mut self: Box<Self>, draw: &mut Draw) -> Disk {
        std::mem::take(self.node.storage()).crash(draw)
    }
}

fn config(setup: &Setup) -> Config {
    let mut config = Config {
        seed: setup.seed.max(1),
        election_ticks: setup.election_ticks as u32,
        heartbeat_ticks: setup.heartbeat_ticks as u32,
        max_size_per_msg: setup.max_size_per_msg,
        max_inflight_msgs: setup.max_inflight_msgs as u32,
        priority: setup.priority as i32,
        dialect: match setup.tongue {
            Tongue::Raftpb => Dialect::Raftpb,
            Tongue::Eraftpb => Dialect::Eraftpb,
        },
        storage: if setup.async_writes { StorageMode::Async } else { StorageMode::Sync },
        ..Config::new(setup.id)
    };
    if setup.max_uncommitted > 0 {
        config.max_uncommitted_size = setup.max_uncommitted;
    }
    if setup.etcd_choices {
        config.preset_etcd();
        config.read_timeout_ticks = 1 << 20;
        config.flags = config.flags.with(Flags::CONF_APART, false);
    }
    let flags = [
        (Flags::PRE_VOTE, setup.pre_vote),
        (Flags::CHECK_QUORUM, setup.check_quorum),
        (Flags::LEASE_READS, setup.lease_reads),
        (Flags::BATCH_APPEND, setup.batch_append),
        (Flags::NO_COMMIT_BROADCAST, setup.skip_bcast_commit),
        (Flags(setup.flags_on), true),
        (Flags(setup.flags_off), false),
    ];
    for (flag, on) in flags {
        config.flags = config.flags.with(flag, on);
    }
    config
}

fn to_change(step: Step) -> raftcore::Change {
    let (kind, id) = match step {
        Step::Voter(id) => (ChangeKind::AddNode, id),
        Step::Remove(id) => (ChangeKind::RemoveNode, id),
        Step::Learner(id) => (ChangeKind::AddLearner, id),
    };
    raftcore::Change { kind, id }
}

fn view(entry: &Record) -> EntryRef<'_> {
    let kind = EntryKind::from_wire(u64::from(entry.kind)).expect("a kind of entry");
    let Record { term, index, ref data, ref context, .. } = *entry;
    EntryRef { term, index, kind, data, context, token: 0 }
}

fn record(entry: &EntryRef<'_>) -> Record {
    let kind = entry.kind as u8;
    Record { term: entry.term, index: entry.index, kind, data: entry.data.to_vec(), context: entry.context.to_vec() }
}
