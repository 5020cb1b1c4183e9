/*
 * admin.c: RAFT.STATUS of this node; RAFT.ADD, PROMOTE, REMOVE and TRANSFER, which the leader runs.
 */
#include "command.h"
#include "forward.h"
#include "op.h"
#include "resp.h"

static const char *flow_name(uint32_t flow)
{
    switch (flow) {
    case RAFTCORE_FLOW_PROBE: return "probe";
    case RAFTCORE_FLOW_REPLICATE: return "replicate";
    case RAFTCORE_FLOW_SNAPSHOT: return "snapshot";
    }
    return "unknown";
}

static void id_list(struct buf *text, const char *name, const uint64_t *ids, uint32_t count)
{
    buf_printf(text, "%s:", name);
    for (uint32_t i = 0; i < count; i++)
        buf_printf(text, "%s%llu", i ? "," : "", (ull)ids[i]);
    buf_printf(text, "\r\n");
}

void status_text(struct host *h, struct buf *text)
{
    raftcore_status s = {.struct_size = sizeof s};
    raftcore_conf conf = {.struct_size = sizeof conf};
    raftcore_peer peers[PEERS_MAX];
    size_t n = 0;

    if (raftcore_get_status(h->node, &s) < 0 || raftcore_get_conf(h->node, &conf) < 0) {
        buf_printf(text, "error:%s\r\n", host_detail(h));
        return;
    }
    buf_printf(text, "id:%llu\r\nrole:%s\r\nterm:%llu\r\nleader:%llu\r\n", (ull)s.id, role_name(s.role), (ull)s.term, (ull)s.leader);
    buf_printf(text, "commit:%llu\r\napplied:%llu\r\n", (ull)s.commit, (ull)s.applied);
    buf_printf(text, "first_index:%llu\r\nlast_index:%llu\r\n", (ull)s.first_index, (ull)s.last_index);
    buf_printf(text, "keys:%llu\r\ndata_hash:%016llx\r\n", (ull)h->store.state.keys, (ull)h->store.state.hash);
    id_list(text, "voters", conf.voters, conf.n_voters);
    if (conf.n_outgoing)
        id_list(text, "voters_outgoing", conf.outgoing, conf.n_outgoing);
    id_list(text, "learners", conf.learners, conf.n_learners);
    buf_printf(text, "memory_bytes:%llu\r\nwaiting_writes:%zu\r\n", (ull)s.memory_bytes, h->writes.count);

    /* Only the leader knows the logs of the others. */
    if (s.role != RAFTCORE_ROLE_LEADER || raftcore_get_peers(h->node, peers, PEERS_MAX, &n) < 0)
        n = 0;
    buf_printf(text, "peers:%zu\r\n", n);
    for (size_t i = 0; i < n && i < PEERS_MAX; i++) {
        const raftcore_peer *p = &peers[i];
        const struct peer *link = peers_find(&h->peers, p->id);
        buf_printf(text, "peer_%llu:%s,match=%llu,next=%llu,flow=%s,%s,%s,address=%s\r\n", (ull)p->id,
                   p->flags & RAFTCORE_PF_LEARNER ? "learner" : "voter", (ull)p->match_index, (ull)p->next_index,
                   flow_name(p->flow), p->flags & RAFTCORE_PF_ACTIVE ? "active" : "silent",
                   p->flags & RAFTCORE_PF_CAUGHT_UP ? "caught_up" : "behind", link ? peer_address(link) : "");
    }
}

void run_status(struct host *h, struct request *r, struct buf *out)
{
    struct buf text = {0};

    (void)r;
    status_text(h, &text);
    resp_bulk(out, buf_slice(&text));
    buf_free(&text);
}

/* The configuration and everyone's progress are the leader's to judge. Elsewhere the command is passed on, once. */
static bool is_leader(struct host *h, struct request *r, struct buf *out)
{
    if (h->role == RAFTCORE_ROLE_LEADER)
        return true;
    if (h->leader == 0)
        resp_error(out, "TRYAGAIN no leader is known: send it again");
    else if (r->origin)
        resp_error(out, "TRYAGAIN node %llu leads now: send it again", (ull)h->leader);
    else
        forward_to_leader(h, r, out);
    return false;
}

static enum membership membership(struct host *h, uint64_t id)
{
    raftcore_conf conf = {.struct_size = sizeof conf};

    host_must(h, raftcore_get_conf(h->node, &conf), "configuration");
    return host_membership(&conf, id);
}

static bool read_id(struct request *r, uint64_t *id, struct buf *out)
{
    if (slice_to_id(r->arg[1], id))
        return true;
    resp_error(out, "ERR a node's id is a decimal number from 1 on");
    return false;
}

/* The change carries the address in its context: a member learns the address by applying the
 * change. */
static void change(struct host *h, struct request *r, uint64_t id, uint32_t kind, uint8_t flags, slice address)
{
    uint8_t bytes[8];

    put_u64(bytes, id);
    op_begin(&r->op, OP_MEMBER, flags, 2);
    op_add(&r->op, slice_of(bytes, sizeof bytes));
    op_add(&r->op, address);
    host_change(h, r, (raftcore_change){.id = id, .kind = kind});
}

/* RAFT.ADD id host:port [LEARNER] */
void run_add(struct host *h, struct request *r, struct buf *out)
{
    uint64_t id;
    bool learner = r->n_args == 4 && slice_is_word(r->arg[3], "LEARNER");

    if (r->n_args > 4 || (r->n_args == 4 && !learner)) {
        resp_error(out, "ERR syntax error: RAFT.ADD id host:port [LEARNER]");
        return;
    }
    if (!read_id(r, &id, out))
        return;
    if (!peers_good_address(r->arg[2])) {
        resp_error(out, "ERR the address must be HOST:PORT: where the others reach the new node's peer port");
        return;
    }
    if (!is_leader(h, r, out))
        return;
    if (membership(h, id) != STRANGER) {
        resp_error(out, "ERR node %llu is a member already%s", (ull)id,
                   membership(h, id) == LEARNER ? " (a learner): RAFT.PROMOTE makes it a voter" : "");
        return;
    }
    if (h->peers.count == PEERS_MAX && !peers_find(&h->peers, id)) {
        resp_error(out, "ERR there are %d peers already, that is as many as this server keeps", PEERS_MAX);
        return;
    }
    change(h, r, id, learner ? RAFTCORE_CHANGE_ADD_LEARNER : RAFTCORE_CHANGE_ADD_NODE, 0, r->arg[2]);
}

void run_promote(struct host *h, struct request *r, struct buf *out)
{
    raftcore_peer peers[PEERS_MAX];
    raftcore_status status = {.struct_size = sizeof status};
    uint64_t id;
    size_t n = 0;

    if (!read_id(r, &id, out) || !is_leader(h, r, out))
        return;
    if (membership(h, id) != LEARNER) {
        resp_error(out, "ERR node %llu is no learner%s", (ull)id,
                   membership(h, id) == VOTER ? ": it is a voter already" : ", nor any member: RAFT.ADD comes first");
        return;
    }
    host_must(h, raftcore_get_status(h->node, &status), "status");
    host_must(h, raftcore_get_peers(h->node, peers, PEERS_MAX, &n), "peers");
    for (size_t i = 0; i < n && i < PEERS_MAX; i++) {
        if (peers[i].id != id || (peers[i].flags & RAFTCORE_PF_CAUGHT_UP))
            continue;
        resp_error(out, "ERR learner %llu has not caught up: it is at %llu, the log ends at %llu, %llu entries further (%s)",
                   (ull)id, (ull)peers[i].match_index, (ull)status.last_index, (ull)(status.last_index - peers[i].match_index),
                   flow_name(peers[i].flow));
        return;
    }
    change(h, r, id, RAFTCORE_CHANGE_ADD_NODE, OP_KEEP_ADDRESS, (slice){0});
}

void run_remove(struct host *h, struct request *r, struct buf *out)
{
    uint64_t id;

    if (!read_id(r, &id, out) || !is_leader(h, r, out))
        return;
    if (membership(h, id) == STRANGER) {
        resp_error(out, "ERR node %llu is no member", (ull)id);
        return;
    }
    change(h, r, id, RAFTCORE_CHANGE_REMOVE_NODE, 0, (slice){0});
}

/* RAFT.TRANSFER id: 0 lets the core choose. Answered when another leads, or when the core has given up (submit.c). */
void run_transfer(struct host *h, struct request *r, struct buf *out)
{
    uint64_t id = 0;

    if (!slice_is(r->arg[1], "0") && !read_id(r, &id, out))
        return;
    if (!is_leader(h, r, out))
        return;
    if (id == h->id) {
        resp_simple(out, "OK");
        return;
    }
    if (h->transfer) {
        resp_error(out, "ERR leadership is being handed over already");
        return;
    }
    raftcore_code code = raftcore_transfer(h->node, id);
    if (code < 0) {
        resp_error(out, "ERR %s (%s)", raftcore_strerror(code), host_detail(h));
        return;
    }
    r->state = REQUEST_WAITING;
    h->transfer = r;
    h->busy = true;
}
