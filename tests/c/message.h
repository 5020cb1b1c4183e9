/* Messages of raftpb written by hand, for tests in which a peer says what no peer would. */
#ifndef MESSAGE_H
#define MESSAGE_H
#include "check.h"
#include "raftcore.h"

#include <string.h>

/* Fields of raftpb.Message; of an Entry, a Snapshot, its metadata, a ConfState. */
enum { M_KIND = 1, M_TO, M_FROM, M_TERM, M_LOG_TERM, M_INDEX, M_ENTRIES, M_COMMIT, M_SNAPSHOT, M_REJECT, M_HINT, M_CONTEXT, M_VOTE };
enum { E_KIND = 1, E_TERM, E_INDEX, E_DATA };
enum { S_DATA = 1, S_META };
enum { META_CONF = 1, META_INDEX, META_TERM };
enum { CONF_VOTERS = 1 };

typedef struct bytes { uint8_t at[24 << 10]; size_t len; } bytes;

static inline void put_varint(bytes *b, uint64_t value) {
    do {
        CHECK(b->len < sizeof b->at);
        b->at[b->len++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
}

static inline void put_number(bytes *b, uint32_t field, uint64_t value) {
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, value);
}

static inline void put_bytes(bytes *b, uint32_t field, const void *data, size_t len) {
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, len);
    CHECK(len <= sizeof b->at - b->len);
    if (len > 0)
        memcpy(b->at + b->len, data, len);
    b->len += len;
}

static inline bytes message(uint32_t kind, uint64_t to, uint64_t from, uint64_t term) {
    bytes m = {.len = 0};
    put_number(&m, M_KIND, kind);
    put_number(&m, M_TO, to);
    put_number(&m, M_FROM, from);
    put_number(&m, M_TERM, term);
    return m;
}

static inline void put_entry(bytes *m, uint32_t kind, uint64_t term, uint64_t index, const void *data, size_t len) {
    bytes e = {.len = 0};
    put_number(&e, E_KIND, kind);
    put_number(&e, E_TERM, term);
    put_number(&e, E_INDEX, index);
    if (len > 0)
        put_bytes(&e, E_DATA, data, len);
    put_bytes(m, M_ENTRIES, e.at, e.len);
}

/* A snapshot whose voters are 1 to n. */
static inline void put_snapshot(bytes *m, uint64_t index, uint64_t term, uint64_t n_voters, const void *data, size_t len) {
    bytes conf = {.len = 0}, meta = {.len = 0}, snap = {.len = 0};
    for (uint64_t id = 1; id <= n_voters; id++)
        put_number(&conf, CONF_VOTERS, id);
    put_bytes(&meta, META_CONF, conf.at, conf.len);
    put_number(&meta, META_INDEX, index);
    put_number(&meta, META_TERM, term);
    if (len > 0)
        put_bytes(&snap, S_DATA, data, len);
    put_bytes(&snap, S_META, meta.at, meta.len);
    put_bytes(m, M_SNAPSHOT, snap.at, snap.len);
}

/* The message behind a frame's header. */
static inline bytes framed(const bytes *m, uint64_t group) {
    bytes f = {.len = RAFTCORE_FRAME_HEADER};
    for (int i = 0; i < 4; i++)
        f.at[i] = (uint8_t)(m->len >> (8 * i));
    for (int i = 0; i < 8; i++)
        f.at[4 + i] = (uint8_t)(group >> (8 * i));
    CHECK(m->len <= sizeof f.at - f.len);
    memcpy(f.at + f.len, m->at, m->len);
    f.len += m->len;
    return f;
}

#endif
