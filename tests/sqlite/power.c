/*
 * power.c: power cuts for a program with raftlite. A shared library for both ends of a test.
 *
 * With LD_PRELOAD and POWER_ROOT, the library records each write, flush and name below that folder, by disk.c of the host
 * library's conformance suite. At the end of the program the record goes to the file POWER_RECORD. sync() is a note.
 *
 * Loaded by the test, the library reads a record, and lays down the folder that a power cut may leave after any call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"

static void stop(const char *what) {
    fprintf(stderr, "power.c: %s\n", what);
    abort();
}

/* ---- recording ---- */

__attribute__((constructor)) static void begin(void) {
    const char *root = getenv("POWER_ROOT");
    if (root)
        disk_track(root);
}

void sync(void) {
    disk_note(1, 1);
}

static void put(FILE *f, const void *bytes, size_t len) {
    if (len > 0 && fwrite(bytes, len, 1, f) != 1)
        stop("the record cannot be written");
}

static void put_text(FILE *f, const char *text) {
    size_t len = text ? strlen(text) + 1 : 0;
    put(f, &len, sizeof len);
    put(f, text, len);
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("POWER_RECORD");
    FILE *f = path && getenv("POWER_ROOT") ? fopen(path, "we") : NULL;
    if (!f)
        return;
    struct disk_record r = disk_untrack();
    put(f, &r.count, sizeof r.count);
    put(f, &r.len, sizeof r.len);
    put(f, r.bytes, r.len);
    for (size_t i = 0; i < r.count; i++) {
        put(f, &r.ops[i], sizeof r.ops[i]);
        put_text(f, r.ops[i].name);
        put_text(f, r.ops[i].name2);
    }
    if (fclose(f) != 0)
        stop("the record cannot be written");
}

/* ---- laying down ---- */

static struct disk_record record;
static struct disk_image *image;

static void take(FILE *f, void *to, size_t len) {
    if (len > 0 && fread(to, len, 1, f) != 1)
        stop("the record is cut off");
}

static char *take_text(FILE *f) {
    size_t len;
    take(f, &len, sizeof len);
    char *text = len ? malloc(len) : NULL;
    if (len && !text)
        stop("no memory");
    take(f, text, len);
    return text;
}

/* Reads a record. Returns the number of its calls. */
size_t power_load(const char *path);
size_t power_load(const char *path) {
    FILE *f = fopen(path, "re");
    if (!f)
        stop("there is no record");
    take(f, &record.count, sizeof record.count);
    take(f, &record.len, sizeof record.len);
    record.bytes = malloc(record.len + 1);
    record.ops = calloc(record.count + 1, sizeof *record.ops);
    if (!record.bytes || !record.ops)
        stop("no memory");
    take(f, record.bytes, record.len);
    for (size_t i = 0; i < record.count; i++) {
        take(f, &record.ops[i], sizeof record.ops[i]);
        record.ops[i].name = take_text(f);
        record.ops[i].name2 = take_text(f);
    }
    fclose(f);
    image = image_open(&record);
    return record.count;
}

/* Returns the place of the first note, or of the end. */
size_t power_note(void);
size_t power_note(void) {
    size_t i = 0;
    while (i < record.count && record.ops[i].kind != DISK_NOTE)
        i++;
    return i;
}

/* Returns the place of the first call that makes or removes a name with this end, or of the last one. 0: none. */
size_t power_named(const char *tail, int last);
size_t power_named(const char *tail, int last) {
    size_t found = 0, len = strlen(tail);
    for (size_t i = 0; i < record.count && (last || !found); i++) {
        const char *name = record.ops[i].name2 ? record.ops[i].name2 : record.ops[i].name;
        size_t n = name && record.ops[i].kind != DISK_SYNC_DIR ? strlen(name) : 0;
        if (n >= len && strcmp(name + n - len, tail) == 0)
            found = i;
    }
    return found;
}

/* Lays down the folder after `count` calls, at least as many as before. Folders below must exist. */
void power_cut(size_t count, int mode, unsigned long long seed, const char *dir);
void power_cut(size_t count, int mode, unsigned long long seed, const char *dir) {
    image_advance(image, count);
    image_write(image, (enum image_mode)mode, seed, dir);
}
