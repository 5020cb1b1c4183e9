/* The shipped archive where the heap fails: each call to it in turn, wherever calls are allowed. */
#include "heap.h"
#include "kit.h"

static void round_of_work(uint64_t leader, uint64_t i) {
    static char text[200];
    raftcore_event event;
    memset(text, 'a' + (int)(i % 26), sizeof text - 1);
    for (uint64_t j = 0; j < 4; j++) {
        raftcore_code code = kit_propose(leader, text, i * 8 + j + 1);
        CHECK(code == RAFTCORE_OK);
    }
    OK(kit[leader].node, raftcore_read_index(kit[leader].node, 8));
    OK(kit[leader % 3 + 1].node, raftcore_read_index(kit[leader % 3 + 1].node, 9));
    OK(kit[leader % 3 + 1].node, kit_propose(leader % 3 + 1, text, i * 8 + 6));
    kit_settle();
    kit_tick();
    for (int id = 1; id <= 3; id++) {
        raftcore_status s = {0};
        raftcore_peer peers[KIT_NODES];
        size_t count;
        s.struct_size = sizeof s;
        OK(kit[id].node, raftcore_get_status(kit[id].node, &s));
        OK(kit[id].node, raftcore_get_peers(kit[id].node, peers, KIT_NODES, &count));
        CHECK(raftcore_digest(kit[id].node, 0) != 0);
        while (raftcore_next_event(kit[id].node, &event) == RAFTCORE_OK) {}
    }
}

/* The host's log is a ring here: forget what nobody will ask for. */
static void compact(void) {
    for (int id = 1; id <= 3; id++) {
        kit_host *h = &kit[id];
        if (h->applied - h->first < 512)
            continue;
        OK(h->node, raftcore_compacted(h->node, h->applied - 64));
        h->before_term = kit_slot(h, h->applied - 64)->term;
        h->first = h->applied - 63;
    }
}

/* A call that fails for want of memory says so or nothing, whatever failed before. */
static void plant(raftcore_node *node) {
    CHECK(raftcore_set_window(node, 1, 65537, 0) < 0 && raftcore_error_detail(node, NULL, 0) > 0);
    CHECK(raftcore_set_electable(node, 2) < 0 && raftcore_error_detail(node, NULL, 0) > 0);
}

static void check_words(const raftcore_node *node) {
    char text[256] = "";
    size_t len = raftcore_error_detail(node, text, sizeof text);
    CHECK(len == 0 || strstr(text, "memory") != NULL);
}

/* Making, booting, cloning: each heap call fails once; it is an answer, nothing leaks, the next try works. */
static void fail_each(uint32_t storage) {
    uint64_t failed = 0;
    for (uint64_t n = 1;; n++) {
        raftcore_config c = kit_config(1, storage);
        uint64_t ids[3] = {1, 2, 3}, before = heap_blocks;
        raftcore_node *node = (raftcore_node *)&c, *clone = NULL;
        raftcore_conf conf = {0};
        raftcore_entry e[2] = {{1, 2, RAFTCORE_ENTRY_NORMAL, 0, {(const uint8_t *)"x", 1}, 0, {NULL, 0}},
                               {2, 3, RAFTCORE_ENTRY_NORMAL, 0, {NULL, 0}, 0, {NULL, 0}}};
        conf.struct_size = sizeof conf;
        conf.voters = ids;
        conf.n_voters = 3;
        raftcore_stored stored = kit_founder(&conf);
        stored.term = 2;
        stored.last = 3;
        stored.entries = e;
        stored.n_entries = 2;

        heap_calls = 0;
        heap_fail_at = n;
        raftcore_code code = raftcore_new(&c, &node);
        if (code == RAFTCORE_OK) {
            plant(node);
            code = raftcore_boot(node, &stored);
            if (code == RAFTCORE_OK) {
                plant(node);
                code = raftcore_try_clone(node, &clone);
            }
            heap_fail_at = 0;
            if (code != RAFTCORE_OK)
                check_words(node);
            if (code == RAFTCORE_OK)
                OK(clone, raftcore_free(clone));
            OK(node, raftcore_free(node));
        } else {
            CHECK((void *)node == (void *)&c); /* not written */
        }
        heap_fail_at = 0;
        /* A header may stay behind in the quarantine for each node. */
        CHECK(heap_blocks <= before + 2);
        if (code == RAFTCORE_OK)
            break;
        CODE(code, RAFTCORE_E_NOMEM);
        failed++;
        CHECK(n < 10000);
    }
    printf("storage %u: %" PRIu64 " heap calls of new, boot and clone failed in turn\n", storage, failed);
    CHECK(failed >= 5);
}

/* A running cluster in which the heap fails again and again, from some call on: no crash, and it goes on afterwards. */
static void fail_while_running(void) {
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, RAFTCORE_STORAGE_SYNC);
        c.flags |= RAFTCORE_FLAG_FORWARDING;
        kit_found(&c, 3);
    }
    uint64_t leader = kit_elect();
    for (uint64_t i = 0; i < 300; i++) {
        static uint8_t large[100 << 10]; /* beyond block_bytes: a block of its own */
        raftcore_slice part = {large, sizeof large};
        heap_calls = 0;
        plant(kit[leader].node);
        heap_fail_at = 1;
        raftcore_code code = raftcore_propose(kit[leader].node, &part, 1, 0);
        heap_fail_at = 0;
        CHECK(code == RAFTCORE_E_NOMEM || code == RAFTCORE_E_FULL);
        if (code == RAFTCORE_E_NOMEM)
            check_words(kit[leader].node);
        round_of_work(leader, i);
        compact();
    }
    kit_check_same();
}

/* A ready that can't be shown for want of memory is not lost. */
static void fail_to_show(void) {
    enum { MANY = 200 };
    raftcore_ready rd = {0};
    rd.struct_size = sizeof rd;
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, RAFTCORE_STORAGE_ASYNC);
        c.flags |= RAFTCORE_FLAG_FORWARDING;
        kit_found(&c, 3);
    }
    uint64_t at = kit_elect() % 3 + 1;
    kit_tick();
    for (uint64_t token = 1; token <= MANY; token++)
        OK(kit[at].node, kit_propose(at, "passed on", token)); /* each comes back at once: its outcome is unknown */
    plant(kit[at].node);
    heap_calls = 0;
    heap_fail_at = 1;
    CODE(raftcore_get_ready(kit[at].node, &rd), RAFTCORE_E_NOMEM);
    heap_fail_at = 0;
    check_words(kit[at].node);
    CHECK(rd.number == 0 && (raftcore_has_ready(kit[at].node) & RAFTCORE_HAS_DROPPED));
    CODE(raftcore_get_ready(kit[at].node, &rd), RAFTCORE_OK);
    CHECK(rd.n_dropped == MANY && rd.n_msgs > 0);
    for (uint32_t i = 0; i < MANY; i++) {
        const raftcore_drop *d = KIT_AT(raftcore_drop, rd.dropped, rd.drop_stride, i);
        CHECK(d->token == i + 1 && d->what == RAFTCORE_DROP_UNKNOWN && d->reason == RAFTCORE_REASON_FORWARDED);
    }
}

int main(void) {
    for (uint32_t storage = RAFTCORE_STORAGE_SYNC; storage <= RAFTCORE_STORAGE_MESSAGES; storage++)
        fail_each(storage);
    fail_while_running();
    fail_to_show();
    kit_reset();
    return 0;
}
