//! A schedule's settings, drawn from its seed.

use crate::draw::{Draw, mix};
use crate::member::{Kind, Setup, Tongue};
use raftcore::Flags;

/// The settings of a schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub tongue: Tongue,
    pub founders: u64,
    /// Members with an empty disk that changes may add.
    pub spares: u64,
    pub kinds: Vec<Kind>,
    /// Rounds with faults.
    pub rounds: u64,
    /// Percent.
    pub loss: u64,
    pub doubles: u64,
    /// Rounds that a message may take.
    pub delay: u64,
    pub uneven_ticks: bool,
    pub crashes: bool,
    /// Percent of restarts that change the library.
    pub swaps: u64,
    pub changes: bool,
    /// Founders begin with an empty log.
    pub from_zero: bool,
    pub compaction: bool,
    /// What only the dialect eraftpb has.
    pub learners: bool,
    pub contexts: bool,
    pub priorities: bool,
    pub requests: bool,
    pub lease_reads: bool,
    pub pre_vote: bool,
    pub check_quorum: bool,
    pub async_writes: u64,
    /// Commit groups come, change and go.
    pub groups: bool,
}

impl Plan {
    /// Draws the settings of a mixed group.
    pub fn mixed(seed: u64, tongue: Tongue) -> Self {
        let mut draw = Draw::new(seed);
        let founders = *draw.pick(&[3, 3, 5]);
        let spares = 2;
        let mut kinds: Vec<Kind> =
            (0..founders + spares).map(|_| *draw.pick(&[Kind::Raftcore, Kind::RaftRs])).collect();
        if kinds[..founders as usize].iter().all(|kind| *kind == kinds[0]) {
            kinds[0] = kinds[0].other();
        }
        let full = tongue == Tongue::Eraftpb;
        let check_quorum = draw.chance(60);
        let uneven_ticks = draw.chance(60);
        let changes = draw.chance(60);
        Self {
            seed,
            tongue,
            founders,
            spares,
            kinds,
            rounds: 300,
            loss: *draw.pick(&[0, 5, 15]),
            doubles: *draw.pick(&[0, 5]),
            delay: *draw.pick(&[1, 2, 4]),
            uneven_ticks,
            crashes: draw.chance(60),
            swaps: 0,
            changes,
            from_zero: !changes && draw.chance(60),
            compaction: draw.chance(60),
            learners: full && draw.chance(70),
            contexts: full && draw.chance(70),
            priorities: full && draw.chance(40),
            requests: full && draw.chance(60),
            lease_reads: check_quorum && draw.chance(40),
            pre_vote: draw.chance(60),
            check_quorum,
            async_writes: *draw.pick(&[0, 0, 40, 100]),
            groups: draw.chance(40),
        }
    }

    /// Draws the settings of a group that goes from raft-rs to raftcore and back, one member after
    /// another.
    pub fn replaced(seed: u64, tongue: Tongue) -> Self {
        let mut plan = Self::mixed(seed, tongue);
        plan.kinds = vec![Kind::RaftRs; plan.kinds.len()];
        plan.crashes = false;
        plan
    }

    /// Draws the settings of a member's next start.
    pub fn setup(&self, id: u64, start: u64) -> Setup {
        let mut draw = Draw::new(mix(self.seed ^ mix(id)) ^ mix(start));
        let mut setup = Setup::new(id, self.tongue);
        let optional = [
            Flags::TRANSFER_FENCE,
            Flags::COMMIT_IN_VOTES,
            Flags::NOMINATE_SUCCESSOR,
            Flags::READ_AT_ONCE,
            Flags::STAY_WHEN_REMOVED,
            Flags::FORWARDING,
            Flags::REFUSED_CONF_AS_EMPTY,
        ];
        let usual = [Flags::QUIET_COMMIT, Flags::RETIRE_GRACEFULLY];
        for flag in optional {
            setup.flags_on |= if draw.chance(40) { flag.0 } else { 0 };
        }
        for flag in usual {
            setup.flags_off |= if draw.chance(40) { flag.0 } else { 0 };
        }
        setup.pre_vote = self.pre_vote;
        setup.check_quorum = self.check_quorum;
        setup.lease_reads = self.lease_reads;
        setup.seed = draw.next();
        setup.heartbeat_ticks = 1 + mix(self.seed) % 2;
        setup.async_writes = draw.chance(self.async_writes);
        setup.batch_append = draw.chance(30);
        setup.skip_bcast_commit = draw.chance(30);
        setup.max_size_per_msg = *draw.pick(&[0, 200, 1 << 20]);
        setup.max_inflight_msgs = *draw.pick(&[1, 4, 256]);
        setup
    }
}
