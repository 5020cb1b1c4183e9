/* lmdb_env.h: an LMDB environment in one file: made at once or not at all, and looked through before use. */
#ifndef RH_LMDB_ENV_H
#define RH_LMDB_ENV_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "raftcore_host/result.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RH_LMDB_GIVE_UP "give up this directory, and start an empty one under a new id"

enum { RH_LMDB_TABLES = 3 };

/*
 * Opens the environment, and a transaction with the tables. Without MDB_RDONLY in flags, a missing file is made.
 *
 * map_bytes  The most that the file may grow to.
 * flags      For mdb_env_open. With MDB_RDONLY, everything in the file is read once.
 * tables     At most RH_LMDB_TABLES names, and NULL at the end.
 * env        Receives the environment, after an error too unless it is NULL then. The caller closes it.
 * dbi        Receives a handle for each name.
 * txn        Receives a transaction, which the caller ends. It writes unless flags has MDB_RDONLY.
 * Returns    RH_OK, RH_E_DAMAGED, RH_E_SPACE, RH_E_NOMEM, RH_E_IO
 */
int rh_lmdb_open(const char *path, uint64_t map_bytes, unsigned flags, const char *const *tables, MDB_env **env,
                 MDB_dbi *dbi, MDB_txn **txn, struct rh_words *why);

/*
 * Runs `check` in a child process: LMDB trusts a file, so damage can end a process.
 *
 * check    Opens the file with MDB_RDONLY | MDB_NOLOCK, and reads all. RH_E_DAMAGED, or a signal: the file is
 *          damaged. Every other code is left to the open that follows.
 * Returns  RH_OK: no file, or no damage. RH_E_DAMAGED. RH_E_NOMEM: the system has no process left
 */
int rh_lmdb_check(const char *path, int (*check)(void *self, struct rh_words *why), void *self, struct rh_words *why);

/* Writes words for an error of LMDB or the system, and returns the code. name: of the file. */
int rh_lmdb_fail(struct rh_words *why, int rc, const char *name, const char *doing);

/* Returns whether nine tenths of the map are used. The pages that LMDB has free count as unused. */
bool rh_lmdb_is_nearly_full(MDB_env *env);

#ifdef __cplusplus
}
#endif

#endif
