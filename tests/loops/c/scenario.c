/* A printed loop, completed: tests/loops/README.md. COMPLETION is sync.h or async.h, which includes the loop. */
#include "host.h"
#include COMPLETION

/* ---- between two sleeps of a host */

static raftcore_config config_of(uint64_t id) {
    static uint64_t seed;
    raftcore_config c;
    checked(raftcore_config_init(&c, sizeof c), "config_init");
    c.id = id;
    c.seed = ++seed;
    c.storage = STORAGE;
    return c;
}

static void run(struct host *h) {
    me = h;
    do
        turn(h->node);
    while (other_threads());
    int32_t left = raftcore_has_ready(h->node);
    if (left != 0)
        fail("%sthe loop ends though has_ready is %" PRIu64, "", (uint64_t)left, 0);
}

static void deliver(struct host *h) {
    for (uint32_t i = 0; i < h->n_inbox; i++) {
        struct bytes *frame = &h->inbox[i].frame;
        size_t used;
        uint32_t rejected = 0;
        me = h;
        uint64_t from = h->inbox[i].from;
        checked(raftcore_step_frames(h->node, from, frame->ptr, frame->len, &used, &rejected, NULL), "step_frames");
        if (rejected)
            fail("%sa frame of node %" PRIu64 " is refused", "", from, 0);
        free(frame->ptr);
    }
    h->n_inbox = 0;
}

static void settle(void) {
    for (int busy = 1; busy;) {
        busy = 0;
        for (struct host *h = hosts; h < hosts + HOSTS; h++) {
            if (!h->node)
                continue;
            deliver(h);
            run(h);
        }
        for (struct host *h = hosts; h < hosts + HOSTS; h++)
            busy |= h->n_inbox > 0;
    }
}

static void boot(struct host *h) {
    raftcore_config c = config_of(h->id);
    raftcore_conf conf = {.struct_size = sizeof conf, .bytes = {h->conf.ptr, h->conf.len}};
    me = h;
    entries log = my_log(h->before_first + 1, h->last);
    raftcore_stored stored = {
        .struct_size = sizeof stored, .term = h->term, .vote = h->vote, .commit = h->commit, .applied = h->applied,
        .before_first = h->before_first, .before_first_term = h->before_first_term, .last = h->last,
        .conf = h->conf.len ? &conf : NULL, .entries = log.list, .n_entries = log.count,
    };
    checked(raftcore_new(&c, &h->node), "new");
    checked(raftcore_boot(h->node, &stored), "boot");
}

static void restart(struct host *h) {
    me = h;
    checked(raftcore_free(h->node), "free");
    h->n_inbox = h->disk.count = h->apply.count = h->n_changed = 0;
    h->durable = h->done = h->taken = 0;
    boot(h);
}

/* ---- expectations */

static raftcore_status status(const struct host *h) {
    raftcore_status s = {.struct_size = sizeof s};
    checked(raftcore_get_status(h->node, &s), "get_status");
    return s;
}

/* Returns the data of proposal k, different for each k. */
static const uint8_t *payload(uint64_t k) {
    static uint64_t words[PAYLOAD / sizeof(uint64_t)];
    for (size_t i = 0; i < PAYLOAD / sizeof *words; i++)
        words[i] = k * 1000003 + i;
    return (const uint8_t *)words;
}

static void expect_state(struct host *h, uint64_t count, const char *when) {
    me = h;
    if (status(h).applied != h->applied || h->state.len != count * PAYLOAD)
        fail("%s: %" PRIu64 " of %" PRIu64 " proposals are applied", when, h->state.len / PAYLOAD, count);
    for (uint64_t k = 0; k < count; k++)
        if (memcmp(h->state.ptr + k * PAYLOAD, payload(k), PAYLOAD) != 0)
            fail("%s: proposal %" PRIu64 " is applied wrongly", when, k, 0);
}

static void expect_members(struct host *h, uint32_t voters, uint32_t learners) {
    raftcore_conf conf = {.struct_size = sizeof conf};
    me = h;
    checked(raftcore_get_conf(h->node, &conf), "get_conf");
    if (conf.n_voters != voters || conf.n_learners != learners)
        fail("%sthe membership has %" PRIu64 " voters and %" PRIu64 " learners", "", conf.n_voters, conf.n_learners);
}

/* Ticks until both have applied `count` proposals and a node leads. Returns the leader. */
static struct host *until(uint64_t count, const char *when) {
    struct host *leader = NULL;
    for (int ticks = 0; ticks < 500; ticks++) {
        int behind = 0;
        for (struct host *h = hosts; h < hosts + HOSTS; h++) {
            if (!h->node)
                continue;
            raftcore_status s = status(h);
            behind += h->state.len < count * PAYLOAD;
            leader = s.role == RAFTCORE_ROLE_LEADER && s.applied == s.last_index ? h : leader;
        }
        if (leader && !behind)
            break;
        leader = NULL;
        for (struct host *h = hosts; h < hosts + HOSTS; h++)
            if (h->node)
                checked(raftcore_tick(h->node, 1), "tick");
        settle();
    }
    for (struct host *h = hosts; h < hosts + HOSTS; h++)
        if (h->node)
            expect_state(h, count, when);
    me = hosts;
    if (!leader)
        fail("%s: nobody leads", when, 0, 0);
    return leader;
}

/* ---- the story */

static raftcore_slice slice(const uint8_t *ptr, size_t len) {
    return (raftcore_slice){ptr, len};
}

/* Writes the disk of a voter: `count` committed proposals, none applied. In the middle node 2 becomes a learner. */
static void write_log(struct host *h, uint64_t count) {
    static const uint8_t learner_2[] = {0x10, RAFTCORE_CHANGE_ADD_LEARNER, 0x18, 2}; /* a raftpb ConfChange */
    const uint64_t voters[] = {h->id};
    raftcore_conf conf = {.struct_size = sizeof conf, .voters = voters, .n_voters = 1, .index = 1};
    uint8_t buf[64];
    me = h;
    checked(raftcore_conf_encode(&conf, buf, sizeof buf, &h->conf.len), "conf_encode");
    set_bytes(&h->conf, buf, h->conf.len);
    h->term = h->vote = h->applied = h->before_first = h->before_first_term = h->last = 1;
    for (uint64_t k = 0; k <= count; k++) {
        raftcore_entry e = {.term = 1, .index = h->last + 1};
        if (k == count / 2) {
            e.kind = RAFTCORE_ENTRY_CONF_CHANGE;
            e.data = slice(learner_2, sizeof learner_2);
        } else {
            e.data = slice(payload(k - (k > count / 2)), PAYLOAD);
        }
        append(&e);
    }
    h->commit = h->last;
}

static void compact(struct host *h) {
    h->before_first_term = h->log[h->applied].term;
    h->before_first = h->applied;
    me = h;
    checked(raftcore_compacted(h->node, h->applied), "compacted");
}

static void propose(struct host *leader, uint64_t k) {
    raftcore_slice data = slice(payload(k), PAYLOAD);
    me = leader;
    checked(raftcore_propose(leader->node, &data, 1, k + 1), "propose");
    checked(raftcore_read_index(leader->node, k + 1), "read_index");
    settle();
}

int main(void) {
    struct host *first = &hosts[0], *second = &hosts[1], *leader;
    uint64_t count = 2 * config_of(1).recent_bytes / PAYLOAD;
    first->id = 1;
    second->id = 2;

    /* A voter restarts with twice recent_bytes of committed log to apply, with a membership change in the middle. */
    write_log(first, count);
    boot(first);
    until(count, "after the restart");
    expect_members(first, 1, 1);

    /* The log is compacted, so the new member needs a snapshot. The state is larger than max_snapshot_bytes. */
    compact(first);
    boot(second);
    leader = until(count, "after the join");
    if (leader != first || beside == 0)
        fail("%s%" PRIu64 " snapshots went beside the core", "", beside, 0);
    propose(leader, count++);
    until(count, "as a learner");

    /* The new member becomes a voter. Both nodes restart, and the group goes on. */
    raftcore_change voter = {2, RAFTCORE_CHANGE_ADD_NODE, 0};
    me = leader;
    checked(raftcore_propose_conf(leader->node, &voter, 1, RAFTCORE_TRANSITION_AUTO, slice(NULL, 0), 99), "change");
    settle();
    for (int i = 0; i < HOSTS; i++) {
        expect_members(&hosts[i], 2, 0);
        restart(&hosts[i]);
        leader = until(count, "after a restart");
        propose(leader, count++);
        until(count, "after a proposal");
    }
    me = first;
    if (events == 0 || answers != 7)
        fail("%s%" PRIu64 " events were logged, %" PRIu64 " of 7 tokens came back", "", events, answers);
    printf("%" PRIu64 " proposals, %u events, %u snapshots beside the core\n", count, events, beside);
    return 0;
}
