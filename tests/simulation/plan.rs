//! The plan that a seed stands for: the kinds of faults in the run ("swarm"), their strength, and
//! the configuration of the nodes.

use crate::rng::Rng;
use raftcore::*;

macro_rules! faults {
    ($($(#[doc = $doc:literal])* $fault:ident = $name:literal, $percent:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault { $($(#[doc = $doc])* $fault,)* }

        impl Fault {
            pub const ALL: &'static [Self] = &[$(Self::$fault,)*];
            pub const COUNT: usize = Self::ALL.len();

            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            /// The fault is present in this many of 100 seeds.
            fn percent(self) -> u64 {
                match self { $(Self::$fault => $percent,)* }
            }

            fn bit(self) -> u64 {
                1 << self as u64
            }
        }
    };
}

faults! {
    /// A message is lost.
    Loss = "loss", 55;
    Duplicate = "duplicate", 45;
    /// Messages due in the same round arrive in random order.
    Reorder = "reorder", 45;
    /// A message takes up to an election timeout.
    Delay = "delay", 55;
    /// A message takes several election timeouts: longer than a crash and a restart.
    LongDelay = "long_delay", 35;
    /// A cut between groups of nodes, in both directions.
    Partition = "partition", 45;
    OneWay = "one_way_partition", 30;
    /// A link that fails and recovers again and again.
    Flapping = "flapping", 20;
    /// A process is paused while its messages wait.
    Pause = "pause", 25;
    /// Clocks run at 0.5 to 3 times the normal speed.
    TickDrift = "tick_drift", 25;
    /// A process dies: unsynced writes are lost, fully or in part.
    Crash = "crash", 60;
    /// A process dies between two calls of the host's turn.
    CrashBetweenCalls = "crash_between_calls", 45;
    /// Some of the current writes reached the disk, the last write torn.
    TornRecord = "torn_record", 45;
    /// A commit index that needed no sync is lost in a crash.
    LostCommit = "lost_commit", 40;
    SlowDisk = "slow_disk", 45;
    /// A disk does nothing for up to some election timeouts.
    DiskStall = "disk_stall", 25;
    /// A write fails: the host boots again from the disk.
    IoError = "io_error", 20;
    /// A disk is lost for good; the node comes back under a new id.
    WipedDisk = "wiped_disk", 12;
    Compaction = "compaction", 60;
    /// The snapshot for a peer is taken at once and supplied late, when the log after it may be
    /// gone.
    SnapshotRace = "snapshot_race", 35;
    Change = "membership_change", 45;
    TwoOperators = "two_operators", 25;
    RemoveReadd = "remove_and_readd", 25;
    Transfer = "transfer", 45;
    SlowApply = "slow_apply", 45;
    TinyLimits = "tiny_limits", 35;
    LateFetch = "late_fetch", 40;
    WrongFetch = "wrong_fetch", 25;
    UnansweredFetch = "unanswered_fetch", 20;
    /// A message that no correct peer sends is refused, and leaves the node unchanged.
    Forgery = "forgery", 25;
    /// Stray but legal calls of a host: campaign, forget_leader, wrong reports, new limits.
    StrayCall = "stray_call", 40;
}

/// Settings of a run besides the seed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub ticks: Option<u64>,
    pub nodes: Option<u64>,
    /// Bits of the excluded faults.
    pub without: u64,
    /// etcd's choices in ASYNC: known to be unsafe.
    pub etcd: bool,
    /// Every fsync is a lie: known to be unsafe.
    pub lying: bool,
    /// Do not check messages when they enter the network; only consequences are seen.
    pub blind: bool,
    pub script: bool,
    /// Whether the C ABI runs in parallel; none: in 5 % of the seeds.
    pub twin: Option<bool>,
}

impl Options {
    pub fn leave_out(&mut self, fault: Fault) {
        self.without |= fault.bit();
    }

    pub fn leaves_out(&self, fault: Fault) -> bool {
        self.without & fault.bit() != 0
    }
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    on: u64,
    over: u64,
    pub ticks: u64,
    pub founders: u64,
    pub loss: u64,
    pub duplicates: u64,
    pub max_delay: u64,
    /// Of 1000 ticks.
    pub trouble: u64,
    pub crashes: u64,
    pub slow_disk: u64,
    pub slow_apply: u64,
    pub changes: u64,
    pub transfers: u64,
    pub compactions: u64,
    /// Proposals and reads, of 100 ticks.
    pub proposals: u64,
    pub reads: u64,
    /// Longest payload.
    pub payload: u64,
    /// Entries between two checkpoints of the state machine.
    pub checkpoint: u64,
    pub mixed_modes: bool,
    /// All hosts skip changes with the mark.
    pub skips: bool,
    pub priorities: bool,
    /// Hosts give the term runs at boot, and only the unapplied entries.
    pub boot_by_terms: bool,
    /// Proposals per burst; 0: sometimes several.
    pub burst: u64,
    /// Hosts hold the views of readies for a long time.
    pub lazy: bool,
    /// See `storm`.
    pub storms: bool,
    /// See `crowd`.
    crowded: bool,
    pub lying: bool,
    pub blind: bool,
    pub script: bool,
    pub twin: bool,
    template: Config,
}

impl Plan {
    pub fn draw(seed: u64, options: &Options) -> Self {
        let mut rng = Rng::stream(seed, 1);
        let mut on = 0;
        for fault in Fault::ALL {
            on |= if rng.chance(fault.percent()) { fault.bit() } else { 0 };
        }
        let mut plan = Self {
            seed,
            on,
            over: 0,
            ticks: if rng.chance(25) { 2000 } else { rng.between(300, 700) },
            founders: rng.pick(&[3, 3, 3, 3, 5, 5, 1, 2, 4]).unwrap_or(3),
            loss: rng.between(1, 20),
            duplicates: rng.between(1, 20),
            max_delay: rng.between(2, 30),
            trouble: rng.between(3, 30),
            crashes: rng.between(3, 30),
            slow_disk: rng.between(10, 80),
            slow_apply: rng.between(10, 80),
            changes: rng.between(4, 60),
            transfers: rng.between(4, 40),
            compactions: rng.between(5, 100),
            proposals: rng.pick(&[10, 30, 60, 100]).unwrap_or(30),
            reads: rng.pick(&[5, 15, 30]).unwrap_or(15),
            payload: rng.pick(&[20, 60, 60, 400, 1500]).unwrap_or(60),
            checkpoint: rng.pick(&[1, 1, 5, 20]).unwrap_or(1),
            mixed_modes: rng.chance(20),
            skips: rng.chance(20),
            priorities: rng.chance(20),
            boot_by_terms: rng.chance(40),
            burst: 0,
            lazy: rng.chance(25),
            storms: false,
            crowded: false,
            lying: options.lying,
            blind: options.blind,
            script: options.script,
            twin: options.twin.unwrap_or(seed.is_multiple_of(20)),
            template: Config::new(1),
        };
        match rng.below(100) {
            0..22 => plan.storm(),
            22..32 => plan.crowd(),
            _ => {}
        }
        plan.on &= !options.without;
        plan.template = plan.configuration(&mut rng);
        plan.ticks = options.ticks.unwrap_or(plan.ticks);
        plan.founders = options.nodes.unwrap_or(plan.founders);
        // A sole voter that answers at once may miss writes acknowledged before a restart
        // (docs/departures.md).
        if plan.founders == 1 || plan.has(Fault::Change) || plan.has(Fault::WipedDisk) {
            plan.template.flags = plan.template.flags.with(Flags::READ_AT_ONCE, false);
        }
        if options.etcd {
            plan.template.preset_etcd();
            plan.template.flags = plan.template.flags.with(Flags::LEASE_READS, false);
            plan.founders = plan.founders.max(3);
            (plan.template.storage, plan.template.snapshot_timeout_ticks) = (StorageMode::Async, 100);
            plan.mixed_modes = false;
            // For R-10 to show by consequences, vote requests must outlive a crash that forgot the
            // votes.
            let faults =
                [Fault::Crash, Fault::SlowDisk, Fault::DiskStall, Fault::Delay, Fault::LongDelay, Fault::StrayCall];
            plan.on = faults.iter().fold(0, |on, fault| on | fault.bit()) & !options.without;
            (plan.crashes, plan.trouble, plan.slow_disk, plan.proposals) = (60, 100, 80, 30);
        }
        plan
    }

    /// Makes a storm: short partitions and endless elections. With five nodes, logs overwrite each
    /// other again and again. With three nodes and slow messages, superseded leaders still get
    /// answers to their reads.
    fn storm(&mut self) {
        let slow = self.max_delay > 21;
        self.on = [Fault::Partition, Fault::OneWay, Fault::StrayCall, Fault::Delay, Fault::Crash, Fault::SlowDisk]
            .iter()
            .fold(0, |on, fault| on | fault.bit());
        (self.trouble, self.proposals, self.reads, self.storms) = (150, 100, 90, true);
        if slow {
            self.on |= Fault::LongDelay.bit();
            (self.founders, self.max_delay) = (3, 30);
        } else {
            (self.founders, self.max_delay) = (5, 2 + self.max_delay % 12);
        }
    }

    /// Makes a crowd: many entries, a small log, hosts that hold views for long. The log can be
    /// full when an election is won.
    fn crowd(&mut self) {
        self.on |= [Fault::TinyLimits, Fault::StrayCall, Fault::SlowDisk].iter().fold(0, |on, fault| on | fault.bit());
        (self.lazy, self.proposals, self.crowded, self.burst) = (true, 100, true, 16);
        self.payload = 40;
        (self.trouble, self.mixed_modes) = (self.trouble.max(20), false);
    }

    fn configuration(&self, rng: &mut Rng) -> Config {
        let mut c = Config::new(1);
        c.group = 9;
        c.storage =
            rng.pick(&[StorageMode::Sync, StorageMode::Async, StorageMode::Messages]).unwrap_or(StorageMode::Sync);
        c.heartbeat_ticks = rng.between(1, 3) as u32;
        c.election_ticks = rng.between(8, 16) as u32;
        c.read_timeout_ticks = rng.between(5, 40) as u32;
        c.snapshot_timeout_ticks = rng.between(20, 100) as u32;
        c.max_peers = 16;
        (c.block_bytes, c.recent_bytes) = (16 << 10, 256 << 10);
        (c.max_messages, c.max_entries_per_ready, c.max_reads, c.max_tokens) = (256, 128, 256, 1024);
        c.max_size_per_msg = rng.pick(&[600, 4 << 10, 64 << 10]).unwrap_or(4 << 10);
        c.max_outstanding = rng.between(1, 8) as u32;
        c.max_inflight_msgs = rng.pick(&[1, 4, 256]).unwrap_or(256) as u32;
        if self.has(Fault::TinyLimits) {
            (c.block_bytes, c.recent_bytes, c.catchup_bytes) = (4 << 10, 16 << 10, rng.between(200, 5000));
            c.max_messages = rng.between(16, 24) as u32;
            c.max_entries_per_ready = rng.between(1, 4) as u32;
            (c.max_reads, c.max_tokens) = (rng.between(1, 6) as u32, rng.between(2, 12) as u32);
            c.max_size_per_msg = rng.between(100, 400);
            c.max_committed_size_per_ready = rng.between(100, 600);
            c.max_inflight_msgs = rng.between(1, 3) as u32;
            c.max_inflight_bytes = rng.between(0, 2) * 300;
            c.max_uncommitted_size = rng.between(500, 4000);
        }
        if self.crowded {
            (c.storage, c.max_outstanding, c.max_entries_per_ready) = (StorageMode::Async, 64, 128);
            (c.max_inflight_msgs, c.max_inflight_bytes, c.max_uncommitted_size) = (16, 0, 64 << 10);
            (c.max_size_per_msg, c.max_committed_size_per_ready, c.max_tokens) = (8 << 10, 16 << 10, 1024);
        }
        // Without these flags a node that missed its removal raises terms for ever
        // (docs/departures.md).
        let members_change = self.has(Fault::Change) || self.has(Fault::WipedDisk);
        let lease = rng.chance(25) && !self.has(Fault::TickDrift);
        let optional = [
            (Flags::PRE_VOTE, rng.chance(80) && !self.storms || members_change),
            (Flags::CHECK_QUORUM, rng.chance(85) && !self.storms || lease || members_change),
            (Flags::LEASE_READS, lease),
            (Flags::TRANSFER_FENCE, rng.chance(50)),
            (Flags::COMMIT_IN_VOTES, rng.chance(50)),
            (Flags::BATCH_APPEND, rng.chance(30)),
            (Flags::NO_COMMIT_BROADCAST, rng.chance(15)),
            (Flags::NOMINATE_SUCCESSOR, rng.chance(30)),
            (Flags::FORWARDING, rng.chance(70)),
            (Flags::COMMITTED_SPANS, rng.chance(30)),
            (Flags::READ_AT_ONCE, rng.chance(10) && !lease),
            (Flags::DEBUG_POISON_VIEWS, rng.chance(20)),
            (Flags::QUIET_COMMIT, rng.chance(75)),
            (Flags::REPORT_COMMIT, rng.chance(20)),
            (Flags::SPARE_HEARTBEATS, rng.chance(20)),
            (Flags::YIELD_TO_PRIORITY, rng.chance(10)),
        ];
        for (flag, on) in optional {
            c.flags = c.flags.with(flag, on);
        }
        if rng.chance(30) {
            c.max_apply_unpersisted = rng.between(1, 20) as u32;
        }
        if rng.chance(20) {
            c.dialect = raftcore::Dialect::Eraftpb;
        }
        if rng.chance(20) {
            c.election_jitter_ticks = rng.between(2, 3 * u64::from(c.election_ticks)) as u32;
            c.max_entries_per_msg = rng.between(0, 5) as u32;
            c.caught_up_entries = rng.between(0, 40) as u32;
        }
        c.own_write_timeout_ticks = rng.pick(&[0, 20, 100]).unwrap_or(0) as u32;
        if rng.chance(10) {
            c.vote_fence_ticks = rng.between(1, 20) as u32;
        }
        if lease {
            c.vote_fence_ticks = raftcore::config::FENCE_AUTO;
        }
        c
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.on & fault.bit() != 0
    }

    pub fn dialect(&self) -> raftcore::Dialect {
        self.template.dialect
    }

    pub fn election_ticks(&self) -> u64 {
        u64::from(self.template.election_ticks)
    }

    pub fn snapshot_timeout(&self) -> u64 {
        u64::from(self.template.snapshot_timeout_ticks)
    }

    pub fn uses_lease(&self) -> bool {
        self.template.flags.has(Flags::LEASE_READS)
    }

    pub fn reads_at_once(&self) -> bool {
        self.template.flags.has(Flags::READ_AT_ONCE)
    }

    /// Returns the configuration of a node in a life.
    pub fn config(&self, id: u64, life: u64) -> Config {
        let mut c = self.template;
        c.id = id;
        c.seed = self.seed ^ (id << 20) ^ (life << 40);
        if self.mixed_modes {
            let modes = [StorageMode::Sync, StorageMode::Async, StorageMode::Messages];
            c.storage = modes.get((id % 3) as usize).copied().unwrap_or(StorageMode::Sync);
        }
        if self.priorities {
            c.priority = (id % 4) as i32;
        }
        if c.storage == StorageMode::Messages {
            // In this mode all unapplied entries must fit into memory, also at boot.
            c.recent_bytes = 4 << 20;
        }
        c
    }

    /// Whether the membership may change, including by a proposal still in flight when the faults
    /// end.
    pub fn members_change(&self) -> bool {
        (self.on | self.over) & (Fault::Change.bit() | Fault::WipedDisk.bit()) != 0
    }

    /// Ends the faults.
    pub fn calm(&mut self) {
        (self.on, self.over, self.lazy) = (0, self.on, false);
    }

    /// Says whether a kind of fault was present before the faults ended.
    pub fn had(&self, fault: Fault) -> bool {
        self.over & fault.bit() != 0
    }

    /// Returns the kinds of faults that are present.
    pub fn faults(&self) -> Vec<Fault> {
        Fault::ALL.iter().copied().filter(|&fault| self.has(fault)).collect()
    }

    pub fn summary(&self) -> String {
        let names: Vec<&str> = self.faults().iter().map(|fault| fault.name()).collect();
        let c = &self.template;
        let storage = if self.mixed_modes { "mixed".to_string() } else { format!("{:?}", c.storage).to_lowercase() };
        format!(
            "{} founders, {} ticks, storage {storage}, election {} ticks, flags {:#x}; faults: {}",
            self.founders,
            self.ticks,
            c.election_ticks,
            c.flags.0,
            if names.is_empty() { "none".to_string() } else { names.join(" ") }
        )
    }
}
