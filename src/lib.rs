//! raftcore: a Raft consensus core that owns no thread, clock, socket, file or random source.
pub mod types;
pub mod error;
pub mod quorum;
pub mod membership;
pub mod wire;
pub mod proto;
