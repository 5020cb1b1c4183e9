/* log_read.c: entries out of files and buffers. Each entry is verified at each read. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log_parts.h"

typedef unsigned long long ull;

/* Opens a segment for reading. The segment read last stays open. */
static int open_segment(struct rh_log_file *log, const struct rh_segment *g, struct rh_words *why)
{
    char name[32];

    if (log->read_fd >= 0 && log->read_segment == g->number)
        return RH_OK;
    rh_segment_name(g->number, name);
    int fd = openat(log->dir->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rh_fail(why, RH_E_IO, "open of %s: %s", name, strerror(errno));
    if (log->read_fd >= 0)
        close(log->read_fd);
    log->read_fd = fd;
    log->read_segment = g->number;
    return RH_OK;
}

/* Copies bytes out of a buffer. Returns false if the bytes are not there. Needs the mutex. */
static bool from_buffer(const struct rh_buffer *b, const struct rh_segment *g, uint64_t offset, uint8_t *to, size_t len,
                        size_t *got)
{
    for (size_t i = 0; i < b->n_runs; i++) {
        const struct rh_run *r = &b->runs[i];
        if (r->segment != g || offset < r->offset || offset >= r->offset + r->len)
            continue;
        size_t skip = (size_t)(offset - r->offset);
        *got = r->len - skip < len ? r->len - skip : len;
        memcpy(to, b->bytes + r->at + skip, *got);
        return true;
    }
    return false;
}

/* Brings at most `len` bytes of a segment, fewer where file and buffer meet. */
static int bring(struct rh_log_file *log, const struct rh_segment *g, uint64_t offset, uint8_t *to, size_t len,
                 size_t *got, struct rh_words *why)
{
    char name[32];

    pthread_mutex_lock(&log->mutex);
    uint64_t written = g->written;
    bool found = offset < written || from_buffer(&log->flight, g, offset, to, len, got) ||
                 from_buffer(&log->fill, g, offset, to, len, got);
    pthread_mutex_unlock(&log->mutex);
    rh_segment_name(g->number, name);
    if (!found)
        return rh_fail(why, RH_E_DAMAGED, "%s: offset %llu is in no buffer: a fault of this library", name,
                       (ull)offset);
    if (offset >= written)
        return RH_OK;
    int code = open_segment(log, g, why);
    if (code != RH_OK)
        return code;
    return rh_read_all(log->read_fd, to, written - offset < len ? (size_t)(written - offset) : len, offset, got, name,
                       why);
}

/* Returns the latest possible end of entry i of a segment. */
static uint64_t latest_end(const struct rh_segment *g, size_t i, uint64_t segment_end)
{
    return i + 1 < g->count ? 8 * (uint64_t)g->places[i + 1] : segment_end;
}

static int damaged(const struct rh_segment *g, size_t i, struct rh_words *why)
{
    char name[32];

    rh_segment_name(g->number, name);
    return rh_fail(why, RH_E_DAMAGED, "%s: the entry of index %llu, at offset %llu, is not what was written", name,
                   (ull)(g->first + i), 8 * (ull)g->places[i]);
}

/* Reads entries `from` to `to` of a segment. The bytes begin with the first entry. */
static int take_entries(const struct rh_segment *g, size_t from, size_t to, uint64_t segment_end, size_t got,
                        struct rh_read *io, struct rh_words *why)
{
    uint64_t begin = 8 * (uint64_t)g->places[from];
    struct rh_record r;

    for (size_t i = from; i <= to && io->count < io->max; i++) {
        uint64_t place = 8 * (uint64_t)g->places[i];
        size_t at = (size_t)(place - begin), need;
        if (at + RH_RECORD_HEAD > got) {
            io->need = at + RH_RECORD_HEAD;
            break;
        }
        bool good = rh_get_record(io->buf + at, got - at, g->seed, place, &r, &need);
        if (!good && need > got - at && place + need <= latest_end(g, i, segment_end)) {
            io->need = at + need;       /* the entry is longer than the bytes */
            break;
        }
        if (!good || r.type != RH_REC_ENTRY || r.index != g->first + i)
            return damaged(g, i, why);
        io->entries[io->count++] = (raftcore_entry){.term = r.term, .index = r.index, .kind = r.kind, .data = r.data};
    }
    return RH_OK;
}

static int read_from(struct rh_log_file *log, const struct rh_segment *g, uint64_t first, uint64_t last,
                     struct rh_read *io, struct rh_words *why)
{
    size_t from = (size_t)(first - g->first);
    size_t to = last <= rh_segment_last(g) ? (size_t)(last - g->first) : g->count - 1;
    pthread_mutex_lock(&log->mutex);
    uint64_t segment_end = g->end;      /* the sync thread may be adding a mark */
    pthread_mutex_unlock(&log->mutex);
    uint64_t begin = 8 * (uint64_t)g->places[from], span = latest_end(g, to, segment_end) - begin;
    size_t wanted = span < io->cap ? (size_t)span : io->cap, got = 0;
    int code = bring(log, g, begin, io->buf, wanted, &got, why);

    io->need = 0;
    if (code == RH_OK)
        code = take_entries(g, from, to, segment_end, got, io, why);
    if (code != RH_OK || io->count > 0)
        return code;
    if (got < wanted)                   /* the file has become shorter */
        return damaged(g, from, why);
    return rh_fail(why, RH_E_SMALL, "entry %llu needs a buffer of %zu bytes", (ull)first, io->need);
}

int rh_log_read(void *self, uint64_t first, uint64_t last, struct rh_read *io, struct rh_words *why)
{
    struct rh_log_file *log = self;
    const struct rh_log_state *s = &log->state;

    io->count = 0;
    io->need = 0;
    if (first > last || first == 0 || io->max == 0)
        return rh_fail(why, RH_E_ARG, "entries %llu to %llu, at most %zu of them, are none", (ull)first, (ull)last,
                       io->max);
    if (first <= s->before)
        return rh_fail(why, RH_E_GONE, "entry %llu is gone: the log begins behind %llu", (ull)first, (ull)s->before);
    if (last > s->last)
        return rh_fail(why, RH_E_RANGE, "entry %llu is beyond the log, which ends at %llu", (ull)last, (ull)s->last);
    const struct rh_segment *g = rh_state_find(s, first);
    if (!g)
        return rh_fail(why, RH_E_DAMAGED, "entry %llu is in no segment: a fault of this library", (ull)first);
    return read_from(log, g, first, last, io, why);
}
