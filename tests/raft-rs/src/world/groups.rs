//! Commit groups in a group of both libraries: the host sets the groups on every member, and again
//! after each start, snapshot and change of membership. No leader commits an entry on members
//! of a single group alone.

use super::{Slot, World};
use crate::disk::Disk;
use std::collections::BTreeSet;

impl World {
    /// Draws the commit groups anew, or ends them, on all members.
    pub(super) fn change_groups(&mut self) {
        self.groups = self.draw.below(4);
        for id in self.up() {
            self.set_groups_now(id);
        }
    }

    /// Tells a member the groups, if there are any.
    pub(super) fn set_groups(&mut self, id: u64) {
        if self.groups > 0 {
            self.set_groups_now(id);
        }
    }

    fn set_groups_now(&mut self, id: u64) {
        let groups: Vec<(u64, u64)> = match self.groups {
            0 => Vec::new(),
            _ => self.kinds.keys().map(|&id| (id, self.group_of(id))).collect(),
        };
        let kind = self.kinds[&id];
        self.tally.add(if groups.is_empty() { "commit groups ended at" } else { "commit groups set at" }, kind);
        // raftcore takes the groups peer by peer, and may commit by a mixture of old and new groups.
        self.sets_groups = true;
        self.with(id, |member| member.set_groups(&groups));
        self.sets_groups = false;
    }

    fn group_of(&self, id: u64) -> u64 {
        1 + id / self.groups % 2
    }

    /// Holds the promise of commit groups: voters of two groups have the entry at a leader's new commit
    /// index.
    pub(super) fn check_groups(&mut self, leader: u64, commit: u64) {
        let Some(member) = self.member(leader) else { return };
        let disk = member.disk();
        let (conf, term) = (disk.conf.clone(), disk.term(commit));
        let all: BTreeSet<u64> = match self.groups {
            0 => return,
            _ => conf.voters.iter().map(|&id| self.group_of(id)).collect(),
        };
        if conf.is_joint() || all.len() < 2 {
            return;
        }
        let has = |disk: &Disk| disk.before.1 >= commit || disk.term(commit) == term;
        let mut holders = BTreeSet::new();
        for &id in &conf.voters {
            let holds = match self.slots.get_mut(&id) {
                Some(Slot::Up(member)) => has(member.disk()),
                Some(Slot::Down(disk, _)) => has(disk),
                None => false,
            };
            if holds {
                holders.insert(self.group_of(id));
            }
        }
        assert!(holders.len() >= 2, "member {leader} commits {commit}, which only members of group {holders:?} have");
        let kind = self.kinds[&leader];
        self.tally.add("entries committed by two groups under", kind);
    }
}
