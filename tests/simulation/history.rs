//! What clients asked and heard, and whether it is linearizable.
//!
//! Each write writes a value of its own, so a register's history can be judged in n log n (Gibbons and Korach, "Testing shared
//! memories", 1997): all operations that wrote or read one value form a zone, from its earliest end to its latest begin. If the earliest
//! end comes first, the value was in the register for all that time: two such zones may not overlap, and a zone of a value that nobody
//! need have seen (its begin comes first) may not lie within one. A plain search judges small histories the same way: see `teeth`.

use crate::disk::KEYS;
use crate::law::{Law, Lawful, broken};

/// Nothing was heard of it.
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
    /// Surely not committed; or the read failed.
    Failed,
    Unknown,
    /// Its node died first.
    Lost,
}

/// An operation; its number is its token and, of a write, its value.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub kind: Kind,
    pub key: usize,
    pub node: u64,
    pub life: u64,
    /// It was proposed at a node that did not lead.
    pub forwarded: bool,
    pub begin: u64,
    pub end: u64,
    /// Highest index that was acknowledged to anybody when it began.
    pub floor: u64,
    pub outcome: Outcome,
    /// What a read saw.
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
    // By value: 0 is what a register holds at first.
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
