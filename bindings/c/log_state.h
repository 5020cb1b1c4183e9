/*
 * log_state.h: the content of a log in memory: hard state, memberships, terms, and the place of
 * each entry.
 *
 * append() and the boot change the state by the same functions. Nothing here does I/O or knows of
 * threads.
 *
 * Invariants: each entry from before + 1 to last has a place; runs ascend, the first at before + 1;
 * confs ascend. The conformance suite (check/) compares a log with a plain model.
 */
#ifndef RH_LOG_STATE_H
#define RH_LOG_STATE_H

#include "log.h"
#include "log_format.h"

/* A file of the log. The live entries are a range: later entries have replaced the rest. */
struct rh_segment {
    uint64_t number, size;              /* size of the file */
    uint32_t seed;
    uint64_t first;                     /* index of the first live entry */
    uint32_t *places;                   /* of live entries, in units of 8 bytes: 4 bytes of memory an entry */
    size_t count, cap;
    uint64_t end, tail;                 /* end of the last batch; place of the next batch. Of the last segment: under the
                                           mutex */
    uint64_t written;                   /* bytes readable in the file; under the mutex */
    uint64_t doomed_by;                 /* the batch that makes the segment superfluous */
    struct rh_segment *next_doomed;
};

struct rh_log_state {
    uint64_t term, vote, commit;
    uint64_t before, before_term;
    uint64_t last, last_term;
    struct rh_snapshot snapshot;        /* conf: borrowed from confs */

    struct rh_conf *confs;              /* with allocated bytes */
    size_t n_confs, cap_confs;
    raftcore_run *runs;
    size_t n_runs, cap_runs;
    struct rh_segment **segments;       /* the last segment is the one written to */
    size_t n_segments, cap_segments;
};

void rh_state_free(struct rh_log_state *s);

/* Makes an empty segment. NULL: no memory. */
struct rh_segment *rh_segment_new(uint64_t number, uint64_t size, uint32_t seed);
void rh_segment_free(struct rh_segment *g);

/* Reserves memory, so that the calls below cannot fail. Returns RH_OK or RH_E_NOMEM. */
int rh_state_reserve(struct rh_log_state *s, struct rh_segment *g, size_t entries, size_t confs, size_t segments);

void rh_state_add_segment(struct rh_log_state *s, struct rh_segment *g);
struct rh_segment *rh_state_last_segment(const struct rh_log_state *s);

/*
 * The calls that change the content. Memory must be reserved. The `bytes` of a membership must be
 * allocated; the state takes over the allocation.
 */
void rh_state_entry(struct rh_log_state *s, struct rh_segment *g, uint64_t index, uint64_t term, uint64_t place);
void rh_state_conf(struct rh_log_state *s, uint64_t index, raftcore_slice bytes);
void rh_state_snapshot(struct rh_log_state *s, const struct rh_snapshot *snapshot, bool replaces);
void rh_state_before(struct rh_log_state *s, uint64_t index, uint64_t term);

/*
 * Forgets entries at or below `before`: a boot may read such entries from a segment that is still
 * needed in part.
 */
void rh_state_trim(struct rh_log_state *s);

/* Returns the term of an entry from before to last; 0: the log does not reach there. */
uint64_t rh_state_term(const struct rh_log_state *s, uint64_t index);

/* Returns the segment of an entry. NULL: no such entry. */
struct rh_segment *rh_state_find(const struct rh_log_state *s, uint64_t index);

/* Returns the index of the last live entry of a segment; 0: there is none. */
uint64_t rh_segment_last(const struct rh_segment *g);

/* Copies bytes for rh_state_conf. ptr NULL: no memory. */
raftcore_slice rh_state_copy(raftcore_slice bytes);

#endif
