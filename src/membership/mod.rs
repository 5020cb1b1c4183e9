//! Membership: voters and learners, and the steps that may change them.
//!
//! All functions are pure: a membership and changes give a new membership or an error, and the old
//! membership is never touched. [`Configuration`] holds the sets and their rules; the changer takes
//! a step; `restore` builds a membership from the sets of a snapshot.
//!
//! Not here: when a change may be proposed or applied (`raft::reconfig`); the leader's knowledge of
//! each member (`peers`), which is derived from [`Configuration::members`].
//!
//! Sources: paper §6; diss. §4; etcd's `confchange`.

pub mod changer;
pub mod config;
#[cfg(test)]
mod tests;

pub use changer::{ChangeError, apply_change, enter_joint, leave_joint, restore, simple};
pub use config::{Configuration, IdSet, Members};
