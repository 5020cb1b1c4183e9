//! A printed loop of Rust, completed: tests/loops/README.md. The scenes are those of c/scenario.c.

use raftcore::*;

include!(env!("LOOP"));

const PAYLOAD: usize = 64 << 10;

/// A host in memory: disk, state machine, and messages to send.
#[derive(Default)]
struct Host {
    id: u64,
    hard: HardState,
    before_first: EntryId,
    log: Vec<Record>,
    /// The data of the applied entries, joined.
    state: Vec<u8>,
    applied: u64,
    conf: Vec<u8>,
    sent: Vec<(u64, Vec<u8>)>,
    beside: Vec<(u64, u64, Vec<u8>)>,
    /// A snapshot that came beside the core.
    arrived: Option<(u64, Vec<u8>)>,
    events: u32,
    answers: u32,
}

struct Record {
    term: u64,
    kind: EntryKind,
    data: Vec<u8>,
}

/// The functions that the printed loop calls.
impl Host {
    fn supply(&mut self, node: &mut Node, fetch: &Fetch) -> Result<()> {
        let supplied = match fetch.kind {
            FetchKind::Snapshot => match node.supply_snapshot_bytes(fetch.id, self.applied, &self.conf, &self.state) {
                Err(Error::TooLarge) => {
                    self.beside.push((fetch.peer, self.applied, self.state.clone()));
                    node.supply_snapshot_bytes(fetch.id, self.applied, &self.conf, &[])
                }
                other => other,
            },
            _ if fetch.first <= self.before_first.index => node.supply_none(fetch.id, Missing::Gone),
            _ => node.supply_entries(fetch.id, self.entries(fetch.first)),
        };
        if supplied.is_err() {
            node.supply_none(fetch.id, Missing::Later)?;
        }
        Ok(())
    }

    fn store(&mut self, ready: &Ready<'_>) {
        if let Some(snapshot) = ready.snapshot() {
            let (index, state) = self.arrived.take().expect("a snapshot came beside the core");
            assert_eq!((index, snapshot.data), (snapshot.index, &[][..]));
            self.before_first = EntryId { term: snapshot.term, index };
            self.log.clear();
            (self.state, self.applied, self.conf) = (state, index, snapshot.conf.to_vec());
        }
        for entry in ready.entries() {
            self.append(entry.index, Record { term: entry.term, kind: entry.kind, data: entry.data.to_vec() });
        }
        self.hard = ready.hard_state().unwrap_or(self.hard);
    }

    fn send(&mut self, ready: &Ready<'_>) {
        for message in ready.messages() {
            let mut bytes = Vec::new();
            message.write_to(&mut bytes);
            self.sent.push((message.to(), bytes));
        }
    }

    fn apply(&mut self, node: &mut Node, number: u64) -> Result<()> {
        let ready = node.view(number).expect("the ready is outstanding");
        let mut changes = Vec::new();
        for entry in ready.committed() {
            assert_eq!(entry.index, self.applied + 1, "entries are applied in order, each once");
            match entry.kind {
                EntryKind::Normal => self.state.extend_from_slice(entry.data),
                _ => changes.push((entry.index, entry.term, entry.kind, entry.data.to_vec())),
            }
            self.applied = entry.index;
            self.answers += u32::from(entry.token != 0);
        }
        for (index, term, kind, data) in changes {
            let entry = EntryRef { term, index, kind, data: &data, ..EntryRef::default() };
            self.conf = node.apply_conf(entry)?.bytes.to_vec();
        }
        Ok(())
    }

    fn answer(&mut self, node: &Node, number: u64) {
        self.answers += node.view(number).map_or(0, |ready| ready.reads().len()) as u32;
    }

    fn log(&mut self, _event: &Event) {
        self.events += 1;
    }
}

impl Host {
    fn append(&mut self, index: u64, record: Record) {
        self.log.truncate((index - self.before_first.index - 1) as usize);
        assert_eq!(index, self.last() + 1, "the log has no gap");
        self.log.push(record);
    }

    fn last(&self) -> u64 {
        self.before_first.index + self.log.len() as u64
    }

    fn entries(&self, first: u64) -> impl Iterator<Item = EntryRef<'_>> + Clone {
        let before = self.before_first.index;
        self.log.iter().zip(before + 1..).skip((first - before - 1) as usize).map(|(record, index)| EntryRef {
            term: record.term,
            index,
            kind: record.kind,
            data: &record.data,
            ..EntryRef::default()
        })
    }

    fn boot(&self, seed: u64) -> Result<Node> {
        let mut node = Node::new(&Config { seed, ..Config::new(self.id) })?;
        let stored = Stored {
            state: self.hard,
            applied: self.applied,
            before_first: self.before_first,
            last: self.last(),
            conf: Some(StoredConf::Bytes(&self.conf)).filter(|_| !self.conf.is_empty()),
            runs: &[],
        };
        node.boot(&stored, self.entries(self.before_first.index + 1))?;
        Ok(node)
    }
}

/// Returns the data of proposal k, different for each k.
fn payload(k: u64) -> Vec<u8> {
    (0..PAYLOAD as u64 / 8).flat_map(|i| (k * 1_000_003 + i).to_le_bytes()).collect()
}

type Group = Vec<(Node, Host)>;

/// Runs the loops until no node has work.
fn settle(group: &mut Group) -> Result<()> {
    loop {
        let (mut sent, mut beside) = (Vec::new(), Vec::new());
        for (node, host) in group.iter_mut() {
            turn(node, host)?;
            assert_eq!(node.has_ready()?, 0, "the loop ends though there is something to do");
            beside.append(&mut host.beside);
            sent.extend(host.sent.drain(..).map(|(to, bytes)| (host.id, to, bytes)));
        }
        if sent.is_empty() {
            return Ok(());
        }
        for (to, index, state) in beside {
            group[to as usize - 1].1.arrived = Some((index, state));
        }
        for (from, to, bytes) in sent {
            if let Some((node, _)) = group.get_mut(to as usize - 1) {
                node.step(from, &bytes)?;
            }
        }
    }
}

/// Ticks until all have applied `count` proposals and a node leads. Returns the position of the leader.
fn until(group: &mut Group, count: u64, when: &str) -> Result<usize> {
    let leads = |node: &Node| node.status().role == Role::Leader && node.status().applied == node.status().last_index;
    let want: Vec<u8> = (0..count).flat_map(payload).collect();
    for _ in 0..500 {
        let leader = group.iter().position(|(node, _)| leads(node));
        if let Some(leader) = leader.filter(|_| group.iter().all(|(_, host)| host.state.len() >= want.len())) {
            for (_, host) in group.iter() {
                assert!(host.state == want, "{when}: node {} applied something else", host.id);
            }
            return Ok(leader);
        }
        for (node, _) in group.iter_mut() {
            node.tick(1)?;
        }
        settle(group)?;
    }
    let have: Vec<usize> = group.iter().map(|(_, host)| host.state.len() / PAYLOAD).collect();
    panic!("{when}: {have:?} of {count} proposals are applied");
}

fn members(node: &mut Node) -> Result<(Vec<u64>, Vec<u64>)> {
    let conf = node.conf()?.conf;
    Ok((conf.voters.to_vec(), conf.learners.to_vec()))
}

fn main() -> Result<()> {
    // A voter restarts with twice recent_bytes of committed log to apply, with a membership change in the middle.
    let mut count = 2 * Config::new(1).recent_bytes / PAYLOAD as u64;
    let mut first = Host { id: 1, applied: 1, before_first: EntryId { term: 1, index: 1 }, ..Host::default() };
    let founder = wire::ConfStateRef { voters: &[1], ..Default::default() };
    first.conf.resize(wire::stored_conf_len(raftcore::Dialect::Raftpb, &founder, 1), 0);
    wire::write_stored_conf(raftcore::Dialect::Raftpb, &mut first.conf, &founder, 1);
    for k in 0..count {
        if k == count / 2 {
            let learner_2 = vec![0x10, ChangeKind::AddLearner as u8, 0x18, 2]; // a raftpb ConfChange
            first.append(first.last() + 1, Record { term: 1, kind: EntryKind::ConfChange, data: learner_2 });
        }
        first.append(first.last() + 1, Record { term: 1, kind: EntryKind::Normal, data: payload(k) });
    }
    first.hard = HardState { term: 1, vote: 1, commit: first.last() };
    let mut group = vec![(first.boot(1)?, first)];
    until(&mut group, count, "after the restart")?;
    assert_eq!(members(&mut group[0].0)?, (vec![1], vec![2]));

    // The log is compacted, so the new member needs a snapshot. The state is larger than max_snapshot_bytes.
    let (node, host) = &mut group[0];
    host.before_first = EntryId { term: host.log.last().map_or(1, |record| record.term), index: host.applied };
    host.log.clear();
    node.compacted(host.applied)?;
    let second = Host { id: 2, ..Host::default() };
    group.push((second.boot(2)?, second));
    until(&mut group, count, "after the join")?;
    assert!(group[1].1.before_first.index > 1, "the new member got a snapshot");

    // The new member becomes a voter. Both nodes restart, and the group goes on.
    let voter = Change { kind: ChangeKind::AddNode, id: 2 };
    group[0].0.propose_conf(&[voter], ChangeEncoding::V1, &[], 99)?;
    settle(&mut group)?;
    for i in 0..2 {
        assert_eq!(members(&mut group[i].0)?, (vec![1, 2], vec![]));
        group[i].0 = group[i].1.boot(3 + i as u64)?;
        let leader = until(&mut group, count, "after a restart")?;
        group[leader].0.propose(&payload(count), count)?;
        group[leader].0.read_index(count)?;
        count += 1;
        until(&mut group, count, "after a proposal")?;
    }
    let (events, answers) = group.iter().fold((0, 0), |sum, (_, host)| (sum.0 + host.events, sum.1 + host.answers));
    assert!(events > 0, "no event was logged");
    assert_eq!(answers, 5, "each token comes back");
    println!("{count} proposals, {events} events, 1 snapshots beside the core");
    Ok(())
}
