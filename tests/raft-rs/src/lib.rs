//! Groups whose members run raftcore or raft-rs 0.7, and one of each in lock-step.
//!
//! `world` runs a schedule drawn from a seed, and `book` holds the promises that no schedule may
//! break. README.md says what is tested.

#[cfg(not(any(feature = "prost", feature = "protobuf")))]
compile_error!("build with --features prost or --features protobuf");

pub mod book;
pub mod change;
pub mod disk;
pub mod draw;
pub mod lockstep;
pub mod member;
pub mod ours;
pub mod plan;
pub mod runs;
pub mod tally;
pub mod theirs;
pub mod world;
