/* net_tcp_bulk.c: snapshot files in chunks, resumable. docs/wire.md, section 5. */
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "net_tcp_parts.h"

static void aborted(struct rh_conn *c, uint16_t code, const char *words)
{
    struct rh_wire_frame f = {.group = c->net->self.group, .type = RH_WIRE_ABORT,
                              .abort = {.stream = c->stream, .index = c->what.index, .term = c->what.term, .code = code,
                                        .words = {(const uint8_t *)words, strlen(words)}}};

    rh_conn_frame(c, &f);
    if (c->receiver)
        rh_snapshot_stop(c->receiver);
    c->receiver = NULL;
}

/* ---- the sender ---- */

void rh_bulk_ready(struct rh_conn *c)
{
    struct rh_wire_frame f = {.group = c->net->self.group, .type = RH_WIRE_OFFER,
                              .offer = {.stream = 1, .index = c->what.index, .term = c->what.term, .size = c->what.bytes,
                                        .checksum = c->what.checksum, .chunk_bytes = RH_TCP_CHUNK}};

    c->stream = 1;
    rh_conn_frame(c, &f);
}

static void send_over(struct rh_conn *c, enum rh_net_sending how, uint16_t code, const char *words)
{
    struct rh_snapshot_reader *r = c->reader;

    c->reader = NULL;
    rh_snapshot_close(r);
    c->net->events->sending(c->net->driver, c->peer, how, code, words);
    rh_conn_end(c, NULL);
}

/* Adds chunks as far as the window allows, one at a time. */
void rh_bulk_fill(struct rh_conn *c)
{
    struct rh_words why = {""};
    struct rh_wire_frame f = {.group = c->net->self.group, .type = RH_WIRE_CHUNK};

    if (c->dead || c->out.end - c->out.begin > RH_TCP_CHUNK || c->offset >= c->what.bytes)
        return;
    uint64_t left = c->what.bytes - c->offset;
    size_t len = left < RH_TCP_CHUNK ? (size_t)left : RH_TCP_CHUNK;
    if (c->offset + len > c->allowed)
        return;
    uint8_t *buf = malloc(len);
    int code = buf ? rh_snapshot_raw(c->reader, c->offset, buf, len, &why) : RH_E_NOMEM;
    if (code == RH_OK) {
        f.chunk.stream = c->stream;
        f.chunk.offset = c->offset;
        f.chunk.checksum = rh_crc32c(0, buf, len);
        f.chunk.data = (raftcore_slice){buf, len};
        code = rh_conn_frame(c, &f);
        c->offset += len;
    }
    free(buf);
    if (code != RH_OK) {
        aborted(c, RH_WIRE_A_READ_FAILED, why.text);
        send_over(c, RH_NET_FAILED, RH_WIRE_A_READ_FAILED, why.text);
    }
}

static void took_answer(struct rh_conn *c, const struct rh_wire_frame *f)
{
    char words[RH_WIRE_WORDS_MAX + 1];

    if (!c->reader)
        return;
    if (f->type == RH_WIRE_COMPLETE) {
        send_over(c, RH_NET_STORED, 0, "");
        return;
    }
    if (f->type == RH_WIRE_ABORT) {
        snprintf(words, sizeof words, "%.*s", (int)f->abort.words.len, (const char *)f->abort.words.ptr);
        send_over(c, RH_NET_FAILED, f->abort.code, words);
        return;
    }
    if (f->type == RH_WIRE_ACCEPT)
        c->offset = f->accept.offset;
    c->allowed = f->accept.offset + f->accept.window;
    c->net->events->sending(c->net->driver, c->peer, RH_NET_UNDER_WAY, 0, "");
    rh_bulk_fill(c);
}

/* ---- the receiver ---- */

static void accept_or_ack(struct rh_conn *c, uint8_t type)
{
    struct rh_wire_frame f = {.group = c->net->self.group, .type = type,
                              .accept = {.stream = c->stream, .offset = c->offset, .window = RH_TCP_WINDOW}};

    c->acked = c->offset;
    rh_conn_frame(c, &f);
}

static void finish(struct rh_conn *c)
{
    struct rh_words why = {""};
    struct rh_snapshot_receiver *r = c->receiver;
    struct rh_wire_frame f = {.group = c->net->self.group, .type = RH_WIRE_COMPLETE,
                              .complete = {.stream = c->stream, .index = c->what.index, .term = c->what.term}};

    c->receiver = NULL;
    int code = rh_snapshot_arrived(r, &why);
    if (code != RH_OK) {
        aborted(c, code == RH_E_SPACE ? RH_WIRE_A_NO_SPACE : RH_WIRE_A_CHECKSUM_FILE, why.text);
        return;
    }
    c->net->events->stored(c->net->driver, c->peer, &c->what);
    rh_conn_frame(c, &f);
}

static void took_offer(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_words why = {""};

    c->stream = f->offer.stream;
    c->what = (struct rh_snapshot){.index = f->offer.index, .term = f->offer.term, .bytes = f->offer.size,
                                   .checksum = f->offer.checksum};
    c->chunk_bytes = f->offer.chunk_bytes;
    if (c->receiver || c->chunk_bytes == 0 || c->chunk_bytes > 1 << 20) {
        aborted(c, RH_WIRE_A_LIMIT, "one stream with chunks of up to 1 MiB");
        return;
    }
    for (struct rh_conn *o = c->net->conns; o; o = o->next)
        if (o->receiver && o != c) {
            if (o->what.index >= c->what.index) {
                aborted(c, o->what.index > c->what.index ? RH_WIRE_A_SUPERSEDED : RH_WIRE_A_BUSY, "another snapshot is coming");
                return;
            }
            aborted(o, RH_WIRE_A_SUPERSEDED, "a newer snapshot is coming");
        }
    uint16_t no = c->net->events->offered(c->net->driver, c->peer, &c->what);
    if (no) {
        aborted(c, no, "not needed, or not now");
        return;
    }
    int code = rh_snapshot_receive(c->net->dir, &c->what, c->chunk_bytes, &c->receiver, &c->offset, &why);
    if (code != RH_OK) {
        aborted(c, code == RH_E_SPACE ? RH_WIRE_A_NO_SPACE : RH_WIRE_A_LIMIT, why.text);
        return;
    }
    accept_or_ack(c, RH_WIRE_ACCEPT);
    if (c->offset == c->what.bytes)
        finish(c);
}

static void took_chunk(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_words why = {""};

    if (!c->receiver || f->chunk.stream != c->stream)
        return;                         /* of a stream that was aborted */
    uint64_t left = c->what.bytes - c->offset, due = left < c->chunk_bytes ? left : c->chunk_bytes;
    if (f->chunk.offset != c->offset || f->chunk.data.len != due) {
        rh_conn_reject(c, RH_WIRE_R_PROTOCOL, "an unexpected chunk");
        return;
    }
    if (!rh_wire_chunk_is_good(f)) {
        aborted(c, RH_WIRE_A_CHECKSUM_CHUNK, "a chunk is damaged");
        return;
    }
    int code = rh_snapshot_put(c->receiver, c->offset, f->chunk.data.ptr, f->chunk.data.len, &why);
    if (code != RH_OK) {
        aborted(c, code == RH_E_SPACE ? RH_WIRE_A_NO_SPACE : RH_WIRE_A_CHECKSUM_FILE, why.text);
        return;
    }
    c->offset += due;
    if (c->offset == c->what.bytes)
        finish(c);
    else if (c->offset - c->acked >= RH_TCP_WINDOW / 4)
        accept_or_ack(c, RH_WIRE_ACK);
}

/* ---- both ---- */

void rh_bulk_frame(struct rh_conn *c, const struct rh_wire_frame *f)
{
    if (c->dialled)
        took_answer(c, f);
    else if (f->type == RH_WIRE_OFFER)
        took_offer(c, f);
    else if (f->type == RH_WIRE_CHUNK)
        took_chunk(c, f);
    else if (f->type == RH_WIRE_ABORT && c->receiver) {
        rh_snapshot_stop(c->receiver);
        c->receiver = NULL;
    }
}

void rh_bulk_end(struct rh_conn *c, const char *words)
{
    if (c->receiver)
        rh_snapshot_stop(c->receiver);
    c->receiver = NULL;
    if (!c->reader)
        return;
    rh_snapshot_close(c->reader);
    c->reader = NULL;
    if (words)
        c->net->events->sending(c->net->driver, c->peer, RH_NET_FAILED, 0, words);
}
