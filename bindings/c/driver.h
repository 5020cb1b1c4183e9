/*
 * driver.h: the loop around a node of the core: boot, readies, requests, snapshots, members.
 *
 * The driver knows no socket, no clock and no thread. Time is an argument, frames go through net.h,
 * and the log's flushes are work for somebody else: host.c has a thread for them, the simulator in
 * tests/host calls them when it likes.
 *
 * All calls belong to the loop thread, except rh_driver_flush and rh_driver_job.
 */
#ifndef RH_DRIVER_H
#define RH_DRIVER_H

#include "dir.h"
#include "log.h"
#include "net.h"
#include "raftcore_host.h"
#include "snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rh_driver;

/* Where a driver's work for other threads goes. The functions are called on the loop thread. */
struct rh_workers {
    void *self;
    void (*flush)(void *self);          /* something waits for rh_driver_flush */
    void (*job)(void *self);            /* something waits for rh_driver_job */
};

struct rh_driver_setup {
    const struct rh_options *options;   /* copied, with the strings that the driver needs */
    const struct rh_database *database;
    struct rh_dir *dir;                 /* open; outlives the driver */
    struct rh_log log;                  /* open; the driver closes it */
    struct rh_workers workers;
    uint64_t seed;                      /* random, another at each start */
    uint64_t now;                       /* microseconds, of any clock that never goes back */
};

/*
 * Boots: founds if the options say so, loads the newest snapshot into the database if need be,
 * boots the core. Sends nothing. The log is closed in case of an error, too.
 */
int rh_driver_open(const struct rh_driver_setup *setup, struct rh_driver **out, struct rh_words *why);

/* What the transport tells peers. Pointers: none. */
void rh_driver_self(const struct rh_driver *d, struct rh_net_self *out);

/* Returns the longest frame that a transport must take. */
uint64_t rh_driver_frame_limit(const struct rh_driver *d);

/* Connects the driver with its transport. The driver dials members from the next turn on. */
void rh_driver_connect(struct rh_driver *d, struct rh_net net);

/* The calls of a transport. Their `driver` is the struct rh_driver. */
extern const struct rh_net_events rh_driver_events;

/* Does all work that waits. Below 0: the driver has stopped for good. */
int rh_driver_turn(struct rh_driver *d, uint64_t now, struct rh_words *why);

/* Returns when the next turn is due without any input: at `now` at the earliest. */
uint64_t rh_driver_due(struct rh_driver *d, uint64_t now);

/* Sets whether the node begins elections, now or as soon as it is a member. */
void rh_driver_set_electable(struct rh_driver *d, bool electable);

/* Begins to hand the leadership over. Returns whether nothing is left to hand over. */
bool rh_driver_leave(struct rh_driver *d);

/* Ends all requests, and frees the driver. No flush or job may be running. */
int rh_driver_close(struct rh_driver *d, struct rh_words *why);


/* ---- other threads ---- */

/* Makes the appended batches durable. Returns RH_NONE if there was nothing to do. Then a turn is due. */
int rh_driver_flush(struct rh_driver *d);

/* Finishes a snapshot file, or copies one. Then a turn is due. */
void rh_driver_job(struct rh_driver *d);


/* ---- requests ---- */

enum rh_request_kind { RH_P_ENTRY = 1, RH_P_CHANGE, RH_P_READ, RH_P_TRANSFER, RH_P_BACKUP, RH_P_ADDRESS, RH_P_STATUS };

/*
 * A request on its way. The data of an entry are an envelope: see docs/wire.md, section 6.
 */
struct rh_pending {
    struct rh_pending *next;
    uint64_t seq, ticket, deadline, started;
    uint64_t from, request;             /* a peer's: the connection, and the peer's number */
    uint64_t peer;                      /* SENT: to whom; TRANSFER: the next leader; ADDRESS: whose */
    uint64_t ask;                       /* QUEUED: whom to ask while no leader is known; 0: nobody */
    uint64_t voter;                     /* a change: the node shall be a voter in the end; 0: the change is all */
    uint64_t again, give_up;            /* of `voter`: when to ask for the promotion, and until when; 0: the node is added */
    uint64_t least;                     /* BACKUP: the index that the snapshot must have, or a later one */
    uint64_t tried;                     /* a change: when the core refused it last, because of another change */
    uint8_t kind, state;
    bool remote;
    bool maybe;                         /* an earlier try may be committed */
    size_t len;
    uint8_t data[];
};

/* Makes a request with room for `len` bytes of data. NULL: no memory. */
struct rh_pending *rh_pending_new(enum rh_request_kind kind, size_t len, uint64_t ticket);

/* Makes the request for an entry. NULL: no memory. */
struct rh_pending *rh_pending_entry(const raftcore_slice *parts, size_t count, const struct rh_retry *retry,
                                    uint64_t ticket);

/* Makes the request for a membership change. change: RAFTCORE_CHANGE_*; addresses may be NULL. */
struct rh_pending *rh_pending_change(uint32_t change, uint64_t id, const uint8_t *disk, const char *peer_address,
                                     const char *client_address, uint64_t ticket);

/* Makes the request of rh_set_address. client_address: NULL keeps the book's. NULL: no memory. */
struct rh_pending *rh_pending_address(uint64_t id, const char *peer_address, const char *client_address,
                                      uint64_t ticket);

/* Takes over a request. Its outcome comes in a turn. */
void rh_driver_submit(struct rh_driver *d, struct rh_pending *p);


/* ---- looking in ---- */

/* Returns the bytes of the requests under way. */
uint64_t rh_driver_bytes(const struct rh_driver *d);
void rh_driver_status(struct rh_driver *d, struct rh_status *out);
size_t rh_driver_members(struct rh_driver *d, struct rh_member *out, size_t cap);
size_t rh_driver_status_text(struct rh_driver *d, char *buf, size_t cap);
size_t rh_driver_metrics(struct rh_driver *d, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif

#endif
