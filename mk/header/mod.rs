//! Arranges cbindgen's output for `src/ffi` as `mk/header/raftcore.h.in` says, to the page for C.
//!
//! `build.rs` calls [`page`]. `tests/sources.rs` compiles this module for the sake of `tests.rs`.

mod draw;
mod items;
mod page;
mod sources;
#[cfg(test)]
mod tests;

pub use page::page;
pub use sources::Sources;
