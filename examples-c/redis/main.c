/*
 * main.c: raftcore-redis, a process beside each redis-server or valkey-server of a group: options, the
 * event loop, and the reload.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sidecar.h"

enum { EVENTS = 512, TICK_MS = 10, FAILURES = 5, DIR_MAX = 90 };

static const char usage[] =
    "raftcore-redis: an unmodified redis-server or valkey-server, replicated. One beside each server.\n"
    "\n"
    "  raftcore-redis --id N --dir DIR --client HOST:PORT --peer HOST:PORT [--found | --join HOST:PORT] [options]\n"
    "  raftcore-redis ctl --dir DIR status | transfer [ID] | add ID PEER [CLIENT] [learner] | promote ID | remove ID |\n"
    "                               address ID PEER [CLIENT] | backup FILE\n"
    "\n"
    "  --id N              number of the member; never used again for another directory\n"
    "  --dir DIR           log, snapshots, and the server's files\n"
    "  --client HOST:PORT  where clients connect; reachable for the other members as well\n"
    "  --peer HOST:PORT    where the other members connect\n"
    "  --listen HOST:PORT  where this member listens for the others, if not at --peer\n"
    "  --found             found a group: once, on the first member, at its first start\n"
    "  --join HOST:PORT    join a group: --peer of any member, at the first start\n"
    "  --server COMMAND    the server, with its configuration file and options [redis-server]\n"
    "  --tell              answer clients at a follower with -MOVED, instead of passing them to the leader\n"
    "  --allow RULES       ACL rules that give clients back what is refused, such as '+config|set'\n"
    "  --held BYTES        most memory for replies that wait [268435456]\n"
    "  --server-ms MS      a server that is silent for so long is ended and loaded anew [30000]\n"
    "  --tick-ms MS        unit of Raft's times; an election begins after 10 to 20 [50]\n"
    "  --log-bytes BYTES   of log before a snapshot is made [67108864]\n"
    "  --lease-reads       reads trust the clocks: faster, see docs/redis.md\n"
    "  --metrics HOST:PORT where GET /metrics is answered, for Prometheus\n"
    "  --restore FILE      with --found: the new group begins with a backup of ctl\n"
    "  --force-cluster     this member goes on alone: docs/lost-quorum.md first\n"
    "  --tls-ca FILE --tls-cert FILE --tls-key FILE   TLS between members\n";

static volatile sig_atomic_t stopped;
static struct sidecar sidecar;

static void stop(int number)
{
    stopped = number;
}

static void child(int number)
{
    (void)number;                       /* epoll_wait returns, and server_tick looks */
}

void say(const struct sidecar *s, const char *format, ...)
{
    char text[600], when[32];
    struct timespec t;
    va_list args;

    clock_gettime(CLOCK_REALTIME, &t);
    strftime(when, sizeof when, "%H:%M:%S", gmtime(&t.tv_sec));
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s.%03ld %" PRIu64 ": %s\n", when, t.tv_nsec / 1000000, s->o.id, text);
}

void want_reload(struct sidecar *s, const char *format, ...)
{
    va_list args;

    if (s->reload[0])
        return;
    va_start(args, format);
    vsnprintf(s->reload, sizeof s->reload, format, args);
    va_end(args);
}

static void library_says(void *context, enum rh_level level, const char *text)
{
    const struct sidecar *s = context;

    (void)level;
    say(s, "%s", text);
}

static uint64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the host, and the reload ---- */

static void host_ready(void *self, uint32_t events)
{
    struct sidecar *s = self;

    (void)events;
    s->turn = true;
}

static bool open_host(struct sidecar *s, struct rh_words *why)
{
    struct rh_database db;
    struct rh_words told = {""};

    database_fill(s, &db);
    if (s->alone && rh_recover(s->o.dir, s->o.group, s->o.id, &told, why) != RH_OK)
        return false;
    if (s->alone)
        say(s, "--force-cluster: this member GOES ON ALONE, and the others must never come back. %s", told.text);
    if (rh_open(&s->o, &db, &s->host, why) != RH_OK)
        return false;
    s->turn = true;
    int fd = fcntl(rh_fd(s->host), F_DUPFD_CLOEXEC, 0); /* the library closes its own */
    return watch_open(s, &s->host_watch, fd, host_ready, s) || rh_fail(why, RH_E_IO, "epoll: %s", strerror(errno)) == RH_OK;
}

/* Closes the host, hands the leadership over, and ends the server. */
static void end_all(struct sidecar *s)
{
    struct rh_words why;

    server_unserve(s);
    watch_close(&s->host_watch);
    rh_close(s->host, &why);
    s->host = NULL;
    s->leads = false;
    s->leader = 0;
    server_stop(s);
}

/* The server has uncommitted effects, or is gone: the committed state is loaded into a new server. */
static bool reload(struct sidecar *s, struct rh_words *why)
{
    say(s, "the server is loaded anew: %s", s->reload);
    end_all(s);
    feed_reset(s);
    database_reset(s);
    s->reload[0] = 0;
    s->n_reloads++;
    s->o.found = false;
    if (++s->failures > FAILURES || !s->was_up)
        return rh_fail(why, RH_E_FAILED, "the server does not stay up: see %s/server.log", s->dir) == RH_OK;
    if (s->failures > 1)
        usleep(300000);
    return open_host(s, why) && server_start(s, why);
}

/* ---- the loop ---- */

static void tick(struct sidecar *s)
{
    server_tick(s);
    if (!s->reload[0]) {
        source_ack(s);
        clients_tick(s);
        ctl_transfer(s);
    }
    if (s->transfer_sent && s->now > s->paused_until) /* the leadership stayed here */
        ctl_end_transfer(s);
}

static int wait_ms(struct sidecar *s)
{
    int ms = s->turn ? 0 : rh_timeout_ms(s->host), most = s->stage == SERVE || s->control == CONTROL_READY ? 20 : 5;

    if (s->stage == RISE)
        most = 1;
    return ms < most ? ms : most;
}

/* Does a turn of the library. The role comes first: replies of an old term must not leave. */
static bool after_turn(struct sidecar *s, struct rh_words *why)
{
    if (s->turn && rh_turn(s->host, why) != RH_OK)
        return false;
    s->turn = false;
    server_role(s);
    if (s->moved) {
        s->moved = false;
        clients_cut(s, false);
        clients_wake(s);
    }
    if (!s->reload[0])
        rounds_release(s);
    return true;
}

static bool loop(struct sidecar *s, struct rh_words *why)
{
    struct epoll_event events[EVENTS];
    uint64_t ticked = 0;

    while (!stopped) {
        int n = epoll_wait(s->epoll, events, EVENTS, wait_ms(s));
        s->now = clock_ms();
        for (int i = 0; i < n; i++) {
            struct watch *w = events[i].data.ptr;
            if (w->ready)
                w->ready(w->self, events[i].events);
        }
        if (n <= 0)
            s->turn = true;
        if (s->now - ticked >= (s->stage == RISE ? 1 : TICK_MS)) {
            ticked = s->now;
            s->turn = true;
            tick(s);
        }
        if (!s->reload[0]) {
            rounds_ask(s);
            source_flush(s, false);
        }
        if (!after_turn(s, why) || (s->reload[0] && !reload(s, why)))
            return false;
        clients_bury(s);
    }
    say(s, "stops, by signal %d", (int)stopped);
    return true;
}

/* ---- the beginning ---- */

static bool prepare(struct sidecar *s, struct rh_words *why)
{
    struct rlimit files;
    char path[260];
    uint8_t random[SECRET / 2];

    char *whole = mkdir(s->o.dir, 0700) == 0 || errno == EEXIST ? realpath(s->o.dir, NULL) : NULL;
    if (!whole)
        return rh_fail(why, RH_E_IO, "%s: %s", s->o.dir, strerror(errno)) == RH_OK;
    bool fits = snprintf(s->dir, sizeof s->dir, "%s", whole) <= DIR_MAX;
    free(whole);
    if (!fits || strchr(s->dir, '\''))
        return rh_fail(why, RH_E_ARG, "--dir: a path of at most %d bytes, for the sockets in it; no quotes", DIR_MAX) == RH_OK;
    snprintf(s->socket_path, sizeof s->socket_path, "%s/server.sock", s->dir);
    snprintf(path, sizeof path, "%s/server", s->dir);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return rh_fail(why, RH_E_IO, "%s: %s", path, strerror(errno)) == RH_OK;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return rh_fail(why, RH_E_IO, "the system gives no random bytes") == RH_OK;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(s->secret + 2 * i, 3, "%02x", random[i]);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->base_fd = s->load_fd = s->image_fd = -1;
    s->now = clock_ms();
    return s->epoll >= 0 || rh_fail(why, RH_E_IO, "epoll: %s", strerror(errno)) == RH_OK;
}

/* The password of the user raftcore: operators reach the server without restrictions. */
static bool write_secret(struct sidecar *s, struct rh_words *why)
{
    char path[260];

    snprintf(path, sizeof path, "%s/secret", s->dir);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, s->secret, SECRET) == SECRET;
    if (fd >= 0)
        close(fd);
    return good || rh_fail(why, RH_E_IO, "%s: %s", path, strerror(errno)) == RH_OK;
}

static bool open_listeners(struct sidecar *s, struct rh_words *why)
{
    char path[260];

    snprintf(path, sizeof path, "%s/ctl.sock", s->dir);
    return feed_open(s, why) && watch_listen(s, &s->ctl_listener, path, ctl_accept, why) &&
           watch_listen(s, &s->client_listener, s->o.client, client_accept, why);
}

/* Reads the options. Returns words for a wrong option, or NULL. */
static const char *read_options(struct sidecar *s, int argc, char **argv)
{
    static const struct option options[] = {
        {"id", 1, NULL, 'i'}, {"dir", 1, NULL, 'd'}, {"client", 1, NULL, 'c'}, {"peer", 1, NULL, 'p'},
        {"listen", 1, NULL, 'L'}, {"found", 0, NULL, 'f'}, {"join", 1, NULL, 'j'}, {"server", 1, NULL, 's'}, {"tell", 0, NULL, 't'},
        {"allow", 1, NULL, 'a'}, {"held", 1, NULL, 'h'}, {"server-ms", 1, NULL, 'm'}, {"tick-ms", 1, NULL, 'k'},
        {"log-bytes", 1, NULL, 'l'}, {"lease-reads", 0, NULL, 'r'}, {"tls-ca", 1, NULL, 'A'},
        {"tls-cert", 1, NULL, 'C'}, {"tls-key", 1, NULL, 'K'}, {"metrics", 1, NULL, 'M'}, {"restore", 1, NULL, 'R'},
        {"force-cluster", 0, NULL, 'F'}, {NULL, 0, NULL, 0}};
    int o;

    s->server_command = "redis-server";
    s->held_max = 256 * 1024 * 1024;
    s->server_ms = 30000;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 'i': s->o.id = strtoull(optarg, NULL, 10); break;
        case 'd': s->o.dir = optarg; break;
        case 'c': s->o.client = optarg; break;
        case 'p': s->o.peer = optarg; break;
        case 'L': s->o.listen = optarg; break;
        case 'f': s->o.found = true; break;
        case 'j': s->o.join = optarg; break;
        case 's': s->server_command = optarg; break;
        case 't': s->tell = true; break;
        case 'a': s->allow = optarg; break;
        case 'h': s->held_max = strtoull(optarg, NULL, 10); break;
        case 'm': s->server_ms = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'k': s->o.tick_ms = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'l': s->o.compaction_bytes = s->o.keep_bytes = strtoull(optarg, NULL, 10); break;
        case 'r': s->o.lease_reads = true; break;
        case 'A': s->o.tls_ca = optarg; break;
        case 'C': s->o.tls_cert = optarg; break;
        case 'K': s->o.tls_key = optarg; break;
        case 'M': s->o.metrics = optarg; break;
        case 'R': s->o.restore = optarg; break;
        case 'F': s->alone = true; break;
        default: return "";
        }
    }
    if (s->o.compaction_bytes < s->o.segment_bytes) /* a log is cut by whole files */
        s->o.segment_bytes = (s->o.compaction_bytes + 4095) / 4096 * 4096;
    return optind < argc                 ? argv[optind]
           : s->o.id == 0                ? "--id is missing, or no number above 0"
           : !s->o.dir                   ? "--dir is missing"
           : !s->o.client                ? "--client is missing"
           : !s->o.peer                  ? "--peer is missing"
           : s->o.found && s->o.join     ? "--found or --join, not both"
           : s->o.restore && !s->o.found ? "--restore goes with --found"
           : s->alone && (s->o.found || s->o.join) ? "--force-cluster is for a member of a group, without --found and --join"
           : s->held_max < 1024 * 1024   ? "--held is below 1 MiB"
           : s->o.compaction_bytes < 1024 * 1024 ? "--log-bytes is below 1 MiB"
           : s->server_ms < 100          ? "--server-ms is below 100"
           : s->allow && strpbrk(s->allow, "\r\n") ? "--allow has a line's end"
                                         : NULL;
}

int main(int argc, char **argv)
{
    struct sidecar *s = &sidecar;
    struct rh_words why = {""};

    if (argc > 1 && strcmp(argv[1], "ctl") == 0)
        return ctl_main(argc - 2, argv + 2);
    rh_options_init(&s->o, sizeof s->o);
    const char *fault = argc > 1 ? read_options(s, argc, argv) : "";
    if (fault) {
        fprintf(stderr, "%s%s%s", fault, fault[0] ? "\n\n" : "", usage);
        return 2;
    }
    s->o.log = library_says;
    s->o.log_context = s->o.metrics_context = s;
    s->o.more_metrics = ctl_metrics;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = stop}, NULL);
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = child}, NULL);
    signal(SIGPIPE, SIG_IGN);
    bool good = prepare(s, &why) && open_host(s, &why) && write_secret(s, &why) && open_listeners(s, &why) &&
                server_start(s, &why) && loop(s, &why);
    if (s->host)
        end_all(s);
    if (!good)
        fprintf(stderr, "raftcore-redis: %s\n", why.text);
    return good ? 0 : 1;
}
