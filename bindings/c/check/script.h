/* script.h: random work on a log, and the model after each batch. */
#ifndef RH_CHECK_SCRIPT_H
#define RH_CHECK_SCRIPT_H

#include "check.h"
#include "model.h"

enum { SCRIPT_BATCHES = 400 };

/* The kinds of notes in a disk's record. */
enum { NOTE_APPENDED = 1, NOTE_SYNCED, NOTE_UPTO };

struct script {
    const struct rh_check_store *store;
    const char *dir;
    uint64_t random;
    struct rh_log log;
    bool open;
    struct said after[SCRIPT_BATCHES + 1];      /* [k]: the model after k batches */
    uint64_t number[SCRIPT_BATCHES + 1];        /* of batch k */
    size_t appended, synced;                    /* batches */
    uint64_t upto;                              /* the highest index given to compact */
    bool shortened, shortened_synced;           /* a compaction has given up entries; a sync came behind it */
    uint64_t next_number;
    size_t max_data;                    /* of an entry */
    struct rh_words why;
};

uint64_t check_random(uint64_t *state);
uint64_t check_below(uint64_t *state, uint64_t limit);

void script_begin(struct script *s, const struct rh_check_store *store, const char *dir, uint64_t seed);
void script_end(struct script *s);      /* Closes the log if open. */

int script_open(struct script *s);
int script_close(struct script *s);

/*
 * Takes a step: mostly an append; or a sync, a compaction, a restart, a comparison. Returns the
 * code.
 */
int script_step(struct script *s, bool may_restart);

int script_append(struct script *s);
int script_sync(struct script *s);

/*
 * Compares the log with the models after batches `low` to `high`. Returns the number of the batch
 * that matches. Ends the program if none does.
 */
size_t script_check(struct script *s, const struct rh_log *log, size_t low, size_t high, uint64_t upto);

#endif
