//! Faults that are written down as edits of the core's sources, and the copy of the repository in which they are planted.

pub mod edits;
pub mod tree;
