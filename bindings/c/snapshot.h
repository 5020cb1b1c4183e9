/*
 * snapshot.h: snapshots as files in a data directory. docs/wire.md, section 9, specifies the
 * bytes.
 *
 * A file is written under a temporary name, synced, and renamed. A snapshot is in force once the
 * log has a batch with its `struct rh_snapshot` (log.h). So the order is:
 *
 *     own         rh_snapshot_create, _write …, _finish; append a batch with the snapshot; sync; rh_snapshots_clean
 *     received    rh_snapshot_receive, _put …, _arrived; step the MsgSnap; append the ready with `replaces`; sync; load; clean
 *
 * A crash at any point leaves the old snapshot or the new snapshot in force, with its file. An open
 * file stays readable after its removal.
 *
 * Each writer, reader or receiver belongs to a thread at a time.
 */
#ifndef RH_SNAPSHOT_H
#define RH_SNAPSHOT_H

#include "dir.h"
#include "log.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RH_SNAPSHOT_BLOCK_MAX = 1024 * 1024 };

struct rh_snapshot_writer;
struct rh_snapshot_reader;
struct rh_snapshot_receiver;

/* ---- making one ---- */

/*
 * Begins a snapshot. conf and book are copied.
 *
 * block_bytes  Data in each block, 1 to RH_SNAPSHOT_BLOCK_MAX; 0: 64 KiB.
 */
int rh_snapshot_create(const struct rh_dir *dir, uint64_t index, uint64_t term, raftcore_slice conf,
                       raftcore_slice book, uint32_t block_bytes, struct rh_snapshot_writer **out,
                       struct rh_words *why);

int rh_snapshot_write(struct rh_snapshot_writer *w, const void *bytes, size_t len, struct rh_words *why);

/*
 * Makes the file durable under its name. Frees the writer in any case. *out is for the log; set
 * out->conf to the membership first.
 */
int rh_snapshot_finish(struct rh_snapshot_writer *w, struct rh_snapshot *out, struct rh_words *why);

/* Removes the file and frees the writer. */
void rh_snapshot_cancel(struct rh_snapshot_writer *w);


/* ---- reading one ---- */

struct rh_snapshot_info {
    uint64_t index, term;
    uint64_t bytes;                     /* of the file */
    uint64_t data_bytes;                /* of data inside */
    raftcore_slice conf, book;          /* until the reader is closed */
};

/*
 * Opens a snapshot.
 *
 * what     As the log has it.
 * Returns  RH_NONE       there is no such file
 *          RH_E_DAMAGED  head or end is not what was written
 */
int rh_snapshot_open(const struct rh_dir *dir, const struct rh_snapshot *what, struct rh_snapshot_reader **out,
                     struct rh_words *why);

/*
 * Opens a snapshot file anywhere, as rh_backup writes them.
 *
 * Returns  RH_NONE       there is no such file
 *          RH_E_DAMAGED  the file is no snapshot, or head or end is not what was written
 */
int rh_snapshot_open_file(const char *path, struct rh_snapshot_reader **out, struct rh_words *why);

const struct rh_snapshot_info *rh_snapshot_get_info(const struct rh_snapshot_reader *r);

/*
 * Reads the next data. *got is below `cap` only at the end. Each block is verified before bytes
 * come out.
 */
int rh_snapshot_read(struct rh_snapshot_reader *r, void *to, size_t cap, size_t *got, struct rh_words *why);

/* Reads bytes of the file, for a chunk. Each block is verified. RH_E_RANGE: beyond the end. */
int rh_snapshot_raw(struct rh_snapshot_reader *r, uint64_t offset, void *to, size_t len, struct rh_words *why);

void rh_snapshot_close(struct rh_snapshot_reader *r);


/* ---- receiving one ---- */

/*
 * Begins to receive, or continues an earlier attempt. *offset is the first missing byte: a
 * multiple of chunk_bytes, or `bytes`. Bytes before the offset were verified.
 */
int rh_snapshot_receive(const struct rh_dir *dir, const struct rh_snapshot *what, uint32_t chunk_bytes,
                        struct rh_snapshot_receiver **out, uint64_t *offset, struct rh_words *why);

/* Stores the next bytes. `offset` must be the end of the bytes before. */
int rh_snapshot_put(struct rh_snapshot_receiver *r, uint64_t offset, const void *bytes, size_t len,
                    struct rh_words *why);

/*
 * Compares the checksum and makes the file durable under its name, once all bytes are there. Frees
 * the receiver in any case. RH_E_DAMAGED: the file differs from the offer, and was removed.
 */
int rh_snapshot_arrived(struct rh_snapshot_receiver *r, struct rh_words *why);

/* Stops. Keeps the bytes for a later attempt. */
void rh_snapshot_stop(struct rh_snapshot_receiver *r);


/* ---- all of them ---- */

/*
 * Removes the snapshots of entries up to `up_to`, except `keep`, the log's. UINT64_MAX: all others,
 * with unfinished transfers. For use after the sync of a batch with a snapshot, and after the boot.
 * A running member gives the index that it has applied: a snapshot beyond may have arrived just now,
 * and may become the log's.
 */
int rh_snapshots_clean(const struct rh_dir *dir, const struct rh_snapshot *keep, uint64_t up_to, struct rh_words *why);

/*
 * Writes the name of a snapshot's file: index, term and checksum. So a file never replaces a
 * different snapshot.
 */
void rh_snapshot_name(const struct rh_snapshot *what, char to[80]);

#ifdef __cplusplus
}
#endif

#endif
