/*
 * driver_maker.c: a snapshot is made, or copied for a backup.
 *
 * A snapshot is written in steps of a turn each, from a frozen view of the database. The flush of
 * the file is a job for another thread. The snapshot is in force once the log's batch is durable.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver_parts.h"

enum { STEP_BYTES = 1024 * 1024, PIECE = 64 * 1024 };

void rh_maker_reset(struct rh_driver *d)
{
    struct rh_maker *m = &d->maker;

    free(m->conf);
    m->conf = NULL;
    m->step = RH_MAKE_IDLE;
    m->job = RH_JOB_NONE;
}

static void backup_over(struct rh_driver *d, struct rh_pending **which, int code, const char *words)
{
    struct rh_pending *p = *which;

    *which = NULL;
    if (p)
        rh_outcome(d, p, code == RH_OK ? RH_DONE : RH_NOT_COMMITTED, NULL, (raftcore_slice){0}, words);
}

static void maker_failed(struct rh_driver *d, int code, const char *words)
{
    rh_driver_say(d, RH_LOG_ERROR, "no snapshot of index %llu: %s (%s)", (ull)d->maker.what.index, words, rh_strerror(code));
    rh_maker_reset(d);
    backup_over(d, &d->maker.backup, code, words);
    for (size_t i = 0; i < RH_STREAMS; i++)
        if (d->waiting[i].peer) {
            raftcore_supply_none(d->node, d->waiting[i].id, RAFTCORE_SUPPLY_LATER);
            d->waiting[i].peer = 0;
        }
}

static uint64_t term_at(const struct rh_boot *b, uint64_t index)
{
    uint64_t term = index == b->before ? b->before_term : 0;

    for (size_t i = 0; i < b->n_runs && index > b->before && index <= b->last && b->runs[i].first <= index; i++)
        term = b->runs[i].term;
    return term;
}

/* Sets index, term and membership of the snapshot to come. */
static int describe(struct rh_driver *d, uint64_t index, struct rh_words *why)
{
    struct rh_maker *m = &d->maker;
    struct rh_boot boot;
    raftcore_slice blob;
    int code = d->log.ops->boot(d->log.self, &boot, why);

    if (code != RH_OK)
        return code;
    m->what = (struct rh_snapshot){.index = index, .term = term_at(&boot, index)};
    if (m->what.term == 0)
        return rh_fail(why, RH_E_STATE, "the log does not reach index %llu", (ull)index);
    if (index == d->applied) {
        m->conf = rh_blob_make(d, (raftcore_slice){d->conf, d->conf_len}, false, &m->conf_len);
        return m->conf ? RH_OK : rh_fail(why, RH_E_NOMEM, "no memory for a membership");
    }
    blob = rh_boot_conf(&boot, index).bytes;
    if (blob.len == 0)
        return rh_fail(why, RH_E_STATE, "the membership as of index %llu is not known any more", (ull)index);
    m->conf = malloc(blob.len);
    m->conf_len = blob.len;
    if (!m->conf)
        return rh_fail(why, RH_E_NOMEM, "no memory for a membership");
    memcpy(m->conf, blob.ptr, blob.len);
    return RH_OK;
}

static void make_begin(struct rh_driver *d)
{
    struct rh_maker *m = &d->maker;
    struct rh_words why = {"the database gave no view"};
    uint64_t index = d->applied;
    raftcore_slice conf = {0}, book = {0};
    bool forced;

    m->wanted = false;
    m->what = (struct rh_snapshot){.index = index};
    int code = d->db.snapshot_open(d->db.self, &m->view, &index, &why);
    if (code == RH_NONE) {              /* the view is being made: asked again at the next turn */
        m->wanted = true;
        return;
    }
    if (code < 0) {
        maker_failed(d, RH_E_DATABASE, why.text);
        return;
    }
    code = index <= d->applied ? describe(d, index, &why)
                                   : rh_fail(&why, RH_E_DATABASE, "the view is of index %llu, applied is %llu",
                                             (ull)index, (ull)d->applied);
    if (code == RH_OK && rh_blob_open((raftcore_slice){m->conf, m->conf_len}, &conf, &book, &forced))
        code = rh_snapshot_create(d->dir, index, m->what.term, conf, book, 0, &m->writer, &why);
    if (code != RH_OK) {
        d->db.snapshot_close(d->db.self, m->view);
        maker_failed(d, code, why.text);
        return;
    }
    m->step = RH_MAKE_WRITE;
    d->again = true;
}

void rh_make_snapshot(struct rh_driver *d)
{
    d->maker.wanted = true;
    d->again = true;
}

/* A leader has confirmed that this member has every write acknowledged before the request. */
void rh_begin_backup(struct rh_driver *d, struct rh_pending *p)
{
    if (d->maker.backup || d->maker.copying) {
        rh_refuse(d, p, RH_WIRE_R_BUSY, "another backup is under way");
        return;
    }
    p->deadline = UINT64_MAX;           /* the state may be large */
    p->least = d->given;                /* as of now: later writes may go on for ever */
    d->maker.backup = p;
    rh_make_snapshot(d);
}

static void start_job(struct rh_driver *d, enum rh_making step, enum rh_job job)
{
    pthread_mutex_lock(&d->mutex);
    d->maker.step = step;
    d->maker.job = job;
    pthread_mutex_unlock(&d->mutex);
    d->workers.job(d->workers.self);
}

static void make_write(struct rh_driver *d)
{
    struct rh_maker *m = &d->maker;
    uint8_t *buf = malloc(PIECE);
    struct rh_words why = {""};
    size_t got = 1;
    int code = buf ? RH_OK : RH_E_NOMEM;

    for (size_t done = 0; code == RH_OK && got > 0 && done < STEP_BYTES; done += got) {
        got = 0;
        code = d->db.snapshot_read(d->db.self, m->view, buf, PIECE, &got, &why) < 0 ? RH_E_DATABASE : RH_OK;
        if (code == RH_OK && got > 0)
            code = rh_snapshot_write(m->writer, buf, got, &why);
    }
    free(buf);
    d->again = true;
    if (code == RH_OK && got > 0)
        return;                         /* more at the next turn */
    d->db.snapshot_close(d->db.self, m->view);
    m->view = NULL;
    if (code == RH_OK) {
        start_job(d, RH_MAKE_FINISH, RH_JOB_FINISH);
        return;
    }
    rh_snapshot_cancel(m->writer);
    m->writer = NULL;
    maker_failed(d, code, why.text);
}

/* ---- on a worker's thread ---- */

static int copy_bytes(struct rh_snapshot_reader *r, int fd, const char *path, struct rh_words *why)
{
    const uint64_t bytes = rh_snapshot_get_info(r)->bytes;
    uint8_t *buf = malloc(STEP_BYTES);
    int code = buf ? RH_OK : rh_fail(why, RH_E_NOMEM, "no memory for a backup");

    for (uint64_t at = 0; code == RH_OK && at < bytes; at += STEP_BYTES) {
        size_t len = bytes - at < STEP_BYTES ? (size_t)(bytes - at) : STEP_BYTES;
        code = rh_snapshot_raw(r, at, buf, len, why);
        if (code == RH_OK)
            code = rh_write_all(fd, buf, len, at, path, why);
    }
    free(buf);
    if (code == RH_OK && fsync(fd) != 0)
        code = rh_fail(why, rh_code_of_errno(errno), "%s cannot be flushed: %s", path, strerror(errno));
    return code;
}

/* Makes the name of a file durable. */
static int sync_parent(const char *path, struct rh_words *why)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash == path ? 1 : slash ? (int)(slash - path) : 1;

    snprintf(parent, sizeof parent, "%.*s", len, slash ? path : ".");
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    int error = errno;
    if (fd >= 0)
        close(fd);
    return result == 0 ? RH_OK
                       : rh_fail(why, rh_code_of_errno(error), "%s cannot be flushed: %s", parent, strerror(error));
}

static int copy_file(const struct rh_driver *d, const struct rh_snapshot *what, const char *path, struct rh_words *why)
{
    struct rh_snapshot_reader *r;
    int code = rh_snapshot_open(d->dir, what, &r, why);

    if (code != RH_OK)
        return code == RH_NONE ? rh_fail(why, RH_E_STATE, "the snapshot was replaced meanwhile") : code;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        code = rh_fail(why, rh_code_of_errno(errno), "%s cannot be made: %s", path, strerror(errno));
    } else {
        code = copy_bytes(r, fd, path, why);
        close(fd);
        if (code == RH_OK)
            code = sync_parent(path, why);
        if (code != RH_OK)
            unlink(path);               /* a part of a backup is no backup */
    }
    rh_snapshot_close(r);
    return code;
}

void rh_driver_job(struct rh_driver *d)
{
    struct rh_maker *m = &d->maker;
    struct rh_words why = {""};
    int code = RH_OK;

    pthread_mutex_lock(&d->mutex);
    enum rh_job job = m->job;
    pthread_mutex_unlock(&d->mutex);
    if (job == RH_JOB_FINISH)
        code = rh_snapshot_finish(m->writer, &m->what, &why);
    else if (job == RH_JOB_COPY)
        code = copy_file(d, &m->what, (const char *)m->copying->data, &why);
    else
        return;
    pthread_mutex_lock(&d->mutex);
    if (job == RH_JOB_FINISH)
        m->writer = NULL;               /* freed, although the host may be closed before the next turn */
    m->job = RH_JOB_DONE;
    m->code = code;
    m->words = why;
    pthread_mutex_unlock(&d->mutex);
}

static bool job_is_done(struct rh_driver *d)
{
    pthread_mutex_lock(&d->mutex);
    bool done = d->maker.job == RH_JOB_DONE;
    pthread_mutex_unlock(&d->mutex);
    return done;
}

/* The file is durable: into the log with it, unless a peer's snapshot came meanwhile. */
static void make_log(struct rh_driver *d)
{
    struct rh_maker *m = &d->maker;
    struct rh_batch b = {.snapshot = &m->what};

    if (m->code != RH_OK) {
        maker_failed(d, m->code, m->words.text);
        return;
    }
    if (m->what.index <= d->newest.index || m->what.index < d->cut || d->loader.what.index) {
        d->clean = true;
        maker_failed(d, RH_E_STATE, "a newer snapshot came meanwhile, or the log was cut");
        return;
    }
    m->what.conf = (raftcore_slice){m->conf, m->conf_len};
    if (rh_append(d, &b, true, &m->batch) == RH_OK)
        m->step = RH_MAKE_LOG;
}

static void make_done(struct rh_driver *d)
{
    struct rh_maker *m = &d->maker;

    if (m->what.index > d->newest.index) {
        d->newest = m->what;
        d->newest.conf = (raftcore_slice){0};
        d->clean = true;
        d->n_snapshots_made++;
        rh_driver_say(d, RH_LOG_INFO, "snapshot of index %llu: %llu bytes", (ull)m->what.index, (ull)m->what.bytes);
        if (!d->db.flush)
            rh_cut_log(d, d->newest.index);
    }
    rh_maker_reset(d);
    rh_serve_waiting(d);
}

void rh_maker_turn(struct rh_driver *d)
{
    struct rh_maker *m = &d->maker;

    if (m->step == RH_MAKE_IDLE && m->backup && d->newest.bytes > 0 && d->newest.index >= m->backup->least) {
        m->copying = m->backup;
        m->backup = NULL;
        m->what = d->newest;
        m->wanted = false;
        start_job(d, RH_MAKE_COPY, RH_JOB_COPY);
    }
    if (m->step == RH_MAKE_IDLE && (m->wanted || m->backup) && d->applied > 0 && d->conf_len > 0 && !d->loader.what.index)
        make_begin(d);
    if (m->step == RH_MAKE_WRITE)
        make_write(d);
    if (m->step == RH_MAKE_FINISH && job_is_done(d))
        make_log(d);
    if (m->step == RH_MAKE_LOG && rh_durable(d, m->batch))
        make_done(d);
    if (m->step == RH_MAKE_COPY && job_is_done(d)) {
        int code = m->code;
        rh_maker_reset(d);
        backup_over(d, &m->copying, code, m->words.text);
    }
}
