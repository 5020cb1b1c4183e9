/*
 * link.c: a connection to the own server, as a replica.
 *
 * AUTH, REPLCONF and PSYNC go out singly: the server refuses PSYNC while replies wait on the
 * connection.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "sidecar.h"

enum step { STEP_AUTH, STEP_CAPA, STEP_PSYNC, STEP_BYTES };

static void write_out(struct link *l)
{
    if (!watch_write(l->s, &l->watch, &l->out))
        l->ended(l);
}

static void send_step(struct link *l)
{
    char text[200];
    int len;

    if (l->step == STEP_AUTH)
        len = snprintf(text, sizeof text, "AUTH raftcore %s\r\n", l->s->secret);
    else if (l->step == STEP_CAPA)
        len = snprintf(text, sizeof text, "REPLCONF capa eof capa psync2\r\n");
    else if (l->next > 0)
        len = snprintf(text, sizeof text, "PSYNC %s %" PRIu64 "\r\n", l->id, l->next);
    else
        len = snprintf(text, sizeof text, "PSYNC ? -1\r\n");
    if (buf_add(&l->out, text, (size_t)len))
        write_out(l);
    else
        l->ended(l);
}

/* Takes an answer. Returns false if no answer has come, or the link has ended. */
static bool take_answer(struct link *l)
{
    char line[200];
    const uint8_t *begin = l->in.len > 0 ? buf_head(&l->in) : NULL;
    const uint8_t *end = begin ? memchr(begin, '\n', l->in.len) : NULL;

    if (!end)
        return false;
    size_t len = (size_t)(end - begin);
    snprintf(line, sizeof line, "%.*s", (int)(len < 199 ? len : 199), (const char *)begin);
    buf_take(&l->in, len + 1);
    line[strcspn(line, "\r")] = 0;
    if (line[0] == 0 && l->step == STEP_PSYNC)
        return true;                    /* the server is alive, and has no answer yet */
    if (l->step == STEP_PSYNC) {
        l->step = STEP_BYTES;
        if (l->synced(l, line))
            return true;
    } else if (line[0] == '+') {
        l->step++;
        send_step(l);
        return l->watch.ready;
    }
    say(l->s, "the server answers its replica: %s", line);
    l->ended(l);
    return false;
}

static void ready(void *self, uint32_t events)
{
    struct link *l = self;

    if (events & EPOLLOUT)
        write_out(l);
    if (!l->watch.ready || !(events & ~(uint32_t)EPOLLOUT))
        return;
    bool open = read_some(l->watch.fd, &l->in, 256 * 1024);
    while (l->watch.ready && l->step < STEP_BYTES && take_answer(l))
        ;
    if (l->watch.ready && l->step == STEP_BYTES && l->in.len > 0 && !l->bytes(l) && l->watch.ready)
        l->ended(l);
    if (!open && l->watch.ready)
        l->ended(l);
}

bool link_open(struct link *l, struct sidecar *s, const char *id, uint64_t next)
{
    l->s = s;
    l->step = STEP_AUTH;
    l->next = next;
    snprintf(l->id, sizeof l->id, "%s", id ? id : "?");
    if (!watch_open(s, &l->watch, socket_open(s->socket_path, false), ready, l))
        return false;
    send_step(l);
    return l->watch.ready;
}

void link_close(struct link *l)
{
    watch_close(&l->watch);
    buf_free(&l->in);
    buf_free(&l->out);
}
