/* The C side of the Go package: a struct for the results of calls, and calls whose arguments hold
 * pointers.
 *
 * The library writes results into C memory, one block for each node, so that a call allocates and
 * pins nothing in Go. A struct that points to Go memory lives on C's stack or in C memory, and is not
 * read after the call. */
#ifndef RAFTCORE_GO_GLUE_H
#define RAFTCORE_GO_GLUE_H

#if defined(__has_include)
#if !__has_include(<raftcore.h>)
#error "raftcore: run `make go-lib` at the top of the repository, or build with -tags raftcore_system against an installed library"
#endif
#endif
#include <raftcore.h>
#include <stdlib.h>
#include <string.h>

#if RAFTCORE_ABI_VERSION != 1 || !defined(RAFTCORE_FRAME_HEADER)
#error "raftcore.h is not the header of this package: run `make go-lib` at the top of the repository"
#endif

typedef struct goraft_host {
    raftcore_node *node;
    raftcore_ready ready;
    raftcore_input done; /* all zero, except for the field done */
    raftcore_fetch fetch;
    raftcore_conf conf;
    raftcore_status status;
    raftcore_event event;
    size_t need;
    uint32_t word;
    raftcore_code first;
    char detail[256];
    uint8_t *scratch; /* for copies of arguments */
    size_t scratch_cap;
} goraft_host;

/* Returns room for the results of a node that will be made. */
static inline goraft_host *goraft_host_make(void) {
    goraft_host *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->ready.struct_size = sizeof h->ready;
    h->done.struct_size = sizeof h->done;
    h->fetch.struct_size = sizeof h->fetch;
    h->conf.struct_size = sizeof h->conf;
    h->status.struct_size = sizeof h->status;
    return h;
}

static inline raftcore_code goraft_new(goraft_host *h, const raftcore_config *c) {
    return raftcore_new(c, &h->node);
}

static inline raftcore_code goraft_clone(const goraft_host *h, goraft_host *twin) {
    return raftcore_try_clone(h->node, &twin->node);
}

static inline raftcore_code goraft_host_free(goraft_host *h) {
    raftcore_code code = raftcore_free(h->node);
    free(h->scratch);
    free(h);
    return code;
}

/* Returns scratch memory of at least size bytes, and not NULL for 0. The old contents are lost. NULL:
 * no memory. */
static inline void *goraft_scratch(goraft_host *h, size_t size) {
    if (size > h->scratch_cap || h->scratch == NULL) {
        size_t cap = size < 4096 ? 4096 : size + size / 2;
        free(h->scratch);
        h->scratch = malloc(cap);
        h->scratch_cap = h->scratch == NULL ? 0 : cap;
    }
    return h->scratch;
}

static inline void goraft_scratch_trim(goraft_host *h, size_t most) {
    if (h->scratch_cap > most) {
        free(h->scratch);
        h->scratch = NULL;
        h->scratch_cap = 0;
    }
}

/* The host is passed as a number: Go scans a pointer to pointers at each call, even one into C memory. */
static inline raftcore_code goraft_get_ready(uintptr_t host) {
    goraft_host *h = (goraft_host *)host;
    return raftcore_get_ready(h->node, &h->ready);
}

static inline raftcore_code goraft_view(uintptr_t host, uint64_t number) {
    goraft_host *h = (goraft_host *)host;
    return raftcore_view(h->node, number, &h->ready);
}

/* A turn that only acknowledges ready done (0: none). */
static inline raftcore_code goraft_turn_done(uintptr_t host, uint64_t done) {
    goraft_host *h = (goraft_host *)host;
    h->done.done = done;
    return raftcore_turn(h->node, &h->done, &h->ready);
}

/* A turn with every input. need, word and first have the result of the frames. */
static inline raftcore_code goraft_turn(uintptr_t host, uint32_t ticks, uint64_t done, uint64_t persisted,
                                        uint64_t applied, uint64_t released, uint64_t peer,
                                        const uint8_t *frames, size_t len) {
    goraft_host *h = (goraft_host *)host;
    raftcore_input in = {0};
    raftcore_code code;
    in.struct_size = sizeof in;
    in.ticks = ticks;
    in.done = done;
    in.persisted = persisted;
    in.applied = applied;
    in.released = released;
    in.peer = peer;
    in.frames.ptr = frames;
    in.frames.len = len;
    code = raftcore_turn(h->node, &in, &h->ready);
    h->need = (size_t)in.consumed;
    h->word = in.rejected;
    h->first = in.first;
    return code;
}

/* Whether the views of ready number have ended, after a turn that failed somewhere. */
static inline int goraft_ended(uintptr_t host, uint64_t number) {
    goraft_host *h = (goraft_host *)host;
    if (raftcore_get_status(h->node, &h->status) != RAFTCORE_OK || number > h->status.last_ready)
        return 0;
    return raftcore_view(h->node, number, &h->ready) == RAFTCORE_NONE;
}

static inline raftcore_code goraft_next_fetch(uintptr_t host) {
    goraft_host *h = (goraft_host *)host;
    return raftcore_next_fetch(h->node, &h->fetch);
}

static inline raftcore_code goraft_propose(raftcore_node *node, const uint8_t *data, size_t len, uint64_t token) {
    raftcore_slice part = {data, len};
    return raftcore_propose(node, &part, 1, token);
}

static inline raftcore_code goraft_propose_entry(raftcore_node *node, uint32_t kind, const uint8_t *data, size_t len,
                                                 uint64_t token) {
    raftcore_slice all = {data, len};
    return raftcore_propose_entry(node, kind, all, token);
}

static inline raftcore_code goraft_propose_in_term(raftcore_node *node, uint64_t term, const uint8_t *data, size_t len,
                                                   uint64_t token) {
    raftcore_slice part = {data, len};
    return raftcore_propose_in_term(node, term, &part, 1, token);
}

static inline raftcore_code goraft_propose_with_context(raftcore_node *node, uint32_t kind, const uint8_t *context,
                                                        size_t context_len, const uint8_t *data, size_t len,
                                                        uint64_t token) {
    raftcore_slice beside = {context, context_len}, all = {data, len};
    return raftcore_propose_with_context(node, kind, beside, all, token);
}

/* The entries lie one behind the other in data; lens has the length of each. */
static inline raftcore_code goraft_propose_flat(goraft_host *h, const uint8_t *data, const uint32_t *lens,
                                                const uint64_t *tokens, size_t count) {
    raftcore_slice *entries = goraft_scratch(h, count * sizeof *entries);
    size_t i;
    if (entries == NULL)
        return RAFTCORE_E_NOMEM;
    for (i = 0; i < count; i++) {
        entries[i].ptr = data;
        entries[i].len = lens[i];
        data += lens[i];
    }
    return raftcore_propose_many(h->node, entries, tokens, count);
}

/* changes: id, kind, id, kind, ... bound: only if the membership is as of index. */
static inline raftcore_code goraft_propose_conf(goraft_host *h, int bound, uint64_t index, const uint64_t *changes, size_t count,
                                                uint32_t transition, const uint8_t *context, size_t context_len,
                                                uint64_t token) {
    raftcore_slice text = {context, context_len};
    raftcore_change *c = goraft_scratch(h, count * sizeof *c);
    size_t i;
    if (c == NULL)
        return RAFTCORE_E_NOMEM;
    for (i = 0; i < count; i++) {
        c[i].id = changes[2 * i];
        c[i].kind = (uint32_t)changes[2 * i + 1];
        c[i].reserved0 = 0;
    }
    return bound ? raftcore_propose_conf_at(h->node, index, c, count, transition, text, token)
                 : raftcore_propose_conf(h->node, c, count, transition, text, token);
}

static inline raftcore_code goraft_apply_conf(goraft_host *h, uint64_t term, uint64_t index, uint32_t kind,
                                              const uint8_t *data, size_t len) {
    raftcore_entry e = {0};
    e.term = term;
    e.index = index;
    e.kind = kind;
    e.data.ptr = data;
    e.data.len = len;
    return raftcore_apply_conf(h->node, &e, &h->conf);
}

static inline raftcore_code goraft_skip_conf(goraft_host *h, uint64_t index) {
    return raftcore_skip_conf(h->node, index, &h->conf);
}

static inline raftcore_code goraft_apply_change(goraft_host *h, uint32_t kind, const uint8_t *data, size_t len) {
    raftcore_slice change = {data, len};
    return raftcore_apply_change(h->node, kind, change, &h->conf);
}

/* A configuration in pieces that hold no pointers in Go's eyes: bytes if there are any; else ids, the
 * four lists in one array, and n, the counts. */
typedef struct goraft_members {
    uint64_t index;
    uint32_t dialect;
    uint32_t auto_leave;
    uint32_t n[4];
} goraft_members;

static inline raftcore_conf goraft_conf(const uint64_t *ids, const goraft_members *m, const uint8_t *bytes,
                                        size_t bytes_len) {
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    if (bytes_len > 0) {
        conf.bytes.ptr = bytes;
        conf.bytes.len = bytes_len;
        return conf;
    }
    conf.index = m->index;
    conf.dialect = m->dialect;
    conf.auto_leave = m->auto_leave;
    conf.voters = ids;
    conf.outgoing = conf.voters + m->n[0];
    conf.learners = conf.outgoing + m->n[1];
    conf.learners_next = conf.learners + m->n[2];
    conf.n_voters = m->n[0];
    conf.n_outgoing = m->n[1];
    conf.n_learners = m->n[2];
    conf.n_learners_next = m->n[3];
    return conf;
}

static inline raftcore_code goraft_conf_encode(const uint64_t *ids, const goraft_members *m, uint8_t *buf, size_t cap,
                                               size_t *need) {
    raftcore_conf conf = goraft_conf(ids, m, NULL, 0);
    return raftcore_conf_encode(&conf, buf, cap, need);
}

/* s has the numbers and the counts; its pointers are set here. has_conf: 0, there is no configuration. */
static inline raftcore_code goraft_boot(goraft_host *h, const raftcore_stored *s, int has_conf, const uint64_t *ids,
                                        const goraft_members *m, const uint8_t *bytes, size_t bytes_len,
                                        const raftcore_run *runs, const raftcore_entry *entries) {
    raftcore_conf conf = goraft_conf(ids, m, bytes, bytes_len);
    raftcore_stored stored = *s;
    stored.struct_size = sizeof stored;
    stored.conf = has_conf ? &conf : NULL;
    stored.runs = stored.n_runs > 0 ? runs : NULL;
    stored.entries = stored.n_entries > 0 ? entries : NULL;
    return raftcore_boot(h->node, &stored);
}

static inline raftcore_code goraft_boot_conf(goraft_host *h, const uint64_t *ids, const goraft_members *m,
                                             const uint8_t *bytes, size_t bytes_len, uint64_t before_first,
                                             uint64_t term) {
    raftcore_conf conf = goraft_conf(ids, m, bytes, bytes_len);
    return raftcore_boot_conf(h->node, &conf, before_first, term);
}

static inline raftcore_code goraft_supply_snapshot(goraft_host *h, uint64_t id, uint64_t index, const uint64_t *ids,
                                                   const goraft_members *m, const uint8_t *bytes, size_t bytes_len,
                                                   const uint8_t *data, size_t len) {
    raftcore_conf conf = goraft_conf(ids, m, bytes, bytes_len);
    raftcore_slice state = {data, len};
    return raftcore_supply_snapshot(h->node, id, index, &conf, state);
}

/* Handles are numbers, so that Go does not scan a long list of pointers at each call. */
static inline size_t goraft_tick_many(const uintptr_t *nodes, size_t count, uint32_t ticks, uint32_t *found,
                                      size_t cap) {
    return raftcore_tick_many((raftcore_node *const *)nodes, count, ticks, found, cap);
}

/* out: where the snapshot's data begin in msg, their length, index, term. */
static inline raftcore_code goraft_snapshot_split(const uint8_t *msg, size_t len, uint64_t out[4]) {
    raftcore_slice data = {0};
    raftcore_code code = raftcore_snapshot_split(msg, len, &data, &out[2], &out[3]);
    out[0] = code == RAFTCORE_OK && data.len > 0 ? (uint64_t)(data.ptr - msg) : 0;
    out[1] = data.len;
    return code;
}

/* out: the frame's group, its bytes, where its message begins in buf, the message's length. */
static inline raftcore_code goraft_frame_next(const uint8_t *buf, size_t len, uint64_t limit, uint64_t out[4]) {
    raftcore_frame frame = {0};
    raftcore_code code;
    frame.struct_size = sizeof frame;
    code = raftcore_frame_next(buf, len, limit, &frame);
    out[0] = frame.group;
    out[1] = frame.bytes;
    out[2] = code == RAFTCORE_OK && frame.msg.len > 0 ? (uint64_t)(frame.msg.ptr - buf) : 0;
    out[3] = frame.msg.len;
    return code;
}

#endif
