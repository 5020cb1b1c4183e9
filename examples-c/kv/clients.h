/*
 * clients.h: connections of Redis clients, and the line of requests of each client.
 *
 * Redis runs the commands of a connection one after the other, and clients rely on the order: a
 * pipeline of SET, GET, SET must answer as if each command had waited for the command before. So
 * replies leave in order. A read looks at the data only at the head of its line, after all earlier
 * writes. A write is not proposed while an earlier read waits. A run of writes, or of reads, goes
 * out at once, so pipelining is fast.
 */
#ifndef KV_CLIENTS_H
#define KV_CLIENTS_H

#include "host.h"
#include "net.h"
#include "resp.h"

enum {
    CLIENTS_MAX = 10000,            /* or fewer, by the limit on open files */
    OTHER_FILES = 256,              /* peers, the database, the loop's own */
    LINE_MAX = 1024,                /* unanswered requests of a client; the server reads no more meanwhile */
    LINE_BYTES = 16 * 1024 * 1024,
    CLIENT_OUT_MAX = 1024 * 1024,   /* unread replies of a client; the server serves no more meanwhile */
    REPLY_MAX = 64 * 1024 * 1024,
};

struct client {
    struct watch watch;
    struct client *next, **link;
    struct client *next_runnable;
    bool runnable;
    bool closing;                   /* once line and buffer are empty */
    struct buf in, out;
    size_t need;                    /* bytes of input before parsing makes sense again */
    struct request *head, *last;    /* the line */
    struct request *unissued;       /* the first request that the host has not seen; NULL: none */
    size_t count, bytes;
    size_t others;                  /* issued, not answered, and no write */
};

struct clients {
    struct host *host;
    struct watch listener;
    struct client *first, *runnable;
    size_t count, most;             /* clients now, and at most */
    uint64_t accepted, refused, commands;    /* for INFO */
};

extern struct clients clients;

void clients_open(struct host *h, const char *listen);
void clients_run(void);             /* everyone something has happened to: serve, issue, write to the socket; from the pump, too */
void clients_stop(void);            /* accepts no connections: clients should go to another node */
void clients_close(void);           /* sends the last replies, as far as the sockets accept */

#endif
