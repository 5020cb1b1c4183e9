/*
 * snapshot_format.c: the parts of a snapshot file, to bytes and back.
 */
#include "snapshot_format.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"

static const uint8_t magic[8] = {'R', 'H', 'S', 'N', 'A', 'P', '1', '\n'};

size_t rh_snapshot_head_bytes(size_t conf_len, size_t book_len)
{
    return (RH_SNAP_HEAD + conf_len + book_len + 7) & ~(size_t)7;
}

void rh_snapshot_put_head(uint8_t *to, const struct rh_snapshot_head *h, raftcore_slice conf, raftcore_slice book)
{
    memset(to, 0, h->bytes);
    memcpy(to, magic, sizeof magic);
    rh_put_u32(to + 12, h->bytes);
    rh_put_u64(to + 16, h->index);
    rh_put_u64(to + 24, h->term);
    rh_put_u32(to + 32, h->conf_len);
    rh_put_u32(to + 36, h->book_len);
    rh_put_u32(to + 40, h->block_bytes);
    if (conf.len > 0)
        memcpy(to + RH_SNAP_HEAD, conf.ptr, conf.len);
    if (book.len > 0)
        memcpy(to + RH_SNAP_HEAD + conf.len, book.ptr, book.len);
    rh_put_u32(to + 8, rh_crc32c(0, to + 12, h->bytes - 12));
}

bool rh_snapshot_get_head(const uint8_t *from, size_t len, struct rh_snapshot_head *out, size_t *need)
{
    *need = RH_SNAP_HEAD;
    if (len < RH_SNAP_HEAD)
        return false;
    *need = 0;
    struct rh_snapshot_head h = {
        .bytes = rh_get_u32(from + 12),
        .index = rh_get_u64(from + 16),
        .term = rh_get_u64(from + 24),
        .conf_len = rh_get_u32(from + 32),
        .book_len = rh_get_u32(from + 36),
        .block_bytes = rh_get_u32(from + 40),
    };
    if (memcmp(from, magic, sizeof magic) != 0 || h.bytes > RH_SNAP_HEAD_MAX || h.conf_len > h.bytes ||
        h.book_len > h.bytes || rh_snapshot_head_bytes(h.conf_len, h.book_len) != h.bytes || h.block_bytes == 0 ||
        h.block_bytes > RH_SNAPSHOT_BLOCK_MAX)
        return false;
    *need = h.bytes;
    if (len < h.bytes || rh_get_u32(from + 8) != rh_crc32c(0, from + 12, h.bytes - 12))
        return false;
    *out = h;
    return true;
}

uint32_t rh_snapshot_block_checksum(uint64_t number, const void *data, size_t len)
{
    uint8_t bytes[8];

    rh_put_u64(bytes, number);
    return rh_crc32c(rh_crc32c(0, bytes, sizeof bytes), data, len);
}

void rh_snapshot_put_block(uint8_t to[RH_SNAP_BLOCK], uint64_t number, const void *data, size_t len)
{
    rh_put_u32(to, (uint32_t)len);
    rh_put_u32(to + 4, rh_snapshot_block_checksum(number, data, len));
}

bool rh_snapshot_get_block(const uint8_t *from, size_t len, uint64_t number, const struct rh_snapshot_head *h,
                           size_t *data_len)
{
    if (len < RH_SNAP_BLOCK)
        return false;
    size_t data = rh_get_u32(from);
    if (data == 0 || data > h->block_bytes || data > len - RH_SNAP_BLOCK)
        return false;
    *data_len = data;
    return rh_get_u32(from + 4) == rh_snapshot_block_checksum(number, from + RH_SNAP_BLOCK, data);
}

void rh_snapshot_put_end(uint8_t to[RH_SNAP_END], uint64_t blocks, uint64_t data_bytes)
{
    rh_put_u32(to, 0);
    rh_put_u64(to + 8, blocks);
    rh_put_u64(to + 16, data_bytes);
    rh_put_u32(to + 4, rh_crc32c(0, to + 8, 16));
}

bool rh_snapshot_get_end(const uint8_t from[RH_SNAP_END], uint64_t *blocks, uint64_t *data_bytes)
{
    *blocks = rh_get_u64(from + 8);
    *data_bytes = rh_get_u64(from + 16);
    return rh_get_u32(from) == 0 && rh_get_u32(from + 4) == rh_crc32c(0, from + 8, 16);
}
