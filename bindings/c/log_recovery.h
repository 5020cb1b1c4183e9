/*
 * log_recovery.h: the files of a log while a boot reads them. Not for users.
 */
#ifndef RH_LOG_RECOVERY_H
#define RH_LOG_RECOVERY_H

#include "log_parts.h"

/* The files during a boot. */
struct rh_recovery {
    struct rh_log_file *log;
    uint64_t *numbers;                  /* of the segments found */
    struct rh_base *bases;              /* of the segments in the chain */
    size_t count, chain;                /* of numbers; place in numbers where the chain begins */
    uint64_t first_there;               /* lowest index of an entry that was read */
    uint64_t proven, proven_end;        /* the last segment: batches up to here were durable; their end */
    uint64_t good, good_end;            /* whole batches up to here; their end */
    struct rh_scan scan;                /* of the last segment */
};

#define RESTORE "Nothing was changed. Copy the directory, then start this member anew: an empty directory and a new id"

/* Reads the segments into the state, the last one up to v->proven. The scan then stands behind. */
int rh_recovery_read(struct rh_recovery *v, struct rh_words *why);

/* Repeats on the state what append did. `g` is the segment where the record stands now. */
int rh_recovery_take(struct rh_recovery *v, struct rh_segment *g, const struct rh_record *r, struct rh_words *why);

/* The same for all records of a batch, which stands in `g`. */
int rh_recovery_take_batch(struct rh_recovery *v, struct rh_segment *g, const struct rh_scan *scan,
                           const struct rh_batch_view *batch, struct rh_words *why);

/* Checks the state as a whole: no entry is missing. */
int rh_recovery_check(const struct rh_recovery *v, struct rh_words *why);

int rh_recovery_no_memory(struct rh_words *why);

#endif
