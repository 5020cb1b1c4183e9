/*
 * disk.c: the record of a disk, and the calls that shall fail. See disk.h; disk_calls.c has the calls.
 */
#define _GNU_SOURCE
#include "disk_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct disk disk = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void disk_stop(const char *what)
{
    fprintf(stderr, "disk.c: %s\n", what);
    abort();
}

static void *grown(void *array, size_t *cap, size_t count, size_t more, size_t size)
{
    if (count + more <= *cap)
        return array;
    *cap = 2 * (count + more);
    array = realloc(array, *cap * size);
    if (!array)
        disk_stop("no memory");
    return array;
}

char *disk_copy_text(const char *s)
{
    char *copy = s ? strdup(s) : NULL;

    if (s && !copy)
        disk_stop("no memory");
    return copy;
}

void disk_add(struct disk_op op, const void *bytes)
{
    struct disk_record *r = &disk.record;

    r->ops = grown(r->ops, &r->cap, r->count, 1, sizeof *r->ops);
    r->bytes = grown(r->bytes, &r->cap_bytes, r->len, op.len + 1, 1);
    op.name = disk_copy_text(op.name);
    op.name2 = disk_copy_text(op.name2);
    op.at = r->len;
    if (op.len > 0 && bytes)
        memcpy(r->bytes + r->len, bytes, op.len);
    else if (op.len > 0)
        memset(r->bytes + r->len, 0, op.len);
    r->len += op.len;
    r->ops[r->count++] = op;
}

/* ---- names and descriptors ---- */

struct disk_name *disk_find_name(const char *path)
{
    for (size_t i = 0; i < disk.n_names; i++)
        if (strcmp(disk.names[i].path, path) == 0)
            return &disk.names[i];
    return NULL;
}

struct disk_name *disk_add_name(const char *path)
{
    if (disk.n_names == DISK_MAX_NAMES || disk.next_file == (1 << 16) - 1)
        disk_stop("too many files");
    struct disk_name *n = &disk.names[disk.n_names++];
    *n = (struct disk_name){disk_copy_text(path), ++disk.next_file};
    disk.sizes[n->file] = disk.holes[n->file] = 0;
    return n;
}

void disk_drop_name(struct disk_name *n)
{
    free(n->path);
    *n = disk.names[--disk.n_names];
}

bool disk_is_dir_fd(int fd)
{
    return fd >= 0 && fd < DISK_MAX_FDS && (disk.fds[fd] & DISK_DIRECTORY);
}

uint32_t disk_file_of(int fd)
{
    return disk.on && fd >= 0 && fd < DISK_MAX_FDS && !disk_is_dir_fd(fd) ? disk.fds[fd] : 0;
}

/* Returns the path below the root. NULL: not there. */
const char *disk_below_root(int dirfd, const char *path, char buf[4096])
{
    if (!disk.on)
        return NULL;
    const char *above = disk_is_dir_fd(dirfd) ? disk.dirs[dirfd] : NULL;
    if (strcmp(path, ".") == 0 && above)
        return above;
    if (above && path[0] != '/' && strncmp(path, "..", 2) != 0) {
        snprintf(buf, 4096, "%s%s%s", above, above[0] ? "/" : "", path);
        return buf;
    }
    size_t len = strlen(disk.root);
    if (strncmp(path, disk.root, len) != 0 || (path[len] != 0 && path[len] != '/'))
        return NULL;
    snprintf(buf, 4096, "%s", path[len] ? path + len + 1 : "");
    return buf;
}

/* ---- faults ---- */

bool disk_fails(unsigned call)
{
    if (!disk.on || !(disk.fault.calls & call))
        return false;
    disk.calls++;
    if (disk.fault.at == 0 || disk.calls < disk.fault.at || (disk.calls > disk.fault.at && !disk.fault.for_good))
        return false;
    disk.came = true;
    errno = disk.fault.error;
    return true;
}

uint64_t disk_used(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < disk.n_names; i++)
        sum += disk.sizes[disk.names[i].file] - disk.holes[disk.names[i].file];
    return sum;
}

bool disk_is_full(uint32_t file, uint64_t size)
{
    if (disk.capacity == 0 || size <= disk.sizes[file] || disk_used() + size - disk.sizes[file] <= disk.capacity)
        return false;
    errno = ENOSPC;
    return true;
}

void disk_set_size(uint32_t file, uint64_t size)
{
    disk.sizes[file] = size;
    disk.holes[file] = 0;
    disk_add((struct disk_op){.kind = DISK_SIZE, .file = file, .offset = size}, NULL);
}

void disk_set_fault(struct disk_fault f)
{
    disk.fault = f;
    disk.calls = 0;
    disk.came = false;
}

uint64_t disk_calls(void)
{
    return disk.calls;
}

bool disk_fault_came(void)
{
    return disk.came;
}

void disk_set_capacity(uint64_t bytes)
{
    disk.capacity = bytes;
}

void disk_note(uint32_t kind, uint64_t value)
{
    pthread_mutex_lock(&disk.mutex);
    if (disk.on)
        disk_add((struct disk_op){.kind = DISK_NOTE, .file = kind, .offset = value}, NULL);
    pthread_mutex_unlock(&disk.mutex);
}

/* ---- begin and end ---- */

/* Records the files that exist as written and synced. Skips subdirectories. */
static void take_what_is_there(void)
{
    DIR *d = opendir(disk.root);
    struct dirent *e;

    if (!d)
        disk_stop("the root can't be listed");
    while ((e = readdir(d))) {
        char path[4400];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", disk.root, e->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
        uint8_t *bytes = malloc((size_t)st.st_size + 1);
        if (fd < 0 || !bytes || read(fd, bytes, (size_t)st.st_size) != st.st_size)
            disk_stop("a file can't be read");
        syscall(SYS_close, fd);
        struct disk_name *n = disk_add_name(e->d_name);
        disk_add((struct disk_op){.kind = DISK_CREATE, .file = n->file, .name = n->path}, NULL);
        disk_set_size(n->file, (uint64_t)st.st_size);
        disk_add((struct disk_op){.kind = DISK_WRITE, .file = n->file, .len = (size_t)st.st_size}, bytes);
        disk_add((struct disk_op){.kind = DISK_SYNC, .file = n->file}, NULL);
        free(bytes);
    }
    closedir(d);
    disk_add((struct disk_op){.kind = DISK_SYNC_DIR, .name = ""}, NULL);
    disk.record.initial = disk.record.count;
}

void disk_track(const char *root)
{
    if (disk.on)
        disk_stop("already tracking");
    snprintf(disk.root, sizeof disk.root, "%s", root);
    disk.record = (struct disk_record){0};
    disk.next_file = 0;
    memset(disk.fds, 0, sizeof disk.fds);
    disk_set_fault((struct disk_fault){0});
    disk.capacity = 0;
    take_what_is_there();
    disk.on = true;
}

struct disk_record disk_untrack(void)
{
    disk.on = false;
    while (disk.n_names > 0)
        disk_drop_name(&disk.names[disk.n_names - 1]);
    for (int i = 0; i < DISK_MAX_FDS; i++) {
        free(disk.dirs[i]);
        disk.dirs[i] = NULL;
    }
    return disk.record;
}

void disk_free(struct disk_record *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->ops[i].name);
        free(r->ops[i].name2);
    }
    free(r->ops);
    free(r->bytes);
    *r = (struct disk_record){0};
}
