/*
 * load.h: a small RESP client for load.c. The code is not the server's, so that the proof is
 * independent.
 */
#ifndef KV_LOAD_H
#define KV_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *ptr;
    size_t start, end, cap;
};

static inline size_t text_len(const struct text *t)
{
    return t->end - t->start;
}

void text_add(struct text *t, const void *bytes, size_t len);
__attribute__((format(printf, 2, 3))) void text_printf(struct text *t, const char *format, ...);

struct addresses {
    char *text[16];
    size_t count;
};

struct addresses split_addresses(const char *list);

struct conn {
    int fd;                         /* -1: no connection */
    struct text in, out;
};

/* Simple strings, errors, integers and bulk strings: the replies to the commands used here. */
struct reply {
    char type;
    bool null;
    const char *text;               /* valid until the next read */
    size_t len;
};

bool conn_dial(struct conn *c, const char *address);     /* waits until connected, half a second at most; then non-blocking */
void conn_close(struct conn *c);
bool conn_write(struct conn *c);                         /* writes as much as the socket accepts; false: lost */
bool conn_read(struct conn *c);                          /* reads the available bytes; false: lost */
bool conn_wait(struct conn *c, int ms);                  /* waits for bytes; false: not in time */
bool conn_reply(struct conn *c, struct reply *r);        /* false: the reply is not complete */
bool conn_ask(struct conn *c, const char *line, int ms, struct reply *r);   /* an inline command and its reply */

int64_t now_ms(void);
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

#endif
