//! The requests of clients and operators, and the answers. Each token comes back once, with the
//! truth.

use crate::check::Checker;
use crate::disk::Record;
use crate::history::{Kind, NEVER, Op, Outcome};
use crate::hosts::MAX_NODES;
use crate::law::{Lawful, hold};
use crate::tally::{Tally, Witness};
use raftcore::{DropKind, Reason};

#[derive(Debug, Default)]
pub struct Book {
    /// Operation n is `ops[n - 1]`; n is the token.
    pub ops: Vec<Op>,
    /// By operation: the index of its first application; 0: not applied yet.
    places: Vec<u64>,
    /// Number of open operations, by node.
    open: [u64; MAX_NODES],
    /// Time of the clients. Every request and answer advances the clock.
    clock: u64,
}

impl Book {
    fn now(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Returns the number of the next operation.
    pub fn next(&self) -> u64 {
        self.ops.len() as u64 + 1
    }

    pub fn begin(&mut self, kind: Kind, key: usize, (node, life): (u64, u64), forwarded: bool, floor: u64) -> u64 {
        let begin = self.now();
        self.ops.push(Op {
            kind,
            key,
            node,
            life,
            forwarded,
            begin,
            end: NEVER,
            floor,
            outcome: Outcome::Open,
            value: 0,
        });
        self.places.push(0);
        self.open[node as usize] += 1;
        self.ops.len() as u64
    }

    /// Withdraws the newest operation, since the node refused it.
    pub fn withdraw(&mut self, token: u64) {
        if token == self.ops.len() as u64 {
            let op = self.ops.pop();
            op.into_iter().for_each(|op| self.open[op.node as usize] -= 1);
            self.places.pop();
        }
    }

    fn open(&mut self, node: (u64, u64), token: u64) -> Lawful<&mut Op> {
        let op = token.checked_sub(1).and_then(|at| self.ops.get_mut(at as usize));
        let Some(op) = op else {
            return crate::law::broken(crate::law::Law::TokenOnce, format!("node {} gives token {token}", node.0));
        };
        hold!(
            TokenOnce,
            op.outcome == Outcome::Open && (op.node, op.life) == node,
            "token {token} of node {} comes back at node {} after it was {:?}",
            op.node,
            node.0,
            op.outcome
        );
        self.open[node.0 as usize] -= 1;
        Ok(op)
    }

    /// Records a token returned with a committed entry.
    pub fn committed(&mut self, node: (u64, u64), token: u64, index: u64, checker: &mut Checker) -> Lawful {
        let now = self.now();
        let op = self.open(node, token)?;
        hold!(TokenTruth, op.kind != Kind::Read, "read {token} comes back as committed");
        (op.outcome, op.end) = (Outcome::Done(index), now);
        let kind = op.kind;
        checker.acknowledged = checker.acknowledged.max(index);
        // None: a snapshot arrived before any node applied the entry.
        checker.applied_at(index).map_or(Ok(()), |record| Self::is_its_entry(kind, token, index, record))
    }

    fn is_its_entry(kind: Kind, token: u64, index: u64, record: &Record) -> Lawful {
        let its = match kind {
            Kind::Write => record.write().is_some_and(|(op, _)| op == token),
            _ => record.kind.is_change(),
        };
        hold!(TokenTruth, its, "token {token} comes back with another's entry at {index}: {record:?}");
        Ok(())
    }

    /// Records a token returned without an entry.
    pub fn dropped(&mut self, node: (u64, u64), token: u64, what: DropKind, why: Reason, tally: &mut Tally) -> Lawful {
        let now = self.now();
        let place = token.checked_sub(1).and_then(|at| self.places.get(at as usize)).copied().unwrap_or(0);
        let op = self.open(node, token)?;
        hold!(TokenTruth, (op.kind == Kind::Read) == (what == DropKind::Read), "token {token}: {what:?} of {op:?}");
        match what {
            DropKind::Read => (op.outcome, op.end) = (Outcome::Failed, now),
            DropKind::NotCommitted => {
                hold!(TokenTruth, place == 0, "token {token} is told to be not committed, and is, at {place}");
                (op.outcome, op.end) = (Outcome::Failed, now);
                tally.saw(Witness::TokenOverwritten);
            }
            DropKind::Unknown => {
                let true_cause = match why {
                    Reason::Forwarded => op.forwarded,
                    Reason::CoveredBySnapshot => !op.forwarded,
                    _ => false,
                };
                hold!(TokenTruth, true_cause, "token {token} is told to be unknown: {why:?}, {op:?}");
                op.outcome = Outcome::Unknown;
                if why == Reason::CoveredBySnapshot {
                    tally.saw(Witness::TokenCovered);
                }
            }
        }
        Ok(())
    }

    /// Records a read that may be served. `registers` are from the state machine.
    pub fn answered(&mut self, node: (u64, u64), token: u64, index: u64, registers: &[u64]) -> Lawful {
        let now = self.now();
        let op = self.open(node, token)?;
        hold!(TokenTruth, op.kind == Kind::Read, "token {token} is answered as a read: {op:?}");
        hold!(
            FreshRead,
            index >= op.floor,
            "node {} answers read {token} at {index}, {} was acknowledged before it began",
            node.0,
            op.floor
        );
        (op.outcome, op.end) = (Outcome::Done(index), now);
        op.value = registers.get(op.key).copied().unwrap_or(0);
        Ok(())
    }

    /// Records the first time that an entry is applied on a node.
    pub fn applied(&mut self, index: u64, record: &Record, tally: &mut Tally) -> Lawful {
        let Some((token, _)) = record.write() else { return Ok(()) };
        let Some(op) = token.checked_sub(1).and_then(|at| self.ops.get(at as usize)) else { return Ok(()) };
        hold!(TokenTruth, op.outcome != Outcome::Failed, "{token} was told to be not committed, and is, at {index}");
        let place = &mut self.places[token as usize - 1];
        if *place != 0 && *place != index {
            // A forwarded operation may arrive twice, since its outcome is reported as unknown.
            hold!(TokenOnce, op.forwarded, "operation {token} is committed at {place} and {index}: {op:?}");
            tally.saw(Witness::ForwardedTwice);
        }
        *place = index;
        Ok(())
    }

    /// Forgets the open operations of a node that died. No answer will come.
    pub fn died(&mut self, node: u64) {
        self.open[node as usize] = 0;
        for op in self.ops.iter_mut().filter(|op| op.node == node && op.outcome == Outcome::Open) {
            op.outcome = Outcome::Lost;
        }
    }

    /// Whether a node has returned every token.
    pub fn is_even(&self, node: u64) -> bool {
        self.open[node as usize] == 0
    }

    /// Returns the tokens that a node has not returned.
    pub fn open_at(&self, node: u64) -> Vec<u64> {
        let open = (1..).zip(&self.ops).filter(|(_, op)| op.node == node && op.outcome == Outcome::Open);
        open.map(|(number, _)| number).collect()
    }
}
