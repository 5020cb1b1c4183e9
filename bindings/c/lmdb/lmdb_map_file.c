/* lmdb_map_file.c: a map's file: open, close, and the thread that writes tables into LMDB. */
#include <errno.h>
#include <stdio.h>

#include "lmdb_map_parts.h"

enum { STATE_VERSION = 3, FULL_BYTES = 24 << 20, FULL_MS = 3000, MOST_BYTES = 64 << 20 };

static uint64_t state_check(const struct map_state *s)
{
    return lmdb_hash(slice_of(s, offsetof(struct map_state, check)), 0x6b7602);
}

static uint64_t sessions_check(slice table)
{
    return lmdb_hash(table, 0x6b7603);
}

/* ---- into LMDB ---- */

int map_put_state(struct rh_map *m, MDB_txn *txn, struct map_state *s)
{
    MDB_val k = lmdb_val(slice_of("state", 5)), v = {sizeof *s, s};

    s->version = STATE_VERSION;
    s->check = state_check(s);
    return mdb_put(txn, m->meta, &k, &v, 0);
}

/* The record has a hash in front. */
bool map_write_sessions(const struct rh_sessions *sessions, struct bytes *out)
{
    size_t len = rh_sessions_bytes(sessions);
    uint8_t *to = bytes_room(out, HASH + len);

    if (!to || rh_sessions_write(sessions, to + HASH) != RH_OK)
        return false;
    rh_put_u64(to, sessions_check(slice_of(to + HASH, len)));
    out->end += HASH + len;
    return true;
}

int map_put_sessions(struct rh_map *m, MDB_txn *txn, slice record)
{
    MDB_val k = lmdb_val(slice_of("sessions", 8)), v = lmdb_val(record);

    return mdb_put(txn, m->meta, &k, &v, 0);
}

static int by_key(const void *a, const void *b)
{
    const struct change *x = *(struct change *const *)a, *y = *(struct change *const *)b;
    size_t least = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = memcmp(x->bytes, y->bytes, least);

    return order ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

/* In the order of the keys: neighbours share a page. */
static int write_changes(struct rh_map *m, MDB_txn *txn, const struct map_table *t)
{
    struct change **sorted = malloc((t->count + 1) * sizeof *sorted);
    MDB_dbi pairs = m->pairs[t->state.live];
    size_t n = 0;
    int rc = !sorted ? ENOMEM : t->cleared ? mdb_drop(txn, pairs, 0) : 0;

    for (size_t i = 0; sorted && i < t->n_slots; i++)
        for (struct change *c = t->slots[i]; c; c = c->next)
            sorted[n++] = c;
    if (n > 0)
        qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct change *c = sorted[i];
        MDB_val k = lmdb_val(change_key(c)), v = lmdb_val(slice_of(c->bytes + c->key_len, HASH + c->value_len));
        rc = c->gone ? mdb_del(txn, pairs, &k, NULL) : mdb_put(txn, pairs, &k, &v, 0);
        rc = c->gone && rc == MDB_NOTFOUND ? 0 : rc;
    }
    free(sorted);
    return rc;
}

static void write_frozen(struct rh_map *m)
{
    struct rh_words why = {""};
    struct map_state state = m->frozen.state;
    MDB_txn *txn = NULL;
    slice sessions = bytes_slice(&m->frozen.sessions);
    int rc = mdb_txn_begin(m->env, NULL, 0, &txn);

    if (rc == 0 && (rc = write_changes(m, txn, &m->frozen)) == 0 && (rc = map_put_state(m, txn, &state)) == 0 &&
        (sessions.len == 0 || (rc = map_put_sessions(m, txn, sessions)) == 0))
        rc = mdb_txn_commit(txn);
    else if (txn)
        mdb_txn_abort(txn);
    int code = rc == 0 ? RH_OK : rh_lmdb_fail(&why, rc, m->path, "write the changes");
    bool full = rh_lmdb_is_nearly_full(m->env);
    pthread_mutex_lock(&m->mutex);
    m->full = full;
    m->busy = false;
    m->failed = code;
    m->words = why;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->mutex);
}

static void *writer(void *self)
{
    struct rh_map *m = self;

    pthread_mutex_lock(&m->mutex);
    for (;;) {
        while (!m->busy && !m->stop)
            pthread_cond_wait(&m->changed, &m->mutex);
        if (!m->busy)
            break;
        pthread_mutex_unlock(&m->mutex);
        write_frozen(m);
        pthread_mutex_lock(&m->mutex);
    }
    pthread_mutex_unlock(&m->mutex);
    return NULL;
}

/* Takes a written table back. Returns 1: the thread is idle, 0: not yet, below 0: the map has failed. */
static int take_back(struct rh_map *m, bool wait)
{
    pthread_mutex_lock(&m->mutex);
    while (wait && m->busy)
        pthread_cond_wait(&m->changed, &m->mutex);
    bool busy = m->busy;
    int code = m->failed;
    if (code < 0)
        map_break(m, code, m->words.text);
    pthread_mutex_unlock(&m->mutex);
    if (m->broken != RH_OK || busy)
        return m->broken;
    if (m->frozen.n_slots || m->frozen.cleared || m->durable < m->frozen.state.applied) {
        m->durable = m->frozen.state.applied;
        map_table_empty(&m->frozen);
        mdb_txn_reset(m->view);
        int rc = mdb_txn_renew(m->view);
        if (rc != 0)
            return map_fail(m, rc, "renew the view");
    }
    return 1;
}

static int hand_over(struct rh_map *m)
{
    struct map_state state = m->now.state;

    if (!m->since)
        return RH_OK;
    if (m->sessions_changed && !map_write_sessions(m->sessions, &m->now.sessions))
        return map_fail(m, ENOMEM, "the sessions");
    m->sessions_changed = false;
    m->frozen = m->now;
    m->now = (struct map_table){.state = state};
    m->since = 0;
    pthread_mutex_lock(&m->mutex);
    m->busy = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->mutex);
    return RH_OK;
}

int rh_map_turn(struct rh_map *m, struct rh_words *why)
{
    bool due = m->now.bytes >= FULL_BYTES || (m->since && map_now_ms() - m->since >= FULL_MS);

    if (m->broken == RH_OK && due && take_back(m, m->now.bytes >= MOST_BYTES) > 0)
        hand_over(m);
    return rh_map_failed(m, why);
}

int map_flush_all(struct rh_map *m, struct rh_words *why)
{
    if (take_back(m, true) > 0 && hand_over(m) == RH_OK)
        take_back(m, true);
    return rh_map_failed(m, why);
}

int rh_map_flush(void *self, uint64_t index, struct rh_words *why)
{
    struct rh_map *m = self;
    int idle = take_back(m, false);

    if (idle > 0 && (m->durable >= index || !m->since))
        return RH_OK;
    if (idle > 0)
        hand_over(m);
    return m->broken == RH_OK ? RH_NONE : rh_map_failed(m, why);
}

int map_settle(struct rh_map *m, struct rh_words *why)
{
    int idle = take_back(m, false);

    if (idle > 0 && (!m->since || m->settling)) {
        m->settling = false;
        return map_flush_all(m, why);
    }
    if (idle > 0) {
        hand_over(m);
        m->settling = true;
    }
    return m->broken == RH_OK ? RH_NONE : rh_map_failed(m, why);
}

struct rh_map_info rh_map_info(struct rh_map *m)
{
    const struct map_state *s = &m->now.state;

    pthread_mutex_lock(&m->mutex);
    bool full = m->full;
    pthread_mutex_unlock(&m->mutex);
    return (struct rh_map_info){s->keys, s->hash, s->applied, m->durable, full};
}

/* ---- open, close ---- */

static int read_sessions(struct rh_map *m, MDB_txn *txn, struct rh_words *why)
{
    MDB_val k = lmdb_val(slice_of("sessions", 8)), v;
    size_t used = 0;
    int rc = mdb_get(txn, m->meta, &k, &v);

    if (rc == MDB_NOTFOUND)
        return RH_OK;                   /* no client has named a write */
    if (rc != 0)
        return rh_lmdb_fail(why, rc, m->path, "read the sessions");
    slice table = v.mv_size < HASH ? (slice){0} : slice_of((uint8_t *)v.mv_data + HASH, v.mv_size - HASH);
    if (table.len == 0 || rh_get_u64(v.mv_data) != sessions_check(table) ||
        rh_sessions_read(m->sessions, table.ptr, table.len, &used) != RH_OK || used != table.len)
        return rh_fail(why, RH_E_DAMAGED, "%s: the sessions are not what was written: " RH_LMDB_GIVE_UP, m->path);
    return RH_OK;
}

static int read_state(struct rh_map *m, MDB_txn *txn, struct rh_words *why)
{
    struct map_state *s = &m->now.state;
    MDB_val k = lmdb_val(slice_of("state", 5)), v;
    int rc = mdb_get(txn, m->meta, &k, &v);

    if (rc != 0)
        return rc == MDB_NOTFOUND ? RH_OK : rh_lmdb_fail(why, rc, m->path, "read the state");
    if (v.mv_size == sizeof *s)
        memcpy(s, v.mv_data, sizeof *s);
    if (v.mv_size != sizeof *s || s->check != state_check(s) || s->live > 1)
        return rh_fail(why, RH_E_DAMAGED, "%s: the state record is not what was written: " RH_LMDB_GIVE_UP, m->path);
    if (s->version != STATE_VERSION)
        return rh_fail(why, RH_E_VERSION, "%s: version %llu, this program knows %d", m->path, (ull)s->version,
                       STATE_VERSION);
    return RH_OK;
}

/* Opens the tables and reads the records. */
static int open_env(struct rh_map *m, unsigned flags, struct rh_words *why)
{
    static const char *const tables[] = {"meta", "pairs0", "pairs1", NULL};
    MDB_dbi dbi[RH_LMDB_TABLES];
    MDB_txn *txn = NULL;
    int code = rh_lmdb_open(m->path, m->map_bytes, flags, tables, &m->env, dbi, &txn, why);

    if (code != RH_OK)
        return code;
    m->meta = dbi[0];
    m->pairs[0] = dbi[1];
    m->pairs[1] = dbi[2];
    code = read_state(m, txn, why);
    if (code == RH_OK)
        code = read_sessions(m, txn, why);
    int rc = mdb_txn_commit(txn);
    return code != RH_OK || rc == 0 ? code : rh_lmdb_fail(why, rc, m->path, "open");
}

/* Compares the sums of the pairs with the state record. */
static bool all_is_well(const struct rh_map *m)
{
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val k, v;
    uint64_t keys = 0, hash = 0;
    int rc;

    if (mdb_txn_begin(m->env, NULL, MDB_RDONLY, &txn) != 0 || mdb_cursor_open(txn, m->pairs[m->now.state.live], &c) != 0)
        return false;
    while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        slice record = lmdb_slice(v);
        if (record.len < HASH ||
            map_pair_hash(lmdb_slice(k), slice_of(record.ptr + HASH, record.len - HASH)) != rh_get_u64(record.ptr))
            return false;
        hash += rh_get_u64(record.ptr);
        keys++;
    }
    return rc == MDB_NOTFOUND && keys == m->now.state.keys && hash == m->now.state.hash;
}

/* For a child process, which ends behind. */
static int look_through(void *self, struct rh_words *why)
{
    int code = open_env(self, MDB_RDONLY | MDB_NOLOCK, why);

    return code == RH_OK && !all_is_well(self) ? RH_E_DAMAGED : code;
}

struct rh_map *rh_map_new(const char *path, uint64_t map_bytes)
{
    struct rh_map *m = calloc(1, sizeof *m);

    if (m)
        m->sessions = rh_sessions_new(RH_SESSIONS);
    if (!m || !m->sessions) {
        free(m);
        return NULL;
    }
    snprintf(m->path, sizeof m->path, "%s", path);
    m->map_bytes = map_bytes;
    pthread_mutex_init(&m->mutex, NULL);
    pthread_cond_init(&m->changed, NULL);
    return m;
}

int rh_map_applied(void *self, uint64_t *index, struct rh_words *why)
{
    struct rh_map *m = self;

    if (m->env)
        return rh_fail(why, RH_E_STATE, "%s is open already", m->path);
    int code = rh_lmdb_check(m->path, look_through, m, why);
    if (code == RH_OK)
        code = open_env(m, 0, why);
    if (code != RH_OK)
        return code;
    int rc = mdb_txn_begin(m->env, NULL, MDB_RDONLY, &m->view);
    if (rc != 0)
        return rh_lmdb_fail(why, rc, m->path, "begin a view");
    m->full = rh_lmdb_is_nearly_full(m->env);
    m->started = pthread_create(&m->thread, NULL, writer, m) == 0;
    *index = m->durable = m->frozen.state.applied = m->now.state.applied;
    return m->started ? RH_OK : rh_fail(why, RH_E_NOMEM, "the system has no thread left");
}

int rh_map_close(struct rh_map *m, struct rh_words *why)
{
    int code = RH_OK;

    if (!m)
        return RH_OK;
    if (m->started) {
        code = m->broken == RH_OK ? map_flush_all(m, why) : rh_map_failed(m, why);
        pthread_mutex_lock(&m->mutex);
        m->stop = true;
        pthread_cond_broadcast(&m->changed);
        pthread_mutex_unlock(&m->mutex);
        pthread_join(m->thread, NULL);
    }
    if (m->load)
        mdb_txn_abort(m->load);
    if (m->view)
        mdb_txn_abort(m->view);
    mdb_env_close(m->env);
    map_table_empty(&m->now);
    map_table_empty(&m->frozen);
    bytes_free(&m->rest);
    rh_sessions_free(m->sessions);
    rh_sessions_free(m->loaded);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->mutex);
    free(m);
    return code;
}
