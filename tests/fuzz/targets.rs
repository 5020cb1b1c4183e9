//! What a fuzzer drives: each target takes any bytes, reads them as a list of decisions, and fails if a promise is broken.

use kit::{Cluster, Disk, Sent, config};
use prost::Message as _;
use raftcore::wire::{self, ConfStateRef};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, EntryId, EntryKind, EntryRef, Error, FetchKind, Flags, HardState,
    Missing, Node, Role, StorageMode, TermRun, Transition, proto,
};
use std::collections::BTreeMap;

/// Bytes as decisions; zeros once they are used up.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u64 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first.into()
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.byte() % bound
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Near what is there, small, or absurd.
    fn number(&mut self, near: u64) -> u64 {
        let byte = self.byte();
        match byte >> 4 {
            0..=8 => near.saturating_add(byte & 7).saturating_sub(3),
            9..=12 => byte & 15,
            13 => 1 << ((byte & 15) * 4),
            14 => u64::MAX - (byte & 15),
            _ => (0..8).fold(0, |number, _| number << 8 | self.byte()),
        }
    }

    fn take(&mut self, len: u64) -> &'a [u8] {
        let (taken, rest) = self.0.split_at((len as usize).min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn mode(&mut self) -> StorageMode {
        [StorageMode::Sync, StorageMode::Async, StorageMode::Messages][self.below(3) as usize]
    }

    fn ids(&mut self) -> Vec<u64> {
        (0..self.below(5)).map(|_| self.number(2)).collect()
    }
}

fn small(id: u64, storage: StorageMode) -> Config {
    Config { storage, recent_bytes: 16 << 10, max_messages: 64, max_peers: 8, ..config(id) }
}

/// A message, mostly of the node's term, near its log.
fn message(input: &mut Input<'_>, node: &Node) -> proto::Message {
    let s = node.status();
    let index = input.number(s.last_index);
    let term = if input.below(4) == 0 { input.number(s.term) } else { s.term };
    let entries = (0..input.below(4)).map(|i| proto::Entry {
        r#type: input.below(4) as i32,
        term: if input.below(4) == 0 { input.number(s.term) } else { term },
        index: if input.below(8) == 0 { input.number(s.last_index) } else { index.wrapping_add(i + 1) },
        data: {
            let len = input.below(40);
            input.take(len).to_vec().into()
        },
        context: Default::default(),
    });
    let entries = entries.collect();
    let snapshot = (input.below(4) == 0).then(|| proto::Snapshot {
        data: {
            let len = input.below(20);
            input.take(len).to_vec().into()
        },
        metadata: Some(proto::SnapshotMetadata {
            conf_state: Some(proto::ConfState {
                voters: if input.flag() { vec![1, 2, 3] } else { input.ids() },
                learners: input.ids(),
                voters_outgoing: if input.flag() { vec![] } else { input.ids() },
                learners_next: vec![],
                auto_leave: input.below(4) == 0,
            }),
            index: input.number(s.commit),
            term: input.number(s.term),
        }),
    });
    let mut context = vec![0; [0, 8, 16, 16, 40, 2000][input.below(6) as usize]];
    context.iter_mut().take(1).for_each(|byte| *byte = input.byte() as u8);
    proto::Message {
        r#type: input.below(24) as i32,
        to: if input.below(16) == 0 { input.number(1) } else { s.id },
        from: if input.below(16) == 0 { input.number(2) } else { 1 + input.below(4) },
        term,
        log_term: if input.flag() { s.last_term } else { input.number(s.last_term) },
        index,
        entries,
        commit: input.number(s.commit),
        snapshot,
        reject: input.below(3) == 0,
        reject_hint: input.number(s.last_index),
        context: context.into(),
        vote: input.number(2),
        responses: vec![],
        priority: 0,
    }
}

/// Does what a host does with a batch; what can't be applied is skipped.
fn turn(node: &mut Node) {
    while let Some(fetch) = node.next_fetch().unwrap() {
        node.supply_none(fetch.id, Missing::Later).unwrap();
    }
    let Some(ready) = node.ready().unwrap() else { return };
    let (number, span) = (ready.number(), ready.committed_span());
    let committed = ready.committed().filter(|e| e.kind.is_change());
    let changes: Vec<_> = committed.map(|e| (e.index, e.term, e.kind, e.data.to_vec())).collect();
    assert!(ready.messages().map(|m| m.parts().map(<[u8]>::len).sum::<usize>()).sum::<usize>() < 1 << 26);
    for (index, term, kind, data) in changes {
        let entry = EntryRef { term, index, kind, data: &data, ..EntryRef::default() };
        if node.apply_conf(entry).is_err() {
            node.skip_conf(index).unwrap();
        }
    }
    match node.config().storage {
        StorageMode::Sync => node.advance(number).unwrap(),
        StorageMode::Async => {
            node.persisted(number).unwrap();
            span.into_iter().for_each(|(_, last)| _ = node.applied(last));
            node.release(number).unwrap();
        }
        StorageMode::Messages => node.release(number).unwrap(),
    }
}

/// Every decoder takes any bytes; what it calls a message, prost reads, too. (Responses are read by who asks for them.)
pub fn decode(data: &[u8]) {
    // Field 14 as a number is of eraftpb: a node of raftpb refuses the message later.
    if wire::parse_message(data).is_ok_and(|m| !m.has_responses && m.eraftpb.old_priority.is_none()) {
        assert!(proto::Message::decode(data).is_ok());
    }
    let _ = wire::parse_conf_state(data);
    let _ = wire::read_frame_header(data);
    for kind in [EntryKind::ConfChange, EntryKind::ConfChangeV2] {
        if let Ok(change) = wire::parse_change(raftcore::Dialect::Raftpb, kind, data) {
            assert_eq!(change.changes().count(), change.len());
        }
    }
}

/// A call with the input's numbers in it.
fn call(input: &mut Input<'_>, node: &mut Node) -> Result<(), Error> {
    let s = node.status();
    match input.below(20) {
        0..=7 => node.step(if input.flag() { 0 } else { 1 + input.below(4) }, &message(input, node).encode_to_vec()),
        8 => {
            let len = input.below(64);
            node.step(0, input.take(len))
        }
        9 => {
            let len = input.below(200);
            node.step_frames(0, input.take(len)).map(|_| ())
        }
        10 => node.tick(1 + input.below(30) as u32),
        11 => {
            let len = input.below(100);
            node.propose(input.take(len), input.byte())
        }
        12 => node.read_index(input.byte()),
        13 => node.campaign(),
        14 => node.transfer(input.number(2)),
        15 => {
            let kinds = [ChangeKind::AddNode, ChangeKind::RemoveNode, ChangeKind::AddLearner, ChangeKind::UpdateNode];
            let changes: Vec<_> = (0..input.below(4))
                .map(|_| Change { kind: kinds[input.below(4) as usize], id: input.number(3) })
                .collect();
            let transition =
                [Transition::Auto, Transition::JointImplicit, Transition::JointExplicit][input.below(3) as usize];
            let encoding = if input.flag() { ChangeEncoding::V1 } else { ChangeEncoding::V2(transition) };
            node.propose_conf(&changes, encoding, b"", input.byte())
        }
        16 => node.compacted(input.number(s.applied)),
        17 => node.forget_leader(),
        18 => match input.below(6) {
            0 => node.advance(input.number(3)),
            1 => node.persisted(input.number(3)),
            2 => node.applied(input.number(s.commit)),
            3 => node.release(input.number(3)),
            4 => node.step_local(&message(input, node).encode_to_vec()),
            _ => node.skip_conf(input.number(s.commit)).map(|_| ()),
        },
        _ => {
            turn(node);
            Ok(())
        }
    }
}

thread_local! {
    /// Nodes in every role and mode, made once.
    static ZOO: Vec<Node> = zoo();
}

/// In each mode: leader, followers, learner, pre-candidate, an empty disk, a leader in a joint configuration.
fn zoo() -> Vec<Node> {
    let mut all = Vec::new();
    for mode in [StorageMode::Sync, StorageMode::Async, StorageMode::Messages] {
        let mut cluster = Cluster::new(&[1, 2, 3], move |id| small(id, mode));
        cluster.elect(1);
        for i in 0..30u8 {
            cluster.node(1).propose(&[i; 100], i.into()).unwrap();
            cluster.settle();
        }
        cluster.add(4, Disk::default());
        cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
        cluster.tick(5);
        all.extend((1..=4).map(|id| cluster.node(id).try_clone().unwrap()));
        cluster.node(2).campaign().unwrap();
        all.push(cluster.node(2).try_clone().unwrap());
        cluster.settle();
        all.push(Disk::default().boot(&small(2, mode)));
        let changes = [Change { kind: ChangeKind::AddNode, id: 4 }, Change { kind: ChangeKind::RemoveNode, id: 3 }];
        cluster.elect(1);
        let encoding = ChangeEncoding::V2(Transition::JointExplicit);
        cluster.node(1).propose_conf(&changes, encoding, b"", 0).unwrap();
        cluster.settle();
        all.push(cluster.node(1).try_clone().unwrap());
    }
    all
}

/// Calls and messages to one node: an error leaves it as it was, nothing poisons it, term and commit never fall.
pub fn step(data: &[u8]) {
    let mut input = Input(data);
    let mut node = ZOO.with(|zoo| zoo[input.byte() as usize % zoo.len()].try_clone().unwrap());
    while !input.is_over() {
        let (before, status) = (node.digest(true), node.status());
        if let Err(error) = call(&mut input, &mut node) {
            assert_ne!(error, Error::Poisoned, "{}", node.error_detail());
            assert_eq!(node.digest(true), before, "{error} changed the node: {}", node.error_detail());
        }
        assert!(!node.is_poisoned(), "{}", node.error_detail());
        let now = node.status();
        assert!(now.term >= status.term && now.commit >= status.commit && now.applied >= status.applied);
        while node.next_event().is_some() {}
    }
}

/// Honest nodes under any schedule: one leader a term, and one sequence of applied entries.
pub fn cluster(data: &[u8]) {
    let mut input = Input(data);
    let (mode, flags) = (input.mode(), input.byte());
    let mut group = Cluster::new(&[1, 2, 3], move |id| {
        let base = small(id, mode);
        let flags = base.flags.with(Flags::PRE_VOTE, flags & 1 == 0).with(Flags::CHECK_QUORUM, flags & 2 == 0);
        Config { flags, ..base }
    });
    group.add(4, Disk::default());
    let mut leaders: BTreeMap<u64, u64> = BTreeMap::new();
    while !input.is_over() {
        let id = 1 + input.below(4);
        match input.below(16) {
            0..=4 => {
                let sent = group.hosts.get_mut(&id).unwrap().work();
                group.network.extend(sent);
            }
            5..=9 => {
                let at = input.below(group.network.len().clamp(1, 200) as u64) as usize;
                let message =
                    if input.below(8) == 0 { group.network.get(at).cloned() } else { group.network.remove(at) };
                message.into_iter().for_each(|message| deliver(&mut group, &message));
            }
            10 => group.node(id).tick(1 + input.below(25) as u32).unwrap(),
            11 => _ = group.node(id).propose(&[id as u8; 50], 1),
            12 => _ = group.node(id).campaign(),
            13 => group.restart(id),
            14 => {
                let kind =
                    [ChangeKind::AddNode, ChangeKind::RemoveNode, ChangeKind::AddLearner][input.below(3) as usize];
                let change = [Change { kind, id: 1 + input.below(4) }];
                let _ = group.node(id).propose_conf(&change, ChangeEncoding::V2(Transition::Auto), b"", 0);
            }
            _ => {
                let applied = group.hosts[&id].disk.applied;
                if applied >= group.node(id).status().first_index {
                    group.compact(id, applied);
                }
            }
        }
        for host in group.hosts.values_mut() {
            let s = host.node.status();
            if s.role == Role::Leader {
                assert_eq!(*leaders.entry(s.term).or_insert(s.id), s.id, "two leaders in term {}", s.term);
            }
            while host.node.next_event().is_some() {}
        }
    }
    let mut applied: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for host in group.hosts.values() {
        for (index, data) in &host.heard.applied {
            let known = applied.entry(*index).or_insert_with(|| data.clone());
            assert_eq!(known, data, "node {} applied another entry at {index}", host.id);
        }
    }
}

/// What honest nodes say may be lost for want of a leader, of room or of the right moment, but is never refused as implausible.
fn deliver(group: &mut Cluster, message: &Sent) {
    let Some(host) = group.hosts.get_mut(&message.to) else { return };
    match host.node.step(message.from, &message.bytes) {
        Ok(()) | Err(Error::NoPeer | Error::NoLeader | Error::Full | Error::ConfBusy | Error::Conf) => {}
        Err(error) => panic!("{} refused {message:?}: {error}: {}", message.to, host.node.error_detail()),
    }
}

/// Any boot data: refused, or the node that comes of it is sound.
pub fn boot(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.mode();
    let mut node = Node::new(&small(1, mode)).unwrap();
    let base = input.below(6);
    let state = HardState { term: input.number(2), vote: input.below(4), commit: input.number(base + 1) };
    let mut sets = [vec![1, 2, 3], vec![], vec![], vec![]];
    if input.below(4) == 0 {
        sets.iter_mut().for_each(|set| *set = input.ids());
    }
    let [voters, learners, voters_outgoing, learners_next] = &sets;
    let conf = ConfStateRef { voters, learners, voters_outgoing, learners_next, auto_leave: input.below(8) == 1 };
    let before = EntryId { term: input.number(u64::from(base > 0)), index: input.number(base) };
    let mut outcome = node.boot_state(state);
    if !input.flag() {
        outcome = outcome.and_then(|()| node.boot_conf(&conf, 0, before));
    }
    if input.flag() {
        let runs: Vec<_> = (0..input.below(4))
            .map(|i| TermRun { first: input.number(before.index.saturating_add(i * 2 + 1)), term: input.number(i + 1) })
            .collect();
        let last = input.number(base + 2);
        outcome = outcome.and_then(|()| node.boot_terms(&runs, last));
    }
    for _ in 0..input.below(3) {
        let first = input.number(before.index.saturating_add(1));
        let count = input.below(6);
        let entries: Vec<_> = (0..count)
            .map(|i| (if input.below(8) == 0 { input.number(first) } else { first.wrapping_add(i) }, input.number(1)))
            .collect();
        let kinds = [EntryKind::Normal, EntryKind::ConfChange, EntryKind::ConfChangeV2];
        let kind = kinds[input.below(3) as usize];
        let entries =
            entries.iter().map(|&(index, term)| EntryRef { term, index, kind, data: b"x", ..EntryRef::default() });
        outcome = outcome.and_then(|()| node.boot_entries(entries));
    }
    outcome = outcome.and_then(|()| node.boot_done(input.number(base)));
    assert_ne!(outcome, Err(Error::Poisoned));
    if outcome.is_err() {
        assert!(node.tick(1).is_err(), "what was refused at boot does not run");
        return;
    }
    let s = node.status();
    assert!(s.applied <= s.commit && s.commit <= s.last_index, "{s:?}");
    // Founders begin in term 0 behind an entry of term 1 that nobody made.
    assert!(s.term >= s.last_term || (s.term == 0 && s.last_term == 1 && s.last_index == before.index), "{s:?}");
    for _ in 0..3 {
        node.campaign().unwrap();
        turn(&mut node);
        node.tick(20).unwrap();
    }
    assert!(!node.is_poisoned(), "{}", node.error_detail());
}

/// What a host answers to fetches, right or wrong: refused with the node unchanged, or used.
pub fn supply(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.mode();
    thread_local! {
        static LEADERS: [Node; 3] =
            [StorageMode::Sync, StorageMode::Async, StorageMode::Messages].map(leader_with_a_fetch);
    }
    let mut node = LEADERS.with(|nodes| nodes[mode as usize % 3].try_clone().unwrap());
    let mut asked = (1, FetchKind::Entries, 2, 3);
    while !input.is_over() {
        if let Some(fetch) = node.next_fetch().unwrap() {
            asked = (fetch.id, fetch.kind, fetch.first, fetch.last);
        }
        let (id, _, first, last) = asked;
        let id = if input.below(8) == 0 { input.number(id) } else { id };
        let before = node.digest(true);
        let outcome = match input.below(8) {
            0..=2 => {
                let from = if input.below(4) == 0 { input.number(first) } else { first };
                let entries: Vec<_> = (0..input.below(5))
                    .map(|i| {
                        (
                            if input.below(6) == 0 { input.number(from) } else { from.saturating_add(i) },
                            1 + input.below(8) / 7,
                        )
                    })
                    .collect();
                let entries = entries.iter().map(|&(index, term)| EntryRef {
                    term,
                    index,
                    kind: EntryKind::Normal,
                    data: &[1; 900],
                    ..EntryRef::default()
                });
                node.supply_entries(id, entries).map(|_| ())
            }
            3..=4 => {
                let conf = ConfStateRef { voters: &[1, 2, 3], ..Default::default() };
                let index = if input.flag() { last } else { input.number(last) };
                let len = input.below(50);
                node.supply_snapshot(id, index, &conf, input.take(len)).map(|_| ())
            }
            5 => {
                let (index, len) = (input.number(last), input.below(30));
                let conf = input.take(len);
                node.supply_snapshot_bytes(id, index, conf, b"data").map(|_| ())
            }
            6 => node.supply_none(id, if input.flag() { Missing::Gone } else { Missing::Later }).map(|_| ()),
            _ => call(&mut input, &mut node),
        };
        if let Err(error) = outcome {
            assert_ne!(error, Error::Poisoned, "{}", node.error_detail());
            assert_eq!(node.digest(true), before, "{error} changed the node: {}", node.error_detail());
        }
        assert!(!node.is_poisoned(), "{}", node.error_detail());
        while node.next_event().is_some() {}
    }
}

/// A leader whose third member needs entries that have left the memory.
fn leader_with_a_fetch(mode: StorageMode) -> Node {
    let mut cluster = Cluster::new(&[1, 2, 3], move |id| small(id, mode));
    cluster.elect(1);
    cluster.isolate(3);
    for i in 0..40u8 {
        cluster.node(1).propose(&[i; 900], 0).unwrap();
        cluster.settle();
    }
    cluster.node(1).report_unreachable(3).unwrap();
    let term = cluster.node(1).status().term;
    kit::step(cluster.node(1), &kit::message(raftcore::MessageKind::HeartbeatResp, 3, 1, term)).unwrap();
    cluster.node(1).try_clone().unwrap()
}

pub type Target = fn(&[u8]);

/// Each target by its name.
pub const ALL: &[(&str, Target)] =
    &[("decode", decode), ("step", step), ("cluster", cluster), ("boot", boot), ("supply", supply)];
