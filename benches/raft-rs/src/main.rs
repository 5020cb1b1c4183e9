//! W1 on raft-rs 0.7 with one of two codecs. Usage: `w1-raft-rs ROUNDS BATCH SIZE [REPS]`.
//!
//! As fast as the interface allows: a round's proposals enter as a single MsgPropose. New entries
//! move from the ready into a store without a lock. Appends are batched. With the codec `protobuf`,
//! payloads are shared buffers, never copied again. `benches/README.md` lists these settings.

use bench_kit::{Args, Proposals, Workload};
use raft::prelude::*;
use raft::storage::GetEntriesContext;
use raft::{Error, RawNode, StateRole, StorageError};

#[cfg(not(any(feature = "prost", feature = "protobuf")))]
compile_error!("build with --features prost or --features protobuf");

#[cfg(feature = "prost")]
mod codec {
    use super::{Entry, Message};
    use prost::Message as _;

    pub const NAME: &str = "raft-rs-prost";

    /// Returns the message as the receiver gets it.
    pub fn carry(message: Message, wire: &mut Vec<u8>) -> Message {
        wire.clear();
        message.encode(wire).expect("room in the buffer");
        Message::decode(wire.as_slice()).expect("what was just encoded")
    }

    pub fn proposals<'a>(round: impl Iterator<Item = (&'a [u8], u64)>) -> Vec<Entry> {
        round.map(|(payload, _)| Entry { data: payload.to_vec(), ..Entry::default() }).collect()
    }
}

#[cfg(feature = "protobuf")]
mod codec {
    use super::{Entry, Message};
    use bytes::Bytes;
    use protobuf::{CodedInputStream, Message as _};

    pub const NAME: &str = "raft-rs-protobuf";

    /// Returns the message as the receiver gets it. The entries share the received buffer.
    pub fn carry(message: Message, _wire: &mut Vec<u8>) -> Message {
        let wire = Bytes::from(message.write_to_bytes().expect("a complete message"));
        let mut received = Message::default();
        received.merge_from(&mut CodedInputStream::from_carllerche_bytes(&wire)).expect("what was just encoded");
        received
    }

    /// Makes one buffer for the payloads of a round.
    pub fn proposals<'a>(round: impl Iterator<Item = (&'a [u8], u64)> + Clone) -> Vec<Entry> {
        let mut all = Vec::with_capacity(round.clone().map(|(payload, _)| payload.len()).sum());
        round.clone().for_each(|(payload, _)| all.extend_from_slice(payload));
        let all = Bytes::from(all);
        let mut start = 0;
        let mut entries = Vec::with_capacity(round.size_hint().0);
        for (payload, _) in round {
            let end = start + payload.len();
            entries.push(Entry { data: all.slice(start..end), ..Entry::default() });
            start = end;
        }
        entries
    }
}

/// The log of a host, in memory.
struct Store {
    state: HardState,
    conf: ConfState,
    /// Index of the entry before the first entry.
    index_before: u64,
    term_before: u64,
    entries: Vec<Entry>,
}

impl Store {
    /// Returns the position of the entry at `index`.
    fn place(&self, index: u64) -> Option<usize> {
        index.checked_sub(self.index_before + 1).map(|place| place as usize)
    }

    fn put(&mut self, new: Vec<Entry>) {
        let Some(first) = new.first() else { return };
        let keep = self.place(first.index).expect("entries after those that are compacted");
        self.entries.truncate(keep);
        self.entries.extend(new);
    }

    fn compact(&mut self, index: u64) {
        let Some(last) = self.place(index) else { return };
        self.term_before = self.entries[last].term;
        self.index_before = index;
        self.entries.drain(..=last);
    }
}

impl Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState { hard_state: self.state.clone(), conf_state: self.conf.clone() })
    }

    fn entries(
        &self,
        from: u64,
        to: u64,
        max: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let Some(first) = self.place(from) else { return Err(Error::Store(StorageError::Compacted)) };
        let max = max.into().unwrap_or(u64::MAX);
        let asked = &self.entries[first..first + (to - from) as usize];
        // An upper bound of an entry's size, cheaper than the exact size. At least one entry is
        // returned.
        let (mut size, mut count) = (0, 0);
        for entry in asked {
            size += entry.data.len() as u64 + 40;
            if size > max && count > 0 {
                break;
            }
            count += 1;
        }
        Ok(asked[..count].to_vec())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.index_before {
            return Ok(self.term_before);
        }
        let place = self.place(index).ok_or(Error::Store(StorageError::Compacted))?;
        self.entries.get(place).map(|entry| entry.term).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.index_before + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.index_before + self.entries.len() as u64)
    }

    fn snapshot(&self, _: u64, _: u64) -> raft::Result<Snapshot> {
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}

struct Host {
    node: RawNode<Store>,
    last: u64,
    applied: u64,
}

impl Host {
    fn apply(&mut self, committed: &[Entry]) {
        for entry in committed {
            self.last = entry.index;
            self.applied += u64::from(!entry.data.is_empty());
        }
    }

    fn work(&mut self, out: &mut Vec<Message>) {
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            out.append(&mut ready.take_messages());
            self.apply(&ready.take_committed_entries());
            self.node.mut_store().put(ready.take_entries());
            if let Some(state) = ready.hs() {
                self.node.mut_store().state = state.clone();
            }
            out.append(&mut ready.take_persisted_messages());

            let mut light = self.node.advance(ready);
            out.append(&mut light.take_messages());
            self.apply(&light.take_committed_entries());
            self.node.advance_apply();
        }
    }
}

struct Group {
    hosts: Vec<Host>,
    /// Messages in flight, and messages being delivered.
    sent: Vec<Message>,
    arriving: Vec<Message>,
    wire: Vec<u8>,
    proposals: Proposals,
    args: Args,
}

impl Group {
    fn new(args: Args) -> Self {
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let host = |id| {
            let config = Config {
                id,
                election_tick: 10,
                heartbeat_tick: 1,
                max_size_per_msg: 16 << 20,
                max_inflight_msgs: 256,
                batch_append: true,
                ..Config::default()
            };
            let conf = ConfState::from((vec![1, 2, 3], vec![]));
            let store = Store { state: HardState::default(), conf, index_before: 0, term_before: 0, entries: vec![] };
            Host { node: RawNode::new(&config, store, &logger).expect("a node"), last: 0, applied: 0 }
        };
        let mut group = Self {
            hosts: (1..=3).map(host).collect(),
            sent: vec![],
            arriving: vec![],
            wire: Vec::with_capacity(2 << 20),
            proposals: Proposals::new(args),
            args,
        };
        group.hosts[0].node.campaign().expect("campaign");
        group.settle();
        assert!(group.hosts[0].node.raft.state == StateRole::Leader);
        group
    }

    fn settle(&mut self) {
        loop {
            for host in &mut self.hosts {
                host.work(&mut self.sent);
            }
            if self.sent.is_empty() {
                return;
            }
            std::mem::swap(&mut self.sent, &mut self.arriving);
            for message in self.arriving.drain(..) {
                let host = &mut self.hosts[message.to as usize - 1];
                host.node.step(codec::carry(message, &mut self.wire)).expect("step");
            }
        }
    }
}

impl Workload for Group {
    // A message is encoded into a buffer and decoded from the buffer, without a copy in between.
    const NETWORK: bool = false;

    fn run(&mut self, rounds: u64, _twice: bool) {
        let keep = self.args.keep();
        for round in 1..=rounds {
            let mut propose = Message::default();
            propose.set_msg_type(MessageType::MsgPropose);
            (propose.from, propose.to) = (1, 1);
            propose.set_entries(codec::proposals(self.proposals.round()).into());
            self.hosts[0].node.step(propose).expect("step");
            self.settle();
            if round % keep == 0 {
                for host in &mut self.hosts {
                    let last = host.last;
                    host.node.mut_store().compact(last);
                }
            }
        }
    }

    fn applied(&self) -> [u64; 3] {
        [0, 1, 2].map(|at| self.hosts[at].applied)
    }
}

fn main() {
    let args = Args::from_command_line();
    bench_kit::measure(codec::NAME, args, &mut Group::new(args));
}
