/*
 * net_links.c: the transport over TCP: frames in order, requests and outcomes, hellos refused,
 * strangers, slow readers, joining, few descriptors.
 */
#include <sys/resource.h>

#include "net_kit.h"

static void pair(const char *name, struct node **a, struct node **b)
{
    *a = start(1, name);
    *b = start(2, name);
    introduce(*a, *b);
    introduce(*b, *a);
}

static void test_frames(void)
{
    struct node *a, *b;

    pair("frames", &a, &b);
    CHECK(send_frame(a, 3, 0, 0) == RH_E_RANGE);
    for (uint64_t i = 0; i < 2000; i++) {
        CHECK(send_frame(a, 2, i, i % 700) == RH_OK);
        CHECK(send_frame(b, 1, i, 0) == RH_OK);
        if (i % 100 == 0)
            turn(0);
    }
    UNTIL(b->n_frames == 2000 && a->n_frames == 2000);
    CHECK(a->gaps == 0 && b->gaps == 0);
    CHECK(b->last_peer == 1 && a->last_peer == 2);
    CHECK(peer_totals(a, 2).up_out && peer_totals(a, 2).up_in && peer_totals(a, 2).sends == 2000);
    CHECK(a->n_lost == 0 && a->n_log == 0);

    /* Requests, their outcomes, and big ones. */
    static uint8_t data[900000];
    b->echo = true;
    CHECK(send_request(a, 2, 41, (raftcore_slice){(const uint8_t *)"apple", 5}) == RH_OK);
    UNTIL(a->n_answered == 1);
    CHECK(a->answered.type == RH_WIRE_OUTCOME && a->answered.outcome.request == 41);
    CHECK(send_request(a, 2, 42, (raftcore_slice){data, sizeof data}) == RH_OK);
    UNTIL(a->n_answered == 2);
    CHECK(a->answered.outcome.outcome == RH_WIRE_DONE && a->answered.outcome.result.len == sizeof data);

    /* Silence is filled with PING; the connection stays. */
    for (int i = 0; i < 10; i++) {
        skipped += 4000000;
        spin(0.02);
    }
    CHECK(peer_totals(a, 2).up_out && a->n_lost == 0);

    /* A peer that goes away: lost, once; then back at another port. */
    stop(b);
    UNTIL(a->n_lost == 1);
    CHECK(a->n_rejected == 1 && a->reject_code == RH_WIRE_R_SHUTTING_DOWN);
    b = start(2, "frames");
    introduce(a, b);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(b->n_frames == 1);
    CHECK(a->net.ops->peer(a->net.self, 2, "") == RH_OK);
    CHECK(send_frame(a, 2, 1, 0) == RH_E_RANGE);
    spin(0.1);
    CHECK(a->n_lost == 2 && totals(a).connections == 0);
    stop_all();
}

int main(int argc, char **argv)
{
    net_scratch = argc > 1 ? argv[1] : ".";
    test_frames();
    return 0;
}
