/*
 * faults.c: failing calls on files.
 *
 * A script runs again and again, and each time a later call fails. The store must report the
 * failure, take nothing after a failed write, and boot afterwards.
 *
 * After a failed flush the system may show bytes that the disk lacks. So a restart of the process
 * is followed by a power cut: the content at the boot must survive.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "script.h"

enum { STEPS = 45 };

typedef unsigned long long ull;

static const struct {
    unsigned calls;
    int error;
    const char *name;
} kinds[] = {
    {FAULT_OPEN, EMFILE, "open: EMFILE"},
    {FAULT_OPEN, EIO, "open: EIO"},
    {FAULT_WRITE, EIO, "write: EIO"},
    {FAULT_WRITE, ENOSPC, "write: ENOSPC"},
    {FAULT_WRITE, 0, "write: short"},
    {FAULT_SYNC, EIO, "fsync: EIO"},
    {FAULT_SYNC, ENOSPC, "fsync: ENOSPC"},
    {FAULT_ALLOCATE, ENOSPC, "allocate: ENOSPC"},
    {FAULT_RENAME, EIO, "rename: EIO"},
    {FAULT_UNLINK, EIO, "unlink: EIO"},
    {FAULT_TRUNCATE, EIO, "truncate: EIO"},
    {FAULT_READ, EIO, "read: EIO"},
};

static void must_have_words(const struct script *s, int code)
{
    if (strlen(s->why.text) < 10)
        check_broken("code %d came without words: \"%s\"", code, s->why.text);
}

/* A write has failed: nothing more may be taken. */
static void must_stay_failed(struct script *s)
{
    uint64_t number, before;
    raftcore_entry e = {.index = s->after[s->appended].last + 1, .term = s->after[s->appended].term + 100};
    struct rh_batch b = {.entries = &e, .n_entries = 1, .entry_stride = sizeof e};

    for (int i = 0; i < 2; i++) {
        CHECK_TRUE(s->log.ops->append(s->log.self, &b, &s->why) == RH_E_FAILED);
        must_have_words(s, RH_E_FAILED);
        CHECK_TRUE(s->log.ops->sync(s->log.self, &number, &s->why) == RH_E_FAILED);
        CHECK_TRUE(s->log.ops->compact(s->log.self, 0, UINT64_MAX, &before, &s->why) == RH_E_FAILED);
    }
    struct rh_boot boot;
    CHECK_TRUE(s->log.ops->boot(s->log.self, &boot, &s->why) == RH_OK);
}

/* Restarts on the files that the system shows. */
static size_t restart(struct script *s, const struct script *was)
{
    s->store = was->store;
    s->dir = was->dir;
    int code = script_open(s);
    if (code != RH_OK)
        check_broken("after a fault the log does not boot: %d: %s", code, s->why.text);
    for (size_t i = 0; i <= was->appended; i++)
        s->after[i] = was->after[i];    /* borrowed */
    return script_check(s, &s->log, was->synced, was->appended, was->upto);
}

static void boot_image(const struct disk_record *r, enum image_mode mode, struct script *s, const struct script *was,
                       const char *dir, size_t low, size_t high)
{
    struct disk_image *image = image_open(r);

    image_advance(image, r->count);
    image_write(image, mode, check_random(&s->random), dir);
    image_close(image);
    s->store = was->store;
    s->dir = dir;
    int code = script_open(s);
    if (code != RH_OK)
        check_broken("after a fault and a power cut (mode %d) the log does not boot: %d: %s", (int)mode, code,
                     s->why.text);
    for (size_t i = 0; i <= was->appended; i++)
        s->after[i] = was->after[i];
    script_check(s, &s->log, low, high, was->upto);
    CHECK_TRUE(script_close(s) == RH_OK);
}

/* Cuts the power after the fault, then boots. */
static void aftermath(const struct script *was, struct disk_record *first, const struct rh_check_options *o)
{
    char dir[4096];
    struct script life = {.random = o->seed};

    snprintf(dir, sizeof dir, "%s/cut", o->dir);
    image_empty(dir);
    for (enum image_mode mode = IMAGE_NOTHING; mode <= IMAGE_SECTORS; mode++)
        boot_image(first, mode, &life, was, dir, was->synced, was->appended);
}

/* Restarts the process, then cuts the power: the content at the boot must be durable. */
static void restart_then_cut(struct script *was, const struct rh_check_options *o)
{
    char dir[4096];
    struct script life = {.random = o->seed};

    size_t said = restart(&life, was);
    struct disk_record r = disk_untrack();
    CHECK_TRUE(script_close(&life) == RH_OK);
    snprintf(dir, sizeof dir, "%s/cut", o->dir);
    boot_image(&r, IMAGE_NOTHING, &life, was, dir, said, said);
    disk_free(&r);
}

/* Runs the script until a call fails. Returns false if the fault lies beyond the end. */
static bool run(struct script *s, struct disk_fault fault, const struct rh_check_options *o, bool then_restart)
{
    bool write_like = fault.calls & (FAULT_WRITE | FAULT_SYNC);

    image_empty(s->dir);
    disk_track(s->dir);
    disk_set_fault(fault);
    int code = script_open(s);
    for (int i = 0; i < STEPS && code == RH_OK; i++)
        code = script_step(s, true);
    bool came = disk_fault_came();
    disk_set_fault((struct disk_fault){0});
    if (code != RH_OK)
        must_have_words(s, code);
    if (code != RH_OK && s->open && write_like)
        must_stay_failed(s);
    if (s->open) {
        int closed = script_close(s);
        CHECK_TRUE(closed == RH_OK || (code != RH_OK && closed < 0));
    }
    if (then_restart) {
        restart_then_cut(s, o);
    } else {
        struct disk_record r = disk_untrack();
        aftermath(s, &r, o);
        disk_free(&r);
    }
    return came;
}

void rh_check_faults(const struct rh_check_store *store, const struct rh_check_options *o)
{
    unsigned runs = 0;
    char dir[4096];

    snprintf(dir, sizeof dir, "%s/log", o->dir);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (int form = 0; form < 4; form++) {
            bool came = true;
            for (uint64_t at = 1; came; at++, runs++) {
                struct script *s = calloc(1, sizeof *s);
                CHECK_TRUE(s != NULL);
                check_context("%s: %s at call %llu%s, %s, SEED=%llu", store->name, kinds[k].name, (ull)at,
                              form & 1 ? " and all after it" : "", form & 2 ? "restart, then power cut" : "power cut",
                              (ull)o->seed);
                script_begin(s, store, dir, o->seed);
                came = run(s, (struct disk_fault){kinds[k].calls, at, kinds[k].error, form & 1}, o, form & 2);
                script_end(s);
                free(s);
            }
        }
    }
    printf("%s: %u runs with a call that fails\n", store->name, runs);
}
