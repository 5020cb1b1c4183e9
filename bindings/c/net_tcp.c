/* net_tcp.c: the transport's turn, its peers, and the calls of a driver. */
#include "net_tcp_parts.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HELLO_US = 3000000, PING_US = 5000000, SILENT_US = 15000000, STEP_US = 50000, EVENTS = 64, ROUNDS = 16 };

struct rh_peer *rh_peer_find(struct rh_tcp *t, uint64_t id)
{
    for (size_t i = 0; i < t->n_peers; i++)
        if (t->peers[i].id == id)
            return &t->peers[i];
    return NULL;
}

/* ---- the calls of a driver ---- */

static int op_peer(void *net, uint64_t id, const char *address)
{
    struct rh_tcp *t = net;
    struct rh_peer *p = rh_peer_find(t, id);

    if (address[0] && !rh_wire_is_address((raftcore_slice){(const uint8_t *)address, strlen(address)}))
        return RH_E_ARG;
    if (!p && t->n_peers == t->cap_peers) {
        struct rh_peer *more = realloc(t->peers, (t->cap_peers + 16) * sizeof *more);
        if (!more)
            return RH_E_NOMEM;
        t->peers = more;
        t->cap_peers += 16;
    }
    if (!p) {
        p = &t->peers[t->n_peers++];
        *p = (struct rh_peer){.id = id};
    }
    if (strcmp(p->address, address) == 0)
        return RH_OK;
    snprintf(p->address, sizeof p->address, "%s", address);
    p->not_before = p->wait = 0;
    for (struct rh_conn *c = t->conns; c; c = c->next)  /* closed at the next turn: no call of the driver here */
        if (c->peer == id && (c->dialled || !address[0]))
            c->opened = c->heard = 0;
    return RH_OK;
}

static int op_send(void *net, uint64_t to, const raftcore_slice *frames, size_t n)
{
    struct rh_tcp *t = net;
    struct rh_peer *p = rh_peer_find(t, to);
    size_t len = 0;

    if (!p || !p->address[0])
        return RH_E_RANGE;
    if (!p->conn) {
        if (t->now < p->not_before || !(p->conn = rh_conn_dial(t, p->address, to, RH_WIRE_PEER)))
            return RH_E_SMALL;
    }
    struct rh_conn *c = p->conn;
    struct rh_bytes *b = c->state == RH_CONN_READY ? &c->out : &c->held;
    for (size_t i = 0; i < n; i++)
        len += frames[i].len;
    if (b->end - b->begin + len > RH_TCP_QUEUE_MAX)
        return RH_E_SMALL;
    size_t before = b->end;
    for (size_t i = 0; i < n; i++)
        if (rh_bytes_add(b, frames[i].ptr, frames[i].len) != RH_OK) {
            b->end = before > b->begin ? before : b->end;
            return RH_E_SMALL;
        }
    return RH_OK;
}

static int op_answer(void *net, uint64_t from, const struct rh_wire_frame *frame)
{
    struct rh_tcp *t = net;

    for (struct rh_conn *c = t->conns; c; c = c->next)
        if (c->number == from && !c->dead)
            return rh_conn_frame(c, frame);
    return RH_NONE;
}

static void op_withdraw(void *net, uint64_t to)
{
    struct rh_tcp *t = net;

    for (struct rh_conn *c = t->conns; c; c = c->next)
        if (c->peer == to && c->reader && !c->dead)
            rh_conn_end(c, NULL);
}

static int op_offer(void *net, uint64_t to, const struct rh_snapshot *what)
{
    struct rh_tcp *t = net;
    struct rh_peer *p = rh_peer_find(t, to);
    struct rh_snapshot_reader *r;
    int code = p && p->address[0] ? rh_snapshot_open(t->dir, what, &r, NULL) : RH_E_RANGE;

    if (code != RH_OK)
        return code;
    op_withdraw(net, to);
    struct rh_conn *c = rh_conn_dial(t, p->address, to, RH_WIRE_BULK);
    if (!c) {
        rh_snapshot_close(r);
        return RH_E_NET;
    }
    c->what = *what;
    c->reader = r;
    return RH_OK;
}

static int op_join(void *net, const char *address, uint8_t want)
{
    struct rh_tcp *t = net;

    if (!rh_wire_is_address((raftcore_slice){(const uint8_t *)address, strlen(address)}))
        return RH_E_ARG;
    snprintf(t->join_address, sizeof t->join_address, "%s", address);
    t->join_want = want;
    t->joining = true;
    t->join_at = t->now;
    return RH_OK;
}

static void op_founding(void *net, const uint8_t founding[RH_WIRE_ID])
{
    struct rh_tcp *t = net;

    memcpy(t->self.founding, founding, RH_WIRE_ID);
    t->self.empty = false;
}

static const struct rh_net_ops ops = {
    .struct_size = sizeof ops,
    .peer = op_peer,
    .send = op_send,
    .answer = op_answer,
    .offer = op_offer,
    .withdraw = op_withdraw,
    .join = op_join,
    .founding = op_founding,
};

/* ---- the turn ---- */

static void keep_alive(struct rh_conn *c)
{
    struct rh_tcp *t = c->net;
    struct rh_wire_frame f = {.group = t->self.group, .type = RH_WIRE_PING};

    if (c->state != RH_CONN_READY ? t->now - c->opened > HELLO_US : t->now - c->heard > SILENT_US)
        rh_conn_end(c, c->state == RH_CONN_READY ? "the peer is silent" : "no answer to the hello");
    else if (c->state == RH_CONN_READY && c->dialled && t->now - c->sent > PING_US) {
        c->sent = t->now;
        rh_conn_frame(c, &f);
    }
}

static void join_turn(struct rh_tcp *t)
{
    struct rh_conn *c = t->conns;

    while (c && !(c->dialled && c->channel == RH_WIRE_JOINING && !c->dead))
        c = c->next;
    if (!t->joining)
        return;
    if (!c && t->now >= t->join_at) {
        t->join_at = t->now + 200000;
        rh_conn_dial(t, t->join_address, 0, RH_WIRE_JOINING);
    } else if (c && c->ask_at && t->now >= c->ask_at) {
        struct rh_wire_frame f = {.group = t->self.group, .type = RH_WIRE_JOIN, .join = {.want = t->join_want}};
        c->ask_at = 0;
        rh_conn_frame(c, &f);
    }
}

static void sweep(struct rh_tcp *t)
{
    for (struct rh_conn **at = &t->conns; *at;) {
        struct rh_conn *c = *at;
        if (!c->dead) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        rh_conn_free(c);
    }
}

void rh_net_tcp_turn(struct rh_net net, uint64_t now)
{
    struct rh_tcp *t = net.self;
    struct epoll_event e[EVENTS];

    t->now = now;
    for (int round = 0, n = EVENTS; n == EVENTS && round < ROUNDS; round++) {
        n = epoll_wait(t->epoll, e, EVENTS, 0);
        for (int i = 0; i < n; i++) {
            if (e[i].data.ptr)
                rh_conn_turn(e[i].data.ptr, e[i].events);
            else
                rh_conn_accept(t);
        }
    }
    for (struct rh_conn *c = t->conns; c; c = c->next)
        if (!c->dead)
            keep_alive(c);
    join_turn(t);
    for (struct rh_conn *c = t->conns; c; c = c->next)
        rh_conn_flush(c);
    sweep(t);
}

uint64_t rh_net_tcp_due(struct rh_net net, uint64_t now)
{
    const struct rh_tcp *t = net.self;

    return t->joining || t->conns ? now + STEP_US : now + 1000000;
}

int rh_net_tcp_fd(struct rh_net net)
{
    return ((struct rh_tcp *)net.self)->epoll;
}

/* ---- open and close ---- */

static int listen_at(const char *address, struct rh_words *why)
{
    char host[RH_WIRE_ADDRESS_MAX + 1];
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int on = 1, fd = -1;

    if (!colon || colon - address > RH_WIRE_ADDRESS_MAX)
        return rh_fail(why, -1, "%s is no address", address);
    size_t len = (size_t)(colon - address);
    bool brackets = len > 1 && address[0] == '[';
    memcpy(host, address + brackets, len - 2 * brackets);
    host[len - 2 * brackets] = 0;
    int bad = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found);
    if (bad)
        return rh_fail(why, -1, "%s: %s", address, gai_strerror(bad));
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 128) != 0) {
        rh_fail(why, -1, "%s: %s", address, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

int rh_net_tcp_open(const struct rh_net_tcp_options *o, struct rh_net *out, struct rh_words *why)
{
    struct rh_tcp *t;
    struct epoll_event e = {.events = EPOLLIN};

    if (o->tls_ca || o->tls_cert || o->tls_key)
        return rh_fail(why, RH_E_NET, "TLS is not built in");
    if (!(t = calloc(1, sizeof *t)))
        return rh_fail(why, RH_E_NOMEM, "no memory");
    t->self = o->self;
    t->dir = o->dir;
    t->events = o->events;
    t->driver = o->driver;
    t->listener = listen_at(o->listen, why);
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    *out = (struct rh_net){&ops, t};
    if (t->listener >= 0 && t->epoll >= 0 && epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->listener, &e) == 0 &&
        getrandom(&t->start, sizeof t->start, 0) == (ssize_t)sizeof t->start)
        return RH_OK;
    if (t->listener >= 0)
        rh_fail(why, RH_E_NET, "epoll: %s", strerror(errno));
    rh_net_tcp_close(*out);
    return RH_E_NET;
}

void rh_net_tcp_close(struct rh_net net)
{
    struct rh_tcp *t = net.self;

    for (struct rh_conn *c = t->conns; c; c = c->next) {
        if (c->dead)
            continue;
        c->dead = true;
        close(c->fd);
        if (c->reader)
            rh_snapshot_close(c->reader);
        if (c->receiver)
            rh_snapshot_stop(c->receiver);
    }
    sweep(t);
    if (t->listener >= 0)
        close(t->listener);
    if (t->epoll >= 0)
        close(t->epoll);
    free(t->peers);
    free(t);
}
