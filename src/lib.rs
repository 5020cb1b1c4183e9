//! raftcore: a Raft consensus core that owns no thread, clock, socket, file or random source.

pub mod config;
pub mod error;
pub mod event;
#[cfg(feature = "capi")]
pub mod ffi;
pub mod membership;
pub mod proto;
pub mod quorum;
pub mod types;
pub mod wire;

mod digest;
mod local;
mod log;
mod node;
mod outbox;
mod peers;
mod raft;
mod ready;
mod rng;
mod status;
mod view;

pub use config::{Config, Flags, StorageMode};
pub use error::{Error, Result};
pub use event::{Event, EventKind, Reason};
pub use node::{AppliedConf, ChangeEncoding, Node, StepFrames};
pub use peers::progress::Flow;
pub use raft::fetches::{Fetch, FetchKind, Missing, Supplied};
pub use raft::reads::Read;
pub use raft::tokens::{Done, DropKind, Dropped};
pub use ready::has;
pub use status::{PeerStatus, Status, peer_flags};
pub use types::*;
pub use view::{Entries, MessageRef, Messages, Parts, Ready, SnapshotRef};
