/*
 * net_told.c: lines for a log, once per peer and cause.
 *
 * The table is small and forgets the oldest, so that strangers cannot fill memory, and hardly a
 * log.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "net_parts.h"

void rh_say(struct rh_tcp *net, int level, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!net->log)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    net->log(net->log_context, level, text);
}

/* FNV-1a. */
static uint64_t hash(const char *who)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *who; who++)
        h = (h ^ (uint8_t)*who) * 0x100000001b3u;
    return h ? h : 1;
}

bool rh_tell_first(struct rh_tcp *net, const char *who, uint32_t cause)
{
    uint64_t h = hash(who);

    for (unsigned i = 0; i < RH_TOLD; i++)
        if (net->told[i].who == h && net->told[i].cause == cause)
            return false;
    net->told[net->told_next++ % RH_TOLD] = (struct rh_told){h, cause};
    return true;
}

void rh_tell_again(struct rh_tcp *net, const char *who)
{
    uint64_t h = hash(who);

    for (unsigned i = 0; i < RH_TOLD; i++)
        if (net->told[i].who == h)
            net->told[i] = (struct rh_told){0};
}

void rh_who(const struct rh_conn *c, char to[64])
{
    if (c->id) {
        snprintf(to, 64, "node %llu", (ull)c->id);
        return;
    }
    snprintf(to, 64, "%s", c->from);
    char *colon = strrchr(to, ':');     /* without the port, which differs each time */
    if (colon)
        *colon = 0;
}
