/* one_file_state.c: the content of the one-file store, and batches as bytes. */
#include "bytes.h"
#include "one_file_parts.h"

void one_file_put(struct bytes *b, const void *bytes, size_t len)
{
    if (b->len + len > b->cap) {
        b->cap = 2 * (b->len + len);
        b->at = one_file_need(realloc(b->at, b->cap));
    }
    if (len > 0)
        memcpy(b->at + b->len, bytes, len);
    b->len += len;
}

static void put_number(struct bytes *b, uint64_t x)
{
    uint8_t bytes[8];

    rh_put_u64(bytes, x);
    one_file_put(b, bytes, sizeof bytes);
}

/* ---- the content ---- */

static void set_conf(struct one_file *f, uint64_t index, const uint8_t *bytes, size_t len)
{
    size_t at = f->n_confs;

    while (at > 0 && f->confs[at - 1].index > index)
        at--;
    if (at == 0 || f->confs[at - 1].index != index) {
        memmove(f->confs + at + 1, f->confs + at, (f->n_confs - at) * sizeof *f->confs);
        f->n_confs++;
        at++;
    }
    f->confs[at - 1] = (struct conf){.index = index, .len = len};
    memcpy(f->confs[at - 1].bytes, bytes, len);
}

void one_file_drop_before(struct one_file *f, uint64_t index, uint64_t term)
{
    uint64_t gone = index < f->last ? index - f->before : f->last - f->before;

    for (uint64_t i = 0; i < gone; i++)
        free(f->entries[i].data);
    if (f->last - f->before > gone)
        memmove(f->entries, f->entries + gone, (size_t)(f->last - f->before - gone) * sizeof *f->entries);
    f->before = index;
    f->before_term = term;
    f->last = index > f->last ? index : f->last;
    size_t drop = 0;
    while (drop + 1 < f->n_confs && f->confs[drop + 1].index <= index)
        drop++;
    memmove(f->confs, f->confs + drop, (f->n_confs - drop) * sizeof *f->confs);
    f->n_confs -= drop;
}

static void set_snapshot(struct one_file *f, const struct rh_snapshot *s, bool replaces)
{
    f->snapshot = *s;
    f->snapshot_conf = (struct conf){.index = s->index, .len = s->conf.len};
    memcpy(f->snapshot_conf.bytes, s->conf.ptr, s->conf.len);
    if (replaces) {
        f->n_confs = 0;
        one_file_drop_before(f, s->index, s->term);
        while (f->last > f->before)
            free(f->entries[f->last-- - f->before - 1].data);
    }
    set_conf(f, s->index, s->conf.ptr, s->conf.len);
}

static void set_entry(struct one_file *f, uint64_t index, uint64_t term, uint32_t kind, const uint8_t *data, size_t len)
{
    bool forget = !FLAW(NO_TRUNCATION) || f->fd >= 0;

    for (uint64_t i = index; i <= f->last && (forget || i == index); i++)
        free(f->entries[i - f->before - 1].data);
    f->last = forget || index > f->last ? index : f->last;
    f->entries = one_file_need(realloc(f->entries, (size_t)(f->last - f->before) * sizeof *f->entries));
    f->entries[index - f->before - 1] = (struct entry){term, kind, len, one_file_need(malloc(len + 1))};
    if (len > 0)
        memcpy(f->entries[index - f->before - 1].data, data, len);
}

uint64_t one_file_term(const struct one_file *f, uint64_t index)
{
    return index == f->before                      ? f->before_term
           : index > f->before && index <= f->last ? f->entries[index - f->before - 1].term
                                                   : 0;
}

/* ---- batches as bytes: a letter, numbers, bytes ---- */

static void put_part(struct bytes *b, char letter, uint64_t x, uint64_t y, uint64_t z, const void *bytes, size_t len)
{
    one_file_put(b, &letter, 1);
    put_number(b, x);
    put_number(b, y);
    put_number(b, z);
    put_number(b, len);
    one_file_put(b, bytes, len);
}

void one_file_put_batch(struct bytes *b, const struct rh_batch *batch)
{
    const struct rh_snapshot *s = batch->snapshot;

    if (s) {
        put_part(b, 'f', s->bytes, s->checksum, 0, NULL, 0);
        put_part(b, batch->replaces ? 'R' : 'S', s->index, s->term, 0, s->conf.ptr, s->conf.len);
    }
    for (uint32_t i = 0; i < batch->n_entries; i++) {
        const raftcore_entry *e = (const void *)((const char *)batch->entries + (size_t)i * batch->entry_stride);
        put_part(b, 'e', e->index, e->term, e->kind, e->data.ptr, e->data.len);
    }
    for (uint32_t i = 0; i < batch->n_confs; i++)
        put_part(b, 'c', batch->confs[i].index, 0, 0, batch->confs[i].bytes.ptr, batch->confs[i].bytes.len);
    if (batch->has_state)
        put_part(b, 'h', batch->term, batch->vote, batch->commit, NULL, 0);
}

void one_file_put_all(struct one_file *f, struct bytes *b)
{
    put_part(b, 'b', f->before, f->before_term, 0, NULL, 0);
    for (size_t i = 0; i < f->n_confs && !(FLAW(FORGETS_CONF) && f->rewrite); i++)
        put_part(b, 'c', f->confs[i].index, 0, 0, f->confs[i].bytes, f->confs[i].len);
    if (f->snapshot.index > 0) {
        put_part(b, 'f', f->snapshot.bytes, f->snapshot.checksum, 0, NULL, 0);
        put_part(b, 'S', f->snapshot.index, f->snapshot.term, 0, f->snapshot_conf.bytes, f->snapshot_conf.len);
    }
    for (uint64_t i = f->before + 1; i <= f->last; i++) {
        const struct entry *e = &f->entries[i - f->before - 1];
        put_part(b, 'e', i, e->term, e->kind, e->data, e->len);
    }
    put_part(b, 'h', f->term, f->vote, f->commit, NULL, 0);
}

void one_file_take(struct one_file *f, const uint8_t *p, size_t len)
{
    for (const uint8_t *end = p + len; end - p >= 33;) {
        uint64_t x = rh_get_u64(p + 1), y = rh_get_u64(p + 9), z = rh_get_u64(p + 17), more = rh_get_u64(p + 25);
        const uint8_t *data = p + 33;
        if (more > (uint64_t)(end - data))
            return;
        switch (*p) {
        case 'b': one_file_drop_before(f, x, y); break;
        case 'f': f->snapshot.bytes = x, f->snapshot.checksum = (uint32_t)y; break;
        case 'R': case 'S':
            set_snapshot(f, &(struct rh_snapshot){x, y, f->snapshot.bytes, f->snapshot.checksum, {data, more}},
                         *p == 'R');
            break;
        case 'e': set_entry(f, x, y, (uint32_t)z, data, more); break;
        case 'c': set_conf(f, x, data, more); break;
        case 'h': f->term = x, f->vote = y, f->commit = z; break;
        }
        p = data + more;
    }
}
