//! The wire: messages, entries, snapshots and configurations as bytes, in the `raftpb` schema of etcd's raft.
//!
//! Everything here reads borrowed bytes in place and writes into the caller's buffers: nothing allocates, nothing panics, whatever the
//! bytes are. `prost` (see [`crate::proto`]) is the schema's Rust face and the oracle of the tests, not the codec.
//!
//! The readers take what protocol buffers allow: fields in any order, the last of several scalars, repeated numbers packed or not,
//! unknown fields skipped (groups, too), overlong varints. They take less than `prost` in three points, on purpose:
//! - an unknown enum value is [`Error::Unsupported`](crate::error::Error::Unsupported), never a default, also when a later field would
//!   overwrite it, and values beyond 32 bits aren't cut;
//! - a second `snapshot`, `metadata` or `conf_state` is malformed: merging them would need a place to put the sum;
//! - a local type, a second leader and so on are not judged here but where a message is stepped.

mod change;
mod conf;
mod cursor;
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
pub use cursor::{Head, MessageView, ResponseIter, ResponsesView, parse_message};
pub use encode::{MAX_HEAD, MAX_RECORD_HEAD, record_len, varint_len, write_head, write_record_head};
pub(crate) use encode::{SHORT_FRAME, readdress_short_frame, write_short_frame};
pub use entries::{EntriesView, EntryIter, EntryView, read_record};
pub(crate) use heads::{RecordHeads, RecordLen};
pub use hello::{
    FRAME_HEADER, HELLO_LEN, HELLO_MAGIC, Hello, NextFrame, PROTOCOL_VERSION, next_frame, read_frame_header,
    read_hello, write_frame_header, write_hello,
};
pub use snapshot::{SnapshotView, snapshot_field_len, write_snapshot_field_head};
