//! Single steps by tables; then every membership that three changes can reach on four nodes.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::error::Error;
use crate::quorum::{MAX_VOTERS, VoteResult, joint_vote};
use crate::types::{Change, ChangeKind, MAX_ID, Transition};

type Outcome = Result<Configuration, ChangeError>;

/// `v` voter, `l` learner, `r` remove, `u` update, each followed by an id: `"v1 l2 r3"`.
fn changes(text: &str) -> Vec<Change> {
    let change = |word: &str| {
        let (letter, id) = word.split_at(1);
        let kind = match letter {
            "v" => ChangeKind::AddNode,
            "l" => ChangeKind::AddLearner,
            "r" => ChangeKind::RemoveNode,
            "u" => ChangeKind::UpdateNode,
            _ => unreachable!("{word}"),
        };
        Change { kind, id: id.parse().unwrap() }
    };
    text.split_whitespace().map(change).collect()
}

/// A step in words: `simple …`, `enter …`, `enter-auto …`, `leave`.
fn step(now: &Configuration, text: &str) -> Outcome {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let list = changes(rest);
    let mut list = list.iter().copied();
    match verb {
        "simple" => simple(now, &mut list),
        "enter" => enter_joint(now, false, &mut list),
        "enter-auto" => enter_joint(now, true, &mut list),
        "leave" => leave_joint(now),
        _ => unreachable!("{text}"),
    }
}

/// The text of a step's outcome: the membership or the error.
fn shown(outcome: &Outcome) -> String {
    match outcome {
        Ok(configuration) => configuration.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Takes the steps, from an empty membership on; a refused step changes nothing.
fn run(steps: &[(&str, &str)]) {
    let mut now = Configuration::default();
    for &(text, want) in steps {
        let outcome = step(&now, text);
        assert_eq!(shown(&outcome), want, "{text}, from {now}");
        if let Ok(next) = outcome {
            now = next;
        }
    }
}

fn set(ids: &[u64]) -> IdSet {
    IdSet::try_from_iter(ids.iter().copied()).unwrap()
}

fn restored(voters: &[u64], outgoing: &[u64], learners: &[u64], learners_next: &[u64], auto_leave: bool) -> Outcome {
    restore(
        voters.iter().copied(),
        learners.iter().copied(),
        outgoing.iter().copied(),
        learners_next.iter().copied(),
        auto_leave,
    )
}

// ==== Sets ====

#[test]
fn a_set_stays_sorted_and_has_each_id_once() {
    let mut ids = IdSet::new();
    for id in [5, 1, 9, 5, 3, 1] {
        let fresh = !ids.contains(id);
        assert_eq!(ids.insert(id), Ok(fresh));
    }
    assert_eq!(ids.as_slice(), [1, 3, 5, 9]);
    assert_eq!(ids, set(&[9, 9, 5, 3, 1]));
    assert!(ids.remove(5) && !ids.remove(5) && !ids.contains(5));
    assert_eq!(ids.iter().rev().collect::<Vec<_>>(), [9, 3, 1]);
    assert_eq!((ids.len(), ids.is_empty(), IdSet::new().is_empty()), (3, false, true));
    assert_eq!(ids.try_clone(), Ok(ids.clone()));
}

/// The sets of `restore` may be a peer's, in the worst order.
#[test]
fn many_ids_in_falling_order_are_sorted_once() {
    let ids = IdSet::try_from_iter((1..=1_000_000).rev()).unwrap();
    assert!(ids.iter().eq(1..=1_000_000));
}

#[test]
fn members_are_the_union_in_order() {
    let now = restored(&[2, 7], &[1, 2, 9], &[3, 8], &[9], false).unwrap();
    assert_eq!(now.members().collect::<Vec<_>>(), [1, 2, 3, 7, 8, 9]);
    assert_eq!(now.voter_ids().collect::<Vec<_>>(), [1, 2, 7, 9]);
    for id in 0..12 {
        assert_eq!(now.contains(id), now.members().any(|member| member == id));
        assert_eq!(now.is_voter(id), now.voter_ids().any(|voter| voter == id));
    }
    assert_eq!(Configuration::default().members().next(), None);
}

#[test]
fn one_voter_decides_alone_only_outside_a_joint_configuration() {
    assert!(restored(&[4], &[], &[5], &[], false).unwrap().is_singleton());
    assert!(!restored(&[4], &[4], &[], &[], false).unwrap().is_singleton());
    assert!(!restored(&[4, 5], &[], &[], &[], false).unwrap().is_singleton());
    assert!(!Configuration::default().is_singleton());
}

/// In etcd's form, without empty sets; ids in decimal, as in every text for users.
#[test]
fn a_configuration_prints_its_sets() {
    assert_eq!(Configuration::default().to_string(), "voters=()");
    assert_eq!(
        restored(&[26, 10], &[255], &[16], &[255], true).unwrap().to_string(),
        "voters=(10 26)&&(255) learners=(16) learners_next=(255) autoleave"
    );
}

// ==== Steps ====

#[test]
fn simple_steps_move_one_voter_at_most() {
    run(&[
        ("simple l1", "removed all voters"),
        ("simple", "removed all voters"),
        ("simple v1 v2", "more than one voter changed without entering joint config"),
        ("simple v1", "voters=(1)"),
        ("simple v1", "voters=(1)"),
        ("simple r1", "removed all voters"),
        ("simple v2 l3 l4", "voters=(1 2) learners=(3 4)"),
        ("simple v3 v4", "more than one voter changed without entering joint config"),
        ("simple r1 v3", "more than one voter changed without entering joint config"),
        ("simple v3 r3 v4 l4", "voters=(1 2) learners=(4)"),
        ("simple r9", "voters=(1 2) learners=(4)"),
        ("simple v4", "voters=(1 2 4)"),
        ("simple l1", "voters=(2 4) learners=(1)"),
        ("simple u1 u7", "voters=(2 4) learners=(1)"),
        ("leave", "can't leave a non-joint config"),
    ]);
}

/// A host that decides not to apply a change sets its node to 0.
#[test]
fn changes_of_node_0_are_skipped() {
    run(&[("simple v0", "removed all voters"), ("simple v1 v0 r0 l0", "voters=(1)"), ("enter l0", "voters=(1)&&(1)")]);
}

#[test]
fn joint_configurations_do_not_nest() {
    run(&[
        ("enter v1", "can't make a zero-voter config joint"),
        ("simple v1", "voters=(1)"),
        ("enter-auto v2 v3", "voters=(1 2 3)&&(1) autoleave"),
        ("enter", "config is already joint"),
        ("enter-auto v4", "config is already joint"),
        ("simple v2", "can't apply simple config change in joint config"),
        ("leave", "voters=(1 2 3)"),
        ("leave", "can't leave a non-joint config"),
        ("enter r1 r2 r3", "removed all voters"),
        ("enter", "voters=(1 2 3)&&(1 2 3)"),
    ]);
}

/// The outgoing half counts the vote until the half is dropped, so the node is no learner before.
#[test]
fn a_voter_demoted_in_a_joint_configuration_learns_after_leaving_it() {
    let one = step(&Configuration::default(), "simple v1").unwrap();
    let joint = step(&one, "enter v2 l1").unwrap();
    assert_eq!(joint.to_string(), "voters=(2)&&(1) learners_next=(1)");
    assert!(joint.is_voter(1) && !joint.is_learner(1) && joint.contains(1));
    let left = step(&joint, "leave").unwrap();
    assert_eq!(left.to_string(), "voters=(2) learners=(1)");
    assert!(!left.is_voter(1) && left.is_learner(1) && left.contains(1));
}

#[test]
fn the_last_of_several_changes_of_a_node_counts() {
    run(&[
        ("simple v1", "voters=(1)"),
        ("enter r7 v2 l2 v2 r2 v3 l1 v1 l1 l1 l4 v4 l4 l4", "voters=(3)&&(1) learners=(4) learners_next=(1)"),
        ("leave", "voters=(3) learners=(1 4)"),
    ]);
}

#[test]
fn a_voter_removed_in_a_joint_configuration_is_a_member_until_it_is_left() {
    let two = restored(&[1, 2], &[], &[], &[], false).unwrap();
    let joint = step(&two, "enter r2 v3").unwrap();
    assert!(joint.members().eq([1, 2, 3]));
    assert!(step(&joint, "leave").unwrap().members().eq([1, 3]));
}

#[test]
fn a_change_is_simple_unless_it_asks_for_more_or_has_several_parts() {
    use Transition::{Auto, JointExplicit, JointImplicit};
    let one = restored(&[1], &[], &[], &[], false).unwrap();
    let joint = restored(&[1, 2], &[1], &[], &[], true).unwrap();
    let table = [
        (&one, Auto, "v2", "voters=(1 2)"),
        (&one, JointImplicit, "v2", "voters=(1 2)&&(1) autoleave"),
        (&one, JointExplicit, "v2", "voters=(1 2)&&(1)"),
        (&one, Auto, "l2 l3", "voters=(1)&&(1) learners=(2 3) autoleave"),
        (&one, Auto, "v2 v0", "voters=(1 2)&&(1) autoleave"),
        (&one, JointImplicit, "", "voters=(1)&&(1) autoleave"),
        (&one, JointExplicit, "", "voters=(1)&&(1)"),
        (&one, Auto, "", "can't leave a non-joint config"),
        (&joint, Auto, "", "voters=(1 2)"),
        (&joint, JointExplicit, "", "config is already joint"),
        (&joint, Auto, "u1", "can't apply simple config change in joint config"),
        (&joint, Auto, "u1 u1", "config is already joint"),
    ];
    for (now, transition, text, want) in table {
        let list = changes(text);
        let leaves = transition == Auto && list.is_empty();
        let outcome = apply_change(now, transition, list.len(), list.iter().copied(), leaves);
        assert_eq!(shown(&outcome), want, "{transition:?} {text:?}, from {now}");
    }
}

// ==== Limits ====

#[test]
fn ids_of_local_storage_cannot_join() {
    let one = restored(&[1], &[], &[], &[], false).unwrap();
    for id in [MAX_ID + 1, u64::MAX] {
        assert_eq!(step(&one, &format!("simple v{id}")), Err(ChangeError::BadId(id)));
        assert_eq!(step(&one, &format!("enter l{id}")), Err(ChangeError::BadId(id)));
        assert_eq!(step(&one, &format!("simple r{id} u{id}")), Ok(one.clone()));
        assert_eq!(restored(&[1, id], &[], &[], &[], false), Err(ChangeError::BadId(id)));
    }
    assert!(step(&one, &format!("simple v{MAX_ID}")).unwrap().is_voter(MAX_ID));
    assert!(restored(&[1, MAX_ID], &[], &[], &[], false).is_ok());
}

#[test]
fn no_half_exceeds_what_quorums_can_sort() {
    let most: Vec<u64> = (1..=MAX_VOTERS as u64).collect();
    let more: Vec<u64> = (1..=MAX_VOTERS as u64 + 1).collect();
    let full = restored(&most, &[], &[], &[], false).unwrap();
    assert_eq!(step(&full, "simple v999"), Err(ChangeError::TooManyVoters));
    assert_eq!(step(&full, "enter v999"), Err(ChangeError::TooManyVoters));
    assert!(step(&full, "enter r1 v999").is_ok());
    assert!(step(&full, "simple l999").is_ok());
    assert_eq!(restored(&more, &[], &[], &[], false), Err(ChangeError::TooManyVoters));
    assert_eq!(restored(&[1], &more, &[], &[], false), Err(ChangeError::TooManyVoters));
    assert!(restored(&[MAX_ID], &[], &more, &[], false).is_ok());
}

// ==== Restoring ====

#[test]
fn sets_that_no_change_leads_to_are_refused() {
    use ChangeError as E;
    type Ids = &'static [u64];
    let table: [(Ids, Ids, Ids, Ids, bool, E); 18] = [
        (&[1, 0], &[], &[], &[], false, E::BadId(0)),
        (&[1], &[0], &[], &[], false, E::BadId(0)),
        (&[1], &[], &[0], &[], false, E::BadId(0)),
        (&[1], &[1], &[], &[0], false, E::BadId(0)),
        (&[2, 1, 2], &[], &[], &[], false, E::Duplicate(2)),
        (&[1], &[3, 3], &[], &[], false, E::Duplicate(3)),
        (&[1], &[], &[4, 4], &[], false, E::Duplicate(4)),
        (&[1], &[5], &[], &[5, 5], false, E::Duplicate(5)),
        (&[], &[], &[1], &[], false, E::NoVoters),
        (&[], &[1], &[], &[], true, E::NoVoters),
        (&[], &[1], &[], &[1], false, E::NoVoters),
        (&[1], &[], &[], &[2], false, E::StagedWhenNotJoint),
        (&[1], &[], &[], &[], true, E::AutoLeaveWhenNotJoint),
        (&[1], &[1, 2], &[], &[3], false, E::StagedNotOutgoing(3)),
        (&[1], &[1, 2], &[2], &[2], false, E::StagedIsLearner(2)),
        (&[1, 2], &[1, 2], &[], &[2], false, E::StagedIsVoter(2)),
        (&[1], &[1, 2], &[2], &[], false, E::LearnerInOutgoing(2)),
        (&[1, 2], &[], &[2], &[], false, E::LearnerInVoters(2)),
    ];
    for (voters, outgoing, learners, learners_next, auto_leave, want) in table {
        let outcome = restored(voters, outgoing, learners, learners_next, auto_leave);
        assert_eq!(outcome, Err(want));
    }
    assert_eq!(restored(&[], &[], &[], &[], false), Ok(Configuration::default()));
    assert_eq!(restored(&[], &[], &[], &[], true), Err(E::AutoLeaveWhenNotJoint));
}

#[test]
fn a_step_from_an_impossible_configuration_is_refused() {
    let now = Configuration { voters: set(&[1]), learners: set(&[1]), ..Default::default() };
    for text in ["simple v2", "enter v2", "leave"] {
        assert_eq!(step(&now, text), Err(ChangeError::LearnerInVoters(1)));
    }
}

#[test]
fn texts_name_the_set_at_fault() {
    let table = [
        (ChangeError::StagedNotOutgoing(3), "3 is in LearnersNext, but not Voters[1]"),
        (ChangeError::StagedIsLearner(3), "3 is in LearnersNext, but is already marked as learner"),
        (ChangeError::LearnerInOutgoing(30), "30 is in Learners and Voters[1]"),
        (ChangeError::LearnerInVoters(30), "30 is in Learners and Voters[0]"),
        (ChangeError::StagedWhenNotJoint, "cfg.LearnersNext must be nil when not joint"),
        (ChangeError::AutoLeaveWhenNotJoint, "AutoLeave must be false when not joint"),
        (ChangeError::TooManyVoters, "more than 256 voters"),
        (ChangeError::Duplicate(3), "id 3 is named twice in one set"),
    ];
    for (error, want) in table {
        assert_eq!(error.to_string(), want);
        assert_eq!(Error::from(error), Error::Conf);
    }
    assert_eq!(Error::from(ChangeError::NoMemory), Error::NoMem);
}

// ==== Every reachable membership ====

const NODES: u64 = 4;

/// Returns every sequence of at most `longest` changes of the nodes, including a change without
/// effect.
fn sequences(longest: usize) -> Vec<Vec<Change>> {
    let mut single = vec![Change { kind: ChangeKind::AddNode, id: 0 }];
    for kind in [ChangeKind::AddNode, ChangeKind::AddLearner, ChangeKind::RemoveNode] {
        single.extend((1..=NODES).map(|id| Change { kind, id }));
    }
    let mut all = vec![vec![]];
    let mut last = all.clone();
    for _ in 0..longest {
        let longer = |sequence: &Vec<Change>| {
            single.iter().map(|&change| [&sequence[..], &[change]].concat()).collect::<Vec<_>>()
        };
        last = last.iter().flat_map(longer).collect();
        all.extend_from_slice(&last);
    }
    all
}

/// Returns whether every deciding group of `a` shares a node with every deciding group of `b`: no
/// group may win in `a` while the rest wins in `b`.
fn majorities_meet(a: &Configuration, b: &Configuration) -> bool {
    let wins = |c: &Configuration, group: u64| {
        let vote = |id| Some(group >> id & 1 == 1);
        joint_vote(c.voters.as_slice(), c.outgoing.as_slice(), vote) == VoteResult::Won
    };
    (0..2 << NODES).all(|group| !(wins(a, group) && wins(b, !group)))
}

/// Returns the place of each node as etcd tells the place: learner or not, for nodes with progress.
///
/// The function follows progress through the changes instead of deriving progress from the sets.
/// The agreement of both shows that `members` and `is_learner` are enough.
fn tracked(now: &Configuration, list: &[Change]) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let mut progress: BTreeSet<u64> = now.members().collect();
    let mut learning: BTreeSet<u64> = now.learners.iter().collect();
    for &Change { kind, id } in list.iter().filter(|change| change.id != 0) {
        let pinned = now.voters.contains(id);
        match kind {
            ChangeKind::AddNode => {
                progress.insert(id);
                learning.remove(&id);
            }
            ChangeKind::AddLearner => {
                progress.insert(id);
                if !pinned {
                    learning.insert(id);
                }
            }
            ChangeKind::RemoveNode if pinned => {}
            ChangeKind::RemoveNode => {
                progress.remove(&id);
                learning.remove(&id);
            }
            ChangeKind::UpdateNode => {}
        }
    }
    (progress, learning)
}

#[test]
fn every_reachable_step_keeps_the_invariants_and_a_common_majority() {
    let sequences = sequences(3);
    let mut seen = HashSet::from([Configuration::default()]);
    let mut todo = vec![Configuration::default()];
    while let Some(now) = todo.pop() {
        let before = now.clone();
        let mut steps = Vec::new();
        if now.is_joint() {
            assert_eq!(simple(&now, &mut [].into_iter()), Err(ChangeError::SimpleInJoint));
            assert_eq!(enter_joint(&now, true, &mut [].into_iter()), Err(ChangeError::AlreadyJoint));
            steps.push(leave_joint(&now).unwrap());
        } else {
            assert_eq!(leave_joint(&now), Err(ChangeError::NotJoint));
            for list in &sequences {
                let (progress, learning) = tracked(&now, list);
                if let Ok(next) = enter_joint(&now, list.len() == 2, &mut list.iter().copied()) {
                    assert_eq!(next.outgoing, now.voters);
                    assert!(next.members().eq(progress) && next.learners.iter().eq(learning));
                    // Both ways lead to the same sets, where the simple way is open.
                    let left = leave_joint(&next).unwrap();
                    match simple(&now, &mut list.iter().copied()) {
                        Ok(direct) => assert_eq!(direct, left),
                        Err(error) => assert_eq!(error, ChangeError::MoreThanOneVoter),
                    }
                    steps.push(next);
                }
                steps.extend(simple(&now, &mut list.iter().copied()));
            }
        }
        assert_eq!(now, before);
        for next in steps {
            assert_eq!(next.check(), Ok(()));
            assert!(!next.voters.is_empty());
            assert!(now.voters.is_empty() || majorities_meet(&now, &next), "{now} to {next}");
            let again = restore(
                next.voters.iter().rev(),
                next.learners.iter().rev(),
                next.outgoing.iter().rev(),
                next.learners_next.iter().rev(),
                next.auto_leave,
            );
            assert_eq!(again.as_ref(), Ok(&next));
            if seen.insert(next.clone()) {
                todo.push(next);
            }
        }
    }
    // Each node votes, learns or is absent, and at least one node votes: all reachable step by
    // step.
    let plain = seen.iter().filter(|c| !c.is_joint() && !c.voters.is_empty()).count();
    assert_eq!(plain, 3_usize.pow(4) - 2_usize.pow(4));
}

/// `restore` may accept nothing else, or a snapshot could set up a membership that no log leads to.
#[test]
fn restore_accepts_just_what_changes_reach() {
    let mut reached = HashSet::from([Configuration::default()]);
    let nodes = [1_u64, 2, 3];
    // The place of a node: in each of the four sets or not.
    let pick =
        |code: u32, set: u32| nodes.iter().copied().filter(move |id| code >> (4 * (id - 1) as u32 + set) & 1 == 1);
    let list: Vec<Change> = [ChangeKind::AddNode, ChangeKind::AddLearner, ChangeKind::RemoveNode]
        .iter()
        .flat_map(|&kind| nodes.map(|id| Change { kind, id }))
        .collect();
    // From every simple membership, whatever can happen to each node at once.
    let mut plain = vec![Configuration::default()];
    while let Some(now) = plain.pop() {
        for &change in &list {
            if let Ok(next) = simple(&now, &mut [change].into_iter())
                && reached.insert(next.clone())
            {
                plain.push(next);
            }
        }
    }
    for now in reached.clone() {
        for code in 0..64 {
            // Per node: nothing, voter, learner, removed.
            let chosen = nodes.iter().filter_map(|&id| {
                let kind = match code >> (2 * (id - 1)) & 3 {
                    0 => return None,
                    1 => ChangeKind::AddNode,
                    2 => ChangeKind::AddLearner,
                    _ => ChangeKind::RemoveNode,
                };
                Some(Change { kind, id })
            });
            for auto_leave in [false, true] {
                reached.extend(enter_joint(&now, auto_leave, &mut chosen.clone()));
            }
        }
    }
    let mut accepted = HashSet::new();
    for code in 0..1 << 12 {
        for auto_leave in [false, true] {
            let outcome = restore(pick(code, 0), pick(code, 1), pick(code, 2), pick(code, 3), auto_leave);
            accepted.extend(outcome);
        }
    }
    assert_eq!(accepted, reached);
}
