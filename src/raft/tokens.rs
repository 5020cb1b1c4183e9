//! The tokens of waiting entries, and the single outcome of each token.
//!
//! A token comes back exactly once. Committed: with the entry. Not committed: once a different entry
//! is committed at the token's index, or an entry of a later term at or below the index. Unknown:
//! after forwarding, or if a snapshot covers the entry.
//!
//! The token of an overwritten entry waits for the outcome, since the entry may return and commit
//! (A, B, then A again).

use crate::error::{Error, Result};
use crate::event::Reason;
use crate::types::{Index, Term};
use std::collections::VecDeque;

/// The outcome of a token that does not come back with its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum DropKind {
    /// Certainly not committed: a different entry was committed at the index, or an entry of a
    /// later term below the index.
    NotCommitted = 1,
    /// Committed or not: forwarded, or covered by a snapshot.
    Unknown = 2,
    /// A read without an answer: start the read again.
    Read = 3,
}

/// A token that comes back without an entry or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dropped {
    /// The token.
    pub token: u64,
    /// The outcome.
    pub what: DropKind,
    /// The reason.
    pub reason: Reason,
}

/// A token whose entry was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Done {
    /// The token.
    pub token: u64,
    /// Index at which the entry was committed.
    pub index: Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub index: Index,
    pub term: Term,
    pub token: u64,
}

/// Sorted by index, then term.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub waiting: VecDeque<Waiting>,
    /// For the next ready.
    pub dropped: Vec<Dropped>,
    /// Term of the last committed entry. Above that entry no token of an older term waits.
    settled_term: Term,
}

impl Tokens {
    /// Reserves room for `count` more tokens and their drops, and for `reads` dropped reads.
    #[inline]
    pub fn reserve(&mut self, count: usize, reads: usize, max: u32) -> Result<()> {
        if count == 0 { Ok(()) } else { self.reserve_some(count, reads, max) }
    }

    #[inline(never)]
    fn reserve_some(&mut self, count: usize, reads: usize, max: u32) -> Result<()> {
        if self.waiting.len() + self.dropped.len() + count > max as usize {
            return Err(Error::Full);
        }
        self.waiting.try_reserve(count).map_err(|_| Error::NoMem)?;
        self.reserve_drops(self.waiting.len() + count + reads)
    }

    pub fn reserve_drops(&mut self, count: usize) -> Result<()> {
        self.dropped.try_reserve(count).map_err(|_| Error::NoMem)
    }

    /// Adds the token of a new entry of this node.
    #[inline]
    pub fn add(&mut self, index: Index, term: Term, token: u64) {
        if token == 0 {
            return;
        }
        let new = Waiting { index, term, token };
        match self.waiting.back() {
            // A token of an earlier, longer log waits above. Insert the new token below.
            Some(last) if (last.index, last.term) > (index, term) => {
                let at = self.waiting.partition_point(|w| (w.index, w.term) <= (index, term));
                self.waiting.insert(at, new);
            }
            _ => self.waiting.push_back(new),
        }
    }

    pub fn drop_now(&mut self, token: u64, what: DropKind, reason: Reason) {
        self.dropped.push(Dropped { token, what, reason });
    }

    /// Settles the tokens up to `last`, whose entries are committed and returned. A token comes
    /// back with its entry, or is dropped if a different entry was committed.
    ///
    /// Tokens above `last` wait, unless their term is older than the last committed entry's. Every
    /// later leader has that entry, and after the entry nothing of an older term. Such tokens would
    /// wait until the log is as long again, and would use up the places of new proposals.
    pub fn settle(&mut self, last: Index, term_at: impl Fn(Index) -> Option<Term>, done: &mut Vec<Done>) {
        while let Some(&Waiting { index, term, token }) = self.waiting.front() {
            if index > last || (done.len() == done.capacity() && done.try_reserve(1).is_err()) {
                break;
            }
            self.waiting.pop_front();
            if term_at(index) == Some(term) {
                done.push(Done { token, index });
            } else {
                self.drop_now(token, DropKind::NotCommitted, Reason::Overwritten);
            }
        }
        let committed = term_at(last).unwrap_or(0);
        if committed > self.settled_term {
            self.settled_term = committed;
            let Self { waiting, dropped, .. } = self;
            waiting.retain(|w| {
                let lives = w.index <= last || w.term >= committed;
                if !lives {
                    let (what, reason) = (DropKind::NotCommitted, Reason::Overwritten);
                    dropped.push(Dropped { token: w.token, what, reason });
                }
                lives
            });
        }
    }

    /// Drops the tokens up to `index`, where a snapshot replaced the entries. Their outcome is
    /// unknown.
    pub fn cover(&mut self, index: Index) {
        while self.waiting.front().is_some_and(|w| w.index <= index) {
            if let Some(w) = self.waiting.pop_front() {
                self.drop_now(w.token, DropKind::Unknown, Reason::CoveredBySnapshot);
            }
        }
    }

    /// Gives back memory. Room stays for the drops of all waiting tokens and of `reads` reads.
    pub fn trim(&mut self, reads: usize) {
        self.waiting.shrink_to_fit();
        self.dropped.shrink_to(self.dropped.len() + self.waiting.len() + reads);
    }

    pub fn memory(&self) -> u64 {
        (self.waiting.capacity() * size_of::<Waiting>() + self.dropped.capacity() * size_of::<Dropped>()) as u64
    }

    /// Copies the tokens, with room to drop all waiting tokens and `reads` reads.
    pub fn try_clone(&self, reads: usize) -> Result<Self> {
        let mut waiting = VecDeque::new();
        waiting.try_reserve(self.waiting.len()).map_err(|_| Error::NoMem)?;
        waiting.extend(self.waiting.iter().copied());
        let mut dropped = Vec::new();
        dropped.try_reserve(self.waiting.len() + self.dropped.len() + reads).map_err(|_| Error::NoMem)?;
        dropped.extend_from_slice(&self.dropped);
        Ok(Self { waiting, dropped, settled_term: self.settled_term })
    }
}
