/*
 * log_state.h: what a log says, in memory: hard state, configurations, terms, and where each entry lies.
 *
 * append() and the boot change it by the same functions. Nothing here does I/O or knows of threads.
 *
 * Invariants: the entries before + 1 to last have a place each; runs ascend, the first at before + 1; confs ascend. The
 * conformance suite (check/) compares every answer with a model that knows none of this.
 */
#ifndef RH_LOG_STATE_H
#define RH_LOG_STATE_H

#include "log.h"
#include "log_format.h"

/* A file of the log. Its live entries are one range: what came later has replaced the rest. */
struct rh_segment {
    uint64_t number, size;              /* size of the file */
    uint32_t seed;
    uint64_t first;                     /* index of the first live entry */
    uint32_t *places;                   /* of live entries, in units of 8 bytes: 4 bytes of memory an entry */
    size_t count, cap;
    uint64_t end, tail;                 /* behind the last batch; where the next one goes. Of the last segment: under the mutex */
    uint64_t written;                   /* readable in the file up to here; under the mutex */
    uint64_t doomed_by;                 /* the batch that makes it superfluous */
    struct rh_segment *next_doomed;
};

struct rh_log_state {
    uint64_t term, vote, commit;
    uint64_t before, before_term;
    uint64_t last, last_term;
    struct rh_snapshot snapshot;        /* its conf: as of its index, in confs */

    struct rh_conf *confs;              /* their bytes are allocated */
    size_t n_confs, cap_confs;
    raftcore_run *runs;
    size_t n_runs, cap_runs;
    struct rh_segment **segments;       /* the last one is written to */
    size_t n_segments, cap_segments;
};

void rh_state_free(struct rh_log_state *s);

/* A segment with nothing in it. NULL: no memory. */
struct rh_segment *rh_segment_new(uint64_t number, uint64_t size, uint32_t seed);
void rh_segment_free(struct rh_segment *g);

/* Makes room, so that the calls below it can't fail. RH_OK or RH_E_NOMEM. */
int rh_state_reserve(struct rh_log_state *s, struct rh_segment *g, size_t entries, size_t confs, size_t segments);

void rh_state_add_segment(struct rh_log_state *s, struct rh_segment *g);
struct rh_segment *rh_state_last_segment(const struct rh_log_state *s);

/* The calls that change what the log says. Room was reserved; `bytes` of a configuration must be allocated, and are taken over. */
void rh_state_entry(struct rh_log_state *s, struct rh_segment *g, uint64_t index, uint64_t term, uint64_t place);
void rh_state_conf(struct rh_log_state *s, uint64_t index, raftcore_slice bytes);
void rh_state_snapshot(struct rh_log_state *s, const struct rh_snapshot *snapshot, bool replaces);
void rh_state_before(struct rh_log_state *s, uint64_t index, uint64_t term);

/* Forgets what lies at or below `before`: a boot may have read it from a segment that is only needed in part. */
void rh_state_trim(struct rh_log_state *s);

/* The term of an entry from before to last; 0: the log does not reach there. */
uint64_t rh_state_term(const struct rh_log_state *s, uint64_t index);

/* The segment that has an entry of the log. NULL: none. */
struct rh_segment *rh_state_find(const struct rh_log_state *s, uint64_t index);

/* The index of the last live entry of a segment; 0: it has none. */
uint64_t rh_segment_last(const struct rh_segment *g);

/* A copy that rh_state_conf can take over. ptr NULL: no memory. */
raftcore_slice rh_state_copy(raftcore_slice bytes);

#endif
