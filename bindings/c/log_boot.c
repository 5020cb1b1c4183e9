/*
 * log_boot.c: from the files to the state, and the first segment of this run.
 *
 * 1  The segments that follow each other without a gap, up to the newest, are the chain. Each but the last must be whole up to the
 *    end that its successor names.
 * 2  The last one ends in whatever the crash left. Batches up to the highest `synced` that stands in it were durable: if one of them
 *    is not whole, that is damage, and the boot refuses. What stands behind them was promised by nobody: whole batches are taken,
 *    up to the first that is not whole.
 * 3  This run writes to a new segment: nothing is ever written behind a torn end. Batches that nobody promised are copied into it,
 *    not trusted where they are: they may be in the page cache alone, left by a process whose flush failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "bytes.h"
#include "log_parts.h"

typedef unsigned long long ull;

/* The files, while they are read. */
struct recovery {
    struct rh_log_file *log;
    uint64_t *numbers;                  /* of all segments */
    struct rh_base *bases;              /* of those in the chain */
    size_t count, chain;                /* of numbers; where the chain begins */
    uint64_t first_there;               /* entries from here on have been seen */
    uint64_t proven, proven_end;        /* the last segment: batches up to this were durable; where they end */
    uint64_t good, good_end;            /* whole batches up to this; where they end */
    struct rh_scan scan;                /* of the last segment */
};

#define RESTORE "Nothing was changed. Copy the directory, then start this member anew: an empty directory and a new id"

/* ---- records ---- */

static int no_memory(struct rh_words *why)
{
    return rh_fail(why, RH_E_NOMEM, "no memory to read the log");
}

static int contradicts(const struct rh_segment *g, const struct rh_record *r, const struct rh_log_state *s, struct rh_words *why)
{
    return rh_fail(why, RH_E_DAMAGED, "log-%010llu, offset %llu: a record of type %d (index %llu, term %llu) can't follow (index %llu, "
                   "term %llu). " RESTORE, (ull)g->number, (ull)r->place, (int)r->type, (ull)r->index, (ull)r->term, (ull)s->last,
                   (ull)s->last_term);
}

static int take_conf(struct rh_log_state *s, uint64_t index, raftcore_slice bytes)
{
    raftcore_slice copy = rh_state_copy(bytes);

    if (!copy.ptr)
        return RH_E_NOMEM;
    rh_state_conf(s, index, copy);
    return RH_OK;
}

static int take_snapshot(struct recovery *v, const struct rh_record *r)
{
    const uint8_t *p = r->data.ptr;
    struct rh_snapshot n = {.index = r->index, .term = r->term, .bytes = rh_get_u64(p), .checksum = rh_get_u32(p + 8)};
    int code = take_conf(&v->log->state, n.index, (raftcore_slice){p + RH_SNAPSHOT_DATA, r->data.len - RH_SNAPSHOT_DATA});

    if (code != RH_OK)
        return code;
    rh_state_snapshot(&v->log->state, &n, r->kind == 1);
    if (r->kind == 1)
        v->first_there = n.index + 1;
    return RH_OK;
}

static bool fits(const struct rh_record *r, const struct rh_log_state *s)
{
    switch (r->type) {
    case RH_REC_ENTRY: return r->index > 0 && r->index <= s->last + 1 && (r->index <= s->last || r->term >= s->last_term);
    case RH_REC_STATE: return r->data.len >= RH_STATE_DATA;
    case RH_REC_SNAPSHOT: return r->data.len >= RH_SNAPSHOT_DATA;
    case RH_REC_BASE: return r->data.len >= RH_BASE_DATA;
    case RH_REC_CONF: case RH_REC_BEFORE: return true;
    }
    return false;
}

/* Does to the state what append once did. `g` is the segment in which the record stands, now. */
static int take_record(struct recovery *v, struct rh_segment *g, const struct rh_record *r, struct rh_words *why)
{
    struct rh_log_state *s = &v->log->state;
    int code = RH_OK;

    if (!fits(r, s))
        return contradicts(g, r, s, why);
    if (rh_state_reserve(s, g, 1, 1, 1) != RH_OK)
        return no_memory(why);
    switch (r->type) {
    case RH_REC_ENTRY:
        v->first_there = r->index < v->first_there ? r->index : v->first_there;
        rh_state_entry(s, g, r->index, r->term, r->place);
        break;
    case RH_REC_STATE:
        s->term = r->term;
        s->vote = rh_get_u64(r->data.ptr);
        s->commit = rh_get_u64(r->data.ptr + 8);
        break;
    case RH_REC_SNAPSHOT: code = take_snapshot(v, r); break;
    case RH_REC_CONF: code = take_conf(s, r->index, r->data); break;
    case RH_REC_BEFORE: rh_state_before(s, r->index, r->term); break;
    case RH_REC_BASE: break;
    }
    return code == RH_E_NOMEM ? no_memory(why) : code;
}

static int take_batch(struct recovery *v, struct rh_segment *g, const struct rh_scan *scan, const struct rh_batch_view *batch,
                      struct rh_words *why)
{
    struct rh_record r;
    size_t at = 0;
    int code = RH_OK;

    while (code == RH_OK && rh_batch_record(scan, batch, &at, &r))
        code = take_record(v, g, &r, why);
    g->end = g->tail = g->written = batch->place + RH_BATCH_HEAD + batch->head.bytes;
    return code;
}

/* ---- the chain ---- */

static int read_bases(struct recovery *v, struct rh_words *why)
{
    for (v->chain = v->count - 1; v->chain > 0 && v->numbers[v->chain - 1] + 1 == v->numbers[v->chain];)
        v->chain--;
    v->bases = calloc(v->count, sizeof *v->bases);
    if (!v->bases)
        return no_memory(why);
    for (size_t i = v->chain; i < v->count; i++) {
        struct rh_scan scan;
        int code = rh_scan_open(&scan, v->log->dir, v->numbers[i], why);
        if (code == RH_OK)
            code = rh_scan_base(&scan, v->log->dir, v->numbers[i], &v->bases[i], why);
        rh_scan_close(&scan);
        if (code != RH_OK)
            return code;
    }
    return RH_OK;
}

static struct rh_segment *add_segment(struct recovery *v, size_t i)
{
    struct rh_log_state *s = &v->log->state;
    struct rh_segment *g = rh_segment_new(v->numbers[i], v->bases[i].size, rh_log_seed(v->log->dir->owner.disk, v->numbers[i]));

    if (!g || rh_state_reserve(s, g, 0, 0, 1) != RH_OK) {
        rh_segment_free(g);
        return NULL;
    }
    rh_state_add_segment(s, g);
    return g;
}

/* What the base says must be what the segments before it said. */
static int check_base(struct recovery *v, size_t i, struct rh_words *why)
{
    struct rh_log_state *s = &v->log->state;
    const struct rh_base *base = &v->bases[i];

    if (i == v->chain) {
        s->last = base->last;
        s->last_term = base->last_term;
        v->first_there = base->last + 1;
    } else if (base->last != s->last || base->last_term != s->last_term) {
        return rh_fail(why, RH_E_DAMAGED, "log-%010llu begins behind (index %llu, term %llu), the segment before it ends at (index %llu, "
                       "term %llu). " RESTORE, (ull)v->numbers[i], (ull)base->last, (ull)base->last_term, (ull)s->last, (ull)s->last_term);
    }
    return RH_OK;
}

/* A segment that has a successor: every byte up to the end that it names was durable. */
static int read_whole(struct recovery *v, size_t i, struct rh_words *why)
{
    const struct rh_base *next = &v->bases[i + 1];
    struct rh_segment *g = add_segment(v, i);
    struct rh_batch_view batch;
    struct rh_scan scan;

    if (!g)
        return no_memory(why);
    int code = rh_scan_open(&scan, v->log->dir, v->numbers[i], why);
    if (code == RH_OK && scan.size < next->prev_end)
        code = rh_fail(why, RH_E_DAMAGED, "%s has %llu bytes, %llu were durable: it was cut. " RESTORE, scan.name, (ull)scan.size,
                       (ull)next->prev_end);
    scan.block_bytes = v->bases[i].block_bytes;
    while (code == RH_OK && scan.offset < next->prev_end) {
        code = rh_scan_batch(&scan, &batch, why);
        if (code == RH_OK)
            code = take_batch(v, g, &scan, &batch, why);
    }
    if (code == RH_NONE || (code == RH_OK && (scan.offset != next->prev_end || scan.number - 1 != next->prev_number)))
        code = rh_fail(why, RH_E_DAMAGED, "%s is damaged at offset %llu, behind index %llu: %s; good segments follow. " RESTORE, scan.name,
                       (ull)scan.offset, (ull)v->log->state.last, code == RH_NONE ? scan.trouble : "it does not end where it did");
    rh_scan_close(&scan);
    return code;
}

/* ---- the last segment ---- */

/* How far its batches are whole, and which of them were durable. */
static int measure_last(struct recovery *v, struct rh_tail *tail, struct rh_words *why)
{
    struct rh_batch_view batch;
    uint64_t synced = 0;
    int code;

    while ((code = rh_scan_batch(&v->scan, &batch, why)) == RH_OK) {
        if (batch.head.flags & RH_BATCH_BASE)
            synced = batch.head.number;         /* it got its name only when it was durable */
        synced = batch.head.synced > synced ? batch.head.synced : synced;
        v->good = batch.head.number;
        v->good_end = v->scan.offset;
    }
    if (code != RH_NONE)
        return code;
    code = rh_scan_tail(&v->scan, tail, why);
    v->proven = tail->synced > synced ? tail->synced : synced;
    return code;
}

static int check_size(const struct recovery *v, const struct rh_base *base, struct rh_words *why)
{
    if (v->scan.size == base->size)
        return RH_OK;
    return rh_fail(why, RH_E_DAMAGED, "%s has %llu bytes, it was made with %llu: it was cut, or log-%010llu is missing. " RESTORE,
                   v->scan.name, (ull)v->scan.size, (ull)base->size, (ull)base->segment + 1);
}

/* Takes the batches up to v->proven. The scan then stands behind them. */
static int take_proven(struct recovery *v, struct rh_segment *g, struct rh_words *why)
{
    struct rh_batch_view batch;
    uint64_t upto = v->proven < v->good ? v->proven : v->good;

    rh_scan_rewind(&v->scan);
    do {
        int code = rh_scan_batch(&v->scan, &batch, why);
        if (code == RH_OK)
            code = take_batch(v, g, &v->scan, &batch, why);
        if (code != RH_OK)
            return code == RH_NONE ? rh_fail(why, RH_E_IO, "%s changed while it was read", v->scan.name) : code;
    } while (batch.head.number < upto);
    v->proven_end = v->scan.offset;
    return RH_OK;
}

static int read_last(struct recovery *v, struct rh_words *why)
{
    size_t i = v->count - 1;
    struct rh_segment *g = add_segment(v, i);
    struct rh_tail tail;
    char trouble[RH_WORDS_MAX];

    if (!g)
        return no_memory(why);
    int code = rh_scan_open(&v->scan, v->log->dir, v->numbers[i], why);
    v->scan.block_bytes = v->bases[i].block_bytes;
    if (code == RH_OK)
        code = check_size(v, &v->bases[i], why);
    if (code == RH_OK)
        code = measure_last(v, &tail, why);
    memcpy(trouble, v->scan.trouble, sizeof trouble);
    if (code == RH_OK)
        code = take_proven(v, g, why);
    if (code == RH_OK && v->proven > v->good)
        code = rh_fail(why, RH_E_DAMAGED, "%s is damaged at offset %llu, behind index %llu: %s. Batch %llu was durable, as the batch at "
                       "offset %llu says. " RESTORE, v->scan.name, (ull)v->good_end, (ull)v->log->state.last, trouble,
                       (ull)v->good + 1, (ull)tail.synced_at);
    if (code == RH_OK && !tail.blank)
        snprintf(v->log->note, sizeof v->log->note, "cut off an unfinished write at offset %llu of %s: %.200s", (ull)v->good_end,
                 v->scan.name, trouble);
    return code;
}

/* ---- the whole ---- */

static int check_whole(const struct recovery *v, struct rh_words *why)
{
    const struct rh_log_state *s = &v->log->state;

    if (s->last < s->before || (s->last > s->before && v->first_there > s->before + 1))
        return rh_fail(why, RH_E_DAMAGED, "entries %llu to %llu are missing: the oldest segment that is there is log-%010llu. " RESTORE,
                       (ull)s->before + 1, (ull)v->first_there - 1, (ull)v->numbers[v->chain]);
    if (v->good < v->log->dir->owner.reached)
        return rh_fail(why, RH_E_DAMAGED, "the log ends with batch %llu, behind index %llu; it was closed when it had come to batch %llu. "
                       RESTORE, (ull)v->good, (ull)s->last, (ull)v->log->dir->owner.reached);
    if (s->commit > s->last)
        return rh_fail(why, RH_E_DAMAGED, "commit %llu is beyond the log, which ends at %llu. " RESTORE, (ull)s->commit, (ull)s->last);
    return RH_OK;
}

/* Copies a batch into the segment of this run; a mark, which has no records, is left out. */
static int copy_batch(struct recovery *v, struct rh_segment *g, const struct rh_batch_view *batch, struct rh_words *why)
{
    struct rh_record r;
    size_t at = 0;
    int code = RH_OK;

    if (batch->head.count == 0)
        return RH_OK;
    struct rh_builder b = rh_builder_open(v->log, g, 0);
    while (code == RH_OK && rh_batch_record(&v->scan, batch, &at, &r)) {
        r.place = rh_builder_add(&b, r, (raftcore_slice){0});
        code = take_record(v, g, &r, why);
    }
    rh_builder_close(&b);
    return code;
}

static int copy_promised_by_nobody(struct recovery *v, struct rh_segment *g, struct rh_words *why)
{
    struct rh_batch_view batch;
    int code = RH_OK;

    while (code == RH_OK && v->scan.offset < v->good_end) {
        code = rh_scan_batch(&v->scan, &batch, why);
        if (code == RH_OK)
            code = copy_batch(v, g, &batch, why);
        else if (code == RH_NONE)
            code = rh_fail(why, RH_E_IO, "%s changed while it was read", v->scan.name);
    }
    return code;
}

/*
 * The segment of this run, in memory. It takes the place of the last one if there is nothing in that but its base: a process that
 * crashes at every start leaves no heap of files.
 */
static int begin_run(struct recovery *v, struct rh_words *why)
{
    struct rh_log_file *log = v->log;
    struct rh_log_state *s = &log->state;
    const struct rh_base *base = &v->bases[v->count - 1];
    struct rh_segment *old = rh_state_last_segment(s);
    bool again = v->proven == base->prev_number + 1;
    uint64_t number = again ? old->number : old->number + 1;
    size_t copied = (size_t)(v->good_end - v->proven_end);
    struct rh_segment *g = rh_segment_new(number, rh_segment_size(log, copied), rh_log_seed(log->dir->owner.disk, number));

    if (!g || rh_state_reserve(s, g, 0, 0, 1) != RH_OK || rh_buffer_reserve(&log->fill, rh_base_bytes(s) + copied) != RH_OK) {
        rh_segment_free(g);
        return no_memory(why);
    }
    if (again) {
        s->n_segments--;
        rh_segment_free(old);
    }
    log->next_batch = v->proven + (again ? 0 : 1);
    log->synced_batch = log->next_batch - 1;
    rh_begin_segment(log, g, again ? base->prev_end : v->proven_end, log->next_batch - 1);
    return copy_promised_by_nobody(v, g, why);
}

/* Segments that nothing is needed of, and those that lie before the chain: a crash may bring removed files back. */
static int doom_old(struct recovery *v, struct rh_words *why)
{
    struct rh_log_state *s = &v->log->state;
    size_t gone = 0;

    for (size_t i = 0; i < v->chain; i++) {
        struct rh_segment *g = rh_segment_new(v->numbers[i], 0, 0);
        if (!g)
            return no_memory(why);
        rh_doom(v->log, g, v->log->next_batch - 1);
    }
    while (gone + 1 < s->n_segments && rh_segment_last(s->segments[gone]) == 0)
        rh_doom(v->log, s->segments[gone++], v->log->next_batch - 1);
    for (size_t i = gone; i < s->n_segments; i++)
        s->segments[i - gone] = s->segments[i];
    s->n_segments -= gone;
    return RH_OK;
}

/*
 * On a full disk: gives back the blocks behind the last segment's end, without changing its size, so that there is room for the
 * next one. Nothing in there is needed: no whole batch that counts.
 */
static void free_tail_if_full(const struct recovery *v)
{
#ifdef FALLOC_FL_PUNCH_HOLE
    struct statvfs fs;

    if (fstatvfs(v->log->dir->fd, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= 2 * v->log->options.segment_bytes)
        return;
    int fd = openat(v->log->dir->fd, v->scan.name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)v->good_end, (off_t)(v->scan.size - v->good_end)) != 0) {
        /* A file system that can't: then the disk is as full as it was. */
    }
    close(fd);
#else
    (void)v;
#endif
}

static void cut_tail(const struct recovery *v)
{
    int fd = openat(v->log->dir->fd, v->scan.name, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (ftruncate(fd, (off_t)v->proven_end) != 0) {
        /* It stays as long as it is: what is behind its end does not count any more. */
    }
    close(fd);
}

static int make_first(struct rh_log_file *log, struct rh_words *why)
{
    struct rh_segment *g = rh_segment_new(1, rh_segment_size(log, 0), rh_log_seed(log->dir->owner.disk, 1));

    if (!g || rh_state_reserve(&log->state, g, 0, 0, 1) != RH_OK || rh_buffer_reserve(&log->fill, rh_base_bytes(&log->state)) != RH_OK) {
        rh_segment_free(g);
        return no_memory(why);
    }
    log->next_batch = 1;
    rh_begin_segment(log, g, 0, 0);
    return RH_OK;
}

static int read_files(struct recovery *v, struct rh_words *why)
{
    int code = read_bases(v, why);

    for (size_t i = v->chain; code == RH_OK && i < v->count; i++) {
        code = check_base(v, i, why);
        if (code == RH_OK)
            code = i + 1 < v->count ? read_whole(v, i, why) : read_last(v, why);
    }
    return code;
}

static int go_on_from_files(struct recovery *v, struct rh_words *why)
{
    uint64_t number;
    int code = read_files(v, why);

    if (code == RH_OK)
        code = begin_run(v, why);
    if (code == RH_OK)
        code = check_whole(v, why);
    if (code != RH_OK)
        return code;
    rh_state_trim(&v->log->state);
    code = doom_old(v, why);
    free_tail_if_full(v);
    if (code == RH_OK)
        code = rh_log_sync(v->log, &number, why);
    if (code == RH_OK && rh_state_last_segment(&v->log->state)->number != v->numbers[v->count - 1])
        cut_tail(v);
    return code;
}

int rh_log_recover(struct rh_log_file *log, struct rh_words *why)
{
    struct recovery v = {.log = log, .scan.fd = -1};
    const char *kind = log->dir->owner.log;
    uint64_t number;

    if (strcmp(kind, "none") != 0 && strcmp(kind, "files") != 0)
        return rh_fail(why, RH_E_OWNER, "%s has a log of kind %s, not files", log->dir->path, kind);
    int code = rh_segments_list(log->dir, &v.numbers, &v.count, why);
    if (code == RH_OK && v.count > 0)
        code = go_on_from_files(&v, why);
    else if (code == RH_OK && strcmp(kind, "none") != 0)
        code = rh_fail(why, RH_E_DAMAGED, "%s has no segment of a log any more, and had one. " RESTORE, log->dir->path);
    else if (code == RH_OK && (code = make_first(log, why)) == RH_OK)
        code = rh_log_sync(log, &number, why);
    if (code == RH_OK)
        code = rh_dir_set_log(log->dir, "files", why);
    const struct rh_log_state *s = &log->state;
    log->fresh = s->last == 0 && s->term == 0 && s->vote == 0;
    rh_scan_close(&v.scan);
    free(v.numbers);
    free(v.bases);
    return code;
}

int rh_log_look(struct rh_log_file *log, struct rh_words *why)
{
    struct recovery v = {.log = log, .scan.fd = -1};
    int code = rh_segments_list(log->dir, &v.numbers, &v.count, why);

    if (code == RH_OK && v.count == 0)
        code = rh_fail(why, RH_NONE, "%s has no log", log->dir->path);
    if (code == RH_OK)
        code = read_files(&v, why);
    struct rh_segment *g = rh_state_last_segment(&log->state);
    struct rh_batch_view batch;
    while (code == RH_OK && v.scan.offset < v.good_end && rh_scan_batch(&v.scan, &batch, why) == RH_OK)
        code = take_batch(&v, g, &v.scan, &batch, why);
    if (code == RH_OK)
        code = check_whole(&v, why);
    if (code == RH_OK)
        rh_state_trim(&log->state);
    rh_scan_close(&v.scan);
    free(v.numbers);
    free(v.bases);
    return code;
}
