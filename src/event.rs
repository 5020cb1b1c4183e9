//! Events for logs, traces and tests: typed records that the host drains.
//!
//! `Reason` lists every cause for ignoring or refusing something, and so the rare paths. A place in
//! the code has a reason of its own.

macro_rules! table {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum $name { $($(#[doc = $doc])* $variant = $number,)* }

        impl $name {
            /// All values, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// In a few words.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

table! {
    /// Why something was ignored, refused or given up.
    Reason {
        /// No particular reason.
        None = 0, "";
        /// An older term's message.
        LowerTerm = 1, "a message of an older term";
        /// Only a leader accepts the message or call.
        NotLeader = 2, "only for a leader";
        /// Only a follower accepts the message or call.
        NotFollower = 3, "only for a follower";
        /// A leader is alive, so no vote [E-09].
        LeaderAlive = 4, "a leader is alive: no vote";
        /// The vote fence after a boot [D-05].
        VoteFence = 5, "started too recently to vote";
        /// A response to a finished election [E-04].
        LateVote = 7, "an answer to a finished election";
        /// The transfer's TimeoutNow names a different term or a longer log [E-17].
        TransferFence = 8, "a transfer that names another term or a longer log";
        /// This node may not campaign: not a voter, set unelectable, or a snapshot is pending
        /// [E-10].
        NotPromotable = 9, "may not campaign";
        /// A committed change is not applied yet [E-12].
        ChangeUnapplied = 10, "a committed membership change is not applied yet";
        /// A second leader in the same term [E-14].
        SecondLeader = 11, "a second leader in this term";
        /// An append contradicts a committed entry [L-17].
        ConflictBelowCommit = 12, "an append contradicts a committed entry";
        /// A heartbeat's commit index is beyond this log [L-02].
        CommitBeyondLog = 13, "the leader's commit index is beyond this log: acknowledged entries are gone";
        /// An acknowledgement beyond the leader's log.
        AckBeyondLog = 14, "an acknowledgement beyond this log";
        /// A rejection that the leader has answered before.
        StaleReject = 16, "an old rejection";
        /// The log covers the snapshot already [S-04].
        OldSnapshot = 17, "the log covers the snapshot already";
        /// A snapshot whose membership lacks this node [S-07].
        SnapshotWithoutSelf = 18, "the snapshot's membership lacks this node";
        /// A snapshot whose membership is invalid [S-07].
        SnapshotConf = 19, "the snapshot's membership is invalid";
        /// The peer has been silent, so no snapshot is asked for.
        PeerSilent = 20, "the peer is silent";
        /// No report about the snapshot from the peer [S-01].
        SnapshotTimeout = 21, "no report about a snapshot";
        /// The outbox is full: the message is lost.
        OutboxFull = 22, "too many messages in a ready: the message is lost";
        /// The target of the transfer can't lead.
        TransferTarget = 23, "the transfer's target can't lead";
        /// The transfer took too long [D-09].
        TransferDeadline = 24, "the transfer took too long";
        /// The transfer's target was removed or demoted [D-09].
        TransfereeGone = 25, "the transfer's target was removed or demoted";
        /// A newer transfer replaced the transfer, or the host aborted it.
        TransferAborted = 26, "the transfer was aborted";
        /// Leadership was lost.
        LeadershipLost = 27, "leadership was lost";
        /// The leader changed.
        LeaderChanged = 28, "the leader changed";
        /// No answer in time [D-06].
        ReadTimeout = 29, "no answer to a forwarded read in time";
        /// A read answer nobody waits for [D-06].
        LateReadAnswer = 30, "an answer that no read waits for";
        /// A read context that no node issued [D-08].
        ReadContext = 31, "a read context that no node issued";
        /// Passed on to the leader; the outcome shows at apply.
        Forwarded = 32, "forwarded to the leader";
        /// Another entry was committed at the index.
        Overwritten = 33, "another entry was committed at the index, or an entry of a later term below";
        /// A snapshot covers the index.
        CoveredBySnapshot = 34, "a snapshot covers the index";
        /// A forwarded proposal was refused: full, or no memory.
        ForwardedFull = 35, "a forwarded proposal was refused: a limit is reached, or no memory";
        /// A forwarded change was refused [M-10].
        ForwardedConf = 36, "a forwarded membership change was refused";
        /// No leader to forward to.
        NoLeader = 37, "no leader is known";
        /// No quorum heard within an election timeout.
        NoQuorum = 39, "no quorum was heard within an election timeout";
        /// A change removed or demoted this node [M-04].
        Removed = 40, "this node was removed or demoted";
        /// A message of a higher term.
        HigherTerm = 41, "a message of a higher term";
        /// An election was lost.
        ElectionLost = 42, "an election was lost";
        /// A higher priority objects [E-13].
        Priority = 43, "a node of higher priority objects";
        /// Another candidate has the vote.
        VotedOther = 44, "another candidate has the vote, or a leader is known";
        /// The candidate's log is older.
        OlderLog = 45, "the candidate's log is older";
        /// A learner or an unknown node can't be the target.
        UnknownPeer = 46, "not a peer";
        /// Lease reads forbid forgetting the leader.
        Lease = 48, "lease reads forbid forgetting the leader";
        /// The recent log is pinned and full.
        LogFull = 50, "the recent log has no room";
        /// The term is too close to the largest one [E-16].
        TermExhausted = 51, "the term is too high";
        /// An automatic leave of the joint membership was refused; the leader tries again.
        LeaveRefused = 52, "leaving the joint membership was refused for now";
        /// The last entry of a snapshot differs from the committed entry here.
        SnapshotConflict = 53, "a snapshot contradicts a committed entry";
        /// This leader's own disk makes no progress.
        OwnWrite = 54, "this leader's own writes take too long";
    }
}

table! {
    /// Kinds of events.
    EventKind {
        /// Became a follower in `term`; `peer` is the leader (0: none).
        BecameFollower = 1, "became follower";
        /// Asks whether votes would be granted.
        BecamePreCandidate = 2, "became pre-candidate";
        /// Asks for votes in `term`.
        BecameCandidate = 3, "became candidate";
        /// Leads in `term`; the first entry of the term is at `index`.
        BecameLeader = 4, "became leader";
        /// The first entry of this leader's term, at `index`, is applied: the leader serves reads
        /// and changes.
        LeaderReady = 5, "leader has applied its term's first entry";
        /// A message was ignored: `a` is the kind.
        Ignored = 6, "message ignored";
        /// A message contradicts the state of this node. Raise an alarm. `a` is the kind, `b` the
        /// value in the message.
        Alarm = 7, "implausible message refused";
        /// A vote was refused: `peer` asked in `term`; the log of `peer` ends at `index`.
        VoteRefused = 8, "vote refused";
        /// A campaign was refused.
        CampaignRefused = 9, "campaign refused";
        /// The membership in force changed by the entry at `index`; `a` voters, `b` learners.
        ConfApplied = 10, "membership changed";
        /// A change was skipped at `index`.
        ConfSkipped = 11, "membership change skipped";
        /// A snapshot at `index` replaces the log.
        SnapshotRestored = 12, "snapshot restored";
        /// A snapshot at `index` goes to `peer`.
        SnapshotSent = 13, "snapshot sent";
        /// The snapshot transfer to `peer` ended: `a` is 1 if the snapshot arrived.
        SnapshotEnded = 14, "snapshot ended";
        /// Leadership goes to `peer`.
        TransferStarted = 15, "leadership transfer started";
        /// The transfer to `peer` is over without success.
        TransferEnded = 16, "leadership transfer ended";
        /// No leader known for `a` ticks.
        NoLeaderLong = 17, "no leader for long";
        /// `peer` lags by `a` entries.
        PeerLags = 18, "peer lags";
        /// The host was paused: `a` ticks came in a burst.
        Paused = 19, "ticks came in a burst: the host was paused";
        /// A message was lost in a full outbox: `a` is the kind.
        MessageLost = 20, "message lost";
        /// A proposal of `peer` was refused.
        ProposalRefused = 21, "forwarded proposal refused";
        /// Boot repaired stored data: `a` is the stored value, `b` the new value.
        Repaired = 22, "stored state repaired at boot";
        /// Entries from `index` to `a` were overwritten. From `b` on, this node had appended them
        /// as leader; 0: no such entry.
        Truncated = 23, "log tail overwritten";
        /// The node is poisoned.
        Poisoned = 24, "poisoned";
        /// The node waits for entries of its own log from `index` on, since `a` ticks. Nothing is
        /// applied before the host supplies the entries.
        ApplyWaits = 25, "waits for entries of this node's own log";
    }
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// The kind.
    pub kind: EventKind,
    /// Why.
    pub reason: Reason,
    /// The peer concerned; 0: no peer.
    pub peer: u64,
    /// The node's term at the time.
    pub term: u64,
    /// An index; 0: no index.
    pub index: u64,
    /// A number; see the kind.
    pub a: u64,
    /// A second number; see the kind.
    pub b: u64,
}
