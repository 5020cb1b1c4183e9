/* op.c: operations as bytes of an entry, and the effect of each operation on the data. */
#include "op.h"

#include "host.h"
#include "resp.h"

struct op {
    enum op_code code;
    uint8_t flags;
    uint32_t n;
    slice args;                     /* for next() */
};

static slice next(struct op *op) {
    slice arg = slice_of(op->args.ptr + 4, get_u32(op->args.ptr));
    op->args = slice_of(arg.ptr + arg.len, op->args.len - 4 - arg.len);
    return arg;
}

static bool good_count(const struct op *op) {
    switch (op->code) {
    case OP_SET: case OP_INCRBY: case OP_APPEND: return op->n == 2;
    case OP_DEL: return op->n >= 1;
    case OP_MSET: return op->n >= 2 && op->n % 2 == 0;
    case OP_FLUSHALL: return op->n == 0;
    }
    return false;
}

/* NULL: an operation. Otherwise words for a client; every node comes to an equal answer. */
static const char *op_read(slice bytes, struct op *op) {
    static char words[100];
    const uint8_t *p = bytes.ptr;
    if (bytes.len < OP_HEAD || p[0] != 1)
        return "ERR the entry is no operation of this version";
    if (bytes.len > OP_MAX) {
        snprintf(words, sizeof words, "ERR a request of %zu bytes: at most %d are allowed", bytes.len, OP_MAX);
        return words;
    }
    *op = (struct op){p[1], p[2], get_u32(p + 4), slice_of(p + OP_HEAD, bytes.len - OP_HEAD)};
    if (!good_count(op))
        return "ERR wrong number of arguments";
    struct op walk = *op;
    for (uint32_t i = 0; i < op->n; i++) {
        bool is_key = op->code == OP_DEL || (op->code == OP_MSET ? i % 2 == 0 : i == 0);
        if (walk.args.len < 4 || get_u32(walk.args.ptr) > walk.args.len - 4)
            return "ERR the entry is cut off";
        slice arg = next(&walk);
        if (is_key && (arg.len == 0 || arg.len > RH_MAP_KEY_MAX)) {
            snprintf(words, sizeof words, "ERR a key of %zu bytes: it must have 1 to %d", arg.len, RH_MAP_KEY_MAX);
            return words;
        }
        if (arg.len > RH_MAP_VALUE_MAX) {
            snprintf(words, sizeof words, "ERR a value of %zu bytes: at most %d are allowed", arg.len, RH_MAP_VALUE_MAX);
            return words;
        }
    }
    return walk.args.len == 0 ? NULL : "ERR the entry has bytes too many";
}

const char *op_encode(enum op_code code, uint8_t flags, const slice *arg, size_t n, struct buf *out) {
    const uint8_t head[4] = {1, (uint8_t)code, flags};
    struct op ignored;
    buf_add(out, head, sizeof head);
    buf_add_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_add_u32(out, (uint32_t)arg[i].len);
        buf_add(out, arg[i].ptr, arg[i].len);
    }
    return op_read(buf_slice(out), &ignored);
}

bool op_may_grow(slice entry) {
    return entry.ptr[1] != OP_DEL && entry.ptr[1] != OP_FLUSHALL;
}

static void apply_set(struct op *op, struct buf *reply) {
    slice key = next(op), value = next(op), old;
    if (op->flags & (OP_NX | OP_XX) && (data_get(key, &old) ? op->flags & OP_NX : op->flags & OP_XX)) {
        resp_null(reply);
        return;
    }
    data_put(key, value);
    resp_simple(reply, "OK");
}

static void apply_incrby(struct op *op, struct buf *reply) {
    slice key = next(op), number = next(op), old;
    int64_t by, value = 0;
    char text[24];
    if (!slice_to_i64(number, &by) || (data_get(key, &old) && !slice_to_i64(old, &value))) {
        resp_error(reply, "ERR value is not an integer or out of range");
    } else if (__builtin_add_overflow(value, by, &value)) {
        resp_error(reply, "ERR increment or decrement would overflow");
    } else {
        data_put(key, slice_of(text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value)));
        resp_integer(reply, value);
    }
}

static void apply_append(struct op *op, struct buf *reply) {
    static struct buf joined;       /* the old value may lie in memory that the write gives up */
    slice key = next(op), tail = next(op), old = {0};
    data_get(key, &old);
    if (old.len + tail.len > RH_MAP_VALUE_MAX) {
        resp_error(reply, "ERR the value would have %zu bytes, at most %d are allowed", old.len + tail.len, RH_MAP_VALUE_MAX);
        return;
    }
    buf_clear(&joined);
    buf_add(&joined, old.ptr, old.len);
    buf_add(&joined, tail.ptr, tail.len);
    data_put(key, buf_slice(&joined));
    resp_integer(reply, (int64_t)buf_len(&joined));
}

void op_apply(slice entry, struct buf *reply) {
    struct op op;
    const char *fault = op_read(entry, &op);
    int64_t gone = 0;
    if (fault) {
        resp_error(reply, "%s", fault);
        return;
    }
    switch (op.code) {
    case OP_SET: apply_set(&op, reply); break;
    case OP_INCRBY: apply_incrby(&op, reply); break;
    case OP_APPEND: apply_append(&op, reply); break;
    case OP_DEL:
        for (uint32_t i = 0; i < op.n; i++)
            gone += data_del(next(&op));
        resp_integer(reply, gone);
        break;
    case OP_MSET:
        for (uint32_t i = 0; i < op.n; i += 2) {
            slice key = next(&op), value = next(&op);
            data_put(key, value);
        }
        resp_simple(reply, "OK");
        break;
    case OP_FLUSHALL:
        data_must(rh_map_clear(kv.map));
        resp_simple(reply, "OK");
        break;
    }
}
