/* log_state.c: the content of a log in memory. */
#include "log_state.h"

#include <stdlib.h>
#include <string.h>

struct rh_segment *rh_segment_new(uint64_t number, uint64_t size, uint32_t seed)
{
    struct rh_segment *g = calloc(1, sizeof *g);

    if (g) {
        g->number = number;
        g->size = size;
        g->seed = seed;
    }
    return g;
}

void rh_segment_free(struct rh_segment *g)
{
    if (g)
        free(g->places);
    free(g);
}

uint64_t rh_segment_last(const struct rh_segment *g)
{
    return g->count > 0 ? g->first + g->count - 1 : 0;
}

void rh_state_free(struct rh_log_state *s)
{
    for (size_t i = 0; i < s->n_confs; i++)
        free((void *)(uintptr_t)s->confs[i].bytes.ptr);
    for (size_t i = 0; i < s->n_segments; i++)
        rh_segment_free(s->segments[i]);
    free(s->confs);
    free(s->runs);
    free(s->segments);
    *s = (struct rh_log_state){0};
}

/* Makes room for `more` elements behind `count`. Returns false without memory, the array unchanged. */
static bool grow(void **array, size_t *cap, size_t count, size_t more, size_t size)
{
    if (count + more <= *cap)
        return true;
    size_t wanted = *cap + *cap / 2 > count + more ? *cap + *cap / 2 : count + more;
    void *larger = realloc(*array, wanted * size);
    if (!larger)
        return false;
    *array = larger;
    *cap = wanted;
    return true;
}

int rh_state_reserve(struct rh_log_state *s, struct rh_segment *g, size_t entries, size_t confs, size_t segments)
{
    bool good = grow((void **)&s->runs, &s->cap_runs, s->n_runs, entries, sizeof *s->runs) &&
                grow((void **)&s->confs, &s->cap_confs, s->n_confs, confs, sizeof *s->confs) &&
                grow((void **)&s->segments, &s->cap_segments, s->n_segments, segments, sizeof *s->segments) &&
                (!g || grow((void **)&g->places, &g->cap, g->count, entries, sizeof *g->places));

    return good ? RH_OK : RH_E_NOMEM;
}

raftcore_slice rh_state_copy(raftcore_slice bytes)
{
    uint8_t *copy = malloc(bytes.len > 0 ? bytes.len : 1);

    if (copy && bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    return (raftcore_slice){copy, bytes.len};
}

void rh_state_add_segment(struct rh_log_state *s, struct rh_segment *g)
{
    s->segments[s->n_segments++] = g;
}

struct rh_segment *rh_state_last_segment(const struct rh_log_state *s)
{
    return s->n_segments > 0 ? s->segments[s->n_segments - 1] : NULL;
}

/* Forgets the entries from `index` on. */
static void truncate_from(struct rh_log_state *s, uint64_t index)
{
    for (size_t i = s->n_segments; i > 0 && s->last >= index; i--) {
        struct rh_segment *g = s->segments[i - 1];
        if (g->count > 0 && rh_segment_last(g) >= index)
            g->count = g->first >= index ? 0 : (size_t)(index - g->first);
        if (g->count > 0)
            break;                      /* earlier segments end before */
    }
    while (s->n_runs > 0 && s->runs[s->n_runs - 1].first >= index)
        s->n_runs--;
    s->last = index - 1;
    s->last_term = s->n_runs > 0 ? s->runs[s->n_runs - 1].term : s->before_term;
}

void rh_state_entry(struct rh_log_state *s, struct rh_segment *g, uint64_t index, uint64_t term, uint64_t place)
{
    if (index <= s->last)
        truncate_from(s, index);
    if (g->count == 0)
        g->first = index;
    g->places[g->count++] = (uint32_t)(place / 8);
    if (s->n_runs == 0 || s->runs[s->n_runs - 1].term != term)
        s->runs[s->n_runs++] = (raftcore_run){.first = index, .term = term};
    s->last = index;
    s->last_term = term;
}

static void free_conf(struct rh_conf *c)
{
    free((void *)(uintptr_t)c->bytes.ptr);
}

/* Keeps the newest membership at or below `before`, the snapshot's, and those above `before`. */
static void drop_old_confs(struct rh_log_state *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n_confs; i++) {
        bool covered = i + 1 < s->n_confs && s->confs[i + 1].index <= s->before;
        if (covered && s->confs[i].index != s->snapshot.index)
            free_conf(&s->confs[i]);
        else
            s->confs[kept++] = s->confs[i];
    }
    s->n_confs = kept;
    s->snapshot.conf = (raftcore_slice){0};
    for (size_t i = 0; i < kept; i++)
        if (s->snapshot.index > 0 && s->confs[i].index == s->snapshot.index)
            s->snapshot.conf = s->confs[i].bytes;
}

void rh_state_conf(struct rh_log_state *s, uint64_t index, raftcore_slice bytes)
{
    size_t at = s->n_confs;

    while (at > 0 && s->confs[at - 1].index >= index)
        at--;
    if (at < s->n_confs && s->confs[at].index == index) {
        free_conf(&s->confs[at]);
    } else {
        memmove(s->confs + at + 1, s->confs + at, (s->n_confs - at) * sizeof *s->confs);
        s->n_confs++;
    }
    s->confs[at] = (struct rh_conf){.index = index, .bytes = bytes};
    drop_old_confs(s);
}

/* Forgets the entries up to `index`, the new `before`. */
static void give_up(struct rh_log_state *s, uint64_t index, uint64_t term)
{
    for (size_t i = 0; i < s->n_segments; i++) {
        struct rh_segment *g = s->segments[i];
        size_t gone = g->first <= index ? (size_t)(index + 1 - g->first) : 0;
        if (gone > g->count)
            gone = g->count;
        if (gone == 0)
            continue;
        memmove(g->places, g->places + gone, (g->count - gone) * sizeof *g->places);
        g->count -= gone;
        g->first += gone;
    }
    size_t run = 0;
    while (run + 1 < s->n_runs && s->runs[run + 1].first <= index + 1)
        run++;
    if (s->n_runs > 0 && run > 0) {
        memmove(s->runs, s->runs + run, (s->n_runs - run) * sizeof *s->runs);
        s->n_runs -= run;
    }
    if (s->n_runs > 0 && s->runs[0].first <= index)
        s->runs[0].first = index + 1;
    s->before = index;
    s->before_term = term;
    if (s->last <= index) {
        s->last = index;
        s->last_term = term;
        s->n_runs = 0;
    }
    drop_old_confs(s);
}

void rh_state_before(struct rh_log_state *s, uint64_t index, uint64_t term)
{
    if (index > s->before)
        give_up(s, index, term);
}

void rh_state_trim(struct rh_log_state *s)
{
    give_up(s, s->before, s->before_term);
}

/* The caller stores the membership first, by rh_state_conf. */
void rh_state_snapshot(struct rh_log_state *s, const struct rh_snapshot *snapshot, bool replaces)
{
    s->snapshot = *snapshot;
    if (replaces) {
        truncate_from(s, s->before + 1);
        while (s->n_confs > 0 && s->confs[s->n_confs - 1].index > snapshot->index)
            free_conf(&s->confs[--s->n_confs]);
        give_up(s, snapshot->index, snapshot->term);
    }
    drop_old_confs(s);
}

uint64_t rh_state_term(const struct rh_log_state *s, uint64_t index)
{
    if (index == s->before)
        return s->before_term;
    if (index < s->before || index > s->last)
        return 0;
    size_t low = 0, high = s->n_runs;           /* the last run that begins at or before index */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (s->runs[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    return s->n_runs > 0 && s->runs[low].first <= index ? s->runs[low].term : 0;
}

struct rh_segment *rh_state_find(const struct rh_log_state *s, uint64_t index)
{
    for (size_t i = s->n_segments; i > 0; i--) {
        struct rh_segment *g = s->segments[i - 1];
        if (g->count > 0 && index >= g->first && index <= rh_segment_last(g))
            return g;
    }
    return NULL;
}

struct rh_conf rh_boot_conf(const struct rh_boot *boot, uint64_t applied)
{
    struct rh_conf found = {0};

    for (size_t i = 0; i < boot->n_confs && boot->confs[i].index <= applied; i++)
        found = boot->confs[i];
    return found;
}
