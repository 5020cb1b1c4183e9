/* data.c: keys and values: two tables of changes in memory, and LMDB behind them. data.h says why. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "data_parts.h"

enum { STATE_VERSION = 3, FULL_BYTES = 24 << 20, FULL_MS = 3000, MOST_BYTES = 64 << 20 };

struct change {
    struct change *next;
    uint64_t hash;                  /* of the key */
    uint32_t key_len, value_len;
    bool gone;
    uint8_t bytes[];                /* key, hash of the pair, value: the last two as LMDB gets them */
};

static slice change_key(const struct change *c) {
    return slice_of(c->bytes, c->key_len);
}

uint64_t pair_hash(slice key, slice value) {
    return hash64(value, hash64(key, 0x6b7601));
}

static uint64_t state_check(const struct data_state *s) {
    return hash64(slice_of(s, offsetof(struct data_state, check)), 0x6b7602);
}

static uint64_t sessions_check(slice table) {
    return hash64(table, 0x6b7603);
}

int data_fail(struct rh_words *why, int rc, const char *doing) {
    return lmdb_fail(why, rc, "data.mdb", doing);
}

/* A read or a change of the database in use has failed: the process ends, and another member leads. */
void data_must(int rc, const char *doing) {
    if (rc != 0)
        die("data.mdb: %s: %s", doing, mdb_strerror(rc));
}

/* ---- the tables ---- */

static struct change **table_find(struct table *t, slice key, uint64_t hash) {
    if (t->n_slots == 0)
        return NULL;
    struct change **at = &t->slots[hash & (t->n_slots - 1)];
    while (*at && ((*at)->hash != hash || !slice_equal(change_key(*at), key)))
        at = &(*at)->next;
    return at;
}

static void table_grow(struct table *t) {
    struct table larger = {.n_slots = t->n_slots ? 2 * t->n_slots : 1024};
    larger.slots = xcalloc(larger.n_slots, sizeof *larger.slots);
    for (size_t i = 0; i < t->n_slots; i++)
        for (struct change *c = t->slots[i], *next; c; c = next) {
            struct change **to = &larger.slots[c->hash & (larger.n_slots - 1)];
            next = c->next;
            c->next = *to;
            *to = c;
        }
    free(t->slots);
    t->slots = larger.slots;
    t->n_slots = larger.n_slots;
}

static void table_empty(struct table *t) {
    for (size_t i = 0; i < t->n_slots && t->count > 0; i++)
        for (struct change *c = t->slots[i], *next; c; c = next) {
            next = c->next;
            free(c);
        }
    free(t->slots);
    buf_free(&t->sessions);
    *t = (struct table){.state = t->state};
}

static void change(struct data *d, slice key, const slice *value, uint64_t hash) {
    struct table *t = &d->now;
    uint64_t key_hash = hash64(key, 0);
    if (t->count >= t->n_slots)
        table_grow(t);
    size_t len = value ? value->len : 0;
    struct change *c = xcalloc(1, sizeof *c + key.len + HASH + len), **at = table_find(t, key, key_hash), *old = *at;
    *c = (struct change){.next = old ? old->next : NULL, .hash = key_hash, .key_len = (uint32_t)key.len,
                         .value_len = (uint32_t)len, .gone = !value};
    memcpy(c->bytes, key.ptr, key.len);
    put_le(c->bytes + key.len, hash, HASH);
    if (len > 0)
        memcpy(c->bytes + key.len + HASH, value->ptr, len);
    t->bytes += sizeof *c + key.len + len;
    t->count += !old;
    *at = c;
    free(old);
    if (!d->since)
        d->since = now_ms();
}

/* ---- reads and writes ---- */

static bool in_table(struct table *t, slice key, uint64_t hash, slice *record, bool *found) {
    struct change **at = table_find(t, key, hash);
    *found = at && *at && !(*at)->gone;
    if (at && *at)
        *record = slice_of((*at)->bytes + key.len, HASH + (*at)->value_len);
    return (at && *at) || t->cleared;
}

/* Finds the stored form of a value: hash and bytes. */
static bool find(struct data *d, slice key, slice *record) {
    uint64_t hash = hash64(key, 0);
    MDB_val k = val(key), v;
    bool found;
    if (in_table(&d->now, key, hash, record, &found) || in_table(&d->frozen, key, hash, record, &found))
        return found;
    int rc = mdb_get(d->view, d->pairs[d->now.state.live], &k, &v);
    if (rc == MDB_NOTFOUND)
        return false;
    data_must(rc, "read a key");
    *record = slice_of(v.mv_data, v.mv_size);
    if (v.mv_size < HASH || pair_hash(key, slice_of(record->ptr + HASH, v.mv_size - HASH)) != get_le(record->ptr, HASH))
        die("data.mdb: the value of a key is not what was written: " GIVE_UP);
    return true;
}

bool data_get(struct data *d, slice key, slice *value) {
    slice record;
    if (!find(d, key, &record))
        return false;
    *value = slice_of(record.ptr + HASH, record.len - HASH);
    return true;
}

void data_put(struct data *d, slice key, slice value) {
    struct data_state *s = &d->now.state;
    uint64_t hash = pair_hash(key, value);
    slice old;
    if (find(d, key, &old))
        s->hash -= get_le(old.ptr, HASH);
    else
        s->keys++;
    s->hash += hash;
    change(d, key, &value, hash);
}

bool data_del(struct data *d, slice key) {
    slice old;
    if (!find(d, key, &old))
        return false;
    d->now.state.hash -= get_le(old.ptr, HASH);
    d->now.state.keys--;
    change(d, key, NULL, 0);
    return true;
}

void data_clear(struct data *d) {
    table_empty(&d->now);
    d->now.cleared = true;
    d->now.state.keys = d->now.state.hash = 0;
    d->since = now_ms();
}

void data_applied(struct data *d, uint64_t index) {
    d->now.state.applied = index;
    if (!d->since)
        d->since = now_ms();
}

static bool within(slice key, slice after, const struct buf *upto) {
    return slice_compare(key, after) > 0 && (buf_len(upto) == 0 || slice_compare(key, buf_slice(upto)) <= 0);
}

void data_scan(struct data *d, slice after, size_t count, void (*take)(void *context, slice key), void *context,
               struct buf *last) {
    struct table *const tables[] = {&d->now, &d->frozen};
    MDB_cursor *cursor;
    MDB_val k = val(after), v;
    slice unused;
    data_must(mdb_cursor_open(d->view, d->pairs[d->now.state.live], &cursor), "open a cursor");
    int rc = mdb_cursor_get(cursor, &k, &v, after.len ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && slice_equal(slice_of(k.mv_data, k.mv_size), after))
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    for (size_t n = 0; rc == 0; rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        slice key = slice_of(k.mv_data, k.mv_size);
        uint64_t hash = hash64(key, 0);
        bool found;
        if (n++ == count)
            break;
        buf_clear(last);
        buf_add(last, key.ptr, key.len);
        if (!in_table(&d->now, key, hash, &unused, &found) && !in_table(&d->frozen, key, hash, &unused, &found))
            take(context, key);     /* keys with a change come below */
    }
    mdb_cursor_close(cursor);
    if (rc != 0 && rc != MDB_NOTFOUND)
        data_must(rc, "walk over the keys");
    if (rc == MDB_NOTFOUND)
        buf_clear(last);
    for (int i = 0; i < 2; i++)
        for (size_t slot = 0; slot < tables[i]->n_slots; slot++)
            for (struct change *c = tables[i]->slots[slot]; c; c = c->next) {
                bool found, newer = i == 1 && in_table(&d->now, change_key(c), c->hash, &unused, &found);
                if (!c->gone && !newer && within(change_key(c), after, last))
                    take(context, change_key(c));
            }
}

/* ---- into LMDB ---- */

int data_put_state(struct data *d, MDB_txn *txn, struct data_state *s) {
    MDB_val k = val(slice_of("state", 5)), v = {sizeof *s, s};
    s->version = STATE_VERSION;
    s->check = state_check(s);
    return mdb_put(txn, d->meta, &k, &v, 0);
}

/* The record has a hash in front. */
void data_write_sessions(const struct rh_sessions *sessions, struct buf *out) {
    size_t len = rh_sessions_bytes(sessions);
    uint8_t *to = buf_room(out, HASH + len);
    if (rh_sessions_write(sessions, to + HASH) != RH_OK)
        die("out of memory");
    put_le(to, sessions_check(slice_of(to + HASH, len)), HASH);
    out->end += HASH + len;
}

int data_put_sessions(struct data *d, MDB_txn *txn, slice record) {
    MDB_val k = val(slice_of("sessions", 8)), v = val(record);
    return mdb_put(txn, d->meta, &k, &v, 0);
}

static int by_key(const void *a, const void *b) {
    return slice_compare(change_key(*(struct change *const *)a), change_key(*(struct change *const *)b));
}

/* In the order of the keys: neighbours share a page. */
static int write_changes(struct data *d, MDB_txn *txn, const struct table *t) {
    struct change **sorted = xcalloc(t->count + 1, sizeof *sorted);
    MDB_dbi pairs = d->pairs[t->state.live];
    size_t n = 0;
    int rc = t->cleared ? mdb_drop(txn, pairs, 0) : 0;
    for (size_t i = 0; i < t->n_slots; i++)
        for (struct change *c = t->slots[i]; c; c = c->next)
            sorted[n++] = c;
    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct change *c = sorted[i];
        MDB_val k = val(change_key(c)), v = val(slice_of(c->bytes + c->key_len, HASH + c->value_len));
        rc = c->gone ? mdb_del(txn, pairs, &k, NULL) : mdb_put(txn, pairs, &k, &v, 0);
        rc = c->gone && rc == MDB_NOTFOUND ? 0 : rc;
    }
    free(sorted);
    return rc;
}

/* LMDB lists free pages in a table of its own, number 0. */
static bool is_nearly_full(struct data *d) {
    MDB_envinfo info;
    MDB_stat stat;
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val k, v;
    size_t free_pages = 0, here;
    mdb_env_info(d->env, &info);
    mdb_env_stat(d->env, &stat);
    size_t pages = info.me_mapsize / stat.ms_psize, limit = pages - pages / 10;
    if (info.me_last_pgno < limit || mdb_txn_begin(d->env, NULL, MDB_RDONLY, &txn) != 0)
        return false;
    if (mdb_cursor_open(txn, 0, &c) == 0) {
        for (; mdb_cursor_get(c, &k, &v, MDB_NEXT) == 0; free_pages += here)
            memcpy(&here, v.mv_data, sizeof here);      /* a record begins with a number of pages */
        mdb_cursor_close(c);
    }
    mdb_txn_abort(txn);
    return info.me_last_pgno - free_pages >= limit;
}

static void write_frozen(struct data *d) {
    struct rh_words why = {""};
    struct data_state state = d->frozen.state;
    MDB_txn *txn = NULL;
    slice sessions = buf_slice(&d->frozen.sessions);
    int rc = mdb_txn_begin(d->env, NULL, 0, &txn);
    if (rc == 0 && (rc = write_changes(d, txn, &d->frozen)) == 0 && (rc = data_put_state(d, txn, &state)) == 0 &&
        (sessions.len == 0 || (rc = data_put_sessions(d, txn, sessions)) == 0))
        rc = mdb_txn_commit(txn);
    else if (txn)
        mdb_txn_abort(txn);
    int code = rc == 0 ? RH_OK : data_fail(&why, rc, "write the changes");
    bool full = is_nearly_full(d);
    pthread_mutex_lock(&d->mutex);
    d->full = full;
    d->busy = false;
    d->failed = code;
    d->words = why;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->mutex);
}

static void *writer(void *self) {
    struct data *d = self;
    pthread_mutex_lock(&d->mutex);
    for (;;) {
        while (!d->busy && !d->stop)
            pthread_cond_wait(&d->changed, &d->mutex);
        if (!d->busy)
            break;
        pthread_mutex_unlock(&d->mutex);
        write_frozen(d);
        pthread_mutex_lock(&d->mutex);
    }
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

/* Takes a written table back. Returns whether the thread is idle, or a code below 0. */
static int take_back(struct data *d, bool wait, struct rh_words *why) {
    pthread_mutex_lock(&d->mutex);
    while (wait && d->busy)
        pthread_cond_wait(&d->changed, &d->mutex);
    bool busy = d->busy;
    int code = d->failed;
    if (code < 0 && why)
        *why = d->words;
    pthread_mutex_unlock(&d->mutex);
    if (code < 0 || busy)
        return code < 0 ? code : 0;
    if (d->frozen.n_slots || d->frozen.cleared || d->durable < d->frozen.state.applied) {
        d->durable = d->frozen.state.applied;
        table_empty(&d->frozen);
        mdb_txn_reset(d->view);
        data_must(mdb_txn_renew(d->view), "renew the view");
    }
    return 1;
}

static void hand_over(struct data *d) {
    struct data_state state = d->now.state;
    if (!d->since)
        return;
    if (d->sessions_changed)
        data_write_sessions(d->sessions, &d->now.sessions);
    d->sessions_changed = false;
    d->frozen = d->now;
    d->now = (struct table){.state = state};
    d->since = 0;
    pthread_mutex_lock(&d->mutex);
    d->busy = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->mutex);
}

int data_turn(struct data *d, struct rh_words *why) {
    bool due = d->now.bytes >= FULL_BYTES || (d->since && now_ms() - d->since >= FULL_MS);
    if (!due)
        return RH_OK;
    int idle = take_back(d, d->now.bytes >= MOST_BYTES, why);
    if (idle > 0)
        hand_over(d);
    return idle < 0 ? idle : RH_OK;
}

int data_flush(struct data *d, struct rh_words *why) {
    int code = take_back(d, true, why);
    if (code > 0)
        hand_over(d);
    if (code > 0)
        code = take_back(d, true, why);
    return code < 0 ? code : RH_OK;
}

int data_make_durable(struct data *d, uint64_t index, struct rh_words *why) {
    int idle = take_back(d, false, why);
    if (idle <= 0)
        return idle < 0 ? idle : RH_NONE;
    if (d->durable >= index || !d->since)
        return RH_OK;
    hand_over(d);
    return RH_NONE;
}

int data_settle(struct data *d, struct rh_words *why) {
    int idle = take_back(d, false, why);
    if (idle <= 0)
        return idle < 0 ? idle : RH_NONE;
    if (d->since && !d->settling) {
        hand_over(d);
        d->settling = true;
        return RH_NONE;
    }
    d->settling = false;
    return data_flush(d, why);
}

bool data_is_full(struct data *d) {
    pthread_mutex_lock(&d->mutex);
    bool full = d->full;
    pthread_mutex_unlock(&d->mutex);
    return full;
}

/* ---- sessions ---- */

bool data_seen(struct data *d, struct rh_entry *e) {
    return rh_sessions_seen(d->sessions, e);
}

int data_done(struct data *d, const struct rh_entry *e, struct rh_words *why) {
    d->sessions_changed = d->sessions_changed || e->session;
    return rh_sessions_done(d->sessions, e) == RH_OK ? RH_OK : rh_fail(why, RH_E_NOMEM, "no memory for a session");
}

/* ---- open, close ---- */

static int read_sessions(struct data *d, MDB_txn *txn, struct rh_words *why) {
    MDB_val k = val(slice_of("sessions", 8)), v;
    size_t used = 0;
    int rc = mdb_get(txn, d->meta, &k, &v);
    if (rc == MDB_NOTFOUND)
        return RH_OK;               /* no client has named a write */
    if (rc != 0)
        return data_fail(why, rc, "read the sessions");
    slice table = v.mv_size < HASH ? (slice){0} : slice_of((uint8_t *)v.mv_data + HASH, v.mv_size - HASH);
    if (table.len == 0 || get_le(v.mv_data, HASH) != sessions_check(table) ||
        rh_sessions_read(d->sessions, table.ptr, table.len, &used) != RH_OK || used != table.len)
        return rh_fail(why, RH_E_DAMAGED, "data.mdb: the sessions are not what was written: " GIVE_UP);
    return RH_OK;
}

/* Opens the tables and reads the state. */
static int open_env(struct data *d, unsigned flags, struct rh_words *why) {
    static const char *const tables[] = {"meta", "pairs0", "pairs1", NULL};
    struct data_state *s = &d->now.state;
    MDB_dbi dbi[TABLES_MAX];
    MDB_txn *txn = NULL;
    MDB_val k = val(slice_of("state", 5)), v;
    int code = lmdb_open(d->path, d->map_bytes, flags, tables, &d->env, dbi, &txn, why);
    if (code != RH_OK)
        return code;
    d->meta = dbi[0];
    d->pairs[0] = dbi[1];
    d->pairs[1] = dbi[2];
    int rc = mdb_get(txn, d->meta, &k, &v);
    if (rc == 0 && v.mv_size == sizeof *s)
        memcpy(s, v.mv_data, sizeof *s);
    if (rc == 0 && (v.mv_size != sizeof *s || s->check != state_check(s) || s->live > 1))
        code = rh_fail(why, RH_E_DAMAGED, "data.mdb: the state record is not what was written: " GIVE_UP);
    else if (rc == 0 && s->version != STATE_VERSION)
        code = rh_fail(why, RH_E_VERSION, "data.mdb: version %llu, this server knows %d", (ull)s->version, STATE_VERSION);
    else if (rc != 0 && rc != MDB_NOTFOUND)
        code = data_fail(why, rc, "read the state");
    if (code == RH_OK)
        code = read_sessions(d, txn, why);
    rc = mdb_txn_commit(txn);
    return code != RH_OK || rc == 0 ? code : data_fail(why, rc, "open");
}

/* Compares the sums of the pairs with the state record. */
static bool all_is_well(struct data *d) {
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val k, v;
    uint64_t keys = 0, hash = 0;
    if (mdb_txn_begin(d->env, NULL, MDB_RDONLY, &txn) != 0 || mdb_cursor_open(txn, d->pairs[d->now.state.live], &c) != 0)
        return false;
    int rc;
    while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        slice key = slice_of(k.mv_data, k.mv_size), record = slice_of(v.mv_data, v.mv_size);
        if (record.len < HASH || pair_hash(key, slice_of(record.ptr + HASH, record.len - HASH)) != get_le(record.ptr, HASH))
            return false;
        hash += get_le(record.ptr, HASH);
        keys++;
    }
    return rc == MDB_NOTFOUND && keys == d->now.state.keys && hash == d->now.state.hash;
}

/* For a child process. */
static int look_through(void *self, struct rh_words *why) {
    int code = open_env(self, MDB_RDONLY | MDB_NOLOCK, why);
    return code == RH_OK && !all_is_well(self) ? RH_E_DAMAGED : code;
}

int data_open(struct data *d, const char *dir, uint64_t map_bytes, uint64_t *applied, struct rh_words *why) {
    *d = (struct data){.map_bytes = map_bytes, .sessions = rh_sessions_new(RH_SESSIONS)};
    if (!d->sessions)
        return rh_fail(why, RH_E_NOMEM, "no memory for the sessions");
    snprintf(d->path, sizeof d->path, "%s/data.mdb", dir);
    int code = lmdb_check(d->path, look_through, d, why);
    if (code == RH_OK)
        code = open_env(d, 0, why);
    if (code != RH_OK)
        return code;
    int rc = mdb_txn_begin(d->env, NULL, MDB_RDONLY, &d->view);
    if (rc != 0)
        return data_fail(why, rc, "begin a view");
    pthread_mutex_init(&d->mutex, NULL);
    pthread_cond_init(&d->changed, NULL);
    d->started = pthread_create(&d->thread, NULL, writer, d) == 0;
    d->full = is_nearly_full(d);
    *applied = d->durable = d->frozen.state.applied = d->now.state.applied;
    return d->started ? RH_OK : rh_fail(why, RH_E_NOMEM, "the system has no thread left");
}

void data_close(struct data *d) {
    struct rh_words why;
    if (!d->started)
        return;
    if (data_flush(d, &why) < 0)
        note("%s", why.text);       /* the log has the missing entries */
    pthread_mutex_lock(&d->mutex);
    d->stop = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->mutex);
    pthread_join(d->thread, NULL);
    mdb_txn_abort(d->view);
    mdb_env_close(d->env);
    table_empty(&d->now);
    rh_sessions_free(d->sessions);
}
