/* net.h: an epoll loop, and TCP sockets that never block the loop. */
#ifndef KV_NET_H
#define KV_NET_H

#include <sys/epoll.h>

#include "util.h"

/* A file descriptor in the loop. The watch is inside the struct that owns the descriptor. */
struct watch {
    int fd;
    uint32_t events;
    void (*fn)(struct watch *w, uint32_t events);
};

void loop_open(void);
void loop_add(struct watch *w, uint32_t events);
void loop_set(struct watch *w, uint32_t events); /* costs a system call only if the events change */
void loop_close(struct watch *w);                /* closes the descriptor; drops events fetched before */
void loop_free(void *owner);                     /* frees the struct around a closed watch, later */
void loop_run_once(int timeout_ms);              /* waits, then calls every watch with an event */

int net_accept(int listener);                    /* -1: errno says why */
bool net_read(struct watch *w, struct buf *in, size_t limit);   /* false: closed or broken */
bool net_write(struct watch *w, struct buf *out);               /* writes as much as fits; false: broken */

#endif
