/*
 * sidecar.h: the state of a raftcore-redis process, and the functions of each file.
 *
 *   main.c      options, the event loop, the reload
 *   io.c        buffers, sockets, epoll
 *   resp.c      command boundaries in a replication stream; lengths of replies
 *   server.c    the redis-server: the process, the control connection, promotion and demotion
 *   link.c      this process as a replica of the server: PSYNC, then bytes
 *   source.c    leader: the stream of the server becomes proposals
 *   feed.c      follower: this process as the master of the server
 *   database.c  the nine functions of struct rh_database
 *   image.c     RDB images of the server, for snapshots
 *   clients.c   connections of clients; passing to the leader
 *   rounds.c    held replies, and when they may leave
 *   ctl.c       raftcore-redis ctl
 *
 * Positions are offsets in the group's replication stream: the number of bytes before. Positions
 * are equal on all members, because committed entries hold the bytes.
 */
#ifndef SIDECAR_H
#define SIDECAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "raftcore_host.h"

/* ---- io.c ---- */

struct buf {
    uint8_t *bytes;
    size_t at, len, cap; /* the content is bytes[at .. at + len) */
};

/* Returns room for n bytes behind the content. NULL: no memory. */
uint8_t *buf_room(struct buf *b, size_t n);
bool buf_add(struct buf *b, const void *bytes, size_t n);
void buf_take(struct buf *b, size_t n);
void buf_free(struct buf *b);
static inline uint8_t *buf_head(const struct buf *b) { return b->bytes + b->at; }

/* A descriptor in the epoll set. `ready` NULL: closed, events are ignored. */
struct watch {
    int fd;
    uint32_t events;
    void (*ready)(void *self, uint32_t events);
    void *self;
};

struct sidecar;

/* Takes a descriptor into the set, for reading. Returns false, with errno, if fd is -1 or the set is full: fd is closed. */
bool watch_open(const struct sidecar *s, struct watch *w, int fd, void (*ready)(void *self, uint32_t events), void *self);
/* The same with a listening socket; `self` is the sidecar. */
bool watch_listen(struct sidecar *s, struct watch *w, const char *address, void (*ready)(void *self, uint32_t events),
                  struct rh_words *why);
void watch_set(const struct sidecar *s, struct watch *w, uint32_t events);
/* Writes as much as the socket takes, and waits for room if bytes are left. Returns false if the connection is broken. */
bool watch_write(const struct sidecar *s, struct watch *w, struct buf *from);
void watch_close(struct watch *w);

/* Listens or begins to connect. address: HOST:PORT, [HOST]:PORT, or the path of a Unix socket. -1: errno. */
int socket_open(const char *address, bool listens);

/* Reads up to `most` bytes. Returns false at the end of the connection. */
bool read_some(int fd, struct buf *to, size_t most);
/* Writes as much as the socket takes. Returns false if the connection is broken. */
bool write_some(int fd, struct buf *from);

/* ---- resp.c ---- */

struct scan {
    enum { SCAN_BEGIN, SCAN_COUNT, SCAN_DOLLAR, SCAN_LENGTH, SCAN_BYTES, SCAN_BROKEN } state;
    uint64_t number, args, left; /* the number being read; arguments to come; bytes of the argument to come */
    bool first, negative;
    uint8_t name[9];             /* of the command, upper case */
    size_t name_len;
    bool in_multi, asks_ack;     /* inside MULTI … EXEC; a REPLCONF went by */
    uint64_t position, boundary; /* bytes seen; end of the last command outside of MULTI */
};

/* Scans bytes of a replication stream. Returns false if the bytes are no commands. */
bool scan_feed(struct scan *s, const uint8_t *bytes, size_t n);

/* Returns the length of the reply at the head. 0: not complete. -1: no reply. */
long reply_len(const uint8_t *bytes, size_t n);

/* Copies the next string of an array, cut to cap - 1 bytes. Returns the place behind the string. NULL: no more. */
const char *next_word(const char *p, const char *end, char *to, size_t cap);

/* ---- link.c ---- */

/* A connection to the own server, as a replica. */
struct link {
    struct watch watch;
    struct buf in, out;
    int step;
    char id[48];                 /* PSYNC's arguments */
    uint64_t next;
    struct sidecar *s;
    /* `line` is the answer to PSYNC, without its end. False: the link ends. */
    bool (*synced)(struct link *l, const char *line);
    bool (*bytes)(struct link *l); /* the content of `in` is new. False: the link ends */
    void (*ended)(struct link *l);
};

/* next 0: PSYNC ? -1, a full image. Returns false if there is no connection. */
bool link_open(struct link *l, struct sidecar *s, const char *id, uint64_t next);
void link_close(struct link *l);

/* ---- the process ---- */

enum stage {
    FOLLOW, /* the server is a replica of this process */
    RISE,   /* leader: the server is being promoted */
    SERVE,  /* leader: clients are served, and the stream becomes entries */
};

enum control { CONTROL_NONE, CONTROL_CONNECTING, CONTROL_READY };

enum { ENDS = 1 << 16, ASKED_MAX = 64, PART = 512 * 1024, ENTRY_HEAD = 18, SECRET = 32 };

/* Where a complete entry ends in the stream. */
struct end {
    uint64_t index, end;
};

struct sidecar {
    /* options */
    struct rh_options o;
    const char *server_command, *allow;
    bool tell;                   /* clients at a follower are told where the leader is */
    bool alone;                  /* this member is declared to be the whole group */
    uint64_t held_max;
    unsigned server_ms;
    char dir[200], socket_path[240], secret[SECRET + 1];

    int epoll;
    struct rh_host *host;
    struct watch host_watch, client_listener, ctl_listener;
    bool turn;                   /* rh_turn is due */
    uint64_t now;                /* milliseconds */
    char reload[RH_WORDS_MAX];   /* not empty: why the server must be loaded anew */

    /* the role, as the library last told */
    bool leads, moved;           /* moved: a new leader, or a new address */
    uint64_t term, leader;
    char leader_address[256];

    /* the stream, as committed */
    uint64_t log_end, last_index;
    uint64_t part_term, part_end; /* of an unfinished run of parts; part_term 0: none */
    struct buf part;
    struct end ends[ENDS];        /* by number % ENDS */
    uint64_t n_ends;
    uint64_t loaded_index;        /* of the last snapshot made or loaded */

    /* server.c */
    enum stage stage;
    uint64_t serving_term, stage_since;
    pid_t pid;
    uint64_t started, failures;
    bool was_up;
    enum control control;
    struct watch control_watch;
    struct buf control_in, control_out;
    uint8_t asked[ASKED_MAX];
    unsigned asked_head, asked_tail;
    uint64_t asked_since, health_at, deposed_at;
    bool role_under_way, promoting;
    bool ask_again;              /* a ROLE of a round was answered with BUSY */
    char server_version[64];
    bool refuses, disk_told;      /* the server refuses writes for lack of space; the leadership was offered to others */
    uint64_t disk_at;

    /* source.c */
    struct link source;
    struct scan scan;
    struct buf stream;            /* received, and not yet proposed */
    uint64_t captured, proposed;  /* positions */
    uint64_t outstanding, outstanding_bytes;
    uint64_t ack_at, acked_at;    /* position that a WAIT asks for, 0: none; time of the last ACK */

    /* feed.c */
    struct watch feed_listener, feed_watch;
    int feed_port;
    struct buf feed_in, feed_head, feed_out; /* feed_out: committed, and not yet sent */
    bool feed_known;              /* the connection has shown the secret */
    bool feed_online, feed_used;  /* the server gets the stream; the server had an image */
    bool feed_continue;           /* the deposed server may go on behind fed_end */
    char feed_id[44];             /* replication id of the server at the promotion */
    uint64_t fed_end;             /* end of the bytes for the server, sent or waiting */
    int load_fd;                  /* a snapshot being loaded; -1: none */
    int base_fd;                  /* the image for the server; -1: without keys */
    uint64_t base_bytes, base_at, base_end;

    /* image.c */
    struct link image;
    int image_fd;
    bool image_busy, image_done, image_eof;
    bool image_known;             /* the length, or the mark */
    uint64_t image_end, image_left;
    struct end image_entry;       /* the last whole entry in the image */
    bool image_indexed;
    char image_mark[41];

    /* clients.c */
    struct client *clients, *buried;
    uint64_t n_clients, n_passed;
    uint64_t held_bytes;
    bool choked;
    bool transfer_sent;
    bool paused;                  /* no requests are taken during a transfer */
    uint64_t paused_until, transfer_to, transfer_ticket;

    /* rounds.c */
    struct round *open, *asked_round, *first_round, *last_round;
    uint64_t n_rounds;

    uint64_t n_reloads;
    struct ctl *ctls;
    uint64_t next_ticket;
};

void say(const struct sidecar *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Asks for a reload: the clients are cut, and the server gets the committed state anew. */
void want_reload(struct sidecar *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- server.c ---- */
bool server_start(struct sidecar *s, struct rh_words *why);
void server_stop(struct sidecar *s);
void server_tick(struct sidecar *s);
void server_unserve(struct sidecar *s);               /* closes clients, rounds, the source, an image */
void server_role(struct sidecar *s);                  /* the role may have changed */
bool server_ask_role(struct sidecar *s);              /* for a round. False: not now */

/* ---- source.c ---- */
bool source_open(struct sidecar *s);
void source_close(struct sidecar *s);
void source_flush(struct sidecar *s, bool all);
void source_outcome(struct sidecar *s, const struct rh_outcome *o, uint64_t bytes);
void source_ack(struct sidecar *s);
static inline bool source_full(const struct sidecar *s)
{
    return s->outstanding_bytes + s->stream.len > 32 * 1024 * 1024;
}

/* ---- feed.c ---- */
bool feed_open(struct sidecar *s, struct rh_words *why);
void feed_reset(struct sidecar *s);                   /* the server will start anew */
void feed_drop(struct sidecar *s);
bool feed_add(struct sidecar *s, const uint8_t *bytes, size_t n);
void feed_write(struct sidecar *s);
void feed_base(struct sidecar *s, int fd, uint64_t at, uint64_t bytes, uint64_t end);

/* ---- database.c ---- */
void database_fill(struct sidecar *s, struct rh_database *db);
bool entry_at(const struct sidecar *s, uint64_t position, struct end *out);
void database_reset(struct sidecar *s);

/* ---- image.c ---- */
bool image_start(struct sidecar *s);
void image_close(struct sidecar *s);
void image_resolve(struct sidecar *s);

/* ---- clients.c ---- */
struct client;
void client_accept(void *self, uint32_t events);      /* `self`: the sidecar */
void clients_cut(struct sidecar *s, bool served);      /* closes the served, or the passed */
void clients_wake(struct sidecar *s);                 /* the stage or the leader changed */
void clients_tick(struct sidecar *s);
void clients_bury(struct sidecar *s);
void client_close(struct client *c);
void client_release(struct client *c, uint64_t upto);
void client_unref(struct client *c);

/* ---- rounds.c ---- */
void rounds_add(struct sidecar *s, struct client *c, uint64_t number[2], uint64_t upto);
void rounds_ask(struct sidecar *s);
void rounds_at(struct sidecar *s, uint64_t position);  /* the server's answer */
void rounds_release(struct sidecar *s);
void rounds_readable(struct sidecar *s, uint64_t number, bool readable);
void rounds_clear(struct sidecar *s);

/* ---- ctl.c ---- */
void ctl_accept(void *self, uint32_t events);         /* `self`: the sidecar */
void ctl_outcome(struct sidecar *s, uint64_t ticket, const struct rh_outcome *o);
int ctl_begin_transfer(struct sidecar *s, uint64_t to, uint64_t ticket);
void ctl_transfer(struct sidecar *s);                 /* the pause is over: hand over now */
void ctl_end_transfer(struct sidecar *s);             /* requests are taken again */
size_t ctl_metrics(void *context, char *to, size_t cap); /* of rh_options.more_metrics; `context`: the sidecar */
int ctl_main(int argc, char **argv);

/* The upper bits of a ticket name the file. */
enum { TICKET_SOURCE = 1, TICKET_ROUND = 2, TICKET_CTL = 3 };
static inline uint64_t ticket_of(uint64_t kind, uint64_t number) { return kind << 60 | (number & ~(0xfull << 60)); }

#endif
