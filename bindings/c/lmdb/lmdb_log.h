/* lmdb_log.h: a log store in LMDB, behind the interface of raftcore_host/log.h. */
#ifndef RH_LMDB_LOG_H
#define RH_LMDB_LOG_H

#include "raftcore_host/log.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes a store that opens DIR/log.mdb at its first boot.
 *
 * map_bytes   The most that the file may grow to.
 * keep_bytes  Of log that a compaction leaves.
 * flags       0, or MDB_NOLOCK for a process with a single thread.
 * Returns     RH_OK, RH_E_NOMEM
 */
int rh_lmdb_log_make(const char *dir, uint64_t map_bytes, uint64_t keep_bytes, unsigned flags, struct rh_log *out,
                     struct rh_words *why);

#ifdef __cplusplus
}
#endif

#endif
