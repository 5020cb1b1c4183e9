/*
 * driver_voters.c: nodes that are added, and become voters later: "add" of rh_command.
 *
 * A node is added as a learner. Promotions are refused until the learner's log is near the leader's, so
 * the request asks again and again, for a while. Each question is a request of its own with the ticket.
 */
#include <stdlib.h>

#include "driver_parts.h"

enum { PATIENCE_US = 10 * 1000000, PAUSE_US = 50 * 1000 };

static void tell(struct rh_driver *d, uint64_t ticket, enum rh_what what, const char *words)
{
    const struct rh_outcome o = {.what = what, .words = words};

    d->n_outcomes[what]++;
    if (ticket)
        d->db.outcome(d->db.self, ticket, &o);
}

static void give_up(struct rh_driver *d, uint64_t ticket, const char *words)
{
    char text[RH_WORDS_MAX];

    snprintf(text, sizeof text, "the node is a learner now, and \"promote\" makes it a voter later: %s", words);
    tell(d, ticket, RH_UNKNOWN, text);
}

static bool is_voter(const struct rh_driver *d, uint64_t id)
{
    const struct rh_record *r = rh_record_find(d, id);

    return r && r->voter;
}

bool rh_next_step(struct rh_driver *d, const struct rh_pending *p, enum rh_what what, const char *words)
{
    bool added = p->give_up > 0;

    if (added ? what == RH_DONE : what != RH_DONE)
        return false;                   /* a voter, or not even a learner */
    struct rh_pending *next = rh_pending_change(RAFTCORE_CHANGE_ADD_NODE, p->voter, NULL, NULL, NULL, p->ticket);
    if (!next || d->failed || (added && d->now >= p->give_up)) {
        give_up(d, p->ticket, next ? words : "no memory");
        free(next);
        return true;
    }
    next->voter = p->voter;
    next->give_up = added ? p->give_up : d->now + PATIENCE_US;
    next->again = d->now + (added ? PAUSE_US : 0);
    next->next = d->later;
    d->later = next;
    return true;
}

void rh_promote_later(struct rh_driver *d)
{
    struct rh_pending *list = d->later;

    d->later = NULL;
    while (list) {
        struct rh_pending *p = list;
        list = p->next;
        p->next = NULL;
        if (is_voter(d, p->voter)) {
            tell(d, p->ticket, RH_DONE, "");
            free(p);
        } else if (d->now >= p->again) {
            rh_driver_submit(d, p);
        } else {
            p->next = d->later;
            d->later = p;
        }
    }
}

void rh_end_promotions(struct rh_driver *d, const char *words)
{
    while (d->later) {
        struct rh_pending *p = d->later;
        d->later = p->next;
        give_up(d, p->ticket, words);
        free(p);
    }
}
