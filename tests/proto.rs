//! The two descriptions of the schema, `proto/raftcore.proto` and `raftcore::proto`, describe the same fields and enums.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use prost::Message as _;
use raftcore::proto;
use raftcore::types::{ChangeKind, EntryKind, MessageKind, Transition};

/// A message of the Rust face with every field set, beside the names of its fields: exhaustive, so a new field does not compile here.
macro_rules! full {
    ($type:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let full = proto::$type { $($field: $value),* };
        (stringify!($type), full.encode_to_vec(), vec![$(stringify!($field).trim_start_matches("r#")),*])
    }};
}

/// Names, numbers and wire types: a message of the Rust face, all fields set, must decode under `raftcore.proto` without unknown fields,
/// each field set, each having its name. Enums must have the names and numbers of `raftcore::types`.
#[test]
fn the_proto_file_describes_the_rust_types() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["raftcore.proto"], [dir]).unwrap();
    let pool = protox::prost_reflect::DescriptorPool::from_file_descriptor_set(files).unwrap();
    let one = || Bytes::from_static(b"x");
    let all = [
        full!(Message {
            r#type: 1,
            to: 2,
            from: 3,
            term: 4,
            log_term: 5,
            index: 6,
            entries: vec![Default::default()],
            commit: 8,
            snapshot: Some(Default::default()),
            reject: true,
            reject_hint: 11,
            context: one(),
            vote: 13,
            responses: vec![Default::default()],
            priority: 16,
        }),
        full!(Entry { r#type: 1, term: 2, index: 3, data: one(), context: one() }),
        full!(Snapshot { data: one(), metadata: Some(Default::default()) }),
        full!(SnapshotMetadata { conf_state: Some(Default::default()), index: 2, term: 3 }),
        full!(ConfState {
            voters: vec![1],
            learners: vec![2],
            voters_outgoing: vec![3],
            learners_next: vec![4],
            auto_leave: true,
        }),
        full!(ConfChange { id: 1, r#type: 2, node_id: 3, context: one() }),
        full!(ConfChangeSingle { r#type: 1, node_id: 2 }),
        full!(ConfChangeV2 { transition: 1, changes: vec![Default::default()], context: one() }),
        full!(HardState { term: 1, vote: 2, commit: 3 }),
    ];
    assert_eq!(pool.all_messages().count(), all.len());
    for (name, bytes, names) in all {
        let described = pool.get_message_by_name(&format!("raftcore.{name}")).unwrap();
        // The Rust face declares and encodes by number, so both lists are in that order.
        let mut fields: Vec<_> = described.fields().collect();
        fields.sort_by_key(|field| field.number());
        assert_eq!(fields.iter().map(|field| field.name()).collect::<Vec<_>>(), names, "{name}");
        let read = protox::prost_reflect::DynamicMessage::decode(described, &bytes[..]).unwrap();
        assert_eq!(read.unknown_fields().count(), 0, "{name}");
        for field in &fields {
            assert!(read.has_field(field), "{name}.{}", field.name());
            assert!(!field.is_packed(), "{name}.{}", field.name());
        }
        // And back: the same bytes, so the same numbers and wire types.
        assert_eq!(read.encode_to_vec(), bytes, "{name}");
    }
    let names = |name: &str| {
        let described = pool.get_enum_by_name(&format!("raftcore.{name}")).unwrap();
        let mut values: Vec<_> = described.values().map(|v| (v.number(), v.name().replace('_', ""))).collect();
        values.sort();
        values
    };
    let of = |i: usize, name: String| (i as i32, name.to_uppercase());
    let kinds: Vec<_> = (0..).map_while(MessageKind::from_wire).map(|k| of(k as usize, format!("{k:?}"))).collect();
    assert_eq!(names("MessageType"), kinds);
    let kinds: Vec<_> = (0..).map_while(EntryKind::from_wire).map(|k| of(k as usize, format!("{k:?}"))).collect();
    assert_eq!(names("EntryType"), kinds);
    let kinds: Vec<_> = (0..).map_while(Transition::from_wire).map(|k| of(k as usize, format!("{k:?}"))).collect();
    assert_eq!(names("ConfChangeTransition"), kinds);
    let kinds: Vec<_> = (0..)
        .map_while(ChangeKind::from_wire)
        .map(|k| of(k as usize, format!("{k:?}")))
        .map(|(i, name)| (i, if name == "ADDLEARNER" { "ADDLEARNERNODE".into() } else { name }))
        .collect();
    assert_eq!(names("ConfChangeType"), kinds);
}
