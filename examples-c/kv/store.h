/*
 * store.h: everything that a node must remember, in an LMDB environment.
 *
 * meta      one record of fixed size (struct store_state), the membership's bytes, the members'
 * addresses log       index (8 bytes, big-endian, so that LMDB's order is the log's) -> term, kind,
 * data data0/1   the users' keys and values: one table is live, an incoming snapshot is written
 * into the other
 *
 * There is ONE write transaction. The first call that needs the transaction opens it, everything
 * reads and writes through it, and store_commit() makes everything durable at once: entries, hard
 * state, applied data and membership can't come apart. The core's contract asks for exactly this,
 * and LMDB does nothing cheaper: a commit is a sync, however large.
 *
 * A failure of the disk is not an error to handle: the process ends (die), since nobody may report
 * a write whose fate is unknown. The next start boots from what is on the disk.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include <lmdb.h>

#include "util.h"

enum {
    KEY_MAX = 511,                  /* LMDB's own limit */
    VALUE_MAX = 1024 * 1024,
};

struct store_state {
    uint64_t version;
    uint64_t id, group;             /* the owner of the disk: no other node may boot from the disk */
    uint64_t term, vote, commit;    /* Raft's hard state */
    uint64_t applied;               /* data and membership are as of this entry */
    uint64_t before, before_term;   /* the log begins after this index */
    uint64_t live;                  /* the live data table */
    uint64_t keys, hash;            /* of the live data; the hash is a sum over all pairs, so order does not matter */
    uint64_t skip_conf_to;          /* --force-cluster: configuration entries up to here no longer count */
};

struct store {
    MDB_env *env;
    MDB_txn *txn;                   /* the write transaction, or NULL */
    MDB_dbi meta, log, data[2];
    struct store_state state, written;
    uint64_t last;                  /* last index of the log, or `before` */
    uint64_t changes, commits;
    uint64_t stage_keys, stage_hash;
    bool fresh;                     /* the disk was empty */
    bool full;                      /* nine tenths of the map are in use */
    int lock_fd;
};

/* `regroup`: the directory may be of another group, and joins this group (--force-cluster). */
void store_open(struct store *s, const char *dir, uint64_t id, uint64_t group, bool regroup, size_t map_bytes);
void store_close(struct store *s);
void store_commit(struct store *s);                      /* durable on return; an empty commit costs nothing */
void store_measure(struct store *s);                     /* sets `full`: LMDB can't report once out of room */
bool store_is_large(const struct store *s);              /* the transaction is large: commit */

slice store_conf(struct store *s);                       /* raftpb ConfState as of `applied`; empty: none */
void store_set_conf(struct store *s, slice conf);
slice store_addresses(struct store *s);                  /* "4=host:port,5=host:port": members added by RAFT.ADD */
void store_set_addresses(struct store *s, slice text);

/* The log. Returned slices live until the next call that writes. */
void store_append(struct store *s, const raftcore_entry *entries, size_t count, size_t stride);
bool store_entry(struct store *s, uint64_t index, raftcore_entry *out);
uint64_t store_term(struct store *s, uint64_t index);    /* also of `before` */
void store_compact(struct store *s, uint64_t upto, size_t at_most);

/* The data (data.c). */
bool store_get(struct store *s, slice key, slice *value_out);
void store_put(struct store *s, slice key, slice value);  /* the value must not be a result of store_get */
bool store_del(struct store *s, slice key);
void store_flush(struct store *s);
/* The first pair whose key is >= from (`after`: > from); then pair by pair. The cursor dies with the next write. */
MDB_cursor *store_scan(struct store *s, slice from, bool after, slice *key_out, slice *value_out);
bool store_scan_next(MDB_cursor *cursor, slice *key_out, slice *value_out);

/* A frozen view of the state as of `applied`, while later writes go on: what a snapshot is sent from. */
struct store_view {
    MDB_txn *txn;
    MDB_cursor *cursor;
    struct store_state state;
    slice conf, addresses, key, value;
    bool more;                      /* key and value are a pair not yet taken */
};
void store_view_open(struct store *s, struct store_view *v);
void store_view_next(struct store_view *v);
void store_view_close(struct store_view *v);

/* An incoming snapshot: written next to the live data, then made live in one step. */
void store_stage_clear(struct store *s);
void store_stage_put(struct store *s, slice key, slice value);
void store_install(struct store *s, uint64_t index, uint64_t term, slice conf, slice addresses);

/* For store.c and data.c. */
MDB_txn *store_txn(struct store *s);
void store_check(int rc, const char *what);

static inline MDB_val store_val(slice x)
{
    return (MDB_val){.mv_size = x.len, .mv_data = (void *)(uintptr_t)x.ptr};
}

static inline slice store_slice(MDB_val v)
{
    return slice_of(v.mv_data, v.mv_size);
}

#endif
