/*
 * boot.c: a node from its disk: the core's configuration, founders, joining nodes, survivors of a
 * lost quorum.
 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>

#include "op.h"

static raftcore_node *new_node(struct host *h)
{
    raftcore_config c;
    raftcore_node *node = NULL;
    raftcore_code code = raftcore_config_init(&c, sizeof c);

    if (code != RAFTCORE_OK)
        die("the library does not know this program's raftcore.h: %s", raftcore_strerror(code));
    c.id = h->id;
    c.group = h->group;
    /* A new seed at each start: read contexts become unique, and an old answer can't pass for a new
     * answer. */
    c.seed = random_u64();
    c.storage = RAFTCORE_STORAGE_SYNC;
    c.election_ticks = ELECTION_TICKS;
    c.heartbeat_ticks = HEARTBEAT_TICKS;
    c.read_timeout_ticks = 2 * ELECTION_TICKS;
    c.max_peers = PEERS_MAX;
    c.max_tokens = PENDING;
    c.max_entry_bytes = OP_MAX + 4096;
    c.max_size_per_msg = 1024 * 1024;
    c.max_inflight_bytes = 8 * 1024 * 1024;
    c.max_uncommitted_size = 16 * 1024 * 1024;
    c.recent_bytes = 64 * 1024 * 1024;
    /* A write may come to any node, and the core forwards the write. The operation names its owner:
     * op.h. */
    c.flags |= RAFTCORE_FLAG_NOMINATE_SUCCESSOR | RAFTCORE_FLAG_FORWARDING;
    code = raftcore_new(&c, &node);
    if (code != RAFTCORE_OK) {
        char why[128];
        raftcore_config_error(&c, why, sizeof why);
        die("the library refuses the configuration: %s (%s)", raftcore_strerror(code), why);
    }
    uint64_t largest = 0;
    if (raftcore_frame_limit(&c, &largest) != RAFTCORE_OK || largest > FRAME_MAX)
        die("frames of %llu bytes may come, and %d are taken", (ull)largest, FRAME_MAX);
    return node;
}

/* Returns the last index of the run of equal terms from `first` on. Terms never fall along the log,
 * so a binary search finds the end. */
static uint64_t run_end(struct store *s, uint64_t first, uint64_t last)
{
    uint64_t term = store_term(s, first);

    while (first < last) {
        uint64_t middle = last - (last - first) / 2;
        if (store_term(s, middle) == term)
            first = middle;
        else
            last = middle - 1;
    }
    return first;
}

/* Makes room for another element: arrays grow by half. */
static void *grown(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return array;
    *room += *room / 2 + 64;
    array = realloc(array, *room * size);
    if (!array)
        die("out of memory");
    return array;
}

/* Returns the term of each part of the log. Of applied entries, the core needs only the terms. */
static raftcore_run *log_terms(struct store *s, size_t *count)
{
    raftcore_run *runs = NULL;
    size_t room = 0;

    for (uint64_t at = s->state.before + 1; at <= s->last; at = run_end(s, at, s->last) + 1) {
        runs = grown(runs, *count, &room, sizeof *runs);
        runs[(*count)++] = (raftcore_run){.first = at, .term = store_term(s, at)};
    }
    return runs;
}

/* Returns the entries not applied yet. The data stay in LMDB's pages: nothing is written before the
 * core has copied the data. */
static raftcore_entry *log_tail(struct store *s, size_t *count)
{
    raftcore_entry *entries = NULL;
    size_t room = 0;

    for (uint64_t at = s->state.applied + 1; at <= s->last; at++) {
        entries = grown(entries, *count, &room, sizeof *entries);
        if (!store_entry(s, at, &entries[(*count)++]))
            die("entry %llu is not in the log, which goes from %llu to %llu", (ull)at, (ull)s->state.before + 1, (ull)s->last);
    }
    return entries;
}

/* Boots from everything stored. The core compares the parts, and refuses a forgotten part. */
static void boot(struct host *h, const raftcore_conf *conf)
{
    struct store *s = &h->store;
    raftcore_stored stored = {
        .struct_size = sizeof stored,
        .term = s->state.term,
        .vote = s->state.vote,
        .commit = s->state.commit,
        .applied = s->state.applied,
        .before_first = s->state.before,
        .before_first_term = s->state.before_term,
        .last = s->last,
        .conf = conf,
    };
    raftcore_run *runs = log_terms(s, &stored.n_runs);
    raftcore_entry *entries = log_tail(s, &stored.n_entries);

    stored.runs = runs;
    stored.entries = entries;
    host_must(h, raftcore_boot(h->node, &stored), "boot");
    free(runs);
    free(entries);
}

/*
 * A founder's disk holds the members as if agreed on at index 1 in term 1. A node that joins later,
 * with an empty disk, gets the members by snapshot and never has to guess. The disk has the
 * founding state before any message leaves.
 */
static void found(struct host *h)
{
    uint64_t ids[PEERS_MAX];
    uint8_t bytes[16 * PEERS_MAX];
    raftcore_conf conf = {.struct_size = sizeof conf, .voters = ids, .index = 1};
    struct store *s = &h->store;
    size_t len = 0;

    for (size_t i = 0; i < h->peers.count; i++)
        ids[conf.n_voters++] = h->peers.peer[i]->id;
    host_must(h, raftcore_conf_encode(&conf, bytes, sizeof bytes, &len), "boot: configuration");
    s->state.commit = s->state.applied = s->state.before = s->last = 1;
    s->state.before_term = 1;
    store_set_conf(s, slice_of(bytes, len));
    boot(h, &conf);
    note("an empty disk: founding a cluster of %u", conf.n_voters);
}

/*
 * The last resort when most members are gone for good: this node goes on alone, as the only voter.
 * Writes that only the lost members had are lost. If the others are NOT gone, two clusters exist
 * from now on, and both accept writes. Membership changes in the log after `applied` belong to the
 * old cluster and are skipped.
 */
static void force_alone(struct host *h, raftcore_conf *conf)
{
    struct store *s = &h->store;

    note("--force-cluster: THIS NODE FORGETS THE OTHERS AND GOES ON ALONE, from entry %llu.", (ull)s->last);
    note("--force-cluster: writes that only the others have ARE LOST. If one of them ever starts again, there are TWO clusters.");
    note("--force-cluster: a new --group keeps the old ones out. Bring others in with empty disks, --join and RAFT.ADD;");
    note("--force-cluster: never start with this option again.");
    *conf = (raftcore_conf){.struct_size = sizeof *conf, .voters = &h->id, .n_voters = 1, .index = s->state.applied};
    s->state.skip_conf_to = s->last;
}

static void boot_from_disk(struct host *h, bool force)
{
    struct store *s = &h->store;
    struct store_state *st = &s->state;
    raftcore_conf conf = {.struct_size = sizeof conf, .bytes = store_conf(s)}, now = {.struct_size = sizeof now};

    if (force && conf.bytes.len == 0)
        die("--force-cluster: this disk has never been a member of a cluster");
    if (force)
        force_alone(h, &conf);
    boot(h, force || conf.bytes.len > 0 ? &conf : NULL);
    if (force) {
        host_must(h, raftcore_get_conf(h->node, &now), "boot: configuration");
        store_set_conf(s, now.bytes);
    }
    note("booted in term %llu: log after %llu to %llu, applied %llu, %llu keys", (ull)st->term, (ull)st->before,
         (ull)s->last, (ull)st->applied, (ull)st->keys);
}

void host_boot(struct host *h, const struct options *o)
{
    char who[96];

    h->id = o->id;
    h->group = o->group;
    h->keep = o->keep;
    h->nonce = random_u64();
    h->oldest = 1;
    snprintf(who, sizeof who, "node %llu", (ull)h->id);
    note_who(who);

    store_open(&h->store, o->dir, o->id, o->group, o->force_cluster, o->map_bytes);
    h->peers.host = h;
    if (!peers_set_fixed(&h->peers, o->cluster))
        die("--cluster is a list like 1=host:port,2=host:port of at most %d nodes", PEERS_MAX);
    peers_set_learned(&h->peers, store_addresses(&h->store));
    h->node = new_node(h);
    h->term = h->store.state.term;

    if (!h->store.fresh) {
        boot_from_disk(h, o->force_cluster);
    } else if (o->force_cluster) {
        die("--force-cluster: the disk is empty, there is nothing to go on from");
    } else if (o->join) {
        boot(h, NULL);
        note("an empty disk: waiting to be added with RAFT.ADD %llu", (ull)h->id);
    } else {
        if (!peers_find(&h->peers, h->id))
            die("--cluster must name this node, %llu, too: it founds the cluster with all that are named", (ull)h->id);
        found(h);
    }
    store_commit(&h->store);
}
