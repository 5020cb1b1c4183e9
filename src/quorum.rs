//! Quorum arithmetic: the index that a majority has stored, and the state of a vote.
//!
//! While a joint membership is in force, both majorities decide (diss. §4.3). An entry is committed
//! once both majorities have stored the entry. A vote is won once both grant the vote, and lost as
//! soon as either refuses.
//!
//! Here: arithmetic over slices of distinct ids and a caller's look-up. Not here: who the voters
//! are (`membership`), and how far their logs reach (`peers`). The functions allocate nothing and
//! import no module of the crate. Without voters, everything is committed and every vote is won, so
//! that the empty half of a simple membership never decides. A caller without voters in both halves
//! must check first.
//!
//! Sources: paper §5.2, §5.3, §5.4.2; diss. §4.3; etcd's `quorum`.

#[cfg(test)]
mod tests;

/// The largest number of voters in a half of a membership: their indexes are sorted on the stack.
///
/// `membership` refuses a larger membership.
pub const MAX_VOTERS: usize = 256;

/// Up to this size, an insertion sort is faster than the general sort.
const SMALL: usize = 7;

/// How a vote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteResult {
    /// The missing votes can still decide the outcome.
    Pending,
    /// A majority can no longer be had.
    Lost,
    /// A majority granted the vote.
    Won,
}

/// Returns the highest index that a majority of `ids` has stored.
///
/// `acked` is called once for each id, in order; `None` counts as 0. Without ids, the result is
/// `u64::MAX`. Above [`MAX_VOTERS`] ids, the result is 0, the safe answer: nothing is committed.
/// Source: paper §5.3.
#[inline]
pub fn majority_committed(ids: &[u64], mut acked: impl FnMut(u64) -> Option<u64>) -> u64 {
    let mut at = |id: u64| acked(id).unwrap_or(0);
    match *ids {
        [] => u64::MAX,
        [a] => at(a),
        [a, b] => at(a).min(at(b)),
        [a, b, c] => median_of_3(at(a), at(b), at(c)),
        [a, b, c, d, e] => median_of_5([at(a), at(b), at(c), at(d), at(e)]),
        _ if ids.len() <= SMALL => sorted_committed::<SMALL>(ids, at),
        _ if ids.len() <= MAX_VOTERS => sorted_committed::<MAX_VOTERS>(ids, at),
        _ => 0,
    }
}

/// Returns the highest index committed in both halves of a joint membership.
///
/// `outgoing` is empty for a simple membership. Source: diss. §4.3.
#[inline]
pub fn joint_committed(incoming: &[u64], outgoing: &[u64], mut acked: impl FnMut(u64) -> Option<u64>) -> u64 {
    let new = majority_committed(incoming, &mut acked);
    if outgoing.is_empty() {
        return new;
    }
    new.min(majority_committed(outgoing, acked))
}

/// Returns the highest index that a majority of `ids` has stored and that members of two groups
/// have stored.
///
/// `stored` gives the index and the group of a member; group 0 is none. If all members are in one
/// group, the majority decides. If some have no group and no two groups can be found, all members
/// must have the index. Without ids, the result is `u64::MAX`; above [`MAX_VOTERS`] ids, 0. Source:
/// raft-rs 0.7, group commit.
#[inline(never)]
pub fn grouped_committed(ids: &[u64], mut stored: impl FnMut(u64) -> Option<(u64, u64)>) -> u64 {
    let mut room = [(0, 0); MAX_VOTERS];
    let Some(members) = room.get_mut(..ids.len()) else { return 0 };
    for (member, &id) in members.iter_mut().zip(ids) {
        *member = stored(id).unwrap_or((0, 0));
    }
    members.sort_by_key(|&(index, _)| core::cmp::Reverse(index));
    let Some(&(quorum, mut seen)) = members.get(ids.len() / 2) else { return u64::MAX };
    let mut one_group = true;
    for &(index, group) in members.iter() {
        if group == 0 {
            one_group = false;
        } else if seen == 0 {
            seen = group;
        } else if seen != group {
            return index.min(quorum);
        }
    }
    if one_group { quorum } else { members.last().map_or(0, |&(index, _)| index) }
}

/// Returns the state of a vote among `ids`. `vote` tells who granted or refused; `None` means no
/// answer.
///
/// Without ids, the vote is won. Source: paper §5.2.
#[inline]
pub fn majority_vote(ids: &[u64], mut vote: impl FnMut(u64) -> Option<bool>) -> VoteResult {
    let mut granted = 0;
    let mut missing = 0;
    for &id in ids {
        match vote(id) {
            Some(true) => granted += 1,
            Some(false) => {}
            None => missing += 1,
        }
    }
    let majority = ids.len() / 2 + 1;
    if ids.is_empty() || granted >= majority {
        VoteResult::Won
    } else if granted + missing >= majority {
        VoteResult::Pending
    } else {
        VoteResult::Lost
    }
}

/// Returns the state of a vote in a joint membership: both halves must grant, and either can
/// refuse.
///
/// `outgoing` is empty for a simple membership. Source: diss. §4.3.
#[inline]
pub fn joint_vote(incoming: &[u64], outgoing: &[u64], mut vote: impl FnMut(u64) -> Option<bool>) -> VoteResult {
    let new = majority_vote(incoming, &mut vote);
    let old = majority_vote(outgoing, vote);
    match (new, old) {
        (VoteResult::Won, VoteResult::Won) => VoteResult::Won,
        (VoteResult::Lost, _) | (_, VoteResult::Lost) => VoteResult::Lost,
        _ => VoteResult::Pending,
    }
}

/// The general case, for up to `N` ids. Out of line, so that the usual sizes do not pay for the
/// stack frame.
#[inline(never)]
fn sorted_committed<const N: usize>(ids: &[u64], mut at: impl FnMut(u64) -> u64) -> u64 {
    let n = ids.len();
    let mut room = [0; N];
    let Some(indexes) = room.get_mut(..n) else {
        return 0;
    };
    for (slot, &id) in indexes.iter_mut().zip(ids) {
        *slot = at(id);
    }
    if n <= SMALL {
        insertion_sort(indexes);
    } else {
        indexes.sort_unstable();
    }
    // In ascending order, as many nodes as this may lack an index that n / 2 + 1 have.
    let lacking = n - (n / 2 + 1);
    indexes.get(lacking).copied().unwrap_or(0)
}

/// Sorts by swapping neighbours.
#[inline]
fn insertion_sort(values: &mut [u64]) {
    for end in 1..values.len() {
        for at in (1..=end).rev() {
            if let Some([before, after]) = values.get_mut(at - 1..=at) {
                if *before <= *after {
                    break;
                }
                core::mem::swap(before, after);
            }
        }
    }
}

#[inline]
fn median_of_3(a: u64, b: u64, c: u64) -> u64 {
    a.min(b).max(a.max(b).min(c))
}

/// Returns the median of five. The lower of two pairs' minima and the higher of their maxima can't
/// be the median. The median of the remaining three is the median of all five.
#[inline]
fn median_of_5([a, b, c, d, e]: [u64; 5]) -> u64 {
    let low = a.min(b).max(c.min(d));
    let high = a.max(b).min(c.max(d));
    median_of_3(low, high, e)
}
