/*
 * net_listen.c: incoming connections, strangers among them, and the spare descriptors.
 *
 * Whoever accepts a connection knows nothing of the other side yet. So connections without a hello
 * are few, short-lived, and the first to go when descriptors run out. Spare descriptors are open on
 * nothing; a connection from or to a member takes the place of a spare one in need.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net_parts.h"

enum { BACKLOG = 511, ACCEPTS = 64 };

#define REFILL_EVERY (1000 * RH_MS)
#define A_MEMBER_SPEAKS (500 * RH_MS)
#define REST (100 * RH_MS)              /* before accepting again, when nothing could be done */

static int listen_at(const struct rh_address *at, const char *address, int *out, struct rh_words *why)
{
    int one = 1, fd = socket(at->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return rh_fail(why, RH_E_NET, "socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&at->at, at->len) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        return rh_fail(why, RH_E_NET, "listening on %s: %s", address, strerror(error));
    }
    *out = fd;
    return RH_OK;
}

int rh_listen(const char *address, int *fd, struct rh_words *why)
{
    struct rh_address at[RH_NET_ADDRESSES];
    char words[120] = "", all[32];
    size_t best = 0;

    *fd = -1;
    if (address[0] == ':' && (size_t)snprintf(all, sizeof all, "0.0.0.0%s", address) < sizeof all)
        address = all;
    if (rh_address_lookup(address, at, words) != 0)
        return rh_fail(why, RH_E_NET, "%s is no HOST:PORT to listen on: %s", address, words);
    for (size_t i = 1; i < RH_NET_ADDRESSES && at[best].at.ss_family != AF_INET; i++)
        if (at[i].at.ss_family == AF_INET)
            best = i;                   /* "localhost" means 127.0.0.1 */
    return listen_at(&at[best], address, fd, why);
}

void rh_unlisten(int fd)
{
    if (fd < 0)
        return;
    shutdown(fd, SHUT_RDWR);
    close(fd);
}

int rh_net_listen(struct rh_tcp *net, const char *address, struct rh_words *why)
{
    int code = rh_listen(address, &net->listener, why);

    if (code != RH_OK)
        return code;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &net->listener};
    if (epoll_ctl(net->epoll, EPOLL_CTL_ADD, net->listener, &e) != 0)
        return rh_fail(why, RH_E_IO, "epoll_ctl: %s", strerror(errno));
    return RH_OK;
}

/* ---- spare descriptors ---- */

bool rh_out_of_descriptors(int error)
{
    return error == EMFILE || error == ENFILE;
}

void rh_spares_refill(struct rh_tcp *net)
{
    while (net->n_spare < net->want_spare) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            break;
        net->spare[net->n_spare++] = fd;
    }
    if (net->n_spare < net->want_spare)
        rh_net_wake(net, net->refill_at = net->now + REFILL_EVERY);
    else
        net->refill_at = RH_NEVER;
}

static bool is_half_open(const struct rh_conn *c)
{
    return !c->dialled && !c->was_open && !c->broken;
}

uint32_t rh_half_open(const struct rh_tcp *net)
{
    uint32_t n = 0;

    for (const struct rh_conn *c = net->conns; c; c = c->next)
        n += is_half_open(c);
    return n;
}

static struct rh_conn *oldest_half_open(struct rh_tcp *net, const struct rh_conn *except)
{
    struct rh_conn *oldest = NULL;

    for (struct rh_conn *c = net->conns; c; c = c->next)
        if (is_half_open(c) && c != except && (!oldest || c->number < oldest->number))
            oldest = c;
    return oldest;
}

/* Closes the descriptor at once; the rest is buried at the end of the turn. */
static void drop(struct rh_conn *c, const char *words)
{
    rh_conn_break(c, "%s", words);
    rh_tls_end(c);
    close(c->fd);
    c->fd = -1;
}

/*
 * A member sends its hello at once. So a connection that has waited for long is a stranger's, and goes
 * first; a young one goes last.
 */
bool rh_spare_use(struct rh_tcp *net, const struct rh_conn *except)
{
    struct rh_conn *stranger = net->in_turn ? oldest_half_open(net, except) : NULL;
    bool patient = stranger && net->now - stranger->since > A_MEMBER_SPEAKS;

    net->totals.no_descriptor++;
    if (rh_tell_first(net, "", RH_TOLD_NO_DESCRIPTOR))
        rh_say(net, RH_LOG_WARNING, "the process is out of descriptors: raise its limit (RLIMIT_NOFILE)");
    if (patient || (stranger && net->n_spare == 0)) {
        drop(stranger, "dropped: the process is out of descriptors");
        return true;
    }
    if (net->n_spare == 0)
        return false;
    close(net->spare[--net->n_spare]);
    rh_net_wake(net, net->refill_at = net->now + REFILL_EVERY);
    return true;
}

void rh_spare_room(struct rh_tcp *net, unsigned n)
{
    int fd[8];
    unsigned got = 0;

    while (got < n && got < 8) {
        fd[got] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd[got] >= 0)
            got++;
        else if (!rh_out_of_descriptors(errno) || !rh_spare_use(net, NULL))
            break;
    }
    while (got > 0)
        close(fd[--got]);
}

/* ---- accepting ---- */

static void take_in(struct rh_tcp *net, int fd, const struct sockaddr_storage *from, bool on_spare)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct rh_conn *c = rh_conn_new(net, fd, net->tls ? RH_CONN_TLS : RH_CONN_HELLO);
    if (!c)
        return;
    net->totals.accepted++;
    c->on_spare = on_spare;
    rh_address_text(from, c->from, sizeof c->from);
    if (net->tls && !rh_tls_start(c))
        rh_conn_break(c, "no memory for TLS");
    if (rh_half_open(net) > RH_NET_HALF_OPEN_MAX) {
        if (rh_tell_first(net, "", RH_TOLD_CROWD))
            rh_say(net, RH_LOG_WARNING, "more than %d connections wait for a hello, the newest from %s",
                   RH_NET_HALF_OPEN_MAX, c->from);
        drop(oldest_half_open(net, c), "dropped: too many connections wait for a hello");
    }
}

void rh_accept_all(struct rh_tcp *net)
{
    bool on_spare = false;

    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        int fd = accept4(net->listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_in(net, fd, &from, on_spare);
            continue;
        }
        if (rh_out_of_descriptors(errno)) {
            uint32_t spares = net->n_spare;
            if (rh_spare_use(net, NULL)) {
                on_spare = net->n_spare < spares || on_spare;
                continue;
            }
            /* The pending connection would wake the loop again and again. */
            net->accept_at = net->now + REST;
            epoll_ctl(net->epoll, EPOLL_CTL_DEL, net->listener, NULL);
            rh_net_wake(net, net->accept_at);
            return;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        /* Others belong to the one connection (ECONNABORTED), or pass: Linux also reports its network errors here. */
    }
}

/* ---- who may stay ---- */

static bool two_processes(const struct rh_conn *old, const struct rh_conn *c)
{
    return old->their_start != c->their_start && c->net->now - old->heard < 5000 * RH_MS;
}

bool rh_admit(struct rh_conn *c)
{
    struct rh_tcp *net = c->net;
    struct rh_peer *p = rh_peer_find(net, c->id);
    unsigned others = 0;
    char who[64], key[80];

    for (struct rh_conn *o = net->conns; o; o = o->next) {
        if (o == c || o->dialled || !o->was_open || o->broken)
            continue;
        others += !rh_peer_find(net, o->id);
        if (o->id != c->id || o->channel != c->channel)
            continue;
        rh_who(c, who);
        snprintf(key, sizeof key, "%s twice", who);
        if (o->channel == RH_WIRE_PEER && two_processes(o, c) && rh_tell_first(net, key, RH_TOLD_TWO))
            rh_say(net, RH_LOG_ERROR, "%s dials from %s while a connection from %s is in use: two processes may run"
                   " under the id", who, c->from, o->from);
        rh_conn_break(o, "replaced by a newer connection");
    }
    if (!p && (others >= RH_NET_OTHERS_MAX || c->on_spare)) {
        rh_reject(c, RH_WIRE_R_BUSY, 1000, "%s", c->on_spare ? "this host is out of descriptors"
                                                           : "too many connections of hosts that are no members");
        return false;
    }
    if (p) {
        rh_dial_reset(net, &p->dial);
        if (!p->bulk.conn)
            rh_dial_reset(net, &p->bulk);
    }
    return true;
}
