/*
 * driver_moved.c: members that come back under another address.
 *
 * The book is applied state, and only an entry changes it. A moved member therefore asks the leader for
 * a change of its own record. Until the change is applied, the others may dial the address of the
 * member's hello instead: not at once, but in turn with the book's, while the member does not answer.
 * So a wrong hello takes no member away that works. Whoever answers must have the member's id and
 * directory, and with TLS the certificate.
 *
 * A moved member hears of no leader, since the leader dials the old address. So the member asks the other
 * members one after another, and the refusal NOT_LEADER names the leader.
 */
#include <stdlib.h>
#include <string.h>

#include "driver_parts.h"

enum { LOOK_US = 1000000 };

/* ---- the others' addresses ---- */

void rh_forget_heard(struct rh_record *r)
{
    r->heard[0] = 0;
}

static void try_other(struct rh_driver *d, struct rh_record *r)
{
    const char *other = strcmp(r->dialled, r->heard) == 0 ? r->peer : r->heard;

    if (!r->down || !r->heard[0] || !(r->voter || r->learner) || r->id == d->o.id || !d->connected)
        return;
    rh_driver_say(d, RH_LOG_DEBUG, "node %llu does not answer at %s: dialling %s", (ull)r->id, r->dialled, other);
    r->down = false;
    rh_dial_at(d, r, other);
}

void rh_hear_address(struct rh_driver *d, struct rh_record *r, raftcore_slice address)
{
    if (address.len == 0 || address.len >= sizeof r->heard)
        return;
    memcpy(r->heard, address.ptr, address.len);
    r->heard[address.len] = 0;
    if (strcmp(r->heard, r->peer) == 0)
        rh_forget_heard(r);
    else if (strcmp(r->heard, r->dialled) != 0)
        try_other(d, r);
}

/* ---- the own address ---- */

static bool is_member(const struct rh_record *r)
{
    return r && !r->hint && (r->voter || r->learner);
}

/* Returns whether the book has this node as it is. */
static bool is_known(const struct rh_driver *d, const struct rh_record *own)
{
    return strcmp(own->peer, d->peer_address) == 0 && strcmp(own->client, d->client_address) == 0 &&
           memcmp(own->disk, d->dir->owner.disk, sizeof own->disk) == 0;
}

/* Returns the member to ask for the leader. 0: there is none. */
static uint64_t whom_to_ask(struct rh_driver *d)
{
    for (size_t i = 0; i < d->n_records; i++) {
        const struct rh_record *r = &d->records[d->tell_next++ % d->n_records];
        if (is_member(r) && r->id != d->o.id)
            return r->id;
    }
    return 0;
}

static void tell_address(struct rh_driver *d)
{
    const struct rh_record *own = rh_record_find(d, d->o.id);

    if (!is_member(own) || is_known(d, own))
        return;
    struct rh_pending *p = rh_pending_change(RAFTCORE_CHANGE_UPDATE_NODE, d->o.id, d->dir->owner.disk, d->peer_address,
                                             d->client_address, 0);
    if (!p)
        return;                         /* the next look tries again */
    rh_driver_say(d, RH_LOG_INFO, "the group knows this node at %s: telling it %s", own->peer, d->peer_address);
    p->ask = whom_to_ask(d);
    p->deadline = d->now + LOOK_US;
    rh_driver_submit(d, p);
}

void rh_look_for_moved(struct rh_driver *d)
{
    if (d->now - d->moved_look < LOOK_US)
        return;
    d->moved_look = d->now;
    rh_dial_members(d);
    for (size_t i = 0; i < d->n_records; i++)
        try_other(d, &d->records[i]);
    tell_address(d);
}

/* ---- rh_set_address ---- */

/* The data are the addresses as texts, each with a zero at the end. The second is left out to keep the book's. */
struct rh_pending *rh_pending_address(uint64_t id, const char *peer_address, const char *client_address,
                                      uint64_t ticket)
{
    size_t peer = strlen(peer_address) + 1, client = client_address ? strlen(client_address) + 1 : 0;
    struct rh_pending *p = rh_pending_new(RH_P_ADDRESS, peer + client, ticket);

    if (!p)
        return NULL;
    p->peer = id;
    memcpy(p->data, peer_address, peer);
    if (client > 0)
        memcpy(p->data + peer, client_address, client);
    return p;
}

struct rh_pending *rh_address_change(struct rh_driver *d, struct rh_pending *p)
{
    struct rh_record *r = rh_record_find(d, p->peer);
    const char *peer = (const char *)p->data;
    size_t len = strlen(peer) + 1;

    if (!is_member(r))
        return p;
    rh_hear_address(d, r, rh_text_slice(peer));
    struct rh_pending *change = rh_pending_change(RAFTCORE_CHANGE_UPDATE_NODE, r->id, r->disk, peer,
                                                  len < p->len ? peer + len : r->client, p->ticket);
    if (!change)
        return p;
    free(p);
    return change;
}

void rh_refuse_address(struct rh_driver *d, struct rh_pending *p)
{
    char words[80];

    snprintf(words, sizeof words, "node %llu is no member", (ull)p->peer);
    rh_refuse(d, p, RH_WIRE_R_INVALID, is_member(rh_record_find(d, p->peer)) ? "no memory for the change" : words);
}
