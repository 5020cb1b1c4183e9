/*
 * driver.c: the turn, failures, the log's flushes, the end.
 */
#include "driver_parts.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRY_BYTES = 64 };               /* of an entry in a log, beside the data */

void rh_driver_say(const struct rh_driver *d, enum rh_level level, const char *format, ...)
{
    char text[RH_WORDS_MAX];
    va_list args;

    if (!d->o.log || level > d->o.log_level)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->o.log(d->o.log_context, level, text);
}

/* The node takes part no more: peers elect another leader. What was proposed may still commit there. */
int rh_driver_fail(struct rh_driver *d, int code, const char *format, ...)
{
    va_list args;

    if (d->failed)
        return d->failed;
    va_start(args, format);
    vsnprintf(d->words.text, sizeof d->words.text, format, args);
    va_end(args);
    d->failed = code;
    d->role_changed = true;
    d->role = RAFTCORE_ROLE_FOLLOWER;
    d->leader = 0;
    d->ready = false;
    d->again = true;
    rh_driver_say(d, RH_LOG_ERROR, "the node stops: %s", d->words.text);
    return code;
}

int rh_core_fail(raftcore_node *node, raftcore_code code, const char *call, struct rh_words *why)
{
    char detail[256] = "";

    if (node)
        raftcore_error_detail(node, detail, sizeof detail);
    return rh_fail(why, code == RAFTCORE_E_NOMEM ? RH_E_NOMEM : RH_E_CORE, "%s: %s: %s", call, raftcore_strerror(code),
                   detail);
}

bool rh_core_ok(struct rh_driver *d, raftcore_code code, const char *call)
{
    char detail[256];

    if (code >= 0 || code == RAFTCORE_E_STALE)
        return true;
    raftcore_error_detail(d->node, detail, sizeof detail);
    rh_driver_fail(d, code == RAFTCORE_E_NOMEM ? RH_E_NOMEM : RH_E_CORE, "%s: %s: %s", call, raftcore_strerror(code),
                   detail);
    return false;
}

void rh_histogram_add(struct rh_histogram *h, uint64_t us)
{
    size_t i = 0;

    while (i < RH_BUCKETS && us > (uint64_t)16 << i)
        i++;
    h->count[i]++;
    h->sum_us += us;
    h->total++;
}

/* ---- the log ---- */

bool rh_durable(struct rh_driver *d, uint64_t batch)
{
    pthread_mutex_lock(&d->mutex);
    bool durable = d->synced >= batch;
    pthread_mutex_unlock(&d->mutex);
    return durable;
}

int rh_append(struct rh_driver *d, struct rh_batch *b, bool must, uint64_t *number)
{
    struct rh_words why = {""};

    b->number = d->batch + 1;
    int code = d->log.ops->append(d->log.self, b, &why);
    if (code != RH_OK)
        return rh_driver_fail(d, code, "the log takes no more: %s", why.text);
    for (uint32_t i = 0; i < b->n_entries; i++)
        d->unchecked_bytes += ENTRY_BYTES + ((const raftcore_entry *)RH_AT(b, entries, entry_stride, i))->data.len;
    d->batch++;
    if (must)
        d->must_batch = d->batch;
    if (number)
        *number = d->batch;
    pthread_mutex_lock(&d->mutex);
    d->to_sync = d->batch;
    pthread_mutex_unlock(&d->mutex);
    if (must)
        d->workers.flush(d->workers.self);
    return RH_OK;
}

static uint64_t clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int rh_driver_flush(struct rh_driver *d)
{
    uint64_t number = 0, begin = clock_us();
    struct rh_words why = {""};
    int code = d->log.ops->sync(d->log.self, &number, &why);

    pthread_mutex_lock(&d->mutex);
    if (code >= 0 && number > d->synced)
        d->synced = number;
    if (code == RH_OK)
        rh_histogram_add(&d->sync_times, clock_us() - begin);
    if (code < 0 && d->sync_code == 0) {
        d->sync_code = code;
        d->sync_words = why;
    }
    pthread_mutex_unlock(&d->mutex);
    return code;
}

static void look_at_log(struct rh_driver *d)
{
    pthread_mutex_lock(&d->mutex);
    int code = d->sync_code;
    struct rh_words why = d->sync_words;
    pthread_mutex_unlock(&d->mutex);
    if (code < 0)
        rh_driver_fail(d, code, "the log cannot be written: %s", why.text);
}

/* ---- events and roles ---- */

void rh_drain_events(struct rh_driver *d)
{
    raftcore_event e;

    while (raftcore_next_event(d->node, &e) == RAFTCORE_OK) {
        enum rh_level level = RH_LOG_DEBUG;
        switch (e.kind) {
        case RAFTCORE_EVENT_LEADER_READY:
            d->ready = d->role == RAFTCORE_ROLE_LEADER;
            d->role_changed = true;
            break;
        case RAFTCORE_EVENT_TRANSFER_ENDED:
            /* Leadership lost: the target may be winning. The outcome waits for the next leader. */
            if (d->transfer && e.reason != RAFTCORE_REASON_LEADERSHIP_LOST)
                rh_outcome(d, d->transfer, RH_NOT_COMMITTED, NULL, (raftcore_slice){0}, raftcore_reason_text(e.reason));
            d->handed_over = false;     /* for lack of space: once more */
            level = RH_LOG_INFO;
            break;
        case RAFTCORE_EVENT_BECAME_LEADER:
            level = RH_LOG_INFO;
            break;
        case RAFTCORE_EVENT_ALARM:
            level = RH_LOG_ERROR;
            break;
        case RAFTCORE_EVENT_APPLY_WAITS:
        case RAFTCORE_EVENT_NO_LEADER_LONG:
        case RAFTCORE_EVENT_PAUSED:
        case RAFTCORE_EVENT_PEER_LAGS:
        case RAFTCORE_EVENT_REPAIRED:
            level = RH_LOG_WARNING;
            break;
        }
        rh_driver_say(d, level, "%s: peer %llu, term %llu, index %llu, %llu, %llu (%s)", raftcore_event_text(e.kind),
               (ull)e.peer, (ull)e.term, (ull)e.index, (ull)e.a, (ull)e.b, raftcore_reason_text(e.reason));
    }
}

static void tell_role(struct rh_driver *d)
{
    const struct rh_record *r = rh_record_find(d, d->leader);
    const char *address = d->leader == d->o.id ? d->client_address : r ? r->client : "";
    struct rh_role now = {.role = d->role, .ready = d->ready, .term = d->term, .leader = d->leader};

    d->role_changed = false;
    if (now.role == d->told.role && now.ready == d->told.ready && now.term == d->told.term &&
        now.leader == d->told.leader && strcmp(address, d->told_address) == 0)
        return;
    d->told = now;
    snprintf(d->told_address, sizeof d->told_address, "%s", address);
    now.leader_address = d->told_address;
    if (d->db.role)
        d->db.role(d->db.self, &now);
}

/* ---- the turn ---- */

/*
 * Time in which the process stood still is no silence of the peers: their frames may wait in the sockets.
 * So few ticks of it count. A lease is another matter: it ends by the clock, and so all ticks count.
 */
enum { TICKS_AT_ONCE = 3, TICKS_AT_ONCE_WITH_LEASE = 1000 };

static void tick(struct rh_driver *d)
{
    uint64_t unit = (uint64_t)d->o.tick_ms * 1000, ticks = (d->now - d->ticked) / unit;
    uint64_t most = d->o.lease_reads ? TICKS_AT_ONCE_WITH_LEASE : TICKS_AT_ONCE;

    if (ticks == 0)
        return;
    d->ticked += ticks * unit;
    if (d->node) {
        if (!rh_core_ok(d, raftcore_tick(d->node, (uint32_t)(ticks < most ? ticks : most)), "tick"))
            return;
        rh_snapshots_tick(d);
        rh_promote_learners(d);
        rh_look_for_moved(d);
    }
    if (d->joining)
        rh_join_again(d);
    rh_expire_requests(d);
    rh_promote_later(d);
}

int rh_driver_turn(struct rh_driver *d, uint64_t now, struct rh_words *why)
{
    if (now > d->now)
        d->now = now;
    d->again = false;
    look_at_log(d);
    if (!d->failed)
        tick(d);
    if (!d->failed && d->node) {
        rh_ready_done(d);
        rh_ready_apply(d);
        rh_snapshots_turn(d);
        rh_ready_done(d);
        rh_ready_loop(d);
        rh_drain_events(d);
    }
    if (d->role_changed)
        tell_role(d);
    if (!d->failed)
        return RH_OK;
    rh_end_requests(d, d->words.text);
    return rh_fail(why, d->failed, "%s", d->words.text);
}

uint64_t rh_driver_due(struct rh_driver *d, uint64_t now)
{
    uint64_t due = d->ticked + (uint64_t)d->o.tick_ms * 1000;

    pthread_mutex_lock(&d->mutex);
    bool work = d->again || d->maker.job == RH_JOB_DONE || d->sync_code < 0;
    for (uint64_t k = d->first_out; k <= d->last_out && !work; k++)
        if (!d->out[k % RH_READIES].persisted) {
            work = d->synced >= d->out[k % RH_READIES].batch && d->loader.ready != k;
            break;
        }
    pthread_mutex_unlock(&d->mutex);
    return work && !d->failed ? now : due;
}

/* ---- the beginning and the end ---- */

void rh_driver_self(const struct rh_driver *d, struct rh_net_self *out)
{
    *out = (struct rh_net_self){.group = d->o.group, .id = d->o.id, .empty = d->applied == 0};
    memcpy(out->founding, d->dir->owner.founding, sizeof out->founding);
    memcpy(out->disk, d->dir->owner.disk, sizeof out->disk);
    memcpy(out->peer_address, d->peer_address, sizeof out->peer_address);
    memcpy(out->client_address, d->client_address, sizeof out->client_address);
}

void rh_driver_connect(struct rh_driver *d, struct rh_net net)
{
    d->net = net;
    d->connected = true;
    rh_dial_members(d);
}

void rh_driver_set_electable(struct rh_driver *d, bool electable)
{
    d->electable = electable;
    if (d->node && !d->failed)
        rh_core_ok(d, raftcore_set_electable(d->node, electable), "set_electable");
}

bool rh_driver_leave(struct rh_driver *d)
{
    size_t voters = 0;

    for (size_t i = 0; i < d->n_records; i++)
        voters += d->records[i].voter;
    if (d->failed || !d->node || d->role != RAFTCORE_ROLE_LEADER || voters < 2)
        return true;
    if (!d->leaving)
        d->left = rh_hand_over(d, 0) < 0;    /* nobody can take over: end at once */
    d->leaving = true;
    d->again = true;
    return d->left;
}

int rh_driver_close(struct rh_driver *d, struct rh_words *why)
{
    struct rh_words ignored = {""};
    int failed = d->failed;

    if (failed)
        rh_fail(why, failed, "%s", d->words.text);
    if (d->slots)
        rh_end_requests(d, "the host was closed");
    rh_free_snapshots(d);
    raftcore_free(d->node);
    int code = d->log.ops->close(d->log.self, failed ? &ignored : why);
    pthread_mutex_destroy(&d->mutex);
    free(d->slots);
    free(d->fetch_entries);
    free(d->fetch_bytes);
    free(d->entries);
    free(d->waiters);
    free(d->records);
    free(d->conf);
    free(d);
    return failed ? failed : code;
}
