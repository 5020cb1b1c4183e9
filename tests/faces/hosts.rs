//! Makes a schedule: groups of hosts with disks in memory, two in each storage mode, each with flags of its own, driven at random. Each
//! call becomes a line and is run at once, so that the next one can depend on what came back.

use crate::chance::Chance;
use crate::draw;
use crate::replay::{Replay, config_words, hex};
use raftcore::{Config, Dialect, FetchKind, Flags, LOCAL_APPEND, LOCAL_APPLY, Reason, Role, StorageMode, wire};
use std::collections::{BTreeMap, VecDeque};

mod work;

const GROUP: u64 = 77;
const MODES: [StorageMode; 3] = [StorageMode::Sync, StorageMode::Async, StorageMode::Messages];
const GROUPS: usize = 2 * MODES.len();
/// What happens to a group: so many times something.
const STEPS: u64 = 120;
/// A fourth member comes later; behind it there is a place for twins.
const MEMBERS: usize = 4;
const TWIN: usize = 15;
/// The configuration of the founders, in a schedule's words: as of index 1.
const FOUNDERS: &str = "ids 1 0 0 3 1 2 3 0 0 0";
/// A change with this context is skipped by all.
const SKIPPED: &[u8] = b"skip";

#[derive(Clone)]
struct Stored {
    term: u64,
    kind: u64,
    data: Vec<u8>,
    context: Vec<u8>,
}

/// A message on its way: its frame.
#[derive(Clone)]
struct Sent {
    from: u64,
    to: u64,
    frame: Vec<u8>,
}

/// A batch that is not yet acknowledged.
struct Job {
    number: u64,
    /// Applied up to here with it; 0: nothing to apply.
    last: u64,
    /// Its committed entries came without bytes, so that they are confirmed apart.
    apart: bool,
    /// They wait until it is durable.
    after: Vec<Sent>,
    /// MESSAGES: responses to this node itself.
    own: Vec<Vec<u8>>,
    durable: bool,
}

#[derive(Default)]
struct Host {
    term: u64,
    vote: u64,
    commit: u64,
    before: (u64, u64),
    conf: Vec<u8>,
    log: BTreeMap<u64, Stored>,
    applied: u64,
    jobs: VecDeque<Job>,
    runs: bool,
}

struct Group<'a> {
    lines: &'a mut Vec<String>,
    replay: &'a mut Replay,
    chance: &'a mut Chance,
    mode: StorageMode,
    flags: Flags,
    dialect: Dialect,
    /// Ticks until an election, and between heartbeats.
    timing: (u32, u32),
    hosts: Vec<Host>,
    network: VecDeque<Sent>,
    cut: Option<u64>,
    tokens: u64,
    starts: u64,
    /// Fetches so far. The first one is put off.
    fetches: u64,
}

/// The lines, and what they answered.
pub fn schedule(seed: u64) -> (Vec<String>, Replay) {
    let (mut lines, mut replay, mut chance) = (Vec::new(), Replay::default(), Chance::new(seed));
    without_nodes(&mut lines, &mut replay);
    // Each mode in one dialect, then in the other.
    let dialects = MODES.map(|_| Dialect::Raftpb).into_iter().chain(MODES.map(|_| Dialect::Eraftpb));
    let groups = draw::groups(&mut chance, GROUPS).into_iter().zip(MODES.iter().cycle()).zip(dialects);
    for ((flags, &mode), dialect) in groups {
        println!("{mode:?}, {dialect:?}: {}", draw::names(flags).join(" "));
        let timing = draw::timing(&mut chance);
        let mut group = Group {
            lines: &mut lines,
            replay: &mut replay,
            chance: &mut chance,
            mode,
            flags,
            dialect,
            timing,
            hosts: (0..MEMBERS).map(|_| Host::default()).collect(),
            network: VecDeque::new(),
            cut: None,
            tokens: 0,
            starts: 0,
            fetches: 0,
        };
        group.run();
    }
    (lines, replay)
}

fn without_nodes(lines: &mut Vec<String>, replay: &mut Replay) {
    let good = Config { seed: 1, ..Config::new(1) };
    let bad = [
        Config { id: 0, ..good },
        Config { seed: 0, ..good },
        Config { election_ticks: 1, ..good },
        Config { flags: good.flags.with(Flags(1 << 60), true), ..good },
        Config { block_bytes: 1, ..good },
        Config { election_jitter_ticks: u32::MAX, ..good },
        Config { flags: good.flags.with(Flags::LEASED_PROPOSALS, true), ..good },
        Config { flags: good.flags.with(Flags::LEASE_READS, true).with(Flags::CHECK_QUORUM, false), ..good },
    ];
    let mut all = vec![
        "version_string -".to_string(),
        "abi_version -".into(),
        "features -".into(),
        "config_init -".into(),
        "config_preset - 1".into(),
        format!("footprint - {}", config_words(&good)),
        format!("frame_limit - {}", config_words(&good)),
        format!("conf_encode - {FOUNDERS}"),
        "conf_encode - ids 0 0 1 1 1 2 2 3 1 4 1 5".into(),
        "conf_encode - ids 7 1 0 3 1 2 3 0 0 0".into(),
        "frame_next - 100 x0300".into(),
        "frame_next - 14 x03000000050000000000000061".into(),
        "frame_next - 15 x0300000005000000000000006162".into(),
        "frame_next - 15 x0300000005000000000000006162630a".into(),
        format!("config_error - {}", config_words(&good)),
        format!("new 0 {}", config_words(&bad[0])),
        "hello_read - x00112233".into(),
        "snapshot_split - xffff".into(),
    ];
    all.extend(bad.iter().map(|config| format!("config_error - {}", config_words(config))));
    all.extend((1..=23).map(|code| format!("strerror - -{code}")));
    all.extend((1..=25).map(|kind| format!("event_text - {kind}")));
    all.extend(Reason::ALL.iter().skip(1).map(|&reason| format!("reason_text - {}", reason as u32)));
    for line in all {
        replay.run(&line);
        lines.push(line);
    }
}

impl Group<'_> {
    fn call(&mut self, line: String) -> i32 {
        self.replay.run(&line);
        self.lines.push(line);
        self.replay.code
    }

    fn on(&mut self, call: &str, at: usize, arguments: impl std::fmt::Display) -> i32 {
        self.call(format!("{call} {at} {arguments}").trim_end().to_string())
    }

    fn bare(&mut self, call: &str, at: usize) -> i32 {
        self.call(format!("{call} {at}"))
    }

    fn run(&mut self) {
        for at in 0..MEMBERS - 1 {
            let host = &mut self.hosts[at];
            (host.commit, host.before, host.applied) = (1, (1, 1), 1);
            self.boot(at);
        }
        self.bare("campaign", 0);
        self.settle();
        for step in 0..STEPS {
            match step {
                40 => self.join(),
                60 => self.behind(),
                80 => self.each_once(),
                _ => self.step(),
            }
        }
        self.cut = None;
        self.settle();
        for at in 0..MEMBERS {
            self.look(at);
            self.bare("free", at);
        }
    }

    // ---- boot

    fn config(&mut self, at: usize) -> Config {
        self.starts += 1;
        let mut config = Config::new(at as u64 + 1);
        config.group = GROUP;
        config.seed = self.chance.next();
        config.storage = self.mode;
        config.dialect = self.dialect;
        // The first start has the flags of the group, so that each flag is in a run.
        config.flags = if self.starts == 1 { self.flags } else { draw::turned(self.chance, self.flags) };
        (config.election_ticks, config.heartbeat_ticks) = self.timing;
        draw::limits(self.chance, &mut config);
        config
    }

    fn boot(&mut self, at: usize) {
        let config = config_words(&self.config(at));
        assert_eq!(self.on("new", at, config), 0);
        let host = &mut self.hosts[at];
        host.runs = true;
        host.jobs.clear();
        let (term, vote, commit) = (host.term, host.vote, host.commit);
        let (before, conf, applied) = (host.before, host.conf.clone(), host.applied);
        let last = host.log.keys().next_back().copied().unwrap_or(before.0);
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (index, e) in &host.log {
            if runs.last().is_none_or(|run| run.1 != e.term) {
                runs.push((*index, e.term));
            }
        }
        let runs = runs.iter().fold(runs.len().to_string(), |text, (first, term)| format!("{text} {first} {term}"));
        let unapplied: Vec<_> = host.log.range(applied + 1..).map(|(index, e)| (*index, e.clone())).collect();
        let conf = if conf.is_empty() { FOUNDERS.into() } else { format!("bytes {}", hex(&conf)) };
        if applied > 0 && self.chance.one_in(2) {
            let log = format!("{} {} {last} {conf} {runs} {}", before.0, before.1, entries(&unapplied));
            let code = self.on("boot", at, format!("{term} {vote} {commit} {applied} {log}"));
            assert_eq!(code, 0, "{}", self.replay.out.last().unwrap());
            return;
        }
        if applied > 0 || term > 0 {
            self.on("boot_state", at, format!("{term} {vote} {commit}"));
        }
        if applied > 0 {
            self.on("boot_conf", at, format!("{conf} {} {}", before.0, before.1));
            self.on("boot_terms", at, format!("{runs} {last}"));
        }
        for part in unapplied.chunks(7) {
            self.on("boot_entries", at, entries(part));
        }
        assert_eq!(self.on("boot_done", at, applied), 0, "{}", self.replay.out.last().unwrap());
        assert!(self.on("boot_state", at, "1 1 1") < 0, "booted twice");
    }

    fn join(&mut self) {
        self.boot(MEMBERS - 1);
        // Calls with nothing in them, on a node that has nothing yet.
        for (call, arguments) in
            [("get_peers", ""), ("propose_many", "0"), ("propose_conf", "0 0 x 0"), ("propose", "0 0")]
        {
            self.on(call, MEMBERS - 1, arguments);
        }
        if let Some(leader) = self.leader() {
            self.tokens += 1;
            let token = self.tokens;
            self.on("propose_conf", leader, format!("1 3 4 0 {} {token}", hex(b"place")));
        }
    }

    fn crash(&mut self, at: usize) {
        if self.hosts[at].runs {
            self.bare("free", at);
            self.boot(at);
        }
    }

    // ---- scenes that chance alone may leave out

    /// All hear each other, and one leads.
    fn calm(&mut self) -> usize {
        self.cut = None;
        for _ in 0..1000 {
            self.settle();
            if let Some(leader) = self.leader().filter(|&at| self.follower_of(at).is_some()) {
                return leader;
            }
            for at in (0..MEMBERS).filter(|&at| self.hosts[at].runs).collect::<Vec<_>>() {
                self.on("tick", at, 5);
            }
        }
        for node in self.replay.nodes.iter().flatten() {
            println!(
                "{:?}\n  on: {}\n  {:?}",
                node.config(),
                draw::names(node.config().flags).join(" "),
                node.status()
            );
        }
        panic!("no leader and follower in {:?}", self.mode);
    }

    fn follower_of(&self, leader: usize) -> Option<usize> {
        let follows =
            |at: usize| self.replay.nodes[at].as_ref().is_some_and(|node| node.status().leader == leader as u64 + 1);
        (0..MEMBERS).find(|&at| at != leader && follows(at))
    }

    /// One is cut off while the others write more than their recent logs hold; then it comes back: entries are fetched, or, if
    /// the leader has compacted, a snapshot.
    fn behind(&mut self) {
        for compacts in [false, true] {
            let leader = self.calm();
            let away = self.follower_of(leader).unwrap();
            self.cut = Some(away as u64 + 1);
            (0..3).for_each(|_| self.burst(leader));
            if compacts {
                self.compact(leader);
            }
            self.cut = None;
            for _ in 0..10 {
                self.on("tick", leader, 1);
                self.settle();
            }
        }
    }

    fn each_once(&mut self) {
        let leader = self.calm();
        for to in 1..=MEMBERS {
            self.on("transfer", leader, to);
        }
        self.bare("abort_transfer", leader);
        // Refused while another change is under way, or while the configuration is joint.
        for _ in 0..50 {
            let leader = self.calm();
            let rest = format!("{} 0 {} 0", self.no_change(), hex(SKIPPED));
            let done = self.on("propose_conf", leader, &rest) == 0;
            let leader = self.calm();
            // The lease, with LEASED_PROPOSALS.
            self.bare("ping", leader);
            self.settle();
            let seen = self.seen_conf(leader);
            if self.on("propose_conf_at", leader, format!("{seen} {rest}")) == 0 && done {
                break;
            }
            self.on("propose_conf", leader, "0 0 x 0");
        }
        let leader = self.calm();
        let term = self.replay.nodes[leader].as_ref().unwrap().status().term;
        self.on("propose_in_term", leader, format!("{term} 1 x77 0"));
        self.on("propose_entry", leader, "0 x77 0");
        self.on("propose_with_context", leader, "0 x x77 0");
        // The leader boots with an entry that is stored and not committed.
        let leader = self.calm();
        self.on("propose", leader, "1 x77 0");
        self.take(leader);
        self.crash(leader);
        let leader = self.calm();
        let follower = self.follower_of(leader).unwrap();
        self.on("read_index", follower, 1);
        self.calm();
        self.bare("forget_leader", follower);
        self.report(leader);
        self.twin(leader);
        (0..MEMBERS).for_each(|at| self.turn(at));
    }

    // ---- what happens

    /// A change that changes nothing: raft-rs has no update of a node.
    fn no_change(&self) -> &'static str {
        if self.dialect == Dialect::Eraftpb { "1 0 1" } else { "1 2 1" }
    }

    fn leader(&self) -> Option<usize> {
        (0..MEMBERS)
            .filter(|&at| self.role(at) == Some(Role::Leader))
            .max_by_key(|&at| self.replay.nodes[at].as_ref().unwrap().status().term)
    }

    fn role(&self, at: usize) -> Option<Role> {
        self.replay.nodes[at].as_ref().map(|node| node.status().role)
    }

    fn running(&mut self) -> usize {
        loop {
            let at = self.chance.below(MEMBERS as u64) as usize;
            if self.hosts[at].runs {
                return at;
            }
        }
    }

    fn step(&mut self) {
        let at = self.running();
        let leader = self.leader().unwrap_or(at);
        match self.chance.below(32) {
            0 => _ = self.bare("campaign", at),
            1..=4 => self.tick(at),
            5..=8 => self.propose(leader),
            9 => self.propose(at),
            10 | 11 => self.read(at),
            12 | 13 => self.change(leader),
            14 => self.crash(at),
            15 => self.compact(at),
            16 => self.lead(leader, at),
            17 => self.adjust(at),
            18 | 19 => self.look(at),
            20 => self.wrong(at),
            21 => self.cut = if self.cut.is_some() || self.chance.one_in(2) { None } else { Some(at as u64 + 1) },
            22 => self.twin(at),
            23 => self.report(leader),
            24 => self.burst(leader),
            25..=27 => self.turn(at),
            28 => self.ask(at, leader),
            _ => {}
        }
        for _ in 0..self.chance.below(3) {
            let at = self.running();
            self.work(at);
        }
        for _ in 0..self.chance.below(6) {
            self.deliver();
        }
        if self.chance.one_in(12) {
            self.settle();
        }
    }

    fn tick(&mut self, at: usize) {
        if self.chance.one_in(2) {
            let ticks = 1 + self.chance.below(4);
            self.on("tick", at, ticks);
            return;
        }
        let places: Vec<usize> = (0..MEMBERS).filter(|&at| self.hosts[at].runs).collect();
        let list: String = places.iter().map(|at| format!(" {at}")).collect();
        self.call(format!("tick_many - 1 {}{list}", places.len()));
    }

    fn propose(&mut self, at: usize) {
        let size = self.chance.below(300);
        let data = self.chance.bytes(size);
        self.tokens += 1;
        let token = if self.chance.one_in(4) { 0 } else { self.tokens };
        let context = self.chance.below(40);
        if self.chance.one_in(if self.dialect == Dialect::Eraftpb { 2 } else { 20 }) {
            let context = hex(&self.chance.bytes(context));
            self.on("propose_with_context", at, format!("0 {context} {} {token}", hex(&data)));
        } else if self.chance.one_in(8) {
            let term = self.replay.nodes[at].as_ref().unwrap().status().term;
            self.on("propose_in_term", at, format!("{term} 1 {} {token}", hex(&data)));
        } else if self.chance.one_in(2) {
            let (a, b) = data.split_at(data.len() / 3);
            self.on("propose", at, format!("2 {} {} {token}", hex(a), hex(b)));
        } else if self.chance.one_in(4) {
            self.on("propose_entry", at, format!("0 {} {token}", hex(&data)));
        } else {
            let count = 1 + self.chance.below(5);
            let mut list = String::new();
            for _ in 0..count {
                self.tokens += 1;
                let size = self.chance.below(200);
                list += &format!(" {} {}", hex(&self.chance.bytes(size)), self.tokens);
            }
            self.on("propose_many", at, format!("{count}{list}"));
        }
    }

    /// More than the recent log holds, so that who was away needs fetches.
    fn burst(&mut self, at: usize) {
        for _ in 0..8 {
            let data = self.chance.bytes(1500);
            self.on("propose", at, format!("1 {} 0", hex(&data)));
            self.settle();
        }
    }

    fn read(&mut self, at: usize) {
        for _ in 0..=self.chance.below(3) {
            self.tokens += 1;
            let token = self.tokens;
            self.on("read_index", at, token);
        }
    }

    fn change(&mut self, at: usize) {
        self.tokens += 1;
        let (token, id) = (self.tokens, 2 + self.chance.below(3));
        let joined = self.hosts[MEMBERS - 1].runs;
        let (changes, transition, context) = match self.chance.below(7) {
            0 if joined => ("1 0 4".into(), 3, hex(b"promoted")),
            1 if joined => ("1 3 4".into(), 0, hex(b"demoted")),
            2 => (format!("2 0 {id} 0 1"), 1, hex(b"implicit")),
            3 => (format!("1 0 {id}"), 2, hex(b"explicit")),
            4 => (self.no_change().into(), 0, hex(SKIPPED)),
            5 => ("0".into(), 0, hex(b"")),
            _ => (self.no_change().into(), 3, hex(b"no change")),
        };
        if self.chance.one_in(3) {
            let seen = self.seen_conf(at);
            self.on("propose_conf_at", at, format!("{seen} {changes} {transition} {context} {token}"));
            return;
        }
        self.on("propose_conf", at, format!("{changes} {transition} {context} {token}"));
    }

    /// Index of the configuration that a node has applied.
    fn seen_conf(&mut self, at: usize) -> u64 {
        self.replay.nodes[at].as_mut().unwrap().conf().map_or(0, |conf| conf.index)
    }

    fn compact(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        let known = self.replay.nodes[at].as_ref().unwrap().status().applied;
        let index = known.min(host.applied).saturating_sub(self.chance.below(5));
        if index > host.before.0 {
            host.before = (index, host.log[&index].term);
            host.log = host.log.split_off(&(index + 1));
        }
        self.on("compacted", at, index);
    }

    fn lead(&mut self, leader: usize, at: usize) {
        match self.chance.below(4) {
            0 => _ = self.on("transfer", leader, at + 1),
            1 => {
                self.on("transfer", leader, 0);
                self.bare("abort_transfer", leader);
            }
            2 => _ = self.bare("forget_leader", at),
            _ => _ = self.on("transfer", at, at + 1),
        }
    }

    fn adjust(&mut self, at: usize) {
        let peer = 1 + self.chance.below(MEMBERS as u64);
        let ticks = 1 + self.chance.below(20);
        self.on("set_electable", at, 0);
        self.on("set_electable", at, 1);
        self.on("set_priority", at, self.starts as i64 % 3 - 1);
        self.on("set_window", at, format!("{peer} 0 0"));
        self.on("set_window", at, format!("{peer} {ticks} {}", ticks * 100));
        self.on("set_commit_group", at, format!("{peer} {ticks}"));
        self.bare("get_peers", at);
        self.on("set_commit_group", at, format!("{peer} 0"));
        self.on("promote_when_caught_up", at, format!("{peer} {}", ticks % 2));
        self.bare("trim", at);
        let mask = draw::changing(self.chance).0;
        let values = self.chance.next();
        self.on("set_flags", at, format!("{mask} {values}"));
        self.on("set_commit_broadcast", at, ticks % 2);
        self.on("set_election_timeout", at, ticks);
    }

    /// Who is there, and a snapshot in place of a state that is not trusted.
    fn ask(&mut self, at: usize, leader: usize) {
        self.bare("ping", leader);
        // A follower that may ask, if there is one.
        let nodes = &self.replay.nodes;
        let may = |at: &usize| {
            let status = nodes[*at].as_ref().map(|node| node.status());
            status.is_some_and(|s| s.role == Role::Follower && s.leader != 0 && s.last_term == s.term)
        };
        let at = (at..MEMBERS).chain(0..at).find(may).unwrap_or(at);
        self.bare("request_snapshot", at);
    }

    fn report(&mut self, leader: usize) {
        let peer = 1 + self.chance.below(MEMBERS as u64);
        let how = self.chance.below(3);
        self.on("report_unreachable", leader, peer);
        self.on("report_snapshot", leader, format!("{peer} {how}"));
    }

    fn look(&mut self, at: usize) {
        for call in ["get_status", "get_peers", "get_conf", "has_ready"] {
            self.bare(call, at);
        }
        if self.hosts[at].runs {
            self.bare("ticks_until_due", at);
            self.bare("hello", at);
            let frame = self.replay.out.last().unwrap().rsplit(' ').next().unwrap().to_string();
            self.call(format!("hello_read - {frame}"));
            for other in (0..MEMBERS).filter(|&other| self.replay.nodes[other].is_some()).collect::<Vec<_>>() {
                self.on("hello_check", other, &frame);
            }
        }
        while self.bare("next_event", at) == 0 {}
    }

    /// A twin does the same as the node; what it does is its own.
    fn twin(&mut self, at: usize) {
        if self.on("try_clone", at, TWIN) == 0 {
            self.on("tick", TWIN, 30);
            self.bare("get_ready", TWIN);
            self.bare("get_status", TWIN);
            // A change that changes nothing, encoded elsewhere.
            self.on("apply_change", TWIN, "2 x120408021001");
            self.bare("free", TWIN);
        }
    }

    /// Calls that are refused, or do nothing.
    fn wrong(&mut self, at: usize) {
        let noise = self.chance.bytes(20);
        let huge = vec![b'x'; if self.chance.one_in(8) { 17 << 10 } else { 1 }];
        let spoof = "x0808100118631801";
        for (call, arguments) in [
            ("step", format!("0 {}", hex(&noise))),
            ("step", format!("9 {spoof}")),
            ("step", "0 x".into()),
            ("step_frames", format!("2 {}", hex(&noise))),
            ("step_frames", "2 x".into()),
            ("step_local", hex(&noise)),
            ("advance", "0".into()),
            ("advance", "999999".into()),
            ("persisted", "999999".into()),
            ("applied", "0".into()),
            ("applied", "999999".into()),
            ("release", "999999".into()),
            ("compacted", "999999".into()),
            ("skip_conf", "999999".into()),
            ("apply_conf", "1 999999 1 x x".into()),
            ("supply_none", "999999 1".into()),
            ("supply_entries", "999999 1 1 1 0 x x".into()),
            ("supply_snapshot", "999999 1 ids 0 0 0 1 1 0 0 0 x".into()),
            ("view", "999999".into()),
            ("view_flat", "0".into()),
            ("turn", "0 999999 0 0 0 0 x".into()),
            ("propose_entry", "2 xff 1".into()),
            ("apply_change", "1 xff".into()),
            ("report_unreachable", "99".into()),
            ("report_snapshot", "99 1".into()),
            ("set_window", "99 1 0".into()),
            ("set_window", "1 65537 0".into()),
            ("set_election_timeout", "0".into()),
            ("set_commit_group", "99 1".into()),
            ("promote_when_caught_up", "99 1".into()),
            ("set_flags", "16384 0".into()),
            ("set_flags", "2 0".into()),
            ("propose_in_term", "999999 1 x61 1".into()),
            ("propose_conf_at", "999999 1 3 4 0 x 1".into()),
            ("propose_with_context", "2 x77 xff 1".into()),
            ("propose_conf", "1 2 1 0 x 0".into()),
            ("transfer", "99".into()),
            ("propose", format!("1 {} 1", hex(&huge))),
            ("propose_conf", "1 0 0 0 x 1".into()),
            ("propose_conf", "2 0 5 0 6 3 x 1".into()),
            ("boot_done", "1".into()),
        ] {
            self.on(call, at, arguments);
        }
    }
}

/// A list of entries as a line has it.
fn entries(list: &[(u64, Stored)]) -> String {
    let words =
        list.iter().map(|(index, e)| format!(" {} {index} {} {} {}", e.term, e.kind, hex(&e.data), hex(&e.context)));
    format!("{}{}", list.len(), words.collect::<String>())
}
