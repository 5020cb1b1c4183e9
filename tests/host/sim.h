/*
 * sim.h: a group of drivers in one process, over simulated time and a simulated network.
 *
 * driver_sim.c has clients, faults and the checks; sim_net.c the transport; sim_db.c the database;
 * sim_node.c starts, crashes and stops nodes. Equal seeds make equal runs, but for the random
 * identities of directories.
 */
#ifndef HOST_SIM_H
#define HOST_SIM_H

#include "driver.h"
#include "kit.h"
#include "log_file.h"

enum { NODES = 8, FIRST = 5, MS = 1000 };       /* ids 1 to NODES - 1, of these FIRST at first; microseconds */

/* A list of numbers, in the order of the log. */
struct sim_db {
    uint64_t *ids;
    size_t n, cap;
    uint64_t applied;
    bool durable;                       /* the content survives a crash */
    struct rh_sessions *sessions;
    uint8_t *incoming;                  /* a snapshot that is being loaded */
    size_t incoming_len;
    uint64_t result;
    uint64_t *results;
    size_t cap_results;
    uint64_t id;                        /* of the node */
    unsigned asked;                     /* times for a view */
};

/* A log store around the file log: it says how much space is left, and lets a flush fail. */
struct sim_log {
    struct rh_log inner;
    enum rh_space_level level;
    bool fail;
};

struct sim_node {
    struct rh_dir dir;
    struct rh_driver *driver;           /* NULL: down */
    struct sim_db db;
    struct sim_log log;
    char path[300], peer[32];           /* peer: the address of this start */
    unsigned moves;                     /* times that the address changed */
    uint64_t knew;                      /* when the node stopped: sim.n_moves, if the book was right */
    uint64_t flush_due, job_due;        /* 0: nothing to flush */
    bool joined;                        /* was started once */
    bool stops;                         /* is expected to: `last_words` then say why */
    bool gone;                          /* never started again */
    char last_words[RH_WORDS_MAX];      /* of the last error */
};

struct sim {
    struct random random;
    struct sim_node nodes[NODES];
    uint64_t now;
    bool cut[NODES][NODES];             /* no way from a to b */
    const char *root;
    uint64_t n_packets, n_breaks, n_streams, n_crashes, n_rejects, n_failures, n_moves;
};

extern struct sim sim;

/* sim_db.c */
extern const struct rh_database sim_database;   /* self is set by the node */
void sim_db_forget(struct sim_db *db);
void sim_db_free(struct sim_db *db);
/* driver_sim.c: the database reports an outcome. */
void sim_outcome(uint64_t node, uint64_t ticket, const struct rh_outcome *o);

/* sim_node.c */
void sim_start(uint64_t id, bool found, const char *join);
void sim_stop(uint64_t id);
void sim_move(uint64_t id);             /* a stopped node gets another address, if the others can be found */
bool sim_book_is_right(uint64_t id);    /* the node knows where the members are */
void sim_wipe(uint64_t id);             /* empties the directory of a stopped node */
void sim_crash(uint64_t id);            /* unsynced writes are lost */
void sim_turn(uint64_t id);
void sim_flushes(uint64_t id);

/* sim_net.c */
struct rh_net sim_net(uint64_t id);
void sim_net_turn(void);
void sim_net_down(uint64_t id);         /* the node's connections break */
void sim_net_break(uint64_t a, uint64_t b);
void sim_net_free(void);

#endif
