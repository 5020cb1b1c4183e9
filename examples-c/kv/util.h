/*
 * util.h: the few things every file needs: slices, byte buffers, time, little numbers, the last words of a process.
 */
#ifndef KV_UTIL_H
#define KV_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "raftcore.h"

typedef unsigned long long ull;                          /* for printf's %llu */

/* The library's pair of pointer and length serves the whole program. */
typedef raftcore_slice slice;

static inline slice slice_of(const void *ptr, size_t len)
{
    return (slice){.ptr = ptr, .len = len};
}

static inline bool slice_is(slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

bool slice_is_word(slice s, const char *upper);          /* compares without case: SET, set, Set */
bool slice_to_i64(slice s, int64_t *out);                /* strict decimal: no spaces, plus or leading zero */
bool slice_to_id(slice s, uint64_t *out);                /* a node's id: decimal, not 0, not one of the reserved top 16 */

/*
 * Bytes with a reading end and a writing end. Consuming moves `start`; the space in front is taken back when the buffer is
 * empty or has to grow.
 */
struct buf {
    uint8_t *ptr;
    size_t start, end, cap;
};

static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

static inline slice buf_slice(const struct buf *b)
{
    return slice_of(b->ptr + b->start, b->end - b->start);
}

uint8_t *buf_room(struct buf *b, size_t len);            /* at least len writable bytes at b->ptr + b->end */
void buf_add(struct buf *b, const void *ptr, size_t len);
void buf_consume(struct buf *b, size_t len);
void buf_clear(struct buf *b);                           /* empties; gives a large block back to the heap */
void buf_free(struct buf *b);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *format, ...);

static inline void buf_add_u32(struct buf *b, uint32_t v)
{
    uint8_t le[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    buf_add(b, le, sizeof le);
}

static inline void buf_add_u64(struct buf *b, uint64_t v)
{
    buf_add_u32(b, (uint32_t)v);
    buf_add_u32(b, (uint32_t)(v >> 32));
}

static inline uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static inline void put_u64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

void *xcalloc(size_t count, size_t size);                /* never NULL: out of memory ends the process */
uint64_t hash64(slice s, uint64_t seed);
int64_t now_ms(void);                                    /* monotonic */
uint64_t random_u64(void);                               /* from the kernel; never 0 */

/* A fact on stderr, one line; `who` (set by the host) puts node, role and term in front. */
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);
void note_who(const char *who);

/*
 * Ends the process. A failed disk write can't be reported to the core: the process stops, and the
 * next start boots from the disk.
 */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
