/* The heap as the library sees it: linked with --wrap=malloc and its like (C_WRAP of mk/c.mk), every call to it passes here. It is
 * counted, its bytes are, and it can be made to fail. */
#ifndef HEAP_H
#define HEAP_H
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **out, size_t align, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size);
void __wrap_free(void *ptr);

/* Calls that give memory; blocks and bytes that are held, bytes as malloc rounds them up. */
static uint64_t heap_calls, heap_blocks, heap_bytes;
static uint64_t heap_fail_at; /* the call of this number fails; 0: none */

static int heap_fails(void) { return ++heap_calls == heap_fail_at; }

static void *heap_taken(void *block) {
    heap_blocks += block != NULL;
    heap_bytes += malloc_usable_size(block);
    return block;
}

static void heap_given(void *block) {
    heap_blocks -= block != NULL;
    heap_bytes -= malloc_usable_size(block);
}

void *__wrap_malloc(size_t size) { return heap_fails() ? NULL : heap_taken(__real_malloc(size)); }
void *__wrap_calloc(size_t count, size_t size) { return heap_fails() ? NULL : heap_taken(__real_calloc(count, size)); }
void *__wrap_aligned_alloc(size_t align, size_t size) { return heap_fails() ? NULL : heap_taken(__real_aligned_alloc(align, size)); }
void *__wrap_realloc(void *ptr, size_t size) {
    if (heap_fails())
        return NULL;
    heap_given(ptr);
    return heap_taken(__real_realloc(ptr, size));
}
int __wrap_posix_memalign(void **out, size_t align, size_t size) {
    if (heap_fails())
        return 12;
    int code = __real_posix_memalign(out, align, size);
    if (code == 0)
        heap_taken(*out);
    return code;
}
void __wrap_free(void *ptr) {
    heap_given(ptr);
    __real_free(ptr);
}
#endif
