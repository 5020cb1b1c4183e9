//! Majorities against their definition by counting, for every small case.

use super::*;

/// By definition: the highest index that more than half have. Every index is some node's, or 0.
fn counted(acks: &[Option<u64>]) -> u64 {
    if acks.is_empty() {
        return u64::MAX;
    }
    let have = |index: u64| acks.iter().filter(|ack| ack.unwrap_or(0) >= index).count();
    let candidates = acks.iter().flatten().copied().chain([0]);
    candidates.filter(|&index| 2 * have(index) > acks.len()).max().unwrap_or(0)
}

/// By definition: won once more than half grant, lost once the missing votes could not change the
/// outcome.
fn voted(votes: &[Option<bool>]) -> VoteResult {
    let granted = votes.iter().filter(|vote| **vote == Some(true)).count();
    let possible = votes.iter().filter(|vote| **vote != Some(false)).count();
    if votes.is_empty() || 2 * granted > votes.len() {
        VoteResult::Won
    } else if 2 * possible > votes.len() {
        VoteResult::Pending
    } else {
        VoteResult::Lost
    }
}

/// Calls `f` with every way to give each of `n` nodes a value of `values`.
fn assignments<T: Copy>(n: usize, values: &[T], mut f: impl FnMut(&[T])) {
    for mut code in 0..values.len().pow(n as u32) {
        let mut chosen = Vec::new();
        for _ in 0..n {
            chosen.push(values[code % values.len()]);
            code /= values.len();
        }
        f(&chosen);
    }
}

/// Returns the ids 1 to `n` in the bit set.
fn subset(n: usize, bits: u32) -> Vec<u64> {
    (0..n).filter(|i| bits >> i & 1 == 1).map(|i| i as u64 + 1).collect()
}

/// Returns the known value of each of `ids`.
fn of<T: Copy>(known: &[T], ids: &[u64]) -> Vec<T> {
    ids.iter().map(|&id| known[id as usize - 1]).collect()
}

const ACKS: [Option<u64>; 5] = [None, Some(0), Some(1), Some(2), Some(3)];
const VOTES: [Option<bool>; 3] = [None, Some(false), Some(true)];

#[test]
fn an_index_is_committed_once_more_than_half_have_it() {
    for n in 0..=8 {
        let ids: Vec<u64> = (1..=n as u64).collect();
        // From six nodes on, two values are enough: only above or below matters (the 0-1
        // principle).
        let values = if n <= 5 { &ACKS[..] } else { &ACKS[2..4] };
        assignments(n, values, |acks| {
            let got = majority_committed(&ids, |id| acks[id as usize - 1]);
            assert_eq!(got, counted(acks), "{acks:?}");
        });
    }
}

#[test]
fn an_index_is_committed_jointly_once_both_halves_have_it() {
    for n in 1..=5 {
        let values = if n <= 4 { &ACKS[..] } else { &ACKS[1..4] };
        for bits in 0..1 << (2 * n) {
            let incoming = subset(n, bits);
            let outgoing = subset(n, bits >> n);
            assignments(n, values, |acks| {
                let got = joint_committed(&incoming, &outgoing, |id| acks[id as usize - 1]);
                let want = counted(&of(acks, &incoming)).min(counted(&of(acks, &outgoing)));
                assert_eq!(got, want, "{incoming:?} && {outgoing:?}: {acks:?}");
            });
        }
    }
}

#[test]
fn a_vote_is_won_by_more_than_half_and_lost_when_that_is_out_of_reach() {
    for n in 0..=7 {
        let ids: Vec<u64> = (1..=n as u64).collect();
        assignments(n, &VOTES, |votes| {
            let got = majority_vote(&ids, |id| votes[id as usize - 1]);
            assert_eq!(got, voted(votes), "{votes:?}");
        });
    }
}

#[test]
fn a_joint_vote_needs_both_halves_and_either_can_refuse_it() {
    for n in 1..=5 {
        for bits in 0..1 << (2 * n) {
            let incoming = subset(n, bits);
            let outgoing = subset(n, bits >> n);
            assignments(n, &VOTES, |votes| {
                let got = joint_vote(&incoming, &outgoing, |id| votes[id as usize - 1]);
                let halves = [voted(&of(votes, &incoming)), voted(&of(votes, &outgoing))];
                let want = if halves.contains(&VoteResult::Lost) {
                    VoteResult::Lost
                } else if halves.contains(&VoteResult::Pending) {
                    VoteResult::Pending
                } else {
                    VoteResult::Won
                };
                assert_eq!(got, want, "{incoming:?} && {outgoing:?}: {votes:?}");
            });
        }
    }
}

#[test]
fn two_votes_are_never_both_won_by_different_voters() {
    for n in 1..=5 {
        for bits in 0..1 << (2 * n) {
            let incoming = subset(n, bits);
            let outgoing = subset(n, bits >> n);
            if incoming.is_empty() && outgoing.is_empty() {
                continue;
            }
            for side in 0..1_u32 << n {
                let a = joint_vote(&incoming, &outgoing, |id| Some(side >> (id - 1) & 1 == 1));
                let b = joint_vote(&incoming, &outgoing, |id| Some(side >> (id - 1) & 1 == 0));
                assert!(a != VoteResult::Won || b != VoteResult::Won, "{incoming:?} && {outgoing:?}: {side:b}");
            }
        }
    }
}

/// The larger sizes, with indexes from the whole range.
#[test]
fn many_voters_commit_what_more_than_half_have() {
    // xorshift64 with a fixed seed: every run is equal.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for n in (1..40).chain([MAX_VOTERS - 1, MAX_VOTERS]) {
        let ids: Vec<u64> = (1..=n as u64).collect();
        for round in 0..20 {
            let mut acks = Vec::new();
            for _ in 0..n {
                let ack = random();
                acks.push((ack % 5 != 0).then_some(if round % 2 == 0 { ack } else { ack % 10 }));
            }
            let got = majority_committed(&ids, |id| acks[id as usize - 1]);
            assert_eq!(got, counted(&acks), "{acks:?}");
        }
    }
}

#[test]
fn above_the_limit_nothing_is_committed_and_votes_still_count() {
    let ids: Vec<u64> = (1..=MAX_VOTERS as u64 + 1).collect();
    assert_eq!(majority_committed(&ids, |_| Some(7)), 0);
    assert_eq!(joint_committed(&[1], &ids, |_| Some(7)), 0);
    assert_eq!(joint_committed(&ids, &[1], |_| Some(7)), 0);
    assert_eq!(majority_vote(&ids, |_| Some(true)), VoteResult::Won);
}

#[test]
fn without_voters_everything_is_committed_and_won() {
    assert_eq!(majority_committed(&[], |_| None), u64::MAX);
    assert_eq!(joint_committed(&[], &[], |_| None), u64::MAX);
    assert_eq!(joint_committed(&[], &[1], |_| Some(4)), 4);
    assert_eq!(joint_committed(&[1], &[], |_| Some(4)), 4);
    assert_eq!(joint_vote(&[], &[], |_| None), VoteResult::Won);
    assert_eq!(joint_vote(&[], &[1], |_| None), VoteResult::Pending);
}

#[test]
fn each_voter_is_asked_once_in_order() {
    for n in 0..=9 {
        let ids: Vec<u64> = (1..=n).collect();
        let mut asked = Vec::new();
        majority_committed(&ids, |id| {
            asked.push(id);
            Some(id)
        });
        assert_eq!(asked, ids);
        asked.clear();
        majority_vote(&ids, |id| {
            asked.push(id);
            Some(true)
        });
        assert_eq!(asked, ids);
    }
}
