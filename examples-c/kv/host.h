/* host.h: the database and its host: kv's struct rh_database, requests, outcomes. */
#ifndef KV_HOST_H
#define KV_HOST_H

#include "clients.h"
#include "lmdb_map.h"

struct options {
    struct rh_options rh;
    const char *client;
    uint64_t map_bytes;
    bool lmdb_log, force_alone;
};

extern struct kv {
    struct rh_host *host;
    struct rh_map *map;
    uint64_t n_writes, n_reads, n_unknown, n_applied;
} kv;

void host_open(const struct options *o);    /* ends the process with words if the host cannot start */
void host_turn(void);                       /* the library's turn; ends the process with words after a failure */
void host_close(void);

void host_write(struct request *r);         /* r->op holds the operation */
void host_read(struct request *r);

/* The map. A failure ends the process with words, and another member leads. */
int data_must(int code);

static inline bool data_get(slice key, slice *value) {
    return data_must(rh_map_get(kv.map, key, value)) == RH_OK;
}

static inline void data_put(slice key, slice value) {
    data_must(rh_map_put(kv.map, key, value));
}

static inline bool data_del(slice key) {
    return data_must(rh_map_del(kv.map, key)) == RH_OK;
}

#endif
