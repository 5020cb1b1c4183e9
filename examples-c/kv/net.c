/* net.c: an epoll loop, and TCP sockets that never block the loop. */
#define _GNU_SOURCE
#include "net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 512,                   /* of a wait */
    READ_CHUNK = 64 * 1024,
    GIVE_UP_MS = 5000,              /* a peer that acknowledges nothing for so long is gone (a client may sleep) */
};

static int epoll_fd = -1;
static void **graves;               /* structs with a closed watch: the loop may still hold an event for them */
static size_t n_graves, cap_graves;

void loop_open(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
}

void loop_add(struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, w->fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
    w->events = events;
}

void loop_set(struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};

    if (w->events == events)
        return;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
    w->events = events;
}

void loop_close(struct watch *w)
{
    if (w->fd >= 0)
        close(w->fd);               /* epoll forgets the descriptor, too: no descriptor here is ever duplicated */
    w->fd = -1;
}

void loop_free(void *owner)
{
    if (n_graves == cap_graves) {
        cap_graves = cap_graves ? 2 * cap_graves : 64;
        graves = realloc(graves, cap_graves * sizeof *graves);
        if (!graves)
            die("out of memory");
    }
    graves[n_graves++] = owner;
}

void loop_run_once(void)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, -1);

    if (n < 0 && errno != EINTR)
        die("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        struct watch *w = events[i].data.ptr;
        if (w->fd >= 0)
            w->fn(w, events[i].events);
    }
    while (n_graves > 0)
        free(graves[--n_graves]);
}

/*
 * Names are resolved at use, which blocks: give numeric addresses where DNS may hang. Of several
 * addresses, the first IPv4 address counts, so that "localhost" means the same to both ends.
 */
static struct addrinfo *look_up(const char *address, bool passive, const struct addrinfo **chosen)
{
    const char *colon = strrchr(address, ':');
    char host[256];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0};
    struct addrinfo *found = NULL;

    if (!colon || (size_t)(colon - address) >= sizeof host)
        return NULL;
    size_t len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {     /* [::1]:6379 */
        address++;
        len -= 2;
    }
    memcpy(host, address, len);
    host[len] = 0;
    if (getaddrinfo(len ? host : NULL, colon + 1, &hints, &found) != 0)
        return NULL;
    *chosen = found;
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        if (a->ai_family == AF_INET) {
            *chosen = a;
            break;
        }
    }
    return found;
}

static void set_options(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

int net_listen(const char *address)
{
    const struct addrinfo *a;
    struct addrinfo *found = look_up(address, true, &a);

    if (!found)
        die("%s is no HOST:PORT that can be looked up", address);
    int one = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 511) != 0)
        die("can't listen on %s: %s", address, strerror(errno));
    freeaddrinfo(found);
    return fd;
}

int net_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        set_options(fd);
    return fd;
}

int net_dial(const char *address)
{
    const struct addrinfo *a;
    struct addrinfo *found = look_up(address, false, &a);

    if (!found)
        return -1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        int give_up = GIVE_UP_MS;
        set_options(fd);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up, sizeof give_up);
        if (connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

int net_dial_result(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return errno;
    return error;
}

bool net_read(struct watch *w, struct buf *in, size_t limit)
{
    if (buf_len(in) >= limit)
        return true;                /* the owner has to consume first; epoll will report the rest again */
    ssize_t n = read(w->fd, buf_room(in, READ_CHUNK), READ_CHUNK);
    if (n > 0)
        in->end += (size_t)n;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

bool net_write(struct watch *w, struct buf *out)
{
    while (buf_len(out) > 0) {
        ssize_t n = send(w->fd, out->ptr + out->start, buf_len(out), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        buf_consume(out, (size_t)n);
    }
    return true;
}
