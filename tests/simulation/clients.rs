//! The users of the group: clients that write and read, operators that change the membership.

use crate::disk::{Disk, KEYS, write_bytes};
use crate::history::Kind;
use crate::host::{Host, SKIP};
use crate::hosts::MAX_NODES;
use crate::law::Lawful;
use crate::plan::Fault;
use crate::tally::Witness;
use crate::world::World;
use raftcore::*;

impl World {
    pub fn clients(&mut self) -> Lawful {
        let (writes, reads) =
            (self.clients.chance(self.bench.plan.proposals), self.clients.chance(self.bench.plan.reads));
        let burst = if self.clients.rarely(20) { self.clients.between(2, 12) } else { 1 }.max(self.bench.plan.burst);
        if writes {
            for _ in 0..burst {
                let len = self.clients.between(9, self.bench.plan.payload.max(9));
                let Some(id) = self.somebody() else { break };
                if !self.propose_at(id, len)? {
                    break;
                }
            }
        }
        // A superseded leader is the first to get a read, since it may not know of its successor.
        let superseded = self.hosts.values().filter(|host| host.leads() && host.paused_until == 0);
        let superseded = superseded.min_by_key(|host| host.status.term).map(|host| host.id);
        if let Some(old) = superseded.filter(|&id| self.leader() != Some(id)) {
            self.read_at(old, 0)?;
        }
        if reads {
            let (key, id) = (self.clients.below(KEYS as u64) as usize, self.somebody());
            id.map_or(Ok(()), |id| self.read_at(id, key).map(|_| ()))?;
        }
        Ok(())
    }

    /// Returns the hosts that are not paused.
    fn awake(&self) -> Vec<u64> {
        self.hosts.values().filter(|host| host.paused_until == 0).map(|host| host.id).collect()
    }

    /// Picks a node for a client: mostly a leader, or a node that believes to lead.
    fn somebody(&mut self) -> Option<u64> {
        let mut list = self.awake();
        let (near, any) = (self.clients.chance(70), self.clients.next());
        if near && list.iter().any(|id| self.hosts.get(id).is_some_and(Host::leads)) {
            list.retain(|id| self.hosts.get(id).is_some_and(Host::leads));
        }
        if list.is_empty() { None } else { list.get((any % list.len() as u64) as usize).copied() }
    }

    /// Proposes a write to a random key. Returns whether the node accepted it.
    pub fn propose_at(&mut self, id: u64, len: u64) -> Lawful<bool> {
        let (token, key) = (self.bench.book.next(), self.clients.below(KEYS as u64) as usize);
        self.with(id, |host, b| {
            let forwarded = !host.leads();
            let floor = b.checker.acknowledged;
            b.book.begin(Kind::Write, key, host.name(), forwarded, floor);
            let done = host.driver.propose(&write_bytes(token, key, len), token);
            // A refused write never existed. If the process dies during the call, the outcome is
            // unknown.
            let refused = matches!(done, Ok(Err(_)));
            if refused {
                b.book.withdraw(token);
            }
            host.may_fail("propose", done?, &[Error::NoLeader, Error::NotLeader, Error::Full])?;
            host.look(b)?;
            Ok(())
        })?;
        Ok(self.bench.book.next() > token)
    }

    /// Requests a read of a key. Returns whether the node accepted it.
    pub fn read_at(&mut self, id: u64, key: usize) -> Lawful<bool> {
        let token = self.bench.book.next();
        self.with(id, |host, b| {
            let floor = b.checker.acknowledged;
            b.book.begin(Kind::Read, key, host.name(), !host.leads(), floor);
            let done = host.driver.read_index(token);
            if matches!(done, Ok(Err(_))) {
                b.book.withdraw(token);
            }
            host.may_fail("read_index", done?, &[Error::NoLeader, Error::Full])?;
            host.look(b)?;
            Ok(())
        })?;
        Ok(self.bench.book.next() > token)
    }

    // ---- operators

    pub fn operate(&mut self) -> Lawful {
        let (change, transfer) =
            (self.operators.rarely(self.bench.plan.changes), self.operators.rarely(self.bench.plan.transfers));
        if change && (self.bench.has(Fault::Change) || self.bench.has(Fault::WipedDisk)) {
            let two = self.bench.has(Fault::TwoOperators);
            if two {
                self.bench.tally.fault(Fault::TwoOperators);
            }
            for _ in 0..1 + u64::from(two) {
                self.change()?;
            }
        }
        if transfer && self.bench.has(Fault::Transfer) {
            self.transfer()?;
        }
        Ok(())
    }

    fn transfer(&mut self) -> Lawful {
        let ids = self.awake();
        let (any, to, which) = (self.operators.pick(&ids), self.operators.pick(&ids), self.operators.below(10));
        let id = if which < 6 { self.leader() } else { any };
        let (Some(id), Some(to)) = (id, to) else { return Ok(()) };
        self.bench.tally.fault(Fault::Transfer);
        self.with(id, |host, b| {
            let done = match which {
                0 => host.driver.abort_transfer()?,
                1 => host.driver.transfer(0)?,
                _ => host.driver.transfer(to)?,
            };
            host.may_fail("transfer", done, &[Error::NoPeer, Error::NoLeader, Error::State])?;
            host.look(b)?;
            Ok(())
        })?;
        // Some operators are impatient with the target.
        let impatient = self.operators.below(6);
        if impatient > 1 || self.hosts.get(&to).is_none_or(|host| host.paused_until > 0) {
            return Ok(());
        }
        self.with(to, |host, b| {
            let done = if impatient == 0 { host.driver.campaign()? } else { host.driver.forget_leader()? };
            host.may_fail("campaign", done, &[])?;
            host.look(b)?;
            Ok(())
        })
    }

    /// Proposes a change at a leader, or a node that believes to lead; sometimes at a random node.
    fn change(&mut self) -> Lawful {
        let ids = self.awake();
        let leaders: Vec<u64> = ids.iter().copied().filter(|id| self.hosts.get(id).is_some_and(Host::leads)).collect();
        let anywhere = self.operators.chance(15);
        let Some(id) = self.operators.pick(if anywhere || leaders.is_empty() { &ids } else { &leaders }) else {
            return Ok(());
        };
        let Some(host) = self.hosts.get(&id) else { return Ok(()) };
        let conf = host.conf.clone();
        let mut changes = self.replacement(&conf);
        if changes.is_empty() && self.bench.has(Fault::Change) {
            changes = self.some_changes();
        }
        let encoding = match self.operators.below(5) {
            0 if changes.len() == 1 => ChangeEncoding::V1,
            1 => ChangeEncoding::V2(Transition::JointImplicit),
            2 => ChangeEncoding::V2(Transition::JointExplicit),
            _ => ChangeEncoding::V2(Transition::Auto),
        };
        if conf.is_joint() {
            changes.clear();
        } else if changes.is_empty() {
            return Ok(());
        }
        let encoding = if changes.is_empty() { ChangeEncoding::V2(Transition::Auto) } else { encoding };
        // A host that skips the entry for leaving a joint configuration would stay in it.
        let skip = !changes.is_empty() && self.operators.chance(25);
        self.propose_change(id, &changes, encoding, if skip { &[SKIP] } else { b"" })?;
        // A second operator wants to transfer leadership to a node that is about to be removed.
        let target = self.operators.pick(&changes).filter(|change| change.kind != ChangeKind::AddNode);
        let hasty = self.operators.chance(30) && self.bench.has(Fault::Transfer);
        if let Some(target) = target.filter(|_| hasty) {
            self.bench.tally.fault(Fault::Transfer);
            self.with(id, |host, b| {
                let done = host.driver.transfer(target.id)?;
                host.may_fail("transfer", done, &[Error::NoPeer, Error::NoLeader])?;
                host.look(b)?;
                Ok(())
            })?;
        }
        self.prepare(&changes)
    }

    fn propose_change(&mut self, id: u64, changes: &[Change], how: ChangeEncoding, context: &[u8]) -> Lawful {
        let token = self.bench.book.next();
        self.bench.tally.fault(Fault::Change);
        self.changed_at = self.bench.now;
        self.with(id, |host, b| {
            let floor = b.checker.acknowledged;
            b.book.begin(Kind::Change, 0, host.name(), !host.leads(), floor);
            let done = host.driver.propose_conf(changes, how, context, token);
            if matches!(done, Ok(Err(_))) {
                b.book.withdraw(token);
            }
            host.may_fail(
                "propose_conf",
                done?,
                &[Error::NoLeader, Error::NotLeader, Error::Full, Error::Conf, Error::ConfBusy],
            )?;
            host.look(b)?;
            Ok(())
        })
    }

    /// Returns changes that replace a node with a lost disk by a node with a new id.
    fn replacement(&mut self, conf: &crate::check::Conf) -> Vec<Change> {
        let Some(&gone) = self.wiped.keys().find(|&&id| conf.is_member(id)) else { return Vec::new() };
        let fresh = (7..MAX_NODES as u64 - 1).find(|id| !self.wiped.contains_key(id) && !conf.is_member(*id));
        let Some(fresh) = fresh else { return Vec::new() };
        self.bench.tally.saw(Witness::DiskReplaced);
        vec![Change { kind: ChangeKind::RemoveNode, id: gone }, Change { kind: ChangeKind::AddNode, id: fresh }]
    }

    fn some_changes(&mut self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        let updates = self.bench.plan.dialect() == raftcore::Dialect::Raftpb;
        for _ in 0..1 + self.operators.below(3) {
            let kind = match self.operators.below(8) {
                0 | 1 => ChangeKind::RemoveNode,
                2 | 3 => ChangeKind::AddLearner,
                4 if self.operators.chance(20) && updates => ChangeKind::UpdateNode,
                _ => ChangeKind::AddNode,
            };
            let id = 1 + self.operators.below(6);
            let again = kind != ChangeKind::RemoveNode && self.removed.contains(&id);
            if self.wiped.contains_key(&id) || again && !self.bench.has(Fault::RemoveReadd) {
                continue;
            }
            if again {
                self.bench.tally.fault(Fault::RemoveReadd);
                self.bench.tally.saw(Witness::Readded);
            }
            if changes.iter().all(|change| change.id != id) {
                changes.push(Change { kind, id });
            }
        }
        changes
    }

    /// Prepares the disks: empty for a new node, the old disk for a node that returns.
    fn prepare(&mut self, changes: &[Change]) -> Lawful {
        for change in changes {
            if change.kind == ChangeKind::RemoveNode {
                self.removed.insert(change.id);
            } else if !self.hosts.contains_key(&change.id) && !self.graves.contains_key(&change.id) {
                self.boot(change.id, Disk::default())?;
            }
        }
        Ok(())
    }
}
