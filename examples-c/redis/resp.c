/*
 * resp.c: where commands end in a replication stream, and how long a reply is.
 *
 * A stream is a series of arrays of bulk strings. The scanner keeps the place between calls, because
 * a read may end within a command.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sidecar.h"

static void end_of_command(struct scan *s)
{
    s->state = SCAN_BEGIN;
    s->name[s->name_len < sizeof s->name ? s->name_len : 0] = 0;
    if (strcmp((char *)s->name, "MULTI") == 0)
        s->in_multi = true;
    else if (strcmp((char *)s->name, "EXEC") == 0)
        s->in_multi = false;
    else if (strcmp((char *)s->name, "REPLCONF") == 0)
        s->asks_ack = true;
    if (!s->in_multi)
        s->boundary = s->position;
}

static void end_of_number(struct scan *s)
{
    if (s->state == SCAN_COUNT) {
        s->args = s->number;
        s->first = true;
        s->name_len = 0;
        s->state = s->args > 0 ? SCAN_DOLLAR : SCAN_BROKEN;
    } else {
        s->left = s->number + 2;        /* with the line's end */
        s->state = SCAN_BYTES;
    }
    s->number = 0;
}

/* Takes bytes of an argument, and keeps the command's name. Returns how many. */
static size_t scan_bytes(struct scan *s, const uint8_t *bytes, size_t n)
{
    size_t take = n < s->left ? n : (size_t)s->left;

    for (size_t i = 0; s->first && i < take && s->left - i > 2; i++, s->name_len++)
        if (s->name_len < sizeof s->name - 1)
            s->name[s->name_len] = (uint8_t)toupper(bytes[i]);
    s->left -= take;
    s->position += take;
    if (s->left == 0) {
        s->first = false;
        s->state = SCAN_DOLLAR;
        if (--s->args == 0)
            end_of_command(s);
    }
    return take;
}

bool scan_feed(struct scan *s, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n && s->state != SCAN_BROKEN;) {
        if (s->state == SCAN_BYTES) {
            i += scan_bytes(s, bytes + i, n - i);
            continue;
        }
        uint8_t c = bytes[i++];
        s->position++;
        if (s->state == SCAN_BEGIN || s->state == SCAN_DOLLAR) {
            bool right = c == (s->state == SCAN_BEGIN ? '*' : '$');
            s->state = !right ? SCAN_BROKEN : s->state == SCAN_BEGIN ? SCAN_COUNT : SCAN_LENGTH;
        } else if (c == '\n') {
            end_of_number(s);
        } else if (c >= '0' && c <= '9' && s->number < (uint64_t)1 << 40) {
            s->number = s->number * 10 + (uint64_t)(c - '0');
        } else if (c != '\r') {
            s->state = SCAN_BROKEN;
        }
    }
    return s->state != SCAN_BROKEN;
}

/* Returns the length of `depth` levels of replies at most. */
static long reply_at(const uint8_t *p, size_t n, int depth)
{
    const uint8_t *end = n > 0 ? memchr(p, '\n', n) : NULL;
    long count = 0, total;

    if (!end)
        return n < 64 * 1024 ? 0 : -1;
    total = end + 1 - p;
    if (strchr("+-:,#_(", p[0]))
        return total;
    if (!strchr("$*~>%", p[0]) || depth == 0)
        return -1;
    for (const uint8_t *d = p + 1; isdigit(*d) && count < (1 << 28); d++)
        count = count * 10 + *d - '0';
    if (p[1] == '-')
        return total;
    if (p[0] == '$')
        return (size_t)(total + count + 2) <= n ? total + count + 2 : 0;
    for (long i = 0; i < count; i++) {
        long one = reply_at(p + total, n - (size_t)total, depth - 1);
        if (one <= 0)
            return one;
        total += one;
    }
    return total;
}

long reply_len(const uint8_t *bytes, size_t n)
{
    return reply_at(bytes, n, 8);
}

const char *next_word(const char *p, const char *end, char *to, size_t cap)
{
    const char *head = memchr(p, '$', (size_t)(end - p)), *text = head ? memchr(head, '\n', (size_t)(end - head)) : NULL;
    size_t n = head ? strtoul(head + 1, NULL, 10) : 0;

    if (!text || (size_t)(end - text) < n + 3)
        return NULL;
    snprintf(to, cap, "%.*s", (int)n, text + 1);
    return text + 1 + n;
}
