/* Three nodes in one process elect a leader, replicate two proposals and apply them. A fourth node joins by snapshot.
 * Build and run: make minimal. The function work() is the loop of a host. */
#include "raftcore.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOUNDERS = 3, NODES = 4, LOG = 1024, TEXT = 64 };

/* A host's disk, here only as long as the process lives. */
typedef struct {
    raftcore_stored stored;                   /* hard state; where the log begins and ends; what is applied */
    raftcore_entry log[LOG];                  /* by index */
    raftcore_conf conf;                       /* as of stored.applied; without bytes on an empty disk */
    uint8_t data[LOG][TEXT], conf_bytes[256]; /* of the entries; of conf */
    char text[LOG * TEXT];                    /* the state machine: all applied texts */
} disk;

static disk disks[NODES + 1]; /* by id, like the arrays below */
static raftcore_node *nodes[NODES + 1];
static char beside[NODES + 1][LOG * TEXT]; /* snapshot data that a node received beside the core */
static uint64_t leader;

/* Prints why a call failed. A call with a negative code did nothing. */
static raftcore_code report(uint64_t id, raftcore_code code, const char *what) {
    char detail[256] = "";
    if (code < 0) {
        raftcore_error_detail(nodes[id], detail, sizeof detail);
        fprintf(stderr, "node %" PRIu64 ": %s: %s: %s\n", id, what, raftcore_strerror(code), detail);
    }
    return code;
}

/* Ends the program if a call failed that fails only in a broken program. */
static raftcore_code check(uint64_t id, raftcore_code code, const char *what) {
    if (report(id, code, what) < 0)
        exit(1);
    return code;
}

/* Records may be longer in a newer library. The ready has their length. */
static const void *at(const void *list, uint32_t stride, uint32_t i) { return (const char *)list + (size_t)stride * i; }

/* Writes to the disk. A failed write is final, because no call can report it: end the node, and boot from the disk. */
static raftcore_slice store_bytes(void *to, size_t room, raftcore_slice from) {
    if (from.len > room) {
        fprintf(stderr, "the disk is full\n");
        exit(1);
    }
    if (from.len > 0)
        memcpy(to, from.ptr, from.len);
    return (raftcore_slice){to, from.len};
}

/* The network. A frame may be lost, be late, or arrive twice. */
static void send_frame(const raftcore_msg *m) {
    uint8_t frame[4096];
    size_t len, used;
    if (nodes[m->to] != NULL && raftcore_flatten(m, frame, sizeof frame, &len) == RAFTCORE_OK)
        check(m->to, raftcore_step_frames(nodes[m->to], m->from, frame, len, &used, NULL, NULL), "step_frames");
}

/* Answers a fetch, for a peer or for this node. If the core refuses the answer, the fetch stays open: go on. */
static void supply(uint64_t id, const raftcore_fetch *f) {
    disk *d = &disks[id];
    raftcore_slice text = {(const uint8_t *)d->text, strlen(d->text) + 1};
    raftcore_code code;
    if (f->kind == RAFTCORE_FETCH_SNAPSHOT) {
        code = raftcore_supply_snapshot(nodes[id], f->id, d->stored.applied, &d->conf, text);
        if (code == RAFTCORE_E_TOO_LARGE) { /* an everyday case: send the data beside the core, before the message */
            memcpy(beside[f->peer], d->text, sizeof d->text);
            code = raftcore_supply_snapshot(nodes[id], f->id, d->stored.applied, &d->conf, (raftcore_slice){0});
        }
    } else if (f->first <= d->stored.before_first) {
        code = raftcore_supply_none(nodes[id], f->id, RAFTCORE_SUPPLY_GONE); /* the core fetches a snapshot instead */
    } else { /* RAFTCORE_FETCH_ENTRIES; or RAFTCORE_FETCH_APPLY, after a start with a long log */
        code = raftcore_supply_entries(nodes[id], f->id, &d->log[f->first], f->last - f->first + 1);
    }
    report(id, code, "supply");
}

/* Stores a ready: on a real disk in one transaction, with fsync if (rd->flags & RAFTCORE_RF_MUST_SYNC). */
static void store(disk *d, uint64_t id, const raftcore_ready *rd) {
    if (rd->flags & RAFTCORE_RF_SNAPSHOT) { /* replaces everything */
        raftcore_slice text = {(const uint8_t *)beside[id], strlen(beside[id]) + 1};
        store_bytes(d->text, sizeof d->text, rd->snapshot_data.len > 0 ? rd->snapshot_data : text);
        d->conf.bytes = store_bytes(d->conf_bytes, sizeof d->conf_bytes, rd->snapshot_conf);
        d->stored.applied = d->stored.before_first = d->stored.last = rd->snapshot_index;
        d->stored.before_first_term = rd->snapshot_term;
    }
    for (uint32_t i = 0; i < rd->n_entries; i++) { /* replace everything from entries[0].index on */
        const raftcore_entry *e = at(rd->entries, rd->entry_stride, i);
        d->log[e->index % LOG] = *e;
        d->log[e->index % LOG].data = store_bytes(d->data[e->index % LOG], e->index < LOG ? TEXT : 0, e->data);
        d->stored.last = e->index;
    }
    d->stored.term = rd->term; /* changed if (rd->flags & RAFTCORE_RF_HARD_STATE) */
    d->stored.vote = rd->vote;
    d->stored.commit = rd->commit;
}

/* Applies an entry: on a real disk state, index and configuration belong into one transaction. */
static void apply(disk *d, uint64_t id, const raftcore_entry *e) {
    raftcore_conf conf = {.struct_size = sizeof conf};
    if (e->kind != RAFTCORE_ENTRY_NORMAL) {
        check(id, raftcore_apply_conf(nodes[id], e, &conf), "apply_conf");
        d->conf.bytes = store_bytes(d->conf_bytes, sizeof d->conf_bytes, conf.bytes);
    } else if (e->data.len > 0) { /* an empty entry is a leader's own */
        printf("node %" PRIu64 " applies entry %" PRIu64 ": %.*s%s\n", id, e->index, (int)e->data.len,
               (const char *)e->data.ptr, e->token ? "   <- its own proposal" : "");
        strncat(strcat(d->text, " "), (const char *)e->data.ptr, e->data.len);
    }
    d->stored.applied = e->index;
}

/* Does all work of a node, after each tick, step and proposal. The order is the contract. */
static void work(uint64_t id) {
    raftcore_ready rd = {.struct_size = sizeof rd};
    raftcore_fetch fetch = {.struct_size = sizeof fetch};
    raftcore_event event;
    while (check(id, raftcore_next_fetch(nodes[id], &fetch), "next_fetch") == RAFTCORE_OK)
        supply(id, &fetch);
    while (check(id, raftcore_get_ready(nodes[id], &rd), "get_ready") == RAFTCORE_OK) {
        store(&disks[id], id, &rd);                                   /* 1 */
        for (uint32_t i = 0; i < rd.n_msgs; i++)                      /* 2 */
            send_frame(at(rd.msgs, rd.msg_stride, i));
        for (uint32_t i = 0; i < rd.n_committed; i++)                 /* 3 */
            apply(&disks[id], id, at(rd.committed, rd.entry_stride, i));
        for (uint32_t i = 0; i < rd.n_dropped; i++) {                 /* 4; here rd.reads, too */
            const raftcore_drop *d = at(rd.dropped, rd.drop_stride, i);
            printf("proposal %" PRIu64 ": %s\n", d->token, raftcore_reason_text(d->reason));
        }
        leader = rd.leader;
        check(id, raftcore_advance(nodes[id], rd.number), "advance"); /* 5 */
    }
    while (raftcore_next_event(nodes[id], &event) == RAFTCORE_OK) /* log all events; two kinds need a person */
        if (event.kind == RAFTCORE_EVENT_ALARM || event.kind == RAFTCORE_EVENT_APPLY_WAITS)
            printf("node %" PRIu64 ": %s %s\n", id, raftcore_event_text(event.kind), raftcore_reason_text(event.reason));
}

/* Works until nobody has work. Before you sleep, raftcore_has_ready must be 0. */
static void work_all(void) {
    for (uint64_t id = 1; id <= NODES; id++)
        if (nodes[id] != NULL && raftcore_has_ready(nodes[id]) > 0) {
            work(id);
            id = 0; /* node `id` may have sent messages to any node */
        }
}

/* Starts a node from its disk: a founder, a node that ran before, or a new node with an empty disk. */
static void start(uint64_t id) {
    disk *d = &disks[id];
    raftcore_config config;
    check(0, raftcore_config_init(&config, sizeof config), "config_init");
    config.id = config.seed = id; /* in a real host: a new random seed at each start */
    config.max_snapshot_bytes = 4; /* so small that snapshot data travel beside the core */
    check(0, raftcore_new(&config, &nodes[id]), "new");
    d->stored.struct_size = sizeof d->stored;
    d->conf.struct_size = sizeof d->conf;
    d->stored.conf = d->conf.bytes.len > 0 ? &d->conf : NULL;
    d->stored.entries = &d->log[d->stored.before_first + 1];
    d->stored.n_entries = d->stored.last - d->stored.before_first;
    check(id, raftcore_boot(nodes[id], &d->stored), "boot");
}

/* Stores the configuration of a new group on the disk of a founder, once, before its first start. */
static void found(uint64_t id) {
    raftcore_conf conf = {.struct_size = sizeof conf, .voters = (uint64_t[]){1, 2, 3}, .n_voters = FOUNDERS, .index = 1};
    disk *d = &disks[id];
    d->conf.bytes.ptr = d->conf_bytes;
    check(0, raftcore_conf_encode(&conf, d->conf_bytes, sizeof d->conf_bytes, &d->conf.bytes.len), "conf_encode");
    d->stored.commit = d->stored.applied = d->stored.before_first = d->stored.before_first_term = d->stored.last = 1;
    start(id);
}

int main(void) {
    const raftcore_slice texts[] = {{(const uint8_t *)"hello", 5}, {(const uint8_t *)"world", 5}};
    const uint64_t tokens[] = {1, 2};
    const raftcore_change join = {NODES, RAFTCORE_CHANGE_ADD_NODE, 0};
    for (uint64_t id = 1; id <= FOUNDERS; id++)
        found(id);
    for (uint64_t id = 1; leader == 0; id = id % FOUNDERS + 1) {
        check(id, raftcore_tick(nodes[id], 1), "tick");
        work_all();
    }
    printf("node %" PRIu64 " leads\n", leader);
    /* After RAFTCORE_E_NOT_LEADER propose at status.leader; after RAFTCORE_E_NO_LEADER or RAFTCORE_E_FULL try again later. */
    check(leader, raftcore_propose_many(nodes[leader], texts, tokens, 2), "propose");
    work_all();
    start(NODES);
    check(leader, raftcore_propose_conf(nodes[leader], &join, 1, RAFTCORE_TRANSITION_AUTO, (raftcore_slice){0}, 3), "join");
    work_all();
    for (uint64_t id = 1; id <= NODES; id++) {
        printf("node %" PRIu64 " has applied %" PRIu64 " entries:%s\n", id, disks[id].stored.applied, disks[id].text);
        raftcore_free(nodes[id]);
    }
    return strcmp(disks[leader].text, " hello world") || strcmp(disks[NODES].text, disks[leader].text);
}
