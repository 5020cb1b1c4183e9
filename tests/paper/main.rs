//! The rules of Raft, each asserted on its own through the public face: figures 2 and 3 of the paper, chapters 3, 4 and 6 of the
//! dissertation. `rules.txt` lists them; a test's name begins with its rule's id.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chapter3;
mod chapter4;
mod chapter6;
mod figure2;
mod figure3;
mod servers;

use kit::{Cluster, Disk, Heard, Host, append, config, entry, message};
use raftcore::{Config, Flags, HardState, MessageKind, Role, Status, proto};

/// Raft as the paper has it, without PreVote and the check of the quorum.
fn plain(id: u64) -> Config {
    let config = config(id);
    Config { flags: config.flags.with(Flags::PRE_VOTE, false).with(Flags::CHECK_QUORUM, false), ..config }
}

fn group(ids: &[u64]) -> Cluster {
    Cluster::new(ids, plain)
}

/// Server 1 of the group 1, 2, 3, its peers played by the test. Its host stores and applies at once.
struct Server(Host);

impl Server {
    /// `log` has the terms of the entries from index 1 on; the first is the founders' configuration, of term 1.
    fn new(term: u64, vote: u64, log: &[u64]) -> Self {
        Self::with(&plain(1), term, vote, log)
    }

    fn with(config: &Config, term: u64, vote: u64, log: &[u64]) -> Self {
        assert_eq!(log[0], 1);
        let mut disk = Disk { state: HardState { term, vote, commit: 1 }, ..Disk::founder(&[1, 2, 3]) };
        for (index, &term) in (2..).zip(&log[1..]) {
            let data = format!("{term}.{index}").into_bytes();
            disk.log.insert(index, kit::Stored { term, kind: raftcore::EntryKind::Normal, data, context: Vec::new() });
        }
        Self::boot(config, disk)
    }

    fn boot(config: &Config, disk: Disk) -> Self {
        let node = disk.boot(config);
        Self(Host {
            id: config.id,
            node,
            disk,
            heard: Heard::default(),
            fetched: Vec::new(),
            bad_change: Default::default(),
        })
    }

    /// Leads in the term after its log's last, with the vote of 2; its first entry is stored here only.
    fn leader(log: &[u64]) -> Self {
        let mut server = Self::new(*log.last().unwrap(), 0, log);
        server.is_elected();
        server
    }

    /// What it sends upon election.
    fn is_elected(&mut self) -> Vec<proto::Message> {
        self.0.node.campaign().unwrap();
        self.works();
        let term = self.status().term;
        let sent = self.hears(message(MessageKind::VoteResp, 2, 1, term));
        assert_eq!(self.status().role, Role::Leader);
        sent
    }

    fn hears(&mut self, m: proto::Message) -> Vec<proto::Message> {
        kit::step(&mut self.0.node, &m).unwrap();
        self.works()
    }

    fn works(&mut self) -> Vec<proto::Message> {
        decoded(&self.0.work())
    }

    fn ticks(&mut self, ticks: u32) -> Vec<proto::Message> {
        self.0.node.tick(ticks).unwrap();
        self.works()
    }

    fn status(&self) -> Status {
        self.0.node.status()
    }

    fn term(&self) -> u64 {
        self.status().term
    }

    /// The stored log's terms, from index 1 on.
    fn log(&self) -> Vec<u64> {
        terms(&self.0.disk)
    }

    /// (matchIndex, nextIndex) of a peer.
    fn progress(&self, id: u64) -> (u64, u64) {
        let peer = self.0.node.peers().find(|peer| peer.id == id).unwrap();
        (peer.match_index, peer.next_index)
    }
}

/// A stored log's terms, from index 1 on.
fn terms(disk: &Disk) -> Vec<u64> {
    std::iter::once(disk.before.term).chain(disk.log.values().map(|e| e.term)).collect()
}

fn decoded(sent: &[kit::Sent]) -> Vec<proto::Message> {
    use prost::Message as _;
    sent.iter().map(|m| proto::Message::decode(&m.bytes[..]).unwrap()).collect()
}

fn of_kind(messages: &[proto::Message], kind: MessageKind) -> Vec<proto::Message> {
    messages.iter().filter(|m| m.r#type == kind as i32).cloned().collect()
}

/// The only message of this kind.
fn only(messages: &[proto::Message], kind: MessageKind) -> proto::Message {
    let mut found = of_kind(messages, kind);
    assert_eq!(found.len(), 1, "of {kind:?} in {messages:?}");
    found.pop().unwrap()
}

/// 2 asks 1 for its vote; its log ends at `last`: (index, term).
fn asks(kind: MessageKind, from: u64, term: u64, last: (u64, u64)) -> proto::Message {
    proto::Message { index: last.0, log_term: last.1, ..message(kind, from, 1, term) }
}

/// 2 leads in `term` and sends 1 entries of these terms, which follow `after`: (index, term).
fn sends(term: u64, after: (u64, u64), terms: &[u64], commit: u64) -> proto::Message {
    let new = (after.0 + 1..).zip(terms).map(|(index, &term)| entry(term, index, format!("{term}.{index}").as_bytes()));
    append(2, 1, term, after, new.collect(), commit)
}

/// A follower's acknowledgement up to `index`.
fn acks(from: u64, term: u64, index: u64) -> proto::Message {
    proto::Message { index, ..message(MessageKind::AppResp, from, 1, term) }
}

/// A follower's rejection of an append after `index`, whose log has at most `hint`: (index, term).
fn rejects(from: u64, term: u64, index: u64, hint: (u64, u64)) -> proto::Message {
    let rejection = proto::Message { index, reject: true, ..message(MessageKind::AppResp, from, 1, term) };
    proto::Message { reject_hint: hint.0, log_term: hint.1, ..rejection }
}

/// One turn: every host works once, and what it sends is delivered.
fn turn(cluster: &mut Cluster) {
    let ids: Vec<u64> = cluster.hosts.keys().copied().collect();
    for id in ids {
        let sent = cluster.hosts.get_mut(&id).unwrap().work();
        sent.iter().for_each(|m| cluster.deliver(m));
    }
}

/// A cluster of servers 1, 2, … with these logs (terms from index 1 on), each in its log's last term.
fn logs(logs: &[&[u64]]) -> Cluster {
    let mut cluster = group(&[]);
    let ids: Vec<u64> = (1..=logs.len() as u64).collect();
    for (&id, log) in ids.iter().zip(logs) {
        let mut disk = Server::new(*log.last().unwrap(), 0, log).0.disk;
        disk.conf = Disk::founder(&ids).conf;
        cluster.add(id, disk);
    }
    cluster
}
