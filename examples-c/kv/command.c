/*
 * command.c: the table of commands, requests out of words, and the commands that concern the connection only.
 */
#include "command.h"

#include "host.h"
#include "op.h"
#include "resp.h"

static void run_ping(struct request *r, struct buf *out) {
    if (r->n_args > 2)
        resp_error(out, "ERR wrong number of arguments for 'ping' command");
    else if (r->n_args == 2)
        resp_bulk(out, r->arg[1]);
    else
        resp_simple(out, "PONG");
}

static void run_echo(struct request *r, struct buf *out) {
    resp_bulk(out, r->arg[1]);
}

static void run_quit(struct request *r, struct buf *out) {
    resp_simple(out, "OK");
}

static void run_select(struct request *r, struct buf *out) {
    if (slice_equal(r->arg[1], slice_of("0", 1)))
        resp_simple(out, "OK");
    else
        resp_error(out, "ERR DB index is out of range: there is database 0 only");
}

/* redis-cli asks for hints, redis-benchmark for settings; short answers are enough. */
static void run_command(struct request *r, struct buf *out) {
    size_t count = 0;
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
        resp_array(out, 0);         /* flags; then the places of keys, for no client */
        resp_integer(out, 0);
        resp_integer(out, 0);
        resp_integer(out, 0);
    }
}

static void run_config(struct request *r, struct buf *out) {
    static const struct { const char *name, *value; } setting[] = {
        {"appendonly", "yes"}, {"databases", "1"}, {"maxmemory", "0"}, {"save", ""},
    };
    enum { COUNT = sizeof setting / sizeof setting[0] };
    size_t found = 0;

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

const struct command commands[] = {
    {"PING", -1, COMMAND_LOCAL, run_ping, 0},
    {"ECHO", 2, COMMAND_LOCAL, run_echo, 0},
    {"QUIT", -1, COMMAND_QUIT, run_quit, 0},
    {"SELECT", 2, COMMAND_LOCAL, run_select, 0},
    {"COMMAND", -1, COMMAND_LOCAL, run_command, 0},
    {"CONFIG", -2, COMMAND_LOCAL, run_config, 0},
    {"INFO", -1, COMMAND_LOCAL, run_info, 0},
    {"GET", 2, COMMAND_READ, run_get, 0},
    {"MGET", -2, COMMAND_READ, run_mget, 0},
    {"EXISTS", -2, COMMAND_READ, run_exists, 0},
    {"STRLEN", 2, COMMAND_READ, run_strlen, 0},
    {"DBSIZE", 1, COMMAND_READ, run_dbsize, 0},
    {"SCAN", -2, COMMAND_READ, run_scan, 0},
    {"SET", -3, COMMAND_WRITE, NULL, OP_SET},
    {"MSET", -3, COMMAND_WRITE, NULL, OP_MSET},
    {"DEL", -2, COMMAND_WRITE, NULL, OP_DEL},
    {"INCR", 2, COMMAND_WRITE, NULL, OP_INCRBY},
    {"INCRBY", 3, COMMAND_WRITE, NULL, OP_INCRBY},
    {"APPEND", 3, COMMAND_WRITE, NULL, OP_APPEND},
    {"FLUSHALL", -1, COMMAND_WRITE, NULL, OP_FLUSHALL},
    {"RAFT.ONCE", -4, COMMAND_WRITE, NULL, 0},              /* once_request */
    {"RAFT.STATUS", 1, COMMAND_LOCAL, run_status, 0},
    {"RAFT.ADD", -3, COMMAND_ADMIN, run_admin, 0},
    {"RAFT.ADDRESS", -3, COMMAND_ADMIN, run_admin, 0},
    {"RAFT.PROMOTE", 2, COMMAND_ADMIN, run_admin, 0},
    {"RAFT.REMOVE", 2, COMMAND_ADMIN, run_admin, 0},
    {"RAFT.TRANSFER", 2, COMMAND_ADMIN, run_admin, 0},
    {0},
};

/* Encodes a write. A command that can be refused is refused here, before an entry in everyone's log. */
static const char *encode(struct request *r, const slice *arg, size_t n) {
    slice incr[2] = {arg[1 % n], slice_of("1", 1)};
    int64_t by;
    uint8_t flags = 0;
    switch (r->command->code) {
    case OP_SET:                    /* SET key value [NX | XX]; no EX, PX, KEEPTTL, GET */
        for (size_t i = 3; i < n; i++)
            flags |= slice_is_word(arg[i], "NX") ? OP_NX : slice_is_word(arg[i], "XX") ? OP_XX : OP_NX | OP_XX;
        n = 3;
        return flags == (OP_NX | OP_XX) ? "ERR syntax error" : op_encode(OP_SET, flags, arg + 1, 2, &r->op);
    case OP_INCRBY:
        incr[1] = n == 3 ? arg[2] : incr[1];
        return slice_to_i64(incr[1], &by) ? op_encode(OP_INCRBY, 0, incr, 2, &r->op) : "ERR value is not an integer or out of range";
    case OP_MSET:
        return n % 2 == 0 ? "ERR wrong number of arguments for 'mset' command" : op_encode(OP_MSET, 0, arg + 1, n - 1, &r->op);
    case OP_FLUSHALL:
        return n > 2 || (n == 2 && !slice_is_word(arg[1], "SYNC") && !slice_is_word(arg[1], "ASYNC"))
                   ? "ERR syntax error" : op_encode(OP_FLUSHALL, 0, NULL, 0, &r->op);
    default:
        return op_encode((enum op_code)r->command->code, 0, arg + 1, n - 1, &r->op);
    }
}

static struct request *request_new(const slice *arg, size_t n) {
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

struct request *command_refused(const char *format, ...) {
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

static bool read_session(slice hex, uint8_t session[RH_SESSION_BYTES]) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    bool some = false;
    if (hex.len != 2 * RH_SESSION_BYTES)
        return false;
    for (size_t i = 0; i < hex.len; i++) {
        const char *digit = memchr(digits, hex.ptr[i], sizeof digits - 1);
        if (!digit)
            return false;
        uint8_t value = (uint8_t)((digit - digits) % 16);
        session[i / 2] = (uint8_t)(session[i / 2] << 4 | value);
        some = some || value;
    }
    return some;
}

/* RAFT.ONCE session number command [arg ...]: the write takes effect once, however often a client sends the request. */
static struct request *once_request(const slice *arg, size_t n) {
    struct rh_retry retry = {.number = 0};
    if (n < 4)
        return command_refused("ERR syntax error: RAFT.ONCE session number command [arg ...]");
    if (!read_session(arg[1], retry.session) || !slice_to_id(arg[2], &retry.number))
        return command_refused("ERR a session is 32 hexadecimal digits, not all 0, and a request's number is from 1 on");
    if (slice_is_word(arg[3], "RAFT.ONCE"))
        return command_refused("ERR RAFT.ONCE within RAFT.ONCE");
    struct request *r = command_request(arg + 3, n - 3);
    if (r->command && r->command->kind != COMMAND_WRITE) {
        resp_error(&r->reply, "ERR RAFT.ONCE is for commands that write");
        r->state = REQUEST_DONE;
        r->command = NULL;
    }
    r->retry = retry;
    return r;
}

struct request *command_request(const slice *arg, size_t n) {
    if (slice_is_word(arg[0], "RAFT.ONCE"))
        return once_request(arg, n);
    for (const struct command *c = commands; c->name; c++) {
        if (!slice_is_word(arg[0], c->name))
            continue;
        if (c->arity >= 0 ? n != (size_t)c->arity : n < (size_t)-c->arity)
            return command_refused("ERR wrong number of arguments for '%s' command", c->name);
        bool write = c->kind == COMMAND_WRITE;
        struct request *r = request_new(arg, write ? 0 : n);
        r->command = c;
        const char *fault = write ? encode(r, arg, n) : NULL;
        r->size += buf_len(&r->op);
        if (fault) {
            resp_error(&r->reply, "%s", fault);
            r->state = REQUEST_DONE;
        }
        return r;
    }
    return command_refused("ERR unknown command '%.*s'", (int)(arg[0].len < 64 ? arg[0].len : 64), (const char *)arg[0].ptr);
}

/* Matches a set [...]; `p` is after the bracket. Returns the place after the closing bracket. */
static const uint8_t *match_set(const uint8_t *p, const uint8_t *end, uint8_t c, bool *matches) {
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
bool glob_match(slice pattern, slice text) {
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
