/*
 * net_tcp.c: the TCP transport as a whole: open, turn, timers, close, counters.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "net_parts.h"

enum {
    EVENTS = 64,
    ROUNDS = 4,                         /* of EVENTS in a turn */
    BYTES_DEFAULT = 64 << 20,
    FRAME_MOST = 1 << 30,               /* of the protocol */
    CHUNK_FRAME = (1 << 20) + 48,       /* a chunk of the largest size */
    SPARES_MAX = 1024,
};

/* xorshift; for backoff only. */
uint64_t rh_net_random(struct rh_tcp *net)
{
    net->random ^= net->random << 13;
    net->random ^= net->random >> 7;
    net->random ^= net->random << 17;
    return net->random;
}

struct rh_peer *rh_peer_find(struct rh_tcp *net, uint64_t id)
{
    for (struct rh_peer *p = net->peers; p; p = p->next)
        if (p->id == id && !p->gone)
            return p;
    return NULL;
}

static void free_peer(struct rh_peer *p)
{
    rh_sending_free(&p->sending);
    rh_buf_free(&p->queue);
    free(p);
}

void rh_peers_bury(struct rh_tcp *net)
{
    if (!net->any_gone)
        return;
    net->any_gone = false;
    for (struct rh_peer **at = &net->peers; *at;) {
        struct rh_peer *p = *at;
        if (!p->gone) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        free_peer(p);
    }
}

/* ---- open ---- */

static int check(const struct rh_net_tcp_options *o, struct rh_words *why)
{
    int files = (o->tls_ca != NULL) + (o->tls_cert != NULL) + (o->tls_key != NULL);

    if (o->struct_size != sizeof *o)
        return rh_fail(why, RH_E_ARG, "struct_size of rh_net_tcp_options is %u, expected %zu", o->struct_size,
                       sizeof *o);
    if (o->self.id == 0 || !o->dir || !o->events)
        return rh_fail(why, RH_E_ARG, "a transport needs an id, a directory and events");
    if (o->spares > SPARES_MAX)
        return rh_fail(why, RH_E_ARG, "spares is %u: at most %u are allowed", o->spares, SPARES_MAX);
    if (files != 0 && files != 3)
        return rh_fail(why, RH_E_ARG, "TLS needs tls_ca, tls_cert and tls_key, or none of them");
    return RH_OK;
}

static int open_all(struct rh_tcp *net, const struct rh_net_tcp_options *o, struct rh_words *why)
{
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (net->epoll < 0)
        return rh_fail(why, RH_E_IO, "epoll_create1: %s", strerror(errno));
    net->work = rh_work_open(why);
    if (!net->work)
        return RH_E_NOMEM;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = net->work};
    if (epoll_ctl(net->epoll, EPOLL_CTL_ADD, rh_work_fd(net->work), &e) != 0)
        return rh_fail(why, RH_E_IO, "epoll_ctl: %s", strerror(errno));
    if (getrandom(&net->start, sizeof net->start, 0) != sizeof net->start ||
        getrandom(&net->random, sizeof net->random, 0) != sizeof net->random)
        return rh_fail(why, RH_E_IO, "getrandom: %s", strerror(errno));
    net->random |= 1;
    net->spare = calloc(net->want_spare, sizeof *net->spare);
    if (!net->spare)
        return rh_fail(why, RH_E_NOMEM, "no memory for a transport");
    if (o->tls_ca) {
        int code = rh_tls_open(o, &net->tls, why);
        if (code != RH_OK)
            return code;
    }
    int code = rh_net_listen(net, o->listen ? o->listen : o->self.peer_address, why);
    if (code == RH_OK)
        rh_spares_refill(net);
    return code;
}

static void free_all(struct rh_tcp *net)
{
    while (net->conns) {
        struct rh_conn *c = net->conns;
        net->conns = c->next;
        rh_conn_free(c);
    }
    while (net->peers) {
        struct rh_peer *p = net->peers;
        net->peers = p->next;
        free_peer(p);
    }
    rh_take_close(net);
    if (net->work)
        rh_work_close(net->work);
    while (net->n_spare > 0)
        close(net->spare[--net->n_spare]);
    free(net->spare);
    rh_unlisten(net->listener);
    if (net->epoll >= 0)
        close(net->epoll);
    rh_tls_free(net->tls);
    free(net);
}

int rh_net_tcp_try(const struct rh_net_tcp_options *o, struct rh_words *why)
{
    struct rh_tls *tls = NULL;
    int fd, code = check(o, why);

    if (code == RH_OK && o->tls_ca)
        code = rh_tls_open(o, &tls, why);
    rh_tls_free(tls);
    if (code == RH_OK)
        code = rh_listen(o->listen ? o->listen : o->self.peer_address, &fd, why);
    if (code == RH_OK)
        rh_unlisten(fd);
    return code;
}

int rh_net_tcp_open(const struct rh_net_tcp_options *o, struct rh_net *out, struct rh_words *why)
{
    int code = check(o, why);

    if (code != RH_OK)
        return code;
    struct rh_tcp *net = calloc(1, sizeof *net);
    if (!net)
        return rh_fail(why, RH_E_NOMEM, "no memory for a transport");
    net->self = o->self;
    net->dir = o->dir;
    net->events = o->events;
    net->driver = o->driver;
    net->log = o->log;
    net->log_context = o->log_context;
    net->frame_limit = o->frame_limit ? o->frame_limit : BYTES_DEFAULT;
    if (net->frame_limit > FRAME_MOST)
        net->frame_limit = FRAME_MOST;
    net->queue_bytes = o->queue_bytes ? o->queue_bytes : BYTES_DEFAULT;
    net->max_frame = net->frame_limit < CHUNK_FRAME ? CHUNK_FRAME : (uint32_t)net->frame_limit;
    net->want_spare = o->spares ? o->spares : RH_NET_SPARES;
    net->epoll = net->listener = -1;
    net->refill_at = net->accept_at = RH_NEVER;
    code = open_all(net, o, why);
    if (code != RH_OK) {
        free_all(net);
        return code;
    }
    *out = (struct rh_net){&rh_net_tcp_ops, net};
    return RH_OK;
}

int rh_net_tcp_fd(struct rh_net n)
{
    return ((struct rh_tcp *)n.self)->epoll;
}

/* ---- the turn ---- */

static void accept_again(struct rh_tcp *net)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &net->listener};

    if (epoll_ctl(net->epoll, EPOLL_CTL_ADD, net->listener, &e) == 0)
        net->accept_at = RH_NEVER;
    else
        rh_net_wake(net, net->accept_at = net->now + 100 * RH_MS);
}

static void run_timers(struct rh_tcp *net)
{
    net->timer = RH_NEVER;
    for (struct rh_conn *c = net->conns, *next; c; c = next) {
        next = c->next;
        rh_conn_timers(c);
    }
    for (struct rh_peer *p = net->peers; p; p = p->next) {
        if (p->gone)
            continue;
        if (rh_buf_len(&p->queue) > 0)
            rh_dial(net, &p->dial, RH_WIRE_PEER, p->id);
        if (p->sending.active)
            rh_dial(net, &p->bulk, RH_WIRE_BULK, p->id);
        rh_sending_pump(net, p);
    }
    if (net->join.active)
        rh_dial(net, &net->join.dial, RH_WIRE_JOINING, 0);
    if (net->refill_at <= net->now)
        rh_spares_refill(net);
    if (net->accept_at <= net->now)
        accept_again(net);
    rh_net_wake(net, net->refill_at < net->accept_at ? net->refill_at : net->accept_at);
}

/* Sends what waited for a connection. */
static void opened(struct rh_conn *c)
{
    struct rh_tcp *net = c->net;
    struct rh_peer *p = c->dialled ? rh_peer_find(net, c->id) : NULL;
    struct rh_dial *d = rh_dial_of(c);

    if (d)
        d->wait = d->retry_at = d->held_until = 0;
    if (c->channel == RH_WIRE_JOINING && d) {
        c->ask_at = net->now;
        rh_net_wake(net, net->now);
    }
    if (!p || !d)
        return;
    if (c->channel == RH_WIRE_BULK) {
        rh_sending_open(c);
        return;
    }
    struct rh_wire_span span;
    const uint8_t *at = p->queue.at + p->queue.start, *end = p->queue.at + p->queue.end;
    for (; at < end; at += span.bytes) {
        if (rh_wire_next(at, (size_t)(end - at), c->their_max, &span) != RH_WIRE_OK) {
            rh_conn_break(c, "a frame is longer than the %u bytes that node %llu takes", c->their_max, (ull)c->id);
            return;
        }
    }
    if (rh_buf_add(&c->out, p->queue.at + p->queue.start, rh_buf_len(&p->queue)))
        rh_buf_free(&p->queue);
    else
        rh_conn_break(c, "no memory for the queue");
    rh_conn_flush(c);
}

static void on_conn(struct rh_conn *c, uint32_t events)
{
    bool before = c->was_open;

    rh_conn_events(c, events);
    if (!c->broken && c->was_open && !before && c->state == RH_CONN_OPEN)
        opened(c);
    if (c->dialled && c->channel == RH_WIRE_BULK && !c->broken) {
        struct rh_peer *p = rh_peer_find(c->net, c->id);
        if (p && p->bulk.conn == c)
            rh_sending_pump(c->net, p);
    }
}

static void on_events(struct rh_tcp *net)
{
    struct epoll_event events[EVENTS];

    for (int round = 0; round < ROUNDS; round++) {
        int n = epoll_wait(net->epoll, events, EVENTS, 0);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &net->listener)
                rh_accept_all(net);
            else if (events[i].data.ptr == net->work)
                rh_work_collect(net);
            else
                on_conn(events[i].data.ptr, events[i].events);
        }
        if (n < EVENTS)
            break;
    }
}

void rh_net_tcp_turn(struct rh_net n, uint64_t now)
{
    struct rh_tcp *net = n.self;

    net->in_turn = true;
    net->now = now;
    on_events(net);
    for (struct rh_conn *c = net->conns; c; c = c->next)
        if (c->more)
            on_conn(c, EPOLLIN);
    if (net->timer <= now)
        run_timers(net);
    if (net->any_broken)
        rh_conns_bury(net);
    rh_peers_bury(net);
    for (struct rh_conn *c = net->conns; c; c = c->next)
        if (c->more)
            rh_net_wake(net, now);
    net->in_turn = false;
}

uint64_t rh_net_tcp_due(struct rh_net n, uint64_t now)
{
    const struct rh_tcp *net = n.self;

    return net->timer < now ? now : net->timer;
}

int rh_net_tcp_reload(struct rh_net n, struct rh_words *why)
{
    struct rh_tcp *net = n.self;

    if (!net->tls)
        return rh_fail(why, RH_E_STATE, "the transport is plain TCP");
    rh_spare_room(net, 2);
    return rh_tls_reload(net->tls, why);
}

void rh_net_tcp_close(struct rh_net n)
{
    struct rh_tcp *net = n.self;
    static const char words[] = "the process ends";

    for (struct rh_conn *c = net->conns; c; c = c->next)
        if (c->state == RH_CONN_OPEN && !c->broken)
            rh_conn_frame(c, (struct rh_wire_frame){.type = RH_WIRE_REJECT,
                                                    .reject = {RH_WIRE_R_SHUTTING_DOWN, 0,
                                                               {(const uint8_t *)words, sizeof words - 1}}});
    free_all(net);
}

/* ---- counters ---- */

void rh_net_tcp_totals(struct rh_net n, struct rh_net_totals *out)
{
    struct rh_tcp *net = n.self;

    net->totals.half_open = rh_half_open(net);
    net->totals.spares = net->n_spare;
    *out = net->totals;
}

static void fill_in(struct rh_tcp *net, struct rh_peer *p, struct rh_net_peer_totals *out)
{
    struct rh_conn *dialled = p->dial.conn;

    *out = p->totals;
    out->up_out = dialled && dialled->state == RH_CONN_OPEN && !dialled->broken;
    out->queued = rh_buf_len(&p->queue) + (dialled ? rh_buf_len(&dialled->out) : 0);
    for (struct rh_conn *c = net->conns; c; c = c->next)
        out->up_in |= !c->dialled && c->id == p->id && c->channel == RH_WIRE_PEER && c->state == RH_CONN_OPEN &&
                      !c->broken;
}

size_t rh_net_tcp_peers(struct rh_net n, struct rh_net_peer_totals *out, size_t cap)
{
    struct rh_tcp *net = n.self;
    size_t count = 0;

    for (struct rh_peer *p = net->peers; p; p = p->next) {
        if (p->gone)
            continue;
        if (count < cap)
            fill_in(net, p, &out[count]);
        count++;
    }
    return count;
}

uint16_t rh_net_tcp_port(struct rh_net n)
{
    const struct rh_tcp *net = n.self;
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;

    if (getsockname(net->listener, (struct sockaddr *)&at, &len) != 0)
        return 0;
    return at.ss_family == AF_INET ? ntohs(((const struct sockaddr_in *)&at)->sin_port)
                                   : ntohs(((const struct sockaddr_in6 *)&at)->sin6_port);
}
