/*
 * net_tcp_parts.h: what the files net_tcp*.c share.
 *
 *   net_tcp.c          the turn, peers, the calls of a driver
 *   net_tcp_conn.c     a connection: dial, accept, buffers, hellos, frames
 *   net_tcp_bulk.c     snapshot files in chunks
 */
#ifndef RH_NET_TCP_PARTS_H
#define RH_NET_TCP_PARTS_H

#include "net_tcp.h"

typedef unsigned long long ull;

enum {
    RH_TCP_FRAME_MAX = 64 << 20,        /* longest frame taken */
    RH_TCP_QUEUE_MAX = 64 << 20,        /* bytes queued to a peer */
    RH_TCP_WAITING = 64,                /* connections that wait for a hello */
    RH_TCP_CHUNK = 256 * 1024,
    RH_TCP_WINDOW = 4 << 20,
};

struct rh_bytes {
    uint8_t *at;
    size_t begin, end, cap;
};

enum rh_conn_state { RH_CONN_DIALS = 1, RH_CONN_HELLO, RH_CONN_READY };

struct rh_conn {
    struct rh_conn *next;
    struct rh_tcp *net;
    int fd;
    uint64_t number, peer;              /* peer 0: not known yet */
    uint8_t channel;
    bool dialled, dead, wants_out;
    enum rh_conn_state state;
    struct rh_bytes in, out, held;      /* held: until the hellos are done */
    uint64_t heard, sent, opened;       /* times */
    struct rh_wire_frame hello;         /* of an acceptor's JOIN: copied fields below */
    struct rh_net_hello theirs;
    uint8_t founding[RH_WIRE_ID], disk[RH_WIRE_ID];
    char peer_address[RH_WIRE_ADDRESS_MAX + 1], client_address[RH_WIRE_ADDRESS_MAX + 1];
    uint64_t ask_at;                    /* JOIN: when to ask again; 0: not now */
    /* BULK */
    struct rh_snapshot what;
    struct rh_snapshot_reader *reader;
    struct rh_snapshot_receiver *receiver;
    uint64_t stream, offset, allowed, acked;
    uint32_t chunk_bytes;
};

/* A member, as far as dialling goes. */
struct rh_peer {
    uint64_t id;
    char address[RH_WIRE_ADDRESS_MAX + 1];
    struct rh_conn *conn;               /* PEER, dialled */
    uint64_t not_before, wait;          /* backoff */
    uint16_t told;                      /* the last REJECT that was reported */
};

struct rh_tcp {
    struct rh_net_self self;
    struct rh_dir *dir;
    const struct rh_net_events *events;
    void *driver;
    int epoll, listener;
    uint64_t now, start, numbers;
    struct rh_conn *conns;
    struct rh_peer *peers;
    size_t n_peers, cap_peers;
    char join_address[RH_WIRE_ADDRESS_MAX + 1];
    uint8_t join_want;
    bool joining;
    uint64_t join_at;
};

/* net_tcp_conn.c */
struct rh_conn *rh_conn_dial(struct rh_tcp *t, const char *address, uint64_t peer, uint8_t channel);
void rh_conn_accept(struct rh_tcp *t);
void rh_conn_turn(struct rh_conn *c, uint32_t events);
void rh_conn_flush(struct rh_conn *c);
/* Ends a connection; the driver hears of it. words NULL: nobody needs to. */
void rh_conn_end(struct rh_conn *c, const char *words);
void rh_conn_free(struct rh_conn *c);
int rh_conn_frame(struct rh_conn *c, const struct rh_wire_frame *f);
void rh_conn_reject(struct rh_conn *c, uint16_t code, const char *words);
int rh_bytes_add(struct rh_bytes *b, const void *bytes, size_t len);

/* net_tcp.c */
struct rh_peer *rh_peer_find(struct rh_tcp *t, uint64_t id);

/* net_tcp_bulk.c */
void rh_bulk_ready(struct rh_conn *c);
void rh_bulk_frame(struct rh_conn *c, const struct rh_wire_frame *f);
void rh_bulk_fill(struct rh_conn *c);
void rh_bulk_end(struct rh_conn *c, const char *words);

#endif
