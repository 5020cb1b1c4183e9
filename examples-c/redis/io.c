/* io.c: buffers, non-blocking sockets, and the epoll set. */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sidecar.h"

uint8_t *buf_room(struct buf *b, size_t n)
{
    if (b->len == 0)
        b->at = 0;
    if (b->cap - b->at - b->len >= n)
        return b->bytes + b->at + b->len;
    if (b->at > 0) {
        memmove(b->bytes, b->bytes + b->at, b->len);
        b->at = 0;
    }
    if (b->cap - b->len < n) {
        size_t cap = b->cap ? b->cap : 1024;
        while (cap - b->len < n)
            cap *= 2;
        uint8_t *larger = realloc(b->bytes, cap);
        if (!larger)
            return NULL;
        b->bytes = larger;
        b->cap = cap;
    }
    return b->bytes + b->len;
}

bool buf_add(struct buf *b, const void *bytes, size_t n)
{
    uint8_t *to = n > 0 ? buf_room(b, n) : NULL;

    if (n > 0 && !to)
        return false;
    if (n > 0)
        memcpy(to, bytes, n);
    b->len += n;
    return true;
}

void buf_take(struct buf *b, size_t n)
{
    b->at += n;
    b->len -= n;
    if (b->len == 0) {
        b->at = 0;
        if (b->cap > 256 * 1024)        /* a rare large buffer gives the memory back */
            buf_free(b);
    }
}

void buf_free(struct buf *b)
{
    free(b->bytes);
    *b = (struct buf){0};
}

/* ---- epoll ---- */

bool watch_open(const struct sidecar *s, struct watch *w, int fd, void (*ready)(void *self, uint32_t events), void *self)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = w};

    *w = (struct watch){.fd = fd, .events = EPOLLIN, .ready = ready, .self = self};
    if (fd >= 0 && epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) == 0)
        return true;
    int error = errno;
    if (fd >= 0)
        close(fd);
    w->ready = NULL;
    errno = error;
    return false;
}

bool watch_listen(struct sidecar *s, struct watch *w, const char *address, void (*ready)(void *self, uint32_t events),
                  struct rh_words *why)
{
    return watch_open(s, w, socket_open(address, true), ready, s) ||
           rh_fail(why, RH_E_NET, "%s: %s", address, strerror(errno)) == RH_OK;
}

void watch_set(const struct sidecar *s, struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};

    if (w->ready && w->events != events && epoll_ctl(s->epoll, EPOLL_CTL_MOD, w->fd, &e) == 0)
        w->events = events;
}

bool watch_write(const struct sidecar *s, struct watch *w, struct buf *from)
{
    bool good = write_some(w->fd, from);

    watch_set(s, w, EPOLLIN | (from->len > 0 ? EPOLLOUT : 0u));
    return good;
}

void watch_close(struct watch *w)
{
    if (w->ready)
        close(w->fd);
    w->ready = NULL;
}

/* ---- sockets ---- */

/* Returns the length of the address. 0: errno. */
static socklen_t resolve(const char *address, bool passive, struct sockaddr_storage *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0}, *found = NULL;
    struct sockaddr_un *path = (struct sockaddr_un *)out;
    const char *colon = strrchr(address, ':');
    char host[256];

    if (strchr(address, '/')) {
        path->sun_family = AF_UNIX;
        bool fits = snprintf(path->sun_path, sizeof path->sun_path, "%s", address) < (int)sizeof path->sun_path;
        errno = ENAMETOOLONG;
        return fits ? sizeof *path : 0;
    }
    bool bracket = colon > address && address[0] == '[' && colon[-1] == ']';
    int len = colon ? (int)(colon - address) - 2 * bracket : 0;
    snprintf(host, sizeof host, "%.*s", len, address + bracket);
    if (!colon || getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found) != 0) {
        errno = EADDRNOTAVAIL;
        return 0;
    }
    socklen_t n = found->ai_addrlen;
    memcpy(out, found->ai_addr, n);
    freeaddrinfo(found);
    return n;
}

int socket_open(const char *address, bool listens)
{
    struct sockaddr_storage at = {0};
    socklen_t len = resolve(address, listens, &at);
    int on = 1, fd = len > 0 ? socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    bool is_path = at.ss_family == AF_UNIX, good;

    if (fd < 0)
        return -1;
    if (listens && is_path)
        unlink(address);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (listens)
        good = bind(fd, (struct sockaddr *)&at, len) == 0 && (!is_path || chmod(address, 0600) == 0) && listen(fd, 511) == 0;
    else
        good = connect(fd, (struct sockaddr *)&at, len) == 0 || errno == EINPROGRESS;
    if (good)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

bool read_some(int fd, struct buf *to, size_t most)
{
    uint8_t *room = buf_room(to, most);

    if (!room)
        return false;
    ssize_t got = recv(fd, room, most, 0);
    if (got > 0)
        to->len += (size_t)got;
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

bool write_some(int fd, struct buf *from)
{
    if (from->len == 0)
        return true;
    ssize_t sent = send(fd, buf_head(from), from->len, MSG_NOSIGNAL);
    if (sent > 0)
        buf_take(from, (size_t)sent);
    return sent >= 0 || errno == EAGAIN || errno == EINTR;
}
