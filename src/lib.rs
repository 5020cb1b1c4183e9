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
//! // A group of one: it elects itself and commits alone. Draw another seed at each start.
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
//! [`Node::turn`] is a pass of this loop in one call. [`storage::StorageNode`] answers the fetches of a host that has a [`storage::Storage`].
//!
//! What stands where, and what may rely on what: `ARCHITECTURE.md`. The host's contract: `docs/durability.md`.

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
