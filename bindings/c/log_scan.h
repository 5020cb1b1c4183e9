/*
 * log_scan.h: reads a segment batch by batch, and tells a torn end from damage. For the boot and
 * for rh-log.
 */
#ifndef RH_LOG_SCAN_H
#define RH_LOG_SCAN_H

#include "log_format.h"

struct rh_scan {
    int fd;
    char name[32];                      /* of the file, for words */
    uint32_t seed, block_bytes;
    uint64_t size;                      /* of the file */
    uint64_t offset;                    /* place of the next batch */
    uint64_t number;                    /* expected number; 0: any */
    uint8_t *buf;                       /* bytes from `buf_at` on, of which buf_len are valid */
    size_t cap, buf_len;
    uint64_t buf_at;
    char trouble[RH_WORDS_MAX];         /* RH_NONE: the reason */
};

struct rh_batch_view {
    struct rh_batch_head head;
    uint64_t place;                     /* offset of the head */
    const uint8_t *records;             /* head.bytes of verified records; until the next call */
};

/* The bytes behind the last good batch. */
struct rh_tail {
    bool blank;                         /* nothing but zeros */
    uint64_t synced;                    /* the highest `synced` of a batch there: batches up to here were durable once */
    uint64_t synced_at;                 /* offset of that batch */
};

/* Opens segment `number` of the directory for reading. */
int rh_scan_open(struct rh_scan *s, const struct rh_dir *dir, uint64_t number, struct rh_words *why);
void rh_scan_close(struct rh_scan *s);

/* Goes back to the beginning. */
void rh_scan_rewind(struct rh_scan *s);

/*
 * Reads the next batch.
 *
 * Returns  RH_OK     *out is a batch with verified records; the scan stands behind the batch
 *          RH_NONE   there is no batch here: s->trouble is the reason, s->offset the place
 *          RH_E_IO, RH_E_NOMEM
 */
int rh_scan_batch(struct rh_scan *s, struct rh_batch_view *out, struct rh_words *why);

/* Reads the next record of a batch of rh_scan_batch. *at begins with 0. Returns false at the end. */
bool rh_batch_record(const struct rh_scan *s, const struct rh_batch_view *batch, size_t *at, struct rh_record *out);

/*
 * Reads the base, the first batch of the segment. RH_E_DAMAGED, RH_E_VERSION, RH_E_OWNER with
 * words.
 */
int rh_scan_base(struct rh_scan *s, const struct rh_dir *dir, uint64_t number, struct rh_base *out,
                 struct rh_words *why);

/* Looks at the bytes from the offset on, after rh_scan_batch found no batch there. */
int rh_scan_tail(struct rh_scan *s, struct rh_tail *out, struct rh_words *why);

/* Writes the name of a segment's file. */
void rh_segment_name(uint64_t number, char to[32]);

/* Lists the numbers of the segments, ascending. *out is allocated. */
int rh_segments_list(const struct rh_dir *dir, uint64_t **out, size_t *count, struct rh_words *why);

#endif
