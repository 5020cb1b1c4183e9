//! For hosts that implement the `Storage` trait: a node that boots from a storage and answers its
//! own fetches from the storage.
//!
//! The adapter reads only the data that the node needs: term runs by binary search, entries above
//! `applied`, and entries for slow peers. The host writes: store the contents of a ready, then
//! advance.

mod memory;

pub use memory::MemoryStorage;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::node::Node;
use crate::types::{EntryId, EntryKind, EntryRef, HardState, Index, NodeId, Term, TermRun};
use crate::wire::ConfStateRef;
use crate::{Fetch, FetchKind, Missing, Ready, proto, types};
use std::fmt;

/// Why a storage can't answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// The index is compacted.
    Compacted,
    /// The index is beyond the log.
    Unavailable,
    /// Not now; ask again.
    Later,
    /// The medium failed.
    Failed(String),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compacted => f.write_str("the index is compacted"),
            Self::Unavailable => f.write_str("the index is beyond the log"),
            Self::Later => f.write_str("not available now: ask again"),
            Self::Failed(why) => write!(f, "the storage failed: {why}"),
        }
    }
}

impl std::error::Error for StorageError {}

/// The result of a storage's function.
pub type StorageResult<T> = core::result::Result<T, StorageError>;

/// A host's log and state, for a node to read. All ranges are `low..high`, half open.
pub trait Storage {
    /// The stored hard state, and the membership as of the applied index.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    fn initial_state(&self) -> StorageResult<(HardState, proto::ConfState)>;

    /// Returns entries of `low..high`: at least one, and then at most `max_bytes` of data.
    ///
    /// # Errors
    /// [`StorageError::Compacted`], [`StorageError::Unavailable`], [`StorageError::Later`],
    /// [`StorageError::Failed`].
    fn entries(&self, low: Index, high: Index, max_bytes: u64) -> StorageResult<Vec<proto::Entry>>;

    /// Returns the term of an entry, or of the index before the first entry.
    ///
    /// # Errors
    /// As `entries`.
    fn term(&self, index: Index) -> StorageResult<Term>;

    /// The first index of the log, there or not.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    fn first_index(&self) -> StorageResult<Index>;

    /// Returns the last index of the log; for an empty log, the index before the first.
    ///
    /// # Errors
    /// [`StorageError::Failed`].
    fn last_index(&self) -> StorageResult<Index>;

    /// Returns a snapshot for `to` that covers at least `index`.
    ///
    /// # Errors
    /// [`StorageError::Later`]: the snapshot is being made. [`StorageError::Failed`].
    fn snapshot(&self, index: Index, to: NodeId) -> StorageResult<proto::Snapshot>;

    /// Starts to send snapshot data larger than [`Config::max_snapshot_bytes`], an everyday case.
    ///
    /// Start to send the data to the peer over a connection of your own, and return at once. The
    /// node then sends a message without data. The peer's host holds the message back until the
    /// data are there (docs/snapshots.md). Report the outcome by [`Node::report_snapshot`].
    ///
    /// # Errors
    /// Any: the data do not leave now, and the node fetches again. If a storage never sends, the
    /// peer stays out of the group.
    fn send_data(&self, snapshot: &proto::Snapshot, to: NodeId) -> StorageResult<()>;
}

/// Why a node could not be booted from a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The storage did not answer.
    Storage(StorageError),
    /// The node refused the stored state; the text has the numbers.
    Node(Error, String),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(f),
            Self::Node(error, detail) => write!(f, "{error}: {detail}"),
        }
    }
}

impl std::error::Error for BootError {}

impl From<StorageError> for BootError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// A node that boots and fetches from a [`Storage`].
#[derive(Debug)]
pub struct StorageNode<S> {
    node: Node,
    storage: S,
}

/// Entries read at a time when booting.
const BOOT_PAGE_BYTES: u64 = 1 << 20;

impl<S: Storage> StorageNode<S> {
    /// Makes a node and boots the node from `storage`, whose state machine has applied all entries
    /// up to `applied`.
    ///
    /// # Errors
    /// [`BootError`].
    pub fn new(config: &Config, storage: S, applied: Index) -> core::result::Result<Self, BootError> {
        let mut node = Node::new(config).map_err(|error| {
            let why = config.check().err().unwrap_or("");
            BootError::Node(error, why.to_owned())
        })?;
        boot(&mut node, &storage, applied)?;
        Ok(Self { node, storage })
    }

    /// The node, to look at.
    pub fn inner(&self) -> &Node {
        &self.node
    }

    /// The storage, to look at.
    pub fn store(&self) -> &S {
        &self.storage
    }

    /// The node, for every call in and every acknowledgement.
    pub fn node(&mut self) -> &mut Node {
        &mut self.node
    }

    /// The storage, for writing the contents of a ready.
    pub fn storage(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Both, for a host that writes while reading a ready.
    pub fn parts(&mut self) -> (&mut Node, &mut S) {
        (&mut self.node, &mut self.storage)
    }

    /// Answers the fetches from the storage, then returns the next ready.
    ///
    /// # Errors
    /// As [`Node::ready`].
    pub fn ready(&mut self) -> Result<Option<Ready<'_>>> {
        self.serve()?;
        self.node.ready()
    }

    /// Answers all fetches.
    ///
    /// # Errors
    /// As [`Node::next_fetch`].
    pub fn serve(&mut self) -> Result<()> {
        while let Some(fetch) = self.node.next_fetch()? {
            let served = match fetch.kind {
                FetchKind::Entries | FetchKind::Apply => self.serve_entries(&fetch),
                FetchKind::Snapshot => self.serve_snapshot(&fetch),
            };
            if served.is_none() {
                self.node.supply_none(fetch.id, Missing::Later)?;
            }
        }
        Ok(())
    }

    fn serve_entries(&mut self, fetch: &Fetch) -> Option<()> {
        match self.storage.entries(fetch.first, fetch.last.checked_add(1)?, fetch.max_bytes) {
            Ok(entries) => {
                let views: Option<Vec<EntryRef<'_>>> = entries.iter().map(view).collect();
                self.node.supply_entries(fetch.id, views?.into_iter()).ok().map(|_| ())
            }
            Err(StorageError::Compacted) => self.node.supply_none(fetch.id, Missing::Gone).ok().map(|_| ()),
            Err(_) => None,
        }
    }

    fn serve_snapshot(&mut self, fetch: &Fetch) -> Option<()> {
        let snapshot = self.storage.snapshot(fetch.first.saturating_sub(1), fetch.peer).ok()?;
        let meta = snapshot.metadata.as_ref()?;
        let conf = meta.conf_state.as_ref()?;
        let supplied = self.node.supply_snapshot(fetch.id, meta.index, &conf_ref(conf), &snapshot.data);
        if supplied != Err(Error::TooLarge) {
            return supplied.ok().map(|_| ());
        }
        self.storage.send_data(&snapshot, fetch.peer).ok()?;
        self.node.supply_snapshot(fetch.id, meta.index, &conf_ref(conf), &[]).ok().map(|_| ())
    }
}

fn conf_ref(conf: &proto::ConfState) -> ConfStateRef<'_> {
    ConfStateRef {
        voters: &conf.voters,
        learners: &conf.learners,
        voters_outgoing: &conf.voters_outgoing,
        learners_next: &conf.learners_next,
        auto_leave: conf.auto_leave,
    }
}

fn view(entry: &proto::Entry) -> Option<EntryRef<'_>> {
    let kind = u64::try_from(entry.r#type).ok().and_then(EntryKind::from_wire)?;
    let proto::Entry { term, index, ref data, ref context, .. } = *entry;
    Some(EntryRef { term, index, kind, data, context, token: 0 })
}

fn boot<S: Storage>(node: &mut Node, storage: &S, applied: Index) -> core::result::Result<(), BootError> {
    let (state, conf) = storage.initial_state()?;
    let (first, last) = (storage.first_index()?, storage.last_index()?);
    if applied > last {
        return Err(BootError::Node(
            Error::Corrupt,
            format!("applied is {applied}, the storage's last index is {last}"),
        ));
    }
    let before = first.saturating_sub(1);
    let before = EntryId { index: before, term: if before == 0 { 0 } else { storage.term(before)? } };
    let runs = term_runs(storage, first, last)?;
    told(node, |node| node.boot_state(state))?;
    told(node, |node| node.boot_conf(&conf_ref(&conf), 0, before))?;
    told(node, |node| node.boot_terms(&runs, last))?;
    let mut next = first.max(applied.saturating_add(1));
    while next <= last {
        let page = storage.entries(next, last + 1, BOOT_PAGE_BYTES)?;
        let views: Option<Vec<EntryRef<'_>>> = page.iter().map(view).collect();
        let views = views.filter(|views| !views.is_empty()).ok_or(StorageError::Unavailable)?;
        next += views.len() as u64;
        told(node, |node| node.boot_entries(views.into_iter()))?;
    }
    told(node, |node| node.boot_done(applied))
}

fn told(node: &mut Node, call: impl FnOnce(&mut Node) -> Result<()>) -> core::result::Result<(), BootError> {
    call(node).map_err(|error| BootError::Node(error, node.error_detail().to_owned()))
}

/// Returns the term runs of a log that has not stored them. Terms rise with the index, so a binary
/// search finds the end of each run.
fn term_runs<S: Storage>(storage: &S, first: Index, last: Index) -> StorageResult<Vec<TermRun>> {
    let mut runs = Vec::new();
    let mut at = first;
    while at <= last {
        let term = storage.term(at)?;
        runs.push(types::TermRun { first: at, term });
        let (mut inside, mut beyond) = (at, last + 1);
        while beyond - inside > 1 {
            let middle = inside + (beyond - inside) / 2;
            if storage.term(middle)? == term {
                inside = middle;
            } else {
                beyond = middle;
            }
        }
        at = beyond;
    }
    Ok(runs)
}
