/*
 * raftlite.h: types and functions of more than one file of raftlite.so. README.md has the design and the states of a commit.
 *
 * A node is a replicated database file: a host of raftcore, the file, and the agreed state of the members. Threads:
 *
 *   connections   the program's own: SQLite calls the functions of file.c
 *   loop          the host's: node.c, snapshot.c; applies an entry at once if no reader holds the file
 *   applier       apply.c: waits for readers, then applies; settles commits of unknown outcome
 *
 * `mutex` guards the fields of struct rl_node. `file_mutex` is held from the first write of an entry to the last, so that
 * a snapshot begins between two entries. Never call the host with `mutex` held: the host's lock comes first.
 */
#ifndef RAFTLITE_H
#define RAFTLITE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sqlite3.h>

#include "raftcore_host.h"

enum {
    RL_PATH = 1024,
    RL_BLOCK = 512,           /* smallest page of SQLite: the unit of what a transaction has written */
    RL_PART = 512 * 1024,     /* body bytes of an entry */
    RL_DONE = 64,             /* members whose last transaction is remembered */
    RL_QUEUE = 64 << 20,      /* bytes of entries that wait for readers, before the host waits too */
    RL_WORDS = 200,
};

/* ---- bytes beside the file: in memory, and above a bound in a file without a name (scratch.c) ---- */

struct rl_scratch {
    int fd; /* -1: none yet */
    bool on_disk;
    uint64_t size;
};

int rl_scratch_write(struct rl_scratch *s, const char *dir, const void *from, size_t len, uint64_t at);
int rl_scratch_read(const struct rl_scratch *s, void *to, size_t len, uint64_t at); /* zeros behind the end */
int rl_scratch_truncate(struct rl_scratch *s, uint64_t size);
void rl_scratch_close(struct rl_scratch *s);
size_t rl_read_fd(int fd, void *to, size_t len, uint64_t at); /* fewer: the end; SIZE_MAX: errno */

/* ---- entries of the log (entry.c) ---- */

enum rl_kind { RL_KIND_PART = 1, RL_KIND_LAST, RL_KIND_FENCE };
enum { RL_HEAD = 64 };

/* A transaction is an entry LAST, or several PARTs and a LAST with consecutive bodies. */
struct rl_entry {
    uint64_t kind;
    uint64_t node, number; /* of the proposer; drawn for each transaction */
    uint64_t base;         /* the entry that counted last where the transaction was made */
    uint64_t at;           /* of this body in the whole */
    uint64_t low, size;    /* LAST: the smallest size of the file in the transaction; its size at the end */
    raftcore_slice body;
};

void rl_put(uint8_t *to, uint64_t x, int n); /* n bytes, little-endian */
uint64_t rl_get(const uint8_t *from, int n);
void rl_entry_write(const struct rl_entry *e, uint8_t head[RL_HEAD]);
bool rl_entry_read(raftcore_slice bytes, struct rl_entry *e);

/* A body: records of an offset in the file (8 bytes), a length (4 bytes), and bytes. From memory or from a file. */
struct rl_body {
    const uint8_t *bytes;
    int fd; /* if bytes is NULL */
    uint64_t at, len;
};

enum { RL_RECORD = 12 };
bool rl_body_take(struct rl_body *b, void *to, size_t len); /* NULL: skips */
bool rl_body_record(struct rl_body *b, uint64_t *offset, uint32_t *len);
bool rl_body_valid(struct rl_body b);

/* ---- the agreed state of the members (state.c) ---- */

/* Numbers only: a copy is an array of numbers. */
struct rl_state {
    uint64_t index;   /* last entry applied */
    uint64_t last;    /* last entry that counted: a transaction or a fence. Base of the next transaction */
    uint64_t content; /* last entry that changed the file */
    uint64_t stage_first, stage_node, stage_number, stage_base, stage_len; /* parts that wait for their LAST */
    uint64_t n_done, done[RL_DONE][2];                                     /* by member: its last transaction */
};

enum { RL_STATE_WORDS = sizeof(struct rl_state) / sizeof(uint64_t), RL_STATE_BYTES = 8 * RL_STATE_WORDS };

void rl_state_write(const struct rl_state *s, uint8_t *to);
void rl_state_read(struct rl_state *s, const uint8_t *from);
/* Replaces a small file: after a power cut the file has the old bytes or the new ones. */
int rl_replace(const char *dir, const char *name, const void *bytes, size_t len, struct rh_words *why);
bool rl_sync_folder(const char *path); /* makes the names in a folder durable. False: errno */
int rl_state_save(const char *dir, const struct rl_state *s, struct rh_words *why);
int rl_state_load(const char *dir, struct rl_state *s, struct rh_words *why); /* RH_NONE: none saved */
uint64_t *rl_state_done(struct rl_state *s, uint64_t node);                   /* makes room */

/* ---- a transaction that is being written (tx.c) ---- */

enum rl_tx_stage { RL_TX_NONE, RL_TX_OPEN, RL_TX_OVER }; /* OVER: the gate has spoken; writes are a rollback's */

struct rl_tx {
    enum rl_tx_stage stage;
    struct rl_scratch pages;    /* at their offsets in the file */
    uint64_t *bits, n_words;    /* written blocks */
    uint64_t from, to;          /* blocks between which bits may be set */
    uint64_t low, size;         /* as in struct rl_entry */
    uint64_t file_size;         /* of the file below */
    uint64_t content;
    bool whole;                 /* the file itself is proposed: a database that was there before the group */
};

/* The fate of a proposed transaction. */
enum rl_verdict { RL_OPEN, RL_COMMITTED, RL_VOID, RL_REFUSED, RL_IN_DOUBT };

struct rl_pending {
    bool active;     /* a LAST is under way, or its fate is unknown */
    bool left;       /* the connection has gone with an error */
    bool applying;   /* the entry is being applied: the connection waits for the end */
    bool unsure;     /* the host cannot say: a fence decides */
    bool fencing;
    uint64_t number, base, ticket;
    enum rl_verdict verdict;
};

/* ---- a node ---- */

struct rl_item {
    struct rl_item *next;
    uint64_t index;
    size_t len;
    uint8_t bytes[];
};

/* In a file mapped by the processes of the machine: may the database file be read? */
struct rl_shared {
    char boot[40];            /* of the system */
    _Atomic uint32_t steady;  /* 0: the file may be between two entries */
};

struct rl_view; /* of a snapshot: snapshot.c */

struct rl_node {
    struct rl_node *next;
    char path[RL_PATH], dir[RL_PATH + 8];
    uint64_t id;
    pid_t pid;                /* of the process that opened the node */
    unsigned open_files;
    bool owner;               /* this process runs the node; others read */
    bool solo;                /* ends with its last connection */
    bool founder;             /* makes the first entry: its database, or a fence. Nobody writes in front of this entry */
    unsigned wait_ms;
    uint64_t opened;          /* when; in milliseconds */
    struct rh_host *host;
    sqlite3_vfs *base;
    sqlite3_file *file;       /* of the loop and the applier */
    struct rl_shared *shared;
    pthread_t applier;
    bool has_applier;

    pthread_mutex_t file_mutex, mutex;
    pthread_cond_t changed, work;
    struct rl_item *first, *last;
    size_t queued;
    bool busy;                /* an entry is being applied, or waits for readers */
    bool ending;
    bool stale;               /* a transaction of another leader waits for the file: a writer's is void */
    uint64_t given;           /* last entry that the host gave */
    struct rl_state state;
    bool leader, ready, asking, serving;
    uint64_t leader_id, serve_at, tickets;
    char leader_address[256], words[RL_WORDS];
    struct rl_pending pending;
    struct rl_tx tx;
    uint64_t epoch;           /* of connections: rises when a commit takes effect after its error */
    uint8_t *part;            /* RL_HEAD + RL_PART bytes, of the writer */
    int stage_fd;
    struct rl_view *view;
    struct rl_scratch loading;
    uint64_t loaded;
};

/* Reads a setting: from the parameters of the URI, then from the environment. */
const char *rl_setting(const char *uri, const char *name, char *room, size_t len);
void rl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct rl_node *rl_node_get(sqlite3_vfs *base, const char *path, struct rh_words *why);
void rl_node_put(struct rl_node *n);
struct rl_node *rl_node_of(const char *path, const char *suffix); /* open here; NULL: none */
bool rl_here(const struct rl_node *n);                          /* not in a child of fork */

/* A request of a connection. The ticket is its address; other tickets are odd. */
struct rl_waiter {
    bool over, abandoned; /* abandoned: the outcome frees the memory */
    enum rh_what what;
    char words[RL_WORDS];
};

enum rl_ticket { RL_TICKET_LAST = 1, RL_TICKET_FENCE = 3, RL_TICKET_START = 5 };

enum rh_what rl_wait(struct rl_node *n, int proposed, struct rl_waiter *w);
int rl_barrier(struct rl_node *n, char words[RL_WORDS]); /* waits until the file shows every commit so far */
uint64_t rl_now_ms(void);
void rl_wait_ms(struct rl_node *n, pthread_cond_t *c, unsigned ms);

/* apply.c */
int rl_apply(void *self, struct rh_entry *entries, size_t count, struct rh_words *why);
void *rl_applier(void *self);
void rl_drain(struct rl_node *n);
bool rl_lock_file(struct rl_node *n, bool wait);
void rl_unlock_file(struct rl_node *n);
void rl_settled(struct rl_node *n); /* after a change of state.last */
void rl_steady(struct rl_node *n, bool steady);
int rl_open_stage(struct rl_node *n, uint64_t first, struct rh_words *why);

/* tx.c */
void rl_tx_begin(struct rl_node *n, uint64_t file_size);
int rl_tx_write(struct rl_node *n, const void *from, size_t len, uint64_t at);
int rl_tx_read(struct rl_node *n, sqlite3_file *below, void *to, size_t len, uint64_t at);
void rl_tx_truncate(struct rl_tx *t, uint64_t size);
int rl_tx_gate(struct rl_node *n, sqlite3_file *below); /* an SQLite code */
void rl_tx_end(struct rl_tx *t);
void rl_adopt(struct rl_node *n);

/* snapshot.c */
int rl_applied(void *self, uint64_t *index, struct rh_words *why);
int rl_flush(void *self, uint64_t index, struct rh_words *why);
int rl_snapshot_open(void *self, void **view, uint64_t *index, struct rh_words *why);
int rl_snapshot_read(void *self, void *view, void *to, size_t cap, size_t *got, struct rh_words *why);
void rl_snapshot_close(void *self, void *view);
int rl_snapshot_load(void *self, enum rh_load what, const void *bytes, size_t len, uint64_t index, struct rh_words *why);
int rl_finish_load(struct rl_node *n, struct rh_words *why);
int rl_keep_old(struct rl_node *n, uint64_t at, uint64_t len); /* before the file changes there */

/* pragma.c, file.c, vfs.c */
int rl_pragma(struct rl_node *n, char **args, bool *linear);
int rl_file_open(sqlite3_vfs *base, struct rl_node *n, const char *name, sqlite3_file *f, int flags, int *out);
int rl_journal_open(struct rl_node *n, sqlite3_file *f);
size_t rl_file_bytes(sqlite3_vfs *base);
uint64_t rl_file_size(sqlite3_file *f);

#endif
