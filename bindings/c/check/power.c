/*
 * power.c: power cuts.
 *
 * A script runs while the disk records. Then, for each moment of the record, the directories that a
 * power cut may leave are laid down, and the store boots there. The boot must succeed, with the
 * content after some batch: at least the last synced batch, at most the last appended batch.
 *
 * Then life goes on there, with a second record: an append, a sync, a restart. And the power is cut
 * a second time.
 */
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "script.h"

enum { STEPS = 60, STEPS_MOST = 240, SEEDS = 2, SECOND_CUTS = 3 };

typedef unsigned long long ull;

struct moment {
    size_t appended, synced;
    uint64_t upto;
};

static void note(struct moment *m, const struct disk_op *op)
{
    if (op->kind != DISK_NOTE)
        return;
    if (op->file == NOTE_APPENDED)
        m->appended = (size_t)op->offset;
    else if (op->file == NOTE_SYNCED)
        m->synced = (size_t)op->offset;
    else if (op->file == NOTE_UPTO)
        m->upto = op->offset;
}

static void path(char to[4096], const struct rh_check_options *o, const char *name)
{
    snprintf(to, 4096, "%s/%s", o->dir, name);
    image_empty(to);
}

/* Opens the directory of a cut, which must succeed. */
static void boot(struct script *s, const char *dir)
{
    s->dir = dir;
    int code = script_open(s);
    if (code != RH_OK)
        check_broken("a power cut leaves a log that does not boot: %d: %s", code, s->why.text);
}

/* Appends an entry to a log just booted, and syncs. */
static struct said append_one(struct script *s, const struct said *now)
{
    struct said then = said_copy(now);
    uint64_t term = now->last > now->before ? now->entries[now->last - now->before - 1].term : now->before_term;
    raftcore_entry e = {.index = now->last + 1,
                        .term = (term > now->term ? term : now->term) + 1,
                        .data = {(const uint8_t *)"again", 5}};
    struct rh_batch b = {.number = 1,
                         .entries = &e,
                         .n_entries = 1,
                         .entry_stride = sizeof e,
                         .has_state = true,
                         .term = e.term,
                         .commit = now->commit};
    uint64_t number = 0;

    said_append(&then, &b);
    disk_note(NOTE_APPENDED, 1);
    CHECK_TRUE(s->log.ops->append(s->log.self, &b, &s->why) == RH_OK);
    CHECK_TRUE(s->log.ops->sync(s->log.self, &number, &s->why) == RH_OK && number == 1);
    disk_note(NOTE_SYNCED, 1);
    return then;
}

static void must_say(struct script *s, const struct said *should, uint64_t upto)
{
    struct said does;

    CHECK_TRUE(said_read(&s->log, &does, &s->why) == RH_OK);
    const char *what = said_differs(should, &does, upto);
    if (what)
        check_broken("after a power cut, an append and a restart: %s differs", what);
    said_free(&does);
}

/* Cuts the power a second time, in the life after the first cut. */
static void cut_again(struct script *s, const struct disk_record *r, const struct said said[2], uint64_t upto,
                      uint64_t *random, const char *dir)
{
    for (int i = 0; i < SECOND_CUTS; i++) {
        struct disk_image *image = image_open(r);
        struct moment m = {0};
        struct said does;
        size_t at = r->initial + check_below(random, r->count - r->initial + 1);
        for (size_t op = 0; op < at; op++)
            note(&m, &r->ops[op]);
        image_advance(image, at);
        image_write(image, (enum image_mode)check_below(random, IMAGE_SECTORS + 1), check_random(random), dir);
        image_close(image);
        boot(s, dir);
        CHECK_TRUE(said_read(&s->log, &does, &s->why) == RH_OK);
        const char *what = m.synced ? "" : said_differs(&said[0], &does, upto);
        if (what)
            what = m.appended ? said_differs(&said[1], &does, upto) : what;
        if (what)
            check_broken("cut twice, the second time after %zu of %zu calls: %s differs", at, r->count, what);
        said_free(&does);
        CHECK_TRUE(script_close(s) == RH_OK);
    }
}

/* Boots after the first cut, compares, and goes on. */
static void after_cut(struct script *s, const struct moment *m, const char *dir, const char *dir2, bool go_on)
{
    struct script life = {.store = s->store, .dir = dir, .random = s->random};
    struct said said[2];

    if (go_on)
        disk_track(dir);
    boot(&life, dir);
    for (size_t i = 0; i <= s->appended; i++)
        life.after[i] = s->after[i];            /* borrowed, for comparison */
    script_check(&life, &life.log, m->synced, m->appended, m->upto);
    if (!go_on) {
        CHECK_TRUE(script_close(&life) == RH_OK);
        return;
    }
    CHECK_TRUE(said_read(&life.log, &said[0], &life.why) == RH_OK);
    said[1] = append_one(&life, &said[0]);
    CHECK_TRUE(script_close(&life) == RH_OK);
    boot(&life, dir);
    must_say(&life, &said[1], m->upto);
    CHECK_TRUE(script_close(&life) == RH_OK);
    struct disk_record r = disk_untrack();
    cut_again(&life, &r, said, m->upto, &s->random, dir2);
    disk_free(&r);
    said_free(&said[0]);
    said_free(&said[1]);
}

/* Prints the record if PRINT_RECORD is set. */
static void print_record(const struct disk_record *r)
{
    static const char *const kinds[] = {"write",  "size",   "sync",           "sync failed", "create",
                                        "rename", "unlink", "sync directory", "note"};

    for (size_t i = 0; i < r->count && getenv("PRINT_RECORD"); i++) {
        const struct disk_op *op = &r->ops[i];
        printf("%4zu %-14s file %u offset %llu bytes %zu %s %s\n", i + 1, kinds[op->kind], op->file, (ull)op->offset,
               op->len, op->name ? op->name : "", op->name2 ? op->name2 : "");
    }
}

static unsigned cuts_of_run(struct script *s, const struct disk_record *r, const struct rh_check_options *o,
                            uint64_t seed)
{
    struct disk_image *image = image_open(r);
    struct moment m = {0};
    char dir[4096], dir2[4096];
    unsigned cuts = 0;

    path(dir, o, "cut");
    path(dir2, o, "cut-again");
    for (size_t at = r->initial - 1; at < r->count; at++) {
        note(&m, &r->ops[at]);
        image_advance(image, at + 1);
        if (r->ops[at].kind == DISK_NOTE)
            continue;
        for (unsigned i = 0; i < IMAGE_SECTORS + SEEDS; i++, cuts++) {
            enum image_mode mode = i < IMAGE_SECTORS            ? (enum image_mode)i
                                   : s->store->survives_garbage ? IMAGE_GARBAGE
                                                                : IMAGE_SECTORS;
            uint64_t seed2 = check_random(&s->random);
            check_context("%s: power cut, SEED=%llu, after call %zu of %zu, mode %d, image %llu", s->store->name,
                          (ull)seed, at + 1, r->count, (int)mode, (ull)seed2);
            image_write(image, mode, seed2, dir);
            after_cut(s, &m, dir, dir2, check_below(&s->random, 16) == 0);
        }
    }
    image_close(image);
    return cuts;
}

void rh_check_power_cuts(const struct rh_check_store *store, const struct rh_check_options *o)
{
    unsigned cuts = 0;
    size_t calls = 0;
    char dir[4096];

    for (unsigned run = 0; run < o->times; run++) {
        uint64_t seed = o->seed + run;
        struct script *s = calloc(1, sizeof *s);
        CHECK_TRUE(s != NULL);
        path(dir, o, "log");
        check_context("%s: before a power cut, SEED=%llu", store->name, (ull)seed);
        script_begin(s, store, dir, seed);
        disk_track(dir);
        int code = script_open(s);
        /* Many stores write most of a log anew when they give up entries: no script goes without. */
        for (int i = 0; code == RH_OK && (i < STEPS || (i < STEPS_MOST && !s->shortened_synced)); i++)
            code = script_step(s, true);
        if (code != RH_OK)
            check_broken("a call failed on a good disk: %d: %s", code, s->why.text);
        struct disk_record r = disk_untrack();
        script_close(s);
        print_record(&r);
        calls += r.count;
        cuts += cuts_of_run(s, &r, o, seed);
        disk_free(&r);
        script_end(s);
        free(s);
    }
    printf("%s: %u power cuts in %u runs of %zu calls\n", store->name, cuts, o->times, calls);
}
