/*
 * log_format.h: batches and records of the file log as bytes. docs/log.md is the description for
 * people.
 *
 *   segment   a file: batches, from offset 0 on. The first batch is the base, which restates the state.
 *   batch     the bytes of one append: a head, then records. A batch counts as a whole or not at all.
 *   record    an entry, or a change of other state
 *
 * Batches begin at multiples of 8. Checksums begin with a seed of disk, segment and offset. So
 * bytes copied from elsewhere (another segment, an entry with a copy of a log inside) are no batch
 * here.
 */
#ifndef RH_LOG_FORMAT_H
#define RH_LOG_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "dir.h"
#include "raftcore.h"

enum {
    RH_LOG_FORMAT = 1,
    RH_BATCH_HEAD = 40,
    RH_RECORD_HEAD = 32,
    RH_BASE_DATA = 72,
    RH_SNAPSHOT_DATA = 16,              /* before the membership */
    RH_STATE_DATA = 16,
    RH_BATCH_MAX = 1 << 30,             /* bytes of a batch */
};

enum rh_record_type {
    RH_REC_ENTRY = 1,                   /* index, term, kind, data */
    RH_REC_STATE = 2,                   /* term; vote, commit */
    RH_REC_SNAPSHOT = 3,                /* index, term; bytes, checksum, membership. kind 1: the log begins anew behind it */
    RH_REC_CONF = 4,                    /* index, membership */
    RH_REC_BEFORE = 5,                  /* index, term: entries up to here are given up */
    RH_REC_BASE = 6,                    /* index, term: the last entry before this segment; struct rh_base */
};

enum { RH_BATCH_BASE = 1 };             /* batch flags */

struct rh_batch_head {
    uint64_t number;                    /* the number of the batch before, plus 1, through all segments */
    uint64_t synced;                    /* batches up to this number were durable when the batch was made */
    uint32_t bytes;                     /* of the records */
    uint32_t count;                     /* of records */
    uint32_t flags;
};

struct rh_record {
    enum rh_record_type type;
    uint32_t kind;                      /* ENTRY: RAFTCORE_ENTRY_* */
    uint64_t index, term;
    uint64_t place;                     /* offset of the record's head in the segment */
    raftcore_slice data;
};

/* The identity of a segment, and the end of the segment before. */
struct rh_base {
    uint32_t format, block_bytes;
    uint64_t segment, group, id;
    uint8_t disk[RH_ID_BYTES];
    uint64_t size;                      /* of the file, as it was made */
    uint64_t prev_end;                  /* the end of the segment before; bytes behind the end do not count */
    uint64_t prev_number;               /* the last batch there */
    uint64_t last, last_term;           /* the last entry before this segment */
};

/* Returns the seed of a segment's checksums. */
uint32_t rh_log_seed(const uint8_t disk[RH_ID_BYTES], uint64_t segment);

static inline size_t rh_record_bytes(size_t data)
{
    return (RH_RECORD_HEAD + data + 7) & ~(size_t)7;
}

/* Writes a batch's head of RH_BATCH_HEAD bytes. `place` is the head's offset in the segment. */
void rh_put_batch_head(uint8_t *to, uint32_t seed, uint64_t place, const struct rh_batch_head *head);

/* Reads a batch's head. Returns false if the bytes are no head for that place. */
bool rh_get_batch_head(const uint8_t *from, uint32_t seed, uint64_t place, struct rh_batch_head *out);

/* Returns whether four bytes could begin a batch. */
bool rh_may_be_batch(const uint8_t *from);

/*
 * Writes a record at r->place, the data in two pieces. Returns the number of bytes, with padding.
 */
size_t rh_put_record(uint8_t *to, uint32_t seed, const struct rh_record *r, raftcore_slice more);

/*
 * Reads a record from at most `len` bytes. Returns false for a record that is damaged or not
 * whole. *need is the size that the record claims, or 0.
 */
bool rh_get_record(const uint8_t *from, size_t len, uint32_t seed, uint64_t place, struct rh_record *out, size_t *need);

void rh_put_base(uint8_t to[RH_BASE_DATA], const struct rh_base *base);
bool rh_get_base(const struct rh_record *r, struct rh_base *out);

#endif
