/*
 * data_snapshot.c: the data as bytes, and back.
 *
 * First the table of sessions, in the form of docs/wire.md, section 9. Then records: key length, value
 * length, key, value. The last record has no key, and the number of keys and the hash of all pairs as value.
 */
#include <stdlib.h>

#include "data_parts.h"

enum {
    PART_BYTES = 1 << 20,
    TABLE_HEAD = 8,                 /* mark, count */
    SESSION_HEAD = RH_SESSION_BYTES + 8 + 4,
    SESSION_RESULT_MAX = 16 * 1024,
};

/* ---- out ---- */

struct view {
    MDB_txn *txn;
    MDB_cursor *cursor;
    struct data_state state;
    struct buf out;                 /* bytes not yet read */
    bool end;
};

int data_snapshot_open(void *self, void **out, uint64_t *index, struct rh_words *why) {
    struct data *d = self;
    int code = data_settle(d, why), rc;
    if (code != RH_OK)
        return code;
    struct view *v = xcalloc(1, sizeof *v);
    v->state = d->now.state;
    data_write_sessions(d->sessions, &v->out);
    buf_consume(&v->out, HASH);     /* the file has checksums of its own */
    if ((rc = mdb_txn_begin(d->env, NULL, MDB_RDONLY, &v->txn)) != 0 ||
        (rc = mdb_cursor_open(v->txn, d->pairs[v->state.live], &v->cursor)) != 0) {
        if (v->txn)
            mdb_txn_abort(v->txn);
        buf_free(&v->out);
        free(v);
        return data_fail(why, rc, "begin a view");
    }
    *out = v;
    return RH_OK;
}

int data_snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why) {
    struct view *v = view;
    MDB_val k, value;
    while (!v->end && buf_len(&v->out) < cap) {
        int rc = mdb_cursor_get(v->cursor, &k, &value, MDB_NEXT);
        if (rc != 0 && rc != MDB_NOTFOUND)
            return data_fail(why, rc, "walk over the keys");
        if ((v->end = rc == MDB_NOTFOUND)) {
            uint8_t sums[16];
            put_le(sums, v->state.keys, 8);
            put_le(sums + 8, v->state.hash, 8);
            buf_add_u32(&v->out, 0);
            buf_add_u32(&v->out, sizeof sums);
            buf_add(&v->out, sums, sizeof sums);
            break;
        }
        buf_add_u32(&v->out, (uint32_t)k.mv_size);
        buf_add_u32(&v->out, (uint32_t)(value.mv_size - HASH));
        buf_add(&v->out, k.mv_data, k.mv_size);
        buf_add(&v->out, (uint8_t *)value.mv_data + HASH, value.mv_size - HASH);
    }
    *got = buf_len(&v->out) < cap ? buf_len(&v->out) : cap;
    memcpy(to, v->out.ptr + v->out.start, *got);
    buf_consume(&v->out, *got);
    return RH_OK;
}

void data_snapshot_close(void *self, void *view) {
    struct view *v = view;
    mdb_cursor_close(v->cursor);
    mdb_txn_abort(v->txn);
    buf_free(&v->out);
    free(v);
}

/* ---- back ---- */

static int load_begin(struct data *d, struct rh_words *why) {
    int code = data_flush(d, why), rc;
    if (code < 0)
        return code;
    if ((rc = mdb_txn_begin(d->env, NULL, 0, &d->load)) != 0 || (rc = mdb_drop(d->load, d->pairs[!d->now.state.live], 0)) != 0)
        return data_fail(why, rc, "clear the spare table");
    d->stage = (struct data_state){.live = !d->now.state.live};
    d->loaded = rh_sessions_new(RH_SESSIONS);
    d->has_sessions = false;
    return d->loaded ? RH_OK : rh_fail(why, RH_E_NOMEM, "no memory for the sessions");
}

/* Commits a part, so that no flush is long: a leader would take this node for dead. */
static int load_part(struct data *d, struct rh_words *why) {
    int rc = mdb_txn_commit(d->load);
    d->load = NULL;
    d->part = 0;
    return rc != 0 || (rc = mdb_txn_begin(d->env, NULL, 0, &d->load)) != 0 ? data_fail(why, rc, "write a part of a snapshot") : RH_OK;
}

/* Returns the length of the table of sessions at the beginning. 0: the table goes on behind the bytes, or is damaged. */
static size_t table_length(slice bytes) {
    size_t at = TABLE_HEAD;
    if (bytes.len < TABLE_HEAD)
        return 0;
    for (uint64_t n = get_le(bytes.ptr + 4, 4); n > 0; n--) {
        if (bytes.len - at < SESSION_HEAD)
            return 0;
        uint64_t result = get_le(bytes.ptr + at + SESSION_HEAD - 4, 4);
        at += SESSION_HEAD;
        if (result > SESSION_RESULT_MAX)
            continue;               /* not kept: no bytes follow. Other values are found by rh_sessions_read */
        if (bytes.len - at < result)
            return 0;
        at += result;
    }
    return at;
}

/* Takes the table of sessions, once the table is whole. */
static int load_sessions(struct data *d, struct rh_words *why) {
    size_t len = table_length(buf_slice(&d->rest)), used = 0;
    if (len == 0)
        return RH_OK;
    if (rh_sessions_read(d->loaded, d->rest.ptr + d->rest.start, len, &used) != RH_OK || used != len)
        return rh_fail(why, RH_E_DAMAGED, "a snapshot whose table of sessions is damaged");
    d->has_sessions = true;
    buf_consume(&d->rest, len);
    return RH_OK;
}

/* Takes whole records. The rest waits for the next bytes. */
static int load_data(struct data *d, const void *bytes, size_t len, struct rh_words *why) {
    struct data_state *s = &d->stage;
    buf_add(&d->rest, bytes, len);
    int code = d->has_sessions ? RH_OK : load_sessions(d, why);
    if (code != RH_OK || !d->has_sessions)
        return code;
    while (buf_len(&d->rest) >= 8) {
        const uint8_t *p = d->rest.ptr + d->rest.start;
        uint64_t key_len = get_le(p, 4), value_len = get_le(p + 4, 4);
        if (key_len > KEY_MAX || value_len > VALUE_MAX || (key_len == 0 && value_len != 16))
            return rh_fail(why, RH_E_DAMAGED, "a snapshot with a key of %llu and a value of %llu bytes", (ull)key_len,
                           (ull)value_len);
        if (buf_len(&d->rest) < 8 + key_len + value_len)
            break;
        slice key = slice_of(p + 8, key_len), value = slice_of(p + 8 + key_len, value_len);
        if (key_len == 0 && (get_le(value.ptr, 8) != s->keys || get_le(value.ptr + 8, 8) != s->hash))
            return rh_fail(why, RH_E_DAMAGED, "a snapshot whose sums do not match its pairs");
        if (key_len > 0) {
            MDB_val k = val(key), v = {HASH + value_len, NULL};
            uint64_t hash = pair_hash(key, value);
            int rc = mdb_put(d->load, d->pairs[s->live], &k, &v, MDB_RESERVE);
            if (rc != 0)
                return data_fail(why, rc, "write a key of a snapshot");
            put_le(v.mv_data, hash, HASH);
            memcpy((uint8_t *)v.mv_data + HASH, value.ptr, value_len);
            s->keys++;
            s->hash += hash;
        }
        s->version += key_len == 0; /* the end is here */
        d->part += key_len + value_len;
        buf_consume(&d->rest, 8 + key_len + value_len);
    }
    return d->part >= PART_BYTES ? load_part(d, why) : RH_OK;
}

static int load_commit(struct data *d, uint64_t index, struct rh_words *why) {
    struct data_state *s = &d->stage;
    struct buf record = {0};
    int rc;
    if (s->version != 1 || buf_len(&d->rest) > 0)
        return rh_fail(why, RH_E_DAMAGED, "a snapshot that ends within a record");
    s->applied = index;
    data_write_sessions(d->loaded, &record);
    if ((rc = mdb_drop(d->load, d->pairs[!s->live], 0)) == 0 && (rc = data_put_state(d, d->load, s)) == 0)
        rc = data_put_sessions(d, d->load, buf_slice(&record));
    buf_free(&record);
    if (rc != 0)
        return data_fail(why, rc, "install a snapshot");
    rc = mdb_txn_commit(d->load);
    d->load = NULL;
    if (rc != 0)
        return data_fail(why, rc, "install a snapshot");
    d->now.state = *s;
    d->durable = s->applied;
    rh_sessions_free(d->sessions);
    d->sessions = d->loaded;
    d->loaded = NULL;
    d->sessions_changed = false;
    mdb_txn_reset(d->view);
    data_must(mdb_txn_renew(d->view), "renew the view");
    return RH_OK;
}

int data_snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                       struct rh_words *why) {
    struct data *d = self;
    int code = what == RH_LOAD_BEGIN    ? load_begin(d, why)
               : what == RH_LOAD_DATA   ? load_data(d, bytes, len, why)
               : what == RH_LOAD_COMMIT ? load_commit(d, index, why)
                                        : RH_E_STATE;
    if (code < 0 || what == RH_LOAD_COMMIT) {
        if (d->load)
            mdb_txn_abort(d->load);
        d->load = NULL;
        rh_sessions_free(d->loaded);
        d->loaded = NULL;
        buf_clear(&d->rest);
    }
    return what == RH_LOAD_ABORT ? RH_OK : code;
}
