/*
 * host_starts.c: a member that is started again and again, and writes a little each time, or nothing. The log is
 * cut all the same: the bytes in the log count, not the bytes that this process has written, and not only those
 * of writes. And a member that is started at once after its end, beside a child of the process.
 */
#include <sys/wait.h>

#include "host_kit.h"

enum { STARTS = 20, PIECE = 16 * 1024, LITTLE = 3000 };

struct durable {
    struct member m;
    uint64_t index;                     /* of the last entry in the sum */
    unsigned asked;                     /* since the start, to make the sum durable */
    bool slow;                          /* the first time the database answers RH_NONE */
};

static int apply(void *self, struct rh_entry *e, size_t n, struct rh_words *why)
{
    struct durable *d = self;

    d->index = e[n - 1].index;
    return kit_apply(&d->m, e, n, why);
}

static int applied(void *self, uint64_t *index, struct rh_words *why)
{
    (void)why;
    *index = ((struct durable *)self)->index;
    return 0;
}

static int flush(void *self, uint64_t index, struct rh_words *why)
{
    struct durable *d = self;

    (void)why;
    CHECK(index <= d->index);
    return ++d->asked == 1 && d->slow ? RH_NONE : RH_OK;
}

static void init(struct member *m, const char *root, const char *name)
{
    member_init(m, root, name, 1);
    m->o.segment_bytes = m->o.keep_bytes = m->o.compaction_bytes = PIECE;
    m->o.found = true;
}

/* Writes less than a cut would be due for after each start, and far more in all. */
static void start_often(struct member *m, unsigned *asked)
{
    for (int i = 1; i <= STARTS; i++) {
        *asked = 0;
        member_open(m);
        m->o.found = false;
        UNTIL(leads(m));
        CHECK(add(m, 1, LITTLE).what == RH_DONE);
        must_have(m, (uint64_t)i);
        CHECK(member_close(m) == RH_OK);
    }
    *asked = 0;
    member_open(m);
    UNTIL(member_status(m).core.first_index > 2);
    UNTIL(member_status(m).log_bytes < 3 * PIECE);
    must_have(m, STARTS);
    CHECK(member_close(m) == RH_OK);
}

static void on_disk(const char *root, const char *name, bool slow)
{
    struct durable *d = must(calloc(1, sizeof *d));

    init(&d->m, root, name);
    d->slow = slow;
    d->m.db.self = d;
    d->m.db.apply = apply;
    d->m.db.applied = applied;
    d->m.db.flush = flush;
    start_often(&d->m, &d->asked);
    free(d);
}

/* Entries of memberships alone, none of which the database sees, make a log that is cut, too. */
static void without_writes(const char *root)
{
    struct member *m = must(calloc(1, sizeof *m));

    init(m, root, "idle");
    member_open(m);
    UNTIL(leads(m));
    for (int i = 0; i < 3 * PIECE / 100; i++) {
        struct answer a = {.words = ""};
        ANSWER(&a, rh_set_address(m->h, 1, m->peer, i % 2 ? "127.0.0.1:1" : "127.0.0.1:2", ticket));
        CHECK(a.what == RH_DONE);
    }
    UNTIL(member_status(m).core.first_index > 2);
    CHECK(member_close(m) == RH_OK);
    m->o.found = false;
    member_open(m);
    must_have(m, 0);
    CHECK(member_close(m) == RH_OK);
    free(m);
}

/* A child of the process, which has not called exec yet, holds copies of all descriptors: the directory and the port are free. */
static void beside_a_child(const char *root)
{
    struct member *m = must(calloc(1, sizeof *m));
    int end[2], status = 0;
    char byte;

    init(m, root, "child");
    member_open(m);
    UNTIL(leads(m));
    CHECK(pipe(end) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(end[1]);
        _exit(read(end[0], &byte, 1) != 0);
    }
    CHECK(member_close(m) == RH_OK);
    m->o.found = false;
    member_open(m);
    UNTIL(leads(m));
    CHECK(member_close(m) == RH_OK);
    CHECK(close(end[1]) == 0 && waitpid(child, &status, 0) == child && status == 0);
    close(end[0]);
    free(m);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-starts";
    struct member *m = must(calloc(1, sizeof *m));
    unsigned unused;

    setvbuf(stdout, NULL, _IOLBF, 0);
    init(m, root, "memory");
    start_often(m, &unused);
    free(m);
    on_disk(root, "disk", false);
    on_disk(root, "slow", true);
    without_writes(root);
    beside_a_child(root);
    return 0;
}
