/* A sum, replicated: the smallest database. smallest DIR HOST:PORT [found]. Run it once with found, then without. */
#include <inttypes.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "raftcore_host.h"

struct view { uint64_t sum; bool read; };

static uint64_t sum, loading;
static sem_t finished;

static int apply(void *db, struct rh_entry *e, size_t count, struct rh_words *why) {
    for (size_t i = 0; i < count; i++)
        sum += e[i].data.ptr[0];
    return 0;
}

static int applied(void *db, uint64_t *index, struct rh_words *why) {
    *index = 0; /* a database in memory: the library brings back a snapshot, and the log behind it */
    return 0;
}

static int snapshot_open(void *db, void **view, uint64_t *index, struct rh_words *why) {
    struct view *v = malloc(sizeof *v);
    if (!v)
        return rh_fail(why, RH_E_NOMEM, "no memory");
    *v = (struct view){sum, false};
    *view = v;
    return 0;
}

static int snapshot_read(void *db, void *view, void *to, size_t cap, size_t *got, struct rh_words *why) {
    struct view *v = view;
    *got = v->read ? 0 : sizeof v->sum;
    memcpy(to, &v->sum, *got);
    v->read = true;
    return 0;
}

static void snapshot_close(void *db, void *view) {
    free(view);
}

static int snapshot_load(void *db, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why) {
    if (what == RH_LOAD_DATA)
        memcpy(&loading, bytes, sizeof loading);
    if (what == RH_LOAD_COMMIT)
        sum = loading;
    return 0;
}

static void outcome(void *db, uint64_t ticket, const struct rh_outcome *o) {
    printf("request %" PRIu64 " is %s, the sum is %" PRIu64 "\n", ticket, rh_what_text(o->what), sum);
    sem_post(&finished);
}

int main(int argc, char **argv) {
    const struct rh_database db = {.struct_size = sizeof db, .apply = apply, .applied = applied, .outcome = outcome,
                                   .snapshot_open = snapshot_open, .snapshot_read = snapshot_read,
                                   .snapshot_close = snapshot_close, .snapshot_load = snapshot_load};
    const uint8_t number = 14;
    struct rh_options o;
    struct rh_host *h;
    struct rh_words why;
    if (argc < 3)
        return 2;
    rh_options_init(&o, sizeof o);
    o.dir = argv[1];
    o.id = 1;
    o.peer = argv[2];
    o.found = argc > 3;
    sem_init(&finished, 0, 0);
    if (rh_open(&o, &db, &h, &why) != RH_OK || rh_thread(h, &why) != RH_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    for (uint64_t ticket = 1; ticket <= 3; ticket++) {
        if (rh_propose(h, &(raftcore_slice){&number, 1}, 1, NULL, ticket) == RH_OK)
            sem_wait(&finished);
    }
    return rh_close(h, &why) == RH_OK ? 0 : 1;
}
