/* All calls of the header, and all codes that the header lists for each. A listed code that never came fails the test; so does a code
 * that came and is not listed. Each failing call has its own error text, or an empty text: the text of an earlier failure never shows.
 *
 *     codes [HEADER]        include/raftcore.h without a name */
#include "codes.h"

/* ---- the calls */

static void without_a_node(void) {
    raftcore_config c = config(RAFTCORE_STORAGE_SYNC), good = c;
    raftcore_node *n = NULL;
    uint64_t limit;
    size_t size;
    N(RAFTCORE_OK, raftcore_config_init(&c, sizeof c));
    N(RAFTCORE_E_ABI, raftcore_config_init(&c, 8));
    N(RAFTCORE_OK, raftcore_config_preset(&c, RAFTCORE_PRESET_ETCD));
    N(RAFTCORE_E_ARG, raftcore_config_preset(&c, 2));
    c = good;
    N(RAFTCORE_OK, raftcore_frame_limit(&c, &limit));
    N(RAFTCORE_OK, raftcore_footprint(&c, &size));
    N(RAFTCORE_OK, raftcore_new(&c, &n));
    end(n);
    c.max_entry_bytes = UINT64_MAX;
    N(RAFTCORE_E_ARG, raftcore_frame_limit(&c, &limit));
    N(RAFTCORE_E_ARG, raftcore_footprint(&c, &size));
    N(RAFTCORE_E_ARG, raftcore_new(&c, &n));
    c = good;
    c.abi_version = 99;
    N(RAFTCORE_E_ABI, raftcore_config_preset(&c, RAFTCORE_PRESET_ETCD));
    N(RAFTCORE_E_ABI, raftcore_frame_limit(&c, &limit));
    N(RAFTCORE_E_ABI, raftcore_footprint(&c, &size));
    N(RAFTCORE_E_ABI, raftcore_new(&c, &n));
    c = good;
    c.dialect = 2;
    N(RAFTCORE_E_UNSUPPORTED, raftcore_new(&c, &n));

    bytes m = message(RAFTCORE_MSG_SNAP, 1, 2, 5), beat = message(RAFTCORE_MSG_HEARTBEAT, 1, 2, 5), f = framed(&beat, 0);
    raftcore_frame frame = {0};
    raftcore_slice found;
    frame.struct_size = sizeof frame;
    N(RAFTCORE_OK, raftcore_frame_next(f.at, f.len, 1000, &frame));
    N(RAFTCORE_NONE, raftcore_frame_next(f.at, f.len - 1, 1000, &frame));
    N(RAFTCORE_E_DECODE, raftcore_frame_next(f.at, f.len, f.len - 1, &frame));
    put_snapshot(&m, 7, 5, 3, "data", 4);
    N(RAFTCORE_OK, raftcore_snapshot_split(m.at, m.len, &found, NULL, NULL));
    N(RAFTCORE_NONE, raftcore_snapshot_split(beat.at, beat.len, &found, NULL, NULL));
    N(RAFTCORE_E_DECODE, raftcore_snapshot_split((const uint8_t *)"\xff", 1, &found, NULL, NULL));

    raftcore_conf conf = conf_of(3, 0);
    uint8_t buf[64];
    N(RAFTCORE_OK, raftcore_conf_encode(&conf, buf, sizeof buf, &size));
    N(RAFTCORE_E_TOO_SMALL, raftcore_conf_encode(&conf, buf, 1, &size));
    conf.bytes.ptr = buf;
    conf.bytes.len = size;
    N(RAFTCORE_E_ARG, raftcore_conf_encode(&conf, buf, sizeof buf, &size));
    conf = conf_of(3, 0);
    conf.dialect = 2;
    N(RAFTCORE_E_UNSUPPORTED, raftcore_conf_encode(&conf, buf, sizeof buf, &size));

    n = lone(&good, 1);
    raftcore_hello_info info = {0};
    T(RAFTCORE_OK, raftcore_hello(n, buf, sizeof buf, &size));
    T(RAFTCORE_E_TOO_SMALL, raftcore_hello(n, buf, 3, &size));
    info.struct_size = sizeof info;
    N(RAFTCORE_OK, raftcore_hello_read(buf, size, &info));
    N(RAFTCORE_E_DECODE, raftcore_hello_read(buf, 3, &info));
    T(RAFTCORE_E_NOT_FOR_ME, raftcore_hello_check(n, buf, size)); /* from itself */
    T(RAFTCORE_E_DECODE, raftcore_hello_check(n, buf, 3));
    c = good;
    c.id = 2;
    raftcore_node *peer = made(&c);
    N(RAFTCORE_OK, raftcore_hello(peer, buf, sizeof buf, &size));
    T(RAFTCORE_OK, raftcore_hello_check(n, buf, size));
    end(peer);
    info.struct_size = 1;
    N(RAFTCORE_E_ABI, raftcore_hello_read(buf, size, &info));
    OK(n, raftcore_tick(n, 1));
    raftcore_ready rd = ready(n);
    uint8_t flat[1000];
    N(RAFTCORE_OK, raftcore_flatten(rd.msgs, flat, sizeof flat, &size));
    N(RAFTCORE_E_TOO_SMALL, raftcore_flatten(rd.msgs, flat, 3, &size));
    end(n);
}

static void booting(void) {
    raftcore_config c = config(RAFTCORE_STORAGE_SYNC), messages = config(RAFTCORE_STORAGE_MESSAGES);
    raftcore_conf conf = conf_of(3, 0), garbage = conf, twice = conf;
    uint64_t twice_ids[2] = {1, 1};
    raftcore_run runs[2] = {{2, 1}, {2, 2}}, run = {2, 1};
    raftcore_entry many[64], gap = {1, 3, 0, 0, {NULL, 0}, 0, {NULL, 0}}, kind = {1, 2, 7, 0, {NULL, 0}, 0, {NULL, 0}};
    raftcore_stored good = kit_founder(&conf), s;
    raftcore_node *n, *clone = NULL;
    garbage.bytes.ptr = (const uint8_t *)"\xff";
    garbage.bytes.len = 1;
    twice.voters = twice_ids;
    twice.n_voters = 2;
    for (uint64_t i = 0; i < 64; i++) {
        raftcore_entry e = {1, i + 2, 0, 0, {payload, 1000}, 0, {NULL, 0}};
        many[i] = e;
    }

    n = made(&c);
    T(RAFTCORE_OK, raftcore_boot(n, &good));
    T(RAFTCORE_E_STATE, raftcore_boot(n, &good));
    end(n);
    s = good;
    s.commit = 7;
    n = made(&c);
    T(RAFTCORE_E_CORRUPT, raftcore_boot(n, &s));
    end(n);
    s = good;
    s.conf = &twice;
    n = made(&c);
    T(RAFTCORE_E_CONF, raftcore_boot(n, &s));
    end(n);
    s.conf = &garbage;
    n = made(&c);
    T(RAFTCORE_E_DECODE, raftcore_boot(n, &s));
    end(n);
    s = good;
    s.entries = many;
    s.n_entries = 64;
    s.last = 65;
    n = made(&messages);
    T(RAFTCORE_E_FULL, raftcore_boot(n, &s));
    end(n);

    /* In pieces. A node in the middle of its boot cannot be copied: T plants on the node itself. */
    n = made(&c);
    T(RAFTCORE_E_STATE, raftcore_tick(n, 1));
    T(RAFTCORE_OK, raftcore_boot_state(n, 1, 0, 1));
    T(RAFTCORE_E_STATE, raftcore_boot_state(n, 1, 0, 1));
    T(RAFTCORE_E_STATE, raftcore_try_clone(n, &clone));
    T(RAFTCORE_OK, raftcore_boot_conf(n, &conf, 1, 1));
    T(RAFTCORE_E_STATE, raftcore_boot_conf(n, &conf, 1, 1));
    T(RAFTCORE_OK, raftcore_boot_terms(n, &run, 1, 65));
    T(RAFTCORE_E_STATE, raftcore_boot_terms(n, &run, 1, 65));
    T(RAFTCORE_E_ARG, raftcore_boot_entries(n, &kind, 1));
    T(RAFTCORE_OK, raftcore_boot_entries(n, many, 64));
    T(RAFTCORE_OK, raftcore_boot_done(n, 1));
    T(RAFTCORE_E_STATE, raftcore_boot_done(n, 1));
    T(RAFTCORE_E_STATE, raftcore_boot_entries(n, many, 1));
    T(RAFTCORE_OK, raftcore_try_clone(n, &clone));
    CODE(raftcore_free(clone), RAFTCORE_OK);
    end(n);
    n = made(&c);
    T(RAFTCORE_E_CORRUPT, raftcore_boot_state(n, UINT64_MAX, 0, 0));
    end(n);
    n = made(&c);
    T(RAFTCORE_E_DECODE, raftcore_boot_conf(n, &garbage, 1, 1));
    end(n);
    n = made(&c);
    T(RAFTCORE_E_CONF, raftcore_boot_conf(n, &twice, 1, 1));
    end(n);
    n = made(&c);
    T(RAFTCORE_E_CORRUPT, raftcore_boot_conf(n, &conf, 1, 0));
    end(n);
    n = made(&c);
    OK(n, raftcore_boot_conf(n, &conf, 1, 1));
    T(RAFTCORE_E_CORRUPT, raftcore_boot_terms(n, runs, 2, 9));
    end(n);
    n = made(&c);
    OK(n, raftcore_boot_conf(n, &conf, 1, 1));
    T(RAFTCORE_E_CORRUPT, raftcore_boot_entries(n, &gap, 1));
    end(n);
    n = made(&messages);
    OK(n, raftcore_boot_conf(n, &conf, 1, 1));
    raftcore_code code = raftcore_boot_entries(n, many, 64);
    CHECK(code == RAFTCORE_OK || code == RAFTCORE_E_FULL);
    T(code == RAFTCORE_OK ? RAFTCORE_E_FULL : RAFTCORE_E_STATE, raftcore_boot_done(n, 1));
    end(n);
    n = made(&c);
    OK(n, raftcore_boot_conf(n, &conf, 1, 1));
    T(RAFTCORE_E_CORRUPT, raftcore_boot_done(n, 9));
    end(n);

    /* Calls during a boot have their own words, also after a boot call that failed. */
    n = made(&c);
    OK(n, raftcore_boot_conf(n, &conf, 1, 1));
    char text[256];
    uint32_t due;
    CODE(raftcore_boot_state(n, 1, 1, 1), RAFTCORE_E_STATE);
    CODE(raftcore_try_clone(n, &clone), RAFTCORE_E_STATE);
    raftcore_error_detail(n, text, sizeof text);
    CHECK(strstr(text, "boot_state") == NULL);
    CODE(raftcore_boot_state(n, 1, 1, 1), RAFTCORE_E_STATE);
    CODE(raftcore_ticks_until_due(n, &due), RAFTCORE_E_STATE);
    raftcore_error_detail(n, text, sizeof text);
    CHECK(strstr(text, "boot_state") == NULL);
    end(n);
}

/* Messages in. */
static void stepping(void) {
    raftcore_config c = config(RAFTCORE_STORAGE_SYNC);
    raftcore_node *n;
    bytes m = message(RAFTCORE_MSG_HEARTBEAT, 1, 2, 5);
    uint32_t due, rejected;
    size_t used;
    raftcore_code first;
    c.max_uncommitted_size = 150;
    n = founder(&c, 3, 0);
    T(RAFTCORE_OK, raftcore_tick(n, 1));
    T(RAFTCORE_OK, raftcore_ticks_until_due(n, &due));
    T(RAFTCORE_OK, raftcore_step(n, 2, m.at, m.len));
    T(RAFTCORE_E_NOT_FOR_ME, raftcore_step(n, 3, m.at, m.len));
    T(RAFTCORE_E_DECODE, raftcore_step(n, 2, (const uint8_t *)"\xff", 1));
    bytes f = framed(&m, 0);
    T(RAFTCORE_OK, raftcore_step_frames(n, 2, f.at, f.len, &used, &rejected, &first));
    memset(f.at, 0xff, 4);
    T(RAFTCORE_E_DECODE, raftcore_step_frames(n, 2, f.at, f.len, &used, &rejected, &first));
    m = message(RAFTCORE_MSG_HEARTBEAT, 1, 2, 5);
    put_number(&m, M_COMMIT, 99);
    T(RAFTCORE_E_IMPLAUSIBLE, raftcore_step(n, 2, m.at, m.len));
    m = message(RAFTCORE_MSG_PROP, 1, 3, 0);
    put_entry(&m, RAFTCORE_ENTRY_NORMAL, 0, 0, "x", 1);
    T(RAFTCORE_E_NOT_LEADER, raftcore_step(n, 3, m.at, m.len));
    OK(n, raftcore_forget_leader(n));
    T(RAFTCORE_E_NO_LEADER, raftcore_step(n, 3, m.at, m.len));
    m = message(99, 1, 2, 5);
    T(RAFTCORE_E_UNSUPPORTED, raftcore_step(n, 2, m.at, m.len));
    end(n);

    n = leader(&c);
    m = message(RAFTCORE_MSG_APP_RESP, 1, 9, 1);
    T(RAFTCORE_E_NO_PEER, raftcore_step(n, 9, m.at, m.len));
    m = message(RAFTCORE_MSG_PROP, 1, 3, 0);
    put_entry(&m, RAFTCORE_ENTRY_NORMAL, 0, 0, payload, 100);
    T(RAFTCORE_OK, raftcore_step(n, 3, m.at, m.len));
    T(RAFTCORE_E_FULL, raftcore_step(n, 3, m.at, m.len));
    /* A forwarded change is refused like a proposed change. */
    static const uint8_t remove_1[] = {0x10, RAFTCORE_CHANGE_REMOVE_NODE, 0x18, 1};
    m = message(RAFTCORE_MSG_PROP, 1, 3, 0);
    put_entry(&m, RAFTCORE_ENTRY_CONF_CHANGE, 0, 0, remove_1, sizeof remove_1);
    T(RAFTCORE_OK, raftcore_step(n, 3, m.at, m.len));
    T(RAFTCORE_E_CONF_BUSY, raftcore_step(n, 3, m.at, m.len));
    end(n);
    n = lone(&c, 0);
    T(RAFTCORE_E_CONF, raftcore_step(n, 3, m.at, m.len));
    end(n);

    c.recent_bytes = 16 << 10;
    n = founder(&c, 3, 0);
    m = message(RAFTCORE_MSG_APP, 1, 2, 5);
    put_number(&m, M_LOG_TERM, 1);
    put_number(&m, M_INDEX, 1);
    put_entry(&m, RAFTCORE_ENTRY_NORMAL, 5, 2, payload, 20 << 10);
    T(RAFTCORE_E_TOO_LARGE, raftcore_step(n, 2, m.at, m.len));
    end(n);
}

/* Proposals and reads. */
static void proposing(void) {
    static const uint8_t remove_1[] = {0x10, RAFTCORE_CHANGE_REMOVE_NODE, 0x18, 1};
    static const uint8_t add_2[] = {0x10, 0, 0x18, 2}, odd[] = {0x10, 77, 0x18, 2};
    raftcore_slice last_voter = {remove_1, sizeof remove_1}, raw = {add_2, sizeof add_2}, unknown = {odd, sizeof odd};
    raftcore_slice large = {payload, 3000};
    raftcore_config c = config(RAFTCORE_STORAGE_SYNC);
    raftcore_change add = {2, RAFTCORE_CHANGE_ADD_NODE, 0}, remove = {1, RAFTCORE_CHANGE_REMOVE_NODE, 0}, reserved = {0, 0, 0};
    raftcore_node *n;
    uint64_t tokens[2] = {1, 2};
    enum { NORMAL = RAFTCORE_ENTRY_NORMAL, CHANGE = RAFTCORE_ENTRY_CONF_CHANGE, AUTO = RAFTCORE_TRANSITION_AUTO };
    c.max_tokens = 1;
    c.max_reads = 1;

    n = founder(&c, 3, 0);
    T(RAFTCORE_E_NO_LEADER, raftcore_propose(n, &data, 1, 1));
    T(RAFTCORE_E_NO_LEADER, raftcore_propose_many(n, &data, tokens, 1));
    T(RAFTCORE_E_NO_LEADER, raftcore_propose_entry(n, NORMAL, data, 1));
    T(RAFTCORE_E_NO_LEADER, raftcore_propose_conf(n, &add, 1, AUTO, none, 1));
    T(RAFTCORE_E_NO_LEADER, raftcore_propose_in_term(n, 1, &data, 1, 1));
    T(RAFTCORE_E_NO_LEADER, raftcore_propose_conf_at(n, 1, &add, 1, AUTO, none, 1));
    T(RAFTCORE_E_NO_LEADER, raftcore_read_index(n, 1));
    T(RAFTCORE_E_NO_LEADER, raftcore_transfer(n, 2));
    end(n);

    n = follower(&c);
    T(RAFTCORE_E_NOT_LEADER, raftcore_propose(n, &data, 1, 1));
    T(RAFTCORE_E_NOT_LEADER, raftcore_propose_many(n, &data, tokens, 1));
    T(RAFTCORE_E_NOT_LEADER, raftcore_propose_entry(n, NORMAL, data, 1));
    T(RAFTCORE_E_NOT_LEADER, raftcore_propose_entry(n, CHANGE, raw, 1));
    T(RAFTCORE_E_NOT_LEADER, raftcore_propose_conf(n, &add, 1, AUTO, none, 1));
    T(RAFTCORE_E_NOT_LEADER, raftcore_propose_in_term(n, 5, &data, 1, 1));
    T(RAFTCORE_E_NOT_LEADER, raftcore_propose_conf_at(n, 1, &add, 1, AUTO, none, 1));
    T(RAFTCORE_OK, raftcore_read_index(n, 1));
    T(RAFTCORE_E_FULL, raftcore_read_index(n, 2));
    T(RAFTCORE_E_NO_PEER, raftcore_transfer(n, 0));
    T(RAFTCORE_OK, raftcore_transfer(n, 3));
    T(RAFTCORE_OK, raftcore_forget_leader(n));
    end(n);

    n = lone(&c, 0);
    T(RAFTCORE_OK, raftcore_propose(n, &data, 1, 1));
    T(RAFTCORE_E_FULL, raftcore_propose(n, &data, 1, 2));
    T(RAFTCORE_E_FULL, raftcore_propose_many(n, &data, tokens, 1));
    T(RAFTCORE_E_FULL, raftcore_propose_entry(n, NORMAL, data, 2));
    T(RAFTCORE_E_FULL, raftcore_propose_entry(n, CHANGE, raw, 2));
    T(RAFTCORE_E_FULL, raftcore_propose_conf(n, &add, 1, AUTO, none, 2));
    T(RAFTCORE_E_FULL, raftcore_propose_in_term(n, 1, &data, 1, 2));
    T(RAFTCORE_E_FULL, raftcore_propose_conf_at(n, 1, &add, 1, AUTO, none, 2));
    T(RAFTCORE_E_TOO_LARGE, raftcore_propose_in_term(n, 1, &large, 1, 0));
    T(RAFTCORE_E_TOO_LARGE, raftcore_propose_conf_at(n, 1, &add, 1, AUTO, large, 0));
    T(RAFTCORE_E_CONF, raftcore_propose_conf_at(n, 1, &remove, 1, AUTO, none, 0));
    T(RAFTCORE_E_ARG, raftcore_propose_conf_at(n, 1, &reserved, 1, AUTO, none, 0));
    T(RAFTCORE_E_STALE, raftcore_propose_conf_at(n, 9, &add, 1, AUTO, none, 0));
    T(RAFTCORE_E_TOO_LARGE, raftcore_propose(n, &large, 1, 0));
    T(RAFTCORE_E_TOO_LARGE, raftcore_propose_many(n, &large, NULL, 1));
    T(RAFTCORE_E_TOO_LARGE, raftcore_propose_entry(n, NORMAL, large, 0));
    T(RAFTCORE_E_TOO_LARGE, raftcore_propose_conf(n, &add, 1, AUTO, large, 0));
    T(RAFTCORE_E_ARG, raftcore_propose_entry(n, 7, raw, 0));
    T(RAFTCORE_E_DECODE, raftcore_propose_entry(n, CHANGE, data, 0));
    T(RAFTCORE_E_UNSUPPORTED, raftcore_propose_entry(n, CHANGE, unknown, 0));
    T(RAFTCORE_E_CONF, raftcore_propose_entry(n, CHANGE, last_voter, 0));
    T(RAFTCORE_E_CONF, raftcore_propose_conf(n, &remove, 1, AUTO, none, 0));
    T(RAFTCORE_E_ARG, raftcore_propose_conf(n, &reserved, 1, AUTO, none, 0));
    T(RAFTCORE_E_ARG, raftcore_propose_conf(n, &add, 1, 77, none, 0));
    T(RAFTCORE_OK, raftcore_propose_many(n, &data, NULL, 1));
    T(RAFTCORE_OK, raftcore_propose_entry(n, NORMAL, data, 0));
    T(RAFTCORE_OK, raftcore_propose_in_term(n, 1, &data, 1, 0));
    T(RAFTCORE_OK, raftcore_propose_conf_at(n, 1, &add, 1, AUTO, none, 0));
    T(RAFTCORE_E_CONF_BUSY, raftcore_propose_conf_at(n, 1, &add, 1, AUTO, none, 0));
    T(RAFTCORE_E_CONF_BUSY, raftcore_propose_conf(n, &add, 1, AUTO, none, 0));
    T(RAFTCORE_E_CONF_BUSY, raftcore_propose_entry(n, CHANGE, raw, 0));
    T(RAFTCORE_E_NO_PEER, raftcore_transfer(n, 9));
    T(RAFTCORE_E_STATE, raftcore_abort_transfer(n));
    end(n);

    n = lone(&c, 0);
    T(RAFTCORE_OK, raftcore_propose_conf(n, &add, 1, AUTO, none, 0));
    end(n);

    n = leader(&c);
    answer(n, 2, 2);
    T(RAFTCORE_OK, raftcore_transfer(n, 2));
    T(RAFTCORE_E_NO_LEADER, raftcore_propose(n, &data, 1, 1));
    T(RAFTCORE_OK, raftcore_abort_transfer(n));
    end(n);
}

/* What only the dialect of raft-rs has. */
static void with_contexts(void) {
    static const uint8_t remove_1[] = {0x10, RAFTCORE_CHANGE_REMOVE_NODE, 0x18, 1}, add_2[] = {0x10, 0, 0x18, 2}, odd[] = {0x10, 77, 0x18, 2};
    raftcore_slice last_voter = {remove_1, sizeof remove_1}, raw = {add_2, sizeof add_2}, unknown = {odd, sizeof odd};
    raftcore_slice context = {(const uint8_t *)"who", 3}, large = {payload, 3000};
    raftcore_config c = config(RAFTCORE_STORAGE_SYNC);
    raftcore_change update = {1, RAFTCORE_CHANGE_UPDATE_NODE, 0};
    enum { NORMAL = RAFTCORE_ENTRY_NORMAL, CHANGE = RAFTCORE_ENTRY_CONF_CHANGE, AUTO = RAFTCORE_TRANSITION_AUTO };
    raftcore_node *n = lone(&c, 0);
    T(RAFTCORE_E_UNSUPPORTED, raftcore_propose_with_context(n, NORMAL, context, data, 1));
    end(n);

    c.dialect = RAFTCORE_DIALECT_ERAFTPB;
    c.max_tokens = 1;
    n = founder(&c, 3, 0);
    T(RAFTCORE_E_NO_LEADER, raftcore_propose_with_context(n, NORMAL, context, data, 1));
    T(RAFTCORE_E_NO_LEADER, raftcore_request_snapshot(n));
    end(n);
    n = follower(&c);
    T(RAFTCORE_E_NOT_LEADER, raftcore_propose_with_context(n, NORMAL, context, data, 1));
    T(RAFTCORE_E_STATE, raftcore_request_snapshot(n)); /* no entry of term 5 yet */
    bytes m = message(RAFTCORE_MSG_APP, 1, 2, 5);
    put_number(&m, M_LOG_TERM, 1);
    put_number(&m, M_INDEX, 1);
    put_entry(&m, RAFTCORE_ENTRY_NORMAL, 5, 2, NULL, 0);
    OK(n, raftcore_step(n, 2, m.at, m.len));
    work(n);
    T(RAFTCORE_OK, raftcore_request_snapshot(n));
    T(RAFTCORE_E_STATE, raftcore_request_snapshot(n));
    end(n);

    n = lone(&c, 0);
    T(RAFTCORE_E_UNSUPPORTED, raftcore_propose_conf(n, &update, 1, AUTO, none, 0));
    T(RAFTCORE_E_UNSUPPORTED, raftcore_propose_conf_at(n, 1, &update, 1, AUTO, none, 0));
    T(RAFTCORE_E_ARG, raftcore_propose_with_context(n, 7, context, raw, 0));
    T(RAFTCORE_E_DECODE, raftcore_propose_with_context(n, CHANGE, context, data, 0));
    T(RAFTCORE_E_UNSUPPORTED, raftcore_propose_with_context(n, CHANGE, context, unknown, 0));
    T(RAFTCORE_E_CONF, raftcore_propose_with_context(n, CHANGE, context, last_voter, 0));
    T(RAFTCORE_E_TOO_LARGE, raftcore_propose_with_context(n, NORMAL, large, none, 0));
    T(RAFTCORE_OK, raftcore_propose_with_context(n, NORMAL, context, data, 1));
    T(RAFTCORE_E_FULL, raftcore_propose_with_context(n, NORMAL, context, data, 2));
    T(RAFTCORE_OK, raftcore_propose_with_context(n, CHANGE, context, raw, 0));
    T(RAFTCORE_E_CONF_BUSY, raftcore_propose_with_context(n, CHANGE, context, raw, 0));
    end(n);
}

/* The functions of the heap come first. From then on all memory here is theirs. */
static void *heap_alloc(void *context, size_t size, size_t align) {
    (void)context;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void *heap_resize(void *context, void *old, size_t old_size, size_t new_size, size_t align) {
    void *moved = heap_alloc(context, new_size, align);
    if (moved != NULL) {
        memcpy(moved, old, old_size < new_size ? old_size : new_size);
        free(old);
    }
    return moved;
}

static void heap_free(void *context, void *old, size_t size, size_t align) {
    (void)context, (void)size, (void)align;
    free(old);
}

static void functions_of_the_heap(void) {
    raftcore_heap heap = {0}, bad;
    heap.struct_size = sizeof heap;
    heap.alloc = heap_alloc;
    heap.resize = heap_resize;
    heap.free = heap_free;
    bad = heap;
    bad.reserved0 = 1;
    N(RAFTCORE_E_ARG, raftcore_set_heap(&bad));
    bad = heap;
    bad.resize = NULL;
    N(RAFTCORE_E_NULL, raftcore_set_heap(&bad));
    bad.struct_size = 3;
    N(RAFTCORE_E_ABI, raftcore_set_heap(&bad));
    N(RAFTCORE_OK, raftcore_set_heap(&heap));
    N(RAFTCORE_E_STATE, raftcore_set_heap(&heap));
}

static void settings(void) {
    raftcore_config c = config(RAFTCORE_STORAGE_SYNC);
    raftcore_node *n = leader(&c);
    raftcore_status s = {0};
    raftcore_conf conf = {0};
    raftcore_event event;
    raftcore_peer peers[3];
    size_t count;
    uint8_t text[8];
    T(RAFTCORE_OK, raftcore_campaign(n));
    T(RAFTCORE_OK, raftcore_forget_leader(n));
    T(RAFTCORE_E_ARG, raftcore_set_electable(n, 2));
    T(RAFTCORE_OK, raftcore_set_electable(n, 1));
    T(RAFTCORE_E_ARG, raftcore_set_commit_broadcast(n, 2));
    T(RAFTCORE_OK, raftcore_set_commit_broadcast(n, 1));
    T(RAFTCORE_OK, raftcore_set_priority(n, -3));
    T(RAFTCORE_E_NO_PEER, raftcore_set_window(n, 9, 1, 0));
    T(RAFTCORE_OK, raftcore_set_window(n, 2, 1, 0));
    T(RAFTCORE_OK, raftcore_set_window(n, 2, 0, 0));
    T(RAFTCORE_E_NO_PEER, raftcore_set_commit_group(n, 9, 1));
    T(RAFTCORE_OK, raftcore_set_commit_group(n, 2, 1));
    T(RAFTCORE_E_NO_PEER, raftcore_promote_when_caught_up(n, 9, 1));
    T(RAFTCORE_E_ARG, raftcore_promote_when_caught_up(n, 2, 2));
    T(RAFTCORE_OK, raftcore_promote_when_caught_up(n, 2, 0));
    T(RAFTCORE_OK, raftcore_ping(n));
    T(RAFTCORE_OK, raftcore_trim(n));
    T(RAFTCORE_E_ARG, raftcore_set_flags(n, RAFTCORE_FLAG_CONF_APART, 0));
    T(RAFTCORE_OK, raftcore_set_flags(n, RAFTCORE_FLAG_PRE_VOTE, 0));
    T(RAFTCORE_E_ARG, raftcore_set_election_timeout(n, 0));
    T(RAFTCORE_OK, raftcore_set_election_timeout(n, 9));
    T(RAFTCORE_OK, raftcore_report_unreachable(n, 2));
    T(RAFTCORE_E_NO_PEER, raftcore_report_unreachable(n, 9));
    T(RAFTCORE_OK, raftcore_report_snapshot(n, 2, RAFTCORE_SNAPSHOT_UNDER_WAY));
    T(RAFTCORE_E_NO_PEER, raftcore_report_snapshot(n, 9, RAFTCORE_SNAPSHOT_FAILED));
    T(RAFTCORE_E_ARG, raftcore_report_snapshot(n, 2, 3));
    T(RAFTCORE_E_ABI, raftcore_get_status(n, &s));
    s.struct_size = sizeof s;
    T(RAFTCORE_OK, raftcore_get_status(n, &s));
    T(RAFTCORE_E_ABI, raftcore_get_conf(n, &conf));
    conf.struct_size = sizeof conf;
    T(RAFTCORE_OK, raftcore_get_conf(n, &conf));
    T(RAFTCORE_OK, raftcore_get_peers(n, peers, 3, &count));
    T(RAFTCORE_OK, raftcore_next_event(n, &event));
    while (raftcore_next_event(n, &event) == RAFTCORE_OK) {}
    T(RAFTCORE_NONE, raftcore_next_event(n, &event));
    CHECK(raftcore_tick_many(&n, 1, 1, NULL, 0) <= 1 && raftcore_config_error(&c, (char *)text, sizeof text) == 0);
    end(n);

    /* T plants by this call, so the call comes without T here. */
    n = lone(&c, 0);
    N(RAFTCORE_E_ARG, raftcore_set_window(n, 1, 65537, 0));
    end(n);
}

/* Readies and their acknowledgements, in each mode. */
static void readies(void) {
    raftcore_config c = config(RAFTCORE_STORAGE_SYNC);
    raftcore_ready rd = {0}, other = {0};
    raftcore_conf conf = conf_of(0, 0);
    raftcore_change learner = {2, RAFTCORE_CHANGE_ADD_LEARNER, 0};
    raftcore_input in = input();
    raftcore_node *n;
    uint8_t flat[2000];
    size_t need;
    rd.struct_size = sizeof rd;

    /* SYNC */
    n = founder(&c, 1, 0);
    T(RAFTCORE_NONE, raftcore_get_ready(n, &rd));
    T(RAFTCORE_NONE, raftcore_ready_flat(n, flat, sizeof flat, &need));
    T(RAFTCORE_NONE, raftcore_turn(n, &in, &rd));
    T(RAFTCORE_NONE, raftcore_turn_flat(n, &in, flat, sizeof flat, &need));
    T(RAFTCORE_NONE, raftcore_view(n, 1, &rd));
    T(RAFTCORE_NONE, raftcore_view_flat(n, 1, flat, sizeof flat, &need));
    T(RAFTCORE_E_ARG, raftcore_advance(n, 1));
    OK(n, raftcore_campaign(n));
    T(RAFTCORE_E_ABI, raftcore_get_ready(n, &other));
    T(RAFTCORE_E_TOO_SMALL, raftcore_ready_flat(n, flat, 9, &need));
    T(RAFTCORE_E_ARG, raftcore_advance(n, 1)); /* the host has not seen the ready */
    T(RAFTCORE_OK, raftcore_ready_flat(n, flat, sizeof flat, &need));
    T(RAFTCORE_OK, raftcore_view_flat(n, 1, flat, sizeof flat, &need));
    T(RAFTCORE_E_TOO_SMALL, raftcore_view_flat(n, 1, flat, 9, &need));
    T(RAFTCORE_OK, raftcore_view(n, 1, &rd));
    T(RAFTCORE_E_ABI, raftcore_view(n, 1, &other));
    T(RAFTCORE_OK, raftcore_get_ready(n, &rd));
    T(RAFTCORE_E_STATE, raftcore_persisted(n, 1));
    T(RAFTCORE_E_STATE, raftcore_applied(n, 1));
    T(RAFTCORE_E_STATE, raftcore_release(n, 1));
    T(RAFTCORE_E_STATE, raftcore_step_local(n, flat, 3));
    T(RAFTCORE_OK, raftcore_advance(n, 1));
    T(RAFTCORE_E_STALE, raftcore_advance(n, 1));
    work(n);

    /* A turn with a ready, and a turn with the last ready. */
    raftcore_node *before = copy_of(n);
    OK(n, raftcore_propose(n, &data, 1, 0));
    T(RAFTCORE_OK, raftcore_turn(n, &in, &rd));
    in.done = rd.number;
    T(RAFTCORE_LAST, raftcore_turn(n, &in, &rd));
    in.done = 99;
    T(RAFTCORE_E_ARG, raftcore_turn(n, &in, &rd));
    T(RAFTCORE_E_ARG, raftcore_turn_flat(n, &in, flat, sizeof flat, &need));
    end(n);
    n = before;
    in.done = 0;
    OK(n, raftcore_propose(n, &data, 1, 0));
    T(RAFTCORE_E_TOO_SMALL, raftcore_turn_flat(n, &in, flat, 9, &need));
    T(RAFTCORE_OK, raftcore_turn_flat(n, &in, flat, sizeof flat, &need));
    in.done = ((const raftcore_flat *)(const void *)flat)->number;
    T(RAFTCORE_LAST, raftcore_turn_flat(n, &in, flat, sizeof flat, &need));
    work(n);

    /* An unapplied change holds back the acknowledgement. */
    OK(n, raftcore_propose_conf(n, &learner, 1, RAFTCORE_TRANSITION_AUTO, none, 0));
    rd = ready(n);
    OK(n, raftcore_advance(n, rd.number));
    rd = ready(n);
    CHECK(rd.n_committed == 1 && rd.committed->kind != RAFTCORE_ENTRY_NORMAL);
    T(RAFTCORE_E_STATE, raftcore_advance(n, rd.number));
    raftcore_entry e = *rd.committed, wrong = e;
    wrong.index++;
    T(RAFTCORE_E_ARG, raftcore_apply_conf(n, &wrong, &conf));
    wrong = e;
    wrong.data = data;
    T(RAFTCORE_E_DECODE, raftcore_apply_conf(n, &wrong, &conf));
    static const uint8_t odd[] = {0x12, 4, 0x08, 77, 0x10, 2}, last_voter[] = {0x12, 4, 0x08, 1, 0x10, 1};
    wrong.kind = RAFTCORE_ENTRY_CONF_CHANGE_V2;
    wrong.data.ptr = odd;
    wrong.data.len = sizeof odd;
    T(RAFTCORE_E_UNSUPPORTED, raftcore_apply_conf(n, &wrong, &conf));
    wrong.data.ptr = last_voter;
    T(RAFTCORE_E_CONF, raftcore_apply_conf(n, &wrong, &conf));
    before = copy_of(n);
    T(RAFTCORE_OK, raftcore_apply_conf(n, &e, &conf));
    T(RAFTCORE_E_STALE, raftcore_apply_conf(n, &e, &conf));
    T(RAFTCORE_E_STALE, raftcore_skip_conf(n, e.index, &conf));
    T(RAFTCORE_OK, raftcore_advance(n, rd.number));
    T(RAFTCORE_E_ARG, raftcore_compacted(n, 99));
    T(RAFTCORE_OK, raftcore_compacted(n, 3));
    T(RAFTCORE_E_STALE, raftcore_compacted(n, 3));
    end(n);
    n = before;
    T(RAFTCORE_E_ARG, raftcore_skip_conf(n, 99, &conf));
    T(RAFTCORE_OK, raftcore_skip_conf(n, e.index, &conf));
    end(n);

    /* Changes apart from entries. */
    static const uint8_t add_2[] = {0x12, 4, 0x08, RAFTCORE_CHANGE_ADD_LEARNER, 0x10, 2};
    raftcore_slice raw = {add_2, sizeof add_2}, unknown = {odd, sizeof odd}, impossible = {last_voter, sizeof last_voter};
    enum { V2 = RAFTCORE_ENTRY_CONF_CHANGE_V2 };
    n = lone(&c, 0);
    T(RAFTCORE_E_STATE, raftcore_apply_change(n, V2, raw, &conf));
    end(n);
    c.flags |= RAFTCORE_FLAG_CONF_APART;
    n = lone(&c, 0);
    T(RAFTCORE_OK, raftcore_apply_change(n, V2, raw, &conf));
    T(RAFTCORE_E_ARG, raftcore_apply_change(n, RAFTCORE_ENTRY_NORMAL, raw, &conf));
    T(RAFTCORE_E_DECODE, raftcore_apply_change(n, V2, data, &conf));
    T(RAFTCORE_E_UNSUPPORTED, raftcore_apply_change(n, V2, unknown, &conf));
    T(RAFTCORE_E_CONF, raftcore_apply_change(n, V2, impossible, &conf));
    end(n);

    /* ASYNC */
    c = config(RAFTCORE_STORAGE_ASYNC);
    c.max_outstanding = 3;
    n = lone(&c, 0);
    rd = ready(n);
    T(RAFTCORE_OK, raftcore_persisted(n, rd.number));
    T(RAFTCORE_E_STALE, raftcore_persisted(n, rd.number));
    T(RAFTCORE_E_ARG, raftcore_persisted(n, 99));
    while (rd.committed_last != 2) {
        OK(n, raftcore_release(n, rd.number));
        rd = ready(n);
        OK(n, raftcore_persisted(n, rd.number));
    }
    for (int i = 0; i < 3; i++) {
        OK(n, raftcore_propose(n, &data, 1, 0));
        if (i < 2)
            rd = ready(n);
    }
    T(RAFTCORE_E_FULL, raftcore_get_ready(n, &rd));
    T(RAFTCORE_E_FULL, raftcore_ready_flat(n, flat, sizeof flat, &need));
    in = input();
    T(RAFTCORE_E_FULL, raftcore_turn(n, &in, &rd));
    T(RAFTCORE_E_FULL, raftcore_turn_flat(n, &in, flat, sizeof flat, &need));
    T(RAFTCORE_OK, raftcore_applied(n, 2));
    T(RAFTCORE_E_STALE, raftcore_applied(n, 2));
    T(RAFTCORE_E_ARG, raftcore_applied(n, 99));
    T(RAFTCORE_OK, raftcore_release(n, rd.number));
    T(RAFTCORE_E_STALE, raftcore_release(n, rd.number));
    T(RAFTCORE_E_ARG, raftcore_release(n, 99));
    while (raftcore_get_ready(n, &rd) == RAFTCORE_OK)
        OK(n, raftcore_advance(n, rd.number));
    OK(n, raftcore_propose_conf(n, &learner, 1, RAFTCORE_TRANSITION_AUTO, none, 0));
    rd = ready(n);
    OK(n, raftcore_persisted(n, rd.number));
    rd = ready(n);
    T(RAFTCORE_E_STATE, raftcore_applied(n, rd.committed_last));
    end(n);

    /* MESSAGES */
    c = config(RAFTCORE_STORAGE_MESSAGES);
    n = lone(&c, 0);
    T(RAFTCORE_E_DECODE, raftcore_step_local(n, (const uint8_t *)"\xff", 1));
    bytes m = message(RAFTCORE_MSG_HEARTBEAT, 1, 2, 5);
    T(RAFTCORE_E_NOT_FOR_ME, raftcore_step_local(n, m.at, m.len));
    rd = ready(n);
    int found = 0;
    for (uint32_t i = 0; i < rd.n_msgs; i++) {
        size_t len;
        uint64_t number, value;
        raftcore_slice part;
        OK(n, raftcore_flatten(KIT_AT(raftcore_msg, rd.msgs, rd.msg_stride, i), flat, sizeof flat, &len));
        for (const uint8_t *p = flat + RAFTCORE_FRAME_HEADER; p < flat + len && !found;) {
            p = kit_field(p, flat + len, &number, &value, &part);
            if (number == 14) {
                T(RAFTCORE_OK, raftcore_step_local(n, part.ptr, part.len));
                found = 1;
            }
        }
    }
    CHECK(found);
    T(RAFTCORE_E_STATE, raftcore_advance(n, rd.number));
    T(RAFTCORE_OK, raftcore_release(n, rd.number));
    end(n);
}

/* Fetches for a peer, and for the node itself. */
static void fetching(void) {
    raftcore_config c = config(RAFTCORE_STORAGE_SYNC);
    raftcore_node *n = lone(&c, 1), *before;
    raftcore_fetch f = {0};
    raftcore_conf conf = conf_of(1, 1), twice = conf, garbage = conf, without = conf_of(1, 0);
    raftcore_ready rd = {0};
    raftcore_input in = input();
    raftcore_slice small = {payload, 10}, large = {payload, 17};
    static raftcore_entry log[64];
    uint64_t twice_ids[2] = {1, 1};
    uint8_t flat[100];
    size_t need;
    rd.struct_size = sizeof rd;
    f.struct_size = sizeof f;
    twice.voters = twice_ids;
    twice.n_voters = 2;
    garbage.bytes.ptr = (const uint8_t *)"\xff";
    garbage.bytes.len = 1;
    T(RAFTCORE_NONE, raftcore_next_fetch(n, &f));
    for (uint64_t i = 0; i < 60; i++) {
        raftcore_slice part = {payload, 1000};
        OK(n, raftcore_propose(n, &part, 1, 0));
        work(n);
        raftcore_entry e = {1, i + 3, 0, 0, part, 0, {NULL, 0}};
        log[i] = e;
    }
    /* The learner has the log of a founder, up to index 1. */
    OK(n, raftcore_tick(n, 1));
    bytes reject = message(RAFTCORE_MSG_APP_RESP, 1, 2, 1);
    put_number(&reject, M_INDEX, 1);
    OK(n, raftcore_step(n, 2, reject.at, reject.len));
    T(RAFTCORE_FETCH_FIRST, raftcore_turn(n, &in, &rd));
    T(RAFTCORE_FETCH_FIRST, raftcore_turn_flat(n, &in, flat, sizeof flat, &need));
    T(RAFTCORE_OK, raftcore_next_fetch(n, &f));
    CHECK(f.kind == RAFTCORE_FETCH_ENTRIES && f.first == 2);
    raftcore_entry first = {1, 2, 0, 0, {NULL, 0}, 0, {NULL, 0}}, wrong = {1, 9, 0, 0, {NULL, 0}, 0, {NULL, 0}};
    T(RAFTCORE_E_ARG, raftcore_supply_entries(n, f.id, &wrong, 1));
    T(RAFTCORE_E_ARG, raftcore_supply_none(n, f.id, 9));
    T(RAFTCORE_E_ARG, raftcore_supply_none(n, f.id + 9, RAFTCORE_SUPPLY_GONE));
    before = copy_of(n);
    T(RAFTCORE_OK, raftcore_supply_entries(n, f.id, &first, 1));
    T(RAFTCORE_IGNORED, raftcore_supply_entries(n, f.id, &first, 1));
    T(RAFTCORE_IGNORED, raftcore_supply_none(n, f.id, RAFTCORE_SUPPLY_LATER));
    end(n);
    n = before;
    T(RAFTCORE_OK, raftcore_supply_none(n, f.id, RAFTCORE_SUPPLY_GONE));
    OK(n, raftcore_next_fetch(n, &f));
    CHECK(f.kind == RAFTCORE_FETCH_SNAPSHOT);
    T(RAFTCORE_E_ARG, raftcore_supply_snapshot(n, f.id, 99, &conf, small));
    T(RAFTCORE_E_ARG, raftcore_supply_snapshot(n, f.id, 60, &without, small));
    T(RAFTCORE_E_CONF, raftcore_supply_snapshot(n, f.id, 60, &twice, small));
    T(RAFTCORE_E_DECODE, raftcore_supply_snapshot(n, f.id, 60, &garbage, small));
    T(RAFTCORE_E_TOO_LARGE, raftcore_supply_snapshot(n, f.id, 60, &conf, large));
    T(RAFTCORE_OK, raftcore_supply_snapshot(n, f.id, 60, &conf, small));
    T(RAFTCORE_IGNORED, raftcore_supply_snapshot(n, f.id, 60, &conf, small));
    end(n);

    raftcore_stored stored = kit_founder(&conf);
    raftcore_entry all[61];
    all[0] = first;
    memcpy(all + 1, log, 60 * sizeof *log);
    stored.term = 1;
    stored.commit = stored.last = 62;
    stored.entries = all;
    stored.n_entries = 61;
    n = made(&c);
    OK(n, raftcore_boot(n, &stored));
    OK(n, raftcore_next_fetch(n, &f));
    CHECK(f.kind == RAFTCORE_FETCH_APPLY);
    T(RAFTCORE_E_CORRUPT, raftcore_supply_none(n, f.id, RAFTCORE_SUPPLY_GONE));
    T(RAFTCORE_E_ARG, raftcore_supply_entries(n, f.id, &wrong, 1));
    T(RAFTCORE_OK, raftcore_supply_entries(n, f.id, all, 3));
    end(n);
}

/* ---- the sum */

/* Listed codes that other tests make. */
static const struct { const char *function; raftcore_code code; const char *reason; } elsewhere[] = {
    {"", RAFTCORE_E_NOMEM, "alloc.c lets each heap call fail"},
    {"", RAFTCORE_E_PANIC, "panic.c has a library with a bug in it"},
    {"raftcore_set_heap", RAFTCORE_E_UNSUPPORTED, "panic.c has a library without the feature"},
    {"raftcore_free", RAFTCORE_E_BUSY, "misuse.c has threads"},
};

static int is_elsewhere(const struct function *f, raftcore_code code) {
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (elsewhere[i].code == code && (elsewhere[i].function[0] == 0 || strcmp(elsewhere[i].function, f->name) == 0))
            return 1;
    return 0;
}

int main(int argc, char **argv) {
    set generic = 0;
    int missing = 0, produced = 0;
    for (size_t i = 0; i < sizeof any_call / sizeof *any_call; i++)
        generic |= bit_of(any_call[i]);
    read_page(argc > 1 ? argv[1] : "include/raftcore.h");
    functions_of_the_heap();
    without_a_node();
    booting();
    stepping();
    proposing();
    with_contexts();
    settings();
    readies();
    fetching();
    for (int i = 0; i < n_functions; i++) {
        const struct function *f = &functions[i];
        if (f->answers && f->calls == 0 && ++missing)
            printf("%s: not called\n", f->name);
        for (int j = 0; j < N_CODES; j++) {
            set bit = (set)1 << j;
            int seen = (f->seen & bit) != 0, listed = (f->listed & bit) != 0;
            produced += seen;
            if (f->answers && listed && !seen && !is_elsewhere(f, codes[j].code) && ++missing)
                printf("%s: %s is listed, and never came\n", f->name, codes[j].name);
            if (seen && !listed && !((f->may | generic) & bit) && ++missing)
                printf("%s: %s came, and is not listed\n", f->name, codes[j].name);
        }
    }
    printf("%d functions, %d pairs of a function and a code\n", n_functions, produced);
    return missing > 0;
}
