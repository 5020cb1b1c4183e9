/* net.c: an epoll loop, and TCP sockets that never block the loop. */
#define _GNU_SOURCE
#include "net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, READ_CHUNK = 64 * 1024 };

static int epoll_fd = -1;
static void **graves;               /* structs with a closed watch: the loop may still hold an event for them */
static size_t n_graves, cap_graves;

void loop_open(void) {
    if ((epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll_create1: %s", strerror(errno));
}

static void control(struct watch *w, int what, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (epoll_ctl(epoll_fd, what, w->fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
    w->events = events;
}

void loop_add(struct watch *w, uint32_t events) {
    control(w, EPOLL_CTL_ADD, events);
}

void loop_set(struct watch *w, uint32_t events) {
    if (w->events != events)
        control(w, EPOLL_CTL_MOD, events);
}

void loop_close(struct watch *w) {
    if (w->fd >= 0)
        close(w->fd);               /* epoll forgets the descriptor, too: no descriptor here is ever duplicated */
    w->fd = -1;
}

void loop_free(void *owner) {
    if (n_graves == cap_graves) {
        cap_graves = cap_graves ? 2 * cap_graves : 64;
        if (!(graves = realloc(graves, cap_graves * sizeof *graves)))
            die("out of memory");
    }
    graves[n_graves++] = owner;
}

void loop_run_once(int timeout_ms) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
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

int net_accept(int listener) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    return fd;
}

bool net_read(struct watch *w, struct buf *in, size_t limit) {
    if (buf_len(in) >= limit)
        return true;                /* the owner has to consume first; epoll reports the rest again */
    ssize_t n = read(w->fd, buf_room(in, READ_CHUNK), READ_CHUNK);
    if (n > 0)
        in->end += (size_t)n;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

bool net_write(struct watch *w, struct buf *out) {
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
