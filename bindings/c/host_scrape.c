/*
 * host_scrape.c: metrics over HTTP, for Prometheus: rh_options.metrics.
 *
 * A connection has a single request, and a few seconds. The newest of too many connections takes the
 * place of the oldest, so silent strangers keep nobody out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host_parts.h"

enum { REQUEST_MAX = 16 * 1024, EVENTS = RH_SCRAPES + 1, LISTENER = RH_SCRAPES, SPARE = 1024 };

#define PATIENCE_US 5000000
#define REST_US 1000000                 /* before accepting again, when no descriptor was left */

void rh_scrapes_init(struct rh_scrapes *s)
{
    s->epoll = s->listener = -1;
    for (size_t i = 0; i < RH_SCRAPES; i++)
        s->at[i].fd = -1;
}

static bool control(const struct rh_scrapes *s, int what, int fd, uint32_t events, uint32_t number)
{
    struct epoll_event e = {.events = events, .data.u32 = number};

    return epoll_ctl(s->epoll, what, fd, &e) == 0;
}

int rh_scrapes_open(struct rh_host *h, const struct rh_options *o, struct rh_words *why)
{
    struct rh_scrapes *s = &h->scrapes;

    s->more = o->more_metrics;
    s->context = o->metrics_context;
    if (!o->metrics)
        return RH_OK;
    int code = rh_listen(o->metrics, &s->listener, why);
    if (code != RH_OK)
        return code;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll < 0 || !control(s, EPOLL_CTL_ADD, s->listener, EPOLLIN, LISTENER))
        return rh_fail(why, RH_E_IO, "epoll for metrics: %s", strerror(errno));
    return rh_host_watch(h, s->epoll, why);
}

static void end(struct rh_scrape *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->answer);
    *c = (struct rh_scrape){.fd = -1};
}

void rh_scrapes_close(struct rh_host *h)
{
    struct rh_scrapes *s = &h->scrapes;

    for (size_t i = 0; i < RH_SCRAPES; i++)
        end(&s->at[i]);
    rh_unlisten(s->listener);
    if (s->epoll >= 0)
        close(s->epoll);
    rh_scrapes_init(s);
}

/* ---- answers ---- */

static size_t write_all(struct rh_host *h, char *buf, size_t cap)
{
    size_t len = rh_metrics(h, buf, cap), at = len < cap ? len : cap;

    return len + (h->scrapes.more ? h->scrapes.more(h->scrapes.context, cap > 0 ? buf + at : NULL, cap - at) : 0);
}

/* Writes head and text, with room before the text for a head whose length is not known yet. */
static void answer(struct rh_host *h, struct rh_scrape *c)
{
    enum { HEAD = 200 };
    bool get = memcmp(c->head, "GET ", 4) == 0;
    bool found = get && (strncmp(c->head + 4, "/metrics", 8) == 0 || strncmp(c->head + 4, "/ ", 2) == 0);
    const char *status = !get ? "405 Method Not Allowed" : !found ? "404 Not Found" : "200 OK";
    size_t len = found ? write_all(h, NULL, 0) : 0, cap;
    char head[HEAD];

    do {                                /* numbers may grow meanwhile */
        cap = len + SPARE;
        free(c->answer);
        if (!(c->answer = malloc(HEAD + cap)))
            return;
        len = found ? write_all(h, c->answer + HEAD, cap) : 0;
    } while (len >= cap);
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                     "Content-Length: %zu\r\nConnection: close\r\n\r\n", status, len);
    c->at = HEAD - (size_t)n;
    c->len = HEAD + len;
    memcpy(c->answer + c->at, head, (size_t)n);
}

/* Reads. Returns whether the connection lives. */
static bool take(struct rh_host *h, struct rh_scrape *c)
{
    char buf[4096];
    ssize_t n = recv(c->fd, buf, sizeof buf, 0);

    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    for (ssize_t i = 0; i < n && !c->answer; i++) {
        if (c->got < sizeof c->head - 1)
            c->head[c->got] = buf[i];
        c->got++;
        c->tail = c->tail << 8 | (uint8_t)buf[i];
        if (c->tail == 0x0d0a0d0a) {
            answer(h, c);
            return c->answer != NULL;
        }
    }
    return c->got <= REQUEST_MAX;
}

static bool give(struct rh_scrape *c)
{
    while (c->at < c->len) {
        ssize_t n = send(c->fd, c->answer + c->at, c->len - c->at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        c->at += (size_t)n;
    }
    return false;                       /* all is said */
}

/* ---- connections ---- */

static struct rh_scrape *a_place(struct rh_scrapes *s)
{
    struct rh_scrape *oldest = &s->at[0];

    for (size_t i = 0; i < RH_SCRAPES; i++) {
        if (s->at[i].fd < 0)
            return &s->at[i];
        if (s->at[i].end < oldest->end)
            oldest = &s->at[i];
    }
    end(oldest);
    return oldest;
}

static void accept_all(struct rh_scrapes *s, uint64_t now)
{
    for (int i = 0; i < RH_SCRAPES; i++) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            control(s, EPOLL_CTL_DEL, s->listener, 0, 0);   /* else the loop would never rest */
            s->listen_at = now + REST_US;
        }
        if (fd < 0)
            return;
        struct rh_scrape *c = a_place(s);
        c->fd = fd;
        c->end = now + PATIENCE_US;
        if (!control(s, EPOLL_CTL_ADD, fd, EPOLLIN, (uint32_t)(c - s->at)))
            end(c);
    }
}

static void serve(struct rh_host *h, struct rh_scrape *c, uint32_t events)
{
    struct rh_scrapes *s = &h->scrapes;

    if (c->fd < 0)
        return;                         /* gave up the place in this very turn */
    if (events & EPOLLERR || (!c->answer && !take(h, c))) {
        end(c);
        return;
    }
    if (c->answer && (!give(c) || !control(s, EPOLL_CTL_MOD, c->fd, EPOLLOUT, (uint32_t)(c - s->at))))
        end(c);
}

void rh_scrapes_turn(struct rh_host *h, uint64_t now)
{
    struct rh_scrapes *s = &h->scrapes;
    struct epoll_event e[EVENTS];

    if (s->epoll < 0)
        return;
    int n = epoll_wait(s->epoll, e, EVENTS, 0);
    for (int i = 0; i < n; i++)
        if (e[i].data.u32 != LISTENER)
            serve(h, &s->at[e[i].data.u32], e[i].events);
    for (size_t i = 0; i < RH_SCRAPES; i++)
        if (s->at[i].fd >= 0 && s->at[i].end <= now)
            end(&s->at[i]);
    for (int i = 0; i < n; i++)
        if (e[i].data.u32 == LISTENER)
            accept_all(s, now);
    if (s->listen_at && s->listen_at <= now)
        s->listen_at = control(s, EPOLL_CTL_ADD, s->listener, EPOLLIN, LISTENER) ? 0 : now + REST_US;
}

uint64_t rh_scrapes_due(const struct rh_host *h)
{
    const struct rh_scrapes *s = &h->scrapes;
    uint64_t due = s->listen_at ? s->listen_at : UINT64_MAX;

    for (size_t i = 0; i < RH_SCRAPES; i++)
        if (s->at[i].fd >= 0 && s->at[i].end < due)
            due = s->at[i].end;
    return due;
}
