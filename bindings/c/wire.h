/*
 * wire.h: the frames between hosts, as bytes and as structs. docs/wire.md specifies version 1.
 *
 * Nothing here allocates or keeps state. Readers check lengths against the bytes given. Slices that
 * come out point into those bytes.
 */
#ifndef RH_WIRE_H
#define RH_WIRE_H

#include <stdbool.h>

#include "raftcore.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RH_WIRE_VERSION = 1,
    RH_WIRE_HEADER = 12,                /* length (4), group (8) */
    RH_WIRE_HELLO_MAX = 1024,           /* a frame before the hellos are done, with header */
    RH_WIRE_WORDS_MAX = 400,
    RH_WIRE_ADDRESS_MAX = 255,
    RH_WIRE_BOOK_MAX = 1024,            /* records of an address book */
    RH_WIRE_ID = 16,                    /* bytes of an identity: founding, disk, session */
    RH_WIRE_CHUNK_HEAD = 40,            /* bytes of a CHUNK frame before its data */
    RH_WIRE_BYTES_MAX = 1 << 30,        /* data, a book, a result */
};

enum rh_wire_type {
    RH_WIRE_HELLO = 1,
    RH_WIRE_REJECT = 2,
    RH_WIRE_PING = 3,
    RH_WIRE_PONG = 4,
    RH_WIRE_JOIN = 5,
    RH_WIRE_JOINED = 6,
    RH_WIRE_OFFER = 16,
    RH_WIRE_ACCEPT = 17,
    RH_WIRE_CHUNK = 18,
    RH_WIRE_ACK = 19,
    RH_WIRE_COMPLETE = 20,
    RH_WIRE_ABORT = 21,
    RH_WIRE_REQUEST = 32,
    RH_WIRE_OUTCOME = 33,
};

enum { RH_WIRE_PEER = 1, RH_WIRE_BULK = 2, RH_WIRE_JOINING = 3 };               /* hello.channel */
enum { RH_WIRE_EMPTY = 1 };                                                     /* hello.flags */
enum { RH_WIRE_WANT_VOTER = 1, RH_WIRE_WANT_LEARNER = 2 };                      /* join.want */
enum { RH_WIRE_MEMBER = 1, RH_WIRE_WAIT, RH_WIRE_NOT_THE_LEADER, RH_WIRE_JOIN_REFUSED };          /* joined.status */
enum { RH_WIRE_ENTRY = 1, RH_WIRE_CHANGE, RH_WIRE_CALL };                       /* request.what */
enum { RH_WIRE_DONE = 1, RH_WIRE_NOT_COMMITTED, RH_WIRE_UNKNOWN, RH_WIRE_NOT_LEADER, RH_WIRE_REFUSED };   /* outcome.outcome */

enum rh_wire_reason {                   /* code of REJECT, JOINED, OUTCOME */
    RH_WIRE_R_VERSION = 1, RH_WIRE_R_GROUP, RH_WIRE_R_ID, RH_WIRE_R_FOUNDING, RH_WIRE_R_DISK, RH_WIRE_R_CERTIFICATE,
    RH_WIRE_R_NOT_MEMBER, RH_WIRE_R_BUSY, RH_WIRE_R_PROTOCOL, RH_WIRE_R_TOO_LARGE, RH_WIRE_R_UNKNOWN_FRAME,
    RH_WIRE_R_SHUTTING_DOWN, RH_WIRE_R_UNKNOWN_VALUE, RH_WIRE_R_NO_SPACE, RH_WIRE_R_INVALID,
};

enum rh_wire_abort {                    /* code of ABORT */
    RH_WIRE_A_CHECKSUM_CHUNK = 1, RH_WIRE_A_CHECKSUM_FILE, RH_WIRE_A_NO_SPACE, RH_WIRE_A_SUPERSEDED, RH_WIRE_A_NO_DATA,
    RH_WIRE_A_NOT_NEEDED, RH_WIRE_A_READ_FAILED, RH_WIRE_A_BUSY, RH_WIRE_A_LIMIT,
};

/*
 * A host frame. `type` selects the struct with the fields. docs/wire.md explains the fields under
 * the same names.
 */
struct rh_wire_frame {
    uint64_t group;
    uint8_t type;                       /* RH_WIRE_* */
    union {
        struct {
            uint32_t version, version_min, max_frame;
            uint8_t channel, flags;
            raftcore_slice peer_address, client_address;
            uint64_t features, start, to;
            uint8_t founding[RH_WIRE_ID], disk[RH_WIRE_ID];
        } hello;
        struct {
            uint16_t code;
            uint32_t retry_ms;
            raftcore_slice words;
        } reject;
        struct {
            uint64_t token;
        } ping;                         /* PONG, too */
        struct {
            uint8_t want;
        } join;
        struct {
            uint8_t status;
            uint16_t code;
            uint32_t retry_ms;
            uint64_t leader, index;
            uint8_t founding[RH_WIRE_ID];
            raftcore_slice words, book;
        } joined;
        struct {
            uint64_t stream, index, term, size;
            uint32_t checksum, chunk_bytes;
        } offer;
        struct {
            uint64_t stream, offset;
            uint32_t window;
        } accept;                       /* ACK, too */
        struct {
            uint64_t stream, offset;
            uint32_t checksum;
            raftcore_slice data;
        } chunk;
        struct {
            uint64_t stream, index, term;
        } complete;
        struct {
            uint64_t stream, index, term;
            uint16_t code;
            raftcore_slice words;
        } abort;
        struct {
            uint64_t request, number;
            uint8_t session[RH_WIRE_ID];
            uint32_t timeout_ms;
            uint8_t what;
            raftcore_slice data;
        } request;
        struct {
            uint64_t request, index, term, leader;
            uint8_t outcome;
            uint16_t code;
            uint32_t retry_ms;
            raftcore_slice address, words, result;
        } outcome;
    };
};

enum rh_wire_status {
    RH_WIRE_OK = 0,
    RH_WIRE_MORE = 1,                   /* the frame is not complete yet */
    RH_WIRE_SKIP = 2,                   /* a host frame of a later version, to be skipped */
    RH_WIRE_E_LONG = -1,                /* longer than the limit: REJECT 10 */
    RH_WIRE_E_MALFORMED = -2,           /* REJECT 9 */
    RH_WIRE_E_UNKNOWN = -3,             /* a type that must be understood: REJECT 11 */
};

enum rh_wire_whose { RH_WIRE_CORE, RH_WIRE_CORE_HELLO, RH_WIRE_HOST };

struct rh_wire_span {
    enum rh_wire_whose whose;
    uint64_t group;
    size_t bytes;                       /* of the whole frame, with header; 0 with MORE: the header is not complete */
};

/*
 * Finds the frame at the head of a stream's bytes.
 *
 * limit    Longest frame to be taken, with header.
 * Returns  RH_WIRE_OK      out->whose and out->bytes describe the frame
 *          RH_WIRE_MORE    the frame is not complete; out->bytes is the size, if known
 *          RH_WIRE_E_LONG  close the connection
 */
int rh_wire_next(const uint8_t *bytes, size_t len, size_t limit, struct rh_wire_span *out);

/*
 * Reads a whole host frame, with header. `len` must be the size from rh_wire_next.
 *
 * Returns  RH_WIRE_OK: *out is the frame. RH_WIRE_SKIP, RH_WIRE_E_MALFORMED or RH_WIRE_E_UNKNOWN: *out is unchanged.
 */
int rh_wire_read(const uint8_t *frame, size_t len, struct rh_wire_frame *out);

/*
 * Writes a host frame, with header. Returns the size of the frame, and writes nothing if the size
 * is above `cap`. 0: unknown type, or a slice beyond its limit.
 */
size_t rh_wire_write(const struct rh_wire_frame *f, uint8_t *to, size_t cap);

/*
 * Writes a frame without the last slice. For large data (CHUNK, REQUEST), which the caller sends
 * without a copy.
 */
size_t rh_wire_write_head(const struct rh_wire_frame *f, uint8_t *to, size_t cap);

/* Returns whether the data of a CHUNK match the checksum. */
bool rh_wire_chunk_is_good(const struct rh_wire_frame *f);

/*
 * Writes the fields as text, as in tests/wire/vectors.txt. Returns the length; the text is cut to
 * `cap`, as by snprintf.
 */
size_t rh_wire_text(const struct rh_wire_frame *f, char *to, size_t cap);

/* Returns the name of a type, "HELLO" for example; NULL: unknown. */
const char *rh_wire_name(uint8_t type);


/* ---- the address book (docs/wire.md, section 8) ---- */

struct rh_wire_member {
    uint64_t id;
    uint8_t disk[RH_WIRE_ID];
    raftcore_slice peer_address, client_address;
};

struct rh_wire_book {                   /* a book while being read */
    const uint8_t *next, *end;
    uint16_t left, fixed;
};

/* Opens a book. Returns RH_WIRE_OK or RH_WIRE_E_MALFORMED. */
int rh_wire_book_open(raftcore_slice bytes, struct rh_wire_book *out);

/* Reads the next member. Returns RH_WIRE_OK, RH_WIRE_MORE at the end, or RH_WIRE_E_MALFORMED. */
int rh_wire_book_next(struct rh_wire_book *book, struct rh_wire_member *out);

/*
 * Writes a book. Returns the size of the book, and writes nothing if the size is above `cap`. 0: a
 * limit is broken.
 */
size_t rh_wire_book_write(const struct rh_wire_member *members, size_t count, uint8_t *to, size_t cap);

/* Returns whether text is an address: HOST:PORT or [IPV6]:PORT. Empty text is no address. */
bool rh_wire_is_address(raftcore_slice text);

#ifdef __cplusplus
}
#endif

#endif
