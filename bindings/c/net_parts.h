/*
 * net_parts.h: what the files of the TCP transport, net_*.c, share. Not for users.
 *
 *   net_tcp.c       open, turn, timers, close, counters
 *   net_ops.c       the calls of the driver
 *   net_buf.c       byte queues
 *   net_conn.c      a connection: bytes in and out, frames, the end
 *   net_hello.c     hellos, their checks, REJECT
 *   net_dial.c      addresses, names, backoff
 *   net_listen.c    incoming connections, strangers, spare descriptors
 *   net_frames.c    frames of an open connection, by channel
 *   net_send.c      sends snapshot files
 *   net_take.c      receives snapshot files
 *   net_work.c      helper threads
 *   net_told.c      lines for a log, once per peer and cause
 *   net_tls.c       TLS
 *
 * A connection that fails is marked, and ends in rh_conns_bury at the end of a turn. So nothing is
 * freed while a function up the stack uses it, and the driver hears of losses from a turn only.
 */
#ifndef RH_NET_PARTS_H
#define RH_NET_PARTS_H

#include <sys/socket.h>
#include <sys/types.h>

#include "net_tcp.h"
#include "raftcore_host.h"
#include "snapshot.h"

typedef unsigned long long ull;

#define RH_MS ((uint64_t)1000)          /* microseconds */
#define RH_NEVER UINT64_MAX

enum {
    RH_NET_HALF_OPEN_MAX = 64,          /* connections without a hello */
    RH_NET_OTHERS_MAX = 64,             /* incoming connections of ids that are no peers */
    RH_NET_UNANSWERED_MAX = 4096,       /* requests without an outcome on a connection */
    RH_NET_ADDRESSES = 8,               /* of a name */
    RH_NET_WINDOW_MAX = 64 << 20,
};

/* ---- net_buf.c ---- */

struct rh_buf {
    uint8_t *at;
    size_t start, end, cap;
};

static inline size_t rh_buf_len(const struct rh_buf *b)
{
    return b->end - b->start;
}

/* Makes room for `len` bytes behind the end. Returns false if there is no memory. */
bool rh_buf_reserve(struct rh_buf *b, size_t len);
bool rh_buf_add(struct rh_buf *b, const void *bytes, size_t len);
/* Gives up `len` bytes at the start. A large buffer is freed when empty. */
void rh_buf_consume(struct rh_buf *b, size_t len);
void rh_buf_free(struct rh_buf *b);


/* ---- a connection ---- */

enum rh_conn_state {
    RH_CONN_DIALS = 1,                  /* connect is under way */
    RH_CONN_TLS,                        /* the handshake is under way */
    RH_CONN_HELLO,                      /* the other side's hello is awaited */
    RH_CONN_OPEN,
    RH_CONN_CLOSING,                    /* last bytes leave; incoming bytes are dropped */
};

struct rh_tcp;
struct rh_peer;

/* A hello that a connection keeps, for JOIN. */
struct rh_kept_hello {
    struct rh_net_hello hello;
    uint8_t founding[RH_WIRE_ID], disk[RH_WIRE_ID];
    char peer_address[RH_WIRE_ADDRESS_MAX + 1], client_address[RH_WIRE_ADDRESS_MAX + 1];
};

struct rh_conn {
    struct rh_conn *next;
    struct rh_tcp *net;
    int fd;
    uint64_t number;                    /* never used again */
    uint64_t id;                        /* of the other side; 0: not known yet */
    enum rh_conn_state state;
    uint8_t channel;
    bool dialled;
    bool broken;                        /* to be buried */
    bool more;                          /* bytes may wait in the TLS layer */
    bool was_open;
    bool on_spare;                      /* accepted by giving up a spare descriptor */
    uint32_t watched;                   /* epoll events */
    char words[200];                    /* why it is broken */
    char from[64];                      /* address of the other side, for words */
    struct rh_buf in, out;
    uint64_t since, heard, sent, pinged, close_at;
    uint32_t their_max;                 /* longest frame that the other side takes */
    uint64_t their_start;
    uint32_t unanswered;                /* PEER: requests without an outcome */
    uint64_t last_stream;               /* BULK: newest stream of an OFFER */
    uint64_t ask_at;                    /* JOIN, dialled: when to ask; RH_NEVER: not now */
    struct rh_kept_hello *kept;
    void *tls;
    bool tls_wants_write;
    char tls_words[100];                /* why a read failed */
};

/* A connection that one wants to have, with backoff. */
struct rh_dial {
    char address[RH_WIRE_ADDRESS_MAX + 1];
    struct rh_conn *conn;
    uint64_t retry_at, wait;            /* wait: the last backoff; 0: none */
    uint64_t held_until;                /* after a REJECT */
    uint64_t lookup;                    /* number of the lookup under way; 0: none */
    unsigned attempts;
};

/* ---- snapshots ---- */

struct rh_sending {
    bool active, offered, accepted;
    struct rh_snapshot what;
    struct rh_snapshot_reader *reader;
    struct rh_chunk_read *read;         /* on the file thread, with the reader; NULL: none */
    uint64_t stream;
    uint64_t next, acked, reached;      /* next byte to send; stored by the peer; highest `acked` of all attempts */
    uint32_t window, chunk_bytes;
    unsigned failures;                  /* since the last progress */
};

struct rh_take;

struct rh_peer {
    struct rh_peer *next;
    uint64_t id;
    bool gone;                          /* freed at the end of the turn */
    struct rh_dial dial, bulk;
    struct rh_buf queue;                /* until the connection is open */
    struct rh_sending sending;
    struct rh_net_peer_totals totals;
};

/* ---- the transport ---- */

enum { RH_TOLD = 256 };

struct rh_told {
    uint64_t who;                       /* hash; 0: free */
    uint32_t cause;
};

struct rh_work;
struct rh_tls;

struct rh_tcp {
    struct rh_net_self self;
    struct rh_dir *dir;
    const struct rh_net_events *events;
    void *driver;
    void (*log)(void *context, int level, const char *text);
    void *log_context;
    uint64_t frame_limit, queue_bytes;
    uint32_t max_frame;                 /* as our hellos say */

    int epoll, listener;
    uint64_t now, timer;                /* timer: when timers run next */
    uint64_t start;                     /* of our hellos */
    uint64_t random, numbers;
    bool in_turn, any_broken, any_gone;
    struct rh_conn *conns;
    struct rh_conn *handing;            /* whose frames the driver is being given */
    struct rh_peer *peers;

    int *spare;
    uint32_t n_spare, want_spare;
    uint64_t refill_at, accept_at;

    struct {
        bool active;
        uint8_t want;
        struct rh_dial dial;
    } join;

    struct rh_take *take;               /* the snapshot being received */
    struct rh_work *work;
    struct rh_tls *tls;
    struct rh_told told[RH_TOLD];
    unsigned told_next;
    struct rh_net_totals totals;
};

/* ---- net_tcp.c ---- */

/* Sees to it that timers run at `at` at the latest. */
static inline void rh_net_wake(struct rh_tcp *net, uint64_t at)
{
    if (at < net->timer)
        net->timer = at;
}

uint64_t rh_net_random(struct rh_tcp *net);
struct rh_peer *rh_peer_find(struct rh_tcp *net, uint64_t id);
/* Frees peers that are gone. */
void rh_peers_bury(struct rh_tcp *net);

/* ---- net_ops.c ---- */

extern const struct rh_net_ops rh_net_tcp_ops;

/* ---- net_conn.c ---- */

struct rh_conn *rh_conn_new(struct rh_tcp *net, int fd, enum rh_conn_state state);
void rh_conn_events(struct rh_conn *c, uint32_t events);
/* Marks a connection as failed. The first words count. */
__attribute__((format(printf, 2, 3))) void rh_conn_break(struct rh_conn *c, const char *format, ...);
/* Closes once queued bytes have left. */
void rh_conn_finish(struct rh_conn *c);
/* Sends what can be sent, and watches for the rest. */
void rh_conn_flush(struct rh_conn *c);
/* Sends slices after the queued bytes: at once as far as possible, the rest is queued. False: no memory. */
bool rh_conn_send(struct rh_conn *c, const raftcore_slice *parts, size_t n, size_t bytes);
/* Queues a host frame. The group is filled in. */
bool rh_conn_frame(struct rh_conn *c, struct rh_wire_frame f);
void rh_conn_read(struct rh_conn *c);
void rh_conn_timers(struct rh_conn *c);
/* Ends the broken connections. */
void rh_conns_bury(struct rh_tcp *net);
void rh_conn_free(struct rh_conn *c);

enum { RH_IO_END = 0, RH_IO_WAIT = -1, RH_IO_FAILED = -2 };

/* ---- net_hello.c ---- */

/* Writes our two opening frames. */
void rh_hello_send(struct rh_conn *c);
/* Takes what came before the hellos are done. Returns whether the connection is open now. */
bool rh_hello_take(struct rh_conn *c);
__attribute__((format(printf, 4, 5)))
void rh_reject(struct rh_conn *c, uint16_t code, uint32_t retry_ms, const char *format, ...);
void rh_rejected(struct rh_conn *c, const struct rh_wire_frame *f);

/* ---- net_dial.c ---- */

struct rh_address {
    struct sockaddr_storage at;
    socklen_t len;
};

/* Reads an address of digits. Returns 1, 0 for a name, or -1 for text that is no address. */
int rh_address_numeric(const char *text, struct rh_address *out);
int rh_address_lookup(const char *text, struct rh_address out[RH_NET_ADDRESSES], char words[120]);
void rh_address_text(const struct sockaddr_storage *at, char *to, size_t cap);
/* Dials, if there is no connection and the time has come. */
void rh_dial(struct rh_tcp *net, struct rh_dial *d, uint8_t channel, uint64_t id);
/* Sets the time of the next attempt. */
void rh_dial_failed(struct rh_tcp *net, struct rh_dial *d);
void rh_dial_reset(struct rh_tcp *net, struct rh_dial *d);
void rh_dial_hold(struct rh_tcp *net, struct rh_dial *d, uint16_t code, uint32_t retry_ms);
struct rh_dial *rh_dial_of(struct rh_conn *c);
bool rh_dial_is_held(const struct rh_tcp *net, const struct rh_dial *d);

/* ---- net_listen.c ---- */

int rh_net_listen(struct rh_tcp *net, const char *address, struct rh_words *why);
void rh_accept_all(struct rh_tcp *net);
void rh_spares_refill(struct rh_tcp *net);
/* Gives up a spare descriptor, or drops the oldest stranger. False: neither is there. */
bool rh_spare_use(struct rh_tcp *net, const struct rh_conn *except);
/* Sees to it that `n` descriptors, up to 8, can be had. */
void rh_spare_room(struct rh_tcp *net, unsigned n);
bool rh_out_of_descriptors(int error);
/* Checks room for one more connection by `id`; ends older connections of the same kind. */
bool rh_admit(struct rh_conn *c);
uint32_t rh_half_open(const struct rh_tcp *net);

/* ---- net_frames.c ---- */

/* Takes all whole frames of an open connection. */
void rh_frames_take(struct rh_conn *c);
void rh_join_ask(struct rh_conn *c);

/* ---- net_send.c ---- */

int rh_sending_begin(struct rh_tcp *net, struct rh_peer *p, const struct rh_snapshot *what);
void rh_sending_withdraw(struct rh_tcp *net, struct rh_peer *p);
void rh_sending_open(struct rh_conn *c);                                     /* the BULK connection is open */
void rh_sending_pump(struct rh_tcp *net, struct rh_peer *p);
void rh_sending_frame(struct rh_conn *c, const struct rh_wire_frame *f);
void rh_sending_lost(struct rh_tcp *net, struct rh_peer *p, const char *words);
void rh_sending_free(struct rh_sending *s);
void rh_sending_fail(struct rh_tcp *net, struct rh_peer *p, uint16_t code, const char *words);

/* ---- net_take.c ---- */

void rh_take_frame(struct rh_conn *c, const struct rh_wire_frame *f);
void rh_take_lost(struct rh_conn *c);
void rh_take_close(struct rh_tcp *net);

/* ---- net_work.c ---- */

struct rh_job {
    struct rh_job *next;
    void (*run)(struct rh_job *job);                            /* on a helper thread */
    void (*done)(struct rh_tcp *net, struct rh_job *job);       /* on the loop thread; frees the job */
};

struct rh_work *rh_work_open(struct rh_words *why);
int rh_work_fd(const struct rh_work *w);
/* Runs a job on the file thread, in order. False: no thread; nothing was done. */
bool rh_work_file(struct rh_work *w, struct rh_job *job);
/* Runs a job on a thread of its own, which nobody waits for. If the transport is closed, `free` frees the job. */
bool rh_work_apart(struct rh_work *w, struct rh_job *job);
void rh_work_collect(struct rh_tcp *net);
/* Waits for the file thread. Finished jobs are passed to `done` with a transport of NULL. */
void rh_work_close(struct rh_work *w);

/* ---- net_told.c ---- */

enum rh_cause {                         /* causes that are no code of REJECT */
    RH_TOLD_BY_PEER = 0x100,            /* added to a code: by a peer that was dialled; by one that dialled */
    RH_TOLD_BY_DIALLER = 0x400,
    RH_TOLD_GARBAGE = 0x200,
    RH_TOLD_SILENT,
    RH_TOLD_TLS,
    RH_TOLD_TWO,
    RH_TOLD_NO_DESCRIPTOR,
    RH_TOLD_LOOKUP,
    RH_TOLD_LONG,
    RH_TOLD_CROWD,
};

void rh_say(struct rh_tcp *net, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Returns whether the cause is new for `who`. */
bool rh_tell_first(struct rh_tcp *net, const char *who, uint32_t cause);
/* Forgets what was told about `who`: a connection works. */
void rh_tell_again(struct rh_tcp *net, const char *who);
/* Writes the name under which a connection's other side is told of. */
void rh_who(const struct rh_conn *c, char to[64]);

/* ---- net_tls.c ---- */

int rh_tls_open(const struct rh_net_tcp_options *o, struct rh_tls **out, struct rh_words *why);
int rh_tls_reload(struct rh_tls *t, struct rh_words *why);
void rh_tls_free(struct rh_tls *t);
bool rh_tls_start(struct rh_conn *c);
/* Goes on with the handshake: 1 done, RH_IO_WAIT, RH_IO_FAILED with words in *why. */
int rh_tls_shake(struct rh_conn *c, struct rh_words *why);
ssize_t rh_tls_read(struct rh_conn *c, void *to, size_t len);
ssize_t rh_tls_write(struct rh_conn *c, const void *bytes, size_t len);
bool rh_tls_pending(const struct rh_conn *c);
void rh_tls_end(struct rh_conn *c);
/* Returns whether the other side's certificate names the member. */
bool rh_tls_names(const struct rh_conn *c, uint64_t group, uint64_t id);

#endif
