/*
 * host.c: the loop around the core. THE FILE TO COPY: the duties of a host towards raftcore, and
 * little else.
 *
 *     host_pump: repeat
 *         submit      requests of clients: writes as one batch, reads as one question
 *         fetches     from the store: log entries or a snapshot for a peer that is far behind; entries for this node to
 *                     apply that left the core's memory before
 *         get_ready   NONE: done
 *         1 send      messages that need not wait for the disk, so that followers write at the same time
 *         2 write     snapshot, entries, hard state, and 3 apply, in the store's transaction
 *         4 answer    applied writes, reads, failed proposals
 *         5 commit    a sync for everything, if the ready says MUST_SYNC; otherwise the next commit may do
 *         6 send      messages with a promise (MF_AFTER), which is true only now
 *         advance
 *
 * Why 4 may come before 5: a committed entry is durable on a majority, whether or not this node is
 * part of the majority, and clients have their answer a sync earlier. The exception: a ready may
 * apply entries that the same ready stores, as a sole member's always does. Their answers come
 * after the sync.
 *
 * Why a ready without MUST_SYNC may wait: the ready promises nothing to anybody. If a crash takes
 * applied data away, the node applies the log again; the store keeps data, applied index and
 * membership together. A timer commits the rest.
 */
#include "host.h"

#include <stdio.h>

#include "clients.h"
#include "op.h"
#include "resp.h"
#include "submit.h"

enum { SUPPLY_MAX = 512 };          /* entries of a supply */

const char *role_name(uint32_t role)
{
    switch (role) {
    case RAFTCORE_ROLE_FOLLOWER: return "follower";
    case RAFTCORE_ROLE_CANDIDATE: return "candidate";
    case RAFTCORE_ROLE_LEADER: return "leader";
    case RAFTCORE_ROLE_PRE_CANDIDATE: return "pre-candidate";
    }
    return "unknown";
}

const char *host_detail(struct host *h)
{
    static char text[256];

    raftcore_error_detail(h->node, text, sizeof text);
    return text;
}

void host_fail(struct host *h, const char *what, raftcore_code code)
{
    const char *detail = host_detail(h);

    die("%s: %s (%s)", what, raftcore_strerror(code), detail);
}

/* For calls that fail only through a bug of this host or the core: going on would make things
 * worse. */
void host_must(struct host *h, raftcore_code code, const char *what)
{
    if (code < 0)
        host_fail(h, what, code);
}

/* ---- fetches of the core ---- */

static void supply_entries(struct host *h, const raftcore_fetch *f)
{
    static raftcore_entry entries[SUPPLY_MAX];
    size_t n = 0, bytes = 0;

    for (uint64_t i = f->first; i <= f->last && n < SUPPLY_MAX && (n == 0 || bytes < f->max_bytes); i++) {
        if (!store_entry(&h->store, i, &entries[n]))
            break;                  /* compacted away */
        bytes += entries[n++].data.len;
    }
    if (n == 0 && f->kind == RAFTCORE_FETCH_APPLY)
        die("entry %llu is to be applied and is not in the log", (ull)f->first);
    raftcore_code code = n > 0 ? raftcore_supply_entries(h->node, f->id, entries, n)
                               : raftcore_supply_none(h->node, f->id, RAFTCORE_SUPPLY_GONE);
    if (code == RAFTCORE_E_PANIC || code == RAFTCORE_E_POISONED)
        host_fail(h, "supply", code);
    if (code < 0)                   /* the core goes on without, and so do we */
        note("entries from %llu were not taken: %s (%s)", (ull)f->first, raftcore_strerror(code), host_detail(h));
}

static void serve_fetches(struct host *h)
{
    raftcore_fetch f = {.struct_size = sizeof f};

    while (raftcore_next_fetch(h->node, &f) == RAFTCORE_OK) {
        if (f.kind == RAFTCORE_FETCH_SNAPSHOT)
            snapshot_supply(h, &f);
        else
            supply_entries(h, &f);
    }
}

/* ---- one ready ---- */

/* Arrays have the library's stride: structs of a newer library may be larger than at compile time. */
#define AT(rd, array, stride, i) ((const void *)((const char *)(rd)->array + (size_t)(i) * (rd)->stride))

static void send_messages(struct host *h, const raftcore_ready *rd, bool after)
{
    for (uint32_t i = 0; i < rd->n_msgs; i++) {
        const raftcore_msg *m = AT(rd, msgs, msg_stride, i);
        if (((m->flags & RAFTCORE_MF_AFTER) != 0) != after)
            continue;
        if (m->kind == RAFTCORE_MSG_SNAP)
            snapshot_start(h, m);
        else
            peers_send(&h->peers, m->to, m->frame, m->n_frame, m->frame_bytes);
    }
    peers_flush(&h->peers);
}

/* The reply is filled when the operation is applied, and goes into the client's line; when it leaves, process() says. */
static void apply_normal(struct host *h, const raftcore_entry *e)
{
    struct op op;

    if (e->data.len == 0)
        return;                     /* a new leader's own */
    if (!op_read(e->data, &op) || op.code == OP_MEMBER) {
        note("entry %llu is no operation and changes nothing, on every node alike", (ull)e->index);
        return;
    }
    bool ours = op.node == h->id && op.nonce == h->nonce;
    struct request *r = ours ? pending_take(h, op.seq) : NULL;
    op_apply(&h->store, op, r ? &r->reply : NULL);
    if (r)
        request_finished(r);
}

static void learn_address(struct host *h, struct op op)
{
    slice id = op_next(&op), address = op_next(&op);
    struct buf text = {0};

    if (id.len != 8 || (address.len > 0 && !peers_good_address(address)))
        return;
    if (!(op.flags & OP_KEEP_ADDRESS))
        peers_learn(&h->peers, get_u64(id.ptr), address);
    peers_learned_text(&h->peers, &text);
    store_set_addresses(&h->store, buf_slice(&text));
    buf_free(&text);
}

static bool listed(const uint64_t *ids, uint32_t count, uint64_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

enum membership host_membership(const raftcore_conf *conf, uint64_t id)
{
    if (listed(conf->voters, conf->n_voters, id) || listed(conf->outgoing, conf->n_outgoing, id))
        return VOTER;
    if (listed(conf->learners, conf->n_learners, id) || listed(conf->learners_next, conf->n_learners_next, id))
        return LEARNER;
    return STRANGER;
}

static void apply_change(struct host *h, const raftcore_entry *e)
{
    raftcore_conf conf = {.struct_size = sizeof conf};
    struct op op;

    if (e->index <= h->store.state.skip_conf_to) {
        host_must(h, raftcore_skip_conf(h->node, e->index, &conf), "skip a configuration change");
        store_set_conf(&h->store, conf.bytes);      /* the same members, as of this entry */
        return;
    }
    /* A member that can't understand a change stops, so that its data never differ from the other
     * members' data. */
    host_must(h, raftcore_apply_conf(h->node, e, &conf), "apply a configuration change");
    store_set_conf(&h->store, conf.bytes);
    note("configuration of entry %llu: %u voters, %u learners%s", (ull)e->index, conf.n_voters,
         conf.n_learners + conf.n_learners_next, conf.n_outgoing ? ", joint" : "");
    if (host_membership(&conf, h->id) == STRANGER)
        note("this node is no member any more: stop it");
    if (!op_read(conf.context, &op) || op.code != OP_MEMBER)
        return;
    learn_address(h, op);
    struct request *r = op.node == h->id && op.nonce == h->nonce ? pending_take(h, op.seq) : NULL;
    if (r) {
        resp_simple(&r->reply, "OK");
        request_finished(r);
    }
}

static void apply(struct host *h, const raftcore_ready *rd)
{
    for (uint32_t i = 0; i < rd->n_committed; i++) {
        const raftcore_entry *e = AT(rd, committed, entry_stride, i);
        if (e->kind == RAFTCORE_ENTRY_NORMAL)
            apply_normal(h, e);
        else
            apply_change(h, e);
        if (e->term > h->applied_term) {
            h->applied_term = e->term;
            give_up_forwarded(h, e->term);
        }
        h->store.state.applied = e->index;
        h->n_applied++;
    }
}

static void answer(struct host *h, const raftcore_ready *rd)
{
    for (uint32_t i = 0; i < rd->n_reads; i++) {
        const raftcore_read *read = AT(rd, reads, read_stride, i);
        for (size_t k = 0; k < READ_BATCHES; k++) {
            struct read_batch *b = &h->batches[k];
            if (b->token != read->token)
                continue;
            b->token = 0;
            for (struct request *r; (r = requests_take(&b->requests));)
                request_readable(r);
        }
    }
    for (uint32_t i = 0; i < rd->n_dropped; i++) {
        const raftcore_drop *drop = AT(rd, dropped, drop_stride, i);
        struct request *r;
        switch (drop->what) {
        case RAFTCORE_DROP_READ:    /* a read changes nothing: read again, until the deadline */
            for (size_t k = 0; k < READ_BATCHES; k++) {
                struct read_batch *b = &h->batches[k];
                if (b->token != drop->token)
                    continue;
                b->token = 0;
                while ((r = requests_take(&b->requests)))
                    requests_add(&h->reads, r);
            }
            break;
        case RAFTCORE_DROP_NOT_COMMITTED:
            if ((r = pending_take(h, drop->token)))
                try_again(r, raftcore_reason_text(drop->reason));
            break;
        case RAFTCORE_DROP_UNKNOWN: /* passed on; or covered by a snapshot, see process() */
            pending_is_forwarded(h, drop->token);
            break;
        }
    }
}

static void note_role(struct host *h, const raftcore_ready *rd)
{
    char who[96];

    h->role = rd->role;
    h->leader = rd->leader;
    snprintf(who, sizeof who, "node %llu %s term %llu", (ull)h->id, role_name(h->role), (ull)h->term);
    note_who(who);
    if (h->leader)
        note("the leader is node %llu", (ull)h->leader);
    else
        note("no leader is known");
}

static void process(struct host *h, const raftcore_ready *rd)
{
    struct store *s = &h->store;

    h->n_readies++;
    h->term = rd->term;
    if (rd->flags & RAFTCORE_RF_SOFT_STATE)
        note_role(h, rd);

    send_messages(h, rd, false);

    if (rd->flags & RAFTCORE_RF_SNAPSHOT) {
        snapshot_install(h, rd);
        give_up_pending(h);
    }
    store_append(s, rd->entries, rd->n_entries, rd->entry_stride);
    if (rd->flags & RAFTCORE_RF_HARD_STATE) {
        s->state.term = rd->term;
        s->state.vote = rd->vote;
        s->state.commit = rd->commit;
    }
    apply(h, rd);
    answer(h, rd);
    bool stored_before = rd->n_entries == 0 || rd->committed_last < rd->entries[0].index;
    if (stored_before && !(rd->flags & RAFTCORE_RF_SNAPSHOT))
        clients_run();
    if ((rd->flags & RAFTCORE_RF_MUST_SYNC) || store_is_large(s))
        store_commit(s);

    send_messages(h, rd, true);
    host_must(h, raftcore_advance(h->node, rd->number), "advance");
}

void host_pump(struct host *h)
{
    do {
        h->busy = false;
        for (;;) {
            raftcore_ready rd = {.struct_size = sizeof rd};
            submit_writes(h);
            submit_reads(h);
            serve_fetches(h);
            raftcore_code code = raftcore_get_ready(h->node, &rd);
            host_must(h, code, "ready");
            if (code != RAFTCORE_OK)
                break;              /* no fetch and no ready is left: now the loop may sleep */
            process(h, &rd);
        }
    } while (h->busy);
}

