//! Messages by outcome: the contents that must be equal in both libraries.

use protobuf::Message as _;
use raft::prelude::{EntryType, Message, MessageType};
use std::collections::{BTreeMap, BTreeSet};

/// Contexts of reads by raft-rs are longer here than contexts by raftcore, with 8 or 16 bytes. So a
/// context shows the library.
pub const SHORTEST_READ_CONTEXT: usize = 17;

/// A message by outcome.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    pub to: u64,
    pub kind: i32,
    pub term: u64,
    pub log_term: u64,
    pub index: u64,
    pub commit: u64,
    pub reject: bool,
    pub reject_hint: u64,
    /// The index that a requested snapshot must cover; 0: no request.
    pub request: u64,
    /// Term, index, kind, data, context.
    pub entries: Vec<(u64, u64, u8, Vec<u8>, Vec<u8>)>,
    /// Index, term and data.
    pub snapshot: Option<(u64, u64, Vec<u8>)>,
    /// The token of a forwarded or answered read; 0: not known.
    pub read: u64,
}

/// Reads a message of either library.
pub fn parse(bytes: &[u8]) -> Message {
    let mut m = Message::default();
    m.merge_from_bytes(bytes).expect("a message");
    m
}

/// Returns a message by outcome.
pub fn said(to: u64, bytes: &[u8]) -> Said {
    let m = parse(bytes);
    let kind = m.get_msg_type();
    let context_is_data = matches!(kind, MessageType::MsgReadIndex | MessageType::MsgReadIndexResp);
    let tells_commit = matches!(kind, MessageType::MsgAppend | MessageType::MsgHeartbeat);
    let mut entries = Vec::new();
    for entry in m.get_entries().iter().filter(|_| !context_is_data) {
        let number = match entry.get_entry_type() {
            EntryType::EntryNormal => 0,
            EntryType::EntryConfChange => 1,
            EntryType::EntryConfChangeV2 => 2,
        };
        entries.push((entry.term, entry.index, number, entry.data.to_vec(), entry.context.to_vec()));
    }
    let snapshot = (kind == MessageType::MsgSnapshot).then(|| {
        let meta = m.get_snapshot().get_metadata();
        (meta.index, meta.term, m.get_snapshot().data.to_vec())
    });
    Said {
        to,
        kind: kind as i32,
        term: m.term,
        log_term: m.log_term,
        index: m.index,
        commit: if tells_commit { m.commit } else { 0 },
        reject: m.reject,
        reject_hint: m.reject_hint,
        request: m.request_snapshot,
        entries,
        snapshot,
        read: 0,
    }
}

/// The contexts by raftcore for the reads of a schedule, with the tokens.
#[derive(Default)]
pub struct Contexts {
    tokens: BTreeMap<Vec<u8>, u64>,
    known: BTreeSet<u64>,
}

impl Contexts {
    /// Learns the contexts of forwarded reads: both sides of a member forward in the same order.
    pub fn learn(&mut self, ours: &[(u64, Vec<u8>)], theirs: &[(u64, Vec<u8>)]) {
        let passed_on = |messages: &[(u64, Vec<u8>)], by: Maker| -> Vec<Vec<u8>> {
            let mut contexts = Vec::new();
            for (_, bytes) in messages.iter().filter(|(_, bytes)| maker(bytes) == by) {
                let m = parse(bytes);
                if m.get_msg_type() == MessageType::MsgReadIndex {
                    contexts.push(context_of(&m));
                }
            }
            contexts
        };
        let mut new = passed_on(ours, Maker::Raftcore);
        new.retain(|context| !self.tokens.contains_key(context));
        let tokens = passed_on(theirs, Maker::RaftRs).iter().map(|context| token_of(context)).collect::<Vec<_>>();
        let tokens = tokens.into_iter().filter(|token| !self.known.contains(token)).collect::<Vec<_>>();
        for (context, token) in new.into_iter().zip(tokens) {
            self.tokens.insert(context, token);
            self.known.insert(token);
        }
    }

    /// Returns a message by outcome, with the token of a read.
    pub fn said(&self, to: u64, bytes: &[u8]) -> Said {
        let m = parse(bytes);
        let read = match m.get_msg_type() {
            MessageType::MsgReadIndex | MessageType::MsgReadIndexResp => match maker(bytes) {
                Maker::RaftRs => token_of(&context_of(&m)),
                _ => self.tokens.get(&context_of(&m)).copied().unwrap_or(0),
            },
            _ => 0,
        };
        Said { read, ..said(to, bytes) }
    }
}

fn token_of(context: &[u8]) -> u64 {
    context.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Returns the context of a read, in a heartbeat, an answer or a read.
fn context_of(m: &Message) -> Vec<u8> {
    match m.get_msg_type() {
        MessageType::MsgReadIndex | MessageType::MsgReadIndexResp => {
            m.get_entries().first().map_or_else(Vec::new, |entry| entry.data.to_vec())
        }
        MessageType::MsgHeartbeat | MessageType::MsgHeartbeatResponse => m.context.to_vec(),
        _ => Vec::new(),
    }
}

/// The library behind a context of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    Nobody,
    Raftcore,
    RaftRs,
}

/// Returns the maker of the context of a read, or of the heartbeats for a read. A heartbeat of
/// raftcore has a position of 8 bytes, and a heartbeat of raft-rs has the context of a read by either
/// library.
pub fn maker(bytes: &[u8]) -> Maker {
    let m = parse(bytes);
    let is_read = matches!(m.get_msg_type(), MessageType::MsgReadIndex | MessageType::MsgReadIndexResp);
    match context_of(&m).len() {
        0 => Maker::Nobody,
        8 => Maker::Raftcore,
        1..SHORTEST_READ_CONTEXT if is_read => Maker::Raftcore,
        _ => Maker::RaftRs,
    }
}
