//! The library through its public Rust face.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod adapter;
mod answers;
mod appends;
mod apply;
mod boot;
mod departures;
mod digest;
mod digest_differences;
mod edges;
mod elections;
mod frames;
mod guards;
mod kit;
mod limits;
mod looking;
mod membership;
mod order;
mod reads;
mod recent;
mod replication;
mod smoke;
mod snapshots;
mod storage;
mod tokens;
mod transfer;
mod votes;
