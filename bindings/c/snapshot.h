/*
 * snapshot.h: snapshots as files in a data directory. docs/wire.md, section 9, has their bytes.
 *
 * A file is written beside the others under another name, synced, and renamed. It counts when the log says so: by a batch with its
 * `struct rh_snapshot` (log.h). So the order is
 *
 *     own         rh_snapshot_create, _write …, _finish; append a batch with it; sync; rh_snapshots_clean
 *     received    rh_snapshot_receive, _put …, _arrived; step the MsgSnap; append its ready, with `replaces`; sync; load; clean
 *
 * A crash anywhere leaves the old snapshot or the new one in force, and its file there. A file that is read stays readable when it is
 * removed meanwhile.
 *
 * A writer, reader or receiver belongs to one thread at a time; different ones are independent.
 */
#ifndef RH_SNAPSHOT_H
#define RH_SNAPSHOT_H

#include "dir.h"
#include "log.h"

enum { RH_SNAPSHOT_BLOCK_MAX = 1024 * 1024 };

struct rh_snapshot_writer;
struct rh_snapshot_reader;
struct rh_snapshot_receiver;

/* ---- making one ---- */

/* block_bytes: data in each block, 1 to RH_SNAPSHOT_BLOCK_MAX; 0: 64 KiB. conf and book are copied. */
int rh_snapshot_create(const struct rh_dir *dir, uint64_t index, uint64_t term, raftcore_slice conf, raftcore_slice book,
                       uint32_t block_bytes, struct rh_snapshot_writer **out, struct rh_words *why);

int rh_snapshot_write(struct rh_snapshot_writer *w, const void *bytes, size_t len, struct rh_words *why);

/*
 * Makes the file durable under its name, and frees the writer in any case. *out is for the log; its conf points to no bytes: give
 * it those that the snapshot was made with.
 */
int rh_snapshot_finish(struct rh_snapshot_writer *w, struct rh_snapshot *out, struct rh_words *why);

/* Gives up: removes the file, frees the writer. */
void rh_snapshot_cancel(struct rh_snapshot_writer *w);


/* ---- reading one ---- */

struct rh_snapshot_info {
    uint64_t index, term;
    uint64_t bytes;                     /* of the file */
    uint64_t data_bytes;                /* of the database's data in it */
    raftcore_slice conf, book;          /* until the reader is closed */
};

/* `what`: as the log has it. RH_NONE: there is no such file. RH_E_DAMAGED: its head or its end is not what was written. */
int rh_snapshot_open(const struct rh_dir *dir, const struct rh_snapshot *what, struct rh_snapshot_reader **out, struct rh_words *why);

const struct rh_snapshot_info *rh_snapshot_info(const struct rh_snapshot_reader *r);

/* Reads the next data. *got is below `cap` only at the end. Each block is verified before any of its bytes come out. */
int rh_snapshot_read(struct rh_snapshot_reader *r, void *to, size_t cap, size_t *got, struct rh_words *why);

/* Reads the file's own bytes, to send them, verified as well. RH_E_RANGE: beyond its end. */
int rh_snapshot_raw(struct rh_snapshot_reader *r, uint64_t offset, void *to, size_t len, struct rh_words *why);

void rh_snapshot_close(struct rh_snapshot_reader *r);


/* ---- receiving one ---- */

/*
 * Begins to receive, or goes on with what an earlier attempt has left: *offset says from where bytes are wanted, a multiple of
 * chunk_bytes, or `bytes`. What is there was verified.
 */
int rh_snapshot_receive(const struct rh_dir *dir, const struct rh_snapshot *what, uint32_t chunk_bytes, struct rh_snapshot_receiver **out,
                        uint64_t *offset, struct rh_words *why);

/* Stores the next bytes: `offset` must be where the last ones ended. */
int rh_snapshot_put(struct rh_snapshot_receiver *r, uint64_t offset, const void *bytes, size_t len, struct rh_words *why);

/*
 * All bytes are here: compares the checksum, makes the file durable under its name, frees the receiver in any case. RH_E_DAMAGED: it is
 * not what was offered, and was removed.
 */
int rh_snapshot_arrived(struct rh_snapshot_receiver *r, struct rh_words *why);

/* Stops, and keeps what came for a later attempt. */
void rh_snapshot_stop(struct rh_snapshot_receiver *r);


/* ---- all of them ---- */

/*
 * Removes all snapshots but `keep`, the one that the log has, and with `parts` what was received of others. Call it after the sync of a
 * batch with a snapshot, and after the boot. A snapshot that has arrived and is not in the log yet would go, too.
 */
int rh_snapshots_clean(const struct rh_dir *dir, const struct rh_snapshot *keep, bool parts, struct rh_words *why);

/* The name of a snapshot's file: index, term and checksum, so that no file ever takes the place of another. */
void rh_snapshot_name(const struct rh_snapshot *what, char to[80]);

#endif
