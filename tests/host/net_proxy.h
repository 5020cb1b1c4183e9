/*
 * net_proxy.h: a proxy between transports, which cuts connections and changes bytes.
 */
#ifndef HOST_NET_PROXY_H
#define HOST_NET_PROXY_H

#include "net_kit.h"

enum { PROXY_PAIRS = 16, PROXY_BYTES = 1 << 18 };

struct proxy_half {
    int from, to;
    uint8_t bytes[PROXY_BYTES];
    size_t start, end;
    uint64_t passed;
};

struct proxy_pair {
    bool used;
    uint64_t rest;                      /* bytes to pass before the cut; UINT64_MAX: no cut */
    struct proxy_half up, down;         /* from the dialler to the acceptor, and back */
};

static struct {
    int listener;
    unsigned port, target;
    uint64_t cut_after;                 /* of new connections: bytes from the dialler; UINT64_MAX: never */
    uint64_t flip_at;                   /* position of a byte to be changed in the next connection; 0: none */
    uint64_t piece;                     /* bytes passed on at once; 0: all */
    unsigned cuts, flips, connections;
    uint64_t passed;                    /* from diallers */
    struct proxy_pair pairs[PROXY_PAIRS];
} proxy;

static inline void proxy_open(unsigned target)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    memset(&proxy, 0, sizeof proxy);
    proxy.cut_after = UINT64_MAX;
    proxy.target = target;
    proxy.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(proxy.listener >= 0 && bind(proxy.listener, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(listen(proxy.listener, 16) == 0 && getsockname(proxy.listener, (struct sockaddr *)&at, &len) == 0);
    proxy.port = ntohs(at.sin_port);
}

static inline void proxy_end(struct proxy_pair *p)
{
    close(p->up.from);
    close(p->up.to);
    p->used = false;
}

static inline void proxy_close(void)
{
    for (int i = 0; i < PROXY_PAIRS; i++)
        if (proxy.pairs[i].used)
            proxy_end(&proxy.pairs[i]);
    close(proxy.listener);
}

/* Returns false at the end of a stream. */
static inline bool proxy_pump(struct proxy_half *h, uint64_t *rest)
{
    if (h->start == h->end) {
        size_t most = rest && *rest < PROXY_BYTES ? (size_t)*rest : PROXY_BYTES;
        if (proxy.piece && most > proxy.piece)
            most = proxy.piece;
        ssize_t n = recv(h->from, h->bytes, most, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return false;
        h->start = 0;
        h->end = n > 0 ? (size_t)n : 0;
        if (rest && n > 0) {
            if (proxy.flip_at && h->passed <= proxy.flip_at && proxy.flip_at < h->passed + (uint64_t)n) {
                h->bytes[proxy.flip_at - h->passed] ^= 0x40;
                proxy.flip_at = 0;
                proxy.flips++;
            }
            proxy.passed += (uint64_t)n;
            if (*rest != UINT64_MAX)
                *rest -= (uint64_t)n;
        }
        h->passed += n > 0 ? (uint64_t)n : 0;
    }
    while (h->start < h->end) {
        ssize_t n = send(h->to, h->bytes + h->start, h->end - h->start, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        h->start += (size_t)n;
    }
    return true;
}

static inline void proxy_turn(void)
{
    int fd = accept4(proxy.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    for (int i = 0; fd >= 0 && i < PROXY_PAIRS; i++) {
        struct proxy_pair *p = &proxy.pairs[i];
        if (p->used)
            continue;
        int to = dial_port(proxy.target);
        p->used = true;
        p->rest = proxy.cut_after;
        p->up.from = p->down.to = fd;
        p->up.to = p->down.from = to;
        p->up.start = p->up.end = p->down.start = p->down.end = p->up.passed = p->down.passed = 0;
        proxy.connections++;
        fd = -1;
    }
    CHECK(fd < 0);
    for (int i = 0; i < PROXY_PAIRS; i++) {
        struct proxy_pair *p = &proxy.pairs[i];
        if (!p->used)
            continue;
        bool alive = proxy_pump(&p->up, &p->rest) && proxy_pump(&p->down, NULL);
        if (p->rest == 0 && p->up.start == p->up.end) {
            proxy.cuts++;
            alive = false;
        }
        if (!alive)
            proxy_end(p);
    }
}

#define UNTIL_PROXY(condition) \
    do { \
        double end_ = now_seconds() + 20; \
        while (!(condition)) { \
            if (now_seconds() > end_) \
                DIE("not within 20 s: %s", #condition); \
            proxy_turn(); \
            turn(0); \
        } \
    } while (0)

#endif
