/* sim_db.c: a database for the simulator: a list of numbers. Its snapshot: count, numbers, sessions. */
#include "bytes.h"
#include "sim.h"

struct view {
    uint8_t *bytes;
    size_t len, at;
};

static void add(struct sim_db *db, uint64_t id)
{
    if (db->n == db->cap) {
        db->cap = 2 * db->cap + 64;
        db->ids = must(realloc(db->ids, db->cap * sizeof *db->ids));
    }
    db->ids[db->n++] = id;
}

static int apply(void *self, struct rh_entry *e, size_t n, struct rh_words *why)
{
    struct sim_db *db = self;

    (void)why;
    if (n > db->cap_results) {
        db->cap_results = n;
        db->results = must(realloc(db->results, n * sizeof *db->results));
    }
    for (size_t i = 0; i < n; i++) {
        CHECK(e[i].index > db->applied);
        db->applied = e[i].index;
        if (rh_sessions_seen(db->sessions, &e[i])) {
            if (e[i].forgotten)             /* a late copy, after the session's next request */
                continue;
            memcpy(&db->results[i], e[i].result.ptr, 8);
            e[i].result = (raftcore_slice){(uint8_t *)&db->results[i], 8};
            continue;
        }
        CHECK(e[i].data.len >= 8);
        db->results[i] = db->n;
        add(db, rh_get_u64(e[i].data.ptr));
        e[i].result = (raftcore_slice){(uint8_t *)&db->results[i], 8};
        CHECK(rh_sessions_done(db->sessions, &e[i]) == RH_OK);
    }
    return 0;
}

static int applied(void *self, uint64_t *index, struct rh_words *why)
{
    struct sim_db *db = self;

    (void)why;
    *index = db->durable ? db->applied : 0;
    return 0;
}

static int flush(void *self, uint64_t index, struct rh_words *why)
{
    struct sim_db *db = self;

    (void)why;
    CHECK(index <= db->applied);
    return 0;
}

static int snapshot_open(void *self, void **view, uint64_t *index, struct rh_words *why)
{
    struct sim_db *db = self;

    (void)index;
    (void)why;
    if (++db->asked % 3 != 0)           /* the view takes time */
        return RH_NONE;
    struct view *v = must(malloc(sizeof *v));
    v->len = 8 + 8 * db->n + rh_sessions_bytes(db->sessions);
    v->bytes = must(malloc(v->len));
    v->at = 0;
    rh_put_u64(v->bytes, db->n);
    for (size_t i = 0; i < db->n; i++)
        rh_put_u64(v->bytes + 8 + 8 * i, db->ids[i]);
    CHECK(rh_sessions_write(db->sessions, v->bytes + 8 + 8 * db->n) == RH_OK);
    *view = v;
    return 0;
}

static int snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why)
{
    struct view *v = view;

    (void)self;
    (void)why;
    *got = v->len - v->at < cap ? v->len - v->at : cap;
    memcpy(to, v->bytes + v->at, *got);
    v->at += *got;
    return 0;
}

static void snapshot_close(void *self, void *view)
{
    struct view *v = view;

    (void)self;
    free(v->bytes);
    free(v);
}

static int commit(struct sim_db *db, uint64_t index)
{
    const uint8_t *b = db->incoming;

    CHECK(db->incoming_len >= 8);
    uint64_t n = rh_get_u64(b);
    CHECK(n <= (db->incoming_len - 8) / 8);
    db->n = 0;
    for (uint64_t i = 0; i < n; i++)
        add(db, rh_get_u64(b + 8 + 8 * i));
    db->applied = index;
    size_t used = 0, rest = db->incoming_len - 8 - 8 * n;
    int code = rh_sessions_read(db->sessions, b + 8 + 8 * n, rest, &used);
    return code == RH_OK && used != rest ? RH_E_DAMAGED : code;
}

static int snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why)
{
    struct sim_db *db = self;
    int code = 0;

    (void)why;
    if (what == RH_LOAD_DATA) {
        db->incoming = must(realloc(db->incoming, db->incoming_len + len));
        memcpy(db->incoming + db->incoming_len, bytes, len);
        db->incoming_len += len;
        return 0;
    }
    if (what == RH_LOAD_COMMIT)
        code = commit(db, index);
    free(db->incoming);
    db->incoming = NULL;
    db->incoming_len = 0;
    return code;
}

static void outcome(void *self, uint64_t ticket, const struct rh_outcome *o)
{
    struct sim_db *db = self;

    sim_outcome(db->id, ticket, o);
}

const struct rh_database sim_database = {
    .struct_size = sizeof sim_database,
    .apply = apply,
    .applied = applied,
    .flush = flush,
    .snapshot_open = snapshot_open,
    .snapshot_read = snapshot_read,
    .snapshot_close = snapshot_close,
    .snapshot_load = snapshot_load,
    .outcome = outcome,
};

void sim_db_forget(struct sim_db *db)
{
    if (!db->durable || !db->sessions) {
        rh_sessions_free(db->sessions);
        db->sessions = must(rh_sessions_new(64));
        db->n = 0;
        db->applied = 0;
    }
    free(db->incoming);
    db->incoming = NULL;
    db->incoming_len = 0;
}

void sim_db_free(struct sim_db *db)
{
    rh_sessions_free(db->sessions);
    free(db->ids);
    free(db->results);
    free(db->incoming);
}
