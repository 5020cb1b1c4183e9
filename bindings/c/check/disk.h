/*
 * disk.h: a disk that remembers, loses, and fails, for the tests of log stores.
 *
 * disk.c defines open, pwrite, fdatasync, rename and their relatives itself. Linked into a program, its definitions come before the
 * C library's, for every part of the program, shared libraries included. Calls on files below the root that is tracked are carried
 * out and recorded; all others pass. Flushes are recorded and not carried out, so a test is as fast as memory.
 *
 * Not seen: writes by mmap (a shared writable mapping of a tracked file ends the test), by stdio, or by system calls of one's own.
 *
 * image.c then makes, for each moment, the directories that a power cut at that moment may leave behind.
 */
#ifndef RH_CHECK_DISK_H
#define RH_CHECK_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_kind {
    DISK_WRITE,                         /* file, offset, bytes */
    DISK_SIZE,                          /* file, offset: its new size */
    DISK_SYNC,                          /* file */
    DISK_SYNC_FAILED,                   /* file: what was not durable may be lost, though the system still shows it */
    DISK_CREATE,                        /* file gets a name */
    DISK_RENAME,                        /* name to name2 */
    DISK_UNLINK,                        /* name */
    DISK_SYNC_DIR,                      /* name: of the directory, "" is the root */
    DISK_NOTE,                          /* the test's own: offset is its value, file its kind */
};

struct disk_op {
    enum disk_kind kind;
    uint32_t file;
    uint64_t offset;
    size_t at, len;                     /* the bytes, in disk_record.bytes */
    char *name, *name2;
};

struct disk_record {
    struct disk_op *ops;
    size_t count, cap;
    size_t initial;                     /* so many of the ops say what was there when it began */
    uint8_t *bytes;
    size_t len, cap_bytes;
};

/* Begins to record. What is there already counts as durable. `root` must exist. */
void disk_track(const char *root);

/* Ends it, and gives out what was recorded; the caller frees it with disk_free. */
struct disk_record disk_untrack(void);
void disk_free(struct disk_record *r);

/* A note of the test's in the record. */
void disk_note(uint32_t kind, uint64_t value);


/* ---- faults ---- */

enum {
    FAULT_OPEN = 1, FAULT_WRITE = 2, FAULT_SYNC = 4, FAULT_ALLOCATE = 8, FAULT_RENAME = 16, FAULT_UNLINK = 32, FAULT_TRUNCATE = 64,
    FAULT_READ = 128, FAULT_ALL = 255,
};

struct disk_fault {
    unsigned calls;                     /* FAULT_*: which calls count */
    uint64_t at;                        /* the one that fails: 1 is the first; 0: none does */
    int error;                          /* errno; 0 with FAULT_WRITE: a short write, which is no error */
    bool for_good;                      /* and all after it */
};

/* From now on. Counts only calls on files below the root. */
void disk_set_fault(struct disk_fault f);
/* How many calls of those kinds there were since; and whether the fault came. */
uint64_t disk_calls(void);
bool disk_fault_came(void);

/* A disk of so many bytes; 0: no limit. Blocks count when they are allocated, and reading the free space shows what is left. */
void disk_set_capacity(uint64_t bytes);


/* ---- images (image.c) ---- */

enum image_mode {
    IMAGE_NOTHING,                      /* nothing that was not synced */
    IMAGE_EVERYTHING,                   /* all that was written */
    IMAGE_SECTORS,                      /* of each sector of 512 bytes some version since the last sync; of names some */
    IMAGE_GARBAGE,                      /* as SECTORS; a sector that was being written may hold anything */
};

struct disk_image;

struct disk_image *image_open(const struct disk_record *r);
void image_close(struct disk_image *m);
/* Goes on to behind op `count` - 1. */
void image_advance(struct disk_image *m, size_t count);
/* Lays down what a power cut now leaves, in an empty or new directory. */
void image_write(const struct disk_image *m, enum image_mode mode, uint64_t seed, const char *dir);
/* Makes `dir` an empty directory. */
void image_empty(const char *dir);

#endif
