/*
 * raftcore: a Raft consensus core. It owns no thread, clock, socket or file, and it calls nothing back.
 *
 * You have a database, a disk and a network. You tell a node that time has passed (raftcore_tick), that bytes came from a peer
 * (raftcore_step_frames), that something shall be replicated (raftcore_propose). You take out batches of work, called readies, do
 * them your way, and say so.
 *
 * The page is in six groups; who stops after the second has a working host:
 *
 *     1  Make and free            a configuration, a node, its boot from disk, its end
 *     2  The loop                 tick, step, propose, get_ready, advance; what peers far behind need; frames
 *     3  Reads and membership     linearizable reads, changes of the configuration, who leads
 *     4  Asynchronous storage     several readies at a time, for hosts with a disk thread
 *     5  Many nodes               thousands of groups in a process
 *     6  Looking inside           status, peers, events, texts
 *
 * The loop
 *
 *     after every tick, step, propose, ..., on one thread (this is RAFTCORE_STORAGE_SYNC):
 *
 *         while (raftcore_next_fetch(n, &f) == RAFTCORE_OK)         rare: a peer is far behind
 *             raftcore_supply_entries(n, f.id, ...)                 or _snapshot, or _none
 *         while (raftcore_get_ready(n, &rd) == RAFTCORE_OK) {
 *             1  store rd: first the snapshot, which replaces everything; then rd.entries, which replace all from
 *                entries[0].index on; then term, vote and commit. Make it durable if RAFTCORE_RF_MUST_SYNC.
 *             2  send rd.msgs, each to its peer
 *             3  apply rd.committed in order; a configuration entry goes to raftcore_apply_conf;
 *                an empty normal entry is a leader's own: nothing to do
 *             4  answer rd.reads and rd.dropped
 *             5  raftcore_advance(n, rd.number)
 *         }
 *
 *     examples-c/minimal.c is that as a program.
 *
 * Durability
 *
 *     A message with RAFTCORE_MF_AFTER may leave only when all readies up to its own are durable; any other may leave at once.
 *     No hard state may outlive the entries it commits: write a ready as one transaction, or in the order above.
 *     State that is stored as applied = i is stored together with the configuration of the last configuration entry up to i.
 *     A write that failed has no call: free the node, and boot again from what is on disk.
 *
 * Which call when                     before boot_done   running   a ready is outstanding          poisoned
 *
 *     boot_*                          in order           STATE     STATE                           POISONED
 *     get_ready                       STATE              yes       SYNC: the same one again        POISONED
 *                                                                  else the next; FULL at max_outstanding
 *     advance                         STATE              STALE     SYNC, ASYNC: yes                POISONED
 *     persisted, applied              STATE              STALE     ASYNC: yes                      POISONED
 *     release                         STATE              STALE     ASYNC, MESSAGES: yes            POISONED
 *     apply_conf, skip_conf           STATE              (1)       yes                             POISONED
 *     step_local                      STATE              MESSAGES  MESSAGES: yes                   POISONED
 *     all others that do something    STATE              yes       yes                             POISONED
 *     has_ready, group 6, free        yes                yes       yes                             yes
 *
 *     (1) with MESSAGES, where a ready may be released before its entries are applied. In another mode than those named: STATE.
 *
 * Lifetimes
 *
 *     In:   what you pass is borrowed for the call, and copied if it is kept.
 *     Out:  what a ready points to stays where and as it is until raftcore_advance or raftcore_release of its number, or
 *           raftcore_free, whatever else you call. Out-parameters are written only on success.
 *     RAFTCORE_FLAG_DEBUG_POISON_VIEWS overwrites what has ended, so that a stale read shows in your tests.
 *
 * Threads
 *
 *     Any thread may use a node, one at a time; a second one is answered RAFTCORE_E_BUSY. Different nodes are independent. Nothing
 *     is thread-local; no locks, threads or descriptors are held, so fork is safe. Nothing throws or longjmps.
 *
 * Errors
 *
 *     0 is done, above 0 is information, below 0 is an error, and then the node is unchanged, but for RAFTCORE_E_PANIC.
 *     raftcore_strerror names the code, raftcore_error_detail has the numbers: what was seen, what is allowed, which setting.
 *     Beside what stands at each function, any call on a node may answer:
 *
 *         RAFTCORE_E_NULL      a pointer is NULL that may not be. A pointer may be NULL only where its line says so.
 *         RAFTCORE_E_HANDLE    the node was freed, or never made
 *         RAFTCORE_E_BUSY      another thread is in the node
 *         RAFTCORE_E_PANIC     a bug of ours was caught. The node does nothing any more; your process lives.
 *         RAFTCORE_E_POISONED  as above, earlier. Looking inside (group 6) and raftcore_free work.
 *         RAFTCORE_E_STATE     not now: see the table
 *         RAFTCORE_E_ARG       an unknown flag or kind, a reserved field that is not 0, a pointer that is not aligned
 *         RAFTCORE_E_ABI       a struct_size that this library does not know
 *
 * Versions
 *
 *     A struct that begins with struct_size may grow at its end: set struct_size to its sizeof. A shorter one than the library's
 *     counts as filled with zeros, which mean the old behaviour; a longer one is taken if what the library does not know is zero.
 *     Step through arrays by the stride that comes with them. Functions, codes, kinds and bits are only added: ignore what you do
 *     not know on the way out. Anything else raises RAFTCORE_ABI_VERSION and the soname. The wire has a version of its own.
 */

/* Generated from src/ffi by `make header`. */

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


/* ==================================================================================================================
 * Version
 * ================================================================================================================== */

#define RAFTCORE_ABI_VERSION                   1                /* goes into raftcore_config; grows only when something
                                                                   that exists changes */
#define RAFTCORE_VERSION_MAJOR                 0                /* of this page; raftcore_version_string tells of the
                                                                   library that runs */
#define RAFTCORE_VERSION_MINOR                 1
#define RAFTCORE_VERSION_PATCH                 0

/* Bits of raftcore_features. */
#define RAFTCORE_FEATURE_CHECKED               UINT64_C(1)      /* built with internal checks, for tests */


/* ==================================================================================================================
 * Codes
 * ================================================================================================================== */

#define RAFTCORE_OK                            0                /* done */
#define RAFTCORE_NONE                          1                /* nothing there: no ready, fetch or event */
#define RAFTCORE_IGNORED                       2                /* a supply that is no longer wanted; nothing done */
#define RAFTCORE_LAST                          3                /* raftcore_turn: a ready, and nothing can follow it
                                                                   before something happens */
#define RAFTCORE_FETCH_FIRST                   4                /* raftcore_turn: raftcore_next_fetch has something,
                                                                   which comes first */
#define RAFTCORE_E_NULL                        (-1)             /* a required pointer is NULL */
#define RAFTCORE_E_HANDLE                      (-2)             /* not a live node: freed, or never made */
#define RAFTCORE_E_BUSY                        (-3)             /* another thread is in the node */
#define RAFTCORE_E_PANIC                       (-4)             /* a bug was caught; the node is poisoned now */
#define RAFTCORE_E_POISONED                    (-5)             /* poisoned earlier; looking inside and free still
                                                                   work */
#define RAFTCORE_E_ABI                         (-6)             /* abi_version or struct_size is not one this library
                                                                   knows */
#define RAFTCORE_E_ARG                         (-7)             /* out of range, or a number or index never handed
                                                                   out */
#define RAFTCORE_E_STATE                       (-8)             /* a call out of order: see "Which call when" above */
#define RAFTCORE_E_STALE                       (-9)             /* acknowledged before; harmless */
#define RAFTCORE_E_NOMEM                       (-10)            /* an allocation failed */
#define RAFTCORE_E_FULL                        (-11)            /* a configured capacity is reached: retry after
                                                                   advance */
#define RAFTCORE_E_TOO_SMALL                   (-12)            /* the caller's buffer; the needed size was stored */
#define RAFTCORE_E_DECODE                      (-13)            /* malformed bytes */
#define RAFTCORE_E_NO_LEADER                   (-14)            /* no leader is known, or a transfer is under way */
#define RAFTCORE_E_NO_PEER                     (-15)            /* a response from somebody unknown; or no such peer */
#define RAFTCORE_E_CONF_BUSY                   (-16)            /* a configuration change is in flight */
#define RAFTCORE_E_CONF                        (-17)            /* a change that is invalid here; the detail says why */
#define RAFTCORE_E_CORRUPT                     (-18)            /* boot data contradict each other */
#define RAFTCORE_E_UNSUPPORTED                 (-19)            /* not in this library, or not in this storage mode */
#define RAFTCORE_E_NOT_FOR_ME                  (-20)            /* message to another id or group, from self, or of a
                                                                   local kind */
#define RAFTCORE_E_IMPLAUSIBLE                 (-21)            /* message contradicts what is committed here; an event
                                                                   tells */
#define RAFTCORE_E_TOO_LARGE                   (-22)            /* above a configured limit; snapshot data of that size
                                                                   travel beside the core */
#define RAFTCORE_E_NOT_LEADER                  (-23)            /* another node leads: raftcore_status.leader names
                                                                   it */


/* ==================================================================================================================
 * Words of Raft
 * ================================================================================================================== */

/* Roles. */
#define RAFTCORE_ROLE_FOLLOWER                 0                /* follows a leader, or waits for one */
#define RAFTCORE_ROLE_CANDIDATE                1
#define RAFTCORE_ROLE_LEADER                   2
#define RAFTCORE_ROLE_PRE_CANDIDATE            3                /* asks first whether it could win (PreVote) */

/* Kinds of entries. The numbers are raftpb's, as in all that goes over the wire. */
#define RAFTCORE_ENTRY_NORMAL                  0                /* data of the application; empty: a leader's first
                                                                   entry */
#define RAFTCORE_ENTRY_CONF_CHANGE             1                /* a configuration change, first encoding */
#define RAFTCORE_ENTRY_CONF_CHANGE_V2          2                /* configuration changes, second encoding */

/* Kinds of messages. Most hosts never look: a frame goes to raftcore_msg.to, and that is all. */
#define RAFTCORE_MSG_HUP                       0                /* never leaves a node */
#define RAFTCORE_MSG_BEAT                      1
#define RAFTCORE_MSG_PROP                      2                /* proposals on their way to the leader */
#define RAFTCORE_MSG_APP                       3                /* append entries */
#define RAFTCORE_MSG_APP_RESP                  4
#define RAFTCORE_MSG_VOTE                      5
#define RAFTCORE_MSG_VOTE_RESP                 6
#define RAFTCORE_MSG_SNAP                      7                /* a snapshot: see raftcore_snapshot_split */
#define RAFTCORE_MSG_HEARTBEAT                 8
#define RAFTCORE_MSG_HEARTBEAT_RESP            9
#define RAFTCORE_MSG_UNREACHABLE               10
#define RAFTCORE_MSG_SNAP_STATUS               11
#define RAFTCORE_MSG_CHECK_QUORUM              12
#define RAFTCORE_MSG_TRANSFER_LEADER           13
#define RAFTCORE_MSG_TIMEOUT_NOW               14
#define RAFTCORE_MSG_READ_INDEX                15
#define RAFTCORE_MSG_READ_INDEX_RESP           16
#define RAFTCORE_MSG_PRE_VOTE                  17
#define RAFTCORE_MSG_PRE_VOTE_RESP             18
#define RAFTCORE_MSG_STORAGE_APPEND            19               /* to RAFTCORE_ID_LOCAL_APPEND;
                                                                   RAFTCORE_STORAGE_MESSAGES only */
#define RAFTCORE_MSG_STORAGE_APPEND_RESP       20
#define RAFTCORE_MSG_STORAGE_APPLY             21               /* to RAFTCORE_ID_LOCAL_APPLY; RAFTCORE_STORAGE_MESSAGES
                                                                   only */
#define RAFTCORE_MSG_STORAGE_APPLY_RESP        22
#define RAFTCORE_MSG_FORGET_LEADER             23

/* Targets that are no peers, with RAFTCORE_STORAGE_MESSAGES. Ids of nodes are 1 to 2^64-17. */
#define RAFTCORE_ID_LOCAL_APPEND               UINT64_C(18446744073709551615) /* this node's storage */
#define RAFTCORE_ID_LOCAL_APPLY                UINT64_C(18446744073709551614)

/* Steps of a configuration change. */
#define RAFTCORE_CHANGE_ADD_NODE               0                /* becomes a voter */
#define RAFTCORE_CHANGE_REMOVE_NODE            1
#define RAFTCORE_CHANGE_UPDATE_NODE            2                /* changes nothing; carries a context */
#define RAFTCORE_CHANGE_ADD_LEARNER            3

/* How a change takes effect. */
#define RAFTCORE_TRANSITION_AUTO               0                /* in a single step if it can be, else joint and left by
                                                                   itself */
#define RAFTCORE_TRANSITION_JOINT_IMPLICIT     1                /* joint, left by itself */
#define RAFTCORE_TRANSITION_JOINT_EXPLICIT     2                /* joint, left by a later empty change */
#define RAFTCORE_TRANSITION_V1                 3                /* exactly one change, in the first encoding */


/* ==================================================================================================================
 * Choices and bits
 * ================================================================================================================== */

/* raftcore_config.storage */
#define RAFTCORE_STORAGE_SYNC                  0                /* one ready at a time, ended by raftcore_advance */
#define RAFTCORE_STORAGE_ASYNC                 1                /* several at once: raftcore_persisted, _applied,
                                                                   _release */
#define RAFTCORE_STORAGE_MESSAGES              2                /* as etcd's AsyncStorageWrites: raftcore_step_local */

/* raftcore_config.dialect */
#define RAFTCORE_DIALECT_RAFTPB                0                /* the schema of etcd's raft */

/* raftcore_config_preset */
#define RAFTCORE_PRESET_ETCD                   1                /* etcd's choice wherever the defaults differ */

/* raftcore_config.flags */
#define RAFTCORE_FLAG_PRE_VOTE                 UINT64_C(1)      /* default on: asks before it raises its term */
#define RAFTCORE_FLAG_CHECK_QUORUM             UINT64_C(2)      /* default on: a leader that hears no quorum steps
                                                                   down */
#define RAFTCORE_FLAG_LEASE_READS              UINT64_C(4)      /* reads by lease: bounded clock drift, and
                                                                   CHECK_QUORUM */
#define RAFTCORE_FLAG_DEBUG_POISON_VIEWS       UINT64_C(8)      /* views turn to 0xDD when they end; for tests of a
                                                                   host */
#define RAFTCORE_FLAG_VOTE_REQUEST_EARLY       UINT64_C(16)     /* etcd: MsgVote may leave before its hard state is
                                                                   durable */
#define RAFTCORE_FLAG_STAY_WHEN_REMOVED        UINT64_C(32)     /* etcd: a removed or demoted leader goes on leading */
#define RAFTCORE_FLAG_REFUSED_CONF_AS_EMPTY    UINT64_C(64)     /* etcd: a refused change is appended as an empty
                                                                   entry */
#define RAFTCORE_FLAG_LEASE_IN_TRANSFER        UINT64_C(128)    /* etcd: lease reads go on during a transfer */
#define RAFTCORE_FLAG_TRANSFER_FENCE           UINT64_C(256)    /* index and term in MsgTimeoutNow; all nodes must be
                                                                   able */
#define RAFTCORE_FLAG_COMMIT_IN_VOTES          UINT64_C(512)    /* commit index in votes; all nodes must be able */
#define RAFTCORE_FLAG_READ_AT_ONCE             UINT64_C(1024)   /* etcd: a read is answered before its index is
                                                                   applied */
#define RAFTCORE_FLAG_BATCH_APPEND             UINT64_C(2048)   /* entries join an unsent append to the same peer */
#define RAFTCORE_FLAG_NO_COMMIT_BROADCAST      UINT64_C(4096)   /* a moved commit waits for the next append or
                                                                   heartbeat */
#define RAFTCORE_FLAG_NOMINATE_SUCCESSOR       UINT64_C(8192)   /* a leader that its change removes hands over first */
#define RAFTCORE_FLAG_NO_CONF_VALIDATION       UINT64_C(16384)  /* etcd: changes are neither validated when proposed nor
                                                                   kept apart: for all nodes or none */
#define RAFTCORE_FLAG_FORWARDING               UINT64_C(32768)  /* a follower passes proposals on to the leader, and
                                                                   their tokens come back as unknown; default off, etcd:
                                                                   on */
#define RAFTCORE_FLAG_DECODED_MSGS             UINT64_C(65536)  /* raftcore_msg.entries is filled */
#define RAFTCORE_FLAG_RETIRE_GRACEFULLY        UINT64_C(131072) /* a removed or demoted leader leads on until a quorum
                                                                   of the others has learned of it; default on, etcd:
                                                                   off */
#define RAFTCORE_FLAG_QUIET_COMMIT             UINT64_C(262144) /* an append that only tells the commit index asks a
                                                                   peer that streams for no answer; default on, etcd:
                                                                   off */
#define RAFTCORE_FLAG_COMMITTED_SPANS          UINT64_C(524288) /* committed entries that left the recent log come as a
                                                                   span without entries, which raftcore_applied
                                                                   confirms */
#define RAFTCORE_FLAG_CONF_APART               UINT64_C(1048576) /* changes are applied apart from their entries, by
                                                                   raftcore_apply_change, late or never; default off,
                                                                   etcd: on */
#define RAFTCORE_FLAG_SNAPSHOT_ANY_CONF        UINT64_C(2097152) /* a supplied snapshot may have a configuration without
                                                                   its receiver; default off, etcd: on */

/* raftcore_ready.flags */
#define RAFTCORE_RF_HARD_STATE                 UINT64_C(1)      /* term, vote or commit changed: store them */
#define RAFTCORE_RF_MUST_SYNC                  UINT64_C(2)      /* what is written must be durable before the host goes
                                                                   on */
#define RAFTCORE_RF_SOFT_STATE                 UINT64_C(4)      /* role or leader changed */
#define RAFTCORE_RF_SNAPSHOT                   UINT64_C(8)      /* a snapshot to install */

/* raftcore_msg.flags */
#define RAFTCORE_MF_AFTER                      UINT64_C(1)      /* may leave only when all readies up to its own are
                                                                   durable */
#define RAFTCORE_MF_REJECT                     UINT64_C(2)      /* a response that refuses; an append without entries
                                                                   that needs no answer */

/* raftcore_has_ready: what the next ready would hold */
#define RAFTCORE_HAS_HARD_STATE                1                /* term, vote or commit changed */
#define RAFTCORE_HAS_SOFT_STATE                2
#define RAFTCORE_HAS_SNAPSHOT                  4
#define RAFTCORE_HAS_ENTRIES                   8
#define RAFTCORE_HAS_MESSAGES                  16               /* own votes and acknowledgements count, too */
#define RAFTCORE_HAS_COMMITTED                 32
#define RAFTCORE_HAS_READS                     64
#define RAFTCORE_HAS_DROPPED                   128
#define RAFTCORE_HAS_FETCH                     256              /* raftcore_next_fetch has something */
#define RAFTCORE_HAS_EVENTS                    512              /* raftcore_next_event has something */

/* raftcore_drop.what */
#define RAFTCORE_DROP_NOT_COMMITTED            1                /* surely not committed: at its index another entry is,
                                                                   or below it one of a later term */
#define RAFTCORE_DROP_UNKNOWN                  2                /* may be committed or not: passed on, or under a
                                                                   snapshot */
#define RAFTCORE_DROP_READ                     3                /* a read that will not be answered: start it again */

/* raftcore_fetch.kind */
#define RAFTCORE_FETCH_ENTRIES                 1                /* answer with raftcore_supply_entries or _none */
#define RAFTCORE_FETCH_SNAPSHOT                2                /* answer with raftcore_supply_snapshot or _none */
#define RAFTCORE_FETCH_APPLY                   3                /* this node's own log, to apply; answer with
                                                                   raftcore_supply_entries, or _none with LATER */

/* raftcore_supply_none */
#define RAFTCORE_SUPPLY_GONE                   1                /* compacted away: a snapshot is asked for instead */
#define RAFTCORE_SUPPLY_LATER                  2                /* not now: asked again later */

/* raftcore_report_snapshot */
#define RAFTCORE_SNAPSHOT_FAILED               0                /* it did not arrive: it is asked for again */
#define RAFTCORE_SNAPSHOT_ARRIVED              1                /* it arrived with all its data */
#define RAFTCORE_SNAPSHOT_UNDER_WAY            2                /* it is being sent: snapshot_timeout_ticks begin
                                                                   anew */

/* raftcore_frame_next */
#define RAFTCORE_FRAME_HEADER                  12               /* bytes before a frame's message: u32 length of the
                                                                   message, u64 group, both little-endian */

/* raftcore_peer.flow */
#define RAFTCORE_FLOW_PROBE                    0                /* one append at a time, to find where the logs meet */
#define RAFTCORE_FLOW_REPLICATE                1                /* appends in flight up to the window */
#define RAFTCORE_FLOW_SNAPSHOT                 2                /* a snapshot is under way */

/* raftcore_peer.flags */
#define RAFTCORE_PF_VOTER                      1u               /* a voter; in a joint configuration of the incoming
                                                                   half */
#define RAFTCORE_PF_OUTGOING                   2u               /* a voter of the outgoing half */
#define RAFTCORE_PF_LEARNER                    4u
#define RAFTCORE_PF_ACTIVE                     8u               /* heard from since the last quorum check */
#define RAFTCORE_PF_PAUSED                     16u              /* nothing is sent before it answers */
#define RAFTCORE_PF_WINDOW_FULL                32u
#define RAFTCORE_PF_CAUGHT_UP                  64u              /* near enough to be promoted */
#define RAFTCORE_PF_FETCHING                   128u             /* waits for a supply */

/* raftcore_event.kind; raftcore_event_text has the words */
#define RAFTCORE_EVENT_BECAME_FOLLOWER         1                /* peer is the leader; 0: none */
#define RAFTCORE_EVENT_BECAME_PRE_CANDIDATE    2
#define RAFTCORE_EVENT_BECAME_CANDIDATE        3
#define RAFTCORE_EVENT_BECAME_LEADER           4                /* leads in term; its first entry is at index */
#define RAFTCORE_EVENT_LEADER_READY            5                /* that entry is applied: serves reads and changes
                                                                   now */
#define RAFTCORE_EVENT_IGNORED                 6                /* a message was ignored: a is its kind */
#define RAFTCORE_EVENT_ALARM                   7                /* a message contradicts what is held here: a is its
                                                                   kind, b what it says */
#define RAFTCORE_EVENT_VOTE_REFUSED            8                /* peer asked in term */
#define RAFTCORE_EVENT_CAMPAIGN_REFUSED        9
#define RAFTCORE_EVENT_CONF_APPLIED            10               /* the entry at index is in force; a voters, b
                                                                   learners */
#define RAFTCORE_EVENT_CONF_SKIPPED            11
#define RAFTCORE_EVENT_SNAPSHOT_RESTORED       12
#define RAFTCORE_EVENT_SNAPSHOT_SENT           13
#define RAFTCORE_EVENT_SNAPSHOT_ENDED          14               /* a is 1 if it arrived */
#define RAFTCORE_EVENT_TRANSFER_STARTED        15
#define RAFTCORE_EVENT_TRANSFER_ENDED          16               /* without success */
#define RAFTCORE_EVENT_NO_LEADER_LONG          17               /* for a ticks */
#define RAFTCORE_EVENT_PEER_LAGS               18               /* by a entries */
#define RAFTCORE_EVENT_PAUSED                  19               /* a ticks came in one burst */
#define RAFTCORE_EVENT_MESSAGE_LOST            20               /* a is its kind */
#define RAFTCORE_EVENT_PROPOSAL_REFUSED        21               /* peer passed it on */
#define RAFTCORE_EVENT_REPAIRED                22               /* at boot: a was stored, b is used */
#define RAFTCORE_EVENT_TRUNCATED               23               /* from index up to a; from b on they were this node's
                                                                   own, appended while it led (0: none) */
#define RAFTCORE_EVENT_POISONED                24
#define RAFTCORE_EVENT_APPLY_WAITS             25               /* the host was asked for its own entries from index on,
                                                                   a ticks ago; nothing is applied before they come */

/* raftcore_event.reason, raftcore_drop.reason; raftcore_reason_text has the words */
#define RAFTCORE_REASON_NONE                   0                /* none in particular */
#define RAFTCORE_REASON_LOWER_TERM             1                /* a message of an older term */
#define RAFTCORE_REASON_NOT_LEADER             2                /* only a leader takes it */
#define RAFTCORE_REASON_NOT_FOLLOWER           3                /* only a follower takes it */
#define RAFTCORE_REASON_LEADER_ALIVE           4                /* a leader is alive: no vote */
#define RAFTCORE_REASON_VOTE_FENCE             5                /* started too recently to vote */
#define RAFTCORE_REASON_LATE_VOTE              7                /* an answer to an election that is over */
#define RAFTCORE_REASON_TRANSFER_FENCE         8                /* a transfer that names another term or a longer log */
#define RAFTCORE_REASON_NOT_PROMOTABLE         9                /* may not campaign */
#define RAFTCORE_REASON_CHANGE_UNAPPLIED       10               /* a committed configuration change is not applied
                                                                   yet */
#define RAFTCORE_REASON_SECOND_LEADER          11               /* a second leader in this term */
#define RAFTCORE_REASON_CONFLICT_BELOW_COMMIT  12               /* an append contradicts a committed entry */
#define RAFTCORE_REASON_COMMIT_BEYOND_LOG      13               /* the leader says more is committed than this log has:
                                                                   acknowledged entries are gone */
#define RAFTCORE_REASON_ACK_BEYOND_LOG         14               /* an acknowledgement beyond this log */
#define RAFTCORE_REASON_STALE_REJECT           16               /* an old rejection */
#define RAFTCORE_REASON_OLD_SNAPSHOT           17               /* a snapshot that is covered already */
#define RAFTCORE_REASON_SNAPSHOT_WITHOUT_SELF  18               /* a snapshot whose configuration lacks this node */
#define RAFTCORE_REASON_SNAPSHOT_CONF          19               /* a snapshot whose configuration is invalid */
#define RAFTCORE_REASON_PEER_SILENT            20               /* the peer is silent */
#define RAFTCORE_REASON_SNAPSHOT_TIMEOUT       21               /* no report about a snapshot */
#define RAFTCORE_REASON_OUTBOX_FULL            22               /* too many messages in one ready: this one is lost */
#define RAFTCORE_REASON_TRANSFER_TARGET        23               /* the transfer's target can't lead */
#define RAFTCORE_REASON_TRANSFER_DEADLINE      24               /* the transfer took too long */
#define RAFTCORE_REASON_TRANSFEREE_GONE        25               /* the transfer's target was removed or demoted */
#define RAFTCORE_REASON_TRANSFER_ABORTED       26               /* the transfer was called off */
#define RAFTCORE_REASON_LEADERSHIP_LOST        27               /* leadership was lost */
#define RAFTCORE_REASON_LEADER_CHANGED         28               /* the leader changed */
#define RAFTCORE_REASON_READ_TIMEOUT           29               /* no answer to a forwarded read in time */
#define RAFTCORE_REASON_LATE_READ_ANSWER       30               /* an answer to a read that nobody waits for */
#define RAFTCORE_REASON_READ_CONTEXT           31               /* a read context that was never issued */
#define RAFTCORE_REASON_FORWARDED              32               /* passed on to the leader */
#define RAFTCORE_REASON_OVERWRITTEN            33               /* another entry was committed at its index, or one of a
                                                                   later term below it */
#define RAFTCORE_REASON_COVERED_BY_SNAPSHOT    34               /* a snapshot covers its index */
#define RAFTCORE_REASON_FORWARDED_FULL         35               /* a forwarded proposal was refused: a limit is
                                                                   reached */
#define RAFTCORE_REASON_FORWARDED_CONF         36               /* a forwarded configuration change was refused */
#define RAFTCORE_REASON_NO_LEADER              37               /* no leader is known */
#define RAFTCORE_REASON_NO_QUORUM              39               /* no quorum was heard within an election timeout */
#define RAFTCORE_REASON_REMOVED                40               /* this node was removed or demoted */
#define RAFTCORE_REASON_HIGHER_TERM            41               /* a message of a higher term */
#define RAFTCORE_REASON_ELECTION_LOST          42               /* an election was lost */
#define RAFTCORE_REASON_PRIORITY               43               /* a node of higher priority objects */
#define RAFTCORE_REASON_VOTED_OTHER            44               /* the vote went to another, or a leader is known */
#define RAFTCORE_REASON_OLDER_LOG              45               /* the candidate's log is older */
#define RAFTCORE_REASON_UNKNOWN_PEER           46               /* not a peer */
#define RAFTCORE_REASON_LEASE                  48               /* lease reads forbid forgetting the leader */
#define RAFTCORE_REASON_LOG_FULL               50               /* the recent log is full of entries that are not
                                                                   durable */
#define RAFTCORE_REASON_TERM_EXHAUSTED         51               /* the term is too high */
#define RAFTCORE_REASON_LEAVE_REFUSED          52               /* leaving the joint configuration was refused for
                                                                   now */
#define RAFTCORE_REASON_SNAPSHOT_CONFLICT      53               /* a snapshot contradicts a committed entry */
#define RAFTCORE_REASON_OWN_WRITE              54               /* this leader's own writes take too long */

/**
 * One node. Opaque; its address never moves.
 *
 * Freed handles are kept apart for a while, so that a call on one answers RAFTCORE_E_HANDLE. That is best effort: after
 * 256 more frees the place may hold another node.
 */
typedef struct raftcore_node raftcore_node;

/**
 * What a call answers: 0 done, above 0 an information, below 0 an error. Unknown numbers may come from a newer library:
 * take a negative one as fatal to the call only.
 */
typedef int32_t raftcore_code;

/**
 * A node's configuration. raftcore_config_init fills in the defaults; set id, seed and what differs.
 */
typedef struct raftcore_config {
    uint32_t struct_size;               /* sizeof(raftcore_config) */
    uint32_t abi_version;               /* RAFTCORE_ABI_VERSION */
    uint64_t id;                        /* this node, 1 to 2^64-17 */
    uint64_t group;                     /* any number; frames of another group are refused */
    uint64_t seed;                      /* not 0; draw another one at each start, or an old answer could serve a stale
                                           read */
    uint64_t flags;                     /* RAFTCORE_FLAG_*; default PRE_VOTE | CHECK_QUORUM | RETIRE_GRACEFULLY |
                                           QUIET_COMMIT */
    uint32_t storage;                   /* RAFTCORE_STORAGE_* */
    uint32_t dialect;                   /* RAFTCORE_DIALECT_RAFTPB */
    uint32_t election_ticks;            /* without a leader until an election, up to twice as many by chance; above
                                           heartbeat_ticks; default 10 */
    uint32_t heartbeat_ticks;           /* between a leader's heartbeats; default 1 */
    uint32_t read_timeout_ticks;        /* until a read that was passed on fails; default 20 */
    uint32_t snapshot_timeout_ticks;    /* a peer may stay in snapshot state without a report; 0: for ever; default
                                           600 */
    uint32_t vote_fence_ticks;          /* after a boot in which no vote is granted; default UINT32_MAX: election_ticks
                                           with LEASE_READS, else 0 */
    uint32_t max_peers;                 /* members of a configuration, 1 to 256; default 16 */
    uint32_t max_inflight_msgs;         /* appends in flight to one peer, 1 to 65536; default 256 */
    uint32_t max_outstanding;           /* readies outstanding, 1 to 1024; one in SYNC; default 8 */
    uint32_t max_entries_per_ready;     /* to store, and to apply, in one ready; default 1024 */
    uint32_t max_messages;              /* in one ready, 16 or more; default 1024 */
    uint32_t max_reads;                 /* reads waiting; default 1024 */
    uint32_t max_tokens;                /* proposals with a token waiting; default 8192 */
    int32_t priority;                   /* among equal logs the higher wins; default 0 */
    uint32_t max_apply_unpersisted;     /* ASYNC: entries handed out for apply this far beyond what is durable; default
                                           0 */
    uint64_t recent_bytes;              /* entries kept in memory; at least 4 * block_bytes; default 16 MiB */
    uint64_t catchup_bytes;             /* entries supplied for peers far behind, all together; default 8 MiB */
    uint64_t max_size_per_msg;          /* payload of one append; one entry goes at least; default 1 MiB */
    uint64_t max_committed_size_per_ready; /* handed out and not yet applied; default 4 MiB */
    uint64_t max_uncommitted_size;      /* payload of a leader's uncommitted entries; default 8 MiB */
    uint64_t max_inflight_bytes;        /* in flight to one peer; 0: no limit (default) */
    uint64_t max_entry_bytes;           /* payload of one entry, to 2^30; default 4 MiB */
    uint64_t max_snapshot_bytes;        /* snapshot data that may pass through the core, to 2^31; default 1 MiB */
    uint64_t block_bytes;               /* unit of the memory for entries, 4 KiB to 16 MiB; default 256 KiB */
    uint32_t own_write_timeout_ticks;   /* a leader whose own writes make nothing durable for so long steps down; 0:
                                           never; default 100 */
    uint32_t reserved0;                 /* 0 */
} raftcore_config;

/**
 * Bytes. ptr may be NULL if len is 0. On POSIX systems an array of these is an array of struct iovec.
 */
typedef struct raftcore_slice {
    const uint8_t *ptr;                 /* first byte */
    size_t len;                         /* bytes */
} raftcore_slice;

/**
 * A configuration: who votes, who learns.
 *
 * Into a call: bytes if bytes.ptr is not NULL, else the ids. Out of one: both.
 */
typedef struct raftcore_conf {
    uint32_t struct_size;               /* sizeof(raftcore_conf) */
    uint32_t auto_leave;                /* 1: a joint configuration is left by itself */
    const uint64_t *voters;             /* in a joint configuration: the incoming half */
    const uint64_t *outgoing;           /* the outgoing half; empty unless joint */
    const uint64_t *learners;           /* learners */
    const uint64_t *learners_next;      /* learners once the joint configuration is left */
    uint32_t n_voters;                  /* count of voters */
    uint32_t n_outgoing;                /* count of outgoing */
    uint32_t n_learners;                /* count of learners */
    uint32_t n_learners_next;           /* count of learners_next */
    raftcore_slice bytes;               /* what a host stores: a raftpb ConfState that carries index (field 15) */
    raftcore_slice context;             /* out of raftcore_apply_conf: the change's own context, an address for
                                           example */
    uint64_t index;                     /* what it is as of; 0: not known. The bytes carry it, too */
} raftcore_conf;

/**
 * A stretch of the log that has one term, up to the next run.
 */
typedef struct raftcore_run {
    uint64_t first;                     /* first index */
    uint64_t term;                      /* term */
} raftcore_run;

/**
 * An entry of the log.
 */
typedef struct raftcore_entry {
    uint64_t term;                      /* of the leader that made it */
    uint64_t index;                     /* position in the log, from 1 */
    uint32_t kind;                      /* RAFTCORE_ENTRY_* */
    uint32_t reserved0;                 /* 0 */
    raftcore_slice data;                /* the proposal; empty: a leader's first entry */
    uint64_t token;                     /* in committed, on the node that took the proposal: the proposer's. 0
                                           elsewhere */
} raftcore_entry;

/**
 * What a host has stored of a node: see raftcore_boot. All zero, with conf NULL: an empty disk.
 */
typedef struct raftcore_stored {
    uint32_t struct_size;               /* sizeof(raftcore_stored) */
    uint32_t reserved0;                 /* 0 */
    uint64_t term;                      /* hard state, as last stored */
    uint64_t vote;                      /* 0: none */
    uint64_t commit;                    /* highest index known to be committed */
    uint64_t applied;                   /* what the state machine has applied */
    uint64_t before_first;              /* where the log begins: the index before its first entry, which a snapshot or a
                                           compaction covers; founders: 1 */
    uint64_t before_first_term;         /* the term there; founders: 1 */
    uint64_t last;                      /* index of the log's last entry; before_first if there is none */
    const raftcore_conf *conf;          /* as of applied; NULL: none was ever stored */
    const raftcore_run *runs;           /* the term of each part of the log; NULL where entries begin at its first */
    const raftcore_entry *entries;      /* those above applied, at least, up to last; NULL if there are none */
    size_t n_runs;                      /* count of runs */
    size_t n_entries;                   /* count of entries */
    size_t reserved1;                   /* 0 */
} raftcore_stored;

/**
 * One frame of a stream: see raftcore_frame_next.
 */
typedef struct raftcore_frame {
    uint32_t struct_size;               /* sizeof(raftcore_frame) */
    uint32_t reserved0;                 /* 0 */
    uint64_t group;                     /* its group */
    raftcore_slice msg;                 /* the message, inside the buffer */
    uint64_t bytes;                     /* of the whole frame, header included; RAFTCORE_NONE: how many there must be, 0
                                           if that can't be told yet */
} raftcore_frame;

/**
 * A message to send. Hosts with a stream per peer write frame to the peer named to, and look at nothing else but flags.
 */
typedef struct raftcore_msg {
    uint64_t to;                        /* peer */
    uint64_t from;                      /* this node */
    uint64_t term;                      /* 0 in a proposal that is passed on */
    uint64_t log_term;                  /* term of the entry at index, in most kinds */
    uint64_t index;                     /* what it is about, as in raftpb; of RAFTCORE_MSG_SNAP: what the snapshot
                                           covers, log_term the term there */
    uint64_t commit;                    /* sender's commit index */
    uint64_t reject_hint;               /* of a refused append: where to try next */
    uint64_t vote;                      /* of a local storage message */
    uint64_t flags;                     /* RAFTCORE_MF_* */
    uint32_t kind;                      /* RAFTCORE_MSG_* */
    uint32_t reserved0;                 /* 0 */
    const raftcore_slice *frame;        /* gather list; its bytes: u32 length of the message, u64 group (little-endian),
                                           the raftpb message */
    const raftcore_entry *entries;      /* what an append or a proposal carries, to look at: the whole message is frame.
                                           NULL without RAFTCORE_FLAG_DECODED_MSGS */
    uint32_t n_frame;                   /* slices in frame, 1 or more */
    uint32_t frame_bytes;               /* their bytes together */
    uint32_t n_entries;                 /* entries in entries */
    uint32_t entry_stride;              /* bytes from one of them to the next */
    raftcore_slice context;             /* of a heartbeat, its answer, a vote; empty for most */
    raftcore_slice snapshot_conf;       /* of RAFTCORE_MSG_SNAP: the configuration as of index, as raftpb ConfState */
} raftcore_msg;

/**
 * A read that may be served now.
 */
typedef struct raftcore_read {
    uint64_t token;                     /* the caller's */
    uint64_t index;                     /* the state to read must have applied this index */
} raftcore_read;

/**
 * A proposal or read that has failed.
 */
typedef struct raftcore_drop {
    uint64_t token;                     /* the caller's */
    uint32_t what;                      /* RAFTCORE_DROP_* */
    uint32_t reason;                    /* see raftcore_reason_text */
} raftcore_drop;

/**
 * A proposal committed in a span that comes without entries.
 */
typedef struct raftcore_done {
    uint64_t token;                     /* the caller's */
    uint64_t index;                     /* of its entry */
} raftcore_done;

/**
 * One batch of work. See raftcore_get_ready.
 */
typedef struct raftcore_ready {
    uint32_t struct_size;               /* caller: sizeof(raftcore_ready) */
    uint32_t role;                      /* RAFTCORE_ROLE_* */
    uint64_t flags;                     /* RAFTCORE_RF_* */
    uint64_t number;                    /* 1, 2, 3, ... since boot */
    uint64_t term;                      /* hard state as of this batch, changed or not */
    uint64_t vote;                      /* 0: none */
    uint64_t commit;                    /* highest index known to be committed */
    uint64_t leader;                    /* 0: none known */
    uint64_t snapshot_index;            /* RAFTCORE_RF_SNAPSHOT: covers the log up to here */
    uint64_t snapshot_term;             /* term of the entry at snapshot_index */
    uint64_t committed_first;           /* to apply: from here */
    uint64_t committed_last;            /* to here, both included; 0, 0: nothing */
    raftcore_slice snapshot_conf;       /* configuration of the snapshot, as raftpb ConfState */
    raftcore_slice snapshot_data;       /* empty if the data travel the host's way */
    const raftcore_entry *entries;      /* to store: replace everything from entries[0].index on */
    const raftcore_entry *committed;    /* to apply, all of the span. Only with RAFTCORE_FLAG_COMMITTED_SPANS may it be
                                           empty: read the host's log then */
    const raftcore_msg *msgs;           /* to send, in order */
    const raftcore_read *reads;         /* reads to serve */
    const raftcore_drop *dropped;       /* proposals and reads that failed */
    const raftcore_done *done;          /* tokens of a span that comes without entries */
    uint32_t n_entries;                 /* count of entries */
    uint32_t n_committed;               /* count of committed */
    uint32_t n_msgs;                    /* count of msgs */
    uint32_t n_reads;                   /* count of reads */
    uint32_t n_dropped;                 /* count of dropped */
    uint32_t n_done;                    /* count of done */
    uint32_t entry_stride;              /* bytes from one entry to the next: step by this, not by sizeof */
    uint32_t msg_stride;                /* of msgs */
    uint32_t read_stride;               /* of reads */
    uint32_t drop_stride;               /* of dropped */
    uint32_t done_stride;               /* of done */
    uint32_t reserved0;                 /* 0 */
} raftcore_ready;

/**
 * A request to read the host's log or to make a snapshot: for a peer that is far behind, or for this node to apply.
 */
typedef struct raftcore_fetch {
    uint32_t struct_size;               /* sizeof(raftcore_fetch) */
    uint32_t kind;                      /* RAFTCORE_FETCH_* */
    uint64_t id;                        /* goes into the answer */
    uint64_t peer;                      /* for whom; APPLY: this node itself */
    uint64_t first;                     /* ENTRIES, APPLY: from this index; SNAPSHOT: at least up to first - 1 */
    uint64_t last;                      /* ENTRIES, APPLY: to this index, both included */
    uint64_t max_bytes;                 /* ENTRIES, APPLY: more than this is not taken now, but for one entry */
} raftcore_fetch;

/**
 * What a peer says when a connection opens.
 */
typedef struct raftcore_hello_info {
    uint32_t struct_size;               /* sizeof(raftcore_hello_info) */
    uint32_t version;                   /* of the wire format */
    uint64_t features;                  /* what it is able to do */
    uint64_t group;                     /* its group */
    uint64_t id;                        /* its id */
} raftcore_hello_info;

/**
 * What has happened since the last raftcore_turn, and what became of the frames.
 */
typedef struct raftcore_input {
    uint32_t struct_size;               /* sizeof(raftcore_input) */
    uint32_t ticks;                     /* that passed; 0: none */
    uint64_t done;                      /* as raftcore_advance of this ready; 0: none */
    uint64_t persisted;                 /* ASYNC: as raftcore_persisted; 0: none */
    uint64_t applied;                   /* ASYNC: as raftcore_applied; 0: none */
    uint64_t released;                  /* ASYNC: as raftcore_release; 0: none */
    uint64_t peer;                      /* whose frames these are; 0: unchecked */
    raftcore_slice frames;              /* as raftcore_step_frames; may be empty */
    uint64_t consumed;                  /* out: bytes of whole frames that were taken */
    uint32_t rejected;                  /* out: frames refused among these */
    raftcore_code first;                /* out: why the first of them was: a code; 0: none was */
} raftcore_input;

/**
 * One step of a configuration change.
 */
typedef struct raftcore_change {
    uint64_t id;                        /* whom it concerns */
    uint32_t kind;                      /* RAFTCORE_CHANGE_* */
    uint32_t reserved0;                 /* 0 */
} raftcore_change;

/**
 * A node as it is now.
 */
typedef struct raftcore_status {
    uint32_t struct_size;               /* sizeof(raftcore_status) */
    uint32_t role;                      /* RAFTCORE_ROLE_* */
    uint64_t id;                        /* this node */
    uint64_t group;                     /* its group */
    uint64_t term;                      /* current term */
    uint64_t vote;                      /* whom it voted for in term; 0: nobody */
    uint64_t commit;                    /* highest index known to be committed */
    uint64_t applied;                   /* highest index the host has applied */
    uint64_t durable;                   /* highest index on this node's disk, of this log */
    uint64_t leader;                    /* 0: none known */
    uint64_t transferee;                /* who is to lead next; 0: nobody */
    uint64_t first_index;               /* of the log after the snapshot */
    uint64_t last_index;                /* end of the log */
    uint64_t last_term;                 /* its term */
    uint64_t recent_first;              /* first entry still in memory */
    uint64_t safe_to_compact;           /* entries up to here are applied, and on every member that a leader knows:
                                           nobody will need them as entries */
    uint64_t memory_bytes;              /* held by the node */
    uint64_t messages_dropped;          /* outgoing ones lost because a limit was reached */
    uint64_t messages_refused;          /* incoming ones answered with an error */
    uint64_t messages_ignored;          /* incoming ones that had no effect */
    uint64_t proposals_refused;         /* proposals answered with an error */
    uint64_t reads_failed;              /* reads in dropped */
    uint64_t events_lost;               /* events that came while too many were waiting */
    uint64_t implausible;               /* messages that contradict what is committed here: look into these */
    uint32_t n_peers;                   /* members, this node included */
    uint32_t n_outstanding;             /* readies handed out and not ended */
    uint32_t promotable;                /* 1: could lead */
    uint32_t electable;                 /* as raftcore_set_electable left it */
    uint32_t election_elapsed;          /* ticks since the election timer was reset */
    uint32_t election_timeout;          /* ticks at which it fires */
    uint32_t n_reads;                   /* reads waiting */
    uint32_t n_tokens;                  /* tokens waiting */
    uint64_t last_ready;                /* number of the newest ready handed out; 0: none yet */
    uint64_t late_ticks;                /* ticks that came while a ready waited to be taken: 0 for a host that is never
                                           late */
    uint64_t apply_waits;               /* first entry that the host is asked for to apply it (RAFTCORE_FETCH_APPLY); 0:
                                           none */
} raftcore_status;

/**
 * A leader's view of one member.
 */
typedef struct raftcore_peer {
    uint64_t id;                        /* whom */
    uint64_t match_index;               /* highest index known to be in its log */
    uint64_t next_index;                /* next index to send */
    uint64_t pending_snapshot;          /* index of the snapshot under way; 0: none */
    uint64_t inflight_bytes;            /* payload in flight */
    uint32_t inflight_msgs;             /* appends in flight */
    uint32_t flow;                      /* RAFTCORE_FLOW_* */
    uint32_t flags;                     /* RAFTCORE_PF_* */
    uint32_t silent_ticks;              /* since it was last heard */
} raftcore_peer;

/**
 * Something that happened, for logs, traces and tests.
 */
typedef struct raftcore_event {
    uint32_t kind;                      /* RAFTCORE_EVENT_* */
    uint32_t reason;                    /* see raftcore_reason_text */
    uint64_t peer;                      /* whom it concerns; 0: nobody */
    uint64_t term;                      /* the node's term then */
    uint64_t index;                     /* 0: none */
    uint64_t a;                         /* see RAFTCORE_EVENT_* */
    uint64_t b;
} raftcore_event;

/**
 * The head of a flat batch: see raftcore_ready_flat.
 *
 * Every number is little-endian, every place (`_at`) an offset in bytes from buf[0] and a multiple of 8. A list without
 * elements has count 0 and place 0. Records lie stride bytes apart.
 */
typedef struct raftcore_flat {
    uint32_t layout;                    /* 1; another layout gets another number */
    uint32_t role;                      /* RAFTCORE_ROLE_* */
    uint64_t total_bytes;               /* of the whole, a multiple of 8 */
    uint64_t flags;                     /* RAFTCORE_RF_* */
    uint64_t number;                    /* as in raftcore_ready, up to committed_last */
    uint64_t term;
    uint64_t vote;
    uint64_t commit;
    uint64_t leader;
    uint64_t snapshot_index;
    uint64_t snapshot_term;
    uint64_t committed_first;
    uint64_t committed_last;
    uint64_t snapshot_conf_at;          /* place of the snapshot's configuration */
    uint64_t snapshot_conf_bytes;
    uint64_t snapshot_data_at;          /* place of the snapshot's data */
    uint64_t snapshot_data_bytes;
    uint64_t entries_at;                /* raftcore_flat_entry[n_entries] */
    uint64_t committed_at;              /* raftcore_flat_entry[n_committed] */
    uint64_t msgs_at;                   /* raftcore_flat_msg[n_msgs] */
    uint64_t reads_at;                  /* raftcore_read[n_reads] */
    uint64_t dropped_at;                /* raftcore_drop[n_dropped] */
    uint64_t done_at;                   /* raftcore_done[n_done] */
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
    uint32_t reserved0;                 /* 0 */
} raftcore_flat;

/**
 * An entry of a flat batch.
 */
typedef struct raftcore_flat_entry {
    uint64_t term;                      /* as in raftcore_entry */
    uint64_t index;
    uint64_t token;
    uint64_t data_at;                   /* place of the data */
    uint64_t data_bytes;
    uint32_t kind;                      /* RAFTCORE_ENTRY_* */
    uint32_t reserved0;                 /* 0 */
} raftcore_flat_entry;

/**
 * A message of a flat batch.
 */
typedef struct raftcore_flat_msg {
    uint64_t to;                        /* as in raftcore_msg */
    uint64_t from;
    uint64_t term;
    uint64_t log_term;
    uint64_t index;
    uint64_t commit;
    uint64_t reject_hint;
    uint64_t vote;
    uint64_t flags;                     /* RAFTCORE_MF_* */
    uint64_t frame_at;                  /* place of the frame: header and message in one piece */
    uint64_t frame_bytes;
    uint32_t kind;                      /* RAFTCORE_MSG_* */
    uint32_t reserved0;                 /* 0 */
    uint64_t context_at;                /* place of the context */
    uint64_t context_bytes;
    uint64_t snapshot_conf_at;          /* place of the ConfState of RAFTCORE_MSG_SNAP */
    uint64_t snapshot_conf_bytes;
} raftcore_flat_msg;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus


/* ==================================================================================================================
 * 1  Make and free
 * ================================================================================================================== */

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
raftcore_boot_conf(raftcore_node *node, const raftcore_conf *conf, uint64_t before_first, uint64_t before_first_term);

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
 *          RAFTCORE_E_FULL     RAFTCORE_STORAGE_MESSAGES: unapplied entries are larger than recent_bytes
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


/* ==================================================================================================================
 * 2  The loop
 * ================================================================================================================== */

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
 *          RAFTCORE_E_NO_LEADER    a proposal that was passed on, and nobody to take it; it may also answer RAFTCORE_E_NOT_LEADER,
 *                                  RAFTCORE_E_CONF and RAFTCORE_E_CONF_BUSY, as raftcore_propose_conf
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
raftcore_step_frames(raftcore_node *node, uint64_t peer, const uint8_t *buf, size_t len, size_t *consumed_out,
    uint32_t *rejected_out, raftcore_code *first_out);

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
raftcore_propose_many(raftcore_node *node, const raftcore_slice *entries, const uint64_t *tokens, size_t count);

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
 *          RAFTCORE_E_DECODE     conf->bytes are no configuration
 *          The fetch stays open.
 * Rust     Node::supply_snapshot, Node::supply_snapshot_bytes
 */
RAFTCORE_API RAFTCORE_MUST_USE raftcore_code
raftcore_supply_snapshot(raftcore_node *node, uint64_t id, uint64_t index, const raftcore_conf *conf,
    raftcore_slice data);

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
raftcore_snapshot_split(const uint8_t *msg, size_t len, raftcore_slice *data_out, uint64_t *index_out,
    uint64_t *term_out);

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
raftcore_view_flat(raftcore_node *node, uint64_t number, uint8_t *buf, size_t cap, size_t *need_out);

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
raftcore_turn_flat(raftcore_node *node, raftcore_input *in, uint8_t *buf, size_t cap, size_t *need_out);


/* ==================================================================================================================
 * 3  Reads and membership
 * ================================================================================================================== */

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
raftcore_propose_conf(raftcore_node *node, const raftcore_change *c, size_t count, uint32_t transition,
    raftcore_slice context, uint64_t token);

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
raftcore_set_window(raftcore_node *node, uint64_t peer, uint32_t max_inflight_msgs, uint64_t max_inflight_bytes);

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


/* ==================================================================================================================
 * 4  Asynchronous storage
 * ================================================================================================================== */

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


/* ==================================================================================================================
 * 5  Many nodes
 * ================================================================================================================== */

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
raftcore_tick_many(raftcore_node *const *nodes, size_t count, uint32_t ticks, uint32_t *ready_out, size_t cap);


/* ==================================================================================================================
 * 6  Looking inside
 * ================================================================================================================== */

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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RAFTCORE_H */
