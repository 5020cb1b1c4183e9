/* data_parts.h: shared by data.c and data_snapshot.c. */
#ifndef KV_DATA_PARTS_H
#define KV_DATA_PARTS_H

#include "data.h"
#include "lmdb_file.h"

enum { HASH = 8 };                  /* bytes of a hash in front of a stored value */

static inline MDB_val val(slice x) {
    return lmdb_val(x.ptr, x.len);
}

uint64_t pair_hash(slice key, slice value);
int data_fail(struct rh_words *why, int rc, const char *doing);
void data_must(int rc, const char *doing);      /* ends the process unless rc is 0 */

int data_put_state(struct data *d, MDB_txn *txn, struct data_state *s);
void data_write_sessions(const struct rh_sessions *sessions, struct buf *out);     /* the record for data_put_sessions */
int data_put_sessions(struct data *d, MDB_txn *txn, slice record);

#endif
