/*
 * log.h: the interface of a log store: what a host must remember of Raft, durably.
 *
 * A store keeps the entries, the hard state, the configurations, and a note on the newest snapshot. bindings/c has one on files
 * (log_file.h). A host with a WAL or a database of its own fills in `struct rh_log_ops` and plugs that in; rh-log-check
 * (check/check.h) tells whether it keeps the promises below.
 *
 * The promises
 *
 *   1  A batch is one. After a crash the boot shows all of it or nothing of it, and batches in the order of their appends,
 *      without a gap: a batch is there only if all before it are.
 *   2  A batch whose number `sync` has returned survives every crash and power cut.
 *   3  Bytes that are not those that were written never come out of `boot` or `read`: RH_E_DAMAGED, and words that say where.
 *      Nothing durable is cut off in silence.
 *   4  A write or flush that failed is final: every later append, sync and compact returns RH_E_FAILED. Nothing is tried again,
 *      since a system may report a failed flush once, and success at the second try. `read` goes on.
 *   5  A call that returns RH_E_ARG, RH_E_NOMEM, RH_E_RANGE, RH_E_GONE or RH_E_SMALL has changed nothing.
 *
 * Threads
 *
 *   The loop thread calls boot, append, read, compact and space. One other thread, the sync thread, calls sync, while the loop
 *   thread goes on appending: what is appended during a sync is for the next one. close: when no other call is running.
 */
#ifndef RH_LOG_H
#define RH_LOG_H

#include <stdbool.h>

#include "raftcore.h"
#include "result.h"

/* The newest snapshot: which file it is in, and the configuration that it holds. */
struct rh_snapshot {
    uint64_t index, term;
    uint64_t bytes;                     /* of the file; 0: there is none (a founding) */
    uint32_t checksum;                  /* of the file */
    raftcore_slice conf;                /* raftpb ConfState as of index */
};

/* A configuration, as raftcore_apply_conf gave it, and the entry's index. */
struct rh_conf {
    uint64_t index;
    raftcore_slice bytes;
};

/*
 * What one ready stores. Absent parts are zero. They take effect in the order of this struct. Borrowed for the call.
 */
struct rh_batch {
    uint64_t number;                    /* the ready's: above that of the batch before; 0: none, sync skips it */

    const struct rh_snapshot *snapshot; /* the file must be durable under its name */
    bool replaces;                      /* the snapshot came from a peer, or founds: the log begins anew behind it */

    const raftcore_entry *entries;      /* replace all from entries[0].index on */
    uint32_t n_entries, entry_stride;

    const struct rh_conf *confs;        /* ascending; of entries that are applied */
    uint32_t n_confs;

    bool has_state;                     /* term, vote and commit are meant */
    uint64_t term, vote, commit;
};

/* What a disk holds, for raftcore_boot. Everything in it lives until the next call of append, compact or close. */
struct rh_boot {
    bool fresh;                         /* nothing was ever appended */
    uint64_t term, vote, commit;
    uint64_t before, before_term;       /* the log begins behind this entry */
    uint64_t last;                      /* index of the last entry; before if there is none */
    const raftcore_run *runs;           /* terms of before + 1 to last */
    size_t n_runs;
    const struct rh_conf *confs;        /* ascending: the newest at or below before, and all above. Look up with rh_boot_conf. */
    size_t n_confs;
    struct rh_snapshot snapshot;        /* index 0: none */
    char note[RH_WORDS_MAX];            /* what the boot cut off or repaired; empty: nothing */
};

/* Where `read` puts entries. */
struct rh_read {
    uint8_t *buf;                       /* in: room for the entries' bytes, 64 bytes more for each than its data */
    size_t cap;
    raftcore_entry *entries;            /* in: room for max entries; their data point into buf */
    size_t max;
    size_t count;                       /* out: entries read, 1 or more */
    size_t need;                        /* out, with RH_E_SMALL: cap that the first entry needs */
};

enum rh_space_level {
    RH_SPACE_OK = 0,
    RH_SPACE_LOW = 1,                   /* take no new writes: compact, hand over the leadership */
    RH_SPACE_RESERVE = 2,               /* as LOW, and the store lives on space it had set aside */
};

struct rh_space {
    enum rh_space_level level;
    uint64_t free_bytes;                /* of the file system, for this user */
    uint64_t log_bytes;                 /* taken by the log */
};

struct rh_log_ops {
    uint32_t struct_size;               /* sizeof(struct rh_log_ops) */

    /* Says what the disk holds. May be called again; it costs nothing. */
    int (*boot)(void *log, struct rh_boot *out, struct rh_words *why);

    /*
     * Takes a batch. It may wait in memory until sync. A batch that contradicts the log is refused: RH_E_ARG, with words.
     */
    int (*append)(void *log, const struct rh_batch *batch, struct rh_words *why);

    /*
     * Makes durable what was appended before the call, and stores the highest number among it, and among all before, in *number.
     * RH_NONE: all was durable. A store may use that call to tidy up; so call it once more when nothing was appended for a while.
     */
    int (*sync)(void *log, uint64_t *number, struct rh_words *why);

    /*
     * Reads entries from `first` to at most `last`: as many as fit, and are at hand. Appended entries can be read at once.
     * RH_E_GONE: first is at or below before. RH_E_RANGE: last is above the log's end.
     */
    int (*read)(void *log, uint64_t first, uint64_t last, struct rh_read *io, struct rh_words *why);

    /*
     * Allows the store to give up entries up to `upto`, applied ones, which a snapshot or the database holds. Nothing above
     * `hold` is given up, which a snapshot under way still needs. The store may keep more. *before says what is gone: tell the
     * core (raftcore_compacted). The space is free after the next sync.
     */
    int (*compact)(void *log, uint64_t upto, uint64_t hold, uint64_t *before, struct rh_words *why);

    /* Tells how much room is left. */
    int (*space)(void *log, struct rh_space *out, struct rh_words *why);

    /* Makes durable what was appended, unless a write failed, and frees the handle in any case. */
    int (*close)(void *log, struct rh_words *why);
};

struct rh_log {
    const struct rh_log_ops *ops;
    void *self;
};

/* The configuration as of `applied`: the newest at or below it. bytes.len 0: none is stored. */
struct rh_conf rh_boot_conf(const struct rh_boot *boot, uint64_t applied);

#endif
