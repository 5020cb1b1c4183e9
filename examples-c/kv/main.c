/*
 * raftcore-kv: a replicated key-value store that redis-cli speaks to. LMDB keeps, raftcore agrees, this program does the rest.
 *
 *   main.c       options, the loop, signals          host.c       the loop around the core: START READING HERE
 *   boot.c       from disk to a running node         submit.c     writes and reads into the core, outcomes out of it
 *   store.c      LMDB: state and log                 upkeep.c     ticks, compaction, events
 *   data.c       LMDB: keys and values               snapshot.c   a snapshot's data, beside the core
 *   peers.c      connections we send on              incoming.c   connections we are sent to on
 *   forward.c    commands passed on to the leader    op.c         what an entry of the log says
 *   clients.c    client connections                  resp.c       their protocol
 *   command.c    table of commands                   read.c write.c admin.c   the commands
 *   net.c        epoll and sockets                   util.c       buffers, numbers, last words
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clients.h"
#include "host.h"
#include "net.h"

enum { HAND_OVER_MS = 2000, TICKS_MAX = 2 };

static struct host host;            /* large: the table of pending writes is inside */
static struct watch timer, signals;
static uint64_t ticks;              /* passed, and not yet told to the core */
static int64_t stop_at;             /* 0: not stopping */
static bool stopped;

static const char usage[] =
    "raftcore-kv --id N --dir DIR --client HOST:PORT --peer HOST:PORT --cluster 1=HOST:PORT,2=HOST:PORT,3=HOST:PORT\n"
    "            [--join] [--force-cluster] [--keep N] [--group N] [--map-gib N]\n"
    "\n"
    "  --id N            this node: a number from 1 on\n"
    "  --dir DIR         its disk, made if it is not there\n"
    "  --client ADDRESS  where clients (redis-cli) are served\n"
    "  --peer ADDRESS    where the other nodes are; keep it off networks you do not trust\n"
    "  --cluster LIST    where THIS node reaches each of the others; with an empty disk: the founders, itself included\n"
    "  --join            with an empty disk: wait to be added (RAFT.ADD) instead of founding\n"
    "  --force-cluster   the others are lost for good: go on alone. Loses writes, once, and for ever if they are not\n"
    "  --keep N          log entries kept behind what is applied, for those who lag (10000)\n"
    "  --group N         the cluster's number, to keep two clusters from mixing (1)\n"
    "  --map-gib N       the most the database may grow to, in GiB (16); a snapshot that arrives stands beside the old data\n";

static uint64_t number(const char *option, const char *text)
{
    uint64_t value;

    if (!slice_to_id(slice_of(text, strlen(text)), &value))
        die("%s %s: a number from 1 on is needed", option, text);
    return value;
}

static struct options read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"id", required_argument, NULL, 'i'}, {"dir", required_argument, NULL, 'd'}, {"client", required_argument, NULL, 'c'},
        {"peer", required_argument, NULL, 'p'}, {"cluster", required_argument, NULL, 'l'}, {"join", no_argument, NULL, 'j'},
        {"force-cluster", no_argument, NULL, 'f'}, {"keep", required_argument, NULL, 'k'}, {"group", required_argument, NULL, 'g'},
        {"map-gib", required_argument, NULL, 'm'}, {"help", no_argument, NULL, 'h'}, {0},
    };
    struct options o = {.group = 1, .keep = 10000, .map_bytes = (size_t)16 << 30};
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'i': o.id = number("--id", optarg); break;
        case 'd': o.dir = optarg; break;
        case 'c': o.client = optarg; break;
        case 'p': o.peer = optarg; break;
        case 'l': o.cluster = optarg; break;
        case 'j': o.join = true; break;
        case 'f': o.force_cluster = true; break;
        case 'k': o.keep = number("--keep", optarg); break;
        case 'g': o.group = number("--group", optarg); break;
        case 'm': o.map_bytes = (size_t)number("--map-gib", optarg) << 30; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (!o.id || !o.dir || !o.client || !o.peer || !o.cluster || optind != argc) {
        fputs(usage, stderr);
        exit(2);
    }
    return o;
}

static void on_timer(struct watch *w, uint32_t events)
{
    uint64_t passed = 0;

    (void)events;
    if (read(w->fd, &passed, sizeof passed) == sizeof passed)
        ticks += passed;
}

/*
 * After the input of this turn was read, and a few ticks at most. If a sync took long, this node
 * could not hear the leader: messages of the leader wait in the sockets, and the silence is not the
 * leader's. Counting the time would make a follower with a slow disk campaign against a healthy
 * leader. Only lease reads need ticks to keep up with the clock, and this server has no lease
 * reads.
 */
static void pass_time(void)
{
    if (ticks == 0)
        return;
    host_tick(&host, ticks > TICKS_MAX ? TICKS_MAX : (uint32_t)ticks);
    ticks = 0;
    if (stop_at && ((host.role != RAFTCORE_ROLE_LEADER && host_is_idle(&host)) || now_ms() >= stop_at))
        stopped = true;
}

/*
 * A leader that stops hands leadership over first, so that the others need not wait for an election
 * timeout. The server accepts no further requests; accepted requests get their answer, if in time.
 */
static void on_signal(struct watch *w, uint32_t events)
{
    struct signalfd_siginfo info;

    (void)events;
    if (read(w->fd, &info, sizeof info) != sizeof info)
        return;
    if (host.stopping) {
        stopped = true;             /* asked twice */
        return;
    }
    host.stopping = true;
    clients_stop();
    stop_at = now_ms() + HAND_OVER_MS;
    if (host.role != RAFTCORE_ROLE_LEADER) {
        note("stopping");
        return;
    }
    raftcore_code code = raftcore_transfer(host.node, 0);
    host.busy = true;
    if (code < 0) {
        note("stopping; nobody can take over: %s", host_detail(&host));
        stopped = true;
    } else {
        note("stopping; handing over leadership");
    }
}

static void open_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = (struct watch){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .fn = on_signal};
    if (signals.fd < 0)
        die("signalfd: %s", strerror(errno));
    loop_add(&signals, EPOLLIN);
}

static void open_timer(void)
{
    struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    struct itimerspec every = {.it_interval = tick, .it_value = tick};

    timer = (struct watch){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), .fn = on_timer};
    if (timer.fd < 0 || timerfd_settime(timer.fd, 0, &every, NULL) != 0)
        die("timerfd: %s", strerror(errno));
    loop_add(&timer, EPOLLIN);
}

/* Asks for a descriptor for each client, as far as the system allows. */
static void raise_limits(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        note("the number of open files stays at its limit: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    struct options o = read_options(argc, argv);

    if (raftcore_abi_version() != RAFTCORE_ABI_VERSION)
        die("compiled for ABI %d of raftcore, linked with %u", RAFTCORE_ABI_VERSION, raftcore_abi_version());
    raise_limits();
    loop_open();
    open_signals();
    host_boot(&host, &o);
    peers_open(&host.peers, &host, o.peer);
    clients_open(&host, o.client);
    open_timer();
    peers_greet(&host.peers);       /* a leader that counted this node as gone sends its next heartbeat at once */
    note("serving clients at %s, peers at %s", o.client, o.peer);

    while (!stopped) {
        loop_run_once();            /* reads all input, so that the writes of many clients share a batch and a sync */
        pass_time();
        do {
            host_pump(&host);
            clients_run();          /* sends answers; the requests behind go to the host */
        } while (host.busy);
    }
    host_give_up(&host);
    clients_close();
    host_close(&host);
    note("stopped");
    return 0;
}
