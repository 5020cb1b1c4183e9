/* host_command.c: commands of words, as an operator types them, and the status in words. */
#include <stdlib.h>
#include <string.h>

#include "host_parts.h"

enum { ADDRESS_ROOM = RH_WIRE_ADDRESS_MAX + 2, WORDS = 5 };     /* an address that is too long stays too long */

struct command {
    struct rh_host *h;
    const raftcore_slice *word;         /* the name first */
    size_t count;
    uint64_t id, ticket;
    struct rh_words *why;
};

static bool is_word(raftcore_slice s, const char *lower)
{
    if (s.len != strlen(lower))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? s.ptr[i] + 'a' - 'A' : s.ptr[i]) != lower[i])
            return false;
    return true;
}

/* Reads decimal digits without a zero in front, or "0". */
static bool read_number(raftcore_slice s, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9' || (i == 0 && s.ptr[0] == '0' && s.len > 1))
            return false;
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (*out > (UINT64_MAX - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return s.len > 0;
}

static const char *text_of(raftcore_slice s, char room[ADDRESS_ROOM])
{
    size_t len = s.len < ADDRESS_ROOM - 1 ? s.len : ADDRESS_ROOM - 1;

    if (len > 0)
        memcpy(room, s.ptr, len);
    room[len] = 0;
    if (strlen(room) != len)
        strcpy(room, "?");              /* a NUL within is no address */
    return room;
}

static int bad_address(struct rh_words *why, int code)
{
    return code == RH_E_ARG ? rh_fail(why, code, "an address must be HOST:PORT: where the other members reach the node") : code;
}

static int do_add(struct command *c)
{
    bool learner = is_word(c->word[c->count - 1], "learner");
    size_t count = c->count - learner;
    char peer[ADDRESS_ROOM], client[ADDRESS_ROOM];

    if (count < 3 || count > 4)
        return rh_fail(c->why, RH_E_ARG, "not understood: add ID HOST:PORT [CLIENT] [learner]");
    text_of(c->word[2], peer);
    text_of(count > 3 ? c->word[3] : (raftcore_slice){0}, client);
    return bad_address(c->why, rh_host_add(c->h, c->id, peer, client, !learner, c->ticket));
}

static int do_address(struct command *c)
{
    char peer[ADDRESS_ROOM], client[ADDRESS_ROOM];

    text_of(c->word[2], peer);
    return bad_address(c->why, rh_set_address(c->h, c->id, peer, c->count > 3 ? text_of(c->word[3], client) : NULL, c->ticket));
}

static int do_promote(struct command *c)
{
    return rh_promote(c->h, c->id, c->ticket);
}

static int do_remove(struct command *c)
{
    return rh_remove(c->h, c->id, c->ticket);
}

static int do_transfer(struct command *c)
{
    return rh_transfer(c->h, c->id, c->ticket);
}

static int do_backup(struct command *c)
{
    size_t len = c->word[1].len;
    char *path = calloc(1, len + 1);

    if (!path)
        return RH_E_NOMEM;
    if (len > 0)
        memcpy(path, c->word[1].ptr, len);
    if (len == 0 || strlen(path) != len) {
        free(path);
        return rh_fail(c->why, RH_E_ARG, "a backup needs the path of a file");
    }
    int code = rh_backup(c->h, path, c->ticket);
    free(path);
    return code;
}

static int do_status(struct command *c)
{
    return rh_host_submit(c->h, rh_pending_new(RH_P_STATUS, 0, c->ticket));
}

int rh_command(struct rh_host *h, const raftcore_slice *words, size_t count, uint64_t ticket, struct rh_words *why)
{
    static const struct { const char *name, *use; size_t least, most; uint64_t id_from; int (*run)(struct command *); } table[] = {
        {"add", "add ID HOST:PORT [CLIENT] [learner]", 3, WORDS, 1, do_add},
        {"address", "address ID HOST:PORT [CLIENT]", 3, 4, 1, do_address},
        {"promote", "promote ID", 2, 2, 1, do_promote},
        {"remove", "remove ID", 2, 2, 1, do_remove},
        {"transfer", "transfer [ID]", 1, 2, 0, do_transfer},
        {"backup", "backup PATH", 2, 2, UINT64_MAX, do_backup},
        {"status", "status", 1, 1, UINT64_MAX, do_status},
    };
    struct command c = {.h = h, .word = words, .count = count, .ticket = ticket, .why = why};

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (count == 0 || !is_word(words[0], table[i].name))
            continue;
        if (count < table[i].least || count > table[i].most)
            return rh_fail(why, RH_E_ARG, "not understood: %s", table[i].use);
        if (table[i].id_from != UINT64_MAX && count > 1 && (!read_number(words[1], &c.id) || c.id < table[i].id_from))
            return rh_fail(why, RH_E_ARG, "a node's id is a decimal number from 1 on");
        int code = table[i].run(&c);
        return code == RH_OK || code == RH_E_ARG ? code
               : rh_fail(why, code, "%s", code == RH_E_BUSY ? "too many requests are under way" : rh_strerror(code));
    }
    return rh_fail(why, RH_E_ARG, "not understood: add, address, promote, remove, transfer, backup or status");
}

size_t rh_status_text(struct rh_host *h, char *buf, size_t cap)
{
    pthread_mutex_lock(&h->lock);
    size_t len = rh_driver_status_text(h->driver, buf, cap);
    pthread_mutex_unlock(&h->lock);
    return len;
}
