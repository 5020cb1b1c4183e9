/*
 * driver_snapshots.c: snapshots sent and installed; the log cut behind them; the disk's space.
 */
#include <stdlib.h>
#include <string.h>

#include "driver_parts.h"

enum { SILENT = 10, STEP_BYTES = 1024 * 1024, PIECE = 64 * 1024, WAIT_US = 10 * 1000000, SPACE_US = 1000000 };

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

void rh_serve_waiting(struct rh_driver *d)
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

/*
 * Returns the last entry that no live peer needs any more. A peer that loads a snapshot, or follows behind, would need
 * another snapshot otherwise, and perhaps for ever. A peer whose next entry is gone does not count, nor does a peer that
 * was silent for long: a busy peer may be silent for a few election timeouts.
 */
static uint64_t needed_by_peers(struct rh_driver *d)
{
    raftcore_peer peers[256];
    uint64_t hold = UINT64_MAX;
    size_t n = 0;

    if (d->role != RAFTCORE_ROLE_LEADER || raftcore_get_peers(d->node, peers, 256, &n) != RAFTCORE_OK)
        return hold;
    for (size_t i = 0; i < n && i < 256; i++) {
        const raftcore_peer *p = &peers[i];
        uint64_t has = p->flow == RAFTCORE_FLOW_SNAPSHOT ? p->pending_snapshot
                       : p->flow == RAFTCORE_FLOW_PROBE  ? p->next_index - 1
                                                         : p->match_index;
        if (p->id != d->o.id && p->silent_ticks < SILENT * d->o.election_ticks && has >= d->cut && has < hold)
            hold = has;
    }
    return hold;
}

void rh_cut_log(struct rh_driver *d, uint64_t upto)
{
    uint64_t hold = needed_by_peers(d), before = 0;
    struct rh_words why = {""};
    struct rh_space space;

    for (size_t i = 0; i < RH_STREAMS; i++)     /* a peer needs the entries behind its snapshot */
        if (d->streams[i].to && d->streams[i].what.index < hold)
            hold = d->streams[i].what.index;
    if (d->maker.step != RH_MAKE_IDLE && d->maker.what.index < hold)
        hold = d->maker.what.index;
    if (d->space.log_bytes > 8 * (d->o.keep_bytes + d->o.compaction_bytes))
        hold = UINT64_MAX;              /* the peer will get another snapshot */
    if (upto > d->commit)               /* after a start a durable database may have more than the log knows to be committed */
        upto = d->commit;
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

/* For a database in memory, a snapshot file comes first. */
static void cut_if_long(struct rh_driver *d)
{
    struct rh_words why = {""};

    if (d->space.log_bytes < d->cut_at)
        return;
    if (!d->db.flush) {
        if (d->applied <= d->newest.index) {
            d->checked = 0;             /* after a start the log is applied first; then the next tick looks again */
            return;
        }
        d->cut_at = d->space.log_bytes + d->o.compaction_bytes / 4;     /* if this snapshot fails: another then */
        rh_make_snapshot(d);
        return;
    }
    const uint64_t upto = d->flush_upto ? d->flush_upto : d->given;
    const int flushed = d->db.flush(d->db.self, upto, &why);
    d->flush_upto = flushed == RH_NONE ? upto : 0;
    if (flushed < 0)                    /* RH_NONE: the same again at the next look, however little comes meanwhile */
        rh_driver_fail(d, RH_E_DATABASE, "the database cannot be flushed: %s", why.text);
    else if (flushed != RH_NONE)
        rh_cut_log(d, upto);
}

/* ---- installing a peer's ---- */

const struct rh_snapshot *rh_arrived(const struct rh_driver *d, uint64_t index, uint64_t term)
{
    for (size_t i = 0; i < RH_ARRIVED; i++)
        if (index > 0 && d->arrived[i].index == index && d->arrived[i].term == term)
            return &d->arrived[i];
    return NULL;
}

/* Forgets received snapshots that the log has passed. Returns whether others may still be installed. */
static bool some_are_to_come(struct rh_driver *d)
{
    bool some = d->loader.what.index > 0;

    for (size_t i = 0; i < RH_ARRIVED; i++) {
        if (d->arrived[i].index > 0 && d->arrived[i].index <= d->applied) {
            d->arrived[i] = (struct rh_snapshot){0};
            d->clean = true;
        }
        some = some || d->arrived[i].index > 0;
    }
    return some;
}

void rh_loader_begin(struct rh_driver *d, uint64_t ready)
{
    struct rh_words why = {""};
    int code = rh_snapshot_open(d->dir, &d->loader.what, &d->loader.reader, &why);

    if (code == RH_OK && d->db.snapshot_load(d->db.self, RH_LOAD_BEGIN, NULL, 0, d->loader.what.index, &why) < 0)
        code = RH_E_DATABASE;
    if (code != RH_OK)
        rh_driver_fail(d, code == RH_NONE ? RH_E_DAMAGED : code, "the snapshot of index %llu cannot be loaded: %s",
                       (ull)d->loader.what.index, why.text);
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
    int code = load_some(d, d->loader.reader, 4 * STEP_BYTES, d->loader.what.index, &why);
    if (code == RH_OK)
        return;
    rh_snapshot_close(d->loader.reader);
    const struct rh_snapshot what = d->loader.what;
    d->loader = (struct rh_loader){0};
    if (code != RH_NONE) {
        rh_driver_fail(d, code, "the snapshot of index %llu cannot be loaded: %s", (ull)what.index, why.text);
        return;
    }
    rh_driver_say(d, RH_LOG_INFO, "the database has the snapshot of index %llu", (ull)what.index);
    d->applied = d->given = what.index;
    d->applied_term = what.term;
    d->flush_upto = 0;
    d->newest = what;
    d->clean = true;
    d->n_snapshots_loaded++;
}

/* ---- with each turn, with each tick ---- */

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

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void check_space(struct rh_driver *d)
{
    enum rh_space_level before = d->space.level;
    struct rh_words why = {""};

    d->checked = d->now;
    d->unchecked_bytes = 0;
    if (d->log.ops->space(d->log.self, &d->space, &why) < 0) {
        rh_driver_say(d, RH_LOG_WARNING, "the disk's space is not known: %s", why.text);
        return;
    }
    note_space(d, before);
    if (d->space.level != RH_SPACE_OK && d->role == RAFTCORE_ROLE_LEADER && !d->handed_over) {
        char detail[256];
        raftcore_code code = rh_hand_over(d, 0);
        d->handed_over = code >= 0;     /* once: the next leader's disk may be full as well */
        raftcore_error_detail(d->node, detail, sizeof detail);
        if (code < 0)
            rh_driver_say(d, RH_LOG_INFO, "nobody can take over: %s: %s", raftcore_strerror(code), detail);
    }
    if (d->cut_at == 0)                 /* the first look: what an earlier process left counts, too */
        d->cut_at = least(d->space.log_bytes, d->o.keep_bytes) + d->o.compaction_bytes;
    cut_if_long(d);
}

void rh_snapshots_tick(struct rh_driver *d)
{
    for (size_t i = 0; i < RH_STREAMS; i++)     /* supplied, but the core sent no message */
        if (d->streams[i].to && !d->streams[i].msg && d->now - d->streams[i].since > WAIT_US)
            stream_end(&d->streams[i]);
    if (d->now - d->checked >= SPACE_US || !d->checked)
        check_space(d);
}

static uint64_t low_bytes(const struct rh_driver *d)
{
    return d->o.low_bytes ? d->o.low_bytes : 2 * d->o.segment_bytes;
}

void rh_snapshots_turn(struct rh_driver *d)
{
    struct rh_words why = {""};

    if (d->unchecked_bytes >= low_bytes(d) / 4)     /* fast writers fill a disk within a tick */
        check_space(d);
    if (!d->failed)
        loader_turn(d);
    if (!d->failed)
        rh_maker_turn(d);
    if (d->failed || some_are_to_come(d) || !d->clean || d->maker.step != RH_MAKE_IDLE)
        return;
    d->clean = false;
    if (rh_snapshots_clean(d->dir, &d->newest, d->applied, &why) < 0)
        rh_driver_say(d, RH_LOG_WARNING, "old snapshots cannot be removed: %s", why.text);
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
        d->db.snapshot_load(d->db.self, RH_LOAD_ABORT, NULL, 0, d->loader.what.index, &ignored);
        rh_snapshot_close(d->loader.reader);
    }
    for (size_t i = 0; i < RH_STREAMS; i++)
        stream_end(&d->streams[i]);
    rh_maker_reset(d);
}
