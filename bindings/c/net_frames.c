/*
 * net_frames.c: the frames of an open connection. Each channel has its own, in each direction; any
 * other frame is a fault of the sender.
 */
#include <string.h>

#include "net_parts.h"

/* Returns whether a frame belongs on a connection. */
static bool belongs(const struct rh_conn *c, uint8_t type)
{
    switch (type) {
    case RH_WIRE_PING: return !c->dialled;
    case RH_WIRE_PONG: return c->dialled;
    case RH_WIRE_REQUEST: return c->channel == RH_WIRE_PEER && !c->dialled;
    case RH_WIRE_OUTCOME: return c->channel == RH_WIRE_PEER && c->dialled;
    case RH_WIRE_ABORT: return c->channel == RH_WIRE_BULK || (c->channel == RH_WIRE_PEER && c->dialled);
    case RH_WIRE_JOIN: return c->channel == RH_WIRE_JOINING && !c->dialled;
    case RH_WIRE_JOINED: return c->channel == RH_WIRE_JOINING && c->dialled;
    case RH_WIRE_OFFER: case RH_WIRE_CHUNK: return c->channel == RH_WIRE_BULK && !c->dialled;
    case RH_WIRE_ACCEPT: case RH_WIRE_ACK: case RH_WIRE_COMPLETE: return c->channel == RH_WIRE_BULK && c->dialled;
    default: return false;
    }
}

/* ---- JOIN ---- */

void rh_join_ask(struct rh_conn *c)
{
    rh_conn_frame(c, (struct rh_wire_frame){.type = RH_WIRE_JOIN, .join.want = c->net->join.want});
}

static void on_joined(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_tcp *net = c->net;
    struct rh_wire_frame read = *f;

    if (rh_dial_of(c) == NULL)
        return;                         /* the driver asks elsewhere by now */
    if (f->joined.status == RH_WIRE_WAIT) {
        uint64_t wait = f->joined.retry_ms < 50 ? 50 : f->joined.retry_ms > 10000 ? 10000 : f->joined.retry_ms;
        c->ask_at = net->now + wait * RH_MS;
        rh_net_wake(net, c->ask_at);
    } else {
        if (f->joined.status == 0 || f->joined.status > RH_WIRE_JOIN_REFUSED)
            read.joined.status = RH_WIRE_JOIN_REFUSED;
        net->join.active = false;       /* unless the driver asks again below */
        net->join.dial.conn = NULL;
        rh_conn_finish(c);
    }
    net->events->answered(net->driver, c->id, &read);
}

static void on_join(struct rh_conn *c, const struct rh_wire_frame *f)
{
    if (f->join.want != RH_WIRE_WANT_VOTER && f->join.want != RH_WIRE_WANT_LEARNER) {
        rh_conn_frame(c, (struct rh_wire_frame){
                             .type = RH_WIRE_JOINED,
                             .joined = {.status = RH_WIRE_JOIN_REFUSED, .code = RH_WIRE_R_UNKNOWN_VALUE,
                                        .words = {(const uint8_t *)"an unknown wish", 15}}});
        return;
    }
    c->net->events->request(c->net->driver, c->number, c->id, f, &c->kept->hello);
}

/* ---- requests ---- */

static void on_request(struct rh_conn *c, const struct rh_wire_frame *f)
{
    if (c->unanswered >= RH_NET_UNANSWERED_MAX) {
        rh_conn_frame(c, (struct rh_wire_frame){
                             .type = RH_WIRE_OUTCOME,
                             .outcome = {.request = f->request.request, .outcome = RH_WIRE_REFUSED,
                                         .code = RH_WIRE_R_BUSY, .retry_ms = 100,
                                         .words = {(const uint8_t *)"too many requests without an outcome", 36}}});
        return;
    }
    c->unanswered++;
    c->net->events->request(c->net->driver, c->number, c->id, f, NULL);
}

/* ---- all ---- */

static void on_frame(struct rh_conn *c, const struct rh_wire_frame *f)
{
    struct rh_tcp *net = c->net;

    switch (f->type) {
    case RH_WIRE_PING:
        rh_conn_frame(c, (struct rh_wire_frame){.type = RH_WIRE_PONG, .ping.token = f->ping.token});
        if (rh_buf_len(&c->out) > net->queue_bytes)
            rh_conn_break(c, "asks, and does not read the answers");
        break;
    case RH_WIRE_PONG: break;
    case RH_WIRE_JOIN: on_join(c, f); break;
    case RH_WIRE_JOINED: on_joined(c, f); break;
    case RH_WIRE_REQUEST: on_request(c, f); break;
    case RH_WIRE_OUTCOME: net->events->answered(net->driver, c->id, f); break;
    case RH_WIRE_OFFER: case RH_WIRE_CHUNK: rh_take_frame(c, f); break;
    case RH_WIRE_ABORT:
        if (c->channel == RH_WIRE_PEER)
            net->events->answered(net->driver, c->id, f);
        else if (c->dialled)
            rh_sending_frame(c, f);
        else
            rh_take_frame(c, f);
        break;
    default: rh_sending_frame(c, f); break;
    }
}

static void on_host_frame(struct rh_conn *c, const uint8_t *frame, size_t len)
{
    struct rh_wire_frame f;
    int code = rh_wire_read(frame, len, &f);

    if (code == RH_WIRE_SKIP)
        return;
    if (code == RH_WIRE_E_UNKNOWN)
        rh_reject(c, RH_WIRE_R_UNKNOWN_FRAME, 0, "a frame of type %u", frame[RH_WIRE_HEADER + 1]);
    else if (code != RH_WIRE_OK)
        rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "a malformed frame of type %u", frame[RH_WIRE_HEADER + 1]);
    else if (f.type == RH_WIRE_REJECT)
        rh_rejected(c, &f);
    else if (!belongs(c, f.type))
        rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "%s does not belong on channel %u", rh_wire_name(f.type), c->channel);
    else
        on_frame(c, &f);
}

/* Hands the frames of the core before `at` over, in one piece. */
static void hand_over(struct rh_conn *c, size_t *run)
{
    size_t len = *run;

    *run = 0;
    if (len == 0)
        return;
    c->net->handing = c;
    c->net->events->frames(c->net->driver, c->id, c->in.at + c->in.start, len);
    c->net->handing = NULL;
    rh_buf_consume(&c->in, len);
}

void rh_frames_take(struct rh_conn *c)
{
    struct rh_tcp *net = c->net;
    size_t run = 0;                     /* bytes of frames of the core, not handed over yet */

    while (!c->broken && c->state == RH_CONN_OPEN) {
        struct rh_wire_span span;
        const uint8_t *p = c->in.at + c->in.start + run;
        int code = rh_wire_next(p, rh_buf_len(&c->in) - run, net->max_frame, &span);
        if (code == RH_WIRE_OK && span.group == net->self.group && span.whose == RH_WIRE_CORE &&
            c->channel == RH_WIRE_PEER && !c->dialled && span.bytes <= net->frame_limit) {
            run += span.bytes;
            continue;
        }
        hand_over(c, &run);
        p = c->in.at + c->in.start;
        if (code == RH_WIRE_MORE || c->broken || c->state != RH_CONN_OPEN)
            break;
        if (code == RH_WIRE_E_LONG || span.bytes > net->max_frame ||
            (span.whose == RH_WIRE_CORE && span.bytes > net->frame_limit)) {
            rh_reject(c, RH_WIRE_R_TOO_LARGE, 0, "a frame is longer than %llu bytes", (ull)net->max_frame);
        } else if (span.group != net->self.group) {
            rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "a frame of group %llu on a connection of group %llu",
                      (ull)span.group, (ull)net->self.group);
        } else if (span.whose != RH_WIRE_HOST) {
            rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "a frame of the core does not belong here");
        } else {
            on_host_frame(c, p, span.bytes);
            rh_buf_consume(&c->in, span.bytes);
        }
    }
}
