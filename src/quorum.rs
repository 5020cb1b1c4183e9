//! Tells what a majority has stored, and how a vote stands.
//!
//! While a joint configuration is in force, both of its majorities decide (diss. §4.3): an index is
//! committed once both have it, a vote is won once both grant it, and lost as soon as one refuses.
//!
//! Here: arithmetic over slices of distinct ids and a caller's look-up. Not here: who the voters are
//! (`membership`), what they stored (`peers`). Nothing allocates; nothing of the crate is imported.
//! Convention for no voters at all: everything is committed and every vote is won, so that the
//! empty half of a configuration that is not joint never decides. A caller that can have no voters
//! in either half must ask for that first.
//! Sources: paper §5.2, §5.3, §5.4.2; diss. §4.3; etcd's `quorum`.

#[cfg(test)]
mod tests;

/// The most voters that one half of a configuration may have: their indexes are sorted on the stack.
///
/// `membership` refuses a configuration above it.
pub const MAX_VOTERS: usize = 256;

/// Up to here an insertion sort is quicker than the general one.
const SMALL: usize = 7;

/// How a vote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteResult {
    /// The missing votes can still decide either way.
    Pending,
    /// A majority can no longer be had.
    Lost,
    /// A majority granted it.
    Won,
}

/// The highest index that a majority of `ids` has stored.
///
/// `acked` is asked once for each id, in order; `None` counts as 0. Without ids `u64::MAX`. Above
/// [`MAX_VOTERS`] ids 0, which commits nothing: the safe answer to a question nobody may ask.
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

/// The highest index that is committed in both halves of a joint configuration.
///
/// `outgoing` is empty for a configuration that is not joint. Source: diss. §4.3.
#[inline]
pub fn joint_committed(incoming: &[u64], outgoing: &[u64], mut acked: impl FnMut(u64) -> Option<u64>) -> u64 {
    let new = majority_committed(incoming, &mut acked);
    if outgoing.is_empty() {
        return new;
    }
    new.min(majority_committed(outgoing, acked))
}

/// How a vote among `ids` stands; `vote` tells who granted or refused it, `None` who did not answer.
///
/// Without ids it is won. Source: paper §5.2.
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

/// How a vote in a joint configuration stands: both halves must grant it, either can refuse it.
///
/// `outgoing` is empty for a configuration that is not joint. Source: diss. §4.3.
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

/// The general case, for up to `N` ids. Kept out of line, so that the usual sizes do not pay for its
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
    // In ascending order this many may lack an index that n / 2 + 1 have.
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

/// Of two pairs, the lower of the minima and the higher of the maxima cannot be the median of five:
/// what is left of them and the fifth have it as theirs.
#[inline]
fn median_of_5([a, b, c, d, e]: [u64; 5]) -> u64 {
    let low = a.min(b).max(c.min(d));
    let high = a.max(b).min(c.max(d));
    median_of_3(low, high, e)
}
