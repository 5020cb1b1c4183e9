/* model.h: a plain model of a log, and the comparison. */
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

/* The content of a log, or of the model. */
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

/*
 * Reads the content of a log. Returns a code if the log refuses. Contradictions between calls end
 * the program.
 */
int said_read(const struct rh_log *log, struct said *out, struct rh_words *why);

/* Does to the model what an append should do. */
void said_append(struct said *s, const struct rh_batch *batch);

/*
 * Compares the model with a log that may be compacted up to `upto`. Returns NULL, or the part that
 * differs.
 */
const char *said_differs(const struct said *should, const struct said *does, uint64_t upto);

uint64_t said_hash(raftcore_slice bytes);

/* Prints the broken promise and how to repeat the run. Ends the program. */
__attribute__((format(printf, 1, 2), noreturn))
void check_broken(const char *format, ...);

/* Describes the run, for check_broken. */
__attribute__((format(printf, 1, 2)))
void check_context(const char *format, ...);

#define CHECK_TRUE(condition) \
    do { \
        if (!(condition)) \
            check_broken("%s:%d: not true: %s", __FILE__, __LINE__, #condition); \
    } while (0)

#endif
