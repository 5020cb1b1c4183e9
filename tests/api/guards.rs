//! Single rules, each with the answer or message that shows the rule: without the test, a planted
//! fault survives (`make mutants`).

use crate::kit::{Cluster, Disk, Sent, append, config, entry, events, message, step};
use crate::lone::{acknowledge, campaign, drain, leader, peer};
use raftcore::wire::ConfStateRef;
use raftcore::{
    Change, ChangeEncoding, ChangeKind, Config, Error, EventKind, Flags, Flow, MessageKind, PeerStatus, Reason, Role,
    StorageMode, Transition, proto, wire,
};

fn disk(conf: &ConfStateRef<'_>) -> Disk {
    let mut bytes = vec![0; wire::conf_state_len(conf)];
    wire::write_conf_state(&mut bytes, conf);
    Disk { conf: bytes, ..Disk::founder(&[1]) }
}

fn appends(sent: &[proto::Message], to: u64) -> Vec<(u64, usize)> {
    let mine = sent.iter().filter(|m| m.to == to && m.r#type == MessageKind::App as i32);
    mine.map(|m| (m.index, m.entries.len())).collect()
}

// ---- elections

#[test]
fn a_joint_configuration_elects_and_commits_with_both_halves_until_the_entry_that_leaves_it_is_applied() {
    let conf = ConfStateRef { voters: &[1, 4, 5], voters_outgoing: &[1, 2, 3], auto_leave: true, ..Default::default() };
    let mut node = disk(&conf).boot(&config(1));

    campaign(&mut node, &[4, 5]);
    assert_ne!(node.status().role, Role::Leader, "the incoming half alone elected it");
    campaign(&mut node, &[4, 5, 2]);
    assert_eq!(node.status().role, Role::Leader);

    let first = node.status().last_index;
    acknowledge(&mut node, 4, first);
    acknowledge(&mut node, 5, first);
    assert_eq!(node.status().commit, 1, "the incoming half alone committed");
    acknowledge(&mut node, 2, first);
    assert_eq!(node.status().commit, first);

    drain(&mut node);
    let leave = node.status().last_index;
    assert_eq!(leave, first + 1, "the wish to leave is proposed");
    acknowledge(&mut node, 4, leave);
    acknowledge(&mut node, 5, leave);
    assert_eq!(node.status().commit, first, "it decides as if it had left already");
    acknowledge(&mut node, 2, leave);
    assert_eq!(node.status().commit, leave);
}

#[test]
fn what_a_learner_has_is_not_committed_by_it() {
    let conf = ConfStateRef { voters: &[1, 2, 3], learners: &[4], ..Default::default() };
    let mut node = disk(&conf).boot(&config(1));
    campaign(&mut node, &[2]);

    acknowledge(&mut node, 4, 2);
    assert_eq!(node.status().commit, 1);
    acknowledge(&mut node, 2, 2);
    assert_eq!(node.status().commit, 2);
}

#[test]
fn a_leader_counts_itself_only_once_its_disk_has_the_entry() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| Config { storage: StorageMode::Async, ..config(id) });
    cluster.elect(1);
    let node = cluster.node(1);
    node.propose(b"x", 0).unwrap();
    let last = node.status().last_index;
    let number = node.ready().unwrap().unwrap().number();

    acknowledge(node, 2, last);
    assert_eq!(node.status().commit, last - 1, "one disk of three has it");
    node.persisted(number).unwrap();
    assert_eq!(node.status().commit, last);
}

#[test]
fn a_leader_of_an_older_term_is_told_of_the_newer_one() {
    for kind in [MessageKind::Heartbeat, MessageKind::App] {
        let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
        step(&mut node, &message(MessageKind::Heartbeat, 3, 1, 5)).unwrap();
        drain(&mut node);

        step(&mut node, &message(kind, 2, 1, 4)).unwrap();

        let answers: Vec<_> = drain(&mut node).iter().map(|m| (m.to, m.r#type, m.term)).collect();
        assert_eq!(answers, [(2, MessageKind::AppResp as i32, 5)], "{kind:?}");
    }
}

// ---- the follower's log

#[test]
fn commit_goes_no_further_than_what_the_append_confirms() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, b"both"), entry(1, 3, b"mine alone")], 1)).unwrap();

    // The leader of term 2 has another committed entry at 3, which the message does not carry.
    step(&mut node, &append(3, 1, 2, (1, 1), vec![entry(1, 2, b"both")], 3)).unwrap();

    assert_eq!((node.status().commit, node.status().last_index), (2, 3));
}

#[test]
fn an_older_append_that_ends_earlier_cuts_nothing() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    let first = append(2, 1, 1, (1, 1), vec![entry(1, 2, b"a")], 1);
    step(&mut node, &first).unwrap();
    step(&mut node, &append(2, 1, 1, (2, 1), vec![entry(1, 3, b"b"), entry(1, 4, b"c")], 1)).unwrap();

    step(&mut node, &first).unwrap();
    step(&mut node, &append(2, 1, 1, (1, 1), vec![], 1)).unwrap();

    assert_eq!(node.status().last_index, 4);
}

// ---- flow

#[test]
fn a_match_of_an_older_term_does_not_keep_a_log_that_was_cut_from_being_refilled() {
    let mut node = Disk::founder(&[1, 2, 3, 4, 5]).boot(&config(1));
    campaign(&mut node, &[2, 3]);
    for data in [b"a", b"b"] {
        node.propose(data, 0).unwrap();
    }
    drain(&mut node);
    acknowledge(&mut node, 2, 4);

    // Another node led meanwhile, with a shorter log: node 2 agrees with node 1 up to index 2 at
    // most.
    step(&mut node, &message(MessageKind::Heartbeat, 3, 1, 2)).unwrap();
    drain(&mut node);
    campaign(&mut node, &[3, 4]);
    assert_eq!((node.status().role, peer(&node, 2).match_index), (Role::Leader, 0));
    let mut refusal = message(MessageKind::AppResp, 2, 1, 3);
    (refusal.index, refusal.reject, refusal.reject_hint, refusal.log_term) = (4, true, 2, 1);
    step(&mut node, &refusal).unwrap();

    assert_eq!(appends(&drain(&mut node), 2), [(2, 3)]);
}

#[test]
fn a_refusal_that_answers_an_older_probe_changes_nothing() {
    let mut node = leader(&config(1));
    for data in [b"a", b"b"] {
        node.propose(data, 0).unwrap();
    }
    drain(&mut node);
    acknowledge(&mut node, 2, 4);
    node.report_unreachable(2).unwrap();
    events(&mut node);
    let before = peer(&node, 2);
    assert_eq!((before.flow, before.next_index), (Flow::Probe, 5));

    let mut refusal = message(MessageKind::AppResp, 2, 1, 1);
    (refusal.index, refusal.reject, refusal.reject_hint, refusal.log_term) = (3, true, 2, 1);
    step(&mut node, &refusal).unwrap();

    assert_eq!(peer(&node, 2), PeerStatus { silent_ticks: 0, ..before });
    assert!(events(&mut node).iter().any(|e| (e.kind, e.reason) == (EventKind::Ignored, Reason::StaleReject)));
}

#[test]
fn a_full_window_is_probed_without_entries() {
    let mut node = leader(&Config { max_inflight_msgs: 2, ..config(1) });
    for _ in 0..4 {
        node.propose(b"x", 0).unwrap();
        drain(&mut node);
    }
    assert_eq!(peer(&node, 3).inflight_msgs, 2);

    step(&mut node, &message(MessageKind::HeartbeatResp, 3, 1, 1)).unwrap();

    assert_eq!(appends(&drain(&mut node), 3), [(4, 0)]);
}

#[test]
fn a_probe_is_out_alone() {
    let mut node = leader(&config(1));
    node.report_unreachable(3).unwrap();
    node.propose(b"x", 0).unwrap();
    assert_eq!(appends(&drain(&mut node), 3), [(2, 1)]);

    node.propose(b"y", 0).unwrap();

    assert_eq!(appends(&drain(&mut node), 3), [], "the probe is not answered yet");
}

// ---- requests of the host

#[test]
fn uncommitted_bytes_that_were_applied_make_room() {
    let mut node = leader(&Config { max_uncommitted_size: 100, ..config(1) });
    for round in 0..5 {
        for _ in 0..2 {
            node.propose(&[1; 50], 0).unwrap();
        }
        assert_eq!(node.propose(&[1; 50], 0), Err(Error::Full), "round {round}");
        drain(&mut node);
        let last = node.status().last_index;
        acknowledge(&mut node, 2, last);
        drain(&mut node);
    }
}

#[test]
fn a_change_that_a_limit_refused_leaves_no_mark() {
    let mut node = leader(&Config { max_tokens: 1, ..config(1) });
    node.propose(b"x", 7).unwrap();
    let change = [Change { kind: ChangeKind::AddLearner, id: 4 }];
    let encoding = ChangeEncoding::V2(Transition::Auto);
    assert_eq!(node.propose_conf(&change, encoding, b"", 8), Err(Error::Full));

    assert_eq!(node.propose_conf(&change, encoding, b"", 0), Ok(()));
}

#[test]
fn a_member_that_one_change_removes_and_adds_again_is_a_stranger() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.add(4, Disk::default());
    cluster.change(1, &[(ChangeKind::AddLearner, 4)]).unwrap();
    cluster.tick(2);
    assert!(peer(cluster.node(1), 4).match_index > 0);

    // Answers of node 4 get lost, so the leader knows only the rest after the change.
    cluster.isolate(4);
    cluster.change(1, &[(ChangeKind::RemoveNode, 4), (ChangeKind::AddLearner, 4)]).unwrap();

    let stranger = peer(cluster.node(1), 4);
    assert_eq!((stranger.match_index, stranger.flow), (0, Flow::Probe));
}

#[test]
fn a_read_waits_until_its_index_is_applied() {
    let mut cluster = Cluster::new(&[1], |id| Config { storage: StorageMode::Async, ..config(id) });
    cluster.elect(1);
    let node = cluster.node(1);
    node.propose(b"x", 0).unwrap();
    let number = node.ready().unwrap().unwrap().number();
    node.persisted(number).unwrap();
    node.release(number).unwrap();
    node.read_index(7).unwrap();

    let ready = node.ready().unwrap().unwrap();
    assert_eq!(ready.committed_span(), Some((3, 3)));
    assert_eq!(ready.reads(), []);
    let number = ready.number();
    node.persisted(number).unwrap();
    node.release(number).unwrap();
    assert!(node.ready().unwrap().is_none());
    node.applied(3).unwrap();

    let reads: Vec<_> = node.ready().unwrap().unwrap().reads().iter().map(|read| (read.token, read.index)).collect();
    assert_eq!(reads, [(7, 3)]);
}

#[test]
fn a_lease_counts_from_the_moment_a_heartbeat_left() {
    let mut cluster = Cluster::new(&[1, 2, 3], |id| {
        let base = config(id);
        Config { flags: base.flags.with(Flags::LEASE_READS, true), vote_fence_ticks: 0, ..base }
    });
    cluster.elect(1);
    cluster.tick(2);
    let beats = |cluster: &mut Cluster| -> Vec<Sent> {
        cluster.node(1).tick(1).unwrap();
        cluster.hosts.get_mut(&1).unwrap().work()
    };

    // The answers to one round of heartbeats take almost an election timeout.
    let sent = beats(&mut cluster);
    let ticks = cluster.node(1).config().election_ticks - 2;
    for _ in 0..ticks {
        beats(&mut cluster);
    }
    sent.iter().for_each(|m| cluster.deliver(m));
    for id in 2..=3 {
        let answers = cluster.hosts.get_mut(&id).unwrap().work();
        answers.iter().for_each(|m| cluster.deliver(m));
    }
    cluster.node(1).tick(1).unwrap();
    cluster.node(1).read_index(7).unwrap();
    cluster.hosts.get_mut(&1).unwrap().work();

    assert!(cluster.heard(1).reads.is_empty(), "answered by a lease of heartbeats that are too old");
}
