/*
 * log_append.c: batches into the buffer. Nothing here does I/O.
 *
 * append() first checks the batch, then reserves memory, then writes. So append() does all or
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "log_parts.h"

typedef unsigned long long ull;

/* ---- does the batch fit the log? ---- */

static const raftcore_entry *entry_of(const struct rh_batch *b, uint32_t i)
{
    return (const void *)((const char *)b->entries + (size_t)i * b->entry_stride);
}

static int check_entries(const struct rh_batch *b, uint64_t before, uint64_t last, uint64_t term, struct rh_words *why)
{
    uint64_t first = b->entries->index;

    if (b->entry_stride < sizeof(raftcore_entry))
        return rh_fail(why, RH_E_ARG, "entry_stride is %u, an entry has %zu bytes", b->entry_stride,
                       sizeof(raftcore_entry));
    if (first <= before || first > last + 1)
        return rh_fail(why, RH_E_ARG,
                       "entries from %llu on can't follow a log that begins behind %llu and ends at %llu", (ull)first,
                       (ull)before, (ull)last);
    for (uint32_t i = 0; i < b->n_entries; i++) {
        const raftcore_entry *e = entry_of(b, i);
        if (e->index != first + i || e->term < term || e->term == 0)
            return rh_fail(why, RH_E_ARG, "entry (index %llu, term %llu) can't follow (index %llu, term %llu)",
                           (ull)e->index, (ull)e->term, (ull)(first + i - 1), (ull)term);
        term = e->term;
    }
    return RH_OK;
}

static int check_confs(const struct rh_log_state *s, const struct rh_batch *b, uint64_t last, struct rh_words *why)
{
    uint64_t newest = s->n_confs > 0 && !b->replaces ? s->confs[s->n_confs - 1].index : 0;

    for (uint32_t i = 0; i < b->n_confs; i++) {
        if (b->confs[i].index < newest || b->confs[i].index > last || b->confs[i].bytes.len == 0)
            return rh_fail(why, RH_E_ARG,
                           "a membership as of %llu can't follow one as of %llu in a log that ends at %llu",
                           (ull)b->confs[i].index, (ull)newest, (ull)last);
        newest = b->confs[i].index;
    }
    return RH_OK;
}

static int check_snapshot(const struct rh_log_state *s, const struct rh_batch *b, struct rh_words *why)
{
    const struct rh_snapshot *n = b->snapshot;

    if (!n)
        return b->replaces ? rh_fail(why, RH_E_ARG, "no snapshot is there to replace the log") : RH_OK;
    if (n->index == 0 || n->term == 0 || n->conf.len == 0)
        return rh_fail(why, RH_E_ARG, "a snapshot needs an index, a term and a membership");
    if (n->index < s->before || n->index < s->snapshot.index)
        return rh_fail(why, RH_E_ARG,
                       "a snapshot of index %llu is behind the log, which begins behind %llu (snapshot %llu)",
                       (ull)n->index, (ull)s->before, (ull)s->snapshot.index);
    if (!b->replaces && rh_state_term(s, n->index) != n->term)
        return rh_fail(
            why, RH_E_ARG,
            "a snapshot of (index %llu, term %llu) is not of this log, which ends at (index %llu, term %llu)",
            (ull)n->index, (ull)n->term, (ull)s->last, (ull)s->last_term);
    return RH_OK;
}

static int check_batch(const struct rh_log_file *log, const struct rh_batch *b, struct rh_words *why)
{
    const struct rh_log_state *s = &log->state;
    uint64_t before = b->replaces && b->snapshot ? b->snapshot->index : s->before;
    uint64_t last = b->replaces && b->snapshot ? before : s->last,
             term = b->replaces && b->snapshot ? b->snapshot->term : s->last_term;

    if (b->number != 0 && b->number <= log->last_number)
        return rh_fail(why, RH_E_ARG, "batch number %llu can't follow %llu", (ull)b->number, (ull)log->last_number);
    int code = check_snapshot(s, b, why);
    if (code == RH_OK && b->n_entries > 0) {
        uint64_t first = b->entries->index;
        code = check_entries(b, before, last, first == last + 1 ? term : rh_state_term(s, first - 1), why);
        last = first + b->n_entries - 1;
    }
    if (code == RH_OK)
        code = check_confs(s, b, last, why);
    if (code != RH_OK || !b->has_state)
        return code;
    if (b->term < s->term || b->commit < s->commit)
        return rh_fail(why, RH_E_ARG, "term %llu, commit %llu can't follow term %llu, commit %llu", (ull)b->term,
                       (ull)b->commit, (ull)s->term, (ull)s->commit);
    if (b->commit > last)
        return rh_fail(why, RH_E_ARG, "commit %llu is beyond the log's last entry, %llu", (ull)b->commit, (ull)last);
    return RH_OK;
}

/* ---- the buffer ---- */

int rh_buffer_reserve(struct rh_buffer *b, size_t bytes)
{
    if (b->n_runs + 2 > b->cap_runs) {
        struct rh_run *runs = realloc(b->runs, (b->cap_runs + 8) * sizeof *runs);
        if (!runs)
            return RH_E_NOMEM;
        b->runs = runs;
        b->cap_runs += 8;
    }
    if (b->len + bytes > b->cap) {
        size_t wanted = b->len + bytes + b->cap / 2;
        uint8_t *larger = realloc(b->bytes, wanted);
        if (!larger)
            return RH_E_NOMEM;
        b->bytes = larger;
        b->cap = wanted;
    }
    return RH_OK;
}

struct rh_builder rh_builder_open(struct rh_log_file *log, struct rh_segment *g, uint32_t flags)
{
    struct rh_builder b = {
        .log = log,
        .segment = g,
        .at = log->fill.len,
        .place = g->tail,
        .head = {.number = log->next_batch, .synced = log->synced_batch, .flags = flags},
    };

    log->fill.len += RH_BATCH_HEAD;
    return b;
}

uint64_t rh_builder_add(struct rh_builder *b, struct rh_record r, raftcore_slice more)
{
    struct rh_buffer *fill = &b->log->fill;

    r.place = b->place + RH_BATCH_HEAD + b->head.bytes;
    size_t bytes = rh_put_record(fill->bytes + fill->len, b->segment->seed, &r, more);
    fill->len += bytes;
    b->head.bytes += (uint32_t)bytes;
    b->head.count++;
    return r.place;
}

void rh_builder_close(struct rh_builder *b)
{
    struct rh_log_file *log = b->log;
    struct rh_buffer *fill = &log->fill;
    struct rh_run *last = fill->n_runs > 0 ? &fill->runs[fill->n_runs - 1] : NULL;

    rh_put_batch_head(fill->bytes + b->at, b->segment->seed, b->place, &b->head);
    if (last && last->segment == b->segment && last->offset + last->len == b->place)
        last->len = fill->len - last->at;
    else
        fill->runs[fill->n_runs++] = (struct rh_run){b->segment, b->place, b->at, fill->len - b->at};
    b->segment->end = b->segment->tail = b->place + (fill->len - b->at);
    log->next_batch++;
    log->marked = false;
}

/* ---- records of other state ---- */

static void add_state(struct rh_builder *b, uint64_t term, uint64_t vote, uint64_t commit)
{
    uint8_t data[RH_STATE_DATA];

    rh_put_u64(data, vote);
    rh_put_u64(data + 8, commit);
    rh_builder_add(b, (struct rh_record){.type = RH_REC_STATE, .term = term, .data = {data, sizeof data}},
                   (raftcore_slice){0});
}

static void add_snapshot(struct rh_builder *b, const struct rh_snapshot *s, bool replaces)
{
    uint8_t data[RH_SNAPSHOT_DATA] = {0};

    rh_put_u64(data, s->bytes);
    rh_put_u32(data + 8, s->checksum);
    rh_builder_add(b, (struct rh_record){.type = RH_REC_SNAPSHOT, .kind = replaces, .index = s->index, .term = s->term,
                                         .data = {data, sizeof data}}, s->conf);
}

static void add_conf(struct rh_builder *b, const struct rh_conf *c)
{
    rh_builder_add(b, (struct rh_record){.type = RH_REC_CONF, .index = c->index, .data = c->bytes},
                   (raftcore_slice){0});
}

size_t rh_base_bytes(const struct rh_log_state *s)
{
    size_t bytes = RH_BATCH_HEAD + rh_record_bytes(RH_BASE_DATA) + rh_record_bytes(0) + rh_record_bytes(RH_STATE_DATA) +
                   rh_record_bytes(RH_SNAPSHOT_DATA + s->snapshot.conf.len);

    for (size_t i = 0; i < s->n_confs; i++)
        bytes += rh_record_bytes(s->confs[i].bytes.len);
    return bytes;
}

uint64_t rh_place_of_next_sync(const struct rh_log_file *log, uint64_t end)
{
    uint64_t block = log->options.block_bytes;

    return block > 0 ? (end + block - 1) & ~(block - 1) : end;
}

bool rh_segment_has_room(const struct rh_log_file *log, const struct rh_segment *g, size_t bytes)
{
    return rh_place_of_next_sync(log, g->tail + bytes) + RH_BATCH_HEAD < g->size;
}

uint64_t rh_segment_size(const struct rh_log_file *log, size_t bytes)
{
    uint64_t end = rh_place_of_next_sync(log, rh_base_bytes(&log->state) + bytes) + RH_BATCH_HEAD;
    uint64_t needed = (end + 4096) & ~(uint64_t)4095;   /* at least a byte more than `end` */

    return needed > log->options.segment_bytes ? needed : log->options.segment_bytes;
}

void rh_begin_segment(struct rh_log_file *log, struct rh_segment *g, uint64_t prev_end, uint64_t prev_number)
{
    const struct rh_log_state *s = &log->state;
    const struct rh_owner *o = &log->dir->owner;
    struct rh_base base = {
        .format = RH_LOG_FORMAT,
        .block_bytes = log->options.block_bytes,
        .segment = g->number,
        .group = o->group,
        .id = o->id,
        .size = g->size,
        .prev_end = prev_end,
        .prev_number = prev_number,
    };
    uint8_t data[RH_BASE_DATA];

    memcpy(base.disk, o->disk, RH_ID_BYTES);
    rh_put_base(data, &base);
    struct rh_builder b = rh_builder_open(log, g, RH_BATCH_BASE);
    rh_builder_add(
        &b,
        (struct rh_record){.type = RH_REC_BASE, .index = s->last, .term = s->last_term, .data = {data, sizeof data}},
        (raftcore_slice){0});
    rh_builder_add(&b, (struct rh_record){.type = RH_REC_BEFORE, .index = s->before, .term = s->before_term},
                   (raftcore_slice){0});
    if (s->snapshot.index > 0)
        add_snapshot(&b, &s->snapshot, false);
    for (size_t i = 0; i < s->n_confs; i++)
        add_conf(&b, &s->confs[i]);
    add_state(&b, s->term, s->vote, s->commit);
    rh_builder_close(&b);
    rh_state_add_segment(&log->state, g);
}

/* ---- append ---- */

static size_t batch_bytes(const struct rh_batch *b)
{
    size_t bytes = RH_BATCH_HEAD;

    if (b->snapshot)
        bytes += rh_record_bytes(RH_SNAPSHOT_DATA + b->snapshot->conf.len);
    for (uint32_t i = 0; i < b->n_entries; i++)
        bytes += rh_record_bytes(entry_of(b, i)->data.len);
    for (uint32_t i = 0; i < b->n_confs; i++)
        bytes += rh_record_bytes(b->confs[i].bytes.len);
    return bytes + (b->has_state ? rh_record_bytes(RH_STATE_DATA) : 0);
}

/* The memory of an append, reserved before anything changes. */
struct plan {
    size_t bytes;                       /* of the batch */
    struct rh_segment *segment;         /* where the batch goes */
    bool new_segment;
    raftcore_slice *confs;              /* copies: the snapshot's first, then the batch's */
    size_t n_confs;
};

static int copy_confs(struct plan *p, const struct rh_batch *b)
{
    size_t count = b->n_confs + (b->snapshot ? 1 : 0);

    if (count == 0)
        return RH_OK;
    p->confs = calloc(count, sizeof *p->confs);
    if (!p->confs)
        return RH_E_NOMEM;
    for (; p->n_confs < count; p->n_confs++) {
        size_t i = p->n_confs;
        raftcore_slice bytes = b->snapshot && i == 0 ? b->snapshot->conf : b->confs[i - (b->snapshot ? 1 : 0)].bytes;
        p->confs[i] = rh_state_copy(bytes);
        if (!p->confs[i].ptr)
            return RH_E_NOMEM;
    }
    return RH_OK;
}

static void drop_plan(struct plan *p)
{
    for (size_t i = 0; i < p->n_confs; i++)
        free((void *)(uintptr_t)p->confs[i].ptr);
    free(p->confs);
    if (p->new_segment)
        rh_segment_free(p->segment);
}

static int make_plan(struct rh_log_file *log, const struct rh_batch *b, struct plan *p)
{
    struct rh_segment *last = rh_state_last_segment(&log->state);

    *p = (struct plan){.bytes = batch_bytes(b), .segment = last};
    size_t room = p->bytes;
    if (!rh_segment_has_room(log, last, p->bytes)) {
        p->new_segment = true;
        room += rh_base_bytes(&log->state);
        p->segment = rh_segment_new(last->number + 1, rh_segment_size(log, p->bytes),
                                    rh_log_seed(log->dir->owner.disk, last->number + 1));
        if (!p->segment)
            return RH_E_NOMEM;
    }
    int code = copy_confs(p, b);
    if (code == RH_OK)
        code = rh_state_reserve(&log->state, p->segment, b->n_entries, p->n_confs, 1);
    return code == RH_OK ? rh_buffer_reserve(&log->fill, room) : code;
}

static void put_snapshot(struct rh_log_file *log, struct rh_builder *b, const struct rh_batch *batch,
                         raftcore_slice conf)
{
    add_snapshot(b, batch->snapshot, batch->replaces);
    rh_state_conf(&log->state, batch->snapshot->index, conf);
    rh_state_snapshot(&log->state, batch->snapshot, batch->replaces);
}

static void put_batch(struct rh_log_file *log, const struct rh_batch *batch, const struct plan *p)
{
    struct rh_log_state *s = &log->state;
    size_t conf = 0;
    struct rh_builder b = rh_builder_open(log, p->segment, 0);

    if (batch->snapshot)
        put_snapshot(log, &b, batch, p->confs[conf++]);
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const raftcore_entry *e = entry_of(batch, i);
        uint64_t place = rh_builder_add(
            &b,
            (struct rh_record){
                .type = RH_REC_ENTRY, .kind = e->kind, .index = e->index, .term = e->term, .data = e->data},
            (raftcore_slice){0});
        rh_state_entry(s, p->segment, e->index, e->term, place);
    }
    for (uint32_t i = 0; i < batch->n_confs; i++) {
        add_conf(&b, &batch->confs[i]);
        rh_state_conf(s, batch->confs[i].index, p->confs[conf++]);
    }
    if (batch->has_state) {
        add_state(&b, batch->term, batch->vote, batch->commit);
        s->term = batch->term;
        s->vote = batch->vote;
        s->commit = batch->commit;
    }
    rh_builder_close(&b);
}

/* Hands over the segments before a log's new beginning. */
static void doom_replaced(struct rh_log_file *log)
{
    struct rh_log_state *s = &log->state;
    struct rh_segment *last = rh_state_last_segment(s);

    for (size_t i = 0; i + 1 < s->n_segments; i++)
        rh_doom(log, s->segments[i], log->next_batch - 1);
    s->segments[0] = last;
    s->n_segments = 1;
}

static void take_number(struct rh_log_file *log, const struct rh_batch *batch)
{
    if (batch->number != 0)
        log->last_number = log->fill_number = batch->number;
}

static int append_locked(struct rh_log_file *log, const struct rh_batch *batch, struct rh_words *why)
{
    struct plan p;

    if (log->failed)
        return rh_log_failed(log, why);
    int code = check_batch(log, batch, why);
    if (code == RH_OK && batch_bytes(batch) == RH_BATCH_HEAD) {
        take_number(log, batch);        /* an empty ready costs nothing */
        return RH_OK;
    }
    if (code == RH_OK && batch_bytes(batch) > RH_BATCH_MAX)
        code = rh_fail(why, RH_E_ARG, "a batch of %zu bytes: at most %d are taken, store the entries in several",
                       batch_bytes(batch), RH_BATCH_MAX);
    if (code != RH_OK)
        return code;
    code = make_plan(log, batch, &p);
    if (code != RH_OK) {
        drop_plan(&p);
        return rh_fail(why, code, "no memory for a batch of %zu bytes", p.bytes);
    }
    if (p.new_segment)
        rh_begin_segment(log, p.segment, rh_state_last_segment(&log->state)->end, log->next_batch - 1);
    put_batch(log, batch, &p);
    free(p.confs);                      /* the list only; the state has the copies */
    take_number(log, batch);
    if (batch->replaces)
        doom_replaced(log);
    return RH_OK;
}

int rh_log_append(void *self, const struct rh_batch *batch, struct rh_words *why)
{
    struct rh_log_file *log = self;

    pthread_mutex_lock(&log->mutex);
    int code = append_locked(log, batch, why);
    pthread_mutex_unlock(&log->mutex);
    return code;
}
