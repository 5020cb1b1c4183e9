/*
 * snapshot_read.c: reads a snapshot file: data, or the file's bytes. Each part is verified before
 * bytes come out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "snapshot_format.h"

typedef unsigned long long ull;

struct rh_snapshot_reader {
    int fd;
    char name[256];                     /* for words */
    struct rh_snapshot_head head;
    struct rh_snapshot_info info;
    uint8_t *head_bytes;
    uint64_t blocks;
    uint64_t next;                      /* of the data */
    uint8_t *part;                      /* the part read last: place and length; length 0: none */
    uint64_t part_at;
    size_t part_len;
};

static int damaged(const struct rh_snapshot_reader *r, const char *what, uint64_t offset, struct rh_words *why)
{
    return rh_fail(why, RH_E_DAMAGED, "%s: %s, at offset %llu, is not what was written", r->name, what, (ull)offset);
}

static uint64_t block_at(const struct rh_snapshot_reader *r, uint64_t block)
{
    return r->head.bytes + block * (RH_SNAP_BLOCK + (uint64_t)r->head.block_bytes);
}

static size_t block_data(const struct rh_snapshot_reader *r, uint64_t block)
{
    return block + 1 < r->blocks ? r->head.block_bytes : (size_t)(r->info.data_bytes - block * r->head.block_bytes);
}

/* Reads the head: the fixed bytes for the length, then all. */
static int read_head(struct rh_snapshot_reader *r, struct rh_words *why)
{
    uint8_t fixed[RH_SNAP_HEAD];
    size_t got, need;

    int code = rh_read_all(r->fd, fixed, sizeof fixed, 0, &got, r->name, why);
    if (code != RH_OK)
        return code;
    rh_snapshot_get_head(fixed, got, &r->head, &need);
    if (need == 0 || got < sizeof fixed || need > r->info.bytes)
        return damaged(r, "its head", 0, why);
    r->head_bytes = malloc(need);
    if (!r->head_bytes)
        return rh_fail(why, RH_E_NOMEM, "no memory to read %s", r->name);
    code = rh_read_all(r->fd, r->head_bytes, need, 0, &got, r->name, why);
    if (code == RH_OK && !rh_snapshot_get_head(r->head_bytes, got, &r->head, &need))
        code = damaged(r, "its head", 0, why);
    if (code != RH_OK)
        return code;
    r->info.index = r->head.index;
    r->info.term = r->head.term;
    r->info.conf = (raftcore_slice){r->head_bytes + RH_SNAP_HEAD, r->head.conf_len};
    r->info.book = (raftcore_slice){r->head_bytes + RH_SNAP_HEAD + r->head.conf_len, r->head.book_len};
    return RH_OK;
}

/* Reads the end, and compares the number of blocks with the size of the file. */
static int read_end(struct rh_snapshot_reader *r, struct rh_words *why)
{
    uint8_t end[RH_SNAP_END];
    size_t got;
    uint64_t at = r->info.bytes - sizeof end;

    if (r->info.bytes < r->head.bytes + sizeof end)
        return damaged(r, "its length", r->info.bytes, why);
    int code = rh_read_all(r->fd, end, sizeof end, at, &got, r->name, why);
    if (code != RH_OK)
        return code;
    if (got < sizeof end || !rh_snapshot_get_end(end, &r->blocks, &r->info.data_bytes))
        return damaged(r, "its end", at, why);
    uint64_t most = r->info.bytes / RH_SNAP_BLOCK, full = r->head.block_bytes;
    bool fits = r->blocks <= most && r->info.data_bytes <= r->blocks * full &&
                (r->blocks == 0 ? r->info.data_bytes == 0 : r->info.data_bytes > (r->blocks - 1) * full) &&
                r->head.bytes + r->blocks * RH_SNAP_BLOCK + r->info.data_bytes == at;
    return fits ? RH_OK : damaged(r, "its length", r->info.bytes, why);
}

/* Opens a file. what: as the log has it; NULL: nothing is known about the file. */
static int open_reader(struct rh_snapshot_reader *r, int dir, const char *path, const struct rh_snapshot *what,
                       struct rh_words *why)
{
    struct stat st;

    snprintf(r->name, sizeof r->name, "%s", path);
    r->fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0)
        return rh_fail(why, errno == ENOENT ? RH_NONE : RH_E_IO, "open of %s: %s", r->name, strerror(errno));
    if (fstat(r->fd, &st) != 0)
        return rh_fail(why, RH_E_IO, "stat of %s: %s", r->name, strerror(errno));
    r->info.bytes = (uint64_t)st.st_size;
    if (what && r->info.bytes != what->bytes)
        return rh_fail(why, RH_E_DAMAGED, "%s has %llu bytes, the log says %llu", r->name, (ull)r->info.bytes,
                       (ull)what->bytes);
    int code = read_head(r, why);
    if (code == RH_OK && what && (r->info.index != what->index || r->info.term != what->term))
        code = damaged(r, "its index", 16, why);
    if (code == RH_OK)
        code = read_end(r, why);
    if (code != RH_OK)
        return code;
    r->part = malloc(RH_SNAP_BLOCK + (size_t)r->head.block_bytes);
    return r->part ? RH_OK : rh_fail(why, RH_E_NOMEM, "no memory to read %s", r->name);
}

static int open_new(int dir, const char *path, const struct rh_snapshot *what, struct rh_snapshot_reader **out,
                    struct rh_words *why)
{
    struct rh_snapshot_reader *r = calloc(1, sizeof *r);

    if (!r)
        return rh_fail(why, RH_E_NOMEM, "no memory to read a snapshot");
    r->fd = -1;
    int code = open_reader(r, dir, path, what, why);
    if (code != RH_OK)
        rh_snapshot_close(r);
    else
        *out = r;
    return code;
}

int rh_snapshot_open(const struct rh_dir *dir, const struct rh_snapshot *what, struct rh_snapshot_reader **out,
                     struct rh_words *why)
{
    char name[80];

    rh_snapshot_name(what, name);
    return open_new(dir->fd, name, what, out, why);
}

int rh_snapshot_open_file(const char *path, struct rh_snapshot_reader **out, struct rh_words *why)
{
    return open_new(AT_FDCWD, path, NULL, out, why);
}

const struct rh_snapshot_info *rh_snapshot_get_info(const struct rh_snapshot_reader *r)
{
    return &r->info;
}

void rh_snapshot_close(struct rh_snapshot_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r->head_bytes);
    free(r->part);
    free(r);
}

static int load_block(struct rh_snapshot_reader *r, uint64_t block, struct rh_words *why)
{
    uint64_t at = block_at(r, block);
    size_t len = RH_SNAP_BLOCK + block_data(r, block), got, data;

    if (r->part_len > 0 && r->part_at == at)
        return RH_OK;
    r->part_len = 0;
    int code = rh_read_all(r->fd, r->part, len, at, &got, r->name, why);
    if (code != RH_OK)
        return code;
    if (got < len || !rh_snapshot_get_block(r->part, len, block, &r->head, &data) || data != len - RH_SNAP_BLOCK)
        return damaged(r, "a block", at, why);
    r->part_at = at;
    r->part_len = len;
    return RH_OK;
}

int rh_snapshot_read(struct rh_snapshot_reader *r, void *to, size_t cap, size_t *got, struct rh_words *why)
{
    *got = 0;
    while (*got < cap && r->next < r->info.data_bytes) {
        uint64_t block = r->next / r->head.block_bytes;
        size_t skip = (size_t)(r->next % r->head.block_bytes);
        int code = load_block(r, block, why);
        if (code != RH_OK)
            return code;
        size_t there = r->part_len - RH_SNAP_BLOCK - skip, now = there < cap - *got ? there : cap - *got;
        memcpy((char *)to + *got, r->part + RH_SNAP_BLOCK + skip, now);
        *got += now;
        r->next += now;
    }
    return RH_OK;
}

/* Brings the verified part of the file that holds an offset. */
static int part_with(struct rh_snapshot_reader *r, uint64_t offset, uint8_t end[RH_SNAP_END], const uint8_t **bytes,
                     uint64_t *at, size_t *len, struct rh_words *why)
{
    uint64_t end_at = r->info.bytes - RH_SNAP_END;

    if (offset < r->head.bytes) {
        *bytes = r->head_bytes;
        *at = 0;
        *len = r->head.bytes;
        return RH_OK;
    }
    if (offset >= end_at) {
        rh_snapshot_put_end(end, r->blocks, r->info.data_bytes);
        *bytes = end;
        *at = end_at;
        *len = RH_SNAP_END;
        return RH_OK;
    }
    int code = load_block(r, (offset - r->head.bytes) / (RH_SNAP_BLOCK + (uint64_t)r->head.block_bytes), why);
    *bytes = r->part;
    *at = r->part_at;
    *len = r->part_len;
    return code;
}

int rh_snapshot_raw(struct rh_snapshot_reader *r, uint64_t offset, void *to, size_t len, struct rh_words *why)
{
    uint8_t end[RH_SNAP_END], *p = to;

    if (offset > r->info.bytes || len > r->info.bytes - offset)
        return rh_fail(why, RH_E_RANGE, "%s has %llu bytes, none from %llu on for %zu", r->name, (ull)r->info.bytes,
                       (ull)offset, len);
    while (len > 0) {
        const uint8_t *bytes;
        uint64_t at;
        size_t part;
        int code = part_with(r, offset, end, &bytes, &at, &part, why);
        if (code != RH_OK)
            return code;
        size_t skip = (size_t)(offset - at), now = part - skip < len ? part - skip : len;
        memcpy(p, bytes + skip, now);
        p += now;
        offset += now;
        len -= now;
    }
    return RH_OK;
}
