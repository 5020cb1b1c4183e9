/*
 * snapshot_receive.c: receives a snapshot file in pieces, over several attempts.
 *
 * An unfinished transfer lies in a file with the ending .part, named after the snapshot. A later
 * attempt verifies the blocks and continues behind the last whole block: after a power cut the file
 * may hold anything.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crc32c.h"
#include "snapshot_format.h"

enum { SYNC_EVERY = 8 * 1024 * 1024 };

typedef unsigned long long ull;

struct rh_snapshot_receiver {
    const struct rh_dir *dir;
    int fd;
    char name[128];
    struct rh_snapshot what;
    uint64_t offset, synced;
    uint32_t checksum;                  /* of the bytes before offset */
};

static int fail_call(struct rh_words *why, const char *call, const char *name)
{
    int error = errno;

    return rh_fail(why, rh_code_of_errno(error), "%s of %s: %s", call, name, strerror(error));
}

static void part_name(const struct rh_snapshot *what, char to[128])
{
    char name[80];

    rh_snapshot_name(what, name);
    snprintf(to, 128, "%s-%llu.part", name, (ull)what->bytes);
}

/* Removes unfinished transfers of other snapshots. */
static int remove_other_part(void *context, const char *name)
{
    const struct rh_snapshot_receiver *r = context;
    size_t len = strlen(name);

    if (strncmp(name, "snapshot-", 9) == 0 && len > 5 && strcmp(name + len - 5, ".part") == 0 &&
        strcmp(name, r->name) != 0)
        unlinkat(r->dir->fd, name, 0);
    return RH_OK;
}

/* ---- an earlier attempt ---- */

struct measure {
    uint8_t *bytes;                     /* room for one part */
    struct rh_snapshot_head head;
    uint64_t size, good;                /* size of the file; verified bytes */
};

static int measure_head(struct rh_snapshot_receiver *r, struct measure *m, struct rh_words *why)
{
    size_t got, need;
    int code = rh_read_all(r->fd, m->bytes, RH_SNAP_HEAD, 0, &got, r->name, why);

    if (code != RH_OK)
        return code;
    rh_snapshot_get_head(m->bytes, got, &m->head, &need);
    if (got < RH_SNAP_HEAD || need == 0 || need > m->size)
        return RH_NONE;
    uint8_t *larger = realloc(m->bytes, need + RH_SNAP_BLOCK + RH_SNAPSHOT_BLOCK_MAX);
    if (!larger)
        return rh_fail(why, RH_E_NOMEM, "no memory to receive a snapshot");
    m->bytes = larger;
    code = rh_read_all(r->fd, m->bytes, need, 0, &got, r->name, why);
    if (code != RH_OK || !rh_snapshot_get_head(m->bytes, got, &m->head, &need))
        return code == RH_OK ? RH_NONE : code;
    m->good = m->head.bytes;
    return RH_OK;
}

/* Verifies the blocks, and the end if the end is there. */
static int measure_blocks(struct rh_snapshot_receiver *r, struct measure *m, struct rh_words *why)
{
    uint64_t blocks, data_bytes;
    size_t got, data;

    for (uint64_t block = 0; m->good < m->size; block++) {
        int code =
            rh_read_all(r->fd, m->bytes, RH_SNAP_BLOCK + (size_t)m->head.block_bytes, m->good, &got, r->name, why);
        if (code != RH_OK)
            return code;
        if (got == RH_SNAP_END && m->good + got == r->what.bytes &&
            rh_snapshot_get_end(m->bytes, &blocks, &data_bytes)) {
            m->good += got;
            break;
        }
        if (!rh_snapshot_get_block(m->bytes, got, block, &m->head, &data))
            break;
        m->good += RH_SNAP_BLOCK + data;
    }
    return RH_OK;
}

/* Computes the checksum of the kept bytes. */
static int take_checksum(struct rh_snapshot_receiver *r, struct measure *m, struct rh_words *why)
{
    enum { PIECE = RH_SNAPSHOT_BLOCK_MAX };
    size_t got;

    for (uint64_t at = 0; at < r->offset; at += got) {
        size_t len = r->offset - at < PIECE ? (size_t)(r->offset - at) : PIECE;
        int code = rh_read_all(r->fd, m->bytes, len, at, &got, r->name, why);
        if (code != RH_OK)
            return code;
        if (got < len)
            return rh_fail(why, RH_E_IO, "%s became shorter while it was read", r->name);
        r->checksum = rh_crc32c(r->checksum, m->bytes, got);
    }
    return RH_OK;
}

static int find_offset(struct rh_snapshot_receiver *r, uint32_t chunk_bytes, struct rh_words *why)
{
    struct stat st;
    struct measure m = {.bytes = malloc(RH_SNAP_BLOCK + RH_SNAPSHOT_BLOCK_MAX)};

    if (!m.bytes)
        return rh_fail(why, RH_E_NOMEM, "no memory to receive a snapshot");
    int code = fstat(r->fd, &st) == 0 ? RH_OK : fail_call(why, "stat", r->name);
    m.size = code == RH_OK ? (uint64_t)st.st_size : 0;
    if (code == RH_OK)
        code = measure_head(r, &m, why);
    if (code == RH_OK)
        code = measure_blocks(r, &m, why);
    if (code >= 0) {
        r->offset = m.good >= r->what.bytes ? r->what.bytes : m.good - m.good % chunk_bytes;
        code =
            ftruncate(r->fd, (off_t)r->offset) == 0 ? take_checksum(r, &m, why) : fail_call(why, "truncate", r->name);
    }
    free(m.bytes);
    return code;
}

static int open_receiver(struct rh_snapshot_receiver *r, uint32_t chunk_bytes, struct rh_words *why)
{
    part_name(&r->what, r->name);
    int code = rh_dir_each(r->dir, remove_other_part, r, why);
    if (code != RH_OK)
        return code;
    r->fd = openat(r->dir->fd, r->name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (r->fd < 0)
        return fail_call(why, "open", r->name);
    return find_offset(r, chunk_bytes, why);
}

int rh_snapshot_receive(const struct rh_dir *dir, const struct rh_snapshot *what, uint32_t chunk_bytes,
                        struct rh_snapshot_receiver **out, uint64_t *offset, struct rh_words *why)
{
    if (what->index == 0 || what->term == 0 || what->bytes < RH_SNAP_HEAD + RH_SNAP_END || chunk_bytes == 0)
        return rh_fail(why, RH_E_ARG, "an offer of index %llu, term %llu, %llu bytes in chunks of %u is none",
                       (ull)what->index, (ull)what->term, (ull)what->bytes, chunk_bytes);
    struct rh_snapshot_receiver *r = calloc(1, sizeof *r);
    if (!r)
        return rh_fail(why, RH_E_NOMEM, "no memory to receive a snapshot");
    *r = (struct rh_snapshot_receiver){.dir = dir, .fd = -1, .what = *what};
    int code = open_receiver(r, chunk_bytes, why);
    if (code != RH_OK) {
        rh_snapshot_stop(r);
        return code;
    }
    *offset = r->synced = r->offset;
    *out = r;
    return RH_OK;
}

int rh_snapshot_put(struct rh_snapshot_receiver *r, uint64_t offset, const void *bytes, size_t len,
                    struct rh_words *why)
{
    if (offset != r->offset || len > r->what.bytes - r->offset)
        return rh_fail(why, RH_E_ARG, "bytes %llu to %llu came, bytes from %llu on were wanted, of %llu", (ull)offset,
                       (ull)(offset + len), (ull)r->offset, (ull)r->what.bytes);
    int code = rh_write_all(r->fd, bytes, len, offset, r->name, why);
    if (code != RH_OK)
        return code;
    r->checksum = rh_crc32c(r->checksum, bytes, len);
    r->offset += len;
    if (r->offset - r->synced < SYNC_EVERY)
        return RH_OK;
    r->synced = r->offset;
    return fdatasync(r->fd) == 0 ? RH_OK : fail_call(why, "fdatasync", r->name);
}

static void free_receiver(struct rh_snapshot_receiver *r)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}

static int check_whole(struct rh_snapshot_receiver *r, struct rh_words *why)
{
    if (r->offset != r->what.bytes)
        return rh_fail(why, RH_E_ARG, "%s has %llu of %llu bytes", r->name, (ull)r->offset, (ull)r->what.bytes);
    if (r->checksum != r->what.checksum)
        return rh_fail(why, RH_E_DAMAGED, "%s has the checksum %08x, offered was %08x", r->name, r->checksum,
                       r->what.checksum);
    return RH_OK;
}

/* Renames the file and opens it once: index, term and length must be those of the offer. */
static int give_name(struct rh_snapshot_receiver *r, struct rh_words *why)
{
    struct rh_snapshot_reader *reader;
    char name[80];

    rh_snapshot_name(&r->what, name);
    if (renameat(r->dir->fd, r->name, r->dir->fd, name) != 0)
        return fail_call(why, "rename", r->name);
    snprintf(r->name, sizeof r->name, "%s", name);
    int code = rh_snapshot_open(r->dir, &r->what, &reader, why);
    if (code != RH_OK)
        return code;
    rh_snapshot_close(reader);
    return rh_dir_sync(r->dir, why);
}

int rh_snapshot_arrived(struct rh_snapshot_receiver *r, struct rh_words *why)
{
    int code = check_whole(r, why);

    /* After a failed flush the file may show bytes that the disk lacks. So the file is removed. */
    if (code == RH_OK && fsync(r->fd) != 0)
        code = fail_call(why, "fsync", r->name);
    if (code == RH_OK)
        code = give_name(r, why);
    if (code != RH_OK && code != RH_E_ARG)
        unlinkat(r->dir->fd, r->name, 0);
    free_receiver(r);
    return code;
}

void rh_snapshot_stop(struct rh_snapshot_receiver *r)
{
    free_receiver(r);
}
