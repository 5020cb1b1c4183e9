/*
 * log_sync.c: the buffer into files.
 *
 * A sync is one write and one fdatasync for the batches appended since the last sync. A new segment
 * is written under a temporary name, synced, and then renamed. So a segment always has a base, and
 * the segment before is durable.
 *
 * A failure here is final. The kernel may drop the pages of a failed flush and report success at
 * the next flush, so the content of the disk is unknown. The next boot finds out (log_boot.c).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_parts.h"

enum {
    KEEP_BUFFER = 4 * 1024 * 1024,      /* a larger buffer is freed when empty */
    ZEROS_AHEAD = 1024 * 1024,
    LARGE_SYNC = 64 * 1024,
};

typedef unsigned long long ull;

static int fail_call(struct rh_words *why, const char *call, const char *name)
{
    int error = errno;

    return rh_fail(why, rh_code_of_errno(error), "%s of %s: %s", call, name, strerror(error));
}

/* ---- files ---- */

/* Allocates the blocks of a file, so that no write or flush has to. */
static int allocate(int fd, uint64_t size, const char *name, struct rh_words *why)
{
    int error;

    do
        error = posix_fallocate(fd, 0, (off_t)size);
    while (error == EINTR);
    if (error == EOPNOTSUPP || error == EINVAL) {       /* neither the file system nor the C library can */
        static const uint8_t zeros[4096];
        for (uint64_t at = 0; at < size; at += sizeof zeros) {
            size_t len = size - at < sizeof zeros ? (size_t)(size - at) : sizeof zeros;
            int code = rh_write_all(fd, zeros, len, at, name, why);
            if (code != RH_OK)
                return code;
        }
        return RH_OK;
    }
    if (error != 0)
        return rh_fail(why, rh_code_of_errno(error), "posix_fallocate of %llu bytes for %s: %s", (ull)size, name,
                       strerror(error));
    return RH_OK;
}

static int make_file(struct rh_log_file *log, const char *name, uint64_t size, int *fd, struct rh_words *why)
{
    *fd = openat(log->dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (*fd < 0)
        return fail_call(why, "open", name);
    int code = allocate(*fd, size, name, why);
    if (code != RH_OK) {
        close(*fd);
        *fd = -1;
        unlinkat(log->dir->fd, name, 0);
    }
    return code;
}

/* Makes a segment of the reserve. The file holds zeros: nothing was ever written there. */
static int take_reserve(const struct rh_log_file *log, const char *name, int *fd, struct rh_words *why)
{
    if (renameat(log->dir->fd, "reserve", log->dir->fd, name) != 0)
        return fail_call(why, "rename", "reserve");
    *fd = openat(log->dir->fd, name, O_WRONLY | O_CLOEXEC);
    return *fd >= 0 ? RH_OK : fail_call(why, "open", name);
}

/*
 * Takes the reserve of an earlier run. Giving the space back first could lose the space to other
 * programs.
 */
void rh_log_find_reserve(struct rh_log_file *log)
{
    uint64_t size = log->options.segment_bytes;
    struct stat st;

    log->reserve = fstatat(log->dir->fd, "reserve", &st, 0) == 0 && (uint64_t)st.st_size == size &&
                   (uint64_t)st.st_blocks * 512 >= size;
}

static bool allocate_reserve(const struct rh_log_file *log)
{
    int fd = openat(log->dir->fd, "reserve", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0)
        return false;
    bool there = allocate(fd, log->options.segment_bytes, "reserve", NULL) == RH_OK;
    close(fd);
    if (!there)
        unlinkat(log->dir->fd, "reserve", 0);
    return there;
}

void rh_log_make_reserve(struct rh_log_file *log)
{
    pthread_mutex_lock(&log->mutex);
    bool wanted = !log->reserve && !log->options.no_reserve;
    pthread_mutex_unlock(&log->mutex);
    if (!wanted)
        return;
    bool there = allocate_reserve(log);
    pthread_mutex_lock(&log->mutex);
    log->reserve = there;
    pthread_mutex_unlock(&log->mutex);
}

static void temporary_name(const struct rh_segment *g, char to[40])
{
    char name[32];

    rh_segment_name(g->number, name);
    snprintf(to, 40, "%s.tmp", name);
}

/*
 * Opens a file for a new segment, which gets a name in end_change. The new base vouches for the
 * segment before. So that segment must be durable first, up to the last mark.
 */
static int begin_change(struct rh_log_file *log, const struct rh_segment *g, int *fd, struct rh_words *why)
{
    char name[40];

    *fd = -1;
    temporary_name(g, name);
    if (log->write_dirty && fdatasync(log->write_fd) != 0)
        return fail_call(why, "fdatasync before", name);
    log->write_dirty = false;
    int code = make_file(log, name, g->size, fd, why);
    pthread_mutex_lock(&log->mutex);
    bool on_reserve = code == RH_E_SPACE && log->reserve && g->size == log->options.segment_bytes;
    log->reserve = log->reserve && !on_reserve;
    pthread_mutex_unlock(&log->mutex);
    return on_reserve ? take_reserve(log, name, fd, why) : code;
}

/*
 * Renames a synced segment, then cuts the segment before at its end. The cut must come after the
 * durable name: a last segment shorter than at its creation tells the boot that a successor is
 * missing.
 */
static int end_change(struct rh_log_file *log, const struct rh_segment *g, int fd, struct rh_words *why)
{
    char from[40], name[32];

    temporary_name(g, from);
    rh_segment_name(g->number, name);
    if (renameat(log->dir->fd, from, log->dir->fd, name) != 0)
        return fail_call(why, "rename", from);
    int code = rh_dir_sync(log->dir, why);
    if (code != RH_OK)
        return code;
    if (log->write_fd >= 0) {
        if (ftruncate(log->write_fd, (off_t)log->write_end) != 0) {
            /* The file stays longer than needed, which does no harm. */
        }
        close(log->write_fd);
    }
    log->write_fd = fd;
    log->write_segment = g->number;
    return RH_OK;
}

/* ---- one flight ---- */

static int write_runs(const struct rh_buffer *b, int fd, const struct rh_run *runs, size_t count, struct rh_words *why)
{
    char name[32];

    rh_segment_name(runs->segment->number, name);
    for (size_t i = 0; i < count; i++) {
        int code = rh_write_all(fd, b->bytes + runs[i].at, runs[i].len, runs[i].offset, name, why);
        if (code != RH_OK)
            return code;
    }
    return RH_OK;
}

/*
 * Writes zeros behind the end, a megabyte at a time. The first flush of preallocated blocks
 * changes records of the file system, and needs a second flush of the disk. With zeros ahead, syncs
 * pay for the change once a megabyte. Large syncs need no zeros: their own blocks carry the cost.
 */
static int write_zeros(struct rh_log_file *log, int fd, const struct rh_segment *g, uint64_t end, struct rh_words *why)
{
    static const uint8_t zeros[65536];
    uint64_t to = end + ZEROS_AHEAD < g->size ? end + ZEROS_AHEAD : g->size;
    char name[32];

    if (end <= log->zeroed)
        return RH_OK;
    log->zeroed = end;
    if (log->flight.len >= LARGE_SYNC)
        return RH_OK;
    rh_segment_name(g->number, name);
    while (log->zeroed < to) {
        size_t len = to - log->zeroed < sizeof zeros ? (size_t)(to - log->zeroed) : sizeof zeros;
        int code = rh_write_all(fd, zeros, len, log->zeroed, name, why);
        if (code != RH_OK)
            return code;
        log->zeroed += len;
    }
    return RH_OK;
}

static int flush(int fd, const struct rh_segment *g, bool is_new, struct rh_words *why)
{
    char name[32];

    /* A new file's size and blocks must be durable, too. In an old file both are unchanged. */
    if ((is_new ? fsync(fd) : fdatasync(fd)) == 0)
        return RH_OK;
    rh_segment_name(g->number, name);
    return fail_call(why, is_new ? "fsync" : "fdatasync", name);
}

/*
 * Writes the runs of a segment, and syncs the file if `durably`. The bytes can then be read from
 * there.
 */
static int write_segment(struct rh_log_file *log, const struct rh_run *runs, size_t count, bool durably,
                         struct rh_words *why)
{
    struct rh_segment *g = runs->segment;
    bool is_new = log->write_fd < 0 || log->write_segment != g->number;
    uint64_t end = runs[count - 1].offset + runs[count - 1].len;
    int fd = log->write_fd, code = is_new ? begin_change(log, g, &fd, why) : RH_OK;

    if (is_new)
        log->zeroed = 0;
    if (code == RH_OK)
        code = write_runs(&log->flight, fd, runs, count, why);
    if (code == RH_OK && durably)
        code = write_zeros(log, fd, g, end, why);
    if (code == RH_OK && durably)
        code = flush(fd, g, is_new, why);
    if (code == RH_OK && is_new)
        code = end_change(log, g, fd, why);
    if (code != RH_OK) {
        if (fd >= 0 && fd != log->write_fd)
            close(fd);
        return code;
    }
    log->write_end = end;
    log->write_dirty = !durably;
    pthread_mutex_lock(&log->mutex);
    g->written = log->write_end;
    pthread_mutex_unlock(&log->mutex);
    return RH_OK;
}

static int write_flight(struct rh_log_file *log, bool durably, struct rh_words *why)
{
    const struct rh_buffer *b = &log->flight;

    for (size_t i = 0; i < b->n_runs;) {
        size_t next = i + 1;
        while (next < b->n_runs && b->runs[next].segment == b->runs[i].segment)
            next++;
        int code = write_segment(log, b->runs + i, next - i, durably, why);
        if (code != RH_OK)
            return code;
        i = next;
    }
    return RH_OK;
}

/*
 * Forgets the runs of the flight, whose segments may be freed soon. The bytes are in files now.
 * Needs the mutex.
 */
static void land(struct rh_log_file *log)
{
    log->flight.len = log->flight.n_runs = 0;
}

/* Swaps the buffers. The loop thread goes on with the empty buffer. Needs the mutex. */
static void take_off(struct rh_log_file *log)
{
    struct rh_segment *last = rh_state_last_segment(&log->state);
    struct rh_buffer filled = log->fill;

    log->fill = log->flight;
    log->flight = filled;
    if (log->fill.cap > KEEP_BUFFER) {
        free(log->fill.bytes);
        log->fill.bytes = NULL;
        log->fill.cap = 0;
    }
    last->tail = rh_place_of_next_sync(log, last->tail);
}

int rh_log_failed(const struct rh_log_file *log, struct rh_words *why)
{
    return rh_fail(why, RH_E_FAILED, "the log takes nothing more, boot again from the disk: %s", log->cause.text);
}

static int fail_for_good(struct rh_log_file *log, int code, const struct rh_words *cause, struct rh_words *why)
{
    pthread_mutex_lock(&log->mutex);
    if (!log->failed)
        log->cause = *cause;
    log->failed = true;
    pthread_mutex_unlock(&log->mutex);
    return rh_fail(why, code, "%s", cause->text);
}

/* ---- segments that are no longer needed ---- */

void rh_doom(struct rh_log_file *log, struct rh_segment *g, uint64_t batch)
{
    if (log->read_fd >= 0 && log->read_segment == g->number) {
        close(log->read_fd);            /* an open file would hold the space */
        log->read_fd = -1;
    }
    g->doomed_by = batch;
    g->next_doomed = log->doomed;
    log->doomed = g;
}

/* Takes the segments from the list that a durable batch has made superfluous. Needs the mutex. */
static struct rh_segment *take_doomed(struct rh_log_file *log)
{
    struct rh_segment *taken = NULL, **link = &log->doomed;

    while (*link) {
        struct rh_segment *g = *link;
        if (g->doomed_by <= log->synced_batch) {
            *link = g->next_doomed;
            g->next_doomed = taken;
            taken = g;
        } else {
            link = &g->next_doomed;
        }
    }
    return taken;
}

static void remove_segments(struct rh_log_file *log, struct rh_segment *g)
{
    char name[32];

    for (struct rh_segment *next; g; g = next) {
        next = g->next_doomed;
        rh_segment_name(g->number, name);
        unlinkat(log->dir->fd, name, 0);        /* the next boot removes a file that stays */
        rh_segment_free(g);
    }
}

/* ---- sync ---- */

static int sync_flight(struct rh_log_file *log, uint64_t batch, uint64_t number, struct rh_words *why)
{
    struct rh_words cause;
    int code = write_flight(log, true, &cause);

    if (code != RH_OK)
        return fail_for_good(log, code, &cause, why);
    pthread_mutex_lock(&log->mutex);
    land(log);
    log->synced_batch = batch;
    log->synced_number = number;
    struct rh_segment *doomed = take_doomed(log);
    pthread_mutex_unlock(&log->mutex);
    remove_segments(log, doomed);
    return RH_OK;
}

static bool mark_takes_off(struct rh_log_file *log)
{
    pthread_mutex_lock(&log->mutex);
    bool possible = !log->failed && !log->marked && log->fill.len == 0 &&
                    rh_buffer_reserve(&log->fill, RH_BATCH_HEAD) == RH_OK;
    if (possible) {
        struct rh_builder b = rh_builder_open(log, rh_state_last_segment(&log->state), 0);
        rh_builder_close(&b);
        log->marked = true;
        take_off(log);
    }
    pthread_mutex_unlock(&log->mutex);
    return possible;
}

int rh_log_mark(struct rh_log_file *log, struct rh_words *why)
{
    struct rh_words cause;

    if (!mark_takes_off(log))
        return RH_OK;
    int code = write_flight(log, false, &cause);
    if (code != RH_OK)
        return fail_for_good(log, code, &cause, why);
    pthread_mutex_lock(&log->mutex);
    land(log);
    pthread_mutex_unlock(&log->mutex);
    return RH_OK;
}

int rh_log_sync_mark(struct rh_log_file *log, struct rh_words *why)
{
    struct rh_words cause;

    if (!log->write_dirty || fdatasync(log->write_fd) == 0)
        return RH_OK;
    fail_call(&cause, "fdatasync", "the last mark");
    return fail_for_good(log, RH_E_IO, &cause, why);
}

int rh_log_sync(void *self, uint64_t *number, struct rh_words *why)
{
    struct rh_log_file *log = self;

    pthread_mutex_lock(&log->mutex);
    if (log->failed) {
        int code = rh_log_failed(log, why);
        pthread_mutex_unlock(&log->mutex);
        return code;
    }
    bool idle = log->fill.len == 0;
    uint64_t batch = log->next_batch - 1, all = log->fill_number;
    if (idle)
        log->synced_number = all;       /* empty readies */
    else
        take_off(log);
    *number = log->synced_number;
    pthread_mutex_unlock(&log->mutex);

    if (idle) {
        rh_log_make_reserve(log);
        int code = rh_log_mark(log, why);
        return code == RH_OK ? RH_NONE : code;
    }
    int code = sync_flight(log, batch, all, why);
    if (code == RH_OK)
        *number = all;
    return code;
}
