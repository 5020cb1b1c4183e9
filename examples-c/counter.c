/*
 * counter.c: a replicated counter. Three processes, a log on files, and nothing acknowledged is lost.
 *
 *     counter DIR ID PEER CLIENT found           the first member, once
 *     counter DIR ID PEER CLIENT join ADDRESS    a further member; ADDRESS: the PEER of any member
 *     counter DIR ID PEER CLIENT learn ADDRESS   the same, without a vote until it is promoted
 *     counter DIR ID PEER CLIENT                 a member, again
 *     counter DIR ID PEER CLIENT restore FILE    the first member of a new group with the state of a backup
 *     counter DIR ID PEER CLIENT recover         a survivor of a lost quorum goes on alone
 *
 * A client connects to CLIENT, sends a line, reads a line: "add", "add SESSION NUMBER" with 32 hex digits and 1, 2, 3, …,
 * "get", "promote ID", "remove ID", "lead ID", "backup FILE", "members", or "status". docs/c.md goes through the program
 * and starts it; tests/host/counter.py kills members of it, and tests/interop has the same program in Go.
 *
 * From the environment: COUNTER_CUT, bytes of log before the log is cut; COUNTER_LISTEN, where peers are taken, if not at
 * PEER; COUNTER_TLS, a folder with ca.pem, ID.pem and ID.key, read again after SIGHUP.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "raftcore_host.h"

static uint64_t value;                      /* the database: a number, and who added to it */
static struct rh_sessions *sessions;
static char (*answers)[24];                 /* for the entries of an apply */
static struct { uint8_t *bytes; size_t len, at; } view, loading;
static volatile sig_atomic_t stopped, reload;

/* ---- the database's functions ---- */

static int apply(void *db, struct rh_entry *e, size_t n, struct rh_words *why) {
    char(*room)[24] = realloc(answers, n * sizeof *answers);
    if (!room)
        return rh_fail(why, RH_E_NOMEM, "no memory");
    answers = room;
    for (size_t i = 0; i < n; i++) {
        if (rh_sessions_seen(sessions, &e[i])) { /* a retry: the old answer, once more */
            if (e[i].forgotten)
                continue;
            memcpy(answers[i], e[i].result.ptr, e[i].result.len);
            e[i].result.ptr = (uint8_t *)answers[i];
            continue;
        }
        int len = snprintf(answers[i], sizeof answers[i], "%" PRIu64, ++value);
        e[i].result = (raftcore_slice){(uint8_t *)answers[i], (size_t)len};
        if (rh_sessions_done(sessions, &e[i]) != RH_OK)
            return rh_fail(why, RH_E_NOMEM, "no memory");
    }
    return 0;
}

static int applied(void *db, uint64_t *index, struct rh_words *why) {
    *index = 0; /* in memory: the library loads the newest snapshot, and applies the log behind it */
    return 0;
}

static int snapshot_open(void *db, void **v, uint64_t *index, struct rh_words *why) {
    view.len = sizeof value + rh_sessions_bytes(sessions);
    view.at = 0;
    if (!(view.bytes = malloc(view.len)))
        return rh_fail(why, RH_E_NOMEM, "no memory");
    if (rh_sessions_write(sessions, view.bytes) != RH_OK) {
        free(view.bytes);
        return rh_fail(why, RH_E_NOMEM, "no memory");
    }
    memcpy(view.bytes + view.len - sizeof value, &value, sizeof value);
    return 0;
}

static int snapshot_read(void *db, void *v, void *to, size_t cap, size_t *got, struct rh_words *why) {
    *got = view.len - view.at < cap ? view.len - view.at : cap;
    memcpy(to, view.bytes + view.at, *got);
    view.at += *got;
    return 0;
}

static void snapshot_close(void *db, void *v) {
    free(view.bytes);
}

static int snapshot_load(void *db, enum rh_load what, const void *bytes, size_t len, uint64_t index,
                         struct rh_words *why) {
    if (what == RH_LOAD_DATA) {
        uint8_t *more = realloc(loading.bytes, loading.len + len);
        if (!more)
            return rh_fail(why, RH_E_NOMEM, "no memory");
        memcpy(more + loading.len, bytes, len);
        loading.bytes = more;
        loading.len += len;
        return 0;
    }
    if (what == RH_LOAD_COMMIT) {
        size_t used = 0;
        if (rh_sessions_read(sessions, loading.bytes, loading.len, &used) != RH_OK ||
            loading.len - used != sizeof value)
            return rh_fail(why, RH_E_DAMAGED, "a snapshot of %zu bytes", loading.len);
        memcpy(&value, loading.bytes + used, sizeof value);
    }
    free(loading.bytes);
    memset(&loading, 0, sizeof loading);
    return 0;
}

/* A ticket is the client's descriptor. */
static void outcome(void *db, uint64_t ticket, const struct rh_outcome *o) {
    if (o->what == RH_DONE)
        dprintf((int)ticket, "done %.*s\n", (int)o->result.len, (const char *)o->result.ptr);
    else if (o->what == RH_READABLE)
        dprintf((int)ticket, "done %" PRIu64 "\n", value);
    else
        dprintf((int)ticket, "%s: %s\n", rh_what_text(o->what), o->words);
    close((int)ticket);
}

static void say(void *context, enum rh_level level, const char *text) {
    fprintf(stderr, "%s\n", text);
}

/* ---- clients ---- */

static void list_members(struct rh_host *h, int client) {
    struct rh_member m[16] = {{.struct_size = sizeof m[0]}};
    size_t n = 0;
    rh_members(h, m, 16, &n);
    for (size_t i = 0; i < n && i < 16; i++)
        if (m[i].voter || m[i].learner)
            dprintf(client, "%" PRIu64 "%s ", m[i].id, m[i].voter ? "" : " (learner)");
    dprintf(client, "\n");
}

static int command(struct rh_host *h, int client, const char *line) {
    const raftcore_slice plus = {(const uint8_t *)"+", 1};
    struct rh_retry retry;
    struct rh_status s = {.struct_size = sizeof s};
    char hex[33], file[200];
    uint64_t id;
    if (sscanf(line, "add %32[0-9a-f] %" SCNu64, hex, &retry.number) == 2 && strlen(hex) == 32) {
        for (int k = 0; k < RH_SESSION_BYTES; k++)
            sscanf(hex + 2 * k, "%2hhx", &retry.session[k]);
        return rh_propose(h, &plus, 1, &retry, (uint64_t)client);
    }
    if (strcmp(line, "add") == 0)
        return rh_propose(h, &plus, 1, NULL, (uint64_t)client);
    if (strcmp(line, "get") == 0)
        return rh_read(h, (uint64_t)client);
    if (sscanf(line, "promote %" SCNu64, &id) == 1)
        return rh_promote(h, id, (uint64_t)client);
    if (sscanf(line, "remove %" SCNu64, &id) == 1)
        return rh_remove(h, id, (uint64_t)client);
    if (sscanf(line, "lead %" SCNu64, &id) == 1)
        return rh_transfer(h, id, (uint64_t)client);
    if (sscanf(line, "backup %199s", file) == 1)
        return rh_backup(h, file, (uint64_t)client);
    if (strcmp(line, "members") == 0) {
        list_members(h, client);
        return RH_NONE;
    }
    rh_get_status(h, &s);
    dprintf(client, "leader %" PRIu64 " voter %d applied %" PRIu64 " value %" PRIu64 " snapshot %" PRIu64 "\n",
            s.core.leader, s.voter, s.core.applied, value, s.snapshot_index);
    return RH_NONE;
}

static void serve(struct rh_host *h, int listener) {
    char line[200];
    int client = accept(listener, NULL, NULL);
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_usec = 100000}, sizeof(struct timeval));
    ssize_t got = read(client, line, sizeof line - 1);
    line[got > 0 ? got : 0] = 0;
    line[strcspn(line, "\r\n")] = 0;
    int code = command(h, client, line);
    if (code < 0)
        dprintf(client, "not committed: %s\n", rh_strerror(code));
    if (code != RH_OK)
        close(client);
}

static int listen_at(const char *address) {
    const char *port = strrchr(address, ':');
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port ? port + 1 : "0"))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0 ? fd : -1;
}

/* ---- the process ---- */

static int read_arguments(int argc, char **argv, struct rh_options *o, struct rh_words *why) {
    const char *how = argc > 5 ? argv[5] : "", *what = argc > 6 ? argv[6] : NULL;
    if (argc < 5 || argc > 7)
        return RH_E_ARG;
    o->dir = argv[1];
    o->id = strtoull(argv[2], NULL, 10);
    o->peer = argv[3];
    o->client = argv[4];
    o->tick_ms = 20;
    o->log = say;
    if (strcmp(how, "recover") == 0) {
        struct rh_words told;
        int code = rh_recover(o->dir, o->group, o->id, &told, why);
        if (code == RH_OK)
            say(NULL, RH_LOG_WARNING, told.text);
        return code;
    }
    o->found = strcmp(how, "found") == 0 || strcmp(how, "restore") == 0;
    o->restore = strcmp(how, "restore") == 0 ? what : NULL;
    o->learner = strcmp(how, "learn") == 0;
    o->join = o->learner || strcmp(how, "join") == 0 ? what : NULL;
    return RH_OK;
}

static void read_environment(struct rh_options *o) {
    static char files[3][300];
    const char *cut = getenv("COUNTER_CUT"), *tls = getenv("COUNTER_TLS");
    o->listen = getenv("COUNTER_LISTEN");
    o->compaction_bytes = o->keep_bytes = o->segment_bytes = cut ? strtoull(cut, NULL, 10) : 1 << 20;
    if (!tls)
        return;
    snprintf(files[0], sizeof files[0], "%s/ca.pem", tls);
    snprintf(files[1], sizeof files[1], "%s/%" PRIu64 ".pem", tls, o->id);
    snprintf(files[2], sizeof files[2], "%s/%" PRIu64 ".key", tls, o->id);
    o->tls_ca = files[0];
    o->tls_cert = files[1];
    o->tls_key = files[2];
}

static void on_signal(int number) {
    if (number == SIGHUP)
        reload = 1;
    else
        stopped = 1;
}

static int run(struct rh_host *h, int listener, struct rh_words *why) {
    int code = RH_OK;
    while (!stopped && code == RH_OK) {
        struct pollfd p[2] = {{.fd = rh_fd(h), .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        poll(p, 2, rh_timeout_ms(h));
        if (p[1].revents)
            serve(h, listener);
        if (reload && rh_reload_tls(h, why) < 0)
            say(NULL, RH_LOG_ERROR, why->text);
        reload = 0;
        code = rh_turn(h, why);
    }
    int closed = rh_close(h, why);
    return code < 0 ? code : closed;
}

int main(int argc, char **argv) {
    const struct rh_database db = {.struct_size = sizeof db, .apply = apply, .applied = applied, .outcome = outcome,
                                   .snapshot_open = snapshot_open, .snapshot_read = snapshot_read,
                                   .snapshot_close = snapshot_close, .snapshot_load = snapshot_load};
    struct rh_options o;
    struct rh_host *h;
    struct rh_words why = {"counter DIR ID PEER CLIENT [found | join ADDRESS | learn ADDRESS | restore FILE | recover]"};
    rh_options_init(&o, sizeof o);
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGPIPE, SIG_IGN);
    int code = read_arguments(argc, argv, &o, &why), listener = code == RH_OK ? listen_at(o.client) : -1;
    sessions = rh_sessions_new(RH_SESSIONS);
    read_environment(&o);
    if (code == RH_OK && (listener < 0 || !sessions))
        code = rh_fail(&why, RH_E_IO, "nothing can listen at %s", o.client);
    if (code == RH_OK)
        code = rh_open(&o, &db, &h, &why);
    if (code == RH_OK)
        code = run(h, listener, &why);
    if (code < 0)
        fprintf(stderr, "counter: %s\n", why.text);
    return code < 0;
}
