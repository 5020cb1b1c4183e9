//! What of the log stays in memory, and how entries get there.

use crate::lone::{self, acknowledge, alone, drain, follower, forgetful, leader};
use kit::{Disk, append, config, entry, step};
use raftcore::{Config, Dialect, EntryKind, Error, Node, StorageMode, proto};

const KIB: u64 = 1 << 10;
const BLOCK: u64 = 4 * KIB;

#[test]
fn as_much_as_fits_is_kept_and_no_more() {
    let limit = 32 * KIB;
    for len in [1u64, 10, 100, 1000, 3000] {
        let mut node = alone(&Config { recent_bytes: limit, ..config(1) });
        for _ in 0..3000 {
            node.propose(&vec![7; len as usize], 0).unwrap();
            drain(&mut node);
        }
        let status = node.status();
        let kept = status.last_index - status.recent_first + 1;
        // Field by field: tag and length of the entry, term, index of two bytes, tag and length of the data, data.
        let record = 2 + u64::from(len > 110) + 2 + 3 + 2 + u64::from(len > 127) + len;
        let in_block = BLOCK / record;
        let held = kept.div_ceil(in_block) * BLOCK + kept * 24;
        // The places of the newest block's entries count with the next block only.
        let places = in_block * 24;
        assert!(held <= limit + places, "{len}: {kept} entries take {held} bytes");
        // The log drops its oldest block, with the places of its entries.
        let given_up = BLOCK + places;
        assert!(held + BLOCK + given_up > limit, "{len}: {kept} entries take only {held} bytes");
    }
}

#[test]
fn a_long_entry_takes_the_place_of_several_blocks() {
    let limit = 32 * KIB;
    let mut node = alone(&Config { recent_bytes: limit, ..config(1) });
    for _ in 0..1000 {
        node.propose(&[7; 100], 0).unwrap();
        drain(&mut node);
    }
    let long = limit / 2 - 64;
    node.propose(&vec![7; long as usize], 0).unwrap();
    drain(&mut node);
    let status = node.status();
    let kept = status.last_index - status.recent_first;
    let in_block = BLOCK / 110;
    let held = kept.div_ceil(in_block) * BLOCK + long + kept * 24;
    assert!(
        held <= limit + in_block * 24 && held + 2 * (BLOCK + in_block * 24) > limit,
        "{kept} beside it: {held} bytes"
    );
    assert_eq!(node.propose(&vec![7; long as usize + 1], 0), Err(Error::TooLarge), "two would not fit");
}

#[test]
fn a_node_takes_no_more_than_its_footprint() {
    for (recent_bytes, len) in [(16 * KIB, 0usize), (16 * KIB, 3000), (256 * KIB, 1), (256 * KIB, 600)] {
        let config = Config { recent_bytes, max_entries_per_ready: 64, max_messages: 32, ..config(1) };
        let footprint = Node::footprint(&config).unwrap() as u64;
        let mut node = alone(&config);
        let mut most = 0;
        for _ in 0..3000 {
            node.propose(&vec![7; len], 1).unwrap_or_else(|e| panic!("{e}: {} {len}", node.error_detail()));
            drain(&mut node);
            most = most.max(node.status().memory_bytes);
        }
        assert!(most <= footprint, "{most} of {footprint} bytes");
        assert!(most >= recent_bytes / 2, "{most} bytes, {recent_bytes} of them for the log");
    }
}

/// Spare blocks of both kinds, beside a recent log full of either.
#[test]
fn long_entries_between_short_ones_take_no_more_than_the_footprint() {
    let config = Config {
        recent_bytes: 1024 * KIB,
        max_entries_per_ready: 8,
        max_messages: 16,
        max_inflight_msgs: 1,
        max_peers: 1,
        max_tokens: 1,
        max_reads: 1,
        catchup_bytes: 0,
        ..config(1)
    };
    let footprint = Node::footprint(&config).unwrap() as u64;
    let mut node = alone(&config);
    for len in [1000, 250 * KIB, 1000, 120 * KIB, 250 * KIB, 1000] {
        for _ in 0..1200 {
            node.propose(&vec![7; len as usize], 1).unwrap_or_else(|e| panic!("{e}: {} {len}", node.error_detail()));
            drain(&mut node);
            let taken = node.status().memory_bytes;
            assert!(taken <= footprint, "{len}: {taken} of {footprint} bytes");
        }
    }
}

#[test]
fn a_spare_block_that_is_too_long_does_not_fill_the_log() {
    let mut node = alone(&Config { recent_bytes: 64 * KIB, ..config(1) });
    node.propose(&vec![7; 31 * KIB as usize], 0).unwrap();
    drain(&mut node);
    let short = [7; 3500]; // one in a block
    for _ in 0..20 {
        node.propose(&short, 0).unwrap();
        drain(&mut node);
    }
    for _ in 0..9 {
        node.propose(&short, 0).unwrap();
    }
    // Nine blocks of entries that are not durable, and 20 KiB, but not the spare block of 32 KiB.
    node.propose(&vec![7; 19 * KIB as usize], 0).unwrap_or_else(|e| panic!("{e}: {}", node.error_detail()));
    assert_eq!(node.propose(&vec![7; 19 * KIB as usize], 0), Err(Error::Full));
}

/// Longer and longer entries: no entry fits in the block of an earlier entry.
#[test]
fn blocks_of_long_entries_are_given_back() {
    let config = Config { recent_bytes: 256 * KIB, ..config(1) };
    let mut node = alone(&config);
    for len in (8 * KIB..120 * KIB).step_by(5000) {
        node.propose(&vec![7; len as usize], 1).unwrap();
        drain(&mut node);
        let taken = node.status().memory_bytes;
        // Half of the bound is for lists beside the log.
        assert!(taken <= 2 * config.recent_bytes, "{len}: {taken} bytes");
    }
}

#[test]
fn the_footprint_is_the_sum_of_the_limits() {
    let footprint = |change: fn(&mut Config)| {
        let mut config = Config { seed: 1, ..Config::new(1) };
        change(&mut config);
        Node::footprint(&config).unwrap() as u64
    };
    let default = footprint(|_| {});
    // Blocks of either kind, the places of entries, and a block that is not full; supplies; three
    // readies; peers; waiting requests; the rest.
    let places = 24 * ((16 << 20) / 30 + (256 << 10) / 6);
    let batch = 1024 * 2 * 24 + 1024 * 420;
    let peers = 16 * (16 * 256 + 512);
    let kept = 2 * (16 << 20) + places + (256 << 10);
    assert_eq!(default, kept + (8 << 20) + 3 * batch + peers + 56 * 8192 + 160 * 1024 + (32 << 10));
    let more = |change: fn(&mut Config)| footprint(change) - default;
    assert_eq!(more(|c| c.catchup_bytes += 1000), 1000);
    assert_eq!(more(|c| c.max_tokens += 10), 10 * 56);
    assert_eq!(more(|c| c.max_reads += 10), 10 * 160);
    assert_eq!(more(|c| c.max_messages += 10), 3 * 10 * 420, "three batches");
    assert_eq!(more(|c| c.max_entries_per_ready += 10), 3 * 10 * 2 * 24);
    assert_eq!(more(|c| c.max_peers += 1), 16 * 256 + 512);
    assert_eq!(more(|c| c.max_inflight_msgs += 1), 16 * 16);
    let batches = more(|c| c.storage = StorageMode::Async);
    assert_eq!(batches, (8 + 2 - 3) * (1024 * 2 * 24 + 1024 * 420));
    // A block more for a block that is not full, and a slot of 24 bytes for each entry of the
    // shortest kind, 6 bytes.
    let recent = more(|c| c.recent_bytes += 30 << 20);
    assert_eq!(recent, 2 * (30 << 20) + 24 * (1 << 20));
    let block = more(|c| c.block_bytes += 6 << 10);
    assert_eq!(block, (6 << 10) + 24 * (1 << 10));
    assert!(footprint(|c| c.recent_bytes = 4 * c.block_bytes) < default);
}

/// A block of the shortest entries has more bytes of places than of records: more than the smallest log takes beside two blocks.
#[test]
fn short_entries_do_not_fill_the_smallest_log_for_good() {
    let smallest = Config { recent_bytes: 4 * BLOCK, ..config(1) };
    let mut leads = alone(&smallest);
    for _ in 0..3000 {
        leads.propose(&[], 0).unwrap();
        drain(&mut leads);
    }
    let mut follows = Disk::founder(&[1, 2, 3]).boot(&smallest);
    for index in 2..3000 {
        step(&mut follows, &append(2, 1, 1, (index - 1, 1), vec![entry(1, index, b"")], index - 1)).unwrap();
        drain(&mut follows);
    }
    for node in [&leads, &follows] {
        let status = node.status();
        assert!(status.last_index >= 2999 && status.recent_first > 1000, "{status:?}");
    }
}

/// A log with undurable entries only, so full that the next entry is refused.
fn full() -> Node {
    let mut node = leader(&Config { storage: StorageMode::Async, ..forgetful() });
    while node.propose(&[1; 700], 0).is_ok() {}
    node
}

#[test]
fn a_list_of_proposals_is_taken_whole_or_not_at_all() {
    let mut node = full();
    let before = node.status();
    let twin = node.try_clone().unwrap();
    // The first of them would fit where the last block has room.
    let list = [&[2u8; 10][..], &[2; 3000], &[2; 3000]];
    assert_eq!(node.propose_many(list.iter().map(|data| (*data, 0))), Err(Error::Full));
    assert!(node == twin, "nothing was given up for it");
    assert_eq!((node.status().last_index, node.status().recent_first), (before.last_index, before.recent_first));

    // Durable entries make room.
    while let Some(number) = node.ready().unwrap().map(|ready| ready.number()) {
        node.persisted(number).unwrap();
        node.release(number).unwrap();
    }
    node.propose_many(list.iter().map(|data| (*data, 0))).unwrap();
    assert_eq!(node.status().last_index, before.last_index + 3);
    let ready = node.ready().unwrap().unwrap();
    let shown: Vec<Vec<u8>> = ready.entries().map(|entry| entry.data.to_vec()).collect();
    assert_eq!(shown, list.map(<[u8]>::to_vec));
}

#[test]
fn nothing_is_given_up_for_a_list_that_does_not_fit_even_so() {
    let mut node = leader(&Config { storage: StorageMode::Async, ..forgetful() });
    for _ in 0..6 {
        node.propose(&[1; 1000], 0).unwrap();
    }
    while let Some(number) = node.ready().unwrap().map(|ready| ready.number()) {
        node.persisted(number).unwrap();
        node.release(number).unwrap();
    }
    for _ in 0..6 {
        node.propose(&[2; 1000], 0).unwrap();
    }
    let twin = node.try_clone().unwrap();
    let list = [[3u8; 3000]; 3];
    // A single entry fits, in the place of durable entries.
    node.propose(&list[0], 0).unwrap();
    assert!(node.status().recent_first > twin.status().recent_first);
    let mut node = twin.try_clone().unwrap();
    assert_eq!(node.propose_many(list.iter().map(|data| (&data[..], 0))), Err(Error::Full));
    assert!(node == twin);
}

#[test]
fn a_list_that_can_never_fit_is_refused_as_a_whole() {
    let mut node = leader(&Config { storage: StorageMode::Async, ..forgetful() });
    let twin = node.try_clone().unwrap();
    let list = vec![[3u8; 1000]; 16];
    assert_eq!(node.propose_many(list.iter().map(|data| (&data[..], 0))), Err(Error::Full));
    assert!(node == twin);
    node.propose_many(list.iter().take(8).map(|data| (&data[..], 0))).unwrap();
    assert_eq!(node.status().last_index, twin.status().last_index + 8);
}

/// At the end of a block, too.
#[test]
fn a_list_fits_where_its_entries_fit_one_by_one() {
    let empty = leader(&Config { storage: StorageMode::Async, ..forgetful() });
    for len in 90..130 {
        let data = vec![5; len];
        let mut singles = empty.try_clone().unwrap();
        let mut fit = 0;
        while singles.propose(&data, 0).is_ok() {
            fit += 1;
        }
        let list = |count: usize| empty.try_clone().unwrap().propose_many((0..count).map(|_| (&data[..], 0)));
        assert_eq!((list(fit), list(fit + 1)), (Ok(()), Err(Error::Full)), "{fit} entries of {len} bytes");
    }
}

#[test]
fn an_entry_that_leaves_no_room_for_its_place_is_too_large() {
    let config = forgetful();
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config);
    let long = vec![7; (config.recent_bytes - BLOCK / 2) as usize];
    assert_eq!(step(&mut node, &append(2, 1, 1, (1, 1), vec![entry(1, 2, &long)], 1)), Err(Error::TooLarge));
}

#[test]
fn what_leaves_memory_before_it_is_applied_is_accounted_for_all_the_same() {
    let limit = 64 * KIB;
    let c = Config { recent_bytes: 16 * KIB, max_uncommitted_size: limit, ..config(1) };
    let c = kit::with_spans(c);
    let mut node = leader(&c);
    node.propose(&[1; 1000], 0).unwrap();
    drain(&mut node);
    acknowledge(&mut node, 2, 3);
    drain(&mut node);
    assert_eq!(node.status().applied, 3);
    while node.propose(&[1; 1000], 0).is_ok() {
        drain(&mut node);
    }
    let status = node.status();
    assert!(status.recent_first > status.commit + 1, "entries that are not committed have left memory");
    assert!(node.error_detail().contains("max_uncommitted_size"), "{}", node.error_detail());
    acknowledge(&mut node, 2, status.last_index);
    drain(&mut node);
    assert_eq!(node.status().applied, status.last_index);
    // As many again, and not one more: nothing was forgotten or counted twice.
    let first = node.status().last_index;
    while node.propose(&[1; 1000], 0).is_ok() {
        drain(&mut node);
    }
    assert_eq!(node.status().last_index - first, limit / 1000);
}

/// Term, index, kind, data and context of an entry.
type Shown = (u64, u64, EntryKind, Vec<u8>, Vec<u8>);

/// The entries that a follower stores after an append, and the acknowledged index.
fn stored(config: &Config, bytes: &[u8]) -> (Vec<Shown>, u64) {
    let mut node = Disk::founder(&[1, 2, 3]).boot(config);
    drain(&mut node);
    node.step(2, bytes).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let shown = ready.entries().map(|e| (e.term, e.index, e.kind, e.data.to_vec(), e.context.to_vec())).collect();
    let answer = ready.messages().next().unwrap();
    (shown, answer.index())
}

#[test]
fn an_append_that_spans_blocks_arrives_as_it_was_sent() {
    use prost::Message as _;
    for lens in [vec![2000; 5], vec![10, 4000, 10, 4000, 10], vec![1; 900], vec![3000, 1, 1, 1, 3000]] {
        for mixed in [false, true] {
            let entries: Vec<proto::Entry> = (2..)
                .zip(&lens)
                .map(|(index, &len)| {
                    let term = if mixed && index > 3 { 2 } else { 1 };
                    let fill: Vec<u8> = (0..len).map(|at| (at as u64 * 31 + index) as u8).collect();
                    let mut entry = entry(term, index, &fill);
                    if mixed && index == 3 {
                        (entry.r#type, entry.data) = (2, Vec::new().into());
                    }
                    entry
                })
                .collect();
            let sent = append(2, 1, 2, (1, 1), entries.clone(), 1);
            let (shown, acknowledged) = stored(&Config { recent_bytes: 64 * KIB, ..config(1) }, &sent.encode_to_vec());
            let expected: Vec<_> = entries
                .iter()
                .map(|e| (e.term, e.index, EntryKind::from_wire(e.r#type as u64).unwrap(), e.data.to_vec(), Vec::new()))
                .collect();
            assert_eq!(shown, expected);
            assert_eq!(acknowledged, 1 + lens.len() as u64);
        }
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An append whose entries have their fields in reverse order, which protobuf allows.
fn reversed(entries: &[proto::Entry]) -> Vec<u8> {
    use prost::Message as _;
    let mut bytes = append(2, 1, 2, (1, 1), Vec::new(), 1).encode_to_vec();
    for entry in entries {
        let mut record = Vec::new();
        for (tag, field) in [(0x32, &entry.context), (0x22, &entry.data)] {
            if tag == 0x22 || !field.is_empty() {
                record.push(tag);
                varint(&mut record, field.len() as u64);
                record.extend_from_slice(field);
            }
        }
        for (tag, value) in [(0x18, entry.index), (0x10, entry.term), (0x08, entry.r#type as u64)] {
            record.push(tag);
            varint(&mut record, value);
        }
        bytes.push(0x3a);
        varint(&mut bytes, record.len() as u64);
        bytes.extend_from_slice(&record);
    }
    bytes
}

#[test]
fn an_append_of_another_library_s_encoding_is_taken_for_what_it_says() {
    use prost::Message as _;
    let entries: Vec<proto::Entry> = (2..8u64).map(|index| entry(1, index, &[index as u8; 1500])).collect();
    let usual = append(2, 1, 2, (1, 1), entries.clone(), 1).encode_to_vec();
    let c = Config { recent_bytes: 64 * KIB, ..config(1) };
    assert_eq!(stored(&c, &reversed(&entries)), stored(&c, &usual));
    // Kinds and contexts, too.
    let with_all =
        proto::Entry { r#type: 2, data: Vec::new().into(), context: b"who".to_vec().into(), ..entries[1].clone() };
    let entries = [&entries[..1], &[with_all], &entries[2..]].concat();
    let usual = append(2, 1, 2, (1, 1), entries.clone(), 1).encode_to_vec();
    let (shown, acknowledged) = stored(&Config { dialect: Dialect::Eraftpb, ..c }, &reversed(&entries));
    assert_eq!((shown[1].2, shown[1].4.as_slice(), acknowledged), (EntryKind::ConfChangeV2, b"who".as_slice(), 7));
    assert_eq!((shown, acknowledged), stored(&Config { dialect: Dialect::Eraftpb, ..c }, &usual));
    // Of what does not fit, so much as does is taken, and said.
    let small = Config { storage: StorageMode::Async, ..forgetful() };
    let many: Vec<proto::Entry> = (2..30u64).map(|index| entry(1, index, &[index as u8; 1500])).collect();
    let many_usual = append(2, 1, 2, (1, 1), many.clone(), 1).encode_to_vec();
    let (shown, acknowledged) = stored(&small, &reversed(&many));
    assert!(!shown.is_empty() && shown.len() < many.len());
    assert_eq!(acknowledged, 1 + shown.len() as u64);
    assert_eq!(stored(&small, &many_usual), (shown, acknowledged));
}

/// The committed entries of a ready lie below the entries to store, and a ready with messages of the rare kinds is made another way.
#[test]
fn the_entries_of_an_outstanding_ready_stay_whatever_else_it_shows() {
    for asks in [false, true] {
        let mut node = follower(&forgetful());
        let take_in = |node: &mut Node, first: u64, last: u64, commit: u64| {
            let entries = (first..=last).map(|index| entry(1, index, &[index as u8; 500])).collect();
            step(node, &append(2, 1, 1, (first - 1, 1), entries, commit))
        };
        take_in(&mut node, 3, 12, 2).unwrap();
        drain(&mut node);
        take_in(&mut node, 13, 14, 12).unwrap();
        if asks {
            node.read_index(1).unwrap();
        }
        let number = lone::take(&mut node);
        (15..=80).for_each(|index| _ = take_in(&mut node, index, index, 12));
        assert!(node.status().last_index < 80, "the log holds more than it may");
        let ready = node.view(number).unwrap();
        let committed: Vec<_> = ready.committed().map(|e| (e.index, e.data.to_vec())).collect();
        assert_eq!(committed, (3..=12).map(|index| (index, vec![index as u8; 500])).collect::<Vec<_>>());
        assert_eq!(ready.entries().map(|e| e.data[0]).collect::<Vec<_>>(), [13, 14]);
    }
}
