/* Three nodes in one process: they elect a leader, replicate two proposals and apply them. Build and run: make minimal */
#include "raftcore.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 3, LOG = 64, TEXT = 64 };

static raftcore_node *nodes[NODES]; /* nodes[i] has the id i + 1 */

/* A host's disk, here only as long as the process lives. */
static struct { uint64_t term, vote, commit, last, applied; char log[LOG][TEXT]; } disks[NODES];

/* A negative code: the call did nothing, and says why. */
static raftcore_code check(const raftcore_node *node, raftcore_code code, const char *what) {
    if (code < 0) {
        char detail[256] = "";
        raftcore_error_detail(node, detail, sizeof detail);
        fprintf(stderr, "%s: %s %s\n", what, raftcore_strerror(code), detail);
        exit(1);
    }
    return code;
}

/* Records may be longer in a newer library: the ready says how long. */
static const void *at(const void *records, uint32_t stride, uint32_t i) {
    return (const char *)records + (size_t)stride * i;
}

/* The network. A frame may be lost, come late or twice; Raft copes. */
static void send_frame(const raftcore_msg *m) {
    uint8_t frame[4096];
    size_t len, used;
    if (raftcore_flatten(m, frame, sizeof frame, &len) == RAFTCORE_OK) /* a larger one is lost: this log has none */
        check(nodes[m->to - 1], raftcore_step_frames(nodes[m->to - 1], m->from, frame, len, &used, NULL), "step_frames");
}

static void store(int me, const raftcore_ready *rd) {
    for (uint32_t i = 0; i < rd->n_entries; i++) { /* they replace everything from the first one's index on */
        const raftcore_entry *e = at(rd->entries, rd->entry_stride, i);
        if (e->index >= LOG || e->data.len >= TEXT) {
            fprintf(stderr, "the disk is full\n"); /* no call reports that: stop, boot again when there is room */
            exit(1);
        }
        if (e->data.len > 0)
            memcpy(disks[me].log[e->index], e->data.ptr, e->data.len);
        disks[me].last = e->index;
    }
    if (rd->flags & RAFTCORE_RF_HARD_STATE) {
        disks[me].term = rd->term;
        disks[me].vote = rd->vote;
        disks[me].commit = rd->commit;
    }
    /* A real disk: if (rd->flags & RAFTCORE_RF_MUST_SYNC) fsync. A snapshot never comes here: nothing is compacted. */
}

static void apply(int me, const raftcore_entry *e) {
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    if (e->kind != RAFTCORE_ENTRY_NORMAL) /* and store conf.bytes together with applied */
        check(nodes[me], raftcore_apply_conf(nodes[me], e, &conf), "apply_conf");
    else if (e->data.len > 0) /* an empty one is a leader's own */
        printf("node %d applies entry %" PRIu64 ": %.*s%s\n", me + 1, e->index, (int)e->data.len,
               (const char *)e->data.ptr, e->token ? "   <- its own proposal" : "");
    disks[me].applied = e->index;
}

/* All the work that a node has. The order is the contract. Returns whether there was any. */
static int work(int me) {
    raftcore_ready rd = {0};
    raftcore_fetch fetch = {0};
    int any = 0;
    rd.struct_size = sizeof rd;
    fetch.struct_size = sizeof fetch;

    /* A peer that is far behind wants entries that the node no longer holds: a real host reads its log and supplies them. */
    while (check(nodes[me], raftcore_next_fetch(nodes[me], &fetch), "next_fetch") == RAFTCORE_OK)
        check(nodes[me], raftcore_supply_none(nodes[me], fetch.id, RAFTCORE_SUPPLY_LATER), "supply_none");

    while (check(nodes[me], raftcore_get_ready(nodes[me], &rd), "get_ready") == RAFTCORE_OK) {
        store(me, &rd);                                                            /* 1 */
        for (uint32_t i = 0; i < rd.n_msgs; i++)                                   /* 2 */
            send_frame(at(rd.msgs, rd.msg_stride, i));
        for (uint32_t i = 0; i < rd.n_committed; i++)                              /* 3 */
            apply(me, at(rd.committed, rd.entry_stride, i));
        for (uint32_t i = 0; i < rd.n_dropped; i++) {                              /* 4; rd.reads, too, if there were any */
            const raftcore_drop *d = at(rd.dropped, rd.drop_stride, i);
            printf("proposal %" PRIu64 ": %s\n", d->token, raftcore_reason_text(d->reason));
        }
        check(nodes[me], raftcore_advance(nodes[me], rd.number), "advance");       /* 5 */
        any = 1;
    }
    return any;
}

static void work_all(void) {
    int any;
    do {
        any = 0;
        for (int i = 0; i < NODES; i++)
            any |= work(i);
    } while (any);
}

/* Founders boot from the group's configuration at index 1 of term 1; who comes later boots from nothing. */
static void found(int me) {
    static const uint64_t voters[NODES] = {1, 2, 3};
    raftcore_config config;
    raftcore_conf conf = {0};
    conf.struct_size = sizeof conf;
    conf.voters = voters;
    conf.n_voters = NODES;

    check(NULL, raftcore_config_init(&config, sizeof config), "config_init");
    config.id = (uint64_t)me + 1;
    config.seed = config.id; /* a real host: another at each start */
    check(NULL, raftcore_new(&config, &nodes[me]), "new");
    check(nodes[me], raftcore_boot_state(nodes[me], 0, 0, 1), "boot_state");
    check(nodes[me], raftcore_boot_conf(nodes[me], &conf, 1, 1), "boot_conf");
    check(nodes[me], raftcore_boot_done(nodes[me], 1), "boot_done");
}

int main(void) {
    static const char *const texts[] = {"hello", "world"};
    int leader = -1, same = 1;
    for (int i = 0; i < NODES; i++)
        found(i);
    for (int i = 0; leader < 0; i = (i + 1) % NODES) {
        raftcore_status status = {0};
        status.struct_size = sizeof status;
        check(nodes[i], raftcore_tick(nodes[i], 1), "tick");
        work_all();
        check(nodes[i], raftcore_get_status(nodes[i], &status), "get_status");
        if (status.role == RAFTCORE_ROLE_LEADER)
            leader = i;
    }
    printf("node %d leads\n", leader + 1);
    for (uint64_t i = 0; i < 2; i++) { /* E_NO_LEADER and E_FULL would mean: try again later */
        raftcore_slice part = {(const uint8_t *)texts[i], strlen(texts[i])};
        check(nodes[leader], raftcore_propose(nodes[leader], &part, 1, i + 1), "propose");
    }
    work_all();
    for (int i = 0; i < NODES; i++) {
        same = same && disks[i].last > 2 && disks[i].last == disks[leader].last && disks[i].applied == disks[leader].applied;
        raftcore_free(nodes[i]);
    }
    return same ? 0 : 1;
}
