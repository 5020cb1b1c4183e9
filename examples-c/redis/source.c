/*
 * source.c: on the leader, the replication stream of the server becomes proposals.
 *
 * An entry is a head and bytes of the stream. The head has the term of the leadership, and the
 * position of the bytes. database.c accepts an entry only if term and position fit, so a proposal
 * that a later leader appends changes nothing.
 *
 *     byte 0   version, 1            byte 2   term, 8 bytes, little-endian
 *     byte 1   1: more parts follow  byte 10  position, 8 bytes, little-endian
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "sidecar.h"

enum { OUTSTANDING_MAX = 24 * 1024 * 1024, ACK_MS = 1000 };

static bool synced(struct link *l, const char *line)
{
    struct sidecar *s = l->s;

    if (strncmp(line, "+CONTINUE", 9) != 0 || s->stage != RISE)
        return false;
    snprintf(s->feed_id, sizeof s->feed_id, "%s", line[9] == ' ' ? line + 10 : "");
    s->captured = s->proposed = s->log_end;
    s->scan = (struct scan){.position = s->log_end, .boundary = s->log_end};
    s->stage = SERVE;
    s->promoting = false;
    s->outstanding = s->outstanding_bytes = 0;
    say(s, "leads in term %" PRIu64 " from position %" PRIu64, s->serving_term, s->log_end);
    clients_wake(s);
    return true;
}

static bool take_bytes(struct link *l)
{
    struct sidecar *s = l->s;
    size_t n = l->in.len;

    if (!scan_feed(&s->scan, buf_head(&l->in), n) || !buf_add(&s->stream, buf_head(&l->in), n))
        return false;
    s->captured += n;
    buf_take(&l->in, n);
    if (s->scan.asks_ack)
        s->ack_at = s->captured;
    s->scan.asks_ack = false;
    return true;
}

static void ended(struct link *l)
{
    struct sidecar *s = l->s;

    link_close(l);
    want_reload(s, "the replication stream of the server broke");
}

bool source_open(struct sidecar *s)
{
    char id[48];

    snprintf(id, sizeof id, "%040" PRIx64, s->o.group);
    s->source.synced = synced;
    s->source.bytes = take_bytes;
    s->source.ended = ended;
    return link_open(&s->source, s, id, s->log_end + 1);
}

void source_close(struct sidecar *s)
{
    link_close(&s->source);
    buf_free(&s->stream);
}

/* Returns the length of the next part: up to the last boundary, or PART. 0: wait. */
static size_t next_part(const struct sidecar *s, bool *more)
{
    uint64_t whole = s->scan.boundary - s->proposed;

    *more = whole == 0 || whole > PART;
    if (!*more)
        return (size_t)whole;
    return s->stream.len >= PART ? PART : 0;
}

/* Proposes received bytes. While a ROLE is under way, short bytes wait for the reply, to share an entry. */
void source_flush(struct sidecar *s, bool all)
{
    bool more;
    size_t n;

    if (s->stage != SERVE || (!all && s->role_under_way && s->stream.len < PART))
        return;
    while (s->outstanding_bytes < OUTSTANDING_MAX && (n = next_part(s, &more)) > 0) {
        uint8_t head[ENTRY_HEAD] = {1, more};
        for (int i = 0; i < 8; i++) {
            head[2 + i] = (uint8_t)(s->serving_term >> 8 * i);
            head[10 + i] = (uint8_t)(s->proposed >> 8 * i);
        }
        const raftcore_slice parts[2] = {{head, sizeof head}, {buf_head(&s->stream), n}};
        int code = rh_propose(s->host, parts, 2, NULL, ticket_of(TICKET_SOURCE, n));
        if (code == RH_E_BUSY)
            return;                     /* at a later turn */
        if (code != RH_OK) {
            want_reload(s, "a proposal is refused: %s", rh_strerror(code));
            return;
        }
        buf_take(&s->stream, n);
        s->proposed += n;
        s->outstanding++;
        s->outstanding_bytes += n;
        s->turn = true;
    }
}

void source_outcome(struct sidecar *s, const struct rh_outcome *o, uint64_t bytes)
{
    if (s->outstanding > 0) {
        s->outstanding--;
        s->outstanding_bytes -= bytes;
    }
    if (o->what != RH_DONE && s->stage == SERVE)
        want_reload(s, "an entry is %s: %s", rh_what_text(o->what), o->words);
}

/* Reports the committed position to the server, for WAIT and INFO. */
void source_ack(struct sidecar *s)
{
    char text[120], number[24];

    if (s->stage != SERVE || s->source.out.len > 0 ||
        !(s->now - s->acked_at > ACK_MS || (s->ack_at > 0 && s->log_end >= s->ack_at)))
        return;
    if (s->log_end >= s->ack_at)
        s->ack_at = 0;
    s->acked_at = s->now;
    int digits = snprintf(number, sizeof number, "%" PRIu64, s->log_end);
    int len = snprintf(text, sizeof text, "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$%d\r\n%s\r\n", digits, number);
    if (buf_add(&s->source.out, text, (size_t)len))
        watch_set(s, &s->source.watch, EPOLLIN | EPOLLOUT);
}
