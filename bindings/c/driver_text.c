/* driver_text.c: the status in words, for people and scripts. */
#include <inttypes.h>

#include "driver_parts.h"
#include "metrics_text.h"

static const char *name_of(uint32_t n, const char *const *names, size_t count)
{
    return n < count && names[n] ? names[n] : "unknown";
}

#define NAME(n, names) name_of(n, names, sizeof(names) / sizeof *(names))

static const char *role_name(uint32_t role)
{
    static const char *const names[] = {[RAFTCORE_ROLE_FOLLOWER] = "follower", [RAFTCORE_ROLE_PRE_CANDIDATE] = "precandidate",
                                        [RAFTCORE_ROLE_CANDIDATE] = "candidate", [RAFTCORE_ROLE_LEADER] = "leader"};
    return NAME(role, names);
}

static const char *flow_name(uint32_t flow)
{
    static const char *const names[] = {[RAFTCORE_FLOW_PROBE] = "probe", [RAFTCORE_FLOW_REPLICATE] = "replicate",
                                        [RAFTCORE_FLOW_SNAPSHOT] = "snapshot"};
    return NAME(flow, names);
}

static void number(struct text *t, const char *name, uint64_t value)
{
    add(t, "%s:%" PRIu64 "\n", name, value);
}

static void id_list(const struct rh_driver *d, struct text *t, const char *name, bool voters)
{
    const char *comma = "";

    add(t, "%s:", name);
    for (size_t i = 0; i < d->n_records; i++)
        if (voters ? d->records[i].voter : d->records[i].learner) {
            add(t, "%s%" PRIu64, comma, d->records[i].id);
            comma = ",";
        }
    add(t, "\n");
}

/* Only the leader knows the members' logs. */
static void member(const struct rh_driver *d, struct text *t, const struct rh_record *r, const raftcore_peer *p)
{
    add(t, "member_%" PRIu64 ":%s,peer=%s,client=%s", r->id, r->voter ? "voter" : r->learner ? "learner" : "removed", r->peer,
        r->client);
    if (d->role == RAFTCORE_ROLE_LEADER && r->id != d->o.id && p)
        add(t, ",match=%" PRIu64 ",next=%" PRIu64 ",flow=%s,%s", p->match_index, p->next_index, flow_name(p->flow),
            p->flags & RAFTCORE_PF_ACTIVE ? "active" : "silent");
    add(t, "\n");
}

size_t rh_driver_status_text(struct rh_driver *d, char *buf, size_t cap)
{
    struct text t = {.to = buf, .cap = cap};
    struct rh_status s = {.struct_size = sizeof s};
    raftcore_peer peers[256];
    size_t n = 0;

    rh_driver_status(d, &s);
    if (!d->node || raftcore_get_peers(d->node, peers, 256, &n) != RAFTCORE_OK)
        n = 0;
    number(&t, "id", s.core.id);
    add(&t, "role:%s\n", role_name(s.core.role));
    number(&t, "term", s.core.term);
    number(&t, "leader", s.core.leader);
    add(&t, "leader_client:%s\n", s.leader_client);
    number(&t, "commit", s.core.commit);
    number(&t, "applied", s.core.applied);
    number(&t, "first_index", s.core.first_index);
    number(&t, "last_index", s.core.last_index);
    id_list(d, &t, "voters", true);
    id_list(d, &t, "learners", false);
    number(&t, "log_bytes", s.log_bytes);
    number(&t, "snapshot_index", s.snapshot_index);
    number(&t, "free_bytes", s.free_bytes);
    add(&t, "space:%s\n", s.space == 0 ? "enough" : s.space == 1 ? "low" : "reserve");
    number(&t, "memory_bytes", s.core.memory_bytes);
    number(&t, "waiting_requests", s.requests);
    add(&t, "failed:%s\n", d->failed ? d->words.text : "");
    for (size_t i = 0; i < d->n_records; i++) {
        const raftcore_peer *found = NULL;
        for (size_t k = 0; k < n && k < 256; k++)
            if (peers[k].id == d->records[i].id)
                found = &peers[k];
        member(d, &t, &d->records[i], found);
    }
    return t.len;
}
