/*
 * driver_snapshots.c: snapshots made, sent and installed; the log cut behind them.
 *
 * A snapshot is written in steps of a turn each, from a frozen view of the database. The flush of
 * the file is a job for another thread. The snapshot is in force once the log's batch is durable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver_parts.h"

enum { STEP_BYTES = 1024 * 1024, PIECE = 64 * 1024, WAIT_US = 10 * 1000000, SPACE_US = 1000000 };

/* ---- streams to peers ---- */

static struct rh_stream *stream_to(struct rh_driver *d, uint64_t to)
{
    for (size_t i = 0; i < RH_STREAMS; i++)
        if (d->streams[i].to == to)
            return &d->streams[i];
    return NULL;
}

static void stream_end(struct rh_stream *s)
{
    free(s->msg);
    *s = (struct rh_stream){0};
}

static void report(struct rh_driver *d, uint64_t to, uint32_t how)
{
    if (d->node)
        raftcore_report_snapshot(d->node, to, how);     /* E_NO_PEER: removed meanwhile */
    d->again = true;
}

/* Supplies the newest snapshot. RAFTCORE_E_ARG: the peer needs a newer one. */
static raftcore_code supply_newest(struct rh_driver *d, uint64_t peer, uint64_t id)
{
    struct rh_boot boot;
    raftcore_conf conf = {.struct_size = sizeof conf};
    raftcore_slice book;
    bool forced;
    struct rh_stream *old = stream_to(d, peer), *s = old ? old : stream_to(d, 0);

    if (d->newest.bytes == 0)
        return RAFTCORE_E_ARG;
    if (!s)
        return RAFTCORE_E_FULL;
    if (old) {                          /* a new fetch: the core has given the old snapshot up */
        if (d->connected)
            d->net.ops->withdraw(d->net.self, peer);
        stream_end(old);
    }
    if (d->log.ops->boot(d->log.self, &boot, NULL) != RH_OK ||
        !rh_blob_open(boot.snapshot.conf, &conf.bytes, &book, &forced))
        return RAFTCORE_E_ARG;
    raftcore_code code = raftcore_supply_snapshot(d->node, id, d->newest.index, &conf, (raftcore_slice){0});
    if (code == RAFTCORE_OK)
        *s = (struct rh_stream){.to = peer, .what = d->newest, .since = d->now};
    return code;
}

static bool wait_for_snapshot(struct rh_driver *d, uint64_t peer, uint64_t id)
{
    for (size_t i = 0; i < RH_STREAMS; i++)
        if (d->waiting[i].peer == 0 || d->waiting[i].peer == peer) {
            d->waiting[i].peer = peer;
            d->waiting[i].id = id;
            return true;
        }
    return false;
}

void rh_supply_snapshot(struct rh_driver *d, const raftcore_fetch *f)
{
    raftcore_code code = supply_newest(d, f->peer, f->id);

    if (code >= 0)
        return;
    if (code == RAFTCORE_E_ARG && wait_for_snapshot(d, f->peer, f->id))
        rh_make_snapshot(d);            /* the fetch stays open: only this peer waits */
    else
        raftcore_supply_none(d->node, f->id, RAFTCORE_SUPPLY_LATER);
}

static void serve_waiting(struct rh_driver *d)
{
    for (size_t i = 0; i < RH_STREAMS; i++) {
        uint64_t peer = d->waiting[i].peer;
        if (peer == 0)
            continue;
        d->waiting[i].peer = 0;
        if (supply_newest(d, peer, d->waiting[i].id) < 0)
            raftcore_supply_none(d->node, d->waiting[i].id, RAFTCORE_SUPPLY_LATER);
        d->again = true;
    }
}

void rh_send_snapshot(struct rh_driver *d, const raftcore_msg *m)
{
    struct rh_stream *s = stream_to(d, m->to);

    if (s && s->what.index == m->index && d->connected && (s->msg = malloc(m->frame_bytes)) &&
        raftcore_flatten(m, s->msg, m->frame_bytes, &s->len) == RAFTCORE_OK &&
        d->net.ops->offer(d->net.self, m->to, &s->what) == RH_OK) {
        rh_driver_say(d, RH_LOG_INFO, "node %llu is sent the snapshot of index %llu", (ull)m->to, (ull)m->index);
        return;
    }
    if (s)
        stream_end(s);
    report(d, m->to, RAFTCORE_SNAPSHOT_FAILED);
}

void rh_sending(struct rh_driver *d, uint64_t to, enum rh_net_sending how, uint16_t code, const char *words)
{
    struct rh_stream *s = stream_to(d, to);

    if (!s)
        return;
    if (how == RH_NET_UNDER_WAY) {
        report(d, to, RAFTCORE_SNAPSHOT_UNDER_WAY);
        return;
    }
    if (how == RH_NET_STORED) {
        const raftcore_slice frame = {s->msg, s->len};
        how = d->net.ops->send(d->net.self, to, &frame, 1) == RH_OK ? RH_NET_STORED : RH_NET_FAILED;
        words = "the connection is busy";
    }
    if (how == RH_NET_STORED)           /* later appends travel behind the message */
        report(d, to, RAFTCORE_SNAPSHOT_ARRIVED);
    else {
        rh_driver_say(d, RH_LOG_WARNING, "the snapshot of index %llu to node %llu failed: %s (%u)", (ull)s->what.index,
               (ull)to, words, code);
        report(d, to, RAFTCORE_SNAPSHOT_FAILED);
    }
    stream_end(s);
}

/* ---- cutting the log ---- */

static void cut_log(struct rh_driver *d, uint64_t upto)
{
    uint64_t hold = UINT64_MAX, before = 0;
    struct rh_words why = {""};
    struct rh_space space;

    for (size_t i = 0; i < RH_STREAMS; i++)     /* a peer needs the entries behind its snapshot */
        if (d->streams[i].to && d->streams[i].what.index < hold)
            hold = d->streams[i].what.index;
    if (d->maker.step != RH_MAKE_IDLE && d->maker.what.index < hold)
        hold = d->maker.what.index;
    if (d->space.log_bytes > 8 * (d->o.keep_bytes + d->o.compaction_bytes))
        hold = UINT64_MAX;              /* not for ever: such a peer gets another snapshot */
    int code = d->log.ops->compact(d->log.self, upto, hold, &before, &why);
    if (code < 0 && code != RH_E_NOMEM) {
        rh_driver_fail(d, code, "the log cannot be cut: %s", why.text);
        return;
    }
    d->cut = before;
    if (before > 1)
        raftcore_compacted(d->node, before);    /* E_STALE: known already */
    if (d->log.ops->space(d->log.self, &space, NULL) == RH_OK)
        d->space.log_bytes = space.log_bytes;
    d->cut_at = d->space.log_bytes + d->o.compaction_bytes;
    d->workers.flush(d->workers.self);
}

/* A database on disk needs no snapshot for it. One in memory gets a snapshot file first. */
static void cut_if_long(struct rh_driver *d)
{
    struct rh_words why = {""};

    if (d->space.log_bytes < d->cut_at)
        return;
    if (!d->db.flush) {
        d->cut_at = d->space.log_bytes + d->o.compaction_bytes / 4;     /* if this snapshot fails: another then */
        if (d->given > d->newest.index)
            rh_make_snapshot(d);
        return;
    }
    if (d->db.flush(d->db.self, d->given, &why) < 0)
        rh_driver_fail(d, RH_E_DATABASE, "the database cannot be flushed: %s", why.text);
    else
        cut_log(d, d->given);
}

/* ---- making a snapshot ---- */

static void maker_reset(struct rh_driver *d)
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
    maker_reset(d);
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
    if (d->db.snapshot_open(d->db.self, &m->view, &index, &why) < 0) {
        maker_failed(d, RH_E_DATABASE, why.text);
        return;
    }
    int code = index <= d->applied ? describe(d, index, &why)
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

/* Flushes a file, or copies one for a backup. On a worker's thread. */
static int copy_file(const struct rh_driver *d, const struct rh_snapshot *what, const char *path, struct rh_words *why)
{
    struct rh_snapshot_reader *r;
    int code = rh_snapshot_open(d->dir, what, &r, why);

    if (code != RH_OK)
        return code == RH_NONE ? rh_fail(why, RH_E_STATE, "the snapshot was replaced meanwhile") : code;
    uint8_t *buf = malloc(STEP_BYTES);
    int fd = buf ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        code = rh_fail(why, RH_E_IO, "%s cannot be made: %s", path, strerror(errno));
    for (uint64_t at = 0; code == RH_OK && at < what->bytes; at += STEP_BYTES) {
        size_t len = what->bytes - at < STEP_BYTES ? (size_t)(what->bytes - at) : STEP_BYTES;
        code = rh_snapshot_raw(r, at, buf, len, why);
        if (code == RH_OK)
            code = rh_write_all(fd, buf, len, at, path, why);
    }
    if (code == RH_OK && fsync(fd) != 0)
        code = rh_fail(why, RH_E_IO, "%s cannot be flushed: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(buf);
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

    m->writer = NULL;
    if (m->code != RH_OK) {
        maker_failed(d, m->code, m->words.text);
        return;
    }
    if (m->what.index <= d->newest.index || m->what.index < d->cut || d->loader.ready) {
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
            cut_log(d, d->newest.index);
    }
    maker_reset(d);
    serve_waiting(d);
}

static void maker_turn(struct rh_driver *d)
{
    struct rh_maker *m = &d->maker;

    if (m->step == RH_MAKE_IDLE && m->backup && d->newest.bytes > 0 && d->newest.index >= d->given) {
        m->copying = m->backup;
        m->backup = NULL;
        m->what = d->newest;
        m->wanted = false;
        start_job(d, RH_MAKE_COPY, RH_JOB_COPY);
    }
    if (m->step == RH_MAKE_IDLE && (m->wanted || m->backup) && d->applied > 0 && d->conf_len > 0 && !d->loader.ready)
        make_begin(d);
    if (m->step == RH_MAKE_WRITE)
        make_write(d);
    if (m->step == RH_MAKE_FINISH && job_is_done(d))
        make_log(d);
    if (m->step == RH_MAKE_LOG && rh_durable(d, m->batch))
        make_done(d);
    if (m->step == RH_MAKE_COPY && job_is_done(d)) {
        int code = m->code;
        maker_reset(d);
        backup_over(d, &m->copying, code, m->words.text);
    }
}

/* ---- installing a peer's ---- */

void rh_loader_begin(struct rh_driver *d, uint64_t ready)
{
    struct rh_words why = {""};
    int code = rh_snapshot_open(d->dir, &d->arrived, &d->loader.reader, &why);

    if (code == RH_OK && d->db.snapshot_load(d->db.self, RH_LOAD_BEGIN, NULL, 0, d->arrived.index, &why) < 0)
        code = RH_E_DATABASE;
    if (code != RH_OK)
        rh_driver_fail(d, code == RH_NONE ? RH_E_DAMAGED : code, "the snapshot of index %llu cannot be loaded: %s",
                       (ull)d->arrived.index, why.text);
    d->loader.ready = ready;
    d->again = true;
}

/* Loads up to `most` bytes. Returns RH_NONE once the snapshot is loaded. */
static int load_some(struct rh_driver *d, struct rh_snapshot_reader *r, uint64_t most, uint64_t index,
                     struct rh_words *why)
{
    uint8_t *buf = malloc(PIECE);
    size_t got = PIECE;
    int code = buf ? RH_OK : rh_fail(why, RH_E_NOMEM, "no memory");

    for (uint64_t done = 0; code == RH_OK && got == PIECE && done < most; done += got) {
        code = rh_snapshot_read(r, buf, PIECE, &got, why);
        if (code == RH_OK && got > 0 && d->db.snapshot_load(d->db.self, RH_LOAD_DATA, buf, got, index, why) < 0)
            code = RH_E_DATABASE;
    }
    free(buf);
    if (code < 0) {
        struct rh_words ignored;
        d->db.snapshot_load(d->db.self, RH_LOAD_ABORT, NULL, 0, index, &ignored);
        return code;
    }
    if (got == PIECE)
        return RH_OK;
    return d->db.snapshot_load(d->db.self, RH_LOAD_COMMIT, NULL, 0, index, why) < 0 ? RH_E_DATABASE : RH_NONE;
}

int rh_load_database(struct rh_driver *d, const struct rh_snapshot *what, struct rh_words *why)
{
    struct rh_snapshot_reader *r;
    int code = rh_snapshot_open(d->dir, what, &r, why);

    if (code != RH_OK)
        return code == RH_NONE ? rh_fail(why, RH_E_DAMAGED, "the snapshot file of index %llu is missing",
                                         (ull)what->index)
                               : code;
    if (d->db.snapshot_load(d->db.self, RH_LOAD_BEGIN, NULL, 0, what->index, why) < 0)
        code = RH_E_DATABASE;
    while (code == RH_OK)
        code = load_some(d, r, UINT64_MAX, what->index, why);
    rh_snapshot_close(r);
    d->n_snapshots_loaded++;
    return code == RH_NONE ? RH_OK : code;
}

static void loader_turn(struct rh_driver *d)
{
    struct rh_words why = {""};

    if (!d->loader.ready)
        return;
    d->again = true;
    int code = load_some(d, d->loader.reader, 4 * STEP_BYTES, d->arrived.index, &why);
    if (code == RH_OK)
        return;
    rh_snapshot_close(d->loader.reader);
    d->loader = (struct rh_loader){0};
    if (code != RH_NONE) {
        rh_driver_fail(d, code, "the snapshot of index %llu cannot be loaded: %s", (ull)d->arrived.index, why.text);
        return;
    }
    rh_driver_say(d, RH_LOG_INFO, "the database has the snapshot of index %llu", (ull)d->arrived.index);
    d->applied = d->given = d->arrived.index;
    d->applied_term = d->arrived.term;
    d->newest = d->arrived;
    d->arrived = (struct rh_snapshot){0};
    d->clean = true;
    d->n_snapshots_loaded++;
}

/* ---- with each turn, with each tick ---- */

void rh_snapshots_turn(struct rh_driver *d)
{
    struct rh_words why = {""};

    loader_turn(d);
    if (!d->failed)
        maker_turn(d);
    if (d->arrived.index && d->arrived.index <= d->applied && !d->loader.ready) {
        d->arrived = (struct rh_snapshot){0};   /* the core did not want it */
        d->clean = true;
    }
    if (d->failed || !d->clean || d->arrived.index || d->loader.ready || d->maker.step != RH_MAKE_IDLE)
        return;
    d->clean = false;
    if (rh_snapshots_clean(d->dir, &d->newest, false, &why) < 0)
        rh_driver_say(d, RH_LOG_WARNING, "old snapshots cannot be removed: %s", why.text);
}

static void note_space(struct rh_driver *d, enum rh_space_level before)
{
    if (d->space.level == before)
        return;
    bool low = d->space.level != RH_SPACE_OK;
    rh_driver_say(d, low ? RH_LOG_ERROR : RH_LOG_INFO, low ? "only %llu bytes are free on the disk: no writes are taken"
                                                    : "%llu bytes are free on the disk: writes are taken again",
           (ull)d->space.free_bytes);
    if (raftcore_set_priority(d->node, low ? -1 : 0) < 0)
        rh_driver_say(d, RH_LOG_WARNING, "the core refuses a priority");
    d->handed_over = false;
    if (low)
        d->cut_at = 1;
}

void rh_snapshots_tick(struct rh_driver *d)
{
    enum rh_space_level before = d->space.level;
    struct rh_words why = {""};

    for (size_t i = 0; i < RH_STREAMS; i++)     /* supplied, and the core never sent the message */
        if (d->streams[i].to && !d->streams[i].msg && d->now - d->streams[i].since > WAIT_US)
            stream_end(&d->streams[i]);
    if (d->now - d->checked < SPACE_US && d->checked)
        return;
    d->checked = d->now;
    if (d->log.ops->space(d->log.self, &d->space, &why) < 0) {
        rh_driver_say(d, RH_LOG_WARNING, "the disk's space is not known: %s", why.text);
        return;
    }
    note_space(d, before);
    if (d->space.level != RH_SPACE_OK && d->role == RAFTCORE_ROLE_LEADER && !d->handed_over) {
        char detail[256];
        raftcore_code code = rh_hand_over(d, 0);
        d->handed_over = code >= 0;     /* once: the next leader's disk may be full, too */
        raftcore_error_detail(d->node, detail, sizeof detail);
        if (code < 0)
            rh_driver_say(d, RH_LOG_INFO, "nobody can take over: %s: %s", raftcore_strerror(code), detail);
    }
    if (d->cut_at == 0)
        d->cut_at = d->space.log_bytes + d->o.compaction_bytes;
    cut_if_long(d);
}

void rh_free_snapshots(struct rh_driver *d)
{
    struct rh_maker *m = &d->maker;

    if (m->step == RH_MAKE_WRITE)
        d->db.snapshot_close(d->db.self, m->view);
    if (m->writer)
        rh_snapshot_cancel(m->writer);
    if (d->loader.reader) {
        struct rh_words ignored;
        d->db.snapshot_load(d->db.self, RH_LOAD_ABORT, NULL, 0, d->arrived.index, &ignored);
        rh_snapshot_close(d->loader.reader);
    }
    for (size_t i = 0; i < RH_STREAMS; i++)
        stream_end(&d->streams[i]);
    maker_reset(d);
}
