/*
 * driver_changes.c: membership changes as bytes, and the rules that the leader's host has beyond the core's.
 *
 * A change is a raftpb ConfChangeV2 of one step, with a book of one member.
 */
#include <string.h>

#include "driver_parts.h"

static uint8_t *put_varint(uint8_t *to, uint64_t x)
{
    for (; x >= 128; x >>= 7)
        *to++ = (uint8_t)(x | 128);
    *to++ = (uint8_t)x;
    return to;
}

static bool get_varint(const uint8_t **p, const uint8_t *end, uint64_t *x)
{
    *x = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t byte = *(*p)++;
        *x |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

struct rh_pending *rh_pending_change(uint32_t change, uint64_t id, const uint8_t *disk, const char *peer_address,
                                     const char *client_address, uint64_t ticket)
{
    uint8_t step[32], book[700], *end = step;
    struct rh_wire_member m = {.id = id};
    size_t len = 0;

    if (change)
        *end++ = 0x08, end = put_varint(end, change);
    *end++ = 0x10;
    end = put_varint(end, id);
    if (disk)
        memcpy(m.disk, disk, sizeof m.disk);
    if (peer_address) {
        m.peer_address = (raftcore_slice){(const uint8_t *)peer_address, strlen(peer_address)};
        m.client_address = (raftcore_slice){(const uint8_t *)client_address, strlen(client_address)};
        len = rh_wire_book_write(&m, 1, book, sizeof book);
    }
    struct rh_pending *p = rh_pending_new(RH_P_CHANGE, (size_t)(end - step) + len + 16, ticket);
    if (!p)
        return NULL;
    uint8_t *to = p->data;
    *to++ = 0x12;
    to = put_varint(to, (uint64_t)(end - step));
    memcpy(to, step, (size_t)(end - step));
    to += end - step;
    if (len > 0) {
        *to++ = 0x1a;
        to = put_varint(to, len);
        memcpy(to, book, len);
        to += len;
    }
    p->len = (size_t)(to - p->data);
    return p;
}

/* Finds what the leader knows of a member's log. */
static bool find_peer(const struct rh_driver *d, uint64_t id, raftcore_peer *out)
{
    raftcore_peer peers[256];
    size_t n = 0;

    if (raftcore_get_peers(d->node, peers, 256, &n) != RAFTCORE_OK)
        return false;
    for (size_t i = 0; i < n && i < 256; i++)
        if (peers[i].id == id) {
            *out = peers[i];
            return true;
        }
    return false;
}

bool rh_is_caught_up(const struct rh_driver *d, uint64_t id)
{
    raftcore_peer peer;

    return find_peer(d, id, &peer) && peer.flags & RAFTCORE_PF_CAUGHT_UP;
}

static void say_how_far_behind(const struct rh_driver *d, uint64_t id, char *buf, size_t cap)
{
    raftcore_peer peer = {.id = id};
    raftcore_status s = {.struct_size = sizeof s};

    if (raftcore_get_status(d->node, &s) != RAFTCORE_OK)
        s.last_index = 0;
    find_peer(d, id, &peer);
    snprintf(buf, cap, "node %llu has not caught up: it is at %llu, the log ends at %llu", (ull)id,
             (ull)peer.match_index, (ull)s.last_index);
}

/* Rules that keep a group alive, beyond those of the core. */
static const char *step_fault(struct rh_driver *d, uint64_t change, uint64_t id, char *buf, size_t cap)
{
    const struct rh_record *r = rh_record_find(d, id);
    bool member = r && (r->voter || r->learner);

    if (change == RAFTCORE_CHANGE_ADD_NODE && r && r->voter)
        snprintf(buf, cap, "node %llu is a voter already", (ull)id);
    else if (change == RAFTCORE_CHANGE_ADD_NODE && !(r && r->learner))
        snprintf(buf, cap, "node %llu is no learner: a node joins as a learner first", (ull)id);
    else if (change == RAFTCORE_CHANGE_ADD_NODE && !rh_is_caught_up(d, id))
        say_how_far_behind(d, id, buf, cap);
    else if (change == RAFTCORE_CHANGE_ADD_LEARNER && member)
        snprintf(buf, cap, "node %llu is a member already", (ull)id);
    else if (change == RAFTCORE_CHANGE_ADD_LEARNER && r && !r->hint)
        snprintf(buf, cap, "node %llu was removed: its id never comes back", (ull)id);
    else if ((change == RAFTCORE_CHANGE_REMOVE_NODE || change == RAFTCORE_CHANGE_UPDATE_NODE) && !member)
        snprintf(buf, cap, "node %llu is no member", (ull)id);
    else
        return NULL;
    return buf;
}

/* Reads a step of a ConfChangeV2, and returns why the leader's host refuses the step. NULL: no reason. */
static const char *read_step(struct rh_driver *d, const uint8_t *p, const uint8_t *end, char *buf, size_t cap)
{
    uint64_t tag, x, change = 0, id = 0;

    while (p < end) {
        if (!get_varint(&p, end, &tag) || !get_varint(&p, end, &x))
            return "the change is malformed";
        if (tag == 0x08)
            change = x;
        if (tag == 0x10)
            id = x;
    }
    return step_fault(d, change, id, buf, cap);
}

/* The records of a change replace those of the book. A directory never changes. */
static const char *book_fault(struct rh_driver *d, raftcore_slice bytes, char *buf, size_t cap)
{
    struct rh_wire_book book;
    struct rh_wire_member m;

    if (rh_wire_book_open(bytes, &book) != RH_WIRE_OK)
        return NULL;
    while (rh_wire_book_next(&book, &m) == RH_WIRE_OK) {
        const struct rh_record *r = rh_record_find(d, m.id);
        if (r && !r->hint && !rh_is_zero(r->disk, sizeof r->disk) && memcmp(r->disk, m.disk, sizeof r->disk) != 0) {
            snprintf(buf, cap, "node %llu has another directory", (ull)m.id);
            return buf;
        }
    }
    return NULL;
}

const char *rh_change_fault(struct rh_driver *d, raftcore_slice change, char *buf, size_t cap)
{
    const uint8_t *p = change.ptr, *end = p + change.len;
    uint64_t tag, x;

    while (p < end) {
        if (!get_varint(&p, end, &tag) || !get_varint(&p, end, &x))
            return "the change is malformed";
        if (tag == 0x08)
            continue;
        if (x > (uint64_t)(end - p))
            return "the change is malformed";
        const char *fault = tag == 0x12   ? read_step(d, p, p + x, buf, cap)
                            : tag == 0x1a ? book_fault(d, (raftcore_slice){p, (size_t)x}, buf, cap)
                                          : NULL;
        if (fault)
            return fault;
        p += x;
    }
    return NULL;
}
