/*
 * log_compact.c: which segments may go.
 *
 * Segments go as a whole, the oldest first. So the log keeps more than it must, and `before` always stands at a segment's end.
 */
#include <unistd.h>

#include "log_parts.h"

typedef unsigned long long ull;

static uint64_t bytes_of_all(const struct rh_log_state *s)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < s->n_segments; i++)
        bytes += s->segments[i]->end;
    return bytes;
}

/* How many of the oldest segments may go if no entry above `limit` may, and `keep` bytes shall stay. */
static size_t superfluous(const struct rh_log_state *s, uint64_t limit, uint64_t keep, uint64_t *before)
{
    uint64_t left = bytes_of_all(s);
    size_t count = 0;

    while (count + 1 < s->n_segments) {
        const struct rh_segment *g = s->segments[count];
        if (rh_segment_last(g) > limit || left - g->end < keep)
            break;
        left -= g->end;
        if (g->count > 0)
            *before = rh_segment_last(g);
        count++;
    }
    return count;
}

/* The news goes into the log before the files go: see rh_doom. */
static int give_up(struct rh_log_file *log, size_t count, uint64_t before, struct rh_words *why)
{
    struct rh_log_state *s = &log->state;
    struct rh_segment *last = rh_state_last_segment(s);
    uint64_t term = rh_state_term(s, before);
    size_t bytes = RH_BATCH_HEAD + rh_record_bytes(0);
    bool full = !rh_segment_has_room(log, last, bytes);
    struct rh_segment *next = NULL;

    if (full)
        next = rh_segment_new(last->number + 1, rh_segment_size(log, bytes),
                              rh_log_seed(log->dir->owner.disk, last->number + 1));
    if ((full && !next) || rh_state_reserve(s, next, 0, 0, 1) != RH_OK ||
        rh_buffer_reserve(&log->fill, bytes + rh_base_bytes(s)) != RH_OK) {
        rh_segment_free(next);
        return rh_fail(why, RH_E_NOMEM, "no memory to compact the log");
    }
    if (full)
        rh_begin_segment(log, next, last->end, log->next_batch - 1);
    struct rh_builder b = rh_builder_open(log, full ? next : last, 0);
    rh_builder_add(&b, (struct rh_record){.type = RH_REC_BEFORE, .index = before, .term = term}, (raftcore_slice){0});
    rh_builder_close(&b);
    rh_state_before(s, before, term);
    for (size_t i = 0; i < count; i++)
        rh_doom(log, s->segments[i], log->next_batch - 1);
    for (size_t i = count; i < s->n_segments; i++)
        s->segments[i - count] = s->segments[i];
    s->n_segments -= count;
    return RH_OK;
}

static int compact_locked(struct rh_log_file *log, uint64_t upto, uint64_t hold, struct rh_words *why)
{
    const struct rh_log_state *s = &log->state;
    uint64_t limit = upto < hold ? upto : hold, before = s->before;

    if (log->failed)
        return rh_log_failed(log, why);
    if (upto > s->commit)
        return rh_fail(why, RH_E_ARG, "entries up to %llu can't go: committed are those up to %llu", (ull)upto,
                       (ull)s->commit);
    size_t count = superfluous(s, limit, log->options.keep_bytes, &before);
    return count > 0 ? give_up(log, count, before, why) : RH_OK;
}

int rh_log_compact(void *self, uint64_t upto, uint64_t hold, uint64_t *before, struct rh_words *why)
{
    struct rh_log_file *log = self;

    pthread_mutex_lock(&log->mutex);
    int code = compact_locked(log, upto, hold, why);
    pthread_mutex_unlock(&log->mutex);
    *before = log->state.before;
    return code;
}
