//! Many entries at a time, within a block of the recent log and over its end: the results are
//! equal to the results of single entries.

use crate::lone::{acknowledge, alone, beats, drain, leader, take};
use kit::{Disk, append, config, entry, step};
use raftcore::{Config, EntryKind, Error, Flags, Node};

const BLOCK: u64 = 4 << 10;

fn small_blocks() -> Config {
    Config { block_bytes: BLOCK, recent_bytes: 64 * BLOCK, ..config(1) }
}

/// Lengths of entries, equal or not, of lists that fit in a block, don't fit, take several blocks,
/// or end with a block.
fn batches() -> Vec<Vec<usize>> {
    let mut all = vec![
        vec![100; 10],
        vec![100; 100],
        vec![1000; 30],
        vec![4000; 3],
        vec![5000, 10, 10, 9000, 10, 10],
        vec![0; 3],
        vec![0; 1000],
        (0..300).collect(),
        (0..300).rev().collect(),
    ];
    // Whatever is left of a block, a few bytes more or less than a record.
    all.extend((3900..4090).step_by(5).flat_map(|fill| [vec![fill, 1, 1], vec![fill, 20, 1, 20, 1]]));
    all
}

/// All entries that a ready asks to store.
fn stored(node: &mut Node) -> Vec<(u64, u64, Vec<u8>)> {
    let ready = node.ready().unwrap().unwrap();
    let entries = ready.entries().map(|entry| (entry.term, entry.index, entry.data.to_vec())).collect();
    let number = ready.number();
    node.advance(number).unwrap();
    entries
}

fn data(lens: &[usize]) -> Vec<Vec<u8>> {
    lens.iter().enumerate().map(|(at, &len)| vec![at as u8; len]).collect()
}

#[test]
fn a_batch_lies_in_the_log_as_its_entries_one_by_one_would() {
    let has_large = |lens: &Vec<usize>| lens.iter().any(|&len| len as u64 > BLOCK - 100);
    let (large, usual): (Vec<_>, Vec<_>) = batches().into_iter().partition(has_large);
    compare_with_one_by_one(usual, |node| node.status().memory_bytes);
    // Which blocks of large entries are kept for later ones depends on when they were given up.
    compare_with_one_by_one(large, |_| 0);
}

fn compare_with_one_by_one(batches: Vec<Vec<usize>>, memory: fn(&Node) -> u64) {
    let mut many = alone(&small_blocks());
    let mut one_by_one = alone(&small_blocks());
    for lens in batches {
        let data = data(&lens);
        many.propose_many(data.iter().map(|data| (&data[..], 0))).unwrap();
        data.iter().for_each(|data| one_by_one.propose(data, 0).unwrap());
        let shown = stored(&mut many);
        assert_eq!(shown, stored(&mut one_by_one), "{lens:?}");
        assert_eq!(shown.iter().map(|(_, _, data)| data.clone()).collect::<Vec<_>>(), data);
        drain(&mut many);
        drain(&mut one_by_one);
        assert!(many == one_by_one, "{lens:?}");
        let looks = |node: &Node| (memory(node), node.status().recent_first);
        assert_eq!(looks(&many), looks(&one_by_one), "{lens:?}");
    }
}

/// A message's entries, as the receiver reads them. Without a limit, the entries are one message,
/// with a piece for each block.
#[test]
fn a_batch_is_sent_whole_whatever_blocks_it_lies_in() {
    let mut node = leader(&Config { max_size_per_msg: 1 << 20, ..small_blocks() });
    for id in [2, 3] {
        acknowledge(&mut node, id, 2);
    }
    drain(&mut node);
    for lens in batches() {
        let data = data(&lens);
        let first = node.status().last_index + 1;
        node.propose_many(data.iter().map(|data| (&data[..], 0))).unwrap();
        let sent = drain(&mut node);
        assert_eq!(sent.iter().map(|m| m.to).collect::<Vec<_>>(), [2, 3], "{lens:?}");
        for m in &sent {
            assert!(!m.reject, "only an append without entries may ask for no answer");
            assert!(m.entries.iter().map(|entry| entry.index).eq(first..first + lens.len() as u64), "{lens:?}");
            assert!(m.entries.iter().map(|entry| &entry.data).eq(&data), "{lens:?}");
        }
        let last = node.status().last_index;
        acknowledge(&mut node, 2, last);
        acknowledge(&mut node, 3, last);
        drain(&mut node);
    }
}

#[test]
fn messages_are_cut_where_their_limit_is_whatever_blocks_the_entries_lie_in() {
    for (len, count, max) in
        [(100, 100, 1000), (100, 100, 111), (100, 100, 220), (1000, 20, 5000), (1000, 20, 999), (4000, 5, 8100)]
    {
        let mut node = leader(&Config { max_size_per_msg: max, ..small_blocks() });
        let first = node.status().last_index + 1;
        let data = vec![7; len];
        node.propose_many((0..count).map(|_| (&data[..], 0))).unwrap();
        // A message to each peer, and further messages after each answer.
        let mut sent: Vec<Vec<u64>> = Vec::new();
        while sent.last().is_none_or(|indexes| *indexes.last().unwrap() < first + count - 1) {
            let messages = drain(&mut node).into_iter().filter(|m| m.to == 2 && !m.entries.is_empty());
            sent.extend(messages.map(|m| m.entries.iter().map(|entry| entry.index).collect::<Vec<_>>()));
            acknowledge(&mut node, 2, *sent.last().unwrap().last().unwrap());
        }
        assert!(sent.concat().into_iter().eq(first..first + count), "{len} {sent:?}");
        // Tags and lengths, term and index: 10 bytes up to 127 of data and index 127, 12 above.
        let record = |index: u64| len as u64 + if len < 120 { 10 } else { 12 } + u64::from(index > 127);
        for (at, indexes) in sent.iter().enumerate() {
            let bytes: u64 = indexes.iter().map(|&index| record(index)).sum();
            assert!(indexes.len() == 1 || bytes <= max, "{len}: {bytes} bytes");
            let next = indexes.last().unwrap() + 1;
            assert!(at + 1 == sent.len() || bytes + record(next) > max, "{len}: {bytes} bytes, and one more fits");
        }
    }
}

/// Uncommitted bytes are counted at the append, by the given lengths, and returned when the entries
/// are returned, by the lengths in the log.
#[test]
fn a_batch_that_is_applied_leaves_nothing_in_the_account_of_the_uncommitted() {
    for lens in batches().into_iter().filter(|lens| lens.iter().sum::<usize>() > 0) {
        let payload = lens.iter().sum::<usize>() as u64;
        let mut node = alone(&Config { max_uncommitted_size: payload, ..small_blocks() });
        let data = data(&lens);
        for _ in 0..3 {
            node.propose_many(data.iter().map(|data| (&data[..], 0))).unwrap();
            assert_eq!(node.propose(b"more", 0), Err(Error::Full), "{lens:?}");
            drain(&mut node);
        }
        node.propose(&[7], 0).unwrap();
        assert_eq!(node.propose(&vec![7; payload as usize], 0), Err(Error::Full));
        drain(&mut node);
    }
}

/// A limit per ready cuts a list though the list's length is known as one number.
#[test]
fn a_batch_is_handed_out_within_the_limit() {
    let config = Config { max_committed_size_per_ready: 1000, max_uncommitted_size: 40 * 90, ..small_blocks() };
    let mut node = alone(&config);
    let data = [7; 90];
    let first = node.status().last_index + 1;
    node.propose_many((0..40).map(|_| (&data[..], 0))).unwrap();
    let mut shown = Vec::new();
    while let Some(ready) = node.ready().unwrap() {
        let (indexes, number) = (ready.committed().map(|entry| entry.index).collect::<Vec<_>>(), ready.number());
        assert!(indexes.len() <= 10, "{} entries of 100 bytes", indexes.len());
        shown.extend(indexes);
        node.advance(number).unwrap();
    }
    assert!(shown.into_iter().eq(first..first + 40));
    node.propose(&[7; 40 * 90], 0).unwrap();
    assert_eq!(node.propose(&[7], 0), Err(Error::Full));
}

/// Facts about the last appended list are forgotten when its end is cut off, though new entries
/// take the indexes.
#[test]
fn a_batch_that_is_overwritten_is_measured_anew() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&small_blocks());
    let run = |term: u64, len: usize| (2..12).map(|index| entry(term, index, &vec![term as u8; len])).collect();
    step(&mut node, &append(2, 1, 1, (1, 1), run(1, 100), 1)).unwrap();
    let number = take(&mut node);
    node.advance(number).unwrap();
    // Entries of another leader at the same indexes. Two kinds of entries are appended singly.
    let mut other: Vec<_> = run(2, 10);
    other[9].r#type = EntryKind::ConfChangeV2 as i32;
    other[9].data = vec![].into();
    step(&mut node, &append(3, 1, 2, (1, 1), other, 11)).unwrap();
    let ready = node.ready().unwrap().unwrap();
    let shown: Vec<_> = ready.committed().map(|entry| (entry.term, entry.data.len())).collect();
    assert_eq!(shown, [vec![(2, 10); 9], vec![(2, 0)]].concat());
}

/// Committed parts of a list return their bytes exactly, wherever the list is divided.
#[test]
fn a_batch_committed_in_parts_is_taken_back_in_parts() {
    for lens in [vec![100; 60], vec![1000; 12], (0..90).collect(), vec![2; 5], vec![4000; 3]] {
        let payload = lens.iter().sum::<usize>();
        let data = data(&lens);
        for part in 0..=lens.len() as u64 {
            let most = payload + 1000;
            let mut node = leader(&Config { max_uncommitted_size: most as u64, ..small_blocks() });
            let first = node.status().last_index + 1;
            node.propose_many(data.iter().map(|data| (&data[..], 0))).unwrap();
            node.propose(&[7; 10], 0).unwrap();
            for index in [first + part - 1, first + lens.len() as u64 - 1] {
                acknowledge(&mut node, 2, index);
                drain(&mut node);
                assert_eq!(node.status().applied, index);
            }
            // The last entry alone is left.
            let (fits, too_long) = (vec![7; most - 10], vec![7; most - 9]);
            assert_eq!(node.propose(&too_long, 0), Err(Error::Full), "{lens:?} in {part} and the rest");
            node.propose(&fits, 0).unwrap_or_else(|error| panic!("{error}: {lens:?} in {part} and the rest"));
        }
    }
}

/// Two lists in a row are a piece in each block, also where the ring of places wraps around.
#[test]
fn what_lies_in_a_row_is_one_piece() {
    let mut node = leader(&small_blocks());
    for round in 0..100 {
        // One peer has everything; the other peer gets several lists in a message.
        let all = node.status().last_index;
        acknowledge(&mut node, 3, all);
        drain(&mut node);
        node.report_unreachable(3).unwrap();
        node.propose(&[7; 20], 0).unwrap();
        let mut last = node.status().last_index;
        acknowledge(&mut node, 2, last);
        drain(&mut node);
        for count in [3 + round % 5, 7, 2] {
            node.propose_many((0..count).map(|_| (&[7; 50][..], 0))).unwrap();
            drain(&mut node);
        }
        // The peer answers for the single entry of its probe.
        acknowledge(&mut node, 3, last);
        let ready = node.ready().unwrap().unwrap();
        let message = ready.messages().find(|m| m.to() == 3 && m.entry_count() > 0).unwrap();
        let (parts, carried) = (message.parts().count(), message.entry_count() as u64);
        assert_eq!(carried, 12 + round % 5);
        assert!(parts <= 3, "a head and two blocks: {parts} pieces in round {round}");
        let number = ready.number();
        node.advance(number).unwrap();
        last = node.status().last_index;
        acknowledge(&mut node, 2, last);
        drain(&mut node);
        node.compacted(node.status().applied - 1).unwrap();
    }
}

/// The contents of a message in the outbox stay, though the log is compacted before the message
/// leaves.
#[test]
fn a_batch_that_waits_to_be_sent_outlives_a_compaction() {
    let flags = config(1).flags.with(Flags::DEBUG_POISON_VIEWS, true);
    for lens in [vec![1000; 12], vec![3000, 3000, 3000, 3000], vec![100; 100]] {
        let mut node = leader(&Config { flags, max_size_per_msg: 1 << 20, ..small_blocks() });
        let data = data(&lens);
        let first = node.status().last_index + 1;
        node.propose_many(data.iter().map(|data| (&data[..], 0))).unwrap();
        let last = node.status().last_index;
        drain(&mut node);
        acknowledge(&mut node, 2, last);
        node.propose(&[7; 4000], 0).unwrap();
        acknowledge(&mut node, 2, last + 1);
        drain(&mut node);
        node.report_unreachable(3).unwrap();
        beats(&mut node, 3);
        node.compacted(last).unwrap();
        let sent = drain(&mut node);
        let m = sent.iter().find(|m| m.to == 3 && !m.entries.is_empty()).unwrap();
        assert_eq!(m.entries[0].index, first);
        assert!(m.entries.iter().map(|entry| &entry.data).take(lens.len()).eq(&data), "{lens:?}");
    }
}

/// With BATCH_APPEND, too, a replicating peer learns the commit index without a request for an
/// answer.
#[test]
fn the_commit_index_is_told_without_a_question_whichever_way_it_goes() {
    for joins in [false, true] {
        let flags = config(1).flags.with(Flags::BATCH_APPEND, joins);
        let mut node = leader(&Config { flags, ..config(1) });
        node.propose(b"x", 0).unwrap();
        drain(&mut node);
        let last = node.status().last_index;
        acknowledge(&mut node, 2, last);
        let sent = drain(&mut node);
        let told: Vec<_> = sent.iter().map(|m| (m.to, m.entries.len(), m.commit, m.reject)).collect();
        assert_eq!(told, [(2, 0, 3, true), (3, 0, 3, true)], "{joins}");
    }
}

/// A change just below the cut must still be applied or skipped.
#[test]
fn a_change_before_an_end_that_is_cut_off_stays_a_change() {
    let mut node = Disk::founder(&[1, 2, 3]).boot(&config(1));
    let mut change = entry(1, 2, b"");
    change.r#type = EntryKind::ConfChangeV2 as i32;
    step(&mut node, &append(2, 1, 1, (1, 1), vec![change, entry(1, 3, b"gone")], 1)).unwrap();
    drain(&mut node);
    step(&mut node, &append(3, 1, 2, (2, 1), vec![entry(2, 3, b"stays")], 3)).unwrap();
    let number = take(&mut node);
    assert_eq!(node.advance(number), Err(Error::State));
    node.skip_conf(2).unwrap();
    node.advance(number).unwrap();
}

/// An iterator that yields shorter, longer or fewer entries each time gets an error, or its last
/// entries are used; the node stays sound.
#[test]
fn entries_that_are_not_the_same_each_time_harm_nobody() {
    use std::cell::Cell;
    let long = vec![7; 3000];
    for lens in [[100, 10], [10, 100], [1000, 900], [10, 3000]] {
        for (count, later) in [(2, 2), (6, 6), (6, 3), (3, 6)] {
            let mut node = alone(&small_blocks());
            let turns = Cell::new(0);
            let entries = (0..6).map_while(|i| {
                turns.set(turns.get() + 1);
                let late = turns.get() > count;
                (i < if late { later } else { count }).then(|| (&long[..lens[usize::from(late)]], 0))
            });
            let before = node.status().last_index;
            match node.propose_many(entries) {
                Ok(()) => assert!(node.status().last_index > before),
                Err(error) => assert_eq!((error, node.status().last_index), (Error::Arg, before)),
            }
            drain(&mut node);
            node.propose(b"goes on", 0).unwrap();
            drain(&mut node);
            assert_eq!(node.status().applied, node.status().last_index);
        }
    }
}
