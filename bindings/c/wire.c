/*
 * wire.c: host frames to bytes and back, by a table per type.
 *
 * A table lists the fixed fields in the order of docs/wire.md. A field of kind ADDRESS, WORDS or
 * BYTES stands for a length in the fixed part and for bytes behind. Reader, writer and text use the
 * tables, so that each checks bounds in a single place.
 */
#include "wire.h"

#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "crc32c.h"

enum { MARK = 0x48, HEAD = 4 };         /* a body's first byte; mark, type and length of the fixed part */

enum kind { U8, U16, U32, U64, CHECKSUM, IDENTITY, ZEROS, ADDRESS, WORDS, BYTES };

struct field {
    const char *name;                   /* NULL ends a table */
    enum kind kind;
    uint16_t at;                        /* place in struct rh_wire_frame; of ZEROS: how many */
};

#define F(kind, frame, field) {#field, kind, (uint16_t)offsetof(struct rh_wire_frame, frame.field)}
#define GAP(n) {"", ZEROS, n}
#define END {NULL, ZEROS, 0}

static const struct field hello[] = {
    F(U32, hello, version), F(U32, hello, version_min), F(U8, hello, channel), F(U8, hello, flags),
    F(ADDRESS, hello, peer_address), F(ADDRESS, hello, client_address), GAP(2), F(U32, hello, max_frame),
    F(U64, hello, features), F(IDENTITY, hello, founding), F(IDENTITY, hello, disk), F(U64, hello, start),
    F(U64, hello, to), END,
};
static const struct field reject[] = {
    F(U16, reject, code), F(WORDS, reject, words), F(U32, reject, retry_ms), END,
};
static const struct field ping[] = {F(U64, ping, token), END};
static const struct field join[] = {F(U8, join, want), GAP(3), END};
static const struct field joined[] = {
    F(U8, joined, status), GAP(1), F(U16, joined, code), F(U32, joined, retry_ms), F(U64, joined, leader),
    F(U64, joined, index), F(IDENTITY, joined, founding), F(WORDS, joined, words), GAP(2),
    F(BYTES, joined, book), END,
};
static const struct field offer[] = {
    F(U64, offer, stream), F(U64, offer, index), F(U64, offer, term), F(U64, offer, size),
    F(CHECKSUM, offer, checksum), F(U32, offer, chunk_bytes), END,
};
static const struct field accept_or_ack[] = {
    F(U64, accept, stream), F(U64, accept, offset), F(U32, accept, window), END,
};
static const struct field chunk[] = {
    F(U64, chunk, stream), F(U64, chunk, offset), F(BYTES, chunk, data), F(CHECKSUM, chunk, checksum), END,
};
static const struct field complete[] = {
    F(U64, complete, stream), F(U64, complete, index), F(U64, complete, term), END,
};
static const struct field abort_[] = {
    F(U64, abort, stream), F(U64, abort, index), F(U64, abort, term), F(U16, abort, code),
    F(WORDS, abort, words), END,
};
static const struct field request[] = {
    F(U64, request, request), F(IDENTITY, request, session), F(U64, request, number),
    F(U32, request, timeout_ms), F(U8, request, what), GAP(3), F(BYTES, request, data), END,
};
static const struct field outcome[] = {
    F(U64, outcome, request), F(U8, outcome, outcome), GAP(1), F(U16, outcome, code),
    F(U32, outcome, retry_ms), F(U64, outcome, index), F(U64, outcome, term), F(U64, outcome, leader),
    F(ADDRESS, outcome, address), F(WORDS, outcome, words), F(BYTES, outcome, result), END,
};

static const struct { const char *name; const struct field *fields; } types[] = {
    [RH_WIRE_HELLO] = {"HELLO", hello},           [RH_WIRE_REJECT] = {"REJECT", reject},
    [RH_WIRE_PING] = {"PING", ping},              [RH_WIRE_PONG] = {"PONG", ping},
    [RH_WIRE_JOIN] = {"JOIN", join},              [RH_WIRE_JOINED] = {"JOINED", joined},
    [RH_WIRE_OFFER] = {"OFFER", offer},           [RH_WIRE_ACCEPT] = {"ACCEPT", accept_or_ack},
    [RH_WIRE_CHUNK] = {"CHUNK", chunk},           [RH_WIRE_ACK] = {"ACK", accept_or_ack},
    [RH_WIRE_COMPLETE] = {"COMPLETE", complete},  [RH_WIRE_ABORT] = {"ABORT", abort_},
    [RH_WIRE_REQUEST] = {"REQUEST", request},     [RH_WIRE_OUTCOME] = {"OUTCOME", outcome},
};

static const struct field *fields_of(uint8_t type)
{
    return type < sizeof types / sizeof *types ? types[type].fields : NULL;
}

const char *rh_wire_name(uint8_t type)
{
    return fields_of(type) ? types[type].name : NULL;
}

static size_t fixed_bytes(const struct field *f)
{
    switch (f->kind) {
    case U8: return 1;
    case U16: case ADDRESS: case WORDS: return 2;
    case U32: case CHECKSUM: case BYTES: return 4;
    case U64: return 8;
    case IDENTITY: return RH_WIRE_ID;
    case ZEROS: return f->at;
    }
    return 0;
}

static bool has_part(const struct field *f)
{
    return f->kind == ADDRESS || f->kind == WORDS || f->kind == BYTES;
}

static size_t longest_part(const struct field *f)
{
    /* The parts of a frame together must fit into the frame's length field. */
    return f->kind == ADDRESS ? RH_WIRE_ADDRESS_MAX : f->kind == WORDS ? RH_WIRE_WORDS_MAX : RH_WIRE_BYTES_MAX;
}

static size_t all_fixed_bytes(const struct field *fields)
{
    size_t sum = 0;

    for (const struct field *f = fields; f->name; f++)
        sum += fixed_bytes(f);
    return sum;
}

/*
 * Returns the place of a field in a frame's struct. The tables give each field the type of its
 * kind.
 */
static void *place(const struct rh_wire_frame *frame, const struct field *f)
{
    return (char *)(uintptr_t)frame + f->at;
}

int rh_wire_next(const uint8_t *bytes, size_t len, size_t limit, struct rh_wire_span *out)
{
    *out = (struct rh_wire_span){0};
    if (len < RH_WIRE_HEADER)
        return RH_WIRE_MORE;
    uint32_t body = rh_get_u32(bytes);
    if (limit < RH_WIRE_HEADER || body > limit - RH_WIRE_HEADER)
        return RH_WIRE_E_LONG;
    out->group = rh_get_u64(bytes + 4);
    out->bytes = RH_WIRE_HEADER + (size_t)body;
    if (len < out->bytes)
        return RH_WIRE_MORE;
    out->whose = body == 0 || (bytes[RH_WIRE_HEADER] != MARK && bytes[RH_WIRE_HEADER] != 'R') ? RH_WIRE_CORE :
                 bytes[RH_WIRE_HEADER] == MARK ? RH_WIRE_HOST : RH_WIRE_CORE_HELLO;
    return RH_WIRE_OK;
}

/* Reads a fixed field. A length waits in the slice's `len` for read_parts. */
static void read_fixed(const uint8_t *p, const struct field *f, struct rh_wire_frame *out)
{
    void *to = f->kind == ZEROS ? NULL : place(out, f);

    switch (f->kind) {
    case U8: *(uint8_t *)to = *p; break;
    case U16: *(uint16_t *)to = rh_get_u16(p); break;
    case U32: case CHECKSUM: *(uint32_t *)to = rh_get_u32(p); break;
    case U64: *(uint64_t *)to = rh_get_u64(p); break;
    case IDENTITY: memcpy(to, p, RH_WIRE_ID); break;
    case ADDRESS: case WORDS: *(raftcore_slice *)to = (raftcore_slice){.len = rh_get_u16(p)}; break;
    case BYTES: *(raftcore_slice *)to = (raftcore_slice){.len = rh_get_u32(p)}; break;
    case ZEROS: break;
    }
}

static bool read_parts(const uint8_t *p, size_t len, const struct field *fields, struct rh_wire_frame *out)
{
    for (const struct field *f = fields; f->name; f++) {
        if (!has_part(f))
            continue;
        raftcore_slice *part = place(out, f);
        if (part->len > len || part->len > longest_part(f))
            return false;
        part->ptr = p;
        p += part->len;
        len -= part->len;
    }
    return true;
}

int rh_wire_read(const uint8_t *frame, size_t len, struct rh_wire_frame *out)
{
    struct rh_wire_frame read = {0};

    if (len < RH_WIRE_HEADER + HEAD || rh_get_u32(frame) != len - RH_WIRE_HEADER || frame[RH_WIRE_HEADER] != MARK)
        return RH_WIRE_E_MALFORMED;
    const uint8_t *body = frame + RH_WIRE_HEADER;
    size_t fixed = rh_get_u16(body + 2), left = len - RH_WIRE_HEADER - HEAD;
    const struct field *fields = fields_of(body[1]);
    if (fixed > left)
        return RH_WIRE_E_MALFORMED;
    if (!fields)
        return body[1] < 128 ? RH_WIRE_SKIP : RH_WIRE_E_UNKNOWN;
    if (fixed < all_fixed_bytes(fields))
        return RH_WIRE_E_MALFORMED;

    read.group = rh_get_u64(frame + 4);
    read.type = body[1];
    const uint8_t *p = body + HEAD;
    for (const struct field *f = fields; f->name; p += fixed_bytes(f), f++)
        read_fixed(p, f, &read);
    if (!read_parts(body + HEAD + fixed, left - fixed, fields, &read))
        return RH_WIRE_E_MALFORMED;
    *out = read;
    return RH_WIRE_OK;
}

/* Returns the bytes of all parts; SIZE_MAX if a part is too long. */
static size_t all_parts(const struct rh_wire_frame *frame, const struct field *fields, size_t *last)
{
    size_t sum = 0;

    *last = 0;
    for (const struct field *f = fields; f->name; f++) {
        if (!has_part(f))
            continue;
        *last = ((const raftcore_slice *)place(frame, f))->len;
        if (*last > longest_part(f))
            return SIZE_MAX;
        sum += *last;
    }
    return sum;
}

static uint8_t *write_fixed(uint8_t *p, const struct field *f, const struct rh_wire_frame *frame)
{
    const void *from = f->kind == ZEROS ? NULL : place(frame, f);

    switch (f->kind) {
    case U8: *p = *(const uint8_t *)from; break;
    case U16: rh_put_u16(p, *(const uint16_t *)from); break;
    case U32: case CHECKSUM: rh_put_u32(p, *(const uint32_t *)from); break;
    case U64: rh_put_u64(p, *(const uint64_t *)from); break;
    case IDENTITY: memcpy(p, from, RH_WIRE_ID); break;
    case ADDRESS: case WORDS: rh_put_u16(p, (uint16_t)((const raftcore_slice *)from)->len); break;
    case BYTES: rh_put_u32(p, (uint32_t)((const raftcore_slice *)from)->len); break;
    case ZEROS: memset(p, 0, f->at); break;
    }
    return p + fixed_bytes(f);
}

/* Writes a frame, or all of a frame except the last part. */
static size_t write_frame(const struct rh_wire_frame *frame, uint8_t *to, size_t cap, bool without_last)
{
    const struct field *fields = fields_of(frame->type);
    size_t last = 0, parts = fields ? all_parts(frame, fields, &last) : SIZE_MAX;

    if (parts == SIZE_MAX)
        return 0;
    size_t fixed = all_fixed_bytes(fields), apart = without_last ? last : 0;
    size_t body = HEAD + fixed + parts, written = RH_WIRE_HEADER + body - apart;
    if (written > cap)
        return written;
    rh_put_u32(to, (uint32_t)body);
    rh_put_u64(to + 4, frame->group);
    uint8_t *p = to + RH_WIRE_HEADER;
    *p++ = MARK;
    *p++ = frame->type;
    rh_put_u16(p, (uint16_t)fixed);
    p += 2;
    for (const struct field *f = fields; f->name; f++)
        p = write_fixed(p, f, frame);
    for (const struct field *f = fields; f->name && p < to + written; f++) {
        if (!has_part(f))
            continue;
        const raftcore_slice *part = place(frame, f);
        if (part->len > 0)
            memcpy(p, part->ptr, part->len);
        p += part->len;
    }
    return written;
}

size_t rh_wire_write(const struct rh_wire_frame *f, uint8_t *to, size_t cap)
{
    return write_frame(f, to, cap, false);
}

size_t rh_wire_write_head(const struct rh_wire_frame *f, uint8_t *to, size_t cap)
{
    return write_frame(f, to, cap, true);
}

bool rh_wire_chunk_is_good(const struct rh_wire_frame *f)
{
    return rh_crc32c(0, f->chunk.data.ptr, f->chunk.data.len) == f->chunk.checksum;
}

/* ---- text ---- */

struct text {
    char *to;
    size_t cap, len;                            /* len counts on when cap is reached */
};

static void add(struct text *t, const char *s)
{
    for (; *s; s++, t->len++)
        if (t->len + 1 < t->cap)
            t->to[t->len] = *s;
}

static void add_hex(struct text *t, const uint8_t *bytes, size_t len)
{
    static const char digit[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++)
        add(t, (char[]){digit[bytes[i] >> 4], digit[bytes[i] & 15], 0});
}

static void add_quoted(struct text *t, raftcore_slice s)
{
    add(t, "\"");
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (c >= ' ' && c < 127 && c != '"' && c != '\\') {
            add(t, (char[]){(char)c, 0});
        } else {
            add(t, "\\x");
            add_hex(t, &c, 1);
        }
    }
    add(t, "\"");
}

static void add_value(struct text *t, const struct field *f, const void *from)
{
    char number[24];
    unsigned long long value = 0;

    switch (f->kind) {
    case IDENTITY: add_hex(t, from, RH_WIRE_ID); return;
    case ADDRESS: case WORDS: add_quoted(t, *(const raftcore_slice *)from); return;
    case BYTES: add_hex(t, ((const raftcore_slice *)from)->ptr, ((const raftcore_slice *)from)->len); return;
    case U8: value = *(const uint8_t *)from; break;
    case U16: value = *(const uint16_t *)from; break;
    case U32: case CHECKSUM: value = *(const uint32_t *)from; break;
    case U64: value = *(const uint64_t *)from; break;
    case ZEROS: return;
    }
    snprintf(number, sizeof number, f->kind == CHECKSUM ? "%08llx" : "%llu", value);
    add(t, number);
}

size_t rh_wire_text(const struct rh_wire_frame *frame, char *to, size_t cap)
{
    struct text t = {.to = to, .cap = cap};
    const struct field *fields = fields_of(frame->type);

    for (const struct field *f = fields; f && f->name; f++) {
        if (f->kind == ZEROS)
            continue;
        if (t.len > 0)
            add(&t, " ");
        add(&t, f->name);
        add(&t, "=");
        add_value(&t, f, place(frame, f));
    }
    if (cap > 0)
        to[t.len < cap ? t.len : cap - 1] = 0;
    return t.len;
}
