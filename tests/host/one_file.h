/*
 * one_file.h: a second log store, in memory and in a single file. For small logs, and to try the
 * conformance suite on.
 *
 * The file is a row of records: number, `synced`, length, checksum, and a batch. A boot and a
 * compaction write the content to a new file and rename the file. Damage and torn ends are told
 * apart as in the file log.
 *
 * A store can be made with a flaw that log stores have had. The suite must notice the flaw.
 */
#ifndef HOST_ONE_FILE_H
#define HOST_ONE_FILE_H

#include "dir.h"
#include "log.h"

enum one_file_flaw {
    NO_FLAW,
    NO_FLUSH,                           /* sync does not flush */
    NO_DIRECTORY_FLUSH,                 /* a rename is not made durable */
    RENAME_FIRST,                       /* the new file gets its name before it is flushed */
    GO_ON_BEHIND_TORN,                  /* a boot goes on in the same file, behind the last good record */
    FLUSH_AGAIN,                        /* a failed flush is forgotten, and the next flush tried */
    NO_CHECKSUM,                        /* checksums are not compared */
    CUT_DAMAGE,                         /* a bad record is taken for the end */
    STATE_APART,                        /* the hard state has a file of its own, written first */
    LATE_BY_ONE,                        /* sync holds the last batch back, and reports it as durable */
    NO_TRUNCATION,                      /* replaced entries come back at the boot */
    SHORT_WRITES,                       /* a short write counts as whole */
    FORGETS_CONF,                       /* a compaction forgets memberships */
    FLAWS,
};

struct one_file_store {
    enum one_file_flaw flaw;
    struct rh_dir dir;
};

const char *one_file_flaw_name(enum one_file_flaw flaw);

/* For struct rh_check_store. context is a struct one_file_store. */
int one_file_open(void *context, const char *dir, struct rh_log *out, struct rh_words *why);
void one_file_closed(void *context);

#endif
