/*
 * check.h: rh-log-check, a conformance suite for log stores: does a store keep the promises of log.h?
 *
 * Write a program that fills in `struct rh_check_store` and calls rh_check_all; tests/host/log_check.c does so for the file log and for
 * a store in one file. Link it with the check's own sources: disk.c replaces open, write, fsync and their relatives for the whole
 * program, to record them and to let them fail. The store must do its I/O by them: no mmap, no stdio, no threads of its own.
 *
 * A breach ends the program with 1, and says on stderr what was promised, what was found, and how to repeat the run.
 */
#ifndef RH_CHECK_H
#define RH_CHECK_H

#include "log.h"

struct rh_check_store {
    const char *name;
    /* Opens the log in a directory, or makes one. */
    int (*open)(void *context, const char *dir, struct rh_log *out, struct rh_words *why);
    /* Called when the log was closed, or when open has failed: lets go of what belongs to the directory. NULL: nothing. */
    void (*closed)(void *context);
    void *context;
    bool survives_garbage;              /* no block that was synced is written again: sectors under a write may be destroyed */
    bool notices_cuts;                  /* a file that was cut or removed is noticed after a power cut, too, not only after a close */
};

struct rh_check_options {
    const char *dir;                    /* for scratch directories; in memory, if that can be had */
    uint64_t seed;
    unsigned times;                     /* runs of each random suite */
    unsigned bits;                      /* flipped in each byte, 1 to 8 */
};

/* The answers of the calls, right and wrong ones, in memory and after a restart. */
void rh_check_contract(const struct rh_check_store *store, const struct rh_check_options *o);

/* A power cut after each write, with what was not synced lost, kept, or kept in part: and again during the boot that follows. */
void rh_check_power_cuts(const struct rh_check_store *store, const struct rh_check_options *o);

/* Each byte of each file changed, each file cut at each length, each file removed: the log as it was, or words. */
void rh_check_damage(const struct rh_check_store *store, const struct rh_check_options *o);

/* Each call on a file fails, once and for good: EIO, ENOSPC, EMFILE, short writes; then a restart, and a power cut. */
void rh_check_faults(const struct rh_check_store *store, const struct rh_check_options *o);

/* All of it, with a line for each. */
void rh_check_all(const struct rh_check_store *store, const struct rh_check_options *o);

#endif
