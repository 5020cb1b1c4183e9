/* io.c: buffers, non-blocking sockets, and the epoll set. */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

bool watch_open(int epoll, struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};

    w->events = events;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, w->fd, &e) == 0;
}

void watch_set(int epoll, struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};

    if (w->ready && w->events != events && epoll_ctl(epoll, EPOLL_CTL_MOD, w->fd, &e) == 0)
        w->events = events;
}

void watch_close(struct watch *w)
{
    if (w->ready)
        close(w->fd);
    w->ready = NULL;
    w->fd = -1;
}

/* ---- sockets ---- */

/* Splits HOST:PORT; [HOST]:PORT for IPv6. */
static struct addrinfo *resolve(const char *address, bool passive)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0}, *found = NULL;

    if (!colon || len >= sizeof host)
        return NULL;
    memcpy(host, address, len);
    host[len] = 0;
    if (host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = 0;
    }
    return getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found) == 0 ? found : NULL;
}

int listen_tcp(const char *address, int *port)
{
    struct addrinfo *a = resolve(address, true);
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    int on = 1;
    int fd = a ? socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;

    if (!a)
        errno = EADDRNOTAVAIL;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 511) != 0)) {
        int error = errno;
        close(fd);
        fd = -1;
        errno = error;
    }
    if (a)
        freeaddrinfo(a);
    if (fd >= 0 && port && getsockname(fd, (struct sockaddr *)&at, &len) == 0)
        *port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                               : ((struct sockaddr_in *)&at)->sin_port);
    return fd;
}

int connect_tcp(const char *address)
{
    struct addrinfo *a = resolve(address, false);
    int on = 1;
    int fd = a ? socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;

    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) {
        close(fd);
        fd = -1;
    }
    if (a)
        freeaddrinfo(a);
    return fd;
}

static int unix_socket(const char *path, struct sockaddr_un *at)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof at->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(at->sun_path, path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int connect_unix(const char *path)
{
    struct sockaddr_un at;
    int fd = unix_socket(path, &at);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int listen_unix(const char *path)
{
    struct sockaddr_un at;
    int fd = unix_socket(path, &at);

    unlink(path);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || chmod(path, 0600) != 0 || listen(fd, 64) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
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
