//! Unit tests of the wire: the fast paths agree with the general paths, in values and in errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::cursor::{fill, parse_any};
use super::encode::{head_plain, record_head_plain};
use super::entries::{read_any, read_common, read_ordered};
use super::steady::{self, Receiver};
use super::{
    FRAME_HEADER, Head, MAX_RECORD_HEAD, MessageView, RecordHeads, RecordLen, SHORT_FRAME, parse_message,
    parse_message_into, readdress_short_frame, varint_len, write_frame_header, write_head, write_record_head,
    write_short_frame,
};
use crate::types::{EntryKind, MessageKind};
use proptest::prelude::*;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0),
        4 => 1..300u64,
        2 => (0..64u32, any::<u64>()).prop_map(|(n, v)| v >> n),
        1 => (0..64u32).prop_map(|n| 1 << n),
        1 => (0..64u32).prop_map(|n| u64::MAX >> n),
    ]
}

type Entry = (u64, u64, u64, Vec<u8>);

fn entry() -> impl Strategy<Value = Entry> {
    let len = prop_oneof![0..4usize, 100..150usize, 0..40usize];
    (
        number(),
        number(),
        prop_oneof![9 => Just(0), 1 => 1..3u64],
        len.prop_flat_map(|n| proptest::collection::vec(any::<u8>(), n)),
    )
}

fn put((term, index, kind, data): &Entry, out: &mut Vec<u8>) {
    let mut head = [0; MAX_RECORD_HEAD];
    let n = write_record_head(&mut head, *term, *index, EntryKind::from_wire(*kind).unwrap(), data.len());
    out.extend(&head[..n]);
    out.extend(data);
}

/// Returns a message that the fast path may take: scalars, a context and at most a single run of
/// entries. `None`: the message needs the general path.
fn parse_ascending(bytes: &[u8]) -> Option<MessageView<'_>> {
    let mut message = MessageView::default();
    fill(&mut message, bytes).then_some(message)
}

fn check_record(bytes: &[u8]) {
    let general = read_any(bytes);
    if let Some(entry) = read_common(bytes) {
        assert_eq!(general, Ok((entry, entry.record.len())));
        assert!(entry.canonical);
    }
}

fn shown(message: crate::error::Result<MessageView<'_>>) -> String {
    format!("{message:?}")
}

fn check_message(bytes: &[u8]) {
    let general = shown(parse_any(bytes));
    if let Some(message) = parse_ascending(bytes) {
        assert_eq!(shown(Ok(message)), general);
    }
    assert_eq!(shown(parse_message(bytes)), general);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_fast_path_of_records_agrees(
        entry in entry(),
        tail in proptest::collection::vec(any::<u8>(), 0..40),
        flips in proptest::collection::vec((0..40usize, any::<u8>()), 0..3),
    ) {
        let mut bytes = vec![];
        put(&entry, &mut bytes);
        let record = bytes.len();
        bytes.extend(tail);
        check_record(&bytes);
        for end in 0..record.min(60) {
            prop_assert!(read_common(&bytes[..end]).is_none());
            prop_assert!(read_any(&bytes[..end]).is_err());
        }
        for (at, byte) in flips {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        check_record(&bytes);
    }

    #[test]
    fn the_fast_path_of_messages_agrees(
        numbers in proptest::array::uniform8(number()),
        kind in 0..24u64,
        reject in any::<bool>(),
        context in proptest::collection::vec(any::<u8>(), 0..12),
        entries in proptest::collection::vec(entry(), 0..5),
        middle in any::<bool>(),
        flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..3),
    ) {
        let [to, from, term, log_term, index, commit, reject_hint, vote] = numbers;
        let kind = MessageKind::from_wire(kind).unwrap();
        let mut records = vec![];
        entries.iter().for_each(|e| put(e, &mut records));
        let mut bytes = vec![];
        let mut out = [0; 200];
        let mut head = Head { kind, to, from, term, log_term, index, ..Head::default() };
        if middle {
            // At their place by number, as etcd writes entries: the scalars after the entries
            // follow without another type.
            let n = write_head(&mut out, &head, &[]);
            bytes.extend(&out[..n]);
            bytes.extend(&records);
            let n = write_head(&mut out, &Head { commit, reject, reject_hint, vote, ..Head::default() }, &context);
            bytes.extend(&out[2..n]);
        } else {
            head = Head { commit, reject, reject_hint, vote, ..head };
            let n = write_head(&mut out, &head, &context);
            bytes.extend(&out[..n]);
            bytes.extend(&records);
        }
        prop_assert!(parse_ascending(&bytes).is_some());
        check_message(&bytes);
        for end in 0..bytes.len().min(120) {
            check_message(&bytes[..end]);
        }
        for (at, byte) in flips {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        check_message(&bytes);
    }

    /// Runs of records, as appends have them: the reader guesses the next record from the record
    /// before. Covers all carries of the index, moving terms and data of all lengths; then single
    /// changed bytes, mostly near the index.
    #[test]
    fn records_in_a_row_agree(
        term in number(),
        first in prop_oneof![number(), (0..50u32, 0..5u64).prop_map(|(n, back)| (1u64 << n).saturating_sub(back))],
        lens in proptest::collection::vec((0..20u8, prop_oneof![1..40usize, 100..140usize, Just(0)]), 1..12),
        flips in proptest::collection::vec((any::<u16>(), 0..24usize, any::<u8>()), 0..40),
    ) {
        let (mut bytes, mut starts, mut at) = (vec![], vec![], (term, first));
        for (jump, len) in lens {
            starts.push(bytes.len());
            put(&(at.0, at.1, u64::from(jump == 0), vec![7; len]), &mut bytes);
            at = (at.0.wrapping_add(u64::from(jump == 1)), at.1.wrapping_add(if jump == 2 { 2 } else { 1 }));
        }
        check_message(&bytes);
        let first = bytes.clone();
        for (record, offset, byte) in flips {
            let at = starts[usize::from(record) % starts.len()] + offset;
            let old = bytes.get(at).copied().unwrap_or(0);
            for byte in [byte, byte & 0x80, old ^ 0x80, old.wrapping_add(1)] {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                    check_message(&bytes);
                }
                bytes.clone_from(&first);
            }
        }
    }
}

/// A carry that a series must not run into: after index 127 the byte-wise successor would be 0x80,
/// an unfinished number, and after 255 the successor would be 0 with a byte left over.
#[test]
fn a_series_stops_at_a_carry() {
    for index in [127u64, 255, 16_383, 16_511] {
        let mut bytes = vec![];
        put(&(1, index, 0, vec![7; 40]), &mut bytes);
        let record = bytes.clone();
        bytes.extend(&record);
        let (at, carry) = (record.len() + 5, record[5].overflowing_add(1));
        bytes[at] = carry.0;
        bytes[at + 1] = bytes[at + 1].wrapping_add(u8::from(carry.1));
        check_message(&bytes);
    }
}

#[test]
fn the_common_record_takes_the_fast_path() {
    for (term, index, len) in
        [(1, 1, 1), (2, 300, 4), (200, 70_000, 256), (1 << 20, (1 << 49) - 1, 70_000), (3, 1 << 40, 30)]
    {
        let mut bytes = vec![];
        put(&(term, index, 0, vec![7; len]), &mut bytes);
        assert!(
            read_common(&bytes).is_some_and(|e| (e.term, e.index, e.data.len()) == (term, index, len)),
            "{term} {index} {len}"
        );
    }
}

#[test]
fn the_length_of_a_varint_is_exact_at_every_width() {
    for bits in 0..64 {
        for v in [1u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
            let mut out = vec![];
            prost::encoding::encode_varint(v, &mut out);
            assert_eq!(varint_len(v), out.len(), "{v}");
        }
    }
}

/// Each of a record's four numbers written a byte too long, at every length: readable, but never
/// canonical, alone or in a run.
#[test]
fn an_overlong_number_is_not_canonical() {
    fn varint(v: u64, overlong: bool, out: &mut Vec<u8>) {
        prost::encoding::encode_varint(v, out);
        if overlong {
            *out.last_mut().unwrap() |= 0x80;
            out.push(0);
        }
    }
    for bits in 0..16 {
        for which in 0..4 {
            let (term, index, len) = (1u64 << bits, (1u64 << (3 * bits)) + 1, 1usize << bits);
            let mut body = vec![0x10];
            varint(term, which == 0, &mut body);
            body.push(0x18);
            varint(index, which == 1, &mut body);
            body.push(0x22);
            varint(len as u64, which == 2, &mut body);
            body.resize(body.len() + len, 7);
            let mut record = vec![0x3a];
            varint(body.len() as u64, which == 3, &mut record);
            record.extend(body);
            assert!(read_common(&record).is_none(), "{bits} {which}");
            assert!(!read_any(&record).unwrap().0.canonical);
            // After the record that makes this the guessed record, and with more records after.
            let mut run = vec![];
            put(&(term, index - 1, 0, vec![7; len]), &mut run);
            run.extend(&record);
            put(&(term, index + 1, 0, vec![7; 40]), &mut run);
            let view = parse_message(&run).unwrap();
            assert_eq!((view.entries.len(), view.entries.is_sequence()), (3, true));
            assert!(!view.entries.is_canonical(), "{bits} {which}");
            check_message(&run);
        }
    }
}

fn check_heads(head: &Head, context: &[u8]) {
    let mut plain = [0; 400];
    let n = head_plain(&mut plain, head, context);
    // With room for words, and, from a buffer of the exact length, without.
    for room in [400, n] {
        let mut out = [0xa5; 400];
        assert_eq!(write_head(&mut out[..room], head, context), n, "{head:?}");
        assert_eq!(out[..n], plain[..n], "{head:?}");
    }
}

fn check_record_heads(term: u64, index: u64, kind: EntryKind, len: usize) {
    let (mut plain, mut out) = ([0; MAX_RECORD_HEAD], [0xa5; MAX_RECORD_HEAD]);
    let n = record_head_plain(&mut plain, term, index, kind, len, 0);
    assert_eq!(write_record_head(&mut out, term, index, kind, len), n, "{term} {index} {len}");
    assert_eq!(out[..n], plain[..n], "{term} {index} {len}");
}

/// The numbers at both ends of every width.
fn edges() -> impl Iterator<Item = u64> + Clone {
    (0..64).flat_map(|bits| [1u64 << bits, (1 << bits) - 1, u64::MAX >> bits])
}

#[test]
fn writing_by_words_agrees_at_every_width() {
    for v in edges() {
        for which in 0..8 {
            let mut head = Head { kind: MessageKind::App, to: 1, from: 127, term: 64, ..Head::default() };
            let fields = [
                &mut head.to,
                &mut head.from,
                &mut head.term,
                &mut head.log_term,
                &mut head.index,
                &mut head.commit,
                &mut head.reject_hint,
                &mut head.vote,
            ];
            *fields.into_iter().nth(which).unwrap() = v;
            check_heads(&head, &[]);
            head.reject = true;
            check_heads(&head, &[7; 9]);
        }
        for kind in [EntryKind::Normal, EntryKind::ConfChangeV2] {
            check_record_heads(v, 1, kind, 1);
            check_record_heads(1, v, kind, 200);
            check_record_heads(300, 70_000, kind, v as usize);
        }
    }
}

#[test]
fn a_number_is_read_by_words_at_every_width_and_distance_from_the_end() {
    for v in edges() {
        for behind in 0..20 {
            let mut bytes = vec![0x30];
            prost::encoding::encode_varint(v, &mut bytes);
            let len = bytes.len();
            bytes.resize(len + behind, 0xff);
            if len > 8 {
                assert_eq!(super::word::wide(&bytes, 0), Some((v, len)));
            }
            let word = super::word::Words::new(&bytes).unwrap().at(0).unwrap();
            assert_eq!(super::word::number(word), (len <= 8).then_some((v, len)));
            for end in 1..len {
                // Cut off: never read as a field that ends within the bytes.
                let word = super::word::Words::new(&bytes[..end]).unwrap().at(0).unwrap();
                assert!(super::word::number(word).is_none_or(|(_, n)| n > end));
                assert!(end <= 8 || super::word::wide(&bytes[..end], 0).is_none());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn writing_by_words_agrees(
        numbers in proptest::array::uniform8(number()),
        priority in prop_oneof![4 => Just(0), 1 => any::<i64>()],
        kind in 0..24u64,
        reject in any::<bool>(),
        context in proptest::collection::vec(any::<u8>(), 0..12),
        entry in entry(),
    ) {
        let [to, from, term, log_term, index, commit, reject_hint, vote] = numbers;
        let kind = MessageKind::from_wire(kind).unwrap();
        check_heads(&Head { kind, to, from, term, log_term, index, commit, reject, reject_hint, vote, priority }, &context);
        check_record_heads(entry.0, entry.1, EntryKind::from_wire(entry.2).unwrap(), entry.3.len());
    }

    /// Records with explicit zeros and overlong numbers, fields left out and cut off.
    #[test]
    fn reading_ordered_records_agrees(
        fields in proptest::array::uniform3(proptest::option::of((number(), 0..3usize))),
        kind in proptest::option::of(0..4u64),
        data in proptest::option::of(0..150usize),
        flips in proptest::collection::vec((0..40usize, any::<u8>()), 0..3),
    ) {
        let [term, index, len] = fields;
        let mut body = vec![];
        for (tag, field) in [(0x08, kind.map(|kind| (kind, 0))), (0x10, term), (0x18, index)] {
            let Some((v, extra)) = field else { continue };
            body.push(tag);
            prost::encoding::encode_varint(v, &mut body);
            for _ in 0..extra {
                *body.last_mut().unwrap() |= 0x80;
                body.push(0);
            }
        }
        if let Some(n) = data {
            body.push(0x22);
            prost::encoding::encode_varint(n as u64, &mut body);
            body.resize(body.len() + n, 7);
        }
        let mut record = vec![0x3a];
        prost::encoding::encode_varint(body.len() as u64, &mut record);
        if len.is_some_and(|(_, extra)| extra > 1) {
            *record.last_mut().unwrap() |= 0x80;
            record.push(0);
        }
        record.extend(body);
        for end in 0..=record.len() {
            check_ordered(&record[..end]);
        }
        record.extend(record.clone());
        check_ordered(&record);
        check_message(&record);
        for (at, byte) in flips {
            if let Some(place) = record.get_mut(at) {
                *place = byte;
            }
        }
        check_ordered(&record);
        check_message(&record);
    }

    /// The iterator, which goes by the lengths alone, returns the same entries as a full read of
    /// every record.
    #[test]
    fn iterating_by_length_agrees(
        term in number(),
        first in prop_oneof![number(), (0..50u32, 0..5u64).prop_map(|(n, back)| (1u64 << n).saturating_sub(back))],
        lens in proptest::collection::vec((0..30u8, 1..4usize, prop_oneof![0..4usize, 100..150usize, 16_370..16_400usize]), 1..6),
    ) {
        let (mut bytes, mut at) = (vec![], (term, first));
        for (jump, times, len) in lens {
            for _ in 0..times {
                put(&(at.0, at.1, u64::from(jump == 0), vec![7; len]), &mut bytes);
                at = (at.0.wrapping_add(u64::from(jump == 1)), at.1.wrapping_add(if jump == 2 { 2 } else { 1 }));
            }
        }
        let mut rest = bytes.as_slice();
        let view = parse_message(&bytes).unwrap();
        prop_assert!(view.entries.iter().len() == view.entries.len());
        for entry in view.entries.iter() {
            let (plain, n) = read_any(rest).unwrap();
            prop_assert_eq!(entry, plain);
            rest = &rest[n..];
        }
        prop_assert!(rest.is_empty());
    }

    /// The fast path returns the same message as the general path, and takes every message that our
    /// own encoder writes for it.
    #[test]
    fn reading_a_steady_message_agrees(
        ids in proptest::array::uniform3(prop_oneof![3 => 1..127u64, 1 => number()]),
        numbers in proptest::array::uniform4(number()),
        app in any::<bool>(),
        reject in any::<bool>(),
        entries in proptest::collection::vec(entry(), 0..3),
        receiver in prop_oneof![4 => Just(None), 1 => (number(), number()).prop_map(Some)],
        tail in proptest::option::weighted(0.2, (0..32u8, any::<u8>())),
        flips in proptest::collection::vec((0..40usize, any::<u8>()), 0..2),
    ) {
        let [to, from, term] = ids;
        let [log_term, index, commit, reject_hint] = numbers;
        let kind = if app { MessageKind::App } else { MessageKind::AppResp };
        let commit = if app { commit } else { 0 };
        let log_term = if app { log_term } else { 0 };
        let reject_hint = if reject { reject_hint } else { 0 };
        let head = Head { kind, to, from, term, log_term, index, commit, reject, reject_hint, ..Head::default() };
        let mut bytes = vec![0; 200];
        let len = write_head(&mut bytes, &head, &[]);
        bytes.truncate(len);
        if app && !reject {
            entries.iter().for_each(|entry| put(entry, &mut bytes));
        }
        let (id, of_term) = receiver.unwrap_or((to, term));
        let ours = Receiver { address: steady::address(id, of_term), id, term: of_term };
        let narrow = [log_term, index, commit].into_iter().all(|v| v < 1 << 49);
        if receiver.is_none() && narrow && ids.iter().all(|&id| id > 0) && reject_hint == 0 {
            if app {
                prop_assert!(steady::read_append(&bytes, ours).is_some());
            } else if !reject && index > 0 {
                prop_assert_eq!(steady::read_ack(&bytes, ours), Some((from, index)));
            }
        }
        check_steady(&bytes, ours);
        if let Some((tag, byte)) = tail {
            bytes.extend([tag << 3, byte]);
            check_steady(&bytes, ours);
        }
        for (at, byte) in flips {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        for end in 0..=bytes.len().min(60) {
            check_steady(&bytes[..end], ours);
        }
        check_steady(&bytes, ours);
        check_steady(&bytes, Receiver { address: 0, ..ours });
    }

    /// A short frame has the bytes of its parts, for every receiver.
    #[test]
    fn writing_a_short_frame_agrees(
        ids in proptest::array::uniform3(prop_oneof![3 => 1..130u64, 1 => number()]),
        numbers in proptest::array::uniform3(number()),
        kind in 0..24u64,
        reject in any::<bool>(),
        body in 0..1_000_000u32,
        group in number(),
        other in prop_oneof![3 => 1..130u64, 1 => number()],
    ) {
        let [to, from, term] = ids;
        let [log_term, index, commit] = numbers;
        let kind = MessageKind::from_wire(kind).unwrap();
        let head = Head { kind, to, from, term, log_term, index, commit, reject, ..Head::default() };
        let plain = |head: &Head| {
            let mut scalars = [0; 200];
            let len = head_plain(&mut scalars, head, &[]);
            let mut frame = [0; FRAME_HEADER];
            write_frame_header(&mut frame, len as u32 + body, group);
            [&frame[..], &scalars[..len]].concat()
        };
        for address in [0, steady::address(from, term)] {
            let mut frame = [0xee; SHORT_FRAME];
            let Some(len) = write_short_frame(&mut frame, &head, body, group, address) else {
                let short = [to, from].into_iter().all(|id| (1..128).contains(&id)) && (1..1 << 28).contains(&term);
                prop_assert!(!short || [log_term, index, commit].into_iter().any(|v| v >= 1 << 28));
                continue;
            };
            prop_assert_eq!(&frame[..len], plain(&head));
            if other > 0 && readdress_short_frame(&mut frame, other) {
                prop_assert_eq!(&frame[..len], plain(&Head { to: other, ..head }));
            }
        }
    }

    /// The head that is known from the record before equals the written head, and matches no other
    /// record.
    #[test]
    fn heads_of_a_series_agree(
        term in number(),
        first in prop_oneof![number(), (0..50u32, 0..5u64).prop_map(|(n, back)| (1u64 << n).saturating_sub(back))],
        lens in proptest::collection::vec((0..20u8, 1..40usize, prop_oneof![0..4usize, 100..150usize]), 1..6),
        flip in (0..16usize, any::<u8>()),
    ) {
        let (mut writes, mut reads) = <(RecordHeads, RecordHeads)>::default();
        let mut at = (term, first);
        for (jump, times, len) in lens {
            if let Some((terms, indexes)) = [(0, 3), (1, 3), (1, 0)].get(usize::from(jump)) {
                at = (at.0.wrapping_add(*terms), at.1.wrapping_add(*indexes));
            }
            for _ in 0..times {
                // Tags and numbers of a series have at most 16 bytes, and neither number is 0.
                let middle = 3 + varint_len(at.0) + varint_len(at.1);
                let narrow = at.0 > 0 && at.1 > 0 && at.0 < 1 << 49 && at.1 < 1 << 49 && middle <= 16;
                prop_assert_eq!(writes.aim(at.0, at.1), narrow);
                prop_assert_eq!(reads.aim(at.0, at.1), narrow);
                let mut record = vec![];
                put(&(at.0, at.1, 0, vec![7; len]), &mut record);
                let head = record.len() - len;
                if narrow {
                    let mut out = [0xee; MAX_RECORD_HEAD];
                    prop_assert_eq!(writes.write(&mut out, len), head);
                    prop_assert_eq!(&out[..head], &record[..head]);
                }

                let mut other = record.clone();
                other[flip.0 % record.len()] ^= flip.1;
                let known = |bytes: &[u8], at: (u64, u64)| {
                    let entry = read_common(bytes).filter(|e| narrow && (e.term, e.index) == at);
                    entry.map(|e| (e.record.len(), e.record.len() - e.data.len()))
                };
                let lens = |read: Option<RecordLen>| read.map(|len| (len.record as usize, len.head as usize));
                prop_assert_eq!(lens(reads.clone().read(&other)), known(&other, at));
                let behind = [&record[..], &other].concat();
                prop_assert_eq!(lens(reads.clone().read(&behind)), known(&record, at));
                let mut ahead = reads;
                if ahead.aim(at.0, at.1.wrapping_add(1)) {
                    prop_assert_eq!(ahead.read(&record), None);
                }
                prop_assert_eq!(lens(reads.read(&record)), known(&record, at));
                at.1 = at.1.wrapping_add(1);
            }
        }
    }

    /// Records of a series have the same lengths as records read singly, up to the first record of
    /// another form.
    #[test]
    fn records_of_a_series_agree(
        term in prop_oneof![4 => 1..200u64, 1 => number()],
        first in prop_oneof![number(), (0..50u32, 0..300u64).prop_map(|(n, back)| (1u64 << n).saturating_sub(back))],
        lens in proptest::collection::vec(prop_oneof![3 => Just(30usize), 3 => 1..400usize, 1 => 0..4usize, 1 => 16_000..17_000usize], 1..200),
        flip in proptest::option::weighted(0.3, (any::<u16>(), any::<u8>())),
        places in 1..20usize,
    ) {
        let mut records = vec![];
        for (at, &len) in lens.iter().enumerate() {
            put(&(term, first.wrapping_add(at as u64), 0, vec![7; len]), &mut records);
        }
        if let Some((at, byte)) = flip {
            let at = usize::from(at) % records.len();
            records[at] ^= byte;
        }
        let mut heads = RecordHeads::default();
        if !heads.aim(term, first) {
            return Ok(());
        }
        let (mut rest, mut index) = (&records[..], first);
        loop {
            let mut lens = vec![RecordLen::default(); places];
            let (count, behind) = heads.read_run(rest, &mut lens);
            for len in &lens[..count] {
                let entry = read_common(rest).unwrap();
                prop_assert_eq!((entry.term, entry.index), (term, index));
                let data = entry.record.len() - entry.data.len();
                prop_assert_eq!((entry.record.len(), data), (len.record as usize, len.head as usize));
                (rest, index) = (&rest[entry.record.len()..], index + 1);
            }
            prop_assert_eq!(rest, behind);
            if count < places {
                break;
            }
        }
        // No read goes beyond the end or into a record of another form. A number too wide for a
        // series may end the series early.
        let next = read_common(rest).filter(|e| (e.term, e.index) == (term, index));
        prop_assert!(next.is_none() || !heads.aim(term, index));
    }

    #[test]
    fn parsing_into_a_view_agrees(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut view = MessageView::default();
        let outcome = parse_message_into(&mut view, &bytes).map(|()| view);
        prop_assert_eq!(format!("{outcome:?}"), format!("{:?}", parse_message(&bytes)));
    }
}

fn check_steady(bytes: &[u8], to: Receiver) {
    let general = parse_message(bytes);
    if let Some(m) = steady::read_append(bytes, to) {
        let kind = MessageKind::App;
        let steady::Append { from, log_term, index, commit, reject, records } = m;
        let head = Head { kind, to: to.id, from, term: to.term, log_term, index, commit, reject, ..Head::default() };
        // The iterator has not read the records yet. The records of a series are the records that
        // the general reader finds, or none.
        let (mut heads, mut rest, mut count) = (RecordHeads::default(), records, 0);
        while heads.aim(log_term, index + 1 + count)
            && let Some(len) = heads.read(rest)
        {
            (rest, count) = (&rest[len.record as usize..], count + 1);
        }
        assert!(general.is_ok() || !rest.is_empty());
        if let Ok(message) = general
            && rest.is_empty()
        {
            assert_eq!((message.head, message.context), (head, &[][..]));
            assert!(message.snapshot.is_none() && !message.has_responses);
            assert_eq!(message.entries.record_bytes().unwrap_or_default(), records);
            assert_eq!(message.entries.len() as u64, count);
            assert!(message.entries.is_canonical() && message.entries.iter().all(|entry| entry.term == log_term));
        }
    }
    if let Some((from, index)) = steady::read_ack(bytes, to) {
        let head = Head { kind: MessageKind::AppResp, to: to.id, from, term: to.term, index, ..Head::default() };
        let message = general.unwrap();
        assert_eq!((message.head, message.context), (head, &[][..]));
        assert!(message.entries.is_empty() && message.snapshot.is_none() && !message.has_responses);
    }
}

fn check_ordered(bytes: &[u8]) {
    if let Some(entry) = read_ordered(bytes) {
        assert_eq!(read_any(bytes), Ok((entry, entry.record.len())));
    }
}

#[test]
fn etcds_zeros_take_the_ordered_path() {
    let record = [0x3a, 10, 0x08, 0, 0x10, 0, 0x18, 0, 0x22, 2, 7, 7];
    assert!(read_ordered(&record).is_some_and(|e| !e.canonical && e.data == [7, 7]));
    check_ordered(&record);
}
