/*
 * data.c: the users' keys and values, views of the data for outgoing snapshots, and the second
 * table for incoming snapshots.
 */
#include "store.h"

/* Returns a pair's share of the data's hash. The hash is a sum, so a write changes the hash without
 * reading other pairs. */
static uint64_t pair_hash(slice key, slice value)
{
    return hash64(value, hash64(key, 0x6b7601));
}

static MDB_dbi live(const struct store *s)
{
    return s->data[s->state.live];
}

static MDB_dbi spare(const struct store *s)
{
    return s->data[1 - s->state.live];
}

bool store_get(struct store *s, slice key, slice *value_out)
{
    MDB_val k = store_val(key), v;
    int rc = mdb_get(store_txn(s), live(s), &k, &v);

    if (rc == MDB_NOTFOUND)
        return false;
    store_check(rc, "read a key");
    *value_out = store_slice(v);
    return true;
}

void store_put(struct store *s, slice key, slice value)
{
    MDB_val k = store_val(key), v = store_val(value);
    slice old;

    if (store_get(s, key, &old))
        s->state.hash -= pair_hash(key, old);
    else
        s->state.keys++;
    s->state.hash += pair_hash(key, value);
    store_check(mdb_put(store_txn(s), live(s), &k, &v, 0), "write a key");
    s->changes++;
}

bool store_del(struct store *s, slice key)
{
    MDB_val k = store_val(key);
    slice old;

    if (!store_get(s, key, &old))
        return false;
    s->state.hash -= pair_hash(key, old);
    s->state.keys--;
    store_check(mdb_del(store_txn(s), live(s), &k, NULL), "delete a key");
    s->changes++;
    return true;
}

void store_flush(struct store *s)
{
    store_check(mdb_drop(store_txn(s), live(s), 0), "delete all keys");
    s->state.keys = s->state.hash = 0;
    s->changes++;
}

static bool cursor_get(MDB_cursor *cursor, MDB_val *k, MDB_cursor_op op, slice *key_out, slice *value_out)
{
    MDB_val v;
    int rc = mdb_cursor_get(cursor, k, &v, op);

    if (rc == MDB_NOTFOUND)
        return false;
    store_check(rc, "walk over the keys");
    *key_out = store_slice(*k);
    *value_out = store_slice(v);
    return true;
}

MDB_cursor *store_scan(struct store *s, slice from, bool after, slice *key_out, slice *value_out)
{
    MDB_cursor *cursor;
    MDB_val k = store_val(from);

    store_check(mdb_cursor_open(store_txn(s), live(s), &cursor), "open a cursor");
    bool found = cursor_get(cursor, &k, from.len ? MDB_SET_RANGE : MDB_FIRST, key_out, value_out);
    if (found && after && key_out->len == from.len && memcmp(key_out->ptr, from.ptr, from.len) == 0)
        found = store_scan_next(cursor, key_out, value_out);
    if (found)
        return cursor;
    mdb_cursor_close(cursor);
    return NULL;
}

bool store_scan_next(MDB_cursor *cursor, slice *key_out, slice *value_out)
{
    MDB_val k;

    return cursor_get(cursor, &k, MDB_NEXT, key_out, value_out);
}

static slice view_meta(struct store *s, struct store_view *v, const char *name)
{
    MDB_val k = store_val(slice_of(name, strlen(name))), value;
    int rc = mdb_get(v->txn, s->meta, &k, &value);

    if (rc == MDB_NOTFOUND)
        return (slice){0};
    store_check(rc, "read from meta");
    return store_slice(value);
}

void store_view_open(struct store *s, struct store_view *v)
{
    MDB_val k;

    store_commit(s);                /* a read transaction sees committed data only: commit all that is applied */
    *v = (struct store_view){.state = s->state};
    store_check(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &v->txn), "begin a view");
    v->conf = view_meta(s, v, "conf");
    v->addresses = view_meta(s, v, "addresses");
    store_check(mdb_cursor_open(v->txn, live(s), &v->cursor), "open a cursor");
    v->more = cursor_get(v->cursor, &k, MDB_FIRST, &v->key, &v->value);
}

void store_view_next(struct store_view *v)
{
    v->more = store_scan_next(v->cursor, &v->key, &v->value);
}

void store_view_close(struct store_view *v)
{
    if (!v->txn)
        return;
    mdb_cursor_close(v->cursor);
    mdb_txn_abort(v->txn);
    *v = (struct store_view){0};
}

void store_stage_clear(struct store *s)
{
    store_check(mdb_drop(store_txn(s), spare(s), 0), "clear the spare table");
    s->stage_keys = s->stage_hash = 0;
    s->changes++;
}

void store_stage_put(struct store *s, slice key, slice value)
{
    MDB_val k = store_val(key), v = store_val(value);

    /* A view returns its keys in order, so append. The server has refused a peer with another order
     * before. */
    store_check(mdb_put(store_txn(s), spare(s), &k, &v, 0), "write a key of a snapshot");
    s->stage_keys++;
    s->stage_hash += pair_hash(key, value);
    s->changes++;
}

void store_install(struct store *s, uint64_t index, uint64_t term, slice conf, slice addresses)
{
    store_check(mdb_drop(store_txn(s), live(s), 0), "drop the old data");
    store_check(mdb_drop(store_txn(s), s->log, 0), "drop the old log");
    s->state.live = 1 - s->state.live;
    s->state.keys = s->stage_keys;
    s->state.hash = s->stage_hash;
    s->state.applied = s->state.before = s->last = index;
    s->state.before_term = term;
    s->stage_keys = s->stage_hash = 0;
    store_set_conf(s, conf);
    store_set_addresses(s, addresses);
}
