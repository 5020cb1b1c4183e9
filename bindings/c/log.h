/*
 * log.h: the interface of a log store. The store durably keeps Raft's part of a host's state.
 *
 * A store keeps the entries, the hard state, the memberships, and a note on the newest snapshot.
 * bindings/c has a store on files (log_file.h). A host with a WAL or a database can plug in a store
 * by filling in `struct rh_log_ops`. The conformance suite (check/check.h) tests a store on the
 * promises below.
 *
 * Promises
 *
 *   1  A batch is atomic. After a crash the boot shows the whole batch or nothing. Batches come back in the order of
 *      their appends, without a gap.
 *   2  A batch survives every crash and power cut once `sync` has returned its number.
 *   3  Damaged bytes never come out of `boot` or `read`: the call returns RH_E_DAMAGED, and the words name the place.
 *      Nothing durable is cut off in silence. The exception is the last sync before a power cut: damage to its bytes
 *      looks like a torn write, until a later sync, an idle sync (RH_NONE) or a close has recorded that the bytes were
 *      durable.
 *   4  A failed write or flush is final: later appends, syncs and compactions return RH_E_FAILED, and nothing is
 *      retried. A system may report a failed flush once, and success at the second try. `read` goes on.
 *   5  RH_E_ARG, RH_E_NOMEM, RH_E_RANGE, RH_E_GONE and RH_E_SMALL mean that the call has changed nothing.
 *
 * Threads
 *
 *   The loop thread calls boot, append, read, compact and space. A second thread, the sync thread, calls sync while
 *   the loop thread goes on. Batches appended during a sync belong to the next sync. close: while no call is running.
 */
#ifndef RH_LOG_H
#define RH_LOG_H

#include <stdbool.h>

#include "raftcore.h"
#include "result.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The newest snapshot, and the membership inside. */
struct rh_snapshot {
    uint64_t index, term;
    uint64_t bytes;                     /* of the file; 0: no file (a founding) */
    uint32_t checksum;                  /* of the file */
    raftcore_slice conf;                /* the membership as of index: ConfState, and what else the host stores with a
                                           membership */
};

/*
 * A membership, as of an entry's index. The bytes are the host's: the ConfState of
 * raftcore_apply_conf, perhaps with the address book. A store does not look into the bytes.
 */
struct rh_conf {
    uint64_t index;
    raftcore_slice bytes;
};

/*
 * The writes of a ready. Absent parts are zero. The parts take effect in order. Borrowed for the
 * call.
 */
struct rh_batch {
    uint64_t number;                    /* the ready's number: above the number of the batch before; 0: none */

    const struct rh_snapshot *snapshot; /* the file must be durable under its name */
    bool replaces;                      /* the snapshot is a peer's, or a founding: the log begins anew behind the
                                           snapshot */

    const raftcore_entry *entries;      /* replace all from entries[0].index on */
    uint32_t n_entries, entry_stride;

    const struct rh_conf *confs;        /* ascending; of applied entries */
    uint32_t n_confs;

    bool has_state;                     /* term, vote and commit are meant */
    uint64_t term, vote, commit;
};

/*
 * The content of a disk, for raftcore_boot. Pointers stay valid until the next call of append,
 * compact or close.
 */
struct rh_boot {
    bool fresh;                         /* nothing was ever appended */
    uint64_t term, vote, commit;
    uint64_t before, before_term;       /* the log begins behind this entry */
    uint64_t last;                      /* index of the last entry; equal to before if the log is empty */
    const raftcore_run *runs;           /* terms of before + 1 to last */
    size_t n_runs;
    const struct rh_conf *confs;        /* ascending: the newest at or below before, and those above. See rh_boot_conf. */
    size_t n_confs;
    struct rh_snapshot snapshot;        /* index 0: none */
    char note[RH_WORDS_MAX];            /* what the boot cut off; empty: nothing */
};

/* The place where `read` puts entries. */
struct rh_read {
    uint8_t *buf;                       /* in: room for bytes: of the data, and 96 more per entry */
    size_t cap;
    raftcore_entry *entries;            /* in: room for max entries; the data point into buf */
    size_t max;
    size_t count;                       /* out: entries read, 1 or more */
    size_t need;                        /* out, with RH_E_SMALL: the cap that the first entry needs */
};

enum rh_space_level {
    RH_SPACE_OK = 0,
    RH_SPACE_LOW = 1,                   /* take no new writes: compact, hand over the leadership */
    RH_SPACE_RESERVE = 2,               /* as LOW, and the store has begun to use space set aside */
};

struct rh_space {
    enum rh_space_level level;
    uint64_t free_bytes;                /* of the file system, for this user */
    uint64_t log_bytes;                 /* taken by the log */
};

struct rh_log_ops {
    uint32_t struct_size;               /* sizeof(struct rh_log_ops) */

    /* Returns the content of the disk. May be called again, and costs nothing. */
    int (*boot)(void *log, struct rh_boot *out, struct rh_words *why);

    /*
     * Takes a batch. The batch may wait in memory until sync. RH_E_ARG: the batch contradicts the
     * log. An empty batch is fine, and sync returns the number as usual.
     */
    int (*append)(void *log, const struct rh_batch *batch, struct rh_words *why);

    /*
     * Makes the appended batches durable. *number is the highest number of a durable batch.
     *
     * RH_NONE: nothing was to do. A store may tidy up in such a call, and records how far the log is
     * durable (promise 3). So call sync once more when nothing was appended for a while.
     */
    int (*sync)(void *log, uint64_t *number, struct rh_words *why);

    /*
     * Reads entries from `first` on, up to `last`, as many as fit and are at hand. Appended
     * entries can be read at once.
     *
     * RH_E_GONE: first is at or below before. RH_E_RANGE: last is above the log's end.
     */
    int (*read)(void *log, uint64_t first, uint64_t last, struct rh_read *io, struct rh_words *why);

    /*
     * Allows the store to give up entries up to `upto`: applied entries, held by a snapshot or by
     * the database. Entries above `hold` stay, for a snapshot under way or a live member that
     * lags. The store may keep more.
     *
     * *before is the last entry given up, for raftcore_compacted. The space is free after the next
     * sync.
     */
    int (*compact)(void *log, uint64_t upto, uint64_t hold, uint64_t *before, struct rh_words *why);

    /* Returns how much room is left. */
    int (*space)(void *log, struct rh_space *out, struct rh_words *why);

    /* Makes the appended batches durable, unless a write has failed. Frees the handle in any case. */
    int (*close)(void *log, struct rh_words *why);
};

struct rh_log {
    const struct rh_log_ops *ops;
    void *self;
};

/*
 * Returns the membership as of `applied`: the newest at or below that index. bytes.len 0: none is
 * stored.
 */
struct rh_conf rh_boot_conf(const struct rh_boot *boot, uint64_t applied);

#ifdef __cplusplus
}
#endif

#endif
