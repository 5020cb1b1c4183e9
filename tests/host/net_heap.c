/*
 * net_heap.c: the transport while each allocation fails once, in turn. Whatever fails, later attempts
 * bring frames, requests and a snapshot through.
 */
#include "heap.h"
#include "net_kit.h"
#include "snapshot.h"

enum { FILE_BYTES = 600000 };

static struct rh_snapshot make(struct node *n)
{
    struct rh_snapshot_writer *w;
    struct rh_snapshot s;
    static uint8_t data[FILE_BYTES];

    OK_NET(rh_snapshot_create(&n->dir, 5, 4, (raftcore_slice){data, 2}, (raftcore_slice){data, 0}, 0, &w, &net_why));
    OK_NET(rh_snapshot_write(w, data, sizeof data, &net_why));
    OK_NET(rh_snapshot_finish(w, &s, &net_why));
    return s;
}

/* Repeats what a driver would repeat until all has come through. */
static void deliver(struct node *a, struct node *b, const struct rh_snapshot *s)
{
    bool offered = false;
    unsigned failed = 0;
    static uint8_t data[100000];
    double again = 0, end = now_seconds() + 20;

    while (b->n_frames == 0 || a->n_answered == 0 || b->n_stored == 0 || a->n_sent == 0) {
        CHECK(now_seconds() < end);
        if (now_seconds() > again) {
            again = now_seconds() + 0.05;
            if (b->n_frames == 0)
                send_frame(a, 2, 0, 50000);
            if (a->n_answered == 0)
                send_request(a, 2, 7, (raftcore_slice){data, sizeof data});
            if (!offered || a->n_failed > failed) {
                failed = a->n_failed;
                offered = a->net.ops->offer(a->net.self, 2, s) == RH_OK;
            }
        }
        turn(5);
    }
}

/* Opens a transport, as often as memory fails. */
static void open_again(struct node *n)
{
    struct rh_net_tcp_options o = options_of(n);
    int code = RH_E_NOMEM, tries = 0;

    while (code == RH_E_NOMEM && tries++ < 3)
        code = rh_net_tcp_open(&o, &n->net, &net_why);
    CHECK_OK(code, &net_why);
    n->up = true;
}

static void know(struct node *n, const struct node *peer)
{
    for (int tries = 0; tries < 3; tries++)
        if (set_port(n, peer->id, rh_net_tcp_port(peer->net)) == RH_OK)
            return;
    DIE("no peer");
}

int main(int argc, char **argv)
{
    unsigned n = 0;
    bool failed = true;

    net_scratch = argc > 1 ? argv[1] : ".";
    while (failed) {
        char name[32];
        snprintf(name, sizeof name, "heap%u", n);
        struct node *a = node_of(1, name), *b = node_of(2, name);
        struct rh_snapshot s = make(a);
        b->echo = true;
        heap_fail_at(++n);
        open_again(a);
        open_again(b);
        know(a, b);
        know(b, a);
        deliver(a, b, &s);
        failed = heap_countdown == 0;
        heap_fail_at(0);
        stop_all();
    }
    printf("net_heap: %u allocations failed once each\n", n - 1);
    CHECK(n > 20);
    return 0;
}
