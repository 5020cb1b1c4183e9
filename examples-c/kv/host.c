/* host.c: kv's struct rh_database, requests into the library, outcomes back. */
#include "host.h"

#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "lmdb_log.h"
#include "op.h"
#include "resp.h"

struct kv kv;
static struct buf replies;          /* of the entries of an apply */

/* Reads that wait for an answer of the library together. */
struct batch {
    struct request *first, **last;
};
static struct batch *asking;        /* not asked yet */

/* A ticket is a pointer to a request, or to a batch with the bit IS_BATCH. */
enum { IS_BATCH = 1 };

/* ---- the database ---- */

int data_must(int code) {
    struct rh_words why = {""};
    if (rh_map_failed(kv.map, &why) < 0)
        die("%s", why.text);
    return code;
}

/* Adds the reply to `replies`. A write that a client sends twice changes nothing, and has the first reply. */
static void apply_one(struct rh_entry *e) {
    size_t begin = replies.end;
    if (rh_map_seen(kv.map, e)) {
        if (!e->forgotten)
            buf_add(&replies, e->result.ptr, e->result.len);
    } else {
        op_apply(e->data, &replies);
        e->result = slice_of(replies.ptr + begin, replies.end - begin);
        data_must(rh_map_done(kv.map, e));
    }
    rh_map_index(kv.map, e->index);
}

static int apply(void *self, struct rh_entry *entries, size_t count, struct rh_words *why) {
    size_t *ends = xcalloc(count, sizeof *ends);
    buf_clear(&replies);
    for (size_t i = 0; i < count; i++) {
        apply_one(&entries[i]);
        ends[i] = replies.end;
    }
    for (size_t i = 0; i < count; i++) {
        size_t begin = i > 0 ? ends[i - 1] : 0;
        entries[i].result = slice_of(replies.ptr + begin, ends[i] - begin);
    }
    free(ends);
    kv.n_applied += count;
    return rh_map_turn(kv.map, why);
}

static void outcome_of_reads(struct batch *b, const struct rh_outcome *o) {
    for (struct request *r = b->first, *next; r; r = next) {
        next = r->queued;
        if (o->what != RH_READABLE)
            resp_error(&r->reply, "TRYAGAIN %s: send it again", o->words);
        request_done(r, o->what == RH_READABLE ? REQUEST_READY : REQUEST_DONE);
    }
    free(b);
}

static void outcome(void *self, uint64_t ticket, const struct rh_outcome *o) {
    struct request *r = (struct request *)(uintptr_t)ticket;
    if (ticket & IS_BATCH) {
        outcome_of_reads((struct batch *)(uintptr_t)(ticket - IS_BATCH), o);
        return;
    }
    if (r->command->kind == COMMAND_ADMIN) {
        admin_outcome(r, o);
        return;
    }
    if (o->what == RH_DONE) {
        buf_add(&r->reply, o->result.ptr, o->result.len);
    } else if (o->what == RH_UNKNOWN) {
        kv.n_unknown++;
        resp_error(&r->reply, "UNKNOWN outcome unknown: the write may or may not have been applied: %s", o->words);
    } else {
        resp_error(&r->reply, "TRYAGAIN %s: nothing was applied, send it again", o->words);
    }
    request_done(r, REQUEST_DONE);
}

/* ---- requests ---- */

static const char *why_not(int code) {
    return code == RH_E_BUSY ? "too many requests are under way" : rh_strerror(code);
}

void host_write(struct request *r) {
    slice op = buf_slice(&r->op);
    if (op_may_grow(op) && rh_map_info(kv.map).full) {
        resp_error(&r->reply, "FULL the database has used nine tenths of --map-gib: delete keys, or start the servers with more");
        r->state = REQUEST_DONE;
        return;
    }
    kv.n_writes++;
    r->state = REQUEST_WAITING;
    int code = rh_propose(kv.host, &op, 1, r->retry.number ? &r->retry : NULL, (uint64_t)(uintptr_t)r);
    buf_free(&r->op);
    if (code == RH_OK)
        return;
    resp_error(&r->reply, "TRYAGAIN %s: nothing was applied, send it again", why_not(code));
    r->state = REQUEST_DONE;
}

void host_read(struct request *r) {
    if (!asking) {
        asking = xcalloc(1, sizeof *asking);
        asking->last = &asking->first;
    }
    kv.n_reads++;
    r->state = REQUEST_WAITING;
    *asking->last = r;
    asking->last = &r->queued;
}

static void ask(void) {
    struct batch *b = asking;
    asking = NULL;
    int code = b ? rh_read(kv.host, (uint64_t)(uintptr_t)b | IS_BATCH) : RH_OK;
    if (code < 0)
        outcome_of_reads(b, &(struct rh_outcome){.what = RH_NOT_COMMITTED, .words = why_not(code)});
}

/* ---- the host ---- */

static void say(void *context, enum rh_level level, const char *text) {
    note("%s", text);
}

/* docs/lost-quorum.md */
static void go_on_alone(const struct options *o, const struct rh_log *store) {
    struct rh_words told = {""}, why = {""};
    if (rh_recover_log(o->rh.dir, o->rh.group, o->rh.id, store, &told, &why) != RH_OK)
        die("%s", why.text);
    note("--force-cluster: this node GOES ON ALONE, and the others must never come back. %s", told.text);
}

/* A log of the wrong kind in the directory would look like no log at all. */
static struct rh_log *open_store(const struct options *o, struct rh_log *store) {
    char path[300];
    snprintf(path, sizeof path, "%s/log.mdb", o->rh.dir);
    if (!o->lmdb_log && access(path, F_OK) == 0)
        die("%s has a log in LMDB: start with --log lmdb", o->rh.dir);
    if (!o->lmdb_log)
        return NULL;
    if (rh_lmdb_log_make(o->rh.dir, o->map_bytes, o->rh.keep_bytes, 0, store, NULL) != RH_OK)
        die("out of memory");
    return store;
}

void host_open(const struct options *o) {
    char path[300];
    snprintf(path, sizeof path, "%s/data.mdb", o->rh.dir);
    if (!(kv.map = rh_map_new(path, o->map_bytes)))
        die("out of memory");
    const struct rh_database db = {.struct_size = sizeof db, .self = kv.map, .apply = apply, .applied = rh_map_applied,
                                   .flush = rh_map_flush, .snapshot_open = rh_map_snapshot_open,
                                   .snapshot_read = rh_map_snapshot_read, .snapshot_close = rh_map_snapshot_close,
                                   .snapshot_load = rh_map_snapshot_load, .outcome = outcome};
    struct rh_options rh = o->rh;
    struct rh_words why = {""};
    struct rh_log store;
    rh.log = say;
    rh.more_metrics = kv_metrics;
    if (o->force_alone)
        go_on_alone(o, open_store(o, &store));
    rh.store = open_store(o, &store);
    if (rh_open(&rh, &db, &kv.host, &why) != RH_OK)
        die("%s", why.text);
}

void host_turn(void) {
    struct rh_words why = {""};
    ask();
    if (rh_turn(kv.host, &why) < 0 || rh_map_turn(kv.map, &why) < 0)
        die("%s", why.text);
}

void host_close(void) {
    struct rh_words why = {""};
    if (asking)
        ask();
    if (rh_close(kv.host, &why) < 0)
        note("%s", why.text);
    kv.host = NULL;
    if (rh_map_close(kv.map, &why) < 0)
        note("%s", why.text);
}
