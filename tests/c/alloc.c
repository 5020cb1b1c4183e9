/* The shipped archive and the heap. Linked with --wrap=malloc and its like, so every call of the library to it is seen:
 * counted (none on the hot path after warm-up), and made to fail one by one where calls are allowed. */
#include "kit.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **out, size_t align, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size);
void __wrap_free(void *ptr);

static uint64_t calls, frees, live, bytes;
static uint64_t fail_at; /* the call of this number fails; 0: none */

static int fails(void) { return ++calls == fail_at; }

void *__wrap_malloc(size_t size) {
    if (fails())
        return NULL;
    live++;
    bytes += size;
    return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    if (fails())
        return NULL;
    live++;
    bytes += count * size;
    return __real_calloc(count, size);
}
void *__wrap_realloc(void *ptr, size_t size) {
    if (fails())
        return NULL;
    live += ptr == NULL;
    bytes += size;
    return __real_realloc(ptr, size);
}
void *__wrap_aligned_alloc(size_t align, size_t size) {
    if (fails())
        return NULL;
    live++;
    bytes += size;
    return __real_aligned_alloc(align, size);
}
int __wrap_posix_memalign(void **out, size_t align, size_t size) {
    if (fails())
        return 12;
    live++;
    bytes += size;
    return __real_posix_memalign(out, align, size);
}
void __wrap_free(void *ptr) {
    if (ptr != NULL) {
        frees++;
        live--;
    }
    __real_free(ptr);
}

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

static void count_hot_path(uint32_t storage) {
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, storage);
        size_t bound = 0;
        uint64_t before = bytes;
        OK(NULL, raftcore_footprint(&c, &bound));
        kit_found(&c, 3);
        if (bytes - before > bound)
            printf("new and boot took %" PRIu64 " bytes, footprint says %zu\n", bytes - before, bound);
        CHECK(bytes - before <= bound);
    }
    uint64_t leader = kit_elect(), warm = 0, before;
    for (uint64_t i = 0; i < 400; i++) {
        round_of_work(leader, i);
        compact();
    }
    warm = calls;
    before = kit_delivered;
    for (uint64_t i = 0; i < 2000; i++) {
        round_of_work(leader, i);
        compact();
    }
    CHECK(kit_leader() == leader);
    printf("storage %u: %" PRIu64 " heap calls in 10000 proposals, 4000 reads, %" PRIu64 " frames\n", storage, calls - warm,
           kit_delivered - before);
    CHECK(calls == warm);
    kit_check_same();
}

/* Making, booting, cloning: each heap call fails once; it is an answer, nothing leaks, the next try works. */
static void fail_each(uint32_t storage) {
    uint64_t failed = 0;
    for (uint64_t n = 1;; n++) {
        raftcore_config c = kit_config(1, storage);
        uint64_t ids[3] = {1, 2, 3}, before = live;
        raftcore_node *node = (raftcore_node *)&c, *clone = NULL;
        raftcore_conf conf = {0};
        raftcore_entry e[2] = {{1, 2, RAFTCORE_ENTRY_NORMAL, 0, {(const uint8_t *)"x", 1}, 0}, {2, 3, RAFTCORE_ENTRY_NORMAL, 0, {NULL, 0}, 0}};
        conf.struct_size = sizeof conf;
        conf.voters = ids;
        conf.n_voters = 3;

        calls = 0;
        fail_at = n;
        raftcore_code code = raftcore_new(&c, &node);
        if (code == RAFTCORE_OK) {
            code = raftcore_boot_state(node, 2, 0, 1);
            if (code == RAFTCORE_OK)
                code = raftcore_boot_conf(node, &conf, 1, 1);
            if (code == RAFTCORE_OK)
                code = raftcore_boot_entries(node, e, 2);
            if (code == RAFTCORE_OK)
                code = raftcore_boot_done(node, 1);
            if (code == RAFTCORE_OK)
                code = raftcore_try_clone(node, &clone);
            fail_at = 0;
            if (code == RAFTCORE_OK)
                OK(clone, raftcore_free(clone));
            OK(node, raftcore_free(node));
        } else {
            CHECK((void *)node == (void *)&c); /* not written */
        }
        fail_at = 0;
        /* A header may stay behind in the quarantine for each node. */
        CHECK(live <= before + 2);
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
        kit_found(&c, 3);
    }
    uint64_t leader = kit_elect();
    for (uint64_t i = 0; i < 300; i++) {
        static uint8_t large[100 << 10]; /* beyond block_bytes: a block of its own */
        raftcore_slice part = {large, sizeof large};
        calls = 0;
        fail_at = 1;
        raftcore_code code = raftcore_propose(kit[leader].node, &part, 1, 0);
        fail_at = 0;
        CHECK(code == RAFTCORE_E_NOMEM || code == RAFTCORE_E_FULL);
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
        kit_found(&c, 3);
    }
    uint64_t at = kit_elect() % 3 + 1;
    kit_tick();
    for (uint64_t token = 1; token <= MANY; token++)
        OK(kit[at].node, kit_propose(at, "passed on", token)); /* each comes back at once: its outcome is unknown */
    calls = 0;
    fail_at = 1;
    CODE(raftcore_get_ready(kit[at].node, &rd), RAFTCORE_E_NOMEM);
    fail_at = 0;
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
        count_hot_path(storage);
    for (uint32_t storage = RAFTCORE_STORAGE_SYNC; storage <= RAFTCORE_STORAGE_MESSAGES; storage++)
        fail_each(storage);
    fail_while_running();
    fail_to_show();
    kit_reset();
    return 0;
}
