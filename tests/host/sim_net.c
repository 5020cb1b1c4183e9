/*
 * sim_net.c: a transport without sockets: net.h over simulated time.
 *
 * A connection keeps the order of its frames. A cut, a crash or bad luck breaks it with all that is
 * under way, and the dialler hears of it later.
 */
#include "sim.h"

enum kind { HELLO, FRAMES, ANSWER, LOST };

struct packet {
    enum kind kind;
    uint64_t due, from, to, number;     /* number: of the connection */
    uint8_t *bytes;
    size_t len;
};

struct link {                           /* dialled by one, accepted by the other */
    uint64_t number;                    /* 0: closed */
    uint64_t due, answer_due;
};

struct stream {
    uint64_t from, to, due;             /* from 0: free */
    struct rh_snapshot what;
    struct rh_snapshot_reader *reader;
    struct rh_snapshot_receiver *receiver;
    uint64_t offset;
};

enum { STREAMS = 32, CHUNK = 16384, JOIN_NUMBER = 1 << 30 };

static struct {
    struct packet *at;
    size_t n, cap;
    struct link links[NODES][NODES];
    char address[NODES][NODES][32];
    struct { uint64_t to, due; uint8_t want; bool on; } joins[NODES];
    struct stream streams[STREAMS];
    uint64_t numbers;
    uint64_t inside;                    /* the connection whose frames are being delivered */
} net;

static const struct rh_net_events *const up = &rh_driver_events;

static struct rh_driver *driver_of(uint64_t id)
{
    return sim.nodes[id].driver;
}

static void push(enum kind kind, uint64_t due, uint64_t from, uint64_t to, uint64_t number, uint8_t *bytes, size_t len)
{
    if (net.n == net.cap) {
        net.cap = 2 * net.cap + 64;
        net.at = must(realloc(net.at, net.cap * sizeof *net.at));
    }
    net.at[net.n++] = (struct packet){kind, due, from, to, number, bytes, len};
    sim.n_packets++;
}

static bool reaches(uint64_t a, uint64_t b)
{
    return driver_of(b) && !sim.cut[a][b] && !sim.cut[b][a];
}

static uint64_t later(uint64_t *due)
{
    uint64_t at = sim.now + 200 + random_below(&sim.random, 3 * MS);

    if (at < *due)
        at = *due;
    return *due = at;
}

static void break_link(uint64_t from, uint64_t to)
{
    struct link *l = &net.links[from][to];

    if (!l->number)
        return;
    l->number = 0;
    sim.n_breaks++;
    push(LOST, sim.now + random_below(&sim.random, 50 * MS), from, to, 0, NULL, 0);
}

void sim_net_break(uint64_t a, uint64_t b)
{
    break_link(a, b);
    break_link(b, a);
}

static void end_stream(struct stream *s, const char *words)
{
    uint64_t from = s->from, to = s->to;

    if (s->receiver)
        rh_snapshot_stop(s->receiver);
    rh_snapshot_close(s->reader);
    *s = (struct stream){0};
    if (words && driver_of(from))
        up->sending(driver_of(from), to, RH_NET_FAILED, 0, words);
}

void sim_net_down(uint64_t id)
{
    for (uint64_t i = 1; i < NODES; i++) {
        break_link(i, id);
        net.links[id][i].number = 0;
        memset(net.address[id][i], 0, sizeof net.address[id][i]);
    }
    net.joins[id].on = false;
    for (size_t i = 0; i < STREAMS; i++)
        if (net.streams[i].from && (net.streams[i].from == id || net.streams[i].to == id))
            end_stream(&net.streams[i], net.streams[i].from == id ? NULL : "the peer is gone");
}

/* ---- the calls of a driver ---- */

static int op_peer(void *self, uint64_t id, const char *address)
{
    uint64_t own = (uint64_t)(uintptr_t)self;

    CHECK(id < NODES && id != own);
    snprintf(net.address[own][id], sizeof net.address[own][id], "%s", address);
    return RH_OK;
}

static int op_send(void *self, uint64_t to, const raftcore_slice *frames, size_t n)
{
    uint64_t own = (uint64_t)(uintptr_t)self;
    size_t len = 0, at = 0;

    if (to >= NODES || !net.address[own][to][0])
        return RH_E_RANGE;
    struct link *l = &net.links[own][to];
    bool there = strcmp(net.address[own][to], sim.nodes[to].peer) == 0;
    if (!there || !reaches(own, to) || (l->number && random_below(&sim.random, 3000) == 0)) {
        break_link(own, to);
        if (!there)                     /* nobody listens at the old address */
            push(LOST, sim.now + 50 * MS, own, to, 0, NULL, 0);
        return RH_E_SMALL;
    }
    if (!l->number) {
        l->number = ++net.numbers;
        push(HELLO, later(&l->due), own, to, l->number, NULL, 0);
    }
    for (size_t i = 0; i < n; i++)
        len += frames[i].len;
    uint8_t *bytes = must(malloc(len));
    for (size_t i = 0; i < n; i++) {
        if (frames[i].len > 0)
            memcpy(bytes + at, frames[i].ptr, frames[i].len);
        at += frames[i].len;
    }
    push(FRAMES, later(&l->due), own, to, l->number, bytes, len);
    return RH_OK;
}

static int op_answer(void *self, uint64_t number, const struct rh_wire_frame *frame)
{
    uint64_t own = (uint64_t)(uintptr_t)self;
    size_t len = rh_wire_write(frame, NULL, 0);
    uint8_t *bytes = must(malloc(len));

    if (number == 0)
        number = net.inside;
    CHECK(number > 0 && len > 0 && rh_wire_write(frame, bytes, len) == len);
    if (number & JOIN_NUMBER) {
        push(ANSWER, sim.now + MS, own, number & 255, number, bytes, len);
        return RH_OK;
    }
    for (uint64_t i = 1; i < NODES; i++) {
        struct link *l = &net.links[i][own];
        if (l->number != number)
            continue;
        push(ANSWER, later(&l->answer_due), own, i, number, bytes, len);
        return RH_OK;
    }
    free(bytes);
    return RH_NONE;
}

static int op_offer(void *self, uint64_t to, const struct rh_snapshot *what)
{
    uint64_t own = (uint64_t)(uintptr_t)self;
    struct rh_words why;

    for (size_t i = 0; i < STREAMS; i++)
        if (net.streams[i].from == own && net.streams[i].to == to)
            end_stream(&net.streams[i], NULL);
    for (size_t i = 0; i < STREAMS; i++) {
        struct stream *s = &net.streams[i];
        if (s->from)
            continue;
        *s = (struct stream){.from = own, .to = to, .what = *what, .due = sim.now + MS};
        CHECK_OK(rh_snapshot_open(&sim.nodes[own].dir, what, &s->reader, &why), &why);
        sim.n_streams++;
        return RH_OK;
    }
    return RH_E_BUSY;
}

static void op_withdraw(void *self, uint64_t to)
{
    uint64_t own = (uint64_t)(uintptr_t)self;

    for (size_t i = 0; i < STREAMS; i++)
        if (net.streams[i].from == own && net.streams[i].to == to)
            end_stream(&net.streams[i], NULL);
}

static int op_join(void *self, const char *address, uint8_t want)
{
    uint64_t own = (uint64_t)(uintptr_t)self;

    net.joins[own].to = strtoull(address + 1, NULL, 10);
    net.joins[own].want = want;
    net.joins[own].due = sim.now + 100 * MS;
    net.joins[own].on = true;
    return RH_OK;
}

static void op_founding(void *self, const uint8_t founding[RH_WIRE_ID])
{
    (void)self;
    CHECK(!rh_is_zero(founding, RH_WIRE_ID));
}

static const struct rh_net_ops ops = {
    .struct_size = sizeof ops,
    .peer = op_peer,
    .send = op_send,
    .answer = op_answer,
    .offer = op_offer,
    .withdraw = op_withdraw,
    .join = op_join,
    .founding = op_founding,
};

struct rh_net sim_net(uint64_t id)
{
    return (struct rh_net){&ops, (void *)(uintptr_t)id};
}

/* ---- the transport's own turn ---- */

static uint16_t hello(uint64_t of, uint64_t at, uint8_t channel, bool dialled, struct rh_net_self *self,
                      struct rh_words *words)
{
    rh_driver_self(driver_of(of), self);
    const struct rh_net_hello h = {.id = of,
                                   .channel = channel,
                                   .dialled = dialled,
                                   .empty = self->empty,
                                   .founding = self->founding,
                                   .disk = self->disk,
                                   .peer_address = {(uint8_t *)self->peer_address, strlen(self->peer_address)}};

    return up->hello(driver_of(at), &h, words);
}

static void deliver_hello(const struct packet *p)
{
    struct rh_net_self self;
    struct rh_words words = {""};
    uint16_t code = hello(p->from, p->to, RH_WIRE_PEER, false, &self, &words);
    bool theirs = code != 0;

    if (!code)
        code = hello(p->to, p->from, RH_WIRE_PEER, true, &self, &words);
    if (!code)
        return;
    sim.n_rejects++;
    break_link(p->from, p->to);
    up->rejected(driver_of(p->from), p->to, theirs, code, words.text);
    up->rejected(driver_of(p->to), p->from, !theirs, code, words.text);
}

static void deliver_frames(const struct packet *p)
{
    struct rh_wire_span span;

    for (size_t at = 0; at < p->len; at += span.bytes) {
        CHECK(rh_wire_next(p->bytes + at, p->len - at, 1 << 30, &span) == RH_WIRE_OK);
        struct rh_wire_frame f;
        if (span.whose == RH_WIRE_CORE) {
            net.inside = p->number;
            up->frames(driver_of(p->to), p->from, p->bytes + at, span.bytes);
            net.inside = 0;
        } else {
            CHECK(span.whose == RH_WIRE_HOST && rh_wire_read(p->bytes + at, span.bytes, &f) == RH_WIRE_OK);
            up->request(driver_of(p->to), p->number, p->from, &f, NULL);
        }
    }
}

static void deliver(const struct packet *p)
{
    struct rh_wire_frame f;

    if (p->kind == LOST) {
        if (driver_of(p->from))
            up->lost(driver_of(p->from), p->to, "the connection broke");
        return;
    }
    if (p->kind == ANSWER) {
        bool joining = p->number & JOIN_NUMBER;
        if (!driver_of(p->to) || (!joining && net.links[p->to][p->from].number != p->number))
            return;
        CHECK(rh_wire_read(p->bytes, p->len, &f) == RH_WIRE_OK);
        if (joining && f.joined.status != RH_WIRE_WAIT)
            net.joins[p->to].on = false;
        up->answered(driver_of(p->to), p->from, &f);
        return;
    }
    if (net.links[p->from][p->to].number != p->number)
        return;
    if (!reaches(p->from, p->to) || !driver_of(p->from)) {
        break_link(p->from, p->to);
        return;
    }
    if (p->kind == HELLO)
        deliver_hello(p);
    else
        deliver_frames(p);
}

static void deliver_join(uint64_t id)
{
    struct rh_net_self self;
    struct rh_words words = {""};
    uint64_t to = net.joins[id].to;
    struct rh_wire_frame f = {.group = 1, .type = RH_WIRE_JOIN, .join = {.want = net.joins[id].want}};

    net.joins[id].due = sim.now + 100 * MS;
    if (!reaches(id, to))
        return;
    uint16_t code = hello(id, to, RH_WIRE_JOINING, false, &self, &words);
    if (code) {
        up->rejected(driver_of(id), to, true, code, words.text);
        return;
    }
    const struct rh_net_hello h = {.id = id, .channel = RH_WIRE_JOINING, .empty = true, .founding = self.founding,
                                   .disk = self.disk,
                                   .peer_address = {(uint8_t *)self.peer_address, strlen(self.peer_address)}};
    up->request(driver_of(to), JOIN_NUMBER | id, id, &f, &h);
}

static void go_on(struct stream *s)
{
    static uint8_t chunk[CHUNK];
    struct rh_words why = {""};

    s->due = sim.now + 2 * MS;
    if (!reaches(s->from, s->to) || random_below(&sim.random, 200) == 0) {
        end_stream(s, "the connection broke");
        return;
    }
    if (!s->receiver) {
        if (up->offered(driver_of(s->to), s->from, &s->what) != 0) {
            end_stream(s, "not wanted");
            return;
        }
        CHECK_OK(rh_snapshot_receive(&sim.nodes[s->to].dir, &s->what, CHUNK, &s->receiver, &s->offset, &why), &why);
    }
    if (s->offset < s->what.bytes) {
        size_t len = s->what.bytes - s->offset < CHUNK ? (size_t)(s->what.bytes - s->offset) : CHUNK;
        CHECK_OK(rh_snapshot_raw(s->reader, s->offset, chunk, len, &why), &why);
        CHECK_OK(rh_snapshot_put(s->receiver, s->offset, chunk, len, &why), &why);
        s->offset += len;
        up->sending(driver_of(s->from), s->to, RH_NET_UNDER_WAY, 0, NULL);
        return;
    }
    struct rh_snapshot_receiver *r = s->receiver;
    struct stream whole = *s;
    s->receiver = NULL;
    CHECK_OK(rh_snapshot_arrived(r, &why), &why);
    end_stream(s, NULL);
    up->stored(driver_of(whole.to), whole.from, &whole.what);
    up->sending(driver_of(whole.from), whole.to, RH_NET_STORED, 0, NULL);
}

void sim_net_turn(void)
{
    size_t n = net.n, kept = 0;

    for (size_t i = 0; i < n; i++) {
        struct packet p = net.at[i];
        if (p.due > sim.now)
            continue;
        net.at[i].bytes = NULL;
        net.at[i].due = 0;
        deliver(&p);
        free(p.bytes);
    }
    for (size_t i = 0; i < net.n; i++)
        if (net.at[i].due > 0)
            net.at[kept++] = net.at[i];
    net.n = kept;
    for (uint64_t i = 1; i < NODES; i++)
        if (driver_of(i) && net.joins[i].on && net.joins[i].due <= sim.now)
            deliver_join(i);
    for (size_t i = 0; i < STREAMS; i++)
        if (net.streams[i].from && net.streams[i].due <= sim.now)
            go_on(&net.streams[i]);
}

void sim_net_free(void)
{
    for (size_t i = 0; i < net.n; i++)
        free(net.at[i].bytes);
    free(net.at);
    memset(&net, 0, sizeof net);
}
