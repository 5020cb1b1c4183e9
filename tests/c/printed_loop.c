/* The loop of README and examples-c/minimal.c, with a log five times larger than recent_bytes. The loop applies every committed entry,
 * once, in order. The loop does so again after a restart in the middle. */
#include "check.h"
#include "raftcore.h"

static raftcore_code small_new(raftcore_config *c, raftcore_node **out);

#define main minimal_main
#define raftcore_new small_new
#include "../../examples-c/minimal.c"
#undef raftcore_new
#undef main

static raftcore_code small_new(raftcore_config *c, raftcore_node **out) {
    c->block_bytes = 4 << 10;
    c->recent_bytes = 16 << 10;
    c->max_committed_size_per_ready = 3000;
    return raftcore_new(c, out);
}

enum { LAST = 1000, SIZE = 60 };

/* The disk of a sole voter: the whole log is committed, and a part is applied. */
static void full_disk(disk *d, uint64_t applied) {
    raftcore_conf conf = {.struct_size = sizeof conf, .voters = (uint64_t[]){1}, .n_voters = 1, .index = 1};
    memset(d, 0, sizeof *d);
    d->conf.bytes.ptr = d->conf_bytes;
    CHECK(raftcore_conf_encode(&conf, d->conf_bytes, sizeof d->conf_bytes, &d->conf.bytes.len) == RAFTCORE_OK);
    d->stored.before_first = d->stored.before_first_term = 1;
    d->stored.term = d->stored.vote = 1;
    d->stored.commit = d->stored.last = LAST;
    d->stored.applied = applied;
    for (uint64_t index = 2; index <= LAST; index++) {
        raftcore_entry e = {.term = 1, .index = index, .data = {d->data[index], SIZE}};
        memset(d->data[index], 'a' + (int)(index % 26), SIZE);
        d->log[index] = e;
    }
    for (uint64_t index = 2; index <= applied; index++)
        strncat(strcat(d->text, " "), (const char *)d->data[index], SIZE);
}

int main(void) {
    static char want[sizeof disks[0].text];
    CHECK(freopen("/dev/null", "w", stdout) != NULL); /* the program prints each entry */
    full_disk(&disks[1], LAST);
    memcpy(want, disks[1].text, sizeof want);
    CHECK(strlen(want) == (LAST - 1) * (SIZE + 1));
    for (uint64_t applied = 1; applied <= LAST; applied += 333) {
        full_disk(&disks[1], applied);
        start(1);
        work_all();
        CHECK(disks[1].stored.applied == LAST && strcmp(disks[1].text, want) == 0);
        CHECK(raftcore_free(nodes[1]) == RAFTCORE_OK);
        nodes[1] = NULL;
    }
    memset(disks, 0, sizeof disks);
    CHECK(minimal_main() == 0);
    return 0;
}
