/*
 * check.h: rh-log-check, a conformance suite for log stores. It tests the promises of log.h.
 *
 * To test a store, write a program that fills in `struct rh_check_store` and calls rh_check_all.
 * tests/host/log_check.c does so for the file log, tests/host/one_file_check.c for a store in a
 * single file. Link the program with the sources in this folder: disk.c replaces open, write, fsync
 * and the like for the whole program. So the store must do I/O by these calls: no mmap, no stdio,
 * no threads.
 *
 * A broken promise ends the program with status 1. The words on stderr name the promise, the
 * finding, and the seed that repeats the run.
 */
#ifndef RH_CHECK_H
#define RH_CHECK_H

#include "log.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rh_check_store {
    const char *name;
    /* Opens the log in a directory, or makes one. */
    int (*open)(void *context, const char *dir, struct rh_log *out, struct rh_words *why);
    /*
     * Called after a close and after a failed open: releases the directory. NULL: nothing to
     * release.
     */
    void (*closed)(void *context);
    void *context;
    bool survives_garbage;              /* a synced block is never written again: a power cut may destroy sectors that
                                           are being written */
    bool notices_cuts;                  /* a cut or removed file is noticed after a power cut as well, not only after a
                                           close */
};

struct rh_check_options {
    const char *dir;                    /* for scratch directories; in memory if possible */
    uint64_t seed;
    unsigned times;                     /* runs of each random suite */
    unsigned bits;                      /* flipped in each byte, 1 to 8 */
};

/* Tests the codes of right and wrong calls, in memory and after a restart. */
void rh_check_contract(const struct rh_check_store *store, const struct rh_check_options *o);

/*
 * Cuts the power after each call: unsynced writes are lost, kept, or kept in part, or new names
 * alone are kept. Then cuts the power again during the boot that follows.
 */
void rh_check_power_cuts(const struct rh_check_store *store, const struct rh_check_options *o);

/*
 * Changes each byte of each file, cuts each file at many lengths, removes files. The log must be
 * as before, or refuse with words.
 */
void rh_check_damage(const struct rh_check_store *store, const struct rh_check_options *o);

/*
 * Lets each call on a file fail, once or for good: EIO, ENOSPC, EMFILE, short writes. Then
 * restarts, and cuts the power.
 */
void rh_check_faults(const struct rh_check_store *store, const struct rh_check_options *o);

/* Runs all suites, with a line for each. */
void rh_check_all(const struct rh_check_store *store, const struct rh_check_options *o);

#ifdef __cplusplus
}
#endif

#endif
