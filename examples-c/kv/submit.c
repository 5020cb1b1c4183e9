/*
 * submit.c: requests of clients: from the queue into the core, and out of the pending table with an
 * answer.
 *
 * The rule: the server never proposes a write again that the core may have accepted. On a negative
 * code, the core has not accepted the write, so the write may wait in the queue. Any other write
 * gets its answer from the log (host.c), from the core's report of the failure, or with an error
 * that the outcome is unknown.
 */
#include "submit.h"

#include "host.h"
#include "op.h"
#include "resp.h"

enum {
    BATCH = 512,                    /* entries of a propose_many */
    BATCH_BYTES = 1024 * 1024,
};

/* Every node applies committed entries, so the proposing server must refuse a write before the disk
 * is full. */
static bool may_grow(const struct request *r)
{
    struct op op;

    return op_read(buf_slice(&r->op), &op) && op.code != OP_DEL && op.code != OP_FLUSHALL;
}

void host_write(struct host *h, struct request *r)
{
    if (h->store.full && may_grow(r)) {
        resp_error(&r->reply, "FULL the database has used nine tenths of --map-gib: delete keys, or start the servers with more");
        request_finished(r);
        return;
    }
    r->state = REQUEST_WAITING;
    r->deadline = now_ms() + ANSWER_MS;
    requests_add(&h->writes, r);
    h->busy = true;
}

void host_read(struct host *h, struct request *r)
{
    r->state = REQUEST_WAITING;
    r->deadline = now_ms() + ANSWER_MS;
    requests_add(&h->reads, r);
    h->busy = true;
}

static struct request **pending_slot(struct host *h, uint64_t seq)
{
    return &h->pending[seq % PENDING];
}

struct request *pending_take(struct host *h, uint64_t seq)
{
    struct request **slot = pending_slot(h, seq), *r = *slot;

    if (!r || r->seq != seq)
        return NULL;
    *slot = NULL;
    h->n_pending--;
    return r;
}

void pending_is_forwarded(struct host *h, uint64_t seq)
{
    struct request *r = *pending_slot(h, seq);

    if (r && r->seq == seq)
        r->forwarded = true;
}

/* The core has accepted the write: from now on, only the log or the core tells the outcome. */
static void pending_put(struct host *h, struct request *r, uint64_t term)
{
    *pending_slot(h, r->seq) = r;
    h->n_pending++;
    h->seq = r->seq;
    r->term = term;
    r->forwarded = false;
    r->deadline = now_ms() + ANSWER_MS;
    buf_free(&r->op);
}

static void outcome_unknown(struct host *h, struct request *r)
{
    h->n_unknown++;
    buf_clear(&r->reply);
    resp_error(&r->reply, "UNKNOWN outcome unknown: the write may or may not have been applied");
    request_finished(r);
}

void try_again(struct request *r, const char *why)
{
    buf_clear(&r->reply);
    resp_error(&r->reply, "TRYAGAIN %s: nothing was applied, send it again", why);
    request_finished(r);
}

/* Collects as many writes as fit, in the clients' order. The core accepts a batch as a whole or not
 * at all. */
static size_t gather(struct host *h, size_t at_most, slice *entries, uint64_t *tokens)
{
    size_t n = 0, bytes = 0;

    for (struct request *r = h->writes.head; r && n < at_most; r = r->queued) {
        uint64_t seq = h->seq + 1 + n;
        if (*pending_slot(h, seq))
            break;                  /* PENDING writes are in flight: the rest waits */
        if (n > 0 && bytes + buf_len(&r->op) > BATCH_BYTES)
            break;
        op_name(&r->op, h->id, h->nonce, seq);
        r->seq = seq;
        entries[n] = buf_slice(&r->op);
        bytes += entries[n].len;
        tokens[n++] = seq;
    }
    return n;
}

void submit_writes(struct host *h)
{
    static slice entries[BATCH];
    static uint64_t tokens[BATCH];
    raftcore_status status = {.struct_size = sizeof status};
    size_t at_most = BATCH;

    if (!h->writes.head)
        return;
    host_must(h, raftcore_get_status(h->node, &status), "status");
    while (h->writes.head) {
        size_t n = gather(h, at_most, entries, tokens);
        if (n == 0)
            return;
        raftcore_code code = raftcore_propose_many(h->node, entries, tokens, n);
        if (code >= 0) {
            for (size_t i = 0; i < n; i++)
                pending_put(h, requests_take(&h->writes), status.term);
            h->n_writes += n;
        } else if (code == RAFTCORE_E_NO_LEADER) {
            return;                 /* the core accepted nothing: the writes wait for a leader, or for their deadline */
        } else if (code == RAFTCORE_E_PANIC || code == RAFTCORE_E_POISONED) {
            host_fail(h, "propose", code);
        } else if (n > 1) {
            at_most = n / 2;        /* FULL: perhaps fewer fit; otherwise find the refused write */
        } else if (code == RAFTCORE_E_FULL) {
            return;
        } else {
            struct request *r = requests_take(&h->writes);
            resp_error(&r->reply, "ERR %s (%s)", raftcore_strerror(code), host_detail(h));
            request_finished(r);
        }
    }
}

/* All waiting reads share a read index: they may see everything committed before. */
void submit_reads(struct host *h)
{
    for (size_t i = 0; i < READ_BATCHES && h->reads.head; i++) {
        struct read_batch *b = &h->batches[i];
        if (b->token)
            continue;
        raftcore_code code = raftcore_read_index(h->node, h->read_token + 1);
        if (code == RAFTCORE_E_PANIC || code == RAFTCORE_E_POISONED)
            host_fail(h, "read_index", code);
        if (code < 0)
            return;                 /* no leader, or FULL: asked again next time */
        b->token = ++h->read_token;
        b->requests = h->reads;
        h->n_reads += b->requests.count;
        h->reads = (struct request_list){0};
    }
}

bool host_change(struct host *h, struct request *r, raftcore_change change)
{
    raftcore_status status = {.struct_size = sizeof status};
    uint64_t seq = h->seq + 1;

    host_must(h, raftcore_get_status(h->node, &status), "status");
    if (*pending_slot(h, seq)) {
        resp_error(&r->reply, "TRYAGAIN %d writes are on their way", PENDING);
        return false;
    }
    op_name(&r->op, h->id, h->nonce, seq);
    raftcore_code code = raftcore_propose_conf(h->node, &change, 1, RAFTCORE_TRANSITION_AUTO, buf_slice(&r->op), seq);
    if (code < 0) {
        resp_error(&r->reply, "ERR %s (%s)", raftcore_strerror(code), host_detail(h));
        return false;
    }
    r->seq = seq;
    r->state = REQUEST_WAITING;
    pending_put(h, r, status.term);
    h->busy = true;
    return true;
}

/*
 * Writes forwarded to the leader of an older term: its entries come before any entry of the new
 * term, so a write not applied by now is probably lost. The outcome is not certain (the message may
 * still be in flight), so the client gets UNKNOWN at once instead of at the deadline. For entries
 * that this node appended, the core returns the token.
 */
void give_up_forwarded(struct host *h, uint64_t term)
{
    for (uint64_t seq = h->oldest; seq <= h->seq; seq++) {
        struct request *r = *pending_slot(h, seq);
        if (r && r->seq == seq && r->forwarded && r->term < term)
            outcome_unknown(h, pending_take(h, seq));
    }
}

/* A snapshot has replaced entries that this node never saw one by one: their owners can't be known. */
void give_up_pending(struct host *h)
{
    for (uint64_t seq = h->oldest; seq <= h->seq; seq++) {
        struct request *r = pending_take(h, seq);
        if (r)
            outcome_unknown(h, r);
    }
}

/* The core gives a transfer up by itself after an election timeout, and the leader goes on. */
static void expire_transfer(struct host *h)
{
    raftcore_status status = {.struct_size = sizeof status};
    struct request *r = h->transfer;

    if (!r)
        return;
    host_must(h, raftcore_get_status(h->node, &status), "status");
    if (status.role == RAFTCORE_ROLE_LEADER && status.transferee != 0)
        return;
    h->transfer = NULL;
    if (status.role != RAFTCORE_ROLE_LEADER)
        resp_simple(&r->reply, "OK");
    else
        resp_error(&r->reply, "ERR leadership was not handed over in time: node %llu still leads", (ull)h->id);
    request_finished(r);
}

void expire_requests(struct host *h)
{
    int64_t now = now_ms();

    /* Each list is in the order of its deadlines, except for returned reads, which are checked
     * again soon. */
    while (h->writes.head && h->writes.head->deadline <= now)
        try_again(requests_take(&h->writes), h->leader ? "the cluster is busy" : "no leader is known");
    while (h->reads.head && h->reads.head->deadline <= now)
        try_again(requests_take(&h->reads), "no leader has answered");
    for (; h->oldest <= h->seq; h->oldest++) {
        struct request *r = *pending_slot(h, h->oldest);
        if (!r || r->seq != h->oldest)
            continue;
        if (r->deadline > now)
            break;
        outcome_unknown(h, pending_take(h, h->oldest));
    }
    expire_transfer(h);
}
