/*
 * driver_members.c: the address book, joining, promotion.
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
    size_t at = d->n_records++;
    for (; at > 0 && d->records[at - 1].id > id; at--)      /* in the order of ids */
        d->records[at] = d->records[at - 1];
    r = &d->records[at];
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
        rh_forget_heard(r);
    }
    return RH_OK;
}

void rh_take_hint(struct rh_driver *d, const struct rh_net_hello *hello)
{
    struct rh_record *old = rh_record_find(d, hello->id), *r = old ? old : record_make(d, hello->id);

    if (r && r->peer[0])
        rh_hear_address(d, r, hello->peer_address);
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

void rh_dial_at(struct rh_driver *d, struct rh_record *r, const char *address)
{
    if (strcmp(address, r->dialled) == 0)
        return;
    int code = d->net.ops->peer(d->net.self, r->id, address);
    if (code < 0)
        rh_driver_say(d, RH_LOG_WARNING, "node %llu cannot be reached at %s: %s", (ull)r->id, address, rh_strerror(code));
    if (code == RH_E_NOMEM)
        return;                         /* rh_look_for_moved tries again */
    snprintf(r->dialled, sizeof r->dialled, "%s", address);
}

void rh_dial_members(struct rh_driver *d)
{
    for (size_t i = 0; d->connected && i < d->n_records; i++) {
        struct rh_record *r = &d->records[i];
        bool wanted = r->id != d->o.id && (r->voter || r->learner || r->hint);
        bool at_heard = r->heard[0] && strcmp(r->heard, r->dialled) == 0;
        rh_dial_at(d, r, !wanted ? "" : at_heard ? r->heard : r->peer);
    }
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
            if (d->records[i].wants_vote && rh_is_caught_up(d, d->records[i].id)) {
                ask_for_vote(d, d->records[i].id);
                return;
            }
    } else if (own && own->learner && !d->o.learner) {
        ask_for_vote(d, d->o.id);
    }
}
