/*
 * peers.c: the table of peers with their addresses, and the outgoing connections. The incoming
 * connections are in incoming.c.
 */
#include "peers.h"

#include <stdlib.h>

#include "host.h"
#include "incoming.h"

enum {
    BACKOFF_FIRST_MS = 50,
    BACKOFF_LAST_MS = 2000,
    STUCK_MS = 10 * 1000,           /* bytes wait, and none leave */
    HELLO_MAX = 1024,
};

struct peer *peers_find(struct peers *ps, uint64_t id)
{
    for (size_t i = 0; i < ps->count; i++)
        if (ps->peer[i]->id == id)
            return ps->peer[i];
    return NULL;
}

static struct peer *find_or_add(struct peers *ps, uint64_t id)
{
    struct peer *p = peers_find(ps, id);

    if (p || ps->count == PEERS_MAX)
        return p;
    p = xcalloc(1, sizeof *p);
    p->id = id;
    p->host = ps->host;
    p->watch.fd = -1;
    ps->peer[ps->count++] = p;
    return p;
}

const char *peer_address(const struct peer *p)
{
    return p->fixed[0] ? p->fixed : p->learned;
}

bool peers_good_address(slice text)
{
    const uint8_t *colon = NULL;
    int64_t port;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == ',' || text.ptr[i] == '=')
            return false;
        if (text.ptr[i] == ':')
            colon = text.ptr + i;
    }
    if (!colon || colon == text.ptr || text.len >= ADDRESS_MAX)
        return false;
    return slice_to_i64(slice_of(colon + 1, (size_t)(text.ptr + text.len - colon - 1)), &port) && port > 0 && port < 65536;
}

static void set_address(char to[ADDRESS_MAX], slice address)
{
    memcpy(to, address.ptr, address.len);
    to[address.len] = 0;
}

/* The next "id=address" of a comma-separated list. */
static bool next_pair(slice *list, uint64_t *id, slice *address)
{
    const uint8_t *comma = memchr(list->ptr, ',', list->len);
    size_t len = comma ? (size_t)(comma - list->ptr) : list->len;
    const uint8_t *equals = memchr(list->ptr, '=', len);

    if (!equals || !slice_to_id(slice_of(list->ptr, (size_t)(equals - list->ptr)), id))
        return false;
    *address = slice_of(equals + 1, (size_t)(list->ptr + len - equals - 1));
    *list = comma ? slice_of(comma + 1, list->len - len - 1) : (slice){0};
    return peers_good_address(*address);
}

bool peers_set_fixed(struct peers *ps, const char *cluster)
{
    slice list = slice_of(cluster, strlen(cluster)), address;
    uint64_t id;

    while (list.len > 0) {
        if (!next_pair(&list, &id, &address))
            return false;
        struct peer *p = find_or_add(ps, id);
        if (!p)
            return false;
        set_address(p->fixed, address);
    }
    return ps->count > 0;
}

void peers_set_learned(struct peers *ps, slice text)
{
    slice address;
    uint64_t id;

    for (size_t i = 0; i < ps->count; i++)
        ps->peer[i]->learned[0] = 0;
    while (text.len > 0 && next_pair(&text, &id, &address))
        peers_learn(ps, id, address);
}

void peers_learn(struct peers *ps, uint64_t id, slice address)
{
    struct peer *p = find_or_add(ps, id);

    if (p && address.len < ADDRESS_MAX)
        set_address(p->learned, address);
}

void peers_learned_text(struct peers *ps, struct buf *out)
{
    for (size_t i = 0; i < ps->count; i++) {
        const struct peer *p = ps->peer[i];
        if (p->learned[0])
            buf_printf(out, "%s%llu=%s", buf_len(out) ? "," : "", (ull)p->id, p->learned);
    }
}

static void tell_unreachable(struct peer *p)
{
    raftcore_code code = raftcore_report_unreachable(p->host->node, p->id);

    if (code < 0 && code != RAFTCORE_E_NO_PEER)
        note("node %llu could not be reported unreachable: %s", (ull)p->id, host_detail(p->host));
    p->host->busy = true;
}

void peer_drop(struct peer *p, const char *why)
{
    if (p->connected)
        note("connection to node %llu at %s: %s", (ull)p->id, peer_address(p), why);
    loop_close(&p->watch);
    p->connected = false;
    buf_clear(&p->out);
    buf_clear(&p->in);
    p->backoff_ms = p->backoff_ms ? p->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (p->backoff_ms > BACKOFF_LAST_MS)
        p->backoff_ms = BACKOFF_LAST_MS;
    p->retry_at = now_ms() + p->backoff_ms;
    if (p->snapshot.step > SNAPSHOT_SUPPLIED)
        snapshot_end(p->host, p, false);
    tell_unreachable(p);
}

/* Checks the hello of the peer, which says whom this node has reached. Nothing else ever comes on
 * the connection. */
static bool check_hello(struct peer *p)
{
    raftcore_hello_info hello = {.struct_size = sizeof hello};

    if (buf_len(&p->in) < FRAME_HEAD)
        return true;
    size_t total = FRAME_HEAD + get_u32(p->in.ptr + p->in.start);
    if (total > HELLO_MAX)
        return false;
    if (buf_len(&p->in) < total)
        return true;
    if (raftcore_hello_read(p->in.ptr + p->in.start, total, &hello) != RAFTCORE_OK)
        return false;
    buf_consume(&p->in, total);
    if (hello.group == p->host->group && hello.id == p->id)
        return true;
    note("%s is node %llu of group %llu, not node %llu of group %llu", peer_address(p), (ull)hello.id,
         (ull)hello.group, (ull)p->id, (ull)p->host->group);
    return false;
}

static void flush(struct peer *p)
{
    size_t before = buf_len(&p->out);

    if (!p->connected)
        return;
    if (!net_write(&p->watch, &p->out)) {
        peer_drop(p, "lost");
        return;
    }
    if (buf_len(&p->out) < before || before == 0)
        p->stuck_since = now_ms();
    if (buf_len(&p->out) == 0)
        snapshot_drained(p->host, p);
    /* A portion of a snapshot per turn of the loop: clients and heartbeats have their turn in
     * between. */
    if (p->snapshot.step == SNAPSHOT_STREAMING)
        snapshot_fill(p->host, p);
    loop_set(&p->watch, EPOLLIN | (buf_len(&p->out) > 0 ? EPOLLOUT : 0u));
}

static void on_event(struct watch *w, uint32_t events)
{
    struct peer *p = container_of(w, struct peer, watch);

    if (!p->connected) {
        int error = net_dial_result(w->fd);
        if (error != 0) {
            peer_drop(p, strerror(error));
            return;
        }
        p->connected = true;
        p->backoff_ms = 0;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        if (!net_read(w, &p->in, HELLO_MAX)) {
            peer_drop(p, "closed");
            return;
        }
        if (!check_hello(p)) {
            peer_drop(p, "not the node we look for");
            p->backoff_ms = BACKOFF_LAST_MS;
            return;
        }
    }
    flush(p);
}

static bool dial(struct peer *p)
{
    size_t len = 0;

    if (peer_address(p)[0] == 0 || now_ms() < p->retry_at)
        return false;
    p->watch.fd = net_dial(peer_address(p));
    p->watch.fn = on_event;
    if (p->watch.fd < 0) {
        peer_drop(p, "can't dial");
        return false;
    }
    p->stuck_since = now_ms();
    loop_add(&p->watch, EPOLLIN | EPOLLOUT);
    raftcore_code code = raftcore_hello(p->host->node, buf_room(&p->out, HELLO_MAX), HELLO_MAX, &len);
    if (code != RAFTCORE_OK)
        host_fail(p->host, "hello", code);
    p->out.end += len;
    return true;
}

/* The first message opens the connection, so the connection to a removed member is not opened
 * again. */
bool peers_send(struct peers *ps, uint64_t to, const raftcore_slice *parts, size_t count, size_t bytes)
{
    struct peer *p = peers_find(ps, to);

    if (!p)
        return false;
    if ((p->watch.fd < 0 && !dial(p)) || buf_len(&p->out) + bytes > PEER_OUT_MAX) {
        tell_unreachable(p);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        buf_add(&p->out, parts[i].ptr, parts[i].len);
    return true;
}

void peers_greet(struct peers *ps)
{
    for (size_t i = 0; i < ps->count; i++)
        if (ps->peer[i]->id != ps->host->id)
            peers_send(ps, ps->peer[i]->id, NULL, 0, 0);
}

void peers_is_back(struct peers *ps, uint64_t id)
{
    struct peer *p = peers_find(ps, id);

    if (p && p->watch.fd < 0)
        p->retry_at = p->backoff_ms = 0;
}

void peers_flush(struct peers *ps)
{
    for (size_t i = 0; i < ps->count; i++)
        if (buf_len(&ps->peer[i]->out) > 0)
            flush(ps->peer[i]);
}

void peers_tick(struct peers *ps)
{
    int64_t now = now_ms();

    for (size_t i = 0; i < ps->count; i++) {
        struct peer *p = ps->peer[i];
        if (p->watch.fd >= 0 && buf_len(&p->out) > 0 && now - p->stuck_since > STUCK_MS)
            peer_drop(p, "takes no bytes any more");
    }
}

static void on_listener(struct watch *w, uint32_t events)
{
    struct peers *ps = container_of(w, struct peers, listener);
    int fd;

    (void)events;
    while ((fd = net_accept(w->fd)) >= 0)
        incoming_open(ps, fd);
}

void peers_open(struct peers *ps, struct host *h, const char *listen)
{
    ps->host = h;
    ps->listener = (struct watch){.fd = net_listen(listen), .fn = on_listener};
    loop_add(&ps->listener, EPOLLIN);
}
