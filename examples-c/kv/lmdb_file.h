/* lmdb_file.h: an LMDB environment in one file: made at once or not at all, and looked through before use. */
#ifndef KV_LMDB_FILE_H
#define KV_LMDB_FILE_H

#include <lmdb.h>

#include "util.h"

#define GIVE_UP "give up this directory, and start an empty one under a new id"

enum { TABLES_MAX = 3 };

/*
 * Opens the environment, and a transaction with the tables. Without MDB_RDONLY in flags, makes a missing file.
 * tables: ends with NULL. The caller ends the transaction, which writes unless flags has MDB_RDONLY.
 */
int lmdb_open(const char *path, uint64_t map_bytes, unsigned flags, const char *const *tables, MDB_env **env, MDB_dbi *dbi,
              MDB_txn **txn, struct rh_words *why);

/* LMDB trusts the file, so damage can end the process. A child process runs `check` first. */
int lmdb_check(const char *path, int (*check)(void *self, struct rh_words *why), void *self, struct rh_words *why);

int lmdb_fail(struct rh_words *why, int rc, const char *path, const char *doing);

static inline MDB_val lmdb_val(const void *bytes, size_t len) {
    return (MDB_val){len, (void *)(uintptr_t)bytes};
}

static inline slice lmdb_slice(MDB_val v) {
    return slice_of(v.mv_data, v.mv_size);
}

#endif
