//! The operations of clients, the answers, and the check whether the history is linearizable.
//!
//! Each write writes a distinct value, so a register's history can be checked in n log n (Gibbons
//! and Korach, "Testing shared memories", 1997). All operations that wrote or read a value form a
//! zone, from the earliest end to the latest begin. If the earliest end comes first, the register
//! held the value during the whole zone, and two such zones must not overlap. If the latest begin
//! comes first, nobody need have seen the value, and the zone must not lie within a zone of the
//! first kind. `teeth` checks small histories with a plain search as well.

use crate::disk::KEYS;
use crate::law::{Law, Lawful, broken};

/// No answer came.
pub const NEVER: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Write,
    Read,
    Change,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Open,
    /// The entry is committed at this index, or the read was answered.
    Done(u64),
    /// Certainly not committed; or the read failed.
    Failed,
    Unknown,
    /// The node died before the answer.
    Lost,
}

/// An operation. Its number is the token and, of a write, the value.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub kind: Kind,
    pub key: usize,
    pub node: u64,
    pub life: u64,
    /// The operation was proposed at a node that did not lead.
    pub forwarded: bool,
    pub begin: u64,
    pub end: u64,
    /// Highest acknowledged index, of all clients, at the begin.
    pub floor: u64,
    pub outcome: Outcome,
    /// The value that a read returned.
    pub value: u64,
}

#[derive(Clone, Copy, Debug)]
struct Zone {
    value: u64,
    written: u64,
    first_end: u64,
    last_begin: u64,
}

/// Whether the operations on all keys are linearizable. Operation n is `ops[n - 1]`.
pub fn check(ops: &[Op]) -> Lawful {
    (0..KEYS).try_for_each(|key| check_key(ops, key))
}

fn check_key(ops: &[Op], key: usize) -> Lawful {
    // By value; 0 is the initial value of a register.
    let mut zones: Vec<Zone> = vec![Zone { value: 0, written: 0, first_end: 0, last_begin: 0 }];
    let mut place = vec![usize::MAX; ops.len() + 1];
    place[0] = 0;
    for (value, op) in (1..).zip(ops).filter(|(_, op)| op.key == key && op.kind == Kind::Write) {
        if op.outcome != Outcome::Failed {
            place[value as usize] = zones.len();
            zones.push(Zone { value, written: op.begin, first_end: op.end, last_begin: op.begin });
        }
    }
    for (number, op) in (1..).zip(ops) {
        let (Kind::Read, Outcome::Done(_)) = (op.kind, op.outcome) else { continue };
        if op.key != key {
            continue;
        }
        let read = |what: &str| {
            let text = format!("read {number} of key {key} at node {} sees {}: {what}", op.node, op.value);
            broken(Law::Linearizable, text)
        };
        let Some(zone) = place.get(op.value as usize).and_then(|&at| zones.get_mut(at)) else {
            return read("nobody wrote it, or surely in vain");
        };
        if op.end <= zone.written {
            return read("it was written later");
        }
        zone.first_end = zone.first_end.min(op.end);
        zone.last_begin = zone.last_begin.max(op.begin);
    }
    check_zones(key, &zones)
}

fn check_zones(key: usize, zones: &[Zone]) -> Lawful {
    let (mut forward, backward): (Vec<Zone>, Vec<Zone>) = zones.iter().partition(|z| z.first_end < z.last_begin);
    forward.sort_unstable_by_key(|zone| zone.first_end);
    for pair in forward.windows(2) {
        if pair[1].first_end < pair[0].last_begin {
            let (one, other) = (pair[0], pair[1]);
            return broken(
                Law::Linearizable,
                format!(
                    "key {key}: {} was there at {} and {}, {} at {} and {}",
                    one.value, one.first_end, one.last_begin, other.value, other.first_end, other.last_begin
                ),
            );
        }
    }
    for zone in backward {
        let (begin, end) = (zone.last_begin, zone.first_end);
        let around = forward.partition_point(|other| other.first_end < begin).checked_sub(1).map(|at| forward[at]);
        if let Some(other) = around.filter(|other| end < other.last_begin) {
            return broken(
                Law::Linearizable,
                format!(
                    "key {key}: {} was there at {} and {}, and {} between {begin} and {end}",
                    other.value, other.first_end, other.last_begin, zone.value
                ),
            );
        }
    }
    Ok(())
}
