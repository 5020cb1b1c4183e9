/*
 * net_tcp.h: the transport over TCP. docs/wire.md specifies the protocol.
 *
 * All calls belong to the loop thread. The transport calls the driver from rh_net_tcp_turn only.
 */
#ifndef RH_NET_TCP_H
#define RH_NET_TCP_H

#include "dir.h"
#include "net.h"
#include "snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rh_net_tcp_options {
    uint32_t struct_size;               /* sizeof(struct rh_net_tcp_options) */
    const char *listen;                 /* HOST:PORT */
    struct rh_net_self self;
    struct rh_dir *dir;                 /* for snapshot files; outlives the transport */
    const struct rh_net_events *events;
    void *driver;
    const char *tls_ca, *tls_cert, *tls_key;    /* all NULL: plain TCP */
};

/* Listens. RH_E_NET: the address cannot be used, or TLS is not built in. */
int rh_net_tcp_open(const struct rh_net_tcp_options *o, struct rh_net *out, struct rh_words *why);

/* Returns a descriptor that is readable when a turn has work. */
int rh_net_tcp_fd(struct rh_net net);

/* Reads, writes, dials, and calls the driver. `now`: microseconds. Never waits. */
void rh_net_tcp_turn(struct rh_net net, uint64_t now);

/* Returns when the next turn is due without any input. */
uint64_t rh_net_tcp_due(struct rh_net net, uint64_t now);

void rh_net_tcp_close(struct rh_net net);

#ifdef __cplusplus
}
#endif

#endif
