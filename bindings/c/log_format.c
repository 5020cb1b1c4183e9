/*
 * log_format.c: batches and records of the file log, to bytes and back.
 */
#include "log_format.h"

#include <string.h>

#include "bytes.h"
#include "crc32c.h"

static const uint8_t magic[4] = {'r', 'h', 'L', '1'};

uint32_t rh_log_seed(const uint8_t disk[RH_ID_BYTES], uint64_t segment)
{
    uint8_t number[8];

    rh_put_u64(number, segment);
    return rh_crc32c(rh_crc32c(0, disk, RH_ID_BYTES), number, sizeof number);
}

/* Different places of a segment have different seeds, up to 32 GiB. */
static uint32_t seed_at(uint32_t seed, uint64_t place)
{
    return seed ^ (uint32_t)(place >> 3);
}

void rh_put_batch_head(uint8_t *to, uint32_t seed, uint64_t place, const struct rh_batch_head *head)
{
    memcpy(to, magic, sizeof magic);
    rh_put_u64(to + 8, head->number);
    rh_put_u64(to + 16, head->synced);
    rh_put_u32(to + 24, head->bytes);
    rh_put_u32(to + 28, head->count);
    rh_put_u32(to + 32, head->flags);
    rh_put_u32(to + 36, 0);
    rh_put_u32(to + 4, rh_crc32c(seed_at(seed, place), to + 8, RH_BATCH_HEAD - 8));
}

bool rh_may_be_batch(const uint8_t *from)
{
    return memcmp(from, magic, sizeof magic) == 0;
}

bool rh_get_batch_head(const uint8_t *from, uint32_t seed, uint64_t place, struct rh_batch_head *out)
{
    if (!rh_may_be_batch(from) || rh_get_u32(from + 4) != rh_crc32c(seed_at(seed, place), from + 8, RH_BATCH_HEAD - 8))
        return false;
    *out = (struct rh_batch_head){
        .number = rh_get_u64(from + 8),
        .synced = rh_get_u64(from + 16),
        .bytes = rh_get_u32(from + 24),
        .count = rh_get_u32(from + 28),
        .flags = rh_get_u32(from + 32),
    };
    return out->bytes <= RH_BATCH_MAX && out->bytes % 8 == 0;
}

size_t rh_put_record(uint8_t *to, uint32_t seed, const struct rh_record *r, raftcore_slice more)
{
    size_t len = r->data.len + more.len, all = rh_record_bytes(len);

    rh_put_u32(to + 4, (uint32_t)len);
    rh_put_u64(to + 8, r->index);
    rh_put_u64(to + 16, r->term);
    rh_put_u32(to + 24, r->kind);
    rh_put_u32(to + 28, (uint32_t)r->type);
    uint8_t *p = to + RH_RECORD_HEAD;
    if (r->data.len > 0)
        memcpy(p, r->data.ptr, r->data.len);
    if (more.len > 0)
        memcpy(p + r->data.len, more.ptr, more.len);
    memset(p + len, 0, all - RH_RECORD_HEAD - len);
    rh_put_u32(to, rh_crc32c(seed_at(seed, r->place), to + 4, RH_RECORD_HEAD - 4 + len));
    return all;
}

bool rh_get_record(const uint8_t *from, size_t len, uint32_t seed, uint64_t place, struct rh_record *out, size_t *need)
{
    *need = 0;
    if (len < RH_RECORD_HEAD)
        return false;
    size_t data = rh_get_u32(from + 4);
    if (data > RH_BATCH_MAX)
        return false;
    *need = rh_record_bytes(data);
    if (len < *need || rh_get_u32(from) != rh_crc32c(seed_at(seed, place), from + 4, RH_RECORD_HEAD - 4 + data))
        return false;
    *out = (struct rh_record){
        .type = (enum rh_record_type)rh_get_u32(from + 28),
        .kind = rh_get_u32(from + 24),
        .index = rh_get_u64(from + 8),
        .term = rh_get_u64(from + 16),
        .place = place,
        .data = {from + RH_RECORD_HEAD, data},
    };
    return true;
}

void rh_put_base(uint8_t to[RH_BASE_DATA], const struct rh_base *base)
{
    rh_put_u32(to, base->format);
    rh_put_u32(to + 4, base->block_bytes);
    rh_put_u64(to + 8, base->segment);
    rh_put_u64(to + 16, base->group);
    rh_put_u64(to + 24, base->id);
    memcpy(to + 32, base->disk, RH_ID_BYTES);
    rh_put_u64(to + 48, base->size);
    rh_put_u64(to + 56, base->prev_end);
    rh_put_u64(to + 64, base->prev_number);
}

bool rh_get_base(const struct rh_record *r, struct rh_base *out)
{
    const uint8_t *p = r->data.ptr;

    if (r->type != RH_REC_BASE || r->data.len < RH_BASE_DATA)
        return false;
    *out = (struct rh_base){
        .format = rh_get_u32(p),
        .block_bytes = rh_get_u32(p + 4),
        .segment = rh_get_u64(p + 8),
        .group = rh_get_u64(p + 16),
        .id = rh_get_u64(p + 24),
        .size = rh_get_u64(p + 48),
        .prev_end = rh_get_u64(p + 56),
        .prev_number = rh_get_u64(p + 64),
        .last = r->index,
        .last_term = r->term,
    };
    memcpy(out->disk, p + 32, RH_ID_BYTES);
    return true;
}

