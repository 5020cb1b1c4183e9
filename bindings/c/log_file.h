/*
 * log_file.h: the log store on files. docs/log.md describes the files, and the assumptions about
 * disks.
 *
 * A ready costs one write and one fdatasync, on the sync thread. append() copies into a buffer and
 * does no I/O.
 */
#ifndef RH_LOG_FILE_H
#define RH_LOG_FILE_H

#include "dir.h"
#include "log.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rh_log_file_options {
    uint64_t segment_bytes;             /* preallocated for each segment; default 64 MiB, at least 4 KiB */
    uint64_t keep_bytes;                /* bytes of log that a compaction keeps, for peers that lag; default 128 MiB */
    uint64_t low_bytes;                 /* free space below which space() returns LOW; default twice segment_bytes */
    uint32_t block_bytes;               /* 0, or a power of two up to 64 KiB: a synced block of that size is never
                                           written again. For disks that may destroy a block which is being written at a
                                           power cut. Default 0 */
    bool no_reserve;                    /* set no space aside for a full disk */
};

/*
 * Opens the log in a directory. Makes the log if there is none. The directory must outlive the
 * log.
 *
 * options  NULL: defaults. A field of 0 means the default.
 * Returns  RH_OK         *out is open, for the loop thread: boot next
 *          RH_E_DAMAGED  bytes are lost or changed: the words name file, offset and index. The disk is left as found.
 *          RH_E_OWNER, RH_E_VERSION, RH_E_ARG, RH_E_NOMEM, RH_E_SPACE, RH_E_IO
 */
int rh_log_file_open(struct rh_dir *dir, const struct rh_log_file_options *options, struct rh_log *out,
                     struct rh_words *why);

/*
 * Opens a log to look at: boot, read, space and close work, and nothing is written. For a
 * directory of rh_dir_look. A process that has the log open is not disturbed, and may change the
 * log meanwhile.
 */
int rh_log_file_look(struct rh_dir *dir, struct rh_log *out, struct rh_words *why);

#ifdef __cplusplus
}
#endif

#endif
