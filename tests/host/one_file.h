/*
 * one_file.h: a second log store: all in memory, and in one file. For logs of a few megabytes; and to try the conformance suite on.
 *
 * The file is a row of records, each with number, `synced`, length and checksum, and a batch in it. A boot writes all it has read into a
 * new file, which replaces the old one by rename; so does a compaction. Damage and torn ends are told apart as in the file log.
 *
 * A store can be made with a flaw, one of a kind that log stores have had: the suite must notice.
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
    FLUSH_AGAIN,                        /* a failed flush is forgotten, the next one tried */
    NO_CHECKSUM,                        /* checksums are not compared */
    CUT_DAMAGE,                         /* any bad record is taken for the end */
    STATE_APART,                        /* the hard state has a file of its own, written first */
    LATE_BY_ONE,                        /* sync keeps the last batch for the next time, and says it is durable */
    NO_TRUNCATION,                      /* entries that were replaced come back at the boot */
    SHORT_WRITES,                       /* a short write is taken for a whole one */
    FORGETS_CONF,                       /* a compaction forgets configurations */
    FLAWS,
};

struct one_file_store {
    enum one_file_flaw flaw;
    struct rh_dir dir;
};

const char *one_file_flaw_name(enum one_file_flaw flaw);

/* For struct rh_check_store: context is a struct one_file_store. */
int one_file_open(void *context, const char *dir, struct rh_log *out, struct rh_words *why);
void one_file_closed(void *context);

#endif
