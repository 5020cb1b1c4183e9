/* log_file.c: the handle of the file log: open, close, boot, space. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "log_parts.h"

static int boot(void *self, struct rh_boot *out, struct rh_words *why)
{
    const struct rh_log_file *log = self;
    const struct rh_log_state *s = &log->state;

    (void)why;
    *out = (struct rh_boot){
        .fresh = s->last == 0 && s->term == 0 && s->vote == 0,
        .term = s->term, .vote = s->vote, .commit = s->commit,
        .before = s->before, .before_term = s->before_term, .last = s->last,
        .runs = s->runs, .n_runs = s->n_runs,
        .confs = s->confs, .n_confs = s->n_confs,
        .snapshot = s->snapshot,
    };
    memcpy(out->note, log->note, sizeof out->note);
    return RH_OK;
}

static int space(void *self, struct rh_space *out, struct rh_words *why)
{
    struct rh_log_file *log = self;
    struct statvfs fs;

    if (fstatvfs(log->dir->fd, &fs) != 0)
        return rh_fail(why, RH_E_IO, "statvfs of %s: %s", log->dir->path, strerror(errno));
    *out = (struct rh_space){.free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize};
    pthread_mutex_lock(&log->mutex);
    for (size_t i = 0; i < log->state.n_segments; i++)
        out->log_bytes += log->state.segments[i]->end;
    out->level = !log->reserve && !log->options.no_reserve ? RH_SPACE_RESERVE :
                 out->free_bytes < log->options.low_bytes ? RH_SPACE_LOW : RH_SPACE_OK;
    pthread_mutex_unlock(&log->mutex);
    return RH_OK;
}

static void free_log(struct rh_log_file *log)
{
    if (log->read_fd >= 0)
        close(log->read_fd);
    if (log->write_fd >= 0)
        close(log->write_fd);
    for (struct rh_segment *next, *g = log->doomed; g; g = next) {
        next = g->next_doomed;
        rh_segment_free(g);
    }
    rh_state_free(&log->state);
    free(log->fill.bytes);
    free(log->fill.runs);
    free(log->flight.bytes);
    free(log->flight.runs);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

static int close_log(void *self, struct rh_words *why)
{
    struct rh_log_file *log = self;
    uint64_t number;
    if (log->look) {
        free_log(log);
        return RH_OK;
    }
    int code = log->failed ? rh_log_failed(log, why) : rh_log_sync(log, &number, why);

    /* The flush of the mark pays: the next boot knows that every batch was durable. */
    if (code == RH_OK)
        code = rh_log_mark(log, why);
    if (code >= 0)
        code = rh_log_sync_mark(log, why);
    /* Best effort: on a full disk the log is as safe without. */
    if (code == RH_OK)
        (void)rh_dir_set_reached(log->dir, log->synced_batch, NULL);
    free_log(log);
    return code;
}

static const struct rh_log_ops ops = {
    .struct_size = sizeof ops,
    .boot = boot,
    .append = rh_log_append,
    .sync = rh_log_sync,
    .read = rh_log_read,
    .compact = rh_log_compact,
    .space = space,
    .close = close_log,
};

static int check_options(struct rh_log_file_options *o, struct rh_words *why)
{
    const uint64_t mib = 1024 * 1024;

    o->segment_bytes = o->segment_bytes ? o->segment_bytes : 64 * mib;
    o->keep_bytes = o->keep_bytes ? o->keep_bytes : 128 * mib;
    o->low_bytes = o->low_bytes ? o->low_bytes : 2 * o->segment_bytes;
    if (o->segment_bytes < 4096 || o->segment_bytes > 16384 * mib || o->segment_bytes % 4096 != 0)
        return rh_fail(why, RH_E_ARG, "segment_bytes is %llu: a multiple of 4096 up to 16 GiB",
                       (unsigned long long)o->segment_bytes);
    if (o->block_bytes & (o->block_bytes - 1) || o->block_bytes > 65536 || (o->block_bytes > 0 && o->block_bytes < 512))
        return rh_fail(why, RH_E_ARG, "block_bytes is %u: 0, or a power of two from 512 to 65536", o->block_bytes);
    return RH_OK;
}

static struct rh_log_file *new_log(struct rh_dir *dir)
{
    struct rh_log_file *log = calloc(1, sizeof *log);

    if (log && pthread_mutex_init(&log->mutex, NULL) != 0) {
        free(log);
        return NULL;
    }
    if (log) {
        log->dir = dir;
        log->read_fd = log->write_fd = -1;
    }
    return log;
}

static int open_as(struct rh_dir *dir, const struct rh_log_file_options *options,
                   int (*begin)(struct rh_log_file *, struct rh_words *), struct rh_log_file **out,
                   struct rh_words *why)
{
    struct rh_log_file *log = new_log(dir);

    if (!log)
        return rh_fail(why, RH_E_NOMEM, "no memory to open the log");
    log->options = options ? *options : (struct rh_log_file_options){0};
    int code = check_options(&log->options, why);
    if (code == RH_OK) {
        rh_log_find_reserve(log);
        code = begin(log, why);
    }
    if (code != RH_OK)
        free_log(log);
    else
        *out = log;
    return code;
}

int rh_log_file_open(struct rh_dir *dir, const struct rh_log_file_options *options, struct rh_log *out,
                     struct rh_words *why)
{
    struct rh_log_file *log = NULL;
    int code = open_as(dir, options, rh_log_recover, &log, why);

    if (code != RH_OK)
        return code;
    rh_log_make_reserve(log);
    *out = (struct rh_log){&ops, log};
    return RH_OK;
}

/* A handle for looking acts like a failed handle: reads work, nothing is taken. */
int rh_log_file_look(struct rh_dir *dir, struct rh_log *out, struct rh_words *why)
{
    struct rh_log_file *log = NULL;
    int code = open_as(dir, NULL, rh_log_look, &log, why);

    if (code != RH_OK)
        return code;
    log->look = log->failed = true;
    snprintf(log->cause.text, sizeof log->cause.text, "it was opened to look only");
    *out = (struct rh_log){&ops, log};
    return RH_OK;
}
