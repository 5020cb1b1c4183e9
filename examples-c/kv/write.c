/*
 * write.c: commands that change the data, encoded as operations (op.h). A command that can be
 * refused is refused here, before an entry in everyone's log.
 */
#include "command.h"
#include "op.h"
#include "resp.h"

static bool good_key(struct request *r, slice key)
{
    if (key.len > 0 && key.len <= KEY_MAX)
        return true;
    resp_error(&r->reply, "ERR a key of %zu bytes: it must have 1 to %d", key.len, KEY_MAX);
    return false;
}

static bool good_value(struct request *r, slice value)
{
    if (value.len <= VALUE_MAX)
        return true;
    resp_error(&r->reply, "ERR a value of %zu bytes: at most %d are allowed", value.len, VALUE_MAX);
    return false;
}

static bool good_size(struct request *r, const slice *arg, size_t n)
{
    size_t size = OP_HEAD;

    for (size_t i = 1; i < n; i++)
        size += 4 + arg[i].len;
    if (size <= OP_MAX)
        return true;
    resp_error(&r->reply, "ERR a request of %zu bytes: at most %d are allowed", size, OP_MAX);
    return false;
}

void encode_set(struct request *r, const slice *arg, size_t n)
{
    uint8_t flags = 0;

    for (size_t i = 3; i < n; i++) {
        if (slice_is_word(arg[i], "NX"))
            flags |= OP_NX;
        else if (slice_is_word(arg[i], "XX"))
            flags |= OP_XX;
        else
            flags |= OP_NX | OP_XX;
    }
    if (flags == (OP_NX | OP_XX)) {
        resp_error(&r->reply, "ERR syntax error");      /* both, or an unknown option: EX, PX, KEEPTTL, GET */
        return;
    }
    if (!good_key(r, arg[1]) || !good_value(r, arg[2]))
        return;
    op_begin(&r->op, OP_SET, flags, 2);
    op_add(&r->op, arg[1]);
    op_add(&r->op, arg[2]);
}

void encode_mset(struct request *r, const slice *arg, size_t n)
{
    if (n % 2 == 0) {
        resp_error(&r->reply, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    if (!good_size(r, arg, n))
        return;
    for (size_t i = 1; i < n; i += 2)
        if (!good_key(r, arg[i]) || !good_value(r, arg[i + 1]))
            return;
    op_begin(&r->op, OP_MSET, 0, (uint32_t)(n - 1));
    for (size_t i = 1; i < n; i++)
        op_add(&r->op, arg[i]);
}

void encode_del(struct request *r, const slice *arg, size_t n)
{
    if (!good_size(r, arg, n))
        return;
    for (size_t i = 1; i < n; i++)
        if (!good_key(r, arg[i]))
            return;
    op_begin(&r->op, OP_DEL, 0, (uint32_t)(n - 1));
    for (size_t i = 1; i < n; i++)
        op_add(&r->op, arg[i]);
}

/* INCR key, INCRBY key number */
void encode_incr(struct request *r, const slice *arg, size_t n)
{
    int64_t by = 1;
    uint8_t bytes[8];

    if (!good_key(r, arg[1]))
        return;
    if (n == 3 && !slice_to_i64(arg[2], &by)) {
        resp_error(&r->reply, "ERR value is not an integer or out of range");
        return;
    }
    put_u64(bytes, (uint64_t)by);
    op_begin(&r->op, OP_INCRBY, 0, 2);
    op_add(&r->op, arg[1]);
    op_add(&r->op, slice_of(bytes, sizeof bytes));
}

void encode_append(struct request *r, const slice *arg, size_t n)
{
    (void)n;
    if (!good_key(r, arg[1]) || !good_value(r, arg[2]))
        return;
    op_begin(&r->op, OP_APPEND, 0, 2);
    op_add(&r->op, arg[1]);
    op_add(&r->op, arg[2]);
}

void encode_flushall(struct request *r, const slice *arg, size_t n)
{
    if (n > 2 || (n == 2 && !slice_is_word(arg[1], "SYNC") && !slice_is_word(arg[1], "ASYNC"))) {
        resp_error(&r->reply, "ERR syntax error");
        return;
    }
    op_begin(&r->op, OP_FLUSHALL, 0, 0);
}
