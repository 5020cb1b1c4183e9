/*
 * snapshot_format.h: the parts of a snapshot file. Not for users.
 *
 * A file is a head, blocks, and an end. Each part can be verified alone.
 */
#ifndef RH_SNAPSHOT_FORMAT_H
#define RH_SNAPSHOT_FORMAT_H

#include <fcntl.h>
#include <unistd.h>

#include "snapshot.h"

enum {
    RH_SNAP_HEAD = 48,                  /* fixed bytes of the head */
    RH_SNAP_BLOCK = 8,                  /* before a block's data */
    RH_SNAP_END = 24,
    RH_SNAP_HEAD_MAX = 8 * 1024 * 1024, /* membership and book are small */
};

struct rh_snapshot_head {
    uint64_t index, term;
    uint32_t bytes;                     /* of the head, padding included */
    uint32_t conf_len, book_len, block_bytes;
};

size_t rh_snapshot_head_bytes(size_t conf_len, size_t book_len);

/* Writes a head of h->bytes. */
void rh_snapshot_put_head(uint8_t *to, const struct rh_snapshot_head *h, raftcore_slice conf, raftcore_slice book);

/*
 * Reads a head out of `len` bytes. Returns false for a head that is damaged or not whole. *need is
 * the size that the head claims, or 0.
 */
bool rh_snapshot_get_head(const uint8_t *from, size_t len, struct rh_snapshot_head *out, size_t *need);

/* Returns the checksum of a block. */
uint32_t rh_snapshot_block_checksum(uint64_t number, const void *data, size_t len);

void rh_snapshot_put_block(uint8_t to[RH_SNAP_BLOCK], uint64_t number, const void *data, size_t len);
/* Reads a block's head. `len` bytes of the block are at hand, the head included. */
bool rh_snapshot_get_block(const uint8_t *from, size_t len, uint64_t number, const struct rh_snapshot_head *h,
                           size_t *data_len);

void rh_snapshot_put_end(uint8_t to[RH_SNAP_END], uint64_t blocks, uint64_t data_bytes);
bool rh_snapshot_get_end(const uint8_t from[RH_SNAP_END], uint64_t *blocks, uint64_t *data_bytes);

#endif
