/*
 * ctl.c: raftcore-redis ctl, and the counterpart in the process: lines over a socket in the directory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sidecar.h"

enum { LINE = 600, PAUSE_MS = 500, MEMBERS = 64, WORDS = 6 };

struct ctl {
    struct ctl *next;
    struct sidecar *s;
    struct watch watch;
    uint64_t ticket;
    char line[LINE];
    size_t len;
};

static void finish(struct ctl *c, const char *text)
{
    struct sidecar *s = c->s;

    if (send(c->watch.fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        say(s, "ctl went away before its answer");
    watch_close(&c->watch);
    for (struct ctl **at = &s->ctls; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    free(c);
}

void ctl_outcome(struct sidecar *s, uint64_t ticket, const struct rh_outcome *o)
{
    char text[RH_WORDS_MAX + 60];
    struct ctl *c = s->ctls;

    while (c && c->ticket != ticket)
        c = c->next;
    if (!c)
        return;
    if (o->what == RH_DONE)
        snprintf(text, sizeof text, "done\n");
    else
        snprintf(text, sizeof text, "%s: %s\n", rh_what_text(o->what), o->words);
    finish(c, text);
}

/* ---- status ---- */

static const char *doing(const struct sidecar *s)
{
    if (s->control != CONTROL_READY)
        return "the server is starting";
    return s->stage == SERVE ? "serves clients" : s->stage == RISE ? "is being promoted" : "follows";
}

static size_t write_members(struct sidecar *s, char *to, size_t cap)
{
    struct rh_member *m = calloc(MEMBERS, sizeof *m);
    size_t n = 0, len = 0;

    for (size_t i = 0; m && i < MEMBERS; i++)
        m[i].struct_size = sizeof *m;
    if (m && rh_members(s->host, m, MEMBERS, &n) == RH_OK)
        for (size_t i = 0; i < n && i < MEMBERS && len + 700 < cap; i++)
            len += (size_t)snprintf(to + len, cap - len, "member %" PRIu64 "  %s  peer %s  client %s%s\n", m[i].id,
                                    m[i].voter ? "voter" : m[i].learner ? "learner" : "gone", m[i].peer_address,
                                    m[i].client_address, m[i].id == s->leader ? "  leads" : "");
    free(m);
    return len;
}

static void status(struct ctl *c)
{
    struct sidecar *s = c->s;
    struct rh_status st = {.struct_size = sizeof st};
    char text[16 * 1024];

    rh_get_status(s->host, &st);
    int len = snprintf(text, sizeof text,
                       "node %" PRIu64 ": %s, term %" PRIu64 ", leader %" PRIu64 "\n"
                       "server: %s, process %d, %s\n"
                       "stream: committed up to %" PRIu64 ", received %" PRIu64 ", entry %" PRIu64
                       ", snapshot at entry %" PRIu64 ", log %" PRIu64 " bytes\n"
                       "clients: %" PRIu64 ", of them passed to the leader %" PRIu64 "; replies held: %" PRIu64
                       " bytes; reloads: %" PRIu64 "\n",
                       s->o.id, st.voter ? "voter" : st.member ? "learner" : "no member yet", st.core.term, s->leader,
                       s->server_version[0] ? s->server_version : "?", (int)s->pid, doing(s), s->log_end,
                       s->stage == SERVE ? s->captured : s->fed_end - s->feed_out.len, s->last_index, st.snapshot_index,
                       st.log_bytes, s->n_clients, s->n_passed, s->held_bytes, s->n_reloads);
    write_members(s, text + len, sizeof text - (size_t)len);
    finish(c, text);
}

size_t ctl_metrics(void *context, char *to, size_t cap)
{
    const struct sidecar *s = context;
    const struct { const char *name, *type; uint64_t value; } rows[] = {
        {"serving", "gauge", s->stage == SERVE && s->control == CONTROL_READY},
        {"server_up", "gauge", s->control == CONTROL_READY},
        {"clients", "gauge", s->n_clients},
        {"clients_passed", "gauge", s->n_passed},
        {"held_bytes", "gauge", s->held_bytes},
        {"stream_committed_bytes", "counter", s->log_end},
        {"reloads_total", "counter", s->n_reloads},
    };
    size_t len = 0;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        len += (size_t)snprintf(len < cap ? to + len : NULL, len < cap ? cap - len : 0,
                                "# TYPE raftcore_redis_%s %s\nraftcore_redis_%s %" PRIu64 "\n", rows[i].name, rows[i].type,
                                rows[i].name, rows[i].value);
    return len;
}

/* ---- commands ---- */

/* No requests are taken for a moment, so that the deposed server has no uncommitted effects. */
int ctl_begin_transfer(struct sidecar *s, uint64_t to, uint64_t ticket)
{
    if (s->stage != SERVE)
        return rh_transfer(s->host, to, ticket);
    if (s->paused)
        return RH_E_BUSY;
    s->paused = true;
    s->transfer_sent = false;
    s->paused_until = s->now + PAUSE_MS;
    s->transfer_to = to;
    s->transfer_ticket = ticket;
    return RH_OK;
}

void ctl_transfer(struct sidecar *s)
{
    if (!s->paused || s->transfer_sent)
        return;
    bool quiet = s->held_bytes == 0 && s->outstanding == 0 && s->stream.len == 0 && s->captured == s->log_end;
    if (!quiet && s->now < s->paused_until)
        return;
    if (rh_transfer(s->host, s->transfer_to, s->transfer_ticket) != RH_OK) {
        ctl_end_transfer(s);
        return;
    }
    s->transfer_sent = true;
    s->paused_until = s->now + 2000;
    s->turn = true;
}

void ctl_end_transfer(struct sidecar *s)
{
    const struct rh_outcome none = {.what = RH_NOT_COMMITTED, .words = "this node does not lead any more, or has no room for requests"};

    if (s->paused && !s->transfer_sent && s->transfer_ticket != 0)
        ctl_outcome(s, s->transfer_ticket, &none);
    s->paused = s->transfer_sent = false;
}

/* Splits the line at spaces and its end. */
static size_t split(const char *line, raftcore_slice *words, size_t most)
{
    size_t n = 0;

    for (line += strspn(line, " \n"); *line && n < most; line += strspn(line, " \n")) {
        size_t len = strcspn(line, " \n");
        words[n++] = (raftcore_slice){(const uint8_t *)line, len};
        line += len;
    }
    return n;
}

static bool is(raftcore_slice word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.ptr, text, word.len) == 0;
}

/* The library knows the commands, but for a transfer that waits for held replies, and a status with the server. */
static void obey(struct ctl *c)
{
    struct sidecar *s = c->s;
    raftcore_slice words[WORDS];
    size_t n = split(c->line, words, WORDS);
    struct rh_words why = {""};
    char line[RH_WORDS_MAX + 2];
    int code;

    if (n == 1 && is(words[0], "status")) {
        status(c);
        return;
    }
    c->ticket = ticket_of(TICKET_CTL, ++s->next_ticket);
    s->turn = true;
    const char *to = n == 2 ? (const char *)words[1].ptr : "";
    if (n > 0 && n < 3 && is(words[0], "transfer") && (n == 1 || strspn(to, "0123456789") == words[1].len)) {
        code = ctl_begin_transfer(s, strtoull(to, NULL, 10), c->ticket);
        rh_fail(&why, code, "%s", rh_strerror(code));
    } else {
        code = rh_command(s->host, words, n, c->ticket, &why);
    }
    snprintf(line, sizeof line, "%s\n", why.text);
    if (code != RH_OK)
        finish(c, line);
}

static void ready(void *self, uint32_t events)
{
    struct ctl *c = self;
    ssize_t n = c->len < LINE - 1 ? recv(c->watch.fd, c->line + c->len, LINE - 1 - c->len, 0) : 0;

    (void)events;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        finish(c, "");
        return;
    }
    c->len += (size_t)n;
    if (memchr(c->line, '\n', c->len) && c->ticket == 0)
        obey(c);
}

void ctl_accept(void *self, uint32_t events)
{
    struct sidecar *s = self;
    int fd = accept4(s->ctl_listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct ctl *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;

    (void)events;
    if (!c) {
        if (fd >= 0)
            close(fd);
        return;
    }
    c->s = s;
    c->next = s->ctls;
    s->ctls = c;
    if (!watch_open(s, &c->watch, fd, ready, c))
        finish(c, "");
}

/* ---- the other end ---- */

int ctl_main(int argc, char **argv)
{
    char path[240], text[LINE] = "", answer[4096];
    ssize_t n, total = 0;

    if (argc < 3 || strcmp(argv[0], "--dir") != 0) {
        fprintf(stderr, "raftcore-redis ctl --dir DIR status | transfer [ID] | add ID PEER [CLIENT] [learner] | promote ID |\n"
                        "                             remove ID | address ID PEER [CLIENT] | backup FILE\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", argv[i], i + 1 < argc ? " " : "\n");
    snprintf(path, sizeof path, "%s/ctl.sock", argv[1]);
    int fd = socket_open(path, false);
    if (fd < 0 || send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
        fprintf(stderr, "raftcore-redis: %s: %s. Does the member run?\n", path, strerror(errno));
        return 1;
    }
    bool done = false;
    for (struct pollfd p = {.fd = fd, .events = POLLIN}; poll(&p, 1, 15000) > 0 && (n = recv(fd, answer, sizeof answer, 0)) > 0;
         total += n) {
        done = done || (total == 0 && (strncmp(answer, "done", 4) == 0 || strncmp(answer, "node", 4) == 0));
        fwrite(answer, 1, (size_t)n, stdout);
    }
    if (total == 0)
        fprintf(stderr, "raftcore-redis: no answer\n");
    return done ? 0 : 1;
}
