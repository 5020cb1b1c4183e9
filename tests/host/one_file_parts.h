/* one_file_parts.h: functions shared by the files of the one-file store. */
#ifndef HOST_ONE_FILE_PARTS_H
#define HOST_ONE_FILE_PARTS_H

#include <stdlib.h>
#include <string.h>

#include "one_file.h"

struct bytes {
    uint8_t *at;
    size_t len, cap;
};

struct conf {
    uint64_t index;
    uint8_t bytes[64];
    size_t len;
};

struct entry {
    uint64_t term;
    uint32_t kind;
    size_t len;
    uint8_t *data;
};

struct one_file {
    struct one_file_store *store;
    int fd;
    bool failed, rewrite;
    uint64_t term, vote, commit, before, before_term, last;
    struct entry *entries;              /* of before + 1 to last */
    struct conf confs[256], snapshot_conf;
    size_t n_confs;
    struct rh_snapshot snapshot;
    raftcore_run *runs;
    struct rh_conf *shown;
    uint64_t number, synced;            /* of records */
    uint64_t offset;                    /* the end of the file */
    uint64_t last_number, number_of_caller, kept_back;
    struct bytes fill;
};

#define FLAW(name) (f->store->flaw == (name))

enum { ONE_FILE_HEAD = 32 };            /* of a record */

/* ---- one_file_state.c: the content, and batches as bytes ---- */

void one_file_put(struct bytes *b, const void *bytes, size_t len);
void one_file_put_batch(struct bytes *b, const struct rh_batch *batch);
void one_file_put_all(struct one_file *f, struct bytes *b);
/* Applies the bytes of a batch to the state. */
void one_file_take(struct one_file *f, const uint8_t *p, size_t len);
void one_file_drop_before(struct one_file *f, uint64_t index, uint64_t term);
uint64_t one_file_term(const struct one_file *f, uint64_t index);

/* ---- one_file_disk.c ---- */

/* Closes the record that begins at `at` in the bytes. */
void one_file_close_record(struct one_file *f, struct bytes *b, size_t at);
int one_file_write(struct one_file *f, int fd, const struct bytes *b, uint64_t offset, struct rh_words *why);
int one_file_write_anew(struct one_file *f, struct rh_words *why);
int one_file_write_state(struct one_file *f, struct rh_words *why);
int one_file_read(struct one_file *f, bool *there, struct rh_words *why);
int one_file_fail(struct one_file *f, struct rh_words *why);

static inline void *one_file_need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

#endif
