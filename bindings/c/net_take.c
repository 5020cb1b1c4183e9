/*
 * net_take.c: receives a snapshot file, one at a time.
 *
 * The file thread opens, writes and syncs, in the order of its jobs. So the loop never waits for the
 * disk, and a stream that was given up is closed before the next begins. `window` bounds the chunks
 * that wait for the file thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_parts.h"

enum {
    WINDOW = 4 * 1024 * 1024,
    ACK_EVERY = 1024 * 1024,
    CHUNK_UNIT = 4096,
    CHUNK_MAX = 1024 * 1024,
    SMALLEST_FILE = 72,                 /* head and end of docs/wire.md, section 9 */
};

struct rh_take {
    struct rh_tcp *net;
    struct rh_conn *conn;               /* NULL: given up; jobs may still be under way */
    uint64_t peer, stream;
    struct rh_snapshot what;
    uint32_t chunk_bytes;
    bool ready;                         /* ACCEPT was sent */
    uint64_t expected, written, acked;  /* next byte to come; stored; as of the last ACK */
    uint32_t window;
    unsigned jobs;                      /* under way */

    /* Of the file thread, while a job is under way. */
    const struct rh_dir *dir;
    struct rh_snapshot_receiver *receiver;
};

enum what { BEGIN, PUT, ARRIVED, STOP };

struct file_job {
    struct rh_job job;
    enum what what;
    struct rh_take *take;
    int code;
    bool whole;                         /* BEGIN: the file is here already */
    uint64_t offset;
    struct rh_words why;
    size_t len;
    uint8_t bytes[];
};

/* ---- on the file thread ---- */

static void begin(struct file_job *j)
{
    struct rh_take *t = j->take;
    struct rh_snapshot_reader *reader;

    if (rh_snapshot_open(t->dir, &t->what, &reader, &j->why) == RH_OK) {
        rh_snapshot_close(reader);
        j->whole = true;
        return;
    }
    j->code = rh_snapshot_receive(t->dir, &t->what, t->chunk_bytes, &t->receiver, &j->offset, &j->why);
}

static void run(struct rh_job *job)
{
    struct file_job *j = (struct file_job *)job;
    struct rh_take *t = j->take;

    switch (j->what) {
    case BEGIN:
        begin(j);
        break;
    case PUT:
        j->code = t->receiver ? rh_snapshot_put(t->receiver, j->offset, j->bytes, j->len, &j->why) : RH_E_STATE;
        break;
    case ARRIVED:
        j->code = t->receiver ? rh_snapshot_arrived(t->receiver, &j->why) : RH_E_STATE;
        t->receiver = NULL;
        break;
    case STOP:
        if (t->receiver)
            rh_snapshot_stop(t->receiver);
        t->receiver = NULL;
        break;
    }
}

/* ---- on the loop thread ---- */

static void done(struct rh_tcp *net, struct rh_job *job);

static struct file_job *job_for(struct rh_take *t, enum what what, const raftcore_slice *data)
{
    size_t len = data ? data->len : 0;
    struct file_job *j = calloc(1, sizeof *j + len);

    if (!j)
        return NULL;
    j->job.run = run;
    j->job.done = done;
    j->what = what;
    j->take = t;
    j->len = len;
    if (len > 0)
        memcpy(j->bytes, data->ptr, len);
    return j;
}

static bool post(struct rh_take *t, struct file_job *j)
{
    if (!j || !rh_work_file(t->net->work, &j->job)) {
        free(j);
        return false;
    }
    t->jobs++;
    return true;
}

/* Forgets the stream. The file thread closes the file, and the last job frees the struct. */
static void give_up(struct rh_take *t)
{
    t->net->take = NULL;
    t->conn = NULL;
    if (post(t, job_for(t, STOP, NULL)) || t->jobs > 0)
        return;
    run(&(struct file_job){.what = STOP, .take = t}.job);
    free(t);
}

static void say_abort(struct rh_conn *c, uint64_t stream, const struct rh_snapshot *what, uint16_t code,
                      const char *words)
{
    rh_conn_frame(c, (struct rh_wire_frame){
                         .type = RH_WIRE_ABORT,
                         .abort = {stream, what->index, what->term, code,
                                   {(const uint8_t *)words, strlen(words)}}});
}

static void abort_take(struct rh_take *t, uint16_t code, const char *words)
{
    rh_say(t->net, RH_LOG_WARNING, "the snapshot of index %llu from node %llu: %s", (ull)t->what.index, (ull)t->peer,
           words);
    if (t->conn)
        say_abort(t->conn, t->stream, &t->what, code, words);
    give_up(t);
}

static void ack(struct rh_take *t, uint8_t type)
{
    t->acked = t->written;
    rh_conn_frame(t->conn, (struct rh_wire_frame){.type = type, .accept = {t->stream, t->written, t->window}});
}

static void complete(struct rh_take *t)
{
    struct rh_tcp *net = t->net;
    struct rh_snapshot what = t->what;
    struct rh_conn *c = t->conn;
    uint64_t stream = t->stream, peer = t->peer;

    give_up(t);
    net->totals.snapshots_received++;
    net->events->stored(net->driver, peer, &what);
    if (!c->broken)
        rh_conn_frame(c, (struct rh_wire_frame){.type = RH_WIRE_COMPLETE,
                                                .complete = {stream, what.index, what.term}});
}

static void begun(struct rh_take *t, const struct file_job *j)
{
    if (j->whole) {
        complete(t);
        return;
    }
    t->ready = true;
    t->expected = t->written = j->offset;
    ack(t, RH_WIRE_ACCEPT);
    if (t->written == t->what.bytes && t->conn && !post(t, job_for(t, ARRIVED, NULL)))
        abort_take(t, RH_WIRE_A_BUSY, "no memory");
}

static void put(struct rh_take *t, const struct file_job *j)
{
    struct rh_peer *p = rh_peer_find(t->net, t->peer);

    t->written = j->offset + j->len;
    if (p)
        p->totals.snapshot_bytes_in += j->len;
    if (t->written == t->what.bytes || t->written - t->acked >= ACK_EVERY)
        ack(t, RH_WIRE_ACK);
    if (t->written == t->what.bytes && t->conn && !post(t, job_for(t, ARRIVED, NULL)))
        abort_take(t, RH_WIRE_A_BUSY, "no memory");
}

static uint16_t abort_code(int code)
{
    return code == RH_E_DAMAGED ? RH_WIRE_A_CHECKSUM_FILE : code == RH_E_SPACE ? RH_WIRE_A_NO_SPACE :
           code == RH_E_ARG ? RH_WIRE_A_LIMIT : RH_WIRE_A_BUSY;
}

static void done(struct rh_tcp *net, struct rh_job *job)
{
    struct file_job *j = (struct file_job *)job;
    struct rh_take *t = j->take;

    t->jobs--;
    if (net && t->conn) {
        if (j->code != RH_OK)
            abort_take(t, abort_code(j->code), j->why.text);
        else if (j->what == BEGIN)
            begun(t, j);
        else if (j->what == PUT)
            put(t, j);
        else if (j->what == ARRIVED)
            complete(t);
    } else if (t->jobs == 0) {
        if (t->receiver)
            rh_snapshot_stop(t->receiver);
        free(t);
    }
    free(j);
}

/* ---- frames ---- */

static const char *offer_fault(const struct rh_conn *c, const struct rh_wire_frame *f)
{
    uint32_t chunk = f->offer.chunk_bytes;

    if (chunk == 0 || chunk % CHUNK_UNIT != 0 || chunk > CHUNK_MAX || chunk > c->net->max_frame - 48)
        return "chunk_bytes is no multiple of 4096 within the limits";
    if (f->offer.size < SMALLEST_FILE || f->offer.size > INT64_MAX)
        return "no snapshot has this size";
    if (f->offer.index == 0 || f->offer.term == 0)
        return "no snapshot has this index and term";
    return NULL;
}

/* Decides between the stream under way and a new one. Returns a RH_WIRE_A_*, or 0: take the new one. */
static uint16_t compare_with_current(struct rh_conn *c, const struct rh_snapshot *what)
{
    struct rh_take *t = c->net->take;

    if (!t || t->conn == c || (t->peer == c->id && t->what.index <= what->index))
        return 0;
    return t->what.index > what->index ? RH_WIRE_A_SUPERSEDED : t->what.index == what->index ? RH_WIRE_A_BUSY : 0;
}

static void on_offer(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_tcp *net = c->net;
    struct rh_snapshot what = {.index = f->offer.index, .term = f->offer.term, .bytes = f->offer.size,
                               .checksum = f->offer.checksum};
    const char *fault = offer_fault(c, f);
    uint16_t code = fault ? RH_WIRE_A_LIMIT : compare_with_current(c, &what);

    if (f->offer.stream == 0 || f->offer.stream == c->last_stream) {
        rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "an OFFER under stream %llu", (ull)f->offer.stream);
        return;
    }
    c->last_stream = f->offer.stream;
    if (code == 0)
        code = net->events->offered(net->driver, c->id, &what);
    if (code != 0) {
        say_abort(c, f->offer.stream, &what, code, fault ? fault : "not now");
        return;
    }
    if (net->take && net->take->conn != c)
        say_abort(net->take->conn, net->take->stream, &net->take->what, RH_WIRE_A_SUPERSEDED, "a newer one came");
    if (net->take)
        give_up(net->take);
    struct rh_take *t = calloc(1, sizeof *t);
    if (t)
        *t = (struct rh_take){.net = net, .conn = c, .peer = c->id, .stream = f->offer.stream, .what = what,
                              .chunk_bytes = f->offer.chunk_bytes, .window = WINDOW, .dir = net->dir};
    rh_spare_room(net, 3);              /* for the file thread: the file, and a list of the directory */
    if (!t || !post(t, job_for(t, BEGIN, NULL))) {
        free(t);
        say_abort(c, f->offer.stream, &what, RH_WIRE_A_BUSY, "no memory");
        return;
    }
    net->take = t;
}

static void on_chunk(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_take *t = c->net->take;
    uint64_t at = f->chunk.offset, len = f->chunk.data.len;

    if (!t || t->conn != c || f->chunk.stream != t->stream)
        return;                         /* of a stream that has ended */
    uint64_t left = t->what.bytes - t->expected;
    if (!t->ready || at != t->expected || len != (left < t->chunk_bytes ? left : t->chunk_bytes) || len == 0 ||
        at + len > t->acked + t->window) {
        rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "a chunk of %llu bytes at offset %llu, expected at %llu of %llu", (ull)len,
                  (ull)at, (ull)t->expected, (ull)t->what.bytes);
        return;
    }
    if (!rh_wire_chunk_is_good(f)) {
        abort_take(t, RH_WIRE_A_CHECKSUM_CHUNK, "a chunk is not what its checksum says");
        return;
    }
    struct file_job *j = job_for(t, PUT, &f->chunk.data);
    if (j)
        j->offset = at;
    if (!post(t, j)) {
        abort_take(t, RH_WIRE_A_BUSY, "no memory");
        return;
    }
    t->expected += len;
}

void rh_take_frame(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_take *t = c->net->take;

    if (f->type == RH_WIRE_OFFER)
        on_offer(c, f);
    else if (f->type == RH_WIRE_CHUNK)
        on_chunk(c, f);
    else if (t && t->conn == c && f->abort.stream == t->stream)
        give_up(t);
}

void rh_take_lost(struct rh_conn *c)
{
    struct rh_take *t = c->net->take;

    if (t && t->conn == c)
        give_up(t);
}

void rh_take_close(struct rh_tcp *net)
{
    if (net->take)
        give_up(net->take);
}
