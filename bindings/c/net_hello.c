/*
 * net_hello.c: the two opening frames, the checks of a hello in the order of docs/wire.md, and
 * REJECT.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "net_parts.h"

enum { CORE_VERSION = 1, CORE_HELLO = 48 };

static const char core_mark[] = "RAFTCORE";

struct opening {                        /* the other side's two frames */
    uint32_t core_version;
    uint64_t group, id;
    struct rh_wire_frame hello;
};

/* ---- ours ---- */

static void put_core_hello(const struct rh_net_self *self, uint8_t to[CORE_HELLO])
{
    memset(to, 0, CORE_HELLO);
    rh_put_u32(to, CORE_HELLO - RH_WIRE_HEADER);
    rh_put_u64(to + 4, self->group);
    memcpy(to + RH_WIRE_HEADER, core_mark, 8);
    rh_put_u32(to + 20, CORE_VERSION);
    rh_put_u64(to + 32, self->group);
    rh_put_u64(to + 40, self->id);
}

static raftcore_slice slice_of(const char *text)
{
    return (raftcore_slice){(const uint8_t *)text, strlen(text)};
}

void rh_hello_send(struct rh_conn *c)
{
    const struct rh_net_self *self = &c->net->self;
    uint8_t core[CORE_HELLO];
    struct rh_wire_frame f = {.type = RH_WIRE_HELLO,
                              .hello = {.version = RH_WIRE_VERSION,
                                        .version_min = RH_WIRE_VERSION,
                                        .channel = c->channel,
                                        .flags = self->empty ? RH_WIRE_EMPTY : 0,
                                        .peer_address = slice_of(self->peer_address),
                                        .client_address = slice_of(self->client_address),
                                        .max_frame = c->net->max_frame,
                                        .start = c->net->start,
                                        .to = c->id}};

    memcpy(f.hello.founding, self->founding, RH_WIRE_ID);
    memcpy(f.hello.disk, self->disk, RH_WIRE_ID);
    put_core_hello(self, core);
    if (!rh_buf_add(&c->out, core, sizeof core))
        rh_conn_break(c, "no memory for a hello");
    else
        rh_conn_frame(c, f);
}

/* ---- REJECT ---- */

static void count_reject(struct rh_conn *c, bool by_peer)
{
    struct rh_peer *p = rh_peer_find(c->net, c->id);
    struct rh_net_totals *t = &c->net->totals;

    *(by_peer ? &t->rejects_received : &t->rejects_sent) += 1;
    if (p)
        *(by_peer ? &p->totals.rejects_received : &p->totals.rejects_sent) += 1;
}

/* Tells the driver, once per peer and cause. */
static void tell_reject(struct rh_conn *c, bool by_peer, uint16_t code, const char *words)
{
    char key[64];

    count_reject(c, by_peer);
    rh_who(c, key);
    if (rh_tell_first(c->net, key, code | (by_peer ? RH_TOLD_BY_PEER : 0u)))
        c->net->events->rejected(c->net->driver, c->id, by_peer, code, words);
}

void rh_reject(struct rh_conn *c, uint16_t code, uint32_t retry_ms, const char *format, ...)
{
    char words[RH_WORDS_MAX];
    va_list args;
    struct rh_dial *d = rh_dial_of(c);

    if (c->broken || c->state == RH_CONN_CLOSING)
        return;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    snprintf(c->words, sizeof c->words, "refused: %.180s", words);
    if (d)
        rh_dial_hold(c->net, d, code, retry_ms);
    tell_reject(c, false, code, words);
    rh_conn_frame(c, (struct rh_wire_frame){.type = RH_WIRE_REJECT,
                                            .reject = {code, retry_ms, slice_of(words)}});
    rh_conn_finish(c);
}

/* Copies words of the other side: printable ASCII stays. */
static void clean(raftcore_slice words, char *to, size_t cap)
{
    size_t n = 0;

    for (; n < words.len && n + 1 < cap; n++)
        to[n] = words.ptr[n] >= ' ' && words.ptr[n] < 127 ? (char)words.ptr[n] : '?';
    to[n] = 0;
}

void rh_rejected(struct rh_conn *c, const struct rh_wire_frame *f)
{
    char words[RH_WORDS_MAX], who[64];
    struct rh_dial *d = rh_dial_of(c);
    uint16_t code = f->reject.code;

    clean(f->reject.words, words, sizeof words);
    snprintf(c->words, sizeof c->words, "refused by the other side: %.160s", words);
    if (d)
        rh_dial_hold(c->net, d, code, f->reject.retry_ms);
    /*
     * A node that learns that its id belongs to another disk stops. Only hosts that this host dialled
     * may say so: else a stranger could stop nodes.
     */
    if (c->dialled)
        tell_reject(c, true, code, words);
    else
        count_reject(c, true);
    rh_who(c, who);
    if (!c->dialled && c->id && rh_tell_first(c->net, who, code | RH_TOLD_BY_DIALLER))
        rh_say(c->net, RH_LOG_WARNING, "node %llu at %s, which dialled, ends the connection: %s (%u)", (ull)c->id,
               c->from, words, code);
    rh_conn_break(c, "refused by the other side");
}

/* ---- theirs ---- */

static bool get_core_hello(const uint8_t *frame, size_t len, struct opening *o)
{
    if (len < CORE_HELLO || memcmp(frame + RH_WIRE_HEADER, core_mark, 8) != 0)
        return false;
    o->core_version = rh_get_u32(frame + 20);
    o->group = rh_get_u64(frame + 32);
    o->id = rh_get_u64(frame + 40);
    return true;
}

/* Closes a connection whose other side does not even speak this protocol. */
static void not_ours(struct rh_conn *c, const char *what)
{
    const uint8_t *p = c->in.at + c->in.start;
    char who[64];

    if (rh_buf_len(&c->in) > 0 && p[0] == 0x16)
        what = "speaks TLS, and this host plain TCP";
    rh_who(c, who);
    if (rh_tell_first(c->net, who, RH_TOLD_GARBAGE))
        rh_say(c->net, RH_LOG_WARNING, "%s %s %s", c->dialled ? "the host dialled at" : "a connection from", c->from,
               what);
    rh_conn_break(c, "%s", what);
}

/* Finds the two frames. RH_WIRE_OK, RH_WIRE_MORE; below 0: the connection was ended. */
static int find_opening(struct rh_conn *c, struct opening *o, size_t *used)
{
    const uint8_t *p = c->in.at + c->in.start;
    size_t len = rh_buf_len(&c->in);
    struct rh_wire_span core = {0}, host;
    int code = rh_wire_next(p, len, RH_WIRE_HELLO_MAX, &core);

    if (len > 0 && p[0] == 0x16 && code == RH_WIRE_MORE)
        code = RH_WIRE_E_MALFORMED;     /* a TLS record looks like a frame that is not whole */
    if (code == RH_WIRE_MORE)
        return code;
    if (code == RH_WIRE_OK && core.whose == RH_WIRE_HOST && c->dialled &&
        rh_wire_read(p, core.bytes, &o->hello) == RH_WIRE_OK && o->hello.type == RH_WIRE_REJECT) {
        rh_rejected(c, &o->hello);      /* in place of a hello */
        return RH_WIRE_E_MALFORMED;
    }
    if (code != RH_WIRE_OK || core.whose != RH_WIRE_CORE_HELLO || !get_core_hello(p, core.bytes, o)) {
        not_ours(c, "sent no hello of raftcore");
        return RH_WIRE_E_MALFORMED;
    }
    code = rh_wire_next(p + core.bytes, len - core.bytes, RH_WIRE_HELLO_MAX, &host);
    if (code == RH_WIRE_MORE)
        return code;
    if (code == RH_WIRE_OK)
        code = rh_wire_read(p + core.bytes, host.bytes, &o->hello);
    if (code == RH_WIRE_OK && o->hello.type == RH_WIRE_REJECT) {
        rh_rejected(c, &o->hello);
        return RH_WIRE_E_MALFORMED;
    }
    if (code != RH_WIRE_OK || o->hello.type != RH_WIRE_HELLO) {
        not_ours(c, "sent a hello of raftcore's core, and none of a host");
        return RH_WIRE_E_MALFORMED;
    }
    *used = core.bytes + host.bytes;
    return RH_WIRE_OK;
}

/* ---- the checks ---- */

static bool reject_version(struct rh_conn *c, const struct opening *o)
{
    if (o->core_version == CORE_VERSION && o->hello.hello.version >= RH_WIRE_VERSION &&
        o->hello.hello.version_min <= RH_WIRE_VERSION)
        return false;
    rh_reject(c, RH_WIRE_R_VERSION, 0, "node %llu speaks versions %u to %u, core %u; this host version %u, core %u",
              (ull)o->id, o->hello.hello.version_min, o->hello.hello.version, o->core_version, RH_WIRE_VERSION,
              CORE_VERSION);
    return true;
}

static bool reject_id(struct rh_conn *c, const struct opening *o)
{
    const struct rh_net_self *self = &c->net->self;
    uint64_t to = o->hello.hello.to;

    if (o->id == 0)
        rh_reject(c, RH_WIRE_R_ID, 0, "a hello from id 0");
    else if (o->id == self->id)
        rh_reject(c, RH_WIRE_R_ID, 0, "the host at %s says that it is node %llu, and so is this host", c->from,
                  (ull)self->id);
    else if (to != self->id && !(to == 0 && c->channel == RH_WIRE_JOINING))
        rh_reject(c, RH_WIRE_R_ID, 0, "node %llu wants node %llu, this host is node %llu", (ull)o->id, (ull)to,
                  (ull)self->id);
    else if (c->dialled && c->id != 0 && o->id != c->id)
        rh_reject(c, RH_WIRE_R_ID, 0, "dialled was node %llu, at %s is node %llu", (ull)c->id, c->from, (ull)o->id);
    else
        return false;
    return true;
}

/* The checks that need no driver. Returns true if the hello was refused. */
static bool reject_early(struct rh_conn *c, const struct opening *o)
{
    const struct rh_net_self *self = &c->net->self;
    uint32_t max = o->hello.hello.max_frame;

    if (reject_version(c, o))
        return true;
    if (o->group != self->group || o->hello.group != self->group) {
        rh_reject(c, RH_WIRE_R_GROUP, 0, "node %llu is of group %llu, this host of group %llu", (ull)o->id,
                  (ull)o->group, (ull)self->group);
        return true;
    }
    if (reject_id(c, o))
        return true;
    if (c->tls && !rh_tls_names(c, self->group, o->id)) {
        rh_reject(c, RH_WIRE_R_CERTIFICATE, 0, "the certificate of node %llu does not hold urn:raftcore:%llu:%llu",
                  (ull)o->id, (ull)self->group, (ull)o->id);
        return true;
    }
    if (max < 65536 || max > 1u << 30) {
        rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "node %llu takes frames of %u bytes: 65,536 to 2^30 are allowed",
                  (ull)o->id, max);
        return true;
    }
    if (c->dialled && o->hello.hello.channel != c->channel) {
        rh_reject(c, RH_WIRE_R_PROTOCOL, 0, "node %llu answers on channel %u, dialled was %u", (ull)o->id,
                  o->hello.hello.channel, c->channel);
        return true;
    }
    return false;
}

static void copy_address(char to[RH_WIRE_ADDRESS_MAX + 1], raftcore_slice *address)
{
    memcpy(to, address->ptr, address->len);
    to[address->len] = 0;
    address->ptr = (const uint8_t *)to;
}

/* Keeps a hello for the driver. False: no memory. */
static bool keep(struct rh_conn *c, const struct rh_net_hello *h)
{
    struct rh_kept_hello *k = malloc(sizeof *k);

    if (!k)
        return false;
    k->hello = *h;
    memcpy(k->founding, h->founding, RH_WIRE_ID);
    memcpy(k->disk, h->disk, RH_WIRE_ID);
    k->hello.founding = k->founding;
    k->hello.disk = k->disk;
    copy_address(k->peer_address, &k->hello.peer_address);
    copy_address(k->client_address, &k->hello.client_address);
    c->kept = k;
    return true;
}

static raftcore_slice address_or_none(raftcore_slice text)
{
    return rh_wire_is_address(text) ? text : (raftcore_slice){text.ptr, 0};
}

/* Asks the driver. Returns true if the hello was refused. */
static bool reject_late(struct rh_conn *c, const struct opening *o)
{
    struct rh_tcp *net = c->net;
    struct rh_words words = {""};
    struct rh_net_hello h = {.id = o->id,
                             .channel = c->channel,
                             .dialled = c->dialled,
                             .empty = o->hello.hello.flags & RH_WIRE_EMPTY,
                             .founding = o->hello.hello.founding,
                             .disk = o->hello.hello.disk,
                             .peer_address = address_or_none(o->hello.hello.peer_address),
                             .client_address = address_or_none(o->hello.hello.client_address)};
    uint16_t code = net->events->hello(net->driver, &h, &words);

    if (code != 0) {
        rh_reject(c, code, code == RH_WIRE_R_BUSY ? 1000 : 0, "%s", words.text);
        return true;
    }
    if (rh_is_zero(net->self.founding, RH_WIRE_ID) && !rh_is_zero(net->dir->owner.founding, RH_WIRE_ID)) {
        memcpy(net->self.founding, net->dir->owner.founding, RH_WIRE_ID);      /* the driver took it over */
        net->self.empty = false;
    }
    if (!c->dialled && c->channel == RH_WIRE_JOINING && !keep(c, &h)) {
        rh_conn_break(c, "no memory for a hello");
        return true;
    }
    return false;
}

bool rh_hello_take(struct rh_conn *c)
{
    struct opening o;
    size_t used = 0;
    char who[64];

    if (find_opening(c, &o, &used) != RH_WIRE_OK)
        return false;
    if (!c->dialled) {
        c->channel = o.hello.hello.channel;
        c->id = o.id;
    }
    if (reject_early(c, &o))
        return false;
    if (!c->dialled && (c->channel < RH_WIRE_PEER || c->channel > RH_WIRE_JOINING)) {
        rh_reject(c, RH_WIRE_R_UNKNOWN_VALUE, 0, "channel %u is not known to this version", c->channel);
        return false;
    }
    if (reject_late(c, &o) || c->broken || (!c->dialled && !rh_admit(c)))
        return false;
    c->id = o.id;
    c->their_max = o.hello.hello.max_frame;
    c->their_start = o.hello.hello.start;
    rh_buf_consume(&c->in, used);
    if (!c->dialled)
        rh_hello_send(c);
    if (c->broken)
        return false;
    c->state = RH_CONN_OPEN;
    c->was_open = true;
    rh_who(c, who);
    if (c->channel == RH_WIRE_PEER)
        rh_tell_again(c->net, who);
    return true;
}
