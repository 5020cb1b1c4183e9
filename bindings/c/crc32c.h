/*
 * crc32c.h: CRC-32C (Castagnoli), the checksum of the log, of snapshot files and of chunks on the wire.
 */
#ifndef RH_CRC32C_H
#define RH_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Returns the checksum of bytes that continue a checksummed run. `crc` is the checksum so far;
 * begin with 0. rh_crc32c(0, "123456789", 9) is 0xe3069283.
 *
 * Uses the processor's instruction (SSE 4.2, ARMv8) if there is one, else a table. Any thread.
 * Allocates nothing.
 */
uint32_t rh_crc32c(uint32_t crc, const void *bytes, size_t len);

/* The table's way, for tests and for processors without the instruction. */
uint32_t rh_crc32c_table(uint32_t crc, const void *bytes, size_t len);

/* Returns the name of the way that rh_crc32c takes: "sse4.2", "armv8" or "table". */
const char *rh_crc32c_way(void);

#ifdef __cplusplus
}
#endif

#endif
