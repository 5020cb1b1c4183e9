/*
 * command.c: the table of commands, requests out of words, and the commands that concern the connection only.
 */
#include "command.h"

#include <stdio.h>
#include <unistd.h>

#include "clients.h"
#include "resp.h"

static void run_ping(struct host *h, struct request *r, struct buf *out)
{
    (void)h;
    if (r->n_args > 2)
        resp_error(out, "ERR wrong number of arguments for 'ping' command");
    else if (r->n_args == 2)
        resp_bulk(out, r->arg[1]);
    else
        resp_simple(out, "PONG");
}

static void run_echo(struct host *h, struct request *r, struct buf *out)
{
    (void)h;
    resp_bulk(out, r->arg[1]);
}

static void run_quit(struct host *h, struct request *r, struct buf *out)
{
    (void)h, (void)r;
    resp_simple(out, "OK");
}

static void run_select(struct host *h, struct request *r, struct buf *out)
{
    (void)h;
    if (slice_is(r->arg[1], "0"))
        resp_simple(out, "OK");
    else
        resp_error(out, "ERR DB index is out of range: there is database 0 only");
}

/* redis-cli asks for hints, redis-benchmark for settings; short answers satisfy both. */
static void run_command(struct host *h, struct request *r, struct buf *out)
{
    size_t count = 0;

    (void)h;
    while (commands[count].name)
        count++;
    if (r->n_args > 1 && slice_is_word(r->arg[1], "COUNT")) {
        resp_integer(out, (int64_t)count);
        return;
    }
    if (r->n_args > 1) {
        resp_array(out, 0);
        return;
    }
    resp_array(out, count);
    for (size_t i = 0; i < count; i++) {
        resp_array(out, 6);
        resp_text(out, commands[i].name);
        resp_integer(out, commands[i].arity);
        resp_array(out, 0);         /* flags; then the places of keys, which no client needs */
        resp_integer(out, 0);
        resp_integer(out, 0);
        resp_integer(out, 0);
    }
}

static void run_config(struct host *h, struct request *r, struct buf *out)
{
    static const struct { const char *name, *value; } setting[] = {
        {"appendonly", "yes"}, {"databases", "1"}, {"maxmemory", "0"}, {"save", ""},
    };
    enum { COUNT = sizeof setting / sizeof setting[0] };
    size_t found = 0;

    (void)h;
    if (!slice_is_word(r->arg[1], "GET") || r->n_args != 3) {
        resp_error(out, "ERR only CONFIG GET pattern is there: this server is set up by its options");
        return;
    }
    for (size_t i = 0; i < COUNT; i++)
        found += glob_match(r->arg[2], slice_of(setting[i].name, strlen(setting[i].name)));
    resp_array(out, 2 * found);
    for (size_t i = 0; i < COUNT; i++) {
        if (!glob_match(r->arg[2], slice_of(setting[i].name, strlen(setting[i].name))))
            continue;
        resp_text(out, setting[i].name);
        resp_text(out, setting[i].value);
    }
}

static void run_info(struct host *h, struct request *r, struct buf *out)
{
    struct buf text = {0};
    struct store *s = &h->store;

    (void)r;                        /* the client may name a section; INFO returns all sections */
    buf_printf(&text, "# Server\r\nserver:raftcore-kv\r\nraftcore_version:%s\r\n", raftcore_version_string());
    buf_printf(&text, "process_id:%ld\r\n", (long)getpid());
    buf_printf(&text, "\r\n# Clients\r\nconnected_clients:%zu\r\nmaxclients:%zu\r\n", clients.count, clients.most);
    buf_printf(&text, "\r\n# Stats\r\n");
    const struct { const char *name; uint64_t value; } count[] = {
        {"total_connections_received", clients.accepted}, {"total_commands_processed", clients.commands},
        {"rejected_connections", clients.refused}, {"writes_proposed", h->n_writes}, {"reads_asked", h->n_reads},
        {"outcomes_unknown", h->n_unknown}, {"readies", h->n_readies}, {"entries_applied", h->n_applied},
        {"durable_commits", s->commits},
    };
    for (size_t i = 0; i < sizeof count / sizeof count[0]; i++)
        buf_printf(&text, "%s:%llu\r\n", count[i].name, (ull)count[i].value);
    buf_printf(&text, "\r\n# Raft\r\n");
    status_text(h, &text);
    buf_printf(&text, "\r\n# Keyspace\r\n");
    if (s->state.keys > 0)
        buf_printf(&text, "db0:keys=%llu,expires=0,avg_ttl=0\r\n", (ull)s->state.keys);
    resp_bulk(out, buf_slice(&text));
    buf_free(&text);
}

const struct command commands[] = {
    {"PING", -1, COMMAND_LOCAL, run_ping, NULL},
    {"ECHO", 2, COMMAND_LOCAL, run_echo, NULL},
    {"QUIT", -1, COMMAND_QUIT, run_quit, NULL},
    {"SELECT", 2, COMMAND_LOCAL, run_select, NULL},
    {"COMMAND", -1, COMMAND_LOCAL, run_command, NULL},
    {"CONFIG", -2, COMMAND_LOCAL, run_config, NULL},
    {"INFO", -1, COMMAND_LOCAL, run_info, NULL},
    {"GET", 2, COMMAND_READ, run_get, NULL},
    {"MGET", -2, COMMAND_READ, run_mget, NULL},
    {"EXISTS", -2, COMMAND_READ, run_exists, NULL},
    {"STRLEN", 2, COMMAND_READ, run_strlen, NULL},
    {"DBSIZE", 1, COMMAND_READ, run_dbsize, NULL},
    {"SCAN", -2, COMMAND_READ, run_scan, NULL},
    {"SET", -3, COMMAND_WRITE, NULL, encode_set},
    {"MSET", -3, COMMAND_WRITE, NULL, encode_mset},
    {"DEL", -2, COMMAND_WRITE, NULL, encode_del},
    {"INCR", 2, COMMAND_WRITE, NULL, encode_incr},
    {"INCRBY", 3, COMMAND_WRITE, NULL, encode_incr},
    {"APPEND", 3, COMMAND_WRITE, NULL, encode_append},
    {"FLUSHALL", -1, COMMAND_WRITE, NULL, encode_flushall},
    {"RAFT.STATUS", 1, COMMAND_LOCAL, run_status, NULL},
    {"RAFT.ADD", -3, COMMAND_LEADER, run_add, NULL},
    {"RAFT.PROMOTE", 2, COMMAND_LEADER, run_promote, NULL},
    {"RAFT.REMOVE", 2, COMMAND_LEADER, run_remove, NULL},
    {"RAFT.TRANSFER", 2, COMMAND_LEADER, run_transfer, NULL},
    {0},
};

static struct request *request_new(const slice *arg, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += arg[i].len;
    struct request *r = xcalloc(1, sizeof *r + n * sizeof r->arg[0] + bytes);
    uint8_t *to = (uint8_t *)&r->arg[n];
    for (size_t i = 0; i < n; i++) {
        memcpy(to, arg[i].ptr, arg[i].len);
        r->arg[i] = slice_of(to, arg[i].len);
        to += arg[i].len;
    }
    r->n_args = n;
    r->size = sizeof *r + n * sizeof r->arg[0] + bytes;
    return r;
}

struct request *command_refused(const char *format, ...)
{
    struct request *r = request_new(NULL, 0);
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    resp_error(&r->reply, "%s", text);
    r->state = REQUEST_DONE;
    return r;
}

struct request *command_request(const slice *arg, size_t n)
{
    for (const struct command *c = commands; c->name; c++) {
        if (!slice_is_word(arg[0], c->name))
            continue;
        if (c->arity >= 0 ? n != (size_t)c->arity : n < (size_t)-c->arity)
            return command_refused("ERR wrong number of arguments for '%s' command", c->name);
        bool write = c->kind == COMMAND_WRITE;
        struct request *r = request_new(arg, write ? 0 : n);
        r->command = c;
        if (write)
            c->encode(r, arg, n);
        r->size += buf_len(&r->op);
        if (buf_len(&r->reply) > 0)
            r->state = REQUEST_DONE;
        return r;
    }
    return command_refused("ERR unknown command '%.*s'", (int)(arg[0].len < 64 ? arg[0].len : 64), (const char *)arg[0].ptr);
}

/* Matches a set [...]; `p` is after the bracket. Returns the place after the closing bracket. */
static const uint8_t *match_set(const uint8_t *p, const uint8_t *end, uint8_t c, bool *matches)
{
    bool negated = p < end && *p == '^', found = false;

    if (negated)
        p++;
    while (p < end && *p != ']') {
        if (*p == '\\' && p + 1 < end)
            p++;
        uint8_t low = *p++, high = low;
        if (p + 1 < end && *p == '-' && p[1] != ']') {
            high = p[1];
            p += 2;
        }
        found = found || (low <= c && c <= high) || (high <= c && c <= low);
    }
    *matches = found != negated;
    return p < end ? p + 1 : p;
}

/* Without recursion: a failed star is tried again one character later, and only for the last star. */
bool glob_match(slice pattern, slice text)
{
    const uint8_t *p = pattern.ptr, *p_end = p + pattern.len, *t = text.ptr, *t_end = t + text.len;
    const uint8_t *star_p = NULL, *star_t = NULL;

    while (t < t_end) {
        bool matches = false;
        const uint8_t *next = p;
        if (p < p_end && *p == '*') {
            star_p = ++p;
            star_t = t;
            continue;
        }
        if (p < p_end && *p == '?') {
            matches = true;
            next = p + 1;
        } else if (p < p_end && *p == '[') {
            next = match_set(p + 1, p_end, *t, &matches);
        } else if (p < p_end) {
            const uint8_t *literal = *p == '\\' && p + 1 < p_end ? p + 1 : p;
            matches = *literal == *t;
            next = literal + 1;
        }
        if (matches) {
            p = next;
            t++;
        } else if (star_p) {
            p = star_p;
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < p_end && *p == '*')
        p++;
    return p == p_end;
}
