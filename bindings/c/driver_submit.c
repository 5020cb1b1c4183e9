/*
 * driver_submit.c: requests on their way: to the own core, to the leader, from peers.
 */
#include <stdlib.h>
#include <string.h>

#include "driver_parts.h"

enum { BATCH = 256, BATCH_BYTES = 1024 * 1024 };

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
    rh_refuse(d, p, why, words);
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
        rh_refuse(d, p, RH_WIRE_R_INVALID, fault);
        return true;
    }
    raftcore_code code = raftcore_propose_entry(d->node, RAFTCORE_ENTRY_CONF_CHANGE_V2, change, p->seq);
    if (code == RAFTCORE_E_CONF_BUSY) { /* one change at a time: behind the waiting writes, once a turn */
        bool again = p->tried != d->now;
        p->tried = d->now;
        if (again)
            rh_queue_add(&d->writes, rh_queue_pop(&d->writes));
        return again;
    }
    if (code < 0 && is_retry_later(code))
        return false;
    rh_queue_pop(&d->writes)->state = RH_P_PROPOSED;
    if (code < 0)
        refused_by_core(d, p, code);
    return true;
}

/* ---- requests to the leader ---- */

static bool send_request(struct rh_driver *d, struct rh_pending *p, uint64_t to)
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
    if (len == 0 || len > sizeof head || d->net.ops->send(d->net.self, to, frame, 2) != RH_OK)
        return false;
    rh_queue_pop(&d->writes);
    p->state = RH_P_SENT;
    p->peer = to;
    d->n_forwarded++;
    return true;
}

static void start_transfer(struct rh_driver *d, struct rh_pending *p)
{
    rh_queue_pop(&d->writes);
    p->state = RH_P_PROPOSED;
    if (d->transfer) {
        rh_refuse(d, p, RH_WIRE_R_BUSY, "another transfer is under way");
        return;
    }
    uint64_t to = p->peer;
    if (to && to == d->leader) {        /* the leader already */
        rh_outcome(d, p, RH_DONE, NULL, (raftcore_slice){0}, "");
        return;
    }
    raftcore_code code = rh_hand_over(d, to);
    if (code < 0) {
        refused_by_core(d, p, code);
        return;
    }
    d->transfer = p;
    d->transfer_since = d->leader;
}

/* Handles the request at the head of the queue. Returns whether to go on. */
static bool submit_write(struct rh_driver *d, struct rh_pending *p)
{
    if (p->kind == RH_P_TRANSFER) {
        start_transfer(d, p);
        return true;
    }
    if (p->kind == RH_P_ADDRESS) {
        rh_queue_pop(&d->writes)->state = RH_P_PROPOSED;
        rh_refuse_address(d, p);
        return true;
    }
    if (d->role == RAFTCORE_ROLE_LEADER) {
        if (p->kind == RH_P_CHANGE)
            return propose_change(d, p);
        if (d->space.level == RH_SPACE_OK)
            return propose_entries(d, BATCH);
        rh_queue_pop(&d->writes)->state = RH_P_PROPOSED;
        rh_refuse(d, p, RH_WIRE_R_NO_SPACE, "the leader's disk is nearly full");
        return true;
    }
    if (p->remote) {
        rh_queue_pop(&d->writes)->state = RH_P_PROPOSED;
        rh_refuse_not_leader(d, p);
        return true;
    }
    uint64_t to = d->leader ? d->leader : p->ask;
    return to && d->connected && d->now >= d->forward_after && send_request(d, p, to);
}

static void submit_reads(struct rh_driver *d)
{
    uint64_t token = d->ask + 1;

    if (!rh_queue_first(&d->reads) || d->asks[token % RH_ASKS].token)
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

    while ((p = rh_queue_first(&d->writes)) && !d->failed && submit_write(d, p))
        ;
    if (!d->failed)
        submit_reads(d);
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
                                               .words = rh_text_slice("the request cannot be taken")}};
        rh_answer_peer(d, &none, &no);
        free(p);
        return;
    }
    p->remote = true;
    p->from = from;
    p->request = f->request.request;
    p->deadline = d->now + (uint64_t)f->request.timeout_ms * 1000;
    rh_driver_submit(d, p);
}

/* The leader may have moved, too. */
static void hear_of_leader(struct rh_driver *d, const struct rh_wire_frame *f)
{
    struct rh_record *r = rh_record_find(d, f->outcome.leader);

    if (r && f->outcome.leader != d->o.id && rh_wire_is_address(f->outcome.address))
        rh_hear_address(d, r, f->outcome.address);
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
        p->ask = p->ask && f->outcome.leader != d->o.id ? f->outcome.leader : 0;
        hear_of_leader(d, f);
        rh_queue_add(&d->writes, p);
        d->forward_after = d->now + (uint64_t)d->o.tick_ms * 1000;
        break;
    default:
        rh_outcome(d, p, RH_UNKNOWN, &e, (raftcore_slice){0}, words);
    }
}
