/*
 * driver_parts.h: shared by the files driver_*.c.
 *
 *   driver.c            the turn, failures, the end
 *   driver_found.c      founds a group, empty or of a backup
 *   driver_boot.c       from a directory to a running core
 *   driver_ready.c      readies: store, send, apply, acknowledge
 *   driver_requests.c   requests and their outcomes
 *   driver_submit.c     requests on their way: to the core, to the leader, from peers
 *   driver_members.c    the address book, joining, promotion
 *   driver_changes.c    membership changes, and what a leader refuses
 *   driver_voters.c     nodes that are added, and promoted later
 *   driver_moved.c      members that come back under another address
 *   driver_snapshots.c  snapshots sent and installed; the log cut; the disk's space
 *   driver_maker.c      snapshots made, and copied for backups
 *   driver_net.c        what comes from the transport
 *   driver_metrics.c    status and metrics
 *   driver_text.c       the status in words
 */
#ifndef RH_DRIVER_PARTS_H
#define RH_DRIVER_PARTS_H

#include <pthread.h>
#include <time.h>

#include "driver.h"

typedef unsigned long long ull;

enum {
    RH_READIES = 64,                    /* outstanding readies; a power of two */
    RH_REQUESTS = 1 << 16,              /* requests under way; a power of two */
    RH_ASKS = 16,                       /* read indexes under way */
    RH_STREAMS = 16,                    /* snapshots being sent */
    RH_ARRIVED = 4,                     /* snapshots received and not yet installed */
    RH_FETCH_ENTRIES = 2048,            /* of one read of the log */
    RH_BUCKETS = 20,                    /* of a histogram: powers of two from 16 us on */
};

enum rh_request_state { RH_P_QUEUED = 1, RH_P_PROPOSED, RH_P_SENT, RH_P_OVER };

struct rh_queue {
    struct rh_pending *head, *tail;
};

struct rh_histogram {
    uint64_t count[RH_BUCKETS + 1], sum_us, total;
};

/* A ready that is not yet stored, applied and released. */
struct rh_out {
    raftcore_ready rd;
    uint64_t batch;                     /* durable once this batch is */
    uint32_t next;                      /* committed entries before it are applied */
    bool persisted;
};

/* A member's record in the address book. Records of removed members stay. */
struct rh_record {
    uint64_t id;
    uint8_t disk[RH_ID_BYTES];
    char peer[RH_WIRE_ADDRESS_MAX + 1], client[RH_WIRE_ADDRESS_MAX + 1];
    bool voter, learner;                /* in the membership in force */
    bool wants_vote;                    /* to be promoted once caught up */
    bool hint;                          /* the address came with a hello, the book has none */
    char heard[RH_WIRE_ADDRESS_MAX + 1];        /* another address than the book's, of a hello or a user; empty: none */
    bool down;                          /* the last attempt to reach the member failed */
    char dialled[RH_WIRE_ADDRESS_MAX + 1];      /* the address that the transport has */
};

/* A snapshot on its way to a peer. */
struct rh_stream {
    uint64_t to;                        /* 0: free */
    struct rh_snapshot what;            /* without conf */
    uint8_t *msg;                       /* the MsgSnap's frame, once the core gave it */
    size_t len;
    bool stored;                        /* the peer has the file */
    uint64_t since;
};

enum rh_job { RH_JOB_NONE = 0, RH_JOB_FINISH, RH_JOB_COPY, RH_JOB_DONE };
enum rh_making { RH_MAKE_IDLE = 0, RH_MAKE_WRITE, RH_MAKE_FINISH, RH_MAKE_LOG, RH_MAKE_COPY };

/* The snapshot that is being made, or copied for a backup. */
struct rh_maker {
    enum rh_making step;
    void *view;
    struct rh_snapshot_writer *writer;
    struct rh_snapshot what;
    uint8_t *conf;                      /* the membership's blob, as of what.index */
    size_t conf_len;
    uint64_t batch;
    bool wanted;                        /* another one, as of now */
    struct rh_pending *backup;          /* waits for the file */
    struct rh_pending *copying;
    /* The job, between the loop and the worker: under the mutex of the driver. */
    enum rh_job job;
    int code;
    struct rh_words words;
};

/* A received snapshot that is being put into the database. */
struct rh_loader {
    struct rh_snapshot what;            /* from the ready on; index 0: none */
    struct rh_snapshot_reader *reader;
    uint64_t ready;                     /* number of its ready, once loading; 0: not yet */
};

struct rh_driver {
    struct rh_options o;
    struct rh_database db;
    struct rh_dir *dir;
    struct rh_log log;
    struct rh_net net;
    struct rh_workers workers;
    raftcore_node *node;                /* NULL: not a member yet, or stopped */
    char peer_address[RH_WIRE_ADDRESS_MAX + 1], client_address[RH_WIRE_ADDRESS_MAX + 1], join[RH_WIRE_ADDRESS_MAX + 1];
    uint64_t join_heard;                /* when a JOIN was sent out or answered last */
    uint64_t moved_look;                /* when rh_look_for_moved looked last */
    uint64_t tell_next;                 /* the member that is told of the own address next, if no leader is known */
    bool electable;                     /* raftcore_set_electable */
    uint64_t seed, frame_limit;
    int failed;
    struct rh_words words;              /* of the failure */
    bool connected, joining, leaving, left;

    /* time */
    uint64_t now, ticked;               /* microseconds; of the last tick */
    uint64_t checked;                   /* when the disk's space was looked at */
    uint64_t unchecked_bytes;           /* appended since */
    bool again;                         /* a turn more is due at once */

    /* readies */
    struct rh_out out[RH_READIES];
    uint64_t first_out, last_out;       /* numbers of the oldest and newest outstanding ready; first > last: none */
    uint64_t batch, must_batch;         /* numbers of the last batch, and of the last that must be flushed */
    uint64_t conf_batch;                /* entries wait until this batch is durable: it holds a membership */
    uint64_t appended_at;               /* when the batch that must be flushed was appended */
    struct rh_entry *entries;           /* room for apply */
    struct rh_pending **waiters;
    size_t cap_entries;
    raftcore_entry *fetch_entries;      /* room for RH_FETCH_ENTRIES */
    uint8_t *fetch_bytes;
    size_t cap_fetch;

    /* applied */
    uint64_t applied, applied_term;
    uint64_t given;                     /* the last entry that the database was given, or holds */
    uint64_t forced;                    /* membership changes up to here are skipped: rh_recover */
    uint64_t conf_index;                /* of the newest membership in the log */
    uint8_t *conf;                      /* the raftpb ConfState in force */
    size_t conf_len;
    struct rh_record *records;
    size_t n_records, cap_records;

    /* role */
    uint32_t role;
    uint64_t term, leader;
    uint64_t commit;                    /* that the log was given, durable or not */
    bool ready;
    struct rh_role told;
    char told_address[RH_WIRE_ADDRESS_MAX + 1];
    bool role_changed;

    /* requests */
    struct rh_pending **slots;          /* by seq */
    uint64_t seq, oldest;
    struct rh_queue writes, reads;
    struct { uint64_t token; struct rh_queue list; } asks[RH_ASKS];
    uint64_t ask;
    uint64_t n_requests, request_bytes;
    struct rh_pending *transfer;
    struct rh_pending *later;           /* promotions to be asked for: driver_voters.c */
    uint64_t transfer_since;            /* the leader when the transfer began */
    uint64_t asked_vote;                /* when a promotion was proposed last */
    uint64_t forward_after;             /* no requests go to the leader before */

    /* snapshots */
    struct rh_snapshot newest;          /* in the log; without conf; index 0 or bytes 0: no file */
    struct rh_snapshot arrived[RH_ARRIVED];     /* received, not in the log yet; index 0: none */
    size_t n_arrived;                   /* since the boot; the next one's place */
    struct rh_stream streams[RH_STREAMS];
    struct { uint64_t peer, id; } waiting[RH_STREAMS]; /* fetches that wait for a snapshot; peer 0: free */
    struct rh_maker maker;
    struct rh_loader loader;
    struct rh_space space;
    bool handed_over;                   /* for lack of space, once */
    uint64_t cut;                       /* the last entry that the log gave up, since the boot */
    uint64_t cut_at;                    /* bytes of the log at which it is cut next */
    uint64_t flush_upto;                /* what the database was asked to make durable, and answered RH_NONE; 0: nothing */
    bool clean;                         /* old snapshot files may be there */

    /* the flush, between the loop and the sync thread */
    pthread_mutex_t mutex;
    uint64_t to_sync;                   /* the last batch that was appended */
    uint64_t synced;
    int sync_code;
    struct rh_words sync_words;
    struct rh_histogram sync_times;     /* of flushes that wrote something; under the mutex */

    struct rh_histogram commit_times;   /* from a proposal to its outcome */
    uint64_t n_outcomes[5], n_applied, n_bytes_applied, n_snapshots_made, n_snapshots_loaded, n_forwarded, n_refused;
};

/* Steps through an array of the core. */
#define RH_AT(rd, array, stride, i) ((const void *)((const char *)(rd)->array + (size_t)(i) * (rd)->stride))

/* driver.c */
__attribute__((format(printf, 3, 4)))
void rh_driver_say(const struct rh_driver *d, enum rh_level level, const char *format, ...);
__attribute__((format(printf, 3, 4)))
int rh_driver_fail(struct rh_driver *d, int code, const char *format, ...);
/* Words and code for a call of the core that failed. node: NULL if there is none yet. */
int rh_core_fail(raftcore_node *node, raftcore_code code, const char *call, struct rh_words *why);
/* Returns whether a call of the core succeeded. A negative code stops the driver. */
bool rh_core_ok(struct rh_driver *d, raftcore_code code, const char *call);
bool rh_durable(struct rh_driver *d, uint64_t batch);
int rh_append(struct rh_driver *d, struct rh_batch *b, bool must, uint64_t *number);
void rh_histogram_add(struct rh_histogram *h, uint64_t us);
void rh_drain_events(struct rh_driver *d);

/* driver_found.c */
int rh_found_if_asked(struct rh_driver *d, struct rh_words *why);

/* driver_boot.c */
int rh_boot_node(struct rh_driver *d, struct rh_words *why);
int rh_load_database(struct rh_driver *d, const struct rh_snapshot *what, struct rh_words *why);

/* driver_ready.c */
void rh_ready_loop(struct rh_driver *d);
/* Applies entries that waited for a flush. */
void rh_ready_apply(struct rh_driver *d);
void rh_ready_done(struct rh_driver *d);

/* driver_requests.c */
void rh_submit_requests(struct rh_driver *d);
void rh_outcome(struct rh_driver *d, struct rh_pending *p, enum rh_what what, const raftcore_entry *e,
                raftcore_slice result, const char *words);
struct rh_pending *rh_take(struct rh_driver *d, uint64_t seq);
void rh_readable(struct rh_driver *d, uint64_t token);
void rh_dropped(struct rh_driver *d, const raftcore_drop *drop);
void rh_expire_requests(struct rh_driver *d);
void rh_end_requests(struct rh_driver *d, const char *words);
void rh_lost_peer(struct rh_driver *d, uint64_t peer);
/* Ends a request that was not taken. code: RH_WIRE_R_*, for a peer. */
void rh_refuse(struct rh_driver *d, struct rh_pending *p, uint16_t code, const char *words);
void rh_refuse_not_leader(struct rh_driver *d, struct rh_pending *p);
void rh_answer_peer(struct rh_driver *d, const struct rh_pending *p, struct rh_wire_frame *f);
raftcore_slice rh_text_slice(const char *text);
/* Frees finished requests at the head. Returns the first request under way. */
struct rh_pending *rh_queue_first(struct rh_queue *q);
void rh_take_request(struct rh_driver *d, uint64_t from, const struct rh_wire_frame *f);
void rh_take_outcome(struct rh_driver *d, uint64_t peer, const struct rh_wire_frame *f);
/* Opens an entry's envelope: sets data, session and number. */
bool rh_envelope_open(raftcore_slice data, struct rh_entry *e);
void rh_queue_add(struct rh_queue *q, struct rh_pending *p);
struct rh_pending *rh_queue_pop(struct rh_queue *q);

/* driver_members.c */
struct rh_record *rh_record_find(const struct rh_driver *d, uint64_t id);
int rh_take_book(struct rh_driver *d, raftcore_slice book);
/* Keeps the address of a hello, if the book has none. */
void rh_take_hint(struct rh_driver *d, const struct rh_net_hello *hello);
int rh_set_membership(struct rh_driver *d, const raftcore_conf *conf);
void rh_dial_members(struct rh_driver *d);
/* Gives the transport an address of a member, unless it has the address already. */
void rh_dial_at(struct rh_driver *d, struct rh_record *r, const char *address);
size_t rh_book_bytes(const struct rh_driver *d, uint8_t **out);
uint8_t *rh_blob_make(const struct rh_driver *d, raftcore_slice conf, bool forced, size_t *len);
bool rh_blob_open(raftcore_slice blob, raftcore_slice *conf, raftcore_slice *book, bool *forced);
void rh_take_join(struct rh_driver *d, uint64_t from, const struct rh_wire_frame *f, const struct rh_net_hello *hello);
void rh_take_joined(struct rh_driver *d, const struct rh_wire_frame *f);
raftcore_code rh_hand_over(struct rh_driver *d, uint64_t to);
/* Returns to the address of the options if the leader of an answer does not answer. */
void rh_join_again(struct rh_driver *d);
void rh_promote_learners(struct rh_driver *d);

/* driver_changes.c */
const char *rh_change_fault(struct rh_driver *d, raftcore_slice change, char *buf, size_t cap);
bool rh_is_caught_up(const struct rh_driver *d, uint64_t id);

/* driver_voters.c */
/* Takes a step towards a voter. False: the outcome is the request's. */
bool rh_next_step(struct rh_driver *d, const struct rh_pending *p, enum rh_what what, const char *words);
void rh_promote_later(struct rh_driver *d);
void rh_end_promotions(struct rh_driver *d, const char *words);

/* driver_moved.c */
/* Notes an address of a member that the book does not have. */
void rh_hear_address(struct rh_driver *d, struct rh_record *r, raftcore_slice address);
/* The book has a new record. */
void rh_forget_heard(struct rh_record *r);
/* Tries the other address of members that do not answer, and tells the group of this node's new address. */
void rh_look_for_moved(struct rh_driver *d);
/* Makes the change of rh_set_address. Returns p itself if the change cannot be made. */
struct rh_pending *rh_address_change(struct rh_driver *d, struct rh_pending *p);
void rh_refuse_address(struct rh_driver *d, struct rh_pending *p);

/* driver_snapshots.c */
void rh_supply_snapshot(struct rh_driver *d, const raftcore_fetch *f);
void rh_send_snapshot(struct rh_driver *d, const raftcore_msg *m);
void rh_sending(struct rh_driver *d, uint64_t to, enum rh_net_sending how, uint16_t code, const char *words);
void rh_snapshots_turn(struct rh_driver *d);
void rh_snapshots_tick(struct rh_driver *d);
/* Returns a received snapshot. NULL: none of this index and term is here. */
const struct rh_snapshot *rh_arrived(const struct rh_driver *d, uint64_t index, uint64_t term);
void rh_loader_begin(struct rh_driver *d, uint64_t ready);
void rh_free_snapshots(struct rh_driver *d);
void rh_serve_waiting(struct rh_driver *d);
void rh_cut_log(struct rh_driver *d, uint64_t upto);

/* driver_maker.c */
void rh_maker_reset(struct rh_driver *d);
void rh_maker_turn(struct rh_driver *d);
void rh_make_snapshot(struct rh_driver *d);
void rh_begin_backup(struct rh_driver *d, struct rh_pending *p);

#endif
