/*
 * store.c: the LMDB environment, its write transaction, the state record and the log. The data
 * tables are in data.c.
 */
#define _GNU_SOURCE
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STATE_VERSION = 1,
    ENTRY_HEAD = 16,                /* term (8), kind (4), zero (4); then the data */
    LARGE_CHANGES = 100 * 1000,     /* LMDB keeps changed pages of a transaction in memory: limit their number */
};

void store_check(int rc, const char *what)
{
    if (rc == MDB_MAP_FULL)
        die("%s: the database is as large as --map-gib allows: start again with a larger one", what);
    /* LMDB answers EIO where the system wrote less than it was given: a full disk most often. */
    if (rc != 0)
        die("%s: %s%s: stopping, the next start boots from what is on the disk", what, mdb_strerror(rc),
            rc == EIO ? " (is there room on the disk?)" : "");
}

MDB_txn *store_txn(struct store *s)
{
    if (!s->txn)
        store_check(mdb_txn_begin(s->env, NULL, 0, &s->txn), "begin a transaction");
    return s->txn;
}

/* Two servers in a directory would wait for each other in LMDB; report the mistake instead. */
static void lock_dir(struct store *s, const char *dir)
{
    char path[4096];

    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        die("can't make the directory %s: %s", dir, strerror(errno));
    snprintf(path, sizeof path, "%s/server.lock", dir);
    s->lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (s->lock_fd < 0)
        die("can't open %s: %s", path, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        die("another server runs in %s", dir);
}

static slice meta_get(struct store *s, const char *name)
{
    MDB_val k = store_val(slice_of(name, strlen(name))), v;
    int rc = mdb_get(store_txn(s), s->meta, &k, &v);

    if (rc == MDB_NOTFOUND)
        return (slice){0};
    store_check(rc, "read from meta");
    return store_slice(v);
}

static void meta_put(struct store *s, const char *name, slice value)
{
    MDB_val k = store_val(slice_of(name, strlen(name))), v = store_val(value);

    store_check(mdb_put(store_txn(s), s->meta, &k, &v, 0), "write to meta");
    s->changes++;
}

static MDB_val index_key(uint64_t index, uint8_t bytes[8])
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(index >> (56 - 8 * i));
    return (MDB_val){.mv_size = 8, .mv_data = bytes};
}

static uint64_t key_index(MDB_val k)
{
    uint64_t index = 0;

    for (int i = 0; i < 8; i++)
        index = index << 8 | ((const uint8_t *)k.mv_data)[i];
    return index;
}

static uint64_t find_last(struct store *s)
{
    MDB_cursor *c;
    MDB_val k, v;
    uint64_t last = s->state.before;

    store_check(mdb_cursor_open(store_txn(s), s->log, &c), "open a cursor");
    int rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
    if (rc == 0)
        last = key_index(k);
    else if (rc != MDB_NOTFOUND)
        store_check(rc, "find the last entry");
    mdb_cursor_close(c);
    return last;
}

static void load_state(struct store *s, uint64_t id, uint64_t group, bool regroup)
{
    slice record = meta_get(s, "state");

    if (!record.ptr) {
        s->fresh = true;
        s->state = (struct store_state){.version = STATE_VERSION, .id = id, .group = group};
        return;
    }
    if (record.len != sizeof s->state)
        die("the state record has %zu bytes, this server knows one of %zu: it was written by another version", record.len,
            sizeof s->state);
    memcpy(&s->state, record.ptr, record.len);
    if (s->state.version != STATE_VERSION)
        die("the state record is of version %llu, this server knows %d", (ull)s->state.version, STATE_VERSION);
    if (s->state.id != id || (s->state.group != group && !regroup))
        die("the directory belongs to node %llu of group %llu, not to node %llu of group %llu",
            (ull)s->state.id, (ull)s->state.group, (ull)id, (ull)group);
    s->written = s->state;
    s->state.group = group;
}

void store_open(struct store *s, const char *dir, uint64_t id, uint64_t group, bool regroup, size_t map_bytes)
{
    *s = (struct store){.lock_fd = -1};
    lock_dir(s, dir);
    store_check(mdb_env_create(&s->env), "make an environment");
    store_check(mdb_env_set_maxdbs(s->env, 4), "set the number of tables");
    store_check(mdb_env_set_mapsize(s->env, map_bytes), "set the map's size");
    /* NOTLS: the views of snapshots are read transactions in the writing thread. */
    int rc = mdb_env_open(s->env, dir, MDB_NOTLS, 0666);
    if (rc != 0)
        die("can't open the database in %s: %s", dir, mdb_strerror(rc));
    MDB_txn *txn = store_txn(s);
    store_check(mdb_dbi_open(txn, "meta", MDB_CREATE, &s->meta), "open meta");
    store_check(mdb_dbi_open(txn, "log", MDB_CREATE, &s->log), "open log");
    store_check(mdb_dbi_open(txn, "data0", MDB_CREATE, &s->data[0]), "open data0");
    store_check(mdb_dbi_open(txn, "data1", MDB_CREATE, &s->data[1]), "open data1");
    store_check(mdb_txn_commit(txn), "make the tables");
    s->txn = NULL;

    load_state(s, id, group, regroup);
    s->last = find_last(s);
    if (s->last < s->state.applied || s->state.applied < s->state.before)
        die("the disk contradicts itself: log after %llu to %llu, applied %llu", (ull)s->state.before,
            (ull)s->last, (ull)s->state.applied);
    store_stage_clear(s);           /* the rest of an unfinished snapshot */
}

void store_close(struct store *s)
{
    store_commit(s);
    mdb_env_close(s->env);
    close(s->lock_fd);
}

void store_commit(struct store *s)
{
    if (memcmp(&s->state, &s->written, sizeof s->state) != 0) {
        meta_put(s, "state", slice_of(&s->state, sizeof s->state));
        s->written = s->state;
    }
    if (!s->txn)
        return;
    store_check(mdb_txn_commit(s->txn), "commit");
    s->txn = NULL;
    if (s->changes)
        s->commits++;
    s->changes = 0;
}

/* Returns the number of free pages. LMDB lists free pages in a table of its own, number 0, for
 * reading only. */
static size_t free_pages(struct store *s)
{
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val k, v;
    size_t count = 0, here;

    store_check(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn), "begin a view");
    store_check(mdb_cursor_open(txn, 0, &c), "open a cursor");
    while (mdb_cursor_get(c, &k, &v, MDB_NEXT) == 0) {
        memcpy(&here, v.mv_data, sizeof here);      /* each record begins with the number of its pages */
        count += here;
    }
    mdb_cursor_close(c);
    mdb_txn_abort(txn);
    return count;
}

void store_measure(struct store *s)
{
    MDB_envinfo info;
    MDB_stat stat;

    store_check(mdb_env_info(s->env, &info), "measure");
    store_check(mdb_env_stat(s->env, &stat), "measure");
    size_t pages = info.me_mapsize / stat.ms_psize, limit = pages - pages / 10;
    s->full = info.me_last_pgno >= limit && info.me_last_pgno - free_pages(s) >= limit;
}

bool store_is_large(const struct store *s)
{
    return s->changes >= LARGE_CHANGES;
}

slice store_conf(struct store *s)
{
    return meta_get(s, "conf");
}

void store_set_conf(struct store *s, slice conf)
{
    meta_put(s, "conf", conf);
}

slice store_addresses(struct store *s)
{
    return meta_get(s, "addresses");
}

void store_set_addresses(struct store *s, slice text)
{
    meta_put(s, "addresses", text);
}

/* Drops entries from `from` to the end: a new leader's log differs from there on. */
static void truncate_from(struct store *s, uint64_t from)
{
    uint8_t key[8];

    for (uint64_t i = from; i <= s->last; i++) {
        MDB_val k = index_key(i, key);
        store_check(mdb_del(store_txn(s), s->log, &k, NULL), "truncate the log");
        s->changes++;
    }
    s->last = from - 1;
}

void store_append(struct store *s, const raftcore_entry *entries, size_t count, size_t stride)
{
    if (count > 0 && entries->index <= s->last)
        truncate_from(s, entries->index);
    if (count > 0 && entries->index != s->last + 1)
        die("entries from %llu on can't follow a log that ends at %llu", (ull)entries->index, (ull)s->last);
    for (size_t i = 0; i < count; i++) {
        const raftcore_entry *e = (const void *)((const char *)entries + i * stride);
        uint8_t key[8], *to;
        MDB_val k = index_key(e->index, key), v = {.mv_size = ENTRY_HEAD + e->data.len};
        /* RESERVE: written straight into the page. APPEND: no search, the key is the greatest. */
        store_check(mdb_put(store_txn(s), s->log, &k, &v, MDB_RESERVE | MDB_APPEND), "append to the log");
        to = v.mv_data;
        put_u64(to, e->term);
        put_u64(to + 8, e->kind);
        if (e->data.len)
            memcpy(to + ENTRY_HEAD, e->data.ptr, e->data.len);
        s->last = e->index;
        s->changes++;
    }
}

bool store_entry(struct store *s, uint64_t index, raftcore_entry *out)
{
    uint8_t key[8];
    MDB_val k = index_key(index, key), v;

    if (index <= s->state.before || index > s->last)
        return false;
    store_check(mdb_get(store_txn(s), s->log, &k, &v), "read an entry");
    const uint8_t *from = v.mv_data;
    *out = (raftcore_entry){
        .term = get_u64(from),
        .index = index,
        .kind = get_u32(from + 8),
        .data = slice_of(from + ENTRY_HEAD, v.mv_size - ENTRY_HEAD),
    };
    return true;
}

uint64_t store_term(struct store *s, uint64_t index)
{
    raftcore_entry e = {0};

    if (index == s->state.before)
        return s->state.before_term;
    return store_entry(s, index, &e) ? e.term : 0;
}

void store_compact(struct store *s, uint64_t upto, size_t at_most)
{
    uint8_t key[8];

    if (upto > s->state.before + at_most)
        upto = s->state.before + at_most;
    if (upto <= s->state.before)
        return;
    uint64_t term = store_term(s, upto);
    for (uint64_t i = s->state.before + 1; i <= upto; i++) {
        MDB_val k = index_key(i, key);
        store_check(mdb_del(store_txn(s), s->log, &k, NULL), "compact the log");
        s->changes++;
    }
    s->state.before = upto;
    s->state.before_term = term;
}
