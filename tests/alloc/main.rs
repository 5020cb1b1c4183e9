//! What a node takes from the heap, seen by an allocator that counts: nothing on the hot path (`hot_path`), and how much in all
//! (`memory`). The same from C, on the archive as it is shipped: `tests/c/hot_path.c`, `tests/c/memory.c`.
//!
//!     ALLOC_ROUNDS=1000000 ALLOC_ENTRIES=10000000 cargo test --release --test alloc     as `make alloc-test` does it; ALLOC_SEED=7: other
//!                                                                                       rounds
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unsafe_code)]

mod group;
mod heap;
mod hot_path;
mod memory;
