/* A bug in the core, as C sees it: a code, a poisoned node that says where, nothing on stderr, and a process that lives. Linked to a
 * library that is linked as the shipped one, of a core with planted faults: tests/faults/panic.edit. */
#define _POSIX_C_SOURCE 200809L
#include "kit.h"
#include <unistd.h>

#define PANICS_FOR_UNKNOWN_PEER "95"

static void *no_alloc(void *context, size_t size, size_t align) { return (void)context, (void)size, (void)align, NULL; }
static void *no_resize(void *context, void *old, size_t old_size, size_t new_size, size_t align) {
    return (void)context, (void)old, (void)old_size, (void)new_size, (void)align, NULL;
}
static void no_free(void *context, void *old, size_t size, size_t align) { (void)context, (void)old, (void)size, (void)align; }

int main(void) {
    int pipes[2], saved = dup(2);
    char text[256] = "", after[256] = "", noise[256];
    raftcore_status status = {0};
    raftcore_event event;
    status.struct_size = sizeof status;
    /* Built without the feature heap, as the Rust crate is. */
    raftcore_heap heap = {.struct_size = sizeof heap, .alloc = no_alloc, .resize = no_resize, .free = no_free};
    CODE(raftcore_set_heap(&heap), RAFTCORE_E_UNSUPPORTED);
    CHECK(setenv("RAFTCORE_FAULT", PANICS_FOR_UNKNOWN_PEER, 1) == 0);
    CHECK(pipe(pipes) == 0 && dup2(pipes[1], 2) == 2);
    for (uint64_t id = 1; id <= 3; id++) {
        raftcore_config c = kit_config(id, RAFTCORE_STORAGE_SYNC);
        kit_found(&c, 3);
    }
    uint64_t leader = kit_elect();
    raftcore_node *node = kit[leader].node;
    OK(node, raftcore_report_unreachable(node, leader % 3 + 1));
    CODE(raftcore_report_unreachable(node, 9), RAFTCORE_E_PANIC);
    CHECK(raftcore_error_detail(node, text, sizeof text) > 0);
    CHECK(strstr(text, "src/node/mod.rs:") != NULL && strstr(text, "index out of bounds") != NULL);

    /* Nothing works but looking, and the first cause stays. */
    CODE(raftcore_tick(node, 1), RAFTCORE_E_POISONED);
    CODE(raftcore_report_unreachable(node, 9), RAFTCORE_E_POISONED);
    CODE(kit_propose(leader, "x", 0), RAFTCORE_E_POISONED);
    OK(node, raftcore_get_status(node, &status));
    CHECK(status.id == leader && raftcore_has_ready(node) >= 0 && raftcore_digest(node, 0) != 0);
    while (raftcore_next_event(node, &event) == RAFTCORE_OK) {}
    raftcore_error_detail(node, after, sizeof after);
    CHECK(strcmp(text, after) == 0);
    CODE(raftcore_free(node), RAFTCORE_OK);
    CODE(raftcore_free(node), RAFTCORE_E_HANDLE);
    kit[leader].node = NULL;

    /* The others go on, and the poisoned one's disk boots again. */
    CHECK(kit_elect() != leader);
    kit_restart(leader);
    for (int i = 0; i < 20; i++)
        kit_tick();
    uint64_t next = kit_elect();
    OK(kit[next].node, kit_propose(next, "after it", 0));
    for (int i = 0; i < 5; i++)
        kit_tick();
    kit_check_same();
    kit_reset();

    CHECK(dup2(saved, 2) == 2 && close(pipes[1]) == 0);
    CHECK(read(pipes[0], noise, sizeof noise) == 0);
    return 0;
}
