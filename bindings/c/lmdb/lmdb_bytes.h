/* lmdb_bytes.h: a growing buffer, a hash, and slices as LMDB has them. Of the files in this folder alone. */
#ifndef RH_LMDB_BYTES_H
#define RH_LMDB_BYTES_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../bytes.h"
#include "raftcore.h"

typedef unsigned long long ull;
typedef raftcore_slice slice;

static inline slice slice_of(const void *ptr, size_t len)
{
    return (slice){ptr, len};
}

static inline MDB_val lmdb_val(slice s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.ptr};
}

static inline slice lmdb_slice(MDB_val v)
{
    return slice_of(v.mv_data, v.mv_size);
}

/* Bytes with a reading end and a writing end. */
struct bytes {
    uint8_t *ptr;
    size_t start, end, cap;
};

static inline size_t bytes_len(const struct bytes *b)
{
    return b->end - b->start;
}

static inline slice bytes_slice(const struct bytes *b)
{
    return slice_of(b->ptr ? b->ptr + b->start : NULL, bytes_len(b));
}

/* Returns room for at least len bytes at the writing end. NULL: no memory, and nothing has changed. */
static inline uint8_t *bytes_room(struct bytes *b, size_t len)
{
    if (b->start > 0 && (b->start == b->end || b->cap - b->end < len)) {
        memmove(b->ptr, b->ptr + b->start, bytes_len(b));
        b->end -= b->start;
        b->start = 0;
    }
    if (b->ptr && b->cap - b->end >= len)
        return b->ptr + b->end;
    size_t cap = b->cap ? b->cap : 256;
    while (cap - b->end < len)
        cap *= 2;
    uint8_t *grown = realloc(b->ptr, cap);
    if (!grown)
        return NULL;
    b->ptr = grown;
    b->cap = cap;
    return b->ptr + b->end;
}

static inline bool bytes_add(struct bytes *b, const void *ptr, size_t len)
{
    uint8_t *to = bytes_room(b, len);

    if (to && len > 0)
        memcpy(to, ptr, len);
    b->end += to ? len : 0;
    return to != NULL;
}

static inline void bytes_take(struct bytes *b, size_t len)
{
    b->start += len;
    if (b->start == b->end)
        b->start = b->end = 0;
}

static inline void bytes_free(struct bytes *b)
{
    free(b->ptr);
    *b = (struct bytes){0};
}

static inline uint64_t lmdb_mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

/* Stands in the files: never change it. */
static inline uint64_t lmdb_hash(slice s, uint64_t seed)
{
    uint64_t h = seed ^ s.len * 0x9e3779b97f4a7c15u, rest = 0;
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8)
        h = lmdb_mix(h ^ rh_get_u64(s.ptr + i));
    for (size_t k = i; k < s.len; k++)
        rest |= (uint64_t)s.ptr[k] << (8 * (k - i));
    return lmdb_mix(h ^ rest);
}

#endif
