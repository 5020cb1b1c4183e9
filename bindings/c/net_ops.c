/*
 * net_ops.c: the calls of the driver.
 *
 * The driver may call from inside of its own events. So nothing here calls the driver, and nothing
 * is freed: a failed connection is only marked.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "net_parts.h"

static raftcore_slice slice_of(const char *text)
{
    return (raftcore_slice){(const uint8_t *)text, strlen(text)};
}

/* ---- peers ---- */

static void forget(struct rh_tcp *net, struct rh_peer *p)
{
    rh_sending_withdraw(net, p);
    p->gone = net->any_gone = true;
    rh_net_wake(net, 0);
    p->dial.conn = p->bulk.conn = NULL;
    for (struct rh_conn *c = net->conns; c; c = c->next)
        if (c->id == p->id && c->channel != RH_WIRE_JOINING)
            rh_conn_finish(c);          /* a last message may tell the peer that it is no member any more */
}

/* The next frames go to the new address. */
static void move(struct rh_tcp *net, struct rh_dial *d, const char *address)
{
    if (d->conn)
        rh_conn_break(d->conn, "the address changed to %s", address);
    snprintf(d->address, sizeof d->address, "%s", address);
    d->lookup = 0;
    d->attempts = 0;
    rh_dial_reset(net, d);
}

static int op_peer(void *self, uint64_t id, const char *address)
{
    struct rh_tcp *net = self;
    struct rh_peer *p = rh_peer_find(net, id);

    if (address[0] == 0) {
        if (p)
            forget(net, p);
        return RH_OK;
    }
    if (id == 0 || id == net->self.id || !rh_wire_is_address(slice_of(address)))
        return RH_E_ARG;
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return RH_E_NOMEM;
        p->id = p->totals.id = id;
        p->next = net->peers;
        net->peers = p;
    }
    if (strcmp(p->dial.address, address) == 0)
        return RH_OK;
    move(net, &p->dial, address);
    move(net, &p->bulk, address);
    return RH_OK;
}

/* ---- frames ---- */

/* Frames come in pieces: a piece may end in the middle of a frame, even of a header. */
struct measure {
    size_t bytes, longest;              /* of all frames; of the longest, header included */
    uint64_t left;                      /* bytes of the current frame that are still to come */
    uint8_t head[4];                    /* of a frame: its length */
    unsigned got;
};

static void measure_piece(struct measure *m, raftcore_slice piece)
{
    m->bytes += piece.len;
    for (size_t at = 0; at < piece.len;) {
        if (m->left > 0) {
            size_t skip = m->left < piece.len - at ? (size_t)m->left : piece.len - at;
            m->left -= skip;
            at += skip;
            continue;
        }
        m->head[m->got++] = piece.ptr[at++];
        if (m->got < sizeof m->head)
            continue;
        m->got = 0;
        m->left = (uint64_t)rh_get_u32(m->head) + RH_WIRE_HEADER - sizeof m->head;
        if (m->left + sizeof m->head > m->longest)
            m->longest = (size_t)m->left + sizeof m->head;
    }
}

static bool is_too_long(struct rh_tcp *net, const struct rh_peer *p, const struct measure *m)
{
    const struct rh_conn *c = p->dial.conn;

    if (!c || c->state != RH_CONN_OPEN || m->longest <= c->their_max)
        return false;
    if (rh_tell_first(net, p->dial.address, RH_TOLD_LONG))
        rh_say(net, RH_LOG_ERROR, "a frame of %zu bytes for node %llu is longer than the %u that it takes", m->longest,
               (ull)p->id, c->their_max);
    return true;
}

static int op_send(void *self, uint64_t to, const raftcore_slice *frames, size_t n)
{
    struct rh_tcp *net = self;
    struct rh_peer *p = rh_peer_find(net, to);
    bool taken = true;

    if (!p)
        return RH_E_RANGE;
    struct rh_conn *c = p->dial.conn;
    bool open = c && c->state == RH_CONN_OPEN && !c->broken;
    size_t waiting = open ? rh_buf_len(&c->out) : rh_buf_len(&p->queue);
    struct measure m = {0};
    for (size_t i = 0; i < n; i++)
        measure_piece(&m, frames[i]);
    size_t bytes = m.bytes;
    if (is_too_long(net, p, &m) || (waiting > 0 && waiting + bytes > net->queue_bytes) ||
        rh_dial_is_held(net, &p->dial)) {
        p->totals.drops++;
        return RH_E_SMALL;
    }
    if (open)
        taken = rh_conn_send(c, frames, n, bytes);
    else if (rh_buf_reserve(&p->queue, bytes))
        for (size_t i = 0; i < n; i++)
            rh_buf_add(&p->queue, frames[i].ptr, frames[i].len);
    else
        taken = false;
    if (!open)
        rh_net_wake(net, p->dial.retry_at);
    *(taken ? &p->totals.sends : &p->totals.drops) += 1;
    return taken ? RH_OK : RH_E_SMALL;
}

static struct rh_conn *find_number(struct rh_tcp *net, uint64_t number)
{
    for (struct rh_conn *c = net->conns; c; c = c->next)
        if (c->number == number)
            return c;
    return NULL;
}

static int op_answer(void *self, uint64_t from, const struct rh_wire_frame *frame)
{
    struct rh_tcp *net = self;
    struct rh_conn *c = from ? find_number(net, from) : net->handing;
    struct rh_wire_frame f = *frame;

    if (!c || c->dialled || c->broken || c->state != RH_CONN_OPEN)
        return RH_NONE;
    if (f.type == RH_WIRE_OUTCOME) {
        c->unanswered -= c->unanswered > 0;
        if (rh_wire_write(&f, NULL, 0) > c->their_max) {
            f.outcome.outcome = RH_WIRE_UNKNOWN;
            f.outcome.result = (raftcore_slice){NULL, 0};
            f.outcome.words = slice_of("the result is longer than a frame may be");
        }
    }
    if (rh_buf_len(&c->out) > net->queue_bytes) {
        rh_conn_break(c, "%zu bytes of answers wait: the other side does not read", rh_buf_len(&c->out));
        return RH_NONE;
    }
    return rh_conn_frame(c, f) ? RH_OK : RH_NONE;
}

/* ---- snapshots, joining ---- */

static int op_offer(void *self, uint64_t to, const struct rh_snapshot *what)
{
    struct rh_peer *p = rh_peer_find(self, to);

    return p ? rh_sending_begin(self, p, what) : RH_E_RANGE;
}

static void op_withdraw(void *self, uint64_t to)
{
    struct rh_peer *p = rh_peer_find(self, to);

    if (p)
        rh_sending_withdraw(self, p);
}

static int op_join(void *self, const char *address, uint8_t want)
{
    struct rh_tcp *net = self;

    if (!rh_wire_is_address(slice_of(address)))
        return RH_E_ARG;
    if (net->join.dial.conn)
        rh_conn_finish(net->join.dial.conn);
    net->join.dial = (struct rh_dial){0};
    snprintf(net->join.dial.address, sizeof net->join.dial.address, "%s", address);
    net->join.want = want;
    net->join.active = true;
    rh_net_wake(net, 0);
    return RH_OK;
}

static void op_founding(void *self, const uint8_t founding[RH_WIRE_ID])
{
    struct rh_tcp *net = self;

    memcpy(net->self.founding, founding, RH_WIRE_ID);
    net->self.empty = false;
}

const struct rh_net_ops rh_net_tcp_ops = {
    .struct_size = sizeof rh_net_tcp_ops,
    .peer = op_peer,
    .send = op_send,
    .answer = op_answer,
    .offer = op_offer,
    .withdraw = op_withdraw,
    .join = op_join,
    .founding = op_founding,
};
