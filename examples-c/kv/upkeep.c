/* upkeep.c: work by time: ticks, requests that waited too long, old log, events to log, the end. */
#include "forward.h"
#include "host.h"
#include "incoming.h"
#include "submit.h"

enum { COMPACT_STEP = 8192 };       /* entries dropped per tick, so that no turn of the loop is long */

/*
 * Drops entries older than the last `keep`, except entries that a live peer is about to need: a
 * peer slightly behind, or with a snapshot in flight. A peer too far behind gets a snapshot.
 */
static void compact(struct host *h)
{
    struct store *s = &h->store;
    raftcore_peer peers[PEERS_MAX];
    size_t n = 0;
    uint64_t slack = h->keep + 10 * h->keep + 10000;

    if (s->state.applied <= h->keep)
        return;
    uint64_t upto = s->state.applied - h->keep, least = s->state.applied > slack ? s->state.applied - slack : 0;
    if (h->role == RAFTCORE_ROLE_LEADER && raftcore_get_peers(h->node, peers, PEERS_MAX, &n) >= 0) {
        for (size_t i = 0; i < n && i < PEERS_MAX; i++) {
            uint64_t needs = peers[i].flow == RAFTCORE_FLOW_SNAPSHOT ? peers[i].pending_snapshot : peers[i].match_index;
            if ((peers[i].flags & RAFTCORE_PF_ACTIVE) && peers[i].id != h->id && needs < upto)
                upto = needs;
        }
    }
    if (snapshot_oldest(h) < upto)
        upto = snapshot_oldest(h);
    if (upto < least)
        upto = least;
    if (upto < s->state.before + COMPACT_STEP / 32)
        return;                     /* a few more make no difference, and each time costs a sync */
    store_compact(s, upto, COMPACT_STEP);
    store_commit(s);                /* the core may know only once the entries are gone from the disk */
    host_must(h, raftcore_compacted(h->node, s->state.before), "compacted");
}

/* Logs events that a person should know of and that the host has not logged. The others are for
 * traces: a line per message is too much. */
static void drain_events(struct host *h)
{
    raftcore_event e;

    while (raftcore_next_event(h->node, &e) == RAFTCORE_OK) {
        switch (e.kind) {
        case RAFTCORE_EVENT_BECAME_FOLLOWER:
            if (e.reason != RAFTCORE_REASON_OWN_WRITE && e.reason != RAFTCORE_REASON_NO_QUORUM)
                break;
            /* fall through */
        case RAFTCORE_EVENT_ALARM:
        case RAFTCORE_EVENT_APPLY_WAITS:
        case RAFTCORE_EVENT_NO_LEADER_LONG:
        case RAFTCORE_EVENT_PAUSED:
        case RAFTCORE_EVENT_PEER_LAGS:
        case RAFTCORE_EVENT_REPAIRED:
        case RAFTCORE_EVENT_TRANSFER_ENDED:
            note("%s: peer %llu, index %llu, %llu, %llu (%s)", raftcore_event_text(e.kind), (ull)e.peer, (ull)e.index,
                 (ull)e.a, (ull)e.b, raftcore_reason_text(e.reason));
            break;
        }
    }
}

void host_tick(struct host *h, uint32_t ticks)
{
    host_must(h, raftcore_tick(h->node, ticks), "tick");
    h->busy = true;
    expire_requests(h);
    peers_tick(&h->peers);
    incoming_tick(&h->peers);
    forward_tick(h);
    snapshot_tick(h);
    compact(h);
    drain_events(h);
    store_measure(&h->store);
    store_commit(&h->store);        /* the open transaction of readies without MUST_SYNC */
}

bool host_is_idle(const struct host *h)
{
    for (size_t i = 0; i < READ_BATCHES; i++)
        if (h->batches[i].token)
            return false;
    return !h->writes.head && !h->reads.head && !h->forwards.head && h->n_pending == 0;
}

void host_give_up(struct host *h)
{
    for (struct request *r; (r = requests_take(&h->writes));)
        try_again(r, "the server stops");
    for (struct request *r; (r = requests_take(&h->reads));)
        try_again(r, "the server stops");
    for (size_t i = 0; i < READ_BATCHES; i++)
        for (struct request *r; (r = requests_take(&h->batches[i].requests));)
            try_again(r, "the server stops");
    give_up_pending(h);
}

void host_close(struct host *h)
{
    store_close(&h->store);
    raftcore_free(h->node);
}
