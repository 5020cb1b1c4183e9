/*
 * lmdb_map_parts.h: shared by the files lmdb_map*.c.
 *
 *   lmdb_map.c           pairs: the tables in memory, and LMDB behind them
 *   lmdb_map_file.c      open, close, and the thread that writes into LMDB
 *   lmdb_map_snapshot.c  the map as bytes, and back
 */
#ifndef RH_LMDB_MAP_PARTS_H
#define RH_LMDB_MAP_PARTS_H

#include <limits.h>
#include <pthread.h>

#include "lmdb_bytes.h"
#include "lmdb_env.h"
#include "lmdb_map.h"

enum { HASH = 8 };                      /* bytes of a hash in front of a stored value */

/* The record of the meta table, as of a transaction. */
struct map_state {
    uint64_t version;
    uint64_t applied;                   /* the last entry whose effect is in the pairs */
    uint64_t keys, hash;                /* number of pairs; sum of the hashes */
    uint64_t live;                      /* number of the table in use; a snapshot is loaded into the spare table */
    uint64_t check;                     /* of the fields before */
};

struct change {
    struct change *next;
    uint64_t hash;                      /* of the key */
    uint32_t key_len, value_len;
    bool gone;
    uint8_t bytes[];                    /* key, hash of the pair, value: the last two as LMDB gets them */
};

/* Changes, by key. */
struct map_table {
    struct change **slots;
    size_t n_slots, count, bytes;
    bool cleared;                       /* everything older is gone */
    struct bytes sessions;              /* the table of sessions as of `state`, once the table is full; empty: unchanged */
    struct map_state state;
};

struct rh_map {
    char path[PATH_MAX];
    uint64_t map_bytes;
    MDB_env *env;
    MDB_dbi meta, pairs[2];
    MDB_txn *view;                      /* as of the last finished transaction */
    struct map_table now, frozen;
    bool settling;                      /* map_settle has handed a table over */
    uint64_t durable;                   /* the last entry whose effect is in LMDB */
    int64_t since;                      /* ms, when the first change came into `now`; 0: none */
    int broken;                         /* the first failure on the loop's thread */
    struct rh_words broken_words;

    struct map_state stage;             /* of a snapshot that is being loaded */
    MDB_txn *load;
    uint64_t part;                      /* bytes of a snapshot in the open transaction */
    struct bytes rest;                  /* the begin of a record */
    struct rh_sessions *loaded;         /* of a snapshot that is being loaded, complete with has_sessions */
    bool has_sessions;
    struct rh_sessions *sessions;
    bool sessions_changed;              /* since the last hand-over */

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool started, stop, busy, full;     /* busy: `frozen` is being written */
    int failed;                         /* of the thread */
    struct rh_words words;
};

static inline slice change_key(const struct change *c)
{
    return slice_of(c->bytes, c->key_len);
}

/* lmdb_map.c */
uint64_t map_pair_hash(slice key, slice value);
void map_table_empty(struct map_table *t);
int64_t map_now_ms(void);
/* Stops the map for good. Returns the code of the first failure. rc: of LMDB or the system. */
int map_fail(struct rh_map *m, int rc, const char *doing);
/* The same with a code and words of the library. */
int map_break(struct rh_map *m, int code, const char *words);

/* lmdb_map_file.c */
int map_put_state(struct rh_map *m, MDB_txn *txn, struct map_state *s);
/* Writes the record for map_put_sessions. False: no memory. */
bool map_write_sessions(const struct rh_sessions *sessions, struct bytes *out);
int map_put_sessions(struct rh_map *m, MDB_txn *txn, slice record);
/* Waits until everything applied is durable. */
int map_flush_all(struct rh_map *m, struct rh_words *why);
/* The same: RH_NONE while a large table is written, then waits for the little that came meanwhile. */
int map_settle(struct rh_map *m, struct rh_words *why);

#endif
