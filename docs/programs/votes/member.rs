//! A member: a node of the core, a disk, and the state machine, a number of votes for each name.

use super::disk::{Disk, Entry, Snapshot};
use super::{Network, Result};
use raftcore::{Config, EntryId, Fetch, FetchKind, Missing, Node, Stored, StoredConf};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

pub struct Member {
    pub id: u64,
    pub node: Node,
    pub disk: Disk,
    pub votes: BTreeMap<String, u64>,
    /// Outcomes by token: true for done, false for failed or unknown.
    pub outcomes: HashMap<u64, bool>,
    /// The membership as of the last applied entry.
    conf: Vec<u8>,
    /// The last applied entry.
    applied: EntryId,
}

impl Member {
    /// Writes the disk of a founder. Call this once for a member, and never again.
    pub fn found(id: u64, path: &Path, voters: &[u64]) -> Result<()> {
        let mut node = Node::new(&Config { seed: rand(id), ..Config::new(id) })?;
        node.boot(&Stored::founder(voters), std::iter::empty())?;
        let mut disk = Disk::open(path)?;
        disk.state.commit = 1;
        let last = EntryId { index: 1, term: 1 };
        Ok(disk.compact(Snapshot { last, conf: node.conf()?.bytes.to_vec(), data: Vec::new() })?)
    }

    /// Starts a member from its disk.
    pub fn open(id: u64, path: &Path) -> Result<Self> {
        let disk = Disk::open(path)?;
        let Snapshot { last, conf, data } = &disk.snapshot;
        let mut node = Node::new(&Config { seed: rand(id), ..Config::new(id) })?;
        let stored = Stored {
            state: disk.state,
            applied: last.index,
            before_first: *last,
            last: disk.last(),
            conf: (!conf.is_empty()).then_some(StoredConf::Bytes(conf)),
            runs: &[], // the entries begin with the first of the log
        };
        if let Err(error) = node.boot(&stored, disk.log.iter().map(Entry::view)) {
            return Err(format!("{error}: {}", node.error_detail()).into());
        }
        let (votes, conf, applied) = (decode(data), conf.clone(), *last);
        Ok(Self { id, node, disk, votes, outcomes: HashMap::new(), conf, applied })
    }

    /// Does all work of the node. Call this after every tick, step and propose.
    pub fn work(&mut self, network: &mut Network) -> Result<()> {
        loop {
            while let Some(fetch) = self.node.next_fetch()? {
                self.supply(&fetch)?;
            }
            let Some(ready) = self.node.ready()? else { break };
            let number = ready.number();
            self.disk.store(&ready)?; // 1: a failed write ends the member; start it again from the disk
            if let Some(new) = ready.snapshot() {
                self.votes = decode(new.data);
                self.conf = new.conf.to_vec();
                self.applied = EntryId { index: new.index, term: new.term };
            }
            for message in ready.messages() {
                let mut bytes = Vec::new();
                message.write_to(&mut bytes);
                network.push_back((self.id, message.to(), bytes)); // 2
            }
            self.outcomes.extend(ready.reads().iter().map(|read| (read.token, true)));
            self.outcomes.extend(ready.dropped().iter().map(|dropped| (dropped.token, false)));
            let committed: Vec<(Entry, u64)> = ready.committed().map(|entry| (Entry::of(entry), entry.token)).collect();
            for (entry, token) in committed {
                self.apply(&entry)?; // 3
                self.outcomes.extend((token != 0).then_some((token, true))); // 4: answer the client
            }
            self.node.advance(number)?; // 5
        }
        while self.node.next_event().is_some() {} // in earnest: log all events
        Ok(())
    }

    /// Runs on every member, in equal order: the result depends on nothing but state and entry.
    fn apply(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind.is_change() {
            self.conf = self.node.apply_conf(entry.view())?.bytes.to_vec();
        } else if !entry.data.is_empty() {
            *self.votes.entry(String::from_utf8_lossy(&entry.data).into()).or_default() += 1;
        }
        self.applied = entry.id;
        Ok(())
    }

    /// Takes a snapshot of the state, and drops the entries that the snapshot covers.
    pub fn compact(&mut self) -> Result<()> {
        if self.applied.index > self.disk.snapshot.last.index {
            let data = self.votes.iter().map(|(name, count)| format!("{name} {count}\n")).collect::<String>();
            self.disk.compact(Snapshot { last: self.applied, conf: self.conf.clone(), data: data.into() })?;
            self.node.compacted(self.applied.index)?;
        }
        Ok(())
    }

    /// Gives the node what a slow peer lacks, entries or a snapshot.
    fn supply(&mut self, fetch: &Fetch) -> Result<()> {
        let begin = self.disk.snapshot.last.index + 1;
        if fetch.kind == FetchKind::Snapshot {
            self.compact()?;
            let Snapshot { last, conf, data } = &self.disk.snapshot;
            // An error, such as data above max_snapshot_bytes, must not end the leader.
            if self.node.supply_snapshot_bytes(fetch.id, last.index, conf, data).is_err() {
                self.node.supply_none(fetch.id, Missing::Later)?;
            }
        } else if fetch.first < begin || fetch.last > self.disk.last() {
            self.node.supply_none(fetch.id, Missing::Gone)?;
        } else {
            let range = (fetch.first - begin) as usize..=(fetch.last - begin) as usize;
            self.node.supply_entries(fetch.id, self.disk.log[range].iter().map(Entry::view))?;
        }
        Ok(())
    }
}

fn decode(data: &[u8]) -> BTreeMap<String, u64> {
    let text = String::from_utf8_lossy(data);
    let pairs = text.lines().filter_map(|line| line.rsplit_once(' '));
    pairs.filter_map(|(name, count)| Some((name.into(), count.parse().ok()?))).collect()
}

/// A seed. In earnest, draw a random number at each start: with an old seed, an old answer could
/// confirm a new read. This program has a fixed seed, and always prints the same lines.
fn rand(id: u64) -> u64 {
    id * 7
}
