/*
 * clients.h: connections of Redis clients, and the line of requests of a client.
 *
 * Redis runs the commands of a connection in order, and clients rely on the order: a
 * pipeline of SET, GET, SET must answer as if each command had waited for the command before. So
 * replies leave in order. A read is not asked for while an earlier write waits, and a write is not
 * proposed while an earlier read waits. A run of writes, or of reads, goes out at once, so pipelining
 * is fast.
 */
#ifndef KV_CLIENTS_H
#define KV_CLIENTS_H

#include "net.h"

struct client;

enum request_state {
    REQUEST_NEW,                    /* in the client's line */
    REQUEST_WAITING,                /* with the library */
    REQUEST_READY,                  /* a read that may read the data now */
    REQUEST_DONE,                   /* the reply stands in `reply` */
};

/* A command of a client. If the client goes while the request waits, `client` is NULL. */
struct request {
    struct request *next;           /* in the client's line */
    struct request *queued;         /* reads that wait for one answer */
    struct client *client;
    const struct command *command;  /* NULL: refused */
    enum request_state state;
    struct rh_retry retry;          /* of RAFT.ONCE; number 0: none */
    size_t size;                    /* of the request: the sum bounds a client's line */
    struct buf op;                  /* a write, as a log entry */
    struct buf reply;
    size_t n_args;                  /* 0 for a write, whose arguments are in `op` */
    slice arg[];                    /* the command's name first; the bytes follow in the block */
};

extern struct clients_count {
    uint64_t now, most, accepted, refused, commands;
} clients_count;

void clients_limit(void);           /* raises the limit on descriptors; ends the process if the limit is too low */
void clients_open(const char *listen);
void clients_run(void);             /* everyone something has happened to: serve, issue, write to the socket */
void clients_stop(void);            /* accepts no connections and no requests */
void clients_close(void);           /* sends the last replies, as far as the sockets accept */

void request_done(struct request *r, enum request_state state);

#endif
