/* net_tcp_conn.c: a connection: dial, accept, buffers, hellos, frames. */
#define _GNU_SOURCE                     /* accept4 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "net_tcp_parts.h"

enum { CORE_HELLO = 48, READ_STEP = 256 * 1024 };

/* ---- buffers ---- */

static int reserve(struct rh_bytes *b, size_t len)
{
    if (b->begin == b->end)
        b->begin = b->end = 0;
    if (b->cap - b->end >= len)
        return RH_OK;
    if (b->begin > 0) {
        memmove(b->at, b->at + b->begin, b->end - b->begin);
        b->end -= b->begin;
        b->begin = 0;
    }
    if (b->cap - b->end >= len)
        return RH_OK;
    size_t cap = b->end + len + b->cap / 2;
    uint8_t *at = realloc(b->at, cap);
    if (!at)
        return RH_E_NOMEM;
    b->at = at;
    b->cap = cap;
    return RH_OK;
}

int rh_bytes_add(struct rh_bytes *b, const void *bytes, size_t len)
{
    int code = reserve(b, len);

    if (code == RH_OK && len > 0) {
        memcpy(b->at + b->end, bytes, len);
        b->end += len;
    }
    return code;
}

/* ---- opening ---- */

static struct rh_conn *conn_new(struct rh_tcp *t, int fd, bool dialled)
{
    struct rh_conn *c = calloc(1, sizeof *c);
    struct epoll_event e = {.events = EPOLLIN | (dialled ? EPOLLOUT : 0), .data.ptr = c};
    int on = 1;

    if (!c || epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &e) != 0) {
        free(c);
        close(fd);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->net = t;
    c->fd = fd;
    c->number = ++t->numbers;
    c->dialled = dialled;
    c->wants_out = dialled;
    c->state = dialled ? RH_CONN_DIALS : RH_CONN_HELLO;
    c->opened = c->heard = c->sent = t->now;
    c->next = t->conns;
    t->conns = c;
    return c;
}

static int socket_to(const char *address)
{
    char host[RH_WIRE_ADDRESS_MAX + 1];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found = NULL;
    const char *colon = strrchr(address, ':');
    int fd = -1;

    if (!colon)
        return -1;
    size_t len = (size_t)(colon - address);
    bool brackets = len > 1 && address[0] == '[';
    memcpy(host, address + brackets, len - 2 * brackets);
    host[len - 2 * brackets] = 0;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -1;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static void add_hellos(struct rh_conn *c)
{
    const struct rh_net_self *s = &c->net->self;
    uint8_t core[CORE_HELLO], host[RH_WIRE_HELLO_MAX];
    struct rh_wire_frame f = {.group = s->group, .type = RH_WIRE_HELLO};

    rh_put_u32(core, CORE_HELLO - RH_WIRE_HEADER);
    rh_put_u64(core + 4, s->group);
    memcpy(core + 12, "RAFTCORE", 8);
    rh_put_u32(core + 20, 1);
    rh_put_u64(core + 24, 0);
    rh_put_u64(core + 32, s->group);
    rh_put_u64(core + 40, s->id);
    f.hello.version = f.hello.version_min = RH_WIRE_VERSION;
    f.hello.max_frame = RH_TCP_FRAME_MAX;
    f.hello.channel = c->channel;
    f.hello.flags = s->empty ? RH_WIRE_EMPTY : 0;
    f.hello.peer_address = (raftcore_slice){(const uint8_t *)s->peer_address, strlen(s->peer_address)};
    f.hello.client_address = (raftcore_slice){(const uint8_t *)s->client_address, strlen(s->client_address)};
    f.hello.start = c->net->start;
    f.hello.to = c->peer;
    memcpy(f.hello.founding, s->founding, RH_WIRE_ID);
    memcpy(f.hello.disk, s->disk, RH_WIRE_ID);
    size_t len = rh_wire_write(&f, host, sizeof host);
    if (len == 0 || rh_bytes_add(&c->out, core, sizeof core) != RH_OK || rh_bytes_add(&c->out, host, len) != RH_OK)
        rh_conn_end(c, "no memory");
}

struct rh_conn *rh_conn_dial(struct rh_tcp *t, const char *address, uint64_t peer, uint8_t channel)
{
    int fd = socket_to(address);
    struct rh_conn *c = fd >= 0 ? conn_new(t, fd, true) : NULL;

    if (!c)
        return NULL;
    c->peer = peer;
    c->channel = channel;
    add_hellos(c);
    return c;
}

void rh_conn_accept(struct rh_tcp *t)
{
    for (int fd; (fd = accept4(t->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        size_t waiting = 0;
        struct rh_conn *oldest = NULL;
        for (struct rh_conn *c = t->conns; c; c = c->next)
            if (!c->dialled && c->state == RH_CONN_HELLO && !c->dead)
                waiting++, oldest = c;
        if (waiting >= RH_TCP_WAITING)
            rh_conn_end(oldest, NULL);
        conn_new(t, fd, false);
    }
}

/* ---- ending ---- */

void rh_conn_end(struct rh_conn *c, const char *words)
{
    struct rh_tcp *t = c->net;
    struct rh_peer *p = c->peer ? rh_peer_find(t, c->peer) : NULL;

    if (c->dead)
        return;
    c->dead = true;
    epoll_ctl(t->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    close(c->fd);
    rh_bulk_end(c, words);
    if (p && p->conn == c) {
        p->conn = NULL;
        p->wait = p->wait ? (p->wait < 1000000 ? 2 * p->wait : 2000000) : 50000;
        p->not_before = t->now + p->wait + (t->now * 2654435761u % (p->wait / 4));
        if (words)
            t->events->lost(t->driver, c->peer, words);
    }
    if (c->channel == RH_WIRE_JOINING && c->dialled && t->joining)
        t->join_at = t->now + 200000;
}

void rh_conn_free(struct rh_conn *c)
{
    free(c->in.at);
    free(c->out.at);
    free(c->held.at);
    free(c);
}

int rh_conn_frame(struct rh_conn *c, const struct rh_wire_frame *f)
{
    size_t len = rh_wire_write(f, NULL, 0);

    if (len == 0 || reserve(&c->out, len) != RH_OK)
        return RH_E_NOMEM;
    rh_wire_write(f, c->out.at + c->out.end, len);
    c->out.end += len;
    return RH_OK;
}

void rh_conn_reject(struct rh_conn *c, uint16_t code, const char *words)
{
    size_t len = strlen(words);
    struct rh_wire_frame f = {.group = c->net->self.group, .type = RH_WIRE_REJECT,
                              .reject = {.code = code, .words = {(const uint8_t *)words, len < 400 ? len : 400}}};

    if (rh_conn_frame(c, &f) == RH_OK)
        rh_conn_flush(c);
    if (c->peer && !c->dead)
        c->net->events->rejected(c->net->driver, c->peer, false, code, words);
    rh_conn_end(c, words);
}

/* ---- hellos ---- */

static void copy_text(char to[RH_WIRE_ADDRESS_MAX + 1], raftcore_slice from)
{
    size_t len = from.len <= RH_WIRE_ADDRESS_MAX ? from.len : 0;

    if (len > 0)
        memcpy(to, from.ptr, len);
    to[len] = 0;
}

static void keep_hello(struct rh_conn *c, uint64_t id, const struct rh_wire_frame *f)
{
    memcpy(c->founding, f->hello.founding, RH_WIRE_ID);
    memcpy(c->disk, f->hello.disk, RH_WIRE_ID);
    copy_text(c->peer_address, f->hello.peer_address);
    copy_text(c->client_address, f->hello.client_address);
    c->theirs = (struct rh_net_hello){.id = id,
                                      .channel = f->hello.channel,
                                      .dialled = c->dialled,
                                      .empty = f->hello.flags & RH_WIRE_EMPTY,
                                      .founding = c->founding,
                                      .disk = c->disk,
                                      .peer_address = {(uint8_t *)c->peer_address, strlen(c->peer_address)},
                                      .client_address = {(uint8_t *)c->client_address, strlen(c->client_address)}};
}

/* Returns 0 or a RH_WIRE_R_*. */
static uint16_t judge(struct rh_conn *c, const raftcore_hello_info *core, const struct rh_wire_frame *f,
                      struct rh_words *words)
{
    const struct rh_net_self *s = &c->net->self;

    if (core->version != 1 || f->hello.version < 1 || f->hello.version_min > RH_WIRE_VERSION)
        return rh_fail(words, 0, "no version in common"), RH_WIRE_R_VERSION;
    if (core->group != s->group)
        return rh_fail(words, 0, "group %llu is not group %llu", (ull)core->group, (ull)s->group), RH_WIRE_R_GROUP;
    if (core->id == 0 || core->id == s->id || (c->dialled && c->peer && core->id != c->peer) ||
        (f->hello.to != s->id && !(f->hello.to == 0 && c->channel == RH_WIRE_JOINING)))
        return rh_fail(words, 0, "node %llu met node %llu", (ull)core->id, (ull)s->id), RH_WIRE_R_ID;
    if (f->hello.channel < RH_WIRE_PEER || f->hello.channel > RH_WIRE_JOINING)
        return rh_fail(words, 0, "unknown channel"), RH_WIRE_R_UNKNOWN_VALUE;
    return c->net->events->hello(c->net->driver, &c->theirs, words);
}

/* A second connection of an id takes the place of the older one. */
static void end_older(struct rh_conn *c)
{
    for (struct rh_conn *o = c->net->conns; o; o = o->next)
        if (o != c && !o->dead && !o->dialled && o->peer == c->peer && o->channel == RH_WIRE_PEER &&
            c->channel == RH_WIRE_PEER)
            rh_conn_end(o, NULL);
}

static void hellos_done(struct rh_conn *c)
{
    struct rh_peer *p = rh_peer_find(c->net, c->peer);

    c->state = RH_CONN_READY;
    if (!c->dialled) {
        add_hellos(c);
        end_older(c);
        if (p)                          /* the peer is back */
            p->not_before = 0;
        return;
    }
    if (p && p->conn == c) {
        p->wait = 0;
        p->told = 0;
    }
    if (rh_bytes_add(&c->out, c->held.at + c->held.begin, c->held.end - c->held.begin) != RH_OK) {
        rh_conn_end(c, "no memory");
        return;
    }
    c->held.begin = c->held.end = 0;
    if (c->channel == RH_WIRE_BULK)
        rh_bulk_ready(c);
    if (c->channel == RH_WIRE_JOINING)
        c->ask_at = 1;
}

static void took_reject(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_peer *p = rh_peer_find(c->net, c->peer);
    char words[RH_WIRE_WORDS_MAX + 1];

    snprintf(words, sizeof words, "%.*s", (int)f->reject.words.len, (const char *)f->reject.words.ptr);
    bool again = p && p->told == f->reject.code;
    rh_conn_end(c, words);
    if (p) {
        p->told = f->reject.code;
        uint64_t wait = (uint64_t)f->reject.retry_ms * 1000;
        if (f->reject.code != RH_WIRE_R_SHUTTING_DOWN && wait < 2000000)
            wait = 2000000;
        if (p->not_before < c->net->now + wait)
            p->not_before = c->net->now + wait;
    }
    if (c->peer && !again)
        c->net->events->rejected(c->net->driver, c->peer, true, f->reject.code, words);
}

/* Reads both hellos. Returns whether they were there. */
static bool read_hellos(struct rh_conn *c)
{
    const uint8_t *at = c->in.at + c->in.begin;
    size_t len = c->in.end - c->in.begin;
    struct rh_wire_span first, second;
    struct rh_wire_frame f;
    struct rh_words words = {""};
    raftcore_hello_info core = {.struct_size = sizeof core};
    int code = rh_wire_next(at, len, RH_WIRE_HELLO_MAX, &first);

    if (code == RH_WIRE_OK && first.whose == RH_WIRE_HOST && rh_wire_read(at, first.bytes, &f) == RH_WIRE_OK &&
        f.type == RH_WIRE_REJECT) {
        took_reject(c, &f);
        return false;
    }
    if (code == RH_WIRE_OK)
        code = first.whose == RH_WIRE_CORE_HELLO ? rh_wire_next(at + first.bytes, len - first.bytes, RH_WIRE_HELLO_MAX, &second)
                                                 : RH_WIRE_E_MALFORMED;
    if (code == RH_WIRE_MORE)
        return false;
    if (code != RH_WIRE_OK || raftcore_hello_read(at, first.bytes, &core) != RAFTCORE_OK ||
        rh_wire_read(at + first.bytes, second.bytes, &f) != RH_WIRE_OK || f.type != RH_WIRE_HELLO) {
        rh_conn_end(c, "no hello came");
        return false;
    }
    if (!c->dialled) {
        c->channel = f.hello.channel;
        c->peer = core.id;
    }
    keep_hello(c, core.id, &f);
    uint16_t refused = judge(c, &core, &f, &words);
    c->in.begin += first.bytes + second.bytes;
    if (refused)
        rh_conn_reject(c, refused, words.text);
    else
        hellos_done(c);
    return !c->dead;
}

/* ---- frames ---- */

static void host_frame(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_tcp *t = c->net;
    struct rh_wire_frame pong = {.group = t->self.group, .type = RH_WIRE_PONG};

    switch (f->type) {
    case RH_WIRE_PING:
        pong.ping.token = f->ping.token;
        rh_conn_frame(c, &pong);
        break;
    case RH_WIRE_PONG:
        break;
    case RH_WIRE_REJECT:
        took_reject(c, f);
        break;
    case RH_WIRE_REQUEST:
    case RH_WIRE_JOIN:
        t->events->request(t->driver, c->number, c->peer, f, &c->theirs);
        break;
    case RH_WIRE_JOINED:
        if (c->channel == RH_WIRE_JOINING && f->joined.status == RH_WIRE_WAIT)
            c->ask_at = t->now + 1000 * (uint64_t)(f->joined.retry_ms ? f->joined.retry_ms : 100);
        else
            t->joining = false;
        t->events->answered(t->driver, c->peer, f);
        if (!t->joining)
            rh_conn_end(c, NULL);
        break;
    case RH_WIRE_OUTCOME:
        t->events->answered(t->driver, c->peer, f);
        break;
    default:
        if (c->channel == RH_WIRE_BULK)
            rh_bulk_frame(c, f);
    }
}

static void read_frames(struct rh_conn *c)
{
    struct rh_wire_span span;
    struct rh_wire_frame f;
    size_t core = 0;                    /* bytes of core frames at the head, not yet passed on */

    while (!c->dead) {
        const uint8_t *at = c->in.at + c->in.begin + core;
        size_t len = c->in.end - c->in.begin - core;
        int code = rh_wire_next(at, len, RH_TCP_FRAME_MAX, &span);
        if (code == RH_WIRE_OK && span.whose == RH_WIRE_CORE && span.group == c->net->self.group) {
            core += span.bytes;
            continue;
        }
        if (core > 0) {
            c->net->events->frames(c->net->driver, c->peer, c->in.at + c->in.begin, core);
            c->in.begin += core;
            core = 0;
            continue;
        }
        if (code == RH_WIRE_MORE) {
            if (span.bytes > 0 && reserve(&c->in, span.bytes) != RH_OK)
                rh_conn_end(c, "no memory");
            return;
        }
        if (code != RH_WIRE_OK || span.group != c->net->self.group) {
            rh_conn_reject(c, code == RH_WIRE_E_LONG ? RH_WIRE_R_TOO_LARGE : RH_WIRE_R_PROTOCOL, "a malformed frame");
            return;
        }
        code = span.whose == RH_WIRE_HOST ? rh_wire_read(at, span.bytes, &f) : RH_WIRE_E_MALFORMED;
        if (code != RH_WIRE_OK && code != RH_WIRE_SKIP) {
            rh_conn_reject(c, code == RH_WIRE_E_UNKNOWN ? RH_WIRE_R_UNKNOWN_FRAME : RH_WIRE_R_PROTOCOL,
                           "a frame that is not understood");
            return;
        }
        if (code == RH_WIRE_OK)
            host_frame(c, &f);
        c->in.begin += span.bytes;
    }
}

static void hear(struct rh_conn *c)
{
    for (int i = 0; i < 8 && !c->dead; i++) {
        if (reserve(&c->in, READ_STEP) != RH_OK) {
            rh_conn_end(c, "no memory");
            return;
        }
        size_t room = c->in.cap - c->in.end;
        ssize_t got = recv(c->fd, c->in.at + c->in.end, room, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            rh_conn_end(c, got == 0 ? "the peer closed the connection" : strerror(errno));
            return;
        }
        c->in.end += (size_t)got;
        c->heard = c->net->now;
        if (c->state != RH_CONN_READY && !read_hellos(c))
            continue;
        read_frames(c);
        if ((size_t)got < room)
            return;
    }
}

void rh_conn_flush(struct rh_conn *c)
{
    if (c->dead || c->state == RH_CONN_DIALS)
        return;
    while (c->out.end > c->out.begin) {
        ssize_t sent = send(c->fd, c->out.at + c->out.begin, c->out.end - c->out.begin, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            rh_conn_end(c, strerror(errno));
            return;
        }
        c->out.begin += (size_t)sent;
        c->sent = c->net->now;
        if (c->reader)
            rh_bulk_fill(c);
    }
    bool wants = c->out.end > c->out.begin;
    if (wants == c->wants_out)
        return;
    struct epoll_event e = {.events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(c->net->epoll, EPOLL_CTL_MOD, c->fd, &e);
    c->wants_out = wants;
}

void rh_conn_turn(struct rh_conn *c, uint32_t events)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (c->dead)
        return;
    if (c->state == RH_CONN_DIALS) {
        if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
            return;
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error) {
            rh_conn_end(c, strerror(error));
            return;
        }
        c->state = RH_CONN_HELLO;
    }
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        hear(c);
    rh_conn_flush(c);
}
