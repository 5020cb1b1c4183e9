//! Scripts: a scenario as a line of commands on a group of either library or of both. A command
//! gives a member an input, and then messages travel until every member is silent. A failed
//! expectation is a panic with the command.
//!
//! A group of founders begins behind index 1 of term 1, so the first leader leads in term 2, and the
//! leader's first entry has index 2.

use protobuf::Message as _;
use raft::prelude::{Entry, Message, MessageType};
use raft_rs_mixed::disk::{Conf, Disk, Machine, Record};
use raft_rs_mixed::lockstep::{Said, said};
use raft_rs_mixed::member::{Change, Kind, LEADER, Look, Member, Out, Setup, Shape, Step, Stepped, Tongue};
use raft_rs_mixed::ours::Ours;
use raft_rs_mixed::tally::MESSAGES;
use raft_rs_mixed::theirs::Theirs;
use raftcore::Flags;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A group driven by scripts.
pub struct Group {
    kind: fn(u64) -> Kind,
    setup: Setup,
    voters: Vec<u64>,
    members: BTreeMap<u64, Box<dyn Member>>,
    /// Pairs of members without a connection, and kinds of lost messages.
    cuts: BTreeSet<(u64, u64)>,
    ignored: BTreeSet<i32>,
    /// Messages since the last input, delivered or not.
    said: Vec<(u64, Said)>,
    queue: VecDeque<(u64, u64, Vec<u8>)>,
    holds: bool,
    /// Members that do no work until `work`.
    stalled: BTreeSet<u64>,
    taken: bool,
    reads: BTreeMap<u64, u64>,
    applied: BTreeMap<u64, u64>,
    token: u64,
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("no number: {word}"))
}

fn ids(word: &str) -> Vec<u64> {
    word.split(',').filter(|id| !id.is_empty() && *id != "-").map(number).collect()
}

/// Returns the number of a kind of message, from a name such as `append` or `voteresp`.
fn message_kind(word: &str) -> MessageType {
    use MessageType::*;
    match word {
        "hup" => MsgHup,
        "beat" => MsgBeat,
        "unreachable" => MsgUnreachable,
        "snapstatus" => MsgSnapStatus,
        "checkquorum" => MsgCheckQuorum,
        "propose" => MsgPropose,
        "append" => MsgAppend,
        "appendresp" => MsgAppendResponse,
        "vote" => MsgRequestVote,
        "voteresp" => MsgRequestVoteResponse,
        "snapshot" => MsgSnapshot,
        "heartbeat" => MsgHeartbeat,
        "heartbeatresp" => MsgHeartbeatResponse,
        "timeoutnow" => MsgTimeoutNow,
        "read" => MsgReadIndex,
        "prevote" => MsgRequestPreVote,
        "prevoteresp" => MsgRequestPreVoteResponse,
        "transfer" => MsgTransferLeader,
        _ => panic!("no kind of message: {word}"),
    }
}

/// Reads `name value` pairs; a name without a number behind it is a flag.
fn fields(words: &[&str]) -> BTreeMap<String, Vec<u64>> {
    let mut fields: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut name = String::new();
    for word in words {
        match word.parse() {
            Ok(value) => fields.entry(name.clone()).or_default().push(value),
            Err(_) => {
                name = (*word).to_owned();
                fields.entry(name.clone()).or_default();
            }
        }
    }
    fields
}

impl Group {
    /// Runs a script, and returns the final states of all members.
    pub fn run(kind: fn(u64) -> Kind, script: &str) -> Vec<(u64, Look)> {
        let mut group = Self::new(kind);
        group.drive(script);
        group.members.iter_mut().map(|(id, member)| (*id, member.look())).collect()
    }

    /// Makes a group without members.
    pub fn new(kind: fn(u64) -> Kind) -> Self {
        let mut group = Self {
            kind,
            setup: Setup { pre_vote: false, check_quorum: false, etcd_choices: true, ..Setup::new(1, Tongue::Eraftpb) },
            voters: vec![1, 2, 3],
            members: BTreeMap::new(),
            cuts: BTreeSet::new(),
            ignored: BTreeSet::new(),
            said: Vec::new(),
            queue: VecDeque::new(),
            holds: false,
            stalled: BTreeSet::new(),
            taken: true,
            reads: BTreeMap::new(),
            applied: BTreeMap::new(),
            token: 0,
        };
        group.setup.flags_on = Flags::COMMIT_IN_VOTES.0;
        group
    }

    /// Runs the commands of a script.
    pub fn drive(&mut self, script: &str) {
        for command in script.split(';').map(str::trim).filter(|command| !command.is_empty()) {
            let words: Vec<&str> = command.split_whitespace().collect();
            if !self.set_up(&words) && !self.act(&words) {
                self.expect(command, &words);
            }
        }
    }

    /// Returns the disks of all members.
    pub fn disks(&mut self) -> BTreeMap<u64, Disk> {
        self.members.iter_mut().map(|(id, member)| (*id, member.disk().clone())).collect()
    }

    /// Sets the dialect of raftcore's members. Votes have no commit index then, as in raftpb.
    pub fn speak(&mut self, tongue: Tongue) {
        self.setup.tongue = tongue;
        self.setup.flags_on = 0;
    }

    // ---- set up

    fn set_up(&mut self, words: &[&str]) -> bool {
        match words {
            ["group", count, options @ ..] => {
                self.voters = (1..=number(count)).collect();
                for option in options {
                    self.option(option);
                }
                for id in self.voters.clone() {
                    self.boot(id, Disk::founder(&self.voters, false));
                }
            }
            // Behind the founders' index 1: the terms of the entries; then term, vote, commit index.
            ["disk", id, rest @ ..] => {
                let fields = fields(rest);
                let get = |name: &str| fields.get(name).cloned().unwrap_or_default();
                let mut disk = Disk::founder(&self.voters, false);
                for (at, term) in get("entries").into_iter().enumerate() {
                    let record = Record { term, index: at as u64 + 2, data: vec![term as u8; 9], ..Record::default() };
                    disk.log.push_back(record);
                }
                let last = disk.log.back().map_or(1, |entry| entry.term);
                disk.hard.term = get("term").first().copied().unwrap_or(last);
                disk.hard.vote = get("vote").first().copied().unwrap_or(0);
                disk.hard.commit = get("commit").first().copied().unwrap_or(1);
                self.boot(number(id), disk);
            }
            ["empty", id] => self.boot(number(id), Disk::default()),
            ["learners", list] => {
                for id in 1..=self.voters.len() as u64 {
                    let mut disk = Disk::founder(&self.voters, false);
                    disk.conf = Conf { learners: ids(list), ..disk.conf };
                    disk.conf.voters.retain(|id| !disk.conf.learners.contains(id));
                    self.boot(id, disk);
                }
            }
            _ => return false,
        }
        true
    }

    fn option(&mut self, option: &str) {
        match option.split_once('=').unwrap_or((option, "")) {
            ("pre", _) => self.setup.pre_vote = true,
            ("cq", _) => self.setup.check_quorum = true,
            ("lease", _) => (self.setup.check_quorum, self.setup.lease_reads) = (true, true),
            ("lazy", _) => self.setup.skip_bcast_commit = true,
            ("batch", _) => self.setup.batch_append = true,
            ("uncommitted", bytes) => self.setup.max_uncommitted = number(bytes),
            ("window", count) => self.setup.max_inflight_msgs = number(count),
            ("size", bytes) => self.setup.max_size_per_msg = number(bytes),
            _ => panic!("no option: {option}"),
        }
    }

    /// Boots a member from a disk.
    pub fn boot(&mut self, id: u64, disk: Disk) {
        let setup = Setup { id, seed: id, ..self.setup.clone() };
        let member: Box<dyn Member> = match (self.kind)(id) {
            Kind::Raftcore => Box::new(Ours::start(&setup, disk).expect("a boot")),
            Kind::RaftRs => Box::new(Theirs::start(&setup, disk).expect("a boot")),
        };
        self.members.insert(id, member);
        self.member(id).set_timeout(10 + id);
    }

    // ---- inputs

    fn act(&mut self, words: &[&str]) -> bool {
        match words {
            ["stop", id] => _ = self.members.remove(&number(id)),
            ["only", id] => self.members.retain(|other, _| *other == number(id)),
            // A member without PreVote, or with it again.
            ["plain", id] | ["pre", id] => {
                let (disk, usual) = (self.member(number(id)).disk().clone(), self.setup.pre_vote);
                self.setup.pre_vote = words[0] == "pre";
                self.boot(number(id), disk);
                self.setup.pre_vote = usual;
            }
            ["window", id, peer, messages] => {
                self.input(id, |member| member.set_window(number(peer), number(messages)));
            }
            ["restart", id] => {
                let disk = self.member(number(id)).disk().clone();
                self.boot(number(id), disk);
            }
            ["cut", a, b] => _ = self.cuts.extend([(number(a), number(b)), (number(b), number(a))]),
            ["isolate", id] => {
                let id = number(id);
                self.cuts.extend((0..10).flat_map(|other| [(id, other), (other, id)]));
            }
            ["ignore", kind] => _ = self.ignored.insert(message_kind(kind) as i32),
            ["heal"] => {
                self.cuts.clear();
                self.ignored.clear();
            }
            ["hold"] => self.holds = true,
            ["release"] => {
                self.holds = false;
                self.travel();
            }
            // A stalled member gets inputs, and takes no ready.
            ["stall", id] => _ = self.stalled.insert(number(id)),
            ["work", id] => {
                self.stalled.remove(&number(id));
                self.input(id, |_| ());
            }
            ["checks", id, on] => self.input(id, |member| member.set_check_quorum(number(on) > 0)),
            ["busy", id] => self.input(id, |member| member.set_busy(true)),
            ["fetched", id] => self.input(id, |member| member.set_busy(false)),
            ["trim", id] => self.call(id, |member| member.trim()),
            ["campaign", id] => self.input(id, |member| member.campaign()),
            ["timeout", id, ticks] => self.member(number(id)).set_timeout(number(ticks)),
            ["tick", id, count] => (0..number(count)).for_each(|_| self.input(id, |member| member.tick())),
            ["propose", id, rest @ ..] => {
                let len = rest.first().map_or(9, |len| number(len)) as usize;
                self.call(id, |member| member.propose(&[], &vec![7; len]));
            }
            ["context", id] => self.call(id, |member| member.propose(b"a context", b"data")),
            ["read", id] => {
                self.token += 1;
                let token = self.token;
                self.call(id, |member| member.read(token, 20));
            }
            ["transfer", id, to] => self.input(id, |member| member.transfer(number(to))),
            ["unreachable", id, peer] => self.input(id, |member| member.report_unreachable(number(peer))),
            ["arrived", id, peer] => self.input(id, |member| member.report_snapshot(number(peer), true)),
            ["failed", id, peer] => self.input(id, |member| member.report_snapshot(number(peer), false)),
            ["compact", id, index] => self.input(id, |member| member.compact(number(index))),
            ["request", id] => self.call(id, |member| member.request_snapshot()),
            ["priority", id, priority] => self.input(id, |member| member.set_priority(number(priority) as i64)),
            ["groups", id, rest @ ..] => {
                let groups: Vec<(u64, u64)> = (1..).zip(rest.iter().map(|word| number(word))).collect();
                self.input(id, |member| member.set_groups(&groups));
            }
            ["change", id, shape, steps @ ..] => {
                let change = change_of(shape, steps);
                self.call(id, |member| member.change(&change));
            }
            ["recv", id, kind, rest @ ..] => self.receive(number(id), message_kind(kind), &fields(rest)),
            _ => return false,
        }
        true
    }

    fn member(&mut self, id: u64) -> &mut dyn Member {
        self.members.get_mut(&id).unwrap_or_else(|| panic!("member {id} does not run")).as_mut()
    }

    fn call(&mut self, id: &str, call: impl FnOnce(&mut dyn Member) -> bool) {
        let mut taken = false;
        self.input(id, |member| taken = call(member));
        self.taken = taken;
    }

    fn input(&mut self, id: &str, call: impl FnOnce(&mut dyn Member)) {
        let id = number(id);
        self.said.clear();
        call(self.member(id));
        self.work(id);
        self.travel();
    }

    /// Gives a member a message as a peer could have sent it.
    fn receive(&mut self, id: u64, kind: MessageType, fields: &BTreeMap<String, Vec<u64>>) {
        let get = |name: &str| fields.get(name).and_then(|values| values.first()).copied().unwrap_or(0);
        let mut m = Message::default();
        m.set_msg_type(kind);
        (m.to, m.from, m.term) = (id, get("from"), get("term"));
        (m.index, m.log_term, m.commit) = (get("index"), get("logterm"), get("commit"));
        m.request_snapshot = get("request");
        (m.reject, m.reject_hint) = (fields.contains_key("reject"), get("reject"));
        (m.priority, m.commit_term) = (get("priority") as i64, get("committerm"));
        let mut entries = Vec::new();
        for (at, term) in fields.get("entries").cloned().unwrap_or_default().into_iter().enumerate() {
            let mut entry = Entry::default();
            (entry.term, entry.index) = (term, m.index + 1 + at as u64);
            entry.data = vec![term as u8; 9].into();
            entries.push(entry);
        }
        m.set_entries(entries.into());
        if kind == MessageType::MsgSnapshot {
            let machine = Machine { applied: m.index, term: m.log_term, digest: 9 };
            let snapshot = m.mut_snapshot();
            snapshot.data = machine.to_bytes().into();
            (snapshot.mut_metadata().index, snapshot.mut_metadata().term) = (machine.applied, machine.term);
            let voters = fields.get("voters").cloned().unwrap_or_else(|| self.voters.clone());
            snapshot.mut_metadata().mut_conf_state().set_voters(voters);
            snapshot.mut_metadata().mut_conf_state().set_learners(fields.get("learners").cloned().unwrap_or_default());
            let outgoing = fields.get("outgoing").cloned().unwrap_or_default();
            snapshot.mut_metadata().mut_conf_state().set_voters_outgoing(outgoing);
            (m.index, m.log_term) = (0, 0);
        }
        self.said.clear();
        let bytes = m.write_to_bytes().expect("a whole message");
        self.taken = !matches!(self.member(id).step(get("from"), &bytes), Stepped::Refused(_));
        self.work(id);
        self.travel();
    }

    fn work(&mut self, id: u64) {
        if self.stalled.contains(&id) {
            return;
        }
        let mut out = Out::default();
        let member = self.member(id);
        member.work(true, &mut out);
        assert_eq!(member.panic(), None, "member {id}");
        *self.reads.entry(id).or_default() += out.reads.len() as u64;
        let entries = out.applied.iter().filter(|applied| !applied.entry.data.is_empty());
        *self.applied.entry(id).or_default() += entries.count() as u64;
        for (to, bytes) in out.messages {
            self.said.push((id, said(to, &bytes)));
            self.queue.push_back((id, to, bytes));
        }
    }

    fn travel(&mut self) {
        let mut count = 0;
        while !self.holds
            && let Some((from, to, bytes)) = self.queue.pop_front()
        {
            count += 1;
            assert!(count < 100_000, "messages without an end");
            let lost = self.cuts.contains(&(from, to)) || self.ignored.contains(&said(to, &bytes).kind);
            let Some(receiver) = self.members.get_mut(&to).filter(|_| !lost) else { continue };
            let stepped = receiver.step(from, &bytes);
            assert!(!matches!(stepped, Stepped::Refused(_)), "{from} to {to}: {stepped:?}");
            self.work(to);
        }
    }

    // ---- expectations

    fn expect(&mut self, command: &str, words: &[&str]) {
        match words {
            ["leader", id] => {
                let id = number(id);
                let look = self.member(id).look();
                assert_eq!(look.role, LEADER, "{command}: {look:?}");
                for other in self.members.values_mut().map(|member| member.look()) {
                    let is_rival = other.role == LEADER && other.term == look.term && other != look;
                    assert!(!is_rival, "{command}: {other:?}");
                }
            }
            ["role", id, role] => {
                let names = ["follower", "candidate", "leader", "pre-candidate"];
                let look = self.member(number(id)).look();
                assert_eq!(names[usize::from(look.role)], *role, "{command}: {look:?}");
            }
            ["says", from, kind, to, rest @ ..] => self.expect_said(command, number(from), kind, number(to), rest),
            ["count", from, kind, count] => {
                let (from, kind) = (number(from), message_kind(kind) as i32);
                let found = self.said.iter().filter(|(of, said)| *of == from && said.kind == kind).count() as u64;
                assert_eq!(found, number(count), "{command}: {}", self.told());
            }
            ["spares", from, kind, to] => {
                let (from, kind, to) = (number(from), message_kind(kind) as i32, number(to));
                let sent = self.said.iter().any(|(of, said)| (*of, said.kind, said.to) == (from, kind, to));
                assert!(!sent, "{command}: {}", self.told());
            }
            ["silent", id] => {
                assert!(self.said.iter().all(|(from, _)| *from != number(id)), "{command}: {}", self.told());
            }
            ["spread", role] => self.expect_spread(command, role),
            ["refused"] => assert!(!self.taken, "{command}"),
            ["taken"] => assert!(self.taken, "{command}"),
            ["conf", id, voters, rest @ ..] => {
                let conf = self.member(number(id)).disk().conf.clone();
                assert_eq!(conf.voters, ids(voters), "{command}: {conf:?}");
                let lists = [&conf.learners, &conf.outgoing, &conf.learners_next];
                for (list, expected) in lists.into_iter().zip(rest.iter().copied().chain(["-", "-", "-"])) {
                    assert_eq!(*list, ids(expected), "{command}: {conf:?}");
                }
            }
            ["peer", id, peer, rest @ ..] => {
                let peers = self.member(number(id)).peers();
                let peer = *peers.iter().find(|found| found.0 == number(peer)).expect("a peer");
                for (name, values) in fields(rest) {
                    let found = match name.as_str() {
                        "match" => peer.1,
                        "next" => peer.2,
                        "state" => u64::from(peer.3),
                        "commit" => self.member(number(id)).peer_commit(peer.0),
                        _ => panic!("{command}"),
                    };
                    assert_eq!(values, [found], "{command}: {peer:?}");
                }
            }
            ["all", name, value] => {
                let all: Vec<u64> = self.members.keys().copied().collect();
                all.into_iter().for_each(|id| self.expect_number(command, name, id, number(value)));
            }
            [name, id, value] => self.expect_number(command, name, number(id), number(value)),
            _ => panic!("no command: {command}"),
        }
    }

    /// Draws election timeouts of all members, as followers of ever newer terms or as candidates: each
    /// timeout of the range comes as often as the others, and mostly a single member is the first.
    fn expect_spread(&mut self, command: &str, role: &str) {
        const ROUNDS: u64 = 1000;
        let ids: Vec<u64> = self.members.keys().copied().collect();
        let ticks = self.setup.election_ticks;
        let (mut counts, mut conflicts) = (vec![0_u64; ticks as usize], 0);
        for term in 0..ROUNDS {
            let mut drawn = Vec::new();
            for &id in &ids {
                match role {
                    "candidate" => self.member(id).campaign(),
                    _ => {
                        let mut m = Message::default();
                        m.set_msg_type(MessageType::MsgHeartbeat);
                        (m.to, m.from, m.term) = (id, 1 + id % ids.len() as u64, 10 + term);
                        self.member(id).step(m.from, &m.write_to_bytes().expect("a whole message"));
                    }
                }
                let timeout = self.member(id).drawn_timeout();
                assert!((ticks..2 * ticks).contains(&timeout), "{command}: member {id} draws {timeout}");
                counts[(timeout - ticks) as usize] += 1;
                drawn.push(timeout);
                self.member(id).work(true, &mut Out::default());
            }
            let first = drawn.iter().min().copied();
            conflicts += u64::from(drawn.iter().filter(|timeout| Some(**timeout) == first).count() > 1);
        }
        let share = ROUNDS * ids.len() as u64 / ticks;
        assert!(
            counts.iter().all(|count| count.abs_diff(share) < share / 3),
            "{command}: {counts:?}, not {share} each"
        );
        assert!(
            conflicts * 10 < ROUNDS * 3,
            "{command}: in {conflicts} of {ROUNDS} rounds no member is the first alone"
        );
    }

    fn expect_number(&mut self, command: &str, name: &str, id: u64, value: u64) {
        let look = self.member(id).look();
        let found = match name {
            "term" => look.term,
            "vote" => look.vote,
            "commit" => look.commit,
            "last" => look.last,
            "lastterm" => look.last_term,
            "follows" => look.leader,
            "target" => self.member(id).transferee(),
            "waits" => self.member(id).waiting_reads(),
            "answered" => self.reads.get(&id).copied().unwrap_or(0),
            "applied" => self.applied.get(&id).copied().unwrap_or(0),
            _ => panic!("no command: {command}"),
        };
        assert_eq!(found, value, "{command}: member {id} has {found}: {look:?}");
    }

    fn expect_said(&mut self, command: &str, from: u64, kind: &str, to: u64, rest: &[&str]) {
        let (number, wanted) = (message_kind(kind) as i32, fields(rest));
        let fits = |said: &Said| {
            wanted.iter().all(|(name, values)| match name.as_str() {
                "reject" => said.reject,
                "grant" => !said.reject,
                "term" => values == &[said.term],
                "index" => values == &[said.index],
                "logterm" => values == &[said.log_term],
                "commit" => values == &[said.commit],
                "hint" => values == &[said.reject_hint],
                "entries" => values == &[said.entries.len() as u64],
                _ => panic!("{command}"),
            })
        };
        let found = self.said.iter().any(|(of, said)| (*of, said.to, said.kind) == (from, to, number) && fits(said));
        assert!(found, "{command}: {}", self.told());
    }

    fn told(&self) -> String {
        let mut text = String::new();
        for (from, said) in &self.said {
            text += &format!(
                "\n{} from {from} to {}: term {} index {} logterm {} commit {} reject {} hint {} entries {}",
                MESSAGES[said.kind as usize],
                said.to,
                said.term,
                said.index,
                said.log_term,
                said.commit,
                said.reject,
                said.reject_hint,
                said.entries.len()
            );
        }
        text
    }
}

/// Reads a change: `v1`, `auto`, `implicit` or `explicit`, then steps such as `+4`, `-2`, `l3`.
fn change_of(shape: &str, steps: &[&str]) -> Change {
    let shape = match shape {
        "v1" => Shape::V1,
        "implicit" => Shape::Implicit,
        "explicit" => Shape::Explicit,
        _ => Shape::Auto,
    };
    let step = |word: &&str| match word.split_at(1) {
        ("+", id) => Step::Voter(number(id)),
        ("-", id) => Step::Remove(number(id)),
        (_, id) => Step::Learner(number(id)),
    };
    Change { shape, steps: steps.iter().map(step).collect(), context: Vec::new() }
}
