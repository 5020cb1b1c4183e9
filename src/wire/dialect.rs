//! What differs between raftpb and eraftpb in the scalars of a message: the vote requests, and their
//! answers.
//!
//! The core's own head is that of raftpb. [`read_dialect`] turns a message of eraftpb into this
//! form, and [`write_head_of`] a head into the bytes of eraftpb. Everything else is equal in both,
//! but for entries with contexts (`entries`) and the numbers of changes (`change`).
//!
//! Source of the numbers: eraftpb.proto of raft-rs 0.7.

use super::cursor::{Head, MessageView};
use super::encode::{head_before_context, write_head, write_tail};
use crate::error::{Error, Result};
use crate::types::{Dialect, MessageKind};

/// Turns a message of the dialect into the core's form.
///
/// # Errors
/// [`Error::Decode`]: a number where raftpb has nested messages.
pub(crate) fn read_dialect(dialect: Dialect, m: &mut MessageView<'_>) -> Result<()> {
    match dialect {
        Dialect::Raftpb if m.eraftpb.old_priority.is_some() => Err(Error::Decode),
        Dialect::Raftpb => Ok(()),
        Dialect::Eraftpb => {
            if is_of_election(m.head.kind) {
                m.head.reject_hint = m.eraftpb.commit_term;
                if m.head.priority == 0 {
                    let old = m.eraftpb.old_priority.unwrap_or(0);
                    m.head.priority = i64::try_from(old).unwrap_or(i64::MAX);
                }
            }
            Ok(())
        }
    }
}

/// Writes a head as [`write_head`] does, in a dialect.
#[inline]
pub(crate) fn write_head_of(dialect: Dialect, out: &mut [u8], head: &Head, context: &[u8]) -> usize {
    if dialect == Dialect::Eraftpb && is_of_election(head.kind) {
        return write_election_head(out, head, context);
    }
    write_head(out, head, context)
}

#[inline(never)]
fn write_election_head(out: &mut [u8], head: &Head, context: &[u8]) -> usize {
    let mut w = head_before_context(out, &Head { reject_hint: 0, ..*head });
    w.data(0x62, context);
    w.scalar(0x68, head.vote);
    w.scalar(0x70, u64::try_from(head.priority).unwrap_or(0));
    w.scalar(0x78, head.reject_hint);
    write_tail(w, &Head { vote: 0, ..*head }, &[])
}

/// Kinds whose `reject_hint` is the term of the commit index.
fn is_of_election(kind: MessageKind) -> bool {
    use MessageKind::{PreVote, PreVoteResp, Vote, VoteResp};
    matches!(kind, Vote | VoteResp | PreVote | PreVoteResp)
}
