/* scratch.c: bytes beside the file, in memory; once they are many, in a file without a name. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "raftlite.h"

enum { IN_MEMORY = 32 << 20, PIECE = 64 * 1024 };

static int write_all(int fd, const void *from, size_t len, uint64_t at) {
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, (const char *)from + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
        done += (size_t)n;
    }
    return SQLITE_OK;
}

size_t rl_read_fd(int fd, void *to, size_t len, uint64_t at) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)to + done, len - done, (off_t)(at + done));
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return SIZE_MAX;
        done += n > 0 ? (size_t)n : 0;
    }
    return done;
}

int rl_scratch_read(const struct rl_scratch *s, void *to, size_t len, uint64_t at) {
    size_t done = s->fd >= 0 ? rl_read_fd(s->fd, to, len, at) : 0;
    if (done == SIZE_MAX)
        return SQLITE_IOERR_READ;
    memset((char *)to + done, 0, len - done);
    return SQLITE_OK;
}

/* Moves the bytes to a file. Holes stay holes. */
static int to_disk(struct rl_scratch *s, const char *dir) {
    char name[RL_PATH + 64], piece[PIECE];
    snprintf(name, sizeof name, "%s/scratch-%ld-%p", dir, (long)getpid(), (const void *)s);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), code = fd < 0 ? SQLITE_IOERR_WRITE : SQLITE_OK;
    if (fd < 0)
        return code;
    unlink(name);
    for (off_t at = 0; code == SQLITE_OK && (at = lseek(s->fd, at, SEEK_DATA)) >= 0; at += PIECE) {
        uint64_t len = s->size - (uint64_t)at < PIECE ? s->size - (uint64_t)at : PIECE;
        code = rl_scratch_read(s, piece, (size_t)len, (uint64_t)at);
        if (code == SQLITE_OK)
            code = write_all(fd, piece, (size_t)len, (uint64_t)at);
    }
    if (code != SQLITE_OK || ftruncate(fd, (off_t)s->size) != 0) {
        close(fd);
        return code != SQLITE_OK ? code : SQLITE_IOERR_WRITE;
    }
    close(s->fd);
    s->fd = fd;
    s->on_disk = true;
    return SQLITE_OK;
}

int rl_scratch_write(struct rl_scratch *s, const char *dir, const void *from, size_t len, uint64_t at) {
    struct stat st;
    if (s->fd < 0)
        s->fd = memfd_create("raftlite", MFD_CLOEXEC);
    if (s->fd < 0)
        return SQLITE_NOMEM;
    if (!s->on_disk && at + len > IN_MEMORY && fstat(s->fd, &st) == 0 && st.st_blocks > IN_MEMORY / 512) {
        int code = to_disk(s, dir);
        if (code != SQLITE_OK)
            return code;
    }
    int code = write_all(s->fd, from, len, at);
    if (code == SQLITE_OK && at + len > s->size)
        s->size = at + len;
    return code;
}

int rl_scratch_truncate(struct rl_scratch *s, uint64_t size) {
    if (s->fd < 0 || size >= s->size)
        return SQLITE_OK;
    if (size == 0 && s->on_disk) {
        rl_scratch_close(s);
        return SQLITE_OK;
    }
    s->size = size;
    return ftruncate(s->fd, (off_t)size) == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

void rl_scratch_close(struct rl_scratch *s) {
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct rl_scratch){.fd = -1};
}
