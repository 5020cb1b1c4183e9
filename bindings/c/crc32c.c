/*
 * crc32c.c: CRC-32C by the processor's instruction, or by a table.
 *
 * Debian has no small library for CRC-32C. The nearest is libisal: 140 KiB of x86 assembly, and a
 * dependency of every host for this file. The choice between instruction and table is made at run
 * time, so that a binary fits every processor.
 *
 * The instruction takes eight bytes in three cycles, and can start in each cycle. So long runs go
 * as three streams, whose checksums are joined at the end. Passing over n zero bytes is a linear
 * map of the checksum; a table holds the map for the n of a stream.
 */
#include "crc32c.h"

#include <pthread.h>
#include <string.h>

#include "bytes.h"

#define POLYNOMIAL 0x82f63b78u          /* 0x1edc6f41 with its bits reversed */

enum { STREAM = 256 };                  /* bytes of each of the three streams; a multiple of 8 */

static uint32_t table[8][256];          /* table[k][b]: b, then k zero bytes */
static uint32_t skip_stream[4][256];    /* for each byte of a checksum: the checksum after STREAM zero bytes */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        table[0][b] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
    for (int place = 0; place < 4; place++) {
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t crc = b << (8 * place);
            for (int i = 0; i < STREAM; i++)
                crc = crc >> 8 ^ table[0][crc & 0xff];
            skip_stream[place][b] = crc;
        }
    }
}

static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint32_t low = rh_get_u32(p) ^ crc, high = rh_get_u32(p + 4);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^ table[4][low >> 24] ^
              table[3][high & 0xff] ^ table[2][high >> 8 & 0xff] ^ table[1][high >> 16 & 0xff] ^ table[0][high >> 24];
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
    return crc;
}

#if defined(__x86_64__)
#  include <cpuid.h>
#  include <nmmintrin.h>
#  ifdef __clang__
#    define HARDWARE __attribute__((target("sse4.2,crc32")))
#  else
#    define HARDWARE __attribute__((target("sse4.2"))) /* has the feature crc32; an old gcc does not know the name */
#  endif
#  define WAY "sse4.2"
#  define EIGHT(crc, p) ((uint32_t)_mm_crc32_u64((crc), load_u64(p)))
#  define ONE(crc, p) _mm_crc32_u8((crc), *(p))
static int has_hardware(void)
{
    unsigned a, b, c, d; /* asked from the processor: a compiler's own list is not in every runtime */
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}
#elif defined(__aarch64__) && defined(__linux__)
#  include <arm_acle.h>
#  include <asm/hwcap.h>
#  include <sys/auxv.h>
#  define HARDWARE __attribute__((target("+crc")))
#  define WAY "armv8"
#  define EIGHT(crc, p) __crc32cd((crc), load_u64(p))
#  define ONE(crc, p) __crc32cb((crc), *(p))
static int has_hardware(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#endif

#ifdef HARDWARE
static inline uint64_t load_u64(const uint8_t *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
    return x;
}

static uint32_t skip(uint32_t crc)
{
    return skip_stream[0][crc & 0xff] ^ skip_stream[1][crc >> 8 & 0xff] ^ skip_stream[2][crc >> 16 & 0xff] ^
           skip_stream[3][crc >> 24];
}

HARDWARE static uint32_t by_hardware(uint32_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 3 * STREAM; p += 3 * STREAM, len -= 3 * STREAM) {
        uint32_t second = 0, third = 0;
        for (size_t i = 0; i < STREAM; i += 8) {
            crc = EIGHT(crc, p + i);
            second = EIGHT(second, p + STREAM + i);
            third = EIGHT(third, p + 2 * STREAM + i);
        }
        crc = skip(skip(crc) ^ second) ^ third;
    }
    for (; len >= 8; p += 8, len -= 8)
        crc = EIGHT(crc, p);
    for (; len > 0; p++, len--)
        crc = ONE(crc, p);
    return crc;
}
#endif

uint32_t rh_crc32c_table(uint32_t crc, const void *bytes, size_t len)
{
    pthread_once(&once, make_tables);
    return ~by_table(~crc, bytes, len);
}

uint32_t rh_crc32c(uint32_t crc, const void *bytes, size_t len)
{
#ifdef HARDWARE
    if (has_hardware()) {
        if (len >= 3 * STREAM)
            pthread_once(&once, make_tables);
        return ~by_hardware(~crc, bytes, len);
    }
#endif
    return rh_crc32c_table(crc, bytes, len);
}

const char *rh_crc32c_way(void)
{
#ifdef HARDWARE
    if (has_hardware())
        return WAY;
#endif
    return "table";
}
