/*
 * raftcore: a Raft consensus core. A node has no thread, clock, socket or file, and no callbacks.
 *
 * You own the database, the disk and the network. Call raftcore_tick when time has passed,
 * raftcore_step_frames when bytes have arrived from a peer, and raftcore_propose to replicate data.
 * The node returns its work in portions, called readies. You do the work of a ready your own way,
 * then acknowledge the ready.
 *
 *     1  Make and free          a configuration, a node, its boot from disk, its end
 *     2  The loop               tick, step, propose, get_ready, advance; peers far behind; frames
 *     3  Reads and membership   linearizable reads, changes of the membership, leadership
 *     4  Asynchronous storage   several readies at a time, for hosts with a disk thread
 *     5  Many nodes             thousands of groups in a process
 *     6  Looking inside         status, peers, events, texts
 *     7  The flat form          a ready as one run of bytes, for languages other than C
 *
 *     A  Which call when        the calls that are legal in each state
 *     B  Numbers                error codes, flags, and kinds of messages, events and reasons
 *
 * Groups 1 and 2 are enough for a working host, such as examples-c/minimal.c.
 *
 * The loop
 *
 *     With one ready at a time (RAFTCORE_STORAGE_SYNC), run this after every tick, step or propose.
 *     must returns a code, or says raftcore_error_detail and ends the process if the code is
 *     negative:
 *
 *         for (;;) {
 *             while (raftcore_next_fetch(n, &f) == RAFTCORE_OK)
 *                 supply(n, &f);
 *             if (must(raftcore_get_ready(n, &rd)) != RAFTCORE_OK)
 *                 break;
 *             store(&rd);
 *             send_all(&rd);
 *             apply(n, &rd);
 *             answer(&rd);
 *             must(raftcore_advance(n, rd.number));
 *         }
 *         while (raftcore_next_event(n, &e) == RAFTCORE_OK)
 *             log_event(&e);
 *
 *     supply     Answer a fetch. ENTRIES and APPLY: raftcore_supply_entries, with entries of your
 *                log from f.first on. SNAPSHOT: raftcore_supply_snapshot; if the code is
 *                RAFTCORE_E_TOO_LARGE, supply the snapshot without data and send the data to f.peer
 *                yourself: an everyday case. If a supply fails, raftcore_supply_none with LATER.
 *     store      Write the snapshot, which replaces your whole state; then rd.entries, which
 *                replace the log from entries[0].index on; then term, vote and commit. If
 *                RAFTCORE_RF_MUST_SYNC is set, make the write durable.
 *     send_all   Send rd.msgs to the peers.
 *     apply      Apply rd.committed in order. Pass a membership change to raftcore_apply_conf.
 *                Ignore an empty normal entry, which a new leader appends.
 *     answer     Serve rd.reads; report rd.dropped.
 *     log_event  Log the event: events explain why a node stands still.
 *
 *     Before you sleep, raftcore_has_ready must be 0. raftcore_turn does a pass of the loop in one
 *     call.
 *
 * Durability
 *
 *     Send a message with RAFTCORE_MF_AFTER only when all readies up to its own are durable.
 *     Without the flag, a message may leave at once.
 *     Never let a commit index reach the disk before the entries that it covers: write a ready as
 *     one transaction, or in the order above.
 *     When you store the state as of an applied index, store the membership as of the index in the
 *     same write.
 *     You cannot report a failed write. If a write or a flush fails, never retry it: end the
 *     process and boot again from what is on disk. docs/snapshots.md: snapshots in files.
 *     Never boot an emptied disk under its old id.
 *
 * Lifetimes
 *
 *     A node borrows your arguments for the call, and copies the data to keep.
 *     The memory behind a ready stays valid and unchanged until raftcore_advance or
 *     raftcore_release of its number, or raftcore_free, whichever other calls you make.
 *     Out-parameters are written on success only.
 *
 * Threads
 *
 *     Any thread may use a node, one thread at a time. A second thread gets RAFTCORE_E_BUSY.
 *     Different nodes are independent. Functions without a node may run on any thread, at any
 *     time. The library has no locks, threads or descriptors, so fork is safe. No call throws or
 *     longjmps.
 *
 * Errors
 *
 *     A negative code is an error, a positive code is information. After an error the node is
 *     unchanged, except after RAFTCORE_E_PANIC. raftcore_strerror names the code, and
 *     raftcore_error_detail explains it: the value, the limit, the setting.
 *     A function lists only its special codes. Every function may return RAFTCORE_E_NULL, _HANDLE,
 *     _BUSY, _PANIC, _POISONED, _STATE, _ARG or _ABI: see appendix B. A pointer may be NULL only if
 *     the function says so.
 *
 * Versions
 *
 *     A struct that begins with struct_size may grow at its end. Set struct_size to its sizeof. The
 *     library takes a shorter struct as filled up with zeros, which mean the old behaviour, and
 *     accepts a longer struct if the unknown part is zero.
 *     Step through an array by its stride. Ignore kinds, codes and bits that you do not know, since
 *     new versions add some. Any other change raises RAFTCORE_ABI_VERSION and the soname. The wire
 *     format has a version of its own.
 */

/* Generated from src/ffi and mk/header/raftcore.h.in by `make header`. */

#ifndef RAFTCORE_H
#define RAFTCORE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#  define RAFTCORE_MUST_USE __attribute__((warn_unused_result))
#else
#  define RAFTCORE_MUST_USE
#endif
#if defined(RAFTCORE_SHARED) && defined(_WIN32)
#  define RAFTCORE_API __declspec(dllimport)
#else
#  define RAFTCORE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define RAFTCORE_ABI_VERSION   1 /* Version of the ABI; grows when an existing item changes */
#define RAFTCORE_VERSION_MAJOR 0 /* Version of this page */
#define RAFTCORE_VERSION_MINOR 1
#define RAFTCORE_VERSION_PATCH 0

/**
 * The result of a call: 0 is success, above 0 is information, below 0 is an error.
 *
 * A newer library may return codes that this page lacks. Treat an unknown negative code as the
 * failure of this call alone.
 */
typedef int32_t raftcore_code;

#define RAFTCORE_OK          0 /* Success */
#define RAFTCORE_NONE        1 /* Nothing to return: no ready, fetch or event */
#define RAFTCORE_IGNORED     2 /* Nothing done: the supply is no longer needed */
#define RAFTCORE_LAST        3 /* From raftcore_turn: a ready, and nothing can follow it before
                                  something happens */
#define RAFTCORE_FETCH_FIRST 4 /* From raftcore_turn: a fetch waits; answer it, then take the
                                  next turn */


/* ==============================================================================================
 * 1  Make and free
 * ============================================================================================== */

/**
 * Returns the ABI version of the library that runs. The version must equal RAFTCORE_ABI_VERSION.
 */
RAFTCORE_API uint32_t
raftcore_abi_version(void);

/**
 * Returns the version of the library that runs, such as "0.1.0".
 *
 * Lives    For ever. Never NULL.
 */
RAFTCORE_API const char *
raftcore_version_string(void);

/**
 * Returns the abilities of the library that runs: RAFTCORE_FEATURE_*.
 */
RAFTCORE_API uint64_t
raftcore_features(void);

/* Bits of raftcore_features. */
#define RAFTCORE_FEATURE_CHECKED UINT64_C(1) /* Built with internal checks, for tests */

/**
 * Returns the text of a code. raftcore_error_detail explains the last error of a node.
 *
 * code     Any number. An unknown code has a text, too.
 * Lives    For ever. Never NULL.
 * Rust     Error::text
 */
RAFTCORE_API const char *
raftcore_strerror(raftcore_code code);

/**
 * The configuration of a node.
 *
 * raftcore_config_init fills in the defaults. Then set id and seed, and change other fields if you
 * like. A note ends with the default in brackets, or with [range; default].
 */
typedef struct raftcore_config {
    uint32_t struct_size;            /* sizeof(raftcore_config) */
    uint32_t abi_version;            /* RAFTCORE_ABI_VERSION */
    uint64_t id;                     /* This node [1 to 2^64-17] */
    uint64_t group;                  /* Group of the node; frames of other groups are refused */

    /* Not 0. Choose another seed at each start, or a read could be served by an answer from
     * before the restart. With equal seeds and equal calls, two runs are equal. */
    uint64_t seed;

    /* RAFTCORE_FLAG_* [PRE_VOTE, CHECK_QUORUM, RETIRE_GRACEFULLY, QUIET_COMMIT] */
    uint64_t flags;
    uint32_t storage;                /* RAFTCORE_STORAGE_* [SYNC] */

    /* RAFTCORE_DIALECT_*: equal on all members, for the life of the group [RAFTPB] */
    uint32_t dialect;

    /* Ticks without a leader before an election, by chance up to twice as many [above
     * heartbeat_ticks; 10] */
    uint32_t election_ticks;
    uint32_t heartbeat_ticks;        /* Ticks between a leader's heartbeats [1] */
    uint32_t read_timeout_ticks;     /* Ticks until a forwarded read fails [20] */
    uint32_t snapshot_timeout_ticks; /* Ticks to wait for a snapshot report; 0: for ever [600] */

    /* Ticks after boot during which the node grants no vote [UINT32_MAX: election_ticks with
     * RAFTCORE_FLAG_LEASE_READS, else 0] */
    uint32_t vote_fence_ticks;
    uint32_t max_peers;              /* Members of the group [1 to 256; 16] */
    uint32_t max_inflight_msgs;      /* Appends in flight to a peer [1 to 65536; 256] */
    uint32_t max_outstanding;        /* Outstanding readies; one in SYNC [1 to 1024; 8] */
    uint32_t max_entries_per_ready;  /* Entries to store, and to apply, in a ready [1024] */
    uint32_t max_messages;           /* Messages in a ready [16 or more; 1024] */
    uint32_t max_reads;              /* Waiting reads [1024] */
    uint32_t max_tokens;             /* Waiting proposals with a token [8192] */
    int32_t priority;                /* Among equal logs the higher priority wins [0] */
    uint32_t max_apply_unpersisted;  /* ASYNC: entries to apply that are not yet durable [0] */

    /* Entries in memory. An entry takes half of it at most: equal limits on every member [4 *
     * block_bytes or more; 16 MiB] */
    uint64_t recent_bytes;
    uint64_t catchup_bytes;          /* Entries supplied for peers, all together [8 MiB] */
    uint64_t max_size_per_msg;       /* Payload of an append with several entries [1 MiB] */

    /* Committed entries returned, not yet applied; 0 counts as 1 [4 MiB] */
    uint64_t max_committed_size_per_ready;
    uint64_t max_uncommitted_size;   /* Payload of a leader's uncommitted entries [8 MiB] */
    uint64_t max_inflight_bytes;     /* Payload in flight to a peer; 0: no limit [0] */
    uint64_t max_entry_bytes;        /* Payload of an entry [up to 2^30; 4 MiB] */
    uint64_t max_snapshot_bytes;     /* Snapshot data inside messages [up to 2^31; 1 MiB] */
    uint64_t block_bytes;            /* Unit of memory for entries [4 KiB to 16 MiB; 256 KiB] */

    /* A leader steps down if nothing more of its own log becomes durable for so long; 0: never
     * [100] */
    uint32_t own_write_timeout_ticks;

    /* An election timeout is election_ticks and by chance up to so many more, this number
     * excluded; 0: election_ticks [up to 2^24; 0] */
    uint32_t election_jitter_ticks;

    /* Ticks of silence until RAFTCORE_EVENT_PEER_LAGS; 0: ten election timeouts [0] */
    uint32_t peer_lags_ticks;

    /* Ticks without a leader until RAFTCORE_EVENT_NO_LEADER_LONG, again and again; 0: ten
     * election timeouts [0] */
    uint32_t no_leader_ticks;

    /* Entries in an append; 0: no limit but max_size_per_msg [0] */
    uint32_t max_entries_per_msg;

    /* Entries that a peer may lack with RAFTCORE_PF_CAUGHT_UP; 0: 16, or its messages in flight
     * [0] */
    uint32_t caught_up_entries;
} raftcore_config;

/* raftcore_config.storage */
#define RAFTCORE_STORAGE_SYNC     0 /* One ready at a time, ended by raftcore_advance */
#define RAFTCORE_STORAGE_ASYNC    1 /* Several readies: raftcore_persisted, _applied, _release */
#define RAFTCORE_STORAGE_MESSAGES 2 /* Like etcd's AsyncStorageWrites: raftcore_step_local */

/* raftcore_config.dialect */

/* The schema of etcd's raft */
#define RAFTCORE_DIALECT_RAFTPB  0

/* The schema of raft-rs 0.7 (eraftpb): entries with contexts, requested snapshots, priorities in
 * its fields, learners under its number. A log of one dialect is never read in the other. */
#define RAFTCORE_DIALECT_ERAFTPB 1

/**
 * Fills in the defaults.
 *
 * Call this function first. Then a program stays correct when compiled against a newer page, since
 * new fields get their defaults.
 *
 * c            Your struct, with any contents. Set id and seed afterwards.
 * struct_size  sizeof(raftcore_config)
 * Returns      RAFTCORE_OK     filled in, abi_version as well
 *              RAFTCORE_E_ABI  unknown struct_size: header and library don't fit
 * Rust         Config::new
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_config_init(raftcore_config *c, uint32_t struct_size);

/**
 * Sets the fields in which another library differs from the defaults.
 *
 * c        A configuration after raftcore_config_init.
 * preset   RAFTCORE_PRESET_ETCD
 * Returns  RAFTCORE_OK     set
 *          RAFTCORE_E_ARG  unknown preset, or a field out of range: see raftcore_config_error
 *          RAFTCORE_E_ABI  unknown struct_size or abi_version: call raftcore_config_init first
 * Rust     Config::preset_etcd
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_config_preset(raftcore_config *c, uint32_t preset);

/* Presets of raftcore_config_preset. */
#define RAFTCORE_PRESET_ETCD 1 /* The choices of etcd's raft, wherever the defaults differ */

/**
 * Names the faulty field of a configuration, and the allowed values.
 *
 * c        May be NULL, which is a fault.
 * buf      Receives the text with a NUL at the end, cut to cap bytes. May be NULL if cap is 0.
 * Returns  Length of the whole text without the NUL; 0 if raftcore_new accepts the configuration.
 * Rust     Config::check
 */
RAFTCORE_API size_t
raftcore_config_error(const raftcore_config *c, char *buf, size_t cap);

/**
 * Returns the size of the largest frame that a peer with an equal configuration sends.
 *
 * Your receive buffer must hold a frame of this size.
 *
 * c          Only read.
 * bytes_out  Receives the number of bytes, header included.
 * Returns    RAFTCORE_OK     *bytes_out is set
 *            RAFTCORE_E_ARG  a field is out of range: see raftcore_config_error
 *            RAFTCORE_E_ABI  unknown struct_size or abi_version: call raftcore_config_init first
 * Rust       Config::frame_limit
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_frame_limit(const raftcore_config *c, uint64_t *bytes_out);

/**
 * Returns an upper bound for the memory of a node.
 *
 * Above the bound, a node takes memory only for supplied entries beyond catchup_bytes, snapshots in
 * flight, terms beyond the first thousands, and unusually large readies.
 *
 * c          Only read.
 * bytes_out  Receives the bound in bytes.
 * Returns    RAFTCORE_OK     *bytes_out is set
 *            RAFTCORE_E_ARG  a field is out of range: see raftcore_config_error
 *            RAFTCORE_E_ABI  unknown struct_size or abi_version: call raftcore_config_init first
 * Rust       Node::footprint
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_footprint(const raftcore_config *c, size_t *bytes_out);

/**
 * A node. The struct is opaque and never moves.
 *
 * A call on a freed node returns RAFTCORE_E_HANDLE. The check is best effort: after 256 more frees,
 * another node may have the address.
 */
typedef struct raftcore_node raftcore_node;

/**
 * Makes a node. Boot the node next: raftcore_boot.
 *
 * c        Copied.
 * out      Receives the handle.
 * Lives    Until raftcore_free.
 * Memory   Allocates; a running node grows up to raftcore_footprint.
 * Returns  RAFTCORE_OK             a node
 *          RAFTCORE_E_ARG          a field is out of range: see raftcore_config_error
 *          RAFTCORE_E_ABI          unknown struct_size or abi_version: call raftcore_config_init
 *          RAFTCORE_E_UNSUPPORTED  unknown dialect
 *          RAFTCORE_E_NOMEM        nothing is left behind: retry
 * Rust     Node::new
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_new(const raftcore_config *c, raftcore_node **out);

/**
 * Bytes. ptr may be NULL if len is 0. On POSIX systems, an array of slices is an array of struct
 * iovec.
 */
typedef struct raftcore_slice {
    const uint8_t *ptr; /* First byte */
    size_t len;         /* Number of bytes */
} raftcore_slice;

/**
 * The membership of a group.
 *
 * As an argument: the library reads bytes if bytes.ptr is not NULL, else the ids. As a result:
 * both are set.
 */
typedef struct raftcore_conf {
    uint32_t struct_size;          /* sizeof(raftcore_conf) */
    uint32_t auto_leave;           /* 1: a joint membership is left automatically */
    const uint64_t *voters;        /* Voters; in a joint membership the incoming half */
    const uint64_t *outgoing;      /* Voters of the outgoing half; empty unless joint */
    const uint64_t *learners;      /* Learners */
    const uint64_t *learners_next; /* Learners after the joint membership */
    uint32_t n_voters;             /* Number of voters */
    uint32_t n_outgoing;           /* Number of outgoing */
    uint32_t n_learners;           /* Number of learners */
    uint32_t n_learners_next;      /* Number of learners_next */

    /* The membership as raftpb ConfState with index as field 15, for your disk */
    raftcore_slice bytes;
    raftcore_slice context;        /* Result of raftcore_apply_conf: the change's context */

    /* The index that the membership is as of; 0: not known. The bytes carry the index, too. */
    uint64_t index;

    /* Result, and for raftcore_conf_encode: RAFTCORE_DIALECT_* of the log. The bytes carry it,
     * too. */
    uint32_t dialect;
    uint32_t reserved0;            /* 0 */
} raftcore_conf;

/**
 * A part of the log with one term, up to the first index of the next run.
 */
typedef struct raftcore_run {
    uint64_t first; /* First index */
    uint64_t term;  /* Term of all entries */
} raftcore_run;

/**
 * An entry of the log.
 */
typedef struct raftcore_entry {
    uint64_t term;          /* Term of the leader that made the entry */
    uint64_t index;         /* Position in the log, from 1 */
    uint32_t kind;          /* RAFTCORE_ENTRY_* */
    uint32_t reserved0;     /* 0 */
    raftcore_slice data;    /* Data of the proposal */
    uint64_t token;         /* In committed, on the node of the proposal: its token; else 0 */
    raftcore_slice context; /* Bytes beside the data, with RAFTCORE_DIALECT_ERAFTPB; else empty */
} raftcore_entry;

/* Kinds of entries, with raftpb's numbers. */
#define RAFTCORE_ENTRY_NORMAL         0 /* Data of the application; empty: a leader's first entry */
#define RAFTCORE_ENTRY_CONF_CHANGE    1 /* A membership change, first encoding */
#define RAFTCORE_ENTRY_CONF_CHANGE_V2 2 /* Membership changes, second encoding */

/**
 * Everything that you have stored of a node. See raftcore_boot.
 *
 * All zero with conf NULL is an empty disk.
 */
typedef struct raftcore_stored {
    uint32_t struct_size;          /* sizeof(raftcore_stored) */
    uint32_t reserved0;            /* 0 */
    uint64_t term;                 /* Hard state, as last stored */
    uint64_t vote;                 /* Candidate with the vote in term; 0: none */
    uint64_t commit;               /* Commit index of the hard state */
    uint64_t applied;              /* Index up to which your state machine has applied the log */

    /* Index before the first entry of the log: the end of the last snapshot or compaction;
     * founders: 1 */
    uint64_t before_first;
    uint64_t before_first_term;    /* Term at before_first; founders: 1 */
    uint64_t last;                 /* Index of the last entry; before_first if the log is empty */

    /* Membership as of applied; no voters: none was ever stored; NULL: the disk is empty */
    const raftcore_conf *conf;
    const raftcore_run *runs;      /* Terms of the log; NULL if entries begin at before_first + 1 */
    const raftcore_entry *entries; /* Entries up to last: those above applied at least */
    size_t n_runs;                 /* Number of runs */
    size_t n_entries;              /* Number of entries */
    size_t reserved1;              /* 0 */
} raftcore_stored;

/**
 * Boots a node from everything that you have stored of the node. Then the node runs.
 *
 * To join a group, boot from an empty disk: all zero, conf NULL.
 *
 * To found a group, each founder first stores, then boots from: commit 1, applied 1,
 * before_first 1, before_first_term 1, last 1, conf with all founders as voters, the rest zero.
 * Found a group once.
 *
 * A log without a membership is refused: the node cannot guess the voters. A member that stored
 * entries before its first membership boots with a conf of zero voters, and learns the voters from
 * the log. The node does not look for voters: a voter that nobody started counts for the majority.
 *
 * The call compares the data, and refuses a disk with missing parts. After an error, free the
 * node. If memory does not hold the entries above applied at once, boot in pieces:
 * raftcore_boot_state, _conf, _terms, _entries and _done.
 *
 * stored   Your struct, with struct_size set. Copied.
 * Returns  RAFTCORE_OK         the node runs; the first ready contains repairs, if any
 *          RAFTCORE_E_CORRUPT  data contradict each other or are missing: raftcore_error_detail
 *                              says which; complete the data, or put a new node in its place
 *          RAFTCORE_E_CONF     the membership is invalid, or has more than max_peers members
 *          RAFTCORE_E_DECODE   stored->conf->bytes are not a membership
 *          RAFTCORE_E_FULL     RAFTCORE_STORAGE_MESSAGES: recent_bytes must exceed the unapplied
 *                              entries
 *          RAFTCORE_E_STATE    booted before; or conf is NULL although there is a log
 *          RAFTCORE_E_NOMEM    an allocation failed: retry with a new node
 * Rust     Node::boot
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot(raftcore_node *node, const raftcore_stored *stored);

/**
 * Restores the hard state. First call of a boot in pieces.
 *
 * A boot in pieces makes the calls in the order of this page, each once, and raftcore_boot_entries
 * as often as needed. Leave out a call if there is nothing to restore, except raftcore_boot_done.
 * After an error, free the node.
 *
 * term     As in the last stored ready with RAFTCORE_RF_HARD_STATE. So vote and commit.
 * Returns  RAFTCORE_OK         restored
 *          RAFTCORE_E_STATE    out of order
 *          RAFTCORE_E_CORRUPT  vote is a reserved id, or a number is out of range
 * Rust     Node::boot_state
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_state(raftcore_node *node, uint64_t term, uint64_t vote, uint64_t commit);

/**
 * Restores the membership as of the applied index, and where the log begins.
 *
 * conf               The bytes from raftcore_apply_conf or a snapshot, or the ids. Copied.
 * before_first       Index before the first entry of the log, the end of the last snapshot or
 *                    compaction. Founders: 1.
 * before_first_term  Term at before_first. Founders: 1.
 * Returns            RAFTCORE_OK         restored
 *                    RAFTCORE_E_DECODE   conf->bytes are not a membership
 *                    RAFTCORE_E_CONF     invalid, or more than max_peers members:
 *                                        raftcore_error_detail says which
 *                    RAFTCORE_E_CORRUPT  no log begins at before_first with this term
 *                    RAFTCORE_E_STATE    out of order
 *                    RAFTCORE_E_NOMEM    an allocation failed
 * Rust               Node::boot_conf, Node::boot_conf_bytes
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_conf(raftcore_node *node, const raftcore_conf *conf, uint64_t before_first,
    uint64_t before_first_term);

/**
 * Restores the terms of the log and the end of the log, so that missing entries are noticed.
 *
 * runs     Sorted. The first run begins at before_first + 1, the last run ends at last. Copied.
 *          May be NULL if count is 0: then raftcore_boot_entries begins at before_first + 1.
 * last     Index of the last entry; before_first if the log is empty.
 * Returns  RAFTCORE_OK         restored
 *          RAFTCORE_E_CORRUPT  an index or a term does not rise, or contradicts an earlier call
 *          RAFTCORE_E_STATE    out of order, or raftcore_boot_conf is missing
 *          RAFTCORE_E_NOMEM    an allocation failed
 * Rust     Node::boot_terms
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_terms(raftcore_node *node, const raftcore_run *runs, size_t count, uint64_t last);

/**
 * Restores entries in order, at least the entries above the applied index. Repeat as needed.
 *
 * e        Copied, without tokens. May be NULL if count is 0.
 * Returns  RAFTCORE_OK         restored
 *          RAFTCORE_E_CORRUPT  a gap, or a term that contradicts an earlier call
 *          RAFTCORE_E_ARG      unknown kind of entry; the node is unchanged
 *          RAFTCORE_E_STATE    out of order, or raftcore_boot_conf is missing
 *          RAFTCORE_E_NOMEM    an allocation failed
 * Rust     Node::boot_entries
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_entries(raftcore_node *node, const raftcore_entry *e, size_t count);

/**
 * Ends a boot in pieces. Then the node runs.
 *
 * applied  Applied index, as stored with your state.
 * Returns  RAFTCORE_OK         the node runs; the first ready contains repairs, if any
 *          RAFTCORE_E_CORRUPT  commit or applied lies beyond the log, or entries are missing:
 *                              raftcore_error_detail says which
 *          RAFTCORE_E_FULL     RAFTCORE_STORAGE_MESSAGES: recent_bytes must exceed the unapplied
 *                              entries
 *          RAFTCORE_E_STATE    done before, or raftcore_boot_conf is missing
 * Rust     Node::boot_done
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_done(raftcore_node *node, uint64_t applied);

/**
 * Copies a node, for tests and explorers: equal calls on both nodes have equal results.
 *
 * node     The original. Unchanged. The memory of outstanding readies belongs to the original.
 * out      Receives the copy.
 * Lives    Until raftcore_free.
 * Returns  RAFTCORE_OK       a node
 *          RAFTCORE_E_STATE  the original is within its boot
 *          RAFTCORE_E_NOMEM  nothing is left behind: retry
 * Rust     Node::try_clone
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_try_clone(const raftcore_node *node, raftcore_node **out);

/**
 * Frees a node. The call writes and sends nothing; you boot the next node from the disk.
 *
 * node     May be NULL: nothing happens.
 * Lives    Ends all memory that the node has returned.
 * Thread   Any thread, while no other thread is in the node.
 * Returns  RAFTCORE_OK        freed
 *          RAFTCORE_E_BUSY    another thread is in the node: retry, the node still exists
 *          RAFTCORE_E_HANDLE  freed before, or never made
 *          You may ignore the result.
 * Rust     drop
 */
RAFTCORE_API raftcore_code
raftcore_free(raftcore_node *node);

/**
 * The memory functions of a host. See raftcore_set_heap.
 */
typedef struct raftcore_heap {
    uint32_t struct_size;            /* sizeof(raftcore_heap) */
    uint32_t reserved0;              /* 0 */
    void *context;                   /* First argument of each function. May be NULL */

    /* Returns size bytes at a multiple of align, a power of two; NULL: none left */
    void *(*alloc)(void *context, size_t size, size_t align);

    /* Returns memory of new_size bytes with the old contents, and frees the old memory; NULL:
     * none left, and the old memory stays */
    void *(*resize)(void *context, void *old, size_t old_size, size_t new_size, size_t align);

    /* Frees memory of alloc or resize */
    void (*free)(void *context, void *old, size_t size, size_t align);
} raftcore_heap;

/**
 * Sets the memory functions, before any other call of the library.
 *
 * The library calls the functions inside calls of the host, from the host's thread, and nowhere
 * else. The functions must not call the library, and must not fail by a jump or an exception. No
 * other function of a host is ever called.
 *
 * heap     Copied. The functions stay in use for the life of the process.
 * Thread   One thread, before other threads use the library.
 * Returns  RAFTCORE_OK             set
 *          RAFTCORE_E_STATE        the library has taken memory already, or the call came before
 *          RAFTCORE_E_NULL         a function is NULL
 *          RAFTCORE_E_ARG          a reserved field is not 0
 *          RAFTCORE_E_UNSUPPORTED  built without the feature, as the Rust crate is by default
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_heap(const raftcore_heap *heap);


/* ==============================================================================================
 * 2  The loop
 * ============================================================================================== */

/**
 * Advances the clock of a node.
 *
 * ticks    Ticks that have passed; several at once if you are late. More than two election
 *          timeouts count as two: the node has heard nothing in between. 0 does nothing.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       done
 *          RAFTCORE_E_STATE  before the end of the boot; so in every call from here on
 * Rust     Node::tick
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_tick(raftcore_node *node, uint32_t ticks);

/**
 * Takes a message from a peer.
 *
 * peer     The sender that your transport has authenticated. A message from another id is refused.
 *          0: unchecked.
 * msg      A raftpb message, without the frame header. Borrowed for the call.
 * Memory   Does not allocate for the usual kinds of messages with entries up to block_bytes.
 * Returns  RAFTCORE_OK             taken, or ignored as Raft requires
 *          RAFTCORE_E_DECODE       not a message: close the connection
 *          RAFTCORE_E_NOT_FOR_ME   for another node, from a sender other than peer, or of a local
 *                                  kind: check your routing
 *          RAFTCORE_E_NO_PEER      a response from a node that is not a member: drop the message
 *          RAFTCORE_E_IMPLAUSIBLE  contradicts committed entries: investigate; see the event
 *          RAFTCORE_E_NOT_LEADER, RAFTCORE_E_NO_LEADER, RAFTCORE_E_CONF, RAFTCORE_E_CONF_BUSY
 *                                  a forwarded proposal that is refused: drop the message
 *          RAFTCORE_E_FULL, RAFTCORE_E_NOMEM
 *                                  nothing done: drop the message, the sender sends again;
 *                                  everyday if you step much between two readies
 *          RAFTCORE_E_TOO_LARGE    an entry that recent_bytes has no room for: give all members
 *                                  equal limits, and boot the node again; see the event
 *          RAFTCORE_E_UNSUPPORTED  a value from a newer version: drop the message
 * Rust     Node::step
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_step(raftcore_node *node, uint64_t peer, const uint8_t *msg, size_t len);

/**
 * Takes all whole frames of a receive buffer.
 *
 * Do not call this function on a connection that may bring a snapshot without data, since the
 * message is stepped at once. Walk the frames with raftcore_frame_next: docs/snapshots.md.
 *
 * peer          As in raftcore_step.
 * buf           Frames; the last frame may be incomplete. Borrowed for the call.
 * consumed_out  Receives the bytes of the whole frames. Keep the rest, and append to the rest.
 * rejected_out  Receives the number of frames that raftcore_step would have refused. The call
 *               skips them. May be NULL.
 * first_out     Receives the code of the first refused frame; RAFTCORE_OK: none.
 *               raftcore_error_detail has the text. May be NULL.
 * Memory        As raftcore_step.
 * Returns       RAFTCORE_OK        done
 *               RAFTCORE_E_DECODE  buf begins with an impossible length: close the connection
 * Rust          Node::step_frames
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_step_frames(raftcore_node *node, uint64_t peer, const uint8_t *buf, size_t len,
    size_t *consumed_out, uint32_t *rejected_out, raftcore_code *first_out);

/**
 * A frame of a stream. See raftcore_frame_next.
 */
typedef struct raftcore_frame {
    uint32_t struct_size; /* sizeof(raftcore_frame) */
    uint32_t reserved0;   /* 0 */
    uint64_t group;       /* Group of the frame */
    raftcore_slice msg;   /* The message, inside your buffer */

    /* Bytes of the whole frame, header included. With RAFTCORE_NONE: bytes needed; 0: unknown */
    uint64_t bytes;
} raftcore_frame;

/* Bytes before the message of a frame: length of the message (u32) and group (u64), both
 * little-endian. */
#define RAFTCORE_FRAME_HEADER 12

/**
 * Finds the next frame of a receive buffer.
 *
 * buf      Frames; the last frame may be incomplete.
 * limit    The largest frame that you accept: raftcore_frame_limit.
 * out      With struct_size set. out->msg points into buf.
 * Returns  RAFTCORE_OK        a frame of out->bytes: pass out->msg to raftcore_step if out->group
 *                             is the group of your node
 *          RAFTCORE_NONE      incomplete: read until out->bytes are there; 0: no whole header yet
 *          RAFTCORE_E_DECODE  larger than limit: close the connection
 * Rust     wire::next_frame
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_frame_next(const uint8_t *buf, size_t len, uint64_t limit, raftcore_frame *out);

/**
 * Proposes an entry at the leader.
 *
 * With RAFTCORE_FLAG_FORWARDING, a follower forwards the entry to the leader. The follower does
 * not learn the outcome: the token comes back as RAFTCORE_DROP_UNKNOWN, although the entry may
 * commit. Put an id of your own into the data to recognise the entry.
 *
 * parts    The data in pieces, in order. Copied. May be NULL if count is 0.
 * token    Comes back exactly once: with the committed entry, or in raftcore_ready.dropped with
 *          the known outcome. 0: no token.
 * Memory   Does not allocate for entries up to block_bytes.
 * Returns  RAFTCORE_OK            taken, not yet committed
 *          RAFTCORE_E_NOT_LEADER  propose at raftcore_status.leader
 *          RAFTCORE_E_NO_LEADER   retry when raftcore_ready.leader changes
 *          RAFTCORE_E_FULL        max_uncommitted_size, max_tokens or recent_bytes is reached:
 *                                 retry after advance
 *          RAFTCORE_E_TOO_LARGE   above max_entry_bytes or half of recent_bytes: split the data
 *          After an error, the token does not come back.
 * Rust     Node::propose_parts
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose(raftcore_node *node, const raftcore_slice *parts, size_t count, uint64_t token);

/**
 * Proposes an entry if this node leads in a term, and never forwards the entry. For data that were
 * computed from the state as of that term.
 *
 * term     raftcore_status.term, when the data were computed.
 * parts    As in raftcore_propose, and so count and token.
 * Memory   As raftcore_propose.
 * Returns  As raftcore_propose;
 *          RAFTCORE_E_NO_LEADER, RAFTCORE_E_NOT_LEADER  the term is over: compute the data anew
 * Rust     Node::propose_in_term
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose_in_term(raftcore_node *node, uint64_t term, const raftcore_slice *parts,
    size_t count, uint64_t token);

/**
 * Proposes several entries: all or nothing.
 *
 * entries  A slice per entry. Copied. May be NULL if count is 0.
 * tokens   A token per entry. May be NULL: no tokens.
 * Memory   As raftcore_propose.
 * Returns  As raftcore_propose.
 * Rust     Node::propose_many
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose_many(raftcore_node *node, const raftcore_slice *entries, const uint64_t *tokens,
    size_t count);

/**
 * Proposes an entry of any kind, for example a change that was encoded elsewhere.
 *
 * kind     RAFTCORE_ENTRY_*
 * data     Copied. A membership change is checked as in raftcore_propose_conf.
 * token    As in raftcore_propose.
 * Returns  As raftcore_propose and raftcore_propose_conf, and
 *          RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED  not a membership change
 * Rust     Node::propose_entry
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose_entry(raftcore_node *node, uint32_t kind, raftcore_slice data, uint64_t token);

/**
 * Proposes an entry of any kind with a context: bytes beside the data, as raft-rs has them.
 *
 * kind     RAFTCORE_ENTRY_*
 * context  Copied. Comes back in raftcore_entry.context, on every node.
 * data     Copied. A membership change is checked as in raftcore_propose_conf.
 * token    As in raftcore_propose.
 * Returns  As raftcore_propose_entry; max_entry_bytes counts data and context;
 *          RAFTCORE_E_UNSUPPORTED  dialect is not RAFTCORE_DIALECT_ERAFTPB
 * Rust     Node::propose_with_context
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose_with_context(raftcore_node *node, uint32_t kind, raftcore_slice context,
    raftcore_slice data, uint64_t token);

/**
 * Returns the waiting work as RAFTCORE_HAS_*: the contents of the next ready, fetches, events.
 *
 * An outstanding ready does not count. Before you sleep, drain the events and do all work until
 * the result is 0. raftcore_status.late_ticks counts the ticks that found a ready waiting.
 *
 * Memory   Does not allocate.
 * Returns  RAFTCORE_HAS_*, 0: nothing; or a negative code. Works on a poisoned node and before the
 *          end of the boot, too.
 * Rust     Node::has_ready
 */
RAFTCORE_API int32_t
raftcore_has_ready(const raftcore_node *node);

/**
 * A message to send.
 *
 * A host with a stream per peer writes frame to the peer `to`, and otherwise reads flags only.
 */
typedef struct raftcore_msg {
    uint64_t to;                   /* Receiver */
    uint64_t from;                 /* This node */
    uint64_t term;                 /* Term of the sender; 0 in a forwarded proposal */
    uint64_t log_term;             /* Term of the entry at index, in most kinds */

    /* Depends on kind: see raftpb. In RAFTCORE_MSG_SNAP index and log_term are those of the
     * snapshot. */
    uint64_t index;
    uint64_t commit;               /* Commit index of the sender */
    uint64_t reject_hint;          /* In a refused append: where to try next */
    uint64_t vote;                 /* In a local storage message: vote of the hard state */
    uint64_t flags;                /* RAFTCORE_MF_* */
    uint32_t kind;                 /* RAFTCORE_MSG_* */
    uint32_t reserved0;            /* 0 */

    /* Gather list of the frame: length of the message (u32) and group (u64), both little-endian,
     * then the raftpb message. */
    const raftcore_slice *frame;

    /* Entries of an append or a proposal, for inspection: frame has the whole message, and of
     * RAFTCORE_MSG_READ_INDEX alone the context. NULL without RAFTCORE_FLAG_DECODED_MSGS. */
    const raftcore_entry *entries;
    uint32_t n_frame;              /* Slices in frame, 1 or more */
    uint32_t frame_bytes;          /* Bytes of the frame */
    uint32_t n_entries;            /* Number of entries */
    uint32_t entry_stride;         /* Bytes from one entry to the next */

    /* Context of a heartbeat, its answer, or a vote; empty in most messages */
    raftcore_slice context;

    /* In RAFTCORE_MSG_SNAP: the membership as of index, as raftpb ConfState */
    raftcore_slice snapshot_conf;
} raftcore_msg;

/* raftcore_msg.flags */
#define RAFTCORE_MF_AFTER  UINT64_C(1) /* Send only when all readies up to this one are durable */
#define RAFTCORE_MF_REJECT UINT64_C(2) /* In a response: a refusal. In an append: needs no answer */

/**
 * A read that may be served now.
 */
typedef struct raftcore_read {
    uint64_t token; /* Token of raftcore_read_index */
    uint64_t index; /* Serve from a state with this index applied */
} raftcore_read;

/**
 * A proposal or read that has failed.
 */
typedef struct raftcore_drop {
    uint64_t token;  /* Token of the proposal or read */
    uint32_t what;   /* RAFTCORE_DROP_* */
    uint32_t reason; /* RAFTCORE_REASON_* */
} raftcore_drop;

/* raftcore_drop.what */
#define RAFTCORE_DROP_NOT_COMMITTED 1 /* Never committed: another entry has the proposal's place */
#define RAFTCORE_DROP_UNKNOWN       2 /* Possibly committed: forwarded, or under a snapshot */
#define RAFTCORE_DROP_READ          3 /* A read that failed: start the read again */

/**
 * A committed proposal whose entry is not in committed.
 */
typedef struct raftcore_done {
    uint64_t token; /* Token of the proposal */
    uint64_t index; /* Index of its entry */
} raftcore_done;

/**
 * A portion of work. See raftcore_get_ready.
 */
typedef struct raftcore_ready {
    uint32_t struct_size;            /* sizeof(raftcore_ready), set by you */
    uint32_t role;                   /* RAFTCORE_ROLE_* */
    uint64_t flags;                  /* RAFTCORE_RF_* */
    uint64_t number;                 /* 1, 2, 3, ... since boot */
    uint64_t term;                   /* Hard state as of this ready, changed or not */
    uint64_t vote;                   /* Candidate with the vote in term; 0: none */
    uint64_t commit;                 /* Highest index known to be committed */
    uint64_t leader;                 /* 0: none known */
    uint64_t snapshot_index;         /* Last index of the snapshot (RAFTCORE_RF_SNAPSHOT) */
    uint64_t snapshot_term;          /* Term of the entry at snapshot_index */
    uint64_t committed_first;        /* First index to apply; 0: nothing to apply */
    uint64_t committed_last;         /* Last index to apply */
    raftcore_slice snapshot_conf;    /* Membership of the snapshot, as raftpb ConfState */
    raftcore_slice snapshot_data;    /* Empty if the data travel over your own channel */
    const raftcore_entry *entries;   /* To store: replace the log from entries[0].index on */

    /* To apply: all of committed_first..committed_last. With RAFTCORE_FLAG_COMMITTED_SPANS it
     * may be empty: then read these entries from your own log. */
    const raftcore_entry *committed;
    const raftcore_msg *msgs;        /* To send, in order */
    const raftcore_read *reads;      /* Reads to serve */
    const raftcore_drop *dropped;    /* Proposals and reads that failed */
    const raftcore_done *done;       /* Committed tokens, if committed is empty */
    uint32_t n_entries;              /* Number of entries */
    uint32_t n_committed;            /* Number of committed */
    uint32_t n_msgs;                 /* Number of msgs */
    uint32_t n_reads;                /* Number of reads */
    uint32_t n_dropped;              /* Number of dropped */
    uint32_t n_done;                 /* Number of done */
    uint32_t entry_stride;           /* Bytes from one entry to the next; not always sizeof */
    uint32_t msg_stride;             /* Stride of msgs */
    uint32_t read_stride;            /* Stride of reads */
    uint32_t drop_stride;            /* Stride of dropped */
    uint32_t done_stride;            /* Stride of done */
    uint32_t reserved0;              /* 0 */
} raftcore_ready;

/* raftcore_ready.flags */
#define RAFTCORE_RF_HARD_STATE UINT64_C(1) /* Term, vote or commit has changed: store all three */
#define RAFTCORE_RF_MUST_SYNC  UINT64_C(2) /* The write must be durable before you go on */
#define RAFTCORE_RF_SOFT_STATE UINT64_C(4) /* Role or leader has changed */
#define RAFTCORE_RF_SNAPSHOT   UINT64_C(8) /* A snapshot to install */

/* Roles of a node. */
#define RAFTCORE_ROLE_FOLLOWER      0 /* Follows a leader, or waits for a leader */
#define RAFTCORE_ROLE_CANDIDATE     1 /* Asks for votes */
#define RAFTCORE_ROLE_LEADER        2
#define RAFTCORE_ROLE_PRE_CANDIDATE 3 /* Asks for votes without raising the term (PreVote) */

/**
 * Returns the next ready.
 *
 * out      With struct_size set.
 * Lives    The memory behind *out stays valid and unchanged until raftcore_advance or
 *          raftcore_release of out->number, or raftcore_free, whichever other calls you make.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       a ready; with RAFTCORE_STORAGE_SYNC the same ready until you advance
 *          RAFTCORE_NONE     nothing to do
 *          RAFTCORE_E_FULL   max_outstanding readies are outstanding: acknowledge a ready first
 *          RAFTCORE_E_NOMEM  an unusually large ready: call again
 *          RAFTCORE_E_ABI    unknown out->struct_size
 * Rust     Node::ready
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_get_ready(raftcore_node *node, raftcore_ready *out);

/**
 * Acknowledges a ready and all earlier readies: persisted, applied and released at once.
 *
 * number   raftcore_ready.number
 * Lives    Ends the memory of the readies up to number.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       acknowledged
 *          RAFTCORE_E_STALE  acknowledged before: harmless
 *          RAFTCORE_E_ARG    the node has not returned such a ready
 *          RAFTCORE_E_STATE  a membership change is neither applied nor skipped: call
 *                            raftcore_apply_conf; or a span without entries is not confirmed: call
 *                            raftcore_applied; or RAFTCORE_STORAGE_MESSAGES
 * Rust     Node::advance
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_advance(raftcore_node *node, uint64_t number);

/**
 * A request for entries of your log, or for a snapshot: for a peer far behind, or for this node
 * to apply.
 */
typedef struct raftcore_fetch {
    uint32_t struct_size; /* sizeof(raftcore_fetch) */
    uint32_t kind;        /* RAFTCORE_FETCH_* */
    uint64_t id;          /* Number of this fetch, for the answer */
    uint64_t peer;        /* Peer that lacks the entries; APPLY: this node */
    uint64_t first;       /* ENTRIES, APPLY: first index; SNAPSHOT: cover first - 1 at least */
    uint64_t last;        /* ENTRIES, APPLY: last index */
    uint64_t max_bytes;   /* ENTRIES, APPLY: more bytes are not taken, except one entry */
} raftcore_fetch;

/* raftcore_fetch.kind */
#define RAFTCORE_FETCH_ENTRIES  1 /* Answer with raftcore_supply_entries or _none */
#define RAFTCORE_FETCH_SNAPSHOT 2 /* Answer with raftcore_supply_snapshot or _none */
#define RAFTCORE_FETCH_APPLY    3 /* Entries of your own log, to apply. Answer with
                                     raftcore_supply_entries, or _none with LATER */

/**
 * Returns the next fetch: entries or a snapshot that the node needs from you.
 *
 * A peer far behind needs old entries or a snapshot. This node needs entries of its own log
 * if they left memory before they were applied: RAFTCORE_FETCH_APPLY, after any boot with more
 * than recent_bytes of unapplied log.
 *
 * A node has at most one fetch per peer, and one of its own, and returns a fetch once. Until you
 * answer, the peer waits, or nothing is applied (RAFTCORE_FETCH_APPLY); everything else goes on.
 * You may call at any time, with a ready outstanding, too.
 *
 * out      With struct_size set.
 * Returns  RAFTCORE_OK    answer with raftcore_supply_entries, _snapshot or _none
 *          RAFTCORE_NONE  no fetch
 * Rust     Node::next_fetch
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_next_fetch(raftcore_node *node, raftcore_fetch *out);

/**
 * Answers a fetch with entries, for a peer or to apply.
 *
 * id       raftcore_fetch.id
 * e        At least an entry, from raftcore_fetch.first on, without a gap. Copied. The node leaves
 *          out the entries that do not fit.
 * Returns  RAFTCORE_OK       the next ready has the append, or the committed entries
 *          RAFTCORE_IGNORED  no longer needed; nothing done
 *          RAFTCORE_E_ARG    contradicts the fetch or the log; the fetch stays open
 *          RAFTCORE_E_NOMEM  the fetch stays open: retry
 * Rust     Node::supply_entries
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_supply_entries(raftcore_node *node, uint64_t id, const raftcore_entry *e, size_t count);

/**
 * Answers a fetch with a snapshot. docs/snapshots.md shows the whole path.
 *
 * id       raftcore_fetch.id
 * index    End of the snapshot: at least raftcore_fetch.first - 1, at most the commit index.
 * conf     Membership as of index, with the peer.
 * data     The state, up to max_snapshot_bytes. Copied. Empty: you send the data to the peer over
 *          your own channel, and the peer's host must have the data before raftcore_step.
 * Returns  As raftcore_supply_entries, and
 *          RAFTCORE_E_TOO_LARGE  above max_snapshot_bytes, an everyday case: supply no data, and
 *                                send the data over your own channel
 *          RAFTCORE_E_ARG        index out of range, or conf lacks the peer: make a new snapshot
 *          RAFTCORE_E_CONF       the membership is invalid
 *          RAFTCORE_E_DECODE     conf->bytes are not a membership
 *          After an error, the fetch stays open.
 * Rust     Node::supply_snapshot, Node::supply_snapshot_bytes
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_supply_snapshot(raftcore_node *node, uint64_t id, uint64_t index,
    const raftcore_conf *conf, raftcore_slice data);

/**
 * Answers a fetch with nothing.
 *
 * id       raftcore_fetch.id
 * why      RAFTCORE_SUPPLY_GONE: the entries are compacted; the node fetches a snapshot.
 *          RAFTCORE_SUPPLY_LATER: the node fetches again, after the peer's next answer to a
 *          heartbeat; with RAFTCORE_FETCH_APPLY, after the next tick.
 * Returns  RAFTCORE_OK         noted
 *          RAFTCORE_IGNORED    no longer needed; nothing done
 *          RAFTCORE_E_ARG      unknown why, or the node has not returned such a fetch
 *          RAFTCORE_E_CORRUPT  GONE with RAFTCORE_FETCH_APPLY: the log has lost entries that are
 *                              not applied; the fetch stays open: end the process, repair the disk
 * Rust     Node::supply_none
 */
RAFTCORE_API raftcore_code
raftcore_supply_none(raftcore_node *node, uint64_t id, uint32_t why);

/* Causes for raftcore_supply_none. */
#define RAFTCORE_SUPPLY_GONE  1 /* Compacted: the node will fetch a snapshot instead */
#define RAFTCORE_SUPPLY_LATER 2 /* Not available now: the node will fetch again */

/**
 * Reports that your log begins after index, and that you have a snapshot at index or later.
 *
 * index    At most the applied index.
 * Returns  RAFTCORE_OK       noted
 *          RAFTCORE_E_STALE  reported before: harmless
 *          RAFTCORE_E_ARG    beyond the applied index
 * Rust     Node::compacted
 */
RAFTCORE_API raftcore_code
raftcore_compacted(raftcore_node *node, uint64_t index);

/**
 * Reports that messages to a peer were lost, or may have been, since the connection broke.
 *
 * Returns  RAFTCORE_OK         noted
 *          RAFTCORE_E_NO_PEER  not a member: harmless
 * Rust     Node::report_unreachable
 */
RAFTCORE_API raftcore_code
raftcore_report_unreachable(raftcore_node *node, uint64_t peer);

/**
 * Reports the state of a snapshot in flight to a peer.
 *
 * Without a report, the node waits for the peer's acknowledgement, at most snapshot_timeout_ticks.
 * So report RAFTCORE_SNAPSHOT_UNDER_WAY every few ticks while the data are in flight.
 *
 * how      RAFTCORE_SNAPSHOT_*
 * Returns  RAFTCORE_OK         noted
 *          RAFTCORE_E_NO_PEER  not a member: stop sending
 *          RAFTCORE_E_ARG      unknown how
 * Rust     Node::report_snapshot
 */
RAFTCORE_API raftcore_code
raftcore_report_snapshot(raftcore_node *node, uint64_t peer, uint32_t how);

/* Reports for raftcore_report_snapshot. */

/* The snapshot did not arrive: the node will fetch another snapshot */
#define RAFTCORE_SNAPSHOT_FAILED    0

/* The snapshot arrived with all data */
#define RAFTCORE_SNAPSHOT_ARRIVED   1

/* The snapshot is being sent: snapshot_timeout_ticks start anew */
#define RAFTCORE_SNAPSHOT_UNDER_WAY 2

/**
 * Returns the ticks that you may sleep if nothing arrives. Then call raftcore_tick once.
 *
 * ticks_out  Receives 1 or more; UINT32_MAX: no tick has an effect.
 * Memory     Does not allocate.
 * Returns    RAFTCORE_OK  *ticks_out is set
 * Rust       Node::ticks_until_due
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_ticks_until_due(const raftcore_node *node, uint32_t *ticks_out);

/**
 * Joins the slices of a message's frame, for transports without gather lists.
 *
 * m         From an outstanding ready.
 * buf       Your buffer. May be NULL if cap is 0.
 * need_out  Receives m->frame_bytes, with RAFTCORE_E_TOO_SMALL as well. May be NULL.
 * Returns   RAFTCORE_OK           written
 *           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_flatten(const raftcore_msg *m, uint8_t *buf, size_t cap, size_t *need_out);

/**
 * Finds a snapshot in an incoming message, before raftcore_step.
 *
 * msg        A raftpb message, without the frame header.
 * data_out   Receives the data, inside msg. Empty: the data arrive over your own channel; wait for
 *            the data before you step the message.
 * index_out  Receives the end of the snapshot. May be NULL.
 * term_out   Receives the term at the end. May be NULL.
 * Returns    RAFTCORE_OK        a snapshot
 *            RAFTCORE_NONE      another message; nothing is set
 *            RAFTCORE_E_DECODE  not a message: close the connection
 * Rust       wire::parse_message
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_snapshot_split(const uint8_t *msg, size_t len, raftcore_slice *data_out,
    uint64_t *index_out, uint64_t *term_out);

/**
 * Judges the frame that opens a peer's connection: version, group, dialect and id.
 *
 * frame    The whole frame, as raftcore_hello_read takes it.
 * Returns  RAFTCORE_OK            goes with this node
 *          RAFTCORE_E_NOT_FOR_ME  close the connection: raftcore_error_detail says what differs
 *          RAFTCORE_E_DECODE      not a hello frame: close the connection
 * Rust     Node::check_hello
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_hello_check(raftcore_node *node, const uint8_t *frame, size_t len);

/**
 * Writes the frame that opens a connection: version, features, group and id of the node.
 *
 * buf       Your buffer. May be NULL if cap is 0.
 * need_out  Receives the size of the frame, with RAFTCORE_E_TOO_SMALL as well. May be NULL.
 * Returns   RAFTCORE_OK           written
 *           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
 * Rust      Node::hello
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_hello(const raftcore_node *node, uint8_t *buf, size_t cap, size_t *need_out);

/**
 * The contents of the frame that opens a connection.
 */
typedef struct raftcore_hello_info {
    uint32_t struct_size; /* sizeof(raftcore_hello_info) */
    uint32_t version;     /* Version of the wire format */
    uint64_t features;    /* Abilities of the sender */
    uint64_t group;       /* Group of the sender */
    uint64_t id;          /* Id of the sender */
} raftcore_hello_info;

/* Bits of raftcore_hello_info.features. */

/* The sender's group speaks RAFTCORE_DIALECT_ERAFTPB */
#define RAFTCORE_HELLO_ERAFTPB UINT64_C(4294967296)

/**
 * Reads the frame that opens a connection. You judge version, group and id.
 *
 * frame    A whole frame, with its header.
 * out      With struct_size set.
 * Returns  RAFTCORE_OK        out->id is the sender
 *          RAFTCORE_E_DECODE  not a hello frame: close the connection
 *          RAFTCORE_E_ABI     unknown out->struct_size
 * Rust     wire::read_hello
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_hello_read(const uint8_t *frame, size_t len, raftcore_hello_info *out);

/**
 * Returns an outstanding ready again, for example a ready that an exception kept from you.
 *
 * number   Number of a ready that is neither advanced nor released. raftcore_status.last_ready is
 *          the newest.
 * out      As in raftcore_get_ready.
 * Lives    As in raftcore_get_ready.
 * Memory   Does not allocate, if raftcore_get_ready has returned the ready.
 * Returns  RAFTCORE_OK       the ready
 *          RAFTCORE_NONE     no such ready is outstanding
 *          RAFTCORE_E_NOMEM  retry
 *          RAFTCORE_E_ABI    unknown out->struct_size
 * Rust     Node::view
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_view(raftcore_node *node, uint64_t number, raftcore_ready *out);

/**
 * What happened since the last turn, and what became of the frames. See raftcore_turn.
 */
typedef struct raftcore_input {
    uint32_t struct_size;  /* sizeof(raftcore_input) */
    uint32_t ticks;        /* Ticks that passed */
    uint64_t done;         /* As raftcore_advance(done); 0: none */
    uint64_t persisted;    /* ASYNC: as raftcore_persisted(persisted); 0: none */
    uint64_t applied;      /* ASYNC: as raftcore_applied(applied); 0: none */
    uint64_t released;     /* ASYNC: as raftcore_release(released); 0: none */
    uint64_t peer;         /* Authenticated sender of the frames; 0: unchecked */
    raftcore_slice frames; /* As raftcore_step_frames; may be empty */
    uint64_t consumed;     /* Result: bytes of whole frames that the node took */
    uint32_t rejected;     /* Result: refused frames among them */
    raftcore_code first;   /* Result: code of the first refused frame; RAFTCORE_OK: none */
} raftcore_input;

/**
 * Does a turn of the loop: acknowledges, ticks, steps, looks for a fetch, takes the next ready.
 *
 * A host saves calls, which counts in languages with slow foreign calls.
 *
 * in       Your struct, with struct_size set. The node takes done, persisted, applied, released,
 *          ticks and frames, in this order, and always sets the results. A refused frame is not an
 *          error of the turn, and neither is a repeated acknowledgement.
 * out      As in raftcore_get_ready. Written with RAFTCORE_OK and RAFTCORE_LAST.
 * Lives    As in raftcore_get_ready.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK           a ready; another ready may follow
 *          RAFTCORE_LAST         a ready, and no other before something happens: do the work, then
 *                                pass its number as done with the next turn
 *          RAFTCORE_NONE         nothing to do
 *          RAFTCORE_FETCH_FIRST  no ready was taken: answer raftcore_next_fetch, then turn again
 *                                with an empty input
 *          A negative code       of an acknowledgement: the turn ended there. Of the ready: the
 *                                rest of the turn is done; the codes are as in raftcore_get_ready
 * Rust     Node::turn
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_turn(raftcore_node *node, raftcore_input *in, raftcore_ready *out);


/* ==============================================================================================
 * 3  Reads and membership
 * ============================================================================================== */

/**
 * Starts a linearizable read, which sees every write that completed before the call.
 *
 * A read costs no log entry.
 *
 * token    Your number for the read, not necessarily unique. Comes back exactly once: in
 *          raftcore_ready.reads when you may read the state, or in raftcore_ready.dropped.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK           started
 *          RAFTCORE_E_NO_LEADER  retry when raftcore_ready.leader changes
 *          RAFTCORE_E_FULL       max_reads reads are waiting: retry after advance
 * Rust     Node::read_index
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_read_index(raftcore_node *node, uint64_t token);

/**
 * One step of a membership change.
 */
typedef struct raftcore_change {
    uint64_t id;        /* Node that the step is about */
    uint32_t kind;      /* RAFTCORE_CHANGE_* */
    uint32_t reserved0; /* 0 */
} raftcore_change;

/* raftcore_change.kind */
#define RAFTCORE_CHANGE_ADD_NODE    0 /* Adds or promotes a voter */
#define RAFTCORE_CHANGE_REMOVE_NODE 1 /* Removes a voter or learner */
#define RAFTCORE_CHANGE_UPDATE_NODE 2 /* Changes nothing; carries a context */
#define RAFTCORE_CHANGE_ADD_LEARNER 3 /* Adds a learner, or demotes a voter */

/* Transitions of a membership change: see raftcore_propose_conf. */
#define RAFTCORE_TRANSITION_AUTO           0 /* In one step if possible, else as JOINT_IMPLICIT */
#define RAFTCORE_TRANSITION_JOINT_IMPLICIT 1 /* Joint, then left automatically */
#define RAFTCORE_TRANSITION_JOINT_EXPLICIT 2 /* Joint, until you propose an empty change */
#define RAFTCORE_TRANSITION_V1             3 /* Exactly one change, in the first encoding */

/**
 * Proposes a membership change. The next change may follow when this change is applied.
 *
 * c           1 to 64 changes. Copied. May be NULL if count is 0: leave the joint membership.
 * transition  RAFTCORE_TRANSITION_*
 * context     Your data, which raftcore_apply_conf returns on every node: for example the address
 *             of the new node. Copied. May be empty.
 * token       As in raftcore_propose.
 * Returns     RAFTCORE_OK            taken, not yet committed
 *             RAFTCORE_E_CONF_BUSY   another change is in flight: retry when it is applied
 *             RAFTCORE_E_CONF        invalid here, or more than max_peers members:
 *                                    raftcore_error_detail says why
 *             RAFTCORE_E_NOT_LEADER, RAFTCORE_E_NO_LEADER, RAFTCORE_E_FULL,
 *             RAFTCORE_E_TOO_LARGE   as in raftcore_propose
 *             RAFTCORE_E_ARG         unknown kind or transition, reserved id, or over 64 changes
 *             RAFTCORE_E_UNSUPPORTED  RAFTCORE_CHANGE_UPDATE_NODE in RAFTCORE_DIALECT_ERAFTPB
 * Rust        Node::propose_conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose_conf(raftcore_node *node, const raftcore_change *c, size_t count,
    uint32_t transition, raftcore_slice context, uint64_t token);

/**
 * Proposes a membership change, if the membership is the one that its author has seen.
 *
 * index    raftcore_conf.index of that membership. The other arguments as in raftcore_propose_conf.
 * Returns  As raftcore_propose_conf;
 *          RAFTCORE_E_STALE  another membership is in force, or its index is not known: look again
 * Rust     Node::propose_conf_at
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose_conf_at(raftcore_node *node, uint64_t index, const raftcore_change *c,
    size_t count, uint32_t transition, raftcore_slice context, uint64_t token);

/**
 * Applies a committed membership change. The new membership is in force on this node at once.
 *
 * Store the result in the same write as the applied index.
 *
 * e        The entry from raftcore_ready.committed, or from your log; lower indexes first. The
 *          call borrows the data.
 * out      With struct_size set. Receives the new membership, and the context of the change.
 * Lives    *out stays valid until the next call that returns a membership of this node, or
 *          raftcore_free.
 * Returns  RAFTCORE_OK       applied
 *          RAFTCORE_E_ARG    not a membership change, not yet returned, or an earlier change is
 *                            still open
 *          RAFTCORE_E_STALE  applied or skipped before: harmless
 *          RAFTCORE_E_CONF, RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED
 *                            not applicable: stop the node, since a member must not go on without
 *                            a change; or skip the change on every member
 *          RAFTCORE_E_NOMEM  retry
 * Rust     Node::apply_conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_apply_conf(raftcore_node *node, const raftcore_entry *e, raftcore_conf *out);

/**
 * Skips a committed membership change. Correct only if every member skips the change.
 *
 * index    Index of the entry.
 * out      Receives the unchanged membership, as of index. Store it with the applied index. May be
 *          NULL.
 * Lives    As in raftcore_apply_conf.
 * Returns  RAFTCORE_OK       skipped
 *          RAFTCORE_E_ARG    not a membership change, not yet returned, or an earlier change is
 *                            still open
 *          RAFTCORE_E_STALE  applied or skipped before: harmless
 *          RAFTCORE_E_NOMEM  retry
 * Rust     Node::skip_conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_skip_conf(raftcore_node *node, uint64_t index, raftcore_conf *out);

/**
 * Applies a membership change without an entry, at any time, like etcd's ApplyConfChange.
 *
 * Requires RAFTCORE_FLAG_CONF_APART.
 *
 * kind     RAFTCORE_ENTRY_CONF_CHANGE or RAFTCORE_ENTRY_CONF_CHANGE_V2
 * data     The encoded change. Borrowed for the call.
 * out      As in raftcore_apply_conf; index is 0.
 * Lives    As in raftcore_apply_conf.
 * Returns  RAFTCORE_OK       applied
 *          RAFTCORE_E_STATE  the flag is not set
 *          RAFTCORE_E_ARG    another kind
 *          RAFTCORE_E_CONF, RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED, RAFTCORE_E_NOMEM
 *                            as in raftcore_apply_conf
 * Rust     Node::apply_change
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_apply_change(raftcore_node *node, uint32_t kind, raftcore_slice data, raftcore_conf *out);

/**
 * Encodes a membership, for example for the first disk of a founder.
 *
 * conf      The ids and index, without bytes. Index 0: not known.
 * buf       Your buffer. May be NULL if cap is 0.
 * need_out  Receives the size of the encoding, with RAFTCORE_E_TOO_SMALL as well. May be NULL.
 * Returns   RAFTCORE_OK           written
 *           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
 *           RAFTCORE_E_ARG        conf->bytes is not empty
 *           RAFTCORE_E_UNSUPPORTED  conf->dialect is unknown
 * Rust      wire::write_stored_conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_conf_encode(const raftcore_conf *conf, uint8_t *buf, size_t cap, size_t *need_out);

/**
 * Returns the membership in force.
 *
 * out      With struct_size set. Receives an empty context.
 * Lives    As in raftcore_apply_conf.
 * Returns  RAFTCORE_OK       *out is set
 *          RAFTCORE_E_NOMEM  retry
 *          RAFTCORE_E_ABI    unknown out->struct_size
 * Rust     Node::conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_get_conf(raftcore_node *node, raftcore_conf *out);

/**
 * Starts an election now.
 *
 * A node that may not campaign (a learner, a pending snapshot or change) reports the reason in an
 * event.
 *
 * Returns  RAFTCORE_OK  started, or see the event
 * Rust     Node::campaign
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_campaign(raftcore_node *node);

/**
 * Transfers leadership. Meanwhile the leader refuses proposals, for at most election_ticks.
 *
 * to       A voter. 0: an active voter with the longest log, chosen by the leader.
 * Returns  RAFTCORE_OK           started: watch raftcore_ready.leader
 *          RAFTCORE_E_NO_PEER    not a voter, or no voter can lead; 0 at a follower: name a voter
 *          RAFTCORE_E_NO_LEADER  a follower that knows no leader: retry later
 * Rust     Node::transfer
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_transfer(raftcore_node *node, uint64_t to);

/**
 * Aborts a transfer of leadership. If the target has started an election, the election goes on.
 *
 * Returns  RAFTCORE_OK       aborted
 *          RAFTCORE_E_STATE  no transfer is under way
 * Rust     Node::abort_transfer
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_abort_transfer(raftcore_node *node);

/**
 * Lets a follower forget the leader, and so vote at once.
 *
 * Returns  RAFTCORE_OK  done; without effect on other roles, and with lease reads
 * Rust     Node::forget_leader
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_forget_leader(raftcore_node *node);

/**
 * Sets whether the node starts elections: 0 for maintenance.
 *
 * A node with 0 still votes and follows. A leader goes on leading.
 *
 * electable  1 or 0
 * Returns    RAFTCORE_OK     done
 *            RAFTCORE_E_ARG  neither 0 nor 1
 * Rust       Node::set_electable
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_electable(raftcore_node *node, uint32_t electable);

/**
 * Sets raftcore_config.priority: among equal logs the higher priority wins.
 *
 * Returns  RAFTCORE_OK  done
 * Rust     Node::set_priority
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_priority(raftcore_node *node, int32_t priority);

/**
 * Sets the window of a peer, until the peer leaves the membership.
 *
 * max_inflight_msgs   Appends in flight, 0 to 65536. 0 pauses the peer: no entries and no snapshots,
 *                     only heartbeats, until the window opens again.
 * max_inflight_bytes  Payload in flight; 0: no limit.
 * Returns             RAFTCORE_OK         done
 *                     RAFTCORE_E_NO_PEER  not a member
 *                     RAFTCORE_E_ARG      out of range
 * Rust                Node::set_window
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_window(raftcore_node *node, uint64_t peer, uint32_t max_inflight_msgs,
    uint64_t max_inflight_bytes);

/**
 * Puts a peer into a commit group, such as a data centre. While a peer has a group, a leader
 * commits what a quorum has stored and members of two groups have stored.
 *
 * If all voters are in one group, the quorum decides alone. If some have no group, and no two
 * groups are there, all voters must have the entry (raft-rs's group commit). The setting is this
 * node's own: make it on every member that may lead, and after a change of membership again.
 *
 * group    Any number; 0: none
 * Returns  RAFTCORE_OK         done
 *          RAFTCORE_E_NO_PEER  not a member
 * Rust     Node::set_commit_group
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_commit_group(raftcore_node *node, uint64_t peer, uint64_t group);

/**
 * Lets the leader propose a learner as a voter by itself, once the learner has caught up
 * (RAFTCORE_PF_CAUGHT_UP).
 *
 * The wish is this node's own, and ends with the learner's membership: tell every member that may
 * lead.
 *
 * on       1 or 0
 * Returns  RAFTCORE_OK         done
 *          RAFTCORE_E_NO_PEER  not a member
 *          RAFTCORE_E_ARG      neither 0 nor 1
 * Rust     Node::promote_when_caught_up
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_promote_when_caught_up(raftcore_node *node, uint64_t peer, uint32_t on);

/**
 * Asks the leader for a snapshot, for a follower that cannot trust its own state.
 *
 * The snapshot covers the node's whole log, arrives in a ready as any snapshot, and replaces state
 * and log. Until then the node takes no entries. The request is repeated with every heartbeat. It
 * ends with the snapshot, with a campaign of this node, or without an answer after
 * snapshot_timeout_ticks, with RAFTCORE_EVENT_SNAPSHOT_ENDED. A leader of etcd's raft knows no such
 * requests.
 *
 * Returns  RAFTCORE_OK           asked
 *          RAFTCORE_E_NO_LEADER  this node leads, or no leader is known
 *          RAFTCORE_E_STATE      asked already, a snapshot waits to be stored, or the log has no
 *                                entry of the leader's term yet: retry later
 * Rust     Node::request_snapshot
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_request_snapshot(raftcore_node *node);

/**
 * Sends a heartbeat to every peer now, at the leader: to wake sleeping peers, or to ask who is
 * there.
 *
 * Returns  RAFTCORE_OK  done; without effect on other roles
 * Rust     Node::ping
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_ping(raftcore_node *node);

/**
 * Changes flags of a running node: the flags in mask become as in values.
 *
 * These flags can change: PRE_VOTE, CHECK_QUORUM, FORWARDING, BATCH_APPEND, NOMINATE_SUCCESSOR,
 * RETIRE_GRACEFULLY, QUIET_COMMIT, TRANSFER_FENCE, COMMIT_IN_VOTES, REPORT_COMMIT,
 * SPARE_HEARTBEATS, YIELD_TO_PRIORITY. If all members must understand a flag, update all members
 * first.
 *
 * mask     RAFTCORE_FLAG_*
 * values   RAFTCORE_FLAG_*
 * Returns  RAFTCORE_OK     done
 *          RAFTCORE_E_ARG  a fixed flag in mask, or LEASE_READS without CHECK_QUORUM
 * Rust     Node::set_flags
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_flags(raftcore_node *node, uint64_t mask, uint64_t values);

/**
 * Gives back memory that the node does not need now, for a group that has become quiet.
 *
 * Later calls may allocate again. The arrays of readies stay.
 *
 * Returns  RAFTCORE_OK  done
 * Rust     Node::trim
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_trim(raftcore_node *node);

/**
 * Sets when a leader sends a new commit index: at once, or with the next append or heartbeat.
 *
 * on       1: at once (default; see RAFTCORE_FLAG_NO_COMMIT_BROADCAST); 0: later
 * Returns  RAFTCORE_OK     done
 *          RAFTCORE_E_ARG  neither 0 nor 1
 * Rust     Node::set_commit_broadcast
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_commit_broadcast(raftcore_node *node, uint32_t on);

/**
 * Sets the randomized election timeout, until the node draws the next, for tests and explorers.
 *
 * ticks    1 or more
 * Returns  RAFTCORE_OK     done
 *          RAFTCORE_E_ARG  0
 * Rust     Node::set_election_timeout
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_election_timeout(raftcore_node *node, uint32_t ticks);


/* ==============================================================================================
 * 4  Asynchronous storage
 * ============================================================================================== */

/* With RAFTCORE_STORAGE_ASYNC and RAFTCORE_STORAGE_MESSAGES. docs/durability.md has both loops. */

/**
 * Reports that snapshot, entries and hard state of the readies up to number are durable.
 *
 * Then send the messages with RAFTCORE_MF_AFTER of these readies. Only with
 * RAFTCORE_STORAGE_ASYNC. A report covers earlier readies, and is independent of raftcore_applied
 * and raftcore_release. You cannot report a failed write: free the node, and boot again from what
 * is on disk.
 *
 * number   raftcore_ready.number
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       noted
 *          RAFTCORE_E_STALE  reported before: harmless
 *          RAFTCORE_E_ARG    the node has not returned such a ready
 *          RAFTCORE_E_STATE  another storage mode
 * Rust     Node::persisted
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_persisted(raftcore_node *node, uint64_t number);

/**
 * Reports that your state machine has applied all entries up to index, and stored the index.
 *
 * With RAFTCORE_STORAGE_ASYNC. With RAFTCORE_STORAGE_SYNC only for a span without entries
 * (RAFTCORE_FLAG_COMMITTED_SPANS), before raftcore_advance.
 *
 * index    Index of a returned committed entry, anywhere in a ready.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       noted
 *          RAFTCORE_E_STALE  reported before: harmless
 *          RAFTCORE_E_ARG    the node has not returned such an entry
 *          RAFTCORE_E_STATE  a membership change up to index is neither applied nor skipped: call
 *                            raftcore_apply_conf; or another storage mode
 * Rust     Node::applied
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_applied(raftcore_node *node, uint64_t index);

/**
 * Reports that you no longer read the memory of the readies up to number.
 *
 * With RAFTCORE_STORAGE_ASYNC and RAFTCORE_STORAGE_MESSAGES.
 *
 * number   raftcore_ready.number
 * Lives    Ends the memory of the readies up to number.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       released
 *          RAFTCORE_E_STALE  released before: harmless
 *          RAFTCORE_E_ARG    the node has not returned such a ready
 *          RAFTCORE_E_STATE  another storage mode
 * Rust     Node::release
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_release(raftcore_node *node, uint64_t number);

/**
 * Takes a response of local work, with RAFTCORE_STORAGE_MESSAGES.
 *
 * Messages to RAFTCORE_ID_LOCAL_APPEND and RAFTCORE_ID_LOCAL_APPLY carry responses. When the work
 * is done, pass the responses that are addressed to this node.
 *
 * msg      A raftpb message, without the frame header. Borrowed for the call.
 * Returns  RAFTCORE_OK            taken
 *          RAFTCORE_E_DECODE      not a message
 *          RAFTCORE_E_NOT_FOR_ME  not such a response
 *          RAFTCORE_E_STATE       another storage mode
 * Rust     Node::step_local
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_step_local(raftcore_node *node, const uint8_t *msg, size_t len);

/* Receivers that are no peers, with RAFTCORE_STORAGE_MESSAGES. Ids of nodes are 1 to 2^64-17. */
#define RAFTCORE_ID_LOCAL_APPEND UINT64_C(18446744073709551615) /* The node's storage */
#define RAFTCORE_ID_LOCAL_APPLY  UINT64_C(18446744073709551614) /* The node's state machine */


/* ==============================================================================================
 * 5  Many nodes
 * ============================================================================================== */

/**
 * Advances the clocks of many nodes.
 *
 * nodes      Handles. May be NULL if count is 0. A handle that is NULL, freed or in use counts as
 *            a node with an error.
 * ticks      As in raftcore_tick.
 * ready_out  Receives the positions of the nodes with a ready, a fetch or an error, in ascending
 *            order, at most cap. For the code of an error, call raftcore_tick or
 *            raftcore_get_ready. May be NULL if cap is 0.
 * Thread     As if you called raftcore_tick for each node in turn.
 * Memory     Does not allocate.
 * Returns    The number of such nodes, possibly more than cap.
 * Rust       Node::tick, Node::has_ready
 */
RAFTCORE_API size_t
raftcore_tick_many(raftcore_node *const *nodes, size_t count, uint32_t ticks, uint32_t *ready_out,
    size_t cap);


/* ==============================================================================================
 * 6  Looking inside
 * ============================================================================================== */

/**
 * The state of a node.
 */
typedef struct raftcore_status {
    uint32_t struct_size;       /* sizeof(raftcore_status) */
    uint32_t role;              /* RAFTCORE_ROLE_* */
    uint64_t id;                /* This node */
    uint64_t group;             /* Group of the node */
    uint64_t term;              /* Current term */
    uint64_t vote;              /* Candidate with the vote in term; 0: none */
    uint64_t commit;            /* Highest index known to be committed */
    uint64_t applied;           /* Highest index that you have applied */
    uint64_t durable;           /* Highest index of this log on the node's disk */
    uint64_t leader;            /* 0: none known */
    uint64_t transferee;        /* Next leader, during a transfer; 0: none */
    uint64_t first_index;       /* First index after the snapshot */
    uint64_t last_index;        /* Last index of the log */
    uint64_t last_term;         /* Term of the last entry */
    uint64_t recent_first;      /* First index with its entry in memory */

    /* Leader: compact up to here, no known member needs the entries. Others: what is applied */
    uint64_t safe_to_compact;
    uint64_t memory_bytes;      /* Memory of the node */
    uint64_t messages_dropped;  /* Outgoing messages lost at a limit */
    uint64_t messages_refused;  /* Incoming messages refused with an error */
    uint64_t messages_ignored;  /* Incoming messages without effect */
    uint64_t proposals_refused; /* Proposals refused with an error */
    uint64_t reads_failed;      /* Reads in raftcore_ready.dropped */
    uint64_t events_lost;       /* Events lost because nobody fetched older events */
    uint64_t implausible;       /* Messages that contradict committed entries: investigate */
    uint32_t n_peers;           /* Members, this node included */
    uint32_t n_outstanding;     /* Outstanding readies */
    uint32_t promotable;        /* 1: the node could lead */
    uint32_t electable;         /* Value of raftcore_set_electable */
    uint32_t election_elapsed;  /* Ticks since the last reset of the election timer */
    uint32_t election_timeout;  /* Ticks at which the election timer fires */
    uint32_t n_reads;           /* Waiting reads */
    uint32_t n_tokens;          /* Waiting proposals with a token */
    uint64_t last_ready;        /* Number of the newest ready; 0: none yet */

    /* Ticks that came while a ready was waiting. Drain the readies before each tick: then 0 */
    uint64_t late_ticks;

    /* First entry that the node needs from your log to apply (RAFTCORE_FETCH_APPLY); 0: none */
    uint64_t apply_waits;
} raftcore_status;

/**
 * Returns the state of a node.
 *
 * out      With struct_size set.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK     *out is set. All calls of this group also work on a poisoned node, and
 *                          before the end of the boot.
 *          RAFTCORE_E_ABI  unknown out->struct_size
 * Rust     Node::status
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_get_status(const raftcore_node *node, raftcore_status *out);

/**
 * A member, in the view of the leader.
 */
typedef struct raftcore_peer {
    uint64_t id;               /* The member */
    uint64_t match_index;      /* Highest index known to be in the member's log */
    uint64_t next_index;       /* Next index to send */
    uint64_t pending_snapshot; /* Last index of the snapshot under way; 0: none */
    uint64_t inflight_bytes;   /* Payload in flight */
    uint32_t inflight_msgs;    /* Appends in flight */
    uint32_t flow;             /* RAFTCORE_FLOW_* */
    uint32_t flags;            /* RAFTCORE_PF_* */
    uint32_t silent_ticks;     /* Ticks since the last message from the member */

    /* Highest commit index that the member told of (RAFTCORE_FLAG_REPORT_COMMIT); 0: none */
    uint64_t commit;
    uint64_t group;            /* Group of raftcore_set_commit_group; 0: none */
} raftcore_peer;

/* raftcore_peer.flow */
#define RAFTCORE_FLOW_PROBE     0 /* One append at a time, to find where the logs meet */
#define RAFTCORE_FLOW_REPLICATE 1 /* Appends in flight up to the window */
#define RAFTCORE_FLOW_SNAPSHOT  2 /* A snapshot is under way */

/* raftcore_peer.flags */
#define RAFTCORE_PF_VOTER       1u   /* Voter; of the incoming half in a joint membership */
#define RAFTCORE_PF_OUTGOING    2u   /* Voter of the outgoing half */
#define RAFTCORE_PF_LEARNER     4u   /* Learner */
#define RAFTCORE_PF_ACTIVE      8u   /* Heard since the last quorum check */
#define RAFTCORE_PF_PAUSED      16u  /* Nothing is sent before an answer */
#define RAFTCORE_PF_WINDOW_FULL 32u  /* The window of appends in flight is full */
#define RAFTCORE_PF_CAUGHT_UP   64u  /* Near enough to the leader's log to be promoted */
#define RAFTCORE_PF_FETCHING    128u /* A fetch waits for your supply */

/**
 * Returns the members as the leader sees them, this node included, sorted by id.
 *
 * On nodes other than the leader, only id and membership have a meaning.
 *
 * out        Room for cap records. May be NULL if cap is 0.
 * count_out  Receives the number of members, possibly more than cap.
 * Memory     Does not allocate.
 * Returns    RAFTCORE_OK  *count_out is set
 * Rust       Node::peers
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_get_peers(const raftcore_node *node, raftcore_peer *out, size_t cap, size_t *count_out);

/**
 * An event of a node, for logs, traces and tests.
 */
typedef struct raftcore_event {
    uint32_t kind;   /* RAFTCORE_EVENT_* */
    uint32_t reason; /* RAFTCORE_REASON_* */
    uint64_t peer;   /* Peer of the event; 0: none */
    uint64_t term;   /* Term of the node at the event */
    uint64_t index;  /* 0: none */
    uint64_t a;      /* Depends on kind */
    uint64_t b;
} raftcore_event;

/**
 * Returns the oldest event. If you fetch no events, newer events are lost.
 *
 * raftcore_status.events_lost counts the lost events.
 *
 * out      Receives the event.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK    an event
 *          RAFTCORE_NONE  no event
 * Rust     Node::next_event
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_next_event(raftcore_node *node, raftcore_event *out);

/**
 * Returns the text of raftcore_event.kind.
 *
 * Lives    For ever. Never NULL.
 */
RAFTCORE_API const char *
raftcore_event_text(uint32_t kind);

/**
 * Returns the text of raftcore_event.reason or raftcore_drop.reason; empty for 0.
 *
 * Lives    For ever. Never NULL.
 */
RAFTCORE_API const char *
raftcore_reason_text(uint32_t reason);

/**
 * Returns a number that is equal for nodes in equal states, for tests and explorers.
 *
 * Do not store the number: a new version may compute another.
 *
 * with_random  1: include random values; 0: leave them out.
 * Returns      The number; 0 if the node does not exist, or another thread is in the node.
 * Rust         Node::digest
 */
RAFTCORE_API uint64_t
raftcore_digest(const raftcore_node *node, uint32_t with_random);

/**
 * Returns an explanation of the last failed call on a node: numbers, limits, what to do.
 *
 * Empty if there is nothing to add. On a poisoned node, the cause. Settings and calls have their
 * names of this page, without prefix.
 *
 * buf      Receives the text with a NUL at the end, cut to cap bytes. May be NULL if cap is 0.
 * Returns  Length of the whole text without the NUL, at most 255; 0 if the node does not exist, or
 *          another thread is in the node.
 * Rust     Node::error_detail
 */
RAFTCORE_API size_t
raftcore_error_detail(const raftcore_node *node, char *buf, size_t cap);


/* ==============================================================================================
 * 7  The flat form
 * ============================================================================================== */

/* The node copies a ready into your buffer: one run of bytes, without pointers. */

/**
 * The head of a flat ready: see raftcore_ready_flat.
 *
 * Numbers are little-endian. A place (`_at`) is an offset in bytes from buf[0], and a multiple of
 * 8. An empty list has count 0 and place 0. Records of a list lie stride bytes apart.
 */
typedef struct raftcore_flat {
    uint32_t layout;              /* 1: the layout described here */
    uint32_t role;                /* RAFTCORE_ROLE_* */
    uint64_t total_bytes;         /* Bytes of the whole ready, a multiple of 8 */
    uint64_t flags;               /* RAFTCORE_RF_* */
    uint64_t number;              /* As in raftcore_ready, up to committed_last */
    uint64_t term;
    uint64_t vote;
    uint64_t commit;
    uint64_t leader;
    uint64_t snapshot_index;
    uint64_t snapshot_term;
    uint64_t committed_first;
    uint64_t committed_last;
    uint64_t snapshot_conf_at;    /* Place of the snapshot's membership */
    uint64_t snapshot_conf_bytes;
    uint64_t snapshot_data_at;    /* Place of the snapshot's data */
    uint64_t snapshot_data_bytes;
    uint64_t entries_at;          /* raftcore_flat_entry[n_entries] */
    uint64_t committed_at;        /* raftcore_flat_entry[n_committed] */
    uint64_t msgs_at;             /* raftcore_flat_msg[n_msgs] */
    uint64_t reads_at;            /* raftcore_read[n_reads] */
    uint64_t dropped_at;          /* raftcore_drop[n_dropped] */
    uint64_t done_at;             /* raftcore_done[n_done] */
    uint32_t n_entries;
    uint32_t n_committed;
    uint32_t n_msgs;
    uint32_t n_reads;
    uint32_t n_dropped;
    uint32_t n_done;
    uint32_t entry_stride;
    uint32_t msg_stride;
    uint32_t read_stride;
    uint32_t drop_stride;
    uint32_t done_stride;
    uint32_t reserved0;           /* 0 */
} raftcore_flat;

/**
 * An entry of a flat ready.
 */
typedef struct raftcore_flat_entry {
    uint64_t term;          /* As in raftcore_entry */
    uint64_t index;
    uint64_t token;
    uint64_t data_at;       /* Place of the data */
    uint64_t data_bytes;
    uint32_t kind;          /* RAFTCORE_ENTRY_* */
    uint32_t reserved0;     /* 0 */
    uint64_t context_at;    /* Place of the context */
    uint64_t context_bytes;
} raftcore_flat_entry;

/**
 * A message of a flat ready.
 */
typedef struct raftcore_flat_msg {
    uint64_t to;                  /* As in raftcore_msg */
    uint64_t from;
    uint64_t term;
    uint64_t log_term;
    uint64_t index;
    uint64_t commit;
    uint64_t reject_hint;
    uint64_t vote;
    uint64_t flags;               /* RAFTCORE_MF_* */
    uint64_t frame_at;            /* Place of the frame: header and message in one piece */
    uint64_t frame_bytes;
    uint32_t kind;                /* RAFTCORE_MSG_* */
    uint32_t reserved0;           /* 0 */
    uint64_t context_at;          /* Place of the context */
    uint64_t context_bytes;
    uint64_t snapshot_conf_at;    /* Place of the ConfState of RAFTCORE_MSG_SNAP */
    uint64_t snapshot_conf_bytes;
} raftcore_flat_msg;

/**
 * Returns the next ready as a run of bytes, for languages without pointers.
 *
 * The bytes begin with a raftcore_flat. The records of all lists follow, then the bytes of the
 * records. Numbers are little-endian. A place is an offset from buf[0], a multiple of 8. A frame
 * is contiguous, ready to be sent. Messages have no decoded entries.
 *
 * buf       Your buffer, with any alignment. May be NULL if cap is 0.
 * need_out  Receives the number of bytes that were written, or are needed. May be NULL.
 * Lives     The bytes are yours. The ready is outstanding: acknowledge the ready.
 * Memory    Does not allocate.
 * Returns   RAFTCORE_OK           a ready
 *           RAFTCORE_NONE         nothing to do
 *           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed: the next call returns this ready
 *           RAFTCORE_E_FULL       as raftcore_get_ready
 * Rust      Node::ready
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_ready_flat(raftcore_node *node, uint8_t *buf, size_t cap, size_t *need_out);

/**
 * Returns an outstanding ready again, in the form of raftcore_ready_flat.
 *
 * number    As in raftcore_view.
 * buf       As in raftcore_ready_flat. So need_out.
 * Memory    Does not allocate.
 * Returns   RAFTCORE_OK           the ready
 *           RAFTCORE_NONE         no such ready is outstanding
 *           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
 * Rust      Node::view
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_view_flat(raftcore_node *node, uint64_t number, uint8_t *buf, size_t cap,
    size_t *need_out);

/**
 * Does a turn of the loop, in the form of raftcore_ready_flat.
 *
 * in        As in raftcore_turn. After RAFTCORE_E_TOO_SMALL, pass an empty input, since the old
 *           input is done.
 * buf       As in raftcore_ready_flat. So need_out.
 * Memory    Does not allocate.
 * Returns   As raftcore_turn, and RAFTCORE_E_TOO_SMALL: *need_out bytes are needed
 * Rust      Node::turn
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_turn_flat(raftcore_node *node, raftcore_input *in, uint8_t *buf, size_t cap,
    size_t *need_out);


/* ==============================================================================================
 * Appendix A  Which call when
 * ============================================================================================== */

/*
 *                           before       no ready       a ready is             the node is
 *     call                  boot_done    outstanding    outstanding            poisoned
 *
 *     boot_*                in order     STATE          STATE                  POISONED
 *     get_ready, turn       STATE        yes            SYNC: the same ready   POISONED
 *                                                       else: the next, or
 *                                                       FULL at max_outstanding
 *     advance               STATE        STALE          SYNC, ASYNC            POISONED
 *     persisted             STATE        STALE          ASYNC                  POISONED
 *     applied               STATE        STALE          ASYNC; SYNC for a span POISONED
 *                                                       without entries
 *     release               STATE        STALE          ASYNC, MESSAGES        POISONED
 *     apply_conf, skip_conf STATE        MESSAGES       yes                    POISONED
 *     step_local            STATE        MESSAGES       MESSAGES               POISONED
 *     has_ready, free,
 *     all of group 6        yes          yes            yes                    yes
 *     all other calls       STATE        yes            yes                    POISONED
 *
 * STATE, STALE, FULL and POISONED are the codes RAFTCORE_E_*. SYNC, ASYNC and MESSAGES are the
 * modes RAFTCORE_STORAGE_* in which the call is legal; in the other modes the code is
 * RAFTCORE_E_STATE.
 */


/* ==============================================================================================
 * Appendix B  Numbers
 * ============================================================================================== */

/*
 * Numbers that are missing in a list were never published and stay unused.
 */

/* Error codes. */
#define RAFTCORE_E_NULL        (-1)  /* A required pointer is NULL */
#define RAFTCORE_E_HANDLE      (-2)  /* Not a live node: freed, or never made */
#define RAFTCORE_E_BUSY        (-3)  /* Another thread is in the node */
#define RAFTCORE_E_PANIC       (-4)  /* A bug in the core was caught; the node is poisoned now */
#define RAFTCORE_E_POISONED    (-5)  /* Poisoned earlier; has_ready, free and group 6 still work */
#define RAFTCORE_E_ABI         (-6)  /* The library does not know this abi_version or struct_size */
#define RAFTCORE_E_ARG         (-7)  /* Out of range: a value, kind, flag, number or index; or a
                                        reserved field is not 0, or a pointer is not aligned */
#define RAFTCORE_E_STATE       (-8)  /* Out of order: see appendix A, "Which call when" */
#define RAFTCORE_E_STALE       (-9)  /* Acknowledged before; harmless */
#define RAFTCORE_E_NOMEM       (-10) /* An allocation failed */
#define RAFTCORE_E_FULL        (-11) /* A configured capacity is reached: retry after advance */
#define RAFTCORE_E_TOO_SMALL   (-12) /* The buffer is too small; the needed size was stored */
#define RAFTCORE_E_DECODE      (-13) /* Malformed bytes */
#define RAFTCORE_E_NO_LEADER   (-14) /* No leader is known, or a transfer is under way */
#define RAFTCORE_E_NO_PEER     (-15) /* No such peer, or a response from an unknown node */
#define RAFTCORE_E_CONF_BUSY   (-16) /* A membership change is in flight */
#define RAFTCORE_E_CONF        (-17) /* A membership change that is invalid here */
#define RAFTCORE_E_CORRUPT     (-18) /* The stored state contradicts itself */
#define RAFTCORE_E_UNSUPPORTED (-19) /* Not in this library, or not in this storage mode */
#define RAFTCORE_E_NOT_FOR_ME  (-20) /* A message to another node or group, from this node, or of
                                        a local kind */
#define RAFTCORE_E_IMPLAUSIBLE (-21) /* A message contradicts committed entries: see the event */
#define RAFTCORE_E_TOO_LARGE   (-22) /* Above a configured limit; send snapshot data of this size
                                        beside the core */
#define RAFTCORE_E_NOT_LEADER  (-23) /* Another node leads: see raftcore_status.leader */

/* raftcore_config.flags. Flags with [on] are set by raftcore_config_init and cleared by
 * RAFTCORE_PRESET_ETCD; flags with [etcd] are set by RAFTCORE_PRESET_ETCD. */

/* [on] Before an election, a node asks for votes without raising the term. */
#define RAFTCORE_FLAG_PRE_VOTE              UINT64_C(1)

/* [on] A leader that hears no quorum steps down. Nodes that hear a leader grant no votes. */
#define RAFTCORE_FLAG_CHECK_QUORUM          UINT64_C(2)

/* A leader serves reads on a lease, without a round of heartbeats. Requires CHECK_QUORUM, and
 * clocks with bounded drift. */
#define RAFTCORE_FLAG_LEASE_READS           UINT64_C(4)

/* The memory of a ready turns to 0xDD when the ready ends, so that tests of a host find stale
 * reads. */
#define RAFTCORE_FLAG_DEBUG_POISON_VIEWS    UINT64_C(8)

/* [etcd] A MsgVote may leave before its hard state is durable. */
#define RAFTCORE_FLAG_VOTE_REQUEST_EARLY    UINT64_C(16)

/* [etcd] A removed or demoted leader goes on leading. */
#define RAFTCORE_FLAG_STAY_WHEN_REMOVED     UINT64_C(32)

/* [etcd] A leader appends a refused membership change as an empty entry. */
#define RAFTCORE_FLAG_REFUSED_CONF_AS_EMPTY UINT64_C(64)

/* [etcd] Lease reads go on while leadership is transferred. */
#define RAFTCORE_FLAG_LEASE_IN_TRANSFER     UINT64_C(128)

/* MsgTimeoutNow carries index and term, for a check by the receiver. All nodes must support the
 * flag. */
#define RAFTCORE_FLAG_TRANSFER_FENCE        UINT64_C(256)

/* Votes carry the commit index. All nodes must support the flag. */
#define RAFTCORE_FLAG_COMMIT_IN_VOTES       UINT64_C(512)

/* [etcd] A read is answered before its index is applied. */
#define RAFTCORE_FLAG_READ_AT_ONCE          UINT64_C(1024)

/* New entries join an unsent append to the peer. */
#define RAFTCORE_FLAG_BATCH_APPEND          UINT64_C(2048)

/* A new commit index waits for the next append or heartbeat. */
#define RAFTCORE_FLAG_NO_COMMIT_BROADCAST   UINT64_C(4096)

/* A leader that a change removes transfers leadership first. */
#define RAFTCORE_FLAG_NOMINATE_SUCCESSOR    UINT64_C(8192)

/* As in etcd's raft, a leader neither validates membership changes nor keeps them apart. Set
 * this flag on all nodes or on none, and write the commit index together with the entries. */
#define RAFTCORE_FLAG_NO_CONF_VALIDATION    UINT64_C(16384)

/* [etcd] A follower forwards proposals to the leader. Their outcome stays unknown there: tokens
 * come back as RAFTCORE_DROP_UNKNOWN. Without the flag a follower refuses proposals. */
#define RAFTCORE_FLAG_FORWARDING            UINT64_C(32768)

/* The node fills in raftcore_msg.entries. */
#define RAFTCORE_FLAG_DECODED_MSGS          UINT64_C(65536)

/* [on] A removed or demoted leader leads on until a quorum of the new membership knows the
 * change. */
#define RAFTCORE_FLAG_RETIRE_GRACEFULLY     UINT64_C(131072)

/* [on] An append that carries only a commit index requests no answer from a replicating peer. */
#define RAFTCORE_FLAG_QUIET_COMMIT          UINT64_C(262144)

/* Committed entries that left the recent log come as a span without entries. Read them from your
 * log, and confirm them with raftcore_applied before raftcore_advance. */
#define RAFTCORE_FLAG_COMMITTED_SPANS       UINT64_C(524288)

/* [etcd] Membership changes are applied apart from their entries, with raftcore_apply_change,
 * late or never. */
#define RAFTCORE_FLAG_CONF_APART            UINT64_C(1048576)

/* [etcd] The membership of a supplied snapshot may lack the receiver. */
#define RAFTCORE_FLAG_SNAPSHOT_ANY_CONF     UINT64_C(2097152)

/* Answers to the leader carry the commit index, for raftcore_peer.commit. In
 * RAFTCORE_DIALECT_ERAFTPB they always do. */
#define RAFTCORE_FLAG_REPORT_COMMIT         UINT64_C(4194304)

/* A leader sends no heartbeat to a peer with new entries since the last heartbeat. No effect
 * with LEASE_READS. */
#define RAFTCORE_FLAG_SPARE_HEARTBEATS      UINT64_C(8388608)

/* Leadership goes to the highest priority: a follower of higher priority with the whole log asks
 * the leader for leadership. */
#define RAFTCORE_FLAG_YIELD_TO_PRIORITY     UINT64_C(16777216)

/* A leader without a lease refuses proposals with RAFTCORE_E_NO_LEADER. Requires LEASE_READS. */
#define RAFTCORE_FLAG_LEASED_PROPOSALS      UINT64_C(33554432)

/* Bits of raftcore_has_ready: contents of the next ready, waiting fetches and events. */
#define RAFTCORE_HAS_HARD_STATE 1   /* Term, vote or commit has changed */
#define RAFTCORE_HAS_SOFT_STATE 2
#define RAFTCORE_HAS_SNAPSHOT   4
#define RAFTCORE_HAS_ENTRIES    8
#define RAFTCORE_HAS_MESSAGES   16  /* Own votes and acknowledgements count as messages */
#define RAFTCORE_HAS_COMMITTED  32
#define RAFTCORE_HAS_READS      64
#define RAFTCORE_HAS_DROPPED    128
#define RAFTCORE_HAS_FETCH      256 /* raftcore_next_fetch has a fetch */
#define RAFTCORE_HAS_EVENTS     512 /* raftcore_next_event has an event */

/* Kinds of messages, with raftpb's numbers. A host that sends each frame to raftcore_msg.to
 * needs no kinds. */
#define RAFTCORE_MSG_HUP                 0  /* Local: never leaves a node */
#define RAFTCORE_MSG_BEAT                1  /* Local */
#define RAFTCORE_MSG_PROP                2  /* Proposals, forwarded to the leader */
#define RAFTCORE_MSG_APP                 3  /* Entries to append */
#define RAFTCORE_MSG_APP_RESP            4
#define RAFTCORE_MSG_VOTE                5
#define RAFTCORE_MSG_VOTE_RESP           6
#define RAFTCORE_MSG_SNAP                7  /* A snapshot: see raftcore_snapshot_split */
#define RAFTCORE_MSG_HEARTBEAT           8
#define RAFTCORE_MSG_HEARTBEAT_RESP      9
#define RAFTCORE_MSG_UNREACHABLE         10 /* Local */
#define RAFTCORE_MSG_SNAP_STATUS         11 /* Local */
#define RAFTCORE_MSG_CHECK_QUORUM        12 /* Local */
#define RAFTCORE_MSG_TRANSFER_LEADER     13
#define RAFTCORE_MSG_TIMEOUT_NOW         14
#define RAFTCORE_MSG_READ_INDEX          15
#define RAFTCORE_MSG_READ_INDEX_RESP     16
#define RAFTCORE_MSG_PRE_VOTE            17
#define RAFTCORE_MSG_PRE_VOTE_RESP       18
#define RAFTCORE_MSG_STORAGE_APPEND      19 /* Local: to RAFTCORE_ID_LOCAL_APPEND */
#define RAFTCORE_MSG_STORAGE_APPEND_RESP 20 /* Local */
#define RAFTCORE_MSG_STORAGE_APPLY       21 /* Local: to RAFTCORE_ID_LOCAL_APPLY */
#define RAFTCORE_MSG_STORAGE_APPLY_RESP  22 /* Local */
#define RAFTCORE_MSG_FORGET_LEADER       23 /* Local */

/* raftcore_event.kind; raftcore_event_text has the words. The notes explain fields. */

/* peer: the leader, or 0 */
#define RAFTCORE_EVENT_BECAME_FOLLOWER      1
#define RAFTCORE_EVENT_BECAME_PRE_CANDIDATE 2
#define RAFTCORE_EVENT_BECAME_CANDIDATE     3

/* index: first entry of the term */
#define RAFTCORE_EVENT_BECAME_LEADER        4

/* index: now applied, so reads and changes work */
#define RAFTCORE_EVENT_LEADER_READY         5

/* a: kind of the message */
#define RAFTCORE_EVENT_IGNORED              6

/* An implausible message. a: kind, b: its claim */
#define RAFTCORE_EVENT_ALARM                7

/* peer: the candidate, index: end of its log */
#define RAFTCORE_EVENT_VOTE_REFUSED         8
#define RAFTCORE_EVENT_CAMPAIGN_REFUSED     9

/* index: the entry, a: voters, b: learners */
#define RAFTCORE_EVENT_CONF_APPLIED         10

/* index: the entry */
#define RAFTCORE_EVENT_CONF_SKIPPED         11

/* index: end of the snapshot */
#define RAFTCORE_EVENT_SNAPSHOT_RESTORED    12

/* peer: the receiver, index: end of the snapshot */
#define RAFTCORE_EVENT_SNAPSHOT_SENT        13

/* peer: the receiver, a: 1 if the data arrived */
#define RAFTCORE_EVENT_SNAPSHOT_ENDED       14

/* peer: the next leader */
#define RAFTCORE_EVENT_TRANSFER_STARTED     15

/* The transfer to peer failed */
#define RAFTCORE_EVENT_TRANSFER_ENDED       16

/* a: ticks without a leader */
#define RAFTCORE_EVENT_NO_LEADER_LONG       17

/* a: entries that peer lacks */
#define RAFTCORE_EVENT_PEER_LAGS            18

/* a: ticks in one burst */
#define RAFTCORE_EVENT_PAUSED               19

/* a: kind of the message */
#define RAFTCORE_EVENT_MESSAGE_LOST         20

/* peer: the follower that forwarded the proposal */
#define RAFTCORE_EVENT_PROPOSAL_REFUSED     21

/* At boot. a: the stored value, b: the value used */
#define RAFTCORE_EVENT_REPAIRED             22

/* Entries from index to a were overwritten. b: the first such entry of this node's own
 * leadership; 0: none */
#define RAFTCORE_EVENT_TRUNCATED            23

/* See raftcore_error_detail */
#define RAFTCORE_EVENT_POISONED             24

/* a: ticks since RAFTCORE_FETCH_APPLY of entries from index on. Nothing is applied before the
 * supply */
#define RAFTCORE_EVENT_APPLY_WAITS          25

/* raftcore_event.reason and raftcore_drop.reason; raftcore_reason_text has the words. */
#define RAFTCORE_REASON_NONE                  0  /* No particular reason */
#define RAFTCORE_REASON_LOWER_TERM            1  /* A message of an older term */
#define RAFTCORE_REASON_NOT_LEADER            2  /* For leaders only */
#define RAFTCORE_REASON_NOT_FOLLOWER          3  /* For followers only */
#define RAFTCORE_REASON_LEADER_ALIVE          4  /* A leader is alive: no vote */
#define RAFTCORE_REASON_VOTE_FENCE            5  /* The node started too recently to vote */
#define RAFTCORE_REASON_LATE_VOTE             7  /* A response to a finished election */
#define RAFTCORE_REASON_TRANSFER_FENCE        8  /* A transfer with another term or a longer log */
#define RAFTCORE_REASON_NOT_PROMOTABLE        9  /* The node may not campaign */
#define RAFTCORE_REASON_CHANGE_UNAPPLIED      10 /* A committed membership change is unapplied */
#define RAFTCORE_REASON_SECOND_LEADER         11 /* A second leader in the term */
#define RAFTCORE_REASON_CONFLICT_BELOW_COMMIT 12 /* An append contradicts a committed entry */
#define RAFTCORE_REASON_COMMIT_BEYOND_LOG     13 /* The leader's commit index lies beyond this
                                                    log: acknowledged entries are gone */
#define RAFTCORE_REASON_ACK_BEYOND_LOG        14 /* An acknowledgement beyond this log */
#define RAFTCORE_REASON_STALE_REJECT          16 /* An old rejection */
#define RAFTCORE_REASON_OLD_SNAPSHOT          17 /* A snapshot that the log covers already */
#define RAFTCORE_REASON_SNAPSHOT_WITHOUT_SELF 18 /* The snapshot's membership lacks this node */
#define RAFTCORE_REASON_SNAPSHOT_CONF         19 /* The snapshot's membership is invalid */
#define RAFTCORE_REASON_PEER_SILENT           20 /* The peer is silent */
#define RAFTCORE_REASON_SNAPSHOT_TIMEOUT      21 /* No report about a snapshot in time */
#define RAFTCORE_REASON_OUTBOX_FULL           22 /* max_messages is reached: the message is lost */
#define RAFTCORE_REASON_TRANSFER_TARGET       23 /* The transfer's target cannot lead */
#define RAFTCORE_REASON_TRANSFER_DEADLINE     24 /* The transfer took too long */
#define RAFTCORE_REASON_TRANSFEREE_GONE       25 /* The transfer's target was removed or demoted */
#define RAFTCORE_REASON_TRANSFER_ABORTED      26 /* The transfer was aborted */
#define RAFTCORE_REASON_LEADERSHIP_LOST       27 /* Leadership was lost */
#define RAFTCORE_REASON_LEADER_CHANGED        28 /* The leader changed */
#define RAFTCORE_REASON_READ_TIMEOUT          29 /* No response to a forwarded read in time */
#define RAFTCORE_REASON_LATE_READ_ANSWER      30 /* A response to a finished read */
#define RAFTCORE_REASON_READ_CONTEXT          31 /* A read context that was never issued */
#define RAFTCORE_REASON_FORWARDED             32 /* Forwarded to the leader */
#define RAFTCORE_REASON_OVERWRITTEN           33 /* Another entry was committed at the entry's
                                                    index, or an entry of a later term below */
#define RAFTCORE_REASON_COVERED_BY_SNAPSHOT   34 /* A snapshot covers the entry's index */
#define RAFTCORE_REASON_FORWARDED_FULL        35 /* A forwarded proposal was refused, at a limit
                                                    or for lack of memory */
#define RAFTCORE_REASON_FORWARDED_CONF        36 /* A forwarded membership change was refused */
#define RAFTCORE_REASON_NO_LEADER             37 /* No leader is known */
#define RAFTCORE_REASON_NO_QUORUM             39 /* No quorum heard within an election timeout */
#define RAFTCORE_REASON_REMOVED               40 /* This node was removed or demoted */
#define RAFTCORE_REASON_HIGHER_TERM           41 /* A message of a higher term */
#define RAFTCORE_REASON_ELECTION_LOST         42 /* An election was lost */
#define RAFTCORE_REASON_PRIORITY              43 /* A node of higher priority objects */
#define RAFTCORE_REASON_VOTED_OTHER           44 /* Voted for another node, or a leader is known */
#define RAFTCORE_REASON_OLDER_LOG             45 /* The candidate's log is older */
#define RAFTCORE_REASON_UNKNOWN_PEER          46 /* Not a peer */
#define RAFTCORE_REASON_LEASE                 48 /* Lease reads forbid forgetting the leader */
#define RAFTCORE_REASON_LOG_FULL              50 /* Entries that are not durable fill the log */
#define RAFTCORE_REASON_TERM_EXHAUSTED        51 /* The term is too high */
#define RAFTCORE_REASON_LEAVE_REFUSED         52 /* Leaving the joint membership failed for now */
#define RAFTCORE_REASON_SNAPSHOT_CONFLICT     53 /* A snapshot contradicts a committed entry */
#define RAFTCORE_REASON_OWN_WRITE             54 /* The leader's own writes take too long */

#ifdef __cplusplus
}
#endif

#endif /* RAFTCORE_H */
