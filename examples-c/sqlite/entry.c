/* entry.c: the bytes of an entry. Numbers are little-endian. */
#include <string.h>

#include "raftlite.h"

enum { WORDS = RL_HEAD / 8, VERSION = 1 };
static const uint64_t largest = 1ull << 48; /* of a file: SQLite's bound is lower */

void rl_put(uint8_t *to, uint64_t x, int n) {
    for (int i = 0; i < n; i++)
        to[i] = (uint8_t)(x >> 8 * i);
}

uint64_t rl_get(const uint8_t *from, int n) {
    uint64_t x = 0;
    for (int i = 0; i < n; i++)
        x |= (uint64_t)from[i] << 8 * i;
    return x;
}

void rl_entry_write(const struct rl_entry *e, uint8_t head[RL_HEAD]) {
    const uint64_t words[WORDS] = {VERSION << 8 | e->kind, e->node, e->number, e->base, e->at, e->low, e->size, e->body.len};
    for (int i = 0; i < WORDS; i++)
        rl_put(head + 8 * i, words[i], 8);
}

bool rl_entry_read(raftcore_slice bytes, struct rl_entry *e) {
    uint64_t w[WORDS];
    if (bytes.len < RL_HEAD)
        return false;
    for (int i = 0; i < WORDS; i++)
        w[i] = rl_get(bytes.ptr + 8 * i, 8);
    *e = (struct rl_entry){.kind = w[0] & 0xff, .node = w[1], .number = w[2], .base = w[3], .at = w[4], .low = w[5],
                           .size = w[6], .body = {bytes.ptr + RL_HEAD, bytes.len - RL_HEAD}};
    return w[0] >> 8 == VERSION && e->kind >= RL_KIND_PART && e->kind <= RL_KIND_FENCE && w[7] == e->body.len &&
           e->size <= largest && e->low <= e->size && e->at <= largest;
}

bool rl_body_take(struct rl_body *b, void *to, size_t len) {
    if (len > b->len - b->at)
        return false;
    if (to && b->bytes)
        memcpy(to, b->bytes + b->at, len);
    else if (to && rl_read_fd(b->fd, to, len, b->at) != len)
        return false;
    b->at += len;
    return true;
}

bool rl_body_record(struct rl_body *b, uint64_t *offset, uint32_t *len) {
    uint8_t head[RL_RECORD];
    if (!rl_body_take(b, head, sizeof head))
        return false;
    *offset = rl_get(head, 8);
    *len = (uint32_t)rl_get(head + 8, 4);
    return *offset <= largest && *len <= b->len - b->at;
}

bool rl_body_valid(struct rl_body b) {
    uint64_t offset;
    uint32_t len;
    while (b.at < b.len)
        if (!rl_body_record(&b, &offset, &len) || !rl_body_take(&b, NULL, len))
            return false;
    return true;
}
