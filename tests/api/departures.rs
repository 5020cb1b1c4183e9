//! The differences from etcd's raft that no field switches off; and two places where there is no
//! difference, though a difference would be easy. `docs/departures.md` names the tests.

use kit::{Disk, Heard, Host, config, entry, message, snapshot, step};
use prost::Message as _;
use raftcore::{Change, ChangeEncoding, ChangeKind, Config, EntryKind, Error, MessageKind, Role, StorageMode, proto};

fn host(config: &Config, disk: Disk) -> Host {
    let node = disk.boot(config);
    Host { id: config.id, node, disk, heard: Heard::default(), fetched: Vec::new(), bad_change: Default::default() }
}

/// etcd's choices wherever a field has the choice.
fn as_etcd(id: u64) -> Config {
    let mut config = config(id);
    config.preset_etcd();
    config
}

/// Node 1 leads the voters in term 1, with votes and acknowledgements of 2 and 3; its first entry
/// is committed.
fn leader(config: &Config, voters: &[u64]) -> Host {
    let mut host = host(config, Disk::founder(voters));
    host.node.campaign().unwrap();
    host.work();
    for id in [2, 3] {
        _ = step(&mut host.node, &message(MessageKind::VoteResp, id, 1, 1));
    }
    host.work();
    acknowledge(&mut host, 2);
    assert_eq!((host.node.status().role, host.node.status().commit), (Role::Leader, 2));
    host
}

fn acknowledge(host: &mut Host, index: u64) {
    for id in [2, 3] {
        step(&mut host.node, &proto::Message { index, ..message(MessageKind::AppResp, id, 1, 1) }).unwrap();
    }
    host.work();
}

/// A change passed on by 2.
fn passed_on(change: &proto::ConfChangeV2) -> proto::Message {
    let entries = vec![proto::Entry { r#type: 2, data: change.encode_to_vec().into(), ..Default::default() }];
    proto::Message { entries, ..message(MessageKind::Prop, 2, 1, 0) }
}

fn adds_a_learner() -> proto::ConfChangeV2 {
    let single = proto::ConfChangeSingle { r#type: ChangeKind::AddLearner as i32, node_id: 4 };
    proto::ConfChangeV2 { changes: vec![single], ..Default::default() }
}

#[test]
fn a_member_that_is_removed_and_added_again_has_confirmed_no_read_and_granted_no_vote() {
    let (remove, add) = ([0x10, 1, 0x18, 2], [0x18, 2]);
    let mut host = leader(&as_etcd(1), &[1, 2, 3, 4]);
    host.node.read_index(7).unwrap();
    let sent = host.work();
    let beat = sent.iter().map(|m| proto::Message::decode(&m.bytes[..]).unwrap()).find(|m| m.to == 2).unwrap();
    let answers = [2, 3, 2]
        .map(|id| proto::Message { context: beat.context.clone(), ..message(MessageKind::HeartbeatResp, id, 1, 1) });
    step(&mut host.node, &answers[0]).unwrap();
    for change in [&remove[..], &add] {
        host.node.apply_change(EntryKind::ConfChange, change).unwrap();
    }
    step(&mut host.node, &answers[1]).unwrap();
    host.work();
    assert!(host.heard.reads.is_empty(), "two of four");
    step(&mut host.node, &answers[2]).unwrap();
    host.work();
    assert_eq!(host.heard.reads, [(7, 2)]);

    let mut host = self::host(&as_etcd(1), Disk::founder(&[1, 2, 3, 4]));
    host.node.campaign().unwrap();
    host.work();
    step(&mut host.node, &message(MessageKind::VoteResp, 2, 1, 1)).unwrap();
    for change in [&remove[..], &add] {
        host.node.apply_change(EntryKind::ConfChange, change).unwrap();
    }
    for (from, role) in [(3, Role::Candidate), (2, Role::Leader)] {
        step(&mut host.node, &message(MessageKind::VoteResp, from, 1, 1)).unwrap();
        assert_eq!(host.node.status().role, role, "after the vote of {from}");
    }
}

/// A response of who is no member is refused, and so is a node's own (found by lock-step).
#[test]
fn a_candidate_that_a_change_removes_does_not_win_by_its_own_vote() {
    let mut node = Disk::founder(&[1, 2]).boot(&Config { storage: StorageMode::Async, ..as_etcd(1) });
    node.campaign().unwrap();
    let number = node.ready().unwrap().unwrap().number();
    step(&mut node, &message(MessageKind::VoteResp, 2, 1, 1)).unwrap();
    node.apply_change(EntryKind::ConfChange, &[0x10, 1, 0x18, 1]).unwrap();
    node.persisted(number).unwrap();
    assert_eq!((node.status().role, node.status().n_peers), (Role::Candidate, 1));
}

#[test]
fn a_node_that_becomes_the_sole_voter_answers_reads_with_its_first_commit() {
    let mut node = Disk::founder(&[1, 2]).boot(&as_etcd(1));
    // In term 2: the founders' snapshot counts as an entry of term 1.
    for _ in 0..2 {
        node.campaign().unwrap();
        let number = node.ready().unwrap().unwrap().number();
        node.advance(number).unwrap();
    }
    step(&mut node, &message(MessageKind::VoteResp, 2, 1, 2)).unwrap();
    let number = node.ready().unwrap().unwrap().number();
    node.read_index(7).unwrap();
    node.apply_change(EntryKind::ConfChange, &[0x10, 1, 0x18, 2]).unwrap();
    assert_eq!((node.status().role, node.status().commit, node.status().n_peers), (Role::Leader, 1, 1));

    node.advance(number).unwrap();

    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.reads().iter().map(|read| (read.token, read.index)).collect::<Vec<_>>(), [(7, 2)]);
}

/// A node removed and added again has confirmed nothing yet, except the leader, which needs no
/// answer of its own (found by lock-step).
#[test]
fn a_leader_that_is_removed_and_added_again_still_counts_itself_for_a_read() {
    let mut host = leader(&as_etcd(1), &[1, 2, 3]);
    host.node.read_index(7).unwrap();
    let sent = host.work();
    let beat = sent.iter().map(|m| proto::Message::decode(&m.bytes[..]).unwrap()).find(|m| m.to == 2).unwrap();
    host.node.apply_change(EntryKind::ConfChange, &[0x10, 1, 0x18, 1]).unwrap();
    host.node.apply_change(EntryKind::ConfChange, &[0x18, 1]).unwrap();
    host.work();
    assert_eq!((host.node.status().role, host.node.status().n_peers), (Role::Leader, 3));

    let answer = proto::Message { context: beat.context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) };
    step(&mut host.node, &answer).unwrap();
    host.work();
    assert_eq!(host.heard.reads, [(7, 2)]);
}

/// Under a leader that is no voter, etcd commits what the new voters have with the next
/// acknowledgement, whoever sends one (found by lock-step).
#[test]
fn what_fewer_voters_have_is_committed_with_any_acknowledgement() {
    let mut host = leader(&as_etcd(1), &[1, 2, 3, 4, 5]);
    host.node.propose(b"x", 0).unwrap();
    host.work();
    step(&mut host.node, &proto::Message { index: 3, ..message(MessageKind::AppResp, 2, 1, 1) }).unwrap();
    // Node 2 is the only voter left; the leader 1 and node 4 are learners.
    for change in [[0x10, 3, 0x18, 1], [0x10, 1, 0x18, 3], [0x10, 3, 0x18, 4], [0x10, 1, 0x18, 5]] {
        host.node.apply_change(EntryKind::ConfChange, &change).unwrap();
    }
    assert_eq!((host.node.status().role, host.node.status().commit), (Role::Leader, 2));
    step(&mut host.node, &proto::Message { index: 2, ..message(MessageKind::AppResp, 4, 1, 1) }).unwrap();
    assert_eq!(host.node.status().commit, 3);
}

#[test]
fn a_change_that_leaves_fewer_to_confirm_a_read_confirms_it() {
    let mut host = leader(&as_etcd(1), &[1, 2, 3, 4]);
    host.node.read_index(7).unwrap();
    let sent = host.work();
    let beat = sent.iter().map(|m| proto::Message::decode(&m.bytes[..]).unwrap()).find(|m| m.to == 2).unwrap();
    let answer = proto::Message { context: beat.context, ..message(MessageKind::HeartbeatResp, 2, 1, 1) };
    step(&mut host.node, &answer).unwrap();
    host.work();
    assert!(host.heard.reads.is_empty(), "two of four");

    let change = [Change { kind: ChangeKind::RemoveNode, id: 4 }];
    host.node.propose_conf(&change, ChangeEncoding::V1, b"", 0).unwrap();
    host.work();
    acknowledge(&mut host, 3);

    assert_eq!(host.heard.reads, [(7, 2)], "two of three, and nobody has to answer again");
}

#[test]
fn a_committed_span_that_left_the_recent_log_ends_where_that_begins() {
    let config = Config { recent_bytes: 16 << 10, max_committed_size_per_ready: 2000, ..as_etcd(1) };
    let config = kit::with_spans(config);
    let mut host = host(&config, Disk::founder(&[1, 2, 3]));
    for index in 2..=21 {
        let append = kit::append(2, 1, 1, (index - 1, 1), vec![entry(1, index, &[7; 1500])], 1);
        step(&mut host.node, &append).unwrap();
        host.work();
    }
    let first = host.node.status().recent_first;
    assert!(first > 10, "the recent log holds them all");

    step(&mut host.node, &proto::Message { commit: 21, ..message(MessageKind::Heartbeat, 2, 1, 1) }).unwrap();

    let ready = host.node.ready().unwrap().unwrap();
    assert_eq!(
        (ready.committed_span(), ready.committed().len()),
        (Some((2, first - 1)), 0),
        "not one entry, as the size says"
    );
    host.work();
    assert_eq!(host.node.status().applied, 21);
}

#[test]
fn an_append_that_fills_the_recent_log_is_taken_in_part() {
    let config = Config { recent_bytes: 16 << 10, storage: StorageMode::Async, ..as_etcd(1) };
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config);
    let entries: Vec<_> = (2..=21).map(|index| entry(1, index, &[7; 1500])).collect();

    step(&mut node, &kit::append(2, 1, 1, (1, 1), entries, 1)).unwrap();

    let last = node.status().last_index;
    assert!((2..21).contains(&last), "up to {last}");
    let ready = node.ready().unwrap().unwrap();
    let answer = ready.messages().find(|m| m.kind() == MessageKind::AppResp).unwrap();
    assert_eq!((answer.index(), answer.reject()), (last, false));
    assert_eq!(ready.entries().last().unwrap().index, last);
}

#[test]
fn a_boot_with_more_unapplied_than_the_recent_log_holds_is_refused_with_messages() {
    let mut disk = Disk::founder(&[1, 2, 3]);
    for index in 2..=21 {
        let stored =
            kit::Stored { term: 1, kind: raftcore::EntryKind::Normal, data: vec![7; 1500], context: Vec::new() };
        disk.log.insert(index, stored);
    }
    for (storage, outcome) in [(StorageMode::Messages, Err(Error::Full)), (StorageMode::Async, Ok(()))] {
        let config = Config { recent_bytes: 16 << 10, storage, ..as_etcd(1) };
        let mut node = raftcore::Node::new(&config).unwrap();
        node.boot_state(raftcore::HardState { term: 1, vote: 0, commit: 1 }).unwrap();
        node.boot_conf_bytes(&disk.conf, disk.before).unwrap();
        let entries = node.boot_entries(disk.entries(2, 21).into_iter());
        assert_eq!(entries.and_then(|()| node.boot_done(1)), outcome, "{storage:?}");
    }
}

#[test]
fn a_change_that_the_limit_drops_leaves_no_mark() {
    let mut host = leader(&Config { max_uncommitted_size: 100, ..as_etcd(1) }, &[1, 2, 3]);
    host.node.propose(&[7; 100], 0).unwrap();
    host.work();
    assert_eq!(step(&mut host.node, &passed_on(&adds_a_learner())), Err(Error::Full));

    acknowledge(&mut host, 3);
    step(&mut host.node, &passed_on(&adds_a_learner())).unwrap();
    host.work();

    assert!(
        host.disk.log[&4].kind.is_change(),
        "an empty entry in its place: the one that was dropped counts as pending"
    );
}

#[test]
fn sizes_are_those_of_entries_on_the_wire() {
    // Two entries of 102 bytes as etcd's raft counts: each has a tag and a length in front.
    let data = [7; 96];
    let etcd: usize = [2, 3].map(|index| entry(1, index, &data).encoded_len()).iter().sum();
    for (limit, together) in [(etcd, 1), (etcd + 3, 1), (etcd + 4, 2)] {
        let config = Config { max_size_per_msg: limit as u64, ..as_etcd(1) };
        let mut host = leader(&config, &[1, 2, 3]);
        host.node.propose_many([(&data[..], 0), (&data[..], 0)].into_iter()).unwrap();
        let sent = host.work();
        let counts: Vec<usize> = sent
            .iter()
            .map(|m| proto::Message::decode(&m.bytes[..]).unwrap())
            .filter(|m| m.to == 2 && m.r#type == MessageKind::App as i32)
            .map(|m| m.entries.len())
            .collect();
        assert_eq!(counts[0], together, "with {limit}: {counts:?}");
    }
}

// ---- as in etcd's raft

#[test]
fn with_etcds_choice_a_refused_change_that_was_passed_on_costs_nothing_of_the_limit() {
    for (config, outcome) in [(as_etcd(1), Ok(())), (config(1), Err(Error::Conf))] {
        let no_pre_vote = config.flags.with(raftcore::Flags::PRE_VOTE, false);
        let config = Config { max_uncommitted_size: 100, flags: no_pre_vote, ..config };
        let mut host = leader(&config, &[1, 2, 3]);
        host.node.propose(&[7; 100], 0).unwrap();
        host.work();
        let leaves = proto::ConfChangeV2 { context: vec![7; 50].into(), ..Default::default() };

        assert_eq!(step(&mut host.node, &passed_on(&leaves)), outcome);

        host.work();
        assert_eq!(host.node.status().last_index, if outcome.is_ok() { 4 } else { 3 });
        assert!(host.disk.log.values().all(|e| !e.kind.is_change()));
    }
}

#[test]
fn a_stored_snapshot_counts_as_applied_though_a_later_one_has_replaced_it() {
    let mut node = Disk::default().boot(&Config { storage: StorageMode::Messages, ..config(1) });
    let mut responses = Vec::new();
    for index in [5, 9] {
        let snapshot = Some(snapshot(index, 1, &[1, 2, 3], b"state"));
        step(&mut node, &proto::Message { snapshot, ..message(MessageKind::Snap, 2, 1, 1) }).unwrap();
        let ready = node.ready().unwrap().unwrap();
        let append = ready.messages().find(|m| m.kind() == MessageKind::StorageAppend).unwrap();
        let mut bytes = Vec::new();
        append.write_to(&mut bytes);
        let view = raftcore::wire::parse_message(&bytes).unwrap();
        let own = view.responses.iter().find(|m| raftcore::wire::parse_message(m).unwrap().head.to == 1);
        responses.push(own.unwrap().to_vec());
    }

    let applied: Vec<u64> = responses
        .iter()
        .map(|response| {
            node.step_local(response).unwrap();
            node.status().applied
        })
        .collect();

    assert_eq!(applied, [5, 9]);
}
