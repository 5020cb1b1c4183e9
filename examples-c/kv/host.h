/*
 * host.h: the node with everything around: a Raft core, a store, the peers, and the waiting
 * requests.
 */
#ifndef KV_HOST_H
#define KV_HOST_H

#include "peers.h"
#include "request.h"
#include "snapshot.h"
#include "store.h"

enum {
    TICK_MS = 50,
    ELECTION_TICKS = 10,            /* a follower that hears nothing for 0.5 to 1 s campaigns */
    HEARTBEAT_TICKS = 1,
    ANSWER_MS = 5000,               /* how long a request waits for a leader, and again for its outcome */
    PENDING = 64 * 1024,            /* writes in the log with waiting clients; a power of two */
    READ_BATCHES = 4,
};

struct options {
    uint64_t id, group, keep;
    const char *dir, *client, *peer, *cluster;
    size_t map_bytes;
    bool join, force_cluster;
};

struct read_batch {
    uint64_t token;                 /* 0: free */
    struct request_list requests;
};

struct host {
    raftcore_node *node;
    struct store store;
    struct peers peers;
    struct snapshot_in incoming;
    uint64_t id, group, keep;

    uint32_t role;                  /* as the last ready said */
    uint64_t term, leader;
    uint64_t applied_term;          /* of the last entry applied */

    uint64_t nonce, seq;            /* names of our writes: see op.h */
    struct request_list writes;     /* not proposed yet */
    struct request *pending[PENDING];   /* proposed, by sequence number */
    uint64_t oldest;                /* no pending write is older */
    size_t n_pending;
    uint64_t read_token;
    struct request_list reads;      /* not asked yet */
    struct read_batch batches[READ_BATCHES];
    struct request_list forwards;   /* with the leader: see forward.h */
    uint64_t forward_seq;
    struct request *transfer;       /* RAFT.TRANSFER waits for a new leader */

    uint64_t n_readies, n_applied, n_writes, n_reads, n_unknown;
    bool busy;                      /* input came in: run the pump */
    bool stopping;
};

void host_boot(struct host *h, const struct options *o);         /* boot.c */
void host_tick(struct host *h, uint32_t ticks);
void host_pump(struct host *h);                                  /* does all pending work, then returns */
bool host_is_idle(const struct host *h);                         /* nobody waits for an answer */
void host_give_up(struct host *h);                               /* the end: answers everyone who waits */
void host_close(struct host *h);

void host_write(struct host *h, struct request *r);              /* r->op holds the operation */
void host_read(struct host *h, struct request *r);
/* A change of the membership, on the leader. r->op holds an OP_MEMBER. False: refused, and the reply says why. */
bool host_change(struct host *h, struct request *r, raftcore_change change);
void host_fail(struct host *h, const char *what, raftcore_code code) __attribute__((noreturn));
void host_must(struct host *h, raftcore_code code, const char *what);     /* ends the process if the code is an error */
const char *host_detail(struct host *h);                         /* the node's own text of its last error */
const char *role_name(uint32_t role);

enum membership { STRANGER, LEARNER, VOTER };
enum membership host_membership(const raftcore_conf *conf, uint64_t id);

#endif
