/*
 * log_file.h: the log store on files. docs/log.md describes the files, and the assumptions about disks.
 *
 * A ready costs one write and one fdatasync, on the sync thread. append() copies into a buffer and does no I/O.
 */
#ifndef RH_LOG_FILE_H
#define RH_LOG_FILE_H

#include "dir.h"
#include "log.h"

struct rh_log_file_options {
    uint64_t segment_bytes;             /* preallocated for each segment; default 64 MiB, at least 4 KiB */
    uint64_t keep_bytes;                /* compaction leaves so much log for peers that lag; default 128 MiB */
    uint64_t low_bytes;                 /* free space below which space() says LOW; default twice segment_bytes */
    uint32_t block_bytes;               /* 0, or a power of two up to 64 KiB: no block that was synced is written again,
                                           for disks that may destroy a block by a power cut while it is written. Default 0 */
    bool no_reserve;                    /* set no segment's worth of space aside */
};

/*
 * Opens the log in a directory, or makes one. The directory must outlive it.
 *
 * options  NULL: defaults. A field that is 0 has its default.
 * Returns  RH_OK         *out is open, for the loop thread: boot next
 *          RH_E_DAMAGED  the disk is not as it was left: words say which file, offset and index. Nothing was changed.
 *          RH_E_OWNER, RH_E_VERSION, RH_E_ARG, RH_E_NOMEM, RH_E_SPACE, RH_E_IO
 */
int rh_log_file_open(struct rh_dir *dir, const struct rh_log_file_options *options, struct rh_log *out, struct rh_words *why);

/*
 * Opens a log to look at it: boot, read, space and close work. Nothing is written, so a process that has it open is not disturbed,
 * and may change it meanwhile. For a directory of rh_dir_look.
 */
int rh_log_file_look(struct rh_dir *dir, struct rh_log *out, struct rh_words *why);

#endif
