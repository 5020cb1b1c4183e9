/* one_file.c: the calls of the one-file store. See one_file.h. */
#include <unistd.h>

#include "one_file_parts.h"

const char *one_file_flaw_name(enum one_file_flaw flaw)
{
    static const char *const names[FLAWS] = {
        "no flaw",
        "no flush",
        "no flush of the directory",
        "renamed before it is flushed",
        "goes on behind a torn end",
        "flushes again",
        "checksums are not compared",
        "damage is cut off",
        "hard state apart",
        "late by one batch",
        "no truncation",
        "short writes",
        "compaction forgets memberships",
    };

    return names[flaw];
}

static int boot(void *self, struct rh_boot *out, struct rh_words *why)
{
    struct one_file *f = self;
    size_t n = 0;

    (void)why;
    f->runs = one_file_need(realloc(f->runs, (size_t)(f->last - f->before + 1) * sizeof *f->runs));
    f->shown = one_file_need(realloc(f->shown, (f->n_confs + 1) * sizeof *f->shown));
    for (uint64_t i = f->before + 1; i <= f->last; i++)
        if (n == 0 || f->runs[n - 1].term != one_file_term(f, i))
            f->runs[n++] = (raftcore_run){i, one_file_term(f, i)};
    for (size_t i = 0; i < f->n_confs; i++)
        f->shown[i] = (struct rh_conf){f->confs[i].index, {f->confs[i].bytes, f->confs[i].len}};
    f->snapshot.conf = (raftcore_slice){f->snapshot_conf.bytes, f->snapshot_conf.len};
    *out = (struct rh_boot){
        .fresh = f->last == 0 && f->term == 0 && f->vote == 0,
        .term = f->term,
        .vote = f->vote,
        .commit = f->commit,
        .before = f->before,
        .before_term = f->before_term,
        .last = f->last,
        .runs = f->runs,
        .n_runs = n,
        .confs = f->shown,
        .n_confs = f->n_confs,
        .snapshot = f->snapshot,
    };
    return RH_OK;
}

static bool is_good(const struct one_file *f, const struct rh_batch *b)
{
    const struct rh_snapshot *s = b->snapshot;
    uint64_t before = b->replaces && s ? s->index : f->before, last = b->replaces && s ? s->index : f->last;
    uint64_t newest = b->replaces || f->n_confs == 0 ? 0 : f->confs[f->n_confs - 1].index;

    if ((b->number != 0 && b->number <= f->last_number) || (b->replaces && !s))
        return false;
    if (s && (s->index == 0 || s->term == 0 || s->conf.len == 0 || s->index < f->before ||
              s->index < f->snapshot.index || (!b->replaces && one_file_term(f, s->index) != s->term)))
        return false;
    if (b->n_entries > 0) {
        uint64_t first = b->entries->index;
        if (b->entry_stride < sizeof *b->entries || first <= before || first > last + 1)
            return false;
        uint64_t term = b->replaces && first == last + 1 ? s->term : one_file_term(f, first - 1);
        for (uint32_t i = 0; i < b->n_entries; i++) {
            const raftcore_entry *e = (const void *)((const char *)b->entries + (size_t)i * b->entry_stride);
            if (e->index != first + i || e->term < term || e->term == 0)
                return false;
            term = e->term;
        }
        last = first + b->n_entries - 1;
    }
    for (uint32_t i = 0; i < b->n_confs; i++) {
        if (b->confs[i].index < newest || b->confs[i].index > last)
            return false;
        newest = b->confs[i].index;
    }
    return !b->has_state || (b->term >= f->term && b->commit >= f->commit && b->commit <= last);
}

static int append(void *self, const struct rh_batch *batch, struct rh_words *why)
{
    struct one_file *f = self;
    uint8_t head[ONE_FILE_HEAD] = {0};

    if (f->failed)
        return rh_fail(why, RH_E_FAILED, "one-file: an earlier call has failed");
    if (!is_good(f, batch))
        return rh_fail(why, RH_E_ARG, "one-file: this batch can't follow");
    size_t at = f->fill.len;
    f->kept_back = at;
    one_file_put(&f->fill, head, ONE_FILE_HEAD);
    one_file_put_batch(&f->fill, batch);
    one_file_close_record(f, &f->fill, at);
    one_file_take(f, f->fill.at + at + ONE_FILE_HEAD, f->fill.len - at - ONE_FILE_HEAD);
    if (batch->number > 0)
        f->last_number = f->number_of_caller = batch->number;
    return RH_OK;
}

static int sync_file(void *self, uint64_t *number, struct rh_words *why)
{
    struct one_file *f = self;
    uint8_t mark[ONE_FILE_HEAD] = {0};

    if (f->failed)
        return rh_fail(why, RH_E_FAILED, "one-file: an earlier call has failed");
    *number = f->number_of_caller;
    if (f->rewrite) {
        f->fill.len = 0;
        return one_file_write_anew(f, why);
    }
    bool idle = f->fill.len == 0;
    if (idle && f->synced == f->number)
        one_file_put(&f->fill, mark, ONE_FILE_HEAD), one_file_close_record(f, &f->fill, 0);
    struct bytes now = f->fill;
    now.len = FLAW(LATE_BY_ONE) && !idle ? f->kept_back : now.len;
    if (FLAW(STATE_APART) && one_file_write_state(f, why) != RH_OK)
        return RH_E_IO;
    int code = one_file_write(f, f->fd, &now, f->offset, why);
    if (code == RH_OK && !idle && !FLAW(NO_FLUSH) && fdatasync(f->fd) != 0)
        code = one_file_fail(f, why);
    if (code != RH_OK) {
        f->failed = !FLAW(FLUSH_AGAIN);
        return code;
    }
    f->offset += now.len;
    memmove(f->fill.at, f->fill.at + now.len, f->fill.len - now.len);
    f->fill.len -= now.len;
    f->kept_back = 0;
    f->synced = idle ? f->synced : f->number;
    return idle ? RH_NONE : RH_OK;
}

static int read_entries(void *self, uint64_t first, uint64_t last, struct rh_read *io, struct rh_words *why)
{
    struct one_file *f = self;
    size_t used = 0;

    io->count = io->need = 0;
    if (first > last || first == 0 || io->max == 0)
        return rh_fail(why, RH_E_ARG, "one-file: no such range");
    if (first <= f->before)
        return rh_fail(why, RH_E_GONE, "one-file: entry %llu is gone", (unsigned long long)first);
    if (last > f->last)
        return rh_fail(why, RH_E_RANGE, "one-file: entry %llu is not there", (unsigned long long)last);
    for (uint64_t i = first; i <= last && io->count < io->max; i++) {
        const struct entry *e = &f->entries[i - f->before - 1];
        if (used + e->len + 32 > io->cap)
            break;
        memcpy(io->buf + used, e->data, e->len);
        io->entries[io->count++] =
            (raftcore_entry){.index = i, .term = e->term, .kind = e->kind, .data = {io->buf + used, e->len}};
        used += e->len + 32;
    }
    if (io->count > 0)
        return RH_OK;
    io->need = f->entries[first - f->before - 1].len + 32;
    return rh_fail(why, RH_E_SMALL, "one-file: a buffer of %zu bytes is needed", io->need);
}

static int compact(void *self, uint64_t upto, uint64_t hold, uint64_t *before, struct rh_words *why)
{
    struct one_file *f = self;
    uint64_t limit = upto < hold ? upto : hold;

    *before = f->before;
    if (f->failed)
        return rh_fail(why, RH_E_FAILED, "one-file: an earlier call has failed");
    if (upto > f->commit)
        return rh_fail(why, RH_E_ARG, "one-file: entries up to %llu are not committed", (unsigned long long)upto);
    if (limit > f->before) {
        one_file_drop_before(f, limit, one_file_term(f, limit));
        f->rewrite = true;
    }
    *before = f->before;
    return RH_OK;
}

static int space(void *self, struct rh_space *out, struct rh_words *why)
{
    const struct one_file *f = self;

    (void)why;
    *out = (struct rh_space){.level = RH_SPACE_OK, .free_bytes = UINT64_MAX, .log_bytes = f->offset};
    return RH_OK;
}

static void free_all(struct one_file *f)
{
    for (uint64_t i = f->before; i < f->last; i++)
        free(f->entries[i - f->before].data);
    if (f->fd >= 0)
        close(f->fd);
    free(f->entries);
    free(f->runs);
    free(f->shown);
    free(f->fill.at);
    free(f);
}

static int close_file(void *self, struct rh_words *why)
{
    struct one_file *f = self;
    uint64_t number;
    int code = f->failed ? rh_fail(why, RH_E_FAILED, "one-file: an earlier call has failed") : RH_OK;

    while (code == RH_OK && (f->fill.len > 0 || f->rewrite))
        code = sync_file(f, &number, why);
    if (code == RH_OK && !FLAW(CUT_DAMAGE))
        code = rh_dir_set_reached(&f->store->dir, f->synced, why);
    free_all(f);
    return code;
}

int one_file_open(void *context, const char *dir, struct rh_log *out, struct rh_words *why)
{
    static const struct rh_log_ops ops = {sizeof ops,   boot,    append, sync_file,
                                          read_entries, compact, space,  close_file};
    struct one_file_store *store = context;
    struct one_file *f = one_file_need(calloc(1, sizeof *f));
    bool there = false;

    *f = (struct one_file){.store = store, .fd = -1};
    int code = rh_dir_open(&store->dir, dir, 7, 3, why);
    if (code == RH_OK)
        code = one_file_read(f, &there, why);
    if (code == RH_OK && !there && strcmp(store->dir.owner.log, "none") != 0)
        code = rh_fail(why, RH_E_DAMAGED, "one-file: the file is gone: start this member anew");
    if (code == RH_OK && f->fd < 0)
        code = one_file_write_anew(f, why);
    if (code == RH_OK)
        code = rh_dir_set_log(&store->dir, "one-file", why);
    if (code != RH_OK)
        free_all(f);
    else
        *out = (struct rh_log){&ops, f};
    return code;
}

void one_file_closed(void *context)
{
    rh_dir_close(&((struct one_file_store *)context)->dir);
}
