/*
 * incoming.c: frames from other nodes. Whatever bytes come, at worst the server closes this
 * connection.
 */
#include "incoming.h"

#include <unistd.h>

#include "forward.h"
#include "host.h"

enum { HELLO_MAX = 1024, HELLO_MS = 3000, QUIET_MS = 5000 };

static void drop(struct incoming *in, const char *why)
{
    if (in->watch.fd < 0)
        return;
    if (why)
        note("connection from node %llu: %s", (ull)in->id, why);
    loop_close(&in->watch);
    *in->link = in->next;
    if (in->next)
        in->next->link = in->link;
    in->host->peers.n_incoming--;
    buf_free(&in->in);
    buf_free(&in->out);
    loop_free(in);
}

/*
 * A node whose connection breaks has probably died. If the node was the leader, forget the leader:
 * nodes then grant votes at once, not only after an election timeout. If the leader lives after
 * all, its next heartbeat restores the leader.
 */
static void lost(struct incoming *in)
{
    struct host *h = in->host;

    if (in->id != 0 && in->id == h->leader) {
        host_must(h, raftcore_forget_leader(h->node), "forget the leader");
        h->busy = true;
    }
    drop(in, in->id ? "closed" : NULL);
}

static bool on_hello(struct incoming *in, slice frame)
{
    raftcore_hello_info hello = {.struct_size = sizeof hello}, own = {.struct_size = sizeof own};
    struct host *h = in->host;
    size_t len = 0;

    if (raftcore_hello_read(frame.ptr, frame.len, &hello) != RAFTCORE_OK)
        return false;
    raftcore_code code = raftcore_hello(h->node, buf_room(&in->out, HELLO_MAX), HELLO_MAX, &len);
    if (code != RAFTCORE_OK || raftcore_hello_read(in->out.ptr + in->out.end, len, &own) != RAFTCORE_OK)
        host_fail(h, "hello", code);
    if (hello.group != own.group || hello.version != own.version || hello.id == own.id || hello.id == 0) {
        note("node %llu of group %llu, version %u, wants to be a peer of node %llu of group %llu, version %u: refused", (ull)hello.id,
             (ull)hello.group, hello.version, (ull)own.id, (ull)own.group, own.version);
        return false;
    }
    /* A peer that dials again has lost its old connection, whether or not this server has noticed. */
    for (struct incoming *other = h->peers.incoming, *next; other; other = next) {
        next = other->next;
        if (other != in && other->id == hello.id)
            drop(other, NULL);
    }
    in->id = hello.id;
    peers_is_back(&h->peers, in->id);
    in->out.end += len;
    return net_write(&in->watch, &in->out);
}

/* Logs why the core refuses messages of this peer, but rarely: a stubborn peer must not fill the
 * disk with lines. */
static void say_refused(struct incoming *in, raftcore_code why)
{
    int64_t now = now_ms();

    if (now < in->quiet_until || why == RAFTCORE_E_FULL || why == RAFTCORE_E_NO_LEADER)
        return;                     /* the last two are everyday: the sender tries again */
    in->quiet_until = now + QUIET_MS;
    note("a message from node %llu is refused: %s (%s)", (ull)in->id, raftcore_strerror(why), host_detail(in->host));
}

/* Steps complete frames of the core's group in one call. A snapshot waits until its data have
 * arrived. */
static bool step(struct incoming *in, slice frames)
{
    size_t consumed = 0;
    uint32_t rejected = 0;
    raftcore_code first = RAFTCORE_OK;
    raftcore_code code = raftcore_step_frames(in->host->node, in->id, frames.ptr, frames.len, &consumed, &rejected, &first);

    in->host->busy = true;
    if (code == RAFTCORE_E_PANIC || code == RAFTCORE_E_POISONED)
        host_fail(in->host, "a message", code);
    if (code >= 0 && rejected > 0)
        say_refused(in, first);
    return code >= 0 && consumed == frames.len;
}

static bool step_snapshot(struct incoming *in, slice frame, uint64_t index, uint64_t term)
{
    if (!snapshot_matches(in->host, in->id, index, term)) {
        note("a snapshot of index %llu from node %llu came without its data: dropped", (ull)index, (ull)in->id);
        return true;
    }
    /* Install the snapshot now if the core accepts: the next chunk may belong to another snapshot. */
    bool good = step(in, frame);
    host_pump(in->host);
    snapshot_forget(in->host);
    return good;
}

static bool on_host_frame(struct incoming *in, slice payload)
{
    if (payload.len == 0)
        return false;
    if (payload.ptr[0] == 'A' || payload.ptr[0] == 'R')
        return forward_frame(in->host, in->id, payload);
    return snapshot_chunk(in->host, in->id, payload);
}

/* Returns false if the bytes are no stream of frames, or not for this node. */
static bool on_bytes(struct incoming *in)
{
    struct host *h = in->host;
    slice run = {0}, data;          /* ordinary frames in a row */
    raftcore_frame frame = {.struct_size = sizeof frame};
    uint64_t index, term;

    for (;;) {
        const uint8_t *at = in->in.ptr + in->in.start + run.len;
        raftcore_code code = raftcore_frame_next(at, buf_len(&in->in) - run.len, in->id ? FRAME_MAX : HELLO_MAX, &frame);
        if (code < 0)
            return false;
        if (code != RAFTCORE_OK)
            break;
        size_t total = (size_t)frame.bytes;
        if (in->id && frame.group == h->group &&
            raftcore_snapshot_split(frame.msg.ptr, frame.msg.len, &data, &index, &term) != RAFTCORE_OK) {
            run = slice_of(in->in.ptr + in->in.start, run.len + total);
            continue;
        }
        /* The host handles this frame; step the frames before first. */
        if (run.len > 0 && !step(in, run))
            return false;
        bool good;
        if (!in->id)
            good = on_hello(in, slice_of(at, total));
        else if (frame.group == h->group)
            good = step_snapshot(in, slice_of(at, total), index, term);
        else if (frame.group == (h->group ^ HOST_GROUP))
            good = on_host_frame(in, frame.msg);
        else
            return false;
        if (!good)
            return false;
        buf_consume(&in->in, run.len + total);
        run.len = 0;
    }
    if (run.len > 0) {
        if (!step(in, run))
            return false;
        buf_consume(&in->in, run.len);
    }
    return true;
}

static void on_event(struct watch *w, uint32_t events)
{
    struct incoming *in = container_of(w, struct incoming, watch);

    (void)events;
    if (!net_read(w, &in->in, FRAME_MAX + FRAME_HEAD))
        lost(in);
    else if (!on_bytes(in))
        drop(in, "sent what is no frame of this group: closed");
}

void incoming_open(struct peers *ps, int fd)
{
    if (ps->n_incoming == INCOMING_MAX) {
        note("more than %d connections on the peer port: one more refused", INCOMING_MAX);
        close(fd);
        return;
    }
    struct incoming *in = xcalloc(1, sizeof *in);
    in->host = ps->host;
    in->since = now_ms();
    in->watch = (struct watch){.fd = fd, .fn = on_event};
    in->next = ps->incoming;
    in->link = &ps->incoming;
    if (in->next)
        in->next->link = &in->next;
    ps->incoming = in;
    ps->n_incoming++;
    loop_add(&in->watch, EPOLLIN);
}

void incoming_tick(struct peers *ps)
{
    for (struct incoming *in = ps->incoming, *next; in; in = next) {
        next = in->next;
        if (in->id == 0 && now_ms() - in->since > HELLO_MS)
            drop(in, NULL);
    }
}
