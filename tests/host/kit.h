/* kit.h: helpers for the tests of bindings/c. A test is a program with exit status 0 for success. */
#ifndef HOST_KIT_H
#define HOST_KIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIE(...) \
    do { \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
        fprintf(stderr, __VA_ARGS__); \
        fputc('\n', stderr); \
        exit(1); \
    } while (0)

#define CHECK(condition) \
    do { \
        if (!(condition)) \
            DIE("not true: %s", #condition); \
    } while (0)

#define CHECK_OK(call, words) \
    do { \
        int code_ = (call); \
        if (code_ != 0) \
            DIE("%s: code %d: %s", #call, code_, (words)->text); \
    } while (0)

/* A small generator, equal on all machines. SEED=... repeats a run. */
struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t random_below(struct random *r, uint64_t limit)
{
    return random_next(r) % limit;
}

static inline double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline struct random random_open(const char *program)
{
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)(now_seconds() * 1e9);

    printf("%s: SEED=%llu repeats this run\n", program, (unsigned long long)seed);
    return (struct random){seed};
}

/* Returns a number from the environment, for longer runs. */
static inline uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

static inline void *must(void *memory)
{
    if (!memory)
        DIE("no memory");
    return memory;
}

/* Copies to memory of the exact size: AddressSanitizer then finds a read beyond. */
static inline uint8_t *exact_copy(const void *bytes, size_t len)
{
    uint8_t *copy = must(malloc(len ? len : 1));

    if (len)
        memcpy(copy, bytes, len);
    return copy;
}

#endif
