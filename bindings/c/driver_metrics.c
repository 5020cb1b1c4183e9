/* driver_metrics.c: status, members, and metrics in the text form of Prometheus. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driver_parts.h"
#include "metrics_text.h"

void rh_driver_status(struct rh_driver *d, struct rh_status *out)
{
    const struct rh_record *own = rh_record_find(d, d->o.id), *leader = rh_record_find(d, d->leader);
    struct rh_status s = {.struct_size = out->struct_size, .core = {.struct_size = sizeof s.core}};
    size_t size = out->struct_size < sizeof s ? out->struct_size : sizeof s;

    s.failed = d->failed;
    s.member = own && (own->voter || own->learner);
    s.voter = own && own->voter;
    s.ready = d->ready;
    s.space = (uint8_t)d->space.level;
    s.free_bytes = d->space.free_bytes;
    s.log_bytes = d->space.log_bytes;
    s.snapshot_index = d->newest.bytes ? d->newest.index : 0;
    s.requests = d->n_requests;
    snprintf(s.leader_client, sizeof s.leader_client, "%s",
             d->leader == d->o.id ? d->client_address
             : leader             ? leader->client
                                  : "");
    if (!d->node || raftcore_get_status(d->node, &s.core) != RAFTCORE_OK)
        s.core = (raftcore_status){.struct_size = sizeof s.core, .id = d->o.id, .group = d->o.group};
    memcpy(out, &s, size);
}

size_t rh_driver_members(struct rh_driver *d, struct rh_member *out, size_t cap)
{
    raftcore_peer peers[256];
    size_t n = 0, stride = cap > 0 ? out->struct_size : 0, size = stride < sizeof *out ? stride : sizeof *out;

    if (!d->node || raftcore_get_peers(d->node, peers, 256, &n) != RAFTCORE_OK)
        n = 0;
    for (size_t i = 0; i < d->n_records && i < cap; i++) {
        const struct rh_record *r = &d->records[i];
        struct rh_member m = {.struct_size = (uint32_t)stride, .voter = r->voter, .learner = r->learner, .id = r->id};
        memcpy(m.peer_address, r->peer, sizeof m.peer_address);
        memcpy(m.client_address, r->client, sizeof m.client_address);
        for (size_t k = 0; k < n && k < 256; k++)
            if (peers[k].id == r->id)
                m.core = peers[k];
        memcpy((char *)out + i * stride, &m, size);
    }
    return d->n_records;
}

/* ---- metrics ---- */

static void gauge(struct text *t, const char *name, const char *help, uint64_t value)
{
    add(t, "# HELP raftcore_%s %s\n# TYPE raftcore_%s gauge\nraftcore_%s %" PRIu64 "\n", name, help, name, name, value);
}

static void counter(struct text *t, const char *name, const char *help, uint64_t value)
{
    add(t, "# HELP raftcore_%s_total %s\n# TYPE raftcore_%s_total counter\nraftcore_%s_total %" PRIu64 "\n", name, help,
        name, name, value);
}

static void histogram(struct text *t, const char *name, const char *help, const struct rh_histogram *h)
{
    uint64_t sum = 0;

    add(t, "# HELP raftcore_%s_seconds %s\n# TYPE raftcore_%s_seconds histogram\n", name, help, name);
    for (size_t i = 0; i < RH_BUCKETS; i++) {
        sum += h->count[i];
        add(t, "raftcore_%s_seconds_bucket{le=\"%.6f\"} %" PRIu64 "\n", name, 16e-6 * (double)((uint64_t)1 << i), sum);
    }
    add(t, "raftcore_%s_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, h->total);
    add(t, "raftcore_%s_seconds_sum %.6f\nraftcore_%s_seconds_count %" PRIu64 "\n", name, (double)h->sum_us * 1e-6, name,
        h->total);
}

static void core(struct text *t, const raftcore_status *s)
{
    gauge(t, "role", "0 follower, 1 candidate, 2 leader, 3 pre-candidate", s->role);
    gauge(t, "term", "current term", s->term);
    gauge(t, "vote", "candidate with this node's vote in the term", s->vote);
    gauge(t, "commit_index", "highest index known to be committed", s->commit);
    gauge(t, "applied_index", "highest index that the database has", s->applied);
    gauge(t, "durable_index", "highest index on the own disk", s->durable);
    gauge(t, "leader", "id of the leader, 0: none known", s->leader);
    gauge(t, "transferee", "next leader during a transfer", s->transferee);
    gauge(t, "first_index", "first index of the log", s->first_index);
    gauge(t, "last_index", "last index of the log", s->last_index);
    gauge(t, "last_term", "term of the last entry", s->last_term);
    gauge(t, "recent_first_index", "first index with its entry in memory", s->recent_first);
    gauge(t, "safe_to_compact_index", "no known member needs entries up to here", s->safe_to_compact);
    gauge(t, "core_memory_bytes", "memory of the core", s->memory_bytes);
    gauge(t, "members", "members, this node included", s->n_peers);
    gauge(t, "outstanding_readies", "readies not yet acknowledged", s->n_outstanding);
    gauge(t, "promotable", "1: the node could lead", s->promotable);
    gauge(t, "electable", "1: the node starts elections", s->electable);
    gauge(t, "election_elapsed_ticks", "ticks since the election timer began", s->election_elapsed);
    gauge(t, "election_timeout_ticks", "ticks at which the election timer fires", s->election_timeout);
    gauge(t, "waiting_reads", "reads that wait in the core", s->n_reads);
    gauge(t, "waiting_proposals", "proposals that wait in the core", s->n_tokens);
    gauge(t, "last_ready", "number of the newest ready", s->last_ready);
    gauge(t, "apply_waits_index", "first entry to be read from the log for the database, 0: none", s->apply_waits);
    counter(t, "messages_dropped", "outgoing messages lost at a limit", s->messages_dropped);
    counter(t, "messages_refused", "incoming messages refused with an error", s->messages_refused);
    counter(t, "messages_ignored", "incoming messages without effect", s->messages_ignored);
    counter(t, "proposals_refused", "proposals refused by the core", s->proposals_refused);
    counter(t, "reads_failed", "reads that the core gave up", s->reads_failed);
    counter(t, "events_lost", "events lost because nobody fetched them", s->events_lost);
    counter(t, "implausible_messages", "messages that contradict committed entries: investigate", s->implausible);
    counter(t, "late_ticks", "ticks that came while a ready was waiting", s->late_ticks);
}

static void peer_lines(struct text *t, const raftcore_peer *p, size_t n, const char *name, const char *help,
                       uint64_t (*value)(const raftcore_peer *))
{
    add(t, "# HELP raftcore_peer_%s %s\n# TYPE raftcore_peer_%s gauge\n", name, help, name);
    for (size_t i = 0; i < n; i++)
        add(t, "raftcore_peer_%s{peer=\"%" PRIu64 "\"} %" PRIu64 "\n", name, p[i].id, value(&p[i]));
}

#define FIELD(name) \
    static uint64_t peer_##name(const raftcore_peer *p) \
    { \
        return p->name; \
    }
FIELD(match_index)
FIELD(next_index)
FIELD(pending_snapshot)
FIELD(inflight_bytes)
FIELD(inflight_msgs)
FIELD(flow)
FIELD(flags)
FIELD(silent_ticks)

static void peers(struct rh_driver *d, struct text *t)
{
    raftcore_peer p[256];
    size_t n = 0;

    if (d->role != RAFTCORE_ROLE_LEADER || raftcore_get_peers(d->node, p, 256, &n) != RAFTCORE_OK)
        return;
    n = n < 256 ? n : 256;
    peer_lines(t, p, n, "match_index", "highest index known to be in the member's log", peer_match_index);
    peer_lines(t, p, n, "next_index", "next index to send", peer_next_index);
    peer_lines(t, p, n, "pending_snapshot_index", "snapshot under way, 0: none", peer_pending_snapshot);
    peer_lines(t, p, n, "inflight_bytes", "payload in flight", peer_inflight_bytes);
    peer_lines(t, p, n, "inflight_messages", "appends in flight", peer_inflight_msgs);
    peer_lines(t, p, n, "flow", "0 probe, 1 replicate, 2 snapshot", peer_flow);
    peer_lines(t, p, n, "flags", "RAFTCORE_PF_*", peer_flags);
    peer_lines(t, p, n, "silent_ticks", "ticks since the last message", peer_silent_ticks);
}

size_t rh_driver_metrics(struct rh_driver *d, char *buf, size_t cap)
{
    struct text t = {.to = buf, .cap = cap};
    raftcore_status s = {.struct_size = sizeof s};
    struct rh_histogram syncs;

    if (d->node && raftcore_get_status(d->node, &s) == RAFTCORE_OK)
        core(&t, &s);
    if (d->node)
        peers(d, &t);
    gauge(&t, "failed", "1: the host has stopped", d->failed != 0);
    gauge(&t, "leader_ready", "1: leads, and everything of older terms is applied", d->ready);
    gauge(&t, "disk_space_level", "0 enough, 1 low: writes are refused, 2 the log uses its reserve", d->space.level);
    gauge(&t, "disk_free_bytes", "free space of the log's file system", d->space.free_bytes);
    gauge(&t, "log_bytes", "bytes of the log", d->space.log_bytes);
    gauge(&t, "snapshot_index", "index of the newest snapshot file", d->newest.bytes ? d->newest.index : 0);
    gauge(&t, "snapshot_bytes", "bytes of the newest snapshot file", d->newest.bytes);
    gauge(&t, "requests", "requests under way", d->n_requests);
    counter(&t, "entries_applied", "entries given to the database", d->n_applied);
    counter(&t, "bytes_applied", "bytes of entries given to the database", d->n_bytes_applied);
    counter(&t, "requests_done", "requests with the outcome DONE", d->n_outcomes[RH_DONE]);
    counter(&t, "requests_not_committed", "requests with the outcome NOT_COMMITTED", d->n_outcomes[RH_NOT_COMMITTED]);
    counter(&t, "requests_unknown", "requests with the outcome UNKNOWN", d->n_outcomes[RH_UNKNOWN]);
    counter(&t, "requests_readable", "reads with the outcome READABLE", d->n_outcomes[RH_READABLE]);
    counter(&t, "requests_forwarded", "requests sent to the leader", d->n_forwarded);
    counter(&t, "requests_refused", "requests that were not taken", d->n_refused);
    counter(&t, "snapshots_made", "snapshot files written", d->n_snapshots_made);
    counter(&t, "snapshots_loaded", "snapshots put into the database", d->n_snapshots_loaded);
    pthread_mutex_lock(&d->mutex);
    syncs = d->sync_times;
    pthread_mutex_unlock(&d->mutex);
    histogram(&t, "log_sync", "writes and flushes of the log", &syncs);
    histogram(&t, "commit", "from a proposal to its outcome", &d->commit_times);
    return t.len;
}
