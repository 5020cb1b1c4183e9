/*
 * host_faults.c: hosts on a full disk, and on a disk whose calls fail. Acknowledged writes stay, another
 * member leads, the words name the cause, and the same directory goes on later.
 *
 * disk.c is the disk of one member: its directory is below ROOT/bad.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#include "disk.h"
#include "host_kit.h"

enum { MEMBERS = 3, KIB = 1024, MANY = 4 * KIB };

static struct member m[MEMBERS];
static uint64_t sum;                    /* of acknowledged additions */
static uint64_t maybe;                  /* of additions with the outcome UNKNOWN */

static void set_up(const char *root, size_t n, const char *bad)
{
    char command[900], name[100], path[500];

    snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s/bad'", root, root);
    CHECK(system(command) == 0);
    snprintf(path, sizeof path, "%s/bad", root);
    disk_track(path);
    sum = maybe = 0;
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, i == 0 ? "bad/%s" : "%s-%zu", bad, i + 1);
        member_init(&m[i], root, name, i + 1);
    }
    group_open(m, n);
}

static void tear_down(size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (m[i].h)
            member_close(&m[i]);
    struct disk_record r = disk_untrack();
    disk_free(&r);
}

/* Leaves so many bytes on the bad disk; 0: no limit. */
static void leave_free(uint64_t bytes)
{
    struct statvfs fs;

    disk_set_capacity((uint64_t)1 << 40);
    int fd = open(m[0].dir, O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0 && fstatvfs(fd, &fs) == 0);
    close(fd);
    disk_set_capacity(bytes ? ((uint64_t)1 << 40) - fs.f_bavail * fs.f_frsize + bytes : 0);
}

static struct answer count(struct member *by, uint8_t number, size_t len)
{
    struct answer a = add(by, number, len);

    sum += a.what == RH_DONE ? number : 0;
    maybe += a.what == RH_UNKNOWN ? number : 0;
    return a;
}

static struct member *leader(size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (m[i].h && leads(&m[i]))
            return &m[i];
    return NULL;
}

static void all_have(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct answer a;
        UNTIL((a = ask_read(&m[i])).what == RH_READABLE);
        if (m[i].sum < sum || m[i].sum > sum + maybe)
            DIE("member %zu has %llu, %llu was acknowledged, and %llu is unknown", i + 1, (unsigned long long)m[i].sum,
                (unsigned long long)sum, (unsigned long long)maybe);
    }
}

/* ---- little space ---- */

/* On the leader's disk: writes go on, under another leader, and nothing is lost meanwhile. */
static void a_full_leader(const char *root)
{
    struct answer a;

    set_up(root, MEMBERS, "full");
    CHECK(count(&m[0], 1, 100).what == RH_DONE);
    leave_free(600 * KIB);
    for (int i = 0; i < 400 && !has_said(&m[0], "no writes are taken"); i++) {
        a = count(&m[0], 1, MANY);
        if (a.what == RH_UNKNOWN || (a.what == RH_NOT_COMMITTED && !strstr(a.words, "nearly full")))
            DIE("%s: %s", rh_what_text(a.what), a.words);
    }
    UNTIL((leave_free(60 * KIB), has_said(&m[0], "no writes are taken")));    /* another program takes the rest */
    CHECK(member_status(&m[0]).space > 0 && member_status(&m[0]).failed == 0);
    UNTIL(leader(MEMBERS) && leader(MEMBERS) != &m[0]);
    for (int i = 0; i < 50; i++)
        UNTIL(count(&m[i % MEMBERS], 1, 100).what == RH_DONE);
    all_have(MEMBERS);
    leave_free(0);
    UNTIL(has_said(&m[0], "writes are taken again"));
    tear_down(MEMBERS);
}

/* On all disks: writes are refused with words before the disk is full, and reads go on. Then there is space again. */
static void a_full_group(const char *root)
{
    char text[20000];

    set_up(root, 1, "alone");
    CHECK(count(&m[0], 1, 100).what == RH_DONE);
    UNTIL((leave_free(60 * KIB), has_said(&m[0], "no writes are taken")));    /* below two segments */
    for (int i = 0; i < 100; i++) {
        struct answer a = count(&m[0], 1, MANY);
        if (a.what != RH_NOT_COMMITTED || !strstr(a.words, "the leader's disk is nearly full"))
            DIE("%s: %s", rh_what_text(a.what), a.words);
    }
    struct rh_status s = member_status(&m[0]);
    CHECK(s.space > 0 && s.free_bytes > 0 && s.free_bytes <= 128 * KIB && s.failed == 0);
    rh_metrics(m[0].h, text, sizeof text);
    CHECK(strstr(text, "space"));
    all_have(1);
    leave_free(0);
    UNTIL(has_said(&m[0], "writes are taken again"));
    CHECK(count(&m[0], 1, MANY).what == RH_DONE);
    all_have(1);
    tear_down(1);
}

/* The disk of a follower has not a byte: the follower stops with words, the group goes on, and the follower comes back. */
static void a_full_follower(const char *root)
{
    struct answer a = {.words = ""};

    set_up(root, MEMBERS, "follower");
    while (a.what != RH_DONE)           /* node 2 may not have applied its own membership yet */
        ANSWER(&a, rh_transfer(m[0].h, 2, ticket));
    UNTIL(leader(MEMBERS) == &m[1]);
    m[0].o.keep_bytes = 0;
    disk_set_capacity(1);
    for (int i = 0; i < 3000 && member_status(&m[0]).failed == 0; i++)
        UNTIL(count(&m[1], 1, MANY).what == RH_DONE);
    CHECK(member_status(&m[0]).failed == RH_E_SPACE);
    CHECK(has_said(&m[0], "No space left on device") || has_said(&m[0], "full"));
    CHECK(rh_propose(m[0].h, &(raftcore_slice){(const uint8_t *)"x", 1}, 1, NULL, 0) == RH_E_FAILED);
    CHECK(member_close(&m[0]) == RH_E_SPACE);
    disk_set_capacity(0);
    CHECK(count(&m[1], 1, 100).what == RH_DONE);
    member_open(&m[0]);
    all_have(MEMBERS);
    tear_down(MEMBERS);
}

/* ---- calls that fail ---- */

struct fault_case {
    const char *name, *words;           /* words: of the failure; NULL: the host goes on */
    struct disk_fault fault;
};

static const struct fault_case CASES[] = {
    {"EIO at a write", "Input/output error", {FAULT_WRITE, 1, EIO, true}},
    {"ENOSPC at a write", "No space left on device", {FAULT_WRITE, 1, ENOSPC, true}},
    {"EDQUOT at a write", "Disk quota exceeded", {FAULT_WRITE, 1, EDQUOT, true}},
    {"one failing flush", "Input/output error", {FAULT_SYNC, 1, EIO, false}},
    {"failing flushes", "Input/output error", {FAULT_SYNC, 1, EIO, true}},
    {"a short write", NULL, {FAULT_WRITE, 1, 0, false}},
    {"short writes", NULL, {FAULT_WRITE, 1, 0, true}},
    {"EMFILE at a new segment", "Too many open files", {FAULT_OPEN, 1, EMFILE, true}},
    {"EROFS at a new segment", "Read-only file system", {FAULT_OPEN, 1, EROFS, true}},
    {"EIO at an allocation", "Input/output error", {FAULT_ALLOCATE, 1, EIO, true}},
    {"EIO at any third call", NULL, {FAULT_ALL & ~FAULT_READ, 3, EIO, false}},
};

/* Some calls need not succeed. Then the host goes on, or names the failed call. */
static bool may_stop(const struct fault_case *c)
{
    return c->words || c->fault.calls == (FAULT_ALL & ~FAULT_READ);
}

/* The leader's disk fails under load. */
static void a_failing_leader(const char *root, const struct fault_case *c)
{
    set_up(root, MEMBERS, "fails");
    for (int i = 0; i < 10; i++)
        CHECK(count(&m[0], 1, 100).what == RH_DONE);
    disk_set_fault(c->fault);
    for (int i = 0; i < 60 && member_status(&m[0]).failed == 0; i++) {
        uint8_t byte[MANY] = {2};
        struct answer a = {.words = ""};
        CHECK(sem_init(&a.came, 0, 0) == 0);
        int code = rh_propose(m[0].h, &(raftcore_slice){byte, sizeof byte}, 1, NULL, (uint64_t)(uintptr_t)&a);
        if (code == RH_E_FAILED)
            break;
        CHECK(code == RH_OK);
        while (sem_wait(&a.came) != 0)
            ;
        sum += a.what == RH_DONE ? 2 : 0;
        maybe += a.what == RH_UNKNOWN ? 2 : 0;
    }
    int failed = member_status(&m[0]).failed;
    CHECK(disk_fault_came());
    if (failed == 0 && c->words)
        DIE("%s: the host goes on", c->name);
    if (failed && (!may_stop(c) || !has_said(&m[0], "the node stops: ") || (c->words && !has_said(&m[0], c->words))))
        DIE("%s: stopped by %d: %s", c->name, failed, m[0].said);
    if (failed) {
        UNTIL(leader(MEMBERS) && leader(MEMBERS) != &m[0]);
        CHECK(count(&m[1], 1, 100).what == RH_DONE);
        CHECK(member_close(&m[0]) == failed);
    } else {
        CHECK(member_close(&m[0]) == RH_OK);
    }
    disk_set_fault((struct disk_fault){0});
    member_open(&m[0]);
    all_have(MEMBERS);
    printf("  %-24s %s\n", c->name, failed ? rh_strerror(failed) : "goes on");
    tear_down(MEMBERS);
}

/* At a start, each call fails once: the start is refused with words, or succeeds. The next start succeeds. */
static void a_failing_start(const char *root, int error)
{
    struct rh_words why;
    uint64_t at = 0, refused = 0;
    int code = RH_E_IO;

    set_up(root, 1, "start");
    for (int i = 0; i < 30; i++)
        CHECK(count(&m[0], 1, MANY).what == RH_DONE);
    CHECK(member_close(&m[0]) == RH_OK);
    for (bool came = true; came; at++) {
        disk_set_fault((struct disk_fault){FAULT_ALL, at + 1, error, false});
        why.text[0] = 0;
        code = member_try(&m[0], &why);
        came = disk_fault_came();
        if (code < 0 && (!came || !why.text[0]))
            DIE("call %llu: code %d, words \"%s\"", (unsigned long long)at + 1, code, why.text);
        refused += code < 0;
        if (code == RH_OK && member_status(&m[0]).failed == 0 && leads(&m[0]))
            all_have(1);
        if (code == RH_OK)
            member_close(&m[0]);
    }
    disk_set_fault((struct disk_fault){0});
    member_open(&m[0]);
    all_have(1);
    printf("  %-24s %llu calls of a start fail once each, %llu starts refused\n", strerror(error), (unsigned long long)at,
           (unsigned long long)refused);
    CHECK(refused > 5);
    tear_down(1);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-faults";
    char group[400];

    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(group, sizeof group, "%s/group", root);
    a_full_leader(group);
    a_full_group(group);
    a_full_follower(group);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        a_failing_leader(group, &CASES[i]);
    a_failing_start(group, EIO);
    a_failing_start(group, EMFILE);
    return 0;
}
