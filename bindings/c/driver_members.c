/*
 * driver_members.c: the address book, joining, membership changes, promotion.
 *
 * The book is applied state. Only membership changes and snapshots change the book, and the log has
 * the book beside each membership. Addresses from hellos and JOINED frames are hints until then.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "driver_parts.h"

enum { BLOB_HEAD = 8, BLOB_FORCED = 1, ASK_US = 1000000 };

/* ---- the book ---- */

struct rh_record *rh_record_find(const struct rh_driver *d, uint64_t id)
{
    for (size_t i = 0; i < d->n_records; i++)
        if (d->records[i].id == id)
            return &d->records[i];
    return NULL;
}

static struct rh_record *record_make(struct rh_driver *d, uint64_t id)
{
    struct rh_record *r = rh_record_find(d, id);

    if (r || id == 0)
        return r;
    if (d->n_records == d->cap_records) {
        size_t cap = d->cap_records + 16;
        struct rh_record *records = realloc(d->records, cap * sizeof *records);
        if (!records)
            return NULL;
        d->records = records;
        d->cap_records = cap;
    }
    r = &d->records[d->n_records++];
    memset(r, 0, sizeof *r);
    r->id = id;
    return r;
}

static void set_text(char to[RH_WIRE_ADDRESS_MAX + 1], raftcore_slice text)
{
    size_t len = text.len <= RH_WIRE_ADDRESS_MAX ? text.len : 0;

    if (len > 0)
        memcpy(to, text.ptr, len);
    to[len] = 0;
}

static int take_book(struct rh_driver *d, raftcore_slice bytes, bool hint)
{
    struct rh_wire_book book;
    struct rh_wire_member m;

    if (rh_wire_book_open(bytes, &book) != RH_WIRE_OK)
        return RH_NONE;                 /* a change without addresses */
    while (rh_wire_book_next(&book, &m) == RH_WIRE_OK) {
        struct rh_record *old = rh_record_find(d, m.id), *r = old ? old : record_make(d, m.id);
        if (!r)
            return RH_E_NOMEM;
        if (hint && old)
            continue;
        memcpy(r->disk, m.disk, sizeof r->disk);
        set_text(r->peer, m.peer_address);
        set_text(r->client, m.client_address);
        r->hint = hint;
    }
    return RH_OK;
}

void rh_take_hint(struct rh_driver *d, const struct rh_net_hello *hello)
{
    struct rh_record *old = rh_record_find(d, hello->id), *r = old ? old : record_make(d, hello->id);

    if (!r || r->peer[0])
        return;
    set_text(r->peer, hello->peer_address);
    set_text(r->client, hello->client_address);
    r->hint = r->hint || !old;
    rh_dial_members(d);
}

int rh_take_book(struct rh_driver *d, raftcore_slice book)
{
    return take_book(d, book, false);
}

size_t rh_book_bytes(const struct rh_driver *d, uint8_t **out)
{
    struct rh_wire_member *m = calloc(d->n_records + 1, sizeof *m);
    size_t n = 0, len = 0;

    *out = NULL;
    if (!m)
        return 0;
    for (size_t i = 0; i < d->n_records; i++) {
        const struct rh_record *r = &d->records[i];
        if (r->hint)
            continue;
        m[n].id = r->id;
        memcpy(m[n].disk, r->disk, sizeof r->disk);
        m[n].peer_address = (raftcore_slice){(const uint8_t *)r->peer, strlen(r->peer)};
        m[n++].client_address = (raftcore_slice){(const uint8_t *)r->client, strlen(r->client)};
    }
    len = rh_wire_book_write(m, n, NULL, 0);
    if (len > 0 && (*out = malloc(len)))
        len = rh_wire_book_write(m, n, *out, len);
    free(m);
    return *out ? len : 0;
}

/* A membership as the log has it: length of the ConfState (4), flags (4), ConfState, book. */
uint8_t *rh_blob_make(const struct rh_driver *d, raftcore_slice conf, bool forced, size_t *len)
{
    uint8_t *book, *blob;
    size_t book_len = rh_book_bytes(d, &book);

    *len = BLOB_HEAD + conf.len + book_len;
    blob = book ? malloc(*len) : NULL;
    if (blob) {
        rh_put_u32(blob, (uint32_t)conf.len);
        rh_put_u32(blob + 4, forced ? BLOB_FORCED : 0);
        memcpy(blob + BLOB_HEAD, conf.ptr, conf.len);
        memcpy(blob + BLOB_HEAD + conf.len, book, book_len);
    }
    free(book);
    return blob;
}

bool rh_blob_open(raftcore_slice blob, raftcore_slice *conf, raftcore_slice *book, bool *forced)
{
    if (blob.len < BLOB_HEAD || rh_get_u32(blob.ptr) > blob.len - BLOB_HEAD)
        return false;
    *conf = (raftcore_slice){blob.ptr + BLOB_HEAD, rh_get_u32(blob.ptr)};
    *book = (raftcore_slice){conf->ptr + conf->len, blob.len - BLOB_HEAD - conf->len};
    *forced = rh_get_u32(blob.ptr + 4) & BLOB_FORCED;
    return true;
}

static bool listed(const uint64_t *ids, uint32_t n, uint64_t id)
{
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static int make_records(struct rh_driver *d, const uint64_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!record_make(d, ids[i]))
            return RH_E_NOMEM;
    return RH_OK;
}

int rh_set_membership(struct rh_driver *d, const raftcore_conf *c)
{
    uint8_t *bytes = malloc(c->bytes.len + 1);

    if (!bytes || make_records(d, c->voters, c->n_voters) || make_records(d, c->outgoing, c->n_outgoing) ||
        make_records(d, c->learners, c->n_learners) || make_records(d, c->learners_next, c->n_learners_next)) {
        free(bytes);
        return RH_E_NOMEM;
    }
    memcpy(bytes, c->bytes.ptr, c->bytes.len);
    free(d->conf);
    d->conf = bytes;
    d->conf_len = c->bytes.len;
    for (size_t i = 0; i < d->n_records; i++) {
        struct rh_record *r = &d->records[i];
        r->voter = listed(c->voters, c->n_voters, r->id) || listed(c->outgoing, c->n_outgoing, r->id);
        r->learner = !r->voter && (listed(c->learners, c->n_learners, r->id) ||
                                   listed(c->learners_next, c->n_learners_next, r->id));
        r->hint = r->hint && !r->voter && !r->learner;
        r->wants_vote = r->wants_vote && r->learner;
    }
    rh_dial_members(d);
    return RH_OK;
}

void rh_dial_members(struct rh_driver *d)
{
    for (size_t i = 0; d->connected && i < d->n_records; i++) {
        struct rh_record *r = &d->records[i];
        const char *address = r->id != d->o.id && (r->voter || r->learner || r->hint) ? r->peer : "";
        if (strcmp(address, r->dialled) == 0)
            continue;
        int code = d->net.ops->peer(d->net.self, r->id, address);
        if (code < 0)
            rh_driver_say(d, RH_LOG_WARNING, "node %llu cannot be reached at %s: %s", (ull)r->id, address, rh_strerror(code));
        memcpy(r->dialled, address, strlen(address) + 1);
    }
}

/* ---- changes: a raftpb ConfChangeV2 of one step, with a book of one member ---- */

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

static bool is_caught_up(const struct rh_driver *d, uint64_t id)
{
    raftcore_peer peers[256];
    size_t n = 0;

    if (raftcore_get_peers(d->node, peers, 256, &n) != RAFTCORE_OK)
        return false;
    for (size_t i = 0; i < n && i < 256; i++)
        if (peers[i].id == id)
            return peers[i].flags & RAFTCORE_PF_CAUGHT_UP;
    return false;
}

/* Rules that keep a group alive, beyond those of the core. */
static const char *step_fault(struct rh_driver *d, uint64_t change, uint64_t id, char *buf, size_t cap)
{
    const struct rh_record *r = rh_record_find(d, id);
    bool member = r && (r->voter || r->learner);

    if (change == RAFTCORE_CHANGE_ADD_NODE && !(r && r->learner))
        snprintf(buf, cap, "node %llu is no learner: a node joins as a learner first", (ull)id);
    else if (change == RAFTCORE_CHANGE_ADD_NODE && !is_caught_up(d, id))
        snprintf(buf, cap, "the log of node %llu is too far behind", (ull)id);
    else if (change == RAFTCORE_CHANGE_ADD_LEARNER && member)
        snprintf(buf, cap, "node %llu is a member already", (ull)id);
    else if (change == RAFTCORE_CHANGE_ADD_LEARNER && r && !r->hint)
        snprintf(buf, cap, "node %llu was removed: its id never comes back", (ull)id);
    else if (change == RAFTCORE_CHANGE_REMOVE_NODE && !member)
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
        const char *fault = tag == 0x12 ? read_step(d, p, p + x, buf, cap) : NULL;
        if (fault)
            return fault;
        p += x;
    }
    return NULL;
}

/* ---- joining ---- */

/* Fills in the answer to a JOIN. */
static void judge_join(struct rh_driver *d, const struct rh_wire_frame *f, const struct rh_net_hello *hello,
                       struct rh_wire_frame *out, char *words, size_t cap)
{
    struct rh_record *r = rh_record_find(d, hello->id);
    char peer[RH_WIRE_ADDRESS_MAX + 1], client[RH_WIRE_ADDRESS_MAX + 1];

    out->joined.retry_ms = 100;
    out->joined.status = RH_WIRE_WAIT;
    if (r && r->hint)
        r = NULL;
    bool member = r && (r->voter || r->learner);
    if (r && !rh_is_zero(r->disk, sizeof r->disk) && memcmp(r->disk, hello->disk, sizeof r->disk) != 0) {
        out->joined.status = RH_WIRE_JOIN_REFUSED;
        out->joined.code = RH_WIRE_R_DISK;
        snprintf(words, cap, "id %llu was used by another directory: take a new id", (ull)hello->id);
    } else if (r && !member) {
        out->joined.status = RH_WIRE_JOIN_REFUSED;
        out->joined.code = RH_WIRE_R_NOT_MEMBER;
        snprintf(words, cap, "id %llu was removed: take a new id and an empty directory", (ull)hello->id);
    } else if (d->role != RAFTCORE_ROLE_LEADER) {
        out->joined.status = d->leader ? RH_WIRE_NOT_THE_LEADER : RH_WIRE_WAIT;
    } else if (member) {
        out->joined.status = RH_WIRE_MEMBER;
        out->joined.index = d->conf_index;
        r->wants_vote = f->join.want == RH_WIRE_WANT_VOTER && r->learner;
    } else {
        set_text(peer, hello->peer_address);
        set_text(client, hello->client_address);
        struct rh_pending *p =
            rh_pending_change(RAFTCORE_CHANGE_ADD_LEARNER, hello->id, hello->disk, peer, client, 0);
        if (p)
            rh_driver_submit(d, p);
    }
}

void rh_take_join(struct rh_driver *d, uint64_t from, const struct rh_wire_frame *f, const struct rh_net_hello *hello)
{
    struct rh_wire_frame out = {.group = d->o.group, .type = RH_WIRE_JOINED};
    char words[160] = "";
    uint8_t *book = NULL;

    if (!hello || !d->node)
        return;
    judge_join(d, f, hello, &out, words, sizeof words);
    out.joined.leader = d->leader;
    memcpy(out.joined.founding, d->dir->owner.founding, RH_WIRE_ID);
    out.joined.words = (raftcore_slice){(const uint8_t *)words, strlen(words)};
    out.joined.book.len = rh_book_bytes(d, &book);
    out.joined.book.ptr = book;
    d->net.ops->answer(d->net.self, from, &out);
    free(book);
}

static void joined(struct rh_driver *d, const struct rh_wire_frame *f)
{
    struct rh_words why = {""};

    if (rh_dir_set_founding(d->dir, f->joined.founding, &why) != RH_OK) {
        rh_driver_fail(d, RH_E_OWNER, "%s", why.text);
        return;
    }
    d->joining = false;
    d->net.ops->founding(d->net.self, d->dir->owner.founding);
    if (take_book(d, f->joined.book, true) < 0 || rh_boot_node(d, &why) != RH_OK) {
        rh_driver_fail(d, RH_E_CORE, "%s", why.text);
        return;
    }
    rh_dial_members(d);
    rh_driver_say(d, RH_LOG_INFO, "node %llu is a learner of the group; the state comes next", (ull)d->o.id);
}

static void dial_to_join(struct rh_driver *d, const char *address)
{
    if (d->net.ops->join(d->net.self, address, d->o.learner ? RH_WIRE_WANT_LEARNER : RH_WIRE_WANT_VOTER) < 0)
        rh_driver_say(d, RH_LOG_ERROR, "%s cannot be dialled", address);
}

void rh_join_again(struct rh_driver *d)
{
    if (!d->connected || d->now - d->join_heard < ASK_US)
        return;
    d->join_heard = d->now;
    dial_to_join(d, d->join);
}

void rh_take_joined(struct rh_driver *d, const struct rh_wire_frame *f)
{
    struct rh_wire_book book;
    struct rh_wire_member m;

    char leader[RH_WIRE_ADDRESS_MAX + 1] = "";

    if (!d->joining)
        return;
    d->join_heard = d->now;
    if (f->joined.status == RH_WIRE_MEMBER) {
        joined(d, f);
    } else if (f->joined.status == RH_WIRE_NOT_THE_LEADER && rh_wire_book_open(f->joined.book, &book) == RH_WIRE_OK) {
        while (rh_wire_book_next(&book, &m) == RH_WIRE_OK)
            if (m.id == f->joined.leader)
                set_text(leader, m.peer_address);
        dial_to_join(d, leader[0] ? leader : d->join);
    } else if (f->joined.status == RH_WIRE_JOIN_REFUSED) {
        rh_driver_fail(d, RH_E_STATE, "the group refuses node %llu: %.*s", (ull)d->o.id, (int)f->joined.words.len,
                       (const char *)f->joined.words.ptr);
    }
}

/* ---- promotion, transfer ---- */

/*
 * Hands the leadership over. 0: to the voter with the longest log among the voters heard within an election
 * timeout. The core's own choice knows only voters heard since the last check of the quorum: just
 * after a check, nobody.
 */
raftcore_code rh_hand_over(struct rh_driver *d, uint64_t to)
{
    raftcore_peer peers[256];
    size_t n = 0;
    const raftcore_peer *best = NULL;

    if (to == 0 && d->role == RAFTCORE_ROLE_LEADER && raftcore_get_peers(d->node, peers, 256, &n) == RAFTCORE_OK) {
        for (size_t i = 0; i < n && i < 256; i++)
            if (peers[i].id != d->o.id && peers[i].flags & RAFTCORE_PF_VOTER &&
                peers[i].silent_ticks < d->o.election_ticks && (!best || peers[i].match_index > best->match_index))
                best = &peers[i];
        to = best ? best->id : 0;
    }
    return raftcore_transfer(d->node, to);
}


static void ask_for_vote(struct rh_driver *d, uint64_t id)
{
    struct rh_pending *p = rh_pending_change(RAFTCORE_CHANGE_ADD_NODE, id, NULL, NULL, NULL, 0);

    d->asked_vote = d->now;
    if (p)
        rh_driver_submit(d, p);
}

/*
 * A leader promotes learners that asked for a vote. The leader's list is gone when another node
 * leads, so a learner asks again.
 */
void rh_promote_learners(struct rh_driver *d)
{
    const struct rh_record *own = rh_record_find(d, d->o.id);

    if (d->now - d->asked_vote < ASK_US || d->leader == 0)
        return;
    if (d->role == RAFTCORE_ROLE_LEADER) {
        for (size_t i = 0; d->ready && i < d->n_records; i++)
            if (d->records[i].wants_vote && is_caught_up(d, d->records[i].id)) {
                ask_for_vote(d, d->records[i].id);
                return;
            }
    } else if (own && own->learner && !d->o.learner) {
        ask_for_vote(d, d->o.id);
    }
}
