/* op.c: operations as bytes of an entry, and the effect of each operation on the data. */
#include "op.h"

#include <stdio.h>

#include "resp.h"

void op_begin(struct buf *out, enum op_code code, uint8_t flags, uint32_t n_args)
{
    uint8_t head[OP_HEAD] = {1, (uint8_t)code, flags};

    buf_add(out, head, 4);
    buf_add_u32(out, n_args);
    buf_add(out, head + 8, OP_HEAD - 8);
}

void op_add(struct buf *out, slice arg)
{
    buf_add_u32(out, (uint32_t)arg.len);
    buf_add(out, arg.ptr, arg.len);
}

void op_name(struct buf *op, uint64_t node, uint64_t nonce, uint64_t seq)
{
    uint8_t *head = op->ptr + op->start;

    put_u64(head + 8, node);
    put_u64(head + 16, nonce);
    put_u64(head + 24, seq);
}

static bool good_count(const struct op *op)
{
    switch (op->code) {
    case OP_SET: return op->n_args == 2;
    case OP_INCRBY: return op->n_args == 2;
    case OP_APPEND: return op->n_args == 2;
    case OP_DEL: return op->n_args >= 1;
    case OP_MSET: return op->n_args >= 2 && op->n_args % 2 == 0;
    case OP_FLUSHALL: return op->n_args == 0;
    case OP_MEMBER: return op->n_args == 2;
    }
    return false;
}

static bool is_key(const struct op *op, uint32_t arg)
{
    return op->code == OP_DEL || (op->code == OP_MSET ? arg % 2 == 0 : arg == 0);
}

bool op_read(slice bytes, struct op *out)
{
    const uint8_t *p = bytes.ptr;

    if (bytes.len < OP_HEAD || p[0] != 1)
        return false;
    *out = (struct op){
        .code = (enum op_code)p[1],
        .flags = p[2],
        .n_args = get_u32(p + 4),
        .node = get_u64(p + 8),
        .nonce = get_u64(p + 16),
        .seq = get_u64(p + 24),
        .args = slice_of(p + OP_HEAD, bytes.len - OP_HEAD),
    };
    if (!good_count(out))
        return false;
    /* LMDB refuses a bad key with an error, and an error of the store ends the process: so check
     * everything here. */
    size_t at = 0;
    for (uint32_t i = 0; i < out->n_args; i++) {
        if (out->args.len - at < 4)
            return false;
        uint32_t len = get_u32(out->args.ptr + at);
        at += 4;
        if (len > out->args.len - at || len > VALUE_MAX)
            return false;
        if (is_key(out, i) && (len == 0 || len > KEY_MAX))
            return false;
        if (out->code == OP_INCRBY && i == 1 && len != 8)
            return false;
        at += len;
    }
    return at == out->args.len;
}

slice op_next(struct op *op)
{
    uint32_t len = get_u32(op->args.ptr);
    slice arg = slice_of(op->args.ptr + 4, len);

    op->args = slice_of(arg.ptr + len, op->args.len - 4 - len);
    return arg;
}

static void apply_set(struct store *s, struct op *op, struct buf *reply)
{
    slice key = op_next(op), value = op_next(op), old;

    if (op->flags & (OP_NX | OP_XX)) {
        bool there = store_get(s, key, &old);
        if (there ? op->flags & OP_NX : op->flags & OP_XX) {
            resp_null(reply);
            return;
        }
    }
    store_put(s, key, value);
    resp_simple(reply, "OK");
}

static void apply_incrby(struct store *s, struct op *op, struct buf *reply)
{
    slice key = op_next(op), old;
    int64_t by = (int64_t)get_u64(op_next(op).ptr), value = 0;
    char text[24];

    if (store_get(s, key, &old) && !slice_to_i64(old, &value)) {
        resp_error(reply, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        resp_error(reply, "ERR increment or decrement would overflow");
        return;
    }
    int len = snprintf(text, sizeof text, "%lld", (long long)value);
    store_put(s, key, slice_of(text, (size_t)len));
    resp_integer(reply, value);
}

static void apply_append(struct store *s, struct op *op, struct buf *reply)
{
    static struct buf joined;       /* the old value lies in a page that the write is about to change */
    slice key = op_next(op), tail = op_next(op), old = {0};

    store_get(s, key, &old);
    if (old.len + tail.len > VALUE_MAX) {
        resp_error(reply, "ERR the value would have %zu bytes, at most %d are allowed", old.len + tail.len, VALUE_MAX);
        return;
    }
    buf_clear(&joined);
    buf_add(&joined, old.ptr, old.len);
    buf_add(&joined, tail.ptr, tail.len);
    store_put(s, key, buf_slice(&joined));
    resp_integer(reply, (int64_t)buf_len(&joined));
}

static void apply_del(struct store *s, struct op *op, struct buf *reply)
{
    int64_t gone = 0;

    for (uint32_t i = 0; i < op->n_args; i++)
        gone += store_del(s, op_next(op));
    resp_integer(reply, gone);
}

static void apply_mset(struct store *s, struct op *op, struct buf *reply)
{
    for (uint32_t i = 0; i < op->n_args; i += 2) {
        slice key = op_next(op), value = op_next(op);
        store_put(s, key, value);
    }
    resp_simple(reply, "OK");
}

void op_apply(struct store *s, struct op op, struct buf *reply)
{
    switch (op.code) {
    case OP_SET: apply_set(s, &op, reply); break;
    case OP_DEL: apply_del(s, &op, reply); break;
    case OP_INCRBY: apply_incrby(s, &op, reply); break;
    case OP_APPEND: apply_append(s, &op, reply); break;
    case OP_MSET: apply_mset(s, &op, reply); break;
    case OP_FLUSHALL: store_flush(s); resp_simple(reply, "OK"); break;
    case OP_MEMBER: break;          /* no data: the host keeps the address when applying the change */
    }
}
