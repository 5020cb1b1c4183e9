/*
 * log_recovery.c: reads the files of a log into the state, and refuses damage.
 *
 * 1. The chain is the newest segments without a gap. A segment with a successor must be whole up to
 * the end named there.
 *
 * 2. The last segment ends in whatever the crash left. Batches up to the highest `synced` in the
 * segment were durable: the boot refuses if such a batch is not whole. Batches behind were promised
 * to nobody: log_boot.c copies them.
 *
 * 3. Of a small last segment only the base is taken here, and log_boot.c copies the rest: the segment
 * of the new run replaces the old one.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "log_recovery.h"

typedef unsigned long long ull;

/* A process that is started again and again leaves a file for so many bytes, not for each start. */
enum { SMALL_BYTES = 64 * 1024 };

/* ---- records ---- */

int rh_recovery_no_memory(struct rh_words *why)
{
    return rh_fail(why, RH_E_NOMEM, "no memory to read the log");
}

static int contradicts(const struct rh_segment *g, const struct rh_record *r, const struct rh_log_state *s,
                       struct rh_words *why)
{
    return rh_fail(why, RH_E_DAMAGED,
                   "log-%010llu, offset %llu: a record of type %d (index %llu, term %llu) can't follow (index %llu, "
                   "term %llu). " RESTORE,
                   (ull)g->number, (ull)r->place, (int)r->type, (ull)r->index, (ull)r->term, (ull)s->last,
                   (ull)s->last_term);
}

static int take_conf(struct rh_log_state *s, uint64_t index, raftcore_slice bytes)
{
    raftcore_slice copy = rh_state_copy(bytes);

    if (!copy.ptr)
        return RH_E_NOMEM;
    rh_state_conf(s, index, copy);
    return RH_OK;
}

static int take_snapshot(struct rh_recovery *v, const struct rh_record *r)
{
    const uint8_t *p = r->data.ptr;
    struct rh_snapshot n = {.index = r->index, .term = r->term, .bytes = rh_get_u64(p), .checksum = rh_get_u32(p + 8)};
    int code =
        take_conf(&v->log->state, n.index, (raftcore_slice){p + RH_SNAPSHOT_DATA, r->data.len - RH_SNAPSHOT_DATA});

    if (code != RH_OK)
        return code;
    rh_state_snapshot(&v->log->state, &n, r->kind == 1);
    if (r->kind == 1)
        v->first_there = n.index + 1;
    return RH_OK;
}

static bool fits(const struct rh_record *r, const struct rh_log_state *s)
{
    switch (r->type) {
    case RH_REC_ENTRY:
        return r->index > 0 && r->index <= s->last + 1 && (r->index <= s->last || r->term >= s->last_term);
    case RH_REC_STATE: return r->data.len >= RH_STATE_DATA;
    case RH_REC_SNAPSHOT: return r->data.len >= RH_SNAPSHOT_DATA;
    case RH_REC_BASE: return r->data.len >= RH_BASE_DATA;
    case RH_REC_CONF: case RH_REC_BEFORE: return true;
    }
    return false;
}

/* Repeats on the state what append did. `g` is the segment where the record stands now. */
int rh_recovery_take(struct rh_recovery *v, struct rh_segment *g, const struct rh_record *r, struct rh_words *why)
{
    struct rh_log_state *s = &v->log->state;
    int code = RH_OK;

    if (!fits(r, s))
        return contradicts(g, r, s, why);
    if (rh_state_reserve(s, g, 1, 1, 1) != RH_OK)
        return rh_recovery_no_memory(why);
    switch (r->type) {
    case RH_REC_ENTRY:
        v->first_there = r->index < v->first_there ? r->index : v->first_there;
        rh_state_entry(s, g, r->index, r->term, r->place);
        break;
    case RH_REC_STATE:
        s->term = r->term;
        s->vote = rh_get_u64(r->data.ptr);
        s->commit = rh_get_u64(r->data.ptr + 8);
        break;
    case RH_REC_SNAPSHOT: code = take_snapshot(v, r); break;
    case RH_REC_CONF: code = take_conf(s, r->index, r->data); break;
    case RH_REC_BEFORE: rh_state_before(s, r->index, r->term); break;
    case RH_REC_BASE: break;
    }
    return code == RH_E_NOMEM ? rh_recovery_no_memory(why) : code;
}

int rh_recovery_take_batch(struct rh_recovery *v, struct rh_segment *g, const struct rh_scan *scan,
                      const struct rh_batch_view *batch, struct rh_words *why)
{
    struct rh_record r;
    size_t at = 0;
    int code = RH_OK;

    while (code == RH_OK && rh_batch_record(scan, batch, &at, &r))
        code = rh_recovery_take(v, g, &r, why);
    g->end = g->tail = g->written = batch->place + RH_BATCH_HEAD + batch->head.bytes;
    return code;
}

/* ---- the chain ---- */

static int read_bases(struct rh_recovery *v, struct rh_words *why)
{
    for (v->chain = v->count - 1; v->chain > 0 && v->numbers[v->chain - 1] + 1 == v->numbers[v->chain];)
        v->chain--;
    v->bases = calloc(v->count, sizeof *v->bases);
    if (!v->bases)
        return rh_recovery_no_memory(why);
    for (size_t i = v->chain; i < v->count; i++) {
        struct rh_scan scan;
        int code = rh_scan_open(&scan, v->log->dir, v->numbers[i], why);
        if (code == RH_OK)
            code = rh_scan_base(&scan, v->log->dir, v->numbers[i], &v->bases[i], why);
        rh_scan_close(&scan);
        if (code != RH_OK)
            return code;
    }
    return RH_OK;
}

static struct rh_segment *add_segment(struct rh_recovery *v, size_t i)
{
    struct rh_log_state *s = &v->log->state;
    struct rh_segment *g =
        rh_segment_new(v->numbers[i], v->bases[i].size, rh_log_seed(v->log->dir->owner.disk, v->numbers[i]));

    if (!g || rh_state_reserve(s, g, 0, 0, 1) != RH_OK) {
        rh_segment_free(g);
        return NULL;
    }
    rh_state_add_segment(s, g);
    return g;
}

/* Compares a base with the segments before. */
static int check_base(struct rh_recovery *v, size_t i, struct rh_words *why)
{
    struct rh_log_state *s = &v->log->state;
    const struct rh_base *base = &v->bases[i];

    if (i == v->chain) {
        s->last = base->last;
        s->last_term = base->last_term;
        v->first_there = base->last + 1;
    } else if (base->last != s->last || base->last_term != s->last_term) {
        return rh_fail(why, RH_E_DAMAGED,
                       "log-%010llu begins behind (index %llu, term %llu), the segment before it ends at (index %llu, "
                       "term %llu). " RESTORE,
                       (ull)v->numbers[i], (ull)base->last, (ull)base->last_term, (ull)s->last, (ull)s->last_term);
    }
    return RH_OK;
}

/* Reads a segment with a successor: the bytes up to the end named there were durable. */
static int read_whole(struct rh_recovery *v, size_t i, struct rh_words *why)
{
    const struct rh_base *next = &v->bases[i + 1];
    struct rh_segment *g = add_segment(v, i);
    struct rh_batch_view batch;
    struct rh_scan scan;

    if (!g)
        return rh_recovery_no_memory(why);
    int code = rh_scan_open(&scan, v->log->dir, v->numbers[i], why);
    if (code == RH_OK && scan.size < next->prev_end)
        code = rh_fail(why, RH_E_DAMAGED, "%s has %llu bytes, %llu were durable: it was cut. " RESTORE, scan.name,
                       (ull)scan.size, (ull)next->prev_end);
    scan.block_bytes = v->bases[i].block_bytes;
    while (code == RH_OK && scan.offset < next->prev_end) {
        code = rh_scan_batch(&scan, &batch, why);
        if (code == RH_OK)
            code = rh_recovery_take_batch(v, g, &scan, &batch, why);
    }
    if (code == RH_NONE || (code == RH_OK && (scan.offset != next->prev_end || scan.number - 1 != next->prev_number)))
        code = rh_fail(why, RH_E_DAMAGED,
                       "%s is damaged at offset %llu, behind index %llu: %s; good segments follow. " RESTORE, scan.name,
                       (ull)scan.offset, (ull)v->log->state.last,
                       code == RH_NONE ? scan.trouble : "it does not end where it did");
    rh_scan_close(&scan);
    return code;
}

/* ---- the last segment ---- */

/* Measures how far batches are whole, and how far they were durable. */
static int measure_last(struct rh_recovery *v, struct rh_tail *tail, struct rh_words *why)
{
    struct rh_batch_view batch;
    uint64_t synced = 0;
    int code;

    while ((code = rh_scan_batch(&v->scan, &batch, why)) == RH_OK) {
        if (batch.head.flags & RH_BATCH_BASE)
            synced = batch.head.number;         /* durable, or the segment would not have its name */
        synced = batch.head.synced > synced ? batch.head.synced : synced;
        v->good = batch.head.number;
        v->good_end = v->scan.offset;
    }
    if (code != RH_NONE)
        return code;
    code = rh_scan_tail(&v->scan, tail, why);
    v->proven = tail->synced > synced ? tail->synced : synced;
    return code;
}

static int check_size(const struct rh_recovery *v, const struct rh_base *base, struct rh_words *why)
{
    if (v->scan.size == base->size)
        return RH_OK;
    return rh_fail(why, RH_E_DAMAGED,
                   "%s has %llu bytes, it was made with %llu: it was cut, or log-%010llu is missing. " RESTORE,
                   v->scan.name, (ull)v->scan.size, (ull)base->size, (ull)base->segment + 1);
}

/* Whether the batches of the last segment are few enough to be copied at a start. */
static bool is_small(const struct rh_recovery *v)
{
    uint64_t most = v->log->options.segment_bytes / 4;

    return v->good_end <= (most < SMALL_BYTES ? most : SMALL_BYTES);
}

/* Takes the batches up to v->proven, of a small segment the base. Leaves the scan behind. */
static int take_proven(struct rh_recovery *v, struct rh_segment *g, struct rh_words *why)
{
    struct rh_batch_view batch;
    uint64_t upto = v->proven < v->good ? v->proven : v->good;

    if (v->proven <= v->good && is_small(v))
        upto = v->proven = v->bases[v->count - 1].prev_number + 1;
    rh_scan_rewind(&v->scan);
    do {
        int code = rh_scan_batch(&v->scan, &batch, why);
        if (code == RH_OK)
            code = rh_recovery_take_batch(v, g, &v->scan, &batch, why);
        if (code != RH_OK)
            return code == RH_NONE ? rh_fail(why, RH_E_IO, "%s changed while it was read", v->scan.name) : code;
    } while (batch.head.number < upto);
    v->proven_end = v->scan.offset;
    return RH_OK;
}

static int read_last(struct rh_recovery *v, struct rh_words *why)
{
    size_t i = v->count - 1;
    struct rh_segment *g = add_segment(v, i);
    struct rh_tail tail;
    char trouble[RH_WORDS_MAX];

    if (!g)
        return rh_recovery_no_memory(why);
    int code = rh_scan_open(&v->scan, v->log->dir, v->numbers[i], why);
    v->scan.block_bytes = v->bases[i].block_bytes;
    if (code == RH_OK)
        code = check_size(v, &v->bases[i], why);
    if (code == RH_OK)
        code = measure_last(v, &tail, why);
    memcpy(trouble, v->scan.trouble, sizeof trouble);
    if (code == RH_OK)
        code = take_proven(v, g, why);
    if (code == RH_OK && v->proven > v->good)
        code = rh_fail(why, RH_E_DAMAGED,
                       "%s is damaged at offset %llu, behind index %llu: %s. Batch %llu was durable, as the batch at "
                       "offset %llu says. " RESTORE,
                       v->scan.name, (ull)v->good_end, (ull)v->log->state.last, trouble, (ull)v->good + 1,
                       (ull)tail.synced_at);
    if (code == RH_OK && !tail.blank)
        snprintf(v->log->note, sizeof v->log->note, "cut off an unfinished write at offset %llu of %s: %.200s",
                 (ull)v->good_end, v->scan.name, trouble);
    return code;
}

/* ---- the whole ---- */

int rh_recovery_check(const struct rh_recovery *v, struct rh_words *why)
{
    const struct rh_log_state *s = &v->log->state;

    if (s->last < s->before || (s->last > s->before && v->first_there > s->before + 1))
        return rh_fail(why, RH_E_DAMAGED,
                       "entries %llu to %llu are missing: the oldest segment that is there is log-%010llu. " RESTORE,
                       (ull)s->before + 1, (ull)v->first_there - 1, (ull)v->numbers[v->chain]);
    if (v->good < v->log->dir->owner.reached)
        return rh_fail(
            why, RH_E_DAMAGED,
            "the log ends with batch %llu, behind index %llu; it was closed when it had come to batch %llu. " RESTORE,
            (ull)v->good, (ull)s->last, (ull)v->log->dir->owner.reached);
    if (s->commit > s->last)
        return rh_fail(why, RH_E_DAMAGED, "commit %llu is beyond the log, which ends at %llu. " RESTORE, (ull)s->commit,
                       (ull)s->last);
    return RH_OK;
}

int rh_recovery_read(struct rh_recovery *v, struct rh_words *why)
{
    int code = read_bases(v, why);

    for (size_t i = v->chain; code == RH_OK && i < v->count; i++) {
        code = check_base(v, i, why);
        if (code == RH_OK)
            code = i + 1 < v->count ? read_whole(v, i, why) : read_last(v, why);
    }
    return code;
}
