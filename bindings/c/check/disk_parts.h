/*
 * disk_parts.h: the state shared by disk.c and disk_calls.c.
 */
#ifndef RH_CHECK_DISK_PARTS_H
#define RH_CHECK_DISK_PARTS_H

#include <pthread.h>

#include "disk.h"

enum { DISK_MAX_FDS = 1024, DISK_MAX_NAMES = 512, DISK_DIRECTORY = 1u << 31 };

struct disk_name {
    char *path;                         /* below the root */
    uint32_t file;
};

struct disk {
    pthread_mutex_t mutex;
    bool on;
    char root[4096];
    struct disk_record record;
    struct disk_name names[DISK_MAX_NAMES];
    size_t n_names;
    uint32_t next_file;
    uint32_t fds[DISK_MAX_FDS];              /* 0: not ours; DISK_DIRECTORY | index into dirs; else a file */
    char *dirs[DISK_MAX_FDS];                /* of a directory's descriptor: its path below the root */
    uint64_t sizes[1 << 16];            /* by file */
    uint64_t holes[1 << 16];            /* of these bytes no blocks are taken */
    struct disk_fault fault;
    uint64_t calls;
    bool came;
    uint64_t capacity;
};

extern struct disk disk;

/* Ends the program: the test asks for something that is not supported. */
void disk_stop(const char *what);
char *disk_copy_text(const char *s);

/* Adds an op to the record. bytes NULL: zeros. */
void disk_add(struct disk_op op, const void *bytes);
/* The same for a new size. */
void disk_set_size(uint32_t file, uint64_t size);

struct disk_name *disk_find_name(const char *path);
struct disk_name *disk_add_name(const char *path);
void disk_drop_name(struct disk_name *n);

/* The file of a descriptor; 0: not ours, or a directory. */
uint32_t disk_file_of(int fd);
bool disk_is_dir_fd(int fd);

/* Returns the path below the root. NULL: not there. */
const char *disk_below_root(int dirfd, const char *path, char buf[4096]);

/* Returns whether this call must fail, with errno set. */
bool disk_fails(unsigned call);
/* Returns whether the disk has no room for that size, with errno set. */
bool disk_is_full(uint32_t file, uint64_t size);
uint64_t disk_used(void);

#endif
