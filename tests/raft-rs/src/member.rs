//! A member as the world sees it: calls in, work out, and a look inside. `ours` and `theirs`
//! implement a member with raftcore and with raft-rs.

use crate::disk::{Conf, Disk, Machine, Record};
use crate::draw::Draw;

/// The library of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Raftcore = 0,
    RaftRs = 1,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Raftcore => "raftcore",
            Self::RaftRs => "raft-rs",
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::Raftcore => Self::RaftRs,
            Self::RaftRs => Self::Raftcore,
        }
    }
}

/// The schema that raftcore members speak. raft-rs has a single one, eraftpb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    Raftpb,
    Eraftpb,
}

/// The settings of a member.
#[derive(Clone, Debug)]
pub struct Setup {
    pub id: u64,
    pub tongue: Tongue,
    pub pre_vote: bool,
    pub check_quorum: bool,
    pub lease_reads: bool,
    pub election_ticks: u64,
    pub heartbeat_ticks: u64,
    pub seed: u64,
    /// Writes become durable later than the next input.
    pub async_writes: bool,
    pub priority: i64,
    pub max_size_per_msg: u64,
    pub max_inflight_msgs: u64,
    /// Bytes of proposals that are not committed; 0: each library's default.
    pub max_uncommitted: u64,
    pub batch_append: bool,
    pub skip_bcast_commit: bool,
    /// raftcore makes the choices of etcd's raft, raft-rs's ancestor, where its defaults differ.
    pub etcd_choices: bool,
    /// Further flags of raftcore: set and cleared.
    pub flags_on: u64,
    pub flags_off: u64,
}

impl Setup {
    pub fn new(id: u64, tongue: Tongue) -> Self {
        Self {
            id,
            tongue,
            pre_vote: true,
            check_quorum: true,
            lease_reads: false,
            election_ticks: 10,
            heartbeat_ticks: 1,
            seed: id,
            async_writes: false,
            priority: 0,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 256,
            max_uncommitted: 0,
            batch_append: false,
            skip_bcast_commit: false,
            etcd_choices: false,
            flags_on: 0,
            flags_off: 0,
        }
    }
}

/// A step of a membership change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Voter(u64),
    Remove(u64),
    Learner(u64),
}

/// The encoding of a membership change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    V1,
    Auto,
    Implicit,
    Explicit,
}

/// A membership change. `Auto` without steps leaves a joint membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub shape: Shape,
    pub steps: Vec<Step>,
    pub context: Vec<u8>,
}

/// An applied entry, and the state after it.
#[derive(Clone, Debug)]
pub struct Applied {
    pub entry: Record,
    pub machine: Machine,
    /// The membership after a change.
    pub conf: Option<Conf>,
}

/// The work of a member.
#[derive(Debug, Default)]
pub struct Out {
    /// Receiver and bytes.
    pub messages: Vec<(u64, Vec<u8>)>,
    pub applied: Vec<Applied>,
    /// Token and index.
    pub reads: Vec<(u64, u64)>,
    /// Tokens of reads that failed. raft-rs does not tell.
    pub failed: Vec<u64>,
    pub installed: Vec<(Machine, Conf)>,
}

/// What a member shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// 0: follower, 1: candidate, 2: leader, 3: pre-candidate.
    pub role: u8,
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
    pub applied: u64,
    pub last: u64,
    pub last_term: u64,
    pub leader: u64,
}

pub const LEADER: u8 = 2;

/// The outcome of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stepped {
    Taken,
    /// Refused, as a correct member may: a proposal without a leader, an answer of a removed node.
    Dropped,
    /// Refused, though the sender is a correct member.
    Refused(String),
}

/// A member of a group.
pub trait Member {
    fn kind(&self) -> Kind;
    fn tick(&mut self);
    fn step(&mut self, from: u64, bytes: &[u8]) -> Stepped;
    /// The calls that may be refused return whether the member took them.
    fn propose(&mut self, context: &[u8], data: &[u8]) -> bool;
    fn change(&mut self, change: &Change) -> bool;
    fn read(&mut self, token: u64, context_len: usize) -> bool;
    fn transfer(&mut self, to: u64);
    fn campaign(&mut self);
    fn request_snapshot(&mut self) -> bool;
    fn set_priority(&mut self, priority: i64);
    /// Puts members into commit groups, id and group; none: ends the groups.
    fn set_groups(&mut self, groups: &[(u64, u64)]);
    /// Sets how many appends may be in flight to a peer; 0: none go out.
    fn set_window(&mut self, peer: u64, messages: u64);
    fn report_unreachable(&mut self, peer: u64);
    fn report_snapshot(&mut self, peer: u64, arrived: bool);
    fn set_check_quorum(&mut self, on: bool);
    /// Gives memory back. Returns whether there was any to give.
    fn trim(&mut self) -> bool;
    /// While busy, the storage has no entries for peers. Afterwards the storage has what was asked for.
    fn set_busy(&mut self, busy: bool);
    /// Drops the log up to the index, which is applied.
    fn compact(&mut self, index: u64);
    /// Does all work that is there. With asynchronous writes, `flush` makes all writes durable.
    fn work(&mut self, flush: bool, out: &mut Out);
    fn look(&mut self) -> Look;
    /// The peers as a leader sees them: id, matched, next, state (0: probe, 1: replicate, 2:
    /// snapshot).
    fn peers(&mut self) -> Vec<(u64, u64, u64, u8)>;
    /// The commit index of a peer, as far as a leader has heard.
    fn peer_commit(&mut self, peer: u64) -> u64;
    /// Reads that wait for their answer.
    fn waiting_reads(&mut self) -> u64;
    /// The election timeout that the library drew in the last call.
    fn drawn_timeout(&mut self) -> u64;
    /// The target of a transfer; 0: no transfer.
    fn transferee(&mut self) -> u64;
    /// Everything written.
    fn disk(&mut self) -> &Disk;
    /// Everything flushed.
    fn durable(&mut self) -> &Disk;
    /// A panic of the library: the member has stopped.
    fn panic(&self) -> Option<&str>;
    /// Pins the election timeout until the next change of role or term.
    fn set_timeout(&mut self, ticks: u64);
    /// Stops the member as a power cut does.
    fn crash(self: Box<Self>, draw: &mut Draw) -> Disk;
}
