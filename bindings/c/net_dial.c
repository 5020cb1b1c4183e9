/*
 * net_dial.c: addresses, lookups of names, dialling with backoff.
 *
 * An address of digits is dialled at once. A name is looked up at each attempt, by getaddrinfo in a
 * helper thread; attempts go through the addresses found in turn.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net_parts.h"

#define FIRST_WAIT (50 * RH_MS)
#define LAST_WAIT (2000 * RH_MS)
#define LONG_WAIT (60000 * RH_MS)

/* ---- addresses ---- */

static bool split(const char *text, char host[RH_WIRE_ADDRESS_MAX + 1], const char **port)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;

    if (len == 0 || len > RH_WIRE_ADDRESS_MAX)
        return false;
    if (text[0] == '[' && colon[-1] == ']') {
        text++;
        len -= 2;
    }
    memcpy(host, text, len);
    host[len] = 0;
    *port = colon + 1;
    return true;
}

static int find(const char *text, int flags, struct rh_address *out, size_t cap)
{
    char host[RH_WIRE_ADDRESS_MAX + 1];
    const char *port;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    size_t n = 0;

    if (!split(text, host, &port))
        return EAI_NONAME;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0)
        return error;
    memset(out, 0, cap * sizeof *out);
    for (const struct addrinfo *a = found; a && n < cap; a = a->ai_next) {
        if (a->ai_addrlen > sizeof out->at)
            continue;
        memcpy(&out[n].at, a->ai_addr, a->ai_addrlen);
        out[n++].len = a->ai_addrlen;
    }
    freeaddrinfo(found);
    return n > 0 ? 0 : EAI_NONAME;
}

int rh_address_numeric(const char *text, struct rh_address *out)
{
    char host[RH_WIRE_ADDRESS_MAX + 1];
    const char *port;

    if (!split(text, host, &port))
        return -1;
    return find(text, AI_NUMERICHOST, out, 1) == 0 ? 1 : 0;
}

int rh_address_lookup(const char *text, struct rh_address out[RH_NET_ADDRESSES], char words[120])
{
    int error = find(text, 0, out, RH_NET_ADDRESSES);

    if (error != 0)
        snprintf(words, 120, "%.60s: %.50s", text, gai_strerror(error));
    return error;
}

void rh_address_text(const struct sockaddr_storage *at, char *to, size_t cap)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (at->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)at;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(to, cap, "%s:%u", host, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)at;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(to, cap, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}

/* ---- backoff ---- */

struct rh_dial *rh_dial_of(struct rh_conn *c)
{
    struct rh_peer *p;

    if (!c->dialled)
        return NULL;
    if (c->channel == RH_WIRE_JOINING)
        return c->net->join.dial.conn == c ? &c->net->join.dial : NULL;
    p = rh_peer_find(c->net, c->id);
    if (!p)
        return NULL;
    struct rh_dial *d = c->channel == RH_WIRE_PEER ? &p->dial : &p->bulk;
    return d->conn == c ? d : NULL;
}

void rh_dial_failed(struct rh_tcp *net, struct rh_dial *d)
{
    d->wait = d->wait ? 2 * d->wait : FIRST_WAIT;
    if (d->wait > LAST_WAIT)
        d->wait = LAST_WAIT;
    d->retry_at = net->now + d->wait + rh_net_random(net) % (d->wait / 4);
    if (d->retry_at < d->held_until)
        d->retry_at = d->held_until;
    rh_net_wake(net, d->retry_at);
}

void rh_dial_reset(struct rh_tcp *net, struct rh_dial *d)
{
    d->wait = d->retry_at = d->held_until = 0;
    rh_net_wake(net, net->now);
}

void rh_dial_hold(struct rh_tcp *net, struct rh_dial *d, uint16_t code, uint32_t retry_ms)
{
    uint64_t wait = retry_ms * RH_MS;

    switch (code) {
    case RH_WIRE_R_VERSION: case RH_WIRE_R_GROUP: case RH_WIRE_R_ID: case RH_WIRE_R_FOUNDING:
    case RH_WIRE_R_CERTIFICATE: case RH_WIRE_R_NOT_MEMBER: case RH_WIRE_R_UNKNOWN_FRAME:
    case RH_WIRE_R_UNKNOWN_VALUE:
        if (wait < LONG_WAIT)
            wait = LONG_WAIT;
        break;
    case RH_WIRE_R_DISK:
        d->held_until = RH_NEVER;       /* until the peer dials, or its address changes */
        return;
    default:
        break;
    }
    d->held_until = net->now + wait;
}

bool rh_dial_is_held(const struct rh_tcp *net, const struct rh_dial *d)
{
    return !d->conn && d->held_until > net->now;
}

/* ---- dialling ---- */

static int socket_for(struct rh_tcp *net, const struct rh_address *to)
{
    int family = to->at.ss_family;

    for (;;) {
        int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 || !rh_out_of_descriptors(errno) || !rh_spare_use(net, NULL))
            return fd;
    }
}

static void dial_to(struct rh_tcp *net, struct rh_dial *d, const struct rh_address *to, uint8_t channel, uint64_t id)
{
    int one = 1, fd = socket_for(net, to);
    struct rh_peer *p = rh_peer_find(net, id);
    char words[160];

    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(fd, (const struct sockaddr *)&to->at, to->len) == 0 || errno == EINPROGRESS) {
            struct rh_conn *c = rh_conn_new(net, fd, RH_CONN_DIALS);
            if (!c) {
                rh_dial_failed(net, d);
                return;
            }
            c->dialled = true;
            c->channel = channel;
            c->id = id;
            rh_address_text(&to->at, c->from, sizeof c->from);
            d->conn = c;
            return;
        }
    }
    snprintf(words, sizeof words, "dialling %.60s: %.60s", d->address, strerror(errno));
    if (fd >= 0)
        close(fd);
    rh_dial_failed(net, d);
    if (channel == RH_WIRE_BULK && p) {
        rh_sending_lost(net, p, words);
    } else if (channel == RH_WIRE_PEER && p) {
        p->totals.breaks++;
        rh_buf_free(&p->queue);
        net->events->lost(net->driver, id, words);
    }
}

/* ---- names ---- */

struct lookup {
    struct rh_job job;
    uint64_t number;
    char name[RH_WIRE_ADDRESS_MAX + 1];
    int error;
    struct rh_address found[RH_NET_ADDRESSES];
    char words[120];
};

static void look_up(struct rh_job *job)
{
    struct lookup *l = (struct lookup *)job;

    l->error = rh_address_lookup(l->name, l->found, l->words);
}

static void use(struct rh_tcp *net, struct rh_dial *d, const struct lookup *l, uint8_t channel, uint64_t id)
{
    size_t n = 0;
    struct rh_peer *p = rh_peer_find(net, id);

    d->lookup = 0;
    if (l->error == 0) {
        while (n < RH_NET_ADDRESSES && l->found[n].len > 0)
            n++;
        dial_to(net, d, &l->found[d->attempts++ % n], channel, id);
        return;
    }
    if (rh_tell_first(net, l->name, RH_TOLD_LOOKUP))
        rh_say(net, RH_LOG_WARNING, "looking up %s", l->words);
    rh_dial_failed(net, d);
    if (channel == RH_WIRE_BULK && p) {
        rh_sending_lost(net, p, l->words);
    } else if (channel == RH_WIRE_PEER && p) {
        rh_buf_free(&p->queue);
        net->events->lost(net->driver, id, l->words);
    }
}

static void looked_up(struct rh_tcp *net, struct rh_job *job)
{
    struct lookup *l = (struct lookup *)job;

    if (net && net->join.dial.lookup == l->number)
        use(net, &net->join.dial, l, RH_WIRE_JOINING, 0);
    for (struct rh_peer *p = net ? net->peers : NULL; p; p = p->next) {
        if (p->dial.lookup == l->number && !p->gone)
            use(net, &p->dial, l, RH_WIRE_PEER, p->id);
        else if (p->bulk.lookup == l->number && !p->gone)
            use(net, &p->bulk, l, RH_WIRE_BULK, p->id);
    }
    free(l);
}

static void begin_lookup(struct rh_tcp *net, struct rh_dial *d)
{
    struct lookup *l = calloc(1, sizeof *l);

    if (l) {
        l->job.run = look_up;
        l->job.done = looked_up;
        l->number = d->lookup = ++net->numbers;
        snprintf(l->name, sizeof l->name, "%s", d->address);
        if (rh_work_apart(net->work, &l->job))
            return;
        free(l);
    }
    d->lookup = 0;
    rh_dial_failed(net, d);
}

void rh_dial(struct rh_tcp *net, struct rh_dial *d, uint8_t channel, uint64_t id)
{
    struct rh_address to;

    if (d->conn || d->lookup || !d->address[0])
        return;
    if (net->now < d->retry_at) {
        rh_net_wake(net, d->retry_at);
        return;
    }
    if (rh_address_numeric(d->address, &to) == 1)
        dial_to(net, d, &to, channel, id);
    else
        begin_lookup(net, d);
}
