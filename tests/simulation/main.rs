//! A cluster in a deterministic simulation. A seed fixes everything, including the faults. `README.md`
//! in this folder lists the checks, and says how to repeat a seed:
//!
//!     SIM_SEEDS=1000 cargo test --release --test simulation sweep -- --nocapture   fresh seeds
//!     SIM_SEED=77 cargo test --release --test simulation sweep -- --nocapture      repeats a seed
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
