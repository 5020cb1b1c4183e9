/*
 * server.c: the redis-server: the process, the control connection, promotion and demotion.
 *
 *                 leader, and the server is at log_end:        the server answers
 *                 REPLICAOF NO ONE, then PSYNC                  +CONTINUE
 *      FOLLOW ──────────────────────────────────► RISE ──────────────────────► SERVE
 *        ▲                                          │                            │
 *        │  nothing outstanding: REPLICAOF          │                            │
 *        ├──────────────────────────────────────────┴────────────────────────────┤
 *        └── reload: the server has, or may have, uncommitted effects ────────────┘
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sidecar.h"

enum asked { ASK_OK = 1, ASK_VERSION, ASK_USERS, ASK_ROLE, ASK_ROUND, ASK_PROMOTE };
enum { HEALTH_MS = 1000, RISE_MS = 2000, DISK_MS = 100, SPARE_FILES = 3 };

/* The necessary options, behind the user's own: the last option counts. %s: the folder; %d: feed.c. */
static const char settings[] =
    "--port 0 --unixsocket '%s/server.sock' --unixsocketperm 700 --dir '%s/server' --daemonize no --supervised no "
    "--cluster-enabled no --save '' --appendonly no --repl-diskless-sync yes --repl-diskless-sync-delay 0 "
    "--repl-backlog-size 16mb --repl-backlog-ttl 0 --client-output-buffer-limit 'replica' 0 0 0 --repl-timeout 2000000 "
    "--repl-ping-replica-period 2000000 --replica-read-only yes --replica-serve-stale-data yes "
    "--replica-ignore-maxmemory yes --min-replicas-to-write 0 --replicaof 127.0.0.1 %d -";

/* Secrets, kept out of the list of processes: for the server's standard input. */
static const char secrets[] = "masteruser raftcore\nmasterauth %s\nuser raftcore on >%s ~* &* +@all\n";

/* Refused to clients. An older server can forbid a subcommand only with the whole command. */
#define RULES "-replicaof -slaveof -shutdown -failover -psync -sync -replconf -monitor -debug -module +module|list "
static const char rules[] = RULES "-config|set -config|rewrite -client|kill -acl|setuser -acl|deluser -acl|load -acl|save";
static const char rules_6[] =
    RULES
    "-config +config|get +config|resetstat +config|help -acl +acl|whoami +acl|list +acl|users +acl|getuser +acl|cat "
    "+acl|genpass +acl|log +acl|help -client +client|id +client|info +client|list +client|getname +client|setname "
    "+client|reply +client|caching +client|tracking +client|trackinginfo +client|getredir +client|unblock "
    "+client|pause +client|unpause +client|help";

/* ---- the process ---- */

static void run_child(const struct sidecar *s, int config, pid_t parent)
{
    char log[256], text[8192];

    prctl(PR_SET_PDEATHSIG, SIGKILL);   /* no server without its raftcore-redis */
    if (getppid() != parent)
        _exit(127);
    snprintf(log, sizeof log, "%s/server.log", s->dir);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(config, 0);
    dup2(out, 1);
    dup2(out, 2);
    int len = snprintf(text, sizeof text, "exec %s ", s->server_command);
    if (len < (int)sizeof text - 2048) {
        snprintf(text + len, sizeof text - (size_t)len, settings, s->dir, s->dir, s->feed_port);
        execl("/bin/sh", "sh", "-c", text, (char *)NULL);
    }
    dprintf(2, "raftcore-redis: %s: %s\n", s->server_command, strerror(errno));
    _exit(127);
}

bool server_start(struct sidecar *s, struct rh_words *why)
{
    char text[300];
    int ends[2], len = snprintf(text, sizeof text, secrets, s->secret, s->secret);

    unlink(s->socket_path);
    if (pipe2(ends, O_CLOEXEC) != 0 || write(ends[1], text, (size_t)len) != len)
        return rh_fail(why, RH_E_IO, "the server's secret cannot be passed: %s", strerror(errno)) == RH_OK;
    close(ends[1]);
    pid_t parent = getpid();
    s->pid = fork();
    if (s->pid == 0)
        run_child(s, ends[0], parent);
    close(ends[0]);
    if (s->pid < 0)
        return rh_fail(why, RH_E_IO, "the server cannot be started: %s", strerror(errno)) == RH_OK;
    s->started = s->now;
    s->control = CONTROL_NONE;
    s->stage = FOLLOW;
    s->refuses = false;
    return true;
}

static void control_close(struct sidecar *s)
{
    watch_close(&s->control_watch);
    buf_free(&s->control_in);
    buf_free(&s->control_out);
    s->control = CONTROL_NONE;
    s->asked_head = s->asked_tail = 0;
    s->role_under_way = s->promoting = s->ask_again = false;
}

void server_stop(struct sidecar *s)
{
    control_close(s);
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}

static void look_at_process(struct sidecar *s)
{
    int status;

    if (s->pid <= 0 || waitpid(s->pid, &status, WNOHANG) != s->pid)
        return;
    s->pid = 0;
    if (!s->was_up)
        say(s, "the server does not start: see %s/server.log", s->dir);
    if (WIFSIGNALED(status))
        want_reload(s, "the server was ended by signal %d", WTERMSIG(status));
    else
        want_reload(s, "the server ended with status %d", WEXITSTATUS(status));
}

/* ---- the control connection ---- */

static void ask(struct sidecar *s, enum asked kind, const char *command)
{
    if (s->asked_tail - s->asked_head >= ASKED_MAX || !buf_add(&s->control_out, command, strlen(command)) ||
        !buf_add(&s->control_out, "\r\n", 2)) {
        want_reload(s, "the server does not take commands");
        return;
    }
    if (s->asked_head == s->asked_tail)
        s->asked_since = s->now;
    s->asked[s->asked_tail++ % ASKED_MAX] = (uint8_t)kind;
    if (!watch_write(s, &s->control_watch, &s->control_out))
        want_reload(s, "the control connection to the server broke");
}

bool server_ask_role(struct sidecar *s)
{
    if (s->role_under_way || s->stage != SERVE)
        return false;
    s->role_under_way = true;
    ask(s, ASK_ROUND, "ROLE");
    return true;
}

/* Restricts all users except raftcore. The reply is an array of names. */
static void restrict_users(struct sidecar *s, const char *reply, size_t len)
{
    bool old = strncmp(s->server_version, "6.", 2) == 0;
    char command[1600], name[128];

    for (const char *p = reply; (p = next_word(p, reply + len, name, sizeof name));) {
        if (strcmp(name, "raftcore") == 0)
            continue;
        snprintf(command, sizeof command, "ACL SETUSER %s %s%s%s", name, old ? rules_6 : rules, s->allow ? " " : "",
                 s->allow ? s->allow : "");
        ask(s, ASK_OK, command);
    }
    s->control = CONTROL_READY;
    s->was_up = true;
    s->failures = 0;
}

static void note_version(struct sidecar *s, const char *reply)
{
    const char *valkey = strstr(reply, "valkey_version:"), *redis = strstr(reply, "redis_version:");

    if (valkey || redis)
        sscanf(valkey ? valkey : redis, "%*[^:]:%63[^\r\n]", s->server_version);
}

/*
 * Near a full disk the server refuses writes, by a rule about replicas that it has. The library refuses entries a file of
 * the log later. So clients get words instead of a broken connection, and expiry goes on.
 */
static void look_at_disk(struct sidecar *s)
{
    struct rh_status st = {.struct_size = sizeof st};

    s->disk_at = s->now;
    if (rh_get_status(s->host, &st) != RH_OK)
        return;
    bool full = st.space != 0 || st.free_bytes < SPARE_FILES * s->o.segment_bytes;
    if (full == s->refuses)
        return;
    s->refuses = full;
    s->disk_told = s->disk_told && full;
    ask(s, ASK_OK, full ? "CONFIG SET min-replicas-to-write 2" : "CONFIG SET min-replicas-to-write 0");
    say(s, "%" PRIu64 " bytes are free on the disk: %s", st.free_bytes, full ? "the server refuses writes" : "writes are taken again");
}

/* Once, because the other disks may be full as well. */
static void lead_elsewhere(struct sidecar *s)
{
    if (!s->refuses || s->disk_told)
        return;
    s->disk_told = true;
    ctl_begin_transfer(s, 0, 0);
}

static void promote_if_level(struct sidecar *s, bool master, uint64_t position)
{
    if (s->stage != RISE || s->promoting)
        return;
    if (master) {
        want_reload(s, "the server is no replica of this process");
    } else if (position == s->log_end && s->feed_online && s->feed_out.len == 0 && s->control == CONTROL_READY) {
        s->promoting = true;
        look_at_disk(s);
        ask(s, ASK_PROMOTE, "REPLICAOF NO ONE");
    }
}

static void take_role(struct sidecar *s, enum asked kind, const char *reply)
{
    static const char head[] = "*3\r\n$6\r\nmaster\r\n:";
    bool master = strncmp(reply, head, sizeof head - 1) == 0;
    const char *last = strrchr(reply, ':');
    uint64_t position = master ? strtoull(reply + sizeof head - 1, NULL, 10) : last ? strtoull(last + 1, NULL, 10) : 0;

    if (kind == ASK_ROUND) {
        s->role_under_way = false;
        if (s->stage == SERVE && master)
            rounds_at(s, position);
    }
    if (s->stage == SERVE && !master)
        want_reload(s, "somebody made the server a replica");
    promote_if_level(s, master, position);
}

static void take_reply(struct sidecar *s, enum asked kind, const char *reply, size_t len)
{
    if (strncmp(reply, "-BUSY", 5) == 0 && kind >= ASK_ROLE) { /* a long script: the server lives */
        s->ask_again = s->ask_again || kind == ASK_ROUND;
        s->promoting = s->promoting && kind != ASK_PROMOTE;
        return;
    }
    if (reply[0] == '-' && kind != ASK_USERS) {
        want_reload(s, "the server refuses: %.*s", (int)strcspn(reply, "\r\n"), reply);
        return;
    }
    if (kind == ASK_VERSION)
        note_version(s, reply);
    else if (kind == ASK_USERS)
        restrict_users(s, reply, len);
    else if (kind == ASK_ROLE || kind == ASK_ROUND)
        take_role(s, kind, reply);
    else if (kind == ASK_PROMOTE && s->stage == RISE && !source_open(s))
        want_reload(s, "the server takes no replica");
}

static void control_ready(void *self, uint32_t events)
{
    struct sidecar *s = self;
    long len = 0;
    bool open = true;

    if (events & EPOLLOUT)
        open = watch_write(s, &s->control_watch, &s->control_out);
    if (events & ~(uint32_t)EPOLLOUT)
        open = read_some(s->control_watch.fd, &s->control_in, 64 * 1024) && open;
    while (s->control_in.len > 0 && s->asked_head != s->asked_tail &&
           (len = reply_len(buf_head(&s->control_in), s->control_in.len)) > 0) {
        char *reply = strndup((char *)buf_head(&s->control_in), (size_t)len);
        enum asked kind = s->asked[s->asked_head++ % ASKED_MAX];
        s->asked_since = s->now;
        buf_take(&s->control_in, (size_t)len);
        if (reply)
            take_reply(s, kind, reply, (size_t)len);
        free(reply);
    }
    if (!open || len < 0)
        want_reload(s, "the control connection to the server broke");
}

static void control_open(struct sidecar *s)
{
    char text[100];

    if (!watch_open(s, &s->control_watch, socket_open(s->socket_path, false), control_ready, s))
        return;                         /* the server is still starting */
    s->control = CONTROL_CONNECTING;
    snprintf(text, sizeof text, "AUTH raftcore %s", s->secret);
    ask(s, ASK_OK, text);
    ask(s, ASK_VERSION, "INFO server");
    ask(s, ASK_USERS, "ACL USERS");
}

/* ---- promotion and demotion ---- */

void server_unserve(struct sidecar *s)
{
    clients_cut(s, true);
    rounds_clear(s);
    source_close(s);
    image_close(s);                     /* an image may have uncommitted effects */
    ctl_end_transfer(s);
    s->stage = FOLLOW;
}

static void fall(struct sidecar *s)
{
    char text[60];
    bool level = s->stage == SERVE && s->outstanding == 0 && s->stream.len == 0 && s->captured == s->log_end;
    bool touched = s->stage == SERVE || s->promoting;

    server_unserve(s);
    if (!touched)
        return;
    if (!level || s->reload[0]) {
        want_reload(s, "the server has effects that may not be committed");
        return;
    }
    say(s, "another node leads: the server goes on as a replica from %" PRIu64, s->log_end);
    s->fed_end = s->log_end;
    s->feed_continue = true;
    s->deposed_at = s->now;
    snprintf(text, sizeof text, "REPLICAOF 127.0.0.1 %d", s->feed_port);
    ask(s, ASK_OK, text);
}

void server_role(struct sidecar *s)
{
    if (s->stage != FOLLOW && (!s->leads || s->term != s->serving_term))
        fall(s);
    if (s->stage == FOLLOW && s->leads && !s->reload[0]) {
        s->stage = RISE;
        s->serving_term = s->term;
        s->stage_since = s->now;
    }
}

void server_tick(struct sidecar *s)
{
    look_at_process(s);
    if (s->control == CONTROL_NONE && s->pid > 0 && !s->reload[0])
        control_open(s);
    if (s->control != CONTROL_NONE && s->asked_head != s->asked_tail && s->now - s->asked_since > s->server_ms)
        want_reload(s, "the server has not answered for %u ms", s->server_ms);
    if (s->control == CONTROL_READY && (s->stage == RISE || s->now - s->health_at > HEALTH_MS) &&
        s->asked_head == s->asked_tail) {
        s->health_at = s->now;
        ask(s, ASK_ROLE, "ROLE");
    }
    if (s->ask_again && s->control == CONTROL_READY && s->asked_head == s->asked_tail) {
        s->ask_again = false;
        ask(s, ASK_ROUND, "ROLE");
    }
    if (s->stage == SERVE && s->now - s->disk_at > DISK_MS && s->asked_head == s->asked_tail) {
        look_at_disk(s);
        lead_elsewhere(s);
    }
    if (s->feed_continue && s->now - s->deposed_at > s->server_ms)
        want_reload(s, "the server does not come back as a replica");
    if (s->stage == RISE && s->now - s->stage_since > RISE_MS) {
        s->stage_since = s->now;
        say(s, "the server is not ready to lead: handing over");
        rh_transfer(s->host, 0, 0);
    }
}
