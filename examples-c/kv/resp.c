/*
 * resp.c: RESP2: arrays of bulk strings and inline commands in, the five reply types out.
 */
#include "resp.h"

#include <ctype.h>
#include <stdlib.h>

static enum resp_result bad(struct resp_args *out, const char *why) {
    out->why = why;
    return RESP_BAD;
}

static void add_arg(struct resp_args *out, slice arg) {
    if (out->n == out->cap) {
        out->cap = out->cap ? 2 * out->cap : 16;
        out->arg = realloc(out->arg, out->cap * sizeof *out->arg);
        if (!out->arg)
            die("out of memory");
    }
    out->arg[out->n++] = arg;
}

/* A line's number, as in "*3\r\n" and "$5\r\n". MORE if the line's end is not here yet. */
static enum resp_result number(slice in, size_t *at, int64_t *value) {
    const uint8_t *from = in.ptr + *at, *end = memchr(from, '\n', in.len - *at);
    if (!end)
        return in.len - *at > 24 ? RESP_BAD : RESP_MORE;
    size_t len = (size_t)(end - from);
    *at += len + 1;
    if (len > 0 && from[len - 1] == '\r')
        len--;
    return slice_to_i64(slice_of(from, len), value) ? RESP_REQUEST : RESP_BAD;
}

static enum resp_result parse_array(slice in, struct resp_args *out) {
    int64_t count, len;
    size_t at = 1;
    enum resp_result r = number(in, &at, &count);
    if (r == RESP_BAD || (r == RESP_REQUEST && count > RESP_ARGS_MAX))
        return bad(out, "invalid multibulk length");
    if (r == RESP_MORE)
        return r;
    for (int64_t i = 0; i < count; i++) {
        if (at == in.len)
            return RESP_MORE;
        if (in.ptr[at] != '$')
            return bad(out, "expected '$'");
        at++;
        r = number(in, &at, &len);
        if (r == RESP_BAD || (r == RESP_REQUEST && (len < 0 || len > RESP_BULK_MAX)))
            return bad(out, "invalid bulk length");
        if (r == RESP_MORE)
            return r;
        if (at + (size_t)len + 2 > RESP_REQUEST_MAX)
            return bad(out, "too big request");
        if (in.len - at < (size_t)len + 2) {
            out->need = at + (size_t)len + 2;
            return RESP_MORE;
        }
        if (in.ptr[at + (size_t)len] != '\r' || in.ptr[at + (size_t)len + 1] != '\n')
            return bad(out, "a bulk string does not end with CRLF");
        add_arg(out, slice_of(in.ptr + at, (size_t)len));
        at += (size_t)len + 2;
    }
    out->used = at;
    return RESP_REQUEST;
}

static int hex(int c) {
    return c <= '9' ? c - '0' : tolower(c) - 'a' + 10;
}

/* Reads a character inside quotes, with the escapes of redis-cli; returns the number of bytes read. */
static size_t unquote(const uint8_t *p, size_t left, char quote, uint8_t *c) {
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    *c = p[0];
    if (p[0] != '\\' || left < 2)
        return 1;
    if (quote == '\'') {
        if (p[1] != '\'')
            return 1;
        *c = '\'';
        return 2;
    }
    if (p[1] == 'x' && left >= 4 && isxdigit(p[2]) && isxdigit(p[3])) {
        *c = (uint8_t)(hex(p[2]) << 4 | hex(p[3]));
        return 4;
    }
    const char *known = memchr(from, p[1], sizeof from - 1);
    *c = known ? (uint8_t)to[known - from] : p[1];
    return 2;
}

/* Words of a line, with "double" and 'single' quotes. The lengths are known first, the pointers when `words` stands still. */
static enum resp_result parse_inline(slice in, struct resp_args *out) {
    const uint8_t *end = memchr(in.ptr, '\n', in.len);
    if (!end)
        return in.len > RESP_INLINE_MAX ? bad(out, "too big inline request") : RESP_MORE;
    size_t len = (size_t)(end - in.ptr);
    if (len > RESP_INLINE_MAX)
        return bad(out, "too big inline request");
    out->used = len + 1;
    buf_clear(&out->words);
    buf_room(&out->words, len + 1);

    for (size_t i = 0; i < len;) {
        if (isspace(in.ptr[i])) {
            i++;
            continue;
        }
        uint8_t *word = out->words.ptr + out->words.end, c;
        char quote = 0;
        for (; i < len && (quote || !isspace(in.ptr[i]));) {
            if (!quote && (in.ptr[i] == '"' || in.ptr[i] == '\'')) {
                quote = (char)in.ptr[i++];
            } else if (quote && in.ptr[i] == (uint8_t)quote) {
                quote = 0;
                i++;
            } else {
                c = in.ptr[i];
                i += quote ? unquote(in.ptr + i, len - i, quote, &c) : 1;
                out->words.ptr[out->words.end++] = c;
            }
        }
        if (quote)
            return bad(out, "unbalanced quotes in request");
        add_arg(out, slice_of(word, (size_t)(out->words.ptr + out->words.end - word)));
    }
    return RESP_REQUEST;
}

enum resp_result resp_parse(slice in, struct resp_args *out) {
    out->n = out->used = out->need = 0;
    out->why = NULL;
    if (in.len == 0)
        return RESP_MORE;
    return in.ptr[0] == '*' ? parse_array(in, out) : parse_inline(in, out);
}

void resp_simple(struct buf *out, const char *text) {
    buf_printf(out, "+%s\r\n", text);
}

void resp_error(struct buf *out, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p; p++)       /* a line break of a client's own words would end the reply */
        if (*p == '\r' || *p == '\n')
            *p = ' ';
    buf_printf(out, "-%s\r\n", text);
}

static void head(struct buf *out, char type, long long value) {
    char text[32];
    int len = snprintf(text, sizeof text, "%c%lld\r\n", type, value);
    buf_add(out, text, (size_t)len);
}

void resp_integer(struct buf *out, int64_t value) {
    head(out, ':', value);
}

void resp_bulk(struct buf *out, slice value) {
    head(out, '$', (long long)value.len);
    buf_add(out, value.ptr, value.len);
    buf_add(out, "\r\n", 2);
}

void resp_text(struct buf *out, const char *text) {
    resp_bulk(out, slice_of(text, strlen(text)));
}

void resp_null(struct buf *out) {
    buf_add(out, "$-1\r\n", 5);
}

void resp_array(struct buf *out, size_t count) {
    head(out, '*', (long long)count);
}
