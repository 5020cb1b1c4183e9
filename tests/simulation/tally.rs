//! Counts of a run or a sweep: faults, dangerous cases, reasons and events.

use crate::plan::Fault;
use raftcore::{Event, EventKind, Reason};

macro_rules! witnesses {
    ($($witness:ident = $text:literal;)*) => {
        /// A dangerous case. A sweep without the case proves less than it seems to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Witness { $($witness,)* }

        impl Witness {
            pub const ALL: &'static [Self] = &[$(Self::$witness,)*];

            pub fn text(self) -> &'static str {
                match self { $(Self::$witness => $text,)* }
            }
        }
    };
}

witnesses! {
    ReadSuperseded = "a read confirmed by a leader that was superseded already";
    EntryReturned = "an entry that was overwritten on a disk returns to it";
    VoteAcrossVoterCrash = "a vote arrives of a voter that has crashed since";
    VoteAcrossCandidateCrash = "a vote arrives for a candidate that has crashed since it asked";
    AckAcrossCrash = "an acknowledgement arrives of a node that has crashed since";
    SnapshotInJoint = "a snapshot with a joint configuration is installed";
    FetchTooLate = "a supply that nobody wants any more";
    FetchWrong = "a supply that contradicts the log is refused";
    TwoLeaders = "two nodes lead, in different terms";
    OldTermTail = "a new leader has uncommitted entries of older terms";
    OldTermOnQuorum = "a quorum holds an entry of an older term that is not committed";
    TokenOverwritten = "a proposal is told to be surely not committed";
    TokenCovered = "a proposal's outcome is covered by a snapshot";
    ForwardedTwice = "a proposal that was passed on is committed twice";
    LostTail = "a crash loses writes under way";
    TornTail = "a crash leaves a part of the writes under way";
    TornBeforeState = "a crash leaves entries without the hard state behind them";
    LostCommit = "a crash takes a commit index back";
    AppliedAgain = "entries are applied again after a crash";
    ManyOutstanding = "three readies or more are outstanding";
    StaleMark = "a write becomes durable whose term is over";
    Joint = "a joint configuration is in force";
    AutoLeaveByAnother = "another leader leaves the joint configuration than the one that entered it";
    LeaderRemoved = "a leader is removed, or demoted";
    Readded = "a removed node is added again";
    LearnerPromoted = "a learner becomes a voter";
    DiskReplaced = "a node with a new id stands for a wiped disk";
    LeaseRead = "a read is answered under a lease";
    CampaignByOrder = "an order to campaign is obeyed";
    OrderTooLate = "an order to campaign arrives in a later term";
    StaleLeaderCut = "a leader that is cut off goes on believing";
    CaughtUpBySupply = "entries from the host's log go to a peer";
    AppliedBySupply = "committed entries are supplied by the node's own host";
    SpanRead = "committed entries are read from the host's log";
    SnapshotDiscarded = "a snapshot arrives that is covered already";
    QuorumCore = "the group recovers with a member missing";
    SkippedChange = "all hosts skip a change";
}

/// All counts.
#[derive(Clone, Debug)]
pub struct Tally {
    pub faults: [u64; Fault::COUNT],
    pub witnesses: Vec<u64>,
    pub reasons: [u64; 64],
    pub events: [u64; 64],
    pub ticks: u64,
    pub calls: u64,
    pub messages: u64,
    pub twins: u64,
    pub stalls: u64,
    /// Hash of all steps, equal for equal seeds.
    pub trail: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            faults: [0; Fault::COUNT],
            witnesses: vec![0; Witness::ALL.len()],
            reasons: [0; 64],
            events: [0; 64],
            ticks: 0,
            calls: 0,
            messages: 0,
            twins: 0,
            stalls: 0,
            trail: 0,
        }
    }
}

impl Tally {
    pub fn fault(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    pub fn saw(&mut self, witness: Witness) {
        self.witnesses[witness as usize] += 1;
    }

    pub fn event(&mut self, event: &Event) {
        self.events[event.kind as usize] += 1;
        self.reasons[event.reason as usize] += 1;
    }

    pub fn reason(&mut self, reason: Reason) {
        self.reasons[reason as usize] += 1;
    }

    pub fn trace(&mut self, number: u64) {
        self.trail = (self.trail ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    pub fn add(&mut self, other: &Self) {
        let sum = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        sum(&mut self.faults, &other.faults);
        sum(&mut self.witnesses, &other.witnesses);
        sum(&mut self.reasons, &other.reasons);
        sum(&mut self.events, &other.events);
        self.ticks += other.ticks;
        self.calls += other.calls;
        self.messages += other.messages;
        self.twins += other.twins;
        self.stalls += other.stalls;
    }

    /// Returns the dangerous cases that never occurred.
    pub fn missing(&self) -> Vec<&'static str> {
        Witness::ALL.iter().filter(|&&w| self.witnesses[w as usize] == 0).map(|w| w.text()).collect()
    }

    /// Returns the rarest reasons and dangerous cases.
    pub fn rarest(&self) -> String {
        let reasons = Reason::ALL.iter().map(|&reason| (self.reasons[reason as usize], format!("{reason:?}")));
        let witnesses = Witness::ALL.iter().map(|&w| (self.witnesses[w as usize], format!("{w:?}")));
        let mut list: Vec<(u64, String)> = reasons.chain(witnesses).filter(|(count, _)| *count > 0).collect();
        list.sort();
        let names: Vec<String> = list.iter().take(8).map(|(count, name)| format!("{name} {count}")).collect();
        names.join(", ")
    }

    /// Returns the core's reasons and events that never occurred, except for unreachable ones.
    pub fn never_hit(&self) -> Vec<String> {
        let reasons = Reason::ALL.iter().filter(|&&r| self.reasons[r as usize] == 0 && unreachable_reason(r).is_none());
        let events = EventKind::ALL.iter().filter(|&&e| self.events[e as usize] == 0 && e != EventKind::Poisoned);
        let reasons = reasons.map(|reason| format!("reason {reason:?}"));
        reasons.chain(events.map(|event| format!("event {event:?}"))).collect()
    }
}

/// Returns why the simulator cannot reach a reason. The event `Poisoned` is absent as well, since
/// it would be a bug of the core.
pub fn unreachable_reason(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::UnknownPeer => Some("an answer of somebody unknown is refused before it could be ignored"),
        _ => None,
    }
}
