/*
 * clients.c: connections of clients.
 *
 * On the leader, each client has a connection to the server. Bytes pass unread in the two directions;
 * replies are held until the round is released. On a follower, a client's bytes pass to the leader,
 * behind a mark, so that no member passes a connection on twice.
 *
 * Memory is bounded: a client's replies are read from the server up to HELD_CLIENT bytes, the replies of
 * all clients up to held_max, and no requests are read while the server or the log lags.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sidecar.h"

enum { HELD_CLIENT = 1024 * 1024, PIECE = 64 * 1024, CLIENTS_MAX = 100000, WAIT_MS = 5000 };

static const char mark[] = "\0raftcore-redis 1\n"; /* no client of Redis begins with a zero */
enum { MARK = sizeof mark - 1 };

struct client {
    struct client *next, *previous;
    struct sidecar *s;
    struct watch net, server;     /* server: of the leader, if passed */
    struct buf in, out;           /* to the server; to the client, held and released */
    uint64_t got, released, sent; /* bytes of replies, since the beginning */
    uint64_t round[2];
    uint64_t since;
    unsigned refs;                /* of rounds */
    enum { NEW, WAITING, SERVED, PASSED } state;
    bool was_passed, net_ended, server_ended, closed;
};

static void set_events(struct client *c)
{
    struct sidecar *s = c->s;
    bool to_net = c->out.len > 0 && c->sent < c->released;
    bool from_net = c->in.len == 0 && !c->net_ended && (c->state == NEW || c->state == PASSED ||
                                       (c->state == SERVED && !s->paused && !source_full(s)));
    /* A client without replies here gets a piece in any case: a client that does not read stops no other. */
    bool from_server = !c->server_ended && c->out.len < HELD_CLIENT && (!s->choked || c->out.len == 0);

    if (c->closed)
        return;
    watch_set(s, &c->net, (to_net ? EPOLLOUT : 0u) | (from_net ? EPOLLIN : 0u));
    if (c->server.ready)
        watch_set(s, &c->server, (c->in.len > 0 ? EPOLLOUT : 0u) | (from_server ? EPOLLIN : 0u));
}

/* Frees the descriptors. The memory goes when no round and no event refers to the client. */
void client_close(struct client *c)
{
    struct sidecar *s = c->s;

    if (c->closed)
        return;
    c->closed = true;
    watch_close(&c->net);
    watch_close(&c->server);
    s->held_bytes -= c->out.len;
    buf_free(&c->in);
    buf_free(&c->out);
    s->n_clients--;
    s->n_passed -= c->state == PASSED;
    *(c->previous ? &c->previous->next : &s->clients) = c->next;
    if (c->next)
        c->next->previous = c->previous;
    c->next = s->buried;
    s->buried = c;
}

void client_unref(struct client *c)
{
    c->refs--;
}

void clients_bury(struct sidecar *s)
{
    for (struct client **at = &s->buried; *at;) {
        struct client *c = *at;
        if (c->refs > 0) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        free(c);
    }
}

/* ---- replies ---- */

static void write_replies(struct client *c)
{
    size_t may = (size_t)(c->released - c->sent);

    while (!c->closed && may > 0) {
        ssize_t n = send(c->net.fd, buf_head(&c->out), may, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) {
            client_close(c);
            return;
        }
        buf_take(&c->out, (size_t)n);
        c->s->held_bytes -= (uint64_t)n;
        c->sent += (uint64_t)n;
        may -= (size_t)n;
    }
    if (!c->closed && c->server_ended && c->sent == c->got)
        client_close(c);
    set_events(c);
}

void client_release(struct client *c, uint64_t upto)
{
    if (c->closed)
        return;
    c->released = upto;
    write_replies(c);
}

static void read_replies(struct client *c)
{
    struct sidecar *s = c->s;
    size_t before = c->out.len;
    bool open = read_some(c->server.fd, &c->out, PIECE);

    c->got += c->out.len - before;
    s->held_bytes += c->out.len - before;
    c->server_ended = !open;
    if (s->held_bytes > s->held_max)
        s->choked = true;
    if (c->state == PASSED) {
        client_release(c, c->got);
        return;
    }
    if (c->out.len > before) {
        uint64_t round = c->round[0];
        c->refs++;
        rounds_add(s, c, c->round, c->got);
        c->refs -= c->round[0] == round; /* the round has the client already */
    }
    if (!open)
        write_replies(c);
    set_events(c);
}

/* ---- requests ---- */

static void write_requests(struct client *c)
{
    if (!write_some(c->server.fd, &c->in))
        client_close(c);
    else if (c->net_ended && c->in.len == 0)
        shutdown(c->server.fd, SHUT_WR); /* the server sends the last replies, and closes */
    set_events(c);
}

static void server_ready(void *self, uint32_t events)
{
    struct client *c = self;

    if (events & EPOLLOUT)
        write_requests(c);
    if (!c->closed && events & ~(uint32_t)EPOLLOUT)
        read_replies(c);
}

static bool open_server(struct client *c, const char *address)
{
    return watch_open(c->s, &c->server, socket_open(address, false), server_ready, c);
}

static void serve(struct client *c)
{
    c->state = SERVED;
    if (!open_server(c, c->s->socket_path))
        client_close(c);
    else
        write_requests(c);
}

static void pass(struct client *c)
{
    struct buf marked = {0};

    c->state = PASSED;
    c->s->n_passed++;
    if (!buf_add(&marked, mark, MARK) || !buf_add(&marked, buf_head(&c->in), c->in.len) ||
        !open_server(c, c->s->leader_address)) {
        buf_free(&marked);
        client_close(c);
        return;
    }
    buf_free(&c->in);
    c->in = marked;
    set_events(c);
}

static void refuse(struct client *c, const char *words)
{
    if (send(c->net.fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        shutdown(c->net.fd, SHUT_WR);
    client_close(c);
}

/* Decides where a client's bytes go, once there is a leader. */
static void place(struct client *c)
{
    struct sidecar *s = c->s;
    char words[300];

    if (s->stage == SERVE) {
        serve(c);
    } else if (s->leader != 0 && s->leader != s->o.id && s->leader_address[0] && !c->was_passed) {
        snprintf(words, sizeof words, "-MOVED 0 %s\r\n", s->leader_address);
        if (s->tell)
            refuse(c, words);
        else
            pass(c);
    } else {
        c->state = WAITING;
        set_events(c);
    }
}

static void read_requests(struct client *c)
{
    bool open = read_some(c->net.fd, &c->in, PIECE);

    c->net_ended = !open;
    if (!open && c->state != SERVED && c->state != PASSED) {
        client_close(c);
        return;
    }
    if (c->in.len == 0 && open)
        return;
    if (c->state != NEW) {
        write_requests(c);
        return;
    }
    size_t n = c->in.len < MARK ? c->in.len : MARK;
    bool is_mark = memcmp(buf_head(&c->in), mark, n) == 0;
    if (is_mark && n < MARK)
        return;                         /* the mark is not complete */
    if (is_mark)
        buf_take(&c->in, MARK);
    c->was_passed = is_mark;
    place(c);
}

static void net_ready(void *self, uint32_t events)
{
    struct client *c = self;

    if (events & EPOLLOUT)
        write_replies(c);
    if (c->closed)
        return;
    if (events & EPOLLIN)
        read_requests(c);
    else if (events & (EPOLLHUP | EPOLLERR))
        client_close(c);
}

void client_accept(void *self, uint32_t events)
{
    struct sidecar *s = self;
    int on = 1;

    (void)events;
    for (int i = 0; i < 64; i++) {
        int fd = accept4(s->client_listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct client *c = fd >= 0 && s->n_clients < CLIENTS_MAX ? calloc(1, sizeof *c) : NULL;
        if (fd < 0)
            return;
        if (!c) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        c->s = s;
        c->since = s->now;
        c->next = s->clients;
        if (c->next)
            c->next->previous = c;
        s->clients = c;
        s->n_clients++;
        if (!watch_open(s, &c->net, fd, net_ready, c))
            client_close(c);
    }
}

/* ---- all of them ---- */

void clients_cut(struct sidecar *s, bool served)
{
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        if (c->state == (served ? SERVED : PASSED))
            client_close(c);
    }
}

void clients_wake(struct sidecar *s)
{
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        if (c->state == WAITING)
            place(c);
    }
}

void clients_tick(struct sidecar *s)
{
    if (s->choked && s->held_bytes < s->held_max / 2)
        s->choked = false;
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        if (c->state == WAITING && s->now - c->since > WAIT_MS)
            refuse(c, "-MASTERDOWN no leader is known, or it is not ready\r\n");
        else
            set_events(c);
    }
}
