//! A small cluster with virtual ticks, a network that can be cut, and disks in memory.

use raftcore::{
    ChangeEncoding, Config, EntryId, EntryKind, EntryRef, Error, Event, FetchKind, Flags, HardState, MessageKind,
    Missing, Node, Role, StorageMode, proto,
};
use std::collections::{BTreeMap, VecDeque};

/// An entry on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub term: u64,
    pub kind: EntryKind,
    pub data: Vec<u8>,
    /// Empty but in eraftpb.
    pub context: Vec<u8>,
}

/// The data that a host keeps.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub state: HardState,
    pub before: EntryId,
    pub conf: Vec<u8>,
    pub log: BTreeMap<u64, Stored>,
    pub applied: u64,
    /// The state machine: every applied entry's data, in order.
    pub data: Vec<Vec<u8>>,
}

impl Disk {
    /// The disk of a group's founder.
    pub fn founder(voters: &[u64]) -> Self {
        let conf = raftcore::wire::ConfStateRef { voters, ..Default::default() };
        let mut bytes = vec![0; raftcore::wire::conf_state_len(&conf)];
        raftcore::wire::write_conf_state(&mut bytes, &conf);
        Self {
            state: HardState { term: 0, vote: 0, commit: 1 },
            before: EntryId { term: 1, index: 1 },
            conf: bytes,
            applied: 1,
            ..Self::default()
        }
    }

    pub fn entries(&self, from: u64, to: u64) -> Vec<EntryRef<'_>> {
        let range = self.log.range(from..=to);
        range
            .map(|(&index, e)| {
                let Stored { term, kind, data, context } = e;
                EntryRef { term: *term, index, kind: *kind, data, context, token: 0 }
            })
            .collect()
    }

    pub fn boot(&self, config: &Config) -> Node {
        let mut node = Node::new(config).unwrap();
        if self.before.index > 0 || !self.conf.is_empty() {
            node.boot_state(self.state).unwrap();
            node.boot_conf_bytes(&self.conf, self.before).unwrap();
            let entries = self.entries(0, u64::MAX);
            node.boot_entries(entries.into_iter()).unwrap();
        } else if self.state != HardState::default() {
            node.boot_state(self.state).unwrap();
        }
        node.boot_done(self.applied).unwrap();
        node
    }
}

/// The results that a host received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub committed: Vec<(u64, u64)>,
    pub reads: Vec<(u64, u64)>,
    pub dropped: Vec<(u64, raftcore::DropKind, raftcore::Reason)>,
    pub applied: Vec<(u64, Vec<u8>)>,
}

pub struct Host {
    pub id: u64,
    pub node: Node,
    pub disk: Disk,
    pub heard: Heard,
    pub fetched: Vec<FetchKind>,
    /// The reaction to a committed change that can't be applied.
    pub bad_change: BadChange,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadChange {
    /// The test fails.
    #[default]
    Fails,
    /// The operators tell every host to skip it.
    Skips,
}

#[derive(Clone, Debug)]
pub struct Sent {
    pub from: u64,
    pub to: u64,
    pub bytes: Vec<u8>,
}

/// The number of messages per cluster that take both paths, the fast path and the general path,
/// with equal results.
const TWINS: usize = 400;

pub struct Cluster {
    pub hosts: BTreeMap<u64, Host>,
    pub network: VecDeque<Sent>,
    pub cut: Vec<(u64, u64)>,
    /// How many messages have come so far.
    delivered: usize,
    config: Box<dyn Fn(u64) -> Config>,
}

impl Cluster {
    pub fn new(ids: &[u64], config: impl Fn(u64) -> Config + 'static) -> Self {
        let mut cluster = Self {
            hosts: BTreeMap::new(),
            network: VecDeque::new(),
            cut: Vec::new(),
            delivered: 0,
            config: Box::new(config),
        };
        for &id in ids {
            cluster.add(id, Disk::founder(ids));
        }
        cluster
    }

    pub fn plain(ids: &[u64]) -> Self {
        Self::new(ids, config)
    }

    pub fn add(&mut self, id: u64, disk: Disk) {
        let node = disk.boot(&(self.config)(id));
        self.hosts.insert(
            id,
            Host { id, node, disk, heard: Heard::default(), fetched: Vec::new(), bad_change: BadChange::Fails },
        );
    }

    /// The process dies; data that are not stored are gone.
    pub fn restart(&mut self, id: u64) {
        let host = self.hosts.remove(&id).unwrap();
        self.add(id, host.disk);
    }

    pub fn node(&mut self, id: u64) -> &mut Node {
        &mut self.hosts.get_mut(&id).unwrap().node
    }

    pub fn heard(&self, id: u64) -> &Heard {
        &self.hosts[&id].heard
    }

    pub fn isolate(&mut self, id: u64) {
        for &other in self.hosts.keys() {
            self.cut.push((id, other));
            self.cut.push((other, id));
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Runs every host until nothing is left to do.
    pub fn settle(&mut self) {
        let mut delivered = 0;
        for _ in 0..10_000 {
            let ids: Vec<u64> = self.hosts.keys().copied().collect();
            let mut busy = false;
            for id in ids {
                let sent = self.hosts.get_mut(&id).unwrap().work();
                busy |= !sent.is_empty();
                self.network.extend(sent);
            }
            while let Some(message) = self.network.pop_front() {
                busy = true;
                delivered += 1;
                assert!(delivered < 100_000, "the cluster does not come to rest");
                self.deliver(&message);
            }
            if !busy {
                return;
            }
        }
        panic!("the cluster does not come to rest");
    }

    pub fn deliver(&mut self, message: &Sent) {
        if self.cut.contains(&(message.from, message.to)) {
            return;
        }
        if let Some(host) = self.hosts.get_mut(&message.to) {
            self.delivered += 1;
            let twin = if self.delivered <= TWINS { Some(host.node.try_clone().unwrap()) } else { None };
            let outcome = host.node.step(message.from, &message.bytes);
            if let Some(mut twin) = twin {
                assert_eq!(twin.step(message.from, &said_otherwise(&message.bytes)), outcome, "{message:?}");
                assert!(host.node == twin, "{message:?}");
            }
            match outcome {
                Ok(()) | Err(Error::NoPeer | Error::NoLeader | Error::Full) => {}
                Err(error) => panic!("{} refused {message:?}: {error}: {}", message.to, host.node.error_detail()),
            }
        }
    }

    pub fn tick(&mut self, ticks: u32) {
        for _ in 0..ticks {
            for host in self.hosts.values_mut() {
                host.node.tick(1).unwrap();
            }
            self.settle();
        }
    }

    pub fn elect(&mut self, id: u64) {
        self.node(id).campaign().unwrap();
        self.settle();
        assert_eq!(self.node(id).status().role, Role::Leader, "node {id} was not elected");
    }

    /// Elects `id` though another node leads: the followers are told to forget the leader.
    pub fn elect_beside(&mut self, old: u64, id: u64) {
        let others: Vec<u64> = self.hosts.keys().copied().filter(|&other| other != old).collect();
        for other in others {
            self.node(other).forget_leader().unwrap();
        }
        self.elect(id);
    }

    pub fn leader(&self) -> Option<u64> {
        let leaders = self.hosts.values().filter(|host| host.node.status().role == Role::Leader);
        leaders.max_by_key(|host| host.node.status().term).map(|host| host.id)
    }

    pub fn change(&mut self, id: u64, changes: &[(raftcore::ChangeKind, u64)]) -> Result<(), Error> {
        let changes: Vec<_> = changes.iter().map(|&(kind, id)| raftcore::Change { kind, id }).collect();
        let encoding = ChangeEncoding::V2(raftcore::Transition::Auto);
        self.node(id).propose_conf(&changes, encoding, b"", 0)?;
        self.settle();
        Ok(())
    }

    pub fn compact(&mut self, id: u64, index: u64) {
        let host = self.hosts.get_mut(&id).unwrap();
        let term = if index == host.disk.before.index { host.disk.before.term } else { host.disk.log[&index].term };
        host.node.compacted(index).unwrap();
        host.disk.log = host.disk.log.split_off(&(index + 1));
        host.disk.before = EntryId { term, index };
    }
}

/// The number of readies in a row that shows a bug: a test fails then, and does not hang.
pub const MOST_TURNS: usize = 2_000;

impl Host {
    /// A turn of the loop: fetches, then every ready, as in `docs/durability.md`.
    pub fn work(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < MOST_TURNS, "node {} comes to no end", self.id);
            self.supply();
            let Some(number) = self.take(&mut sent) else { break };
            match self.node.config().storage {
                StorageMode::Sync => self.node.advance(number).unwrap(),
                StorageMode::Async => {
                    self.node.persisted(number).unwrap();
                    let applied = self.disk.applied;
                    match self.node.applied(applied) {
                        Ok(()) | Err(Error::Stale) => {}
                        Err(error) => panic!("applied({applied}): {error}: {}", self.node.error_detail()),
                    }
                    self.node.release(number).unwrap();
                }
                StorageMode::Messages => {
                    let local: Vec<Sent>;
                    (local, sent) = sent.into_iter().partition(|m| m.to == self.id);
                    for message in local {
                        match self.node.step_local(&message.bytes) {
                            Ok(()) | Err(Error::Stale) => {}
                            Err(error) => panic!("step_local: {error}: {}", self.node.error_detail()),
                        }
                    }
                    self.node.release(number).unwrap();
                }
            }
        }
        sent
    }

    fn supply(&mut self) {
        while let Some(fetch) = self.node.next_fetch().unwrap() {
            self.fetched.push(fetch.kind);
            let disk = &self.disk;
            match fetch.kind {
                FetchKind::Entries if disk.log.contains_key(&fetch.first) => {
                    let entries = disk.entries(fetch.first, fetch.last);
                    self.node.supply_entries(fetch.id, entries.into_iter()).unwrap();
                }
                FetchKind::Apply => {
                    let entries = disk.entries(fetch.first, fetch.last);
                    self.node.supply_entries(fetch.id, entries.into_iter()).unwrap();
                }
                FetchKind::Entries => _ = self.node.supply_none(fetch.id, Missing::Gone).unwrap(),
                FetchKind::Snapshot => {
                    let data = disk.data.join(&b'|');
                    let outcome = self.node.supply_snapshot_bytes(fetch.id, disk.applied, &disk.conf, &data);
                    if outcome.is_err() {
                        self.node.supply_none(fetch.id, Missing::Later).unwrap();
                    }
                }
            }
        }
    }

    /// Takes, stores and applies a ready; returns its number.
    fn take(&mut self, sent: &mut Vec<Sent>) -> Option<u64> {
        let ready = self.node.ready().unwrap()?;
        let number = ready.number();
        let disk = &mut self.disk;
        if let Some(snapshot) = ready.snapshot() {
            disk.log.clear();
            disk.before = EntryId { term: snapshot.term, index: snapshot.index };
            disk.conf = snapshot.conf.to_vec();
            disk.applied = snapshot.index;
            disk.data = snapshot.data.split(|&b| b == b'|').map(<[u8]>::to_vec).collect();
        }
        if let Some(first) = ready.entries().next() {
            disk.log.split_off(&first.index);
        }
        for e in ready.entries() {
            let (data, context) = (e.data.to_vec(), e.context.to_vec());
            disk.log.insert(e.index, Stored { term: e.term, kind: e.kind, data, context });
        }
        if let Some(state) = ready.hard_state() {
            disk.state = state;
        }
        for message in ready.messages() {
            let mut bytes = Vec::new();
            message.write_to(&mut bytes);
            assert_eq!(bytes.len() + 12, message.frame_len());
            if message.to() < u64::MAX - 16 {
                sent.push(Sent { from: self.id, to: message.to(), bytes });
                continue;
            }
            let view = raftcore::wire::parse_message(&bytes).unwrap();
            for response in view.responses.iter() {
                let to = raftcore::wire::parse_message(response).unwrap().head.to;
                sent.push(Sent { from: self.id, to, bytes: response.to_vec() });
            }
        }
        self.heard.reads.extend(ready.reads().iter().map(|read| (read.token, read.index)));
        self.heard.dropped.extend(ready.dropped().iter().map(|d| (d.token, d.what, d.reason)));
        self.heard.committed.extend(ready.done().iter().map(|done| (done.token, done.index)));
        let mut committed: Vec<(u64, u64, EntryKind, Vec<u8>, u64)> =
            ready.committed().map(|e| (e.index, e.term, e.kind, e.data.to_vec(), e.token)).collect();
        if let (Some((first, last)), true) = (ready.committed_span(), committed.is_empty()) {
            committed =
                disk.entries(first, last).iter().map(|e| (e.index, e.term, e.kind, e.data.to_vec(), 0)).collect();
        }
        let bare = ready.committed_span().filter(|_| ready.committed().len() == 0).map_or(0, |(_, last)| last);
        for (index, term, kind, data, token) in committed {
            if kind.is_change() {
                let entry = EntryRef { term, index, kind, data: &data, ..EntryRef::default() };
                match self.node.apply_conf(entry) {
                    Ok(applied) => disk.conf = applied.bytes.to_vec(),
                    Err(_) if self.bad_change == BadChange::Skips => {
                        disk.conf = self.node.skip_conf(index).unwrap().bytes.to_vec();
                    }
                    Err(error) => panic!("the change at {index}: {error}: {}", self.node.error_detail()),
                }
            } else if !data.is_empty() {
                disk.data.push(data.clone());
            }
            assert_eq!(index, disk.applied + 1, "entries are applied in order, each once");
            disk.applied = index;
            self.heard.applied.push((index, data));
            if token != 0 {
                self.heard.committed.push((token, index));
            }
        }
        if bare > 0 && self.node.config().storage == StorageMode::Sync {
            self.node.applied(bare).unwrap();
        }
        Some(number)
    }
}

pub fn config(id: u64) -> Config {
    let mut config = Config::new(id);
    config.seed = id.wrapping_mul(7919).max(1);
    config.recent_bytes = 1 << 20;
    config.block_bytes = 4 << 10;
    config
}

/// The configuration of a node that forwards proposals.
pub fn forwarding(id: u64) -> Config {
    let config = config(id);
    Config { flags: config.flags.with(Flags::FORWARDING, true), ..config }
}

/// The configuration of a host that reads committed entries from its own log.
pub fn with_spans(config: Config) -> Config {
    Config { flags: config.flags.with(Flags::COMMITTED_SPANS, true), ..config }
}

/// A message of the schema, to be filled in and encoded.
pub fn message(kind: MessageKind, from: u64, to: u64, term: u64) -> proto::Message {
    proto::Message { r#type: kind as i32, from, to, term, ..Default::default() }
}

/// A normal entry of the schema.
pub fn entry(term: u64, index: u64, data: &[u8]) -> proto::Entry {
    proto::Entry { term, index, data: data.to_vec().into(), ..Default::default() }
}

/// A snapshot of the schema.
pub fn snapshot(index: u64, term: u64, voters: &[u64], data: &[u8]) -> proto::Snapshot {
    let conf_state = proto::ConfState { voters: voters.to_vec(), ..Default::default() };
    let metadata = proto::SnapshotMetadata { conf_state: Some(conf_state), index, term };
    proto::Snapshot { data: data.to_vec().into(), metadata: Some(metadata) }
}

/// An append of `entries` after (index, log_term).
pub fn append(
    from: u64,
    to: u64,
    term: u64,
    after: (u64, u64),
    entries: Vec<proto::Entry>,
    commit: u64,
) -> proto::Message {
    let (index, log_term) = after;
    proto::Message { index, log_term, entries, commit, ..message(MessageKind::App, from, to, term) }
}

/// A message with equal meaning and an unusual encoding: with a field that no schema knows.
pub fn said_otherwise(bytes: &[u8]) -> Vec<u8> {
    [bytes, &[0x88, 1, 0]].concat()
}

/// Steps a message as from its sender.
pub fn step(node: &mut Node, m: &proto::Message) -> Result<(), Error> {
    use prost::Message as _;
    node.step(m.from, &m.encode_to_vec())
}

/// Drains the events.
pub fn events(node: &mut Node) -> Vec<Event> {
    std::iter::from_fn(|| node.next_event()).collect()
}

/// A founder of a group of these voters.
pub fn founded(config: &Config, voters: &[u64]) -> Node {
    Disk::founder(voters).boot(config)
}

/// The usual configuration of node `id`, in a storage mode.
pub fn in_mode(id: u64, storage: StorageMode) -> Config {
    Config { storage, ..config(id) }
}
