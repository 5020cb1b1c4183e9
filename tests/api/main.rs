//! The library through its public Rust face.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod digest;
mod frames;
mod kit;
mod reported;
mod smoke;
mod storage;
