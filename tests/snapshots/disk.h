/* A disk that loses power: at a given operation all that is not flushed may go, and the process ends.
 *
 * Files and directories are real. The page's fsync and renameat are replaced, see the end of this file. Two promises
 * hold, as POSIX gives them: bytes stay after a flush of their file, a rename stays after a flush of its directory.
 * Before the flush, the power cut tears files at random and takes renames back at random. */
#include "check.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 512, RENAMES = 16, NAME = 40, POWER_CUT = 42 };

static unsigned long operations; /* so far */
static unsigned long cut_at;     /* 0: never */

static uint64_t random_state;

static uint64_t random_below(uint64_t bound) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % bound;
}

/* ---- bytes that grow */

struct bytes {
    uint8_t *ptr;
    size_t len;
};

static void add(struct bytes *to, const void *ptr, size_t len) {
    if (len == 0)
        return;
    to->ptr = realloc(to->ptr, to->len + len);
    CHECK(to->ptr != NULL);
    memcpy(to->ptr + to->len, ptr, len);
    to->len += len;
}

static void empty(struct bytes *b) {
    free(b->ptr);
    b->ptr = NULL;
    b->len = 0;
}

static void set(struct bytes *to, const void *ptr, size_t len) {
    struct bytes copy = {NULL, 0};
    add(&copy, ptr, len); /* ptr may lie in `to` */
    empty(to);
    *to = copy;
}

/* ---- what is not flushed */

/* Each file once. The twin stays open, so a file that was closed without a flush is torn as well. */
static struct file {
    int twin;
    ino_t number;
    off_t flushed;
} files[FILES];
static int n_files;

/* Renames whose directory is not flushed. The old file of the name, if any, is kept as `old`. */
static struct {
    int dir;
    char from[NAME], to[NAME], old[NAME];
} renames[RENAMES];
static int n_renames;

static void name_into(char *to, const char *name) {
    CHECK(strlen(name) < NAME);
    memcpy(to, name, strlen(name) + 1);
}

static off_t size_of(int fd) {
    struct stat s;
    CHECK(fstat(fd, &s) == 0);
    return s.st_size;
}

static ino_t number_of(int fd) {
    struct stat s;
    CHECK(fstat(fd, &s) == 0);
    return s.st_ino;
}

/* Returns the file; NULL: not yet opened. */
static struct file *file_of(int fd) {
    ino_t number = number_of(fd);
    for (int i = 0; i < n_files; i++)
        if (files[i].number == number)
            return &files[i];
    return NULL;
}

static void tear_files(void) {
    for (int i = 0; i < n_files; i++) {
        off_t size = size_of(files[i].twin), flushed = files[i].flushed;
        if (size > flushed)
            CHECK(ftruncate(files[i].twin, flushed + (off_t)random_below((uint64_t)(size - flushed) + 1)) == 0);
    }
}

static int renamed_again(int i) {
    for (int later = i + 1; later < n_renames; later++)
        if (renames[later].dir == renames[i].dir && strcmp(renames[later].to, renames[i].to) == 0)
            return 1;
    return 0;
}

/* Takes some of the renames back. Of two to the same name only the later one: that is one outcome of many. */
static void take_renames_back(void) {
    for (int i = 0; i < n_renames; i++) {
        int dir = renames[i].dir;
        if (!renamed_again(i) && random_below(2) == 0) {
            CHECK(renameat(dir, renames[i].to, dir, renames[i].from) == 0 || errno == ENOENT);
            if (renames[i].old[0] != 0)
                CHECK(renameat(dir, renames[i].old, dir, renames[i].to) == 0);
        } else if (renames[i].old[0] != 0) {
            unlinkat(dir, renames[i].old, 0);
        }
    }
}

static void operation(void) {
    if (++operations != cut_at)
        return;
    tear_files();
    take_renames_back();
    _exit(POWER_CUT);
}

/* ---- operations */

/* Opens a file that exists, or returns -1. At the first time all its bytes are on the disk: a boot finds no others. */
static int disk_open(int dir, const char *name) {
    int fd = openat(dir, name, O_RDWR | O_APPEND);
    if (fd < 0)
        return -1;
    if (file_of(fd) == NULL) {
        CHECK(n_files < FILES);
        struct file *file = &files[n_files++];
        file->twin = dup(fd);
        CHECK(file->twin >= 0);
        file->number = number_of(fd);
        file->flushed = size_of(fd);
    }
    return fd;
}

static int disk_create(int dir, const char *name) {
    unlinkat(dir, name, 0);
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    CHECK(fd >= 0);
    close(fd);
    operation();
    return disk_open(dir, name);
}

static void disk_write(int fd, const void *ptr, size_t len) {
    CHECK(write(fd, ptr, len) == (ssize_t)len);
}

static void flush_dir(int dir) {
    int kept = 0;
    for (int i = 0; i < n_renames; i++) {
        if (renames[i].dir != dir)
            renames[kept++] = renames[i];
        else if (renames[i].old[0] != 0)
            unlinkat(dir, renames[i].old, 0);
    }
    n_renames = kept;
}

static int disk_flush(int fd) {
    struct stat s;
    operation();
    CHECK(fstat(fd, &s) == 0);
    if (S_ISDIR(s.st_mode)) {
        flush_dir(fd);
    } else {
        struct file *file = file_of(fd);
        CHECK(file != NULL);
        file->flushed = s.st_size;
    }
    operation();
    return 0;
}

static int disk_rename(int from_dir, const char *from, int dir, const char *to) {
    static unsigned kept;
    CHECK(from_dir == dir);
    CHECK(n_renames < RENAMES);
    operation();
    char old[NAME];
    snprintf(old, sizeof old, ".old-%u", kept++);
    if (linkat(dir, to, dir, old, 0) != 0)
        old[0] = 0; /* the name is new */
    int code = renameat(dir, from, dir, to);
    if (code != 0)
        return code;
    renames[n_renames].dir = dir;
    name_into(renames[n_renames].from, from);
    name_into(renames[n_renames].to, to);
    name_into(renames[n_renames].old, old);
    n_renames++;
    operation();
    return 0;
}

static void disk_unlink(int dir, const char *name) {
    CHECK(unlinkat(dir, name, 0) == 0 || errno == ENOENT);
    operation();
}

/* Removes the files of a directory for which `unwanted` is not 0. */
static void disk_unlink_if(int dir, int (*unwanted)(const char *name)) {
    int again = openat(dir, ".", O_RDONLY);
    CHECK(again >= 0);
    DIR *list = fdopendir(again);
    CHECK(list != NULL);
    for (const struct dirent *e = readdir(list); e != NULL; e = readdir(list))
        if (unwanted(e->d_name))
            disk_unlink(dir, e->d_name);
    closedir(list);
}

static struct bytes disk_read(int fd) {
    struct bytes got = {NULL, 0};
    uint8_t part[4096];
    ssize_t n;
    off_t at = 0;
    while ((n = pread(fd, part, sizeof part, at)) > 0) {
        add(&got, part, (size_t)n);
        at += n;
    }
    CHECK(n == 0);
    return got;
}

/* The functions of the page get this disk. */
#define fsync disk_flush
#define renameat disk_rename
