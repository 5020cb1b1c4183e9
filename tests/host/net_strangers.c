/*
 * net_strangers.c: strangers at the peer address: streams cut off anywhere, garbage, frames out of
 * place, silence.
 */
#include "net_kit.h"

static size_t good_stream(uint8_t to[2048])
{
    struct rh_wire_frame ping = {.group = GROUP, .type = RH_WIRE_PING},
                         request = {.group = GROUP, .type = RH_WIRE_REQUEST,
                                    .request = {.request = 1, .timeout_ms = 1, .what = 1,
                                                .data = {(const uint8_t *)"pear", 4}}};
    size_t len = opening(to, GROUP, 1, 2, RH_WIRE_PEER);

    memset(to + len, 0, 26);
    rh_put_u32(to + len, 14);
    rh_put_u64(to + len + 4, GROUP);
    to[len + 12] = 8;
    len += 26;
    len += rh_wire_write(&ping, to + len, 100);
    len += rh_wire_write(&request, to + len, 200);
    return len;
}

static void test_prefixes(void)
{
    struct node *n = start(2, "prefixes");
    uint8_t b[2048], back[4096];
    size_t len = good_stream(b), got;

    n->echo = true;
    for (size_t cut = 0; cut <= len; cut++) {
        int fd = dial_port(rh_net_tcp_port(n->net));
        CHECK(send(fd, b, cut, MSG_NOSIGNAL) == (ssize_t)cut);
        shutdown(fd, SHUT_WR);
        CHECK(drained(fd, back, sizeof back, &got, 5));
        CHECK(reject_in(back, got) == 0);
        close(fd);
    }
    size_t whole = opening(b, GROUP, 1, 2, RH_WIRE_PEER) + 26;          /* hellos and the frame of the core */
    CHECK(n->n_frames == len - whole + 1 && n->n_requests == 1);
    good_stream(b);
    spin(0.05);
    CHECK(totals(n).connections == 0);

    /* One byte at a time. */
    int fd = dial_port(rh_net_tcp_port(n->net)), one = 1;
    setsockopt(fd, IPPROTO_TCP, 1, &one, sizeof one);
    for (size_t at = 0; at < len; at++) {
        CHECK(send(fd, b + at, 1, MSG_NOSIGNAL) == 1);
        turn(0);
    }
    UNTIL(n->n_requests == 2);
    CHECK(!drained(fd, back, sizeof back, &got, 0.05) && got > 48);
    close(fd);
    stop_all();
}

static void test_garbage(void)
{
    struct node *n = start(2, "garbage");
    struct random r = random_open("net_strangers");
    uint8_t good[2048], b[2048], back[8192];
    size_t len = good_stream(good), got;

    for (int i = 0; i < 400; i++) {
        memcpy(b, good, sizeof b);
        if (i % 4 == 0)
            for (size_t at = 0; at < len; at++)
                b[at] = (uint8_t)random_next(&r);
        else
            for (uint64_t changes = 1 + random_below(&r, 3); changes > 0; changes--)
                b[random_below(&r, len)] = (uint8_t)random_next(&r);
        int fd = dial_port(rh_net_tcp_port(n->net));
        CHECK(send(fd, b, len, MSG_NOSIGNAL) == (ssize_t)len);
        shutdown(fd, SHUT_WR);
        drained(fd, back, sizeof back, &got, 5);
        close(fd);
    }
    CHECK(n->n_log < 10);               /* once per cause, not per attempt */

    /* Frames out of place, of another group, too long, unknown: each has its code. */
    bool closed;
    size_t open = opening(b, GROUP, 1, 2, RH_WIRE_PEER);
    struct rh_wire_frame f = {.group = GROUP, .type = RH_WIRE_CHUNK};
    CHECK(stranger(n, b, open + rh_wire_write(&f, b + open, 200), &closed) == RH_WIRE_R_PROTOCOL && closed);
    f = (struct rh_wire_frame){.group = GROUP + 1, .type = RH_WIRE_PING};
    CHECK(stranger(n, b, open + rh_wire_write(&f, b + open, 200), &closed) == RH_WIRE_R_PROTOCOL && closed);
    f.group = GROUP;
    size_t ping = rh_wire_write(&f, b + open, 200);
    b[open + 13] = 128;
    CHECK(stranger(n, b, open + ping, &closed) == RH_WIRE_R_UNKNOWN_FRAME && closed);
    b[open + 13] = 127;
    CHECK(stranger(n, b, open + ping, &closed) == 0 && !closed);        /* skipped */
    rh_put_u32(b + open, 0x7fffffff);
    CHECK(stranger(n, b, open + ping, &closed) == RH_WIRE_R_TOO_LARGE && closed);
    CHECK(stranger(n, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18, &closed) == 0 && closed);
    CHECK(stranger(n, (const uint8_t *)"\x16\x03\x01\x02\x00\x01", 6, &closed) == 0 && closed);

    /* A stranger cannot stop the node by saying that its id belongs to another disk. */
    unsigned told = n->n_rejected;
    f = (struct rh_wire_frame){.group = GROUP, .type = RH_WIRE_REJECT, .reject = {.code = RH_WIRE_R_DISK}};
    stranger(n, b, open + rh_wire_write(&f, b + open, 200), &closed);
    CHECK(closed && n->n_rejected == told);
    stop_all();
}

static void test_half_open(void)
{
    struct node *n = start(2, "half"), *a = start(1, "half");
    int fd[80];

    introduce(a, n);
    for (int i = 0; i < 80; i++) {
        fd[i] = dial_port(rh_net_tcp_port(n->net));
        turn(1);
    }
    UNTIL(totals(n).accepted == 80);
    CHECK(totals(n).half_open == 64 && logged(n, "wait for a hello") == 1);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(n->n_frames == 1);
    skipped += 3100000;
    UNTIL(totals(n).half_open == 0);
    CHECK(logged(n, "no hello within 3 s") == 1 && peer_totals(a, 2).up_out);
    for (int i = 0; i < 80; i++)
        close(fd[i]);
    stop_all();
}

int main(int argc, char **argv)
{
    net_scratch = argc > 1 ? argv[1] : ".";
    test_prefixes();
    test_garbage();
    test_half_open();
    return 0;
}
