/*
 * driver_ready.c: the readies of the core. Each is stored by the sync thread, applied here, and
 * acknowledged once both are done.
 *
 *     take      messages without MF_AFTER leave; the writes go to the log
 *     apply     committed entries go to the database, memberships to the core and the log
 *     done      durable: messages with MF_AFTER leave, raftcore_persisted; applied too: release
 *
 * A ready without MUST_SYNC promises nothing, so it counts as durable with the flush before.
 *
 * Entries behind a membership change wait until the membership is durable. So a database that
 * stores its applied index never has one that lies behind the newest membership in the log.
 */
#include <stdlib.h>
#include <string.h>

#include "driver_parts.h"

enum { APPLY_MAX = 512, GATHER = 256, FETCH_BYTES = 1024 * 1024 };

/* ---- fetches ---- */

/* Reads entries of the log. Returns how many; 0: `code` says why. */
static size_t read_log(struct rh_driver *d, const raftcore_fetch *f, raftcore_entry *entries, int *code,
                       struct rh_words *why)
{
    size_t bytes = f->max_bytes < FETCH_BYTES ? (size_t)f->max_bytes + 4096 : FETCH_BYTES;

    for (;;) {
        if (d->cap_fetch < bytes) {
            uint8_t *larger = realloc(d->fetch_bytes, bytes);
            if (!larger) {
                *code = rh_fail(why, RH_E_NOMEM, "no memory to read the log");
                return 0;
            }
            d->fetch_bytes = larger;
            d->cap_fetch = bytes;
        }
        struct rh_read io = {.buf = d->fetch_bytes, .cap = d->cap_fetch, .entries = entries, .max = RH_FETCH_ENTRIES};
        *code = d->log.ops->read(d->log.self, f->first, f->last, &io, why);
        if (*code == RH_OK)
            return io.count;
        if (*code != RH_E_SMALL)
            return 0;
        bytes = io.need;
    }
}

static void supply_entries(struct rh_driver *d, const raftcore_fetch *f)
{
    struct rh_words why = {""};
    int code = RH_OK;
    size_t n = read_log(d, f, d->fetch_entries, &code, &why);
    raftcore_code answer = n > 0 ? raftcore_supply_entries(d->node, f->id, d->fetch_entries, n) : RAFTCORE_E_ARG;

    if (n == 0 && f->kind == RAFTCORE_FETCH_APPLY && code != RH_E_NOMEM)
        rh_driver_fail(d, code, "entry %llu is to be applied, and cannot be read: %s", (ull)f->first, why.text);
    else if (n == 0 && code != RH_E_GONE)
        rh_driver_say(d, RH_LOG_ERROR, "entry %llu for node %llu cannot be read: %s", (ull)f->first, (ull)f->peer, why.text);
    if (answer < 0)
        raftcore_supply_none(d->node, f->id, code == RH_E_GONE ? RAFTCORE_SUPPLY_GONE : RAFTCORE_SUPPLY_LATER);
}

static void serve_fetches(struct rh_driver *d)
{
    raftcore_fetch f = {.struct_size = sizeof f};

    while (!d->failed && raftcore_next_fetch(d->node, &f) == RAFTCORE_OK) {
        if (f.kind == RAFTCORE_FETCH_SNAPSHOT)
            rh_supply_snapshot(d, &f);
        else
            supply_entries(d, &f);
    }
}

/* ---- messages ---- */

static void send_slices(struct rh_driver *d, uint64_t to, const raftcore_slice *slices, size_t n)
{
    if (n > 0 && (!d->connected || d->net.ops->send(d->net.self, to, slices, n) != RH_OK))
        raftcore_report_unreachable(d->node, to);
}

/* Sends the messages with or without MF_AFTER. Neighbours to one peer go together. */
static void send_messages(struct rh_driver *d, const raftcore_ready *rd, uint64_t after)
{
    raftcore_slice slices[GATHER];
    uint64_t to = 0;
    size_t n = 0;

    for (uint32_t i = 0; i < rd->n_msgs; i++) {
        const raftcore_msg *m = RH_AT(rd, msgs, msg_stride, i);
        if ((m->flags & RAFTCORE_MF_AFTER) != after)
            continue;
        if (m->kind == RAFTCORE_MSG_SNAP) {
            rh_send_snapshot(d, m);
            continue;
        }
        if (n > 0 && (m->to != to || n + m->n_frame > GATHER)) {
            send_slices(d, to, slices, n);
            n = 0;
        }
        to = m->to;
        if (m->n_frame > GATHER) {
            send_slices(d, to, m->frame, m->n_frame);
            continue;
        }
        memcpy(slices + n, m->frame, m->n_frame * sizeof *slices);
        n += m->n_frame;
    }
    send_slices(d, to, slices, n);
}

/* ---- take ---- */

static void note_role(struct rh_driver *d, const raftcore_ready *rd)
{
    if (rd->role != d->role || rd->leader != d->leader || rd->term != d->term)
        d->role_changed = true;
    if (rd->role != RAFTCORE_ROLE_LEADER)
        d->ready = false;
    d->role = rd->role;
    d->leader = rd->leader;
    d->term = rd->term;
}

/* The snapshot of a ready: its file is here and durable, since its MsgSnap was stepped. */
static bool take_snapshot(struct rh_driver *d, const raftcore_ready *rd, struct rh_snapshot *what, uint8_t **blob)
{
    struct rh_snapshot_reader *reader;
    struct rh_words why = {""};

    const struct rh_snapshot *here = rh_arrived(d, rd->snapshot_index, rd->snapshot_term);

    if (!here) {
        rh_driver_fail(d, RH_E_CORE, "the core installs a snapshot of index %llu whose file is not here",
                       (ull)rd->snapshot_index);
        return false;
    }
    int code = rh_snapshot_open(d->dir, here, &reader, &why);
    if (code == RH_OK) {
        code = rh_take_book(d, rh_snapshot_get_info(reader)->book);
        rh_snapshot_close(reader);
    }
    if (code < 0 || code == RH_NONE) {
        rh_driver_fail(d, code < 0 ? code : RH_E_DAMAGED, "the snapshot of index %llu cannot be read: %s",
                       (ull)rd->snapshot_index, why.text);
        return false;
    }
    *what = d->loader.what = *here;
    *blob = rh_blob_make(d, rd->snapshot_conf, false, &what->conf.len);
    what->conf.ptr = *blob;
    if (!*blob)
        rh_driver_fail(d, RH_E_NOMEM, "no memory for a membership");
    return *blob != NULL;
}

static bool store(struct rh_driver *d, const raftcore_ready *rd)
{
    struct rh_snapshot what = {0};
    uint8_t *blob = NULL;
    struct rh_batch b = {.entries = rd->entries,
                         .n_entries = rd->n_entries,
                         .entry_stride = rd->entry_stride,
                         .has_state = rd->flags & RAFTCORE_RF_HARD_STATE,
                         .term = rd->term,
                         .vote = rd->vote,
                         .commit = rd->commit};

    if (rd->flags & RAFTCORE_RF_SNAPSHOT) {
        if (!take_snapshot(d, rd, &what, &blob))
            return false;
        b.snapshot = &what;
        b.replaces = true;
        d->conf_index = what.index;
    }
    bool empty = !b.snapshot && b.n_entries == 0 && !b.has_state;
    int code = empty ? RH_OK : rh_append(d, &b, rd->flags & RAFTCORE_RF_MUST_SYNC, NULL);
    if (code == RH_OK && b.has_state)
        d->commit = rd->commit;
    free(blob);
    return code == RH_OK;
}

static void take(struct rh_driver *d, const raftcore_ready *rd)
{
    struct rh_out *o = &d->out[rd->number % RH_READIES];

    *o = (struct rh_out){.rd = *rd};
    d->last_out = rd->number;
    note_role(d, rd);
    send_messages(d, rd, 0);
    if (!store(d, rd))
        return;
    o->batch = d->must_batch;
    for (uint32_t i = 0; i < rd->n_dropped; i++)
        rh_dropped(d, RH_AT(rd, dropped, drop_stride, i));
}

/* ---- apply ---- */

static bool apply_change(struct rh_driver *d, const raftcore_entry *e)
{
    raftcore_conf conf = {.struct_size = sizeof conf};
    bool skip = e->index <= d->forced;
    raftcore_code code = skip ? raftcore_skip_conf(d->node, e->index, &conf) : raftcore_apply_conf(d->node, e, &conf);

    if (!rh_core_ok(d, code, "apply_conf"))
        return false;
    if ((!skip && rh_take_book(d, conf.context) < 0) || rh_set_membership(d, &conf) < 0) {
        rh_driver_fail(d, RH_E_NOMEM, "no memory for a membership");
        return false;
    }
    if (!skip)
        rh_driver_say(d, RH_LOG_INFO, "membership of entry %llu: %u voters, %u learners%s", (ull)e->index, conf.n_voters,
               conf.n_learners + conf.n_learners_next, conf.n_outgoing ? ", joint" : "");
    if (e->index > d->conf_index) {
        struct rh_conf c = {.index = e->index};
        uint8_t *blob = rh_blob_make(d, conf.bytes, false, &c.bytes.len);
        struct rh_batch b = {.confs = &c, .n_confs = 1};
        c.bytes.ptr = blob;
        if (!blob)
            return rh_driver_fail(d, RH_E_NOMEM, "no memory for a membership") == RH_OK;
        int stored = rh_append(d, &b, true, &d->conf_batch);
        free(blob);
        if (stored != RH_OK)
            return false;
        d->conf_index = e->index;
    }
    struct rh_pending *p = rh_take(d, e->token);
    if (p)
        rh_outcome(d, p, RH_DONE, e, (raftcore_slice){0}, "");
    return true;
}

static bool room_for_apply(struct rh_driver *d)
{
    if (d->cap_entries)
        return true;
    d->entries = calloc(APPLY_MAX, sizeof *d->entries);
    d->waiters = calloc(APPLY_MAX, sizeof *d->waiters);
    d->cap_entries = d->entries && d->waiters ? APPLY_MAX : 0;
    return d->cap_entries || rh_driver_fail(d, RH_E_NOMEM, "no memory to apply entries") == RH_OK;
}

/* An entry of another version's host. All members skip it alike, so its request had no effect. */
static void skip_unknown(struct rh_driver *d, const raftcore_entry *e)
{
    struct rh_pending *p = rh_take(d, e->token);

    rh_driver_say(d, RH_LOG_ERROR, "entry %llu has no known form, and changes nothing on any member", (ull)e->index);
    if (p)
        rh_outcome(d, p, RH_NOT_COMMITTED, NULL, (raftcore_slice){0}, "the entry has no known form");
}

/* Applies the normal entries from o->next on, up to a membership change. */
static bool apply_normal(struct rh_driver *d, struct rh_out *o)
{
    const raftcore_ready *rd = &o->rd;
    struct rh_words why = {""};
    size_t n = 0;
    const raftcore_entry *e = NULL;
    uint32_t begin = o->next;

    for (; o->next < rd->n_committed && n < d->cap_entries; o->next++) {
        const raftcore_entry *next = RH_AT(rd, committed, entry_stride, o->next);
        struct rh_entry *to = &d->entries[n];
        if (next->kind != RAFTCORE_ENTRY_NORMAL)
            break;
        e = next;
        *to = (struct rh_entry){.index = e->index, .term = e->term};
        if (e->data.len == 0)
            continue;                   /* a new leader's own */
        if (!rh_envelope_open(e->data, to)) {
            skip_unknown(d, e);
            continue;
        }
        d->n_bytes_applied += to->data.len;
        d->waiters[n] = rh_take(d, e->token);
        to->ticket = d->waiters[n] && !d->waiters[n]->remote ? d->waiters[n]->ticket : 0;
        n++;
    }
    int code = n > 0 ? d->db.apply(d->db.self, d->entries, n, &why) : 0;
    if (code < 0) {
        o->next = begin;
        rh_driver_fail(d, RH_E_DATABASE, "the database cannot apply entries up to %llu: %s", (ull)e->index, why.text);
        return false;
    }
    d->n_applied += n;
    d->applied = e->index;
    d->applied_term = e->term;
    if (n > 0)
        d->given = d->entries[n - 1].index;
    for (size_t i = 0; i < n; i++)
        if (d->waiters[i]) {
            const raftcore_entry at = {.index = d->entries[i].index, .term = d->entries[i].term};
            if (d->entries[i].forgotten)
                rh_outcome(d, d->waiters[i], RH_UNKNOWN, &at, (raftcore_slice){0}, "the session has expired");
            else
                rh_outcome(d, d->waiters[i], RH_DONE, &at, d->entries[i].result, "");
        }
    return true;
}

/* Applies what is committed and may be applied now. Returns false after a failure. */
static bool apply_ready(struct rh_driver *d, struct rh_out *o)
{
    while (o->next < o->rd.n_committed) {
        const raftcore_entry *e = RH_AT(&o->rd, committed, entry_stride, o->next);
        if (!rh_durable(d, d->conf_batch))
            break;                      /* a membership is not durable yet */
        if (e->kind != RAFTCORE_ENTRY_NORMAL) {
            if (!apply_change(d, e))
                return false;
            d->applied = e->index;
            d->applied_term = e->term;
            o->next++;
        } else if (!apply_normal(d, o)) {
            return false;
        }
        if (!rh_core_ok(d, raftcore_applied(d->node, d->applied), "applied"))
            return false;
    }
    return true;
}

static void apply(struct rh_driver *d)
{
    if (!room_for_apply(d) || d->loader.ready)
        return;
    for (uint64_t k = d->first_out; k <= d->last_out; k++) {
        struct rh_out *o = &d->out[k % RH_READIES];
        if (!apply_ready(d, o) || o->next < o->rd.n_committed)
            return;
    }
}

/* ---- done ---- */

static bool read_membership(struct rh_driver *d)
{
    raftcore_conf conf = {.struct_size = sizeof conf};

    if (!rh_core_ok(d, raftcore_get_conf(d->node, &conf), "get_conf"))
        return false;
    return rh_set_membership(d, &conf) == RH_OK || rh_driver_fail(d, RH_E_NOMEM, "no memory for a membership") == RH_OK;
}

void rh_ready_done(struct rh_driver *d)
{
    for (uint64_t k = d->first_out; k <= d->last_out && !d->failed; k++) {
        struct rh_out *o = &d->out[k % RH_READIES];
        if (o->persisted)
            continue;
        if (!rh_durable(d, o->batch))
            break;
        if (o->rd.flags & RAFTCORE_RF_SNAPSHOT && d->loader.ready != k && d->applied < o->rd.snapshot_index) {
            rh_loader_begin(d, k);
            break;
        }
        if (d->loader.ready == k)
            break;                      /* the database is being loaded */
        send_messages(d, &o->rd, RAFTCORE_MF_AFTER);
        if (!rh_core_ok(d, raftcore_persisted(d->node, k), "persisted"))
            return;
        o->persisted = true;
        d->again = true;
        if (o->rd.flags & RAFTCORE_RF_SNAPSHOT && !read_membership(d))
            return;
    }
    while (d->first_out <= d->last_out && !d->failed) {
        struct rh_out *o = &d->out[d->first_out % RH_READIES];
        if (!o->persisted || o->next < o->rd.n_committed)
            break;
        if (!rh_core_ok(d, raftcore_release(d->node, d->first_out), "release"))
            return;
        d->first_out++;
        d->again = true;
    }
}

/* Serves reads: the core returns a read once its index is applied. */
static void answer_reads(struct rh_driver *d, const raftcore_ready *rd)
{
    for (uint32_t i = 0; i < rd->n_reads; i++) {
        const raftcore_read *r = RH_AT(rd, reads, read_stride, i);
        rh_readable(d, r->token);
    }
}

void rh_ready_loop(struct rh_driver *d)
{
    raftcore_ready rd = {.struct_size = sizeof rd};

    while (!d->failed) {
        rh_submit_requests(d);
        serve_fetches(d);
        if (d->failed || d->last_out + 1 - d->first_out >= RH_READIES)
            return;
        raftcore_code code = raftcore_get_ready(d->node, &rd);
        if (code == RAFTCORE_E_NOMEM) { /* nothing is lost: again at the next tick */
            rh_driver_say(d, RH_LOG_WARNING, "no memory for a ready");
            return;
        }
        if (code == RAFTCORE_E_FULL || code == RAFTCORE_NONE || !rh_core_ok(d, code, "get_ready"))
            return;
        take(d, &rd);
        if (!d->failed)
            apply(d);
        if (!d->failed)
            answer_reads(d, &rd);
        if (!d->failed)
            rh_ready_done(d);
    }
}

void rh_ready_apply(struct rh_driver *d)
{
    if (d->first_out <= d->last_out)
        apply(d);
}
