/*
 * request.h: one command of a client, on its way from the socket through the log and back.
 *
 * A client's requests stand in one line and are answered in that order, whatever order their answers become known in. The
 * host holds a request while it is WAITING; if the client goes meanwhile, `client` is NULL and whoever finishes it frees it.
 */
#ifndef KV_REQUEST_H
#define KV_REQUEST_H

#include "util.h"

struct client;
struct host;
struct command;

enum request_state {
    REQUEST_NEW,                    /* in the client's line, nobody else knows of it */
    REQUEST_WAITING,                /* with the host: in its queue, in the log, or waiting for a read index */
    REQUEST_READY,                  /* a read that may look at the data now, or a command that never had to wait */
    REQUEST_DONE,                   /* the reply stands in `reply` */
};

struct request {
    struct request *next;           /* in the client's line */
    struct request *queued;         /* in one of the host's lists */
    struct client *client;
    struct host *host;              /* with `origin`: another node passed it on, see forward.h */
    uint64_t origin, origin_seq;
    const struct command *command;
    enum request_state state;
    bool forwarded;                 /* the core passed it on: only applying it here will tell */
    uint64_t seq;                   /* names it in the log, together with node and nonce */
    uint64_t term;                  /* when it was proposed */
    int64_t deadline;               /* ms */
    size_t size;                    /* bytes it holds: a client's line is bounded by their sum */
    struct buf op;                  /* a write, as it goes into the log */
    struct buf reply;
    size_t n_args;                  /* 0 for a write: its arguments are in `op` */
    slice arg[];                    /* the command's name first; the bytes follow in the same block */
};

/* By clients.c. `request_finished` after `reply` was filled, `request_readable` when a read may look at the data. */
void request_finished(struct request *r);
void request_readable(struct request *r);
void request_free(struct request *r);

struct request_list {
    struct request *head, **tail;
    size_t count;
};

static inline void requests_add(struct request_list *l, struct request *r)
{
    if (!l->head)
        l->tail = &l->head;
    r->queued = NULL;
    *l->tail = r;
    l->tail = &r->queued;
    l->count++;
}

static inline struct request *requests_take(struct request_list *l)
{
    struct request *r = l->head;

    if (r) {
        l->head = r->queued;
        l->count--;
    }
    return r;
}

#endif
