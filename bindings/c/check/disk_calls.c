/*
 * disk_calls.c: open, pwrite, fdatasync, rename and the like, in the place of the C library's. See disk.h.
 */
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS                /* the names with and without 64 are both defined here */
#include "disk_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
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

/* Remembers an opened descriptor of ours. Records a new or emptied file. */
static void opened(int fd, const char *path, int flags, bool existed)
{
    struct stat st;

    if (fd >= DISK_MAX_FDS)
        disk_stop("too many descriptors");
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        free(disk.dirs[fd]);
        disk.dirs[fd] = disk_copy_text(path);
        disk.fds[fd] = DISK_DIRECTORY;
        return;
    }
    struct disk_name *n = disk_find_name(path);
    if (!n) {
        n = disk_add_name(path);
        disk_add((struct disk_op){.kind = DISK_CREATE, .file = n->file, .name = n->path}, NULL);
    } else if (existed && (flags & O_TRUNC) && disk.sizes[n->file] > 0) {
        disk_set_size(n->file, 0);
    }
    disk.fds[fd] = n->file;
}

static int open_at(int dirfd, const char *path, int flags, unsigned mode)
{
    char buf[4096];

    pthread_mutex_lock(&disk.mutex);
    const char *ours = disk_below_root(dirfd, path, buf);
    bool existed = ours && disk_find_name(ours);
    int fd = ours && disk_fails(FAULT_OPEN) ? -1 : (int)syscall(SYS_openat, dirfd, path, flags, mode);
    if (fd >= 0 && fd < DISK_MAX_FDS)
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
    if (fd >= 0 && fd < DISK_MAX_FDS && disk.fds[fd]) {
        free(disk.dirs[fd]);
        disk.dirs[fd] = NULL;
        disk.fds[fd] = 0;
    }
    pthread_mutex_unlock(&disk.mutex);
    return (int)syscall(SYS_close, fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    uint32_t file = disk_file_of(fd);

    if (!file)
        return syscall(SYS_pwrite64, fd, bytes, len, offset);
    pthread_mutex_lock(&disk.mutex);
    ssize_t n = -1;
    bool bad = disk_fails(FAULT_WRITE);
    if (bad && disk.fault.error == 0 && len > 1)
        len = 1 + len / 2;
    if (!(bad && disk.fault.error != 0) && !disk_is_full(file, (uint64_t)offset + len))
        n = syscall(SYS_pwrite64, fd, bytes, len, offset);
    if (n > 0) {
        if ((uint64_t)offset + (size_t)n > disk.sizes[file])
            disk_set_size(file, (uint64_t)offset + (size_t)n);
        disk_add((struct disk_op){.kind = DISK_WRITE, .file = file, .offset = (uint64_t)offset, .len = (size_t)n}, bytes);
        if (fcntl(fd, F_GETFL) & O_DSYNC)       /* the write is its own flush. Earlier unsynced writes count as synced, too */
            disk_add((struct disk_op){.kind = DISK_SYNC, .file = file}, NULL);
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
    if (!disk_file_of(fd))
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

    if (!disk_file_of(fd))
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
    if (!disk_file_of(fd))
        return syscall(SYS_writev, fd, v, count);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t n = pwritev(fd, v, count, at);
    if (n > 0)
        lseek(fd, at + n, SEEK_SET);
    return n;
}

ssize_t pread64(int fd, void *to, size_t len, off64_t offset)
{
    if (disk_file_of(fd) && disk_fails(FAULT_READ))
        return -1;
    return syscall(SYS_pread64, fd, to, len, offset);
}

ssize_t pread(int fd, void *to, size_t len, off_t offset)
{
    return pread64(fd, to, len, offset);
}

static int sync_fd(int fd, long call)
{
    bool dir = disk.on && disk_is_dir_fd(fd);
    uint32_t file = disk_file_of(fd);

    if (!dir && !file)
        return (int)syscall(call, fd);
    pthread_mutex_lock(&disk.mutex);
    int result = disk_fails(FAULT_SYNC) ? -1 : 0, error = errno;
    if (dir && result == 0)
        disk_add((struct disk_op){.kind = DISK_SYNC_DIR, .name = disk.dirs[fd]}, NULL);
    else if (file)
        disk_add((struct disk_op){.kind = result == 0 ? DISK_SYNC : DISK_SYNC_FAILED, .file = file}, NULL);
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
    uint32_t file = disk_file_of(fd);

    if (!file)
        return (int)syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&disk.mutex);
    int result = disk_fails(FAULT_TRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
    if (result == 0)
        disk_set_size(file, (uint64_t)size);
    pthread_mutex_unlock(&disk.mutex);
    return result;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

static int allocate(int fd, int mode, off_t offset, off_t len)
{
    uint32_t file = disk_file_of(fd);

    if (!file)
        return syscall(SYS_fallocate, fd, mode, offset, len) == 0 ? 0 : errno;
    pthread_mutex_lock(&disk.mutex);
    uint64_t size = (uint64_t)offset + (uint64_t)len;
    int error = disk_fails(FAULT_ALLOCATE) || (mode == 0 && disk_is_full(file, size)) ? errno : 0;
    if (error == 0 && syscall(SYS_fallocate, fd, mode, offset, len) != 0)
        error = errno;
    if (error == 0 && mode == 0 && size > disk.sizes[file])
        disk_set_size(file, size);
    if (error == 0 && (mode & FALLOC_FL_PUNCH_HOLE))
        disk.holes[file] = (uint64_t)len;
    if (error == 0 && (mode & FALLOC_FL_PUNCH_HOLE))
        disk_add((struct disk_op){.kind = DISK_WRITE, .file = file, .offset = (uint64_t)offset, .len = (size_t)len}, NULL);
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
    const char *a = disk_below_root(fromfd, from, buf), *b = disk_below_root(tofd, to, buf2);
    int result = a && disk_fails(FAULT_RENAME) ? -1 : (int)syscall(SYS_renameat2, fromfd, from, tofd, to, 0);
    if (a && b && result == 0) {
        struct disk_name *target = disk_find_name(b);
        if (target)
            disk_drop_name(target);
        struct disk_name *n = disk_find_name(a);
        if (!n)
            disk_stop("a rename of a file that is not known: directories are not supported");
        disk_add((struct disk_op){.kind = DISK_RENAME, .file = n->file, .name = n->path, .name2 = (char *)(uintptr_t)b},
            NULL);
        free(n->path);
        n->path = disk_copy_text(b);
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
    const char *ours = disk_below_root(dirfd, path, buf);
    int result = ours && disk_fails(FAULT_UNLINK) ? -1 : (int)syscall(SYS_unlinkat, dirfd, path, flags);
    struct disk_name *n = ours && result == 0 ? disk_find_name(ours) : NULL;
    if (n) {
        disk_add((struct disk_op){.kind = DISK_UNLINK, .name = n->path}, NULL);
        disk_drop_name(n);
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
    if (fd >= 0 && disk_file_of(fd) && (flags & MAP_SHARED) && (prot & PROT_WRITE))
        disk_stop("a shared writable mapping: what is written there can't be seen");
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    return mmap64(addr, len, prot, flags, fd, offset);
}

int fstatvfs64(int fd, struct statvfs64 *out)
{
    uint64_t left = disk.capacity > disk_used() ? disk.capacity - disk_used() : 0;

    if (disk.on && disk_is_dir_fd(fd) && disk.capacity > 0) {
        *out = (struct statvfs64){.f_bsize = 1, .f_frsize = 1, .f_blocks = disk.capacity, .f_bfree = left, .f_bavail = left};
        return 0;
    }
    *out = (struct statvfs64){.f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1 << 30, .f_bfree = 1 << 29, .f_bavail = 1 << 29};
    return 0;
}
