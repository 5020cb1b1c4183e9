/*
 * net_tcp.h: the transport between hosts over TCP, plain or TLS. docs/wire.md specifies the
 * protocol.
 *
 * A transport has a single descriptor for the caller's event loop, and never blocks. All calls
 * belong to the loop thread, except rh_net_tcp_fd. The driver's events come out of rh_net_tcp_turn
 * only.
 *
 * Helper threads: a thread that writes the snapshot file under reception (started by the first
 * offer), and a thread for each host name being looked up. Numeric addresses need no thread. No
 * thread calls the driver.
 *
 * Descriptors: the transport keeps spare descriptors for members. If the process runs out of
 * descriptors, connections without a hello are dropped first, and members get the spare ones.
 */
#ifndef RH_NET_TCP_H
#define RH_NET_TCP_H

#include "dir.h"
#include "net.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RH_NET_SPARES = 16 };            /* default of `spares` */

struct rh_net_tcp_options {
    uint32_t struct_size;               /* sizeof(struct rh_net_tcp_options) */
    const char *listen;                 /* HOST:PORT; may differ from self.peer_address. NULL: self.peer_address */
    struct rh_net_self self;
    struct rh_dir *dir;                 /* for snapshot files; outlives the transport */
    const struct rh_net_events *events; /* outlives the transport */
    void *driver;
    const char *tls_ca, *tls_cert, *tls_key;    /* PEM files; all NULL: plain TCP */

    uint64_t frame_limit;               /* longest frame of the core taken: raftcore_frame_limit. 0: 64 MiB; at most 2^30 */
    uint64_t queue_bytes;               /* bytes waiting for a peer, on each connection. 0: 64 MiB */
    uint32_t spares;                    /* descriptors set aside for members; 0: RH_NET_SPARES */
    /* Lines for a log, once per peer and cause. `level` as enum rh_level of raftcore_host.h. NULL: none. */
    void (*log)(void *context, int level, const char *text);
    void *log_context;
};

/*
 * Listens, and starts the transport. The options are copied, pointers excepted.
 *
 * Returns  RH_E_NET    the address cannot be used; a certificate cannot be used; TLS is not built in
 *          RH_E_ARG    an option is out of range
 *          RH_E_NOMEM, RH_E_IO
 */
int rh_net_tcp_open(const struct rh_net_tcp_options *options, struct rh_net *out, struct rh_words *why);

/* Tries the address and the files of TLS, and keeps nothing open: before a directory becomes a group. Returns as
   rh_net_tcp_open does. */
int rh_net_tcp_try(const struct rh_net_tcp_options *options, struct rh_words *why);

/* Returns an epoll descriptor, which is readable when a turn has work. */
int rh_net_tcp_fd(struct rh_net net);

/*
 * Accepts, dials, reads, writes, and calls the driver. Never blocks.
 *
 * now  Microseconds, of any clock that never goes back.
 */
void rh_net_tcp_turn(struct rh_net net, uint64_t now);

/* Returns when the next turn is due without input. UINT64_MAX: never. */
uint64_t rh_net_tcp_due(struct rh_net net, uint64_t now);

/*
 * Reads the three files of TLS again. New connections use the new certificate and authorities;
 * open connections stay.
 *
 * Returns  RH_E_NET    a file cannot be used: the old certificate stays in use
 *          RH_E_STATE  the transport is plain TCP
 */
int rh_net_tcp_reload(struct rh_net net, struct rh_words *why);

/* Tells peers that the process ends (REJECT 12), and closes all connections. Waits for a file write under way. */
void rh_net_tcp_close(struct rh_net net);


/* ---- counters, since the start ---- */

struct rh_net_totals {
    uint32_t connections;               /* open now, strangers included */
    uint32_t half_open;                 /* of these: without a hello yet */
    uint32_t spares;                    /* descriptors set aside now */
    uint64_t accepted;                  /* connections that came in */
    uint64_t strangers;                 /* connections closed before a good hello */
    uint64_t rejects_sent, rejects_received;
    uint64_t no_descriptor;             /* times that the process was out of descriptors */
    uint64_t bytes_in, bytes_out;
    uint64_t snapshots_sent, snapshots_received;
};

struct rh_net_peer_totals {
    uint64_t id;
    bool up_out, up_in;                 /* a PEER connection to the peer, from the peer */
    uint64_t queued;                    /* bytes waiting for the peer now */
    uint64_t bytes_in, bytes_out;       /* all channels */
    uint64_t sends, drops;              /* calls of `send` that were taken; those refused or lost */
    uint64_t breaks;                    /* broken connections, failed dials included */
    uint64_t rejects_sent, rejects_received;
    uint64_t snapshot_bytes_out, snapshot_bytes_in;
};

void rh_net_tcp_totals(struct rh_net net, struct rh_net_totals *out);

/* Writes up to `cap` peers. Returns how many there are. */
size_t rh_net_tcp_peers(struct rh_net net, struct rh_net_peer_totals *out, size_t cap);

/*
 * Ends listening, for the copies of the socket, too: a child that the process has forked holds one until it calls exec, or
 * ends, and nobody else could listen on the port. fd may be below 0.
 */
void rh_unlisten(int fd);

/* Returns the port that the transport listens on: for a listen address with port 0, in tests. */
uint16_t rh_net_tcp_port(struct rh_net net);

#ifdef __cplusplus
}
#endif

#endif
