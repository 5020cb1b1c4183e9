/*
 * log_boot.c: the first segment of a run.
 *
 * A run writes to a new segment, and never behind a torn end. Batches promised to nobody are copied
 * into the new segment: they may lie in the page cache alone, left by a process whose flush failed.
 * All batches of a small segment are copied, and the new segment replaces the small one.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "log_recovery.h"

typedef unsigned long long ull;

/*
 * Copies a batch into the segment of this run. A mark at the end is left out, or each start would
 * add a mark. Marks in between are copied: no batch may get a lower number than before, since
 * `reached` counts batches.
 */
static int copy_batch(struct rh_recovery *v, struct rh_segment *g, const struct rh_batch_view *batch, struct rh_words *why)
{
    struct rh_record r;
    size_t at = 0;
    int code = RH_OK;

    if (batch->head.count == 0 && batch->head.number == v->good)
        return RH_OK;
    struct rh_builder b = rh_builder_open(v->log, g, 0);
    while (code == RH_OK && rh_batch_record(&v->scan, batch, &at, &r)) {
        r.place = rh_builder_add(&b, r, (raftcore_slice){0});
        code = rh_recovery_take(v, g, &r, why);
    }
    rh_builder_close(&b);
    return code;
}

static int copy_rest(struct rh_recovery *v, struct rh_segment *g, struct rh_words *why)
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
 * Makes the segment of this run, in memory. If the rest of the last segment is all but the base, the
 * new segment replaces the last: a process that crashes at every start leaves no heap of files.
 */
static int begin_run(struct rh_recovery *v, struct rh_words *why)
{
    struct rh_log_file *log = v->log;
    struct rh_log_state *s = &log->state;
    const struct rh_base *base = &v->bases[v->count - 1];
    struct rh_segment *old = rh_state_last_segment(s);
    bool again = v->proven == base->prev_number + 1;
    uint64_t number = again ? old->number : old->number + 1;
    size_t copied = (size_t)(v->good_end - v->proven_end);
    struct rh_segment *g =
        rh_segment_new(number, rh_segment_size(log, copied), rh_log_seed(log->dir->owner.disk, number));

    if (!g || rh_state_reserve(s, g, 0, 0, 1) != RH_OK ||
        rh_buffer_reserve(&log->fill, rh_base_bytes(s) + copied) != RH_OK) {
        rh_segment_free(g);
        return rh_recovery_no_memory(why);
    }
    if (again) {
        s->n_segments--;
        rh_segment_free(old);
    }
    log->next_batch = v->proven + (again ? 0 : 1);
    log->synced_batch = log->next_batch - 1;
    rh_begin_segment(log, g, again ? base->prev_end : v->proven_end, log->next_batch - 1);
    return copy_rest(v, g, why);
}

/*
 * Hands over segments that are not needed, and leftovers before the chain: a crash may bring
 * removed files back.
 */
static int doom_old(struct rh_recovery *v, struct rh_words *why)
{
    struct rh_log_state *s = &v->log->state;
    size_t gone = 0;

    for (size_t i = 0; i < v->chain; i++) {
        struct rh_segment *g = rh_segment_new(v->numbers[i], 0, 0);
        if (!g)
            return rh_recovery_no_memory(why);
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
 * Gives back the blocks behind the last segment's end if the disk is full, to have room for the
 * next segment. The size stays, and no whole batch is lost.
 */
static void free_tail_if_full(const struct rh_recovery *v)
{
#ifdef FALLOC_FL_PUNCH_HOLE
    struct statvfs fs;

    if (fstatvfs(v->log->dir->fd, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= 2 * v->log->options.segment_bytes)
        return;
    int fd = openat(v->log->dir->fd, v->scan.name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)v->good_end,
                  (off_t)(v->scan.size - v->good_end)) != 0) {
        /* A file system without this call: the disk stays as full. */
    }
    close(fd);
#else
    (void)v;
#endif
}

static void cut_tail(const struct rh_recovery *v)
{
    int fd = openat(v->log->dir->fd, v->scan.name, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (ftruncate(fd, (off_t)v->proven_end) != 0) {
        /* The file stays longer than needed, which does no harm. */
    }
    close(fd);
}

static int make_first(struct rh_log_file *log, struct rh_words *why)
{
    struct rh_segment *g = rh_segment_new(1, rh_segment_size(log, 0), rh_log_seed(log->dir->owner.disk, 1));

    if (!g || rh_state_reserve(&log->state, g, 0, 0, 1) != RH_OK ||
        rh_buffer_reserve(&log->fill, rh_base_bytes(&log->state)) != RH_OK) {
        rh_segment_free(g);
        return rh_recovery_no_memory(why);
    }
    log->next_batch = 1;
    rh_begin_segment(log, g, 0, 0);
    return RH_OK;
}

static int go_on_from_files(struct rh_recovery *v, struct rh_words *why)
{
    uint64_t number;
    int code = rh_recovery_read(v, why);

    if (code == RH_OK)
        code = begin_run(v, why);
    if (code == RH_OK)
        code = rh_recovery_check(v, why);
    if (code != RH_OK)
        return code;
    rh_state_trim(&v->log->state);
    code = doom_old(v, why);
    free_tail_if_full(v);
    if (code == RH_OK)
        code = rh_log_sync(v->log, &number, why);
    if (code == RH_OK && rh_state_last_segment(&v->log->state)->number != v->numbers[v->count - 1])
        cut_tail(v);
    else if (code == RH_OK)             /* batches that were durable are copies now: the mark vouches for them */
        code = rh_log_mark(v->log, why);
    return code;
}

int rh_log_recover(struct rh_log_file *log, struct rh_words *why)
{
    struct rh_recovery v = {.log = log, .scan.fd = -1};
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
    rh_scan_close(&v.scan);
    free(v.numbers);
    free(v.bases);
    return code;
}

int rh_log_look(struct rh_log_file *log, struct rh_words *why)
{
    struct rh_recovery v = {.log = log, .scan.fd = -1};
    int code = rh_segments_list(log->dir, &v.numbers, &v.count, why);

    if (code == RH_OK && v.count == 0)
        code = rh_fail(why, RH_NONE, "%s has no log", log->dir->path);
    if (code == RH_OK)
        code = rh_recovery_read(&v, why);
    struct rh_segment *g = rh_state_last_segment(&log->state);
    struct rh_batch_view batch;
    while (code == RH_OK && v.scan.offset < v.good_end && rh_scan_batch(&v.scan, &batch, why) == RH_OK)
        code = rh_recovery_take_batch(&v, g, &v.scan, &batch, why);
    if (code == RH_OK)
        code = rh_recovery_check(&v, why);
    if (code == RH_OK)
        rh_state_trim(&log->state);
    rh_scan_close(&v.scan);
    free(v.numbers);
    free(v.bases);
    return code;
}
