/*
 * peers.h: the other nodes, over TCP.
 *
 * Each node dials the others and sends on the dialled connections, so a pair of nodes has two
 * connections, for either direction. A connection opens with a hello frame from both ends, which
 * the library makes and reads. Frames follow: the messages of the core, unchanged, and frames of
 * the host under a group id of its own: snapshot data (snapshot.h), and forwarded commands
 * (forward.h).
 *
 * A lost message is harmless to Raft, so nothing here waits. Without a connection, or if a peer
 * does not drain, the message is dropped, and the core gets a report. The sender's id in the hello
 * frame is trusted: keep the peer port on a network of your own.
 */
#ifndef KV_PEERS_H
#define KV_PEERS_H

#include "net.h"
#include "snapshot.h"

enum {
    ADDRESS_MAX = 256,
    PEERS_MAX = 64,
    INCOMING_MAX = 128,
    FRAME_HEAD = 12,                /* u32 length of the rest, u64 group; little-endian */
    FRAME_MAX = 8 * 1024 * 1024,
    PEER_OUT_MAX = 32 * 1024 * 1024,
};

#define HOST_GROUP 0x74736f68u      /* group ^ this: a frame of the host's own, a snapshot's data or a command passed on */

struct host;

struct peer {                       /* an outgoing connection */
    struct watch watch;
    struct host *host;
    uint64_t id;
    char fixed[ADDRESS_MAX];        /* from --cluster: how THIS node reaches the peer */
    char learned[ADDRESS_MAX];      /* from RAFT.ADD */
    bool connected;
    struct buf in, out;
    int64_t retry_at, backoff_ms, stuck_since;
    struct snapshot_out snapshot;
};

struct incoming {                   /* an incoming connection */
    struct watch watch;
    struct host *host;
    struct incoming *next, **link;
    uint64_t id;                    /* 0 until the hello */
    int64_t since, quiet_until;
    struct buf in, out;
};

struct peers {
    struct host *host;
    struct watch listener;
    struct peer *peer[PEERS_MAX];
    size_t count;
    struct incoming *incoming;
    size_t n_incoming;
};

void peers_open(struct peers *ps, struct host *h, const char *listen);
bool peers_set_fixed(struct peers *ps, const char *cluster);     /* "1=host:port,2=…"; false: another form */
void peers_set_learned(struct peers *ps, slice text);            /* replaces all learned addresses; same form */
void peers_learn(struct peers *ps, uint64_t id, slice address);  /* empty: forget */
void peers_learned_text(struct peers *ps, struct buf *out);

struct peer *peers_find(struct peers *ps, uint64_t id);
const char *peer_address(const struct peer *p);
bool peers_good_address(slice text);                             /* HOST:PORT */

bool peers_send(struct peers *ps, uint64_t to, const raftcore_slice *parts, size_t count, size_t bytes);
void peers_greet(struct peers *ps);                              /* dials everyone: "here I am" */
void peers_is_back(struct peers *ps, uint64_t id);               /* the peer has dialled: dial at once, too */
void peers_flush(struct peers *ps);                              /* a write per peer for everything sent before */
void peers_tick(struct peers *ps);
void peer_drop(struct peer *p, const char *why);

#endif
