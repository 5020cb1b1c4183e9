/*
 * op.h: what is written into the log: one operation on the data, and whose it is.
 *
 *   byte 0 version, 1 code, 2 flags, 3 zero, 4..8 number of arguments, 8..16 node, 16..24 nonce, 24..32 sequence number,
 *   then each argument: length (4 bytes), bytes. All numbers are little-endian.
 *
 * Node, nonce (drawn at each start of a server) and sequence number name the request all over the cluster and for ever.
 * Whoever proposed it, and by whatever way it came into the log: the server that has the client waiting knows its own again
 * when it applies the entry. That is how a write that was passed on to the leader is answered where the client is.
 *
 * op_apply() must come to the same result on every node: it looks at the data and the operation, and at nothing else.
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
    OP_MEMBER,                      /* in the context of a configuration change: the member's id, its address or nothing */
};

enum {
    OP_NX = 1,                      /* SET only if the key is not there */
    OP_XX = 2,                      /* SET only if it is */
    OP_KEEP_ADDRESS = 4,            /* MEMBER: the address stays as it is */
    OP_HEAD = 32,
    OP_MAX = 4 * 1024 * 1024,       /* all of it: what one entry may carry */
};

struct op {
    enum op_code code;
    uint8_t flags;
    uint32_t n_args;
    uint64_t node, nonce, seq;
    slice args;                     /* what op_next() takes apart */
};

void op_begin(struct buf *out, enum op_code code, uint8_t flags, uint32_t n_args);
void op_add(struct buf *out, slice arg);
void op_name(struct buf *op, uint64_t node, uint64_t nonce, uint64_t seq);    /* into the head that op_begin left */

bool op_read(slice bytes, struct op *out);               /* false: not an operation, or one that breaks a limit */
slice op_next(struct op *op);                            /* the next argument; op_read has checked that it is there */

/* The reply goes to `reply` in RESP if the client waits here (NULL: elsewhere). */
void op_apply(struct store *s, struct op op, struct buf *reply);

#endif
