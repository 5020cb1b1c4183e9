/*
 * op.h: the contents of a log entry: an operation on the data.
 *
 * byte 0 version, 1 code, 2 flags, 3 zero, 4..8 number of arguments, then for an argument: length (4
 * bytes), bytes. Numbers are little-endian. op_apply has an equal result on every node, so op_apply
 * reads only the data and the operation.
 */
#ifndef KV_OP_H
#define KV_OP_H

#include "util.h"

enum op_code { OP_SET = 1, OP_DEL, OP_INCRBY, OP_APPEND, OP_MSET, OP_FLUSHALL };

enum {
    OP_NX = 1,                      /* SET only if the key is not there */
    OP_XX = 2,                      /* SET only an existing key */
    OP_HEAD = 8,
    OP_MAX = 4 * 1024 * 1024,       /* the whole operation: the largest entry */
};

/* Encodes a command of a client. Returns words for the client if the command can't be applied; NULL: `out` is filled. */
const char *op_encode(enum op_code code, uint8_t flags, const slice *arg, size_t n, struct buf *out);

/* Applies, with the reply in RESP. An entry that is no operation changes nothing. */
void op_apply(slice entry, struct buf *reply);

/* Whether the operation can make the data larger. */
bool op_may_grow(slice entry);

#endif
