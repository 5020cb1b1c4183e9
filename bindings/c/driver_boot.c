/*
 * driver_boot.c: from a directory to a running core.
 *
 * One rule for all databases: `applied` says what the database holds. If the log does not reach
 * back to there, or nothing is held, the newest snapshot is loaded. The core applies the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "driver_parts.h"

enum { MiB = 1024 * 1024, ENVELOPE = 32 };

/* What the core's disk looks like, as far as the boot needs it. */
struct start {
    struct rh_boot boot;
    uint64_t applied;
    raftcore_slice conf;
    bool forced;                        /* this node is the whole group: rh_recover */
};

/* ---- the core ---- */

static int configure(struct rh_driver *d, raftcore_config *c, struct rh_words *why)
{
    char fault[160];
    raftcore_code code = raftcore_config_init(c, sizeof *c);

    if (code != RAFTCORE_OK)
        return rh_core_fail(NULL, code, "config_init", why);
    c->id = d->o.id;
    c->group = d->o.group;
    c->seed = d->seed ? d->seed : 1;
    c->storage = RAFTCORE_STORAGE_ASYNC;
    c->flags |= RAFTCORE_FLAG_NOMINATE_SUCCESSOR | (d->o.lease_reads ? RAFTCORE_FLAG_LEASE_READS : 0);
    c->election_ticks = d->o.election_ticks;
    c->read_timeout_ticks = 2 * d->o.election_ticks;
    c->max_outstanding = RH_READIES;
    c->max_peers = 64;
    c->max_tokens = RH_REQUESTS;
    c->max_entry_bytes = (uint64_t)d->o.max_entry_bytes + ENVELOPE;
    c->recent_bytes = 64 * MiB > 4 * c->max_entry_bytes ? 64 * MiB : 4 * c->max_entry_bytes;
    c->max_uncommitted_size = 16 * MiB > 2 * c->max_entry_bytes ? 16 * MiB : 2 * c->max_entry_bytes;
    c->max_inflight_bytes = 8 * MiB;
    if (raftcore_config_error(c, fault, sizeof fault) > 0)
        return rh_fail(why, RH_E_ARG, "%s", fault);
    code = raftcore_frame_limit(c, &d->frame_limit);
    return code == RAFTCORE_OK ? RH_OK : rh_core_fail(NULL, code, "frame_limit", why);
}

static int new_node(struct rh_driver *d, raftcore_node **out, struct rh_words *why)
{
    raftcore_config c;
    int code = configure(d, &c, why);
    raftcore_code made = code == RH_OK ? raftcore_new(&c, out) : RAFTCORE_OK;

    return code == RH_OK && made != RAFTCORE_OK ? rh_core_fail(NULL, made, "new", why) : code;
}

uint64_t rh_driver_frame_limit(const struct rh_driver *d)
{
    const uint64_t least = 64 * MiB;    /* of host frames */

    return d->frame_limit > least ? d->frame_limit : least;
}

static int boot_entries(struct rh_driver *d, raftcore_node *node, const struct start *s, struct rh_words *why)
{
    size_t cap = MiB;
    uint8_t *buf = malloc(cap);
    int code = RH_OK;

    for (uint64_t first = s->applied + 1; code == RH_OK && first <= s->boot.last;) {
        struct rh_read io = {.buf = buf, .cap = cap, .entries = d->fetch_entries, .max = RH_FETCH_ENTRIES};
        code = buf ? d->log.ops->read(d->log.self, first, s->boot.last, &io, why)
                   : rh_fail(why, RH_E_NOMEM, "no memory to boot");
        if (code == RH_E_SMALL) {
            free(buf);
            cap = io.need;
            buf = malloc(cap);
            code = RH_OK;
            continue;
        }
        if (code != RH_OK)
            break;
        raftcore_code answer = raftcore_boot_entries(node, d->fetch_entries, io.count);
        if (answer != RAFTCORE_OK)
            code = rh_core_fail(node, answer, "boot_entries", why);
        first += io.count;
    }
    free(buf);
    return code;
}

static int boot_parts(struct rh_driver *d, raftcore_node *node, const struct start *s, struct rh_words *why)
{
    const struct rh_boot *b = &s->boot;
    raftcore_conf conf = {.struct_size = sizeof conf, .bytes = s->conf};
    raftcore_code code = raftcore_boot_state(node, b->term, b->vote, b->commit);

    if (code != RAFTCORE_OK)
        return rh_core_fail(node, code, "boot_state", why);
    if (s->forced)
        conf = (raftcore_conf){.struct_size = sizeof conf, .voters = &d->o.id, .n_voters = 1, .index = s->applied};
    if (s->applied > 0) {
        code = raftcore_boot_conf(node, &conf, b->before, b->before_term);
        if (code != RAFTCORE_OK)
            return rh_core_fail(node, code, "boot_conf", why);
        if (b->n_runs > 0)
            code = raftcore_boot_terms(node, b->runs, b->n_runs, b->last);
        if (code != RAFTCORE_OK)
            return rh_core_fail(node, code, "boot_terms", why);
        int entries = boot_entries(d, node, s, why);
        if (entries != RH_OK)
            return entries;
    }
    code = raftcore_boot_done(node, s->applied);
    return code == RAFTCORE_OK ? RH_OK : rh_core_fail(node, code, "boot_done", why);
}

/* Finds out what the database holds, and loads a snapshot if the log does not reach back to there. */
static int prepare_database(struct rh_driver *d, struct start *s, struct rh_words *why)
{
    const struct rh_boot *b = &s->boot;
    uint64_t has = 0;

    if (d->db.applied(d->db.self, &has, why) < 0)
        return RH_E_DATABASE;
    d->newest = b->snapshot;
    d->newest.conf = (raftcore_slice){0};
    s->applied = has;
    if (b->snapshot.index > 0 && (has == 0 || has < b->before)) {
        if (b->snapshot.index < b->before)
            return rh_fail(why, RH_E_DATABASE,
                           "the database has entries up to %llu, the log begins behind %llu: entries are missing",
                           (ull)has, (ull)b->before);
        if (b->snapshot.bytes > 0) {
            int code = rh_load_database(d, &b->snapshot, why);
            if (code != RH_OK)
                return code;
        }
        s->applied = b->snapshot.index;
    }
    if (s->applied > b->last)
        return rh_fail(why, RH_E_DAMAGED,
                       "the database has entries up to %llu, the log ends at %llu: entries of the log are lost",
                       (ull)s->applied, (ull)b->last);
    d->given = d->applied = s->applied;
    return RH_OK;
}

/*
 * Takes the address books of the applied memberships, the oldest first: removed members stay known.
 * Then finds the membership to boot with. After rh_recover, changes before its own do not count.
 */
static int take_memberships(struct rh_driver *d, struct start *s, struct rh_words *why)
{
    const struct rh_conf as_of = rh_boot_conf(&s->boot, s->applied);
    raftcore_slice conf, book;
    bool forced;

    for (size_t i = 0; i < s->boot.n_confs; i++) {
        const struct rh_conf *c = &s->boot.confs[i];
        d->conf_index = c->index;
        if (!rh_blob_open(c->bytes, &conf, &book, &forced))
            return rh_fail(why, RH_E_DAMAGED, "the membership as of entry %llu has no known form", (ull)c->index);
        if (forced)
            d->forced = c->index;
        if (c->index <= s->applied && rh_take_book(d, book) < 0)
            return rh_fail(why, RH_E_NOMEM, "no memory for the address book");
    }
    s->forced = s->applied < d->forced;
    if (as_of.bytes.len > 0)
        rh_blob_open(as_of.bytes, &s->conf, &book, &forced);
    return RH_OK;
}

int rh_boot_node(struct rh_driver *d, struct rh_words *why)
{
    struct start s = {0};
    raftcore_node *node = NULL;
    raftcore_conf conf = {.struct_size = sizeof conf};
    int code = d->log.ops->boot(d->log.self, &s.boot, why);

    if (code == RH_OK)
        code = prepare_database(d, &s, why);
    if (code == RH_OK)                  /* loading may have changed what the first call returned */
        code = d->log.ops->boot(d->log.self, &s.boot, why);
    if (code == RH_OK)
        code = take_memberships(d, &s, why);
    if (code == RH_OK)
        code = new_node(d, &node, why);
    if (code == RH_OK)
        code = boot_parts(d, node, &s, why);
    if (code == RH_OK && s.applied > 0) {
        raftcore_code got = raftcore_get_conf(node, &conf);
        if (got != RAFTCORE_OK || rh_set_membership(d, &conf) != RH_OK)
            code = rh_fail(why, RH_E_NOMEM, "no memory for the membership");
    }
    if (code != RH_OK) {
        raftcore_free(node);
        return code;
    }
    if (s.boot.note[0])
        rh_driver_say(d, RH_LOG_WARNING, "%s", s.boot.note);
    d->node = node;
    if (!d->electable)
        rh_driver_set_electable(d, false);
    d->term = s.boot.term;
    d->commit = s.boot.commit;
    d->first_out = 1;
    d->ticked = d->now;
    d->clean = true;
    rh_driver_say(d, RH_LOG_INFO, "node %llu of group %llu: log to %llu, committed %llu, applied %llu", (ull)d->o.id,
           (ull)d->o.group, (ull)s.boot.last, (ull)s.boot.commit, (ull)s.applied);
    return RH_OK;
}

static int check_options(const struct rh_options *o, const struct rh_database *db, struct rh_words *why)
{
    if (o->id == 0 || o->group == 0)
        return rh_fail(why, RH_E_ARG, "id and group must not be 0");
    if (!o->peer || !rh_wire_is_address((raftcore_slice){(const uint8_t *)o->peer, strlen(o->peer)}))
        return rh_fail(why, RH_E_ARG, "peer must be an address, HOST:PORT: %s", o->peer ? o->peer : "(none)");
    if (o->client && o->client[0] && !rh_wire_is_address((raftcore_slice){(const uint8_t *)o->client, strlen(o->client)}))
        return rh_fail(why, RH_E_ARG, "client must be an address, HOST:PORT: %s", o->client);
    if (o->join && o->join[0] && !rh_wire_is_address((raftcore_slice){(const uint8_t *)o->join, strlen(o->join)}))
        return rh_fail(why, RH_E_ARG, "join must be an address, HOST:PORT: %s", o->join);
    if (o->found && o->join)
        return rh_fail(why, RH_E_ARG, "found and join exclude each other");
    if (o->restore && !o->found)
        return rh_fail(why, RH_E_ARG, "restore needs found: a backup begins a new group");
    if (o->tick_ms == 0 || o->request_ms == 0 || o->election_ticks < 2 || o->max_entry_bytes == 0)
        return rh_fail(why, RH_E_ARG, "tick_ms, request_ms and max_entry_bytes must be at least 1, election_ticks 2");
    if (!db->apply || !db->applied || !db->snapshot_open || !db->snapshot_read || !db->snapshot_close ||
        !db->snapshot_load || !db->outcome)
        return rh_fail(why, RH_E_ARG, "struct rh_database: only flush and role may be NULL");
    return RH_OK;
}

int rh_driver_open(const struct rh_driver_setup *setup, struct rh_driver **out, struct rh_words *why)
{
    struct rh_words ignored;
    struct rh_driver *d = calloc(1, sizeof *d);
    struct rh_log log = setup->log;
    int code = d ? check_options(setup->options, setup->database, why) : rh_fail(why, RH_E_NOMEM, "no memory");

    if (code != RH_OK) {
        free(d);
        log.ops->close(log.self, &ignored);
        return code;
    }
    d->o = *setup->options;
    d->db = *setup->database;
    d->dir = setup->dir;
    d->log = log;
    d->workers = setup->workers;
    d->seed = setup->seed;
    d->now = setup->now;
    d->oldest = 1;
    d->first_out = 1;
    d->electable = true;
    pthread_mutex_init(&d->mutex, NULL);
    snprintf(d->peer_address, sizeof d->peer_address, "%s", d->o.peer);
    snprintf(d->client_address, sizeof d->client_address, "%s", d->o.client ? d->o.client : "");
    snprintf(d->join, sizeof d->join, "%s", d->o.join ? d->o.join : "");
    d->slots = calloc(RH_REQUESTS, sizeof *d->slots);
    d->fetch_entries = calloc(RH_FETCH_ENTRIES, sizeof *d->fetch_entries);
    raftcore_config c;
    code = d->slots && d->fetch_entries ? configure(d, &c, why) : rh_fail(why, RH_E_NOMEM, "no memory");
    if (code == RH_OK)
        code = rh_found_if_asked(d, why);
    if (code == RH_OK) {
        d->joining = rh_is_zero(d->dir->owner.founding, RH_ID_BYTES);
        /* With join "", somebody adds this node: the core waits for a leader. */
        if (!d->joining || !d->join[0])
            code = rh_boot_node(d, why);
        d->joining = d->joining && d->join[0];
    }
    if (code != RH_OK) {
        rh_driver_close(d, &ignored);
        return code;
    }
    *out = d;
    return RH_OK;
}
