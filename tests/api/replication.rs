//! How entries reach the peers, and the limits.

use crate::kit::{Cluster, Disk, Sent, append, config, entry, events, message, step};
use crate::lone::{acknowledge, campaign, drain};
use raftcore::{
    Config, EntryId, Error, EventKind, Flags, Flow, HardState, MessageKind, Node, PeerStatus, Reason, wire,
};

fn with(change: impl Fn(&mut Config) + 'static) -> Cluster {
    Cluster::new(&[1, 2, 3], move |id| {
        let mut c = config(id);
        change(&mut c);
        c
    })
}

fn peer(node: &mut Node, id: u64) -> PeerStatus {
    node.peers().find(|peer| peer.id == id).unwrap()
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
    assert_eq!(cluster.node(1).set_window(3, 0, 0), Err(Error::Arg));
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
