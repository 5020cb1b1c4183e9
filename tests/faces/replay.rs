//! The Rust face: does what a line of a schedule says, through `raftcore::Node`, and writes what came back.

use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, Dialect, EntryId, EntryKind, EntryRef, Error, EventKind, Fetch, Flags,
    HardState, Input, Missing, Node, Ready, Reason, StepFrames, StorageMode, Stored, StoredConf, Supplied, TermRun,
    Transition, Turn, wire,
};
use std::collections::BTreeSet;
use std::fmt::Write as _;

pub const PLACES: usize = 16;

/// The words of a line, taken one after the other.
struct Words<'a>(std::str::Split<'a, char>);

impl<'a> Words<'a> {
    fn word(&mut self) -> &'a str {
        self.0.next().unwrap()
    }

    fn num(&mut self) -> u64 {
        self.word().parse().unwrap()
    }

    fn small(&mut self) -> u32 {
        self.word().parse().unwrap()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let digits = self.word().strip_prefix('x').unwrap();
        (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.num()).map(|_| one(self)).collect()
    }

    fn entry(&mut self) -> Entry {
        Entry {
            term: self.num(),
            index: self.num(),
            kind: kind_of(self.num()),
            data: self.bytes(),
            context: self.bytes(),
        }
    }

    fn conf(&mut self) -> Conf {
        if self.word() == "bytes" {
            return Conf::Bytes(self.bytes());
        }
        // The dialect counts only where ids are encoded.
        let (index, dialect, auto_leave) = (self.num(), self.dialect(), self.num() != 0);
        let mut lists = || self.list(Self::num);
        Conf::Ids(index, dialect, auto_leave, [lists(), lists(), lists(), lists()])
    }

    fn dialect(&mut self) -> Dialect {
        Dialect::from_number(self.small()).unwrap()
    }

    fn changes(&mut self) -> (Vec<Change>, ChangeEncoding) {
        let changes = self.list(|w| Change { kind: ChangeKind::from_wire(w.num()).unwrap(), id: w.num() });
        let encoding = match self.num() {
            3 => ChangeEncoding::V1,
            number => ChangeEncoding::V2(Transition::from_wire(number).unwrap()),
        };
        (changes, encoding)
    }

    fn runs(&mut self) -> Vec<TermRun> {
        self.list(|w| TermRun { first: w.num(), term: w.num() })
    }

    fn entry_id(&mut self) -> EntryId {
        EntryId { index: self.num(), term: self.num() }
    }

    fn config(&mut self) -> Config {
        let mut config = Config::new(self.num());
        config.group = self.num();
        config.seed = self.num();
        config.flags = Flags(self.num());
        config.storage = StorageMode::from_number(self.small()).unwrap();
        config.dialect = self.dialect();
        config.election_ticks = self.small();
        config.heartbeat_ticks = self.small();
        config.read_timeout_ticks = self.small();
        config.snapshot_timeout_ticks = self.small();
        config.vote_fence_ticks = self.small();
        config.max_peers = self.small();
        config.max_inflight_msgs = self.small();
        config.max_outstanding = self.small();
        config.max_entries_per_ready = self.small();
        config.max_messages = self.small();
        config.max_reads = self.small();
        config.max_tokens = self.small();
        config.priority = self.word().parse().unwrap();
        config.max_apply_unpersisted = self.small();
        config.recent_bytes = self.num();
        config.catchup_bytes = self.num();
        config.max_size_per_msg = self.num();
        config.max_committed_size_per_ready = self.num();
        config.max_uncommitted_size = self.num();
        config.max_inflight_bytes = self.num();
        config.max_entry_bytes = self.num();
        config.max_snapshot_bytes = self.num();
        config.block_bytes = self.num();
        config.own_write_timeout_ticks = self.small();
        config.election_jitter_ticks = self.small();
        config.peer_lags_ticks = self.small();
        config.no_leader_ticks = self.small();
        config.max_entries_per_msg = self.small();
        config.caught_up_entries = self.small();
        config
    }
}

pub fn config_words(c: &Config) -> String {
    format!(
        "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
        c.id,
        c.group,
        c.seed,
        c.flags.0,
        c.storage as u32,
        c.dialect as u32,
        c.election_ticks,
        c.heartbeat_ticks,
        c.read_timeout_ticks,
        c.snapshot_timeout_ticks,
        c.vote_fence_ticks,
        c.max_peers,
        c.max_inflight_msgs,
        c.max_outstanding,
        c.max_entries_per_ready,
        c.max_messages,
        c.max_reads,
        c.max_tokens,
        c.priority,
        c.max_apply_unpersisted,
        c.recent_bytes,
        c.catchup_bytes,
        c.max_size_per_msg,
        c.max_committed_size_per_ready,
        c.max_uncommitted_size,
        c.max_inflight_bytes,
        c.max_entry_bytes,
        c.max_snapshot_bytes,
        c.block_bytes,
        c.own_write_timeout_ticks,
        c.election_jitter_ticks,
        c.peer_lags_ticks,
        c.no_leader_ticks,
        c.max_entries_per_msg,
        c.caught_up_entries
    )
}

struct Entry {
    term: u64,
    index: u64,
    kind: EntryKind,
    data: Vec<u8>,
    context: Vec<u8>,
}

fn refs(entries: &[Entry]) -> impl Iterator<Item = EntryRef<'_>> + Clone {
    entries.iter().map(|e| EntryRef {
        term: e.term,
        index: e.index,
        kind: e.kind,
        data: &e.data,
        context: &e.context,
        ..EntryRef::default()
    })
}

enum Conf {
    Bytes(Vec<u8>),
    Ids(u64, Dialect, bool, [Vec<u64>; 4]),
}

fn conf_ref(auto_leave: bool, lists: &[Vec<u64>; 4]) -> wire::ConfStateRef<'_> {
    let [voters, voters_outgoing, learners, learners_next] = lists;
    wire::ConfStateRef { voters, voters_outgoing, learners, learners_next, auto_leave }
}

fn kind_of(number: u64) -> EntryKind {
    EntryKind::from_wire(number).unwrap()
}

pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::from("x");
    bytes.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
    text
}

/// What came out of a call: a code and the rest of its line.
type Out = Result<(i32, String), Error>;

fn done<T>(outcome: Result<T, Error>) -> Out {
    outcome.map(|_| (0, String::new()))
}

fn gave(text: String) -> Out {
    Ok((0, text))
}

/// 1: there was nothing.
fn maybe(text: Option<String>) -> Out {
    Ok(text.map_or((1, String::new()), |text| (0, text)))
}

fn supplied(outcome: Result<Supplied, Error>) -> Out {
    outcome.map(|supplied| (if supplied == Supplied::Taken { 0 } else { 2 }, String::new()))
}

#[derive(Default)]
pub struct Replay {
    pub nodes: [Option<Node>; PLACES],
    pub out: Vec<String>,
    /// Calls that were not refused.
    pub succeeded: BTreeSet<String>,
    /// What the last line answered.
    pub code: i32,
    pub number: u64,
    pub fetch: Option<Fetch>,
    pub conf: Vec<u8>,
    pub taken: usize,
}

impl Replay {
    pub fn run(&mut self, line: &str) {
        let mut words = Words(line.split(' '));
        let (call, place) = (words.word(), words.word().parse::<usize>().ok());
        let outcome = match place {
            None => without_node(call, &mut words).unwrap_or_else(|| self.of_all(call, &mut words)),
            Some(at) if matches!(call, "new" | "free" | "try_clone") => self.life(call, at, &mut words),
            Some(at) => self.of_node(call, at, &mut words),
        };
        assert!(words.0.next().is_none(), "words are left over: {line}");
        let node = place.and_then(|at| self.nodes[at].as_ref());
        let digests =
            node.map_or("- -".into(), |node| format!("{:016x} {:016x}", node.digest(false), node.digest(true)));
        let (code, text) = match outcome {
            Ok((code, text)) => (code, text),
            Err(error) => (error.code(), node.map_or("", |node| node.error_detail()).to_string()),
        };
        if code >= 0 {
            self.succeeded.insert(call.to_string());
        }
        self.code = code;
        let gap = if text.is_empty() { "" } else { " " };
        self.out.push(format!("{call} {code} {digests}{gap}{text}"));
    }

    fn life(&mut self, call: &str, at: usize, words: &mut Words<'_>) -> Out {
        match call {
            "new" => Node::new(&words.config()).map(|node| self.nodes[at] = Some(node)).map(|()| (0, String::new())),
            "free" => done(self.nodes[at].take().ok_or(Error::Handle)),
            _ => {
                let twin = self.nodes[at].as_ref().unwrap().try_clone()?;
                let text = format!("{:016x} {:016x}", twin.digest(false), twin.digest(true));
                self.nodes[words.num() as usize] = Some(twin);
                gave(text)
            }
        }
    }

    fn of_all(&mut self, call: &str, words: &mut Words<'_>) -> Out {
        assert_eq!(call, "tick_many");
        let ticks = words.small();
        let places = words.list(Words::num);
        let mut found = Vec::new();
        for (at, &place) in places.iter().enumerate() {
            let node = self.nodes[place as usize].as_mut().unwrap();
            let events = raftcore::has::EVENTS;
            if node.tick(ticks).is_err() || node.has_ready().is_ok_and(|bits| bits & !events != 0) {
                found.push(at as u64);
            }
        }
        let digests: String = places
            .iter()
            .map(|&place| format!(" {:016x}", self.nodes[place as usize].as_ref().unwrap().digest(true)))
            .collect();
        gave(numbers(&found) + &digests)
    }

    fn of_node(&mut self, call: &str, at: usize, words: &mut Words<'_>) -> Out {
        let node = self.nodes[at].as_mut().unwrap();
        match call {
            "boot_state" => {
                done(node.boot_state(HardState { term: words.num(), vote: words.num(), commit: words.num() }))
            }
            "boot_conf" => {
                let (conf, before) = (words.conf(), words.entry_id());
                done(match conf {
                    Conf::Bytes(bytes) => node.boot_conf_bytes(&bytes, before),
                    Conf::Ids(index, _, auto_leave, lists) => {
                        node.boot_conf(&conf_ref(auto_leave, &lists), index, before)
                    }
                })
            }
            "boot" => {
                let state = HardState { term: words.num(), vote: words.num(), commit: words.num() };
                let (applied, before_first, last, conf) = (words.num(), words.entry_id(), words.num(), words.conf());
                let (runs, entries) = (words.runs(), words.list(Words::entry));
                let conf = Some(match &conf {
                    Conf::Bytes(bytes) => StoredConf::Bytes(bytes),
                    Conf::Ids(index, _, auto_leave, lists) => StoredConf::Ids(conf_ref(*auto_leave, lists), *index),
                });
                done(node.boot(&Stored { state, applied, before_first, last, conf, runs: &runs }, refs(&entries)))
            }
            "boot_terms" => done(node.boot_terms(&words.runs(), words.num())),
            "boot_entries" => done(node.boot_entries(refs(&words.list(Words::entry)))),
            "boot_done" => done(node.boot_done(words.num())),
            "tick" => done(node.tick(words.small())),
            "step" => done(node.step(words.num(), &words.bytes())),
            "step_local" => done(node.step_local(&words.bytes())),
            "step_frames" => {
                let took = node.step_frames(words.num(), &words.bytes())?;
                self.taken = took.consumed;
                gave(stepped_words(&took))
            }
            "turn" | "turn_flat" => {
                let ticks = words.small();
                let [done, persisted, applied, released, peer] = [(); 5].map(|()| words.num());
                let frames = words.bytes();
                let input = Input { ticks, done, persisted, applied, released, peer, frames: &frames };
                let (group, mut took) = (node.config().group, StepFrames::default());
                let (code, ready) = match node.turn(&input, &mut took)? {
                    Turn::Ready(ready) => (0, Some(ready)),
                    Turn::Nothing => (1, None),
                    Turn::Last(ready) => (3, Some(ready)),
                    Turn::FetchFirst => (4, None),
                };
                self.number = ready.map_or(0, |ready| ready.number());
                let ready = ready.map_or(String::new(), |ready| " ".to_string() + &ready_words(&ready, group));
                Ok((code, stepped_words(&took) + &ready))
            }
            "propose" => {
                let parts = words.list(Words::bytes);
                done(node.propose_parts(parts.iter().map(Vec::as_slice), words.num()))
            }
            "propose_many" => {
                let entries = words.list(|w| (w.bytes(), w.num()));
                done(node.propose_many(entries.iter().map(|(data, token)| (data.as_slice(), *token))))
            }
            "propose_conf" => {
                let (changes, encoding) = words.changes();
                done(node.propose_conf(&changes, encoding, &words.bytes(), words.num()))
            }
            "propose_conf_at" => {
                let index = words.num();
                let (changes, encoding) = words.changes();
                done(node.propose_conf_at(index, &changes, encoding, &words.bytes(), words.num()))
            }
            "propose_in_term" => {
                let (term, parts) = (words.num(), words.list(Words::bytes));
                done(node.propose_in_term(term, parts.iter().map(Vec::as_slice), words.num()))
            }
            "propose_with_context" => {
                let (kind, context, data) = (kind_of(words.num()), words.bytes(), words.bytes());
                done(node.propose_with_context(kind, &context, &data, words.num()))
            }
            "propose_entry" => {
                let (kind, data) = (kind_of(words.num()), words.bytes());
                done(node.propose_entry(kind, &data, words.num()))
            }
            "read_index" => done(node.read_index(words.num())),
            "campaign" => done(node.campaign()),
            "transfer" => done(node.transfer(words.num())),
            "abort_transfer" => done(node.abort_transfer()),
            "forget_leader" => done(node.forget_leader()),
            "set_electable" => done(node.set_electable(words.num() != 0)),
            "set_priority" => done(node.set_priority(words.word().parse().unwrap())),
            "set_window" => done(node.set_window(words.num(), words.small(), words.num())),
            "set_commit_group" => done(node.set_commit_group(words.num(), words.num())),
            "promote_when_caught_up" => done(node.promote_when_caught_up(words.num(), words.num() != 0)),
            "request_snapshot" => done(node.request_snapshot()),
            "ping" => done(node.ping()),
            "set_flags" => done(node.set_flags(Flags(words.num()), Flags(words.num()))),
            "trim" => done(node.trim()),
            "hello_check" => done(node.check_hello(&wire::read_hello(&words.bytes()).unwrap())),
            "set_commit_broadcast" => done(node.set_commit_broadcast(words.num() != 0)),
            "set_election_timeout" => done(node.set_election_timeout(words.small())),
            "report_unreachable" => done(node.report_unreachable(words.num())),
            "report_snapshot" => {
                let (peer, how) = (words.num(), words.num());
                let reports = [
                    raftcore::SnapshotReport::Failed,
                    raftcore::SnapshotReport::Arrived,
                    raftcore::SnapshotReport::UnderWay,
                ];
                done(node.report_snapshot(peer, reports[how as usize]))
            }
            "compacted" => done(node.compacted(words.num())),
            "has_ready" => node.has_ready().map(|bits| (bits as i32, String::new())),
            "get_ready" | "ready_flat" => {
                let group = node.config().group;
                let ready = node.ready()?;
                self.number = ready.map_or(0, |ready| ready.number());
                maybe(ready.map(|ready| ready_words(&ready, group)))
            }
            "view" | "view_flat" => {
                let group = node.config().group;
                maybe(node.view(words.num()).map(|ready| ready_words(&ready, group)))
            }
            "advance" => done(node.advance(words.num())),
            "persisted" => done(node.persisted(words.num())),
            "applied" => done(node.applied(words.num())),
            "release" => done(node.release(words.num())),
            "next_fetch" => {
                self.fetch = node.next_fetch()?;
                let text =
                    |f: &Fetch| format!("{} {} {} {} {} {}", f.kind as u32, f.id, f.peer, f.first, f.last, f.max_bytes);
                maybe(self.fetch.as_ref().map(text))
            }
            "supply_entries" => supplied(node.supply_entries(words.num(), refs(&words.list(Words::entry)))),
            "supply_snapshot" => {
                let (id, index, conf, data) = (words.num(), words.num(), words.conf(), words.bytes());
                supplied(match conf {
                    Conf::Bytes(bytes) => node.supply_snapshot_bytes(id, index, &bytes, &data),
                    Conf::Ids(_, _, auto_leave, lists) => {
                        node.supply_snapshot(id, index, &conf_ref(auto_leave, &lists), &data)
                    }
                })
            }
            "supply_none" => {
                let (id, why) = (words.num(), if words.num() == 1 { Missing::Gone } else { Missing::Later });
                supplied(node.supply_none(id, why))
            }
            "apply_conf" => {
                let entry = [words.entry()];
                let dialect = node.config().dialect;
                let applied = node.apply_conf(refs(&entry).next().unwrap())?;
                self.conf = applied.bytes.to_vec();
                gave(conf_words(dialect, &applied))
            }
            "skip_conf" => {
                let dialect = node.config().dialect;
                let kept = node.skip_conf(words.num())?;
                self.conf = kept.bytes.to_vec();
                gave(conf_words(dialect, &kept))
            }
            "apply_change" => {
                let (dialect, kind) = (node.config().dialect, kind_of(words.num()));
                gave(conf_words(dialect, &node.apply_change(kind, &words.bytes())?))
            }
            "get_conf" => gave(conf_words(node.config().dialect, &node.conf()?)),
            "ticks_until_due" => gave(node.ticks_until_due()?.to_string()),
            "hello" => {
                let mut frame = [0; wire::HELLO_LEN];
                assert_eq!(wire::write_hello(&mut frame, &node.hello()), frame.len());
                gave(hex(&frame))
            }
            "get_status" => gave(status_words(node)),
            "get_peers" => gave(peer_words(node)),
            "next_event" => maybe(node.next_event().map(|e| {
                let numbers = [e.kind as u64, e.reason as u64, e.peer, e.term, e.index, e.a, e.b];
                numbers.map(|number| number.to_string()).join(" ")
            })),
            other => panic!("no such call: {other}"),
        }
    }
}

fn without_node(call: &str, words: &mut Words<'_>) -> Option<Out> {
    Some(match call {
        // What they say goes into the other text: it is the ABI's.
        "version_string" | "abi_version" | "features" => gave(String::new()),
        "footprint" => done(Node::footprint(&words.config())),
        "frame_limit" => gave(words.config().frame_limit().to_string()),
        "frame_next" => {
            let (limit, bytes) = (words.num(), words.bytes());
            match wire::next_frame(&bytes, limit) {
                Ok(wire::NextFrame::Whole { group, message, bytes }) => {
                    gave(format!("{group} {} {bytes}", hex(message)))
                }
                Ok(wire::NextFrame::Needs(_)) => maybe(None),
                Err(error) => Err(error),
            }
        }
        "conf_encode" => {
            let Conf::Ids(index, dialect, auto_leave, lists) = words.conf() else { panic!("ids are to be encoded") };
            let conf = conf_ref(auto_leave, &lists);
            let mut bytes = vec![0; wire::stored_conf_len(dialect, &conf, index)];
            wire::write_stored_conf(dialect, &mut bytes, &conf, index);
            gave(hex(&bytes))
        }
        "config_init" => gave(config_words(&Config::new(0))),
        "config_preset" => {
            assert_eq!(words.num(), 1);
            let mut config = Config::new(0);
            config.preset_etcd();
            gave(config_words(&config))
        }
        "config_error" => gave(words.config().check().err().unwrap_or_default().to_string()),
        "strerror" => {
            let code: i32 = words.word().parse().unwrap();
            gave(Error::ALL.iter().find(|error| error.code() == code).unwrap().text().to_string())
        }
        "event_text" => {
            let kind = words.small();
            gave(EventKind::ALL.iter().find(|known| **known as u32 == kind).unwrap().text().to_string())
        }
        "reason_text" => {
            let reason = words.small();
            gave(Reason::ALL.iter().find(|known| **known as u32 == reason).unwrap().text().to_string())
        }
        "hello_read" => {
            let hello = match wire::read_hello(&words.bytes()) {
                Ok(hello) => hello,
                Err(error) => return Some(Err(error)),
            };
            gave(format!("{} {} {} {}", hello.version, hello.features, hello.group, hello.id))
        }
        "snapshot_split" => {
            let message = words.bytes();
            let view = match wire::parse_message(&message) {
                Ok(view) => view,
                Err(error) => return Some(Err(error)),
            };
            maybe(view.snapshot.map(|snapshot| format!("{} {} {}", snapshot.index, snapshot.term, hex(snapshot.data))))
        }
        _ => return None,
    })
}

fn numbers(list: &[u64]) -> String {
    let mut text = list.len().to_string();
    list.iter().for_each(|number| write!(text, " {number}").unwrap());
    text
}

fn conf_words(dialect: Dialect, applied: &raftcore::AppliedConf<'_>) -> String {
    let conf = &applied.conf;
    let lists = [conf.voters, conf.voters_outgoing, conf.learners, conf.learners_next].map(numbers).join(" ");
    let (auto_leave, index, dialect) = (u32::from(conf.auto_leave), applied.index, dialect as u32);
    format!("{auto_leave} {lists} {index} {dialect} {} {}", hex(applied.bytes), hex(applied.context))
}

fn stepped_words(took: &StepFrames) -> String {
    format!("{} {} {}", took.consumed, took.rejected, took.first.map_or(0, Error::code))
}

fn entry_words(entries: raftcore::Entries<'_>) -> String {
    let mut text = entries.len().to_string();
    for e in entries {
        let (data, context) = (hex(e.data), hex(e.context));
        write!(text, " {} {} {} {data} {} {context}", e.term, e.index, e.kind as u32, e.token).unwrap();
    }
    text
}

fn ready_words(ready: &Ready<'_>, group: u64) -> String {
    let bit = |holds: bool, bit: u32| if holds { bit } else { 0 };
    let flags = bit(ready.hard_state().is_some(), 1)
        | bit(ready.must_sync(), 2)
        | bit(ready.soft_state().is_some(), 4)
        | bit(ready.snapshot().is_some(), 8);
    let (state, snapshot) = (ready.state(), ready.snapshot());
    let (index, term) = snapshot.map_or((0, 0), |s| (s.index, s.term));
    let (first, last) = ready.committed_span().unwrap_or((0, 0));
    let mut text = format!(
        "{} {flags} {} {} {} {} {} {index} {term} {} {} {first} {last} {} {}",
        ready.number(),
        ready.role() as u32,
        ready.leader(),
        state.term,
        state.vote,
        state.commit,
        hex(snapshot.map_or(&[], |s| s.conf)),
        hex(snapshot.map_or(&[], |s| s.data)),
        entry_words(ready.entries()),
        entry_words(ready.committed())
    );
    write!(text, " {}", ready.messages().len()).unwrap();
    for m in ready.messages() {
        let flags = bit(m.after(), 1) | bit(m.reject(), 2);
        let frame: Vec<u8> = m.parts().flatten().copied().collect();
        assert_eq!(wire::read_frame_header(&frame), Some((frame.len() as u32 - 12, group)));
        let head = [m.to(), m.from(), m.term(), m.log_term(), m.index(), m.commit(), m.reject_hint(), m.vote()];
        let head = head.map(|number| number.to_string()).join(" ");
        let conf = m.snapshot().map_or(String::from("x"), |snapshot| hex(snapshot.conf));
        write!(text, " {head} {flags} {} {} {conf} {}", m.kind() as u32, hex(m.context()), hex(&frame)).unwrap();
    }
    write!(text, " {}", ready.reads().len()).unwrap();
    ready.reads().iter().for_each(|read| write!(text, " {} {}", read.token, read.index).unwrap());
    write!(text, " {}", ready.dropped().len()).unwrap();
    ready.dropped().iter().for_each(|d| write!(text, " {} {} {}", d.token, d.what as u32, d.reason as u32).unwrap());
    write!(text, " {}", ready.done().len()).unwrap();
    ready.done().iter().for_each(|done| write!(text, " {} {}", done.token, done.index).unwrap());
    text
}

fn status_words(node: &Node) -> String {
    let s = node.status();
    let numbers = [
        s.role as u64,
        s.id,
        s.group,
        s.term,
        s.vote,
        s.commit,
        s.applied,
        s.durable,
        s.leader,
        s.transferee,
        s.first_index,
        s.last_index,
        s.last_term,
        s.recent_first,
        s.safe_to_compact,
        s.messages_dropped,
        s.messages_refused,
        s.messages_ignored,
        s.proposals_refused,
        s.reads_failed,
        s.events_lost,
        s.implausible,
        u64::from(s.n_peers),
        u64::from(s.n_outstanding),
        u64::from(s.promotable),
        u64::from(s.electable),
        u64::from(s.election_elapsed),
        u64::from(s.election_timeout),
        u64::from(s.n_reads),
        u64::from(s.n_tokens),
        s.last_ready,
        s.late_ticks,
        s.apply_waits,
    ];
    numbers.map(|number| number.to_string()).join(" ")
}

fn peer_words(node: &Node) -> String {
    let mut text = node.peers().len().to_string();
    for p in node.peers() {
        write!(
            text,
            " {} {} {} {} {} {} {} {} {} {} {}",
            p.id,
            p.match_index,
            p.next_index,
            p.pending_snapshot,
            p.inflight_bytes,
            p.inflight_msgs,
            p.flow as u32,
            p.flags,
            p.silent_ticks,
            p.commit,
            p.group
        )
        .unwrap();
    }
    text
}
