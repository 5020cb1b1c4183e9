/*
 * heap.h: failing allocations, for programs linked with --wrap=malloc, --wrap=calloc,
 * --wrap=realloc.
 */
#ifndef HOST_HEAP_H
#define HOST_HEAP_H

#include <stddef.h>

static unsigned heap_countdown;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

/* Lets the n-th allocation from now on fail; 0: none. */
static inline void heap_fail_at(unsigned n)
{
    heap_countdown = n;
}

static inline int heap_fails(void)
{
    return heap_countdown > 0 && --heap_countdown == 0;
}

void *__wrap_malloc(size_t size)
{
    return heap_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return heap_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return heap_fails() ? NULL : __real_realloc(old, size);
}

#endif
