/*
 * heap.h: failing allocations, for programs linked with --wrap=malloc, --wrap=calloc,
 * --wrap=realloc.
 */
#ifndef HOST_HEAP_H
#define HOST_HEAP_H

#include <stdatomic.h>
#include <stddef.h>

static _Atomic unsigned heap_countdown; /* allocations up to the one that fails; threads count together */

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
    unsigned left = heap_countdown;

    while (left > 0 && !atomic_compare_exchange_weak(&heap_countdown, &left, left - 1))
        ;
    return left == 1;
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
