//! Faults planted in the core, one of which a test build may choose: what the tests must find (`make mutants`).
//!
//! Only a build with `--cfg raftcore_faults` has them, and none is released: elsewhere `planted` is `false` at compile time, and what
//! stands behind it is no part of the library. Such a build has the fault whose number is in the environment as `RAFTCORE_FAULT`.

/// Whether this build is to have the fault.
macro_rules! fault {
    ($name:ident) => {
        crate::fault::planted(crate::fault::Fault::$name)
    };
}

/// What goes wrong. A number, once given, keeps its meaning only within one tree.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    // Elections.
    /// A second candidate of a term gets a vote, too.
    VotesTwice = 1,
    /// A vote asks for no log as long as one's own.
    VotesForOlderLogs = 2,
    /// Logs are compared by index alone [E-19].
    LogsComparedByIndex = 3,
    /// One vote less than a majority elects.
    VoteQuorumOffByOne = 4,
    /// In a joint configuration the incoming half elects alone.
    OneHalfElects = 5,
    /// A learner's vote counts.
    LearnersVote = 6,
    /// A learner campaigns [E-10].
    LearnerCampaigns = 7,
    /// A late answer to a pre-vote counts as a vote [E-04].
    PreVoteCountsAsVote = 8,
    /// A pre-vote raises the term of who hears it.
    PreVoteRaisesTerm = 9,
    /// Asking for pre-votes forgets the vote [E-04].
    PreVoteForgetsVote = 10,
    /// Stepping down within a term forgets the vote [E-06].
    StepDownForgetsVote = 11,
    /// A vote is asked for before term and vote are durable.
    VoteRequestLeavesEarly = 12,
    /// A vote is granted before it is durable [E-07].
    VoteLeavesEarly = 13,
    /// The own vote counts before it is durable [E-08].
    OwnVoteCountsEarly = 14,
    /// The vote is missing in the hard state that the host stores.
    VoteNotStored = 15,
    /// The stored vote is not read back.
    VoteForgottenAtRestart = 16,
    /// A stored term below that of the last entry is taken as it is.
    TermNotRaisedAtRestart = 17,
    /// Messages of older terms are handled like current ones.
    OlderTermsTaken = 18,
    /// A leader of an older term hears of no newer one.
    LowerTermsUnanswered = 19,
    /// A living leader is no reason to refuse a vote.
    NoLease = 20,
    /// A leader that lost its quorum leads on.
    QuorumNotChecked = 21,
    /// A committed change that is not applied does not stop a campaign [E-12].
    CampaignsOverChange = 22,
    /// A snapshot on its way to the disk does not stop a campaign [E-12].
    CampaignsOverSnapshot = 23,
    /// A second leader of a term is followed [E-14].
    SecondLeaderTaken = 24,
    /// Any jump of the term is followed [E-16].
    TermJumpTaken = 25,
    /// The commit index does not travel with votes [E-11].
    CommitNotInVotes = 26,
    /// A node of higher priority never gives in [E-13].
    FavouriteObjectsForever = 27,
    // Log and commit.
    /// Entries of older terms commit by counting [L-01].
    CommitsOldTerms = 28,
    /// One less than a majority commits.
    CommitQuorumOffByOne = 29,
    /// In a joint configuration the incoming half commits alone.
    OneHalfCommits = 30,
    /// What a learner has counts as committed.
    LearnerCounted = 31,
    /// The outgoing half is no longer asked once the entry that leaves it is proposed.
    JointLeftEarly = 32,
    /// A follower commits beyond what the append confirmed.
    CommitBeyondConfirmed = 33,
    /// Commit is carried past the end of the log.
    CommitPastLog = 34,
    /// Commit follows a lower one [L-14].
    CommitFalls = 35,
    /// A stored commit index passes the entries stored with it [L-15].
    CommitAheadOfEntries = 36,
    /// A heartbeat says the leader's commit index, whatever the peer has.
    HeartbeatSaysAll = 37,
    /// A follower acknowledges before its disk has it [L-08].
    AckLeavesEarly = 38,
    /// A leader counts its own log before its disk has it.
    OwnAckCountsEarly = 39,
    /// An acknowledgement says one entry less.
    AcknowledgesTooLittle = 40,
    /// An acknowledgement says one entry more.
    AcknowledgesTooMuch = 41,
    /// A write of an older term makes entries durable [L-05].
    LateWriteCounts = 42,
    /// What a peer acknowledged in an older term still counts [L-21].
    MatchOutlivesTerm = 43,
    /// What was stored of an overwritten tail still counts as stored [L-06].
    TruncationKeepsMarks = 44,
    /// Nothing keeps committed entries from being overwritten [L-17].
    CommittedTruncated = 45,
    /// An append that ends earlier than the log cuts it.
    ShortAppendTruncates = 46,
    /// Entries need not follow the one before them [L-16].
    GapTaken = 47,
    /// ASYNC applies what the disk does not have, without a bound [L-19].
    AppliesUnpersisted = 48,
    /// What a limit cuts off a ready is never handed out [L-10].
    LimitSkipsCommitted = 49,
    /// The account of uncommitted bytes only grows [L-11].
    UncommittedNeverReturned = 50,
    /// A message to another node is taken.
    WrongAddresseeTaken = 51,
    /// A frame of another group is taken [L-03].
    WrongGroupTaken = 52,
    /// The number of a ready that was never handed out is taken.
    UnknownNumberTaken = 53,
    // Flow.
    /// A rejection's hint is ignored.
    HintIgnored = 54,
    /// A rejection's hint is taken for one far below it.
    HintSkipsTooFar = 55,
    /// A rejection takes a peer back below what it has [L-04].
    NextBelowMatch = 56,
    /// A rejection that answers an older probe counts.
    OldRejectionsCount = 57,
    /// A full window stops nothing.
    WindowIgnored = 58,
    /// An acknowledgement frees no place in the window.
    WindowNeverFreed = 59,
    /// A probe is followed by the next before it is answered.
    NoPauseWhileProbing = 60,
    /// A probe that was lost is not repeated [L-12].
    ProbeNeverResumes = 61,
    /// A peer reported unreachable still gets a stream.
    UnreachableIgnored = 62,
    // Reads, leases, transfer.
    /// A read is answered before the term's first commit [D-01].
    ReadBeforeFirstCommit = 63,
    /// An answer to an older round confirms newer reads [D-02].
    ReadContextReused = 64,
    /// A read is answered before its index is applied.
    ReadBeforeApplied = 65,
    /// Reads of a leader that steps down just vanish [D-07].
    ReadsVanish = 66,
    /// An answer to a read from before a restart is taken [D-06].
    LateReadAnswerTaken = 67,
    /// The lease is kept through a transfer [D-04].
    LeaseKeptInTransfer = 68,
    /// The lease counts from the answer to a heartbeat, not from its sending.
    LeaseDatedByAnswer = 69,
    /// A node that has just started votes at once [E-18].
    LeaseOutlivesRestart = 70,
    /// A target that lags is told to campaign.
    TransferToLaggard = 71,
    /// A transfer has no deadline [D-09].
    TransferNeverEnds = 72,
    /// A target with less log than announced campaigns [E-17].
    TransferFenceIgnored = 73,
    /// Proposals are taken during a transfer.
    ProposalsDuringTransfer = 74,
    // Membership.
    /// A change is taken while another is not applied [M-06].
    ManyChangesAtOnce = 75,
    /// A new leader knows of no change in its log [M-07].
    PendingChangeForgotten = 76,
    /// A refused change leaves its mark [M-10].
    RefusedChangePends = 77,
    /// A joint configuration is never left by itself.
    StaysJoint = 78,
    /// Only the leader that entered a joint configuration leaves it [M-01].
    AutoLeaveLostWithLeader = 79,
    /// A leader that was removed leads on [M-04].
    RemovedLeaderStays = 80,
    /// A node that one change removes and adds again keeps what was known of it [M-13].
    RejoinedKeepsProgress = 81,
    /// A voter that becomes a learner is lost with the joint configuration [M-12].
    DemotedLost = 82,
    // Snapshots and supplies.
    /// A snapshot within the log leaves a conflicting tail [S-03].
    SnapshotKeepsTail = 83,
    /// A snapshot does not bring its configuration [M-09].
    SnapshotKeepsConf = 84,
    /// A snapshot that is covered is installed [S-04].
    OldSnapshotTaken = 85,
    /// An acknowledgement does not end the snapshot state [S-02].
    SnapshotStateStays = 86,
    /// The snapshot state has no deadline [S-01].
    SnapshotNeverExpires = 87,
    /// Entries that the host supplies are not checked against the log [L-16].
    SupplyUnchecked = 88,
    /// A host that said LATER is never asked again.
    FetchNotAskedAgain = 89,
    // Tokens.
    /// A token comes back with its entry and as dropped.
    TokenAnsweredTwice = 90,
    /// The token of an overwritten entry is dropped before another entry is committed there.
    TruncatedTokenDropped = 91,
    /// A token that a snapshot covers never comes back.
    CoveredTokenLost = 92,
    /// An append that asks a peer what it has says that no answer is needed.
    AsksQuietly = 93,
    /// A commit index that a crash lost is not inferred from the changes in the log.
    ChangesProveNothing = 94,
}

#[cfg(not(raftcore_faults))]
#[inline(always)]
pub(crate) const fn planted(_: Fault) -> bool {
    false
}

#[cfg(raftcore_faults)]
#[inline]
pub(crate) fn planted(fault: Fault) -> bool {
    /// 0: none.
    static CHOSEN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| match std::env::var("RAFTCORE_FAULT") {
        Err(_) => 0,
        Ok(number) => number.parse().unwrap_or_else(|_| {
            eprintln!("RAFTCORE_FAULT={number}: no number of a fault in src/fault.rs");
            std::process::exit(3)
        }),
    });
    *chosen == fault as u32
}
