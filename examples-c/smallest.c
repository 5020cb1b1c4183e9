/* A replicated sum in memory: the smallest database. `make smallest` builds and runs a group of one. */
#include <inttypes.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "raftcore_host.h"

static uint64_t sum, loading;
static sem_t finished;

static int apply(void *db, struct rh_entry *e, size_t count, struct rh_words *why) {
    for (size_t i = 0; i < count; i++)
        sum += (uint64_t)atoi((const char *)e[i].data.ptr);
    return 0;
}
static int applied(void *db, uint64_t *index, struct rh_words *why) {
    *index = 0; /* nothing outlives the process: the library brings everything back */
    return 0;
}
static int snapshot_open(void *db, void **view, uint64_t *index, struct rh_words *why) {
    uint64_t *copy = malloc(sizeof *copy);
    *view = copy;
    return copy ? (*copy = sum, 0) : rh_fail(why, RH_E_NOMEM, "no memory");
}
static int snapshot_read(void *db, void *view, void *to, size_t cap, size_t *got, struct rh_words *why) {
    static const uint64_t read_already = UINT64_MAX;
    uint64_t *copy = view;
    *got = *copy == read_already ? 0 : sizeof *copy;
    memcpy(to, copy, *got);
    *copy = read_already;
    return 0;
}
static void snapshot_close(void *db, void *view) { free(view); }
static int snapshot_load(void *db, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why) {
    if (what == RH_LOAD_DATA && len == sizeof loading)
        memcpy(&loading, bytes, len);
    if (what == RH_LOAD_COMMIT)
        sum = loading;
    return 0;
}
static void outcome(void *db, uint64_t ticket, const struct rh_outcome *o) {
    printf("request %" PRIu64 ": %s, sum %" PRIu64 "\n", ticket, rh_what_text(o->what), sum);
    sem_post(&finished);
}

int main(int argc, char **argv) {
    const struct rh_database db = {sizeof db,     NULL,          apply,          applied,       NULL,
                                   snapshot_open, snapshot_read, snapshot_close, snapshot_load, NULL, outcome};
    struct rh_options o;
    struct rh_host *h;
    struct rh_words why;
    rh_options_init(&o, sizeof o);
    o.dir = argc > 1 ? argv[1] : "smallest.data";
    o.id = 1;
    o.peer = "127.0.0.1:7001";
    o.found = argc > 2; /* smallest DIR found: once */
    sem_init(&finished, 0, 0);
    if (rh_open(&o, &db, &h, &why) != RH_OK || rh_thread(h, &why) != RH_OK)
        return fprintf(stderr, "%s\n", why.text), 1;
    for (uint64_t ticket = 1; ticket <= 3; ticket++) {
        if (rh_propose(h, &(raftcore_slice){(const uint8_t *)"14", 3}, 1, NULL, ticket) != RH_OK)
            return 1;
        sem_wait(&finished);
    }
    return rh_close(h, &why) == RH_OK ? 0 : 1;
}
