/* host.h: the database and its host: kv's struct rh_database, requests, outcomes. */
#ifndef KV_HOST_H
#define KV_HOST_H

#include "clients.h"
#include "data.h"

struct options {
    struct rh_options rh;
    const char *client, *metrics;
    uint64_t map_bytes;
    bool lmdb_log, force_alone;
};

extern struct kv {
    struct rh_host *host;
    struct data data;
    uint64_t n_writes, n_reads, n_unknown, n_applied;
} kv;

void host_open(const struct options *o);    /* ends the process with words if the host cannot start */
void host_turn(void);                       /* the library's turn; ends the process with words after a failure */
void host_close(void);

void host_write(struct request *r);         /* r->op holds the operation */
void host_read(struct request *r);
/* Waits for the outcome of a call of the library. code: the call's result. r: the ticket. */
void host_wait(struct request *r, int code, struct buf *out);

#endif
