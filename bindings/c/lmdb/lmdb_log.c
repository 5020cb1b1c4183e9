/*
 * lmdb_log.c: a log store in LMDB. The batches between two flushes are a transaction: entries, hard state,
 * memberships, the note on the snapshot. Promises and threads: raftcore_host/log.h.
 *
 * Table `log` has the entries by index, with term, kind and checksum in front. Table `meta` has a record with the rest.
 * Appended entries wait in memory until the next flush, which runs on the sync thread. A failed allocation within a
 * change is final, as a failed write is: the change is in memory alone, and is never written.
 */
#include "lmdb_log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "lmdb_bytes.h"
#include "lmdb_env.h"

enum { HEAD = 16, VERSION = 1, DROP_MAX = 4096, ROOM = 32 };

/* An entry that is not in LMDB yet. */
struct waiting {
    uint64_t term;
    uint32_t kind, len;
    uint8_t *data;
};

/* The begin of the record; the snapshot's membership and the confs follow. */
struct meta {
    uint64_t version, term, vote, commit, before, before_term, last, snapshot[4], snapshot_conf, n_confs, check;
};

struct lmdb_log {
    char path[PATH_MAX];
    uint64_t map_bytes, keep_bytes, low_bytes;
    unsigned flags;                     /* of mdb_env_open */
    MDB_env *env;                       /* NULL: not opened yet */
    MDB_dbi entries, record;
    MDB_txn *view;                      /* of read() */

    pthread_mutex_t mutex;              /* for the fields below, between the loop and the sync thread */
    struct meta m;
    struct bytes snapshot_conf;
    struct rh_conf *confs;
    raftcore_run *runs;
    size_t n_runs;
    uint64_t *sums;                     /* bytes of the log up to an entry, from before + 1 on */
    uint64_t base;                      /* bytes up to before */
    struct waiting *waits;              /* entries first_waiting to last */
    uint64_t first_waiting, dirty;      /* dirty: from here on LMDB has something else, or nothing */
    bool replaced, changed;
    int failed;                         /* of LMDB or the system */
    uint64_t number, synced;            /* of batches: appended, durable */
    uint64_t disk_first, disk_last;     /* of the table; for the sync thread */
};

static int fail(struct rh_words *why, int rc, const char *doing)
{
    return rh_lmdb_fail(why, rc, "log.mdb", doing);
}

static int failed_before(struct rh_words *why)
{
    return rh_fail(why, RH_E_FAILED, "log.mdb: an earlier flush has failed");
}

static int damaged(struct rh_words *why, const char *what, uint64_t index)
{
    return rh_fail(why, RH_E_DAMAGED, "log.mdb: %s %llu is not what was written: " RH_LMDB_GIVE_UP, what, (ull)index);
}

static uint32_t check_of(uint64_t index, uint64_t term, uint32_t kind, slice data)
{
    return (uint32_t)lmdb_hash(data, index * 3 + term * 5 + kind);
}

/* Big-endian, so that LMDB keeps the order of the numbers. */
static void put_key(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* ---- memory ---- */

static uint64_t term_of(const struct lmdb_log *l, uint64_t index)
{
    uint64_t term = index == l->m.before ? l->m.before_term : 0;

    for (size_t i = 0; i < l->n_runs && index > l->m.before && index <= l->m.last && l->runs[i].first <= index; i++)
        term = l->runs[i].term;
    return term;
}

static uint64_t sum_of(const struct lmdb_log *l, uint64_t index)
{
    return index > l->m.before ? l->sums[index - l->m.before - 1] : l->base;
}

/* Makes room for element `count` of an array that grows by powers of two. NULL: no memory, `old` is as before. */
static void *grown(void *old, size_t count, size_t size)
{
    return count & (count - 1) ? old : realloc(old, (count ? 2 * count : 1) * size);
}

#define GROW(array, count) \
    do { \
        void *grown_ = grown(array, count, sizeof *(array)); \
        if (!grown_) \
            return false; \
        (array) = grown_; \
    } while (0)

static void truncate_to(struct lmdb_log *l, uint64_t last)
{
    for (uint64_t i = last + 1 > l->first_waiting ? last + 1 : l->first_waiting; i <= l->m.last; i++)
        free(l->waits[i - l->first_waiting].data);
    l->m.last = last;
    if (l->first_waiting > last)
        l->first_waiting = last + 1;
    while (l->n_runs > 0 && l->runs[l->n_runs - 1].first > last)
        l->n_runs--;
}

/* Notes an entry at the end. False: no memory. */
static bool count_entry(struct lmdb_log *l, uint64_t index, uint64_t term, size_t len)
{
    size_t n = (size_t)(index - l->m.before - 1);
    uint64_t sum = sum_of(l, index - 1) + len + HEAD;

    GROW(l->sums, n);
    if (term_of(l, index - 1) != term || l->n_runs == 0) {
        GROW(l->runs, l->n_runs);
        l->runs[l->n_runs++] = (raftcore_run){index, term};
    }
    l->sums[n] = sum;
    l->m.last = index;
    return true;
}

static bool append_entry(struct lmdb_log *l, const raftcore_entry *e)
{
    if (e->index <= l->m.last)
        truncate_to(l, e->index - 1);
    if (e->index < l->dirty)
        l->dirty = e->index;
    size_t n = (size_t)(e->index - l->first_waiting);
    GROW(l->waits, n);
    uint8_t *data = malloc(e->data.len + 1);
    if (!data || !count_entry(l, e->index, e->term, e->data.len)) {
        free(data);
        return false;
    }
    if (e->data.len > 0)
        memcpy(data, e->data.ptr, e->data.len);
    l->waits[n] = (struct waiting){e->term, e->kind, (uint32_t)e->data.len, data};
    return true;
}

static void drop_conf(struct rh_conf *c)
{
    free((void *)(uintptr_t)c->bytes.ptr);
}

static bool set_conf(struct lmdb_log *l, uint64_t index, slice bytes)
{
    uint8_t *copy = malloc(bytes.len + 1);

    if (!copy)
        return false;
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    while (l->m.n_confs > 0 && l->confs[l->m.n_confs - 1].index >= index) /* ascending, and an equal index replaces */
        drop_conf(&l->confs[--l->m.n_confs]);
    struct rh_conf *confs = grown(l->confs, l->m.n_confs, sizeof *confs);
    if (!confs) {
        free(copy);
        return false;
    }
    l->confs = confs;
    l->confs[l->m.n_confs++] = (struct rh_conf){index, {copy, bytes.len}};
    return true;
}

/* Entries and memberships up to `upto` are given up. */
static void drop_before(struct lmdb_log *l, uint64_t upto, uint64_t term)
{
    size_t run = 0, conf = 0;
    uint64_t base = upto <= l->m.last ? sum_of(l, upto) : 0;

    if (upto < l->m.last)
        memmove(l->sums, l->sums + (upto - l->m.before), (size_t)(l->m.last - upto) * sizeof *l->sums);
    l->base = base;
    l->m.before = upto;
    l->m.before_term = term;
    if (l->m.last < upto)
        l->m.last = upto;
    while (run + 1 < l->n_runs && l->runs[run + 1].first <= upto + 1)
        run++;
    if (l->n_runs > run)
        memmove(l->runs, l->runs + run, (l->n_runs - run) * sizeof *l->runs);
    l->n_runs = upto == l->m.last ? 0 : l->n_runs - run;
    if (l->n_runs > 0 && l->runs[0].first <= upto)
        l->runs[0].first = upto + 1;
    while (conf + 1 < l->m.n_confs && l->confs[conf + 1].index <= upto)
        drop_conf(&l->confs[conf++]);
    if (conf > 0)
        memmove(l->confs, l->confs + conf, (size_t)(l->m.n_confs - conf) * sizeof *l->confs);
    l->m.n_confs -= conf;
}

static bool take_snapshot(struct lmdb_log *l, const struct rh_snapshot *s, bool replaces)
{
    const uint64_t note[4] = {s->index, s->term, s->bytes, s->checksum};

    memcpy(l->m.snapshot, note, sizeof note);
    l->snapshot_conf.start = l->snapshot_conf.end = 0;
    if (!bytes_add(&l->snapshot_conf, s->conf.ptr, s->conf.len))
        return false;
    if (replaces) {
        truncate_to(l, l->m.before);
        drop_before(l, s->index, s->term);
        l->base = 0;
        l->first_waiting = l->dirty = s->index + 1;
        l->replaced = true;
        while (l->m.n_confs > 0)
            drop_conf(&l->confs[--l->m.n_confs]);
    }
    return (!replaces && l->m.n_confs > 0 && l->confs[l->m.n_confs - 1].index > s->index) ||
           set_conf(l, s->index, s->conf);
}

/* ---- LMDB ---- */

static bool write_meta(struct lmdb_log *l, struct bytes *out)
{
    l->m.version = VERSION;
    l->m.snapshot_conf = bytes_len(&l->snapshot_conf);
    l->m.check = 0;
    bool good = bytes_add(out, &l->m, sizeof l->m) && bytes_add(out, l->snapshot_conf.ptr, bytes_len(&l->snapshot_conf));
    for (size_t i = 0; good && i < l->m.n_confs; i++) {
        uint8_t head[16];
        rh_put_u64(head, l->confs[i].index);
        rh_put_u64(head + 8, l->confs[i].bytes.len);
        good = bytes_add(out, head, sizeof head) && bytes_add(out, l->confs[i].bytes.ptr, l->confs[i].bytes.len);
    }
    if (good)
        rh_put_u64(out->ptr + offsetof(struct meta, check), lmdb_hash(bytes_slice(out), 7));
    return good;
}

static int read_meta(struct lmdb_log *l, slice record, struct rh_words *why)
{
    struct meta m;
    uint8_t *copy = malloc(record.len + 1);
    bool room = copy != NULL;

    if (!room)
        return fail(why, ENOMEM, "read the record");
    if (record.len > 0)
        memcpy(copy, record.ptr, record.len);
    if (record.len >= sizeof m) {
        memcpy(&m, copy, sizeof m);
        memset(copy + offsetof(struct meta, check), 0, 8);
    }
    bool good = record.len >= sizeof m && lmdb_hash(slice_of(copy, record.len), 7) == m.check;
    if (good) {
        const uint8_t *at = copy + sizeof m;
        l->m = m;
        room = bytes_add(&l->snapshot_conf, at, m.snapshot_conf);
        at += m.snapshot_conf;
        l->m.n_confs = 0;
        for (uint64_t i = 0; room && i < m.n_confs; at += 16 + rh_get_u64(at + 8), i++)
            room = set_conf(l, rh_get_u64(at), slice_of(at + 16, rh_get_u64(at + 8)));
    }
    free(copy);
    return !good ? damaged(why, "record", 0) : room ? RH_OK : fail(why, ENOMEM, "read the record");
}

/* Checks and counts the entries. */
static int load_entries(struct lmdb_log *l, MDB_txn *txn, struct rh_words *why)
{
    uint64_t last = l->m.last, next = l->m.before + 1;
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, l->entries, &c), code = RH_OK;

    if (rc != 0)
        return fail(why, rc, "open a cursor");
    l->m.last = l->m.before;
    l->disk_first = next;
    for (bool first = true; code == RH_OK && (rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0; first = false) {
        uint64_t index = 0;
        for (size_t i = 0; i < k.mv_size; i++)
            index = index << 8 | ((uint8_t *)k.mv_data)[i];
        if (first && index < next)
            l->disk_first = index;
        if (index < next)
            continue;                   /* given up, and to be deleted */
        const uint8_t *p = v.mv_data;
        if (index != next || v.mv_size < HEAD ||
            rh_get_u32(p + 12) != check_of(index, rh_get_u64(p), rh_get_u32(p + 8), slice_of(p + HEAD, v.mv_size - HEAD)))
            code = damaged(why, "entry", next);
        else if (!count_entry(l, next++, rh_get_u64(p), v.mv_size - HEAD))
            code = fail(why, ENOMEM, "count the entries");
    }
    mdb_cursor_close(c);
    if (code == RH_OK && (rc != MDB_NOTFOUND || l->m.last != last))
        code = damaged(why, "entry", next);
    return code;
}

static int open_env(struct lmdb_log *l, unsigned flags, struct rh_words *why)
{
    static const char *const tables[] = {"log", "meta", NULL};
    MDB_dbi dbi[RH_LMDB_TABLES];
    MDB_txn *txn = NULL;
    MDB_val k = lmdb_val(slice_of("meta", 4)), v;
    int code = rh_lmdb_open(l->path, l->map_bytes, flags, tables, &l->env, dbi, &txn, why), rc;

    if (code != RH_OK)
        return code;
    l->entries = dbi[0];
    l->record = dbi[1];
    rc = mdb_get(txn, l->record, &k, &v);
    if (rc == 0)
        code = read_meta(l, lmdb_slice(v), why);
    else if (rc != MDB_NOTFOUND)
        code = fail(why, rc, "read the record");
    if (code == RH_OK)
        code = load_entries(l, txn, why);
    l->first_waiting = l->dirty = l->m.last + 1;
    l->disk_last = l->m.last;
    rc = mdb_txn_commit(txn);
    return code != RH_OK || rc == 0 ? code : fail(why, rc, "open");
}

/* For a child process. */
static int look_through(void *self, struct rh_words *why)
{
    return open_env(self, MDB_RDONLY | MDB_NOLOCK, why);
}

static int open_all(struct lmdb_log *l, struct rh_words *why)
{
    int code = rh_lmdb_check(l->path, look_through, l, why);

    if (code == RH_OK)
        code = open_env(l, l->flags, why);
    int rc = code == RH_OK ? mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->view) : 0;
    if (code == RH_OK && rc == 0)
        mdb_txn_reset(l->view);
    return rc == 0 ? code : fail(why, rc, "begin a view");
}

/* ---- the calls ---- */

static int log_boot(void *self, struct rh_boot *out, struct rh_words *why)
{
    struct lmdb_log *l = self;
    int code = l->env ? RH_OK : open_all(l, why);
    const struct meta *m = &l->m;

    *out = (struct rh_boot){
        .fresh = m->last == 0 && m->term == 0 && m->vote == 0, .term = m->term, .vote = m->vote, .commit = m->commit,
        .before = m->before, .before_term = m->before_term, .last = m->last, .runs = l->runs, .n_runs = l->n_runs,
        .confs = l->confs, .n_confs = m->n_confs,
        .snapshot = {m->snapshot[0], m->snapshot[1], m->snapshot[2], (uint32_t)m->snapshot[3],
                     bytes_slice(&l->snapshot_conf)}};
    return code;
}

static const raftcore_entry *entry_at(const struct rh_batch *b, uint32_t i)
{
    return (const void *)((const char *)b->entries + (size_t)i * b->entry_stride);
}

/* Says why a batch contradicts the log. NULL: no contradiction. */
static const char *fault_of(const struct lmdb_log *l, const struct rh_batch *b)
{
    const struct rh_snapshot *s = b->snapshot;
    uint64_t before = b->replaces && s ? s->index : l->m.before, last = b->replaces && s ? s->index : l->m.last;
    uint64_t newest = b->replaces || l->m.n_confs == 0 ? 0 : l->confs[l->m.n_confs - 1].index;

    if (b->number != 0 && b->number <= l->number)
        return "its number is not above the last number";
    if ((b->replaces && !s) || (s && (s->index == 0 || s->term == 0 || s->conf.len == 0 || s->index < l->m.before ||
                                      s->index < l->m.snapshot[0] || (!b->replaces && term_of(l, s->index) != s->term))))
        return "its snapshot does not fit";
    if (b->n_entries > 0 &&
        (b->entry_stride < sizeof *b->entries || b->entries->index <= before || b->entries->index > last + 1))
        return "its entries leave a gap, or are given up";
    uint64_t term = b->n_entries == 0 ? 0 : b->replaces ? s->term : term_of(l, b->entries->index - 1);
    for (uint32_t i = 0; i < b->n_entries; i++) {
        const raftcore_entry *e = entry_at(b, i);
        if (e->index != b->entries->index + i || e->term < term || e->term == 0)
            return "its entries are out of order";
        term = e->term;
        last = e->index;
    }
    for (uint32_t i = 0; i < b->n_confs; newest = b->confs[i++].index)
        if (b->confs[i].index < newest || b->confs[i].index > last)
            return "its memberships are out of order";
    if (b->has_state && (b->term < l->m.term || b->commit < l->m.commit || b->commit > last))
        return "its hard state goes back, or beyond the log";
    return NULL;
}

static int append(struct lmdb_log *l, const struct rh_batch *b, struct rh_words *why)
{
    const char *fault = fault_of(l, b);

    if (l->failed)
        return failed_before(why);
    if (fault)
        return rh_fail(why, RH_E_ARG, "log.mdb: a batch contradicts the log: %s", fault);
    bool room = !b->snapshot || take_snapshot(l, b->snapshot, b->replaces);
    for (uint32_t i = 0; room && i < b->n_entries; i++)
        room = append_entry(l, entry_at(b, i));
    for (uint32_t i = 0; room && i < b->n_confs; i++)
        room = set_conf(l, b->confs[i].index, b->confs[i].bytes);
    if (!room) {
        l->failed = ENOMEM;
        return rh_fail(why, RH_E_FAILED, "log.mdb: no memory for a batch");
    }
    if (b->has_state) {
        l->m.term = b->term;
        l->m.vote = b->vote;
        l->m.commit = b->commit;
    }
    l->number = b->number ? b->number : l->number;
    l->changed = true;
    return RH_OK;
}

static int log_append(void *self, const struct rh_batch *b, struct rh_words *why)
{
    struct lmdb_log *l = self;

    pthread_mutex_lock(&l->mutex);
    int code = append(l, b, why);
    pthread_mutex_unlock(&l->mutex);
    return code;
}

/* The input of a flush, taken under the mutex. */
struct work {
    struct bytes meta, entries;         /* entries: index, length, and the record */
    uint64_t from, last, before, number;
    bool replaced;
};

static bool take_work(struct lmdb_log *l, struct work *w)
{
    *w = (struct work){.from = l->dirty, .last = l->m.last, .before = l->m.before, .number = l->number,
                       .replaced = l->replaced};
    if (!write_meta(l, &w->meta))
        return false;
    for (uint64_t i = l->dirty > l->m.before ? l->dirty : l->m.before + 1; i <= l->m.last; i++) {
        const struct waiting *e = &l->waits[i - l->first_waiting];
        uint8_t *to = bytes_room(&w->entries, 16 + HEAD + e->len);
        if (!to)
            return false;
        rh_put_u64(to, i);
        rh_put_u64(to + 8, HEAD + e->len);
        rh_put_u64(to + 16, e->term);
        rh_put_u32(to + 24, e->kind);
        rh_put_u32(to + 28, check_of(i, e->term, e->kind, slice_of(e->data, e->len)));
        memcpy(to + 32, e->data, e->len);
        w->entries.end += 16 + HEAD + e->len;
    }
    l->dirty = l->m.last + 1;
    l->replaced = l->changed = false;
    return true;
}

static int delete_range(struct lmdb_log *l, MDB_txn *txn, uint64_t from, uint64_t to)
{
    int rc = 0;

    for (uint8_t key[8]; from <= to && (rc == 0 || rc == MDB_NOTFOUND); from++) {
        MDB_val k = {sizeof key, key};
        put_key(key, from);
        rc = mdb_del(txn, l->entries, &k, NULL);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int write_work(struct lmdb_log *l, const struct work *w, MDB_txn *txn)
{
    MDB_val k = lmdb_val(slice_of("meta", 4)), v = lmdb_val(bytes_slice(&w->meta));
    uint64_t gone = w->before < l->disk_first + DROP_MAX ? w->before : l->disk_first + DROP_MAX;
    int rc = w->replaced ? mdb_drop(txn, l->entries, 0) : delete_range(l, txn, w->from, l->disk_last);
    const uint8_t *p = w->entries.ptr, *end = p + (p ? bytes_len(&w->entries) : 0);

    for (; rc == 0 && p < end; p += 16 + rh_get_u64(p + 8)) {
        uint8_t key[8];
        MDB_val at = {sizeof key, key}, record = lmdb_val(slice_of(p + 16, rh_get_u64(p + 8)));
        put_key(key, rh_get_u64(p));
        rc = mdb_put(txn, l->entries, &at, &record, MDB_APPEND);
    }
    if (rc == 0 && !w->replaced)
        rc = delete_range(l, txn, l->disk_first, gone);
    if (rc == 0)
        rc = mdb_put(txn, l->record, &k, &v, 0);
    if (w->replaced)
        l->disk_first = w->before + 1;
    else if (gone >= l->disk_first)
        l->disk_first = gone + 1;
    l->disk_last = w->last;
    return rc;
}

static void forget_written(struct lmdb_log *l)
{
    size_t n = 0, left;

    while (l->first_waiting + n < l->dirty && l->first_waiting + n <= l->m.last)
        free(l->waits[n++].data);
    left = (size_t)(l->m.last + 1 - l->first_waiting - n);
    if (n > 0)
        memmove(l->waits, l->waits + n, left * sizeof *l->waits);
    l->first_waiting += n;
    if (n > 0 && left == 0) {
        free(l->waits);
        l->waits = NULL;
    }
}

static int log_sync(void *self, uint64_t *number, struct rh_words *why)
{
    struct lmdb_log *l = self;
    struct work w = {0};
    MDB_txn *txn = NULL;
    int rc = 0;

    pthread_mutex_lock(&l->mutex);
    bool idle = !l->changed, failed = l->failed;
    if (!idle && !failed && !take_work(l, &w))
        rc = ENOMEM;
    *number = l->synced;
    pthread_mutex_unlock(&l->mutex);
    if (failed)
        return failed_before(why);
    if (idle)
        return RH_NONE;
    if (rc == 0)
        rc = mdb_txn_begin(l->env, NULL, 0, &txn);
    if (rc == 0 && (rc = write_work(l, &w, txn)) == 0)
        rc = mdb_txn_commit(txn);
    else if (txn)
        mdb_txn_abort(txn);
    pthread_mutex_lock(&l->mutex);
    l->failed = rc ? rc : l->failed;
    if (rc == 0) {
        *number = l->synced = w.number;
        forget_written(l);
        l->changed = l->changed || l->disk_first <= w.before;   /* more to delete */
    }
    pthread_mutex_unlock(&l->mutex);
    bytes_free(&w.meta);
    bytes_free(&w.entries);
    return rc == 0 ? RH_OK : fail(why, rc, "write");
}

/* Copies an entry out. If `room` is too small, sets the length alone. */
static int read_one(struct lmdb_log *l, uint64_t index, uint8_t *to, size_t room, raftcore_entry *e, struct rh_words *why)
{
    uint8_t key[8] = {0};
    MDB_val k = {sizeof key, key}, v;
    slice data;

    *e = (raftcore_entry){.index = index};
    if (index >= l->first_waiting) {
        const struct waiting *w = &l->waits[index - l->first_waiting];
        *e = (raftcore_entry){.index = index, .term = w->term, .kind = w->kind};
        data = slice_of(w->data, w->len);
    } else {
        put_key(key, index);
        int rc = mdb_get(l->view, l->entries, &k, &v);
        if (rc != 0 && rc != MDB_NOTFOUND)
            return fail(why, rc, "read an entry");
        const uint8_t *p = rc == 0 ? v.mv_data : NULL;
        if (!p || v.mv_size < HEAD)
            return damaged(why, "entry", index);
        e->term = rh_get_u64(p);
        e->kind = rh_get_u32(p + 8);
        data = slice_of(p + HEAD, v.mv_size - HEAD);
        if (rh_get_u32(p + 12) != check_of(index, e->term, e->kind, data))
            return damaged(why, "entry", index);
    }
    e->data = slice_of(to, data.len);
    if (data.len <= room && data.len > 0)
        memcpy(to, data.ptr, data.len);
    return RH_OK;
}

static int read_some(struct lmdb_log *l, uint64_t first, uint64_t last, struct rh_read *io, struct rh_words *why)
{
    size_t used = 0;
    raftcore_entry e;

    if (first > last || first == 0 || io->max == 0)
        return rh_fail(why, RH_E_ARG, "log.mdb: entries %llu to %llu are no range", (ull)first, (ull)last);
    if (first <= l->m.before)
        return rh_fail(why, RH_E_GONE, "log.mdb: entry %llu was given up", (ull)first);
    if (last > l->m.last)
        return rh_fail(why, RH_E_RANGE, "log.mdb: entry %llu is not there: the log ends at %llu", (ull)last,
                       (ull)l->m.last);
    for (; first <= last && io->count < io->max; used += e.data.len + ROOM, first++) {
        size_t room = io->cap > used + ROOM ? io->cap - used - ROOM : 0;
        int code = read_one(l, first, io->buf + (used < io->cap ? used : 0), room, &e, why);
        if (code != RH_OK)
            return io->count > 0 ? RH_OK : code;
        if (e.data.len > room || io->cap < used + ROOM) {
            io->need = e.data.len + ROOM;
            return io->count > 0 ? RH_OK : rh_fail(why, RH_E_SMALL, "log.mdb: %zu bytes of room are needed", io->need);
        }
        io->entries[io->count++] = e;
    }
    return RH_OK;
}

static int log_read(void *self, uint64_t first, uint64_t last, struct rh_read *io, struct rh_words *why)
{
    struct lmdb_log *l = self;

    io->count = io->need = 0;
    pthread_mutex_lock(&l->mutex);
    int rc = mdb_txn_renew(l->view);
    int code = rc == 0 ? read_some(l, first, last, io, why) : fail(why, rc, "begin a view");
    if (rc == 0)
        mdb_txn_reset(l->view);
    pthread_mutex_unlock(&l->mutex);
    return code;
}

static int log_compact(void *self, uint64_t upto, uint64_t hold, uint64_t *before, struct rh_words *why)
{
    struct lmdb_log *l = self;
    uint64_t limit = upto < hold ? upto : hold;
    int code = RH_OK;

    pthread_mutex_lock(&l->mutex);
    if (l->failed)
        code = failed_before(why);
    else if (upto > l->m.commit)
        code = rh_fail(why, RH_E_ARG, "log.mdb: entries up to %llu are not committed", (ull)upto);
    while (code == RH_OK && limit > l->m.before && sum_of(l, l->m.last) - sum_of(l, limit) < l->keep_bytes)
        limit--;
    if (code == RH_OK && limit > l->m.before) {
        drop_before(l, limit, term_of(l, limit));
        l->changed = true;
    }
    *before = l->m.before;
    pthread_mutex_unlock(&l->mutex);
    return code;
}

static int log_space(void *self, struct rh_space *out, struct rh_words *why)
{
    struct lmdb_log *l = self;
    struct statvfs fs;

    if (statvfs(l->path, &fs) != 0)
        return rh_fail(why, RH_E_IO, "%s: %s", l->path, strerror(errno));
    *out = (struct rh_space){.free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize,
                             .log_bytes = sum_of(l, l->m.last) - l->base};
    out->level = out->free_bytes < l->low_bytes ? RH_SPACE_LOW : RH_SPACE_OK;
    return RH_OK;
}

static int log_close(void *self, struct rh_words *why)
{
    struct lmdb_log *l = self;
    uint64_t number;
    int code = l->view ? log_sync(l, &number, why) : RH_OK;     /* after a failure, the words again */

    for (uint64_t i = l->first_waiting; i <= l->m.last; i++)
        free(l->waits[i - l->first_waiting].data);
    if (l->view)
        mdb_txn_abort(l->view);
    mdb_env_close(l->env);
    while (l->m.n_confs > 0)
        drop_conf(&l->confs[--l->m.n_confs]);
    free(l->confs);
    free(l->runs);
    free(l->sums);
    free(l->waits);
    bytes_free(&l->snapshot_conf);
    pthread_mutex_destroy(&l->mutex);
    free(l);
    return code < 0 ? code : RH_OK;
}

int rh_lmdb_log_make(const char *dir, uint64_t map_bytes, uint64_t keep_bytes, unsigned flags, struct rh_log *out,
                     struct rh_words *why)
{
    static const struct rh_log_ops ops = {.struct_size = sizeof ops, .boot = log_boot, .append = log_append, .sync = log_sync,
                                          .read = log_read, .compact = log_compact, .space = log_space, .close = log_close};
    const uint64_t low = (uint64_t)128 << 20;
    struct lmdb_log *l = calloc(1, sizeof *l);

    if (!l)
        return rh_fail(why, RH_E_NOMEM, "no memory for a log");
    snprintf(l->path, sizeof l->path, "%s/log.mdb", dir);
    l->map_bytes = map_bytes;
    l->flags = flags;
    l->keep_bytes = keep_bytes;
    l->low_bytes = 2 * keep_bytes < low ? 2 * keep_bytes : low;
    l->disk_first = l->first_waiting = l->dirty = 1;
    pthread_mutex_init(&l->mutex, NULL);
    *out = (struct rh_log){&ops, l};
    return RH_OK;
}
