/*
 * host_heap.c: each allocation of a host's life fails once: of a host alone, and of a group of three. The
 * call says RH_E_NOMEM, or the host goes on, or stops with words; nothing acknowledged is lost, nothing
 * hangs, and the next start succeeds. The core's allocations count, too. Linked with --wrap=malloc and the
 * like: heap.h.
 *
 *     HOST_TIMES=8 and more: every allocation; else a part of them, chosen by SEED
 *     HEAP_AT=alone-open:17  the life whose 17th allocation of rh_open fails, and no other; as well
 *                            alone-live, group-open, group-live
 */
#include <poll.h>

#include "heap.h"
#include "host_kit.h"

enum { MEMBERS = 3, LIVES = 6, BULK = 4096, WAIT_S = 20, LONG = 128 * 1024 };

static struct member m[MEMBERS];
static size_t n_members;
static uint64_t sum, maybe;             /* acknowledged; of additions with the outcome UNKNOWN */
static unsigned at;                     /* the allocation that fails in this life */
static unsigned refused, stopped, went_on;
static bool at_open;                    /* count from rh_open on, else from its end */

/* ---- hosts ---- */

static bool open_member(struct member *x)
{
    struct rh_words why = {""};
    int code = rh_open(&x->o, &x->db, &x->h, &why);

    if (code == RH_OK)
        return true;
    x->h = NULL;
    if (at == 0 || code != RH_E_NOMEM || !strstr(why.text, "memory"))
        DIE("allocation %u: code %d: %s", at, code, why.text);
    return false;
}

/* Closes a member that has stopped, for a fault that the words name. */
static void bury(struct member *x, int code, const struct rh_words *why)
{
    struct rh_words ignored;

    if (at == 0 || heap_countdown > 0 || !why->text[0] || !has_said(x, "the node stops: "))
        DIE("allocation %u: member %llu stops by %d: \"%s\"", at, (unsigned long long)x->o.id, code, why->text);
    rh_close(x->h, &ignored);
    x->h = NULL;
    stopped++;
}

static void turn_all(void)
{
    struct pollfd p[MEMBERS];
    int wait = 20;

    for (size_t i = 0; i < n_members; i++) {
        int ms = m[i].h ? rh_timeout_ms(m[i].h) : wait;
        p[i] = (struct pollfd){.fd = m[i].h ? rh_fd(m[i].h) : -1, .events = POLLIN};
        wait = ms < wait ? ms : wait;
    }
    poll(p, n_members, wait);
    for (size_t i = 0; i < n_members; i++) {
        struct rh_words why = {""};
        int code = m[i].h ? rh_turn(m[i].h, &why) : RH_OK;
        if (code < 0)
            bury(&m[i], code, &why);
    }
}

/* Turns until the condition holds, or the member is gone. */
#define TURN_UNTIL(member, condition) \
    do { \
        for (double end_ = now_seconds() + WAIT_S; (member)->h && !(condition); turn_all()) \
            if (now_seconds() > end_) \
                DIE("allocation %u: not within %d s: %s", at, WAIT_S, #condition); \
    } while (0)

/* ---- requests ---- */

/* Waits for an outcome. A request that was not taken has none. */
static enum rh_what answer_of(struct member *x, struct answer *a, int code)
{
    if (code != RH_OK && code != RH_E_NOMEM)
        DIE("allocation %u: a request is refused: %s", at, rh_strerror(code));
    if (code != RH_OK)
        return RH_NOT_COMMITTED;
    double end = now_seconds() + WAIT_S;
    while (sem_trywait(&a->came) != 0) {
        turn_all();
        if (!x->h) {                    /* a host that stops has answered */
            CHECK(sem_trywait(&a->came) == 0);
            return a->what;
        }
        if (now_seconds() > end)
            DIE("allocation %u: no outcome", at);
    }
    return a->what;
}

#define ASK(x, call) \
    do { \
        struct answer a_ = {.words = ""}; \
        CHECK(sem_init(&a_.came, 0, 0) == 0); \
        uint64_t ticket = (uint64_t)(uintptr_t)&a_; \
        if ((x)->h) \
            (void)answer_of((x), &a_, (call)); \
    } while (0)

static void addition(struct member *x, size_t len)
{
    static uint8_t bytes[BULK] = {1};
    struct answer a = {.words = ""};

    CHECK(sem_init(&a.came, 0, 0) == 0);
    if (!x->h)
        return;
    enum rh_what what = answer_of(x, &a, rh_propose(x->h, &(raftcore_slice){bytes, len}, 1, NULL,
                                                    (uint64_t)(uintptr_t)&a));
    sum += what == RH_DONE;
    maybe += what == RH_UNKNOWN;
}

/*
 * All members run, and have what was acknowledged. A log that many short lives have made long is cut: else
 * each life would need more allocations than the one before, and the lives would never end.
 */
static void all_is_well(void)
{
    for (size_t i = 0; i < n_members; i++)
        if (!m[i].h)
            CHECK(open_member(&m[i]));
    TURN_UNTIL(&m[0], leads(&m[0]) || (n_members > 1 && (leads(&m[1]) || leads(&m[2]))));
    for (size_t i = 0; i < n_members; i++) {
        struct answer a = {.words = ""};
        enum rh_what what = RH_NOT_COMMITTED;
        for (double end = now_seconds() + WAIT_S; what != RH_READABLE;) {
            CHECK(now_seconds() < end);
            CHECK(sem_init(&a.came, 0, 0) == 0);
            what = answer_of(&m[i], &a, rh_read(m[i].h, (uint64_t)(uintptr_t)&a));
        }
        if (m[i].sum < sum || m[i].sum > sum + maybe)
            DIE("after allocation %u: member %zu has %llu, %llu was acknowledged, %llu is unknown", at, i + 1,
                (unsigned long long)m[i].sum, (unsigned long long)sum, (unsigned long long)maybe);
        TURN_UNTIL(&m[i], member_status(&m[i]).log_bytes < LONG);
    }
}

static void say_nothing_yet(void)
{
    for (size_t i = 0; i < n_members; i++)
        m[i].len = m[i].said[0] = 0;
}

/* ---- lives ---- */

/* Founded, or started again; leads, writes, reads, makes a backup, closes. */
static void live_alone(const char *root)
{
    char path[500], text[4000];

    snprintf(path, sizeof path, "%s/backup", root);
    unlink(path);
    TURN_UNTIL(&m[0], leads(&m[0]));
    for (int i = 0; i < 3; i++)
        addition(&m[0], 100);
    ASK(&m[0], rh_read(m[0].h, ticket));
    ASK(&m[0], rh_add(m[0].h, 9, "127.0.0.1:1", NULL, ticket));
    ASK(&m[0], rh_remove(m[0].h, 9, ticket));
    ASK(&m[0], rh_set_address(m[0].h, 1, m[0].peer, "127.0.0.1:1", ticket));
    ASK(&m[0], rh_backup(m[0].h, path, ticket));
    if (m[0].h)
        CHECK(rh_metrics(m[0].h, text, sizeof text) > 0);
}

/* Behind the group, so a snapshot comes; then reads and writes as a follower, and as the leader. */
static void live_in_group(const char *root)
{
    struct member *last = &m[MEMBERS - 1];
    uint64_t target = m[0].sum;

    (void)root;
    TURN_UNTIL(last, last->sum >= target);
    for (int i = 0; i < 2; i++)
        addition(last, 100);
    ASK(last, rh_read(last->h, ticket));
    ASK(last, rh_transfer(last->h, MEMBERS, ticket));
    for (int i = 0; i < 3; i++)
        addition(last, BULK);
    ASK(last, rh_read(last->h, ticket));
}

/* Writes that the last member misses. */
static void write_without_last(void)
{
    for (int i = 0; i < 12; i++)
        addition(&m[0], BULK);
}

/* Returns whether an allocation failed. */
static bool a_life(const char *root, unsigned which)
{
    struct member *last = &m[n_members - 1];
    struct rh_words why = {""};
    unsigned before = stopped + refused;

    say_nothing_yet();
    at = which;
    heap_fail_at(at_open ? which : 0);
    if (open_member(last)) {
        if (at_open && heap_countdown > 0)
            at = 0;                     /* rh_open needs fewer: the lives are over */
        heap_fail_at(at_open ? 0 : which);
        (n_members == 1 ? live_alone : live_in_group)(root);
        if (last->h && rh_close(last->h, &why) < 0)
            stopped++;
        last->h = NULL;
    } else {
        refused++;
    }
    bool failed = at > 0 && heap_countdown == 0;
    heap_fail_at(0);
    went_on += failed && stopped + refused == before;
    last->o.found = false;
    all_is_well();
    if (n_members > 1)
        TURN_UNTIL(&m[0], leads(&m[0]) || (leads(&m[1]) ? true : (rh_transfer(last->h, 1, 0), false)));
    CHECK_OK(rh_close(last->h, &why), &why);
    last->h = NULL;
    if (n_members > 1)
        write_without_last();
    return failed;
}

static void lives(const char *name, const char *root, bool open, struct random *r)
{
    const char *only = getenv("HEAP_AT");
    bool all = setting("HOST_TIMES", 1) >= 8;
    unsigned count = 0, step = open ? 60 : n_members == 1 ? 8 : 20;

    at_open = open;
    refused = stopped = went_on = 0;
    if (only) {
        if (strncmp(only, name, strlen(name)) == 0)
            printf("%s: %s\n", only, a_life(root, (unsigned)atoi(only + strlen(name) + 1)) ? "failed once" : "not reached");
        return;
    }
    for (unsigned which = 1; a_life(root, which); count++)
        which += all ? 1 : 1 + (unsigned)random_below(r, step);
    printf("host_heap: %s: %u allocations failed once: %u starts refused, %u hosts stopped, %u went on\n", name, count, refused,
           stopped, went_on);
    CHECK(count >= LIVES && (open ? refused > 0 : went_on > 0));
}

static void set_up(const char *root, const char *name, size_t n)
{
    static const char *const names[MEMBERS] = {"m1", "m2", "m3"};
    char folder[380];

    snprintf(folder, sizeof folder, "%s/%s", root, name);
    CHECK(mkdir(folder, 0700) == 0);
    n_members = n;
    at = 0;
    sum = maybe = 0;
    for (size_t i = 0; i < n; i++) {
        member_init(&m[i], folder, names[i], i + 1);
        m[i].o.tick_ms = n == 1 ? 1 : 5;
        m[i].o.request_ms = 2000;
        m[i].o.keep_bytes = 4096;
        m[i].o.segment_bytes = 16384;
        m[i].o.compaction_bytes = 16384;
        m[i].o.found = i == 0;
        m[i].o.join = i == 0 ? NULL : m[0].peer;
        CHECK(open_member(&m[i]));
        TURN_UNTIL(&m[i], member_status(&m[i]).voter && (i > 0 || leads(&m[i])));
        m[i].o.found = false;
        m[i].o.join = NULL;
    }
    addition(&m[0], 100);
    all_is_well();
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-heap";
    struct random r = random_open("host_heap");
    struct rh_words why;

    setvbuf(stdout, NULL, _IOLBF, 0);
    set_up(root, "alone", 1);
    CHECK_OK(rh_close(m[0].h, &why), &why);
    lives("alone-open", root, true, &r);
    lives("alone-live", root, false, &r);
    set_up(root, "group", MEMBERS);
    CHECK_OK(rh_close(m[2].h, &why), &why);
    m[2].h = NULL;
    lives("group-open", root, true, &r);
    lives("group-live", root, false, &r);
    for (size_t i = 0; i < n_members; i++)
        CHECK_OK(rh_close(m[i].h, &why), &why);
    return 0;
}
