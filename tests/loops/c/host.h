/* A host in memory: disk, network, state machine. sync.h and async.h have the functions that printed loops call. */
#include "raftcore.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAYLOAD = 64 << 10, LOG = 1024, HOSTS = 2, QUEUE = 64 };

struct bytes { uint8_t *ptr; size_t len; };
struct record { uint64_t term; uint32_t kind; struct bytes data; };
struct queue { raftcore_ready at[QUEUE]; uint32_t count; };

static struct host {
    uint64_t id, taken;
    raftcore_node *node;

    /* The disk. The state is the data of the applied entries, joined. */
    uint64_t term, vote, commit, before_first, before_first_term, last, applied;
    struct record log[LOG];
    struct bytes conf, state;

    /* Frames that have come, and a snapshot that came beside the core. */
    struct { uint64_t from; struct bytes frame; } inbox[LOG];
    uint32_t n_inbox;
    struct { uint64_t index; struct bytes state; } arrived;

    /* ASYNC: work of the other threads, and memberships of entries that are not yet applied. */
    struct queue disk, apply;
    struct { uint64_t index; struct bytes conf; } changed[QUEUE];
    uint32_t n_changed;
    uint64_t durable, done;
} hosts[HOSTS], *me;

static unsigned events, answers, beside;

static void fail(const char *format, const char *a, uint64_t b, uint64_t c) {
    fprintf(stderr, "node %" PRIu64 ": ", me->id);
    fprintf(stderr, format, a, b, c);
    fprintf(stderr, "\n");
    exit(1);
}

/* Each call of a loop is checked, whatever the printed line does. */
static raftcore_code checked(raftcore_code code, const char *what) {
    char detail[256] = "";
    if (code < 0) {
        raftcore_error_detail(me->node, detail, sizeof detail);
        fprintf(stderr, "node %" PRIu64 " died: %s: %s %s\n", me->id, what, raftcore_strerror(code), detail);
        exit(1);
    }
    return code;
}
static inline raftcore_code must(raftcore_code code) {
    return checked(code, "a call");
}
#define raftcore_get_ready(n, rd) once(checked(raftcore_get_ready(n, rd), "get_ready"), rd)
#define raftcore_turn(n, in, rd) once(checked(raftcore_turn(n, in, rd), "turn"), rd)
#define raftcore_next_fetch(n, f) checked(raftcore_next_fetch(n, f), "next_fetch")
#define raftcore_advance(n, k) checked(raftcore_advance(n, k), "advance")
#define raftcore_persisted(n, k) checked(raftcore_persisted(n, k), "persisted")
#define raftcore_applied(n, i) checked(raftcore_applied(n, i), "applied")
#define raftcore_release(n, k) checked(raftcore_release(n, k), "release")

/* Fails if a ready comes twice: the loop has not acknowledged the ready, and would never end. */
static raftcore_code once(raftcore_code code, const raftcore_ready *rd) {
    if ((code == RAFTCORE_OK || code == RAFTCORE_LAST) && rd->number == me->taken)
        fail("%sready %" PRIu64 " comes again", "", rd->number, 0);
    me->taken = code == RAFTCORE_OK || code == RAFTCORE_LAST ? rd->number : me->taken;
    return code;
}

static const void *record_at(const void *records, uint32_t stride, uint32_t i) {
    return (const char *)records + (size_t)stride * i;
}
#define EACH(type, it, rd, list, count, stride) \
    (uint32_t it##_i = 0; it##_i < (rd)->count; it##_i++) \
        for (const type *it = record_at((rd)->list, (rd)->stride, it##_i); it; it = NULL)

static void set_bytes(struct bytes *to, const uint8_t *ptr, size_t len) {
    to->ptr = realloc(to->ptr, len ? len : 1);
    to->len = len;
    if (len)
        memcpy(to->ptr, ptr, len);
}

/* ---- the network */

static void send_message(const raftcore_msg *m) {
    struct host *to = &hosts[m->to - 1];
    if (!to->node || to->n_inbox == LOG)
        return; /* lost */
    struct bytes *frame = &to->inbox[to->n_inbox].frame;
    to->inbox[to->n_inbox++].from = m->from;
    frame->len = m->frame_bytes;
    frame->ptr = malloc(frame->len);
    checked(raftcore_flatten(m, frame->ptr, frame->len, &frame->len), "flatten");
}

/* ---- the disk */

static void install(const raftcore_ready *rd) {
    if (rd->snapshot_data.len > 0)
        set_bytes(&me->state, rd->snapshot_data.ptr, rd->snapshot_data.len);
    else if (me->arrived.index == rd->snapshot_index)
        set_bytes(&me->state, me->arrived.state.ptr, me->arrived.state.len);
    else
        fail("%sno data came with or beside the snapshot at %" PRIu64, "", rd->snapshot_index, 0);
    set_bytes(&me->conf, rd->snapshot_conf.ptr, rd->snapshot_conf.len);
    me->applied = me->last = me->before_first = rd->snapshot_index;
    me->before_first_term = rd->snapshot_term;
}

static void append(const raftcore_entry *e) {
    if (e->index >= LOG || e->index > me->last + 1)
        fail("%san entry to store at %" PRIu64 " behind %" PRIu64, "", e->index, me->last);
    struct record *r = &me->log[e->index];
    r->term = e->term;
    r->kind = e->kind;
    set_bytes(&r->data, e->data.ptr, e->data.len);
    me->last = e->index;
}

static void store(const raftcore_ready *rd) {
    if (rd->flags & RAFTCORE_RF_SNAPSHOT)
        install(rd);
    for EACH(raftcore_entry, e, rd, entries, n_entries, entry_stride)
        append(e);
    if (rd->flags & RAFTCORE_RF_HARD_STATE) {
        me->term = rd->term;
        me->vote = rd->vote;
        me->commit = rd->commit;
    }
}

/* ---- the state machine */

static void apply_entry(const raftcore_entry *e) {
    if (e->index != me->applied + 1)
        fail("%sentry %" PRIu64 " is applied behind %" PRIu64, "", e->index, me->applied);
    if (e->kind == RAFTCORE_ENTRY_NORMAL && e->data.len > 0) {
        me->state.ptr = realloc(me->state.ptr, me->state.len + e->data.len);
        memcpy(me->state.ptr + me->state.len, e->data.ptr, e->data.len);
        me->state.len += e->data.len;
    }
    me->applied = e->index;
    answers += e->token != 0;
}

/* ---- functions for the supply() of docs/durability.md */

typedef struct { uint64_t index; raftcore_conf conf; raftcore_slice data; } snapshot;
typedef struct { raftcore_entry list[LOG]; size_t count; } entries;

static snapshot my_snapshot(void) {
    snapshot s = {me->applied, {.struct_size = sizeof s.conf}, {me->state.ptr, me->state.len}};
    s.conf.bytes = (raftcore_slice){me->conf.ptr, me->conf.len};
    return s;
}

static entries my_log(uint64_t first, uint64_t last) {
    entries got;
    got.count = 0;
    for (uint64_t i = first; first > me->before_first && i <= last; i++) {
        const struct record *r = &me->log[i];
        got.list[got.count++] = (raftcore_entry){.term = r->term, .index = i, .kind = r->kind, .data = {r->data.ptr, r->data.len}};
    }
    return got;
}

static void send_beside(uint64_t peer, const snapshot *s) {
    hosts[peer - 1].arrived.index = s->index;
    set_bytes(&hosts[peer - 1].arrived.state, s->data.ptr, s->data.len);
    beside++;
}

static void log_event(const raftcore_event *e) {
    if (getenv("V"))
        fprintf(stderr, "node %" PRIu64 ": %s\n", me->id, raftcore_event_text(e->kind));
    events++;
}
