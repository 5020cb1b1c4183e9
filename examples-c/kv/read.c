/* read.c: commands that only read the data. */
#include <stdio.h>

#include "clients.h"
#include "command.h"
#include "resp.h"

/* A key no write would have taken is not there; LMDB must not be asked, it answers with an error. */
static bool get(struct host *h, slice key, slice *value)
{
    return key.len > 0 && key.len <= KEY_MAX && store_get(&h->store, key, value);
}

void run_get(struct host *h, struct request *r, struct buf *out)
{
    slice value;

    if (get(h, r->arg[1], &value))
        resp_bulk(out, value);
    else
        resp_null(out);
}

void run_mget(struct host *h, struct request *r, struct buf *out)
{
    size_t total = 0;
    slice value;

    for (size_t i = 1; i < r->n_args; i++)
        total += get(h, r->arg[i], &value) ? value.len : 0;
    if (total > REPLY_MAX) {
        resp_error(out, "ERR the values have %zu bytes together, a reply may have %d: ask for fewer", total, REPLY_MAX);
        return;
    }
    resp_array(out, r->n_args - 1);
    for (size_t i = 1; i < r->n_args; i++) {
        if (get(h, r->arg[i], &value))
            resp_bulk(out, value);
        else
            resp_null(out);
    }
}

void run_exists(struct host *h, struct request *r, struct buf *out)
{
    int64_t count = 0;
    slice value;

    for (size_t i = 1; i < r->n_args; i++)
        count += get(h, r->arg[i], &value);
    resp_integer(out, count);
}

void run_strlen(struct host *h, struct request *r, struct buf *out)
{
    slice value = {0};

    get(h, r->arg[1], &value);
    resp_integer(out, (int64_t)value.len);
}

void run_dbsize(struct host *h, struct request *r, struct buf *out)
{
    (void)r;
    resp_integer(out, (int64_t)h->store.state.keys);
}

/*
 * SCAN. Redis' cursor is a number, and this store walks in the order of keys: the server remembers
 * the next key of each cursor. The oldest cursors are forgotten. A scan must continue at the node
 * where the scan began.
 */
enum { SCANS = 4096, SCAN_COUNT_MAX = 10000 };

static struct scan {
    uint64_t cursor;
    size_t len;
    uint8_t key[KEY_MAX];           /* the last key read */
} scans[SCANS];
static uint64_t last_cursor;

static uint64_t remember(slice key)
{
    struct scan *s = &scans[++last_cursor % SCANS];

    s->cursor = last_cursor;
    s->len = key.len;
    memcpy(s->key, key.ptr, key.len);
    return last_cursor;
}

void run_scan(struct host *h, struct request *r, struct buf *out)
{
    slice from = {0}, pattern = slice_of("*", 1), key, value, last = {0};
    int64_t cursor, count = 10;

    if (!slice_to_i64(r->arg[1], &cursor) || cursor < 0) {
        resp_error(out, "ERR invalid cursor");
        return;
    }
    for (size_t i = 2; i < r->n_args; i += 2) {
        bool more = i + 1 < r->n_args;
        if (more && slice_is_word(r->arg[i], "MATCH")) {
            pattern = r->arg[i + 1];
        } else if (!more || !slice_is_word(r->arg[i], "COUNT") || !slice_to_i64(r->arg[i + 1], &count) || count < 1) {
            resp_error(out, "ERR syntax error");
            return;
        }
    }
    if (count > SCAN_COUNT_MAX)
        count = SCAN_COUNT_MAX;
    if (cursor > 0) {
        struct scan *s = &scans[(uint64_t)cursor % SCANS];
        if (s->cursor != (uint64_t)cursor) {
            resp_error(out, "ERR cursor %lld is not known here (another node's, or too old): start again at 0", (long long)cursor);
            return;
        }
        from = slice_of(s->key, s->len);
    }

    struct buf found = {0};
    size_t n = 0;
    MDB_cursor *at = store_scan(&h->store, from, cursor > 0, &key, &value);
    bool more = at != NULL;
    for (; more && count > 0; count--) {
        last = key;
        if (glob_match(pattern, key)) {
            resp_bulk(&found, key);
            n++;
        }
        more = store_scan_next(at, &key, &value);
    }
    resp_array(out, 2);
    char text[24];
    snprintf(text, sizeof text, "%llu", (ull)(more ? remember(last) : 0));
    resp_text(out, text);
    resp_array(out, n);
    buf_add(out, found.ptr + found.start, buf_len(&found));
    buf_free(&found);
    if (at)
        mdb_cursor_close(at);
}
