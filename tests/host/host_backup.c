/*
 * host_backup.c: a backup, damaged and whole, and new groups of it. Built with ThreadSanitizer.
 */
#include <fcntl.h>
#include <stdatomic.h>

#include "host_kit.h"

static struct member old[2], fresh[2];
static char path[400];

static void back_up(struct member *m, const char *to, enum rh_what what, const char *words)
{
    struct answer a = {.words = ""};

    ANSWER(&a, rh_backup(m->h, to, ticket));
    if (a.what != what || !strstr(a.words, words))
        DIE("backup to %s: %s: %s", to, rh_what_text(a.what), a.words);
}

static void check_backups(const char *root)
{
    char other[500];
    struct stat st;

    back_up(&old[1], path, RH_DONE, "");
    CHECK(stat(path, &st) == 0 && st.st_size > 100);
    back_up(&old[1], path, RH_NOT_COMMITTED, "File exists");
    CHECK(stat(path, &st) == 0 && st.st_size > 100);
    snprintf(other, sizeof other, "%s/nowhere/backup", root);
    back_up(&old[0], other, RH_NOT_COMMITTED, "No such file");
    CHECK(rh_backup(old[0].h, NULL, 0) == RH_E_ARG && rh_backup(old[0].h, "", 0) == RH_E_ARG);
}

enum { LONG = 8 << 20 };

static atomic_bool writes;              /* somebody writes, and a view is long */

/* Reads a view that takes the maker several turns: the sum, and bytes that nobody loads. */
static int read_long(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why)
{
    static size_t left;

    kit_snapshot_read(self, view, to, cap, got, why);
    if (*got > 0 || !writes) {
        left = LONG;
        return 0;
    }
    *got = left < cap ? left : cap;
    memset(to, 0, *got);
    left -= *got;
    return 0;
}

static void *write_on(void *unused)
{
    (void)unused;
    while (writes)
        must_add(&old[0], 0);
    return NULL;
}

/* A backup is of the moment of the call, so writes that go on do not hold the end up. */
static void check_backup_under_writes(const char *root)
{
    char other[500];
    pthread_t writer;

    writes = true;
    CHECK(pthread_create(&writer, NULL, write_on, NULL) == 0);
    snprintf(other, sizeof other, "%s/under-writes", root);
    const uint64_t before = member_status(&old[0]).core.applied;
    UNTIL(member_status(&old[0]).core.applied > before + 10);
    back_up(&old[0], other, RH_DONE, "");
    writes = false;
    CHECK(pthread_join(writer, NULL) == 0);
}

/* ---- a member that lags ---- */

enum { LAGGING = 3, WRITES = 5 };

static struct member lag[LAGGING];

/* Turns the first n members, in this thread, until the condition holds. */
#define TURN_UNTIL(n, condition) \
    do { \
        for (double end_ = now_seconds() + 30; !(condition); usleep(200)) { \
            struct rh_words why_ = {""}; \
            if (now_seconds() > end_) \
                DIE("not within 30 s: %s", #condition); \
            for (size_t i_ = 0; i_ < (n); i_++) \
                CHECK_OK(rh_turn(lag[i_].h, &why_), &why_); \
        } \
    } while (0)

static void lag_open(const char *root, size_t which)
{
    static const char *const names[LAGGING] = {"lag-1", "lag-2", "lag-3"};
    struct member *m = &lag[which];
    struct rh_words why = {""};

    member_init(m, root, names[which], which + 1);
    m->o.found = which == 0;
    m->o.join = which == 0 ? NULL : lag[0].peer;
    CHECK_OK(rh_open(&m->o, &m->db, &m->h, &why), &why);
    TURN_UNTIL(which + 1, member_status(m).voter && leads(&lag[0]));
}

/* The third member stands still while the others acknowledge writes. A backup there has these writes; a
 * member without a leader makes none. */
static void check_backup_of_a_member_that_lags(const char *root)
{
    struct answer added = {.words = ""}, saved = {.words = ""};
    struct rh_words why = {""};
    const uint8_t one = 1;
    char to[500];

    for (size_t i = 0; i < LAGGING; i++)
        lag_open(root, i);
    CHECK(sem_init(&added.came, 0, 0) == 0 && sem_init(&saved.came, 0, 0) == 0);
    for (int i = 0; i < WRITES; i++) {
        CHECK(rh_propose(lag[0].h, &(raftcore_slice){&one, 1}, 1, NULL, (uint64_t)(uintptr_t)&added) == RH_OK);
        TURN_UNTIL(2, sem_trywait(&added.came) == 0);
        CHECK(added.what == RH_DONE);
    }
    CHECK(lag[2].sum < WRITES);
    snprintf(to, sizeof to, "%s/lagging", root);
    CHECK(rh_backup(lag[2].h, to, (uint64_t)(uintptr_t)&saved) == RH_OK);
    TURN_UNTIL(LAGGING, sem_trywait(&saved.came) == 0);
    if (saved.what != RH_DONE)
        DIE("backup of a member that lags: %s", saved.words);
    member_init(&fresh[0], root, "of-lagging", 9);
    fresh[0].o.restore = to;
    group_open(fresh, 1);
    must_have(&fresh[0], WRITES);
    CHECK(member_close(&fresh[0]) == RH_OK);

    for (size_t i = 1; i < LAGGING; i++)
        CHECK_OK(rh_close(lag[i].h, &why), &why);
    TURN_UNTIL(1, !leads(&lag[0]));
    snprintf(to, sizeof to, "%s/alone", root);
    CHECK(rh_backup(lag[0].h, to, (uint64_t)(uintptr_t)&saved) == RH_OK);
    TURN_UNTIL(1, sem_trywait(&saved.came) == 0);
    CHECK(saved.what == RH_NOT_COMMITTED && strstr(saved.words, "no leader confirmed") && access(to, F_OK) != 0);
    CHECK_OK(rh_close(lag[0].h, &why), &why);
}

/* Restores into an empty directory, which must be refused with words. */
static void refused(const char *root, const char *file, int expected, const char *words)
{
    struct rh_words why = {""};

    member_init(&fresh[0], root, "refused", 9);
    fresh[0].o.found = true;
    fresh[0].o.restore = file;
    int code = member_try(&fresh[0], &why);
    if (code != expected || !strstr(why.text, words))
        DIE("restore of %s: code %d: %s", file, code, why.text);
}

/* Changes a byte of a copy, or cuts the copy. */
static void damage(const char *copy, off_t at, bool cut)
{
    char command[1000];
    uint8_t byte;
    int fd;

    snprintf(command, sizeof command, "cp '%s' '%s'", path, copy);
    CHECK(system(command) == 0);
    CHECK((fd = open(copy, O_RDWR)) >= 0);
    if (cut) {
        CHECK(ftruncate(fd, at) == 0);
    } else {
        CHECK(pread(fd, &byte, 1, at) == 1);
        byte ^= 0x10;
        CHECK(pwrite(fd, &byte, 1, at) == 1);
    }
    close(fd);
}

static void check_refusals(const char *root)
{
    struct rh_words why = {""};
    struct stat st;
    char copy[500];

    snprintf(copy, sizeof copy, "%s/copy", root);
    CHECK(stat(path, &st) == 0);
    for (off_t at = 0; at < st.st_size; at += at < 64 ? 9 : 23) {
        damage(copy, at, false);
        refused(root, copy, RH_E_DAMAGED, "not what was written");
        damage(copy, at, true);
        refused(root, copy, RH_E_DAMAGED, "copy: ");
    }
    refused(root, "/dev/null/backup", RH_E_IO, "open of /dev/null/backup");
    refused(root, "nowhere", RH_E_IO, "No such file");
    fresh[0].o.restore = NULL;          /* the directory is as before: it can found a group */
    member_open(&fresh[0]);
    must_have(&fresh[0], 0);
    CHECK(member_close(&fresh[0]) == RH_OK);
    member_init(&fresh[0], root, "args", 9);
    fresh[0].o.restore = path;
    fresh[0].o.join = "";
    CHECK(member_try(&fresh[0], &why) == RH_E_ARG && strstr(why.text, "restore needs found"));
}

/* A new group under a new id: it has the old state, goes on, takes members, and comes back after a restart. */
static void check_restore(const char *root, uint64_t sum)
{
    struct rh_words why = {""};

    member_init(&fresh[0], root, "fresh", 9);
    member_init(&fresh[1], root, "second", 10);
    fresh[0].o.restore = path;
    group_open(fresh, 1);
    must_have(&fresh[0], sum);
    must_add(&fresh[0], 5);
    fresh[1].o.join = fresh[0].peer;
    member_open(&fresh[1]);
    must_have(&fresh[1], sum + 5);
    CHECK(member_close(&fresh[0]) == RH_OK);
    fresh[0].o.found = true;
    CHECK(member_try(&fresh[0], &why) == RH_E_OWNER && strstr(why.text, "founded once"));
    fresh[0].o.found = false;
    fresh[0].o.restore = NULL;
    member_open(&fresh[0]);
    must_have(&fresh[0], sum + 5);
}

/* A member of a restored group, at an address that the old group dials, under the old id. */
static void check_strangers(const char *root)
{
    struct member stray;

    CHECK(member_close(&old[1]) == RH_OK);
    member_init(&stray, root, "stray", 2);
    snprintf(stray.peer, sizeof stray.peer, "%s", old[1].peer);
    stray.o.found = true;
    stray.o.restore = path;
    member_open(&stray);
    UNTIL(has_said(&old[0], "founded"));
    UNTIL(has_said(&stray, "founded"));
    CHECK(member_status(&stray).core.n_peers == 1);
    CHECK(member_close(&stray) == RH_OK);
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-backup";
    uint64_t sum = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(path, sizeof path, "%s/backup", root);
    member_init(&old[0], root, "old-1", 1);
    member_init(&old[1], root, "old-2", 2);
    old[0].db.snapshot_read = read_long;
    group_open(old, 2);
    for (uint8_t i = 1; i <= 20; i++)
        must_add(&old[i % 2], i), sum += i;
    must_have(&old[1], sum);
    check_backups(root);
    check_backup_under_writes(root);
    check_backup_of_a_member_that_lags(root);
    check_refusals(root);
    check_restore(root, sum);
    check_strangers(root);
    CHECK(member_close(&old[0]) == RH_OK && member_close(&fresh[0]) == RH_OK && member_close(&fresh[1]) == RH_OK);
    return 0;
}
