/*
 * net_links.c: the transport over TCP: frames in order, requests and outcomes, hellos refused, slow
 * readers, joining, few descriptors.
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

    /* A MsgSnap without its file is answered on its connection. */
    b->no_data = true;
    CHECK(send_frame(a, 2, 2000, 0) == RH_OK);
    UNTIL(a->n_answered == 3);
    CHECK(a->answered.type == RH_WIRE_ABORT && a->answered.abort.index == 9);
    b->no_data = false;
    struct rh_wire_frame none = {.type = RH_WIRE_ABORT};
    CHECK(b->net.ops->answer(b->net.self, 0, &none) == RH_NONE);

    /* Silence is filled with PING; the connection stays. */
    for (int i = 0; i < 10; i++) {
        skipped += 4000000;
        spin(0.02);
    }
    CHECK(peer_totals(a, 2).up_out && a->n_lost == 0);

    /* So is the silence of a peer that is sent frames all the time, and answers none on this connection. */
    uint64_t accepted = totals(b).accepted;
    for (int i = 0; i < 20; i++) {
        skipped += 2000000;
        CHECK(send_frame(a, 2, 0, 0) == RH_OK);
        spin(0.02);
    }
    CHECK(peer_totals(a, 2).up_out && a->n_lost == 0 && totals(b).accepted == accepted);

    /* A peer that goes away: lost, once; then back at another port. */
    stop(b);
    UNTIL(a->n_lost == 1);
    CHECK(a->n_rejected == 1 && a->reject_code == RH_WIRE_R_SHUTTING_DOWN);
    b = start(2, "frames");
    introduce(a, b);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(b->n_frames == 1);
    stop(b);
    send_into_closed(a, 2);
    UNTIL(a->n_lost == 2);
    b = start(2, "frames");
    introduce(a, b);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(b->n_frames == 1);
    CHECK(a->net.ops->peer(a->net.self, 2, "") == RH_OK);
    CHECK(send_frame(a, 2, 1, 0) == RH_E_RANGE);
    spin(0.1);
    CHECK(a->n_lost == 3 && totals(a).connections == 0);
    stop_all();
}

/* ---- hellos ---- */

static void test_hellos(void)
{
    struct node *n = start(2, "hellos");
    uint8_t good[512], b[512];
    size_t len = opening(good, GROUP, 1, 2, RH_WIRE_PEER);
    bool closed;

    static const struct {
        const char *what;
        uint64_t group, id, to;
        uint8_t channel;
        uint16_t code;
    } cases[] = {
        {"another group", 8, 1, 2, RH_WIRE_PEER, RH_WIRE_R_GROUP},
        {"id 0", GROUP, 0, 2, RH_WIRE_PEER, RH_WIRE_R_ID},
        {"the own id", GROUP, 2, 2, RH_WIRE_PEER, RH_WIRE_R_ID},
        {"another id is meant", GROUP, 1, 3, RH_WIRE_PEER, RH_WIRE_R_ID},
        {"no id is meant", GROUP, 1, 0, RH_WIRE_PEER, RH_WIRE_R_ID},
        {"a wrong group comes before a wrong id", 8, 2, 3, RH_WIRE_PEER, RH_WIRE_R_GROUP},
        {"an unknown channel", GROUP, 1, 2, 9, RH_WIRE_R_UNKNOWN_VALUE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t l = opening(b, cases[i].group, cases[i].id, cases[i].to, cases[i].channel);
        uint16_t code = stranger(n, b, l, &closed);
        if (code != cases[i].code || !closed)
            DIE("%s: code %u, expected %u", cases[i].what, code, cases[i].code);
        CHECK(n->n_hellos == 0);
    }
    /* Versions: of the core (offset 20), of this protocol (48 + 16 and 48 + 20). */
    for (size_t at = 20; at <= 68; at += at == 20 ? 44 : 4) {
        memcpy(b, good, len);
        b[at] = at == 64 ? 0 : 2;
        CHECK(stranger(n, b, len, &closed) == RH_WIRE_R_VERSION && closed);
    }
    memcpy(b, good, len);
    rh_put_u32(b + 48 + 12 + 20, 65535);                /* max_frame */
    CHECK(stranger(n, b, len, &closed) == RH_WIRE_R_PROTOCOL && closed);
    /* The driver's checks: founding, disk, membership. Each cause is told once. */
    unsigned told = n->n_rejected;
    for (uint16_t code = RH_WIRE_R_FOUNDING; code <= RH_WIRE_R_DISK; code++) {
        n->hello_code = code;
        for (int again = 0; again < 3; again++)
            CHECK(stranger(n, good, len, &closed) == code && closed);
        CHECK(n->reject_code == code && !n->reject_by_peer && n->reject_peer == 1 && n->n_rejected == ++told);
    }
    n->hello_code = 0;
    CHECK(stranger(n, good, len, &closed) == 0 && !closed);     /* good */
    CHECK(n->n_lost == 0 && totals(n).half_open == 0);
    stop_all();
}

/* Two hosts that refuse each other hear of it, once, and stay apart for a while. */
static void test_apart(void)
{
    struct node *a = node_of(1, "apart"), *b = node_of(2, "apart"), *c = node_of(3, "apart");
    const uint8_t x[RH_WIRE_ID] = {1}, y[RH_WIRE_ID] = {2};

    OK_NET(rh_dir_set_founding(&a->dir, x, &net_why));
    OK_NET(rh_dir_set_founding(&b->dir, y, &net_why));
    a->check_founding = b->check_founding = c->check_founding = c->take_founding = true;
    struct rh_net_tcp_options oa = options_of(a), ob = options_of(b), oc = options_of(c);
    oc.self.empty = true;
    start_with(a, &oa);
    start_with(b, &ob);
    start_with(c, &oc);
    introduce(a, b);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(a->n_rejected == 1 && a->n_lost == 1);
    CHECK(a->reject_code == RH_WIRE_R_FOUNDING && a->reject_by_peer && b->reject_code == RH_WIRE_R_FOUNDING);
    CHECK(send_frame(a, 2, 0, 0) == RH_E_SMALL);                        /* for a minute */
    unsigned accepted = (unsigned)totals(b).accepted;
    spin(0.2);
    CHECK(totals(b).accepted == accepted && b->n_frames == 0);
    skipped += 61000000;
    turn(0);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(a->n_lost == 2);
    CHECK(a->n_rejected == 1 && peer_totals(a, 2).rejects_received == 2);

    /* An empty host takes over the founding of the first that dials, and shows it from then on. */
    introduce(a, c);
    introduce(c, b);
    CHECK(send_frame(a, 3, 0, 0) == RH_OK);
    UNTIL(c->n_frames == 1);
    CHECK(memcmp(c->dir.owner.founding, x, RH_WIRE_ID) == 0);
    CHECK(send_frame(c, 2, 0, 0) == RH_OK);
    UNTIL(c->n_rejected == 1);
    CHECK(c->reject_code == RH_WIRE_R_FOUNDING);

    /* A wrong address map: node 2 is looked for at node 3. */
    CHECK(set_port(a, 2, rh_net_tcp_port(c->net)) == RH_OK);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(a->n_lost == 3);
    CHECK(a->reject_code == RH_WIRE_R_ID && c->n_frames == 1);
    introduce(a, b);
    CHECK(peer_totals(a, 3).up_out);
    stop_all();
}

/* Answers a dial with any bytes. */
static void answer_dial(struct node *n, const uint8_t *bytes, size_t len)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    unsigned lost = n->n_lost;
    uint8_t back[4096];
    size_t got;

    CHECK(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&at, &at_len) == 0);
    CHECK(set_port(n, 2, ntohs(at.sin_port)) == RH_OK);
    CHECK(send_frame(n, 2, 0, 0) == RH_OK);
    turn(1);
    int fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0 && send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    UNTIL(n->n_lost > lost || peer_totals(n, 2).up_out);
    drained(fd, back, sizeof back, &got, 0.05);
    close(fd);
    close(listener);
    UNTIL(n->n_lost > lost);
}

/* A dialler checks the answer as an acceptor checks a hello. */
static void test_answers(void)
{
    struct node *n = start(1, "answers");
    uint8_t b[1024];
    struct rh_wire_frame reject = {.group = GROUP, .type = RH_WIRE_REJECT,
                                   .reject = {.code = RH_WIRE_R_DISK, .words = {(const uint8_t *)"wi\nped", 6}}};

    answer_dial(n, b, opening(b, GROUP, 3, 1, RH_WIRE_PEER));
    CHECK(n->reject_code == RH_WIRE_R_ID && !n->reject_by_peer && n->n_rejected == 1);
    answer_dial(n, b, opening(b, GROUP, 2, 1, RH_WIRE_BULK));
    CHECK(n->reject_code == RH_WIRE_R_PROTOCOL && n->n_rejected == 2);
    answer_dial(n, b, opening(b, GROUP + 1, 2, 1, RH_WIRE_PEER));
    CHECK(n->reject_code == RH_WIRE_R_GROUP && n->n_rejected == 3);
    CHECK(n->n_hellos == 0);
    answer_dial(n, (const uint8_t *)"HTTP/1.1 400 Bad Request\r\n", 26);
    CHECK(n->n_rejected == 3 && n->n_log == 1);
    answer_dial(n, b, opening(b, GROUP, 2, 1, RH_WIRE_PEER));
    CHECK(n->n_hellos == 1 && n->n_rejected == 3);
    answer_dial(n, b, rh_wire_write(&reject, b, sizeof b));
    CHECK(n->n_rejected == 4 && n->reject_code == RH_WIRE_R_DISK && n->reject_by_peer && strstr(n->words, "wi?ped"));
    stop_all();
}

/* Of two processes under an id, the newer connection stays, and the log says so. */
static void test_two(void)
{
    struct node *n = start(2, "two"), *real = start(1, "two");
    uint8_t b[512], back[4096];
    size_t len = opening(b, GROUP, 1, 2, RH_WIRE_PEER), got;

    introduce(n, real);
    introduce(real, n);
    CHECK(send_frame(real, 2, 0, 0) == RH_OK);
    UNTIL(n->n_frames == 1);
    int fd = dial_port(rh_net_tcp_port(n->net));
    CHECK(send(fd, b, len, MSG_NOSIGNAL) == (ssize_t)len);
    UNTIL(real->n_lost == 1);
    CHECK(logged(n, "two processes") == 1 && peer_totals(n, 1).up_in);
    CHECK(send_frame(real, 2, 1, 0) == RH_OK);
    UNTIL(n->n_frames == 2);
    CHECK(drained(fd, back, sizeof back, &got, 1) && got > 48);
    CHECK(logged(n, "two processes") == 1);
    close(fd);
    stop_all();
}

/* ---- bounds ---- */

static void test_slow_reader(void)
{
    struct node *a = node_of(1, "slow");
    struct rh_net_tcp_options o = options_of(a);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    uint8_t b[512], back[4096];
    int listener = socket(AF_INET, SOCK_STREAM, 0), small = 4096, refused = 0;

    o.queue_bytes = 1 << 20;
    start_with(a, &o);
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    CHECK(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 5) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
    CHECK(set_port(a, 2, ntohs(at.sin_port)) == RH_OK);

    /* Before the connection is up the bound holds, too. */
    uint64_t number = 0;
    while (number < 100 && send_frame(a, 2, number, 60000) == RH_OK)
        number++;
    CHECK(number >= 16 && number <= 18 && peer_totals(a, 2).queued <= 1 << 20);
    turn(1);
    int fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    turn(1);
    CHECK(recv(fd, back, sizeof back, 0) > 48);
    size_t l = opening(b, GROUP, 2, 1, RH_WIRE_PEER);
    CHECK(send(fd, b, l, MSG_NOSIGNAL) == (ssize_t)l);
    UNTIL(peer_totals(a, 2).up_out);
    CHECK(send_frame(a, 2, number, (1 << 20) - 23) == RH_E_SMALL && logged(a, "longer than") == 1);
    for (int i = 0; i < 2000; i++) {
        refused += send_frame(a, 2, number, 20000) == RH_E_SMALL;
        number++;
        if (i % 50 == 0)
            turn(0);
        CHECK(peer_totals(a, 2).queued <= 1 << 20);
    }
    CHECK(refused > 1000 && peer_totals(a, 2).drops >= (unsigned)refused && a->n_lost == 0);

    /* What comes out is whole frames all the same. */
    fcntl(fd, F_SETFL, O_NONBLOCK);
    static uint8_t all[16 << 20];
    size_t got = 0, frames = 0;
    for (int idle = 0; idle < 50; turn(1)) {
        ssize_t n = recv(fd, all + got, sizeof all - got, 0);
        got += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
    }
    struct rh_wire_span span;
    for (size_t p = 0; p < got; p += span.bytes, frames++)
        CHECK(rh_wire_next(all + p, got - p, 1 << 20, &span) == RH_WIRE_OK && span.group == GROUP);
    CHECK(frames > 16 && peer_totals(a, 2).queued == 0);

    /* Silent for 15 s: lost. */
    skipped += 16000000;
    UNTIL(a->n_lost == 1);
    CHECK(strstr(a->words, "15 s"));
    close(fd);
    close(listener);
    stop_all();
}

/* Hosts that are no members are few, and a peer may wait for a bounded number of outcomes. */
static void test_limits(void)
{
    struct node *n = start(2, "limits"), *a = start(1, "limits");
    uint8_t b[512], back[4096];
    int fd[66];
    size_t got;

    for (unsigned i = 0; i < 66; i++) {
        size_t len = opening(b, GROUP, 100 + i, 2, RH_WIRE_PEER);
        fd[i] = dial_port(rh_net_tcp_port(n->net));
        CHECK(send(fd[i], b, len, MSG_NOSIGNAL) == (ssize_t)len);
        UNTIL(n->n_hellos == i + 1);
    }
    CHECK(!drained(fd[63], back, sizeof back, &got, 0.05) && got > 48);
    CHECK(drained(fd[64], back, sizeof back, &got, 2) && reject_in(back, got) == RH_WIRE_R_BUSY);
    introduce(n, a);
    introduce(a, n);
    CHECK(send_frame(a, 2, 0, 0) == RH_OK);
    UNTIL(n->n_frames == 1);
    for (unsigned i = 0; i < 66; i++)
        close(fd[i]);

    for (uint64_t i = 0; i < 4100; i++)
        CHECK(send_request(a, 2, i, (raftcore_slice){b, 3}) == RH_OK);
    UNTIL(a->n_answered == 4);
    CHECK(n->n_requests == 4096 && a->answered.outcome.outcome == RH_WIRE_REFUSED);
    CHECK(a->answered.outcome.code == RH_WIRE_R_BUSY && a->answered.outcome.request == 4099);
    stop_all();
}

static void test_descriptors(void)
{
    struct node *a, *b;
    struct rlimit old, low;
    int hog[1024], strangers[20];
    unsigned n = 0;

    pair("descriptors", &a, &b);
    for (int i = 0; i < 20; i++)
        strangers[i] = dial_port(rh_net_tcp_port(b->net));
    UNTIL(totals(b).half_open == 20);
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    low = old;
    low.rlim_cur = 200;
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    while (n < 1024 && (hog[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    CHECK(n > 10 && n < 200 && errno == EMFILE);

    /* No descriptor is left: members get through, in both directions. */
    CHECK(send_frame(a, 2, 0, 0) == RH_OK && send_frame(b, 1, 0, 0) == RH_OK);
    UNTIL(b->n_frames == 1 && a->n_frames == 1);
    CHECK(totals(b).no_descriptor > 0 && logged(b, "out of descriptors") + logged(a, "out of descriptors") > 0);
    /* A connection that breaks comes back. */
    for (int again = 2; again < 6; again++) {
        CHECK(a->net.ops->peer(a->net.self, 2, "127.0.0.1:1") == RH_OK);
        spin(0.02);
        while (n < 1024 && (hog[n] = open("/dev/null", O_RDONLY)) >= 0)
            n++;
        introduce(a, b);
        CHECK(send_frame(a, 2, 0, 0) == RH_OK);
        UNTIL(b->n_frames == (unsigned)again);
    }
    while (n > 0)
        close(hog[--n]);
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    spin(1.1);
    CHECK(totals(a).spares == RH_NET_SPARES && totals(b).spares == RH_NET_SPARES);
    for (int i = 0; i < 20; i++)
        close(strangers[i]);
    stop_all();
}

/* ---- joining, names ---- */

static void test_join(void)
{
    struct node *a = node_of(1, "join"), *j = node_of(3, "join");
    const uint8_t founding[RH_WIRE_ID] = {7};
    char address[40];

    OK_NET(rh_dir_set_founding(&a->dir, founding, &net_why));
    struct rh_net_tcp_options oa = options_of(a), oj = options_of(j);
    oj.self.empty = true;
    start_with(a, &oa);
    start_with(j, &oj);
    snprintf(address, sizeof address, "localhost:%u", rh_net_tcp_port(a->net));
    a->join_status = RH_WIRE_WAIT;

    /* Refused for now: asks again, and not before it may. */
    a->hello_code = RH_WIRE_R_BUSY;
    CHECK(j->net.ops->join(j->net.self, address, RH_WIRE_WANT_VOTER) == RH_OK);
    UNTIL(j->n_rejected == 1);
    uint64_t dials = totals(a).accepted;
    spin(0.3);
    CHECK(totals(a).accepted == dials && j->reject_by_peer);
    skipped += 1000000;
    UNTIL(totals(a).accepted == dials + 1);
    a->hello_code = 0;
    CHECK(j->net.ops->join(j->net.self, "nonsense", RH_WIRE_WANT_VOTER) == RH_E_ARG);
    CHECK(j->net.ops->join(j->net.self, address, RH_WIRE_WANT_VOTER) == RH_OK);
    UNTIL(j->n_answered == 3);
    CHECK(j->answered.joined.status == RH_WIRE_WAIT && a->last_type == RH_WIRE_JOIN && a->last_peer == 3);
    a->join_status = RH_WIRE_MEMBER;
    UNTIL(j->n_answered == 4);
    CHECK(j->answered.joined.status == RH_WIRE_MEMBER && j->last_peer == 1);
    CHECK(memcmp(j->answered.joined.founding, founding, RH_WIRE_ID) == 0);
    spin(0.3);
    CHECK(a->n_requests == 4 && totals(a).connections == 0);

    /* A name that does not exist: told once, and the loop goes on. */
    CHECK(j->net.ops->join(j->net.self, "no-such-name.invalid:7001", RH_WIRE_WANT_VOTER) == RH_OK);
    UNTIL(logged(j, "no-such-name.invalid"));
    spin(0.2);
    CHECK(logged(j, "no-such-name.invalid") == 1);
    stop_all();
}

int main(int argc, char **argv)
{
    net_scratch = argc > 1 ? argv[1] : ".";
    test_frames();
    test_hellos();
    test_apart();
    test_answers();
    test_two();
    test_slow_reader();
    test_limits();
    test_descriptors();
    test_join();
    return 0;
}
