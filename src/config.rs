//! The settings of a node: identity, timing, limits, and the choice wherever two behaviours are
//! possible.
//!
//! Every limit has a unit, a range and a default. `check` names the wrong field.

use crate::error::{Error, Result};
use crate::types::{Dialect, FEATURE_ERAFTPB, MAX_ID, NodeId};

/// How a host stores: see `docs/durability.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum StorageMode {
    /// One ready at a time: store, send, apply, then `advance`.
    #[default]
    Sync = 0,
    /// Several readies outstanding: `persisted`, `applied` and `release` come separately.
    Async = 1,
    /// Like etcd's `AsyncStorageWrites`: work and acknowledgements travel as messages.
    Messages = 2,
}

impl StorageMode {
    /// Returns the name of the mode.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "SYNC",
            Self::Async => "ASYNC",
            Self::Messages => "MESSAGES",
        }
    }

    /// Returns the mode with the given number.
    pub fn from_number(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Sync),
            1 => Some(Self::Async),
            2 => Some(Self::Messages),
            _ => None,
        }
    }
}

macro_rules! flags {
    ($($(#[doc = $doc:literal])* $name:ident = $bit:literal;)*) => {
        /// Switches of a [`Config`], as bits.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct Flags(pub u64);

        impl Flags {
            $($(#[doc = $doc])* pub const $name: Self = Self(1 << $bit);)*
            /// All bits with a meaning. `check` refuses any other bit.
            pub const KNOWN: Self = Self($((1 << $bit))|*);
        }
    };
}

flags! {
    /// Ask whether an election could be won before raising the term (diss. §9.6). Default on.
    PRE_VOTE = 0;
    /// A leader that hears from no quorum for an election timeout steps down. Nodes refuse votes
    /// while a leader is alive (diss. §6.2). Default on.
    CHECK_QUORUM = 1;
    /// Serves reads by lease instead of a round of heartbeats. Needs `CHECK_QUORUM` and bounded
    /// clock drift (diss. §6.4.1).
    LEASE_READS = 2;
    /// Overwrites views with 0xDD when the views end, so that a stale read shows. For tests of a
    /// host.
    DEBUG_POISON_VIEWS = 3;
    /// etcd: MsgVote may leave before its hard state is durable.
    VOTE_REQUEST_EARLY = 4;
    /// etcd: a removed or demoted leader goes on leading.
    STAY_WHEN_REMOVED = 5;
    /// etcd: a refused membership change is appended as an empty entry.
    REFUSED_CONF_AS_EMPTY = 6;
    /// etcd: lease reads go on while leadership is being transferred [D-04].
    LEASE_IN_TRANSFER = 7;
    /// MsgTimeoutNow carries index and term, and the receiver checks both [E-17]. All nodes must
    /// support the fields.
    TRANSFER_FENCE = 8;
    /// Votes carry the commit index [E-11]. All nodes must support the field.
    COMMIT_IN_VOTES = 9;
    /// etcd: the node answers a read before `applied` has reached the index of the read.
    READ_AT_ONCE = 10;
    /// Entries join an unsent append to the same peer (raft-rs).
    BATCH_APPEND = 11;
    /// A moved commit index waits for the next append or heartbeat (raft-rs).
    NO_COMMIT_BROADCAST = 12;
    /// A leader removed by its own change hands leadership over first.
    NOMINATE_SUCCESSOR = 13;
    /// etcd: changes are not validated when proposed, and may overlap. All nodes must have the
    /// flag. A host must then write the commit index and the entries as one write, since the
    /// changes in a log prove nothing about the commit index.
    NO_CONF_VALIDATION = 14;
    /// A follower forwards proposals to the leader. The follower never learns the outcome, so
    /// tokens come back at once as unknown. Without the flag, a follower refuses proposals with
    /// [`Error::NotLeader`]. Default off; etcd: on.
    FORWARDING = 15;
    /// Messages of a ready also carry their entries decoded (C only).
    DECODED_MSGS = 16;
    /// A removed or demoted leader leads until a quorum of the new membership has learned of the
    /// change, so that the quorum can elect without the leader [M-05]. Default on. Without the
    /// flag, as in etcd's raft, the leader steps down at once.
    RETIRE_GRACEFULLY = 17;
    /// An append that only carries a commit index asks a replicating peer for no answer. The
    /// `reject` field marks such an append; other libraries ignore the field in MsgApp, and answer.
    /// Default on.
    QUIET_COMMIT = 18;
    /// Committed entries that left the recent log come as a span without entries, for a host whose
    /// apply thread reads the log itself. Confirm a span by [`applied`](crate::Node::applied)
    /// before [`advance`](crate::Node::advance). Default off: the node fetches the entries from its
    /// host, and returns them like any entry.
    COMMITTED_SPANS = 19;
    /// etcd: the host applies a membership change separately from the entry, by
    /// [`apply_change`](crate::Node::apply_change), late or never. `applied` may pass unapplied
    /// changes.
    CONF_APART = 20;
    /// etcd: a supplied snapshot may have a membership without its receiver.
    SNAPSHOT_ANY_CONF = 21;
    /// Answers to the leader carry this node's commit index, for
    /// [`PeerStatus::commit`](crate::PeerStatus::commit). In eraftpb they always do. Other libraries
    /// skip the field. Default off: an acknowledgement is some bytes longer.
    REPORT_COMMIT = 22;
    /// A leader sends no heartbeat to a peer that got entries since the last heartbeat, since an
    /// append says as much (openraft's minimal heartbeat interval). Default off. Lease reads need
    /// every heartbeat, so the flag has no effect with them.
    SPARE_HEARTBEATS = 23;
    /// Leadership goes to the highest priority: heartbeats carry the leader's priority, and a
    /// follower of a higher priority with the whole log asks for leadership after an election
    /// timeout. Default off.
    YIELD_TO_PRIORITY = 24;
    /// A leader without a lease refuses proposals with [`Error::NoLeader`], instead of taking
    /// entries that it may not be able to commit. Needs `LEASE_READS`. Default off.
    LEASED_PROPOSALS = 25;
}

impl Flags {
    /// Returns whether all bits of `other` are set.
    #[inline]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the bits of `other` set or cleared.
    #[must_use]
    pub fn with(self, other: Self, on: bool) -> Self {
        if on { Self(self.0 | other.0) } else { Self(self.0 & !other.0) }
    }
}

/// A node's configuration. Start from [`Config::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The id of the node: 1 to 2^64-17.
    pub id: NodeId,
    /// The group of the node: any number. The node refuses frames of another group.
    pub group: u64,
    /// Seed of election timeouts and read contexts: not 0. Choose a new seed at each start, or an
    /// answer from before a restart could serve a stale read. Equal seeds and equal calls give
    /// equal runs.
    pub seed: u64,
    /// Switches.
    pub flags: Flags,
    /// How the host stores.
    pub storage: StorageMode,
    /// The schema of the group's messages and entries. All members have the same, for the life of
    /// the group: a log of one dialect must never be read in the other. `docs/from-raft-rs.md` says
    /// how a host converts a group.
    pub dialect: Dialect,
    /// Shortest election timeout, ticks; a random timeout is below twice the value. Above
    /// `heartbeat_ticks`.
    pub election_ticks: u32,
    /// Ticks between heartbeats of a leader: at least 1.
    pub heartbeat_ticks: u32,
    /// Ticks until a forwarded read fails: at least 1. Default: twice the election timeout.
    pub read_timeout_ticks: u32,
    /// Ticks a peer may stay in snapshot state without a report; 0: for ever [S-01].
    pub snapshot_timeout_ticks: u32,
    /// Ticks after boot during which this node grants no vote [D-05]. 0: none. [`FENCE_AUTO`]:
    /// `election_ticks` with lease reads, else none.
    pub vote_fence_ticks: u32,
    /// Members of the group, at most: 1 to 256.
    pub max_peers: u32,
    /// Appends in flight to a peer: 1 to 65536.
    pub max_inflight_msgs: u32,
    /// Outstanding readies: 1 to 1024. SYNC has a single one.
    pub max_outstanding: u32,
    /// Entries to store in a ready, and entries to apply in a ready: at least 1.
    pub max_entries_per_ready: u32,
    /// Messages in a ready: at least 16.
    pub max_messages: u32,
    /// Reads waiting: at least 1.
    pub max_reads: u32,
    /// Proposals with a token waiting: at least 1.
    pub max_tokens: u32,
    /// Rank in elections: among equal logs the highest wins. All nodes have 0 by default.
    pub priority: i32,
    /// ASYNC: return committed entries up to this many entries beyond the durable ones; 0: off.
    pub max_apply_unpersisted: u32,
    /// Recent log kept in memory, bytes of encoded entries: at least four blocks.
    pub recent_bytes: u64,
    /// Catch-up messages made from supplies, bytes for all peers together.
    pub catchup_bytes: u64,
    /// Entries in an append, encoded bytes. A single entry may be larger.
    pub max_size_per_msg: u64,
    /// Committed entries returned and not yet applied, encoded bytes. A single entry may be larger.
    pub max_committed_size_per_ready: u64,
    /// Payload of a leader's uncommitted entries, bytes. A leader above the limit refuses
    /// proposals.
    pub max_uncommitted_size: u64,
    /// Entries in flight to a peer, payload bytes; 0: no limit.
    pub max_inflight_bytes: u64,
    /// Payload of an entry, bytes.
    pub max_entry_bytes: u64,
    /// Snapshot data that may pass through the core, bytes.
    pub max_snapshot_bytes: u64,
    /// A block of the recent log, bytes: 4 KiB to 16 MiB. A larger entry gets a block of its own.
    pub block_bytes: u64,
    /// Ticks after which a leader steps down if its disk makes no entry durable although entries
    /// wait for the disk; 0: never. Another node with a working disk should lead.
    pub own_write_timeout_ticks: u32,
    /// Random ticks added to `election_ticks`, below this number: an election timeout lies in
    /// `election_ticks..election_ticks + election_jitter_ticks`. 0: as many as `election_ticks`.
    pub election_jitter_ticks: u32,
    /// Ticks without a message from a peer until the leader reports the event `PeerLags`. 0: ten
    /// election timeouts.
    pub peer_lags_ticks: u32,
    /// Ticks without a known leader until the event `NoLeaderLong`, which then comes each time as
    /// many ticks have passed. 0: ten election timeouts.
    pub no_leader_ticks: u32,
    /// Entries in an append; 0: no limit but `max_size_per_msg`.
    pub max_entries_per_msg: u32,
    /// Entries that a peer may lack and still count as caught up. 0: 16, or the number of the peer's
    /// messages in flight.
    pub caught_up_entries: u32,
}

/// No limit.
pub const NO_LIMIT: u64 = u64::MAX;

impl Config {
    /// The defaults for the node `id`.
    pub fn new(id: NodeId) -> Self {
        Self {
            id,
            group: 0,
            seed: 0,
            flags: Flags(
                Flags::PRE_VOTE.0 | Flags::CHECK_QUORUM.0 | Flags::RETIRE_GRACEFULLY.0 | Flags::QUIET_COMMIT.0,
            ),
            storage: StorageMode::Sync,
            dialect: Dialect::Raftpb,
            election_ticks: 10,
            heartbeat_ticks: 1,
            read_timeout_ticks: 20,
            snapshot_timeout_ticks: 600,
            vote_fence_ticks: FENCE_AUTO,
            max_peers: 16,
            max_inflight_msgs: 256,
            max_outstanding: 8,
            max_entries_per_ready: 1024,
            max_messages: 1024,
            max_reads: 1024,
            max_tokens: 8192,
            priority: 0,
            max_apply_unpersisted: 0,
            recent_bytes: 16 << 20,
            catchup_bytes: 8 << 20,
            max_size_per_msg: 1 << 20,
            max_committed_size_per_ready: 4 << 20,
            max_uncommitted_size: 8 << 20,
            max_inflight_bytes: 0,
            max_entry_bytes: 4 << 20,
            max_snapshot_bytes: 1 << 20,
            block_bytes: 256 << 10,
            own_write_timeout_ticks: 100,
            election_jitter_ticks: 0,
            peer_lags_ticks: 0,
            no_leader_ticks: 0,
            max_entries_per_msg: 0,
            caught_up_entries: 0,
        }
    }

    /// Sets etcd's choices in the fields where the defaults differ, and no other field. See
    /// `docs/departures.md`.
    pub fn preset_etcd(&mut self) {
        let on = [
            Flags::VOTE_REQUEST_EARLY,
            Flags::STAY_WHEN_REMOVED,
            Flags::REFUSED_CONF_AS_EMPTY,
            Flags::LEASE_IN_TRANSFER,
            Flags::READ_AT_ONCE,
            Flags::FORWARDING,
            Flags::CONF_APART,
            Flags::SNAPSHOT_ANY_CONF,
        ];
        for flag in on {
            self.flags = self.flags.with(flag, true);
        }
        let off = [
            Flags::PRE_VOTE,
            Flags::CHECK_QUORUM,
            Flags::TRANSFER_FENCE,
            Flags::COMMIT_IN_VOTES,
            Flags::RETIRE_GRACEFULLY,
            Flags::QUIET_COMMIT,
        ];
        for flag in off {
            self.flags = self.flags.with(flag, false);
        }
        self.snapshot_timeout_ticks = 0;
        self.vote_fence_ticks = 0;
        self.own_write_timeout_ticks = 0;
    }

    /// Checks whether a node can be made with this configuration.
    ///
    /// # Errors
    /// A text with the wrong field and the allowed values.
    pub fn check(&self) -> core::result::Result<(), &'static str> {
        let within = |value: u32, low: u32, high: u32| (low..=high).contains(&value);
        let rules = [
            (self.id >= 1 && self.id <= MAX_ID, "id must be 1 to 2^64-17"),
            (self.seed != 0, "seed must not be 0: draw another one at each start"),
            (self.flags.0 & !Flags::KNOWN.0 == 0, "flags has a bit that this library does not know"),
            (within(self.heartbeat_ticks, 1, 1 << 20), "heartbeat_ticks must be 1 to 2^20"),
            (
                self.election_ticks > self.heartbeat_ticks && self.election_ticks <= 1 << 24,
                "election_ticks must be above heartbeat_ticks and at most 2^24",
            ),
            (self.read_timeout_ticks >= 1, "read_timeout_ticks must be at least 1"),
            (within(self.max_peers, 1, 256), "max_peers must be 1 to 256"),
            (within(self.max_inflight_msgs, 1, 65536), "max_inflight_msgs must be 1 to 65536"),
            (within(self.max_outstanding, 1, 1024), "max_outstanding must be 1 to 1024"),
            (within(self.max_entries_per_ready, 1, 1 << 22), "max_entries_per_ready must be 1 to 2^22"),
            (within(self.max_messages, 16, 1 << 20), "max_messages must be 16 to 2^20"),
            (within(self.max_reads, 1, 1 << 22), "max_reads must be 1 to 2^22"),
            (within(self.max_tokens, 1, 1 << 24), "max_tokens must be 1 to 2^24"),
            ((4 << 10..=16 << 20).contains(&self.block_bytes), "block_bytes must be 4 KiB to 16 MiB"),
            (
                self.recent_bytes >= 4 * self.block_bytes && self.recent_bytes <= 1 << 40,
                "recent_bytes must be at least four times block_bytes, and at most 2^40",
            ),
            (self.catchup_bytes <= 1 << 40, "catchup_bytes must be at most 2^40"),
            (self.max_entry_bytes <= 1 << 30, "max_entry_bytes must be at most 2^30"),
            (self.max_snapshot_bytes <= 1 << 31, "max_snapshot_bytes must be at most 2^31"),
            (
                !self.flags.has(Flags::LEASE_READS) || self.flags.has(Flags::CHECK_QUORUM),
                "LEASE_READS needs CHECK_QUORUM",
            ),
            (
                !self.flags.has(Flags::LEASED_PROPOSALS) || self.flags.has(Flags::LEASE_READS),
                "LEASED_PROPOSALS needs LEASE_READS",
            ),
            (self.election_jitter_ticks <= 1 << 24, "election_jitter_ticks must be at most 2^24"),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, text)| Err(text))
    }

    pub(crate) fn checked(&self) -> Result<()> {
        self.check().map_err(|_| Error::Arg)
    }
}

impl Config {
    /// Ticks after boot without a vote.
    pub(crate) fn vote_fence(&self) -> u32 {
        match self.vote_fence_ticks {
            FENCE_AUTO if self.flags.has(Flags::LEASE_READS) => self.election_ticks,
            FENCE_AUTO => 0,
            ticks => ticks,
        }
    }

    /// Returns the longest accepted payload. A node must not ask to retry a proposal that could
    /// never be stored.
    pub(crate) fn entry_limit(&self) -> u64 {
        self.max_entry_bytes.min(self.recent_bytes / 2 - 64)
    }

    /// Returns the length of the longest message that a peer with the same configuration can send,
    /// bytes.
    pub(crate) fn message_limit(&self) -> u64 {
        let appends = self.max_size_per_msg.min(u64::from(u32::MAX / 2)).max(self.max_entry_bytes);
        appends.max(self.max_snapshot_bytes).saturating_add(64 << 10)
    }

    /// Returns the length of the largest frame that a peer with the same configuration can send,
    /// bytes, header included.
    pub fn frame_limit(&self) -> u64 {
        self.message_limit().saturating_add(crate::types::FRAME_HEADER as u64)
    }

    /// Returns the features of this node's messages beyond etcd's.
    pub(crate) fn wire_features(&self) -> u64 {
        let dialect = if self.dialect == Dialect::Eraftpb { FEATURE_ERAFTPB } else { 0 };
        dialect | self.flags.0 & (Flags::TRANSFER_FENCE.0 | Flags::COMMIT_IN_VOTES.0)
    }

    /// Returns the random part of an election timeout, an upper bound in ticks.
    pub(crate) fn jitter(&self) -> u32 {
        if self.election_jitter_ticks > 0 { self.election_jitter_ticks } else { self.election_ticks }
    }

    /// Returns the ticks of a setting for which 0 means ten election timeouts.
    pub(crate) fn or_ten_elections(&self, ticks: u32) -> u32 {
        if ticks > 0 { ticks } else { self.election_ticks.saturating_mul(10) }
    }

    /// The flags that [`Node::set_flags`](crate::Node::set_flags) may change. Each is read at each
    /// use, and concerns only this node.
    pub(crate) const CHANGEABLE: Flags = Flags(
        Flags::PRE_VOTE.0
            | Flags::CHECK_QUORUM.0
            | Flags::FORWARDING.0
            | Flags::BATCH_APPEND.0
            | Flags::NOMINATE_SUCCESSOR.0
            | Flags::RETIRE_GRACEFULLY.0
            | Flags::QUIET_COMMIT.0
            | Flags::TRANSFER_FENCE.0
            | Flags::COMMIT_IN_VOTES.0
            | Flags::REPORT_COMMIT.0
            | Flags::SPARE_HEARTBEATS.0
            | Flags::YIELD_TO_PRIORITY.0,
    );
}

/// `vote_fence_ticks`: an election timeout with lease reads, no fence otherwise.
pub const FENCE_AUTO: u32 = u32::MAX;
