//! A storage in memory: for tests, for examples, and for state that may die with the process.

use super::{Storage, StorageError, StorageResult};
use crate::types::{EntryId, EntryRef, HardState, Index, NodeId, Term};
use crate::{Ready, proto};
use std::collections::VecDeque;

/// Hard state, log and last snapshot, in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryStorage {
    state: HardState,
    conf: proto::ConfState,
    before: EntryId,
    log: VecDeque<proto::Entry>,
    snapshot: Option<proto::Snapshot>,
}

impl MemoryStorage {
    /// An empty disk, for a node that waits to be added.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk of a founder of a group with the given voters. Boot with `applied` = 1.
    pub fn founder(voters: &[NodeId]) -> Self {
        Self {
            state: HardState { term: 0, vote: 0, commit: 1 },
            conf: proto::ConfState { voters: voters.to_vec(), ..Default::default() },
            before: EntryId { term: 1, index: 1 },
            ..Self::default()
        }
    }

    /// Stores the contents of a ready: snapshot, entries, hard state, in this order.
    pub fn store(&mut self, ready: &Ready<'_>) {
        if let Some(snapshot) = ready.snapshot() {
            self.before = EntryId { term: snapshot.term, index: snapshot.index };
            self.log.clear();
            if let Ok(conf) = <proto::ConfState as prost::Message>::decode(snapshot.conf) {
                self.conf = conf.clone();
                self.set_snapshot(snapshot.index, snapshot.term, conf, snapshot.data.to_vec());
            }
        }
        for entry in ready.entries() {
            self.append(&entry);
        }
        if let Some(state) = ready.hard_state() {
            self.state = state;
        }
    }

    /// Stores an entry, and replaces all entries from the entry's index on.
    pub fn append(&mut self, entry: &EntryRef<'_>) {
        let keep = entry.index.saturating_sub(self.before.index + 1);
        self.log.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        self.log.push_back(proto::Entry {
            r#type: entry.kind as i32,
            term: entry.term,
            index: entry.index,
            data: bytes::Bytes::copy_from_slice(entry.data),
            context: bytes::Bytes::copy_from_slice(entry.context),
        });
    }

    /// Stores the membership as of the applied index.
    pub fn set_conf(&mut self, conf: proto::ConfState) {
        self.conf = conf;
    }

    /// Keeps a snapshot for slow peers.
    pub fn set_snapshot(&mut self, index: Index, term: Term, conf: proto::ConfState, data: Vec<u8>) {
        let metadata = proto::SnapshotMetadata { conf_state: Some(conf), index, term };
        self.snapshot = Some(proto::Snapshot { data: data.into(), metadata: Some(metadata) });
    }

    /// Drops every entry up to `index`.
    pub fn compact(&mut self, index: Index) {
        while self.log.front().is_some_and(|entry| entry.index <= index) {
            if let Some(entry) = self.log.pop_front() {
                self.before = EntryId { term: entry.term, index: entry.index };
            }
        }
    }

    fn position(&self, index: Index) -> StorageResult<usize> {
        let at = index.checked_sub(self.before.index + 1).ok_or(StorageError::Compacted)?;
        usize::try_from(at).map_err(|_| StorageError::Unavailable)
    }
}

impl Storage for MemoryStorage {
    fn initial_state(&self) -> StorageResult<(HardState, proto::ConfState)> {
        Ok((self.state, self.conf.clone()))
    }

    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> StorageResult<Vec<proto::Entry>> {
        let (first, end) = (self.position(low)?, self.position(high)?);
        if end > self.log.len() || first > end {
            return Err(StorageError::Unavailable);
        }
        let mut bytes = 0u64;
        let fits = |entry: &&proto::Entry| {
            let before = bytes;
            bytes = bytes.saturating_add(entry.data.len() as u64);
            before == 0 || bytes <= max_bytes
        };
        Ok(self.log.range(first..end).take_while(fits).cloned().collect())
    }

    fn term(&self, index: Index) -> StorageResult<Term> {
        if index == self.before.index {
            return Ok(self.before.term);
        }
        self.log.get(self.position(index)?).map(|entry| entry.term).ok_or(StorageError::Unavailable)
    }

    fn first_index(&self) -> StorageResult<Index> {
        Ok(self.before.index + 1)
    }

    fn last_index(&self) -> StorageResult<Index> {
        Ok(self.before.index + self.log.len() as u64)
    }

    fn snapshot(&self, index: Index, _to: NodeId) -> StorageResult<proto::Snapshot> {
        let covers = |snapshot: &&proto::Snapshot| snapshot.metadata.as_ref().is_some_and(|meta| meta.index >= index);
        self.snapshot.as_ref().filter(covers).cloned().ok_or(StorageError::Later)
    }

    /// A storage in memory has no connection: set `max_snapshot_bytes` above the size of the
    /// snapshots.
    fn send_data(&self, _snapshot: &proto::Snapshot, _to: NodeId) -> StorageResult<()> {
        Err(StorageError::Failed("a storage in memory has no connection: raise max_snapshot_bytes".into()))
    }
}
