/* read.c: commands that only read the data. */
#include "command.h"
#include "host.h"
#include "resp.h"

enum { REPLY_MAX = 64 * 1024 * 1024 };

void run_get(struct request *r, struct buf *out) {
    slice value;
    if (data_get(r->arg[1], &value))
        resp_bulk(out, value);
    else
        resp_null(out);
}

void run_mget(struct request *r, struct buf *out) {
    size_t total = 0;
    slice value;
    for (size_t i = 1; i < r->n_args; i++)
        total += data_get(r->arg[i], &value) ? value.len : 0;
    if (total > REPLY_MAX) {
        resp_error(out, "ERR the values have %zu bytes together, a reply may have %d: ask for fewer", total, REPLY_MAX);
        return;
    }
    resp_array(out, r->n_args - 1);
    for (size_t i = 1; i < r->n_args; i++) {
        if (data_get(r->arg[i], &value))
            resp_bulk(out, value);
        else
            resp_null(out);
    }
}

void run_exists(struct request *r, struct buf *out) {
    int64_t count = 0;
    slice value;
    for (size_t i = 1; i < r->n_args; i++)
        count += data_get(r->arg[i], &value);
    resp_integer(out, count);
}

void run_strlen(struct request *r, struct buf *out) {
    slice value = {0};
    data_get(r->arg[1], &value);
    resp_integer(out, (int64_t)value.len);
}

void run_dbsize(struct request *r, struct buf *out) {
    resp_integer(out, (int64_t)rh_map_info(kv.map).keys);
}

/*
 * SCAN. Redis' cursor is a number, and the store walks in the order of keys: the server remembers
 * the last key of each cursor. The oldest cursors are forgotten. A scan must continue at the node
 * where the scan began.
 */
enum { SCANS = 4096, SCAN_COUNT_MAX = 10000 };

static struct scan {
    uint64_t cursor;
    size_t len;
    uint8_t key[RH_MAP_KEY_MAX];
} scans[SCANS];
static uint64_t last_cursor;

struct found {
    slice pattern;
    struct buf keys;                /* in RESP */
    size_t n;
};

static void take_key(void *context, slice key) {
    struct found *f = context;
    if (!glob_match(f->pattern, key))
        return;
    resp_bulk(&f->keys, key);
    f->n++;
}

/* MATCH pattern, COUNT n. */
static bool scan_options(struct request *r, struct found *f, int64_t *count) {
    for (size_t i = 2; i < r->n_args; i += 2) {
        bool more = i + 1 < r->n_args;
        if (more && slice_is_word(r->arg[i], "MATCH"))
            f->pattern = r->arg[i + 1];
        else if (!more || !slice_is_word(r->arg[i], "COUNT") || !slice_to_i64(r->arg[i + 1], count) || *count < 1)
            return false;
    }
    return true;
}

void run_scan(struct request *r, struct buf *out) {
    struct found f = {.pattern = slice_of("*", 1)};
    uint8_t last[RH_MAP_KEY_MAX];
    size_t len;
    int64_t cursor, count = 10;
    if (!slice_to_i64(r->arg[1], &cursor) || cursor < 0) {
        resp_error(out, "ERR invalid cursor");
        return;
    }
    if (!scan_options(r, &f, &count)) {
        resp_error(out, "ERR syntax error");
        return;
    }
    struct scan *s = &scans[(uint64_t)cursor % SCANS];
    if (cursor > 0 && s->cursor != (uint64_t)cursor) {
        resp_error(out, "ERR cursor %lld is not known here (another node's, or too old): start again at 0", (long long)cursor);
        return;
    }
    slice after = slice_of(s->key, cursor > 0 ? s->len : 0);
    data_must(rh_map_scan(kv.map, after, (size_t)(count < SCAN_COUNT_MAX ? count : SCAN_COUNT_MAX), take_key, &f, last, &len));
    char text[24] = "0";
    if (len > 0) {
        s = &scans[++last_cursor % SCANS];
        s->cursor = last_cursor;
        s->len = len;
        memcpy(s->key, last, len);
        snprintf(text, sizeof text, "%llu", (ull)last_cursor);
    }
    resp_array(out, 2);
    resp_text(out, text);
    resp_array(out, f.n);
    buf_add(out, f.keys.ptr + f.keys.start, buf_len(&f.keys));
    buf_free(&f.keys);
}
