/* A cluster in one process for the C tests: hosts with a disk in memory, in each of the three storage modes, and a network that can
 * be cut. Written as a host would be, but nothing is allocated, so that alloc.c can count. */
#ifndef KIT_H
#define KIT_H
#include "check.h"
#include "raftcore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE(call, wanted) kit_code(NULL, call, wanted, __FILE__, __LINE__, #call)
#define OK(node, call) kit_code(node, call, RAFTCORE_OK, __FILE__, __LINE__, #call)

static inline void kit_code(const raftcore_node *node, raftcore_code code, raftcore_code wanted, const char *file, int line,
                            const char *call) {
    if (code != wanted) {
        char detail[256] = "";
        raftcore_error_detail(node, detail, sizeof detail);
        fprintf(stderr, "%s:%d: %s\n    is %d (%s) %s\n    not %d (%s)\n", file, line, call, code, raftcore_strerror(code), detail,
                wanted, raftcore_strerror(wanted));
        exit(1);
    }
}

/* A program may want other sizes: entries in a host's log, bytes of one, bytes of a frame, frames on their way. */
#ifndef KIT_SIZES
enum { KIT_NODES = 5, KIT_LOG = 4096, KIT_DATA = 256, KIT_FRAME = 1 << 16, KIT_NET = 256 };
#endif
enum { KIT_CONTEXT = 32, KIT_QUEUE = 8, KIT_TOKENS = 8192 };

typedef struct kit_entry {
    uint64_t term;
    uint32_t kind, len, context_len;
    uint8_t data[KIT_DATA], context[KIT_CONTEXT];
} kit_entry;

typedef struct kit_host {
    raftcore_node *node;
    uint64_t id, flags;
    uint32_t storage, dialect;
    /* disk: first is the index behind the snapshot, last the end of the log */
    uint64_t term, vote, commit, first, last, before_term, applied, state;
    kit_entry log[KIT_LOG];
    uint8_t conf[512];
    size_t conf_len;
    /* readies on their way to the disk (ASYNC) */
    raftcore_ready queue[KIT_QUEUE];
    raftcore_slice queue_conf[KIT_QUEUE]; /* into queue_bytes: to be stored when its entries are applied */
    uint8_t queue_bytes[KIT_QUEUE][512];
    int queued;
    /* what came back for a token */
    uint8_t committed[KIT_TOKENS], dropped[KIT_TOKENS], answered[KIT_TOKENS];
    uint64_t answer_index[KIT_TOKENS];
    uint64_t snapshots, role, leader;
    int stuck; /* the disk does nothing for now (ASYNC) */
} kit_host;

static kit_host kit[KIT_NODES + 1]; /* by id */
static struct { uint64_t from, to; size_t len; uint8_t bytes[KIT_FRAME]; } kit_net[KIT_NET];
static size_t kit_head, kit_waiting;
static uint64_t kit_lost, kit_rejected, kit_delivered;
static int kit_cut[KIT_NODES + 1];
/* A test's own way to answer a fetch of a snapshot, and to send a message (not 0: it is sent, or held back). */
static raftcore_code (*kit_supply)(kit_host *h, const raftcore_fetch *f);
static int (*kit_carry)(kit_host *h, const raftcore_msg *m);
/* A snapshot's data that travel beside the core. */
static uint64_t kit_beside_index, kit_beside_state;

#define KIT_AT(type, array, stride, i) ((const type *)(const void *)((const char *)(array) + (size_t)(stride) * (i)))

static inline kit_entry *kit_slot(kit_host *h, uint64_t index) { return &h->log[index % KIT_LOG]; }

/* ---- the network */

static inline void kit_send(uint64_t from, uint64_t to, const raftcore_slice *parts, size_t count) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    if (to == 0 || to > KIT_NODES || kit_waiting == KIT_NET || len > KIT_FRAME) {
        kit_lost++;
        return;
    }
    size_t at = (kit_head + kit_waiting++) % KIT_NET;
    kit_net[at].from = from;
    kit_net[at].to = to;
    kit_net[at].len = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(kit_net[at].bytes + kit_net[at].len, parts[i].ptr, parts[i].len);
        kit_net[at].len += parts[i].len;
    }
}

static inline int kit_deliver(void) {
    if (kit_waiting == 0)
        return 0;
    size_t at = kit_head, used = 0;
    uint32_t rejected = 0;
    uint64_t from = kit_net[at].from, to = kit_net[at].to;
    kit_head = (kit_head + 1) % KIT_NET;
    kit_waiting--;
    if (kit_cut[from] || kit_cut[to] || kit[to].node == NULL) {
        kit_lost++;
        return 1;
    }
    raftcore_code why = 1;
    OK(kit[to].node, raftcore_step_frames(kit[to].node, from, kit_net[at].bytes, kit_net[at].len, &used, &rejected, &why));
    CHECK(used == kit_net[at].len && rejected <= 1 && (rejected > 0 ? why < 0 : why == RAFTCORE_OK));
    kit_rejected += rejected;
    kit_delivered++;
    return 1;
}

/* ---- protocol buffers, as much as storage = MESSAGES asks of a host */

static inline const uint8_t *kit_varint(const uint8_t *p, const uint8_t *end, uint64_t *out) {
    uint64_t value = 0;
    for (int shift = 0; p < end && shift < 64; shift += 7) {
        value |= (uint64_t)(*p & 0x7f) << shift;
        if (!(*p++ & 0x80)) {
            *out = value;
            return p;
        }
    }
    CHECK(!"a varint ends");
    return end;
}

/* The next field of a message: its number, and its value or bytes. */
static inline const uint8_t *kit_field(const uint8_t *p, const uint8_t *end, uint64_t *number, uint64_t *value, raftcore_slice *bytes) {
    uint64_t key = 0;
    p = kit_varint(p, end, &key);
    *number = key >> 3;
    bytes->ptr = NULL;
    bytes->len = 0;
    CHECK((key & 7) == 0 || (key & 7) == 2);
    p = kit_varint(p, end, value);
    if ((key & 7) == 2) {
        CHECK(*value <= (uint64_t)(end - p));
        bytes->ptr = p;
        bytes->len = (size_t)*value;
        p += *value;
    }
    return p;
}

static inline void kit_responses(kit_host *h, const uint8_t *message, size_t len) {
    const uint8_t *p = message, *end = message + len;
    while (p < end) {
        uint64_t number, value;
        raftcore_slice response;
        p = kit_field(p, end, &number, &value, &response);
        if (number != 14)
            continue;
        uint64_t to = 0;
        const uint8_t *q = response.ptr, *stop = response.ptr + response.len;
        while (q < stop) {
            raftcore_slice ignored;
            q = kit_field(q, stop, &number, &value, &ignored);
            if (number == 2)
                to = value;
        }
        if (to == h->id) {
            OK(h->node, raftcore_step_local(h->node, response.ptr, response.len));
        } else {
            uint8_t header[12] = {0};
            for (int i = 0; i < 4; i++)
                header[i] = (uint8_t)(response.len >> (8 * i));
            raftcore_slice parts[2] = {{header, sizeof header}, response};
            kit_send(h->id, to, parts, 2);
        }
    }
}

/* ---- a host */

static inline uint64_t kit_mix(uint64_t state, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len; i++)
        state = (state ^ data[i]) * UINT64_C(1099511628211);
    return state;
}

static inline void kit_keep_conf(kit_host *h, raftcore_slice bytes) {
    CHECK(bytes.len <= sizeof h->conf);
    memcpy(h->conf, bytes.ptr, bytes.len);
    h->conf_len = bytes.len;
}

static inline void kit_store(kit_host *h, const raftcore_ready *rd) {
    int must = rd->n_entries > 0 || (rd->flags & RAFTCORE_RF_SNAPSHOT) || rd->term != h->term || rd->vote != h->vote;
    CHECK(must == !!(rd->flags & RAFTCORE_RF_MUST_SYNC));
    CHECK((rd->flags & RAFTCORE_RF_HARD_STATE) || (rd->term == h->term && rd->vote == h->vote && rd->commit == h->commit));
    if (rd->flags & RAFTCORE_RF_SNAPSHOT) {
        CHECK(rd->snapshot_index >= h->applied);
        if (rd->snapshot_data.len > 0) {
            CHECK(rd->snapshot_data.len == sizeof h->state);
            memcpy(&h->state, rd->snapshot_data.ptr, sizeof h->state);
        } else {
            CHECK(kit_beside_index == rd->snapshot_index);
            h->state = kit_beside_state;
        }
        kit_keep_conf(h, rd->snapshot_conf);
        h->applied = h->last = rd->snapshot_index;
        h->first = rd->snapshot_index + 1;
        h->before_term = rd->snapshot_term;
        h->snapshots++;
    }
    for (uint32_t i = 0; i < rd->n_entries; i++) {
        const raftcore_entry *e = KIT_AT(raftcore_entry, rd->entries, rd->entry_stride, i);
        kit_entry *to = kit_slot(h, e->index);
        CHECK(e->index >= h->first && e->index <= h->last + 1 && e->index - h->first < KIT_LOG && e->data.len <= KIT_DATA);
        CHECK(e->index > h->applied || kit_slot(h, e->index)->term == e->term);
        to->term = e->term;
        to->kind = e->kind;
        to->len = (uint32_t)e->data.len;
        if (e->data.len > 0)
            memcpy(to->data, e->data.ptr, e->data.len);
        CHECK(e->context.len <= KIT_CONTEXT);
        to->context_len = (uint32_t)e->context.len;
        if (e->context.len > 0)
            memcpy(to->context, e->context.ptr, e->context.len);
        h->last = e->index;
    }
    if (rd->flags & RAFTCORE_RF_HARD_STATE) {
        CHECK(rd->term >= h->term && rd->commit >= h->commit && rd->commit <= h->last);
        h->term = rd->term;
        h->vote = rd->vote;
        h->commit = rd->commit;
    }
}

static inline raftcore_entry kit_entry_at(kit_host *h, uint64_t index) {
    kit_entry *own = kit_slot(h, index);
    raftcore_entry e = {own->term, index, own->kind, 0, {own->data, own->len}, 0, {own->context, own->context_len}};
    CHECK(index >= h->first && index <= h->last);
    return e;
}

/* The configuration entries of a ready, on the node's thread. The last one's result is to be stored with what is applied. */
static inline raftcore_slice kit_apply_confs(kit_host *h, const raftcore_ready *rd) {
    raftcore_slice last = {NULL, 0};
    for (uint32_t i = 0; i < rd->n_committed; i++) {
        const raftcore_entry *e = KIT_AT(raftcore_entry, rd->committed, rd->entry_stride, i);
        if (e->kind == RAFTCORE_ENTRY_NORMAL)
            continue;
        raftcore_conf conf = {0};
        conf.struct_size = sizeof conf;
        OK(h->node, raftcore_apply_conf(h->node, e, &conf));
        CHECK(conf.n_voters > 0 && conf.bytes.len > 0 && conf.index == e->index);
        last = conf.bytes;
    }
    return last;
}

static inline void kit_apply_one(kit_host *h, uint64_t index, uint32_t kind, const uint8_t *data, size_t len, uint64_t token) {
    CHECK(index == h->applied + 1);
    h->applied = index;
    if (kind == RAFTCORE_ENTRY_NORMAL)
        h->state = kit_mix(h->state, data, len);
    if (token)
        h->committed[token % KIT_TOKENS]++;
}

static inline void kit_apply(kit_host *h, const raftcore_ready *rd) {
    for (uint32_t i = 0; i < rd->n_committed; i++) {
        const raftcore_entry *e = KIT_AT(raftcore_entry, rd->committed, rd->entry_stride, i);
        CHECK(e->index == rd->committed_first + i);
        kit_apply_one(h, e->index, e->kind, e->data.ptr, e->data.len, e->token);
    }
    if (rd->n_committed > 0 || rd->committed_last == 0)
        return;
    /* A span without entries, for a host that asked for these: its own log has them, and the ready the tokens. */
    CHECK(h->flags & RAFTCORE_FLAG_COMMITTED_SPANS);
    for (uint64_t index = rd->committed_first; index <= rd->committed_last; index++) {
        raftcore_entry e = kit_entry_at(h, index);
        if (e.kind != RAFTCORE_ENTRY_NORMAL) {
            raftcore_conf conf = {0};
            conf.struct_size = sizeof conf;
            OK(h->node, raftcore_apply_conf(h->node, &e, &conf));
            kit_keep_conf(h, conf.bytes);
        }
        kit_apply_one(h, index, e.kind, e.data.ptr, e.data.len, 0);
    }
    for (uint32_t i = 0; i < rd->n_done; i++)
        h->committed[KIT_AT(raftcore_done, rd->done, rd->done_stride, i)->token % KIT_TOKENS]++;
    if (h->storage == RAFTCORE_STORAGE_SYNC)
        OK(h->node, raftcore_applied(h->node, rd->committed_last));
}

static inline void kit_answer(kit_host *h, const raftcore_ready *rd) {
    for (uint32_t i = 0; i < rd->n_reads; i++) {
        const raftcore_read *read = KIT_AT(raftcore_read, rd->reads, rd->read_stride, i);
        h->answered[read->token % KIT_TOKENS]++;
        h->answer_index[read->token % KIT_TOKENS] = read->index;
    }
    for (uint32_t i = 0; i < rd->n_dropped; i++)
        h->dropped[KIT_AT(raftcore_drop, rd->dropped, rd->drop_stride, i)->token % KIT_TOKENS]++;
    h->role = rd->role;
    h->leader = rd->leader;
}

/* Messages with or without MF_AFTER; 2: both. */
static inline void kit_send_msgs(kit_host *h, const raftcore_ready *rd, int after) {
    for (uint32_t i = 0; i < rd->n_msgs; i++) {
        const raftcore_msg *m = KIT_AT(raftcore_msg, rd->msgs, rd->msg_stride, i);
        size_t sum = 0;
        for (uint32_t part = 0; part < m->n_frame; part++)
            sum += m->frame[part].len;
        CHECK(m->n_frame >= 1 && m->frame[0].len >= 12 && sum == m->frame_bytes && m->from == h->id);
        if (kit_carry != NULL && kit_carry(h, m))
            continue;
        if (after == 2 || after == !!(m->flags & RAFTCORE_MF_AFTER))
            kit_send(h->id, m->to, m->frame, m->n_frame);
    }
}

/* Answers what the node asks for. Returns how often it asked for entries to apply. */
static inline uint64_t kit_fetches(kit_host *h) {
    raftcore_fetch f = {0};
    raftcore_code code;
    uint64_t own = 0;
    f.struct_size = sizeof f;
    while ((code = raftcore_next_fetch(h->node, &f)) == RAFTCORE_OK) {
        CHECK((f.peer == h->id) == (f.kind == RAFTCORE_FETCH_APPLY) && f.id != 0);
        own += f.peer == h->id;
        if (f.kind == RAFTCORE_FETCH_SNAPSHOT && kit_supply != NULL) {
            code = kit_supply(h, &f);
        } else if (f.kind == RAFTCORE_FETCH_SNAPSHOT) {
            raftcore_conf conf = {0};
            raftcore_slice data = {(const uint8_t *)&h->state, sizeof h->state};
            conf.struct_size = sizeof conf;
            conf.bytes.ptr = h->conf;
            conf.bytes.len = h->conf_len;
            code = raftcore_supply_snapshot(h->node, f.id, h->applied, &conf, data);
        } else if (f.first < h->first) {
            CHECK(f.kind == RAFTCORE_FETCH_ENTRIES);
            code = raftcore_supply_none(h->node, f.id, RAFTCORE_SUPPLY_GONE);
        } else {
            raftcore_entry e[64];
            size_t count = 0;
            for (uint64_t index = f.first; index <= f.last && count < 64; index++, count++)
                e[count] = kit_entry_at(h, index);
            code = raftcore_supply_entries(h->node, f.id, e, count);
        }
        CHECK(code == RAFTCORE_OK || code == RAFTCORE_IGNORED);
    }
    CHECK(code == RAFTCORE_NONE);
    return own;
}

static inline int kit_work_sync(kit_host *h) {
    raftcore_ready rd = {0};
    raftcore_code code;
    int any = 0;
    rd.struct_size = sizeof rd;
    while (kit_fetches(h), (code = raftcore_get_ready(h->node, &rd)) == RAFTCORE_OK) {
        kit_store(h, &rd);
        kit_send_msgs(h, &rd, 2);
        raftcore_slice conf = kit_apply_confs(h, &rd);
        if (conf.len > 0)
            kit_keep_conf(h, conf);
        kit_apply(h, &rd);
        kit_answer(h, &rd);
        OK(h->node, raftcore_advance(h->node, rd.number));
        any = 1;
    }
    kit_code(h->node, code, RAFTCORE_NONE, __FILE__, __LINE__, "get_ready");
    return any;
}

/* One job of the disk's and the apply thread's queue. */
static inline void kit_disk(kit_host *h) {
    raftcore_ready rd = h->queue[0];
    kit_store(h, &rd);
    kit_send_msgs(h, &rd, 1);
    OK(h->node, raftcore_persisted(h->node, rd.number));
    kit_apply(h, &rd);
    if (h->queue_conf[0].len > 0) {
        raftcore_slice conf = {h->queue_bytes[0], h->queue_conf[0].len};
        kit_keep_conf(h, conf);
    }
    h->queued--;
    memmove(h->queue, h->queue + 1, (size_t)h->queued * sizeof rd);
    memmove(h->queue_conf, h->queue_conf + 1, (size_t)h->queued * sizeof *h->queue_conf);
    memmove(h->queue_bytes, h->queue_bytes + 1, (size_t)h->queued * sizeof *h->queue_bytes);
    if (rd.committed_last > 0)
        OK(h->node, raftcore_applied(h->node, rd.committed_last));
    OK(h->node, raftcore_release(h->node, rd.number));
}

static inline int kit_work_async(kit_host *h) {
    int any = 0;
    for (;;) {
        raftcore_ready rd = {0};
        rd.struct_size = sizeof rd;
        kit_fetches(h);
        raftcore_code code = h->queued < KIT_QUEUE ? raftcore_get_ready(h->node, &rd) : RAFTCORE_NONE;
        if (code == RAFTCORE_OK) {
            kit_send_msgs(h, &rd, 0);
            raftcore_slice conf = kit_apply_confs(h, &rd);
            CHECK(conf.len <= sizeof h->queue_bytes[0]);
            h->queue_conf[h->queued].len = conf.len;
            if (conf.len > 0)
                memcpy(h->queue_bytes[h->queued], conf.ptr, conf.len);
            kit_answer(h, &rd);
            h->queue[h->queued++] = rd;
        } else if (code == RAFTCORE_NONE || code == RAFTCORE_E_FULL) {
            if (h->queued == 0 || h->stuck)
                return any;
            kit_disk(h);
        } else {
            kit_code(h->node, code, RAFTCORE_OK, __FILE__, __LINE__, "get_ready");
        }
        any = 1;
    }
}

static inline int kit_work_messages(kit_host *h) {
    raftcore_ready rd = {0};
    raftcore_code code;
    int any = 0;
    rd.struct_size = sizeof rd;
    while (kit_fetches(h), (code = raftcore_get_ready(h->node, &rd)) == RAFTCORE_OK) {
        kit_store(h, &rd);
        raftcore_slice conf = kit_apply_confs(h, &rd);
        if (conf.len > 0)
            kit_keep_conf(h, conf);
        kit_apply(h, &rd);
        kit_answer(h, &rd);
        for (uint32_t i = 0; i < rd.n_msgs; i++) {
            const raftcore_msg *m = KIT_AT(raftcore_msg, rd.msgs, rd.msg_stride, i);
            static uint8_t flat[KIT_FRAME];
            size_t len = 0;
            if (m->to < RAFTCORE_ID_LOCAL_APPLY) {
                kit_send(h->id, m->to, m->frame, m->n_frame);
                continue;
            }
            CHECK(m->kind == RAFTCORE_MSG_STORAGE_APPEND || m->kind == RAFTCORE_MSG_STORAGE_APPLY);
            OK(NULL, raftcore_flatten(m, flat, sizeof flat, &len));
            kit_responses(h, flat + 12, len - 12);
        }
        OK(h->node, raftcore_release(h->node, rd.number));
        any = 1;
    }
    kit_code(h->node, code, RAFTCORE_NONE, __FILE__, __LINE__, "get_ready");
    return any;
}

static inline int kit_work(kit_host *h) {
    switch (h->node == NULL ? 99 : h->storage) {
    case RAFTCORE_STORAGE_SYNC: return kit_work_sync(h);
    case RAFTCORE_STORAGE_ASYNC: return kit_work_async(h);
    case RAFTCORE_STORAGE_MESSAGES: return kit_work_messages(h);
    default: return 0;
    }
}

/* Until nothing is left to do. */
static inline void kit_settle(void) {
    int any;
    do {
        any = 0;
        for (int i = 1; i <= KIT_NODES; i++)
            any |= kit_work(&kit[i]);
        while (kit_deliver())
            any = 1;
    } while (any);
}

static inline void kit_tick(void) {
    for (int i = 1; i <= KIT_NODES; i++)
        if (kit[i].node)
            OK(kit[i].node, raftcore_tick(kit[i].node, 1));
    kit_settle();
}

/* The id of whom all living nodes that are not cut off take for the leader; 0: nobody. */
static inline uint64_t kit_leader(void) {
    for (uint64_t i = 1; i <= KIT_NODES; i++) {
        raftcore_status s = {0};
        s.struct_size = sizeof s;
        if (kit[i].node == NULL || kit_cut[i])
            continue;
        OK(kit[i].node, raftcore_get_status(kit[i].node, &s));
        if (s.role == RAFTCORE_ROLE_LEADER)
            return i;
    }
    return 0;
}

static inline uint64_t kit_elect(void) {
    for (int i = 0; i < 400; i++) {
        uint64_t leader = kit_leader();
        if (leader)
            return leader;
        kit_tick();
    }
    CHECK(!"somebody leads after 400 ticks");
    return 0;
}

static inline raftcore_config kit_config(uint64_t id, uint32_t storage) {
    static uint64_t starts;
    raftcore_config c;
    CODE(raftcore_config_init(&c, sizeof c), RAFTCORE_OK);
    CHECK(c.struct_size == sizeof c && c.abi_version == RAFTCORE_ABI_VERSION);
    c.id = id;
    c.seed = id * 1000 + starts++;
    c.storage = storage;
    c.flags |= RAFTCORE_FLAG_DEBUG_POISON_VIEWS;
    c.recent_bytes = 1 << 20;
    c.block_bytes = 64 << 10;
    c.max_size_per_msg = 16 << 10;
    return c;
}

static inline void kit_reset(void) {
    for (int i = 1; i <= KIT_NODES; i++)
        CODE(raftcore_free(kit[i].node), RAFTCORE_OK);
    memset(kit, 0, sizeof kit);
    memset(kit_cut, 0, sizeof kit_cut);
    kit_head = kit_waiting = 0;
    kit_supply = NULL;
    kit_carry = NULL;
    kit_lost = kit_rejected = kit_delivered = 0;
}

/* A node with an empty disk. */
static inline kit_host *kit_make(const raftcore_config *c) {
    kit_host *h = &kit[c->id];
    CHECK(h->node == NULL);
    memset(h, 0, sizeof *h);
    h->id = c->id;
    h->flags = c->flags;
    h->storage = c->storage;
    h->dialect = c->dialect;
    h->first = 1;
    CODE(raftcore_new(c, &h->node), RAFTCORE_OK);
    return h;
}

static inline raftcore_stored kit_stored(void) {
    raftcore_stored stored = {0};
    stored.struct_size = sizeof stored;
    return stored;
}

/* What a founder stores before its first boot. */
static inline raftcore_stored kit_founder(const raftcore_conf *conf) {
    raftcore_stored stored = kit_stored();
    stored.commit = stored.applied = stored.before_first = stored.before_first_term = stored.last = 1;
    stored.conf = conf;
    return stored;
}

/* A founder encodes its configuration, stores it, and boots from the bytes. */
static inline void kit_found(const raftcore_config *c, uint64_t voters) {
    uint64_t ids[KIT_NODES];
    raftcore_conf conf = {0};
    kit_host *h = kit_make(c);
    for (uint64_t i = 0; i < voters; i++)
        ids[i] = i + 1;
    conf.struct_size = sizeof conf;
    conf.voters = ids;
    conf.n_voters = (uint32_t)voters;
    conf.index = 1;
    conf.dialect = c->dialect;
    OK(NULL, raftcore_conf_encode(&conf, h->conf, sizeof h->conf, &h->conf_len));
    conf.bytes.ptr = h->conf;
    conf.bytes.len = h->conf_len;
    raftcore_stored stored = kit_founder(&conf);
    OK(h->node, raftcore_boot(h->node, &stored));
    OK(h->node, raftcore_get_conf(h->node, &conf));
    CHECK(conf.n_voters == voters && memcmp(conf.voters, ids, voters * sizeof *ids) == 0);
    /* With CONF_APART no configuration is as of an index. */
    if (!(c->flags & RAFTCORE_FLAG_CONF_APART))
        CHECK(conf.index == 1 && conf.bytes.len == h->conf_len && memcmp(conf.bytes.ptr, h->conf, h->conf_len) == 0);
    h->first = 2;
    h->last = h->applied = h->commit = h->before_term = 1;
}

/* A node that joins: its disk is empty. */
static inline void kit_join(const raftcore_config *c) {
    kit_host *h = kit_make(c);
    raftcore_stored stored = kit_stored();
    OK(h->node, raftcore_boot(h->node, &stored));
}

/* Boots from what is on the disk: from the whole log, or by turns from the entries that are not applied, and the terms of all. */
static inline void kit_restart(uint64_t id) {
    static raftcore_entry entries[KIT_LOG];
    static raftcore_run runs[KIT_LOG];
    static int turn;
    kit_host *h = &kit[id];
    raftcore_config c = kit_config(id, h->storage);
    raftcore_conf conf = {0};
    raftcore_stored stored = kit_stored();
    int whole = turn++ % 2;
    c.flags = h->flags;
    c.dialect = h->dialect;
    CODE(raftcore_free(h->node), RAFTCORE_OK);
    h->queued = 0;
    CODE(raftcore_new(&c, &h->node), RAFTCORE_OK);
    conf.struct_size = sizeof conf;
    conf.bytes.ptr = h->conf;
    conf.bytes.len = h->conf_len;
    stored.term = h->term;
    stored.vote = h->vote;
    stored.commit = h->commit;
    stored.applied = h->applied;
    stored.before_first = h->first - 1;
    stored.before_first_term = h->before_term;
    stored.last = h->last;
    if (h->conf_len > 0)
        stored.conf = &conf;
    for (uint64_t index = h->first; index <= h->last; index++) {
        raftcore_entry e = kit_entry_at(h, index);
        raftcore_run run = {index, e.term};
        if (whole || index > h->applied)
            entries[stored.n_entries++] = e;
        if (stored.n_runs == 0 || runs[stored.n_runs - 1].term != e.term)
            runs[stored.n_runs++] = run;
    }
    if (whole)
        stored.n_runs = 0;
    stored.runs = runs;
    stored.entries = entries;
    OK(h->node, raftcore_boot(h->node, &stored));
}

static inline raftcore_code kit_propose(uint64_t id, const char *text, uint64_t token) {
    size_t half = strlen(text) / 2;
    raftcore_slice parts[3] = {{(const uint8_t *)text, half}, {NULL, 0}, {(const uint8_t *)text + half, strlen(text) - half}};
    return raftcore_propose(kit[id].node, parts, 3, token);
}

/* The ids of a stored configuration: its bytes without the index that it is as of (field 15, the last one), which is not beyond `applied`. */
static inline size_t kit_conf_ids(const uint8_t *conf, size_t len, uint64_t applied) {
    const uint8_t *p = conf, *end = conf + len;
    while (p < end) {
        uint64_t number, value;
        raftcore_slice bytes;
        const uint8_t *next = kit_field(p, end, &number, &value, &bytes);
        if (number == 15) {
            CHECK(next == end && value > 0 && value <= applied);
            return (size_t)(p - conf);
        }
        p = next;
    }
    CHECK(!"a configuration says what it is as of");
    return 0;
}

/* All living nodes have applied the same, as far as the leader has committed. */
static inline void kit_check_same(void) {
    kit_host *first = NULL;
    for (int i = 1; i <= KIT_NODES; i++) {
        kit_host *h = &kit[i];
        if (h->node == NULL || kit_cut[i])
            continue;
        if (first == NULL)
            first = h;
        CHECK(h->applied == first->applied && h->state == first->state && h->commit == first->commit);
        size_t ids = kit_conf_ids(h->conf, h->conf_len, h->applied);
        CHECK(ids == kit_conf_ids(first->conf, first->conf_len, h->applied) && memcmp(h->conf, first->conf, ids) == 0);
    }
    CHECK(first != NULL);
}
#endif
