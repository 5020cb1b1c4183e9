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
 *     With one ready at a time (RAFTCORE_STORAGE_SYNC), run this after every tick, step or propose:
 *
 *         for (;;) {
 *             while (raftcore_next_fetch(n, &f) == RAFTCORE_OK)
 *                 supply(n, &f);
 *             if (raftcore_get_ready(n, &rd) != RAFTCORE_OK)
 *                 break;
 *             store(&rd);
 *             send_all(&rd);
 *             apply(n, &rd);
 *             answer(&rd);
 *             raftcore_advance(n, rd.number);
 *         }
 *         while (raftcore_next_event(n, &e) == RAFTCORE_OK)
 *             log_event(&e);
 *
 *     supply     Answer a fetch. ENTRIES and APPLY: raftcore_supply_entries, with entries of your log
 *                from f.first on. SNAPSHOT: raftcore_supply_snapshot; if it returns
 *                RAFTCORE_E_TOO_LARGE, supply the snapshot without data and send the data to f.peer
 *                yourself: an everyday case. If a supply fails, raftcore_supply_none with LATER.
 *     store      The snapshot, which replaces all state; then rd.entries, which replace the log from
 *                entries[0].index on; then term, vote and commit. If RAFTCORE_RF_MUST_SYNC is set,
 *                make the write durable.
 *     send_all   Send rd.msgs to the peers.
 *     apply      Apply rd.committed in order. Pass a membership change to raftcore_apply_conf. Ignore
 *                an empty normal entry, which a new leader appends.
 *     answer     Serve rd.reads; report rd.dropped.
 *     log_event  Log the event: events explain why a node stands still.
 *
 *     Before you sleep, raftcore_has_ready must be 0. raftcore_turn is a pass of the loop in one call.
 *
 * Durability
 *
 *     Send a message with RAFTCORE_MF_AFTER only when all readies up to its own are durable. Without
 *     the flag, a message may leave at once.
 *     Never let a commit index reach the disk before the entries that it covers: write a ready as
 *     one transaction, or in the order above.
 *     When you store the state as of an applied index, store the membership as of the index in the
 *     same write.
 *     You cannot report a failed write. If a write or a flush fails, never retry it: end the process
 *     and boot again from what is on disk.
 *     Never boot an emptied disk under its old id.
 *
 * Lifetimes
 *
 *     A node borrows your arguments for the call, and copies the data to keep.
 *     The memory behind a ready stays valid and unchanged until raftcore_advance or raftcore_release
 *     of its number, or raftcore_free, whichever other calls you make.
 *     Out-parameters are written on success only.
 *
 * Threads
 *
 *     Any thread may use a node, one thread at a time. A second thread gets RAFTCORE_E_BUSY.
 *     Different nodes are independent. Between calls the library holds no locks, threads or
 *     descriptors, so fork is safe. No call throws or longjmps.
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
 * The ABI of the library that runs. It suits this page if it equals RAFTCORE_ABI_VERSION.
 *
 * Thread   Any thread, at any time.
 */
RAFTCORE_API uint32_t
raftcore_abi_version(void);

/**
 * The version of the library that runs, as "0.1.0". Never NULL; lives for ever.
 *
 * Thread   Any thread, at any time.
 */
RAFTCORE_API const char *
raftcore_version_string(void);

/**
 * What the library that runs is able to do: RAFTCORE_FEATURE_*.
 *
 * Thread   Any thread, at any time.
 */
RAFTCORE_API uint64_t
raftcore_features(void);

/* Bits of raftcore_features. */
#define RAFTCORE_FEATURE_CHECKED UINT64_C(1) /* Built with internal checks, for tests */

/**
 * A code in a few words. raftcore_error_detail says more about one that a node has just answered.
 *
 * code     Any number; an unknown one has a text, too.
 * Lives    For ever. Never NULL.
 * Thread   Any thread, at any time.
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
    uint32_t dialect;                /* RAFTCORE_DIALECT_* [RAFTPB] */

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
    uint64_t recent_bytes;           /* Entries in memory [4 * block_bytes or more; 16 MiB] */
    uint64_t catchup_bytes;          /* Entries supplied for peers, all together [8 MiB] */
    uint64_t max_size_per_msg;       /* Payload of an append with several entries [1 MiB] */
    uint64_t max_committed_size_per_ready; /* Committed entries returned, not yet applied [4 MiB] */
    uint64_t max_uncommitted_size;   /* Payload of a leader's uncommitted entries [8 MiB] */
    uint64_t max_inflight_bytes;     /* Payload in flight to a peer; 0: no limit [0] */
    uint64_t max_entry_bytes;        /* Payload of an entry [up to 2^30; 4 MiB] */
    uint64_t max_snapshot_bytes;     /* Snapshot data inside messages [up to 2^31; 1 MiB] */
    uint64_t block_bytes;            /* Unit of memory for entries [4 KiB to 16 MiB; 256 KiB] */

    /* A leader steps down if nothing more of its own log becomes durable for so long; 0: never
     * [100] */
    uint32_t own_write_timeout_ticks;
    uint32_t reserved0;              /* 0 */
} raftcore_config;

/* raftcore_config.storage */
#define RAFTCORE_STORAGE_SYNC     0 /* One ready at a time, ended by raftcore_advance */
#define RAFTCORE_STORAGE_ASYNC    1 /* Several readies: raftcore_persisted, _applied, _release */
#define RAFTCORE_STORAGE_MESSAGES 2 /* Like etcd's AsyncStorageWrites: raftcore_step_local */

/* raftcore_config.dialect */
#define RAFTCORE_DIALECT_RAFTPB 0 /* The schema of etcd's raft */

/**
 * Fills in the defaults. Call it first: it is what makes a program that is compiled against a newer page safe.
 *
 * c            Caller's struct; need not be initialized. Set id and seed afterwards, and what shall differ.
 * struct_size  sizeof(raftcore_config)
 * Returns      RAFTCORE_OK     done; abi_version is set to this library's, too
 *              RAFTCORE_E_ABI  struct_size is not one this library knows
 * Rust         Config::new
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_config_init(raftcore_config *c, uint32_t struct_size);

/**
 * Changes the fields in which a known library differs from the defaults, and no other.
 *
 * c        A configuration after raftcore_config_init.
 * preset   RAFTCORE_PRESET_ETCD
 * Returns  RAFTCORE_OK     done
 *          RAFTCORE_E_ARG  no such preset, or a field is out of its range
 *          RAFTCORE_E_ABI  struct_size or abi_version is not one this library knows
 * Rust     Config::preset_etcd
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_config_preset(raftcore_config *c, uint32_t preset);

/* Presets of raftcore_config_preset. */
#define RAFTCORE_PRESET_ETCD 1 /* The choices of etcd's raft, wherever the defaults differ */

/**
 * Which field of a configuration is at fault, and what is allowed.
 *
 * c        May be NULL: that is a fault, too.
 * buf      Gets a text with a NUL at its end, cut to cap bytes; may be NULL if cap is 0.
 * Returns  The length of the whole text, without the NUL; 0 if raftcore_new would take the configuration.
 * Rust     Config::check
 */
RAFTCORE_API size_t
raftcore_config_error(const raftcore_config *c, char *buf, size_t cap);

/**
 * The largest frame that a peer of the same configuration sends, header included: so much a receive buffer must be able to hold.
 *
 * c          Only read.
 * bytes_out  Bytes.
 * Returns    RAFTCORE_OK     *bytes_out is set
 *            RAFTCORE_E_ARG  a field is out of its range: see raftcore_config_error
 *            RAFTCORE_E_ABI  struct_size or abi_version is not one this library knows
 * Rust       Config::frame_limit
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_frame_limit(const raftcore_config *c, uint64_t *bytes_out);

/**
 * How much memory raftcore_new will take.
 *
 * c          Only read.
 * bytes_out  An upper bound. More is taken later only for entries larger than block_bytes, terms beyond the first
 *            thousands, and batches that are much larger than usual.
 * Returns    RAFTCORE_OK     *bytes_out is set
 *            RAFTCORE_E_ARG  a field is out of its range: see raftcore_config_error
 *            RAFTCORE_E_ABI  struct_size or abi_version is not one this library knows
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
 * Makes a node. Then tell it what is stored of it: raftcore_boot.
 *
 * c        Copied.
 * out      The new handle. Written only if the result is RAFTCORE_OK.
 * Lives    Until raftcore_free.
 * Memory   Takes what the node needs while it runs; see raftcore_footprint.
 * Returns  RAFTCORE_OK             a node
 *          RAFTCORE_E_ARG          a field is out of its range: see raftcore_config_error
 *          RAFTCORE_E_ABI          struct_size or abi_version is not one this library knows
 *          RAFTCORE_E_UNSUPPORTED  a dialect this library does not speak
 *          RAFTCORE_E_NOMEM        nothing is left behind
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
    uint64_t term;       /* Term of the leader that made the entry */
    uint64_t index;      /* Position in the log, from 1 */
    uint32_t kind;       /* RAFTCORE_ENTRY_* */
    uint32_t reserved0;  /* 0 */
    raftcore_slice data; /* Data of the proposal */
    uint64_t token;      /* In committed, on the node of the proposal: its token; else 0 */
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
    const raftcore_conf *conf;     /* Membership as of applied; NULL: the disk is empty */
    const raftcore_run *runs;      /* Terms of the log; NULL if entries begin at before_first + 1 */
    const raftcore_entry *entries; /* Entries up to last: those above applied at least */
    size_t n_runs;                 /* Number of runs */
    size_t n_entries;              /* Number of entries */
    size_t reserved1;              /* 0 */
} raftcore_stored;

/**
 * Boots a node from what its host has stored; then it runs. The data are checked against each other: what was forgotten is refused.
 *
 * An empty disk, as of a node that joins a group: all zero, conf NULL. A founder of a group first stores, then boots from:
 * commit 1, applied 1, before_first 1, before_first_term 1, last 1, and conf with the founders as voters; found a group once,
 * with the same founders on each. After a call that fails the node can only be freed.
 *
 * stored   Caller's struct, with struct_size set. Copied. If the entries above applied don't fit into memory at once, call
 *          raftcore_boot_state, _conf, _terms, _entries and _done instead: the same in pieces.
 * Returns  RAFTCORE_OK         the node runs. The first ready tells what had to be repaired, if anything.
 *          RAFTCORE_E_CORRUPT  stored data contradict each other, or some are missing: the detail says which
 *          RAFTCORE_E_CONF     no valid configuration, or more than max_peers members
 *          RAFTCORE_E_DECODE   stored->conf->bytes are no configuration
 *          RAFTCORE_E_STATE    booted before; or conf is NULL though there is a log
 *          RAFTCORE_E_FULL     RAFTCORE_STORAGE_MESSAGES: unapplied entries are larger than recent_bytes
 *          RAFTCORE_E_NOMEM    an allocation failed
 *          and the codes any call may return (see "Errors" above).
 * Rust     Node::boot
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot(raftcore_node *node, const raftcore_stored *stored);

/**
 * Restores the hard state: what the last stored ready with RAFTCORE_RF_HARD_STATE said. The first of the calls that boot in pieces.
 *
 * They come in the order of this page, each at most once (raftcore_boot_entries as often as it takes), and only those for which
 * there is something.
 *
 * term     As stored; so vote and commit.
 * Returns  RAFTCORE_OK         done
 *          RAFTCORE_E_STATE    out of order
 *          RAFTCORE_E_CORRUPT  a vote for nobody that can be, or numbers that no term or index has
 *          and the codes any call may return (see "Errors" above), as in all that follow.
 * Rust     Node::boot_state
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_state(raftcore_node *node, uint64_t term, uint64_t vote, uint64_t commit);

/**
 * Restores the configuration as of the applied index: what the last raftcore_apply_conf or snapshot gave.
 *
 * conf               Its bytes as stored, or the ids. Copied.
 * before_first       Where the log begins: the index before its first entry, which the last snapshot or compaction covers; 1 for
 *                    founders.
 * before_first_term  The term there.
 * Returns            RAFTCORE_OK         done
 *                    RAFTCORE_E_DECODE   conf->bytes are no ConfState
 *                    RAFTCORE_E_CONF     no valid configuration, or more than max_peers members; the detail says which
 *                    RAFTCORE_E_CORRUPT  before_first and its term can't be
 *                    RAFTCORE_E_NOMEM, RAFTCORE_E_STATE as above
 * Rust               Node::boot_conf, Node::boot_conf_bytes
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_conf(raftcore_node *node, const raftcore_conf *conf, uint64_t before_first,
    uint64_t before_first_term);

/**
 * Restores which term each part of the log has, and where the log ends: entries that are forgotten show then.
 *
 * runs     In order, the first from before_first + 1; the last reaches to last. May be NULL if count is 0, which is right where
 *          raftcore_boot_entries starts at the first entry. Copied.
 * last     Index of the log's last entry; before_first if there is none.
 * Returns  RAFTCORE_OK         done
 *          RAFTCORE_E_CORRUPT  indexes or terms don't rise, or contradict what came before
 *          RAFTCORE_E_STATE    out of order, or raftcore_boot_conf was forgotten
 *          RAFTCORE_E_NOMEM, RAFTCORE_E_STATE as above
 * Rust     Node::boot_terms
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_terms(raftcore_node *node, const raftcore_run *runs, size_t count, uint64_t last);

/**
 * Restores entries of the log, in order, in as many calls as it takes: at least all that are not yet applied.
 *
 * e        May be NULL if count is 0. Copied; tokens are ignored.
 * Returns  RAFTCORE_OK         done
 *          RAFTCORE_E_CORRUPT  a gap, or a term that contradicts what came before
 *          RAFTCORE_E_FULL     RAFTCORE_STORAGE_MESSAGES: unapplied entries are larger than recent_bytes
 *          RAFTCORE_E_ARG      an unknown kind of entry; node unchanged
 *          RAFTCORE_E_NOMEM, RAFTCORE_E_STATE as above
 * Rust     Node::boot_entries
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_entries(raftcore_node *node, const raftcore_entry *e, size_t count);

/**
 * Ends the boot: the node runs. The first ready tells what had to be repaired, if anything.
 *
 * applied  What the state machine has applied, as stored with it.
 * Returns  RAFTCORE_OK         the node runs
 *          RAFTCORE_E_CORRUPT  commit or applied lie beyond the log, or entries are missing; the detail says which
 *          RAFTCORE_E_STATE    done before
 * Rust     Node::boot_done
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_boot_done(raftcore_node *node, uint64_t applied);

/**
 * Makes a second node of the same state, for tests and explorers: the same calls on both give the same answers.
 *
 * node     The original; unchanged. Its views are not the clone's.
 * out      The clone. Written only if the result is RAFTCORE_OK.
 * Lives    Until raftcore_free.
 * Returns  RAFTCORE_OK       a node
 *          RAFTCORE_E_STATE  in the middle of its boot
 *          RAFTCORE_E_NOMEM  nothing is left behind
 * Rust     Node::try_clone
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_try_clone(const raftcore_node *node, raftcore_node **out);

/**
 * Ends a node. Nothing is written or sent; what is on disk boots the next one.
 *
 * node     May be NULL: nothing happens. A second free answers RAFTCORE_E_HANDLE.
 * Lives    All that the node ever handed out ends here.
 * Thread   Any thread, if no other is in the node.
 * Returns  RAFTCORE_OK        it is gone
 *          RAFTCORE_E_BUSY    another thread is in it: it is still there
 *          RAFTCORE_E_HANDLE  freed before, or never made
 *          The answer may be ignored.
 * Rust     drop
 */
RAFTCORE_API raftcore_code
raftcore_free(raftcore_node *node);


/* ==============================================================================================
 * 2  The loop
 * ============================================================================================== */

/**
 * Time passes.
 *
 * node     Live handle, as in every call.
 * ticks    How many; more than 1 to catch up in one call. More than two election timeouts count as two: nothing can have been
 *          heard in between. 0 does nothing.
 * Thread   Any thread, one call at a time on a node. Different nodes are independent. So in every call.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       done
 *          RAFTCORE_E_STATE  before raftcore_boot_done; so in every call from here on
 *          and the codes any call may return (see "Errors" above).
 * Rust     Node::tick
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_tick(raftcore_node *node, uint32_t ticks);

/**
 * A message has come.
 *
 * peer     Whom the transport authenticated: a message from another id is refused. 0: unchecked.
 * msg      A raftpb message, without the header of a frame. Borrowed for the call.
 * Memory   Does not allocate, for messages of the usual kinds with entries up to block_bytes.
 * Returns  RAFTCORE_OK             taken, or ignored as Raft asks
 *          RAFTCORE_E_DECODE       no message; the connection is suspect
 *          RAFTCORE_E_NOT_FOR_ME   to another node, from somebody else than peer, or of a kind that peers never send
 *          RAFTCORE_E_NO_PEER      a response from somebody who is no member
 *          RAFTCORE_E_IMPLAUSIBLE  contradicts what is committed here; an event tells
 *          RAFTCORE_E_NO_LEADER    a proposal that was passed on, and nobody to take it
 *          RAFTCORE_E_FULL         nothing happened; the message may be dropped, it will come again. So with RAFTCORE_E_NOMEM.
 *          RAFTCORE_E_UNSUPPORTED  a value that this version does not know
 * Rust     Node::step
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_step(raftcore_node *node, uint64_t peer, const uint8_t *msg, size_t len);

/**
 * Frames have come: point it at the receive buffer.
 *
 * peer          As in raftcore_step.
 * buf           Frames, the last of which may be incomplete. Borrowed for the call.
 * consumed_out  Bytes of whole frames that were taken; keep the rest and append to it.
 * rejected_out  Frames among these that raftcore_step would have refused, each counted and skipped. May be NULL.
 * first_out     The code of the first of these, RAFTCORE_OK if there is none; raftcore_error_detail has its text. May be NULL.
 * Memory        As raftcore_step.
 * Returns       RAFTCORE_OK        both are set
 *               RAFTCORE_E_DECODE  buf begins with a length that no frame has: drop the connection
 * A snapshot whose data travel beside the core must not be stepped before they are there: on a connection that may bring one, walk
 * with raftcore_frame_next, look with raftcore_snapshot_split, and step each message by raftcore_step.
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
 * Walks a receive buffer: the next frame, which is not stepped.
 *
 * buf      Frames, the last of which may be incomplete.
 * limit    The largest frame that is expected, header included: raftcore_frame_limit.
 * out      Caller's struct, with struct_size set. out->msg points into buf.
 * Thread   Any; needs no node.
 * Returns  RAFTCORE_OK        a whole frame: out->msg goes to raftcore_step if out->group is this node's; out->bytes to the next one
 *          RAFTCORE_NONE      incomplete: out->bytes are needed, 0 if not even the header is there
 *          RAFTCORE_E_DECODE  longer than limit: drop the connection
 * Rust     wire::next_frame
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_frame_next(const uint8_t *buf, size_t len, uint64_t limit, raftcore_frame *out);

/**
 * Proposes one entry, at the leader.
 *
 * parts    The entry's data in pieces, joined in order. May be NULL if count is 0. Copied.
 * token    Comes back exactly once: with the committed entry, or in raftcore_ready.dropped with what is known. 0: none.
 *          With RAFTCORE_FLAG_FORWARDING a follower passes the entry on; then nobody here can know its outcome, and the token comes
 *          back as RAFTCORE_DROP_UNKNOWN, though the entry may commit: put an id of your own into the data to recognise it.
 * Memory   Does not allocate, for entries up to block_bytes.
 * Returns  RAFTCORE_OK            taken; that is not yet committed
 *          RAFTCORE_E_NOT_LEADER  propose at raftcore_status.leader
 *          RAFTCORE_E_NO_LEADER   retry when raftcore_ready.leader changes
 *          RAFTCORE_E_FULL        max_uncommitted_size, max_tokens or recent_bytes is reached: retry after advance
 *          RAFTCORE_E_TOO_LARGE   larger than max_entry_bytes, or than half of recent_bytes
 *          A negative code: no token was taken.
 * Rust     Node::propose_parts
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose(raftcore_node *node, const raftcore_slice *parts, size_t count, uint64_t token);

/**
 * Proposes several entries, all or none.
 *
 * entries  One slice for each entry. May be NULL if count is 0. Copied.
 * tokens   One for each entry. NULL: none has one.
 * Memory   As raftcore_propose.
 * Returns  As raftcore_propose.
 * Rust     Node::propose_many
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose_many(raftcore_node *node, const raftcore_slice *entries, const uint64_t *tokens,
    size_t count);

/**
 * Proposes an entry of any kind as it is: a change that was encoded elsewhere, say.
 *
 * kind     RAFTCORE_ENTRY_*
 * data     Copied. A change is checked as by raftcore_propose_conf.
 * token    As in raftcore_propose.
 * Returns  As raftcore_propose and raftcore_propose_conf, and
 *          RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED  data that are no change
 * Rust     Node::propose_entry
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose_entry(raftcore_node *node, uint32_t kind, raftcore_slice data, uint64_t token);

/**
 * What the next ready would hold beside one that is outstanding, and whether fetches and events wait. Before you sleep, all but
 * RAFTCORE_HAS_EVENTS must be 0, and that after you have logged the events; raftcore_status.late_ticks tells of hosts that forget.
 *
 * Memory   Does not allocate.
 * Returns  RAFTCORE_HAS_* (0: nothing), or a negative code. Works on a poisoned node, and before raftcore_boot_done.
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

    /* Entries of an append or a proposal, for inspection: frame has the whole message. NULL
     * without RAFTCORE_FLAG_DECODED_MSGS. */
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
 * Takes the next batch of work.
 *
 * out      Caller's struct, with struct_size set. Written only if the result is RAFTCORE_OK.
 * Lives    Everything that *out points to belongs to the node and is valid, unmoved and unchanged, until
 *          raftcore_advance or raftcore_release of out->number, or raftcore_free. Any other call in between is allowed.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       one batch; with RAFTCORE_STORAGE_SYNC the same one until it is advanced
 *          RAFTCORE_NONE     nothing to do
 *          RAFTCORE_E_FULL   max_outstanding batches are outstanding: acknowledge one first
 *          RAFTCORE_E_NOMEM  an unusually large batch: it comes with the next call
 *          RAFTCORE_E_ABI    out->struct_size is not one this library knows
 * Rust     Node::ready
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_get_ready(raftcore_node *node, raftcore_ready *out);

/**
 * All work of a batch is done: it and those before it are persisted, applied and released in one.
 *
 * number   raftcore_ready.number
 * Lives    The views of readies up to number end here.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       done
 *          RAFTCORE_E_STALE  acknowledged before; harmless
 *          RAFTCORE_E_ARG    never handed out
 *          RAFTCORE_E_STATE  a configuration entry in it was neither applied nor skipped; or RAFTCORE_STORAGE_MESSAGES
 * Rust     Node::advance
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_advance(raftcore_node *node, uint64_t number);

/**
 * A request for entries of your log, or for a snapshot: for a peer that is far behind, or for this node
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
 * Asks what the node lacks: old entries, or a snapshot, for a peer that is far behind; or entries of this node's own log, which
 * left the recent log before they were applied (RAFTCORE_FETCH_APPLY: any boot with more than recent_bytes of unapplied log).
 *
 * At most one for each peer and one for this node. Each is handed out once and waits for its answer; nothing else waits, but that
 * nothing is applied before RAFTCORE_FETCH_APPLY is answered. Legal at any time, also with a ready outstanding.
 *
 * out      Caller's struct, with struct_size set. Written only if the result is RAFTCORE_OK.
 * Returns  RAFTCORE_OK    answer it with raftcore_supply_entries, _snapshot or _none
 *          RAFTCORE_NONE  nothing is lacking
 * Rust     Node::next_fetch
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_next_fetch(raftcore_node *node, raftcore_fetch *out);

/**
 * Answers a fetch of entries, for a peer or to apply.
 *
 * id       raftcore_fetch.id
 * e        One entry or more, from raftcore_fetch.first on, without a gap. What does not fit is not taken. Copied.
 * Returns  RAFTCORE_OK       the append, or the committed entries, come with the next ready
 *          RAFTCORE_IGNORED  no longer wanted; nothing done
 *          RAFTCORE_E_ARG    contradicts the log, or not what was asked; the ask is still open
 *          RAFTCORE_E_NOMEM  the ask is still open
 * Rust     Node::supply_entries
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_supply_entries(raftcore_node *node, uint64_t id, const raftcore_entry *e, size_t count);

/**
 * Answers an ask for a snapshot.
 *
 * id       raftcore_fetch.id
 * index    What the snapshot covers: at least raftcore_fetch.first - 1, at most what is committed.
 * conf     The configuration as of index, the peer in it.
 * data     The state, up to max_snapshot_bytes. Copied. Empty: you send it to the peer beside the core, over a connection of your
 *          own, and the peer's host must have it before it steps the message (docs/snapshots.md).
 * Returns  As raftcore_supply_entries, and
 *          RAFTCORE_E_TOO_LARGE  more data than max_snapshot_bytes: an everyday case. Supply none, and send them beside the core.
 *          RAFTCORE_E_CONF       no valid configuration. One without the peer is RAFTCORE_E_ARG.
 *          The fetch stays open.
 * Rust     Node::supply_snapshot, Node::supply_snapshot_bytes
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_supply_snapshot(raftcore_node *node, uint64_t id, uint64_t index,
    const raftcore_conf *conf, raftcore_slice data);

/**
 * Answers an ask with nothing.
 *
 * id       raftcore_fetch.id
 * why      RAFTCORE_SUPPLY_GONE: the entries are compacted away, so a snapshot is asked for.
 *          RAFTCORE_SUPPLY_LATER: asked again, not before that peer's next answer to a heartbeat.
 * Returns  RAFTCORE_OK       noted
 *          RAFTCORE_IGNORED  no longer wanted; nothing done
 *          RAFTCORE_E_ARG    neither of the two, or an id that was never handed out
 *          RAFTCORE_E_CORRUPT  GONE for RAFTCORE_FETCH_APPLY: committed entries that are not applied can't be gone
 * Rust     Node::supply_none
 */
RAFTCORE_API raftcore_code
raftcore_supply_none(raftcore_node *node, uint64_t id, uint32_t why);

/* Causes for raftcore_supply_none. */
#define RAFTCORE_SUPPLY_GONE  1 /* Compacted: the node will fetch a snapshot instead */
#define RAFTCORE_SUPPLY_LATER 2 /* Not available now: the node will fetch again */

/**
 * The host has dropped the entries up to index from its log; it has the state as of there, or later.
 *
 * index    At most what is applied.
 * Returns  RAFTCORE_OK       noted
 *          RAFTCORE_E_STALE  dropped before
 *          RAFTCORE_E_ARG    beyond what is applied
 * Rust     Node::compacted
 */
RAFTCORE_API raftcore_code
raftcore_compacted(raftcore_node *node, uint64_t index);

/**
 * Messages to peer were lost, or may have been: the connection broke.
 *
 * Returns  RAFTCORE_OK         noted
 *          RAFTCORE_E_NO_PEER  not a member
 * Rust     Node::report_unreachable
 */
RAFTCORE_API raftcore_code
raftcore_report_unreachable(raftcore_node *node, uint64_t peer);

/**
 * What became of the snapshot to peer. Without a report the wait ends with the peer's acknowledgement, or after
 * snapshot_timeout_ticks: so report RAFTCORE_SNAPSHOT_UNDER_WAY while a long one is being sent.
 *
 * how      RAFTCORE_SNAPSHOT_*
 * Returns  RAFTCORE_OK         noted
 *          RAFTCORE_E_NO_PEER  not a member
 *          RAFTCORE_E_ARG      how is none of these
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
 * How many ticks may pass before the node does something by itself: so long a host may sleep, if nothing else comes. The
 * ticks that have passed are then told in one raftcore_tick.
 *
 * ticks_out  At least 1; UINT32_MAX: nothing will happen.
 * Memory     Does not allocate.
 * Returns    RAFTCORE_OK  *ticks_out is set
 * Rust       Node::ticks_until_due
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_ticks_until_due(const raftcore_node *node, uint32_t *ticks_out);

/**
 * Joins the pieces of a message's frame, for transports that can't gather.
 *
 * m         From a ready that is outstanding.
 * buf       Caller's buffer; may be NULL if cap is 0. Written only if the result is RAFTCORE_OK.
 * need_out  m->frame_bytes, also if that is more than cap. May be NULL.
 * Thread    Any; needs no node.
 * Returns   RAFTCORE_OK           written
 *           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_flatten(const raftcore_msg *m, uint8_t *buf, size_t cap, size_t *need_out);

/**
 * Looks into an incoming message before raftcore_step: is it a snapshot, and where are its data?
 *
 * msg        A raftpb message, without the header of a frame.
 * data_out   The data, inside msg; empty if they travel beside the core: then wait for them before you step the message.
 * index_out  What the snapshot covers. May be NULL.
 * term_out   The term there. May be NULL.
 * Thread     Any; needs no node.
 * Returns    RAFTCORE_OK        a snapshot
 *            RAFTCORE_NONE      another message; nothing is set
 *            RAFTCORE_E_DECODE  no message
 * Rust       wire::parse_message
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_snapshot_split(const uint8_t *msg, size_t len, raftcore_slice *data_out,
    uint64_t *index_out, uint64_t *term_out);

/**
 * Writes the frame that opens a connection: version, features, group and id of this node.
 *
 * buf       Caller's buffer; may be NULL if cap is 0. Written only if the result is RAFTCORE_OK.
 * need_out  Bytes of the frame, also if that is more than cap. May be NULL.
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

/**
 * Reads the frame that opened a connection. Whether version, group and id suit is the host's to judge.
 *
 * frame    One whole frame, header included.
 * out      Caller's struct, with struct_size set. Written only if the result is RAFTCORE_OK.
 * Thread   Any; needs no node.
 * Returns  RAFTCORE_OK        out->id is there
 *          RAFTCORE_E_DECODE  no such frame
 *          RAFTCORE_E_ABI     out->struct_size is not one this library knows
 * Rust     wire::read_hello
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_hello_read(const uint8_t *frame, size_t len, raftcore_hello_info *out);

/**
 * An outstanding ready once more: one whose number is not at hand, or that an exception kept from its host.
 *
 * number   Of a ready that was not advanced or released; raftcore_status.last_ready is the newest.
 * out      As in raftcore_get_ready.
 * Lives    As in raftcore_get_ready.
 * Memory   Does not allocate, if raftcore_get_ready has given that ready.
 * Returns  RAFTCORE_OK       the ready
 *          RAFTCORE_NONE     none of this number is outstanding
 *          RAFTCORE_E_NOMEM  retry
 *          RAFTCORE_E_ABI    out->struct_size is not one this library knows
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
 * One turn of the loop in one call: acknowledges, ticks, steps, looks for a fetch, takes the next ready. For languages in which a
 * crossing is slow, and for hosts that count: a round of three nodes takes nine crossings instead of thirty-one.
 *
 * in       Caller's struct, with struct_size set. What it tells is done in this order: done, persisted, applied, released, ticks,
 *          frames. Its out fields are always set. A frame that is refused is no error of the turn, nor is an acknowledgement that
 *          was given before.
 * out      As in raftcore_get_ready. Written if the result is RAFTCORE_OK or RAFTCORE_LAST.
 * Lives    As in raftcore_get_ready.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK           a ready; another may follow
 *          RAFTCORE_LAST         a ready, and nothing can follow it before something happens: its number goes into the next turn's done
 *          RAFTCORE_NONE         nothing to do
 *          RAFTCORE_FETCH_FIRST  a fetch waits, and no ready was taken: raftcore_next_fetch, supply, and the next turn
 *          A negative code of an acknowledgement: nothing after it was done. Of the ready (as raftcore_get_ready): all else was.
 * Rust     Node::turn
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_turn(raftcore_node *node, raftcore_input *in, raftcore_ready *out);


/* ==============================================================================================
 * 3  Reads and membership
 * ============================================================================================== */

/**
 * Starts a linearizable read: one that sees every write completed before it began. It costs no log entry.
 *
 * token    Comes back exactly once: in raftcore_ready.reads, when the state may be read, or in raftcore_ready.dropped. It is
 *          the caller's own number and need not be unique.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK           it is under way
 *          RAFTCORE_E_NO_LEADER  retry when raftcore_ready.leader changes
 *          RAFTCORE_E_FULL       max_reads are waiting: retry after advance
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
 * Proposes a change of the configuration. One at a time: the next may come when this one is applied.
 *
 * c           1 to 64 changes. Copied. None at all (c may be NULL then) leaves a joint configuration.
 * transition  RAFTCORE_TRANSITION_*
 * context     Travels with the change and comes out of raftcore_apply_conf on every node: the new node's address, say. May be
 *             empty. Copied.
 * token       As in raftcore_propose.
 * Returns     RAFTCORE_OK            taken; that is not yet committed
 *             RAFTCORE_E_CONF_BUSY   another change is in flight: retry after it is applied
 *             RAFTCORE_E_CONF        invalid here, or more than max_peers members; the detail says why
 *             RAFTCORE_E_NOT_LEADER, RAFTCORE_E_NO_LEADER, RAFTCORE_E_FULL  as raftcore_propose
 *             RAFTCORE_E_ARG         an unknown kind or transition, a reserved id, or more than 64 changes
 * Rust        Node::propose_conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_propose_conf(raftcore_node *node, const raftcore_change *c, size_t count,
    uint32_t transition, raftcore_slice context, uint64_t token);

/**
 * Applies a committed configuration entry: from here on the new configuration is in force on this node. Store it together
 * with the applied index.
 *
 * e        The entry as handed out in raftcore_ready.committed, or as read from the host's log; lowest index first. Its data
 *          are borrowed for the call.
 * out      Caller's struct, with struct_size set: the new configuration, and the change's context. Written only if the
 *          result is RAFTCORE_OK.
 * Lives    What *out points to is valid until the next raftcore_apply_conf or raftcore_get_conf, or raftcore_free.
 * Returns  RAFTCORE_OK        applied
 *          RAFTCORE_E_ARG     not a configuration entry, never handed out, or an earlier one comes first
 *          RAFTCORE_E_STALE   applied or skipped before
 *          RAFTCORE_E_CONF    can't be applied: a member that does not understand a change must stop rather than differ. So
 *                             with RAFTCORE_E_DECODE and RAFTCORE_E_UNSUPPORTED.
 *          RAFTCORE_E_NOMEM   retry
 * Rust     Node::apply_conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_apply_conf(raftcore_node *node, const raftcore_entry *e, raftcore_conf *out);

/**
 * Passes over a committed configuration entry, as if it were empty. Right only if every member does the same.
 *
 * index    The entry's.
 * out      As in raftcore_apply_conf: the configuration, unchanged, as of index. Store it together with the applied index.
 *          May be NULL.
 * Lives    As in raftcore_apply_conf.
 * Returns  RAFTCORE_OK       skipped
 *          RAFTCORE_E_ARG    not a configuration entry that was handed out, or an earlier one comes first
 *          RAFTCORE_E_STALE  applied or skipped before
 *          RAFTCORE_E_NOMEM  retry
 * Rust     Node::skip_conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_skip_conf(raftcore_node *node, uint64_t index, raftcore_conf *out);

/**
 * Applies a change that belongs to no entry, at any time: etcd's ApplyConfChange. Only with RAFTCORE_FLAG_CONF_APART.
 *
 * kind     RAFTCORE_ENTRY_CONF_CHANGE or RAFTCORE_ENTRY_CONF_CHANGE_V2
 * data     The change, encoded. Borrowed for the call.
 * out      As in raftcore_apply_conf; its index is 0.
 * Lives    As in raftcore_apply_conf.
 * Returns  RAFTCORE_OK       in force
 *          RAFTCORE_E_STATE  without the flag
 *          RAFTCORE_E_ARG    kind is none of the two
 *          RAFTCORE_E_CONF, RAFTCORE_E_DECODE, RAFTCORE_E_UNSUPPORTED, RAFTCORE_E_NOMEM as raftcore_apply_conf
 * Rust     Node::apply_change
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_apply_change(raftcore_node *node, uint32_t kind, raftcore_slice data, raftcore_conf *out);

/**
 * Encodes a configuration from its ids: what a founder stores, for one.
 *
 * conf      Its ids, and index (what it is as of; 0: not known).
 * buf       Caller's buffer; may be NULL if cap is 0. Written only if the result is RAFTCORE_OK.
 * need_out  Bytes of the encoding, also if that is more than cap. May be NULL.
 * Thread    Any; needs no node.
 * Returns   RAFTCORE_OK           written
 *           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
 *           RAFTCORE_E_ARG        conf->bytes are set
 * Rust      wire::write_stored_conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_conf_encode(const raftcore_conf *conf, uint8_t *buf, size_t cap, size_t *need_out);

/**
 * The configuration in force.
 *
 * out      Caller's struct, with struct_size set; context comes out empty. Written only if the result is RAFTCORE_OK.
 * Lives    What *out points to is valid until the next raftcore_apply_conf or raftcore_get_conf, or raftcore_free.
 * Returns  RAFTCORE_OK     *out is set
 *          RAFTCORE_E_ABI  out->struct_size is not one this library knows
 * Rust     Node::conf
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_get_conf(raftcore_node *node, raftcore_conf *out);

/**
 * Starts an election now. It is no error if the node may not (a learner, a pending snapshot or change): an event tells why.
 *
 * Returns  RAFTCORE_OK  asked
 * Rust     Node::campaign
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_campaign(raftcore_node *node);

/**
 * Hands leadership over. Proposals are refused meanwhile; after election_ticks without success the leader goes on.
 *
 * to       A voter. 0: the one that is furthest and alive.
 * Returns  RAFTCORE_OK           under way; raftcore_ready.leader will tell
 *          RAFTCORE_E_NO_PEER    not a voter, or nobody can; 0 at a follower, which passes on a wish but can't choose
 *          RAFTCORE_E_NO_LEADER  not the leader, and none is known to ask
 * Rust     Node::transfer
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_transfer(raftcore_node *node, uint64_t to);

/**
 * Ends a transfer that is under way. If its target has started its election already, that goes on.
 *
 * Returns  RAFTCORE_OK       ended
 *          RAFTCORE_E_STATE  none is under way
 * Rust     Node::abort_transfer
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_abort_transfer(raftcore_node *node);

/**
 * A follower forgets who leads, so that it may vote at once.
 *
 * Returns  RAFTCORE_OK  done; nothing on others, and with lease reads
 * Rust     Node::forget_leader
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_forget_leader(raftcore_node *node);

/**
 * Whether the node starts elections: off for maintenance. It votes and follows all the same; a leader goes on leading.
 *
 * electable  1 or 0
 * Returns    RAFTCORE_OK     done
 *            RAFTCORE_E_ARG  neither 0 nor 1
 * Rust       Node::set_electable
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_electable(raftcore_node *node, uint32_t electable);

/**
 * Changes raftcore_config.priority: among equal logs the higher wins.
 *
 * Returns  RAFTCORE_OK  done
 * Rust     Node::set_priority
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_priority(raftcore_node *node, int32_t priority);

/**
 * Changes the window of one peer, until it leaves the configuration.
 *
 * max_inflight_msgs   Appends, 1 to 65536.
 * max_inflight_bytes  Payload; 0: no limit.
 * Returns             RAFTCORE_OK         done
 *                     RAFTCORE_E_NO_PEER  not a member
 *                     RAFTCORE_E_ARG      out of range
 * Rust                Node::set_window
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_window(raftcore_node *node, uint64_t peer, uint32_t max_inflight_msgs,
    uint64_t max_inflight_bytes);

/**
 * Whether a leader tells of a moved commit index at once, or with the next append or heartbeat.
 *
 * on       1 (default; see RAFTCORE_FLAG_NO_COMMIT_BROADCAST) or 0
 * Returns  RAFTCORE_OK     done
 *          RAFTCORE_E_ARG  neither 0 nor 1
 * Rust     Node::set_commit_broadcast
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_set_commit_broadcast(raftcore_node *node, uint32_t on);

/**
 * Sets the randomized election timeout, until the node draws the next: for tests and explorers.
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
 * The writes of readies up to number are durable: snapshot, entries and hard state. RAFTCORE_STORAGE_ASYNC only. Their messages
 * with RAFTCORE_MF_AFTER may go now.
 *
 * Cumulative, and independent of raftcore_applied and raftcore_release. A write that fails has no call: free the node and boot
 * again from what is on disk.
 *
 * number   raftcore_ready.number
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       noted
 *          RAFTCORE_E_STALE  told before; harmless
 *          RAFTCORE_E_ARG    never handed out
 *          RAFTCORE_E_STATE  another storage mode
 * Rust     Node::persisted
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_persisted(raftcore_node *node, uint64_t number);

/**
 * The state machine has applied all entries up to index, and what it stores says so. RAFTCORE_STORAGE_ASYNC; and with
 * RAFTCORE_STORAGE_SYNC for a span that came without entries (RAFTCORE_FLAG_COMMITTED_SPANS), before raftcore_advance.
 *
 * index    Of a committed entry that was handed out; it may lie inside a ready's span.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       noted
 *          RAFTCORE_E_STALE  told before; harmless
 *          RAFTCORE_E_ARG    never handed out
 *          RAFTCORE_E_STATE  a configuration entry up to index was neither applied nor skipped; or another storage mode
 * Rust     Node::applied
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_applied(raftcore_node *node, uint64_t index);

/**
 * Nobody reads the views of readies up to number any more. Not with RAFTCORE_STORAGE_SYNC.
 *
 * number   raftcore_ready.number
 * Lives    The views of readies up to number end here.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK       released
 *          RAFTCORE_E_STALE  released before; harmless
 *          RAFTCORE_E_ARG    never handed out
 *          RAFTCORE_E_STATE  another storage mode
 * Rust     Node::release
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_release(raftcore_node *node, uint64_t number);

/**
 * A response of local work has come: one of those that a message to RAFTCORE_ID_LOCAL_APPEND or RAFTCORE_ID_LOCAL_APPLY carries
 * and that is addressed to this node. RAFTCORE_STORAGE_MESSAGES only.
 *
 * msg      A raftpb message, without the header of a frame. Borrowed for the call.
 * Returns  RAFTCORE_OK            taken
 *          RAFTCORE_E_DECODE      no message
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
 * Time passes for many nodes in one call.
 *
 * nodes      Handles; NULL only if count is 0. One that is NULL, freed or in use counts as one with an error.
 * ticks      As in raftcore_tick.
 * ready_out  Positions in nodes of those that have a ready or fetch, or answered with an error (raftcore_tick or
 *            raftcore_get_ready will say which). Ascending; at most cap are written. May be NULL if cap is 0.
 * Thread     As if each node were called in turn.
 * Memory     Does not allocate.
 * Returns    How many such nodes there are; may be more than cap.
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
    uint64_t safe_to_compact;   /* Compact up to here: no known member needs the entries */
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

    /* Ticks that came while a ready was waiting. A host that drains every ready before it sleeps
     * has 0 */
    uint64_t late_ticks;

    /* First entry that the node needs from your log to apply (RAFTCORE_FETCH_APPLY); 0: none */
    uint64_t apply_waits;
} raftcore_status;

/**
 * A node as it is now.
 *
 * out      Caller's struct, with struct_size set. Written only if the result is RAFTCORE_OK.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK     *out is set. Works on a poisoned node, and before raftcore_boot_done; so all of this group.
 *          RAFTCORE_E_ABI  out->struct_size is not one this library knows
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
 * A leader's view of the members, itself included, by id. On others only id and membership mean something.
 *
 * out        Room for cap records; may be NULL if cap is 0. At most cap are written.
 * count_out  How many members there are; may be more than cap.
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
 * Takes the oldest event. If nobody does, later ones are lost, and counted in raftcore_status.events_lost.
 *
 * out      Written only if the result is RAFTCORE_OK.
 * Memory   Does not allocate.
 * Returns  RAFTCORE_OK    one event
 *          RAFTCORE_NONE  no more
 * Rust     Node::next_event
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_next_event(raftcore_node *node, raftcore_event *out);

/**
 * raftcore_event.kind in a few words. Never NULL; lives for ever.
 *
 * Thread   Any thread, at any time.
 */
RAFTCORE_API const char *
raftcore_event_text(uint32_t kind);

/**
 * raftcore_event.reason or raftcore_drop.reason in a few words; empty for 0. Never NULL; lives for ever.
 *
 * Thread   Any thread, at any time.
 */
RAFTCORE_API const char *
raftcore_reason_text(uint32_t reason);

/**
 * A number that is equal for nodes of equal meaning: for tests and explorers. Not for storing; it may change with the version.
 *
 * with_random  1: what is random counts, too. 0: not.
 * Returns      The number; 0 if there is no such node, or another thread is in it.
 * Rust         Node::digest
 */
RAFTCORE_API uint64_t
raftcore_digest(const raftcore_node *node, uint32_t with_random);

/**
 * What the last call that failed on this node has to say: numbers, limits, what to do; empty if it has nothing to add. On a poisoned
 * node the cause of that. Settings and calls are named as on this page, without their prefix.
 *
 * buf      Gets a text with a NUL at its end, cut to cap bytes; may be NULL if cap is 0.
 * Returns  The length of the whole text, without the NUL: at most 255. 0 if there is no such node, or another thread is in it.
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
    uint32_t layout;              /* 1; any other layout has another number */
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
    uint64_t term;       /* As in raftcore_entry */
    uint64_t index;
    uint64_t token;
    uint64_t data_at;    /* Place of the data */
    uint64_t data_bytes;
    uint32_t kind;       /* RAFTCORE_ENTRY_* */
    uint32_t reserved0;  /* 0 */
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
 * Takes the next batch of work as one run of bytes, for languages to which pointers are a burden.
 *
 * It begins with a raftcore_flat; behind it lie the records of all lists, and behind these the bytes they name. All is
 * little-endian; each place is an offset from buf[0], a multiple of 8. A frame is in one piece and can be sent as it is. Decoded
 * entries of messages are not in it.
 *
 * buf       Caller's buffer, of any alignment; may be NULL if cap is 0. Written only if the result is RAFTCORE_OK.
 * need_out  RAFTCORE_OK: bytes written. RAFTCORE_E_TOO_SMALL: bytes needed; any amount may be asked again. May be NULL.
 * Lives     The bytes are the caller's. The batch is outstanding as any other: acknowledge it.
 * Memory    Does not allocate.
 * Returns   RAFTCORE_OK           one batch
 *           RAFTCORE_NONE         nothing to do
 *           RAFTCORE_E_TOO_SMALL  the batch is not taken; it comes with the next call, unchanged
 *           RAFTCORE_E_FULL       as raftcore_get_ready
 * Rust      Node::ready
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_ready_flat(raftcore_node *node, uint8_t *buf, size_t cap, size_t *need_out);

/**
 * The same in the form of raftcore_ready_flat.
 *
 * number    As in raftcore_view.
 * buf       As in raftcore_ready_flat; so need_out.
 * Memory    Does not allocate.
 * Returns   RAFTCORE_OK           the ready
 *           RAFTCORE_NONE         none of this number is outstanding
 *           RAFTCORE_E_TOO_SMALL  *need_out bytes are needed
 * Rust      Node::view
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_view_flat(raftcore_node *node, uint64_t number, uint8_t *buf, size_t cap,
    size_t *need_out);

/**
 * The same in the form of raftcore_ready_flat.
 *
 * in        As in raftcore_turn. After RAFTCORE_E_TOO_SMALL come with an empty one: all was taken in.
 * buf       As in raftcore_ready_flat; so need_out.
 * Memory    Does not allocate.
 * Returns   As raftcore_turn, and RAFTCORE_E_TOO_SMALL
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
 * STATE, STALE, FULL and POISONED are the codes RAFTCORE_E_*. SYNC, ASYNC and MESSAGES are the modes
 * RAFTCORE_STORAGE_* in which the call is legal; in the other modes the code is RAFTCORE_E_STATE.
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

/* Entries from index to a were overwritten. b: the first of them that this node appended as
 * leader; 0: none */
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
