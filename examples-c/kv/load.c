/*
 * raftcore-kv-load: loads a file of lines into a cluster while servers come and go, and then proves
 * the contents.
 *
 * load FILE ACKED ADDRESSES [RATE]   SET line:00000001 "first line" …; ACKED gets a byte for each
 * line: 1 acknowledged, 0 not verify FILE ACKED ADDRESS          reads every acknowledged line back
 * from one node; prints how many are lost leader ADDRESSES [NOT]             waits for a leader
 * other than NOT; prints its id and the milliseconds it took cmd ADDRESS WORD…                  one
 * command, its reply as text
 *
 * ADDRESSES is a list with commas. After an error or a lost connection, the client sends a line
 * again, to another node if need be. SET of the same value is idempotent, so the client may repeat
 * a SET, and the server must not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

enum {
    CONNECTIONS = 6,
    WINDOW = 128,                   /* requests in flight on a connection */
    REDIAL_MS = 50,
    LINE_BYTES = 1024 * 1024,
    PATIENCE_MS = 10 * 1000,        /* a node without an answer for so long counts as gone */
};

struct lines {
    const char *base;
    size_t *start;                  /* start[i] to start[i + 1] - 1 is line i, without its end */
    size_t count;
};

struct load {
    struct lines lines;
    struct addresses nodes;
    unsigned char *acked;
    size_t next, done, resent;
    size_t *again, n_again;         /* lines to be sent once more */
    double rate;                    /* lines a second; 0: as fast as possible */
    int64_t began, paused_until;
};

struct sender {
    struct conn conn;
    size_t node;
    size_t window[WINDOW];          /* lines in flight: a ring, oldest at `first` */
    size_t first, count;
    int64_t dial_at, heard;
};

static struct lines read_lines(const char *path)
{
    struct lines l = {0};
    struct stat st;
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
        fail("%s: %s", path, errno ? strerror(errno) : "empty");
    l.base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (l.base == MAP_FAILED)
        fail("%s: %s", path, strerror(errno));
    size_t size = (size_t)st.st_size, cap = 1;
    for (size_t i = 0; i < size; i++)
        cap += l.base[i] == '\n';
    l.start = calloc(cap + 1, sizeof *l.start);
    if (!l.start)
        fail("out of memory");
    for (size_t at = 0; at < size; l.count++) {
        const char *end = memchr(l.base + at, '\n', size - at);
        at = end ? (size_t)(end - l.base) + 1 : size + 1;
        l.start[l.count + 1] = at;
        if (at - l.start[l.count] > LINE_BYTES)
            fail("%s: line %zu has more than %d bytes, the most a value may have", path, l.count + 1, LINE_BYTES);
    }
    return l;
}

static void add_set(struct text *out, const struct lines *l, size_t i)
{
    size_t len = l->start[i + 1] - 1 - l->start[i];

    text_printf(out, "*3\r\n$3\r\nSET\r\n$13\r\nline:%08zu\r\n$%zu\r\n", i + 1, len);
    text_add(out, l->base + l->start[i], len);
    text_add(out, "\r\n", 2);
}

static bool next_line(struct load *load, size_t *line)
{
    if (load->n_again > 0) {
        *line = load->again[--load->n_again];
        return true;
    }
    if (load->next == load->lines.count)
        return false;
    if (load->rate > 0 && (double)load->next > load->rate * (double)(now_ms() - load->began) / 1000)
        return false;
    *line = load->next++;
    return true;
}

static void send_again(struct load *load, size_t line)
{
    load->again[load->n_again++] = line;
    load->resent++;
}

static void lose(struct load *load, struct sender *s)
{
    conn_close(&s->conn);
    for (; s->count > 0; s->count--)
        send_again(load, s->window[s->first++ % WINDOW]);
    s->node = (s->node + 1) % load->nodes.count;
    s->dial_at = now_ms() + REDIAL_MS;
}

static void fill(struct load *load, struct sender *s)
{
    size_t line;

    if (s->conn.fd < 0) {
        if (now_ms() < s->dial_at)
            return;
        if (!conn_dial(&s->conn, load->nodes.text[s->node])) {
            lose(load, s);
            return;
        }
        s->first = s->count = 0;
        s->heard = now_ms();
    }
    while (now_ms() >= load->paused_until && s->count < WINDOW && next_line(load, &line)) {
        if (s->count == 0)
            s->heard = now_ms();
        add_set(&s->conn.out, &load->lines, line);
        s->window[(s->first + s->count++) % WINDOW] = line;
    }
    if (!conn_write(&s->conn) || (s->count > 0 && now_ms() - s->heard > PATIENCE_MS))
        lose(load, s);
}

static void drain(struct load *load, struct sender *s)
{
    struct reply r;

    if (!conn_read(&s->conn)) {
        lose(load, s);
        return;
    }
    while (s->count > 0 && conn_reply(&s->conn, &r)) {
        size_t line = s->window[s->first++ % WINDOW];
        s->count--;
        s->heard = now_ms();
        if (r.type == '+') {
            load->acked[line] = 1;
            load->done++;
        } else {                    /* no leader just now, or an outcome nobody can know: say it again a little later */
            send_again(load, line);
            load->paused_until = now_ms() + 20;
        }
    }
}

static void show(const struct load *load, bool last)
{
    static int64_t shown;
    static size_t tenth = 1;
    char bar[41];
    size_t filled = 40 * load->done / load->lines.count;

    if (!isatty(STDERR_FILENO)) {   /* a log: a line now and then */
        for (; load->done * 5 >= load->lines.count * tenth && tenth <= 5; tenth++)
            fprintf(stderr, "  %3zu %%  %zu of %zu lines acknowledged\n", 20 * tenth, load->done, load->lines.count);
        return;
    }
    if (!last && now_ms() - shown < 100)
        return;
    shown = now_ms();
    memset(bar, ' ', sizeof bar);
    memset(bar, '#', filled);
    bar[40] = 0;
    fprintf(stderr, "\r\033[K  [%s] %3zu %%  %zu lines acknowledged, %zu sent again%s", bar,
            100 * load->done / load->lines.count, load->done, load->resent, last ? "\n" : "");
}

static void save_acked(const struct load *load, const char *path)
{
    FILE *f = fopen(path, "w");

    if (!f || fwrite(load->acked, 1, load->lines.count, f) != load->lines.count || fclose(f) != 0)
        fail("%s: %s", path, strerror(errno));
}

static int run_load(const char *file, const char *acked, const char *nodes, const char *rate)
{
    struct load load = {.lines = read_lines(file), .nodes = split_addresses(nodes), .rate = rate ? atof(rate) : 0, .began = now_ms()};
    struct sender sender[CONNECTIONS] = {0};
    struct pollfd poll_fd[CONNECTIONS];

    load.acked = calloc(load.lines.count, 1);
    load.again = calloc(load.lines.count, sizeof *load.again);
    if (!load.acked || !load.again)
        fail("out of memory");
    for (size_t i = 0; i < CONNECTIONS; i++) {
        sender[i].conn.fd = -1;
        sender[i].node = i % load.nodes.count;
    }
    while (load.done < load.lines.count) {
        for (size_t i = 0; i < CONNECTIONS; i++) {
            fill(&load, &sender[i]);
            bool more = text_len(&sender[i].conn.out) > 0;
            poll_fd[i] = (struct pollfd){.fd = sender[i].conn.fd, .events = (short)(POLLIN | (more ? POLLOUT : 0))};
        }
        poll(poll_fd, CONNECTIONS, 10);
        for (size_t i = 0; i < CONNECTIONS; i++)
            if (poll_fd[i].revents & ~POLLOUT && sender[i].conn.fd >= 0)
                drain(&load, &sender[i]);
        show(&load, false);
    }
    show(&load, true);
    save_acked(&load, acked);
    printf("%zu lines acknowledged in %.1f s, %zu sent again\n", load.done, (double)(now_ms() - load.began) / 1000, load.resent);
    return 0;
}

/* Sends GETs over a connection, a window at a time. A value other than the acknowledged line counts
 * as lost. */
static int run_verify(const char *file, const char *acked_path, const char *address)
{
    struct lines l = read_lines(file), acked = read_lines(acked_path);
    struct conn c = {.fd = -1};
    struct reply r;
    size_t lost = 0, checked = 0, asked = 0, answered = 0;

    if (acked.start[1] - 1 != l.count)
        fail("%s is not of this file of %zu lines", acked_path, l.count);
    if (!conn_dial(&c, address))
        fail("%s: can't connect", address);
    while (answered < l.count) {
        for (; asked < l.count && asked - answered < WINDOW; asked++)
            text_printf(&c.out, "*2\r\n$3\r\nGET\r\n$13\r\nline:%08zu\r\n", asked + 1);
        if (!conn_write(&c) || !conn_wait(&c, PATIENCE_MS) || !conn_read(&c))
            fail("%s: connection lost", address);
        while (answered < asked && conn_reply(&c, &r)) {
            size_t i = answered++, len = l.start[i + 1] - 1 - l.start[i];
            if (r.type == '-')
                fail("%s: %.*s", address, (int)r.len, r.text);
            if (!acked.base[i])
                continue;
            checked++;
            if (r.null || r.len != len || memcmp(r.text, l.base + l.start[i], len) != 0)
                lost++;
        }
    }
    printf("%zu %zu\n", checked, lost);
    return lost > 0;
}

static int run_leader(const char *nodes, const char *other_than)
{
    struct addresses a = split_addresses(nodes);
    int64_t began = now_ms();
    char id[32];

    while (now_ms() - began < 30 * 1000) {
        for (size_t i = 0; i < a.count; i++) {
            struct reply r;
            struct conn c = {.fd = -1};
            bool answered = conn_dial(&c, a.text[i]) && conn_ask(&c, "RAFT.STATUS", 500, &r);
            bool leads = answered && memmem(r.text, r.len, "role:leader", 11) && sscanf(r.text, "id:%31[0-9]", id) == 1;
            if (leads && (!other_than || strcmp(id, other_than) != 0)) {
                printf("%s %lld\n", id, (long long)(now_ms() - began));
                return 0;
            }
            conn_close(&c);
        }
        nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
    }
    fail("no leader in 30 s");
}

static int run_cmd(const char *address, char **word, int count)
{
    struct conn c = {.fd = -1};
    struct reply r;
    struct text line = {0};

    for (int i = 0; i < count; i++)
        text_printf(&line, "%s%s", i ? " " : "", word[i]);
    text_add(&line, "", 1);
    if (!conn_dial(&c, address) || !conn_ask(&c, line.ptr, PATIENCE_MS, &r))
        fail("%s: no answer", address);
    printf("%.*s\n", (int)r.len, r.text);
    return r.type == '-';
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "load") == 0)
        return run_load(argv[2], argv[3], argv[4], argv[5]);
    if (argc == 5 && strcmp(argv[1], "verify") == 0)
        return run_verify(argv[2], argv[3], argv[4]);
    if (argc >= 3 && strcmp(argv[1], "leader") == 0)
        return run_leader(argv[2], argv[3]);
    if (argc >= 4 && strcmp(argv[1], "cmd") == 0)
        return run_cmd(argv[2], argv + 3, argc - 3);
    fail("load FILE ACKED ADDRESSES [RATE] | verify FILE ACKED ADDRESS | leader ADDRESSES [NOT] | cmd ADDRESS WORD...");
}
