/* host_calls.c: requests, status and metrics: calls from any thread. */
#include <stdlib.h>
#include <string.h>

#include "dir.h"
#include "host_parts.h"
#include "metrics_text.h"

/* ---- requests ---- */

int rh_host_submit(struct rh_host *h, struct rh_pending *p)
{
    if (!p)
        return RH_E_NOMEM;
    if (atomic_load(&h->failed) < 0) {
        free(p);
        return RH_E_FAILED;
    }
    pthread_mutex_lock(&h->inbox_mutex);
    bool first = !h->first, full = h->inbox_bytes + atomic_load(&h->driver_bytes) + p->len > h->max_queue_bytes;
    if (!full) {
        if (first)
            h->first = p;
        else
            h->last->next = p;
        h->last = p;
        h->inbox_bytes += p->len;
    }
    pthread_mutex_unlock(&h->inbox_mutex);
    if (full) {
        free(p);
        return RH_E_BUSY;
    }
    if (first)
        rh_host_wake(h);
    return RH_OK;
}

int rh_propose(struct rh_host *h, const raftcore_slice *parts, size_t count, const struct rh_retry *retry,
               uint64_t ticket)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    if (len == 0 || len > h->max_entry_bytes)
        return RH_E_ARG;
    if (retry && (retry->number == 0 || rh_is_zero(retry->session, sizeof retry->session)))
        return RH_E_ARG;
    return rh_host_submit(h, rh_pending_entry(parts, count, retry, ticket));
}

int rh_read(struct rh_host *h, uint64_t ticket)
{
    return rh_host_submit(h, rh_pending_new(RH_P_READ, 0, ticket));
}

static bool is_address(const char *text)
{
    return rh_wire_is_address((raftcore_slice){(const uint8_t *)text, strlen(text)});
}

int rh_host_add(struct rh_host *h, uint64_t id, const char *peer, const char *client, bool voter, uint64_t ticket)
{
    if (id == 0 || !is_address(peer) || (client[0] && !is_address(client)))
        return RH_E_ARG;
    struct rh_pending *p = rh_pending_change(RAFTCORE_CHANGE_ADD_LEARNER, id, NULL, peer, client, ticket);
    if (p)
        p->voter = voter ? id : 0;
    return rh_host_submit(h, p);
}

int rh_add(struct rh_host *h, uint64_t id, const char *peer_address, const char *client_address, uint64_t ticket)
{
    return peer_address ? rh_host_add(h, id, peer_address, client_address ? client_address : "", false, ticket) : RH_E_ARG;
}

int rh_promote(struct rh_host *h, uint64_t id, uint64_t ticket)
{
    return rh_host_submit(h, rh_pending_change(RAFTCORE_CHANGE_ADD_NODE, id, NULL, NULL, NULL, ticket));
}

int rh_remove(struct rh_host *h, uint64_t id, uint64_t ticket)
{
    return rh_host_submit(h, rh_pending_change(RAFTCORE_CHANGE_REMOVE_NODE, id, NULL, NULL, NULL, ticket));
}

int rh_set_address(struct rh_host *h, uint64_t id, const char *peer_address, const char *client_address,
                   uint64_t ticket)
{
    if (id == 0 || !peer_address || !is_address(peer_address) ||
        (client_address && client_address[0] && !is_address(client_address)))
        return RH_E_ARG;
    return rh_host_submit(h, rh_pending_address(id, peer_address, client_address, ticket));
}

int rh_set_electable(struct rh_host *h, bool electable)
{
    pthread_mutex_lock(&h->lock);
    rh_driver_set_electable(h->driver, electable);
    pthread_mutex_unlock(&h->lock);
    return atomic_load(&h->failed) < 0 ? RH_E_FAILED : RH_OK;
}

int rh_transfer(struct rh_host *h, uint64_t to, uint64_t ticket)
{
    struct rh_pending *p = rh_pending_new(RH_P_TRANSFER, 0, ticket);

    if (p)
        p->peer = to;
    return rh_host_submit(h, p);
}

int rh_backup(struct rh_host *h, const char *path, uint64_t ticket)
{
    if (!path || !path[0])
        return RH_E_ARG;
    struct rh_pending *p = rh_pending_new(RH_P_BACKUP, strlen(path) + 1, ticket);
    if (p)
        memcpy(p->data, path, strlen(path) + 1);
    return rh_host_submit(h, p);
}

/* ---- looking in ---- */

int rh_get_status(struct rh_host *h, struct rh_status *out)
{
    if (out->struct_size < sizeof(uint32_t))
        return RH_E_ARG;
    pthread_mutex_lock(&h->lock);
    rh_driver_status(h->driver, out);
    pthread_mutex_unlock(&h->lock);
    return RH_OK;
}

int rh_members(struct rh_host *h, struct rh_member *out, size_t cap, size_t *count)
{
    if (cap > 0 && out->struct_size < sizeof(uint32_t))
        return RH_E_ARG;
    pthread_mutex_lock(&h->lock);
    *count = rh_driver_members(h->driver, out, cap);
    pthread_mutex_unlock(&h->lock);
    return RH_OK;
}

/* ---- metrics of the transport ---- */

static void total(struct text *t, const char *name, const char *type, const char *help, uint64_t value)
{
    add(t, "# HELP raftcore_net_%s %s\n# TYPE raftcore_net_%s %s\nraftcore_net_%s %llu\n", name, help, name, type, name,
        (unsigned long long)value);
}

static void per_peer(struct text *t, const struct rh_net_peer_totals *p, size_t n, const char *name, const char *type,
                     const char *help, size_t at)
{
    add(t, "# HELP raftcore_net_peer_%s %s\n# TYPE raftcore_net_peer_%s %s\n", name, help, name, type);
    for (size_t i = 0; i < n; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&p[i] + at, sizeof value);
        add(t, "raftcore_net_peer_%s{peer=\"%llu\"} %llu\n", name, (unsigned long long)p[i].id, (unsigned long long)value);
    }
}

#define PEER(field) offsetof(struct rh_net_peer_totals, field)

static void net_metrics(struct rh_host *h, struct text *t)
{
    struct rh_net_totals all;
    struct rh_net_peer_totals p[256];
    size_t n = rh_net_tcp_peers(h->net, p, 256);

    n = n < 256 ? n : 256;
    rh_net_tcp_totals(h->net, &all);
    total(t, "connections", "gauge", "open connections", all.connections);
    total(t, "half_open", "gauge", "connections without a hello yet", all.half_open);
    total(t, "spares", "gauge", "descriptors set aside for members", all.spares);
    total(t, "accepted_total", "counter", "connections that came in", all.accepted);
    total(t, "strangers_total", "counter", "connections closed before a good hello", all.strangers);
    total(t, "rejects_sent_total", "counter", "peers refused", all.rejects_sent);
    total(t, "rejects_received_total", "counter", "refusals by peers", all.rejects_received);
    total(t, "no_descriptor_total", "counter", "times that the process was out of descriptors", all.no_descriptor);
    total(t, "bytes_in_total", "counter", "bytes received", all.bytes_in);
    total(t, "bytes_out_total", "counter", "bytes sent", all.bytes_out);
    total(t, "snapshots_sent_total", "counter", "snapshots sent", all.snapshots_sent);
    total(t, "snapshots_received_total", "counter", "snapshots received", all.snapshots_received);
    per_peer(t, p, n, "queued_bytes", "gauge", "bytes waiting for the peer", PEER(queued));
    per_peer(t, p, n, "bytes_in_total", "counter", "bytes received from the peer", PEER(bytes_in));
    per_peer(t, p, n, "bytes_out_total", "counter", "bytes sent to the peer", PEER(bytes_out));
    per_peer(t, p, n, "drops_total", "counter", "sends refused or lost", PEER(drops));
    per_peer(t, p, n, "breaks_total", "counter", "broken connections, failed dials included", PEER(breaks));
}

size_t rh_metrics(struct rh_host *h, char *buf, size_t cap)
{
    struct text t = {.to = buf, .cap = cap};

    pthread_mutex_lock(&h->lock);
    t.len = rh_driver_metrics(h->driver, buf, cap);
    net_metrics(h, &t);
    pthread_mutex_unlock(&h->lock);
    return t.len;
}

int rh_reload_tls(struct rh_host *h, struct rh_words *why)
{
    pthread_mutex_lock(&h->lock);
    int code = rh_net_tcp_reload(h->net, why);
    pthread_mutex_unlock(&h->lock);
    return code;
}
