/* The memory functions of a host: all memory of the library comes from them, with true sizes, and goes back to them; where they fail, a
 * call answers; set too late, they are refused. */
#define _POSIX_C_SOURCE 200809L
#include "heap.h"
#include "kit.h"
#include <sys/wait.h>
#include <unistd.h>

/* What stands before each block: what was asked for. */
typedef struct head { uint64_t mark, size, align; } head;
enum { MARK = 0x6d656d30, HEAD = 64 };

typedef struct host { uint64_t calls, fail_at, blocks, bytes, resizes; } host;

static uint8_t *start_of(void *block, size_t align) { return (uint8_t *)block - (align > HEAD ? align : HEAD); }

static void *host_alloc(void *context, size_t size, size_t align) {
    host *h = context;
    size_t before = align > HEAD ? align : HEAD;
    head is = {MARK, size, align};
    void *start = NULL;
    CHECK(size > 0 && align > 0 && (align & (align - 1)) == 0);
    if (++h->calls == h->fail_at || __real_posix_memalign(&start, before, before + size) != 0)
        return NULL;
    memcpy(start, &is, sizeof is);
    h->blocks++;
    h->bytes += size;
    return (uint8_t *)start + before;
}

static void host_free(void *context, void *old, size_t size, size_t align) {
    host *h = context;
    head is;
    memcpy(&is, start_of(old, align), sizeof is);
    CHECK(is.mark == MARK && is.size == size && is.align == align);
    memset(start_of(old, align), 0, sizeof is);
    h->blocks--;
    h->bytes -= size;
    __real_free(start_of(old, align));
}

static void *host_resize(void *context, void *old, size_t old_size, size_t new_size, size_t align) {
    void *moved = host_alloc(context, new_size, align);
    if (moved == NULL)
        return NULL;
    memcpy(moved, old, old_size < new_size ? old_size : new_size);
    host_free(context, old, old_size, align);
    ((host *)context)->resizes++;
    return moved;
}

static host own;
static const raftcore_heap functions = {sizeof functions, 0, &own, host_alloc, host_resize, host_free};

/* In a process of its own, since a process sets them once. */
static void in_a_child(void (*test)(void)) {
    int status = 0;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        test();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void set_too_late(void) {
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    raftcore_node *n = NULL;
    OK(NULL, raftcore_new(&c, &n));
    CODE(raftcore_set_heap(&functions), RAFTCORE_E_STATE);
    OK(n, raftcore_free(n));
    CODE(raftcore_set_heap(&functions), RAFTCORE_E_STATE); /* some memory stays in use for the next node */
    CHECK(own.calls == 0);
}

/* Refused structs set nothing. */
static void set_wrongly(void) {
    raftcore_heap bad;
    CODE(raftcore_set_heap(NULL), RAFTCORE_E_NULL);
    for (int field = 0; field < 3; field++) {
        bad = functions;
        if (field == 0)
            bad.alloc = NULL;
        else if (field == 1)
            bad.resize = NULL;
        else
            bad.free = NULL;
        CODE(raftcore_set_heap(&bad), RAFTCORE_E_NULL);
    }
    bad = functions;
    bad.struct_size = sizeof bad - 8;
    CODE(raftcore_set_heap(&bad), RAFTCORE_E_ABI);
    bad = functions;
    bad.reserved0 = 1;
    CODE(raftcore_set_heap(&bad), RAFTCORE_E_ARG);
    CHECK(own.calls == 0);
}

static void a_cluster_runs_on_it(void) {
    uint64_t others = heap_calls;
    kit_reset();
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, RAFTCORE_STORAGE_ASYNC);
        kit_found(&c, 3);
    }
    uint64_t leader = kit_elect();
    for (uint64_t token = 1; token < 2000; token++) {
        OK(kit[leader].node, kit_propose(leader, "some data that stay in memory for a while", token));
        kit_settle();
    }
    CHECK(own.blocks > 20 && own.bytes > 100 << 10 && own.resizes > 0);
    for (int id = 1; id <= 3; id++) {
        OK(kit[id].node, raftcore_compacted(kit[id].node, kit[id].applied - 8));
        kit[id].before_term = kit_slot(&kit[id], kit[id].applied - 8)->term;
        kit[id].first = kit[id].applied - 7;
    }
    uint64_t before = own.bytes;
    for (int id = 1; id <= 3; id++)
        OK(kit[id].node, raftcore_trim(kit[id].node));
    CHECK(own.bytes < before);
    OK(kit[leader].node, kit_propose(leader, "after the trim", 2000));
    kit_settle();
    kit_tick();
    kit_check_same();
    kit_reset();
    /* Nothing came from elsewhere. The quarantine of freed nodes holds small blocks. */
    CHECK(heap_calls == others && own.blocks < 16 && own.bytes < 64 << 10);
}

static void each_call_fails_once(void) {
    uint64_t failed = 0;
    for (uint64_t at = 1;; at++) {
        raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
        raftcore_node *n = NULL;
        own.calls = 0;
        own.fail_at = at;
        raftcore_code code = raftcore_new(&c, &n);
        own.fail_at = 0;
        if (code == RAFTCORE_OK) {
            OK(n, raftcore_free(n));
            break;
        }
        CODE(code, RAFTCORE_E_NOMEM);
        CHECK(n == NULL && ++failed < 1000);
    }
    CHECK(failed >= 3);

    uint64_t voter = 1;
    static uint8_t large[100 << 10];
    raftcore_slice part = {large, sizeof large};
    raftcore_conf conf = {.struct_size = sizeof conf, .voters = &voter, .n_voters = 1};
    raftcore_stored stored = kit_founder(&conf);
    raftcore_config c = kit_config(1, RAFTCORE_STORAGE_SYNC);
    raftcore_node *n = NULL;
    OK(NULL, raftcore_new(&c, &n));
    OK(n, raftcore_boot(n, &stored));
    OK(n, raftcore_campaign(n));
    raftcore_ready rd = {.struct_size = sizeof rd};
    while (raftcore_get_ready(n, &rd) == RAFTCORE_OK)
        OK(n, raftcore_advance(n, rd.number));
    own.calls = 0;
    own.fail_at = 1;
    CODE(raftcore_propose(n, &part, 1, 0), RAFTCORE_E_NOMEM);
    own.fail_at = 0;
    OK(n, raftcore_propose(n, &part, 1, 0));
    OK(n, raftcore_free(n));
    printf("%" PRIu64 " heap calls of new failed in turn\n", failed);
}

int main(void) {
    in_a_child(set_too_late);
    set_wrongly();
    CODE(raftcore_set_heap(&functions), RAFTCORE_OK);
    CODE(raftcore_set_heap(&functions), RAFTCORE_E_STATE);
    a_cluster_runs_on_it();
    each_call_fails_once();
    return 0;
}
