//! A Raft consensus core that can be embedded anywhere: one deterministic state machine that owns no thread, clock, socket, file or
//! random source, and never calls its host.
//!
//! A host calls in ([`Node::tick`], [`Node::step`], [`Node::propose`]), takes a portion of work out ([`Node::ready`]), does it with its
//! own disk and network, and acknowledges it ([`Node::advance`]). Programs in other languages do the same through the C ABI
//! (`include/raftcore.h`).
//!
//! **The one rule**: send a message marked [`MessageRef::after`] only when all readies up to its own are durable, and never let a commit
//! index reach the disk before the entries that it covers. A write or flush that failed is final: boot again from what is on disk.
//!
//! ```
//! use raftcore::{Config, storage::{MemoryStorage, StorageNode}};
//!
//! // A group of one: it elects itself and commits alone. The seed is another one at each start.
//! let config = Config { seed: 42, ..Config::new(1) };
//! let mut host = StorageNode::new(&config, MemoryStorage::founder(&[1]), 1)?;
//! host.node().campaign()?;
//! let mut applied = Vec::new();
//! host.node().propose(b"too early", 6).expect_err("nobody leads yet");
//! for turn in 0..2 {
//!     loop {
//!         host.serve()?; // fetches: entries of the log, for peers and to apply; snapshots
//!         let (node, storage) = host.parts();
//!         let Some(ready) = node.ready()? else { break };
//!         let number = ready.number();
//!         storage.store(&ready); // 1: snapshot, entries, hard state; durable if ready.must_sync()
//!         for _message in ready.messages() {} // 2: send
//!         applied.extend(ready.committed().map(|entry| entry.data.to_vec())); // 3: apply, in order
//!         // 4: answer ready.reads() and ready.dropped()
//!         node.advance(number)?; // 5
//!     }
//!     while let Some(event) = host.node().next_event() {
//!         println!("{}", event.kind.text()); // events explain why a node stands still
//!     }
//!     // Before you sleep, `has_ready` must be 0.
//!     assert_eq!(host.node().has_ready()?, 0);
//!     if turn == 0 {
//!         host.node().propose(b"hello", 7)?;
//!     }
//! }
//! assert_eq!(applied.last().map(Vec::as_slice), Some(&b"hello"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What stands where, and what may rely on what: `ARCHITECTURE.md`. The host's contract: `docs/durability.md`.

#[macro_use]
mod fault;

pub mod config;
pub mod error;
pub mod event;
pub mod membership;
pub mod proto;
pub mod quorum;
pub mod storage;
pub mod types;
pub mod wire;

mod digest;
#[cfg(feature = "capi")]
pub mod ffi;
mod log;
mod node;
mod outbox;
mod peers;
mod raft;
mod ready;
mod rng;
mod status;

pub use config::{Config, Flags, StorageMode};
pub use error::{Error, Result};
pub use event::{Event, EventKind, Reason};
pub use node::{AppliedConf, ChangeEncoding, Input, Node, StepFrames, Stored, StoredConf, Turn};
pub use peers::progress::Flow;
pub use raft::fetches::{Fetch, FetchKind, Missing, Supplied};
pub use raft::reads::Read;
pub use raft::snapshots::SnapshotReport;
pub use raft::tokens::{Done, DropKind, Dropped};
pub use ready::has;
pub use ready::view::{Entries, MessageEntries, MessageRef, Messages, Parts, Ready, SnapshotRef};
pub use status::{PeerStatus, Status, peer_flags};
pub use types::*;
