//! The faults of a tick.

use crate::host::Host;
use crate::law::{Lawful, hold};
use crate::plan::Fault;
use crate::world::{Grave, World};
use prost::Message as _;
use raftcore::*;

impl World {
    pub fn trouble(&mut self) -> Lawful {
        let ids = self.hosts.ids();
        // Every kind draws in every tick, present or not; `rng` says why.
        let rate = self.bench.plan.trouble;
        let mut drawn = [false; 12];
        for hit in &mut drawn {
            *hit = self.chaos.rarely(rate);
        }
        let longest = if self.bench.plan.storms { 1 } else { 20 } * self.bench.plan.election_ticks();
        let (id, ticks) = (self.chaos.pick(&ids), self.chaos.between(1, longest));
        let (crash, compact) =
            (self.chaos.rarely(self.bench.plan.crashes), self.chaos.rarely(self.bench.plan.compactions));
        let (detail, forged) = (self.chaos.next(), self.chaos.next());
        if self.network.heals_at != 0 && self.bench.now >= self.network.heals_at {
            (self.network.cut, self.network.heals_at) = (Default::default(), 0);
        }
        let Some(id) = id else { return Ok(()) };
        let until = self.bench.now + ticks;
        let on = |world: &Self, at: usize, fault: Fault| drawn[at] && world.bench.has(fault);
        if on(self, 0, Fault::Partition) {
            self.cut_off(&ids, id, detail, until);
        }
        if on(self, 1, Fault::OneWay) {
            self.bench.tally.fault(Fault::OneWay);
            let others = ids.iter().filter(|&&other| other != id && detail >> other & 1 == 0);
            for &other in others {
                let (from, to) = if detail >> 40 & 1 == 0 { (id, other) } else { (other, id) };
                self.network.cut[from as usize] |= 1 << to;
            }
            self.network.heals_at = until;
        }
        if on(self, 2, Fault::Flapping) {
            self.bench.tally.fault(Fault::Flapping);
            let other = ids[(detail % ids.len() as u64) as usize];
            self.network.flapping = Some((id, other, until, 1 + detail % 7));
        }
        if on(self, 3, Fault::Pause) {
            self.bench.tally.fault(Fault::Pause);
            self.pause(id, until);
        }
        if on(self, 4, Fault::DiskStall)
            && let Some(host) = self.hosts.get_mut(&id)
        {
            self.bench.tally.fault(Fault::DiskStall);
            host.stalled_until = self.bench.now + 1 + detail % (5 * self.bench.plan.election_ticks());
        }
        if on(self, 5, Fault::CrashBetweenCalls)
            && let Some(host) = self.hosts.get_mut(&id)
        {
            self.bench.tally.fault(Fault::CrashBetweenCalls);
            host.driver.fuse = Some((detail % 12) as u32);
        }
        if on(self, 6, Fault::WipedDisk) {
            self.wipe(id)?;
        }
        // Nobody calls a paused process.
        let awake = self.hosts.get(&id).is_some_and(|host| host.paused_until == 0);
        if on(self, 7, Fault::StrayCall) && awake {
            self.stray_call(id, detail, &ids)?;
        }
        if on(self, 8, Fault::Forgery) && awake {
            self.forge(id, forged)?;
        }
        if compact && self.bench.has(Fault::Compaction) && awake {
            self.with(id, |host, b| host.compact(detail % 8, b))?;
        }
        if crash && self.bench.has(Fault::Crash) {
            self.bench.tally.fault(Fault::Crash);
            let short = detail % 4 != 0;
            let wait = if short { 1 + detail % (2 * self.bench.plan.election_ticks()) } else { ticks };
            // The crash of a leader is more interesting.
            let victim = if detail >> 20 & 1 == 0 { self.leader().unwrap_or(id) } else { id };
            self.crash(victim, self.bench.now + wait)?;
        }
        Ok(())
    }

    /// Makes a partition: a node alone, the leader alone, two halves, or a bridge that reaches both
    /// halves.
    fn cut_off(&mut self, ids: &[u64], id: u64, detail: u64, until: u64) {
        self.bench.tally.fault(Fault::Partition);
        let id = if detail & 3 == 1 { self.leader().unwrap_or(id) } else { id };
        let bridge = if detail & 3 == 3 { ids.iter().copied().find(|&other| other != id) } else { None };
        let inside = |node: u64| if detail & 3 < 2 { node == id } else { detail >> (8 + node) & 1 == 0 };
        self.network.cut = Default::default();
        for &a in ids {
            for &other in ids {
                if inside(a) != inside(other) && Some(a) != bridge && Some(other) != bridge {
                    self.network.cut[a as usize] |= 1 << other;
                }
            }
        }
        self.network.heals_at = until;
    }

    fn pause(&mut self, id: u64, until: u64) {
        let now = self.bench.now;
        if let Some(host) = self.hosts.get_mut(&id).filter(|host| host.paused_until == 0) {
            // While the host is paused, `speed.1` is the tick of the pause.
            (host.paused_until, host.speed.1) = (until, now);
        }
    }

    /// Loses a disk for good, if the group can do without it: all nodes live, and no other loss is
    /// being repaired.
    fn wipe(&mut self, id: u64) -> Lawful {
        let alone = self.graves.is_empty() && self.wiped.len() < 3;
        let fine = self.hosts.values().all(|host| {
            let whole = host.conf.members().iter().all(|member| self.hosts.contains_key(member));
            host.conf.voters.is_empty() || whole && !host.conf.is_joint() && host.conf.voters.len() >= 3
        });
        let pending = self.hosts.values().any(|host| host.changes.iter().any(|&index| index > host.machine.applied));
        // A change still in flight could remove a further node.
        let quiet = self.changed_at == 0 || self.bench.now > self.changed_at + 30 * self.bench.plan.election_ticks();
        if !alone || !quiet || !fine || pending || self.hosts.values().any(|host| host.conf.voters.is_empty()) {
            return Ok(());
        }
        self.bench.tally.fault(Fault::WipedDisk);
        self.crash(id, u64::MAX)?;
        if let Some(Grave { disk, .. }) = self.graves.remove(&id) {
            self.wiped.insert(id, disk);
        }
        Ok(())
    }

    /// Makes a call that a host may make at any time.
    fn stray_call(&mut self, id: u64, detail: u64, ids: &[u64]) -> Lawful {
        self.bench.tally.fault(Fault::StrayCall);
        let peer = ids[(detail >> 8) as usize % ids.len()];
        let flag = detail >> 40 & 1 == 1;
        self.with(id, |host, b| {
            let done = match detail % 12 {
                0 | 1 => host.driver.campaign()?,
                2 => host.driver.forget_leader()?,
                3 => host.driver.report_unreachable(peer)?,
                4 => {
                    let reports = [SnapshotReport::Failed, SnapshotReport::Arrived, SnapshotReport::UnderWay];
                    host.driver.report_snapshot(peer, reports[(detail >> 41) as usize % 3])?
                }
                // Not for long: the group needs a node that can lead.
                5 => host.driver.set_electable(flag || detail >> 41 & 3 != 0)?,
                6 => host.driver.set_commit_broadcast(flag)?,
                7 => host.driver.set_window(peer, host.config.max_inflight_msgs, host.config.max_inflight_bytes)?,
                8 => host.driver.set_priority((detail >> 42 & 3) as i32)?,
                9 => host.driver.request_snapshot()?,
                10 => host.driver.ping()?,
                _ => host.driver.trim()?,
            };
            host.may_fail("a stray call", done, &[Error::NoPeer, Error::NoLeader, Error::State])?;
            host.look(b)?;
            Ok(())
        })
    }

    /// Steps a message that no correct peer sends. The node refuses or ignores the message, and
    /// does not change.
    fn forge(&mut self, id: u64, chance: u64) -> Lawful {
        let Some(host) = self.hosts.get(&id) else { return Ok(()) };
        let others: Vec<u64> = host.conf.members().into_iter().filter(|&member| member != id).collect();
        let Some(&from) = others.get((chance % others.len().max(1) as u64) as usize) else { return Ok(()) };
        let Some((bytes, expected)) = forged(&host.status, &host.driver.runs(), from, chance) else { return Ok(()) };
        self.bench.tally.fault(Fault::Forgery);
        self.with(id, |host, b| {
            // The digest reads the whole log, so only some forgeries compare digests.
            let closely = chance >> 16 & 7 == 0;
            let state = |host: &Host| if closely { host.driver.digest() } else { 0 };
            let (before, shown) = (state(host), host.driver.status());
            let done = host.driver.step(from, &bytes)?;
            let counted = |s: Status| (s.term, s.vote, s.role, s.leader, s.commit, s.last_index, s.election_elapsed);
            let same = before == state(host) && counted(shown) == counted(host.driver.status());
            check_refusal(id, done, expected, same)?;
            host.look(b)?;
            Ok(())
        })
    }
}

/// Checks the answer to a forged message. A refused message must change nothing.
pub fn check_refusal(id: u64, done: Result<()>, expected: Option<Error>, same: bool) -> Lawful {
    hold!(RefusedUnchanged, done.err() == expected, "node {id}: forged {done:?}, expected {expected:?}");
    hold!(RefusedUnchanged, same || done.is_ok(), "node {id}: {done:?}, but it has changed");
    Ok(())
}

/// Returns a forged message for a node in this state, and the expected error; none: ignored.
fn forged(s: &Status, runs: &[TermRun], from: u64, chance: u64) -> Option<(Vec<u8>, Option<Error>)> {
    let mut m = proto::Message { to: s.id, from, term: s.term, ..proto::Message::default() };
    let known = s.leader != 0 && s.leader != from;
    let expected = match (chance >> 8) % 11 {
        // A second leader in this term.
        0 if s.term > 0 && (s.role == Role::Leader || known) => {
            m.r#type = MessageKind::Heartbeat as i32;
            Some(Error::Implausible)
        }
        // A commit index above the end of this log.
        1 if s.term > 0 && s.role == Role::Follower && !known => {
            (m.r#type, m.commit) = (MessageKind::Heartbeat as i32, s.last_index + 5);
            Some(Error::Implausible)
        }
        // A different entry in place of the committed entry.
        2 if s.term > 1 && s.role == Role::Follower && !known && s.commit > s.first_index => {
            (m.r#type, m.index, m.log_term, m.commit) = (MessageKind::App as i32, s.commit, s.term, s.commit);
            if runs.iter().any(|run| run.first <= s.commit && run.term == s.term) {
                return None;
            }
            Some(Error::Implausible)
        }
        // An acknowledgement beyond the leader's log.
        3 if s.role == Role::Leader => {
            (m.r#type, m.index) = (MessageKind::AppResp as i32, s.last_index + 3);
            Some(Error::Implausible)
        }
        // A term near the end of all terms.
        4 => {
            (m.r#type, m.term) = (MessageKind::Vote as i32, u64::MAX - 1);
            Some(Error::Implausible)
        }
        // A snapshot with an impossible configuration.
        5 if s.term > 0 && s.role == Role::Follower && !known => {
            m.r#type = MessageKind::Snap as i32;
            m.snapshot = Some(proto::Snapshot {
                metadata: Some(proto::SnapshotMetadata { index: s.last_index + 9, term: s.term, ..Default::default() }),
                ..Default::default()
            });
            Some(Error::Implausible)
        }
        // A snapshot without its receiver: acknowledged, not installed.
        8 if s.leader == from && s.role == Role::Follower => {
            m.r#type = MessageKind::Snap as i32;
            let conf_state = Some(proto::ConfState { voters: vec![from], ..Default::default() });
            m.snapshot = Some(proto::Snapshot {
                metadata: Some(proto::SnapshotMetadata { conf_state, index: s.last_index + 9, term: s.term }),
                ..Default::default()
            });
            None
        }
        // An answer to a read that was never requested.
        9 if s.role == Role::Leader => {
            (m.r#type, m.context) = (MessageKind::HeartbeatResp as i32, vec![0xff; 8].into());
            None
        }
        // A snapshot up to a committed entry, with a different term.
        10 if s.term > 0 && s.commit >= s.first_index && s.role == Role::Follower && !known => {
            m.r#type = MessageKind::Snap as i32;
            m.term = s.term + 1;
            let conf_state = Some(proto::ConfState { voters: vec![s.id, from], ..Default::default() });
            m.snapshot = Some(proto::Snapshot {
                metadata: Some(proto::SnapshotMetadata { conf_state, index: s.commit, term: s.term + 1 }),
                ..Default::default()
            });
            Some(Error::Implausible)
        }
        // From a reserved id, or of a kind that never comes from a peer.
        6 => {
            m.r#type = MessageKind::Hup as i32;
            Some(Error::NotForMe)
        }
        _ => {
            (m.r#type, m.to) = (MessageKind::Heartbeat as i32, s.id + 100);
            Some(Error::NotForMe)
        }
    };
    Some((m.encode_to_vec(), expected))
}
