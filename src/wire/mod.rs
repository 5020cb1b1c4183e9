//! The wire: messages, entries, snapshots and configurations as bytes, in the `raftpb` schema of etcd's raft.
//!
//! Everything here reads borrowed bytes in place and writes into the caller's buffers. No input
//! makes this code allocate or panic. `prost` (see [`crate::proto`]) is the schema's Rust interface
//! and the oracle of the tests, not the codec.
//!
//! The readers accept every form that protocol buffers allow: fields in any order, repeated scalars
//! (the last counts), packed and unpacked numbers, unknown fields and groups (skipped), overlong
//! varints. On purpose, the readers accept less than `prost` in three points:
//! - an unknown enum value is [`Error::Unsupported`](crate::error::Error::Unsupported), never a
//!   default, even if a later field would overwrite the value; values beyond 32 bits are not
//!   truncated;
//! - a second `snapshot`, `metadata` or `conf_state` is malformed, since a merge would need memory
//!   for the result;
//! - a local type, a second leader and the like are judged by the step of the message, not here.

mod change;
mod conf;
mod cursor;
pub(crate) mod dialect;
mod encode;
mod entries;
mod heads;
mod hello;
mod read;
mod snapshot;
pub(crate) mod steady;
#[cfg(test)]
mod tests;
mod word;

pub use change::{
    Changes, ConfChangeView, change_v1_len, change_v2_len, parse_change, write_change_v1, write_change_v2,
};
pub use conf::{
    ConfIds, ConfStateRef, ConfStateView, conf_state_len, parse_conf_state, stored_conf_len, write_conf_state,
    write_stored_conf,
};
pub(crate) use conf::{conf_index_len, write_conf_index};
pub(crate) use cursor::parse_message_into;
pub use cursor::{EraftpbFields, Head, MessageView, ResponseIter, ResponsesView, parse_message};
pub use encode::{MAX_HEAD, MAX_RECORD_HEAD, record_len, varint_len, write_head, write_record_head};
pub(crate) use encode::{
    SHORT_FRAME, full_record_len, payload_len, put_record, readdress_short_frame, write_context_heads,
    write_short_frame,
};
pub use entries::{EntriesView, EntryIter, EntryView, read_record};
pub(crate) use heads::{RecordHeads, RecordLen};
pub use hello::{
    FRAME_HEADER, HELLO_LEN, HELLO_MAGIC, Hello, NextFrame, PROTOCOL_VERSION, next_frame, read_frame_header,
    read_hello, write_frame_header, write_hello,
};
pub use snapshot::{SnapshotView, snapshot_field_len, write_snapshot_field_head};
