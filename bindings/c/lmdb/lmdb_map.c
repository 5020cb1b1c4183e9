/* lmdb_map.c: pairs: two tables of changes in memory, and LMDB behind them. lmdb_map.h says why. */
#include "lmdb_map_parts.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

int64_t map_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t map_pair_hash(slice key, slice value)
{
    return lmdb_hash(value, lmdb_hash(key, 0x6b7601));
}

int map_break(struct rh_map *m, int code, const char *words)
{
    if (m->broken == RH_OK)
        m->broken = rh_fail(&m->broken_words, code, "%s", words);
    return m->broken;
}

int map_fail(struct rh_map *m, int rc, const char *doing)
{
    struct rh_words why;
    int code = rh_lmdb_fail(&why, rc, m->path, doing);

    return map_break(m, code, why.text);
}

int rh_map_failed(const struct rh_map *m, struct rh_words *why)
{
    return m->broken == RH_OK ? RH_OK : rh_fail(why, m->broken, "%s", m->broken_words.text);
}

/* ---- the tables ---- */

static bool equal(slice a, slice b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static struct change **table_find(const struct map_table *t, slice key, uint64_t hash)
{
    if (t->n_slots == 0)
        return NULL;
    struct change **at = &t->slots[hash & (t->n_slots - 1)];
    while (*at && ((*at)->hash != hash || !equal(change_key(*at), key)))
        at = &(*at)->next;
    return at;
}

static bool table_grow(struct map_table *t)
{
    size_t n = t->n_slots ? 2 * t->n_slots : 1024;
    struct change **slots = calloc(n, sizeof *slots);

    for (size_t i = 0; slots && i < t->n_slots; i++)
        for (struct change *c = t->slots[i], *next; c; c = next) {
            struct change **to = &slots[c->hash & (n - 1)];
            next = c->next;
            c->next = *to;
            *to = c;
        }
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->n_slots = n;
    return true;
}

void map_table_empty(struct map_table *t)
{
    for (size_t i = 0; i < t->n_slots && t->count > 0; i++)
        for (struct change *c = t->slots[i], *next; c; c = next) {
            next = c->next;
            free(c);
        }
    free(t->slots);
    bytes_free(&t->sessions);
    *t = (struct map_table){.state = t->state};
}

static void touch(struct rh_map *m)
{
    if (!m->since)
        m->since = map_now_ms();
}

/* Adds a change, and replaces an earlier change of the key. value NULL: the key is gone. */
static int change(struct rh_map *m, slice key, const slice *value, uint64_t hash)
{
    struct map_table *t = &m->now;
    uint64_t key_hash = lmdb_hash(key, 0);
    size_t len = value ? value->len : 0;
    struct change *c = malloc(sizeof *c + key.len + HASH + len);

    if (!c || (t->count >= t->n_slots && !table_grow(t))) {
        free(c);
        return map_fail(m, ENOMEM, "a change");
    }
    struct change **at = table_find(t, key, key_hash), *old = *at;
    *c = (struct change){.next = old ? old->next : NULL, .hash = key_hash, .key_len = (uint32_t)key.len,
                         .value_len = (uint32_t)len, .gone = !value};
    memcpy(c->bytes, key.ptr, key.len);
    rh_put_u64(c->bytes + key.len, hash);
    if (len > 0)
        memcpy(c->bytes + key.len + HASH, value->ptr, len);
    t->bytes += sizeof *c + key.len + len;
    t->count += !old;
    *at = c;
    free(old);
    touch(m);
    return RH_OK;
}

/* ---- pairs ---- */

/* Returns whether a table knows the fate of a key. */
static bool in_table(const struct map_table *t, slice key, uint64_t hash, slice *record, bool *found)
{
    struct change **at = table_find(t, key, hash);

    *found = at && *at && !(*at)->gone;
    if (at && *at)
        *record = slice_of((*at)->bytes + key.len, HASH + (*at)->value_len);
    return (at && *at) || t->cleared;
}

/* Finds the stored form of a value: hash and bytes. */
static int find(struct rh_map *m, slice key, slice *record)
{
    uint64_t hash = lmdb_hash(key, 0);
    MDB_val k = lmdb_val(key), v;
    bool found;

    if (m->broken != RH_OK)
        return m->broken;
    if (key.len == 0 || key.len > RH_MAP_KEY_MAX)
        return RH_NONE;
    if (in_table(&m->now, key, hash, record, &found) || in_table(&m->frozen, key, hash, record, &found))
        return found ? RH_OK : RH_NONE;
    int rc = mdb_get(m->view, m->pairs[m->now.state.live], &k, &v);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? RH_NONE : map_fail(m, rc, "read a key");
    *record = lmdb_slice(v);
    if (v.mv_size < HASH ||
        map_pair_hash(key, slice_of(record->ptr + HASH, v.mv_size - HASH)) != rh_get_u64(record->ptr))
        return map_break(m, RH_E_DAMAGED, "the value of a key is not what was written: " RH_LMDB_GIVE_UP);
    return RH_OK;
}

int rh_map_get(struct rh_map *m, slice key, slice *value)
{
    slice record;
    int code = find(m, key, &record);

    if (code == RH_OK)
        *value = slice_of(record.ptr + HASH, record.len - HASH);
    return code;
}

int rh_map_put(struct rh_map *m, slice key, slice value)
{
    struct map_state *s = &m->now.state;
    uint64_t hash = map_pair_hash(key, value);
    slice old;

    if (key.len == 0 || key.len > RH_MAP_KEY_MAX || value.len > RH_MAP_VALUE_MAX)
        return RH_E_ARG;
    int code = find(m, key, &old);
    if (code < 0)
        return code;
    uint64_t gone = code == RH_OK ? rh_get_u64(old.ptr) : 0;
    int changed = change(m, key, &value, hash);
    if (changed != RH_OK)
        return changed;
    s->keys += code == RH_NONE;
    s->hash += hash - gone;
    return RH_OK;
}

int rh_map_del(struct rh_map *m, slice key)
{
    slice old;
    int code = find(m, key, &old);

    if (code != RH_OK)
        return code;
    uint64_t gone = rh_get_u64(old.ptr);
    code = change(m, key, NULL, 0);
    if (code != RH_OK)
        return code;
    m->now.state.hash -= gone;
    m->now.state.keys--;
    return RH_OK;
}

int rh_map_clear(struct rh_map *m)
{
    if (m->broken != RH_OK)
        return m->broken;
    map_table_empty(&m->now);
    m->now.cleared = true;
    m->now.state.keys = m->now.state.hash = 0;
    touch(m);
    return RH_OK;
}

/* Compares in LMDB's order. */
static int compare(slice a, slice b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least > 0 ? memcmp(a.ptr, b.ptr, least) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Walks over keys in LMDB. Those with a change are left out: the tables have them. */
static int scan_file(struct rh_map *m, slice after, size_t count, void (*take)(void *, slice), void *context,
                     uint8_t *last, size_t *len)
{
    MDB_cursor *cursor;
    MDB_val k = lmdb_val(after), v;
    slice unused;
    int rc = mdb_cursor_open(m->view, m->pairs[m->now.state.live], &cursor);

    if (rc != 0)
        return map_fail(m, rc, "open a cursor");
    rc = mdb_cursor_get(cursor, &k, &v, after.len ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && compare(lmdb_slice(k), after) == 0)
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    for (size_t n = 0; rc == 0 && n < count; n++, rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
        slice key = lmdb_slice(k);
        uint64_t hash = lmdb_hash(key, 0);
        bool found;
        memcpy(last, key.ptr, key.len);
        *len = key.len;
        if (!in_table(&m->now, key, hash, &unused, &found) && !in_table(&m->frozen, key, hash, &unused, &found))
            take(context, key);
    }
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND)
        *len = 0;
    return rc == 0 || rc == MDB_NOTFOUND ? RH_OK : map_fail(m, rc, "walk over the keys");
}

int rh_map_scan(struct rh_map *m, slice after, size_t count, void (*take)(void *context, slice key), void *context,
                uint8_t *last, size_t *len)
{
    const struct map_table *const tables[] = {&m->now, &m->frozen};
    slice unused;

    *len = 0;
    int code = m->broken != RH_OK ? m->broken : scan_file(m, after, count ? count : 1, take, context, last, len);
    if (code != RH_OK)
        return code;
    for (int i = 0; i < 2; i++)
        for (size_t slot = 0; slot < tables[i]->n_slots; slot++)
            for (struct change *c = tables[i]->slots[slot]; c; c = c->next) {
                slice key = change_key(c);
                bool found, newer = i == 1 && in_table(&m->now, key, c->hash, &unused, &found);
                if (!c->gone && !newer && compare(key, after) > 0 && (*len == 0 || compare(key, slice_of(last, *len)) <= 0))
                    take(context, key);
            }
    return RH_OK;
}

/* ---- entries ---- */

bool rh_map_seen(struct rh_map *m, struct rh_entry *e)
{
    return rh_sessions_seen(m->sessions, e);
}

int rh_map_done(struct rh_map *m, const struct rh_entry *e)
{
    m->sessions_changed = m->sessions_changed || e->session;
    return rh_sessions_done(m->sessions, e) == RH_OK ? m->broken : map_fail(m, ENOMEM, "a session");
}

void rh_map_index(struct rh_map *m, uint64_t index)
{
    m->now.state.applied = index;
    touch(m);
}
