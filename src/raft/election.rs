//! Elections: campaigns, votes, pre-votes, the quorum check, priorities.
//!
//! Invariants: a node's own vote counts only once durable, even a sole voter's. A node requests
//! votes only once its term, vote and log tail are durable [E-08, R-10]. Logs are compared by
//! (term, index) [E-19]. A learner never campaigns [E-10] but votes if requested (etcd#10998). A
//! late answer is never counted [E-04].
//!
//! Sources: paper §5.2, §5.4.1; diss. §4.2.3, §6.2, §9.6; departures: `docs/departures.md`.

use super::Raft;
use super::role::Timers;
use crate::config::{Config, Flags};
use crate::event::{EventKind, Reason};
use crate::outbox::OutMessage;
use crate::quorum::{VoteResult, joint_vote};
use crate::types::{EntryId, MessageKind, Role, Term};
use crate::wire::{Head, MessageView};

/// Context of a vote request after a transfer. A live leader is then no reason to refuse the vote.
pub(crate) const TRANSFER_CONTEXT: &[u8; 16] = b"CampaignTransfer";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Election {
    /// Whether the host lets this node lead.
    pub electable: bool,
    /// Among equal logs the higher priority wins.
    pub priority: i32,
    /// The priority that the last heartbeat carried; 0 without the flag YIELD_TO_PRIORITY.
    pub leader_priority: i64,
    /// The highest term that this node has led since the node was made. A second leader of the term
    /// is impossible [E-14].
    pub led_term: Term,
}

impl Election {
    pub fn new(config: &Config) -> Self {
        Self { electable: true, priority: config.priority, leader_priority: 0, led_term: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Campaign {
    Pre,
    Real,
    Transfer,
}

impl Campaign {
    pub fn usual(pre_vote: bool) -> Self {
        if pre_vote { Self::Pre } else { Self::Real }
    }
}

impl Raft {
    /// Whether this node may campaign: a voter, electable, with no snapshot waiting for the disk.
    pub fn is_promotable(&self) -> bool {
        self.election.electable
            && self.log.snapshot.is_none()
            && self.peers.get(self.id).is_some_and(|own| !own.is_learner)
    }

    /// Starts an election, unless this node leads or may not campaign. Returns whether it started.
    pub fn start_campaign(&mut self, campaign: Campaign) -> bool {
        if self.role == Role::Leader {
            return false;
        }
        let refused = if !self.is_promotable() {
            Some(Reason::NotPromotable)
        } else if campaign != Campaign::Transfer && self.is_bound_by_lease() {
            Some(Reason::Lease)
        } else if self.log.has_unapplied_change() {
            Some(Reason::ChangeUnapplied)
        } else if self.term + 1 >= crate::types::MAX_POSITION {
            Some(Reason::TermExhausted)
        } else {
            None
        };
        if let Some(reason) = refused {
            self.event(EventKind::CampaignRefused, reason, 0, 0, 0, 0);
            return false;
        }
        self.campaign(campaign);
        true
    }

    fn campaign(&mut self, campaign: Campaign) {
        let (kind, answer, term) = if campaign == Campaign::Pre {
            self.become_pre_candidate();
            (MessageKind::PreVote, MessageKind::PreVoteResp, self.term + 1)
        } else {
            self.become_candidate();
            (MessageKind::Vote, MessageKind::VoteResp, self.term)
        };
        let last = self.log.last_id();
        for at in 0..self.peers.len() {
            let Some(to) = self.peers.at(at).map(|peer| peer.id).filter(|&id| self.conf.is_voter(id)) else { continue };
            if to == self.id {
                self.send(OutMessage::new(Head { term, ..self.head(answer, to) }));
                continue;
            }
            let mut head = Head { term, index: last.index, log_term: last.term, ..self.head(kind, to) };
            self.put_commit(&mut head);
            head.priority = i64::from(self.election.priority);
            let mut message = OutMessage::new(head);
            if campaign == Campaign::Transfer {
                message = message.with_context(TRANSFER_CONTEXT);
            }
            self.send(message);
        }
    }

    /// Adds the commit index to a vote, where all nodes understand it [E-11]. The index is in
    /// `commit`, the term of the entry in `reject_hint`.
    fn put_commit(&self, head: &mut Head) {
        if self.flag(Flags::COMMIT_IN_VOTES) {
            head.commit = self.log.commit;
            head.reject_hint = self.log.term_at(self.log.commit).unwrap_or(0);
        }
    }

    fn take_commit(&mut self, head: &Head) {
        let carried = EntryId { term: head.reject_hint, index: head.commit };
        if !self.flag(Flags::COMMIT_IN_VOTES) || self.role == Role::Leader || carried.term == 0 {
            return;
        }
        if carried.index > self.log.commit && self.log.matches(carried) {
            self.commit_to(carried.index);
            // The commit may cover a change of voters. Then the current election counts the wrong
            // voters.
            if self.role != Role::Follower && self.log.has_unapplied_change() {
                self.become_follower(self.term, 0, Reason::ChangeUnapplied);
            }
        }
    }

    // ---- a vote is requested

    pub fn on_vote_request(&mut self, m: &MessageView<'_>) {
        let head = &m.head;
        let pre = head.kind == MessageKind::PreVote;
        let answer = if pre { MessageKind::PreVoteResp } else { MessageKind::VoteResp };
        self.take_commit(head);
        match self.refusal(head, pre) {
            None => {
                // A pre-vote's answer carries the requested term, since the candidate has not
                // raised its own term yet.
                let reply = Head { term: head.term, ..self.head(answer, head.from) };
                self.send(OutMessage::new(reply));
                if !pre {
                    self.grant_vote(head.from);
                }
            }
            Some(reason) => self.refuse_vote(head, answer, reason),
        }
    }

    pub fn refuse_vote(&mut self, head: &Head, answer: MessageKind, reason: Reason) {
        self.event(EventKind::VoteRefused, reason, head.from, head.index, head.term, head.log_term);
        let mut reply = Head { reject: true, ..self.head(answer, head.from) };
        self.put_commit(&mut reply);
        self.send(OutMessage::new(reply));
    }

    fn refusal(&self, head: &Head, pre: bool) -> Option<Reason> {
        let may = self.vote == head.from || (self.vote == 0 && self.leader == 0) || (pre && head.term > self.term);
        let theirs = EntryId { term: head.log_term, index: head.index };
        if !may {
            Some(Reason::VotedOther)
        } else if !self.log.is_up_to_date(theirs) {
            Some(Reason::OlderLog)
        } else if self.outranks(head, theirs) {
            Some(Reason::Priority)
        } else {
            None
        }
    }

    /// Whether this node should lead instead of the candidate. A node objects only if it could lead
    /// itself, while the logs are equal, and not for ever: a favourite that is dead or lags must
    /// not prevent elections [E-13].
    fn outranks(&self, head: &Head, theirs: EntryId) -> bool {
        let Timers { leaderless, .. } = self.timers;
        i64::from(self.election.priority) > head.priority
            && theirs == self.log.last_id()
            && self.is_promotable()
            && leaderless < 4 * self.config.election_ticks
    }

    // ---- a vote is answered

    pub fn on_vote_resp(&mut self, m: &MessageView<'_>) {
        let head = &m.head;
        self.take_commit(head);
        let expected = match self.role {
            Role::PreCandidate => MessageKind::PreVoteResp,
            Role::Candidate => MessageKind::VoteResp,
            _ => return self.ignore(head, Reason::LateVote),
        };
        if head.kind == expected { self.poll(head.from, !head.reject) } else { self.ignore(head, Reason::LateVote) }
    }

    /// Counts a vote. Only the first vote of a node in an election counts.
    pub fn poll(&mut self, from: u64, granted: bool) {
        if let Some(peer) = self.peers.get_mut(from) {
            peer.vote.get_or_insert(granted);
        }
        match self.tally() {
            VoteResult::Won if self.role == Role::PreCandidate => self.campaign(Campaign::Real),
            VoteResult::Won => {
                self.become_leader();
                // Without room for the term's first entry the node has stepped down already.
                if self.role == Role::Leader {
                    self.broadcast_append();
                }
            }
            VoteResult::Lost => self.become_follower(self.term, 0, Reason::ElectionLost),
            VoteResult::Pending => {}
        }
    }

    fn tally(&self) -> VoteResult {
        let (voters, outgoing) = (self.conf.voters.as_slice(), self.conf.outgoing.as_slice());
        joint_vote(voters, outgoing, |id| self.peers.get(id).and_then(|peer| peer.vote))
    }

    /// Steps down if the leader heard from no quorum for an election timeout (diss. §6.2).
    pub fn check_quorum(&mut self) {
        let (voters, outgoing) = (self.conf.voters.as_slice(), self.conf.outgoing.as_slice());
        let active = joint_vote(voters, outgoing, |id| {
            self.peers.get(id).filter(|peer| !peer.is_learner).map(|peer| peer.recent_active)
        });
        if active != VoteResult::Won {
            self.become_follower(self.term, 0, Reason::NoQuorum);
        }
        let id = self.id;
        for peer in self.peers.iter_mut().filter(|peer| peer.id != id) {
            peer.recent_active = false;
        }
    }
}
