/*
 * driver_requests.c: requests of this process and of peers, from the queue to their outcome.
 *
 * A request is in a slot by its number until its outcome, and meanwhile QUEUED in a list, PROPOSED
 * to the own core, or SENT to the leader. A request in a list that is OVER has had its outcome, and
 * is freed when it leaves the list.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "driver_parts.h"

enum { BATCH = 256, BATCH_BYTES = 1024 * 1024, PLAIN = 0, NAMED = 1, NAMED_HEAD = 1 + RH_SESSION_BYTES + 8 };

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

/* Frees the requests at the head that are over. Returns the first that is not. */
static struct rh_pending *first_of(struct rh_queue *q)
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

/* Takes a request out of its slot. A request in a list is freed there. */
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

static void answer_peer(struct rh_driver *d, const struct rh_pending *p, struct rh_wire_frame *f)
{
    f->group = d->o.group;
    f->type = RH_WIRE_OUTCOME;
    f->outcome.request = p->request;
    if (d->connected)
        d->net.ops->answer(d->net.self, p->from, f);
}

static raftcore_slice text_slice(const char *text)
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

    d->n_outcomes[what]++;
    if (what == RH_DONE && p->kind == RH_P_ENTRY)
        rh_histogram_add(&d->commit_times, d->now - p->started);
    if (e) {
        o.index = e->index;
        o.term = e->term;
    }
    if (p->remote) {
        struct rh_wire_frame f = {.outcome = {.outcome = wire[what], .index = o.index, .term = o.term, .result = result,
                                              .words = text_slice(words)}};
        answer_peer(d, p, &f);
    } else if (p->ticket) {
        uint64_t ticket = p->ticket;
        p->ticket = 0;                  /* once, whatever the database does inside of the call */
        d->db.outcome(d->db.self, ticket, &o);
    }
    forget(d, p);
}

/* A request that was not taken. */
static void refuse(struct rh_driver *d, struct rh_pending *p, uint16_t code, const char *words)
{
    d->n_refused++;
    if (p->kind == RH_P_CHANGE)
        rh_driver_say(d, RH_LOG_INFO, "a membership change is refused: %s", words);
    if (!p->remote) {
        rh_outcome(d, p, RH_NOT_COMMITTED, NULL, (raftcore_slice){0}, words);
        return;
    }
    struct rh_wire_frame f = {.outcome = {.outcome = RH_WIRE_REFUSED, .code = code, .words = text_slice(words)}};
    if (code == RH_WIRE_R_BUSY || code == RH_WIRE_R_NO_SPACE)
        f.outcome.retry_ms = 100;
    answer_peer(d, p, &f);
    forget(d, p);
}

static void refuse_not_leader(struct rh_driver *d, struct rh_pending *p)
{
    struct rh_wire_frame f = {.outcome = {.outcome = RH_WIRE_NOT_LEADER, .leader = d->leader}};
    const struct rh_record *r = rh_record_find(d, d->leader);

    if (r)
        f.outcome.address = text_slice(r->peer);
    answer_peer(d, p, &f);
    forget(d, p);
}

/* ---- into the queues ---- */

void rh_driver_submit(struct rh_driver *d, struct rh_pending *p)
{
    struct rh_pending **slot = slot_of(d, ++d->seq);

    p->seq = d->seq;
    p->started = d->now;
    if (p->deadline == 0)
        p->deadline = p->kind == RH_P_BACKUP ? UINT64_MAX : d->now + (uint64_t)d->o.request_ms * 1000;
    d->again = true;
    if (*slot) {                        /* an older one is still there: so many are under way */
        slot = slot_of(d, ++d->seq);
        p->seq = d->seq;
    }
    d->n_requests++;
    d->request_bytes += p->len;
    if (*slot) {
        struct rh_pending *other = *slot;
        *slot = p;
        refuse(d, p, RH_WIRE_R_BUSY, "too many requests are under way");
        *slot = other;
        return;
    }
    *slot = p;
    if (d->failed)
        rh_outcome(d, p, RH_NOT_COMMITTED, NULL, (raftcore_slice){0}, d->words.text);
    else
        rh_queue_add(p->kind == RH_P_READ ? &d->reads : &d->writes, p);
}

/* ---- proposals to the own core ---- */

static bool is_retry_later(raftcore_code code)
{
    return code == RAFTCORE_E_FULL || code == RAFTCORE_E_NOT_LEADER || code == RAFTCORE_E_NO_LEADER ||
           code == RAFTCORE_E_NOMEM;
}

static void refused_by_core(struct rh_driver *d, struct rh_pending *p, raftcore_code code)
{
    char detail[256], words[320];
    uint16_t why = code == RAFTCORE_E_TOO_LARGE  ? RH_WIRE_R_TOO_LARGE
                   : code == RAFTCORE_E_CONF_BUSY ? RH_WIRE_R_BUSY
                                                  : RH_WIRE_R_INVALID;

    raftcore_error_detail(d->node, detail, sizeof detail);
    snprintf(words, sizeof words, "%s: %s", raftcore_strerror(code), detail);
    refuse(d, p, why, words);
}

/* Proposes the entries at the head of the queue together. Returns whether to go on. */
static bool propose_entries(struct rh_driver *d, size_t most)
{
    raftcore_slice data[BATCH] = {{0}};
    uint64_t tokens[BATCH] = {0};
    size_t n = 0, bytes = 0;

    for (struct rh_pending *p = d->writes.head; p && n < most && p->kind == RH_P_ENTRY && p->state != RH_P_OVER;
         p = p->next) {
        bytes += p->len;
        if (n > 0 && bytes > BATCH_BYTES)
            break;
        data[n] = (raftcore_slice){p->data, p->len};
        tokens[n++] = p->seq;
    }
    raftcore_code code = raftcore_propose_many(d->node, data, tokens, n);
    if (code < 0 && n > 1)
        return propose_entries(d, 1);
    if (code < 0 && is_retry_later(code))
        return false;
    if (code == RAFTCORE_E_PANIC || code == RAFTCORE_E_POISONED)
        return rh_core_ok(d, code, "propose_many");
    for (size_t i = 0; i < n; i++)
        d->writes.head->state = RH_P_PROPOSED, rh_queue_pop(&d->writes);
    if (code < 0)
        refused_by_core(d, rh_take(d, tokens[0]), code);
    return true;
}

static bool propose_change(struct rh_driver *d, struct rh_pending *p)
{
    char buf[200];
    raftcore_slice change = {p->data, p->len};
    const char *fault = rh_change_fault(d, change, buf, sizeof buf);

    if (fault) {
        rh_queue_pop(&d->writes)->state = RH_P_PROPOSED;
        refuse(d, p, RH_WIRE_R_INVALID, fault);
        return true;
    }
    raftcore_code code = raftcore_propose_entry(d->node, RAFTCORE_ENTRY_CONF_CHANGE_V2, change, p->seq);
    if (code < 0 && is_retry_later(code))
        return false;
    rh_queue_pop(&d->writes)->state = RH_P_PROPOSED;
    if (code < 0)
        refused_by_core(d, p, code);
    return true;
}

/* ---- requests to the leader ---- */

static bool send_request(struct rh_driver *d, struct rh_pending *p)
{
    uint8_t head[RH_WIRE_HEADER + 128];
    struct rh_entry e = {0};
    struct rh_wire_frame f = {.group = d->o.group, .type = RH_WIRE_REQUEST};
    uint64_t left = p->deadline > d->now ? (p->deadline - d->now) / 1000 : 0;

    f.request.request = p->seq;
    f.request.timeout_ms = left > 0 && left < UINT32_MAX ? (uint32_t)left : 1;
    f.request.what = p->kind == RH_P_ENTRY ? RH_WIRE_ENTRY : RH_WIRE_CHANGE;
    f.request.data = (raftcore_slice){p->data, p->len};
    if (p->kind == RH_P_ENTRY && rh_envelope_open(f.request.data, &e)) {
        f.request.data = e.data;
        f.request.number = e.number;
        if (e.session)
            memcpy(f.request.session, e.session, RH_SESSION_BYTES);
    }
    size_t len = rh_wire_write_head(&f, head, sizeof head);
    const raftcore_slice frame[2] = {{head, len}, f.request.data};
    if (len == 0 || len > sizeof head || d->net.ops->send(d->net.self, d->leader, frame, 2) != RH_OK)
        return false;
    rh_queue_pop(&d->writes);
    p->state = RH_P_SENT;
    p->peer = d->leader;
    d->n_forwarded++;
    return true;
}

static void start_transfer(struct rh_driver *d, struct rh_pending *p)
{
    rh_queue_pop(&d->writes);
    p->state = RH_P_PROPOSED;
    if (d->transfer) {
        refuse(d, p, RH_WIRE_R_BUSY, "another transfer is under way");
        return;
    }
    uint64_t to = p->peer;
    raftcore_code code = rh_hand_over(d, to);
    if (code < 0) {
        refused_by_core(d, p, code);
        return;
    }
    d->transfer = p;
    d->transfer_since = d->leader;
}

static void ask_for_backup(struct rh_driver *d, struct rh_pending *p)
{
    rh_queue_pop(&d->writes);
    p->state = RH_P_PROPOSED;
    if (d->maker.backup || d->maker.copying) {
        refuse(d, p, RH_WIRE_R_BUSY, "another backup is under way");
        return;
    }
    d->maker.backup = p;
    rh_make_snapshot(d);
}

/* Handles the request at the head of the queue. Returns whether to go on. */
static bool submit_write(struct rh_driver *d, struct rh_pending *p)
{
    if (p->kind == RH_P_BACKUP) {
        ask_for_backup(d, p);
        return true;
    }
    if (p->kind == RH_P_TRANSFER) {
        start_transfer(d, p);
        return true;
    }
    if (d->role == RAFTCORE_ROLE_LEADER) {
        if (p->kind == RH_P_CHANGE)
            return propose_change(d, p);
        if (d->space.level == RH_SPACE_OK)
            return propose_entries(d, BATCH);
        rh_queue_pop(&d->writes)->state = RH_P_PROPOSED;
        refuse(d, p, RH_WIRE_R_NO_SPACE, "the leader's disk is nearly full");
        return true;
    }
    if (p->remote) {
        rh_queue_pop(&d->writes)->state = RH_P_PROPOSED;
        refuse_not_leader(d, p);
        return true;
    }
    return d->leader && d->connected && d->now >= d->forward_after && send_request(d, p);
}

static void submit_reads(struct rh_driver *d)
{
    uint64_t token = d->ask + 1;

    if (!first_of(&d->reads) || d->asks[token % RH_ASKS].token)
        return;
    raftcore_code code = raftcore_read_index(d->node, token);
    if (code < 0)
        return;                         /* no leader, or too many: at the next turn, until the deadline */
    d->ask = token;
    d->asks[token % RH_ASKS].token = token;
    d->asks[token % RH_ASKS].list = d->reads;
    d->reads = (struct rh_queue){0};
}

void rh_submit_requests(struct rh_driver *d)
{
    struct rh_pending *p;

    while ((p = first_of(&d->writes)) && !d->failed && submit_write(d, p))
        ;
    if (!d->failed)
        submit_reads(d);
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

    while ((p = first_of(&list))) {
        rh_queue_pop(&list);
        p->state = RH_P_PROPOSED;
        rh_outcome(d, p, RH_READABLE, NULL, (raftcore_slice){0}, "");
    }
}

void rh_dropped(struct rh_driver *d, const raftcore_drop *drop)
{
    struct rh_pending *p;

    if (drop->what == RAFTCORE_DROP_READ) {     /* nothing happened: ask again until the deadline */
        struct rh_queue list = take_ask(d, drop->token);
        while ((p = first_of(&list)))
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
                        : p->kind == RH_P_TRANSFER ? "no other node took over in time"
                        : !queued                  ? "not committed in time: it may still be"
                        : d->leader                ? "the leader took no more requests in time"
                                                   : "no leader is known";

    bool harmless = queued || p->kind == RH_P_TRANSFER || p->kind == RH_P_READ;
    rh_outcome(d, p, harmless ? RH_NOT_COMMITTED : RH_UNKNOWN, NULL, (raftcore_slice){0}, words);
}

/* Calls `fate` for each request under way. */
static void for_each(struct rh_driver *d, void (*fate)(struct rh_driver *, struct rh_pending *, uint64_t), uint64_t x)
{
    uint64_t last = d->seq;

    while (d->oldest <= last && !rh_take(d, d->oldest))
        d->oldest++;
    if (last >= RH_REQUESTS && d->oldest <= last - RH_REQUESTS)
        d->oldest = last - RH_REQUESTS + 1;
    for (uint64_t seq = d->oldest; d->n_requests > 0 && seq <= last; seq++) {
        struct rh_pending *p = rh_take(d, seq);
        if (p)
            fate(d, p, x);
    }
}

static void expire_if_late(struct rh_driver *d, struct rh_pending *p, uint64_t now)
{
    if (p->deadline <= now)
        expire(d, p);
}

void rh_expire_requests(struct rh_driver *d)
{
    for_each(d, expire_if_late, d->now);
    if (d->transfer && d->leader && d->leader != d->transfer_since)
        rh_outcome(d, d->transfer, RH_DONE, NULL, (raftcore_slice){0}, "");
}

static void end_one(struct rh_driver *d, struct rh_pending *p, uint64_t words)
{
    bool harmless = p->state == RH_P_QUEUED || p->kind == RH_P_TRANSFER || p->kind == RH_P_BACKUP;

    rh_outcome(d, p, harmless ? RH_NOT_COMMITTED : RH_UNKNOWN, NULL, (raftcore_slice){0},
               (const char *)(uintptr_t)words);
}

void rh_end_requests(struct rh_driver *d, const char *words)
{
    d->maker.backup = d->maker.copying = NULL;
    for_each(d, end_one, (uint64_t)(uintptr_t)words);
    for (size_t i = 0; i < RH_ASKS; i++) {
        first_of(&d->asks[i].list);
        d->asks[i].token = 0;
    }
    first_of(&d->writes);
    first_of(&d->reads);
}

/* Named requests are recognised when they come twice, so they go to the next leader. */
static void lose_if_sent(struct rh_driver *d, struct rh_pending *p, uint64_t peer)
{
    if (p->state != RH_P_SENT || p->peer != peer)
        return;
    p->maybe = true;
    if (is_named(p))
        rh_queue_add(&d->writes, p);
    else
        rh_outcome(d, p, RH_UNKNOWN, NULL, (raftcore_slice){0}, "the connection to the leader broke");
}

void rh_lost_peer(struct rh_driver *d, uint64_t peer)
{
    for_each(d, lose_if_sent, peer);
    d->forward_after = d->now + (uint64_t)d->o.tick_ms * 1000;
}

/* ---- from and to peers ---- */

void rh_take_request(struct rh_driver *d, uint64_t from, const struct rh_wire_frame *f)
{
    const raftcore_slice *data = &f->request.data;
    struct rh_retry retry = {.number = f->request.number};
    struct rh_pending *p = NULL;
    struct rh_pending none = {.remote = true, .request = f->request.request, .from = from};

    memcpy(retry.session, f->request.session, sizeof retry.session);
    if (f->request.what == RH_WIRE_ENTRY && data->len <= d->o.max_entry_bytes)
        p = rh_pending_entry(data, 1, rh_is_zero(retry.session, sizeof retry.session) ? NULL : &retry, 0);
    else if (f->request.what == RH_WIRE_CHANGE && (p = rh_pending_new(RH_P_CHANGE, data->len, 0)) && data->len > 0)
        memcpy(p->data, data->ptr, data->len);
    if (!p || d->n_requests >= RH_REQUESTS / 2) {
        uint16_t code = p                                  ? RH_WIRE_R_BUSY
                        : f->request.what == RH_WIRE_ENTRY ? RH_WIRE_R_TOO_LARGE
                                                           : RH_WIRE_R_UNKNOWN_VALUE;
        struct rh_wire_frame no = {.outcome = {.outcome = RH_WIRE_REFUSED, .code = code,
                                               .words = text_slice("the request cannot be taken")}};
        answer_peer(d, &none, &no);
        free(p);
        return;
    }
    p->remote = true;
    p->from = from;
    p->request = f->request.request;
    p->deadline = d->now + (uint64_t)f->request.timeout_ms * 1000;
    rh_driver_submit(d, p);
}

void rh_take_outcome(struct rh_driver *d, uint64_t peer, const struct rh_wire_frame *f)
{
    struct rh_pending *p = rh_take(d, f->outcome.request);
    const raftcore_entry e = {.index = f->outcome.index, .term = f->outcome.term};
    char words[RH_WIRE_WORDS_MAX + 1];

    if (!p || p->state != RH_P_SENT || p->peer != peer)
        return;
    snprintf(words, sizeof words, "%.*s", (int)f->outcome.words.len, (const char *)f->outcome.words.ptr);
    switch (f->outcome.outcome) {
    case RH_WIRE_DONE:
        rh_outcome(d, p, RH_DONE, &e, f->outcome.result, "");
        break;
    case RH_WIRE_NOT_COMMITTED:
    case RH_WIRE_REFUSED:
        rh_outcome(d, p, RH_NOT_COMMITTED, NULL, (raftcore_slice){0}, words);
        break;
    case RH_WIRE_NOT_LEADER:            /* not taken: to the next leader, once one is known here */
        rh_queue_add(&d->writes, p);
        d->forward_after = d->now + (uint64_t)d->o.tick_ms * 1000;
        break;
    default:
        rh_outcome(d, p, RH_UNKNOWN, &e, (raftcore_slice){0}, words);
    }
}
