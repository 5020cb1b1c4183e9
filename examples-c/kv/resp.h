/*
 * resp.h: RESP2, the protocol of redis-cli: requests are taken apart here, replies put together.
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include "util.h"

enum {
    RESP_ARGS_MAX = 64 * 1024,
    RESP_BULK_MAX = 8 * 1024 * 1024,     /* above the limit of values: a large value gets a reply */
    RESP_REQUEST_MAX = 16 * 1024 * 1024,
    RESP_INLINE_MAX = 64 * 1024,
};

enum resp_result {
    RESP_MORE,                      /* incomplete */
    RESP_REQUEST,                   /* args are filled; without args, the line was empty */
    RESP_BAD,                       /* reply with `why`, then close: there is no next request to be found */
};

/* Reused from request to request. The arguments point into the input, or into `words` for an inline command. */
struct resp_args {
    slice *arg;
    size_t n, cap;
    struct buf words;
    const char *why;
    size_t used;                    /* bytes of input the request took */
    size_t need;                    /* with RESP_MORE: asking again is of no use before so many bytes are there */
};

enum resp_result resp_parse(slice in, struct resp_args *out);

/* Replies. */
void resp_simple(struct buf *out, const char *text);
__attribute__((format(printf, 2, 3))) void resp_error(struct buf *out, const char *format, ...);
void resp_integer(struct buf *out, int64_t value);
void resp_bulk(struct buf *out, slice value);
void resp_text(struct buf *out, const char *text);
void resp_null(struct buf *out);
void resp_array(struct buf *out, size_t count);          /* count elements follow */

#endif
