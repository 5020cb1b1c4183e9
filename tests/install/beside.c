/* raftcore and another Rust library in one program: both work, and the other one's panics are caught, before and after. */
#include <raftcore.h>

int other_caught(int value);

int main(void) {
    raftcore_config config;
    raftcore_node *node = 0;
    raftcore_stored empty = {sizeof empty};
    char detail[64];
    if (other_caught(7) != 7)
        return 1;
    if (raftcore_config_init(&config, sizeof config) != RAFTCORE_OK)
        return 2;
    config.id = 0; /* refused */
    if (raftcore_new(&config, &node) != RAFTCORE_E_ARG || raftcore_config_error(&config, detail, sizeof detail) == 0)
        return 3;
    config.id = config.seed = 1;
    if (raftcore_new(&config, &node) != RAFTCORE_OK || raftcore_boot(node, &empty) != RAFTCORE_OK)
        return 4;
    if (raftcore_tick(node, 100) != RAFTCORE_OK || raftcore_free(node) != RAFTCORE_OK)
        return 5;
    return other_caught(8) == 8 ? 0 : 6;
}
