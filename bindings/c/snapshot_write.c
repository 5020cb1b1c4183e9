/* snapshot_write.c: makes a snapshot file, and removes old snapshots. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "snapshot_format.h"

enum { DEFAULT_BLOCK = 64 * 1024, SYNC_EVERY = 8 * 1024 * 1024 };

typedef unsigned long long ull;

struct rh_snapshot_writer {
    const struct rh_dir *dir;
    int fd;
    char name[80];
    struct rh_snapshot made;
    uint32_t block_bytes;
    uint64_t offset, synced;            /* bytes in the file; bytes synced */
    uint64_t blocks, data_bytes;
    uint8_t *block;                     /* RH_SNAP_BLOCK bytes of head, then data */
    size_t len;                         /* of the data in it */
};

void rh_snapshot_name(const struct rh_snapshot *what, char to[80])
{
    snprintf(to, 80, "snapshot-%llu-%llu-%08x", (ull)what->index, (ull)what->term, what->checksum);
}

static int fail_call(struct rh_words *why, const char *call, const char *name)
{
    int error = errno;

    return rh_fail(why, rh_code_of_errno(error), "%s of %s: %s", call, name, strerror(error));
}

/*
 * Appends to the file. Syncs every few megabytes: a log on the disk must not wait for gigabytes at
 * the end.
 */
static int put(struct rh_snapshot_writer *w, const void *bytes, size_t len, struct rh_words *why)
{
    int code = rh_write_all(w->fd, bytes, len, w->offset, w->name, why);

    if (code != RH_OK)
        return code;
    w->made.checksum = rh_crc32c(w->made.checksum, bytes, len);
    w->offset += len;
    if (w->offset - w->synced < SYNC_EVERY)
        return RH_OK;
    w->synced = w->offset;
    return fdatasync(w->fd) == 0 ? RH_OK : fail_call(why, "fdatasync", w->name);
}

static int put_head(struct rh_snapshot_writer *w, raftcore_slice conf, raftcore_slice book, struct rh_words *why)
{
    struct rh_snapshot_head h = {
        .index = w->made.index, .term = w->made.term, .bytes = (uint32_t)rh_snapshot_head_bytes(conf.len, book.len),
        .conf_len = (uint32_t)conf.len, .book_len = (uint32_t)book.len, .block_bytes = w->block_bytes,
    };
    uint8_t *bytes = malloc(h.bytes);

    if (!bytes)
        return rh_fail(why, RH_E_NOMEM, "no memory to write a snapshot");
    rh_snapshot_put_head(bytes, &h, conf, book);
    int code = put(w, bytes, h.bytes, why);
    free(bytes);
    return code;
}

static int open_file(struct rh_snapshot_writer *w, struct rh_words *why)
{
    snprintf(w->name, sizeof w->name, "snapshot-%llu-%llu.tmp", (ull)w->made.index, (ull)w->made.term);
    w->fd = openat(w->dir->fd, w->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return w->fd >= 0 ? RH_OK : fail_call(why, "open", w->name);
}

int rh_snapshot_create(const struct rh_dir *dir, uint64_t index, uint64_t term, raftcore_slice conf,
                       raftcore_slice book, uint32_t block_bytes, struct rh_snapshot_writer **out, struct rh_words *why)
{
    uint32_t block = block_bytes ? block_bytes : DEFAULT_BLOCK;

    if (index == 0 || term == 0 || conf.len == 0)
        return rh_fail(why, RH_E_ARG, "a snapshot needs an index, a term and a membership");
    if (block > RH_SNAPSHOT_BLOCK_MAX || rh_snapshot_head_bytes(conf.len, book.len) > RH_SNAP_HEAD_MAX)
        return rh_fail(why, RH_E_ARG, "blocks of %u bytes: at most %d; membership and book of %zu bytes: at most %d",
                       block, RH_SNAPSHOT_BLOCK_MAX, conf.len + book.len, RH_SNAP_HEAD_MAX);
    struct rh_snapshot_writer *w = calloc(1, sizeof *w);
    uint8_t *bytes = malloc(RH_SNAP_BLOCK + block);
    if (!w || !bytes) {
        free(w);
        free(bytes);
        return rh_fail(why, RH_E_NOMEM, "no memory to write a snapshot");
    }
    *w = (struct rh_snapshot_writer){.dir = dir, .made = {.index = index, .term = term}, .block_bytes = block, .block = bytes};
    int code = open_file(w, why);
    if (code == RH_OK)
        code = put_head(w, conf, book, why);
    if (code != RH_OK)
        rh_snapshot_cancel(w);
    else
        *out = w;
    return code;
}

static int put_block(struct rh_snapshot_writer *w, struct rh_words *why)
{
    if (w->len == 0)
        return RH_OK;
    rh_snapshot_put_block(w->block, w->blocks, w->block + RH_SNAP_BLOCK, w->len);
    int code = put(w, w->block, RH_SNAP_BLOCK + w->len, why);
    w->blocks++;
    w->data_bytes += w->len;
    w->len = 0;
    return code;
}

int rh_snapshot_write(struct rh_snapshot_writer *w, const void *bytes, size_t len, struct rh_words *why)
{
    const uint8_t *p = bytes;

    while (len > 0) {
        size_t room = w->block_bytes - w->len, now = len < room ? len : room;
        memcpy(w->block + RH_SNAP_BLOCK + w->len, p, now);
        w->len += now;
        p += now;
        len -= now;
        int code = w->len == w->block_bytes ? put_block(w, why) : RH_OK;
        if (code != RH_OK)
            return code;
    }
    return RH_OK;
}

static int give_name(struct rh_snapshot_writer *w, struct rh_words *why)
{
    char name[80];

    rh_snapshot_name(&w->made, name);
    if (renameat(w->dir->fd, w->name, w->dir->fd, name) != 0)
        return fail_call(why, "rename", w->name);
    snprintf(w->name, sizeof w->name, "%s", name);
    return rh_dir_sync(w->dir, why);
}

static void free_writer(struct rh_snapshot_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    free(w->block);
    free(w);
}

int rh_snapshot_finish(struct rh_snapshot_writer *w, struct rh_snapshot *out, struct rh_words *why)
{
    uint8_t end[RH_SNAP_END];
    int code = put_block(w, why);

    rh_snapshot_put_end(end, w->blocks, w->data_bytes);
    if (code == RH_OK)
        code = put(w, end, sizeof end, why);
    if (code == RH_OK && fsync(w->fd) != 0)
        code = fail_call(why, "fsync", w->name);
    if (code == RH_OK)
        code = give_name(w, why);
    if (code != RH_OK) {
        rh_snapshot_cancel(w);
        return code;
    }
    w->made.bytes = w->offset;
    *out = w->made;
    free_writer(w);
    return RH_OK;
}

void rh_snapshot_cancel(struct rh_snapshot_writer *w)
{
    unlinkat(w->dir->fd, w->name, 0);
    free_writer(w);
}

/* ---- old ones ---- */

struct cleaning {
    const struct rh_dir *dir;
    char keep[80];
    uint64_t up_to;
};

static int remove_other(void *context, const char *name)
{
    const struct cleaning *c = context;
    size_t len = strlen(name);
    bool part = len > 5 && strcmp(name + len - 5, ".part") == 0, tmp = len > 4 && strcmp(name + len - 4, ".tmp") == 0;
    bool unused = part ? c->up_to == UINT64_MAX : strcmp(name, c->keep) != 0;

    if (strncmp(name, "snapshot-", 9) == 0 && !tmp && unused && strtoull(name + 9, NULL, 10) <= c->up_to)
        unlinkat(c->dir->fd, name, 0);  /* a file that stays is removed the next time */
    return RH_OK;
}

int rh_snapshots_clean(const struct rh_dir *dir, const struct rh_snapshot *keep, uint64_t up_to, struct rh_words *why)
{
    struct cleaning c = {.dir = dir, .up_to = up_to};

    rh_snapshot_name(keep, c.keep);
    return rh_dir_each(dir, remove_other, &c, why);
}
