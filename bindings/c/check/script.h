/*
 * script.h: random work on a log, beside a model of what it should say after each batch.
 */
#ifndef RH_CHECK_SCRIPT_H
#define RH_CHECK_SCRIPT_H

#include "check.h"
#include "model.h"

enum { SCRIPT_BATCHES = 400 };

/* Notes in a disk's record: see disk_note. */
enum { NOTE_APPENDED = 1, NOTE_SYNCED, NOTE_UPTO };

struct script {
    const struct rh_check_store *store;
    const char *dir;
    uint64_t random;
    struct rh_log log;
    bool open;
    struct said after[SCRIPT_BATCHES + 1];      /* [k]: what the log should say when k batches were appended */
    uint64_t number[SCRIPT_BATCHES + 1];        /* of batch k */
    size_t appended, synced;                    /* batches */
    uint64_t upto;                              /* compaction was allowed up to here */
    uint64_t next_number;
    size_t max_data;                    /* of an entry */
    struct rh_words why;
};

uint64_t check_random(uint64_t *state);
uint64_t check_below(uint64_t *state, uint64_t limit);

void script_begin(struct script *s, const struct rh_check_store *store, const char *dir, uint64_t seed);
void script_end(struct script *s);      /* closes the log, if it is open */

int script_open(struct script *s);
int script_close(struct script *s);

/* One step: an append, mostly; or a sync, a compaction, a restart, a look. The code of what failed, if something did. */
int script_step(struct script *s, bool may_restart);

int script_append(struct script *s);
int script_sync(struct script *s);

/* Does the log say what it should, after one of the batches `low` to `high`? The number of batches; ends the program if not. */
size_t script_check(struct script *s, const struct rh_log *log, size_t low, size_t high, uint64_t upto);

#endif
