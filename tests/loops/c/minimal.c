/* The printed minimal.c, completed: tests/loops/README.md. The scenes are those of scenario.c, with the disks, the network and the
 * loop of the program itself, and with as small a recent_bytes as its disks need. At the end the program runs as printed. */
#include "raftcore.h"

static raftcore_code small_new(raftcore_config *c, raftcore_node **out);

#define main minimal_main
#define raftcore_new small_new
#include "loop.c"
#undef raftcore_new
#undef main

enum { RECENT = 16 << 10, SIZE = 60, ENTRIES = 2 * RECENT / SIZE };

static char want[sizeof disks[0].text];
static uint64_t tokens;

static raftcore_code small_new(raftcore_config *c, raftcore_node **out) {
    c->block_bytes = 4 << 10;
    c->recent_bytes = RECENT;
    return raftcore_new(c, out);
}

static void expect(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s: applied %" PRIu64 " of %" PRIu64 " entries\n", what, disks[1].stored.applied, disks[1].stored.last);
        exit(1);
    }
}

/* Returns the data of proposal k, and appends the data to the expected state. */
static raftcore_slice payload(uint64_t k) {
    static char text[SIZE + 1];
    snprintf(text, sizeof text, "%0*" PRIu64, SIZE, k * 1000003);
    strcat(strcat(want, " "), text);
    return (raftcore_slice){(const uint8_t *)text, SIZE};
}

static void write_log(disk *d) {
    static const uint8_t learner_2[] = {0x10, RAFTCORE_CHANGE_ADD_LEARNER, 0x18, 2}; /* a raftpb ConfChange */
    raftcore_conf conf = {.struct_size = sizeof conf, .voters = (uint64_t[]){1}, .n_voters = 1, .index = 1};
    d->conf.bytes.ptr = d->conf_bytes;
    check(0, raftcore_conf_encode(&conf, d->conf_bytes, sizeof d->conf_bytes, &d->conf.bytes.len), "conf_encode");
    d->stored.term = d->stored.vote = d->stored.applied = d->stored.before_first = d->stored.before_first_term = 1;
    d->stored.commit = d->stored.last = 2 + ENTRIES;
    for (uint64_t i = 2; i <= d->stored.last; i++) {
        int change = i == ENTRIES / 2;
        raftcore_slice data = change ? (raftcore_slice){learner_2, sizeof learner_2} : payload(i);
        d->log[i] = (raftcore_entry){.term = 1, .index = i, .kind = change ? RAFTCORE_ENTRY_CONF_CHANGE : RAFTCORE_ENTRY_NORMAL};
        d->log[i].data = store_bytes(d->data[i], TEXT, data);
    }
}

static void expect_members(uint64_t id, uint32_t voters, uint32_t learners) {
    raftcore_conf conf = {.struct_size = sizeof conf};
    check(id, raftcore_get_conf(nodes[id], &conf), "get_conf");
    expect(conf.n_voters == voters && conf.n_learners == learners, "the membership is another");
}

/* Ticks until nodes 1 to `last` have applied everything and a node leads. */
static void until(uint64_t last, const char *when) {
    int done = 0;
    for (int ticks = 0; ticks < 500 && !done; ticks++) {
        for (uint64_t id = 1; id <= last; id++)
            check(id, raftcore_tick(nodes[id], 1), "tick");
        work_all();
        done = leader != 0;
        for (uint64_t id = 1; id <= last; id++)
            done = done && strlen(disks[id].text) >= strlen(want);
    }
    expect(done, when);
    for (uint64_t id = 1; id <= last; id++)
        expect(strcmp(disks[id].text, want) == 0, when);
}

int main(void) {
    disk *d = &disks[1];

    /* A voter restarts with twice recent_bytes of committed log to apply, with a membership change in the middle. */
    write_log(d);
    start(1);
    until(1, "after the restart");
    expect_members(1, 1, 1);

    /* The log is compacted, so the new member needs a snapshot. */
    check(1, raftcore_compacted(nodes[1], d->stored.applied), "compacted");
    d->stored.before_first_term = d->log[d->stored.applied].term;
    d->stored.before_first = d->stored.applied;
    start(2);
    until(2, "after the join");
    expect(beside[2][0] != 0, "no snapshot went beside the core");

    /* The new member becomes a voter. Both nodes restart, and the group goes on. */
    raftcore_change voter = {2, RAFTCORE_CHANGE_ADD_NODE, 0};
    check(1, raftcore_propose_conf(nodes[1], &voter, 1, RAFTCORE_TRANSITION_AUTO, (raftcore_slice){0}, 99), "change");
    work_all();
    for (uint64_t id = 1; id <= 2; id++) {
        expect_members(id, 2, 0);
        raftcore_free(nodes[id]);
        start(id);
        leader = 0;
        until(2, "after a restart");
        raftcore_slice data = payload(++tokens);
        check(leader, raftcore_propose(nodes[leader], &data, 1, tokens), "propose");
        until(2, "after a proposal");
    }

    for (uint64_t id = 1; id <= NODES; id++) {
        nodes[id] = NULL;
        memset(&disks[id], 0, sizeof disks[id]);
    }
    leader = 0;
    expect(minimal_main() == 0, "the program as printed");
    printf("%d entries, then the program as printed\n", ENTRIES + 2);
    return 0;
}
