/* util.c: slices, buffers, numbers, time, lines for people. */
#define _GNU_SOURCE
#include "util.h"

#include <ctype.h>
#include <stdlib.h>
#include <time.h>

bool slice_is_word(slice s, const char *upper) {
    if (s.len != strlen(upper))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (toupper(s.ptr[i]) != upper[i])
            return false;
    return true;
}

bool slice_to_i64(slice s, int64_t *out) {
    bool negative = s.len > 0 && s.ptr[0] == '-';
    size_t i = negative;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, value = 0;
    if (i == s.len || s.len > 20 || (s.ptr[i] == '0' && s.len > 1))
        return false;
    for (; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        uint64_t digit = s.ptr[i] - '0';
        if (value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool slice_to_id(slice s, uint64_t *out) {
    int64_t value;
    if (!slice_to_i64(s, &value) || value <= 0)
        return false;
    *out = (uint64_t)value;
    return true;
}

uint8_t *buf_room(struct buf *b, size_t len) {
    if (b->start > 0 && (b->start == b->end || b->cap - b->end < len)) {
        memmove(b->ptr, b->ptr + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
    }
    if (b->cap - b->end < len) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap - b->end < len)
            cap *= 2;
        uint8_t *grown = realloc(b->ptr, cap);
        if (!grown)
            die("out of memory: a buffer of %zu bytes", cap);
        b->ptr = grown;
        b->cap = cap;
    }
    return b->ptr + b->end;
}

void buf_add(struct buf *b, const void *ptr, size_t len) {
    if (len == 0)
        return;
    memcpy(buf_room(b, len), ptr, len);
    b->end += len;
}

void buf_add_u32(struct buf *b, uint32_t v) {
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    buf_add(b, bytes, sizeof bytes);
}

void buf_consume(struct buf *b, size_t len) {
    b->start += len;
    if (b->start == b->end)
        buf_clear(b);
}

void buf_clear(struct buf *b) {
    enum { KEEP = 256 * 1024 };
    b->start = b->end = 0;
    if (b->cap > KEEP)
        buf_free(b);
}

void buf_free(struct buf *b) {
    free(b->ptr);
    *b = (struct buf){0};
}

void buf_printf(struct buf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    vsnprintf((char *)buf_room(b, (size_t)len + 1), (size_t)len + 1, format, again);
    va_end(again);
    b->end += (size_t)len;
}

void *xcalloc(size_t count, size_t size) {
    void *ptr = calloc(count, size);
    if (!ptr)
        die("out of memory: %zu times %zu bytes", count, size);
    return ptr;
}

int64_t now_ms(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void line(const char *format, va_list args) {
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "raftcore-kv: %s\n", text);
}

void note(const char *format, ...) {
    va_list args;
    va_start(args, format);
    line(format, args);
    va_end(args);
}

void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    line(format, args);
    va_end(args);
    exit(1);
}
