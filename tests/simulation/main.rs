//! A cluster in a deterministic simulation: one seed fixes everything, the faults too. What is checked, and how to run a seed again:
//! `README.md` beside this file.
//!
//!     SIM_SEEDS=1000 cargo test --release --test simulation sweep -- --nocapture      that many seeds from a fresh start, which is printed
//!     SIM_SEED=77 cargo test --release --test simulation sweep -- --nocapture         one seed again
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod book;
mod check;
mod clients;
mod disk;
mod driver;
mod history;
mod host;
mod hosts;
mod law;
mod plan;
mod rng;
mod script;
mod store;
mod supply;
mod sweep;
mod tally;
mod teeth;
mod trouble;
#[cfg(feature = "capi")]
mod twin;
mod world;

#[test]
fn sweep_clusters_stay_safe_and_come_alive_again() {
    sweep::sweep();
}
