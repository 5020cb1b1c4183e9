/*
 * loadnet.c: the loader's RESP client.
 */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECT_MS = 500, READ_CHUNK = 64 * 1024 };

void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "raftcore-kv-load: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static char *room(struct text *t, size_t len)
{
    if (t->start > 0) {
        memmove(t->ptr, t->ptr + t->start, text_len(t));
        t->end -= t->start;
        t->start = 0;
    }
    if (t->cap - t->end < len) {
        t->cap = 2 * t->cap + len;
        t->ptr = realloc(t->ptr, t->cap);
        if (!t->ptr)
            fail("out of memory");
    }
    return t->ptr + t->end;
}

void text_add(struct text *t, const void *bytes, size_t len)
{
    memcpy(room(t, len + 1), bytes, len);
    t->end += len;
}

void text_printf(struct text *t, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len >= (int)sizeof line)
        fail("a command of %d bytes is too long", len);
    text_add(t, line, (size_t)len);
}

struct addresses split_addresses(const char *list)
{
    struct addresses a = {0};
    char *copy = strdup(list), *rest = copy, *part;

    while ((part = strsep(&rest, ",")) && a.count < sizeof a.text / sizeof a.text[0])
        a.text[a.count++] = part;
    return a;
}

bool conn_wait(struct conn *c, int ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    return poll(&p, 1, ms) == 1;
}

void conn_close(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->in.ptr);
    free(c->out.ptr);
    *c = (struct conn){.fd = -1};
}

bool conn_dial(struct conn *c, const char *address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    const char *colon = strrchr(address, ':');
    char host[256];
    int error = 0;
    socklen_t len = sizeof error;

    if (!colon || (size_t)(colon - address) >= sizeof host)
        fail("%s is no HOST:PORT", address);
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return false;
    c->fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool begun = c->fd >= 0 && (connect(c->fd, found->ai_addr, found->ai_addrlen) == 0 || errno == EINPROGRESS);
    freeaddrinfo(found);
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};
    if (begun && poll(&p, 1, CONNECT_MS) == 1 && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
        return true;
    conn_close(c);
    return false;
}

bool conn_write(struct conn *c)
{
    while (text_len(&c->out) > 0) {
        ssize_t n = send(c->fd, c->out.ptr + c->out.start, text_len(&c->out), MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        c->out.start += (size_t)n;
    }
    c->out.start = c->out.end = 0;
    return true;
}

bool conn_read(struct conn *c)
{
    ssize_t n = read(c->fd, room(&c->in, READ_CHUNK), READ_CHUNK);

    if (n > 0)
        c->in.end += (size_t)n;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

bool conn_reply(struct conn *c, struct reply *r)
{
    const char *from = c->in.ptr + c->in.start, *end = text_len(&c->in) ? memchr(from, '\n', text_len(&c->in)) : NULL;

    if (!end)
        return false;
    size_t used = (size_t)(end - from) + 1;
    *r = (struct reply){.type = from[0], .text = from + 1, .len = used - 3};
    if (from[0] == '$') {
        long len = atol(from + 1);
        r->null = len < 0;
        r->text = from + used;
        r->len = len < 0 ? 0 : (size_t)len;
        if (len >= 0)
            used += (size_t)len + 2;
        if (used > text_len(&c->in))
            return false;
    }
    c->in.start += used;
    return true;
}

bool conn_ask(struct conn *c, const char *line, int ms, struct reply *r)
{
    int64_t until = now_ms() + ms;

    text_add(&c->out, line, strlen(line));
    text_add(&c->out, "\r\n", 2);
    while (conn_write(c) && now_ms() < until && conn_wait(c, (int)(until - now_ms())) && conn_read(c))
        if (conn_reply(c, r))
            return true;
    return false;
}
