/*
 * raftcore_host: a replicated database in one process, over the consensus core of raftcore.h.
 *
 * You own a database: a struct rh_database of nine functions. The library owns the log, the
 * snapshot files, the connections to the other members, and the loop around the core.
 *
 *     1  Results       codes, words, outcomes
 *     2  The database  the functions that you provide
 *     3  A host        options, open, close
 *     4  The loop      in your event loop, or in a thread of the library
 *     5  Requests      propose, read
 *     6  Members       add, promote, remove, move, transfer, commands of words
 *     7  Looking in    status, members, metrics, backup, a socket to listen on
 *     8  Offline       a lost quorum
 *     9  Retries       sessions that recognise a request sent twice
 *
 * A group
 *
 *     Start the first member once with `found`, and never again with it. Start every further member
 *     with `join` and the address of any member. A member that was started before needs neither:
 *     the directory knows the group.
 *     A new member is a learner first. The leader promotes it once its log is near the leader's.
 *     Never start an emptied directory under an old id: give the node a new id.
 *
 * Threads
 *
 *     Your functions run only inside of rh_turn, or on the thread of rh_thread. All calls of
 *     groups 5, 6 and 7 may come from any thread, and from your functions as well.
 *     The library has no global state, never ends the process, and installs no signal handler.
 *
 * Failures
 *
 *     A write or flush of the log that fails is final, and so is a function of yours that fails.
 *     The host then stops: another member leads, rh_turn returns the code, and the words say what
 *     happened. Close the host, mend the cause, and open it again.
 *
 * Versions
 *
 *     A struct that begins with struct_size may grow at its end, as in raftcore.h.
 */
#ifndef RAFTCORE_HOST_H
#define RAFTCORE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "raftcore.h"
#include "raftcore_host/result.h"

#ifdef __cplusplus
extern "C" {
#endif


/* ==============================================================================================
 * 1  Results
 * ============================================================================================== */

/*
 * Functions return enum rh_code (raftcore_host/result.h): 0 is success, above 0 is information,
 * below 0 is an error. `why` receives a line for people if the code is negative, and may be NULL.
 */

/**
 * Returns the text of a code.
 *
 * Lives    For ever. Never NULL.
 */
const char *rh_strerror(int code);

/** What became of a request. See rh_database.outcome. */
enum rh_what {
    RH_DONE = 1,          /* committed, and applied where the request was proposed */
    RH_NOT_COMMITTED = 2, /* had no effect, and never will: may be sent again */
    RH_UNKNOWN = 3,       /* may take effect, now or later: send again only with its session and number */
    RH_READABLE = 4,      /* of rh_read: read your database now */
};

struct rh_outcome {
    enum rh_what what;
    uint64_t index, term;  /* DONE: of the entry, if known; else 0 */
    raftcore_slice result; /* DONE: rh_entry.result */
    const char *words;     /* other than DONE, READABLE: why. Never NULL */
};

const char *rh_what_text(enum rh_what what);


/* ==============================================================================================
 * 2  The database
 * ============================================================================================== */

enum { RH_SESSION_BYTES = 16 };

/** A committed entry. */
struct rh_entry {
    uint64_t index, term;
    raftcore_slice data;    /* as proposed */
    const uint8_t *session; /* RH_SESSION_BYTES of the client's session; NULL: none */
    uint64_t number;        /* of the request in its session: 1, 2, 3, ... */
    uint64_t ticket;        /* of rh_propose, if this process waits for the entry; else 0 */

    /* You may set it: the entry changes nothing, and its answer is not known here. The outcome is UNKNOWN. */
    bool forgotten;

    /* You may set it: the answer for the client, wherever it waits. Valid until the next apply. */
    raftcore_slice result;
};

enum rh_load {
    RH_LOAD_BEGIN = 1, /* a snapshot begins: keep the old state until COMMIT */
    RH_LOAD_DATA,      /* the next bytes */
    RH_LOAD_COMMIT,    /* the state is now the snapshot's, as of `index` */
    RH_LOAD_ABORT,     /* keep the old state */
};

struct rh_role {
    uint32_t role;              /* RAFTCORE_ROLE_* */
    bool ready;                 /* leader: everything of older terms is applied */
    uint64_t term, leader;      /* leader 0: none known */
    const char *leader_address; /* where clients reach the leader; empty: not known */
};

/**
 * Your database.
 *
 * Functions return 0, or a negative number, which stops the host. `why` receives your words.
 */
struct rh_database {
    uint32_t struct_size; /* sizeof(struct rh_database) */
    void *self;           /* first argument of each function */

    /**
     * Applies committed entries, in order. Entries of the library's own are left out, so indexes
     * have gaps. All members must come to equal states. A bad entry is no failure: answer with a
     * result.
     */
    int (*apply)(void *self, struct rh_entry *entries, size_t count, struct rh_words *why);

    /**
     * Called once by rh_open. *index is the last entry whose effect the database still has; 0: no
     * data, as always with a database in memory. The library then loads the newest snapshot if
     * there is one, and applies the rest of the log.
     */
    int (*applied)(void *self, uint64_t *index, struct rh_words *why);

    /**
     * Makes the effects of the entries up to `index` durable, before the log gives them up. RH_NONE:
     * not now, because of readers, or since another thread is at it; the log grows, and the library asks
     * again for the same index. NULL: the database is in memory. The log is then given up behind snapshot files only.
     */
    int (*flush)(void *self, uint64_t index, struct rh_words *why);

    /**
     * Freezes the state for a snapshot. The view must not change while entries are applied. *index
     * is the last entry in the view: set it only if the view is older than the last apply. RH_NONE:
     * the view takes time, and is asked for again at each turn.
     */
    int (*snapshot_open)(void *self, void **view, uint64_t *index, struct rh_words *why);

    /** Returns the next bytes of a view. *got is 0 only at the end. */
    int (*snapshot_read)(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why);
    void (*snapshot_close)(void *self, void *view);

    /** Replaces the state by a snapshot. A database on disk must make COMMIT durable, with `index`. */
    int (*snapshot_load)(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why);

    /** Reports a new role or leader. May be NULL. */
    void (*role)(void *self, const struct rh_role *role);

    /** Reports the outcome of a request, once for each ticket other than 0. */
    void (*outcome)(void *self, uint64_t ticket, const struct rh_outcome *outcome);
};


/* ==============================================================================================
 * 3  A host
 * ============================================================================================== */

enum rh_level { RH_LOG_ERROR = 1, RH_LOG_WARNING, RH_LOG_INFO, RH_LOG_DEBUG };

struct rh_log; /* raftcore_host/log.h: a log store of your own */

/**
 * Options. rh_options_init fills in the defaults, which stand in brackets. Set dir, id and peer,
 * and for a new member found or join. Strings are copied by rh_open.
 */
struct rh_options {
    uint32_t struct_size;
    uint32_t tick_ms;      /* unit of the times of Raft; at least 1 [50] */
    const char *dir;       /* data directory; made if there is none */
    uint64_t group;        /* number of the group, equal on all members [1] */
    uint64_t id;           /* of this node in the group; never used for another directory */
    const char *listen;    /* where the node listens for peers: HOST:PORT [NULL: peer] */
    const char *peer;      /* where peers reach the node: HOST:PORT */
    const char *client;    /* where clients reach the node; told to the other members [NULL] */

    bool found;            /* founds the group. Refused if the directory holds a group [false] */
    bool learner;          /* never ask to become a voter [false] */
    const char *join;      /* the peer address of any member, for an empty directory [NULL] */

    uint32_t election_ticks;    /* without a leader before an election, up to twice as many [10] */
    uint32_t max_entry_bytes;   /* of a proposal; equal on all members [1 MiB] */
    uint32_t request_ms;        /* then a request ends with UNKNOWN or NOT_COMMITTED [5000] */
    uint64_t max_queue_bytes;   /* of requests under way; then RH_E_BUSY [64 MiB] */
    uint64_t compaction_bytes;  /* of new log before the log is cut [64 MiB] */
    uint64_t keep_bytes;        /* of log kept for members that lag [64 MiB] */
    uint64_t segment_bytes;     /* of a file of the log [64 MiB] */
    uint64_t low_bytes;         /* free disk space below which writes are refused [2 segments] */
    bool lease_reads;           /* the leader answers reads without asking: see raftcore.h [false] */

    const char *tls_ca, *tls_cert, *tls_key; /* PEM files; all NULL: plain TCP [NULL] */

    /* Takes lines for people. NULL: none. Called inside of rh_turn and rh_open [NULL] */
    void (*log)(void *context, enum rh_level level, const char *text);
    void *log_context;
    enum rh_level log_level;    /* least important level to report [RH_LOG_INFO] */

    const struct rh_log *store; /* a log store of your own, opened; the host closes it [NULL: files in dir] */

    const char *restore;        /* with found: a file of rh_backup, the state of the new group [NULL] */

    const char *metrics;        /* HOST:PORT where GET /metrics is answered, by plain HTTP to anybody [NULL: nowhere] */

    /* Adds lines of your own to that answer, as rh_metrics writes the library's. Called inside of rh_turn [NULL] */
    size_t (*more_metrics)(void *context, char *buf, size_t cap);
    void *metrics_context;
};

/**
 * Fills in the defaults.
 *
 * struct_size  sizeof(struct rh_options)
 */
void rh_options_init(struct rh_options *o, uint32_t struct_size);

/** A host. */
struct rh_host;

/**
 * Opens a host: the directory, the log, the database's state, the connections.
 *
 * o        Copied.
 * db       Copied. Its functions run from here on.
 * out      Receives the host.
 * Lives    Until rh_close.
 * Returns  RH_OK         the host takes part once rh_turn or rh_thread runs
 *          RH_E_ARG      an option is out of range: the words name it
 *          RH_E_OWNER    the directory is another node's, holds a group already (found), or is open
 *                        in another process
 *          RH_E_STATE    the directory is empty, and was never told to found or join a group: it
 *                        waits for a member that adds it, only if `join` is ""
 *          RH_E_DAMAGED  bytes on the disk are not those that were written: give up this directory,
 *                        and start an empty one under a new id. With restore: the backup is damaged,
 *                        and no group is founded
 *          RH_E_CORE     the parts on the disk contradict each other
 *          RH_E_NET      an address of listen, peer or metrics, or a TLS file, cannot be used
 *          RH_E_DATABASE, RH_E_VERSION, RH_E_SPACE, RH_E_IO, RH_E_NOMEM
 */
int rh_open(const struct rh_options *o, const struct rh_database *db, struct rh_host **out, struct rh_words *why);

/**
 * Closes a host: hands the leadership over, ends the requests, makes the log durable.
 *
 * A host in a thread stops first. Outcomes of the requests under way come before the return.
 *
 * h        May be NULL. Freed in any case.
 * Thread   Not from a function of struct rh_database.
 * Returns  RH_OK, or the failure that stopped the host
 */
int rh_close(struct rh_host *h, struct rh_words *why);


/* ==============================================================================================
 * 4  The loop
 * ============================================================================================== */

/**
 * Returns a descriptor that is readable when rh_turn has work. For epoll, poll or a library's
 * loop.
 *
 * Lives    Until rh_close. Never read, write or close it.
 */
int rh_fd(const struct rh_host *h);

/**
 * Returns how many milliseconds you may wait for rh_fd before the next rh_turn. 0: not at all.
 */
int rh_timeout_ms(struct rh_host *h);

/**
 * Does all work that waits. Never waits for the disk or the network.
 *
 * Thread   Any, one at a time. Not with rh_thread.
 * Returns  RH_OK    go on
 *          Below 0  the host has stopped: call rh_close
 */
int rh_turn(struct rh_host *h, struct rh_words *why);

/**
 * Starts a thread that calls rh_turn until rh_close.
 *
 * Returns  RH_OK, RH_E_STATE: there is a thread, RH_E_NOMEM: the system has no thread left
 */
int rh_thread(struct rh_host *h, struct rh_words *why);


/**
 * Reads the three TLS files again. New connections use the new certificate; open connections stay.
 *
 * Returns  RH_OK
 *          RH_E_NET    a file cannot be used: the old certificate stays in use
 *          RH_E_STATE  the host speaks plain TCP
 */
int rh_reload_tls(struct rh_host *h, struct rh_words *why);


/* ==============================================================================================
 * 5  Requests
 * ============================================================================================== */

/** Names a request, so that every member recognises it when it is sent twice. See rh_sessions. */
struct rh_retry {
    uint8_t session[RH_SESSION_BYTES]; /* random, drawn once by the client */
    uint64_t number;                   /* 1, 2, 3, ... */
};

/**
 * Proposes an entry: to this node's core, or to the leader, wherever it is.
 *
 * parts    The data in pieces, at least one byte in all. Copied.
 * retry    NULL: a retry is not recognised.
 * ticket   Comes back with rh_database.outcome. 0: no outcome wanted.
 * Returns  RH_OK        an outcome comes, after request_ms at the latest
 *          RH_E_ARG     no data, or above max_entry_bytes; a retry with zeros for session or number
 *          RH_E_BUSY    max_queue_bytes of requests are under way
 *          RH_E_FAILED  the host has stopped
 *          RH_E_NOMEM
 *          After an error there is no outcome, and no effect.
 */
int rh_propose(struct rh_host *h, const raftcore_slice *parts, size_t count, const struct rh_retry *retry,
               uint64_t ticket);

/**
 * Asks for a linearizable read. After READABLE your database shows every write that was done before
 * the call. NOT_COMMITTED: no leader confirmed it in time.
 *
 * Returns  As rh_propose
 */
int rh_read(struct rh_host *h, uint64_t ticket);


/* ==============================================================================================
 * 6  Members
 * ============================================================================================== */

/*
 * Any member takes these calls and passes them on to the leader. The outcome comes as for
 * rh_propose. Return codes are those of rh_propose.
 */

/**
 * Adds a node that was started with join "", as a learner. Most nodes join by themselves instead.
 *
 * client_address  May be NULL.
 */
int rh_add(struct rh_host *h, uint64_t id, const char *peer_address, const char *client_address, uint64_t ticket);

/** Makes a learner a voter. Refused as long as its log is far behind. */
int rh_promote(struct rh_host *h, uint64_t id, uint64_t ticket);

/** Removes a member. Its id and directory can never come back. */
int rh_remove(struct rh_host *h, uint64_t id, uint64_t ticket);

/**
 * Tells the group where a member is reached from now on. Seldom needed: a member that is started with
 * another `peer` or `client` tells the group by itself, as long as it reaches a majority, or the
 * majority reaches it. Call this on a member if all members have moved at once, for each of the others:
 * the node dials the new address at once, and the group agrees on it once there is a leader.
 *
 * Whoever answers there must have the member's id and directory, and with TLS the certificate.
 *
 * client_address  NULL: as before. "": clients do not reach the member.
 * Returns         As rh_propose. RH_E_ARG: not HOST:PORT. NOT_COMMITTED: no such member, no leader
 */
int rh_set_address(struct rh_host *h, uint64_t id, const char *peer_address, const char *client_address,
                   uint64_t ticket);

/**
 * Sets whether this node begins elections: false for maintenance, or while your process is not ready to
 * lead. true after each start. A node with false votes and follows; a transfer of the leadership to the
 * node fails. A leader goes on leading: call rh_transfer first.
 *
 * Thread   Any.
 * Returns  RH_OK        holds until the next call, also if the node is no member yet
 *          RH_E_FAILED  the host has stopped
 */
int rh_set_electable(struct rh_host *h, bool electable);

/** Hands the leadership to a voter. 0: to the best one. DONE: another node leads. */
int rh_transfer(struct rh_host *h, uint64_t to, uint64_t ticket);

/**
 * Does a command of words, as an operator types it. Put it behind a command of your own protocol.
 *
 *     add ID HOST:PORT [CLIENT] [learner]   rh_add, and rh_promote once the log is near the leader's, within
 *                                           10 seconds. With learner: rh_add alone
 *     address ID HOST:PORT [CLIENT]         rh_set_address
 *     promote ID                            rh_promote
 *     remove ID                             rh_remove
 *     transfer [ID]                         rh_transfer; without an ID, or with 0, to the best voter
 *     backup PATH                           rh_backup; a path on this member's machine
 *     status                                the outcome's result is the text of rh_status_text
 *
 * The outcome is that of the call. For add, UNKNOWN with words also says that the node is a learner still.
 *
 * words    The name first, in capitals or not. Copied.
 * why      Receives words after an error: the usage, or the word at fault.
 * Returns  As rh_propose. RH_E_ARG: not understood
 */
int rh_command(struct rh_host *h, const raftcore_slice *words, size_t count, uint64_t ticket, struct rh_words *why);


/* ==============================================================================================
 * 7  Looking in
 * ============================================================================================== */

struct rh_status {
    uint32_t struct_size; /* sizeof(struct rh_status), set by you */
    int32_t failed;       /* 0, or the code that stopped the host */
    bool member;          /* in the membership */
    bool voter;
    bool ready;           /* leader: everything of older terms is applied */
    uint8_t space;        /* 0: enough; 1: low, writes are refused; 2: the log uses its reserve */
    uint64_t free_bytes, log_bytes;
    uint64_t snapshot_index; /* of the newest snapshot file; 0: none */
    uint64_t requests;       /* under way */
    char leader_client[256]; /* where clients reach the leader; empty: not known */
    raftcore_status core;
};

struct rh_member {
    uint32_t struct_size;
    bool voter, learner;   /* neither: was a member once */
    uint64_t id;
    char peer_address[256], client_address[256];
    raftcore_peer core;    /* with a meaning on the leader */
};

/** Returns the state of the host, as of the last turn. */
int rh_get_status(struct rh_host *h, struct rh_status *out);

/**
 * Returns the members, in the order of their ids.
 *
 * out    Room for cap records, of out[0].struct_size bytes each. May be NULL if cap is 0.
 * count  Receives the number of members, possibly more than cap.
 */
int rh_members(struct rh_host *h, struct rh_member *out, size_t cap, size_t *count);

/**
 * Writes the state as text: a line `name:value` for each field, then a line for each member. Names may be
 * added later, so look for a name, not for a place.
 *
 *     id role term leader leader_client      role: follower, precandidate, candidate or leader
 *     commit applied first_index last_index  indexes of entries
 *     voters learners                        ids with commas between
 *     log_bytes snapshot_index free_bytes    of the disk; space: enough, low or reserve
 *     memory_bytes                           of the core
 *     waiting_requests                       under way; failed: why the host has stopped, else empty
 *     member_ID                              voter, learner or removed, then peer=, client=; on the leader also
 *                                            match=, next=, flow=, and active or silent
 *
 * buf      Receives the text with a NUL at the end, cut to cap bytes. May be NULL if cap is 0.
 * Returns  Length of the whole text without the NUL.
 */
size_t rh_status_text(struct rh_host *h, char *buf, size_t cap);

/**
 * Writes metrics in the text form of Prometheus.
 *
 * buf      Receives the text with a NUL at the end, cut to cap bytes. May be NULL if cap is 0.
 * Returns  Length of the whole text without the NUL.
 */
size_t rh_metrics(struct rh_host *h, char *buf, size_t cap);

/**
 * Writes this member's state to a file, with every write that any member acknowledged before the call.
 * DONE: the file is complete and durable. docs/wire.md, section 9, specifies the bytes.
 *
 * A leader must confirm within request_ms that this member lacks no write, as for rh_read; the file
 * then takes as long as it takes. Any failure is NOT_COMMITTED; the words and the log name the cause.
 *
 * To bring a backup back, found a new group with rh_options.restore. The new group has the database
 * and the sessions of the backup, one member, and nothing to do with the old group, whose members it
 * refuses. rh_open then returns
 *
 *     RH_E_IO        the file cannot be opened or read
 *     RH_E_DAMAGED   the file is not what rh_backup wrote. The directory is as before
 *     RH_E_OWNER     the directory holds a group already: use an empty one
 *     RH_E_DATABASE  the database holds entries already, or refuses the state
 *     RH_E_ARG       restore without found
 *     RH_E_SPACE     the disk is full
 *
 * path     Must not exist. A failed backup leaves no file.
 * Returns  As rh_propose. RH_E_ARG: path is NULL or ""
 */
int rh_backup(struct rh_host *h, const char *path, uint64_t ticket);

/**
 * Opens a socket that listens for TCP connections, for the clients of your service.
 *
 * address  HOST:PORT or [HOST]:PORT, looked up now. :PORT is every IPv4 address of the machine. A name with
 *          addresses of both kinds means the IPv4 address.
 * fd       Receives the socket, non-blocking and closed on exec. You close it. -1 after an error.
 * Returns  RH_OK, RH_E_NET
 */
int rh_listen(const char *address, int *fd, struct rh_words *why);


/* ==============================================================================================
 * 8  Offline
 * ============================================================================================== */

/**
 * Declares a survivor of a lost quorum to be the whole group. Read docs/lost-quorum.md first:
 * acknowledged writes that the survivor lacks are lost, and the lost nodes must never come back.
 *
 * The node must not run. Start it afterwards as usual: it elects itself. Add the other nodes with
 * new ids and empty directories.
 *
 * told     Receives what was found and done, for people. May be NULL.
 * Returns  RH_OK        the directory is edited
 *          RH_E_STATE   the directory holds no membership
 *          RH_E_OWNER, RH_E_DAMAGED, RH_E_VERSION, RH_E_SPACE, RH_E_IO, RH_E_NOMEM
 */
int rh_recover(const char *dir, uint64_t group, uint64_t id, struct rh_words *told, struct rh_words *why);

/**
 * Does the same with a log store of your own.
 *
 * store    Opened; closed by the call in any case.
 * Returns  As rh_recover, and the codes of the store
 */
int rh_recover_log(const char *dir, uint64_t group, uint64_t id, const struct rh_log *store, struct rh_words *told,
                   struct rh_words *why);


/* ==============================================================================================
 * 9  Retries
 * ============================================================================================== */

/**
 * A table of client sessions, as part of your database's state.
 *
 * A client draws a session at random, and numbers its requests. After UNKNOWN it sends the request
 * again with the same number. In apply, ask rh_sessions_seen first: an entry that was applied before
 * changes nothing, and the stored result is the answer. The table must be in your snapshots.
 *
 * In a group with members in other languages the table has room for RH_SESSIONS, and stands in front of
 * your own bytes in the snapshot: docs/wire.md, section 9.
 */
struct rh_sessions;

enum { RH_SESSIONS = 4096 };

/**
 * Makes a table.
 *
 * max      Sessions to remember, at least 1, equal on all members; then the session that was used
 *          longest ago is forgotten.
 * Returns  NULL: max is 0, or no memory
 */
struct rh_sessions *rh_sessions_new(size_t max);
void rh_sessions_free(struct rh_sessions *s);

/**
 * Returns whether the entry must change nothing. Sets e->result to the stored result if the entry is
 * the last one of its session once more. Otherwise sets e->forgotten: the session has applied a higher
 * number, or the result was longer than 16 KiB, or the number is above 1 and the table does not know
 * the session. Entries without a session always count.
 *
 * Lives    The result: until the next call of rh_sessions_done.
 */
bool rh_sessions_seen(struct rh_sessions *s, struct rh_entry *e);

/** Remembers that the entry was applied, with e->result. RH_E_NOMEM: stop, the members would differ. */
int rh_sessions_done(struct rh_sessions *s, const struct rh_entry *e);

/** Returns the bytes that rh_sessions_write needs. */
size_t rh_sessions_bytes(const struct rh_sessions *s);

/** Writes the table, equal bytes for equal tables. RH_E_NOMEM: nothing is written. */
int rh_sessions_write(const struct rh_sessions *s, uint8_t *to);

/**
 * Finds out how long the table at the beginning of some bytes is: for a snapshot that comes in pieces.
 *
 * length   Receives the length of the table; 0 unless the result is RH_OK.
 * Returns  RH_OK         the table is whole
 *          RH_NONE       the table goes on behind these bytes
 *          RH_E_DAMAGED  no table begins here
 */
int rh_sessions_length(const uint8_t *bytes, size_t len, size_t *length);

/**
 * Replaces the table by bytes of rh_sessions_write. Further bytes may follow.
 *
 * used     Receives the length of the table.
 * Returns  RH_OK
 *          RH_E_DAMAGED  unchanged: no table, or one with more sessions than `max`
 *          RH_E_NOMEM    unchanged
 */
int rh_sessions_read(struct rh_sessions *s, const uint8_t *bytes, size_t len, size_t *used);

#ifdef __cplusplus
}
#endif

#endif
