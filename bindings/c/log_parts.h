/*
 * log_parts.h: the handle of the file log, and the functions shared by its files. Not for users.
 *
 *   log_file.c      open, close, boot, space; the table of calls
 *   log_boot.c      from the files to the state, and the first segment of a run
 *   log_append.c    batches into the buffer
 *   log_sync.c      the buffer into files
 *   log_read.c      entries out of files and buffers
 *   log_compact.c   which segments may go
 *
 * Ownership: `state`, `last_number` and the reading descriptor belong to the loop thread, `write_*`
 * and `zeroed` to the sync thread. Fields below the mutex need the mutex. So do `written` of every
 * segment, `end` and `tail` of the last segment, and changes of the list of segments, since the
 * sync thread looks at the last. A doomed segment belongs to the sync thread.
 */
#ifndef RH_LOG_PARTS_H
#define RH_LOG_PARTS_H

#include <pthread.h>

#include "log_file.h"
#include "log_scan.h"
#include "log_state.h"

/* Bytes of a buffer that go to one place. */
struct rh_run {
    struct rh_segment *segment;
    uint64_t offset;                    /* in the segment */
    size_t at, len;                     /* in the buffer */
};

struct rh_buffer {
    uint8_t *bytes;
    size_t len, cap;
    struct rh_run *runs;
    size_t n_runs, cap_runs;
};

struct rh_log_file {
    struct rh_dir *dir;
    struct rh_log_file_options options;

    struct rh_log_state state;
    uint64_t last_number;               /* of the last batch, as the caller counts */
    char note[RH_WORDS_MAX];
    bool look;                          /* opened to look */
    int read_fd;                        /* the segment read last, or -1 */
    uint64_t read_segment;

    int write_fd;                       /* the segment that is written to, or -1 */
    uint64_t write_segment, write_end;  /* number of the segment; end of the bytes written */
    uint64_t zeroed;                    /* blocks up to here have been written once */
    bool write_dirty;                   /* a mark was written and not synced */

    pthread_mutex_t mutex;
    struct rh_buffer fill, flight;      /* being filled; being written */
    uint64_t next_batch;
    uint64_t fill_number;               /* highest number of the caller in fill and before */
    uint64_t synced_batch, synced_number;
    bool marked;                        /* the newest batch vouches for all before. Else the last segment has room for a
                                           mark: rh_segment_has_room */
    struct rh_segment *doomed;
    bool failed;
    bool reserve;                       /* a file sets space aside */
    struct rh_words cause;              /* of the failure */
};

/* A batch being built in the fill buffer. */
struct rh_builder {
    struct rh_log_file *log;
    struct rh_segment *segment;
    size_t at;                          /* of the head, in the buffer */
    uint64_t place;                     /* of the head, in the segment */
    struct rh_batch_head head;
};

/* ---- log_append.c ---- */

int rh_log_append(void *log, const struct rh_batch *batch, struct rh_words *why);

/* Makes room in the fill buffer for `bytes` more, in at most two segments. */
int rh_buffer_reserve(struct rh_buffer *b, size_t bytes);

/* Begins a batch at the end of a segment. Room must be reserved. */
struct rh_builder rh_builder_open(struct rh_log_file *log, struct rh_segment *g, uint32_t flags);
/* Adds a record and returns the record's place. */
uint64_t rh_builder_add(struct rh_builder *b, struct rh_record r, raftcore_slice more);
void rh_builder_close(struct rh_builder *b);

/* Returns the size of a base batch for the present state. */
size_t rh_base_bytes(const struct rh_log_state *s);
/* Adds a segment to the state, and the base to the fill buffer. Room must be reserved in both. */
void rh_begin_segment(struct rh_log_file *log, struct rh_segment *g, uint64_t prev_end, uint64_t prev_number);
/* Returns where the next sync writes if the last sync ends at `end`: with block_bytes, at the next block. */
uint64_t rh_place_of_next_sync(const struct rh_log_file *log, uint64_t end);
/*
 * Returns whether a batch of that size fits, and a mark in the next sync. Without the mark the
 * batch could be the last of the segment for long, and damage to the batch would look like a torn
 * write.
 *
 * A byte always stays free. So a segment with a successor, once cut at the end, is shorter than at
 * its creation.
 */
bool rh_segment_has_room(const struct rh_log_file *log, const struct rh_segment *g, size_t bytes);
/* Returns the size for a new file: room for the base, for batches of `bytes`, and for a mark. */
uint64_t rh_segment_size(const struct rh_log_file *log, size_t bytes);

/* ---- log_sync.c ---- */

int rh_log_sync(void *log, uint64_t *number, struct rh_words *why);
/*
 * Writes a mark: a batch without records, which vouches for the batches before. Needs no sync: the
 * mark serves a later crash.
 */
int rh_log_mark(struct rh_log_file *log, struct rh_words *why);
/* Syncs the last mark, at the end. */
int rh_log_sync_mark(struct rh_log_file *log, struct rh_words *why);
/* Sets space aside if there is room; finds the space of an earlier run. */
void rh_log_make_reserve(struct rh_log_file *log);
void rh_log_find_reserve(struct rh_log_file *log);

/* ---- log_boot.c ---- */

/* Fills in the state from the files, and makes the segment of this run. */
int rh_log_recover(struct rh_log_file *log, struct rh_words *why);
/* Fills in the state, and writes nothing. */
int rh_log_look(struct rh_log_file *log, struct rh_words *why);

/* ---- log_read.c, log_compact.c ---- */

int rh_log_read(void *log, uint64_t first, uint64_t last, struct rh_read *io, struct rh_words *why);
int rh_log_compact(void *log, uint64_t upto, uint64_t hold, uint64_t *before, struct rh_words *why);

/*
 * Hands a segment over to the sync thread, which removes the file once `batch` is durable. Needs
 * the mutex.
 */
void rh_doom(struct rh_log_file *log, struct rh_segment *g, uint64_t batch);

/* Returns RH_E_FAILED, with the words of the first failure. Needs the mutex. */
int rh_log_failed(const struct rh_log_file *log, struct rh_words *why);

#endif
