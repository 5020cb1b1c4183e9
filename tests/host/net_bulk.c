/*
 * net_bulk.c: snapshot files from host to host: whole, cut many times, changed on the way, given up.
 */
#define _GNU_SOURCE
#include "net_proxy.h"
#include "snapshot.h"

#ifndef BIG_MIB
#define BIG_MIB 40
#endif

enum { BIG = BIG_MIB << 20, SMALL = 300000 };

static struct rh_snapshot make(struct node *n, uint64_t index, size_t len)
{
    struct rh_snapshot_writer *w;
    struct rh_snapshot s;
    static uint64_t block[8192];
    const raftcore_slice conf = {(const uint8_t *)"\10\1", 2}, book = {(const uint8_t *)"", 0};

    OK_NET(rh_snapshot_create(&n->dir, index, 4, conf, book, 0, &w, &net_why));
    for (size_t at = 0, piece; at < len; at += piece) {
        piece = len - at < sizeof block ? len - at : sizeof block;
        for (size_t i = 0; i < 8192; i++)
            block[i] = (at + i) * 0x9e3779b97f4a7c15u + index;
        OK_NET(rh_snapshot_write(w, block, piece, &net_why));
    }
    OK_NET(rh_snapshot_finish(w, &s, &net_why));
    return s;
}

/* Reads the received file to the end: every block is verified. */
static void check_whole(struct node *n, const struct rh_snapshot *s, size_t len)
{
    struct rh_snapshot_reader *r;
    static uint8_t buf[1 << 16];
    size_t got = 1, all = 0;

    OK_NET(rh_snapshot_open(&n->dir, s, &r, &net_why));
    while (got > 0) {
        OK_NET(rh_snapshot_read(r, buf, sizeof buf, &got, &net_why));
        all += got;
    }
    CHECK(all == len);
    rh_snapshot_close(r);
}

/* Node 1 sends to node 2 through the proxy. */
static void pair(const char *name, struct node **a, struct node **b)
{
    *a = start(1, name);
    *b = start(2, name);
    proxy_open(rh_net_tcp_port((*b)->net));
    CHECK(set_port(*a, 2, proxy.port) == RH_OK);
    introduce(*b, *a);
}

static void test_whole(void)
{
    struct node *a, *b;

    pair("whole", &a, &b);
    struct rh_snapshot s = make(a, 100, BIG);
    CHECK(a->net.ops->offer(a->net.self, 3, &s) == RH_E_RANGE);
    double began = now_seconds();
    CHECK(a->net.ops->offer(a->net.self, 2, &s) == RH_OK);
    /* Messages pass while the snapshot is under way. */
    uint64_t sent = 0;
    double next = 0;
    while (!(b->n_stored && a->n_sent)) {
        if (now_seconds() > next) {
            CHECK(send_frame(a, 2, sent++, 0) == RH_OK);
            next = now_seconds() + 0.01;
        }
        CHECK(now_seconds() < began + 20);
        proxy_turn();
        turn(0);
    }
    double took = now_seconds() - began;
    printf("net_bulk: %.0f MiB in %.2f s beside %u messages\n", BIG / 1048576.0, took, b->n_frames);
    CHECK(b->n_frames > sent / 2 && b->gaps == 0);
    CHECK(b->stored.index == 100 && b->stored.term == 4 && b->stored.checksum == s.checksum);
    CHECK(a->n_under_way > 5 && a->n_failed == 0);
    check_whole(b, &b->stored, BIG);
    CHECK(totals(b).snapshots_received == 1 && totals(a).snapshots_sent == 1);

    /* The same once more: it is here already, and no byte crosses the wire again. */
    uint64_t before = proxy.passed;
    CHECK(a->net.ops->offer(a->net.self, 2, &s) == RH_OK);
    UNTIL_PROXY(a->n_sent == 2);
    CHECK(b->n_stored == 2 && proxy.passed - before < 4096);
    stop_all();
    proxy_close();
}

/* Each cut loses what was in flight, and no more. */
static void test_cuts(void)
{
    struct node *a, *b;

    pair("cuts", &a, &b);
    struct rh_snapshot s = make(a, 100, BIG);
    proxy.cut_after = BIG / 40 * 9;
    CHECK(a->net.ops->offer(a->net.self, 2, &s) == RH_OK);
    UNTIL_PROXY(a->n_sent == 1);
    printf("net_bulk: %u cuts, %.1f MiB sent for a file of %.1f MiB\n", proxy.cuts, (double)proxy.passed / 1048576,
           (double)s.bytes / 1048576);
    CHECK(proxy.cuts >= 4 && proxy.cuts <= 10);
    CHECK(proxy.passed < s.bytes + proxy.cuts * (5u << 20));
    CHECK(b->n_stored == 1 && a->n_failed == 0);
    check_whole(b, &b->stored, BIG);

    /* Cuts that let nothing through: given up, told. */
    struct rh_snapshot t = make(a, 200, SMALL);
    proxy.cut_after = 1000;
    CHECK(a->net.ops->offer(a->net.self, 2, &t) == RH_OK);
    for (double end = now_seconds() + 20; a->n_failed == 0;) {
        CHECK(now_seconds() < end);
        skipped += 500;                 /* the waits between attempts */
        proxy_turn();
        turn(0);
    }
    CHECK(a->fail_code == 0 && b->n_stored == 1);
    proxy.cut_after = UINT64_MAX;
    CHECK(a->net.ops->offer(a->net.self, 2, &t) == RH_OK);
    UNTIL_PROXY(b->n_stored == 2 && a->n_sent == 2);

    /* The receiver starts anew in the middle: it goes on behind what it has. */
    struct rh_snapshot u = make(a, 300, BIG);
    uint64_t before = proxy.passed;
    CHECK(a->net.ops->offer(a->net.self, 2, &u) == RH_OK);
    UNTIL_PROXY(peer_totals(b, 1).snapshot_bytes_in > SMALL + BIG + BIG / 2);
    stop(b);
    b = start(2, "cuts");
    introduce(b, a);
    proxy.target = rh_net_tcp_port(b->net);
    UNTIL_PROXY(b->n_stored == 1 && a->n_sent == 3);
    CHECK(proxy.passed - before < u.bytes + (6u << 20));
    check_whole(b, &b->stored, BIG);
    stop_all();
    proxy_close();
}

static void test_changed(void)
{
    struct node *a, *b;

    pair("changed", &a, &b);
    struct rh_snapshot s = make(a, 100, SMALL);
    proxy.flip_at = 262144 + 5000;      /* in the data of a chunk */
    CHECK(a->net.ops->offer(a->net.self, 2, &s) == RH_OK);
    UNTIL_PROXY(a->n_sent == 1);
    CHECK(proxy.flips == 1 && a->n_failed == 0 && logged(b, "checksum") == 1);
    check_whole(b, &b->stored, SMALL);

    /* A file that is not what was offered: dropped by the receiver, told to the sender. */
    struct rh_snapshot t = make(a, 200, SMALL), lie = t;
    char from[80], to[80], path[2][400];
    lie.checksum ^= 1;
    rh_snapshot_name(&t, from);
    rh_snapshot_name(&lie, to);
    snprintf(path[0], sizeof path[0], "%s/%s", a->path, from);
    snprintf(path[1], sizeof path[1], "%s/%s", a->path, to);
    CHECK(rename(path[0], path[1]) == 0);
    CHECK(a->net.ops->offer(a->net.self, 2, &lie) == RH_OK);
    UNTIL_PROXY(a->n_failed == 1);
    CHECK(a->fail_code == RH_WIRE_A_CHECKSUM_FILE && b->n_stored == 1);

    /* A file that rots at the sender. */
    struct rh_snapshot u = make(a, 300, BIG);
    rh_snapshot_name(&u, from);
    snprintf(path[0], sizeof path[0], "%s/%s", a->path, from);
    int fd = open(path[0], O_WRONLY);
    CHECK(fd >= 0 && pwrite(fd, "rot", 3, BIG / 2) == 3);
    close(fd);
    CHECK(a->net.ops->offer(a->net.self, 2, &u) == RH_OK);
    UNTIL_PROXY(a->n_failed == 2);
    CHECK(a->fail_code == RH_WIRE_A_READ_FAILED && b->n_stored == 1);
    u.index = 400;
    CHECK(a->net.ops->offer(a->net.self, 2, &u) == RH_E_RANGE);         /* no such file */
    stop_all();
    proxy_close();
}

static void test_refused(void)
{
    struct node *a, *b;

    pair("refused", &a, &b);
    struct node *c = start(3, "refused");
    introduce(c, b);
    introduce(b, c);
    struct rh_snapshot s = make(a, 100, SMALL), newer = make(c, 150, BIG), big = make(a, 120, BIG);
    b->offered_code = RH_WIRE_A_NOT_NEEDED;
    CHECK(a->net.ops->offer(a->net.self, 2, &s) == RH_OK);
    UNTIL_PROXY(a->n_failed == 1);
    CHECK(a->fail_code == RH_WIRE_A_NOT_NEEDED && b->last_peer == 1 && b->offered_bytes == s.bytes);
    b->offered_code = 0;

    /* A newer snapshot ends the older stream; an older one is refused. */
    CHECK(a->net.ops->offer(a->net.self, 2, &big) == RH_OK);
    UNTIL_PROXY(peer_totals(b, 1).snapshot_bytes_in > 0);
    CHECK(c->net.ops->offer(c->net.self, 2, &newer) == RH_OK);
    UNTIL_PROXY(a->n_failed == 2);
    CHECK(a->fail_code == RH_WIRE_A_SUPERSEDED);
    CHECK(a->net.ops->offer(a->net.self, 2, &s) == RH_OK);
    UNTIL_PROXY(a->n_failed == 3);
    CHECK(a->fail_code == RH_WIRE_A_SUPERSEDED);
    UNTIL_PROXY(c->n_sent == 1);
    CHECK(b->n_stored == 1 && b->stored.index == 150);

    /* Withdrawn in the middle: silence, and the next one comes through. */
    struct rh_snapshot last = make(a, 180, BIG), after = make(a, 190, SMALL);
    CHECK(a->net.ops->offer(a->net.self, 2, &last) == RH_OK);
    uint64_t before = peer_totals(b, 1).snapshot_bytes_in;
    UNTIL_PROXY(peer_totals(b, 1).snapshot_bytes_in > before);
    a->net.ops->withdraw(a->net.self, 2);
    CHECK(a->net.ops->offer(a->net.self, 2, &after) == RH_OK);
    UNTIL_PROXY(a->n_sent == 1);
    CHECK(a->n_failed == 3 && b->stored.index == 190);

    /* Closed in the middle. */
    CHECK(a->net.ops->offer(a->net.self, 2, &last) == RH_OK);
    for (int i = 0; i < 20; i++) {
        proxy_turn();
        turn(0);
    }
    stop_all();
    proxy_close();
}

/* Reads what a sender sends, for a while. Returns the bytes of chunks; *offer: its stream, if one came. */
static uint64_t chunks_in(int fd, uint64_t *stream)
{
    static uint8_t in[4 << 20];
    static size_t len;
    uint64_t bytes = 0;
    struct rh_wire_span span;
    struct rh_wire_frame f;

    for (double end = now_seconds() + 0.2; now_seconds() < end;) {
        ssize_t n = recv(fd, in + len, sizeof in - len, 0);
        len += n > 0 ? (size_t)n : 0;
        while (rh_wire_next(in, len, sizeof in, &span) == RH_WIRE_OK) {
            if (span.whose == RH_WIRE_HOST && rh_wire_read(in, span.bytes, &f) == RH_WIRE_OK) {
                bytes += f.type == RH_WIRE_CHUNK ? f.chunk.data.len : 0;
                *stream = f.type == RH_WIRE_OFFER ? f.offer.stream : *stream;
            }
            len -= span.bytes;
            memmove(in, in + span.bytes, len);
        }
        turn(1);
    }
    return bytes;
}

static void answer(int fd, uint8_t type, uint64_t stream, uint64_t offset, uint32_t window)
{
    struct rh_wire_frame f = {.group = GROUP, .type = type, .accept = {stream, offset, window}};
    uint8_t b[64];
    size_t len = rh_wire_write(&f, b, sizeof b);

    CHECK(send(fd, b, len, MSG_NOSIGNAL) == (ssize_t)len);
}

/* A receiver by hand: the sender is never ahead by more than the window. */
static void test_window(void)
{
    struct node *a = start(1, "window");
    struct rh_snapshot s = make(a, 100, 2 << 20);
    uint8_t b[512];
    uint64_t stream = 0, chunk = 262144;

    proxy_open(0);                      /* for its listener */
    CHECK(set_port(a, 2, proxy.port) == RH_OK);
    CHECK(a->net.ops->offer(a->net.self, 2, &s) == RH_OK);
    turn(10);
    int fd = accept4(proxy.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(fd >= 0);
    size_t len = opening(b, GROUP, 2, 1, RH_WIRE_BULK);
    CHECK(send(fd, b, len, MSG_NOSIGNAL) == (ssize_t)len);
    CHECK(chunks_in(fd, &stream) == 0 && stream > 0);
    answer(fd, RH_WIRE_ACCEPT, stream, 0, 0);
    CHECK(chunks_in(fd, &stream) == 0);
    answer(fd, RH_WIRE_ACK, stream, 0, 300000);
    CHECK(chunks_in(fd, &stream) == chunk);
    answer(fd, RH_WIRE_ACK, stream, chunk, 300000);
    CHECK(chunks_in(fd, &stream) == chunk);
    answer(fd, RH_WIRE_ACK, stream + 9, 0, 1 << 20);    /* another stream's: nothing */
    CHECK(chunks_in(fd, &stream) == 0);
    answer(fd, RH_WIRE_ACK, stream, 2 * chunk, 3 << 18);
    CHECK(chunks_in(fd, &stream) == 3 * chunk);
    CHECK(a->n_failed == 0 && a->n_under_way == 4);
    answer(fd, RH_WIRE_ACK, stream, chunk, 3 << 18);    /* backwards: a fault */
    chunks_in(fd, &stream);
    CHECK(a->n_rejected == 1 && a->reject_code == RH_WIRE_R_PROTOCOL);
    close(fd);
    stop_all();
    proxy_close();
}

int main(int argc, char **argv)
{
    net_scratch = argc > 1 ? argv[1] : ".";
    test_whole();
    test_cuts();
    test_changed();
    test_refused();
    test_window();
    return 0;
}
