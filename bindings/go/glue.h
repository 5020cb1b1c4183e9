/* What the Go side needs in C: a struct for all that comes out of calls, and calls whose arguments hold pointers.
 *
 * Everything that the library fills lies in C memory, one block a node, so that no call allocates in Go or pins anything. Structs
 * that hold pointers to Go memory are made here, on C's stack or in C memory, and are not looked at once the call is over. */
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

typedef struct goraft_host {
    raftcore_node *node;
    raftcore_ready ready;
    raftcore_fetch fetch;
    raftcore_conf conf;
    raftcore_status status;
    raftcore_event event;
    size_t need;
    uint32_t word;
    uint32_t has_fetch; /* fetch is one that nobody has seen */
    char detail[256];
    uint8_t *scratch;       /* for what is copied here on its way in */
    size_t scratch_cap;
} goraft_host;

/* Room for what comes out of a call on a node that was, or is to be, made. */
static inline goraft_host *goraft_host_make(void) {
    goraft_host *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->ready.struct_size = sizeof h->ready;
    h->fetch.struct_size = sizeof h->fetch;
    h->conf.struct_size = sizeof h->conf;
    h->status.struct_size = sizeof h->status;
    return h;
}

static inline raftcore_code goraft_new(goraft_host *h, const raftcore_config *c) {
    return raftcore_new(c, &h->node);
}

static inline raftcore_code goraft_clone(const goraft_host *h, goraft_host *twin) {
    twin->fetch = h->fetch;
    twin->has_fetch = h->has_fetch;
    return raftcore_try_clone(h->node, &twin->node);
}

static inline raftcore_code goraft_has_ready(const goraft_host *h) {
    raftcore_code bits = raftcore_has_ready(h->node);
    return bits >= 0 && h->has_fetch ? bits | RAFTCORE_HAS_FETCH : bits;
}

static inline raftcore_code goraft_host_free(goraft_host *h) {
    raftcore_code code = raftcore_free(h->node);
    free(h->scratch);
    free(h);
    return code;
}

/* At least size bytes of scratch, some also for none; what was there is lost. NULL: no memory. */
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

/* The host as a number: Go looks through a pointer to pointers at each call, even one into C memory. */
static inline raftcore_code goraft_get_ready(uintptr_t host) {
    goraft_host *h = (goraft_host *)host;
    return raftcore_get_ready(h->node, &h->ready);
}

/* One turn of a host's loop: the end of batch done, if it is not 0, then what there is to do. A fetch is kept until NextFetch takes it. */
enum { GORAFT_FETCH = 100 };
static inline raftcore_code goraft_turn(uintptr_t host, uint64_t done) {
    goraft_host *h = (goraft_host *)host;
    raftcore_code code = done == 0 ? RAFTCORE_OK : raftcore_advance(h->node, done);
    if (code < 0)
        return code;
    code = h->has_fetch ? RAFTCORE_OK : raftcore_next_fetch(h->node, &h->fetch);
    h->has_fetch = code == RAFTCORE_OK;
    if (code != RAFTCORE_NONE)
        return code < 0 ? code : GORAFT_FETCH;
    return raftcore_get_ready(h->node, &h->ready);
}

static inline raftcore_code goraft_next_fetch(uintptr_t host) {
    goraft_host *h = (goraft_host *)host;
    if (h->has_fetch) {
        h->has_fetch = 0;
        return RAFTCORE_OK;
    }
    return raftcore_next_fetch(h->node, &h->fetch);
}

static inline raftcore_code goraft_propose(raftcore_node *node, const uint8_t *data, size_t len, uint64_t token) {
    raftcore_slice part = {data, len};
    return raftcore_propose(node, &part, 1, token);
}

/* The entries lie one behind the other in data, as long as lens says. */
static inline raftcore_code goraft_propose_flat(goraft_host *h, const uint8_t *data, const uint32_t *lens, const uint64_t *tokens,
                                                size_t count) {
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

/* kinds and ids in turn: id, kind, id, kind, ... */
static inline raftcore_code goraft_propose_conf(goraft_host *h, const uint64_t *changes, size_t count, uint32_t transition,
                                                const uint8_t *context, size_t context_len, uint64_t token) {
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
    return raftcore_propose_conf(h->node, c, count, transition, text, token);
}

static inline raftcore_code goraft_apply_conf(goraft_host *h, uint64_t term, uint64_t index, uint32_t kind, const uint8_t *data,
                                              size_t len) {
    raftcore_entry e = {0};
    e.term = term;
    e.index = index;
    e.kind = kind;
    e.data.ptr = data;
    e.data.len = len;
    return raftcore_apply_conf(h->node, &e, &h->conf);
}

/* A configuration: ids one list behind the other, n their counts; or bytes, if there are any. */
static inline raftcore_conf goraft_conf(const uint64_t *ids, const uint32_t *n, uint32_t auto_leave, const uint8_t *bytes,
                                        size_t bytes_len) {
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    if (bytes_len > 0) {
        conf.bytes.ptr = bytes;
        conf.bytes.len = bytes_len;
        return conf;
    }
    conf.auto_leave = auto_leave;
    conf.voters = ids;
    conf.outgoing = conf.voters + n[0];
    conf.learners = conf.outgoing + n[1];
    conf.learners_next = conf.learners + n[2];
    conf.n_voters = n[0];
    conf.n_outgoing = n[1];
    conf.n_learners = n[2];
    conf.n_learners_next = n[3];
    return conf;
}

static inline raftcore_code goraft_boot_conf(goraft_host *h, const uint64_t *ids, const uint32_t *n, uint32_t auto_leave,
                                             const uint8_t *bytes, size_t bytes_len, uint64_t before_first, uint64_t term) {
    raftcore_conf conf = goraft_conf(ids, n, auto_leave, bytes, bytes_len);
    return raftcore_boot_conf(h->node, &conf, before_first, term);
}

static inline raftcore_code goraft_supply_snapshot(goraft_host *h, uint64_t id, uint64_t index, const uint64_t *ids,
                                                   const uint32_t *n, uint32_t auto_leave, const uint8_t *bytes,
                                                   size_t bytes_len, const uint8_t *data, size_t len) {
    raftcore_conf conf = goraft_conf(ids, n, auto_leave, bytes, bytes_len);
    raftcore_slice state = {data, len};
    return raftcore_supply_snapshot(h->node, id, index, &conf, state);
}

/* Handles as numbers, so that Go does not look through a long list of pointers at each call. */
static inline size_t goraft_tick_many(const uintptr_t *nodes, size_t count, uint32_t ticks, uint32_t *found, size_t cap) {
    return raftcore_tick_many((raftcore_node *const *)nodes, count, ticks, found, cap);
}

/* Where the data of a snapshot begin in msg, and how long they are. */
static inline raftcore_code goraft_snapshot_split(const uint8_t *msg, size_t len, uint64_t out[4]) {
    raftcore_slice data = {0};
    raftcore_code code = raftcore_snapshot_split(msg, len, &data, &out[2], &out[3]);
    out[0] = code == RAFTCORE_OK && data.len > 0 ? (uint64_t)(data.ptr - msg) : 0;
    out[1] = data.len;
    return code;
}

#endif
