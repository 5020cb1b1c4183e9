/*
 * disk.c: records what is done to files below a root, and lets calls fail. See disk.h.
 */
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS                /* the names with and without 64 are both defined here */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MAX_FDS = 1024, MAX_NAMES = 512, DIRECTORY = 1u << 31 };

struct name {
    char *path;                         /* below the root */
    uint32_t file;
};

static struct {
    pthread_mutex_t mutex;
    bool on;
    char root[4096];
    struct disk_record record;
    struct name names[MAX_NAMES];
    size_t n_names;
    uint32_t next_file;
    uint32_t fds[MAX_FDS];              /* 0: not ours; DIRECTORY | index into dirs; else a file */
    char *dirs[MAX_FDS];                /* of a directory's descriptor: its path below the root */
    uint64_t sizes[1 << 16];            /* by file */
    struct disk_fault fault;
    uint64_t calls;
    bool came;
    uint64_t capacity;
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void stop(const char *what)
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
        stop("no memory");
    return array;
}

static char *copy_text(const char *s)
{
    char *copy = s ? strdup(s) : NULL;

    if (s && !copy)
        stop("no memory");
    return copy;
}

static void add(struct disk_op op, const void *bytes)
{
    struct disk_record *r = &disk.record;

    r->ops = grown(r->ops, &r->cap, r->count, 1, sizeof *r->ops);
    r->bytes = grown(r->bytes, &r->cap_bytes, r->len, op.len + 1, 1);
    op.name = copy_text(op.name);
    op.name2 = copy_text(op.name2);
    op.at = r->len;
    if (op.len > 0 && bytes)
        memcpy(r->bytes + r->len, bytes, op.len);
    else if (op.len > 0)
        memset(r->bytes + r->len, 0, op.len);
    r->len += op.len;
    r->ops[r->count++] = op;
}

/* ---- names and descriptors ---- */

static struct name *find_name(const char *path)
{
    for (size_t i = 0; i < disk.n_names; i++)
        if (strcmp(disk.names[i].path, path) == 0)
            return &disk.names[i];
    return NULL;
}

static struct name *add_name(const char *path)
{
    if (disk.n_names == MAX_NAMES || disk.next_file == (1 << 16) - 1)
        stop("too many files");
    struct name *n = &disk.names[disk.n_names++];
    *n = (struct name){copy_text(path), ++disk.next_file};
    disk.sizes[n->file] = 0;
    return n;
}

static void drop_name(struct name *n)
{
    free(n->path);
    *n = disk.names[--disk.n_names];
}

static bool is_dir_fd(int fd)
{
    return fd >= 0 && fd < MAX_FDS && (disk.fds[fd] & DIRECTORY);
}

static uint32_t file_of(int fd)
{
    return disk.on && fd >= 0 && fd < MAX_FDS && !is_dir_fd(fd) ? disk.fds[fd] : 0;
}

/* The path below the root. NULL: it is not there. */
static const char *below_root(int dirfd, const char *path, char buf[4096])
{
    if (!disk.on)
        return NULL;
    const char *above = is_dir_fd(dirfd) ? disk.dirs[dirfd] : NULL;
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

static bool fails(unsigned call)
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

static uint64_t used(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < disk.n_names; i++)
        sum += disk.sizes[disk.names[i].file];
    return sum;
}

static bool is_full(uint32_t file, uint64_t size)
{
    if (disk.capacity == 0 || size <= disk.sizes[file] || used() + size - disk.sizes[file] <= disk.capacity)
        return false;
    errno = ENOSPC;
    return true;
}

static void set_size(uint32_t file, uint64_t size)
{
    disk.sizes[file] = size;
    add((struct disk_op){.kind = DISK_SIZE, .file = file, .offset = size}, NULL);
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
        add((struct disk_op){.kind = DISK_NOTE, .file = kind, .offset = value}, NULL);
    pthread_mutex_unlock(&disk.mutex);
}

/* ---- begin and end ---- */

/* What is there already: recorded as written and synced. Directories below the root are not looked into. */
static void take_what_is_there(void)
{
    DIR *d = opendir(disk.root);
    struct dirent *e;

    if (!d)
        stop("the root can't be listed");
    while ((e = readdir(d))) {
        char path[4400];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", disk.root, e->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
        uint8_t *bytes = malloc((size_t)st.st_size + 1);
        if (fd < 0 || !bytes || read(fd, bytes, (size_t)st.st_size) != st.st_size)
            stop("a file can't be read");
        syscall(SYS_close, fd);
        struct name *n = add_name(e->d_name);
        add((struct disk_op){.kind = DISK_CREATE, .file = n->file, .name = n->path}, NULL);
        set_size(n->file, (uint64_t)st.st_size);
        add((struct disk_op){.kind = DISK_WRITE, .file = n->file, .len = (size_t)st.st_size}, bytes);
        add((struct disk_op){.kind = DISK_SYNC, .file = n->file}, NULL);
        free(bytes);
    }
    closedir(d);
    add((struct disk_op){.kind = DISK_SYNC_DIR, .name = ""}, NULL);
    disk.record.initial = disk.record.count;
}

void disk_track(const char *root)
{
    if (disk.on)
        stop("already tracking");
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
        drop_name(&disk.names[disk.n_names - 1]);
    for (int i = 0; i < MAX_FDS; i++) {
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

/* ---- the calls ---- */

/* A descriptor was opened at a path of ours: remember which, and record a file that is new, or emptied. */
static void opened(int fd, const char *path, int flags, bool existed)
{
    struct stat st;

    if (fd >= MAX_FDS)
        stop("too many descriptors");
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        free(disk.dirs[fd]);
        disk.dirs[fd] = copy_text(path);
        disk.fds[fd] = DIRECTORY;
        return;
    }
    struct name *n = find_name(path);
    if (!n) {
        n = add_name(path);
        add((struct disk_op){.kind = DISK_CREATE, .file = n->file, .name = n->path}, NULL);
    } else if (existed && (flags & O_TRUNC) && disk.sizes[n->file] > 0) {
        set_size(n->file, 0);
    }
    disk.fds[fd] = n->file;
}

static int open_at(int dirfd, const char *path, int flags, unsigned mode)
{
    char buf[4096];

    pthread_mutex_lock(&disk.mutex);
    const char *ours = below_root(dirfd, path, buf);
    bool existed = ours && find_name(ours);
    int fd = ours && fails(FAULT_OPEN) ? -1 : (int)syscall(SYS_openat, dirfd, path, flags, mode);
    if (fd >= 0 && fd < MAX_FDS)
        disk.fds[fd] = 0;
    if (ours && fd >= 0)
        opened(fd, ours, flags, existed);
    pthread_mutex_unlock(&disk.mutex);
    return fd;
}

#define MODE_OF(flags, last, mode) \
    do { \
        va_list args_; \
        va_start(args_, last); \
        mode = (flags) & (O_CREAT | __O_TMPFILE) ? va_arg(args_, unsigned) : 0; \
        va_end(args_); \
    } while (0)

int open(const char *path, int flags, ...)
{
    unsigned mode;
    MODE_OF(flags, flags, mode);
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    unsigned mode;
    MODE_OF(flags, flags, mode);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    unsigned mode;
    MODE_OF(flags, flags, mode);
    return open_at(dirfd, path, flags, mode);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
    unsigned mode;
    MODE_OF(flags, flags, mode);
    return open_at(dirfd, path, flags, mode);
}

int close(int fd)
{
    pthread_mutex_lock(&disk.mutex);
    if (fd >= 0 && fd < MAX_FDS && disk.fds[fd]) {
        free(disk.dirs[fd]);
        disk.dirs[fd] = NULL;
        disk.fds[fd] = 0;
    }
    pthread_mutex_unlock(&disk.mutex);
    return (int)syscall(SYS_close, fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    uint32_t file = file_of(fd);

    if (!file)
        return syscall(SYS_pwrite64, fd, bytes, len, offset);
    pthread_mutex_lock(&disk.mutex);
    ssize_t n = -1;
    bool bad = fails(FAULT_WRITE);
    if (bad && disk.fault.error == 0 && len > 1)
        len = 1 + len / 2;
    if (!(bad && disk.fault.error != 0) && !is_full(file, (uint64_t)offset + len))
        n = syscall(SYS_pwrite64, fd, bytes, len, offset);
    if (n > 0) {
        if ((uint64_t)offset + (size_t)n > disk.sizes[file])
            set_size(file, (uint64_t)offset + (size_t)n);
        add((struct disk_op){.kind = DISK_WRITE, .file = file, .offset = (uint64_t)offset, .len = (size_t)n}, bytes);
    }
    pthread_mutex_unlock(&disk.mutex);
    return n;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return pwrite64(fd, bytes, len, offset);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (!file_of(fd))
        return syscall(SYS_write, fd, bytes, len);
    off_t at = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    ssize_t n = pwrite64(fd, bytes, len, at);
    if (n > 0)
        lseek(fd, at + n, SEEK_SET);
    return n;
}

ssize_t pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    ssize_t all = 0;

    if (!file_of(fd))
        return syscall(SYS_pwritev, fd, v, count, offset, 0);
    for (int i = 0; i < count; i++) {
        ssize_t n = pwrite64(fd, v[i].iov_base, v[i].iov_len, offset + all);
        if (n < 0)
            return all ? all : n;
        all += n;
        if ((size_t)n < v[i].iov_len)
            break;
    }
    return all;
}

ssize_t pwritev64(int fd, const struct iovec *v, int count, off64_t offset)
{
    return pwritev(fd, v, count, offset);
}

ssize_t writev(int fd, const struct iovec *v, int count)
{
    if (!file_of(fd))
        return syscall(SYS_writev, fd, v, count);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t n = pwritev(fd, v, count, at);
    if (n > 0)
        lseek(fd, at + n, SEEK_SET);
    return n;
}

ssize_t pread64(int fd, void *to, size_t len, off64_t offset)
{
    if (file_of(fd) && fails(FAULT_READ))
        return -1;
    return syscall(SYS_pread64, fd, to, len, offset);
}

ssize_t pread(int fd, void *to, size_t len, off_t offset)
{
    return pread64(fd, to, len, offset);
}

static int sync_fd(int fd, long call)
{
    bool dir = disk.on && is_dir_fd(fd);
    uint32_t file = file_of(fd);

    if (!dir && !file)
        return (int)syscall(call, fd);
    pthread_mutex_lock(&disk.mutex);
    int result = fails(FAULT_SYNC) ? -1 : 0, error = errno;
    if (dir && result == 0)
        add((struct disk_op){.kind = DISK_SYNC_DIR, .name = disk.dirs[fd]}, NULL);
    else if (file)
        add((struct disk_op){.kind = result == 0 ? DISK_SYNC : DISK_SYNC_FAILED, .file = file}, NULL);
    pthread_mutex_unlock(&disk.mutex);
    errno = error;
    return result;
}

int fsync(int fd)
{
    return sync_fd(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_fd(fd, SYS_fdatasync);
}

int ftruncate64(int fd, off64_t size)
{
    uint32_t file = file_of(fd);

    if (!file)
        return (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&disk.mutex);
    int result = fails(FAULT_TRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
    if (result == 0)
        set_size(file, (uint64_t)size);
    pthread_mutex_unlock(&disk.mutex);
    return result;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

static int allocate(int fd, int mode, off_t offset, off_t len)
{
    uint32_t file = file_of(fd);

    if (!file)
        return syscall(SYS_fallocate, fd, mode, offset, len) == 0 ? 0 : errno;
    pthread_mutex_lock(&disk.mutex);
    uint64_t size = (uint64_t)offset + (uint64_t)len;
    int error = fails(FAULT_ALLOCATE) || (mode == 0 && is_full(file, size)) ? errno : 0;
    if (error == 0 && syscall(SYS_fallocate, fd, mode, offset, len) != 0)
        error = errno;
    if (error == 0 && mode == 0 && size > disk.sizes[file])
        set_size(file, size);
    if (error == 0 && (mode & FALLOC_FL_PUNCH_HOLE))
        add((struct disk_op){.kind = DISK_WRITE, .file = file, .offset = (uint64_t)offset, .len = (size_t)len}, NULL);
    pthread_mutex_unlock(&disk.mutex);
    return error;
}

int posix_fallocate64(int fd, off64_t offset, off64_t len)
{
    return allocate(fd, 0, offset, len);
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
    return allocate(fd, 0, offset, len);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    errno = allocate(fd, mode, offset, len);
    return errno ? -1 : 0;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    return fallocate64(fd, mode, offset, len);
}

int renameat(int fromfd, const char *from, int tofd, const char *to)
{
    char buf[4096], buf2[4096];

    pthread_mutex_lock(&disk.mutex);
    const char *a = below_root(fromfd, from, buf), *b = below_root(tofd, to, buf2);
    int result = a && fails(FAULT_RENAME) ? -1 : (int)syscall(SYS_renameat2, fromfd, from, tofd, to, 0);
    if (a && b && result == 0) {
        struct name *target = find_name(b);
        if (target)
            drop_name(target);
        struct name *n = find_name(a);
        if (!n)
            stop("a rename of a file that is not known: directories are not supported");
        add((struct disk_op){.kind = DISK_RENAME, .file = n->file, .name = n->path, .name2 = (char *)(uintptr_t)b}, NULL);
        free(n->path);
        n->path = copy_text(b);
    }
    pthread_mutex_unlock(&disk.mutex);
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dirfd, const char *path, int flags)
{
    char buf[4096];

    pthread_mutex_lock(&disk.mutex);
    const char *ours = below_root(dirfd, path, buf);
    int result = ours && fails(FAULT_UNLINK) ? -1 : (int)syscall(SYS_unlinkat, dirfd, path, flags);
    struct name *n = ours && result == 0 ? find_name(ours) : NULL;
    if (n) {
        add((struct disk_op){.kind = DISK_UNLINK, .name = n->path}, NULL);
        drop_name(n);
    }
    pthread_mutex_unlock(&disk.mutex);
    return result;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
    if (fd >= 0 && file_of(fd) && (flags & MAP_SHARED) && (prot & PROT_WRITE))
        stop("a shared writable mapping: what is written there can't be seen");
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    return mmap64(addr, len, prot, flags, fd, offset);
}

int fstatvfs64(int fd, struct statvfs64 *out)
{
    uint64_t left = disk.capacity > used() ? disk.capacity - used() : 0;

    if (disk.on && is_dir_fd(fd) && disk.capacity > 0) {
        *out = (struct statvfs64){.f_bsize = 1, .f_frsize = 1, .f_blocks = disk.capacity, .f_bfree = left, .f_bavail = left};
        return 0;
    }
    *out = (struct statvfs64){.f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1 << 30, .f_bfree = 1 << 29, .f_bavail = 1 << 29};
    return 0;
}
