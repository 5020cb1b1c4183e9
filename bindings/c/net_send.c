/*
 * net_send.c: sends a snapshot file to a peer, on a BULK connection.
 *
 * A broken connection is dialled again, and the receiver says where to go on. Only if several
 * attempts in a row bring nothing forward, the driver hears of a failure.
 *
 * The file thread reads: the loop never waits for the disk. A stream has one read under way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crc32c.h"
#include "net_parts.h"

enum {
    CHUNK_BYTES = 256 * 1024,
    CHUNK_MIN = 4096,
    QUEUED_MAX = 1024 * 1024,           /* chunks are read while fewer bytes wait on the connection */
    FAILURES_MAX = 8,                   /* attempts without progress */
};

#define AGAIN (50 * RH_MS)              /* for want of memory or of a thread: the timer asks for the chunk again */

/* A read of the next chunk. The file thread has the reader until the job is done. */
struct rh_chunk_read {
    struct rh_job job;
    struct rh_snapshot_reader *reader;
    bool given_up;                      /* the stream has ended: the job closes the reader */
    uint64_t peer, stream, offset;
    uint32_t checksum;
    int code;
    struct rh_words why;
    size_t len;
    uint8_t bytes[];
};

void rh_sending_free(struct rh_sending *s)
{
    uint64_t stream = s->stream;

    if (s->read)
        s->read->given_up = true;
    else
        rh_snapshot_close(s->reader);
    *s = (struct rh_sending){.stream = stream};
}

static void say_abort(struct rh_conn *c, const struct rh_sending *s, uint16_t code, const char *words)
{
    rh_conn_frame(c, (struct rh_wire_frame){
                         .type = RH_WIRE_ABORT,
                         .abort = {s->stream, s->what.index, s->what.term, code,
                                   {(const uint8_t *)words, strlen(words)}}});
}

/* Lets go of the connection, which closes once its bytes have left. */
static void hang_up(struct rh_peer *p)
{
    struct rh_conn *c = p->bulk.conn;

    p->bulk.conn = NULL;
    p->bulk.wait = p->bulk.retry_at = 0;
    if (c)
        rh_conn_finish(c);
}

int rh_sending_begin(struct rh_tcp *net, struct rh_peer *p, const struct rh_snapshot *what)
{
    struct rh_snapshot_reader *reader;
    struct rh_words why = {""};

    if (rh_dial_is_held(net, &p->bulk))
        return RH_E_BUSY;
    rh_spare_room(net, 1);
    int code = rh_snapshot_open(net->dir, what, &reader, &why);
    if (code != RH_OK) {
        rh_say(net, RH_LOG_WARNING, "the snapshot of index %llu for node %llu: %s", (ull)what->index, (ull)p->id,
               why.text);
        return code == RH_NONE ? RH_E_RANGE : code;
    }
    rh_sending_withdraw(net, p);
    p->sending = (struct rh_sending){.active = true, .what = *what, .reader = reader, .stream = p->sending.stream};
    p->sending.what.conf = (raftcore_slice){0};
    rh_net_wake(net, 0);
    return RH_OK;
}

void rh_sending_withdraw(struct rh_tcp *net, struct rh_peer *p)
{
    struct rh_sending *s = &p->sending;

    (void)net;
    if (!s->active)
        return;
    if (s->offered && p->bulk.conn)
        say_abort(p->bulk.conn, s, RH_WIRE_A_SUPERSEDED, "the sender has a newer snapshot, or needs to send none");
    rh_sending_free(s);
    hang_up(p);
}

void rh_sending_fail(struct rh_tcp *net, struct rh_peer *p, uint16_t code, const char *words)
{
    rh_sending_free(&p->sending);
    hang_up(p);
    net->events->sending(net->driver, p->id, RH_NET_FAILED, code, words);
}

void rh_sending_lost(struct rh_tcp *net, struct rh_peer *p, const char *words)
{
    struct rh_sending *s = &p->sending;

    if (!s->active)
        return;
    s->offered = s->accepted = false;
    if (rh_dial_is_held(net, &p->bulk) || ++s->failures >= FAILURES_MAX)
        rh_sending_fail(net, p, 0, words);
}

static void offer(struct rh_conn *c, struct rh_sending *s)
{
    uint32_t most = (c->their_max - 48) / CHUNK_MIN * CHUNK_MIN;

    s->chunk_bytes = most < CHUNK_BYTES ? most : CHUNK_BYTES;
    s->stream++;
    s->offered = true;
    s->accepted = false;
    rh_conn_frame(c, (struct rh_wire_frame){.type = RH_WIRE_OFFER,
                                            .offer = {s->stream, s->what.index, s->what.term, s->what.bytes,
                                                      s->what.checksum, s->chunk_bytes}});
}

void rh_sending_open(struct rh_conn *c)
{
    struct rh_peer *p = rh_peer_find(c->net, c->id);

    if (p && p->bulk.conn == c && p->sending.active)
        offer(c, &p->sending);
}

/* ---- chunks ---- */

static void read_chunk(struct rh_job *job)
{
    struct rh_chunk_read *r = (struct rh_chunk_read *)job;

    r->code = rh_snapshot_raw(r->reader, r->offset, r->bytes, r->len, &r->why);
    r->checksum = rh_crc32c(0, r->bytes, r->len);
}

static bool add_chunk(struct rh_conn *c, const struct rh_chunk_read *r)
{
    const struct rh_wire_frame f = {.group = c->net->self.group,
                                    .type = RH_WIRE_CHUNK,
                                    .chunk = {.stream = r->stream, .offset = r->offset, .checksum = r->checksum,
                                              .data = {r->bytes, r->len}}};

    if (!rh_buf_reserve(&c->out, RH_WIRE_CHUNK_HEAD + r->len))
        return false;
    rh_wire_write_head(&f, c->out.at + c->out.end, RH_WIRE_CHUNK_HEAD);
    c->out.end += RH_WIRE_CHUNK_HEAD;
    return rh_buf_add(&c->out, r->bytes, r->len);
}

/* Queues the chunk, unless the stream was broken or began anew while the file thread read. */
static void queue_chunk(struct rh_tcp *net, struct rh_peer *p, const struct rh_chunk_read *r)
{
    struct rh_sending *s = &p->sending;
    struct rh_conn *c = p->bulk.conn;

    if (!s->accepted || !c || c->state != RH_CONN_OPEN || c->broken || r->stream != s->stream || r->offset != s->next)
        return;
    if (r->code != RH_OK) {
        say_abort(c, s, RH_WIRE_A_READ_FAILED, r->why.text);
        rh_sending_fail(net, p, RH_WIRE_A_READ_FAILED, r->why.text);
        return;
    }
    if (!add_chunk(c, r)) {
        rh_net_wake(net, net->now + AGAIN);
        return;
    }
    s->next += r->len;
    p->totals.snapshot_bytes_out += r->len;
    c->sent = net->now;
    rh_conn_flush(c);
    rh_sending_pump(net, p);
}

static void chunk_is_read(struct rh_tcp *net, struct rh_job *job)
{
    struct rh_chunk_read *r = (struct rh_chunk_read *)job;
    struct rh_peer *p = net ? rh_peer_find(net, r->peer) : NULL;

    if (r->given_up) {
        rh_snapshot_close(r->reader);
    } else if (p) {
        p->sending.read = NULL;
        queue_chunk(net, p, r);
    }
    free(r);
}

/* Asks the file thread for the next chunk, if the peer's window and the connection's queue have room. */
void rh_sending_pump(struct rh_tcp *net, struct rh_peer *p)
{
    struct rh_sending *s = &p->sending;
    struct rh_conn *c = p->bulk.conn;
    uint64_t left = s->what.bytes - s->next;
    size_t len = left < s->chunk_bytes ? (size_t)left : s->chunk_bytes;

    if (!s->active || !s->accepted || s->read || !c || c->state != RH_CONN_OPEN || c->broken || left == 0 ||
        rh_buf_len(&c->out) >= QUEUED_MAX || s->next + len > s->acked + s->window)
        return;
    struct rh_chunk_read *r = malloc(sizeof *r + len);
    if (!r) {
        rh_net_wake(net, net->now + AGAIN);
        return;
    }
    *r = (struct rh_chunk_read){.job = {.run = read_chunk, .done = chunk_is_read}, .reader = s->reader,
                                .peer = p->id, .stream = s->stream, .offset = s->next, .len = len};
    if (rh_work_file(net->work, &r->job)) {
        s->read = r;
        return;
    }
    free(r);                            /* no thread */
    rh_net_wake(net, net->now + AGAIN);
}

/* ---- answers ---- */

static void on_accept(struct rh_conn *c, struct rh_peer *p, const struct rh_wire_frame *f)
{
    struct rh_sending *s = &p->sending;
    uint64_t at = f->accept.offset;
    bool first = f->type == RH_WIRE_ACCEPT;

    if (first == s->accepted || at > s->what.bytes || (at % s->chunk_bytes != 0 && at != s->what.bytes) ||
        (!first && (at < s->acked || at > s->next))) {
        rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "%s with offset %llu after %llu of %llu bytes", rh_wire_name(f->type),
                  (ull)at, (ull)s->acked, (ull)s->what.bytes);
        return;
    }
    if (first)
        s->next = at;
    s->accepted = true;
    s->acked = at;
    s->window = f->accept.window < RH_NET_WINDOW_MAX ? f->accept.window : RH_NET_WINDOW_MAX;
    if (at > s->reached) {
        s->reached = at;
        s->failures = 0;
    }
    c->net->events->sending(c->net->driver, p->id, RH_NET_UNDER_WAY, 0, NULL);
    rh_sending_pump(c->net, p);
}

static void on_complete(struct rh_conn *c, struct rh_peer *p, const struct rh_wire_frame *f)
{
    if (f->complete.index != p->sending.what.index || f->complete.term != p->sending.what.term) {
        rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "COMPLETE for another snapshot");
        return;
    }
    rh_sending_free(&p->sending);
    hang_up(p);
    c->net->totals.snapshots_sent++;
    c->net->events->sending(c->net->driver, p->id, RH_NET_STORED, 0, NULL);
}

static void on_abort(struct rh_conn *c, struct rh_peer *p, const struct rh_wire_frame *f)
{
    char words[RH_WIRE_WORDS_MAX + 1];

    if (f->abort.code == RH_WIRE_A_CHECKSUM_CHUNK && ++p->sending.failures < FAILURES_MAX) {
        offer(c, &p->sending);          /* the receiver goes on behind the last good chunk */
        return;
    }
    snprintf(words, sizeof words, "%.*s", (int)f->abort.words.len, (const char *)f->abort.words.ptr);
    rh_sending_fail(c->net, p, f->abort.code, words);
}

void rh_sending_frame(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_peer *p = rh_peer_find(c->net, c->id);
    /* The first field of each answer is the stream. */
    uint64_t stream = f->type == RH_WIRE_ABORT ? f->abort.stream :
                      f->type == RH_WIRE_COMPLETE ? f->complete.stream : f->accept.stream;

    if (!p || p->bulk.conn != c || !p->sending.active || !p->sending.offered || stream != p->sending.stream)
        return;                         /* about a stream that has ended */
    switch (f->type) {
    case RH_WIRE_ACCEPT: case RH_WIRE_ACK: on_accept(c, p, f); break;
    case RH_WIRE_COMPLETE: on_complete(c, p, f); break;
    case RH_WIRE_ABORT: on_abort(c, p, f); break;
    default: break;
    }
}
