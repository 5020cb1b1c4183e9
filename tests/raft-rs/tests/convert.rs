//! The conversion of a whole group between the dialects, in the steps of docs/from-raft-rs.md, and
//! the refusal of a member without conversion. In eraftpb, a raft-rs member takes part.

use crate::scenarios::script::Group;
use raft_rs_mixed::disk::{Disk, Hard};
use raft_rs_mixed::member::{Kind, Tongue};
use raftcore::wire::ConfStateRef;
use raftcore::{Config, Dialect, EntryId, Error, HardState, Node};
use std::collections::{BTreeMap, VecDeque};

/// Each direction: the dialects, and the libraries of the members before and after.
fn directions() -> [(Tongue, Tongue, fn(u64) -> Kind, fn(u64) -> Kind); 2] {
    let all_ours = |_| Kind::Raftcore;
    let mixed = |id| if id == 2 { Kind::RaftRs } else { Kind::Raftcore };
    [(Tongue::Eraftpb, Tongue::Raftpb, mixed, all_ours), (Tongue::Raftpb, Tongue::Eraftpb, all_ours, mixed)]
}

/// Runs a group with a learner until every member has applied the whole log, and stops the group.
fn stopped(tongue: Tongue, kind: fn(u64) -> Kind) -> BTreeMap<u64, Disk> {
    let mut group = Group::new(kind);
    group.speak(tongue);
    group.drive(
        "group 3; campaign 1; propose 1; propose 2; change 1 v1 l4; empty 4; compact 1 5; tick 1 1; arrived 1 4;
        change 1 explicit +4 l3; change 1 auto; propose 1; campaign 2; leader 2; propose 2; tick 2 1; tick 2 1;
        conf 4 1,2,4 3; all commit 10",
    );
    group.disks()
}

/// Converts a disk: state machine and membership stay, the log goes, and the member is a founder
/// behind the last entry.
fn converted(disk: &Disk) -> Disk {
    assert_eq!(disk.machine.applied, disk.last(), "every member has applied its whole log");
    let before = (disk.machine.term, disk.machine.applied);
    let hard = Hard { term: before.0, vote: 0, commit: before.1 };
    Disk { hard, before, log: VecDeque::new(), machine: disk.machine, conf: disk.conf.clone() }
}

#[test]
fn a_group_that_is_converted_as_the_page_says_goes_on_in_the_other_dialect() {
    for (from, to, kind_before, kind_after) in directions() {
        let before: BTreeMap<u64, Disk> =
            stopped(from, kind_before).iter().map(|(id, disk)| (*id, converted(disk))).collect();
        assert!(before.values().all(|disk| *disk == before[&1]), "{from:?}: members differ before");

        let mut group = Group::new(kind_after);
        group.speak(to);
        before.iter().for_each(|(id, disk)| group.boot(*id, disk.clone()));
        group.drive(
            "all commit 10; campaign 1; leader 1; propose 1; change 1 v1 l2; conf 3 1,4 2,3; change 1 v1 +3;
            propose 3; tick 1 1; all commit 15; all applied 4; conf 2 1,3,4 2; restart 1; campaign 4; leader 4;
            propose 4; tick 4 1; all commit 17",
        );
        let after = group.disks();
        for (id, disk) in &after {
            assert_eq!((disk.machine, &disk.conf), (after[&1].machine, &after[&1].conf), "{to:?}: member {id}");
        }
        // The state before is part of the state after: the digest runs on over the new entries.
        let mut machine = before[&2].machine;
        after[&2].log.iter().for_each(|entry| machine.apply(entry));
        assert_eq!(machine, after[&2].machine, "{to:?}");
    }
}

#[test]
fn a_member_that_was_not_converted_is_refused_at_boot_and_at_hello() {
    let names = |dialect: Dialect| if dialect == Dialect::Raftpb { "raftpb" } else { "eraftpb" };
    let config = |id, dialect| Config { dialect, seed: id, ..Config::new(id) };
    for (old, new) in [(Dialect::Raftpb, Dialect::Eraftpb), (Dialect::Eraftpb, Dialect::Raftpb)] {
        let conf = ConfStateRef { voters: &[1, 2, 3], learners: &[4], ..ConfStateRef::default() };
        let before = EntryId { term: 3, index: 10 };
        let boot = |id, dialect| {
            let mut node = Node::new(&config(id, dialect)).expect("a node");
            node.boot_state(HardState { term: before.term, vote: 0, commit: before.index }).expect("a hard state");
            node.boot_conf(&conf, before.index, before).expect("a membership as lists");
            node.boot_done(before.index).expect("a founder");
            node
        };
        let stored = boot(1, old).conf().expect("a membership").bytes.to_vec();

        // The stored bytes name the old dialect. The lists do not, so the host writes them anew.
        let fresh = || {
            let mut node = Node::new(&config(1, new)).expect("a node");
            node.boot_state(HardState { term: before.term, vote: 0, commit: before.index }).expect("a hard state");
            node
        };
        let mut node = fresh();
        assert_eq!(node.boot_conf_bytes(&stored, before), Err(Error::Corrupt));
        let text = node.error_detail().to_string();
        assert!(text.contains(&format!("written in {}, this node speaks {}", names(old), names(new))), "{text}");
        let rewritten = boot(1, new).conf().expect("a membership").bytes.to_vec();
        fresh().boot_conf_bytes(&rewritten, before).expect("a converted membership");

        let (mut converted, forgotten) = (boot(1, new), boot(2, old));
        assert_eq!(converted.check_hello(&forgotten.hello()), Err(Error::NotForMe));
        let text = converted.error_detail().to_string();
        assert!(text.contains(&format!("speaks {}, this node {}", names(old), names(new))), "{text}");
        converted.check_hello(&boot(2, new).hello()).expect("a converted peer");
    }
}
