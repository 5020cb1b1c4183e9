/*
 * command.h: the commands, and how a request is made of words.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "host.h"

enum command_kind {
    COMMAND_LOCAL,                  /* run at once, at the head of the line */
    COMMAND_READ,                   /* run on the data, linearizable by a read index */
    COMMAND_WRITE,                  /* encoded into an operation, answered when applied */
    COMMAND_LEADER,                 /* like LOCAL, but forwarded to the leader (forward.h) */
    COMMAND_QUIT,
};

struct command {
    const char *name;               /* upper case */
    int arity;                      /* as in Redis: words with the name; negative: at least so many */
    enum command_kind kind;
    /*
     * LOCAL, READ, LEADER: the reply goes to `out`. A command that waits for the host sets
     * REQUEST_WAITING, and the reply goes to r->reply.
     */
    void (*run)(struct host *h, struct request *r, struct buf *out);
    /* WRITE: fills r->op; or r->reply, if the words are no good. */
    void (*encode)(struct request *r, const slice *arg, size_t n);
};

extern const struct command commands[];                  /* the last has no name */

struct request *command_request(const slice *arg, size_t n);
__attribute__((format(printf, 1, 2))) struct request *command_refused(const char *format, ...);

bool glob_match(slice pattern, slice text);              /* *, ?, [a-z], \ as in Redis */

/* read.c, write.c, admin.c */
void run_get(struct host *h, struct request *r, struct buf *out);
void run_mget(struct host *h, struct request *r, struct buf *out);
void run_exists(struct host *h, struct request *r, struct buf *out);
void run_strlen(struct host *h, struct request *r, struct buf *out);
void run_dbsize(struct host *h, struct request *r, struct buf *out);
void run_scan(struct host *h, struct request *r, struct buf *out);
void encode_set(struct request *r, const slice *arg, size_t n);
void encode_mset(struct request *r, const slice *arg, size_t n);
void encode_del(struct request *r, const slice *arg, size_t n);
void encode_incr(struct request *r, const slice *arg, size_t n);
void encode_append(struct request *r, const slice *arg, size_t n);
void encode_flushall(struct request *r, const slice *arg, size_t n);
void run_status(struct host *h, struct request *r, struct buf *out);
void run_add(struct host *h, struct request *r, struct buf *out);
void run_promote(struct host *h, struct request *r, struct buf *out);
void run_remove(struct host *h, struct request *r, struct buf *out);
void run_transfer(struct host *h, struct request *r, struct buf *out);
void status_text(struct host *h, struct buf *text);

#endif
