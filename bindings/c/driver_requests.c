/*
 * driver_requests.c: requests of this process and of peers, and their outcomes.
 *
 * A request is in a slot by its number until its outcome, and meanwhile QUEUED in a list, PROPOSED
 * to the own core, or SENT to the leader. A request in a list that is OVER has had its outcome, and
 * is freed when it leaves the list.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "driver_parts.h"

enum { PLAIN = 0, NAMED = 1, NAMED_HEAD = 1 + RH_SESSION_BYTES + 8 };

void rh_queue_add(struct rh_queue *q, struct rh_pending *p)
{
    p->next = NULL;
    p->state = RH_P_QUEUED;
    if (q->tail)
        q->tail->next = p;
    else
        q->head = p;
    q->tail = p;
}

struct rh_pending *rh_queue_pop(struct rh_queue *q)
{
    struct rh_pending *p = q->head;

    if (!p)
        return NULL;
    q->head = p->next;
    if (!q->head)
        q->tail = NULL;
    p->next = NULL;
    return p;
}

/* Frees finished requests at the head. Returns the first request under way. */
struct rh_pending *rh_queue_first(struct rh_queue *q)
{
    while (q->head && q->head->state == RH_P_OVER)
        free(rh_queue_pop(q));
    return q->head;
}

struct rh_pending *rh_pending_new(enum rh_request_kind kind, size_t len, uint64_t ticket)
{
    struct rh_pending *p = calloc(1, sizeof *p + len);

    if (!p)
        return NULL;
    p->kind = (uint8_t)kind;
    p->len = len;
    p->ticket = ticket;
    return p;
}

struct rh_pending *rh_pending_entry(const raftcore_slice *parts, size_t count, const struct rh_retry *retry,
                                    uint64_t ticket)
{
    size_t len = retry ? NAMED_HEAD : 1;

    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    struct rh_pending *p = rh_pending_new(RH_P_ENTRY, len, ticket);
    if (!p)
        return NULL;
    uint8_t *to = p->data;
    *to++ = retry ? NAMED : PLAIN;
    if (retry) {
        memcpy(to, retry->session, RH_SESSION_BYTES);
        rh_put_u64(to + RH_SESSION_BYTES, retry->number);
        to += RH_SESSION_BYTES + 8;
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(to, parts[i].ptr, parts[i].len);
        to += parts[i].len;
    }
    return p;
}

uint64_t rh_driver_bytes(const struct rh_driver *d)
{
    return d->request_bytes;
}

bool rh_envelope_open(raftcore_slice data, struct rh_entry *e)
{
    size_t head = data.len > 0 && data.ptr[0] == NAMED ? NAMED_HEAD : 1;

    if (data.len < head || data.ptr[0] > NAMED)
        return false;
    if (data.ptr[0] == NAMED) {
        if (rh_is_zero(data.ptr + 1, RH_SESSION_BYTES))
            return false;
        e->session = data.ptr + 1;
        e->number = rh_get_u64(data.ptr + 1 + RH_SESSION_BYTES);
    }
    e->data = (raftcore_slice){data.ptr + head, data.len - head};
    return true;
}

static bool is_named(const struct rh_pending *p)
{
    return p->kind == RH_P_ENTRY && p->data[0] == NAMED;
}

static struct rh_pending **slot_of(const struct rh_driver *d, uint64_t seq)
{
    return &d->slots[seq % RH_REQUESTS];
}

struct rh_pending *rh_take(struct rh_driver *d, uint64_t seq)
{
    struct rh_pending *p = seq ? *slot_of(d, seq) : NULL;

    return p && p->seq == seq ? p : NULL;
}

/* ---- outcomes ---- */

/* Takes a request out of its slot. The list frees a request that is still listed. */
static void forget(struct rh_driver *d, struct rh_pending *p)
{
    *slot_of(d, p->seq) = NULL;
    d->n_requests--;
    d->request_bytes -= p->len;
    if (d->transfer == p)
        d->transfer = NULL;
    if (p->state == RH_P_QUEUED)
        p->state = RH_P_OVER;
    else
        free(p);
}

void rh_answer_peer(struct rh_driver *d, const struct rh_pending *p, struct rh_wire_frame *f)
{
    f->group = d->o.group;
    f->type = RH_WIRE_OUTCOME;
    f->outcome.request = p->request;
    if (d->connected)
        d->net.ops->answer(d->net.self, p->from, f);
}

raftcore_slice rh_text_slice(const char *text)
{
    size_t len = strlen(text);

    return (raftcore_slice){(const uint8_t *)text, len < RH_WIRE_WORDS_MAX ? len : RH_WIRE_WORDS_MAX};
}

void rh_outcome(struct rh_driver *d, struct rh_pending *p, enum rh_what what, const raftcore_entry *e,
                raftcore_slice result, const char *words)
{
    static const uint8_t wire[] = {0, RH_WIRE_DONE, RH_WIRE_NOT_COMMITTED, RH_WIRE_UNKNOWN, 0};
    if (what == RH_NOT_COMMITTED && p->maybe)
        what = RH_UNKNOWN;
    struct rh_outcome o = {.what = what, .result = result, .words = words};

    if (p->voter && rh_next_step(d, p, what, words)) {
        forget(d, p);
        return;
    }
    d->n_outcomes[what]++;
    if (what == RH_DONE && p->kind == RH_P_ENTRY)
        rh_histogram_add(&d->commit_times, d->now - p->started);
    if (e) {
        o.index = e->index;
        o.term = e->term;
    }
    if (p->remote) {
        struct rh_wire_frame f = {.outcome = {.outcome = wire[what], .index = o.index, .term = o.term, .result = result,
                                              .words = rh_text_slice(words)}};
        rh_answer_peer(d, p, &f);
    } else if (p->ticket) {
        uint64_t ticket = p->ticket;
        p->ticket = 0;                  /* once, whatever the database does inside of the call */
        d->db.outcome(d->db.self, ticket, &o);
    }
    forget(d, p);
}

/* Ends a request that was refused. */
void rh_refuse(struct rh_driver *d, struct rh_pending *p, uint16_t code, const char *words)
{
    d->n_refused++;
    if (p->kind == RH_P_CHANGE)
        rh_driver_say(d, RH_LOG_INFO, "a membership change is refused: %s", words);
    if (!p->remote) {
        rh_outcome(d, p, RH_NOT_COMMITTED, NULL, (raftcore_slice){0}, words);
        return;
    }
    struct rh_wire_frame f = {.outcome = {.outcome = RH_WIRE_REFUSED, .code = code, .words = rh_text_slice(words)}};
    if (code == RH_WIRE_R_BUSY || code == RH_WIRE_R_NO_SPACE)
        f.outcome.retry_ms = 100;
    rh_answer_peer(d, p, &f);
    forget(d, p);
}

void rh_refuse_not_leader(struct rh_driver *d, struct rh_pending *p)
{
    struct rh_wire_frame f = {.outcome = {.outcome = RH_WIRE_NOT_LEADER, .leader = d->leader}};
    const struct rh_record *r = rh_record_find(d, d->leader);

    if (r)
        f.outcome.address = rh_text_slice(r->peer);
    rh_answer_peer(d, p, &f);
    forget(d, p);
}

/* ---- into the queues ---- */

/* Status is no request to anybody, so it waits for nothing. */
static void tell_status(struct rh_driver *d, struct rh_pending *p)
{
    size_t len = rh_driver_status_text(d, NULL, 0);
    char *text = malloc(len + 1);

    p->state = RH_P_PROPOSED;
    if (text)
        rh_driver_status_text(d, text, len + 1);
    rh_outcome(d, p, text ? RH_DONE : RH_NOT_COMMITTED, NULL, (raftcore_slice){(const uint8_t *)text, text ? len : 0},
               text ? "" : "no memory");
    free(text);
}

void rh_driver_submit(struct rh_driver *d, struct rh_pending *p)
{
    if (p->kind == RH_P_ADDRESS)
        p = rh_address_change(d, p);
    struct rh_pending **slot = slot_of(d, ++d->seq);

    p->seq = d->seq;
    p->started = d->now;
    if (p->deadline == 0)
        p->deadline = d->now + (uint64_t)d->o.request_ms * 1000;
    d->again = true;
    if (*slot) {                        /* an older request is still there: so many are under way */
        slot = slot_of(d, ++d->seq);
        p->seq = d->seq;
    }
    d->n_requests++;
    d->request_bytes += p->len;
    if (*slot) {
        struct rh_pending *other = *slot;
        *slot = p;
        rh_refuse(d, p, RH_WIRE_R_BUSY, "too many requests are under way");
        *slot = other;
        return;
    }
    *slot = p;
    if (p->kind == RH_P_STATUS)
        tell_status(d, p);
    else if (d->failed)
        rh_outcome(d, p, RH_NOT_COMMITTED, NULL, (raftcore_slice){0}, d->words.text);
    else
        rh_queue_add(p->kind == RH_P_READ || p->kind == RH_P_BACKUP ? &d->reads : &d->writes, p);
}

/* ---- what becomes of them ---- */

static struct rh_queue take_ask(struct rh_driver *d, uint64_t token)
{
    struct rh_queue list = {0};

    if (d->asks[token % RH_ASKS].token == token) {
        list = d->asks[token % RH_ASKS].list;
        d->asks[token % RH_ASKS].token = 0;
        d->asks[token % RH_ASKS].list = (struct rh_queue){0};
    }
    return list;
}

void rh_readable(struct rh_driver *d, uint64_t token)
{
    struct rh_queue list = take_ask(d, token);
    struct rh_pending *p;

    while ((p = rh_queue_first(&list))) {
        rh_queue_pop(&list);
        p->state = RH_P_PROPOSED;
        if (p->kind == RH_P_BACKUP)
            rh_begin_backup(d, p);
        else
            rh_outcome(d, p, RH_READABLE, NULL, (raftcore_slice){0}, "");
    }
}

void rh_dropped(struct rh_driver *d, const raftcore_drop *drop)
{
    struct rh_pending *p;

    if (drop->what == RAFTCORE_DROP_READ) {     /* no effect: ask again until the deadline */
        struct rh_queue list = take_ask(d, drop->token);
        while ((p = rh_queue_first(&list)))
            rh_queue_add(&d->reads, rh_queue_pop(&list));
        return;
    }
    p = rh_take(d, drop->token);
    if (p)
        rh_outcome(d, p, drop->what == RAFTCORE_DROP_NOT_COMMITTED ? RH_NOT_COMMITTED : RH_UNKNOWN, NULL,
                   (raftcore_slice){0}, raftcore_reason_text(drop->reason));
}

static void expire(struct rh_driver *d, struct rh_pending *p)
{
    bool queued = p->state == RH_P_QUEUED;
    const char *words = p->kind == RH_P_READ       ? "no leader confirmed the read in time"
                        : p->kind == RH_P_BACKUP   ? "no leader confirmed in time that this member has every write"
                        : p->kind == RH_P_TRANSFER ? "no other node took over in time"
                        : !queued                  ? "not committed in time: it may still be"
                        : p->tried                 ? "another membership change did not end in time"
                        : d->leader                ? "the leader took no more requests in time"
                                                   : "no leader is known";

    bool harmless = queued || p->kind == RH_P_TRANSFER || p->kind == RH_P_READ || p->kind == RH_P_BACKUP;
    rh_outcome(d, p, harmless ? RH_NOT_COMMITTED : RH_UNKNOWN, NULL, (raftcore_slice){0}, words);
}

/* An end of requests: of all, or of requests sent to a peer. */
struct event {
    uint64_t peer;
    const char *words;
};

/* Calls `fate` for each request under way. */
static void for_each(struct rh_driver *d, void (*fate)(struct rh_driver *, struct rh_pending *, const struct event *),
                     const struct event *e)
{
    uint64_t last = d->seq;

    while (d->oldest <= last && !rh_take(d, d->oldest))
        d->oldest++;
    if (last >= RH_REQUESTS && d->oldest <= last - RH_REQUESTS)
        d->oldest = last - RH_REQUESTS + 1;
    for (uint64_t seq = d->oldest; d->n_requests > 0 && seq <= last; seq++) {
        struct rh_pending *p = rh_take(d, seq);
        if (p)
            fate(d, p, e);
    }
}

static void expire_if_late(struct rh_driver *d, struct rh_pending *p, const struct event *unused)
{
    (void)unused;
    if (p->deadline <= d->now)
        expire(d, p);
}

void rh_expire_requests(struct rh_driver *d)
{
    for_each(d, expire_if_late, NULL);
    if (d->transfer && d->leader && d->leader != d->transfer_since)
        rh_outcome(d, d->transfer, RH_DONE, NULL, (raftcore_slice){0}, "");
}

static void end_one(struct rh_driver *d, struct rh_pending *p, const struct event *e)
{
    bool harmless = p->state == RH_P_QUEUED || p->kind == RH_P_TRANSFER || p->kind == RH_P_BACKUP;

    rh_outcome(d, p, harmless ? RH_NOT_COMMITTED : RH_UNKNOWN, NULL, (raftcore_slice){0}, e->words);
}

void rh_end_requests(struct rh_driver *d, const char *words)
{
    d->maker.backup = d->maker.copying = NULL;
    for_each(d, end_one, &(struct event){.words = words});
    rh_end_promotions(d, words);
    for (size_t i = 0; i < RH_ASKS; i++) {
        rh_queue_first(&d->asks[i].list);
        d->asks[i].token = 0;
    }
    rh_queue_first(&d->writes);
    rh_queue_first(&d->reads);
}

/* Named requests go to the next leader: every member recognises a repetition. */
static void lose_if_sent(struct rh_driver *d, struct rh_pending *p, const struct event *e)
{
    if (p->state != RH_P_SENT || p->peer != e->peer)
        return;
    p->maybe = true;
    if (is_named(p))
        rh_queue_add(&d->writes, p);
    else
        rh_outcome(d, p, RH_UNKNOWN, NULL, (raftcore_slice){0}, "the connection to the leader broke");
}

void rh_lost_peer(struct rh_driver *d, uint64_t peer)
{
    for_each(d, lose_if_sent, &(struct event){.peer = peer});
    d->forward_after = d->now + (uint64_t)d->o.tick_ms * 1000;
}
