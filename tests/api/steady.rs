//! Usual appends and acknowledgements take a fast path through `step`. A message with equal meaning
//! and an unusual encoding takes the general path. Here each message takes both, in a node and in
//! its clone, and both nodes must stay equal.

use crate::lone::{acknowledge, campaign, leader};
use kit::{Disk, append, config, entry, message, said_otherwise, step};
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, EntryKind, Flags, MessageKind, Node, StorageMode, proto, wire,
};

/// A message as a node writes the kind: scalars, then entries.
fn written(m: &proto::Message) -> Vec<u8> {
    let kind = MessageKind::from_wire(m.r#type as u64).unwrap();
    let &proto::Message { to, from, term, log_term, index, commit, reject, reject_hint, .. } = m;
    let head =
        wire::Head { kind, to, from, term, log_term, index, commit, reject, reject_hint, ..wire::Head::default() };
    let mut bytes = vec![0; 200];
    let len = wire::write_head(&mut bytes, &head, &[]);
    bytes.truncate(len);
    for entry in &m.entries {
        let kind = EntryKind::from_wire(entry.r#type as u64).unwrap();
        let mut head = [0; wire::MAX_RECORD_HEAD];
        let len = wire::write_record_head(&mut head, entry.term, entry.index, kind, entry.data.len());
        bytes.extend([&head[..len], &entry.data[..]].concat());
    }
    bytes
}

/// Takes both paths; the outcomes must be equal, and so must everything after.
fn step_both(node: &mut Node, peer: u64, bytes: &[u8]) {
    let mut twin = node.try_clone().unwrap();
    let outcomes = [node.step(peer, bytes), twin.step(peer, &said_otherwise(bytes))];
    let what = wire::parse_message(bytes);
    assert_eq!(outcomes[0], outcomes[1], "{what:?}");
    assert!(*node == twin, "{what:?}");
    if outcomes[0].is_err() {
        assert_eq!(node.error_detail(), twin.error_detail());
    }
    let counted = |node: &Node| {
        let status = node.status();
        let counts = [status.messages_dropped, status.messages_refused, status.messages_ignored];
        (counts, node.has_ready(), node.ticks_until_due())
    };
    assert_eq!(counted(node), counted(&twin), "{what:?}");
    assert_eq!(next_batch(&mut node.try_clone().unwrap()), next_batch(&mut twin), "{what:?}");
}

/// Everything that the next ready shows.
fn next_batch(node: &mut Node) -> Option<(String, Vec<Vec<u8>>)> {
    let ready = node.ready().ok()??;
    let entries: [Vec<_>; 2] = [ready.entries().collect(), ready.committed().collect()];
    let rest = (ready.hard_state(), ready.soft_state(), ready.must_sync(), ready.reads(), ready.dropped());
    let frames = ready.messages().map(|message| message.parts().collect::<Vec<_>>().concat());
    Some((format!("{entries:?} {rest:?}"), frames.collect()))
}

/// Entries of equal length are taken by their number, others one by one; some of the others have,
/// in total, as many bytes as if their lengths were equal.
#[test]
fn entries_of_any_lengths_come_out_as_they_went_in() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    let mut last = (1, 1);
    for (round, lens) in
        [&[100; 6][..], &[100, 100, 99, 101, 100], &[1, 300, 1], &[100, 100, 101], &[20; 200]].iter().enumerate()
    {
        let data = |i: usize| vec![(round * 50 + i) as u8; lens[i]];
        let entries = (0..lens.len()).map(|i| entry(1, last.0 + 1 + i as u64, &data(i)));
        let commit = last.0 + lens.len() as u64;
        node.step(2, &written(&append(2, 1, 1, last, entries.collect(), commit))).unwrap();
        last = (commit, 1);
        let ready = node.ready().unwrap().unwrap();
        for shown in [ready.entries(), ready.committed()] {
            let shown: Vec<Vec<u8>> = shown.map(|entry| entry.data.to_vec()).collect();
            assert_eq!(shown, (0..lens.len()).map(data).collect::<Vec<_>>(), "round {round}");
        }
        let number = ready.number();
        node.advance(number).unwrap();
    }
}

/// Both followers have the leader's whole log, and the leader knows.
fn commit_all(node: &mut Node) {
    let last = node.status().last_index;
    for id in [2, 3] {
        acknowledge(node, id, last);
    }
    finish(node, StorageMode::Sync);
}

/// What a leader knows of the next record's head holds for the next normal entry alone: not behind a change, and not in another term.
#[test]
fn entries_behind_a_change_or_in_a_later_term_have_their_own_heads() {
    let mut node = leader(&config(1));
    let write = |node: &mut Node, count: usize| {
        node.propose_many((0..count).map(|_| (&[7; 40][..], 0))).unwrap();
        let term = node.status().term;
        let ready = node.ready().unwrap().unwrap();
        let ids: Vec<(u64, u64)> = ready.entries().map(|entry| (entry.term, entry.index)).collect();
        // As the entries travel: a record has the same contents as the log.
        let sent = ready.messages().next().unwrap();
        let said: Vec<(u64, u64)> = sent.entries().map(|entry| (entry.term, entry.index)).collect();
        assert_eq!(said, ids);
        assert!(ids.iter().all(|&(of, _)| of == term));
        let number = ready.number();
        node.advance(number).unwrap();
        commit_all(node);
    };
    write(&mut node, 3);
    let update = Change { kind: ChangeKind::UpdateNode, id: 2 };
    node.propose_conf(&[update], ChangeEncoding::V1, b"", 0).unwrap();
    finish(&mut node, StorageMode::Sync);
    commit_all(&mut node);
    write(&mut node, 3);
    write(&mut node, 1);
    let term = node.status().term + 1;
    step(&mut node, &message(MessageKind::Heartbeat, 2, 1, term)).unwrap();
    campaign(&mut node, &[3]);
    commit_all(&mut node);
    write(&mut node, 1);
    write(&mut node, 3);
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }

    /// Mostly `v`, or near.
    fn near(&mut self, v: u64) -> u64 {
        match self.below(12) {
            0 => v.saturating_sub(1),
            1 => v + 1,
            2 => self.below(v + 3),
            3 => self.below(u64::MAX / 2),
            _ => v,
        }
    }
}

fn configs() -> Vec<Config> {
    let quiet = Config::new(1).flags;
    let mut all = Vec::new();
    for (storage, flags) in [
        (StorageMode::Sync, quiet),
        (StorageMode::Async, quiet),
        (StorageMode::Messages, quiet),
        (StorageMode::Sync, quiet.with(Flags::QUIET_COMMIT, false)),
        (StorageMode::Sync, quiet.with(Flags::BATCH_APPEND, true)),
        (StorageMode::Sync, quiet.with(Flags::LEASE_READS, true)),
    ] {
        // Blocks and windows that are full now and then.
        all.push(Config {
            storage,
            flags,
            block_bytes: 4 << 10,
            recent_bytes: 16 << 10,
            max_inflight_msgs: 3,
            ..config(1)
        });
    }
    all
}

#[test]
fn a_follower_takes_an_append_the_short_way_as_the_long_one() {
    for (at, config) in configs().iter().enumerate() {
        assert_eq!(config.check(), Ok(()));
        let mut random = Random(at as u64);
        let mut node = Disk::founder(&[1, 2, 3]).boot(config);
        let mut term = 1;
        for _ in 0..4_000 {
            let status = node.status();
            let last = status.last_index;
            term = status.term.max(term) + u64::from(random.below(150) == 0) * random.below(90);
            let (index, log_term) = (random.near(last), random.near(status.last_term));
            let lens = [0, 1, 40, 40, 40, 300];
            // Now and then a list, which may be larger than the room in a block, mostly of entries
            // of equal length.
            let (count, plain) = if random.below(6) == 0 { (random.below(60), true) } else { (random.below(4), false) };
            let alike = random.below(3) > 0;
            let mut len = lens[random.below(6) as usize];
            let entries = (1..=count).map(|i| {
                len = if plain && (alike || random.below(3) > 0) { len } else { lens[random.below(6) as usize] };
                let id = if plain { (term, index + i) } else { (random.near(term), random.near(index + i)) };
                let mut entry = entry(id.0, id.1, &vec![7; len]);
                entry.r#type = i32::from(random.below(if plain { 1000 } else { 40 }) == 0);
                entry
            });
            let mut m = append(2, 1, term, (index, log_term), entries.collect(), 0);
            let commit = last.min(status.commit + random.below(4));
            m.commit = random.near(commit);
            m.to = if random.below(40) == 0 { random.below(5) } else { 1 };
            m.from = if random.below(40) == 0 { random.below(5) } else { 2 };
            m.reject = random.below(4) == 0;
            m.term = if random.below(40) == 0 { random.near(term) } else { term };
            let peer = [0, m.from, m.from, m.from, 3][random.below(5) as usize];
            step_both(&mut node, peer, &written(&m));
            match random.below(8) {
                0 => node.tick(random.below(3) as u32).unwrap(),
                1 => {}
                _ => finish(&mut node, config.storage),
            }
            let applied = node.status().applied;
            if random.below(40) == 0 && applied > 1 {
                _ = node.compacted(applied - random.below(3).min(applied - 1));
            }
        }
        assert!(node.status().commit > 100, "{at}: {}", node.status().commit);
    }
}

#[test]
fn a_leader_takes_an_acknowledgement_the_short_way_as_the_long_one() {
    let leads = |config: &&Config| config.storage != StorageMode::Messages && !config.flags.has(Flags::LEASE_READS);
    for (at, config) in configs().iter().filter(leads).enumerate() {
        let mut random = Random(at as u64);
        let mut node = leader(config);
        for round in 0..4_000 {
            let status = node.status();
            if status.role != raftcore::Role::Leader {
                campaign(&mut node, &[2]);
                continue;
            }
            let from = [2, 2, 2, 3, 3, 3, 1, 4][random.below(8) as usize];
            let behind = random.below(3);
            let index = random.near(status.last_index.saturating_sub(behind));
            let mut m = proto::Message { index, ..message(MessageKind::AppResp, from, 1, status.term) };
            m.to = if random.below(40) == 0 { random.below(5) } else { 1 };
            m.term = if random.below(60) == 0 { status.term.saturating_sub(random.below(3)) } else { m.term };
            if random.below(20) == 0 {
                (m.reject, m.reject_hint) = (true, random.near(index));
            }
            let peer = [0, from, from, from, 3][random.below(5) as usize];
            step_both(&mut node, peer, &written(&m));
            match random.below(12) {
                0..6 => _ = node.propose(&vec![7; random.below(80) as usize], round % 3),
                6 => node.tick(1).unwrap(),
                7 => _ = node.read_index(round),
                8 => _ = node.transfer(2),
                _ => {}
            }
            if random.below(3) > 0 {
                finish(&mut node, config.storage);
            }
            let applied = node.status().applied;
            if random.below(40) == 0 && applied > 2 {
                _ = node.compacted(applied - random.below(2));
            }
        }
        assert!(node.status().commit > 100, "{at}: {}", node.status().commit);
    }
}

/// Does all work of a node, in any mode, and skips membership changes.
fn finish(node: &mut Node, storage: StorageMode) {
    while let Some(ready) = node.ready().unwrap() {
        let number = ready.number();
        // Some entries may not be shown.
        let span = ready.committed_span();
        let mut local = Vec::new();
        for message in ready.messages().filter(|message| message.to() > u64::MAX - 16) {
            let mut bytes = Vec::new();
            message.write_to(&mut bytes);
            let view = wire::parse_message(&bytes).unwrap();
            local.extend(view.responses.iter().map(<[u8]>::to_vec));
        }
        if let Some((first, last)) = span {
            (first..=last).for_each(|index| _ = node.skip_conf(index));
        }
        if storage == StorageMode::Messages {
            local.iter().for_each(|bytes| _ = node.step_local(bytes));
            node.release(number).unwrap();
        } else {
            node.advance(number).unwrap();
        }
    }
}
