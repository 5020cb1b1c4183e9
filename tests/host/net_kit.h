/*
 * net_kit.h: transports in one process, over loopback, each with a scripted driver that records what
 * it is told.
 *
 * The clock is the machine's plus `skipped`, so that a test need not wait for long timeouts.
 */
#ifndef HOST_NET_KIT_H
#define HOST_NET_KIT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "kit.h"
#include "net_tcp.h"

enum { NODES = 4, GROUP = 7, LOG_MAX = 64 };

struct node {
    uint64_t id;
    char path[300];
    struct rh_dir dir;
    struct rh_net net;
    bool up;

    /* the script */
    uint16_t hello_code;                /* what `hello` returns */
    bool check_founding, take_founding;
    uint16_t offered_code;
    bool echo;                          /* answers each REQUEST with DONE and its data */
    uint8_t join_status;                /* answer to JOIN */
    bool no_data;                       /* answers frames with ABORT 0 */

    /* what was told */
    unsigned n_hellos, n_frames, n_requests, n_answered, n_lost, n_rejected, n_under_way, n_stored, n_sent, n_failed;
    uint64_t frame_bytes, next_frame;   /* frames hold numbers: each must follow the one before */
    unsigned gaps;
    uint16_t reject_code, fail_code;
    bool reject_by_peer;
    uint64_t reject_peer, last_from, last_peer, offered_bytes;
    struct rh_wire_frame answered;
    uint8_t last_type;
    uint64_t founding_seen;
    struct rh_snapshot stored;
    char words[RH_WORDS_MAX];
    char log[LOG_MAX][512];
    unsigned n_log;
};

static struct node nodes[NODES];
static const char *net_scratch;
static uint64_t skipped;
static struct rh_words net_why;

#define OK_NET(call) CHECK_OK(call, &net_why)

static inline uint64_t now_us(void)
{
    return (uint64_t)(now_seconds() * 1e6) + skipped;
}

/* ---- the driver ---- */

static uint16_t on_hello(void *driver, const struct rh_net_hello *h, struct rh_words *words)
{
    struct node *n = driver;

    n->n_hellos++;
    if (n->check_founding && !rh_is_zero(h->founding, RH_WIRE_ID) && !rh_is_zero(n->dir.owner.founding, RH_WIRE_ID) &&
        memcmp(h->founding, n->dir.owner.founding, RH_WIRE_ID) != 0) {
        rh_fail(words, 0, "founded apart");
        return RH_WIRE_R_FOUNDING;
    }
    if (n->take_founding && rh_is_zero(n->dir.owner.founding, RH_WIRE_ID) && !rh_is_zero(h->founding, RH_WIRE_ID))
        OK_NET(rh_dir_set_founding(&n->dir, h->founding, &net_why));
    if (n->hello_code)
        rh_fail(words, 0, "the script says %u", n->hello_code);
    return n->hello_code;
}

static void on_frames(void *driver, uint64_t peer, const uint8_t *bytes, size_t len)
{
    struct node *n = driver;
    struct rh_wire_span span;

    n->last_peer = peer;
    n->frame_bytes += len;
    if (n->no_data) {
        struct rh_wire_frame out = {.type = RH_WIRE_ABORT, .abort = {.index = 9, .code = RH_WIRE_A_NO_DATA}};
        CHECK(n->net.ops->answer(n->net.self, 0, &out) == RH_OK);
    }
    for (size_t at = 0; at < len; at += span.bytes) {
        CHECK(rh_wire_next(bytes + at, len - at, 1 << 30, &span) == RH_WIRE_OK && span.whose == RH_WIRE_CORE);
        n->n_frames++;
        if (span.bytes >= 24) {
            uint64_t number = rh_get_u64(bytes + at + 16);
            n->gaps += number != n->next_frame;
            n->next_frame = number + 1;
        }
    }
}

static void on_request(void *driver, uint64_t from, uint64_t peer, const struct rh_wire_frame *f,
                       const struct rh_net_hello *hello)
{
    struct node *n = driver;

    n->n_requests++;
    n->last_from = from;
    n->last_peer = peer;
    n->last_type = f->type;
    CHECK((f->type == RH_WIRE_JOIN) == (hello != NULL));
    if (f->type == RH_WIRE_REQUEST && n->echo) {
        struct rh_wire_frame out = {.type = RH_WIRE_OUTCOME,
                                    .outcome = {.request = f->request.request, .outcome = RH_WIRE_DONE,
                                                .result = f->request.data}};
        n->net.ops->answer(n->net.self, from, &out);
    }
    if (f->type == RH_WIRE_JOIN && n->join_status) {
        CHECK(hello->empty && hello->id == peer && hello->peer_address.len > 0);
        struct rh_wire_frame out = {.type = RH_WIRE_JOINED, .joined = {.status = n->join_status, .retry_ms = 100}};
        memcpy(out.joined.founding, n->dir.owner.founding, RH_WIRE_ID);
        CHECK(n->net.ops->answer(n->net.self, from, &out) == RH_OK);
    }
}

static void on_answered(void *driver, uint64_t peer, const struct rh_wire_frame *f)
{
    struct node *n = driver;

    n->n_answered++;
    n->last_peer = peer;
    n->answered = *f;
}

static void on_lost(void *driver, uint64_t peer, const char *words)
{
    struct node *n = driver;

    n->n_lost++;
    n->last_peer = peer;
    snprintf(n->words, sizeof n->words, "%s", words);
}

static void on_rejected(void *driver, uint64_t peer, bool by_peer, uint16_t code, const char *words)
{
    struct node *n = driver;

    n->n_rejected++;
    n->reject_peer = peer;
    n->reject_by_peer = by_peer;
    n->reject_code = code;
    snprintf(n->words, sizeof n->words, "%s", words);
}

static void on_sending(void *driver, uint64_t to, enum rh_net_sending how, uint16_t code, const char *words)
{
    struct node *n = driver;

    (void)to;
    n->n_under_way += how == RH_NET_UNDER_WAY;
    n->n_sent += how == RH_NET_STORED;
    n->n_failed += how == RH_NET_FAILED;
    if (how == RH_NET_FAILED) {
        n->fail_code = code;
        snprintf(n->words, sizeof n->words, "%s", words);
    }
}

static uint16_t on_offered(void *driver, uint64_t from, const struct rh_snapshot *what)
{
    struct node *n = driver;

    n->last_peer = from;
    n->offered_bytes = what->bytes;
    return n->offered_code;
}

static void on_stored(void *driver, uint64_t from, const struct rh_snapshot *what)
{
    struct node *n = driver;

    n->last_peer = from;
    n->n_stored++;
    n->stored = *what;
}

static void on_log(void *context, int level, const char *text)
{
    struct node *n = context;

    (void)level;
    snprintf(n->log[n->n_log++ % LOG_MAX], sizeof n->log[0], "%s", text);
}

static const struct rh_net_events net_events = {
    .struct_size = sizeof net_events,
    .hello = on_hello,
    .frames = on_frames,
    .request = on_request,
    .answered = on_answered,
    .lost = on_lost,
    .rejected = on_rejected,
    .sending = on_sending,
    .offered = on_offered,
    .stored = on_stored,
};

static inline unsigned logged(const struct node *n, const char *part)
{
    unsigned count = 0;

    for (unsigned i = 0; i < LOG_MAX; i++)
        count += strstr(n->log[i], part) != NULL;
    return count;
}

/* ---- life ---- */

static inline struct rh_net_tcp_options options_of(struct node *n)
{
    struct rh_net_tcp_options o = {.struct_size = sizeof o,
                                   .listen = "127.0.0.1:0",
                                   .self = {.group = GROUP, .id = n->id, .peer_address = "127.0.0.1:7001"},
                                   .dir = &n->dir,
                                   .events = &net_events,
                                   .driver = n,
                                   .log = on_log,
                                   .log_context = n};

    memcpy(o.self.founding, n->dir.owner.founding, RH_WIRE_ID);
    memcpy(o.self.disk, n->dir.owner.disk, RH_WIRE_ID);
    return o;
}

/* Opens the directory of a node; the transport comes by start_with. */
static inline struct node *node_of(uint64_t id, const char *name)
{
    struct node *n = &nodes[id];

    CHECK(!n->up);
    *n = (struct node){.id = id};
    snprintf(n->path, sizeof n->path, "%s/%s-%llu", net_scratch, name, (unsigned long long)id);
    OK_NET(rh_dir_open(&n->dir, n->path, GROUP, id, &net_why));
    return n;
}

static inline void start_with(struct node *n, const struct rh_net_tcp_options *o)
{
    OK_NET(rh_net_tcp_open(o, &n->net, &net_why));
    n->up = true;
}

static inline struct node *start(uint64_t id, const char *name)
{
    struct node *n = node_of(id, name);
    struct rh_net_tcp_options o = options_of(n);

    start_with(n, &o);
    return n;
}

static inline void stop(struct node *n)
{
    if (n->up)
        rh_net_tcp_close(n->net);
    rh_dir_close(&n->dir);
    n->up = false;
}

static inline void stop_all(void)
{
    for (unsigned i = 0; i < NODES; i++)
        if (nodes[i].id)
            stop(&nodes[i]);
}

static inline int set_port(struct node *n, uint64_t peer, unsigned port)
{
    char address[64];

    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    return n->net.ops->peer(n->net.self, peer, address);
}

static inline void introduce(struct node *n, const struct node *peer)
{
    CHECK(set_port(n, peer->id, rh_net_tcp_port(peer->net)) == RH_OK);
}

/* Waits for something to do, up to `ms`, and does it. */
static inline void turn(unsigned ms)
{
    struct pollfd fds[NODES];
    nfds_t count = 0;
    uint64_t now = now_us(), due = now + ms * 1000u;

    for (unsigned i = 0; i < NODES; i++) {
        if (!nodes[i].up)
            continue;
        fds[count++] = (struct pollfd){.fd = rh_net_tcp_fd(nodes[i].net), .events = POLLIN};
        uint64_t at = rh_net_tcp_due(nodes[i].net, now);
        due = at < due ? at : due;
    }
    poll(fds, count, (int)((due - now + 999) / 1000));
    for (unsigned i = 0; i < NODES; i++)
        if (nodes[i].up)
            rh_net_tcp_turn(nodes[i].net, now_us());
}

static inline void spin(double seconds)
{
    for (double end = now_seconds() + seconds; now_seconds() < end;)
        turn(5);
}

#define UNTIL(condition) \
    do { \
        double end_ = now_seconds() + 10; \
        while (!(condition)) { \
            if (now_seconds() > end_) \
                DIE("not within 10 s: %s", #condition); \
            turn(10); \
        } \
    } while (0)

/* ---- frames ---- */

/* A frame of the core with a number: 24 bytes and `more`. */
static inline int send_frame(struct node *n, uint64_t to, uint64_t number, size_t more)
{
    static uint8_t bytes[(1 << 20) + 64];

    CHECK(24 + more <= sizeof bytes);
    memset(bytes, 0, 24);
    rh_put_u32(bytes, (uint32_t)(12 + more));
    rh_put_u64(bytes + 4, GROUP);
    bytes[12] = 8;
    rh_put_u64(bytes + 16, number);
    const raftcore_slice parts[2] = {{bytes, 20}, {bytes + 20, 4 + more}};
    return n->net.ops->send(n->net.self, to, parts, 2);
}

/* Sends to a peer that has closed, before the transport can know: no SIGPIPE may come of it. */
static inline void send_into_closed(struct node *n, uint64_t to)
{
    for (int i = 0; i < 5; i++) {
        send_frame(n, to, 0, 100);
        usleep(3000);
    }
}

static inline int send_request(struct node *n, uint64_t to, uint64_t number, raftcore_slice data)
{
    uint8_t head[256];
    struct rh_wire_frame f = {.group = GROUP, .type = RH_WIRE_REQUEST,
                              .request = {.request = number, .timeout_ms = 1000, .what = RH_WIRE_ENTRY, .data = data}};
    size_t len = rh_wire_write_head(&f, head, sizeof head);
    const raftcore_slice parts[2] = {{head, len}, data};

    return n->net.ops->send(n->net.self, to, parts, 2);
}

static inline struct rh_net_totals totals(const struct node *n)
{
    struct rh_net_totals t;

    rh_net_tcp_totals(n->net, &t);
    return t;
}

static inline struct rh_net_peer_totals peer_totals(const struct node *n, uint64_t id)
{
    struct rh_net_peer_totals all[NODES];
    size_t count = rh_net_tcp_peers(n->net, all, NODES);

    for (size_t i = 0; i < count; i++)
        if (all[i].id == id)
            return all[i];
    return (struct rh_net_peer_totals){0};
}

/* ---- strangers ---- */

static inline int dial_port(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* What a host of this id sends first. */
static inline size_t opening(uint8_t to[512], uint64_t group, uint64_t id, uint64_t dialled, uint8_t channel)
{
    struct rh_wire_frame f = {.group = group, .type = RH_WIRE_HELLO,
                              .hello = {.version = 1, .version_min = 1, .channel = channel, .max_frame = 1 << 20,
                                        .start = 99, .to = dialled,
                                        .peer_address = {(const uint8_t *)"127.0.0.1:9", 11}}};

    memset(to, 0, 48);
    rh_put_u32(to, 36);
    rh_put_u64(to + 4, group);
    memcpy(to + 12, "RAFTCORE\1", 9);
    rh_put_u64(to + 32, group);
    rh_put_u64(to + 40, id);
    memset(f.hello.disk, 0xdd, RH_WIRE_ID);
    return 48 + rh_wire_write(&f, to + 48, 512 - 48);
}

/* Reads until the other side closes; *got is the number of bytes. Returns whether it closed in time. */
static inline bool drained(int fd, uint8_t *to, size_t cap, size_t *got, double seconds)
{
    *got = 0;
    for (double end = now_seconds() + seconds; now_seconds() < end;) {
        ssize_t n = recv(fd, to + *got, cap - *got, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return true;
        *got += n > 0 ? (size_t)n : 0;
        turn(2);
    }
    return false;
}

/* Finds the REJECT that ends what was read. 0: there is none. */
static inline uint16_t reject_in(const uint8_t *bytes, size_t len)
{
    struct rh_wire_span span;
    struct rh_wire_frame f;

    for (size_t at = 0; rh_wire_next(bytes + at, len - at, 1 << 20, &span) == RH_WIRE_OK; at += span.bytes)
        if (span.whose == RH_WIRE_HOST && rh_wire_read(bytes + at, span.bytes, &f) == RH_WIRE_OK &&
            f.type == RH_WIRE_REJECT)
            return f.reject.code;
    return 0;
}

/* Sends bytes as a stranger, and returns the code of the REJECT that comes back; 0: none came. *closed: in time. */
static inline uint16_t stranger(struct node *n, const uint8_t *bytes, size_t len, bool *closed)
{
    static uint8_t back[1 << 16];
    size_t got;
    int fd = dial_port(rh_net_tcp_port(n->net));

    CHECK(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
    *closed = drained(fd, back, sizeof back, &got, 0.5);
    close(fd);
    spin(0.01);
    return reject_in(back, got);
}

#endif
