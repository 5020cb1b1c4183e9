/*
 * raftcore-kv: a replicated key-value store that redis-cli speaks to. LMDB keeps the data, the host library of raftcore
 * (include/raftcore_host.h) does the rest.
 *
 *   main.c       options, the loop, signals          host.c       the database and its host: START READING HERE
 *   op.c         the contents of an entry            clients.c    client connections
 *   resp.c       the clients' protocol               command.c    table of commands
 *   read.c admin.c   commands                        net.c        epoll and sockets
 *   util.c       buffers, numbers
 *
 * bindings/c/lmdb has the keys and values in LMDB, and a log store in LMDB, to compare.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "host.h"
#include "net.h"
#include "op.h"

enum { HAND_OVER_MS = 2000 };

static struct watch signals, library;
static int64_t stop_at;             /* 0: not stopping */

static const char usage[] =
    "raftcore-kv --id N --dir DIR --client HOST:PORT --peer HOST:PORT [--found | --join HOST:PORT | --wait] [OPTION...]\n"
    "\n"
    "  --id N            this node: a number from 1 on, never used before in the group\n"
    "  --dir DIR         its directory, made if it is not there\n"
    "  --client ADDRESS  where clients (redis-cli) are served\n"
    "  --peer ADDRESS    where the other nodes reach this one\n"
    "With an empty directory, one of:\n"
    "  --found           found a group, once: this node is its first member\n"
    "  --join ADDRESS    join the group of the node with this peer address, as a voter\n"
    "  --wait            wait to be added by RAFT.ADD\n"
    "Options:\n"
    "  --listen ADDRESS  where peers are taken, if not at the address of --peer\n"
    "  --tls-ca FILE --tls-cert FILE --tls-key FILE\n"
    "                    TLS between the nodes, PEM; the certificate holds the URI urn:raftcore:GROUP:ID. SIGHUP reads the files again\n"
    "  --lease-reads     the leader answers reads without asking the others: needs clocks that run at one speed\n"
    "  --metrics ADDRESS metrics for Prometheus, by HTTP\n"
    "  --log KIND        where the log is: files (default), or lmdb, to compare. Always the same for a directory\n"
    "  --keep-kib N      KiB of log kept for nodes that lag, and of new log before it is cut (65536)\n"
    "  --map-gib N       the most that the database may grow to, in GiB (16); a snapshot arrives beside the old data\n"
    "  --group N         the group's number, to keep two groups from mixing (1)\n"
    "  --force-cluster   for one start, if the others are lost for good: go on alone, without the writes that only they have.\n"
    "                    See docs/lost-quorum.md\n";

static uint64_t number(const char *option, const char *text) {
    uint64_t value;
    if (!slice_to_id(slice_of(text, strlen(text)), &value))
        die("--%s %s: a number from 1 on is needed", option, text);
    return value;
}

static bool is_lmdb(const char *kind) {
    if (strcmp(kind, "files") != 0 && strcmp(kind, "lmdb") != 0)
        die("--log %s: files or lmdb", kind);
    return strcmp(kind, "lmdb") == 0;
}

static struct options read_options(int argc, char **argv) {
    enum { ID = 1, DIR, CLIENT, PEER, FOUND, JOIN, WAIT, LISTEN, CA, CERT, KEY, LEASE, METRICS, LOG, KEEP, MAP, GROUP, FORCE, HELP };
    static const struct option names[] = {
        {"id", 1, NULL, ID}, {"dir", 1, NULL, DIR}, {"client", 1, NULL, CLIENT}, {"peer", 1, NULL, PEER}, {"found", 0, NULL, FOUND},
        {"join", 1, NULL, JOIN}, {"wait", 0, NULL, WAIT}, {"listen", 1, NULL, LISTEN}, {"tls-ca", 1, NULL, CA},
        {"tls-cert", 1, NULL, CERT}, {"tls-key", 1, NULL, KEY}, {"lease-reads", 0, NULL, LEASE}, {"metrics", 1, NULL, METRICS},
        {"log", 1, NULL, LOG}, {"keep-kib", 1, NULL, KEEP}, {"map-gib", 1, NULL, MAP}, {"group", 1, NULL, GROUP},
        {"force-cluster", 0, NULL, FORCE}, {"help", 0, NULL, HELP}, {0},
    };
    struct options o = {.map_bytes = (uint64_t)16 << 30};
    uint64_t keep = 65536;
    int c, at = 0;
    rh_options_init(&o.rh, sizeof o.rh);
    while ((c = getopt_long(argc, argv, "", names, &at)) != -1) {
        const char *name = names[at].name;
        switch (c) {
        case ID: o.rh.id = number(name, optarg); break;
        case DIR: o.rh.dir = optarg; break;
        case CLIENT: o.client = o.rh.client = optarg; break;
        case PEER: o.rh.peer = optarg; break;
        case FOUND: o.rh.found = true; break;
        case JOIN: o.rh.join = optarg; break;
        case WAIT: o.rh.join = ""; o.rh.learner = true; break;
        case LISTEN: o.rh.listen = optarg; break;
        case CA: o.rh.tls_ca = optarg; break;
        case CERT: o.rh.tls_cert = optarg; break;
        case KEY: o.rh.tls_key = optarg; break;
        case LEASE: o.rh.lease_reads = true; break;
        case METRICS: o.rh.metrics = optarg; break;
        case LOG: o.lmdb_log = is_lmdb(optarg); break;
        case KEEP: keep = number(name, optarg); break;
        case MAP: o.map_bytes = number(name, optarg) << 30; break;
        case GROUP: o.rh.group = number(name, optarg); break;
        case FORCE: o.force_alone = true; break;
        case HELP: fputs(usage, stdout); exit(0);
        default: fputs("raftcore-kv --help shows all options\n", stderr); exit(2);
        }
    }
    if (!o.rh.id || !o.rh.dir || !o.client || !o.rh.peer || optind != argc) {
        fputs("--id, --dir, --client and --peer are needed: raftcore-kv --help\n", stderr);
        exit(2);
    }
    o.rh.keep_bytes = o.rh.compaction_bytes = keep << 10;
    o.rh.segment_bytes = keep << 10 < o.rh.segment_bytes ? keep << 10 : o.rh.segment_bytes;
    o.rh.max_entry_bytes = OP_MAX;
    return o;
}

/* SIGHUP reads certificates. Other signals: accepted requests are answered, if in time; then the leadership goes on. */
static void on_signal(struct watch *w, uint32_t events) {
    struct signalfd_siginfo info;
    struct rh_words why = {""};
    if (read(w->fd, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP) {
        int code = rh_reload_tls(kv.host, &why);
        note("SIGHUP: %s", code == RH_OK ? "the certificates are read again" : why.text);
        return;
    }
    note("stopping");
    stop_at = stop_at ? now_ms() : now_ms() + HAND_OVER_MS;     /* asked twice: at once */
    clients_stop();
}

static void open_signals(void) {
    sigset_t set;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = (struct watch){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .fn = on_signal};
    if (signals.fd < 0)
        die("signalfd: %s", strerror(errno));
    loop_add(&signals, EPOLLIN);
}

static void on_library(struct watch *w, uint32_t events) {
    /* a turn follows in any case */
}

static bool is_over(void) {
    struct rh_status s = {.struct_size = sizeof s};
    if (!stop_at)
        return false;
    rh_get_status(kv.host, &s);
    return s.requests == 0 || now_ms() >= stop_at;
}

int main(int argc, char **argv) {
    struct options o = read_options(argc, argv);
    if (raftcore_abi_version() != RAFTCORE_ABI_VERSION)
        die("compiled for ABI %d of raftcore, linked with %u", RAFTCORE_ABI_VERSION, raftcore_abi_version());
    clients_limit();
    loop_open();
    open_signals();
    host_open(&o);
    clients_open(o.client);
    library = (struct watch){.fd = rh_fd(kv.host), .fn = on_library};
    loop_add(&library, EPOLLIN);
    note("serving clients at %s, peers at %s", o.client, o.rh.peer);
    while (!is_over()) {
        loop_run_once(rh_timeout_ms(kv.host));  /* reads all input, so that the writes of many clients share a flush */
        host_turn();
        clients_run();              /* sends answers; the requests behind go to the library */
    }
    host_close();
    clients_close();
    note("stopped");
    return 0;
}
