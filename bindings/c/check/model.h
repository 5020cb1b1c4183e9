/*
 * model.h: what a log should say, as plainly as it can be written down, and how to compare.
 */
#ifndef RH_CHECK_MODEL_H
#define RH_CHECK_MODEL_H

#include "log.h"

struct said_entry {
    uint64_t term, hash;
    uint32_t kind, len;
};

struct said_conf {
    uint64_t index, hash;
};

/* What a log says, or should say. */
struct said {
    uint64_t term, vote, commit;
    uint64_t before, before_term, last;
    uint64_t snapshot_index, snapshot_term, snapshot_bytes, snapshot_conf;
    uint32_t snapshot_checksum;
    struct said_entry *entries;         /* of before + 1 to last */
    struct said_conf *confs;
    size_t n_confs;
};

void said_free(struct said *s);
struct said said_copy(const struct said *s);

/* Reads all that a log says. Ends the program if its answers contradict each other; returns a code if the log refuses. */
int said_read(const struct rh_log *log, struct said *out, struct rh_words *why);

/* Does to it what an append should do. */
void said_append(struct said *s, const struct rh_batch *batch);

/*
 * Does the log say what it should, where it may have been compacted up to `upto`? NULL: yes. Else what differs.
 */
const char *said_differs(const struct said *should, const struct said *does, uint64_t upto);

uint64_t said_hash(raftcore_slice bytes);

/* Says what was promised, what happened and how to repeat it, and ends the program. */
__attribute__((format(printf, 1, 2), noreturn))
void check_broken(const char *format, ...);

/* What a run is, for check_broken. */
__attribute__((format(printf, 1, 2)))
void check_context(const char *format, ...);

#define CHECK_TRUE(condition) \
    do { \
        if (!(condition)) \
            check_broken("%s:%d: not true: %s", __FILE__, __LINE__, #condition); \
    } while (0)

#endif
