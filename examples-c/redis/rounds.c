/*
 * rounds.c: when held replies may leave.
 *
 * The reply bytes of a turn of the loop are a round. ROLE, sent behind the replies, asks the server
 * for the position: every effect behind a reply lies before the position. The round may leave once
 *
 *   - the stream is committed up to the position, and
 *   - this node led after the replies came: an entry of a later proposal is committed in the
 *     node's term; or, if the position was proposed before, a read index was confirmed.
 *
 * So no reply shows an effect that could be lost, and no reply is older than the request.
 */
#include <stdlib.h>

#include "sidecar.h"

struct piece {
    struct client *client;
    uint64_t upto;
};

struct round {
    struct round *next;
    uint64_t number, position;
    bool confirmed;               /* this node led after the replies came, once position is committed */
    struct piece *pieces;
    size_t n, cap;
};

static void free_round(struct round *r)
{
    for (size_t i = 0; i < r->n; i++)
        client_unref(r->pieces[i].client);
    free(r->pieces);
    free(r);
}

/* Notes bytes up to `upto`. number: the client's last round, and the place there. */
void rounds_add(struct sidecar *s, struct client *c, uint64_t number[2], uint64_t upto)
{
    struct round *r = s->open;

    if (!r && (r = s->open = calloc(1, sizeof *r)))
        r->number = ++s->n_rounds;
    if (r && number[0] == r->number) {
        r->pieces[number[1]].upto = upto;
        return;
    }
    if (r && r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 64;
        struct piece *more = realloc(r->pieces, cap * sizeof *more);
        if (more) {
            r->pieces = more;
            r->cap = cap;
        }
    }
    if (!r || r->n == r->cap) {
        want_reload(s, "no memory for held replies");
        return;
    }
    number[0] = r->number;
    number[1] = r->n;
    r->pieces[r->n++] = (struct piece){c, upto};
}

void rounds_ask(struct sidecar *s)
{
    if (!s->open || s->asked_round || !server_ask_role(s))
        return;
    s->asked_round = s->open;
    s->open = NULL;
}

void rounds_at(struct sidecar *s, uint64_t position)
{
    struct round *r = s->asked_round;

    s->asked_round = NULL;
    if (!r)
        return;
    r->position = position;
    r->confirmed = position > s->proposed;
    if (s->last_round)
        s->last_round->next = r;
    else
        s->first_round = r;
    s->last_round = r;
    source_flush(s, true);
    if (!r->confirmed && rh_read(s->host, ticket_of(TICKET_ROUND, r->number)) != RH_OK)
        rounds_readable(s, r->number, false);
    s->turn = true;
}

void rounds_readable(struct sidecar *s, uint64_t number, bool readable)
{
    struct round *r = s->first_round;

    while (r && r->number != number)
        r = r->next;
    if (!r)
        return;
    for (size_t i = 0; !readable && i < r->n; i++) /* the leader is not confirmed: unknown */
        client_close(r->pieces[i].client);
    r->confirmed = true;
}

void rounds_release(struct sidecar *s)
{
    while (s->stage == SERVE && s->first_round && s->first_round->confirmed && s->first_round->position <= s->log_end) {
        struct round *r = s->first_round;
        s->first_round = r->next;
        if (!r->next)
            s->last_round = NULL;
        for (size_t i = 0; i < r->n; i++)
            client_release(r->pieces[i].client, r->pieces[i].upto);
        free_round(r);
    }
}

void rounds_clear(struct sidecar *s)
{
    struct round *r;

    if (s->open)
        free_round(s->open);
    if (s->asked_round)
        free_round(s->asked_round);
    while ((r = s->first_round)) {
        s->first_round = r->next;
        free_round(r);
    }
    s->open = s->asked_round = s->last_round = NULL;
}
