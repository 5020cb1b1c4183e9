/*
 * net_conn.c: a connection: bytes in and out, keepalive, the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net_parts.h"

enum {
    PIECE = 64 * 1024,                  /* bytes read at once */
    HELLO_PIECE = 2 * RH_WIRE_HELLO_MAX,
    HELPING = 1024 * 1024,              /* bytes read in a turn, so that every connection has its turn */
    VECTORS = 64,
};

#define PING_AFTER (5000 * RH_MS)
#define SILENT_AFTER (15000 * RH_MS)
#define HELLO_WITHIN (3000 * RH_MS)
#define CONNECT_WITHIN (3000 * RH_MS)
#define LINGER (1000 * RH_MS)
#define ASK_AGAIN (5000 * RH_MS)

static void watch(struct rh_conn *c)
{
    uint32_t events = EPOLLIN;

    if (c->state == RH_CONN_DIALS)
        events = EPOLLOUT;
    else if (c->tls_wants_write || (c->state != RH_CONN_TLS && rh_buf_len(&c->out) > 0))
        events |= EPOLLOUT;
    if (events == c->watched)
        return;
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(c->net->epoll, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e) != 0)
        rh_conn_break(c, "epoll_ctl: %s", strerror(errno));
    else
        c->watched = events;
}

struct rh_conn *rh_conn_new(struct rh_tcp *net, int fd, enum rh_conn_state state)
{
    struct rh_conn *c = calloc(1, sizeof *c);

    if (!c) {
        close(fd);
        return NULL;
    }
    c->net = net;
    c->fd = fd;
    c->state = state;
    c->number = ++net->numbers;
    c->since = c->heard = c->sent = net->now;
    c->ask_at = RH_NEVER;
    c->next = net->conns;
    net->conns = c;
    net->totals.connections++;
    watch(c);
    rh_net_wake(net, net->now + HELLO_WITHIN);
    return c;
}

void rh_conn_break(struct rh_conn *c, const char *format, ...)
{
    va_list args;

    if (c->broken)
        return;
    c->broken = c->net->any_broken = true;
    rh_net_wake(c->net, 0);
    if (c->words[0])
        return;
    va_start(args, format);
    vsnprintf(c->words, sizeof c->words, format, args);
    va_end(args);
}

/* ---- out ---- */

static struct rh_net_peer_totals *totals_of(const struct rh_conn *c)
{
    struct rh_peer *p = c->id ? rh_peer_find(c->net, c->id) : NULL;

    return p ? &p->totals : NULL;
}

static void count_out(struct rh_conn *c, size_t bytes)
{
    struct rh_net_peer_totals *t = totals_of(c);

    c->net->totals.bytes_out += bytes;
    if (t)
        t->bytes_out += bytes;
}

static ssize_t write_some(struct rh_conn *c, const void *bytes, size_t len)
{
    if (c->tls)
        return rh_tls_write(c, bytes, len);
    ssize_t n;
    do
        n = send(c->fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : errno == EAGAIN || errno == EWOULDBLOCK ? RH_IO_WAIT : RH_IO_FAILED;
}

void rh_conn_flush(struct rh_conn *c)
{
    if (c->broken || c->state == RH_CONN_DIALS || c->state == RH_CONN_TLS)
        return;
    while (rh_buf_len(&c->out) > 0) {
        ssize_t n = write_some(c, c->out.at + c->out.start, rh_buf_len(&c->out));
        if (n == RH_IO_WAIT)
            break;
        if (n < 0) {
            rh_conn_break(c, "write: %s", strerror(errno));
            return;
        }
        count_out(c, (size_t)n);
        rh_buf_consume(&c->out, (size_t)n);
    }
    if (c->state == RH_CONN_CLOSING && rh_buf_len(&c->out) == 0)
        shutdown(c->fd, SHUT_WR);
    watch(c);
}

/* Sends slices without a copy. Returns the bytes sent. */
static size_t gather(struct rh_conn *c, const raftcore_slice *parts, size_t n)
{
    struct iovec at[VECTORS];
    size_t sent = 0;

    for (size_t first = 0; first < n && !c->broken;) {
        size_t want = 0;
        struct msghdr m = {.msg_iov = at};
        for (; first < n && m.msg_iovlen < VECTORS; first++) {
            if (parts[first].len == 0)
                continue;
            at[m.msg_iovlen++] = (struct iovec){(void *)(uintptr_t)parts[first].ptr, parts[first].len};
            want += parts[first].len;
        }
        if (want == 0)
            break;
        ssize_t got;
        do
            got = sendmsg(c->fd, &m, MSG_NOSIGNAL);
        while (got < 0 && errno == EINTR);
        if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            rh_conn_break(c, "write: %s", strerror(errno));
        sent += got > 0 ? (size_t)got : 0;
        if (got < (ssize_t)want)
            break;
    }
    count_out(c, sent);
    return sent;
}

bool rh_conn_send(struct rh_conn *c, const raftcore_slice *parts, size_t n, size_t bytes)
{
    size_t sent = 0;

    if (!rh_buf_reserve(&c->out, bytes))
        return false;
    if (rh_buf_len(&c->out) == 0 && !c->tls && c->state == RH_CONN_OPEN && !c->broken)
        sent = gather(c, parts, n);
    for (size_t i = 0; i < n; i++) {
        size_t skip = sent < parts[i].len ? sent : parts[i].len;
        sent -= skip;
        rh_buf_add(&c->out, parts[i].ptr + skip, parts[i].len - skip);
    }
    rh_buf_consume(&c->out, 0);         /* frees the room of a large send, if it was not needed */
    c->sent = c->net->now;
    if (c->tls)
        rh_conn_flush(c);
    else if (!c->broken)
        watch(c);
    return true;
}

bool rh_conn_frame(struct rh_conn *c, struct rh_wire_frame f)
{
    f.group = c->net->self.group;
    size_t len = rh_wire_write(&f, NULL, 0);
    if (len == 0 || !rh_buf_reserve(&c->out, len)) {
        rh_conn_break(c, len == 0 ? "a frame beyond the limits of the protocol" : "no memory for a frame");
        return false;
    }
    rh_wire_write(&f, c->out.at + c->out.end, len);
    c->out.end += len;
    c->sent = c->net->now;
    rh_conn_flush(c);
    return !c->broken;
}

void rh_conn_finish(struct rh_conn *c)
{
    if (c->broken || c->state == RH_CONN_CLOSING)
        return;
    if (c->state == RH_CONN_DIALS || c->state == RH_CONN_TLS) {
        rh_conn_break(c, "given up");
        return;
    }
    c->state = RH_CONN_CLOSING;
    c->close_at = c->net->now + LINGER;
    rh_net_wake(c->net, c->close_at);
    rh_conn_flush(c);
}

/* ---- in ---- */

static ssize_t read_some(struct rh_conn *c, void *to, size_t len)
{
    if (c->tls)
        return rh_tls_read(c, to, len);
    ssize_t n;
    do
        n = recv(c->fd, to, len, 0);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : errno == EAGAIN || errno == EWOULDBLOCK ? RH_IO_WAIT : RH_IO_FAILED;
}

static void take(struct rh_conn *c)
{
    if (c->state == RH_CONN_CLOSING)
        rh_buf_consume(&c->in, rh_buf_len(&c->in));
    if (c->state == RH_CONN_HELLO && !rh_hello_take(c))
        return;
    if (c->state == RH_CONN_OPEN)
        rh_frames_take(c);
}

/* A member that refuses this node's certificate says so after the handshake, in the place of a hello. */
static void read_failed(struct rh_conn *c, bool at_end)
{
    char who[64];

    if (at_end || !c->tls) {
        rh_conn_break(c, at_end ? "the other side closed the connection" : "read: %s", strerror(errno));
        return;
    }
    rh_who(c, who);
    bool refused = c->state == RH_CONN_HELLO && c->dialled && strstr(c->tls_words, "alert");
    if (refused && rh_tell_first(c->net, who, RH_TOLD_TLS))
        rh_say(c->net, RH_LOG_WARNING, "%s at %s refuses this node: TLS: %s", who, c->from, c->tls_words);
    rh_conn_break(c, "TLS: %s", c->tls_words);
}

void rh_conn_read(struct rh_conn *c)
{
    size_t left = HELPING;

    c->more = false;
    while (left > 0 && !c->broken) {
        size_t piece = c->state == RH_CONN_HELLO ? HELLO_PIECE : PIECE;
        if (!rh_buf_reserve(&c->in, piece)) {
            rh_conn_break(c, "no memory to read");
            return;
        }
        piece = c->state == RH_CONN_HELLO ? piece : c->in.cap - c->in.end;
        ssize_t n = read_some(c, c->in.at + c->in.end, piece);
        if (n == RH_IO_WAIT)
            break;
        if (n <= 0) {
            read_failed(c, n == RH_IO_END);
            return;
        }
        c->in.end += (size_t)n;
        c->heard = c->net->now;
        c->net->totals.bytes_in += (size_t)n;
        struct rh_net_peer_totals *t = totals_of(c);
        if (t)
            t->bytes_in += (size_t)n;
        take(c);
        left -= (size_t)n < left ? (size_t)n : left;
        if ((size_t)n < piece && !c->tls)
            break;
    }
    c->more = left == 0 && c->tls && rh_tls_pending(c);
    if (!c->broken)
        watch(c);
}

static void shake(struct rh_conn *c)
{
    struct rh_words why = {""};
    int code = rh_tls_shake(c, &why);
    char who[64];

    if (code == RH_IO_WAIT) {
        watch(c);
        return;
    }
    if (code != RH_IO_FAILED && c->dialled && c->id && !rh_tls_names(c, c->net->self.group, c->id)) {
        rh_fail(&why, 0, "the certificate at %s does not hold urn:raftcore:%llu:%llu", c->from,
                (ull)c->net->self.group, (ull)c->id);
        code = RH_IO_FAILED;
    }
    if (code == RH_IO_FAILED) {
        rh_who(c, who);
        if (rh_tell_first(c->net, who, RH_TOLD_TLS))
            rh_say(c->net, RH_LOG_WARNING, "%s at %s: TLS: %s", c->dialled ? who : "a connection", c->from, why.text);
        rh_conn_break(c, "TLS: %.150s", why.text);
        return;
    }
    c->state = RH_CONN_HELLO;
    if (c->dialled) {
        c->since = c->net->now;
        rh_hello_send(c);
    }
    watch(c);
    rh_conn_read(c);
}

static void connected(struct rh_conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error != 0) {
        rh_conn_break(c, "connect to %s: %s", c->from, strerror(error));
        return;
    }
    c->since = c->net->now;
    c->state = c->net->tls ? RH_CONN_TLS : RH_CONN_HELLO;
    if (!c->net->tls)
        rh_hello_send(c);
    else if (rh_tls_start(c))
        shake(c);
    else
        rh_conn_break(c, "no memory for TLS");
}

void rh_conn_events(struct rh_conn *c, uint32_t events)
{
    if (c->broken)
        return;
    if (c->state == RH_CONN_DIALS) {
        connected(c);
        if (!c->broken)
            watch(c);
        return;
    }
    if (c->state == RH_CONN_TLS) {
        shake(c);
        return;
    }
    if (events & EPOLLOUT)
        rh_conn_flush(c);
    if (!c->broken && (events & (EPOLLIN | EPOLLHUP | EPOLLERR) || c->tls_wants_write))
        rh_conn_read(c);
}

/* ---- time ---- */

static void tell_silent_stranger(struct rh_conn *c)
{
    char who[64];

    rh_who(c, who);
    if (!c->dialled && rh_tell_first(c->net, who, RH_TOLD_SILENT))
        rh_say(c->net, RH_LOG_WARNING, "a connection from %s sent no hello within 3 s", c->from);
}

/*
 * Core messages answer on the other side's connection, so a busy dialler may hear nothing here. A
 * PING makes the other side answer.
 */
static uint64_t ping_due(const struct rh_conn *c)
{
    uint64_t heard = c->heard > c->pinged ? c->heard : c->pinged;

    return PING_AFTER + (c->sent < heard ? c->sent : heard);
}

void rh_conn_timers(struct rh_conn *c)
{
    struct rh_tcp *net = c->net;
    uint64_t due = RH_NEVER;

    if (c->broken)
        return;
    if (c->state == RH_CONN_CLOSING) {
        due = c->close_at;
        if (net->now >= due)
            rh_conn_break(c, "closed");
    } else if (c->state != RH_CONN_OPEN) {
        due = c->since + (c->state == RH_CONN_DIALS ? CONNECT_WITHIN : HELLO_WITHIN);
        if (net->now >= due) {
            tell_silent_stranger(c);
            rh_conn_break(c, c->state == RH_CONN_DIALS ? "connect to %s: no answer" : "%s: no hello within 3 s",
                          c->from);
        }
    } else {
        due = c->heard + SILENT_AFTER;
        if (net->now >= due)
            rh_conn_break(c, "silent for 15 s");
        if (c->dialled && !c->broken && net->now >= ping_due(c)) {
            rh_conn_frame(c, (struct rh_wire_frame){.type = RH_WIRE_PING, .ping.token = net->now});
            c->pinged = net->now;
        }
        if (c->dialled && due > ping_due(c))
            due = ping_due(c);
        if (c->ask_at != RH_NEVER && net->now >= c->ask_at) {
            c->ask_at = net->now + ASK_AGAIN;
            rh_join_ask(c);
        }
        if (c->ask_at < due)
            due = c->ask_at;
    }
    rh_net_wake(net, due);
}

/* ---- the end ---- */

void rh_conn_free(struct rh_conn *c)
{
    rh_tls_end(c);
    if (c->fd >= 0)
        close(c->fd);
    rh_buf_free(&c->in);
    rh_buf_free(&c->out);
    free(c->kept);
    c->net->totals.connections--;
    free(c);
}

/* Tells those who had an interest in a connection. */
static void mourn(struct rh_conn *c)
{
    struct rh_tcp *net = c->net;
    struct rh_dial *d = rh_dial_of(c);
    struct rh_peer *p = c->dialled && c->id ? rh_peer_find(net, c->id) : NULL;

    if (!c->dialled && !c->was_open)
        net->totals.strangers++;
    if (!c->dialled && c->channel == RH_WIRE_BULK)
        rh_take_lost(c);
    if (!c->dialled)
        return;
    if (d) {
        d->conn = NULL;
        rh_dial_failed(net, d);
    }
    if (c->channel == RH_WIRE_BULK && p && d)
        rh_sending_lost(net, p, c->words);
    if (c->channel != RH_WIRE_PEER)
        return;
    if (p && d) {
        p->totals.breaks++;
        p->totals.drops += rh_buf_len(&p->queue) > 0;
        rh_buf_free(&p->queue);
    }
    net->events->lost(net->driver, c->id, c->words);
}

void rh_conns_bury(struct rh_tcp *net)
{
    /* A driver may break connections while being told of another one: these wait for the next round. */
    for (int rounds = 0; net->any_broken && rounds < 8; rounds++) {
        net->any_broken = false;
        for (struct rh_conn **at = &net->conns; *at;) {
            struct rh_conn *c = *at;
            if (!c->broken) {
                at = &c->next;
                continue;
            }
            *at = c->next;
            mourn(c);
            rh_conn_free(c);
        }
    }
    rh_spares_refill(net);
}
