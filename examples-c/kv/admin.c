/* admin.c: RAFT.STATUS of the node; RAFT.ADD, ADDRESS, PROMOTE, REMOVE and TRANSFER, passed on to the leader by the library. */
#include "admin.h"

#include <stdlib.h>

#include "command.h"
#include "host.h"
#include "resp.h"

enum { MEMBERS = 64, ADD_MS = 10000, RETRY_MS = 50 };

static struct request *adding;      /* RAFT.ADD of a voter: added as a learner, and to be promoted */
static int64_t promote_at;

static const char *name_of(uint32_t n, const char *const *names, uint32_t count) {
    return n < count ? names[n] : "unknown";
}

static const char *role_name(uint32_t role) {
    static const char *const names[] = {[RAFTCORE_ROLE_FOLLOWER] = "follower", [RAFTCORE_ROLE_PRE_CANDIDATE] = "precandidate",
                                        [RAFTCORE_ROLE_CANDIDATE] = "candidate", [RAFTCORE_ROLE_LEADER] = "leader"};
    return name_of(role, names, sizeof names / sizeof *names);
}

static const char *flow_name(uint32_t flow) {
    static const char *const names[] = {[RAFTCORE_FLOW_PROBE] = "probe", [RAFTCORE_FLOW_REPLICATE] = "replicate",
                                        [RAFTCORE_FLOW_SNAPSHOT] = "snapshot"};
    return name_of(flow, names, sizeof names / sizeof *names);
}

static int by_id(const void *a, const void *b) {
    uint64_t x = ((const struct rh_member *)a)->id, y = ((const struct rh_member *)b)->id;
    return (x > y) - (x < y);
}

static size_t members(struct rh_member *list) {
    size_t n = 0;
    for (size_t i = 0; i < MEMBERS; i++)
        list[i].struct_size = sizeof list[i];
    rh_members(kv.host, list, MEMBERS, &n);
    n = n < MEMBERS ? n : MEMBERS;
    qsort(list, n, sizeof *list, by_id);
    return n;
}

static void id_list(struct buf *text, const char *name, const struct rh_member *list, size_t n, bool voters) {
    const char *comma = "";
    buf_printf(text, "%s:", name);
    for (size_t i = 0; i < n; i++)
        if (voters ? list[i].voter : list[i].learner) {
            buf_printf(text, "%s%llu", comma, (ull)list[i].id);
            comma = ",";
        }
    buf_printf(text, "\r\n");
}

void status_text(struct buf *text) {
    struct rh_status s = {.struct_size = sizeof s};
    struct rh_member list[MEMBERS];
    size_t n = members(list);
    rh_get_status(kv.host, &s);
    const raftcore_status *c = &s.core;
    bool leads = c->role == RAFTCORE_ROLE_LEADER;
    buf_printf(text, "id:%llu\r\nrole:%s\r\nterm:%llu\r\nleader:%llu\r\n", (ull)c->id, role_name(c->role), (ull)c->term, (ull)c->leader);
    buf_printf(text, "commit:%llu\r\napplied:%llu\r\n", (ull)c->commit, (ull)c->applied);
    buf_printf(text, "first_index:%llu\r\nlast_index:%llu\r\n", (ull)c->first_index, (ull)c->last_index);
    buf_printf(text, "keys:%llu\r\ndata_hash:%016llx\r\n", (ull)kv.data.now.state.keys, (ull)kv.data.now.state.hash);
    id_list(text, "voters", list, n, true);
    id_list(text, "learners", list, n, false);
    buf_printf(text, "log_bytes:%llu\r\nsnapshot_index:%llu\r\n", (ull)s.log_bytes, (ull)s.snapshot_index);
    buf_printf(text, "memory_bytes:%llu\r\nwaiting_requests:%llu\r\n", (ull)c->memory_bytes, (ull)s.requests);
    for (size_t i = 0; i < n; i++) {
        const struct rh_member *m = &list[i];
        buf_printf(text, "member_%llu:%s,peer=%s,client=%s", (ull)m->id, m->voter ? "voter" : m->learner ? "learner" : "removed",
                   m->peer_address, m->client_address);
        if (leads && m->id != c->id && (m->voter || m->learner))    /* only the leader knows the members' logs */
            buf_printf(text, ",match=%llu,next=%llu,flow=%s,%s", (ull)m->core.match_index, (ull)m->core.next_index,
                       flow_name(m->core.flow), m->core.flags & RAFTCORE_PF_ACTIVE ? "active" : "silent");
        buf_printf(text, "\r\n");
    }
}

void run_status(struct request *r, struct buf *out) {
    struct buf text = {0};
    status_text(&text);
    resp_bulk(out, buf_slice(&text));
    buf_free(&text);
}

static bool read_id(struct request *r, uint64_t *id, struct buf *out) {
    if (slice_to_id(r->arg[1], id))
        return true;
    resp_error(out, "ERR a node's id is a decimal number from 1 on");
    return false;
}

/* RAFT.ADD id host:port [LEARNER] */
void run_add(struct request *r, struct buf *out) {
    char address[256];
    uint64_t id;
    bool learner = r->n_args == 4 && slice_is_word(r->arg[3], "LEARNER");
    if (r->n_args > 4 || (r->n_args == 4 && !learner)) {
        resp_error(out, "ERR syntax error: RAFT.ADD id host:port [LEARNER]");
        return;
    }
    if (!read_id(r, &id, out))
        return;
    snprintf(address, sizeof address, "%.*s", (int)r->arg[2].len, (const char *)r->arg[2].ptr);
    r->id = learner ? 0 : id;
    int code = rh_add(kv.host, id, address, NULL, (uint64_t)(uintptr_t)r);
    if (code == RH_E_ARG)
        resp_error(out, "ERR the address must be HOST:PORT: where the others reach the new node's peer port");
    else
        host_wait(r, code, out);
}

/* RAFT.ADDRESS id host:port: where a node is now. The node itself tells the group, unless all have moved at once. */
void run_address(struct request *r, struct buf *out) {
    char address[256];
    uint64_t id;
    if (!read_id(r, &id, out))
        return;
    snprintf(address, sizeof address, "%.*s", (int)r->arg[2].len, (const char *)r->arg[2].ptr);
    int code = rh_set_address(kv.host, id, address, NULL, (uint64_t)(uintptr_t)r);
    if (code == RH_E_ARG)
        resp_error(out, "ERR the address must be HOST:PORT: where the others reach the node's peer port");
    else
        host_wait(r, code, out);
}

void run_promote(struct request *r, struct buf *out) {
    uint64_t id;
    if (read_id(r, &id, out))
        host_wait(r, rh_promote(kv.host, id, (uint64_t)(uintptr_t)r), out);
}

void run_remove(struct request *r, struct buf *out) {
    uint64_t id;
    if (read_id(r, &id, out))
        host_wait(r, rh_remove(kv.host, id, (uint64_t)(uintptr_t)r), out);
}

/* RAFT.TRANSFER id: 0 lets the library choose. Answered when a new leader is known, or when the time is up. */
void run_transfer(struct request *r, struct buf *out) {
    struct rh_status s = {.struct_size = sizeof s};
    uint64_t id = 0;
    if (!slice_equal(r->arg[1], slice_of("0", 1)) && !read_id(r, &id, out))
        return;
    rh_get_status(kv.host, &s);
    if (id != 0 && id == s.core.leader)
        resp_simple(out, "OK");
    else
        host_wait(r, rh_transfer(kv.host, id, (uint64_t)(uintptr_t)r), out);
}

static void done(struct request *r, const char *error, const char *words) {
    if (error)
        resp_error(&r->reply, "%s %s", error, words);
    else
        resp_simple(&r->reply, "OK");
    request_done(r, REQUEST_DONE);
}

void admin_outcome(struct request *r, const struct rh_outcome *o) {
    struct rh_status s = {.struct_size = sizeof s};
    bool refused = o->what == RH_NOT_COMMITTED, promoting = r->deadline > 0;
    rh_get_status(kv.host, &s);
    if (r->id && (o->what == RH_DONE) != promoting && (!promoting || now_ms() < r->deadline)) {
        r->deadline = promoting ? r->deadline : now_ms() + ADD_MS;
        r->queued = adding;
        adding = r;
    } else if (o->what == RH_DONE) {
        done(r, NULL, "");
    } else if (promoting) {
        done(r, "ERR it is a learner now, and RAFT.PROMOTE makes it a voter later:", o->words);
    } else {
        done(r, !refused ? "UNKNOWN" : s.core.leader == 0 ? "TRYAGAIN" : "ERR", o->words);
    }
}

void admin_turn(void) {
    struct rh_member list[MEMBERS];
    if (!adding || now_ms() < promote_at)
        return;
    size_t n = members(list);
    struct request *r = adding;
    adding = NULL;
    promote_at = now_ms() + RETRY_MS;
    for (struct request *next; r; r = next) {
        bool voter = false;
        next = r->queued;
        for (size_t i = 0; i < n; i++)
            voter = voter || (list[i].id == r->id && list[i].voter);
        if (voter)
            done(r, NULL, "");
        else if (rh_promote(kv.host, r->id, (uint64_t)(uintptr_t)r) != RH_OK)
            done(r, "UNKNOWN", "the server stops, or is busy: it is a learner now");
    }
}
