//! The library through its public Rust face.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod digest;
mod edges;
mod elections;
mod frames;
mod kit;
mod membership;
mod reads;
mod smoke;
mod storage;
mod tokens;
mod transfer;
