/*
 * lmdb_map_snapshot.c: a map as bytes, and back.
 *
 * First the table of sessions, in the form of docs/wire.md, section 9. Then records: key length, value
 * length, key, value. The last record has no key, and the number of keys and the hash of all pairs as value.
 */
#include <errno.h>

#include "lmdb_map_parts.h"

enum { PART_BYTES = 1 << 20, HEAD = 8, SUMS = 16 };

/* ---- out ---- */

struct map_view {
    MDB_txn *txn;
    MDB_cursor *cursor;
    struct map_state state;
    struct bytes out;                   /* not yet read */
    bool end;
};

int rh_map_snapshot_open(void *self, void **out, uint64_t *index, struct rh_words *why)
{
    struct rh_map *m = self;
    int code = map_settle(m, why), rc = 0;

    (void)index;                        /* everything applied is in the view */
    if (code != RH_OK)
        return code;
    struct map_view *v = calloc(1, sizeof *v);
    if (!v || !map_write_sessions(m->sessions, &v->out))
        rc = ENOMEM;
    if (rc == 0) {
        v->state = m->now.state;
        bytes_take(&v->out, HASH);      /* the file has checksums of its own */
        rc = mdb_txn_begin(m->env, NULL, MDB_RDONLY, &v->txn);
    }
    if (rc == 0)
        rc = mdb_cursor_open(v->txn, m->pairs[v->state.live], &v->cursor);
    *out = v;
    if (rc == 0)
        return RH_OK;
    if (v)
        rh_map_snapshot_close(m, v);
    return rh_lmdb_fail(why, rc, m->path, "begin a view");
}

static bool put_record(struct bytes *out, slice key, slice value)
{
    uint8_t *to = bytes_room(out, HEAD + key.len + value.len);

    if (!to)
        return false;
    rh_put_u32(to, (uint32_t)key.len);
    rh_put_u32(to + 4, (uint32_t)value.len);
    if (key.len > 0)
        memcpy(to + HEAD, key.ptr, key.len);
    if (value.len > 0)
        memcpy(to + HEAD + key.len, value.ptr, value.len);
    out->end += HEAD + key.len + value.len;
    return true;
}

int rh_map_snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why)
{
    struct rh_map *m = self;
    struct map_view *v = view;
    MDB_val k, value;

    while (!v->end && bytes_len(&v->out) < cap) {
        uint8_t sums[SUMS];
        int rc = mdb_cursor_get(v->cursor, &k, &value, MDB_NEXT);
        if (rc != 0 && rc != MDB_NOTFOUND)
            return rh_lmdb_fail(why, rc, m->path, "walk over the keys");
        v->end = rc == MDB_NOTFOUND;
        rh_put_u64(sums, v->state.keys);
        rh_put_u64(sums + 8, v->state.hash);
        if (!(v->end ? put_record(&v->out, (slice){0}, slice_of(sums, sizeof sums))
                     : put_record(&v->out, lmdb_slice(k),
                                  slice_of((uint8_t *)value.mv_data + HASH, value.mv_size - HASH))))
            return rh_fail(why, RH_E_NOMEM, "no memory for a snapshot");
    }
    *got = bytes_len(&v->out) < cap ? bytes_len(&v->out) : cap;
    if (*got > 0)
        memcpy(to, v->out.ptr + v->out.start, *got);
    bytes_take(&v->out, *got);
    return RH_OK;
}

void rh_map_snapshot_close(void *self, void *view)
{
    struct map_view *v = view;

    (void)self;
    if (v->cursor)
        mdb_cursor_close(v->cursor);
    if (v->txn)
        mdb_txn_abort(v->txn);
    bytes_free(&v->out);
    free(v);
}

/* ---- back ---- */

static int load_begin(struct rh_map *m, struct rh_words *why)
{
    int code = map_flush_all(m, why), rc;

    if (code < 0)
        return code;
    if ((rc = mdb_txn_begin(m->env, NULL, 0, &m->load)) != 0 ||
        (rc = mdb_drop(m->load, m->pairs[!m->now.state.live], 0)) != 0)
        return rh_lmdb_fail(why, rc, m->path, "clear the spare table");
    m->stage = (struct map_state){.live = !m->now.state.live};
    m->loaded = rh_sessions_new(RH_SESSIONS);
    m->has_sessions = false;
    return m->loaded ? RH_OK : rh_fail(why, RH_E_NOMEM, "no memory for the sessions");
}

/* Commits a part, so that no flush is long: a leader would take this node for dead. */
static int load_part(struct rh_map *m, struct rh_words *why)
{
    int rc = mdb_txn_commit(m->load);

    m->load = NULL;
    m->part = 0;
    if (rc == 0)
        rc = mdb_txn_begin(m->env, NULL, 0, &m->load);
    return rc == 0 ? RH_OK : rh_lmdb_fail(why, rc, m->path, "write a part of a snapshot");
}

/* Takes the table of sessions, once the table is whole. */
static int load_sessions(struct rh_map *m, struct rh_words *why)
{
    slice rest = bytes_slice(&m->rest);
    size_t len = 0, used = 0;
    int code = rh_sessions_length(rest.ptr, rest.len, &len);

    if (code == RH_NONE)
        return RH_OK;
    if (code == RH_OK)
        code = rh_sessions_read(m->loaded, rest.ptr, len, &used);
    if (code == RH_E_NOMEM)
        return rh_fail(why, code, "no memory for the sessions");
    if (code != RH_OK || used != len)
        return rh_fail(why, RH_E_DAMAGED, "a snapshot whose table of sessions is damaged");
    m->has_sessions = true;
    bytes_take(&m->rest, len);
    return RH_OK;
}

static int load_pair(struct rh_map *m, slice key, slice value, struct rh_words *why)
{
    MDB_val k = lmdb_val(key), v = {HASH + value.len, NULL};
    uint64_t hash = map_pair_hash(key, value);
    int rc = mdb_put(m->load, m->pairs[m->stage.live], &k, &v, MDB_RESERVE);

    if (rc != 0)
        return rh_lmdb_fail(why, rc, m->path, "write a key of a snapshot");
    rh_put_u64(v.mv_data, hash);
    if (value.len > 0)
        memcpy((uint8_t *)v.mv_data + HASH, value.ptr, value.len);
    m->stage.keys++;
    m->stage.hash += hash;
    return RH_OK;
}

/* Takes whole records. The rest waits for the next bytes. */
static int load_data(struct rh_map *m, const void *bytes, size_t len, struct rh_words *why)
{
    struct map_state *s = &m->stage;

    if (!bytes_add(&m->rest, bytes, len))
        return rh_fail(why, RH_E_NOMEM, "no memory for a snapshot");
    int code = m->has_sessions ? RH_OK : load_sessions(m, why);
    if (code != RH_OK || !m->has_sessions)
        return code;
    while (bytes_len(&m->rest) >= HEAD) {
        const uint8_t *p = m->rest.ptr + m->rest.start;
        uint64_t key_len = rh_get_u32(p), value_len = rh_get_u32(p + 4);
        if (key_len > RH_MAP_KEY_MAX || value_len > RH_MAP_VALUE_MAX || (key_len == 0 && value_len != SUMS))
            return rh_fail(why, RH_E_DAMAGED, "a snapshot with a key of %llu and a value of %llu bytes", (ull)key_len,
                           (ull)value_len);
        if (bytes_len(&m->rest) < HEAD + key_len + value_len)
            break;
        slice key = slice_of(p + HEAD, key_len), value = slice_of(p + HEAD + key_len, value_len);
        if (key_len == 0 && (rh_get_u64(value.ptr) != s->keys || rh_get_u64(value.ptr + 8) != s->hash))
            return rh_fail(why, RH_E_DAMAGED, "a snapshot whose sums do not match its pairs");
        if (key_len > 0 && (code = load_pair(m, key, value, why)) != RH_OK)
            return code;
        s->version += key_len == 0;     /* the end is here */
        m->part += key_len + value_len;
        bytes_take(&m->rest, HEAD + key_len + value_len);
    }
    return m->part >= PART_BYTES ? load_part(m, why) : RH_OK;
}

static int load_commit(struct rh_map *m, uint64_t index, struct rh_words *why)
{
    struct map_state *s = &m->stage;
    struct bytes record = {0};
    int rc = 0;

    if (s->version != 1 || bytes_len(&m->rest) > 0)
        return rh_fail(why, RH_E_DAMAGED, "a snapshot that ends within a record");
    s->applied = index;
    if (!map_write_sessions(m->loaded, &record))
        rc = ENOMEM;
    if (rc == 0 && (rc = mdb_drop(m->load, m->pairs[!s->live], 0)) == 0 && (rc = map_put_state(m, m->load, s)) == 0 &&
        (rc = map_put_sessions(m, m->load, bytes_slice(&record))) == 0) {
        rc = mdb_txn_commit(m->load);
        m->load = NULL;
    }
    bytes_free(&record);
    if (rc != 0)
        return rh_lmdb_fail(why, rc, m->path, "install a snapshot");
    m->now.state = *s;
    m->durable = s->applied;
    rh_sessions_free(m->sessions);
    m->sessions = m->loaded;
    m->loaded = NULL;
    m->sessions_changed = false;
    mdb_txn_reset(m->view);
    rc = mdb_txn_renew(m->view);
    if (rc != 0)
        map_fail(m, rc, "renew the view");
    return rh_map_failed(m, why);
}

int rh_map_snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why)
{
    struct rh_map *m = self;
    int code = what == RH_LOAD_BEGIN    ? load_begin(m, why)
               : what == RH_LOAD_DATA   ? load_data(m, bytes, len, why)
               : what == RH_LOAD_COMMIT ? load_commit(m, index, why)
                                        : RH_E_STATE;

    if (code < 0 || what == RH_LOAD_COMMIT) {
        if (m->load)
            mdb_txn_abort(m->load);
        m->load = NULL;
        rh_sessions_free(m->loaded);
        m->loaded = NULL;
        bytes_free(&m->rest);
    }
    return what == RH_LOAD_ABORT ? RH_OK : code;
}
