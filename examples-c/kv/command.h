/* command.h: the commands, and how a request is made of words. */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "clients.h"

enum command_kind {
    COMMAND_LOCAL,                  /* run at once, at the head of the line */
    COMMAND_READ,                   /* run on the data, once the library says so */
    COMMAND_WRITE,                  /* encoded into an operation, answered when applied */
    COMMAND_ADMIN,                  /* like LOCAL, but waits for an outcome: REQUEST_WAITING */
    COMMAND_QUIT,
};

struct command {
    const char *name;               /* upper case */
    int arity;                      /* as in Redis: words with the name; negative: at least so many */
    enum command_kind kind;
    void (*run)(struct request *r, struct buf *out);    /* writes the reply, or begins to wait */
    int code;                       /* WRITE: the op_code */
};

extern const struct command commands[];                  /* the last has no name */

struct request *command_request(const slice *arg, size_t n);
__attribute__((format(printf, 1, 2))) struct request *command_refused(const char *format, ...);

bool glob_match(slice pattern, slice text);              /* *, ?, [a-z], \ as in Redis */

/* admin.c */
void run_admin(struct request *r, struct buf *out);
void run_status(struct request *r, struct buf *out);
void run_info(struct request *r, struct buf *out);
void admin_outcome(struct request *r, const struct rh_outcome *o);
size_t kv_metrics(void *context, char *to, size_t cap);  /* for rh_options.more_metrics */

/* read.c */
void run_get(struct request *r, struct buf *out);
void run_mget(struct request *r, struct buf *out);
void run_exists(struct request *r, struct buf *out);
void run_strlen(struct request *r, struct buf *out);
void run_dbsize(struct request *r, struct buf *out);
void run_scan(struct request *r, struct buf *out);

#endif
