/* one_file_disk.c: the file of the one-file store. A record is a head and a batch. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "crc32c.h"
#include "one_file_parts.h"

enum { MAGIC = 0x31464f31 };

void one_file_close_record(struct one_file *f, struct bytes *b, size_t at)
{
    uint8_t *head = b->at + at;

    rh_put_u32(head, MAGIC);
    rh_put_u64(head + 8, ++f->number);
    rh_put_u64(head + 16, f->synced);
    rh_put_u64(head + 24, b->len - at - ONE_FILE_HEAD);
    rh_put_u32(head + 4, rh_crc32c(0, head + 8, b->len - at - 8));
}

int one_file_write(struct one_file *f, int fd, const struct bytes *b, uint64_t offset, struct rh_words *why)
{
    if (!FLAW(SHORT_WRITES))
        return rh_write_all(fd, b->at, b->len, offset, "one-file", why);
    return pwrite(fd, b->at, b->len, (off_t)offset) > 0
               ? RH_OK
               : rh_fail(why, RH_E_IO, "write of one-file: %s", strerror(errno));
}

int one_file_fail(struct one_file *f, struct rh_words *why)
{
    f->failed = !FLAW(FLUSH_AGAIN);
    return rh_fail(why, rh_code_of_errno(errno), "a call on one-file failed: %s", strerror(errno));
}

/* Writes the content to a new file, and replaces the old file. */
int one_file_write_anew(struct one_file *f, struct rh_words *why)
{
    struct bytes b = {0};
    uint8_t head[ONE_FILE_HEAD] = {0};
    int dir = f->store->dir.fd, fd = openat(dir, "one-file.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0)
        return one_file_fail(f, why);
    one_file_put(&b, head, ONE_FILE_HEAD);
    one_file_put_all(f, &b);
    one_file_close_record(f, &b, 0);
    int code = one_file_write(f, fd, &b, 0, why);
    if (code == RH_OK && FLAW(RENAME_FIRST))
        code = renameat(dir, "one-file.tmp", dir, "one-file") == 0 ? RH_OK : one_file_fail(f, why);
    if (code == RH_OK && !FLAW(NO_FLUSH) && fsync(fd) != 0)
        code = one_file_fail(f, why);
    if (code == RH_OK && !FLAW(RENAME_FIRST) && renameat(dir, "one-file.tmp", dir, "one-file") != 0)
        code = one_file_fail(f, why);
    if (code == RH_OK && !FLAW(NO_DIRECTORY_FLUSH))
        code = rh_dir_sync(&f->store->dir, why);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = fd;
    f->offset = b.len;
    f->synced = f->number;
    f->rewrite = false;
    f->failed = f->failed || (code != RH_OK && !FLAW(FLUSH_AGAIN));
    free(b.at);
    return code;
}

/* Returns whether a record behind `at` vouches for the record of that number. */
static bool was_durable(const uint8_t *p, size_t len, size_t at, uint64_t number)
{
    for (; at + ONE_FILE_HEAD <= len; at++) {
        uint64_t body = rh_get_u64(p + at + 24);
        if (rh_get_u32(p + at) == MAGIC && body <= len - at - ONE_FILE_HEAD && rh_get_u64(p + at + 16) >= number &&
            rh_get_u32(p + at + 4) == rh_crc32c(0, p + at + 8, ONE_FILE_HEAD - 8 + (size_t)body))
            return true;
    }
    return false;
}

static int take_records(struct one_file *f, const uint8_t *p, size_t len, struct rh_words *why)
{
    size_t at = 0;

    while (at + ONE_FILE_HEAD <= len) {
        uint64_t body = rh_get_u64(p + at + 24);
        if (rh_get_u32(p + at) != MAGIC || body > len - at - ONE_FILE_HEAD)
            break;
        if (rh_get_u32(p + at + 4) != rh_crc32c(0, p + at + 8, ONE_FILE_HEAD - 8 + (size_t)body) && !FLAW(NO_CHECKSUM))
            break;
        if (at > 0 && rh_get_u64(p + at + 8) != f->number + 1)
            break;
        f->number = rh_get_u64(p + at + 8);
        one_file_take(f, p + at + ONE_FILE_HEAD, (size_t)body);
        at += ONE_FILE_HEAD + (size_t)body;
    }
    f->offset = at;
    if (FLAW(CUT_DAMAGE))
        return RH_OK;
    if (f->number < f->store->dir.owner.reached || was_durable(p, len, at, f->number + 1))
        return rh_fail(why, RH_E_DAMAGED,
                       "one-file is damaged at offset %zu, behind index %llu: start this member anew", at,
                       (unsigned long long)f->last);
    return RH_OK;
}

static void read_state_apart(struct one_file *f)
{
    uint8_t state[24];
    size_t got = 0;
    int fd = openat(f->store->dir.fd, "state", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (rh_read_all(fd, state, sizeof state, 0, &got, "state", NULL) == RH_OK && got == sizeof state)
        f->term = rh_get_u64(state), f->vote = rh_get_u64(state + 8), f->commit = rh_get_u64(state + 16);
    close(fd);
}

int one_file_write_state(struct one_file *f, struct rh_words *why)
{
    uint8_t state[24];
    int fd = openat(f->store->dir.fd, "state", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        return one_file_fail(f, why);
    rh_put_u64(state, f->term);
    rh_put_u64(state + 8, f->vote);
    rh_put_u64(state + 16, f->commit);
    int code = rh_write_all(fd, state, sizeof state, 0, "state", why);
    if (code == RH_OK && fsync(fd) != 0)
        code = one_file_fail(f, why);
    close(fd);
    return code;
}

int one_file_read(struct one_file *f, bool *there, struct rh_words *why)
{
    struct stat st;
    size_t got = 0;
    int fd = openat(f->store->dir.fd, "one-file", O_RDWR | O_CLOEXEC), code = RH_OK;

    *there = fd >= 0;
    if (fd < 0)
        return errno == ENOENT ? RH_OK : one_file_fail(f, why);
    uint8_t *bytes = one_file_need(malloc(fstat(fd, &st) == 0 ? (size_t)st.st_size + 1 : 1));
    code = rh_read_all(fd, bytes, (size_t)st.st_size, 0, &got, "one-file", why);
    if (code == RH_OK)
        code = take_records(f, bytes, got, why);
    free(bytes);
    if (code == RH_OK && FLAW(STATE_APART))
        read_state_apart(f);
    if (code == RH_OK && FLAW(GO_ON_BEHIND_TORN)) {
        f->fd = fd;
        f->synced = f->number;
    } else {
        close(fd);
    }
    return code;
}
