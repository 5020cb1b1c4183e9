/*
 * contract.c: the codes of right and wrong calls. A wrong call must change nothing. A restart must
 * change nothing either.
 */
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "script.h"

enum { SCRIPTS = 8, STEPS = 300 };

typedef unsigned long long ull;

static const uint8_t conf[] = {8, 1, 8, 2, 8, 3};

struct contract {
    struct script s;
    struct rh_boot boot;
    struct said before;
};

/* Checks that the log refuses with words, and that its content is unchanged. */
static void refused(struct contract *c, int code, int expected, const char *call)
{
    struct said does;

    if (code != expected || strlen(c->s.why.text) < 10)
        check_broken("%s is answered %d (\"%s\"), not %d", call, code, c->s.why.text, expected);
    CHECK_TRUE(said_read(&c->s.log, &does, &c->s.why) == RH_OK);
    CHECK_TRUE(said_differs(&c->before, &does, 0) == NULL);
    said_free(&does);
    c->s.why.text[0] = 0;
}

#define OK(call) \
    do { \
        int code_ = (call); \
        if (code_ != RH_OK) \
            check_broken("%s: %d: %s", #call, code_, c->s.why.text); \
    } while (0)

#define APPEND(...) c->s.log.ops->append(c->s.log.self, &(struct rh_batch){__VA_ARGS__}, &c->s.why)
#define REFUSED_APPEND(...) refused(c, APPEND(__VA_ARGS__), RH_E_ARG, "append(" #__VA_ARGS__ ")")
#define ENTRIES(e) .entries = (e), .n_entries = sizeof(e) / sizeof *(e), .entry_stride = sizeof *(e)

static void remember(struct contract *c)
{
    said_free(&c->before);
    OK(said_read(&c->s.log, &c->before, &c->s.why));
}

static void fresh(struct contract *c)
{
    OK(c->s.log.ops->boot(c->s.log.self, &c->boot, &c->s.why));
    CHECK_TRUE(c->boot.fresh && c->boot.last == 0 && c->boot.before == 0 && c->boot.n_runs == 0 &&
               c->boot.n_confs == 0);
    CHECK_TRUE(c->boot.term == 0 && c->boot.vote == 0 && c->boot.commit == 0 && c->boot.snapshot.index == 0 &&
               c->boot.note[0] == 0);
    CHECK_TRUE(rh_boot_conf(&c->boot, UINT64_MAX).bytes.len == 0);
}

/* A founder's first batch, with the members as of index 1. Then entries 2 to 5. */
static void found(struct contract *c)
{
    struct rh_snapshot founding = {.index = 1, .term = 1, .conf = {conf, sizeof conf}};
    raftcore_entry e[] = {{.index = 2, .term = 1, .data = {conf, 3}},
                          {.index = 3, .term = 1, .kind = 2},
                          {.index = 4, .term = 2},
                          {.index = 5, .term = 4}};
    uint64_t number = 0;

    OK(APPEND(.snapshot = &founding, .replaces = true, .has_state = true, .commit = 1));
    OK(APPEND(.number = 5, ENTRIES(e), .has_state = true, .term = 4, .vote = 2, .commit = 3));
    OK(c->s.log.ops->sync(c->s.log.self, &number, &c->s.why));
    CHECK_TRUE(number == 5);
    OK(c->s.log.ops->boot(c->s.log.self, &c->boot, &c->s.why));
    CHECK_TRUE(!c->boot.fresh && c->boot.before == 1 && c->boot.before_term == 1 && c->boot.last == 5 &&
               c->boot.n_runs == 3);
    CHECK_TRUE(c->boot.runs[1].first == 4 && c->boot.runs[1].term == 2 && c->boot.snapshot.index == 1);
    CHECK_TRUE(rh_boot_conf(&c->boot, 3).bytes.len == sizeof conf && rh_boot_conf(&c->boot, 0).bytes.len == 0);
}

static void wrong_appends(struct contract *c)
{
    struct rh_snapshot past = {.index = 0, .term = 1, .conf = {conf, 2}},
                       other = {.index = 3, .term = 9, .conf = {conf, 2}};
    struct rh_snapshot no_conf = {.index = 9, .term = 9};
    struct rh_conf late[] = {{9, {conf, 2}}}, falling[] = {{3, {conf, 2}}, {2, {conf, 2}}};
    raftcore_entry gap[] = {{.index = 7, .term = 4}}, at_before[] = {{.index = 1, .term = 4}},
                   low_term[] = {{.index = 6, .term = 3}};
    raftcore_entry no_term[] = {{.index = 4, .term = 0}}, hole[] = {{.index = 6, .term = 4}, {.index = 8, .term = 4}};
    raftcore_entry falls[] = {{.index = 6, .term = 5}, {.index = 7, .term = 4}}, under[] = {{.index = 5, .term = 1}};

    remember(c);
    REFUSED_APPEND(ENTRIES(gap));
    REFUSED_APPEND(ENTRIES(at_before));
    REFUSED_APPEND(ENTRIES(low_term));
    REFUSED_APPEND(ENTRIES(no_term));
    REFUSED_APPEND(ENTRIES(hole));
    REFUSED_APPEND(ENTRIES(falls));
    REFUSED_APPEND(ENTRIES(under));
    REFUSED_APPEND(.entries = gap, .n_entries = 1, .entry_stride = 8);
    REFUSED_APPEND(.has_state = true, .term = 3, .commit = 3);
    REFUSED_APPEND(.has_state = true, .term = 4, .commit = 2);
    REFUSED_APPEND(.has_state = true, .term = 4, .commit = 6);
    REFUSED_APPEND(.number = 5, .has_state = true, .term = 4, .commit = 3);
    REFUSED_APPEND(.number = 4, .has_state = true, .term = 4, .commit = 3);
    REFUSED_APPEND(.snapshot = &past);
    REFUSED_APPEND(.snapshot = &other);
    REFUSED_APPEND(.snapshot = &no_conf, .replaces = true);
    REFUSED_APPEND(.replaces = true);
    REFUSED_APPEND(.confs = late, .n_confs = 1);
    REFUSED_APPEND(.confs = falling, .n_confs = 2);
}

static int read_into(struct contract *c, uint64_t first, uint64_t last, size_t cap, size_t max)
{
    static uint8_t buf[1000];
    static raftcore_entry entries[8];
    struct rh_read io = {.buf = buf, .cap = cap, .entries = entries, .max = max};

    return c->s.log.ops->read(c->s.log.self, first, last, &io, &c->s.why);
}

static void wrong_reads(struct contract *c)
{
    uint64_t before = 0;

    OK(read_into(c, 2, 5, 1000, 8));
    refused(c, read_into(c, 1, 5, 1000, 8), RH_E_GONE, "read of an entry that is gone");
    refused(c, read_into(c, 2, 6, 1000, 8), RH_E_RANGE, "read beyond the end");
    refused(c, read_into(c, 6, 6, 1000, 8), RH_E_RANGE, "read behind the end");
    refused(c, read_into(c, 3, 2, 1000, 8), RH_E_ARG, "read of a range that ends before it begins");
    refused(c, read_into(c, 0, 2, 1000, 8), RH_E_ARG, "read of entry 0");
    refused(c, read_into(c, 2, 3, 1000, 0), RH_E_ARG, "read of no entries");
    refused(c, read_into(c, 2, 3, 2, 8), RH_E_SMALL, "read into a small buffer");
    refused(c, c->s.log.ops->compact(c->s.log.self, 4, UINT64_MAX, &before, &c->s.why), RH_E_ARG,
            "compact beyond commit");
}

/* Entries over the uncommitted end, and a vote, in a single batch. */
static void overwrite(struct contract *c)
{
    raftcore_entry e[] = {{.index = 4, .term = 5, .data = {conf, 1}}};
    struct rh_conf confs[] = {{2, {conf, 2}}, {3, {conf, 4}}};
    uint64_t number = 0;

    OK(APPEND(.number = 6, ENTRIES(e), .confs = confs, .n_confs = 2, .has_state = true, .term = 5, .vote = 3,
              .commit = 3));
    OK(c->s.log.ops->sync(c->s.log.self, &number, &c->s.why));
    CHECK_TRUE(number == 6);
    CHECK_TRUE(c->s.log.ops->sync(c->s.log.self, &number, &c->s.why) == RH_NONE && number == 6);
    for (int round = 0; round < 3; round++) {
        OK(c->s.log.ops->boot(c->s.log.self, &c->boot, &c->s.why));
        CHECK_TRUE(c->boot.last == 4 && c->boot.n_runs == 2 && c->boot.term == 5 && c->boot.vote == 3 &&
                   c->boot.commit == 3);
        CHECK_TRUE(rh_boot_conf(&c->boot, 1).bytes.len == 6 && rh_boot_conf(&c->boot, 2).bytes.len == 2 &&
                   rh_boot_conf(&c->boot, 9).bytes.len == 4);
        remember(c);
        refused(c, read_into(c, 5, 5, 1000, 8), RH_E_RANGE, "read of an entry that was overwritten");
        OK(script_close(&c->s));
        OK(script_open(&c->s));
    }
}

/* A snapshot of a leader: no old entry is left. */
static void replace(struct contract *c)
{
    struct rh_snapshot n = {.index = 100, .term = 6, .bytes = 12345, .checksum = 0xfeed, .conf = {conf, 5}};
    raftcore_entry e[] = {{.index = 101, .term = 6, .data = {conf, 6}}};
    uint64_t number = 0;

    OK(APPEND(.number = 1, .snapshot = &n, .replaces = true, ENTRIES(e), .has_state = true, .term = 6, .commit = 100));
    for (int round = 0; round < 2; round++) {
        OK(c->s.log.ops->boot(c->s.log.self, &c->boot, &c->s.why));
        CHECK_TRUE(c->boot.before == 100 && c->boot.before_term == 6 && c->boot.last == 101 && c->boot.n_confs == 1);
        CHECK_TRUE(c->boot.snapshot.bytes == 12345 && c->boot.snapshot.checksum == 0xfeed &&
                   c->boot.snapshot.conf.len == 5);
        CHECK_TRUE(rh_boot_conf(&c->boot, 99).bytes.len == 0 && rh_boot_conf(&c->boot, 100).bytes.len == 5);
        OK(read_into(c, 101, 101, 1000, 8));
        remember(c);
        refused(c, read_into(c, 4, 4, 1000, 8), RH_E_GONE, "read of an entry from before a snapshot");
        CHECK_TRUE(c->s.log.ops->sync(c->s.log.self, &number, &c->s.why) >= 0);
        OK(script_close(&c->s));
        OK(script_open(&c->s));
    }
}

void rh_check_contract(const struct rh_check_store *store, const struct rh_check_options *o)
{
    struct contract *c = calloc(1, sizeof *c);
    char dir[4096];

    CHECK_TRUE(c != NULL);
    snprintf(dir, sizeof dir, "%s/contract", o->dir);
    image_empty(dir);
    check_context("%s: the contract", store->name);
    script_begin(&c->s, store, dir, 1);
    OK(script_open(&c->s));
    fresh(c);
    found(c);
    wrong_appends(c);
    wrong_reads(c);
    overwrite(c);
    replace(c);
    said_free(&c->before);
    script_end(&c->s);
    for (unsigned run = 0; run < SCRIPTS * o->times; run++) {
        check_context("%s: a long script, SEED=%llu", store->name, (ull)(o->seed + run));
        image_empty(dir);
        script_begin(&c->s, store, dir, o->seed + run);
        OK(script_open(&c->s));
        for (int i = 0; i < STEPS; i++)
            OK(script_step(&c->s, true));
        script_end(&c->s);
    }
    free(c);
    printf("%s: the contract, and %u scripts of %d steps\n", store->name, SCRIPTS * o->times, STEPS);
}

void rh_check_all(const struct rh_check_store *store, const struct rh_check_options *o)
{
    rh_check_contract(store, o);
    rh_check_power_cuts(store, o);
    rh_check_faults(store, o);
    rh_check_damage(store, o);
}
