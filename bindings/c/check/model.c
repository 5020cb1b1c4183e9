/* model.c: a plain model of a log, and the comparison. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

static char context[512];

void check_context(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
}

void check_broken(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "rh-log-check: a promise is broken\n    %s\n    ", context);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static void *need(void *memory)
{
    if (!memory)
        check_broken("no memory for the check itself");
    return memory;
}

uint64_t said_hash(raftcore_slice bytes)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ bytes.ptr[i]) * 0x100000001b3u;
    return hash ^ bytes.len;
}

void said_free(struct said *s)
{
    free(s->entries);
    free(s->confs);
    *s = (struct said){0};
}

struct said said_copy(const struct said *s)
{
    struct said copy = *s;
    size_t count = (size_t)(s->last - s->before);

    copy.entries = need(malloc((count + 1) * sizeof *copy.entries));
    copy.confs = need(malloc((s->n_confs + 1) * sizeof *copy.confs));
    if (count > 0)
        memcpy(copy.entries, s->entries, count * sizeof *copy.entries);
    if (s->n_confs > 0)
        memcpy(copy.confs, s->confs, s->n_confs * sizeof *copy.confs);
    return copy;
}

/* ---- the model ---- */

static void put_conf(struct said *s, uint64_t index, raftcore_slice bytes)
{
    while (s->n_confs > 0 && s->confs[s->n_confs - 1].index >= index)
        s->n_confs--;
    s->confs = need(realloc(s->confs, (s->n_confs + 1) * sizeof *s->confs));
    s->confs[s->n_confs++] = (struct said_conf){index, said_hash(bytes)};
}

static void insert_conf(struct said *s, uint64_t index, raftcore_slice bytes)
{
    size_t at = s->n_confs;

    while (at > 0 && s->confs[at - 1].index > index)
        at--;
    if (at > 0 && s->confs[at - 1].index == index) {
        s->confs[at - 1].hash = said_hash(bytes);
        return;
    }
    s->confs = need(realloc(s->confs, (s->n_confs + 1) * sizeof *s->confs));
    memmove(s->confs + at + 1, s->confs + at, (s->n_confs - at) * sizeof *s->confs);
    s->confs[at] = (struct said_conf){index, said_hash(bytes)};
    s->n_confs++;
}

static void put_snapshot(struct said *s, const struct rh_snapshot *n, bool replaces)
{
    s->snapshot_index = n->index;
    s->snapshot_term = n->term;
    s->snapshot_bytes = n->bytes;
    s->snapshot_checksum = n->checksum;
    s->snapshot_conf = said_hash(n->conf);
    if (replaces) {
        s->before = s->last = n->index;
        s->before_term = n->term;
        put_conf(s, n->index, n->conf);
    } else {
        insert_conf(s, n->index, n->conf);
    }
}

void said_append(struct said *s, const struct rh_batch *b)
{
    if (b->snapshot)
        put_snapshot(s, b->snapshot, b->replaces);
    for (uint32_t i = 0; i < b->n_entries; i++) {
        const raftcore_entry *e = (const void *)((const char *)b->entries + (size_t)i * b->entry_stride);
        s->last = e->index;
        s->entries = need(realloc(s->entries, (size_t)(s->last - s->before) * sizeof *s->entries));
        s->entries[s->last - s->before - 1] =
            (struct said_entry){e->term, said_hash(e->data), e->kind, (uint32_t)e->data.len};
    }
    for (uint32_t i = 0; i < b->n_confs; i++)
        put_conf(s, b->confs[i].index, b->confs[i].bytes);
    if (b->has_state) {
        s->term = b->term;
        s->vote = b->vote;
        s->commit = b->commit;
    }
}

/* ---- the log ---- */

static uint64_t run_term(const struct rh_boot *boot, uint64_t index)
{
    uint64_t term = 0;

    for (size_t i = 0; i < boot->n_runs && boot->runs[i].first <= index; i++)
        term = boot->runs[i].term;
    return term;
}

static int read_entries(const struct rh_log *log, const struct rh_boot *boot, struct said *out, struct rh_words *why)
{
    size_t cap = 256;
    uint8_t *buf = need(malloc(cap));
    raftcore_entry entries[7];
    int code = RH_OK;

    out->entries = need(calloc((size_t)(boot->last - boot->before) + 1, sizeof *out->entries));
    for (uint64_t at = boot->before + 1; at <= boot->last;) {
        struct rh_read io = {.buf = buf, .cap = cap, .entries = entries, .max = 1 + at % 7};
        code = log->ops->read(log->self, at, boot->last, &io, why);
        if (code == RH_E_SMALL) {
            CHECK_TRUE(io.need > cap && io.count == 0);
            cap = io.need;
            buf = need(realloc(buf, cap));
            continue;
        }
        if (code != RH_OK)
            break;
        CHECK_TRUE(io.count > 0 && io.count <= io.max && at + io.count - 1 <= boot->last);
        for (size_t i = 0; i < io.count; i++, at++) {
            const raftcore_entry *e = &entries[i];
            CHECK_TRUE(e->index == at && e->term == run_term(boot, at) && e->token == 0);
            CHECK_TRUE(e->data.len == 0 || (e->data.ptr >= buf && e->data.ptr + e->data.len <= buf + cap));
            out->entries[at - boot->before - 1] =
                (struct said_entry){e->term, said_hash(e->data), e->kind, (uint32_t)e->data.len};
        }
    }
    free(buf);
    return code;
}

int said_read(const struct rh_log *log, struct said *out, struct rh_words *why)
{
    struct rh_boot boot;
    int code = log->ops->boot(log->self, &boot, why);

    *out = (struct said){0};
    if (code != RH_OK)
        return code;
    CHECK_TRUE(boot.before <= boot.last && boot.commit <= boot.last);
    CHECK_TRUE((boot.n_runs > 0) == (boot.last > boot.before) &&
               (boot.n_runs == 0 || boot.runs[0].first == boot.before + 1));
    for (size_t i = 1; i < boot.n_runs; i++)
        CHECK_TRUE(boot.runs[i].first > boot.runs[i - 1].first && boot.runs[i].term > boot.runs[i - 1].term);
    *out = (struct said){
        .term = boot.term,
        .vote = boot.vote,
        .commit = boot.commit,
        .before = boot.before,
        .before_term = boot.before_term,
        .last = boot.last,
        .snapshot_index = boot.snapshot.index,
        .snapshot_term = boot.snapshot.term,
        .snapshot_bytes = boot.snapshot.bytes,
        .snapshot_checksum = boot.snapshot.checksum,
        .snapshot_conf = boot.snapshot.index ? said_hash(boot.snapshot.conf) : 0,
    };
    out->confs = need(calloc(boot.n_confs + 1, sizeof *out->confs));
    for (size_t i = 0; i < boot.n_confs; i++)
        out->confs[out->n_confs++] = (struct said_conf){boot.confs[i].index, said_hash(boot.confs[i].bytes)};
    CHECK_TRUE(boot.fresh == (boot.last == 0 && boot.term == 0 && boot.vote == 0));
    code = read_entries(log, &boot, out, why);
    if (code != RH_OK)
        said_free(out);
    return code;
}

/* ---- comparing ---- */

static uint64_t conf_at(const struct said *s, uint64_t index)
{
    uint64_t found = 0;

    for (size_t i = 0; i < s->n_confs && s->confs[i].index <= index; i++)
        found = s->confs[i].hash;
    return found;
}

static const char *confs_differ(const struct said *should, const struct said *does)
{
    for (size_t i = 0; i < should->n_confs; i++)
        if (should->confs[i].index >= does->before && conf_at(does, should->confs[i].index) != should->confs[i].hash)
            return "a membership";
    for (size_t i = 0; i < does->n_confs; i++)
        if (does->confs[i].index >= does->before && conf_at(should, does->confs[i].index) != does->confs[i].hash)
            return "a membership that was not stored";
    return conf_at(should, does->before) == conf_at(does, does->before) ? NULL : "the membership at its beginning";
}

const char *said_differs(const struct said *should, const struct said *does, uint64_t upto)
{
    uint64_t upmost = upto > should->before ? upto : should->before;

    if (does->last != should->last)
        return "the last index";
    if (does->term != should->term || does->vote != should->vote || does->commit != should->commit)
        return "the hard state";
    if (does->before < should->before || does->before > upmost || does->before > should->last)
        return "where it begins";
    if (does->before_term != (does->before == should->before ? should->before_term
                                                             : should->entries[does->before - should->before - 1].term))
        return "the term where it begins";
    for (uint64_t i = does->before + 1; i <= does->last; i++)
        if (memcmp(&does->entries[i - does->before - 1], &should->entries[i - should->before - 1],
                   sizeof *does->entries) != 0)
            return "an entry";
    if (does->snapshot_index != should->snapshot_index || does->snapshot_term != should->snapshot_term ||
        does->snapshot_bytes != should->snapshot_bytes || does->snapshot_checksum != should->snapshot_checksum ||
        does->snapshot_conf != should->snapshot_conf)
        return "the snapshot";
    return confs_differ(should, does);
}
