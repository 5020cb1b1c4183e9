//! A node with its `Storage`: the boot from a storage, and fetches answered by the storage.

use kit::{MOST_TURNS, config, entry};
use raftcore::storage::{BootError, MemoryStorage, Storage, StorageError, StorageNode, StorageResult};
use raftcore::{Config, EntryRef, Error, HardState, Node, Role, proto};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A storage in memory that fails where a test wants a failure.
#[derive(Clone, Debug, Default)]
struct Medium {
    memory: MemoryStorage,
    /// The error of `entries`, if any.
    fails: Option<StorageError>,
    /// Entries below this index count as compacted.
    compacted: u64,
    /// Each answer has an entry of an unknown kind.
    spoilt: bool,
    /// Whether the storage can send data over its own channel; the peers that got data, with the
    /// sizes.
    has_channel: bool,
    sent: RefCell<Vec<(u64, usize)>>,
}

impl Storage for Medium {
    fn initial_state(&self) -> StorageResult<(HardState, proto::ConfState)> {
        self.memory.initial_state()
    }

    fn entries(&self, low: u64, high: u64, max_bytes: u64) -> StorageResult<Vec<proto::Entry>> {
        match &self.fails {
            Some(error) => Err(error.clone()),
            None if low < self.compacted => Err(StorageError::Compacted),
            None if self.spoilt => Ok(vec![proto::Entry { r#type: 7, ..entry(1, low, b"?") }]),
            None => self.memory.entries(low, high, max_bytes),
        }
    }

    fn term(&self, index: u64) -> StorageResult<u64> {
        self.memory.term(index)
    }

    fn first_index(&self) -> StorageResult<u64> {
        self.memory.first_index()
    }

    fn last_index(&self) -> StorageResult<u64> {
        self.memory.last_index()
    }

    fn snapshot(&self, index: u64, to: u64) -> StorageResult<proto::Snapshot> {
        self.memory.snapshot(index, to)
    }

    fn send_data(&self, snapshot: &proto::Snapshot, to: u64) -> StorageResult<()> {
        if !self.has_channel {
            return self.memory.send_data(snapshot, to);
        }
        self.sent.borrow_mut().push((to, snapshot.data.len()));
        Ok(())
    }
}

struct Group {
    hosts: BTreeMap<u64, StorageNode<Medium>>,
    applied: BTreeMap<u64, u64>,
    /// The node that nobody hears.
    away: Option<u64>,
}

impl Group {
    fn new(config: impl Fn(u64) -> Config) -> Self {
        let medium = Medium { memory: MemoryStorage::founder(&[1, 2, 3]), ..Medium::default() };
        let hosts = (1..=3).map(|id| (id, StorageNode::new(&config(id), medium.clone(), 1).unwrap()));
        Self { hosts: hosts.collect(), applied: (1..=3).map(|id| (id, 1)).collect(), away: None }
    }

    fn host(&mut self, id: u64) -> &mut StorageNode<Medium> {
        self.hosts.get_mut(&id).unwrap()
    }

    fn node(&mut self, id: u64) -> &mut Node {
        self.host(id).node()
    }

    fn medium(&mut self, id: u64) -> &mut Medium {
        self.host(id).storage()
    }

    /// Every batch of every host, until there are no more.
    fn settle(&mut self) {
        for _ in 0..MOST_TURNS {
            let mut sent = Vec::new();
            let mut busy = false;
            for (&id, host) in &mut self.hosts {
                if host.ready().unwrap().is_none() {
                    continue;
                }
                busy = true;
                // The same ready again, next to the storage.
                let (node, medium) = host.parts();
                let ready = node.ready().unwrap().unwrap();
                medium.memory.store(&ready);
                for message in ready.messages() {
                    let mut bytes = Vec::new();
                    message.write_to(&mut bytes);
                    sent.push((id, message.to(), bytes));
                }
                let snapshot = ready.snapshot().map(|snapshot| snapshot.index);
                if let Some(index) = ready.committed_span().map(|(_, last)| last).or(snapshot) {
                    self.applied.insert(id, index);
                }
                let number = ready.number();
                node.advance(number).unwrap();
            }
            for (from, to, bytes) in sent {
                if self.away != Some(from) && self.away != Some(to) {
                    self.node(to).step(from, &bytes).unwrap();
                }
            }
            if !busy {
                return;
            }
        }
        panic!("they come to no end");
    }

    fn tick(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.hosts.values_mut().for_each(|host| host.node().tick(1).unwrap());
            self.settle();
        }
    }

    fn propose(&mut self, count: usize, len: usize) {
        for _ in 0..count {
            self.node(1).propose(&vec![b'x'; len], 0).unwrap();
            self.settle();
        }
    }
}

/// Node 1 leads and has dropped entries that node 3, which was away, lacks: only the storage has
/// them.
fn behind() -> Group {
    let mut group = Group::new(|id| Config { recent_bytes: 16 << 10, ..config(id) });
    group.node(1).campaign().unwrap();
    group.settle();
    assert_eq!(group.node(1).status().role, Role::Leader);
    group.away = Some(3);
    group.propose(100, 500);
    assert!(group.node(1).status().recent_first > 50);
    group.away = None;
    group
}

fn last(group: &mut Group, id: u64) -> u64 {
    group.node(id).status().last_index
}

#[test]
fn what_the_node_does_not_keep_comes_from_the_storage() {
    let mut group = behind();
    group.tick(20);
    assert_eq!(last(&mut group, 3), 102);
    assert_eq!(group.applied[&3], 102);
    let (second, third) = (group.medium(2).memory.clone(), group.medium(3).memory.clone());
    assert_eq!(third, second, "state, log and configuration");
}

#[test]
fn a_storage_that_has_compacted_gives_its_snapshot() {
    let mut group = behind();
    let medium = group.medium(1);
    medium.compacted = 60;
    let conf = proto::ConfState { voters: vec![1, 2, 3], ..Default::default() };
    medium.memory.set_snapshot(70, 1, conf.clone(), b"seventy".to_vec());
    group.tick(20);
    assert_eq!(last(&mut group, 3), 102);
    assert_eq!(group.node(3).status().first_index, 71);
    let snapshot = group.medium(3).memory.snapshot(70, 1).unwrap();
    assert_eq!(snapshot.data.as_ref(), b"seventy");
    assert_eq!(snapshot.metadata.unwrap().conf_state, Some(conf));
    assert_eq!(group.medium(3).memory.initial_state().unwrap().1.voters, [1, 2, 3]);
}

/// A snapshot above max_snapshot_bytes is an everyday case: its data go beside the core, and a peer never waits for ever.
#[test]
fn a_snapshot_larger_than_a_message_is_sent_beside_the_core() {
    let mut group = behind();
    let medium = group.medium(1);
    medium.compacted = 60;
    let conf = proto::ConfState { voters: vec![1, 2, 3], ..Default::default() };
    medium.memory.set_snapshot(70, 1, conf, vec![7; Config::new(1).max_snapshot_bytes as usize + 1]);
    group.tick(5);
    assert!(last(&mut group, 3) < 50, "no way to send it yet");

    group.medium(1).has_channel = true;
    group.tick(20);
    assert_eq!(last(&mut group, 3), 102);
    assert_eq!(group.node(3).status().first_index, 71);
    assert_eq!(*group.medium(1).sent.borrow(), [(3, Config::new(1).max_snapshot_bytes as usize + 1)]);
}

/// The storage can't answer for now, or answers nonsense.
#[test]
fn a_storage_that_has_no_answer_is_asked_again() {
    let ways: [fn(&mut Medium); 4] = [
        |medium| medium.fails = Some(StorageError::Later),
        |medium| medium.fails = Some(StorageError::Unavailable),
        |medium| medium.fails = Some(StorageError::Failed("a disk".into())),
        |medium| medium.spoilt = true,
    ];
    for way in ways {
        let mut group = behind();
        way(group.medium(1));
        group.tick(5);
        assert!(last(&mut group, 3) < 50);
        let medium = group.medium(1);
        (medium.fails, medium.spoilt) = (None, false);
        group.tick(5);
        assert_eq!(last(&mut group, 3), 102);
    }
}

#[test]
fn a_snapshot_that_is_too_old_is_not_sent() {
    let mut group = behind();
    let medium = group.medium(1);
    medium.compacted = 60;
    group.tick(5);
    assert!(last(&mut group, 3) < 50, "there is none");
    let conf = proto::ConfState { voters: vec![1, 2, 3], ..Default::default() };
    group.medium(1).memory.set_snapshot(90, 1, conf, Vec::new());
    group.tick(5);
    assert_eq!(last(&mut group, 3), 102);
}

#[test]
fn a_log_longer_than_a_page_is_read_to_its_end() {
    let mut storage = MemoryStorage::founder(&[1]);
    for index in 2..=30 {
        storage.append(&EntryRef { term: 1, index, data: &vec![7; 100 << 10], ..EntryRef::default() });
    }
    let config = Config { recent_bytes: 8 << 20, ..config(1) };
    for applied in [1, 29, 30] {
        let mut host = StorageNode::new(&config, storage.clone(), applied).unwrap();
        let status = host.node().status();
        assert_eq!((status.last_index, status.applied, status.recent_first), (30, applied, applied + 1));
    }
}

#[test]
fn why_a_node_does_not_boot_is_said() {
    let storage = MemoryStorage::founder(&[1]);
    let said =
        |config: &Config, applied: u64| StorageNode::new(config, storage.clone(), applied).map(|_| ()).unwrap_err();
    let beyond = said(&config(1), 2);
    assert!(matches!(beyond, BootError::Node(Error::Corrupt, _)));
    assert!(beyond.to_string().ends_with("applied is 2, the storage's last index is 1"), "{beyond}");
    let unnamed = said(&Config { id: 0, ..config(1) }, 1);
    assert!(unnamed.to_string().contains("id"), "{unnamed}");

    let mut medium = Medium { memory: storage.clone(), ..Medium::default() };
    medium.memory.append(&EntryRef { term: 1, index: 2, data: b"x", ..EntryRef::default() });
    let texts = [
        (StorageError::Compacted, "compacted"),
        (StorageError::Unavailable, "beyond the log"),
        (StorageError::Later, "ask again"),
        (StorageError::Failed("no such device".into()), "no such device"),
    ];
    for (error, text) in texts {
        medium.fails = Some(error.clone());
        let refused = StorageNode::new(&config(1), medium.clone(), 1).map(|_| ()).unwrap_err();
        assert_eq!(refused, BootError::Storage(error));
        assert!(refused.to_string().contains(text), "{refused}");
    }
    medium.fails = None;
    medium.spoilt = true;
    let spoilt = StorageNode::new(&config(1), medium, 1).map(|_| ()).unwrap_err();
    assert_eq!(spoilt, BootError::Storage(StorageError::Unavailable));
}

#[test]
fn a_storage_in_memory_keeps_what_a_log_is() {
    let mut storage = MemoryStorage::founder(&[1]);
    let append = |storage: &mut MemoryStorage, term: u64, index: u64, data: &[u8]| {
        storage.append(&EntryRef { term, index, data, ..EntryRef::default() });
    };
    for index in 2..=6 {
        append(&mut storage, 1, index, &[b'a'; 10]);
    }
    append(&mut storage, 2, 5, b"over");
    assert_eq!(
        (storage.first_index(), storage.last_index()),
        (Ok(2), Ok(5)),
        "an entry replaces what stands behind it"
    );
    assert_eq!((storage.term(1), storage.term(4), storage.term(5)), (Ok(1), Ok(1), Ok(2)));
    assert_eq!(storage.term(6), Err(StorageError::Unavailable));
    assert_eq!(storage.term(0), Err(StorageError::Compacted));

    let indexes = |low: u64, high: u64, max: u64| -> StorageResult<Vec<u64>> {
        Ok(storage.entries(low, high, max)?.iter().map(|entry| entry.index).collect())
    };
    assert_eq!(indexes(2, 6, u64::MAX), Ok(vec![2, 3, 4, 5]));
    assert_eq!(indexes(3, 5, u64::MAX), Ok(vec![3, 4]));
    assert_eq!(indexes(2, 6, 0), Ok(vec![2]), "one at least");
    assert_eq!(indexes(2, 6, 20), Ok(vec![2, 3]));
    assert_eq!(indexes(2, 6, 19), Ok(vec![2]));
    assert_eq!(indexes(3, 3, 9), Ok(vec![]));
    assert_eq!(indexes(2, 7, 9), Err(StorageError::Unavailable));
    assert_eq!(indexes(4, 3, 9), Err(StorageError::Unavailable));
    assert_eq!(indexes(1, 3, 9), Err(StorageError::Compacted));

    let mut storage = storage;
    storage.compact(3);
    assert_eq!((storage.first_index(), storage.last_index(), storage.term(3)), (Ok(4), Ok(5), Ok(1)));
    storage.compact(9);
    assert_eq!((storage.first_index(), storage.last_index(), storage.term(5)), (Ok(6), Ok(5), Ok(2)));
    assert_eq!(storage.snapshot(1, 2), Err(StorageError::Later));
    storage.set_snapshot(5, 2, proto::ConfState::default(), b"five".to_vec());
    assert_eq!(storage.snapshot(5, 2).unwrap().data.as_ref(), b"five");
    assert_eq!(storage.snapshot(6, 2), Err(StorageError::Later));
    let conf = proto::ConfState { voters: vec![4], ..Default::default() };
    storage.set_conf(conf.clone());
    assert_eq!(storage.initial_state().unwrap().1, conf);
}
