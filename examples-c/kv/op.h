/*
 * op.h: the contents of a log entry: an operation on the data, and the name of its request.
 *
 * byte 0 version, 1 code, 2 flags, 3 zero, 4..8 number of arguments, 8..16 node, 16..24 nonce,
 * 24..32 sequence number, then each argument: length (4 bytes), bytes. All numbers are
 * little-endian.
 *
 * Node, nonce (drawn at each start of a server) and sequence number name the request in the whole
 * cluster, for ever. The server with the waiting client recognizes the request when applying the
 * entry, whichever node proposed and whichever way the entry came into the log. So a client at a
 * follower gets the answer to a forwarded write.
 *
 * op_apply() must have the same result on every node, so op_apply() reads only the data and the
 * operation.
 */
#ifndef KV_OP_H
#define KV_OP_H

#include "store.h"

enum op_code {
    OP_SET = 1,
    OP_DEL,
    OP_INCRBY,
    OP_APPEND,
    OP_MSET,
    OP_FLUSHALL,
    OP_MEMBER,                      /* in a membership change: the member's id, and an address or nothing */
};

enum {
    OP_NX = 1,                      /* SET only if the key is not there */
    OP_XX = 2,                      /* SET only an existing key */
    OP_KEEP_ADDRESS = 4,            /* MEMBER: the address does not change */
    OP_HEAD = 32,
    OP_MAX = 4 * 1024 * 1024,       /* the whole operation: the largest entry */
};

struct op {
    enum op_code code;
    uint8_t flags;
    uint32_t n_args;
    uint64_t node, nonce, seq;
    slice args;                     /* for op_next() */
};

void op_begin(struct buf *out, enum op_code code, uint8_t flags, uint32_t n_args);
void op_add(struct buf *out, slice arg);
void op_name(struct buf *op, uint64_t node, uint64_t nonce, uint64_t seq);    /* into the head that op_begin left */

bool op_read(slice bytes, struct op *out);               /* false: not an operation, or above a limit */
slice op_next(struct op *op);                            /* the next argument; op_read checks how many */

/* The reply goes to `reply` in RESP if the client waits here (NULL: elsewhere). */
void op_apply(struct store *s, struct op op, struct buf *reply);

#endif
