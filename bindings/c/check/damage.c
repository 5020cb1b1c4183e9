/*
 * damage.c: changed bytes on the disk.
 *
 * A log is written and closed, or left as after a power cut in an idle moment. Then bytes are
 * changed, files are cut, removed and exchanged, and each time the store opens the directory. The
 * log must have the full content, or refuse with words. Less content in silence is the fault to be
 * found. The suite also changes bytes while the log is open.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "script.h"

enum { STEPS = 30, MAX_DATA = 300, MAX_FILES = 32, FEW = 16 };

typedef unsigned long long ull;

struct kept {
    char name[64];
    uint8_t *bytes;
    size_t len;
};

struct damage {
    const struct rh_check_store *store;
    const struct rh_check_options *o;
    char dir[4096];
    struct kept file[MAX_FILES];
    size_t count;
    struct said said;
    bool closed;                        /* closed in order; else the power was cut in an idle moment */
    unsigned tried, refused;
};

static void keep_files(struct damage *d)
{
    DIR *list = opendir(d->dir);
    struct dirent *e;
    char path[8192];
    struct stat st;

    CHECK_TRUE(list != NULL);
    while ((e = readdir(list))) {
        snprintf(path, sizeof path, "%s/%s", d->dir, e->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        CHECK_TRUE(d->count < MAX_FILES);
        struct kept *k = &d->file[d->count++];
        snprintf(k->name, sizeof k->name, "%.63s", e->d_name);
        k->len = (size_t)st.st_size;
        k->bytes = malloc(k->len + 1);
        int fd = open(path, O_RDONLY);
        CHECK_TRUE(k->bytes && fd >= 0 && pread(fd, k->bytes, k->len, 0) == (ssize_t)k->len);
        close(fd);
    }
    closedir(list);
}

static void lay_down(const struct damage *d, size_t without)
{
    char path[8192];

    image_empty(d->dir);
    for (size_t i = 0; i < d->count; i++) {
        snprintf(path, sizeof path, "%s/%s", d->dir, d->file[i].name);
        int fd = i == without ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        CHECK_TRUE(i == without || (fd >= 0 && write(fd, d->file[i].bytes, d->file[i].len) == (ssize_t)d->file[i].len));
        if (fd >= 0)
            close(fd);
    }
}

static void must_refuse_with_words(struct damage *d, int code, const struct rh_words *why)
{
    if (code >= 0 || strlen(why->text) < 10)
        check_broken("the log is damaged, and refused with code %d and the words \"%s\"", code, why->text);
    d->refused++;
}

/* Opens the damaged directory: the full content, or words. */
static void try_open(struct damage *d)
{
    struct script s = {.store = d->store, .dir = d->dir};
    struct said does;
    int code = script_open(&s);

    d->tried++;
    if (code != RH_OK) {
        must_refuse_with_words(d, code, &s.why);
        return;
    }
    code = said_read(&s.log, &does, &s.why);
    if (code == RH_OK) {
        const char *what = said_differs(&d->said, &does, UINT64_MAX);
        if (what)
            check_broken("the log is damaged, and boots all the same: %s differs; it ends at %llu instead of %llu",
                         what, (ull)does.last, (ull)d->said.last);
        said_free(&does);
    } else {
        must_refuse_with_words(d, code, &s.why);
    }
    CHECK_TRUE(script_close(&s) == RH_OK);
}

static bool skip(const struct damage *d, const struct kept *k, size_t at)
{
    /* In the short form, a few bytes of a long run of zeros will do. */
    bool blank =
        k->bytes[at] == 0 && at > 8 && at + 8 < k->len && memcmp(k->bytes + at - 8, k->bytes + at - 7, 15) == 0;

    if (d->o->bits >= 8)
        return false;
    /* Without a close, a third of the bytes, chosen by the seed. */
    return (blank && at % 61 != 0) || (!d->closed && (at + d->o->seed) % 3 != 0);
}

static void flip_bits(struct damage *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct kept *k = &d->file[i];
        for (size_t at = 0; at < k->len; at++) {
            for (unsigned b = 0; b < d->o->bits && !skip(d, k, at); b++) {
                uint8_t bit = (uint8_t)(1u << ((at + b) % 8));
                check_context("%s: byte %zu of %s changed by 0x%02x, SEED=%llu", d->store->name, at, k->name, bit,
                              (ull)d->o->seed);
                k->bytes[at] ^= bit;
                lay_down(d, SIZE_MAX);
                try_open(d);
                k->bytes[at] ^= bit;
            }
        }
    }
}

static void cut_files(struct damage *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct kept *k = &d->file[i];
        size_t len = k->len;
        for (size_t cut = 0; cut < len; cut += d->o->bits < 8 ? 1 + cut % 23 : 1) {
            check_context("%s: %s cut to %zu of %zu bytes, SEED=%llu", d->store->name, k->name, cut, len,
                          (ull)d->o->seed);
            k->len = cut;
            lay_down(d, SIZE_MAX);
            try_open(d);
        }
        k->len = len;
        check_context("%s: %s removed, SEED=%llu", d->store->name, k->name, (ull)d->o->seed);
        lay_down(d, i);
        try_open(d);
    }
}

/*
 * Replaces blocks of a file by zeros, or by blocks of other places. Only after a close: after a
 * power cut a lost end looks like an unfinished write.
 */
static void lose_blocks(struct damage *d)
{
    uint64_t r = d->o->seed;

    for (unsigned n = 0; n < 40 * d->o->bits; n++) {
        struct kept *k = &d->file[check_below(&r, d->count)];
        size_t len = 512 * (1 + check_below(&r, 4)), at = 512 * check_below(&r, k->len / 512 + 1),
               from = 512 * check_below(&r, k->len / 512 + 1);
        bool zeros = check_below(&r, 2);
        if (at + len > k->len || from + len > k->len)
            continue;
        uint8_t *good = malloc(k->len);
        CHECK_TRUE(good != NULL);
        memcpy(good, k->bytes, k->len);
        check_context("%s: %zu bytes at %zu of %s %s, SEED=%llu", d->store->name, len, at, k->name,
                      zeros ? "are zero" : "are others", (ull)d->o->seed);
        memcpy(k->bytes + at, zeros ? (const uint8_t[2048]){0} : good + from, len);
        lay_down(d, SIZE_MAX);
        try_open(d);
        memcpy(k->bytes, good, k->len);
        free(good);
    }
}

static void exchange_files(struct damage *d)
{
    for (size_t i = 0; i < d->count; i++) {
        for (size_t j = i + 1; j < d->count; j++) {
            struct kept a = d->file[i], b = d->file[j];
            check_context("%s: %s and %s exchanged, SEED=%llu", d->store->name, a.name, b.name, (ull)d->o->seed);
            d->file[i].bytes = b.bytes, d->file[i].len = b.len;
            d->file[j].bytes = a.bytes, d->file[j].len = a.len;
            lay_down(d, SIZE_MAX);
            try_open(d);
            d->file[i] = a;
            d->file[j] = b;
        }
    }
}

/* Changes bytes under an open log: reads give the appended entries, or words. */
static void flip_while_open(struct damage *d)
{
    struct script s = {.store = d->store, .dir = d->dir};
    struct said does;
    char path[8192];

    lay_down(d, SIZE_MAX);
    check_context("%s: before bytes change under an open log, SEED=%llu", d->store->name, (ull)d->o->seed);
    CHECK_TRUE(script_open(&s) == RH_OK);
    for (size_t i = 0; i < d->count; i++) {
        const struct kept *k = &d->file[i];
        snprintf(path, sizeof path, "%s/%s", d->dir, k->name);
        int fd = open(path, O_WRONLY);
        for (size_t at = 0; fd >= 0 && at < k->len; at++) {
            if (skip(d, k, at))
                continue;
            check_context("%s: byte %zu of %s changed under an open log, SEED=%llu", d->store->name, at, k->name,
                          (ull)d->o->seed);
            uint8_t bad = k->bytes[at] ^ 0x10;
            CHECK_TRUE(pwrite(fd, &bad, 1, (off_t)at) == 1);
            int code = said_read(&s.log, &does, &s.why);
            d->tried++;
            if (code == RH_OK) {
                CHECK_TRUE(said_differs(&d->said, &does, UINT64_MAX) == NULL);
                said_free(&does);
            } else {
                must_refuse_with_words(d, code, &s.why);
            }
            CHECK_TRUE(pwrite(fd, k->bytes + at, 1, (off_t)at) == 1);
        }
        if (fd >= 0)
            close(fd);
    }
    CHECK_TRUE(script_close(&s) == RH_OK);
}

/* Writes a small log: the content of the disk after the last sync and an idle moment. */
static void write_log(struct damage *d)
{
    struct script *s = calloc(1, sizeof *s);
    int code;

    CHECK_TRUE(s != NULL);
    image_empty(d->dir);
    script_begin(s, d->store, d->dir, d->o->seed);
    check_context("%s: before damage, SEED=%llu", d->store->name, (ull)d->o->seed);
    s->max_data = MAX_DATA;
    disk_track(d->dir);
    code = script_open(s);
    for (int i = 0; i < STEPS && code == RH_OK; i++)
        code = script_step(s, true);
    for (int i = 0; i < 3 && code == RH_OK; i++)
        code = script_sync(s);
    if (d->closed && code == RH_OK)
        code = script_close(s);
    if (code != RH_OK)
        check_broken("a call failed on a good disk: %d: %s", code, s->why.text);
    struct disk_record r = disk_untrack();
    if (s->open)
        script_close(s);
    struct disk_image *image = image_open(&r);
    image_advance(image, r.count);
    image_write(image, IMAGE_EVERYTHING, 0, d->dir);
    image_close(image);
    disk_free(&r);
    d->said = said_copy(&s->after[s->appended]);
    script_end(s);
    free(s);
}

void rh_check_damage(const struct rh_check_store *store, const struct rh_check_options *o)
{
    unsigned tried = 0, refused = 0;

    for (unsigned run = 0; run < 2 * ((o->times + FEW - 1) / FEW); run++) {
        struct rh_check_options mine = *o;
        mine.seed += run / 2;
        struct damage *d = calloc(1, sizeof *d);
        CHECK_TRUE(d != NULL);
        d->store = store;
        d->o = &mine;
        d->closed = run % 2 == 0;
        snprintf(d->dir, sizeof d->dir, "%s/damaged", o->dir);
        write_log(d);
        keep_files(d);
        lay_down(d, SIZE_MAX);
        try_open(d);
        CHECK_TRUE(d->refused == 0);
        flip_bits(d);
        if (d->closed || store->notices_cuts) {
            cut_files(d);
            exchange_files(d);
        }
        if (d->closed)
            lose_blocks(d);
        flip_while_open(d);
        tried += d->tried;
        refused += d->refused;
        for (size_t i = 0; i < d->count; i++)
            free(d->file[i].bytes);
        said_free(&d->said);
        free(d);
    }
    printf("%s: %u times damaged, %u times refused with words, else whole\n", store->name, tried, refused);
}
