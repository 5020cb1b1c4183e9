//! Who votes and who learns, and which steps may change that.
//!
//! Everything here is pure: a configuration and changes give another configuration or an error, and
//! the one that was there is never touched. [`Configuration`] holds the sets and the rules between
//! them; the changer takes one step; `restore` builds one from what a snapshot says.
//!
//! Not here: when a change may be proposed or applied (`raft::reconfig`), what a leader knows of each
//! member (`peers`); the latter is derived from [`Configuration::members`].
//! Sources: paper §6; diss. §4; etcd's `confchange`.

pub mod changer;
pub mod config;
#[cfg(test)]
mod tests;

pub use changer::{ChangeError, apply_change, enter_joint, leave_joint, restore, simple};
pub use config::{Configuration, IdSet, Members};
