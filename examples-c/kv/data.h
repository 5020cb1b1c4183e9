/*
 * data.h: keys and values, in LMDB, with the index of the last applied entry.
 *
 * The loop never waits for LMDB's flush. Changes stand in a table in memory. A thread writes a full
 * table in one transaction, together with the applied index, while the next table fills. A read
 * looks into the two tables first, then into LMDB. After a crash LMDB holds an earlier state as a
 * whole, and the log has the rest.
 *
 * The clients' sessions are a part of the data: a transaction has the table as of its applied index.
 *
 * A value has a hash of key and value in front, and a state record has the sum of the hashes.
 * data_open walks over everything in a child process, so damage ends in words, not in a signal.
 */
#ifndef KV_DATA_H
#define KV_DATA_H

#include <lmdb.h>
#include <pthread.h>

#include "util.h"

enum { KEY_MAX = 511, VALUE_MAX = 1024 * 1024 };

/* The record of the meta table, as of a transaction. */
struct data_state {
    uint64_t version;
    uint64_t applied;               /* the last entry whose effect is in the data */
    uint64_t keys, hash;            /* number of pairs; sum of the hashes */
    uint64_t live;                  /* number of the table in use; a snapshot is loaded into the spare table */
    uint64_t check;                 /* of the fields before */
};

struct table {                      /* changes, by key */
    struct change **slots;
    size_t n_slots, count, bytes;
    bool cleared;                   /* everything older is gone: FLUSHALL */
    struct buf sessions;            /* the table of sessions as of `state`, once the table is full; empty: unchanged */
    struct data_state state;
};

struct data {
    char path[300];
    MDB_env *env;
    MDB_dbi meta, pairs[2];
    MDB_txn *view;                  /* as of the last finished transaction */
    struct table now, frozen;
    bool settling;                  /* data_settle has handed a table over */
    uint64_t durable;               /* the last entry whose effect is in LMDB */
    int64_t since;                  /* ms, when the first change came into `now`; 0: none */
    uint64_t map_bytes;
    struct data_state stage;        /* of a snapshot that is being loaded */
    MDB_txn *load;
    uint64_t part;                  /* bytes of a snapshot in the open transaction */
    struct buf rest;                /* the begin of a record */
    struct rh_sessions *sessions;   /* recognises a write that a client sends twice: RAFT.ONCE */
    bool sessions_changed;          /* since the last hand-over */
    struct rh_sessions *loaded;     /* of a snapshot that is being loaded, complete with has_sessions */
    bool has_sessions;

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool started, stop, busy, full; /* busy: `frozen` is being written. full: nine tenths of the map are used */
    int failed;
    struct rh_words words;
};

/* Opens or makes DIR/data.mdb. *applied: as rh_database.applied. */
int data_open(struct data *d, const char *dir, uint64_t map_bytes, uint64_t *applied, struct rh_words *why);
/* Writes the waiting changes, and closes. */
void data_close(struct data *d);

/* Call with each turn: hands a table to the thread, takes a written one back. */
int data_turn(struct data *d, struct rh_words *why);
/* Waits until everything applied is durable. */
int data_flush(struct data *d, struct rh_words *why);
/* The same up to an entry, without waiting: RH_NONE as long as the thread is at it. */
int data_make_durable(struct data *d, uint64_t index, struct rh_words *why);
/* The same for everything applied: RH_NONE while a large table is written, then waits for the little that came meanwhile. */
int data_settle(struct data *d, struct rh_words *why);
bool data_is_full(struct data *d);

/* Slices live until the next change and the next turn. */
bool data_get(struct data *d, slice key, slice *value);
void data_put(struct data *d, slice key, slice value);  /* the value must not be a result of data_get */
bool data_del(struct data *d, slice key);
void data_clear(struct data *d);
void data_applied(struct data *d, uint64_t index);
/* As rh_sessions_seen and rh_sessions_done. */
bool data_seen(struct data *d, struct rh_entry *e);
int data_done(struct data *d, const struct rh_entry *e, struct rh_words *why);
/* Calls `take` for the keys after `after`, about `count`, in no order. *last: where to go on; empty at the end. */
void data_scan(struct data *d, slice after, size_t count, void (*take)(void *context, slice key), void *context,
               struct buf *last);

/* For rh_database, section 2 of raftcore_host.h. `self` is the struct data. */
int data_snapshot_open(void *self, void **view, uint64_t *index, struct rh_words *why);
int data_snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why);
void data_snapshot_close(void *self, void *view);
int data_snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                       struct rh_words *why);

#endif
