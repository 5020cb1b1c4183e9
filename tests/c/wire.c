/* Calls without a loop: frames in a receive buffer, the largest frame, configurations as bytes. */
#include "kit.h"
#include "message.h"

static raftcore_frame frame(void) {
    raftcore_frame f = {0};
    f.struct_size = sizeof f;
    return f;
}

/* A prefix of a frame gives the number of bytes of the frame. A whole frame gives the place of its message. */
static void walk(void) {
    bytes messages[3] = {message(RAFTCORE_MSG_HEARTBEAT, 1, 2, 3), {.len = 0}, message(RAFTCORE_MSG_APP, 1, 2, 3)}, all = {.len = 0};
    raftcore_frame f = frame();
    put_entry(&messages[2], RAFTCORE_ENTRY_NORMAL, 3, 7, "some data of an entry", 21);
    for (uint64_t i = 0; i < 3; i++) {
        bytes one = framed(&messages[i], UINT64_C(0x0102030405060700) + i);
        for (size_t len = 0; len < one.len; len++) {
            memset(&f, 0xEE, sizeof f);
            f.struct_size = sizeof f;
            CODE(raftcore_frame_next(len ? one.at : NULL, len, 1000, &f), RAFTCORE_NONE);
            CHECK(f.bytes == (len < RAFTCORE_FRAME_HEADER ? 0 : one.len) && f.msg.ptr == NULL && f.msg.len == 0 && f.group == 0);
            CHECK(f.reserved0 == 0 && f.struct_size == sizeof f);
        }
        memcpy(all.at + all.len, one.at, one.len);
        all.len += one.len;
    }
    size_t at = 0;
    for (uint64_t i = 0; i < 3; i++) {
        CODE(raftcore_frame_next(all.at + at, all.len - at, 1000, &f), RAFTCORE_OK);
        CHECK(f.group == UINT64_C(0x0102030405060700) + i && f.bytes == RAFTCORE_FRAME_HEADER + messages[i].len);
        CHECK(f.msg.len == messages[i].len && (f.msg.len == 0 || f.msg.ptr == all.at + at + RAFTCORE_FRAME_HEADER));
        at += (size_t)f.bytes;
    }
    CHECK(at == all.len);
    CODE(raftcore_frame_next(all.at + at, 0, 1000, &f), RAFTCORE_NONE);

    /* The limit includes the header. A header alone is enough to exceed the limit. */
    bytes one = framed(&messages[2], 0);
    CODE(raftcore_frame_next(one.at, one.len, one.len, &f), RAFTCORE_OK);
    CODE(raftcore_frame_next(one.at, RAFTCORE_FRAME_HEADER, one.len, &f), RAFTCORE_NONE);
    f.bytes = 77;
    CODE(raftcore_frame_next(one.at, RAFTCORE_FRAME_HEADER, one.len - 1, &f), RAFTCORE_E_DECODE);
    CHECK(f.bytes == 77);
    memset(one.at, 0xff, 4);
    CODE(raftcore_frame_next(one.at, one.len, UINT64_MAX, &f), RAFTCORE_NONE);
    CHECK(f.bytes == (uint64_t)UINT32_MAX + RAFTCORE_FRAME_HEADER);
}

static raftcore_node *booted(const raftcore_config *c) {
    kit_reset();
    kit_found(c, 1);
    return kit[1].node;
}

/* A node has the same limit: with one byte more raftcore_step_frames refuses the stream. */
static void limit(void) {
    static const struct { uint64_t entry, snapshot, message; } sizes[] = {
        {1 << 20, 1 << 20, 1 << 20}, {100, 200, 300}, {4 << 20, 0, 0}, {0, 3 << 20, 0}, {0, 0, 5 << 20}, {0, 0, 0},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
        uint64_t most = 0;
        c.max_entry_bytes = sizes[i].entry;
        c.max_snapshot_bytes = sizes[i].snapshot;
        c.max_size_per_msg = sizes[i].message;
        OK(NULL, raftcore_frame_limit(&c, &most));
        CHECK(most > sizes[i].entry && most > sizes[i].snapshot && most > sizes[i].message);
        raftcore_node *n = booted(&c);
        for (uint64_t more = 0; more < 2; more++) {
            uint8_t header[RAFTCORE_FRAME_HEADER] = {0};
            size_t used = 77;
            uint64_t len = most - RAFTCORE_FRAME_HEADER + more;
            raftcore_frame f = frame();
            for (int at = 0; at < 4; at++)
                header[at] = (uint8_t)(len >> (8 * at));
            CODE(raftcore_step_frames(n, 0, header, sizeof header, &used, NULL, NULL), more ? RAFTCORE_E_DECODE : RAFTCORE_OK);
            CODE(raftcore_frame_next(header, sizeof header, most, &f), more ? RAFTCORE_E_DECODE : RAFTCORE_NONE);
        }
    }
}

static uint64_t longest_frame, probe;

static void measure(const raftcore_ready *rd) {
    for (uint32_t i = 0; i < rd->n_msgs; i++) {
        const raftcore_msg *m = KIT_AT(raftcore_msg, rd->msgs, rd->msg_stride, i);
        if (m->frame_bytes > longest_frame)
            longest_frame = m->frame_bytes;
        if (m->kind == RAFTCORE_MSG_APP)
            probe = m->index;
    }
}

/* A node sends no larger frame: largest snapshots, largest entries, largest appends. */
static void no_larger_frame(void) {
    static uint8_t data[300 << 10];
    uint64_t most = 0;
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    raftcore_slice one = {data, 200 << 10}, many[8], snapshot = {data, 250 << 10}, none = {NULL, 0};
    raftcore_change add = {2, RAFTCORE_CHANGE_ADD_LEARNER, 0};
    raftcore_conf conf = {0};
    raftcore_fetch f = {0};
    raftcore_ready rd = {0};
    f.struct_size = sizeof f;
    rd.struct_size = sizeof rd;
    conf.struct_size = sizeof conf;
    c.max_entry_bytes = one.len;
    c.max_size_per_msg = 100 << 10;
    c.max_snapshot_bytes = snapshot.len;
    OK(NULL, raftcore_frame_limit(&c, &most));
    raftcore_node *n = booted(&c);
    OK(n, raftcore_campaign(n));
    for (int round = 0; round < 40; round++) {
        while (raftcore_next_fetch(n, &f) == RAFTCORE_OK) {
            CHECK(f.kind == RAFTCORE_FETCH_SNAPSHOT);
            OK(n, raftcore_get_conf(n, &conf));
            OK(n, raftcore_supply_snapshot(n, f.id, conf.index, &conf, snapshot));
        }
        while (raftcore_get_ready(n, &rd) == RAFTCORE_OK) {
            measure(&rd);
            for (uint32_t i = 0; i < rd.n_committed; i++) {
                const raftcore_entry *e = KIT_AT(raftcore_entry, rd.committed, rd.entry_stride, i);
                if (e->kind != RAFTCORE_ENTRY_NORMAL)
                    OK(n, raftcore_apply_conf(n, e, &conf));
            }
            OK(n, raftcore_advance(n, rd.number));
        }
        if (round == 0)
            OK(n, raftcore_propose_conf(n, &add, 1, RAFTCORE_TRANSITION_AUTO, none, 0));
        if (probe > 0 && round < 10) { /* the learner has no log */
            bytes reject = message(RAFTCORE_MSG_APP_RESP, 1, 2, 1);
            put_number(&reject, M_INDEX, probe);
            put_number(&reject, M_REJECT, 1);
            OK(n, raftcore_compacted(n, 3));
            OK(n, raftcore_step(n, 2, reject.at, reject.len));
            probe = 0;
        }
        OK(n, raftcore_tick(n, 1));
    }
    CHECK(longest_frame > snapshot.len && longest_frame <= most);

    /* The learner has answered, and is sent entries: a large entry, then many small entries. */
    bytes answer = message(RAFTCORE_MSG_APP_RESP, 1, 2, 1);
    raftcore_status s = {0};
    s.struct_size = sizeof s;
    OK(n, raftcore_get_status(n, &s));
    put_number(&answer, M_INDEX, s.last_index);
    OK(n, raftcore_step(n, 2, answer.at, answer.len));
    longest_frame = 0;
    OK(n, raftcore_propose(n, &one, 1, 0));
    for (int i = 0; i < 8; i++) {
        many[i].ptr = data;
        many[i].len = 30 << 10;
    }
    OK(n, raftcore_propose_many(n, many, NULL, 8));
    while (raftcore_get_ready(n, &rd) == RAFTCORE_OK) {
        measure(&rd);
        OK(n, raftcore_advance(n, rd.number));
    }
    CHECK(longest_frame > one.len && longest_frame <= most);
}

/* raftcore_conf_encode and raftcore_get_conf give the same bytes. The bytes boot a node. */
static void configurations(void) {
    uint64_t ids[] = {1, 2, 3, 300, UINT64_MAX - 16}; /* sorted, as in a node; the encoder does not sort */
    raftcore_conf confs[4];
    for (int i = 0; i < 4; i++) {
        memset(&confs[i], 0, sizeof confs[i]);
        confs[i].struct_size = sizeof confs[i];
        confs[i].voters = ids;
        confs[i].n_voters = 3;
        confs[i].index = 1;
    }
    confs[1].learners = ids + 3;
    confs[1].n_learners = 2;
    confs[2].outgoing = ids + 1;
    confs[2].n_outgoing = 3;
    confs[2].auto_leave = 1;
    confs[2].learners_next = ids + 3;
    confs[2].n_learners_next = 1;
    confs[3].n_voters = 0;
    for (int i = 0; i < 4; i++) {
        raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
        raftcore_conf from_bytes = {0}, out = {0};
        raftcore_node *n = NULL, *other = NULL;
        uint8_t buf[128];
        size_t need = 77, again = 77;
        memset(buf, 0xEE, sizeof buf);
        CODE(raftcore_conf_encode(&confs[i], NULL, 0, &need), RAFTCORE_E_TOO_SMALL);
        CHECK(need > 0 && need < sizeof buf);
        CODE(raftcore_conf_encode(&confs[i], buf, need - 1, NULL), RAFTCORE_E_TOO_SMALL);
        CHECK(buf[0] == 0xEE);
        OK(NULL, raftcore_conf_encode(&confs[i], buf, need, &again));
        CHECK(again == need && buf[need] == 0xEE);

        raftcore_stored stored = kit_founder(&confs[i]);
        CODE(raftcore_new(&c, &n), RAFTCORE_OK);
        OK(n, raftcore_boot(n, &stored));
        out.struct_size = sizeof out;
        OK(n, raftcore_get_conf(n, &out));
        CHECK(out.index == 1 && out.bytes.len == need && memcmp(out.bytes.ptr, buf, need) == 0);

        from_bytes.struct_size = sizeof from_bytes;
        from_bytes.bytes.ptr = buf;
        from_bytes.bytes.len = need;
        stored.conf = &from_bytes;
        CODE(raftcore_new(&c, &other), RAFTCORE_OK);
        OK(other, raftcore_boot(other, &stored));
        CHECK(raftcore_digest(n, 0) == raftcore_digest(other, 0));

        /* The configuration of a node has bytes, and is refused. Without the bytes its ids are encoded. */
        CODE(raftcore_conf_encode(&out, buf, sizeof buf, &again), RAFTCORE_E_ARG);
        out.bytes.ptr = NULL;
        OK(NULL, raftcore_conf_encode(&out, buf, sizeof buf, &again));
        CHECK(again == need);
        /* Without an index the encoding is a plain ConfState. */
        out.index = 0;
        OK(NULL, raftcore_conf_encode(&out, buf, sizeof buf, &again));
        CHECK(again == need - 2);
        CODE(raftcore_free(n), RAFTCORE_OK);
        CODE(raftcore_free(other), RAFTCORE_OK);
    }
}

int main(void) {
    walk();
    limit();
    no_larger_frame();
    configurations();
    kit_reset();
    return 0;
}
