//! A node by itself: the test speaks for its peers.

use kit::{Disk, MOST_TURNS, append, config, entry, message, step};
use raftcore::{Config, FetchKind, MessageKind, Missing, Node, PeerStatus, Role, proto};

/// Does all work of a SYNC node; returns the messages.
pub fn drain(node: &mut Node) -> Vec<proto::Message> {
    use prost::Message as _;
    let (mut sent, mut turns) = (Vec::new(), 0);
    while let Some(ready) = node.ready().unwrap() {
        turns += 1;
        assert!(turns < MOST_TURNS, "a node that comes to no end");
        for message in ready.messages() {
            let mut bytes = Vec::new();
            message.write_to(&mut bytes);
            sent.push(proto::Message::decode(&bytes[..]).unwrap());
        }
        let number = ready.number();
        let bare = ready.committed_span().filter(|_| ready.committed().len() == 0);
        if let Some((_, last)) = bare {
            node.applied(last).unwrap();
        }
        node.advance(number).unwrap();
    }
    sent
}

/// The same in brief: receiver, kind, entries.
pub fn sent_by(node: &mut Node) -> Vec<(u64, MessageKind, Vec<u64>)> {
    let kind = |m: &proto::Message| MessageKind::from_wire(m.r#type as u64).unwrap();
    let brief = |m: proto::Message| (m.to, kind(&m), m.entries.iter().map(|entry| entry.index).collect());
    drain(node).into_iter().map(brief).collect()
}

/// Takes a ready and leaves the ready outstanding.
pub fn take(node: &mut Node) -> u64 {
    node.ready().unwrap().unwrap().number()
}

/// Lets the node campaign and delivers the given votes, in the next term.
pub fn campaign(node: &mut Node, granted: &[u64]) {
    let term = node.status().term + 1;
    node.forget_leader().unwrap();
    node.campaign().unwrap();
    drain(node);
    for kind in [MessageKind::PreVoteResp, MessageKind::VoteResp] {
        for &from in granted {
            step(node, &message(kind, from, 1, term)).unwrap();
            drain(node);
        }
    }
}

pub fn acknowledge(node: &mut Node, from: u64, index: u64) {
    let term = node.status().term;
    step(node, &proto::Message { index, ..message(MessageKind::AppResp, from, 1, term) }).unwrap();
}

/// A peer answers a heartbeat: a probing peer gets missing entries.
pub fn beats(node: &mut Node, from: u64) {
    let term = node.status().term;
    step(node, &message(MessageKind::HeartbeatResp, from, 1, term)).unwrap();
}

/// A sole voter, which leads and applies everything that it stores.
pub fn alone(config: &Config) -> Node {
    let mut node = Disk::founder(&[1]).boot(config);
    node.campaign().unwrap();
    drain(&mut node);
    node
}

/// A leader of term 1 among three whose first entry, at 2, is committed and held by both followers.
pub fn leader(config: &Config) -> Node {
    let mut node = Disk::founder(&[1, 2, 3]).boot(config);
    lead(&mut node);
    node
}

/// Makes a founder such a leader.
pub fn lead(node: &mut Node) {
    campaign(node, &[2]);
    acknowledge(node, 2, 2);
    acknowledge(node, 3, 2);
    drain(node);
    assert_eq!((node.status().role, node.status().commit), (Role::Leader, 2));
}

/// Bytes in each entry that a slow peer lacks.
pub const LEN: usize = 500;

/// Makes a leader write up to 60 and commit with node 2. Node 3 gets nothing, and only the newest
/// entries stay in memory: the leader fetches the older entries once node 3 is heard.
pub fn leave_behind(node: &mut Node) {
    for index in node.status().last_index + 1..=60 {
        node.propose(&[index as u8; LEN], 0).unwrap();
        drain(node);
        acknowledge(node, 2, index);
        drain(node);
    }
    node.report_unreachable(3).unwrap();
    assert_eq!((node.status().commit, node.status().last_index), (60, 60));
    assert!(node.status().recent_first > 20);
}

/// A configuration in which a leader keeps only the newest entries.
pub fn forgetful() -> Config {
    Config { recent_bytes: 16 << 10, ..config(1) }
}

/// Node 1 follows node 2 in term 1, whose first entry, at 2, is committed.
pub fn follower(config: &Config) -> Node {
    let mut node = Disk::founder(&[1, 2, 3]).boot(config);
    step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"x")], 2)).unwrap();
    drain(&mut node);
    node
}

pub fn peer(node: &Node, id: u64) -> PeerStatus {
    node.peers().find(|peer| peer.id == id).unwrap()
}

/// Node 1 leads; peer 3 has entry 2 and was asked a snapshot for; gives the fetch's id.
pub fn asks_for_a_snapshot() -> (Node, u64) {
    let mut node = leader(&forgetful());
    leave_behind(&mut node);
    beats(&mut node, 3);
    let entries = node.next_fetch().unwrap().unwrap();
    node.supply_none(entries.id, Missing::Gone).unwrap();
    let snapshot = node.next_fetch().unwrap().unwrap();
    assert_eq!(snapshot.kind, FetchKind::Snapshot);
    (node, snapshot.id)
}
