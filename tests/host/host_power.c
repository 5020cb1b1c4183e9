/*
 * host_power.c: power cuts of a whole host. A host founds a group, takes writes, makes snapshots and cuts its
 * log, while disk.c records each write and flush. Then a host starts on each directory that a power cut may
 * leave. The host must lead, with all acknowledged writes, and with no write beyond the proposed writes.
 *
 *     HOST_TIMES=8 and more: every moment of the record; else some, chosen by SEED
 */
#include <poll.h>

#include "disk.h"
#include "host_kit.h"

enum { ADDS = 60, BYTES = 1500, NOTE_PROPOSED = 1, NOTE_DONE = 2, CUTS = 120 };

static struct member m;

static void turns(void)
{
    struct pollfd p = {.fd = rh_fd(m.h), .events = POLLIN};
    struct rh_words why = {""};

    poll(&p, 1, rh_timeout_ms(m.h));
    CHECK_OK(rh_turn(m.h, &why), &why);
}

static void lead(void)
{
    for (double end = now_seconds() + 20; !leads(&m); turns())
        CHECK(now_seconds() < end);
}

static void one_add(uint64_t number)
{
    static uint8_t bytes[BYTES] = {1};
    struct answer a = {.words = ""};

    CHECK(sem_init(&a.came, 0, 0) == 0);
    disk_note(NOTE_PROPOSED, number);
    CHECK(rh_propose(m.h, &(raftcore_slice){bytes, sizeof bytes}, 1, NULL, (uint64_t)(uintptr_t)&a) == RH_OK);
    while (sem_trywait(&a.came) != 0)
        turns();
    CHECK(a.what == RH_DONE);
    disk_note(NOTE_DONE, number);
}

/* A life with a restart in the middle. */
static struct disk_record record(void)
{
    struct rh_words why = {""};

    disk_track(m.dir);
    m.o.found = true;
    CHECK_OK(rh_open(&m.o, &m.db, &m.h, &why), &why);
    m.o.found = false;
    lead();
    for (uint64_t i = 1; i <= ADDS; i++) {
        one_add(i);
        if (i == ADDS / 2) {
            CHECK_OK(rh_close(m.h, &why), &why);
            CHECK_OK(rh_open(&m.o, &m.db, &m.h, &why), &why);
            lead();
        }
    }
    for (double end = now_seconds() + 20; member_status(&m).snapshot_index <= 1; turns())
        CHECK(now_seconds() < end);
    CHECK_OK(rh_close(m.h, &why), &why);
    return disk_untrack();
}

/* Starts a host on the directory of a cut. Returns false if nothing was founded yet. */
static bool starts(const char *dir, uint64_t done, uint64_t proposed, size_t at, enum image_mode mode)
{
    struct rh_words why = {""};

    m.o.dir = dir;
    m.len = 0;
    int code = rh_open(&m.o, &m.db, &m.h, &why);
    if (code == RH_E_STATE && done == 0)
        return false;
    if (code != RH_OK)
        DIE("cut after %zu calls, mode %d: code %d: %s", at, (int)mode, code, why.text);
    lead();
    if (m.sum < done || m.sum > proposed)
        DIE("cut after %zu calls, mode %d: %llu is there, %llu was acknowledged, %llu proposed", at, (int)mode,
            (unsigned long long)m.sum, (unsigned long long)done, (unsigned long long)proposed);
    CHECK_OK(rh_close(m.h, &why), &why);
    return true;
}

int main(int argc, char **argv)
{
    const char *root = argc > 1 ? argv[1] : "/dev/shm/rh-power";
    struct random r = random_open("host_power");
    bool all = setting("HOST_TIMES", 1) >= 8;
    char cut[500];
    uint64_t done = 0, proposed = 0, cuts = 0, founded = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    member_init(&m, root, "member", 1);
    CHECK(mkdir(m.dir, 0700) == 0);
    m.o.tick_ms = 1;
    m.o.compaction_bytes = 16384;
    m.o.keep_bytes = 4096;
    struct disk_record rec = record();
    struct disk_image *image = image_open(&rec);
    snprintf(cut, sizeof cut, "%s/cut", root);
    for (size_t at = rec.initial; at <= rec.count; at++) {
        image_advance(image, at);
        if (at > rec.initial && rec.ops[at - 1].kind == DISK_NOTE)
            *(rec.ops[at - 1].file == NOTE_DONE ? &done : &proposed) = rec.ops[at - 1].offset;
        if (!all && random_below(&r, rec.count) >= CUTS && at != rec.count)
            continue;
        enum image_mode mode = (enum image_mode)random_below(&r, IMAGE_SECTORS + 1);
        image_empty(cut);
        image_write(image, mode, random_next(&r), cut);
        founded += starts(cut, done, proposed, at, mode);
        cuts++;
    }
    printf("host_power: %llu power cuts in a life of %zu calls, %llu starts with a group\n", (unsigned long long)cuts,
           rec.count, (unsigned long long)founded);
    image_close(image);
    disk_free(&rec);
    CHECK(done == ADDS && founded > 20);
    return 0;
}
