/*
 * log_scan.c: reads a segment batch by batch, and tells a torn end from damage.
 *
 * A crash may leave the last write in part, in any order of sectors. So whole batches may follow a
 * torn batch, all of an unfinished write. If a later batch says, by `synced`, that the broken batch
 * was durable, the broken batch is damage.
 */
#include "log_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 256 * 1024 };

typedef unsigned long long ull;

void rh_segment_name(uint64_t number, char to[32])
{
    snprintf(to, 32, "log-%010llu", (ull)number);
}

int rh_scan_open(struct rh_scan *s, const struct rh_dir *dir, uint64_t number, struct rh_words *why)
{
    struct stat st;

    *s = (struct rh_scan){.fd = -1, .seed = rh_log_seed(dir->owner.disk, number)};
    rh_segment_name(number, s->name);
    s->fd = openat(dir->fd, s->name, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) != 0) {
        int code = rh_fail(why, RH_E_IO, "open of %s: %s", s->name, strerror(errno));
        rh_scan_close(s);
        return code;
    }
    s->size = (uint64_t)st.st_size;
    return RH_OK;
}

void rh_scan_close(struct rh_scan *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->buf);
    s->fd = -1;
    s->buf = NULL;
}

void rh_scan_rewind(struct rh_scan *s)
{
    s->offset = s->number = 0;
}

/* Brings bytes from `offset` on into the buffer: `len` of them, or fewer at the end of the file. */
static int fetch(struct rh_scan *s, uint64_t offset, size_t len, const uint8_t **out, size_t *got, struct rh_words *why)
{
    if (offset < s->buf_at || offset + len > s->buf_at + s->buf_len) {
        size_t wanted = len > WINDOW ? len : WINDOW;
        if (wanted > s->cap) {
            uint8_t *larger = realloc(s->buf, wanted);
            if (!larger)
                return rh_fail(why, RH_E_NOMEM, "no memory to read %s", s->name);
            s->buf = larger;
            s->cap = wanted;
        }
        s->buf_at = offset;
        int code = rh_read_all(s->fd, s->buf, wanted, offset, &s->buf_len, s->name, why);
        if (code != RH_OK) {
            s->buf_len = 0;
            return code;
        }
    }
    *out = s->buf + (offset - s->buf_at);
    *got = (size_t)(s->buf_at + s->buf_len - offset);
    return RH_OK;
}

__attribute__((format(printf, 2, 3)))
static int trouble(struct rh_scan *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(s->trouble, sizeof s->trouble, format, args);
    va_end(args);
    return RH_NONE;
}

/*
 * Checks the records of a batch: each is whole, and together the records have the size and count
 * of the head.
 */
static int check_records(struct rh_scan *s, const struct rh_batch_head *h, uint64_t place, const uint8_t *p)
{
    size_t at = 0, need;
    struct rh_record r = {0};
    uint64_t index = 0;

    for (uint32_t i = 0; i < h->count; i++, at += need) {
        if (!rh_get_record(p + at, h->bytes - at, s->seed, place + RH_BATCH_HEAD + at, &r, &need))
            return trouble(s,
                           "batch %llu: record %u of %u, at offset %llu (behind index %llu), is not what was written",
                           (ull)h->number, i + 1, h->count, (ull)(place + RH_BATCH_HEAD + at), (ull)index);
        index = r.type == RH_REC_ENTRY ? r.index : index;
    }
    if (at != h->bytes)
        return trouble(s, "batch %llu: its records do not fill it", (ull)h->number);
    return RH_OK;
}

static int batch_at(struct rh_scan *s, uint64_t place, struct rh_batch_view *out, struct rh_words *why)
{
    const uint8_t *p;
    size_t got;
    struct rh_batch_head h;
    int code = fetch(s, place, RH_BATCH_HEAD, &p, &got, why);

    if (code != RH_OK)
        return code;
    if (got < RH_BATCH_HEAD || !rh_get_batch_head(p, s->seed, place, &h))
        return trouble(s, "there is no batch head");
    if (s->number != 0 && h.number != s->number)
        return trouble(s, "batch %llu follows, not %llu", (ull)h.number, (ull)s->number);
    if (h.bytes > s->size || place > s->size - h.bytes - RH_BATCH_HEAD)
        return trouble(s, "batch %llu reaches beyond the end of the file", (ull)h.number);
    code = fetch(s, place, RH_BATCH_HEAD + (size_t)h.bytes, &p, &got, why);
    if (code != RH_OK)
        return code;
    if (got < RH_BATCH_HEAD + (size_t)h.bytes)
        return trouble(s, "batch %llu: the file became shorter while it was read", (ull)h.number);
    code = check_records(s, &h, place, p + RH_BATCH_HEAD);
    if (code != RH_OK)
        return code;
    *out = (struct rh_batch_view){.head = h, .place = place, .records = p + RH_BATCH_HEAD};
    s->offset = place + RH_BATCH_HEAD + h.bytes;
    s->number = h.number + 1;
    return RH_OK;
}

int rh_scan_batch(struct rh_scan *s, struct rh_batch_view *out, struct rh_words *why)
{
    char first[RH_WORDS_MAX];
    uint64_t block = s->block_bytes, next = block ? (s->offset + block - 1) & ~(block - 1) : s->offset;
    int code = batch_at(s, s->offset, out, why);

    /* With block_bytes, a batch may also begin at the next block. */
    if (code != RH_NONE || next == s->offset)
        return code;
    memcpy(first, s->trouble, sizeof first);
    code = batch_at(s, next, out, why);
    if (code == RH_NONE)
        memcpy(s->trouble, first, sizeof first);
    return code;
}

bool rh_batch_record(const struct rh_scan *s, const struct rh_batch_view *batch, size_t *at, struct rh_record *out)
{
    size_t need;

    if (*at >= batch->head.bytes)
        return false;
    if (!rh_get_record(batch->records + *at, batch->head.bytes - *at, s->seed, batch->place + RH_BATCH_HEAD + *at, out,
                       &need))
        return false;
    *at += need;
    return true;
}

int rh_scan_base(struct rh_scan *s, const struct rh_dir *dir, uint64_t number, struct rh_base *out,
                 struct rh_words *why)
{
    struct rh_batch_view batch;
    struct rh_record r;
    size_t at = 0;

    rh_scan_rewind(s);
    int code = rh_scan_batch(s, &batch, why);
    if (code == RH_NONE)
        return rh_fail(why, RH_E_DAMAGED, "%s: its base, at offset 0, is damaged: %s", s->name, s->trouble);
    if (code != RH_OK)
        return code;
    if (!(batch.head.flags & RH_BATCH_BASE) || !rh_batch_record(s, &batch, &at, &r) || !rh_get_base(&r, out))
        return rh_fail(why, RH_E_DAMAGED, "%s: its first batch is no base", s->name);
    if (out->format != RH_LOG_FORMAT)
        return rh_fail(why, RH_E_VERSION, "%s has format %u, this library knows %d", s->name, out->format,
                       RH_LOG_FORMAT);
    if (out->segment != number || memcmp(out->disk, dir->owner.disk, RH_ID_BYTES) != 0 || out->id != dir->owner.id ||
        out->group != dir->owner.group)
        return rh_fail(why, RH_E_OWNER, "%s is segment %llu of node %llu of group %llu: it does not belong here",
                       s->name, (ull)out->segment, (ull)out->id, (ull)out->group);
    s->block_bytes = out->block_bytes;
    return RH_OK;
}

int rh_scan_tail(struct rh_scan *s, struct rh_tail *out, struct rh_words *why)
{
    struct rh_batch_head h;
    const uint8_t *p;
    size_t got;

    *out = (struct rh_tail){.blank = true};
    for (uint64_t at = s->offset; at < s->size;) {
        int code = fetch(s, at, WINDOW < s->size - at ? WINDOW : (size_t)(s->size - at), &p, &got, why);
        if (code != RH_OK || got == 0)
            return code;
        out->blank = out->blank && rh_is_zero(p, got);
        size_t step = 0;
        for (; step + RH_BATCH_HEAD <= got; step += 8) {
            if (!rh_may_be_batch(p + step) || !rh_get_batch_head(p + step, s->seed, at + step, &h) ||
                h.synced <= out->synced)
                continue;
            out->synced = h.synced;
            out->synced_at = at + step;
        }
        if (step == 0)
            break;                      /* less than a head is left */
        at += step;
    }
    return RH_OK;
}

/* ---- names ---- */

struct list {
    uint64_t *numbers;
    size_t count, cap;
};

static int take_name(void *context, const char *name)
{
    struct list *l = context;
    char again[32];
    ull number;

    if (sscanf(name, "log-%llu", &number) != 1)
        return RH_OK;
    rh_segment_name(number, again);
    if (strcmp(name, again) != 0)
        return RH_OK;
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        uint64_t *larger = realloc(l->numbers, cap * sizeof *larger);
        if (!larger)
            return RH_E_NOMEM;
        l->numbers = larger;
        l->cap = cap;
    }
    l->numbers[l->count++] = number;
    return RH_OK;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

int rh_segments_list(const struct rh_dir *dir, uint64_t **out, size_t *count, struct rh_words *why)
{
    struct list l = {0};
    int code = rh_dir_each(dir, take_name, &l, why);

    if (code != RH_OK) {
        free(l.numbers);
        return code == RH_E_NOMEM ? rh_fail(why, code, "no memory to list %s", dir->path) : code;
    }
    if (l.count > 0)
        qsort(l.numbers, l.count, sizeof *l.numbers, ascending);
    *out = l.numbers;
    *count = l.count;
    return RH_OK;
}
