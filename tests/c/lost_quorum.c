/* The function of docs/lost-quorum.md: the survivor of a group of three goes on alone, with its entries. */
#include "raftcore.h"
#include <stdio.h>

/* Step 2, for a survivor that stays alone. stored: everything as on its disk. */
raftcore_code boot_alone(raftcore_node *n, raftcore_stored stored, uint64_t own_id) {
    raftcore_conf edited = {.struct_size = sizeof edited, .index = stored.applied};
    edited.voters = &own_id;
    edited.n_voters = 1;
    stored.conf = &edited;
    return raftcore_boot(n, &stored);
}

#define CHECK(what) \
    if (!(what)) \
    return printf("%s:%d: %s\n", __FILE__, __LINE__, #what), 1

int main(void) {
    /* Two entries that no majority has confirmed, above the founding of voters 1, 2 and 3. */
    raftcore_entry log[] = {{.term = 3, .index = 2, .data = {(const uint8_t *)"a", 1}},
                            {.term = 3, .index = 3, .data = {(const uint8_t *)"b", 1}}};
    raftcore_stored stored = {.struct_size = sizeof stored, .term = 3, .commit = 1, .applied = 1, .before_first = 1,
                              .before_first_term = 1, .last = 3, .entries = log, .n_entries = 2};
    raftcore_config config;
    raftcore_node *n;
    raftcore_ready rd = {.struct_size = sizeof rd};
    raftcore_status status = {.struct_size = sizeof status};
    uint64_t applied = 1;
    CHECK(raftcore_config_init(&config, sizeof config) == RAFTCORE_OK);
    config.id = config.seed = 2;
    CHECK(raftcore_new(&config, &n) == RAFTCORE_OK);
    CHECK(boot_alone(n, stored, 2) == RAFTCORE_OK);
    CHECK(raftcore_campaign(n) == RAFTCORE_OK);
    while (raftcore_get_ready(n, &rd) == RAFTCORE_OK) {
        CHECK(rd.n_msgs == 0);
        applied += rd.n_committed;
        CHECK(raftcore_advance(n, rd.number) == RAFTCORE_OK);
    }
    CHECK(raftcore_get_status(n, &status) == RAFTCORE_OK);
    CHECK(status.role == RAFTCORE_ROLE_LEADER && status.term == 4);
    CHECK(applied == 4); /* both old entries, and the leader's own */
    return raftcore_free(n) == RAFTCORE_OK ? 0 : 1;
}
