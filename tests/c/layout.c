/* The layout of every struct on the page, as numbers: a program compiled last year must still fit. 64-bit targets. */
#include "raftcore.h"

#if defined(__cplusplus)
#  define PROVE(what) static_assert(what, #what)
#else
#  define PROVE(what) _Static_assert(what, #what)
#endif
#define SIZE(type, bytes) PROVE(sizeof(type) == (bytes))
#define AT(type, field, place) PROVE(offsetof(type, field) == (place))

#if UINTPTR_MAX == UINT64_MAX

SIZE(raftcore_slice, 16);
AT(raftcore_slice, ptr, 0);
AT(raftcore_slice, len, 8);

SIZE(raftcore_entry, 64);
AT(raftcore_entry, term, 0);
AT(raftcore_entry, index, 8);
AT(raftcore_entry, kind, 16);
AT(raftcore_entry, reserved0, 20);
AT(raftcore_entry, data, 24);
AT(raftcore_entry, token, 40);
AT(raftcore_entry, context, 48);

SIZE(raftcore_msg, 144);
AT(raftcore_msg, to, 0);
AT(raftcore_msg, from, 8);
AT(raftcore_msg, term, 16);
AT(raftcore_msg, log_term, 24);
AT(raftcore_msg, index, 32);
AT(raftcore_msg, commit, 40);
AT(raftcore_msg, reject_hint, 48);
AT(raftcore_msg, vote, 56);
AT(raftcore_msg, flags, 64);
AT(raftcore_msg, kind, 72);
AT(raftcore_msg, reserved0, 76);
AT(raftcore_msg, frame, 80);
AT(raftcore_msg, entries, 88);
AT(raftcore_msg, n_frame, 96);
AT(raftcore_msg, frame_bytes, 100);
AT(raftcore_msg, n_entries, 104);
AT(raftcore_msg, entry_stride, 108);
AT(raftcore_msg, context, 112);
AT(raftcore_msg, snapshot_conf, 128);

SIZE(raftcore_read, 16);
AT(raftcore_read, token, 0);
AT(raftcore_read, index, 8);

SIZE(raftcore_done, 16);
AT(raftcore_done, token, 0);
AT(raftcore_done, index, 8);

SIZE(raftcore_drop, 16);
AT(raftcore_drop, token, 0);
AT(raftcore_drop, what, 8);
AT(raftcore_drop, reason, 12);

SIZE(raftcore_run, 16);
AT(raftcore_run, first, 0);
AT(raftcore_run, term, 8);

SIZE(raftcore_change, 16);
AT(raftcore_change, id, 0);
AT(raftcore_change, kind, 8);
AT(raftcore_change, reserved0, 12);

SIZE(raftcore_conf, 104);
AT(raftcore_conf, struct_size, 0);
AT(raftcore_conf, auto_leave, 4);
AT(raftcore_conf, voters, 8);
AT(raftcore_conf, outgoing, 16);
AT(raftcore_conf, learners, 24);
AT(raftcore_conf, learners_next, 32);
AT(raftcore_conf, n_voters, 40);
AT(raftcore_conf, n_outgoing, 44);
AT(raftcore_conf, n_learners, 48);
AT(raftcore_conf, n_learners_next, 52);
AT(raftcore_conf, bytes, 56);
AT(raftcore_conf, context, 72);
AT(raftcore_conf, index, 88);
AT(raftcore_conf, dialect, 96);
AT(raftcore_conf, reserved0, 100);

SIZE(raftcore_fetch, 48);
AT(raftcore_fetch, struct_size, 0);
AT(raftcore_fetch, kind, 4);
AT(raftcore_fetch, id, 8);
AT(raftcore_fetch, peer, 16);
AT(raftcore_fetch, first, 24);
AT(raftcore_fetch, last, 32);
AT(raftcore_fetch, max_bytes, 40);

SIZE(raftcore_ready, 216);
AT(raftcore_ready, struct_size, 0);
AT(raftcore_ready, role, 4);
AT(raftcore_ready, flags, 8);
AT(raftcore_ready, number, 16);
AT(raftcore_ready, term, 24);
AT(raftcore_ready, vote, 32);
AT(raftcore_ready, commit, 40);
AT(raftcore_ready, leader, 48);
AT(raftcore_ready, snapshot_index, 56);
AT(raftcore_ready, snapshot_term, 64);
AT(raftcore_ready, committed_first, 72);
AT(raftcore_ready, committed_last, 80);
AT(raftcore_ready, snapshot_conf, 88);
AT(raftcore_ready, snapshot_data, 104);
AT(raftcore_ready, entries, 120);
AT(raftcore_ready, committed, 128);
AT(raftcore_ready, msgs, 136);
AT(raftcore_ready, reads, 144);
AT(raftcore_ready, dropped, 152);
AT(raftcore_ready, done, 160);
AT(raftcore_ready, n_entries, 168);
AT(raftcore_ready, n_committed, 172);
AT(raftcore_ready, n_msgs, 176);
AT(raftcore_ready, n_reads, 180);
AT(raftcore_ready, n_dropped, 184);
AT(raftcore_ready, n_done, 188);
AT(raftcore_ready, entry_stride, 192);
AT(raftcore_ready, msg_stride, 196);
AT(raftcore_ready, read_stride, 200);
AT(raftcore_ready, drop_stride, 204);
AT(raftcore_ready, done_stride, 208);
AT(raftcore_ready, reserved0, 212);

SIZE(raftcore_flat, 224);
AT(raftcore_flat, layout, 0);
AT(raftcore_flat, role, 4);
AT(raftcore_flat, total_bytes, 8);
AT(raftcore_flat, flags, 16);
AT(raftcore_flat, number, 24);
AT(raftcore_flat, term, 32);
AT(raftcore_flat, vote, 40);
AT(raftcore_flat, commit, 48);
AT(raftcore_flat, leader, 56);
AT(raftcore_flat, snapshot_index, 64);
AT(raftcore_flat, snapshot_term, 72);
AT(raftcore_flat, committed_first, 80);
AT(raftcore_flat, committed_last, 88);
AT(raftcore_flat, snapshot_conf_at, 96);
AT(raftcore_flat, snapshot_conf_bytes, 104);
AT(raftcore_flat, snapshot_data_at, 112);
AT(raftcore_flat, snapshot_data_bytes, 120);
AT(raftcore_flat, entries_at, 128);
AT(raftcore_flat, committed_at, 136);
AT(raftcore_flat, msgs_at, 144);
AT(raftcore_flat, reads_at, 152);
AT(raftcore_flat, dropped_at, 160);
AT(raftcore_flat, done_at, 168);
AT(raftcore_flat, n_entries, 176);
AT(raftcore_flat, n_committed, 180);
AT(raftcore_flat, n_msgs, 184);
AT(raftcore_flat, n_reads, 188);
AT(raftcore_flat, n_dropped, 192);
AT(raftcore_flat, n_done, 196);
AT(raftcore_flat, entry_stride, 200);
AT(raftcore_flat, msg_stride, 204);
AT(raftcore_flat, read_stride, 208);
AT(raftcore_flat, drop_stride, 212);
AT(raftcore_flat, done_stride, 216);
AT(raftcore_flat, reserved0, 220);

SIZE(raftcore_flat_entry, 64);
AT(raftcore_flat_entry, term, 0);
AT(raftcore_flat_entry, index, 8);
AT(raftcore_flat_entry, token, 16);
AT(raftcore_flat_entry, data_at, 24);
AT(raftcore_flat_entry, data_bytes, 32);
AT(raftcore_flat_entry, kind, 40);
AT(raftcore_flat_entry, reserved0, 44);
AT(raftcore_flat_entry, context_at, 48);
AT(raftcore_flat_entry, context_bytes, 56);

SIZE(raftcore_flat_msg, 128);
AT(raftcore_flat_msg, to, 0);
AT(raftcore_flat_msg, from, 8);
AT(raftcore_flat_msg, term, 16);
AT(raftcore_flat_msg, log_term, 24);
AT(raftcore_flat_msg, index, 32);
AT(raftcore_flat_msg, commit, 40);
AT(raftcore_flat_msg, reject_hint, 48);
AT(raftcore_flat_msg, vote, 56);
AT(raftcore_flat_msg, flags, 64);
AT(raftcore_flat_msg, frame_at, 72);
AT(raftcore_flat_msg, frame_bytes, 80);
AT(raftcore_flat_msg, kind, 88);
AT(raftcore_flat_msg, reserved0, 92);
AT(raftcore_flat_msg, context_at, 96);
AT(raftcore_flat_msg, context_bytes, 104);
AT(raftcore_flat_msg, snapshot_conf_at, 112);
AT(raftcore_flat_msg, snapshot_conf_bytes, 120);

SIZE(raftcore_config, 200);
AT(raftcore_config, struct_size, 0);
AT(raftcore_config, abi_version, 4);
AT(raftcore_config, id, 8);
AT(raftcore_config, group, 16);
AT(raftcore_config, seed, 24);
AT(raftcore_config, flags, 32);
AT(raftcore_config, storage, 40);
AT(raftcore_config, dialect, 44);
AT(raftcore_config, election_ticks, 48);
AT(raftcore_config, heartbeat_ticks, 52);
AT(raftcore_config, read_timeout_ticks, 56);
AT(raftcore_config, snapshot_timeout_ticks, 60);
AT(raftcore_config, vote_fence_ticks, 64);
AT(raftcore_config, max_peers, 68);
AT(raftcore_config, max_inflight_msgs, 72);
AT(raftcore_config, max_outstanding, 76);
AT(raftcore_config, max_entries_per_ready, 80);
AT(raftcore_config, max_messages, 84);
AT(raftcore_config, max_reads, 88);
AT(raftcore_config, max_tokens, 92);
AT(raftcore_config, priority, 96);
AT(raftcore_config, max_apply_unpersisted, 100);
AT(raftcore_config, recent_bytes, 104);
AT(raftcore_config, catchup_bytes, 112);
AT(raftcore_config, max_size_per_msg, 120);
AT(raftcore_config, max_committed_size_per_ready, 128);
AT(raftcore_config, max_uncommitted_size, 136);
AT(raftcore_config, max_inflight_bytes, 144);
AT(raftcore_config, max_entry_bytes, 152);
AT(raftcore_config, max_snapshot_bytes, 160);
AT(raftcore_config, block_bytes, 168);
AT(raftcore_config, own_write_timeout_ticks, 176);
AT(raftcore_config, election_jitter_ticks, 180);
AT(raftcore_config, peer_lags_ticks, 184);
AT(raftcore_config, no_leader_ticks, 188);
AT(raftcore_config, max_entries_per_msg, 192);
AT(raftcore_config, caught_up_entries, 196);

SIZE(raftcore_status, 240);
AT(raftcore_status, struct_size, 0);
AT(raftcore_status, role, 4);
AT(raftcore_status, id, 8);
AT(raftcore_status, group, 16);
AT(raftcore_status, term, 24);
AT(raftcore_status, vote, 32);
AT(raftcore_status, commit, 40);
AT(raftcore_status, applied, 48);
AT(raftcore_status, durable, 56);
AT(raftcore_status, leader, 64);
AT(raftcore_status, transferee, 72);
AT(raftcore_status, first_index, 80);
AT(raftcore_status, last_index, 88);
AT(raftcore_status, last_term, 96);
AT(raftcore_status, recent_first, 104);
AT(raftcore_status, safe_to_compact, 112);
AT(raftcore_status, memory_bytes, 120);
AT(raftcore_status, messages_dropped, 128);
AT(raftcore_status, messages_refused, 136);
AT(raftcore_status, messages_ignored, 144);
AT(raftcore_status, proposals_refused, 152);
AT(raftcore_status, reads_failed, 160);
AT(raftcore_status, events_lost, 168);
AT(raftcore_status, implausible, 176);
AT(raftcore_status, n_peers, 184);
AT(raftcore_status, n_outstanding, 188);
AT(raftcore_status, promotable, 192);
AT(raftcore_status, electable, 196);
AT(raftcore_status, election_elapsed, 200);
AT(raftcore_status, election_timeout, 204);
AT(raftcore_status, n_reads, 208);
AT(raftcore_status, n_tokens, 212);
AT(raftcore_status, last_ready, 216);
AT(raftcore_status, late_ticks, 224);
AT(raftcore_status, apply_waits, 232);

SIZE(raftcore_peer, 72);
AT(raftcore_peer, id, 0);
AT(raftcore_peer, match_index, 8);
AT(raftcore_peer, next_index, 16);
AT(raftcore_peer, pending_snapshot, 24);
AT(raftcore_peer, inflight_bytes, 32);
AT(raftcore_peer, inflight_msgs, 40);
AT(raftcore_peer, flow, 44);
AT(raftcore_peer, flags, 48);
AT(raftcore_peer, silent_ticks, 52);
AT(raftcore_peer, commit, 56);
AT(raftcore_peer, group, 64);

SIZE(raftcore_event, 48);
AT(raftcore_event, kind, 0);
AT(raftcore_event, reason, 4);
AT(raftcore_event, peer, 8);
AT(raftcore_event, term, 16);
AT(raftcore_event, index, 24);
AT(raftcore_event, a, 32);
AT(raftcore_event, b, 40);

SIZE(raftcore_hello_info, 32);
AT(raftcore_hello_info, struct_size, 0);
AT(raftcore_hello_info, version, 4);
AT(raftcore_hello_info, features, 8);
AT(raftcore_hello_info, group, 16);
AT(raftcore_hello_info, id, 24);

SIZE(raftcore_stored, 112);
AT(raftcore_stored, struct_size, 0);
AT(raftcore_stored, reserved0, 4);
AT(raftcore_stored, term, 8);
AT(raftcore_stored, vote, 16);
AT(raftcore_stored, commit, 24);
AT(raftcore_stored, applied, 32);
AT(raftcore_stored, before_first, 40);
AT(raftcore_stored, before_first_term, 48);
AT(raftcore_stored, last, 56);
AT(raftcore_stored, conf, 64);
AT(raftcore_stored, runs, 72);
AT(raftcore_stored, entries, 80);
AT(raftcore_stored, n_runs, 88);
AT(raftcore_stored, n_entries, 96);
AT(raftcore_stored, reserved1, 104);

SIZE(raftcore_input, 80);
AT(raftcore_input, struct_size, 0);
AT(raftcore_input, ticks, 4);
AT(raftcore_input, done, 8);
AT(raftcore_input, persisted, 16);
AT(raftcore_input, applied, 24);
AT(raftcore_input, released, 32);
AT(raftcore_input, peer, 40);
AT(raftcore_input, frames, 48);
AT(raftcore_input, consumed, 64);
AT(raftcore_input, rejected, 72);
AT(raftcore_input, first, 76);

SIZE(raftcore_frame, 40);
AT(raftcore_frame, struct_size, 0);
AT(raftcore_frame, reserved0, 4);
AT(raftcore_frame, group, 8);
AT(raftcore_frame, msg, 16);
AT(raftcore_frame, bytes, 32);

SIZE(raftcore_heap, 40);
AT(raftcore_heap, struct_size, 0);
AT(raftcore_heap, reserved0, 4);
AT(raftcore_heap, context, 8);
AT(raftcore_heap, alloc, 16);
AT(raftcore_heap, resize, 24);
AT(raftcore_heap, free, 32);

#else

SIZE(raftcore_slice, 8);
SIZE(raftcore_entry, 48);
SIZE(raftcore_msg, 120);
SIZE(raftcore_read, 16);
SIZE(raftcore_done, 16);
SIZE(raftcore_drop, 16);
SIZE(raftcore_run, 16);
SIZE(raftcore_change, 16);
SIZE(raftcore_conf, 72);
SIZE(raftcore_fetch, 48);
SIZE(raftcore_ready, 176);
SIZE(raftcore_flat, 224);
SIZE(raftcore_flat_entry, 64);
SIZE(raftcore_flat_msg, 128);
SIZE(raftcore_config, 200);
SIZE(raftcore_status, 240);
SIZE(raftcore_peer, 72);
SIZE(raftcore_event, 48);
SIZE(raftcore_hello_info, 32);
SIZE(raftcore_stored, 88);
SIZE(raftcore_input, 72);
SIZE(raftcore_frame, 32);
SIZE(raftcore_heap, 24);

#endif

int main(void) { return 0; }
