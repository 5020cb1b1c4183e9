/*
 * sessions.c: a table of client sessions, which recognises a request that is applied twice.
 *
 * Every member must forget the same sessions, so the order of use is the order of entries. The bytes
 * of a snapshot keep that order: docs/wire.md, section 9.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "raftcore_host.h"

struct session {
    uint8_t id[RH_SESSION_BYTES];
    uint64_t number, used;              /* used: the counter at the last entry; 0: free */
    uint8_t *result;                    /* NULL: too long to keep */
    size_t len;
};

struct rh_sessions {
    struct session *at;                 /* open addressing, a power of two */
    size_t room, count, max;
    uint64_t counter;
};

enum { HEAD = 4 + 4, RECORD = RH_SESSION_BYTES + 8 + 4, RESULT_MAX = 16 * 1024 };
static const uint32_t not_kept = UINT32_MAX;
static const uint8_t magic[4] = {'r', 'h', 'S', '1'};

struct rh_sessions *rh_sessions_new(size_t max)
{
    struct rh_sessions *s = calloc(1, sizeof *s);
    size_t room = 16;

    while (room < 2 * max && room < SIZE_MAX / 4 / sizeof(struct session))
        room *= 2;
    if (!s || max == 0 || !(s->at = calloc(room, sizeof *s->at))) {
        free(s);
        return NULL;
    }
    s->room = room;
    s->max = max;
    return s;
}

static void empty(struct rh_sessions *s)
{
    for (size_t i = 0; i < s->room; i++)
        free(s->at[i].result);
    memset(s->at, 0, s->room * sizeof *s->at);
    s->count = 0;
}

void rh_sessions_free(struct rh_sessions *s)
{
    if (!s)
        return;
    empty(s);
    free(s->at);
    free(s);
}

/* Returns the place of a session, or the free place where it belongs. */
static size_t place_of(const struct rh_sessions *s, const uint8_t *id)
{
    size_t i = (size_t)((rh_get_u64(id) ^ rh_get_u64(id + 8) * 0x9e3779b97f4a7c15u) >> 7) & (s->room - 1);

    while (s->at[i].used && memcmp(s->at[i].id, id, RH_SESSION_BYTES) != 0)
        i = (i + 1) & (s->room - 1);
    return i;
}

bool rh_sessions_seen(struct rh_sessions *s, struct rh_entry *e)
{
    if (!e->session)
        return false;
    const struct session *at = &s->at[place_of(s, e->session)];
    if (at->used ? at->number < e->number : e->number <= 1)
        return false;
    if (at->used && at->number == e->number && at->result)
        e->result = (raftcore_slice){at->result, at->len};
    else
        e->forgotten = true;
    return true;
}

/* Forgets the session that was used longest ago, and closes the gap. */
static void forget_oldest(struct rh_sessions *s)
{
    size_t oldest = 0, gap;

    for (size_t i = 0; i < s->room; i++)
        if (s->at[i].used && (!s->at[oldest].used || s->at[i].used < s->at[oldest].used))
            oldest = i;
    free(s->at[oldest].result);
    memset(&s->at[oldest], 0, sizeof s->at[oldest]);
    s->count--;
    gap = oldest;
    for (size_t i = (gap + 1) & (s->room - 1); s->at[i].used; i = (i + 1) & (s->room - 1)) {
        struct session moved = s->at[i];
        memset(&s->at[i], 0, sizeof s->at[i]);
        s->at[place_of(s, moved.id)] = moved;
    }
}

static int put(struct rh_sessions *s, const uint8_t *id, uint64_t number, uint64_t used, raftcore_slice result)
{
    bool kept = result.len <= RESULT_MAX;
    uint8_t *copy = kept ? malloc(result.len + 1) : NULL;

    if (kept && !copy)
        return RH_E_NOMEM;
    if (kept && result.len > 0)
        memcpy(copy, result.ptr, result.len);
    if (!s->at[place_of(s, id)].used && s->count == s->max)
        forget_oldest(s);
    struct session *at = &s->at[place_of(s, id)];
    s->count += !at->used;
    free(at->result);
    memcpy(at->id, id, sizeof at->id);
    at->number = number;
    at->used = used;
    at->result = copy;
    at->len = kept ? result.len : 0;
    return RH_OK;
}

int rh_sessions_done(struct rh_sessions *s, const struct rh_entry *e)
{
    if (!e->session)
        return RH_OK;
    return put(s, e->session, e->number, ++s->counter, e->result);
}

size_t rh_sessions_bytes(const struct rh_sessions *s)
{
    size_t bytes = HEAD;

    for (size_t i = 0; i < s->room; i++)
        bytes += s->at[i].used ? RECORD + s->at[i].len : 0;
    return bytes;
}

static int by_use(const void *a, const void *b)
{
    uint64_t x = ((const struct session *)a)->used, y = ((const struct session *)b)->used;

    return x < y ? -1 : x > y;
}

static uint8_t *write_one(const struct session *at, uint8_t *to)
{
    memcpy(to, at->id, sizeof at->id);
    rh_put_u64(to + RH_SESSION_BYTES, at->number);
    rh_put_u32(to + RH_SESSION_BYTES + 8, at->result ? (uint32_t)at->len : not_kept);
    if (at->len > 0)
        memcpy(to + RECORD, at->result, at->len);
    return to + RECORD + at->len;
}

int rh_sessions_write(const struct rh_sessions *s, uint8_t *to)
{
    struct session *list = malloc((s->count + 1) * sizeof *list);
    size_t n = 0;

    if (!list)
        return RH_E_NOMEM;
    for (size_t i = 0; i < s->room; i++)
        if (s->at[i].used)
            list[n++] = s->at[i];
    qsort(list, n, sizeof *list, by_use);
    memcpy(to, magic, sizeof magic);
    rh_put_u32(to + 4, (uint32_t)n);
    to += HEAD;
    for (size_t i = 0; i < n; i++)
        to = write_one(&list[i], to);
    free(list);
    return RH_OK;
}

/* Reads the record at *at into the table, and moves *at behind it. */
static int read_one(struct rh_sessions *s, const uint8_t *bytes, size_t len, size_t *at)
{
    static const uint8_t too_long[RESULT_MAX + 1];
    const uint8_t *record = bytes + *at;
    size_t left = len - *at;

    if (left < RECORD)
        return RH_E_DAMAGED;
    uint32_t size = rh_get_u32(record + RH_SESSION_BYTES + 8);
    raftcore_slice result = size == not_kept ? (raftcore_slice){too_long, sizeof too_long}
                                             : (raftcore_slice){record + RECORD, size};
    size_t stored = size == not_kept ? 0 : size;
    if (stored > RESULT_MAX || stored > left - RECORD || s->at[place_of(s, record)].used)
        return RH_E_DAMAGED;
    *at += RECORD + stored;
    return put(s, record, rh_get_u64(record + RH_SESSION_BYTES), ++s->counter, result);
}

int rh_sessions_length(const uint8_t *bytes, size_t len, size_t *length)
{
    size_t at = HEAD;

    *length = 0;
    if (len < HEAD)
        return memcmp(bytes, magic, len < sizeof magic ? len : sizeof magic) == 0 ? RH_NONE : RH_E_DAMAGED;
    if (memcmp(bytes, magic, sizeof magic) != 0)
        return RH_E_DAMAGED;
    for (uint32_t left = rh_get_u32(bytes + 4); left > 0; left--) {
        if (len - at < RECORD)
            return RH_NONE;
        uint32_t size = rh_get_u32(bytes + at + RH_SESSION_BYTES + 8);
        at += RECORD;
        if (size == not_kept)
            continue;
        if (size > RESULT_MAX)
            return RH_E_DAMAGED;
        if (len - at < size)
            return RH_NONE;
        at += size;
    }
    *length = at;
    return RH_OK;
}

int rh_sessions_read(struct rh_sessions *s, const uint8_t *bytes, size_t len, size_t *used)
{
    struct rh_sessions *fresh;
    int code = RH_OK;

    if (len < HEAD || memcmp(bytes, magic, sizeof magic) != 0 || rh_get_u32(bytes + 4) > s->max)
        return RH_E_DAMAGED;
    if (!(fresh = rh_sessions_new(s->max)))
        return RH_E_NOMEM;
    *used = HEAD;
    for (uint32_t left = rh_get_u32(bytes + 4); left > 0 && code == RH_OK; left--)
        code = read_one(fresh, bytes, len, used);
    if (code == RH_OK) {
        struct rh_sessions old = *s;
        *s = *fresh;
        *fresh = old;
    }
    rh_sessions_free(fresh);
    return code;
}
