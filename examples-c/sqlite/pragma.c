/* pragma.c: PRAGMA raft_…, and the pragmas that a replicated file cannot have. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "raftlite.h"
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3

enum { MEMBERS = 64 };

static int answer(char **args, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int answer(char **args, int code, const char *format, ...) {
    va_list list;
    va_start(list, format);
    args[0] = sqlite3_vmprintf(format, list);
    va_end(list);
    return code;
}

static int status(struct rl_node *n, char **args) {
    struct rh_status s = {.struct_size = sizeof s};
    char words[RL_WORDS];
    rh_get_status(n->host, &s);
    pthread_mutex_lock(&n->mutex);
    bool waits_for_log = n->pending.active && !n->pending.left, doubt = n->pending.active && n->pending.left;
    const char *role = n->leader ? (n->ready ? "leader" : "leader, not ready") : n->leader_id ? "follower" : "without a leader";
    uint64_t leader_id = n->leader_id, index = n->state.index, waits = n->given - (n->state.index < n->given ? n->state.index : n->given);
    snprintf(words, sizeof words, "%s", n->words);
    pthread_mutex_unlock(&n->mutex);
    return answer(args, SQLITE_OK, "node %" PRIu64 ": %s; term %" PRIu64 ", leader %" PRIu64 ", applied %" PRIu64
                  ", waiting for readers %" PRIu64 ", commits under way %d, in doubt %d%s%s", n->id, s.failed ? "stopped" : role, s.core.term,
                  leader_id, index, waits, waits_for_log, doubt, words[0] ? "; last: " : "", words);
}

static int members(struct rl_node *n, char **args) {
    struct rh_member m[MEMBERS];
    size_t count = 0, len = 0;
    char text[MEMBERS * 100] = "";
    m[0].struct_size = sizeof m[0];
    int code = rh_members(n->host, m, MEMBERS, &count);
    for (size_t i = 0; code == RH_OK && i < count && i < MEMBERS && len < sizeof text; i++)
        if (m[i].voter || m[i].learner)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%" PRIu64 " %.64s %s", len ? "\n" : "", m[i].id,
                                    m[i].peer_address, m[i].voter ? "voter" : "learner");
    return answer(args, SQLITE_OK, "%s", text);
}

static int leader(struct rl_node *n, char **args) {
    char address[sizeof n->leader_address];
    pthread_mutex_lock(&n->mutex);
    uint64_t id = n->leader_id;
    snprintf(address, sizeof address, "%s", n->leader_address);
    pthread_mutex_unlock(&n->mutex);
    return answer(args, SQLITE_OK, id ? "%" PRIu64 "%s%s" : "", id, address[0] ? " " : "", address);
}

/* A request to the group, for people: the result is a row, or the error's text. */
static int request(struct rl_node *n, char **args, const char *what) {
    struct rl_waiter w = {.over = false};
    uint64_t ticket = (uintptr_t)&w, id = args[2] ? strtoull(args[2], NULL, 10) : 0;
    int proposed = strcmp(what, "remove") == 0     ? rh_remove(n->host, id, ticket)
                   : strcmp(what, "promote") == 0  ? rh_promote(n->host, id, ticket)
                   : strcmp(what, "transfer") == 0 ? rh_transfer(n->host, id, ticket)
                                                   : rh_backup(n->host, args[2] ? args[2] : "", ticket);
    enum rh_what end = rl_wait(n, proposed, &w);
    return answer(args, end == RH_DONE ? SQLITE_OK : SQLITE_ERROR, "%s%s%s", rh_what_text(end), w.words[0] ? ": " : "", w.words);
}

static int own(struct rl_node *n, char **args, const char *what, bool *linear) {
    char words[RL_WORDS];
    if (!n->owner)
        return answer(args, SQLITE_ERROR, "another process of this machine runs the node");
    if (strcmp(what, "status") == 0)
        return status(n, args);
    if (strcmp(what, "leader") == 0)
        return leader(n, args);
    if (strcmp(what, "members") == 0)
        return members(n, args);
    if (strcmp(what, "barrier") == 0)
        return rl_barrier(n, words) == SQLITE_OK ? answer(args, SQLITE_OK, "ok") : answer(args, SQLITE_BUSY, "%s", words);
    if (strcmp(what, "read") == 0) {
        if (args[2])
            *linear = strcasecmp(args[2], "linear") == 0;
        return answer(args, SQLITE_OK, *linear ? "linear" : "local");
    }
    if (strcmp(what, "remove") == 0 || strcmp(what, "promote") == 0 || strcmp(what, "transfer") == 0 || strcmp(what, "backup") == 0)
        return request(n, args, what);
    return SQLITE_NOTFOUND;
}

int rl_pragma(struct rl_node *n, char **args, bool *linear) {
    const char *name = args[1], *value = args[2];
    if (!rl_here(n))
        return SQLITE_NOTFOUND;
    if (strncasecmp(name, "raft_", 5) == 0) {
        char what[16];
        snprintf(what, sizeof what, "%s", name + 5);
        for (char *c = what; *c; c++)
            *c = (char)tolower(*c);
        return own(n, args, what, linear);
    }
    if (value && strcasecmp(name, "journal_mode") == 0 && (strcasecmp(value, "wal") == 0 || strcasecmp(value, "off") == 0))
        return answer(args, SQLITE_ERROR, "a replicated database has no journal_mode %s: the group's log takes its place", value);
    if (value && strcasecmp(name, "locking_mode") == 0 && strcasecmp(value, "exclusive") == 0)
        return answer(args, SQLITE_ERROR, "a replicated database has no locking_mode exclusive: entries of the group must get in");
    return SQLITE_NOTFOUND;
}
