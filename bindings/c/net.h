/*
 * net.h: what the driver of a node and a transport ask of each other.
 *
 * The driver (driver.h) owns the node, the log and the requests, and knows no socket. A transport
 * owns connections, hellos, queues and the bytes of snapshot files under way. docs/wire.md
 * specifies the protocol between transports. net_tcp.h has the transport over TCP and TLS. The
 * driver's simulator has a transport without sockets.
 *
 * All calls, in both directions, belong to the loop thread. A transport calls the driver from its
 * own turn only, never from inside of a call of `struct rh_net_ops`.
 */
#ifndef RH_NET_H
#define RH_NET_H

#include "log.h"
#include "wire.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a transport tells peers about its node: the fields of a hello that do not change while it runs. */
struct rh_net_self {
    uint64_t group, id;
    uint8_t founding[RH_WIRE_ID];       /* zeros: not known yet; the transport adopts one with `founding` below */
    uint8_t disk[RH_WIRE_ID];
    bool empty;                         /* the disk holds nothing of the group yet */
    char peer_address[RH_WIRE_ADDRESS_MAX + 1], client_address[RH_WIRE_ADDRESS_MAX + 1];
};

/* A hello that came in, after the checks that a transport makes itself: version, group, id, certificate. */
struct rh_net_hello {
    uint64_t id;
    uint8_t channel;                    /* RH_WIRE_PEER, _BULK, _JOINING */
    bool dialled;                       /* the answer to an own dial */
    bool empty;
    const uint8_t *founding, *disk;     /* RH_WIRE_ID bytes each */
    raftcore_slice peer_address, client_address;
};

/* How a snapshot that is being sent gets on. */
enum rh_net_sending {
    RH_NET_UNDER_WAY = 1,               /* the peer stored more of the file: raftcore_report_snapshot, UNDER_WAY */
    RH_NET_STORED,                      /* the peer has the whole file: send the MsgSnap now */
    RH_NET_FAILED,                      /* gave up; `code` is a RH_WIRE_A_* of the peer, or 0: the connection broke */
};

/* Driver to transport. */
struct rh_net_ops {
    uint32_t struct_size;               /* sizeof(struct rh_net_ops) */

    /*
     * Sets where a peer is dialled. An address of "" forgets the peer, and closes its connections.
     * RH_E_ARG: no address.
     */
    int (*peer)(void *net, uint64_t id, const char *address);

    /*
     * Queues whole frames, headers included, on the PEER connection to a peer, and dials if there is none.
     * `frames` are n pieces of whole frames: a frame may be cut into pieces anywhere. A piece is copied
     * unless it can be sent at once.
     * Frames that are queued when the connection breaks are gone: see `lost`.
     *
     * RH_E_SMALL  nothing was taken: the queue is full, a frame is longer than the peer takes, or the
     *             peer refused this node a while ago. Call raftcore_report_unreachable.
     * RH_E_RANGE  no address
     */
    int (*send)(void *net, uint64_t to, const raftcore_slice *frames, size_t n);

    /*
     * Answers on an incoming connection: OUTCOME, ABORT, JOINED. RH_NONE: the connection is gone.
     *
     * from  The number that came with the request. 0, inside of `frames` only: the connection of these
     *       frames, for ABORT with stream 0.
     */
    int (*answer)(void *net, uint64_t from, const struct rh_wire_frame *frame);

    /*
     * Sends a snapshot file of the data directory to a peer. Opens the file within the call. An older
     * one to the same peer ends, without an event. A broken connection is dialled again, and the sending
     * goes on where the peer says.
     *
     * RH_E_RANGE  no address, or no such file
     * RH_E_BUSY   the peer refused this node a while ago
     */
    int (*offer)(void *net, uint64_t to, const struct rh_snapshot *what);

    /* Ends the sending of a snapshot to a peer, with ABORT 4. */
    void (*withdraw)(void *net, uint64_t to);

    /*
     * Dials a member on channel JOIN, and asks again after WAIT and broken connections. Every JOINED is
     * reported by `answered`. MEMBER, NOT_LEADER and REFUSED end the asking.
     */
    int (*join)(void *net, const char *address, uint8_t want);

    /* Takes over the group's founding, once the driver has stored it. */
    void (*founding)(void *net, const uint8_t founding[RH_WIRE_ID]);
};

struct rh_net {
    const struct rh_net_ops *ops;
    void *self;
};

/* Transport to driver. Slices and frames are borrowed for the call. */
struct rh_net_events {
    uint32_t struct_size;               /* sizeof(struct rh_net_events) */

    /*
     * Judges a hello: founding, disk, membership (docs/wire.md, section 3). Returns 0 or a
     * RH_WIRE_R_* with words. The driver stores a founding that it takes over before returning.
     */
    uint16_t (*hello)(void *driver, const struct rh_net_hello *hello, struct rh_words *words);

    /*
     * Frames of the core came from a peer: whole frames, one after the other. The driver steps a
     * MsgSnap only if its file was reported by `stored`. Otherwise the driver drops the MsgSnap, and
     * answers ABORT with stream 0 and code 5.
     */
    void (*frames)(void *driver, uint64_t peer, const uint8_t *bytes, size_t len);

    /* REQUEST, ABORT 0 or JOIN came on connection `from`; the peer's hello comes with a JOIN, else NULL. */
    void (*request)(void *driver, uint64_t from, uint64_t peer, const struct rh_wire_frame *frame,
                    const struct rh_net_hello *hello);

    /* An OUTCOME, an ABORT with stream 0, or a JOINED came in answer. */
    void (*answered)(void *driver, uint64_t peer, const struct rh_wire_frame *frame);

    /* The PEER connection to a peer broke, or could not be made: requests under way are UNKNOWN. */
    void (*lost)(void *driver, uint64_t peer, const char *words);

    /*
     * A peer refuses this node, or this node refuses a peer: once per peer and cause. by_peer comes only
     * from hosts that this node dialled, so a stranger cannot stop nodes. by_peer with RH_WIRE_R_DISK:
     * the node stops.
     */
    void (*rejected)(void *driver, uint64_t peer, bool by_peer, uint16_t code, const char *words);

    /* About a snapshot that is being sent. */
    void (*sending)(void *driver, uint64_t to, enum rh_net_sending how, uint16_t code, const char *words);

    /* A peer offers a snapshot. Returns 0, or a RH_WIRE_A_* (NOT_NEEDED). */
    uint16_t (*offered)(void *driver, uint64_t from, const struct rh_snapshot *what);

    /* A received snapshot is whole and durable under its name. Its MsgSnap follows on the PEER connection. */
    void (*stored)(void *driver, uint64_t from, const struct rh_snapshot *what);
};

#ifdef __cplusplus
}
#endif

#endif
