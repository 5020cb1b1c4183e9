/* util.h: what every file needs: slices, byte buffers, little numbers, time, lines for people. */
#ifndef KV_UTIL_H
#define KV_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "raftcore_host.h"

typedef unsigned long long ull;     /* for printf's %llu */
typedef raftcore_slice slice;       /* the library's pair of pointer and length serves the whole program */

static inline slice slice_of(const void *ptr, size_t len) {
    return (slice){.ptr = ptr, .len = len};
}

static inline bool slice_equal(slice a, slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_is_word(slice s, const char *upper); /* compares without case: SET, set, Set */
bool slice_to_i64(slice s, int64_t *out);       /* strict decimal: no spaces, plus or leading zero */
bool slice_to_id(slice s, uint64_t *out);       /* decimal, from 1 on */

/* Bytes with a reading end and a writing end. Consuming moves `start`. */
struct buf {
    uint8_t *ptr;
    size_t start, end, cap;
};

static inline size_t buf_len(const struct buf *b) {
    return b->end - b->start;
}

static inline slice buf_slice(const struct buf *b) {
    return slice_of(b->ptr + b->start, b->end - b->start);
}

uint8_t *buf_room(struct buf *b, size_t len);   /* at least len writable bytes at b->ptr + b->end */
void buf_add(struct buf *b, const void *ptr, size_t len);
void buf_add_u32(struct buf *b, uint32_t v);     /* little-endian */
void buf_consume(struct buf *b, size_t len);
void buf_clear(struct buf *b);                  /* empties; gives a large block back to the heap */
void buf_free(struct buf *b);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *format, ...);

static inline uint32_t get_u32(const uint8_t *p) {     /* little-endian, as buf_add_u32 writes */
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void *xcalloc(size_t count, size_t size);       /* never NULL: out of memory ends the process */
int64_t now_ms(void);                           /* monotonic */

__attribute__((format(printf, 1, 2))) void note(const char *format, ...); /* a line on stderr */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
