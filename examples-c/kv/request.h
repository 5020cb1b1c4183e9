/*
 * request.h: a command of a client, on the way from the socket through the log and back.
 *
 * A client's requests stand in a line, and answers leave in the same order, in whatever order the
 * answers become known. The host holds a request while the request is WAITING. If the client goes
 * meanwhile, `client` is NULL, and the host frees the request at its end.
 */
#ifndef KV_REQUEST_H
#define KV_REQUEST_H

#include "util.h"

struct client;
struct host;
struct command;

enum request_state {
    REQUEST_NEW,                    /* in the client's line, unknown to the host */
    REQUEST_WAITING,                /* with the host: in its queue, in the log, or waiting for a read index */
    REQUEST_READY,                  /* a read that may read the data now, or a command that never had to wait */
    REQUEST_DONE,                   /* the reply stands in `reply` */
};

struct request {
    struct request *next;           /* in the client's line */
    struct request *queued;         /* in a list of the host */
    struct client *client;
    struct host *host;              /* with `origin`: another node forwarded the request, see forward.h */
    uint64_t origin, origin_seq;
    const struct command *command;
    enum request_state state;
    bool forwarded;                 /* the core forwarded the write: only applying the entry will tell the outcome */
    uint64_t seq;                   /* names the write in the log, together with node and nonce */
    uint64_t term;                  /* the term of the proposal */
    int64_t deadline;               /* ms */
    size_t size;                    /* bytes of the request: a client's line is bounded by their sum */
    struct buf op;                  /* a write, as a log entry */
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
