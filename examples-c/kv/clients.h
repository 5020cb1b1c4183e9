/*
 * clients.h: connections of redis-cli and its like, and the line of requests each has.
 *
 * Redis runs the commands of one connection one after the other, and clients rely on it: a pipeline of SET, GET, SET must
 * answer as if each had waited for the one before. So: replies leave in order; a read looks at the data only when it stands
 * at the head of its line, after all writes before it; and a write is not proposed while a read stands before it. A run of
 * writes, or of reads, goes out at once: that is what makes pipelining fast.
 */
#ifndef KV_CLIENTS_H
#define KV_CLIENTS_H

#include "host.h"
#include "net.h"
#include "resp.h"

enum {
    CLIENTS_MAX = 10000,            /* or what the limit on open files leaves */
    OTHER_FILES = 256,              /* peers, the database, the loop's own */
    LINE_MAX = 1024,                /* requests of one client that are not answered yet; more are left unread */
    LINE_BYTES = 16 * 1024 * 1024,
    CLIENT_OUT_MAX = 1024 * 1024,   /* of a client that does not read its replies: no more of its requests are looked at */
    REPLY_MAX = 64 * 1024 * 1024,
};

struct client {
    struct watch watch;
    struct client *next, **link;
    struct client *next_runnable;
    bool runnable;
    bool closing;                   /* when its line and buffer are empty */
    struct buf in, out;
    size_t need;                    /* bytes of input before parsing makes sense again */
    struct request *head, *last;    /* the line */
    struct request *unissued;       /* the first that was not given to the host; NULL: none */
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
void clients_stop(void);            /* no more connections: who dials now should be refused, and go to another node */
void clients_close(void);           /* last replies, as far as the sockets take them */

#endif
