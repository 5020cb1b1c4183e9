//! A Raft consensus core to embed: a deterministic state machine without threads, clocks,
//! sockets, files, random sources or callbacks.
//!
//! A host reports time, messages and proposals ([`Node::tick`], [`Node::step`],
//! [`Node::propose`]) and takes a ready, a portion of work ([`Node::ready`]). The host does the
//! work with disk and network, then acknowledges the ready ([`Node::advance`]).
//! Programs in other languages use the C ABI (`include/raftcore.h`).
//!
//! **The one rule**: send a message marked [`MessageRef::after`] only when all readies up to its
//! own are durable, and never let a commit index reach the disk before the covered entries. A
//! failed write or flush is final: boot again from what is on disk.
//!
//! ```
//! use raftcore::{Config, Node, Result, Stored};
//! # use raftcore::{Event, Fetch, Missing, Ready};
//!
//! /// Run this after every tick, step and propose. The host is yours.
//! fn turn(node: &mut Node, host: &mut Host) -> Result<()> {
//!     loop {
//!         while let Some(fetch) = node.next_fetch()? {
//!             host.supply(node, &fetch)?; // old entries or a snapshot, read from your log
//!         }
//!         let Some(ready) = node.ready()? else { break };
//!         let number = ready.number();
//!         host.store(&ready); // 1: snapshot, entries, hard state, as one; durable if `must_sync`
//!         host.send(&ready); // 2: each message to its peer
//!         host.apply(node, number)?; // 3: committed entries of `node.view(number)`; a membership change goes to `apply_conf`
//!         host.answer(node, number); // 4: reads may be served; dropped ones failed, or their outcome is unknown
//!         node.advance(number)?; // 5
//!     }
//!     while let Some(event) = node.next_event() {
//!         host.log(&event); // events explain why a node stands still
//!     }
//!     Ok(()) // Before you sleep, `has_ready` must be 0.
//! }
//!
//! // A group with a single node, which elects itself and commits alone. Choose a new seed at each start.
//! let mut node = Node::new(&Config { seed: 42, ..Config::new(1) })?;
//! node.boot(&Stored::founder(&[1]), std::iter::empty())?;
//! let mut host = Host::default();
//! node.propose(b"too early", 6).expect_err("nobody leads yet");
//! node.campaign()?;
//! turn(&mut node, &mut host)?;
//! node.propose(b"hello", 7)?;
//! turn(&mut node, &mut host)?;
//! assert_eq!(host.applied.last().map(Vec::as_slice), Some(&b"hello"[..]));
//! assert_eq!(node.has_ready()?, 0);
//! #
//! # /// No disk and no peers.
//! # #[derive(Default)]
//! # struct Host {
//! #     applied: Vec<Vec<u8>>,
//! # }
//! # impl Host {
//! #     fn supply(&mut self, node: &mut Node, fetch: &Fetch) -> Result<()> {
//! #         node.supply_none(fetch.id, Missing::Later).map(|_| ())
//! #     }
//! #     fn store(&mut self, _: &Ready<'_>) {}
//! #     fn send(&mut self, _: &Ready<'_>) {}
//! #     fn apply(&mut self, node: &mut Node, number: u64) -> Result<()> {
//! #         self.applied.extend(node.view(number).unwrap().committed().map(|entry| entry.data.to_vec()));
//! #         Ok(())
//! #     }
//! #     fn answer(&mut self, _: &Node, _: u64) {}
//! #     fn log(&mut self, event: &Event) {
//! #         println!("{}", event.kind.text());
//! #     }
//! # }
//! # Ok::<(), raftcore::Error>(())
//! ```
//!
//! [`Node::turn`] does a pass of this loop in one call. [`storage::StorageNode`] answers the
//! fetches of a host that implements [`storage::Storage`].
//!
//! `ARCHITECTURE.md` maps the modules and their invariants. `docs/durability.md` is the contract of
//! a host.

pub mod config;
pub mod error;
pub mod event;
pub mod membership;
pub mod proto;
pub mod quorum;
pub mod storage;
pub mod types;
pub mod wire;

#[cfg(feature = "heap")]
#[global_allocator]
static HEAP: ffi::heap::Heap = ffi::heap::Heap;

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
