/*
 * snapshot.h: a snapshot's data, over the host's own channel.
 *
 * The core fetches a snapshot, and the host supplies an index and a membership without data. The
 * MsgSnap, metadata only, then comes in a ready. The host holds the MsgSnap back until the data
 * have gone ahead on the same connection, in chunks, from a frozen view of the store. The receiver
 * writes the chunks into its spare table, and steps the MsgSnap only when its data are complete.
 * When the core accepts the snapshot, the ready says so, and the spare table becomes the live
 * table.
 *
 * In frames of the host's own group; first byte of the payload: 'B'  index (8), term (8), the
 * members' learned addresses        'D'  records: key length (4), value length (4), key, value 'E'
 * number of keys (8), hash (8): what the receiver must have come to
 */
#ifndef KV_SNAPSHOT_H
#define KV_SNAPSHOT_H

#include "store.h"

struct host;
struct peer;

enum snapshot_step {
    SNAPSHOT_NONE,
    SNAPSHOT_SUPPLIED,              /* the core has the metadata, its MsgSnap is to come */
    SNAPSHOT_STREAMING,
    SNAPSHOT_SENT,                  /* everything is in the connection's buffer, MsgSnap last */
};

struct snapshot_out {
    enum snapshot_step step;
    struct store_view view;
    uint64_t term;                  /* of the entry at the view's index */
    int64_t since;
    struct buf msg;                 /* the MsgSnap's frame */
};

struct snapshot_in {
    uint64_t from;                  /* the sender of the chunks; 0: none */
    uint64_t index, term;
    bool complete;
    struct buf addresses;
};

/* Sending. */
void snapshot_supply(struct host *h, const raftcore_fetch *f);
void snapshot_start(struct host *h, const raftcore_msg *m);      /* the MsgSnap, out of a ready */
void snapshot_fill(struct host *h, struct peer *p);              /* the connection has room */
void snapshot_drained(struct host *h, struct peer *p);           /* the kernel has everything buffered */
void snapshot_end(struct host *h, struct peer *p, bool arrived);
void snapshot_tick(struct host *h);
uint64_t snapshot_oldest(struct host *h);                        /* keep the log from here; UINT64_MAX: none sent */

/* Receiving. */
bool snapshot_chunk(struct host *h, uint64_t from, slice payload);   /* false: malformed, close the connection */
bool snapshot_matches(struct host *h, uint64_t from, uint64_t index, uint64_t term);
void snapshot_install(struct host *h, const raftcore_ready *rd);
void snapshot_forget(struct host *h);

#endif
