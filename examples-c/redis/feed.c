/*
 * feed.c: on a follower, this process is the master of the server.
 *
 * A new server gets an image once, from the newest snapshot, or without keys. Committed bytes follow.
 * A deposed server without uncommitted effects continues at the end of the committed bytes. After a
 * different request, the server is loaded anew.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sidecar.h"

enum { FEED_MAX = 512 * 1024 * 1024, FEED_WAIT_MS = 20000, WORDS = 8 };

/* An image without keys. Zeros for a checksum: none. */
static const uint8_t empty_image[18] = "REDIS0009\xff";

void feed_drop(struct sidecar *s)
{
    watch_close(&s->feed_watch);
    buf_free(&s->feed_in);
    buf_free(&s->feed_head);
    s->feed_online = false;
}

void feed_base(struct sidecar *s, int fd, uint64_t at, uint64_t bytes, uint64_t end)
{
    feed_drop(s);                       /* the server connects again, and gets the image */
    buf_free(&s->feed_out);
    if (s->base_fd >= 0)
        close(s->base_fd);
    s->base_fd = fd;
    s->base_at = at;
    s->base_bytes = bytes;
    s->base_end = s->fed_end = end;
    s->feed_used = s->feed_continue = false;
}

void feed_reset(struct sidecar *s)
{
    feed_base(s, -1, 0, 0, 0);
}

/* ---- writing ---- */

static bool write_base(struct sidecar *s)
{
    off_t at = (off_t)s->base_at;

    while (s->base_fd >= 0 && s->base_bytes > 0) {
        ssize_t sent = sendfile(s->feed_watch.fd, s->base_fd, &at, s->base_bytes < 1 << 20 ? s->base_bytes : 1 << 20);
        if (sent <= 0)
            return sent < 0 && (errno == EAGAIN || errno == EINTR);
        s->base_at += (uint64_t)sent;
        s->base_bytes -= (uint64_t)sent;
    }
    return true;
}

void feed_write(struct sidecar *s)
{
    if (!s->feed_watch.ready)
        return;
    bool good = write_some(s->feed_watch.fd, &s->feed_head), based = s->base_fd >= 0 && s->base_bytes > 0;
    if (good && s->feed_online && s->feed_head.len == 0) {
        good = write_base(s);
        based = s->base_fd >= 0 && s->base_bytes > 0;
        if (good && !based)
            good = write_some(s->feed_watch.fd, &s->feed_out);
    }
    if (!good) {
        want_reload(s, "the server broke the connection to its master");
        return;
    }
    bool more = s->feed_head.len > 0 || (s->feed_online && (based || s->feed_out.len > 0));
    watch_set(s, &s->feed_watch, EPOLLIN | (more ? EPOLLOUT : 0u));
}

/* A server far behind holds this process back, and so the leader. */
static bool wait_for_server(struct sidecar *s)
{
    for (int waited = 0; s->feed_out.len > FEED_MAX && waited < FEED_WAIT_MS && s->feed_online; waited += 100) {
        struct pollfd p = {.fd = s->feed_watch.fd, .events = POLLOUT};
        poll(&p, 1, 100);
        feed_write(s);
    }
    return s->feed_out.len <= FEED_MAX;
}

bool feed_add(struct sidecar *s, const uint8_t *bytes, size_t n)
{
    if (!buf_add(&s->feed_out, bytes, n))
        return false;
    s->fed_end += n;
    return s->feed_out.len <= FEED_MAX || s->reload[0] || wait_for_server(s);
}

/* ---- the handshake ---- */

static void answer(struct sidecar *s, const char *text)
{
    if (!buf_add(&s->feed_head, text, strlen(text)))
        feed_drop(s);
}

static void full_image(struct sidecar *s)
{
    char text[160];
    size_t bytes = s->base_fd >= 0 ? s->base_bytes : sizeof empty_image;

    if (s->feed_used) {
        want_reload(s, "the server asks for a second image");
        return;
    }
    snprintf(text, sizeof text, "+FULLRESYNC %040" PRIx64 " %" PRIu64 "\r\n$%zu\r\n", s->o.group, s->base_end, bytes);
    answer(s, text);
    if (s->base_fd < 0 && !buf_add(&s->feed_head, empty_image, sizeof empty_image))
        feed_drop(s);
    s->feed_used = s->feed_online = true;
}

static void psync(struct sidecar *s, const char *id, const char *next)
{
    char text[80];

    if (!s->feed_continue) {
        full_image(s);
    } else if (strcmp(id, s->feed_id) == 0 && strtoull(next, NULL, 10) == s->fed_end - s->feed_out.len + 1) {
        snprintf(text, sizeof text, "+CONTINUE %040" PRIx64 "\r\n", s->o.group);
        answer(s, text);
        s->feed_continue = false;
        s->feed_online = true;
    } else {
        want_reload(s, "the server was deposed at %" PRIu64 ", and asks for %s", s->fed_end, next);
    }
}

static void command(struct sidecar *s, char words[WORDS][64], size_t n)
{
    if (strcasecmp(words[0], "PING") == 0)
        answer(s, "+PONG\r\n");
    else if (strcasecmp(words[0], "AUTH") == 0 && n == 3 && strcmp(words[2], s->secret) == 0)
        s->feed_known = true, answer(s, "+OK\r\n");
    else if (strcasecmp(words[0], "REPLCONF") == 0 && n > 1 && strcasecmp(words[1], "ACK") == 0)
        return;
    else if (strcasecmp(words[0], "REPLCONF") == 0)
        answer(s, "+OK\r\n");
    else if (strcasecmp(words[0], "PSYNC") == 0 && n == 3 && s->feed_known)
        psync(s, words[1], words[2]);
    else
        answer(s, s->feed_known ? "-ERR not known to raftcore-redis\r\n" : "-NOAUTH who are you?\r\n");
}

/* Takes a command off the input. Returns its length; 0: not complete, -1: no command. */
static long take_command(struct sidecar *s, char words[WORDS][64], size_t *n)
{
    const char *p = (char *)buf_head(&s->feed_in);
    long len = reply_len(buf_head(&s->feed_in), s->feed_in.len);

    *n = 0;
    if (*p == '\n' || *p == '\r')
        return 1;                       /* the server is loading, and alive */
    if (len > 0 && *p != '*')
        return -1;
    for (const char *end = p + len; len > 0 && *n < WORDS && (p = next_word(p, end, words[*n], sizeof words[*n])); (*n)++)
        ;
    return len;
}

static void ready(void *self, uint32_t events)
{
    struct sidecar *s = self;
    char words[WORDS][64];
    size_t n;
    long len = 0;
    bool open = !(events & ~(uint32_t)EPOLLOUT) || read_some(s->feed_watch.fd, &s->feed_in, 16 * 1024);

    while (open && s->feed_watch.ready && s->feed_in.len > 0 && (len = take_command(s, words, &n)) > 0) {
        buf_take(&s->feed_in, (size_t)len);
        if (n > 0)
            command(s, words, n);
    }
    if (!open || len < 0)
        feed_drop(s);
    else
        feed_write(s);
}

static void accept_server(void *self, uint32_t events)
{
    struct sidecar *s = self;
    int fd = accept4(s->feed_listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    if (fd < 0)
        return;
    if (s->feed_watch.ready && s->feed_known) {
        close(fd);                      /* a stranger does not replace the server */
        return;
    }
    feed_drop(s);
    s->feed_known = false;
    watch_open(s, &s->feed_watch, fd, ready, s);
}

bool feed_open(struct sidecar *s, struct rh_words *why)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;

    if (!watch_listen(s, &s->feed_listener, "127.0.0.1:0", accept_server, why))
        return false;
    getsockname(s->feed_listener.fd, (struct sockaddr *)&at, &len);
    s->feed_port = ntohs(at.sin_port);
    return true;
}
