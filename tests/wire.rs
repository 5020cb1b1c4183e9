//! The wire layer against its oracle, `prost`: readers take and refuse the same bytes and see the same values, but for the refusals that
//! `raftcore::wire` documents; writers make bytes that `prost` reads back.
//!
//! Bytes come from a generator that knows the schema and breaks its habits: any order, repeats, unknown fields, groups, overlong varints,
//! wrong wire types. What it makes is then cut at each byte, flipped at each bit, or mutated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};
use raftcore::error::Error;
use raftcore::proto;
use raftcore::types::{Change, ChangeKind, Dialect, EntryKind, MessageKind, Transition};
use raftcore::wire::*;

/// The messages of the schema.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Schema {
    Message,
    Entry,
    Snapshot,
    Metadata,
    ConfState,
    Change,
    ChangeV2,
    Single,
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq)]
enum Holds {
    Number,
    Enum(u64),
    Ids,
    Data,
    One(Schema),
    Many(Schema),
}

/// Fields 1.. of a message, in order.
fn fields(schema: Schema) -> &'static [Holds] {
    use Holds::*;
    match schema {
        Schema::Message => &[
            Enum(24),
            Number,
            Number,
            Number,
            Number,
            Number,
            Many(Schema::Entry),
            Number,
            One(Schema::Snapshot),
            Number,
            Number,
            Data,
            Number,
            Many(Schema::Message),
        ],
        Schema::Entry => &[Enum(3), Number, Number, Data],
        Schema::Snapshot => &[Data, One(Schema::Metadata)],
        Schema::Metadata => &[One(Schema::ConfState), Number, Number],
        Schema::ConfState => &[Ids, Ids, Ids, Ids, Number],
        Schema::Change => &[Number, Enum(4), Number, Data],
        Schema::ChangeV2 => &[Enum(3), Many(Schema::Single), Data],
        Schema::Single => &[Enum(4), Number],
    }
}

/// Makes bytes out of choices; out of choices, it makes the dullest.
struct Gen<'a> {
    choices: &'a [u8],
    /// How often habits are broken: never at 0.
    wild: u8,
}

impl Gen<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.choices.split_first().unwrap_or((&0, &[]));
        self.choices = rest;
        *first
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    fn odd(&mut self) -> bool {
        self.wild > 0 && self.byte() >= 255 - self.wild
    }

    fn value(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1..=3 => u64::from(self.byte()),
            4 => 1 << self.below(64),
            5 => (1 << self.below(64)) - 1,
            6 => u64::MAX - u64::from(self.byte()),
            _ => (0..8).fold(0, |v, _| v << 8 | u64::from(self.byte())),
        }
    }

    fn varint(&mut self, v: u64, out: &mut Vec<u8>) {
        let start = out.len();
        encode_varint(v, out);
        if self.odd() {
            // Overlong, at times longer than the ten bytes that are allowed.
            for _ in 0..=self.below(11 - (out.len() - start)) {
                *out.last_mut().unwrap() |= 0x80;
                out.push(0);
            }
        }
    }

    fn key(&mut self, field: u32, wire: u64, out: &mut Vec<u8>) {
        let wire = if self.wild > 8 && self.odd() { self.below(8) as u64 } else { wire };
        self.varint(u64::from(field) << 3 | wire, out);
    }

    fn data(&mut self, out: &mut Vec<u8>) {
        let len = if self.odd() { self.value() as usize % 300 } else { self.below(40) };
        let len = if self.byte() == 1 { 0 } else { len };
        self.varint(len as u64, out);
        out.extend((0..len).map(|i| i as u8));
    }

    fn nested(&mut self, body: Vec<u8>, out: &mut Vec<u8>) {
        let len = body.len() as u64;
        let len =
            if self.wild > 8 && self.odd() { len.wrapping_add(1).wrapping_sub(self.below(3) as u64) } else { len };
        self.varint(len, out);
        out.extend(body);
    }

    fn unknown(&mut self, known: usize, depth: u32, out: &mut Vec<u8>) {
        let field = known as u32 + 1 + self.below(40) as u32;
        // Field 16 of a message is known, a number, and stands apart from the others.
        let priority = known == fields(Schema::Message).len() && field == 16 && self.wild == 0;
        match self.below(5) {
            _ if priority => {
                self.key(field, 0, out);
                let v = self.value();
                self.varint(v, out);
            }
            0 => {
                self.key(field, 0, out);
                let v = self.value();
                self.varint(v, out);
            }
            1 => {
                self.key(field, 1, out);
                out.extend([1; 8]);
            }
            2 => {
                self.key(field, 2, out);
                self.data(out);
            }
            3 => {
                self.key(field, 5, out);
                out.extend([2; 4]);
            }
            _ => {
                self.key(field, 3, out);
                if depth < 4 {
                    for _ in 0..self.below(3) {
                        // Inside an unknown group any number may stand.
                        self.unknown(0, depth + 1, out);
                    }
                }
                let end = if self.wild > 8 && self.odd() { field + 1 } else { field };
                self.key(end, 4, out);
            }
        }
    }

    fn field(&mut self, schema: Schema, at: usize, depth: u32, out: &mut Vec<u8>) {
        let number = at as u32 + 1;
        match fields(schema)[at] {
            Holds::Number => {
                self.key(number, 0, out);
                let v = self.value();
                self.varint(v, out);
            }
            Holds::Enum(n) => {
                self.key(number, 0, out);
                let v = if self.odd() { self.value() } else { u64::from(self.byte()) % n };
                self.varint(v, out);
            }
            Holds::Ids => {
                let packed = self.below(3) == 0;
                if packed {
                    self.key(number, 2, out);
                    let mut ids = vec![];
                    for _ in 0..self.below(4) {
                        let v = self.value();
                        self.varint(v, &mut ids);
                    }
                    self.nested(ids, out);
                } else {
                    self.key(number, 0, out);
                    let v = self.value();
                    self.varint(v, out);
                }
            }
            Holds::Data => {
                self.key(number, 2, out);
                self.data(out);
            }
            Holds::One(inner) | Holds::Many(inner) => {
                if depth < 6 {
                    self.key(number, 2, out);
                    let body = self.message(inner, depth + 1);
                    self.nested(body, out);
                }
            }
        }
    }

    fn message(&mut self, schema: Schema, depth: u32) -> Vec<u8> {
        let mut out = vec![];
        let n = fields(schema).len();
        if self.below(3) > 0 {
            // Ascending, most fields once, repeated ones often: the usual form.
            for at in 0..n {
                let times = match fields(schema)[at] {
                    Holds::Many(Schema::Message) | Holds::One(Schema::Snapshot) if self.below(8) > 0 => 0,
                    Holds::Many(_) | Holds::Ids => self.below(4),
                    Holds::Data if self.below(2) == 0 => 0,
                    _ => usize::from(self.below(8) > 0),
                };
                for _ in 0..times {
                    self.field(schema, at, depth, &mut out);
                }
            }
            // Entries behind everything, as in our own messages.
            if schema == Schema::Message && self.below(2) == 0 {
                for _ in 0..self.below(4) {
                    self.field(schema, 6, depth, &mut out);
                }
            }
            if self.odd() {
                self.unknown(n, depth, &mut out);
            }
        } else {
            for _ in 0..self.below(12) {
                if self.byte() < 40 {
                    self.unknown(n, depth, &mut out);
                } else {
                    let at = self.below(n);
                    self.field(schema, at, depth, &mut out);
                }
            }
        }
        out
    }
}

/// Bytes that are mostly a message of this schema.
fn generated(schema: Schema) -> impl Strategy<Value = Vec<u8>> {
    (proptest::collection::vec(any::<u8>(), 0..400), prop_oneof![Just(0u8), Just(4), Just(8), Just(20), Just(60)])
        .prop_map(move |(choices, wild)| Gen { choices: &choices, wild }.message(schema, 0))
}

/// The same with a few bytes changed, put in or taken out.
fn mutated(schema: Schema) -> impl Strategy<Value = Vec<u8>> {
    (generated(schema), proptest::collection::vec((any::<u16>(), any::<u8>(), 0..3), 0..4)).prop_map(
        |(mut bytes, edits)| {
            for (at, byte, what) in edits {
                let at = usize::from(at) % (bytes.len() + 1);
                match what {
                    0 => bytes.insert(at, byte),
                    _ if at == bytes.len() => {}
                    1 => bytes[at] = byte,
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes
        },
    )
}

/// Whether bytes that `prost` takes have something that is refused here on purpose. A walk of its own over `prost`'s primitives.
#[derive(Default, Debug)]
struct Refused {
    unknown_enum: bool,
    duplicate: bool,
}

fn refused(schema: Schema, mut bytes: &[u8], found: &mut Refused) {
    let mut ones = [0; 16];
    while !bytes.is_empty() {
        let (number, wire) = decode_key(&mut bytes).unwrap();
        let holds = fields(schema).get(number as usize - 1).copied();
        match holds {
            Some(Holds::Enum(n)) => found.unknown_enum |= decode_varint(&mut bytes).unwrap() >= n,
            Some(Holds::One(inner) | Holds::Many(inner)) => {
                let len = decode_varint(&mut bytes).unwrap() as usize;
                let (body, rest) = bytes.split_at(len);
                bytes = rest;
                if let Some(Holds::One(_)) = holds {
                    ones[number as usize] += 1;
                    found.duplicate |= ones[number as usize] > 1;
                }
                // Responses are not looked into.
                if inner != Schema::Message {
                    refused(inner, body, found);
                }
            }
            _ => skip_field(wire, number, &mut bytes, DecodeContext::default()).unwrap(),
        }
    }
}

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

fn conf_to_proto(view: &ConfStateView<'_>) -> proto::ConfState {
    proto::ConfState {
        voters: view.voters().collect(),
        learners: view.learners().collect(),
        voters_outgoing: view.voters_outgoing().collect(),
        learners_next: view.learners_next().collect(),
        auto_leave: view.auto_leave(),
    }
}

fn entry_to_proto(e: EntryView<'_>) -> proto::Entry {
    proto::Entry { r#type: e.kind as i32, term: e.term, index: e.index, data: copy(e.data), context: copy(e.context) }
}

/// A message without its responses.
fn to_proto(view: &MessageView<'_>) -> proto::Message {
    let Head { kind, to, from, term, log_term, index, commit, reject, reject_hint, vote, priority } = view.head;
    proto::Message {
        r#type: kind as i32,
        to,
        from,
        term,
        log_term,
        index,
        entries: view.entries.iter().map(entry_to_proto).collect(),
        commit,
        snapshot: view.snapshot.map(|s| proto::Snapshot {
            data: copy(s.data),
            metadata: Some(proto::SnapshotMetadata {
                conf_state: Some(conf_to_proto(&s.conf)),
                index: s.index,
                term: s.term,
            }),
        }),
        reject,
        reject_hint,
        context: copy(view.context),
        vote,
        priority,
        responses: vec![],
    }
}

/// Ours doesn't tell missing metadata or a missing configuration from empty ones.
fn filled(mut m: proto::Message) -> proto::Message {
    if let Some(s) = &mut m.snapshot {
        s.metadata.get_or_insert_default().conf_state.get_or_insert_default();
    }
    m
}

fn record_of(e: &EntryView<'_>) -> Vec<u8> {
    let mut out = vec![0; MAX_RECORD_HEAD];
    let n = write_record_head(&mut out, e.term, e.index, e.kind, e.data.len());
    out.truncate(n);
    out.extend(e.data);
    assert_eq!(out.len(), record_len(e.term, e.index, e.kind, e.data.len()));
    if e.context.is_empty() {
        return out;
    }
    // An entry of eraftpb: prost's bytes are the canonical ones.
    let mut theirs = vec![];
    prost::encoding::message::encode(7, &entry_to_proto(*e), &mut theirs);
    theirs
}

/// What the entries say of themselves, against what a walk over them finds.
fn check_entries(bytes: &[u8], view: &EntriesView<'_>) {
    let entries: Vec<_> = view.iter().collect();
    assert_eq!(view.len(), entries.len());
    assert_eq!(view.iter().len(), entries.len());
    assert_eq!(view.is_empty(), entries.is_empty());
    let id = |e: Option<&EntryView<'_>>| e.map_or((0, 0), |e| (e.term, e.index));
    assert_eq!((view.first(), view.last()), (id(entries.first()), id(entries.last())));
    let follows = |p: &[EntryView<'_>]| p[0].index.checked_add(1) == Some(p[1].index) && p[0].term <= p[1].term;
    assert_eq!(view.is_sequence(), entries.windows(2).all(follows));
    let context = |len: usize| if len == 0 { 0 } else { 1 + varint_len(len as u64) + len };
    let payload: usize = entries.iter().map(|e| e.data.len() + context(e.context.len())).sum();
    assert_eq!(view.payload_bytes(), payload as u64);
    assert_eq!(view.has_contexts(), entries.iter().any(|e| !e.context.is_empty()));
    assert_eq!(view.has_changes(), entries.iter().any(|e| e.kind != EntryKind::Normal));
    for e in &entries {
        assert_eq!(e.canonical, record_of(e) == e.record, "{e:?}");
        assert_eq!(read_record(e.record), Ok((*e, e.record.len())));
    }
    // Where they stand, found without our own reader.
    let (mut runs, mut inside, mut rest) = (0, false, bytes);
    while !rest.is_empty() {
        let (number, wire) = decode_key(&mut rest).unwrap();
        skip_field(wire, number, &mut rest, DecodeContext::default()).unwrap();
        runs += usize::from(number == 7 && !inside);
        inside = number == 7;
    }
    let all: Vec<u8> = entries.iter().flat_map(|e| e.record).copied().collect();
    assert_eq!(view.record_bytes(), if runs > 1 { None } else { Some(&all[..]) });
    assert_eq!(view.is_canonical(), runs <= 1 && entries.iter().all(|e| e.canonical));
}

/// Reads bytes both ways. Gives whether both took them.
fn check_message(bytes: &[u8]) -> bool {
    let ours = parse_message(bytes);
    let theirs = proto::Message::decode(bytes);
    match (ours, theirs) {
        (Ok(view), Ok(mut message)) => {
            let mut found = Refused::default();
            refused(Schema::Message, bytes, &mut found);
            assert!(!found.unknown_enum && !found.duplicate, "{found:?} was not refused");
            check_entries(bytes, &view.entries);
            let responses = std::mem::take(&mut message.responses);
            assert_eq!(view.has_responses, !responses.is_empty());
            assert_eq!(to_proto(&view), filled(message));
            assert_eq!(view.responses.iter().count(), responses.len());
            for (bytes, message) in view.responses.iter().zip(responses) {
                assert_eq!(proto::Message::decode(bytes), Ok(message));
                check_message(bytes);
            }
            true
        }
        // Field 14 as a number is of eraftpb: a node of raftpb refuses the message later.
        (Ok(view), Err(_)) if view.eraftpb.old_priority.is_some() => false,
        (Ok(view), Err(error)) => {
            // Responses are not looked into: one of them must be the reason.
            let bad = view.responses.iter().any(|bytes| proto::Message::decode(bytes).is_err());
            assert!(bad, "prost refuses: {error}");
            false
        }
        (Err(error), Ok(_)) => {
            let mut found = Refused::default();
            refused(Schema::Message, bytes, &mut found);
            match error {
                Error::Unsupported => assert!(found.unknown_enum),
                Error::Decode => assert!(found.duplicate),
                _ => panic!("{error:?}"),
            }
            false
        }
        (Err(_), Err(_)) => false,
    }
}

fn check_conf_state(bytes: &[u8]) {
    match (parse_conf_state(bytes), proto::ConfState::decode(bytes)) {
        (Ok(view), Ok(conf)) => {
            assert_eq!(view.bytes(), bytes);
            assert_eq!(conf_to_proto(&view), conf);
        }
        (Err(Error::Decode), Err(_)) => {}
        (ours, theirs) => panic!("{ours:?} {theirs:?}"),
    }
}

fn check_change(kind: EntryKind, bytes: &[u8]) {
    let (schema, theirs) = match kind {
        EntryKind::ConfChange => (
            Schema::Change,
            proto::ConfChange::decode(bytes).map(|c| proto::ConfChangeV2 {
                transition: 0,
                changes: vec![proto::ConfChangeSingle { r#type: c.r#type, node_id: c.node_id }],
                context: c.context,
            }),
        ),
        _ => (Schema::ChangeV2, proto::ConfChangeV2::decode(bytes)),
    };
    match (parse_change(Dialect::Raftpb, kind, bytes), theirs) {
        (Ok(view), Ok(change)) => {
            let changes: Vec<_> =
                view.changes().map(|c| proto::ConfChangeSingle { r#type: c.kind as i32, node_id: c.id }).collect();
            assert_eq!((view.len(), view.is_empty()), (changes.len(), changes.is_empty()));
            assert_eq!(view.changes().len(), changes.len());
            let leaves = change.changes.is_empty() && change.transition == 0;
            assert_eq!(view.leaves_joint(), leaves);
            assert_eq!(view.v1, kind == EntryKind::ConfChange);
            if view.v1 {
                assert_eq!(view.id(), proto::ConfChange::decode(bytes).unwrap().id);
            }
            let context = copy(view.context);
            assert_eq!(proto::ConfChangeV2 { transition: view.transition as i32, changes, context }, change);
        }
        (Err(error), Ok(_)) => {
            let mut found = Refused::default();
            refused(schema, bytes, &mut found);
            assert!(error == Error::Unsupported && found.unknown_enum, "{error:?}");
        }
        (Ok(view), Err(error)) => panic!("{view:?}: {error}"),
        (Err(_), Err(_)) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn messages_read_as_prost_reads_them(bytes in generated(Schema::Message)) {
        check_message(&bytes);
    }

    #[test]
    fn mutated_messages_read_as_prost_reads_them(bytes in mutated(Schema::Message)) {
        check_message(&bytes);
    }

    #[test]
    fn any_bytes_read_as_prost_reads_them(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        check_message(&bytes);
        check_conf_state(&bytes);
        check_change(EntryKind::ConfChange, &bytes);
        check_change(EntryKind::ConfChangeV2, &bytes);
    }

    #[test]
    fn configurations_read_as_prost_reads_them(bytes in mutated(Schema::ConfState)) {
        check_conf_state(&bytes);
    }

    #[test]
    fn changes_read_as_prost_reads_them(v1 in mutated(Schema::Change), v2 in mutated(Schema::ChangeV2)) {
        check_change(EntryKind::ConfChange, &v1);
        check_change(EntryKind::ConfChangeV2, &v2);
    }

    #[test]
    fn single_records_read_as_prost_reads_them(body in mutated(Schema::Entry), tail in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut record = vec![0x3a];
        encode_varint(body.len() as u64, &mut record);
        record.extend(&body);
        let n = record.len();
        record.extend(tail);
        match (read_record(&record), proto::Entry::decode(&body[..])) {
            (Ok((entry, used)), Ok(theirs)) => {
                prop_assert_eq!((used, entry.record), (n, &record[..n]));
                prop_assert_eq!(entry.canonical, record_of(&entry) == entry.record);
                prop_assert_eq!(entry_to_proto(entry), theirs);
            }
            (Err(error), Ok(_)) => {
                let mut found = Refused::default();
                refused(Schema::Entry, &body, &mut found);
                prop_assert!(error == Error::Unsupported && found.unknown_enum);
            }
            (Ok(entry), Err(error)) => prop_assert!(false, "{:?}: {}", entry, error),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn written_messages_read_back(
        numbers in proptest::array::uniform8(number()),
        kind in 0..24u64,
        reject in any::<bool>(),
        context in proptest::collection::vec(any::<u8>(), 0..40),
        entries in proptest::collection::vec((number(), number(), 0..3u64, proptest::collection::vec(any::<u8>(), 0..50)), 0..6),
    ) {
        let [to, from, term, log_term, index, commit, reject_hint, vote] = numbers;
        let kind = MessageKind::from_wire(kind).unwrap();
        let head = Head { kind, to, from, term, log_term, index, commit, reject, reject_hint, vote, priority: (vote as i64).wrapping_sub(7) };
        let mut out = vec![0xee; MAX_HEAD + 11 + context.len()];
        let n = write_head(&mut out, &head, &context);
        prop_assert!(n > 0);
        for short in 0..n {
            prop_assert_eq!(write_head(&mut out[..short], &head, &context), 0);
        }
        prop_assert_eq!(write_head(&mut out[..n], &head, &context), n);
        out.truncate(n);
        let mut want = proto::Message {
            r#type: kind as i32, to, from, term, log_term, index, commit, reject, reject_hint, vote, priority: head.priority,
            context: copy(&context), ..Default::default()
        };
        prop_assert_eq!(proto::Message::decode(&out[..]).unwrap(), want.clone());
        for (term, index, kind, data) in entries {
            let kind = EntryKind::from_wire(kind).unwrap();
            let mut record = [0; MAX_RECORD_HEAD];
            let n = write_record_head(&mut record, term, index, kind, data.len());
            prop_assert_eq!(n + data.len(), record_len(term, index, kind, data.len()));
            prop_assert_eq!(write_record_head(&mut record[..MAX_RECORD_HEAD - 1], term, index, kind, data.len()), 0);
            let entry = proto::Entry { r#type: kind as i32, term, index, data: copy(&data), ..Default::default() };
            // prost, too, leaves out zeros and goes by number: its bytes are the canonical ones.
            let mut theirs = vec![];
            prost::encoding::message::encode(7, &entry, &mut theirs);
            prop_assert_eq!([&record[..n], &data[..]].concat(), theirs.clone());
            out.extend(theirs);
            want.entries.push(entry);
        }
        let view = parse_message(&out).unwrap();
        prop_assert!(view.entries.is_canonical());
        prop_assert_eq!((view.head, to_proto(&view)), (head, want));
        check_message(&out);
    }

    #[test]
    fn written_snapshots_read_back(
        index in number(),
        term in number(),
        lists in proptest::array::uniform4(proptest::collection::vec(number(), 0..4)),
        auto_leave in any::<bool>(),
        data in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let [voters, learners, voters_outgoing, learners_next] = lists;
        let conf = ConfStateRef {
            voters: &voters, learners: &learners, voters_outgoing: &voters_outgoing, learners_next: &learners_next, auto_leave,
        };
        let want = proto::ConfState {
            voters: voters.clone(), learners: learners.clone(), voters_outgoing: voters_outgoing.clone(),
            learners_next: learners_next.clone(), auto_leave,
        };
        let mut out = vec![0xee; conf_state_len(&conf)];
        for short in 0..out.len() {
            prop_assert_eq!(write_conf_state(&mut out[..short], &conf), 0);
        }
        prop_assert_eq!(write_conf_state(&mut out, &conf), out.len());
        prop_assert_eq!(&want.encode_to_vec(), &out);
        prop_assert_eq!(conf_to_proto(&parse_conf_state(&out).unwrap()), want.clone());

        let n = snapshot_field_len(index, term, &conf, data.len()) - data.len();
        let mut out = vec![0xee; n];
        for short in 0..n {
            prop_assert_eq!(write_snapshot_field_head(&mut out[..short], index, term, &conf, data.len()), 0);
        }
        prop_assert_eq!(write_snapshot_field_head(&mut out, index, term, &conf, data.len()), n);
        out.extend(&data);
        let metadata = Some(proto::SnapshotMetadata { conf_state: Some(want), index, term });
        let want = proto::Message { snapshot: Some(proto::Snapshot { data: copy(&data), metadata }), ..Default::default() };
        prop_assert_eq!(proto::Message::decode(&out[..]).unwrap(), want.clone());
        prop_assert_eq!(to_proto(&parse_message(&out).unwrap()), want);
    }

    #[test]
    fn written_changes_read_back(
        steps in proptest::collection::vec((0..4u64, number()), 0..5),
        transition in 0..3u64,
        context in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let changes: Vec<_> =
            steps.iter().map(|&(kind, id)| Change { kind: ChangeKind::from_wire(kind).unwrap(), id }).collect();
        let transition = Transition::from_wire(transition).unwrap();
        let mut out = vec![0xee; change_v2_len(Dialect::Raftpb, transition, &changes, &context)];
        for short in 0..out.len() {
            prop_assert_eq!(write_change_v2(Dialect::Raftpb, &mut out[..short], transition, &changes, &context), 0);
        }
        prop_assert_eq!(write_change_v2(Dialect::Raftpb, &mut out, transition, &changes, &context), out.len());
        let view = parse_change(Dialect::Raftpb, EntryKind::ConfChangeV2, &out).unwrap();
        prop_assert_eq!((view.transition, view.context), (transition, &context[..]));
        prop_assert_eq!(view.changes().collect::<Vec<_>>(), changes.clone());
        check_change(EntryKind::ConfChangeV2, &out);

        for change in changes {
            let mut out = vec![0xee; change_v1_len(Dialect::Raftpb, change, &context)];
            prop_assert_eq!(write_change_v1(Dialect::Raftpb, &mut out, change, &context), out.len());
            for short in 0..out.len() {
                prop_assert_eq!(write_change_v1(Dialect::Raftpb, &mut vec![0; short], change, &context), 0);
            }
            let view = parse_change(Dialect::Raftpb, EntryKind::ConfChange, &out).unwrap();
            prop_assert_eq!(view.changes().collect::<Vec<_>>(), vec![change]);
            prop_assert_eq!((view.transition, view.context, view.v1), (Transition::Auto, &context[..], true));
            check_change(EntryKind::ConfChange, &out);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn cut_and_flipped_messages_read_as_prost_reads_them(bytes in generated(Schema::Message)) {
        for end in 0..bytes.len() {
            check_message(&bytes[..end]);
        }
        let mut bytes = bytes;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                check_message(&bytes);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

/// Numbers of all lengths as varints, zero among them.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        1..200u64,
        any::<u64>(),
        (0..64u32).prop_map(|n| 1 << n),
        (0..64u32).prop_map(|n| u64::MAX >> n),
    ]
}

/// The generator must reach what the tests are for: most of its tame messages are taken, some with entries in several runs.
#[test]
fn the_generator_makes_readable_messages() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut taken, mut split, mut snapshots, mut dirty) = (0, 0, 0, 0);
    for _ in 0..2000 {
        let bytes = proptest::strategy::ValueTree::current(&generated(Schema::Message).new_tree(&mut runner).unwrap());
        if check_message(&bytes) {
            let view = parse_message(&bytes).unwrap();
            taken += 1;
            split += usize::from(view.entries.record_bytes().is_none());
            snapshots += usize::from(view.snapshot.is_some());
            dirty += usize::from(!view.entries.is_canonical());
        }
    }
    assert!(taken > 800 && split > 50 && snapshots > 50 && dirty > 100, "{taken} {split} {snapshots} {dirty}");
}

#[test]
fn a_number_ends_at_64_bits_and_ten_bytes() {
    for (last, taken) in [(0, true), (1, true), (2, false), (0x7f, false), (0x80, false)] {
        let mut bytes = [&[0x10][..], &[0xff; 9], &[last]].concat();
        assert_eq!(check_message(&bytes), taken, "{last}");
        bytes.push(0);
        assert!(!check_message(&bytes) || taken);
    }
}

#[test]
fn nesting_ends_where_prost_ends_it() {
    for depth in 95..105 {
        let mut groups = vec![];
        (0..depth).for_each(|_| encode_key(20, WireType::StartGroup, &mut groups));
        (0..depth).for_each(|_| encode_key(20, WireType::EndGroup, &mut groups));
        // In the message, in an entry, in a snapshot's metadata, in its configuration.
        check_message(&groups);
        for path in [&[0x3a][..], &[0x12, 0x4a], &[0x0a, 0x12, 0x4a]] {
            let mut bytes = groups.clone();
            for &tag in path {
                let mut outer = vec![tag];
                encode_varint(bytes.len() as u64, &mut outer);
                outer.extend(bytes);
                bytes = outer;
            }
            check_message(&bytes);
        }
        check_conf_state(&groups);
        check_change(EntryKind::ConfChangeV2, &groups);
        check_change(EntryKind::ConfChange, &groups);
    }
    // However deep: no overflow of the stack.
    assert!(parse_message(&[0xa3, 0x01].repeat(1 << 20)).is_err());
}

#[test]
fn the_forms_that_etcd_writes_are_read() {
    // Explicit zero type, and data that may be missing or empty: one entry in three forms, of which one is canonical.
    for (record, canonical) in [
        (&[0x3a, 6, 0x08, 0, 0x10, 5, 0x18, 9][..], false),
        (&[0x3a, 8, 0x08, 0, 0x10, 5, 0x18, 9, 0x22, 0], false),
        (&[0x3a, 4, 0x10, 5, 0x18, 9], true),
    ] {
        let (entry, used) = read_record(record).unwrap();
        assert_eq!((entry.term, entry.index, entry.kind, entry.data), (5, 9, EntryKind::Normal, &[][..]));
        assert_eq!((entry.canonical, used), (canonical, record.len()));
    }
    // Until 3.5 an empty snapshot stood in every message.
    let bytes = [
        0x08, 8, 0x10, 2, 0x18, 1, 0x20, 1, 0x28, 0, 0x30, 0, 0x40, 7, 0x4a, 8, 0x12, 6, 0x0a, 0, 0x10, 0, 0x18, 0,
        0x50, 0,
    ];
    assert!(check_message(&bytes));
    let view = parse_message(&bytes).unwrap();
    assert_eq!((view.head.kind, view.head.commit), (MessageKind::Heartbeat, 7));
    assert_eq!(view.snapshot.map(|s| (s.index, s.term, s.conf.bytes().len())), Some((0, 0, 0)));
}

#[test]
fn what_is_refused_on_purpose_is_refused() {
    assert_eq!(parse_message(&[0x08, 24]).err(), Some(Error::Unsupported));
    assert_eq!(parse_message(&[0x08, 24, 0x08, 3]).err(), Some(Error::Unsupported));
    assert_eq!(parse_message(&[0x08, 0x83, 0x80, 0x80, 0x80, 0x10]).err(), Some(Error::Unsupported));
    assert_eq!(parse_message(&[0x3a, 2, 0x08, 3]).err(), Some(Error::Unsupported));
    assert_eq!(parse_message(&[0x4a, 0, 0x4a, 0]).err(), Some(Error::Decode));
    assert_eq!(parse_message(&[0x4a, 4, 0x12, 0, 0x12, 0]).err(), Some(Error::Decode));
    assert_eq!(parse_message(&[0x4a, 6, 0x12, 4, 0x0a, 0, 0x0a, 0]).err(), Some(Error::Decode));
    let change = |kind, data: &'static [u8]| parse_change(Dialect::Raftpb, kind, data);
    assert_eq!(change(EntryKind::ConfChange, &[0x10, 4]).err(), Some(Error::Unsupported));
    assert_eq!(change(EntryKind::ConfChangeV2, &[0x08, 3]).err(), Some(Error::Unsupported));
    assert_eq!(change(EntryKind::ConfChangeV2, &[0x12, 2, 0x08, 4]).err(), Some(Error::Unsupported));
    assert_eq!(change(EntryKind::Normal, &[]).err(), Some(Error::Arg));
    assert!(change(EntryKind::ConfChangeV2, &[0x1a, 1, 7]).unwrap().leaves_joint());
}
