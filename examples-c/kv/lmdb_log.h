/* lmdb_log.h: a log store in LMDB, behind the interface of raftcore_host/log.h. */
#ifndef KV_LMDB_LOG_H
#define KV_LMDB_LOG_H

#include "raftcore_host.h"
#include "raftcore_host/log.h"

/*
 * Makes a store that opens DIR/log.mdb at its first boot. keep_bytes: of log that a compaction leaves.
 * flags: 0, or MDB_NOLOCK for a process with a single thread.
 */
void lmdb_log_make(const char *dir, uint64_t map_bytes, uint64_t keep_bytes, unsigned flags, struct rh_log *out);

#endif
