//! How entries reach the peers, and the limits.

use crate::lone::{acknowledge, beats, campaign, drain, follower, leader, peer, sent_by};
use kit::{Cluster, Disk, Sent, append, config, entry, events, message, step};
use raftcore::{
    Config, EntryId, EntryKind, Error, EventKind, Flags, Flow, HardState, MessageKind, Node, PeerStatus, Reason, Role,
    StorageMode, proto, wire,
};

fn with(change: impl Fn(&mut Config) + 'static) -> Cluster {
    Cluster::new(&[1, 2, 3], move |id| {
        let mut c = config(id);
        change(&mut c);
        c
    })
}

fn appends(sent: &[Sent], to: u64) -> Vec<usize> {
    let views = sent.iter().filter(|m| m.to == to).map(|m| wire::parse_message(&m.bytes).unwrap());
    views.filter(|m| m.head.kind == MessageKind::App).map(|m| m.entries.len()).collect()
}

#[test]
fn a_window_of_messages_bounds_what_is_in_flight() {
    let mut cluster = with(|c| c.max_inflight_msgs = 3);
    cluster.elect(1);
    cluster.isolate(3);
    for i in 0..10u8 {
        cluster.node(1).propose(&[i], 0).unwrap();
        cluster.settle();
    }
    let stuck = peer(cluster.node(1), 3);
    assert_eq!((stuck.inflight_msgs, stuck.flow), (3, Flow::Replicate));
    assert_ne!(stuck.flags & raftcore::peer_flags::WINDOW_FULL, 0);

    // All three appends were lost: an empty append after each heartbeat's answer finds out.
    cluster.heal();
    cluster.tick(3);
    assert_eq!(peer(cluster.node(1), 3).match_index, cluster.node(1).status().last_index);
}

#[test]
fn a_window_of_bytes_bounds_it_too_and_can_be_set_for_one_peer() {
    let mut cluster = with(|c| c.max_inflight_bytes = 100);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.node(1).set_window(3, 256, 50).unwrap();
    for _ in 0..5 {
        cluster.node(1).propose(&[7; 30], 0).unwrap();
        cluster.settle();
    }
    assert_eq!(peer(cluster.node(1), 3).inflight_bytes, 60);
    assert_eq!(cluster.node(1).set_window(9, 1, 0), Err(Error::NoPeer));
    assert_eq!(cluster.node(1).set_window(3, 65537, 0), Err(Error::Arg));
}

#[test]
fn a_message_carries_no_more_than_its_limit_but_always_one_entry() {
    let mut cluster = with(|c| c.max_size_per_msg = 100);
    cluster.elect(1);
    cluster
        .node(1)
        .propose_many([(&[1; 40][..], 0), (&[2; 40], 0), (&[3; 40], 0), (&[4; 500], 0)].into_iter())
        .unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    assert_eq!(appends(&sent, 2), [2], "the rest follows what is acknowledged");
    sent.iter().for_each(|m| cluster.deliver(m));
    cluster.settle();
    assert_eq!(cluster.hosts[&2].disk.data.len(), 4);
}

#[test]
fn committed_entries_are_handed_out_in_pages_and_none_is_lost() {
    let mut cluster = with(|c| {
        c.max_committed_size_per_ready = 100;
        c.max_entries_per_ready = 4;
    });
    cluster.elect(1);
    for i in 0..50u8 {
        cluster.node(1).propose(&[i; 30], 0).unwrap();
    }
    cluster.settle();
    for id in 1..=3 {
        assert_eq!(cluster.hosts[&id].disk.data.len(), 50);
    }
}

/// A limit of 0 bytes returns entries one by one, as a limit of a byte does; before, applying stood still after the first ready.
#[test]
fn a_limit_of_no_bytes_still_hands_out_committed_entries() {
    let mut cluster = with(|c| c.max_committed_size_per_ready = 0);
    cluster.elect(1);
    for i in 0..10u8 {
        cluster.node(1).propose(&[i; 30], 0).unwrap();
    }
    cluster.settle();
    for id in 1..=3 {
        assert_eq!(cluster.hosts[&id].disk.data.len(), 10);
    }
}

#[test]
fn hints_skip_whole_terms_from_both_sides() {
    // A follower with thirty entries of thirty old terms needs one rejection, not thirty.
    let mut cluster = with(|_| ());
    for term in 1..30u64 {
        let m = append(1, 3, term, (term, term.saturating_sub(1).max(1)), vec![entry(term, term + 1, b"x")], 1);
        step(cluster.node(3), &m).unwrap();
    }
    cluster.settle();
    for term in 30..60u64 {
        let prev = (term - 29, if term == 30 { 1 } else { term - 1 });
        let m = append(3, 1, term, prev, vec![entry(term, term - 28, b"y")], 1);
        step(cluster.node(1), &m).unwrap();
    }
    cluster.settle();
    let m = append(3, 2, 59, (1, 1), (30..60).map(|term| entry(term, term - 28, b"y")).collect(), 1);
    step(cluster.node(2), &m).unwrap();
    cluster.settle();
    cluster.node(1).forget_leader().unwrap();
    cluster.node(2).forget_leader().unwrap();
    cluster.node(1).campaign().unwrap();

    let mut rejections = 0;
    for _ in 0..20 {
        for id in 1..=3 {
            let sent = cluster.hosts.get_mut(&id).unwrap().work();
            for m in sent {
                let head = wire::parse_message(&m.bytes).unwrap().head;
                rejections += usize::from(head.kind == MessageKind::AppResp && head.reject);
                cluster.deliver(&m);
            }
        }
    }
    assert!(rejections <= 2, "{rejections} rejections");
    assert_eq!(peer(cluster.node(1), 3).match_index, cluster.node(1).status().last_index);
}

#[test]
fn batch_append_joins_what_is_unsent() {
    for (batch, messages) in [(false, 5), (true, 1)] {
        let mut cluster = with(move |c| c.flags = c.flags.with(Flags::BATCH_APPEND, batch));
        cluster.elect(1);
        for i in 0..5u8 {
            cluster.node(1).propose(&[i; 30], 0).unwrap();
        }
        let sent = cluster.hosts.get_mut(&1).unwrap().work();
        assert_eq!(appends(&sent, 2).len(), messages);
        assert_eq!(appends(&sent, 2).iter().sum::<usize>(), 5);
        sent.iter().for_each(|m| cluster.deliver(m));
        cluster.settle();
        assert_eq!(cluster.hosts[&2].disk.data.len(), 5);
    }
}

#[test]
fn without_the_broadcast_a_commit_travels_with_the_next_message() {
    let mut cluster = with(|_| ());
    cluster.elect(1);
    cluster.node(1).set_commit_broadcast(false).unwrap();
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    assert_eq!((cluster.node(1).status().commit, cluster.node(2).status().commit), (3, 2));
    cluster.tick(1);
    assert_eq!(cluster.node(2).status().commit, 3);
}

/// Settles, and counts the acknowledgements to the leader.
fn acknowledgements(cluster: &mut Cluster) -> usize {
    let mut count = 0;
    for _ in 0..10 {
        for id in 1..=3 {
            let sent = cluster.hosts.get_mut(&id).unwrap().work();
            let views = sent.iter().map(|m| wire::parse_message(&m.bytes).unwrap());
            count += views.filter(|m| m.head.kind == MessageKind::AppResp).count();
            sent.iter().for_each(|m| cluster.deliver(m));
        }
    }
    count
}

#[test]
fn a_commit_that_is_only_told_asks_for_no_answer() {
    for (quiet, answers) in [(true, 2), (false, 4)] {
        let mut cluster = with(move |c| c.flags = c.flags.with(Flags::QUIET_COMMIT, quiet));
        cluster.elect(1);
        cluster.node(1).propose(b"x", 0).unwrap();
        assert_eq!(acknowledgements(&mut cluster), answers);
        assert!((1..=3).all(|id| cluster.hosts[&id].node.status().commit == 3));
    }
}

#[test]
fn an_acknowledgement_that_is_lost_is_asked_for_with_the_next_heartbeat() {
    let mut cluster = with(|c| c.max_inflight_msgs = 1);
    cluster.elect(1);
    cluster.node(1).propose(b"x", 0).unwrap();
    let sent = cluster.hosts.get_mut(&1).unwrap().work();
    sent.iter().for_each(|m| cluster.deliver(m));
    assert_eq!(cluster.hosts.get_mut(&3).unwrap().work().len(), 1, "lost");
    cluster.settle();
    assert_eq!((peer(cluster.node(1), 3).match_index, cluster.node(1).status().commit), (2, 3));
    cluster.tick(1);
    assert_eq!((peer(cluster.node(1), 3).match_index, cluster.node(3).status().commit), (3, 3));
}

#[test]
fn an_unreachable_peer_is_probed() {
    let mut cluster = with(|_| ());
    cluster.elect(1);
    cluster.node(1).report_unreachable(2).unwrap();
    assert_eq!(peer(cluster.node(1), 2).flow, Flow::Probe);
    assert_eq!(cluster.node(1).report_unreachable(9), Err(Error::NoPeer));
    cluster.tick(1);
    assert_eq!(peer(cluster.node(1), 2).flow, Flow::Replicate);
}

#[test]
fn what_contradicts_a_committed_entry_is_refused_loudly() {
    let mut cluster = with(|_| ());
    cluster.elect(1);
    cluster.node(1).propose(b"x", 0).unwrap();
    cluster.settle();
    events(cluster.node(2));
    let cases = [
        (append(3, 2, 5, (2, 1), vec![entry(5, 3, b"other")], 3), Reason::ConflictBelowCommit),
        (append(3, 2, 1, (3, 1), vec![], 3), Reason::SecondLeader),
        (raftcore::proto::Message { commit: 90, ..message(MessageKind::Heartbeat, 1, 2, 1) }, Reason::CommitBeyondLog),
    ];
    for (m, reason) in cases {
        let before = cluster.node(2).digest(true);
        assert_eq!(step(cluster.node(2), &m), Err(Error::Implausible));
        assert_eq!(cluster.node(2).digest(true), before);
        let alarms: Vec<Reason> =
            events(cluster.node(2)).into_iter().filter(|e| e.kind == EventKind::Alarm).map(|e| e.reason).collect();
        assert_eq!(alarms, [reason]);
    }
    assert_eq!(cluster.node(2).status().implausible, 3);
}

/// A message for all is made once and addressed to each peer, also where ids, terms and indexes are
/// too long for the fast path.
#[test]
fn what_goes_to_all_is_addressed_to_each_whatever_the_numbers() {
    let long = 1 << 40;
    for (peers, term, index) in
        [([2, 3], 1, 1), ([2, 200], 1, 1), ([200, long], 1, 1), ([2, 3], long, 1), ([2, 3], 1, long)]
    {
        let mut disk = Disk::founder(&[1, peers[0], peers[1]]);
        disk.state = HardState { term, vote: 0, commit: index };
        (disk.before, disk.applied) = (EntryId { term, index }, index);
        let mut node = disk.boot(&config(1));
        campaign(&mut node, &[peers[0]]);
        for id in peers {
            acknowledge(&mut node, id, index + 1);
        }
        drain(&mut node);
        for round in 2..5 {
            node.propose(b"x", 0).unwrap();
            let sent: Vec<_> = drain(&mut node).into_iter().map(|m| (m.to, m.term, m.index, m.entries.len())).collect();
            assert_eq!(sent, peers.map(|to| (to, term + 1, index + round - 1, 1)), "{peers:?} {term} {index}");
            acknowledge(&mut node, peers[0], index + round);
            let told: Vec<_> = drain(&mut node).into_iter().map(|m| (m.to, m.commit, m.entries.len())).collect();
            assert_eq!(told, peers.map(|to| (to, index + round, 0)), "{peers:?} {term} {index}");
        }
    }
}

/// A leader in term 6 whose log begins behind (50, term 5) and ends at 60.
fn begins_late() -> Node {
    let mut disk = Disk::founder(&[1, 2, 3]);
    disk.before = EntryId { term: 5, index: 50 };
    disk.applied = 50;
    disk.state = HardState { term: 5, vote: 0, commit: 50 };
    for index in 51..60 {
        disk.log
            .insert(index, kit::Stored { term: 5, kind: EntryKind::Normal, data: b"x".to_vec(), context: Vec::new() });
    }
    let mut node = disk.boot(&config(1));
    campaign(&mut node, &[2]);
    assert_eq!((node.status().role, node.status().last_index), (Role::Leader, 60));
    node
}

fn rejects(node: &mut Node, hint: u64, log_term: u64) -> u64 {
    let refused = proto::Message {
        index: 59,
        reject: true,
        reject_hint: hint,
        log_term,
        ..message(MessageKind::AppResp, 3, 1, 6)
    };
    step(node, &refused).unwrap();
    peer(node, 3).next_index
}

#[test]
fn a_hint_of_an_older_term_goes_back_behind_the_beginning_of_the_log() {
    // (index, term) at the peer, and the leader's next index: where the terms may agree, or before
    // the whole log.
    for (hint, term, next) in
        [(55, 5, 56), (55, 3, 50), (50, 5, 51), (50, 3, 50), (49, 3, 50), (20, 3, 21), (58, 9, 59)]
    {
        let mut node = begins_late();
        assert_eq!(rejects(&mut node, hint, term), next, "({hint}, {term})");
    }
    // A hint beyond the log is no hint.
    let mut node = begins_late();
    assert_eq!(rejects(&mut node, 70, 5), 59);
}

#[test]
fn a_rejection_takes_nothing_back_that_a_peer_is_known_to_have() {
    let mut node = leader(&config(1));
    for index in 3..=9 {
        node.propose(b"x", 0).unwrap();
        drain(&mut node);
        acknowledge(&mut node, 3, index);
    }
    node.report_unreachable(3).unwrap();
    assert_eq!(peer(&node, 3).next_index, 10);
    let refused = proto::Message {
        index: 9,
        reject: true,
        reject_hint: 3,
        log_term: 1,
        ..message(MessageKind::AppResp, 3, 1, 1)
    };
    step(&mut node, &refused).unwrap();
    assert_eq!((peer(&node, 3).match_index, peer(&node, 3).next_index), (9, 10));
}

#[test]
fn a_probe_that_has_nothing_to_send_waits_for_nothing() {
    let mut node = leader(&config(1));
    node.report_unreachable(3).unwrap();
    beats(&mut node, 3);
    assert_eq!(sent_by(&mut node), [(3, MessageKind::App, vec![])], "what do you have?");
    assert_eq!(peer(&node, 3).flow, Flow::Probe);
    node.propose(b"x", 0).unwrap();
    assert!(sent_by(&mut node).contains(&(3, MessageKind::App, vec![3])), "an entry need not wait for the answer");
    node.propose(b"y", 0).unwrap();
    assert!(!drain(&mut node).iter().any(|m| m.to == 3), "one at a time");
}

#[test]
fn a_long_context_of_a_heartbeat_comes_back_whole() {
    for len in [1, 8, 24, 25, 127, 128, 1000] {
        let mut node = follower(&config(1));
        let context: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let heartbeat = proto::Message { context: context.clone().into(), ..message(MessageKind::Heartbeat, 2, 1, 1) };
        step(&mut node, &heartbeat).unwrap();
        let ready = node.ready().unwrap().unwrap();
        let answer = ready.messages().next().unwrap();
        let mut bytes = Vec::new();
        answer.write_to(&mut bytes);
        assert_eq!(wire::parse_message(&bytes).unwrap().context, context, "{len} bytes");
        let frame = answer.parts().collect::<Vec<_>>().concat();
        assert_eq!(wire::read_frame_header(&frame).map(|(len, _)| len as usize), Some(bytes.len()), "{len} bytes");
    }
}

fn append_heads(sent: &[proto::Message], to: u64) -> Vec<(u64, usize)> {
    let mine = sent.iter().filter(|m| m.to == to && m.r#type == MessageKind::App as i32);
    mine.map(|m| (m.index, m.entries.len())).collect()
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

    assert_eq!(append_heads(&drain(&mut node), 2), [(2, 3)]);
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

    assert_eq!(append_heads(&drain(&mut node), 3), [(4, 0)]);
}

#[test]
fn a_probe_is_out_alone() {
    let mut node = leader(&config(1));
    node.report_unreachable(3).unwrap();
    node.propose(b"x", 0).unwrap();
    assert_eq!(append_heads(&drain(&mut node), 3), [(2, 1)]);

    node.propose(b"y", 0).unwrap();

    assert_eq!(append_heads(&drain(&mut node), 3), [], "the probe is not answered yet");
}

#[test]
fn a_leader_that_was_cut_off_hears_from_which_index_its_own_entries_went() {
    let mut cluster = Cluster::plain(&[1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    for _ in 0..3 {
        cluster.node(1).propose(b"lost", 0).unwrap();
    }
    cluster.settle();
    cluster.elect_beside(1, 2);
    cluster.node(2).propose(b"kept", 0).unwrap();
    cluster.settle();
    events(cluster.node(1));
    cluster.heal();
    cluster.tick(5);
    let told = events(cluster.node(1));
    let truncated = told.iter().find(|event| event.kind == EventKind::Truncated).unwrap();
    assert_eq!((truncated.index, truncated.a, truncated.b), (3, 5, 3));
}
