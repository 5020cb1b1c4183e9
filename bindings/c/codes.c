/* codes.c: texts of codes, and the defaults of struct rh_options. */
#include <string.h>

#include "raftcore_host.h"

const char *rh_strerror(int code)
{
    switch (code) {
    case RH_OK: return "success";
    case RH_NONE: return "nothing there";
    case RH_E_ARG: return "an argument or option is out of range";
    case RH_E_NOMEM: return "no memory";
    case RH_E_IO: return "the system refused a call on a file";
    case RH_E_SPACE: return "the disk is full";
    case RH_E_DAMAGED: return "bytes on the disk are not those that were written";
    case RH_E_OWNER: return "the directory belongs to another node, group or process";
    case RH_E_FAILED: return "an earlier write or flush failed";
    case RH_E_RANGE: return "the log does not reach there";
    case RH_E_GONE: return "the log was cut beyond there";
    case RH_E_SMALL: return "the buffer is too small";
    case RH_E_VERSION: return "written by another version of the library";
    case RH_E_BUSY: return "a limit is reached: try again later";
    case RH_E_STATE: return "not possible in this state";
    case RH_E_CORE: return "the core refused a call";
    case RH_E_DATABASE: return "a function of the database failed";
    case RH_E_NET: return "an address, certificate or socket cannot be used";
    }
    return "unknown code";
}

const char *rh_what_text(enum rh_what what)
{
    switch (what) {
    case RH_DONE: return "done";
    case RH_NOT_COMMITTED: return "not committed";
    case RH_UNKNOWN: return "unknown";
    case RH_READABLE: return "readable";
    }
    return "unknown outcome";
}

void rh_options_init(struct rh_options *o, uint32_t struct_size)
{
    const struct rh_options defaults = {
        .struct_size = struct_size,
        .tick_ms = 50,
        .group = 1,
        .election_ticks = 10,
        .max_entry_bytes = 1024 * 1024,
        .request_ms = 5000,
        .max_queue_bytes = 64 * 1024 * 1024,
        .compaction_bytes = 64 * 1024 * 1024,
        .keep_bytes = 64 * 1024 * 1024,
        .segment_bytes = 64 * 1024 * 1024,
        .log_level = RH_LOG_INFO,
    };
    size_t known = struct_size < sizeof defaults ? struct_size : sizeof defaults;

    memset(o, 0, struct_size);
    memcpy(o, &defaults, known);
}
