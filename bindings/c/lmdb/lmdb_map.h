/*
 * lmdb_map.h: a database for a host: an ordered map of keys to values in LMDB, with the index of the last
 * applied entry in the same transaction, and with the clients' sessions.
 *
 * The loop never waits for LMDB's flush. Changes stand in a table in memory. A thread writes a full
 * table in one transaction, together with the applied index, while the next table fills. A read
 * looks into the two tables first, then into LMDB. After a crash LMDB holds an earlier state as a
 * whole, and the log has the rest.
 *
 * A value has a hash of key and value in front, and a state record has the sum of the hashes.
 * rh_map_applied walks over everything in a child process, so damage ends in words, not in a signal.
 *
 *     rh_database   applied, flush and the four functions of snapshots are those below, self the map.
 *                   apply calls rh_map_seen, the changes, rh_map_done and rh_map_index for each entry,
 *                   and rh_map_turn at the end.
 *     Threads       All calls belong to the thread of rh_turn.
 *     Failures      A failed read, write or allocation is final: all later calls return its code.
 *                   rh_map_failed has the words.
 */
#ifndef RH_LMDB_MAP_H
#define RH_LMDB_MAP_H

#include "raftcore_host.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RH_MAP_KEY_MAX = 511, RH_MAP_VALUE_MAX = 1024 * 1024 }; /* bytes. A key has at least 1 */

struct rh_map;

struct rh_map_info {
    uint64_t keys;                      /* number of pairs */
    uint64_t hash;                      /* of all pairs, equal on members with equal pairs */
    uint64_t applied, durable;          /* the last entry in the map; the last entry whose effect is in LMDB */
    bool full;                          /* nine tenths of map_bytes are used */
};

/*
 * Makes a map, which rh_map_applied opens.
 *
 * path       The file: DIR/data.mdb. LMDB makes another file beside, with "-lock" behind the name.
 * map_bytes  The most that the file may grow to. A snapshot arrives beside the old pairs.
 * Returns    NULL: no memory
 */
struct rh_map *rh_map_new(const char *path, uint64_t map_bytes);

/* Writes the waiting changes, and closes. A failure is no loss: the log has the entries. Its code comes back. */
int rh_map_close(struct rh_map *m, struct rh_words *why);

/* Returns the code of the failure. RH_OK: none. */
int rh_map_failed(const struct rh_map *m, struct rh_words *why);

struct rh_map_info rh_map_info(struct rh_map *m);


/* ---- pairs ---- */

/*
 * Finds a value. RH_NONE: no such key.
 *
 * value    Lives until the next change and the next turn.
 */
int rh_map_get(struct rh_map *m, raftcore_slice key, raftcore_slice *value);

/* Sets a value, which must not be a result of rh_map_get. RH_E_ARG: a length is out of range. */
int rh_map_put(struct rh_map *m, raftcore_slice key, raftcore_slice value);

/* RH_NONE: there was no such key. */
int rh_map_del(struct rh_map *m, raftcore_slice key);

/* Removes all pairs. */
int rh_map_clear(struct rh_map *m);

/*
 * Calls `take` for the keys behind `after`, about `count`, in no order. `take` must not change the map.
 *
 * after    Empty: from the first key on.
 * last     Room for RH_MAP_KEY_MAX bytes. Receives the key to go on behind.
 * len      Receives the length of `last`; 0: all keys were taken.
 */
int rh_map_scan(struct rh_map *m, raftcore_slice after, size_t count, void (*take)(void *context, raftcore_slice key),
                void *context, uint8_t *last, size_t *len);


/* ---- entries ---- */

/* Returns rh_sessions_seen for the map's table of sessions. */
bool rh_map_seen(struct rh_map *m, struct rh_entry *e);

/* Remembers that the entry was applied, with e->result: rh_sessions_done. */
int rh_map_done(struct rh_map *m, const struct rh_entry *e);

/* Notes that the map has the effect of an entry. */
void rh_map_index(struct rh_map *m, uint64_t index);

/* Call at the end of apply, and after each rh_turn: hands a table to the thread, takes a written table back. */
int rh_map_turn(struct rh_map *m, struct rh_words *why);


/* ---- for struct rh_database: self is the map ---- */

/* Opens or makes the file, and starts the thread. */
int rh_map_applied(void *self, uint64_t *index, struct rh_words *why);
int rh_map_flush(void *self, uint64_t index, struct rh_words *why);
int rh_map_snapshot_open(void *self, void **view, uint64_t *index, struct rh_words *why);
int rh_map_snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why);
void rh_map_snapshot_close(void *self, void *view);
int rh_map_snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why);

#ifdef __cplusplus
}
#endif

#endif
