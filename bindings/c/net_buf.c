/* net_buf.c: byte queues: bytes are added at the end and given up at the start. */
#include <stdlib.h>
#include <string.h>

#include "net_parts.h"

enum { SMALLEST = 4096, KEEP = 1 << 20 };

bool rh_buf_reserve(struct rh_buf *b, size_t len)
{
    size_t have = rh_buf_len(b);

    if (len <= b->cap - b->end)
        return true;
    if (have > 0 && b->start > 0)
        memmove(b->at, b->at + b->start, have);
    b->start = 0;
    b->end = have;
    if (len <= b->cap - have)
        return true;
    if (len > SIZE_MAX / 2 - have)
        return false;
    size_t cap = b->cap ? b->cap : SMALLEST;
    while (cap < have + len)
        cap *= 2;
    uint8_t *larger = realloc(b->at, cap);
    if (!larger)
        return false;
    b->at = larger;
    b->cap = cap;
    return true;
}

bool rh_buf_add(struct rh_buf *b, const void *bytes, size_t len)
{
    if (!rh_buf_reserve(b, len))
        return false;
    if (len > 0)
        memcpy(b->at + b->end, bytes, len);
    b->end += len;
    return true;
}

void rh_buf_consume(struct rh_buf *b, size_t len)
{
    b->start += len;
    if (b->start < b->end)
        return;
    b->start = b->end = 0;
    if (b->cap > KEEP)
        rh_buf_free(b);
}

void rh_buf_free(struct rh_buf *b)
{
    free(b->at);
    *b = (struct rh_buf){0};
}
