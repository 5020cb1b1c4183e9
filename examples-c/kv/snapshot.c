/* snapshot.c: sending a frozen view of the store in chunks, and storing an incoming snapshot. */
#include "snapshot.h"

#include "host.h"

enum {
    CHUNK = 128 * 1024,             /* a chunk ends with the record that crosses this size */
    FILL_TO = 1024 * 1024,          /* bytes in the connection's buffer: more would only delay heartbeats */
    MSG_WAIT_MS = 10 * 1000,        /* supplied, but no MsgSnap came: the core no longer needs the snapshot */
};

static void host_frame(struct host *h, struct peer *p, slice payload)
{
    buf_add_u32(&p->out, (uint32_t)payload.len);
    buf_add_u64(&p->out, h->group ^ HOST_GROUP);
    buf_add(&p->out, payload.ptr, payload.len);
}

static void supply_none(struct host *h, const raftcore_fetch *f, uint32_t why)
{
    raftcore_code code = raftcore_supply_none(h->node, f->id, why);

    if (code < 0)
        note("a fetch could not be refused: %s", host_detail(h));
}

void snapshot_supply(struct host *h, const raftcore_fetch *f)
{
    struct peer *p = peers_find(&h->peers, f->peer);

    if (!p) {
        supply_none(h, f, RAFTCORE_SUPPLY_LATER);
        return;
    }
    snapshot_end(h, p, false);      /* the snapshot in flight is no longer needed */

    struct store_view *v = &p->snapshot.view;
    store_view_open(&h->store, v);
    raftcore_conf conf = {.struct_size = sizeof conf, .bytes = v->conf};
    raftcore_code code = raftcore_supply_snapshot(h->node, f->id, v->state.applied, &conf, (raftcore_slice){0});
    if (code != RAFTCORE_OK) {
        store_view_close(v);
        if (code < 0) {
            note("no snapshot for node %llu: %s", (ull)f->peer, host_detail(h));
            supply_none(h, f, RAFTCORE_SUPPLY_LATER);
        }
        return;
    }
    p->snapshot.step = SNAPSHOT_SUPPLIED;
    p->snapshot.since = now_ms();
}

void snapshot_start(struct host *h, const raftcore_msg *m)
{
    struct peer *p = peers_find(&h->peers, m->to);
    raftcore_slice data;
    uint64_t index = 0, term = 0;
    size_t len = 0;

    if (!p || p->snapshot.step != SNAPSHOT_SUPPLIED) {
        if (raftcore_report_snapshot(h->node, m->to, RAFTCORE_SNAPSHOT_FAILED) < 0)
            note("a lost snapshot could not be reported: %s", host_detail(h));
        return;
    }
    struct snapshot_out *out = &p->snapshot;
    buf_clear(&out->msg);
    raftcore_code code = raftcore_flatten(m, buf_room(&out->msg, m->frame_bytes), m->frame_bytes, &len);
    if (code == RAFTCORE_OK) {
        out->msg.end += len;
        code = raftcore_snapshot_split(out->msg.ptr + FRAME_HEAD, len - FRAME_HEAD, &data, &index, &term);
    }
    if (code != RAFTCORE_OK || index != out->view.state.applied) {
        note("the snapshot to node %llu is of index %llu, the data are of %llu", (ull)m->to,
             (ull)index, (ull)out->view.state.applied);
        snapshot_end(h, p, false);
        return;
    }

    struct buf begin = {0};
    buf_add(&begin, "B", 1);
    buf_add_u64(&begin, index);
    buf_add_u64(&begin, term);
    buf_add(&begin, out->view.addresses.ptr, out->view.addresses.len);
    out->step = SNAPSHOT_STREAMING;
    out->term = term;
    out->since = now_ms();
    /* An empty message opens the connection if necessary. */
    if (!peers_send(&h->peers, p->id, NULL, 0, 0))
        snapshot_end(h, p, false);
    else
        host_frame(h, p, buf_slice(&begin));
    buf_free(&begin);
    if (out->step == SNAPSHOT_STREAMING) {
        note("sending node %llu a snapshot of index %llu, %llu keys", (ull)p->id, (ull)index,
             (ull)out->view.state.keys);
        snapshot_fill(h, p);
    }
}

static void add_chunk(struct host *h, struct peer *p)
{
    static struct buf chunk;
    struct store_view *v = &p->snapshot.view;

    buf_clear(&chunk);
    buf_add(&chunk, "D", 1);
    while (v->more && buf_len(&chunk) < CHUNK) {
        buf_add_u32(&chunk, (uint32_t)v->key.len);
        buf_add_u32(&chunk, (uint32_t)v->value.len);
        buf_add(&chunk, v->key.ptr, v->key.len);
        buf_add(&chunk, v->value.ptr, v->value.len);
        store_view_next(v);
    }
    host_frame(h, p, buf_slice(&chunk));
}

void snapshot_fill(struct host *h, struct peer *p)
{
    struct snapshot_out *out = &p->snapshot;

    if (out->step != SNAPSHOT_STREAMING)
        return;
    while (out->view.more && buf_len(&p->out) < FILL_TO)
        add_chunk(h, p);
    if (out->view.more)
        return;

    struct buf end = {0};
    buf_add(&end, "E", 1);
    buf_add_u64(&end, out->view.state.keys);
    buf_add_u64(&end, out->view.state.hash);
    host_frame(h, p, buf_slice(&end));
    buf_free(&end);
    buf_add(&p->out, out->msg.ptr + out->msg.start, buf_len(&out->msg));
    out->step = SNAPSHOT_SENT;
}

/* The kernel has the data, the peer perhaps not. If the data are lost, the core finds out by
 * probing the peer. */
void snapshot_drained(struct host *h, struct peer *p)
{
    if (p->snapshot.step == SNAPSHOT_SENT)
        snapshot_end(h, p, true);
}

void snapshot_end(struct host *h, struct peer *p, bool arrived)
{
    struct snapshot_out *out = &p->snapshot;
    enum snapshot_step step = out->step;

    if (step == SNAPSHOT_NONE)
        return;
    out->step = SNAPSHOT_NONE;
    store_view_close(&out->view);
    buf_free(&out->msg);
    if (step == SNAPSHOT_SUPPLIED)
        return;
    if (raftcore_report_snapshot(h->node, p->id, arrived ? RAFTCORE_SNAPSHOT_ARRIVED : RAFTCORE_SNAPSHOT_FAILED) < 0)
        note("the end of a snapshot could not be reported: %s", host_detail(h));
    note("the snapshot to node %llu %s after %lld ms", (ull)p->id, arrived ? "is sent" : "failed",
         (long long)(now_ms() - out->since));
    h->busy = true;
}

/* Data may take long: report to the core that the data are under way, or the core would fetch
 * another snapshot. */
void snapshot_tick(struct host *h)
{
    for (size_t i = 0; i < h->peers.count; i++) {
        struct peer *p = h->peers.peer[i];
        if (p->snapshot.step == SNAPSHOT_SUPPLIED && now_ms() - p->snapshot.since > MSG_WAIT_MS)
            snapshot_end(h, p, false);
        if (p->snapshot.step == SNAPSHOT_STREAMING || p->snapshot.step == SNAPSHOT_SENT)
            (void)raftcore_report_snapshot(h->node, p->id, RAFTCORE_SNAPSHOT_UNDER_WAY);   /* or the peer has left */
    }
}

uint64_t snapshot_oldest(struct host *h)
{
    uint64_t oldest = UINT64_MAX;

    for (size_t i = 0; i < h->peers.count; i++) {
        struct snapshot_out *out = &h->peers.peer[i]->snapshot;
        if (out->step != SNAPSHOT_NONE && out->view.state.applied < oldest)
            oldest = out->view.state.applied;
    }
    return oldest;
}

static bool on_begin(struct host *h, uint64_t from, slice body)
{
    if (body.len < 16)
        return false;
    store_stage_clear(&h->store);
    h->incoming.from = from;
    h->incoming.index = get_u64(body.ptr);
    h->incoming.term = get_u64(body.ptr + 8);
    h->incoming.complete = false;
    buf_clear(&h->incoming.addresses);
    buf_add(&h->incoming.addresses, body.ptr + 16, body.len - 16);
    note("node %llu sends a snapshot of index %llu", (ull)from, (ull)h->incoming.index);
    return true;
}

static bool on_data(struct host *h, slice body)
{
    const uint8_t *p = body.ptr, *end = p + body.len;

    while (p < end) {
        if (end - p < 8)
            return false;
        size_t key_len = get_u32(p), value_len = get_u32(p + 4);
        p += 8;
        if (key_len == 0 || key_len > KEY_MAX || value_len > VALUE_MAX || key_len + value_len > (size_t)(end - p))
            return false;
        store_stage_put(&h->store, slice_of(p, key_len), slice_of(p + key_len, value_len));
        p += key_len + value_len;
    }
    if (store_is_large(&h->store))
        store_commit(&h->store);
    return true;
}

bool snapshot_chunk(struct host *h, uint64_t from, slice payload)
{
    struct snapshot_in *in = &h->incoming;

    if (payload.len < 1)
        return false;
    slice body = slice_of(payload.ptr + 1, payload.len - 1);
    if (payload.ptr[0] == 'B')
        return on_begin(h, from, body);
    if (in->from != from || in->complete)
        return true;                /* the rest of a snapshot that another node's has replaced */
    switch (payload.ptr[0]) {
    case 'D':
        return on_data(h, body);
    case 'E':
        if (body.len != 16)
            return false;
        in->complete = get_u64(body.ptr) == h->store.stage_keys && get_u64(body.ptr + 8) == h->store.stage_hash;
        if (!in->complete)
            note("the snapshot from node %llu is not what its sender says it is: dropped", (ull)from);
        return in->complete;
    }
    return false;
}

bool snapshot_matches(struct host *h, uint64_t from, uint64_t index, uint64_t term)
{
    const struct snapshot_in *in = &h->incoming;

    return in->complete && in->from == from && in->index == index && in->term == term;
}

void snapshot_install(struct host *h, const raftcore_ready *rd)
{
    struct snapshot_in *in = &h->incoming;

    /* The host steps a MsgSnap only once its data are here (on_bytes in incoming.c). */
    if (!in->complete || in->index != rd->snapshot_index || in->term != rd->snapshot_term)
        die("the core installs a snapshot of index %llu whose data are not here", (ull)rd->snapshot_index);
    store_install(&h->store, rd->snapshot_index, rd->snapshot_term, rd->snapshot_conf, buf_slice(&in->addresses));
    peers_set_learned(&h->peers, buf_slice(&in->addresses));
    note("installed the snapshot of index %llu: %llu keys", (ull)rd->snapshot_index, (ull)h->store.state.keys);
    in->from = 0;
    in->complete = false;
}

void snapshot_forget(struct host *h)
{
    if (h->incoming.from == 0)
        return;
    h->incoming.from = 0;
    h->incoming.complete = false;
    store_stage_clear(&h->store);
}
