/*
 * disk.h: a disk that records, loses and fails, for tests of log stores.
 *
 * disk.c defines open, pwrite, fdatasync, rename and the like. In a program linked with disk.c
 * these definitions come before the C library's, for shared libraries as well. Calls on files below
 * the tracked root are carried out and recorded. Flushes are only recorded, so a test is as fast as
 * memory.
 *
 * Invisible are writes by stdio and by direct system calls. A shared writable mapping of a tracked
 * file ends the test.
 *
 * image.c makes the directories that a power cut may leave, for each moment of the record.
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
    DISK_SYNC_FAILED,                   /* file: unsynced bytes may be lost on the disk, although the system still shows
                                           them */
    DISK_CREATE,                        /* file gets a name */
    DISK_RENAME,                        /* name to name2 */
    DISK_UNLINK,                        /* name */
    DISK_SYNC_DIR,                      /* name: of the directory, "" is the root */
    DISK_NOTE,                          /* of the test: offset is the value, file the kind */
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
    size_t initial;                     /* the first ops describe the state at the beginning: so many */
    uint8_t *bytes;
    size_t len, cap_bytes;
};

/* Begins to record. Existing files count as durable. `root` must exist. */
void disk_track(const char *root);

/* Ends recording and returns the record. The caller frees it with disk_free. */
struct disk_record disk_untrack(void);
void disk_free(struct disk_record *r);

/* Adds a note of the test to the record. */
void disk_note(uint32_t kind, uint64_t value);


/* ---- faults ---- */

enum {
    FAULT_OPEN = 1,
    FAULT_WRITE = 2,
    FAULT_SYNC = 4,
    FAULT_ALLOCATE = 8,
    FAULT_RENAME = 16,
    FAULT_UNLINK = 32,
    FAULT_TRUNCATE = 64,
    FAULT_READ = 128,
    FAULT_ALL = 255,
};

struct disk_fault {
    unsigned calls;                     /* FAULT_*: the calls that count */
    uint64_t at;                        /* the call that fails, from 1 on; 0: none */
    int error;                          /* errno; 0 with FAULT_WRITE: a short write */
    bool for_good;                      /* later calls fail as well */
};

/* Sets the fault, from now on. Only calls on files below the root count. */
void disk_set_fault(struct disk_fault f);
/* Returns the number of such calls since; and whether the fault came. */
uint64_t disk_calls(void);
bool disk_fault_came(void);

/*
 * Limits the disk to so many bytes; 0: no limit. Allocated blocks count, and statvfs shows the
 * free space.
 */
void disk_set_capacity(uint64_t bytes);


/* ---- images (image.c) ---- */

enum image_mode {
    IMAGE_NOTHING,                      /* without unsynced writes */
    IMAGE_EVERYTHING,                   /* with all writes */
    IMAGE_NAMES,                        /* with all new names, without other unsynced writes */
    IMAGE_SECTORS,                      /* of each sector of 512 bytes a version since the last sync; a subset of the new
                                           names */
    IMAGE_GARBAGE,                      /* as SECTORS; a sector that was being written may hold anything */
};

struct disk_image;

struct disk_image *image_open(const struct disk_record *r);
void image_close(struct disk_image *m);
/* Goes on until `count` ops are done. */
void image_advance(struct disk_image *m, size_t count);
/* Lays down the directory that a power cut leaves at this moment. */
void image_write(const struct disk_image *m, enum image_mode mode, uint64_t seed, const char *dir);
/* Empties a directory, or makes an empty directory. */
void image_empty(const char *dir);

#endif
